#!/usr/bin/env bash
# For: proving that deploy/local/services keeps its word: runs real servers in a temporary folder through
# start, crash, pause, lost listener, port races and stop, and counts what held. Takes about a minute.
# Not for: testing weir; only the servers and the scripts around them are exercised here.
#
# Environment: WEIR_CACHE (see setup.sh), KEEP=1 (leave the folder and its logs).
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
services=$here/services
cache=${WEIR_CACHE:-$(dirname "$(dirname "$here")")/.cache}
[[ $cache == /* ]] || cache=$PWD/$cache
tmp=$(mktemp -d)
a="$tmp/a" b="$tmp/b" c="$tmp/c d"
passed=0 failed=0

finish() {
  local dir
  for dir in "$a" "$b" "$c"; do [[ ! -d $dir ]] || "$services" stop "$dir" >/dev/null 2>&1; done
  if [[ ${KEEP:-} ]]; then echo "kept: $tmp"; else rm -rf -- "$tmp"; fi
}
trap finish EXIT

check() { # WHAT COMMAND...
  local what=$1
  shift
  if "$@" >"$tmp/output" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $what"
  else
    failed=$((failed + 1))
    echo "FAILED  $what"
    sed 's/^/        /' "$tmp/output"
  fi
}
not() { ! "$@"; }
# A zombie holds nothing any more; only its parent can clear it away.
gone() { ! grep -qs '^State:.[^ZX]' "/proc/$1/status"; }
equal() { [[ $1 == "$2" ]] || { echo "got '$1', wanted '$2'"; return 1; }; }
within() { # SECONDS COMMAND...
  local begun=$SECONDS
  "${@:2}" || return 1
  ((SECONDS - begun <= $1)) || { echo "took $((SECONDS - begun)) s"; return 1; }
}

value() { sed -n "s/^$2=//p" "$1/env"; }
sql() { curl -fsS -m 30 "$(value "$1" CLICKHOUSE_URL)/" --data-binary "$2"; }
sql_is() { equal "$(sql "$1" "$2")" "$3"; }
secure_sql() { # the password on curl's stdin
  curl -fsS -m 30 --cacert "$a/secure/ca.pem" -K - "$(value "$a" CLICKHOUSE_SECURE_URL)/" --data-binary "$1" \
    <<<"user = weir:$(cat "$a/secure/weir.password")"
}
state() { "$services" status "$1" | awk -v s="$2" '$1 == s { print $2 }'; }
pid() { cat "$1/$2/pid"; }
tool() { # CLASS ARGUMENTS: one of Kafka's own command line tools, against $a
  local class=$1
  shift
  timeout 120 java -Xmx256m -Dweir.log="$tmp/tools.log" -Dweir.level=warn \
    -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" -cp "$cache/kafka-4.3.1/*" "org.apache.kafka.tools.$class" \
    --bootstrap-server "${tool_broker:-$(value "$a" KAFKA_BROKERS)}" "$@"
}
consumed() { tool consumer.ConsoleConsumer --topic events --from-beginning --timeout-ms 8000 --max-messages "$1" 2>/dev/null; }

# Through a pipe: were it held open by a server, this would never end.
# shellcheck disable=SC2016
check "start both, holding no pipe of the caller's" timeout 300 bash -c '"$0" start "$1" 2>&1 | cat' "$services" "$a"
check "env names Kafka" grep -qE '^KAFKA_BROKERS=127\.0\.0\.1:[0-9]+$' "$a/env"
check "env names ClickHouse" grep -qE '^CLICKHOUSE_URL=http://127\.0\.0\.1:[0-9]+$' "$a/env"
check "env names the key file" equal "$(value "$a" WEIR_HMAC_KEY_FILE)" "$a/hmac.key"
check "the key is 32 bytes in hex" grep -qxE '[0-9a-f]{64}' "$a/hmac.key"
check "the key is its owner's only" equal "$(stat -c %a "$a/hmac.key")" 600
check "env prints the file" equal "$("$services" env "$a")" "$(cat "$a/env")"
check "ClickHouse answers over TLS" equal "$(secure_sql 'SELECT currentUser()')" weir
check "... not without the password" not curl -fsS -m 10 --cacert "$a/secure/ca.pem" "$(value "$a" CLICKHOUSE_SECURE_URL)/?query=SELECT+1" -u weir:
check "... under the names of its certificate only" not curl -fsS -m 10 --cacert "$a/secure/ca.pem" "$(value "$a" CLICKHOUSE_SECURE_URL | sed s/127.0.0.1/127.0.0.2/)/ping"
check "secrets are their owner's only" equal "$(stat -c %a "$a/secure" "$a/secure/weir.password" "$a/kafka/server.properties" | xargs)" "700 600 600"
check "ClickHouse pings" equal "$(curl -fsS -m 10 "$(value "$a" CLICKHOUSE_URL)/ping")" Ok.
ports=$(cat "$a"/*/*port | while read -r port; do printf '%04X|' "$port"; done)
check "all listen on loopback only" not grep -qE "^ *[0-9]+: 00000000:(${ports%|}) " /proc/net/tcp

env_before=$(cat "$a/env") key_before=$(cat "$a/hmac.key") kafka_before=$(pid "$a" kafka) clickhouse_before=$(pid "$a" clickhouse)
check "a second start takes no time" within 1 "$services" start "$a"
check "... and keeps the servers" equal "$(pid "$a" kafka) $(pid "$a" clickhouse)" "$kafka_before $clickhouse_before"
check "... and the env file" equal "$(cat "$a/env")" "$env_before"

check "create tables" sql "$a" "CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n"
check "create a database" sql "$a" "CREATE DATABASE weir_test"
check "... and a table there" sql "$a" "CREATE TABLE weir_test.t (n UInt64) ENGINE = MergeTree ORDER BY n"
check "insert" sql "$a" "INSERT INTO t VALUES (1), (2)"
check "insert there" sql "$a" "INSERT INTO weir_test.t VALUES (3)"
check "kill ClickHouse" "$services" kill "$a" clickhouse
check "... it is gone" gone "$clickhouse_before"
check "... and status says so" equal "$(state "$a" clickhouse)" stopped
check "up again" "$services" up "$a" clickhouse
check "... on the same port" equal "$(cat "$a/env")" "$env_before"
check "... with its rows" sql_is "$a" "SELECT sum(n) FROM t" 3
check "... in all databases" sql_is "$a" "SELECT sum(n) FROM weir_test.t" 3

for round in 1 2; do
  check "take HTTP away ($round)" "$services" toggle-http "$a"
  check "... nothing connects" not sql "$a" "SELECT 1"
  check "... and status says so" equal "$(state "$a" clickhouse)" unreachable
  check "give HTTP back ($round)" "$services" toggle-http "$a"
  check "... it answers" sql_is "$a" "SELECT sum(n) FROM t" 3
done

check "pause ClickHouse" "$services" pause "$a" clickhouse
check "... it does not answer" not curl -fsS -m 2 "$(value "$a" CLICKHOUSE_URL)/ping"
check "... and status says so" equal "$(state "$a" clickhouse)" paused
check "resume" "$services" resume "$a" clickhouse
check "... it answers" sql_is "$a" "SELECT sum(n) FROM t" 3

check "Kafka: create a topic" tool TopicCommand --create --topic events
check "... with six partitions" equal "$(tool TopicCommand --describe --topic events | grep -c 'Leader: 1')" 6
client() { # USER FILE
  printf '%s\n' security.protocol=SASL_SSL sasl.mechanism=SCRAM-SHA-512 ssl.truststore.type=PEM "ssl.truststore.location=$a/secure/ca.pem" \
    "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"$1\" password=\"$(cat "$a/secure/$1.password")\";" >"$2"
}
listed() { tool_broker=$(value "$a" KAFKA_SECURE_BROKERS) tool TopicCommand --command-config "$1" --list; }
client weir "$tmp/weir.properties"
client weir-store "$tmp/store.properties"
check "Kafka: over TLS, weir may do everything" equal "$(listed "$tmp/weir.properties")" events
check "... and weir-store nothing" equal "$(listed "$tmp/store.properties")" ""
check "Kafka: no topic by accident" grep -q 'auto.create.topics.enable = false' "$a/kafka/server.log"
check "Kafka: write a record" tool ConsoleProducer --topic events <<<"first"
check "Kafka: write one of 5 MiB" tool ConsoleProducer --topic events --producer-property max.request.size=8000000 \
  --producer-property buffer.memory=33554432 < <(head -c 5242880 /dev/zero | tr '\0' x; echo)
check "kill Kafka" "$services" kill "$a" kafka
check "... it is gone" gone "$kafka_before"
check "up again" "$services" up "$a" kafka
check "... on the same port" equal "$(cat "$a/env")" "$env_before"
check "... with its records" equal "$(consumed 2 | awk '{ print length($0) }' | sort -n | xargs)" "5 5242880"
check "pause Kafka" "$services" pause "$a" kafka
check "... and status says so" equal "$(state "$a" kafka)" paused
check "resume Kafka" "$services" resume "$a" kafka
check "... its tools reach it" tool TopicCommand --describe --topic events

# Two more at the same moment, both wanting what the first one's defaults left: each gets ports of its own.
"$services" start "$b" >"$tmp/b.out" 2>&1 &
starting_b=$!
"$services" start "$c" >"$tmp/c.out" 2>&1 &
starting_c=$!
check "two more start at once: one" wait "$starting_b"
check "... the other, in a folder with a space" wait "$starting_c"
check "... no port is shared" equal "$(cat "$a/env" "$b/env" "$c/env" | grep -oE '127.0.0.1:[0-9]+' | sort -u | wc -l)" 15
# shellcheck disable=SC2016
check "... its env file can be sourced" bash -c '. "$1" && test -s "$WEIR_HMAC_KEY_FILE"' _ "$c/env"
check "... the first one's rows are not there" not sql "$b" "SELECT sum(n) FROM t"
check "kill the second ClickHouse" "$services" kill "$b" clickhouse
check "... the first does not mind" sql_is "$a" "SELECT sum(n) FROM t" 3
check "a chosen port that is taken is refused" not "$services" start "$b" "--clickhouse=$(cat "$a/clickhouse/port")"
check "start brings back what was killed" "$services" start "$b"

b_pids="$(pid "$b" kafka) $(pid "$b" clickhouse)"
a_pids="$(pid "$a" kafka) $(pid "$a" clickhouse)"
c_pids="$(pid "$c" kafka) $(pid "$c" clickhouse)"
sleep 1000 &
stranger=$!
disown "$stranger"
"$services" kill "$b" clickhouse && echo "$stranger" >"$b/clickhouse/pid"
check "a stranger with the pid is not killed" not "$services" kill "$b" clickhouse
"$services" stop "$b" >/dev/null 2>&1
check "... nor stopped" kill -0 "$stranger"
kill "$stranger"
check "pause, then stop" "$services" pause "$c" clickhouse
check "... ends it all the same" "$services" stop "$c"
check "stop" "$services" stop "$a"
check "... cleanly" grep -qx STOPPED "$a/clickhouse/out.log"
check "... Kafka too" grep -q 'shut down completed' "$a/kafka/server.log"
left=
for one in $a_pids $b_pids $c_pids; do gone "$one" || left+=" $one"; done
check "no process is left" equal "$left" ""
check "stopping what is stopped is fine" "$services" stop "$a"

check "start again" "$services" start "$a"
check "... with the same ports" equal "$(cat "$a/env")" "$env_before"
check "... the same key" equal "$(cat "$a/hmac.key")" "$key_before"
check "... the same rows" sql_is "$a" "SELECT sum(n) FROM t" 3
check "... and records" equal "$(consumed 2 | wc -l)" 2
check "stop again" "$services" stop "$a"

echo "$passed passed, $failed failed"
((failed == 0))
