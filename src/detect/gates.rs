//! Gates for rules without a literal: an `@`, enough digits close together, or a long stretch of token characters.
//!
//! Rules that digits gate are many (every country numbers its people), so that what they cost must not grow with
//! their number. They are looked for together, in classes: what a rule's matches are made of decides how long the runs
//! are in which they may lie, and whether it needs a word near by decides where it is worth looking at all.
//!
//! 1. *Words.* Rules that are sure of nothing without a word near by are looked for round such words only; the pass that
//!    looks for literals has found them (`detect/words.rs`).
//! 2. *Runs.* A match lies near digits that are as many and as close together as it needs, within neighbouring bytes each of
//!    which occurs in some match of the class. A run of these that is too short, or holds too few digits, is passed over.
//! 3. *Sieve.* Over what is left one automaton of all patterns of the class tells where matches may end, and whose
//!    (`detect/sieve.rs`). A rule is then searched no farther from there than its longest match, if one of its own words is near.
//!
//! Each step leaves out only what cannot become a hit: matches that are not confirmed have no part in what is found.

use super::anchors::touch;
use super::compile::Compiled;
use super::sieve::{self, Sieve};
use super::words::{WordAt, Words, needs_word};
use super::{Scratch, context, stretches};
use crate::rules::Trigger;
use regex_syntax::hir::Hir;
use std::collections::BTreeMap;
use std::ops::Range;

pub(super) struct Gates {
    /// Rules whose runs are looked for together.
    digits: Vec<DigitGates>,
    words: Words,
    at_sign: Vec<u16>,
    token: Vec<TokenGate>,
}

/// A rule that waits for a long stretch of token characters.
struct TokenGate {
    rule: u16,
    bytes_min: usize,
    /// How much of a match there is before and behind the stretch.
    around_bytes: (usize, usize),
}

/// What tells the rules of one class from those of another. Their runs have nothing in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    needs_word: bool,
    made_of: MadeOf,
}

/// What the matches of a rule are made of, beside digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MadeOf {
    /// No letters.
    Signs,
    /// The letters of hexadecimal digits.
    Hex,
    /// Capitals, and perhaps those: of prose their runs hold single words.
    Capitals,
    /// Letters, and no blanks: their runs are words.
    Words,
    /// Letters and blanks: all prose is a run.
    Prose,
}

/// The rules of one class.
struct DigitGates {
    kind: Kind,
    /// What opens some of them.
    any: Run,
    longest_bytes: usize,
    rules: Vec<Gated>,
    /// By word: whether one of the rules waits for it.
    waits_for: Vec<bool>,
    /// None when it cannot be built, and every rule is tried on every run.
    sieve: Option<Sieve>,
}

/// A rule that digits gate.
struct Gated {
    rule: u16,
    longest_bytes: usize,
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

/// What the gates need of the scratch, by class.
pub(super) type GateScratch = Vec<Option<sieve::Cache>>;

impl Gates {
    pub fn new(rules: &[Compiled], words: Words) -> Gates {
        let mut gates = Gates { digits: Vec::new(), words, at_sign: Vec::new(), token: Vec::new() };
        let mut classes: BTreeMap<Kind, DigitGates> = BTreeMap::new();
        for (index, compiled) in rules.iter().enumerate() {
            let (rule, shape) = (index as u16, &compiled.rule.shape);
            match (&compiled.rule.trigger, shape.longest_bytes) {
                (Trigger::AtSign, _) => gates.at_sign.push(rule),
                (Trigger::Digits, longest) => {
                    let run = Run::of(&shape.hir, shape.digits_min.max(1));
                    let kind = Kind { needs_word: needs_word(&compiled.rule), made_of: MadeOf::of(&run.holds) };
                    let longest_bytes = longest.unwrap_or(usize::MAX);
                    let gated = Gated { rule, longest_bytes, may_be_alone: compiled.rule.alone.is_some() };
                    classes.entry(kind).or_insert_with(|| DigitGates::none(kind)).add(gated, run);
                }
                (Trigger::Token, longest) => {
                    let bytes_min = shape.token_min_bytes;
                    let most = longest.expect("it was resolved so") - bytes_min;
                    let around_bytes = shape.token_around_bytes.unwrap_or((most, most));
                    gates.token.push(TokenGate { rule, bytes_min, around_bytes });
                }
                (Trigger::Anchors(_), _) => {}
            }
        }
        gates.digits = classes.into_values().map(|class| class.finished(rules, &gates.words)).collect();
        gates
    }

    /// Whether the words that rules need are worth looking for in a text of so many digits.
    pub fn wants_words(&self, digits: usize) -> bool {
        self.digits.iter().any(|class| class.kind.needs_word && class.any.digits_min <= digits)
    }

    /// Marks the windows of every rule whose gate opens.
    pub fn mark(&self, text: &str, applies: u16, rules: &[Compiled], scratch: &mut Scratch) {
        for &rule in &self.at_sign {
            let compiled = &rules[usize::from(rule)];
            if compiled.applies & applies != 0 {
                mark_at_signs(text, rule, compiled, scratch);
            }
        }
        for gate in &self.token {
            let compiled = &rules[usize::from(gate.rule)];
            if compiled.applies & applies != 0 {
                gate.mark(compiled, text, scratch);
            }
        }
        let mut caches = std::mem::take(&mut scratch.gates);
        caches.resize_with(self.digits.len(), || None);
        let (words, digits) = (std::mem::take(&mut scratch.words), std::mem::take(&mut scratch.digits));
        let open = |(class, _): &(&DigitGates, _)| class.any.digits_min <= digits.count;
        for (class, cache) in self.digits.iter().zip(&mut caches).filter(open) {
            let mut marked = |gated: &Gated, start: usize, end: usize| {
                let wanted = rules[usize::from(gated.rule)].applies & applies != 0;
                if wanted && self.may_be_hit(class, gated, text, (start, end), &words) {
                    touch(gated.rule, scratch).add_window(start, end);
                }
            };
            class.each_span(text, &words, |span| {
                let mut run = |start, end| class.each_end(text, (start, end), cache, &mut marked);
                class.each_run(text.as_bytes(), span, &digits, &mut run);
            });
        }
        (scratch.gates, scratch.words, scratch.digits) = (caches, words, digits);
    }

    /// Whether a match within a window can be a hit, as far as words near by decide it.
    fn may_be_hit(
        &self,
        class: &DigitGates,
        gated: &Gated,
        text: &str,
        (start, end): (usize, usize),
        words: &[WordAt],
    ) -> bool {
        // Without a sieve a window is a whole run, of which words near its end say nothing.
        let decided = class.sieve.is_none() || !class.kind.needs_word;
        if decided || gated.may_be_alone && text.len() <= context::ALONE_MAX_BYTES {
            return true;
        }
        let (from, to) = (start.saturating_sub(context::REACH_BYTES), end + context::REACH_BYTES);
        let first = words.partition_point(|word| word.end <= from);
        let near = words[first..].iter().take_while(|word| word.end <= to);
        near.into_iter().any(|word| word.start >= from && self.words.waits(gated.rule, word.word))
    }
}

fn mark_at_signs(text: &str, rule: u16, compiled: &Compiled, scratch: &mut Scratch) {
    for at in memchr::memchr_iter(b'@', text.as_bytes()) {
        let window = match compiled.rule.shape.longest_bytes {
            None => (0, text.len()),
            Some(longest) => ((at + 1).saturating_sub(longest), (at + longest).min(text.len())),
        };
        let (start, end) = compiled.narrowed(text.as_bytes(), window, (at, at + 1));
        touch(rule, scratch).add_window(start, end);
    }
}

/// How many places of a text a thread keeps the memory for; only an unusual text has more.
pub(super) const KEPT_PLACES: usize = 16 << 10;

/// Where the digits of a text are.
#[derive(Default)]
pub(super) struct Digits {
    /// Each as long as it goes, in order.
    runs: Vec<Range<usize>>,
    pub count: usize,
}

impl Digits {
    /// Finds those of another text. Blocks without one are passed over by vector instructions.
    pub fn find(&mut self, text: &[u8]) {
        const BLOCK_BYTES: usize = 32;
        self.runs.clear();
        self.runs.shrink_to(KEPT_PLACES);
        self.count = 0;
        for (block, bytes) in text.chunks(BLOCK_BYTES).enumerate() {
            if !bytes.iter().fold(false, |any, byte| any | byte.is_ascii_digit()) {
                continue;
            }
            for at in bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).map(|(at, _)| at) {
                let at = block * BLOCK_BYTES + at;
                self.count += 1;
                match self.runs.last_mut() {
                    Some(last) if last.end == at => last.end += 1,
                    _ => self.runs.push(at..at + 1),
                }
            }
        }
    }
}

fn count_digits(text: &[u8]) -> usize {
    text.iter().filter(|byte| byte.is_ascii_digit()).count()
}

impl TokenGate {
    fn mark(&self, compiled: &Compiled, text: &str, scratch: &mut Scratch) {
        let stretches = std::mem::take(&mut scratch.stretches);
        for &(start, end) in stretches.places.iter().filter(|(start, end)| end - start >= self.bytes_min) {
            let (before, behind) = self.around_bytes;
            let window = (start.saturating_sub(before), (end + behind).min(text.len()));
            let (start, end) = compiled.narrowed(text.as_bytes(), window, (start, end));
            touch(self.rule, scratch).add_window(start, end);
        }
        scratch.stretches = stretches;
    }
}

impl MadeOf {
    fn of(holds: &[bool; 256]) -> MadeOf {
        let any = |mut bytes: std::ops::RangeInclusive<u8>| bytes.any(|byte| holds[usize::from(byte)]);
        let hex = any(b'A'..=b'F') || any(b'a'..=b'f');
        match (any(b'g'..=b'z'), any(b'G'..=b'Z'), hex, holds[usize::from(b' ')]) {
            (false, false, false, _) => MadeOf::Signs,
            (false, false, true, _) => MadeOf::Hex,
            (false, true, ..) => MadeOf::Capitals,
            (true, _, _, false) => MadeOf::Words,
            (true, _, _, true) => MadeOf::Prose,
        }
    }
}

impl DigitGates {
    /// No digits are enough for no rule.
    fn none(kind: Kind) -> DigitGates {
        let any = Run { holds: Box::new([false; 256]), bytes_min: usize::MAX, digits_min: usize::MAX };
        DigitGates { kind, any, longest_bytes: 0, rules: Vec::new(), waits_for: Vec::new(), sieve: None }
    }

    fn add(&mut self, gated: Gated, run: Run) {
        let Run { holds, bytes_min, digits_min } = &mut self.any;
        holds.iter_mut().zip(run.holds.iter()).for_each(|(all, own)| *all |= own);
        (*bytes_min, *digits_min) = ((*bytes_min).min(run.bytes_min), (*digits_min).min(run.digits_min));
        self.longest_bytes = self.longest_bytes.max(gated.longest_bytes);
        self.rules.push(gated);
    }

    fn finished(mut self, rules: &[Compiled], words: &Words) -> DigitGates {
        let hirs: Vec<&Hir> = self.rules.iter().map(|gated| &rules[usize::from(gated.rule)].rule.shape.hir).collect();
        self.sieve = Sieve::of(&hirs);
        let waits = |word| self.rules.iter().any(|gated| words.waits(gated.rule, word));
        self.waits_for = (0..words.spellings.len()).map(waits).collect();
        self
    }

    /// Calls a function with each range of a text in which hits may lie, in order: all of it, or what is near a word.
    fn each_span(&self, text: &str, words: &[WordAt], mut found: impl FnMut(Range<usize>)) {
        let alone = text.len() <= context::ALONE_MAX_BYTES && self.rules.iter().any(|gated| gated.may_be_alone);
        if !self.kind.needs_word || alone {
            return found(0..text.len());
        }
        let reach = self.longest_bytes.saturating_add(context::REACH_BYTES);
        let own = words.iter().filter(|word| self.waits_for[word.word]);
        let near = own.map(|word| word.end.saturating_sub(reach)..word.start.saturating_add(reach).min(text.len()));
        each_merged(near, found);
    }

    /// Calls a function with each run of a range, in order: they are near enough to digits, and these to each other.
    fn each_run(&self, text: &[u8], range: Range<usize>, digits: &Digits, found: &mut impl FnMut(usize, usize)) {
        let first = digits.runs.partition_point(|run| run.end <= range.start);
        let last = digits.runs.partition_point(|run| run.start < range.end);
        let runs = &digits.runs[first..last.max(first)];
        let (mut counted, mut count) = (0, 0);
        let near = runs.iter().filter_map(|run| {
            // A match whose first digit is one of this run has all of its digits before here.
            let end = run.end.saturating_add(self.longest_bytes);
            while let Some(next) = runs.get(counted).filter(|next| next.start < end) {
                count += next.len();
                counted += 1;
            }
            let enough = count >= self.any.digits_min;
            count -= run.len();
            let start = run.start.saturating_sub(self.longest_bytes).max(range.start);
            enough.then_some(start..end.min(range.end))
        });
        each_merged(near, |cluster| self.any.find(text, cluster, found));
    }

    /// Calls a function with each rule and a window round what may be a match of it, in a run. Windows of one rule come in
    /// the order of their starts.
    fn each_end(
        &self,
        text: &str,
        (start, end): (usize, usize),
        cache: &mut Option<sieve::Cache>,
        found: &mut impl FnMut(&Gated, usize, usize),
    ) {
        let Some(sieve) = &self.sieve else {
            return self.rules.iter().for_each(|gated| found(gated, start, end));
        };
        sieve.each_end(text, start..end, cache, |pattern, end| {
            let gated = &self.rules[pattern];
            found(gated, start.max(end.saturating_sub(gated.longest_bytes)), end);
        });
    }
}

/// Calls a function with ranges in the order of their starts, those that touch made one.
fn each_merged(ranges: impl Iterator<Item = Range<usize>>, mut found: impl FnMut(Range<usize>)) {
    let mut last: Option<Range<usize>> = None;
    for range in ranges {
        match &mut last {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => last.replace(range).into_iter().for_each(&mut found),
        }
    }
    last.into_iter().for_each(found);
}

impl Run {
    fn of(hir: &Hir, digits_min: usize) -> Run {
        let holds = stretches::bytes_of(hir);
        Run { holds, bytes_min: hir.properties().minimum_len().unwrap_or(1), digits_min }
    }

    /// Calls a function with each run within a range.
    fn find(&self, text: &[u8], range: Range<usize>, found: &mut impl FnMut(usize, usize)) {
        stretches::each(text, range, &self.holds, self.bytes_min, |start, end| {
            if count_digits(&text[start..end]) >= self.digits_min {
                found(start, end);
            }
        });
    }
}
