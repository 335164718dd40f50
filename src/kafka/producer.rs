//! Transactions: what a loop writes, and how its input offsets are committed with it.
//!
//! A [`Transaction`] owns its producer. Committing consumes it and gives the next one; when committing fails, the
//! producer is gone with it, and the loop closes its consumer too and starts again. So nothing of an aborted
//! transaction can be used, and there is one path out of every error.

use super::outage;
use super::{Config, Consumer, Member, NextOffset, TopicPartition, access};
use crate::{faults, limits};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig};
use rdkafka::{Offset, TopicPartitionList};
use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long one request of a commit may take before it is made again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long an undecided request is made again, unless whoever waits has to end earlier.
pub const GIVE_UP: Duration = Duration::from_secs(60);

/// How many lines or reports are read between two commits.
const LINES_AT_ONCE: usize = 32;

/// How long librdkafka's log lines are read after a producer was opened.
const LOG_TIME: Duration = Duration::from_millis(5);

/// How long a heartbeat and the joining that it leads to take, two short requests; a drain is mostly longer.
const JOIN_TIME: Duration = Duration::from_millis(5);

/// Bytes that wait in librdkafka to be sent, in KiB. It bounds what a loop writes ahead of brokers that are slow, and is
/// half a second of the fastest loop that was measured.
const QUEUE_KIB: usize = 32 << 10;

/// Records that wait there. Each takes 200 to 300 B beside its own bytes.
const QUEUE_RECORDS: usize = 100_000;

/// Where librdkafka's own log lines go, and the first record of the transaction that could not be written. It makes
/// the commit fail, with an error that names neither topic nor reason.
#[derive(Default)]
struct Reports(OnceLock<Unwritten>);

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        outage::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        outage::client_error("producer", &error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, record)) = result else { return };
        if let Some(code) = error.rdkafka_error_code().filter(|code| !is_of_the_transaction(*code)) {
            let (topic, partition) = (record.topic().to_string(), record.partition());
            // Only the first: the others follow from it.
            let _ = self.0.set(Unwritten { topic, partition, code });
        }
    }
}

/// Whether a record was not written only because its transaction ended.
fn is_of_the_transaction(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{
        Fatal, Fenced, InvalidProducerEpoch, InvalidProducerIdMapping, InvalidTransactionalState,
        OutOfOrderSequenceNumber, ProducerFenced, PurgeInflight, PurgeQueue, UnknownProducerId,
    };
    matches!(
        code,
        Fatal
            | Fenced
            | InvalidProducerEpoch
            | InvalidProducerIdMapping
            | InvalidTransactionalState
            | OutOfOrderSequenceNumber
            | ProducerFenced
            | PurgeInflight
            | PurgeQueue
            | UnknownProducerId
    )
}

/// A partition that takes no records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{topic}/{partition} takes no records ({code}): {}", self.remedy())]
pub struct Unwritten {
    topic: String,
    partition: i32,
    code: RDKafkaErrorCode,
}

impl Unwritten {
    /// Whether a broker that cannot be reached explains it.
    pub fn may_be_of_an_outage(&self) -> bool {
        self.code == RDKafkaErrorCode::MessageTimedOut
    }

    fn remedy(&self) -> String {
        let topic = &self.topic;
        match self.code {
            RDKafkaErrorCode::MessageSizeTooLarge => format!(
                "run kafka-configs.sh --alter --topic {topic} --add-config max.message.bytes={}",
                super::topics::OUTBOX_MAX_MESSAGE_BYTES
            ),
            RDKafkaErrorCode::NotEnoughReplicas
            | RDKafkaErrorCode::NotEnoughReplicasAfterAppend
            | RDKafkaErrorCode::MessageTimedOut => format!(
                "look whether its leader lives and has room on its disk, and whether as many replicas are in sync as \
                 min.insync.replicas says (kafka-topics.sh --describe --topic {topic})"
            ),
            RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
                format!("allow weir's user to write to {topic}; `weir topics acls -c FILE` prints the command")
            }
            _ => format!("see the broker's log, and kafka-configs.sh --describe --topic {topic}"),
        }
    }
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
    /// A topic took no records, which somebody must mend.
    #[error("{0}")]
    Unwritten(Unwritten),
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
pub struct Transaction {
    producer: Producer,
    /// Records written.
    sent: Cell<u64>,
}

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
        .set("queue.buffering.max.messages", QUEUE_RECORDS.to_string())
        .set("queue.buffering.max.kbytes", QUEUE_KIB.to_string());
    client
}

impl Producer {
    /// Opens the transactional id, which ends what a predecessor of the same name left open.
    pub fn open(config: &Config, member: Member) -> Result<Self, KafkaError> {
        let inner: BaseProducer<Reports> = settings(config, member).create_with_context(Reports::default())?;
        let opened = inner.init_transactions(REQUEST_TIMEOUT);
        // What librdkafka said meanwhile, such as which broker refused to talk, comes only when it is asked for.
        inner.poll(LOG_TIME);
        opened?;
        Ok(Producer(inner))
    }

    /// Begins a transaction: nothing goes to the broker before the first record.
    pub fn begin(self) -> Result<Transaction, KafkaError> {
        self.0.begin_transaction()?;
        Ok(Transaction { producer: self, sent: Cell::new(0) })
    }
}

impl Transaction {
    /// Writes a record. Waits while librdkafka's queue is full.
    pub fn send(&self, record: Record<'_>) -> Result<(), KafkaError> {
        let producer = &self.producer.0;
        self.sent.set(self.sent.get() + 1);
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

    /// Reads what librdkafka has to say of this client, without waiting; else its lines of an outage would come with
    /// the first commit after it.
    pub fn listen(&self) {
        // A call reads one line at most, and costs next to nothing when there is none.
        (0..LINES_AT_ONCE).for_each(|_| self.producer.0.poll(Duration::ZERO));
    }

    /// Records that were written to it.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Waits for the records, then commits them together with the consumer's offsets. `waits` is asked whether a step
    /// that has taken so long shall be waited for, or made again; when not, the commit counts as refused.
    pub fn commit(
        self,
        consumer: &Consumer,
        offsets: &[(TopicPartition, NextOffset, String)],
        waits: &dyn Fn(Duration) -> bool,
    ) -> Result<Transaction, CommitFailure> {
        let producer = self.producer;
        // librdkafka's main thread sends a heartbeat that is due when it is woken, and asking for metadata wakes it.
        // Asked only right before the offsets are sent, the question would bring on the rebalance that the heartbeat
        // tells of, and with it a new generation, just while they are on their way, nearly every time. So it is asked
        // now too, and what it brings on is over by then.
        let _ = consumer.group_metadata();
        let asked = Instant::now();
        if !drain(&producer.0, waits) {
            return Err(CommitFailure::Refused(KafkaError::Canceled));
        }
        std::thread::sleep(JOIN_TIME.saturating_sub(asked.elapsed()));
        if !faults::mutated("mutation.send_offsets") {
            producer.send_offsets(consumer, offsets, waits).map_err(|failure| producer.explained(failure))?;
        }
        producer
            .retried(waits, |inner| inner.commit_transaction(REQUEST_TIMEOUT))
            .map_err(|failure| producer.explained(failure))?;
        outage::answered();
        producer.begin().map_err(CommitFailure::of)
    }

    /// Ends the transaction without effect. Errors are for the broker to sort out: its timeout aborts too.
    pub fn abort(self) {
        let producer = &self.producer.0;
        producer.purge(PurgeConfig::default().queue().inflight());
        drain(producer, &|waited| waited < REQUEST_TIMEOUT);
        if let Err(error) = producer.abort_transaction(REQUEST_TIMEOUT) {
            tracing::warn!(%error, "aborting a transaction");
        }
    }
}

impl Producer {
    /// A refusal that a record has caused, told by that record.
    fn explained(&self, failure: CommitFailure) -> CommitFailure {
        match (failure, self.0.context().0.get()) {
            (CommitFailure::Refused(_), Some(unwritten)) => CommitFailure::Unwritten(unwritten.clone()),
            (failure, _) => failure,
        }
    }

    fn send_offsets(
        &self,
        consumer: &Consumer,
        offsets: &[(TopicPartition, NextOffset, String)],
        waits: &dyn Fn(Duration) -> bool,
    ) -> Result<(), CommitFailure> {
        let mut list = TopicPartitionList::new();
        for (at, next, metadata) in offsets {
            let mut element = list.add_partition(&at.topic, at.partition);
            element.set_offset(Offset::Offset(next.0)).map_err(CommitFailure::of)?;
            element.set_metadata(metadata);
        }
        let group = consumer.group_metadata().ok_or(CommitFailure::Refused(KafkaError::Canceled))?;
        self.retried(waits, |inner| inner.send_offsets_to_transaction(&list, &group, REQUEST_TIMEOUT))
    }

    /// Makes a transactional call until it is decided: what can be retried and what timed out (its outcome is
    /// unknown, and the same call again asks for it) is made again. After a while it is given up as refused: opening
    /// the same transactional id anew decides it too, and the loop starts from what is committed then.
    fn retried(
        &self,
        waits: &dyn Fn(Duration) -> bool,
        call: impl Fn(&BaseProducer<Reports>) -> Result<(), KafkaError>,
    ) -> Result<(), CommitFailure> {
        let begun = Instant::now();
        loop {
            match call(&self.0) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error))
                    if error.is_retriable()
                        && !error.is_fatal()
                        && begun.elapsed() < GIVE_UP
                        && waits(begun.elapsed()) =>
                {
                    let code = format!("request {:?} of a transaction, made again", error.code());
                    outage::say(RDKafkaLogLevel::Warning, &code, &error.to_string());
                    self.0.poll(Duration::from_millis(20));
                }
                Err(error) => return Err(CommitFailure::of(error)),
            }
        }
    }
}

/// Waits until every record is reported. `flush` would wait in steps of 100 ms (107 ms a transaction at the
/// median, measured); this takes 7–10 ms. It ends, since each record ends by the transaction's timeout.
/// `false`: `waits` did not want to.
fn drain(producer: &BaseProducer<Reports>, waits: &dyn Fn(Duration) -> bool) -> bool {
    let begun = Instant::now();
    let mut before = i32::MAX;
    loop {
        producer.poll(Duration::ZERO);
        let waiting = producer.in_flight_count();
        let waited = begun.elapsed();
        if waiting == 0 || waited > Duration::from_millis(2 * limits::TRANSACTION_TIMEOUT_MS) {
            return true;
        }
        if !waits(waited) {
            return false;
        }
        if waiting >= before {
            std::thread::sleep(Duration::from_millis(1));
        }
        before = waiting;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A broker alone cannot be made to lack replicas, so that these lines are seen here only.
    #[test]
    fn what_takes_no_records_is_told_with_a_remedy() {
        let table = [
            (RDKafkaErrorCode::MessageSizeTooLarge, "--add-config max.message.bytes=1048576"),
            (RDKafkaErrorCode::NotEnoughReplicas, "min.insync.replicas"),
            (RDKafkaErrorCode::MessageTimedOut, "whether its leader lives and has room on its disk"),
            (RDKafkaErrorCode::TopicAuthorizationFailed, "allow weir's user to write to weir.outbox"),
            (RDKafkaErrorCode::KafkaStorageError, "see the broker's log"),
        ];
        for (code, remedy) in table {
            let text = Unwritten { topic: "weir.outbox".into(), partition: 3, code }.to_string();
            assert!(text.starts_with("weir.outbox/3 takes no records (") && text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn what_only_follows_from_the_transaction_is_no_cause() {
        for code in [RDKafkaErrorCode::PurgeQueue, RDKafkaErrorCode::ProducerFenced, RDKafkaErrorCode::Fenced] {
            assert!(is_of_the_transaction(code), "{code}");
        }
        assert!(!is_of_the_transaction(RDKafkaErrorCode::MessageTimedOut));
    }
}
