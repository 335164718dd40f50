//! What is left of an interaction once the text is gone: the record of weir.facts.
//!
//! Facts are a pure function of the event, the packs and the key. They hold ids, sizes, hashes and hits with
//! masked evidence, in 200–400 bytes; a golden test pins those bytes. A reader takes its own version of the
//! encoding only and refuses every other, so that a new producer never makes an old reader guess.

use super::codec::{CodecError, Reader, Writer};
use super::evidence::{Evidence, MaskKey, scalars};
use super::{
    Category, Confidence, ContentState, Destination, Direction, Hit, Hits, Interaction, PartKind, Position, Principal,
    PrincipalKind, Role, Severity, Warnings,
};
use crate::limits;
use std::borrow::Cow;

/// The version that is written, and the only one that is read.
pub const VERSION: u8 = 1;

/// An interaction redacted to what may be kept. Fields are as in [`Interaction`] unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts<'a> {
    pub position: Position<'a>,
    pub index: u32,
    /// The record's Kafka timestamp in ms since the epoch.
    pub timestamp_ms: i64,
    /// Event time in ms since the epoch.
    pub time_ms: i64,
    pub source_id: &'a str,
    pub conversation: &'a str,
    pub principal: Principal<'a>,
    pub application: &'a str,
    pub provider: &'a str,
    pub model: &'a str,
    pub destination: Destination<'a>,
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub status: u16,
    pub latency_ms: Option<u32>,
    pub content_state: ContentState,
    pub warnings: Warnings,
    pub messages: u32,
    /// Bytes of content to the model and from it.
    pub input_bytes: u64,
    pub output_bytes: u64,
    /// Keyed identity of the first parts, in order; empty without a key.
    pub part_hashes: Vec<[u8; 16]>,
    /// Names the key of every hash in here; empty without a key.
    pub key_id: &'a str,
    pub hits: Vec<FactHit<'a>>,
    /// Hits past `limits::HITS_PER_INTERACTION`.
    pub hits_dropped: u32,
}

/// A hit with its evidence masked.
#[derive(Clone, Debug, PartialEq)]
pub struct FactHit<'a> {
    pub rule: &'a str,
    pub rule_version: u32,
    pub category: Category,
    pub type_name: &'a str,
    pub severity: Severity,
    pub confidence: Confidence,
    pub direction: Direction,
    pub role: Role,
    pub part_kind: PartKind,
    /// Index of the message in the interaction, and of the part in the message.
    pub message: u32,
    pub part: u32,
    /// Range in the part's text in Unicode scalars, end exclusive.
    pub start: u32,
    pub end: u32,
    /// The value as far as it may be shown.
    pub masked: Cow<'a, str>,
    /// Keyed hash of the value; all zero without a key.
    pub hmac: [u8; 16],
}

impl<'a> Facts<'a> {
    /// Redacts an interaction.
    pub fn new(interaction: &Interaction<'a>, hits: &Hits<'a>, timestamp_ms: i64, key: &'a MaskKey) -> Self {
        let mut sizes = [0u64; 2];
        let mut part_hashes = Vec::new();
        for message in &interaction.messages {
            for part in &message.parts {
                sizes[usize::from(message.direction == Direction::Output)] += part.bytes;
                if !key.id().is_empty() && part_hashes.len() < limits::PART_HASHES_PER_INTERACTION {
                    part_hashes.push(key.part_hash(part.text));
                }
            }
        }
        Facts {
            position: interaction.position,
            index: interaction.index,
            timestamp_ms,
            time_ms: interaction.time_ms,
            source_id: interaction.source_id,
            conversation: interaction.conversation,
            principal: interaction.principal,
            application: interaction.application,
            provider: interaction.provider,
            model: interaction.model,
            destination: interaction.destination,
            input_tokens: interaction.input_tokens,
            output_tokens: interaction.output_tokens,
            status: interaction.status,
            latency_ms: interaction.latency_ms,
            content_state: interaction.content_state,
            warnings: interaction.warnings,
            messages: interaction.messages.len() as u32,
            input_bytes: sizes[0],
            output_bytes: sizes[1],
            part_hashes,
            key_id: key.id(),
            hits: redact(interaction, &hits.hits, key),
            hits_dropped: hits.dropped,
        }
    }

    /// Appends the encoding, version first.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        let mut w = Writer(out);
        w.str(self.position.topic);
        w.uint(self.position.partition as u64);
        w.uint(self.position.offset as u64);
        w.uint(u64::from(self.index));
        w.int(self.timestamp_ms);
        w.int(self.time_ms);
        w.str(self.source_id);
        w.str(self.conversation);
        w.u8(self.principal.kind.code());
        w.str(self.principal.value);
        w.str(self.application);
        w.str(self.provider);
        w.str(self.model);
        w.str(self.destination.host);
        w.uint(u64::from(self.destination.port));
        w.str(self.destination.scheme);
        w.str(self.destination.tls_version);
        w.option(self.input_tokens);
        w.option(self.output_tokens);
        w.uint(u64::from(self.status));
        w.option(self.latency_ms.map(u64::from));
        w.u8(self.content_state.code());
        w.uint(u64::from(self.warnings.0));
        w.uint(u64::from(self.messages));
        w.uint(self.input_bytes);
        w.uint(self.output_bytes);
        w.str(self.key_id);
        w.uint(self.part_hashes.len() as u64);
        self.part_hashes.iter().for_each(|hash| w.fixed(hash));
        w.uint(u64::from(self.hits_dropped));
        w.uint(self.hits.len() as u64);
        self.hits.iter().for_each(|hit| hit.encode(&mut w));
    }

    /// Reads a record of weir.facts, borrowing from it.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut r = Reader::versioned(bytes, VERSION)?;
        let mut facts = Facts {
            position: Position { topic: r.str()?, partition: r.small("partition")?, offset: r.small("offset")? },
            index: r.small("index")?,
            timestamp_ms: r.int()?,
            time_ms: r.int()?,
            source_id: r.str()?,
            conversation: r.str()?,
            principal: Principal { kind: closed(r.u8()?, PrincipalKind::from_code, "principal")?, value: r.str()? },
            application: r.str()?,
            provider: r.str()?,
            model: r.str()?,
            destination: Destination {
                host: r.str()?,
                port: r.small("port")?,
                scheme: r.str()?,
                tls_version: r.str()?,
            },
            input_tokens: r.option()?,
            output_tokens: r.option()?,
            status: r.small("status")?,
            latency_ms: r.option()?.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)),
            content_state: closed(r.u8()?, ContentState::from_code, "content_state")?,
            warnings: Warnings(r.small("warnings")?),
            messages: r.small("messages")?,
            input_bytes: r.uint()?,
            output_bytes: r.uint()?,
            key_id: r.str()?,
            part_hashes: Vec::new(),
            hits: Vec::new(),
            hits_dropped: 0,
        };
        for _ in 0..r.count(16)? {
            facts.part_hashes.push(r.fixed()?);
        }
        facts.hits_dropped = r.small("hits_dropped")?;
        for _ in 0..r.count(FactHit::MIN_BYTES)? {
            facts.hits.push(FactHit::decode(&mut r)?);
        }
        r.finish()?;
        Ok(facts)
    }
}

impl<'a> FactHit<'a> {
    /// The least bytes that an encoded hit takes: 30 with every text empty and every number small.
    const MIN_BYTES: usize = 30;

    fn encode(&self, w: &mut Writer<'_>) {
        w.str(self.rule);
        w.uint(u64::from(self.rule_version));
        w.u8(self.category.code());
        w.str(self.type_name);
        w.u8(self.severity.code());
        w.uint(u64::from(self.confidence.permille()));
        w.u8(self.direction.code());
        w.u8(self.role.code());
        w.u8(self.part_kind.code());
        w.uint(u64::from(self.message));
        w.uint(u64::from(self.part));
        w.uint(u64::from(self.start));
        w.uint(u64::from(self.end));
        w.str(&self.masked);
        w.fixed(&self.hmac);
    }

    fn decode(r: &mut Reader<'a>) -> Result<Self, CodecError> {
        Ok(FactHit {
            rule: r.str()?,
            rule_version: r.small("rule_version")?,
            category: closed(r.u8()?, Category::from_code, "category")?,
            type_name: r.str()?,
            severity: closed(r.u8()?, Severity::from_code, "severity")?,
            confidence: Confidence::from_permille(r.small("confidence")?),
            direction: closed(r.u8()?, Direction::from_code, "direction")?,
            role: closed(r.u8()?, Role::from_code, "role")?,
            part_kind: closed(r.u8()?, PartKind::from_code, "part_kind")?,
            message: r.small("message")?,
            part: r.small("part")?,
            start: r.small("start")?,
            end: r.small("end")?,
            masked: Cow::Borrowed(r.str()?),
            hmac: r.fixed()?,
        })
    }
}

fn closed<T>(code: u8, from_code: fn(u8) -> Option<T>, field: &'static str) -> Result<T, CodecError> {
    from_code(code).ok_or(CodecError::Invalid(field))
}

/// Masks the hits and turns their byte ranges into ranges of Unicode scalars.
fn redact<'a>(interaction: &Interaction<'a>, hits: &[Hit<'a>], key: &MaskKey) -> Vec<FactHit<'a>> {
    hits.iter()
        .map(|hit| {
            let message = &interaction.messages[hit.message as usize];
            let part = &message.parts[hit.part as usize];
            let evidence = Evidence::new(hit.value, hit.rule.mask, key);
            FactHit {
                rule: &hit.rule.id,
                rule_version: hit.rule.version,
                category: hit.rule.category,
                type_name: &hit.rule.type_name,
                severity: hit.rule.severity,
                confidence: hit.confidence,
                direction: message.direction,
                role: message.role,
                part_kind: part.kind,
                message: hit.message,
                part: hit.part,
                start: scalars(part.text, hit.start),
                end: scalars(part.text, hit.end),
                masked: Cow::Owned(evidence.masked),
                hmac: evidence.hmac,
            }
        })
        .collect()
}
