//! Whether Kafka would let each loop do what it does: brokers answer, topics are as they should be, records can be
//! written in a transaction, read, and their offsets asked for.
//!
//! Permissions are tried, not read: a record goes to each topic in a transaction that is aborted, so that no reader of
//! committed records sees it (one of uncommitted records does); a record is fetched without joining a group; records
//! are "deleted" that are gone already. The names of transactions are like those of the loops and never one of them,
//! and no group is joined, so that a running weir is not disturbed. Nothing is repeated.

use super::consumer::Plain;
use super::topics::{self, Admin};
use super::{Config, Consumer, TopicPartition, access};
use crate::limits;
use crate::probe::Finding;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long brokers may take to answer at all.
const REACH: Duration = Duration::from_secs(5);

/// How long a single request may take after that.
const REQUEST: Duration = Duration::from_secs(10);

/// Key and value of what is written and taken back. A compacted topic takes nothing without a key.
const CHECK: &[u8] = b"weir check";

/// What is looked at for which loops.
#[derive(Clone, Copy, Debug)]
pub struct Loops {
    pub detect: bool,
    pub score: bool,
    pub store: bool,
}

/// Looks at everything that these loops need.
pub async fn look(config: &Config, inputs: &[String], loops: Loops) -> Vec<Finding> {
    let mut findings = Vec::new();
    match reach(config) {
        Ok(found) => findings.push(found),
        Err(wrong) => {
            findings.push(wrong);
            return findings;
        }
    }
    let known = known_topics(config, inputs, &mut findings).await;
    let known = |topic: &String| known.contains(topic);
    let names = &config.topics;
    let (facts, state, outbox) = (names.facts(), names.state(), names.outbox());
    if loops.detect {
        let writes = [facts.clone(), outbox.clone(), names.dead_letters()];
        let reads: Vec<String> = inputs.iter().filter(|topic| known(topic)).cloned().collect();
        findings.extend(write(config, "detect", writes.iter().filter(|topic| known(topic))));
        findings.extend(read(config, "detect", &reads, true));
    }
    if loops.score {
        let writes = [state.clone(), outbox.clone(), names.alerts(), names.dead_letters()];
        let reads: Vec<String> = [facts.clone()].into_iter().filter(known).collect();
        findings.extend(write(config, "score", writes.iter().filter(|topic| known(topic))));
        findings.extend(read(config, "score", &reads, true));
        let state: Vec<String> = [state].into_iter().filter(known).collect();
        findings.extend(read(config, "score", &state, false));
        findings.extend(delete(config, "score", &reads).await);
    }
    if loops.store {
        let reads: Vec<String> = [outbox].into_iter().filter(known).collect();
        findings.extend(read(config, "store", &reads, true));
        findings.extend(delete(config, "store", &reads).await);
    }
    findings
}

/// What librdkafka said last of what went wrong.
#[derive(Default)]
struct Heard(Mutex<Option<(KafkaError, String)>>);

impl Heard {
    fn hear(&self, error: &KafkaError, reason: String) {
        if let Ok(mut heard) = self.0.lock() {
            *heard = Some((error.clone(), reason));
        }
    }

    fn take(&self) -> Option<(KafkaError, String)> {
        self.0.lock().ok().and_then(|mut heard| heard.take())
    }
}

impl ClientContext for Heard {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        // That all are down says less than why one of them is.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.hear(&error, reason.to_owned());
        }
    }
}

impl ProducerContext for Heard {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = report {
            self.hear(error, described(error));
        }
    }
}

fn reach(config: &Config) -> Result<Finding, Finding> {
    let made: Result<BaseProducer<Heard>, KafkaError> = config.client().create_with_context(Heard::default());
    let client = made.map_err(|error| {
        Finding::wrong("brokers", error.to_string(), "check kafka.properties and the files of kafka.tls")
    })?;
    let begun = Instant::now();
    while begun.elapsed() < REACH {
        if let Ok(found) = client.client().fetch_metadata(Some(&config.topics.facts()), Duration::from_millis(200)) {
            let (count, at) = (found.brokers().len(), &config.brokers);
            return Ok(Finding::ok("brokers", format!("{count} at {at}")));
        }
        // Its errors are handed out by polling.
        client.poll(Duration::ZERO);
    }
    let heard = client.context().take().map(|(_, reason)| format!(": {reason}")).unwrap_or_default();
    let found = format!("none answers{heard}");
    let remedy = format!(
        "see that a broker runs at kafka.brokers ({}) and can be reached from here; check kafka.tls and kafka.sasl",
        config.brokers
    );
    Err(Finding::wrong("brokers", found, remedy))
}

/// Compares each topic with what it should be; returns those that are there. Of others nothing more is asked, since
/// writing to them might make them.
async fn known_topics(config: &Config, inputs: &[String], findings: &mut Vec<Finding>) -> Vec<String> {
    let mut known = Vec::new();
    let admin = match Admin::connect(config) {
        Ok(admin) => admin,
        Err(error) => {
            findings.push(Finding::wrong("topics", error.to_string(), "check kafka.properties"));
            return known;
        }
    };
    for spec in topics::specs(&config.topics, inputs) {
        let about = format!("topic {}", spec.name);
        findings.push(match admin.plan(std::slice::from_ref(&spec)).await.map(|mut found| found.pop()) {
            Ok(Some(topics::Finding::Right(topic))) => {
                known.push(topic);
                Finding::ok(about, "as it should be")
            }
            Ok(Some(topics::Finding::Differs { topic, what, remedy })) => {
                known.push(topic);
                Finding::wrong(about, what, remedy)
            }
            Ok(_) => {
                let remedy = "weir topics apply -c FILE, or let weir's user describe it if it is there";
                Finding::wrong(about, "is missing", remedy)
            }
            Err(error) => {
                Finding::wrong(about, described(&error), "let weir's user describe it, and see the broker's log")
            }
        });
    }
    known
}

/// Writes one record to each topic, as a loop does, in transactions that are aborted.
fn write<'t>(config: &Config, stage: &'static str, topics: impl Iterator<Item = &'t String>) -> Vec<Finding> {
    let about = format!("{stage}: transactions");
    let name = format!("{}-{}-check", config.group_of(stage), config.instance);
    if let Err(error) = open(config, &name) {
        let allow =
            format!("let weir's user write and describe transactional ids that begin with {}-", config.group_of(stage));
        return vec![Finding::wrong(about, described(&error), remedy(&error, allow))];
    }
    let mut findings = vec![Finding::ok(about, format!("opened as {name}"))];
    for topic in topics {
        let about = format!("{stage}: write to {topic}");
        findings.push(match open(config, &name).and_then(|producer| write_one(&producer, topic)) {
            Ok(()) => Finding::ok(about, "allowed"),
            Err(error) => {
                Finding::wrong(about, described(&error), remedy(&error, format!("let weir's user write to {topic}")))
            }
        });
    }
    findings
}

/// Opens a transactional id, which also ends what was left open under it. The last part of a loop's own name is the
/// number of a thread, so one that ends in a word is never one of them.
fn open(config: &Config, name: &str) -> Result<BaseProducer<Heard>, KafkaError> {
    let producer: BaseProducer<Heard> = config
        .client()
        .set("client.id", name)
        .set("transactional.id", name)
        .set("transaction.timeout.ms", limits::TRANSACTION_TIMEOUT_MS.to_string())
        .set("allow.auto.create.topics", "false")
        .create_with_context(Heard::default())?;
    producer.init_transactions(REQUEST)?;
    Ok(producer)
}

fn write_one(producer: &BaseProducer<Heard>, topic: &str) -> Result<(), KafkaError> {
    producer.begin_transaction()?;
    producer.context().take();
    let record = BaseRecord::<[u8], [u8]>::to(topic).key(CHECK).payload(CHECK);
    let flushed = producer.send(record).map_err(|(error, _)| error).and_then(|()| producer.flush(REQUEST));
    let heard = producer.context().take();
    producer.purge(PurgeConfig::default().queue().inflight());
    let aborted = producer.abort_transaction(REQUEST);
    // What the broker said of the record says more than that it did not come in time.
    heard.map_or(Ok(()), |(error, _)| Err(error)).and(flushed).and(aborted)
}

/// Fetches from each topic without joining the loop's group, and asks for the group's offsets if it reads by them.
fn read(config: &Config, stage: &'static str, topics: &[String], by_group: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for topic in topics {
        let about = format!("{stage}: read {topic}");
        findings.push(match fetch(config, stage, topic) {
            Ok(found) => Finding::ok(about, found),
            Err(error) => {
                Finding::wrong(about, described(&error), format!("let weir's user read and describe {topic}"))
            }
        });
        if by_group {
            let group = config.group_of(stage);
            let about = format!("{stage}: group {group} on {topic}");
            findings.push(match positions(config, stage, topic) {
                Ok(found) => Finding::ok(about, found),
                Err(error) => {
                    let allow = format!("let weir's user read the group {group}");
                    Finding::wrong(about, described(&error), remedy(&error, allow))
                }
            });
        }
    }
    findings
}

/// Where a topic begins and ends; one record of it, or its end, must come.
fn fetch(config: &Config, stage: &str, topic: &str) -> Result<String, KafkaError> {
    let consumer: BaseConsumer<Plain> = config
        .client()
        // Named for the broker's check only: partitions are assigned by hand, which joins nothing.
        .set("group.id", config.group_of(stage))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false")
        .set("fetch.wait.max.ms", "20")
        .create_with_context(Plain)?;
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST)?;
    let partitions =
        metadata.topics().iter().find(|found| found.name() == topic).map_or(0, |found| found.partitions().len());
    let (mut records, mut list) = (0, TopicPartitionList::new());
    for partition in 0..partitions as i32 {
        let (low, high) = consumer.fetch_watermarks(topic, partition, REQUEST)?;
        records += high - low;
        if partition == 0 {
            list.add_partition_offset(topic, partition, Offset::Offset(low))?;
        }
    }
    consumer.assign(&list)?;
    let begun = Instant::now();
    while begun.elapsed() < REQUEST {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => {
                return Ok(format!("{partitions} partitions, {records} offsets"));
            }
            // Brokers that are away come back, within this time or not.
            Some(Err(error)) if error.rdkafka_error_code() != Some(RDKafkaErrorCode::BrokerTransportFailure) => {
                return Err(error);
            }
            _ => {}
        }
    }
    Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut))
}

/// How far the loop's group is, without joining it.
fn positions(config: &Config, stage: &str, topic: &str) -> Result<String, KafkaError> {
    let consumer = Consumer::outside(config, stage)?;
    let partitions = consumer.partitions_of(topic)?.unwrap_or(0);
    let (mut begun, mut waiting) = (0, 0);
    for partition in 0..partitions {
        let at = TopicPartition { topic: topic.to_owned(), partition };
        let (low, high) = consumer.watermarks(&at)?;
        let committed = consumer.committed(&at)?;
        begun += usize::from(committed.is_some());
        waiting += (high - committed.map_or(low, |committed| committed.offset)).max(0);
    }
    if begun == 0 {
        return Ok("has not read yet".to_owned());
    }
    Ok(format!("{waiting} offsets to go"))
}

/// Deletes what is deleted already, which needs the same permission.
async fn delete(config: &Config, stage: &'static str, topics: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for topic in topics {
        let about = format!("{stage}: delete read records of {topic}");
        findings.push(match delete_nothing(config, stage, topic).await {
            Ok(()) => Finding::ok(about, "allowed"),
            Err(error) => {
                Finding::wrong(about, described(&error), format!("let weir's user delete records of {topic}"))
            }
        });
    }
    findings
}

async fn delete_nothing(config: &Config, stage: &str, topic: &str) -> Result<(), KafkaError> {
    let at = TopicPartition { topic: topic.to_owned(), partition: 0 };
    let (low, _) = Consumer::outside(config, stage)?.watermarks(&at)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, at.partition, Offset::Offset(low))?;
    let admin: AdminClient<DefaultClientContext> = config.client().create()?;
    let options = AdminOptions::new().request_timeout(Some(REQUEST)).operation_timeout(Some(REQUEST));
    let deleted = admin.delete_records(&list, &options).await?;
    deleted.elements().iter().try_for_each(|element| element.error())
}

/// What to do: grant what is not allowed, else look at the brokers.
fn remedy(error: &KafkaError, allow: String) -> String {
    if access::code_of(error).is_some_and(access::is_denial) {
        return allow;
    }
    "see that every partition, those of __transaction_state and __consumer_offsets too, has a leader and enough replicas \
     in sync (kafka-topics.sh --describe --unavailable-partitions, --under-min-isr-partitions)"
        .to_owned()
}

/// An error as the broker's word for it.
fn described(error: &KafkaError) -> String {
    access::code_of(error).map_or_else(|| error.to_string(), |code| code.to_string())
}
