//! Bounds that more than one room needs, each with its reason.
//!
//! A bound that a single room needs stands in that room. Units come last in a name. Relations between
//! bounds are checked when the crate is compiled. Nothing here is read from a file: what a user may change
//! is in the configuration, which is checked against these.

/// Largest event that is decoded unless the configuration says otherwise, in bytes of its value. Kafka's usual
/// `message.max.bytes` is 1 MiB; gateways that log whole conversations raise it to a few.
pub const EVENT_MAX_BYTES: usize = 4 << 20;

/// What a configuration may raise [`EVENT_MAX_BYTES`] to. Detect works through an event between two polls and holds
/// what it found in the open transaction: this much is well below a second and some hundred MiB at the very worst.
pub const EVENT_CEILING_BYTES: usize = 16 << 20;

/// What a configuration may lower [`EVENT_MAX_BYTES`] to: below it nearly every call would be a dead letter.
pub const EVENT_FLOOR_BYTES: usize = 1 << 10;

/// Most interactions that one event may carry unless the configuration says otherwise. OTLP batches carry tens; a
/// thousand bounds what one record costs.
pub const INTERACTIONS_PER_EVENT: usize = 1_000;

/// What a configuration may raise [`INTERACTIONS_PER_EVENT`] to.
pub const INTERACTIONS_CEILING: usize = 10_000;

/// Most messages of one interaction. Agents resend long histories; past this the rest is not looked at,
/// and the interaction says so.
pub const MESSAGES_PER_INTERACTION: usize = 4_096;

/// Most parts of one message.
pub const PARTS_PER_MESSAGE: usize = 1_024;

/// Deepest JSON that is read. serde_json refuses at 128 by itself; real captures stay below 20.
pub const JSON_DEPTH: usize = 64;

/// Longest identifier that is kept (principal, application, model, host, ids), in bytes. Longer ones are cut
/// at a character and end in `…`: identifiers are metadata, and no place for content.
pub const IDENTIFIER_MAX_BYTES: usize = 256;

/// Longest word of a small vocabulary that is kept (a URL's scheme, a version of TLS), in bytes. Such words are shorter,
/// and tokens are longer; what is longer is dropped whole, for rules do not look at these words.
pub const WORD_MAX_BYTES: usize = 16;

/// Most hits of one interaction that travel in its facts. The rest is counted in `hits_dropped`: a file with
/// 10,000 card numbers is one incident, not 10,000.
pub const HITS_PER_INTERACTION: usize = 128;

/// How many layers of encoding are undone one within the other. Each is another look at what came out; whoever hides
/// something from people or filters uses one or two, and a fourth is as well any other cipher.
pub const LAYER_DEPTH: usize = 3;

/// How much text may be made of one interaction by undoing layers, in bytes for each byte of its texts. Every way to
/// hide something and three layers of base64 take less than twice; the rest is for what was compressed. It bounds what a
/// decompression bomb can cost to a few times what its own bytes cost.
pub const LAYERED_BYTES_PER_BYTE: usize = 4;

/// What an interaction may have beyond that, in bytes, so that short texts can hold compressed ones. An event has at most
/// [`INTERACTIONS_PER_EVENT`] of them.
pub const LAYERED_BYTES_MIN: usize = 64 << 10;

/// Most texts that are made of one part by undoing layers. Each costs a scan of its own; real documents have hundreds of
/// encoded runs that are text.
pub const LAYERED_TEXTS_PER_PART: usize = 16 << 10;

/// Most hits under layers of one part. Far more than an interaction may keep, so that the most telling are among them.
pub const LAYERED_HITS_PER_PART: usize = 4_096;

/// Most part hashes that travel in facts.
pub const PART_HASHES_PER_INTERACTION: usize = 64;

/// Largest record that weir writes to a topic of its own, in bytes. weir's topics take 1 MiB; the rest is room
/// for headers and framing. A larger one would fail its transaction, and every repetition of it.
pub const RECORD_MAX_BYTES: usize = 900 << 10;

/// How far ahead of the record's Kafka timestamp an event's own time may be, in ms.
pub const CLOCK_AHEAD_MS: i64 = 10 * 60 * 1_000;

/// How far behind the record's Kafka timestamp an event's own time may be, in ms.
pub const CLOCK_BEHIND_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// Findings below this confidence (in thousandths) are neither stored nor alerted nor printed, only counted.
pub const REPORT_CONFIDENCE_PERMILLE: u16 = 500;

/// Most principals whose state one partition of weir.facts keeps; further ones share a bucket per application.
/// At 1 KiB each this is 256 MiB a partition at the very worst.
pub const PRINCIPALS_PER_PARTITION: usize = 250_000;

/// Most alert throttles that one principal's state keeps. The oldest goes first.
pub const THROTTLES_PER_PRINCIPAL: usize = 32;

/// librdkafka's fetch buffer of one consumer, in KiB: the only queue between Kafka and a loop.
pub const FETCH_BUFFER_KIB: usize = 8 << 10;

/// When the store loop inserts a group unless the configuration says otherwise: at so many bytes (compressed), or at
/// the age of [`GROUP_MAX_AGE_MS`].
pub const GROUP_MAX_BYTES: usize = 8 << 20;
/// See [`GROUP_MAX_BYTES`].
pub const GROUP_MAX_AGE_MS: u64 = 1_000;

/// What a configuration may set [`GROUP_MAX_BYTES`] to. A group is held twice while it is sent, for each partition of
/// the outbox; and below the size of a block every record would be a group.
pub const GROUP_BYTES: std::ops::RangeInclusive<usize> = 64 << 10..=64 << 20;

/// What a configuration may set [`GROUP_MAX_AGE_MS`] to. A shorter one only makes more parts to merge; a longer one
/// keeps rows back for no gain, since the size is what completes a group under load.
pub const GROUP_AGE_MS: std::ops::RangeInclusive<u64> = 50..=60_000;

/// How long a loop may go without a poll before librdkafka leaves the group for it, in ms. One event's work is bounded;
/// a restore of a large state is what takes longest between two polls.
pub const POLL_INTERVAL_MAX_MS: u64 = 120_000;

/// What a configuration may set a session's timeout to, in ms. The least is what brokers take by default
/// (`group.min.session.timeout.ms`); they would take 30 minutes, but librdkafka makes no consumer whose session is
/// longer than its poll interval.
pub const SESSION_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 6_000..=POLL_INTERVAL_MAX_MS;

/// Most metadata that Kafka keeps with a committed offset, in bytes (`offset.metadata.max.bytes` less one).
pub const OFFSET_METADATA_MAX_BYTES: usize = 4_095;

/// How long a transaction may stay open before the broker aborts it, in ms.
pub const TRANSACTION_TIMEOUT_MS: u64 = 10_000;

/// How long a restore waits for a predecessor's transaction to be decided, in ms.
pub const RESTORE_WAIT_MS: u64 = TRANSACTION_TIMEOUT_MS + 20_000;

const _: () = assert!(RECORD_MAX_BYTES < 1 << 20);
const _: () = assert!(EVENT_FLOOR_BYTES <= EVENT_MAX_BYTES && EVENT_MAX_BYTES <= EVENT_CEILING_BYTES);
const _: () = assert!(INTERACTIONS_PER_EVENT <= INTERACTIONS_CEILING);
const _: () = assert!(*GROUP_BYTES.start() <= GROUP_MAX_BYTES && GROUP_MAX_BYTES <= *GROUP_BYTES.end());
const _: () = assert!(*GROUP_AGE_MS.start() <= GROUP_MAX_AGE_MS && GROUP_MAX_AGE_MS <= *GROUP_AGE_MS.end());
const _: () = assert!(HITS_PER_INTERACTION < LAYERED_HITS_PER_PART);
const _: () = assert!(REPORT_CONFIDENCE_PERMILLE <= 1_000);
const _: () = assert!(HITS_PER_INTERACTION * 512 < RECORD_MAX_BYTES, "facts of one interaction fit a record");
