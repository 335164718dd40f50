//! A resolved rule made ready to run: its pattern as an automaton, its words as small searchers, its roles as bits.
//!
//! What a pattern promises (length, digits, literals) was proved when it was resolved; nothing is decided here.

use super::context;
use super::layers::Proves;
use super::layers::spread::Wrap;
use super::stretches;
use crate::model::{Category, Confidence, Direction, Role, RuleInfo};
use crate::rules::Rule;
use aho_corasick::AhoCorasick;
use regex_automata::meta;
use std::sync::OnceLock;

/// Memory of one rule's lazy automaton, forwards and as much backwards.
const AUTOMATON_MAX_BYTES: usize = 256 << 10;

/// A rule as compiled.
pub(super) struct Compiled {
    pub rule: Rule,
    automata: OnceLock<Automata>,
    /// One bit for each direction and role that the rule looks at.
    pub applies: u16,
    pub pair: Option<Paired>,
    pub proves: Proves,
    /// By byte, whether it may be in a match; none for rules whose matches may hold blanks, since that tells little.
    holds: Option<Box<[bool; 256]>>,
}

/// What a rule is tried with.
pub(super) struct Automata {
    pub regex: meta::Regex,
    pub stop_words: Option<AhoCorasick>,
    pub context_words: Option<AhoCorasick>,
}

/// What a rule says when its pair is near.
pub(super) struct Paired {
    pub with: u16,
    pub within_bytes: u32,
    pub confidence: Confidence,
    pub info: RuleInfo,
}

impl Compiled {
    pub fn new(rule: &Rule) -> Compiled {
        Compiled {
            automata: OnceLock::new(),
            applies: applies(rule),
            pair: None,
            proves: Proves::of(rule),
            holds: Some(stretches::bytes_of(&rule.shape.hir)).filter(|holds| !holds[usize::from(b' ')]),
            rule: rule.clone(),
        }
    }

    /// Whether matches begin where a literal does, and are not longer than is known.
    pub fn begins(&self) -> bool {
        self.rule.begins_with_anchor && self.rule.shape.longest_bytes.is_some()
    }

    /// How what it finds may be wrapped, if it proves itself.
    pub fn wrap(&self) -> Option<Wrap> {
        match self.proves {
            Proves::Token if self.holds.is_none() => Some(Wrap::Block),
            Proves::Token => Some(Wrap::Token),
            Proves::Wording => Some(Wrap::Words),
            Proves::Checked | Proves::Nothing => None,
        }
    }

    /// A window round a place in it, without what no match of the rule over that place can hold.
    pub fn narrowed(&self, text: &[u8], window: (usize, usize), place: (usize, usize)) -> (usize, usize) {
        self.holds.as_ref().map_or(window, |holds| stretches::narrowed(text, window, place, holds))
    }

    /// The automata of the rule. They are built when it first has a candidate: most rules of a process never do, and to
    /// build all would take longer than everything else at its start.
    pub fn automata(&self) -> &Automata {
        self.automata.get_or_init(|| Automata::of(&self.rule))
    }
}

impl Automata {
    fn of(rule: &Rule) -> Automata {
        let config = meta::Config::new().hybrid_cache_capacity(AUTOMATON_MAX_BYTES).nfa_size_limit(None);
        let regex = meta::Builder::new().configure(config).build_from_hir(&rule.shape.hir);
        let stop_words = (!rule.stop_words.is_empty())
            .then(|| AhoCorasick::builder().ascii_case_insensitive(true).build(&rule.stop_words));
        let context_words = rule.context.as_ref().map_or(Ok(None), |context| context::searcher(&context.words));
        Automata {
            regex: regex.expect("the size of its pattern was bounded when it was resolved"),
            stop_words: stop_words.transpose().expect(WORDS_FIT),
            context_words: context_words.expect(WORDS_FIT),
        }
    }
}

/// Two thousand million states would have to be too few.
const WORDS_FIT: &str = "a file that could be read has fewer words than an automaton can hold";

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

/// The bit of rules that look at identifiers: those that know a secret by itself. Ids are random, and stand beside the
/// names of vendors.
pub(super) const IDENTIFIERS: u16 = 1 << 15;

fn applies(rule: &Rule) -> u16 {
    let knows_it_alone = rule.info.category == Category::Secret && rule.group == 0 && !rule.gives_way;
    let identifiers = if knows_it_alone { IDENTIFIERS } else { 0 };
    let pairs = Direction::ALL.iter().flat_map(|&direction| Role::ALL.iter().map(move |&role| (direction, role)));
    pairs
        .filter(|&(direction, role)| rule.applies_to(direction, role))
        .fold(identifiers, |bits, (direction, role)| bits | applies_bit(direction, role))
}

const _: () = assert!(Role::ALL.len() < 7, "a role's code and a direction fit 15 bits");
