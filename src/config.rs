//! The configuration: the only place of weir that reads files and the environment.
//!
//! A pipeline file is read in four steps: YAML to a tree of nodes with places ([`crate::yaml`]); `${…}` replaced in
//! its scalars, so that a value can never change the structure (`fill.rs`); the tree to the sections that a person
//! writes (`written.rs`, of the values in `leaf.rs`); and these to [`Config`], which holds what each room needs
//! (`resolve.rs`). Packs and policy are read along. Whatever is wrong with any of these files comes back at once, each
//! with its line, its column and a remedy.
//!
//! This room does not connect to anything: whether the brokers answer is for those who use it.

mod fill;
mod leaf;
mod properties;
mod resolve;
mod schema;
#[cfg(test)]
mod tests;
mod written;

use crate::decode::{self, Format};
use crate::model::evidence::MaskKey;
use crate::pipeline::store::GroupBounds;
use crate::policy::Policy;
use crate::rules::Catalogue;
use crate::yaml::section::Written as _;
use crate::yaml::{self, Node, Place, Problem, Problems, Value};
use crate::{alert, clickhouse, kafka};
pub use schema::schema;

use fill::Sources;
use std::path::Path;
use written::Pipeline;

/// Everything that a running weir needs to know, gathered from each room's own `Config`.
pub struct Config {
    /// The pipeline's name.
    pub name: String,
    pub kafka: kafka::Config,
    pub input: Vec<InputTopic>,
    pub input_start: Start,
    pub out_of_range: OutOfRange,
    /// How much one event may be.
    pub bounds: decode::Bounds,
    pub clickhouse: clickhouse::Config,
    /// When store inserts what it gathered.
    pub group: GroupBounds,
    /// The key of every hash; none without `redaction.hmac_key_file`.
    pub mask_key: MaskKey,
    /// The rules of all packs.
    pub catalogue: Catalogue,
    /// Empty without a policy file.
    pub policy: Policy,
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

fn load_text(file: &str, source: &str, sources: &Sources<'_>) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let mut root = match yaml::parse(source, &mut problems) {
        Ok(root) => root,
        Err(problem) => return Err(Problems::new(file, source, vec![problem], |line| may_be_secret(source, line))),
    };
    fill::fill_all(&mut root, sources, &mut problems);
    let hidden = yaml::lines_of(&root, is_secret);
    let mut elsewhere = Problems::default();
    let loaded = Pipeline::read(&root, &mut problems)
        .and_then(|written| resolve::resolve(written, sources, &mut problems, &mut elsewhere));
    let mut all = Problems::new(file, source, problems, |line| hidden.iter().any(|lines| lines.contains(&line)));
    all.append(elsewhere);
    match loaded {
        Some(loaded) if all.is_empty() => Ok(loaded),
        _ => Err(all),
    }
}

/// Whether a scalar holds a secret in plain, so that no excerpt may show its lines. Everything below a secret's key
/// is one, should it be a list by mistake.
fn is_secret(node: &Node) -> bool {
    let (has_literal, is_url) = match &node.value {
        Value::Scalar(scalar) => (scalar.has_literal, properties::holds_credentials(&scalar.text)),
        Value::Unfilled => (true, false),
        Value::Null | Value::List(_) | Value::Map(_) => return false,
    };
    has_literal && (is_url || properties::is_secret(&node.path))
}

/// The same for a file that is no YAML, where only words can tell: a line that names a secret, and what follows
/// it up to the next key.
fn may_be_secret(source: &str, line: usize) -> bool {
    let is_pipeline =
        ["kafka:", "input:", "clickhouse:"].iter().any(|key| source.lines().any(|line| line.starts_with(key)));
    if !is_pipeline {
        // Any other file may be a secret as a whole.
        return true;
    }
    let mut inside = false;
    for text in source.lines().take(line) {
        let begins_key = text.split_once(':').is_some_and(|(key, _)| {
            let key = key.trim_start_matches([' ', '-', '{']);
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        });
        if properties::is_secret(text) || properties::holds_credentials(text) {
            inside = true;
        } else if begins_key {
            inside = false;
        }
    }
    inside
}
