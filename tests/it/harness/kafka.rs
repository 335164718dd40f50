//! Topics and groups as the tests see them: made, filled, read back whole, and asked how far they are.

use super::{PATIENCE, wait_until};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const REQUEST: Duration = Duration::from_secs(30);

/// Which records are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    Committed,
    Uncommitted,
}

/// A record to be written.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    pub partition: i32,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    pub fn key_text(&self) -> String {
        String::from_utf8_lossy(self.key.as_deref().unwrap_or_default()).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// A cluster.
pub struct Kafka {
    brokers: String,
    committed: BaseConsumer,
    uncommitted: BaseConsumer,
}

impl Kafka {
    pub fn connect(brokers: &str) -> Self {
        let reader = |isolation| reader(brokers, "it-outside", isolation);
        Kafka {
            brokers: brokers.into(),
            committed: reader(Isolation::Committed),
            uncommitted: reader(Isolation::Uncommitted),
        }
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.brokers).create().expect("an admin client can be made")
    }

    /// Makes a topic that keeps what it is given, whatever time its records bear.
    pub fn create(&self, topic: &str, partitions: i32) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1)).set("retention.ms", "-1");
        let options = AdminOptions::new().operation_timeout(Some(REQUEST));
        let made = block_on(self.admin().create_topics([&new], &options)).expect("the broker answers");
        assert_eq!(made, [Ok(topic.to_string())]);
        wait_until(&format!("topic {topic}"), PATIENCE, || match self.partitions(topic) {
            count if count == partitions => Ok(()),
            count => Err(format!("{count} partitions")),
        });
    }

    /// Gives a topic these settings, and the broker's defaults for all others.
    pub fn configure(&self, topic: &str, settings: &[(&str, &str)]) {
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (key, value) in settings {
            change = change.set(key, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(REQUEST));
        let results = block_on(self.admin().alter_configs([&change], &options)).expect("the broker answers");
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Deletes those of these topics that are there.
    pub fn delete(&self, topics: &[&str]) {
        let options = AdminOptions::new().operation_timeout(Some(REQUEST));
        for result in block_on(self.admin().delete_topics(topics, &options)).expect("the broker answers") {
            assert!(matches!(result, Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition))), "{result:?}");
        }
    }

    /// Forgets groups without members; those with members stay.
    pub fn delete_groups(&self, groups: &[&str]) {
        let _ = block_on(self.admin().delete_groups(groups, &AdminOptions::new()));
    }

    pub fn partitions(&self, topic: &str) -> i32 {
        let metadata = answered(topic, || self.uncommitted.fetch_metadata(Some(topic), REQUEST));
        metadata.topics().iter().find(|found| found.name() == topic).map_or(0, |found| found.partitions().len() as i32)
    }

    /// Writes records in this order. In a new topic their offsets count from 0 in each partition.
    pub fn produce(&self, topic: &str, records: impl IntoIterator<Item = Outgoing>) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "20")
            .set("message.max.bytes", "8000000")
            .set("compression.type", "lz4")
            .create()
            .expect("a producer can be made");
        for record in records {
            let mut base: BaseRecord<'_, [u8], [u8]> =
                BaseRecord::to(topic).partition(record.partition).timestamp(record.timestamp_ms);
            base.key = record.key.as_deref();
            base.payload = record.value.as_deref();
            if !record.headers.is_empty() {
                let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                    headers.insert(Header { key, value: Some(value) })
                });
                base.headers = Some(headers);
            }
            while let Err((error, again)) = producer.send(base) {
                assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
                producer.poll(Duration::from_millis(20));
                base = again;
            }
        }
        producer.flush(REQUEST).expect("all records are written");
    }

    /// Reads a topic from its beginning to its end, partition after partition.
    pub fn dump(&self, topic: &str, isolation: Isolation) -> Vec<Record> {
        let beginning: Vec<_> = (0..self.partitions(topic)).map(|partition| (partition, Offset::Beginning)).collect();
        self.read(topic, isolation, &beginning)
    }

    fn read(&self, topic: &str, isolation: Isolation, from: &[(i32, Offset)]) -> Vec<Record> {
        let consumer = reader(&self.brokers, "it-dump", isolation);
        let mut list = TopicPartitionList::new();
        for (partition, offset) in from {
            list.add_partition_offset(topic, *partition, *offset).expect("an offset can be asked for");
        }
        consumer.assign(&list).expect("partitions can be assigned");
        let mut records = Vec::new();
        let mut ended = std::collections::BTreeSet::new();
        let begun = Instant::now();
        while ended.len() < from.len() {
            assert!(begun.elapsed() < PATIENCE, "reading {topic}: {} of {} partitions", ended.len(), from.len());
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(Record {
                    partition: message.partition(),
                    offset: message.offset(),
                    timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers: message.headers().map_or_else(Vec::new, |headers| {
                        let pair = |header: Header<'_, &[u8]>| {
                            (header.key.to_string(), header.value.unwrap_or_default().to_vec())
                        };
                        headers.iter().map(pair).collect()
                    }),
                }),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended.insert(partition);
                }
                Some(Err(error)) => eprintln!("reading {topic}: {error}"),
                None => {}
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// The offset past the last record, of each partition.
    pub fn ends(&self, topic: &str) -> Vec<i64> {
        self.watermarks(&self.uncommitted, topic)
    }

    /// An error while a transaction on this topic is undecided.
    fn decided(&self, topic: &str) -> Result<(), String> {
        let (stable, ends) = (self.watermarks(&self.committed, topic), self.ends(topic));
        if stable == ends {
            Ok(())
        } else {
            Err(format!("{topic}: open transactions: stable {stable:?}, end {ends:?}"))
        }
    }

    fn watermarks(&self, consumer: &BaseConsumer, topic: &str) -> Vec<i64> {
        let end = |partition| {
            let (_, high) = answered(topic, || consumer.fetch_watermarks(topic, partition, REQUEST));
            high
        };
        (0..self.partitions(topic)).map(end).collect()
    }

    /// What a group has committed, by partition: offset and metadata.
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, (i64, String)> {
        let consumer = reader(&self.brokers, group, Isolation::Committed);
        let mut list = TopicPartitionList::new();
        for partition in 0..self.partitions(topic) {
            list.add_partition(topic, partition);
        }
        let found = answered(group, || consumer.committed_offsets(list.clone(), REQUEST));
        let offset = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            let offset = element.offset().to_raw().filter(|&offset| offset >= 0)?;
            Some((element.partition(), (offset, element.metadata().to_string())))
        };
        found.elements().iter().filter_map(offset).collect()
    }

    /// How many offsets a group has to go in a topic, transactions' marks among them.
    pub fn lag(&self, group: &str, topic: &str) -> i64 {
        let committed = self.committed(group, topic);
        let ends = self.watermarks(&self.committed, topic);
        let of = |(partition, end): (usize, &i64)| end - committed.get(&(partition as i32)).map_or(0, |(at, _)| *at);
        ends.iter().enumerate().map(of).sum()
    }

    /// Moves a group without members, as a person might with Kafka's tools.
    pub fn move_offset(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("an offset can be named");
        wait_until(&format!("{group} to have no members"), PATIENCE, || {
            let consumer = reader(&self.brokers, group, Isolation::Committed);
            consumer.commit(&list, CommitMode::Sync).map_err(|error| error.to_string())
        });
    }

    /// An error unless a group has read a topic to its end, past every committed record, and holds no intent.
    pub fn has_read_all(&self, group: &str, topic: &str) -> Result<(), String> {
        self.decided(topic)?;
        let committed = self.committed(group, topic);
        let offset =
            |partition: &i32| committed.get(partition).map_or(Offset::Beginning, |(at, _)| Offset::Offset(*at));
        let from: Vec<_> = (0..self.partitions(topic)).map(|partition| (partition, offset(&partition))).collect();
        let left = self.read(topic, Isolation::Committed, &from).len();
        let intents = committed.values().filter(|(_, metadata)| metadata.starts_with("1;")).count();
        if (left, intents) == (0, 0) { Ok(()) } else { Err(format!("{group}: {left} records of {topic} to go")) }
    }
}

fn reader(brokers: &str, group: &str, isolation: Isolation) -> BaseConsumer {
    let level = if isolation == Isolation::Committed { "read_committed" } else { "read_uncommitted" };
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("isolation.level", level)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.message.max.bytes", "8388608")
        .create()
        .expect("a consumer can be made")
}

/// Asks again while a broker is away or busy, which a loaded machine makes it now and then.
fn answered<T>(what: &str, ask: impl Fn() -> Result<T, KafkaError>) -> T {
    wait_until(&format!("an answer about {what}"), PATIENCE, || ask().map_err(|error| error.to_string()))
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made").block_on(work)
}
