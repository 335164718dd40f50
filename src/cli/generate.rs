//! `weir generate`: labelled, seeded traffic to Kafka or stdout.
//!
//! The traffic itself is made in the generate room, which knows neither clock nor Kafka.

use super::{Exit, NotBuilt};
use std::path::PathBuf;

/// Arguments of `weir generate`.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline file: events go to its brokers, and to its first input topic
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The topic instead of the pipeline's
    #[arg(long)]
    pub(super) topic: Option<String>,
    /// The brokers instead of the pipeline's; needs --topic when there is no pipeline file
    #[arg(long, value_name = "HOST:PORT,…")]
    pub(super) brokers: Option<String>,
    /// Equal seeds give equal traffic
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Events
    #[arg(long, default_value_t = 1_000)]
    pub(super) count: u64,
    /// Principals that they come from
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) principals: u32,
    /// The share of events with a planted incident, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    pub(super) incidents: f64,
    /// The time of the last event, RFC 3339; now when it is left out
    #[arg(long, value_name = "TIME")]
    pub(super) end: Option<String>,
    /// Where to write what was planted, a JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(super) truth: Option<PathBuf>,
}

fn share(written: &str) -> Result<f64, String> {
    let share: Option<f64> = written.parse().ok();
    share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "it is a number from 0 to 1".to_owned())
}

/// Generates. Without a pipeline file and brokers, events go to stdout.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { config: _, topic: _, brokers: _, seed: _, count: _, principals: _, incidents: _, end: _, truth: _ } =
        args;
    Err(NotBuilt("generate").into())
}
