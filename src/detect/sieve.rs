//! One automaton for many patterns, which tells where matches of any may end that begin at a place, and whose they would
//! be.
//!
//! It is built as a text asks for its states. Patterns that count characters of many different classes would ask for new
//! ones for ever, and building a state takes a thousand times as long as a step; so the sieve knows digits, capitals and
//! small letters only, and what is none of these. It finds a little more than the patterns themselves, which costs a
//! search now and then, and its states are soon all there.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::DFA;
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Repetition};

pub(super) use regex_automata::hybrid::dfa::Cache;

/// Memory of one automaton, a thread.
const MAX_BYTES: usize = 8 << 20;

/// What a class becomes all of, if it holds some.
const COARSE: [(char, char); 3] = [('0', '9'), ('A', 'Z'), ('a', 'z')];

/// Up to so many characters are a letter in both cases, or signs of one kind, and are kept.
const KEPT_CHARACTERS: usize = 2;

pub(super) struct Sieve(DFA);

impl Sieve {
    /// None: there are no patterns, or some ask for boundaries of Unicode words, which cannot be run so.
    pub fn of(patterns: &[&Hir]) -> Option<Sieve> {
        if patterns.is_empty() || patterns.iter().any(|hir| hir.properties().look_set().contains_word_unicode()) {
            return None;
        }
        let patterns: Vec<Hir> = patterns.iter().map(|hir| coarse(hir)).collect();
        let config = thompson::Config::new().which_captures(WhichCaptures::None).utf8(false);
        let nfa = thompson::Compiler::new().configure(config).build_many_from_hir(&patterns).ok()?;
        let config = DFA::config().match_kind(MatchKind::All).cache_capacity(MAX_BYTES);
        DFA::builder().configure(config.skip_cache_capacity_check(true)).build_from_nfa(nfa).ok().map(Sieve)
    }

    /// Memory to run it with.
    pub fn cache(&self) -> Cache {
        self.0.create_cache()
    }

    /// Calls a function with the index of a pattern and where a match of it may end that begins at a place, in the order of
    /// the ends.
    pub fn each_end(&self, text: &str, start: usize, cache: &mut Cache, mut found: impl FnMut(usize, usize)) {
        let Sieve(dfa) = self;
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        let mut state = dfa.start_state_forward(cache, &input).expect(NEVER_GIVES_UP);
        // A state tells of a match when the byte behind it is known.
        for (at, &byte) in (start..).zip(&text.as_bytes()[start..]) {
            state = dfa.next_state(cache, state, byte).expect(NEVER_GIVES_UP);
            if state.is_tagged() {
                if !state.is_match() {
                    return;
                }
                each_pattern(dfa, cache, state, |pattern| found(pattern, at));
            }
        }
        state = dfa.next_eoi_state(cache, state).expect(NEVER_GIVES_UP);
        if state.is_match() {
            each_pattern(dfa, cache, state, |pattern| found(pattern, text.len()));
        }
    }
}

/// Why a step cannot fail.
const NEVER_GIVES_UP: &str = "the automaton gives up at no byte and at no size";

fn each_pattern(dfa: &DFA, cache: &Cache, state: LazyStateID, mut found: impl FnMut(usize)) {
    (0..dfa.match_len(cache, state)).for_each(|index| found(dfa.match_pattern(cache, state, index).as_usize()));
}

/// A pattern that matches all that another does, with wider classes.
fn coarse(hir: &Hir) -> Hir {
    let all = |subs: &[Hir]| subs.iter().map(coarse).collect();
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => hir.clone(),
        HirKind::Class(class) => Hir::class(coarse_class(class)),
        HirKind::Repetition(repetition) => {
            let sub = Box::new(coarse(&repetition.sub));
            Hir::repetition(Repetition { sub, ..repetition.clone() })
        }
        HirKind::Capture(capture) => coarse(&capture.sub),
        HirKind::Concat(subs) => Hir::concat(all(subs)),
        HirKind::Alternation(subs) => Hir::alternation(all(subs)),
    }
}

fn coarse_class(class: &Class) -> Class {
    let own = match class {
        Class::Unicode(class) => Some(class.clone()),
        Class::Bytes(class) => class.to_unicode_class(),
    };
    let Some(mut wider) = own else { return class.clone() };
    if wider.ranges().iter().map(ClassUnicodeRange::len).sum::<usize>() > KEPT_CHARACTERS {
        let has_some = |&&(first, last): &&(char, char)| {
            wider.ranges().iter().any(|range| range.start() <= last && first <= range.end())
        };
        let more = COARSE.iter().filter(has_some).map(|&(first, last)| ClassUnicodeRange::new(first, last));
        wider.union(&ClassUnicode::new(more.collect::<Vec<_>>()));
    }
    Class::Unicode(wider)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(patterns: &[&str], text: &str) -> Vec<(usize, usize, usize)> {
        let hirs: Vec<Hir> = patterns.iter().map(|pattern| regex_syntax::parse(pattern).unwrap()).collect();
        let sieve = Sieve::of(&hirs.iter().collect::<Vec<_>>()).unwrap();
        let (mut cache, mut found) = (sieve.cache(), Vec::new());
        for start in 0..text.len() {
            sieve.each_end(text, start, &mut cache, |pattern, end| found.push((pattern, start, end)));
        }
        found
    }

    #[test]
    fn it_tells_where_which_may_end() {
        let patterns = [r"(?-u:\b)[0-9]{3}-[0-9]{2}(?-u:\b)", r"(?-u:\b)[1-3][0-9]{2}(?-u:\b)", r"[Nn]o[ABC]{2}"];
        let found = matches(&patterns, "see 123-45, 987, noXY, NoAB");
        assert_eq!(found, [(1, 4, 7), (0, 4, 10), (1, 12, 15), (2, 17, 21), (2, 23, 27)]);
        assert_eq!(matches(&patterns, "1234-5 mo12"), []);
    }

    #[test]
    fn no_patterns_make_no_sieve() {
        assert!(Sieve::of(&[]).is_none());
        assert!(Sieve::of(&[&regex_syntax::parse(r"\bé").unwrap()]).is_none());
    }
}
