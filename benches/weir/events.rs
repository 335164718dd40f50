//! The events that everything is measured on: fresh ones, and conversations that send their history again, cut from
//! the corpus by a seed. Every thousandth holds one secret, which must be found.
//!
//! It knows nothing of weir but the native format. The corpus is `benches/corpus`; a folder named by
//! `WEIR_BENCH_CORPUS` adds texts of one's own.

use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// Text of one event, in bytes: what the goals are set for.
pub const TEXT_BYTES: usize = 2_048;

/// Turns of a conversation. Each sends all earlier ones again, so the average event holds 5.5 of them, and about as
/// many bytes as a fresh event.
pub const TURNS: usize = 10;

/// Every so many events one holds a secret.
pub const PLANT_EVERY: usize = 1_000;

/// The event among each `PLANT_EVERY` that does: early, so that short runs hold one.
const PLANT_AT: usize = 7;

/// The rule that finds it, and what its value begins with.
pub const PLANTED_RULE: &str = "secret.gitlab_token";
const PLANTED_START: &str = "glpat-";

/// Share of the text that the model says.
const ANSWER_SHARE: f64 = 0.3;

/// What kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every text is new.
    Fresh,
    /// Ten calls of each conversation, with the history of all before.
    Conversations,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Fresh => "fresh",
            Kind::Conversations => "ten-turn",
        }
    }
}

/// An event, ready to be sent.
pub struct Event {
    pub principal: String,
    pub payload: Vec<u8>,
    pub planted: bool,
}

/// Splitmix64: enough to choose texts by, and the same on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Benign texts to cut events from.
pub struct Corpus {
    texts: Vec<String>,
    pub bytes: usize,
}

impl Corpus {
    /// The project's own: `benches/corpus`.
    pub fn own() -> Corpus {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/corpus");
        let texts = files(&folder, "txt").into_iter().map(|(_, text)| text).collect();
        Corpus::of(texts)
    }

    /// Somebody's: NDJSON files of `{"text": …}` in the folder that `WEIR_BENCH_CORPUS` names.
    pub fn external() -> Option<Corpus> {
        #[derive(Deserialize)]
        struct Line {
            text: String,
        }
        let folder = std::env::var_os("WEIR_BENCH_CORPUS").filter(|folder| !folder.is_empty())?;
        let mut texts = Vec::new();
        for (name, text) in files(Path::new(&folder), "ndjson") {
            for (number, line) in (1..).zip(text.lines().filter(|line| !line.trim().is_empty())) {
                let line: Line = serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{name}:{number}: expected {{\"text\": \"…\"}}: {error}"));
                texts.push(line.text);
            }
        }
        Some(Corpus::of(texts))
    }

    fn of(texts: Vec<String>) -> Corpus {
        let bytes = texts.iter().map(String::len).sum();
        assert!(bytes >= 4 * TEXT_BYTES, "a corpus of {bytes} bytes is too small to cut events from");
        Corpus { texts, bytes }
    }

    /// A piece of about so many bytes, from several texts when they are short.
    fn piece(&self, bytes: usize, random: &mut Random) -> String {
        let mut piece = String::with_capacity(bytes + 8);
        while piece.len() < bytes {
            let text = &self.texts[self.weighted(random)];
            let start = floor(text, random.below(text.len()));
            let end = floor(text, (start + bytes - piece.len()).min(text.len()));
            piece.push_str(&text[start..end]);
            piece.push('\n');
        }
        piece.truncate(floor(&piece, bytes));
        piece
    }

    /// A text, long ones as much more often as they are longer.
    fn weighted(&self, random: &mut Random) -> usize {
        let mut at = random.below(self.bytes);
        for (index, text) in self.texts.iter().enumerate() {
            if at < text.len() {
                return index;
            }
            at -= text.len();
        }
        0
    }
}

/// Files of a folder with an extension, in the order of their names.
fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    assert!(!paths.is_empty(), "{}: no file ends in .{extension}", folder.display());
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.display().to_string(), text)
    };
    paths.iter().map(read).collect()
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Whether an event holds a secret.
pub fn is_planted(number: usize) -> bool {
    number % PLANT_EVERY == PLANT_AT
}

/// Makes events by number: the same number, the same event.
pub struct Traffic<'c> {
    pub corpus: &'c Corpus,
    pub kind: Kind,
    /// Events are spread over so many principals.
    pub principals: usize,
    /// The time of event 0 in ms since the epoch, and how much later each next one is. Without it events carry no
    /// time, and Kafka's counts.
    pub clock: Option<(i64, i64)>,
}

impl Traffic<'_> {
    pub fn event(&self, number: usize) -> Event {
        let planted = is_planted(number);
        let principal = format!("user-{:05}", number / TURNS % self.principals);
        self.event_of(number, principal, planted)
    }

    /// As `event`, with the principal and the plant decided by the caller.
    pub fn event_of(&self, number: usize, principal: String, planted: bool) -> Event {
        let mut turns = match self.kind {
            Kind::Fresh => vec![self.turn(TEXT_BYTES, &mut Random::new(number as u64))],
            Kind::Conversations => {
                let (conversation, turn) = (number / TURNS, number % TURNS);
                let bytes = 2 * TEXT_BYTES / (TURNS + 1);
                let random = |turn: usize| Random::new((conversation * TURNS + turn) as u64 ^ 0xc0de);
                (0..=turn).map(|turn| self.turn(bytes, &mut random(turn))).collect()
            }
        };
        if planted {
            let asked = &mut turns.last_mut().expect("there is a turn").0;
            plant(asked, &mut Random::new(number as u64 ^ 0x5ec2e7));
        }
        let payload = self.payload(number, &principal, turns);
        Event { principal, payload, planted }
    }

    /// What is asked and what is answered.
    fn turn(&self, bytes: usize, random: &mut Random) -> (String, String) {
        let answer_bytes = (bytes as f64 * ANSWER_SHARE) as usize;
        (self.corpus.piece(bytes - answer_bytes, random), self.corpus.piece(answer_bytes, random))
    }

    fn payload(&self, number: usize, principal: &str, mut turns: Vec<(String, String)>) -> Vec<u8> {
        let (asked, answered) = turns.pop().expect("there is a turn");
        let mut input: Vec<Value> = Vec::new();
        for (asked, answered) in turns {
            input.push(json!({"role": "user", "content": asked}));
            input.push(json!({"role": "assistant", "content": answered}));
        }
        input.push(json!({"role": "user", "content": asked}));
        let mut event = json!({
            "weir_schema": 1,
            "id": format!("call-{number:08}"),
            "conversation": format!("dialogue-{:07}", number / TURNS),
            "principal": { "user": principal },
            "application": "helpdesk",
            "provider": "openai",
            "model": "gpt-5",
            "destination": { "host": "api.openai.com", "port": 443, "scheme": "https", "tls_version": "1.3" },
            "usage": { "input_tokens": 400, "output_tokens": 150 },
            "status": 200,
            "latency_ms": 850,
            "input": { "messages": input },
            "output": { "messages": [{ "role": "assistant", "content": answered }] },
        });
        if let Some((start_ms, step_ms)) = self.clock {
            event["time"] = json!(start_ms + step_ms * number as i64);
        }
        event.to_string().into_bytes()
    }
}

/// Puts a token of its own between two words.
fn plant(text: &mut String, random: &mut Random) {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789";
    let mut token = String::from(PLANTED_START);
    token.extend((0..20).map(|_| char::from(LETTERS[random.below(LETTERS.len())])));
    let from = floor(text, text.len() / 2);
    let at = text[from..].find(' ').map_or(text.len(), |space| from + space);
    text.insert_str(at, &format!(" {token}\n"));
}
