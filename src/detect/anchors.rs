//! The prefilter: every literal of every rule, looked for in one pass over each part (`detect/grams.rs`). It decides
//! nothing: it marks windows.
//!
//! Most literals are names that stand beside a secret, or begin one. Where no long stretch of token characters is near,
//! they are not looked for: a piece of a text is run through once, by as many literals as may matter in it.

use super::compile::Compiled;
use super::grams::Grams;
use super::layers::spread::{self, Wrap};
use super::layers::{Mark, makes_known};
use super::stretches::Stretches;
use super::{KEPT_PLACES, RuleScratch, Scratch, merge};
use crate::rules::Trigger;
use crate::rules::pattern::{Shape, TOKEN_MIN_BYTES};
use std::collections::BTreeMap;
use std::ops::Range;

/// Literals are looked for near a stretch only if all matches that they are in are at most so long, in bytes.
const NEAR_BYTES: usize = 512;

pub(super) struct Anchors {
    /// By literal.
    owners: Vec<Vec<Owner>>,
    /// Those that are looked for everywhere, also near a stretch, and also near one of letters and digits only.
    grams: [Grams; 3],
}

/// A rule that waits for a literal.
struct Owner {
    rule: u16,
    /// The literal as it must stand, where its case matters.
    exact: Option<Box<[u8]>>,
    /// Whether the literal stands here with its letters turned: then it opens no window and is only marked.
    turned: bool,
}

/// The pieces of a text, and by which of the sets of literals each is run through. Memory of the scratch.
#[derive(Default)]
pub(super) struct Pieces {
    /// Where a line may be wrapped.
    wraps: Vec<(usize, usize)>,
    near: [Vec<(usize, usize)>; 2],
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
        let is_near = |owner: &Owner, bytes_min: fn(&Shape) -> usize| {
            let compiled = &rules[usize::from(owner.rule)];
            let shape = &compiled.rule.shape;
            bytes_min(shape) >= TOKEN_MIN_BYTES
                && shape.longest_bytes.is_some_and(|longest| longest <= NEAR_BYTES)
                && (owner.turned || matches!(compiled.wrap(), None | Some(Wrap::Token)))
        };
        let set_of = |owners: &[Owner]| {
            let all_near = |bytes_min| owners.iter().all(|owner| is_near(owner, bytes_min));
            usize::from(all_near(|shape| shape.token_min_bytes)) + usize::from(all_near(|shape| shape.plain_min_bytes))
        };
        let mut by_set: Vec<(usize, String, Vec<Owner>)> =
            by_literal.into_iter().map(|(literal, owners)| (set_of(&owners), literal, owners)).collect();
        by_set.sort_by_key(|(set, ..)| *set);
        let grams = [0, 1, 2].map(|most| {
            let own = by_set.iter().take_while(|(set, ..)| *set <= most);
            Grams::new(own.map(|(_, literal, _)| literal.as_bytes().into()).collect())
        });
        Anchors { grams, owners: by_set.into_iter().map(|(_, _, owners)| owners).collect() }
    }

    /// Marks the windows of every rule whose literal is in the text.
    pub fn mark(&self, text: &str, applies: u16, rules: &[Compiled], scratch: &mut Scratch) {
        let (stretches, mut pieces) = (std::mem::take(&mut scratch.stretches), std::mem::take(&mut scratch.pieces));
        let mut marks = std::mem::take(&mut scratch.marks);
        self.each_window(text, applies, rules, (&stretches, &mut pieces, &mut marks), |owner, start, window| {
            let own = touch(owner.rule, scratch);
            match rules[usize::from(owner.rule)].begins() {
                true => own.add_try(start, window.1),
                false => own.add_window(window.0, window.1),
            }
        });
        (scratch.stretches, scratch.pieces, scratch.marks) = (stretches, pieces, marks);
    }

    /// Only the marks that [`Anchors::mark`] leaves.
    pub fn marks(&self, text: &str, applies: u16, rules: &[Compiled], marks: &mut Vec<Mark>) {
        let memory = (&Stretches::of(text), &mut Pieces::default(), marks);
        self.each_window(text, applies, rules, memory, |_, _, _| {});
    }

    /// Calls a function with every rule that waits for a literal, where that begins, and the window round it; adds what is
    /// to be marked, in order.
    fn each_window(
        &self,
        text: &str,
        applies: u16,
        rules: &[Compiled],
        (stretches, pieces, marks): (&Stretches, &mut Pieces, &mut Vec<Mark>),
        mut found: impl FnMut(&Owner, usize, (usize, usize)),
    ) {
        self.each(text, stretches, pieces, |start, end, owner| {
            let rule = &rules[usize::from(owner.rule)];
            if rule.applies & applies == 0 {
                return;
            }
            let window = owner.window(rule, text, (start, end));
            let may_hold = stretches.allow(window.0..window.1, &rule.rule.shape);
            mark(marks, start, owner.turned, may_hold, rule);
            if may_hold && !owner.turned {
                found(owner, start, window);
            }
        });
        marks.sort_unstable_by_key(|mark| mark.at);
    }

    /// The rules whose literals occur where they matter: for judging anchors against benign texts.
    pub fn rules_in(&self, text: &str, stretches: &Stretches) -> Vec<u16> {
        let mut found = Vec::new();
        self.each(text, stretches, &mut Pieces::default(), |_, _, owner| {
            found.extend((!owner.turned).then_some(owner.rule))
        });
        found
    }

    /// Calls a function with every place of a literal and each rule that waits for it.
    fn each(
        &self,
        text: &str,
        stretches: &Stretches,
        pieces: &mut Pieces,
        mut found: impl FnMut(usize, usize, &Owner),
    ) {
        let bytes = text.as_bytes();
        let mut run = |set: usize, piece: Range<usize>| {
            self.grams[set].each(bytes, piece, |at| {
                let there = &bytes[at.start..at.end];
                let waiting = self.owners[at.literal].iter();
                waiting
                    .filter(|owner| owner.exact.as_ref().is_none_or(|exact| **exact == *there))
                    .for_each(|owner| found(at.start, at.end, owner));
            });
        };
        let Pieces { wraps, near: [token, plain] } = pieces;
        wraps.clear();
        wraps.shrink_to(KEPT_PLACES);
        wraps.extend(spread::before_wraps(bytes));
        near(bytes, &stretches.token.places, wraps, token);
        near(bytes, &stretches.plain.places, wraps, plain);
        // Whatever is near one of letters and digits is near a stretch.
        let mut plain = plain.iter().copied().peekable();
        let mut done = 0;
        for &(start, end) in token.iter() {
            run(0, done..start);
            done = start;
            while let Some(inner) = plain.next_if(|inner| inner.1 <= end) {
                run(1, done..inner.0);
                run(2, inner.0..inner.1);
                done = inner.1;
            }
            run(1, done..end);
            done = end;
        }
        run(0, done..bytes.len());
    }
}

/// Where in a text literals matter that need a stretch: near one, and where a line that is wrapped may make one. The
/// ranges are in order and apart.
fn near(text: &[u8], stretches: &[(usize, usize)], wraps: &[(usize, usize)], ranges: &mut Vec<(usize, usize)>) {
    ranges.clear();
    ranges.shrink_to(KEPT_PLACES);
    let near = |&(start, end): &(usize, usize)| (start.saturating_sub(NEAR_BYTES), text.len().min(end + NEAR_BYTES));
    ranges.extend(stretches.iter().map(near));
    ranges.extend_from_slice(wraps);
    merge(ranges);
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
pub(super) fn touch(rule: u16, scratch: &mut Scratch) -> &mut RuleScratch {
    let own = &mut scratch.rules[usize::from(rule)];
    if own.regions.is_empty() {
        scratch.touched.push(rule);
    }
    own
}
