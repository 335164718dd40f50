//! `weir state reset`: recovers a partition of weir.facts whose marker and committed offset disagree.
//!
//! The state is right for the marker, and the offset is not right for the state; so the offset moves to the
//! marker. Facts between the two had been scored (offset behind) and are not scored again, or had been passed over
//! (offset ahead) and are scored now; the ledger says so in a row of kind `reset`. It runs with all score instances stopped, and refuses while the group
//! has members: the broker would take the offset, and a member's next commit would undo it.

use super::{Broken, Pipeline, block_time_ms, entry, send_blocks};
use crate::kafka::changelog::{self, MARKER_KEY, RestoreError};
use crate::kafka::{Consumer, Member, NextOffset, Producer, Record, TopicPartition};
use crate::ledger::{Chain, Entry, Kind};
use crate::tables::{Builder, coverage::Coverage};

/// What a reset did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// What the group had committed.
    pub committed: Option<i64>,
    /// What the state held up to.
    pub marker: Option<i64>,
    /// Where scoring goes on.
    pub next: i64,
    /// Facts that are gone and were never scored.
    pub gaps: u64,
}

/// Why a reset was not made.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    #[error("partition {partition} is right: marker and committed offset are both {offset}")]
    NothingToDo { partition: i32, offset: i64 },
    #[error("{0}")]
    State(#[from] RestoreError),
    #[error("the chain of resets in the committed offset: {0}")]
    Chain(String),
    #[error(
        "group {group} has {members} members: score instances run, or their session (`kafka.session_timeout`) has not \
         ended. Stop every one of them, wait, and run this again"
    )]
    Members { group: String, members: usize },
    #[error("Kafka: {0}")]
    Kafka(String),
}

impl From<Broken> for ResetError {
    fn from(broken: Broken) -> Self {
        ResetError::Kafka(match broken {
            Broken::Again(reason) | Broken::Blocked(reason) | Broken::Fenced(reason) => reason,
            Broken::Fatal(failure) => failure.to_string(),
        })
    }
}

impl From<rdkafka::error::KafkaError> for ResetError {
    fn from(error: rdkafka::error::KafkaError) -> Self {
        ResetError::Kafka(error.to_string())
    }
}

/// Resets one partition of weir.facts.
pub fn reset(pipeline: &Pipeline, partition: i32) -> Result<Reset, ResetError> {
    let config = &pipeline.kafka;
    let at = TopicPartition { topic: config.topics.facts(), partition };
    let consumer = Consumer::outside(config, "score")?;
    refuse_members(&consumer, config.group_of("score"))?;
    let committed = consumer.committed(&at)?;
    let offset = committed.as_ref().map(|committed| committed.offset);
    let marker = changelog::restore(config, partition, None, |_, _| Ok(()))?.map(|marker| marker.0);
    let (low, high) = consumer.watermarks(&at)?;
    let next = marker.or(offset).unwrap_or(low).clamp(low, high);
    if offset == Some(next) && marker == Some(next) {
        return Err(ResetError::NothingToDo { partition, offset: next });
    }
    let gaps = (low - marker.or(offset).unwrap_or(low)).max(0) as u64;
    let metadata = committed.map(|committed| committed.metadata).unwrap_or_default();
    let mut chain = Chain::from_metadata(&metadata).map_err(|error| ResetError::Chain(error.to_string()))?;
    let mut coverage = Builder::<Coverage>::default();
    coverage.push(&chain.append(Entry {
        kind: Kind::Reset,
        first_offset: offset.unwrap_or(low),
        last_offset: next,
        gaps,
        ..entry(pipeline, &at)
    }));

    // Again, as late as can be: reading the state back may have taken long.
    refuse_members(&consumer, config.group_of("score"))?;
    let out = Producer::open(config, Member { stage: "reset", thread: 0 })?.begin()?;
    let time_ms = block_time_ms();
    send_blocks(&out, config, &coverage.take(time_ms), None)?;
    out.send(Record {
        topic: &config.topics.state(),
        partition: Some(partition),
        key: Some(MARKER_KEY),
        value: Some(&changelog::marker(NextOffset(next))),
        headers: &[],
    })?;
    let offsets = [(at, NextOffset(next), chain.to_metadata())];
    match out.commit(&consumer, &offsets, &|_| true) {
        Ok(following) => following.abort(),
        Err(failure) => return Err(ResetError::Kafka(failure.to_string())),
    }
    Ok(Reset { committed: offset, marker, next, gaps })
}

fn refuse_members(consumer: &Consumer, group: String) -> Result<(), ResetError> {
    match consumer.members(&group)? {
        0 => Ok(()),
        members => Err(ResetError::Members { group, members }),
    }
}
