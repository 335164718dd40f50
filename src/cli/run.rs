//! `weir run`: the service. Starts the loops of a role and ends when told to, or when one cannot go on.
//!
//! The loops themselves are in the pipeline room; here are their configuration, their log and their signals.

use super::{Exit, PipelineFile, pipeline_of};
use crate::config::Config;
use crate::pipeline::{self, drain::Stop};

/// Arguments of `weir run`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineFile,
    /// Which of the three loops this process runs
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
    /// How log lines look, whatever the pipeline file says
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

/// The loops of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Role {
    /// All three
    All,
    /// Events to facts
    Detect,
    /// Facts to rows and alerts
    Score,
    /// Rows to ClickHouse
    Store,
}

/// Runs until SIGTERM or SIGINT, or until a loop cannot go on.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let role = match args.role {
        Role::All => pipeline::Role::All,
        Role::Detect => pipeline::Role::Detect,
        Role::Score => pipeline::Role::Score,
        Role::Store => pipeline::Role::Store,
    };
    let loaded = Config::load_here(&args.pipeline.config)?;
    super::start_log(args.log_format.map_or(loaded.config.log_json, |format| format == LogFormat::Json));
    #[cfg(feature = "faults")]
    let _failpoints = crate::faults::setup();
    for warning in &loaded.config.warnings {
        tracing::warn!("{warning}");
    }
    let pipeline = pipeline_of(loaded.config);
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
