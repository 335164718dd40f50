//! `weir run`: the service. Starts the loops of a role and ends when told to, or when one cannot go on.

use super::{Exit, pipeline_of};
use crate::config::Config;
use crate::pipeline::{self, Role, drain::Stop};
use std::path::PathBuf;

/// Runs the service.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The pipeline file.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Which loops to run.
    #[arg(long, value_enum, default_value = "all")]
    role: RoleName,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum RoleName {
    All,
    Detect,
    Score,
    Store,
}

/// Runs until SIGTERM or SIGINT, or until a loop cannot go on.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let role = match args.role {
        RoleName::All => Role::All,
        RoleName::Detect => Role::Detect,
        RoleName::Score => Role::Score,
        RoleName::Store => Role::Store,
    };
    let loaded = Config::load_here(&args.config)?;
    super::start_log(loaded.config.log_json);
    #[cfg(feature = "faults")]
    let _failpoints = crate::faults::setup();
    for warning in &loaded.config.warnings {
        tracing::warn!("{warning}");
    }
    let pipeline = pipeline_of(loaded.config)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        instance = pipeline.kafka.instance,
        group = pipeline.kafka.group,
        brokers = pipeline.kafka.brokers,
        clickhouse = pipeline.clickhouse.url,
        rules = pipeline.catalogue.rules().len(),
        config = pipeline.digests.config,
        packs = pipeline.digests.packs,
        policy = pipeline.digests.policy,
        "weir starts"
    );
    let stop = Stop::on_signals()?;
    pipeline::run(&pipeline, role, &stop)?;
    tracing::info!("weir has ended");
    Ok(Exit::Done)
}
