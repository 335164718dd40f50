//! Gates for rules without a literal: an `@`, enough digits close together, or a long stretch of token characters.
//!
//! Rules that digits gate are many (every country numbers its people), so that what they cost must not grow with
//! their number. They are looked for together, in classes: what a rule's matches are made of decides how long the runs
//! are in which they may lie, and whether it needs a word near by decides where it is worth looking at all.
//!
//! 1. *Words.* Rules that are sure of nothing without a word near by are looked for round such words only; the pass that
//!    looks for literals has found them (`detect/words.rs`).
//! 2. *Runs.* A match lies within neighbouring bytes each of which occurs in some match of the class, and, where letters are
//!    among them, within the longest match of a digit. A run that is too short, or holds too few digits, is passed over.
//!    Runs are looked for only if the text holds digits enough, which is one pass of vector instructions.
//! 3. *Sieve.* Over what is left one automaton of all patterns of the class tells where matches may end, and whose
//!    (`detect/sieve.rs`). A rule is then searched no farther from there than its longest match, if one of its own words is near.
//!
//! Each step leaves out only what cannot become a hit: matches that are not confirmed have no part in what is found.

use super::anchors::touch;
use super::compile::Compiled;
use super::sieve::{self, Sieve};
use super::words::{WordAt, Words, needs_word};
use super::{Scratch, context, stretches};
use crate::rules::Trigger;
use regex_syntax::hir::Hir;
use std::collections::BTreeMap;
use std::ops::Range;

pub(super) struct Gates {
    /// Rules whose runs are looked for together.
    digits: Vec<DigitGates>,
    words: Words,
    /// Rule and its longest match.
    at_sign: Vec<(u16, Option<usize>)>,
    token: Vec<TokenGate>,
}

/// A rule that waits for a long stretch of token characters.
struct TokenGate {
    rule: u16,
    bytes_min: usize,
    longest_bytes: usize,
}

/// What tells the rules of one class from those of another. Their runs have nothing in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    needs_word: bool,
    made_of: MadeOf,
}

/// What the matches of a rule are made of, beside digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MadeOf {
    /// No letters.
    Signs,
    /// The letters of hexadecimal digits.
    Hex,
    /// Capitals, and perhaps those: of prose their runs hold single words.
    Capitals,
    /// Letters, and no blanks: their runs are words.
    Words,
    /// Letters and blanks: all prose is a run.
    Prose,
}

/// The rules of one class.
struct DigitGates {
    kind: Kind,
    /// What opens some of them.
    any: Run,
    longest_bytes: usize,
    rules: Vec<Gated>,
    /// By word: whether one of the rules waits for it.
    waits_for: Vec<bool>,
    /// None when it cannot be built, and every rule is tried on every run.
    sieve: Option<Sieve>,
}

/// A rule that digits gate.
struct Gated {
    rule: u16,
    longest_bytes: usize,
    /// Whether a value that is all there is in a text needs no word.
    may_be_alone: bool,
}

/// What a run must be for a rule to be tried on it.
struct Run {
    /// By byte: whether it occurs in a match.
    holds: Box<[bool; 256]>,
    bytes_min: usize,
    digits_min: usize,
}

/// What the gates need of the scratch, by class.
pub(super) type GateScratch = Vec<Option<sieve::Cache>>;

impl Gates {
    pub fn new(rules: &[Compiled], words: Words) -> Gates {
        let mut gates = Gates { digits: Vec::new(), words, at_sign: Vec::new(), token: Vec::new() };
        let mut classes: BTreeMap<Kind, DigitGates> = BTreeMap::new();
        for (index, compiled) in rules.iter().enumerate() {
            let (rule, shape) = (index as u16, &compiled.rule.shape);
            match (&compiled.rule.trigger, shape.longest_bytes) {
                (Trigger::AtSign, longest) => gates.at_sign.push((rule, longest)),
                (Trigger::Digits, longest) => {
                    let run = Run::of(&shape.hir, shape.digits_min.max(1));
                    let kind = Kind { needs_word: needs_word(&compiled.rule), made_of: MadeOf::of(&run.holds) };
                    let longest_bytes = longest.unwrap_or(usize::MAX);
                    let gated = Gated { rule, longest_bytes, may_be_alone: compiled.rule.alone.is_some() };
                    classes.entry(kind).or_insert_with(|| DigitGates::none(kind)).add(gated, run);
                }
                (Trigger::Token, longest) => gates.token.push(TokenGate {
                    rule,
                    bytes_min: shape.token_min_bytes,
                    longest_bytes: longest.expect("it was resolved so"),
                }),
                (Trigger::Anchors(_), _) => {}
            }
        }
        gates.digits = classes.into_values().map(|class| class.finished(rules, &gates.words)).collect();
        gates
    }

    /// Whether the words that rules need are worth looking for in a text of so many digits.
    pub fn wants_words(&self, digits: usize) -> bool {
        self.digits.iter().any(|class| class.kind.needs_word && class.any.digits_min <= digits)
    }

    /// Marks the windows of every rule whose gate opens.
    pub fn mark(&self, text: &str, applies: u16, rules: &[Compiled], scratch: &mut Scratch) {
        for &(rule, longest_bytes) in &self.at_sign {
            let compiled = &rules[usize::from(rule)];
            if compiled.applies & applies != 0 {
                mark_at_signs(text, (rule, compiled), longest_bytes, scratch);
            }
        }
        for gate in self.token.iter().filter(|gate| rules[usize::from(gate.rule)].applies & applies != 0) {
            gate.mark(text.len(), scratch);
        }
        let mut caches = std::mem::take(&mut scratch.gates);
        caches.resize_with(self.digits.len(), || None);
        let (words, digits) = (std::mem::take(&mut scratch.words), scratch.digits);
        let open = |(class, _): &(&DigitGates, _)| class.any.digits_min <= digits;
        for (class, cache) in self.digits.iter().zip(&mut caches).filter(open) {
            let mut marked = |gated: &Gated, start: usize, end: usize| {
                let wanted = rules[usize::from(gated.rule)].applies & applies != 0;
                if wanted && self.may_be_hit(class, gated, text, (start, end), &words) {
                    touch(gated.rule, scratch).add_window(start, end);
                }
            };
            class.each_span(text, &words, |span| {
                let mut run = |start, end| class.each_end(text, (start, end), cache, &mut marked);
                class.each_run(text.as_bytes(), span, &mut run);
            });
        }
        (scratch.gates, scratch.words) = (caches, words);
    }

    /// Whether a match within a window can be a hit, as far as words near by decide it.
    fn may_be_hit(
        &self,
        class: &DigitGates,
        gated: &Gated,
        text: &str,
        (start, end): (usize, usize),
        words: &[WordAt],
    ) -> bool {
        // Without a sieve a window is a whole run, of which words near its end say nothing.
        let decided = class.sieve.is_none() || !class.kind.needs_word;
        if decided || gated.may_be_alone && text.len() <= context::ALONE_MAX_BYTES {
            return true;
        }
        let (from, to) = (start.saturating_sub(context::REACH_BYTES), end + context::REACH_BYTES);
        let first = words.partition_point(|word| word.end <= from);
        let near = words[first..].iter().take_while(|word| word.end <= to);
        near.into_iter().any(|word| word.start >= from && self.words.waits(gated.rule, word.word))
    }
}

fn mark_at_signs(text: &str, (rule, compiled): (u16, &Compiled), longest_bytes: Option<usize>, scratch: &mut Scratch) {
    for at in memchr::memchr_iter(b'@', text.as_bytes()) {
        let window = match longest_bytes {
            None => (0, text.len()),
            Some(longest) => ((at + 1).saturating_sub(longest), (at + longest).min(text.len())),
        };
        let (start, end) = compiled.narrowed(text.as_bytes(), window, (at, at + 1));
        touch(rule, scratch).add_window(start, end);
    }
}

pub(super) fn count_digits(text: &[u8]) -> usize {
    // Counts of so few bytes fit the width of the vector's lanes.
    let few = text.chunks(128);
    few.map(|few| usize::from(few.iter().map(|byte| u8::from(byte.is_ascii_digit())).sum::<u8>())).sum()
}

impl TokenGate {
    /// A match has as many bytes of a stretch as its rule waits for, so it ends so far behind the stretch's start, and
    /// begins so far before its end.
    fn mark(&self, length: usize, scratch: &mut Scratch) {
        let stretches = std::mem::take(&mut scratch.stretches);
        for &(start, end) in stretches.places.iter().filter(|(start, end)| end - start >= self.bytes_min) {
            let from = (start + self.bytes_min).saturating_sub(self.longest_bytes);
            let to = (end - self.bytes_min + self.longest_bytes).min(length);
            touch(self.rule, scratch).add_window(from, to);
        }
        scratch.stretches = stretches;
    }
}

impl MadeOf {
    fn of(holds: &[bool; 256]) -> MadeOf {
        let any = |mut bytes: std::ops::RangeInclusive<u8>| bytes.any(|byte| holds[usize::from(byte)]);
        let hex = any(b'A'..=b'F') || any(b'a'..=b'f');
        match (any(b'g'..=b'z'), any(b'G'..=b'Z'), hex, holds[usize::from(b' ')]) {
            (false, false, false, _) => MadeOf::Signs,
            (false, false, true, _) => MadeOf::Hex,
            (false, true, ..) => MadeOf::Capitals,
            (true, _, _, false) => MadeOf::Words,
            (true, _, _, true) => MadeOf::Prose,
        }
    }
}

impl DigitGates {
    /// No digits are enough for no rule.
    fn none(kind: Kind) -> DigitGates {
        let any = Run { holds: Box::new([false; 256]), bytes_min: usize::MAX, digits_min: usize::MAX };
        DigitGates { kind, any, longest_bytes: 0, rules: Vec::new(), waits_for: Vec::new(), sieve: None }
    }

    fn add(&mut self, gated: Gated, run: Run) {
        let Run { holds, bytes_min, digits_min } = &mut self.any;
        holds.iter_mut().zip(run.holds.iter()).for_each(|(all, own)| *all |= own);
        (*bytes_min, *digits_min) = ((*bytes_min).min(run.bytes_min), (*digits_min).min(run.digits_min));
        self.longest_bytes = self.longest_bytes.max(gated.longest_bytes);
        self.rules.push(gated);
    }

    fn finished(mut self, rules: &[Compiled], words: &Words) -> DigitGates {
        let hirs: Vec<&Hir> = self.rules.iter().map(|gated| &rules[usize::from(gated.rule)].rule.shape.hir).collect();
        self.sieve = Sieve::of(&hirs);
        let waits = |word| self.rules.iter().any(|gated| words.waits(gated.rule, word));
        self.waits_for = (0..words.spellings.len()).map(waits).collect();
        self
    }

    /// Calls a function with each range of a text in which hits may lie, in order: all of it, or what is near a word.
    fn each_span(&self, text: &str, words: &[WordAt], mut found: impl FnMut(Range<usize>)) {
        let alone = text.len() <= context::ALONE_MAX_BYTES && self.rules.iter().any(|gated| gated.may_be_alone);
        if !self.kind.needs_word || alone {
            return found(0..text.len());
        }
        let reach = self.longest_bytes.saturating_add(context::REACH_BYTES);
        let mut span = 0..0;
        for word in words.iter().filter(|word| self.waits_for[word.word]) {
            let near = word.end.saturating_sub(reach)..word.start.saturating_add(reach).min(text.len());
            if near.start > span.end {
                found(std::mem::replace(&mut span, near));
            } else {
                span.end = span.end.max(near.end);
            }
        }
        found(span);
    }

    /// Calls a function with each run of a range, in order.
    fn each_run(&self, text: &[u8], range: Range<usize>, found: &mut impl FnMut(usize, usize)) {
        if self.kind.made_of == MadeOf::Signs {
            return self.any.find(text, range, found);
        }
        let text = &text[..range.end];
        let mut at = range.start;
        while let Some(digit) = text[at..].iter().position(u8::is_ascii_digit) {
            let start = (at + digit).saturating_sub(self.longest_bytes).max(at);
            let end = self.last_digit(text, at + digit);
            let end = end.saturating_add(self.longest_bytes).min(text.len());
            self.any.find(text, start..end, found);
            at = end;
        }
    }

    /// The last of the digits from here on of which each is near enough to the one before for one match to hold both, or
    /// for the runs round them to overlap.
    fn last_digit(&self, text: &[u8], digit: usize) -> usize {
        let reach = self.longest_bytes.saturating_mul(2);
        let mut last = digit;
        loop {
            let end = last.saturating_add(reach).min(text.len());
            match text[last + 1..end].iter().rposition(u8::is_ascii_digit) {
                Some(next) => last += next + 1,
                None => return last,
            }
        }
    }

    /// Calls a function with each rule and a window round what may be a match of it, in a run. Windows of one rule come in
    /// the order of their starts.
    fn each_end(
        &self,
        text: &str,
        (start, end): (usize, usize),
        cache: &mut Option<sieve::Cache>,
        found: &mut impl FnMut(&Gated, usize, usize),
    ) {
        let Some(sieve) = &self.sieve else {
            return self.rules.iter().for_each(|gated| found(gated, start, end));
        };
        sieve.each_end(text, start..end, cache, |pattern, end| {
            let gated = &self.rules[pattern];
            found(gated, start.max(end.saturating_sub(gated.longest_bytes)), end);
        });
    }
}

impl Run {
    fn of(hir: &Hir, digits_min: usize) -> Run {
        let holds = stretches::bytes_of(hir);
        Run { holds, bytes_min: hir.properties().minimum_len().unwrap_or(1), digits_min }
    }

    /// Calls a function with each run within a range.
    fn find(&self, text: &[u8], range: Range<usize>, found: &mut impl FnMut(usize, usize)) {
        stretches::each(text, range, &self.holds, self.bytes_min, |start, end| {
            if count_digits(&text[start..end]) >= self.digits_min {
                found(start, end);
            }
        });
    }
}
