//! alert

use crate::model::Severity;

/// What becomes an alert, and how often.
#[derive(Clone, Debug)]
pub struct Config {
    pub min_severity: Severity,
    /// Alerts of one rule and principal that may follow at once.
    pub burst: u32,
    /// The interval in which one more may follow, in ms.
    pub every_ms: u64,
    /// `https://wiki/weir/{rule}`; empty: none.
    pub runbook_url: String,
    /// The CloudEvents source: `weir/<name of the pipeline>`.
    pub source: String,
}
