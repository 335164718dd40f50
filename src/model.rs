//! The words of weir as types: an interaction as it is decoded, and what it turns into.
//!
//! An [`Interaction`] borrows from the event's payload and from an arena that is reset for each event; it never
//! leaves the loop's body. What may leave it is [`facts::Facts`]: ids, sizes, hashes and hits with masked
//! evidence. The text itself is [`Raw`], which can be neither printed nor serialised.
//!
//! This room does not decode, detect or judge, and it knows no rule but by its [`RuleInfo`].

pub mod codec;
pub mod evidence;
pub mod facts;
pub mod finding;
pub mod reject;
pub mod uid;

use std::fmt;

/// Text of an interaction. It derefs to nothing and has no `Debug`, `Display` or `Serialize`, so that it cannot
/// reach a log, an error, a metric or a topic by accident. Decoders make it, detection reads it, and
/// [`evidence::Evidence`] masks it; `tests/tidy.rs` keeps it so.
///
/// ```compile_fail
/// fn leak(text: weir::model::Raw<'_>) -> String { format!("{text:?}") }
/// ```
/// ```compile_fail
/// fn leak(text: weir::model::Raw<'_>) -> String { text.expose().to_string() }
/// ```
/// ```compile_fail
/// let made = weir::model::Raw::new("a secret");
/// ```
#[derive(Clone, Copy)]
pub struct Raw<'e>(&'e str);

impl<'e> Raw<'e> {
    /// Wraps decoded text. For decoders, and for what detection decodes further.
    pub(crate) fn new(text: &'e str) -> Self {
        Raw(text)
    }

    /// The text. For detection and masking only.
    pub(crate) fn expose(self) -> &'e str {
        self.0
    }

    /// A piece of the text, which is as raw as the whole. The range lies on characters' boundaries.
    pub(crate) fn slice(self, range: std::ops::Range<usize>) -> Raw<'e> {
        Raw(&self.0[range])
    }

    /// Length in bytes, which is no secret.
    pub fn len_bytes(self) -> usize {
        self.0.len()
    }
}

/// Where an event came from: the record's topic, partition and offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// One record of an input topic, as borrowed from the consumer.
#[derive(Clone, Copy)]
pub struct Event<'e> {
    pub position: Position<'e>,
    /// The record's Kafka timestamp in ms since the epoch, or [`Event::WITHOUT_TIMESTAMP`].
    pub timestamp_ms: i64,
    /// The record's value; `None` for a tombstone.
    pub payload: Option<&'e [u8]>,
    /// The header `weir-format`, else `content-type`, when it names a format.
    pub format_header: Option<&'e str>,
}

impl Event<'_> {
    /// What has no record's timestamp: lines of a file, and records of brokers older than 0.10. Nothing then bounds
    /// the event's own time.
    pub const WITHOUT_TIMESTAMP: i64 = 0;
}

/// A closed set that is stored by number and shown by name: declares the enum with `ALL`, `code`, `from_code`,
/// `name` and `from_name`.
macro_rules! closed_set {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $code:literal $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $code),+ }

        impl $name {
            /// Every member, in the order of their codes.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The number by which it is stored.
            pub fn code(self) -> u8 {
                self as u8
            }

            /// The member with this number.
            pub fn from_code(code: u8) -> Option<Self> {
                Self::ALL.iter().copied().find(|member| member.code() == code)
            }

            /// Its name in columns, alerts and configuration.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The member with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|member| member.name() == name)
            }

            /// As [`Self::from_name`]; the error says which names there are.
            pub fn named(name: &str) -> Result<Self, String> {
                Self::from_name(name).ok_or_else(|| {
                    let names: Vec<&str> = Self::ALL.iter().map(|member| member.name()).collect();
                    format!("expected one of {}", names.join(", "))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use closed_set;

closed_set! {
    /// To the model, or from it.
    Direction { Input = 1 "input", Output = 2 "output" }
}

closed_set! {
    /// Who speaks in a message.
    Role { System = 1 "system", User = 2 "user", Assistant = 3 "assistant", Tool = 4 "tool", Document = 5 "document" }
}

closed_set! {
    /// What a part of a message is.
    PartKind { Text = 1 "text", ToolCall = 2 "tool_call", ToolResult = 3 "tool_result", Blob = 4 "blob" }
}

closed_set! {
    /// What the capture point let through of the content.
    ContentState {
        Full = 1 "full",
        Truncated = 2 "truncated",
        Redacted = 3 "redacted_upstream",
        External = 4 "external_ref",
        Absent = 5 "absent",
    }
}

closed_set! {
    /// The kind of a principal, the most answerable first.
    PrincipalKind { User = 1 "user", Key = 2 "key", Workload = 3 "workload", Unknown = 4 "unknown" }
}

closed_set! {
    /// What a finding is about.
    Category {
        Secret = 1 "secret",
        Pii = 2 "pii",
        Injection = 3 "injection",
        Jailbreak = 4 "jailbreak",
        Exfiltration = 5 "exfiltration",
        Policy = 6 "policy",
        Anomaly = 7 "anomaly",
    }
}

closed_set! {
    /// OCSF's `severity_id`.
    Severity {
        Informational = 1 "informational",
        Low = 2 "low",
        Medium = 3 "medium",
        High = 4 "high",
        Critical = 5 "critical",
        Fatal = 6 "fatal",
    }
}

closed_set! {
    /// What was passed over in an event that could still be used. Stored as a bit set.
    Warning {
        BadTime = 0 "bad_time",
        TimeClamped = 1 "time_clamped",
        IdentifierCut = 2 "identifier_cut",
        BadField = 3 "bad_field",
        TooManyMessages = 4 "too_many_messages",
        TooManyParts = 5 "too_many_parts",
        UnknownRole = 6 "unknown_role",
        UnknownPart = 7 "unknown_part",
        NoPrincipal = 8 "no_principal",
        NoTokens = 9 "no_tokens",
        IdentifierMasked = 10 "identifier_masked",
        /// A streamed answer ends before its end.
        StreamTruncated = 11 "stream_truncated",
        /// A streamed answer ends in an error of the provider's.
        StreamError = 12 "stream_error",
        /// The provider was told to continue what it holds itself: earlier turns are not in the event.
        HistoryAbsent = 13 "history_absent",
        /// More may be hidden in the content than bounds allow to look through.
        LayersCut = 14 "layers_cut",
    }
}

closed_set! {
    /// What hid a value that was found, and was seen through. The names are in columns and alerts.
    Layer {
        Base64 = 1 "base64",
        Base64Url = 2 "base64url",
        Hex = 3 "hex",
        Percent = 4 "percent",
        /// `\u0041`, `\x41` and their like.
        Escape = 5 "escape",
        /// Character references of HTML and XML.
        Html = 6 "html",
        Rot13 = 7 "rot13",
        /// Compressed by gzip or zlib.
        Gzip = 8 "gzip",
        /// A string of JSON within a string: `\"`, `\/`, `\n`.
        Json = 9 "json",
        QuotedPrintable = 10 "quoted_printable",
        /// Cut into neighbouring string literals.
        Joined = 11 "joined",
        /// Cut by a line break.
        Wrapped = 12 "wrapped",
        /// A character, a blank, a character.
        Spaced = 13 "spaced",
        /// Invisible, joining, direction and tag characters.
        Invisible = 14 "invisible",
        /// Characters that look like others, or are other forms of them.
        LookAlike = 15 "look_alike",
    }
}

/// The [`Layer`]s that a value was under, the outermost first. At most as many as a value is looked for under; of
/// more the innermost are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Layers([u8; Layers::MAX]);

impl Layers {
    /// Most layers of one value. Several stand for one step where a text mixes its escapes.
    pub const MAX: usize = 8;

    /// Adds one within those that are there.
    pub fn push(&mut self, layer: Layer) {
        if let Some(free) = self.0.iter_mut().find(|code| **code == 0) {
            *free = layer.code();
        }
    }

    /// From the outermost to the innermost.
    pub fn iter(self) -> impl Iterator<Item = Layer> {
        self.0.into_iter().map_while(Layer::from_code)
    }

    /// Whether the value stood as it is.
    pub fn is_empty(self) -> bool {
        self.0[0] == 0
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Their codes, for encoding.
    pub(super) fn codes(&self) -> &[u8] {
        &self.0[..self.len()]
    }

    /// From their codes; `None` for codes or more of them than this version knows.
    pub(super) fn from_codes(codes: &[u8]) -> Option<Self> {
        let mut layers = Layers::default();
        if codes.len() > Layers::MAX {
            return None;
        }
        codes.iter().try_for_each(|&code| Layer::from_code(code).map(|layer| layers.push(layer)))?;
        Some(layers)
    }
}

/// `base64 > gzip`; nothing for none.
impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().enumerate().try_for_each(|(index, layer)| {
            f.write_str(if index == 0 { "" } else { " > " })?;
            f.write_str(layer.name())
        })
    }
}

/// A set of [`Warning`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warnings(pub u32);

impl Warnings {
    /// Adds one.
    pub fn add(&mut self, warning: Warning) {
        self.0 |= 1 << warning.code();
    }

    /// The warnings that were raised.
    pub fn iter(self) -> impl Iterator<Item = Warning> {
        Warning::ALL.iter().copied().filter(move |warning| self.0 & 1 << warning.code() != 0)
    }
}

/// How sure a finding is, in thousandths, so that arithmetic on it is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Confidence(u16);

impl Confidence {
    /// From thousandths; more than 1,000 is 1,000.
    pub fn from_permille(permille: u16) -> Self {
        Confidence(permille.min(1_000))
    }

    /// In thousandths.
    pub fn permille(self) -> u16 {
        self.0
    }

    /// As a share of one.
    pub fn as_f32(self) -> f32 {
        f32::from(self.0) / 1_000.0
    }

    /// Whether it is reported, or only counted.
    pub fn is_reported(self) -> bool {
        self.0 >= crate::limits::REPORT_CONFIDENCE_PERMILLE
    }
}

/// Who is answerable for a call. Its key in topics and state is `kind:value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal<'a> {
    pub kind: PrincipalKind,
    pub value: &'a str,
}

impl Principal<'_> {
    /// Appends `kind:value`.
    pub fn write_key(&self, out: &mut String) {
        out.push_str(self.kind.name());
        out.push(':');
        out.push_str(self.value);
    }
}

impl fmt::Display for Principal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

/// Where a call went, as far as the capture point reports it; an empty string is "not reported".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destination<'a> {
    /// Host name, without port.
    pub host: &'a str,
    /// 0 when not reported.
    pub port: u16,
    /// `https`, `http`, …
    pub scheme: &'a str,
    /// `1.3`, `1.2`, …
    pub tls_version: &'a str,
}

/// One LLM call decoded from an event.
pub struct Interaction<'e> {
    pub position: Position<'e>,
    /// Its place among the interactions of the event, from 0.
    pub index: u32,
    /// The source's own id of the call (response id, request id); may be empty.
    pub source_id: &'e str,
    /// The conversation, session or trace that it belongs to; may be empty.
    pub conversation: &'e str,
    /// Event time in ms since the epoch, clamped to the record's timestamp (limits.rs).
    pub time_ms: i64,
    pub principal: Principal<'e>,
    /// The calling service.
    pub application: &'e str,
    pub provider: &'e str,
    pub model: &'e str,
    pub destination: Destination<'e>,
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    /// HTTP status of the call; 0 when not reported.
    pub status: u16,
    pub latency_ms: Option<u32>,
    pub content_state: ContentState,
    pub warnings: Warnings,
    pub messages: bumpalo::collections::Vec<'e, Message<'e>>,
}

/// A turn of an interaction.
pub struct Message<'e> {
    pub direction: Direction,
    pub role: Role,
    pub parts: bumpalo::collections::Vec<'e, Part<'e>>,
}

/// A piece of a message.
pub struct Part<'e> {
    pub kind: PartKind,
    /// Name of the tool of a call or a result; may be empty.
    pub name: &'e str,
    /// What was said; of a blob nothing but what is text.
    pub text: Raw<'e>,
    /// Size of the content as captured, in bytes; of a blob the blob's.
    pub bytes: u64,
}

/// How the evidence of a rule is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// First four and last four characters of values of at least 16; less of shorter ones.
    Ends,
    /// Last four only, of digits (cards, account numbers).
    LastFour,
    /// First character and the domain's last label of an address.
    Email,
    /// Nothing of the value, only its length: passwords, private keys, whole sentences.
    Length,
}

/// What the rest of weir knows of a rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// `secret.aws_access_key`
    pub id: String,
    /// Goes up whenever the rule's meaning changes.
    pub version: u32,
    pub category: Category,
    /// What was found: `AWS_ACCESS_KEY`, `CREDIT_CARD`, … (Presidio's entity name where it has one).
    pub type_name: String,
    pub severity: Severity,
    pub mask: Mask,
}

/// A rule matched in a part; not yet judged.
#[derive(Clone, Copy)]
pub struct Hit<'e> {
    pub rule: &'e RuleInfo,
    /// Index into [`Interaction::messages`].
    pub message: u32,
    /// Index into [`Message::parts`].
    pub part: u32,
    /// Byte range of the value in the part's text; of a value under layers, of what encodes it.
    pub start: u32,
    /// End of the range, exclusive.
    pub end: u32,
    /// The value, as it is under its layers.
    pub value: Raw<'e>,
    pub confidence: Confidence,
    /// What it was found under.
    pub layers: Layers,
}

/// What detection found in one interaction.
#[derive(Default)]
pub struct Hits<'e> {
    /// By message, part, start, end and rule; at most `limits::HITS_PER_INTERACTION`.
    pub hits: Vec<Hit<'e>>,
    /// How many more there were.
    pub dropped: u32,
    /// Whether more may be hidden in the content than was looked through.
    pub layers_cut: bool,
}
