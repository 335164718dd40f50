//! `weir state reset`: recovers a partition whose marker and committed offset disagree.

use super::{Exit, pipeline_of};
use crate::config::Config;
use crate::pipeline::reset;
use std::path::PathBuf;

/// Looks after the state in weir.state.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Moves the score group's offset of a partition to where its state holds, and writes that into the ledger.
    /// Stop every score instance first.
    Reset(Args),
}

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The pipeline file.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// The partition of weir.facts (and weir.state).
    #[arg(short, long)]
    partition: i32,
}

/// Resets a partition and says what that means.
pub fn run(command: &Command) -> anyhow::Result<Exit> {
    let Command::Reset(args) = command;
    let pipeline = pipeline_of(Config::load_here(&args.config)?.config)?;
    let done = reset::reset(&pipeline, args.partition)?;
    let shown = |offset: Option<i64>| offset.map_or("none".into(), |offset: i64| offset.to_string());
    println!("partition {}: committed {}, state up to {}.", args.partition, shown(done.committed), shown(done.marker));
    println!("Scoring goes on at {}, with the state that holds there.", done.next);
    match done.committed {
        Some(committed) if committed > done.next => {
            println!("Facts {}..{committed} had been passed over; they are scored now.", done.next);
        }
        Some(committed) if committed < done.next => {
            println!("Facts {committed}..{} had been scored before; they are not scored again.", done.next);
        }
        _ => {}
    }
    if done.gaps > 0 {
        println!("{} facts are gone from the log and were never scored.", done.gaps);
    }
    println!("The ledger has a row of kind reset.");
    Ok(Exit::Done)
}
