//! How a section of the file becomes a struct: one declaration gives the keys, their types, their defaults, the
//! reader that reports everything wrong at once, and the JSON Schema for editors.
//!
//! serde's own derive was tried on paper: it stops at the first error and names no place for a later check.
//! Which sections there are is said by those who declare them.

use super::{Entry, Node, Place, Problem, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

/// A type that can be read from a node.
pub trait Written: Sized + Serialize + JsonSchema {
    /// Reads it. `None` means that there is nothing to go on with, and that a problem was reported.
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self>;

    /// What it means when the key is not there; `None`: the key is required.
    fn absent() -> Option<Self> {
        None
    }

    /// Something in the place of a required value that could not be read, so that everything else can still be
    /// checked. It never gets further: there is a problem already.
    fn stand_in() -> Self;
}

impl<T: Written> Written for Option<T> {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        T::read(node, problems).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn stand_in() -> Self {
        None
    }
}

impl<T: Written> Written for Vec<T> {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.value {
            Value::List(items) => Some(items.iter().filter_map(|item| T::read(item, problems)).collect()),
            // One thing is a list of one: people forget the brackets, and it is clear what they mean.
            _ => T::read(node, problems).map(|only| vec![only]),
        }
    }

    fn stand_in() -> Self {
        Vec::new()
    }
}

/// The keys of a mapping that is being read.
pub struct Fields<'n> {
    path: &'n str,
    place: Place,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    /// Opens a mapping and reports the keys that it should not have. `later` are keys that the full
    /// configuration has and this version does not support.
    pub fn open(node: &'n Node, known: &[&str], later: &[&str], problems: &mut Vec<Problem>) -> Option<Self> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            Value::Unfilled => return None,
            Value::Scalar(_) | Value::List(_) => {
                let remedy = format!("give it keys: {}", known.join(", "));
                problems.push(match &*node.path {
                    // It may be any file, a password's too: nothing of it is quoted, nor its line shown.
                    "" => Problem::new(Place::default(), "the file is no mapping", remedy),
                    path => Problem::new(node.place, format!("{path} is {}, not a mapping", node.shown()), remedy),
                });
                return None;
            }
        };
        for entry in entries.iter().filter(|entry| !known.contains(&&*entry.key)) {
            problems.push(unknown(entry, known, later));
        }
        Some(Fields { path: &node.path, place: node.place, entries })
    }

    /// Reads one key, or takes what its absence means. `doc` tells what is missing.
    pub fn take<T: Written>(&self, key: &str, doc: &[&str], absent: Option<T>, problems: &mut Vec<Problem>) -> T {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        let read = match entry.filter(|entry| !entry.node.is_absent()) {
            Some(entry) => T::read(&entry.node, problems),
            None => {
                if absent.is_none() {
                    problems.push(self.missing(key, entry, doc));
                }
                None
            }
        };
        read.or(absent).unwrap_or_else(T::stand_in)
    }

    fn missing(&self, key: &str, entry: Option<&Entry>, doc: &[&str]) -> Problem {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let place = entry.map_or(Place { width: 1, ..self.place }, |entry| entry.key_place);
        let what = if entry.is_some() { "is empty" } else { "is missing" };
        Problem::new(place, format!("{path} {what}"), format!("add it: {}", sentence(doc)))
    }
}

fn unknown(entry: &Entry, known: &[&str], later: &[&str]) -> Problem {
    let path = &entry.node.path;
    if later.contains(&&*entry.key) {
        let message = format!("{path} is not supported by this version of weir, and would have no effect");
        return Problem::new(entry.key_place, message, "leave it out");
    }
    let remedy = match closest(&entry.key, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("it may have {}", known.join(", ")),
    };
    Problem::new(entry.key_place, format!("{path} is not a key that weir knows"), remedy)
}

/// The name that was most likely meant, if any is near enough.
pub fn closest<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let near = |name: &&str| strsim::jaro_winkler(written, name);
    let best = names.iter().copied().max_by(|a, b| near(a).total_cmp(&near(b)))?;
    // Jaro-Winkler's usual threshold: `broker` for `brokers` is 0.97, `url` for `user` 0.78.
    (near(&best) > 0.8).then_some(best)
}

/// One key of a section, for its JSON Schema.
pub struct Field {
    pub key: &'static str,
    pub doc: &'static [&'static str],
    pub is_required: bool,
    pub default: Option<serde_json::Value>,
    pub schema: Schema,
}

impl Field {
    /// Describes a key.
    pub fn new<T: Written>(
        key: &'static str,
        doc: &'static [&'static str],
        absent: Option<T>,
        generator: &mut SchemaGenerator,
    ) -> Self {
        let is_required = absent.is_none();
        // A section that may be left out has its defaults in its own schema.
        let default = absent.and_then(|value| serde_json::to_value(value).ok());
        let default = default.filter(|value| !value.is_null() && !value.is_object());
        Field { key, doc, is_required, default, schema: generator.subschema_for::<T>() }
    }
}

/// The key of a field whose name Rust takes for itself: `r#type`.
pub fn key(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// The JSON Schema of a section.
pub fn schema(doc: &[&str], fields: Vec<Field>) -> Schema {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for mut field in fields {
        if field.is_required {
            required.push(field.key);
        }
        field.schema.insert("description".to_owned(), sentence(field.doc).into());
        if let Some(default) = field.default {
            field.schema.insert("default".to_owned(), default);
        }
        properties.insert(field.key.to_owned(), field.schema.into());
    }
    schemars::json_schema!({
        "type": "object",
        "description": sentence(doc),
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn sentence(doc: &[&str]) -> String {
    doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// What the absence of a key means: its default, else what its type says.
#[doc(hidden)]
macro_rules! absent {
    ($type:ty) => {
        <$type as $crate::yaml::section::Written>::absent()
    };
    ($type:ty, $default:expr) => {
        Some($default)
    };
}
pub(crate) use absent;

/// Declares a section: `key: Type` (required, unless its type says otherwise) or `key: Type = default`. Keys
/// under `later` are refused as not supported yet.
macro_rules! section {
    (
        $(#[doc = $doc:literal])*
        $name:ident {
            $($(#[doc = $field_doc:literal])* $field:ident: $type:ty $(= $default:expr)?),* $(,)?
        }
        later [$($later:literal),* $(,)?]
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, serde::Serialize)]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: $type),*
        }

        impl $crate::yaml::section::Written for $name {
            fn read(node: &$crate::yaml::Node, problems: &mut Vec<$crate::yaml::Problem>) -> Option<Self> {
                let known = [$($crate::yaml::section::key(stringify!($field))),*];
                let fields = $crate::yaml::section::Fields::open(node, &known, &[$($later),*], problems)?;
                Some($name { $($field: fields.take(
                    $crate::yaml::section::key(stringify!($field)),
                    &[$($field_doc),*],
                    $crate::yaml::section::absent!($type $(, $default)?),
                    problems,
                )),* })
            }

            fn absent() -> Option<Self> {
                Some($name { $($field: $crate::yaml::section::absent!($type $(, $default)?)?),* })
            }

            fn stand_in() -> Self {
                $name { $($field: $crate::yaml::section::absent!($type $(, $default)?).unwrap_or_else(<$type as $crate::yaml::section::Written>::stand_in)),* }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let fields = vec![$($crate::yaml::section::Field::new::<$type>(
                    $crate::yaml::section::key(stringify!($field)),
                    &[$($field_doc),*],
                    $crate::yaml::section::absent!($type $(, $default)?),
                    generator,
                )),*];
                $crate::yaml::section::schema(&[$($doc),*], fields)
            }
        }
    };
}
pub(crate) use section;
