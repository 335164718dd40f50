//! The store loop: outbox → groups → ClickHouse, each row once although ClickHouse takes part in no transaction.
//!
//! A group is a run of outbox records that are inserted together. Before anything of it is sent, its bounds are
//! committed as an *intent*: the group's consumer offset, unmoved, with `first-last` in its metadata. Whoever goes
//! on after a crash gathers exactly that run again and sends exactly those bytes under exactly that token, which
//! ClickHouse knows and drops. Only then is the offset moved past the group.
//!
//! The loop goes on polling while ClickHouse answers, or does not: a group in flight pauses its partition and
//! nothing else. It never gives up on a group, and it never changes one.

pub mod group;
pub mod intent;
mod refusals;
mod trouble;

pub use group::GroupBounds;

use super::drain::Stop;
use super::lag::Lag;
use super::{Broken, Failure, Pipeline, check_topics, sessions};
use crate::admin::health::{Pulse, Wait};
use crate::clickhouse::insert::InsertError;
use crate::clickhouse::schema::{self, SchemaProof};
use crate::clickhouse::{Client, Failure as ServerFailure};
use crate::faults;
use crate::kafka::outage;
use crate::kafka::reach::Reach;
use crate::kafka::topics::Deleter;
use crate::kafka::{Consumer, Letter, Member, NextOffset, Polled, TopicPartition, access};
use crate::telemetry::{KAFKA, TransactionSpan, metrics};
use bytes::Bytes;
use group::{BlockName, Group, OutboxRecord};
use intent::Intent;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use refusals::Refusals;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use trouble::Trouble;

const MEMBER: Member = Member { stage: "store", thread: 0 };

/// Between two looks at the schema while it is not as it should be.
const SCHEMA_PAUSE: Duration = Duration::from_secs(2);

/// How long a turn waits for a record while inserts are in flight. They go on in the millisecond that each turn gives
/// them, so this is short.
const DRIVE: Duration = Duration::from_millis(5);

/// How often the end of a paused partition's log is asked for, of which librdkafka learns nothing.
const END_EVERY: Duration = Duration::from_secs(10);

/// How long the token of an insert is trusted to be remembered: the window counts 100,000 inserts, and at a hundred
/// a second that is a quarter of an hour.
const TOKEN_TRUSTED: Duration = Duration::from_secs(10 * 60);

/// Waits between two attempts of a commit that was refused.
const COMMIT_PAUSE: Duration = Duration::from_millis(20);

/// Waits between two attempts of an insert: doubling from the first to the second.
const BACKOFF_MS: (u64, u64) = (100, 10_000);

/// Where groups go.
struct Target {
    client: Client,
    proof: SchemaProof,
    cluster: String,
    topic: String,
    trouble: Trouble,
}

/// Runs the store loop until it is told to stop.
pub fn run(pipeline: &Pipeline, stop: &Stop, pulse: &Pulse) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Other { stage: MEMBER.stage, message: error.to_string() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let client = Client::new(&pipeline.clickhouse)
        .map_err(|error| Failure::Other { stage: MEMBER.stage, message: error.to_string() })?;
    let mut newer_told = false;
    sessions(pipeline, MEMBER, stop, pulse, || {
        let Some(proof) = await_schema(&runtime, &client, &pipeline.clickhouse.url, stop, pulse) else { return Ok(()) };
        if let Some(newer) = proof.newer().filter(|_| !std::mem::replace(&mut newer_told, true)) {
            tracing::warn!("{newer}");
        }
        Session::open(pipeline, &runtime, client.clone(), proof, pulse)?.run(stop)
    })
}

/// Waits until the schema is as this program needs it: nothing is inserted into an older one.
fn await_schema(
    runtime: &Runtime,
    client: &Client,
    clickhouse: &str,
    stop: &Stop,
    pulse: &Pulse,
) -> Option<SchemaProof> {
    let mut said = String::new();
    while !stop.is_set() {
        match runtime.block_on(schema::check(client)) {
            Ok(proof) => {
                if !said.is_empty() {
                    tracing::info!("the schema is as store needs it");
                }
                return Some(proof);
            }
            Err(error) => {
                let reason = error.to_string();
                if reason != said {
                    tracing::error!(clickhouse, reason, "store is not ready; detect, score and alerts go on");
                    pulse.waits(Wait::Schema { reason: reason.clone() });
                    said = reason;
                }
                pulse.beat();
            }
        }
        stop.sleep(SCHEMA_PAUSE);
    }
    None
}

/// An outbox partition.
struct Lane {
    at: TopicPartition,
    /// What the group has committed: the first offset of the next group.
    committed: i64,
    /// Without a committed offset nobody knows which of the records that were there are stored already: below this
    /// offset each is a group of its own, and ClickHouse is asked for it first.
    ask_below: i64,
    /// Records that came and belong to no group yet.
    waiting: VecDeque<OutboxRecord>,
    phase: Phase,
    /// When the group in flight was frozen.
    frozen: (Instant, SystemTime),
}

enum Phase {
    /// Collects records; of a resumed group exactly up to the intent's last.
    Gathering { group: Group, since: Instant, resumed: Option<Intent> },
    /// The group is frozen; its intent is not acknowledged yet.
    Intending(Arc<Group>),
    /// On its way to ClickHouse.
    Inserting { group: Arc<Group>, task: JoinHandle<()> },
    /// In ClickHouse; the offset is not moved yet.
    Committing(Arc<Group>),
    /// Nothing goes on until somebody acts.
    Stopped,
}

struct Session<'p> {
    runtime: &'p Runtime,
    target: Arc<Target>,
    consumer: Consumer,
    deleter: Deleter,
    lanes: Vec<Lane>,
    bounds: GroupBounds,
    pulse: &'p Pulse,
    refusals: Refusals,
    lag: Lag,
    /// When the ends of paused partitions were asked for.
    ends_asked: Instant,
    /// The group's and the member's names.
    names: (String, String),
}

impl<'p> Session<'p> {
    fn open(
        pipeline: &Pipeline,
        runtime: &'p Runtime,
        client: Client,
        proof: SchemaProof,
        pulse: &'p Pulse,
    ) -> Result<Self, Broken> {
        pulse.waits(Wait::Start);
        let topic = pipeline.kafka.topics.outbox();
        let consumer = Consumer::subscribe(&pipeline.kafka, MEMBER, &[&topic])?;
        check_topics(&consumer, &[(topic.clone(), Some(pipeline.kafka.topics.outbox_partitions))])?;
        let cluster = consumer.cluster_id().ok_or_else(|| Broken::Again("the cluster does not tell its id".into()))?;
        pulse.committed();
        let trouble = Trouble::new(pulse.clone(), &pipeline.clickhouse.url);
        let target = Arc::new(Target { client, proof, cluster, topic, trouble });
        let deleter = Deleter::connect(&pipeline.kafka)?;
        pulse.waits(Wait::Assignment);
        let names = (pipeline.kafka.group_of(MEMBER.stage), pipeline.kafka.member_name(MEMBER));
        let (lanes, lag, ends_asked) = (Vec::new(), Lag::new(MEMBER.stage), Instant::now());
        let bounds = pipeline.group;
        let refusals = Refusals::new(pulse.clone());
        Ok(Session { runtime, target, consumer, deleter, lanes, bounds, pulse, refusals, lag, ends_asked, names })
    }

    fn run(mut self, stop: &Stop) -> Result<(), Broken> {
        let ended = self.turns(stop);
        // Whatever is in flight ends before the consumer closes and a successor may begin.
        for mut lane in std::mem::take(&mut self.lanes) {
            self.cancel(&mut lane);
            self.lag.forget(&lane.at);
        }
        self.tell_partitions();
        ended
    }

    fn turns(&mut self, stop: &Stop) -> Result<(), Broken> {
        loop {
            self.pulse.beat();
            if stop.is_set() {
                self.pulse.waits(Wait::End);
                let left: Vec<String> = self.lanes.iter().filter_map(Lane::left).collect();
                if left.is_empty() {
                    return Ok(());
                }
                if stop.is_overdue() {
                    let left = left.join(", ");
                    tracing::warn!(left, "store did not finish its groups in time; the successor resumes them");
                    return Ok(());
                }
            }
            self.turn(stop)?;
            self.tell_lag();
        }
    }

    fn tell_partitions(&self) {
        let working = self.lanes.iter().filter(|lane| !matches!(lane.phase, Phase::Stopped)).count();
        super::tell_partitions(MEMBER.stage, MEMBER.thread, working, self.pulse);
    }

    fn tell_lag(&mut self) {
        let now = Instant::now();
        let reaches = self.consumer.take_reaches();
        if reaches.is_some() {
            self.tell_partitions();
        }
        for reach in reaches.unwrap_or_default() {
            if let Some(lane) = self.lanes.iter().find(|lane| lane.at == reach.at && !lane.is_held()) {
                let is_paused = lane.is_in_flight() || matches!(lane.phase, Phase::Stopped);
                self.lag.update(&reach, (!lane.is_idle()).then_some(lane.committed), is_paused, now);
            }
        }
        if now.saturating_duration_since(self.ends_asked) < END_EVERY {
            return;
        }
        self.ends_asked = now;
        for lane in self.lanes.iter().filter(|lane| lane.is_held()) {
            if let Some(end) = self.consumer.end_of(&lane.at) {
                let reach = Reach { at: lane.at.clone(), end, stable: end, position: lane.committed };
                self.lag.update(&reach, Some(lane.committed), true, now);
            }
        }
    }

    fn turn(&mut self, stop: &Stop) -> Result<(), Broken> {
        let in_flight = self.lanes.iter().any(Lane::is_in_flight);
        let timeout = if in_flight { DRIVE } else { Duration::from_millis(50) };
        let letter = match self.consumer.poll(timeout)? {
            Polled::Record(record) => {
                let lane = self.lanes.iter_mut().find(|lane| lane.at.partition == record.partition());
                if let Some(lane) = lane.filter(|lane| !matches!(lane.phase, Phase::Stopped)) {
                    match OutboxRecord::read(&record) {
                        Ok(record) => lane.waiting.push_back(record),
                        Err(reason) => lane.stop(&self.consumer, self.pulse, &reason)?,
                    }
                }
                None
            }
            Polled::Letter(letter) => Some(letter),
            Polled::OutOfRange => return Err(Broken::Again("a position is out of range".into())),
            Polled::Nothing => None,
        };
        match letter {
            Some(Letter::Assign(partitions)) => self.assigned(partitions)?,
            Some(Letter::Revoke(partitions)) => self.revoked(&partitions)?,
            None => {}
        }
        if in_flight {
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
        }
        let mut lanes = std::mem::take(&mut self.lanes);
        let stepped = lanes.iter_mut().try_for_each(|lane| self.step(lane, stop));
        self.lanes = lanes;
        self.deleter.tick();
        self.consumer.adopt_orphans()?;
        stepped
    }

    fn assigned(&mut self, partitions: Vec<TopicPartition>) -> Result<(), Broken> {
        let starts = self.take_on(partitions);
        // A letter is always answered, or closing would wait for ever.
        self.consumer.answer_assign(starts.as_deref().unwrap_or_default())?;
        tracing::info!(loop = MEMBER.stage, partitions = self.lanes.len(), "assigned");
        self.pulse.works(self.lanes.len());
        self.tell_partitions();
        starts.map(|_| ())
    }

    fn take_on(&mut self, partitions: Vec<TopicPartition>) -> Result<Vec<(TopicPartition, NextOffset)>, Broken> {
        let mut starts = Vec::new();
        for at in partitions {
            let committed = self.consumer.committed(&at)?;
            let (low, high) = self.consumer.watermarks(&at)?;
            let offset = committed.as_ref().map_or(low, |committed| committed.offset);
            let unknown = committed.is_none() && !faults::mutated("mutation.intent");
            let ask_below = if unknown { high } else { 0 };
            let metadata = committed.map(|committed| committed.metadata).unwrap_or_default();
            let resumed = match Intent::parse(&metadata) {
                Ok(intent) => intent.filter(|intent| intent.first == offset && !faults::mutated("mutation.intent")),
                Err(reason) => {
                    super::stopped(self.pulse, &at, &reason);
                    continue;
                }
            };
            if offset < low || offset > high {
                super::stopped(self.pulse, &at, &gone(&self.names.0, offset, low, high));
                continue;
            }
            if let Some(intent) = &resumed {
                tracing::info!(partition = at.partition, first = intent.first, last = intent.last, "resuming a group");
            }
            starts.push((at.clone(), NextOffset(offset)));
            let phase = Phase::Gathering { group: Group::default(), since: Instant::now(), resumed };
            let (waiting, frozen) = (VecDeque::new(), (Instant::now(), SystemTime::now()));
            self.lanes.push(Lane { at, committed: offset, ask_below, waiting, phase, frozen });
        }
        Ok(starts)
    }

    /// What is in flight is cancelled, and its end awaited, before the partitions are given back: the broker would
    /// take a late commit, and with it rewind the successor.
    fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<(), Broken> {
        let mut assigned = Vec::new();
        for at in partitions {
            self.pulse.forgets(at);
            if let Some(index) = self.lanes.iter().position(|lane| lane.at == *at) {
                let mut lane = self.lanes.swap_remove(index);
                self.cancel(&mut lane);
                self.lag.forget(at);
                assigned.push(at.clone());
            }
        }
        self.consumer.answer_revoke(&assigned)?;
        tracing::info!(loop = MEMBER.stage, partitions = self.lanes.len(), "revoked");
        self.pulse.works(self.lanes.len());
        self.tell_partitions();
        Ok(())
    }

    /// Takes a lane as far as it goes without waiting.
    fn step(&mut self, lane: &mut Lane, stop: &Stop) -> Result<(), Broken> {
        lane.gather(self.bounds);
        if let Some(frozen) = lane.freeze(self.bounds, stop.is_set()) {
            self.consumer.pause(&lane.at)?;
            lane.frozen = (Instant::now(), SystemTime::now());
            match frozen {
                Frozen::New(group) => lane.phase = Phase::Intending(Arc::new(group)),
                Frozen::Resumed(group) => self.insert(lane, Arc::new(group), true),
                Frozen::Changed(reason) => lane.stop(&self.consumer, self.pulse, &reason)?,
            }
        }
        if let Phase::Intending(group) = &lane.phase {
            let group = Arc::clone(group);
            let intent = group.intent(lane.committed).to_string();
            let skipped = faults::mutated("mutation.intent");
            if !skipped && !self.commit(lane, NextOffset(lane.committed), &intent)? {
                return Ok(());
            }
            faults::point("store.after_intent");
            let ask = group.last() < lane.ask_below;
            self.insert(lane, group, ask);
        }
        if let Phase::Inserting { group, task } = &mut lane.phase
            && task.is_finished()
        {
            let group = Arc::clone(group);
            if let Err(error) = self.runtime.block_on(task) {
                return Err(Broken::Again(format!("an insert ended by a bug: {error}")));
            }
            faults::point("store.before_commit");
            lane.phase = Phase::Committing(group);
        }
        if let Phase::Committing(group) = &lane.phase {
            let next = NextOffset::after(group.last());
            if !self.commit(lane, next, "")? {
                return Ok(());
            }
            self.deleter.delete_before(&lane.at, next);
            self.tell(lane, group, "committed");
            lane.committed = next.0;
            lane.phase = Phase::Gathering { group: Group::default(), since: Instant::now(), resumed: None };
            self.consumer.resume(&lane.at)?;
        }
        Ok(())
    }

    /// Commits; `false`: not yet, the same again at the next turn. A refusal may happen to a member that keeps the
    /// partition, so the frozen group stays; only a revoke drops it.
    fn commit(&mut self, lane: &Lane, next: NextOffset, metadata: &str) -> Result<bool, Broken> {
        match self.consumer.commit(&lane.at, next, metadata) {
            Ok(()) => {
                self.pulse.committed();
                outage::answered();
                self.refusals.passed(lane.at.partition);
                Ok(true)
            }
            Err(error) if ends_membership(&error) => Err(error.into()),
            Err(error) => {
                tracing::debug!(partition = lane.at.partition, %error, "commit is made again");
                self.refusals.refused(
                    lane.at.partition,
                    &error.to_string(),
                    outage::reason().is_some(),
                    Instant::now(),
                );
                std::thread::sleep(COMMIT_PAUSE);
                Ok(false)
            }
        }
    }

    fn insert(&self, lane: &mut Lane, group: Arc<Group>, resumed: bool) {
        let work =
            insert_group(Arc::clone(&self.target), Arc::clone(&group), lane.at.partition, lane.committed, resumed);
        let task = self.runtime.spawn(work);
        lane.phase = Phase::Inserting { group, task };
    }
}

/// Whether no later commit of this member would be taken: another has its name, or its user may not commit.
fn ends_membership(error: &KafkaError) -> bool {
    access::code_of(error).is_some_and(|code| {
        let is_gone = matches!(
            code,
            RDKafkaErrorCode::FencedInstanceId | RDKafkaErrorCode::UnknownMemberId | RDKafkaErrorCode::Fatal
        );
        is_gone || access::is_denial(code)
    })
}

impl Session<'_> {
    /// Ends what is in flight and waits for its end.
    fn cancel(&mut self, lane: &mut Lane) {
        self.refusals.forget(lane.at.partition);
        if let Phase::Inserting { task, .. } = &mut lane.phase {
            task.abort();
            let _ = self.runtime.block_on(task);
            self.target.trouble.forget(lane.at.partition);
        }
        if let Phase::Intending(group) | Phase::Inserting { group, .. } | Phase::Committing(group) = &lane.phase {
            self.tell(lane, group, "aborted");
        }
    }

    /// Tells what became of a group.
    fn tell(&self, lane: &Lane, group: &Group, outcome: &'static str) {
        let is_committed = outcome == "committed";
        metrics().transactions.add(1, &[MEMBER.stage, outcome]);
        if is_committed {
            metrics().transaction_duration.record(lane.frozen.0.elapsed().as_secs_f64(), &[MEMBER.stage]);
            metrics().consumed.add(group.records(), &[KAFKA, &self.names.0]);
        }
        TransactionSpan {
            stage: MEMBER.stage,
            group: &self.names.0,
            client: &self.names.1,
            topic: &lane.at.topic,
            records: group.records(),
            bytes: group.bytes() as u64,
            partitions: 1,
            outcome,
            is_error: !is_committed,
            begun: lane.frozen.1,
        }
        .end();
    }
}

/// What became of a run of records that is complete.
enum Frozen {
    New(Group),
    Resumed(Group),
    /// The records are not those of the intent.
    Changed(String),
}

impl Lane {
    /// Whether everything that came is in ClickHouse.
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && matches!(&self.phase, Phase::Gathering { group, .. } if group.is_empty())
    }

    /// The group in flight, in words.
    fn left(&self) -> Option<String> {
        let (Phase::Intending(group) | Phase::Inserting { group, .. } | Phase::Committing(group)) = &self.phase else {
            return None;
        };
        Some(format!("{}/{}: records {} to {}", self.at.topic, self.at.partition, self.committed, group.last()))
    }

    /// Whether its group has been on its way for so long that nothing was learned of its log meanwhile.
    fn is_held(&self) -> bool {
        self.is_in_flight() && self.frozen.0.elapsed() > END_EVERY
    }

    fn is_in_flight(&self) -> bool {
        matches!(self.phase, Phase::Intending(_) | Phase::Inserting { .. } | Phase::Committing(_))
    }

    fn stop(&mut self, consumer: &Consumer, pulse: &Pulse, reason: &str) -> Result<(), Broken> {
        super::stopped(pulse, &self.at, reason);
        self.phase = Phase::Stopped;
        consumer.pause(&self.at)?;
        Ok(())
    }

    /// Moves waiting records into the open group, as far as they fit.
    fn gather(&mut self, bounds: GroupBounds) {
        let Phase::Gathering { group, since, resumed } = &mut self.phase else { return };
        while let Some(record) = self.waiting.front() {
            let fits = match resumed {
                Some(intent) => record.offset <= intent.last,
                None if group.is_empty() => true,
                None => group.takes(record, bounds) && group.last() >= self.ask_below,
            };
            if !fits {
                return;
            }
            if group.is_empty() {
                *since = Instant::now();
            }
            group.extend(self.waiting.pop_front().expect("it has a front"));
        }
    }

    /// Takes the open group out when it is complete: large enough, old enough, or followed by what does not fit.
    fn freeze(&mut self, bounds: GroupBounds, stopping: bool) -> Option<Frozen> {
        let Phase::Gathering { group, since, resumed } = &mut self.phase else { return None };
        if let Some(intent) = resumed {
            let complete = !self.waiting.is_empty() || !group.is_empty() && group.last() >= intent.last;
            return complete.then(|| match group.intent(intent.first).is_of_the_same(intent) {
                true => Frozen::Resumed(std::mem::take(group)),
                false => Frozen::Changed(format!(
                    "the records {}-{} are not those whose insert was begun: the outbox was changed. Compare the rows \
                     of their blocks in ClickHouse, then move the offset of the group by hand",
                    intent.first, intent.last
                )),
            });
        }
        let age = since.elapsed() >= Duration::from_millis(bounds.age_ms);
        let due = group.bytes() >= bounds.bytes || age || !self.waiting.is_empty();
        // A stop begins nothing new: what was gathered stays in the outbox.
        (due && !group.is_empty() && !stopping).then(|| Frozen::New(std::mem::take(group)))
    }
}

fn gone(group: &str, offset: i64, low: i64, high: i64) -> String {
    format!(
        "committed offset {offset} is outside of the log ({low} to {high}): the outbox was made anew or cut. \
         Rows may be missing; stop store and move the offset of group {group} by hand (kafka-consumer-groups.sh)"
    )
}

/// Sends a group, table by table in a fixed order, until ClickHouse has it all. With `ask`, and after tries of so long
/// that tokens may be forgotten, ClickHouse is asked first whether it has the rows.
async fn insert_group(target: Arc<Target>, group: Arc<Group>, partition: i32, first: i64, ask: bool) {
    let begun = Instant::now();
    for (index, (table, block, body)) in group.tables().enumerate() {
        if index > 0 {
            faults::point("store.between_tables");
        }
        let (rows, oldest_ms) = group.told(table);
        let token = group.token(&target.cluster, &target.topic, partition, first, table, body);
        let body = Bytes::copy_from_slice(body);
        let mut backoff = Backoff::new(first as u64 ^ partition as u64);
        loop {
            let ask = ask || begun.elapsed() > TOKEN_TRUSTED;
            let sent = Instant::now();
            match insert_table(&target, table, block, &body, &token, ask).await {
                Ok(Done::Inserted) => {
                    metrics().inserts.add(1, &[table]);
                    metrics().rows.add(rows, &[table]);
                    metrics().insert_bytes.add(body.len() as u64, &[table]);
                    metrics().insert_duration.record(sent.elapsed().as_secs_f64(), &[table]);
                    break;
                }
                Ok(Done::Present) => break,
                Err(Refusal { code, reason, is_refused }) => {
                    metrics()
                        .insert_retries
                        .add(1, &[table, &code.map_or("no_answer".into(), |code| code.to_string())]);
                    target.trouble.failed(partition, table, &reason, is_refused);
                }
            }
            backoff.wait().await;
        }
        target.trouble.passed(partition);
        let now_ms = super::block_time_ms();
        metrics().row_delay.record_all(oldest_ms.iter().map(|oldest| (now_ms - oldest).max(0) as f64 / 1e3), &[table]);
    }
}

/// How a table's rows came to be in ClickHouse.
enum Done {
    Inserted,
    /// They were there already.
    Present,
}

/// Why they are not.
struct Refusal {
    /// ClickHouse's; `None`: it did not answer.
    code: Option<u32>,
    reason: String,
    /// ClickHouse will say the same again until its schema is mended.
    is_refused: bool,
}

async fn insert_table(
    target: &Target,
    table: &str,
    block: BlockName,
    body: &Bytes,
    token: &str,
    ask: bool,
) -> Result<Done, Refusal> {
    // ClickHouse forgets tokens after a while; the block's id is in the rows. One insert is one part, so that any
    // row of the first block means that all of the group are there.
    if ask {
        let present = target.client.block_present(table, &block.id, block.time_ms).await;
        let refused =
            |failure: ServerFailure| Refusal { code: failure.code, reason: failure.to_string(), is_refused: false };
        if present.map_err(refused)? {
            return Ok(Done::Present);
        }
    }
    let token = if faults::mutated("mutation.token") { &super::block_time_ms().to_string() } else { token };
    let inserted = target.client.insert(&target.proof, table, body.clone(), token).await;
    inserted.map_err(|error| Refusal {
        code: error.failure().code,
        reason: error.to_string(),
        is_refused: matches!(error, InsertError::Refused { .. }),
    })?;
    if table == "interactions" && faults::mutated("fault.answer_lost") {
        let reason = "the answer was lost, by a failpoint".into();
        return Err(Refusal { code: None, reason, is_refused: false });
    }
    Ok(Done::Inserted)
}

/// Waits that double up to a bound, each shortened by up to a half, so that two instances do not knock in step.
/// What shortens them is a counter's hash, since no more is needed.
struct Backoff {
    wait_ms: u64,
    seed: u64,
}

impl Backoff {
    fn new(seed: u64) -> Self {
        Backoff { wait_ms: BACKOFF_MS.0, seed }
    }

    async fn wait(&mut self) {
        self.seed = xxhash_rust::xxh3::xxh3_64(&self.seed.to_le_bytes());
        let shortened = self.wait_ms - self.seed % (self.wait_ms / 2);
        tokio::time::sleep(Duration::from_millis(shortened)).await;
        self.wait_ms = (self.wait_ms * 2).min(BACKOFF_MS.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_repetition_of_a_commit_mends_is_an_error() {
        use RDKafkaErrorCode::{
            CoordinatorLoadInProgress, Fatal, FencedInstanceId, GroupAuthorizationFailed, RebalanceInProgress,
            RequestTimedOut, TopicAuthorizationFailed, UnknownMemberId,
        };
        let table = [
            (FencedInstanceId, true),
            (UnknownMemberId, true),
            (Fatal, true),
            (GroupAuthorizationFailed, true),
            (TopicAuthorizationFailed, true),
            (RebalanceInProgress, false),
            (CoordinatorLoadInProgress, false),
            (RequestTimedOut, false),
        ];
        for (code, expected) in table {
            assert_eq!(ends_membership(&KafkaError::ConsumerCommit(code)), expected, "{code}");
        }
        let denied = Broken::from(KafkaError::ConsumerCommit(GroupAuthorizationFailed));
        assert!(matches!(denied, Broken::Denied(_)), "what is lacking is looked up");
    }
}
