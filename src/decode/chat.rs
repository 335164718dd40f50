//! OpenAI's Chat Completions, which many vendors speak, and the legacy completions before them, plain and streamed.
//!
//! A streamed answer comes in deltas of several choices, interleaved; each choice has its texts and its tool calls,
//! whose arguments come in fragments. They are put together by index and then read like the plain form, so that both
//! give the same messages. Log probabilities and the reasons why a choice ended are not read.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::blocks::{Media, note_list, note_messages};
use super::capture::{Answer, Call, Usage, body_of};
use super::context::{Context, part};
use super::dialogue::{Dialogue, Speaker};
use super::json::{Leaf, List, Nested, Value, parse};
use super::stream::{Chunks, Pieces, is_done};
use crate::limits;
use crate::model::{Direction, PartKind, Role, Warning};

type Messages<'e> = List<Nested<MessageWire<'e>>, { limits::MESSAGES_PER_INTERACTION }>;
type Calls<'e> = List<Nested<CallWire<'e>>, { limits::PARTS_PER_MESSAGE }>;
type Choices<'e> = List<Nested<ChoiceWire<'e>>, { limits::MESSAGES_PER_INTERACTION }>;
type Prompts<'e> = List<Leaf<'e>, { limits::MESSAGES_PER_INTERACTION }>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request<'e> {
    #[serde(borrow)]
    model: Leaf<'e>,
    #[serde(borrow)]
    messages: Messages<'e>,
    /// Of legacy completions.
    #[serde(borrow)]
    prompt: Leaf<'e>,
    #[serde(borrow)]
    suffix: Leaf<'e>,
    #[serde(borrow)]
    tools: Leaf<'e>,
    /// What tools were before 2023.
    #[serde(borrow)]
    functions: Leaf<'e>,
    #[serde(borrow)]
    user: Leaf<'e>,
    #[serde(borrow)]
    safety_identifier: Leaf<'e>,
}

/// A response, or a chunk of one.
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
    usage: Leaf<'e>,
    #[serde(borrow)]
    error: Leaf<'e>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ChoiceWire<'e> {
    #[serde(borrow)]
    index: Leaf<'e>,
    #[serde(borrow)]
    message: Nested<MessageWire<'e>>,
    /// In a chunk.
    #[serde(borrow)]
    delta: Nested<MessageWire<'e>>,
    /// Of legacy completions, plain and in a chunk.
    #[serde(borrow)]
    text: Leaf<'e>,
    #[serde(borrow)]
    finish_reason: Leaf<'e>,
}

/// A message, or what a chunk adds to one.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct MessageWire<'e> {
    #[serde(borrow)]
    pub role: Leaf<'e>,
    #[serde(borrow)]
    name: Leaf<'e>,
    #[serde(borrow)]
    pub content: Leaf<'e>,
    #[serde(borrow)]
    refusal: Leaf<'e>,
    /// What a model thinks, as DeepSeek, vLLM and OpenRouter write it; the latter two call it `reasoning`.
    #[serde(borrow)]
    reasoning_content: Leaf<'e>,
    #[serde(borrow)]
    reasoning: Leaf<'e>,
    #[serde(borrow)]
    tool_call_id: Leaf<'e>,
    #[serde(borrow)]
    tool_calls: Calls<'e>,
    /// What tool calls were before 2023.
    #[serde(borrow)]
    function_call: Nested<FunctionWire<'e>>,
    /// A spoken answer, of which the transcript is text.
    #[serde(borrow)]
    audio: Nested<Media<'e>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CallWire<'e> {
    #[serde(borrow)]
    index: Leaf<'e>,
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

/// Reads a request and its answer.
pub(super) fn read<'e>(request: Option<&'e str>, answer: Answer<'e>, context: &mut Context<'e>) -> Call<'e> {
    let request: Request<'e> = body_of(request, context);
    let (response, choices) = match answer {
        Answer::Absent | Answer::Lost => (Response::default(), None),
        Answer::Stream(chunks) => streamed(chunks, context),
        Answer::Body(json) => {
            let response: Response<'e> = body_of(Some(json), context);
            match context.text(response.object) {
                Some(object) if object.ends_with(".chunk") => streamed(Chunks::One(Some(json)), context),
                _ => (response, None),
            }
        }
    };
    let answers = choices.as_ref().map_or(response.choices.items.len(), BTreeMap::len);
    let mut dialogue = Dialogue::new(request.messages.items.len() + answers + 1, answers, context);
    note_messages(&request.messages, context);
    note_messages(&response.choices, context);
    dialogue.prompts(request.prompt, request.suffix, context);
    for message in request.messages.items {
        dialogue.message(Direction::Input, message, context);
    }
    dialogue.tools(request.tools, Direction::Input, context);
    dialogue.tools(request.functions, Direction::Input, context);
    for choice in response.choices.items {
        match choice {
            Nested::Is(choice) => dialogue.choice(choice, context),
            Nested::Absent => context.warn(Warning::BadField),
            Nested::Bad => context.lose(Warning::BadField),
        }
    }
    choices.unwrap_or_default().into_values().for_each(|choice| choice.tell(&mut dialogue, context));
    Call {
        id: response.id,
        created: response.created,
        models: [response.model, request.model],
        users: [request.user, request.safety_identifier],
        usage: Usage::of(response.usage, context),
        messages: dialogue.into_messages(),
        ..Call::by("openai", context)
    }
}

impl<'e> Dialogue<'e> {
    /// Reads a message of Chat Completions, or one of Anthropic's, whose calls and results are blocks.
    pub(super) fn message(
        &mut self,
        direction: Direction,
        message: Nested<MessageWire<'e>>,
        context: &mut Context<'e>,
    ) {
        let wire = match message {
            Nested::Is(wire) => wire,
            Nested::Absent => return context.warn(Warning::BadField),
            Nested::Bad => return context.lose(Warning::BadField),
        };
        let role = role(wire.role, direction, context);
        self.begin(direction, role, context);
        let own = Speaker::new(role);
        let speaker = if role == Role::Tool { Speaker::tool(self.tool_of(&wire, context)) } else { own };
        self.say_all(own, [wire.reasoning_content.or(wire.reasoning)], context);
        self.content(wire.content, speaker, context);
        self.say_all(own, [wire.refusal], context);
        match wire.audio {
            Nested::Is(audio) => {
                let blob = audio.blob(context);
                self.push(role, blob, context);
            }
            Nested::Absent => {}
            Nested::Bad => context.lose(Warning::BadField),
        }
        note_list(&wire.tool_calls, context);
        for call in wire.tool_calls.items {
            self.tool_call(call, context);
        }
        match wire.function_call {
            Nested::Is(function) => self.function("", &function, context),
            Nested::Absent => {}
            Nested::Bad => context.lose(Warning::BadField),
        }
        self.end(context);
    }

    fn say_all<const N: usize>(&mut self, speaker: Speaker<'e>, leaves: [Leaf<'e>; N], context: &mut Context<'e>) {
        for leaf in leaves {
            let text = context.text_or_json(leaf).unwrap_or_default();
            self.say(speaker, text, context);
        }
    }

    /// The name of the tool whose result a message is: by its call, else as the message says.
    fn tool_of(&self, wire: &MessageWire<'e>, context: &mut Context<'e>) -> &'e str {
        let id = context.identifier(wire.tool_call_id);
        match self.tool_named(id) {
            "" => context.identifier(wire.name),
            name => name,
        }
    }

    fn tool_call(&mut self, call: Nested<CallWire<'e>>, context: &mut Context<'e>) {
        let call = match call {
            Nested::Is(call) => call,
            Nested::Absent => return context.warn(Warning::BadField),
            Nested::Bad => return context.lose(Warning::BadField),
        };
        let id = context.identifier(call.id);
        match (call.function, call.custom) {
            (Nested::Is(function), _) | (_, Nested::Is(function)) => self.function(id, &function, context),
            _ => context.lose(Warning::UnknownPart),
        }
    }

    fn function(&mut self, id: &'e str, function: &FunctionWire<'e>, context: &mut Context<'e>) {
        let name = context.identifier(function.name);
        let arguments = context.text_or_json(function.arguments.or(function.input)).unwrap_or_default();
        self.call(id, name, arguments, context);
    }

    fn choice(&mut self, choice: ChoiceWire<'e>, context: &mut Context<'e>) {
        if choice.text.is_absent() {
            return self.message(Direction::Output, choice.message, context);
        }
        self.begin(Direction::Output, Role::Assistant, context);
        self.say_all(Speaker::new(Role::Assistant), [choice.text], context);
        self.end(context);
    }

    /// The prompt of legacy completions: a string, or an array of them. Arrays of tokens are no text.
    fn prompts(&mut self, prompt: Leaf<'e>, suffix: Leaf<'e>, context: &mut Context<'e>) {
        let prompts: Prompts<'e> = match prompt.value() {
            Value::Absent => List::default(),
            Value::Array(json) => parse(json).unwrap_or(List { bad: true, ..List::default() }),
            _ => List { items: vec![prompt], ..List::default() },
        };
        note_messages(&prompts, context);
        for prompt in prompts.items.into_iter().chain(Some(suffix)) {
            if !matches!(prompt.value(), Value::Absent | Value::Text(_)) {
                context.lose(Warning::BadField);
            } else if let Some(text) = context.text(prompt).filter(|text| !text.is_empty()) {
                self.begin(Direction::Input, Role::User, context);
                self.say(Speaker::new(Role::User), text, context);
                self.end(context);
            }
        }
    }
}

/// The role of a message, by the names of all dialects.
pub(super) fn role<'e>(leaf: Leaf<'e>, direction: Direction, context: &mut Context<'e>) -> Role {
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

/// A choice that is put together from its deltas.
#[derive(Default)]
struct Streamed<'e> {
    role: Leaf<'e>,
    reasoning: Pieces<'e>,
    content: Pieces<'e>,
    refusal: Pieces<'e>,
    audio_bytes: u64,
    transcript: Pieces<'e>,
    calls: BTreeMap<u32, StreamedCall<'e>>,
    function: Option<StreamedCall<'e>>,
    is_finished: bool,
}

#[derive(Default)]
struct StreamedCall<'e> {
    id: Leaf<'e>,
    name: Pieces<'e>,
    arguments: Pieces<'e>,
}

/// Puts a stream together: what is said of the response as a whole, and its choices by their index.
fn streamed<'e>(chunks: Chunks<'e>, context: &mut Context<'e>) -> (Response<'e>, Option<BTreeMap<u32, Streamed<'e>>>) {
    let mut whole = Response::default();
    let mut choices: BTreeMap<u32, Streamed<'e>> = BTreeMap::new();
    let (mut is_done_said, mut is_error) = (false, false);
    for chunk in chunks {
        if is_done(chunk) {
            is_done_said = true;
            continue;
        }
        let Ok(chunk) = parse::<Response<'e>>(chunk) else {
            context.lose(Warning::BadField);
            continue;
        };
        is_error |= !chunk.error.is_absent();
        whole.id = whole.id.or(chunk.id);
        whole.created = whole.created.or(chunk.created);
        whole.model = whole.model.or(chunk.model);
        whole.usage = chunk.usage.or(whole.usage);
        note_list(&chunk.choices, context);
        for choice in chunk.choices.items {
            let Nested::Is(choice) = choice else {
                context.lose(Warning::BadField);
                continue;
            };
            let index = context.small(choice.index).unwrap_or(0);
            if choices.len() < limits::MESSAGES_PER_INTERACTION || choices.contains_key(&index) {
                choices.entry(index).or_default().add(choice, context);
            } else {
                context.lose(Warning::TooManyMessages);
            }
        }
    }
    if is_error {
        context.warn(Warning::StreamError);
    } else if !is_done_said && (choices.is_empty() || choices.values().any(|choice| !choice.is_finished)) {
        context.cut_stream();
    }
    (whole, Some(choices))
}

impl<'e> Streamed<'e> {
    fn add(&mut self, choice: ChoiceWire<'e>, context: &mut Context<'e>) {
        self.is_finished |= !choice.finish_reason.is_absent();
        self.content.add(choice.text, context);
        // A gateway that streams what it has as a whole may leave `message` where `delta` should be.
        let delta = match (choice.delta, choice.message) {
            (Nested::Is(delta), _) | (_, Nested::Is(delta)) => delta,
            (Nested::Absent, Nested::Absent) => return,
            _ => return context.lose(Warning::BadField),
        };
        self.role = self.role.or(delta.role);
        self.reasoning.add(delta.reasoning_content.or(delta.reasoning), context);
        self.content.add(delta.content, context);
        self.refusal.add(delta.refusal, context);
        match delta.audio {
            Nested::Is(audio) => {
                self.audio_bytes += audio.encoded_bytes(context);
                self.transcript.add(audio.transcript(), context);
            }
            Nested::Absent => {}
            Nested::Bad => context.lose(Warning::BadField),
        }
        note_list(&delta.tool_calls, context);
        for call in delta.tool_calls.items {
            match call {
                Nested::Is(call) => self.add_call(call, context),
                Nested::Absent => context.warn(Warning::BadField),
                Nested::Bad => context.lose(Warning::BadField),
            }
        }
        match delta.function_call {
            Nested::Is(function) => self.function.get_or_insert_default().add(&function, context),
            Nested::Absent => {}
            Nested::Bad => context.lose(Warning::BadField),
        }
    }

    fn add_call(&mut self, call: CallWire<'e>, context: &mut Context<'e>) {
        let last = self.calls.last_key_value().map(|(index, _)| *index);
        // Some gateways send each call as a whole and without an index: an id begins the next one.
        let index = context.small(call.index).unwrap_or_else(|| match last {
            Some(last) if call.id.is_absent() => last,
            last => last.map_or(0, |last| last.saturating_add(1)),
        });
        if self.calls.len() >= limits::PARTS_PER_MESSAGE && !self.calls.contains_key(&index) {
            return context.lose(Warning::TooManyParts);
        }
        let own = self.calls.entry(index).or_default();
        own.id = own.id.or(call.id);
        match (call.function, call.custom) {
            (Nested::Is(function), _) | (_, Nested::Is(function)) => own.add(&function, context),
            (Nested::Absent, Nested::Absent) => {}
            _ => context.lose(Warning::BadField),
        }
    }

    /// Reads the choice as the plain form is read: the same parts in the same order.
    fn tell(self, dialogue: &mut Dialogue<'e>, context: &mut Context<'e>) {
        let role = role(self.role, Direction::Output, context);
        let speaker = Speaker::new(role);
        dialogue.begin(Direction::Output, role, context);
        for pieces in [&self.reasoning, &self.content, &self.refusal] {
            dialogue.say(speaker, pieces.join(context.arena), context);
        }
        if self.audio_bytes > 0 || !self.transcript.is_empty() {
            let mut blob = part(PartKind::Blob, "", self.transcript.join(context.arena));
            if self.audio_bytes > 0 {
                blob.bytes = self.audio_bytes;
            }
            dialogue.push(role, blob, context);
        }
        for call in self.calls.into_values().chain(self.function) {
            let [id, name] = [context.identifier(call.id), context.tidy(call.name.join(context.arena))];
            dialogue.call(id, name, call.arguments.join(context.arena), context);
        }
        dialogue.end(context);
    }
}

impl<'e> StreamedCall<'e> {
    fn add(&mut self, function: &FunctionWire<'e>, context: &mut Context<'e>) {
        self.name.add(function.name, context);
        self.arguments.add(function.arguments.or(function.input), context);
    }
}
