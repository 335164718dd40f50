//! Finds many literals at once, in any ASCII case: four bytes of each are looked up, and where they stand the rest of the
//! literal is compared.
//!
//! An automaton of thousands of literals fills no cache, and each of its steps waits for the one before. Here every place
//! of a text is looked at by itself: its bytes are hashed and looked up, which the processor does for several places at
//! once. Of a literal the four neighbouring bytes are taken that are rarest in texts, so that few places pass; of a word the
//! first ones, so that what stands within a longer one is dropped by the byte before. What passes is looked up once more by
//! other hashes, since most of it is chance, and then compared.
//!
//! Not all literals matter everywhere. Each is of some sets, a bit for each, which the tables hold too: they are looked for
//! in one pass, whatever sets a piece of a text asks for.

use std::ops::Range;
use wide::u16x8;

/// Bytes of a literal that are looked up; of a shorter one three, whatever stands behind it.
const GRAM_BYTES: usize = 4;
const SHORT_BYTES: usize = 3;

/// Bits of the hash of three bytes.
const HASH_BITS: u32 = 13;

/// Kinds of the byte behind them. A literal of three bytes takes all of them, so that it fills no more than this.
const KINDS: usize = 8;

/// Where a kind stands in a number of hash and kind.
const KIND_MASK: u16 = KINDS as u16 - 1;

/// A number for each hash and kind.
const SLOTS: usize = 1 << u16::BITS;

const _: () = assert!(KINDS << HASH_BITS == SLOTS);

/// The first three of four bytes.
const SHORT: u32 = 0x00ff_ffff;

/// Odd, with their bits well spread: for the first two bytes, and for the third.
const MULTIPLIER: u16 = 0x9e37;
const THIRD_MULTIPLIER: u16 = 0x85eb;

/// The same for a hash of all.
const SECOND_MULTIPLIER: u32 = 0x85eb_ca6b;

/// Bits of the hash by which what passed the filter is looked up again.
const SECOND_HASH_BITS: u32 = 16;

/// The bit that tells small letters from capitals; of other bytes it makes some equal, which does no harm.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// How much of a literal is compared at once.
const HEAD_BYTES: usize = size_of::<u64>();

/// How many places are looked at by one calculation, and the bytes that takes.
const LANES: usize = 16;
const LANES_BYTES: usize = LANES + GRAM_BYTES - 1;

/// Places that are looked at before what passed among them is compared.
const BLOCK_PLACES: usize = 256;

/// What texts are mostly made of, most common first: from here on a byte is as much rarer as it stands later.
const COMMON: &[u8] = b" etaoinsrhldcumpfgybwvk*,.\"/-:0'1x(2j=q3z5)4_;<>7896&{}";

/// Sets of literals, a bit for each.
pub(super) type Sets = u8;

/// Literals by number.
pub(super) struct Grams {
    /// By the hash of three bytes and the kind of the fourth: the sets of which some literal may have them.
    filter: Box<[Sets; SLOTS]>,
    /// The same by a hash of all four bytes, and of three, for what passes the filter.
    fours: Box<[Sets; 1 << SECOND_HASH_BITS]>,
    threes: Box<[Sets; 1 << SECOND_HASH_BITS]>,
    /// By the hash of three bytes: where the entries begin.
    heads: Box<[u32; (1 << HASH_BITS) + 1]>,
    entries: Vec<Entry>,
    /// In small letters.
    literals: Vec<Box<[u8]>>,
    words: Sets,
}

/// Some bytes of a literal, as they are looked up.
struct Entry {
    /// The first bytes of the literal, and all ones in those that count.
    head: u64,
    head_mask: u64,
    gram: u32,
    gram_mask: u32,
    literal: u32,
    /// How many bytes of the literal stand before the gram.
    before: u16,
    sets: Sets,
}

impl Entry {
    fn of((number, literal): (usize, &[u8]), gram: u32, gram_mask: u32, before: usize, sets: Sets) -> Entry {
        let mut head = [0; HEAD_BYTES];
        let bytes = literal.len().min(HEAD_BYTES);
        head[..bytes].copy_from_slice(&literal[..bytes]);
        let head_mask = u64::MAX >> (8 * (HEAD_BYTES - bytes));
        let head = (u64::from_le_bytes(head) | FOLD) & head_mask;
        Entry { head, head_mask, gram, gram_mask, literal: number as u32, before: before as u16, sets }
    }
}

/// A literal in a text, in bytes, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Occurrence {
    pub start: usize,
    pub end: usize,
    pub literal: usize,
}

impl Grams {
    /// The literals, with their sets, are in small letters, as far as they are ASCII, and none is empty. Those of the sets of
    /// words need be found only where whole words stand.
    pub fn new(literals: Vec<(Box<[u8]>, Sets)>, words: Sets) -> Grams {
        let mut entries: Vec<Entry> = Vec::new();
        for (number, (literal, sets)) in literals.iter().enumerate() {
            let entry = |gram, mask, before| Entry::of((number, literal), gram, mask, before, *sets);
            if literal.len() >= GRAM_BYTES {
                let before = if sets & words != 0 { 0 } else { rarest(literal) };
                entries.push(entry(folded(&literal[before..]), u32::MAX, before));
            } else {
                let begin = literal.iter().rev().fold(0, |gram, byte| gram << 8 | u32::from(byte | 0x20));
                let grams = (literal.len()..SHORT_BYTES).fold(vec![begin], |grams, bytes| {
                    let begins_character = literal.is_ascii() && bytes == literal.len();
                    grams.into_iter().flat_map(|gram| extended(gram, bytes, begins_character)).collect()
                });
                entries.extend(grams.into_iter().map(|gram| entry(gram, SHORT, 0)));
            }
        }
        let mut grams = Grams {
            filter: Box::new([0; SLOTS]),
            fours: Box::new([0; 1 << SECOND_HASH_BITS]),
            threes: Box::new([0; 1 << SECOND_HASH_BITS]),
            heads: Box::new([0; (1 << HASH_BITS) + 1]),
            entries: Vec::new(),
            literals: literals.into_iter().map(|(literal, _)| literal).collect(),
            words,
        };
        for entry in &entries {
            let (row, own_kind) = (hash(entry.gram), kind(entry.gram));
            let kinds = if entry.gram_mask == SHORT { 0..KINDS } else { own_kind..own_kind + 1 };
            grams.filter[row * KINDS..][kinds].iter_mut().for_each(|sets| *sets |= entry.sets);
            grams.heads[row + 1] += 1;
            let second = if entry.gram_mask == SHORT { &mut grams.threes } else { &mut grams.fours };
            second[second_hash(entry.gram & entry.gram_mask)] |= entry.sets;
        }
        for head in 1..grams.heads.len() {
            grams.heads[head] += grams.heads[head - 1];
        }
        entries.sort_by_key(|entry| hash(entry.gram));
        grams.entries = entries;
        grams
    }

    /// Calls a function with every occurrence of the literals of some sets that lies in a range of a text, and with some that
    /// reach beyond it. Each is told once, in the order of the bytes by which it was found.
    pub fn each(&self, text: &[u8], range: Range<usize>, sets: Sets, mut found: impl FnMut(Occurrence)) {
        if self.entries.is_empty() {
            return;
        }
        let mut passed = [0u16; BLOCK_PLACES];
        for begun in range.clone().step_by(BLOCK_PLACES) {
            let count = self.pass(text, begun..range.end.min(begun + BLOCK_PLACES), sets, &mut passed);
            for at in passed[..count].iter().map(|&place| begun + usize::from(place)) {
                self.compare(text, at, folded(&padded::<GRAM_BYTES>(text, at)), sets, &mut found);
            }
        }
    }

    /// Leaves the places of a block where a literal may stand, counted from its beginning; returns how many. There is no
    /// branch: whether a place passes decides only whether the next one is written over it.
    fn pass(&self, text: &[u8], block: Range<usize>, sets: Sets, passed: &mut [u16; BLOCK_PLACES]) -> usize {
        let mut count = 0;
        let mut slots = [[[0; LANES / 2]; 2]; BLOCK_PLACES / LANES];
        let filled = &mut slots[..block.len().div_ceil(LANES)];
        for (slots, at) in filled.iter_mut().zip(block.clone().step_by(LANES)) {
            match text[at..].first_chunk() {
                Some(bytes) => slots_of(bytes, slots),
                None => slots_of(&padded(text, at), slots),
            }
        }
        for (index, [even, odd]) in filled.iter().enumerate() {
            for (lane, (&even, &odd)) in even.iter().zip(odd).enumerate() {
                for (slot, next) in [(even, 0), (odd, 1)] {
                    passed[count % BLOCK_PLACES] = (index * LANES + 2 * lane + next) as u16;
                    count += usize::from(self.filter[usize::from(slot)] & sets != 0);
                }
            }
        }
        let mut kept = 0;
        for index in 0..count.min(BLOCK_PLACES) {
            let place = passed[index];
            passed[kept] = place;
            let at = block.start + usize::from(place);
            let bytes: [u8; GRAM_BYTES] = padded(text, at);
            let before = text.get(at.wrapping_sub(1)).copied().unwrap_or_default();
            let gram = folded(&bytes);
            let of_some = (self.fours[second_hash(gram)] | self.threes[second_hash(gram & SHORT)]) & sets;
            let wanted = if joins(before, bytes[0]) { of_some & !self.words } else { of_some };
            // The last places may lie behind the block.
            kept += usize::from((wanted != 0) & (at < block.end));
        }
        kept
    }

    /// Tells the literals that stand where these bytes do.
    fn compare(&self, text: &[u8], at: usize, gram: u32, sets: Sets, found: &mut impl FnMut(Occurrence)) {
        let row = hash(gram);
        for entry in &self.entries[self.heads[row] as usize..self.heads[row + 1] as usize] {
            if (entry.gram ^ gram) & entry.gram_mask != 0 || entry.sets & sets == 0 {
                continue;
            }
            let Some(start) = at.checked_sub(entry.before.into()) else { continue };
            if let Some(head) = text[start..].first_chunk::<HEAD_BYTES>()
                && (u64::from_le_bytes(*head) | FOLD) & entry.head_mask != entry.head
            {
                continue;
            }
            let literal = &self.literals[entry.literal as usize];
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
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) | FOLD as u32
}

/// The hash of the first three of four bytes.
#[inline(always)]
fn hash(gram: u32) -> usize {
    let first_two = (gram as u16).wrapping_mul(MULTIPLIER);
    let third = ((gram >> 16) as u16 & 0xff).wrapping_mul(THIRD_MULTIPLIER);
    usize::from(first_two.wrapping_add(third) >> (u16::BITS - HASH_BITS))
}

/// The kind of the fourth, which is that of a letter in both cases.
#[inline(always)]
fn kind(gram: u32) -> usize {
    (gram >> 26) as usize % KINDS
}

/// The hash and the kind as one number, for every second place of some bytes from the first one on, and from the second.
#[inline(always)]
fn slots_of(bytes: &[u8; LANES_BYTES], slots: &mut [[u16; LANES / 2]; 2]) {
    let pairs = |at: usize| {
        let pair = |lane| u16::from_le_bytes([bytes[at + 2 * lane], bytes[at + 2 * lane + 1]]);
        u16x8::new(std::array::from_fn(pair)) | FOLD as u16
    };
    for (first, slots) in slots.iter_mut().enumerate() {
        let (first_two, next_two) = (pairs(first), pairs(first + 2));
        let hashes: u16x8 = first_two * MULTIPLIER + (next_two & 0xff) * THIRD_MULTIPLIER;
        let kinds: u16x8 = (next_two >> 10u32) & KIND_MASK;
        *slots = (hashes & !KIND_MASK | kinds).to_array();
    }
}

/// The bytes at a place of a text, with nothing behind its end.
#[inline(always)]
fn padded<const BYTES: usize>(text: &[u8], at: usize) -> [u8; BYTES] {
    let there = text.get(at..).unwrap_or_default();
    there.first_chunk().copied().unwrap_or_else(|| {
        let mut padded = [0; BYTES];
        padded[..there.len()].copy_from_slice(there);
        padded
    })
}

/// Whether two neighbouring bytes are of one word, by ASCII alone (`detect/context.rs`).
#[inline(always)]
fn joins(left: u8, right: u8) -> bool {
    let hump = left.is_ascii_lowercase() & right.is_ascii_uppercase();
    left.is_ascii_alphanumeric() & right.is_ascii_alphanumeric() & !hump
}

/// The hash of all four bytes, or of three when the last one is nothing.
#[inline(always)]
fn second_hash(gram: u32) -> usize {
    (gram.wrapping_mul(SECOND_MULTIPLIER) >> (u32::BITS - SECOND_HASH_BITS)) as usize
}

/// Where the four neighbouring bytes of a literal begin that are rarest.
fn rarest(literal: &[u8]) -> usize {
    let rank = |byte: &u8| COMMON.iter().position(|common| common | 0x20 == byte | 0x20).unwrap_or(COMMON.len());
    let ranks = literal.windows(GRAM_BYTES).map(|bytes| bytes.iter().map(rank).sum::<usize>());
    ranks.enumerate().max_by_key(|&(_, rank)| rank).map_or(0, |(at, _)| at)
}

/// So many bytes as a number, with all that may stand behind them as one more, folded: any, or any that begins a character.
fn extended(gram: u32, bytes: usize, begins_character: bool) -> impl Iterator<Item = u32> {
    let may_follow = move |byte: &u8| byte & 0x20 != 0 && !(begins_character && (0x80..=0xdf).contains(byte));
    (0..=u8::MAX).filter(may_follow).map(move |byte| gram | u32::from(byte) << (8 * bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Catalogue, Trigger};
    use aho_corasick::AhoCorasick;

    const ALL: Sets = 1;

    fn of<'l>(literals: impl IntoIterator<Item = &'l str>) -> Grams {
        Grams::new(literals.into_iter().map(|literal| (literal.as_bytes().into(), ALL)).collect(), 0)
    }

    fn found(grams: &Grams, text: &[u8], range: Range<usize>) -> Vec<(usize, usize, usize)> {
        let mut found = Vec::new();
        grams.each(text, range, ALL, |at| found.push((at.start, at.end, at.literal)));
        found.sort_unstable();
        found
    }

    #[test]
    fn places_are_hashed_together_as_one_by_one() {
        let bytes: [u8; LANES_BYTES] = std::array::from_fn(|at| (at as u8).wrapping_mul(151) ^ 0x5a);
        let mut slots = Default::default();
        slots_of(&bytes, &mut slots);
        for place in 0..LANES {
            let gram = folded(&bytes[place..]);
            assert_eq!(usize::from(slots[place % 2][place / 2]), hash(gram) * KINDS + kind(gram), "{place}");
        }
    }

    #[test]
    fn literals_of_every_length_are_found_in_any_case() {
        let literals = ["a", "kt", "key", "apikey", "api_key", "é", "straße", "key ", "tok"];
        let grams = of(literals);
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
        assert_eq!(found(&of([]), text, 0..text.len()), []);
    }

    #[test]
    fn only_sets_that_are_asked_for_are_found() {
        let literals = [("key", 1), ("token", 2), ("tokens", 3)];
        let grams = Grams::new(literals.map(|(literal, sets)| (literal.as_bytes().into(), sets)).into(), 0);
        for (sets, expected) in [(0, vec![]), (1, vec![0, 2]), (2, vec![1, 2]), (3, vec![0, 1, 2])] {
            let (text, mut found) = (b"key tokens ", Vec::new());
            grams.each(text, 0..text.len(), sets, |at| found.push(at.literal));
            found.sort_unstable();
            assert_eq!(found, expected, "{sets}");
        }
    }

    #[test]
    fn words_are_found_where_they_stand_whole() {
        let words = ["tel", "id", "номер", "w2", "dateofbirth", "no", "電話", "no.", "id:", "a/c", "kt"];
        let grams = Grams::new(words.map(|word| (word.as_bytes().into(), ALL)).into(), ALL);
        let text = "Tel: id telAviv ID-номер w2 dateOfBirth, no.12 piano no id:x idé telé電話番号 a/c id\u{11} kt\u{19} ktオ kt\u{a0} hotel,Tel\n";
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(words).unwrap();
        for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
            let text = &text[..end];
            let found = found(&grams, text.as_bytes(), 0..end);
            for at in automaton.find_overlapping_iter(text) {
                let is_whole = crate::detect::context::is_whole_word(text, at.start(), at.end());
                let at = (at.start(), at.end(), at.pattern().as_usize());
                assert!(!is_whole || found.contains(&at), "{at:?} in {text}");
            }
        }
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
        let grams = of(literals.iter().map(String::as_str));
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
