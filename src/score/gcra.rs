//! The generic cell rate algorithm, as governor does it, over a cell that lives in the principal's state and a
//! clock that is event time.
//!
//! A cell is governor's own: the theoretical arrival time (TAT) in nanoseconds since the epoch, at which it is
//! full again. Here is nothing that keeps a cell, and nothing that reads a clock.

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

/// Latest time that the algorithm sees, in ms since the epoch (the year 2255): what it adds to a time then stays
/// within 64 bits of nanoseconds. Kafka does not check the timestamps that producers give.
pub const TIME_MAX_MS: i64 = 9_000_000_000_000;

/// Most units that may be had at once from a quota of [`Gcra::every`].
pub const BURST_MAX: u32 = 100;

/// Longest interval of [`Gcra::every`], in ms: a year.
pub const EVERY_MAX_MS: u64 = 366 * 24 * 60 * 60 * 1_000;

pub(super) const NS_PER_MS: u64 = 1_000_000;
const NS_PER_MINUTE: u64 = 60_000 * NS_PER_MS;

/// Latest TAT that a cell can hold, in ns: the latest time and the longest way to full from there.
pub const TAT_MAX_NS: u64 = TIME_MAX_MS as u64 * NS_PER_MS + BURST_MAX as u64 * EVERY_MAX_MS * NS_PER_MS;

const _: () = assert!(BURST_MAX as u64 * EVERY_MAX_MS > NS_PER_MINUTE / NS_PER_MS, "a minute's quota is the shorter");
const _: () = assert!(TAT_MAX_NS < u64::MAX - EVERY_MAX_MS * NS_PER_MS, "governor adds one interval to a TAT");

/// Event time in ms as the algorithm's clock in ns. Times before the epoch are 0.
pub fn clock_ns(time_ms: i64) -> u64 {
    time_ms.clamp(0, TIME_MAX_MS).unsigned_abs() * NS_PER_MS
}

/// How many units may be had at once, and how fast they come back.
#[derive(Clone, Copy, Debug)]
pub struct Gcra(Quota);

impl Gcra {
    /// `limit` units at once, replenished evenly over a minute. As `Quota::per_minute`, without its division of
    /// 128 bits, since this is done for every interaction.
    pub fn per_minute(limit: NonZeroU32) -> Self {
        Gcra::new(limit, Duration::from_nanos(NS_PER_MINUTE / u64::from(limit.get())))
    }

    /// `burst` units at once and one more every `every_ms`, within [`BURST_MAX`] and [`EVERY_MAX_MS`].
    pub fn every(burst: u32, every_ms: u64) -> Self {
        let burst = NonZeroU32::new(burst.min(BURST_MAX)).unwrap_or(NonZeroU32::MIN);
        Gcra::new(burst, Duration::from_millis(every_ms.clamp(1, EVERY_MAX_MS)))
    }

    /// The interval in which one more unit comes back, in whole ms.
    pub fn interval_ms(self) -> i64 {
        self.0.replenish_interval().as_millis() as i64
    }

    fn new(burst: NonZeroU32, one_per: Duration) -> Self {
        let quota = Quota::with_period(one_per).expect("a limit of 32 bits leaves 13 ns a unit, and an interval 1 ms");
        Gcra(quota.allow_burst(burst))
    }

    /// Takes `units` from the cell at `now_ns`, or takes nothing and says no: when they are not there yet, and
    /// when they are more than can ever be there.
    pub fn take(self, tat_ns: &mut u64, units: u64, now_ns: u64) -> bool {
        let Ok(units) = u32::try_from(units) else { return false };
        // governor multiplies before it compares with the burst, which 64 bits would not hold for every number.
        let Some(units) = NonZeroU32::new(units.min(self.0.burst_size().get().saturating_add(1))) else { return true };
        let clock = EventClock(Cell::new(0));
        let limiter = RateLimiter::<NotKeyed, TheCell, EventClock, NoOpMiddleware<Nanos>>::new(
            self.0,
            TheCell(Cell::new(*tat_ns)),
            clock,
        );
        limiter.clock().0.set(now_ns);
        let taken = matches!(limiter.check_n(units), Ok(Ok(())));
        *tat_ns = limiter.into_state_store().0.get();
        taken
    }
}

/// Starts at 0, so that what governor keeps counts from the epoch; then stands at the event's time.
struct EventClock(Cell<u64>);

impl Clock for EventClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.get())
    }
}

/// The one cell, while it is looked at.
struct TheCell(Cell<u64>);

impl StateStore for TheCell {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // A TAT of 0 is long past, which governor treats as it treats a cell that was never used.
        let (outcome, next) = decide(Some(Nanos::from(self.0.get())))?;
        self.0.set(next.as_u64());
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T0: i64 = 1_766_000_000_000;

    #[test]
    fn a_burst_of_the_limit_passes_and_nothing_is_taken_by_a_denial() {
        let gcra = Gcra::per_minute(NonZeroU32::new(3).unwrap());
        let mut tat = 0;
        let takes: Vec<bool> = (0..5).map(|_| gcra.take(&mut tat, 1, clock_ns(T0))).collect();
        assert_eq!(takes, [true, true, true, false, false]);
        assert_eq!(tat, clock_ns(T0 + 60_000), "full again a minute after the burst");
        assert!(!gcra.take(&mut tat, 1, clock_ns(T0 + 19_999)));
        assert!(gcra.take(&mut tat, 1, clock_ns(T0 + 20_000)));
    }

    #[test]
    fn more_than_the_burst_is_never_there() {
        for limit in [1, 7, u32::MAX - 1] {
            let gcra = Gcra::per_minute(NonZeroU32::new(limit).unwrap());
            let mut tat = 0;
            assert!(!gcra.take(&mut tat, u64::from(limit) + 1, clock_ns(T0)));
            assert!(!gcra.take(&mut tat, u64::MAX, clock_ns(T0)));
            assert_eq!(tat, 0);
            assert!(gcra.take(&mut tat, u64::from(limit), clock_ns(T0)));
            assert!(gcra.take(&mut tat, 0, clock_ns(T0)));
        }
    }

    proptest! {
        /// The same decisions and cells as a model in wide integers, at every time and quota that can occur.
        #[test]
        fn it_is_gcra(
            limit in prop_oneof![1..100u32, any::<u32>()],
            steps in proptest::collection::vec((prop_oneof![0..90_000i64, any::<i64>()], prop_oneof![0..50u64, any::<u64>()]), 1..50),
        ) {
            let limit = limit.max(1);
            let gcra = Gcra::per_minute(NonZeroU32::new(limit).unwrap());
            let unit = i128::from(NS_PER_MINUTE / u64::from(limit));
            let (mut tat, mut model, mut now) = (0u64, 0i128, 0i64);
            for (forward_ms, units) in steps {
                now = now.saturating_add(forward_ms.saturating_abs()).min(TIME_MAX_MS);
                let now_ns = i128::from(clock_ns(now));
                let next = model.max(now_ns) + unit * i128::from(units);
                let fits = next <= now_ns + unit * i128::from(limit);
                if fits && units > 0 {
                    model = next;
                }
                prop_assert_eq!(gcra.take(&mut tat, units, clock_ns(now)), fits || units == 0);
                prop_assert_eq!(i128::from(tat), model);
                prop_assert!(tat <= TAT_MAX_NS);
            }
        }
    }
}
