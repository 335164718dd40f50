//! Files that people write in YAML: a tree of nodes that know their place and their path, the sections that are
//! read from it, and the problems that come of it, all of them at once.
//!
//! Scalars stay text: what type a key has is for the reader of that key to say, so `name: 007` keeps its zeros
//! and `"${PORT}"` may become a number. The YAML itself is read by serde-saphyr. This room reads no file and knows
//! no key: those of a pipeline are in `config`, of a pack in `rules`, of a policy in `policy`.

pub mod plain;
mod problem;
pub mod section;

pub use problem::{Place, Problem, Problems};

use section::Written;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, NonFiniteFloatPolicy, Spanned};
use std::fmt;
use std::ops::RangeInclusive;

/// A value of the file.
#[derive(Clone, Debug)]
pub struct Node {
    /// How to name it in a message: `kafka.brokers[0]`; empty for the whole file.
    pub path: String,
    pub place: Place,
    /// The lines on which a scalar is defined: not those of its place, if that is an alias.
    pub lines: RangeInclusive<usize>,
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Scalar(Scalar),
    /// A scalar that could not be filled in: that is reported already, and nothing more is said about it.
    Unfilled,
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A scalar.
#[derive(Clone, Debug)]
pub struct Scalar {
    pub text: String,
    /// The variables and files that filled it, e.g. `${KAFKA_BROKERS}`; empty when it stands in the file.
    pub origins: Vec<String>,
    /// Whether the file itself holds a part of the text.
    pub has_literal: bool,
    /// Whether no message may quote it.
    pub is_private: bool,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub key_place: Place,
    pub node: Node,
}

impl Node {
    /// Whether it counts as not written: nothing, or an interpolation that gave nothing.
    pub fn is_absent(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Scalar(scalar) => scalar.text.is_empty() && !scalar.origins.is_empty(),
            Value::Unfilled | Value::List(_) | Value::Map(_) => false,
        }
    }

    /// The value as a message may show it: never what an interpolation put in.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Null | Value::Unfilled => "nothing".to_owned(),
            Value::Scalar(scalar) if scalar.is_private => "what stands here".to_owned(),
            Value::Scalar(scalar) if scalar.origins.is_empty() => format!("`{}`", scalar.text),
            Value::Scalar(scalar) => format!("what {} gives", scalar.origins.join(" and ")),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }

    /// Calls `see` for this node and everything below it.
    pub fn visit(&self, see: &mut impl FnMut(&Node)) {
        see(self);
        match &self.value {
            Value::List(items) => items.iter().for_each(|item| item.visit(see)),
            Value::Map(entries) => entries.iter().for_each(|entry| entry.node.visit(see)),
            Value::Null | Value::Unfilled | Value::Scalar(_) => {}
        }
    }

    /// As [`Node::visit`], to change what is there.
    pub fn visit_mut(&mut self, see: &mut impl FnMut(&mut Node)) {
        see(self);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.visit_mut(see)),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| entry.node.visit_mut(see)),
            Value::Null | Value::Unfilled | Value::Scalar(_) => {}
        }
    }

    /// The key that it stands under, as an item of a list too.
    fn last_key(&self) -> &str {
        let last = self.path.rsplit('.').next().unwrap_or_default();
        last.split('[').next().unwrap_or_default()
    }
}

/// The lines of scalars that must not be shown, for [`Problems::new`].
pub fn lines_of(root: &Node, is_hidden: impl Fn(&Node) -> bool) -> Vec<RangeInclusive<usize>> {
    let mut lines = Vec::new();
    root.visit(&mut |node| {
        if matches!(node.value, Value::Scalar(_) | Value::Unfilled) && is_hidden(node) {
            lines.push(node.place.line..=node.place.line);
            lines.push(node.lines.clone());
        }
    });
    lines
}

/// A file of which no value is quoted but those of some keys: it may hold examples that are real, or be another file
/// than was meant.
pub struct PrivateFile<'s> {
    name: &'s str,
    text: &'s str,
    hidden: Vec<RangeInclusive<usize>>,
    /// Its keys and where they stand.
    keys: Vec<(Place, String)>,
    pub problems: Vec<Problem>,
}

impl<'s> PrivateFile<'s> {
    /// Reads a file whose values under the keys `shown` may be printed. `prepare` may change the tree before.
    pub fn read<T: Written>(
        name: &'s str,
        text: &'s str,
        shown: &[&str],
        prepare: impl FnOnce(&mut Node, &mut Vec<Problem>),
    ) -> (Self, Option<T>) {
        let mut file = PrivateFile { name, text, hidden: vec![0..=usize::MAX], keys: Vec::new(), problems: Vec::new() };
        let mut root = match parse(text, &mut file.problems) {
            Ok(root) => root,
            Err(problem) => {
                file.problems.push(problem);
                return (file, None);
            }
        };
        let is_hidden = |node: &Node| !shown.contains(&node.last_key());
        file.hidden = lines_of(&root, is_hidden);
        root.visit(&mut |node| {
            if let Value::Map(entries) = &node.value {
                file.keys.extend(entries.iter().map(|entry| (entry.key_place, entry.key.clone())));
            }
        });
        root.visit_mut(&mut |node| {
            let is_hidden = is_hidden(node);
            if let Value::Scalar(scalar) = &mut node.value {
                scalar.is_private = is_hidden;
            }
        });
        prepare(&mut root, &mut file.problems);
        let read = T::read(&root, &mut file.problems);
        (file, read)
    }

    /// What is wrong with it; empty when nothing is.
    pub fn into_problems(self) -> Problems {
        let PrivateFile { name, text, hidden, keys, problems } = self;
        let mut problems = Problems::new(name, text, problems, |line| hidden.iter().any(|lines| lines.contains(&line)));
        problems.show_keys(text, &keys);
        problems
    }
}

/// Parses a file. The error is the one place where YAML itself could not be read; what is written twice goes to
/// `problems`.
pub fn parse(source: &str, problems: &mut Vec<Problem>) -> Result<Node, Problem> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    };
    let raw: Option<Spanned<Raw>> =
        serde_saphyr::from_str_with_options(source, options).map_err(|error| syntax(&error))?;
    let Some(raw) = raw else {
        let value = Value::Map(Vec::new());
        return Ok(Node { path: String::new(), place: Place::default(), lines: 0..=0, value });
    };
    Ok(Convert { source, problems }.node(raw, String::new()))
}

/// Says what the parser stumbled over. Of its messages only those about syntax are passed on, since others may
/// quote a value.
fn syntax(error: &serde_saphyr::Error) -> Problem {
    use serde_saphyr::Error;
    let place = error.location().map_or(Place::default(), |at| Place { width: 1, ..place(&at) });
    let message = match error.without_snippet() {
        Error::ExternalMessage { msg, .. } => format!("this is not YAML: {msg}"),
        Error::MultipleDocuments { .. } => "there is more than one document (`---`)".to_owned(),
        Error::UnknownAnchor { .. } => "an alias (`*name`) has no anchor (`&name`)".to_owned(),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => "what `<<` merges is no mapping".to_owned(),
        Error::Eof { .. } => "the file ends in the middle of something".to_owned(),
        _ => "this YAML cannot be read".to_owned(),
    };
    Problem::new(place, message, "mind the indentation, and quote values that hold `: `, ` #`, `{`, `[`, `*` or `&`")
}

fn place(at: &Location) -> Place {
    let width = usize::try_from(at.span().len()).unwrap_or(0);
    Place { line: number(at.line()), column: number(at.column()), width }
}

fn number(value: u64) -> usize {
    usize::try_from(value).unwrap_or(0)
}

struct Convert<'a> {
    source: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Convert<'a> {
    fn node(&mut self, raw: Spanned<Raw>, path: String) -> Node {
        let at = place(&raw.referenced);
        let first_line = number(raw.defined.line());
        let lines = first_line..=first_line + self.slice(&raw.defined).trim_end().matches('\n').count();
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Text(text) => scalar(text),
            Raw::Plain => scalar(self.slice(&raw.defined).to_owned()),
            Raw::List(items) => Value::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| self.node(item, format!("{path}[{index}]")))
                    .collect(),
            ),
            Raw::Map(entries) => Value::Map(self.entries(entries, &path)),
        };
        Node { path, place: at, lines, value }
    }

    fn entries(&mut self, raw: Vec<(Spanned<String>, Spanned<Raw>)>, path: &str) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(raw.len());
        for (key, value) in raw {
            let key_place = place(&key.referenced);
            let below = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
            if let Some(first) = entries.iter().find(|entry| entry.key == key.value) {
                let remedy = format!("it stands in line {} already: leave one of them out", first.key_place.line);
                self.problems.push(Problem::new(key_place, format!("{below} is written twice"), remedy));
            }
            let node = self.node(value, below);
            entries.push(Entry { key: key.value, key_place, node });
        }
        entries
    }

    /// The text of a scalar as it stands in the file.
    fn slice(&self, at: &Location) -> &'a str {
        let (Some(start), Some(length)) = (at.span().byte_offset(), at.span().byte_len()) else { return "" };
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        self.source.get(start..end).unwrap_or("")
    }
}

fn scalar(text: String) -> Value {
    Value::Scalar(Scalar { text, origins: Vec::new(), has_literal: true, is_private: false })
}

/// The YAML as serde-saphyr hands it over.
enum Raw {
    Null,
    Text(String),
    /// A number or a truth value; its text is taken from the file.
    Plain,
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            list.push(entry);
        }
        Ok(Raw::Map(list))
    }
}
