//! Rules that digits gate: cards, telephones, and the numbers that every country gives its people.
//!
//! They are many, so that what they cost must not grow with their number. They are tried together, by one automaton
//! (`detect/sieve.rs`), from each place where a match may begin: it must be near a digit, and most patterns begin where a
//! word does. Few bytes on the automaton is dead, or it tells whose match ends where. Most rules are sure of nothing without
//! a word near by: these have an automaton of their own, which runs only near words (`detect/words.rs`). What is left a
//! rule's own pattern is run on.
//!
//! Each step leaves out only what cannot become a hit: matches that are not confirmed have no part in what is found.

use super::anchors::touch;
use super::blocks::{self, BLOCK_BYTES, Block};
use super::compile::Compiled;
use super::glance::Glance;
use super::prefixes::{Long, Pair, Prefixes};
use super::sieve::Sieve;
use super::words::{NearWords, Words, needs_word};
use super::{TextScratch, context, sieve, stretches};
use crate::rules::Trigger;
use crate::rules::pattern::only_digits;
use regex_syntax::hir::{Hir, HirKind, Look};
use std::ops::Range;

pub(super) struct Numbers {
    /// Rules that may be sure of a number by itself.
    alone: Group,
    /// Rules that need a word.
    worded: Group,
}

/// Rules that are tried together.
struct Group {
    rules: Vec<u16>,
    begins: Begins,
    /// None when there are no rules, or it cannot be built and every rule is tried on every text with a digit.
    sieve: Option<Sieve>,
}

/// Memory of the automata of both groups.
#[derive(Default)]
pub(super) struct Caches {
    alone: Option<sieve::Cache>,
    worded: Option<sieve::Cache>,
}

impl Numbers {
    pub fn new(rules: &[Compiled]) -> Numbers {
        let group = |worded: bool| Group::of(rules, |compiled| needs_word(&compiled.rule) == worded);
        Numbers { alone: group(false), worded: group(true) }
    }

    /// Marks the windows of every rule that may have a match, when the digits of a text and the words near them are known.
    pub fn mark(
        &self,
        (text, glance): (&str, &Glance),
        applies: u16,
        (rules, words): (&[Compiled], &Words),
        scratch: &mut TextScratch,
    ) {
        let found = std::mem::take(&mut scratch.words);
        if glance.digits.iter().any(|&digits| digits != 0) {
            let mut caches = std::mem::take(&mut scratch.sieves);
            let rule_of =
                |rule: u16| Some(&rules[usize::from(rule)]).filter(|compiled| compiled.applies & applies != 0);
            self.alone.each(text, 0..text.len(), glance, &mut caches.alone, |rule, range| {
                if rule_of(rule).is_some() {
                    touch(rule, scratch).add_window(range.start, range.end);
                }
            });
            // What is all there is in a text may need no word.
            let is_short = text.len() <= context::ALONE_MAX_BYTES;
            let mut near = NearWords::of(words, &found);
            let mut look = |within: Range<usize>| {
                self.worded.each(text, within, glance, &mut caches.worded, |rule, range| {
                    let Some(compiled) = rule_of(rule) else { return };
                    if is_short && compiled.rule.alone.is_some() || near.has(rule, range.clone()) {
                        touch(rule, scratch).add_window(range.start, range.end);
                    }
                });
            };
            if is_short || self.worded.sieve.is_none() {
                look(0..text.len())
            } else {
                words.each_near(&found, text.len(), look)
            }
            scratch.sieves = caches;
        }
        scratch.words = found;
    }
}

impl Group {
    fn of(rules: &[Compiled], is_own: impl Fn(&Compiled) -> bool) -> Group {
        let own = rules.iter().enumerate().filter(|(_, compiled)| compiled.rule.trigger == Trigger::Digits);
        let (rules, hirs): (Vec<u16>, Vec<&Hir>) = own
            .filter(|(_, compiled)| is_own(compiled))
            .map(|(index, compiled)| (index as u16, &compiled.rule.shape.hir))
            .unzip();
        Group { rules, begins: Begins::of(&hirs), sieve: Sieve::of(&hirs) }
    }

    /// Calls a function with each rule of which a match may begin in a range of a text, and where that match may lie; those
    /// of a range come in the order of their starts.
    fn each(
        &self,
        text: &str,
        within: Range<usize>,
        glance: &Glance,
        cache: &mut Option<sieve::Cache>,
        mut found: impl FnMut(u16, Range<usize>),
    ) {
        let Some(sieve) = &self.sieve else {
            return self.rules.iter().for_each(|&rule| found(rule, 0..text.len()));
        };
        let cache = cache.get_or_insert_with(|| sieve.cache());
        self.begins.each(text.as_bytes(), within, glance, |start| {
            sieve.each_end(text, start, cache, |pattern, end| found(self.rules[pattern], start..end));
        });
    }
}

/// Where matches of some patterns may begin.
struct Begins {
    /// Bytes outside of words.
    others: Vec<u8>,
    has_high: bool,
    /// Whether some begin within a word.
    within_words: bool,
    /// How far from there the first digit may be.
    farthest_bytes: usize,
    prefixes: Prefixes<Long>,
    /// Those of patterns that may have no digit near where they begin.
    far_pairs: Prefixes<Pair>,
}

/// Matches of most patterns have a digit among so many of their first bytes.
const NEAR_BYTES: usize = 8;

impl Begins {
    fn of(patterns: &[&Hir]) -> Begins {
        let mut firsts = Firsts { at_boundary: [false; 256], anywhere: [false; 256] };
        for hir in patterns {
            firsts.add(hir, false);
        }
        let farthest: Vec<usize> = patterns.iter().map(|hir| farthest_digit(hir)).collect();
        let far = patterns.iter().zip(&farthest).filter(|(_, farthest)| **farthest >= NEAR_BYTES);
        let far: Vec<&Hir> = far.map(|(hir, _)| *hir).collect();
        let begins = |byte: &u8| firsts.anywhere[usize::from(*byte)] || firsts.at_boundary[usize::from(*byte)];
        Begins {
            others: (0..0x80).filter(|byte| begins(byte) && !is_word(*byte)).collect(),
            has_high: (0x80..=0xff).any(|byte| begins(&byte)),
            within_words: (0..0x80).any(|byte| is_word(byte) && firsts.anywhere[usize::from(byte)]),
            farthest_bytes: farthest.into_iter().max().unwrap_or(0),
            prefixes: Prefixes::of(patterns),
            far_pairs: Prefixes::of(&far),
        }
    }

    /// Calls a function with each place of a range where a match may begin, in order.
    fn each(&self, text: &[u8], within: Range<usize>, glance: &Glance, mut found: impl FnMut(usize)) {
        let Glance { digits, words, .. } = glance;
        let mut block = within.start / BLOCK_BYTES;
        let mut with_digits =
            (block..).zip(&digits[block..]).filter(|(_, digits)| **digits != 0).map(|(block, _)| block);
        let mut next_digits = with_digits.next();
        while let Some(with) = next_digits {
            block = block.max(with.saturating_sub(self.farthest_bytes.div_ceil(BLOCK_BYTES)));
            let at = block * BLOCK_BYTES;
            if at >= within.end {
                return;
            }
            let is_behind_word = block.checked_sub(1).is_some_and(|before| words[before] >> (BLOCK_BYTES - 1) == 1);
            let starts = self.starts(text, at, (words[block], is_behind_word)) & bits_within(&within, at);
            let near = near_digits(digits[block], digits.get(block + 1).copied().unwrap_or_default());
            let far = self.far_pairs.among(text, at, starts & !near);
            let begun = self.prefixes.among(text, at, starts & near | far);
            blocks::places(&[begun]).for_each(|place| found(at + place));
            if block == with {
                next_digits = with_digits.next();
            }
            block += 1;
        }
    }

    /// Where in the block at a place a match may begin, by its first byte and that before.
    #[inline(always)]
    fn starts(&self, text: &[u8], at: usize, (words, is_behind_word): (u64, bool)) -> u64 {
        let block = Block::at(text, at);
        let begins = if self.within_words { words } else { words & !(words << 1 | u64::from(is_behind_word)) };
        let high = if self.has_high { block.high() } else { 0 };
        begins | block.any_of(&self.others) | high
    }
}

/// The bytes of the block at a place that are in a range, which begins in it or before.
fn bits_within(range: &Range<usize>, at: usize) -> u64 {
    let from = u64::MAX << range.start.saturating_sub(at);
    let to = range.end.saturating_sub(at);
    if to < BLOCK_BYTES { from & !(u64::MAX << to) } else { from }
}

/// The places in a block from which a digit is near, when its digits and those of the next block are known.
fn near_digits(digits: u64, next_digits: u64) -> u64 {
    const _: () = assert!(NEAR_BYTES == 8);
    let both = u128::from(next_digits) << BLOCK_BYTES | u128::from(digits);
    let two = both | both >> 1;
    let four = two | two >> 2;
    (four | four >> 4) as u64
}

/// Whether a byte is one of words, as `\b` has it.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The bytes that a match may begin with.
struct Firsts {
    at_boundary: [bool; 256],
    anywhere: [bool; 256],
}

impl Firsts {
    /// Adds those of a piece of a pattern, before which there was a boundary or not; returns, if a match of it may be
    /// empty, whether there is one behind it.
    fn add(&mut self, hir: &Hir, boundary: bool) -> Option<bool> {
        match hir.kind() {
            HirKind::Empty => Some(boundary),
            HirKind::Look(look) => Some(boundary || *look == Look::WordAscii),
            HirKind::Literal(literal) => {
                self.table(boundary)[usize::from(literal.0[0])] = true;
                None
            }
            HirKind::Class(class) => {
                stretches::add_class(class, self.table(boundary));
                None
            }
            HirKind::Capture(capture) => self.add(&capture.sub, boundary),
            HirKind::Repetition(repetition) => {
                let behind = self.add(&repetition.sub, boundary);
                if repetition.min == 0 { Some(boundary && behind.unwrap_or(true)) } else { behind }
            }
            HirKind::Concat(subs) => subs.iter().try_fold(boundary, |boundary, sub| self.add(sub, boundary)),
            HirKind::Alternation(subs) => {
                let behind: Vec<bool> = subs.iter().filter_map(|sub| self.add(sub, boundary)).collect();
                (!behind.is_empty()).then(|| behind.into_iter().all(|boundary| boundary))
            }
        }
    }

    fn table(&mut self, boundary: bool) -> &mut [bool; 256] {
        if boundary { &mut self.at_boundary } else { &mut self.anywhere }
    }
}

/// How far from its start a match has its first digit at most, in bytes. When none is certain by the pattern, a validator
/// wants one, wherever.
fn farthest_digit(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Alternation(subs) => subs.iter().map(farthest_digit).max().unwrap_or(0),
        _ => first_digit(hir).or(hir.properties().maximum_len()).unwrap_or(usize::MAX),
    }
}

/// The same; `None`: it may have none.
fn first_digit(hir: &Hir) -> Option<usize> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(literal) => literal.0.iter().position(u8::is_ascii_digit),
        HirKind::Class(class) => only_digits(class).then_some(0),
        HirKind::Repetition(repetition) if repetition.min == 0 => None,
        HirKind::Repetition(repetition) => first_digit(&repetition.sub),
        HirKind::Capture(capture) => first_digit(&capture.sub),
        HirKind::Concat(subs) => {
            let mut before = 0usize;
            for sub in subs {
                if let Some(within) = first_digit(sub) {
                    return Some(before.saturating_add(within));
                }
                before = before.saturating_add(sub.properties().maximum_len()?);
            }
            None
        }
        HirKind::Alternation(subs) => subs.iter().map(first_digit).try_fold(0, |most, first| Some(first?.max(most))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_near_within_their_bytes() {
        for (digit, place) in (0..2 * BLOCK_BYTES).flat_map(|digit| (0..BLOCK_BYTES).map(move |place| (digit, place))) {
            let bits = 1u128 << digit;
            let is_near = near_digits(bits as u64, (bits >> BLOCK_BYTES) as u64) >> place & 1 == 1;
            assert_eq!(is_near, (place..place + NEAR_BYTES).contains(&digit), "{digit} {place}");
        }
    }

    #[test]
    fn matches_begin_where_the_pattern_may() {
        let far = "a".repeat(70) + "1       ";
        let table: &[(&str, &str, &[usize])] = &[
            (r"\b[0-9]{3}\b", "a12 345 b6 7      ", &[4]),
            (r"[0-9]{3}", "x1234      ", &[1, 2]),
            (r"\b[A-Z]{2}[0-9]", "see AB1 xAB2 A      ", &[4]),
            (r"-?\b[0-9]", "x -12      ", &[2, 3]),
            (r"(?:\+|\b00)[1-9]", "+1 00 2 001      ", &[0, 8]),
            (r"(?:no|nr)\.? [0-9]", "no. 1 no      ", &[0]),
            (r"\b[a-f]{70}[0-9]", &far, &[0]),
            (r"\b[a-f]{5}[0-9]", &far, &[]),
            (r"\b[a-f]{7}[0-9]", "see abcdefa1 and more   ", &[4]),
            (r"\b[a-f]{8}[0-9]", "see abcdefab1 and more   ", &[4]),
            (r"\b(?:[a-f]{8}|no)-?[0-9]", "facefeed-1 no1 facefee-1 deadbeef1       ", &[0, 11, 15, 25]),
            // Some have no digit near, but a letter that few words begin with.
            (r"\bkey [0-9]|\bqu[a-z]{7}[0-9]", "quite a quagmires7 key 1    ", &[8, 19, 23]),
            // Of the last bytes too little is known.
            (r"\b[0-9]{3}\b", "1 23", &[0, 2]),
        ];
        for &(pattern, text, expected) in table {
            let parser = &mut regex_syntax::ParserBuilder::new().unicode(false).utf8(true).build();
            let (hir, glance) = (parser.parse(pattern).unwrap(), Glance::of(text));
            let begins = Begins::of(&[&hir]);
            let found = |within: Range<usize>| {
                let mut found = Vec::new();
                begins.each(text.as_bytes(), within, &glance, |at| found.push(at));
                found
            };
            assert_eq!(found(0..text.len()), expected, "{pattern}");
            for (start, end) in (0..text.len()).flat_map(|start| (start..text.len()).map(move |end| (start, end))) {
                let expected: Vec<usize> = expected.iter().copied().filter(|at| (start..end).contains(at)).collect();
                assert_eq!(found(start..end), expected, "{pattern} {start} {end}");
            }
        }
    }
}
