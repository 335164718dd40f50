//! Two simpler ways to run the same rules, for the scanner to be held against. The loop over every pattern is simple
//! enough to be believed: tests prove by it that the scanner misses nothing. The loop behind keywords is how gitleaks
//! works: the benchmark shows by both what the scanner saves.
//!
//! Patterns are built by another front of the regex library than the scanner's. No command of weir comes here.

use super::glance::Glance;
use super::settle::{self, Found};
use super::{Scanner, compile, confirm, layers};
use crate::model::{Hits, Interaction};
use crate::rules::{Rule, Trigger};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use bumpalo::Bump;

/// How rules are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Every rule's pattern over every text.
    Every,
    /// Every rule's pattern over the whole of those texts that hold one of its keywords: its anchors, an `@`, a digit.
    /// All keywords are looked for in one pass.
    Keywords,
}

/// The rules of a scanner, run in another way.
pub struct Naive<'s> {
    scanner: &'s Scanner,
    patterns: Vec<regex::Regex>,
    /// None: every pattern is run.
    keywords: Option<Keywords>,
}

/// All keywords of all rules.
struct Keywords {
    automaton: AhoCorasick,
    /// By keyword: the rules that have it.
    owners: Vec<Vec<usize>>,
    at_sign: Vec<usize>,
    digits: Vec<usize>,
    /// Run always: gitleaks has no such gate.
    token: Vec<usize>,
}

impl<'s> Naive<'s> {
    /// Builds the patterns of a scanner's rules once more.
    pub fn new(scanner: &'s Scanner, way: Way) -> Self {
        let rules = scanner.rules.iter().map(|compiled| &compiled.rule);
        let patterns = rules.clone().map(|rule| {
            regex::RegexBuilder::new(&rule.pattern)
                .unicode(false)
                .case_insensitive(rule.ignore_case)
                .build()
                .expect("the pattern was parsed before")
        });
        let patterns = patterns.collect();
        let keywords = (way == Way::Keywords).then(|| Keywords::new(rules));
        Naive { patterns, scanner, keywords }
    }

    /// Finds what [`Scanner::scan`] finds.
    pub fn scan<'e>(&'e self, interaction: &Interaction<'e>, arena: &'e Bump) -> Hits<'e> {
        let mut hits = Hits::default();
        let mut layers = (layers::Buffers::default(), layers::Budget::of_interaction());
        for (message_index, message) in interaction.messages.iter().enumerate() {
            let applies = compile::applies_bit(message.direction, message.role);
            for (part_index, part) in message.parts.iter().enumerate() {
                let found = self.scan_part(part.text.expose(), applies, &mut layers);
                let place = (message_index as u32, part_index as u32);
                self.scanner.tell((&found, &layers.0), place, part.text, arena, &mut hits);
            }
        }
        settle::finish(&mut hits);
        hits
    }

    /// All hits in a part's text and of what it hides. How layers are undone is shared with the scanner.
    pub(super) fn scan_part(
        &self,
        text: &str,
        applies: u16,
        (buffers, budget): &mut (layers::Buffers, layers::Budget),
    ) -> Vec<Found> {
        let (rules, anchors) = (&self.scanner.rules, &self.scanner.anchors);
        let mut look = |text: &str, glance: &mut Glance, found: &mut Vec<Found>, marks: &mut Vec<layers::Mark>| {
            found.append(&mut self.scan_text(text, applies));
            glance.look(text);
            anchors.marks((text, glance), applies, rules, marks);
        };
        let (mut glance, mut found, mut marks) = (Glance::default(), Vec::new(), Vec::new());
        look(text, &mut glance, &mut found, &mut marks);
        layers::see_through(rules, text, (&glance, &marks), &mut found, (buffers, budget), &mut look);
        found
    }

    /// All hits in a text, settled and in order.
    pub(super) fn scan_text(&self, text: &str, applies: u16) -> Vec<Found> {
        let mut found = Vec::new();
        let run = self.keywords.as_ref().map(|keywords| keywords.rules_in(text, self.patterns.len()));
        for (index, (compiled, pattern)) in self.scanner.rules.iter().zip(&self.patterns).enumerate() {
            if compiled.applies & applies == 0 || run.as_ref().is_some_and(|run| !run[index]) {
                continue;
            }
            let mut at = 0;
            while let Some(whole) = pattern.find_at(text, at) {
                let value = value(pattern, text, whole, compiled.rule.group);
                let (whole, value) = ((whole.start(), whole.end()), (value.start(), value.end()));
                let confidence = confirm::confirm(compiled, text, whole, value);
                found.extend(confidence.map(|confidence| Found::new(index as u16, value, confidence)));
                let bounded = compiled.rule.shape.longest_bytes.is_some();
                at = if confidence.is_none() && bounded { whole.0 + 1 } else { whole.1 };
                if at > text.len() {
                    break;
                }
            }
        }
        settle::settle(&self.scanner.rules, &mut found, &mut settle::Buffers::default());
        found
    }
}

/// The group that is the value; the whole match when it took no part in it.
fn value<'t>(pattern: &regex::Regex, text: &'t str, whole: regex::Match<'t>, group: usize) -> regex::Match<'t> {
    if group == 0 {
        return whole;
    }
    let captures = pattern.captures_at(text, whole.start()).expect("it matched from here");
    captures.get(group).filter(|value| !value.is_empty()).unwrap_or(whole)
}

impl Keywords {
    fn new<'r>(rules: impl Iterator<Item = &'r Rule>) -> Keywords {
        let (mut words, mut owners): (Vec<String>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
        let (mut at_sign, mut digits, mut token) = (Vec::new(), Vec::new(), Vec::new());
        for (index, rule) in rules.enumerate() {
            match &rule.trigger {
                Trigger::AtSign => at_sign.push(index),
                Trigger::Digits => digits.push(index),
                Trigger::Token => token.push(index),
                Trigger::Anchors(anchors) => {
                    for anchor in anchors.iter().map(|anchor| anchor.to_ascii_lowercase()) {
                        match words.iter().position(|word| *word == anchor) {
                            Some(known) => owners[known].push(index),
                            None => {
                                words.push(anchor);
                                owners.push(vec![index]);
                            }
                        }
                    }
                }
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&words)
            .expect("the scanner was built of the same words");
        Keywords { automaton, owners, at_sign, digits, token }
    }

    /// By rule: whether it is to be run.
    fn rules_in(&self, text: &str, rules: usize) -> Vec<bool> {
        let mut run = vec![false; rules];
        self.token.iter().for_each(|&rule| run[rule] = true);
        for hit in self.automaton.find_overlapping_iter(text) {
            self.owners[hit.pattern().as_usize()].iter().for_each(|&rule| run[rule] = true);
        }
        if memchr::memchr(b'@', text.as_bytes()).is_some() {
            self.at_sign.iter().for_each(|&rule| run[rule] = true);
        }
        if text.bytes().any(|byte| byte.is_ascii_digit()) {
            self.digits.iter().for_each(|&rule| run[rule] = true);
        }
        run
    }
}
