//! Anthropic's Messages, plain and streamed.
//!
//! Messages and their blocks are read as everywhere (`decode/chat.rs`, `decode/blocks.rs`); here are the request and
//! the answer round them, and the stream, which opens each block, adds deltas to it and closes it. Signatures of
//! thoughts and citations are not read: what is cited stands in the documents of the request.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::blocks::{Block, note_messages};
use super::capture::{Answer, Call, Usage, body_of, object_of};
use super::chat::MessageWire;
use super::context::Context;
use super::dialogue::{Dialogue, Speaker};
use super::json::{Leaf, List, Nested, parse};
use super::stream::{Chunks, Pieces, is_done};
use crate::limits;
use crate::model::{Direction, Role, Warning};

type Messages<'e> = List<Nested<MessageWire<'e>>, { limits::MESSAGES_PER_INTERACTION }>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request<'e> {
    #[serde(borrow)]
    model: Leaf<'e>,
    #[serde(borrow)]
    system: Leaf<'e>,
    #[serde(borrow)]
    messages: Messages<'e>,
    #[serde(borrow)]
    tools: Leaf<'e>,
    #[serde(borrow)]
    metadata: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata<'e> {
    #[serde(borrow)]
    user_id: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'e> {
    #[serde(borrow)]
    id: Leaf<'e>,
    #[serde(borrow)]
    model: Leaf<'e>,
    #[serde(borrow)]
    role: Leaf<'e>,
    #[serde(borrow)]
    content: Leaf<'e>,
    #[serde(borrow)]
    usage: Leaf<'e>,
}

/// A chunk: the fields of every type.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Chunk<'e> {
    #[serde(borrow, rename = "type")]
    kind: Leaf<'e>,
    #[serde(borrow)]
    message: Leaf<'e>,
    #[serde(borrow)]
    index: Leaf<'e>,
    #[serde(borrow)]
    content_block: Leaf<'e>,
    #[serde(borrow)]
    delta: Leaf<'e>,
    #[serde(borrow)]
    usage: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'e> {
    #[serde(borrow, rename = "type")]
    kind: Leaf<'e>,
    #[serde(borrow)]
    text: Leaf<'e>,
    #[serde(borrow)]
    thinking: Leaf<'e>,
    #[serde(borrow)]
    partial_json: Leaf<'e>,
}

/// Reads a request and its answer.
pub(super) fn read<'e>(request: Option<&'e str>, answer: Answer<'e>, context: &mut Context<'e>) -> Call<'e> {
    let request: Request<'e> = body_of(request, context);
    let metadata: Metadata<'e> = object_of(request.metadata.object(), context);
    let mut dialogue = Dialogue::new(request.messages.items.len() + 3, 1, context);
    if !request.system.is_absent() {
        dialogue.begin(Direction::Input, Role::System, context);
        dialogue.content(request.system, Speaker::new(Role::System), context);
        dialogue.end(context);
    }
    note_messages(&request.messages, context);
    for message in request.messages.items {
        dialogue.message(Direction::Input, message, context);
    }
    dialogue.tools(request.tools, Direction::Input, context);
    let (response, usage) = match answer {
        Answer::Absent | Answer::Lost => (Response::default(), Usage::default()),
        Answer::Stream(chunks) => streamed(chunks, &mut dialogue, context),
        Answer::Body(json) => {
            let response: Response<'e> = body_of(Some(json), context);
            if !response.content.is_absent() {
                dialogue.begin(Direction::Output, Role::Assistant, context);
                dialogue.content(response.content, Speaker::new(Role::Assistant), context);
                dialogue.end(context);
            }
            let usage = Usage::of(response.usage, context);
            (response, usage)
        }
    };
    Call {
        id: response.id,
        models: [response.model, request.model],
        users: [metadata.user_id, Leaf::default()],
        usage,
        messages: dialogue.into_messages(),
        ..Call::by("anthropic", context)
    }
}

/// A block that is put together from its deltas.
#[derive(Default)]
struct Streamed<'e> {
    start: Block<'e>,
    /// What is said or thought.
    text: Pieces<'e>,
    /// The arguments of a call, which are JSON in pieces.
    json: Pieces<'e>,
}

/// Puts a stream together: its one message goes to the dialogue, and what is said about it comes back.
fn streamed<'e>(
    chunks: Chunks<'e>,
    dialogue: &mut Dialogue<'e>,
    context: &mut Context<'e>,
) -> (Response<'e>, Usage<'e>) {
    let mut response = Response::default();
    let mut usage = Usage::default();
    let mut blocks: BTreeMap<u32, Streamed<'e>> = BTreeMap::new();
    let mut is_over = false;
    // Some gateways end every stream as OpenAI does.
    for chunk in chunks.filter(|chunk| !is_done(chunk)) {
        let Ok(chunk) = parse::<Chunk<'e>>(chunk) else {
            context.lose(Warning::BadField);
            continue;
        };
        match context.text(chunk.kind).unwrap_or_default() {
            "message_start" => {
                response = body_of(chunk.message.object(), context);
                usage.update(Usage::of(response.usage, context));
            }
            "content_block_start" | "content_block_delta" => add(&mut blocks, chunk, context),
            "message_delta" => usage.update(Usage::of(chunk.usage, context)),
            "message_stop" => is_over = true,
            "error" => {
                context.warn(Warning::StreamError);
                is_over = true;
            }
            "content_block_stop" | "ping" => {}
            _ => context.warn(Warning::UnknownPart),
        }
    }
    if !is_over {
        context.cut_stream();
    }
    if !response.role.is_absent() || !blocks.is_empty() {
        dialogue.begin(Direction::Output, Role::Assistant, context);
        blocks.into_values().for_each(|block| block.tell(dialogue, context));
        dialogue.end(context);
    }
    (response, usage)
}

/// Adds what a chunk says of a block.
fn add<'e>(blocks: &mut BTreeMap<u32, Streamed<'e>>, chunk: Chunk<'e>, context: &mut Context<'e>) {
    let index = context.small(chunk.index).unwrap_or(0);
    if blocks.len() >= limits::PARTS_PER_MESSAGE && !blocks.contains_key(&index) {
        return context.lose(Warning::TooManyParts);
    }
    let block = blocks.entry(index).or_default();
    if let Some(json) = chunk.content_block.object() {
        block.start = body_of(Some(json), context);
        // Empty as a rule; whatever it says comes before the deltas.
        block.text.add(block.start.text.or(block.start.thinking), context);
    }
    let delta: Delta<'e> = body_of(chunk.delta.object(), context);
    block.text.add(delta.text.or(delta.thinking), context);
    block.json.add(delta.partial_json, context);
    if !delta.kind.is_absent() && delta.is_unknown(context) {
        context.warn(Warning::UnknownPart);
    }
}

impl<'e> Delta<'e> {
    fn is_unknown(&self, context: &mut Context<'e>) -> bool {
        let known = ["text_delta", "thinking_delta", "input_json_delta", "signature_delta", "citations_delta"];
        !known.contains(&context.text(self.kind).unwrap_or_default())
    }
}

impl<'e> Streamed<'e> {
    /// Reads the block as the plain form is read.
    fn tell(self, dialogue: &mut Dialogue<'e>, context: &mut Context<'e>) {
        let speaker = Speaker::new(Role::Assistant);
        if !self.json.is_empty() {
            let [id, name] = [self.start.id, self.start.name].map(|leaf| context.identifier(leaf));
            return dialogue.call(id, name, self.json.join(context.arena), context);
        }
        if !self.text.is_empty() {
            return dialogue.push(Role::Assistant, speaker.part(self.text.join(context.arena)), context);
        }
        dialogue.block(&self.start, speaker, context);
    }
}
