//! The rules of the house that a compiler does not check: the order of rooms, which room may name what, how a
//! file opens, and what must not be left lying about.
//!
//! Each rule is one test, and each message names the place and the remedy. Rules look at code with its comments
//! and strings blanked out, and most of them leave test modules out. This is no parser: where a rule would need
//! one, it is left to review. Long functions are printed and never fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The rooms, from top to bottom: a room names only rooms above it.
const ROOMS: &[&str] = &[
    "limits",
    "faults",
    "model",
    "yaml",
    "probe",
    "rules",
    "policy",
    "decode",
    "detect",
    "score",
    "judge",
    "alert",
    "ledger",
    "tables",
    "telemetry",
    "kafka",
    "clickhouse",
    "admin",
    "pipeline",
    "config",
    "generate",
    "eval",
    "cli",
];

/// The last room that is synchronous and pure: no clock, randomness, I/O or async in it or above it.
const LAST_PURE: &str = "tables";

/// Which rooms may name an outside crate, by its name in code. `*` is every room; `main` is the binaries.
const CRATES: &[(&str, &[&str])] = &[
    ("aho_corasick", &["rules", "detect"]),
    ("anyhow", &["cli", "main"]),
    ("bech32", &["detect"]),
    ("bs58", &["detect"]),
    ("bumpalo", &["model", "decode", "detect", "pipeline", "generate", "eval", "cli"]),
    ("bytes", &["kafka", "clickhouse", "admin", "pipeline"]),
    ("cityhash_rs", &["tables"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("clickhouse", &["clickhouse"]),
    ("crc32fast", &["detect"]),
    ("fail", &["faults"]),
    ("flate2", &["detect"]),
    ("governor", &["score", "alert"]),
    ("hmac", &["model"]),
    ("http_body_util", &["clickhouse", "admin"]),
    ("hyper", &["clickhouse", "admin"]),
    ("hyper_rustls", &["clickhouse", "telemetry"]),
    ("hyper_util", &["clickhouse", "admin", "telemetry"]),
    ("jiff", &["policy", "decode", "alert", "clickhouse", "pipeline", "generate", "cli"]),
    ("lz4_flex", &["tables"]),
    ("memchr", &["rules", "decode", "detect", "tables"]),
    ("mimalloc", &["main"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_http", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_prometheus", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("prometheus", &["telemetry"]),
    ("rdkafka", &["kafka", "pipeline"]),
    ("regex", &["rules", "policy", "detect"]),
    ("regex_automata", &["rules", "detect"]),
    ("regex_syntax", &["rules", "detect"]),
    ("rustix", &["faults", "pipeline", "cli"]),
    ("rustls", &["clickhouse", "telemetry"]),
    ("rustls_native_certs", &["clickhouse", "telemetry"]),
    ("schemars", &["yaml", "rules", "policy", "config", "cli"]),
    ("serde", &["*"]),
    ("serde_json", &["*"]),
    ("serde_saphyr", &["yaml", "config"]),
    ("sha2", &["*"]),
    ("sha3", &["detect"]),
    ("signal_hook", &["pipeline", "cli"]),
    ("strsim", &["yaml", "config"]),
    ("thiserror", &["*"]),
    ("tokio", &["clickhouse", "admin", "telemetry", "pipeline", "cli"]),
    ("tracing", &["telemetry", "kafka", "clickhouse", "admin", "pipeline", "cli"]),
    ("tracing_subscriber", &["telemetry", "cli"]),
    ("unicode_normalization", &["detect"]),
    ("wide", &["detect"]),
    ("xxhash_rust", &["model", "rules", "score", "ledger", "kafka", "clickhouse", "pipeline"]),
];

/// Paths of the standard library that are kept out of most rooms, with the rooms that may name them.
const STANDARD: &[(&str, &[&str], &str)] = &[
    ("std::env", &["config", "cli"], "take the value as an argument; config reads the environment"),
    // telemetry reads /proc/self.
    ("std::fs", &["telemetry", "config", "cli"], "take the bytes as an argument; config reads files"),
    ("std::net", &["kafka", "clickhouse", "admin", "cli"], "take what comes over the network as an argument"),
    ("std::process", &["cli", "main"], "return an error; cli ends the process"),
    (
        "std::thread",
        &["faults", "telemetry", "kafka", "clickhouse", "admin", "pipeline", "config", "cli"],
        "leave threads to pipeline",
    ),
    ("std::time::SystemTime", IMPURE, "take the time as an argument"),
    ("std::time::Instant", IMPURE, "take the time as an argument"),
];

const IMPURE: &[&str] = &["telemetry", "kafka", "clickhouse", "admin", "pipeline", "config", "cli"];

/// Longest function that is not worth a look, in lines.
const FUNCTION_LINES: usize = 70;

/// One source file, in several views with equal line numbers.
struct Source {
    /// `src/detect/anchors.rs`
    name: String,
    /// As it is.
    text: String,
    /// Comments and the insides of strings blanked out.
    code: String,
    /// The same without test modules.
    production: String,
    /// Everything but comments blanked out.
    comments: String,
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let mut files = Vec::new();
    walk(&root().join("src"), &mut files);
    let sources: Vec<Source> =
        files.iter().filter(|file| file.extension().is_some_and(|e| e == "rs")).map(|file| source(file)).collect();
    assert!(!sources.is_empty(), "there is no source to look at");
    sources
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("files are found below the root").display().to_string()
}

/// Every file below a folder, sorted, without what is built or fetched.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read").path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        if ["target", ".git", ".cache", ".local", "node_modules"].contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn source(path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("sources are UTF-8");
    let (code, comments) = split(&text);
    let is_test = path.file_name().is_some_and(|name| name == "tests.rs")
        || path.parent().is_some_and(|folder| folder.ends_with("tests"));
    let production = if is_test { blank(&code) } else { without_tests(&code) };
    Source { name: relative(path), text, code, production, comments }
}

impl Source {
    /// `detect` for `src/detect.rs` and all below `src/detect/`; `main`, `lib`.
    fn room(&self) -> &str {
        let path = self.name.strip_prefix("src/").expect("sources are below src");
        match path.split(['/', '.']).next().expect("a path has a first part") {
            // src/bin holds further binaries, each a main file like main.rs.
            "bin" => "main",
            room => room,
        }
    }

    /// The place of a byte offset, for messages.
    fn at(&self, offset: usize) -> String {
        format!("{}:{}", self.name, self.text[..offset].matches('\n').count() + 1)
    }
}

fn blank(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

/// Splits a file into code and comments. Both keep every byte's place: what belongs to the other is blank.
fn split(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let (mut code, mut comments) = (spaces(bytes), spaces(bytes));
    let mut at = 0;
    while at < bytes.len() {
        let end = token_end(bytes, at);
        let is_comment = bytes[at..].starts_with(b"//") || bytes[at..].starts_with(b"/*");
        let is_literal = end > at + 1 && !is_comment;
        for index in at..end {
            if is_comment {
                comments[index] = bytes[index];
            } else if !is_literal || index == at || index == end - 1 {
                code[index] = bytes[index];
            }
        }
        at = end;
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is all ASCII");
    (text(ascii(code)), text(ascii(comments)))
}

fn spaces(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }).collect()
}

/// Bytes beyond ASCII become `?`, so that offsets into the views are offsets into the file.
fn ascii(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
    bytes
}

/// Where the comment or literal that begins at `at` ends; one further for anything else.
fn token_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let find = |needle: &[u8], from: usize| {
        let found = rest[from..].windows(needle.len()).position(|window| window == needle);
        found.map_or(bytes.len(), |index| at + from + index + needle.len())
    };
    if rest.starts_with(b"//") {
        return rest.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |index| at + index);
    }
    if rest.starts_with(b"/*") {
        return find(b"*/", 2);
    }
    let is_in_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest[0] == b'r' && (!is_in_word || bytes[at - 1] == b'b') {
        let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            return find(&close, 2 + hashes);
        }
    }
    match rest[0] {
        b'"' => quoted_end(bytes, at, b'"'),
        // A lifetime has no closing quote near by.
        b'\'' if rest.get(1) == Some(&b'\\') => quoted_end(bytes, at, b'\''),
        b'\'' => {
            let length = rest[1..].iter().take(5).position(|&byte| byte == b'\'');
            let is_char = length.is_some_and(|length| length == 1 || length > 1 && !rest[1].is_ascii());
            if is_char { at + 2 + length.expect("it was just found") } else { at + 1 }
        }
        _ => at + 1,
    }
}

fn quoted_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut index = at + 1;
    while index < bytes.len() && bytes[index] != quote {
        index += if bytes[index] == b'\\' { 2 } else { 1 };
    }
    (index + 1).min(bytes.len())
}

/// Blanks out what stands under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    for (start, _) in code.match_indices("#[cfg(test)]") {
        let end = item_end(code, start);
        out.replace_range(start..end, &blank(&code[start..end]));
    }
    out
}

/// Where the item that begins at `start` ends: after its braces, or at a `;` before them.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (index, c) in code[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return start + index + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return start + index + 1,
            _ => {}
        }
    }
    code.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where a path or word occurs as a whole: not as a part of a longer word or path.
fn occurrences<'t>(code: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(|c| is_word(c) || c == ':' || c == '.' || c == '$') && !after.is_some_and(is_word)
    })
}

/// The paths that stand under a prefix, with those in braces: `crate::{a::B, c}` gives `a::B` and `c`.
fn paths_under(code: &str, prefix: &str) -> Vec<(usize, String)> {
    let start = format!("{prefix}::");
    let mut paths = Vec::new();
    for (at, _) in code.match_indices(&start) {
        if code[..at].chars().next_back().is_some_and(|c| is_word(c) || c == ':') {
            continue;
        }
        expand(code, at + start.len(), "", &mut paths);
    }
    paths
}

/// Adds the path or the group of paths that begins at `at`; gives where it ends.
fn expand(code: &str, at: usize, prefix: &str, paths: &mut Vec<(usize, String)>) -> usize {
    let mut end = at;
    if code[at..].starts_with('{') {
        end += 1;
        loop {
            end += code[end..].len() - code[end..].trim_start_matches([' ', '\n', ',']).len();
            if end >= code.len() || code[end..].starts_with('}') {
                return (end + 1).min(code.len());
            }
            if let Some(renamed) = code[end..].strip_prefix("as ") {
                end = code.len() - renamed.trim_start_matches(is_word).len();
                continue;
            }
            let next = expand(code, end, prefix, paths);
            // What is neither path nor group (a `*`) is passed over.
            end = if next > end { next } else { end + 1 };
        }
    }
    end += code[at..].find(|c| !is_word(c)).unwrap_or(code[at..].len());
    if end == at {
        return at;
    }
    let path = format!("{prefix}{}", &code[at..end]);
    if code[end..].starts_with("::") {
        let below = expand(code, end + 2, &format!("{path}::"), paths);
        if below > end + 2 {
            return below;
        }
    }
    paths.push((at, path));
    end
}

/// Fails with every finding of a rule at once.
fn report(rule: &str, mut findings: Vec<String>) {
    findings.dedup();
    assert!(findings.is_empty(), "{rule}\n  {}\n", findings.join("\n  "));
}

/// Runs a check over every source and reports what it finds.
fn each(rule: &str, check: impl Fn(&Source, &mut Vec<String>)) {
    let mut findings = Vec::new();
    SOURCES.iter().for_each(|source| check(source, &mut findings));
    report(rule, findings);
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|name| *name == room)
}

#[test]
fn a_room_names_only_rooms_above_it() {
    each("a room names only rooms above it (src/lib.rs gives the order)", |source, findings| {
        let room = source.room();
        if ["main", "lib"].contains(&room) {
            return;
        }
        let Some(own) = rank(room) else {
            findings.push(format!("{}: `{room}` is no room: give it a place in ROOMS", source.name));
            return;
        };
        for (at, path) in paths_under(&source.production, "crate") {
            let named = path.split("::").next().expect("a path has a first part");
            match rank(named) {
                Some(other) if other <= own => {}
                Some(_) => findings.push(format!(
                    "{}: `{room}` names `{named}`, which is below it: take what it needs as an argument, or move it up",
                    source.at(at)
                )),
                None => {
                    findings.push(format!("{}: `crate::{named}` is no room: name the room it is in", source.at(at)))
                }
            }
        }
    });
}

#[test]
fn lib_lists_the_rooms_in_their_order() {
    let lib = SOURCES.iter().find(|source| source.name == "src/lib.rs").expect("there is a library");
    let listed: Vec<&str> = lib
        .code
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
        .map(|rest| rest.trim_end_matches(';'))
        .collect();
    let expected: Vec<&str> = ROOMS.iter().copied().filter(|room| listed.contains(room)).collect();
    assert_eq!(listed, expected, "src/lib.rs: list the rooms as ROOMS in tests/tidy.rs does");
}

#[test]
fn every_file_says_what_it_is_for() {
    each("a file opens with `//!`: what it is for, and what it deliberately does not do", |source, findings| {
        let lines = source.text.lines().take_while(|line| line.starts_with("//!")).count();
        match lines {
            0 => findings.push(format!("{}:1: it opens with something else", source.name)),
            1 => findings.push(format!("{}:1: one line is not enough", source.name)),
            _ => {}
        }
    });
}

#[test]
fn there_are_no_mod_files() {
    each("a module is name.rs beside name/", |source, findings| {
        if source.name.ends_with("/mod.rs") {
            findings.push(format!("{}: move it up and name it after its folder", source.name));
        }
    });
}

#[test]
fn outside_crates_stay_in_their_rooms() {
    each("an outside crate is named only by the rooms in CRATES", |source, findings| {
        for (name, rooms) in CRATES {
            if rooms.contains(&"*") || rooms.contains(&source.room()) {
                continue;
            }
            for at in crate_uses(&source.production, name) {
                let allowed = rooms.join(", ");
                findings.push(format!("{}: `{name}` belongs to {allowed}: ask one of them", source.at(at)));
            }
        }
    });
}

/// Where a crate is named. One that is called like a room is told from it by `use` or a leading `::`.
fn crate_uses(code: &str, name: &str) -> Vec<usize> {
    let is_use = |at: &usize| {
        let before = code[..*at].trim_end();
        before.ends_with("use") || code[at + name.len()..].starts_with("::") && rank(name).is_none()
    };
    let mut places: Vec<usize> = occurrences(code, name).filter(is_use).collect();
    let absolute = format!(" ::{name}::");
    places.extend(code.match_indices(&absolute).map(|(at, _)| at));
    places
}

#[test]
fn every_dependency_has_its_rooms() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("there is a manifest");
    let section =
        manifest.split("\n[").find(|section| section.starts_with("dependencies]")).expect("it has dependencies");
    let mut findings = Vec::new();
    let mut listed = Vec::new();
    for line in section.lines().skip(1) {
        let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let name = name.trim().replace('-', "_");
        if !CRATES.iter().any(|(known, _)| *known == name) {
            findings.push(format!("Cargo.toml: `{name}` is in no room: say in CRATES which may name it"));
        }
        listed.push(name);
    }
    assert!(!listed.is_empty());
    report("every dependency has its rooms in CRATES (tests/tidy.rs)", findings);
}

#[test]
fn clocks_files_and_the_environment_stay_in_their_rooms() {
    each("the standard library's doors to the world stay in their rooms", |source, findings| {
        for (at, path) in paths_under(&source.production, "std") {
            let full = format!("std::{path}");
            for (banned, rooms, remedy) in STANDARD {
                let is_banned = full == *banned || full.starts_with(&format!("{banned}::"));
                if is_banned && !rooms.contains(&source.room()) {
                    findings.push(format!("{}: `{banned}` is not for `{}`: {remedy}", source.at(at), source.room()));
                }
            }
        }
    });
}

#[test]
fn pure_rooms_do_not_wait() {
    let last = rank(LAST_PURE).expect("the last pure room is a room");
    each("from limits to tables nothing is async, random or time-made", |source, findings| {
        if rank(source.room()).is_none_or(|own| own > last) {
            return;
        }
        for word in ["async", "SystemTime", "Instant::now", "thread_rng", "RandomState", "spawn"] {
            for at in occurrences(&source.production, word) {
                findings.push(format!("{}: `{word}`: give it the result as an argument", source.at(at)));
            }
        }
    });
}

#[test]
fn nothing_is_unsafe() {
    each("there is no unsafe code", |source, findings| {
        for at in occurrences(&source.code, "unsafe") {
            findings.push(format!("{}: find the safe way, or the crate that has it", source.at(at)));
        }
    });
}

#[test]
fn raw_text_is_made_and_read_in_few_places() {
    each("raw text is made by decode, and read by detect and model/evidence.rs", |source, findings| {
        let room = source.room();
        // The tests of these rooms may make and read it as they need.
        let code = if ["model", "decode", "detect"].contains(&room) { &source.production } else { &source.code };
        // What was decoded further is as raw as what it was decoded from.
        if room != "decode" && !["src/model.rs", "src/detect.rs"].contains(&&*source.name) {
            for (at, _) in code.match_indices("Raw::new") {
                findings.push(format!("{}: `Raw::new` is for decoders: decode an event instead", source.at(at)));
            }
        }
        if room != "detect" && source.name != "src/model/evidence.rs" {
            for (at, _) in code.match_indices(".expose()") {
                findings.push(format!("{}: `.expose()` is for detection: keep an `Evidence` instead", source.at(at)));
            }
        }
    });
}

#[test]
fn nothing_panics_on_purpose_or_by_laziness() {
    each("production code has no unwrap, and no place for later", |source, findings| {
        for word in [".unwrap()", ".unwrap_err()", "todo!(", "unimplemented!(", "dbg!("] {
            for (at, _) in source.production.match_indices(word) {
                findings.push(format!("{}: `{word}`: return an error, or let an expect state why not", source.at(at)));
            }
        }
    });
}

#[test]
fn only_the_command_line_prints() {
    each("only cli and main print", |source, findings| {
        if ["cli", "main"].contains(&source.room()) {
            return;
        }
        for word in ["println!", "eprintln!", "print!", "eprint!"] {
            for at in occurrences(&source.production, word.trim_end_matches('!')) {
                if source.production[at..].starts_with(word) {
                    findings.push(format!("{}: `{word}`: return it, or trace it", source.at(at)));
                }
            }
        }
    });
}

#[test]
fn no_code_is_commented_out() {
    each("code that is not used is not there; the history keeps it", |source, findings| {
        for (index, line) in source.comments.lines().enumerate() {
            let Some(text) = line.trim_start().strip_prefix("//") else { continue };
            if text.starts_with(['/', '!']) {
                continue;
            }
            let text = text.trim();
            let begins = ["let ", "fn ", "pub ", "use ", "impl ", "struct ", "enum ", "#["]
                .iter()
                .any(|word| text.starts_with(word));
            let ends = text.ends_with([';', '{', '}']);
            if ends && (begins || text.contains(['(', '='])) || text == "}" {
                findings.push(format!("{}:{}: `{text}`: take it out", source.name, index + 1));
            }
        }
    });
}

/// Every text file of the repository, with its name. This one is left out, since it holds the words.
fn texts() -> Vec<(String, String)> {
    let mut files = Vec::new();
    walk(root(), &mut files);
    let is_lock = |name: &str| name.ends_with("Cargo.lock");
    let texts = files.iter().map(|file| (relative(file), file));
    texts
        .filter(|(name, _)| name != "tests/tidy.rs" && !is_lock(name))
        .filter_map(|(name, file)| Some((name, fs::read_to_string(file).ok()?)))
        .collect()
}

/// Reports each line of the repository that a check objects to.
fn each_line(rule: &str, object: impl Fn(&str, &str) -> Option<String>) {
    let mut findings = Vec::new();
    for (name, text) in texts() {
        for (index, line) in text.lines().enumerate() {
            findings.extend(object(&name, line).map(|why| format!("{name}:{}: {why}", index + 1)));
        }
    }
    report(rule, findings);
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["TODO", "FIXME", "XXX", "HACK"];
    each_line("what is left to do is an issue, not a note", |_, line| {
        let found = words.iter().find(|word| occurrences(line, word).next().is_some())?;
        Some(format!("`{found}`: do it, or file it"))
    });
}

#[test]
fn nothing_tells_its_own_history() {
    let phrases = ["changed from", "used to be called", "previously called", "was renamed"];
    each_line("text says what is; the history says what was", |_, line| {
        let lower = line.to_lowercase();
        let found = phrases.iter().find(|phrase| lower.contains(*phrase))?;
        Some(format!("`{found}`: say what is"))
    });
}

#[test]
fn nothing_names_a_machine() {
    each_line("no text names the machine that it was written on", |name, line| {
        for path in ["/work/", "/root/.", "/workspace/"] {
            let is_path = |at: usize| !line[..at].ends_with(|c: char| is_word(c) || matches!(c, '.' | '-' | '/' | '}'));
            if line.match_indices(path).any(|(at, _)| is_path(at)) {
                return Some(format!("`{path}`: use a path relative to the repository"));
            }
        }
        // Addresses may be test data in sources, but in what builds and runs weir they are somebody's network.
        let builds = ["Makefile", "Cargo.toml", "deploy/", ".cargo/", ".ci/", ".npmrc", "pip.conf"];
        let is_private = ["//10.", "//192.168.", "//172."].iter().any(|host| line.contains(host));
        (is_private && builds.iter().any(|start| name.starts_with(start)))
            .then(|| "an address of one network: take it from the environment".to_owned())
    });
}

#[test]
fn long_functions_are_worth_a_look() {
    for source in SOURCES.iter() {
        for at in occurrences(&source.code, "fn") {
            let end = item_end(&source.code, at);
            let lines = source.code[at..end].matches('\n').count() + 1;
            if lines > FUNCTION_LINES && source.code[at..end].contains('{') {
                let name = source.code[at + 2..].trim_start().split(|c| !is_word(c)).next().unwrap_or_default();
                println!("{}: `{name}` has {lines} lines", source.at(at));
            }
        }
    }
}

#[test]
fn the_views_are_told_apart() {
    let text = "let a = \"// no // comment\"; // one\nlet b = 'x'; let c: &'static str = r#\"fn \"x\" {\"#; /* two */ let d = '\\'';";
    let (code, comments) = split(text);
    assert_eq!((code.len(), comments.len()), (text.len(), text.len()));
    assert_eq!(comments.split_whitespace().collect::<Vec<_>>(), ["//", "one", "/*", "two", "*/"]);
    assert!(
        !code.contains("comment") && !code.contains("fn") && code.contains("&'static str") && code.contains("let d")
    );
    let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { {} }\n}\nfn c() {}";
    let production = without_tests(code);
    assert!(production.contains("fn c") && !production.contains("fn b"));
}

#[test]
fn groups_of_paths_are_read() {
    let code = "use crate::{a, b::{C, d::E as F}, g::*};\nuse crate::h::I;\nlet x = crate::j::k(); $crate::l!();";
    let paths: Vec<String> = paths_under(code, "crate").into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["a", "b::C", "b::d::E", "g", "h::I", "j::k", "l"].map(str::to_owned));
}
