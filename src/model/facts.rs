//! What is left of an interaction once the text is gone: the record of weir.facts.
//!
//! Facts are a pure function of the event, the packs and the key. They hold ids, sizes, hashes and hits with
//! masked evidence, in 200–400 bytes; a golden test pins those bytes. A reader takes its own version of the encoding
//! and the one before, and refuses every other, so that a new producer never makes an old reader guess.

use super::codec::{CodecError, Reader, Writer};
use super::evidence::{Evidence, MaskKey, scalars};
use super::{
    Category, Confidence, ContentState, Destination, Direction, Hit, Hits, Interaction, Layers, PartKind, Position,
    Principal, PrincipalKind, Role, Severity, Warning, Warnings,
};
use crate::limits;
use std::borrow::Cow;

/// The version that is written. It and the one before, whose hits have no layers, are read.
pub const VERSION: u8 = 2;

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
    /// Range in the part's text in Unicode scalars, end exclusive; of a value under layers, of what encodes it.
    pub start: u32,
    pub end: u32,
    /// The value as far as it may be shown.
    pub masked: Cow<'a, str>,
    /// Keyed hash of the value; all zero without a key.
    pub hmac: [u8; 16],
    /// What it was found under.
    pub layers: Layers,
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
        let mut warnings = interaction.warnings;
        if hits.layers_cut {
            warnings.add(Warning::LayersCut);
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
            warnings,
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
        let version = if bytes.first() == Some(&(VERSION - 1)) { VERSION - 1 } else { VERSION };
        let mut r = Reader::versioned(bytes, version)?;
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
            facts.hits.push(FactHit::decode(&mut r, version)?);
        }
        r.finish()?;
        Ok(facts)
    }
}

impl<'a> FactHit<'a> {
    /// The least bytes that an encoded hit takes: 30 with every text empty and every number small, and in version 2
    /// one more.
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
        w.bytes(self.layers.codes());
    }

    fn decode(r: &mut Reader<'a>, version: u8) -> Result<Self, CodecError> {
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
            layers: match version {
                ..2 => Layers::default(),
                _ => Layers::from_codes(r.bytes()?).ok_or(CodecError::Invalid("layers"))?,
            },
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
                layers: hit.layers,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Layer;
    use super::*;
    use proptest::prelude::*;

    fn example() -> Facts<'static> {
        Facts {
            position: Position { topic: "llm.events", partition: 3, offset: 912 },
            index: 1,
            timestamp_ms: 1_764_061_200_000,
            time_ms: 1_764_061_199_500,
            source_id: "chatcmpl-7",
            conversation: "c-9",
            principal: Principal { kind: PrincipalKind::User, value: "ada" },
            application: "helpdesk",
            provider: "openai",
            model: "gpt-5",
            destination: Destination { host: "api.openai.com", port: 443, scheme: "https", tls_version: "1.3" },
            input_tokens: Some(120),
            output_tokens: None,
            status: 200,
            latency_ms: Some(850),
            content_state: ContentState::Full,
            warnings: Warnings(1 << 9),
            messages: 2,
            input_bytes: 2_048,
            output_bytes: 300,
            part_hashes: vec![[7; 16]],
            key_id: "1f2e3d4c",
            hits: vec![FactHit {
                rule: "secret.aws_access_key",
                rule_version: 2,
                category: Category::Secret,
                type_name: "AWS_ACCESS_KEY",
                severity: Severity::High,
                confidence: Confidence::from_permille(950),
                direction: Direction::Input,
                role: Role::User,
                part_kind: PartKind::Text,
                message: 0,
                part: 0,
                start: 14,
                end: 34,
                masked: Cow::Borrowed("AKIA********2MND"),
                hmac: [9; 16],
                layers: Layers::default(),
            }],
            hits_dropped: 300,
        }
    }

    fn encoded(facts: &Facts<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        facts.encode(&mut bytes);
        bytes
    }

    #[test]
    fn its_bytes_are_fixed() {
        let hex: String = encoded(&example()).iter().map(|byte| format!("{byte:02x}")).collect();
        let golden = concat!(
            "020a6c6c6d2e6576656e74730390070180faeda3d76698f2eda3d7660a63686174636d706c2d3703632d390103616461",
            "0868656c706465736b066f70656e6169056770742d350e6170692e6f70656e61692e636f6dbb0305687474707303312e",
            "337900c801d306018004028010ac020831663265336434630107070707070707070707070707070707ac020115736563",
            "7265742e6177735f6163636573735f6b657902010e4157535f4143434553535f4b455904b60701020100000e2210414b",
            "49412a2a2a2a2a2a2a2a324d4e440909090909090909090909090909090900",
        );
        assert_eq!(hex, golden, "a changed encoding is a new VERSION");
    }

    /// Facts that a weir of before left on the topic.
    #[test]
    fn version_1_is_read() {
        let mut bytes = encoded(&example());
        bytes[0] = 1;
        bytes.pop();
        assert_eq!(Facts::decode(&bytes), Ok(example()));
    }

    #[test]
    fn layers_come_back_in_their_order() {
        let mut facts = example();
        for layer in [Layer::Base64, Layer::Gzip, Layer::Base64] {
            facts.hits[0].layers.push(layer);
        }
        assert_eq!(facts.hits[0].layers.to_string(), "base64 > gzip > base64");
        let mut bytes = encoded(&facts);
        assert_eq!(Facts::decode(&bytes), Ok(facts));
        *bytes.last_mut().unwrap() = 99;
        assert_eq!(Facts::decode(&bytes), Err(CodecError::Invalid("layers")));
    }

    #[test]
    fn another_version_is_refused() {
        let mut bytes = encoded(&example());
        bytes[0] = VERSION + 1;
        assert_eq!(Facts::decode(&bytes), Err(CodecError::Version { found: VERSION + 1, known: VERSION }));
        assert_eq!(Facts::decode(&[]), Err(CodecError::Truncated));
    }

    proptest! {
        #[test]
        fn it_comes_back(
            offset in 0..i64::MAX, time_ms: i64, name: String, tokens in proptest::option::of(0..u64::MAX - 1),
            hashes in proptest::collection::vec(any::<[u8; 16]>(), 0..4), hits in 0usize..4, confidence in 0u16..=1_000,
        ) {
            let mut facts = example();
            facts.position.offset = offset;
            facts.time_ms = time_ms;
            facts.application = &name;
            facts.input_tokens = tokens;
            facts.part_hashes = hashes;
            let mut hit = facts.hits[0].clone();
            hit.confidence = Confidence::from_permille(confidence);
            hit.masked = Cow::Borrowed(&name);
            facts.hits = vec![hit; hits];
            let bytes = encoded(&facts);
            prop_assert_eq!(Facts::decode(&bytes), Ok(facts));
            // Every shorter record is refused, and so is a longer one.
            for end in 0..bytes.len() {
                prop_assert!(Facts::decode(&bytes[..end]).is_err());
            }
            let longer = [&bytes[..], &[0]].concat();
            prop_assert_eq!(Facts::decode(&longer), Err(CodecError::Trailing(1)));
        }

        #[test]
        fn foreign_bytes_are_refused_without_a_panic(mut bytes: Vec<u8>) {
            let _ = Facts::decode(&bytes);
            bytes.insert(0, VERSION);
            let _ = Facts::decode(&bytes);
        }
    }
}
