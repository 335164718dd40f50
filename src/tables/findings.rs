//! `findings`: one row for each judged result, whether or not it became an alert.
//!
//! Who and where are repeated from the interaction, so that the common questions need no join.

use super::{Column, DELTA, LOW, Table, Value, ZSTD, column};
use crate::model::Layer;
use crate::model::facts::Facts;
use crate::model::finding::{Finding, Measure, Place};
use crate::model::reject::Hex;
use crate::model::uid::Uid;
use std::fmt::Write;

/// The table.
pub struct Findings;

/// What a row is made of.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub facts: &'a Facts<'a>,
    pub finding: &'a Finding<'a>,
    /// The alert that told it; `None` when it was held back or not severe enough.
    pub alert_uid: Option<Uid>,
}

impl<'a> Row<'a> {
    fn place<T>(&self, get: impl Fn(&Place<'a>) -> T) -> Option<T> {
        self.finding.place.as_ref().map(get)
    }

    fn measure<T>(&self, get: impl Fn(&Measure) -> T) -> Option<T> {
        self.finding.measure.as_ref().map(get)
    }
}

impl Table for Findings {
    const NAME: &'static str = "findings";
    const COLUMNS: &'static [Column<Self>] = COLUMNS;
    type Row<'a> = Row<'a>;

    fn identify(row: &Row<'_>) -> Uid {
        row.finding.uid
    }
}

const COLUMNS: &[Column<Findings>] = &[
    column("block_time", "DateTime64(3, 'UTC')", DELTA, Value::BlockTime, "When the row was written by scoring"),
    column("block_id", "UUID", ZSTD, Value::BlockId, "The block that the row came in"),
    column("time", "DateTime64(3, 'UTC')", DELTA, Value::Time(|r| r.facts.time_ms), "When the call was made"),
    column("uid", "UUID", ZSTD, Value::Uuid(|r| r.finding.uid.0), "The finding; the same whoever computes it"),
    column("rule", LOW, ZSTD, Value::Str(|r| r.finding.rule), "secret.aws_access_key"),
    column("rule_version", "UInt32", ZSTD, Value::U32(|r| r.finding.rule_version), "Of the rule, when it was found"),
    column("title", LOW, ZSTD, Value::Str(|r| r.finding.title), "One line for people"),
    column(
        "category",
        LOW,
        ZSTD,
        Value::Str(|r| r.finding.category.name()),
        "secret, pii, injection, jailbreak, exfiltration, policy or anomaly",
    ),
    column("type", LOW, ZSTD, Value::Str(|r| r.finding.type_name), "AWS_ACCESS_KEY, CREDIT_CARD, ..."),
    column("severity", LOW, ZSTD, Value::Str(|r| r.finding.severity.name()), "informational to fatal"),
    column(
        "severity_id",
        "UInt8",
        ZSTD,
        Value::U8(|r| r.finding.severity.code()),
        "The same as OCSF numbers it, 1 to 6",
    ),
    column("confidence", "Float32", ZSTD, Value::F32(|r| r.finding.confidence.as_f32()), "0 to 1"),
    column("direction", LOW, ZSTD, Value::Str(|r| r.finding.direction.name()), "input: to the model; output: from it"),
    column(
        "role",
        LOW,
        ZSTD,
        Value::Str(|r| r.place(|p| p.role.name()).unwrap_or("")),
        "Who said it; empty: no one place",
    ),
    column(
        "part_kind",
        LOW,
        ZSTD,
        Value::Str(|r| r.place(|p| p.part_kind.name()).unwrap_or("")),
        "text, tool_call, tool_result or blob; empty: no one place",
    ),
    column(
        "message",
        "Nullable(UInt32)",
        ZSTD,
        Value::NullableU32(|r| r.place(|p| p.message)),
        "Index of the message; NULL: no one place",
    ),
    column("part", "Nullable(UInt32)", ZSTD, Value::NullableU32(|r| r.place(|p| p.part)), "Index of the message part"),
    column(
        "start",
        "Nullable(UInt32)",
        ZSTD,
        Value::NullableU32(|r| r.place(|p| p.start)),
        "In the part, in Unicode scalars",
    ),
    column("end", "Nullable(UInt32)", ZSTD, Value::NullableU32(|r| r.place(|p| p.end)), "Exclusive"),
    column(
        "masked",
        "String",
        ZSTD,
        Value::Str(|r| r.place(|p| p.masked).unwrap_or("")),
        "The value, as far as it may be shown",
    ),
    column(
        "hmac",
        "String",
        ZSTD,
        // Zero is "no key", which is shown as nothing.
        Value::Text(|r, out| {
            let hash = r.place(|p| p.hmac).unwrap_or_default();
            write!(out, "{}", Hex(&hash)).expect("a string takes everything");
        }),
        "Keyed hash of the value in hex: the same value has the same",
    ),
    column(
        "layers",
        "Array(LowCardinality(String))",
        ZSTD,
        Value::Strings(|r, each| r.place(|p| p.layers).unwrap_or_default().iter().map(Layer::name).for_each(each)),
        "What the value was found under, the outermost first: base64, rot13, invisible, ...; empty: nothing",
    ),
    column("hash_key_id", LOW, ZSTD, Value::Str(|r| r.facts.key_id), "The key of the hash; empty: none"),
    column(
        "measure_unit",
        LOW,
        ZSTD,
        Value::Str(|r| r.measure(|m| m.unit).unwrap_or("")),
        "What was counted; empty: nothing was",
    ),
    column(
        "measure_limit",
        "Nullable(UInt64)",
        ZSTD,
        Value::NullableU64(|r| r.measure(|m| m.limit)),
        "What was allowed",
    ),
    column(
        "measure_observed",
        "Nullable(UInt64)",
        ZSTD,
        Value::NullableU64(|r| r.measure(|m| m.observed)),
        "What was counted between window_start and window_end",
    ),
    column(
        "window_start",
        "Nullable(DateTime64(3, 'UTC'))",
        ZSTD,
        Value::NullableTime(|r| r.measure(|m| m.window_start_ms)),
        "See measure_observed",
    ),
    column(
        "window_end",
        "Nullable(DateTime64(3, 'UTC'))",
        ZSTD,
        Value::NullableTime(|r| r.measure(|m| m.window_end_ms)),
        "See measure_observed",
    ),
    column(
        "denied_before",
        "Nullable(UInt64)",
        ZSTD,
        Value::NullableU64(|r| r.measure(|m| m.denied_before)),
        "Denials of the previous crossing after the one that was told",
    ),
    column(
        "taxonomy",
        "Array(LowCardinality(String))",
        ZSTD,
        Value::Strings(|r, each| r.finding.taxonomy.iter().map(String::as_str).for_each(each)),
        "OWASP LLM Top 10 and MITRE ATLAS",
    ),
    column(
        "criteria",
        "Array(LowCardinality(String))",
        ZSTD,
        Value::Strings(|r, each| r.finding.criteria.iter().map(String::as_str).for_each(each)),
        "SOC 2 criteria that it is evidence for",
    ),
    column(
        "alert_uid",
        "Nullable(UUID)",
        ZSTD,
        Value::NullableUuid(|r| r.alert_uid.map(|uid| uid.0)),
        "The alert that told it; NULL: held back, or not severe enough",
    ),
    column(
        "principal",
        "String",
        ZSTD,
        Value::Text(|r, out| r.facts.principal.write_key(out)),
        "Who is answerable, as kind:value",
    ),
    column("application", LOW, ZSTD, Value::Str(|r| r.facts.application), "The calling service"),
    column("provider", LOW, ZSTD, Value::Str(|r| r.facts.provider), "Who serves the model"),
    column("model", LOW, ZSTD, Value::Str(|r| r.facts.model), "The model that was asked"),
    column(
        "dest_host",
        LOW,
        ZSTD,
        Value::Str(|r| r.facts.destination.host),
        "Where the call went; empty: not reported",
    ),
    column("conversation", "String", ZSTD, Value::Str(|r| r.facts.conversation), "Conversation, session or trace"),
    column("source_topic", LOW, ZSTD, Value::Str(|r| r.facts.position.topic), "Where the captured record stands"),
    column("source_partition", "Int32", ZSTD, Value::I32(|r| r.facts.position.partition), "See source_topic"),
    column("source_offset", "Int64", DELTA, Value::I64(|r| r.facts.position.offset), "See source_topic"),
    column(
        "source_index",
        "UInt32",
        ZSTD,
        Value::U32(|r| r.facts.index),
        "Which of the interactions of the record, from 0",
    ),
];
