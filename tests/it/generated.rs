//! `weir generate` into `weir scan`: every planted incident of every kind is found, in every way of capture, and
//! ordinary traffic gives next to nothing. Needs no server.

use crate::harness::process::Binary;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs weir at the root of the repository.
fn weir(arguments: &[&str]) -> Output {
    let output = Command::new(Binary::Weir.path())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("weir can be started");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Events and their truth, in files of this test.
struct Stream {
    events: PathBuf,
    truth: PathBuf,
}

impl Stream {
    fn generate(name: &str, arguments: &[&str]) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (events, truth) = (dir.join(format!("{name}.ndjson")), dir.join(format!("{name}-truth.ndjson")));
        let fixed = ["generate", "--end", "2026-11-25T09:00:00Z", "--truth", truth.to_str().expect("UTF-8")];
        std::fs::write(&events, weir(&[&fixed, arguments].concat()).stdout).expect("the folder is there");
        Stream { events, truth }
    }

    fn truth(&self) -> Vec<Value> {
        lines(&std::fs::read(&self.truth).expect("the truth was written"))
    }

    /// Findings, and the reason of each reject by its line.
    fn scan(&self) -> (Vec<Value>, BTreeMap<u64, String>) {
        let events = self.events.to_str().expect("UTF-8");
        let output = weir(&["scan", "-c", "pipelines/weir.yaml", "--output", "ndjson", events]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let reject = |line: &str| {
            let (place, rest) = line.strip_prefix(events)?.split_once(": ")?;
            Some((place.rsplit('/').next()?.parse().ok()?, rest.split(':').next()?.to_owned()))
        };
        (lines(&output.stdout), told.lines().filter_map(reject).collect())
    }
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
}

fn text(record: &Value, name: &str) -> String {
    record[name].as_str().unwrap_or_default().to_owned()
}

fn number(record: &Value, name: &str) -> u64 {
    record[name].as_u64().expect("a number")
}

#[test]
fn everything_that_is_planted_is_found() {
    let stream = Stream::generate("planted", &["--seed", "5", "--count", "30000", "--incidents", "0.03"]);
    let truth = stream.truth();
    let (findings, rejects) = stream.scan();
    let by_place: BTreeSet<_> = findings.iter().map(|f| (number(f, "source_offset"), text(f, "rule"))).collect();
    let by_principal: BTreeSet<_> = findings.iter().map(|f| (text(f, "principal"), text(f, "rule"))).collect();
    let mut planted = BTreeMap::new();
    let mut missed = Vec::new();
    for incident in &truth {
        let (kind, rule, line) =
            (text(incident, "kind"), text(incident, "expected_rule"), number(incident, "sequence"));
        *planted.entry((kind.clone(), text(incident, "carrier"))).or_insert(0) += 1;
        let is_found = match kind.as_str() {
            "bad_event" => rejects.get(&line) == Some(&text(incident, "expected_reject")),
            "rate_burst" | "token_burst" => by_principal.contains(&(text(incident, "principal"), rule)),
            _ => by_place.contains(&(line, rule)),
        };
        if !is_found {
            missed.push(format!("{kind} in a {} on line {line}", text(incident, "carrier")));
        }
    }
    assert!(missed.is_empty(), "{} of {} were not found: {missed:#?}", missed.len(), truth.len());
    let kinds: BTreeSet<_> = planted.keys().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.len(), weir::generate::Kind::ALL.len(), "{kinds:?}");
    for carrier in weir::generate::Carrier::ALL {
        assert!(planted.keys().any(|(_, name)| name == carrier.name()), "nothing in a {carrier}");
    }
    // What no truth tells of is a false alarm: ordinary calls of this stream, near misses among them.
    let told: BTreeSet<u64> = truth.iter().map(|incident| number(incident, "sequence")).collect();
    let is_alarm = |f: &&Value| text(f, "category") != "policy" && !told.contains(&number(f, "source_offset"));
    let alarms: Vec<_> = findings.iter().filter(is_alarm).map(|f| (text(f, "rule"), text(f, "masked"))).collect();
    assert!(alarms.is_empty(), "{alarms:#?}");
}

#[test]
fn benign_traffic_gives_nothing_severe() {
    let stream = Stream::generate("benign", &["--seed", "6", "--count", "20000", "--incidents", "0", "--turns", "3"]);
    let (findings, _) = stream.scan();
    let severe: Vec<_> = findings.iter().filter(|f| number(f, "severity_id") >= 4).collect();
    let rules: BTreeSet<_> = severe.iter().map(|f| (text(f, "rule"), text(f, "masked"))).collect();
    // One in ten thousand is what a person can look at.
    assert!(severe.len() <= 2, "{} of 20,000: {rules:#?}", severe.len());
}

#[test]
fn the_same_seed_and_end_give_the_same_bytes() {
    let read = |name: &str, seed: &str| {
        let stream = Stream::generate(name, &["--seed", seed, "--count", "2000"]);
        let read = |path| std::fs::read(path).expect("it was written");
        (read(stream.events), read(stream.truth))
    };
    let first = read("first", "9");
    assert!(first == read("second", "9"), "two runs differ");
    assert!(first != read("third", "10"), "two seeds agree");
}
