//! Findings become alerts: how often, under which ids, and in which words.
//!
//! Throttling is by rule and principal on event time, with its cells in the principal's state; what is held back
//! rides on the principal's next alert. Alerts of one trouble are a run: the first creates the receiver's incident,
//! the others update it, under one dedup key. There is no closing alert: that nothing more was seen does not revoke a
//! leaked key, and of a principal that fell silent it could not be told without a clock. Whoever repairs the cause
//! closes the incident, or the receiver does when the run's end has passed.
//!
//! An [`Alert`] borrows from its finding and facts and is rendered at once: OCSF JSON for the value, CloudEvents for
//! the headers. Nothing is sent from here, and nothing of it is raw: the only text that comes from content is a
//! finding's mask.

pub mod cloudevents;
pub mod next_step;
pub mod ocsf;
pub mod words;

use crate::model::Severity;
use crate::model::facts::Facts;
use crate::model::finding::Finding;
use crate::model::uid::Uid;
use crate::score::gcra::Gcra;
use crate::score::throttles::Run;
use crate::score::{State, Told};

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
    /// The database with weir's tables, a name that needs no quotes.
    pub database: String,
}

/// An alert: a finding that is to be told now, and what waited for it.
#[derive(Clone, Debug)]
pub struct Alert<'a> {
    /// Hash of the finding's id and the sequence number.
    pub id: Uid,
    /// The same for all alerts of a run: what receivers group by.
    pub dedup_key: Uid,
    pub run: Run,
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
    let run = state.ask(finding.rule, finding.uid, Gcra::every(config.burst, config.every_ms))?;
    let told = state.tell();
    Some(Alert {
        id: Uid::of(&[b"alert", &finding.uid.0, &told.sequence.to_le_bytes()]),
        dedup_key: Uid::of(&[
            b"run",
            finding.rule.as_bytes(),
            facts.principal.to_string().as_bytes(),
            &run.opened_ms.to_le_bytes(),
        ]),
        run,
        finding,
        facts,
        config,
        told,
    })
}

impl<'a> Alert<'a> {
    /// The same for a principal that shares its state with others: the run is theirs too, and whoever follows this
    /// principal may never have seen what opened it. So it always creates a finding, its own.
    pub fn by_itself(self) -> Alert<'a> {
        let run = Run { opened_by: self.finding.uid, opened_ms: self.facts.time_ms, findings: 1, ..self.run };
        Alert { run, ..self }
    }

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

    /// Whether it is about a trouble that was told already.
    pub fn is_update(&self) -> bool {
        self.run.findings > 1
    }

    /// The runbook of the rule, when one is configured.
    pub fn runbook_url(&self) -> Option<String> {
        let pattern = &self.config.runbook_url;
        (!pattern.is_empty()).then(|| pattern.replace("{rule}", self.finding.rule))
    }

    /// One line: see [`words::title`].
    pub fn title(&self) -> String {
        words::title(self)
    }

    /// A few sentences for whoever is paged: see [`words::message`].
    pub fn message(&self) -> String {
        words::message(self)
    }

    /// What to do about it.
    pub fn next_step(&self) -> &str {
        next_step::of(self.finding)
    }
}

/// Confidence in whole percent, rounded down.
fn percent(finding: &Finding<'_>) -> u16 {
    finding.confidence.permille() / 10
}

#[cfg(test)]
mod tests;
