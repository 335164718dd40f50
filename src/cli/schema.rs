//! `weir schema`: the migrations of weir's ClickHouse tables.
//!
//! Nothing else applies them: a running weir only checks that they are there.

use super::{Exit, NotBuilt, PipelineFile};

/// Arguments of `weir schema`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub(super) action: Action,
}

/// What is done with migrations.
#[derive(clap::Subcommand)]
pub enum Action {
    /// Prints the statements that `apply` would run
    Plan(PipelineFile),
    /// Runs the missing migrations
    Apply(PipelineFile),
    /// Says which migrations are applied
    Status(PipelineFile),
}

/// Plans, applies or tells.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let (pipeline, name) = match args.action {
        Action::Plan(pipeline) => (pipeline, "schema plan"),
        Action::Apply(pipeline) => (pipeline, "schema apply"),
        Action::Status(pipeline) => (pipeline, "schema status"),
    };
    pipeline.load()?;
    Err(NotBuilt(name).into())
}
