//! Findings become alerts: how often, under which ids, and in which words.
//!
//! Throttling is by rule and principal on event time, with its cells in the principal's state; what is held back
//! rides on the principal's next alert. An [`Alert`] borrows from its finding and facts and is rendered at once:
//! OCSF JSON for the value, CloudEvents for the headers. Nothing is sent from here, and nothing of it is raw: the
//! only text that comes from content is a finding's mask.

pub mod cloudevents;
pub mod ocsf;

use crate::model::facts::Facts;
use crate::model::finding::{Finding, Measure, Place};
use crate::model::uid::Uid;
use crate::model::{Direction, PartKind, Role, Severity};
use crate::score::gcra::Gcra;
use crate::score::{State, Told};
use std::fmt::Write;

/// Most alerts that [`Config::burst`] may allow at once; more count as this many.
pub const BURST_MAX: u32 = crate::score::gcra::BURST_MAX;

/// Longest [`Config::every_ms`]: a year. Longer ones count as this long, and 0 as 1 ms.
pub const EVERY_MAX_MS: u64 = crate::score::gcra::EVERY_MAX_MS;

/// What becomes an alert, and how often.
#[derive(Clone, Debug)]
pub struct Config {
    pub min_severity: Severity,
    /// Alerts of one rule and principal that may follow at once, from 1 to [`BURST_MAX`].
    pub burst: u32,
    /// The interval in which one more may follow, in ms, from 1 to [`EVERY_MAX_MS`].
    pub every_ms: u64,
    /// `https://wiki/weir/{rule}`; empty: none.
    pub runbook_url: String,
    /// The CloudEvents source: `weir/<name of the pipeline>`.
    pub source: String,
}

/// An alert: a finding that is to be told now, and what waited for it.
#[derive(Clone, Debug)]
pub struct Alert<'a> {
    /// Hash of the finding's id and the sequence number.
    pub id: Uid,
    /// The same for all alerts of a run: what receivers group by.
    pub dedup_key: Uid,
    pub finding: &'a Finding<'a>,
    pub facts: &'a Facts<'a>,
    pub config: &'a Config,
    pub told: Told,
}

/// Decides whether a finding is told now. Must follow the scoring of the same facts, for each finding in order.
pub fn throttle<'a>(
    state: &mut State,
    facts: &'a Facts<'a>,
    finding: &'a Finding<'a>,
    config: &'a Config,
) -> Option<Alert<'a>> {
    if finding.severity < config.min_severity {
        return None;
    }
    state.advance(facts);
    let opened_ms = state.ask(finding.rule, Gcra::every(config.burst, config.every_ms))?;
    let told = state.tell();
    Some(Alert {
        id: Uid::of(&[b"alert", &finding.uid.0, &told.sequence.to_le_bytes()]),
        dedup_key: Uid::of(&[
            b"run",
            finding.rule.as_bytes(),
            facts.principal.to_string().as_bytes(),
            &opened_ms.to_le_bytes(),
        ]),
        finding,
        facts,
        config,
        told,
    })
}

impl Alert<'_> {
    /// The Kafka key, which keeps a principal's alerts in order.
    pub fn key(&self) -> String {
        self.facts.principal.to_string()
    }

    /// The Kafka value: an OCSF 1.8 finding in JSON.
    pub fn value(&self) -> Vec<u8> {
        ocsf::finding(self).to_string().into_bytes()
    }

    /// The Kafka headers: CloudEvents 1.0 in binary mode, and the key that receivers group by.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        cloudevents::headers(self)
    }

    /// The runbook of the rule, when one is configured.
    pub fn runbook_url(&self) -> Option<String> {
        let pattern = &self.config.runbook_url;
        (!pattern.is_empty()).then(|| pattern.replace("{rule}", self.finding.rule))
    }

    /// One line: `AWS access key sent to openai`.
    pub fn title(&self) -> String {
        let finding = self.finding;
        match (&finding.measure, finding.direction) {
            (Some(_), _) => format!("{} by {}", finding.title, self.principal()),
            (None, Direction::Input) => format!("{} sent to {}", finding.title, self.provider()),
            (None, Direction::Output) => format!("{} received from {}", finding.title, self.provider()),
        }
    }

    /// One sentence for whoever is paged: what, who, where to, why, how sure.
    pub fn message(&self) -> String {
        let finding = self.finding;
        let what = match (&finding.measure, &finding.place) {
            (Some(measure), _) => {
                format!("{} {} to {}, {}", self.who(), asked(measure), self.where_to(), ceiling(measure))
            }
            (None, Some(place)) => {
                let verb = match finding.direction {
                    Direction::Input => "sent to",
                    Direction::Output => "received from",
                };
                format!(
                    "{} ({}) in {} that {} {verb} {}",
                    finding.title,
                    place.masked,
                    part(place),
                    self.who(),
                    self.where_to()
                )
            }
            (None, None) => format!("{}: {}, {}", finding.title, self.who(), self.where_to()),
        };
        let confidence = percent(finding);
        format!("{what}; rule {} version {}, {confidence} % sure.", finding.rule, finding.rule_version)
    }

    fn who(&self) -> String {
        let mut who = self.principal();
        if !self.facts.application.is_empty() {
            write!(who, " using {}", self.facts.application).expect("a string takes every write");
        }
        who
    }

    fn where_to(&self) -> String {
        let mut place = self.provider().to_owned();
        for (word, name) in [("model", self.facts.model), ("at", self.facts.destination.host)] {
            if !name.is_empty() {
                write!(place, " {word} {name}").expect("a string takes every write");
            }
        }
        place
    }

    fn principal(&self) -> String {
        if self.facts.principal.value.is_empty() { "an unnamed principal".to_owned() } else { self.key() }
    }

    fn provider(&self) -> &str {
        if self.facts.provider.is_empty() { "an unnamed provider" } else { self.facts.provider }
    }
}

/// Confidence in whole percent, rounded down.
fn percent(finding: &Finding<'_>) -> u16 {
    finding.confidence.permille() / 10
}

/// `a user message`, `an assistant's tool call`.
fn part(place: &Place<'_>) -> String {
    let role = match place.role {
        Role::Assistant => "an assistant".to_owned(),
        other => format!("a {other}"),
    };
    match place.part_kind {
        PartKind::Text => format!("{role} message"),
        PartKind::ToolCall => format!("{role} message's tool call"),
        PartKind::ToolResult => format!("{role} message's tool result"),
        PartKind::Blob => format!("{role} message's attachment"),
    }
}

/// `made 121 requests within 35 s`.
fn asked(measure: &Measure) -> String {
    let verb = if measure.unit == "requests" { "made" } else { "used" };
    let span_ms = measure.window_end_ms - measure.window_start_ms;
    // Rounded up, and at least 1, since nothing takes 0 s.
    let span_s = span_ms.unsigned_abs().div_ceil(1_000).max(1);
    format!("{verb} {} {} within {span_s} s", measure.observed, measure.unit)
}

fn ceiling(measure: &Measure) -> String {
    format!("above the policy's ceiling of {} a minute", measure.limit)
}

#[cfg(test)]
mod tests;
