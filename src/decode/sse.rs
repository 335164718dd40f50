//! Server-sent events: the data of each, as <https://html.spec.whatwg.org/multipage/server-sent-events.html> reads
//! them, and as log taps leave them.
//!
//! Lines end with LF, CR or both; comments and fields other than `data` are passed over, since every provider
//! repeats the event's name inside its data. Beyond the standard it reads what taps make of a stream: a last event
//! without its blank line, events whose blank lines were dropped, and lines of which `data:` was stripped.
//!
//! Data is borrowed; only data of several lines is joined in the arena. It is not parsed here.

use bumpalo::Bump;
use memchr::memchr2;

use super::json::outline;

/// What OpenAI sends when a stream is over; no JSON.
pub(super) const DONE: &str = "[DONE]";

/// Whether a text is a stream rather than JSON: it begins with a field or a comment.
pub(super) fn is_stream(text: &str) -> bool {
    ["data:", "event:", "id:", "retry:", ":"].iter().any(|field| text.starts_with(field))
}

/// The data of each event of a text, in order.
#[derive(Clone)]
pub(super) struct Events<'e> {
    rest: &'e str,
    arena: &'e Bump,
}

/// The data of the event at hand.
enum Data<'e> {
    None,
    Line(&'e str),
    Lines(bumpalo::collections::String<'e>),
}

impl<'e> Events<'e> {
    pub(super) fn new(text: &'e str, arena: &'e Bump) -> Self {
        Events { rest: text, arena }
    }

    fn line(&mut self) -> Option<&'e str> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', self.rest.as_bytes()).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix("\r\n").or(rest.get(1..)).unwrap_or_default();
        Some(line)
    }
}

impl<'e> Iterator for Events<'e> {
    type Item = &'e str;

    fn next(&mut self) -> Option<&'e str> {
        let mut data = Data::None;
        loop {
            let before = self.rest;
            let Some(line) = self.line() else { break };
            let is_new = match (&data, is_bare(line)) {
                (Data::None, true) => return Some(line),
                (Data::None, false) => false,
                (_, _) if line.is_empty() => break,
                // It can be no line of this data, however torn that is.
                (_, true) => true,
                // Measured once: it is whole and given out, or becomes several lines.
                (Data::Line(one), false) => is_bare_data(line) && outline(one).is_whole(one),
                (Data::Lines(_), false) => false,
            };
            if is_new {
                self.rest = before;
                break;
            }
            if let Some(value) = value_of(line) {
                data = data.and(value, self.arena);
            }
        }
        match data {
            Data::None => None,
            Data::Line(line) => Some(line),
            Data::Lines(lines) => Some(lines.into_bump_str()),
        }
    }
}

impl<'e> Data<'e> {
    /// Appends a line; lines are joined by a line feed.
    fn and(self, line: &'e str, arena: &'e Bump) -> Data<'e> {
        let mut lines = match self {
            Data::None => return Data::Line(line),
            Data::Line(first) => bumpalo::collections::String::from_str_in(first, arena),
            Data::Lines(lines) => lines,
        };
        lines.push('\n');
        lines.push_str(line);
        Data::Lines(lines)
    }
}

/// The value of a `data` field.
fn value_of(line: &str) -> Option<&str> {
    let value = line.strip_prefix("data")?;
    match value.strip_prefix(':') {
        Some(value) => Some(value.strip_prefix(' ').unwrap_or(value)),
        None => value.is_empty().then_some(value),
    }
}

/// Whether a line is an event's data without the field's name. No field's name begins like this.
fn is_bare(line: &str) -> bool {
    line.starts_with('{') || line == DONE
}

/// Whether a line begins an event of its own, should the line before be one. Looked at only while there is one line,
/// which is measured then; every other line must not come so far, or a torn one would be measured for each of them.
fn is_bare_data(line: &str) -> bool {
    value_of(line).is_some_and(is_bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn data(text: &str) -> Vec<String> {
        Events::new(text, &Bump::new()).map(str::to_owned).collect()
    }

    #[test]
    fn events_have_data() {
        let table: [(&str, &[&str]); 18] = [
            ("", &[]),
            ("\n\n\r\r\n", &[]),
            ("data: a\n\ndata: b\n\n", &["a", "b"]),
            ("data: a\r\ndata: b\r\n\r\ndata:c\r\n\r\n", &["a\nb", "c"]),
            ("data: a\rdata:  b\r\rdata\r\r", &["a\n b", ""]),
            ("data: no blank line", &["no blank line"]),
            (": comment\nevent: x\nid: 1\nretry: 9\ndata: a\nunknown: b\n\n", &["a"]),
            ("event: without data\n\ndata: a\n\n", &["a"]),
            ("database: x\ndata x\n\n", &[]),
            ("data: {\"a\":\ndata: 1}\n\n", &["{\"a\":\n1}"]),
            ("data: {}\ndata: {}\ndata: [DONE]\n", &["{}", "{}", "[DONE]"]),
            ("data: {\ndata: {\ndata: }}\n\n", &["{\n{\n}}"]),
            ("{\"a\":1}\n{\"a\":2}\n[DONE]", &["{\"a\":1}", "{\"a\":2}", "[DONE]"]),
            ("data: {}\n{}\n\n", &["{}", "{}"]),
            ("data: {\"torn\": \"\n{}\n[DONE]\n", &["{\"torn\": \"", "{}", "[DONE]"]),
            ("data: {\"a\":\ndata: 1}\n{}\n\n", &["{\"a\":\n1}", "{}"]),
            ("data: é\u{2028}x\n\n", &["é\u{2028}x"]),
            ("data: {\"torn\": \"\n\ndata: {}\n\n", &["{\"torn\": \"", "{}"]),
        ];
        for (text, expected) in table {
            assert_eq!(data(text), expected, "{text:?}");
        }
    }

    proptest! {
        /// Every line of every data comes back, however lines end and whatever stands between them.
        #[test]
        fn data_comes_back(
            events in proptest::collection::vec(proptest::collection::vec("[^\r\n]{0,9}", 1..4), 0..6),
            end in prop_oneof![Just("\n"), Just("\r"), Just("\r\n")],
            noise in prop_oneof![Just(""), Just(": ping"), Just("event: x"), Just("id: data: 4")],
        ) {
            let mut text = String::new();
            for lines in &events {
                for line in lines {
                    text += &format!("{noise}{}data: {line}{end}", if noise.is_empty() { "" } else { end });
                }
                text += end;
            }
            let expected: Vec<String> = events.iter().map(|lines| lines.join("\n")).collect();
            // A JSON object on a line of its own is an event by itself, so it is left to the table above.
            prop_assume!(!text.contains('{'));
            prop_assert_eq!(data(&text), expected);
        }

        #[test]
        fn foreign_text_never_panics(text in "[data: {}\\[DONE\\]\r\né]{0,60}") {
            data(&text);
        }
    }
}
