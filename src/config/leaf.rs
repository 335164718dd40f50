//! The types of single values: text, secrets, names, times, numbers and choices, each with how it is read, how
//! `weir config effective` prints it, and its JSON Schema.
//!
//! Every one may also be written as `${…}`, so the schemas take such a string where a number or a choice stands.
//! Checks that need a second key are in `resolve.rs`.

use crate::decode::Format;
use crate::limits;
use crate::model::Severity;
use crate::yaml::plain::{reject, text};
use crate::yaml::section::{Written, closest};
use crate::yaml::{Node, Place, Problem};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// What `weir config effective` prints for a secret.
pub const HIDDEN: &str = "***";

/// How an interpolation begins, for the schemas of values that are not text.
const FILLED_PATTERN: &str = r"^\$\{";

/// Gives a leaf its `Serialize` and `JsonSchema`.
macro_rules! leaf {
    ($type:ty, $name:literal, |$value:ident| $written:expr, $schema:tt) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $value = self;
                $written.serialize(serializer)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}
pub(super) use leaf;

/// Text that is not empty.
#[derive(Clone, Debug)]
pub struct Text {
    pub value: String,
    pub place: Place,
}

impl Text {
    /// A default, which stands nowhere in the file.
    pub fn from_default(value: &str) -> Self {
        Text { value: value.to_owned(), place: Place::default() }
    }
}

impl Written for Text {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let value = text(node, problems)?;
        if value.trim().is_empty() {
            problems.push(Problem::new(
                node.place,
                format!("{} is empty", node.path),
                "fill it in, or leave the key out",
            ));
            return None;
        }
        Some(Text { value: value.to_owned(), place: node.place })
    }

    fn stand_in() -> Self {
        Text::from_default("")
    }
}
leaf!(Text, "Text", |text| text.value, { "type": "string", "minLength": 1 });

/// Text that is never printed. It has no `Debug`.
#[derive(Clone, Default)]
pub struct Secret(pub String);

impl Written for Secret {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        text(node, problems).map(|value| Secret(value.to_owned()))
    }

    fn stand_in() -> Self {
        Secret::default()
    }
}
leaf!(Secret, "Secret", |secret| if secret.0.is_empty() { "" } else { HIDDEN }, { "type": ["string", "number"] });

/// A name that Kafka accepts in a topic, a group's member or a transaction.
#[derive(Clone, Debug)]
pub struct Name {
    pub value: String,
}

/// Longest name, in characters. Kafka takes 249; weir appends `-detect-<instance>-<thread>` or a topic's name.
const NAME_MAX: usize = 100;

impl Name {
    /// A default, or a name that was found legal.
    pub fn from_default(value: &str) -> Self {
        Name { value: value.to_owned() }
    }

    /// Whether Kafka takes it.
    pub fn is_legal(value: &str) -> bool {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        !value.is_empty() && value.len() <= NAME_MAX && value.chars().all(is_legal)
    }
}

impl Written for Name {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let value = text(node, problems)?;
        if !Name::is_legal(value) {
            let remedy = format!("use letters, digits, `.`, `_` and `-`, at most {NAME_MAX} of them");
            return reject(node, "is not a plain name", remedy, problems);
        }
        Some(Name { value: value.to_owned() })
    }

    fn stand_in() -> Self {
        Name::from_default("")
    }
}
leaf!(Name, "Name", |name| name.value, { "type": "string", "pattern": r"^[A-Za-z0-9._-]{1,100}$|\$\{" });

/// A time span: a whole number and a unit.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub ms: u64,
    pub place: Place,
}

const SPAN_UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// How a time is written: in the largest unit that divides it.
    pub fn written(ms: u64) -> String {
        written_with_unit(ms, SPAN_UNITS)
    }

    /// See [`Text::from_default`].
    pub fn from_default(ms: u64) -> Self {
        Span { ms, place: Place::default() }
    }
}

impl Written for Span {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match with_unit(text(node, problems)?, SPAN_UNITS) {
            Some(ms) => Some(Span { ms, place: node.place }),
            None => {
                reject(node, "is not a time span", "write a whole number and a unit: 250ms, 10s, 5m, 1h, 30d", problems)
            }
        }
    }

    fn stand_in() -> Self {
        Span::from_default(0)
    }
}
leaf!(Span, "Span", |span| Span::written(span.ms), { "type": "string", "pattern": r"^[0-9]+ ?(ms|s|m|h|d)$|^\$\{" });

/// A size in bytes: a whole number and a unit.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub bytes: u64,
    pub place: Place,
}

const SIZE_UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Size {
    /// How a size is written: in the largest unit that divides it.
    pub fn written(bytes: u64) -> String {
        written_with_unit(bytes, SIZE_UNITS)
    }

    /// See [`Text::from_default`].
    pub fn from_default(bytes: usize) -> Self {
        Size { bytes: bytes as u64, place: Place::default() }
    }
}

impl Written for Size {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match with_unit(text(node, problems)?, SIZE_UNITS) {
            Some(bytes) => Some(Size { bytes, place: node.place }),
            None => reject(node, "is not a size", "write a whole number and a unit: 512KiB, 4MiB", problems),
        }
    }

    fn stand_in() -> Self {
        Size::from_default(0)
    }
}
leaf!(Size, "Size", |size| Size::written(size.bytes), { "type": "string", "pattern": r"^[0-9]+ ?(B|KiB|MiB|GiB)$|^\$\{" });

/// A number of whole units: `250ms` in milliseconds. Without a unit it is nothing, but for zero.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let (_, size) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.checked_mul(*size)
}

/// The shortest way to write a number of units: in the largest that divides it.
fn written_with_unit(value: u64, units: &[(&str, u64)]) -> String {
    let (unit, size) =
        units.iter().find(|(_, size)| value >= *size && value.is_multiple_of(*size)).unwrap_or(&units[units.len() - 1]);
    format!("{}{unit}", value / size)
}

/// A whole number of at least one.
#[derive(Clone, Copy, Debug)]
pub struct Count(pub i32);

/// Most partitions, threads or alerts that a key may ask for: far above sense, so that a slip is caught.
const COUNT_MAX: i32 = 10_000;
const _: () = assert!(COUNT_MAX as usize == limits::INTERACTIONS_CEILING, "a count is within its ceiling");

impl Written for Count {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match text(node, problems)?.parse() {
            Ok(count @ 1..=COUNT_MAX) => Some(Count(count)),
            _ => reject(
                node,
                "is not a number that can stand here",
                format!("write a whole number from 1 to {COUNT_MAX}"),
                problems,
            ),
        }
    }

    fn stand_in() -> Self {
        Count(1)
    }
}
leaf!(Count, "Count", |count| count.0, { "anyOf": [{ "type": "integer", "minimum": 1, "maximum": COUNT_MAX }, { "type": "string", "pattern": FILLED_PATTERN }] });

/// How many threads detect runs.
#[derive(Clone, Copy, Debug)]
pub enum Threads {
    /// One for each core that the process may use.
    Auto,
    Fixed(i32),
}

impl Written for Threads {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match text(node, problems)? {
            "auto" => Some(Threads::Auto),
            number => match number.parse() {
                Ok(count @ 1..=THREADS_MAX) => Some(Threads::Fixed(count)),
                _ => reject(
                    node,
                    "is no number of threads",
                    format!("write `auto`, or a number from 1 to {THREADS_MAX}"),
                    problems,
                ),
            },
        }
    }

    fn stand_in() -> Self {
        Threads::Auto
    }
}

/// Most threads: each is a consumer and a producer with buffers of its own.
const THREADS_MAX: i32 = 256;

impl Serialize for Threads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Threads::Auto => "auto".serialize(serializer),
            Threads::Fixed(count) => count.serialize(serializer),
        }
    }
}

impl JsonSchema for Threads {
    fn schema_name() -> Cow<'static, str> {
        "Threads".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "const": "auto" },
            { "type": "integer", "minimum": 1, "maximum": THREADS_MAX },
            { "type": "string", "pattern": FILLED_PATTERN },
        ] })
    }
}

/// A type whose values are a few names.
pub trait Choice: Copy + 'static {
    /// What a message calls it: `a severity`.
    const WHAT: &'static str;
    /// Every value with its name.
    fn all() -> Vec<(&'static str, Self)>;
    /// Names of the full configuration that this version does not support.
    const LATER: &'static [&'static str] = &[];
    /// What is not there yet for them.
    const MISSING: &'static str = "is not supported by this version of weir";
}

/// A value of a [`Choice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct One<T>(pub T);

impl<T: Choice> One<T> {
    fn name(&self) -> &'static str
    where
        T: PartialEq,
    {
        T::all().into_iter().find(|(_, value)| *value == self.0).map_or("", |(name, _)| name)
    }
}

impl<T: Choice + PartialEq> Written for One<T> {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let written = text(node, problems)?;
        let all = T::all();
        if let Some((_, value)) = all.iter().find(|(name, _)| *name == written) {
            return Some(One(*value));
        }
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let list = format!("write one of {}", names.join(", "));
        if T::LATER.contains(&written) {
            return reject(node, T::MISSING, list, problems);
        }
        let remedy = match closest(written, &names) {
            Some(name) => format!("did you mean `{name}`? It takes {}", names.join(", ")),
            None => list,
        };
        reject(node, &format!("is not {}", T::WHAT), remedy, problems)
    }

    fn stand_in() -> Self {
        One(T::all()[0].1)
    }
}

impl<T: Choice + PartialEq> Serialize for One<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}

impl<T: Choice> JsonSchema for One<T> {
    fn schema_name() -> Cow<'static, str> {
        T::WHAT.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = T::all().iter().map(|(name, _)| *name).collect();
        json_schema!({ "anyOf": [{ "enum": names }, { "type": "string", "pattern": FILLED_PATTERN }] })
    }
}

impl Choice for Severity {
    const WHAT: &'static str = "a severity";

    fn all() -> Vec<(&'static str, Self)> {
        Severity::ALL.iter().map(|severity| (severity.name(), *severity)).collect()
    }
}

impl Choice for Format {
    const WHAT: &'static str = "a format of events";
    const LATER: &'static [&'static str] = &["otlp_json", "otlp_proto", "mapped"];

    fn all() -> Vec<(&'static str, Self)> {
        Format::ALL.iter().map(|format| (format.name(), *format)).collect()
    }
}

/// What is kept of prompts and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// None of their text: sizes, counts, hashes and masked evidence.
    Metadata,
}

impl Choice for Content {
    const WHAT: &'static str = "a choice of what is kept";
    const LATER: &'static [&'static str] = &["redacted", "full"];
    const MISSING: &'static str = "is not there yet: this version of weir has no table for text of prompts and answers";

    fn all() -> Vec<(&'static str, Self)> {
        vec![("metadata", Content::Metadata)]
    }
}

/// Declares a choice of this room.
macro_rules! choice {
    ($(#[doc = $doc:literal])* $name:ident $what:literal { $($variant:ident $text:literal),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl Choice for $name {
            const WHAT: &'static str = $what;

            fn all() -> Vec<(&'static str, Self)> {
                vec![$(($text, $name::$variant)),+]
            }
        }
    };
}

choice! {
    /// Where detect starts when its group has never read.
    Start "a place to start" { Earliest "earliest", Latest "latest" }
}

choice! {
    /// What to do when committed offsets have expired.
    OutOfRange "something to do" { Fail "fail", Earliest "earliest" }
}

choice! {
    /// How log lines look.
    Log "a form of log lines" { Text "text", Json "json" }
}

choice! {
    /// How weir proves to Kafka who it is.
    Mechanism "a mechanism" { Plain "PLAIN", Scram256 "SCRAM-SHA-256", Scram512 "SCRAM-SHA-512" }
}

choice! {
    /// What alerts are throttled by.
    Per "something to throttle by" { Rule "rule", Principal "principal" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("4MiB", 4 << 20), ("512KiB", 512 << 10), ("1000B", 1_000), ("1GiB", 1 << 30)] {
            assert_eq!(with_unit(text, SIZE_UNITS), Some(bytes), "{text}");
            assert_eq!(Size::written(bytes), text);
        }
        for text in ["4", "4MB", "4 mib", "-1B", "4.5MiB", "99999999999GiB"] {
            assert_eq!(with_unit(text, SIZE_UNITS), None, "{text}");
        }
    }

    #[test]
    fn spans_have_units() {
        let table = [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("400d", 34_560_000_000),
            ("1 h", 3_600_000),
        ];
        for (text, ms) in table {
            assert_eq!(with_unit(text, SPAN_UNITS), Some(ms), "{text}");
            assert_eq!(written_with_unit(ms, SPAN_UNITS), text.replace(' ', ""), "{text}");
        }
        for text in
            ["", "10", "s", "-1s", "1.5h", "10 parsecs", "1h30m", "99999999999999999999d", "999999999999999999d"]
        {
            assert_eq!(with_unit(text, SPAN_UNITS), None, "{text}");
        }
    }
}
