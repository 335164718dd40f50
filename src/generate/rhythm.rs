//! When calls happen: more by day than by night, fewer at weekends. Whole numbers only, so that every machine
//! gives the same times.

use super::random::Random;

/// Weight of each hour of the day, UTC.
const HOURS: [u64; 24] = [4, 3, 3, 3, 4, 8, 20, 45, 80, 100, 105, 95, 70, 90, 105, 100, 85, 60, 35, 22, 16, 12, 8, 5];

/// The busiest hour against the mean of all, rounded up: what a rate has to leave room for.
pub(super) const PEAK: u64 = 4;

const HOUR_MS: i64 = 3_600_000;

/// How finely a call is placed within its share of the traffic.
const JITTER: u64 = 1 << 16;

/// A given number of ascending times between two instants.
pub(super) struct Rhythm {
    count: u64,
    placed: u64,
    /// Weighted length of the whole span.
    total: u128,
    /// The stretch of one weight that is reached: its start and end, and the weighted length before it.
    start_ms: i64,
    stop_ms: i64,
    before: u128,
    end_ms: i64,
}

impl Rhythm {
    pub(super) fn new(count: u64, start_ms: i64, end_ms: i64) -> Self {
        let mut total = 0;
        let mut at = start_ms;
        while at < end_ms {
            let stop = stretch_end(at, end_ms);
            total += weighted(at, stop);
            at = stop;
        }
        Rhythm { count, placed: 0, total, start_ms, stop_ms: stretch_end(start_ms, end_ms), before: 0, end_ms }
    }

    /// The next time: each call has an equal share of the weighted span, and stands somewhere within it.
    pub(super) fn next(&mut self, random: &mut Random) -> Option<i64> {
        if self.placed == self.count {
            return None;
        }
        let place = u128::from(self.placed) * u128::from(JITTER) + u128::from(random.below(JITTER));
        let target = self.total * place / (u128::from(self.count) * u128::from(JITTER));
        self.placed += 1;
        while self.before + weighted(self.start_ms, self.stop_ms) <= target && self.stop_ms < self.end_ms {
            self.before += weighted(self.start_ms, self.stop_ms);
            self.start_ms = self.stop_ms;
            self.stop_ms = stretch_end(self.start_ms, self.end_ms);
        }
        Some(self.start_ms + ((target - self.before) / weight(self.start_ms)) as i64)
    }
}

/// The end of the hour that `at` falls into, but not past `end_ms`.
fn stretch_end(at: i64, end_ms: i64) -> i64 {
    ((at.div_euclid(HOUR_MS) + 1) * HOUR_MS).min(end_ms)
}

fn weighted(start_ms: i64, stop_ms: i64) -> u128 {
    (stop_ms - start_ms) as u128 * weight(start_ms)
}

fn weight(at_ms: i64) -> u128 {
    let hours = at_ms.div_euclid(HOUR_MS);
    // 1970-01-01 was a Thursday: days 2 and 3 of each week from then are a weekend.
    let is_weekend = matches!(hours.div_euclid(24).rem_euclid(7), 2 | 3);
    let weight = HOURS[hours.rem_euclid(24) as usize];
    u128::from(if is_weekend { weight.div_ceil(4) } else { weight })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_ascend_within_the_span_and_follow_the_day() {
        // A Monday, from midnight to midnight.
        let (start, end) = (1_772_409_600_000, 1_772_496_000_000);
        let mut random = Random::new(1);
        let mut rhythm = Rhythm::new(5_000, start, end);
        let times: Vec<i64> = std::iter::from_fn(|| rhythm.next(&mut random)).collect();
        assert_eq!(times.len(), 5_000);
        assert!(times.is_sorted() && times[0] >= start && times[4_999] < end);
        let by_hour = |hour: i64| times.iter().filter(|time| (**time - start) / HOUR_MS == hour).count();
        assert!(by_hour(10) > 15 * by_hour(2));
    }

    #[test]
    fn the_peak_is_told_right() {
        let mean = HOURS.iter().sum::<u64>() / 24;
        assert!(HOURS.iter().all(|weight| *weight <= mean * PEAK));
    }
}
