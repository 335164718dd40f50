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
        self.state().tries.remove(&partition);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
