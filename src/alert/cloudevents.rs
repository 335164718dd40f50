//! An alert's Kafka headers: the CloudEvents 1.0 binding for Kafka in binary mode, so that a reader can filter
//! without parsing the value.
//!
//! No header holds an identifier of a person: the principal is the record's key, and the subject is the finding.

use super::Alert;
use jiff::Timestamp;

/// The headers, in a fixed order.
pub fn headers(alert: &Alert<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", alert.id.to_string()),
        ("ce_source", alert.config.source.clone()),
        ("ce_type", "ai.weir.finding.v1".to_owned()),
        ("ce_time", rfc3339(alert.facts.time_ms)),
        ("ce_subject", alert.finding.uid.to_string()),
        ("content-type", "application/json".to_owned()),
        ("dedup_key", alert.dedup_key.to_string()),
    ]
}

/// `2026-11-25T00:33:12.079Z`; times past what the format can say are its ends.
pub fn rfc3339(time_ms: i64) -> String {
    let end = if time_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    format!("{:.3}", Timestamp::from_millisecond(time_ms).unwrap_or(end))
}
