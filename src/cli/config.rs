//! `weir config`: the JSON Schema of a pipeline file, and what one resolves to.
//!
//! `effective` never prints a secret, whatever it came from.

use super::{Exit, PipelineFile};
use crate::config;
use std::io::{self, Write};

/// Arguments of `weir config`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// JSON Schema of a pipeline file, for editors
    Schema,
    /// A pipeline file with every default filled in, secrets as ***
    Effective(PipelineFile),
}

/// Prints.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    match args.action {
        Action::Schema => writeln!(io::stdout(), "{:#}", config::schema())?,
        Action::Effective(pipeline) => write!(io::stdout(), "{}", pipeline.load()?.effective)?,
    }
    Ok(Exit::Done)
}
