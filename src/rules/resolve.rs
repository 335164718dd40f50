//! From a pack as written to rules as resolved: every name is looked up, every number checked, the pattern parsed
//! and its gate proved. An error never stops the check of what stands beside it.
//!
//! It does not run examples: that needs a scanner, and is `weir rules test`.

use super::pattern::{self, Shape, TOKEN_MIN_BYTES};
use super::written::Word;
use super::{Allow, Context, Off, PackFile, Pair, Proof, Rule, Trigger, Validator, overrides, taxonomy, written};
use crate::model::{Category, Confidence, Direction, Mask, Role, RuleInfo, Severity};
use crate::yaml::plain::At;
use crate::yaml::section::closest;
use crate::yaml::{Place, PrivateFile, Problem};
use std::collections::{HashMap, HashSet};

/// Shortest anchor, in bytes: two letters are everywhere.
const ANCHOR_MIN_BYTES: usize = 3;

/// Longest next step, in characters: it is read on a telephone at night, and chat tools cut sooner than this.
const NEXT_STEP_MAX_CHARS: usize = 500;

/// Words that are in every other text and so gate nothing.
const COMMON_ANCHORS: &[&str] = &["key", "http", "https", "the", "user", "data"];

pub(super) const MASKS: &[(&str, Mask)] =
    &[("ends", Mask::Ends), ("last_four", Mask::LastFour), ("email", Mask::Email), ("length", Mask::Length)];

/// A resolved rule with the places that checks across packs need.
pub(super) struct Placed {
    pub rule: Rule,
    /// Which pack it came from, by its place in the list.
    pack: usize,
    id: Place,
    pair: Option<Place>,
    /// Who switched it off, and why.
    pub off: Option<Off>,
}

/// What is known of all packs so far.
#[derive(Default)]
pub(super) struct Packs<'p> {
    pub files: Vec<PrivateFile<'p>>,
    pub rules: Vec<Placed>,
    /// Packs that change rules of others, in their order.
    pub overriding: Vec<&'p str>,
    /// Ids as they were written, of rules that are broken too, and the first pack that has each.
    ids: HashMap<String, usize>,
}

/// Collects the problems of one file.
pub(super) struct Errors<'a> {
    pub file: &'a str,
    pub all: &'a mut Vec<Problem>,
}

impl Errors<'_> {
    /// What stands in for a value that could not be read has no place, and that it is missing was told already.
    pub fn add(&mut self, place: Place, message: impl Into<String>, remedy: impl Into<String>) {
        if place == Place::default() {
            return;
        }
        self.all.push(Problem::new(place, message, remedy));
    }

    /// Looks a name up in a closed set.
    pub fn named<T>(&mut self, what: &str, word: &Word, known: &[(&str, T)]) -> Option<T>
    where
        T: Copy,
    {
        let found = known.iter().find(|(name, _)| *name == word.value).map(|&(_, member)| member);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|&(name, _)| name).collect();
            let remedy = match closest(&word.value, &names) {
                Some(name) => format!("did you mean `{name}`? It takes {}", names.join(", ")),
                None => format!("use one of {}", names.join(", ")),
            };
            self.add(word.place, format!("there is no {what} `{}`", word.value), remedy);
        }
        found
    }

    pub fn confidence(&mut self, share: &At<f64>) -> Confidence {
        if !(0.0..=1.0).contains(&share.value) {
            self.add(
                share.place,
                format!("a confidence of {} is outside 0 to 1", share.value),
                "write a share of one, such as 0.8",
            );
        }
        Confidence::from_permille((share.value.clamp(0.0, 1.0) * 1_000.0).round() as u16)
    }
}

impl<'p> Packs<'p> {
    /// Resolves the rules of one more pack.
    pub fn add(&mut self, pack: &PackFile<'p>) {
        let (mut file, written) =
            PrivateFile::read::<written::Pack>(pack.name, pack.text, written::SHOWN, written::inherit);
        let Some(written) = written else {
            self.files.push(file);
            return;
        };
        let written::Pack { provider, rules, overrides } = written;
        if rules.is_empty() && overrides.is_empty() && file.problems.is_empty() {
            let remedy = "give it `rules`, or `overrides` of rules of other packs";
            file.problems.push(Problem::new(Place::default(), "the pack holds nothing", remedy));
        }
        let provider = provider.map(|name| name.value).unwrap_or_default();
        let before = self.rules.len();
        for rule in rules {
            self.ids.entry(rule.id.value.clone()).or_insert(self.files.len());
            let mut errors = Errors { file: pack.name, all: &mut file.problems };
            let before = errors.all.len();
            let (id, pair) = (rule.id.place, rule.pair.as_ref().map(|pair| pair.with.place));
            let resolved = resolve(rule, &provider, &mut errors);
            if let Some(rule) = resolved.filter(|_| errors.all.len() == before && id != Place::default()) {
                self.rules.push(Placed { rule, pack: self.files.len(), id, pair, off: None });
            }
        }
        if !overrides.is_empty() {
            self.overriding.push(pack.name);
        }
        let mut errors = Errors { file: pack.name, all: &mut file.problems };
        self.change(overrides, before, &mut errors);
        self.files.push(file);
    }

    /// Changes rules of the packs before the one at hand: those are the first `before` ones.
    fn change(&mut self, overrides: Vec<written::Override>, before: usize, errors: &mut Errors<'_>) {
        let mut changed = HashSet::new();
        for change in overrides {
            if !changed.insert(change.id.value.clone()) {
                let message = format!("rule `{}` is changed twice here", change.id.value);
                errors.add(change.id.place, message, "say it in one place");
                continue;
            }
            match self.ids.get(&change.id.value) {
                None => overrides::unknown(&change.id, self.ids.keys(), errors),
                Some(&holder) if holder == self.files.len() => {
                    let message = format!("rule `{}` is in this pack itself", change.id.value);
                    errors.add(change.id.place, message, "change it where it stands");
                }
                // Where it is not found it is broken, which was told.
                Some(_) => {
                    let mut earlier = self.rules[..before].iter_mut();
                    if let Some(placed) = earlier.find(|placed| placed.rule.info.id == change.id.value) {
                        overrides::apply(change, placed, errors);
                    }
                }
            }
        }
    }

    /// What no file can know alone: ids are unique, and pairs name rules that exist.
    pub fn across(&mut self) {
        let Packs { files, rules, ids, .. } = self;
        let mut first: HashMap<&str, &Placed> = HashMap::new();
        for placed in &*rules {
            let id = placed.rule.info.id.as_str();
            if let Some(other) = first.get(id) {
                let message = format!("rule `{id}` is already in {} at line {}", other.rule.file, other.id.line);
                let remedy = "give it another id, or change the first by `overrides`";
                files[placed.pack].problems.push(Problem::new(placed.id, message, remedy));
            }
            first.entry(id).or_insert(placed);
        }
        for placed in &*rules {
            let (Some(pair), Some(place)) = (&placed.rule.pair, placed.pair) else { continue };
            if !ids.contains_key(&pair.with) {
                let message = format!("there is no rule `{}` to pair with", pair.with);
                let remedy = "name a rule of these packs by its id";
                files[placed.pack].problems.push(Problem::new(place, message, remedy));
            }
        }
    }
}

fn resolve(written: written::Rule, provider: &str, errors: &mut Errors<'_>) -> Option<Rule> {
    texts(&written, errors);
    let category = errors.named("category", &written.category, &members(Category::ALL, Category::name));
    let severity = errors.named("severity", &written.severity, &members(Severity::ALL, Severity::name));
    let mask = errors.named("mask", &written.mask, MASKS);
    if let Some(category) = category {
        check_id(&written.id, category, errors);
    }
    let (pattern, shape) = pattern(&written, errors).unzip();
    let trigger = trigger(&written, shape.as_ref(), errors);
    let said = said(&written, errors);
    let type_name = match written.r#type {
        Some(name) => name.value,
        None => written.id.value.split_once('.').map_or(String::new(), |(_, name)| name.to_ascii_uppercase()),
    };
    let (trigger, anchored) = trigger?;
    let info = RuleInfo {
        id: written.id.value,
        version: written.version.value,
        category: category?,
        type_name,
        severity: severity?,
        mask: mask?,
    };
    Some(Rule {
        info,
        file: errors.file.to_string(),
        provider: provider.to_string(),
        title: written.title.value,
        description: written.description.value.trim().to_string(),
        taxonomy: plain_words(written.taxonomy),
        criteria: plain_words(written.criteria),
        references: plain_words(written.references),
        next_step: written.next_step.map(|text| text.value.trim().to_string()).unwrap_or_default(),
        confidence: said.confidence,
        alone: said.alone,
        pattern: pattern?,
        shape: shape?,
        ignore_case: written.ignore_case.value,
        group: written.group.map_or(0, |group| group.value as usize),
        trigger,
        lead_bytes: anchored.and_then(|anchored| anchored.lead_bytes),
        begins_with_anchor: anchored.is_some_and(|anchored| anchored.begins),
        validators: said.validators,
        entropy_min: written.entropy.map(|entropy| entropy.value as f32),
        stop_words: written.stop_words.into_iter().map(|word| word.value.to_ascii_lowercase()).collect(),
        context: said.context,
        proof: said.proof,
        pair: said.pair,
        allow: written.allow.map(self::allow).unwrap_or_default(),
        gives_way: written.gives_way.value,
        roles: said.roles,
        directions: said.directions,
        examples: plain_words(written.examples),
        counter_examples: plain_words(written.counter_examples),
        changes: Vec::new(),
    })
}

/// What a rule says by names and numbers, resolved before anything can end the check early.
struct Said {
    confidence: Confidence,
    alone: Option<Confidence>,
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
        alone: written.alone.as_ref().map(|share| errors.confidence(share)),
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

fn all_named<T: Copy>(what: &str, words: &[Word], known: &[(&str, T)], errors: &mut Errors<'_>) -> Vec<T> {
    words.iter().filter_map(|word| errors.named(what, word, known)).collect()
}

fn plain_words(words: Vec<Word>) -> Vec<String> {
    words.into_iter().map(|word| word.value).collect()
}

pub(super) fn members<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> Vec<(&'static str, T)> {
    all.iter().map(|&member| (name(member), member)).collect()
}

/// What has to be said and what numbers have to be.
fn texts(written: &written::Rule, errors: &mut Errors<'_>) {
    let texts = [
        ("title", Some(&written.title)),
        ("description", Some(&written.description)),
        ("type", written.r#type.as_ref()),
    ];
    for (what, text) in texts.into_iter().filter_map(|(what, text)| Some((what, text?))) {
        if text.value.trim().is_empty() {
            errors.add(text.place, format!("the {what} is empty"), "say what the rule finds and what it costs");
        }
    }
    if let Some(text) = &written.next_step {
        check_next_step(text, errors);
    }
    if written.version.value == 0 {
        errors.add(written.version.place, "versions begin at 1", "write `version: 1`");
    }
    if let Some(entropy) = written.entropy.as_ref().filter(|entropy| !(0.0..=8.0).contains(&entropy.value)) {
        errors.add(
            entropy.place,
            format!("no text has {} bits a character", entropy.value),
            "write a number of bits from 0 to 8, such as 3.5",
        );
    }
    check_stop_words(&written.stop_words, errors);
}

pub(super) fn check_next_step(text: &Word, errors: &mut Errors<'_>) {
    let length = text.value.trim().chars().count();
    if !(1..=NEXT_STEP_MAX_CHARS).contains(&length) {
        let message = format!("the next step has {length} characters");
        let remedy = format!("say what to do in at most {NEXT_STEP_MAX_CHARS} characters; the rest is for a runbook");
        errors.add(text.place, message, remedy);
    }
}

pub(super) fn check_stop_words(words: &[Word], errors: &mut Errors<'_>) {
    for word in words.iter().filter(|word| word.value.is_empty()) {
        errors.add(word.place, "an empty stop word stops everything", "take it out");
    }
}

fn check_id(id: &Word, category: Category, errors: &mut Errors<'_>) {
    let rest = id.value.strip_prefix(category.name()).and_then(|rest| rest.strip_prefix('.')).unwrap_or("");
    let fine = !rest.is_empty() && rest.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if !fine || id.value.len() > 64 {
        let remedy = format!("write it as `{}.some_name`, of at most 64 letters, digits and `_`", category.name());
        errors.add(id.place, format!("`{}` is no id of a rule of category {}", id.value, category.name()), remedy);
    }
}

/// The pattern with its short forms written out, and what is known of it.
fn pattern(written: &written::Rule, errors: &mut Errors<'_>) -> Option<(String, Shape)> {
    let expanded = pattern::expand(&written.pattern.value);
    let shaped = expanded.and_then(|text| Ok((Shape::of(&text, written.ignore_case.value)?, text)));
    let (shape, text) = match shaped {
        Ok(shaped) => shaped,
        Err(reason) => {
            let remedy = "mend the pattern: it is ASCII unless a class says `(?u:…)`, and matches 1 to 4096 bytes or has no bound";
            errors.add(written.pattern.place, format!("the pattern does not work: {reason}"), remedy);
            return None;
        }
    };
    if let Some(group) = written.group.as_ref().filter(|group| group.value as usize > shape.groups) {
        let message = format!("there is no capture {}: the pattern has {}", group.value, shape.groups);
        errors.add(group.place, message, "number the captures from 1, or leave `group` out");
    }
    Some((text, shape))
}

/// What gates a rule, and how its matches contain an anchor.
fn trigger(
    written: &written::Rule,
    shape: Option<&Shape>,
    errors: &mut Errors<'_>,
) -> Option<(Trigger, Option<pattern::Anchored>)> {
    let place = written.pattern.place;
    match (&written.anchors, &written.trigger) {
        (Some(anchors), None) if !anchors.is_empty() => {
            let before = errors.all.len();
            // What must hold a long stretch of token characters besides is tried seldom, whatever its anchors.
            let is_gated = shape.is_some_and(|shape| shape.token_min_bytes >= TOKEN_MIN_BYTES);
            anchors.iter().for_each(|anchor| check_anchor(anchor, is_gated, errors));
            let anchors: Vec<String> = anchors.iter().map(|anchor| anchor.value.clone()).collect();
            let anchored = shape?.anchored(&anchors, written.ignore_case.value);
            if anchored.is_none() {
                let remedy = "add the literals that are missing, or narrow the pattern";
                errors.add(place, "the pattern can match without any of the anchors", remedy);
            }
            let anchored = anchored.filter(|_| errors.all.len() == before)?;
            Some((Trigger::Anchors(anchors), Some(anchored)))
        }
        (None, Some(word)) if word.value == "at_sign" => {
            if shape?.anchored(&["@".to_string()], false).is_none() {
                errors.add(word.place, "the pattern can match without an `@`", "use anchors instead");
                return None;
            }
            Some((Trigger::AtSign, None))
        }
        (None, Some(word)) if word.value == "digits" => {
            let shape = shape?;
            if digits_min(written, shape) == 0 || shape.longest_bytes.is_none() {
                let remedy = "let the pattern demand digits by `[0-9]`, and bound its length";
                errors.add(word.place, "digits cannot gate this pattern", remedy);
                return None;
            }
            Some((Trigger::Digits, None))
        }
        (None, Some(word)) if word.value == "token" => {
            let shape = shape?;
            if shape.token_min_bytes < TOKEN_MIN_BYTES || shape.longest_bytes.is_none() {
                let remedy = format!(
                    "let the pattern demand at least {TOKEN_MIN_BYTES} of [A-Za-z0-9+/_-] one after the other, and bound its \
                     length"
                );
                errors.add(word.place, "a stretch of token characters cannot gate this pattern", remedy);
                return None;
            }
            Some((Trigger::Token, None))
        }
        (None, Some(word)) => {
            errors.named("trigger", word, &[("at_sign", ()), ("digits", ()), ("token", ())]);
            None
        }
        _ => {
            let remedy = "give it `anchors` or a `trigger` (at_sign, digits, token), and not both";
            errors.add(written.id.place, "nothing gates this rule, and no rule runs on every text", remedy);
            None
        }
    }
}

/// Digits that every hit has: by its pattern, or the one that a validator demands.
fn digits_min(written: &written::Rule, shape: &Shape) -> usize {
    let demands = |name: &Word| Validator::from_name(&name.value).is_some_and(Validator::demands_digit);
    shape.digits_min.max(usize::from(written.validators.iter().any(demands)))
}

fn check_anchor(anchor: &Word, is_gated: bool, errors: &mut Errors<'_>) {
    let text = anchor.value.to_ascii_lowercase();
    if text.len() < ANCHOR_MIN_BYTES || !is_gated && COMMON_ANCHORS.contains(&text.as_str()) {
        errors.add(anchor.place, "this anchor is in too many texts", "name a rarer and longer literal of the pattern");
    }
}

fn check_ids(what: &str, words: &[Word], list: &[(&'static str, &'static str)], errors: &mut Errors<'_>) {
    for word in words {
        if taxonomy::name_of(list, &word.value).is_none() {
            let known: Vec<&str> = list.iter().map(|&(id, _)| id).collect();
            let message = format!("there is no {what} `{}`", word.value);
            errors.add(word.place, message, format!("use one of {}", known.join(", ")));
        }
    }
}

pub(super) fn context(written: &written::Context, errors: &mut Errors<'_>) -> Context {
    for word in &written.words {
        if word.value.trim().is_empty() {
            errors.add(word.place, "an empty context word is always near", "take it out");
        }
    }
    let confidence = errors.confidence(&written.confidence);
    Context { words: written.words.iter().map(|word| word.value.to_ascii_lowercase()).collect(), confidence }
}

fn pair(written: &written::Pair, errors: &mut Errors<'_>) -> Option<Pair> {
    let confidence = errors.confidence(&written.confidence);
    let severity = errors.named("severity", &written.severity, &members(Severity::ALL, Severity::name))?;
    Some(Pair { with: written.with.value.clone(), within_bytes: written.within_bytes.value, severity, confidence })
}

pub(super) fn allow(written: written::Allow) -> Allow {
    let values = written.values.into_iter().map(|word| plain(&word.value)).collect();
    Allow { values, containing: written.containing.into_iter().map(|word| word.value.to_ascii_lowercase()).collect() }
}

/// Lower case, without blanks and hyphens: card numbers are grouped in many ways.
pub(super) fn plain(value: &str) -> String {
    value.chars().filter(|character| !matches!(character, ' ' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}
