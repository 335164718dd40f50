//! What decoders of every format do alike: read a field and note what is wrong with it, and make identifiers,
//! times, principals and destinations of what was read.
//!
//! Identifiers are metadata and go to tables and alerts as they are, so they are bounded in length and stripped
//! of control characters here. Content is not touched.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use serde::Deserialize;

use super::json::{Leaf, Value, unescape};
use crate::limits;
use crate::model::{
    ContentState, Destination, Event, Message, Part, PartKind, Principal, PrincipalKind, Raw, Warning, Warnings,
};

/// What stands at the end of an identifier that was cut.
const CUT_MARK: char = '…';

/// Numbers at and above this are milliseconds: in seconds it is the year 5138, in milliseconds 1973.
const SECONDS_END: f64 = 1e11;

/// One interaction being decoded: where it stands and what was passed over so far.
pub(super) struct Context<'e> {
    pub event: Event<'e>,
    /// Its place in the event.
    pub index: u32,
    pub arena: &'e Bump,
    pub warnings: Warnings,
    /// Whether content is known to be missing: a body that cannot be read, or the end of a stream.
    pub is_cut: bool,
}

impl<'e> Context<'e> {
    pub(super) fn new(event: &Event<'e>, index: u32, arena: &'e Bump) -> Self {
        Context { event: *event, index, arena, warnings: Warnings::default(), is_cut: false }
    }

    pub(super) fn warn(&mut self, warning: Warning) {
        self.warnings.add(warning);
    }

    /// Notes content that is passed over: nothing of which text is missing is called full.
    pub(super) fn lose(&mut self, warning: Warning) {
        self.is_cut = true;
        self.warn(warning);
    }

    /// Notes that a stream ends before its end.
    pub(super) fn cut_stream(&mut self) {
        self.lose(Warning::StreamTruncated);
    }

    /// What was seen of the content.
    pub(super) fn content_state(&self, messages: &[Message<'_>]) -> ContentState {
        let has_content = messages.iter().any(|message| !message.parts.is_empty());
        match (self.is_cut, has_content) {
            (true, _) => ContentState::Truncated,
            (false, true) => ContentState::Full,
            (false, false) => ContentState::Absent,
        }
    }

    pub(super) fn bad_field<T>(&mut self) -> Option<T> {
        self.warn(Warning::BadField);
        None
    }

    /// An empty vector in the arena.
    pub(super) fn list<T>(&self, capacity: usize) -> ArenaVec<'e, T> {
        ArenaVec::with_capacity_in(capacity, self.arena)
    }

    /// A string as it was said.
    pub(super) fn text(&mut self, leaf: Leaf<'e>) -> Option<&'e str> {
        match leaf.value() {
            Value::Absent => None,
            Value::Text(token) => Some(unescape(token, self.arena)),
            _ => self.bad_field(),
        }
    }

    /// Content: a string, or the JSON text of an object or array. Arguments and results come as either, and what
    /// should be a string is looked at as it stands when it is none.
    pub(super) fn text_or_json(&mut self, leaf: Leaf<'e>) -> Option<&'e str> {
        match leaf.value() {
            Value::Absent => None,
            Value::Text(token) => Some(unescape(token, self.arena)),
            Value::Array(json) | Value::Object(json) => Some(json),
            Value::Number(_) | Value::Bool => {
                self.lose(Warning::BadField);
                None
            }
        }
    }

    /// A string that is metadata; `""` when there is none. A number serves as well: ids are often numbers.
    pub(super) fn identifier(&mut self, leaf: Leaf<'e>) -> &'e str {
        match leaf.value() {
            Value::Number(number) => self.tidy(number),
            _ => self.text(leaf).map_or("", |text| self.tidy(text)),
        }
    }

    /// An identifier out of a small vocabulary, such as a scheme. What does not look like one may be anything, a secret
    /// too: it is dropped.
    pub(super) fn word(&mut self, leaf: Leaf<'e>) -> &'e str {
        let text = self.identifier(leaf);
        self.only_word(text)
    }

    fn only_word(&mut self, text: &'e str) -> &'e str {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._ ".contains(&byte);
        if text.len() <= limits::WORD_MAX_BYTES && text.bytes().all(fits) {
            return text;
        }
        self.bad_field().unwrap_or_default()
    }

    /// Trims, replaces control characters and cuts.
    pub(super) fn tidy(&mut self, text: &'e str) -> &'e str {
        let text = text.trim();
        let is_long = text.len() > limits::IDENTIFIER_MAX_BYTES;
        let has_control = text.chars().any(char::is_control);
        if !is_long && !has_control {
            return text;
        }
        let mut kept = bumpalo::collections::String::new_in(self.arena);
        for scalar in text.chars() {
            let scalar = if scalar.is_control() { char::REPLACEMENT_CHARACTER } else { scalar };
            // Leaves room for the mark at every step, so that the cut needs no second look.
            if kept.len() + scalar.len_utf8() + CUT_MARK.len_utf8() > limits::IDENTIFIER_MAX_BYTES {
                kept.push(CUT_MARK);
                self.warn(Warning::IdentifierCut);
                break;
            }
            kept.push(scalar);
        }
        if has_control {
            self.warn(Warning::BadField);
        }
        kept.into_bump_str()
    }

    /// A number of at least 0; fractions are cut off.
    pub(super) fn number(&mut self, leaf: Leaf<'e>) -> Option<u64> {
        let number = match leaf.value() {
            Value::Absent => return None,
            Value::Number(number) => number,
            _ => return self.bad_field(),
        };
        if let Ok(whole) = number.parse() {
            return Some(whole);
        }
        match number.parse::<f64>() {
            // Below 2^53 a float is exact; no count gets there.
            Ok(float) if (0.0..9e15).contains(&float) => Some(float as u64),
            _ => self.bad_field(),
        }
    }

    /// A number that fits a smaller type.
    pub(super) fn small<T: TryFrom<u64>>(&mut self, leaf: Leaf<'e>) -> Option<T> {
        match T::try_from(self.number(leaf)?) {
            Ok(number) => Some(number),
            Err(_) => self.bad_field(),
        }
    }

    /// The first time that can be read, else the record's; clamped to the record's.
    pub(super) fn time(&mut self, candidates: &[Leaf<'e>]) -> i64 {
        for leaf in candidates.iter().filter(|leaf| !leaf.is_absent()) {
            match self.instant(*leaf) {
                Some(time_ms) => return self.clamp(time_ms),
                None => self.warn(Warning::BadTime),
            }
        }
        self.warn(Warning::BadTime);
        self.event.timestamp_ms
    }

    fn instant(&self, leaf: Leaf<'e>) -> Option<i64> {
        match leaf.value() {
            Value::Text(token) => {
                let time: jiff::Timestamp = unescape(token, self.arena).trim().parse().ok()?;
                Some(time.as_millisecond())
            }
            Value::Number(number) => {
                let number = number.parse::<f64>().ok().filter(|number| *number > 0.0)?;
                Some(if number < SECONDS_END { (number * 1_000.0).round() as i64 } else { number as i64 })
            }
            _ => None,
        }
    }

    /// Keeps an event's own time near the record's, so that one record dated 2036 cannot close every hour.
    fn clamp(&mut self, time_ms: i64) -> i64 {
        let record_ms = self.event.timestamp_ms;
        if record_ms == Event::WITHOUT_TIMESTAMP {
            return time_ms;
        }
        let earliest = record_ms.saturating_sub(limits::CLOCK_BEHIND_MS);
        let latest = record_ms.saturating_add(limits::CLOCK_AHEAD_MS);
        let clamped = time_ms.clamp(earliest, latest);
        if clamped != time_ms {
            self.warn(Warning::TimeClamped);
        }
        clamped
    }

    /// The application, or what stands in for it: the topic's name.
    pub(super) fn application(&mut self, leaf: Leaf<'e>) -> &'e str {
        match self.identifier(leaf) {
            "" => self.event.position.topic,
            name => name,
        }
    }

    /// The most answerable of the principals that are named, else one that says that none was.
    pub(super) fn principal(&mut self, named: Named<'e>, application: &'e str) -> Principal<'e> {
        let ranked = [
            (PrincipalKind::User, named.user),
            (PrincipalKind::Key, named.key),
            (PrincipalKind::Workload, named.workload),
        ];
        if let Some((kind, value)) = ranked.into_iter().find(|(_, value)| !value.is_empty()) {
            return Principal { kind, value };
        }
        self.warn(Warning::NoPrincipal);
        Principal { kind: PrincipalKind::Unknown, value: application }
    }

    /// Host, port and scheme of `host`, `host:port`, `[v6]:port` or a URL. Credentials in a URL and its path are
    /// dropped.
    pub(super) fn destination(&mut self, text: &'e str) -> Destination<'e> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("", text.trim()));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().unwrap_or(0)),
            _ => (authority, 0),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Destination { host: self.tidy(host), port, scheme: self.only_word(scheme), tls_version: "" }
    }
}

/// Principals as a capture names them; empty when it does not.
#[derive(Clone, Copy, Default)]
pub(super) struct Named<'e> {
    pub user: &'e str,
    pub key: &'e str,
    pub workload: &'e str,
}

#[derive(Deserialize)]
struct NamedWire<'e> {
    #[serde(borrow, default)]
    user: Leaf<'e>,
    #[serde(borrow, default)]
    key: Leaf<'e>,
    #[serde(borrow, default)]
    workload: Leaf<'e>,
}

impl<'e> Named<'e> {
    /// Reads `{user, key, workload}`, or a string, which is a user.
    pub(super) fn read(leaf: Leaf<'e>, context: &mut Context<'e>) -> Self {
        let Value::Object(json) = leaf.value() else {
            return Named { user: context.identifier(leaf), ..Named::default() };
        };
        match serde_json::from_str::<NamedWire<'e>>(json) {
            Ok(wire) => Named {
                user: context.identifier(wire.user),
                key: context.identifier(wire.key),
                workload: context.identifier(wire.workload),
            },
            Err(_) => context.bad_field().unwrap_or_default(),
        }
    }
}

/// A part of text.
pub(super) fn part<'e>(kind: PartKind, name: &'e str, text: &'e str) -> Part<'e> {
    Part { kind, name, text: Raw::new(text), bytes: text.len() as u64 }
}
