//! Reconciliation by id: between what was produced, the rows, `weir scan` over a dump of the same topic, the alerts
//! and the ledger, everything is there once, on both sides.

use crate::harness::kafka::{Isolation, Kafka, Outgoing, Record};
use crate::harness::process::{Binary, Start, Weir};
use crate::harness::servers;
use crate::harness::site::{Site, topic_name};
use crate::harness::snapshot::Snapshot;
use crate::harness::traffic::{END_MS, Place, append_keyed, fill_keyed, native, traffic};
use crate::harness::{say, slot};
use crate::queries;
use crate::secrecy::Secrets;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use weir::generate::Generated;
use weir::ledger::{CoverageRow, Entry, Kind};

/// What was produced, and where it stands.
pub struct Expected<'a> {
    pub events: &'a [Generated],
    pub places: &'a [Place],
}

impl Expected<'_> {
    fn places_where(&self, wanted: impl Fn(&Generated) -> bool) -> BTreeSet<Place> {
        let both = self.events.iter().zip(self.places);
        both.filter(|(event, _)| wanted(event)).map(|(_, place)| place.clone()).collect()
    }

    /// Anti-joins, both ways, of good events with interactions and of bad ones with dead letters; and every planted
    /// incident has a finding of the rule that it is for.
    pub fn assert_rows(&self, site: &Site) {
        let (good, bad) = self.good_and_bad();
        assert_same("interactions", places(site, "interactions"), good.into_iter().collect());
        assert_same("dead letters", places(site, "dead_letters"), bad.into_iter().collect());
        self.assert_found(site);
    }

    /// Nothing is missing and nothing is there that was not sent; how many rows are there more than once. The only
    /// broker of a cluster that crashes may double some: see the README's limits.
    pub fn assert_rows_at_least_once(&self, site: &Site) -> usize {
        let (good, bad) = self.good_and_bad();
        let mut repeated = 0;
        for (table, expected) in [("interactions", good), ("dead_letters", bad)] {
            let mut found = places(site, table);
            let rows = found.len();
            found.sort();
            found.dedup();
            repeated += rows - found.len();
            assert_same(table, found, expected.into_iter().collect());
        }
        self.assert_found(site);
        repeated
    }

    fn good_and_bad(&self) -> (BTreeSet<Place>, BTreeSet<Place>) {
        let is_bad = |event: &Generated| event.truth.as_ref().is_some_and(|truth| truth.expected_reject.is_some());
        (self.places_where(|event| !is_bad(event)), self.places_where(is_bad))
    }

    fn assert_found(&self, site: &Site) {
        let found: BTreeSet<(Place, String)> = site
            .db
            .rows("SELECT source_topic, source_partition, source_offset, rule FROM findings")
            .iter()
            .map(|row| (place(row), text(row, "rule")))
            .collect();
        let bursts: BTreeSet<(String, String)> = site
            .db
            .rows("SELECT principal, rule FROM findings WHERE isNull(message)")
            .iter()
            .map(|row| (text(row, "principal"), text(row, "rule")))
            .collect();
        let mut missed = Vec::new();
        for (event, place) in self.events.iter().zip(self.places) {
            let Some(truth) = &event.truth else { continue };
            let Some(rule) = truth.expected_rule else { continue };
            let is_found = found.contains(&(place.clone(), rule.to_string()))
                || truth.events > 1 && bursts.contains(&(truth.principal.clone(), rule.to_string()));
            if !is_found {
                missed.push(format!("{truth:?}, by {rule}"));
            }
        }
        assert!(missed.is_empty(), "{}: {} planted incidents were not found: {missed:#?}", site.name, missed.len());
    }
}

/// Both sides hold the same, each once.
fn assert_same<T: Ord + std::fmt::Debug>(what: &str, mut found: Vec<T>, mut expected: Vec<T>) {
    found.sort();
    expected.sort();
    let doubled: Vec<&T> = found.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).take(5).collect();
    assert!(doubled.is_empty(), "{what}: there twice: {doubled:?}");
    let (found, expected): (BTreeSet<&T>, BTreeSet<&T>) = (found.iter().collect(), expected.iter().collect());
    let lost: Vec<_> = expected.difference(&found).collect();
    let extra: Vec<_> = found.difference(&expected).collect();
    let (some_lost, some_extra) = (&lost[..lost.len().min(5)], &extra[..extra.len().min(5)]);
    assert!(
        lost.is_empty() && extra.is_empty(),
        "{what}: {} missing {some_lost:?}, {} not expected {some_extra:?}",
        lost.len(),
        extra.len()
    );
}

fn text(row: &Value, name: &str) -> String {
    match &row[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number(row: &Value, name: &str) -> i64 {
    row[name].as_i64().unwrap_or_else(|| panic!("{name} is no number in {row}"))
}

fn place(row: &Value) -> Place {
    (text(row, "source_topic"), number(row, "source_partition") as i32, number(row, "source_offset"))
}

fn places(site: &Site, table: &str) -> Vec<Place> {
    let sql = format!("SELECT source_topic, source_partition, source_offset FROM {table}");
    site.db.rows(&sql).iter().map(place).collect()
}

/// The ledger accounts for every offset of every input partition once, in a chain that is intact, and what it counts
/// is there.
pub fn assert_ledger(site: &Site) {
    let rows = site.db.rows(
        "SELECT kind, topic, partition, first_offset, last_offset, events, interactions, rejects, gaps, \
         config_digest, packs_digest, policy_digest, hex(facts_hash) AS facts_hash, \
         hex(previous_hash) AS previous_hash, hex(hash) AS hash, instance \
         FROM coverage WHERE kind != 'reset' ORDER BY topic, partition, first_offset",
    );
    let mut ends: BTreeMap<(String, i32), (i64, [u8; 32])> = BTreeMap::new();
    for row in &rows {
        let (topic, partition) = (text(row, "topic"), number(row, "partition") as i32);
        let (end, head) = ends.entry((topic.clone(), partition)).or_default();
        assert_eq!(
            number(row, "first_offset"),
            *end,
            "{}: the ledger of {topic}/{partition} is not contiguous",
            site.name
        );
        *head = assert_intact(row, head);
        *end = number(row, "last_offset") + 1;
    }
    for input in &site.inputs {
        for (partition, end) in site.kafka.ends(input).into_iter().enumerate() {
            let accounted = ends.get(&(input.clone(), partition as i32)).map_or(0, |(end, _)| *end);
            assert_eq!(accounted, end, "{}: the ledger of {input}/{partition} does not reach its end", site.name);
        }
    }
    let sum = |name| rows.iter().map(|row| number(row, name)).sum::<i64>() as u64;
    let count = |sql: &str| site.db.count(sql);
    assert_eq!(sum("interactions"), count("SELECT count() FROM interactions"), "{}: interactions", site.name);
    let rejects = "SELECT count() FROM dead_letters WHERE stage = 'detect'";
    assert_eq!(sum("rejects"), count(rejects), "{}: rejects", site.name);
    assert_eq!(sum("events"), site.inputs.iter().flat_map(|input| site.kafka.ends(input)).sum::<i64>() as u64);
}

fn assert_intact(row: &Value, head: &[u8; 32]) -> [u8; 32] {
    let hash = |name: &str| -> [u8; 32] {
        let hex = text(row, name);
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex");
        std::array::from_fn(byte)
    };
    let (topic, instance) = (text(row, "topic"), text(row, "instance"));
    let digests = ["config_digest", "packs_digest", "policy_digest"].map(|name| text(row, name));
    let entry = Entry {
        kind: *Kind::ALL.iter().find(|kind| kind.name() == row["kind"]).expect("a kind of this version"),
        topic: &topic,
        partition: number(row, "partition") as i32,
        first_offset: number(row, "first_offset"),
        last_offset: number(row, "last_offset"),
        events: number(row, "events") as u64,
        interactions: number(row, "interactions") as u64,
        rejects: number(row, "rejects") as u64,
        gaps: number(row, "gaps") as u64,
        config_digest: &digests[0],
        packs_digest: &digests[1],
        policy_digest: &digests[2],
        facts_hash: hash("facts_hash"),
        instance: &instance,
    };
    let coverage = CoverageRow { entry, previous_hash: hash("previous_hash"), hash: hash("hash") };
    assert!(coverage.is_intact(head), "the chain of the ledger is broken at {row}");
    coverage.hash
}

/// Writes records as `kcat -J` prints them; what is no UTF-8 cannot be in there.
pub fn write_kcat(path: &Path, topic: &str, records: &[Record]) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).expect("target can be written"));
    for record in records {
        let Ok(payload) = record.value.clone().map(String::from_utf8).transpose() else { continue };
        let headers: Vec<String> = record
            .headers
            .iter()
            .flat_map(|(name, value)| [name.clone(), String::from_utf8_lossy(value).into_owned()])
            .collect();
        let line = serde_json::json!({
            "topic": topic,
            "partition": record.partition,
            "offset": record.offset,
            "tstype": "create",
            "ts": record.timestamp_ms,
            "broker": 1,
            "headers": headers,
            "key": record.key_text(),
            "payload": payload,
        });
        writeln!(file, "{line}").expect("target can be written");
    }
    file.flush().expect("target can be written");
}

/// Findings of `weir scan -c` over a dump of the site's inputs.
fn scanned(site: &Site) -> Vec<Value> {
    let mut dumps: Vec<PathBuf> = Vec::new();
    for input in &site.inputs {
        let path = site.dir.join(format!("{input}.kcat"));
        write_kcat(&path, input, &site.kafka.dump(input, Isolation::Committed));
        dumps.push(path);
    }
    let output = Command::new(Binary::Weir.path())
        .args(["scan", "--envelope", "kcat", "--output", "ndjson", "-c"])
        .arg(site.config())
        .args(&dumps)
        .output()
        .expect("weir can be started");
    std::fs::write(site.new_log("scan-out"), &output.stdout).expect("target can be written");
    std::fs::write(site.new_log("scan-err"), &output.stderr).expect("target can be written");
    assert!(output.status.success(), "weir scan: {}", String::from_utf8_lossy(&output.stderr));
    dumps.iter().for_each(|dump| std::fs::remove_file(dump).expect("it was written"));
    let text = String::from_utf8(output.stdout).expect("weir prints UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// Stream and scan find the same, by id and in what they say.
fn assert_scan_agrees(site: &Site) {
    let said = |row: &Value, start: &str, end: &str| {
        let confidence = row["confidence"].as_f64().expect("a number");
        (
            text(row, "uid"),
            text(row, "rule"),
            text(row, "category"),
            text(row, "type"),
            text(row, start),
            text(row, end),
            format!("{confidence:.3}"),
        )
    };
    let rows = site.db.rows("SELECT uid, rule, category, type, start, end, confidence FROM findings");
    let stream: Vec<_> = rows.iter().map(|row| said(row, "start", "end")).collect();
    let scan: Vec<_> = scanned(site).iter().map(|row| said(row, "start", "end")).collect();
    assert_same("findings of the stream and of the scan", stream, scan);
}

/// Alerts and the findings that name them.
fn assert_alerts_agree(site: &Site) {
    let alerts = site.kafka.dump(&site.topic("alerts"), Isolation::Committed);
    let ids: Vec<(String, String)> = alerts
        .iter()
        .map(|alert| {
            let value: Value =
                serde_json::from_slice(alert.value.as_deref().expect("an alert has a value")).expect("OCSF");
            let id = alert.header("ce_id").expect("an alert has an id");
            assert_eq!(value["metadata"]["uid"], id);
            (id.to_string(), alert.header("ce_subject").expect("an alert names its finding").to_string())
        })
        .collect();
    let rows = site
        .db
        .rows("SELECT toString(alert_uid) AS alert, toString(uid) AS uid FROM findings WHERE isNotNull(alert_uid)");
    let told: Vec<_> = rows.iter().map(|row| (text(row, "alert"), text(row, "uid"))).collect();
    assert_same("alerts and the findings that name them", ids, told);
}

#[test]
fn everything_is_there_once_and_says_the_same_everywhere() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("reconcile-input");
    let events = traffic(11, 6_000);
    let (early, late) = events.split_at(events.len() / 2);
    let mut places = fill_keyed(&kafka, &input, 5, early);
    let site = Site::new("reconcile", std::slice::from_ref(&input));
    let mut a = Weir::start(&site, Start::instance("weir-0"));
    let mut b = Weir::start(&site, Start::instance("weir-1"));
    site.settle_stages(&["detect"], &mut [&mut a, &mut b]);
    let mut next = site.kafka.ends(&input);
    places.extend(append_keyed(&kafka, &input, &mut next, late));
    site.settle(&mut [&mut a, &mut b]);
    a.stop();
    b.stop();
    Expected { events: &events, places: &places }.assert_rows(&site);
    assert_ledger(&site);
    let uids: Vec<String> = site.db.lines("SELECT toString(uid) FROM findings");
    let once: BTreeSet<String> = uids.iter().cloned().collect();
    assert_same("ids of findings", uids, once.into_iter().collect());
    assert_alerts_agree(&site);
    assert_scan_agrees(&site);
    queries::assert_answers(&site);
    Secrets::of(&events).assert_absent(&site);
    say(&format!("reconcile: {}", Snapshot::take(&site).summary()));
    site.drop_all();
    kafka.delete(&[&input]);
}

/// A good event.
fn call(id: &str) -> String {
    String::from_utf8(native(id, "ada", "What is the capital of France?")).expect("JSON is UTF-8")
}

fn too_deep(levels: usize) -> String {
    format!(r#"{{"weir_schema": 1, "input": {}{}}}"#, "[".repeat(levels), "]".repeat(levels))
}

/// What is sent, and the reason of its dead letter.
fn bad_events() -> Vec<(Option<Vec<u8>>, &'static str)> {
    let many = format!("[{}]", vec![r#"{"weir_schema": 1}"#; weir::limits::INTERACTIONS_PER_EVENT + 1].join(","));
    let large = native("large", "ada", &"x".repeat(weir::limits::EVENT_MAX_BYTES));
    vec![
        (None, "empty"),
        (Some(Vec::new()), "empty"),
        (Some(b"hello".to_vec()), "not_json"),
        (Some(b"{\"weir_schema\": 1, ".to_vec()), "not_json"),
        (Some(b"{\"weir_schema\": 1, \"id\": \"\xff\xfe\"}".to_vec()), "not_utf8"),
        (Some(too_deep(200).into_bytes()), "too_deep"),
        (Some(b"{\"temperature\": 21}".to_vec()), "unknown_format"),
        (Some(b"[]".to_vec()), "no_interaction"),
        (Some(many.into_bytes()), "too_many_interactions"),
        (Some(large), "too_large"),
    ]
}

#[test]
fn a_bad_event_is_a_dead_letter_and_its_neighbours_are_not_touched() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("bad-input");
    kafka.create(&input, 1);
    let bad = bad_events();
    let mut records = Vec::new();
    for (index, (value, _)) in bad.iter().enumerate() {
        let good = call(&format!("good-{index}")).into_bytes();
        for value in [Some(good), value.clone()] {
            records.push(Outgoing { timestamp_ms: END_MS + records.len() as i64, value, ..Outgoing::default() });
        }
    }
    // Several interactions in one event, and one that is none.
    let several = format!("[{}, {deep}, {}]", call("several-0"), call("several-2"), deep = too_deep(100));
    let last = records.len() as i64;
    records.push(Outgoing {
        timestamp_ms: END_MS + last,
        value: Some(several.clone().into_bytes()),
        ..Outgoing::default()
    });
    kafka.produce(&input, records);
    let site = Site::new("bad", std::slice::from_ref(&input));
    let mut weir = Weir::start(&site, Start::instance("weir-0"));
    site.settle(&mut [&mut weir]);
    weir.stop();

    let mut expected: Vec<(i64, String, i64)> = bad
        .iter()
        .enumerate()
        .map(|(index, (value, reason))| {
            (2 * index as i64 + 1, reason.to_string(), value.as_ref().map_or(0, Vec::len) as i64)
        })
        .collect();
    expected.push((last, "too_deep".into(), several.len() as i64));
    let rows = site.db.rows("SELECT source_offset, reason, bytes FROM dead_letters");
    let in_table = rows.iter().map(|row| (number(row, "source_offset"), text(row, "reason"), number(row, "bytes")));
    assert_same("dead letters in the table", in_table.collect(), expected.clone());
    let in_topic = site.kafka.dump(&site.topic("dead-letters"), Isolation::Committed).into_iter().map(|record| {
        let value: Value = serde_json::from_slice(&record.value.expect("it has a value")).expect("it is JSON");
        (number(&value, "offset"), text(&value, "reason"), number(&value, "bytes"))
    });
    assert_same("dead letters in the topic", in_topic.collect(), expected);
    let mut neighbours: Vec<(i64, i64)> = (0..bad.len() as i64).map(|index| (2 * index, 0)).collect();
    neighbours.extend([(last, 0), (last, 2)]);
    let rows = site.db.rows("SELECT source_offset, source_index FROM interactions");
    let found = rows.iter().map(|row| (number(row, "source_offset"), number(row, "source_index"))).collect();
    assert_same("interactions", found, neighbours);
    assert_ledger(&site);
    site.drop_all();
    kafka.delete(&[&input]);
}
