//! `weir topics plan|apply|acls`: what the topics should be, making those that are missing, and who needs which rights
//! on them.
//!
//! Which topics there are, how they are set, and who needs what, is the kafka room's.

use super::{Exit, PipelineFile, pipeline_of};
use crate::kafka::KafkaError;
use crate::kafka::access::{self, Role};
use crate::kafka::door::reach;
use crate::kafka::topics::{Admin, Finding, Spec, specs};
use crate::pipeline::Pipeline;
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
    /// Prints the ACLs of each role, the least that it needs, as commands of Kafka's own tool; asks no broker
    Acls {
        #[command(flatten)]
        pipeline: PipelineFile,
        /// The user of every role, as in `User:NAME`. Default: `<kafka.group>-detect`, `-score`, `-store` and
        /// `-operator`
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

/// Plans, applies or prints; fails when a topic differs from what it should be.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let (file, apply) = match args.action {
        Action::Plan(file) => (file, false),
        Action::Apply(file) => (file, true),
        Action::Acls { pipeline, user } => return print_acls(&pipeline_of(pipeline.load()?.config), user.as_deref()),
    };
    let pipeline = pipeline_of(file.load()?.config);
    reach(&pipeline.kafka, |waiting| say!("{waiting}"))?;
    let specs = specs(&pipeline.kafka.topics, &inputs(&pipeline));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let explained =
        |error: KafkaError| match access::explain(&pipeline.kafka, &inputs(&pipeline), Role::Operator, &error) {
            Some(text) => anyhow::anyhow!(text),
            None => error.into(),
        };
    runtime.block_on(async {
        let brokers = &pipeline.kafka.brokers;
        let admin = Admin::connect(&pipeline.kafka).context("connecting to Kafka")?;
        let findings = admin.plan(&specs).await.map_err(explained);
        let mut out = io::stdout();
        let (mut differs, mut made_now) = (false, Vec::new());
        for finding in findings.with_context(|| format!("asking Kafka at {brokers}"))? {
            match finding {
                Finding::Right(topic) => writeln!(out, "{topic}: as it should be")?,
                Finding::Missing(spec) if apply => {
                    let made = admin.create(&spec).await.map_err(explained);
                    let made = made.with_context(|| format!("making topic {}", spec.name))?;
                    let word = if made { "made" } else { "was there already" };
                    writeln!(out, "{}: {word}, {}", spec.name, describe(&spec))?;
                    made_now.push(spec);
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
        // Else a `weir run` that follows at once could find none of them.
        let untold = admin.await_made(&made_now).map_err(explained).context("waiting for the topics that were made")?;
        if !untold.is_empty() {
            say!("warning: the brokers do not tell of {} yet: wait a moment before `weir run`", untold.join(", "));
        }
        if !apply {
            writeln!(out, "what each role may do: weir topics acls -c FILE")?;
        }
        for said in admin.durability(&specs).await.map_err(explained)? {
            say!("warning: {said}");
        }
        Ok(if differs { Exit::Failed } else { Exit::Done })
    })
}

fn inputs(pipeline: &Pipeline) -> Vec<String> {
    pipeline.inputs.iter().map(|input| input.topic.clone()).collect()
}

/// Lines for a shell: whoever may make ACLs runs them.
fn print_acls(pipeline: &Pipeline, user: Option<&str>) -> anyhow::Result<Exit> {
    let mut out = io::stdout();
    for role in Role::ALL {
        let named = format!("{}-{}", pipeline.kafka.group, role.name());
        let acls = access::needed(&pipeline.kafka, &inputs(pipeline), role);
        writeln!(out, "# {}: {}", role.name(), role.purpose())?;
        for command in access::commands(&pipeline.kafka, &acls, user.unwrap_or(&named)) {
            writeln!(out, "{command}")?;
        }
        writeln!(out)?;
    }
    Ok(Exit::Done)
}

fn describe(spec: &Spec) -> String {
    let Some(partitions) = spec.partitions else {
        return "an input topic, with the broker's defaults".into();
    };
    let settings: Vec<String> = spec.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{partitions} partitions, {}", settings.join(" "))
}
