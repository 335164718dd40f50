//! The prefilter: every literal of every rule in one automaton, run once over each part. The words that rules for numbers
//! need near by are among them.
//!
//! Overlapping occurrences count, since a literal may begin inside another. The automaton ignores ASCII case for
//! all, and knows of long literals the end only, or its states would fill no cache; when it reports, the literals are
//! compared with what stands there. It decides nothing: it marks windows.
//!
//! A step of the automaton waits for the step before it, so one run over a text leaves the processor idle most of the
//! time. A text is therefore cut into lanes that are run in turns, step by step; each begins as many bytes early as the end
//! of a literal may reach into it. Four lanes are two to three times as fast as one.

use super::compile::{CompileError, Compiled};
use super::gates::KEPT_PLACES;
use super::layers::{Mark, makes_known, spread};
use super::stretches::Stretches;
use super::words::{WordAt, Words};
use super::{RuleScratch, Scratch, context};
use crate::rules::Trigger;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::{Anchored, MatchKind, dfa, nfa};
use std::collections::BTreeMap;
use std::ops::Range;

/// Up to this many bytes of literals the automaton is a DFA, which is three times as fast as the contiguous NFA and
/// takes some hundred bytes of memory a byte.
const DFA_MAX_BYTES: usize = 128 << 10;

/// Up to so many bytes of a literal's end are looked for: fewer are common, more make states for nothing.
const TAIL_BYTES: usize = 6;

/// Lanes of a text.
const LANES: usize = 4;

/// Shortest lane that is worth its early begin, in bytes.
const LANE_MIN_BYTES: usize = 32;

/// A longer text is run piece by piece, so that occurrences, of which there may be several a byte, stay few.
const PIECE_BYTES: usize = 32 << 10;

pub(super) struct Anchors {
    engine: Engine,
    /// By pattern of the automaton: the literals that end so.
    literals: Vec<Vec<Literal>>,
}

enum Engine {
    None,
    Dfa(dfa::DFA),
    Nfa(nfa::contiguous::NFA),
}

/// A literal of some rules.
#[derive(Default)]
struct Literal {
    /// In small letters.
    text: Box<[u8]>,
    owners: Vec<Owner>,
    /// The number of the word that it is.
    word: Option<usize>,
}

/// A rule that waits for a literal.
struct Owner {
    rule: u16,
    /// The literal as it must stand, where its case matters.
    exact: Option<Box<[u8]>>,
    /// Whether the literal stands here with its letters turned: then it opens no window and is only marked.
    turned: bool,
}

/// Where literals may end, and which. Memory of the scratch.
#[derive(Clone, Copy)]
pub(super) struct Occurrence {
    end: u32,
    literals: u32,
}

/// Of each lane, in the order of their ends.
pub(super) type Lanes = [Vec<Occurrence>; LANES];

impl Anchors {
    pub fn new(rules: &[Compiled], words: &Words) -> Result<Anchors, CompileError> {
        let mut by_literal: BTreeMap<String, Literal> = BTreeMap::new();
        for (index, compiled) in rules.iter().enumerate() {
            let rule = &compiled.rule;
            let Trigger::Anchors(anchors) = &rule.trigger else { continue };
            for anchor in anchors {
                for (anchor, turned) in spellings(compiled, anchor) {
                    let exact = (!rule.ignore_case).then(|| anchor.as_bytes().into());
                    let owner = Owner { rule: index as u16, exact, turned };
                    by_literal.entry(anchor.to_ascii_lowercase()).or_default().owners.push(owner);
                }
            }
        }
        for (word, spelling) in words.spellings.iter().enumerate() {
            by_literal.entry(spelling.clone()).or_default().word = Some(word);
        }
        let mut by_tail: BTreeMap<Box<[u8]>, Vec<Literal>> = BTreeMap::new();
        for (text, literal) in by_literal {
            let text: Box<[u8]> = text.into_bytes().into();
            let tail = text[text.len().saturating_sub(TAIL_BYTES)..].into();
            by_tail.entry(tail).or_default().push(Literal { text, ..literal });
        }
        let (tails, literals): (Vec<_>, Vec<_>) = by_tail.into_iter().unzip();
        let engine = Engine::new(&tails).map_err(|error| CompileError::Anchors(error.to_string()))?;
        Ok(Anchors { engine, literals })
    }

    /// Marks the windows of every rule whose literal is in the text and, if they are wanted, notes the words.
    pub fn mark(&self, text: &str, applies: u16, rules: &[Compiled], wants_words: bool, scratch: &mut Scratch) {
        let mut lanes = std::mem::take(&mut scratch.lanes);
        scratch.words.clear();
        scratch.words.shrink_to(KEPT_PLACES);
        self.each(text.as_bytes(), &mut lanes, |start, end, literal| {
            if let Some(word) = literal.word.filter(|_| wants_words)
                && context::is_whole_word(text, start, end)
            {
                scratch.words.push(WordAt { start, end, word });
            }
            for owner in literal.owners_at(&text.as_bytes()[start..end]) {
                let rule = &rules[usize::from(owner.rule)];
                if rule.applies & applies == 0 {
                    continue;
                }
                let window = owner.window(rule, text, (start, end));
                let may_hold = may_hold(rule, window, &scratch.stretches);
                mark(&mut scratch.marks, start, owner.turned, may_hold, rule);
                if may_hold && !owner.turned {
                    touch(owner.rule, scratch).add_window(window.0, window.1);
                }
            }
        });
        scratch.lanes = lanes;
    }

    /// Only the marks that [`Anchors::mark`] leaves.
    pub fn marks(&self, text: &str, applies: u16, rules: &[Compiled], marks: &mut Vec<Mark>) {
        let stretches = Stretches::of(text);
        self.each(text.as_bytes(), &mut Lanes::default(), |start, end, literal| {
            for owner in literal.owners_at(&text.as_bytes()[start..end]) {
                let rule = &rules[usize::from(owner.rule)];
                if rule.applies & applies != 0 {
                    let window = owner.window(rule, text, (start, end));
                    mark(marks, start, owner.turned, may_hold(rule, window, &stretches), rule);
                }
            }
        });
    }

    /// Marks only which rules' literals occur: for judging anchors against benign texts.
    pub fn rules_in(&self, text: &str) -> Vec<u16> {
        let mut found = Vec::new();
        self.each(text.as_bytes(), &mut Lanes::default(), |start, end, literal| {
            let owners = literal.owners_at(&text.as_bytes()[start..end]);
            found.extend(owners.filter(|owner| !owner.turned).map(|owner| owner.rule));
        });
        found
    }

    /// Calls a function with every occurrence of a literal, but for its case, in the order of their ends.
    fn each(&self, text: &[u8], lanes: &mut Lanes, mut found: impl FnMut(usize, usize, &Literal)) {
        for begun in (0..text.len()).step_by(PIECE_BYTES) {
            self.engine.run(text, begun..text.len().min(begun + PIECE_BYTES), lanes);
            for occurrence in lanes.iter_mut().flat_map(|lane| lane.drain(..)) {
                let end = occurrence.end as usize;
                for literal in &self.literals[occurrence.literals as usize] {
                    let start = end.checked_sub(literal.text.len());
                    if let Some(start) = start.filter(|&start| text[start..end].eq_ignore_ascii_case(&literal.text)) {
                        found(start, end, literal);
                    }
                }
            }
        }
    }
}

impl Literal {
    /// The rules that wait for it as it stands.
    fn owners_at<'l>(&'l self, text: &'l [u8]) -> impl Iterator<Item = &'l Owner> {
        self.owners.iter().filter(move |owner| owner.exact.as_ref().is_none_or(|exact| **exact == *text))
    }
}

impl Owner {
    /// A match of a rule in which its literal is the first that was proved lies in this window. Occurrences come in the
    /// order of their ends, and so do the starts of windows that hold a match.
    fn window(&self, compiled: &Compiled, text: &str, (start, end): (usize, usize)) -> (usize, usize) {
        let longest_bytes = compiled.rule.shape.longest_bytes;
        let back = compiled.rule.lead_bytes.or(longest_bytes);
        let to = longest_bytes.map_or(text.len(), |longest| (start + longest).min(text.len()));
        let window = (back.map_or(0, |back| end.saturating_sub(back)), to);
        // Of turned letters others may be in a match than of those that are meant.
        if self.turned { window } else { compiled.narrowed(text.as_bytes(), window, (start, end)) }
    }
}

/// Whether a window may hold a match of a rule, as far as stretches of token characters tell. Turning letters keeps them
/// what they are.
fn may_hold(compiled: &Compiled, (start, end): (usize, usize), stretches: &Stretches) -> bool {
    let shape = &compiled.rule.shape;
    match shape.longest_bytes {
        None => stretches.allow_whole(shape.token_min_bytes),
        Some(_) => stretches.allow(start..end, shape.token_min_bytes),
    }
}

/// A literal as it is and, where it is looked for so, with its letters turned.
fn spellings(compiled: &Compiled, anchor: &str) -> impl Iterator<Item = (String, bool)> {
    let turned = (compiled.proves.turns() && makes_known(anchor)).then(|| anchor.chars().map(spread::turned).collect());
    std::iter::once((anchor.to_owned(), false)).chain(turned.map(|turned| (turned, true)))
}

impl Engine {
    fn new(tails: &[Box<[u8]>]) -> Result<Engine, aho_corasick::BuildError> {
        let bytes: usize = tails.iter().map(|tail| tail.len()).sum();
        // Without prefilters a state is special only if literals end in it.
        if tails.is_empty() {
            Ok(Engine::None)
        } else if bytes <= DFA_MAX_BYTES {
            let mut builder = dfa::Builder::new();
            builder.match_kind(MatchKind::Standard).ascii_case_insensitive(true).prefilter(false);
            builder.build(tails).map(Engine::Dfa)
        } else {
            let mut builder = nfa::contiguous::Builder::new();
            builder.match_kind(MatchKind::Standard).ascii_case_insensitive(true).prefilter(false);
            builder.build(tails).map(Engine::Nfa)
        }
    }

    /// Notes every literal that ends in a piece of a text.
    fn run(&self, text: &[u8], piece: Range<usize>, lanes: &mut Lanes) {
        match self {
            Engine::None => {}
            Engine::Dfa(automaton) => in_lanes(automaton, text, piece, lanes),
            Engine::Nfa(automaton) => in_lanes(automaton, text, piece, lanes),
        }
    }
}

/// Notes where the literal of a rule begins, if its value may be hidden in a way that shows only there.
fn mark(marks: &mut Vec<Mark>, at: usize, turned: bool, may_hold: bool, rule: &Compiled) {
    let wrap = if turned { None } else { rule.proves.wrap() };
    if turned && may_hold || wrap.is_some() {
        marks.push(Mark { at: at as u32, wrap, turned });
    }
}

fn in_lanes<A: Automaton>(automaton: &A, text: &[u8], piece: Range<usize>, lanes: &mut Lanes) {
    if piece.len() / LANES >= LANE_MIN_BYTES {
        run::<A, LANES>(automaton, text, piece, lanes);
    } else {
        run::<A, 1>(automaton, text, piece, lanes);
    }
}

/// Runs so many lanes of a piece in turns. The last one takes what does not divide.
#[expect(clippy::needless_range_loop, reason = "the lanes are at the same place, each in its own bytes")]
fn run<A: Automaton, const N: usize>(automaton: &A, text: &[u8], piece: Range<usize>, lanes: &mut Lanes) {
    let start = automaton.start_state(Anchored::No).expect("it was built for searches that are not anchored");
    let length = piece.len() / N;
    let begins: [usize; N] = std::array::from_fn(|lane| piece.start + lane * length);
    let mut states = [start; N];
    for back in (1..TAIL_BYTES).rev() {
        for (state, begin) in states.iter_mut().zip(begins) {
            if begin >= back {
                *state = automaton.next_state(Anchored::No, *state, text[begin - back]);
            }
        }
    }
    let pieces: [&[u8]; N] = std::array::from_fn(|lane| &text[begins[lane]..begins[lane] + length]);
    for at in 0..length {
        for lane in 0..N {
            states[lane] = automaton.next_state(Anchored::No, states[lane], pieces[lane][at]);
            if automaton.is_special(states[lane]) {
                note(automaton, states[lane], begins[lane] + at + 1, &mut lanes[lane]);
            }
        }
    }
    let mut state = states[N - 1];
    for (at, &byte) in text[..piece.end].iter().enumerate().skip(begins[N - 1] + length) {
        state = automaton.next_state(Anchored::No, state, byte);
        if automaton.is_special(state) {
            note(automaton, state, at + 1, &mut lanes[N - 1]);
        }
    }
}

/// Notes the literals that end in a state; seldom, so it must not stand in the way of the steps.
#[cold]
fn note<A: Automaton>(automaton: &A, state: StateID, end: usize, lane: &mut Vec<Occurrence>) {
    if automaton.is_match(state) {
        let literals = (0..automaton.match_len(state)).map(|index| automaton.match_pattern(state, index));
        lane.extend(literals.map(|literals| Occurrence { end: end as u32, literals: literals.as_u32() }));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Catalogue;
    use aho_corasick::AhoCorasick;

    /// Whatever the length of a text, lanes and pieces lose nothing at their seams and see nothing twice.
    #[test]
    fn lanes_find_what_one_run_finds() {
        let catalogue = Catalogue::built_in();
        let rules: Vec<Compiled> = catalogue.rules().iter().map(Compiled::new).collect();
        let context_words = Words::of(&rules);
        let anchors = Anchors::new(&rules, &context_words).unwrap();
        let words: Vec<String> = rules
            .iter()
            .filter_map(|compiled| match &compiled.rule.trigger {
                Trigger::Anchors(anchors) => Some(anchors.iter().flat_map(|anchor| spellings(compiled, anchor))),
                _ => None,
            })
            .flatten()
            .map(|(spelling, _)| spelling.to_ascii_lowercase())
            .chain(context_words.spellings)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let whole = AhoCorasick::builder().ascii_case_insensitive(true).build(&words).unwrap();
        let joined = words.join("") + &words.join(" ");
        let long = joined.repeat(2 * PIECE_BYTES / joined.len() + 2);
        let lengths = (0..1_200).chain((0..40).map(|more| PIECE_BYTES - 20 + more)).chain([2 * PIECE_BYTES + 7]);
        for (length, from) in lengths.flat_map(|length| [(length, 0), (length, 7)]) {
            let text = &long.as_bytes()[from..from + length];
            let mut found = Vec::new();
            anchors.each(text, &mut Lanes::default(), |start, end, literal| {
                assert!(end - start == literal.text.len());
                found.push((end, literal.text.to_vec()));
            });
            assert!(found.is_sorted_by_key(|(end, _)| *end));
            let mut expected: Vec<_> = whole
                .find_overlapping_iter(text)
                .map(|hit| (hit.end(), words[hit.pattern()].clone().into_bytes()))
                .collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{length} bytes from {from}");
        }
    }
}
