//! No planted value, plain or encoded, is anywhere but in the input topic: not in weir's topics (blocks of the outbox
//! unpacked), not in a table, not in what any process of weir has written.

use crate::harness::kafka::{Isolation, Kafka, Outgoing};
use crate::harness::process::{Start, Weir};
use crate::harness::servers;
use crate::harness::site::{OWN_TOPICS, Site, topic_name};
use crate::harness::traffic::{END_MS, fill_keyed, native, traffic};
use crate::harness::{say, slot};
use aho_corasick::{AhoCorasick, MatchKind};
use weir::generate::{Carrier, Generated};

/// Planted values with all their disguises.
pub struct Secrets {
    /// Which value each pattern disguises, and how.
    names: Vec<(usize, &'static str)>,
    finder: AhoCorasick,
    /// For each value whether the input holds it in one piece; in a stream's chunks it may be cut.
    is_whole: Vec<bool>,
}

impl Secrets {
    pub fn of(events: &[Generated]) -> Self {
        Secrets::new(&planted(events))
    }

    /// Values, and whether the input holds each in one piece.
    pub fn new(planted: &[(&str, bool)]) -> Self {
        let mut names = Vec::new();
        let mut patterns = Vec::new();
        for (index, (value, _)) in planted.iter().enumerate() {
            for (how, pattern) in disguises(value) {
                names.push((index, how));
                patterns.push(pattern);
            }
        }
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(patterns);
        Secrets {
            names,
            finder: finder.expect("the patterns fit"),
            is_whole: planted.iter().map(|(_, is_whole)| *is_whole).collect(),
        }
    }

    /// Which values are in there, and in which form.
    fn found(&self, bytes: &[u8]) -> Vec<(usize, &'static str)> {
        self.finder.find_iter(bytes).map(|found| self.names[found.pattern().as_usize()]).collect()
    }

    pub fn assert_not_in(&self, bytes: &[u8], place: &str) {
        let found = self.found(bytes);
        // The value itself must not be printed.
        let shown: Vec<String> = found.iter().take(5).map(|(index, how)| format!("value {index} as {how}")).collect();
        assert!(found.is_empty(), "{place} holds planted values: {shown:?}");
    }

    /// Looks everywhere that a site writes to. The search itself is tried on the input.
    pub fn assert_absent(&self, site: &Site) {
        let mut seen = std::collections::BTreeSet::new();
        for input in &site.inputs {
            for record in site.kafka.dump(input, Isolation::Uncommitted) {
                seen.extend(
                    self.found(record.value.as_deref().unwrap_or_default()).into_iter().map(|(index, _)| index),
                );
            }
        }
        let whole = self.is_whole.iter().enumerate().filter(|(_, is_whole)| **is_whole);
        let missed: Vec<usize> = whole.map(|(index, _)| index).filter(|index| !seen.contains(index)).collect();
        assert!(missed.is_empty() && !seen.is_empty(), "the search finds each value in the input, not {missed:?}");
        for topic in OWN_TOPICS {
            self.assert_not_in_topic(site, topic);
        }
        for table in weir::tables::NAMES {
            let rows = site.db.ask(&format!("SELECT * FROM {table}"), "TSVRaw").expect("ClickHouse answers");
            self.assert_not_in(rows.as_bytes(), &format!("table {table}"));
        }
        for (path, text) in site.logs() {
            self.assert_not_in(&text, &path.display().to_string());
        }
    }

    fn assert_not_in_topic(&self, site: &Site, topic: &str) {
        // Uncommitted too: an aborted record lies on the disk like any other.
        for record in site.kafka.dump(&site.topic(topic), Isolation::Uncommitted) {
            let place = format!("{topic}/{} at {}", record.partition, record.offset);
            let mut bytes = record.value.unwrap_or_default();
            if topic == "outbox" {
                bytes = unpack(&bytes);
            }
            bytes.extend(record.key.unwrap_or_default());
            for (name, value) in record.headers {
                bytes.extend(name.into_bytes());
                bytes.extend(value);
            }
            self.assert_not_in(&bytes, &place);
        }
    }
}

/// The values of events, and whether each stands there in one piece.
fn planted(events: &[Generated]) -> Vec<(&str, bool)> {
    let truths = events.iter().filter_map(|event| event.truth.as_ref());
    truths.filter_map(|truth| Some((truth.value.as_deref()?, truth.carrier != Some(Carrier::Stream)))).collect()
}

/// The forms in which a value could leak.
fn disguises(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = value.as_bytes();
    let hex = |upper: bool| -> String {
        bytes.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
    };
    let json = serde_json::to_string(value).expect("text is JSON");
    let mut disguises = vec![
        ("itself", value.to_string()),
        ("JSON", json[1..json.len() - 1].to_string()),
        ("lines", value.replace('\n', "\\n")),
        ("hex", hex(false)),
        ("HEX", hex(true)),
        ("percent of some", percent(value, |byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))),
        ("percent of all", percent(value, |_| false)),
        ("escapes", value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()),
        ("ESCAPES", value.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect()),
    ];
    // What stands before it shifts base64; the characters that depend on neighbours are left out.
    for (shift, how) in ["base64", "base64 after one", "base64 after two"].into_iter().enumerate() {
        for (alphabet, how) in [(STANDARD, how), (URL, "base64url")] {
            let padded = [&vec![0; shift][..], bytes].concat();
            let text = base64(&padded, alphabet);
            let (from, to) = ((shift * 8).div_ceil(6), (padded.len() * 8) / 6);
            disguises.push((how, text[from..to].to_string()));
        }
    }
    disguises.into_iter().map(|(how, text)| (how, text.into_bytes())).collect()
}

fn percent(value: &str, keep: impl Fn(u8) -> bool) -> String {
    let encoded = |byte: u8| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(encoded).collect()
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Without padding.
fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0, |word, (index, byte)| word | u32::from(*byte) << (16 - 8 * index));
        let digit = |index: usize| char::from(alphabet[(word >> (18 - 6 * index)) as usize & 63]);
        text.extend((0..=chunk.len()).map(digit));
    }
    text
}

/// The bytes in blocks of ClickHouse's compressed framing: checksum (16), method (1), sizes (4 and 4), LZ4.
fn unpack(mut frames: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !frames.is_empty() {
        let size = |at: usize| u32::from_le_bytes(frames[at..at + 4].try_into().expect("four bytes")) as usize;
        assert_eq!(frames[16], 0x82, "a block is compressed by LZ4");
        let (compressed, raw) = (size(17), size(21));
        let body = &frames[25..16 + compressed];
        bytes.extend(lz4_flex::block::decompress(body, raw).expect("a block is intact"));
        frames = &frames[16 + compressed..];
    }
    bytes
}

/// Of nobody.
const TOKEN: &str = "glpat-q8ZrT2vNw4KxLm7Pd0Ys";

/// Store begins when all is in the outbox, so that its blocks can be looked into.
#[test]
fn no_planted_value_leaves_the_input() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("secrecy-input");
    let events = traffic(23, 5_000);
    fill_keyed(&kafka, &input, 3, &events);
    let secrets = Secrets::new(&[planted(&events), vec![(TOKEN, true)]].concat());
    // A gateway that names its callers by what they sign in with.
    let named = native("by-token", TOKEN, "hello");
    kafka.produce(&input, [Outgoing { timestamp_ms: END_MS, value: Some(named), ..Outgoing::default() }]);
    let site = Site::new("secrecy", std::slice::from_ref(&input));
    let mut detect = Weir::start(&site, Start::instance("weir-0").role("detect"));
    let mut score = Weir::start(&site, Start::instance("weir-0").role("score"));
    site.settle_stages(&["detect", "score"], &mut [&mut detect, &mut score]);
    let blocks = site.kafka.dump(&site.topic("outbox"), Isolation::Committed).len();
    assert!(blocks > 0, "the outbox holds what store has not taken");
    secrets.assert_not_in_topic(&site, "outbox");
    let mut store = Weir::start(&site, Start::instance("weir-0").role("store"));
    site.settle(&mut [&mut detect, &mut score, &mut store]);
    detect.stop();
    score.stop();
    store.stop();
    secrets.assert_absent(&site);
    say(&format!("secrecy: {} values searched in {} forms", secrets.is_whole.len(), secrets.names.len()));
    site.drop_all();
    kafka.delete(&[&input]);
}

#[test]
fn the_search_sees_through_every_disguise() {
    let value = "AKIA/Z7 QX+W3\u{e4}?";
    let secrets = Secrets::new(&[(value, true)]);
    assert_eq!(base64(b"Man is", STANDARD), "TWFuIGlz");
    assert_eq!(base64(b"\xfb\xff", URL), "-_8");
    for (how, text) in disguises(value) {
        let hidden = [b"before ".as_slice(), &text, b" after"].concat();
        assert_eq!(secrets.found(&hidden).len(), 1, "{how}");
    }
    for before in ["", "a", "ab", "abc"] {
        for alphabet in [STANDARD, URL] {
            let hidden = base64(format!("{before}{value} and more").as_bytes(), alphabet);
            assert_eq!(secrets.found(hidden.as_bytes()).len(), 1, "{before:?}");
        }
    }
    assert_eq!(secrets.found(b"AKIA/Z7 QX").len(), 0);
}
