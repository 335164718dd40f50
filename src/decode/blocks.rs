//! What stands inside a message: content as Chat Completions, Responses and Anthropic Messages write it, and the
//! definitions of tools.
//!
//! One reader serves all three, since captures mix them: gateways translate one dialect into another, and a block
//! has the same meaning wherever it stands. Which fields are read is decided by the block's `type`; of a type that
//! is not known the text is looked at rather than lost.
//!
//! A picture, a sound or a file is a blob: its size, and what of it is text (a link, a transcript, a name). What
//! a tool or a retrieved document says is given to the role `tool` or `document`, whoever's turn it stands in.

use serde::Deserialize;

use super::capture::body_of;
use super::context::{Context, part};
use super::dialogue::{Dialogue, Speaker};
use super::json::{Leaf, List, Nested, Value, parse, unescape};
use crate::limits;
use crate::model::{Direction, Part, PartKind, Role, Warning};

/// How deep blocks stand in blocks: a document in a tool's result has blocks of its own.
const BLOCKS_DEEP: usize = 3;

type Blocks<'e> = List<Nested<Block<'e>>, { limits::PARTS_PER_MESSAGE }>;
type Tools<'e> = List<Nested<Tool<'e>>, { limits::PARTS_PER_MESSAGE }>;

/// A block of content: the fields of every dialect.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Block<'e> {
    #[serde(borrow, rename = "type")]
    pub kind: Leaf<'e>,
    #[serde(borrow)]
    pub text: Leaf<'e>,
    #[serde(borrow)]
    pub thinking: Leaf<'e>,
    #[serde(borrow)]
    refusal: Leaf<'e>,
    #[serde(borrow)]
    pub id: Leaf<'e>,
    #[serde(borrow)]
    pub name: Leaf<'e>,
    #[serde(borrow)]
    input: Leaf<'e>,
    #[serde(borrow)]
    tool_use_id: Leaf<'e>,
    #[serde(borrow)]
    content: Leaf<'e>,
    #[serde(borrow)]
    title: Leaf<'e>,
    #[serde(borrow)]
    context: Leaf<'e>,
    /// An object, or where a search found its result.
    #[serde(borrow)]
    source: Leaf<'e>,
    /// An object, or the link itself.
    #[serde(borrow)]
    image_url: Leaf<'e>,
    #[serde(borrow)]
    input_audio: Leaf<'e>,
    #[serde(borrow)]
    file: Leaf<'e>,
    #[serde(borrow)]
    url: Leaf<'e>,
    #[serde(borrow)]
    data: Leaf<'e>,
    #[serde(borrow)]
    file_data: Leaf<'e>,
    #[serde(borrow)]
    file_url: Leaf<'e>,
    #[serde(borrow)]
    file_id: Leaf<'e>,
    #[serde(borrow)]
    filename: Leaf<'e>,
}

/// Where a picture, a sound or a file is, or what it holds.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Media<'e> {
    /// `text` and `content` hold a document's words; all else is bytes.
    #[serde(borrow, rename = "type")]
    kind: Leaf<'e>,
    #[serde(borrow)]
    url: Leaf<'e>,
    #[serde(borrow)]
    data: Leaf<'e>,
    #[serde(borrow)]
    content: Leaf<'e>,
    #[serde(borrow)]
    transcript: Leaf<'e>,
    #[serde(borrow)]
    file_data: Leaf<'e>,
    #[serde(borrow)]
    file_id: Leaf<'e>,
    #[serde(borrow)]
    filename: Leaf<'e>,
}

/// A tool as a request defines it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool<'e> {
    #[serde(borrow, rename = "type")]
    kind: Leaf<'e>,
    #[serde(borrow)]
    name: Leaf<'e>,
    #[serde(borrow)]
    description: Leaf<'e>,
    #[serde(borrow)]
    input_schema: Leaf<'e>,
    #[serde(borrow)]
    parameters: Leaf<'e>,
    /// The grammar of a custom tool.
    #[serde(borrow)]
    format: Leaf<'e>,
    /// Chat Completions wrap a definition in one of these.
    #[serde(borrow)]
    function: Leaf<'e>,
    #[serde(borrow)]
    custom: Leaf<'e>,
    #[serde(borrow)]
    server_label: Leaf<'e>,
    #[serde(borrow)]
    server_description: Leaf<'e>,
    #[serde(borrow)]
    server_url: Leaf<'e>,
}

impl<'e> Dialogue<'e> {
    /// Reads content: a string, an array of blocks, or one block by itself.
    pub(super) fn content(&mut self, leaf: Leaf<'e>, speaker: Speaker<'e>, context: &mut Context<'e>) {
        self.content_at(leaf, speaker, 0, context);
    }

    fn content_at(&mut self, leaf: Leaf<'e>, speaker: Speaker<'e>, depth: usize, context: &mut Context<'e>) {
        match leaf.value() {
            Value::Absent => {}
            Value::Text(token) => self.say(speaker, unescape(token, context.arena), context),
            Value::Array(json) if depth < BLOCKS_DEEP => {
                let blocks: Blocks<'e> = parse(json).unwrap_or(List { bad: true, ..List::default() });
                note_list(&blocks, context);
                for block in blocks.items {
                    match block {
                        Nested::Is(block) => self.block_at(&block, speaker, depth, context),
                        Nested::Absent => context.warn(Warning::BadField),
                        Nested::Bad => context.lose(Warning::BadField),
                    }
                }
            }
            // One block without its array, as some gateways write it; what is no block is looked at as it stands.
            Value::Object(json) if depth == 0 => {
                context.warn(Warning::BadField);
                match parse::<Block<'e>>(json) {
                    Ok(block) if !block.kind.or(block.text).is_absent() => {
                        self.block_at(&block, speaker, depth, context);
                    }
                    _ => self.say(speaker, json, context),
                }
            }
            // The result of a tool that the provider runs, or blocks too deep in blocks.
            Value::Array(json) | Value::Object(json) => self.say(speaker, json, context),
            Value::Number(_) | Value::Bool => context.lose(Warning::BadField),
        }
    }

    /// Reads one block.
    pub(super) fn block(&mut self, block: &Block<'e>, speaker: Speaker<'e>, context: &mut Context<'e>) {
        self.block_at(block, speaker, 0, context);
    }

    fn block_at(&mut self, block: &Block<'e>, speaker: Speaker<'e>, depth: usize, context: &mut Context<'e>) {
        let kind = context.text(block.kind).unwrap_or_default();
        let said = match kind {
            "text" | "input_text" | "output_text" | "summary_text" | "reasoning_text" => block.text,
            "refusal" => block.refusal,
            "thinking" => block.thinking,
            "tool_use" | "server_tool_use" | "mcp_tool_use" => {
                let [id, name] = [block.id, block.name].map(|leaf| context.identifier(leaf));
                let arguments = context.text_or_json(block.input).unwrap_or_default();
                return self.call(id, name, arguments, context);
            }
            "document" | "search_result" => return self.document(block, depth, context),
            "image_url" | "image" | "input_image" | "input_audio" | "file" | "input_file" | "redacted_thinking"
            | "container_upload" => {
                let blob = blob(block, context);
                return self.push(speaker.role, blob, context);
            }
            "web_search_result" => {
                let texts = [block.title, block.url].map(|leaf| context.text(leaf).unwrap_or_default());
                return texts.into_iter().for_each(|text| self.say(speaker, text, context));
            }
            // `tool_result`, and `web_search_tool_result` and its like.
            kind if kind.ends_with("tool_result") => return self.result(block, depth, context),
            _ => {
                context.warn(Warning::UnknownPart);
                let said = block.text.or(block.content);
                // What else it may hold stands in fields that nobody knows.
                context.is_cut |= said.is_absent();
                let text = context.text_or_json(said).unwrap_or_default();
                return self.push(speaker.role, speaker.part(text), context);
            }
        };
        let text = context.text_or_json(said).unwrap_or_default();
        self.push(speaker.role, speaker.part(text), context);
    }

    /// What a tool gave back. It is a part even if it is nothing.
    fn result(&mut self, block: &Block<'e>, depth: usize, context: &mut Context<'e>) {
        let id = context.identifier(block.tool_use_id);
        let name = match self.tool_named(id) {
            "" => context.identifier(block.name),
            name => name,
        };
        let speaker = Speaker::tool(name);
        match block.content.value() {
            Value::Absent | Value::Text("") => self.push(Role::Tool, speaker.part(""), context),
            _ => self.content_at(block.content, speaker, depth + 1, context),
        }
    }

    /// A document or a search's result: its words, where it came from, and what it is introduced with.
    fn document(&mut self, block: &Block<'e>, depth: usize, context: &mut Context<'e>) {
        let name = context.identifier(block.title);
        let speaker = Speaker { name, ..Speaker::new(Role::Document) };
        if let Some(about) = context.text_or_json(block.context) {
            self.say(speaker, about, context);
        }
        let source = media_of(block.source, context);
        match source.kind.json() {
            "\"text\"" => {
                let text = context.text_or_json(source.data).unwrap_or_default();
                self.push(Role::Document, speaker.part(text), context);
            }
            "\"content\"" => self.content_at(source.content, speaker, depth + 1, context),
            "" => self.content_at(block.content, speaker, depth + 1, context),
            _ => {
                let blob = Part { name, ..source.blob(context) };
                self.push(Role::Document, blob, context);
            }
        }
        // Where a search found it. What is no media and no text either is looked at as it stands.
        if !matches!(block.source.value(), Value::Object(_)) {
            let found_at = context.text_or_json(block.source).unwrap_or_default();
            self.say(speaker, found_at, context);
        }
        // The model reads it too. Last, so that the parts before it are counted as they were before titles were read.
        if let Value::Text(token) = block.title.value() {
            self.say(speaker, unescape(token, context.arena), context);
        }
    }

    /// The definitions of tools, as one turn of the role `tool`: most come from whoever offers the tool, not from
    /// the application, and an order hidden in a description is read by the model like any other text. A part for
    /// each description, and one for the schema behind it.
    pub(super) fn tools(&mut self, leaf: Leaf<'e>, direction: Direction, context: &mut Context<'e>) {
        let tools: Tools<'e> = match leaf.value() {
            Value::Absent => return,
            Value::Array(json) => parse(json).unwrap_or(List { bad: true, ..List::default() }),
            _ => List { bad: true, ..List::default() },
        };
        note_list(&tools, context);
        if tools.items.is_empty() {
            return;
        }
        self.begin(direction, Role::Tool, context);
        for tool in tools.items {
            match tool {
                Nested::Is(tool) => self.tool(tool, context),
                Nested::Absent => context.warn(Warning::BadField),
                Nested::Bad => context.lose(Warning::BadField),
            }
        }
        self.end(context);
    }

    fn tool(&mut self, mut tool: Tool<'e>, context: &mut Context<'e>) {
        if let Some(json) = tool.function.or(tool.custom).object() {
            tool = body_of(Some(json), context);
        }
        let name = context.identifier(tool.name.or(tool.server_label).or(tool.kind));
        let speaker = Speaker { name, ..Speaker::new(Role::Tool) };
        let texts = [
            tool.description.or(tool.server_description),
            tool.input_schema.or(tool.parameters).or(tool.format),
            tool.server_url,
        ];
        for leaf in texts {
            let text = context.text_or_json(leaf).unwrap_or_default();
            self.say(speaker, text, context);
        }
    }
}

/// Notes what a list of content leaves out.
pub(super) fn note_list<T, const MAX: usize>(list: &List<T, MAX>, context: &mut Context<'_>) {
    note_more(list, Warning::TooManyParts, context);
}

/// As [`note_list`], of messages.
pub(super) fn note_messages<T, const MAX: usize>(list: &List<T, MAX>, context: &mut Context<'_>) {
    note_more(list, Warning::TooManyMessages, context);
}

fn note_more<T, const MAX: usize>(list: &List<T, MAX>, more: Warning, context: &mut Context<'_>) {
    if list.bad {
        context.lose(Warning::BadField);
    }
    if list.more {
        context.lose(more);
    }
}

/// The media of a block, wherever its dialect puts it.
fn blob<'e>(block: &Block<'e>, context: &mut Context<'e>) -> Part<'e> {
    let own = || Media {
        url: block.image_url.or(block.file_url),
        data: block.data.or(block.file_data),
        file_id: block.file_id,
        filename: block.filename,
        ..Media::default()
    };
    let wrapped = block.source.or(block.image_url).or(block.input_audio).or(block.file);
    let media = match wrapped.value() {
        Value::Object(_) => media_of(wrapped, context),
        Value::Absent | Value::Text(_) => own(),
        _ => {
            context.lose(Warning::BadField);
            Media::default()
        }
    };
    media.blob(context)
}

/// An object with media in it; anything else is left to its reader.
fn media_of<'e>(leaf: Leaf<'e>, context: &mut Context<'e>) -> Media<'e> {
    body_of(leaf.object(), context)
}

impl<'e> Media<'e> {
    pub(super) fn transcript(&self) -> Leaf<'e> {
        self.transcript
    }

    /// How many bytes a piece of base64 stands for.
    pub(super) fn encoded_bytes(&self, context: &mut Context<'e>) -> u64 {
        base64_bytes(context.text(self.data).unwrap_or_default())
    }

    pub(super) fn blob(&self, context: &mut Context<'e>) -> Part<'e> {
        let url = context.text(self.url).unwrap_or_default();
        let inline = url.strip_prefix("data:").and_then(|data| data.split_once(','));
        let encoded = match inline {
            Some((_, data)) => data,
            None => {
                let data = context.text(self.data.or(self.file_data)).unwrap_or_default();
                data.rsplit_once(',').map_or(data, |(_, data)| data)
            }
        };
        let link = if url.starts_with("data:") { "" } else { url };
        let transcript = context.text_or_json(self.transcript).unwrap_or_default();
        let names = [self.filename, self.file_id].map(|leaf| context.text(leaf).unwrap_or_default());
        let text = [link, transcript].into_iter().chain(names).find(|text| !text.is_empty()).unwrap_or_default();
        let mut blob = part(PartKind::Blob, "", text);
        if !encoded.is_empty() {
            blob.bytes = base64_bytes(encoded);
        }
        blob
    }
}

/// How many bytes base64 text stands for.
pub(super) fn base64_bytes(encoded: &str) -> u64 {
    encoded.trim_end_matches('=').len() as u64 * 3 / 4
}
