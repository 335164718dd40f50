//! From a pack as written to rules as resolved: every name is looked up, every number checked, the pattern parsed
//! and its gate proved. An error never stops the check of what stands beside it.
//!
//! It does not run examples: that needs a scanner, and is `weir rules test`.

use super::pattern::Shape;
use super::{Allow, Context, PackError, PackFile, Pair, Proof, Rule, Trigger, Validator, taxonomy, written};
use crate::model::{Category, Confidence, Direction, Mask, Role, RuleInfo, Severity};
use serde_saphyr::{Location, Options, Spanned};
use std::collections::HashMap;

/// Shortest anchor, in bytes: two letters are everywhere.
const ANCHOR_MIN_BYTES: usize = 3;

/// Longest next step, in characters: it is read on a telephone at night, and chat tools cut sooner than this.
const NEXT_STEP_MAX_CHARS: usize = 500;

/// Words that are in every other text and so gate nothing.
const COMMON_ANCHORS: &[&str] = &["key", "token", "secret", "password", "http", "https", "the", "user", "data"];

const MASKS: &[(&str, Mask)] =
    &[("ends", Mask::Ends), ("last_four", Mask::LastFour), ("email", Mask::Email), ("length", Mask::Length)];

/// A resolved rule with the places that checks across packs need.
pub(super) struct Placed {
    pub rule: Rule,
    id: Location,
    pair: Option<Location>,
}

/// Collects the errors of one file.
struct Errors<'a> {
    file: &'a str,
    all: &'a mut Vec<PackError>,
}

impl Errors<'_> {
    fn add(&mut self, place: Location, message: impl Into<String>, remedy: impl Into<String>) {
        self.all.push(error(self.file, place, message.into(), remedy.into()));
    }

    /// Looks a name up in a closed set.
    fn named<T>(&mut self, what: &str, word: &Spanned<String>, known: &[(&str, T)]) -> Option<T>
    where
        T: Copy,
    {
        let found = known.iter().find(|(name, _)| *name == word.value).map(|&(_, member)| member);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|&(name, _)| name).collect();
            self.add(
                word.referenced,
                format!("there is no {what} `{}`", word.value),
                format!("use one of {}", names.join(", ")),
            );
        }
        found
    }

    fn confidence(&mut self, share: &Spanned<f64>) -> Confidence {
        if !(0.0..=1.0).contains(&share.value) {
            self.add(
                share.referenced,
                format!("a confidence of {} is outside 0 to 1", share.value),
                "write a share of one, such as 0.8",
            );
        }
        Confidence::from_permille((share.value.clamp(0.0, 1.0) * 1_000.0).round() as u16)
    }
}

fn error(file: &str, place: Location, message: String, remedy: String) -> PackError {
    PackError { file: file.to_string(), line: place.line(), column: place.column(), message, remedy }
}

/// Resolves the rules of one pack.
pub(super) fn pack(pack: &PackFile<'_>, rules: &mut Vec<Placed>, errors: &mut Vec<PackError>) {
    let mut options = Options::default();
    // A snippet would quote the pack, whose examples may be real.
    options.with_snippet = false;
    let written: written::Pack = match serde_saphyr::from_str_with_options(pack.text, options) {
        Ok(written) => written,
        Err(failure) => {
            let place = failure.location().unwrap_or(Location::UNKNOWN);
            let text = failure.render();
            let message = text.lines().next().unwrap_or_default().to_string();
            errors.push(error(
                pack.name,
                place,
                message,
                "mend the YAML; `weir rules show` prints a rule that is right".into(),
            ));
            return;
        }
    };
    let mut errors = Errors { file: pack.name, all: errors };
    for rule in written.rules {
        let before = errors.all.len();
        let (id, pair) = (rule.id.referenced, rule.pair.as_ref().map(|pair| pair.with.referenced));
        let resolved = resolve(rule, &mut errors);
        if let Some(rule) = resolved.filter(|_| errors.all.len() == before) {
            rules.push(Placed { rule, id, pair });
        }
    }
}

/// What no file can know alone: ids are unique, and pairs name rules that exist.
pub(super) fn across(rules: &[Placed], errors: &mut Vec<PackError>) {
    let mut first: HashMap<&str, &Placed> = HashMap::new();
    for placed in rules {
        let id = placed.rule.info.id.as_str();
        if let Some(other) = first.get(id) {
            let message = format!("rule `{id}` is already in {} at line {}", other.rule.file, other.id.line());
            errors.push(error(
                &placed.rule.file,
                placed.id,
                message,
                "give it another id, or take one of the two out".into(),
            ));
        }
        first.entry(id).or_insert(placed);
    }
    for placed in rules {
        let (Some(pair), Some(place)) = (&placed.rule.pair, placed.pair) else { continue };
        if !first.contains_key(pair.with.as_str()) {
            let message = format!("there is no rule `{}` to pair with", pair.with);
            errors.push(error(&placed.rule.file, place, message, "name a rule of these packs by its id".into()));
        }
    }
}

fn resolve(written: written::Rule, errors: &mut Errors<'_>) -> Option<Rule> {
    texts(&written, errors);
    let category = errors.named("category", &written.category, &members(Category::ALL, Category::name));
    let severity = errors.named("severity", &written.severity, &members(Severity::ALL, Severity::name));
    let mask = errors.named("mask", &written.mask, MASKS);
    if let Some(category) = category {
        check_id(&written.id, category, errors);
    }
    let shape = shape(&written, errors);
    let trigger = trigger(&written, shape.as_ref(), errors);
    let said = said(&written, errors);
    let info = RuleInfo {
        id: written.id.value,
        version: written.version.value,
        category: category?,
        type_name: written.type_name.value,
        severity: severity?,
        mask: mask?,
    };
    Some(Rule {
        info,
        file: errors.file.to_string(),
        title: written.title.value,
        description: written.description.value.trim().to_string(),
        taxonomy: plain_words(written.taxonomy),
        criteria: plain_words(written.criteria),
        references: plain_words(written.references),
        next_step: written.next_step.map(|text| text.value.trim().to_string()).unwrap_or_default(),
        confidence: said.confidence,
        pattern: written.pattern.value,
        shape: shape?,
        ignore_case: written.ignore_case,
        group: written.group.map_or(0, |group| group.value),
        trigger: trigger?,
        validators: said.validators,
        entropy_min: written.entropy.map(|entropy| entropy.value as f32),
        stop_words: written.stop_words.into_iter().map(|word| word.value.to_ascii_lowercase()).collect(),
        context: said.context,
        proof: said.proof,
        pair: said.pair,
        allow: written.allow.map(self::allow).unwrap_or_default(),
        gives_way: written.gives_way,
        roles: said.roles,
        directions: said.directions,
        examples: written.examples,
        counter_examples: written.counter_examples,
    })
}

/// What a rule says by names and numbers, resolved before anything can end the check early.
struct Said {
    confidence: Confidence,
    validators: Vec<Validator>,
    context: Option<Context>,
    proof: Option<Proof>,
    pair: Option<Pair>,
    roles: Vec<Role>,
    directions: Vec<Direction>,
}

fn said(written: &written::Rule, errors: &mut Errors<'_>) -> Said {
    let validators = members(Validator::ALL, Validator::name);
    check_ids("taxonomy id", &written.taxonomy, taxonomy::TAXONOMY, errors);
    check_ids("criterion", &written.criteria, taxonomy::CRITERIA, errors);
    Said {
        confidence: errors.confidence(&written.confidence),
        validators: all_named("validator", &written.validators, &validators, errors),
        context: written.context.as_ref().map(|context| self::context(context, errors)),
        proof: written.proof.as_ref().and_then(|proof| {
            let confidence = errors.confidence(&proof.confidence);
            Some(Proof { validator: errors.named("validator", &proof.validator, &validators)?, confidence })
        }),
        pair: written.pair.as_ref().and_then(|pair| self::pair(pair, errors)),
        roles: all_named("role", &written.roles, &members(Role::ALL, Role::name), errors),
        directions: all_named("direction", &written.directions, &members(Direction::ALL, Direction::name), errors),
    }
}

fn all_named<T: Copy>(what: &str, words: &[Spanned<String>], known: &[(&str, T)], errors: &mut Errors<'_>) -> Vec<T> {
    words.iter().filter_map(|word| errors.named(what, word, known)).collect()
}

fn plain_words(words: Vec<Spanned<String>>) -> Vec<String> {
    words.into_iter().map(|word| word.value).collect()
}

fn members<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> Vec<(&'static str, T)> {
    all.iter().map(|&member| (name(member), member)).collect()
}

/// What has to be said and what numbers have to be.
fn texts(written: &written::Rule, errors: &mut Errors<'_>) {
    for (what, text) in [("title", &written.title), ("description", &written.description), ("type", &written.type_name)]
    {
        if text.value.trim().is_empty() {
            errors.add(text.referenced, format!("the {what} is empty"), "say what the rule finds and what it costs");
        }
    }
    if let Some(text) = &written.next_step {
        let length = text.value.trim().chars().count();
        if !(1..=NEXT_STEP_MAX_CHARS).contains(&length) {
            let message = format!("the next step has {length} characters");
            let remedy =
                format!("say what to do in at most {NEXT_STEP_MAX_CHARS} characters; the rest is for a runbook");
            errors.add(text.referenced, message, remedy);
        }
    }
    if written.version.value == 0 {
        errors.add(written.version.referenced, "versions begin at 1", "write `version: 1`");
    }
    if let Some(entropy) = written.entropy.as_ref().filter(|entropy| !(0.0..=8.0).contains(&entropy.value)) {
        errors.add(
            entropy.referenced,
            format!("no text has {} bits a character", entropy.value),
            "write a number of bits from 0 to 8, such as 3.5",
        );
    }
    for word in &written.stop_words {
        if word.value.is_empty() {
            errors.add(word.referenced, "an empty stop word stops everything", "take it out");
        }
    }
}

fn check_id(id: &Spanned<String>, category: Category, errors: &mut Errors<'_>) {
    let rest = id.value.strip_prefix(category.name()).and_then(|rest| rest.strip_prefix('.')).unwrap_or("");
    let fine = !rest.is_empty() && rest.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if !fine || id.value.len() > 64 {
        let remedy = format!("write it as `{}.some_name`, of at most 64 letters, digits and `_`", category.name());
        errors.add(id.referenced, format!("`{}` is no id of a rule of category {}", id.value, category.name()), remedy);
    }
}

fn shape(written: &written::Rule, errors: &mut Errors<'_>) -> Option<Shape> {
    let shape = match Shape::of(&written.pattern.value, written.ignore_case) {
        Ok(shape) => shape,
        Err(reason) => {
            let remedy = "mend the pattern: it is ASCII unless a class says `(?u:…)`, and matches 1 to 4096 bytes or has no bound";
            errors.add(written.pattern.referenced, format!("the pattern does not work: {reason}"), remedy);
            return None;
        }
    };
    if let Some(group) = written.group.as_ref().filter(|group| group.value > shape.groups) {
        let message = format!("there is no capture {}: the pattern has {}", group.value, shape.groups);
        errors.add(group.referenced, message, "number the captures from 1, or leave `group` out");
    }
    Some(shape)
}

fn trigger(written: &written::Rule, shape: Option<&Shape>, errors: &mut Errors<'_>) -> Option<Trigger> {
    let place = written.pattern.referenced;
    match (&written.anchors, &written.trigger) {
        (Some(anchors), None) if !anchors.is_empty() => {
            let before = errors.all.len();
            anchors.iter().for_each(|anchor| check_anchor(anchor, errors));
            let anchors: Vec<String> = anchors.iter().map(|anchor| anchor.value.clone()).collect();
            if !shape?.always_contains(&anchors, written.ignore_case) {
                let remedy = "add the literals that are missing, or narrow the pattern";
                errors.add(place, "the pattern can match without any of the anchors", remedy);
            }
            (errors.all.len() == before).then_some(Trigger::Anchors(anchors))
        }
        (None, Some(word)) if word.value == "at_sign" => {
            if !shape?.always_contains(&["@".to_string()], false) {
                errors.add(word.referenced, "the pattern can match without an `@`", "use anchors instead");
                return None;
            }
            Some(Trigger::AtSign)
        }
        (None, Some(word)) if word.value == "digits" => {
            let shape = shape?;
            if shape.digits_min == 0 || shape.longest_bytes.is_none() {
                let remedy = "let the pattern demand digits by `[0-9]`, and bound its length";
                errors.add(word.referenced, "digits cannot gate this pattern", remedy);
                return None;
            }
            Some(Trigger::Digits)
        }
        (None, Some(word)) => {
            errors.named("trigger", word, &[("at_sign", ()), ("digits", ())]);
            None
        }
        _ => {
            let remedy = "give it `anchors`, or `trigger: at_sign` or `trigger: digits`, and not both";
            errors.add(written.id.referenced, "nothing gates this rule, and no rule runs on every text", remedy);
            None
        }
    }
}

fn check_anchor(anchor: &Spanned<String>, errors: &mut Errors<'_>) {
    let text = anchor.value.to_ascii_lowercase();
    if text.len() < ANCHOR_MIN_BYTES || COMMON_ANCHORS.contains(&text.as_str()) {
        let message = format!("the anchor `{}` is in too many texts", anchor.value);
        errors.add(anchor.referenced, message, "name a rarer and longer literal of the pattern");
    }
}

fn check_ids(what: &str, words: &[Spanned<String>], list: &[(&'static str, &'static str)], errors: &mut Errors<'_>) {
    for word in words {
        if taxonomy::name_of(list, &word.value).is_none() {
            let known: Vec<&str> = list.iter().map(|&(id, _)| id).collect();
            let message = format!("there is no {what} `{}`", word.value);
            errors.add(word.referenced, message, format!("use one of {}", known.join(", ")));
        }
    }
}

fn context(written: &written::Context, errors: &mut Errors<'_>) -> Context {
    for word in &written.words {
        if word.value.trim().is_empty() {
            errors.add(word.referenced, "an empty context word is always near", "take it out");
        }
    }
    let confidence = errors.confidence(&written.confidence);
    Context { words: written.words.iter().map(|word| word.value.to_ascii_lowercase()).collect(), confidence }
}

fn pair(written: &written::Pair, errors: &mut Errors<'_>) -> Option<Pair> {
    let confidence = errors.confidence(&written.confidence);
    let severity = errors.named("severity", &written.severity, &members(Severity::ALL, Severity::name))?;
    Some(Pair { with: written.with.value.clone(), within_bytes: written.within_bytes, severity, confidence })
}

fn allow(written: written::Allow) -> Allow {
    let values = written.values.into_iter().map(|word| plain(&word.value)).collect();
    Allow { values, containing: written.containing.into_iter().map(|word| word.value.to_ascii_lowercase()).collect() }
}

/// Lower case, without blanks and hyphens: card numbers are grouped in many ways.
pub(super) fn plain(value: &str) -> String {
    value.chars().filter(|character| !matches!(character, ' ' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}
