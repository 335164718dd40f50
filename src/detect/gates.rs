//! Gates for rules without a literal: an `@`, enough digits close together, or a long stretch of token characters.
//!
//! Rules that digits gate are many (every country numbers its people), so that what they cost must not grow with
//! their number. They are looked for together, in two classes: those whose matches are numbers only, and those with letters.
//!
//! 1. *Runs.* A match lies within neighbouring bytes each of which occurs in some match of the class, and, where letters are
//!    among them, within the longest match of a digit. A run that is too short, or holds too few digits, is passed over.
//!    Runs are looked for only if the text holds digits enough, which is one pass of vector instructions.
//! 2. *Sieve.* Over what is left one automaton of all patterns of the class tells where matches end, and whose. A rule is
//!    then searched no farther from there than its longest match.
//! 3. *Context.* A rule that is not sure of anything without a word near by is passed over where none of its words stands
//!    within reach: all words of all such rules are looked for once, and only round such ends.
//!
//! Each step leaves out only what cannot become a hit: matches that are not confirmed have no part in what is found.

use super::anchors::touch;
use super::compile::Compiled;
use super::{Scratch, context, stretches};
use crate::rules::Trigger;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex_automata::hybrid::dfa::{Cache, DFA, OverlappingState};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::{Input, MatchKind};
use regex_syntax::hir::{Class, Hir, HirKind};
use std::collections::BTreeMap;

/// Memory of one class's lazy automaton, a thread.
const SIEVE_MAX_BYTES: usize = 2 << 20;

/// How much farther than asked words are looked for, so that they are not looked for at every number anew.
const WORDS_AHEAD_BYTES: usize = 256;

const CLASSES: usize = 2;

pub(super) struct Gates {
    /// Rules that match numbers only, and rules whose matches hold letters too: their runs have little in common.
    digits: [DigitGates; CLASSES],
    words: Words,
    /// Rule and its longest match.
    at_sign: Vec<(u16, Option<usize>)>,
    token: Vec<TokenGate>,
}

/// A rule that waits for a long stretch of token characters.
struct TokenGate {
    rule: u16,
    bytes_min: usize,
    longest_bytes: usize,
}

/// Rules whose runs are looked for together.
struct DigitGates {
    /// What opens some of them.
    any: Run,
    /// Whether matches hold letters: then runs are long, and only what is near a digit counts.
    lettered: bool,
    longest_bytes: usize,
    rules: Vec<Gated>,
    /// Of all patterns in the order of the rules; none when it cannot be built, and every rule is tried on every run.
    sieve: Option<DFA>,
}

/// A rule that digits gate.
struct Gated {
    rule: u16,
    longest_bytes: usize,
    /// Whether only a word near by makes its matches hits.
    needs_word: bool,
    /// Whether a value that is all there is in a text needs no word.
    may_be_alone: bool,
}

/// What a run must be for a rule to be tried on it.
struct Run {
    /// By byte: whether it occurs in a match.
    holds: Box<[bool; 256]>,
    bytes_min: usize,
    digits_min: usize,
}

/// The context words of all rules that need one.
struct Words {
    automaton: Option<AhoCorasick>,
    /// By word: the rules that have it.
    owners: Vec<Vec<u16>>,
    longest_bytes: usize,
}

/// What the gates need of the scratch.
#[derive(Default)]
pub(super) struct GateScratch {
    caches: [Option<Cache>; CLASSES],
    nearby: Nearby,
}

/// The whole words of a stretch of a text.
#[derive(Default)]
struct Nearby {
    start: usize,
    end: usize,
    /// Start, end and number of each word, in the order of their ends.
    words: Vec<(usize, usize, usize)>,
}

impl Gates {
    pub fn new(rules: &[Compiled]) -> Gates {
        let [numbers, lettered] = [false, true].map(DigitGates::none);
        let mut gates =
            Gates { digits: [numbers, lettered], words: Words::of(rules), at_sign: Vec::new(), token: Vec::new() };
        for (index, compiled) in rules.iter().enumerate() {
            let shape = &compiled.rule.shape;
            match (&compiled.rule.trigger, shape.longest_bytes) {
                (Trigger::AtSign, longest) => gates.at_sign.push((index as u16, longest)),
                (Trigger::Digits, longest) => {
                    let run = Run::of(&shape.hir, shape.digits_min.max(1));
                    let mut letters = (b'A'..=b'Z').chain(b'a'..=b'z');
                    let lettered = letters.any(|byte| run.holds[usize::from(byte)]);
                    let gated = Gated::of(index, compiled, longest.unwrap_or(usize::MAX));
                    gates.digits[usize::from(lettered)].add(gated, run);
                }
                (Trigger::Token, longest) => gates.token.push(TokenGate {
                    rule: index as u16,
                    bytes_min: shape.token_min_bytes,
                    longest_bytes: longest.expect("it was resolved so"),
                }),
                (Trigger::Anchors(_), _) => {}
            }
        }
        gates.digits.iter_mut().for_each(|gates| gates.sieve = sieve(&gates.rules, rules));
        gates
    }

    /// Marks the windows of every rule whose gate opens.
    pub fn mark(&self, text: &str, applies: u16, rules: &[Compiled], scratch: &mut Scratch) {
        for &(rule, longest_bytes) in &self.at_sign {
            if rules[usize::from(rule)].applies & applies != 0 {
                mark_at_signs(text, rule, longest_bytes, scratch);
            }
        }
        for gate in self.token.iter().filter(|gate| rules[usize::from(gate.rule)].applies & applies != 0) {
            gate.mark(text.len(), scratch);
        }
        if self.digits.iter().all(|gates| gates.rules.is_empty()) {
            return;
        }
        let total = count_digits(text.as_bytes());
        let mut own = std::mem::take(&mut scratch.gates);
        for (gates, cache) in self.digits.iter().zip(&mut own.caches) {
            if total < gates.any.digits_min {
                continue;
            }
            own.nearby = Nearby { start: 0, end: 0, ..std::mem::take(&mut own.nearby) };
            let mut marked = |gated: &Gated, start: usize, end: usize| {
                let wanted = rules[usize::from(gated.rule)].applies & applies != 0;
                if wanted && self.may_be_hit(gates, gated, text, (start, end), &mut own.nearby) {
                    touch(gated.rule, scratch).add_window(start, end);
                }
            };
            gates.each_run(text.as_bytes(), &mut |start, end| gates.each_end(text, (start, end), cache, &mut marked));
        }
        scratch.gates = own;
    }

    /// Whether a match within a window can be a hit, as far as words near by decide it.
    fn may_be_hit(
        &self,
        gates: &DigitGates,
        gated: &Gated,
        text: &str,
        (start, end): (usize, usize),
        nearby: &mut Nearby,
    ) -> bool {
        // Without a sieve a window is a whole run, of which words near its end say nothing.
        let decided = gates.sieve.is_none() || !gated.needs_word;
        if decided || gated.may_be_alone && text.len() <= context::ALONE_MAX_BYTES {
            return true;
        }
        // By the longest match of all rules, so that places that are asked for one after the other come in order.
        let from = end.saturating_sub(gates.longest_bytes.saturating_add(context::REACH_BYTES));
        let to = text.len().min(end + context::REACH_BYTES);
        self.words.look(text, from, to, nearby);
        nearby.has(start.saturating_sub(context::REACH_BYTES), to, |word| {
            self.words.owners[word].binary_search(&gated.rule).is_ok()
        })
    }
}

fn mark_at_signs(text: &str, rule: u16, longest_bytes: Option<usize>, scratch: &mut Scratch) {
    for at in memchr::memchr_iter(b'@', text.as_bytes()) {
        let (start, end) = match longest_bytes {
            None => (0, text.len()),
            Some(longest) => ((at + 1).saturating_sub(longest), (at + longest).min(text.len())),
        };
        touch(rule, scratch).add_window(start, end);
    }
}

fn count_digits(text: &[u8]) -> usize {
    // Counts of so few bytes fit the width of the vector's lanes.
    let few = text.chunks(128);
    few.map(|few| usize::from(few.iter().map(|byte| u8::from(byte.is_ascii_digit())).sum::<u8>())).sum()
}

impl TokenGate {
    /// A match has as many bytes of a stretch as its rule waits for, so it ends so far behind the stretch's start, and
    /// begins so far before its end.
    fn mark(&self, length: usize, scratch: &mut Scratch) {
        let stretches = std::mem::take(&mut scratch.stretches);
        for &(start, end) in stretches.iter().filter(|(start, end)| end - start >= self.bytes_min) {
            let from = (start + self.bytes_min).saturating_sub(self.longest_bytes);
            let to = (end - self.bytes_min + self.longest_bytes).min(length);
            touch(self.rule, scratch).add_window(from, to);
        }
        scratch.stretches = stretches;
    }
}

impl Gated {
    fn of(index: usize, compiled: &Compiled, longest_bytes: usize) -> Gated {
        let rule = &compiled.rule;
        Gated {
            rule: index as u16,
            longest_bytes,
            needs_word: rule.confidence.permille() == 0 && rule.proof.is_none(),
            may_be_alone: rule.alone.is_some(),
        }
    }
}

/// One automaton for all patterns of a class. Those that ask for boundaries of Unicode words cannot be run in it.
fn sieve(gated: &[Gated], rules: &[Compiled]) -> Option<DFA> {
    let hirs: Vec<&Hir> = gated.iter().map(|gated| &rules[usize::from(gated.rule)].rule.shape.hir).collect();
    if hirs.is_empty() || hirs.iter().any(|hir| hir.properties().look_set().contains_word_unicode()) {
        return None;
    }
    let config = thompson::Config::new().which_captures(WhichCaptures::None).utf8(false);
    let nfa = thompson::Compiler::new().configure(config).build_many_from_hir(&hirs).ok()?;
    let config = DFA::config().match_kind(MatchKind::All).cache_capacity(SIEVE_MAX_BYTES);
    DFA::builder().configure(config.skip_cache_capacity_check(true)).build_from_nfa(nfa).ok()
}

impl DigitGates {
    /// No digits are enough for no rule.
    fn none(lettered: bool) -> DigitGates {
        let any = Run { holds: Box::new([false; 256]), bytes_min: usize::MAX, digits_min: usize::MAX };
        DigitGates { any, lettered, longest_bytes: 0, rules: Vec::new(), sieve: None }
    }

    fn add(&mut self, gated: Gated, run: Run) {
        let Run { holds, bytes_min, digits_min } = &mut self.any;
        holds.iter_mut().zip(run.holds.iter()).for_each(|(all, own)| *all |= own);
        (*bytes_min, *digits_min) = ((*bytes_min).min(run.bytes_min), (*digits_min).min(run.digits_min));
        self.longest_bytes = self.longest_bytes.max(gated.longest_bytes);
        self.rules.push(gated);
    }

    /// Calls a function with each run, in order.
    fn each_run(&self, text: &[u8], found: &mut impl FnMut(usize, usize)) {
        if !self.lettered {
            return self.any.find(text, 0, text.len(), found);
        }
        let mut at = 0;
        while let Some(digit) = text[at..].iter().position(u8::is_ascii_digit) {
            let start = (at + digit).saturating_sub(self.longest_bytes).max(at);
            let end = self.last_digit(text, at + digit);
            let end = end.saturating_add(self.longest_bytes).min(text.len());
            self.any.find(text, start, end, found);
            at = end;
        }
    }

    /// The last of the digits from here on of which each is near enough to the one before for one match to hold both, or
    /// for the runs round them to overlap.
    fn last_digit(&self, text: &[u8], digit: usize) -> usize {
        let reach = self.longest_bytes.saturating_mul(2);
        let mut last = digit;
        loop {
            let end = last.saturating_add(reach).min(text.len());
            match text[last + 1..end].iter().rposition(u8::is_ascii_digit) {
                Some(next) => last += next + 1,
                None => return last,
            }
        }
    }

    /// Calls a function with each rule and a window round what may be a match of it, in a run. Windows of one rule come in
    /// the order of their starts.
    fn each_end(
        &self,
        text: &str,
        (start, end): (usize, usize),
        cache: &mut Option<Cache>,
        found: &mut impl FnMut(&Gated, usize, usize),
    ) {
        let Some(sieve) = &self.sieve else {
            return self.rules.iter().for_each(|gated| found(gated, start, end));
        };
        let cache = cache.get_or_insert_with(|| sieve.create_cache());
        let (input, mut state) = (Input::new(text).span(start..end), OverlappingState::start());
        loop {
            let searched = sieve.try_search_overlapping_fwd(cache, &input, &mut state);
            searched.expect("the automaton gives up at no byte and at no size");
            let Some(hit) = state.get_match() else { break };
            let gated = &self.rules[hit.pattern().as_usize()];
            found(gated, start.max(hit.offset().saturating_sub(gated.longest_bytes)), hit.offset());
        }
    }
}

impl Words {
    fn of(rules: &[Compiled]) -> Words {
        let mut owners: BTreeMap<String, Vec<u16>> = BTreeMap::new();
        for (index, compiled) in rules.iter().enumerate() {
            let rule = &compiled.rule;
            let Some(words) = rule.context.as_ref().filter(|_| rule.trigger == Trigger::Digits) else { continue };
            for spelling in words.words.iter().flat_map(|word| context::spellings(word)) {
                owners.entry(spelling).or_default().push(index as u16);
            }
        }
        let longest_bytes = owners.keys().map(String::len).max().unwrap_or(0);
        // Not as a table of all states, which would take megabytes for what is seldom run.
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::ContiguousNFA));
        let automaton = (!owners.is_empty()).then(|| builder.build(owners.keys()).ok()).flatten();
        let owners = owners.into_values().map(|mut owners| {
            owners.dedup();
            owners
        });
        Words { automaton, owners: owners.collect(), longest_bytes }
    }

    /// Sees to it that the words between two places are known. Neither place is before that of the call before.
    fn look(&self, text: &str, from: usize, to: usize, nearby: &mut Nearby) {
        let Some(automaton) = &self.automaton else { return };
        if from > nearby.end || nearby.end == 0 {
            *nearby = Nearby { start: from, end: from, words: std::mem::take(&mut nearby.words) };
            nearby.words.clear();
        }
        if to <= nearby.end {
            return;
        }
        let end = text.len().min(to + WORDS_AHEAD_BYTES);
        let again = nearby.start.max(nearby.end.saturating_sub(self.longest_bytes));
        for hit in automaton.find_overlapping_iter(&text.as_bytes()[again..end]) {
            let (start, end) = (again + hit.start(), again + hit.end());
            if end > nearby.end && context::is_whole_word(text, start, end) {
                nearby.words.push((start, end, hit.pattern().as_usize()));
            }
        }
        nearby.end = end;
    }
}

impl Nearby {
    /// Whether a word of some kind lies between two places.
    fn has(&self, from: usize, to: usize, is_wanted: impl Fn(usize) -> bool) -> bool {
        let first = self.words.partition_point(|&(_, end, _)| end <= from);
        let within = self.words[first..].iter().take_while(|&&(_, end, _)| end <= to);
        within.into_iter().any(|&(start, _, word)| start >= from && is_wanted(word))
    }
}

impl Run {
    fn of(hir: &Hir, digits_min: usize) -> Run {
        let mut holds = Box::new([false; 256]);
        bytes_of(hir, &mut holds);
        Run { holds, bytes_min: hir.properties().minimum_len().unwrap_or(1), digits_min }
    }

    /// Calls a function with each run between two places, of which the bytes outside are no part.
    fn find(&self, text: &[u8], start: usize, end: usize, found: &mut impl FnMut(usize, usize)) {
        stretches::each(text, start..end, &self.holds, self.bytes_min, |start, end| {
            if count_digits(&text[start..end]) >= self.digits_min {
                found(start, end);
            }
        });
    }
}

/// Notes every byte that may occur in a match. Of characters above ASCII that is every byte above it: rough, and safe.
fn bytes_of(hir: &Hir, holds: &mut [bool; 256]) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|&byte| holds[usize::from(byte)] = true),
        HirKind::Class(Class::Bytes(class)) => {
            let bytes = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            bytes.for_each(|byte| holds[usize::from(byte)] = true);
        }
        HirKind::Class(Class::Unicode(class)) => {
            for range in class.ranges() {
                let (start, end) = (range.start() as usize, range.end() as usize);
                let last = if end < 0x80 { end } else { 0xff };
                holds[start.min(0x80)..=last].fill(true);
            }
        }
        HirKind::Repetition(repetition) => bytes_of(&repetition.sub, holds),
        HirKind::Capture(capture) => bytes_of(&capture.sub, holds),
        HirKind::Concat(subs) | HirKind::Alternation(subs) => subs.iter().for_each(|sub| bytes_of(sub, holds)),
    }
}
