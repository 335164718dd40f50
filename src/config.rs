//! The configuration: the only place of weir that reads files and the environment.
//!
//! A pipeline file is read in four steps, each a file of this room: YAML to a tree of nodes with places
//! (`tree.rs`); `${…}` replaced in its scalars, so that a value can never change the structure (`fill.rs`);
//! the tree to the sections that a person writes (`written.rs`, by `section.rs` and `leaf.rs`); and these to
//! [`Config`], which holds what each room needs (`resolve.rs`). Whatever is wrong comes back at once, each
//! with its line, its column and a remedy (`problem.rs`).
//!
//! This room does not connect to anything: whether the brokers answer is for those who use it. It does not read
//! the content of packs and policies either, beyond fetching their text.

mod fill;
mod leaf;
mod problem;
mod properties;
mod resolve;
mod section;
#[cfg(test)]
mod tests;
mod tree;
mod written;

pub use problem::{Place, Problem, Problems};

use crate::decode::Format;
use crate::model::evidence::MaskKey;
use crate::policy::Policy;
use crate::{alert, clickhouse, kafka};
use fill::Sources;
use section::Written;
use std::path::Path;
use tree::{Node, Value};
use written::Pipeline;

/// Everything that a running weir needs to know, gathered from each room's own `Config`.
pub struct Config {
    /// The pipeline's name.
    pub name: String,
    pub kafka: kafka::Config,
    pub input: Vec<InputTopic>,
    pub input_start: Start,
    pub out_of_range: OutOfRange,
    pub clickhouse: clickhouse::Config,
    /// The key of every hash; none without `redaction.hmac_key_file`.
    pub mask_key: MaskKey,
    /// In the order of the file.
    pub packs: Vec<Pack>,
    pub policy: Policy,
    /// The policy as it was read; `None` without one.
    pub policy_file: Option<NamedText>,
    pub alert: alert::Config,
    /// Threads of detect; `auto` is resolved.
    pub detect_threads: usize,
    /// Log lines as JSON, else as text.
    pub log_json: bool,
    /// `host:port` of the admin port; `None`: none is opened.
    pub listen: Option<String>,
    /// The OTLP collector, `http://host:4318`.
    pub otlp: Option<String>,
    /// SHA-256, in hex, of the effective configuration without secrets and without the instance: equal for all
    /// instances of a pipeline. Packs and policy have digests of their own.
    pub digest: String,
    /// What is allowed and probably not meant.
    pub warnings: Vec<String>,
}

/// A topic that detect reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputTopic {
    pub name: String,
    pub format: Format,
}

pub use leaf::{OutOfRange, Start};

/// Where rules come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pack {
    /// The packs that are built in.
    Default,
    /// One file of rules.
    File(NamedText),
}

/// A file that was read for another room to parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedText {
    /// The path, for messages.
    pub name: String,
    pub text: String,
}

/// A configuration that may be used, and how to show it.
pub struct Loaded {
    pub config: Config,
    /// The configuration with every default filled in and secrets as `***`, in YAML.
    pub effective: String,
}

impl Config {
    /// Reads a pipeline file. `env` looks up a variable of the environment.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Problems> {
        let file = path.display().to_string();
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let sources = Sources { env, folder };
        let source = sources.read_text(path).map_err(|reason| {
            let remedy = "name the pipeline file with -c; pipelines/minimal.yaml is the smallest";
            let problem = Problem::new(Place::default(), format!("the configuration cannot be read: {reason}"), remedy);
            Problems::new(&file, "", vec![problem], |_| false)
        })?;
        load_text(&file, &source, &sources)
    }

    /// [`Config::load`] with the environment of this process.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load_here(path: &Path) -> Result<Loaded, Problems> {
        // A value that is not UTF-8 cannot be meant by a YAML file, so it is as if it were not set.
        Config::load(path, &|name| std::env::var(name).ok())
    }
}

/// The JSON Schema of a pipeline file.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Pipeline);
    schema.insert("title".to_owned(), "weir pipeline".into());
    schema.to_value()
}

fn load_text(file: &str, source: &str, sources: &Sources<'_>) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let root = match tree::parse(source, sources, &mut problems) {
        Ok(root) => root,
        Err(problem) => return Err(Problems::new(file, source, vec![problem], |line| may_be_secret(source, line))),
    };
    let hidden = secret_lines(&root);
    let loaded =
        Pipeline::read(&root, &mut problems).and_then(|written| resolve::resolve(written, sources, &mut problems));
    match loaded {
        Some(loaded) if problems.is_empty() => Ok(loaded),
        _ => Err(Problems::new(file, source, problems, |line| hidden.iter().any(|lines| lines.contains(&line)))),
    }
}

/// The lines that hold a secret in plain, which no excerpt may show.
fn secret_lines(root: &Node) -> Vec<std::ops::RangeInclusive<usize>> {
    let mut lines = Vec::new();
    root.visit(&mut |node| {
        let (has_literal, is_url) = match &node.value {
            Value::Scalar(scalar) => (scalar.has_literal, scalar.text.contains("://") && scalar.text.contains('@')),
            Value::Unfilled => (true, false),
            Value::Null | Value::List(_) | Value::Map(_) => return,
        };
        // Everything below a secret's key is one, should it be a list by mistake.
        if has_literal && (is_url || properties::is_secret(&node.path)) {
            lines.push(node.place.line..=node.place.line);
            lines.push(node.lines.clone());
        }
    });
    lines
}

/// The same for a file that is no YAML, where only words can tell: a line that names a secret, and what follows
/// it up to the next key.
fn may_be_secret(source: &str, line: usize) -> bool {
    let mut inside = false;
    for text in source.lines().take(line) {
        let begins_key = text.split_once(':').is_some_and(|(key, _)| {
            let key = key.trim_start_matches([' ', '-', '{']);
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        });
        if properties::is_secret(text) || text.contains("://") && text.contains('@') {
            inside = true;
        } else if begins_key {
            inside = false;
        }
    }
    inside
}
