//! Every published schema against every file that it describes, and against files that are broken.
//!
//! What a schema has to say of names and bounds is compared beside the code that looks them up.

use super::schema;
use crate::config::Config;
use jsonschema::Validator;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(name)
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn published(name: &str) -> Value {
    let text = std::fs::read_to_string(folder("schemas").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A validator of a schema that is one.
fn validator(schema: &Value) -> Validator {
    if let Err(error) = jsonschema::meta::validate(schema) {
        panic!("the schema is none: {error}");
    }
    jsonschema::validator_for(schema).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn assert_valid(validator: &Validator, value: &Value, what: &str) {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

#[test]
fn the_published_schema_is_the_one_that_is_printed() {
    let remedy = "run: weir config schema > pipelines/schemas/pipeline.schema.json";
    assert!(published("pipeline.schema.json") == schema(), "{remedy}");
}

#[test]
fn published_pipelines_and_what_they_resolve_to_are_valid() {
    let validator = validator(&schema());
    for name in ["minimal.yaml", "weir.yaml"] {
        let path = folder(name);
        assert_valid(&validator, &yaml(&std::fs::read_to_string(&path).unwrap()), name);
        let loaded = Config::load(&path, &|name| (name == "WEIR_INSTANCE").then(|| "pod-0".to_owned()));
        let effective = loaded.unwrap_or_else(|problems| panic!("{problems}")).effective;
        assert_valid(&validator, &yaml(&effective), &effective);
    }
}

/// Defaults and what is required are said, so that an editor can.
#[test]
fn the_schema_tells_defaults() {
    let schema = schema();
    assert_eq!(schema["required"], serde_json::json!(["kafka", "input", "clickhouse"]));
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["$defs"]["Kafka"]["properties"]["session_timeout"]["default"], "10s");
    assert_eq!(schema["$defs"]["Kafka"]["required"], serde_json::json!(["brokers"]));
}

const BASE: &str = "\
kafka: { brokers: [localhost:9092] }
input: { topics: [llm.events] }
clickhouse: { url: http://localhost:8123 }
";

/// Each with every key of the section in question: what loads is valid, and what is valid loads.
#[test]
fn schema_and_reader_agree() {
    let validator = validator(&schema());
    let key = folder("weir.yaml");
    let key = key.display();
    let good = [
        "name: prod".to_owned(),
        "topics: { prefix: w., replication: 3, facts_partitions: 6, outbox_partitions: 2, alerts_partitions: 1, facts_keep: 72h }".to_owned(),
        "content: metadata".to_owned(),
        format!("redaction: {{ hmac_key_file: {key} }}"),
        "detection: { packs: [default] }".to_owned(),
        "alerts: { min_severity: high, throttle: { per: [rule, principal], burst: 1, every: 1h } }".to_owned(),
        "alerts: { throttle: { per: [principal, rule] } }".to_owned(),
        "limits: { detect_threads: auto, event_size: 4MiB, interactions_per_event: 1000 }".to_owned(),
        "limits: { detect_threads: 3, event_size: '${SIZE:-64KiB}' }".to_owned(),
        "telemetry: { log: json }".to_owned(),
        "name: '${NAME:-prod}'".to_owned(),
    ];
    let bad = [
        "name: a/b",
        "nmae: x",
        "topics: { facts_partitions: 0 }",
        "topics: { facts_keep: 72 }",
        "content: full",
        "scoring: {}",
        "redaction: { hmac_key_file: '' }",
        "detection: { suppressions: s.yaml }",
        "alerts: { min_severity: hihg }",
        "alerts: { throttle: { per: [rule] } }",
        "alerts: { throttle: { per: [rule, rule] } }",
        "alerts: { throttle: { every: soon } }",
        "limits: { detect_threads: many }",
        "limits: { event_size: 4MB }",
        "limits: { interactions_per_event: 10001 }",
        "telemetry: { log: xml }",
        "policy: {}",
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipeline.yaml");
    let loads = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Config::load(&path, &|_| None).map(|_| ()).map_err(|problems| problems.to_string())
    };
    for extra in &good {
        let text = format!("{BASE}{extra}\n");
        assert_valid(&validator, &yaml(&text), &text);
        assert_eq!(loads(&text), Ok(()), "{text}");
    }
    for extra in bad {
        let text = format!("{BASE}{extra}\n");
        assert!(!validator.is_valid(&yaml(&text)), "the schema takes {text}");
        assert!(loads(&text).is_err(), "weir takes {text}");
    }
    let sections = [
        ("[localhost:9092]", "[]"),
        ("[llm.events]", "[]"),
        ("[llm.events]", "[{ format: native }]"),
        ("[llm.events]", "[{ name: a, format: natve }]"),
        ("[llm.events]", "[{ name: a, mapping: m.yaml }]"),
        ("http://localhost:8123", "localhost:9000"),
        ("http://localhost:8123", "'http://localhost:8123', database: 1a"),
        ("http://localhost:8123", "'http://localhost:8123', retention: { interactions: long }"),
        ("http://localhost:8123", "'http://localhost:8123', group: { age: 1, size: 8MiB }"),
        ("[localhost:9092]", "[localhost:9092], session_timeout: 10"),
        ("[localhost:9092]", "[localhost:9092], properties: { acks: 1 }"),
        ("[localhost:9092]", "[localhost:9092], sasl: { mechanism: GSSAPI, username: u, password: p }"),
    ];
    for (from, to) in sections {
        let text = BASE.replace(from, to);
        assert!(!validator.is_valid(&yaml(&text)), "the schema takes {text}");
        assert!(loads(&text).is_err(), "weir takes {text}");
    }
}

#[test]
fn packs_are_valid() {
    let validator = validator(&published("pack.schema.json"));
    for pack in crate::rules::BUILT_IN {
        assert_valid(&validator, &yaml(pack.text), pack.name);
    }
    let first = crate::rules::BUILT_IN[0].text;
    for (from, to) in [("version:", "versoin:"), ("severity: ", "severity: x"), ("  - id:", "  - ident: x\n    id:")] {
        assert!(first.contains(from), "{from}");
        assert!(!validator.is_valid(&yaml(&first.replacen(from, to, 1))), "{to}");
    }
}

#[test]
fn native_events_are_valid() {
    let validator = validator(&published("native.schema.json"));
    let example = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(folder("examples").join(name)).unwrap()).unwrap()
    };
    let native = example("native.json");
    assert_valid(&validator, &native, "native.json");
    let mut data = example("cloudevents.json")["data"].clone();
    // The type of the envelope says the version.
    data["weir_schema"] = 1.into();
    assert_valid(&validator, &data, "the data of cloudevents.json");
    let broken = |pointer: &str, value: Value| {
        let mut event = native.clone();
        *event.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not in the example")) = value;
        event
    };
    for event in [
        broken("/weir_schema", 2.into()),
        broken("/principal", Value::Array(Vec::new())),
        broken("/input", "text".into()),
    ] {
        assert!(!validator.is_valid(&event), "{event}");
    }
}
