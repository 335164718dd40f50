//! A streamed answer: its chunks, in every form in which taps write them down, and the pieces of text that are put
//! together again.
//!
//! The chunks come as the text of server-sent events, as an array of the chunks, as an array of the events' lines,
//! or as an array of what each read from the wire gave, cut anywhere. What a chunk means is its dialect's business.
//!
//! Pieces are kept as they stand in the JSON and are unescaped when all are there: half a surrogate pair at the end
//! of one piece and its other half in the next are one character again.

use bumpalo::Bump;
use memchr::memchr;

use super::blocks::note_list;
use super::context::Context;
use super::json::{Leaf, List, Value, parse, unescape};
use super::sse::{DONE, Events};
use crate::model::Warning;

/// Most chunks of an array that are read. A model's longest answer is 128 Ki tokens, and a chunk holds one or more.
const CHUNKS_PER_STREAM: usize = 1 << 17;

type Array<'e> = List<Leaf<'e>, CHUNKS_PER_STREAM>;

/// The chunks of a stream, as JSON.
#[derive(Clone)]
pub(super) enum Chunks<'e> {
    Events(Events<'e>),
    Array(std::slice::Iter<'e, Leaf<'e>>),
    One(Option<&'e str>),
}

impl<'e> Chunks<'e> {
    /// Of the text of server-sent events.
    pub(super) fn of_text(text: &'e str, arena: &'e Bump) -> Self {
        Chunks::Events(Events::new(text, arena))
    }

    /// Of the JSON of an array, of objects or of strings.
    pub(super) fn of_array(json: &'e str, context: &mut Context<'e>) -> Self {
        let array: Array<'e> = parse(json).unwrap_or(List { bad: true, ..List::default() });
        note_list(&array, context);
        if array.items.iter().any(|item| matches!(item.value(), Value::Text(_))) {
            return Chunks::of_text(joined(&array.items, json.len(), context), context.arena);
        }
        let mut items = context.list(array.items.len());
        items.extend(array.items);
        Chunks::Array(items.into_bump_slice().iter())
    }
}

impl<'e> Iterator for Chunks<'e> {
    type Item = &'e str;

    fn next(&mut self) -> Option<&'e str> {
        match self {
            Chunks::Events(events) => events.next(),
            Chunks::Array(items) => items.next().map(|item| item.json()),
            Chunks::One(json) => json.take(),
        }
    }
}

/// The text of an array of strings. If one of them holds the end of a line they are what the wire gave and are
/// joined as they are; else each is a line that lost its end.
fn joined<'e>(items: &[Leaf<'e>], json_bytes: usize, context: &mut Context<'e>) -> &'e str {
    let tokens = || {
        items.iter().filter_map(|item| match item.value() {
            Value::Text(token) => Some(token),
            _ => None,
        })
    };
    if tokens().count() < items.len() {
        context.lose(Warning::BadField);
    }
    // Two escaped line feeds take four bytes, as the quotes, comma and space round a string at least nearly do.
    let end = if tokens().any(has_line_end) { "" } else { "\\n\\n" };
    let mut text = bumpalo::collections::String::with_capacity_in(json_bytes, context.arena);
    for token in tokens() {
        text.push_str(token);
        text.push_str(end);
    }
    unescape(text.into_bump_str(), context.arena)
}

/// Whether an escaped text holds the end of a line.
fn has_line_end(token: &str) -> bool {
    let mut rest = token.as_bytes();
    while let Some(at) = memchr(b'\\', rest) {
        match rest.get(at + 1) {
            Some(b'n' | b'r') => return true,
            Some(b'u') if ["000a", "000d"].iter().any(|code| token_has(rest, at + 2, code)) => return true,
            _ => rest = rest.get(at + 2..).unwrap_or_default(),
        }
    }
    false
}

fn token_has(token: &[u8], at: usize, code: &str) -> bool {
    token.get(at..at + code.len()).is_some_and(|digits| digits.eq_ignore_ascii_case(code.as_bytes()))
}

/// Pieces of one text, as they stand in JSON.
#[derive(Default)]
pub(super) struct Pieces<'e>(Vec<&'e str>);

impl<'e> Pieces<'e> {
    /// Appends what a chunk adds; anything but a string is lost.
    pub(super) fn add(&mut self, leaf: Leaf<'e>, context: &mut Context<'e>) {
        match leaf.value() {
            Value::Absent | Value::Text("") => {}
            Value::Text(token) => self.0.push(token),
            _ => context.lose(Warning::BadField),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The whole: borrowed when it is one piece without escapes.
    pub(super) fn join(&self, arena: &'e Bump) -> &'e str {
        match self.0[..] {
            [] => "",
            [one] => unescape(one, arena),
            _ => {
                let bytes = self.0.iter().map(|piece| piece.len()).sum();
                let mut text = bumpalo::collections::String::with_capacity_in(bytes, arena);
                self.0.iter().for_each(|piece| text.push_str(piece));
                unescape(text.into_bump_str(), arena)
            }
        }
    }
}

/// Whether a chunk says nothing but that the stream is over.
pub(super) fn is_done(chunk: &str) -> bool {
    chunk.trim_ascii() == DONE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, Position};
    use proptest::prelude::*;

    fn chunks(json: &str) -> Vec<String> {
        let arena = Bump::new();
        let position = Position { topic: "t", partition: 0, offset: 0 };
        let event = Event { position, timestamp_ms: 0, payload: None, format_header: None };
        let mut context = Context::new(&event, 0, &arena);
        Chunks::of_array(json, &mut context).map(str::to_owned).collect()
    }

    #[test]
    fn arrays_are_chunks_lines_or_what_the_wire_gave() {
        let table: [(&str, &[&str]); 7] = [
            ("[]", &[]),
            (r#"[{"a": 1}, {"a": 2}]"#, &[r#"{"a": 1}"#, r#"{"a": 2}"#]),
            (r#"["data: {\"a\": \"x\\ny\"}", "data: [DONE]"]"#, &[r#"{"a": "x\ny"}"#, "[DONE]"]),
            (r#"["{\"a\": 1}", "{\"a\": 2}"]"#, &[r#"{"a": 1}"#, r#"{"a": 2}"#]),
            (r#"["da", "ta: {\"a\"", ": 1}\n", "\nda", "ta: {}\n\n"]"#, &[r#"{"a": 1}"#, "{}"]),
            (r#"["data: {\"a\": \"\ud83d", "\ude00\"}\n\n"]"#, &["{\"a\": \"😀\"}"]),
            (r#"["data: {}", 7]"#, &["{}"]),
        ];
        for (json, expected) in table {
            assert_eq!(chunks(json), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_one_text(pieces in proptest::collection::vec(any::<String>(), 0..5)) {
            let arena = Bump::new();
            let quoted: Vec<String> = pieces.iter().map(|piece| serde_json::to_string(piece).unwrap()).collect();
            let tokens = quoted.iter().map(|quoted| &quoted[1..quoted.len() - 1]).filter(|token| !token.is_empty());
            prop_assert_eq!(Pieces(tokens.collect()).join(&arena), pieces.concat());
        }
    }

    #[test]
    fn a_pair_cut_in_two_is_one_character() {
        let arena = Bump::new();
        assert_eq!(Pieces(vec!["a\\ud83d", "\\ude00b"]).join(&arena), "a😀b");
        assert_eq!(Pieces(vec!["a\\ud83d", "b"]).join(&arena), "a\u{fffd}b");
    }
}
