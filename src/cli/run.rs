//! `weir run`: the service.
//!
//! The loops themselves are in the pipeline room.

use super::{Exit, NotBuilt, PipelineFile};

/// Arguments of `weir run`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(super) pipeline: PipelineFile,
    /// Which of the three loops this process runs
    #[arg(long, value_enum, default_value_t = Role::All)]
    pub(super) role: Role,
}

/// The loops of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// All three
    All,
    /// Events to facts
    Detect,
    /// Facts to rows and alerts
    Score,
    /// Rows to ClickHouse
    Store,
}

/// Runs until it is told to stop.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { pipeline, role: _ } = args;
    pipeline.load()?;
    Err(NotBuilt("run").into())
}
