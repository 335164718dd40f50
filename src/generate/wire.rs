//! A call written down as a capture point would: as a native event, or as the bodies that a tap sees on the wire,
//! streamed answers in the chunks in which they came. Nothing in here decides what is said.

mod anthropic;
mod openai;

use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

use super::cast::{Application, Caller, Model};
use super::random::Random;
use crate::model::{PrincipalKind, closed_set};

closed_set! {
    /// How a call is captured.
    Shape {
        /// Weir's own events.
        Native = 1 "native",
        /// Request and response of OpenAI Chat Completions.
        OpenAi = 2 "openai",
        /// The same with the answer as a stream of server-sent events.
        OpenAiStream = 3 "openai_stream",
        /// Request and response of OpenAI Responses.
        Responses = 4 "responses",
        /// Request and response of Anthropic Messages.
        Anthropic = 5 "anthropic",
        /// The same with the answer as a stream of server-sent events.
        AnthropicStream = 6 "anthropic_stream",
    }
}

impl Shape {
    /// Those that weir's decoders read.
    pub const READ: &'static [Shape] = Shape::ALL;

    /// How often it is taken beside the others. Streams are rare because each is several times as large.
    pub(super) fn share(self) -> usize {
        match self {
            Shape::OpenAiStream | Shape::AnthropicStream => 1,
            Shape::Native | Shape::Responses => 2,
            Shape::OpenAi | Shape::Anthropic => 4,
        }
    }

    pub(super) fn is_stream(self) -> bool {
        matches!(self, Shape::OpenAiStream | Shape::AnthropicStream)
    }
}

/// Who says what in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    System,
    User,
    Assistant,
    /// The model asks for the application's tool.
    Call,
    /// What the tool gave back.
    Result,
}

/// One turn of a call.
#[derive(Clone)]
pub(super) struct Turn {
    pub speaker: Speaker,
    /// Shared: a conversation sends its history again with every call.
    pub text: Arc<str>,
    /// Which of the conversation's tool calls it belongs to.
    pub call: u64,
}

impl Turn {
    pub(super) fn new(speaker: Speaker, text: impl Into<Arc<str>>) -> Self {
        Turn { speaker, text: text.into(), call: 0 }
    }

    /// What the model hands to the tool.
    fn arguments(&self) -> Value {
        json!({ "query": &*self.text })
    }
}

/// A call with everything that a capture point sees of it.
pub(super) struct Call<'a> {
    pub sequence: u64,
    pub time_ms: i64,
    pub conversation: String,
    pub caller: &'a Caller,
    pub application: &'a Application,
    pub model: &'a Model,
    pub shape: Shape,
    pub latency_ms: u64,
    /// Tokens to and from the model, when they are not to be told from the texts.
    pub tokens: Option<[u64; 2]>,
    pub input: Vec<Turn>,
    /// Of the assistant: what it says, or what it asks its tool for.
    pub output: Turn,
}

/// About four bytes of English are a token.
const BYTES_PER_TOKEN: u64 = 4;

impl Call<'_> {
    /// The id that the capture carries, and the capture.
    pub(super) fn write(&self) -> (String, Vec<u8>) {
        let (id, capture) = match self.shape {
            Shape::Native => self.native(),
            Shape::OpenAi => self.chat(false),
            Shape::OpenAiStream => self.chat(true),
            Shape::Responses => self.responses(),
            Shape::Anthropic => self.messages(false),
            Shape::AnthropicStream => self.messages(true),
        };
        let size: usize = self.input.iter().map(|turn| turn.text.len()).sum();
        let mut payload = Vec::with_capacity(size + size / 4 + 4_096);
        serde_json::to_writer(&mut payload, &capture).expect("a value of strings and numbers fits a buffer");
        (id, payload)
    }

    fn tokens(&self) -> [u64; 2] {
        self.tokens.unwrap_or_else(|| {
            let input: usize = self.input.iter().map(|turn| turn.text.len()).sum();
            [input as u64 / BYTES_PER_TOKEN, self.output.text.len() as u64 / BYTES_PER_TOKEN]
        })
    }

    /// As `pipelines/schemas/native.schema.json` has it.
    fn native(&self) -> (String, Value) {
        let tool = self.application.tool;
        let message = |turn: &Turn| match turn.speaker {
            Speaker::System => json!({ "role": "system", "content": &*turn.text }),
            Speaker::User => json!({ "role": "user", "content": &*turn.text }),
            Speaker::Assistant => json!({ "role": "assistant", "content": &*turn.text }),
            Speaker::Call => json!({
                "role": "assistant",
                "content": [{ "type": "tool_call", "name": tool, "arguments": turn.arguments() }],
            }),
            Speaker::Result => json!({
                "role": "tool",
                "content": [{ "type": "tool_result", "name": tool, "content": &*turn.text }],
            }),
        };
        let messages: Vec<Value> = self.input.iter().map(message).collect();
        let [input_tokens, output_tokens] = self.tokens();
        let id = format!("call-{:08}", self.sequence);
        let event = json!({
            "weir_schema": 1,
            "id": id,
            "time": self.time_ms,
            "conversation": self.conversation,
            "principal": { self.caller.kind.name(): self.caller.name },
            "application": self.application.name,
            "provider": self.model.provider,
            "model": self.model.name,
            "destination": { "host": self.model.host, "port": 443, "scheme": "https", "tls_version": "1.3" },
            "usage": { "input_tokens": input_tokens, "output_tokens": output_tokens },
            "status": 200,
            "latency_ms": self.latency_ms,
            "input": { "messages": messages },
            "output": { "messages": [message(&self.output)] },
        });
        (id, event)
    }

    /// What a tap beside the HTTP client writes round the two bodies. It names the principal unless the request does.
    fn tap(&self, headers: Value, request: Value, response: Value, is_named: bool) -> Value {
        let mut capture = json!({
            "host": self.model.host,
            "headers": headers,
            "time": self.time_ms,
            "application": self.application.name,
            "status": 200,
            "latency_ms": self.latency_ms,
            "request": request,
            "response": response,
        });
        if !is_named {
            capture["principal"] = json!({ self.caller.kind.name(): self.caller.name });
        }
        capture
    }

    fn is_person(&self) -> bool {
        self.caller.kind == PrincipalKind::User
    }

    fn call_id(&self, prefix: &str, turn: &Turn) -> String {
        format!("{prefix}{}_{}", self.conversation.replace('-', ""), turn.call)
    }

    /// A text in the pieces of a stream: a few tokens each, at random, so that any value is cut somewhere.
    fn pieces<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut random = Random::new(self.sequence);
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let least = random.between(3, 24) as usize;
            let end = (least..rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
            let (piece, tail) = rest.split_at(end);
            pieces.push(piece);
            rest = tail;
        }
        pieces
    }
}

/// What the tool takes, as a request describes it.
fn tool_parameters() -> Value {
    json!({ "type": "object", "properties": { "query": { "type": "string" } }, "required": ["query"] })
}

/// Appends an event of a stream.
fn push_event(stream: &mut String, name: Option<&str>, data: &Value) {
    if let Some(name) = name {
        stream.push_str("event: ");
        stream.push_str(name);
        stream.push('\n');
    }
    stream.push_str("data: ");
    stream.push_str(&data.to_string());
    stream.push_str("\n\n");
}
