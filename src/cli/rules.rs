//! `weir rules list|show|test|new`: the catalogue for people.
//!
//! What a rule is stands in the rules room; how its examples are run, in detect.

mod new;

use super::{Exit, Usage, lines};
use crate::detect::examples;
use crate::model::Category;
use crate::rules::{Catalogue, Change, Off, PackFile, Rule, Trigger, taxonomy};
use crate::yaml::section::closest;
use anyhow::Context as _;
use std::collections::BTreeMap;
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
    /// One line a rule; what another pack changed or switched off is marked
    List(Selection),
    /// Everything about one rule
    Show {
        /// The rule's id
        #[arg(value_name = "RULE")]
        id: String,
    },
    /// Writes a rule to begin with
    New(new::Args),
    /// Runs the examples and counter-examples of every rule, and refuses those that a text could make slow
    Test {
        /// Packs to test by themselves, as files and folders; without them those of the pipeline
        #[arg(value_name = "PACK", conflicts_with = "config")]
        packs: Vec<PathBuf>,
    },
}

/// Which rules are listed.
#[derive(clap::Args, Default)]
struct Selection {
    /// Only what this provider issues, by its name in any case
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only this category
    #[arg(long, value_parser = Category::named)]
    category: Option<Category>,
    /// The providers with the number of their rules, instead of the rules
    #[arg(long)]
    providers: bool,
}

impl Selection {
    fn holds(&self, rule: &Rule) -> bool {
        self.category.is_none_or(|category| rule.info.category == category)
            && self.provider.as_ref().is_none_or(|name| rule.provider.eq_ignore_ascii_case(name))
    }

    /// A provider whose name is misspelt is no empty list.
    fn check(&self, catalogue: &Catalogue) -> anyhow::Result<()> {
        let Some(name) = &self.provider else { return Ok(()) };
        let all = catalogue.rules().iter().chain(catalogue.off().iter().map(|(rule, _)| rule));
        let mut names: Vec<&str> = all.map(|rule| &*rule.provider).filter(|name| !name.is_empty()).collect();
        if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        names.sort_unstable();
        let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let near = closest(&name.to_lowercase(), &lower.iter().map(String::as_str).collect::<Vec<_>>());
        let near = near.and_then(|near| lower.iter().position(|name| name == near)).map(|index| names[index]);
        let remedy = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`weir rules list --providers` prints them all".to_owned(),
        };
        Err(Usage(format!("there is no provider `{name}`; {remedy}")).into())
    }
}

/// Prints or tests.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    if let Action::New(draft) = &args.action {
        return new::run(draft);
    }
    let catalogue = match &args.action {
        Action::Test { packs } if !packs.is_empty() => load_packs(packs)?,
        _ => super::catalogue_of(args.config.as_deref())?,
    };
    let out = &mut io::stdout();
    match args.action {
        Action::List(selection) if selection.providers => providers(&catalogue, &selection, out)?,
        Action::List(selection) => list(&catalogue, &selection, out)?,
        Action::Show { id } => show(&catalogue, &id, out)?,
        Action::New(_) => {}
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
    if !path.is_dir() {
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        files.extend((is_named || is_yaml).then(|| path.to_path_buf()));
        return Ok(());
    }
    super::entries_of(path)?.iter().try_for_each(|path| find_packs(path, false, files))
}

/// One line a rule: id, severity, type, title, and who changed it or switched it off.
fn list(catalogue: &Catalogue, selection: &Selection, out: &mut dyn Write) -> anyhow::Result<()> {
    selection.check(catalogue)?;
    let off = catalogue.off().iter().map(|(rule, off)| (rule, Some(off)));
    let all = catalogue.rules().iter().map(|rule| (rule, None)).chain(off);
    let mut listed: Vec<(&Rule, Option<&Off>)> = all.filter(|(rule, _)| selection.holds(rule)).collect();
    listed.sort_by_key(|(rule, _)| &rule.info.id);
    let width = |field: fn(&Rule) -> &str| listed.iter().map(|(rule, _)| field(rule).len()).max().unwrap_or(0);
    let (ids, types) = (width(|rule| &rule.info.id), width(|rule| &rule.info.type_name));
    let (mut changed, mut switched_off) = (0, 0);
    for (rule, off) in listed.iter().copied() {
        let severity = if off.is_some() { "off" } else { rule.info.severity.name() };
        write!(out, "{:ids$}  {severity:13}  {:types$}  {}", rule.info.id, rule.info.type_name, rule.title)?;
        match off {
            Some(off) => write!(out, " (off by {}: {})", off.file, off.reason)?,
            None => {
                rule.changes.iter().try_for_each(|change| write!(out, " (changed by {})", change_of(change)))?;
            }
        }
        writeln!(out)?;
        switched_off += usize::from(off.is_some());
        changed += usize::from(!rule.changes.is_empty());
    }
    write!(out, "{} rules", listed.len() - switched_off)?;
    if changed + switched_off > 0 {
        write!(out, " ({changed} changed), {switched_off} off")?;
    }
    writeln!(out, ", digest {}", catalogue.digest())?;
    Ok(())
}

/// `acme.yaml: severity, mask; why`.
fn change_of(change: &Change) -> String {
    let why = if change.reason.is_empty() { String::new() } else { format!("; {}", change.reason) };
    format!("{}: {}{why}", change.file, change.keys.join(", "))
}

/// One line a provider: its name and the number of its rules.
fn providers(catalogue: &Catalogue, selection: &Selection, out: &mut dyn Write) -> anyhow::Result<()> {
    selection.check(catalogue)?;
    let rules: Vec<&Rule> = catalogue.rules().iter().filter(|rule| selection.holds(rule)).collect();
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| !rule.provider.is_empty()) {
        *counts.entry((rule.provider.to_lowercase(), &rule.provider)).or_default() += 1;
    }
    let width = counts.keys().map(|(_, name)| name.chars().count()).max().unwrap_or(0);
    counts.iter().try_for_each(|((_, name), count)| writeln!(out, "{name:width$}  {count}"))?;
    let issued: usize = counts.values().sum();
    writeln!(out, "{} providers with {issued} rules; {} rules of no provider", counts.len(), rules.len() - issued)?;
    Ok(())
}

/// Everything about one rule but its examples, which may be real. An unknown id is an error with the nearest ids.
fn show(catalogue: &Catalogue, id: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    if let Some((_, off)) = catalogue.off().iter().find(|(rule, _)| rule.info.id == id) {
        anyhow::bail!("rule `{id}` is switched off by {}: {}", off.file, off.reason);
    }
    let rule = catalogue.get(id).with_context(|| {
        let known: Vec<&str> = catalogue.rules().iter().map(|rule| &*rule.info.id).collect();
        match closest(id, &known) {
            Some(near) => format!("there is no rule `{id}`; did you mean `{near}`?"),
            None => format!("there is no rule `{id}`; `weir rules list` prints them all"),
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
    for change in &rule.changes {
        writeln!(out, "changed by  {}", change_of(change))?;
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
    let failures = examples::check(catalogue);
    for failure in &failures {
        writeln!(out, "{failure}")?;
    }
    let count = |of: fn(&Rule) -> usize| catalogue.rules().iter().map(of).sum::<usize>();
    let (examples, counter) = (count(|rule| rule.examples.len()), count(|rule| rule.counter_examples.len()));
    let rules = catalogue.rules().len();
    writeln!(out, "{rules} rules, {examples} examples, {counter} counter-examples: {} failures", failures.len())?;
    Ok(failures.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn printed(print: impl Fn(&mut dyn Write) -> anyhow::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap_or_else(|error| panic!("{error}"));
        String::from_utf8(out).unwrap()
    }

    /// The README promises no more than there is: neither in numbers nor by name.
    #[test]
    fn the_readme_keeps_its_word() {
        let readme = include_str!("../../README.md");
        let number = |what: &str| {
            let before = readme.split_once(what).unwrap_or_else(|| panic!("the README says how many{what}")).0;
            before.rsplit_once("over ").unwrap().1.replace(',', "").parse::<usize>().unwrap()
        };
        let catalogue = Catalogue::built_in();
        let names: BTreeSet<&str> =
            catalogue.rules().iter().map(|rule| &*rule.provider).filter(|name| !name.is_empty()).collect();
        assert!(number(" rules for what") <= catalogue.rules().len());
        assert!(number(" providers issue") <= names.len());
        let (_, rest) = readme.split_once("--providers</code> prints them</summary>").unwrap();
        let (listed, _) = rest.split_once("</details>").unwrap();
        let listed = listed.split_whitespace().collect::<Vec<_>>().join(" ");
        for name in listed.split("; ") {
            assert!(names.contains(name), "no rule is of `{name}`");
        }
    }

    #[test]
    fn lists_mark_what_is_changed_and_off() {
        let rules: Vec<String> = ["key", "token", "cookie"]
            .iter()
            .map(|name| {
                format!(
                    "  - {{ id: secret.acme_{name}, title: Acme {name}, description: d, category: secret, severity: high, \
                     confidence: 1, mask: ends, pattern: 'acme_{name}', anchors: [acme_{name}], taxonomy: [], criteria: [], \
                     references: [], examples: [], counter_examples: [] }}\n"
                )
            })
            .collect();
        let first = format!("provider: Acme\nrules:\n{}", rules.concat());
        let second = "overrides:\n  - { id: secret.acme_key, severity: low, mask: length, reason: ours }\n  \
                      - { id: secret.acme_token, off: true, reason: gone }\n";
        let packs = [PackFile { name: "a.yaml", text: &first }, PackFile { name: "b.yaml", text: second }];
        let catalogue = Catalogue::load(&packs).unwrap_or_else(|problems| panic!("{problems}"));
        let all = printed(|out| list(&catalogue, &Selection::default(), out));
        let expected = format!(
            "secret.acme_cookie  high           ACME_COOKIE  Acme cookie\n\
             secret.acme_key     low            ACME_KEY     Acme key (changed by b.yaml: severity, mask; ours)\n\
             secret.acme_token   off            ACME_TOKEN   Acme token (off by b.yaml: gone)\n\
             2 rules (1 changed), 1 off, digest {}\n",
            catalogue.digest()
        );
        assert_eq!(all, expected);
        let of = |provider: Option<&str>, category| Selection {
            provider: provider.map(str::to_owned),
            category,
            providers: true,
        };
        let all = printed(|out| providers(&catalogue, &of(Some("acme"), Some(Category::Secret)), out));
        assert_eq!(all, "Acme  2\n1 providers with 2 rules; 0 rules of no provider\n");
        assert!(printed(|out| providers(&catalogue, &of(None, Some(Category::Pii)), out)).starts_with("0 providers"));
        let error = list(&catalogue, &of(Some("acne"), None), &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("did you mean `Acme`?"), "{error}");
        let error = show(&catalogue, "secret.acme_token", &mut Vec::new()).unwrap_err().to_string();
        assert_eq!(error, "rule `secret.acme_token` is switched off by b.yaml: gone");
        assert!(
            printed(|out| show(&catalogue, "secret.acme_key", out))
                .contains("changed by  b.yaml: severity, mask; ours")
        );
    }
}
