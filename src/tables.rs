//! The tables in ClickHouse, and their rows as blocks that ClickHouse takes as they are.
//!
//! A table's columns stand once, in its file: name, type, codec, comment and value side by side. From there come
//! the block's head, the check of the server's schema and the documentation; a migration states them a second
//! time, and a test holds it to them word for word. A [`Builder`] appends each row to one buffer a column;
//! [`Builder::take`] makes compressed blocks that fit a record of the outbox.
//!
//! This room decides nothing about what is stored, and it sends nothing anywhere.

pub mod coverage;
pub mod dead_letters;
pub mod findings;
pub mod interactions;
pub mod native;

use crate::limits;
use crate::model::uid::Uid;
use native::{BlockWriter, Buffer, Compressor, Kind};
use std::ops::Range;

/// What each piece of a block that was too large should come to. Pieces compress a little worse than the whole,
/// and one that is too large again costs a second cut.
const PIECE_BYTES: usize = limits::RECORD_MAX_BYTES - limits::RECORD_MAX_BYTES / 16;

/// Rows of one table, ready to be inserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub table: &'static str,
    pub rows: u64,
    /// In the column `block_id`, as a UUID: by it one finds out whether the block was inserted.
    pub block_id: [u8; 16],
    /// In the column `block_time`, in ms since the epoch.
    pub block_time_ms: i64,
    /// Compressed Native, at most [`limits::RECORD_MAX_BYTES`]. Bodies of one table may be concatenated.
    pub body: Vec<u8>,
}

/// A table of ClickHouse.
pub trait Table: Sized + 'static {
    const NAME: &'static str;
    const COLUMNS: &'static [Column<Self>];
    /// What a row is made of.
    type Row<'a>;

    /// Tells this row's source from every other's.
    fn identify(row: &Self::Row<'_>) -> Uid;
}

/// A column: how it is declared, and how a row fills it.
pub struct Column<T: Table> {
    pub name: &'static str,
    /// Its type in the table, as ClickHouse shows it.
    pub table_type: &'static str,
    /// What stands in `CODEC(…)`.
    pub codec: &'static str,
    /// What it means, for `DESCRIBE TABLE`.
    pub comment: &'static str,
    value: Value<T>,
}

/// Takes the texts of an array, one a call.
type Each<'f> = &'f mut dyn FnMut(&str);

/// How a row fills a column. The variant is the column's type in the block.
enum Value<T: Table> {
    /// When the block was closed: the same in all its rows, since tables are partitioned by it.
    BlockTime,
    /// The block's id, the same in all its rows.
    BlockId,
    Str(for<'r> fn(&'r T::Row<'_>) -> &'r str),
    /// A text that has to be put together; the buffer is empty.
    Text(fn(&T::Row<'_>, &mut String)),
    U8(fn(&T::Row<'_>) -> u8),
    U16(fn(&T::Row<'_>) -> u16),
    U32(fn(&T::Row<'_>) -> u32),
    U64(fn(&T::Row<'_>) -> u64),
    I32(fn(&T::Row<'_>) -> i32),
    I64(fn(&T::Row<'_>) -> i64),
    F32(fn(&T::Row<'_>) -> f32),
    Time(fn(&T::Row<'_>) -> i64),
    Uuid(fn(&T::Row<'_>) -> [u8; 16]),
    Hash32(fn(&T::Row<'_>) -> [u8; 32]),
    NullableU32(fn(&T::Row<'_>) -> Option<u32>),
    NullableU64(fn(&T::Row<'_>) -> Option<u64>),
    NullableTime(fn(&T::Row<'_>) -> Option<i64>),
    NullableUuid(fn(&T::Row<'_>) -> Option<[u8; 16]>),
    /// Calls its second argument with each text.
    Strings(fn(&T::Row<'_>, Each<'_>)),
    Hashes(for<'r> fn(&'r T::Row<'_>) -> &'r [[u8; 16]]),
}

impl<T: Table> Value<T> {
    fn kind(&self) -> Kind {
        match self {
            Value::BlockTime | Value::Time(_) => Kind::Time,
            Value::BlockId | Value::Uuid(_) => Kind::Uuid,
            Value::Str(_) | Value::Text(_) => Kind::Str,
            Value::U8(_) => Kind::U8,
            Value::U16(_) => Kind::U16,
            Value::U32(_) => Kind::U32,
            Value::U64(_) => Kind::U64,
            Value::I32(_) => Kind::I32,
            Value::I64(_) => Kind::I64,
            Value::F32(_) => Kind::F32,
            Value::Hash32(_) => Kind::Hash32,
            Value::NullableU32(_) => Kind::NullableU32,
            Value::NullableU64(_) => Kind::NullableU64,
            Value::NullableTime(_) => Kind::NullableTime,
            Value::NullableUuid(_) => Kind::NullableUuid,
            Value::Strings(_) => Kind::Strings,
            Value::Hashes(_) => Kind::Hashes,
        }
    }

    fn append(&self, row: &T::Row<'_>, buffer: &mut Buffer, scratch: &mut String) {
        match self {
            // These two are known when the block is closed, and written then.
            Value::BlockTime | Value::BlockId => {}
            Value::Str(get) => buffer.text(get(row)),
            Value::Text(write) => {
                scratch.clear();
                write(row, scratch);
                buffer.text(scratch);
            }
            Value::U8(get) => buffer.fixed([get(row)]),
            Value::U16(get) => buffer.fixed(get(row).to_le_bytes()),
            Value::U32(get) => buffer.fixed(get(row).to_le_bytes()),
            Value::U64(get) => buffer.fixed(get(row).to_le_bytes()),
            Value::I32(get) => buffer.fixed(get(row).to_le_bytes()),
            Value::I64(get) | Value::Time(get) => buffer.fixed(get(row).to_le_bytes()),
            Value::F32(get) => buffer.fixed(get(row).to_le_bytes()),
            Value::Uuid(get) => buffer.fixed(native::uuid(&get(row))),
            Value::Hash32(get) => buffer.fixed(get(row)),
            Value::NullableU32(get) => buffer.option(get(row).map(u32::to_le_bytes)),
            Value::NullableU64(get) => buffer.option(get(row).map(u64::to_le_bytes)),
            Value::NullableTime(get) => buffer.option(get(row).map(i64::to_le_bytes)),
            Value::NullableUuid(get) => buffer.option(get(row).map(|id| native::uuid(&id))),
            Value::Strings(each) => {
                each(row, &mut |text| buffer.element_text(text));
                buffer.end_array();
            }
            Value::Hashes(get) => {
                get(row).iter().for_each(|hash| buffer.element_fixed(*hash));
                buffer.end_array();
            }
        }
    }
}

/// Collects rows of one table.
pub struct Builder<T: Table> {
    /// One for each of `T::COLUMNS`; empty for the two constant ones.
    buffers: Vec<Buffer>,
    rows: usize,
    /// Of the first row.
    first: Option<Uid>,
    bytes: usize,
    scratch: String,
    raw: Vec<u8>,
    compressor: Compressor,
    table: std::marker::PhantomData<T>,
}

impl<T: Table> Default for Builder<T> {
    fn default() -> Self {
        Builder {
            buffers: T::COLUMNS.iter().map(|column| Buffer::new(column.value.kind())).collect(),
            rows: 0,
            first: None,
            bytes: 0,
            scratch: String::new(),
            raw: Vec::new(),
            compressor: Compressor::default(),
            table: std::marker::PhantomData,
        }
    }
}

impl<T: Table> Builder<T> {
    /// Without rows.
    pub fn new() -> Self {
        Builder::default()
    }

    /// Appends a row. Allocates only when a buffer grows.
    pub fn push(&mut self, row: &T::Row<'_>) {
        if self.first.is_none() {
            self.first = Some(T::identify(row));
        }
        self.bytes = 0;
        for (column, buffer) in T::COLUMNS.iter().zip(&mut self.buffers) {
            column.value.append(row, buffer, &mut self.scratch);
            self.bytes += buffer.bytes();
        }
        self.rows += 1;
    }

    /// Rows that are waiting.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that are waiting, before compression.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the rows that are waiting: the transaction that they belong to was aborted.
    pub fn clear(&mut self) {
        self.buffers.iter_mut().for_each(Buffer::clear);
        (self.rows, self.bytes, self.first) = (0, 0, None);
    }

    /// Closes the rows that are waiting into as few blocks as fit a record each.
    ///
    /// All are compressed together first and cut only if that is too large, because how well rows compress is
    /// known only afterwards. A row that does not fit alone (the limits rule that out) becomes a block by
    /// itself, and its producer says that it is too large.
    pub fn take(&mut self, block_time_ms: i64) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut waiting = Vec::new();
        if self.rows > 0 {
            waiting.push(0..self.rows);
        }
        while let Some(rows) = waiting.pop() {
            let block = self.encode(rows.clone(), block_time_ms);
            if block.body.len() <= limits::RECORD_MAX_BYTES || rows.len() == 1 {
                blocks.push(block);
            } else {
                let pieces = (block.body.len() / PIECE_BYTES + 1).min(rows.len());
                waiting.extend(split(&rows, pieces).rev());
            }
        }
        self.clear();
        blocks
    }

    fn encode(&mut self, rows: Range<usize>, block_time_ms: i64) -> Block {
        let first = self.first.expect("rows were pushed");
        // The time belongs to it so that a replay of the same events into the same tables has blocks of its own.
        let block_id = Uid::of(&[
            b"block",
            T::NAME.as_bytes(),
            &first.0,
            &(rows.start as u64).to_le_bytes(),
            &block_time_ms.to_le_bytes(),
        ])
        .0;
        self.raw.clear();
        let mut writer = BlockWriter::new(&mut self.raw, T::COLUMNS.len(), rows.clone());
        for (column, buffer) in T::COLUMNS.iter().zip(&self.buffers) {
            match column.value {
                Value::BlockTime => writer.constant(column.name, Kind::Time, &block_time_ms.to_le_bytes()),
                Value::BlockId => writer.constant(column.name, Kind::Uuid, &native::uuid(&block_id)),
                _ => writer.column(column.name, buffer),
            }
        }
        let body = self.compressor.compress(&self.raw);
        Block { table: T::NAME, rows: rows.len() as u64, block_id, block_time_ms, body }
    }
}

/// Cuts a range into so many ranges of nearly the same length.
fn split(rows: &Range<usize>, pieces: usize) -> impl DoubleEndedIterator<Item = Range<usize>> + use<> {
    let (start, length) = (rows.start, rows.len());
    (0..pieces).map(move |piece| start + length * piece / pieces..start + length * (piece + 1) / pieces)
}

/// What schema, documentation and checks need to know of a table.
#[derive(Clone, Debug)]
pub struct TableInfo {
    pub name: &'static str,
    pub columns: Vec<ColumnInfo>,
}

/// What schema, documentation and checks need to know of a column.
#[derive(Clone, Debug)]
pub struct ColumnInfo {
    pub name: &'static str,
    /// In a block.
    pub block_type: &'static str,
    /// In the table; ClickHouse converts.
    pub table_type: &'static str,
    pub codec: &'static str,
    pub comment: &'static str,
}

impl ColumnInfo {
    /// Its line in `CREATE TABLE`, without the comma.
    pub fn definition(&self) -> String {
        let ColumnInfo { name, table_type, codec, comment, .. } = self;
        format!("`{name}` {table_type} COMMENT '{comment}' CODEC({codec})")
    }
}

/// The names of all tables, in the order in which a group is inserted.
pub const NAMES: [&str; 4] = [
    interactions::Interactions::NAME,
    findings::Findings::NAME,
    coverage::Coverage::NAME,
    dead_letters::DeadLetters::NAME,
];

/// All tables, in the order of [`NAMES`].
pub fn all() -> [TableInfo; 4] {
    [
        info::<interactions::Interactions>(),
        info::<findings::Findings>(),
        info::<coverage::Coverage>(),
        info::<dead_letters::DeadLetters>(),
    ]
}

fn info<T: Table>() -> TableInfo {
    let column = |column: &Column<T>| ColumnInfo {
        name: column.name,
        block_type: column.value.kind().name(),
        table_type: column.table_type,
        codec: column.codec,
        comment: column.comment,
    };
    TableInfo { name: T::NAME, columns: T::COLUMNS.iter().map(column).collect() }
}

/// For text and numbers that repeat or are large.
const ZSTD: &str = "ZSTD(1)";
/// For times and offsets, which rise within a block and by the order key.
const DELTA: &str = "Delta(8), ZSTD(1)";
/// For hashes that never repeat.
const NONE: &str = "NONE";

const LOW: &str = "LowCardinality(String)";

/// Shortens the lists of columns.
const fn column<T: Table>(
    name: &'static str,
    table_type: &'static str,
    codec: &'static str,
    value: Value<T>,
    comment: &'static str,
) -> Column<T> {
    Column { name, table_type, codec, comment, value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Position;
    use crate::model::evidence::MaskKey;
    use crate::model::reject::{DeadLetter, Reason, Reject};
    use proptest::prelude::*;

    fn dead_letter(offset: i64, detail: String) -> DeadLetter<'static> {
        let position = Position { topic: "llm.events", partition: 0, offset };
        DeadLetter::new(position, 0, "detect", Reject::new(Reason::NotJson, detail), None, &MaskKey::none())
    }

    /// Text that does not compress, the same for the same seed.
    fn noise(seed: u64, length: usize) -> String {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b' ' + (state % 95) as u8)
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn every_column_stands_in_a_migration_word_for_word() {
        let migrations: String = crate::clickhouse::schema::MIGRATIONS.iter().map(|migration| migration.sql).collect();
        for table in all() {
            let (_, rest) =
                migrations.split_once(&format!("`{}`{{on_cluster}}\n(", table.name)).expect("the table is created");
            for column in table.columns {
                assert!(rest.contains(&column.definition()), "{}: {}", table.name, column.definition());
            }
        }
    }

    #[test]
    fn columns_are_declared_soundly() {
        for table in all() {
            for (index, column) in table.columns.iter().enumerate() {
                let place = format!("{}.{}", table.name, column.name);
                assert!(!column.comment.contains(['\'', '\\', '\n']), "{place}: a comment stands in quotes");
                assert!(
                    !table.columns[..index].iter().any(|other| other.name == column.name),
                    "{place} is there twice"
                );
                // The conversions that were tried on the server.
                let plain = column.table_type.replace("LowCardinality(String)", "String");
                assert_eq!(plain, column.block_type, "{place}");
            }
            assert_eq!([table.columns[0].name, table.columns[1].name], ["block_time", "block_id"]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// However well rows compress, blocks fit a record, hold every row once, and have ids of their own.
        #[test]
        fn blocks_fit_a_record(sizes in proptest::collection::vec(0usize..200_000, 1..40)) {
            let mut builder = Builder::<dead_letters::DeadLetters>::new();
            for (offset, size) in sizes.iter().enumerate() {
                builder.push(&dead_letter(offset as i64, noise(offset as u64, *size)));
            }
            for (column, buffer) in dead_letters::DeadLetters::COLUMNS.iter().zip(&builder.buffers).skip(2) {
                prop_assert_eq!(buffer.count_rows(), sizes.len(), "{}", column.name);
            }
            let blocks = builder.take(1);
            prop_assert_eq!(blocks.iter().map(|block| block.rows).sum::<u64>(), sizes.len() as u64);
            prop_assert!(blocks.iter().all(|block| block.body.len() <= limits::RECORD_MAX_BYTES));
            let ids: std::collections::BTreeSet<_> = blocks.iter().map(|block| block.block_id).collect();
            prop_assert_eq!(ids.len(), blocks.len());
            // As few as needed, or nearly: pieces of equal rows are not of equal size.
            let bytes: usize = blocks.iter().map(|block| block.body.len()).sum();
            prop_assert!(blocks.len() <= 3 * (bytes / limits::RECORD_MAX_BYTES) + 1, "{} of {bytes} bytes", blocks.len());
            prop_assert_eq!((builder.rows(), builder.bytes(), builder.take(2)), (0, 0, Vec::new()));
        }
    }

    #[test]
    fn a_row_too_large_for_any_record_is_a_block_by_itself() {
        let mut builder = Builder::<dead_letters::DeadLetters>::new();
        builder.push(&dead_letter(0, "small".into()));
        builder.push(&dead_letter(1, noise(1, 2 * limits::RECORD_MAX_BYTES)));
        let blocks = builder.take(1);
        assert_eq!(blocks.iter().map(|block| block.rows).collect::<Vec<_>>(), [1, 1]);
        assert!(blocks[1].body.len() > limits::RECORD_MAX_BYTES);
    }

    #[test]
    fn the_same_rows_make_the_same_blocks() {
        let blocks = || {
            let mut builder = Builder::<dead_letters::DeadLetters>::new();
            builder.push(&dead_letter(0, "aborted".into()));
            builder.clear();
            (0..9).for_each(|offset| builder.push(&dead_letter(offset, "x".into())));
            builder.take(1)
        };
        assert_eq!(blocks(), blocks());
    }
}
