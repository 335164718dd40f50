//! The command line: every command, its arguments and its exit status.
//!
//! A command is a file of this room: its `Args`, and `run`, which turns them into an [`Exit`] or an error. What a
//! command does is in the rooms above; here it is only asked for and printed. Results go to stdout, everything
//! about them to stderr, so that a pipe gets results only.

/// Says something about what is done, on stderr. Where that is gone nothing can be said; the status still tells.
macro_rules! say {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($what)*);
    }};
}

mod check;
mod config;
mod eval;
mod generate;
mod lines;
mod rules;
mod run;
mod scan;
mod schema;
mod shell;
mod state;
mod topics;

use crate::config::{self as configuration, Config, Loaded};
use crate::pipeline::{Digests, Input, InputStart, OutOfRange, Pipeline};
use crate::rules::Catalogue;
use crate::yaml::Problems;
use anyhow::Context as _;
use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Watches how an organisation uses large language models: Kafka in, ClickHouse and alerts out, exactly once.
#[derive(Parser)]
#[command(name = "weir", version, about, after_help = EXIT_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_HELP: &str = "Exit status: 0 done, 1 failed, 2 bad usage or configuration, 3 --fail-on found something.";

#[derive(Subcommand)]
enum Command {
    /// The service: reads input topics, writes rows and alerts
    Run(run::Args),
    /// The same detection over files or stdin, without Kafka or ClickHouse
    Scan(scan::Args),
    /// Says everything that is wrong with a configuration
    Check(check::Args),
    /// The configuration's schema, and what it resolves to
    Config(config::Args),
    /// Says how well the rules do on labelled texts
    Eval(eval::Args),
    /// The rules: what they are, and whether their examples hold
    Rules(rules::Args),
    /// weir's Kafka topics
    Topics(topics::Args),
    /// weir's ClickHouse tables
    Schema(schema::Args),
    /// Labelled, seeded traffic
    Generate(generate::Args),
    /// The state of principals
    State(state::Args),
    /// Prints completions for a shell
    Completions(shell::Completions),
    /// Prints the manual page
    Man(shell::Man),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done,
    /// Something could not be done.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// `--fail-on`: something that severe was found.
    Found,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Found => 3,
        })
    }
}

/// A command line that clap accepts and that makes no sense all the same.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A pipeline file, for the commands that need one.
#[derive(clap::Args)]
struct PipelineFile {
    /// The pipeline file
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: PathBuf,
}

impl PipelineFile {
    /// Loads it and says what is probably not meant.
    fn load(&self) -> Result<Loaded, Problems> {
        load(&self.config)
    }
}

/// Loads a pipeline file and prints its warnings.
fn load(path: &Path) -> Result<Loaded, Problems> {
    let loaded = Config::load_here(path)?;
    for warning in &loaded.config.warnings {
        say!("warning: {warning}");
    }
    Ok(loaded)
}

/// The rules of a pipeline file; without one those that the binary carries.
fn catalogue_of(config: Option<&Path>) -> Result<Catalogue, Problems> {
    match config {
        Some(path) => Ok(load(path)?.config.catalogue),
        None => Ok(Catalogue::built_in().clone()),
    }
}

/// What lies in a folder, by name.
fn entries_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let reading = || format!("reading {}", folder.display());
    let entries = std::fs::read_dir(folder).with_context(reading)?;
    let mut found: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().with_context(reading)?;
    found.sort();
    Ok(found)
}

/// What the loops need, of a configuration.
fn pipeline_of(config: Config) -> Pipeline {
    let packs = config.catalogue.digest().to_owned();
    let digests = Digests { config: config.digest, packs, policy: config.policy.digest.clone() };
    Pipeline {
        kafka: config.kafka,
        inputs: config.input.into_iter().map(|input| Input { topic: input.name, format: input.format }).collect(),
        input_start: match config.input_start {
            configuration::Start::Earliest => InputStart::Earliest,
            configuration::Start::Latest => InputStart::Latest,
        },
        out_of_range: match config.out_of_range {
            configuration::OutOfRange::Fail => OutOfRange::Fail,
            configuration::OutOfRange::Earliest => OutOfRange::Earliest,
        },
        bounds: config.bounds,
        clickhouse: config.clickhouse,
        group: config.group,
        mask_key: config.mask_key,
        catalogue: config.catalogue,
        policy: config.policy,
        alert: config.alert,
        detect_threads: config.detect_threads,
        digests,
    }
}

/// Sends log lines to stderr: text, or JSON. `RUST_LOG` narrows or widens them. Once a process has a log, whatever goes
/// wrong is a line of it.
fn start_log(as_json: bool) {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    // The crate's own lines repeat what weir tells of the same client, once for each client and without its bounds.
    let filter = filter
        .add_directive("rdkafka=off".parse().expect("a directive of our own"))
        .add_directive("librdkafka=off".parse().expect("a directive of our own"));
    let lines = fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    if as_json {
        lines.json().flatten_event(true).init();
    } else {
        lines.with_ansi(false).init();
    }
}

/// Runs the command that the process was started with, and says what went wrong.
pub fn main() -> ExitCode {
    // The message of a panic may quote text of an interaction, so only its place is printed.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or("an unknown place".to_owned(), ToString::to_string);
        if tracing::dispatcher::has_been_set() {
            tracing::error!(place, "panic");
        } else {
            say!("panic at {place}");
        }
    }));
    // clap prints its own errors and ends with status 2; help and version end with 0.
    let cli = Cli::parse();
    let exit = dispatch(cli.command).unwrap_or_else(|error| report(&error, &mut io::stderr()));
    exit.into()
}

fn dispatch(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Scan(args) => scan::run(args),
        Command::Check(args) => check::run(args),
        Command::Config(args) => config::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Rules(args) => rules::run(args),
        Command::Topics(args) => topics::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Generate(args) => generate::run(args),
        Command::State(args) => state::run(args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
    }
}

/// Writes an error with its causes to the log, in one line.
fn log(error: &anyhow::Error) -> Exit {
    let mut text = Vec::new();
    let exit = report(error, &mut text);
    let text = String::from_utf8_lossy(&text);
    tracing::error!(error = text.trim().trim_start_matches("error: "), "weir cannot go on");
    exit
}

/// Prints an error with its causes. A reader that went away (`weir … | head`) is no error.
fn report(error: &anyhow::Error, out: &mut impl Write) -> Exit {
    let is_pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_pipe)) {
        return Exit::Done;
    }
    let is_usage = |cause: &(dyn std::error::Error + 'static)| cause.is::<Problems>() || cause.is::<Usage>();
    if let Some(problems) = error.chain().find_map(|cause| cause.downcast_ref::<Problems>()) {
        // They say what they are, and of which file.
        return written(writeln!(out, "{problems}"), Exit::Usage);
    }
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some say themselves why.
        if !text.ends_with(&cause) {
            text.push_str(&format!("\n  because: {cause}"));
        }
    }
    let exit = if error.chain().any(is_usage) { Exit::Usage } else { Exit::Failed };
    written(writeln!(out, "{text}"), exit)
}

/// Nothing can be said about a stderr that is gone; the status still tells.
fn written(_: io::Result<()>, exit: Exit) -> Exit {
    exit
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_contract_parses() {
        let lines = [
            "weir run -c f",
            "weir run -c f --role score",
            "weir scan",
            "weir scan -c f --format openai --envelope kcat --output ndjson --all --fail-on high a b -",
            "weir scan --fail-on 4",
            "weir check -c f",
            "weir check -c f --output json",
            "weir check -c f --connect --role store",
            "weir run -c f --log-format text",
            "weir completions bash",
            "weir man --into folder",
            "weir config schema",
            "weir config effective -c f",
            "weir rules list",
            "weir rules show secret.aws_access_key",
            "weir rules test -c f",
            "weir rules test packs one.yaml",
            "weir rules list --category secret --provider Acme -c f",
            "weir rules list --providers",
            "weir rules new secret.acme_key --provider Acme --prefix acme_ --example acme_1 acme_2 --into f",
            "weir rules new secret.acme_key --name acme-key",
            "weir eval --category secret corpus",
            "weir eval --category pii --same ADDRESS=LOCATION,GPE=LOCATION --output ndjson --wrong a b",
            "weir topics plan -c f",
            "weir topics apply -c f",
            "weir schema plan -c f",
            "weir schema apply -c f",
            "weir schema status -c f",
            "weir generate --seed 7 --count 50000 --principals 300 --incidents 0.02 --end 2026-11-01T00:00:00Z --truth t",
            "weir generate -c f --topic llm.events",
            "weir state reset -c f --partition 3",
        ];
        for line in lines {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in [
            "weir",
            "weir rules new secret.a",
            "weir run",
            "weir scan --fail-on awful",
            "weir scan --fail-on 7",
            "weir generate --incidents 2",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn errors_have_causes_and_a_status() {
        let mut out = Vec::new();
        let error = Err::<(), _>(Usage("no file".to_owned())).context("cannot scan").unwrap_err();
        assert_eq!(report(&error, &mut out), Exit::Usage);
        assert_eq!(report(&anyhow::anyhow!("down"), &mut out), Exit::Failed);
        let told = anyhow::anyhow!("no place").context("not written: no place");
        assert_eq!(report(&told, &mut out), Exit::Failed);
        let pipe = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(report(&pipe, &mut out), Exit::Done);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "error: cannot scan\n  because: no file\nerror: down\nerror: not written: no place\n"
        );
    }
}
