//! The context words of rules that digits gate and that are sure of nothing without one: the pass that looks for literals
//! finds them too, so that such rules are tried only where one of their words is near.

use super::compile::Compiled;
use super::context;
use crate::rules::{Rule, Trigger};
use std::collections::BTreeMap;

/// A whole word in a text, in bytes, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WordAt {
    pub start: usize,
    pub end: usize,
    pub word: usize,
}

/// All words of all such rules, as they may be written.
pub(super) struct Words {
    /// By word: as it is written, in small letters as far as they are ASCII; in order, each once.
    pub spellings: Vec<String>,
    /// By word: the rules that have it, in order.
    owners: Vec<Vec<u16>>,
}

impl Words {
    pub fn of(rules: &[Compiled]) -> Words {
        let mut owners: BTreeMap<String, Vec<u16>> = BTreeMap::new();
        for (index, compiled) in rules.iter().enumerate() {
            let rule = &compiled.rule;
            let Some(context) = rule.context.as_ref().filter(|_| needs_word(rule)) else { continue };
            for spelling in context.words.iter().flat_map(|word| context::spellings(word)) {
                let owners = owners.entry(spelling.to_ascii_lowercase()).or_default();
                if owners.last() != Some(&(index as u16)) {
                    owners.push(index as u16);
                }
            }
        }
        let (spellings, owners) = owners.into_iter().unzip();
        Words { spellings, owners }
    }

    /// Whether a rule waits for a word.
    pub fn waits(&self, rule: u16, word: usize) -> bool {
        self.owners[word].binary_search(&rule).is_ok()
    }
}

/// Whether digits gate a rule, and only a word near by makes its matches hits.
pub(super) fn needs_word(rule: &Rule) -> bool {
    rule.trigger == Trigger::Digits && rule.confidence.permille() == 0 && rule.proof.is_none()
}
