//! The configuration as a person writes it: every section with its keys, types and defaults, in the order in
//! which `weir config effective` prints them.
//!
//! What a section means to the rest of weir, and what needs a second key or a file to be checked, is in
//! `resolve.rs`. Keys under `later` belong to the full configuration and are refused until weir supports them.

use super::leaf::{
    Choice, Content, Count, HIDDEN, Log, Mechanism, Name, One, OutOfRange, Per, Secret, Size, Span, Start, Text,
    Threads, leaf,
};
use super::properties;
use crate::decode::Format;
use crate::limits;
use crate::model::Severity;
use crate::yaml::plain::reject;
use crate::yaml::section::{Fields, Written, section};
use crate::yaml::{Node, Place, Problem, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::borrow::Cow;

section! {
    /// A weir pipeline. Every value may be `${VAR}`, `${VAR:-default}`, `${VAR:?message}` or `${file:/path}`.
    Pipeline {
        /// Names this pipeline in alerts.
        name: Name = Name::from_default("default"),
        /// How to reach Kafka, and under which names.
        kafka: Kafka,
        /// Which topics weir reads.
        input: Input,
        /// weir's own topics.
        topics: Topics,
        /// Where rows go.
        clickhouse: ClickHouse,
        /// What is kept of prompts and answers: `metadata`, which is none of their text.
        content: One<Content> = One(Content::Metadata),
        /// How evidence is made comparable without being readable.
        redaction: Redaction,
        /// What is looked for.
        detection: Detection,
        /// The organisation's usage policy, a file. Relative paths start at this file's folder.
        policy: Option<Text>,
        /// Which findings become alerts, and how often.
        alerts: Alerts,
        /// What weir may use.
        limits: Limits,
        /// What weir tells of itself.
        telemetry: Telemetry,
    }
    later ["scoring"]
}

section! {
    /// How to reach Kafka, and under which names.
    Kafka {
        /// `host:port` of some brokers, as a list or separated by commas.
        brokers: Brokers,
        /// Encryption. `{}` trusts the system's authorities. Without it the connection is in plain text.
        tls: Option<Tls>,
        /// Name and password.
        sasl: Option<Sasl>,
        /// Prefix of the consumer groups `<group>-detect`, `<group>-score` and `<group>-store`.
        group: Name = Name::from_default("weir"),
        /// Tells this process from the others, and must stay the same when it restarts; in Kubernetes the pod's
        /// name. Default: the environment's WEIR_INSTANCE, else the host's name.
        instance: Option<Name>,
        /// How often each loop commits: the price of a shorter one is more transactions.
        commit_interval: Span = Span::from_default(250),
        /// How long Kafka waits for a silent member before others take its partitions. 45s in Kubernetes.
        session_timeout: Span = Span::from_default(10_000),
        /// Further properties of librdkafka.
        properties: Properties = Properties(Vec::new()),
    }
    later []
}

section! {
    /// Encryption of a connection.
    Tls {
        /// Authorities that are trusted instead of the system's, PEM.
        ca_file: Option<Text>,
        /// weir's own certificate, PEM.
        cert_file: Option<Text>,
        /// The key of `cert_file`, PEM.
        key_file: Option<Text>,
    }
    later []
}

section! {
    /// Who weir is to Kafka.
    Sasl {
        /// PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
        mechanism: One<Mechanism>,
        /// The user.
        username: Text,
        /// Best written as `${VAR}` or `${file:/path}`.
        password: Secret,
    }
    later []
}

section! {
    /// Which topics weir reads.
    Input {
        /// Where detect starts when its group has never read: `earliest` or `latest`.
        start: One<Start> = One(Start::Earliest),
        /// What to do when Kafka has deleted what was not read yet: `fail`, or `earliest`, which is a gap in the
        /// ledger.
        out_of_range: One<OutOfRange> = One(OutOfRange::Fail),
        /// The topics: names, or `{ name, format }`.
        topics: InputTopics,
    }
    later []
}

section! {
    /// A topic that weir reads.
    NamedTopic {
        /// Its name.
        name: Name,
        /// The format of its events; `auto` recognises each.
        format: One<Format> = One(Format::Auto),
    }
    later ["mapping"]
}

section! {
    /// weir's own topics, as `weir topics apply` makes them. Partition counts stay for life.
    Topics {
        /// Begins the name of each of them.
        prefix: Name = Name::from_default("weir."),
        /// Copies of each partition. Default: the broker's.
        replication: Option<Count>,
        /// Partitions of facts and state: the most `score` can be spread over.
        facts_partitions: Count = Count(12),
        /// Partitions of the outbox: the most `store` can be spread over.
        outbox_partitions: Count = Count(4),
        /// Partitions of alerts.
        alerts_partitions: Count = Count(4),
        /// How long facts stay after they were scored, so that scoring can be replayed and checked.
        facts_keep: Span = Span::from_default(72 * 3_600_000),
    }
    later []
}

section! {
    /// Where rows go.
    ClickHouse {
        /// The HTTP interface: `http://host:8123` or `https://host:8443`.
        url: Url,
        /// For `https`. Without it the system's authorities are trusted.
        tls: Option<Tls>,
        /// The database that holds weir's tables.
        database: Identifier = Identifier("weir".to_owned()),
        /// A cluster of one shard, on all replicas of which the tables are made, as replicated ones.
        cluster: Option<Identifier>,
        /// The user.
        user: Text = Text::from_default("default"),
        /// Best written as `${VAR}` or `${file:/path}`.
        password: Secret = Secret::default(),
        /// How many rows are inserted at once.
        group: Group,
        /// How long rows stay.
        retention: Retention,
    }
    later []
}

section! {
    /// How many rows are inserted at once: those of a group, which is complete at an age or at a size.
    Group {
        /// How long a row may wait for others.
        age: Span = Span::from_default(limits::GROUP_MAX_AGE_MS),
        /// Compressed.
        size: Size = Size::from_default(limits::GROUP_MAX_BYTES),
    }
    later []
}

section! {
    /// How long rows stay, in whole days.
    Retention {
        /// Interactions, findings and dead letters.
        interactions: Span = Span::from_default(400 * DAY_MS),
    }
    later ["content"]
}

/// A day, in ms.
pub const DAY_MS: u64 = 86_400_000;

section! {
    /// How evidence is made comparable without being readable.
    Redaction {
        /// The key of the hashes by which equal values are found. Without it hash columns stay empty.
        hmac_key_file: Option<Text>,
    }
    later []
}

section! {
    /// What is looked for.
    Detection {
        /// Packs of rules: `default`, a file, or a folder of files.
        packs: Vec<Text> = vec![Text::from_default("default")],
    }
    later ["suppressions"]
}

section! {
    /// Which findings become alerts, and how often.
    Alerts {
        /// The least severity: informational, low, medium, high, critical or fatal.
        min_severity: One<Severity> = One(Severity::High),
        /// How often the same thing is said.
        throttle: Throttle,
        /// A link for whoever is woken; `{rule}` stands for the rule's id.
        runbook_url: Option<Text>,
    }
    later []
}

section! {
    /// How often the same thing is said: GCRA over event time.
    Throttle {
        /// What counts as the same thing: the rule and the principal.
        per: ThrottlePer = ThrottlePer::both(),
        /// Alerts that may follow at once.
        burst: Count = Count(1),
        /// The interval in which one more may follow.
        every: Span = Span::from_default(3_600_000),
    }
    later []
}

section! {
    /// What weir may use.
    Limits {
        /// Threads of detect: a number, or `auto` for one a core.
        detect_threads: Threads = Threads::Auto,
        /// The largest event that is looked into; a larger one is a dead letter.
        event_size: Size = Size::from_default(limits::EVENT_MAX_BYTES),
        /// Most interactions of one event; one with more is a dead letter.
        interactions_per_event: Count = Count(limits::INTERACTIONS_PER_EVENT as i32),
    }
    later []
}

section! {
    /// What weir tells of itself.
    Telemetry {
        /// Log lines as `text` or `json`.
        log: One<Log> = One(Log::Json),
        /// `host:port` of the admin port, which serves /live, /ready and /metrics. Without it no port is opened.
        listen: Option<Listen>,
        /// An OpenTelemetry collector that takes metrics and traces by OTLP over HTTP: `http://otel:4318`.
        otlp: Option<Collector>,
    }
    later []
}

/// `host:port` of some brokers.
#[derive(Clone, Debug)]
pub struct Brokers(pub Vec<String>);
leaf!(Brokers, "Brokers", |brokers| brokers.0, { "anyOf": [
    { "type": "string", "minLength": 1 },
    { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 },
] });

fn is_host_and_port(broker: &str) -> bool {
    let Some((host, port)) = broker.rsplit_once(':') else { return false };
    let has_more = host.contains(['/', '@']);
    !host.is_empty() && !has_more && port.parse::<u16>().is_ok_and(|port| port > 0)
}

impl Written for Brokers {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut brokers = Vec::new();
        // One variable may hold several, so each item is split.
        let before = problems.len();
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for item in items {
            let Some(text) = Text::read(item, problems) else { continue };
            for broker in text.value.split(',').map(str::trim).filter(|broker| !broker.is_empty()) {
                if is_host_and_port(broker) {
                    brokers.push(broker.to_owned());
                } else if properties::holds_credentials(broker) {
                    let message = format!("{} holds a user or a password", item.path);
                    problems.push(Problem::new(item.place, message, "write them as kafka.sasl, and `host:port` here"));
                    break;
                } else {
                    let remedy = "write, say, `kafka-0:9092`, without a scheme";
                    reject::<()>(item, "is not `host:port`", remedy, problems);
                    break;
                }
            }
        }
        if problems.len() > before {
            return None;
        }
        if items.iter().any(|item| matches!(item.value, Value::Unfilled)) {
            return None;
        }
        if brokers.is_empty() {
            problems.push(Problem::new(node.place, format!("{} names no broker", node.path), "write `host:port`"));
            return None;
        }
        Some(Brokers(brokers))
    }

    fn stand_in() -> Self {
        Brokers(Vec::new())
    }
}

/// The address of ClickHouse's HTTP interface. No message shows it, since it might hold a password.
#[derive(Clone, Debug)]
pub struct Url(pub String);
leaf!(Url, "Url", |url| url.0, { "type": "string", "pattern": r"^https?://|\$\{" });

impl Written for Url {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let url = Text::read(node, problems)?.value;
        let mut refuse = |what: &str, remedy: &str| {
            problems.push(Problem::new(node.place, format!("{} {what}", node.path), remedy));
            None
        };
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let Some(rest) = rest.map(|rest| rest.trim_end_matches('/')).filter(|rest| !rest.is_empty()) else {
            return refuse(
                "is not an HTTP address",
                "write `http://host:8123` or `https://host:8443`; not the native port",
            );
        };
        if rest.contains('@') {
            return refuse("holds a user or a password", "write them as clickhouse.user and clickhouse.password");
        }
        if rest.contains(['/', '?', '#', ' ']) {
            return refuse(
                "goes on after the port",
                "write scheme, host and port only; clickhouse.database names the database",
            );
        }
        Some(Url(url.trim_end_matches('/').to_owned()))
    }

    fn stand_in() -> Self {
        Url(String::new())
    }
}

/// `host:port` to listen on.
#[derive(Clone, Debug)]
pub struct Listen(pub String);
leaf!(Listen, "Listen", |listen| listen.0, { "type": "string", "pattern": r"^.+:[0-9]+$|\$\{" });

impl Written for Listen {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let listen = Text::read(node, problems)?.value;
        let parts = listen.rsplit_once(':');
        if parts.is_none_or(|(host, port)| host.is_empty() || host.contains('/') || port.parse::<u16>().is_err()) {
            let message = format!("{}: {} is not `host:port`", node.path, node.shown());
            let remedy = "write `127.0.0.1:9464`, or `0.0.0.0:9464` to be reached from other hosts";
            problems.push(Problem::new(node.place, message, remedy));
            return None;
        }
        Some(Listen(listen))
    }

    fn stand_in() -> Self {
        Listen(String::new())
    }
}

/// Scheme, host and port of an OTLP collector, and a path when it is not at the root. Passwords have no place in it.
#[derive(Clone, Debug)]
pub struct Collector(pub String);
leaf!(Collector, "Collector", |collector| collector.0, { "type": "string", "pattern": r"^https?://|\$\{" });

impl Written for Collector {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let url = Text::read(node, problems)?.value;
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let problem = match rest {
            None => Some(("is not an HTTP address", "write `http://otel:4318`; 4317 is the port of gRPC")),
            Some(rest) if rest.starts_with(['/', ':']) || rest.is_empty() => {
                Some(("names no host", "write `http://otel:4318`"))
            }
            Some(rest) if rest.contains('@') => {
                Some(("holds a user or a password", "set OTEL_EXPORTER_OTLP_HEADERS in the environment"))
            }
            Some(rest) if rest.contains(['?', '#', ' ']) || rest.contains("/v1/") => {
                Some(("goes on after the collector", "weir adds /v1/metrics and /v1/traces itself"))
            }
            Some(_) => None,
        };
        if let Some((what, remedy)) = problem {
            problems.push(Problem::new(node.place, format!("{} {what}", node.path), remedy));
            return None;
        }
        Some(Collector(url.trim_end_matches('/').to_owned()))
    }

    fn stand_in() -> Self {
        Collector(String::new())
    }
}

/// The name of a database or a cluster, as it stands in SQL without quotes.
#[derive(Clone, Debug)]
pub struct Identifier(pub String);
leaf!(Identifier, "Identifier", |name| name.0, { "type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_]*$|\$\{" });

impl Written for Identifier {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let name = Text::read(node, problems)?.value;
        let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
            && name.len() <= 64
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            let message = format!("{}: {} is not a name", node.path, node.shown());
            problems.push(Problem::new(node.place, message, "use letters, digits and `_`, not beginning with a digit"));
            return None;
        }
        Some(Identifier(name))
    }

    fn stand_in() -> Self {
        Identifier(String::new())
    }
}

/// An input topic: a name alone, or a mapping.
#[derive(Clone)]
pub struct InputTopic {
    pub topic: NamedTopic,
    pub place: Place,
}

impl InputTopic {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let topic = match node.value {
            Value::Map(_) => NamedTopic::read(node, problems)?,
            _ => NamedTopic { name: Name::read(node, problems)?, format: One(Format::Auto) },
        };
        Some(InputTopic { topic, place: node.place })
    }
}

/// At least one of them.
#[derive(Clone)]
pub struct InputTopics(pub Vec<InputTopic>);

impl Written for InputTopics {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if items.is_empty() {
            let message = format!("{} names no topic", node.path);
            problems.push(Problem::new(node.place, message, "name at least one: topics: [llm.events]"));
        }
        Some(InputTopics(items.iter().filter_map(|item| InputTopic::read(item, problems)).collect()))
    }

    fn stand_in() -> Self {
        InputTopics(Vec::new())
    }
}

impl Serialize for InputTopics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|topic| &topic.topic))
    }
}

impl JsonSchema for InputTopics {
    fn schema_name() -> Cow<'static, str> {
        "InputTopics".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (name, mapping) = (generator.subschema_for::<Name>(), generator.subschema_for::<NamedTopic>());
        let topic = json_schema!({ "anyOf": [name, mapping] });
        json_schema!({ "anyOf": [name, { "type": "array", "items": topic, "minItems": 1 }] })
    }
}

/// What alerts are throttled by: the rule and the principal, since throttles live in the principal's state, one
/// for each rule. Written out so that the file says what happens.
#[derive(Clone)]
pub struct ThrottlePer(Vec<One<Per>>);
leaf!(ThrottlePer, "ThrottlePer", |per| per.0, {
    "type": "array",
    "items": { "enum": ["rule", "principal"] },
    "minItems": 2,
    "uniqueItems": true,
});

impl ThrottlePer {
    fn both() -> Self {
        ThrottlePer(vec![One(Per::Rule), One(Per::Principal)])
    }
}

impl Written for ThrottlePer {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let per = Vec::<One<Per>>::read(node, problems)?;
        let has_both = per.contains(&One(Per::Rule)) && per.contains(&One(Per::Principal));
        if !has_both && problems.len() == before {
            let message = format!("{} leaves out the rule or the principal", node.path);
            problems.push(Problem::new(node.place, message, "write [rule, principal]: it takes both"));
        }
        Some(ThrottlePer(per))
    }

    fn stand_in() -> Self {
        ThrottlePer::both()
    }
}

/// Further properties of librdkafka, checked against those that weir's promise rests on.
#[derive(Clone)]
pub struct Properties(pub Vec<Property>);

/// One of them. It has no `Debug`, since a value may be a password.
#[derive(Clone)]
pub struct Property {
    pub name: String,
    pub value: String,
    /// Whether `weir config effective` must not print it.
    pub is_secret: bool,
}

impl Written for Properties {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            // Says that it is no mapping, or passes over what is absent.
            return Fields::open(node, &["librdkafka's names"], &[], problems).map(|_| Properties(Vec::new()));
        };
        let before = problems.len();
        let mut list = Vec::new();
        for entry in entries {
            if let Some(remedy) = properties::refused(&entry.key) {
                let message = format!("{} is weir's to set", entry.node.path);
                problems.push(Problem::new(entry.key_place, message, remedy));
                continue;
            }
            let Value::Scalar(scalar) = &entry.node.value else {
                Secret::read(&entry.node, problems);
                continue;
            };
            let is_secret = properties::is_secret(&entry.key)
                || properties::holds_credentials(&scalar.text)
                || scalar.origins.iter().any(|from| from.contains("file:"));
            list.push(Property { name: entry.key.clone(), value: scalar.text.clone(), is_secret });
        }
        (problems.len() == before).then_some(Properties(list))
    }

    fn stand_in() -> Self {
        Properties(Vec::new())
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for property in &self.0 {
            let shown = if property.is_secret { HIDDEN } else { &property.value };
            map.serialize_entry(&property.name, shown)?;
        }
        map.end()
    }
}

impl JsonSchema for Properties {
    fn schema_name() -> Cow<'static, str> {
        "Properties".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "not": { "enum": properties::refused_names() } },
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        })
    }
}

impl One<Mechanism> {
    /// librdkafka's name of it.
    pub fn property(self) -> &'static str {
        Mechanism::all().into_iter().find(|(_, value)| *value == self.0).map_or("PLAIN", |(name, _)| name)
    }
}
