//! cli

pub mod rules;
