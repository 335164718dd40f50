//! The score stage: facts → the principal's state → findings, rows and alerts.
//!
//! State lives in memory by principal and in the changelog, weir.state, on the same partition as the principal's
//! facts. A transaction writes the state of every principal that it changed and, last, the marker that says up to
//! which facts the state holds; so state, rows, alerts and offsets move together or not at all.

use super::detect::Rejects;
use super::{Broken, Pipeline, Progress, Stage, Start, Verdict, block_time_ms};
use crate::admin::health::Pulse;
use crate::judge::{Judged, judge};
use crate::kafka::access;
use crate::kafka::changelog::{self, MARKER_KEY, RestoreError};
use crate::kafka::topics::Deleter;
use crate::kafka::{Committed, Consumer, Member, NextOffset, Record, TopicPartition, Transaction, partition_of};
use crate::model::codec::CodecError;
use crate::model::facts::Facts;
use crate::model::finding::Finding;
use crate::model::reject::{DeadLetter, Reason, Reject};
use crate::model::uid::Uid;
use crate::model::{Category, Severity};
use crate::score::State;
use crate::score::principals::Principals;
use crate::tables::Builder;
use crate::tables::dead_letters::DeadLetters;
use crate::tables::findings::{self, Findings};
use crate::tables::interactions::{self, Interactions};
use crate::telemetry::metrics;
use crate::{alert, faults, score};
use rdkafka::message::{BorrowedMessage, Message as _};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How often old facts are looked for and deleted.
const FACTS_DELETION_EVERY: Duration = Duration::from_secs(60);

/// The score loop.
pub struct Score<'p> {
    pipeline: &'p Pipeline,
    names: Names,
    partitions: Vec<Partition>,
    interactions: Builder<Interactions>,
    findings: Builder<Findings>,
    dead_letters: Builder<DeadLetters>,
    deleter: Option<Deleter>,
    deleted_at: Instant,
    told: Told,
}

/// What the open transaction did, for the metrics. Most interactions have no hit, and add a number or two.
#[derive(Default)]
struct Told {
    /// By rule: hits that are findings, and those that are too unsure.
    hits: BTreeMap<String, (u64, u64)>,
    findings: BTreeMap<(Category, Severity), u64>,
    /// By severity: sent, and held back.
    alerts: BTreeMap<Severity, (u64, u64)>,
    /// Kafka timestamps in ms of the events that were alerted.
    alerted_ms: Vec<i64>,
    rejects: Rejects,
    overflow: u64,
    state_records: u64,
    /// Kafka timestamp in ms of the oldest event of all rows.
    oldest_ms: Option<i64>,
}

struct Names {
    facts: String,
    state: String,
    alerts: String,
    dead_letters: String,
}

/// A partition of weir.facts with the state of its principals.
struct Partition {
    at: TopicPartition,
    states: Principals,
    /// Whether it was told that principals share states here.
    is_full: bool,
    /// Principals that the open transaction changed, in order, so that the changelog is the same each time.
    changed: BTreeSet<Box<str>>,
    /// The head of the chain of resets, which only passes through here.
    metadata: String,
}

impl<'p> Score<'p> {
    pub fn new(pipeline: &'p Pipeline) -> Self {
        let topics = &pipeline.kafka.topics;
        let names = Names {
            facts: topics.facts(),
            state: topics.state(),
            alerts: topics.alerts(),
            dead_letters: topics.dead_letters(),
        };
        Score {
            pipeline,
            names,
            partitions: Vec::new(),
            interactions: Builder::default(),
            findings: Builder::default(),
            dead_letters: Builder::default(),
            deleter: None,
            deleted_at: Instant::now(),
            told: Told::default(),
        }
    }

    fn partition(&self, partition: i32) -> usize {
        self.partitions
            .iter()
            .position(|known| known.at.partition == partition)
            .expect("records come only of partitions that were restored")
    }

    /// Takes over what was scored: rows are gathered, alerts written, the principal's state swapped.
    fn keep(&mut self, index: usize, facts: &Facts<'_>, scored: Scored<'_>, out: &Transaction) -> Result<(), Broken> {
        let Score { pipeline, names, partitions, interactions, findings: rows, told, .. } = self;
        told.count(pipeline, facts, &scored);
        let Scored { state_key, state, findings, alerts, .. } = scored;
        interactions.push(&interactions::Row {
            facts,
            findings: findings.len() as u32,
            max_severity: findings.iter().map(|finding| finding.severity).max(),
        });
        for (finding, alert) in findings.iter().zip(&alerts) {
            rows.push(&findings::Row { facts, finding, alert_uid: alert.as_ref().map(|alert| alert.id) });
            if let Some(alert) = alert {
                alert.send(out, &names.alerts, pipeline.kafka.topics.alerts_partitions)?;
            }
        }
        let partition = &mut partitions[index];
        partition.states.keep(&state_key, &state);
        if Principals::is_shared(&state_key) {
            partition.tell_full();
        }
        partition.changed.insert(state_key);
        Ok(())
    }

    fn dead_letter(&mut self, facts: &Facts<'_>, payload: &[u8], out: &Transaction) -> Result<(), Broken> {
        let reject = Reject::new(Reason::Panic, format!("interaction {}: a scorer failed on these facts", facts.index));
        let key = &self.pipeline.mask_key;
        let letter = DeadLetter::new(facts.position, facts.timestamp_ms, "score", reject, Some(payload), key);
        self.told.rejects.count(letter.reject.reason);
        self.dead_letters.push(&letter);
        super::detect::send_dead_letter(out, &self.names.dead_letters, &letter)
    }

    /// Deletes facts that are scored and older than they are kept.
    fn delete_old_facts(&mut self, consumer: &Consumer, progress: &[Progress]) -> Result<(), Broken> {
        let deleter = match &mut self.deleter {
            Some(deleter) => deleter,
            none => none.insert(Deleter::connect(&self.pipeline.kafka)?),
        };
        deleter.tick();
        if self.deleted_at.elapsed() < FACTS_DELETION_EVERY {
            return Ok(());
        }
        self.deleted_at = Instant::now();
        let before_ms = block_time_ms() - self.pipeline.kafka.topics.facts_keep_ms;
        for progress in progress {
            let (low, _) = consumer.watermarks(&progress.at)?;
            let kept_from = consumer.offset_at(&progress.at, before_ms)?.unwrap_or(progress.next.0);
            let next = NextOffset(kept_from.min(progress.next.0));
            if next.0 > low {
                deleter.delete_before(&progress.at, next);
            }
        }
        Ok(())
    }
}

/// What came of one record of facts, before anything of it is kept or sent.
struct Scored<'f> {
    state_key: Box<str>,
    state: State,
    findings: Vec<Finding<'f>>,
    /// One a finding.
    alerts: Vec<Option<Rendered>>,
    /// Hits that are too unsure, by rule.
    below: Vec<(&'f str, u32)>,
}

impl Told {
    fn count(&mut self, pipeline: &Pipeline, facts: &Facts<'_>, scored: &Scored<'_>) {
        self.oldest_ms = Some(self.oldest_ms.map_or(facts.timestamp_ms, |oldest| oldest.min(facts.timestamp_ms)));
        self.overflow += u64::from(Principals::is_shared(&scored.state_key));
        for (finding, alert) in scored.findings.iter().zip(&scored.alerts) {
            if finding.measure.is_none() {
                self.rule(pipeline, finding.rule).0 += 1;
            }
            *self.findings.entry((finding.category, finding.severity)).or_default() += 1;
            let (sent, held) = self.alerts.entry(finding.severity).or_default();
            if alert.is_some() {
                *sent += 1;
                self.alerted_ms.push(facts.timestamp_ms);
            } else if finding.severity >= pipeline.alert.min_severity {
                *held += 1;
            }
        }
        for (rule, count) in &scored.below {
            self.rule(pipeline, rule).1 += u64::from(*count);
        }
    }

    /// Rules that no pack of this process holds (facts are replayed under others) are counted as one: a label's values
    /// come from the configuration, never from a topic.
    fn rule(&mut self, pipeline: &Pipeline, rule: &str) -> &mut (u64, u64) {
        let rule = if pipeline.catalogue.get(rule).is_some() { rule } else { "other" };
        if !self.hits.contains_key(rule) {
            self.hits.insert(rule.to_owned(), (0, 0));
        }
        self.hits.get_mut(rule).expect("it was just made")
    }
}

/// An alert, ready to be sent.
struct Rendered {
    id: Uid,
    key: String,
    value: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

/// Scores one record of facts. Everything that might fail on odd facts is in here, and nothing is changed: a panic
/// half-way leaves no trace.
fn score_facts<'f>(pipeline: &'f Pipeline, partition: &Partition, facts: &'f Facts<'f>) -> Scored<'f> {
    faults::panics("fault.score_panics");
    let key = facts.principal.to_string();
    let state_key = partition.states.place_of(&key, facts.application);
    let mut state = partition.states.state(&state_key);
    let scores = score::score(&mut state, facts, &pipeline.policy.limits);
    let Judged { findings, below_threshold_by_rule: below, .. } =
        judge(&pipeline.policy, &pipeline.catalogue, facts, &scores);
    let mut alerts = Vec::with_capacity(findings.len());
    for finding in &findings {
        let alert = alert::throttle(&mut state, facts, finding, &pipeline.alert);
        let alert = if Principals::is_shared(&state_key) { alert.map(alert::Alert::by_itself) } else { alert };
        alerts.push(alert.map(|alert| Rendered {
            id: alert.id,
            key: key.clone(),
            value: alert.value(),
            headers: alert.headers(),
        }));
    }
    Scored { state_key, state, findings, alerts, below }
}

impl Rendered {
    fn send(&self, out: &Transaction, topic: &str, partitions: i32) -> Result<(), Broken> {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        out.send(Record {
            topic,
            partition: Some(partition_of(self.key.as_bytes(), partitions)),
            key: Some(self.key.as_bytes()),
            value: Some(&self.value),
            headers: &headers,
        })?;
        Ok(())
    }
}

impl Partition {
    fn tell_full(&mut self) {
        if !std::mem::replace(&mut self.is_full, true) {
            tracing::warn!(
                partition = self.at.partition,
                principals = self.states.len(),
                "the bound on principals is reached: further ones share ceilings and throttles by application"
            );
        }
    }
}

impl Stage for Score<'_> {
    fn member(&self) -> Member {
        Member { stage: "score", thread: 0 }
    }

    fn topics(&self) -> Vec<String> {
        vec![self.names.facts.clone()]
    }

    fn topics_needed(&self) -> Vec<(String, Option<i32>)> {
        let topics = &self.pipeline.kafka.topics;
        vec![
            (topics.facts(), Some(topics.facts_partitions)),
            (topics.state(), Some(topics.facts_partitions)),
            (topics.outbox(), Some(topics.outbox_partitions)),
            (topics.alerts(), Some(topics.alerts_partitions)),
            (topics.dead_letters(), None),
        ]
    }

    fn restore(
        &mut self,
        consumer: &Consumer,
        at: &TopicPartition,
        committed: Option<Committed>,
        pulse: &Pulse,
    ) -> Result<Start, Broken> {
        let begun = Instant::now();
        let mut states = Principals::default();
        let offset = committed.as_ref().map(|committed| committed.offset);
        let restored = changelog::restore(&self.pipeline.kafka, at.partition, offset, |key, value| {
            pulse.beat();
            apply(&mut states, key, value)
        });
        let marker = match restored {
            Ok(marker) => marker,
            Err(error) if error.needs_a_person() => return Ok(Start::Stopped(error.to_string())),
            Err(RestoreError::Kafka { error, .. }) if access::code_of(&error).is_some_and(access::is_denial) => {
                return Err(Broken::Denied(error));
            }
            Err(error) => return Err(Broken::Again(error.to_string())),
        };
        // Without a committed offset (the group's retention is over) the marker wins: the state is right for it.
        let (low, high) = consumer.watermarks(at)?;
        let next = match (offset, marker) {
            (Some(offset), _) => NextOffset(offset),
            (None, Some(marker)) => marker,
            (None, None) => NextOffset(low),
        };
        if next.0 < low || next.0 > high {
            return Ok(Start::Stopped(format!(
                "facts at offset {} are gone, the log holds {low} to {high}: stop every score instance and run \
                 `weir state reset -c FILE --partition {}`",
                next.0, at.partition
            )));
        }
        metrics().restore_duration.record(begun.elapsed().as_secs_f64(), &[]);
        metrics().principals.set(states.len() as f64, &[&at.partition.to_string()]);
        tracing::debug!(
            partition = at.partition,
            principals = states.len(),
            offset = next.0,
            took_ms = begun.elapsed().as_millis() as u64,
            "state restored"
        );
        let metadata = committed.map(|committed| committed.metadata).unwrap_or_default();
        self.partitions.push(Partition { at: at.clone(), states, is_full: false, changed: BTreeSet::new(), metadata });
        Ok(Start::At(next))
    }

    fn process(&mut self, record: &BorrowedMessage<'_>, out: &Transaction) -> Result<Verdict, Broken> {
        let index = self.partition(record.partition());
        let payload = record.payload().unwrap_or_default();
        // Facts that this version cannot read are never rejected: they wait for the version that can.
        let facts = match Facts::decode(payload) {
            Ok(facts) => facts,
            Err(error) => {
                return Ok(Verdict::Stop(format!("facts at offset {}: {error}", record.offset())));
            }
        };
        let pipeline = self.pipeline;
        match catch_unwind(AssertUnwindSafe(|| score_facts(pipeline, &self.partitions[index], &facts))) {
            Ok(scored) => self.keep(index, &facts, scored, out)?,
            Err(_) => self.dead_letter(&facts, payload, out)?,
        }
        Ok(Verdict::Done)
    }

    fn seal(&mut self, out: &Transaction, progress: &[Progress]) -> Result<Vec<String>, Broken> {
        let time_ms = block_time_ms();
        let config = &self.pipeline.kafka;
        let oldest_ms = self.told.oldest_ms;
        super::send_blocks(out, config, &self.interactions.take(time_ms), oldest_ms)?;
        super::send_blocks(out, config, &self.findings.take(time_ms), oldest_ms)?;
        super::send_blocks(out, config, &self.dead_letters.take(time_ms), None)?;
        let mut metadata = Vec::new();
        for progress in progress {
            let index = self.partition(progress.at.partition);
            let partition = &mut self.partitions[index];
            metadata.push(partition.metadata.clone());
            if !progress.moved {
                continue;
            }
            let send = |key: &[u8], value: Option<&[u8]>| {
                let partition = Some(progress.at.partition);
                out.send(Record { topic: &self.names.state, partition, key: Some(key), value, headers: &[] })
            };
            self.told.state_records += partition.changed.len() as u64;
            for key in std::mem::take(&mut partition.changed) {
                // Without a state it is a tombstone.
                send(key.as_bytes(), partition.states.encoded(&key))?;
            }
            // Last on its partition: whoever has read the marker has read everything before it.
            send(MARKER_KEY, Some(&changelog::marker(progress.next)))?;
        }
        Ok(metadata)
    }

    fn committed(&mut self) {
        let told = std::mem::take(&mut self.told);
        let metrics = metrics();
        for (rule, (reported, unsure)) in &told.hits {
            metrics.hits.add(*reported, &[rule, "true"]);
            metrics.hits.add(*unsure, &[rule, "false"]);
        }
        for ((category, severity), count) in told.findings {
            metrics.findings.add(count, &[category.name(), severity.name()]);
        }
        for (severity, (sent, held)) in told.alerts {
            metrics.alerts.add(sent, &[severity.name()]);
            metrics.alerts_held.add(held, &[severity.name()]);
        }
        let now_ms = block_time_ms();
        let delays = told.alerted_ms.iter().map(|timestamp_ms| (now_ms - timestamp_ms).max(0) as f64 / 1e3);
        metrics.alert_delay.record_all(delays, &[]);
        told.rejects.tell("score");
        metrics.overflow.add(told.overflow, &[]);
        metrics.state_records.add(told.state_records, &[]);
        for partition in &self.partitions {
            metrics.principals.set(partition.states.len() as f64, &[&partition.at.partition.to_string()]);
        }
    }

    fn waiting_bytes(&self) -> usize {
        self.interactions.bytes() + self.findings.bytes() + self.dead_letters.bytes()
    }

    fn tick(&mut self, consumer: &Consumer, progress: &[Progress]) {
        // Old facts are only room on a disk: what fails here is tried again a minute later.
        if let Err(error) = self.delete_old_facts(consumer, progress) {
            tracing::warn!(?error, "deleting old facts");
        }
    }

    fn forget(&mut self, at: &TopicPartition) {
        metrics().principals.remove(&[&at.partition.to_string()]);
        self.partitions.retain(|partition| partition.at != *at);
        // What an aborted transaction had gathered must not be told by the next one.
        if self.partitions.is_empty() {
            self.interactions = Builder::default();
            self.findings = Builder::default();
            self.dead_letters = Builder::default();
            self.told = Told::default();
        }
    }
}

/// Takes over a record of the changelog.
fn apply(states: &mut Principals, key: &[u8], value: Option<&[u8]>) -> Result<(), CodecError> {
    let key = std::str::from_utf8(key).map_err(|_| CodecError::Invalid("key"))?;
    match value {
        Some(value) => states.restore(key, value),
        None => {
            states.forget(key);
            Ok(())
        }
    }
}
