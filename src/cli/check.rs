//! `weir check`: everything that is wrong with a configuration at once, and with `--connect` with the servers.
//!
//! Without `--connect` it reads the file and what the file names, and connects to nothing. With it, Kafka and
//! ClickHouse are looked at one after the other, whatever the first of them says; how is for their rooms.

use super::run::Role;
use super::{Exit, PipelineFile, pipeline_of};
use crate::clickhouse::{self, Client};
use crate::config::Config;
use crate::kafka;
use crate::kafka::probe::Loops;
use crate::pipeline::Pipeline;
use crate::probe::{Finding, Outcome};
use crate::yaml::Problems;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Arguments of `weir check`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pipeline: PipelineFile,
    /// Also tries Kafka and ClickHouse: whether they answer, have what weir needs, and let it do what it does. What it
    /// writes to weir's topics is aborted: no reader of committed records sees it
    #[arg(long)]
    connect: bool,
    /// With --connect: the loops whose needs are looked at
    #[arg(long, value_enum, default_value_t = Role::All, requires = "connect")]
    role: Role,
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// For people
    Text,
    /// One object, for machines
    Json,
}

/// Checks. In text, what is wrong with the configuration comes back as the error.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    let loaded = match Config::load_here(&args.pipeline.config) {
        Ok(loaded) => loaded,
        Err(problems) if args.output == Output::Json => {
            writeln!(
                out,
                "{:#}",
                json!({ "usable": false, "problems": listed(&problems), "warnings": [], "servers": [] })
            )?;
            return Ok(Exit::Usage);
        }
        Err(problems) => return Err(problems.into()),
    };
    let warnings = loaded.config.warnings.clone();
    let pipeline = pipeline_of(loaded.config);
    if args.output == Output::Text {
        warnings.iter().for_each(|warning| say!("warning: {warning}"));
        describe(&pipeline, &args, &mut out)?;
    }
    let servers = if args.connect { look(&pipeline, args.role)? } else { Vec::new() };
    match args.output {
        Output::Text => servers.iter().try_for_each(|(server, finding)| line(server, finding, &mut out))?,
        Output::Json => {
            let servers: Vec<Value> =
                servers.iter().map(|(server, finding)| json!({ "server": server, "look": finding })).collect();
            writeln!(out, "{:#}", json!({ "usable": true, "problems": [], "warnings": warnings, "servers": servers }))?;
        }
    }
    let is_wrong = servers.iter().any(|(_, finding)| finding.is_wrong());
    Ok(if is_wrong { Exit::Failed } else { Exit::Done })
}

fn listed(problems: &Problems) -> Vec<Value> {
    let one = |problem: &crate::yaml::Problem| {
        json!({
            "file": problem.file,
            "line": problem.place.line,
            "column": problem.place.column,
            "message": problem.message,
            "remedy": problem.remedy,
        })
    };
    problems.list().iter().map(one).collect()
}

fn describe(pipeline: &Pipeline, args: &Args, out: &mut impl Write) -> io::Result<()> {
    let topics: Vec<&str> = pipeline.inputs.iter().map(|input| &*input.topic).collect();
    writeln!(
        out,
        "{}: can be used\n  reads {} from {}\n  writes to {} at {}\n  {} rules, {} threads of detect\n  digest {}",
        args.pipeline.config.display(),
        topics.join(", "),
        pipeline.kafka.brokers,
        pipeline.clickhouse.database,
        pipeline.clickhouse.url,
        pipeline.catalogue.rules().len(),
        pipeline.detect_threads,
        pipeline.digests.config,
    )
}

/// What each server says, in the order in which it was asked.
fn look(pipeline: &Pipeline, role: Role) -> anyhow::Result<Vec<(&'static str, Finding)>> {
    let runs = |one| role == Role::All || role == one;
    let loops = Loops { detect: runs(Role::Detect), score: runs(Role::Score), store: runs(Role::Store) };
    let inputs: Vec<String> = pipeline.inputs.iter().map(|input| input.topic.clone()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let kafka = kafka::probe::look(&pipeline.kafka, &inputs, loops).await;
        let mut findings: Vec<_> = kafka.into_iter().map(|finding| ("kafka", finding)).collect();
        if loops.store {
            findings.extend(
                look_at_clickhouse(&pipeline.clickhouse).await.into_iter().map(|finding| ("clickhouse", finding)),
            );
        }
        Ok(findings)
    })
}

async fn look_at_clickhouse(config: &clickhouse::Config) -> Vec<Finding> {
    match Client::new(config) {
        Ok(client) => clickhouse::probe::look(&client, &config.url, &config.user).await,
        Err(error) => vec![Finding::wrong("configuration", error.to_string(), "correct the section clickhouse")],
    }
}

fn line(server: &str, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
    let about = &finding.about;
    match &finding.outcome {
        Outcome::Ok { found } => writeln!(out, "  ok     {server}: {about}: {found}"),
        Outcome::Wrong { found, remedy } => writeln!(out, "  WRONG  {server}: {about}: {found}\n         = {remedy}"),
    }
}
