//! `weir scan`: the path of the stream over files or stdin, without Kafka and ClickHouse.
//!
//! Decoding, detection, scoring and judging are those of the stream, so that ids and findings are the same.

use super::{Exit, NotBuilt};
use crate::model::Severity;
use std::path::PathBuf;

/// Arguments of `weir scan`.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline file, for its packs, policy and key
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// What the input is
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    pub(super) format: Format,
    /// What each line is wrapped in
    #[arg(long, value_enum, default_value_t = Envelope::None)]
    pub(super) envelope: Envelope,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
    /// Also print what is below the reporting threshold, marked
    #[arg(long)]
    pub(super) all: bool,
    /// End with status 3 when something at least this severe was found: a name or a number from 1 to 6
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(super) fail_on: Option<Severity>,
    /// Files to read; `-`, or none, is stdin
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

/// What the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Recognised for each event
    Auto,
    /// weir's own events, a JSON object a line
    Native,
    /// Raw captures of OpenAI Chat Completions, a JSON object a line
    #[value(name = "openai")]
    OpenAi,
    /// {"id": …, "text": …, "role": …} a line
    Text,
}

/// What each line is wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Envelope {
    /// Nothing: a line is an event
    None,
    /// What `kcat -J` prints, so that positions and ids are the stream's
    Kcat,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// A JSON object a finding
    Ndjson,
}

fn severity(written: &str) -> Result<Severity, String> {
    let by_number = written.parse().ok().and_then(Severity::from_code);
    by_number.or_else(|| Severity::from_name(written)).ok_or_else(|| {
        let names: Vec<&str> = Severity::ALL.iter().map(|severity| severity.name()).collect();
        format!("it is one of {}, or a number from 1 to {}", names.join(", "), names.len())
    })
}

/// Scans.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { config: _, format: _, envelope: _, output: _, all: _, fail_on: _, files: _ } = args;
    Err(NotBuilt("scan").into())
}
