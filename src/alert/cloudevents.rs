//! An alert's Kafka headers: the CloudEvents 1.0 binding for Kafka in binary mode, so that a reader can filter and
//! route without parsing the value.
//!
//! | header | is |
//! |---|---|
//! | `ce_specversion` | `1.0` |
//! | `ce_id` | the alert's id, `metadata.uid` of the value |
//! | `ce_source` | `weir/<name of the pipeline>` |
//! | `ce_type` | `ai.weir.finding.v1`; another when readers of this one could not read it |
//! | `ce_time` | event time, RFC 3339 |
//! | `ce_subject` | id of the finding, `findings.uid` in ClickHouse |
//! | `ce_dataschema` | the OCSF class of the value |
//! | `content-type` | `application/json` |
//! | `dedup_key` | the same for all alerts of one trouble |
//! | `activity` | `create`, or `update` for the further alerts of a trouble |
//! | `severity` | `informational` to `fatal` |
//! | `category` | `secret`, `pii`, … |
//! | `rule` | `secret.aws_access_key` |
//!
//! The last five are plain headers, which a reader of CloudEvents leaves alone. No header holds an identifier of a
//! person: the principal is the record's key, and the subject is the finding.

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
        ("ce_dataschema", super::ocsf::schema_of(alert.finding.category)),
        ("content-type", "application/json".to_owned()),
        ("dedup_key", alert.dedup_key.to_string()),
        ("activity", if alert.is_update() { "update" } else { "create" }.to_owned()),
        ("severity", alert.finding.severity.name().to_owned()),
        ("category", alert.finding.category.name().to_owned()),
        ("rule", alert.finding.rule.to_owned()),
    ]
}

/// `2026-11-25T00:33:12.079Z`; times past what the format can say are its ends.
pub fn rfc3339(time_ms: i64) -> String {
    let end = if time_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    format!("{:.3}", Timestamp::from_millisecond(time_ms).unwrap_or(end))
}
