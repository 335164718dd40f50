//! `weir topics plan|apply`: what the topics should be, and making those that are missing.
//!
//! Which topics there are, and how they are set, is the kafka room's.

use super::{Exit, PipelineFile, pipeline_of};
use crate::kafka::topics::{Admin, Finding, Spec, specs};
use anyhow::Context as _;
use std::io::{self, Write};

/// Arguments of `weir topics`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

/// What is done with topics.
#[derive(clap::Subcommand)]
enum Action {
    /// Says which topics are missing or differ, and changes nothing
    Plan(PipelineFile),
    /// Makes the missing topics; one that exists is never altered
    Apply(PipelineFile),
}

/// Plans or applies; fails when a topic differs from what it should be.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let (file, apply) = match args.action {
        Action::Plan(file) => (file, false),
        Action::Apply(file) => (file, true),
    };
    let pipeline = pipeline_of(file.load()?.config);
    let mut out = io::stdout();
    let inputs: Vec<String> = pipeline.inputs.iter().map(|input| input.topic.clone()).collect();
    let specs = specs(&pipeline.kafka.topics, &inputs);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let brokers = &pipeline.kafka.brokers;
        let admin = Admin::connect(&pipeline.kafka).context("connecting to Kafka")?;
        let findings = admin.plan(&specs).await.with_context(|| format!("asking Kafka at {brokers}"))?;
        let mut differs = false;
        for finding in findings {
            match finding {
                Finding::Right(topic) => writeln!(out, "{topic}: as it should be")?,
                Finding::Missing(spec) if apply => {
                    let made = admin.create(&spec).await.with_context(|| format!("making topic {}", spec.name))?;
                    let word = if made { "made" } else { "was there already" };
                    writeln!(out, "{}: {word}, {}", spec.name, describe(&spec))?;
                }
                Finding::Missing(spec) => {
                    writeln!(out, "{}: missing; `apply` makes it, {}", spec.name, describe(&spec))?
                }
                Finding::Differs { topic, what, remedy } => {
                    differs = true;
                    writeln!(out, "{topic}: {what}\n  {remedy}")?;
                }
            }
        }
        Ok(if differs { Exit::Failed } else { Exit::Done })
    })
}

fn describe(spec: &Spec) -> String {
    let Some(partitions) = spec.partitions else {
        return "an input topic, with the broker's defaults".into();
    };
    let settings: Vec<String> = spec.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{partitions} partitions, {}", settings.join(" "))
}
