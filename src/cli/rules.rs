//! `weir rules`: the catalogue, and whether every example of every rule holds.
//!
//! Without a pipeline file it is about the packs that are built in.

use super::Exit;
use std::path::PathBuf;

/// Arguments of `weir rules`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub(super) action: Action,
    /// The pipeline file, for its packs
    #[arg(short = 'c', long = "config", value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
}

/// What is done with rules.
#[derive(clap::Subcommand)]
pub enum Action {
    /// One line a rule
    List,
    /// Everything about one rule
    Show {
        /// The rule's id
        #[arg(value_name = "RULE")]
        id: String,
    },
    /// Runs the examples and counter-examples of every rule
    Test,
}

pub fn run(args: Args) -> anyhow::Result<Exit> {
    let _ = (args.action, args.config);
    Ok(Exit::Done)
}
