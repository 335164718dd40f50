//! The two interfaces of OpenAI, which Azure and others speak too: Chat Completions, plain and streamed, and
//! Responses.

use serde_json::{Value, json};

use super::{Call, Speaker, Turn, push_event, tool_parameters};

impl Call<'_> {
    /// Chat Completions.
    pub(super) fn chat(&self, is_stream: bool) -> (String, Value) {
        let id = format!("chatcmpl-{:08}", self.sequence);
        let messages: Vec<Value> = self.input.iter().map(|turn| self.chat_message(turn)).collect();
        let mut request = json!({
            "model": self.model.name,
            "messages": messages,
            "tools": [{
                "type": "function",
                "function": { "name": self.application.tool, "parameters": tool_parameters() },
            }],
        });
        if self.is_person() {
            request["user"] = json!(self.caller.name);
        }
        let response = if is_stream {
            request["stream"] = json!(true);
            request["stream_options"] = json!({ "include_usage": true });
            json!(self.chat_stream(&id))
        } else {
            let mut message = self.chat_message(&self.output);
            message["refusal"] = Value::Null;
            json!({
                "id": id,
                "object": "chat.completion",
                "created": self.time_ms / 1_000,
                "model": self.model.name,
                "choices": [{ "index": 0, "finish_reason": self.finish_reason(), "message": message }],
                "usage": self.chat_usage(),
            })
        };
        (id, self.tap(self.openai_headers(is_stream), request, response, self.is_person()))
    }

    fn openai_headers(&self, is_stream: bool) -> Value {
        let content_type = if is_stream { "text/event-stream" } else { "application/json" };
        json!({ "content-type": content_type, "openai-organization": "org-harbour" })
    }

    fn finish_reason(&self) -> &'static str {
        if self.output.speaker == Speaker::Call { "tool_calls" } else { "stop" }
    }

    fn chat_usage(&self) -> Value {
        let [input, output] = self.tokens();
        json!({ "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output })
    }

    fn chat_message(&self, turn: &Turn) -> Value {
        match turn.speaker {
            Speaker::System => json!({ "role": "system", "content": &*turn.text }),
            Speaker::User => json!({ "role": "user", "content": &*turn.text }),
            Speaker::Assistant => json!({ "role": "assistant", "content": &*turn.text }),
            Speaker::Call => json!({
                "role": "assistant",
                "content": null,
                "tool_calls": [{
                    "id": self.call_id("call_", turn),
                    "type": "function",
                    "function": { "name": self.application.tool, "arguments": turn.arguments().to_string() },
                }],
            }),
            Speaker::Result => json!({
                "role": "tool",
                "tool_call_id": self.call_id("call_", turn),
                "content": &*turn.text,
            }),
        }
    }

    fn chat_stream(&self, id: &str) -> String {
        let mut stream = String::new();
        let mut push = |choices: Value, usage: Value| {
            let chunk = json!({
                "id": id,
                "object": "chat.completion.chunk",
                "created": self.time_ms / 1_000,
                "model": self.model.name,
                "choices": choices,
                "usage": usage,
            });
            push_event(&mut stream, None, &chunk);
        };
        let delta = |delta: Value| json!([{ "index": 0, "delta": delta, "finish_reason": null }]);
        push(delta(json!({ "role": "assistant", "content": "" })), Value::Null);
        if self.output.speaker == Speaker::Call {
            let call = json!({
                "index": 0,
                "id": self.call_id("call_", &self.output),
                "type": "function",
                "function": { "name": self.application.tool, "arguments": "" },
            });
            push(delta(json!({ "tool_calls": [call] })), Value::Null);
            for piece in self.pieces(&self.output.arguments().to_string()) {
                let call = json!({ "index": 0, "function": { "arguments": piece } });
                push(delta(json!({ "tool_calls": [call] })), Value::Null);
            }
        } else {
            for piece in self.pieces(&self.output.text) {
                push(delta(json!({ "content": piece })), Value::Null);
            }
        }
        push(json!([{ "index": 0, "delta": {}, "finish_reason": self.finish_reason() }]), Value::Null);
        push(json!([]), self.chat_usage());
        stream.push_str("data: [DONE]\n\n");
        stream
    }

    /// Responses.
    pub(super) fn responses(&self) -> (String, Value) {
        let id = format!("resp_{:08}", self.sequence);
        let of = |wanted: bool| self.input.iter().filter(move |turn| (turn.speaker == Speaker::System) == wanted);
        let instructions: Vec<&str> = of(true).map(|turn| &*turn.text).collect();
        let input: Vec<Value> = of(false).map(|turn| self.item(turn)).collect();
        let [input_tokens, output_tokens] = self.tokens();
        let mut request = json!({
            "model": self.model.name,
            "instructions": instructions.join("\n"),
            "input": input,
            "tools": [{ "type": "function", "name": self.application.tool, "parameters": tool_parameters() }],
        });
        if self.is_person() {
            request["safety_identifier"] = json!(self.caller.name);
        }
        let mut output = self.item(&self.output);
        output["id"] = json!(format!("msg_{:08}", self.sequence));
        output["status"] = json!("completed");
        let response = json!({
            "id": id,
            "object": "response",
            "created_at": self.time_ms / 1_000,
            "status": "completed",
            "model": self.model.name,
            "output": [output],
            "usage": {
                "input_tokens": input_tokens,
                "input_tokens_details": { "cached_tokens": 0 },
                "output_tokens": output_tokens,
                "output_tokens_details": { "reasoning_tokens": 0 },
                "total_tokens": input_tokens + output_tokens,
            },
        });
        (id, self.tap(self.openai_headers(false), request, response, self.is_person()))
    }

    /// A turn as an item of Responses.
    fn item(&self, turn: &Turn) -> Value {
        match turn.speaker {
            Speaker::System | Speaker::User => json!({
                "type": "message",
                "role": "user",
                "content": [{ "type": "input_text", "text": &*turn.text }],
            }),
            Speaker::Assistant => json!({
                "type": "message",
                "role": "assistant",
                "content": [{ "type": "output_text", "text": &*turn.text, "annotations": [] }],
            }),
            Speaker::Call => json!({
                "type": "function_call",
                "call_id": self.call_id("call_", turn),
                "name": self.application.tool,
                "arguments": turn.arguments().to_string(),
            }),
            Speaker::Result => json!({
                "type": "function_call_output",
                "call_id": self.call_id("call_", turn),
                "output": &*turn.text,
            }),
        }
    }
}
