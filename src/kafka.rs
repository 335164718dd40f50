//! Everything that weir says to Kafka: consumers whose rebalances arrive as letters, transactions that are
//! consumed by their commit, the changelog of state, and topics.
//!
//! The settings that exactly-once rests on are set here and cannot be overridden. No loop lives here, and
//! nothing of what the records mean; see `pipeline`.

pub mod changelog;
pub mod consumer;
pub mod feeder;
mod orphans;
pub mod outage;
pub mod producer;
pub mod reach;
pub mod topics;

pub use consumer::{Committed, Consumer, Letter, Polled, TopicPartition};
pub use producer::{CommitFailure, Producer, Record, Transaction, Unwritten};

use crate::limits;
use rdkafka::ClientConfig;
use xxhash_rust::xxh3::xxh3_64;

/// How to reach Kafka and under which names. Has no `Debug`: its properties hold passwords.
#[derive(Clone)]
pub struct Config {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Prefix of the three consumer groups.
    pub group: String,
    /// Static member and owner of transactions.
    pub instance: String,
    pub commit_interval_ms: u64,
    pub session_timeout_ms: u64,
    /// Further librdkafka properties (security among them), already checked.
    pub properties: Vec<(String, String)>,
    pub topics: Topics,
}

/// The names of weir's own topics and how to make them.
#[derive(Clone, Debug)]
pub struct Topics {
    /// `weir.` by default.
    pub prefix: String,
    /// The broker's default when absent.
    pub replication: Option<i32>,
    pub facts_partitions: i32,
    pub outbox_partitions: i32,
    pub alerts_partitions: i32,
    /// How long facts stay after they were scored, in ms.
    pub facts_keep_ms: i64,
}

impl Topics {
    pub fn facts(&self) -> String {
        format!("{}facts", self.prefix)
    }

    pub fn state(&self) -> String {
        format!("{}state", self.prefix)
    }

    pub fn outbox(&self) -> String {
        format!("{}outbox", self.prefix)
    }

    pub fn alerts(&self) -> String {
        format!("{}alerts", self.prefix)
    }

    pub fn dead_letters(&self) -> String {
        format!("{}dead-letters", self.prefix)
    }
}

/// Which loop a client belongs to, and which thread of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// `detect`, `score` or `store`.
    pub stage: &'static str,
    pub thread: usize,
}

impl Config {
    /// The consumer group of a loop.
    pub fn group_of(&self, stage: &str) -> String {
        format!("{}-{stage}", self.group)
    }

    /// `<group>-<loop>-<instance>-<thread>`: the static member's name and the transaction's owner.
    pub fn member_name(&self, member: Member) -> String {
        format!("{}-{}-{}-{}", self.group, member.stage, self.instance, member.thread)
    }

    /// What every client has in common.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        // By default a client waits up to 15 s before it asks a broker again that was away.
        config.set("reconnect.backoff.max.ms", "2000");
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        // Else send_offsets right after a commit waits out the default backoff: 90–110 ms, measured.
        config.set("retry.backoff.ms", "10");
        config
    }

    /// The outbox partition of this instance: its ordinal, so that one instance's open transaction does not hold
    /// back the blocks of the others; a hash of its name when it has none.
    pub fn outbox_partition(&self) -> i32 {
        let digits = self.instance.len() - self.instance.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let ordinal = self.instance[self.instance.len() - digits..].parse::<u32>().ok();
        let number = ordinal.map_or_else(|| xxh3_64(self.instance.as_bytes()), u64::from);
        (number % self.topics.outbox_partitions as u64) as i32
    }
}

/// The partition of a principal in weir.facts, weir.state and weir.alerts. It must never change: the state of a
/// principal is where this says.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    (xxh3_64(key) % partitions as u64) as i32
}

/// An offset from which reading goes on: one past the last that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextOffset(pub i64);

impl NextOffset {
    /// After this record.
    pub fn after(offset: i64) -> Self {
        NextOffset(offset + 1)
    }
}

const _: () = assert!(limits::RECORD_MAX_BYTES < topics::OUTBOX_MAX_MESSAGE_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    fn config(instance: &str) -> Config {
        Config {
            brokers: String::new(),
            group: "weir".into(),
            instance: instance.into(),
            commit_interval_ms: 250,
            session_timeout_ms: 10_000,
            properties: Vec::new(),
            topics: Topics {
                prefix: "weir.".into(),
                replication: None,
                facts_partitions: 12,
                outbox_partitions: 4,
                alerts_partitions: 4,
                facts_keep_ms: 0,
            },
        }
    }

    #[test]
    fn an_instance_writes_to_the_outbox_partition_of_its_ordinal() {
        for (instance, partition) in [("weir-0", 0), ("weir-1", 1), ("weir-6", 2), ("pod13", 1)] {
            assert_eq!(config(instance).outbox_partition(), partition, "{instance}");
        }
        assert!((0..4).contains(&config("host").outbox_partition()));
    }

    #[test]
    fn the_partition_of_a_principal_is_fixed() {
        let partitions =
            ["user:ada", "key:ci", "workload:batch", "unknown:chat"].map(|key| partition_of(key.as_bytes(), 12));
        assert_eq!(partitions, [5, 2, 10, 7], "golden: state would be lost if this changed");
    }

    #[test]
    fn names_follow_the_contract() {
        let name = config("pod0").member_name(Member { stage: "detect", thread: 0 });
        assert_eq!(name, "weir-detect-pod0-0");
    }
}
