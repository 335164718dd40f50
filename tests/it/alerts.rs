//! Alerts as their receivers take them: valid OCSF, and through the mappings of `deploy/alerts` within each receiver's
//! documented limits, whatever the names in them are. Real jq does the mapping; one test reads a real topic.

mod corpus;

use super::harness::kafka::{Isolation, Kafka};
use super::harness::{root, scratch};
use corpus::{T0, Teller, Told};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

static TELLER: LazyLock<Teller> = LazyLock::new(Teller::new);
static EVERY_KIND: LazyLock<Vec<Told>> = LazyLock::new(|| TELLER.every_kind());

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} of {value:#}"))
}

fn scratch_file(name: &str) -> PathBuf {
    let folder = scratch().join("alerts");
    fs::create_dir_all(&folder).expect("target can be written");
    folder.join(name)
}

/// Runs a mapping over alerts, as a forwarder does.
fn jq(mapping: &str, alerts: &[Value], keys: &[(&str, &str)]) -> Result<Vec<Value>, String> {
    let lines: String = alerts.iter().map(|alert| format!("{alert}\n")).collect();
    let input = scratch_file(&format!("{mapping}-{}.ndjson", keys.len()));
    fs::write(&input, lines).expect("target can be written");
    let output = Command::new("jq")
        .args(["-c", "-f"])
        .arg(root().join("deploy/alerts").join(mapping))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(keys.iter().copied())
        .stdin(Stdio::from(fs::File::open(&input).expect("it was just written")))
        .output()
        .expect("jq is installed: deploy/local/setup.sh does it");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let lines = String::from_utf8(output.stdout).expect("jq writes UTF-8");
    Ok(lines.lines().map(|line| serde_json::from_str(line).expect("jq writes JSON")).collect())
}

/// Every kind of alert beside what a mapping makes of it.
fn mapped(mapping: &str, keys: &[(&str, &str)]) -> Vec<(&'static Told, Value)> {
    let alerts: Vec<Value> = EVERY_KIND.iter().map(|told| told.value.clone()).collect();
    let mapped = jq(mapping, &alerts, keys).unwrap_or_else(|error| panic!("{mapping}: {error}"));
    assert_eq!(mapped.len(), alerts.len(), "{mapping}: one for each alert");
    EVERY_KIND.iter().zip(mapped).collect()
}

/// A time of RFC 3339, in ms.
fn time_ms(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}")).as_millisecond()
}

fn is_one_line(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'))
}

fn ocsf() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(include_str!("alerts/ocsf.schema.json")).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is one")
}

#[test]
fn alerts_of_every_kind_are_valid_ocsf() {
    let schema = ocsf();
    let mut kinds = BTreeSet::new();
    for Told { name, value, .. } in EVERY_KIND.iter() {
        let class = if value["class_uid"] == 2004 { "detection_finding" } else { "data_security_finding" };
        if !schema.is_valid(value) {
            let whole: Value = serde_json::from_str(include_str!("alerts/ocsf.schema.json")).expect("JSON");
            let one = json!({ "$ref": format!("#/$defs/{class}"), "$defs": whole["$defs"] });
            let one = jsonschema::validator_for(&one).expect("a schema");
            let errors: Vec<String> =
                one.iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect();
            panic!("{name}: {errors:#?}\n{value:#}");
        }
        kinds.insert((text(value, "/unmapped/weir/category"), value["type_uid"].as_u64()));
    }
    for category in ["secret", "pii", "injection", "jailbreak", "exfiltration", "policy"] {
        assert!(kinds.iter().any(|(found, _)| *found == category), "{category}");
    }
    for type_uid in [200401, 200402, 200601, 200602] {
        assert!(kinds.iter().any(|(_, found)| *found == Some(type_uid)), "{type_uid}");
    }
}

/// The schema would notice: what is changed in a valid alert.
#[test]
fn the_schema_refuses_what_the_classes_do_not_have() {
    let schema = ocsf();
    let of = |class: u64| {
        let told = EVERY_KIND.iter().find(|told| told.value["class_uid"] == class);
        told.expect("both classes are there").value.clone()
    };
    let changes: [(u64, &str, Value); 9] = [
        (2006, "/evidences", json!([{ "data": {} }])),
        (2006, "/remediation", json!({ "desc": "x" })),
        (2004, "/dst_endpoint", json!({ "hostname": "x" })),
        (2004, "/data_security", json!({ "detection_pattern": "x" })),
        (2004, "/type_uid", json!(200402)),
        (2006, "/activity_id", json!(2)),
        (2006, "/severity_id", json!(0)),
        (2004, "/metadata/profiles", json!([])),
        (2006, "/finding_info/types", json!(["T0051"])),
    ];
    for (class, pointer, value) in changes {
        let mut alert = of(class);
        assert!(schema.is_valid(&alert));
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
        alert.pointer_mut(parent).expect("the parent is there")[key] = value;
        assert!(!schema.is_valid(&alert), "{class} {pointer}");
    }
}

/// What the person who is woken must find in the alert itself.
#[test]
fn an_alert_is_enough_by_itself_and_shows_no_value() {
    for told in EVERY_KIND.iter() {
        let Told { name, value, headers, text: content } = told;
        let weir = &value["unmapped"]["weir"];
        let (title, message) = (text(value, "/finding_info/title"), text(value, "/message"));
        assert!(title.len() <= 100 && is_one_line(title), "{name}: {title}");
        assert!(message.len() <= 1_024 && is_one_line(message), "{name}: {message}");
        let position = format!(
            "{}/{}/{}",
            text(weir, "/evidence/topic"),
            weir["evidence"]["partition"],
            weir["evidence"]["offset"]
        );
        assert!(message.contains(&position), "{name}: {message}");
        assert!(message.contains(text(value, "/finding_info/analytic/uid")), "{name}: {message}");
        assert!(text(weir, "/next_step").len() <= 500 && text(weir, "/next_step").starts_with("1. "), "{name}");
        assert!(text(weir, "/lookup/interaction").contains(&format!("source_offset = {}", weir["evidence"]["offset"])));
        assert!(text(weir, "/lookup/finding").contains(text(weir, "/finding_uid")));
        for (lookup, table) in [("/lookup/finding", "findings"), ("/lookup/interaction", "interactions")] {
            assert!(text(weir, lookup).contains(&format!(" FROM weir_corpus.{table} ")), "{name}");
        }
        assert!(text(weir, "/runbook_url").ends_with(text(value, "/finding_info/analytic/uid")));
        assert!(!value["finding_info"]["analytic"]["desc"].as_str().unwrap_or_default().is_empty(), "{name}");
        let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        for (key, pointer) in [
            ("ce_id", "/metadata/uid"),
            ("dedup_key", "/unmapped/weir/dedup_key"),
            ("ce_subject", "/unmapped/weir/finding_uid"),
            ("category", "/unmapped/weir/category"),
            ("rule", "/finding_info/analytic/uid"),
        ] {
            assert_eq!(header(key), Some(text(value, pointer)), "{name}: {key}");
        }
        assert_eq!(header("severity"), Some(&*text(value, "/severity").to_lowercase()));
        assert_eq!(header("activity"), Some(&*text(value, "/activity_name").to_lowercase()));
        let evidence = &weir["evidence"];
        if let (Some(start), Some(end)) = (evidence["start"].as_u64(), evidence["end"].as_u64()) {
            let found: String = content.chars().skip(start as usize).take((end - start) as usize).collect();
            assert!(found.chars().count() < 8 || !value.to_string().contains(&found), "{name}: the value is shown");
        }
    }
}

#[test]
fn what_goes_on_and_what_was_held_back_is_told() {
    let run: Vec<_> = EVERY_KIND.iter().filter(|told| told.name == "run").collect();
    let said: Vec<_> = run
        .iter()
        .map(|told| {
            let weir = &told.value["unmapped"]["weir"];
            let rule = text(&told.value, "/finding_info/analytic/uid");
            (
                rule,
                told.value["activity_id"].as_u64(),
                weir["run"]["findings"].as_u64(),
                weir["held_back"]["total"].as_u64(),
            )
        })
        .collect();
    // A token at 0, 40 and 80 minutes, an order at 20, 60 and 100; one alert an hour for each.
    let expected = [
        ("secret.github_token", Some(1), Some(1), None),
        ("injection.override", Some(1), Some(1), None),
        ("secret.github_token", Some(2), Some(3), Some(2)),
        ("injection.override", Some(2), Some(3), None),
    ];
    assert_eq!(said, expected);
    let token = &run[2].value;
    assert_eq!(token["finding_info"]["uid"], run[0].value["finding_info"]["uid"]);
    assert_eq!(token["finding_info"]["first_seen_time"], T0);
    assert_eq!(token["finding_info"]["last_seen_time"], T0 + 80 * 60_000);
    let burst = EVERY_KIND.iter().find(|told| told.name == "after a burst").expect("it is there");
    let message = text(&burst.value, "/message");
    assert!(message.contains("findings were held back since the principal's last alert: "), "{message}");
    assert!(
        message.contains(" more rules.") && message.contains("Above the ceiling since that was told: requests "),
        "{message}"
    );
}

/// https://developer.pagerduty.com/docs/events-api-v2/trigger-events: lengths, severities, 512 KB.
#[test]
fn pagerduty_takes_every_alert() {
    let mut keys = BTreeSet::new();
    for (told, event) in mapped("pagerduty.jq", &[("PAGERDUTY_ROUTING_KEY", "R0UT1NG")]) {
        let name = &told.name;
        assert_eq!((text(&event, "/routing_key"), text(&event, "/event_action")), ("R0UT1NG", "trigger"));
        assert!((1..=255).contains(&text(&event, "/dedup_key").len()));
        assert!((1..=1_024).contains(&text(&event, "/payload/summary").chars().count()), "{name}");
        assert!(is_one_line(text(&event, "/payload/summary")), "{name}");
        assert!(!text(&event, "/payload/source").is_empty());
        let severity = ["", "info", "info", "warning", "error", "critical", "critical"];
        let severity_id = told.value["severity_id"].as_u64().expect("it is a number") as usize;
        assert_eq!(text(&event, "/payload/severity"), severity[severity_id]);
        assert_eq!(time_ms(text(&event, "/payload/timestamp")), told.value["time"].as_i64().expect("ms"));
        assert!(event.to_string().len() <= 512 << 10);
        let details = &event["payload"]["custom_details"];
        assert!(details.is_object() && !text(details, "/next_step").is_empty());
        for link in event["links"].as_array().expect("links are a list") {
            assert!(text(link, "/href").starts_with("https://"));
        }
        if name == "run" {
            keys.insert(text(&event, "/dedup_key").to_owned());
        }
    }
    assert_eq!(keys.len(), 2, "two troubles are two incidents");
    let alerts = [EVERY_KIND[0].value.clone()];
    let error = jq("pagerduty.jq", &alerts, &[]).expect_err("there is no key");
    assert!(error.contains("PAGERDUTY_ROUTING_KEY is not set"), "{error}");
}

/// https://prometheus.io/docs/alerting/latest/clients/ and the API's own description: names of labels, times.
#[test]
fn alertmanager_takes_every_alert() {
    const LABELS: [&str; 7] = ["alertname", "severity", "category", "direction", "application", "provider", "run"];
    for (told, body) in mapped("alertmanager.jq", &[]) {
        let alert = &body[0];
        assert_eq!(body.as_array().map(Vec::len), Some(1), "{}", told.name);
        for (name, value) in alert["labels"].as_object().expect("labels are an object") {
            assert!(LABELS.contains(&&**name), "{name} is no label of few values");
            let value = value.as_str().expect("labels are strings");
            assert!(!value.is_empty() && value.len() <= 256, "an empty label is no label");
        }
        assert!(alert["labels"]["alertname"].is_string() && alert["labels"]["run"].is_string());
        assert!(alert["annotations"].as_object().expect("an object").values().all(Value::is_string));
        let (starts, ends) = (time_ms(text(alert, "/startsAt")), time_ms(text(alert, "/endsAt")));
        let time = told.value["time"].as_i64().expect("ms");
        assert!(starts <= time && ends > time + 60 * 60_000, "{}: {starts} {time} {ends}", told.name);
        assert!(text(alert, "/generatorURL").starts_with("https://"));
    }
    // Two people at the same application are two alerts, and one person's updates are one.
    let labels: BTreeSet<String> = mapped("alertmanager.jq", &[])
        .iter()
        .filter(|(told, _)| told.name == "run")
        .map(|(_, body)| body[0]["labels"].to_string())
        .collect();
    assert_eq!(labels.len(), 2);
}

/// What Slack would read as its own markup is escaped: https://docs.slack.dev/messaging/formatting-message-text
fn assert_escaped(text: &str) {
    let rest = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
    assert!(!rest.contains(['&', '<', '>']), "{text}");
}

/// https://docs.slack.dev/reference/block-kit/blocks: 50 blocks, header 150, section 3,000, field 2,000, 10 fields.
#[test]
fn slack_takes_every_alert_and_gets_no_excerpt() {
    for (told, message) in mapped("slack.jq", &[]) {
        let name = &told.name;
        assert_escaped(text(&message, "/text"));
        let blocks = message["blocks"].as_array().expect("blocks are a list");
        assert!(blocks.len() <= 50);
        for block in blocks {
            match text(block, "/type") {
                "header" => {
                    assert_eq!(text(block, "/text/type"), "plain_text");
                    assert!((1..=150).contains(&text(block, "/text/text").chars().count()), "{name}");
                }
                "section" => {
                    if !block["text"].is_null() {
                        assert!(text(block, "/text/text").chars().count() <= 3_000, "{name}");
                        assert_escaped(text(block, "/text/text"));
                    }
                    for field in block["fields"].as_array().into_iter().flatten() {
                        assert!((1..=2_000).contains(&text(field, "/text").chars().count()), "{name}");
                        assert_escaped(text(field, "/text"));
                        assert_eq!(text(field, "/text").lines().count(), 2, "{name}: {field}");
                    }
                    assert!(block["fields"].as_array().is_none_or(|fields| (1..=10).contains(&fields.len())));
                }
                "context" => {
                    let link = text(block, "/elements/0/text");
                    let inside = link.strip_prefix("<https://").and_then(|link| link.strip_suffix("|Read more>"));
                    assert!(inside.is_some_and(|link| !link.contains(['<', '>', '|'])), "{name}: {link}");
                }
                other => panic!("{name}: a block of type {other}"),
            }
        }
        if let Some(masked) = told.value["unmapped"]["weir"]["evidence"]["masked"].as_str() {
            assert!(!message.to_string().contains(masked), "{name}: an excerpt");
        }
    }
}

/// https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector: time in seconds with
/// milliseconds, flat fields.
#[test]
fn splunk_takes_every_alert() {
    for (told, event) in mapped("splunk.jq", &[("SPLUNK_INDEX", "ai")]) {
        let time_s = event["time"].as_f64().expect("seconds are a number");
        assert_eq!((time_s * 1_000.0).round() as i64, told.value["time"].as_i64().expect("ms"));
        assert_eq!((text(&event, "/sourcetype"), text(&event, "/index")), ("weir:finding", "ai"));
        assert_eq!(event["event"], told.value, "{}: the whole alert", told.name);
        for (name, value) in event["fields"].as_object().expect("fields are an object") {
            let is_flat = value.is_string() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
            assert!(is_flat, "{name}: {value}");
        }
    }
    let without = jq("splunk.jq", &[EVERY_KIND[0].value.clone()], &[]).expect("the index is the token's");
    assert!(without[0].get("index").is_none());
}

/// https://www.elastic.co/docs/reference/ecs: the types of the fields that are used, and allowed values.
#[test]
fn elastic_takes_every_alert() {
    let schema = json!({
        "type": "object",
        "required": ["@timestamp", "message", "ecs", "event", "rule"],
        "additionalProperties": false,
        "properties": {
            "@timestamp": { "type": "string" }, "message": { "type": "string" },
            "ecs": { "properties": { "version": { "type": "string" } } },
            "event": {
                "required": ["kind", "category", "type", "id", "severity", "risk_score"],
                "properties": {
                    "kind": { "const": "alert" },
                    "category": { "type": "array", "items": { "enum": ["intrusion_detection", "threat"] } },
                    "type": { "type": "array", "items": { "enum": ["info", "allowed", "denied"] } },
                    "severity": { "type": "integer" }, "sequence": { "type": "integer" },
                    "risk_score": { "type": "number", "minimum": 0, "maximum": 100 },
                    "original": { "type": "string" }, "url": { "type": "string" }, "reason": { "type": "string" }
                }
            },
            "rule": { "additionalProperties": { "type": "string" } },
            "user": { "additionalProperties": { "type": "string" } },
            "service": { "additionalProperties": { "type": "string" } },
            "observer": { "additionalProperties": { "type": "string" } },
            "destination": { "properties": { "domain": { "type": "string" }, "port": { "type": "integer" } } },
            "threat": {
                "properties": {
                    "framework": { "const": "MITRE ATLAS" },
                    "technique": { "properties": { "id": { "type": "array", "items": { "pattern": "^AML[.]T[0-9]{4}$" } } } }
                }
            },
            "gen_ai": { "type": "object" },
            "labels": { "additionalProperties": { "type": "string" } },
            "tags": { "type": "array", "items": { "type": "string" } }
        }
    });
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    for (told, document) in mapped("elastic.jq", &[]) {
        let errors: Vec<String> =
            schema.iter_errors(&document).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", told.name);
        assert_eq!(time_ms(text(&document, "/@timestamp")), told.value["time"].as_i64().expect("ms"));
        assert_eq!(text(&document, "/event/id"), text(&told.value, "/metadata/uid"), "what the document is made under");
        assert!(!document.to_string().contains("null"), "{}: what is not known is left out", told.name);
        let original: Value = serde_json::from_str(text(&document, "/event/original")).expect("the alert itself");
        assert_eq!(original, told.value);
    }
}

/// Rows of the Logs Ingestion API: flat, at most 1 MB a call.
#[test]
fn sentinel_takes_every_alert() {
    for (told, rows) in mapped("sentinel.jq", &[]) {
        let row = rows[0].as_object().expect("a list of rows");
        assert_eq!(time_ms(text(&rows, "/0/TimeGenerated")), told.value["time"].as_i64().expect("ms"));
        assert!(row.iter().all(|(name, value)| name == "AdditionalFields" || !value.is_object() && !value.is_array()));
        assert!(["High", "Medium", "Low", "Informational"].contains(&text(&rows, "/0/EventSeverity")));
        assert!(rows.to_string().len() < 1 << 20);
    }
}

/// The example of a forwarder reads committed alerts, names mappings that are there, and holds no secret.
#[test]
fn the_forwarder_names_what_is_there() {
    let folder = root().join("deploy/alerts");
    let example = fs::read_to_string(folder.join("bento.yaml")).expect("it is there");
    let parsed: Value = serde_saphyr::from_str(&example).expect("it is YAML");
    assert_eq!(text(&parsed, "/input/kafka/transaction_isolation_level"), "read_committed");
    let mut mappings: Vec<&str> = example.split('"').filter(|piece| piece.ends_with(".jq")).collect();
    mappings.sort_unstable();
    assert_eq!(mappings, ["/elastic.jq", "/pagerduty.jq", "/slack.jq"]);
    for mapping in mappings {
        assert!(folder.join(&mapping[1..]).is_file(), "{mapping}");
    }
    for file in fs::read_dir(&folder).expect("it is a folder").map(|entry| entry.expect("an entry").path()) {
        let content = fs::read_to_string(&file).expect("it is text");
        assert!(content.starts_with("# weir.alerts -> "), "{}: what is it for?", file.display());
        assert!(content.contains("read_committed") || !content.contains("kcat"), "{}", file.display());
    }
}

/// Only what was committed is told: an alert of an aborted transaction is in the log, and no reader sees it.
#[test]
fn alerts_of_an_aborted_transaction_reach_nobody() {
    use super::harness::servers;
    use rdkafka::ClientConfig;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
    use std::time::Duration;

    let wait = Duration::from_secs(30);
    let topic = super::harness::site::topic_name("alerts-aborted");
    let brokers = &servers::shared().brokers;
    let kafka = Kafka::connect(brokers);
    kafka.create(&topic, 1);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", &topic)
        .create()
        .expect("a producer can be made");
    producer.init_transactions(wait).expect("the broker answers");
    for (index, told) in EVERY_KIND.iter().take(4).enumerate() {
        producer.begin_transaction().expect("it was ended before");
        let value = told.value.to_string();
        producer
            .send(BaseRecord::to(&topic).key("k").payload(&value))
            .map_err(|(error, _)| error)
            .expect("there is room");
        producer.flush(wait).expect("it is written");
        let ended = if index % 2 == 0 { producer.abort_transaction(wait) } else { producer.commit_transaction(wait) };
        ended.expect("the broker answers");
    }
    let read = |isolation| -> Vec<Value> {
        let records = kafka.dump(&topic, isolation);
        records
            .iter()
            .map(|record| serde_json::from_slice(record.value.as_deref().expect("a value")).expect("JSON"))
            .collect()
    };
    assert_eq!(read(Isolation::Uncommitted).len(), 4, "all of them are in the log");
    let committed = read(Isolation::Committed);
    let expected: Vec<&Value> = [1, 3].iter().map(|&index| &EVERY_KIND[index].value).collect();
    assert_eq!(committed.iter().collect::<Vec<_>>(), expected);
    let events =
        jq("pagerduty.jq", &committed, &[("PAGERDUTY_ROUTING_KEY", "k"), ("ABORTED", "1")]).expect("a mapping");
    let keys: Vec<&str> = events.iter().map(|event| text(event, "/dedup_key")).collect();
    assert_eq!(keys, expected.iter().map(|alert| text(alert, "/unmapped/weir/dedup_key")).collect::<Vec<_>>());
    kafka.delete(&[&topic]);
}
