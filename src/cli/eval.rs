//! `weir eval`: how well the rules do on labelled texts of one's own.
//!
//! What counts as found is said in the eval room; here files are read, the scan is timed, and figures are printed. No
//! text and no value is: lines are named by their ids.

use super::Exit;
use super::lines::{self, Line};
use crate::detect::Scanner;
use crate::eval::{Count, Evaluation, Evaluator, LeftOut, Outcomes, Plan, Task, Wrong, left_out};
use crate::limits;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HELP: &str = "\
Corpora are files of one JSON object a line, or folders of such files (.jsonl, .ndjson):
  {\"id\": \"a1\", \"text\": \"...\", \"label\": \"secret\", \"role\": \"user\"}
  {\"id\": \"b1\", \"text\": \"...\", \"label\": \"pii\", \"spans\": [[3, 19, \"EMAIL_ADDRESS\"]]}
`label` says whether there is something to be found; `role` is system, user, assistant, tool or document (user
without it); `spans` are start, end (exclusive, in Unicode scalars) and type of each thing to be found: with them every
span counts by itself, and hits of the same types beside them are false alarms. A line with another label counts
nowhere; with an `entity` it is a near miss of that type, and it is counted how many were taken for it.

Recall: share of what was to be found. FPR: share of the texts without anything that were flagged. Precision and F1 are
over both. Left out: each file at the threshold that an operator would choose on all the others: the best F1 of those
that flag no more texts without anything than --fpr-max.";

/// Says how well the rules do on labelled texts
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// What is to be found
    #[arg(long, value_name = "CATEGORY", value_parser = Task::named)]
    category: Task,
    /// The pipeline file, for its packs; without it the default packs
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Labels of texts in which there is something to be found, instead of the usual ones
    #[arg(long, value_name = "LABEL", value_delimiter = ',')]
    positive: Vec<String>,
    /// Labels of texts in which there is nothing, instead of the usual ones
    #[arg(long, value_name = "LABEL", value_delimiter = ',')]
    negative: Vec<String>,
    /// A type of the corpus that has another name here: ADDRESS=LOCATION
    #[arg(long, value_name = "TYPE=TYPE", value_delimiter = ',', value_parser = same)]
    same: Vec<(String, String)>,
    /// Share of texts without anything that the threshold of a file left out may flag on the others [default: 0.001 for
    /// secret, 0.01 for injection, 1 for pii]
    #[arg(long, value_name = "SHARE", value_parser = fraction)]
    fpr_max: Option<f64>,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    /// Names the lines that were missed or falsely flagged, by their ids
    #[arg(long)]
    wrong: bool,
    /// Files and folders
    #[arg(value_name = "CORPUS", required = true)]
    corpora: Vec<PathBuf>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Table,
    Ndjson,
}

fn same(text: &str) -> Result<(String, String), String> {
    let (theirs, ours) = text.split_once('=').ok_or("expected TYPE=TYPE")?;
    Ok((theirs.to_owned(), ours.to_owned()))
}

fn fraction(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a share from 0 to 1".to_owned())
}

/// Evaluates, and prints the figures. Lines that cannot be used make it fail, after all figures, and so do labels of which
/// none counts.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let catalogue = super::catalogue_of(args.config.as_deref())?;
    let scanner = Scanner::new(&catalogue);
    let mut plan = Plan::new(args.category, &catalogue);
    for (labels, given) in [(&mut plan.positive, &args.positive), (&mut plan.negative, &args.negative)] {
        if !given.is_empty() {
            *labels = given.iter().cloned().collect();
        }
    }
    plan.same.extend(args.same.iter().cloned());
    let mut files = Vec::new();
    for path in &args.corpora {
        files_of(path, &mut files)?;
    }
    let mut evaluator = Evaluator::new(&scanner, plan);
    let (mut bad, mut spent) = (0u64, Duration::ZERO);
    for path in &files {
        bad += read(path, &mut evaluator, &mut spent)?;
    }
    let done = evaluator.finish();
    let out = &mut io::BufWriter::new(io::stdout().lock());
    let report = Report { done: &done, args: &args, spent };
    match args.output {
        Output::Table => report.table(out)?,
        Output::Ndjson => report.ndjson(out)?,
    }
    out.flush()?;
    if bad > 0 {
        say!("{bad} lines could not be used");
        return Ok(Exit::Failed);
    }
    let judged: usize = done.files.iter().map(|file| file.outcomes.len()).sum();
    if judged == 0 {
        say!("no line has a label that counts: name yours with --positive and --negative");
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// A file as it is, the corpora of a folder by name.
fn files_of(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let mut found = super::entries_of(path)?;
    found.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl" || extension == "ndjson"));
    anyhow::ensure!(!found.is_empty(), "{} holds no corpus: files that end in .jsonl or .ndjson", path.display());
    files.append(&mut found);
    Ok(())
}

/// Evaluates a file and returns how many of its lines could not be used.
fn read(path: &Path, evaluator: &mut Evaluator<'_>, spent: &mut Duration) -> anyhow::Result<u64> {
    let reading = || format!("reading {}", path.display());
    let file = std::fs::File::open(path).with_context(reading)?;
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    evaluator.file(&name);
    let mut bad = 0;
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    for number in 1_u64.. {
        match lines::next(&mut reader, &mut line, limits::EVENT_MAX_BYTES).with_context(reading)? {
            Line::End => break,
            Line::TooLong { bytes } => {
                bad += 1;
                say!("{}:{number}: {bytes} bytes; {} are the most", path.display(), limits::EVENT_MAX_BYTES);
                continue;
            }
            Line::Whole => {}
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let timed = |scan: &mut dyn FnMut()| {
            let start = Instant::now();
            scan();
            *spent += start.elapsed();
        };
        if let Err(error) = evaluator.line(&line, timed) {
            bad += 1;
            say!("{}:{number}: {error}", path.display());
        }
    }
    Ok(bad)
}

struct Report<'r> {
    done: &'r Evaluation,
    args: &'r Args,
    spent: Duration,
}

impl Report<'_> {
    fn bytes(&self) -> u64 {
        self.done.files.iter().map(|file| file.bytes).sum()
    }

    fn mb_per_s(&self) -> f64 {
        self.bytes() as f64 / 1e6 / self.spent.as_secs_f64().max(1e-9)
    }

    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let done = self.done;
        writeln!(out, "{:32} {}", "file", HEAD)?;
        for (file, outcomes) in self.files() {
            let (taken, near) = file.near_misses;
            let mut notes = Vec::new();
            notes.extend((file.others > 0).then(|| format!("{} lines of other labels", file.others)));
            notes.extend((near > 0).then(|| format!("{taken} of {near} near misses taken")));
            writeln!(out, "{:32} {}  {}", file.name, cells(&outcomes), notes.join(", "))?;
        }
        writeln!(out, "{:32} {}", "all", cells(&done.all()))?;
        if done.files.len() > 1 {
            writeln!(out, "\n{:32} threshold {}", "left out", HEAD)?;
            let left_out = self.left_out();
            for one in &left_out {
                writeln!(out, "{:32} {:>9.2} {}", one.file, share(one.threshold_permille), cells(&one.outcomes))?;
            }
            writeln!(out, "{:32} {:>9} {}", "all, each at its threshold", "", cells(&sum(&left_out)))?;
        }
        if !done.types.is_empty() {
            writeln!(out, "\n{:32} {}", "type", HEAD)?;
            for (name, outcomes) in &done.types {
                writeln!(out, "{name:32} {}", cells(outcomes))?;
            }
        }
        for (name, spans) in &done.not_looked_for {
            writeln!(out, "{name:32} {spans:>9} spans; no rule finds this type")?;
        }
        writeln!(out, "\n{:40} {:>7} {:>7} {:>7}", "rule", "right", "wrong", "right %")?;
        for (name, count) in &done.rules {
            writeln!(out, "{name:40} {}", counts(count))?;
        }
        writeln!(out, "\n{:40} {:>7} {:>7} {:>7}", "confidence", "right", "wrong", "right %")?;
        for (tenth, count) in done.reliability.iter().enumerate().filter(|(_, count)| **count != Count::default()) {
            writeln!(out, "{:40} {}", tenths(tenth), counts(count))?;
        }
        if self.args.wrong {
            for (title, list) in [("missed", &done.missed), ("false alarms", &done.false_alarms)] {
                writeln!(out, "\n{title}")?;
                for Wrong { file, id, what } in list {
                    writeln!(out, "{file:32} {id:44} {what}")?;
                }
            }
        }
        let (mb, seconds) = (self.bytes() as f64 / 1e6, self.spent.as_secs_f64());
        writeln!(out, "\n{mb:.1} MB scanned in {seconds:.2} s by one thread: {:.0} MB/s", self.mb_per_s())
    }

    fn ndjson(&self, out: &mut dyn Write) -> io::Result<()> {
        let done = self.done;
        for (file, outcomes) in self.files() {
            let mut line = figures("file", &file.name, &outcomes);
            line["others"] = file.others.into();
            (line["near_misses_taken"], line["near_misses"]) = (file.near_misses.0.into(), file.near_misses.1.into());
            writeln!(out, "{line}")?;
        }
        for one in self.left_out() {
            let mut line = figures("left_out", &one.file, &one.outcomes);
            line["threshold"] = json!(share(one.threshold_permille));
            writeln!(out, "{line}")?;
        }
        for (name, outcomes) in &done.types {
            writeln!(out, "{}", figures("type", name, outcomes))?;
        }
        for (name, count) in &done.rules {
            writeln!(out, "{}", json!({ "kind": "rule", "name": name, "right": count.right, "wrong": count.wrong }))?;
        }
        for (tenth, count) in done.reliability.iter().enumerate() {
            let line = json!({ "kind": "confidence", "from": tenth as f64 / 10.0, "right": count.right, "wrong": count.wrong });
            writeln!(out, "{line}")?;
        }
        for (kind, list) in [("missed", &done.missed), ("false_alarm", &done.false_alarms)] {
            for Wrong { file, id, what } in list.iter().filter(|_| self.args.wrong) {
                writeln!(out, "{}", json!({ "kind": kind, "file": file, "id": id, "what": what }))?;
            }
        }
        let mut all = figures("all", "", &done.all());
        (all["bytes"], all["seconds"], all["mb_per_s"]) =
            (self.bytes().into(), json!(self.spent.as_secs_f64()), json!(self.mb_per_s()));
        writeln!(out, "{all}")
    }

    fn left_out(&self) -> Vec<LeftOut> {
        left_out(self.done, self.args.fpr_max.unwrap_or(self.args.category.fpr_max()))
    }

    fn files(&self) -> impl Iterator<Item = (&crate::eval::File, Outcomes)> {
        let threshold = limits::REPORT_CONFIDENCE_PERMILLE;
        self.done.files.iter().map(move |file| (file, Outcomes::at(&file.outcomes, threshold)))
    }
}

const HEAD: &str = "positives  found  recall  negatives  flagged     FPR  precision     F1";

fn cells(outcomes: &Outcomes) -> String {
    let Outcomes { positives, found, negatives, flagged, .. } = *outcomes;
    let share = |share: Option<f64>, digits: usize| share.map_or("-".into(), |share| format!("{share:.digits$}"));
    format!(
        "{positives:>9} {found:>6} {:>7} {negatives:>10} {flagged:>8} {:>7} {:>10} {:>6}",
        share(outcomes.recall(), 3),
        share(outcomes.false_alarm_rate(), 4),
        share(outcomes.precision(), 3),
        share(outcomes.f1(), 3),
    )
}

fn counts(count: &Count) -> String {
    let Count { right, wrong } = *count;
    format!("{right:>7} {wrong:>7} {:>7.1}", 100.0 * right as f64 / (right + wrong).max(1) as f64)
}

fn tenths(tenth: usize) -> String {
    if tenth == 10 { "1.0".into() } else { format!("0.{tenth} to 0.{tenth}99") }
}

fn share(permille: u16) -> f64 {
    f64::from(permille) / 1_000.0
}

fn sum(left_out: &[LeftOut]) -> Outcomes {
    left_out.iter().fold(Outcomes::default(), |sum, one| Outcomes {
        positives: sum.positives + one.outcomes.positives,
        found: sum.found + one.outcomes.found,
        negatives: sum.negatives + one.outcomes.negatives,
        flagged: sum.flagged + one.outcomes.flagged,
        wrong: sum.wrong + one.outcomes.wrong,
    })
}

fn figures(kind: &str, name: &str, outcomes: &Outcomes) -> Value {
    let rounded = |share: Option<f64>| share.map(|share| (share * 10_000.0).round() / 10_000.0);
    json!({
        "kind": kind,
        "name": name,
        "positives": outcomes.positives,
        "found": outcomes.found,
        "negatives": outcomes.negatives,
        "flagged": outcomes.flagged,
        "wrong": outcomes.wrong,
        "recall": rounded(outcomes.recall()),
        "false_positive_rate": rounded(outcomes.false_alarm_rate()),
        "precision": rounded(outcomes.precision()),
        "f1": rounded(outcomes.f1()),
    })
}
