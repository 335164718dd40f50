//! Gates for rules without a literal: an `@`, or a long stretch of token characters. Those that digits gate are many, and
//! have a file of their own (`detect/numbers.rs`).

use super::TextScratch;
use super::anchors::touch;
use super::compile::Compiled;
use super::glance::Glance;
use crate::rules::Trigger;

pub(super) struct Gates {
    at_sign: Vec<u16>,
    token: Vec<TokenGate>,
}

/// A rule that waits for a long stretch of token characters.
struct TokenGate {
    rule: u16,
    bytes_min: usize,
    /// Whether it must be one of letters and digits.
    is_plain: bool,
    /// How much of a match there is before and behind the stretch.
    around_bytes: (usize, usize),
}

impl Gates {
    pub fn new(rules: &[Compiled]) -> Gates {
        let mut gates = Gates { at_sign: Vec::new(), token: Vec::new() };
        for (index, compiled) in rules.iter().enumerate() {
            let (rule, shape) = (index as u16, &compiled.rule.shape);
            match compiled.rule.trigger {
                Trigger::AtSign => gates.at_sign.push(rule),
                Trigger::Token => {
                    let bytes_min = shape.token_min_bytes;
                    let most = shape.longest_bytes.expect("it was resolved so") - bytes_min;
                    let around_bytes = shape.around_bytes.unwrap_or((most, most));
                    gates.token.push(TokenGate { rule, bytes_min, is_plain: shape.is_plain(), around_bytes });
                }
                Trigger::Digits | Trigger::Anchors(_) => {}
            }
        }
        gates
    }

    /// Marks the windows of every rule whose gate opens.
    pub fn mark(&self, (text, glance): (&str, &Glance), applies: u16, rules: &[Compiled], scratch: &mut TextScratch) {
        for &rule in &self.at_sign {
            let compiled = &rules[usize::from(rule)];
            if compiled.applies & applies != 0 {
                mark_at_signs(text, rule, compiled, scratch);
            }
        }
        for gate in &self.token {
            let compiled = &rules[usize::from(gate.rule)];
            if compiled.applies & applies != 0 {
                gate.mark(compiled, (text, glance), scratch);
            }
        }
    }
}

fn mark_at_signs(text: &str, rule: u16, compiled: &Compiled, scratch: &mut TextScratch) {
    for at in memchr::memchr_iter(b'@', text.as_bytes()) {
        let window = match compiled.rule.shape.longest_bytes {
            None => (0, text.len()),
            Some(longest) => ((at + 1).saturating_sub(longest), (at + longest).min(text.len())),
        };
        let (start, end) = compiled.narrowed(text.as_bytes(), window, (at, at + 1));
        touch(rule, scratch).add_window(start, end);
    }
}

impl TokenGate {
    fn mark(&self, compiled: &Compiled, (text, Glance { stretches, .. }): (&str, &Glance), scratch: &mut TextScratch) {
        let places = if self.is_plain { &stretches.plain.places } else { &stretches.token.places };
        for &(start, end) in places.iter().filter(|(start, end)| end - start >= self.bytes_min) {
            let (before, behind) = self.around_bytes;
            let window = (start.saturating_sub(before), (end + behind).min(text.len()));
            let (start, end) = compiled.narrowed(text.as_bytes(), window, (start, end));
            touch(self.rule, scratch).add_window(start, end);
        }
    }
}
