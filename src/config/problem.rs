//! What is wrong with a configuration: every problem with its place, an excerpt and a remedy, printed the way
//! compilers do.
//!
//! An excerpt is a line of the file as it was written, so it never shows what an interpolation put in. A line
//! that holds a password in plain is not shown at all. This file does not decide what a problem is.

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
    pub place: Place,
    /// What is wrong, naming the key.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// The line in question; `None` when it holds a secret.
    pub excerpt: Option<String>,
}

impl Problem {
    /// A problem whose excerpt is filled in by [`Problems::new`].
    pub fn new(place: Place, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Problem { place, message: message.into(), remedy: remedy.into(), excerpt: None }
    }
}

/// Everything that is wrong with one file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: String,
    list: Vec<Problem>,
}

impl Problems {
    /// Sorts the problems and gives them their excerpts. `is_hidden` says which lines must not be shown.
    pub fn new(file: &str, source: &str, mut list: Vec<Problem>, is_hidden: impl Fn(usize) -> bool) -> Self {
        list.sort_by(|a, b| (a.place, &a.message).cmp(&(b.place, &b.message)));
        list.dedup();
        let lines: Vec<&str> = source.lines().collect();
        for problem in &mut list {
            let line = problem.place.line;
            let shown = line > 0 && !is_hidden(line);
            problem.excerpt = lines.get(line.wrapping_sub(1)).filter(|_| shown).map(|text| text.replace('\t', " "));
        }
        Problems { file: file.to_owned(), list }
    }

    /// The problems, in the order of the file.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            problem.write(&self.file, f)?;
            writeln!(f)?;
        }
        let plural = if self.list.len() == 1 { "" } else { "s" };
        write!(f, "{}: {} problem{plural}", self.file, self.list.len())
    }
}

impl Problem {
    fn write(&self, file: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
