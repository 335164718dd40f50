//! Events of which nothing can be made: why, and what a dead letter says of them.
//!
//! A dead letter names the reason, the place and the size, and a keyed hash by which the sender can prove which
//! bytes it was. It never holds the bytes.

use super::{Position, closed_set, evidence::MaskKey};
use std::fmt;

closed_set! {
    /// Why an event became a dead letter.
    Reason {
        Empty = 1 "empty",
        TooLarge = 2 "too_large",
        NotUtf8 = 3 "not_utf8",
        NotJson = 4 "not_json",
        TooDeep = 5 "too_deep",
        UnknownFormat = 6 "unknown_format",
        NoInteraction = 7 "no_interaction",
        TooManyInteractions = 8 "too_many_interactions",
        Panic = 9 "panic",
        FactsTooLarge = 10 "facts_too_large",
    }
}

/// An event that cannot be used. `detail` is chosen from weir's own words and numbers, never from the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub reason: Reason,
    /// What is wrong and where, for the person who has to mend the sender: `line 1, column 17: expected a value`.
    pub detail: String,
}

impl Reject {
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Reject { reason, detail: detail.into() }
    }
}

/// A rejected event as it goes to the topic and the table of dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    pub position: Position<'a>,
    /// The record's Kafka timestamp in ms since the epoch.
    pub timestamp_ms: i64,
    /// Which loop gave up: `detect` or `score`.
    pub stage: &'static str,
    pub reject: Reject,
    /// Size of the record's value.
    pub bytes: u64,
    /// Keyed hash of the record's value; all zero without a key.
    pub hash: [u8; 16],
}

impl<'a> DeadLetter<'a> {
    pub fn new(
        position: Position<'a>,
        timestamp_ms: i64,
        stage: &'static str,
        reject: Reject,
        payload: Option<&[u8]>,
        key: &MaskKey,
    ) -> Self {
        let payload = payload.unwrap_or_default();
        let hash = key.value_hash(payload);
        DeadLetter { position, timestamp_ms, stage, reject, bytes: payload.len() as u64, hash }
    }

    /// The record's value in the topic of dead letters.
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "reason": self.reject.reason.name(),
            "detail": self.reject.detail,
            "stage": self.stage,
            "topic": self.position.topic,
            "partition": self.position.partition,
            "offset": self.position.offset,
            "timestamp_ms": self.timestamp_ms,
            "bytes": self.bytes,
            "hmac": Hex(&self.hash).to_string(),
        })
        .to_string()
    }
}

/// Shows bytes in lower-case hex; all-zero bytes (no key) as nothing.
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
