//! The prefilter: every literal of every rule, looked for in one pass over each part (`detect/grams.rs`). It decides
//! nothing: it marks windows.
//!
//! Most literals are names that stand beside a secret, or begin one: they are looked for only where a long stretch of token
//! characters is as near as in a match. Words that make a number credible are looked for in the same pass, where digits are.

use super::blocks::BLOCK_BYTES;
use super::compile::Compiled;
use super::glance::Glance;
use super::grams::{Grams, Sets};
use super::layers::spread::{self, Wrap};
use super::layers::{Mark, makes_known};
use super::words::{WordAt, Words};
use super::{KEPT_PLACES, RuleScratch, TextScratch, context};
use crate::rules::Trigger;
use crate::rules::pattern::TOKEN_MIN_BYTES;
use std::collections::BTreeMap;
use std::ops::Range;

pub(super) struct Anchors {
    grams: Grams,
    /// By literal; higher numbers are words.
    owners: Vec<Vec<Owner>>,
    pub words: Words,
}

/// A rule that waits for a literal.
struct Owner {
    rule: u16,
    /// The literal as it must stand, where its case matters.
    exact: Option<Box<[u8]>>,
    /// Whether the literal stands here with its letters turned: then it opens no window and is only marked.
    turned: bool,
}

/// Where literals of a set are looked for: round each stretch, so many bytes before its beginning and behind its end.
struct Reach {
    /// Whether the stretch is one of letters and digits only.
    is_plain: bool,
    before_bytes: usize,
    behind_bytes: usize,
}

/// By set, the narrowest first: a literal is of the first one that all matches with it keep to. Names stand before
/// what they name.
const REACHES: [Reach; 5] = [
    Reach { is_plain: true, before_bytes: 96, behind_bytes: 32 },
    Reach { is_plain: true, before_bytes: 200, behind_bytes: 32 },
    Reach { is_plain: false, before_bytes: 96, behind_bytes: 32 },
    Reach { is_plain: false, before_bytes: 200, behind_bytes: 32 },
    Reach { is_plain: false, before_bytes: 512, behind_bytes: 512 },
];

/// Words, near digits.
const WORDS: usize = REACHES.len();

/// Literals of the last set are looked for everywhere.
const SETS: usize = WORDS + 2;

const EVERYWHERE: Sets = 1 << (SETS - 1);

/// The ranges of a text where each set is looked for, in order and apart. Memory of the scratch.
#[derive(Default)]
pub(super) struct Pieces {
    by_set: [Vec<(usize, usize)>; SETS - 1],
    /// Where a line may be wrapped.
    wraps: Vec<(usize, usize)>,
}

impl Anchors {
    pub fn new(rules: &[Compiled]) -> Anchors {
        let mut by_literal: BTreeMap<String, Vec<Owner>> = BTreeMap::new();
        for (index, compiled) in rules.iter().enumerate() {
            let rule = &compiled.rule;
            let Trigger::Anchors(anchors) = &rule.trigger else { continue };
            for anchor in anchors {
                for (anchor, turned) in spellings(compiled, anchor) {
                    let exact = (!rule.ignore_case).then(|| anchor.as_bytes().into());
                    let owner = Owner { rule: index as u16, exact, turned };
                    by_literal.entry(anchor.to_ascii_lowercase()).or_default().push(owner);
                }
            }
        }
        let set_of = |owners: &[Owner]| {
            let keep_to =
                |reach: &Reach| owners.iter().all(|owner| reach.holds(owner, &rules[usize::from(owner.rule)]));
            REACHES.iter().position(keep_to).map_or(EVERYWHERE, |set| 1 << set)
        };
        let (mut literals, mut all_owners) = (Vec::new(), Vec::new());
        for (literal, owners) in by_literal {
            literals.push((literal.into_bytes().into(), set_of(&owners)));
            all_owners.push(owners);
        }
        let (words, spellings) = Words::of(rules);
        literals.extend(spellings.into_iter().map(|spelling| (spelling, 1 << WORDS)));
        Anchors { grams: Grams::new(literals, 1 << WORDS), owners: all_owners, words }
    }

    /// Marks the windows of every rule whose literal is in the text, and leaves the words near its digits.
    pub fn mark(&self, (text, glance): (&str, &Glance), applies: u16, rules: &[Compiled], scratch: &mut TextScratch) {
        let mut pieces = std::mem::take(&mut scratch.pieces);
        let (mut words, mut marks) = (std::mem::take(&mut scratch.words), std::mem::take(&mut scratch.marks));
        let found = (&mut marks, &mut words);
        self.each_window(text, applies, rules, (glance, &mut pieces), found, |owner, start, window| {
            let own = touch(owner.rule, scratch);
            match rules[usize::from(owner.rule)].begins() {
                true => own.add_try(start, window.1),
                false => own.add_window(window.0, window.1),
            }
        });
        (scratch.pieces, scratch.words, scratch.marks) = (pieces, words, marks);
    }

    /// Only the marks that [`Anchors::mark`] leaves.
    pub fn marks(&self, (text, glance): (&str, &Glance), applies: u16, rules: &[Compiled], marks: &mut Vec<Mark>) {
        let memory = (glance, &mut Pieces::default());
        self.each_window(text, applies, rules, memory, (marks, &mut Vec::new()), |_, _, _| {});
    }

    /// Calls a function with every rule that waits for a literal, where that begins, and the window round it; adds what is
    /// to be marked, in order, and the words.
    fn each_window(
        &self,
        text: &str,
        applies: u16,
        rules: &[Compiled],
        (glance, pieces): (&Glance, &mut Pieces),
        (marks, words): (&mut Vec<Mark>, &mut Vec<WordAt>),
        mut found: impl FnMut(&Owner, usize, (usize, usize)),
    ) {
        words.clear();
        words.shrink_to(KEPT_PLACES);
        self.each(text, (glance, pieces), words, |start, end, owner| {
            let rule = &rules[usize::from(owner.rule)];
            if rule.applies & applies == 0 {
                return;
            }
            let window = owner.window(rule, text, (start, end));
            let may_hold = glance.stretches.allow(window.0..window.1, &rule.rule.shape);
            mark(marks, start, owner.turned, may_hold, rule);
            if may_hold && !owner.turned {
                found(owner, start, window);
            }
        });
        marks.sort_unstable_by_key(|mark| mark.at);
        words.sort_unstable_by_key(|word| word.end);
    }

    /// The rules whose literals occur where they matter: for judging anchors against benign texts.
    pub fn rules_in(&self, text: &str, glance: &Glance) -> Vec<u16> {
        let mut found = Vec::new();
        self.each(text, (glance, &mut Pieces::default()), &mut Vec::new(), |_, _, owner| {
            found.extend((!owner.turned).then_some(owner.rule))
        });
        found
    }

    /// Calls a function with every place of a literal and each rule that waits for it.
    fn each(
        &self,
        text: &str,
        (glance, pieces): (&Glance, &mut Pieces),
        words: &mut Vec<WordAt>,
        mut found: impl FnMut(usize, usize, &Owner),
    ) {
        let bytes = text.as_bytes();
        pieces.find(bytes, glance, self.words.reach_bytes());
        pieces.each(bytes.len(), |range, sets| {
            self.grams.each(bytes, range, sets, |at| match self.owners.get(at.literal) {
                Some(waiting) => {
                    let there = &bytes[at.start..at.end];
                    waiting
                        .iter()
                        .filter(|owner| owner.exact.as_ref().is_none_or(|exact| **exact == *there))
                        .for_each(|owner| found(at.start, at.end, owner));
                }
                None if context::is_whole_word(text, at.start, at.end) => {
                    words.push(WordAt { end: at.end, word: at.literal - self.owners.len() });
                }
                None => {}
            });
        });
    }
}

impl Reach {
    /// Whether whatever a rule finds with a literal holds a stretch, and has its literal no farther from it than that.
    fn holds(&self, owner: &Owner, compiled: &Compiled) -> bool {
        let (rule, shape) = (&compiled.rule, &compiled.rule.shape);
        let bytes_min = if self.is_plain { shape.plain_min_bytes } else { shape.token_min_bytes };
        let Some(longest_bytes) = shape.longest_bytes else { return false };
        bytes_min >= TOKEN_MIN_BYTES
            && longest_bytes <= self.before_bytes + bytes_min
            && rule.lead_bytes.unwrap_or(longest_bytes) <= self.behind_bytes + bytes_min
            && (owner.turned || matches!(compiled.wrap(), None | Some(Wrap::Token)))
    }
}

impl Pieces {
    /// Finds those of another text: near stretches, where a line that is wrapped may make one, and near digits.
    fn find(&mut self, text: &[u8], glance: &Glance, words_reach_bytes: usize) {
        let Glance { stretches, digits, line_breaks, .. } = glance;
        let Pieces { by_set, wraps } = self;
        wraps.clear();
        wraps.shrink_to(KEPT_PLACES);
        wraps.extend(spread::before_wraps(text, line_breaks));
        for (reach, ranges) in REACHES.iter().zip(by_set.iter_mut()) {
            let places = if reach.is_plain { &stretches.plain.places } else { &stretches.token.places };
            let near =
                |&(start, end): &(usize, usize)| (start.saturating_sub(reach.before_bytes), end + reach.behind_bytes);
            join(in_order(places.iter().map(near), wraps), text.len(), ranges);
        }
        let near =
            |at: usize| (at.saturating_sub(words_reach_bytes), (at + BLOCK_BYTES).saturating_add(words_reach_bytes));
        let with_digits = digits.iter().enumerate().filter(|(_, digits)| **digits != 0);
        join(with_digits.map(|(block, _)| near(block * BLOCK_BYTES)), text.len(), &mut by_set[WORDS]);
    }

    /// Calls a function with each piece of a text, and the sets that are looked for in it.
    fn each(&self, text_bytes: usize, mut look: impl FnMut(Range<usize>, Sets)) {
        let mut next = [0; SETS - 1];
        let mut at = 0;
        while at < text_bytes {
            let (mut sets, mut to) = (EVERYWHERE, text_bytes);
            for (set, (ranges, next)) in self.by_set.iter().zip(&mut next).enumerate() {
                while ranges.get(*next).is_some_and(|range| range.1 <= at) {
                    *next += 1;
                }
                let Some(&(start, end)) = ranges.get(*next) else { continue };
                if start <= at {
                    sets |= 1 << set;
                    to = to.min(end);
                } else {
                    to = to.min(start);
                }
            }
            look(at..to, sets);
            at = to;
        }
    }
}

/// Ranges in the order of their starts, of two that are so.
fn in_order(
    some: impl Iterator<Item = (usize, usize)>,
    others: &[(usize, usize)],
) -> impl Iterator<Item = (usize, usize)> {
    let (mut some, mut others) = (some.peekable(), others.iter().copied().peekable());
    std::iter::from_fn(move || match (some.peek(), others.peek()) {
        (Some(one), Some(other)) if other.0 < one.0 => others.next(),
        (None, _) => others.next(),
        _ => some.next(),
    })
}

/// Puts ranges that touch together. They come in the order of their starts, and may reach behind the text.
fn join(near: impl Iterator<Item = (usize, usize)>, text_bytes: usize, ranges: &mut Vec<(usize, usize)>) {
    ranges.clear();
    ranges.shrink_to(KEPT_PLACES);
    for (start, end) in near {
        let end = end.min(text_bytes);
        match ranges.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => ranges.push((start, end)),
        }
    }
}

impl Owner {
    /// A match of a rule in which its literal is the first that was proved lies in this window.
    fn window(&self, compiled: &Compiled, text: &str, (start, end): (usize, usize)) -> (usize, usize) {
        let longest_bytes = compiled.rule.shape.longest_bytes;
        let back = compiled.rule.lead_bytes.or(longest_bytes);
        let to = longest_bytes.map_or(text.len(), |longest| (start + longest).min(text.len()));
        let window = (back.map_or(0, |back| end.saturating_sub(back)), to);
        // Of turned letters others may be in a match than of those that are meant.
        if self.turned { window } else { compiled.narrowed(text.as_bytes(), window, (start, end)) }
    }
}

/// A literal as it is and, where it is looked for so, with its letters turned.
fn spellings(compiled: &Compiled, anchor: &str) -> impl Iterator<Item = (String, bool)> {
    let turned = (compiled.proves.turns() && makes_known(anchor)).then(|| anchor.chars().map(spread::turned).collect());
    std::iter::once((anchor.to_owned(), false)).chain(turned.map(|turned| (turned, true)))
}

/// Notes where the literal of a rule begins, if its value may be hidden in a way that shows only there.
fn mark(marks: &mut Vec<Mark>, at: usize, turned: bool, may_hold: bool, rule: &Compiled) {
    let wrap = if turned { None } else { rule.wrap() };
    if turned && may_hold || wrap.is_some() {
        marks.push(Mark { at: at as u32, wrap, turned });
    }
}

/// The scratch of a rule that has a candidate in this part.
pub(super) fn touch(rule: u16, scratch: &mut TextScratch) -> &mut RuleScratch {
    let own = &mut scratch.rules[usize::from(rule)];
    if own.regions.is_empty() {
        scratch.touched.push(rule);
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_two_kinds_are_joined_in_order() {
        type Ranges = &'static [(usize, usize)];
        let table: &[(Ranges, Ranges, Ranges)] = &[
            (&[], &[], &[]),
            (&[(0, 3), (5, 9)], &[], &[(0, 3), (5, 9)]),
            (&[], &[(2, 4)], &[(2, 4)]),
            (&[(0, 3), (8, 12)], &[(1, 6), (20, 40)], &[(0, 6), (8, 12), (20, 30)]),
            (&[(4, 9)], &[(2, 5), (4, 6), (9, 10)], &[(2, 10)]),
            (&[(0, 20), (25, 26)], &[(3, 4), (24, 25)], &[(0, 20), (24, 26)]),
        ];
        for (some, others, expected) in table {
            let mut ranges = vec![(7, 7)];
            join(in_order(some.iter().copied(), others), 30, &mut ranges);
            assert_eq!(ranges, *expected, "{some:?} {others:?}");
        }
    }
}
