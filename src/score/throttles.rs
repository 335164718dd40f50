//! How often a rule may alert about one principal: a cell for each rule, and what was held back meanwhile.
//!
//! A run is one trouble: it opens with an alert, goes on with every further finding of the rule, told or held back,
//! and is over when one interval has passed without any. Were it over as soon as the cell is full, a leak that goes
//! on all night would be a new incident every hour. A throttle whose run is over and which holds nothing back says
//! no more than an absent one, and is forgotten. Nothing here knows what an alert looks like.

use super::gcra::{Gcra, NS_PER_MS, TAT_MAX_NS, TIME_MAX_MS, clock_ns};
use crate::limits;
use crate::model::codec::{CodecError, Reader, Writer};
use crate::model::uid::Uid;

/// Most bytes of a rule's id that tell rules apart here. Ids are far shorter; two that agree so far share a
/// throttle.
const RULE_MAX_BYTES: usize = 128;

/// Most bytes that a throttle takes beside its rule's id: three times of at most 7, two counts of at most 5, an id
/// of 16, and a length of 2.
const THROTTLE_BYTES: usize = 3 * 7 + 2 * 5 + 16 + 2;

/// Longest run, in ms: a day. What still goes on then is told as a new incident, since somebody may have closed
/// the old one and thinks that it is over.
pub const RUN_MAX_MS: i64 = 24 * 60 * 60 * 1_000;

/// Most bytes that all throttles may take, so that the principal's state stays within 1 KiB.
pub(super) const THROTTLES_BYTES: usize = 900;

const _: () = assert!(RULE_MAX_BYTES + THROTTLE_BYTES < THROTTLES_BYTES, "the newest throttle always fits");

/// The throttles of one principal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Throttles {
    pub(super) all: Vec<Throttle>,
    /// Alerts held back by throttles that had to go.
    pub(super) held_by_evicted: u32,
}

/// One rule's throttle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Throttle {
    pub(super) rule: Box<str>,
    /// When the cell is full again, in ms since the epoch: intervals are whole ms, so it always is.
    pub(super) full_ms: i64,
    /// Alerts held back and not told yet.
    pub(super) held: u32,
    /// The newest run; it may be over.
    pub(super) run: Run,
}

/// One trouble: alerts of a rule that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The finding whose alert opened it.
    pub opened_by: Uid,
    /// When that was, by the principal's clock, in ms since the epoch.
    pub opened_ms: i64,
    /// When it is over unless a further finding comes before, in ms since the epoch.
    pub ends_ms: i64,
    /// Findings so far, told and held back. 1: the alert opens the run.
    pub findings: u32,
}

/// Alerts that were held back since the principal's last alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub total: u64,
    /// By rule, as far as it is known: not for throttles that had to go.
    pub by_rule: Vec<(Box<str>, u32)>,
}

impl Throttles {
    /// Asks for an alert of `rule` about `finding` at `now_ms`, which never goes back. Returns its run, or holds the
    /// alert back.
    pub(super) fn ask(&mut self, rule: &str, finding: Uid, quota: Gcra, now_ms: i64) -> Option<Run> {
        let rule = cut(rule);
        let index = self.all.iter().position(|throttle| &*throttle.rule == rule);
        let index = index.unwrap_or_else(|| self.add(rule, now_ms));
        let throttle = &mut self.all[index];
        let mut tat_ns = throttle.full_ms.unsigned_abs() * NS_PER_MS;
        let is_told = quota.take(&mut tat_ns, 1, clock_ns(now_ms));
        throttle.full_ms = (tat_ns / NS_PER_MS) as i64;
        if !is_told {
            throttle.held = throttle.held.saturating_add(1);
        }
        // Only an alert opens a run, so that nobody is told of a trouble that goes on and was never heard of.
        let is_over = now_ms >= throttle.run.ends_ms;
        if is_over && is_told {
            throttle.run = Run { opened_by: finding, opened_ms: now_ms, ends_ms: now_ms, findings: 0 };
        }
        if !is_over || is_told {
            throttle.run.findings = throttle.run.findings.saturating_add(1);
            throttle.run.ends_ms = (now_ms + quota.interval_ms()).min(throttle.run.opened_ms + RUN_MAX_MS);
        }
        is_told.then(|| throttle.run.clone())
    }

    /// What was held back; it counts as told now.
    pub(super) fn take_held(&mut self, now_ms: i64) -> Held {
        let mut held = Held { total: u64::from(std::mem::take(&mut self.held_by_evicted)), by_rule: Vec::new() };
        for throttle in self.all.iter_mut().filter(|throttle| throttle.held > 0) {
            let count = std::mem::take(&mut throttle.held);
            held.total += u64::from(count);
            held.by_rule.push((throttle.rule.clone(), count));
        }
        held.by_rule.sort();
        self.forget_ended(now_ms);
        held
    }

    fn forget_ended(&mut self, now_ms: i64) {
        self.all.retain(|throttle| throttle.full_ms.max(throttle.run.ends_ms) > now_ms || throttle.held > 0);
    }

    /// Adds a full cell and makes room for it: the run that was opened first goes. Its rule may then alert before
    /// its interval is over, which is better than a state without bound.
    fn add(&mut self, rule: &str, now_ms: i64) -> usize {
        self.forget_ended(now_ms);
        let run = Run { opened_by: Uid([0; 16]), opened_ms: now_ms, ends_ms: 0, findings: 0 };
        self.all.push(Throttle { rule: rule.into(), full_ms: 0, held: 0, run });
        while self.all.len() > limits::THROTTLES_PER_PRINCIPAL || self.bytes() > THROTTLES_BYTES {
            let others = &self.all[..self.all.len() - 1];
            let oldest = (0..others.len()).min_by_key(|&index| others[index].run.opened_ms).unwrap_or_default();
            let gone = self.all.remove(oldest);
            self.held_by_evicted = self.held_by_evicted.saturating_add(gone.held);
        }
        self.all.len() - 1
    }

    /// An upper bound of what the throttles take when encoded.
    fn bytes(&self) -> usize {
        self.all.iter().map(|throttle| throttle.rule.len() + THROTTLE_BYTES).sum()
    }

    pub(super) fn encode(&self, w: &mut Writer<'_>, newest_ms: i64) {
        w.uint(u64::from(self.held_by_evicted));
        w.uint(self.all.len() as u64);
        for throttle in &self.all {
            w.str(&throttle.rule);
            w.int(newest_ms - throttle.run.opened_ms);
            w.int(throttle.full_ms - newest_ms);
            w.uint(u64::from(throttle.held));
            w.int(throttle.run.ends_ms - newest_ms);
            w.uint(u64::from(throttle.run.findings));
            w.fixed(&throttle.run.opened_by.0);
        }
    }

    /// Version 1 ends after `held`. Its runs were shorter and did not know who opened them: they count as over.
    pub(super) fn decode(r: &mut Reader<'_>, version: u8, newest_ms: i64) -> Result<Self, CodecError> {
        let mut throttles = Throttles { all: Vec::new(), held_by_evicted: r.small("held_by_evicted")? };
        let count = r.count(4)?;
        if count > limits::THROTTLES_PER_PRINCIPAL {
            return Err(CodecError::Invalid("throttles"));
        }
        for _ in 0..count {
            let rule = r.str()?.into();
            let opened_ms = newest_ms.wrapping_sub(r.int()?);
            let full_ms = newest_ms.wrapping_add(r.int()?);
            let held = r.small("held")?;
            let mut run = Run { opened_by: Uid([0; 16]), opened_ms, ends_ms: 0, findings: 0 };
            if version > 1 {
                run.ends_ms = newest_ms.wrapping_add(r.int()?);
                run.findings = r.small("findings")?;
                run.opened_by = Uid(r.fixed()?);
            }
            let full_max_ms = (TAT_MAX_NS / NS_PER_MS) as i64;
            if !(0..=TIME_MAX_MS).contains(&opened_ms)
                || !(0..=full_max_ms).contains(&full_ms)
                || !(0..=TIME_MAX_MS + RUN_MAX_MS).contains(&run.ends_ms)
            {
                return Err(CodecError::Invalid("throttle time"));
            }
            throttles.all.push(Throttle { rule, full_ms, held, run });
        }
        Ok(throttles)
    }
}

/// The first [`RULE_MAX_BYTES`] of an id, or a little less so as not to cut a character.
fn cut(rule: &str) -> &str {
    (0..=RULE_MAX_BYTES).rev().find_map(|end| rule.get(..end.min(rule.len()))).unwrap_or_default()
}
