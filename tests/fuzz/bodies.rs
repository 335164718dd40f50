//! What is done with foreign bytes: one body for each parser, shared by cargo-fuzz (`fuzz_targets/`) and by the test
//! that runs on every machine (`tests/fuzz.rs`).
//!
//! A body must not panic, whatever the bytes are, and checks what must hold when they are accepted: what was read and
//! written again reads the same, and bounds are kept. It does not check what the bytes mean; unit tests do.

use std::path::PathBuf;
use std::sync::LazyLock;

use weir::decode::{Bounds, Format, decode, decode_text};
use weir::detect::naive::{Naive, Way};
use weir::detect::{Scanner, Scratch};
use weir::kafka::changelog::{marker, read_marker};
use weir::ledger::Chain;
use weir::limits;
use weir::model::evidence::MaskKey;
use weir::model::facts::Facts;
use weir::model::{Event, Hits, Position};
use weir::pipeline::store::group::OutboxRecord;
use weir::pipeline::store::intent::Intent;
use weir::policy::Policy;
use weir::rules::{Catalogue, PackFile};
use weir::score::State;

/// A body and the name of its target and corpus.
pub struct Target {
    pub name: &'static str,
    pub body: fn(&[u8]),
}

/// Every target. `fuzz_targets/` has a file for each.
pub const TARGETS: [Target; 15] = [
    Target { name: "decode_auto", body: |bytes| decode_as(Format::Auto, bytes) },
    Target { name: "decode_native", body: |bytes| decode_as(Format::Native, bytes) },
    Target { name: "decode_openai", body: |bytes| decode_as(Format::OpenAi, bytes) },
    Target { name: "decode_anthropic", body: |bytes| decode_as(Format::Anthropic, bytes) },
    Target { name: "decode_text", body: text_lines },
    Target { name: "layers", body: layers },
    Target { name: "sse", body: server_sent_events },
    Target { name: "facts", body: facts },
    Target { name: "state", body: state },
    Target { name: "changelog", body: changelog },
    Target { name: "ledger", body: ledger },
    Target { name: "outbox", body: outbox },
    Target { name: "config", body: config },
    Target { name: "pack", body: pack },
    Target { name: "policy", body: policy },
];

static KEY: LazyLock<MaskKey> = LazyLock::new(|| MaskKey::new(b"of the fuzz targets"));

fn event(payload: &[u8]) -> Event<'_> {
    let position = Position { topic: "fuzz", partition: 0, offset: 7 };
    Event { position, timestamp_ms: 1_772_442_960_000, payload: Some(payload), format_header: None }
}

/// Decodes an event and gives the facts of its interactions, encoded.
pub fn facts_of(format: Format, payload: &[u8]) -> Vec<Vec<u8>> {
    let arena = bumpalo::Bump::new();
    let Ok(decoded) = decode(&event(payload), format, Bounds::default(), &arena) else { return Vec::new() };
    assert!(!decoded.interactions.is_empty(), "an event of which nothing was made is a reject");
    let indices: Vec<u32> = decoded.interactions.iter().map(|interaction| interaction.index).collect();
    assert!(indices.is_sorted() && decoded.interactions.len() <= limits::INTERACTIONS_PER_EVENT);
    let mut all = Vec::new();
    for interaction in &decoded.interactions {
        assert!(interaction.messages.len() <= limits::MESSAGES_PER_INTERACTION);
        for message in &interaction.messages {
            assert!(message.parts.len() <= limits::PARTS_PER_MESSAGE);
        }
        assert!(interaction.principal.value.len() <= limits::IDENTIFIER_MAX_BYTES);
        let mut bytes = Vec::new();
        Facts::new(interaction, &Hits::default(), 0, &KEY).encode(&mut bytes);
        all.push(bytes);
    }
    all
}

fn decode_as(format: Format, bytes: &[u8]) {
    facts_of(format, bytes).iter().for_each(|bytes| facts(bytes));
}

fn text_lines(bytes: &[u8]) {
    let arena = bumpalo::Bump::new();
    let _ = decode_text(&event(bytes), Bounds::default(), &arena);
}

/// A text that may hide something: what is found in it stands in it, and is what the naive loop finds.
fn layers(bytes: &[u8]) {
    static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(Catalogue::built_in()));
    static NAIVE: LazyLock<Naive<'static>> = LazyLock::new(|| Naive::new(&SCANNER, Way::Keywords));
    let text = String::from_utf8_lossy(bytes);
    let line = serde_json::json!({ "id": 1, "text": text }).to_string();
    let arena = bumpalo::Bump::new();
    let Ok(interaction) = decode_text(&event(line.as_bytes()), Bounds::default(), &arena) else { return };
    let hits = SCANNER.scan(&interaction, &arena, &mut Scratch::default());
    assert!(hits.hits.len() <= limits::HITS_PER_INTERACTION);
    let places: Vec<_> = hits.hits.iter().map(|hit| (hit.start, hit.end, &hit.rule.id)).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "no two hits have one id");
    for hit in &hits.hits {
        let place = text.get(hit.start as usize..hit.end as usize).expect("a place is made of whole characters");
        assert!(!place.is_empty() && hit.value.len_bytes() > 0);
        assert!(!hit.layers.is_empty() || place.len() == hit.value.len_bytes());
    }
    let naive = NAIVE.scan(&interaction, &arena);
    let [told, naive] = [&hits, &naive].map(|hits| Facts::new(&interaction, hits, 0, &KEY).hits);
    assert_eq!(told, naive);
}

/// A stream written down as one string and as two pieces of it gives the same.
fn server_sent_events(bytes: &[u8]) {
    // It begins with an event, so that it is a stream whatever follows, and ends one, so that each form has a line.
    let text = format!("data: {{}}\n\n{}\n\n", String::from_utf8_lossy(bytes));
    let mut middle = text.len() / 2;
    while !text.is_char_boundary(middle) {
        middle -= 1;
    }
    let (head, tail) = text.split_at(middle);
    let around = |response: serde_json::Value| {
        let request = serde_json::json!({ "messages": [{ "role": "user", "content": "x" }] });
        serde_json::json!({ "request": request, "response": response }).to_string()
    };
    let whole = facts_of(Format::Auto, around(text.as_str().into()).as_bytes());
    let pieces = facts_of(Format::Auto, around(vec![head, tail].into()).as_bytes());
    assert_eq!(whole, pieces);
    facts_of(Format::Auto, text.as_bytes());
}

fn facts(bytes: &[u8]) {
    let Ok(facts) = Facts::decode(bytes) else { return };
    let mut again = Vec::new();
    facts.encode(&mut again);
    assert_eq!(Facts::decode(&again).as_ref(), Ok(&facts));
}

fn state(bytes: &[u8]) {
    let Ok(state) = State::decode(bytes) else { return };
    let mut again = Vec::new();
    state.encode(&mut again);
    assert_eq!(State::decode(&again).as_ref(), Ok(&state));
}

fn changelog(bytes: &[u8]) {
    if let Ok(next) = read_marker(bytes) {
        assert_eq!(read_marker(&marker(next)), Ok(next));
    }
}

/// The metadata of committed offsets: a chain's head, and the intent of an insert.
fn ledger(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(chain) = Chain::from_metadata(&text) {
        assert_eq!(Chain::from_metadata(&chain.to_metadata()), Ok(chain));
    }
    if let Ok(Some(intent)) = Intent::parse(&text) {
        assert_eq!(Intent::parse(&intent.to_string()), Ok(Some(intent)));
    }
}

/// The headers of an outbox record, one a line as `name: value`.
fn outbox(bytes: &[u8]) {
    let header = |name: &str| {
        bytes.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b": "))
    };
    let Ok(record) = OutboxRecord::of(7, header, b"body") else { return };
    assert!(weir::tables::NAMES.contains(&record.table) && record.body == b"body");
}

/// A pipeline file. It may name others, which are not there.
fn config(bytes: &[u8]) {
    static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder can be made"));
    let file: PathBuf = FOLDER.path().join(format!("{:?}.yaml", std::thread::current().id()));
    std::fs::write(&file, bytes).expect("a file can be written");
    if let Err(problems) = weir::config::Config::load(&file, &|_| None) {
        assert!(!problems.to_string().is_empty());
    }
}

fn pack(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let pack = PackFile { name: "packs/fuzz.yaml", text: &text };
    match Catalogue::load(&[pack]) {
        Ok(catalogue) => assert!(catalogue.rules().iter().all(|rule| catalogue.get(&rule.info.id).is_some())),
        Err(problems) => assert!(!problems.is_empty()),
    }
}

fn policy(bytes: &[u8]) {
    if let Err(problems) = Policy::parse("policy.yaml", &String::from_utf8_lossy(bytes), None) {
        assert!(!problems.is_empty());
    }
}
