#!/usr/bin/env bash
# For: making a bare Debian-like machine able to build weir and to run its real local servers: installs
# the system packages that are missing, and fills the cache with Kafka's jars and ClickHouse as a library,
# both pinned by version and checksum. It may be run at any time: what is there already is kept, what a
# broken run left behind is repaired, and when nothing is missing it says nothing.
# Not for: installing Rust (see the message), starting anything, or machines other than x86-64 Linux.
#
# Environment: WEIR_CACHE (default: .cache in the repository), CI=true (no progress bars).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${WEIR_CACHE:-$(dirname "$(dirname "$here")")/.cache}
[[ $cache == /* ]] || cache=$PWD/$cache

kafka_version=4.3.1
kafka_jars=$cache/kafka-$kafka_version

# The checksum is the registry's own, as `npm view NAME@VERSION dist.integrity` gives it.
chdb_package=@chdb/lib-linux-x64-gnu
chdb_version=26.7.3-stable.1
chdb_sha512=XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==
chdb_library_size=566330096
chdb_library=$cache/clickhouse-$chdb_version/libchdb.so

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null; }

kafka_complete() {
  cmp -s "$here/kafka/jars.sha256" "$kafka_jars/jars.sha256" || return 1
  local jar
  while read -r _ jar; do [[ -s $kafka_jars/$jar ]] || return 1; done <"$here/kafka/jars.sha256"
}
clickhouse_complete() { [[ $(stat -c %s "$chdb_library" 2>/dev/null) == "$chdb_library_size" ]]; }

java_17() {
  local version
  version=$(java -version 2>&1) || return 1
  [[ $version =~ version\ \"([0-9]+) ]] && ((BASH_REMATCH[1] >= 17))
}
header() { compgen -G "/usr/include/$1" >/dev/null || compgen -G "/usr/include/*/$1" >/dev/null; }

install_packages() {
  local missing=() java=openjdk-17-jre-headless
  has cc && has c++ && has make || missing+=(build-essential)
  has cmake || missing+=(cmake)
  has pkg-config || missing+=(pkg-config)
  header openssl/ssl.h && header openssl/opensslconf.h || missing+=(libssl-dev)
  header zlib.h || missing+=(zlib1g-dev)
  has curl || missing+=(curl ca-certificates)
  has python3 || missing+=(python3)
  has jq || missing+=(jq)
  java_17 || missing+=("$java")
  # Only fetching needs these two.
  kafka_complete || has mvn || missing+=(maven)
  clickhouse_complete || has npm || missing+=(npm)
  ((${#missing[@]})) || return 0

  local root=()
  if ((EUID != 0)); then
    has sudo || die "missing: ${missing[*]}. Neither root nor sudo here: have them installed (apt-get install ${missing[*]}), then run this again"
    root=(sudo)
  fi
  has apt-get || die "missing: ${missing[*]} (Debian's names), and no apt-get here: install them with this system's package manager, then run this again"
  say "installing system packages: ${missing[*]}"
  local log=$cache/apt.log
  "${root[@]}" apt-get -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 || say "apt-get update failed; going on with the package lists that are here"
  # Newer releases have a newer Java only.
  if [[ " ${missing[*]} " == *" $java "* ]] && ! apt-cache show "$java" >/dev/null 2>&1; then
    missing=("${missing[@]/$java/default-jre-headless}")
  fi
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 || {
    tail -5 "$log" >&2
    die "apt-get install failed (all of it: $log). Mend the package sources, or install by hand: ${missing[*]}"
  }
  java_17 || die "Java 17 or newer is needed and apt-get brought none: put one first in PATH, then run this again"
}

# attempts TIMES COMMAND...: until it works, with a growing pause between.
attempts() {
  local times=$1 n
  shift
  for ((n = 1; n <= times; n++)); do
    if "$@"; then return 0; fi
    ((n == times)) || { say "trying again ($n of $((times - 1)))"; sleep "$n"; }
  done
  return 1
}

fetch_kafka() {
  local part=$kafka_jars.part mvn_log=$cache/mvn.log
  rm -rf -- "$part"
  mkdir -p "$part"
  # Maven's usual store first; if that fails or holds something broken, a fresh one.
  local store=()
  [[ ! -e $cache/mvn-failed ]] || store=("-Dmaven.repo.local=$cache/mvn-store")
  touch "$cache/mvn-failed"
  mvn -B -f "$here/kafka/pom.xml" "${store[@]}" dependency:copy-dependencies -DoutputDirectory="$part" >"$mvn_log" 2>&1 || {
    grep -m3 ERROR "$mvn_log" >&2 || tail -3 "$mvn_log" >&2
    return 1
  }
  (cd "$part" && sha256sum --quiet -c "$here/kafka/jars.sha256" >&2) || return 1
  local jars=("$part"/*.jar) listed
  listed=$(wc -l <"$here/kafka/jars.sha256")
  ((${#jars[@]} == listed)) || { say "Maven brought ${#jars[@]} jars, jars.sha256 lists $listed"; return 1; }
  cp "$here/kafka/jars.sha256" "$part/"
  rm -rf -- "$kafka_jars" "$cache/mvn-store" "$cache/mvn-failed"
  mv "$part" "$kafka_jars"
  kafka_complete
}

chdb_matches() { # FILE
  local want
  want=$(base64 -d <<<"$chdb_sha512" | od -An -v -tx1 | tr -d ' \n')
  sha512sum --status -c - <<<"$want  $1"
}

npm_view() { NPM_CONFIG_UPDATE_NOTIFIER=false npm view "$chdb_package@$chdb_version" "$1"; }

fetch_clickhouse() {
  local part=$cache/clickhouse-$chdb_version.tgz.part url integrity rc=0 progress=(--silent --show-error)
  [[ ${CI:-} == true || ! -t 2 ]] || progress=(--progress-bar)
  if [[ ! -s $part ]] || ! chdb_matches "$part"; then
    url=$(npm_view dist.tarball) || return 1
    integrity=$(npm_view dist.integrity) || return 1
    [[ $url == http* ]] || { say "npm view $chdb_package@$chdb_version does not tell where it is"; return 1; }
    [[ $integrity == "sha512-$chdb_sha512" ]] || die "the registry's checksum of $chdb_package@$chdb_version is not the one pinned here: $integrity"
    curl "${progress[@]}" --fail --location --continue-at - --connect-timeout 20 --speed-limit 1024 --speed-time 30 \
      --output "$part" "$url" || rc=$?
    # 22: refused (for one, a range past the end), 33, 36: no resuming. Then what is here is of no use.
    case $rc in
    0) ;;
    22 | 33 | 36) rm -f -- "$part"; return 1 ;;
    *) return 1 ;; # a broken connection: the next try goes on from here
    esac
    chdb_matches "$part" || { say "the download is not what was pinned; dropped"; rm -f -- "$part"; return 1; }
  fi
  local new=$cache/clickhouse-$chdb_version.new
  rm -rf -- "$new"
  mkdir -p "$new"
  tar -xzf "$part" -C "$new" --strip-components=1 package/libchdb.so package/package.json || die "cannot unpack $part (is the disk full?)"
  rm -rf -- "${chdb_library%/*}"
  mv "$new" "${chdb_library%/*}"
  clickhouse_complete || die "libchdb.so has not the expected size"
  rm -f -- "$part"
}

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] ||
  die "this is $(uname -sm); the local servers need Linux on x86-64 (that is what the pinned ClickHouse library is built for). Set KAFKA_BROKERS and CLICKHOUSE_URL to use servers elsewhere"
[[ $(ldd --version 2>&1 || true) != *musl* ]] || die "the pinned ClickHouse library needs glibc, and this system has musl"
has cargo || [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]] ||
  die "cargo is missing: install Rust with rustup (see the rustup site), open a new shell, then run this again"

mkdir -p "$cache" || die "cannot make the cache folder $cache: set WEIR_CACHE to one that can be written"
if kafka_complete && clickhouse_complete; then
  install_packages
  exit 0
fi
exec 9>"$cache/setup.lock"
has flock && { flock -n 9 || { say "another setup is at work; waiting for it"; flock 9; }; }
install_packages
if ! kafka_complete; then
  say "Kafka $kafka_version: fetching its jars (56 MB) with Maven ..."
  attempts 4 fetch_kafka || die "cannot fetch Kafka's jars: is Maven's repository reachable? Maven's output: $cache/mvn.log"
  say "Kafka $kafka_version: ready"
fi
if ! clickhouse_complete; then
  say "ClickHouse $chdb_version: fetching the library (178 MB) from the npm registry ..."
  attempts 10 fetch_clickhouse || die "cannot fetch $chdb_package: is the npm registry reachable? What came so far is kept, run this again"
  say "ClickHouse $chdb_version: ready"
fi
