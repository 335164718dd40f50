//! Runs the examples of every rule: what `weir rules test` says, without printing any.
//!
//! An example must give a hit of its own rule that is reported; a counter-example must give none that is. What other
//! rules say of them does not count. Rules without two of each fail, and so do anchors that open too often on
//! ordinary text.

use super::{CompileError, Scanner, Scratch, compile, stretches};
use crate::model::{Direction, Role};
use crate::rules::{Catalogue, Rule};
use std::fmt;

/// Ordinary sentences, one a line.
const BENIGN: &str = include_str!("../rules/benign.txt");

/// Most of the ordinary sentences in which the anchors of one rule may occur, in percent.
const BENIGN_MAX_PERCENT: usize = 5;

/// Least examples, and least counter-examples, of a rule.
const EXAMPLES_MIN: usize = 2;

/// A rule that does not do what its pack says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub file: String,
    pub rule: String,
    pub kind: FailureKind,
}

/// What failed. Examples are named by their place in the list, from 1: they may be real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// An example gives no reported hit.
    Missed {
        example: usize,
    },
    /// A counter-example gives a reported hit.
    Reported {
        counter_example: usize,
    },
    TooFewExamples {
        found: usize,
    },
    TooFewCounterExamples {
        found: usize,
    },
    /// In how many of the ordinary sentences its anchors are.
    CommonAnchors {
        sentences: usize,
        of: usize,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: rule `{}`: ", self.file, self.rule)?;
        match self.kind {
            FailureKind::Missed { example } => {
                write!(f, "example {example} is not found; mend the example or the rule")
            }
            FailureKind::Reported { counter_example } => {
                write!(f, "counter-example {counter_example} is found; mend the counter-example or narrow the rule")
            }
            FailureKind::TooFewExamples { found } => {
                write!(f, "it has {found} examples; give it at least {EXAMPLES_MIN}")
            }
            FailureKind::TooFewCounterExamples { found } => {
                write!(f, "it has {found} counter-examples; give it at least {EXAMPLES_MIN}")
            }
            FailureKind::CommonAnchors { sentences, of } => {
                write!(f, "its anchors are in {sentences} of {of} ordinary sentences; choose rarer literals")
            }
        }
    }
}

/// Tests every rule, in the order of ids.
pub fn check(catalogue: &Catalogue) -> Result<Vec<Failure>, CompileError> {
    let scanner = Scanner::new(catalogue)?;
    let mut scratch = Scratch::default();
    let common = common_anchors(&scanner);
    let mut failures = Vec::new();
    for (index, rule) in catalogue.rules().iter().enumerate() {
        let mut kinds = Vec::new();
        let (found, found_counter) = (rule.examples.len(), rule.counter_examples.len());
        if found < EXAMPLES_MIN {
            kinds.push(FailureKind::TooFewExamples { found });
        }
        if found_counter < EXAMPLES_MIN {
            kinds.push(FailureKind::TooFewCounterExamples { found: found_counter });
        }
        let mut reports = |text: &String| reports(&scanner, index, rule, text, &mut scratch);
        let missed = (1..).zip(&rule.examples).filter(|(_, text)| !reports(text)).map(|(example, _)| example);
        kinds.extend(missed.map(|example| FailureKind::Missed { example }));
        let wrong = (1..).zip(&rule.counter_examples).filter(|(_, text)| reports(text)).map(|(example, _)| example);
        kinds.extend(wrong.map(|counter_example| FailureKind::Reported { counter_example }));
        kinds.extend(common[index]);
        let failure = |kind| Failure { file: rule.file.clone(), rule: rule.info.id.clone(), kind };
        failures.extend(kinds.into_iter().map(failure));
    }
    Ok(failures)
}

/// Whether a rule reports something in a text, said in the first direction and role that it looks at.
fn reports(scanner: &Scanner, index: usize, rule: &Rule, text: &str, scratch: &mut Scratch) -> bool {
    let direction = rule.directions.first().copied().unwrap_or(Direction::Input);
    let usual = if direction == Direction::Input { Role::User } else { Role::Assistant };
    let role = rule.roles.first().copied().unwrap_or(usual);
    scanner.scan_text(text, compile::applies_bit(direction, role), scratch);
    scratch.found.iter().any(|hit| usize::from(hit.rule) == index && hit.confidence.is_reported())
}

/// By rule: its failure, when its anchors are in too many ordinary sentences.
fn common_anchors(scanner: &Scanner) -> Vec<Option<FailureKind>> {
    let of = BENIGN.lines().count();
    let mut sentences = vec![0; scanner.rules.len()];
    let mut found = Vec::new();
    for line in BENIGN.lines() {
        stretches::find(line, &mut found);
        let mut rules = scanner.anchors.rules_in(line);
        // An anchor that is everywhere costs nothing where the rule is not tried all the same.
        rules.retain(|&rule| {
            let shape = &scanner.rules[usize::from(rule)].rule.shape;
            stretches::allow(&found, 0..line.len(), shape.token_min_bytes)
        });
        rules.sort_unstable();
        rules.dedup();
        rules.into_iter().for_each(|rule| sentences[usize::from(rule)] += 1);
    }
    let common = |sentences: usize| sentences * 100 > of * BENIGN_MAX_PERCENT;
    sentences
        .into_iter()
        .map(|sentences| common(sentences).then_some(FailureKind::CommonAnchors { sentences, of }))
        .collect()
}
