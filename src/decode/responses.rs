//! OpenAI's Responses, plain and streamed. Its requests for embeddings look the same and are read too.
//!
//! Input and output are lists of items; each becomes a turn. Items come and go in new types: what ends in `_call` is
//! a call, what ends in `_output` a result, and of all others the text is looked at rather than lost.
//!
//! Of a stream the response in its last event is read, which repeats everything. Where it is missing or empty the
//! finished items are read, and unfinished ones are put together from their deltas. A request may continue what the
//! provider holds (`previous_response_id`, `conversation`, a stored prompt, references to items): then the history
//! is not in the event, and the interaction says so.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::blocks::{base64_bytes, note_messages};
use super::capture::{Answer, Call, Usage, body_of, object_of};
use super::chat::role;
use super::context::{Context, part};
use super::dialogue::{Dialogue, Speaker};
use super::json::{Leaf, List, Nested, Value, parse};
use super::stream::{Chunks, Pieces, is_done};
use crate::limits;
use crate::model::{Direction, PartKind, Role, Warning};

type Items<'e> = List<Leaf<'e>, { limits::MESSAGES_PER_INTERACTION }>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request<'e> {
    #[serde(borrow)]
    model: Leaf<'e>,
    #[serde(borrow)]
    instructions: Leaf<'e>,
    #[serde(borrow)]
    input: Leaf<'e>,
    #[serde(borrow)]
    tools: Leaf<'e>,
    #[serde(borrow)]
    user: Leaf<'e>,
    #[serde(borrow)]
    safety_identifier: Leaf<'e>,
    #[serde(borrow)]
    previous_response_id: Leaf<'e>,
    /// An id, or an object with one.
    #[serde(borrow)]
    conversation: Leaf<'e>,
    /// A prompt that the provider holds, and what fills its places.
    #[serde(borrow)]
    prompt: Nested<Prompt<'e>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Prompt<'e> {
    #[serde(borrow)]
    variables: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'e> {
    #[serde(borrow)]
    id: Leaf<'e>,
    #[serde(borrow)]
    created_at: Leaf<'e>,
    #[serde(borrow)]
    model: Leaf<'e>,
    #[serde(borrow)]
    output: Items<'e>,
    #[serde(borrow)]
    usage: Leaf<'e>,
    #[serde(borrow)]
    conversation: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named<'e> {
    #[serde(borrow)]
    id: Leaf<'e>,
}

/// An item: the fields of every type.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item<'e> {
    #[serde(borrow, rename = "type")]
    kind: Leaf<'e>,
    #[serde(borrow)]
    role: Leaf<'e>,
    #[serde(borrow)]
    content: Leaf<'e>,
    #[serde(borrow)]
    id: Leaf<'e>,
    #[serde(borrow)]
    call_id: Leaf<'e>,
    #[serde(borrow)]
    name: Leaf<'e>,
    #[serde(borrow)]
    arguments: Leaf<'e>,
    #[serde(borrow)]
    input: Leaf<'e>,
    #[serde(borrow)]
    action: Leaf<'e>,
    #[serde(borrow)]
    code: Leaf<'e>,
    #[serde(borrow)]
    queries: Leaf<'e>,
    #[serde(borrow)]
    output: Leaf<'e>,
    #[serde(borrow)]
    outputs: Leaf<'e>,
    #[serde(borrow)]
    results: Leaf<'e>,
    /// A picture that was made, in base64.
    #[serde(borrow)]
    result: Leaf<'e>,
    #[serde(borrow)]
    summary: Leaf<'e>,
    #[serde(borrow)]
    encrypted_content: Leaf<'e>,
    #[serde(borrow)]
    tools: Leaf<'e>,
}

/// An event of a stream: the fields of every type.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Chunk<'e> {
    #[serde(borrow, rename = "type")]
    kind: Leaf<'e>,
    #[serde(borrow)]
    response: Leaf<'e>,
    #[serde(borrow)]
    item: Leaf<'e>,
    #[serde(borrow)]
    output_index: Leaf<'e>,
    #[serde(borrow)]
    content_index: Leaf<'e>,
    #[serde(borrow)]
    summary_index: Leaf<'e>,
    #[serde(borrow)]
    delta: Leaf<'e>,
}

/// Reads a request and its answer.
pub(super) fn read<'e>(request: Option<&'e str>, answer: Answer<'e>, context: &mut Context<'e>) -> Call<'e> {
    let request: Request<'e> = body_of(request, context);
    let (response, rest) = match answer {
        Answer::Absent | Answer::Lost => (Response::default(), BTreeMap::new()),
        Answer::Body(json) => (body_of(Some(json), context), BTreeMap::new()),
        Answer::Stream(chunks) => streamed(chunks, context),
    };
    let answers = response.output.items.len() + rest.len();
    let mut dialogue = Dialogue::new(answers + 2, answers, context);
    dialogue.instructions(request.instructions, context);
    let is_continued = !request.previous_response_id.is_absent() || !request.conversation.is_absent();
    if is_continued || !matches!(request.prompt, Nested::Absent) {
        context.warn(Warning::HistoryAbsent);
    }
    if let Nested::Is(prompt) = request.prompt {
        dialogue.input(context.text_or_json(prompt.variables).unwrap_or_default(), context);
    }
    match request.input.value() {
        Value::Text(_) => dialogue.input(context.text(request.input).unwrap_or_default(), context),
        _ => dialogue.items(request.input, Direction::Input, context),
    }
    dialogue.tools(request.tools, Direction::Input, context);
    dialogue.list(response.output, Direction::Output, context);
    rest.into_values().for_each(|item| item.tell(&mut dialogue, context));
    Call {
        id: response.id,
        created: response.created_at,
        models: [response.model, request.model],
        users: [request.user, request.safety_identifier],
        conversation: conversation(request.conversation.or(response.conversation), context),
        usage: Usage::of(response.usage, context),
        messages: dialogue.into_messages(),
        ..Call::by("openai", context)
    }
}

fn conversation<'e>(leaf: Leaf<'e>, context: &mut Context<'e>) -> Leaf<'e> {
    match leaf.object() {
        Some(json) => object_of::<Named<'e>>(Some(json), context).id,
        None => leaf,
    }
}

impl<'e> Dialogue<'e> {
    /// What is said as the system: a string, or items of its own.
    fn instructions(&mut self, leaf: Leaf<'e>, context: &mut Context<'e>) {
        if !matches!(leaf.value(), Value::Text(_)) {
            return self.items(leaf, Direction::Input, context);
        }
        self.begin(Direction::Input, Role::System, context);
        self.content(leaf, Speaker::new(Role::System), context);
        self.end(context);
    }

    fn input(&mut self, text: &'e str, context: &mut Context<'e>) {
        self.begin(Direction::Input, Role::User, context);
        self.say(Speaker::new(Role::User), text, context);
        self.end(context);
    }

    fn items(&mut self, leaf: Leaf<'e>, direction: Direction, context: &mut Context<'e>) {
        let items: Items<'e> = match leaf.value() {
            Value::Absent => List::default(),
            Value::Array(json) => parse(json).unwrap_or(List { bad: true, ..List::default() }),
            _ => List { bad: true, ..List::default() },
        };
        self.list(items, direction, context);
    }

    fn list(&mut self, items: Items<'e>, direction: Direction, context: &mut Context<'e>) {
        note_messages(&items, context);
        for item in items.items {
            match item.value() {
                Value::Object(json) => self.item(json, direction, context),
                // What is to be embedded; lists of tokens are no text.
                Value::Text(_) => self.input(context.text(item).unwrap_or_default(), context),
                Value::Absent => context.warn(Warning::BadField),
                _ => context.lose(Warning::BadField),
            }
        }
    }

    fn item(&mut self, json: &'e str, direction: Direction, context: &mut Context<'e>) {
        let item: Item<'e> = body_of(Some(json), context);
        let kind = context.text(item.kind).unwrap_or("message");
        match kind {
            "message" => {
                let role = role(item.role, direction, context);
                self.begin(direction, role, context);
                self.content(item.content, Speaker::new(role), context);
            }
            "reasoning" => {
                self.begin(direction, Role::Assistant, context);
                self.content(item.summary, Speaker::new(Role::Assistant), context);
                self.content(item.content, Speaker::new(Role::Assistant), context);
                self.sealed(item.encrypted_content, context);
            }
            "mcp_list_tools" => return self.tools(item.tools, direction, context),
            "item_reference" => return context.warn(Warning::HistoryAbsent),
            _ if kind.ends_with("_call") || kind.ends_with("_request") => {
                self.begin(direction, Role::Assistant, context);
                self.called(&item, kind, item.said(context), context);
            }
            _ if kind.ends_with("_output") || kind.ends_with("_response") => {
                let name = self.tool_named(context.identifier(item.call_id));
                self.begin(direction, Role::Tool, context);
                self.gave(name, item.output, context);
            }
            _ => {
                context.warn(Warning::UnknownPart);
                let role = if direction == Direction::Output { Role::Assistant } else { Role::User };
                self.begin(direction, role, context);
                self.say(Speaker::new(role), json, context);
            }
        }
        self.end(context);
    }

    /// A call, and what it gave when the provider ran it and says so in the same item.
    fn called(&mut self, item: &Item<'e>, kind: &'e str, arguments: &'e str, context: &mut Context<'e>) {
        let id = context.identifier(item.call_id.or(item.id));
        let name = match context.identifier(item.name) {
            "" => kind,
            name => name,
        };
        self.call(id, name, arguments, context);
        let given = item.output.or(item.outputs).or(item.results);
        if !given.is_absent() {
            self.gave(name, given, context);
        }
        self.sealed(item.result, context);
    }

    /// What a tool gave back: a string, blocks, or an object of its own.
    fn gave(&mut self, name: &'e str, leaf: Leaf<'e>, context: &mut Context<'e>) {
        let speaker = Speaker::tool(name);
        match leaf.value() {
            Value::Absent | Value::Text("") => self.push(Role::Tool, speaker.part(""), context),
            Value::Array(json) if !is_blocks(json) => self.say(speaker, json, context),
            Value::Text(_) | Value::Array(_) => self.content(leaf, speaker, context),
            _ => self.say(speaker, leaf.json(), context),
        }
    }

    /// Base64 of which nothing can be read.
    fn sealed(&mut self, leaf: Leaf<'e>, context: &mut Context<'e>) {
        if let Some(encoded) = context.text(leaf).filter(|encoded| !encoded.is_empty()) {
            let mut blob = part(PartKind::Blob, "", "");
            blob.bytes = base64_bytes(encoded);
            self.push(Role::Assistant, blob, context);
        }
    }
}

/// Whether an array holds blocks of content, as results of functions do, and not what a tool of the provider's found.
fn is_blocks(json: &str) -> bool {
    let first: List<Item<'_>, 1> = parse(json).unwrap_or_default();
    let kind = first.items.first().map_or("", |item| item.kind.json());
    kind.starts_with("\"input_") || kind == "\"text\"" || kind == "\"output_text\""
}

impl<'e> Item<'e> {
    /// What a call says: arguments, by the name that its type gives them.
    fn said(&self, context: &mut Context<'e>) -> &'e str {
        let leaf = self.arguments.or(self.input).or(self.action).or(self.code).or(self.queries);
        context.text_or_json(leaf).unwrap_or_default()
    }
}

/// Where a delta belongs in its item; in the order in which the plain form has them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Summary,
    Content,
    /// Of a call.
    Arguments,
}

/// An item as far as the stream has told it.
#[derive(Default)]
struct Streamed<'e> {
    item: Leaf<'e>,
    is_finished: bool,
    texts: BTreeMap<(Section, u32), Pieces<'e>>,
}

/// The items of a stream by their place in the output.
type StreamedItems<'e> = BTreeMap<u32, Streamed<'e>>;

/// Puts a stream together: the response that its last event repeats, and the items that are not in there.
fn streamed<'e>(chunks: Chunks<'e>, context: &mut Context<'e>) -> (Response<'e>, StreamedItems<'e>) {
    let mut response = Response::default();
    let mut items = StreamedItems::new();
    let mut is_over = false;
    for chunk in chunks.filter(|chunk| !is_done(chunk)) {
        let Ok(chunk) = parse::<Chunk<'e>>(chunk) else {
            context.lose(Warning::BadField);
            continue;
        };
        let kind = context.text(chunk.kind).unwrap_or_default();
        match kind {
            "response.created" | "response.completed" | "response.incomplete" | "response.failed" => {
                response = body_of(chunk.response.object(), context);
                is_over = kind != "response.created";
            }
            "error" => is_over = true,
            _ => add(&mut items, kind, chunk, context),
        }
        if matches!(kind, "error" | "response.failed") {
            context.warn(Warning::StreamError);
        }
    }
    if !is_over {
        context.cut_stream();
    }
    if !response.output.items.is_empty() {
        items.clear();
    }
    (response, items)
}

/// Adds what an event says of an item. Events that only repeat deltas are passed over.
fn add<'e>(items: &mut StreamedItems<'e>, kind: &str, chunk: Chunk<'e>, context: &mut Context<'e>) {
    let section = match kind {
        "response.output_item.added" | "response.output_item.done" => None,
        "response.output_text.delta" | "response.refusal.delta" | "response.reasoning_text.delta" => {
            Some(Section::Content)
        }
        "response.reasoning_summary_text.delta" => Some(Section::Summary),
        "response.function_call_arguments.delta"
        | "response.mcp_call_arguments.delta"
        | "response.custom_tool_call_input.delta"
        | "response.code_interpreter_call_code.delta" => Some(Section::Arguments),
        _ => return,
    };
    let index = context.small(chunk.output_index).unwrap_or(0);
    if items.len() >= limits::MESSAGES_PER_INTERACTION && !items.contains_key(&index) {
        return context.lose(Warning::TooManyMessages);
    }
    let own = items.entry(index).or_default();
    let Some(section) = section else {
        own.item = chunk.item.or(own.item);
        own.is_finished |= kind.ends_with(".done");
        return;
    };
    let place = context.small(chunk.content_index.or(chunk.summary_index)).unwrap_or(0);
    if own.texts.len() >= limits::PARTS_PER_MESSAGE && !own.texts.contains_key(&(section, place)) {
        return context.lose(Warning::TooManyParts);
    }
    own.texts.entry((section, place)).or_default().add(chunk.delta, context);
}

impl<'e> Streamed<'e> {
    fn tell(self, dialogue: &mut Dialogue<'e>, context: &mut Context<'e>) {
        if let Some(json) = self.item.object().filter(|_| self.is_finished || self.texts.is_empty()) {
            return dialogue.item(json, Direction::Output, context);
        }
        let item: Item<'e> = body_of(self.item.object(), context);
        let role = role(item.role, Direction::Output, context);
        dialogue.begin(Direction::Output, role, context);
        for ((section, _), pieces) in self.texts {
            let text = pieces.join(context.arena);
            match section {
                Section::Arguments => {
                    let kind = context.text(item.kind).unwrap_or_default();
                    dialogue.called(&item, kind, text, context);
                }
                Section::Summary | Section::Content => {
                    dialogue.push(role, Speaker::new(role).part(text), context);
                }
            }
        }
        dialogue.end(context);
    }
}
