//! A pack as written: the YAML, typed only as far as its shape goes. Values that can be wrong in themselves carry
//! their place, so that the error names it. Unknown keys are errors: a misspelt `counter_examples` must not be a
//! rule without any.

use serde::Deserialize;
use serde_saphyr::Spanned;

type Word = Spanned<String>;

/// A file of rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pack {
    pub rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub id: Word,
    pub version: Spanned<u32>,
    pub title: Word,
    pub description: Word,
    pub category: Word,
    #[serde(rename = "type")]
    pub type_name: Word,
    pub severity: Word,
    pub confidence: Spanned<f64>,
    pub mask: Word,
    pub pattern: Word,
    #[serde(default)]
    pub ignore_case: bool,
    #[serde(default)]
    pub group: Option<Spanned<usize>>,
    #[serde(default)]
    pub anchors: Option<Vec<Word>>,
    #[serde(default)]
    pub trigger: Option<Word>,
    #[serde(default)]
    pub validators: Vec<Word>,
    #[serde(default)]
    pub entropy: Option<Spanned<f64>>,
    #[serde(default)]
    pub stop_words: Vec<Word>,
    #[serde(default)]
    pub context: Option<Context>,
    #[serde(default)]
    pub proof: Option<Proof>,
    #[serde(default)]
    pub pair: Option<Pair>,
    #[serde(default)]
    pub allow: Option<Allow>,
    #[serde(default)]
    pub gives_way: bool,
    #[serde(default)]
    pub roles: Vec<Word>,
    #[serde(default)]
    pub directions: Vec<Word>,
    pub taxonomy: Vec<Word>,
    pub criteria: Vec<Word>,
    pub references: Vec<Word>,
    #[serde(default)]
    pub next_step: Option<Word>,
    pub examples: Vec<String>,
    pub counter_examples: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Context {
    pub words: Vec<Word>,
    pub confidence: Spanned<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    pub validator: Word,
    pub confidence: Spanned<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    pub with: Word,
    pub within_bytes: u32,
    pub severity: Word,
    pub confidence: Spanned<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Allow {
    #[serde(default)]
    pub values: Vec<Word>,
    #[serde(default)]
    pub containing: Vec<Word>,
}
