//! Who may do what in Kafka: the least that each role needs, as ACLs, and what to say when one is missing.
//!
//! ACLs are printed, never made: whoever may make them need not run weir. A broker says only that something was
//! refused, not what was lacking, so that is found out here from what the role needs.

use super::consumer::Plain;
use super::{Config, topics};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How long a broker may take to say whether a topic may be seen. An answer that fails to come only makes a message
/// less exact.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Somebody who talks to Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Detect,
    Score,
    Store,
    /// `weir topics plan` and `apply`, `weir state reset`.
    Operator,
}

/// What is done to a resource, by Kafka's name. `Read`, `Write` and `Delete` let one describe it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Read,
    Write,
    Delete,
    Create,
    Describe,
    DescribeConfigs,
}

/// What a permission is on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Topic(String),
    Group(String),
    /// All that begin with this: an instance's name follows.
    TransactionalIds(String),
}

/// A permission.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acl {
    pub operation: Operation,
    pub resource: Resource,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Detect, Role::Score, Role::Store, Role::Operator];

    /// `detect`, as in `--role` and in the names of groups.
    pub fn name(self) -> &'static str {
        match self {
            Role::Detect => "detect",
            Role::Score => "score",
            Role::Store => "store",
            Role::Operator => "operator",
        }
    }

    /// What it does, in a few words.
    pub fn purpose(self) -> &'static str {
        match self {
            Role::Detect => {
                "reads input and writes facts; reads facts only to see, at its very first start, that there are none"
            }
            Role::Score => "reads facts and deletes old ones, keeps state, writes rows and alerts",
            Role::Store => "reads rows and deletes those that ClickHouse has",
            Role::Operator => "is for people: `weir topics plan` and `apply`, `weir state reset`",
        }
    }

    /// The role of a loop.
    pub fn of(stage: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == stage)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.resource {
            Resource::Topic(name) => write!(f, "{} on topic {name}", self.operation),
            Resource::Group(name) => write!(f, "{} on group {name}", self.operation),
            Resource::TransactionalIds(prefix) => write!(f, "{} on transactional ids {prefix}*", self.operation),
        }
    }
}

/// All that a role needs, and nothing else.
pub fn needed(config: &Config, inputs: &[String], role: Role) -> Vec<Acl> {
    let topics = &config.topics;
    let mut acls = Vec::new();
    let mut may = |operation, names: &[String]| {
        let resources = names.iter().map(|name| Resource::Topic(name.clone()));
        acls.extend(resources.map(|resource| Acl { operation, resource }));
    };
    // Whose group is read, and whose transactions are written.
    let (group, writer) = match role {
        Role::Detect => {
            may(Operation::Read, inputs);
            may(Operation::Read, &[topics.facts()]);
            may(Operation::Write, &[topics.facts(), topics.outbox(), topics.dead_letters()]);
            ("detect", Some("detect"))
        }
        Role::Score => {
            may(Operation::Read, &[topics.facts(), topics.state()]);
            may(Operation::Write, &[topics.state(), topics.outbox(), topics.alerts(), topics.dead_letters()]);
            may(Operation::Delete, &[topics.facts()]);
            ("score", Some("score"))
        }
        Role::Store => {
            may(Operation::Read, &[topics.outbox()]);
            may(Operation::Delete, &[topics.outbox()]);
            ("store", None)
        }
        Role::Operator => {
            let all: Vec<String> = topics::specs(topics, inputs).into_iter().map(|spec| spec.name).collect();
            may(Operation::Create, &all);
            may(Operation::Describe, &all);
            may(Operation::DescribeConfigs, &all);
            may(Operation::Read, &[topics.facts(), topics.state()]);
            may(Operation::Write, &[topics.state(), topics.outbox()]);
            ("score", Some("reset"))
        }
    };
    acls.push(Acl { operation: Operation::Read, resource: Resource::Group(config.group_of(group)) });
    if let Some(writer) = writer {
        let prefix = format!("{}-", config.group_of(writer));
        acls.push(Acl { operation: Operation::Write, resource: Resource::TransactionalIds(prefix) });
    }
    acls.sort();
    acls
}

/// The commands of Kafka's own tool that grant these to a user: one for each operation, and one for transactional
/// ids, since these go by their prefix.
pub fn commands(config: &Config, acls: &[Acl], user: &str) -> Vec<String> {
    let mut tool = format!("kafka-acls.sh --bootstrap-server {}", config.brokers);
    if config.property("security.protocol").is_some_and(|protocol| protocol != "plaintext") {
        tool.push_str(" --command-config admin.properties");
    }
    let mut lines: BTreeMap<(bool, Operation), String> = BTreeMap::new();
    for Acl { operation, resource } in acls {
        let (by_prefix, resource) = match resource {
            Resource::Topic(name) => (false, format!(" --topic {name}")),
            Resource::Group(name) => (false, format!(" --group {name}")),
            Resource::TransactionalIds(prefix) => {
                (true, format!(" --resource-pattern-type prefixed --transactional-id {prefix}"))
            }
        };
        let line = lines.entry((by_prefix, *operation)).or_insert_with(|| {
            format!("{tool} --add --allow-principal {} --operation {operation}", quoted(&format!("User:{user}")))
        });
        line.push_str(&resource);
    }
    lines.into_values().collect()
}

/// A word of a command line: the name in a certificate may hold blanks.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '_' | '-' | '=' | ',' | '@' | '/');
    match word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The code of an error, wherever rdkafka keeps it.
pub fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}

/// Whether Kafka refused something because of who asked for it.
pub fn is_denial(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
    )
}

/// What a role lacks and how to grant it, of an error by which Kafka refused it something; `None` of any other.
pub fn explain(config: &Config, inputs: &[String], role: Role, error: &KafkaError) -> Option<String> {
    let code = code_of(error).filter(|code| is_denial(*code))?;
    let missing = missing(config, needed(config, inputs, role), code, &error.to_string());
    // Of a certificate only the broker knows whom it makes of it.
    let named = config.property("sasl.username");
    let who = named.map_or_else(|| "The user of this connection".to_owned(), |name| format!("User {name}"));
    let user = named.map_or_else(|| format!("{}-{}", config.group, role.name()), str::to_owned);
    let list: Vec<String> = missing.iter().map(Acl::to_string).collect();
    Some(format!(
        "Kafka refuses {} ({error}). {who} lacks: {}. Grant it:\n  {}\nAll that it needs: `weir topics acls -c FILE`",
        role.name(),
        list.join(", "),
        commands(config, &missing, &user).join("\n  "),
    ))
}

/// Those of a role's permissions that the refusal was about, as exactly as can be known.
fn missing(config: &Config, needed: Vec<Acl>, code: RDKafkaErrorCode, said: &str) -> Vec<Acl> {
    let of_kind = |acl: &Acl| match code {
        RDKafkaErrorCode::GroupAuthorizationFailed => matches!(acl.resource, Resource::Group(_)),
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed => matches!(acl.resource, Resource::TransactionalIds(_)),
        _ => matches!(acl.resource, Resource::Topic(_)),
    };
    let candidates: Vec<Acl> = needed.into_iter().filter(of_kind).collect();
    if code != RDKafkaErrorCode::TopicAuthorizationFailed {
        return candidates;
    }
    let unseen = unseen(config, &candidates).unwrap_or_default();
    let is_topic =
        |acl: &Acl, test: &dyn Fn(&str) -> bool| matches!(&acl.resource, Resource::Topic(name) if test(name));
    // One that may not even be seen lacks everything; else librdkafka may have named it, and then it was a write,
    // since of what is read it names nothing.
    let some = |test: &dyn Fn(&Acl) -> bool| {
        let some: Vec<Acl> = candidates.iter().filter(|acl| test(acl)).cloned().collect();
        (!some.is_empty()).then_some(some)
    };
    some(&|acl| is_topic(acl, &|name| unseen.iter().any(|topic| topic == name)))
        .or_else(|| some(&|acl| acl.operation == Operation::Write && is_topic(acl, &|name| said.contains(name))))
        .or_else(|| some(&|acl| acl.operation == Operation::Read))
        .unwrap_or(candidates)
}

/// The topics of which the broker tells this user nothing.
fn unseen(config: &Config, acls: &[Acl]) -> Result<Vec<String>, KafkaError> {
    let consumer: BaseConsumer<Plain> = config.client().create_with_context(Plain)?;
    let mut unseen = Vec::new();
    for acl in acls {
        let Resource::Topic(topic) = &acl.resource else { continue };
        if unseen.contains(topic) {
            continue;
        }
        let metadata = consumer.fetch_metadata(Some(topic), PROBE_TIMEOUT)?;
        if let Err(KafkaError::MetadataFetch(RDKafkaErrorCode::TopicAuthorizationFailed)) =
            topics::count_of(&metadata, topic)
        {
            unseen.push(topic.clone());
        }
    }
    Ok(unseen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        super::super::tests::config("pod0")
    }

    /// Everything that any role is granted, as it is printed: a wider right must be meant.
    #[test]
    fn the_least_that_each_role_needs() {
        let mut printed = String::new();
        for role in Role::ALL {
            let acls = needed(&config(), &["llm.events".into(), "otel.spans".into()], role);
            let lines = commands(&config(), &acls, &format!("weir-{}", role.name()));
            printed.push_str(&format!("# {}\n{}\n\n", role.name(), lines.join("\n")));
        }
        insta::assert_snapshot!("acls", printed);
    }

    #[test]
    fn a_name_with_blanks_is_quoted() {
        assert_eq!(quoted("User:CN=weir,O=Acme"), "User:CN=weir,O=Acme");
        assert_eq!(quoted("User:CN=it's a name"), r"'User:CN=it'\''s a name'");
    }

    #[test]
    fn what_was_refused_names_its_permissions() {
        let needed = needed(&config(), &["llm.events".into()], Role::Store);
        let lacks = |code| missing(&config(), needed.clone(), code, "");
        let group = lacks(RDKafkaErrorCode::GroupAuthorizationFailed);
        assert_eq!(group.iter().map(Acl::to_string).collect::<Vec<_>>(), ["Read on group weir-store"]);
        assert!(explain(&config(), &[], Role::Store, &KafkaError::Canceled).is_none());
    }
}
