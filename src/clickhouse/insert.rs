//! Inserting the blocks of a group: one request, all or nothing, recognised when it is repeated.
//!
//! ClickHouse knows a repeated insert by its token only if it cuts the body into the same blocks as before, so
//! everything that decides the cut is in the URL: the server's profile and the user's have no say. The same
//! bytes and token under other settings doubled 100,000 rows when it was tried.

use super::schema::SchemaProof;
use super::{Client, Failure, within};
use crate::tables;
use bytes::Bytes;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_128;

/// Part of the token: goes up whenever what every insert says in its URL changes (`PINNED`).
pub const SETTINGS_VERSION: u32 = 1;

/// What every insert says in its URL.
pub(super) const PINNED: &[(&str, &str)] = &[
    // The body is compressed already.
    ("decompress", "1"),
    // One insert is one block and one part: no cut by rows, bytes, threads or a parallel parser.
    ("max_insert_block_size", "10000000"),
    ("min_insert_block_size_rows", "10000000"),
    ("min_insert_block_size_bytes", "4294967296"),
    ("max_insert_threads", "1"),
    ("input_format_parallel_parsing", "0"),
    // The answer means that the rows are there; since 26 the server's own default is 1.
    ("async_insert", "0"),
    ("wait_end_of_query", "1"),
    ("insert_deduplicate", "1"),
    ("deduplicate_blocks_in_dependent_materialized_views", "1"),
    // Columns go by name: one that is new in the table takes its default, one that the table lacks is an error,
    // never dropped in silence; String feeds LowCardinality.
    ("input_format_defaults_for_omitted_fields", "1"),
    ("input_format_skip_unknown_fields", "0"),
    ("input_format_native_allow_types_conversion", "1"),
];

/// How much is handed to the connection at once, in bytes. Each such piece has [`SEND_TIMEOUT`].
const PIECE_BYTES: usize = 1 << 20;

/// How long the connection may take a piece. The server drops a body that stands still for 30 s.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the server may work on a body that it has. Inserts take well below a second; merges or a
/// materialised view may hold it up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// How long the whole request may take. After it the outcome is unknown, and the same request is sent again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(180);

/// Error codes by which ClickHouse says that it will never take this body: the schema or the data do not fit.
const REFUSED: &[u32] = &[
    6,   // CANNOT_PARSE_TEXT
    10,  // NOT_FOUND_COLUMN_IN_BLOCK
    16,  // NO_SUCH_COLUMN_IN_TABLE
    20,  // NUMBER_OF_COLUMNS_DOESNT_MATCH
    27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
    33,  // CANNOT_READ_ALL_DATA
    40,  // CHECKSUM_DOESNT_MATCH
    44,  // ILLEGAL_COLUMN
    50,  // UNKNOWN_TYPE
    53,  // TYPE_MISMATCH
    70,  // CANNOT_CONVERT_TYPE
    117, // INCORRECT_DATA
    128, // TOO_LARGE_ARRAY_SIZE
    131, // TOO_LARGE_STRING_SIZE
    190, // SIZES_OF_ARRAYS_DONT_MATCH
    271, // CANNOT_DECOMPRESS
    349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
    432, // UNKNOWN_CODEC
    469, // VIOLATED_CONSTRAINT
];

/// Why a group was not inserted. Both are to be tried again for ever: nothing may be lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// The server is away, overloaded, misconfigured, or its answer was lost: the outcome may be unknown.
    #[error("inserting into {table} will be tried again: {failure}")]
    Retry { table: String, failure: Failure },
    /// The server understood and will say the same again until its schema is mended.
    #[error(
        "{table} refuses the rows: {failure}. Compare the table with `weir schema status -c FILE`, and look for \
         constraints and materialised views; weir goes on trying"
    )]
    Refused { table: String, failure: Failure },
}

impl InsertError {
    fn new(table: &str, failure: Failure) -> Self {
        let table = table.to_owned();
        match failure.code {
            Some(code) if REFUSED.contains(&code) => InsertError::Refused { table, failure },
            // Whatever is not known to be about the data: 5xx, a proxy's answer, 60, 81, 159, 202, 209, 210, 241,
            // 242, 252, 497, 516 and so on.
            _ => InsertError::Retry { table, failure },
        }
    }

    /// What the server said.
    pub fn failure(&self) -> &Failure {
        match self {
            InsertError::Retry { failure, .. } | InsertError::Refused { failure, .. } => failure,
        }
    }
}

/// What identifies an insert: consecutive outbox records of one partition, one table, these bytes.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    pub cluster_id: &'a str,
    pub topic: &'a str,
    pub partition: i32,
    /// Offset at which the group begins, and that of its last record.
    pub first: i64,
    pub last: i64,
    pub table: &'a str,
    /// [`body_hash`] of the body.
    pub body_hash: u128,
}

impl std::fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Token { cluster_id, topic, partition, first, last, table, body_hash } = self;
        write!(f, "{cluster_id}/{topic}/{partition}/{first}-{last}/{table}/{SETTINGS_VERSION}/{body_hash:032x}")
    }
}

/// Tells bodies apart: a fast 128-bit hash without a key.
pub fn body_hash(body: &[u8]) -> u128 {
    xxh3_128(body)
}

impl Client {
    /// Inserts the blocks of one table: concatenated bodies of [`tables::Block`]s whose `block_time` falls into
    /// one month. All rows are there when this returns `Ok`, and none twice if `token` was used before.
    ///
    /// Dropping the future before the body is sent cuts the connection, and the server inserts nothing; later
    /// than that the server finishes by itself.
    pub async fn insert(&self, _proof: &SchemaProof, table: &str, body: Bytes, token: &str) -> Result<(), InsertError> {
        if !tables::NAMES.contains(&table) {
            let failure = Failure::local("this program knows no such table; upgrade the store");
            return Err(InsertError::Retry { table: table.to_owned(), failure });
        }
        within(REQUEST_TIMEOUT, self.send(table, body, token)).await.map_err(|failure| InsertError::new(table, failure))
    }

    async fn send(&self, table: &str, mut body: Bytes, token: &str) -> ::clickhouse::error::Result<()> {
        let sql = format!("INSERT INTO `{}`.`{table}` FORMAT Native", self.database);
        let mut insert = self
            .http
            .insert_formatted_with(sql)
            .with_timeouts(Some(SEND_TIMEOUT), Some(ANSWER_TIMEOUT))
            .with_setting("insert_deduplication_token", token);
        for (name, value) in PINNED {
            insert = insert.with_setting(*name, *value);
        }
        while !body.is_empty() {
            insert.send(body.split_to(body.len().min(PIECE_BYTES))).await?;
        }
        insert.end().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_everything_that_identifies_an_insert() {
        let token = Token {
            cluster_id: "c1",
            topic: "weir.outbox",
            partition: 2,
            first: 10,
            last: 12,
            table: "findings",
            body_hash: 0xab,
        };
        assert_eq!(token.to_string(), format!("c1/weir.outbox/2/10-12/findings/1/{:032x}", 0xab));
    }

    #[test]
    fn only_what_is_about_the_data_is_refused() {
        let error = |text: &str| InsertError::new("findings", Failure::from_response(text));
        for text in ["Code: 53. DB::Exception: x", "Code: 117. DB::Exception: x", "Code: 16. DB::Exception: x"] {
            assert!(matches!(error(text), InsertError::Refused { .. }), "{text}");
        }
        for text in ["Code: 252. x", "Code: 241. x", "Code: 60. x", "Code: 516. x", "500 Internal Server Error", ""] {
            assert!(matches!(error(text), InsertError::Retry { .. }), "{text}");
        }
    }
}
