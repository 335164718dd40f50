//! `weir scan`: the stream's own decode, detect, score and judge over files or stdin, without Kafka and ClickHouse.
//!
//! It shows what the stream would find. It does not throttle: that is a matter of alerts, and here there are none.

use super::Exit;
use super::lines::{self, Line};
use crate::decode::{self, Bounds, Format};
use crate::detect::{Scanner, Scratch};
use crate::judge::judge;
use crate::model::evidence::MaskKey;
use crate::model::facts::{FactHit, Facts};
use crate::model::finding::{Finding, Suppressed};
use crate::model::reject::{Reason, Reject};
use crate::model::{ContentState, Event, Interaction, Layers, Position, Severity, Warning, Warnings};
use crate::policy::Policy;
use crate::rules::Catalogue;
use crate::score::{State, score};
use bumpalo::Bump;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Most bytes of a line of `kcat -J` for one of its payload (an escape), and those beside it: headers, topic, key.
const ESCAPED_BYTES: usize = 6;
const KCAT_REST_BYTES: usize = 2 << 20;

const HELP: &str = "\
Exit status: 3 with --fail-on when something so severe was found; 1 when nothing could be read, and with --fail-on when
anything could not or nothing was there; else 0, whatever was found.";

/// Finds what the stream would find, in files or stdin.
#[derive(clap::Args, Debug)]
#[command(after_help = HELP)]
pub struct Args {
    /// A pipeline file, for its packs, policy and key. Without it: the default packs, no policy, no hashes.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What the input is: events, one a line, or with `text` lines of {"id", "text", "role"?}.
    #[arg(long, value_enum, default_value = "auto")]
    format: FormatName,
    /// How events are wrapped: `kcat` reads the lines of `kcat -J`, so that positions and ids equal the stream's.
    #[arg(long, value_enum, default_value = "none")]
    envelope: Envelope,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    /// Also shows what is below the reporting threshold, marked.
    #[arg(long)]
    all: bool,
    /// Exits with status 3 when something at least this severe was found (a name or a number from 1 to 6) that the policy
    /// does not suppress, and with 1 when something could not be read.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
    /// Files to read; `-` or none: stdin.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum FormatName {
    Auto,
    Native,
    #[value(name = "openai")]
    OpenAi,
    Anthropic,
    Text,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Envelope {
    None,
    Kcat,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Table,
    Ndjson,
}

fn severity(text: &str) -> Result<Severity, String> {
    let by_number = text.parse().ok().and_then(Severity::from_code);
    by_number.or_else(|| Severity::from_name(&text.to_lowercase())).ok_or_else(|| {
        let names: Vec<&str> = Severity::ALL.iter().map(|severity| severity.name()).collect();
        format!("expected 1 to 6 or one of {}", names.join(", "))
    })
}

/// Scans every input and says how it went on stderr.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let (catalogue, policy, key, inputs, bounds) = match &args.config {
        Some(path) => {
            let pipeline = super::pipeline_of(super::load(path)?.config);
            (pipeline.catalogue, pipeline.policy, pipeline.mask_key, pipeline.inputs, pipeline.bounds)
        }
        None => (Catalogue::built_in().clone(), Policy::default(), MaskKey::none(), Vec::new(), Bounds::default()),
    };
    let scanner = Scanner::new(&catalogue);
    let formats = inputs.into_iter().map(|input| (input.topic, input.format)).collect();
    let out = BufWriter::new(std::io::stdout().lock());
    let mut scan = Scan {
        args: &args,
        catalogue: &catalogue,
        policy: &policy,
        key: &key,
        scanner: &scanner,
        scratch: Scratch::default(),
        states: HashMap::new(),
        formats,
        bounds,
        out,
        tally: Tally::default(),
    };
    if args.output == Output::Table {
        scan.line(&["severity", "conf.", "rule", "where", "what"])?;
    }
    if args.files.is_empty() {
        scan.input("stdin", BufReader::new(std::io::stdin().lock()))?;
    }
    for path in &args.files {
        if path == Path::new("-") {
            scan.input("stdin", BufReader::new(std::io::stdin().lock()))?;
        } else {
            let name = path.display().to_string();
            if let Some(file) = scan.read(&name, std::fs::File::open(path)) {
                scan.input(&name, BufReader::new(file))?;
            }
        }
    }
    scan.out.flush()?;
    scan.tally.tell();
    let Tally { interactions, rejects, inputs_unread, worst, .. } = scan.tally;
    let all_read = rejects == 0 && inputs_unread == 0;
    Ok(match args.fail_on {
        Some(least) if worst.is_some_and(|worst| worst >= least) => Exit::Found,
        // A gate must not open for what nobody could read, nor for nothing: what should have come is missing.
        Some(_) if !all_read || interactions == 0 => Exit::Failed,
        // Nor is a scan done that could read nothing at all.
        None if !all_read && interactions == 0 => Exit::Failed,
        _ => Exit::Done,
    })
}

#[derive(Default)]
struct Tally {
    interactions: u64,
    /// Interactions whose content was absent, cut or not understood.
    unread: u64,
    findings: u64,
    below: u64,
    /// Findings that the policy suppresses.
    suppressed: u64,
    rejects: u64,
    /// Files that could not be opened or read to their end.
    inputs_unread: u64,
    worst: Option<Severity>,
    /// Interactions with warnings, and those of each warning, in the order of [`Warning::ALL`].
    warned: u64,
    warnings: [u64; Warning::ALL.len()],
    /// Rejects that would be read as lines of text.
    texts: u64,
}

impl Tally {
    fn warn(&mut self, warnings: Warnings) {
        self.warned += u64::from(warnings.iter().next().is_some());
        for (count, warning) in self.warnings.iter_mut().zip(Warning::ALL) {
            *count += u64::from(warnings.iter().any(|raised| raised == *warning));
        }
    }

    /// Says on stderr how it went.
    fn tell(&self) {
        let Tally { interactions, unread, findings, below, rejects, inputs_unread, warned, texts, .. } = self;
        say!("{interactions} interactions, {findings} findings, {below} below the threshold, {rejects} rejects");
        if self.suppressed > 0 {
            say!("{} of the findings are suppressed by the policy", self.suppressed);
        }
        if *unread > 0 {
            say!("{unread} of them without content that could be read, or without some of it");
        }
        if *warned > 0 {
            let counts = self.warnings.iter().zip(Warning::ALL).filter(|(count, _)| **count > 0);
            let counts: Vec<String> = counts.map(|(count, warning)| format!("{warning} {count}")).collect();
            say!("{warned} of them with warnings: {}", counts.join(", "));
        }
        if *inputs_unread > 0 {
            say!("{inputs_unread} of the inputs could not be read, or not to the end");
        }
        if *texts > 0 {
            say!("{texts} of the rejects are objects with a `text`: --format text reads such lines");
        }
    }
}

/// An object as `--format text` reads it.
#[derive(Deserialize)]
struct TextLine {
    #[serde(rename = "text")]
    _text: IgnoredAny,
}

struct Scan<'s, W> {
    args: &'s Args,
    catalogue: &'s Catalogue,
    policy: &'s Policy,
    key: &'s MaskKey,
    scanner: &'s Scanner,
    scratch: Scratch,
    states: HashMap<String, State>,
    /// Formats of the configured topics, for events in an envelope.
    formats: HashMap<String, Format>,
    bounds: Bounds,
    out: W,
    tally: Tally,
}

/// A line of `kcat -J`.
#[derive(Deserialize)]
struct KcatLine {
    topic: String,
    partition: i32,
    offset: i64,
    ts: i64,
    payload: Option<String>,
    /// Names and values in turn.
    #[serde(default)]
    headers: Vec<Option<String>>,
}

impl<'s, W: Write> Scan<'s, W> {
    /// Reads events line by line, or as one when the first line only opens a document (a file that was printed for
    /// people).
    fn input(&mut self, name: &str, mut reader: impl BufRead) -> anyhow::Result<()> {
        let mut line = Vec::new();
        let event_bytes = self.bounds.event_bytes;
        let most_bytes = match self.args.envelope {
            Envelope::None => event_bytes,
            Envelope::Kcat => event_bytes * ESCAPED_BYTES + KCAT_REST_BYTES,
        };
        for offset in 0.. {
            let position = Position { topic: name, partition: 0, offset };
            let event = |payload| {
                let timestamp_ms = Event::WITHOUT_TIMESTAMP;
                Event { position, timestamp_ms, payload, format_header: None }
            };
            match self.read(name, lines::next(&mut reader, &mut line, most_bytes)) {
                None | Some(Line::End) => break,
                Some(Line::TooLong { bytes }) => {
                    self.reject(&event(None), &self.bounds.too_large(bytes));
                    continue;
                }
                Some(Line::Whole) => {}
            }
            if offset == 0 && self.args.envelope == Envelope::None && only_opens(&line) {
                line.push(b'\n');
                let Some(fits) = self.read(name, lines::rest(&mut reader, &mut line, most_bytes)) else { break };
                if !fits {
                    self.reject(&event(None), &Reject::new(Reason::TooLarge, format!("over {most_bytes} bytes")));
                    break;
                }
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match self.args.envelope {
                Envelope::None => self.caught(&event(Some(&line)))?,
                Envelope::Kcat => self.kcat(name, offset, &line)?,
            }
        }
        Ok(())
    }

    /// What was read of an input; tells of one that cannot be read, or not to its end, and leaves the others to be read.
    fn read<T>(&mut self, name: &str, read: std::io::Result<T>) -> Option<T> {
        read.inspect_err(|error| {
            self.tally.inputs_unread += 1;
            say!("{name}: {error}");
        })
        .ok()
    }

    fn kcat(&mut self, name: &str, number: i64, line: &[u8]) -> anyhow::Result<()> {
        let Ok(wrapped) = serde_json::from_slice::<KcatLine>(line) else {
            self.tally.rejects += 1;
            say!("{name}:{}: not a line of `kcat -J`: expected topic, partition, offset, ts, payload", number + 1);
            return Ok(());
        };
        let pairs = wrapped.headers.chunks_exact(2);
        let named = |wanted| {
            let mut pairs = pairs.clone();
            pairs.find(|pair| pair[0].as_deref() == Some(wanted)).and_then(|pair| pair[1].as_deref())
        };
        self.caught(&Event {
            position: Position { topic: &wrapped.topic, partition: wrapped.partition, offset: wrapped.offset },
            timestamp_ms: wrapped.ts,
            payload: wrapped.payload.as_deref().map(str::as_bytes),
            format_header: named("weir-format").or_else(|| named("content-type")),
        })
    }

    /// Like the stream: an event that makes weir panic is a reject, and its neighbours are not touched.
    fn caught(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        catch_unwind(AssertUnwindSafe(|| self.event(event))).unwrap_or_else(|_| {
            self.scratch = Scratch::default();
            self.reject(event, &Reject::new(Reason::Panic, "the decoder or a rule failed on this event"));
            Ok(())
        })
    }

    fn event(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        let arena = Bump::new();
        let format = match self.args.format {
            FormatName::Native => Format::Native,
            FormatName::OpenAi => Format::OpenAi,
            FormatName::Anthropic => Format::Anthropic,
            FormatName::Auto | FormatName::Text => {
                self.formats.get(event.position.topic).copied().unwrap_or(Format::Auto)
            }
        };
        let decoded = if self.args.format == FormatName::Text {
            decode::decode_text(event, self.bounds, &arena).map(|interaction| (vec![interaction], Vec::new()))
        } else {
            decode::decode(event, format, self.bounds, &arena)
                .map(|decoded| (decoded.interactions.into_iter().collect(), decoded.skipped))
        };
        match decoded {
            Ok((interactions, skipped)) => {
                skipped.iter().for_each(|skipped| self.reject(event, &skipped.reject));
                interactions.into_iter().try_for_each(|mut interaction| {
                    self.scanner.mask_identifiers(&mut interaction, self.key, &arena, &mut self.scratch);
                    self.interaction(event, &interaction, &arena)
                })
            }
            Err(reject) => {
                let is_text = reject.reason == Reason::UnknownFormat
                    && event.payload.is_some_and(|payload| serde_json::from_slice::<TextLine>(payload).is_ok());
                self.tally.texts += u64::from(is_text);
                self.reject(event, &reject);
                Ok(())
            }
        }
    }

    fn reject(&mut self, event: &Event<'_>, reject: &Reject) {
        self.tally.rejects += 1;
        say!("{}: {}: {}", event.position, reject.reason, reject.detail);
    }

    fn interaction<'e>(
        &mut self,
        event: &Event<'_>,
        interaction: &Interaction<'e>,
        arena: &'e Bump,
    ) -> anyhow::Result<()>
    where
        's: 'e,
    {
        let hits = self.scanner.scan(interaction, arena, &mut self.scratch);
        let facts = Facts::new(interaction, &hits, event.timestamp_ms, self.key);
        let state = self.states.entry(facts.principal.to_string()).or_default();
        let scores = score(state, &facts, &self.policy.limits);
        let judged = judge(self.policy, self.catalogue, &facts, &scores);
        self.tally.interactions += 1;
        self.tally.warn(facts.warnings);
        self.tally.unread += u64::from(interaction.content_state != ContentState::Full);
        self.tally.findings += judged.findings.len() as u64;
        for finding in &judged.findings {
            match finding.suppressed {
                None => self.tally.worst = self.tally.worst.max(Some(finding.severity)),
                Some(_) => self.tally.suppressed += 1,
            }
            self.finding(&facts, finding)?;
        }
        for hit in facts.hits.iter().filter(|hit| !hit.confidence.is_reported()) {
            self.tally.below += 1;
            if self.args.all {
                self.below(&facts, hit)?;
            }
        }
        Ok(())
    }

    fn finding(&mut self, facts: &Facts<'_>, finding: &Finding<'_>) -> anyhow::Result<()> {
        let place = finding.place.as_ref();
        let measured = finding
            .measure
            .as_ref()
            .map(|measure| format!("{} {} where {} are allowed", measure.observed, measure.unit, measure.limit));
        self.show(&Shown {
            uid: finding.uid.to_string(),
            rule: finding.rule,
            category: finding.category.name(),
            type_name: finding.type_name,
            start: place.map(|place| place.start),
            end: place.map(|place| place.end),
            severity: finding.severity,
            confidence: finding.confidence.as_f32(),
            message: place.map(|place| place.message),
            part: place.map(|place| place.part),
            evidence: place.map(|place| place.masked.to_string()).or(measured).unwrap_or_default(),
            layers: place.map(|place| place.layers).unwrap_or_default(),
            suppressed: finding.suppressed.as_ref(),
            reported: true,
            facts,
        })
    }

    fn below(&mut self, facts: &Facts<'_>, hit: &FactHit<'_>) -> anyhow::Result<()> {
        let uid = Finding::uid_of_hit(facts, hit.rule, hit.message, hit.part, hit.start, hit.end);
        self.show(&Shown {
            uid: uid.to_string(),
            rule: hit.rule,
            category: hit.category.name(),
            type_name: hit.type_name,
            start: Some(hit.start),
            end: Some(hit.end),
            severity: hit.severity,
            confidence: hit.confidence.as_f32(),
            message: Some(hit.message),
            part: Some(hit.part),
            evidence: hit.masked.to_string(),
            layers: hit.layers,
            suppressed: None,
            reported: false,
            facts,
        })
    }

    fn show(&mut self, shown: &Shown<'_>) -> anyhow::Result<()> {
        if self.args.output == Output::Ndjson {
            writeln!(self.out, "{}", shown.to_json())?;
            return Ok(());
        }
        let mark = if shown.reported { "" } else { " (below)" };
        let name = match shown.facts.source_id {
            "" => shown.facts.position.to_string(),
            id => id.to_string(),
        };
        let place = match (shown.message, shown.part, shown.start, shown.end) {
            (Some(message), Some(part), Some(start), Some(end)) => format!("{name} {message}.{part} {start}-{end}"),
            _ => name,
        };
        let confidence = format!("{:.2}{mark}", shown.confidence);
        let under = if shown.layers.is_empty() { String::new() } else { format!(" (under {})", shown.layers) };
        let suppressed = match shown.suppressed {
            Some(Suppressed { by, reason, expires, .. }) => format!(" (suppressed until {expires} by {by}: {reason})"),
            None => String::new(),
        };
        let what = format!("{}{under}{suppressed}", shown.evidence);
        self.line(&[shown.severity.name(), &confidence, shown.rule, &place, &what])
    }

    fn line(&mut self, cells: &[&str; 5]) -> anyhow::Result<()> {
        let [severity, confidence, rule, place, what] = cells;
        writeln!(self.out, "{severity:13} {confidence:12} {rule:36} {place:40} {what}")?;
        Ok(())
    }
}

/// What is shown of a finding, or of a hit below the threshold.
struct Shown<'a> {
    uid: String,
    rule: &'a str,
    category: &'a str,
    type_name: &'a str,
    start: Option<u32>,
    end: Option<u32>,
    severity: Severity,
    confidence: f32,
    message: Option<u32>,
    part: Option<u32>,
    evidence: String,
    layers: Layers,
    suppressed: Option<&'a Suppressed>,
    reported: bool,
    facts: &'a Facts<'a>,
}

impl Shown<'_> {
    fn to_json(&self) -> serde_json::Value {
        let facts = self.facts;
        serde_json::json!({
            "id": facts.source_id,
            "uid": self.uid,
            "rule": self.rule,
            "category": self.category,
            "type": self.type_name,
            "start": self.start,
            "end": self.end,
            "severity": self.severity.name(),
            "severity_id": self.severity.code(),
            "confidence": (f64::from(self.confidence) * 1_000.0).round() / 1_000.0,
            "reported": self.reported,
            "masked": self.evidence,
            "layers": self.layers.iter().map(|layer| layer.name()).collect::<Vec<_>>(),
            "suppressed": self.suppressed.map(|why| {
                serde_json::json!({ "by": why.by, "reason": why.reason, "until": why.expires })
            }),
            "message": self.message,
            "part": self.part,
            "principal": facts.principal.to_string(),
            "source_topic": facts.position.topic,
            "source_partition": facts.position.partition,
            "source_offset": facts.position.offset,
            "source_index": facts.index,
        })
    }
}

fn only_opens(line: &[u8]) -> bool {
    matches!(line.trim_ascii(), b"{" | b"[")
}
