//! `weir topics`: the Kafka topics that weir needs, compared with those that there are.
//!
//! Topics of the capture points are never altered.

use super::{Exit, NotBuilt, PipelineFile};

/// Arguments of `weir topics`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub(super) action: Action,
}

/// What is done with topics.
#[derive(clap::Subcommand)]
pub enum Action {
    /// Says what `apply` would do
    Plan(PipelineFile),
    /// Makes missing topics and sets what is set otherwise
    Apply(PipelineFile),
}

/// Plans or applies.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let (pipeline, name) = match args.action {
        Action::Plan(pipeline) => (pipeline, "topics plan"),
        Action::Apply(pipeline) => (pipeline, "topics apply"),
    };
    pipeline.load()?;
    Err(NotBuilt(name).into())
}
