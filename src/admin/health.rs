//! What the loops say of themselves: that they move, and what each waits for.
//!
//! A loop writes its own [`Pulse`] and reads nobody's. It says more only when something changes: the beat of a turn is
//! one store of a number, and all else happens at rebalances and outages.

use crate::kafka::{TopicPartition, outage};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A loop without a sign of life for so long hangs. Far beyond what any one step may take: a request to a broker that
/// does not answer takes 30 s, and a member that does not poll for 120 s is out of its group anyway.
pub const HUNG_AFTER: Duration = Duration::from_secs(180);

/// A step that took so long is a pause of the process or of its machine: the broker may have ended its transaction.
const STALL: Duration = Duration::from_millis(crate::limits::TRANSACTION_TIMEOUT_MS / 2);

/// A loop without a sign of life for so long is not ready: a call does not come back, to brokers that are paused, say,
/// of which no connection has failed yet. Far more than an idle poll takes.
const SILENT_AFTER: Duration = Duration::from_secs(10);

/// Every loop of this process. Clones share it.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<Vec<Pulse>>>);

/// One loop's voice. Clones are the same loop's.
#[derive(Clone)]
pub struct Pulse(Arc<Inner>);

struct Inner {
    stage: &'static str,
    thread: usize,
    begun: Instant,
    /// When the last turn began, the last step that was a stall ended, and the last commit was made, in ms since `begun`.
    beat_ms: AtomicU64,
    stalled_ms: AtomicU64,
    commit_ms: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None`: it works.
    waits_for: Option<Wait>,
    partitions: usize,
    stopped: BTreeMap<TopicPartition, String>,
    /// What the groups of outbox partitions wait for.
    held: BTreeMap<i32, Wait>,
    ended: bool,
}

/// What a whole loop waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Wait {
    /// Its clients are opened.
    Start,
    /// They are closed after an error, and opened anew.
    Restart { reason: String },
    /// The brokers do not answer.
    Kafka { reason: String },
    /// Its group gives out partitions.
    Assignment,
    /// State is read back.
    Restore { topic: String, partition: i32 },
    /// ClickHouse's tables are not as they should be, or it does not say.
    Schema { reason: String },
    /// A group that ClickHouse does not take yet; the loop goes on trying.
    Clickhouse { partition: i32, reason: String },
    /// A commit of an outbox partition that the brokers refuse; the loop goes on trying.
    Commit { partition: i32, reason: String },
    /// Somebody has to act before this partition goes on.
    StoppedPartition { topic: String, partition: i32, reason: String },
    /// What it asked brokers or ClickHouse for is not answered, nor refused.
    Answer { silent_ms: u64 },
    /// The process ends.
    End,
}

/// A loop as `/ready` shows it.
#[derive(Debug, PartialEq, Serialize)]
pub struct LoopReady {
    #[serde(rename = "loop")]
    pub stage: &'static str,
    pub thread: usize,
    pub ready: bool,
    pub partitions: usize,
    pub waits_for: Vec<Wait>,
}

/// A loop as `/live` shows it.
#[derive(Debug, PartialEq, Serialize)]
pub struct LoopLive {
    #[serde(rename = "loop")]
    pub stage: &'static str,
    pub thread: usize,
    pub live: bool,
    /// Since its last turn.
    pub silent_ms: u64,
}

impl Health {
    /// A new loop.
    pub fn join(&self, stage: &'static str, thread: usize) -> Pulse {
        let state = State { waits_for: Some(Wait::Start), ..State::default() };
        let pulse = Pulse(Arc::new(Inner {
            stage,
            thread,
            begun: Instant::now(),
            beat_ms: AtomicU64::new(0),
            stalled_ms: AtomicU64::new(0),
            commit_ms: AtomicU64::new(0),
            state: Mutex::new(state),
        }));
        self.pulses().push(pulse.clone());
        pulse
    }

    /// Whether each loop moves. One that has ended is not missed: then the process ends too.
    pub fn live(&self, now: Instant) -> Vec<LoopLive> {
        let pulses = self.pulses();
        let running = pulses.iter().filter(|pulse| !pulse.state().ended);
        running.map(|pulse| pulse.live(now)).collect()
    }

    /// Whether each loop works, and else why not.
    pub fn ready(&self, now: Instant) -> Vec<LoopReady> {
        self.pulses().iter().map(|pulse| pulse.ready(outage::reason(), now)).collect()
    }

    /// The loops that have not ended.
    pub fn running(&self) -> Vec<String> {
        let pulses = self.pulses();
        let running = pulses.iter().filter(|pulse| !pulse.state().ended);
        running.map(|pulse| format!("{} {}", pulse.0.stage, pulse.0.thread)).collect()
    }

    fn pulses(&self) -> MutexGuard<'_, Vec<Pulse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// A loop that nobody asks about, for commands and tests that run a stage by themselves.
    pub fn unheard(stage: &'static str) -> Self {
        Health::default().join(stage, 0)
    }

    /// A sign of life.
    pub fn beat(&self) {
        let now_ms = self.now_ms();
        let before_ms = self.0.beat_ms.swap(now_ms, Ordering::Relaxed);
        if now_ms - before_ms.min(now_ms) > STALL.as_millis() as u64 {
            self.0.stalled_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// The broker has taken a commit, or opened the loop's clients: nobody else had its name then.
    pub fn committed(&self) {
        self.beat();
        self.0.commit_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Whether a fencing has another reason than a second process of the same name: since the broker last took
    /// something, it was away, or this process stood still for so long that its transaction or session ran out.
    pub fn may_be_fenced(&self) -> bool {
        let commit_ms = self.0.commit_ms.load(Ordering::Relaxed);
        self.beat();
        self.0.stalled_ms.load(Ordering::Relaxed) > commit_ms
            || outage::was_on_since(self.0.begun + Duration::from_millis(commit_ms))
    }

    pub fn waits(&self, wait: Wait) {
        self.beat();
        self.state().waits_for = Some(wait);
    }

    /// It works on so many partitions.
    pub fn works(&self, partitions: usize) {
        self.beat();
        let mut state = self.state();
        (state.waits_for, state.partitions) = (None, partitions);
    }

    /// A partition stands still until somebody acts.
    pub fn stopped(&self, at: &TopicPartition, reason: &str) {
        self.state().stopped.insert(at.clone(), reason.to_owned());
    }

    /// A partition is let go.
    pub fn forgets(&self, at: &TopicPartition) {
        let mut state = self.state();
        state.stopped.remove(at);
        state.held.remove(&at.partition);
    }

    /// All partitions are let go.
    pub fn forgets_all(&self) {
        let mut state = self.state();
        state.stopped.clear();
        state.held.clear();
        state.partitions = 0;
    }

    /// The group of an outbox partition waits for this; `None`: for nothing any more.
    pub fn held(&self, partition: i32, wait: Option<Wait>) {
        let mut state = self.state();
        match wait {
            Some(wait) => state.held.insert(partition, wait),
            None => state.held.remove(&partition),
        };
    }

    /// Runs the loop; whatever it ends with, it has ended then.
    pub fn until_end<T>(&self, body: impl FnOnce(&Pulse) -> T) -> T {
        let outcome = body(self);
        self.state().ended = true;
        outcome
    }

    /// How many of its partitions are stopped.
    pub fn stopped_count(&self) -> usize {
        self.state().stopped.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole, so a holder that panicked has left nothing half done.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        self.0.begun.elapsed().as_millis() as u64
    }

    /// For how long there was no sign of life.
    fn silent(&self, now: Instant) -> Duration {
        let beat = self.0.begun + Duration::from_millis(self.0.beat_ms.load(Ordering::Relaxed));
        now.saturating_duration_since(beat)
    }

    fn live(&self, now: Instant) -> LoopLive {
        let silent = self.silent(now);
        let Inner { stage, thread, .. } = *self.0;
        LoopLive { stage, thread, live: silent < HUNG_AFTER, silent_ms: silent.as_millis() as u64 }
    }

    fn ready(&self, outage: Option<String>, now: Instant) -> LoopReady {
        let state = self.state();
        let mut waits_for = Vec::new();
        if state.ended {
            waits_for.push(Wait::End);
        } else {
            waits_for.extend(state.waits_for.clone());
            waits_for.extend(outage.map(|reason| Wait::Kafka { reason }));
            let silent = self.silent(now);
            if waits_for.is_empty() && silent >= SILENT_AFTER {
                waits_for.push(Wait::Answer { silent_ms: silent.as_millis() as u64 });
            }
        }
        waits_for.extend(state.stopped.iter().map(|(at, reason)| Wait::StoppedPartition {
            topic: at.topic.clone(),
            partition: at.partition,
            reason: reason.clone(),
        }));
        waits_for.extend(state.held.values().cloned());
        let Inner { stage, thread, .. } = *self.0;
        LoopReady { stage, thread, ready: waits_for.is_empty(), partitions: state.partitions, waits_for }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> TopicPartition {
        TopicPartition { topic: "weir.facts".into(), partition }
    }

    #[test]
    fn a_loop_is_ready_when_nothing_is_waited_for() {
        let health = Health::default();
        let pulse = health.join("score", 0);
        let waits = || health.ready(Instant::now())[0].waits_for.clone();
        assert_eq!(waits(), [Wait::Start]);
        pulse.waits(Wait::Assignment);
        assert_eq!(waits(), [Wait::Assignment]);
        pulse.works(2);
        assert!(health.ready(Instant::now())[0].ready);
        pulse.stopped(&at(1), "no");
        pulse.held(3, Some(Wait::Clickhouse { partition: 3, reason: "code 252".into() }));
        pulse.held(4, Some(Wait::Commit { partition: 4, reason: "no".into() }));
        assert_eq!(
            serde_json::to_value(&health.ready(Instant::now())[0]).unwrap(),
            serde_json::json!({"loop": "score", "thread": 0, "ready": false, "partitions": 2, "waits_for": [
                {"what": "stopped_partition", "topic": "weir.facts", "partition": 1, "reason": "no"},
                {"what": "clickhouse", "partition": 3, "reason": "code 252"},
                {"what": "commit", "partition": 4, "reason": "no"},
            ]})
        );
        pulse.held(3, None);
        pulse.held(4, None);
        pulse.forgets(&at(1));
        assert!(health.ready(Instant::now())[0].ready);
        pulse.until_end(|_| ());
        assert_eq!(waits(), [Wait::End]);
    }

    #[test]
    fn a_loop_that_does_not_move_is_not_ready() {
        let health = Health::default();
        health.join("store", 0).works(1);
        let now = Instant::now();
        assert!(health.ready(now + SILENT_AFTER / 2)[0].ready);
        let late = &health.ready(now + SILENT_AFTER * 2)[0];
        assert!(!late.ready && matches!(late.waits_for[..], [Wait::Answer { silent_ms: 20_000.. }]));
        assert!(health.live(now + SILENT_AFTER * 2)[0].live);
    }

    #[test]
    fn only_silence_for_long_is_a_hang() {
        let health = Health::default();
        let pulse = health.join("detect", 1);
        pulse.waits(Wait::Restore { topic: "weir.state".into(), partition: 0 });
        let now = Instant::now();
        assert!(health.live(now + HUNG_AFTER / 2)[0].live, "a loop that waits is alive");
        assert!(!health.live(now + HUNG_AFTER + Duration::from_secs(1))[0].live);
        pulse.until_end(|_| ());
        assert!(health.live(now + HUNG_AFTER * 2).is_empty(), "one that has ended is not missed");
    }
}
