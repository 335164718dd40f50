//! A call as a tap on Anthropic Messages has it: plain, or as the events of a stream, cut where tokens end. Nothing in
//! here decides what is said.

use serde_json::{Value, json};

use super::{Call, Speaker, Turn, push_event, tool_parameters};

impl Call<'_> {
    /// Messages.
    pub(super) fn messages(&self, is_stream: bool) -> (String, Value) {
        let id = format!("msg_{:08}", self.sequence);
        let of = |wanted: bool| self.input.iter().filter(move |turn| (turn.speaker == Speaker::System) == wanted);
        let system: Vec<Value> = of(true).map(|turn| json!({ "type": "text", "text": &*turn.text })).collect();
        let messages: Vec<Value> = of(false)
            .map(|turn| match turn.speaker {
                Speaker::User => json!({ "role": "user", "content": &*turn.text }),
                Speaker::Result => json!({ "role": "user", "content": [self.block(turn)] }),
                _ => json!({ "role": "assistant", "content": [self.block(turn)] }),
            })
            .collect();
        let mut request = json!({
            "model": self.model.name,
            "max_tokens": 2_048,
            "system": system,
            "messages": messages,
            "tools": [{ "name": self.application.tool, "input_schema": tool_parameters() }],
        });
        if self.is_person() {
            request["metadata"] = json!({ "user_id": self.caller.name });
        }
        let [input_tokens, output_tokens] = self.tokens();
        let usage = json!({
            // A part of the input was read from the cache: the three numbers together are the input.
            "input_tokens": input_tokens - input_tokens / 4,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": input_tokens / 4,
            "output_tokens": output_tokens,
        });
        let response = json!({
            "id": id,
            "type": "message",
            "role": "assistant",
            "model": self.model.name,
            "content": [self.block(&self.output)],
            "stop_reason": self.stop_reason(),
            "stop_sequence": null,
            "usage": usage,
        });
        let (response, content_type) = if is_stream {
            request["stream"] = json!(true);
            (json!(self.messages_stream(response)), "text/event-stream")
        } else {
            (response, "application/json")
        };
        let headers = json!({ "content-type": content_type, "anthropic-organization-id": "org-harbour" });
        (id, self.tap(headers, request, response, self.is_person()))
    }

    fn stop_reason(&self) -> &'static str {
        if self.output.speaker == Speaker::Call { "tool_use" } else { "end_turn" }
    }

    /// A turn as a block of content.
    fn block(&self, turn: &Turn) -> Value {
        match turn.speaker {
            Speaker::Call => json!({
                "type": "tool_use",
                "id": self.call_id("toolu_", turn),
                "name": self.application.tool,
                "input": turn.arguments(),
            }),
            Speaker::Result => json!({
                "type": "tool_result",
                "tool_use_id": self.call_id("toolu_", turn),
                "content": &*turn.text,
            }),
            _ => json!({ "type": "text", "text": &*turn.text }),
        }
    }

    /// The events by which the finished message comes.
    fn messages_stream(&self, mut message: Value) -> String {
        let mut stream = String::new();
        let mut push = |name: &str, mut data: Value| {
            data["type"] = json!(name);
            push_event(&mut stream, Some(name), &data);
        };
        let output_tokens = message["usage"]["output_tokens"].take();
        message["usage"]["output_tokens"] = json!(1);
        message["content"] = json!([]);
        message["stop_reason"] = Value::Null;
        let is_call = self.output.speaker == Speaker::Call;
        let mut block = self.block(&self.output);
        block[if is_call { "input" } else { "text" }] = if is_call { json!({}) } else { json!("") };
        push("message_start", json!({ "message": message }));
        push("content_block_start", json!({ "index": 0, "content_block": block }));
        push("ping", json!({}));
        if is_call {
            for piece in self.pieces(&self.output.arguments().to_string()) {
                let delta = json!({ "type": "input_json_delta", "partial_json": piece });
                push("content_block_delta", json!({ "index": 0, "delta": delta }));
            }
        } else {
            for piece in self.pieces(&self.output.text) {
                push("content_block_delta", json!({ "index": 0, "delta": { "type": "text_delta", "text": piece } }));
            }
        }
        push("content_block_stop", json!({ "index": 0 }));
        let delta = json!({ "stop_reason": self.stop_reason(), "stop_sequence": null });
        push("message_delta", json!({ "delta": delta, "usage": { "output_tokens": output_tokens } }));
        push("message_stop", json!({}));
        stream
    }
}
