//! `weir check`: everything that is wrong with a configuration at once.
//!
//! It reads the file and what the file names, and connects to nothing.

use super::{Exit, PipelineFile, pipeline_of};
use std::io::{self, Write};

/// Arguments of `weir check`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineFile,
}

/// Checks. What is wrong comes back as the error.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let pipeline = pipeline_of(args.pipeline.load()?.config);
    let topics: Vec<&str> = pipeline.inputs.iter().map(|input| &*input.topic).collect();
    let file = args.pipeline.config.display();
    writeln!(
        io::stdout(),
        "{file}: can be used\n  reads {} from {}\n  writes to {} at {}\n  digest {}",
        topics.join(", "),
        pipeline.kafka.brokers,
        pipeline.clickhouse.database,
        pipeline.clickhouse.url,
        pipeline.digests.config,
    )?;
    Ok(Exit::Done)
}
