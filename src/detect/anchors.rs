//! The prefilter: every literal of every rule in one automaton, run once over each part.
//!
//! Overlapping occurrences count, since a literal may begin inside another. The automaton ignores ASCII case for
//! all; where case matters the bytes are compared when it reports. It decides nothing: it marks windows.

use super::compile::{CompileError, Compiled};
use super::{RuleScratch, Scratch};
use crate::rules::Trigger;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::collections::BTreeMap;

/// Up to this many bytes of literals the automaton is a DFA, which is three times as fast as the contiguous NFA and
/// takes some hundred bytes of memory a byte. Above it the library chooses.
const DFA_MAX_BYTES: usize = 16 << 10;

pub(super) struct Anchors {
    automaton: Option<AhoCorasick>,
    /// By pattern of the automaton.
    owners: Vec<Vec<Owner>>,
}

/// A rule that waits for a literal.
struct Owner {
    rule: u16,
    /// The literal as it must stand, where its case matters.
    exact: Option<Box<[u8]>>,
    /// Longest match of the rule; `None` for no bound.
    longest_bytes: Option<usize>,
}

impl Anchors {
    pub fn new(rules: &[Compiled]) -> Result<Anchors, CompileError> {
        let mut by_literal: BTreeMap<String, Vec<Owner>> = BTreeMap::new();
        for (index, compiled) in rules.iter().enumerate() {
            let rule = &compiled.rule;
            let Trigger::Anchors(anchors) = &rule.trigger else { continue };
            for anchor in anchors {
                let exact = (!rule.ignore_case).then(|| anchor.as_bytes().into());
                let owner = Owner { rule: index as u16, exact, longest_bytes: rule.shape.longest_bytes };
                by_literal.entry(anchor.to_ascii_lowercase()).or_default().push(owner);
            }
        }
        if by_literal.is_empty() {
            return Ok(Anchors { automaton: None, owners: Vec::new() });
        }
        let bytes: usize = by_literal.keys().map(String::len).sum();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .kind((bytes <= DFA_MAX_BYTES).then_some(AhoCorasickKind::DFA))
            .build(by_literal.keys())
            .map_err(|error| CompileError::Anchors(error.to_string()))?;
        Ok(Anchors { automaton: Some(automaton), owners: by_literal.into_values().collect() })
    }

    /// Marks the windows of every rule whose literal is in the text.
    pub fn mark(&self, text: &str, applies: u16, rules: &[Compiled], scratch: &mut Scratch) {
        let Some(automaton) = &self.automaton else { return };
        for hit in automaton.find_overlapping_iter(text) {
            for owner in &self.owners[hit.pattern().as_usize()] {
                let wanted = rules[usize::from(owner.rule)].applies & applies != 0;
                let spelt = owner.exact.as_ref().is_none_or(|exact| **exact == text.as_bytes()[hit.range()]);
                if wanted && spelt {
                    let (start, end) = window(text.len(), hit.start(), hit.end(), owner.longest_bytes);
                    touch(owner.rule, scratch).add_window(start, end);
                }
            }
        }
    }

    /// Marks only which rules' literals occur: for judging anchors against benign texts.
    pub fn rules_in(&self, text: &str) -> Vec<u16> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let owners = automaton.find_overlapping_iter(text).flat_map(|hit| {
            self.owners[hit.pattern().as_usize()]
                .iter()
                .filter(move |owner| owner.exact.as_ref().is_none_or(|exact| **exact == text.as_bytes()[hit.range()]))
        });
        owners.map(|owner| owner.rule).collect()
    }
}

/// A match of at most `longest` bytes that contains `start..end` lies in this window. Occurrences come in the order
/// of their ends, and so do the windows' starts.
fn window(length: usize, start: usize, end: usize, longest_bytes: Option<usize>) -> (usize, usize) {
    match longest_bytes {
        None => (0, length),
        Some(longest) => (end.saturating_sub(longest), (start + longest).min(length)),
    }
}

/// The scratch of a rule that has a candidate in this part.
pub(super) fn touch(rule: u16, scratch: &mut Scratch) -> &mut RuleScratch {
    let own = &mut scratch.rules[usize::from(rule)];
    if own.regions.is_empty() {
        scratch.touched.push(rule);
    }
    own
}
