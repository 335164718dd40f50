//! Transactions: what a loop writes, and how its input offsets are committed with it.
//!
//! A [`Transaction`] owns its producer. Committing consumes it and gives the next one; when committing fails, the
//! producer is gone with it, and the loop closes its consumer too and starts again. So nothing of an aborted
//! transaction can be used, and there is one path out of every error.

use super::consumer::log_line;
use super::{Config, Consumer, Member, NextOffset, TopicPartition, access};
use crate::{faults, limits};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// How long one request of a commit may take before it is made again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long an undecided request is made again.
const GIVE_UP: Duration = Duration::from_secs(60);

/// How long a heartbeat and the joining that it leads to take, two short requests; a drain is mostly longer.
const JOIN_TIME: Duration = Duration::from_millis(5);

/// Where librdkafka's own log lines go. Delivery reports are not looked at: a record that could not be written
/// makes the commit fail.
struct Reports;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka producer");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// What goes to a topic. Without a value it is a tombstone.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub topic: &'a str,
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, &'a str)],
}

/// Why a transaction could not be committed. Either way its producer is gone.
#[derive(Debug, thiserror::Error)]
pub enum CommitFailure {
    #[error("the broker refused the transaction: {0}")]
    Refused(KafkaError),
    /// Somebody else has opened the same transactional id or static member.
    #[error("another process uses the same name: {0}")]
    Fenced(KafkaError),
    /// This user may not do it.
    #[error("Kafka refuses it to this user: {0}")]
    Denied(KafkaError),
}

impl CommitFailure {
    /// Sorts an error of a transactional call.
    pub fn of(error: KafkaError) -> Self {
        match access::code_of(&error) {
            Some(
                RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch
                | RDKafkaErrorCode::FencedInstanceId,
            ) => CommitFailure::Fenced(error),
            Some(code) if access::is_denial(code) => CommitFailure::Denied(error),
            _ => CommitFailure::Refused(error),
        }
    }
}

/// A transactional producer of a loop. Only its [`Transaction`] writes.
pub struct Producer(BaseProducer<Reports>);

/// A transaction that takes records. Dropping it without a commit leaves it to the broker or to the successor's
/// start to abort it; `abort` does it at once.
pub struct Transaction(Producer);

fn settings(config: &Config, member: Member) -> rdkafka::ClientConfig {
    let name = config.member_name(member);
    let mut client = config.client();
    client
        .set("client.id", &name)
        .set("transactional.id", &name)
        .set("transaction.timeout.ms", limits::TRANSACTION_TIMEOUT_MS.to_string())
        .set("compression.type", "lz4")
        .set("linger.ms", "10")
        .set("batch.size", "1000000")
        .set("message.max.bytes", super::topics::OUTBOX_MAX_MESSAGE_BYTES.to_string())
        .set("queue.buffering.max.messages", "500000")
        .set("queue.buffering.max.kbytes", "262144");
    client
}

impl Producer {
    /// Opens the transactional id, which ends what a predecessor of the same name left open.
    pub fn open(config: &Config, member: Member) -> Result<Self, KafkaError> {
        let inner: BaseProducer<Reports> = settings(config, member).create_with_context(Reports)?;
        inner.init_transactions(REQUEST_TIMEOUT)?;
        Ok(Producer(inner))
    }

    /// Begins a transaction: nothing goes to the broker before the first record.
    pub fn begin(self) -> Result<Transaction, KafkaError> {
        self.0.begin_transaction()?;
        Ok(Transaction(self))
    }
}

impl Transaction {
    /// Writes a record. Waits while librdkafka's queue is full.
    pub fn send(&self, record: Record<'_>) -> Result<(), KafkaError> {
        let producer = &self.0.0;
        let mut base: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(record.topic);
        base.partition = record.partition;
        base.key = record.key;
        base.payload = record.value;
        if !record.headers.is_empty() {
            let empty = OwnedHeaders::new_with_capacity(record.headers.len());
            base.headers = Some(
                record
                    .headers
                    .iter()
                    .fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(*value) })),
            );
        }
        loop {
            match producer.send(base) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    producer.poll(Duration::from_millis(10));
                    base = again;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Waits for the records, then commits them together with the consumer's offsets.
    pub fn commit(
        self,
        consumer: &Consumer,
        offsets: &[(TopicPartition, NextOffset, String)],
    ) -> Result<Transaction, CommitFailure> {
        let producer = self.0;
        // librdkafka's main thread sends a heartbeat that is due when it is woken, and asking for metadata wakes it.
        // Asked only right before the offsets are sent, the question would bring on the rebalance that the heartbeat
        // tells of, and with it a new generation, just while they are on their way, nearly every time. So it is asked
        // now too, and what it brings on is over by then.
        let _ = consumer.group_metadata();
        let asked = Instant::now();
        drain(&producer.0);
        std::thread::sleep(JOIN_TIME.saturating_sub(asked.elapsed()));
        if !faults::mutated("mutation.send_offsets") {
            producer.send_offsets(consumer, offsets)?;
        }
        producer.retried(|inner| inner.commit_transaction(REQUEST_TIMEOUT))?;
        producer.begin().map_err(CommitFailure::of)
    }

    /// Ends the transaction without effect. Errors are for the broker to sort out: its timeout aborts too.
    pub fn abort(self) {
        let producer = &self.0.0;
        producer.purge(PurgeConfig::default().queue().inflight());
        drain(producer);
        if let Err(error) = producer.abort_transaction(REQUEST_TIMEOUT) {
            tracing::warn!(%error, "aborting a transaction");
        }
    }
}

impl Producer {
    fn send_offsets(
        &self,
        consumer: &Consumer,
        offsets: &[(TopicPartition, NextOffset, String)],
    ) -> Result<(), CommitFailure> {
        let mut list = TopicPartitionList::new();
        for (at, next, metadata) in offsets {
            let mut element = list.add_partition(&at.topic, at.partition);
            element.set_offset(Offset::Offset(next.0)).map_err(CommitFailure::of)?;
            element.set_metadata(metadata);
        }
        let group = consumer.group_metadata().ok_or(CommitFailure::Refused(KafkaError::Canceled))?;
        self.retried(|inner| inner.send_offsets_to_transaction(&list, &group, REQUEST_TIMEOUT))
    }

    /// Makes a transactional call until it is decided: what can be retried and what timed out (its outcome is
    /// unknown, and the same call again asks for it) is made again. After a while it is given up as refused: opening
    /// the same transactional id anew decides it too, and the loop starts from what is committed then.
    fn retried(&self, call: impl Fn(&BaseProducer<Reports>) -> Result<(), KafkaError>) -> Result<(), CommitFailure> {
        let begun = Instant::now();
        loop {
            match call(&self.0) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && !error.is_fatal() && begun.elapsed() < GIVE_UP =>
                {
                    tracing::warn!(%error, "a transaction's request is made again");
                    self.0.poll(Duration::from_millis(20));
                }
                Err(error) => return Err(CommitFailure::of(error)),
            }
        }
    }
}

/// Waits until every record is reported. `flush` would wait in steps of 100 ms (107 ms a transaction at the
/// median, measured); this takes 7–10 ms. It ends, since each record ends by the transaction's timeout.
fn drain(producer: &BaseProducer<Reports>) {
    let begun = Instant::now();
    let mut before = i32::MAX;
    loop {
        producer.poll(Duration::ZERO);
        let waiting = producer.in_flight_count();
        if waiting == 0 || begun.elapsed() > Duration::from_millis(2 * limits::TRANSACTION_TIMEOUT_MS) {
            return;
        }
        if waiting >= before {
            std::thread::sleep(Duration::from_millis(1));
        }
        before = waiting;
    }
}
