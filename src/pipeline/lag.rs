//! What a loop has before it, and whether somebody's undecided transaction holds it back: by what librdkafka learned
//! with its last fetches, so that no broker is asked for it.

use crate::kafka::TopicPartition;
use crate::kafka::reach::Reach;
use crate::limits;
use crate::telemetry::metrics;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A last stable offset that stands still for so long is not a transaction that is just being decided: the broker
/// aborts those after their timeout. This is twice weir's own; capture points that write in transactions may have
/// longer ones.
const STUCK_AFTER: Duration = Duration::from_millis(2 * limits::TRANSACTION_TIMEOUT_MS);

/// The partitions of one loop's thread.
pub struct Lag {
    stage: &'static str,
    stable: HashMap<TopicPartition, Stable>,
}

/// A last stable offset below the end of its log.
struct Stable {
    offset: i64,
    since: Instant,
    told: bool,
}

impl Lag {
    pub fn new(stage: &'static str) -> Self {
        Lag { stage, stable: HashMap::new() }
    }

    /// Takes what was learned of a partition. `next` is where the loop goes on when something that it has read is not
    /// done yet; `is_paused`: nothing is fetched, so that standing still means nothing.
    pub fn update(&mut self, reach: &Reach, next: Option<i64>, is_paused: bool, now: Instant) {
        let Reach { at, end, stable, position } = reach;
        let partition = at.partition.to_string();
        let labels = [self.stage, &at.topic, &partition];
        metrics().lag.set((end - next.unwrap_or(*position)).max(0) as f64, &labels);
        if stable >= end || is_paused {
            if self.stable.remove(at).is_some_and(|known| known.told) {
                tracing::info!(loop = self.stage, topic = at.topic, partition = at.partition, "goes on: nothing undecided is left");
            }
            metrics().stable_age.set(0.0, &labels);
            return;
        }
        let known = self.stable.entry(at.clone()).or_insert(Stable { offset: *stable, since: now, told: false });
        if known.offset != *stable {
            *known = Stable { offset: *stable, since: now, told: false };
        }
        let age = now.saturating_duration_since(known.since);
        metrics().stable_age.set(age.as_secs_f64(), &labels);
        if age > STUCK_AFTER && !std::mem::replace(&mut known.told, true) {
            let (topic, partition) = (&at.topic, at.partition);
            let remedy = format!(
                "`kafka-transactions.sh --bootstrap-server HOST:PORT describe-producers --topic {topic} --partition \
                 {partition}` names its producer; if that is gone, `kafka-transactions.sh --bootstrap-server HOST:PORT \
                 abort --topic {topic} --partition {partition} --start-offset {stable}` ends it"
            );
            let (held_back, age_s) = (end - stable, age.as_secs());
            tracing::error!(
                loop = self.stage,
                topic,
                partition,
                last_stable_offset = stable,
                held_back,
                age_s,
                remedy,
                "an undecided transaction holds back everything after it"
            );
        }
    }

    /// A partition is let go.
    pub fn forget(&mut self, at: &TopicPartition) {
        self.stable.remove(at);
        let partition = at.partition.to_string();
        let labels = [self.stage, &*at.topic, &*partition];
        metrics().lag.remove(&labels);
        metrics().stable_age.remove(&labels);
    }
}
