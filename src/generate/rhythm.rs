//! When calls happen: people work by day and rest at weekends, jobs run by night, services hum along. Or, when a
//! test wants it so, at a steady rate or at times that were measured somewhere. Whole numbers only, so that every
//! machine gives the same times.

use super::random::Random;
use std::num::NonZeroU32;
use std::sync::Arc;

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
const WEEK_HOURS: usize = 7 * 24;

/// Weight of each hour of a day at work, in local time: little before eight, a dip at noon, some in the evening.
const OFFICE: [u32; 24] = [0, 0, 0, 0, 0, 1, 4, 30, 80, 105, 110, 95, 55, 90, 110, 105, 85, 50, 20, 10, 8, 5, 2, 1];

/// Of jobs that have to be done by the morning.
const NIGHT: [u32; 24] = [90, 110, 110, 105, 80, 40, 10, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 5, 10, 30, 60];

/// Of services, whatever the hour: as much as the others have on average.
const STEADY: u32 = 40;

/// How finely a call is placed within its share of the traffic.
const JITTER: u64 = 1 << 16;

/// When a principal is at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Habit {
    /// Office hours, so many hours ahead of UTC; next to nothing at weekends.
    Office { ahead_hours: i8 },
    /// From the late evening to the morning, weekends included.
    Night,
    /// Around the clock.
    Steady,
}

/// A weight for each hour of the week, beginning on the epoch's day, a Thursday, at midnight UTC.
#[derive(Clone)]
pub(super) struct Week([u64; WEEK_HOURS]);

impl Week {
    pub(super) const EMPTY: Week = Week([0; WEEK_HOURS]);

    /// Adds so much of a habit.
    pub(super) fn add(&mut self, habit: Habit, mass: u64) {
        for (hour, weight) in self.0.iter_mut().enumerate() {
            *weight += mass * u64::from(habit.weight(hour as i64));
        }
    }

    pub(super) fn at(&self, time_ms: i64) -> u64 {
        self.0[time_ms.div_euclid(HOUR_MS).rem_euclid(WEEK_HOURS as i64) as usize]
    }
}

impl Habit {
    /// Its weight in an hour since the epoch, UTC.
    fn weight(self, hour: i64) -> u32 {
        match self {
            Habit::Steady => STEADY,
            Habit::Night => NIGHT[hour.rem_euclid(24) as usize],
            Habit::Office { ahead_hours } => {
                let local = hour + i64::from(ahead_hours);
                let weight = OFFICE[local.rem_euclid(24) as usize];
                // Days 2 and 3 of each week from the epoch's Thursday are a weekend.
                let is_weekend = matches!(local.div_euclid(24).rem_euclid(7), 2 | 3);
                if is_weekend { weight.div_ceil(12) } else { weight }
            }
        }
    }
}

/// A call that was measured somewhere: when, and how many tokens there were, if that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// In ms since the epoch.
    pub time_ms: i64,
    /// Tokens to and from the model.
    pub tokens: Option<[u32; 2]>,
}

/// When ordinary calls arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// By the habits of the principals, over the whole span.
    Habits,
    /// So many a second from the start of the span on, evenly.
    Steady { per_second: NonZeroU32 },
    /// At these times, which must not fall. The span is of no account.
    Given(Arc<[Arrival]>),
}

/// The times of ordinary calls, one after the other.
pub(super) enum Clock {
    Habits(Rhythm),
    Steady { start_ms: i64, per_second: NonZeroU32, placed: u64, count: u64 },
    Given { arrivals: Arc<[Arrival]>, placed: usize },
}

impl Clock {
    pub(super) fn next(&mut self, random: &mut Random) -> Option<Arrival> {
        match self {
            Clock::Habits(rhythm) => rhythm.next(random).map(|time_ms| Arrival { time_ms, tokens: None }),
            Clock::Steady { start_ms, per_second, placed, count } => {
                let time_ms = *start_ms + (*placed * 1_000 / u64::from(per_second.get())) as i64;
                *placed += 1;
                (*placed <= *count).then_some(Arrival { time_ms, tokens: None })
            }
            Clock::Given { arrivals, placed } => {
                *placed += 1;
                arrivals.get(*placed - 1).copied()
            }
        }
    }

    /// About how many calls the busiest minute has, from its hour's share.
    pub(super) fn busiest_minute(&self) -> u64 {
        match self {
            Clock::Habits(rhythm) => rhythm.busiest_minute(),
            Clock::Steady { per_second, count, .. } => (u64::from(per_second.get()) * 60).min(*count),
            Clock::Given { arrivals, .. } => {
                let minutes = arrivals.chunk_by(|a, b| a.time_ms / MINUTE_MS == b.time_ms / MINUTE_MS);
                minutes.map(|minute| minute.len() as u64).max().unwrap_or(0)
            }
        }
    }
}

/// A given number of ascending times between two instants, by the weights of the week.
pub(super) struct Rhythm {
    week: Week,
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
    pub(super) fn new(week: Week, count: u64, start_ms: i64, end_ms: i64) -> Self {
        let total = stretches(start_ms, end_ms).map(|(start, stop)| weighted(&week, start, stop)).sum();
        let stop_ms = stretch_end(start_ms, end_ms);
        Rhythm { week, count, placed: 0, total, start_ms, stop_ms, before: 0, end_ms }
    }

    /// The next time: each call has an equal share of the weighted span, and stands somewhere within it.
    fn next(&mut self, random: &mut Random) -> Option<i64> {
        if self.placed == self.count {
            return None;
        }
        let place = u128::from(self.placed) * u128::from(JITTER) + u128::from(random.below(JITTER));
        let target = self.total * place / (u128::from(self.count) * u128::from(JITTER));
        self.placed += 1;
        while self.before + weighted(&self.week, self.start_ms, self.stop_ms) <= target && self.stop_ms < self.end_ms {
            self.before += weighted(&self.week, self.start_ms, self.stop_ms);
            self.start_ms = self.stop_ms;
            self.stop_ms = stretch_end(self.start_ms, self.end_ms);
        }
        let weight = u128::from(self.week.at(self.start_ms).max(1));
        Some((self.start_ms + ((target - self.before) / weight) as i64).min(self.end_ms - 1))
    }

    fn busiest_minute(&self) -> u64 {
        let most = stretches(self.start_ms, self.end_ms).map(|(start, _)| self.week.at(start)).max().unwrap_or(0);
        let share = u128::from(most) * MINUTE_MS as u128 * u128::from(self.count);
        (share / self.total.max(1)) as u64
    }
}

/// The hours of a span, the first and the last cut to it.
fn stretches(start_ms: i64, end_ms: i64) -> impl Iterator<Item = (i64, i64)> {
    let first = (start_ms < end_ms).then(|| (start_ms, stretch_end(start_ms, end_ms)));
    std::iter::successors(first, move |(_, stop)| (*stop < end_ms).then(|| (*stop, stretch_end(*stop, end_ms))))
}

/// The end of the hour that `at` falls into, but not past `end_ms`.
fn stretch_end(at: i64, end_ms: i64) -> i64 {
    ((at.div_euclid(HOUR_MS) + 1) * HOUR_MS).min(end_ms)
}

fn weighted(week: &Week, start_ms: i64, stop_ms: i64) -> u128 {
    (stop_ms - start_ms) as u128 * u128::from(week.at(start_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday at midnight.
    const MONDAY_MS: i64 = 1_772_409_600_000;

    fn times(habit: Habit, days: i64) -> Vec<i64> {
        let mut week = Week::EMPTY;
        week.add(habit, 7);
        let mut rhythm = Rhythm::new(week, 5_000, MONDAY_MS, MONDAY_MS + days * 24 * HOUR_MS);
        let mut random = Random::new(1);
        std::iter::from_fn(|| rhythm.next(&mut random)).collect()
    }

    #[test]
    fn times_ascend_within_the_span_and_follow_the_habit() {
        let by_hour =
            |times: &[i64], hour: i64| times.iter().filter(|time| (**time - MONDAY_MS) / HOUR_MS % 24 == hour).count();
        let office = times(Habit::Office { ahead_hours: 0 }, 1);
        assert_eq!(office.len(), 5_000);
        assert!(office.is_sorted() && office[0] >= MONDAY_MS && office[4_999] < MONDAY_MS + 24 * HOUR_MS);
        assert_eq!(by_hour(&office, 2), 0);
        assert!(by_hour(&office, 10) > 400);
        let ahead = times(Habit::Office { ahead_hours: 9 }, 1);
        assert!(by_hour(&ahead, 1) > 400 && by_hour(&ahead, 18) == 0);
        let night = times(Habit::Night, 1);
        assert!(by_hour(&night, 2) > 400 && by_hour(&night, 12) == 0);
    }

    #[test]
    fn offices_rest_at_weekends() {
        let times = times(Habit::Office { ahead_hours: 0 }, 7);
        let by_day = |day: i64| times.iter().filter(|time| (**time - MONDAY_MS) / HOUR_MS / 24 == day).count();
        assert!(by_day(1) > 800 && by_day(5) < 120 && by_day(6) < 120, "{} {}", by_day(1), by_day(5));
    }

    #[test]
    fn the_busiest_minute_is_told_about_right() {
        let mut week = Week::EMPTY;
        week.add(Habit::Office { ahead_hours: 1 }, 3);
        week.add(Habit::Steady, 1);
        let rhythm = Rhythm::new(week, 200_000, MONDAY_MS, MONDAY_MS + 24 * HOUR_MS);
        let told = rhythm.busiest_minute();
        let mut clock = Clock::Habits(rhythm);
        let mut random = Random::new(1);
        let times: Vec<i64> = std::iter::from_fn(|| clock.next(&mut random)).map(|arrival| arrival.time_ms).collect();
        let minutes = times.chunk_by(|a, b| a / MINUTE_MS == b / MINUTE_MS);
        let most = minutes.map(|minute| minute.len() as u64).max().unwrap();
        assert!(told.abs_diff(most) <= 3, "{told} told, {most} are");
    }

    #[test]
    fn a_steady_clock_is_even_and_a_given_one_is_obeyed() {
        let per_second = NonZeroU32::new(4).unwrap();
        let mut steady = Clock::Steady { start_ms: 100, per_second, placed: 0, count: 3 };
        let given = [Arrival { time_ms: 5, tokens: Some([7, 8]) }, Arrival { time_ms: 70_000, tokens: None }];
        let mut measured = Clock::Given { arrivals: given.into(), placed: 0 };
        assert_eq!(measured.busiest_minute(), 1);
        let mut random = Random::new(1);
        let times = std::iter::from_fn(|| steady.next(&mut random)).map(|arrival| arrival.time_ms);
        assert_eq!(times.collect::<Vec<_>>(), [100, 350, 600]);
        assert_eq!(std::iter::from_fn(|| measured.next(&mut random)).collect::<Vec<_>>(), given);
    }
}
