//! The context words of rules that digits gate and that are sure of nothing without one: they are looked for round
//! what may be a match of theirs, so that such rules are tried only where one of their words is near.

use super::compile::Compiled;
use super::context;
use super::grams::Grams;
use crate::rules::{Rule, Trigger};
use std::collections::BTreeMap;
use std::ops::Range;

/// Where a whole word ends in a text, in bytes, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WordAt {
    pub end: usize,
    pub word: usize,
}

/// All words of all such rules, as they may be written.
pub(super) struct Words {
    grams: Grams,
    /// By word: the rules that have it.
    owners: Vec<RuleSet>,
}

/// A set of rules, a bit for each.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleSet(Vec<u64>);

impl RuleSet {
    fn insert(&mut self, rule: u16) {
        let (at, bit) = (usize::from(rule / 64), rule % 64);
        self.0.resize(self.0.len().max(at + 1), 0);
        self.0[at] |= 1 << bit;
    }

    fn extend(&mut self, other: &RuleSet) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(all, more)| *all |= more);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn contains(&self, rule: u16) -> bool {
        self.0.get(usize::from(rule / 64)).is_some_and(|bits| bits >> (rule % 64) & 1 == 1)
    }
}

impl Words {
    pub fn of(rules: &[Compiled]) -> Words {
        let mut owners: BTreeMap<String, RuleSet> = BTreeMap::new();
        for (index, compiled) in rules.iter().enumerate() {
            let rule = &compiled.rule;
            let Some(context) = rule.context.as_ref().filter(|_| needs_word(rule)) else { continue };
            for spelling in context.words.iter().flat_map(|word| context::spellings(word)) {
                owners.entry(spelling.to_ascii_lowercase()).or_default().insert(index as u16);
            }
        }
        let (spellings, owners): (Vec<_>, _) =
            owners.into_iter().map(|(spelling, owners)| (spelling.into_bytes().into(), owners)).unzip();
        Words { grams: Grams::new(spellings), owners }
    }

    /// Adds the words in a range of a text.
    pub fn find(&self, text: &str, range: Range<usize>, words: &mut Vec<WordAt>) {
        self.grams.each(text.as_bytes(), range, |at| {
            if context::is_whole_word(text, at.start, at.end) {
                words.push(WordAt { end: at.end, word: at.literal });
            }
        });
    }

    /// Adds the rules that wait for one of some words.
    pub fn add_waiting(&self, words: &[WordAt], rules: &mut RuleSet) {
        words.iter().for_each(|word| rules.extend(&self.owners[word.word]));
    }
}

/// Whether digits gate a rule, and only a word near by makes its matches hits.
pub(super) fn needs_word(rule: &Rule) -> bool {
    rule.trigger == Trigger::Digits && rule.confidence.permille() == 0 && rule.proof.is_none()
}
