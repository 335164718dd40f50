//! What is said while the brokers refuse commits: nothing for a moment, since rebalances and moving coordinators do that
//! to everybody, then an error and one a minute, and a line when it is over.

use crate::admin::health::{Pulse, Wait};
use crate::telemetry::fold::Fold;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long refusals of a partition's commit are nothing to wake for. A rebalance takes less, and so does a coordinator
/// that reads its offsets after it has moved.
const PATIENCE: Duration = Duration::from_secs(10);

/// The outbox partitions whose commits are refused.
pub struct Refusals {
    pulse: Pulse,
    fold: Fold,
    /// Since when, by partition.
    since: BTreeMap<i32, Instant>,
    /// Whether an error was said.
    is_told: bool,
}

impl Refusals {
    pub fn new(pulse: Pulse) -> Self {
        Refusals { pulse, fold: Fold::default(), since: BTreeMap::new(), is_told: false }
    }

    /// A commit was refused and is made again. While the brokers are away that is said already, and the patience
    /// begins when they are back.
    pub fn refused(&mut self, partition: i32, reason: &str, is_outage: bool, now: Instant) {
        if is_outage {
            self.since.insert(partition, now);
            return;
        }
        let since = *self.since.entry(partition).or_insert(now);
        let refused_for = now.saturating_duration_since(since);
        if refused_for < PATIENCE {
            return;
        }
        self.pulse.held(partition, Some(Wait::Commit { partition, reason: reason.to_owned() }));
        if let Some(held_back) = self.fold.admit(now) {
            self.is_told = true;
            let since_s = refused_for.as_secs();
            tracing::error!(
                partition,
                reason,
                since_s,
                held_back,
                "Kafka takes no commits of store; rows wait in the outbox, detect, score and alerts go on"
            );
        }
    }

    /// A commit was taken.
    pub fn passed(&mut self, partition: i32) {
        if self.since.remove(&partition).is_none() {
            return;
        }
        self.pulse.held(partition, None);
        if self.since.is_empty() && std::mem::take(&mut self.is_told) {
            self.fold = Fold::default();
            tracing::info!("Kafka takes commits of store again");
        }
    }

    /// A partition is let go, whatever became of its commit.
    pub fn forget(&mut self, partition: i32) {
        self.since.remove(&partition);
        if self.since.is_empty() {
            (self.fold, self.is_told) = (Fold::default(), false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::health::Health;
    use crate::telemetry::tests::log_of;

    #[test]
    fn what_lasts_is_told_once_and_seen() {
        let health = Health::default();
        let pulse = health.join("store", 0);
        pulse.works(2);
        let mut refusals = Refusals::new(pulse);
        let begun = Instant::now();
        let refused = |refusals: &mut Refusals, partition, second, is_outage| {
            refusals.refused(partition, "no", is_outage, begun + Duration::from_secs(second));
        };
        let quiet = log_of(|| {
            // Brokers that are away, and then a moment of refusals.
            refused(&mut refusals, 0, 0, true);
            refused(&mut refusals, 0, 50, true);
            refused(&mut refusals, 0, 59, false);
        });
        assert!(quiet.is_empty() && health.ready(Instant::now())[0].ready, "{quiet}");
        let told = log_of(|| (60..90).for_each(|second| refused(&mut refusals, second as i32 % 2, second, false)));
        assert_eq!(told.matches("ERROR Kafka takes no commits of store").count(), 1, "{told}");
        let waits: Vec<Wait> = (0..2).map(|partition| Wait::Commit { partition, reason: "no".into() }).collect();
        assert_eq!(health.ready(Instant::now())[0].waits_for, waits);
        let over = log_of(|| (0..2).for_each(|partition| refusals.passed(partition)));
        assert_eq!(over.matches("again").count(), 1, "{over}");
        assert!(health.ready(Instant::now())[0].ready);
        let again = log_of(|| [100, 111].into_iter().for_each(|second| refused(&mut refusals, 1, second, false)));
        assert_eq!(again.lines().count(), 1, "a later trouble is told at once: {again}");
        refusals.forget(1);
        assert!(log_of(|| refusals.passed(1)).is_empty());
    }
}
