//! An alert's value: a finding of the Open Cybersecurity Schema Framework, version 1.8.0.
//!
//! What is about data (secrets, personal data, exfiltration) is a Data Security Finding (2006), everything else a
//! Detection Finding (2004). The two differ in what they take: 2006 has `actor`, `dst_endpoint` and
//! `data_security`, but no `evidences`; 2004 has `evidences`, which hold the destination, and `actor` by the host
//! profile; only 2004 has `remediation`. So that readers need not care, `unmapped.weir` has everything of both in one
//! place. Attributes that are not known are left out, never made up. Nothing is configured here.
//!
//! The alert that opens a run is activity 1 (create); the others are activity 2 (update) and bear the
//! `finding_info.uid` of the first, as the schema has it: a finding that goes on is the same finding. Their own
//! finding's id is `unmapped.weir.finding_uid`.

use super::Alert;
use super::cloudevents::rfc3339;
use crate::model::finding::{Measure, Place};
use crate::model::{Category, PrincipalKind, Severity};
use crate::rules::taxonomy;
use serde_json::{Map, Value, json};

/// The version of the schema.
pub const VERSION: &str = "1.8.0";

const CATEGORY_FINDINGS: u32 = 2;

/// The classes of the schema that weir writes, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Detection = 2004,
    DataSecurity = 2006,
}

impl Class {
    fn of(category: Category) -> Self {
        match category {
            Category::Secret | Category::Pii | Category::Exfiltration => Class::DataSecurity,
            Category::Injection | Category::Jailbreak | Category::Policy | Category::Anomaly => Class::Detection,
        }
    }

    /// Its name in the schema, and for people.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Class::Detection => ("detection_finding", "Detection Finding"),
            Class::DataSecurity => ("data_security_finding", "Data Security Finding"),
        }
    }
}

/// Where the class of a finding of this category is described.
pub fn schema_of(category: Category) -> String {
    format!("https://schema.ocsf.io/{VERSION}/classes/{}", Class::of(category).names().0)
}

/// The whole finding.
pub fn finding(alert: &Alert<'_>) -> Value {
    let class = Class::of(alert.finding.category);
    let actor = actor(alert);
    // In a Detection Finding `actor` is the host profile's; in a Data Security Finding it is the class's own.
    let profiles: &[&str] = if class == Class::Detection && actor.is_some() { &["host"] } else { &[] };
    let mut out = Map::new();
    envelope(&mut out, alert, class);
    out.insert("metadata".into(), metadata(alert, profiles));
    out.insert("finding_info".into(), finding_info(alert));
    add(&mut out, "actor", actor);
    add(&mut out, "resources", resources(alert));
    match class {
        Class::DataSecurity => {
            add(&mut out, "dst_endpoint", endpoint(alert));
            add(&mut out, "observables", observables(alert, "dst_endpoint.hostname"));
            out.insert("data_security".into(), data_security(alert));
        }
        Class::Detection => {
            add(&mut out, "observables", observables(alert, "evidences.dst_endpoint.hostname"));
            out.insert("evidences".into(), json!([evidence(alert)]));
            out.insert("remediation".into(), remediation(alert));
            add(&mut out, "anomaly_analyses", alert.finding.measure.as_ref().map(|measure| analysis(alert, measure)));
        }
    }
    out.insert("unmapped".into(), json!({ "weir": weir(alert) }));
    Value::Object(out)
}

/// Adds what is known.
fn add(out: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        out.insert(key.into(), value);
    }
}

/// Adds a text unless it is empty, which is "not known".
fn add_text(out: &mut Map<String, Value>, key: &str, text: &str) {
    add(out, key, (!text.is_empty()).then(|| text.into()));
}

fn envelope(out: &mut Map<String, Value>, alert: &Alert<'_>, class: Class) {
    let class_uid = class as u32;
    let (activity_id, activity_name) = if alert.is_update() { (2, "Update") } else { (1, "Create") };
    let fields = json!({
        "activity_id": activity_id,
        "activity_name": activity_name,
        "category_uid": CATEGORY_FINDINGS,
        "class_uid": class_uid,
        "class_name": class.names().1,
        "type_uid": class_uid * 100 + activity_id,
        "severity_id": alert.finding.severity.code(),
        "severity": severity_caption(alert.finding.severity),
        "status_id": 1,
        "is_alert": true,
        "confidence_id": confidence_id(alert.finding.confidence.permille()),
        "confidence_score": super::percent(alert.finding),
        "time": alert.facts.time_ms,
        "message": alert.message(),
    });
    if let Value::Object(fields) = fields {
        out.extend(fields);
    }
}

fn severity_caption(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "Informational",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
        Severity::Fatal => "Fatal",
    }
}

/// 1 low, 2 medium, 3 high.
fn confidence_id(permille: u16) -> u8 {
    match permille {
        800.. => 3,
        500.. => 2,
        _ => 1,
    }
}

fn metadata(alert: &Alert<'_>, profiles: &[&str]) -> Value {
    let mut out = Map::new();
    out.insert("version".into(), VERSION.into());
    out.insert(
        "product".into(),
        json!({ "name": "weir", "vendor_name": "weir", "version": env!("CARGO_PKG_VERSION") }),
    );
    out.insert("uid".into(), alert.id.to_string().into());
    add_text(&mut out, "correlation_uid", alert.facts.conversation);
    out.insert("original_event_uid".into(), alert.facts.position.to_string().into());
    out.insert("sequence".into(), alert.told.sequence.into());
    out.insert("profiles".into(), json!(profiles));
    Value::Object(out)
}

fn finding_info(alert: &Alert<'_>) -> Value {
    let finding = alert.finding;
    let (mut first, last) = match &finding.measure {
        Some(measure) => (measure.window_start_ms, measure.window_end_ms),
        None => (alert.facts.time_ms, alert.facts.time_ms),
    };
    if alert.is_update() {
        first = first.min(alert.run.opened_ms);
    }
    let mut out = Map::new();
    out.insert("uid".into(), alert.run.opened_by.to_string().into());
    out.insert("title".into(), alert.title().into());
    out.insert("desc".into(), description(alert).into());
    out.insert("analytic".into(), analytic(alert));
    out.insert("types".into(), json!(finding.taxonomy));
    let attacks: Vec<Value> = finding.taxonomy.iter().filter_map(|id| attack(id)).collect();
    add(&mut out, "attacks", (!attacks.is_empty()).then(|| attacks.into()));
    out.insert("first_seen_time".into(), first.into());
    out.insert("last_seen_time".into(), last.into());
    out.insert("related_events_count".into(), alert.run.findings.into());
    Value::Object(out)
}

fn analytic(alert: &Alert<'_>) -> Value {
    let finding = alert.finding;
    let mut out = Map::new();
    // A rule.
    out.insert("type_id".into(), 1.into());
    out.insert("uid".into(), finding.rule.into());
    out.insert("name".into(), finding.title.into());
    out.insert("version".into(), finding.rule_version.to_string().into());
    add_text(&mut out, "desc", finding.description);
    Value::Object(out)
}

/// A technique of MITRE ATLAS, which the schema takes beside ATT&CK; `None` for other ids.
fn attack(id: &str) -> Option<Value> {
    let technique = id.strip_prefix("AML.T")?.split('.').next()?;
    let technique = format!("AML.T{technique}");
    let entity = |id: &str| json!({ "uid": id, "name": taxonomy::name_of(taxonomy::TAXONOMY, id) });
    let mut out = Map::new();
    out.insert("version".into(), taxonomy::ATLAS_VERSION.into());
    if technique != id {
        out.insert("sub_technique".into(), entity(id));
    }
    out.insert("technique".into(), entity(&technique));
    Some(Value::Object(out))
}

/// What to do, and where to read about it: the runbook first.
fn remediation(alert: &Alert<'_>) -> Value {
    json!({ "desc": alert.next_step(), "references": links(alert) })
}

fn links(alert: &Alert<'_>) -> Vec<String> {
    alert.runbook_url().into_iter().chain(alert.finding.references.iter().cloned()).collect()
}

/// Where exactly, for whoever looks it up: the event, and the place in it.
fn description(alert: &Alert<'_>) -> String {
    let (finding, position, index) = (alert.finding, alert.facts.position, alert.facts.index);
    match (&finding.place, &finding.measure) {
        (Some(place), _) => format!(
            "{} in message {}, part {}, characters {} to {} of interaction {index} of event {position}.",
            finding.type_name, place.message, place.part, place.start, place.end
        ),
        (None, Some(measure)) => format!(
            "{} {} from {} to {}; interaction {index} of event {position} was the first above the ceiling of {} a minute.",
            measure.observed,
            measure.unit,
            rfc3339(measure.window_start_ms),
            rfc3339(measure.window_end_ms),
            measure.limit
        ),
        (None, None) => format!("{} in interaction {index} of event {position}.", finding.type_name),
    }
}

/// Who: a person or a key is a user, a workload an application. `None` when neither is known.
fn actor(alert: &Alert<'_>) -> Option<Value> {
    let principal = alert.facts.principal;
    let mut out = Map::new();
    match principal.kind {
        PrincipalKind::User => out.insert("user".into(), json!({ "uid": principal.value })),
        PrincipalKind::Key => {
            out.insert("user".into(), json!({ "uid": principal.value, "credential_uid": principal.value }))
        }
        PrincipalKind::Workload => out.insert("app_uid".into(), principal.value.into()),
        PrincipalKind::Unknown => None,
    };
    add_text(&mut out, "app_name", alert.facts.application);
    (!out.is_empty()).then_some(Value::Object(out))
}

fn endpoint(alert: &Alert<'_>) -> Option<Value> {
    let destination = alert.facts.destination;
    let mut out = Map::new();
    add_text(&mut out, "hostname", destination.host);
    add(&mut out, "port", (destination.port != 0).then(|| destination.port.into()));
    (!destination.host.is_empty()).then_some(Value::Object(out))
}

fn observables(alert: &Alert<'_>, name: &str) -> Option<Value> {
    let host = alert.facts.destination.host;
    (!host.is_empty()).then(|| json!([{ "name": name, "type_id": 1, "type": "Hostname", "value": host }]))
}

fn resources(alert: &Alert<'_>) -> Option<Value> {
    let model = alert.facts.model;
    (!model.is_empty()).then(|| json!([{ "type": "AI model", "name": model }]))
}

fn data_security(alert: &Alert<'_>) -> Value {
    // Data classification: 1 personal, 6 security (credentials). Of an exfiltration the data is not known.
    let category_id = match alert.finding.category {
        Category::Pii => Some(1),
        Category::Secret => Some(6),
        _ => None,
    };
    let mut out = Map::new();
    add(&mut out, "category_id", category_id.map(Value::from));
    // In transit.
    out.insert("data_lifecycle_state_id".into(), 2.into());
    // Other, with its name.
    out.insert("detection_system_id".into(), 99.into());
    out.insert("detection_system".into(), "weir".into());
    out.insert("detection_pattern".into(), alert.finding.rule.into());
    add(&mut out, "pattern_match", alert.finding.place.as_ref().map(|place| place.masked.into()));
    Value::Object(out)
}

fn evidence(alert: &Alert<'_>) -> Value {
    let mut out = Map::new();
    add(&mut out, "actor", actor(alert));
    add(&mut out, "dst_endpoint", endpoint(alert));
    out.insert("data".into(), pointer(alert));
    Value::Object(out)
}

/// Where the evidence lies: the event, and the place in it.
fn pointer(alert: &Alert<'_>) -> Value {
    let position = alert.facts.position;
    let mut out = Map::new();
    out.insert("topic".into(), position.topic.into());
    out.insert("partition".into(), position.partition.into());
    out.insert("offset".into(), position.offset.into());
    out.insert("index".into(), alert.facts.index.into());
    if let Some(Place { role, part_kind, message, part, start, end, masked, hmac: _, layers }) = &alert.finding.place {
        out.insert("role".into(), role.name().into());
        out.insert("part_kind".into(), part_kind.name().into());
        out.insert("message".into(), (*message).into());
        out.insert("part".into(), (*part).into());
        out.insert("start".into(), (*start).into());
        out.insert("end".into(), (*end).into());
        out.insert("masked".into(), (*masked).into());
        if !layers.is_empty() {
            out.insert("layers".into(), layers.iter().map(|layer| layer.name()).collect());
        }
    }
    Value::Object(out)
}

/// What was measured against what is allowed, in the schema's terms.
fn analysis(alert: &Alert<'_>, measure: &Measure) -> Value {
    let parameter = format!("{} per minute", measure.unit);
    let kind = if measure.unit == "requests" { "Frequency Analysis" } else { "Volume Analysis" };
    let span_ms = measure.window_end_ms - measure.window_start_ms;
    json!([{
        "analysis_targets": [{ "name": alert.facts.principal.to_string(), "type": "Principal" }],
        "anomalies": [{
            "observation_parameter": parameter,
            "observation_type": kind,
            "observed_pattern": "above the ceiling",
            "observations": [{
                "value": measure.observed.to_string(),
                "timespan": {
                    "type_id": 9,
                    "start_time": measure.window_start_ms,
                    "end_time": measure.window_end_ms,
                    "duration": span_ms,
                },
            }],
        }],
        "baselines": [{
            "observation_parameter": parameter,
            "observation_type": kind,
            "observed_pattern": "ceiling of the policy",
            "observations": [{ "value": measure.limit.to_string(), "timespan": { "type_id": 1, "duration": 60_000 } }],
        }],
    }])
}

/// What the schema has no place for, and everything that a receiver would otherwise have to look up by class.
fn weir(alert: &Alert<'_>) -> Value {
    let (finding, facts) = (alert.finding, alert.facts);
    let mut out = Map::new();
    out.insert("category".into(), finding.category.name().into());
    out.insert("type".into(), finding.type_name.into());
    out.insert("direction".into(), finding.direction.name().into());
    out.insert("principal".into(), facts.principal.to_string().into());
    let texts = [
        ("application", facts.application),
        ("provider", facts.provider),
        ("model", facts.model),
        ("conversation", facts.conversation),
        ("source_id", facts.source_id),
    ];
    for (key, text) in texts {
        add_text(&mut out, key, text);
    }
    out.insert("dedup_key".into(), alert.dedup_key.to_string().into());
    out.insert("finding_uid".into(), finding.uid.to_string().into());
    out.insert("sequence".into(), alert.told.sequence.into());
    let run = &alert.run;
    let run = json!({ "opened_time": run.opened_ms, "ends_time": run.ends_ms, "findings": run.findings });
    out.insert("run".into(), run);
    out.insert("next_step".into(), alert.next_step().into());
    out.insert("references".into(), links(alert).into());
    out.insert("lookup".into(), lookup(alert));
    add(&mut out, "hits_dropped", (facts.hits_dropped > 0).then(|| facts.hits_dropped.into()));
    out.insert("criteria".into(), json!(finding.criteria));
    out.insert("evidence".into(), pointer(alert));
    add(&mut out, "measure", finding.measure.as_ref().map(measured));
    add(&mut out, "held_back", held_back(alert));
    add(&mut out, "denied", denied(alert));
    add(&mut out, "runbook_url", alert.runbook_url().map(Value::from));
    Value::Object(out)
}

/// Where to look next, ready to paste: the rows in weir's database, and the captured event as it was read, which
/// holds what was masked and so needs the right to see it.
fn lookup(alert: &Alert<'_>) -> Value {
    let position = alert.facts.position;
    let database = &alert.config.database;
    let quoted = position.topic.replace('\\', "\\\\").replace('\'', "\\'");
    let mut out = Map::new();
    let finding = format!("SELECT * FROM {database}.findings WHERE uid = '{}'", alert.finding.uid);
    out.insert("finding".into(), finding.into());
    let interaction = format!(
        "SELECT * FROM {database}.interactions WHERE source_topic = '{quoted}' AND source_partition = {} AND source_offset = {} \
         AND source_index = {}",
        position.partition, position.offset, alert.facts.index
    );
    out.insert("interaction".into(), interaction.into());
    // Kafka allows no other characters; anything else does not belong on a command line.
    if position.topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        let event = format!(
            "kcat -b $KAFKA_BROKERS -C -t {} -p {} -o {} -c 1",
            position.topic, position.partition, position.offset
        );
        out.insert("event".into(), event.into());
    }
    Value::Object(out)
}

fn measured(measure: &Measure) -> Value {
    json!({
        "unit": measure.unit,
        "limit": measure.limit,
        "observed": measure.observed,
        "window_start": measure.window_start_ms,
        "window_end": measure.window_end_ms,
        "denied_before": measure.denied_before,
    })
}

/// Alerts of this principal that its throttles held back since its last alert.
fn held_back(alert: &Alert<'_>) -> Option<Value> {
    let held = &alert.told.held;
    let by_rule: Map<String, Value> =
        held.by_rule.iter().map(|(rule, count)| (rule.to_string(), (*count).into())).collect();
    (held.total > 0).then(|| json!({ "total": held.total, "by_rule": by_rule }))
}

/// Interactions denied by a ceiling after its crossing was reported, since that was last told.
fn denied(alert: &Alert<'_>) -> Option<Value> {
    let counts = alert.told.denied.iter().map(|(limit, count)| (limit.name().to_owned(), (*count).into()));
    (!alert.told.denied.is_empty()).then(|| Value::Object(counts.collect()))
}
