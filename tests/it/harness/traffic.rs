//! Traffic: the generator's, as records of a topic, and single native events made by hand.

use super::kafka::{Kafka, Outgoing};
use weir::generate::{Generated, Options, generate};
use weir::kafka::partition_of;

/// The end of all generated traffic. Fixed, so that a seed gives the same bytes in every run, and long ago, so that
/// no broker finds it to be in the future.
pub const END_MS: i64 = 1_760_000_000_000;

/// A day's traffic with many incidents for its size, one burst among them.
pub fn traffic(seed: u64, count: u64) -> Vec<Generated> {
    let usual = Options::new(seed, count, END_MS);
    let options = Options { principals: 60, incidents_permille: 30, bad_permille: 4, ..usual };
    generate(&options).expect("these options can be kept").collect()
}

/// Where an event stands: topic, partition, offset.
pub type Place = (String, i32, i64);

/// Makes a topic and fills it, each principal in one partition; returns where each event stands.
pub fn fill_keyed(kafka: &Kafka, topic: &str, partitions: i32, events: &[Generated]) -> Vec<Place> {
    kafka.create(topic, partitions);
    let mut next = vec![0; partitions as usize];
    append_keyed(kafka, topic, &mut next, events)
}

/// Goes on filling a topic of so many partitions, whose next offsets are known.
pub fn append_keyed(kafka: &Kafka, topic: &str, next: &mut [i64], events: &[Generated]) -> Vec<Place> {
    let mut records = Vec::new();
    let mut places = Vec::new();
    for (sequence, event) in events.iter().enumerate() {
        let by_key = |key: &String| partition_of(key.as_bytes(), next.len() as i32);
        let partition = event.key.as_ref().map_or(sequence as i32 % next.len() as i32, by_key);
        records.push(Outgoing {
            partition,
            timestamp_ms: event.timestamp_ms,
            key: event.key.as_ref().map(|key| key.clone().into_bytes()),
            value: Some(event.payload.clone()),
            headers: Vec::new(),
        });
        places.push((topic.to_string(), partition, next[partition as usize]));
        next[partition as usize] += 1;
    }
    kafka.produce(topic, records);
    places
}

/// A native event of a user with one message.
pub fn native(id: &str, user: &str, text: &str) -> Vec<u8> {
    serde_json::json!({
        "weir_schema": 1,
        "id": id,
        "principal": { "user": user },
        "application": "it",
        "provider": "openai",
        "model": "gpt-5",
        "input": { "messages": [{ "role": "user", "content": text }] },
    })
    .to_string()
    .into_bytes()
}
