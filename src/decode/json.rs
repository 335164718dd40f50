//! JSON as decoders read it: lazily, borrowed from the payload, and lenient about types.
//!
//! A typed reader fails at the first field of a wrong type; a capture with one odd field would then be lost. So
//! every scalar is a [`Leaf`], which is looked at only when it is used, every object a [`Nested`] and every array
//! a [`List`], which note a wrong type and go on. What still fails is text that is not JSON, an object that names
//! a key twice (which of the two the model saw is anyone's guess), and, where an object or array should stand, a
//! number beyond all floats or a string with half a surrogate pair, which the parser itself refuses.
//!
//! [`outline`] passes over a text once, before anything is parsed: it measures the nesting, sees which known keys
//! stand at the top and in two bodies below it, and where the first value ends. It does not validate.

use bumpalo::Bump;
use memchr::{memchr, memchr2};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;

use crate::limits;
use crate::model::reject::{Reason, Reject};

/// Declares the keys by which formats are recognised.
macro_rules! keys {
    ($($variant:ident $text:literal),+ $(,)?) => {
        /// A key by which a format is recognised.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(super) enum Key { $($variant),+ }

        impl Key {
            fn of(key: &[u8]) -> Option<Key> {
                match key {
                    $($text => Some(Key::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

keys! {
    WeirSchema b"weir_schema",
    SpecVersion b"specversion",
    Records b"records",
    Request b"request",
    Response b"response",
    // Of bodies.
    AnthropicVersion b"anthropic_version",
    Choices b"choices",
    Content b"content",
    Input b"input",
    Messages b"messages",
    Model b"model",
    Object b"object",
    Output b"output",
    Prompt b"prompt",
    Role b"role",
    System b"system",
    Type b"type",
}

/// Which of the known keys stand in an object.
#[derive(Clone, Copy, Default)]
pub(super) struct Keys(u32);

impl Keys {
    fn add(&mut self, key: Key) {
        self.0 |= 1 << key as u32;
    }

    pub(super) fn has(self, key: Key) -> bool {
        self.0 & 1 << key as u32 != 0
    }
}

/// What one pass over a text shows.
pub(super) struct Outline {
    /// Deepest nesting of objects and arrays.
    pub depth: usize,
    /// Keys at the top.
    pub keys: Keys,
    /// Keys of the objects `request` and `response` at the top.
    pub request: Keys,
    pub response: Keys,
    /// Where the first object or array ends, exclusive; `None` when it does not.
    pub end: Option<usize>,
}

impl Outline {
    /// Notes a key below the key `top`.
    fn add(&mut self, depth: usize, top: Option<Key>, key: Option<Key>) {
        let Some(key) = key else { return };
        match (depth, top) {
            (1, _) => self.keys.add(key),
            (2, Some(Key::Request)) => self.request.add(key),
            (2, Some(Key::Response)) => self.response.add(key),
            _ => {}
        }
    }

    /// Whether the text is one object or array and nothing else.
    pub(super) fn is_whole(&self, text: &str) -> bool {
        self.end.is_some_and(|end| text[end..].trim_ascii_start().is_empty())
    }

    /// Refuses what is nested deeper than the bound.
    pub(super) fn check_depth(&self) -> Result<(), Reject> {
        if self.depth <= limits::JSON_DEPTH {
            return Ok(());
        }
        Err(Reject::new(Reason::TooDeep, format!("nested deeper than {} levels", limits::JSON_DEPTH)))
    }
}

/// Measures the first object or array of a text.
pub(super) fn outline(text: &str) -> Outline {
    let bytes = text.as_bytes();
    let none = Keys::default();
    let mut seen = Outline { depth: 0, keys: none, request: none, response: none, end: None };
    let (mut at, mut depth) = (0, 0usize);
    let mut top = None;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let Some(close) = string_end(bytes, at) else { break };
                if depth <= 2 && is_key(&bytes[close + 1..]) {
                    let key = Key::of(&bytes[at..close]);
                    if depth == 1 {
                        top = key;
                    }
                    seen.add(depth, top, key);
                }
                at = close + 1;
            }
            b'{' | b'[' => {
                depth += 1;
                seen.depth = seen.depth.max(depth);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    seen.end = Some(at);
                    break;
                }
            }
            _ => {}
        }
    }
    seen
}

/// Index of the quote that closes the string whose first byte is at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Whether a string before `rest` is a key.
fn is_key(rest: &[u8]) -> bool {
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// Parses a text whose nesting was checked.
pub(super) fn parse<'e, T: Deserialize<'e>>(text: &'e str) -> Result<T, Reject> {
    serde_json::from_str(text).map_err(|error| refusal(&error))
}

/// A parse error by its place and kind. serde_json's own message may quote the payload and is never used.
fn refusal(error: &serde_json::Error) -> Reject {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "the text ends too early",
        serde_json::error::Category::Data => "a key stands twice in one object, or an object is missing",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "not valid JSON",
    };
    Reject::new(Reason::NotJson, format!("line {}, column {}: {what}", error.line(), error.column()))
}

/// A value that is looked at when it is used; absent and `null` are the same.
#[derive(Clone, Copy, Default)]
pub(super) struct Leaf<'e>(Option<&'e RawValue>);

impl<'de: 'e, 'e> Deserialize<'de> for Leaf<'e> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(Leaf(Some(raw).filter(|raw| raw.get() != "null")))
    }
}

/// A [`Leaf`] by its type.
pub(super) enum Value<'e> {
    Absent,
    /// The text between the quotes, escapes and all.
    Text(&'e str),
    Number(&'e str),
    Bool,
    Array(&'e str),
    Object(&'e str),
}

impl<'e> Leaf<'e> {
    /// The text of an object, or nothing.
    pub(super) fn object(self) -> Option<&'e str> {
        match self.value() {
            Value::Object(json) => Some(json),
            _ => None,
        }
    }

    /// This, or another one when there is none.
    pub(super) fn or(self, other: Self) -> Self {
        if self.is_absent() { other } else { self }
    }

    pub(super) fn value(self) -> Value<'e> {
        let Some(raw) = self.0.map(RawValue::get) else { return Value::Absent };
        match raw.as_bytes().first() {
            Some(b'"') => Value::Text(raw.get(1..raw.len() - 1).unwrap_or_default()),
            Some(b'{') => Value::Object(raw),
            Some(b'[') => Value::Array(raw),
            Some(b't' | b'f') => Value::Bool,
            _ => Value::Number(raw),
        }
    }

    pub(super) fn is_absent(self) -> bool {
        self.0.is_none()
    }

    /// The JSON text as it stands; empty when absent.
    pub(super) fn json(self) -> &'e str {
        self.0.map_or("", RawValue::get)
    }
}

/// The text of a JSON string without its quotes: borrowed when nothing is escaped, else made in the arena. Halves
/// of surrogate pairs, which loggers leave when they cut a text by UTF-16 units, become U+FFFD: a strict reader
/// would lose the whole event to one of them.
pub(super) fn unescape<'e>(token: &'e str, arena: &'e Bump) -> &'e str {
    let Some(first) = memchr(b'\\', token.as_bytes()) else { return token };
    let mut text = bumpalo::collections::String::with_capacity_in(token.len(), arena);
    let (mut rest, mut next) = (token, Some(first));
    while let Some(at) = next {
        text.push_str(&rest[..at]);
        let (scalar, length) = escape(&rest[at..]);
        text.push(scalar);
        rest = &rest[at + length..];
        next = memchr(b'\\', rest.as_bytes());
    }
    text.push_str(rest);
    text.into_bump_str()
}

/// The scalar of the escape at the start of `text`, and the escape's length. The parser has seen the escapes, so
/// that only a foreign caller meets the fallback.
fn escape(text: &str) -> (char, usize) {
    let simple = match text.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'u') => return unicode_escape(text),
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (simple, 2)
}

fn unicode_escape(text: &str) -> (char, usize) {
    let Some(unit) = code_unit(text) else { return (char::REPLACEMENT_CHARACTER, 1) };
    if let Some(scalar) = char::from_u32(unit) {
        return (scalar, 6);
    }
    let low = text.get(6..).and_then(code_unit).filter(|low| (0xdc00..0xe000).contains(low));
    match low {
        Some(low) if unit < 0xdc00 => {
            let scalar = 0x1_0000 + ((unit - 0xd800) << 10 | (low - 0xdc00));
            (char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

/// The number of `\uXXXX` at the start of `text`.
fn code_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

/// An object, or the news that something else stood there.
#[derive(Default)]
pub(super) enum Nested<T> {
    #[default]
    Absent,
    Is(T),
    /// Not an object.
    Bad,
}

/// At most `MAX` elements of an array, or the news that something else stood there.
pub(super) struct List<T, const MAX: usize> {
    pub items: Vec<T>,
    /// Whether there were more.
    pub more: bool,
    /// Not an array.
    pub bad: bool,
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        List { items: Vec::new(), more: false, bad: false }
    }
}

/// The part of a lenient visitor that is the same for objects and arrays: scalars of every type.
macro_rules! note_scalars {
    ($absent:expr, $bad:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok($absent)
        }
        fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($bad)
        }
        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($bad)
        }
        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($bad)
        }
        fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($bad)
        }
        fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok($bad)
        }
    };
}

struct NestedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NestedVisitor<T> {
    type Value = Nested<T>;

    note_scalars!(Nested::Absent, Nested::Bad);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Nested::Bad)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Nested::Is)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nested<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NestedVisitor(PhantomData))
    }
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = List<T, MAX>;

    note_scalars!(List::default(), List { bad: true, ..List::default() });

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = List::default();
        while list.items.len() < MAX {
            let Some(item) = seq.next_element()? else { return Ok(list) };
            list.items.push(item);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            list.more = true;
        }
        Ok(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(List { bad: true, ..List::default() })
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_outline_sees_keys_depth_and_end() {
        let text = r#" {"weir_schema": 1, "a": "request\": {[", "b": [[{"response": 2}]]} {"x": 1}"#;
        let seen = outline(text);
        assert_eq!(seen.depth, 4);
        assert!(seen.keys.has(Key::WeirSchema));
        assert!(!seen.keys.has(Key::Request) && !seen.keys.has(Key::Response));
        assert_eq!(&text[seen.end.unwrap()..], r#" {"x": 1}"#);
        assert!(outline(r#"{"a": "never closed}"#).end.is_none());
        assert!(outline(r#"{"a": "\"#).end.is_none());
        assert!(outline("").end.is_none());
    }

    #[test]
    fn escapes_become_text() {
        let arena = Bump::new();
        let table = [
            (r"plain", "plain"),
            (r#"a\n\t\"\\\/\b\f\r"#, "a\n\t\"\\/\u{8}\u{c}\r"),
            (r"\u00e9\u20ac", "é€"),
            (r"\ud83d\ude00!", "😀!"),
            (r"cut \ud83d", "cut \u{fffd}"),
            (r"\ud83dx \ude00", "\u{fffd}x \u{fffd}"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
        ];
        for (token, expected) in table {
            assert_eq!(unescape(token, &arena), expected);
        }
    }

    #[derive(serde::Deserialize)]
    struct Odd<'e> {
        #[serde(borrow, default)]
        object: Nested<Inner<'e>>,
        #[serde(borrow, default)]
        list: List<Leaf<'e>, 2>,
    }

    #[derive(serde::Deserialize)]
    struct Inner<'e> {
        #[serde(borrow, default)]
        a: Leaf<'e>,
    }

    #[test]
    fn a_wrong_type_is_noted_and_passed_over() {
        for odd in ["1", "-1", "1.5", "true", "\"x\"", "\"\\n\"", "[1, {}]"] {
            let text = format!("{{\"object\": {odd}, \"list\": [1, 2, 3]}}");
            let read: Odd<'_> = serde_json::from_str(&text).unwrap();
            assert!(matches!(read.object, Nested::Bad), "{odd}");
            assert!(read.list.more && read.list.items.len() == 2);
        }
        for odd in ["1", "-1", "1.5", "true", "\"x\"", "\"\\n\"", "{\"a\": []}"] {
            let text = format!("{{\"list\": {odd}, \"object\": {{\"a\": 1e999}}}}");
            let read: Odd<'_> = serde_json::from_str(&text).unwrap();
            assert!(read.list.bad, "{odd}");
            let Nested::Is(inner) = read.object else { panic!("an object") };
            assert_eq!(inner.a.json(), "1e999");
        }
        let read: Odd<'_> = serde_json::from_str(r#"{"object": null, "list": null}"#).unwrap();
        assert!(matches!(read.object, Nested::Absent) && !read.list.bad);
    }

    proptest! {
        #[test]
        fn unescaping_undoes_escaping(text: String) {
            let arena = Bump::new();
            let quoted = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(unescape(&quoted[1..quoted.len() - 1], &arena), text);
        }

        #[test]
        fn foreign_text_never_panics(text in r#"[\\"udD8cC0{}\[\]:, é]{0,40}"#) {
            let arena = Bump::new();
            outline(&text);
            unescape(&text, &arena);
        }
    }
}
