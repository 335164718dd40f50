//! policy

/// The organisation's AI usage policy, as far as the stream judges by it.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `version:` of the file; empty without a policy.
    pub version: String,
    pub limits: Limits,
    /// SHA-256 of the file's bytes, in hex; empty without a policy.
    pub digest: String,
}

/// Hard ceilings for each principal, by event time; `None` is no ceiling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub requests_per_minute: Option<u32>,
    pub tokens_per_minute: Option<u32>,
}
