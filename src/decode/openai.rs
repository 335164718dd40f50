//! Raw captures of OpenAI's Chat Completions: `{request, response}` as they went over the wire, with siblings that
//! the capture point adds (`host`, `headers`, `time`, `application`, `principal`, `status`, `latency_ms`).
//!
//! Many vendors speak this dialect; the provider is told by the host. Either body may be a string of JSON, as taps
//! that log bodies write it. A streamed response is not reassembled here: the request is decoded and the
//! interaction says `truncated`. Of the headers only organisation and project are read, whatever else they hold.

use bumpalo::collections::Vec as ArenaVec;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::context::{Context, Named, part};
use super::json::{Leaf, List, Nested, Value, outline, parse, unescape};
use crate::limits;
use crate::model::reject::{Reason, Reject};
use crate::model::{ContentState, Direction, Interaction, Message, Part, PartKind, Role, Warning};

/// `object` of a response that is not streamed.
const COMPLETION: &str = "chat.completion";

/// How many tool calls back the call of a result is looked for; results follow their calls closely.
const CALLS_LOOKED_AT: usize = 128;

/// Hosts of vendors that speak this dialect, by the end of their names.
const PROVIDERS: [(&str, &str); 9] = [
    ("openai.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
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

type Messages<'e> = List<Nested<MessageWire<'e>>, { limits::MESSAGES_PER_INTERACTION }>;
type Parts<'e> = List<Nested<PartWire<'e>>, { limits::PARTS_PER_MESSAGE }>;
type Calls<'e> = List<Nested<CallWire<'e>>, { limits::PARTS_PER_MESSAGE }>;
type Choices<'e> = List<Nested<ChoiceWire<'e>>, { limits::MESSAGES_PER_INTERACTION }>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request<'e> {
    #[serde(borrow)]
    model: Leaf<'e>,
    #[serde(borrow)]
    messages: Messages<'e>,
    #[serde(borrow)]
    user: Leaf<'e>,
    #[serde(borrow)]
    safety_identifier: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'e> {
    #[serde(borrow)]
    id: Leaf<'e>,
    #[serde(borrow)]
    object: Leaf<'e>,
    #[serde(borrow)]
    created: Leaf<'e>,
    #[serde(borrow)]
    model: Leaf<'e>,
    #[serde(borrow)]
    choices: Choices<'e>,
    #[serde(borrow)]
    usage: Nested<UsageWire<'e>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageWire<'e> {
    #[serde(borrow)]
    prompt_tokens: Leaf<'e>,
    #[serde(borrow)]
    completion_tokens: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ChoiceWire<'e> {
    #[serde(borrow)]
    message: Nested<MessageWire<'e>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageWire<'e> {
    #[serde(borrow)]
    role: Leaf<'e>,
    #[serde(borrow)]
    name: Leaf<'e>,
    #[serde(borrow)]
    content: Leaf<'e>,
    #[serde(borrow)]
    refusal: Leaf<'e>,
    #[serde(borrow)]
    tool_call_id: Leaf<'e>,
    #[serde(borrow)]
    tool_calls: Calls<'e>,
    /// What tool calls were before 2023.
    #[serde(borrow)]
    function_call: Nested<FunctionWire<'e>>,
    /// A spoken answer, of which the transcript is text.
    #[serde(borrow)]
    audio: Nested<MediaWire<'e>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CallWire<'e> {
    #[serde(borrow)]
    id: Leaf<'e>,
    #[serde(borrow)]
    function: Nested<FunctionWire<'e>>,
    #[serde(borrow)]
    custom: Nested<FunctionWire<'e>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FunctionWire<'e> {
    #[serde(borrow)]
    name: Leaf<'e>,
    #[serde(borrow)]
    arguments: Leaf<'e>,
    /// The arguments of a custom tool.
    #[serde(borrow)]
    input: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PartWire<'e> {
    #[serde(borrow, rename = "type")]
    kind: Leaf<'e>,
    #[serde(borrow)]
    text: Leaf<'e>,
    #[serde(borrow)]
    refusal: Leaf<'e>,
    #[serde(borrow)]
    image_url: Nested<MediaWire<'e>>,
    #[serde(borrow)]
    input_audio: Nested<MediaWire<'e>>,
    #[serde(borrow)]
    file: Nested<MediaWire<'e>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MediaWire<'e> {
    #[serde(borrow)]
    url: Leaf<'e>,
    #[serde(borrow)]
    data: Leaf<'e>,
    #[serde(borrow)]
    transcript: Leaf<'e>,
    #[serde(borrow)]
    file_data: Leaf<'e>,
    #[serde(borrow)]
    filename: Leaf<'e>,
}

/// Decodes one capture.
pub(super) fn decode<'e>(text: &'e str, context: &mut Context<'e>) -> Result<Interaction<'e>, Reject> {
    let capture: Capture<'e> = parse(text)?;
    let request: Request<'e> = body(capture.request, "request", context)?.unwrap_or_default();
    let Answer { response, is_lost } = answer(capture.response, context);
    if request.messages.items.is_empty() && response.choices.items.is_empty() {
        let detail = "neither `request.messages` nor `response.choices` holds a message of Chat Completions";
        return Err(Reject::new(Reason::NoInteraction, detail));
    }
    let application = context.application(capture.application);
    let named = named(capture.principal, capture.headers, &request, context);
    let host = context.text(capture.host).unwrap_or_default();
    let destination = context.destination(host);
    let models = [context.identifier(response.model), context.identifier(request.model)];
    let [input_tokens, output_tokens] = usage(response.usage, context);
    let messages = messages(request.messages, response.choices, context);
    Ok(Interaction {
        position: context.event.position,
        index: context.index,
        source_id: context.identifier(response.id),
        conversation: "",
        time_ms: context.time(&[capture.time, response.created]),
        principal: context.principal(named, application),
        application,
        provider: provider(destination.host),
        // The model that answered, else the one that was asked for.
        model: models.into_iter().find(|model| !model.is_empty()).unwrap_or_default(),
        destination,
        input_tokens,
        output_tokens,
        status: context.small(capture.status).unwrap_or(0),
        latency_ms: context.small(capture.latency_ms),
        content_state: content_state(&messages, is_lost),
        // Last: reading the fields above adds to it.
        warnings: context.warnings,
        messages,
    })
}

/// A body, which is an object or a string that holds one; anything else is noted and passed over.
fn body<'e, T: Deserialize<'e>>(leaf: Leaf<'e>, name: &str, context: &mut Context<'e>) -> Result<Option<T>, Reject> {
    let json = match leaf.value() {
        Value::Absent => return Ok(None),
        Value::Object(json) => json,
        Value::Text(token) => {
            let json = unescape(token, context.arena);
            outline(json).check_depth()?;
            json
        }
        _ => return Ok(context.bad_field()),
    };
    parse(json).map(Some).map_err(|reject| Reject { detail: format!("in `{name}`: {}", reject.detail), ..reject })
}

struct Answer<'e> {
    response: Response<'e>,
    /// Whether there was one that could not be read.
    is_lost: bool,
}

/// The response, if it is one that is read. A stream, another object or a torn body does not cost the request.
fn answer<'e>(leaf: Leaf<'e>, context: &mut Context<'e>) -> Answer<'e> {
    let lost = Answer { response: Response::default(), is_lost: true };
    match body::<Response<'e>>(leaf, "response", context) {
        Ok(Some(response)) => {
            let object = context.text(response.object).unwrap_or(COMPLETION);
            if object == COMPLETION {
                return Answer { response, is_lost: false };
            }
            context.warn(Warning::BadField);
            lost
        }
        Ok(None) => Answer { is_lost: !leaf.is_absent(), ..lost },
        Err(_) => {
            context.warn(Warning::BadField);
            lost
        }
    }
}

fn content_state(messages: &[Message<'_>], is_lost: bool) -> ContentState {
    let has_content = messages.iter().any(|message| !message.parts.is_empty());
    match (is_lost, has_content) {
        (true, _) => ContentState::Truncated,
        (false, true) => ContentState::Full,
        (false, false) => ContentState::Absent,
    }
}

/// Who the capture point says it was, else who the request says, else whose account it went to.
fn named<'e>(principal: Leaf<'e>, headers: Leaf<'e>, request: &Request<'e>, context: &mut Context<'e>) -> Named<'e> {
    let mut named = Named::read(principal, context);
    let is_told = [named.user, named.key, named.workload].iter().any(|value| !value.is_empty());
    if is_told {
        return named;
    }
    let users = [context.identifier(request.user), context.identifier(request.safety_identifier)];
    named.user = users.into_iter().find(|user| !user.is_empty()).unwrap_or_default();
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

fn provider(host: &str) -> &'static str {
    let ends_with = |end: &str| {
        let start = host.len().checked_sub(end.len());
        start.and_then(|start| host.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    PROVIDERS.iter().find(|(end, _)| ends_with(end)).map_or("openai", |(_, provider)| provider)
}

fn usage<'e>(wire: Nested<UsageWire<'e>>, context: &mut Context<'e>) -> [Option<u64>; 2] {
    let tokens = match wire {
        Nested::Is(wire) => [context.number(wire.prompt_tokens), context.number(wire.completion_tokens)],
        Nested::Absent => [None, None],
        Nested::Bad => context.bad_field().unwrap_or([None, None]),
    };
    if tokens == [None, None] {
        context.warn(Warning::NoTokens);
    }
    tokens
}

/// The messages of an interaction, and the tool calls seen so far: their ids and the tools' names.
struct Dialogue<'e> {
    messages: ArenaVec<'e, Message<'e>>,
    calls: Vec<(&'e str, &'e str)>,
}

fn messages<'e>(
    mut request: Messages<'e>,
    response: Choices<'e>,
    context: &mut Context<'e>,
) -> ArenaVec<'e, Message<'e>> {
    if request.bad || response.bad {
        context.warn(Warning::BadField);
    }
    let (asked, answered) = (request.items.len(), response.items.len());
    if request.more || response.more || asked + answered > limits::MESSAGES_PER_INTERACTION {
        // The answer is kept: it is short, and nothing else repeats it.
        request.items.truncate(limits::MESSAGES_PER_INTERACTION - answered);
        context.warn(Warning::TooManyMessages);
    }
    let messages = context.list(request.items.len() + answered);
    let mut dialogue = Dialogue { messages, calls: Vec::new() };
    for message in request.items {
        dialogue.push(Direction::Input, message, context);
    }
    for choice in response.items {
        let message = match choice {
            Nested::Is(choice) => choice.message,
            Nested::Absent | Nested::Bad => Nested::Bad,
        };
        dialogue.push(Direction::Output, message, context);
    }
    dialogue.messages
}

impl<'e> Dialogue<'e> {
    fn push(&mut self, direction: Direction, message: Nested<MessageWire<'e>>, context: &mut Context<'e>) {
        let Nested::Is(wire) = message else { return context.warn(Warning::BadField) };
        let role = role(wire.role, direction, context);
        let mut parts = context.list(1);
        self.read_content(&wire, role, &mut parts, context);
        if let Some(refusal) = context.text(wire.refusal) {
            parts.push(part(PartKind::Text, "", refusal));
        }
        if let Nested::Is(audio) = wire.audio {
            parts.push(media(&audio, context));
        }
        self.read_calls(wire.tool_calls, wire.function_call, &mut parts, context);
        if parts.len() > limits::PARTS_PER_MESSAGE {
            parts.truncate(limits::PARTS_PER_MESSAGE);
            context.warn(Warning::TooManyParts);
        }
        self.messages.push(Message { direction, role, parts });
    }

    fn read_content(
        &self,
        wire: &MessageWire<'e>,
        role: Role,
        parts: &mut ArenaVec<'e, Part<'e>>,
        context: &mut Context<'e>,
    ) {
        let (kind, name) = match role {
            Role::Tool => (PartKind::ToolResult, self.tool_of(wire, context)),
            _ => (PartKind::Text, ""),
        };
        match wire.content.value() {
            Value::Absent => {}
            Value::Text(token) => {
                let text = unescape(token, context.arena);
                if !text.is_empty() {
                    parts.push(part(kind, name, text));
                }
            }
            Value::Array(json) => match parse::<Parts<'e>>(json) {
                Ok(list) => read_parts(list, kind, name, parts, context),
                Err(_) => context.warn(Warning::BadField),
            },
            _ => context.warn(Warning::BadField),
        }
    }

    /// The name of the tool whose result a message is: by its call, else as the message says.
    fn tool_of(&self, wire: &MessageWire<'e>, context: &mut Context<'e>) -> &'e str {
        let id = context.identifier(wire.tool_call_id);
        let mut recent = self.calls.iter().rev().take(CALLS_LOOKED_AT);
        match recent.find(|(call, _)| !id.is_empty() && *call == id) {
            Some((_, name)) => name,
            None => context.identifier(wire.name),
        }
    }

    fn read_calls(
        &mut self,
        calls: Calls<'e>,
        legacy: Nested<FunctionWire<'e>>,
        parts: &mut ArenaVec<'e, Part<'e>>,
        context: &mut Context<'e>,
    ) {
        if calls.bad {
            context.warn(Warning::BadField);
        }
        if calls.more {
            context.warn(Warning::TooManyParts);
        }
        for call in calls.items {
            let Nested::Is(call) = call else {
                context.warn(Warning::BadField);
                continue;
            };
            let id = context.identifier(call.id);
            match (call.function, call.custom) {
                (Nested::Is(function), _) | (_, Nested::Is(function)) => {
                    let part = tool_call(&function, context);
                    self.calls.push((id, part.name));
                    parts.push(part);
                }
                _ => context.warn(Warning::UnknownPart),
            }
        }
        match legacy {
            Nested::Is(function) => parts.push(tool_call(&function, context)),
            Nested::Absent => {}
            Nested::Bad => context.warn(Warning::BadField),
        }
    }
}

fn tool_call<'e>(function: &FunctionWire<'e>, context: &mut Context<'e>) -> Part<'e> {
    let name = context.identifier(function.name);
    let arguments = if function.arguments.is_absent() { function.input } else { function.arguments };
    part(PartKind::ToolCall, name, context.text_or_json(arguments).unwrap_or_default())
}

fn role<'e>(leaf: Leaf<'e>, direction: Direction, context: &mut Context<'e>) -> Role {
    match context.text(leaf) {
        Some("developer") => Role::System,
        Some("function") => Role::Tool,
        None if direction == Direction::Output => Role::Assistant,
        name => name.and_then(Role::from_name).unwrap_or_else(|| {
            context.warn(Warning::UnknownRole);
            Role::User
        }),
    }
}

fn read_parts<'e>(
    list: Parts<'e>,
    kind: PartKind,
    name: &'e str,
    parts: &mut ArenaVec<'e, Part<'e>>,
    context: &mut Context<'e>,
) {
    if list.more {
        context.warn(Warning::TooManyParts);
    }
    for wire in list.items {
        match wire {
            Nested::Is(wire) => parts.push(read_part(&wire, kind, name, context)),
            Nested::Absent | Nested::Bad => context.warn(Warning::BadField),
        }
    }
}

fn read_part<'e>(wire: &PartWire<'e>, kind: PartKind, name: &'e str, context: &mut Context<'e>) -> Part<'e> {
    let media_wire = match context.text(wire.kind).unwrap_or_default() {
        "text" => return part(kind, name, context.text(wire.text).unwrap_or_default()),
        "refusal" => return part(kind, name, context.text(wire.refusal).unwrap_or_default()),
        "image_url" => &wire.image_url,
        "input_audio" => &wire.input_audio,
        "file" => &wire.file,
        _ => {
            // Whatever it is, its text is looked at rather than lost.
            context.warn(Warning::UnknownPart);
            return part(kind, name, context.text_or_json(wire.text).unwrap_or_default());
        }
    };
    match media_wire {
        Nested::Is(media_wire) => media(media_wire, context),
        Nested::Absent | Nested::Bad => {
            context.warn(Warning::BadField);
            part(PartKind::Blob, "", "")
        }
    }
}

/// A picture, a sound or a file: its size, and what of it is text (a link, a transcript, a file's name).
fn media<'e>(wire: &MediaWire<'e>, context: &mut Context<'e>) -> Part<'e> {
    let url = context.text(wire.url).unwrap_or_default();
    let encoded = match url.strip_prefix("data:").and_then(|data| data.split_once(',')) {
        Some((_, data)) => data,
        None => {
            let leaf = if wire.data.is_absent() { wire.file_data } else { wire.data };
            let data = context.text(leaf).unwrap_or_default();
            data.rsplit_once(',').map_or(data, |(_, data)| data)
        }
    };
    let link = if url.starts_with("data:") { "" } else { url };
    let texts =
        [link, context.text(wire.transcript).unwrap_or_default(), context.text(wire.filename).unwrap_or_default()];
    let text = texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let mut blob = part(PartKind::Blob, "", text);
    if !encoded.is_empty() {
        blob.bytes = base64_bytes(encoded);
    }
    blob
}

/// How many bytes base64 text stands for.
fn base64_bytes(encoded: &str) -> u64 {
    encoded.trim_end_matches('=').len() as u64 * 3 / 4
}
