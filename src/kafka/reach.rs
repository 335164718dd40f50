//! How far the logs of a consumer's partitions reach, out of librdkafka's statistics.
//!
//! No request is made for it, so it is as fresh as the last fetch; of a paused partition nothing new is known.

use super::TopicPartition;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A partition, as it was when its last fetch was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    pub at: TopicPartition,
    /// The offset that the next record gets.
    pub end: i64,
    /// What lies at or after it belongs to transactions that are not decided.
    pub stable: i64,
    /// Where reading goes on: after the last record that was handed out, and after the markers behind it when nothing
    /// else waits.
    pub position: i64,
}

/// What is read of the statistics.
pub(super) struct Read {
    pub reaches: Vec<Reach>,
    /// Whether a connection to some broker stands.
    pub is_connected: bool,
}

#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: BTreeMap<String, Broker>,
    #[serde(default)]
    topics: BTreeMap<String, Topic>,
}

#[derive(Deserialize)]
struct Broker {
    nodeid: i64,
    state: String,
}

#[derive(Deserialize)]
struct Topic {
    #[serde(default)]
    partitions: BTreeMap<String, Partition>,
}

#[derive(Deserialize)]
struct Partition {
    partition: i32,
    fetch_state: String,
    fetchq_cnt: i64,
    next_offset: i64,
    app_offset: i64,
    hi_offset: i64,
    ls_offset: i64,
}

/// Reads statistics; `None` when they are not as documented, which no loop may stumble over.
pub(super) fn read(json: &[u8]) -> Option<Read> {
    let statistics: Statistics = serde_json::from_slice(json).ok()?;
    let is_connected = statistics.brokers.values().any(|broker| broker.nodeid >= 0 && broker.state == "UP");
    let mut reaches = Vec::new();
    for (topic, Topic { partitions }) in statistics.topics {
        for known in partitions.into_values() {
            // Unknown offsets are negative, and -1 is librdkafka's place for records without a partition.
            if known.partition < 0 || known.fetch_state != "active" || known.hi_offset < 0 || known.ls_offset < 0 {
                continue;
            }
            let handed_out = known.app_offset.max(0);
            let position = if known.fetchq_cnt == 0 { known.next_offset.max(handed_out) } else { handed_out };
            let at = TopicPartition { topic: topic.clone(), partition: known.partition };
            reaches.push(Reach { at, end: known.hi_offset, stable: known.ls_offset, position });
        }
    }
    Some(Read { reaches, is_connected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_told_from_what_was_read() {
        let partition = |number: i32, waiting: i64, next: i64, app: i64| {
            format!(
                r#""{number}": {{"partition": {number}, "fetch_state": "active", "fetchq_cnt": {waiting}, "next_offset": {next},
                "app_offset": {app}, "hi_offset": 12, "ls_offset": 10, "more": 1}}"#
            )
        };
        let partitions =
            [partition(-1, 0, 0, 0), partition(0, 0, 10, 9), partition(1, 3, 10, 7), partition(2, 0, 10, -1001)];
        let json = format!(
            r#"{{"name": "x", "brokers": {{"b": {{"nodeid": 1, "state": "UP"}}}}, "topics": {{"t": {{"partitions": {{{}}}}}}}}}"#,
            partitions.join(",")
        );
        let read = read(json.as_bytes()).unwrap();
        assert!(read.is_connected);
        let positions: Vec<(i32, i64)> =
            read.reaches.iter().map(|reach| (reach.at.partition, reach.position)).collect();
        assert_eq!(positions, [(0, 10), (1, 7), (2, 10)]);
        assert_eq!((read.reaches[0].end, read.reaches[0].stable), (12, 10));
    }

    #[test]
    fn foreign_statistics_are_no_matter() {
        assert!(super::read(b"{").is_none());
        assert!(super::read(br#"{"topics": {"t": {"partitions": {"0": {}}}}}"#).is_none());
        assert!(super::read(b"{}").unwrap().reaches.is_empty());
    }
}
