//! Rules as data: packs as they are written, rules as they are resolved, and the catalogue of them.
//!
//! A rule has three shapes. *As written* (`rules/written.rs`) is the YAML of a pack, every value with its place. *As
//! resolved* ([`Rule`]) is checked and typed: names became enums, the pattern is parsed and measured, and it is
//! proved that nothing can match without the literal or the trigger that gates the rule. *As compiled* belongs to
//! detection. Every error of every pack is reported at once, with file, line, column and what to do about it.
//!
//! This room reads no files (packs come as text) and searches no text.

pub mod pattern;
mod resolve;
pub mod taxonomy;
mod written;

use crate::model::{Confidence, Direction, Role, RuleInfo, Severity, closed_set};
use crate::yaml::Problems;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;

/// The packs that the binary carries, in the order of their names: every file below `pipelines/packs`.
pub const BUILT_IN: &[PackFile<'static>] = include!(concat!(env!("OUT_DIR"), "/packs.rs"));

/// The text of a pack and the name by which errors and the digest know it.
#[derive(Clone, Copy)]
pub struct PackFile<'a> {
    /// Path as the user knows it: `packs/secrets/acme.yaml`.
    pub name: &'a str,
    pub text: &'a str,
}

closed_set! {
    /// A check of a candidate that no pattern can express. Detection implements them.
    Validator {
        Standalone = 1 "standalone",
        Card = 2 "card",
        Iban = 3 "iban",
        Ssn = 4 "ssn",
        Phone = 5 "phone",
        Ipv4 = 6 "ipv4",
        GithubCrc = 7 "github_crc",
        JwtHeader = 8 "jwt_header",
        TokenShape = 9 "token_shape",
        DataQuery = 10 "data_query",
        Random = 91 "random",
        RandomMixed = 92 "random_mixed",
        Password = 93 "password",
        PasswordMixed = 94 "password_mixed",
        SecretValue = 95 "secret_value",
    }
}

/// What must be near before the pattern of a rule is tried at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// One of these literals, which every match is proved to contain.
    Anchors(Vec<String>),
    /// An `@`, which every match is proved to contain.
    AtSign,
    /// As many digits as every match is proved to contain, within its longest length.
    Digits,
    /// As long a stretch of token characters ([`pattern::is_token`]) as every match is proved to contain.
    Token,
}

/// Words whose nearness makes a match more credible.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// Lower case; they match whole words, whatever their case.
    pub words: Vec<String>,
    pub confidence: Confidence,
}

/// A check that makes a match nearly certain when it succeeds, and costs it nothing when it fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    pub validator: Validator,
    pub confidence: Confidence,
}

/// Another rule whose match near by makes this one worse: a key id beside its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Id of the other rule.
    pub with: String,
    /// Greatest distance between the two values.
    pub within_bytes: u32,
    pub severity: Severity,
    pub confidence: Confidence,
}

/// Documented examples and test numbers: counted, but far below the reporting threshold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Whole values, in lower case and without blanks and hyphens.
    pub values: Vec<String>,
    /// Pieces of values, in lower case.
    pub containing: Vec<String>,
}

/// A rule as resolved. See the packs for what each field means to its writer.
#[derive(Clone, Debug)]
pub struct Rule {
    pub info: RuleInfo,
    /// The pack it came from.
    pub file: String,
    /// Who issues what it finds; empty where nobody does.
    pub provider: String,
    /// One line for people: `AWS access key id`.
    pub title: String,
    /// What it is and what an attacker gains.
    pub description: String,
    /// OWASP LLM Top 10 and MITRE ATLAS ids.
    pub taxonomy: Vec<String>,
    /// SOC 2 criteria.
    pub criteria: Vec<String>,
    pub references: Vec<String>,
    /// What to do about a finding, for the person who is paged; empty: what the category says.
    pub next_step: String,
    /// Before context, proof, pair and allow list.
    pub confidence: Confidence,
    /// With its short forms written out; parsed and measured in `shape`.
    pub pattern: String,
    pub shape: pattern::Shape,
    /// Whether ASCII case counts in pattern and anchors.
    pub ignore_case: bool,
    /// Which capture is the value; 0 is the whole match.
    pub group: usize,
    pub trigger: Trigger,
    /// All of them must hold.
    pub validators: Vec<Validator>,
    /// Least Shannon entropy of the value, in bits a character.
    pub entropy_min: Option<f32>,
    /// Lower case; a value that contains one is a placeholder, not a hit.
    pub stop_words: Vec<String>,
    pub context: Option<Context>,
    pub proof: Option<Proof>,
    pub pair: Option<Pair>,
    pub allow: Allow,
    /// Whether it gives way to a more specific rule of its category whose value overlaps.
    pub gives_way: bool,
    /// Empty for all.
    pub roles: Vec<Role>,
    /// Empty for both.
    pub directions: Vec<Direction>,
    pub examples: Vec<String>,
    pub counter_examples: Vec<String>,
}

impl Allow {
    /// Whether a value is a documented example.
    pub fn covers(&self, value: &str) -> bool {
        if self.values.is_empty() && self.containing.is_empty() {
            return false;
        }
        let lower = value.to_ascii_lowercase();
        self.values.contains(&resolve::plain(value)) || self.containing.iter().any(|piece| lower.contains(piece))
    }
}

impl Rule {
    /// Whether the rule looks at messages of this direction and role.
    pub fn applies_to(&self, direction: Direction, role: Role) -> bool {
        (self.directions.is_empty() || self.directions.contains(&direction))
            && (self.roles.is_empty() || self.roles.contains(&role))
    }
}

/// Every rule that is in force, by id.
#[derive(Clone)]
pub struct Catalogue {
    rules: Vec<Rule>,
    by_id: HashMap<String, usize>,
    digest: String,
}

impl Catalogue {
    /// Parses and resolves packs. Reports everything that is wrong with them at once.
    pub fn load(packs: &[PackFile<'_>]) -> Result<Catalogue, Problems> {
        let mut all = resolve::Packs::default();
        packs.iter().for_each(|pack| all.add(pack));
        all.across();
        let mut problems = Problems::default();
        all.files.into_iter().for_each(|file| problems.append(file.into_problems()));
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut rules: Vec<Rule> = all.rules.into_iter().map(|placed| placed.rule).collect();
        rules.sort_by(|a, b| a.info.id.cmp(&b.info.id));
        let by_id = rules.iter().enumerate().map(|(index, rule)| (rule.info.id.clone(), index)).collect();
        Ok(Catalogue { rules, by_id, digest: digest(packs) })
    }

    /// The packs that the binary carries.
    pub fn built_in() -> Catalogue {
        Catalogue::load(BUILT_IN).unwrap_or_else(|errors| panic!("a built-in pack is broken: {errors}"))
    }

    /// The rule with this id.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.by_id.get(id).map(|&index| &self.rules[index])
    }

    /// Every rule, by id.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// SHA-256 in hex over names and texts of the packs in the order of their names: two catalogues with the same
    /// digest find the same.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalogue({} rules, {})", self.rules.len(), self.digest)
    }
}

/// Lengths stand before names and texts, so that bytes cannot move from one to the other unseen.
fn digest(packs: &[PackFile<'_>]) -> String {
    let mut sorted: Vec<&PackFile<'_>> = packs.iter().collect();
    sorted.sort_by(|a, b| (a.name, a.text).cmp(&(b.name, b.text)));
    let mut hash = Sha256::new();
    for pack in sorted {
        for text in [pack.name, pack.text] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
