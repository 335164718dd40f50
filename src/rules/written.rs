//! A pack as written: its keys and their types, each value with its place, so that what is wrong with it names it.
//! Unknown keys are problems: a misspelt `counter_examples` must not be a rule without any.
//!
//! `pipelines/schemas/pack.schema.json` says the same to editors, with the names that `resolve.rs` looks up.

use crate::yaml::plain::At;
use crate::yaml::section::section;
use crate::yaml::{Entry, Node, Place, Problem, Value};

pub(super) type Word = At<String>;

/// The keys whose values may be printed: names of closed sets, numbers and ids. All others may hold what a rule
/// looks for, and people paste what they found.
pub(super) const SHOWN: &[&str] = &[
    "provider",
    "id",
    "version",
    "category",
    "type",
    "severity",
    "confidence",
    "alone",
    "mask",
    "ignore_case",
    "group",
    "trigger",
    "validators",
    "validator",
    "entropy",
    "within_bytes",
    "with",
    "gives_way",
    "roles",
    "directions",
    "taxonomy",
    "criteria",
    "off",
];

/// What a pack may say once for all of its rules.
const INHERITED: &[&str] = &[
    "version",
    "category",
    "severity",
    "confidence",
    "alone",
    "mask",
    "ignore_case",
    "validators",
    "entropy",
    "stop_words",
    "roles",
    "directions",
    "taxonomy",
    "criteria",
    "references",
    "next_step",
];

/// Hands the pack's `defaults` to each rule that does not say otherwise. Their places stay those of the defaults, so
/// that what is wrong with one is told once.
pub(super) fn inherit(pack: &mut Node, problems: &mut Vec<Problem>) {
    let Value::Map(entries) = &mut pack.value else { return };
    let Some(at) = entries.iter().position(|entry| entry.key == "defaults") else { return };
    let defaults = entries.remove(at);
    let Value::Map(mut inherited) = defaults.node.value else {
        problems.push(Problem::new(
            defaults.key_place,
            "defaults is no mapping",
            "give it keys, such as `severity: high`",
        ));
        return;
    };
    inherited.retain(|entry| {
        let known = INHERITED.contains(&&*entry.key);
        if !known {
            let remedy = format!("say it in each rule; defaults may have {}", INHERITED.join(", "));
            problems.push(Problem::new(entry.key_place, format!("defaults cannot have `{}`", entry.key), remedy));
        }
        known
    });
    let Some(Value::List(rules)) =
        entries.iter_mut().find(|entry| entry.key == "rules").map(|rules| &mut rules.node.value)
    else {
        return;
    };
    for rule in rules {
        let Value::Map(said) = &mut rule.value else { continue };
        let missing = inherited.iter().filter(|entry| said.iter().all(|own| own.key != entry.key));
        let missing: Vec<Entry> = missing.cloned().collect();
        said.extend(missing);
    }
}

section! {
    /// A file of rules.
    Pack {
        /// Who issues what these rules find.
        provider: Option<Word>,
        /// The rules of this pack.
        rules: Vec<Rule> = Vec::new(),
        /// What it changes of rules of packs before it.
        overrides: Vec<Override> = Vec::new(),
    }
    later []
}

section! {
    /// What a pack changes of one rule of a pack before it.
    Override {
        /// The rule's id.
        id: Word,
        /// Whether the rule is not used at all.
        off: At<bool> = At::default(),
        /// Why, for whoever wonders; a rule that is off must have one.
        reason: Option<Word>,
        /// Instead of the rule's.
        severity: Option<Word>,
        /// Instead of the rule's.
        confidence: Option<At<f64>>,
        /// Instead of the rule's.
        mask: Option<Word>,
        /// Instead of the rule's.
        next_step: Option<Word>,
        /// Instead of the rule's.
        context: Option<Context>,
        /// Besides the rule's.
        stop_words: Vec<Word> = Vec::new(),
        /// Besides the rule's.
        allow: Option<Allow>,
    }
    later []
}

section! {
    /// A rule.
    Rule {
        /// `<category>.<name>`, unique over all packs.
        id: Word,
        /// Goes up whenever the meaning of the rule changes.
        version: At<u32> = At { value: 1, place: Place::default() },
        /// One line for people.
        title: Word,
        /// What it is, and what an attacker gains.
        description: Word,
        /// What a finding is about.
        category: Word,
        /// What was found, for machines: Presidio's name of it where it has one. Without it: the name of the id.
        r#type: Option<Word>,
        /// How bad a finding is.
        severity: Word,
        /// From 0 to 1, before context, proof and pair; at 0 only what raises it makes a hit.
        confidence: At<f64>,
        /// From 0 to 1, when the value is the whole of its part but for blanks, quotes and a label.
        alone: Option<At<f64>>,
        /// What evidence shows of a value.
        mask: Word,
        /// A regular expression, in which `{{is}}` and `{{near}}` stand for what joins a name to its value.
        pattern: Word,
        /// Whether upper and lower case are the same.
        ignore_case: At<bool> = At::default(),
        /// Which capture is the value.
        group: Option<At<u32>>,
        /// Literals one of which every match contains.
        anchors: Option<Vec<Word>>,
        /// `at_sign` or `digits`, instead of anchors.
        trigger: Option<Word>,
        /// Checks that must all hold.
        validators: Vec<Word> = Vec::new(),
        /// Least entropy of the value, in bits a character.
        entropy: Option<At<f64>>,
        /// Pieces that make a value a placeholder.
        stop_words: Vec<Word> = Vec::new(),
        /// Words near by that make it more credible.
        context: Option<Context>,
        /// A check that makes it nearly certain.
        proof: Option<Proof>,
        /// Another rule whose match near by makes it worse.
        pair: Option<Pair>,
        /// Documented examples and test numbers.
        allow: Option<Allow>,
        /// Whether a more specific rule wins.
        gives_way: At<bool> = At::default(),
        /// Whose messages it looks at; all when absent.
        roles: Vec<Word> = Vec::new(),
        /// Input, output or both.
        directions: Vec<Word> = Vec::new(),
        /// OWASP LLM Top 10 and MITRE ATLAS ids.
        taxonomy: Vec<Word>,
        /// SOC 2 criteria.
        criteria: Vec<Word>,
        /// Links.
        references: Vec<Word>,
        /// What whoever is woken does first.
        next_step: Option<Word>,
        /// Texts that it must find.
        examples: Vec<Word>,
        /// Texts that it must not find.
        counter_examples: Vec<Word>,
    }
    later []
}

section! {
    /// Words near by that make a match more credible.
    Context {
        /// Whole words, in any case; a blank in one stands for `_`, `-` or nothing too.
        words: Vec<Word>,
        /// From 0 to 1.
        confidence: At<f64>,
    }
    later []
}

section! {
    /// A check that makes a match nearly certain.
    Proof {
        /// Its name.
        validator: Word,
        /// From 0 to 1.
        confidence: At<f64>,
    }
    later []
}

section! {
    /// Another rule whose match near by makes this one worse.
    Pair {
        /// Its id.
        with: Word,
        /// Greatest distance between the two values.
        within_bytes: At<u32>,
        /// How bad both are together.
        severity: Word,
        /// From 0 to 1.
        confidence: At<f64>,
    }
    later []
}

section! {
    /// Documented examples and test numbers.
    Allow {
        /// Whole values.
        values: Vec<Word> = Vec::new(),
        /// Pieces of values.
        containing: Vec<Word> = Vec::new(),
    }
    later []
}
