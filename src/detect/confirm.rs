//! From a match to a hit, or to nothing: validators, entropy, stop words; then how sure it is. A match of which a rule
//! is not sure at all (bare digits without a word that says what they are) is no hit.
//!
//! The scanner and the naive loop call the same function: they differ in where they look, not in what they believe.

use super::compile::Compiled;
use super::validate::Candidate;
use super::{context, entropy, validate};
use crate::model::Confidence;

/// What is left of the confidence in a documented example: far below the reporting threshold, but counted.
const EXAMPLE_CONFIDENCE_PERMILLE: u16 = 100;

const _: () = assert!(EXAMPLE_CONFIDENCE_PERMILLE < crate::limits::REPORT_CONFIDENCE_PERMILLE);

/// How sure the rule is of this match; `None` when it is none of its hits. Spans are byte ranges of `text`.
pub(super) fn confirm(
    compiled: &Compiled,
    text: &str,
    whole: (usize, usize),
    value: (usize, usize),
) -> Option<Confidence> {
    let (rule, automata) = (&compiled.rule, compiled.automata());
    let candidate = Candidate { text, start: value.0, end: value.1 };
    let fails = rule.validators.iter().any(|&validator| !validate::holds(validator, &candidate))
        || rule.entropy_min.is_some_and(|least| entropy::bits_per_byte(candidate.value().as_bytes()) < least)
        || automata.stop_words.as_ref().is_some_and(|words| words.is_match(candidate.value()));
    if fails {
        return None;
    }
    let mut confidence = rule.confidence;
    if let Some(alone) = rule.alone
        && alone > confidence
        && context::is_alone(text, value)
    {
        confidence = alone;
    }
    if let (Some(context), Some(words)) = (&rule.context, &automata.context_words)
        && context.confidence > confidence
        && context::near(words, text, whole, value)
    {
        confidence = context.confidence;
    }
    if let Some(proof) = &rule.proof
        && proof.confidence > confidence
        && validate::holds(proof.validator, &candidate)
    {
        confidence = proof.confidence;
    }
    if confidence.permille() == 0 {
        return None;
    }
    if rule.allow.covers(candidate.value()) {
        return Some(Confidence::from_permille(EXAMPLE_CONFIDENCE_PERMILLE));
    }
    Some(confidence)
}
