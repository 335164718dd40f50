//! Raw captures of calls: `{request, response}` as they went over the wire, with siblings that the capture point adds
//! (`host`, `headers`, `time`, `application`, `principal`, `status`, `latency_ms`). One of the two bodies by itself
//! will do, and so will a stream by itself.
//!
//! Either body may be a string of JSON, as taps that log bodies write it; a response may be a stream
//! (`decode/stream.rs`). Which dialect a call speaks is told by the keys of its answer, else by those of its request;
//! the provider by the host, since many vendors speak another's dialect. Of the headers only organisation and project
//! are read, whatever else they hold.
//!
//! What the bodies say is read by `chat`, `responses` and `anthropic`; here is what they have in common.

use bumpalo::collections::Vec as ArenaVec;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::context::{Context, Named};
use super::json::{Key, Keys, Leaf, List, Outline, Value, outline, parse, unescape};
use super::stream::Chunks;
use super::{Format, anthropic, chat, responses};
use crate::model::reject::{Reason, Reject};
use crate::model::{Interaction, Message, Warning};

/// How many chunks of a stream are asked for their dialect: the first one tells, unless it is a comment or an error.
const CHUNKS_ASKED: usize = 16;

/// Types of chunks of Anthropic Messages, by how they begin. Those of Responses begin with `response.`.
const ANTHROPIC_CHUNKS: [&str; 3] = ["message_", "content_block_", "ping"];

/// Hosts of vendors, by the end of their names.
const PROVIDERS: [(&str, &str); 14] = [
    ("openai.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("api.openai.com", "openai"),
    ("api.anthropic.com", "anthropic"),
    ("amazonaws.com", "aws.bedrock"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("api.deepseek.com", "deepseek"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.moonshot.ai", "moonshot_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.x.ai", "x_ai"),
    ("api.cohere.com", "cohere"),
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Capture<'e> {
    #[serde(borrow)]
    request: Leaf<'e>,
    #[serde(borrow)]
    response: Leaf<'e>,
    #[serde(borrow)]
    host: Leaf<'e>,
    #[serde(borrow)]
    headers: Leaf<'e>,
    #[serde(borrow)]
    time: Leaf<'e>,
    #[serde(borrow)]
    application: Leaf<'e>,
    #[serde(borrow)]
    principal: Leaf<'e>,
    #[serde(borrow)]
    status: Leaf<'e>,
    #[serde(borrow)]
    latency_ms: Leaf<'e>,
}

/// What came back.
pub(super) enum Answer<'e> {
    Absent,
    /// The JSON of an object.
    Body(&'e str),
    Stream(Chunks<'e>),
    /// Something that could not be read.
    Lost,
}

/// What a dialect makes of a request and its answer.
pub(super) struct Call<'e> {
    pub id: Leaf<'e>,
    pub created: Leaf<'e>,
    /// The model that answered, and the one that was asked for.
    pub models: [Leaf<'e>; 2],
    /// Who the request says it is for; the first that is named.
    pub users: [Leaf<'e>; 2],
    pub conversation: Leaf<'e>,
    pub usage: Usage<'e>,
    /// The provider, when the host does not tell.
    pub vendor: &'static str,
    pub messages: ArenaVec<'e, Message<'e>>,
}

/// Tokens as each dialect counts them.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage<'e> {
    #[serde(borrow)]
    prompt_tokens: Leaf<'e>,
    #[serde(borrow)]
    completion_tokens: Leaf<'e>,
    #[serde(borrow)]
    input_tokens: Leaf<'e>,
    #[serde(borrow)]
    output_tokens: Leaf<'e>,
    /// Anthropic alone leaves these two out of its `input_tokens`.
    #[serde(borrow)]
    cache_creation_input_tokens: Leaf<'e>,
    #[serde(borrow)]
    cache_read_input_tokens: Leaf<'e>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Chat,
    Responses,
    Anthropic,
}

/// Whether an event's keys are those of a capture, or of a body by itself.
pub(super) fn is_known(keys: Keys) -> bool {
    keys.has(Key::Request) || keys.has(Key::Response) || is_answer(keys) || is_request(keys)
}

fn is_answer(keys: Keys) -> bool {
    answered_in(keys).is_some_and(|dialect| match dialect {
        Dialect::Chat => keys.has(Key::Object) || keys.has(Key::Model),
        Dialect::Responses => keys.has(Key::Object),
        Dialect::Anthropic => true,
    })
}

fn is_request(keys: Keys) -> bool {
    keys.has(Key::Model) && [Key::Messages, Key::Input, Key::Prompt].iter().any(|key| keys.has(*key))
}

/// Decodes a capture, or a body by itself.
pub(super) fn decode<'e>(
    text: &'e str,
    seen: &Outline,
    format: Format,
    context: &mut Context<'e>,
) -> Result<Interaction<'e>, Reject> {
    let keys = seen.keys;
    if keys.has(Key::Request) || keys.has(Key::Response) {
        let capture: Capture<'e> = parse(text)?;
        return interaction(capture, [seen.request, seen.response], format, context);
    }
    let none = Keys::default();
    if is_answer(keys) {
        let capture = Capture { response: parse(text)?, ..Capture::default() };
        return interaction(capture, [none, keys], format, context);
    }
    let capture = Capture { request: parse(text)?, ..Capture::default() };
    interaction(capture, [keys, none], format, context)
}

/// Decodes a stream by itself.
pub(super) fn decode_stream<'e>(
    chunks: Chunks<'e>,
    format: Format,
    context: &mut Context<'e>,
) -> Result<Interaction<'e>, Reject> {
    let answer = Answer::Stream(chunks);
    assemble(Capture::default(), (Ok(None), Keys::default()), (answer, Keys::default()), format, context)
}

fn interaction<'e>(
    capture: Capture<'e>,
    keys: [Keys; 2],
    format: Format,
    context: &mut Context<'e>,
) -> Result<Interaction<'e>, Reject> {
    let request = request_of(capture.request, keys[0], context);
    let answer = answer_of(capture.response, keys[1], context);
    assemble(capture, request, answer, format, context)
}

/// Puts the interaction together. A request that cannot be read does not cost the answer, nor the answer the request.
fn assemble<'e>(
    capture: Capture<'e>,
    (request, asked): (Result<Option<&'e str>, Reject>, Keys),
    (answer, answered): (Answer<'e>, Keys),
    format: Format,
    context: &mut Context<'e>,
) -> Result<Interaction<'e>, Reject> {
    let host = context.text(capture.host).unwrap_or_default();
    let destination = context.destination(host);
    if request.is_err() || matches!(answer, Answer::Lost) {
        context.lose(Warning::BadField);
    }
    let (body, fault) = match request {
        Ok(body) => (body, None),
        Err(fault) => (None, Some(fault)),
    };
    let call = match dialect(format, destination.host, asked, (&answer, answered)) {
        Dialect::Chat => chat::read(body, answer, context),
        Dialect::Responses => responses::read(body, answer, context),
        Dialect::Anthropic => anthropic::read(body, answer, context),
    };
    if call.messages.is_empty() {
        let detail = "neither the request nor the response holds a message of Chat Completions, Responses or Anthropic";
        return Err(fault.unwrap_or_else(|| Reject::new(Reason::NoInteraction, detail)));
    }
    let application = context.application(capture.application);
    let named = named(capture.principal, capture.headers, call.users, context);
    let [input_tokens, output_tokens] = call.usage.tokens(context);
    Ok(Interaction {
        position: context.event.position,
        index: context.index,
        source_id: context.identifier(call.id),
        conversation: context.identifier(call.conversation),
        time_ms: context.time(&[capture.time, call.created]),
        principal: context.principal(named, application),
        application,
        provider: provider(destination.host).unwrap_or(call.vendor),
        model: first_named(call.models, context),
        destination,
        input_tokens,
        output_tokens,
        status: context.small(capture.status).unwrap_or(0),
        latency_ms: context.small(capture.latency_ms),
        content_state: context.content_state(&call.messages),
        // Last: reading the fields above adds to it.
        warnings: context.warnings,
        messages: call.messages,
    })
}

/// The JSON of a request, which is an object or a string that holds one, and its keys. Anything else is noted and
/// passed over.
fn request_of<'e>(leaf: Leaf<'e>, keys: Keys, context: &mut Context<'e>) -> (Result<Option<&'e str>, Reject>, Keys) {
    let none = Keys::default();
    match leaf.value() {
        Value::Absent => (Ok(None), none),
        Value::Object(json) => (Ok(Some(json)), keys),
        Value::Text(token) => {
            let json = unescape(token, context.arena);
            let seen = outline(json);
            let read = seen.check_depth().and_then(|()| parse::<Leaf<'e>>(json)).map(|_| Some(json));
            let named = |reject: Reject| Reject { detail: format!("in `request`: {}", reject.detail), ..reject };
            (read.map_err(named), seen.keys)
        }
        _ => {
            context.lose(Warning::BadField);
            (Ok(None), none)
        }
    }
}

/// The answer and its keys, if it is an object.
fn answer_of<'e>(leaf: Leaf<'e>, keys: Keys, context: &mut Context<'e>) -> (Answer<'e>, Keys) {
    let none = Keys::default();
    match leaf.value() {
        Value::Absent => (Answer::Absent, none),
        Value::Object(json) => (Answer::Body(json), keys),
        Value::Array(json) => (Answer::Stream(Chunks::of_array(json, context)), none),
        Value::Text(token) => {
            let text = unescape(token, context.arena).trim_start_matches('\u{feff}').trim_ascii();
            let seen = outline(text);
            match text {
                "" => (Answer::Absent, none),
                // The lists of chunks were written as a string too.
                _ if seen.is_whole(text) && text.starts_with('[') => {
                    (Answer::Stream(Chunks::of_array(text, context)), none)
                }
                _ if seen.is_whole(text) && text.starts_with('{') && seen.check_depth().is_ok() => {
                    (Answer::Body(text), seen.keys)
                }
                _ => (Answer::Stream(Chunks::of_text(text, context.arena)), none),
            }
        }
        _ => (Answer::Lost, none),
    }
}

/// A body, or an object with content in it. Of one that cannot be read nothing is left, and the interaction says so.
pub(super) fn body_of<'e, T: Deserialize<'e> + Default>(json: Option<&'e str>, context: &mut Context<'e>) -> T {
    let Some(json) = json else { return T::default() };
    parse(json).unwrap_or_else(|_| {
        context.lose(Warning::BadField);
        T::default()
    })
}

/// An object without content; one that cannot be read is noted and gives nothing.
pub(super) fn object_of<'e, T: Deserialize<'e> + Default>(json: Option<&'e str>, context: &mut Context<'e>) -> T {
    let Some(json) = json else { return T::default() };
    parse(json).unwrap_or_else(|_| context.bad_field().unwrap_or_default())
}

fn dialect<'e>(format: Format, host: &str, asked: Keys, (answer, answered): (&Answer<'e>, Keys)) -> Dialect {
    let told = match answer {
        Answer::Body(_) => answered_in(answered),
        Answer::Stream(chunks) => chunks.clone().take(CHUNKS_ASKED).find_map(streamed_in),
        Answer::Absent | Answer::Lost => None,
    };
    let told = told.or_else(|| asked_in(asked, host));
    match (format, told) {
        (Format::Anthropic, _) => Dialect::Anthropic,
        (Format::OpenAi, Some(Dialect::Anthropic)) | (_, None) => Dialect::Chat,
        (_, Some(dialect)) => dialect,
    }
}

/// The dialect of an answer with these keys.
fn answered_in(keys: Keys) -> Option<Dialect> {
    let has_all = |wanted: &[Key]| wanted.iter().all(|key| keys.has(*key));
    if keys.has(Key::Choices) {
        return Some(Dialect::Chat);
    }
    if keys.has(Key::Output) {
        return Some(Dialect::Responses);
    }
    has_all(&[Key::Content, Key::Role, Key::Type]).then_some(Dialect::Anthropic)
}

/// The dialect of a request with these keys.
fn asked_in(keys: Keys, host: &str) -> Option<Dialect> {
    if keys.has(Key::Messages) {
        let is_anthropic =
            keys.has(Key::System) || keys.has(Key::AnthropicVersion) || provider(host) == Some("anthropic");
        return Some(if is_anthropic { Dialect::Anthropic } else { Dialect::Chat });
    }
    keys.has(Key::Input).then_some(Dialect::Responses)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tag<'e> {
    #[serde(borrow, rename = "type")]
    kind: Leaf<'e>,
    #[serde(borrow)]
    object: Leaf<'e>,
}

/// The dialect of a chunk; an error or a comment does not tell.
fn streamed_in(chunk: &str) -> Option<Dialect> {
    let keys = outline(chunk).keys;
    if keys.has(Key::Choices) {
        return Some(Dialect::Chat);
    }
    if !keys.has(Key::Type) {
        return None;
    }
    let tag: Tag<'_> = parse(chunk).ok()?;
    let kind = tag.kind.json().trim_start_matches('"');
    if kind.starts_with("response.") {
        return Some(Dialect::Responses);
    }
    ANTHROPIC_CHUNKS.iter().any(|start| kind.starts_with(start)).then_some(Dialect::Anthropic)
}

/// Whether an object is a piece of a streamed answer, and not one by itself.
pub(super) fn is_chunk(json: &str) -> bool {
    if outline(json).keys.has(Key::Choices) {
        let tag: Tag<'_> = parse(json).unwrap_or_default();
        return tag.object.json() == "\"chat.completion.chunk\"";
    }
    streamed_in(json).is_some()
}

impl<'e> Call<'e> {
    /// A call of which nothing is known but whose dialect it speaks.
    pub(super) fn by(vendor: &'static str, context: &Context<'e>) -> Self {
        let none = Leaf::default();
        Call {
            id: none,
            created: none,
            models: [none; 2],
            users: [none; 2],
            conversation: none,
            usage: Usage::default(),
            vendor,
            messages: context.list(0),
        }
    }
}

impl<'e> Usage<'e> {
    pub(super) fn of(leaf: Leaf<'e>, context: &mut Context<'e>) -> Self {
        match leaf.value() {
            Value::Absent => Usage::default(),
            Value::Object(json) => object_of(Some(json), context),
            _ => context.bad_field().unwrap_or_default(),
        }
    }

    /// Takes over what a later chunk counts: its numbers are totals.
    pub(super) fn update(&mut self, later: Usage<'e>) {
        let Usage {
            prompt_tokens,
            completion_tokens,
            input_tokens,
            output_tokens,
            cache_creation_input_tokens,
            cache_read_input_tokens,
        } = later;
        self.prompt_tokens = prompt_tokens.or(self.prompt_tokens);
        self.completion_tokens = completion_tokens.or(self.completion_tokens);
        self.input_tokens = input_tokens.or(self.input_tokens);
        self.output_tokens = output_tokens.or(self.output_tokens);
        self.cache_creation_input_tokens = cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = cache_read_input_tokens.or(self.cache_read_input_tokens);
    }

    /// Tokens in, those of caches with them, and out.
    fn tokens(self, context: &mut Context<'e>) -> [Option<u64>; 2] {
        let cached = [self.cache_creation_input_tokens, self.cache_read_input_tokens];
        let cached = cached.map(|leaf| context.number(leaf).unwrap_or(0));
        let input = context.number(self.prompt_tokens.or(self.input_tokens));
        let output = context.number(self.completion_tokens.or(self.output_tokens));
        if input.or(output).is_none() {
            context.warn(Warning::NoTokens);
        }
        [input.map(|input| cached.into_iter().fold(input, u64::saturating_add)), output]
    }
}

fn first_named<'e>(leaves: [Leaf<'e>; 2], context: &mut Context<'e>) -> &'e str {
    let names = leaves.map(|leaf| context.identifier(leaf));
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}

/// Who the capture point says it was, else who the request says, else whose account it went to.
fn named<'e>(principal: Leaf<'e>, headers: Leaf<'e>, users: [Leaf<'e>; 2], context: &mut Context<'e>) -> Named<'e> {
    let mut named = Named::read(principal, context);
    let is_told = [named.user, named.key, named.workload].iter().any(|value| !value.is_empty());
    if is_told {
        return named;
    }
    named.user = first_named(users, context);
    named.key = account(headers, context);
    named
}

/// The organisation, else the project, of the request's headers.
fn account<'e>(headers: Leaf<'e>, context: &mut Context<'e>) -> &'e str {
    let Value::Object(json) = headers.value() else {
        if !headers.is_absent() {
            context.warn(Warning::BadField);
        }
        return "";
    };
    let Ok(headers) = parse::<BTreeMap<String, Leaf<'e>>>(json) else {
        return context.bad_field().unwrap_or_default();
    };
    for wanted in ["openai-organization", "openai-project"] {
        if let Some((_, value)) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)) {
            let account = context.identifier(first(*value));
            if !account.is_empty() {
                return account;
            }
        }
    }
    ""
}

/// A header's value; some taps write an array of them.
fn first<'e>(value: Leaf<'e>) -> Leaf<'e> {
    let Value::Array(json) = value.value() else { return value };
    let values: List<Leaf<'e>, 1> = parse(json).unwrap_or_default();
    values.items.first().copied().unwrap_or(value)
}

/// Whose host it is.
fn provider(host: &str) -> Option<&'static str> {
    let ends_with = |end: &str| {
        let start = host.len().checked_sub(end.len());
        start.and_then(|start| host.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    PROVIDERS.iter().find(|(end, _)| ends_with(end)).map(|(_, provider)| *provider)
}
