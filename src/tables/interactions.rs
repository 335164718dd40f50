//! `interactions`: one row for each LLM call, without its text.
//!
//! This file says what a row holds. How it is laid out on disk stands in the migration.

use super::{Column, DELTA, LOW, Table, Value, ZSTD, column};
use crate::model::facts::Facts;
use crate::model::uid::Uid;
use crate::model::{Destination, Severity, Warning};

/// The table.
pub struct Interactions;

/// What a row is made of.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub facts: &'a Facts<'a>,
    /// How many findings were made of it.
    pub findings: u32,
    /// The worst of them.
    pub max_severity: Option<Severity>,
}

impl Table for Interactions {
    const NAME: &'static str = "interactions";
    const COLUMNS: &'static [Column<Self>] = COLUMNS;
    type Row<'a> = Row<'a>;

    fn identify(row: &Row<'_>) -> Uid {
        source(row.facts)
    }
}

/// Position and index of an interaction: no two have the same.
pub(super) fn source(facts: &Facts<'_>) -> Uid {
    Uid::of(&[
        facts.position.topic.as_bytes(),
        &facts.position.partition.to_le_bytes(),
        &facts.position.offset.to_le_bytes(),
        &facts.index.to_le_bytes(),
    ])
}

/// Whether the capture point told how the call was transported. What it did not tell is not guessed from the
/// host or the port, so that an auditor can count what is known.
fn transport_evidence(destination: &Destination<'_>) -> &'static str {
    if destination.scheme.is_empty() && destination.tls_version.is_empty() { "unknown" } else { "observed" }
}

const COLUMNS: &[Column<Interactions>] = &[
    column("block_time", "DateTime64(3, 'UTC')", DELTA, Value::BlockTime, "When the row was written by scoring"),
    column("block_id", "UUID", ZSTD, Value::BlockId, "The block that the row came in"),
    column("time", "DateTime64(3, 'UTC')", DELTA, Value::Time(|r| r.facts.time_ms), "When the call was made"),
    column(
        "kafka_time",
        "DateTime64(3, 'UTC')",
        DELTA,
        Value::Time(|r| r.facts.timestamp_ms),
        "Timestamp of the captured record",
    ),
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
    column(
        "source_id",
        "String",
        ZSTD,
        Value::Str(|r| r.facts.source_id),
        "Id of the call at its source; may be empty",
    ),
    column("conversation", "String", ZSTD, Value::Str(|r| r.facts.conversation), "Conversation, session or trace"),
    column(
        "principal",
        "String",
        ZSTD,
        Value::Text(|r, out| r.facts.principal.write_key(out)),
        "Who is answerable, as kind:value",
    ),
    column(
        "principal_kind",
        LOW,
        ZSTD,
        Value::Str(|r| r.facts.principal.kind.name()),
        "user, key, workload or unknown",
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
    column("dest_port", "UInt16", ZSTD, Value::U16(|r| r.facts.destination.port), "0: not reported"),
    column("dest_scheme", LOW, ZSTD, Value::Str(|r| r.facts.destination.scheme), "https, http; empty: not reported"),
    column("tls_version", LOW, ZSTD, Value::Str(|r| r.facts.destination.tls_version), "Empty: not reported"),
    column(
        "transport_evidence",
        LOW,
        ZSTD,
        Value::Str(|r| transport_evidence(&r.facts.destination)),
        "observed: the capture point reported scheme or TLS version; else unknown",
    ),
    column(
        "input_tokens",
        "Nullable(UInt64)",
        ZSTD,
        Value::NullableU64(|r| r.facts.input_tokens),
        "As the provider counted; NULL: not reported",
    ),
    column(
        "output_tokens",
        "Nullable(UInt64)",
        ZSTD,
        Value::NullableU64(|r| r.facts.output_tokens),
        "As the provider counted; NULL: not reported",
    ),
    column("input_bytes", "UInt64", ZSTD, Value::U64(|r| r.facts.input_bytes), "Content to the model"),
    column("output_bytes", "UInt64", ZSTD, Value::U64(|r| r.facts.output_bytes), "Content from the model"),
    column("messages", "UInt32", ZSTD, Value::U32(|r| r.facts.messages), "Messages in both directions"),
    column("status", "UInt16", ZSTD, Value::U16(|r| r.facts.status), "HTTP status of the call; 0: not reported"),
    column(
        "latency_ms",
        "Nullable(UInt32)",
        ZSTD,
        Value::NullableU32(|r| r.facts.latency_ms),
        "How long the call took; NULL: not reported",
    ),
    column(
        "content_state",
        LOW,
        ZSTD,
        Value::Str(|r| r.facts.content_state.name()),
        "How much of the content was there to be scanned",
    ),
    column(
        "warnings",
        "Array(LowCardinality(String))",
        ZSTD,
        Value::Strings(|r, each| r.facts.warnings.iter().map(Warning::name).for_each(each)),
        "What decoding had to pass over",
    ),
    column(
        "part_hashes",
        "Array(FixedString(16))",
        ZSTD,
        Value::Hashes(|r| &r.facts.part_hashes),
        "Keyed hashes of the first parts, in order",
    ),
    column("hash_key_id", LOW, ZSTD, Value::Str(|r| r.facts.key_id), "The key of the hashes; empty: none"),
    column("hits", "UInt32", ZSTD, Value::U32(|r| r.facts.hits.len() as u32), "Places where a rule matched"),
    column("hits_dropped", "UInt32", ZSTD, Value::U32(|r| r.facts.hits_dropped), "Further such places, not kept"),
    column("findings", "UInt32", ZSTD, Value::U32(|r| r.findings), "Findings made of it"),
    column(
        "max_severity",
        "UInt8",
        ZSTD,
        Value::U8(|r| r.max_severity.map_or(0, Severity::code)),
        "severity_id of its worst finding; 0: none",
    ),
];
