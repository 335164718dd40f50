//! Finds many literals at once, in any ASCII case: four bytes of each are looked up, and where they stand the rest of the
//! literal is compared.
//!
//! An automaton of thousands of literals fills no cache, and each of its steps waits for the one before. Here every place
//! of a text is looked at by itself: its bytes are hashed and looked up, which the processor does for several places at
//! once. Of a literal the four neighbouring bytes are taken that are rarest in texts, so that few places pass; what passes
//! is found in a second table, and compared.

use std::ops::Range;

/// Bytes of a literal that are looked up; of a shorter one three, whatever stands behind it.
const GRAM_BYTES: usize = 4;
const SHORT_BYTES: usize = 3;

/// Bits of the hash of three bytes.
const HASH_BITS: u32 = 15;

/// Kinds of the byte behind them. A literal of three bytes takes all of them, so that it fills no more than this.
const KINDS: usize = 8;

/// The first three of four bytes.
const SHORT: u32 = 0x00ff_ffff;

/// Odd, with its bits well spread: that of the golden ratio.
const MULTIPLIER: u32 = 0x9e37_79b1;

/// The bit that tells small letters from capitals; of other bytes it makes some equal, which does no harm.
const FOLD: u32 = 0x2020_2020;

/// Places that are looked at before what passed among them is compared.
const BLOCK_PLACES: usize = 256;

/// What texts are mostly made of, most common first: from here on a byte is as much rarer as it stands later.
const COMMON: &[u8] = b" etaoinsrhldcumpfgybwvk*,.\"/-:0'1x(2j=q3z5)4_;<>7896&{}";

/// Literals by number.
pub(super) struct Grams {
    /// By the hash of three bytes and the kind of the fourth: 1 if some literal may have them. A byte for each, since to test
    /// bits of a smaller table takes longer.
    filter: Box<[u8; KINDS << HASH_BITS]>,
    /// By the hash of three bytes: where the entries begin.
    heads: Box<[u32; (1 << HASH_BITS) + 1]>,
    entries: Vec<Entry>,
    /// In small letters.
    literals: Vec<Box<[u8]>>,
}

/// Some bytes of a literal, as they are looked up.
struct Entry {
    gram: u32,
    /// All ones in those bytes that count.
    mask: u32,
    literal: u32,
    /// How many bytes of the literal stand before them.
    before: u32,
}

/// A literal in a text, in bytes, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Occurrence {
    pub start: usize,
    pub end: usize,
    pub literal: usize,
}

impl Grams {
    /// The literals are in small letters, as far as they are ASCII, and none is empty.
    pub fn new(literals: Vec<Box<[u8]>>) -> Grams {
        let mut entries: Vec<Entry> = Vec::new();
        for (number, literal) in literals.iter().enumerate() {
            let number = number as u32;
            if literal.len() >= GRAM_BYTES {
                let before = rarest(literal);
                let gram = folded(&literal[before..]);
                entries.push(Entry { gram, mask: u32::MAX, literal: number, before: before as u32 });
            } else {
                let entry = |gram| Entry { gram, mask: SHORT, literal: number, before: 0 };
                let begin = literal.iter().rev().fold(0, |gram, byte| gram << 8 | u32::from(byte | 0x20));
                let grams = (literal.len()..SHORT_BYTES).fold(vec![begin], |grams, bytes| {
                    grams.into_iter().flat_map(|gram| extended(gram, bytes)).collect()
                });
                entries.extend(grams.into_iter().map(entry));
            }
        }
        let mut grams = Grams {
            filter: Box::new([0; KINDS << HASH_BITS]),
            heads: Box::new([0; (1 << HASH_BITS) + 1]),
            entries: Vec::new(),
            literals,
        };
        for entry in &entries {
            match entry.mask {
                SHORT => grams.filter[hash(entry.gram) * KINDS..][..KINDS].fill(1),
                _ => grams.filter[row_and_kind(entry.gram)] = 1,
            }
            grams.heads[hash(entry.gram) + 1] += 1;
        }
        for head in 1..grams.heads.len() {
            grams.heads[head] += grams.heads[head - 1];
        }
        entries.sort_by_key(|entry| hash(entry.gram));
        grams.entries = entries;
        grams
    }

    /// Calls a function with every occurrence that lies in a range of a text, and with some that reach beyond it. Each is
    /// told once, in the order of the bytes by which it was found.
    pub fn each(&self, text: &[u8], range: Range<usize>, mut found: impl FnMut(Occurrence)) {
        if self.entries.is_empty() {
            return;
        }
        let whole = range.start..range.end.min((text.len() + 1).saturating_sub(GRAM_BYTES));
        let mut passed = [0u16; BLOCK_PLACES];
        for begun in whole.clone().step_by(BLOCK_PLACES) {
            let ended = whole.end.min(begun + BLOCK_PLACES);
            let mut count = 0;
            for (place, bytes) in text[begun..ended + GRAM_BYTES - 1].windows(GRAM_BYTES).enumerate() {
                // Without a branch: whether it counts decides only whether the next one takes its place.
                passed[count & (BLOCK_PLACES - 1)] = place as u16;
                count += usize::from(self.filter[row_and_kind(folded(bytes))]);
            }
            for at in passed[..count].iter().map(|&place| begun + usize::from(place)) {
                self.compare(text, at, folded(&text[at..]), &mut found);
            }
        }
        // Of the last bytes those that are missing are nothing.
        for at in whole.end.max(range.start)..range.end {
            let mut bytes = [0; GRAM_BYTES];
            bytes[..text.len() - at].copy_from_slice(&text[at..]);
            self.compare(text, at, folded(&bytes), &mut found);
        }
    }

    /// Tells the literals that stand where these bytes do.
    fn compare(&self, text: &[u8], at: usize, gram: u32, found: &mut impl FnMut(Occurrence)) {
        let head = hash(gram);
        let entries = &self.entries[self.heads[head] as usize..self.heads[head + 1] as usize];
        for entry in entries.iter().filter(|entry| (entry.gram ^ gram) & entry.mask == 0) {
            let literal = &self.literals[entry.literal as usize];
            let Some(start) = at.checked_sub(entry.before as usize) else { continue };
            let end = start + literal.len();
            if text.get(start..end).is_some_and(|there| there.eq_ignore_ascii_case(literal)) {
                found(Occurrence { start, end, literal: entry.literal as usize });
            }
        }
    }
}

/// Four bytes as a number, the first one lowest.
#[inline(always)]
fn folded(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) | FOLD
}

/// Of the first three of four bytes.
#[inline(always)]
fn hash(gram: u32) -> usize {
    ((gram & SHORT).wrapping_mul(MULTIPLIER) >> (u32::BITS - HASH_BITS)) as usize
}

/// Where four bytes are looked up first.
#[inline(always)]
fn row_and_kind(gram: u32) -> usize {
    hash(gram) * KINDS + (gram >> 24) as usize % KINDS
}

/// Where the four neighbouring bytes of a literal begin that are rarest.
fn rarest(literal: &[u8]) -> usize {
    let rank = |byte: &u8| COMMON.iter().position(|common| common | 0x20 == byte | 0x20).unwrap_or(COMMON.len());
    let ranks = literal.windows(GRAM_BYTES).map(|bytes| bytes.iter().map(rank).sum::<usize>());
    ranks.enumerate().max_by_key(|&(_, rank)| rank).map_or(0, |(at, _)| at)
}

/// So many bytes as a number, with all that may stand behind them as one more.
fn extended(gram: u32, bytes: usize) -> impl Iterator<Item = u32> {
    (0..=u8::MAX).filter(|byte| byte & 0x20 != 0).map(move |byte| gram | u32::from(byte) << (8 * bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Catalogue, Trigger};
    use aho_corasick::AhoCorasick;

    fn found(grams: &Grams, text: &[u8], range: Range<usize>) -> Vec<(usize, usize, usize)> {
        let mut found = Vec::new();
        grams.each(text, range, |at| found.push((at.start, at.end, at.literal)));
        found.sort_unstable();
        found
    }

    #[test]
    fn literals_of_every_length_are_found_in_any_case() {
        let literals = ["a", "kt", "key", "apikey", "api_key", "é", "straße", "key ", "tok"];
        let grams = Grams::new(literals.iter().map(|literal| literal.as_bytes().into()).collect());
        let text = "KEY a kT é ApiKey STRAße API_KEY toK".as_bytes();
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(literals).unwrap();
        let mut expected: Vec<_> =
            automaton.find_overlapping_iter(text).map(|at| (at.start(), at.end(), at.pattern().as_usize())).collect();
        expected.sort_unstable();
        assert_eq!(found(&grams, text, 0..text.len()), expected);
        for end in 0..text.len() {
            let expected: Vec<_> = expected.iter().copied().filter(|at| at.1 <= end).collect();
            assert_eq!(found(&grams, &text[..end], 0..end), expected, "{end}");
        }
        assert_eq!(found(&Grams::new(Vec::new()), text, 0..text.len()), []);
    }

    /// Whatever the length of a text, nothing is lost at the seams of blocks and nothing told twice.
    #[test]
    fn grams_find_what_an_automaton_finds() {
        let anchors = Catalogue::built_in().rules().iter().filter_map(|rule| match &rule.trigger {
            Trigger::Anchors(anchors) => Some(anchors),
            _ => None,
        });
        let mut literals: Vec<String> = anchors.flatten().map(|anchor| anchor.to_ascii_lowercase()).collect();
        literals.sort();
        literals.dedup();
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&literals).unwrap();
        let grams = Grams::new(literals.iter().map(|literal| literal.as_bytes().into()).collect());
        let joined = literals.join("") + &literals.join(" ");
        let long = joined.repeat(2);
        let lengths = (0..200).chain((0..40).map(|more| BLOCK_PLACES - 20 + more)).chain([3 * BLOCK_PLACES + 7]);
        for (length, from) in lengths.flat_map(|length| [(length, 0), (length, 7)]) {
            let text = &long.as_bytes()[from..from + length];
            let mut expected: Vec<_> = automaton
                .find_overlapping_iter(text)
                .map(|at| (at.start(), at.end(), at.pattern().as_usize()))
                .collect();
            expected.sort_unstable();
            assert_eq!(found(&grams, text, 0..length), expected, "{length} bytes from {from}");
            let (start, end) = (length / 3, length / 2);
            let within = |at: &&(usize, usize, usize)| start <= at.0 && at.1 <= end;
            let part = found(&grams, text, start..end);
            assert!(expected.iter().filter(within).all(|at| part.contains(at)), "{length} bytes from {from}");
        }
    }
}
