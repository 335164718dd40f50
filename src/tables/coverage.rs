//! `coverage`: the ledger of which input offsets were processed, with what result, under which configuration.
//!
//! What the fields mean and how rows are chained stands in [`crate::ledger`].

use super::{Column, DELTA, LOW, NONE, Table, Value, ZSTD, column};
use crate::ledger::CoverageRow;
use crate::model::uid::Uid;

/// The table.
pub struct Coverage;

impl Table for Coverage {
    const NAME: &'static str = "coverage";
    const COLUMNS: &'static [Column<Self>] = COLUMNS;
    type Row<'a> = CoverageRow<'a>;

    fn identify(row: &CoverageRow<'_>) -> Uid {
        Uid::of(&[&row.hash])
    }
}

const COLUMNS: &[Column<Coverage>] = &[
    column("block_time", "DateTime64(3, 'UTC')", DELTA, Value::BlockTime, "When the row was written"),
    column("block_id", "UUID", ZSTD, Value::BlockId, "The block that the row came in"),
    column(
        "kind",
        LOW,
        ZSTD,
        Value::Str(|r| r.entry.kind.name()),
        "batch: processed; gap: never seen; reset: state was repaired by hand",
    ),
    column("topic", LOW, ZSTD, Value::Str(|r| r.entry.topic), "The topic whose offsets are accounted for"),
    column("partition", "Int32", ZSTD, Value::I32(|r| r.entry.partition), "See topic"),
    column("first_offset", "Int64", DELTA, Value::I64(|r| r.entry.first_offset), "Where the range begins"),
    column("last_offset", "Int64", DELTA, Value::I64(|r| r.entry.last_offset), "Where it ends, inclusive"),
    column("events", "UInt64", ZSTD, Value::U64(|r| r.entry.events), "Records in the range"),
    column("interactions", "UInt64", ZSTD, Value::U64(|r| r.entry.interactions), "Interactions decoded from them"),
    column("rejects", "UInt64", ZSTD, Value::U64(|r| r.entry.rejects), "Records that went to the dead letters"),
    column("gaps", "UInt64", ZSTD, Value::U64(|r| r.entry.gaps), "Offsets in the range that held no record"),
    column("config_digest", LOW, ZSTD, Value::Str(|r| r.entry.config_digest), "SHA-256 of the configuration in force"),
    column("packs_digest", LOW, ZSTD, Value::Str(|r| r.entry.packs_digest), "SHA-256 of the rules in force"),
    column("policy_digest", LOW, ZSTD, Value::Str(|r| r.entry.policy_digest), "SHA-256 of the policy in force"),
    column(
        "facts_hash",
        "FixedString(32)",
        NONE,
        Value::Hash32(|r| r.entry.facts_hash),
        "SHA-256 of the facts that were written, in order",
    ),
    column("previous_hash", "FixedString(32)", NONE, Value::Hash32(|r| r.previous_hash), "hash of the row before"),
    column("hash", "FixedString(32)", NONE, Value::Hash32(|r| r.hash), "SHA-256 of this row and previous_hash"),
    column("instance", LOW, ZSTD, Value::Str(|r| r.entry.instance), "Who processed it"),
];
