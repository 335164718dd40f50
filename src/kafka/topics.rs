//! weir's topics: which there are, with which settings, how to make them, and deleting what has been read.
//!
//! A topic that exists is never altered: what differs is said, with the remedy. Partition counts are for life,
//! since the state of a principal is where its hash says.

use super::{Config, NextOffset, TopicPartition, Topics, access};
use crate::limits;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// `max.message.bytes` of weir's own topics.
pub const OUTBOX_MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Kafka's own topics in which offsets and transactions are: weir's promise is as durable as they are.
const INTERNAL: [&str; 2] = ["__consumer_offsets", "__transaction_state"];

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a topic that was made may take to be told of.
const APPEARS_WITHIN: Duration = Duration::from_secs(30);
/// Between two questions for it.
const APPEARS_PAUSE: Duration = Duration::from_millis(100);

/// With three copies one broker may be lost while another is restarted.
const COPIES: usize = 3;

/// A write that is acknowledged is on so many brokers.
const IN_SYNC: usize = 2;

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub name: String,
    /// `None`: the broker's default (an input topic).
    pub partitions: Option<i32>,
    pub settings: Vec<(&'static str, String)>,
}

/// What there is to say of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    Right(String),
    Missing(Spec),
    /// Exists, but not as it should be: what, and the remedy.
    Differs {
        topic: String,
        what: String,
        remedy: String,
    },
}

/// Every topic of a pipeline: the input's, then weir's own.
pub fn specs(topics: &Topics, inputs: &[String]) -> Vec<Spec> {
    let days = |days: i64| (days * 24 * 60 * 60 * 1_000).to_string();
    let size = ("max.message.bytes", OUTBOX_MAX_MESSAGE_BYTES.to_string());
    // What is read is deleted by its reader, never by age: an outage of any length loses nothing.
    let queue = vec![("cleanup.policy", "delete".into()), ("retention.ms", "-1".into()), size.clone()];
    let log = vec![("cleanup.policy", "delete".into()), ("retention.ms", days(30)), size.clone()];
    let state = vec![
        ("cleanup.policy", "compact".into()),
        ("segment.bytes", (64 << 20).to_string()),
        ("segment.ms", "600000".into()),
        ("min.cleanable.dirty.ratio", "0.1".into()),
        ("max.compaction.lag.ms", "600000".into()),
        size,
    ];
    let own = |name: String, partitions, settings| Spec { name, partitions: Some(partitions), settings };
    let mut specs: Vec<Spec> =
        inputs.iter().map(|name| Spec { name: name.clone(), partitions: None, settings: Vec::new() }).collect();
    specs.push(own(topics.facts(), topics.facts_partitions, queue.clone()));
    specs.push(own(topics.state(), topics.facts_partitions, state));
    specs.push(own(topics.outbox(), topics.outbox_partitions, queue));
    specs.push(own(topics.alerts(), topics.alerts_partitions, log.clone()));
    specs.push(own(topics.dead_letters(), 4, log));
    specs
}

/// Asks the cluster and makes topics.
pub struct Admin {
    client: AdminClient<DefaultClientContext>,
    replication: Option<i32>,
}

impl Admin {
    pub fn connect(config: &Config) -> Result<Self, KafkaError> {
        Ok(Admin { client: config.client().create()?, replication: config.topics.replication })
    }

    /// Compares the cluster with what should be there.
    pub async fn plan(&self, specs: &[Spec]) -> Result<Vec<Finding>, KafkaError> {
        let mut findings = Vec::new();
        for spec in specs {
            let metadata = self.client.inner().fetch_metadata(Some(&spec.name), REQUEST_TIMEOUT)?;
            findings.push(match count_of(&metadata, &spec.name)? {
                None => Finding::Missing(spec.clone()),
                Some(count) => self.compare(spec, count).await?,
            });
        }
        Ok(findings)
    }

    /// Makes a missing topic; `false` when it was there already, made by another or not shown yet.
    pub async fn create(&self, spec: &Spec) -> Result<bool, KafkaError> {
        let replication = TopicReplication::Fixed(self.replication.unwrap_or(-1));
        let settings: Vec<(&str, &str)> = spec.settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let mut topic = NewTopic::new(&spec.name, spec.partitions.unwrap_or(-1), replication);
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let results = self.client.create_topics([&topic], &options()).await?;
        match results.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            Some(Err((_, code))) => Err(KafkaError::AdminOp(code)),
            _ => Ok(true),
        }
    }

    /// Waits until brokers tell of topics that were just made, which they may do late; returns those of which none has
    /// told in time.
    pub fn await_made(&self, made: &[Spec]) -> Result<Vec<String>, KafkaError> {
        let is_told = |topic: &str| -> Result<bool, KafkaError> {
            let metadata = self.client.inner().fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
            match count_of(&metadata, topic) {
                // Its leaders are still being chosen.
                Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable)) => Ok(false),
                count => Ok(count?.is_some()),
            }
        };
        let names = made.iter().map(|spec| spec.name.clone()).collect();
        untold(names, is_told, APPEARS_WITHIN, APPEARS_PAUSE)
    }

    /// What the loss of one broker could take, in sentences with their remedies: topics of fewer than three copies,
    /// and those that take a write which only one copy has. A topic that is not there, or may not be seen, is passed
    /// over.
    pub async fn durability(&self, specs: &[Spec]) -> Result<Vec<String>, KafkaError> {
        let (mut few_copies, mut few_in_sync) = (Vec::new(), Vec::new());
        let own = specs.iter().filter(|spec| spec.partitions.is_some()).map(|spec| spec.name.as_str());
        for topic in own.chain(INTERNAL) {
            let metadata = self.client.inner().fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
            let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
            let copies = found.and_then(|found| found.partitions().iter().map(|one| one.replicas().len()).min());
            let Some(copies) = copies else { continue };
            if copies < COPIES {
                few_copies.push(format!("{topic} ({copies})"));
            }
            let described = self.client.describe_configs([&ResourceSpecifier::Topic(topic)], &options()).await?;
            let Some(Ok(described)) = described.first() else { continue };
            let in_sync = described.get("min.insync.replicas").and_then(|entry| entry.value.as_deref());
            if in_sync.and_then(|value| value.parse::<usize>().ok()).is_some_and(|least| least < IN_SYNC) {
                few_in_sync.push(topic.to_owned());
            }
        }
        let mut said = Vec::new();
        if !few_copies.is_empty() {
            said.push(format!(
                "fewer than {COPIES} copies: {}. What a lost broker held alone is lost. For topics to be made: \
                 topics.replication: {COPIES}; for these: kafka-reassign-partitions.sh",
                few_copies.join(", ")
            ));
        }
        if !few_in_sync.is_empty() {
            said.push(format!(
                "min.insync.replicas is less than {IN_SYNC}: {}. A commit may be on one broker only when that is lost. \
                 kafka-configs.sh --alter --entity-type topics --entity-name TOPIC --add-config \
                 min.insync.replicas={IN_SYNC}",
                few_in_sync.join(", ")
            ));
        }
        Ok(said)
    }

    async fn compare(&self, spec: &Spec, count: i32) -> Result<Finding, KafkaError> {
        let topic = spec.name.clone();
        if let Some(wanted) = spec.partitions.filter(|&wanted| wanted != count) {
            let what = format!("has {count} partitions, and the configuration says {wanted}");
            let remedy = "set the count that the topic has: it stays for life".to_string();
            return Ok(Finding::Differs { topic, what, remedy });
        }
        if spec.settings.is_empty() {
            return Ok(Finding::Right(topic));
        }
        let found = self.client.describe_configs([&ResourceSpecifier::Topic(&spec.name)], &options()).await?;
        let Some(found) = found.into_iter().next() else { return Ok(Finding::Right(topic)) };
        let found = found.map_err(KafkaError::AdminOp)?;
        let wrong: Vec<&(&str, String)> = spec
            .settings
            .iter()
            .filter(|(key, value)| found.get(key).and_then(|entry| entry.value.as_ref()) != Some(value))
            .collect();
        if wrong.is_empty() {
            return Ok(Finding::Right(topic));
        }
        let pairs: Vec<String> = wrong.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let what = format!("is not set as {}", pairs.join(", "));
        let remedy = format!("kafka-configs.sh --alter --topic {topic} --add-config {}", pairs.join(","));
        Ok(Finding::Differs { topic, what, remedy })
    }
}

/// How many partitions a topic has, by what a broker says of it; `None` when there is no such topic.
pub(super) fn count_of(metadata: &Metadata, topic: &str) -> Result<Option<i32>, KafkaError> {
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
    match found.error().map(RDKafkaErrorCode::from) {
        None => Ok(Some(found.partitions().len() as i32).filter(|&count| count > 0)),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(None),
        // A topic whose leaders are away, or that this user may not see, is not missing.
        Some(code) => Err(KafkaError::MetadataFetch(code)),
    }
}

/// Asks for each topic until it is told of; those of which nobody told in time are left.
fn untold<E>(
    mut topics: Vec<String>,
    mut is_told: impl FnMut(&str) -> Result<bool, E>,
    within: Duration,
    pause: Duration,
) -> Result<Vec<String>, E> {
    let begun = Instant::now();
    loop {
        let mut left = Vec::new();
        for topic in topics {
            if !is_told(&topic)? {
                left.push(topic);
            }
        }
        if left.is_empty() || begun.elapsed() >= within {
            return Ok(left);
        }
        topics = left;
        std::thread::sleep(pause);
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

/// How often a refusal to delete is told.
const TELL_EVERY: Duration = Duration::from_secs(60);

type Deletion = Pin<Box<dyn Future<Output = Result<TopicPartitionList, KafkaError>> + Send>>;

/// Deletes what a reader has committed, one request at a time, without ever waiting: a deletion that fails is
/// made again with the next.
pub struct Deleter {
    client: AdminClient<DefaultClientContext>,
    wanted: Vec<(TopicPartition, NextOffset)>,
    pending: Option<Deletion>,
    /// When a refusal was last told.
    told: Option<Instant>,
}

impl Deleter {
    pub fn connect(config: &Config) -> Result<Self, KafkaError> {
        Ok(Deleter { client: config.client().create()?, wanted: Vec::new(), pending: None, told: None })
    }

    /// Records of this partition before `next` may go.
    pub fn delete_before(&mut self, at: &TopicPartition, next: NextOffset) {
        match self.wanted.iter_mut().find(|(known, _)| known == at) {
            Some(known) => known.1 = known.1.max(next),
            None => self.wanted.push((at.clone(), next)),
        }
    }

    /// Looks after the request under way and makes the next one.
    pub fn tick(&mut self) {
        if let Some(pending) = &mut self.pending {
            match pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => return,
                Poll::Ready(Ok(list)) => self.tell_refusal(&list),
                Poll::Ready(Err(error)) => tracing::warn!(%error, "deleting what has been read"),
            }
            self.pending = None;
        }
        if self.wanted.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (at, next) in self.wanted.drain(..) {
            if let Err(error) = list.add_partition_offset(&at.topic, at.partition, Offset::Offset(next.0)) {
                tracing::warn!(%error, "deleting what has been read");
            }
        }
        let client = &self.client;
        self.pending = Some(Box::pin(client.delete_records(&list, &options())));
    }
}

impl Deleter {
    /// A partition from which nothing may be deleted grows for ever, so it is told, now and then.
    fn tell_refusal(&mut self, list: &TopicPartitionList) {
        let elements = list.elements();
        let Some((element, error)) = elements.iter().find_map(|one| one.error().err().map(|error| (one, error))) else {
            return;
        };
        if self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        let remedy = match access::code_of(&error).is_some_and(access::is_denial) {
            true => "grant Delete on this topic: `weir topics acls -c FILE`",
            false => "it is tried again",
        };
        let topic = element.topic();
        tracing::warn!(%error, topic, remedy, "deleting what has been read; until it works the topic keeps growing");
    }
}

const _: () = assert!(limits::RECORD_MAX_BYTES + (64 << 10) < OUTBOX_MAX_MESSAGE_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_waited_for_until_all_are_told_of() {
        let names = || vec!["weir.facts".to_owned(), "weir.state".to_owned()];
        let mut asked = Vec::new();
        // The first is told of at once, the second at the third question.
        let is_told = |topic: &str| {
            asked.push(topic.to_owned());
            Ok::<_, ()>(topic == "weir.facts" || asked.len() == 4)
        };
        assert_eq!(untold(names(), is_told, Duration::from_secs(60), Duration::ZERO), Ok(Vec::new()));
        assert_eq!(asked, ["weir.facts", "weir.state", "weir.state", "weir.state"]);
        let never = |topic: &str| Ok::<_, ()>(topic == "weir.facts");
        assert_eq!(untold(names(), never, Duration::ZERO, Duration::ZERO), Ok(vec!["weir.state".to_owned()]));
        assert_eq!(untold(names(), |_| Err("away"), Duration::ZERO, Duration::ZERO), Err("away"));
    }
}
