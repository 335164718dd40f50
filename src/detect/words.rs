//! The context words of rules that digits gate and that are sure of nothing without one. They are looked for with the
//! literals (`detect/anchors.rs`), so that such rules are tried only where one of their words is near.

use super::compile::Compiled;
use super::context::{self, REACH_BYTES};
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
    /// By word: the rules that have it.
    owners: Vec<Vec<u16>>,
    /// The longest match of all of them.
    longest_bytes: usize,
}

impl Words {
    /// The words, and how each is spelled: in small letters, as far as they are ASCII.
    pub fn of(rules: &[Compiled]) -> (Words, Vec<Box<[u8]>>) {
        let mut owners: BTreeMap<String, Vec<u16>> = BTreeMap::new();
        let mut longest_bytes = 0;
        for (index, compiled) in rules.iter().enumerate() {
            let rule = &compiled.rule;
            let Some(context) = rule.context.as_ref().filter(|_| needs_word(rule)) else { continue };
            longest_bytes = longest_bytes.max(rule.shape.longest_bytes.unwrap_or(usize::MAX));
            for spelling in context.words.iter().flat_map(|word| context::spellings(word)) {
                owners.entry(spelling.to_ascii_lowercase()).or_default().push(index as u16);
            }
        }
        let (spellings, owners): (Vec<_>, _) =
            owners.into_iter().map(|(spelling, owners)| (spelling.into_bytes().into(), owners)).unzip();
        (Words { owners, longest_bytes }, spellings)
    }

    /// How far from the digits of a match a word may be that counts.
    pub fn reach_bytes(&self) -> usize {
        self.longest_bytes.saturating_add(REACH_BYTES)
    }

    /// Calls a function with each range of a text in which a match may begin that has a word near. The words are in the order
    /// of their ends.
    pub fn each_near(&self, words: &[WordAt], text_bytes: usize, mut look: impl FnMut(Range<usize>)) {
        let Some(first) = words.first() else { return };
        let near = |word: &WordAt| word.end.saturating_sub(self.reach_bytes())..text_bytes.min(word.end + REACH_BYTES);
        let mut range = near(first);
        for next in words[1..].iter().map(near) {
            if next.start > range.end {
                look(std::mem::replace(&mut range, next));
            } else {
                range.end = next.end;
            }
        }
        look(range);
    }
}

/// The words of a text, for matches that come in the order of their starts.
pub(super) struct NearWords<'w> {
    words: &'w Words,
    /// In the order of their ends; those before are too far back for what is to come.
    found: &'w [WordAt],
}

impl<'w> NearWords<'w> {
    pub fn of(words: &'w Words, found: &'w [WordAt]) -> NearWords<'w> {
        NearWords { words, found }
    }

    /// Whether one of a rule's words may be so near to a match that it counts.
    pub fn has(&mut self, rule: u16, whole: Range<usize>) -> bool {
        let past = self.found.iter().take_while(|word| word.end + REACH_BYTES <= whole.start).count();
        self.found = &self.found[past..];
        let mut near = self.found.iter().take_while(|word| word.end <= whole.end + REACH_BYTES);
        near.any(|word| self.words.owners[word.word].contains(&rule))
    }
}

/// Whether digits gate a rule, and only a word near by makes its matches hits.
pub(super) fn needs_word(rule: &Rule) -> bool {
    rule.trigger == Trigger::Digits && rule.confidence.permille() == 0 && rule.proof.is_none()
}
