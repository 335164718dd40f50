//! `dead_letters`: one row for each event of which nothing could be made, without its bytes.
//!
//! The same is in the topic of dead letters; the table is for counting and for the report on completeness.

use super::{Column, DELTA, LOW, Table, Value, ZSTD, column};
use crate::model::reject::{DeadLetter, Hex};
use crate::model::uid::Uid;
use std::fmt::Write;

/// The table.
pub struct DeadLetters;

impl Table for DeadLetters {
    const NAME: &'static str = "dead_letters";
    const COLUMNS: &'static [Column<Self>] = COLUMNS;
    type Row<'a> = DeadLetter<'a>;

    fn identify(row: &DeadLetter<'_>) -> Uid {
        Uid::of(&[
            row.stage.as_bytes(),
            row.position.topic.as_bytes(),
            &row.position.partition.to_le_bytes(),
            &row.position.offset.to_le_bytes(),
        ])
    }
}

const COLUMNS: &[Column<DeadLetters>] = &[
    column("block_time", "DateTime64(3, 'UTC')", DELTA, Value::BlockTime, "When the row was written"),
    column("block_id", "UUID", ZSTD, Value::BlockId, "The block that the row came in"),
    column("kafka_time", "DateTime64(3, 'UTC')", DELTA, Value::Time(|r| r.timestamp_ms), "Timestamp of the record"),
    column("source_topic", LOW, ZSTD, Value::Str(|r| r.position.topic), "Where the record stands"),
    column("source_partition", "Int32", ZSTD, Value::I32(|r| r.position.partition), "See source_topic"),
    column("source_offset", "Int64", DELTA, Value::I64(|r| r.position.offset), "See source_topic"),
    column("stage", LOW, ZSTD, Value::Str(|r| r.stage), "Which loop gave up: detect or score"),
    column("reason", LOW, ZSTD, Value::Str(|r| r.reject.reason.name()), "not_json, too_large, ..."),
    column("detail", "String", ZSTD, Value::Str(|r| &r.reject.detail), "What is wrong and where, without content"),
    column("bytes", "UInt64", ZSTD, Value::U64(|r| r.bytes), "Size of the record"),
    column(
        "hmac",
        "String",
        ZSTD,
        Value::Text(|r, out| write!(out, "{}", Hex(&r.hash)).expect("a string takes everything")),
        "Keyed hash of the record in hex: proves which bytes it was; empty: no key",
    ),
];
