//! What traffic is asked for, and which wishes go together. Where the values come from (a command line, a test) is not
//! known here.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::cast::Cast;
use super::rhythm::{Arrivals, Clock, Rhythm};
use super::wire::Shape;

/// Calls of one burst, and the time that they take: 480 a minute, where 120 are the usual ceiling. A leaky bucket
/// of 120 lets 210 of them pass.
pub(super) const BURST_CALLS: u64 = 360;
pub(super) const BURST_MS: i64 = 45_000;

/// Calls of one burst of tokens, and the tokens that each reports: 360,000 in 45 s, where 200,000 a minute are the
/// usual ceiling.
pub(super) const TOKEN_BURST_CALLS: u64 = 12;
pub(super) const TOKEN_BURST_TOKENS: u64 = 30_000;

/// Bursts of requests take at most this share of all events, so that they stay the exception.
const BURST_SHARE: u64 = 10;

/// Most principals that [`Options::with_room`] comes to by itself.
const PRINCIPALS_MAX: u32 = 1 << 24;

/// What to generate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Everything follows from it.
    pub seed: u64,
    /// Events in all, those of bursts and bad ones included. Given arrivals have a number of their own.
    pub count: u64,
    /// How many principals there are; the n-th calls about 1/n as often as the first.
    pub principals: u32,
    /// The first instant of the stream, in ms since the epoch.
    pub start_ms: i64,
    /// The end of the stream, exclusive, in ms since the epoch.
    pub end_ms: i64,
    pub arrivals: Arrivals,
    /// The ways in which calls are captured, each as often as it is usual among them.
    pub shapes: Vec<Shape>,
    /// Calls of a conversation, each of which sends all earlier turns again; 1 to 6 when left out. With 1 every call
    /// is fresh.
    pub turns: Option<NonZeroU32>,
    /// Share of calls with an incident in their text, in thousandths. Bursts come on top when principals keep their
    /// habits: one of requests and one of tokens for each nine of these, but never more than a tenth of all events,
    /// and none in streams below 1,500 events.
    pub incidents_permille: u32,
    /// Share of events that are none, in thousandths.
    pub bad_permille: u32,
    /// Share of events whose time is earlier than that of events before them, in thousandths.
    pub late_permille: u32,
    /// What is said, instead of texts that are made up: by people, models and tools. Drawn at random.
    pub texts: Arc<[Arc<str>]>,
}

/// Why a stream cannot be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    #[error("there are no principals: ask for at least one")]
    NoPrincipals,
    #[error("there are no formats: name at least one")]
    NoShapes,
    #[error("the span is shorter than {seconds} s, too short for a burst: move its start or its end")]
    Span { seconds: i64 },
    #[error("incidents and bad events are more than half of all: lower one of the shares")]
    Shares,
    #[error(
        "the busiest minute would have {needed} events, and more than {most} would look like bursts: \
         ask for more principals, fewer events or a longer span"
    )]
    Dense { needed: u64, most: u64 },
}

impl Options {
    /// A day of traffic before `end_ms` with the usual shares, in every format that weir reads.
    pub fn new(seed: u64, count: u64, end_ms: i64) -> Self {
        Options {
            seed,
            count,
            principals: 200,
            start_ms: end_ms - 24 * 60 * 60 * 1_000,
            end_ms,
            arrivals: Arrivals::Habits,
            shapes: Shape::READ.to_vec(),
            turns: None,
            incidents_permille: 5,
            bad_permille: 1,
            late_permille: 10,
            texts: Arc::new([]),
        }
    }

    /// The same with as many more principals as so many events need.
    pub fn with_room(mut self) -> Self {
        while self.principals < PRINCIPALS_MAX {
            match self.check(&Cast::new(self.principals)) {
                Err(OptionsError::Dense { .. }) => self.principals *= 2,
                _ => break,
            }
        }
        self
    }

    /// Refuses what cannot be generated as promised.
    pub(super) fn check(&self, cast: &Cast) -> Result<(), OptionsError> {
        if self.principals == 0 {
            return Err(OptionsError::NoPrincipals);
        }
        if self.shapes.is_empty() {
            return Err(OptionsError::NoShapes);
        }
        if self.arrivals == Arrivals::Habits && self.end_ms.saturating_sub(self.start_ms) < 2 * BURST_MS {
            return Err(OptionsError::Span { seconds: 2 * BURST_MS / 1_000 });
        }
        if self.incidents_permille.saturating_add(self.bad_permille) > 500 {
            return Err(OptionsError::Shares);
        }
        // Half of what they could do at most, because not everybody is at work at any hour.
        let most = Cast::calls_per_minute(self.principals) / 2;
        let needed = self.clock(cast).busiest_minute();
        if needed > most {
            return Err(OptionsError::Dense { needed, most });
        }
        Ok(())
    }

    pub(super) fn clock(&self, cast: &Cast) -> Clock {
        let count = self.ordinary();
        match &self.arrivals {
            Arrivals::Habits => Clock::Habits(Box::new(Rhythm::new(cast.week(), count, self.start_ms, self.end_ms))),
            Arrivals::Steady { per_second } => {
                Clock::Steady { start_ms: self.start_ms, per_second: *per_second, placed: 0, count }
            }
            Arrivals::Given(arrivals) => Clock::Given { arrivals: arrivals.clone(), placed: 0 },
        }
    }

    /// Events that belong to no burst.
    pub(super) fn ordinary(&self) -> u64 {
        match &self.arrivals {
            Arrivals::Given(arrivals) => arrivals.len() as u64,
            _ => self.count - self.bursts() / 2 * (BURST_CALLS + TOKEN_BURST_CALLS),
        }
    }

    /// Bursts in all, half of them of requests. None at a rate or at times that somebody wants exactly so.
    pub(super) fn bursts(&self) -> u64 {
        let incidents = self.count * u64::from(self.incidents_permille) / 1_000;
        if self.arrivals != Arrivals::Habits || incidents == 0 || self.count < 1_500 {
            return 0;
        }
        let wanted = (incidents / 9).max(1);
        let room = (self.count / BURST_SHARE / BURST_CALLS).max(1);
        // One a principal, so that each is a crossing of its own.
        2 * wanted.min(room).min(u64::from(self.principals / 2))
    }
}
