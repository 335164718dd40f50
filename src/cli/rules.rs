//! `weir rules list|show|test`: the catalogue for people.
//!
//! What a rule is stands in the rules room; how its examples are run, in detect.

use super::{Exit, lines};
use crate::detect::examples;
use crate::rules::{Catalogue, PackFile, Rule, Trigger, taxonomy};
use anyhow::Context as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Largest pack, in bytes; all built-in ones together have half of it.
const PACK_MAX_BYTES: usize = 4 << 20;

/// Arguments of `weir rules`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// The pipeline file, for its packs; without it the default packs
    #[arg(short = 'c', long = "config", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

/// What is done with rules.
#[derive(clap::Subcommand)]
enum Action {
    /// One line a rule
    List,
    /// Everything about one rule
    Show {
        /// The rule's id
        #[arg(value_name = "RULE")]
        id: String,
    },
    /// Runs the examples and counter-examples of every rule
    Test {
        /// Packs to test by themselves, as files and folders; without them those of the pipeline
        #[arg(value_name = "PACK", conflicts_with = "config")]
        packs: Vec<PathBuf>,
    },
}

/// Prints or tests.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let catalogue = match (&args.config, &args.action) {
        (Some(path), _) => super::load(path)?.config.catalogue,
        (None, Action::Test { packs }) if !packs.is_empty() => load_packs(packs)?,
        (None, _) => Catalogue::built_in(),
    };
    let out = &mut io::stdout();
    match args.action {
        Action::List => list(&catalogue, out)?,
        Action::Show { id } => show(&catalogue, &id, out)?,
        Action::Test { .. } if !test(&catalogue, out)? => return Ok(Exit::Failed),
        Action::Test { .. } => {}
    }
    Ok(Exit::Done)
}

/// Packs by themselves: files, and the YAML files of folders and of folders in them.
fn load_packs(paths: &[PathBuf]) -> anyhow::Result<Catalogue> {
    let mut files = Vec::new();
    for path in paths {
        find_packs(path, true, &mut files)?;
    }
    let texts = files.iter().map(|path| Ok((path.display().to_string(), lines::text_of(path, PACK_MAX_BYTES)?)));
    let texts: Vec<(String, String)> = texts.collect::<anyhow::Result<_>>()?;
    let packs: Vec<PackFile<'_>> = texts.iter().map(|(name, text)| PackFile { name, text }).collect();
    Ok(Catalogue::load(&packs)?)
}

fn find_packs(path: &Path, is_named: bool, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let in_path = || format!("reading {}", path.display());
    if !path.is_dir() {
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        files.extend((is_named || is_yaml).then(|| path.to_path_buf()));
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(in_path)?;
    let mut below: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().with_context(in_path)?;
    below.sort();
    below.iter().try_for_each(|path| find_packs(path, false, files))
}

/// One line a rule: id, severity, type, title.
fn list(catalogue: &Catalogue, out: &mut dyn Write) -> std::io::Result<()> {
    let width = |field: fn(&Rule) -> &str| catalogue.rules().iter().map(|rule| field(rule).len()).max().unwrap_or(0);
    let (ids, types) = (width(|rule| &rule.info.id), width(|rule| &rule.info.type_name));
    for rule in catalogue.rules() {
        let (id, severity, type_name) = (&rule.info.id, rule.info.severity.name(), &rule.info.type_name);
        writeln!(out, "{id:ids$}  {severity:13}  {type_name:types$}  {}", rule.title)?;
    }
    writeln!(out, "{} rules, digest {}", catalogue.rules().len(), catalogue.digest())
}

/// Everything about one rule but its examples, which may be real. An unknown id is an error with the nearest ids.
fn show(catalogue: &Catalogue, id: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let rule = catalogue.get(id).with_context(|| {
        let category = id.split('.').next().unwrap_or_default();
        let near = catalogue.rules().iter().filter(|rule| rule.info.category.name() == category);
        let near: Vec<&str> = near.map(|rule| rule.info.id.as_str()).collect();
        match near.is_empty() {
            true => format!("there is no rule `{id}`; `weir rules list` prints them all"),
            false => format!("there is no rule `{id}`; of this category there are {}", near.join(", ")),
        }
    })?;
    writeln!(out, "{} (version {}, {})", rule.info.id, rule.info.version, rule.file)?;
    writeln!(out, "{}\n\n{}\n", rule.title, rule.description)?;
    let (category, severity) = (rule.info.category, rule.info.severity);
    if !rule.provider.is_empty() {
        writeln!(out, "issued by   {}", rule.provider)?;
    }
    writeln!(out, "finds       {} ({category}, severity {severity})", rule.info.type_name)?;
    writeln!(out, "confidence  {}", rule.confidence.as_f32())?;
    writeln!(out, "pattern     {}", rule.pattern)?;
    match &rule.trigger {
        Trigger::Anchors(anchors) => writeln!(out, "anchors     {}", anchors.join(" "))?,
        Trigger::AtSign => writeln!(out, "trigger     at_sign")?,
        Trigger::Digits => writeln!(out, "trigger     digits")?,
        Trigger::Token => writeln!(out, "trigger     token")?,
    }
    for validator in &rule.validators {
        writeln!(out, "validator   {validator}")?;
    }
    for (list, ids) in [(taxonomy::TAXONOMY, &rule.taxonomy), (taxonomy::CRITERIA, &rule.criteria)] {
        for id in ids {
            writeln!(out, "see         {id} {}", taxonomy::name_of(list, id).unwrap_or_default())?;
        }
    }
    for reference in &rule.references {
        writeln!(out, "see         {reference}")?;
    }
    if !rule.next_step.is_empty() {
        writeln!(out, "next step   {}", rule.next_step)?;
    }
    writeln!(out, "examples    {} and {} counter-examples", rule.examples.len(), rule.counter_examples.len())?;
    Ok(())
}

/// Runs every example of every rule and prints what fails. Returns whether all is well.
fn test(catalogue: &Catalogue, out: &mut dyn Write) -> anyhow::Result<bool> {
    let failures = examples::check(catalogue)?;
    for failure in &failures {
        writeln!(out, "{failure}")?;
    }
    let count = |of: fn(&Rule) -> usize| catalogue.rules().iter().map(of).sum::<usize>();
    let (examples, counter) = (count(|rule| rule.examples.len()), count(|rule| rule.counter_examples.len()));
    let rules = catalogue.rules().len();
    writeln!(out, "{rules} rules, {examples} examples, {counter} counter-examples: {} failures", failures.len())?;
    Ok(failures.is_empty())
}
