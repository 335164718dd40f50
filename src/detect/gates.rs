//! Gates for rules without a literal: an `@`, enough digits close together, or a long stretch of token characters.
//!
//! A rule that digits gate can only match within a *run*: neighbouring bytes each of which occurs in some match of it
//! (for a card number digits, blanks and hyphens). A run that is too short, or holds fewer digits than every match, is
//! passed over; what is left is a window as it stands. Runs are looked for only if the text holds digits enough, which
//! is one pass of vector instructions: first those of several rules together, then in each of them those of each rule.

use super::Scratch;
use super::anchors::touch;
use super::compile::Compiled;
use crate::rules::Trigger;
use regex_syntax::hir::{Class, Hir, HirKind};

pub(super) struct Gates {
    /// Rules that match numbers only, and rules whose matches hold letters too: their runs have little in common.
    digits: [DigitGates; 2],
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

/// Rules whose runs are looked for together.
struct DigitGates {
    /// What opens some of them.
    any: Run,
    rules: Vec<(u16, Run)>,
}

/// What a run must be for a rule to be tried on it.
struct Run {
    /// By byte: whether it occurs in a match.
    holds: Box<[bool; 256]>,
    bytes_min: usize,
    digits_min: usize,
}

impl Gates {
    pub fn new(rules: &[Compiled]) -> Gates {
        let mut gates =
            Gates { digits: [DigitGates::none(), DigitGates::none()], at_sign: Vec::new(), token: Vec::new() };
        for (index, compiled) in rules.iter().enumerate() {
            let shape = &compiled.rule.shape;
            match (&compiled.rule.trigger, shape.longest_bytes) {
                (Trigger::AtSign, longest) => gates.at_sign.push((index as u16, longest)),
                (Trigger::Digits, _) => {
                    let run = Run::of(&shape.hir, shape.digits_min);
                    let with_letters =
                        run.holds.iter().zip(0..=u8::MAX).any(|(holds, byte)| *holds && byte.is_ascii_alphabetic());
                    gates.digits[usize::from(with_letters)].add(index as u16, run);
                }
                (Trigger::Token, longest) => gates.token.push(TokenGate {
                    rule: index as u16,
                    bytes_min: shape.token_min_bytes,
                    longest_bytes: longest.expect("it was resolved so"),
                }),
                (Trigger::Anchors(_), _) => {}
            }
        }
        gates
    }

    /// Marks the windows of every rule whose gate opens.
    pub fn mark(&self, text: &str, applies: u16, rules: &[Compiled], scratch: &mut Scratch) {
        for &(rule, longest_bytes) in &self.at_sign {
            if rules[usize::from(rule)].applies & applies != 0 {
                mark_at_signs(text, rule, longest_bytes, scratch);
            }
        }
        for gate in self.token.iter().filter(|gate| rules[usize::from(gate.rule)].applies & applies != 0) {
            gate.mark(text.len(), scratch);
        }
        if self.digits.iter().all(|gates| gates.rules.is_empty()) {
            return;
        }
        let text = text.as_bytes();
        let total = count_digits(text);
        for gates in self.digits.iter().filter(|gates| total >= gates.any.digits_min) {
            gates.mark(text, |rule| rules[usize::from(rule)].applies & applies != 0, scratch);
        }
    }
}

fn mark_at_signs(text: &str, rule: u16, longest_bytes: Option<usize>, scratch: &mut Scratch) {
    for at in memchr::memchr_iter(b'@', text.as_bytes()) {
        let (start, end) = match longest_bytes {
            None => (0, text.len()),
            Some(longest) => ((at + 1).saturating_sub(longest), (at + longest).min(text.len())),
        };
        touch(rule, scratch).add_window(start, end);
    }
}

fn count_digits(text: &[u8]) -> usize {
    // Counts of so few bytes fit the width of the vector's lanes.
    let few = text.chunks(128);
    few.map(|few| usize::from(few.iter().map(|byte| u8::from(byte.is_ascii_digit())).sum::<u8>())).sum()
}

impl TokenGate {
    /// A match has as many bytes of a stretch as its rule waits for, so it ends so far behind the stretch's start, and
    /// begins so far before its end.
    fn mark(&self, length: usize, scratch: &mut Scratch) {
        let stretches = std::mem::take(&mut scratch.stretches);
        for &(start, end) in stretches.iter().filter(|(start, end)| end - start >= self.bytes_min) {
            let from = (start + self.bytes_min).saturating_sub(self.longest_bytes);
            let to = (end - self.bytes_min + self.longest_bytes).min(length);
            touch(self.rule, scratch).add_window(from, to);
        }
        scratch.stretches = stretches;
    }
}

impl DigitGates {
    /// No digits are enough for no rule.
    fn none() -> DigitGates {
        let any = Run { holds: Box::new([false; 256]), bytes_min: usize::MAX, digits_min: usize::MAX };
        DigitGates { any, rules: Vec::new() }
    }

    fn add(&mut self, rule: u16, run: Run) {
        let Run { holds, bytes_min, digits_min } = &mut self.any;
        holds.iter_mut().zip(run.holds.iter()).for_each(|(all, own)| *all |= own);
        (*bytes_min, *digits_min) = ((*bytes_min).min(run.bytes_min), (*digits_min).min(run.digits_min));
        self.rules.push((rule, run));
    }

    fn mark(&self, text: &[u8], applies: impl Fn(u16) -> bool, scratch: &mut Scratch) {
        self.any.find(text, 0, text.len(), &mut |run_start, run_end| {
            for (rule, run) in self.rules.iter().filter(|(rule, _)| applies(*rule)) {
                run.find(text, run_start, run_end, &mut |start, end| touch(*rule, scratch).add_window(start, end));
            }
        });
    }
}

impl Run {
    fn of(hir: &Hir, digits_min: usize) -> Run {
        let mut holds = Box::new([false; 256]);
        bytes_of(hir, &mut holds);
        Run { holds, bytes_min: hir.properties().minimum_len().unwrap_or(1), digits_min }
    }

    /// Calls a function with each run between two places, of which the bytes outside are no part. It looks back from
    /// where the shortest run would end, and so passes over most bytes unseen.
    fn find(&self, text: &[u8], start: usize, end: usize, found: &mut impl FnMut(usize, usize)) {
        let ends_run = |byte: &u8| !self.holds[usize::from(*byte)];
        let mut at = start;
        while let Some(shortest) = text[..end].get(at..at.saturating_add(self.bytes_min)) {
            if let Some(last) = shortest.iter().rposition(ends_run) {
                at += last + 1;
                continue;
            }
            let more = text[at + self.bytes_min..end].iter().position(ends_run);
            let run_end = more.map_or(end, |more| at + self.bytes_min + more);
            if count_digits(&text[at..run_end]) >= self.digits_min {
                found(at, run_end);
            }
            at = run_end + 1;
        }
    }
}

/// Notes every byte that may occur in a match. Of characters above ASCII that is every byte above it: rough, and safe.
fn bytes_of(hir: &Hir, holds: &mut [bool; 256]) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|&byte| holds[usize::from(byte)] = true),
        HirKind::Class(Class::Bytes(class)) => {
            let bytes = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            bytes.for_each(|byte| holds[usize::from(byte)] = true);
        }
        HirKind::Class(Class::Unicode(class)) => {
            for range in class.ranges() {
                let (start, end) = (range.start() as usize, range.end() as usize);
                let last = if end < 0x80 { end } else { 0xff };
                holds[start.min(0x80)..=last].fill(true);
            }
        }
        HirKind::Repetition(repetition) => bytes_of(&repetition.sub, holds),
        HirKind::Capture(capture) => bytes_of(&capture.sub, holds),
        HirKind::Concat(subs) | HirKind::Alternation(subs) => subs.iter().for_each(|sub| bytes_of(sub, holds)),
    }
}
