//! Consecutive outbox records that are inserted together: one body a table, which is their blocks one after another.
//!
//! A group knows its bytes and their names. When it is sent, and what becomes of it, is the store loop's matter.

use super::super::header;
use super::intent::Intent;
use crate::clickhouse::insert::{SETTINGS_VERSION, Token, body_hash};
use crate::limits;
use crate::model::uid::Uid;
use crate::tables;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use sha2::{Digest, Sha256};

/// A record of the outbox: a block of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxRecord {
    pub offset: i64,
    pub table: &'static str,
    pub block: BlockName,
    /// `year * 12 + month` of the block's time, by which tables are partitioned.
    pub month: i32,
    pub body: Vec<u8>,
    /// For metrics only: its rows, and the Kafka timestamp in ms of the oldest event among them.
    pub rows: u64,
    pub oldest_ms: Option<i64>,
}

/// By what a block is found in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockName {
    pub id: [u8; 16],
    pub time_ms: i64,
}

impl OutboxRecord {
    /// Reads a record; the error says what is wrong with it.
    pub fn read(record: &BorrowedMessage<'_>) -> Result<Self, String> {
        let named = |name: &str| record.headers()?.iter().find(|header| header.key == name)?.value;
        Self::of(record.offset(), named, record.payload().unwrap_or_default())
    }

    /// Makes one of what a record holds; `header` looks up the value of a header.
    pub fn of<'h>(offset: i64, header: impl Fn(&str) -> Option<&'h [u8]>, body: &[u8]) -> Result<Self, String> {
        let wrong = |what: &str| format!("outbox record at offset {offset}: {what}");
        let named = |name| header(name).and_then(|value| std::str::from_utf8(value).ok());
        let table = named(header::TABLE).ok_or_else(|| wrong("it names no table"))?;
        let table = *tables::NAMES
            .iter()
            .find(|known| **known == table)
            .ok_or_else(|| wrong("this version does not know its table; upgrade store first"))?;
        let id = named(header::BLOCK_ID).and_then(Uid::parse).ok_or_else(|| wrong("it has no block id"))?;
        let time_ms = named(header::BLOCK_TIME).and_then(|time| time.parse().ok());
        let time_ms: i64 = time_ms.ok_or_else(|| wrong("it has no block time"))?;
        let month = month_of(time_ms).ok_or_else(|| wrong("its block time is out of range"))?;
        Ok(OutboxRecord {
            offset,
            table,
            block: BlockName { id: id.0, time_ms },
            month,
            body: body.to_vec(),
            rows: named(header::ROWS).and_then(|rows| rows.parse().ok()).unwrap_or(0),
            oldest_ms: named(header::OLDEST_EVENT).and_then(|oldest| oldest.parse().ok()),
        })
    }
}

fn month_of(time_ms: i64) -> Option<i32> {
    let time = jiff::Timestamp::from_millisecond(time_ms).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    Some(i32::from(time.year()) * 12 + i32::from(time.month()))
}

/// A run of records. Once frozen it never changes.
#[derive(Debug, Default, PartialEq)]
pub struct Group {
    tables: Vec<TableBody>,
    records: u64,
    last: i64,
    bytes: usize,
    month: Option<i32>,
}

#[derive(Debug, PartialEq)]
struct TableBody {
    table: &'static str,
    first_block: BlockName,
    body: Vec<u8>,
    rows: u64,
    oldest_ms: Vec<i64>,
}

impl Group {
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// How many records.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Compressed bytes of all blocks.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The last record's offset.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// Whether a record may join: another month would make two parts of one insert, which breaks "any row means
    /// all"; and the group has a size.
    pub fn takes(&self, record: &OutboxRecord) -> bool {
        self.bytes < limits::GROUP_MAX_BYTES && self.month.is_none_or(|month| month == record.month)
    }

    /// Adds the next record.
    pub fn extend(&mut self, record: OutboxRecord) {
        self.last = record.offset;
        self.records += 1;
        self.bytes += record.body.len();
        self.month.get_or_insert(record.month);
        match self.tables.iter_mut().find(|table| table.table == record.table) {
            Some(table) => {
                table.body.extend_from_slice(&record.body);
                table.rows += record.rows;
                table.oldest_ms.extend(record.oldest_ms);
            }
            None => {
                let OutboxRecord { table, block: first_block, body, rows, oldest_ms, .. } = record;
                let table = TableBody { table, first_block, body, rows, oldest_ms: oldest_ms.into_iter().collect() };
                let at = self.tables.partition_point(|known| order(known.table) < order(table.table));
                self.tables.insert(at, table);
            }
        }
    }

    /// Tables in their fixed order, each with its first block and the body to send.
    pub fn tables(&self) -> impl Iterator<Item = (&'static str, BlockName, &[u8])> {
        self.tables.iter().map(|table| (table.table, table.first_block, table.body.as_slice()))
    }

    /// Of a table: how many rows, and the Kafka timestamps in ms of each block's oldest event, as far as they are known.
    pub fn told(&self, table: &str) -> (u64, &[i64]) {
        let known = self.tables.iter().find(|known| known.table == table);
        known.map_or((0, &[]), |known| (known.rows, &known.oldest_ms))
    }

    /// What is committed before it is sent; `first` is the committed offset.
    pub fn intent(&self, first: i64) -> Intent {
        Intent { first, last: self.last, settings: SETTINGS_VERSION, body: self.hash() }
    }

    /// The name under which ClickHouse knows the insert of one table. Bytes alone would not do: equal rows are no
    /// repetition.
    pub fn token(&self, cluster_id: &str, topic: &str, partition: i32, first: i64, table: &str, body: &[u8]) -> String {
        let body_hash = body_hash(body);
        Token { cluster_id, topic, partition, first, last: self.last, table, body_hash }.to_string()
    }

    /// Of all tables and bodies, in hex.
    fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for table in &self.tables {
            hasher.update((table.table.len() as u64).to_le_bytes());
            hasher.update(table.table);
            hasher.update((table.body.len() as u64).to_le_bytes());
            hasher.update(&table.body);
        }
        hasher.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn order(table: &str) -> usize {
    tables::NAMES.iter().position(|known| *known == table).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64, table: &'static str, month: i32, body: &[u8]) -> OutboxRecord {
        let block = BlockName { id: [offset as u8; 16], time_ms: 0 };
        OutboxRecord { offset, table, block, month, body: body.to_vec(), rows: 2, oldest_ms: Some(offset) }
    }

    #[test]
    fn blocks_of_a_table_follow_each_other_and_tables_have_an_order() {
        let mut group = Group::default();
        group.extend(record(3, tables::NAMES[1], 1, b"a"));
        group.extend(record(4, tables::NAMES[0], 1, b"b"));
        group.extend(record(6, tables::NAMES[1], 1, b"c"));
        let tables: Vec<_> = group.tables().map(|(table, block, body)| (table, block.id[0], body)).collect();
        assert_eq!(tables, [(tables::NAMES[0], 4, &b"b"[..]), (tables::NAMES[1], 3, &b"ac"[..])]);
        assert_eq!((group.last(), group.bytes(), group.records()), (6, 3, 3));
        assert_eq!(group.told(tables::NAMES[1]), (4, &[3, 6][..]));
    }

    #[test]
    fn another_month_does_not_join() {
        let mut group = Group::default();
        assert!(group.takes(&record(1, tables::NAMES[0], 7, b"")));
        group.extend(record(1, tables::NAMES[0], 7, b""));
        assert!(!group.takes(&record(2, tables::NAMES[0], 8, b"")));
        assert_eq!(month_of(1_767_225_599_999), Some(2025 * 12 + 12));
        assert_eq!(month_of(1_767_225_600_000), Some(2026 * 12 + 1));
    }

    #[test]
    fn an_intent_tells_other_bytes_and_other_tables_apart() {
        let of = |table, body: &[u8]| {
            let mut group = Group::default();
            group.extend(record(9, table, 7, body));
            group.intent(5)
        };
        assert_eq!(of(tables::NAMES[0], b"rows"), of(tables::NAMES[0], b"rows"));
        assert_ne!(of(tables::NAMES[0], b"rows"), of(tables::NAMES[0], b"rowz"));
        assert_ne!(of(tables::NAMES[0], b"rows"), of(tables::NAMES[1], b"rows"));
    }
}
