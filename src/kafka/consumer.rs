//! A consumer whose rebalances arrive as letters, to be answered by the loop that owns everything.
//!
//! librdkafka calls back inside `poll`, where nothing of the loop can be borrowed. So the callback only posts the
//! partitions and returns; librdkafka then waits until it is answered with an assign or an unassign. An unanswered
//! letter would make closing wait for ever, so dropping a [`Consumer`] answers what is left.

use super::orphans::Watch;
use super::outage;
use super::reach::{self, Reach};
use super::{Config, Member, NextOffset, access, topics};
use crate::limits;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a request of this consumer (offsets, watermarks, metadata) may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the question for the end of a log may hold up a loop.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// A topic's partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: String,
    pub partition: i32,
}

/// A rebalance, to be answered by `answer_assign` or `answer_revoke`.
#[derive(Debug)]
pub enum Letter {
    Assign(Vec<TopicPartition>),
    Revoke(Vec<TopicPartition>),
}

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub offset: i64,
    pub metadata: String,
}

/// What a poll brought.
pub enum Polled<'c> {
    Record(BorrowedMessage<'c>),
    Letter(Letter),
    /// A partition's position is out of range; librdkafka does not say which.
    OutOfRange,
    Nothing,
}

/// The letter box, and the place where librdkafka's own log lines and statistics go.
pub struct Letters {
    post: Sender<Letter>,
    /// The last statistics that nobody has taken. They come within `poll`, on the loop's own thread.
    reaches: Mutex<Option<Vec<Reach>>>,
    closing: AtomicBool,
    /// Whether a rebalance was answered while closing.
    closed: AtomicBool,
}

impl ClientContext for Letters {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        outage::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        outage::client_error("consumer", &error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        if let Some(read) = reach::read(statistics) {
            if read.is_connected {
                outage::answered();
            }
            *self.reaches.lock().unwrap_or_else(PoisonError::into_inner) = Some(read.reaches);
        }
    }
}

/// A client without letters: its log lines and errors go where all others go.
pub(super) struct Plain;

impl ClientContext for Plain {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        outage::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        outage::client_error("other", &error, reason);
    }
}

impl ConsumerContext for Plain {}

impl Letters {
    fn new(post: Sender<Letter>) -> Self {
        Letters { post, reaches: Mutex::default(), closing: AtomicBool::new(false), closed: AtomicBool::new(false) }
    }
}

impl ConsumerContext for Letters {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assign = err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Relaxed) {
            // Nobody reads letters any more: what was done is committed, so only give the partitions back. Once:
            // librdkafka takes the first answer for its revoke of everything, whatever it says, and one that comes
            // when the group is closed by then waits for ever. An assign that was not read yet makes them two.
            if self.closed.swap(true, Ordering::Relaxed) {
                return;
            }
            let answer = if assign {
                consumer.incremental_assign(&TopicPartitionList::new())
            } else {
                consumer.incremental_unassign(list)
            };
            if let Err(error) = answer {
                tracing::debug!(%error, "answering a rebalance while closing");
            }
            return;
        }
        let partitions = list
            .elements()
            .iter()
            .map(|element| TopicPartition { topic: element.topic().into(), partition: element.partition() })
            .collect();
        let letter = if assign { Letter::Assign(partitions) } else { Letter::Revoke(partitions) };
        // The receiver lives as long as the consumer.
        let _ = self.post.send(letter);
    }
}

/// A static member of a loop's group.
pub struct Consumer {
    inner: BaseConsumer<Letters>,
    letters: Receiver<Letter>,
    /// `None` outside of a group.
    watch: Option<Watch>,
}

/// librdkafka's settings of a loop's consumer.
fn settings(config: &Config, member: Member) -> rdkafka::ClientConfig {
    let name = config.member_name(member);
    let mut client = config.client();
    client
        .set("client.id", &name)
        .set("group.id", config.group_of(member.stage))
        .set("group.instance.id", &name)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", config.session_timeout_ms.to_string())
        .set("heartbeat.interval.ms", (config.session_timeout_ms / 5).max(200).to_string())
        .set("max.poll.interval.ms", limits::POLL_INTERVAL_MAX_MS.to_string())
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        // A position that is gone must never turn into a silent re-send of everything.
        .set("auto.offset.reset", "error")
        .set("queued.max.messages.kbytes", limits::FETCH_BUFFER_KIB.to_string())
        // 347 k events/s instead of 29 k with the buffer above (measured): by default a full buffer waits a second.
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.message.max.bytes", (limits::EVENT_MAX_BYTES + (1 << 20)).to_string())
        // A fetch is asked for while the buffer has room, and what it brings may be ten times as much when it is
        // unpacked. The default of 50 MiB would make the buffer's bound none.
        .set("fetch.max.bytes", (limits::EVENT_MAX_BYTES + (1 << 20)).to_string())
        .set("statistics.interval.ms", "2000")
        .set("allow.auto.create.topics", "false");
    if member.stage == "detect" {
        // Large fetches halve the cost at middling load; 50 ms is what they may cost in latency.
        client.set("fetch.min.bytes", "262144").set("fetch.wait.max.ms", "50");
    } else {
        // The second hop: the default of 500 ms would eat the latency that is promised for alerts.
        client.set("fetch.wait.max.ms", "20");
    }
    client
}

impl Consumer {
    /// Joins the loop's group for these topics.
    pub fn subscribe(config: &Config, member: Member, topics: &[&str]) -> Result<Self, KafkaError> {
        let (post, letters) = channel();
        let context = Letters::new(post);
        let inner: BaseConsumer<Letters> = settings(config, member).create_with_context(context)?;
        inner.subscribe(topics)?;
        let watch = Watch::new(config.group_of(member.stage), config.member_name(member), topics);
        Ok(Consumer { inner, letters, watch: Some(watch) })
    }

    /// Asks about a loop's group without joining it. Whoever commits through it looks at `members` first: the broker
    /// takes offsets in a transaction from one who is no member, although the group has some.
    pub fn outside(config: &Config, stage: &str) -> Result<Self, KafkaError> {
        let (post, letters) = channel();
        let context = Letters::new(post);
        let inner = config
            .client()
            .set("group.id", config.group_of(stage))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .create_with_context(context)?;
        Ok(Consumer { inner, letters, watch: None })
    }

    /// The next record or letter, waiting at most `timeout`. An error is fatal: close and start again.
    pub fn poll(&self, timeout: Duration) -> Result<Polled<'_>, KafkaError> {
        if let Ok(letter) = self.letters.try_recv() {
            return Ok(Polled::Letter(letter));
        }
        match self.inner.poll(timeout) {
            Some(Ok(record)) => Ok(Polled::Record(record)),
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => Ok(Polled::OutOfRange),
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(error),
            // librdkafka would go on trying in silence.
            Some(Err(error)) if error.rdkafka_error_code().is_some_and(access::is_denial) => Err(error),
            Some(Err(error)) => {
                // Brokers that are away come back, topics that are missing are made: librdkafka goes on trying.
                outage::poll_error(&error);
                Ok(Polled::Nothing)
            }
            None => Ok(self.letters.try_recv().map_or(Polled::Nothing, Polled::Letter)),
        }
    }

    /// How far the logs of its partitions reach, when librdkafka has told it since the last call: every 2 s.
    pub fn take_reaches(&self) -> Option<Vec<Reach>> {
        self.inner.context().reaches.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The end of a log, asked for now and for a moment only: of a paused partition librdkafka learns nothing.
    pub fn end_of(&self, at: &TopicPartition) -> Option<i64> {
        self.inner.fetch_watermarks(&at.topic, at.partition, END_TIMEOUT).ok().map(|(_, end)| end)
    }

    /// Answers a letter: these partitions start at these offsets. An empty list is an answer too.
    pub fn answer_assign(&self, starts: &[(TopicPartition, NextOffset)]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (at, next) in starts {
            list.add_partition_offset(&at.topic, at.partition, Offset::Offset(next.0))?;
        }
        self.inner.incremental_assign(&list)
    }

    /// Answers a letter: these partitions are let go.
    pub fn answer_revoke(&self, partitions: &[TopicPartition]) -> Result<(), KafkaError> {
        let list = list_of(partitions);
        // librdkafka remembers a pause beyond the assignment: one that comes back would never be fetched.
        self.inner.resume(&list)?;
        self.inner.incremental_unassign(&list)
    }

    /// What the group has committed for a partition; waits until no transaction on it is undecided.
    pub fn committed(&self, at: &TopicPartition) -> Result<Option<Committed>, KafkaError> {
        let list = self.inner.committed_offsets(list_of(std::slice::from_ref(at)), REQUEST_TIMEOUT)?;
        let element = &list.elements()[0];
        element.error()?;
        Ok(match element.offset() {
            Offset::Offset(offset) => Some(Committed { offset, metadata: element.metadata().to_string() }),
            _ => None,
        })
    }

    /// The first offset that is still there, and the one that the next record gets.
    pub fn watermarks(&self, at: &TopicPartition) -> Result<(i64, i64), KafkaError> {
        self.inner.fetch_watermarks(&at.topic, at.partition, REQUEST_TIMEOUT)
    }

    /// How many partitions a topic has; `None` when there is no such topic.
    pub fn partitions_of(&self, topic: &str) -> Result<Option<i32>, KafkaError> {
        topics::count_of(&self.inner.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?, topic)
    }

    /// How many members a loop's group has; those that ended stay until their session does.
    pub fn members(&self, group: &str) -> Result<usize, KafkaError> {
        let groups = self.inner.fetch_group_list(Some(group), REQUEST_TIMEOUT)?;
        Ok(groups.groups().iter().find(|found| found.name() == group).map_or(0, |found| found.members().len()))
    }

    /// Looks now and then whether each partition has an owner, and else has the group distribute them anew. To be
    /// called between polls; the revoke that it may bring is a letter like any other.
    pub fn adopt_orphans(&mut self) -> Result<(), KafkaError> {
        let Consumer { inner, watch: Some(watch), .. } = self else { return Ok(()) };
        // An answer that fails to come is only a look that is not taken.
        if !watch.is_due() || !watch.must_act(inner).unwrap_or(false) {
            return Ok(());
        }
        tracing::warn!(group = watch.group, "partitions without an owner: joining anew");
        let topics: Vec<&str> = watch.topics.iter().map(String::as_str).collect();
        // Unlike closing, unsubscribing takes a static member out of its group, and that begins a round.
        inner.unsubscribe();
        inner.subscribe(&topics)
    }

    /// The id of the cluster, part of every insert's token.
    pub fn cluster_id(&self) -> Option<String> {
        self.inner.client().fetch_cluster_id(REQUEST_TIMEOUT)
    }

    /// The first offset whose record is not older than a time; `None` when there is none.
    pub fn offset_at(&self, at: &TopicPartition, time_ms: i64) -> Result<Option<i64>, KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&at.topic, at.partition, Offset::Offset(time_ms))?;
        let found = self.inner.offsets_for_times(list, REQUEST_TIMEOUT)?;
        Ok(found.elements()[0].offset().to_raw().filter(|&offset| offset >= 0))
    }

    /// Commits an offset with metadata and waits for the broker's word. Only for a loop without transactions.
    pub fn commit(&self, at: &TopicPartition, next: NextOffset, metadata: &str) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(&at.topic, at.partition);
        element.set_offset(Offset::Offset(next.0))?;
        element.set_metadata(metadata);
        self.inner.commit(&list, CommitMode::Sync)
    }

    /// Stops fetching from a partition; its records that wait here are fetched again after `resume`.
    pub fn pause(&self, at: &TopicPartition) -> Result<(), KafkaError> {
        self.inner.pause(&list_of(std::slice::from_ref(at)))
    }

    /// Goes on fetching.
    pub fn resume(&self, at: &TopicPartition) -> Result<(), KafkaError> {
        self.inner.resume(&list_of(std::slice::from_ref(at)))
    }

    /// The member's place in its group, fresh for each commit: stale metadata is refused.
    pub(super) fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.inner.group_metadata()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.inner.context().closing.store(true, Ordering::Relaxed);
        while let Ok(letter) = self.letters.try_recv() {
            let answer = match letter {
                Letter::Assign(_) => self.inner.incremental_assign(&TopicPartitionList::new()),
                Letter::Revoke(partitions) => self.inner.incremental_unassign(&list_of(&partitions)),
            };
            if let Err(error) = answer {
                tracing::debug!(%error, "answering a rebalance while closing");
            }
        }
    }
}

fn list_of(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for at in partitions {
        list.add_partition(&at.topic, at.partition);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the configuration lets through librdkafka must take too: it judges settings when a consumer is made.
    #[test]
    fn every_session_timeout_that_may_be_set_makes_a_consumer() {
        for session_timeout_ms in [*limits::SESSION_TIMEOUT_MS.start(), *limits::SESSION_TIMEOUT_MS.end()] {
            for stage in ["detect", "score", "store"] {
                let config = Config { session_timeout_ms, ..super::super::tests::config("pod0") };
                let made = settings(&config, Member { stage, thread: 0 }).create::<BaseConsumer>();
                assert_eq!(made.err(), None, "{stage}, {session_timeout_ms} ms");
            }
        }
    }
}
