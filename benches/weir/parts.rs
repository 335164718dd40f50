//! The parts by themselves, in memory: decode, scan, facts, score, encode, and detect's whole way through them.
//!
//! Beside each stands what bounds it from below (a search for one byte, a check for ASCII, one automaton) and, beside
//! the scanner, the same rules run in the ways that are usual. No Kafka and no ClickHouse: see `stream.rs`.

use crate::events::{Corpus, Event as Made, Kind, PLANT_EVERY, PLANTED_RULE, TURNS, Traffic};
use crate::harness::{Effort, Row, Timed, group, median_us};
use crate::{goals::Goals, rules};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use bumpalo::Bump;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::HashMap;
use weir::decode::{Bounds, Format, decode};
use weir::detect::naive::{Naive, Way};
use weir::detect::{Scanner, Scratch};
use weir::model::evidence::MaskKey;
use weir::model::facts::Facts;
use weir::model::{Event, Hits, Interaction, Position, Severity};
use weir::policy::Policy;
use weir::rules::{Catalogue, Trigger};
use weir::score::State;
use weir::tables::{Builder, interactions};
use weir::{alert, generate, judge, score};

/// The time of the first event: nothing depends on when this runs.
pub const START_MS: i64 = 1_764_061_200_000;

/// Rows in one block: what one transaction of the score loop gathers under load.
const ROWS_PER_BLOCK: usize = 4_000;

/// Events of one run: enough to fill no cache, as in a stream.
fn events_of(effort: Effort) -> usize {
    if effort == Effort::Full { 4_000 } else { 50 }
}

/// Events of one run for a row that is a hundred times as slow.
const SLOW_EVENTS: usize = 40;

/// The payloads of one kind of traffic, and what is planted in them.
struct Load {
    name: &'static str,
    payloads: Vec<Vec<u8>>,
    planted: Vec<bool>,
}

impl Load {
    fn of(name: &'static str, corpus: &Corpus, kind: Kind, events: usize) -> Load {
        let traffic = Traffic { corpus, kind, principals: 3_000, clock: Some((START_MS, 20)) };
        let made: Vec<Made> = (0..events).map(|number| traffic.event(number)).collect();
        Load {
            name,
            planted: made.iter().map(|event| event.planted).collect(),
            payloads: made.into_iter().map(|event| event.payload).collect(),
        }
    }

    /// What `weir generate` makes, with its own incidents; among these no secret counts as planted.
    fn generated(events: usize) -> Load {
        let options = generate::Options {
            principals: 3_000,
            bad_permille: 0,
            ..generate::Options::new(3, events as u64, START_MS)
        };
        let made = generate::generate(&options).unwrap_or_else(|error| panic!("{error}"));
        let payloads: Vec<Vec<u8>> = made.map(|event| event.payload).collect();
        Load { name: "generated", planted: vec![false; payloads.len()], payloads }
    }

    fn bytes(&self) -> usize {
        self.payloads.iter().map(Vec::len).sum()
    }

    fn event(&self, number: usize) -> Event<'_> {
        Event {
            position: Position { topic: "llm.events", partition: 0, offset: number as i64 },
            timestamp_ms: START_MS,
            payload: Some(&self.payloads[number]),
            format_header: None,
        }
    }

    fn decoded<'e>(&'e self, arena: &'e Bump) -> Vec<Interaction<'e>> {
        let each = (0..self.payloads.len()).map(|number| {
            let decoded = decode(&self.event(number), Format::Auto, Bounds::default(), arena);
            let decoded = decoded.unwrap_or_else(|reject| panic!("event {number}: {}", reject.detail));
            decoded.interactions.into_iter().next().expect("a decoded event has an interaction")
        });
        each.collect()
    }
}

/// All that the parts are measured with.
struct Bench<'b> {
    effort: Effort,
    scanner: &'b Scanner,
    keywords: &'b Naive<'b>,
    every: &'b Naive<'b>,
    catalogue: &'b Catalogue,
    key: &'b MaskKey,
}

/// Measures everything, and tells the goals what they ask of it.
pub fn run(own: &Corpus, external: Option<&Corpus>, effort: Effort, goals: &mut Goals) {
    let catalogue = Catalogue::built_in();
    let scanner = Scanner::new(catalogue);
    let (keywords, every) = (Naive::new(&scanner, Way::Keywords), Naive::new(&scanner, Way::Every));
    let key = MaskKey::new(b"0123456789abcdef0123456789abcdef");
    let bench = Bench { effort, scanner: &scanner, keywords: &keywords, every: &every, catalogue, key: &key };
    let events = events_of(effort);
    let fresh = Load::of("fresh", own, Kind::Fresh, events);
    bench.decode(&fresh);
    let scanned = bench.scan(&fresh);
    goals.times_keywords = Some(median_us(&scanned, KEYWORDS) / median_us(&scanned, SCANNER));
    bench.after_scan(&fresh);
    bench.more_rules(&fresh, goals);
    let mut loads = vec![fresh, Load::of("ten-turn", own, Kind::Conversations, events), Load::generated(events)];
    if let Some(external) = external {
        loads.push(Load::of("external", external, Kind::Fresh, events));
    }
    bench.detect(&loads);
}

const SCANNER: &str = "weir's scanner";
const KEYWORDS: &str = "keywords, then whole patterns (gitleaks' way)";
const EVERY: &str = "every pattern";

/// Whether the planted secret is among the hits: that of this event, and of its own rule.
fn found(hits: &Hits<'_>) -> usize {
    hits.hits.iter().filter(|hit| hit.rule.id == PLANTED_RULE && hit.confidence.is_reported()).count()
}

/// A row over the first events of a load.
fn row<'a>(name: impl Into<String>, events: usize, bytes: usize, run: impl FnMut() -> usize + 'a) -> Row<'a> {
    Row { name: name.into(), events, bytes, planted: None, run: Box::new(run) }
}

/// A look at each of some texts.
fn over(texts: &[impl AsRef<[u8]>], look: fn(&[u8]) -> usize) -> usize {
    texts.iter().map(|text| look(text.as_ref())).sum()
}

impl Bench<'_> {
    fn decode(&self, load: &Load) {
        let (events, bytes) = (load.payloads.len(), load.bytes());
        let each = |look: fn(&[u8]) -> usize| move || over(&load.payloads, look);
        let mut arena = Bump::new();
        let rows = vec![
            row("control: memchr", events, bytes, each(|bytes| memchr::memchr_iter(1, bytes).count())),
            row("control: is_ascii", events, bytes, each(|bytes| usize::from(bytes.is_ascii()))),
            row("serde_json, nothing kept", events, bytes, each(parsed::<IgnoredAny>)),
            row("serde_json, Value", events, bytes, each(parsed::<serde_json::Value>)),
            row("weir's decode", events, bytes, move || {
                let mut interactions = 0;
                for number in 0..events {
                    interactions += decode(&load.event(number), Format::Auto, Bounds::default(), &arena)
                        .map_or(0, |d| d.interactions.len());
                    arena.reset();
                }
                assert_eq!(interactions, events);
                interactions
            }),
        ];
        group(&format!("decode: {}", described(load, bytes)), rows, self.effort);
    }

    fn scan(&self, load: &Load) -> Vec<Timed> {
        let arena = Bump::new();
        let interactions = load.decoded(&arena);
        let texts = texts(load);
        let (events, slow) = (interactions.len(), SLOW_EVENTS.min(interactions.len()));
        let bytes_of = |events: usize| texts[..events].iter().map(String::len).sum::<usize>();
        let anchors = one_automaton(self.catalogue);
        let mut scratch = Scratch::default();
        let texts = &texts;
        let each = |look: fn(&[u8]) -> usize| move || over(texts, look);
        let interactions = &interactions[..];
        let rows = vec![
            row("control: memchr", events, bytes_of(events), each(|bytes| memchr::memchr_iter(1, bytes).count())),
            row("control: is_ascii", events, bytes_of(events), each(|bytes| usize::from(bytes.is_ascii()))),
            row("one automaton of all literals", events, bytes_of(events), || {
                texts.iter().map(|text| anchors.find_overlapping_iter(text).count()).sum()
            }),
            Row {
                planted: Some(planted(load, events)),
                ..row(SCANNER, events, bytes_of(events), || {
                    let scan = |interaction| found(&self.scanner.scan(interaction, &Bump::new(), &mut scratch));
                    interactions.iter().map(scan).sum()
                })
            },
        ];
        let ways =
            [(KEYWORDS, self.keywords, events / 4), (EVERY, self.every, slow)].map(|(name, naive, events)| Row {
                planted: Some(planted(load, events)),
                ..row(name, events, bytes_of(events), move || {
                    interactions[..events].iter().map(|one| found(&naive.scan(one, &Bump::new()))).sum()
                })
            });
        let rows = rows.into_iter().chain(ways).collect();
        let title = format!("scan: {}, {} rules", described(load, bytes_of(events)), self.catalogue.rules().len());
        group(&title, rows, self.effort)
    }

    /// What follows the scan: facts, the principal's state, rows.
    fn after_scan(&self, load: &Load) {
        let arena = Bump::new();
        let interactions = load.decoded(&arena);
        let mut scratch = Scratch::default();
        let hits: Vec<Hits<'_>> = interactions.iter().map(|one| self.scanner.scan(one, &arena, &mut scratch)).collect();
        let facts: Vec<Facts<'_>> = interactions
            .iter()
            .zip(&hits)
            .map(|(interaction, hits)| Facts::new(interaction, hits, START_MS, self.key))
            .collect();
        let records: Vec<Vec<u8>> = facts.iter().map(encoded).collect();
        let (events, bytes) = (records.len(), records.iter().map(Vec::len).sum());
        let (policy, alerts) = (policy(), alerts());
        let (mut buffer, mut states) = (Vec::new(), HashMap::new());
        let rows = vec![
            row("control: memchr", events, bytes, || {
                records.iter().map(|record| memchr::memchr_iter(1, record).count()).sum()
            }),
            row("facts of an interaction (hashes of parts)", events, bytes, || {
                let each = interactions.iter().zip(&hits);
                each.map(|(interaction, hits)| Facts::new(interaction, hits, START_MS, self.key).hits.len()).sum()
            }),
            row("facts encoded", events, bytes, || {
                facts.iter().for_each(|facts| {
                    buffer.clear();
                    facts.encode(&mut buffer);
                });
                buffer.len()
            }),
            row("facts decoded", events, bytes, || {
                records.iter().filter(|record| Facts::decode(record).is_ok()).count()
            }),
            Row {
                planted: Some(planted(load, events)),
                ..row("scored, judged, told", events, bytes, || {
                    states.clear();
                    let score = |facts| scored(&mut states, facts, &policy, self.catalogue, &alerts);
                    facts.iter().map(score).sum()
                })
            },
        ];
        group(&format!("score: facts of {} B each", bytes / events.max(1)), rows, self.effort);
        self.encode(&facts);
    }

    /// Rows as blocks in ClickHouse's format.
    fn encode(&self, facts: &[Facts<'_>]) {
        let rows_of = |facts: &mut dyn Iterator<Item = &Facts<'_>>| {
            let mut builder = Builder::<interactions::Interactions>::new();
            facts.for_each(|facts| builder.push(&interactions::Row { facts, findings: 0, max_severity: None }));
            builder
        };
        let facts = &facts[..facts.len().min(ROWS_PER_BLOCK)];
        let bytes = rows_of(&mut facts.iter()).bytes();
        let body: Vec<u8> =
            rows_of(&mut facts.iter()).take(START_MS).into_iter().flat_map(|block| block.body).collect();
        let mut builder = Builder::<interactions::Interactions>::new();
        let rows = vec![
            row("control: memchr over the block", facts.len(), body.len(), || memchr::memchr_iter(1, &body).count()),
            row("rows gathered by column", facts.len(), bytes, || {
                builder.clear();
                for facts in facts {
                    builder.push(&interactions::Row { facts, findings: 0, max_severity: None });
                }
                builder.rows()
            }),
            row("rows gathered, laid out and compressed", facts.len(), bytes, || {
                rows_of(&mut facts.iter()).take(START_MS).len()
            }),
        ];
        let title = format!(
            "encode: {} rows of {} B, {} B compressed",
            facts.len(),
            bytes / facts.len().max(1),
            body.len() / facts.len().max(1)
        );
        group(&title, rows, self.effort);
    }

    /// How cost grows with the number of rules.
    fn more_rules(&self, load: &Load, goals: &mut Goals) {
        let arena = Bump::new();
        let interactions = load.decoded(&arena);
        let bytes = texts(load).iter().map(String::len).sum();
        let (events, planted) = (interactions.len(), planted(load, interactions.len()));
        let few = events / 8;
        let catalogues: Vec<(usize, Catalogue)> =
            [1, 2, 4].into_iter().map(|times| (times, rules::catalogue(times))).collect();
        let scanners: Vec<(usize, Scanner)> =
            catalogues.iter().map(|(times, catalogue)| (*times, Scanner::new(catalogue))).collect();
        let most = scanners.last().expect("there are scanners");
        let keywords = Naive::new(&most.1, Way::Keywords);
        let mut rows: Vec<Row<'_>> = Vec::new();
        for (times, scanner) in &scanners {
            let mut scratch = Scratch::default();
            let interactions = &interactions;
            let scan =
                move || interactions.iter().map(|one| found(&scanner.scan(one, &Bump::new(), &mut scratch))).sum();
            rows.push(Row {
                planted: Some(planted),
                ..row(format!("{SCANNER}, {times}× the rules"), events, bytes, scan)
            });
        }
        rows.push(Row {
            planted: Some(self::planted(load, few)),
            ..row(format!("gitleaks' way, {}× the rules", most.0), few, bytes / events * few, || {
                interactions[..few].iter().map(|one| found(&keywords.scan(one, &Bump::new()))).sum()
            })
        });
        let title = format!("more rules: {} built in, and copies with other literals", self.catalogue.rules().len());
        let timed = group(&title, rows, self.effort);
        goals.twice_the_rules = Some(timed[1].median_us / timed[0].median_us);
        goals.times_keywords_most =
            Some((most.0 * self.catalogue.rules().len(), timed[3].median_us / timed[2].median_us));
    }

    /// Detect without Kafka: decode, scan, facts, encode.
    fn detect(&self, loads: &[Load]) {
        for load in loads {
            let (events, bytes) = (load.payloads.len(), load.bytes());
            let mut scratch = Scratch::default();
            let keywords = events / 4;
            let rows = vec![
                Row {
                    planted: (load.name != "generated").then(|| planted(load, events)),
                    ..row("decode, scan, facts, encode", events, bytes, || {
                        self.events(load, events, &mut |one| found_and(self, one, &mut scratch))
                    })
                },
                Row {
                    planted: (load.name != "generated").then(|| planted(load, keywords)),
                    ..row("the same, scanned gitleaks' way", keywords, bytes / events * keywords, || {
                        self.events(load, keywords, &mut |one| {
                            let arena = Bump::new();
                            let hits = self.keywords.scan(one, &arena);
                            encoded(&Facts::new(one, &hits, START_MS, self.key));
                            found(&hits)
                        })
                    })
                },
                row("the same, not scanned", events, bytes, || {
                    self.events(load, events, &mut |one| {
                        encoded(&Facts::new(one, &Hits::default(), START_MS, self.key)).len()
                    })
                }),
            ];
            group(&format!("detect in memory: {}", described(load, bytes)), rows, self.effort);
        }
    }

    /// Decodes events and gives each interaction to a function.
    fn events(&self, load: &Load, events: usize, each: &mut dyn FnMut(&Interaction<'_>) -> usize) -> usize {
        let mut arena = Bump::new();
        let mut sum = 0;
        for number in 0..events {
            if let Ok(decoded) = decode(&load.event(number), Format::Auto, Bounds::default(), &arena) {
                sum += decoded.interactions.iter().map(&mut *each).sum::<usize>();
            }
            arena.reset();
        }
        sum
    }
}

fn found_and(bench: &Bench<'_>, interaction: &Interaction<'_>, scratch: &mut Scratch) -> usize {
    let arena = Bump::new();
    let hits = bench.scanner.scan(interaction, &arena, scratch);
    encoded(&Facts::new(interaction, &hits, START_MS, bench.key));
    found(&hits)
}

/// Secrets planted in the first events of a load.
fn planted(load: &Load, events: usize) -> usize {
    load.planted[..events].iter().filter(|planted| **planted).count()
}

fn described(load: &Load, bytes: usize) -> String {
    let events = load.payloads.len();
    let more = if load.name == "ten-turn" { format!(", {TURNS} calls a conversation") } else { String::new() };
    format!("{} events ({}{more}) of {} B, a secret in every {PLANT_EVERY}th", events, load.name, bytes / events.max(1))
}

fn parsed<T: DeserializeOwned>(payload: &[u8]) -> usize {
    usize::from(serde_json::from_slice::<T>(payload).is_ok())
}

/// The texts of each event in one: what weir scans, for rows that scan in no way of weir's.
fn texts(load: &Load) -> Vec<String> {
    let each = load.payloads.iter().map(|payload| {
        let event: serde_json::Value = serde_json::from_slice(payload).expect("events are JSON");
        let said = |side: &str| event[side]["messages"].as_array().into_iter().flatten().cloned().collect::<Vec<_>>();
        let messages = said("input").into_iter().chain(said("output"));
        messages.filter_map(|message| message["content"].as_str().map(str::to_owned)).collect()
    });
    each.collect()
}

/// The floor of every scanner that begins with literals.
fn one_automaton(catalogue: &Catalogue) -> AhoCorasick {
    let anchors = catalogue.rules().iter().filter_map(|rule| match &rule.trigger {
        Trigger::Anchors(anchors) => Some(anchors),
        Trigger::AtSign | Trigger::Digits | Trigger::Token => None,
    });
    let builder = &mut AhoCorasick::builder();
    let builder = builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
    builder.build(anchors.flatten()).expect("the scanner takes the same literals")
}

fn encoded(facts: &Facts<'_>) -> Vec<u8> {
    let mut record = Vec::with_capacity(512);
    facts.encode(&mut record);
    record
}

/// The ceilings of `pipelines/policy.yaml`.
fn policy() -> Policy {
    let limits = weir::policy::Limits {
        requests_per_minute: std::num::NonZeroU32::new(120),
        tokens_per_minute: std::num::NonZeroU32::new(200_000),
    };
    Policy { limits, ..Policy::default() }
}

fn alerts() -> alert::Config {
    alert::Config {
        min_severity: Severity::High,
        burst: 1,
        every_ms: 60 * 60 * 1_000,
        runbook_url: String::new(),
        source: "weir/bench".into(),
        database: "weir".into(),
    }
}

/// What the score loop does with facts, but for Kafka. Returns how many planted secrets became findings.
fn scored(
    states: &mut HashMap<String, State>,
    facts: &Facts<'_>,
    policy: &Policy,
    catalogue: &Catalogue,
    alerts: &alert::Config,
) -> usize {
    let state = states.entry(facts.principal.to_string()).or_default();
    let scores = score::score(state, facts, &policy.limits);
    let judged = judge::judge(policy, catalogue, facts, &scores);
    for finding in &judged.findings {
        let alert = alert::throttle(state, facts, finding, alerts);
        std::hint::black_box(alert.map(|alert| alert.value()));
    }
    judged.findings.iter().filter(|finding| finding.rule == PLANTED_RULE).count()
}
