//! Gates for rules without a literal: an `@`, or enough digits close together.
//!
//! A rule that digits gate can only match within a *run*: neighbouring bytes each of which occurs in some match of it
//! (for a card number digits, blanks and hyphens). A run that is too short, or holds fewer digits than every match, is
//! passed over; what is left is a window as it stands. Digits are counted by blocks of 32 bytes in one pass that the
//! compiler turns into vector instructions, and only where there are any are runs looked for: first those of several
//! rules together, then in each of them those of each rule.

use super::Scratch;
use super::anchors::touch;
use super::compile::Compiled;
use crate::rules::Trigger;
use regex_syntax::hir::{Class, Hir, HirKind};

const BLOCK_BYTES: usize = 32;

pub(super) struct Gates {
    /// Rules that match numbers only, and rules whose matches hold letters too: their runs have little in common.
    digits: [DigitGates; 2],
    /// Rule and its longest match.
    at_sign: Vec<(u16, Option<usize>)>,
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
        let mut gates = Gates { digits: [DigitGates::none(), DigitGates::none()], at_sign: Vec::new() };
        for (index, compiled) in rules.iter().enumerate() {
            let shape = &compiled.rule.shape;
            match (&compiled.rule.trigger, shape.longest_bytes) {
                (Trigger::AtSign, longest) => gates.at_sign.push((index as u16, longest)),
                (Trigger::Digits, _) => {
                    let run = Run::of(&shape.hir, shape.digits_min);
                    let with_letters =
                        run.holds.iter().zip(0u8..).any(|(holds, byte)| *holds && byte.is_ascii_alphabetic());
                    gates.digits[usize::from(with_letters)].add(index as u16, run);
                }
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
        if self.digits.iter().all(|gates| gates.rules.is_empty()) {
            return;
        }
        let mut counts = std::mem::take(&mut scratch.digits);
        let total = count_digits(text.as_bytes(), &mut counts);
        for gates in self.digits.iter().filter(|gates| total >= gates.any.digits_min) {
            gates.mark(text.as_bytes(), &counts, |rule| rules[usize::from(rule)].applies & applies != 0, scratch);
        }
        scratch.digits = counts;
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

/// Digits of each block, and of all.
fn count_digits(text: &[u8], counts: &mut Vec<u8>) -> usize {
    counts.clear();
    let blocks = text.chunks_exact(BLOCK_BYTES);
    let rest = blocks.remainder();
    let count = |block: &[u8]| block.iter().map(|byte| u8::from(byte.is_ascii_digit())).sum::<u8>();
    counts.extend(blocks.map(count));
    counts.push(count(rest));
    counts.iter().map(|&count| usize::from(count)).sum()
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

    fn mark(&self, text: &[u8], counts: &[u8], applies: impl Fn(u16) -> bool, scratch: &mut Scratch) {
        // Everything before `at` has been looked at, and a byte that ends a run stands before it.
        let mut at = 0;
        for (block, _) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (start, end) = (block * BLOCK_BYTES, ((block + 1) * BLOCK_BYTES).min(text.len()));
            if start > at {
                // A run with the first digits of this block may begin in a block without any.
                let before =
                    text[at..start].iter().rev().take_while(|byte| self.any.holds[usize::from(**byte)]).count();
                at = start - before;
            }
            if at < end {
                at = self.any.find(text, at, end, &mut |run_start, run_end| {
                    for (rule, run) in self.rules.iter().filter(|(rule, _)| applies(*rule)) {
                        run.find(text, run_start, run_end, &mut |start, end| {
                            touch(*rule, scratch).add_window(start, end);
                        });
                    }
                });
            }
        }
    }
}

impl Run {
    fn of(hir: &Hir, digits_min: usize) -> Run {
        let mut holds = Box::new([false; 256]);
        bytes_of(hir, &mut holds);
        Run { holds, bytes_min: hir.properties().minimum_len().unwrap_or(0), digits_min }
    }

    /// Calls a function with each run that begins in `start..end` and will do. The last may end behind `end`, unless
    /// a byte that ends a run, or nothing, stands there. Returns where it stopped: behind a byte that ends a run.
    fn find(&self, text: &[u8], start: usize, end: usize, found: &mut impl FnMut(usize, usize)) -> usize {
        let mut at = start;
        while at < end {
            let begun = at;
            let mut digits = 0;
            while at < text.len() && self.holds[usize::from(text[at])] {
                digits += usize::from(text[at].is_ascii_digit());
                at += 1;
            }
            if digits >= self.digits_min && at - begun >= self.bytes_min {
                found(begun, at);
            }
            at += 1;
        }
        at.min(text.len())
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
