//! The ledger of coverage: which offsets were processed, with what result, under which configuration, each row
//! chained to the one before by a hash, so that a row which was changed, dropped or put in later shows.
//!
//! Each input partition has a chain of its own, and the head of the chain travels in the metadata of the
//! partition's committed offset: it moves in the same transaction as the offset, so detect keeps no state. This
//! room neither stores rows nor reads them back; `weir verify` will walk them with [`CoverageRow::is_intact`].

use crate::limits;
use crate::model::closed_set;
use crate::model::codec::Writer;
use crate::model::reject::Hex;
use sha2::{Digest, Sha256};
use std::fmt;

/// Stands before what is hashed; goes up when the encoding of a row changes.
const ENCODING: &[u8] = b"weir coverage 1";

/// Stands before the metadata of a committed offset; its number goes up when the text's form changes.
const METADATA_FORM: &str = "weir-chain/1";

closed_set! {
    /// What a coverage row says of its range.
    Kind {
        /// It was processed.
        Batch = 1 "batch",
        /// It was gone before it could be read.
        Gap = 2 "gap",
        /// `weir state reset` moved a partition of weir.facts; chained apart, by that partition.
        Reset = 3 "reset",
    }
}

/// What a coverage row says, before it is chained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub kind: Kind,
    pub topic: &'a str,
    pub partition: i32,
    pub first_offset: i64,
    /// Inclusive.
    pub last_offset: i64,
    /// Records in the range.
    pub events: u64,
    /// Interactions decoded from them.
    pub interactions: u64,
    /// Dead letters of the range: one a record, or one for each interaction of a record that could not be used.
    pub rejects: u64,
    /// Offsets in the range that held no record: compacted, expired, or taken by a transaction's marker.
    pub gaps: u64,
    /// SHA-256 in hex; empty when there is none. So are the next two.
    pub config_digest: &'a str,
    pub packs_digest: &'a str,
    pub policy_digest: &'a str,
    /// [`FactsHash`] of the facts that were written for the range.
    pub facts_hash: [u8; 32],
    /// Who processed it.
    pub instance: &'a str,
}

/// A row of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoverageRow<'a> {
    pub entry: Entry<'a>,
    /// `hash` of the row before; zero in the first.
    pub previous_hash: [u8; 32],
    /// SHA-256 of everything above.
    pub hash: [u8; 32],
}

impl CoverageRow<'_> {
    /// Whether the row is as it was written, and follows a row with this hash.
    pub fn is_intact(&self, previous_hash: &[u8; 32]) -> bool {
        self.previous_hash == *previous_hash && self.hash == hash(&self.entry, previous_hash)
    }
}

/// The end of one partition's chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// `hash` of the last row; zero before the first.
    pub head: [u8; 32],
    /// How many rows the chain has.
    pub rows: u64,
}

/// Why the metadata of a committed offset is not a chain's head.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the metadata of the committed offset is not the head of a ledger that this program knows ({problem}): if a \
     newer weir wrote it, upgrade this one; if another program committed the offset, commit it again with empty \
     metadata, which begins a new chain"
)]
pub struct MetadataError {
    problem: &'static str,
}

impl Chain {
    /// Chains an entry to the end.
    pub fn append<'a>(&mut self, entry: Entry<'a>) -> CoverageRow<'a> {
        let previous_hash = self.head;
        let hash = hash(&entry, &previous_hash);
        *self = Chain { head: hash, rows: self.rows + 1 };
        CoverageRow { entry, previous_hash, hash }
    }

    /// The text that travels with the committed offset: `weir-chain/1 17 <64 hex digits>`.
    pub fn to_metadata(&self) -> String {
        let mut head = Hex(&self.head).to_string();
        if head.is_empty() {
            head = "0".repeat(64);
        }
        format!("{METADATA_FORM} {} {head}", self.rows)
    }

    /// Reads that text. Empty is what Kafka gives when nobody wrote any: a new chain.
    pub fn from_metadata(text: &str) -> Result<Self, MetadataError> {
        if text.is_empty() {
            return Ok(Chain::default());
        }
        let problem = |problem| MetadataError { problem };
        let mut words = text.split(' ');
        if words.next() != Some(METADATA_FORM) {
            return Err(problem("it does not begin with weir-chain/1"));
        }
        let rows = words.next().and_then(|word| word.parse().ok()).ok_or(problem("the number of rows is missing"))?;
        let head = words.next().and_then(unhex).ok_or(problem("the hash is not 64 hex digits"))?;
        if words.next().is_some() {
            return Err(problem("something follows the hash"));
        }
        Ok(Chain { head, rows })
    }
}

// Form, a number of at most 20 digits, 64 hex digits and two spaces.
const _: () = assert!(METADATA_FORM.len() + 20 + 64 + 2 <= limits::OFFSET_METADATA_MAX_BYTES);

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(bytes)
}

/// SHA-256 of a row's fields, each in a form that the next cannot be mistaken for.
fn hash(entry: &Entry<'_>, previous_hash: &[u8; 32]) -> [u8; 32] {
    // Named one by one, so that a new field cannot be left out.
    let Entry {
        kind,
        topic,
        partition,
        first_offset,
        last_offset,
        events,
        interactions,
        rejects,
        gaps,
        config_digest,
        packs_digest,
        policy_digest,
        facts_hash,
        instance,
    } = entry;
    let mut bytes = Vec::with_capacity(512);
    let mut w = Writer(&mut bytes);
    w.bytes(ENCODING);
    w.u8(kind.code());
    w.str(topic);
    w.int(i64::from(*partition));
    w.int(*first_offset);
    w.int(*last_offset);
    [events, interactions, rejects, gaps].into_iter().for_each(|count| w.uint(*count));
    [config_digest, packs_digest, policy_digest].into_iter().for_each(|digest| w.str(digest));
    w.fixed(facts_hash);
    w.str(instance);
    w.fixed(previous_hash);
    Sha256::digest(&bytes).into()
}

/// Hash of the records of weir.facts that were written for a range, in their order: SHA-256 over each record with
/// its length in front.
#[derive(Clone, Default)]
pub struct FactsHash(Sha256);

impl FactsHash {
    /// Adds a record's value.
    pub fn add(&mut self, record: &[u8]) {
        self.0.update((record.len() as u64).to_le_bytes());
        self.0.update(record);
    }

    /// The hash of what was added.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(first_offset: i64) -> Entry<'static> {
        Entry {
            kind: Kind::Batch,
            topic: "llm.events",
            partition: 3,
            first_offset,
            last_offset: first_offset + 9,
            events: 9,
            interactions: 12,
            rejects: 1,
            gaps: 1,
            config_digest: "c0ffee",
            packs_digest: "facade",
            policy_digest: "",
            facts_hash: [7; 32],
            instance: "pod-0",
        }
    }

    /// Every way to change one field of a row.
    const CHANGES: [fn(&mut CoverageRow<'_>); 17] = [
        |row| row.entry.kind = Kind::Gap,
        |row| row.entry.topic = "llm.event",
        |row| row.entry.partition ^= 1,
        |row| row.entry.first_offset += 1,
        |row| row.entry.last_offset -= 1,
        |row| row.entry.events += 1,
        |row| row.entry.interactions -= 1,
        |row| row.entry.rejects += 1,
        |row| row.entry.gaps += 1,
        |row| row.entry.config_digest = "c0ffe",
        |row| row.entry.packs_digest = "",
        |row| row.entry.policy_digest = "0",
        |row| row.entry.facts_hash[31] ^= 1,
        |row| row.entry.instance = "pod-1",
        |row| row.previous_hash[0] ^= 1,
        |row| row.hash[16] ^= 0x80,
        // From the end of one text to the beginning of the next.
        |row| (row.entry.config_digest, row.entry.packs_digest) = ("c0ffeef", "acade"),
    ];

    /// Whether rows are a chain from its beginning.
    fn is_chain(rows: &[CoverageRow<'_>]) -> bool {
        let mut head = [0; 32];
        rows.iter().all(|row| row.is_intact(&std::mem::replace(&mut head, row.hash)))
    }

    proptest! {
        #[test]
        fn any_change_breaks_the_chain(length in 2usize..9, at: prop::sample::Index, which: prop::sample::Index) {
            let mut chain = Chain::default();
            let mut rows: Vec<_> = (0..length as i64).map(|row| chain.append(entry(row * 10))).collect();
            prop_assert!(is_chain(&rows));
            prop_assert_eq!((chain.rows, chain.head), (length as u64, rows[length - 1].hash));

            let mut dropped = rows.clone();
            dropped.remove(at.index(length - 1));
            prop_assert!(!is_chain(&dropped));
            let mut swapped = rows.clone();
            swapped.swap(at.index(length - 1), at.index(length - 1) + 1);
            prop_assert!(!is_chain(&swapped));
            CHANGES[which.index(CHANGES.len())](&mut rows[at.index(length)]);
            prop_assert!(!is_chain(&rows));
        }

        #[test]
        fn the_head_travels_in_metadata(head: [u8; 32], rows: u64) {
            let chain = Chain { head, rows };
            let text = chain.to_metadata();
            prop_assert!(text.len() <= limits::OFFSET_METADATA_MAX_BYTES);
            prop_assert_eq!(Chain::from_metadata(&text), Ok(chain));
        }

        #[test]
        fn foreign_metadata_is_an_error_and_never_a_panic(text in ".{1,200}") {
            prop_assert!(Chain::from_metadata(&text).is_err());
            let after_form = format!("{METADATA_FORM} {text}");
            prop_assert!(Chain::from_metadata(&after_form).is_err());
        }
    }

    #[test]
    fn every_single_change_shows() {
        let row = Chain::default().append(entry(0));
        for (number, change) in CHANGES.iter().enumerate() {
            let mut changed = row;
            change(&mut changed);
            assert!(!changed.is_intact(&[0; 32]), "change {number}");
        }
    }

    /// Auditors keep hashes: the encoding may change only together with its version.
    #[test]
    fn hashes_stay_as_they_are() {
        let row = Chain::default().append(entry(0));
        assert_eq!(Hex(&row.hash).to_string(), "dffdd7f863c7defec76a516e4f8a5c95902c299fd6a0a5515b5e7ae02923981e");
    }

    #[test]
    fn a_new_partition_begins_a_chain() {
        assert_eq!(Chain::from_metadata(""), Ok(Chain::default()));
        assert_eq!(Chain::from_metadata(&Chain::default().to_metadata()), Ok(Chain::default()));
    }

    #[test]
    fn the_facts_hash_knows_where_records_end() {
        let of = |records: &[&[u8]]| {
            let mut hash = FactsHash::default();
            records.iter().for_each(|record| hash.add(record));
            hash.finish()
        };
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"c", b"ab"]));
    }
}
