//! Plain values with their place: text, numbers and truth values that need no more than to be one.
//!
//! What a value means, and whether it is within bounds that a second key sets, is for its reader to say.

use super::section::Written;
use super::{Node, Place, Problem, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::num::NonZeroU32;

/// A value and where it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct At<T> {
    pub value: T,
    pub place: Place,
}

/// A type that a scalar can be.
pub trait Plain: Clone + Default + Serialize {
    /// What a message says of anything else: `is not a whole number`.
    const IS_NOT: &'static str;
    const REMEDY: &'static str;
    /// Its name among the types of JSON.
    const JSON: &'static str;

    fn parse(text: &str) -> Option<Self>;
}

/// The text of a scalar; anything else is a problem.
pub fn text<'n>(node: &'n Node, problems: &mut Vec<Problem>) -> Option<&'n str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        Value::Unfilled => None,
        Value::Null | Value::List(_) | Value::Map(_) => {
            let message = format!("{} is {}, not a single value", node.path, node.shown());
            problems.push(Problem::new(node.place, message, "write one value"));
            None
        }
    }
}

/// Reports that a value is not what it should be.
pub fn reject<T>(node: &Node, what: &str, remedy: impl Into<String>, problems: &mut Vec<Problem>) -> Option<T> {
    problems.push(Problem::new(node.place, format!("{}: {} {what}", node.path, node.shown()), remedy));
    None
}

impl<T: Plain> Written for At<T> {
    fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match T::parse(text(node, problems)?) {
            Some(value) => Some(At { value, place: node.place }),
            None => reject(node, T::IS_NOT, T::REMEDY, problems),
        }
    }

    fn stand_in() -> Self {
        At::default()
    }
}

impl<T: Plain> Serialize for At<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: Plain> JsonSchema for At<T> {
    fn schema_name() -> Cow<'static, str> {
        T::JSON.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": T::JSON })
    }
}

impl Plain for String {
    const IS_NOT: &'static str = "is not text";
    const REMEDY: &'static str = "write some text";
    const JSON: &'static str = "string";

    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Plain for bool {
    const IS_NOT: &'static str = "is neither true nor false";
    const REMEDY: &'static str = "write `true` or `false`";
    const JSON: &'static str = "boolean";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Plain for u32 {
    const IS_NOT: &'static str = "is not a whole number";
    const REMEDY: &'static str = "write a whole number";
    const JSON: &'static str = "integer";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Plain for f64 {
    const IS_NOT: &'static str = "is not a number";
    const REMEDY: &'static str = "write a number, such as 0.8";
    const JSON: &'static str = "number";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }
}

/// At least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positive(pub NonZeroU32);

impl Default for Positive {
    fn default() -> Self {
        Positive(NonZeroU32::MIN)
    }
}

impl Serialize for Positive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Plain for Positive {
    const IS_NOT: &'static str = "is not a whole number of at least one";
    const REMEDY: &'static str = "write a whole number, or leave the key out";
    const JSON: &'static str = "integer";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Positive)
    }
}
