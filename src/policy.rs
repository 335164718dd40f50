//! The organisation's AI usage policy: the file as written, and as resolved.
//!
//! Only what the stream judges by today is accepted: the version and the hard ceilings of each principal. A key
//! that is planned but not yet supported is an error that says so, since a policy that is silently without effect
//! is worse than none. This room reads no file and judges nothing.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::{Error, Location, Spanned};
use sha2::{Digest, Sha256};
use std::fmt;
use std::num::NonZeroU32;

/// The organisation's AI usage policy, as far as the stream judges by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `version:` of the file; empty without a policy.
    pub version: String,
    /// Who answers for it; empty when the file does not say.
    pub approved_by: String,
    pub limits: Limits,
    /// SHA-256 of the file's bytes, in hex; empty without a policy.
    pub digest: String,
}

/// Hard ceilings for each principal, by event time; `None` is no ceiling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub requests_per_minute: Option<NonZeroU32>,
    pub tokens_per_minute: Option<NonZeroU32>,
}

/// Why a policy was refused: every problem that could be found in one reading.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    pub problems: Vec<Problem>,
}

/// One problem of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1; 0 when the problem has no place.
    pub line: u64,
    /// From 1, in characters; 0 when the problem has no place.
    pub column: u64,
    /// What is wrong and what to do about it.
    pub message: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let end = if index + 1 < self.problems.len() { "\n" } else { "" };
            write!(f, "{problem}{end}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "policy: {}", self.message),
            _ => write!(f, "policy: line {}, column {}: {}", self.line, self.column, self.message),
        }
    }
}

/// The file as written. Keys that are planned are named, so that all of them are reported at once and with their
/// place; every other key is refused by serde.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: Spanned<String>,
    approved_by: Option<String>,
    limits: Option<WrittenLimits>,
    clauses: Planned,
    data_classes: Planned,
    vendors: Planned,
    rules: Planned,
    transmission: Planned,
    training: Planned,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLimits {
    per_principal: Option<WrittenPerPrincipal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPerPrincipal {
    requests_per_minute: Option<NonZeroU32>,
    tokens_per_minute: Option<NonZeroU32>,
    cost_per_day_usd: Planned,
}

/// Keys that are planned and not worth suggesting.
const PLANNED: [&str; 7] =
    ["clauses", "data_classes", "vendors", "rules", "transmission", "training", "cost_per_day_usd"];

/// The place of a key that is planned but not supported yet.
type Planned = Option<Spanned<IgnoredAny>>;

impl Policy {
    /// Reads a policy file.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let written: Written = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| PolicyError { problems: vec![problem(&error)] })?;
        let problems = written.problems();
        if !problems.is_empty() {
            return Err(PolicyError { problems });
        }
        let limits = written.limits.and_then(|limits| limits.per_principal).map_or_else(Limits::default, |written| {
            Limits { requests_per_minute: written.requests_per_minute, tokens_per_minute: written.tokens_per_minute }
        });
        Ok(Policy {
            version: written.version.value,
            approved_by: written.approved_by.unwrap_or_default(),
            limits,
            digest: Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }
}

impl Written {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.version.value.trim().is_empty() {
            let message = "`version` is empty: give the policy a version, as a date".to_owned();
            problems.push(Problem::at(self.version.referenced, message));
        }
        let cost =
            self.limits.as_ref().and_then(|limits| limits.per_principal.as_ref()).map(|all| &all.cost_per_day_usd);
        let planned = [
            ("clauses", Some(&self.clauses)),
            ("data_classes", Some(&self.data_classes)),
            ("vendors", Some(&self.vendors)),
            ("rules", Some(&self.rules)),
            ("transmission", Some(&self.transmission)),
            ("training", Some(&self.training)),
            ("limits.per_principal.cost_per_day_usd", cost),
        ];
        for (key, value) in planned {
            if let Some(Some(value)) = value {
                let message = format!(
                    "`{key}` is not supported by this version of weir yet, and would have no effect: remove it"
                );
                problems.push(Problem::at(value.referenced, message));
            }
        }
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }
}

impl Problem {
    fn at(location: Location, message: String) -> Self {
        Problem { line: location.line(), column: location.column(), message }
    }
}

/// A problem that the parser found, in weir's words where they help more.
fn problem(error: &Error) -> Problem {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let message = match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => {
            let known: Vec<&str> = expected.iter().copied().filter(|key| !PLANNED.contains(key)).collect();
            format!("unknown key `{field}`: correct it or remove it (known here: {})", known.join(", "))
        }
        Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing: add it"),
        other => {
            let text = other.to_string();
            // The parser ends its sentence in the place, which stands in front already.
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
            format!("{text}: correct the value (see pipelines/policy.yaml for an example)")
        }
    };
    Problem::at(location, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../pipelines/policy.yaml");

    #[test]
    fn the_example_is_read() {
        let policy = Policy::parse(EXAMPLE).unwrap();
        assert_eq!(policy.version, "2026-11-01");
        assert_eq!(policy.approved_by, "security@example.org");
        assert_eq!(policy.limits.requests_per_minute, NonZeroU32::new(120));
        assert_eq!(policy.limits.tokens_per_minute, NonZeroU32::new(200_000));
        assert_eq!(policy.digest.len(), 64);
        assert_ne!(policy.digest, Policy::parse(&format!("{EXAMPLE}\n")).unwrap().digest);
    }

    #[test]
    fn ceilings_may_be_left_out() {
        for text in ["version: 1", "version: x\nlimits: {}", "version: x\nlimits: { per_principal: {} }"] {
            assert_eq!(Policy::parse(text).unwrap().limits, Limits::default(), "{text}");
        }
    }

    #[test]
    fn problems_name_place_and_remedy() {
        let table = [
            (
                "versoin: 1",
                "policy: line 1, column 1: unknown key `versoin`: correct it or remove it (known here: version, approved_by, limits)",
            ),
            ("approved_by: me", "policy: line 1, column 1: the key `version` is missing: add it"),
            ("version: ''", "policy: line 1, column 10: `version` is empty: give the policy a version, as a date"),
            (
                "version: 1\nlimits: { per_principal: { requests_per_minute: 0 } }",
                "policy: line 2, column 28: invalid value: integer `0`, expected a nonzero u32: correct the value (see pipelines/policy.yaml for an example)",
            ),
            (
                "version: 1\nlimits:\n  per_principal:\n    tokens_per_minute: many",
                "policy: line 4, column 24: invalid u32: correct the value (see pipelines/policy.yaml for an example)",
            ),
            (
                "version: 1\nlimits:\n  per_principal:\n    requests_per_hour: 1",
                "policy: line 4, column 5: unknown key `requests_per_hour`: correct it or remove it (known here: requests_per_minute, tokens_per_minute)",
            ),
            (
                "version: 1\nlimits: { per_team: {} }",
                "policy: line 2, column 11: unknown key `per_team`: correct it or remove it (known here: per_principal)",
            ),
            (
                "version: 1\nvendors: []\nlimits: { per_principal: { cost_per_day_usd: 50 } }\ntraining: { grace_days: 3 }",
                "policy: line 2, column 10: `vendors` is not supported by this version of weir yet, and would have no effect: remove it\n\
                 policy: line 3, column 46: `limits.per_principal.cost_per_day_usd` is not supported by this version of weir yet, and would have no effect: remove it\n\
                 policy: line 4, column 11: `training` is not supported by this version of weir yet, and would have no effect: remove it",
            ),
            (
                "version: [1",
                "policy: line 1, column 10: expected string scalar: correct the value (see pipelines/policy.yaml for an example)",
            ),
            (
                "",
                "policy: line 1, column 1: unexpected end of input: correct the value (see pipelines/policy.yaml for an example)",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(Policy::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
    }
}
