//! ClickHouse's Native format and the frames of its compression, as far as weir writes them.
//!
//! A Native block is: count of columns, count of rows, then for each column its name, its type and its values
//! one after the other, so that a row is appended to one buffer a column and nothing is ever transposed. Blocks
//! and frames follow each other without any envelope: bodies of several records are one body when concatenated.
//! Types: <https://clickhouse.com/docs/interfaces/specs/NativeFormat>.
//!
//! This file knows no table, and it reads nothing back: the tests let the real server do that.

use cityhash_rs::cityhash_102_128;
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use std::ops::Range;

/// Uncompressed bytes of one frame. ClickHouse's own client uses 1 MiB too; the server holds one at a time.
const FRAME_BYTES: usize = 1 << 20;

/// Method (1), compressed size including this header (4) and uncompressed size (4).
const FRAME_HEADER_BYTES: usize = 9;
const CHECKSUM_BYTES: usize = 16;
const METHOD_LZ4: u8 = 0x82;

/// The type of a column in a block. A table's own type may differ where ClickHouse converts on insert
/// (`String` feeds `LowCardinality(String)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Str,
    U8,
    U16,
    U32,
    U64,
    I32,
    I64,
    F32,
    /// Milliseconds since the epoch.
    Time,
    Uuid,
    Hash32,
    NullableU32,
    NullableU64,
    NullableTime,
    NullableUuid,
    Strings,
    Hashes,
}

/// How the values of a column lie in its buffers.
#[derive(Clone, Copy)]
enum Shape {
    /// So many bytes each.
    Fixed(usize),
    /// Length, then bytes.
    Text,
    /// A map of nulls, then a value of this width for each row, null or not.
    Nullable(usize),
    /// The end of each row's elements, then all elements.
    ArrayOfText,
    ArrayOfFixed(usize),
}

impl Kind {
    /// ClickHouse's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Str => "String",
            Kind::U8 => "UInt8",
            Kind::U16 => "UInt16",
            Kind::U32 => "UInt32",
            Kind::U64 => "UInt64",
            Kind::I32 => "Int32",
            Kind::I64 => "Int64",
            Kind::F32 => "Float32",
            Kind::Time => "DateTime64(3, 'UTC')",
            Kind::Uuid => "UUID",
            Kind::Hash32 => "FixedString(32)",
            Kind::NullableU32 => "Nullable(UInt32)",
            Kind::NullableU64 => "Nullable(UInt64)",
            Kind::NullableTime => "Nullable(DateTime64(3, 'UTC'))",
            Kind::NullableUuid => "Nullable(UUID)",
            Kind::Strings => "Array(String)",
            Kind::Hashes => "Array(FixedString(16))",
        }
    }

    const fn shape(self) -> Shape {
        match self {
            Kind::Str => Shape::Text,
            Kind::U8 => Shape::Fixed(1),
            Kind::U16 => Shape::Fixed(2),
            Kind::U32 | Kind::I32 | Kind::F32 => Shape::Fixed(4),
            Kind::U64 | Kind::I64 | Kind::Time => Shape::Fixed(8),
            Kind::Uuid => Shape::Fixed(16),
            Kind::Hash32 => Shape::Fixed(32),
            Kind::NullableU32 => Shape::Nullable(4),
            Kind::NullableU64 | Kind::NullableTime => Shape::Nullable(8),
            Kind::NullableUuid => Shape::Nullable(16),
            Kind::Strings => Shape::ArrayOfText,
            Kind::Hashes => Shape::ArrayOfFixed(16),
        }
    }
}

/// A UUID as ClickHouse lays it out: two numbers of 64 bits, the high one first, each little-endian.
pub fn uuid(bytes: &[u8; 16]) -> [u8; 16] {
    let (high, low) = (u128::from_be_bytes(*bytes) >> 64, u128::from_be_bytes(*bytes));
    let mut swapped = [0; 16];
    swapped[..8].copy_from_slice(&(high as u64).to_le_bytes());
    swapped[8..].copy_from_slice(&(low as u64).to_le_bytes());
    swapped
}

/// The values of one column.
pub struct Buffer {
    kind: Kind,
    /// Map of nulls, or ends of arrays; else empty.
    head: Vec<u8>,
    data: Vec<u8>,
    /// Elements of all arrays so far.
    elements: u64,
}

impl Buffer {
    /// An empty column.
    pub fn new(kind: Kind) -> Self {
        Buffer { kind, head: Vec::new(), data: Vec::new(), elements: 0 }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        self.head.len() + self.data.len()
    }

    /// Forgets the values and keeps the memory.
    pub fn clear(&mut self) {
        self.head.clear();
        self.data.clear();
        self.elements = 0;
    }

    /// A value of fixed width, little-endian.
    pub fn fixed<const N: usize>(&mut self, value: [u8; N]) {
        self.data.extend_from_slice(&value);
    }

    /// A value of fixed width, or none.
    pub fn option<const N: usize>(&mut self, value: Option<[u8; N]>) {
        self.head.push(u8::from(value.is_none()));
        self.data.extend_from_slice(&value.unwrap_or([0; N]));
    }

    /// A text.
    pub fn text(&mut self, value: &str) {
        uint(&mut self.data, value.len() as u64);
        self.data.extend_from_slice(value.as_bytes());
    }

    /// A text as the next element of the array that [`Buffer::end_array`] ends.
    pub fn element_text(&mut self, value: &str) {
        self.text(value);
        self.elements += 1;
    }

    /// As [`Buffer::element_text`], of fixed width.
    pub fn element_fixed<const N: usize>(&mut self, value: [u8; N]) {
        self.fixed(value);
        self.elements += 1;
    }

    /// Ends a row of an array.
    pub fn end_array(&mut self) {
        self.head.extend_from_slice(&self.elements.to_le_bytes());
    }

    /// How many rows there are. Of texts this walks them: for checks and tests.
    pub fn count_rows(&self) -> usize {
        match self.kind.shape() {
            Shape::Fixed(width) => self.data.len() / width,
            Shape::Text => {
                let (mut rows, mut at) = (0, 0);
                while at < self.data.len() {
                    at = skip_texts(&self.data, at, 1);
                    rows += 1;
                }
                rows
            }
            Shape::Nullable(_) => self.head.len(),
            Shape::ArrayOfText | Shape::ArrayOfFixed(_) => self.head.len() / 8,
        }
    }

    /// Appends the values of some rows to a block.
    fn write_rows(&self, rows: &Range<usize>, out: &mut Vec<u8>) {
        match self.kind.shape() {
            Shape::Fixed(width) => out.extend_from_slice(&self.data[rows.start * width..rows.end * width]),
            Shape::Text => out.extend_from_slice(self.texts(rows)),
            Shape::Nullable(width) => {
                out.extend_from_slice(&self.head[rows.clone()]);
                out.extend_from_slice(&self.data[rows.start * width..rows.end * width]);
            }
            Shape::ArrayOfText => {
                let elements = self.write_ends(rows, out);
                out.extend_from_slice(self.texts(&elements));
            }
            Shape::ArrayOfFixed(width) => {
                let elements = self.write_ends(rows, out);
                out.extend_from_slice(&self.data[elements.start * width..elements.end * width]);
            }
        }
    }

    /// Appends the ends of some rows' arrays, counted from the first of these rows; returns their elements.
    fn write_ends(&self, rows: &Range<usize>, out: &mut Vec<u8>) -> Range<usize> {
        let end_of = |row: usize| {
            let bytes = self.head[row * 8..].first_chunk().expect("every row has an end of 8 bytes");
            u64::from_le_bytes(*bytes)
        };
        let start = rows.start.checked_sub(1).map_or(0, end_of);
        for row in rows.clone() {
            out.extend_from_slice(&(end_of(row) - start).to_le_bytes());
        }
        let end = if rows.is_empty() { start } else { end_of(rows.end - 1) };
        start as usize..end as usize
    }

    fn texts(&self, range: &Range<usize>) -> &[u8] {
        let start = skip_texts(&self.data, 0, range.start);
        let end = skip_texts(&self.data, start, range.len());
        &self.data[start..end]
    }
}

/// Where the text lies that follows `count` texts. To the end of the buffer it costs a walk, which only a block
/// that must be split would notice.
fn skip_texts(data: &[u8], mut at: usize, count: usize) -> usize {
    for _ in 0..count {
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let byte = data[at];
            at += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        at += length;
    }
    at
}

fn uint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes one block: its head, then one call a column.
pub struct BlockWriter<'o> {
    out: &'o mut Vec<u8>,
    rows: Range<usize>,
}

impl<'o> BlockWriter<'o> {
    /// Begins a block of some of the buffers' rows.
    pub fn new(out: &'o mut Vec<u8>, columns: usize, rows: Range<usize>) -> Self {
        uint(out, columns as u64);
        uint(out, rows.len() as u64);
        BlockWriter { out, rows }
    }

    /// A column of values.
    pub fn column(&mut self, name: &str, buffer: &Buffer) {
        self.head(name, buffer.kind);
        buffer.write_rows(&self.rows, self.out);
    }

    /// A column with the same value in each row.
    pub fn constant(&mut self, name: &str, kind: Kind, value: &[u8]) {
        self.head(name, kind);
        for _ in self.rows.clone() {
            self.out.extend_from_slice(value);
        }
    }

    fn head(&mut self, name: &str, kind: Kind) {
        for text in [name, kind.name()] {
            uint(self.out, text.len() as u64);
            self.out.extend_from_slice(text.as_bytes());
        }
    }
}

/// Compresses blocks into ClickHouse's frames. Keeps its table, so that a frame allocates nothing.
pub struct Compressor(CompressTable);

impl Default for Compressor {
    fn default() -> Self {
        Compressor(CompressTable::large())
    }
}

impl Compressor {
    /// The frames of `raw`.
    pub fn compress(&mut self, raw: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(raw.len() / 2 + CHECKSUM_BYTES + FRAME_HEADER_BYTES);
        for chunk in raw.chunks(FRAME_BYTES) {
            self.frame(chunk, &mut out);
        }
        out.shrink_to_fit();
        out
    }

    fn frame(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let body = start + CHECKSUM_BYTES;
        let data = body + FRAME_HEADER_BYTES;
        out.resize(data + get_maximum_output_size(chunk.len()), 0);
        let written =
            compress_into_with_table(chunk, &mut out[data..], &mut self.0).expect("the output has room for the worst");
        out.truncate(data + written);
        out[body] = METHOD_LZ4;
        out[body + 1..body + 5].copy_from_slice(&((FRAME_HEADER_BYTES + written) as u32).to_le_bytes());
        out[body + 5..data].copy_from_slice(&(chunk.len() as u32).to_le_bytes());
        // ClickHouse keeps CityHash128's low word first, this implementation's number has it on top.
        let checksum = cityhash_102_128(&out[body..]).rotate_left(64);
        out[start..body].copy_from_slice(&checksum.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn column(values: &[Vec<String>]) -> Buffer {
        let mut buffer = Buffer::new(Kind::Strings);
        for row in values {
            row.iter().for_each(|value| buffer.element_text(value));
            buffer.end_array();
        }
        buffer
    }

    fn written(buffer: &Buffer, rows: Range<usize>) -> Vec<u8> {
        let mut out = Vec::new();
        buffer.write_rows(&rows, &mut out);
        out
    }

    fn decompress(mut frames: &[u8]) -> Vec<u8> {
        let mut raw = Vec::new();
        while !frames.is_empty() {
            let word = |at: usize| u32::from_le_bytes(*frames[at..].first_chunk().unwrap()) as usize;
            let (size, raw_size) = (word(17), word(21));
            raw.extend(lz4_flex::block::decompress(&frames[25..16 + size], raw_size).unwrap());
            frames = &frames[16 + size..];
        }
        raw
    }

    proptest! {
        /// Some rows out of a longer column are written as if they were all there is.
        #[test]
        fn a_part_of_a_column_equals_a_column_of_that_part(
            values in proptest::collection::vec(proptest::collection::vec(".{0,200}", 0..4), 0..20),
            cut: prop::sample::Index,
        ) {
            let cut = cut.index(values.len() + 1);
            let all = column(&values);
            prop_assert_eq!(written(&all, 0..cut), written(&column(&values[..cut]), 0..cut));
            prop_assert_eq!(written(&all, cut..values.len()), written(&column(&values[cut..]), 0..values.len() - cut));
            prop_assert_eq!(all.count_rows(), values.len());
        }

        #[test]
        fn frames_hold_what_was_compressed(raw: Vec<u8>) {
            prop_assert_eq!(decompress(&Compressor::default().compress(&raw)), raw);
        }
    }

    #[test]
    fn a_long_block_is_several_frames() {
        let raw: Vec<u8> = (0..FRAME_BYTES as u32 * 5 / 8).flat_map(u32::to_le_bytes).collect();
        let mut compressor = Compressor::default();
        assert_eq!(decompress(&compressor.compress(&raw)), raw);
        assert_eq!(decompress(&compressor.compress(b"and then a short one")), b"and then a short one");
    }

    #[test]
    fn a_block_is_as_the_format_says() {
        let mut numbers = Buffer::new(Kind::NullableU32);
        numbers.option(Some(7u32.to_le_bytes()));
        numbers.option::<4>(None);
        let mut out = Vec::new();
        let mut block = BlockWriter::new(&mut out, 2, 0..2);
        block.column("n", &numbers);
        block.constant("id", Kind::U8, &[9]);
        assert_eq!(out, b"\x02\x02\x01n\x10Nullable(UInt32)\x00\x01\x07\0\0\0\0\0\0\0\x02id\x05UInt8\x09\x09");
    }

    #[test]
    fn a_uuid_is_two_little_endian_numbers() {
        let bytes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        assert_eq!(uuid(&bytes), [7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8]);
    }
}
