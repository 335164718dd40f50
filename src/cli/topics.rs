//! `weir topics plan|apply`: what the topics should be, and making those that are missing.

use super::{Exit, pipeline_of};
use crate::config::Config;
use crate::kafka::topics::{Admin, Finding, Spec, specs};
use anyhow::Context as _;
use std::path::PathBuf;

/// Plans or makes the Kafka topics.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Says which topics are missing or differ, and changes nothing.
    Plan(Args),
    /// Makes the missing topics. One that exists is never altered.
    Apply(Args),
}

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The pipeline file.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

/// Plans or applies; fails when a topic differs from what it should be.
pub fn run(command: &Command) -> anyhow::Result<Exit> {
    let (args, apply) = match command {
        Command::Plan(args) => (args, false),
        Command::Apply(args) => (args, true),
    };
    let pipeline = pipeline_of(Config::load_here(&args.config)?.config)?;
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
                Finding::Right(topic) => println!("{topic}: as it should be"),
                Finding::Missing(spec) if apply => {
                    admin.create(&spec).await.with_context(|| format!("making topic {}", spec.name))?;
                    println!("{}: made, {}", spec.name, describe(&spec));
                }
                Finding::Missing(spec) => println!("{}: missing; `apply` makes it, {}", spec.name, describe(&spec)),
                Finding::Differs { topic, what, remedy } => {
                    differs = true;
                    println!("{topic}: {what}\n  {remedy}");
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
