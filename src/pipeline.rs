//! The product: three loops, each a consumer group, joined by topics.
//!
//! ```text
//! input ─► detect ─► weir.facts ─► score ─► weir.outbox ─► store ─► ClickHouse
//!                                       └─► weir.alerts
//! ```
//!
//! The loop below is written once, for detect and score; a [`Stage`] is what differs. A loop is one thread that
//! owns a consumer, a transaction and its state. In one Kafka transaction move what it read (offsets), what it
//! wrote and what it knows; so after a crash anywhere the successor goes on as if nothing had been begun. Every
//! error takes one way out: close both clients, forget, and start again from what is committed.
//!
//! Store is a loop of its own (see [`store`]), since ClickHouse takes part in no transaction.

pub mod detect;
pub mod drain;
mod lag;
pub mod reset;
pub mod score;
pub mod store;

use crate::admin::health::{Health, Pulse, Wait};
use crate::kafka::outage;
use crate::kafka::{
    self, CommitFailure, Committed, Consumer, Letter, Member, NextOffset, Polled, Producer, Record, TopicPartition,
    Transaction, access,
};
use crate::ledger::{Entry, Kind};
use crate::model::Severity;
use crate::model::uid::Uid;
use crate::tables::Block;
use crate::telemetry::fold::Fold;
use crate::telemetry::{KAFKA, TransactionSpan, metrics};
use crate::{alert, clickhouse, decode, detect as detection, faults, model, policy, rules, tables};
use drain::Stop;
use lag::Lag;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Most records that one transaction reads: bounds its output when a loop catches up.
const RECORDS_PER_TRANSACTION: usize = 20_000;

/// Most bytes of rows, before compression, that one transaction gathers.
const BYTES_PER_TRANSACTION: usize = 32 << 20;

/// How often the same name may be fenced before it is taken for two processes that share it.
const FENCED_MOST: usize = 3;
/// The span in which that counts.
const FENCED_WITHIN: Duration = Duration::from_secs(5 * 60);

/// Waits between two starts of a loop, so that a cluster that is away is not asked in a tight circle.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// A topic to read and the format of its events.
#[derive(Clone, Debug)]
pub struct Input {
    pub topic: String,
    pub format: decode::Format,
}

/// Where the first start of all begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputStart {
    Earliest,
    Latest,
}

/// What happens when committed input is gone from Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfRange {
    /// Stop with an error.
    Fail,
    /// Go on with what is there, and write the gap into the ledger.
    Earliest,
}

/// The digests under which events are processed: columns of the ledger.
#[derive(Clone, Debug, Default)]
pub struct Digests {
    pub config: String,
    pub packs: String,
    pub policy: String,
}

/// All that the loops need, resolved.
pub struct Pipeline {
    pub kafka: kafka::Config,
    pub inputs: Vec<Input>,
    pub input_start: InputStart,
    pub out_of_range: OutOfRange,
    /// How much one event may be.
    pub bounds: decode::Bounds,
    pub clickhouse: clickhouse::Config,
    /// When store inserts what it gathered.
    pub group: store::GroupBounds,
    pub mask_key: model::evidence::MaskKey,
    pub catalogue: rules::Catalogue,
    pub policy: policy::Policy,
    pub alert: alert::Config,
    pub detect_threads: usize,
    pub digests: Digests,
}

impl Pipeline {
    /// Says what a loop lacks when Kafka refused it something.
    fn explained(&self, stage: &str, broken: Broken) -> Broken {
        let Broken::Denied(error) = &broken else { return broken };
        let inputs: Vec<String> = self.inputs.iter().map(|input| input.topic.clone()).collect();
        let role = access::Role::of(stage).unwrap_or(access::Role::Operator);
        match access::explain(&self.kafka, &inputs, role, error) {
            Some(text) => Broken::Fatal(Failure::Denied(text)),
            None => broken,
        }
    }
}

/// Which loops a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    All,
    Detect,
    Score,
    Store,
}

impl Role {
    fn runs(self, role: Role) -> bool {
        self == Role::All || self == role
    }
}

/// Why a loop ended for good.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(
        "{stage}: fenced more than {FENCED_MOST} times within 5 minutes while the brokers answered: two processes run as `{name}`. \
         Give each its own `kafka.instance` (WEIR_INSTANCE)"
    )]
    TwoOfOneName { stage: &'static str, name: String },
    #[error(
        "topic {topic} is missing: make it with `weir topics apply -c FILE`, or correct `input.topics` and `topics.prefix`"
    )]
    MissingTopic { topic: String },
    #[error("topic {topic} has {found} partitions, and the configuration says {wanted}: set the count that it has")]
    PartitionCount { topic: String, found: i32, wanted: i32 },
    #[error(
        "{at}: committed offset {committed} is gone, the log starts at {low}: events were lost before weir read them. \
         Set `input.out_of_range: earliest` to go on; the ledger will show the gap"
    )]
    Expired { at: String, committed: i64, low: i64 },
    /// Kafka refuses something to this user.
    #[error("{0}")]
    Denied(String),
    #[error("{stage}: {message}")]
    Other { stage: &'static str, message: String },
}

impl Failure {
    /// Whether it is fatal only at the start. A broker that was just started may not know a topic for a moment; of
    /// ACLs that are being changed the first may be missed before the second is there.
    fn may_pass(&self) -> bool {
        matches!(self, Failure::MissingTopic { .. } | Failure::Denied(_))
    }
}

/// Runs the loops of a role until they are told to stop or one of them cannot go on. Each says so itself when it ends:
/// the others may take longer to end than the process has.
pub fn run(pipeline: &Pipeline, role: Role, stop: &Stop, health: &Health) -> Result<(), Failure> {
    let scanner = detection::Scanner::new(&pipeline.catalogue);
    let mut outcomes = Vec::new();
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        if role.runs(Role::Detect) {
            for thread in 0..pipeline.detect_threads {
                let mut stage = detect::Detect::new(pipeline, &scanner, thread);
                let pulse = health.join("detect", thread);
                threads.push(
                    scope.spawn(move || to_end(stop, &pulse, |pulse| run_stage(&mut stage, pipeline, stop, pulse))),
                );
            }
        }
        if role.runs(Role::Score) {
            let pulse = health.join("score", 0);
            threads.push(scope.spawn(move || {
                let mut stage = score::Score::new(pipeline);
                to_end(stop, &pulse, |pulse| run_stage(&mut stage, pipeline, stop, pulse))
            }));
        }
        if role.runs(Role::Store) {
            let pulse = health.join("store", 0);
            threads.push(scope.spawn(move || to_end(stop, &pulse, |pulse| store::run(pipeline, stop, pulse))));
        }
        outcomes = threads.into_iter().map(|thread| thread.join()).collect();
    });
    outcomes.into_iter().try_for_each(|outcome| {
        outcome.unwrap_or_else(|_| {
            let failure = Failure::Other { stage: "a loop", message: "ended by a bug (panic)".into() };
            tell_failure(stop, &failure);
            Err(failure)
        })
    })
}

/// Runs a loop to its end, with which the others end too.
fn to_end(stop: &Stop, pulse: &Pulse, body: impl FnOnce(&Pulse) -> Result<(), Failure>) -> Result<(), Failure> {
    stop.on_end(|| {
        pulse.until_end(|pulse| {
            let outcome = body(pulse);
            if let Err(failure) = &outcome {
                tell_failure(stop, failure);
            }
            outcome
        })
    })
}

/// The first failure is why the process ends; what others say after it most often has the same cause.
fn tell_failure(stop: &Stop, failure: &Failure) {
    let error = failure.to_string();
    if stop.fail() {
        tracing::error!(error, "weir cannot go on");
    } else {
        tracing::warn!(error, "another loop cannot go on either");
    }
}

/// What differs between detect and score.
pub trait Stage {
    /// The loop and the thread of it.
    fn member(&self) -> Member;

    /// The topics that it reads.
    fn topics(&self) -> Vec<String>;

    /// The topics that must be there, with their partition counts where these matter.
    fn topics_needed(&self) -> Vec<(String, Option<i32>)>;

    /// Takes a partition on, from what its group has committed.
    fn restore(
        &mut self,
        consumer: &Consumer,
        at: &TopicPartition,
        committed: Option<Committed>,
        pulse: &Pulse,
    ) -> Result<Start, Broken>;

    /// Works on a record of a restored partition.
    fn process(&mut self, record: &BorrowedMessage<'_>, out: &Transaction) -> Result<Verdict, Broken>;

    /// Writes what completes a transaction, and returns the metadata to commit with each partition's offset.
    fn seal(&mut self, out: &Transaction, progress: &[Progress]) -> Result<Vec<String>, Broken>;

    /// What was sealed is committed: adds its numbers to the metrics.
    fn committed(&mut self);

    /// Bytes that wait for `seal`.
    fn waiting_bytes(&self) -> usize;

    /// Looks after what belongs to no transaction, with nothing open; the partitions are where `progress` says.
    fn tick(&mut self, consumer: &Consumer, progress: &[Progress]);

    /// Lets a partition go: nothing of it may be used or written afterwards.
    fn forget(&mut self, at: &TopicPartition);
}

/// Where a partition starts.
pub enum Start {
    At(NextOffset),
    /// Not at all, until somebody has acted on this message and the loop is started again.
    Stopped(String),
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Done,
    /// It cannot be read by this version: its partition stops before it.
    Stop(String),
}

/// Why a session ended.
#[derive(Debug)]
pub enum Broken {
    /// Close, and start again.
    Again(String),
    /// As [`Broken::Again`], but nothing will change until somebody acts; the reason says how.
    Blocked(String),
    /// As [`Broken::Again`], but by another process of the same name.
    Fenced(String),
    /// Kafka refuses something to this user; what is lacking is still to be found out.
    Denied(KafkaError),
    /// For good.
    Fatal(Failure),
}

impl From<KafkaError> for Broken {
    fn from(error: KafkaError) -> Self {
        CommitFailure::of(error).into()
    }
}

impl From<CommitFailure> for Broken {
    fn from(failure: CommitFailure) -> Self {
        match failure {
            CommitFailure::Refused(error) => Broken::Again(error.to_string()),
            CommitFailure::Fenced(error) => Broken::Fenced(error.to_string()),
            CommitFailure::Denied(error) => Broken::Denied(error),
            CommitFailure::Unwritten(unwritten) if unwritten.may_be_of_an_outage() && outage::reason().is_some() => {
                Broken::Again(unwritten.to_string())
            }
            CommitFailure::Unwritten(unwritten) => Broken::Blocked(unwritten.to_string()),
        }
    }
}

/// A partition that this loop works on.
#[derive(Clone, Debug)]
pub struct Progress {
    pub at: TopicPartition,
    pub next: NextOffset,
    /// Whether it moved in the open transaction.
    pub moved: bool,
    stopped: bool,
}

/// Runs a stage until it is told to stop.
pub fn run_stage<S: Stage>(stage: &mut S, pipeline: &Pipeline, stop: &Stop, pulse: &Pulse) -> Result<(), Failure> {
    sessions(pipeline, stage.member(), stop, pulse, || {
        Session::open(stage, &pipeline.kafka, stop, pulse)?.run(pipeline.kafka.commit_interval_ms)
    })
}

/// Runs session after session of a loop, each from what is committed, until one ends in order, the loop is told to
/// stop, or it cannot go on.
fn sessions(
    pipeline: &Pipeline,
    member: Member,
    stop: &Stop,
    pulse: &Pulse,
    mut session: impl FnMut() -> Result<(), Broken>,
) -> Result<(), Failure> {
    let Member { stage: name, .. } = member;
    show_counters(name);
    let (mut fenced, mut first, mut repeats) = (Fenced::default(), true, Repeats::default());
    while !stop.is_set() {
        let first = std::mem::take(&mut first);
        let ended = session().map_err(|broken| pipeline.explained(name, broken));
        pulse.forgets_all();
        let is_blocked = matches!(ended, Err(Broken::Blocked(_) | Broken::Fatal(_)));
        let (reason, is_fenced) = match ended {
            Ok(()) => return Ok(()),
            Err(Broken::Fatal(failure)) if first || !failure.may_pass() => return Err(failure),
            Err(Broken::Fatal(failure)) => (failure.to_string(), false),
            Err(Broken::Again(reason) | Broken::Blocked(reason)) => (reason, false),
            Err(Broken::Denied(error)) => (error.to_string(), false),
            Err(Broken::Fenced(reason)) => fenced_because(pulse.may_be_fenced(), &reason),
        };
        metrics().restarts.add(1, &[name, if is_fenced { "fenced" } else { "error" }]);
        if is_fenced && fenced.too_often() {
            return Err(Failure::TwoOfOneName { stage: name, name: pipeline.kafka.member_name(member) });
        }
        if stop.is_set() {
            tracing::warn!(loop = name, reason, "ended without a last commit; the successor reads again from the one before");
            return Ok(());
        }
        repeats.say(name, &pipeline.kafka.brokers, &reason, is_blocked, outage::reason().is_some());
        pulse.waits(Wait::Restart { reason });
        stop.sleep(RESTART_PAUSE);
    }
    Ok(())
}

/// Shows from the start what is counted by labels that are known before, so that the first of each is a rise and a rule
/// of Prometheus finds something.
fn show_counters(stage: &str) {
    for reason in ["error", "fenced"] {
        metrics().restarts.add(0, &[stage, reason]);
    }
    for outcome in ["committed", "aborted"] {
        metrics().transactions.add(0, &[stage, outcome]);
    }
    if stage != "store" {
        self::detect::Rejects::default().tell(stage);
    }
    if stage == "store" {
        for table in tables::NAMES {
            metrics().insert_retries.add(0, &[table, "no_answer"]);
        }
    }
    if stage == "score" {
        for severity in Severity::ALL {
            metrics().alerts.add(0, &[severity.name()]);
            metrics().alerts_held.add(0, &[severity.name()]);
        }
    }
}

/// What a fencing is called, and whether another process of the same name may be behind it. librdkafka's reason speaks
/// of another client even where the broker only gave up a member of which it had heard nothing.
fn fenced_because(is_lapse: bool, reason: &str) -> (String, bool) {
    if !is_lapse {
        return (format!("fenced: {reason}"), true);
    }
    let lapsed = "its session or transaction ran out while Kafka did not answer, or while this process stood still; it goes \
                  on from the last commit";
    (format!("{lapsed} ({reason})"), false)
}

/// Why a loop starts again, said once a minute for the same reason. While the brokers are away, which is said already,
/// only what somebody has to act on all the same: a single broker may be away for long, and hide nothing.
#[derive(Default)]
struct Repeats {
    reason: String,
    fold: Fold,
}

impl Repeats {
    /// `is_blocked`: somebody has to act.
    fn say(&mut self, name: &str, brokers: &str, reason: &str, is_blocked: bool, is_outage: bool) {
        if is_outage && !is_blocked {
            tracing::debug!(loop = name, reason, "starting again");
            return;
        }
        if self.reason != reason {
            *self = Repeats { reason: reason.to_owned(), fold: Fold::default() };
        }
        match self.fold.admit(Instant::now()) {
            Some(held_back) if is_blocked => {
                tracing::error!(loop = name, brokers, reason, held_back, "cannot go on; trying again")
            }
            Some(held_back) => tracing::warn!(loop = name, brokers, reason, held_back, "starting again"),
            None => {}
        }
    }
}

/// When this loop was fenced, the brokers being there and it awake.
#[derive(Default)]
struct Fenced(Vec<Instant>);

impl Fenced {
    fn too_often(&mut self) -> bool {
        self.0.retain(|at| at.elapsed() < FENCED_WITHIN);
        self.0.push(Instant::now());
        self.0.len() > FENCED_MOST
    }
}

/// A loop from its start to its end or its first error.
struct Session<'s, S: Stage> {
    stage: &'s mut S,
    stop: &'s Stop,
    pulse: &'s Pulse,
    /// Before the transaction, so that it is dropped, and its letters answered, first.
    consumer: Consumer,
    transaction: Option<Transaction>,
    owned: Vec<Progress>,
    open: Open,
    lag: Lag,
    names: Names,
}

/// What the open transaction has read.
#[derive(Default)]
struct Open {
    records: usize,
    bytes: u64,
    /// When the first of it was read.
    begun: Option<(Instant, SystemTime)>,
}

/// Under which names it is told.
struct Names {
    group: String,
    client: String,
    topics: String,
}

impl<'s, S: Stage> Session<'s, S> {
    fn open(stage: &'s mut S, config: &kafka::Config, stop: &'s Stop, pulse: &'s Pulse) -> Result<Self, Broken> {
        pulse.waits(Wait::Start);
        let member = stage.member();
        // The producer first: it ends what a predecessor left open, so that restores do not wait for it.
        let transaction = Producer::open(config, member)?.begin()?;
        let topics = stage.topics();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let consumer = Consumer::subscribe(config, member, &names)?;
        check_topics(&consumer, &stage.topics_needed())?;
        pulse.committed();
        pulse.waits(Wait::Assignment);
        let names = Names {
            group: config.group_of(member.stage),
            client: config.member_name(member),
            topics: topics.join(","),
        };
        let (transaction, owned, open) = (Some(transaction), Vec::new(), Open::default());
        Ok(Session { stage, stop, pulse, consumer, transaction, owned, open, lag: Lag::new(member.stage), names })
    }

    fn run(mut self, commit_interval_ms: u64) -> Result<(), Broken> {
        let ended = self.turns(Duration::from_millis(commit_interval_ms));
        self.pulse.beat();
        let done = match ended {
            Ok(()) => {
                self.pulse.waits(Wait::End);
                self.commit()
            }
            Err(broken) => Err(broken),
        };
        if done.is_err() && self.open.records > 0 {
            self.tell("aborted", Instant::now());
        }
        for progress in std::mem::take(&mut self.owned) {
            self.stage.forget(&progress.at);
            self.lag.forget(&progress.at);
        }
        self.tell_partitions();
        if let (Ok(()), Some(transaction)) = (&done, self.transaction.take()) {
            transaction.abort();
        }
        done
    }

    fn turns(&mut self, interval: Duration) -> Result<(), Broken> {
        while !self.stop.is_set() {
            self.pulse.beat();
            let tick = Instant::now() + interval;
            while self.open.records < RECORDS_PER_TRANSACTION && self.stage.waiting_bytes() < BYTES_PER_TRANSACTION {
                let left = tick.saturating_duration_since(Instant::now());
                if left.is_zero() || self.stop.is_set() {
                    break;
                }
                self.turn(left.min(Duration::from_millis(50)))?;
            }
            self.commit()?;
            self.transaction.iter().for_each(Transaction::listen);
            self.stage.tick(&self.consumer, &self.owned);
            self.consumer.adopt_orphans()?;
            self.tell_lag();
        }
        Ok(())
    }

    /// Nothing is open when this is called, so the loop goes on where it last read.
    fn tell_lag(&mut self) {
        let Some(reaches) = self.consumer.take_reaches() else { return };
        self.tell_partitions();
        let now = Instant::now();
        for reach in &reaches {
            if let Some(progress) = self.owned.iter().find(|progress| progress.at == reach.at) {
                let next = progress.stopped.then_some(progress.next.0);
                self.lag.update(reach, next, progress.stopped, now);
            }
        }
    }

    fn tell_partitions(&self) {
        let Member { stage, thread } = self.stage.member();
        let working = self.owned.iter().filter(|progress| !progress.stopped).count();
        tell_partitions(stage, thread, working, self.pulse);
    }

    /// Tells what became of the open transaction; `sealed`: when the stage had written all of it.
    fn tell(&mut self, outcome: &'static str, sealed: Instant) {
        let Open { records, bytes, begun } = std::mem::take(&mut self.open);
        let Some((begun, begun_at)) = begun else { return };
        let stage = self.stage.member().stage;
        metrics().transactions.add(1, &[stage, outcome]);
        let is_committed = outcome == "committed";
        if is_committed {
            metrics().transaction_duration.record(begun.elapsed().as_secs_f64(), &[stage]);
            metrics().commit_duration.record(sealed.elapsed().as_secs_f64(), &[stage]);
            metrics().consumed.add(records as u64, &[KAFKA, &self.names.group]);
            self.stage.committed();
        }
        TransactionSpan {
            stage,
            group: &self.names.group,
            client: &self.names.client,
            topic: &self.names.topics,
            records: records as u64,
            bytes,
            partitions: self.owned.iter().filter(|progress| progress.moved).count() as u64,
            outcome,
            is_error: !is_committed,
            begun: begun_at,
        }
        .end();
    }

    /// Takes one record or letter.
    fn turn(&mut self, timeout: Duration) -> Result<(), Broken> {
        let letter = match self.consumer.poll(timeout)? {
            Polled::Nothing => return Ok(()),
            Polled::OutOfRange => return Err(Broken::Again("a position is out of range".into())),
            Polled::Letter(letter) => letter,
            Polled::Record(record) => {
                faults::point(self.stage.member().point(Point::AfterPoll));
                let Some(progress) = find(&mut self.owned, &record).filter(|progress| !progress.stopped) else {
                    return Ok(());
                };
                let out = self.transaction.as_ref().expect("a transaction is open between commits");
                match self.stage.process(&record, out)? {
                    Verdict::Done => {
                        progress.next = NextOffset::after(record.offset());
                        progress.moved = true;
                        self.open.add(&record);
                    }
                    Verdict::Stop(reason) => {
                        progress.stopped = true;
                        let at = progress.at.clone();
                        stopped(self.pulse, &at, &reason);
                        self.consumer.pause(&at)?;
                    }
                }
                return Ok(());
            }
        };
        match letter {
            Letter::Assign(partitions) => self.assigned(partitions),
            Letter::Revoke(partitions) => self.revoked(&partitions),
        }
    }

    fn assigned(&mut self, partitions: Vec<TopicPartition>) -> Result<(), Broken> {
        let starts = self.take_on(partitions);
        // A letter is always answered, or closing would wait for ever.
        self.consumer.answer_assign(starts.as_deref().unwrap_or_default())?;
        tracing::info!(loop = self.stage.member().stage, partitions = self.owned.len(), "assigned");
        self.pulse.works(self.owned.len());
        self.tell_partitions();
        starts.map(|_| ())
    }

    fn take_on(&mut self, partitions: Vec<TopicPartition>) -> Result<Vec<(TopicPartition, NextOffset)>, Broken> {
        // A restore may take longer than a transaction may stay open.
        self.commit()?;
        let mut starts = Vec::new();
        for at in partitions {
            let committed = self.consumer.committed(&at)?;
            faults::point(self.stage.member().point(Point::Restore));
            self.pulse.waits(Wait::Restore { topic: at.topic.clone(), partition: at.partition });
            match self.stage.restore(&self.consumer, &at, committed, self.pulse)? {
                Start::At(next) => {
                    self.owned.push(Progress { at: at.clone(), next, moved: false, stopped: false });
                    starts.push((at, next));
                }
                Start::Stopped(reason) => stopped(self.pulse, &at, &reason),
            }
        }
        Ok(starts)
    }

    /// A barrier: what is done is committed, and nothing of these partitions is written afterwards.
    fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<(), Broken> {
        let committed = self.commit();
        let mut assigned = Vec::new();
        for at in partitions {
            self.pulse.forgets(at);
            if let Some(index) = self.owned.iter().position(|progress| progress.at == *at) {
                self.owned.swap_remove(index);
                self.stage.forget(at);
                self.lag.forget(at);
                assigned.push(at.clone());
            }
        }
        self.consumer.answer_revoke(&assigned)?;
        tracing::info!(loop = self.stage.member().stage, partitions = self.owned.len(), "revoked");
        self.pulse.works(self.owned.len());
        self.tell_partitions();
        committed
    }

    fn commit(&mut self) -> Result<(), Broken> {
        if self.open.records == 0 {
            return Ok(());
        }
        let member = self.stage.member();
        let transaction = self.transaction.take().expect("a transaction is open between commits");
        let metadata = self.stage.seal(&transaction, &self.owned)?;
        let offsets: Vec<_> = self
            .owned
            .iter()
            .zip(metadata)
            .filter(|(progress, _)| progress.moved)
            .map(|(progress, metadata)| (progress.at.clone(), progress.next, metadata))
            .collect();
        faults::point(member.point(Point::AfterProduce));
        let (sealed, sent) = (Instant::now(), transaction.sent());
        let (stop, pulse) = (self.stop, self.pulse);
        let waits = |_| {
            pulse.beat();
            !stop.is_overdue()
        };
        self.transaction = Some(transaction.commit(&self.consumer, &offsets, &waits)?);
        faults::point(member.point(Point::AfterCommit));
        pulse.committed();
        metrics().sent.add(sent, &[KAFKA, &self.names.client]);
        self.tell("committed", sealed);
        self.owned.iter_mut().for_each(|progress| progress.moved = false);
        Ok(())
    }
}

impl Open {
    fn add(&mut self, record: &BorrowedMessage<'_>) {
        self.records += 1;
        self.bytes += record.payload().map_or(0, <[u8]>::len) as u64;
        self.begun.get_or_insert_with(|| (Instant::now(), SystemTime::now()));
    }
}

/// A missing topic or a wrong count would put facts where no state is.
fn check_topics(consumer: &Consumer, needed: &[(String, Option<i32>)]) -> Result<(), Broken> {
    for (topic, wanted) in needed {
        let topic = topic.clone();
        match (consumer.partitions_of(&topic)?, *wanted) {
            (None, _) => return Err(Broken::Fatal(Failure::MissingTopic { topic })),
            (Some(found), Some(wanted)) if found != wanted => {
                return Err(Broken::Fatal(Failure::PartitionCount { topic, found, wanted }));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Tells on how many partitions a loop's thread works, and how many are stopped.
fn tell_partitions(stage: &str, thread: usize, working: usize, pulse: &Pulse) {
    let thread = thread.to_string();
    metrics().partitions.set(working as f64, &[stage, &thread]);
    metrics().partitions_stopped.set(pulse.stopped_count() as f64, &[stage, &thread]);
}

fn stopped(pulse: &Pulse, at: &TopicPartition, reason: &str) {
    pulse.stopped(at, reason);
    tracing::error!(topic = at.topic, partition = at.partition, reason, "partition stopped");
}

fn find<'p>(owned: &'p mut [Progress], record: &BorrowedMessage<'_>) -> Option<&'p mut Progress> {
    let (topic, partition) = (record.topic(), record.partition());
    owned.iter_mut().find(|progress| progress.at.partition == partition && progress.at.topic == topic)
}

/// The failpoints of the loop.
#[derive(Clone, Copy)]
enum Point {
    AfterPoll,
    AfterProduce,
    AfterCommit,
    Restore,
}

impl Member {
    fn point(self, point: Point) -> &'static str {
        match (self.stage, point) {
            ("detect", Point::AfterPoll) => "detect.after_poll",
            ("detect", Point::AfterProduce) => "detect.after_produce",
            ("detect", Point::AfterCommit) => "detect.after_commit",
            ("detect", Point::Restore) => "detect.restore",
            (_, Point::AfterPoll) => "score.after_poll",
            (_, Point::AfterProduce) => "score.after_produce",
            (_, Point::AfterCommit) => "score.after_commit",
            (_, Point::Restore) => "score.restore",
        }
    }
}

/// Headers of an outbox record.
mod header {
    pub const TABLE: &str = "weir-table";
    pub const BLOCK_ID: &str = "weir-block-id";
    pub const BLOCK_TIME: &str = "weir-block-time";
    /// How many rows, and the Kafka timestamp in ms of the oldest event among them: for metrics only, so a record
    /// without them is as good.
    pub const ROWS: &str = "weir-rows";
    pub const OLDEST_EVENT: &str = "weir-oldest-event";
}

/// Writes blocks to this instance's partition of the outbox. `oldest_ms` is the Kafka timestamp of the oldest event
/// that they tell of, when that means something.
fn send_blocks(
    out: &Transaction,
    config: &kafka::Config,
    blocks: &[Block],
    oldest_ms: Option<i64>,
) -> Result<(), Broken> {
    let topic = config.topics.outbox();
    let oldest = oldest_ms.map(|oldest_ms| oldest_ms.to_string()).unwrap_or_default();
    for block in blocks {
        out.send(Record {
            topic: &topic,
            partition: Some(config.outbox_partition()),
            key: None,
            value: Some(&block.body),
            headers: &[
                (header::TABLE, block.table),
                (header::BLOCK_ID, &Uid(block.block_id).to_string()),
                (header::BLOCK_TIME, &block.block_time_ms.to_string()),
                (header::ROWS, &block.rows.to_string()),
                (header::OLDEST_EVENT, &oldest),
            ],
        })?;
    }
    Ok(())
}

/// What every row of the ledger says of this process, with nothing counted yet.
fn entry<'a>(pipeline: &'a Pipeline, at: &'a TopicPartition) -> Entry<'a> {
    Entry {
        kind: Kind::Batch,
        topic: &at.topic,
        partition: at.partition,
        first_offset: 0,
        last_offset: 0,
        events: 0,
        interactions: 0,
        rejects: 0,
        gaps: 0,
        config_digest: &pipeline.digests.config,
        packs_digest: &pipeline.digests.packs,
        policy_digest: &pipeline.digests.policy,
        facts_hash: [0; 32],
        instance: &pipeline.kafka.instance,
    }
}

/// Now, for the columns that may depend on when a transaction was cut, and for nothing else.
fn block_time_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::tests::log_of;

    #[test]
    fn a_loop_that_cannot_go_on_says_so_before_the_others_have_ended() {
        let (stop, health) = (Stop::default(), Health::default());
        let [first, second] = [0, 1].map(|thread| health.join("detect", thread));
        let missing = || Err(Failure::MissingTopic { topic: "llm.events".into() });
        let log = log_of(|| {
            // The first ends while the second still runs.
            let outcome = to_end(&stop, &second, |_| {
                assert!(to_end(&stop, &first, |_| missing()).is_err());
                assert!(stop.is_set() && stop.has_failed());
                missing()
            });
            assert!(outcome.is_err());
        });
        let lines: Vec<&str> = log.lines().map(str::trim_start).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines[0].starts_with("ERROR weir cannot go on error=\"topic llm.events is missing"), "{log}");
        assert!(lines[1].starts_with("WARN another loop cannot go on either"), "{log}");
    }

    #[test]
    fn what_somebody_must_act_on_is_said_during_an_outage_too() {
        let said = |is_blocked, is_outage| {
            log_of(|| Repeats::default().say("score", "kafka:9092", "a reason", is_blocked, is_outage))
        };
        assert!(said(true, true).contains("ERROR cannot go on; trying again"));
        assert!(said(true, false).contains("ERROR cannot go on; trying again"));
        assert!(said(false, false).contains("WARN starting again"));
        assert_eq!(said(false, true), "");
    }

    #[test]
    fn a_lapse_is_not_called_a_second_process() {
        let (lapse, is_fenced) = fenced_because(true, "Static consumer fenced");
        assert!(lapse.starts_with("its session or transaction ran out") && !is_fenced, "{lapse}");
        assert_eq!(
            fenced_because(false, "Static consumer fenced"),
            ("fenced: Static consumer fenced".to_owned(), true)
        );
    }

    #[test]
    fn a_loop_that_ends_in_order_is_no_failure() {
        let (stop, health) = (Stop::default(), Health::default());
        assert_eq!(log_of(|| to_end(&stop, &health.join("score", 0), |_| Ok(())).unwrap()), "");
        assert!(stop.is_set() && !stop.has_failed());
    }
}
