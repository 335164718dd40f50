//! A judged result: what a rule or a scorer says of an interaction, ready to be stored and told.
//!
//! A finding borrows from the facts it was made of and from the catalogue. Whether it also becomes an alert is
//! decided later, by the principal's throttles.

use super::facts::Facts;
use super::uid::Uid;
use super::{Category, Confidence, Direction, Layers, PartKind, Role, Severity};

/// One finding. Who, where and where to stand in the facts beside it.
#[derive(Clone, Debug)]
pub struct Finding<'f> {
    pub uid: Uid,
    /// `secret.aws_access_key`, `policy.limit.requests_per_minute`, …
    pub rule: &'f str,
    pub rule_version: u32,
    /// One line for people: `AWS access key`.
    pub title: &'f str,
    pub category: Category,
    pub type_name: &'f str,
    pub severity: Severity,
    pub confidence: Confidence,
    pub direction: Direction,
    /// Where in the interaction; `None` for what a scorer says of a principal.
    pub place: Option<Place<'f>>,
    /// What a scorer measured; `None` for what a rule matched.
    pub measure: Option<Measure>,
    /// What it is and what an attacker gains; may be empty.
    pub description: &'f str,
    /// What to do about it, in the rule's own words; empty: what its category says.
    pub next_step: &'f str,
    /// Links that explain it.
    pub references: &'f [String],
    /// OWASP LLM Top 10 and MITRE ATLAS ids.
    pub taxonomy: &'f [String],
    /// SOC 2 criteria: `CC6.7`.
    pub criteria: &'f [String],
}

/// Where a rule matched.
#[derive(Clone, Debug)]
pub struct Place<'f> {
    pub role: Role,
    pub part_kind: PartKind,
    pub message: u32,
    pub part: u32,
    /// Unicode scalars, end exclusive.
    pub start: u32,
    pub end: u32,
    pub masked: &'f str,
    pub hmac: [u8; 16],
    /// What it was found under.
    pub layers: Layers,
}

/// What was measured against what was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// What the numbers count: `requests`, `tokens`.
    pub unit: &'static str,
    pub limit: u64,
    pub observed: u64,
    /// The span in which `observed` was counted, in ms since the epoch.
    pub window_start_ms: i64,
    pub window_end_ms: i64,
    /// Further denials of the principal's previous crossing of this limit, told here.
    pub denied_before: u64,
}

impl Finding<'_> {
    /// The id of what a rule matched: position, rule and place.
    pub fn uid_of_hit(facts: &Facts<'_>, rule: &str, message: u32, part: u32, start: u32, end: u32) -> Uid {
        Uid::of(&[
            b"hit",
            facts.position.topic.as_bytes(),
            &facts.position.partition.to_le_bytes(),
            &facts.position.offset.to_le_bytes(),
            &facts.index.to_le_bytes(),
            rule.as_bytes(),
            &[message, part, start, end].map(u32::to_le_bytes).concat(),
        ])
    }

    /// The id of what a scorer found: the event that set it off, rule, principal and the window's start.
    pub fn uid_of_window(facts: &Facts<'_>, rule: &str, window_start_ms: i64) -> Uid {
        Uid::of(&[
            b"window",
            facts.position.topic.as_bytes(),
            &facts.position.partition.to_le_bytes(),
            &facts.position.offset.to_le_bytes(),
            &facts.index.to_le_bytes(),
            rule.as_bytes(),
            facts.principal.to_string().as_bytes(),
            &window_start_ms.to_le_bytes(),
        ])
    }
}
