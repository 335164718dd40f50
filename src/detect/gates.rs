//! Gates for rules without a literal: an `@`, or enough digits close together.
//!
//! Digits are counted by blocks of 32 bytes in one pass that the compiler turns into vector instructions. A match of
//! at most *n* bytes touches at most `blocks` neighbouring blocks, so those together hold at least the digits that
//! every match has; where no such run of blocks does, there is no match. A run that does is a window as it stands.

use super::Scratch;
use super::anchors::touch;
use super::compile::Compiled;
use crate::rules::Trigger;

const BLOCK_BYTES: usize = 32;

pub(super) struct Gates {
    digits: Vec<DigitGate>,
    /// Rule and its longest match.
    at_sign: Vec<(u16, Option<usize>)>,
}

struct DigitGate {
    rule: u16,
    /// How many neighbouring blocks a match can touch.
    blocks: usize,
    digits_min: usize,
}

impl Gates {
    pub fn new(rules: &[Compiled]) -> Gates {
        let mut gates = Gates { digits: Vec::new(), at_sign: Vec::new() };
        for (index, compiled) in rules.iter().enumerate() {
            let shape = &compiled.rule.shape;
            match (&compiled.rule.trigger, shape.longest_bytes) {
                (Trigger::AtSign, longest) => gates.at_sign.push((index as u16, longest)),
                (Trigger::Digits, longest) => {
                    let longest = longest.expect("a rule that digits gate is bounded: checked when it was resolved");
                    let blocks = (longest + BLOCK_BYTES - 2) / BLOCK_BYTES + 1;
                    gates.digits.push(DigitGate { rule: index as u16, blocks, digits_min: shape.digits_min });
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
        if self.digits.is_empty() {
            return;
        }
        let mut counts = std::mem::take(&mut scratch.digits);
        let total = count_digits(text.as_bytes(), &mut counts);
        for gate in &self.digits {
            if total >= gate.digits_min && rules[usize::from(gate.rule)].applies & applies != 0 {
                gate.mark(text.len(), &counts, scratch);
            }
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

impl DigitGate {
    fn mark(&self, length: usize, counts: &[u8], scratch: &mut Scratch) {
        let mut sum = 0;
        // The run of blocks that ends with `last`, shorter at the start of the text.
        for last in 0..counts.len() {
            sum += usize::from(counts[last]);
            if last >= self.blocks {
                sum -= usize::from(counts[last - self.blocks]);
            }
            if sum >= self.digits_min {
                let first = (last + 1).saturating_sub(self.blocks);
                let end = ((last + 1) * BLOCK_BYTES).min(length);
                touch(self.rule, scratch).add_window(first * BLOCK_BYTES, end);
            }
        }
    }
}
