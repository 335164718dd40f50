//! What a pack changes of the rules of packs before it: another severity, placeholders of the house, or that a rule is
//! not used at all.
//!
//! What a rule finds is not changed here: another pattern is another rule, and the old one can be switched off.

use super::resolve::{self, Errors, MASKS, Placed, members};
use super::written::{self, Word};
use super::{Change, Off, Rule};
use crate::model::{Confidence, Mask, Severity};
use crate::yaml::section::closest;

/// An override with its names looked up.
struct Resolved {
    severity: Option<Severity>,
    confidence: Option<Confidence>,
    mask: Option<Mask>,
    next_step: Option<String>,
    context: Option<super::Context>,
    stop_words: Vec<String>,
    allow: Option<super::Allow>,
}

/// Changes a rule, or says why not.
pub(super) fn apply(written: written::Override, placed: &mut Placed, errors: &mut Errors<'_>) {
    let before = errors.all.len();
    let id = &placed.rule.info.id;
    let reason = written.reason.as_ref().map(|reason| reason.value.trim().to_owned()).unwrap_or_default();
    let keys = keys(&written);
    if let Some(empty) = written.reason.as_ref().filter(|_| reason.is_empty()) {
        errors.add(empty.place, "the reason is empty", "say why, for whoever wonders in a year");
    }
    if let Some(off) = &placed.off {
        let remedy = format!("take this out, or the `off: true` in {}", off.file);
        errors.add(written.id.place, format!("rule `{id}` is switched off already"), remedy);
    }
    if written.off.value && written.reason.is_none() {
        let remedy = "add `reason:`, for whoever wonders in a year";
        errors.add(written.off.place, format!("nothing says why rule `{id}` is off"), remedy);
    }
    if written.off.value && !keys.is_empty() {
        let message = format!("rule `{id}` is switched off and changed at once: {}", keys.join(", "));
        errors.add(written.id.place, message, "leave one of both out");
    }
    if !written.off.value && keys.is_empty() {
        let remedy = "write `off: true`, or a key that it is to have (severity, confidence, mask, next_step, context, \
                      stop_words, allow)";
        errors.add(written.id.place, format!("nothing is changed of rule `{id}`"), remedy);
    }
    let off = written.off.value;
    let resolved = resolve(written, errors);
    if errors.all.len() > before {
        return;
    }
    let file = errors.file.to_owned();
    if off {
        placed.off = Some(Off { file, reason });
        return;
    }
    change(&mut placed.rule, resolved);
    placed.rule.changes.push(Change { file, keys, reason });
}

/// Says that no pack before has the rule.
pub(super) fn unknown<'i>(id: &Word, known: impl Iterator<Item = &'i String>, errors: &mut Errors<'_>) {
    let mut known: Vec<&str> = known.map(String::as_str).collect();
    // Of equally near ones always the same.
    known.sort_unstable();
    let first = "name the pack that has it before this one in `detection.packs`, and give that file with -c";
    let remedy = match closest(&id.value, &known) {
        Some(near) => format!("did you mean `{near}`? Else {first}"),
        None => format!("{first}; `weir rules list` prints every id"),
    };
    errors.add(id.place, format!("there is no rule `{}` in the packs before this one", id.value), remedy);
}

/// The keys that it gives, in the order of the format.
fn keys(written: &written::Override) -> Vec<&'static str> {
    let given = [
        ("severity", written.severity.is_some()),
        ("confidence", written.confidence.is_some()),
        ("mask", written.mask.is_some()),
        ("next_step", written.next_step.is_some()),
        ("context", written.context.is_some()),
        ("stop_words", !written.stop_words.is_empty()),
        ("allow", written.allow.is_some()),
    ];
    given.into_iter().filter_map(|(key, is_given)| is_given.then_some(key)).collect()
}

fn resolve(written: written::Override, errors: &mut Errors<'_>) -> Resolved {
    let severities = members(Severity::ALL, Severity::name);
    resolve::check_stop_words(&written.stop_words, errors);
    if let Some(text) = &written.next_step {
        resolve::check_next_step(text, errors);
    }
    Resolved {
        severity: written.severity.and_then(|word| errors.named("severity", &word, &severities)),
        confidence: written.confidence.map(|share| errors.confidence(&share)),
        mask: written.mask.and_then(|word| errors.named("mask", &word, MASKS)),
        next_step: written.next_step.map(|text| text.value.trim().to_owned()),
        context: written.context.map(|context| resolve::context(&context, errors)),
        stop_words: written.stop_words.into_iter().map(|word| word.value.to_ascii_lowercase()).collect(),
        allow: written.allow.map(resolve::allow),
    }
}

fn change(rule: &mut Rule, given: Resolved) {
    let Resolved { severity, confidence, mask, next_step, context, stop_words, allow } = given;
    rule.info.severity = severity.unwrap_or(rule.info.severity);
    rule.confidence = confidence.unwrap_or(rule.confidence);
    rule.info.mask = mask.unwrap_or(rule.info.mask);
    if let Some(next_step) = next_step {
        rule.next_step = next_step;
    }
    rule.context = context.or(rule.context.take());
    rule.stop_words.extend(stop_words);
    if let Some(allow) = allow {
        rule.allow.values.extend(allow.values);
        rule.allow.containing.extend(allow.containing);
    }
}
