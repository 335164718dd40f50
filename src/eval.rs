//! How well the rules do on labelled texts: what they find, what they miss and what they raise false alarm about.
//!
//! A corpus is read line by line into [`File`]s of outcomes; every figure is made of those, and none keeps a text. What
//! counts is told at the reporting threshold, but outcomes keep the confidence, so that another threshold can be
//! chosen on some files and tried on the rest ([`left_out`]).
//!
//! This room opens no file and prints nothing. It trains nothing either.

use crate::decode::{self, Bounds};
use crate::detect::{Scanner, Scratch};
use crate::limits::REPORT_CONFIDENCE_PERMILLE;
use crate::model::evidence::MaskKey;
use crate::model::facts::{FactHit, Facts};
use crate::model::reject::Reject;
use crate::model::{Category, Confidence, Event, Hits, Position, closed_set};
use crate::rules::Catalogue;
use bumpalo::Bump;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

closed_set! {
    /// What is to be found.
    Task { Secret = 1 "secret", Pii = 2 "pii", Injection = 3 "injection" }
}

impl Task {
    /// Whether a hit of this category counts.
    fn looks_for(self, category: Category) -> bool {
        match self {
            Task::Secret => category == Category::Secret,
            Task::Pii => category == Category::Pii,
            Task::Injection => matches!(category, Category::Injection | Category::Jailbreak),
        }
    }

    /// Labels of texts in which there is something to be found.
    pub fn positive(self) -> &'static [&'static str] {
        match self {
            Task::Secret => &["secret"],
            Task::Pii => &["pii"],
            Task::Injection => &["injection", "indirect_injection", "jailbreak"],
        }
    }

    /// Labels of texts in which nothing is.
    pub fn negative(self) -> &'static [&'static str] {
        match self {
            Task::Secret => &["benign"],
            Task::Pii => &["benign", "no_pii"],
            Task::Injection => &["benign", "benign_system_prompt"],
        }
    }

    /// Share of the texts without anything that may be flagged, unless another is asked for. Wording is told from wording
    /// less surely than values by their form. Of personal data all may be: texts that are harmless hold addresses and
    /// dates too, so that their share says more of the corpus than of the rules.
    pub fn fpr_max(self) -> f64 {
        match self {
            Task::Secret => 0.001,
            Task::Pii => 1.0,
            Task::Injection => 0.01,
        }
    }
}

/// What is evaluated, and how its labels are read.
pub struct Plan {
    pub task: Task,
    pub positive: BTreeSet<String>,
    pub negative: BTreeSet<String>,
    /// Types of the corpus that go by another name here: `ADDRESS` is `LOCATION`.
    pub same: BTreeMap<String, String>,
    /// Types that some rule finds. Spans of others are counted apart.
    pub types: BTreeSet<String>,
}

impl Plan {
    /// The usual labels of a task.
    pub fn new(task: Task, catalogue: &Catalogue) -> Plan {
        let owned = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect();
        let rules = catalogue.rules().iter().filter(|rule| task.looks_for(rule.info.category));
        Plan {
            task,
            positive: owned(task.positive()),
            negative: owned(task.negative()),
            same: BTreeMap::new(),
            types: rules.map(|rule| rule.info.type_name.clone()).collect(),
        }
    }

    fn type_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.same.get(name).map_or(name, String::as_str)
    }
}

/// A line of a corpus, beside what `weir scan --format text` reads of it.
#[derive(Deserialize)]
struct Labels<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    label: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
    /// Start, end and type of what is to be found, in Unicode scalars; the end is exclusive.
    #[serde(default)]
    spans: Vec<(u32, u32, String)>,
    /// What a near miss is not.
    #[serde(borrow, default)]
    entity: Option<Cow<'a, str>>,
}

/// One thing that was to be found, or was found and should not have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it was to be found.
    pub is_positive: bool,
    /// A text that holds nothing; only of these is there a false-alarm rate.
    pub is_text: bool,
    /// Of the surest hit; `None` when there was none.
    pub permille: Option<u16>,
}

/// Something that went wrong, by the id of its line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wrong {
    pub file: String,
    pub id: String,
    /// The rule that raised a false alarm, or the type that was missed; empty when only the text is known.
    pub what: String,
}

/// Right and wrong hits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub right: u64,
    pub wrong: u64,
}

impl Count {
    fn add(&mut self, is_right: bool) {
        *if is_right { &mut self.right } else { &mut self.wrong } += 1;
    }
}

/// A hit beside every span of its text.
#[derive(Debug)]
struct Beside {
    type_name: String,
    rule: String,
    id: String,
    confidence: Confidence,
}

/// What came of one file.
#[derive(Debug, Default)]
pub struct File {
    pub name: String,
    pub outcomes: Vec<Outcome>,
    /// Lines whose label is neither positive nor negative.
    pub others: u64,
    /// Of near misses of personal data, how many were taken for what they are not, and how many there are.
    pub near_misses: (u64, u64),
    pub bytes: u64,
    /// Types of its spans.
    types: BTreeSet<String>,
    beside: Vec<Beside>,
}

/// What came of all files.
#[derive(Debug, Default)]
pub struct Evaluation {
    pub files: Vec<File>,
    /// By rule, at the threshold.
    pub rules: BTreeMap<String, Count>,
    /// By type: found, raised in vain, missed.
    pub types: BTreeMap<String, Outcomes>,
    /// Hits by tenth of their confidence, those below the threshold too.
    pub reliability: [Count; 11],
    pub missed: Vec<Wrong>,
    pub false_alarms: Vec<Wrong>,
    /// Spans of types that no rule finds, by type.
    pub not_looked_for: BTreeMap<String, u64>,
}

/// Figures of a set of outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// To be found, and found.
    pub positives: u64,
    pub found: u64,
    /// Texts that hold nothing, and those of them that were flagged.
    pub negatives: u64,
    pub flagged: u64,
    /// False alarms: flagged texts, and hits beside every span.
    pub wrong: u64,
}

impl Outcomes {
    /// Counts at a threshold.
    pub fn at<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, threshold_permille: u16) -> Outcomes {
        let mut counted = Outcomes::default();
        for outcome in outcomes {
            let is_told = outcome.permille.is_some_and(|permille| permille >= threshold_permille);
            if outcome.is_positive {
                counted.positives += 1;
                counted.found += u64::from(is_told);
            } else {
                counted.negatives += u64::from(outcome.is_text);
                counted.flagged += u64::from(outcome.is_text && is_told);
                counted.wrong += u64::from(is_told);
            }
        }
        counted
    }

    /// Share of what was to be found.
    pub fn recall(&self) -> Option<f64> {
        share(self.found, self.positives)
    }

    /// Share of the texts without anything that were flagged.
    pub fn false_alarm_rate(&self) -> Option<f64> {
        share(self.flagged, self.negatives)
    }

    /// Share of the right among all that was told.
    pub fn precision(&self) -> Option<f64> {
        share(self.found, self.found + self.wrong)
    }

    /// Harmonic mean of precision and recall.
    pub fn f1(&self) -> Option<f64> {
        let missed = self.positives - self.found;
        share(2 * self.found, 2 * self.found + self.wrong + missed)
    }
}

fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

/// A line that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    #[error("no labelled text: give it `text` and `label`, and `spans` as [[start, end, \"TYPE\"]]")]
    NoLabel,
    #[error("{}: {}", .0.reason, .0.detail)]
    Reject(Reject),
    #[error("a span ends before it begins or beyond the text")]
    Span,
}

/// Evaluates file by file.
pub struct Evaluator<'s> {
    scanner: &'s Scanner,
    plan: Plan,
    scratch: Scratch,
    done: Evaluation,
}

impl<'s> Evaluator<'s> {
    pub fn new(scanner: &'s Scanner, plan: Plan) -> Self {
        Evaluator { scanner, plan, scratch: Scratch::default(), done: Evaluation::default() }
    }

    /// Begins a file; the lines that follow are its.
    pub fn file(&mut self, name: &str) {
        self.done.end_file();
        self.done.files.push(File { name: name.to_owned(), ..File::default() });
    }

    /// Evaluates one line. `scan` is called round the scan alone, so that it can be timed.
    pub fn line(&mut self, line: &[u8], mut scan: impl FnMut(&mut dyn FnMut())) -> Result<(), BadLine> {
        let arena = Bump::new();
        let mut labels: Labels<'_> = serde_json::from_slice(line).map_err(|_| BadLine::NoLabel)?;
        let position = Position { topic: "corpus", partition: 0, offset: 0 };
        let event = Event { position, timestamp_ms: 0, payload: Some(line), format_header: None };
        let mut interaction = decode::decode_text(&event, Bounds::default(), &arena).map_err(BadLine::Reject)?;
        let scalars = labels.text.chars().count() as u32;
        if labels.spans.iter().any(|(start, end, _)| start >= end || *end > scalars) {
            return Err(BadLine::Span);
        }
        let key = MaskKey::none();
        // A corpus may name its lines by what they hold.
        let own_id = interaction.source_id;
        self.scanner.mask_identifiers(&mut interaction, &key, &arena, &mut self.scratch);
        if interaction.source_id != own_id {
            labels.id = Cow::Owned(interaction.source_id.to_owned());
        }
        let mut hits = Hits::default();
        scan(&mut || hits = self.scanner.scan(&interaction, &arena, &mut self.scratch));
        let facts = Facts::new(&interaction, &hits, event.timestamp_ms, &key);
        let told = facts.hits.iter().filter(|hit| self.plan.task.looks_for(hit.category));
        let told: Vec<&FactHit<'_>> = told.collect();
        self.done.judge(&self.plan, &labels, &told);
        Ok(())
    }

    /// What came of all of it.
    pub fn finish(mut self) -> Evaluation {
        self.done.end_file();
        self.done
    }
}

/// Whether a hit is what a span says.
fn is(hit: &FactHit<'_>, plan: &Plan, (start, end, type_name): &(u32, u32, String)) -> bool {
    hit.start < *end && *start < hit.end && hit.type_name == plan.type_name(type_name)
}

impl Evaluation {
    fn judge(&mut self, plan: &Plan, labels: &Labels<'_>, told: &[&FactHit<'_>]) {
        let file = self.files.last_mut().expect("a file was begun");
        file.bytes += labels.text.len() as u64;
        let (positive, negative) = (plan.positive.contains(&*labels.label), plan.negative.contains(&*labels.label));
        if let Some(entity) = labels.entity.as_deref().filter(|_| !positive) {
            let taken =
                told.iter().any(|told| told.confidence.is_reported() && told.type_name == plan.type_name(entity));
            file.near_misses.0 += u64::from(taken);
            file.near_misses.1 += 1;
        }
        if !positive && !negative {
            file.others += 1;
        } else if positive && !labels.spans.is_empty() {
            self.spans(plan, labels, told);
        } else {
            self.text(positive, labels, told);
        }
    }

    /// A text of which only its label is known.
    fn text(&mut self, is_positive: bool, labels: &Labels<'_>, told: &[&FactHit<'_>]) {
        let surest = told.iter().map(|told| told.confidence).max();
        let file = self.files.last_mut().expect("a file was begun");
        file.outcomes.push(Outcome { is_positive, is_text: true, permille: surest.map(Confidence::permille) });
        let name = file.name.clone();
        told.iter().for_each(|told| self.hit(told.rule, told.confidence, is_positive));
        let wrong = |what: &str| Wrong { file: name.clone(), id: labels.id.to_string(), what: what.to_owned() };
        if is_positive {
            self.missed.extend((!surest.is_some_and(Confidence::is_reported)).then(|| wrong("")));
        } else {
            self.false_alarms
                .extend(told.iter().filter(|told| told.confidence.is_reported()).map(|told| wrong(told.rule)));
        }
    }

    /// A text of which every span is known: each span is to be found, and a hit of a type of this text's corpus beside
    /// all of them is a false alarm.
    fn spans(&mut self, plan: &Plan, labels: &Labels<'_>, told: &[&FactHit<'_>]) {
        for span in &labels.spans {
            let type_name = plan.type_name(&span.2);
            if !plan.types.contains(type_name) {
                *self.not_looked_for.entry(type_name.to_owned()).or_default() += 1;
                continue;
            }
            let surest = told.iter().filter(|told| is(told, plan, span)).map(|told| told.confidence).max();
            let permille = surest.map(Confidence::permille);
            self.outcome(type_name, Outcome { is_positive: true, is_text: false, permille });
            let file = self.files.last_mut().expect("a file was begun");
            file.types.insert(type_name.to_owned());
            let missed = Wrong { file: file.name.clone(), id: labels.id.to_string(), what: type_name.to_owned() };
            self.missed.extend((!surest.is_some_and(Confidence::is_reported)).then_some(missed));
        }
        let (right, beside): (Vec<&FactHit<'_>>, Vec<&FactHit<'_>>) =
            told.iter().partition(|told| labels.spans.iter().any(|span| is(told, plan, span)));
        right.into_iter().for_each(|told| self.hit(told.rule, told.confidence, true));
        let file = self.files.last_mut().expect("a file was begun");
        file.beside.extend(beside.into_iter().map(|told| Beside {
            type_name: told.type_name.to_owned(),
            rule: told.rule.to_owned(),
            id: labels.id.to_string(),
            confidence: told.confidence,
        }));
    }

    /// Judges the hits beside every span of the last file: false alarms, where the file labels their type at all. What
    /// a corpus does not label may be there all the same.
    fn end_file(&mut self) {
        let Some(file) = self.files.last_mut() else { return };
        let mut beside = std::mem::take(&mut file.beside);
        beside.retain(|hit| file.types.contains(&hit.type_name));
        let name = file.name.clone();
        for Beside { type_name, rule, id, confidence } in beside {
            self.hit(&rule, confidence, false);
            let permille = Some(confidence.permille());
            self.outcome(&type_name, Outcome { is_positive: false, is_text: false, permille });
            let wrong = Wrong { file: name.clone(), id, what: rule };
            self.false_alarms.extend(confidence.is_reported().then_some(wrong));
        }
    }

    fn outcome(&mut self, type_name: &str, outcome: Outcome) {
        self.files.last_mut().expect("a file was begun").outcomes.push(outcome);
        let counted = Outcomes::at([&outcome], REPORT_CONFIDENCE_PERMILLE);
        let all = self.types.entry(type_name.to_owned()).or_default();
        all.positives += counted.positives;
        all.found += counted.found;
        all.wrong += counted.wrong;
    }

    fn hit(&mut self, rule: &str, confidence: Confidence, is_right: bool) {
        let tenth = usize::from(confidence.permille() / 100).min(self.reliability.len() - 1);
        self.reliability[tenth].add(is_right);
        if confidence.is_reported() {
            self.rules.entry(rule.to_owned()).or_default().add(is_right);
        }
    }

    /// All outcomes at the reporting threshold.
    pub fn all(&self) -> Outcomes {
        Outcomes::at(self.files.iter().flat_map(|file| &file.outcomes), REPORT_CONFIDENCE_PERMILLE)
    }
}

/// A file at the threshold that was chosen on all the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub file: String,
    pub threshold_permille: u16,
    pub outcomes: Outcomes,
    /// All other files at that threshold.
    pub others: Outcomes,
}

/// Thresholds that are tried.
const THRESHOLDS_PERMILLE: std::ops::RangeInclusive<u16> = 1..=19;
const THRESHOLD_STEP_PERMILLE: u16 = 50;

/// Leaves out one file after the other: the threshold is chosen on the rest, as an operator would (`threshold_for`), and
/// tried on it. The one number that could be fitted to a corpus is so measured on files that it was not fitted to; the
/// rules themselves stay as they are.
pub fn left_out(evaluation: &Evaluation, fpr_max: f64) -> Vec<LeftOut> {
    let files = &evaluation.files;
    let one = |(index, file): (usize, &File)| {
        let others =
            || files.iter().enumerate().filter(|(other, _)| *other != index).flat_map(|(_, file)| &file.outcomes);
        let threshold_permille = threshold_for(others, fpr_max);
        LeftOut {
            file: file.name.clone(),
            threshold_permille,
            outcomes: Outcomes::at(&file.outcomes, threshold_permille),
            others: Outcomes::at(others(), threshold_permille),
        }
    };
    files.iter().enumerate().map(one).collect()
}

/// The threshold that does best by F1 of those that flag no more of the texts without anything than may be; where all
/// flag more, the one that flags least. F1 alone would buy a few finds with any number of false alarms, as long as the
/// corpus is short of texts without anything; in traffic nearly all texts are such.
fn threshold_for<'a, I>(outcomes: impl Fn() -> I, fpr_max: f64) -> u16
where
    I: Iterator<Item = &'a Outcome>,
{
    let excess = |of: &Outcomes| (of.false_alarm_rate().unwrap_or_default() - fpr_max).max(0.0);
    // Of equals the one nearest to what weir uses.
    let near = |threshold: u16| threshold.abs_diff(REPORT_CONFIDENCE_PERMILLE);
    let thresholds = THRESHOLDS_PERMILLE.map(|step| step * THRESHOLD_STEP_PERMILLE);
    let scored = thresholds.map(|threshold| (Outcomes::at(outcomes(), threshold), threshold));
    let best = scored.min_by(|(a, at_a), (b, at_b)| {
        let by_f1 = b.f1().unwrap_or_default().total_cmp(&a.f1().unwrap_or_default());
        excess(a).total_cmp(&excess(b)).then(by_f1).then(near(*at_a).cmp(&near(*at_b)))
    });
    best.map_or(REPORT_CONFIDENCE_PERMILLE, |(_, threshold)| threshold)
}

#[cfg(test)]
mod tests;
