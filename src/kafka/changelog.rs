//! Reading a partition of the changelog back: state records and the marker that says up to where they hold.
//!
//! A marker is the last record of every transaction on its partition and carries the offset of weir.facts from
//! which the state goes on. State is right for an offset exactly when the marker equals it. What the other
//! records mean is score's business.

use super::consumer::Plain;
use super::{Config, NextOffset, outage};
use crate::limits;
use crate::model::codec::{CodecError, Reader, Writer};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// The marker's key. A principal's key holds a colon, so none can be this.
pub const MARKER_KEY: &[u8] = b"marker";

/// How long a predecessor's transaction may take to be decided, and a broker to be silent.
const RESTORE_WAIT: Duration = Duration::from_millis(limits::RESTORE_WAIT_MS);

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The version of the marker's encoding.
const MARKER_VERSION: u8 = 1;

/// Encodes a marker's value.
pub fn marker(next: NextOffset) -> Vec<u8> {
    let mut bytes = vec![MARKER_VERSION];
    Writer(&mut bytes).uint(next.0 as u64);
    bytes
}

/// Reads a marker's value.
pub fn read_marker(bytes: &[u8]) -> Result<NextOffset, CodecError> {
    let mut reader = Reader::versioned(bytes, MARKER_VERSION)?;
    let next = NextOffset(reader.small("next offset")?);
    reader.finish()?;
    Ok(next)
}

/// Why a partition's state could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("reading {topic}/{partition}: {error}")]
    Kafka { topic: String, partition: i32, error: KafkaError },
    #[error("a record of {topic}/{partition} at offset {offset}: {error}")]
    Codec { topic: String, partition: i32, offset: i64, error: CodecError },
    #[error(
        "the state in {topic}/{partition} holds up to offset {}, but its group is committed at {committed}: \
         the offsets were moved, or the state topic was changed. Stop every score instance and run \
         `weir state reset -c FILE --partition {partition}`",
        marker.map_or("none".to_string(), |marker| marker.to_string())
    )]
    MarkerMismatch { topic: String, partition: i32, marker: Option<i64>, committed: i64 },
}

impl RestoreError {
    /// Whether trying again cannot help: the partition stays stopped until somebody acts.
    pub fn needs_a_person(&self) -> bool {
        !matches!(self, RestoreError::Kafka { .. })
    }
}

/// Reads the changelog of a partition up to its last stable record, giving each state record to `apply`, and
/// returns the marker. With `committed` it waits until the marker has reached that offset, and refuses when the two
/// differ; without, it takes what is there. Only what stands at the end of the partition is a verdict: a broker that
/// is silent is an error to be tried again.
pub fn restore(
    config: &Config,
    partition: i32,
    committed: Option<i64>,
    mut apply: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), CodecError>,
) -> Result<Option<NextOffset>, RestoreError> {
    let topic = config.topics.state();
    let failed = |error| RestoreError::Kafka { topic: topic.clone(), partition, error };
    let Some(consumer) = open(config, &topic, partition, committed.is_some()).map_err(failed)? else {
        return Ok(None);
    };
    let mut marker: Option<NextOffset> = None;
    let mut heard = Instant::now();
    let mut behind_since: Option<Instant> = None;
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(record)) => {
                (heard, behind_since) = (Instant::now(), None);
                let key = record.key().unwrap_or_default();
                let read = match (key, record.payload()) {
                    (MARKER_KEY, Some(value)) => read_marker(value).map(|next| marker = Some(next)),
                    (MARKER_KEY, None) => {
                        marker = None;
                        Ok(())
                    }
                    (key, value) => apply(key, value),
                };
                let offset = record.offset();
                read.map_err(|error| RestoreError::Codec { topic: topic.clone(), partition, offset, error })?;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                let reached = marker.map(|marker| marker.0);
                // Behind: the decision on a predecessor's transaction may still be on its way. Ahead: it never is.
                if committed.is_none() || reached >= committed {
                    return check(topic, partition, marker, committed);
                }
                behind_since.get_or_insert_with(Instant::now);
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(failed(error)),
            Some(Err(error)) => outage::poll_error(&error),
            None => {}
        }
        match behind_since {
            Some(since) if since.elapsed() > RESTORE_WAIT => return check(topic, partition, marker, committed),
            None if heard.elapsed() > RESTORE_WAIT => return Err(failed(KafkaError::NoMessageReceived)),
            _ => {}
        }
    }
}

/// Whether a partition holds a committed record. What aborted transactions left does not count, and cannot be told
/// from it by the watermarks.
pub fn holds_records(config: &Config, topic: &str, partition: i32) -> Result<bool, KafkaError> {
    let Some(consumer) = open(config, topic, partition, false)? else { return Ok(false) };
    let begun = Instant::now();
    while begun.elapsed() < RESTORE_WAIT {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(_)) => return Ok(true),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(false),
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
            _ => {}
        }
    }
    Err(KafkaError::NoMessageReceived)
}

/// The marker check, which is what keeps state and offsets together.
fn check(
    topic: String,
    partition: i32,
    marker: Option<NextOffset>,
    committed: Option<i64>,
) -> Result<Option<NextOffset>, RestoreError> {
    let marker_offset = marker.map(|marker| marker.0);
    match committed {
        Some(committed) if marker_offset != Some(committed) && !crate::faults::mutated("mutation.marker") => {
            Err(RestoreError::MarkerMismatch { topic, partition, marker: marker_offset, committed })
        }
        _ => Ok(marker),
    }
}

/// A consumer of one partition from its start; `None` when there is nothing in it and nothing has to come.
fn open(
    config: &Config,
    topic: &str,
    partition: i32,
    expected: bool,
) -> Result<Option<BaseConsumer<Plain>>, KafkaError> {
    let consumer: BaseConsumer<Plain> = config
        .client()
        // No group is joined; librdkafka wants a name for assigned partitions all the same.
        .set("group.id", format!("{}-restore", config.group))
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        // A million records of 300 B in 0.5 s with these, in 2.2 s by default (measured).
        .set("fetch.message.max.bytes", "8388608")
        .set("fetch.wait.max.ms", "10")
        .set("queued.max.messages.kbytes", "131072")
        .create_with_context(Plain)?;
    // Asking first makes the connection. An assignment before there is one waits for a timer: 500 ms a partition.
    let (low, high) = consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT)?;
    // The end is the last stable offset: of a first transaction that is being decided nothing shows yet.
    if low == high && !expected {
        return Ok(None);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(low))?;
    consumer.assign(&list)?;
    Ok(Some(consumer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_comes_back_and_its_bytes_are_fixed() {
        assert_eq!(marker(NextOffset(300)), [1, 0xac, 2]);
        assert_eq!(read_marker(&marker(NextOffset(i64::MAX))), Ok(NextOffset(i64::MAX)));
        assert_eq!(read_marker(&[2, 0]), Err(CodecError::Version { found: 2, known: 1 }));
        assert_eq!(read_marker(&[1]), Err(CodecError::Truncated));
    }
}
