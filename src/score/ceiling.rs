//! Hard ceilings from policy: a scorer that says when a principal crosses a limit per minute.
//!
//! A crossing begins at the first denial and ends when the cell is full again, as seen by the principal's own
//! next facts. It is reported once, at its beginning; what is denied after that is counted, and told by the next
//! crossing's report or the principal's next alert. A single call of more than the whole limit is denied without
//! touching the cell, so that each such call by itself is a crossing.

use super::gcra::{Gcra, TAT_MAX_NS, TIME_MAX_MS, clock_ns};
use crate::model::codec::{CodecError, Reader, Writer};
use crate::model::finding::Measure;
use std::num::NonZeroU32;

/// What one ceiling remembers of a principal. `Default` is a full cell that was never used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// When the cell is full again, in ns since the epoch.
    pub(super) tat_ns: u64,
    /// When counting began: the first use since the cell was last full, in ms since the epoch.
    pub(super) since_ms: i64,
    /// Units asked for since then, the denied ones among them.
    pub(super) count: u64,
    /// Whether a crossing was reported and has not ended.
    pub(super) open: bool,
    /// Denials after a crossing's report that nothing has told yet.
    pub(super) denied: u64,
}

impl Ceiling {
    /// Counts `units` at `now_ms`, which never goes back; returns the measure when a crossing begins.
    pub(super) fn count(&mut self, unit: &'static str, units: u64, limit: NonZeroU32, now_ms: i64) -> Option<Measure> {
        let now_ns = clock_ns(now_ms);
        if now_ns >= self.tat_ns {
            self.open = false;
            self.count = 0;
            self.since_ms = now_ms;
        }
        self.count = self.count.saturating_add(units);
        if Gcra::per_minute(limit).take(&mut self.tat_ns, units, now_ns) {
            return None;
        }
        if std::mem::replace(&mut self.open, true) {
            self.denied = self.denied.saturating_add(1);
            return None;
        }
        Some(Measure {
            unit,
            limit: u64::from(limit.get()),
            observed: self.count,
            window_start_ms: self.since_ms,
            window_end_ms: now_ms,
            denied_before: self.take_denied(),
        })
    }

    /// The denials that nothing has told yet; they count as told now.
    pub(super) fn take_denied(&mut self) -> u64 {
        std::mem::take(&mut self.denied)
    }

    /// Appends one byte when it was never used; else times relative to the principal's newest.
    pub(super) fn encode(&self, w: &mut Writer<'_>, newest_ms: i64) {
        if *self == Ceiling::default() {
            return w.u8(UNUSED);
        }
        w.u8(if self.open { OPEN } else { USED });
        w.int(self.tat_ns.wrapping_sub(clock_ns(newest_ms)) as i64);
        w.int(newest_ms - self.since_ms);
        w.uint(self.count);
        w.uint(self.denied);
    }

    pub(super) fn decode(r: &mut Reader<'_>, newest_ms: i64) -> Result<Self, CodecError> {
        let open = match r.u8()? {
            UNUSED => return Ok(Ceiling::default()),
            USED => false,
            OPEN => true,
            _ => return Err(CodecError::Invalid("ceiling")),
        };
        let ceiling = Ceiling {
            tat_ns: clock_ns(newest_ms).wrapping_add(r.int()? as u64),
            since_ms: newest_ms.wrapping_sub(r.int()?),
            count: r.uint()?,
            open,
            denied: r.uint()?,
        };
        if ceiling.tat_ns > TAT_MAX_NS || !(0..=TIME_MAX_MS).contains(&ceiling.since_ms) {
            return Err(CodecError::Invalid("ceiling time"));
        }
        Ok(ceiling)
    }
}

const UNUSED: u8 = 0;
const USED: u8 = 1;
const OPEN: u8 = 2;
