//! The reference that the scanner is tested against: every rule's pattern over the whole text, by another front of
//! the regex library. Slow, and simple enough to be believed. Compiled for tests only.

use super::settle::{self, Found};
use super::{Scanner, confirm};

/// The patterns of a scanner's rules, built on their own.
pub(super) struct Naive<'s> {
    scanner: &'s Scanner,
    patterns: Vec<regex::Regex>,
}

impl<'s> Naive<'s> {
    pub fn new(scanner: &'s Scanner) -> Self {
        let patterns = scanner.rules.iter().map(|compiled| {
            let rule = &compiled.rule;
            regex::RegexBuilder::new(&rule.pattern)
                .unicode(false)
                .case_insensitive(rule.ignore_case)
                .build()
                .expect("the pattern was parsed before")
        });
        Naive { patterns: patterns.collect(), scanner }
    }

    /// All hits in a text, settled and in order.
    pub fn scan(&self, text: &str, applies: u16) -> Vec<Found> {
        let mut found = Vec::new();
        for (index, (compiled, pattern)) in self.scanner.rules.iter().zip(&self.patterns).enumerate() {
            if compiled.applies & applies == 0 {
                continue;
            }
            let mut at = 0;
            while let Some(captures) = captures_at(pattern, text, at) {
                let whole = captures.get(0).expect("group 0 is the match");
                let value = captures.get(compiled.rule.group).filter(|value| !value.is_empty()).unwrap_or(whole);
                let (whole, value) = ((whole.start(), whole.end()), (value.start(), value.end()));
                let confidence = confirm::confirm(compiled, text, whole, value);
                found.extend(confidence.map(|confidence| Found::new(index as u16, value, confidence)));
                let bounded = compiled.rule.shape.longest_bytes.is_some();
                at = if confidence.is_none() && bounded { whole.0 + 1 } else { whole.1 };
            }
        }
        settle::settle(&self.scanner.rules, &mut found, &mut settle::Buffers::default());
        found
    }
}

fn captures_at<'t>(pattern: &regex::Regex, text: &'t str, at: usize) -> Option<regex::Captures<'t>> {
    if at > text.len() { None } else { pattern.captures_at(text, at) }
}
