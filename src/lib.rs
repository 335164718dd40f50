//! weir reads captured LLM traffic from Kafka, finds leaks, injections and unusual use, and writes findings to
//! ClickHouse and alerts to a Kafka topic: every event once, and provably all of them.

pub mod limits;
pub mod faults;
pub mod model;
pub mod rules;
pub mod policy;
pub mod decode;
pub mod detect;
pub mod score;
pub mod judge;
pub mod alert;
pub mod tables;
pub mod ledger;
pub mod kafka;
pub mod clickhouse;
pub mod pipeline;
pub mod config;
pub mod generate;
pub mod cli;
