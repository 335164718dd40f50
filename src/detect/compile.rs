//! A resolved rule made ready to run: its pattern as an automaton, its words as small searchers, its roles as bits.
//!
//! What a pattern promises (length, digits, literals) was proved when it was resolved; nothing is decided here.

use super::context;
use super::layers::Proves;
use crate::model::{Category, Confidence, Direction, Role, RuleInfo};
use crate::rules::{Rule, Trigger};
use aho_corasick::AhoCorasick;
use regex_automata::meta;
use regex_automata::nfa::thompson::{self, backtrack::BoundedBacktracker};
use std::sync::OnceLock;

/// Memory of one rule's lazy automaton. The default of 2 MiB a rule would be 40 MiB a thread for twenty.
const AUTOMATON_MAX_BYTES: usize = 512 << 10;

/// Most places before an anchor that are tried for the start of a match.
const STARTS_MAX: usize = 32;

/// What a walk may note, in bytes: one bit for each state at each place. The automaton has some states more than its
/// pattern has pieces, for which there is room sixteen times over.
const WALK_MAX_BYTES: usize = 256 << 10;
const VISITED_MAX_BYTES: usize = 16 * WALK_MAX_BYTES;

/// A rule that cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("{file}: the words of rule `{rule}` are too many to compile ({reason}); shorten or drop some")]
    Words { file: String, rule: String, reason: String },
    #[error("the anchors of all rules are too many to compile ({0}); shorten or drop some")]
    Anchors(String),
}

/// A rule as compiled.
pub(super) struct Compiled {
    pub rule: Rule,
    regex: OnceLock<meta::Regex>,
    /// Of a rule whose matches begin close before an anchor.
    starts: Option<OnceLock<BoundedBacktracker>>,
    pub stop_words: Option<AhoCorasick>,
    pub context_words: Option<AhoCorasick>,
    /// One bit for each direction and role that the rule looks at.
    pub applies: u16,
    pub pair: Option<Paired>,
    pub proves: Proves,
}

/// What a rule says when its pair is near.
pub(super) struct Paired {
    pub with: u16,
    pub within_bytes: u32,
    pub confidence: Confidence,
    pub info: RuleInfo,
}

impl Compiled {
    pub fn new(rule: &Rule) -> Result<Compiled, CompileError> {
        let failed =
            |reason: String| CompileError::Words { file: rule.file.clone(), rule: rule.info.id.clone(), reason };
        let words = |words: &[String]| -> Result<Option<AhoCorasick>, CompileError> {
            if words.is_empty() {
                return Ok(None);
            }
            let built = AhoCorasick::builder().ascii_case_insensitive(true).build(words);
            built.map(Some).map_err(|error| failed(error.to_string()))
        };
        Ok(Compiled {
            regex: OnceLock::new(),
            starts: begins_at_anchors(rule).then(OnceLock::new),
            stop_words: words(&rule.stop_words)?,
            context_words: context::searcher(rule.context.as_ref().map_or(&[], |context| &context.words))
                .map_err(|error| failed(error.to_string()))?,
            applies: applies(rule),
            pair: None,
            proves: Proves::of(rule),
            rule: rule.clone(),
        })
    }

    /// Whether it is enough to try the pattern at the few places where a match over an anchor can begin.
    pub fn by_starts(&self) -> bool {
        self.starts.is_some()
    }

    /// For a rule that is tried by starts. Such patterns say how far a value may be from a name and how long it may be, and
    /// an automaton of that has a state for each such number: it would be built anew at every place. This one walks.
    pub fn walker(&self) -> Option<&BoundedBacktracker> {
        let starts = self.starts.as_ref()?;
        Some(starts.get_or_init(|| {
            let nfa = thompson::Compiler::new().build_from_hir(&self.rule.shape.hir);
            let nfa = nfa.expect("the size of its pattern was bounded when it was resolved");
            let config = BoundedBacktracker::config().visited_capacity(VISITED_MAX_BYTES);
            BoundedBacktracker::builder().configure(config).build_from_nfa(nfa).expect("the automaton was built")
        }))
    }

    /// The pattern as an automaton. It is built when the rule first has a candidate: most rules of a process never do,
    /// and to build all would take longer than everything else at its start.
    pub fn regex(&self) -> &meta::Regex {
        self.regex.get_or_init(|| {
            let config = meta::Config::new().hybrid_cache_capacity(AUTOMATON_MAX_BYTES).nfa_size_limit(None);
            let built = meta::Builder::new().configure(config).build_from_hir(&self.rule.shape.hir);
            built.expect("the size of its pattern was bounded when it was resolved")
        })
    }
}

/// Whether every match begins within a few bytes of its anchor and is short enough to be walked over.
fn begins_at_anchors(rule: &Rule) -> bool {
    let Trigger::Anchors(anchors) = &rule.trigger else { return false };
    let shortest = anchors.iter().map(String::len).min().unwrap_or(0);
    let (Some(lead), Some(longest)) = (rule.lead_bytes, rule.shape.longest_bytes) else { return false };
    lead.saturating_sub(shortest) <= STARTS_MAX && rule.shape.pieces.saturating_mul(longest + 1) / 8 <= WALK_MAX_BYTES
}

/// Links each rule to the one that it pairs with.
pub(super) fn with_pairs(mut rules: Vec<Compiled>) -> Vec<Compiled> {
    for index in 0..rules.len() {
        let Some(pair) = &rules[index].rule.pair else { continue };
        let Some(with) = rules.iter().position(|other| other.rule.info.id == pair.with) else { continue };
        let info = RuleInfo { severity: pair.severity, ..rules[index].rule.info.clone() };
        let paired = Paired { with: with as u16, within_bytes: pair.within_bytes, confidence: pair.confidence, info };
        rules[index].pair = Some(paired);
    }
    rules
}

/// The bit of one direction and role.
pub(super) fn applies_bit(direction: Direction, role: Role) -> u16 {
    let direction_index = u16::from(direction == Direction::Output);
    1 << (direction_index * 8 + u16::from(role.code()))
}

/// The bit of rules that look at identifiers.
pub(super) const IDENTIFIERS: u16 = 1 << 15;

fn applies(rule: &Rule) -> u16 {
    let identifiers = if rule.info.category == Category::Secret { IDENTIFIERS } else { 0 };
    let pairs = Direction::ALL.iter().flat_map(|&direction| Role::ALL.iter().map(move |&role| (direction, role)));
    pairs
        .filter(|&(direction, role)| rule.applies_to(direction, role))
        .fold(identifiers, |bits, (direction, role)| bits | applies_bit(direction, role))
}

const _: () = assert!(Role::ALL.len() < 7, "a role's code and a direction fit 15 bits");
