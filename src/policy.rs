//! The organisation's AI usage policy: the file as written, and as resolved.
//!
//! Only what the stream judges by today is accepted: the version, who approved it, the hard ceilings of each
//! principal, and the suppressions. A key of the full policy that is not supported yet is refused by its name, since a policy that is
//! silently without effect is worse than none. This room reads no file and judges nothing.

pub mod suppressions;

use crate::rules::Catalogue;
use crate::yaml::plain::{At, Positive};
use crate::yaml::section::section;
use crate::yaml::{PrivateFile, Problem, Problems};
use sha2::{Digest, Sha256};
use std::num::NonZeroU32;
use suppressions::Suppression;

/// The rules that no pack holds: one a ceiling.
pub const REQUESTS_PER_MINUTE: &str = "policy.limit.requests_per_minute";
/// See [`REQUESTS_PER_MINUTE`].
pub const TOKENS_PER_MINUTE: &str = "policy.limit.tokens_per_minute";

/// The organisation's AI usage policy, as far as the stream judges by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `version:` of the file; empty without a policy.
    pub version: String,
    /// Who answers for it; empty when the file does not say.
    pub approved_by: String,
    pub limits: Limits,
    /// Findings that are stored and not told, in the order of the file.
    pub suppressions: Vec<Suppression>,
    /// SHA-256 of the file's bytes, in hex; empty without a policy.
    pub digest: String,
}

/// Hard ceilings for each principal, by event time; `None` is no ceiling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub requests_per_minute: Option<NonZeroU32>,
    pub tokens_per_minute: Option<NonZeroU32>,
}

section! {
    /// A usage policy.
    Written {
        /// Shown beside what was judged by it; any text, usually a date.
        version: At<String>,
        /// Who answers for it.
        approved_by: Option<At<String>>,
        /// Hard ceilings.
        limits: WrittenLimits,
        /// Findings that are stored and never told, each with who decided it, why, and until when.
        suppressions: Vec<suppressions::Written> = Vec::new(),
    }
    later ["clauses", "data_classes", "vendors", "rules", "transmission", "training"]
}

section! {
    /// Hard ceilings.
    WrittenLimits {
        /// Of each principal, by event time.
        per_principal: PerPrincipal,
    }
    later []
}

section! {
    /// Hard ceilings of each principal; what is left out has none.
    PerPrincipal {
        /// Calls in a minute.
        requests_per_minute: Option<At<Positive>>,
        /// Input and output together.
        tokens_per_minute: Option<At<Positive>>,
    }
    later ["cost_per_day_usd"]
}

/// Keys whose values problems may quote. A policy holds no secrets, but the file that was named may be another one.
const SHOWN: &[&str] = &[
    "version",
    "approved_by",
    "requests_per_minute",
    "tokens_per_minute",
    "cost_per_day_usd",
    "rule",
    "approver",
    "expires",
];

impl Policy {
    /// Reads a policy file; `name` is for what is wrong with it. Rules that it names must be in the catalogue, where
    /// there is one.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn parse(name: &str, text: &str, catalogue: Option<&Catalogue>) -> Result<Policy, Problems> {
        let (mut file, written) = PrivateFile::read::<Written>(name, text, SHOWN, |_, _| {});
        if let Some(version) = written.as_ref().map(|written| &written.version)
            && version.place.line > 0
            && version.value.trim().is_empty()
        {
            let remedy = "give the policy a version, such as a date";
            file.problems.push(Problem::new(version.place, "version is empty", remedy));
        }
        let suppressions = written.iter().flat_map(|written| &written.suppressions);
        let suppressions =
            suppressions.filter_map(|one| Suppression::resolve(one, catalogue, &mut file.problems)).collect();
        let problems = file.into_problems();
        let Some(written) = written.filter(|_| problems.is_empty()) else { return Err(problems) };
        let per_principal = written.limits.per_principal;
        let ceiling = |written: Option<At<Positive>>| written.map(|at| at.value.0);
        Ok(Policy {
            version: written.version.value,
            approved_by: written.approved_by.map(|by| by.value).unwrap_or_default(),
            limits: Limits {
                requests_per_minute: ceiling(per_principal.requests_per_minute),
                tokens_per_minute: ceiling(per_principal.tokens_per_minute),
            },
            suppressions,
            digest: Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../pipelines/policy.yaml");

    #[test]
    fn the_example_is_read() {
        let policy = Policy::parse("policy.yaml", EXAMPLE, None).unwrap();
        assert_eq!(policy.version, "2026-11-01");
        assert_eq!(policy.approved_by, "security@example.org");
        assert_eq!(policy.limits.requests_per_minute, NonZeroU32::new(120));
        assert_eq!(policy.limits.tokens_per_minute, NonZeroU32::new(200_000));
        assert_eq!(policy.digest.len(), 64);
        assert_ne!(policy.digest, Policy::parse("policy.yaml", &format!("{EXAMPLE}\n"), None).unwrap().digest);
    }

    #[test]
    fn ceilings_may_be_left_out() {
        for text in ["version: 1", "version: x\nlimits: {}", "version: x\nlimits: { per_principal: {} }"] {
            assert_eq!(Policy::parse("policy.yaml", text, None).unwrap().limits, Limits::default(), "{text}");
        }
    }

    #[test]
    fn problems_come_at_once_with_place_and_remedy() {
        let table = [
            (
                "versoin: 1",
                vec![
                    "1:1 version is missing | add it: Shown beside what was judged by it; any text, usually a date.",
                    "1:1 versoin is not a key that weir knows | did you mean `version`?",
                ],
            ),
            ("version: ' '", vec!["1:10 version is empty | give the policy a version, such as a date"]),
            (
                "version: 1\nlimits:\n  per_principal:\n    requests_per_minute: 0\n    tokens_per_minute: [many]\n    requests_per_hour: 5",
                vec![
                    "4:26 limits.per_principal.requests_per_minute: `0` is not a whole number of at least one | write a whole number, or leave the key out",
                    "5:24 limits.per_principal.tokens_per_minute is a list, not a single value | write one value",
                    "6:5 limits.per_principal.requests_per_hour is not a key that weir knows | did you mean `requests_per_minute`?",
                ],
            ),
            (
                "version: 1\nlimits: { per_team: {} }",
                vec!["2:11 limits.per_team is not a key that weir knows | it may have per_principal"],
            ),
            (
                "version: 1\nvendors: []\nlimits: { per_principal: { cost_per_day_usd: 50 } }\ntraining: { grace_days: 3 }",
                vec![
                    "2:1 vendors is not supported by this version of weir, and would have no effect | leave it out",
                    "3:28 limits.per_principal.cost_per_day_usd is not supported by this version of weir, and would have no effect | leave it out",
                    "4:1 training is not supported by this version of weir, and would have no effect | leave it out",
                ],
            ),
            (
                "",
                vec!["0:0 version is missing | add it: Shown beside what was judged by it; any text, usually a date."],
            ),
        ];
        for (text, expected) in table {
            let problems = Policy::parse("policy.yaml", text, None).unwrap_err();
            let line = |problem: &Problem| {
                let crate::yaml::Place { line, column, .. } = problem.place;
                format!("{line}:{column} {} | {}", problem.message, problem.remedy)
            };
            assert_eq!(problems.list().iter().map(line).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    /// Somebody may name the wrong file: of a password's, or of a Kubernetes secret, nothing is printed.
    #[test]
    fn another_file_than_a_policy_is_not_quoted() {
        for text in [
            "hunter2",
            "hunter2\n",
            "- hunter2",
            "password: hunter2",
            "data: { password: hunter2 }",
            "x: [hunter2",
            "'hunter2",
        ] {
            let printed = Policy::parse("policy.yaml", text, None).unwrap_err().to_string();
            assert!(!printed.contains("hunter2"), "{printed}");
        }
    }
}
