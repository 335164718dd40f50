//! Runs the examples of every rule: what `weir rules test` says, without printing any.
//!
//! An example must give a hit of its own rule that is reported; a counter-example must give none that is. What other
//! rules say of them does not count. Of a rule whose confidence another pack changed they are not run. Rules without two
//! of each fail, and so do anchors that open too often on ordinary text, and patterns that a text can make slow.

use super::glance::Glance;
use super::{Scanner, Scratch, compile, work};
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
    /// Steps of its search over a text made for it, and over one that is longer.
    Superlinear(work::Growth),
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
            FailureKind::Superlinear(growth) => write!(
                f,
                "its search takes {} steps over {} bytes and {} over {}; bound what may follow a match (`{{0,200}}`, not \
                 `*`), so that no text makes it slow",
                growth.steps, growth.bytes, growth.more_steps, growth.more_bytes
            ),
            FailureKind::CommonAnchors { sentences, of } => {
                write!(f, "its anchors are in {sentences} of {of} ordinary sentences; choose rarer literals")
            }
        }
    }
}

/// Tests every rule, in the order of ids.
pub fn check(catalogue: &Catalogue) -> Vec<Failure> {
    let scanner = Scanner::new(catalogue);
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
        // Whoever makes a rule less sure means that its examples are no longer reported.
        let (examples, counter_examples): (&[String], &[String]) = match rule.finds_as_written() {
            true => (&rule.examples, &rule.counter_examples),
            false => (&[], &[]),
        };
        let mut reports = |text: &String| reports(&scanner, index, rule, text, &mut scratch);
        let missed = (1..).zip(examples).filter(|(_, text)| !reports(text)).map(|(example, _)| example);
        kinds.extend(missed.map(|example| FailureKind::Missed { example }));
        let wrong = (1..).zip(counter_examples).filter(|(_, text)| reports(text)).map(|(example, _)| example);
        kinds.extend(wrong.map(|counter_example| FailureKind::Reported { counter_example }));
        kinds.extend(common[index]);
        kinds.extend(work::superlinear(rule).map(FailureKind::Superlinear));
        let failure = |kind| Failure { file: rule.file.clone(), rule: rule.info.id.clone(), kind };
        failures.extend(kinds.into_iter().map(failure));
    }
    failures
}

/// Whether a rule reports something in a text, said in the first direction and role that it looks at.
fn reports(scanner: &Scanner, index: usize, rule: &Rule, text: &str, scratch: &mut Scratch) -> bool {
    let direction = rule.directions.first().copied().unwrap_or(Direction::Input);
    let usual = if direction == Direction::Input { Role::User } else { Role::Assistant };
    let role = rule.roles.first().copied().unwrap_or(usual);
    scanner.scan_text(text, compile::applies_bit(direction, role), &mut scratch.glance, &mut scratch.text);
    scratch.text.found.iter().any(|hit| usize::from(hit.rule) == index && hit.confidence.is_reported())
}

/// By rule: its failure, when its anchors are in too many ordinary sentences.
fn common_anchors(scanner: &Scanner) -> Vec<Option<FailureKind>> {
    let of = BENIGN.lines().count();
    let mut sentences = vec![0; scanner.rules.len()];
    let mut glance = Glance::default();
    for line in BENIGN.lines() {
        glance.look(line);
        let mut rules = scanner.anchors.rules_in(line, &glance);
        // An anchor that is everywhere costs nothing where the rule is not tried all the same.
        rules.retain(|&rule| glance.stretches.allow_whole(&scanner.rules[usize::from(rule)].rule.shape));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::PackFile;

    const PACK: &str = "
rules:
  - id: secret.acme_key
    title: Acme key
    description: Opens the gates of Acme.
    category: secret
    severity: high
    confidence: 0.9
    mask: ends
    pattern: '\\bacme_[a-z]{8}\\b'
    anchors: [acme_]
    taxonomy: []
    criteria: []
    references: []
    examples: [acme_qwertyui, 'key: acme_asdfghjk']
    counter_examples: [acme_, acme_short]
";

    fn failures(packs: &[&str]) -> Vec<FailureKind> {
        let packs: Vec<PackFile<'_>> = packs.iter().map(|text| PackFile { name: "p.yaml", text }).collect();
        let catalogue = Catalogue::load(&packs).unwrap_or_else(|problems| panic!("{problems}"));
        check(&catalogue).into_iter().map(|failure| failure.kind).collect()
    }

    /// One rule for each way to be bad, and what is said of it.
    #[test]
    fn bad_rules_are_refused() {
        assert_eq!(failures(&[PACK]), []);
        let table: &[(&[(&str, &str)], FailureKind)] = &[
            (&[("acme_qwertyui,", "acme_QWERTYUI,")], FailureKind::Missed { example: 1 }),
            (&[("acme_short", "acme_toolongest, acme_asdfghjk")], FailureKind::Reported { counter_example: 3 }),
            (&[("acme_qwertyui, ", "")], FailureKind::TooFewExamples { found: 1 }),
            (&[("acme_, ", "")], FailureKind::TooFewCounterExamples { found: 1 }),
            (
                &[("'\\bacme_[a-z]{8}\\b'", "'(?:acme_|with )[a-z]{8}\\b'"), ("[acme_]", "[acme_, 'with ']")],
                FailureKind::CommonAnchors { sentences: 5, of: 40 },
            ),
        ];
        for (changes, expected) in table {
            let text = changes.iter().fold(PACK.to_owned(), |text, (from, to)| {
                assert!(text.contains(from), "{from}");
                text.replace(from, to)
            });
            let found = failures(&[&text]);
            assert_eq!(found.len(), 1, "{changes:?}: {found:?}");
            // How many sentences have the word is theirs to say.
            let same = std::mem::discriminant(&found[0]) == std::mem::discriminant(expected);
            assert!(
                same && (matches!(expected, FailureKind::CommonAnchors { .. }) || found[0] == *expected),
                "{found:?}"
            );
        }
    }

    #[test]
    fn superlinear_rules_are_refused() {
        let with = |pattern: &str| PACK.replace("\\bacme_[a-z]{8}\\b", pattern);
        for pattern in ["acme_[a-z]{8}(?u:[^;]*;)?", "acme_[a-z]{8}(?: [a-z_ ]+;)?", "acme_[a-z]{8}(?:(?:\\s+\\w+)*!)?"]
        {
            let found = failures(&[&with(pattern)]);
            assert!(matches!(found[..], [.., FailureKind::Superlinear(_)]), "{pattern}: {found:?}");
        }
        for pattern in ["acme_[a-z]{8}[a-z]*\\b", "acme_[a-z]{8,}", "acme_[a-z]{8}(?u:[^;]{0,200};)?"] {
            assert_eq!(failures(&[&with(pattern)]), [], "{pattern}");
        }
    }

    /// Whoever makes a rule less sure does not break its examples.
    #[test]
    fn examples_of_changed_rules_are_not_run() {
        let change = |what: &str| failures(&[PACK, &format!("overrides: [{{ id: secret.acme_key, {what} }}]")]);
        assert_eq!(change("confidence: 0.1"), []);
        assert_eq!(change("severity: low"), []);
    }
}
