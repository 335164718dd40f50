//! `weir run`: the service. Starts the loops of a role and ends when told to, or when one cannot go on.
//!
//! The loops themselves are in the pipeline room; here are their configuration, their log, their admin port, their
//! signals and their deadline. Exit status: 0 after a signal, or 1 when loops did not finish by their deadline; 1 when
//! a loop cannot go on; 2 for a wrong configuration; 128 and its number for a second signal.

use super::{Exit, PipelineFile, pipeline_of};
use crate::admin::Admin;
use crate::admin::health::Health;
use crate::config::{Config, Loaded};
use crate::kafka::outage;
use crate::pipeline::drain::{PROCESS_DEADLINE, Stop};
use crate::pipeline::{self, Pipeline};
use crate::telemetry;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `weir run`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineFile,
    /// Which of the three loops this process runs
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
    /// How log lines look, whatever `telemetry.log` says; errors of the configuration too
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
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

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// One JSON object a line
    Json,
    /// For people
    Text,
}

/// Runs until SIGTERM or SIGINT, or until a loop cannot go on.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    // First of all, so that a signal during the start ends it in order, too.
    let stop = Stop::on_signals()?;
    let named = args.log_format.map(|format| format == LogFormat::Json);
    if let Some(as_json) = named {
        super::start_log(as_json);
    }
    let loaded = match Config::load_here(&args.pipeline.config) {
        Err(problems) if named == Some(true) => return Ok(super::log(&problems.into())),
        loaded => loaded?,
    };
    if named.is_none() {
        super::start_log(loaded.config.log_json);
    }
    #[cfg(feature = "faults")]
    let _failpoints = crate::faults::setup();
    // From here on everything that goes wrong is a line of the log.
    Ok(serve(loaded, args.role, stop).unwrap_or_else(|error| super::log(&error)))
}

fn serve(loaded: Loaded, role: Role, stop: Stop) -> anyhow::Result<Exit> {
    let Loaded { config, .. } = loaded;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let (listen, otlp) = (config.listen.clone(), config.otlp.clone());
    let name = config.name.clone();
    let pipeline = pipeline_of(config);
    // Before anything else is begun: a port that is taken often means that the instance runs already.
    let admin = listen.as_deref().map(Admin::bind).transpose()?;
    let telemetry = Arc::new(telemetry::start(&telemetry::Config {
        scraped: admin.is_some(),
        otlp: otlp.clone().unwrap_or_default(),
        instance: pipeline.kafka.instance.clone(),
        version: env!("CARGO_PKG_VERSION"),
        digests: [&pipeline.digests.config, &pipeline.digests.packs, &pipeline.digests.policy].map(Clone::clone),
    })?);
    let address = admin.as_ref().map_or("none".to_owned(), |admin| admin.address.to_string());
    say_start(&name, &pipeline, role, &address, otlp.as_deref());
    let health = Health::default();
    if let Some(admin) = admin {
        admin.serve(health.clone(), Arc::clone(&telemetry))?;
    }
    watch(stop.clone(), health.clone());
    let role = match role {
        Role::All => pipeline::Role::All,
        Role::Detect => pipeline::Role::Detect,
        Role::Score => pipeline::Role::Score,
        Role::Store => pipeline::Role::Store,
    };
    let outcome = pipeline::run(&pipeline, role, &stop, &health);
    telemetry.end();
    match outcome {
        // The loop has said it.
        Err(_) if stop.has_failed() => return Ok(Exit::Failed),
        outcome => outcome?,
    }
    let took_ms = stop.elapsed().unwrap_or_default().as_millis() as u64;
    tracing::info!(took_ms, "weir has ended; everything that was begun is committed or left to the successor");
    Ok(Exit::Done)
}

/// What runs, in a screenful: whoever reads only the top of a log knows which weir it is and what it talks to.
fn say_start(name: &str, pipeline: &Pipeline, role: Role, listen: &str, otlp: Option<&str>) {
    let Pipeline { kafka, digests, .. } = pipeline;
    let role = format!("{role:?}").to_lowercase();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pipeline = name,
        role,
        detect_threads = pipeline.detect_threads,
        instance = kafka.instance,
        group = kafka.group,
        config = digests.config,
        "weir starts"
    );
    let inputs: Vec<String> =
        pipeline.inputs.iter().map(|input| format!("{} ({:?})", input.topic, input.format).to_lowercase()).collect();
    tracing::info!(
        brokers = kafka.brokers,
        input = inputs.join(", "),
        prefix = kafka.topics.prefix,
        commit_interval_ms = kafka.commit_interval_ms,
        session_timeout_ms = kafka.session_timeout_ms,
        "Kafka"
    );
    tracing::info!(
        rules = pipeline.catalogue.rules().len(),
        packs = digests.packs,
        policy = if digests.policy.is_empty() { "none" } else { &digests.policy },
        min_severity = pipeline.alert.min_severity.name(),
        "detection"
    );
    tracing::info!(
        url = pipeline.clickhouse.url,
        database = pipeline.clickhouse.database,
        user = pipeline.clickhouse.user,
        "ClickHouse"
    );
    tracing::info!(listen, otlp = otlp.unwrap_or("none"), "telemetry");
}

/// Sees to it that the process ends in time: what the loops have not finished by then is the successor's, and a kill
/// loses no more than this does.
fn watch(stop: Stop, health: Health) {
    std::thread::spawn(move || {
        let elapsed = loop {
            std::thread::sleep(Duration::from_millis(50));
            if let Some(elapsed) = stop.elapsed() {
                break elapsed;
            }
        };
        let loops = health.running().join(", ");
        tracing::info!(loops, within_s = PROCESS_DEADLINE.as_secs(), "weir ends: loops commit what they have done");
        std::thread::sleep(PROCESS_DEADLINE.saturating_sub(elapsed));
        // It is still there: the main thread waits for a loop, or only for a collector.
        let running = health.running();
        if running.is_empty() {
            std::process::exit(stop.has_failed().into());
        }
        let loops = running.join(", ");
        let kafka = outage::reason().unwrap_or_else(|| "answers".to_owned());
        tracing::error!(
            loops,
            kafka,
            "weir did not finish in time and ends as it is: what these loops had read since their last commit is read \
             again by the successor, and groups that were on their way to ClickHouse are sent again"
        );
        std::process::exit(1);
    });
}
