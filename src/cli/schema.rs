//! `weir schema plan|apply|status|grants`: what would be done to ClickHouse's tables, doing it, how they stand, and who
//! needs which rights on them.
//!
//! The statements themselves are in the clickhouse room.

use super::{Exit, PipelineFile};
use crate::clickhouse::access::Role;
use crate::clickhouse::schema::{self, SchemaError, Status, Step};
use crate::clickhouse::{Client, Config, ConfigError, Failure};
use anyhow::Context as _;
use std::future::Future;
use std::io::{self, Write};

/// Arguments of `weir schema`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

/// What is done with migrations.
#[derive(clap::Subcommand)]
enum Action {
    /// Prints the statements that `apply` would run
    Plan(PipelineFile),
    /// Runs the missing migrations
    Apply(PipelineFile),
    /// Says how the tables stand; fails when rows could not be inserted
    Status(PipelineFile),
    /// Prints the roles and their rights, the least that each needs; asks no server
    Grants(PipelineFile),
}

/// Plans, applies or tells.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    type Act = fn(&Config, &mut dyn Write) -> Result<(), Error>;
    let (file, act): (PipelineFile, Act) = match args.action {
        Action::Plan(file) => (file, plan),
        Action::Apply(file) => (file, apply),
        Action::Status(file) => (file, status),
        Action::Grants(file) => (file, grants),
    };
    let config = file.load()?.config.clickhouse;
    act(&config, &mut io::stdout()).with_context(|| format!("with ClickHouse at {} (clickhouse.url)", config.url))?;
    Ok(Exit::Done)
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Server(#[from] Failure),
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

/// Prints the statements that `apply` would run, as SQL that can be run by hand.
fn plan(config: &Config, out: &mut dyn Write) -> Result<(), Error> {
    let client = Client::new(config)?;
    let steps = block_on(schema::plan(&client))??;
    if steps.is_empty() {
        writeln!(out, "-- nothing to do")?;
    }
    steps.iter().try_for_each(|step| print(step, out))?;
    writeln!(out, "-- what each role may do: weir schema grants -c FILE")?;
    Ok(())
}

/// Prints the roles with their rights. A role is then granted to users: `GRANT weir_writer TO weir`.
fn grants(config: &Config, out: &mut dyn Write) -> Result<(), Error> {
    let client = Client::new(config)?;
    for role in Role::ALL {
        writeln!(out, "-- {} {}", role.name(&client), role.purpose())?;
        for statement in role.statements(&client) {
            writeln!(out, "{statement};")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Brings the schema up to date, and checks it afterwards.
fn apply(config: &Config, out: &mut dyn Write) -> Result<(), Error> {
    let client = Client::new(config)?;
    block_on(async {
        let mut written = Ok(());
        let status = schema::apply(&client, |step| {
            if written.is_ok() {
                written = writeln!(out, "applying {}", step.title);
            }
        })
        .await?;
        written?;
        schema::check(&client).await?;
        writeln!(out, "{status}")?;
        Ok(())
    })?
}

/// Prints how the schema stands and fails unless rows could be inserted.
fn status(config: &Config, out: &mut dyn Write) -> Result<(), Error> {
    let client = Client::new(config)?;
    block_on(async {
        let version = client.version().await?;
        writeln!(out, "ClickHouse {version}, database {}", client.database())?;
        schema::check(&client).await?;
        let status: Status = schema::status(&client).await?;
        writeln!(out, "{status}")?;
        Ok(())
    })?
}

fn print(step: &Step, out: &mut dyn Write) -> Result<(), Error> {
    writeln!(out, "-- {}", step.title)?;
    for statement in &step.statements {
        writeln!(out, "{statement};\n")?;
    }
    Ok(())
}

fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work))
}
