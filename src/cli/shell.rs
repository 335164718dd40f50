//! `weir completions` and `weir man`: what shells and `man` want to know, made from the commands themselves.
//!
//! Where a distribution puts these files is its own business.

use super::{Cli, Exit};
use anyhow::Context as _;
use clap::CommandFactory as _;
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of `weir completions`.
#[derive(clap::Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Arguments of `weir man`.
#[derive(clap::Args)]
pub struct Man {
    /// Writes a page for weir and each of its commands into this folder, instead of printing the first
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

/// Prints the completions.
pub fn completions(args: &Completions) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "weir", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}

/// Prints or writes the pages.
pub fn man(args: &Man) -> anyhow::Result<Exit> {
    match &args.into {
        None => clap_mangen::Man::new(Cli::command()).render(&mut io::stdout())?,
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
                .with_context(|| format!("writing pages into {}", folder.display()))?;
        }
    }
    Ok(Exit::Done)
}
