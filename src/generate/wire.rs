//! A call written down as a capture point would: as a native event, or as the two bodies of Chat Completions.
//! Nothing in here decides what is said.

use serde_json::{Value, json};

use super::cast::{Application, Caller, Model};
use crate::model::PrincipalKind;

/// One turn of a call.
#[derive(Clone)]
pub(super) enum Turn {
    System(String),
    User(String),
    Assistant(String),
    /// The model asks for the application's tool.
    Call(String),
    /// What the tool gave back.
    Result(String),
}

/// A call with everything that a capture point sees of it.
pub(super) struct Call<'a> {
    pub sequence: u64,
    pub time_ms: i64,
    pub conversation: String,
    pub caller: &'a Caller,
    pub application: &'a Application,
    pub model: &'a Model,
    pub latency_ms: u64,
    pub input: Vec<Turn>,
    pub output: String,
}

/// About four bytes of English are a token.
const BYTES_PER_TOKEN: usize = 4;

impl Call<'_> {
    fn tokens(&self) -> [usize; 2] {
        let input: usize = self.input.iter().map(|turn| turn.text().len()).sum();
        [input / BYTES_PER_TOKEN, self.output.len() / BYTES_PER_TOKEN]
    }

    /// As `pipelines/schemas/native.schema.json` has it.
    pub(super) fn native(&self) -> Vec<u8> {
        let tool = self.application.tool;
        let messages: Vec<Value> = self.input.iter().map(|turn| turn.native(tool)).collect();
        let [input_tokens, output_tokens] = self.tokens();
        json!({
            "weir_schema": 1,
            "id": format!("call-{:08}", self.sequence),
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
            "output": { "messages": [{ "role": "assistant", "content": self.output }] },
        })
        .to_string()
        .into_bytes()
    }

    /// As a tap beside the HTTP client has it. People are named by the request, others by the tap.
    pub(super) fn openai(&self) -> Vec<u8> {
        let tool = self.application.tool;
        let messages: Vec<Value> = self.input.iter().map(|turn| turn.openai(tool, self.sequence)).collect();
        let [prompt_tokens, completion_tokens] = self.tokens();
        let mut request = json!({ "model": self.model.name, "messages": messages });
        let mut capture = json!({
            "host": self.model.host,
            "headers": { "content-type": "application/json", "openai-organization": "org-harbour" },
            "time": self.time_ms,
            "application": self.application.name,
            "status": 200,
            "latency_ms": self.latency_ms,
            "response": {
                "id": format!("chatcmpl-{:08}", self.sequence),
                "object": "chat.completion",
                "created": self.time_ms / 1_000,
                "model": self.model.name,
                "choices": [{
                    "index": 0,
                    "finish_reason": "stop",
                    "message": { "role": "assistant", "content": self.output, "refusal": null },
                }],
                "usage": {
                    "prompt_tokens": prompt_tokens,
                    "completion_tokens": completion_tokens,
                    "total_tokens": prompt_tokens + completion_tokens,
                },
            },
        });
        if self.caller.kind == PrincipalKind::User {
            request["user"] = json!(self.caller.name);
        } else {
            capture["principal"] = json!({ self.caller.kind.name(): self.caller.name });
        }
        capture["request"] = request;
        capture.to_string().into_bytes()
    }
}

impl Turn {
    fn text(&self) -> &str {
        match self {
            Turn::System(text) | Turn::User(text) | Turn::Assistant(text) | Turn::Call(text) | Turn::Result(text) => {
                text
            }
        }
    }

    fn native(&self, tool: &str) -> Value {
        match self {
            Turn::System(text) => json!({ "role": "system", "content": text }),
            Turn::User(text) => json!({ "role": "user", "content": text }),
            Turn::Assistant(text) => json!({ "role": "assistant", "content": text }),
            Turn::Call(query) => json!({
                "role": "assistant",
                "content": [{ "type": "tool_call", "name": tool, "arguments": { "query": query } }],
            }),
            Turn::Result(text) => json!({
                "role": "tool",
                "content": [{ "type": "tool_result", "name": tool, "content": text }],
            }),
        }
    }

    fn openai(&self, tool: &str, sequence: u64) -> Value {
        let id = format!("call_{sequence:08}");
        match self {
            Turn::Call(query) => json!({
                "role": "assistant",
                "content": null,
                "tool_calls": [{
                    "id": id,
                    "type": "function",
                    "function": { "name": tool, "arguments": json!({ "query": query }).to_string() },
                }],
            }),
            Turn::Result(text) => json!({ "role": "tool", "tool_call_id": id, "content": text }),
            other => other.native(tool),
        }
    }
}
