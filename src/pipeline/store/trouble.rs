//! What is said while ClickHouse does not take rows: a line when it begins, an error when it lasts and then one a
//! minute, and a line when it is over, however many partitions wait.

use crate::admin::health::{Pulse, Wait};
use crate::telemetry::fold::Fold;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A group is held back when so many tries have failed; one that succeeds at the second try is nothing to wake for.
const TRIES: u64 = 3;

/// The outbox partitions whose groups fail.
pub struct Trouble {
    pulse: Pulse,
    /// Where ClickHouse is.
    url: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of single failures, and of an outage that somebody has to look at.
    passing: Fold,
    lasting: Fold,
    since: Option<Instant>,
    /// Tries by partition.
    tries: BTreeMap<i32, u64>,
}

impl Trouble {
    pub fn new(pulse: Pulse, url: &str) -> Self {
        Trouble { pulse, url: url.to_owned(), state: Mutex::default() }
    }

    /// A try has failed and is made again. What is refused will be refused until somebody acts.
    pub fn failed(&self, partition: i32, table: &str, reason: &str, is_refused: bool) {
        let now = Instant::now();
        let mut state = self.state();
        state.since.get_or_insert(now);
        let tries = state.tries.entry(partition).or_default();
        *tries += 1;
        let lasts = is_refused || *tries >= TRIES;
        let clickhouse = &self.url;
        if lasts {
            self.pulse.held(partition, Some(Wait::Clickhouse { partition, reason: reason.to_owned() }));
            if let Some(held_back) = state.lasting.admit(now) {
                tracing::error!(
                    clickhouse,
                    table,
                    partition,
                    reason,
                    held_back,
                    "rows wait in the outbox; detect, score and alerts go on"
                );
            }
        } else if let Some(held_back) = state.passing.admit(now) {
            tracing::warn!(clickhouse, table, partition, reason, held_back, "an insert is made again");
        }
    }

    /// A table's rows are there.
    pub fn passed(&self, partition: i32) {
        let mut state = self.state();
        if state.tries.remove(&partition).is_none() {
            return;
        }
        self.pulse.held(partition, None);
        if state.tries.is_empty() {
            let lasted_s = state.since.map_or(0, |since| since.elapsed().as_secs());
            *state = State::default();
            tracing::info!(lasted_s, "ClickHouse takes rows again");
        }
    }

    /// A partition is let go, whatever became of its group.
    pub fn forget(&self, partition: i32) {
        let mut state = self.state();
        if state.tries.remove(&partition).is_some() && state.tries.is_empty() {
            *state = State::default();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::tests::log_of;

    #[test]
    fn a_trouble_after_one_that_was_let_go_is_a_new_one() {
        let trouble = Trouble::new(Pulse::unheard("store"), "http://clickhouse:8123");
        let refused = || log_of(|| trouble.failed(3, "findings", "no", true));
        assert!(refused().contains("ERROR rows wait in the outbox"));
        assert_eq!(refused(), "", "the same within a minute is folded");
        trouble.forget(3);
        assert!(trouble.state().since.is_none());
        let again = refused();
        assert!(again.contains("ERROR") && again.contains("held_back=0"), "{again}");
        assert!(log_of(|| trouble.passed(3)).contains("ClickHouse takes rows again lasted_s=0"));
    }
}
