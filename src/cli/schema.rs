//! `weir schema plan|apply|status`: what would be done to ClickHouse's tables, doing it, and how they stand.
//!
//! Reading the configuration and the exit status are the caller's.

use crate::clickhouse::schema::{self, SchemaError, Status, Step};
use crate::clickhouse::{Client, Config, ConfigError, Failure};
use std::future::Future;
use std::io::{self, Write};

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
pub fn plan(config: &Config, out: &mut dyn Write) -> Result<(), Error> {
    let client = Client::new(config)?;
    let steps = block_on(schema::plan(&client))??;
    if steps.is_empty() {
        writeln!(out, "-- nothing to do")?;
    }
    steps.iter().try_for_each(|step| print(step, out))
}

/// Brings the schema up to date, and checks it afterwards.
pub fn apply(config: &Config, out: &mut dyn Write) -> Result<(), Error> {
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
pub fn status(config: &Config, out: &mut dyn Write) -> Result<(), Error> {
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
