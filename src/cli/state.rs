//! `weir state reset`: recovers a partition whose marker and committed offset disagree.
//!
//! What a reset does, and what it means, is the pipeline room's.

use super::{Exit, PipelineFile, pipeline_of};
use crate::kafka::access::{self, Role};
use crate::kafka::door::reach;
use crate::pipeline::Pipeline;
use crate::pipeline::reset::{self, ResetError};
use std::io::{self, Write};

/// Arguments of `weir state`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

/// What is done with state.
#[derive(clap::Subcommand)]
enum Action {
    /// Moves the score group's offset of a partition to where its state holds, and writes that into the ledger.
    /// Stop every score instance first
    Reset {
        #[command(flatten)]
        pipeline: PipelineFile,
        /// The partition of weir.facts and weir.state
        #[arg(long, value_parser = clap::value_parser!(i32).range(0..))]
        partition: i32,
    },
}

/// Resets a partition and says what that means.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let Action::Reset { pipeline, partition } = args.action;
    let pipeline = pipeline_of(pipeline.load()?.config);
    reach(&pipeline.kafka, |waiting| say!("{waiting}"))?;
    let done = reset::reset(&pipeline, partition).map_err(|error| explained(&pipeline, error))?;
    let mut out = io::stdout();
    let shown = |offset: Option<i64>| offset.map_or("none".into(), |offset: i64| offset.to_string());
    writeln!(out, "partition {}: committed {}, state up to {}.", partition, shown(done.committed), shown(done.marker))?;
    writeln!(out, "Scoring goes on at {}, with the state that holds there.", done.next)?;
    match done.committed {
        Some(committed) if committed > done.next => {
            writeln!(out, "Facts {}..{committed} had been passed over; they are scored now.", done.next)?;
        }
        Some(committed) if committed < done.next => {
            writeln!(out, "Facts {committed}..{} had been scored before; they are not scored again.", done.next)?;
        }
        _ => {}
    }
    if done.gaps > 0 {
        writeln!(out, "{} facts are gone from the log and were never scored.", done.gaps)?;
    }
    writeln!(out, "The ledger has a row of kind reset.")?;
    Ok(Exit::Done)
}

/// Says what this user lacks when Kafka refused it something.
fn explained(pipeline: &Pipeline, error: ResetError) -> anyhow::Error {
    let ResetError::Denied(refusal) = &error else { return error.into() };
    let inputs: Vec<String> = pipeline.inputs.iter().map(|input| input.topic.clone()).collect();
    match access::explain(&pipeline.kafka, &inputs, Role::Operator, refusal) {
        Some(text) => anyhow::anyhow!(text),
        None => error.into(),
    }
}
