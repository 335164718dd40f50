//! What is known of a principal, and its update by the principal's next facts.
//!
//! A [`State`] is a function of the principal's own sequence of facts and nothing else: no clock, no other
//! principal. It travels through the changelog in a versioned encoding of 30 to 100 bytes, at most 1 KiB. Scorers
//! stand one a file; here they are called in a fixed order. This room judges nothing and words nothing.

pub mod ceiling;
pub mod gcra;
pub mod principals;
pub mod throttles;

use crate::model::codec::{CodecError, Reader, Writer};
use crate::model::facts::Facts;
use crate::model::finding::Measure;
use crate::model::uid::Uid;
use crate::policy::Limits;
use ceiling::Ceiling;
use gcra::{Gcra, TIME_MAX_MS};
use throttles::{Held, Run, Throttles};

/// The version of the encoding that is written. The one before it is read too, so that an upgrade needs no reset.
pub const VERSION: u8 = 2;

/// Most bytes of an encoded state.
pub const STATE_MAX_BYTES: usize = 1 << 10;

/// Bytes of everything but the throttles at the very worst: version, newest, two counters, two ceilings (flag,
/// TAT, start, two counters), two numbers of the throttles.
const FIXED_BYTES: usize = 1 + 7 + 2 * 10 + 2 * (1 + 10 + 7 + 2 * 10) + 5 + 1;

const _: () = assert!(FIXED_BYTES + throttles::THROTTLES_BYTES <= STATE_MAX_BYTES);

/// Everything that is remembered of one principal. `Default` is a principal that was never seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The newest event time, in ms since the epoch: the clock of ceilings and throttles, so that late events do
    /// not look like bursts.
    newest_ms: i64,
    /// Interactions that were scored. Nothing is judged by it: it makes a lost or doubled one visible in the
    /// state, whatever else the facts held.
    interactions: u64,
    requests: Ceiling,
    tokens: Ceiling,
    /// How many alerts were given, which is the last one's sequence number.
    alerts: u64,
    throttles: Throttles,
}

/// What the scorers say of one interaction; usually nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scores {
    /// In the order of [`Limit::ALL`].
    pub crossings: Vec<Crossing>,
}

/// A ceiling that the principal begins to cross with this interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    pub limit: Limit,
    pub measure: Measure,
}

/// The ceilings that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    RequestsPerMinute,
    TokensPerMinute,
}

impl Limit {
    /// Every ceiling, in the order in which they are checked.
    pub const ALL: [Limit; 2] = [Limit::RequestsPerMinute, Limit::TokensPerMinute];

    /// Its key under `limits.per_principal` of a policy.
    pub fn name(self) -> &'static str {
        match self {
            Limit::RequestsPerMinute => "requests_per_minute",
            Limit::TokensPerMinute => "tokens_per_minute",
        }
    }

    /// What it counts.
    pub fn unit(self) -> &'static str {
        match self {
            Limit::RequestsPerMinute => "requests",
            Limit::TokensPerMinute => "tokens",
        }
    }
}

/// What an alert tells beside its finding, handed out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The alert's number among the principal's, from 1.
    pub sequence: u64,
    pub held: Held,
    /// Denials that followed a crossing's report, for ceilings that have some.
    pub denied: Vec<(Limit, u64)>,
}

/// Updates the state by the principal's next facts. Calls must come in the order of weir.facts.
pub fn score(state: &mut State, facts: &Facts<'_>, limits: &Limits) -> Scores {
    let now_ms = state.advance(facts);
    state.interactions = state.interactions.saturating_add(1);
    let mut scores = Scores::default();
    for limit in Limit::ALL {
        let (ceiling, allowed, units) = match limit {
            Limit::RequestsPerMinute => (&mut state.requests, limits.requests_per_minute, Some(1)),
            Limit::TokensPerMinute => (&mut state.tokens, limits.tokens_per_minute, tokens(facts)),
        };
        let (Some(allowed), Some(units)) = (allowed, units) else { continue };
        if let Some(measure) = ceiling.count(limit.unit(), units, allowed, now_ms) {
            scores.crossings.push(Crossing { limit, measure });
        }
    }
    scores
}

/// The tokens that an interaction reports; `None` when it reports none, or 0.
fn tokens(facts: &Facts<'_>) -> Option<u64> {
    let sum = facts.input_tokens.unwrap_or(0).saturating_add(facts.output_tokens.unwrap_or(0));
    (sum > 0).then_some(sum)
}

impl State {
    /// Whether it says no more than the state of a principal that was never seen, so that its record may be
    /// dropped. After one interaction this is never so again: even with full cells and nothing held back, the
    /// newest event time still decides how a late event counts, and the number of alerts keeps ids from
    /// repeating. Expiring principals that went silent needs an age at which late events are refused; until
    /// then the number of principals is what bounds the states.
    pub fn is_absent(&self) -> bool {
        *self == State::default()
    }

    /// Moves the principal's clock to these facts, if they are not late, and returns it in ms. Doing it again
    /// changes nothing.
    pub fn advance(&mut self, facts: &Facts<'_>) -> i64 {
        self.newest_ms = self.newest_ms.max(facts.time_ms.clamp(0, TIME_MAX_MS));
        self.newest_ms
    }

    /// Asks the rule's throttle for an alert about a finding at the principal's clock. Returns the run that the
    /// alert belongs to, or holds it back.
    pub fn ask(&mut self, rule: &str, finding: Uid, quota: Gcra) -> Option<Run> {
        self.throttles.ask(rule, finding, quota, self.newest_ms)
    }

    /// Numbers an alert, and hands out everything that waits for the next one.
    pub fn tell(&mut self) -> Told {
        self.alerts = self.alerts.saturating_add(1);
        let denied = [
            (Limit::RequestsPerMinute, self.requests.take_denied()),
            (Limit::TokensPerMinute, self.tokens.take_denied()),
        ];
        Told {
            sequence: self.alerts,
            held: self.throttles.take_held(self.newest_ms),
            denied: denied.into_iter().filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// Appends the encoding, version first. Times but the newest are relative to it, which keeps them short.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        let mut w = Writer(out);
        w.uint(self.newest_ms.unsigned_abs());
        w.uint(self.interactions);
        w.uint(self.alerts);
        self.requests.encode(&mut w, self.newest_ms);
        self.tokens.encode(&mut w, self.newest_ms);
        self.throttles.encode(&mut w, self.newest_ms);
    }

    /// Reads a record of weir.state. Times that no state can hold are refused, since arithmetic relies on it.
    pub fn decode(bytes: &[u8]) -> Result<State, CodecError> {
        let version = if bytes.first() == Some(&(VERSION - 1)) { VERSION - 1 } else { VERSION };
        let mut r = Reader::versioned(bytes, version)?;
        let newest_ms = r.small("newest")?;
        if newest_ms > TIME_MAX_MS {
            return Err(CodecError::Invalid("newest"));
        }
        let state = State {
            newest_ms,
            interactions: r.uint()?,
            alerts: r.uint()?,
            requests: Ceiling::decode(&mut r, newest_ms)?,
            tokens: Ceiling::decode(&mut r, newest_ms)?,
            throttles: Throttles::decode(&mut r, version, newest_ms)?,
        };
        r.finish()?;
        Ok(state)
    }
}

#[cfg(test)]
pub(crate) mod tests;
