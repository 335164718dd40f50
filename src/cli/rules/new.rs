//! `weir rules new`: a rule to begin with, made of what its writer knows: a prefix or a name, and values.
//!
//! It writes what a person then reads and mends. It guesses no more than alphabet and length.

use super::{Exit, PACK_MAX_BYTES, Usage, lines};
use crate::model::Category;
use crate::rules::{Catalogue, PackFile};
use anyhow::Context as _;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

const HELP: &str = "\
A value with a prefix of its own is found by it wherever it stands:
  weir rules new secret.acme_key --provider Acme --prefix acme_ --example acme_q8zrt2vnw4kx acme_m4xw9bq2lc7v
Any other is found behind its name, as source, configuration files and people write it:
  weir rules new secret.acme_password --provider Acme --name 'acme password' --example q8zrt2vnw4kx m4xw9bq2lc7v

Then say in the block what the value opens, and read the pattern. Without --example it stands for 32 letters and digits, and
`examples` is empty: fill in two texts at least. `weir rules test FILE` says when the rule does what its examples say.
Examples stand in the pack: make them up, and never take real ones.";

/// Arguments of `weir rules new`.
#[derive(clap::Args)]
#[command(after_help = HELP)]
#[command(group = clap::ArgGroup::new("lead").required(true))]
pub struct Args {
    /// The new rule's id: its category, a dot, and a name of small letters, digits and `_`
    #[arg(value_name = "ID")]
    id: String,
    /// Who issues what it finds
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// What every value begins with, in this case
    #[arg(long, value_name = "TEXT", group = "lead")]
    prefix: Option<String>,
    /// What stands before a value: its name in one to four words
    #[arg(long, value_name = "WORDS", group = "lead")]
    name: Option<String>,
    /// Values to find, made up: alphabet and length are taken from them
    #[arg(long, value_name = "VALUE", num_args = 1..)]
    example: Vec<String>,
    /// Writes it to the end of this pack, or into a new one; without it to stdout
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

/// Writes the block.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if Catalogue::built_in().get(&args.id).is_some() {
        let remedy = "name it otherwise, or change that one with `overrides` in a pack";
        return Err(Usage(format!("the default packs have a rule `{}`: {remedy}", args.id)).into());
    }
    let block = block(args)?;
    let whole = pack(args, &block);
    // An id or an anchor that cannot be is told before anything is written.
    Catalogue::load(&[PackFile { name: "the new rule", text: &whole }])?;
    let Some(path) = &args.into else {
        std::io::stdout().write_all(whole.as_bytes())?;
        return Ok(Exit::Done);
    };
    let text = if path.exists() { appended(args, &lines::text_of(path, PACK_MAX_BYTES)?, &block)? } else { whole };
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    let path = path.display();
    say!("{path}: {} is there; complete it, then run `weir rules test {path}`", args.id);
    Ok(Exit::Done)
}

/// A pack of the block alone.
fn pack(args: &Args, block: &str) -> String {
    let provider = args.provider.as_ref().map(|name| format!("provider: {}\n", quoted(name))).unwrap_or_default();
    format!("{provider}rules:\n{block}")
}

/// The pack with the block at its end, if that is where its rules are.
fn appended(args: &Args, before: &str, block: &str) -> anyhow::Result<String> {
    let name = args.into.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let load = |text: &str| Catalogue::load(&[PackFile { name: &name, text }]);
    let known = load(before)?;
    let provider = known.rules().first().map_or("", |rule| &rule.provider);
    if args.provider.as_ref().is_some_and(|wanted| wanted != provider) {
        let of = if provider.is_empty() { "no provider".to_owned() } else { format!("`{provider}`") };
        return Err(Usage(format!("{name} is of {of}: a pack has one provider; name another file")).into());
    }
    if known.get(&args.id).is_some() {
        return Err(Usage(format!("{name} has a rule `{}` already", args.id)).into());
    }
    let text = format!("{}\n\n{block}", before.trim_end());
    match load(&text) {
        Ok(_) => Ok(text),
        Err(_) => {
            let remedy = "leave out --into, and put what is printed below `rules:` yourself";
            Err(Usage(format!("{name} does not end with its list of rules, indented by two; {remedy}")).into())
        }
    }
}

/// The rule as YAML, an item of the list of rules.
fn block(args: &Args) -> Result<String, Usage> {
    let given = args.example.iter().chain(&args.prefix).chain(&args.name).chain(&args.provider).chain([&args.id]);
    if given.into_iter().any(|text| text.trim().is_empty() || text.chars().any(char::is_control)) {
        return Err(Usage("arguments must be of one line, and not empty".to_owned()));
    }
    let Some((category, short)) = args.id.split_once('.') else {
        let names: Vec<&str> = Category::ALL.iter().map(|category| category.name()).collect();
        let remedy = format!("an id is its category ({}), a dot and a name", names.join(", "));
        return Err(Usage(format!("`{}` is no id: {remedy}", args.id)));
    };
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    };
    let names = words(args.name.as_deref().unwrap_or(short));
    let Lead { pattern, anchor, is_name, counter_examples } = match (&args.prefix, &args.name) {
        (Some(prefix), _) => by_prefix(prefix, &names, &args.example)?,
        (None, Some(_)) if (1..=4).contains(&names.len()) => by_name(&names, &args.example)?,
        _ => return Err(Usage("--name takes one to four words".to_owned())),
    };
    let title = words(short).join(" ");
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "    {text}").expect("a string takes everything");
    let (first, rest) = title.split_at_checked(1).unwrap_or_default();
    line(format!("title: {}", quoted(&format!("{}{rest}", first.to_uppercase()))));
    line("description: Say what it opens, and what an attacker gains.".to_owned());
    line(format!("category: {category}"));
    line("severity: high".to_owned());
    line(format!("confidence: {}", if is_name { 0.8 } else { 0.9 }));
    line("mask: ends".to_owned());
    line(format!("pattern: {}", quoted(&pattern)));
    if is_name {
        line("ignore_case: true".to_owned());
        line("group: 1".to_owned());
    }
    line(format!("anchors: [{}]", quoted(&anchor)));
    line("stop_words: [xxxx, example]".to_owned());
    line(format!("taxonomy: [{}]", taxonomy(category)));
    line("criteria: [CC6.1, CC6.7]".to_owned());
    line("references: []".to_owned());
    let examples = texts(&names, &args.example, is_name);
    let list = |texts: &[String]| texts.iter().map(|text| format!("\n      - {}", quoted(text))).collect::<String>();
    match examples.is_empty() {
        true => line("examples: []  # two texts at least in which it is found, made up".to_owned()),
        false => line(format!("examples:{}", list(&examples))),
    }
    line(format!("counter_examples:{}", list(&counter_examples)));
    Ok(format!("  - id: {}\n{out}", args.id))
}

/// How a value is found.
struct Lead {
    pattern: String,
    anchor: String,
    /// Whether a name stands before it.
    is_name: bool,
    counter_examples: [String; 2],
}

fn by_prefix(prefix: &str, names: &[String], examples: &[String]) -> Result<Lead, Usage> {
    let rests: Option<Vec<&str>> = examples.iter().map(|value| value.strip_prefix(prefix)).collect();
    let Some(rests) = rests.filter(|rests| rests.iter().all(|rest| !rest.is_empty())) else {
        return Err(Usage("an example does not begin with the prefix, or ends with it".to_owned()));
    };
    let begin = if prefix.starts_with(is_word) { r"\b" } else { "" };
    Ok(Lead {
        pattern: format!("{begin}{}{}", literal(prefix), value(&rests)),
        anchor: prefix.to_owned(),
        is_name: false,
        counter_examples: [format!("{}={prefix}<your key>", names.join("_").to_uppercase()), format!("{prefix}xxxx")],
    })
}

fn by_name(names: &[String], examples: &[String]) -> Result<Lead, Usage> {
    let values: Vec<&str> = examples.iter().map(String::as_str).collect();
    let begin = if values.iter().all(|value| value.starts_with(is_word)) { r"\b" } else { "" };
    let names_pattern: Vec<String> = names.iter().map(|word| literal(word)).collect();
    let end = value(&values);
    let (end, after) = end.strip_suffix(r"\b").map_or((&*end, ""), |end| (end, r"\b"));
    Ok(Lead {
        pattern: format!("{}{{{{is}}}}{begin}({end}){after}", names_pattern.join("[_. -]?")),
        anchor: names[0].clone(),
        is_name: true,
        counter_examples: [
            format!("{}=<your value>", names.join("_").to_uppercase()),
            format!("Where do I find the {}?", names.join(" ")),
        ],
    })
}

/// A class and a length for values; `\b` behind it where a word ends there.
fn value(values: &[&str]) -> String {
    let all: String = values.concat();
    let of = |text: &str| text.chars().count();
    let shortest = values.iter().map(|value| of(value)).min().unwrap_or(32);
    let longest = values.iter().map(|value| of(value)).max().unwrap_or(32);
    let class = if values.is_empty() { "A-Za-z0-9".to_owned() } else { class(&all) };
    let end = if all.chars().all(is_word) { r"\b" } else { "" };
    match shortest == longest {
        true => format!("[{class}]{{{shortest}}}{end}"),
        false => format!("[{class}]{{{shortest},{longest}}}{end}"),
    }
}

/// The usual ranges that hold all characters, and what else there is.
fn class(text: &str) -> String {
    let any = |is: fn(&char) -> bool| text.chars().any(|c| is(&c));
    let (lower, upper, digit) =
        (any(char::is_ascii_lowercase), any(char::is_ascii_uppercase), any(char::is_ascii_digit));
    let is_hex = digit && text.chars().all(|c| c.is_ascii_digit() || matches!(c, 'a'..='f'));
    let mut class = String::new();
    for (range, holds) in [("a-f", is_hex), ("A-Z", upper), ("a-z", lower && !is_hex), ("0-9", digit)] {
        class.push_str(if holds { range } else { "" });
    }
    let mut others: Vec<char> = text.chars().filter(|c| !c.is_ascii_alphanumeric()).collect();
    others.sort_unstable();
    others.dedup();
    class.extend(others.iter().map(|c| if c.is_ascii() { format!("\\{c}") } else { c.to_string() }));
    class
}

/// Two texts with the values, as files and people have them.
fn texts(names: &[String], values: &[String], is_name: bool) -> Vec<String> {
    let variable = names.join("_").to_uppercase();
    let Some(first) = values.first() else { return Vec::new() };
    let second = values.get(1).unwrap_or(first);
    let said = if is_name { format!("the {} is: {second}", names.join(" ")) } else { format!("use this: {second}") };
    let rest = values.iter().skip(2).map(|value| format!("{variable}={value}"));
    [format!("{variable}={first}"), said].into_iter().chain(rest).collect()
}

fn taxonomy(category: &str) -> &'static str {
    match Category::from_name(category) {
        Some(Category::Secret | Category::Pii) => "'LLM02:2025', AML.T0057",
        Some(Category::Injection | Category::Jailbreak) => "'LLM01:2025'",
        _ => "",
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A literal of a pattern.
fn literal(text: &str) -> String {
    let is_special = |c: char| r"\.+*?()|[]{}^$".contains(c);
    text.chars().map(|c| if is_special(c) { format!("\\{c}") } else { c.to_string() }).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::examples;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Args {
        Line::try_parse_from([&["new"], line].concat()).unwrap_or_else(|error| panic!("{error}")).args
    }

    fn load(text: &str) -> Catalogue {
        Catalogue::load(&[PackFile { name: "p.yaml", text }]).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
    }

    /// What is written passes `weir rules test` when it was given examples, and asks for them when it was not.
    #[test]
    fn a_new_rule_is_ready_but_for_its_examples() {
        let table: &[(&[&str], &str, &str)] = &[
            (
                &[
                    "secret.acme_key",
                    "--provider",
                    "Acme",
                    "--prefix",
                    "acme_",
                    "--example",
                    "acme_q8ZRt2vnw4kx",
                    "acme_m4xw9bq2lc7v",
                ],
                r"\bacme_[A-Za-z0-9]{12}\b",
                "Acme",
            ),
            (
                &[
                    "secret.acme_key",
                    "--prefix",
                    "+ac.me-",
                    "--example",
                    "+ac.me-0a1b2c3d4e5f",
                    "+ac.me-0a1b2c3d4e5f6a",
                ],
                r"\+ac\.me-[a-f0-9]{12,14}\b",
                "",
            ),
            (
                &["secret.acme_pw", "--name", "Acme pass-word", "--example", "q8zr+2vnw4kx/A=="],
                r"acme[_. -]?pass[_. -]?word",
                "",
            ),
        ];
        for (line, pattern, provider) in table {
            let args = args(line);
            let text = pack(&args, &block(&args).unwrap());
            let catalogue = load(&text);
            let rule = &catalogue.rules()[0];
            assert!(rule.pattern.starts_with(pattern), "{}", rule.pattern);
            assert_eq!(rule.provider, *provider);
            let failures: Vec<String> = examples::check(&catalogue).iter().map(ToString::to_string).collect();
            assert!(failures.is_empty(), "{text}\n{failures:?}");
            let without = Args { example: Vec::new(), ..args };
            let text = pack(&without, &block(&without).unwrap());
            let failures = examples::check(&load(&text));
            let only = examples::FailureKind::TooFewExamples { found: 0 };
            assert_eq!(failures.iter().map(|failure| failure.kind).collect::<Vec<_>>(), [only], "{text}");
        }
    }

    #[test]
    fn a_new_rule_goes_to_the_end_of_a_pack() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.yaml");
        let into = |id: &str, provider: &str| {
            let into = path.to_str().unwrap();
            run(&args(&[id, "--provider", provider, "--prefix", "acme_", "--into", into]))
                .map_err(|error| error.to_string())
        };
        assert_eq!(into("secret.acme_key", "Acme"), Ok(Exit::Done));
        assert_eq!(into("secret.acme_token", "Acme"), Ok(Exit::Done));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(load(&text).rules().len(), 2, "{text}");
        assert!(into("secret.acme_key", "Acme").unwrap_err().contains("has a rule `secret.acme_key` already"));
        assert!(into("secret.acme_other", "Emca").unwrap_err().contains("is of `Acme`: a pack has one provider"));
        assert!(into("acme", "Acme").unwrap_err().contains("`acme` is no id"));
        std::fs::write(&path, format!("{}# the end\nprovider: Acme\n", text.replace("provider: 'Acme'\n", "")))
            .unwrap();
        assert!(into("secret.acme_third", "Acme").unwrap_err().contains("does not end with its list of rules"));
    }

    #[test]
    fn arguments_that_do_not_fit_are_refused() {
        let table: &[(&[&str], &str)] = &[
            (&["secret.a", "--prefix", "acme_", "--example", "emca_1"], "does not begin with the prefix"),
            (&["secret.a", "--prefix", "acme_", "--example", "acme_"], "ends with it"),
            (&["secret.a", "--name", "a b c d e"], "one to four words"),
            (&["secret.a", "--name", "--"], "one to four words"),
            (&["secret.a", "--prefix", "a\nb"], "of one line"),
        ];
        for (line, says) in table {
            let mut line = line.to_vec();
            // A value that begins with a hyphen is one behind `=`.
            if line.contains(&"--") {
                line = vec![line[0], "--name=--"];
            }
            let error = block(&args(&line)).unwrap_err().to_string();
            assert!(error.contains(says), "{line:?}: {error}");
        }
    }
}
