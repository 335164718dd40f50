//! `weir state`: recovery of a partition whose marker and offset disagree.
//!
//! All instances of score must be stopped while it runs.

use super::{Exit, NotBuilt, PipelineFile};

/// Arguments of `weir state`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub(super) action: Action,
}

/// What is done with state.
#[derive(clap::Subcommand)]
pub enum Action {
    /// Makes marker and offset of one partition agree, and says what that means
    Reset {
        #[command(flatten)]
        pipeline: PipelineFile,
        /// The partition of facts and state
        #[arg(long, value_parser = clap::value_parser!(i32).range(0..))]
        partition: i32,
    },
}

/// Resets.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let Action::Reset { pipeline, partition: _ } = args.action;
    pipeline.load()?;
    Err(NotBuilt("state reset").into())
}
