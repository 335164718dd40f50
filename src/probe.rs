//! What a look at a server found: one line for each thing, good, or wrong with what to do about it.
//!
//! The looking is done by the rooms that speak to the server; whether and when, by who asked for it.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `topic weir.facts`.
    pub about: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    Ok { found: String },
    Wrong { found: String, remedy: String },
}

impl Finding {
    /// As it should be.
    pub fn ok(about: impl Into<String>, found: impl Into<String>) -> Self {
        Finding { about: about.into(), outcome: Outcome::Ok { found: found.into() } }
    }

    /// To be mended.
    pub fn wrong(about: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding { about: about.into(), outcome: Outcome::Wrong { found: found.into(), remedy: remedy.into() } }
    }

    /// Whether something has to be done.
    pub fn is_wrong(&self) -> bool {
        matches!(self.outcome, Outcome::Wrong { .. })
    }
}
