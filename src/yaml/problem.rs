//! What is wrong with files that people wrote: every problem with its place, an excerpt and a remedy, printed the
//! way compilers do.
//!
//! An excerpt is a line of the file as it was written, so it never shows what was put in afterwards. A line that may
//! hold a secret is not shown at all. This file does not decide what a problem is.

use std::fmt;

/// A stretch of one line of a file. Line and column count from 1, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    /// In characters; 0 points between two.
    pub width: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the user knows it; filled in by [`Problems::new`].
    pub file: String,
    pub place: Place,
    /// What is wrong, naming the key.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// The line in question; `None` when it holds a secret.
    pub excerpt: Option<String>,
}

impl Problem {
    /// A problem whose file and excerpt are filled in by [`Problems::new`].
    pub fn new(place: Place, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Problem { file: String::new(), place, message: message.into(), remedy: remedy.into(), excerpt: None }
    }
}

/// Everything that is wrong, file after file, each in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// Sorts the problems of one file and gives them their excerpts. `is_hidden` says which lines must not be shown.
    pub fn new(file: &str, source: &str, mut list: Vec<Problem>, is_hidden: impl Fn(usize) -> bool) -> Self {
        list.sort_by(|a, b| (a.place, &a.message).cmp(&(b.place, &b.message)));
        list.dedup();
        let lines: Vec<&str> = source.lines().collect();
        for problem in &mut list {
            let line = problem.place.line;
            let shown = line > 0 && !is_hidden(line);
            file.clone_into(&mut problem.file);
            problem.excerpt =
                lines.get(line.wrapping_sub(1)).filter(|_| shown).map(|text| excerpt(text, problem.place));
        }
        Problems { list }
    }

    /// Shows of a hidden line the key that it begins with, so that the marks point at something. What does not look like
    /// a key stays hidden: it may be a value in the wrong place.
    pub fn show_keys(&mut self, source: &str, keys: &[(Place, String)]) {
        let lines: Vec<&str> = source.lines().collect();
        for problem in self.list.iter_mut().filter(|problem| problem.excerpt.is_none()) {
            let line = problem.place.line;
            let Some(text) = lines.get(line.wrapping_sub(1)) else { continue };
            let start = text.trim_start_matches([' ', '-']);
            let column = text.len() - start.len() + 1;
            let begins =
                keys.iter().find(|(place, key)| (place.line, place.column) == (line, column) && is_key(key, start));
            problem.excerpt = begins.map(|(_, key)| format!("{}{key}: …", &text[..column - 1]));
        }
    }

    /// Adds those of other files.
    pub fn append(&mut self, other: Problems) {
        self.list.extend(other.list);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The problems, file after file.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

fn is_key(key: &str, text: &str) -> bool {
    let is_word = key.len() <= 40 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word && text.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
}

/// A line up to the comment at its end, in which people keep what they have just taken out of the value.
fn excerpt(line: &str, place: Place) -> String {
    let end = line.char_indices().nth((place.column + place.width).saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let (head, rest) = line.split_at(end);
    let rest = rest.split_once(" #").map_or(rest, |(rest, _)| rest);
    format!("{head}{rest}").trim_end().replace('\t', " ")
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            problem.write(f)?;
            writeln!(f)?;
        }
        for (index, group) in self.list.chunk_by(|a, b| a.file == b.file).enumerate() {
            let (end, plural) = (if index == 0 { "" } else { "\n" }, if group.len() == 1 { "" } else { "s" });
            write!(f, "{end}{}: {} problem{plural}", group[0].file, group.len())?;
        }
        Ok(())
    }
}

impl Problem {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        let Place { line, column, width } = self.place;
        let margin = " ".repeat(line.to_string().len());
        writeln!(f, "error: {}", self.message)?;
        if line == 0 {
            writeln!(f, "{margin}--> {file}")?;
        } else {
            writeln!(f, "{margin}--> {file}:{line}:{column}")?;
        }
        if let Some(excerpt) = &self.excerpt {
            // A span that crosses lines is marked up to the end of its first one.
            let room = (excerpt.chars().count() + 1).saturating_sub(column);
            let marks = "^".repeat(width.min(room).max(1));
            writeln!(f, "{margin} |\n{line} | {excerpt}\n{margin} | {}{marks}", " ".repeat(column.saturating_sub(1)))?;
        } else if line > 0 {
            writeln!(f, "{margin} | (not shown: this line may hold a secret)")?;
        }
        writeln!(f, "{margin} = {}", self.remedy)
    }
}
