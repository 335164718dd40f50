//! The configuration through its public door: YAML in, [`Config`] or printed problems out.
//!
//! What single values may look like is tested beside them. Every file that these tests name is made in a folder
//! of its own.

use super::*;
use crate::model::Severity;
use insta::assert_snapshot;
use std::collections::HashMap;
use tempfile::TempDir;

const SMALLEST: &str = "\
kafka: { brokers: [localhost:9092] }
input: { topics: [llm.events] }
clickhouse: { url: http://localhost:8123 }
";

/// A folder with files, and an environment.
struct Bench {
    folder: TempDir,
    env: HashMap<&'static str, &'static str>,
}

impl Bench {
    fn new() -> Self {
        Bench { folder: tempfile::tempdir().unwrap(), env: HashMap::from([("WEIR_INSTANCE", "pod-0")]) }
    }

    fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.insert(name, value);
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn load(&self, yaml: &str) -> Result<Loaded, Problems> {
        let path = self.folder.path().join("pipeline.yaml");
        std::fs::write(&path, yaml).unwrap();
        Config::load(&path, &|name| self.env.get(name).map(|value| (*value).to_owned()))
    }

    fn config(&self, yaml: &str) -> Config {
        self.load(yaml).unwrap_or_else(|problems| panic!("{problems}")).config
    }

    /// The problems as they print, with the folder's name taken out.
    fn problems(&self, yaml: &str) -> String {
        let Err(problems) = self.load(yaml) else { panic!("this should not load:\n{yaml}") };
        problems.to_string().replace(&format!("{}/", self.folder.path().display()), "")
    }
}

/// What is wrong, without excerpts.
fn messages(yaml: &str) -> Vec<String> {
    let Err(problems) = Bench::new().load(yaml) else { panic!("this should not load:\n{yaml}") };
    let line = |problem: &Problem| {
        format!("{}:{} {} | {}", problem.place.line, problem.place.column, problem.message, problem.remedy)
    };
    problems.list().iter().map(line).collect()
}

#[test]
fn the_smallest_pipeline_has_every_default() {
    let loaded = Bench::new().load(SMALLEST).unwrap_or_else(|problems| panic!("{problems}"));
    assert_snapshot!(loaded.effective, @r#"
    name: default
    kafka:
      brokers:
      - localhost:9092
      tls: null
      sasl: null
      group: weir
      instance: pod-0
      commit_interval: 250ms
      session_timeout: 10s
      properties: {}
    input:
      start: earliest
      out_of_range: fail
      topics:
      - name: llm.events
        format: auto
    topics:
      prefix: weir.
      replication: null
      facts_partitions: 12
      outbox_partitions: 4
      alerts_partitions: 4
      facts_keep: 3d
    clickhouse:
      url: http://localhost:8123
      tls: null
      database: weir
      cluster: null
      user: default
      password: ""
      group:
        age: 1s
        size: 8MiB
      retention:
        interactions: 400d
    content: metadata
    redaction:
      hmac_key_file: null
    detection:
      packs:
      - default
    policy: null
    alerts:
      min_severity: high
      throttle:
        per:
        - rule
        - principal
        burst: 1
        every: 1h
      runbook_url: null
    limits:
      detect_threads: auto
      event_size: 4MiB
      interactions_per_event: 1000
    telemetry:
      log: json
      listen: null
      otlp: null
    "#);
    let config = loaded.config;
    assert_eq!(config.input, [InputTopic { name: "llm.events".to_owned(), format: Format::Auto }]);
    assert_eq!((config.input_start, config.out_of_range), (Start::Earliest, OutOfRange::Fail));
    assert_eq!(config.kafka.properties, [("security.protocol".to_owned(), "plaintext".to_owned())]);
    assert_eq!(config.catalogue.digest(), Catalogue::built_in().digest());
    assert_eq!((config.bounds, config.group), (decode::Bounds::default(), GroupBounds::default()));
    assert_eq!((config.alert.min_severity, config.alert.every_ms), (Severity::High, 3_600_000));
    assert_eq!(config.alert.source, "weir/default");
    assert_eq!(config.mask_key.id(), "");
    assert!(config.detect_threads > 0);
    assert_eq!(config.warnings.len(), 1, "no key: {:?}", config.warnings);
}

#[test]
fn telemetry_goes_where_it_is_told_to() {
    let with = |telemetry: &str| format!("{SMALLEST}telemetry: {{ {telemetry} }}\n");
    let config =
        Bench::new().env("PORT", "9470").config(&with("listen: \"0.0.0.0:${PORT}\", otlp: \"https://otel:4318/\""));
    assert_eq!((config.listen.as_deref(), config.otlp.as_deref()), (Some("0.0.0.0:9470"), Some("https://otel:4318")));
    let off = Bench::new().config(&with("listen: \"${PORT:-}\""));
    assert_eq!((off.listen, &off.digest), (None, &Bench::new().config(SMALLEST).digest), "a port of an instance");
    for (telemetry, message) in [
        ("listen: 9464", "telemetry.listen: `9464` is not `host:port`"),
        ("listen: \"http://a:1\"", "telemetry.listen: `http://a:1` is not `host:port`"),
        ("listen: \"a:99999\"", "telemetry.listen: `a:99999` is not `host:port`"),
        ("otlp: \"otel:4317\"", "telemetry.otlp is not an HTTP address"),
        ("otlp: \"http://:4318\"", "telemetry.otlp names no host"),
        ("otlp: \"http://u:p@otel:4318\"", "telemetry.otlp holds a user or a password"),
        ("otlp: \"http://otel:4318/v1/traces\"", "telemetry.otlp goes on after the collector"),
    ] {
        let found = messages(&with(telemetry));
        assert!(found.len() == 1 && found[0].contains(message), "{telemetry}: {found:?}");
    }
}

#[test]
fn the_effective_configuration_is_one_again() {
    let bench = Bench::new();
    let first = bench.load(SMALLEST).unwrap_or_else(|problems| panic!("{problems}"));
    let again = bench.load(&first.effective).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(first.effective, again.effective);
    assert_eq!(first.config.digest, again.config.digest);
}

/// Whoever names a file of secrets as the pipeline does not see it printed.
#[test]
fn another_file_than_a_pipeline_is_not_quoted() {
    for text in [
        "hunter2",
        "- hunter2\n",
        "'hunter2",
        "x=\"hunter2",
        "password: hunter2",
        "data:\n  password: hunter2",
        "[hunter2",
    ] {
        let printed = Bench::new().problems(text);
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn published_pipelines_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    for name in ["minimal.yaml", "weir.yaml"] {
        let loaded = Config::load(&folder.join(name), &|_| None);
        assert!(loaded.is_ok(), "{name}: {}", loaded.err().unwrap());
    }
    let minimal = std::fs::read_to_string(folder.join("minimal.yaml")).unwrap();
    assert_eq!(minimal, SMALLEST);
}

#[test]
fn the_reference_pipeline_takes_its_environment() {
    let key = Bench::new().file("key", "0123456789abcdef0123456789abcdef\n");
    let key_file = key.folder.path().join("key").display().to_string();
    let env = |name: &str| match name {
        "KAFKA_BROKERS" => Some("a:9092,b:9092".to_owned()),
        "CLICKHOUSE_URL" => Some("http://c:8123/".to_owned()),
        "CLICKHOUSE_USER" => Some("writer".to_owned()),
        "CLICKHOUSE_PASSWORD" => Some("correct horse".to_owned()),
        "CLICKHOUSE_DATABASE" => Some("test_7".to_owned()),
        "WEIR_INSTANCE" => Some("pod-7".to_owned()),
        "WEIR_HMAC_KEY_FILE" => Some(key_file.clone()),
        "WEIR_TOPIC_PREFIX" => Some("t7.".to_owned()),
        "WEIR_GROUP" => Some("t7".to_owned()),
        "WEIR_INPUT_TOPIC" => Some("t7.in".to_owned()),
        _ => None,
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/weir.yaml");
    let loaded = Config::load(&path, &env).unwrap_or_else(|problems| panic!("{problems}"));
    let config = loaded.config;
    assert_eq!(config.kafka.brokers, "a:9092,b:9092");
    assert_eq!((&*config.kafka.group, &*config.kafka.instance, &*config.kafka.topics.prefix), ("t7", "pod-7", "t7."));
    assert_eq!((&*config.clickhouse.url, &*config.clickhouse.database), ("http://c:8123", "test_7"));
    assert_eq!((&*config.clickhouse.user, &*config.clickhouse.password), ("writer", "correct horse"));
    assert_eq!(config.input[0].name, "t7.in");
    assert_eq!(config.mask_key.id().len(), 8);
    assert!(!loaded.effective.contains("correct horse"));
    assert_eq!(config.policy.version, "2026-11-01");
}

#[test]
fn a_value_cannot_change_the_structure() {
    let injections = [
        "a:1\ntls: {}",
        "a:1 }\ninput: { topics: [stolen] }",
        "\"a:1\", properties: { acks: 0 }",
        "*anchor",
        "!!binary aGk=",
        "${OTHER}",
    ];
    for value in injections {
        let bench = Bench::new().env("NAME", value).env("OTHER", "o:1");
        let yaml = format!("{SMALLEST}alerts: {{ runbook_url: \"https://wiki/${{NAME}}\" }}\n");
        match bench.load(&yaml) {
            // Taken as it is…
            Ok(loaded) => assert_eq!(loaded.config.alert.runbook_url, format!("https://wiki/{value}")),
            // …or refused because of what it holds, which is not shown.
            Err(problems) => assert!(!problems.to_string().contains(value), "{problems}"),
        }
        let brokers = SMALLEST.replace("localhost:9092", "\"${NAME}\"");
        let Err(problems) = bench.load(&brokers) else { panic!("{value} is no broker") };
        assert!(problems.list().iter().all(|problem| problem.message.starts_with("kafka.brokers")), "{problems}");
        assert!(!problems.to_string().contains(value), "{problems}");
    }
}

#[test]
fn problems_come_all_at_once_and_in_order() {
    let yaml = "\
kafka:
  broker: [localhost:9092]
  commit_interval: 3 parsecs
  session_timeout: 1s
  properties: { acks: 1, linger.ms: 5 }
input:
  topics:
    - llm.events
    - { name: otel.spans, format: otlp_proto }
    - { name: gateway, format: natve, mapping: portkey.yaml }
    - weir.facts
  start: ${START}
clickhouse: { url: localhost:9000, retention: { interactions: 36h } }
content: full
scoring: { alerts_per_day: 20 }
policy: nowhere.yaml
";
    assert_snapshot!(Bench::new().problems(yaml), @r#"
    error: kafka.brokers is missing
     --> pipeline.yaml:2:3
      |
    2 |   broker: [localhost:9092]
      |   ^
      = add it: `host:port` of some brokers, as a list or separated by commas.

    error: kafka.broker is not a key that weir knows
     --> pipeline.yaml:2:3
      |
    2 |   broker: [localhost:9092]
      |   ^^^^^^
      = did you mean `brokers`?

    error: kafka.commit_interval: `3 parsecs` is not a time span
     --> pipeline.yaml:3:20
      |
    3 |   commit_interval: 3 parsecs
      |                    ^^^^^^^^^
      = write a whole number and a unit: 250ms, 10s, 5m, 1h, 30d

    error: kafka.session_timeout is out of bounds
     --> pipeline.yaml:4:20
      |
    4 |   session_timeout: 1s
      |                    ^^
      = write a time from 6s to 2m

    error: kafka.properties.acks is weir's to set
     --> pipeline.yaml:5:17
      |
    5 |   properties: { acks: 1, linger.ms: 5 }
      |                 ^^^^
      = leave it out: a transaction needs every replica in sync

    error: input.topics[1].format: `otlp_proto` is not supported by this version of weir
     --> pipeline.yaml:9:35
      |
    9 |     - { name: otel.spans, format: otlp_proto }
      |                                   ^^^^^^^^^^
      = write one of auto, native, openai, anthropic

    error: input.topics[2].format: `natve` is not a format of events
      --> pipeline.yaml:10:32
       |
    10 |     - { name: gateway, format: natve, mapping: portkey.yaml }
       |                                ^^^^^
       = did you mean `native`? It takes auto, native, openai, anthropic

    error: input.topics[2].mapping is not supported by this version of weir, and would have no effect
      --> pipeline.yaml:10:39
       |
    10 |     - { name: gateway, format: natve, mapping: portkey.yaml }
       |                                       ^^^^^^^
       = leave it out

    error: input.topics names a topic that weir itself writes
      --> pipeline.yaml:11:7
       |
    11 |     - weir.facts
       |       ^^^^^^^^^^
       = name the topics that capture points write to

    error: input.start: the environment has no `START`
      --> pipeline.yaml:12:10
       |
    12 |   start: ${START}
       |          ^^^^^^^^
       = set it, or give it a default: `${START:-default}`

    error: clickhouse.url is not an HTTP address
      --> pipeline.yaml:13:20
       |
    13 | clickhouse: { url: localhost:9000, retention: { interactions: 36h } }
       |                    ^^^^^^^^^^^^^^
       = write `http://host:8123` or `https://host:8443`; not the native port

    error: clickhouse.retention.interactions is not a number of days
      --> pipeline.yaml:13:63
       |
    13 | clickhouse: { url: localhost:9000, retention: { interactions: 36h } }
       |                                                               ^^^
       = write whole days, at least one: 400d

    error: content: `full` is not there yet: this version of weir has no table for text of prompts and answers
      --> pipeline.yaml:14:10
       |
    14 | content: full
       |          ^^^^
       = write one of metadata

    error: scoring is not supported by this version of weir, and would have no effect
      --> pipeline.yaml:15:1
       |
    15 | scoring: { alerts_per_day: 20 }
       | ^^^^^^^
       = leave it out

    error: `nowhere.yaml` cannot be read: there is no such file
      --> pipeline.yaml:16:9
       |
    16 | policy: nowhere.yaml
       |         ^^^^^^^^^^^^
       = relative paths start at the folder of the configuration file

    pipeline.yaml: 15 problems
    "#);
}

#[test]
fn secrets_are_in_no_message() {
    let yamls = [
        "kafka: { sasl: { mechanism: plain, username: u, password: hunter2 } }",
        "clickhouse:\n  password: [hunter2]\n",
        "clickhouse:\n  pasword: hunter2\n",
        "clickhouse:\n  password: x\n  password: hunter2\n",
        "clickhouse:\n  password: |\n    first\n    hunter2\n  usr: x\n",
        "clickhouse: { url: 'http://u:hunter2@host:8123' }",
        "clickhouse: { url: 'ftp://u:hunter2@host:8123' }",
        "clickhouse: { url: 'http://host:8123/?password=hunter2' }",
        "kafka: { brokers: ['host:9092', 'u:hunter2@host:9092'] }",
        "kafka: { brokers: 'host:9092,u:hunter2@host:9092' }",
        "telemetry: { otlp: 'http://host:4318?token=hunter2' }",
        "alerts: { runbook_url: 'http://host/?token=hunter2' }",
        "clickhouse: { password: '${NONE:-hunter2}${NONE}' }",
        "kafka: { properties: { ssl.key.password: hunter2, acks: 1 } }",
        "kafka: { instance: '${SECRET}' }",
        "limits: { detect_threads: '${SECRET}' }",
        "input: { start: '${SECRET}', topics: ['${SECRET}'] }",
        "alerts: '${SECRET}'",
        // No YAML at all.
        "clickhouse: { password: hunter2",
        "clickhouse:\n  password: \"hunter2\n  user: x\n",
        "clickhouse:\n  password: >\n   hunter2\n x: [",
        "clickhouse:\n  password: *hunter2\n",
        "clickhouse:\n  password: !!int hunter2\n",
        "clickhouse:\n  password: hunter2: x\n",
    ];
    for yaml in yamls {
        let printed = Bench::new().env("SECRET", "hunter2 !").problems(yaml);
        assert!(!printed.contains("hunter2"), "{yaml}\n{printed}");
    }
}

#[test]
fn secrets_are_not_effective() {
    let bench = Bench::new().file("pw", "hunter2\n").env("PW", "hunter2");
    let yaml = "\
kafka:
  brokers: localhost:9092
  sasl: { mechanism: SCRAM-SHA-512, username: weir, password: '${file:pw}' }
  properties: { ssl.key.password: hunter2, client.rack: '${file:pw}', linger.ms: 5, http.proxy: 'http://u:hunter2@proxy' }
input: { topics: llm.events }
clickhouse: { url: http://localhost:8123, password: '${PW}' }
";
    let loaded = bench.load(yaml).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(!loaded.effective.contains("hunter2"), "{}", loaded.effective);
    // It is a configuration again, with the same everything but the secrets.
    let again = bench.load(&loaded.effective).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(again.effective, loaded.effective);
    assert_eq!(again.config.digest, loaded.config.digest);
    let property = |name: &str| {
        let found = loaded.config.kafka.properties.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| &**value)
    };
    assert_eq!(property("security.protocol"), Some("sasl_plaintext"));
    assert_eq!(property("sasl.mechanism"), Some("SCRAM-SHA-512"));
    assert_eq!(property("sasl.password"), Some("hunter2"));
    assert_eq!(property("ssl.key.password"), Some("hunter2"));
    assert_eq!(property("linger.ms"), Some("5"));
    assert_eq!(loaded.config.clickhouse.password, "hunter2");
}

#[test]
fn each_problem_has_its_words() {
    let with = |extra: &str| format!("{SMALLEST}{extra}\n");
    let table = [
        (SMALLEST.replace("[localhost:9092]", "[]"), "1:19 kafka.brokers names no broker | write `host:port`"),
        (
            SMALLEST.replace("[localhost:9092]", "https://kafka"),
            "1:19 kafka.brokers: `https://kafka` is not `host:port` | write, say, `kafka-0:9092`, without a scheme",
        ),
        (
            SMALLEST.replace("[localhost:9092]", "'user:hunter2@localhost:9092'"),
            "1:19 kafka.brokers holds a user or a password | write them as kafka.sasl, and `host:port` here",
        ),
        (
            SMALLEST.replace("[llm.events]", "[]"),
            "2:18 input.topics names no topic | name at least one: topics: [llm.events]",
        ),
        (SMALLEST.replace("[llm.events]", "[a, a]"), "2:22 input.topics names a topic twice | leave one of them out"),
        (
            SMALLEST.replace("[llm.events]", "[{ format: native }]"),
            "2:19 input.topics[0].name is missing | add it: Its name.",
        ),
        (
            SMALLEST.replace("llm.events", "__consumer_offsets"),
            "2:19 input.topics names a topic of Kafka's own (`__`) | name the topics that capture points write to",
        ),
        (
            SMALLEST.replace("http://localhost:8123", "http://localhost:8123/?database=x"),
            "3:20 clickhouse.url goes on after the port | write scheme, host and port only; clickhouse.database names the database",
        ),
        (
            with("redaction: { hmac_key_file: none.key }"),
            "4:29 `FOLDER/none.key` cannot be read: there is no such file | relative paths start at the folder of the configuration file",
        ),
        (
            with("redaction: { hmac_key_file: '' }"),
            "4:29 redaction.hmac_key_file is empty | fill it in, or leave the key out",
        ),
        (
            with("alerts: { throttle: { per: principal } }"),
            "4:28 alerts.throttle.per leaves out the rule or the principal | write [rule, principal]: it takes both",
        ),
        (
            with("alerts: { throttle: { per: [rule, application] } }"),
            "4:35 alerts.throttle.per[1]: `application` is not something to throttle by | write one of rule, principal",
        ),
        (
            with("alerts: { min_severity: hgih }"),
            "4:25 alerts.min_severity: `hgih` is not a severity | did you mean `high`? It takes informational, low, medium, high, critical, fatal",
        ),
        (
            with("alerts: { runbook_url: 'https://wiki/{rule}/{user}' }"),
            "4:24 alerts.runbook_url has a placeholder that weir does not fill | `{rule}` is the only placeholder",
        ),
        (
            with("alerts: { runbook_url: 'https://ann:pass@wiki/{rule}' }"),
            "4:24 alerts.runbook_url holds a user or a password, and stands in every alert | leave it out; write %40 for an @ of the path",
        ),
        (
            with("limits: { detect_threads: 0 }"),
            "4:27 limits.detect_threads: `0` is no number of threads | write `auto`, or a number from 1 to 256",
        ),
        (
            with("topics: { facts_partitions: twelve }"),
            "4:29 topics.facts_partitions: `twelve` is not a number that can stand here | write a whole number from 1 to 10000",
        ),
        (
            with("name: a/b"),
            "4:7 name: `a/b` is not a plain name | use letters, digits, `.`, `_` and `-`, at most 100 of them",
        ),
        (
            with("limits: { event_size: 4MB }"),
            "4:23 limits.event_size: `4MB` is not a size | write a whole number and a unit: 512KiB, 4MiB",
        ),
        (
            with("limits: { event_size: 17MiB }"),
            "4:23 limits.event_size is out of bounds | write a size from 1KiB to 16MiB",
        ),
        (
            with("limits: { interactions_per_event: 0 }"),
            "4:35 limits.interactions_per_event: `0` is not a number that can stand here | write a whole number from 1 to 10000",
        ),
        (
            SMALLEST.replace("8123 }", "8123, group: { age: 2m } }"),
            "3:57 clickhouse.group.age is out of bounds | write a time from 50ms to 1m",
        ),
        (
            SMALLEST.replace("8123 }", "8123, group: { size: 1KiB } }"),
            "3:58 clickhouse.group.size is out of bounds | write a size from 64KiB to 64MiB",
        ),
        (
            with("content: full"),
            "4:10 content: `full` is not there yet: this version of weir has no table for text of prompts and answers | write one of metadata",
        ),
        (
            with("detection: { suppressions: s.yaml }"),
            "4:14 detection.suppressions is not supported by this version of weir, and would have no effect | leave it out",
        ),
        (
            SMALLEST.replace("[localhost:9092]", "['localhost:9092', kafka]"),
            "1:38 kafka.brokers[1]: `kafka` is not `host:port` | write, say, `kafka-0:9092`, without a scheme",
        ),
        (with("aletrs: {}"), "4:1 aletrs is not a key that weir knows | did you mean `alerts`?"),
        (with("name: x\nname: y"), "5:1 name is written twice | it stands in line 4 already: leave one of them out"),
        (
            with("detection: { packs: [default, mine] }"),
            "4:31 `FOLDER/mine` cannot be read: there is no such file | relative paths start at the folder of the configuration file",
        ),
    ];
    for (yaml, expected) in table {
        let folder = |message: String| {
            let Some((head, rest)) = message.split_once(" `/") else { return message };
            let Some((path, tail)) = rest.split_once('`') else { return message };
            format!("{head} `FOLDER/{}`{tail}", path.rsplit('/').next().unwrap())
        };
        let messages: Vec<String> = messages(&yaml).into_iter().map(folder).collect();
        assert_eq!(messages, [expected], "{yaml}");
    }
}

#[test]
fn properties_that_the_promise_rests_on_are_refused_under_every_name() {
    let sound = [
        "enable.auto.commit",
        "isolation.level",
        "transactional.id",
        "group.id",
        "group.instance.id",
        "enable.idempotence",
        "acks",
        "request.required.acks",
        "auto.offset.reset",
        "partition.assignment.strategy",
        "enable.auto.offset.store",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "ISOLATION.LEVEL",
    ];
    for name in sound {
        let yaml = SMALLEST.replace("] }\ninput", &format!("], properties: {{ {name}: x }} }}\ninput"));
        let messages = messages(&yaml);
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].contains(&format!("kafka.properties.{name} is weir's to set")), "{messages:?}");
    }
}

#[test]
fn an_empty_interpolation_is_as_if_the_key_were_not_there() {
    let yaml =
        format!("{SMALLEST}name: '${{NONE:-}}'\nredaction: {{ hmac_key_file: '${{EMPTY}}' }}\npolicy: '${{EMPTY}}'\n");
    let config = Bench::new().env("EMPTY", "").config(&yaml);
    assert_eq!((&*config.name, config.mask_key.id()), ("default", ""));
    assert_eq!(config.policy, Policy::default());
    let messages = messages(&SMALLEST.replace("[localhost:9092]", "'${NONE:-}'"));
    assert!(messages[0].starts_with("1:10 kafka.brokers is empty"), "{messages:?}");
    let messages = self::messages(&SMALLEST.replace("localhost:9092", "'${NONE}'"));
    assert_eq!(messages.len(), 1, "one cause, one problem: {messages:?}");
    let messages = self::messages(&format!("name: &a x\n{SMALLEST}alerts: {{ <<: *a }}\n"));
    assert!(messages[0].contains("what `<<` merges is no mapping"), "{messages:?}");
}

/// A pack with one rule.
fn pack(name: &str) -> String {
    format!(
        "rules:\n  - {{ id: secret.{name}, version: 1, title: t, description: d, category: secret, type: T, \
         severity: high, confidence: 1, mask: ends, pattern: '\\b{name}_[a-z]{{8}}', anchors: [{name}_], taxonomy: [], \
         criteria: [], references: [], examples: [], counter_examples: [] }}\n"
    )
}

#[test]
fn files_are_found_beside_the_configuration() {
    let bench = Bench::new()
        .file("packs/b.yaml", &pack("bacme"))
        .file("packs/a.yml", &pack("aacme"))
        .file("packs/README.md", "no pack")
        .file("one.yaml", &pack("onacme"))
        .file("policy.yaml", "version: 1")
        .file("key", " \n");
    let config =
        bench.config(&format!("{SMALLEST}detection: {{ packs: [packs, default, one.yaml] }}\npolicy: policy.yaml\n"));
    for id in ["secret.aacme", "secret.bacme", "secret.onacme", "secret.aws_access_key"] {
        assert!(config.catalogue.get(id).is_some(), "{id}");
    }
    assert_eq!(config.policy.version, "1");
    let twice = bench.config(&format!("{SMALLEST}detection: {{ packs: [one.yaml, default, one.yaml, default] }}\n"));
    let doubles: Vec<&String> = twice.warnings.iter().filter(|warning| warning.contains("twice")).collect();
    assert!(doubles.len() == 2 && doubles[0].contains("`one.yaml`") && doubles[1].contains("`default`"), "{doubles:?}");
    let printed = bench.problems(&format!("{SMALLEST}redaction: {{ hmac_key_file: key }}\n"));
    assert!(printed.contains("`key` is empty"), "{printed}");
}

/// One run tells what is wrong with the pipeline, the policy and every pack.
#[test]
fn problems_of_every_file_come_in_one_run() {
    let bench = Bench::new()
        .file("packs/a.yaml", &pack("acme").replace("severity: high", "severity: hihg"))
        .file("packs/b.yaml", "rules: [")
        .file("policy.yaml", "version: 1\nlimits: { per_team: {} }\n");
    let yaml = format!("{SMALLEST}detection: {{ packs: [packs, packs2] }}\npolicy: policy.yaml\nname: a/b\n");
    assert_snapshot!(bench.problems(&yaml), @r#"
    error: `packs2` cannot be read: there is no such file
     --> pipeline.yaml:4:29
      |
    4 | detection: { packs: [packs, packs2] }
      |                             ^^^^^^
      = relative paths start at the folder of the configuration file

    error: name: `a/b` is not a plain name
     --> pipeline.yaml:6:7
      |
    6 | name: a/b
      |       ^^^
      = use letters, digits, `.`, `_` and `-`, at most 100 of them

    error: there is no severity `hihg`
     --> packs/a.yaml:2:99
      | (not shown: this line may hold a secret)
      = did you mean `high`? It takes informational, low, medium, high, critical, fatal

    error: this is not YAML: unclosed bracket '['
     --> packs/b.yaml:1:8
      | (not shown: this line may hold a secret)
      = mind the indentation, and quote values that hold `: `, ` #`, `{`, `[`, `*` or `&`

    error: limits.per_team is not a key that weir knows
     --> policy.yaml:2:11
      |
    2 | limits: { per_team: {} }
      |           ^^^^^^^^
      = it may have per_principal

    pipeline.yaml: 2 problems
    packs/a.yaml: 1 problem
    packs/b.yaml: 1 problem
    policy.yaml: 1 problem
    "#);
}

/// A decision that has run out, or is without effect, is said at the start.
#[test]
fn suppressions_are_checked_and_warned_of() {
    let suppression = |more: &str, expires| {
        format!(
            "version: 1\nsuppressions:\n  - {{ rule: secret.acme, {more}reason: r, approver: Ann, expires: {expires} }}\n"
        )
    };
    let warnings = |policy: &str| {
        let bench = Bench::new().file("packs/a.yaml", &pack("acme")).file("policy.yaml", policy);
        let yaml = format!("{SMALLEST}detection: {{ packs: [packs] }}\npolicy: policy.yaml\n");
        bench.load(&yaml).map(|loaded| loaded.config.warnings.join("\n"))
    };
    let expired = warnings(&suppression("", "2020-03-31")).unwrap();
    assert!(
        expired.contains("policy.yaml:3: the suppression of `secret.acme`, approved by Ann, expired with 2020-03-31")
    );
    let hash = format!("value_hash: {}, ", "1f".repeat(16));
    let without = warnings(&suppression(&hash, "9000-01-01")).unwrap();
    assert!(without.contains("suppressions by value_hash have no effect") && !without.contains("expire"), "{without}");
    let unknown = warnings(&suppression("", "9000-01-01").replace("acme", "acne")).unwrap_err().to_string();
    assert!(unknown.contains("did you mean `secret.acme`?"), "{unknown}");
}

#[test]
fn aliases_and_numbers_keep_their_text() {
    let yaml = "\
kafka: { brokers: [&local 'localhost:9092', *local], instance: 007 }
input: { topics: [1.50] }
clickhouse: { url: http://localhost:8123, password: 0x10, user: true }
";
    let config = Bench::new().config(yaml);
    assert_eq!(config.kafka.brokers, "localhost:9092,localhost:9092");
    assert_eq!(config.kafka.instance, "007");
    assert_eq!(config.input[0].name, "1.50");
    assert_eq!((&*config.clickhouse.user, &*config.clickhouse.password), ("true", "0x10"));
}

#[test]
fn the_digest_names_the_configuration_and_not_the_instance() {
    let digest = |yaml: &str, instance| Bench::new().env("WEIR_INSTANCE", instance).config(yaml).digest;
    assert_eq!(digest(SMALLEST, "a"), digest(SMALLEST, "b"));
    assert_eq!(digest(SMALLEST, "a"), digest(&format!("# a comment\n{SMALLEST}"), "a"));
    let password = SMALLEST.replace("8123 }", "8123, password: x }");
    let other = SMALLEST.replace("8123 }", "8123, password: y }");
    assert_eq!(digest(&password, "a"), digest(&other, "a"));
    assert_ne!(digest(SMALLEST, "a"), digest(&format!("{SMALLEST}name: b\n"), "a"));
}
