//! weir's own event format: `pipelines/schemas/native.schema.json` describes every field.
//!
//! An event is one object with `weir_schema: 1`, or a CloudEvents envelope around one. Other versions are refused:
//! a field of a later version may mean what this one would misread.

use bumpalo::collections::Vec as ArenaVec;
use serde::Deserialize;

use super::blocks::{note_list, note_messages};
use super::context::{Context, Named, part};
use super::json::{Key, Keys, Leaf, List, Nested, Value, parse};
use crate::limits;
use crate::model::reject::{Reason, Reject};
use crate::model::{ContentState, Destination, Direction, Interaction, Message, Part, PartKind, Role, Warning};

/// The `type` of a CloudEvents envelope around a native event.
const CLOUD_EVENT_TYPE: &str = "ai.weir.interaction.v1";

/// The version that is read.
const SCHEMA: u64 = 1;

#[derive(Deserialize)]
struct Envelope<'e> {
    #[serde(borrow, default, rename = "type")]
    kind: Leaf<'e>,
    #[serde(borrow, default)]
    id: Leaf<'e>,
    #[serde(borrow, default)]
    time: Leaf<'e>,
    #[serde(borrow, default)]
    data: Nested<Wire<'e>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire<'e> {
    #[serde(borrow)]
    weir_schema: Leaf<'e>,
    #[serde(borrow)]
    id: Leaf<'e>,
    #[serde(borrow)]
    time: Leaf<'e>,
    #[serde(borrow)]
    conversation: Leaf<'e>,
    #[serde(borrow)]
    principal: Leaf<'e>,
    #[serde(borrow)]
    application: Leaf<'e>,
    #[serde(borrow)]
    provider: Leaf<'e>,
    #[serde(borrow)]
    model: Leaf<'e>,
    #[serde(borrow)]
    destination: Nested<DestinationWire<'e>>,
    #[serde(borrow)]
    usage: Nested<UsageWire<'e>>,
    #[serde(borrow)]
    status: Leaf<'e>,
    #[serde(borrow)]
    latency_ms: Leaf<'e>,
    #[serde(borrow)]
    content_state: Leaf<'e>,
    #[serde(borrow)]
    input: Nested<Content<'e>>,
    #[serde(borrow)]
    output: Nested<Content<'e>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DestinationWire<'e> {
    #[serde(borrow)]
    host: Leaf<'e>,
    #[serde(borrow)]
    port: Leaf<'e>,
    #[serde(borrow)]
    scheme: Leaf<'e>,
    #[serde(borrow)]
    tls_version: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageWire<'e> {
    #[serde(borrow)]
    input_tokens: Leaf<'e>,
    #[serde(borrow)]
    output_tokens: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content<'e> {
    #[serde(borrow)]
    messages: Messages<'e>,
    // Of a message that stands here by itself.
    #[serde(borrow)]
    role: Leaf<'e>,
    #[serde(borrow)]
    content: Leaf<'e>,
}

/// An event whose content is in another shape than it should be, read again. Reading all content this way would read it
/// twice.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Odd<'e> {
    #[serde(borrow)]
    input: Leaf<'e>,
    #[serde(borrow)]
    output: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OddContent<'e> {
    #[serde(borrow)]
    messages: Leaf<'e>,
}

/// An envelope whose data is read again.
#[derive(Deserialize)]
struct Data<'e> {
    #[serde(borrow, default)]
    data: Leaf<'e>,
}

type Messages<'e> = List<Nested<MessageWire<'e>>, { limits::MESSAGES_PER_INTERACTION }>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageWire<'e> {
    #[serde(borrow)]
    role: Leaf<'e>,
    #[serde(borrow)]
    content: Leaf<'e>,
}

type Parts<'e> = List<Nested<PartWire<'e>>, { limits::PARTS_PER_MESSAGE }>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct PartWire<'e> {
    #[serde(borrow, rename = "type")]
    kind: Leaf<'e>,
    #[serde(borrow)]
    name: Leaf<'e>,
    #[serde(borrow)]
    text: Leaf<'e>,
    #[serde(borrow)]
    arguments: Leaf<'e>,
    #[serde(borrow)]
    content: Leaf<'e>,
    #[serde(borrow)]
    bytes: Leaf<'e>,
}

/// Decodes one native event.
pub(super) fn decode<'e>(text: &'e str, keys: Keys, context: &mut Context<'e>) -> Result<Interaction<'e>, Reject> {
    if keys.has(Key::SpecVersion) && !keys.has(Key::WeirSchema) {
        return decode_envelope(text, context);
    }
    let wire: Wire<'e> = parse(text)?;
    check_version(wire.weir_schema, context)?;
    Ok(interaction(wire, || text, context))
}

/// The envelope's type names the version, so that the data need not. Its id and time serve when the data has none.
fn decode_envelope<'e>(text: &'e str, context: &mut Context<'e>) -> Result<Interaction<'e>, Reject> {
    let envelope: Envelope<'e> = parse(text)?;
    if context.text(envelope.kind) != Some(CLOUD_EVENT_TYPE) {
        let detail = format!("the CloudEvents type is not {CLOUD_EVENT_TYPE}");
        return Err(Reject::new(Reason::UnknownFormat, detail));
    }
    let Nested::Is(mut wire) = envelope.data else {
        return Err(Reject::new(Reason::NoInteraction, "the CloudEvents envelope has no object in `data`"));
    };
    if !wire.weir_schema.is_absent() {
        check_version(wire.weir_schema, context)?;
    }
    if wire.id.is_absent() {
        wire.id = envelope.id;
    }
    if wire.time.is_absent() {
        wire.time = envelope.time;
    }
    let data = || parse::<Data<'e>>(text).map_or("", |envelope| envelope.data.json());
    Ok(interaction(wire, data, context))
}

fn check_version<'e>(leaf: Leaf<'e>, context: &mut Context<'e>) -> Result<(), Reject> {
    match context.number(leaf) {
        Some(SCHEMA) => Ok(()),
        Some(other) => {
            let detail = format!("weir_schema {other} is unknown: this program reads {SCHEMA}");
            Err(Reject::new(Reason::UnknownFormat, detail))
        }
        None => Err(Reject::new(Reason::UnknownFormat, format!("the native format needs `weir_schema`: {SCHEMA}"))),
    }
}

/// `text` is what the wire was read from.
fn interaction<'e>(wire: Wire<'e>, text: impl FnOnce() -> &'e str, context: &mut Context<'e>) -> Interaction<'e> {
    let application = context.application(wire.application);
    let named = Named::read(wire.principal, context);
    let messages = messages(wire.input, wire.output, text, context);
    let [input_tokens, output_tokens] = usage(wire.usage, context);
    let content_state = content_state(wire.content_state, &messages, context);
    Interaction {
        position: context.event.position,
        index: context.index,
        source_id: context.identifier(wire.id),
        conversation: context.identifier(wire.conversation),
        time_ms: context.time(&[wire.time]),
        principal: context.principal(named, application),
        application,
        provider: context.identifier(wire.provider),
        model: context.identifier(wire.model),
        destination: destination(wire.destination, context),
        input_tokens,
        output_tokens,
        status: context.small(wire.status).unwrap_or(0),
        latency_ms: context.small(wire.latency_ms),
        content_state,
        // Last: reading the fields above adds to it.
        warnings: context.warnings,
        messages,
    }
}

fn destination<'e>(wire: Nested<DestinationWire<'e>>, context: &mut Context<'e>) -> Destination<'e> {
    let wire = match wire {
        Nested::Is(wire) => wire,
        Nested::Absent => return Destination::default(),
        Nested::Bad => return context.bad_field().unwrap_or_default(),
    };
    Destination {
        host: context.identifier(wire.host),
        port: context.small(wire.port).unwrap_or(0),
        scheme: context.word(wire.scheme),
        tls_version: context.word(wire.tls_version),
    }
}

fn usage<'e>(wire: Nested<UsageWire<'e>>, context: &mut Context<'e>) -> [Option<u64>; 2] {
    let tokens = match wire {
        Nested::Is(wire) => [context.number(wire.input_tokens), context.number(wire.output_tokens)],
        Nested::Absent => [None, None],
        Nested::Bad => context.bad_field().unwrap_or([None, None]),
    };
    if tokens == [None, None] {
        context.warn(Warning::NoTokens);
    }
    tokens
}

/// As given, else by what there is of the content. Who says `full` cannot know what was passed over here.
fn content_state<'e>(leaf: Leaf<'e>, messages: &[Message<'e>], context: &mut Context<'e>) -> ContentState {
    if let Some(name) = context.text(leaf) {
        match ContentState::from_name(name) {
            Some(ContentState::Full) if context.is_cut => return ContentState::Truncated,
            Some(state) => return state,
            None => context.warn(Warning::BadField),
        }
    }
    context.content_state(messages)
}

fn messages<'e>(
    input: Nested<Content<'e>>,
    output: Nested<Content<'e>>,
    text: impl FnOnce() -> &'e str,
    context: &mut Context<'e>,
) -> ArenaVec<'e, Message<'e>> {
    let (mut input, output) = match (content(input, context), content(output, context)) {
        (Some(input), Some(output)) => (input, output),
        (input, output) => {
            let odd: Odd<'e> = parse(text()).unwrap_or_default();
            let input = input.unwrap_or_else(|| odd_content(odd.input, context));
            (input, output.unwrap_or_else(|| odd_content(odd.output, context)))
        }
    };
    if input.len() + output.len() > limits::MESSAGES_PER_INTERACTION {
        // The answer is kept: it is short, and nothing else repeats it.
        input.truncate(limits::MESSAGES_PER_INTERACTION - output.len());
        context.lose(Warning::TooManyMessages);
    }
    let mut messages = context.list(input.len() + output.len());
    for (direction, wires) in [(Direction::Input, input), (Direction::Output, output)] {
        for wire in wires {
            match wire {
                Nested::Is(wire) => push_message(&mut messages, direction, wire, context),
                Nested::Absent => context.warn(Warning::BadField),
                Nested::Bad => context.lose(Warning::BadField),
            }
        }
    }
    if messages.len() > limits::MESSAGES_PER_INTERACTION {
        // Messages with documents became several.
        messages.truncate(limits::MESSAGES_PER_INTERACTION);
        context.lose(Warning::TooManyMessages);
    }
    messages
}

/// Messages; `None` when the content is in another shape than it should be.
fn content<'e>(content: Nested<Content<'e>>, context: &mut Context<'e>) -> Option<Vec<Nested<MessageWire<'e>>>> {
    let Content { messages, role, content } = match content {
        Nested::Is(content) => content,
        Nested::Absent => return Some(Vec::new()),
        Nested::Bad => return None,
    };
    if messages.bad {
        return None;
    }
    note_messages(&messages, context);
    if messages.items.is_empty() && !content.is_absent() {
        context.warn(Warning::BadField);
        return Some(vec![Nested::Is(MessageWire { role, content })]);
    }
    Some(messages.items)
}

/// What is not `{"messages": [...]}`: messages without it, one without an array, or a text, which is one too. It is read
/// rather than lost, and the warning says that the sender should mend it.
fn odd_content<'e>(leaf: Leaf<'e>, context: &mut Context<'e>) -> Vec<Nested<MessageWire<'e>>> {
    context.warn(Warning::BadField);
    let messages = match leaf.value() {
        Value::Object(json) => parse::<OddContent<'e>>(json).unwrap_or_default().messages,
        _ => leaf,
    };
    match messages.value() {
        Value::Text(_) => vec![Nested::Is(MessageWire { content: messages, ..MessageWire::default() })],
        Value::Array(json) => {
            let messages: Messages<'e> = parse(json).unwrap_or(List { bad: true, ..List::default() });
            note_messages(&messages, context);
            messages.items
        }
        Value::Object(json) => vec![parse(json).map_or(Nested::Bad, Nested::Is)],
        Value::Absent | Value::Number(_) | Value::Bool => vec![Nested::Bad],
    }
}

/// Appends a message. Documents among its parts become messages of the role `document`, since rules ask who is
/// speaking: what a retrieved page says is not what the user says.
fn push_message<'e>(
    messages: &mut ArenaVec<'e, Message<'e>>,
    direction: Direction,
    wire: MessageWire<'e>,
    context: &mut Context<'e>,
) {
    let role = role(wire.role, direction, context);
    let mut parts = context.list(1);
    match wire.content.value() {
        Value::Absent => {}
        Value::Text(_) => {
            let text = context.text(wire.content).unwrap_or_default();
            let kind = if role == Role::Tool { PartKind::ToolResult } else { PartKind::Text };
            parts.push((role, part(kind, "", text)));
        }
        Value::Array(json) => match parse::<Parts<'e>>(json) {
            Ok(list) => read_parts(list, role, &mut parts, context),
            Err(_) => context.lose(Warning::BadField),
        },
        Value::Object(json) => {
            context.warn(Warning::BadField);
            // One part without its array; what is none is looked at as it stands.
            match parse::<PartWire<'e>>(json) {
                Ok(wire) if !wire.kind.or(wire.text).is_absent() => parts.push(read_part(wire, role, context)),
                _ => parts.push((role, part(PartKind::Text, "", json))),
            }
        }
        Value::Number(_) | Value::Bool => context.lose(Warning::BadField),
    }
    push_runs(messages, direction, role, parts, context);
}

/// One message for each run of parts of the same role; one without parts when there are none.
fn push_runs<'e>(
    messages: &mut ArenaVec<'e, Message<'e>>,
    direction: Direction,
    role: Role,
    parts: ArenaVec<'e, (Role, Part<'e>)>,
    context: &Context<'e>,
) {
    let mut current = Message { direction, role, parts: context.list(parts.len()) };
    for (role, part) in parts {
        if role != current.role {
            let next = Message { direction, role, parts: context.list(1) };
            let done = std::mem::replace(&mut current, next);
            if !done.parts.is_empty() {
                messages.push(done);
            }
        }
        current.parts.push(part);
    }
    messages.push(current);
}

fn role<'e>(leaf: Leaf<'e>, direction: Direction, context: &mut Context<'e>) -> Role {
    let name = context.text(leaf);
    if name.is_none() && direction == Direction::Output {
        return Role::Assistant;
    }
    name.and_then(Role::from_name).unwrap_or_else(|| {
        context.warn(Warning::UnknownRole);
        Role::User
    })
}

fn read_parts<'e>(list: Parts<'e>, role: Role, parts: &mut ArenaVec<'e, (Role, Part<'e>)>, context: &mut Context<'e>) {
    note_list(&list, context);
    for wire in list.items {
        match wire {
            Nested::Is(wire) => parts.push(read_part(wire, role, context)),
            Nested::Absent => context.warn(Warning::BadField),
            Nested::Bad => context.lose(Warning::BadField),
        }
    }
}

fn read_part<'e>(wire: PartWire<'e>, role: Role, context: &mut Context<'e>) -> (Role, Part<'e>) {
    let name = context.identifier(wire.name);
    let kind = context.text(wire.kind).unwrap_or_default();
    match kind {
        "text" => (role, part(PartKind::Text, name, context.text_or_json(wire.text).unwrap_or_default())),
        "tool_call" => {
            let text = context.text_or_json(wire.arguments).unwrap_or_default();
            (role, part(PartKind::ToolCall, name, text))
        }
        "tool_result" => {
            let text = context.text_or_json(wire.content).unwrap_or_default();
            (role, part(PartKind::ToolResult, name, text))
        }
        "document" => {
            let text = context.text_or_json(wire.text).unwrap_or_default();
            (Role::Document, part(PartKind::Text, name, text))
        }
        "blob" => {
            let mut blob = part(PartKind::Blob, name, context.text_or_json(wire.text).unwrap_or_default());
            blob.bytes = context.number(wire.bytes).unwrap_or(blob.bytes);
            (role, blob)
        }
        _ => {
            // Whatever it is, its text is looked at rather than lost.
            context.warn(Warning::UnknownPart);
            let leaf = wire.text.or(wire.content);
            context.is_cut |= leaf.is_absent();
            (role, part(PartKind::Text, name, context.text_or_json(leaf).unwrap_or_default()))
        }
    }
}
