//! How often a rule may alert about one principal: a cell for each rule, and what was held back meanwhile.
//!
//! A run of alerts opens with an alert at a full cell and ends when the cell is full again. A throttle whose run
//! has ended and which holds nothing back says no more than an absent one, and is forgotten. Nothing here knows
//! what an alert looks like.

use super::gcra::{Gcra, NS_PER_MS, TAT_MAX_NS, TIME_MAX_MS, clock_ns};
use crate::limits;
use crate::model::codec::{CodecError, Reader, Writer};

/// Most bytes of a rule's id that tell rules apart here. Ids are far shorter; two that agree so far share a
/// throttle.
const RULE_MAX_BYTES: usize = 128;

/// Most bytes that a throttle takes beside its rule's id: three numbers of at most 7, 7 and 5, and a length of 2.
const THROTTLE_BYTES: usize = 21;

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
    /// When the run's first alert was given, in ms since the epoch.
    pub(super) opened_ms: i64,
    /// When the cell is full again, in ms since the epoch: intervals are whole ms, so it always is.
    pub(super) full_ms: i64,
    /// Alerts held back and not told yet.
    pub(super) held: u32,
}

/// Alerts that were held back since the principal's last alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub total: u64,
    /// By rule, as far as it is known: not for throttles that had to go.
    pub by_rule: Vec<(Box<str>, u32)>,
}

impl Throttles {
    /// Asks for an alert of `rule` at `now_ms`, which never goes back. Returns when its run was opened, or holds
    /// the alert back.
    pub(super) fn ask(&mut self, rule: &str, quota: Gcra, now_ms: i64) -> Option<i64> {
        let rule = cut(rule);
        let index = self.all.iter().position(|throttle| &*throttle.rule == rule);
        let index = index.unwrap_or_else(|| self.add(rule, now_ms));
        let throttle = &mut self.all[index];
        if now_ms >= throttle.full_ms {
            throttle.opened_ms = now_ms;
        }
        let mut tat_ns = throttle.full_ms.unsigned_abs() * NS_PER_MS;
        if quota.take(&mut tat_ns, 1, clock_ns(now_ms)) {
            throttle.full_ms = (tat_ns / NS_PER_MS) as i64;
            return Some(throttle.opened_ms);
        }
        throttle.held = throttle.held.saturating_add(1);
        None
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
        self.all.retain(|throttle| throttle.full_ms > now_ms || throttle.held > 0);
    }

    /// Adds a full cell and makes room for it: the run that was opened first goes. Its rule may then alert before
    /// its interval is over, which is better than a state without bound.
    fn add(&mut self, rule: &str, now_ms: i64) -> usize {
        self.forget_ended(now_ms);
        self.all.push(Throttle { rule: rule.into(), opened_ms: now_ms, full_ms: 0, held: 0 });
        while self.all.len() > limits::THROTTLES_PER_PRINCIPAL || self.bytes() > THROTTLES_BYTES {
            let others = &self.all[..self.all.len() - 1];
            let oldest = (0..others.len()).min_by_key(|&index| others[index].opened_ms).unwrap_or_default();
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
            w.int(newest_ms - throttle.opened_ms);
            w.int(throttle.full_ms - newest_ms);
            w.uint(u64::from(throttle.held));
        }
    }

    pub(super) fn decode(r: &mut Reader<'_>, newest_ms: i64) -> Result<Self, CodecError> {
        let mut throttles = Throttles { all: Vec::new(), held_by_evicted: r.small("held_by_evicted")? };
        let count = r.count(4)?;
        if count > limits::THROTTLES_PER_PRINCIPAL {
            return Err(CodecError::Invalid("throttles"));
        }
        for _ in 0..count {
            let throttle = Throttle {
                rule: r.str()?.into(),
                opened_ms: newest_ms.wrapping_sub(r.int()?),
                full_ms: newest_ms.wrapping_add(r.int()?),
                held: r.small("held")?,
            };
            let full_max_ms = (TAT_MAX_NS / NS_PER_MS) as i64;
            if !(0..=TIME_MAX_MS).contains(&throttle.opened_ms) || !(0..=full_max_ms).contains(&throttle.full_ms) {
                return Err(CodecError::Invalid("throttle time"));
            }
            throttles.all.push(throttle);
        }
        Ok(throttles)
    }
}

/// The first [`RULE_MAX_BYTES`] of an id, or a little less so as not to cut a character.
fn cut(rule: &str) -> &str {
    (0..=RULE_MAX_BYTES).rev().find_map(|end| rule.get(..end.min(rule.len()))).unwrap_or_default()
}
