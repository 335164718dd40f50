//! The detect stage: event → interactions → hits → facts. Stateless but for the head of each input partition's
//! ledger chain, which travels in the metadata of its committed offset.
//!
//! An event of which nothing can be made is a dead letter and a count in the ledger, whether it is malformed or
//! makes weir panic; its neighbours are not touched.

use super::{Broken, Failure, InputStart, OutOfRange, Pipeline, Progress, Stage, Start, Verdict, block_time_ms};
use crate::admin::health::Pulse;
use crate::detect::{Scanner, Scratch};
use crate::kafka::changelog;
use crate::kafka::{Committed, Consumer, Member, NextOffset, Record, TopicPartition, Transaction, partition_of};
use crate::ledger::{Chain, Entry, FactsHash, Kind};
use crate::model::facts::Facts;
use crate::model::reject::{DeadLetter, Reason, Reject};
use crate::model::{Event, Position};
use crate::tables::{Builder, coverage::Coverage, dead_letters::DeadLetters};
use crate::telemetry::metrics;
use crate::{decode, faults, limits};
use bumpalo::Bump;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The arena keeps what one large event needed up to this, in bytes; more goes back.
const ARENA_KEEPS_BYTES: usize = 8 << 20;

/// One thread of the detect loop.
pub struct Detect<'p> {
    pipeline: &'p Pipeline,
    scanner: &'p Scanner,
    thread: usize,
    names: Names,
    arena: Bump,
    scratch: Scratch,
    /// Encoded facts of one interaction, and the principal's key.
    facts: Vec<u8>,
    key: String,
    lanes: Vec<Lane>,
    dead_letters: Builder<DeadLetters>,
    told: Told,
}

/// What the open transaction did, for the metrics.
#[derive(Default)]
struct Told {
    /// Events and interactions by input, in the order of the configuration.
    inputs: Vec<(u64, u64)>,
    rejects: Rejects,
}

/// Rejects by reason, in the order of [`Reason::ALL`].
#[derive(Default)]
pub(super) struct Rejects([u64; Reason::ALL.len()]);

impl Rejects {
    pub fn count(&mut self, reason: Reason) {
        let index = Reason::ALL.iter().position(|known| *known == reason).expect("ALL holds every reason");
        self.0[index] += 1;
    }

    /// Adds them to the metrics, and the reasons of which there were none too, so that the first one is a rise.
    pub fn tell(&self, stage: &str) {
        for (reason, count) in Reason::ALL.iter().zip(self.0) {
            metrics().rejects.add(count, &[stage, reason.name()]);
        }
    }
}

/// Topic names, made once.
struct Names {
    facts: String,
    dead_letters: String,
}

/// An input partition: the head of its chain, and what the open transaction did of it.
struct Lane {
    at: TopicPartition,
    format: decode::Format,
    chain: Chain,
    /// Where the open transaction's range begins.
    from: NextOffset,
    tally: Tally,
    /// Offsets that were gone before they were read: `from` and up to, exclusive.
    gap: Option<(i64, i64)>,
}

#[derive(Default)]
struct Tally {
    events: u64,
    interactions: u64,
    rejects: u64,
    facts: FactsHash,
}

impl<'p> Detect<'p> {
    pub fn new(pipeline: &'p Pipeline, scanner: &'p Scanner, thread: usize) -> Self {
        let topics = &pipeline.kafka.topics;
        Detect {
            pipeline,
            scanner,
            thread,
            names: Names { facts: topics.facts(), dead_letters: topics.dead_letters() },
            arena: Bump::new(),
            scratch: Scratch::default(),
            facts: Vec::new(),
            key: String::new(),
            lanes: Vec::new(),
            dead_letters: Builder::default(),
            told: Told::default(),
        }
    }

    /// Where a partition without a committed offset starts: at the configured end when nothing was ever read, at the
    /// log's start when it was added later. When facts are there and the whole group has no offset, its offsets have
    /// expired or were deleted: starting anywhere would be a guess, and at the log's start it would double everything.
    fn first_start(&self, consumer: &Consumer, at: &TopicPartition) -> Result<Start, Broken> {
        let mut without = Vec::new();
        let mut with = 0;
        for topic in self.topics() {
            for partition in 0..consumer.partitions_of(&topic)?.unwrap_or(0) {
                let other = TopicPartition { topic: topic.clone(), partition };
                match consumer.committed(&other)? {
                    Some(_) => with += 1,
                    None => without.push(other),
                }
            }
        }
        let (low, _) = consumer.watermarks(at)?;
        if with > 0 {
            // Somebody else may have committed for it since it was looked at.
            let next = consumer.committed(at)?.map_or(low, |committed| committed.offset);
            return Ok(Start::At(NextOffset(next)));
        }
        if self.has_facts(consumer)? {
            let group = self.pipeline.kafka.group_of("detect");
            return Ok(Start::Stopped(format!(
                "group {group} has no committed offsets although there are facts. If the group is a new one, it needs \
                 topics and a database of its own: set topics.prefix and clickhouse.database too, or kafka.group back. \
                 If it is not, its offsets expired or were deleted: set them (kafka-consumer-groups.sh --reset-offsets) \
                 to where the table coverage ends, and start again"
            )));
        }
        if self.pipeline.input_start == InputStart::Earliest {
            return Ok(Start::At(NextOffset(low)));
        }
        // Committed at once, for every partition: one that another takes on a moment later starts at the end too.
        for other in &without {
            let (_, end) = consumer.watermarks(other)?;
            consumer.commit(other, NextOffset(end), &Chain::default().to_metadata())?;
        }
        let (_, high) = consumer.watermarks(at)?;
        Ok(Start::At(NextOffset(consumer.committed(at)?.map_or(high, |committed| committed.offset))))
    }

    /// Whether facts were ever committed. Only what was committed is ever deleted, and only a log that is not empty
    /// has to be looked into.
    fn has_facts(&self, consumer: &Consumer) -> Result<bool, Broken> {
        for partition in 0..self.pipeline.kafka.topics.facts_partitions {
            let facts = TopicPartition { topic: self.names.facts.clone(), partition };
            let (low, high) = consumer.watermarks(&facts)?;
            if low > 0 || high > 0 && changelog::holds_records(&self.pipeline.kafka, &facts.topic, partition)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes the dead letters of one event. Its payload is hashed once: it may be large, and hold many rejects.
    fn dead_letters(&mut self, event: &Event<'_>, rejects: Vec<Reject>, out: &Transaction) -> Result<(), Broken> {
        let Some(first) = rejects.first().cloned() else { return Ok(()) };
        let Event { position, timestamp_ms, payload, .. } = *event;
        let letter = DeadLetter::new(position, timestamp_ms, "detect", first, payload, &self.pipeline.mask_key);
        for reject in rejects {
            self.told.rejects.count(reject.reason);
            let letter = DeadLetter { reject, ..letter.clone() };
            self.dead_letters.push(&letter);
            send_dead_letter(out, &self.names.dead_letters, &letter)?;
        }
        Ok(())
    }

    /// Decodes and scans an event and writes its facts; returns how many interactions it had and what was rejected.
    fn interactions(
        &mut self,
        event: &Event<'_>,
        format: decode::Format,
        tally: &mut Tally,
        out: &Transaction,
    ) -> Result<Vec<Reject>, Broken> {
        let Detect { pipeline, scanner, names, arena, scratch, facts: buffer, key, .. } = self;
        faults::panics("fault.detect_panics");
        let mut decoded = match decode::decode(event, format, pipeline.bounds, arena) {
            Ok(decoded) => decoded,
            Err(reject) => return Ok(vec![reject]),
        };
        let mut rejects: Vec<Reject> = decoded.skipped.into_iter().map(|skipped| skipped.reject).collect();
        for interaction in &mut decoded.interactions {
            scanner.mask_identifiers(interaction, &pipeline.mask_key, arena, scratch);
            let hits = scanner.scan(interaction, arena, scratch);
            let facts = Facts::new(interaction, &hits, event.timestamp_ms, &pipeline.mask_key);
            buffer.clear();
            facts.encode(buffer);
            if buffer.len() > limits::RECORD_MAX_BYTES {
                let detail = format!("interaction {}: facts of {} bytes", interaction.index, buffer.len());
                rejects.push(Reject::new(Reason::FactsTooLarge, detail));
                continue;
            }
            key.clear();
            facts.principal.write_key(key);
            out.send(Record {
                topic: &names.facts,
                partition: Some(partition_of(key.as_bytes(), pipeline.kafka.topics.facts_partitions)),
                key: Some(key.as_bytes()),
                value: Some(buffer),
                headers: &[],
            })?;
            tally.facts.add(buffer);
            tally.interactions += 1;
        }
        Ok(rejects)
    }
}

/// Writes a dead letter to its topic.
pub(super) fn send_dead_letter(out: &Transaction, topic: &str, letter: &DeadLetter<'_>) -> Result<(), Broken> {
    let key = format!("{}/{}", letter.position.topic, letter.position.partition);
    let value = letter.to_json();
    out.send(Record {
        topic,
        partition: None,
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
        headers: &[("content-type", "application/json")],
    })?;
    Ok(())
}

impl Stage for Detect<'_> {
    fn member(&self) -> Member {
        Member { stage: "detect", thread: self.thread }
    }

    fn topics(&self) -> Vec<String> {
        self.pipeline.inputs.iter().map(|input| input.topic.clone()).collect()
    }

    fn topics_needed(&self) -> Vec<(String, Option<i32>)> {
        let topics = &self.pipeline.kafka.topics;
        let inputs = self.topics().into_iter().map(|topic| (topic, None));
        let own = [
            (topics.facts(), Some(topics.facts_partitions)),
            (topics.outbox(), Some(topics.outbox_partitions)),
            (topics.dead_letters(), None),
        ];
        inputs.chain(own).collect()
    }

    fn restore(
        &mut self,
        consumer: &Consumer,
        at: &TopicPartition,
        committed: Option<Committed>,
        _: &Pulse,
    ) -> Result<Start, Broken> {
        let (chain, mut next) = match &committed {
            Some(committed) => match Chain::from_metadata(&committed.metadata) {
                Ok(chain) => (chain, NextOffset(committed.offset)),
                Err(error) => return Ok(Start::Stopped(format!("the chain in its committed offset: {error}"))),
            },
            None => match self.first_start(consumer, at)? {
                Start::At(next) => (Chain::default(), next),
                stopped => return Ok(stopped),
            },
        };
        let (low, high) = consumer.watermarks(at)?;
        let mut gap = None;
        if next.0 < low || next.0 > high {
            if self.pipeline.out_of_range == OutOfRange::Fail {
                let at = format!("{}/{}", at.topic, at.partition);
                return Err(Broken::Fatal(Failure::Expired { at, committed: next.0, low }));
            }
            gap = Some((next.0, low));
            next = NextOffset(low);
        }
        let input = self.pipeline.inputs.iter().find(|input| input.topic == at.topic);
        let format = input.map_or(decode::Format::Auto, |input| input.format);
        self.lanes.push(Lane { at: at.clone(), format, chain, from: next, tally: Tally::default(), gap });
        Ok(Start::At(next))
    }

    fn process(&mut self, record: &BorrowedMessage<'_>, out: &Transaction) -> Result<Verdict, Broken> {
        let index = self.lane(record.topic(), record.partition());
        let format = self.lanes[index].format;
        let mut tally = std::mem::take(&mut self.lanes[index].tally);
        let event = Event {
            position: Position { topic: record.topic(), partition: record.partition(), offset: record.offset() },
            timestamp_ms: record.timestamp().to_millis().unwrap_or(Event::WITHOUT_TIMESTAMP),
            payload: record.payload(),
            format_header: format_header(record),
        };
        tally.events += 1;
        // A poison event must not become a crash loop: what panics is a reject like any other.
        let caught = catch_unwind(AssertUnwindSafe(|| self.interactions(&event, format, &mut tally, out)));
        let rejects = match caught {
            Ok(rejects) => rejects?,
            Err(_) => {
                self.scratch = Scratch::default();
                vec![Reject::new(Reason::Panic, "the decoder or a rule failed on this event")]
            }
        };
        tally.rejects += rejects.len() as u64;
        self.dead_letters(&event, rejects, out)?;
        self.lanes[index].tally = tally;
        self.arena.reset();
        if self.arena.allocated_bytes() > ARENA_KEEPS_BYTES {
            self.arena = Bump::new();
        }
        Ok(Verdict::Done)
    }

    fn seal(&mut self, out: &Transaction, progress: &[Progress]) -> Result<Vec<String>, Broken> {
        let mut coverage = Builder::<Coverage>::default();
        let mut metadata = Vec::new();
        self.told.inputs.resize(self.pipeline.inputs.len(), (0, 0));
        for progress in progress {
            let index = self.lane(&progress.at.topic, progress.at.partition);
            let Detect { pipeline, lanes, told, .. } = self;
            let lane = &mut lanes[index];
            if progress.moved {
                let input = pipeline.inputs.iter().position(|input| input.topic == lane.at.topic);
                if let Some((events, interactions)) = input.map(|index| &mut told.inputs[index]) {
                    *events += lane.tally.events;
                    *interactions += lane.tally.interactions;
                }
                lane.account(progress.next, pipeline, &mut coverage);
            }
            metadata.push(lane.chain.to_metadata());
        }
        let time_ms = block_time_ms();
        super::send_blocks(out, &self.pipeline.kafka, &coverage.take(time_ms), None)?;
        super::send_blocks(out, &self.pipeline.kafka, &self.dead_letters.take(time_ms), None)?;
        Ok(metadata)
    }

    fn committed(&mut self) {
        let Told { inputs, rejects } = std::mem::take(&mut self.told);
        for (input, (events, interactions)) in self.pipeline.inputs.iter().zip(inputs) {
            metrics().events.add(events, &[&input.topic]);
            metrics().interactions.add(interactions, &[&input.topic]);
        }
        rejects.tell("detect");
    }

    fn waiting_bytes(&self) -> usize {
        self.dead_letters.bytes()
    }

    fn tick(&mut self, _: &Consumer, _: &[Progress]) {}

    fn forget(&mut self, at: &TopicPartition) {
        self.lanes.retain(|lane| lane.at != *at);
        // What an aborted transaction had gathered must not be told by the next one.
        if self.lanes.is_empty() {
            self.dead_letters = Builder::default();
            self.told = Told::default();
        }
    }
}

impl Detect<'_> {
    fn lane(&self, topic: &str, partition: i32) -> usize {
        self.lanes
            .iter()
            .position(|lane| lane.at.partition == partition && lane.at.topic == topic)
            .expect("records come only of partitions that were restored")
    }
}

impl Lane {
    /// Adds to the ledger what the open transaction did: a gap if there was one, then what was read.
    fn account(&mut self, next: NextOffset, pipeline: &Pipeline, coverage: &mut Builder<Coverage>) {
        let Lane { at, chain, .. } = self;
        let entry = super::entry(pipeline, at);
        if let Some((from, to)) = self.gap.take() {
            let gaps = (to - from).max(0) as u64;
            let gap = Entry { kind: Kind::Gap, first_offset: from, last_offset: to - 1, gaps, ..entry };
            coverage.push(&chain.append(gap));
        }
        let tally = std::mem::take(&mut self.tally);
        let offsets = (next.0 - self.from.0) as u64;
        coverage.push(&chain.append(Entry {
            first_offset: self.from.0,
            last_offset: next.0 - 1,
            events: tally.events,
            interactions: tally.interactions,
            rejects: tally.rejects,
            // Offsets that hold no event: markers of the producers' transactions, and what was compacted.
            gaps: offsets.saturating_sub(tally.events),
            facts_hash: tally.facts.finish(),
            ..entry
        }));
        self.from = next;
    }
}

fn format_header<'m>(record: &'m BorrowedMessage<'_>) -> Option<&'m str> {
    let headers = record.headers()?;
    let named =
        |name| headers.iter().find(|header| header.key.eq_ignore_ascii_case(name)).and_then(|header| header.value);
    std::str::from_utf8(named("weir-format").or_else(|| named("content-type"))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::evidence::MaskKey;
    use crate::rules::Catalogue;
    use serde_json::Value;

    /// In the form of a GitHub token; of nobody, and put together so that no scanner takes this file for a leak.
    fn token() -> String {
        ["ghp_", "w7Kq2Zr9Tn4Lx8Vb3Md6", "Ys1Hc5Jf2Gs9Rk0e"].concat()
    }

    /// Every string below a value, one after the other.
    fn strings(value: &Value, at: &mut Vec<String>, found: &mut Vec<String>) {
        let mut below = |name: String, value: &Value| {
            at.push(format!("/{}", name.replace('~', "~0").replace('/', "~1")));
            strings(value, at, found);
            at.pop();
        };
        match value {
            Value::String(_) => found.push(at.concat()),
            Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| below(index.to_string(), item)),
            Value::Object(fields) => fields.iter().for_each(|(name, field)| below(name.clone(), field)),
            _ => {}
        }
    }

    /// Wherever a token stands in an event, neither facts nor rejects hold it.
    #[test]
    fn no_field_of_any_format_carries_a_secret_out() {
        let scanner = Scanner::new(Catalogue::built_in());
        let (key, token, mut scratch) = (MaskKey::new(b"of this test"), token(), Scratch::default());
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/examples");
        let (mut planted, mut seen) = (0, 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let example: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let mut places = Vec::new();
            strings(&example, &mut Vec::new(), &mut places);
            for (place, said) in places.iter().flat_map(|place| {
                [token.clone(), format!("https://{token}"), format!("{token}://a.test")].map(|said| (place, said))
            }) {
                let mut event = example.clone();
                *event.pointer_mut(place).unwrap() = said.into();
                let payload = event.to_string();
                let arena = Bump::new();
                let position = Position { topic: "t", partition: 0, offset: 0 };
                let event = Event { position, timestamp_ms: 1, payload: Some(payload.as_bytes()), format_header: None };
                let decoded = decode::decode(&event, decode::Format::Auto, decode::Bounds::default(), &arena);
                let mut out = Vec::new();
                match decoded {
                    Ok(mut decoded) => {
                        for interaction in &mut decoded.interactions {
                            scanner.mask_identifiers(interaction, &key, &arena, &mut scratch);
                            let hits = scanner.scan(interaction, &arena, &mut scratch);
                            seen += hits.hits.len();
                            Facts::new(interaction, &hits, event.timestamp_ms, &key).encode(&mut out);
                        }
                    }
                    Err(reject) => out.extend_from_slice(reject.detail.as_bytes()),
                }
                planted += 1;
                let is_there = out.windows(token.len()).any(|bytes| bytes == token.as_bytes());
                assert!(!is_there, "{}{place}: the token is in what leaves detect", path.display());
            }
        }
        assert!(planted > 300 && seen > 30, "{planted} places, {seen} hits: the examples were read");
    }
}
