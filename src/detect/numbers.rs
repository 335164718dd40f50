//! Rules that digits gate: cards, telephones, and the numbers that every country gives its people.
//!
//! They are many, so that what they cost must not grow with their number. All of them are tried together, by one
//! automaton (`detect/sieve.rs`), from each place where a match may begin: it must be near a digit, and most patterns
//! begin where a word does. Few bytes on the automaton is dead, or it tells whose match ends where. Most rules are sure of
//! nothing without a word near by, which is looked for then (`detect/words.rs`). What is left a rule's own pattern is run on.
//!
//! Each step leaves out only what cannot become a hit: matches that are not confirmed have no part in what is found.

use super::anchors::touch;
use super::blocks::{self, BLOCK_BYTES};
use super::compile::Compiled;
use super::sieve::Sieve;
use super::words::{RuleSet, WordAt, Words, needs_word};
use super::{KEPT_PLACES, Scratch, context, stretches};
use crate::rules::Trigger;
use crate::rules::pattern::only_digits;
use regex_syntax::hir::{Hir, HirKind, Look};
use std::ops::Range;

pub(super) struct Numbers {
    rules: Vec<Gated>,
    begins: Begins,
    /// None when it cannot be built, and every rule is tried on every text with a digit.
    sieve: Option<Sieve>,
    words: Words,
}

/// A rule that digits gate.
struct Gated {
    rule: u16,
    needs_word: bool,
    /// Whether a value that is all there is in a text needs no word.
    may_be_alone: bool,
}

impl Numbers {
    pub fn new(rules: &[Compiled]) -> Numbers {
        let own = rules.iter().enumerate().filter(|(_, compiled)| compiled.rule.trigger == Trigger::Digits);
        let gated = own.clone().map(|(index, Compiled { rule, .. })| Gated {
            rule: index as u16,
            needs_word: needs_word(rule),
            may_be_alone: rule.alone.is_some(),
        });
        let hirs: Vec<&Hir> = own.map(|(_, compiled)| &compiled.rule.shape.hir).collect();
        Numbers { rules: gated.collect(), begins: Begins::of(&hirs), sieve: Sieve::of(&hirs), words: Words::of(rules) }
    }

    /// Marks the windows of every rule that may have a match.
    pub fn mark(&self, text: &str, applies: u16, rules: &[Compiled], scratch: &mut Scratch) {
        let mut digits = std::mem::take(&mut scratch.digits);
        digits.find(text.as_bytes());
        if !digits.runs.is_empty() {
            self.mark_near(text, &digits, applies, rules, scratch);
        }
        scratch.digits = digits;
    }

    fn mark_near(&self, text: &str, digits: &Digits, applies: u16, rules: &[Compiled], scratch: &mut Scratch) {
        let applies = |gated: &Gated| rules[usize::from(gated.rule)].applies & applies != 0;
        let Some(sieve) = &self.sieve else {
            let wanted = self.rules.iter().filter(|gated| applies(gated));
            return wanted.for_each(|gated| touch(gated.rule, scratch).add_window(0, text.len()));
        };
        let (mut cache, mut near) = (scratch.sieve.take(), std::mem::take(&mut scratch.near));
        near.begin();
        let own_cache = cache.get_or_insert_with(|| sieve.cache());
        let is_short = text.len() <= context::ALONE_MAX_BYTES;
        self.begins.each(text.as_bytes(), digits, |start| {
            sieve.each_end(text, start, own_cache, |pattern, end| {
                let gated = &self.rules[pattern];
                let is_judged = !gated.needs_word || gated.may_be_alone && is_short;
                if applies(gated) && (is_judged || near.has(&self.words, text, gated.rule, start..end)) {
                    touch(gated.rule, scratch).add_window(start, end);
                }
            });
        });
        (scratch.sieve, scratch.near) = (cache, near);
    }
}

/// The words round matches of a text, found as far as matches ask for them. These come in the order of their starts.
/// Memory of the scratch.
#[derive(Default)]
pub(super) struct NearWords {
    seen_to: usize,
    found: Vec<WordAt>,
    /// Those before are too far back for what is to come.
    first: usize,
    /// Whose words the others are.
    waiting: RuleSet,
}

impl NearWords {
    /// Begins another text.
    fn begin(&mut self) {
        (self.seen_to, self.first) = (0, 0);
        self.found.clear();
        self.found.shrink_to(KEPT_PLACES);
        self.waiting.clear();
    }

    /// Whether one of a rule's words may be so near to a match that it counts.
    fn has(&mut self, words: &Words, text: &str, rule: u16, whole: Range<usize>) -> bool {
        let from = whole.start.saturating_sub(context::REACH_BYTES);
        let to = text.len().min(whole.end + context::REACH_BYTES);
        if self.seen_to < to {
            let seen = self.found.len();
            words.find(text, self.seen_to.max(from)..to, &mut self.found);
            words.add_waiting(&self.found[seen..], &mut self.waiting);
            self.seen_to = to;
        }
        let past = self.found[self.first..].iter().take_while(|word| word.end <= from).count();
        if past > 0 {
            self.first += past;
            self.waiting.clear();
            words.add_waiting(&self.found[self.first..], &mut self.waiting);
        }
        self.waiting.contains(rule)
    }
}

/// Where matches of some patterns may begin: by the first byte, how near the next digit must be.
#[derive(Debug)]
struct Begins {
    /// At a boundary of a word, in bytes and one more; 0: no match begins so.
    near: Box<[u16; 256]>,
    /// Elsewhere: no farther.
    anywhere: Box<[u16; 256]>,
    farthest: usize,
}

impl Begins {
    fn of(patterns: &[&Hir]) -> Begins {
        let none = || Box::new([0; 256]);
        let mut begins = Begins { near: none(), anywhere: none(), farthest: 0 };
        for hir in patterns {
            begins.add(hir, hir.properties().maximum_len().unwrap_or(usize::MAX));
        }
        begins.farthest = begins.near.iter().copied().max().unwrap_or(0).into();
        begins
    }

    /// Adds a pattern, alternative by alternative. A match of it has its first digit at most so far from its start; when
    /// none is certain by the pattern, a validator wants one, wherever.
    fn add(&mut self, hir: &Hir, longest: usize) {
        if let HirKind::Alternation(subs) = hir.kind() {
            return subs.iter().for_each(|sub| self.add(sub, longest));
        }
        let near = u16::try_from(first_digit(hir).unwrap_or(longest).saturating_add(1)).unwrap_or(u16::MAX);
        let mut firsts = Firsts { at_boundary: [false; 256], anywhere: [false; 256] };
        firsts.add(hir, false);
        for byte in 0..256 {
            if firsts.anywhere[byte] {
                self.anywhere[byte] = self.anywhere[byte].max(near);
            }
            if firsts.anywhere[byte] || firsts.at_boundary[byte] {
                self.near[byte] = self.near[byte].max(near);
            }
        }
    }

    /// Calls a function with each place where a match may begin, in order.
    fn each(&self, text: &[u8], digits: &Digits, mut found: impl FnMut(usize)) {
        let mut from = 0;
        for run in &digits.runs {
            let begin = from.max(run.start.saturating_sub(self.farthest));
            for (at, &byte) in text[..run.end].iter().enumerate().skip(begin) {
                let (byte, distance) = (usize::from(byte), run.start.saturating_sub(at));
                if distance < usize::from(self.near[byte])
                    && (distance < usize::from(self.anywhere[byte]) || is_boundary(text, at))
                {
                    found(at);
                }
            }
            from = run.end;
        }
    }
}

/// Whether a place is where a word begins or ends, as `\b` has it.
fn is_boundary(text: &[u8], at: usize) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    at.checked_sub(1).is_some_and(|before| is_word(&text[before])) != text.get(at).is_some_and(is_word)
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

/// How far from its start a match has its first digit at most, in bytes; `None`: it may have none.
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

/// Where the digits of a text are.
#[derive(Default)]
pub(super) struct Digits {
    /// Each as long as it goes, in order.
    runs: Vec<Range<usize>>,
}

impl Digits {
    /// Finds those of another text.
    fn find(&mut self, text: &[u8]) {
        self.runs.clear();
        self.runs.shrink_to(KEPT_PLACES);
        let (mut before, mut begun) = (0, 0);
        blocks::each(text, |at, block| {
            let digits = blocks::digits(block);
            // A bit where digits begin or end.
            let mut edges = digits ^ (digits << 1 | before);
            while edges != 0 {
                let edge = edges.trailing_zeros();
                match digits >> edge & 1 {
                    1 => begun = at + edge as usize,
                    _ => self.runs.push(begun..at + edge as usize),
                }
                edges &= edges - 1;
            }
            before = digits >> (BLOCK_BYTES - 1);
        });
        if before == 1 {
            self.runs.push(begun..text.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_found_wherever_they_stand() {
        let text = "7 a12 345678901234567890123456789012345678 b9c".repeat(3) + "44";
        for end in 0..=text.len() {
            let (text, mut digits) = (&text.as_bytes()[..end], Digits::default());
            digits.find(text);
            let mut expected: Vec<Range<usize>> = Vec::new();
            for (at, _) in text.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
                match expected.last_mut() {
                    Some(last) if last.end == at => last.end += 1,
                    _ => expected.push(at..at + 1),
                }
            }
            assert_eq!(digits.runs, expected, "{end}");
        }
    }

    #[test]
    fn matches_begin_where_the_pattern_may() {
        let table: &[(&str, &str, &[usize])] = &[
            (r"\b[0-9]{3}\b", "a12 345 b6 7", &[4, 11]),
            (r"[0-9]{3}", "12", &[0, 1]),
            (r"\b[A-Z]{2}[0-9]", "see AB1 xAB2 A", &[4]),
            (r"-?\b[0-9]", "x -12", &[2, 3]),
            (r"(?:\+|\b00)[1-9]", "+1 00 2", &[0, 3]),
            (r"(?:no|nr)\.? [0-9]", "no. 1 no", &[0]),
        ];
        for &(pattern, text, expected) in table {
            let parser = &mut regex_syntax::ParserBuilder::new().unicode(false).utf8(true).build();
            let (hir, mut digits, mut found) = (parser.parse(pattern).unwrap(), Digits::default(), Vec::new());
            digits.find(text.as_bytes());
            Begins::of(&[&hir]).each(text.as_bytes(), &digits, |at| found.push(at));
            assert_eq!(found, expected, "{pattern}");
        }
    }
}
