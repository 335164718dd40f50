//! weir reads captured LLM traffic from Kafka, finds leaks, injections and unusual use, and writes findings to
//! ClickHouse and alerts to a Kafka topic: every event once, and provably all of them.
//!
//! ```text
//!  capture points (gateways, SDK exporters, cloud logs)
//!         │ llm.events                     any key, any partition count
//!         ▼
//!    detect   stateless     decode → scan → redact
//!         │ weir.facts                     keyed by principal; the partition count is weir's own
//!         ▼
//!    score    keyed state   update → judge → rows, alerts
//!         │ weir.outbox                  └──► weir.alerts → SIEM, pager, chat
//!         ▼
//!    store    stateless     group → insert
//!         ▼
//!    ClickHouse: interactions · findings · coverage · dead_letters
//! ```
//!
//! # Why these seams
//!
//! **Facts** are what is left of an interaction once the text is gone ([`model::facts`]). Before them everything is
//! pure and needs no key; after them everything needs the principal's state and never sees raw text, which
//! [`model::Raw`] enforces. Raw prompts are never written to a second topic, and capture points that do not key by
//! principal still get correct limits.
//!
//! **The outbox** freezes rows and alerts when the transaction commits, as ready blocks in ClickHouse's own format
//! ([`tables`]). No crash, rebalance or rule deploy can make a stored row and a sent alert disagree, and alerts keep
//! flowing while ClickHouse is down.
//!
//! # Exactly once
//!
//! Each loop is one thread that owns a consumer, a transactional producer and its state. What it read, wrote and
//! knows moves in one Kafka transaction ([`pipeline`]). ClickHouse takes part in no transaction, so store commits
//! its *intent* before it inserts, and repeats exactly that insert after a crash ([`pipeline::store`]).
//!
//! # Determinism
//!
//! Facts are a pure function of the event; rows, alerts and state are functions of the principal's own sequence of
//! facts. Time is the event's, ids are hashes ([`model::uid`]), and nothing waits for a clock. So two runs over the
//! same topics give the same rows, alerts and states, which is what the crash tests compare. Only `block_time`,
//! `block_id` and where coverage rows begin and end (and so their hashes and instance) may differ. One exception is named in [`limits`]: past a bound
//! on principals, further ones share a bucket for each application.
//!
//! # Rooms
//!
//! The modules below stand in the order in which they may know each other: a room names only rooms above it
//! (`tests/tidy.rs` checks it). From [`limits`] to [`tables`] all is synchronous and pure: no clock, no randomness,
//! no I/O. [`faults`] is nothing unless the tests' feature of that name is on.

pub mod limits;
pub mod faults;
pub mod model;
pub mod yaml;
pub mod probe;
pub mod rules;
pub mod policy;
pub mod decode;
pub mod detect;
pub mod score;
pub mod judge;
pub mod alert;
pub mod ledger;
pub mod tables;
pub mod telemetry;
pub mod kafka;
pub mod clickhouse;
pub mod admin;
pub mod pipeline;
pub mod config;
pub mod generate;
pub mod eval;
pub mod cli;
