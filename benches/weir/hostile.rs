//! Texts that are dear to scan: what somebody would send who wants detection to fall behind. Each is the length of a
//! large event and ends with a secret, which must be found.
//!
//! The list holds what was worst so far. Whoever finds a worse text adds it.

use crate::events::PLANTED_RULE;
use crate::harness::{Effort, Row, group};
use bumpalo::Bump;
use serde_json::json;
use weir::decode::{Bounds, Format, decode};
use weir::detect::{Scanner, Scratch};
use weir::model::{Event, Position};
use weir::rules::Catalogue;

/// Nearly the longest event that is taken.
const TEXT_BYTES: usize = 3_900_000;

const SECRET: &str = " glpat-q8ZrT2vNw4KxLm7Pd0Ys ";

/// Names, and what is repeated.
const TEXTS: &[(&str, &str)] = &[
    ("prose", "The quarterly meeting has moved to Thursday afternoon, so the calendar has to be changed. "),
    ("override words", "ignore disregard forget override bypass "),
    ("overrides almost complete", "ignore all of the previous "),
    ("jailbreak words", "jailbreak developer mode no longer bound by ethical moral "),
    ("at signs", "@"),
    ("addresses", "m@acme.io "),
    ("digits", "4539148803436460"),
    ("digits and blanks", "4539 1488 "),
    ("phone numbers", "+1 415 523 2671 "),
    ("dots and digits", "1.2.3."),
    ("starts of tokens", "eyJAKIAglpat-ghp_sk_live_AIzaxoxb-npm_"),
    ("heads of JWTs", "eyJhbGciOiJub25lIn0.eyJ"),
    ("heads of private keys", "-----BEGIN PRIVATE KEY-----\n"),
    ("assignments", "api_key = secret_key: password="),
    ("addresses of pages", "https://"),
    ("links", "[a](https://x.test/?d="),
    ("Cyrillic", "Собрание перенесено на четверг, поэтому календарь надо изменить. "),
    ("base64", "QmFzZTY0IGlzIGEgd2F5IHRvIHdyaXRlIGJ5dGVzIGFzIGxldHRlcnMu"),
];

/// Measures them all.
pub fn run(effort: Effort) {
    let catalogue = Catalogue::built_in();
    let scanner = Scanner::new(catalogue);
    let length = if effort == Effort::Full { TEXT_BYTES } else { TEXT_BYTES / 100 };
    let payloads: Vec<(&str, Vec<u8>)> = TEXTS
        .iter()
        .map(|(name, unit)| {
            let text = unit.repeat(length / unit.len()) + SECRET;
            let message = json!({ "role": "user", "content": text });
            let event = json!({ "weir_schema": 1, "principal": { "user": "u" }, "input": { "messages": [message] } });
            (*name, event.to_string().into_bytes())
        })
        .collect();
    let arena = Bump::new();
    let rows = payloads.iter().map(|(name, payload)| {
        let event = Event {
            position: Position { topic: "llm.events", partition: 0, offset: 0 },
            timestamp_ms: 0,
            payload: Some(payload),
            format_header: None,
        };
        let decoded = decode(&event, Format::Auto, Bounds::default(), &arena)
            .unwrap_or_else(|reject| panic!("{name}: {}", reject.detail));
        let mut scratch = Scratch::default();
        let scanner = &scanner;
        let scan = move || {
            let arena = Bump::new();
            let hits = scanner.scan(&decoded.interactions[0], &arena, &mut scratch);
            hits.hits.iter().filter(|hit| hit.rule.id == PLANTED_RULE).count()
        };
        Row { name: (*name).into(), events: 1, bytes: payload.len(), planted: Some(1), run: Box::new(scan) }
    });
    group(&format!("hostile texts of {length} B, scanned: weir's scanner"), rows.collect(), effort);
}
