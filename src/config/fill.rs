//! Interpolation: `${VAR}`, `${VAR:-default}`, `${VAR:?message}`, `${file:/path}` and `$$` in the scalars of a tree.
//!
//! It works on values after the YAML was parsed, and what it puts in is never read again: neither as YAML, nor
//! for further `${…}`. So a value from the environment cannot add a key, whatever it holds. Keys are not filled, and
//! it knows nothing of what they mean.

use crate::yaml::{Node, Problem, Value};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest file that a configuration may name, in bytes. Packs and policies are tens of KiB; this only keeps a
/// wrong path (a device, a log) from filling the memory.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// Where values come from: the environment, and files next to the configuration.
pub struct Sources<'a> {
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The folder that relative paths start from: that of the configuration file.
    pub folder: PathBuf,
}

impl Sources<'_> {
    /// The path that a name in the configuration means.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The bytes of a file, or why there are none, as the end of a sentence.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(|error| reason(&error))?;
        file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
        if bytes.len() as u64 > FILE_MAX_BYTES {
            return Err(format!("it is larger than {} MiB", FILE_MAX_BYTES >> 20));
        }
        Ok(bytes)
    }

    /// The text of a file, or why there is none.
    pub fn read_text(&self, path: &Path) -> Result<String, String> {
        String::from_utf8(self.read(path)?).map_err(|_| "it is not UTF-8".to_owned())
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "it may not be read by this user".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

/// Fills every scalar of a tree; what cannot be filled is a problem, and [`Value::Unfilled`].
pub fn fill_all(root: &mut Node, sources: &Sources<'_>, problems: &mut Vec<Problem>) {
    root.visit_mut(&mut |node| {
        let Value::Scalar(scalar) = &mut node.value else { return };
        match fill(&scalar.text, sources) {
            Ok(Filled { text, origins, has_literal }) => {
                (scalar.text, scalar.origins, scalar.has_literal) = (text, origins, has_literal);
            }
            Err(fault) => {
                problems.push(Problem::new(node.place, format!("{}: {}", node.path, fault.message), fault.remedy));
                node.value = Value::Unfilled;
            }
        }
    });
}

/// A scalar after interpolation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filled {
    pub text: String,
    /// The variables and files that it came from, e.g. `${KAFKA_BROKERS}`; empty when it stands in the file.
    pub origins: Vec<String>,
    /// Whether the file itself holds a part of it: text around a `${…}`, or a default.
    pub has_literal: bool,
}

/// Why a scalar could not be filled.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    pub message: String,
    pub remedy: String,
}

fn fault(message: String, remedy: impl Into<String>) -> Fault {
    Fault { message, remedy: remedy.into() }
}

/// Replaces every `${…}` of a scalar.
pub fn fill(text: &str, sources: &Sources<'_>) -> Result<Filled, Fault> {
    let mut filled = Filled::default();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.push_literal(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            filled.push_literal("$");
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let Some(end) = inside.find('}') else {
                return Err(fault("`${` is never closed".to_owned(), "close it with `}`, or write `$$` for a dollar"));
            };
            filled.expression(&inside[..end], sources)?;
            rest = &inside[end + 1..];
        } else {
            filled.push_literal("$");
        }
    }
    filled.push_literal(rest);
    Ok(filled)
}

impl Filled {
    fn push_literal(&mut self, text: &str) {
        self.text.push_str(text);
        self.has_literal |= !text.is_empty();
    }

    fn expression(&mut self, expression: &str, sources: &Sources<'_>) -> Result<(), Fault> {
        if let Some(path) = expression.strip_prefix("file:") {
            return self.file(path, sources);
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, form) = expression.split_at(expression.find(|c| !is_name(c)).unwrap_or(expression.len()));
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            let remedy = "write `${NAME}`, `${NAME:-default}`, `${NAME:?message}` or `${file:/path}`";
            return Err(fault("`${…}` does not begin with the name of a variable".to_owned(), remedy));
        }
        if form.contains("${") {
            return Err(fault(
                format!("`${{{name}…}}` holds another `${{`"),
                "a default is plain text: name one variable",
            ));
        }
        let value = (sources.env)(name);
        self.origins.push(format!("${{{name}}}"));
        let non_empty = value.as_deref().filter(|value| !value.is_empty());
        if form.is_empty() {
            let remedy = format!("set it, or give it a default: `${{{name}:-default}}`");
            let value = value.ok_or_else(|| fault(format!("the environment has no `{name}`"), remedy))?;
            self.text.push_str(&value);
        } else if let Some(default) = form.strip_prefix(":-") {
            match non_empty {
                Some(value) => self.text.push_str(value),
                None => self.push_literal(default),
            }
        } else if let Some(message) = form.strip_prefix(":?") {
            let remedy = if message.is_empty() { "set it" } else { message };
            let value =
                non_empty.ok_or_else(|| fault(format!("the environment has no `{name}`, or it is empty"), remedy))?;
            self.text.push_str(value);
        } else {
            let remedy = format!("write `${{{name}}}`, `${{{name}:-default}}` or `${{{name}:?message}}`");
            return Err(fault(format!("what follows the name in `${{{name}…}}` means nothing"), remedy));
        }
        Ok(())
    }

    /// The content of a file without the line break at its end, which editors and `echo` add.
    fn file(&mut self, name: &str, sources: &Sources<'_>) -> Result<(), Fault> {
        let path = sources.path(name);
        let text = sources.read_text(&path).map_err(|reason| {
            fault(format!("`{}` cannot be read: {reason}", path.display()), "name a file that weir may read")
        })?;
        let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() {
            // What writes secrets had nothing to write.
            return Err(fault(format!("`{}` is empty", path.display()), "fill it, or leave this setting out"));
        }
        self.origins.push(format!("${{file:{name}}}"));
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> Result<Filled, Fault> {
        let env = |name: &str| match name {
            "HOST" => Some("kafka".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("${HOST} $$".to_owned()),
            _ => None,
        };
        fill(text, &Sources { env: &env, folder: PathBuf::new() })
    }

    /// Paths and kinds of a tree, and the text of its scalars.
    fn shape(root: &Node) -> (Vec<String>, Vec<String>) {
        let (mut paths, mut texts) = (Vec::new(), Vec::new());
        root.visit(&mut |node| {
            let kind = match &node.value {
                Value::Null => "null",
                Value::Scalar(scalar) => {
                    texts.push(scalar.text.clone());
                    "scalar"
                }
                Value::Unfilled => "unfilled",
                Value::List(_) => "list",
                Value::Map(_) => "map",
            };
            paths.push(format!("{} {kind}", node.path));
        });
        (paths, texts)
    }

    /// In every style of a scalar, and as a key.
    const STYLES: &str = "\
plain: ${V}
quoted: '${V}'
double: \"a ${V} b\"
flow: { list: ['${V}', x], map: { k: \"${V:-d}\" } }
block: |
  first
  ${V}
folded: >
  ${V:?must be set}
list:
  - ${V}
  - { a: '$${V}' }
'${V}': a key is not filled
";

    proptest! {
        /// Whatever a variable holds, the tree has the same nodes, and its text is where it was asked for, unread.
        #[test]
        fn no_value_changes_the_structure(
            value in prop_oneof![
                "[ -~\\n]{1,40}",
                r#"[\[\]{}:,#&*!|>'"%@`\n \-?$]{1,20}"#,
                any::<String>(),
                Just("x\nadded: { key: 1 }".to_owned()),
                Just("]\n- y".to_owned()),
                Just("${OTHER} $$ ${file:/etc/passwd}".to_owned()),
            ],
        ) {
            prop_assume!(!value.is_empty());
            let tree = |value: &str| {
                let env = |name: &str| (name == "V").then(|| value.to_owned());
                let mut problems = Vec::new();
                let mut root = crate::yaml::parse(STYLES, &mut problems).unwrap();
                fill_all(&mut root, &Sources { env: &env, folder: PathBuf::new() }, &mut problems);
                assert_eq!(problems, []);
                shape(&root)
            };
            let (paths, texts) = tree(&value);
            prop_assert_eq!(&paths, &tree("plain").0);
            prop_assert_eq!(&texts[0], &value);
            prop_assert_eq!(&texts[2], &format!("a {value} b"));
            prop_assert_eq!(texts.iter().filter(|text| text.contains(&value)).count() >= 8, true);
        }
    }

    #[test]
    fn replaces_each_form() {
        let table = [
            ("plain", "plain"),
            ("${HOST}", "kafka"),
            ("a-${HOST}:${PORT:-9092}", "a-kafka:9092"),
            ("${EMPTY}", ""),
            ("${EMPTY:-full}", "full"),
            ("${NONE:-}", ""),
            ("${NONE:-a:-b?c}", "a:-b?c"),
            ("${HOST:?must be set}", "kafka"),
            ("$$", "$"),
            ("$${HOST}", "${HOST}"),
            ("5$ and $x", "5$ and $x"),
            ("${TRICK}", "${HOST} $$"),
        ];
        for (text, expected) in table {
            assert_eq!(filled(text).unwrap().text, expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_means_nothing() {
        let table = [
            ("${HOST", "`${` is never closed"),
            ("${}", "`${…}` does not begin with the name of a variable"),
            ("${1A}", "`${…}` does not begin with the name of a variable"),
            ("${NONE}", "the environment has no `NONE`"),
            ("${EMPTY:?say it}", "the environment has no `EMPTY`, or it is empty"),
            ("${HOST-x}", "what follows the name in `${HOST…}` means nothing"),
            ("${NONE:-${HOST}}", "`${NONE…}` holds another `${`"),
            ("${file:/no/such/file}", "`/no/such/file` cannot be read: there is no such file"),
        ];
        for (text, expected) in table {
            assert_eq!(filled(text).unwrap_err().message, expected, "{text}");
        }
    }

    #[test]
    fn a_file_loses_only_its_last_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources { env: &|_| None, folder: folder.path().to_owned() };
        for (content, expected) in
            [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("two\nlines\n\n", "two\nlines\n")]
        {
            std::fs::write(folder.path().join("value"), content).unwrap();
            assert_eq!(fill("${file:value}", &sources).unwrap().text, expected);
        }
        for nothing in ["", "\n", "\r\n"] {
            std::fs::write(folder.path().join("value"), nothing).unwrap();
            assert!(fill("${file:value}", &sources).unwrap_err().message.ends_with("value` is empty"));
        }
    }

    #[test]
    fn knows_what_the_file_itself_holds() {
        for (text, has_literal) in [("${HOST}", false), ("${NONE:-}", false), ("${NONE:-x}", true), ("x${HOST}", true)]
        {
            assert_eq!(filled(text).unwrap().has_literal, has_literal, "{text}");
        }
    }
}
