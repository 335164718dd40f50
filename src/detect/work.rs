//! How much of a text the search of a rule looks at, and whether that grows faster than the text.
//!
//! A bounded pattern cannot: each search ends so many bytes behind the start of its match. One without a bound can, where
//! a match is known early and may still go on: the search looks for the rest to the end of the text, finds none, and does
//! so again at the next match. So patterns without a bound are run over texts made of their own pieces, and bytes are
//! counted, not time. This is for `weir rules test`; the stream never asks.

use crate::rules::Rule;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::{Input, util::primitives::PatternID};
use regex_syntax::hir::{Class, Hir, HirKind};

/// Bytes of the two texts. What is linear takes four times the steps for the longer one, what is quadratic sixteen.
const BYTES: usize = 2 << 10;
const MORE_BYTES: usize = 8 << 10;

/// How many times the steps are too many.
const GROWTH_MAX: u64 = 8;

/// Memory for the states of a pattern.
const CACHE_BYTES: usize = 8 << 20;

/// What stands between pieces.
const BETWEEN: [&[u8]; 3] = [b"", b" ", b"\n"];

/// Steps over a text and over a longer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    pub bytes: usize,
    pub steps: u64,
    pub more_bytes: usize,
    pub more_steps: u64,
}

/// The worst that was found of a rule's search, if it grows faster than the text.
pub(super) fn superlinear(rule: &Rule) -> Option<Growth> {
    if rule.shape.longest_bytes.is_some() {
        return None;
    }
    let dfa = automaton(&rule.shape.hir)?;
    let mut cache = dfa.create_cache();
    let mut growths = Vec::new();
    for piece in pieces(rule) {
        for between in BETWEEN {
            let unit = [&piece, between].concat();
            let mut steps = |bytes: usize| {
                let text: Vec<u8> = unit.iter().copied().cycle().take(bytes).collect();
                steps(&dfa, &mut cache, &text)
            };
            let (few, more) = (steps(BYTES), steps(MORE_BYTES));
            if more > GROWTH_MAX * few.max(BYTES as u64) {
                growths.push(Growth { bytes: BYTES, steps: few, more_bytes: MORE_BYTES, more_steps: more });
            }
        }
    }
    growths.into_iter().max_by_key(|growth| growth.more_steps)
}

/// `None`: the pattern cannot be run so, which none of ours is.
fn automaton(hir: &Hir) -> Option<DFA> {
    let nfa = thompson::Compiler::new().build_from_hir(hir).ok()?;
    let config = DFA::config().cache_capacity(CACHE_BYTES).skip_cache_capacity_check(true);
    DFA::builder().configure(config).build_from_nfa(nfa).ok()
}

/// Bytes that the searches of a text look at, each up to where nothing can change its match any more.
fn steps(dfa: &DFA, cache: &mut Cache, text: &[u8]) -> u64 {
    let (mut at, mut steps) = (0, 0);
    while at < text.len() {
        match search(dfa, cache, text, at) {
            Some((seen, Some(end))) => {
                steps += seen;
                at = end.max(at + 1);
            }
            Some((seen, None)) => return steps + seen,
            None => return steps,
        }
    }
    steps
}

/// How many bytes a search looks at, and the end of its match.
fn search(dfa: &DFA, cache: &mut Cache, text: &[u8], at: usize) -> Option<(u64, Option<usize>)> {
    let mut state = dfa.start_state_forward(cache, &Input::new(text).span(at..text.len())).ok()?;
    let mut end = None;
    for (index, &byte) in text.iter().enumerate().skip(at) {
        state = dfa.next_state(cache, state, byte).ok()?;
        if state.is_match() {
            // It is told one byte late.
            end = Some(index);
        } else if state.is_dead() || state.is_quit() {
            return Some(((index + 1 - at) as u64, end));
        }
    }
    state = dfa.next_eoi_state(cache, state).ok()?;
    if state.is_match() && dfa.match_pattern(cache, state, 0) == PatternID::ZERO {
        end = Some(text.len());
    }
    Some(((text.len() - at) as u64, end))
}

/// What texts are made of: the shortest match, a longer one, examples and anchors; and beginnings of them, whose rest a
/// search may look for.
fn pieces(rule: &Rule) -> Vec<Vec<u8>> {
    let mut wholes: Vec<Vec<u8>> = [false, true].map(|longer| shortest(&rule.shape.hir, longer)).into();
    wholes.extend(rule.examples.iter().take(2).map(|text| text.clone().into_bytes()));
    if let crate::rules::Trigger::Anchors(anchors) = &rule.trigger {
        wholes.extend(anchors.iter().take(4).map(|anchor| anchor.clone().into_bytes()));
    }
    let cuts =
        |whole: &Vec<u8>| (1..=4).map(|quarters| whole[..whole.len() * quarters / 4].to_vec()).collect::<Vec<_>>();
    let mut pieces: Vec<Vec<u8>> = wholes.iter().flat_map(cuts).filter(|piece| !piece.is_empty()).collect();
    pieces.sort();
    pieces.dedup();
    pieces
}

/// A short text of the pattern's shape; with `longer`, what may be left out is there once.
fn shortest(hir: &Hir, longer: bool) -> Vec<u8> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Vec::new(),
        HirKind::Literal(literal) => literal.0.to_vec(),
        HirKind::Class(class) => member(class),
        HirKind::Capture(capture) => shortest(&capture.sub, longer),
        HirKind::Concat(subs) => subs.iter().flat_map(|sub| shortest(sub, longer)).collect(),
        HirKind::Alternation(subs) => {
            let of = |sub: &Hir| shortest(sub, longer);
            subs.iter().map(of).min_by_key(Vec::len).unwrap_or_default()
        }
        HirKind::Repetition(repetition) => {
            let more = longer && repetition.max.is_none_or(|max| max > repetition.min);
            let count = (repetition.min + u32::from(more)) as usize;
            shortest(&repetition.sub, longer).repeat(count)
        }
    }
}

/// A character of a class: a letter or a digit where it has one.
fn member(class: &Class) -> Vec<u8> {
    let usual = ['a', '0', 'A', ' '];
    let pick = |ranges: Vec<(char, char)>| {
        let usual = usual.into_iter().find(|one| ranges.iter().any(|(first, last)| (first..=last).contains(&one)));
        usual.or(ranges.first().map(|range| range.0)).map_or(Vec::new(), |one| one.to_string().into_bytes())
    };
    match class {
        Class::Unicode(class) => pick(class.ranges().iter().map(|range| (range.start(), range.end())).collect()),
        Class::Bytes(class) => {
            pick(class.ranges().iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect())
        }
    }
}
