//! A streamed answer gives the same messages as the plain one, however it was cut, and each dialect is told from the
//! others. Not here: what single blocks and fields mean, which the examples' snapshots show.
//!
//! The answers are random; so is every choice of how they are streamed: where texts are cut (between halves of a
//! surrogate pair too), which characters are escaped, in which order choices and calls come, how lines end, what
//! stands between events, and in which of the forms that taps know the stream is written down.

use super::*;
use proptest::collection::vec;
use serde_json::json;

/// Choices by a seed, so that a case is a few random texts and one number.
struct Dice(u64);

impl Dice {
    /// Below `sides`, by splitmix64.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % sides as u64) as usize
    }

    /// Puts sequences together at random; each keeps its own order.
    fn interleave<T>(&mut self, sequences: Vec<Vec<T>>) -> Vec<T> {
        let mut queues: Vec<_> = sequences.into_iter().map(Vec::into_iter).collect();
        let mut all = Vec::new();
        while !queues.is_empty() {
            let at = self.roll(queues.len());
            match queues[at].next() {
                Some(item) => all.push(item),
                None => drop(queues.remove(at)),
            }
        }
        all
    }

    /// Cuts a text at random places between its UTF-16 units, and writes each piece as a string of JSON.
    fn pieces(&mut self, text: &str) -> Vec<String> {
        let units: Vec<u16> = text.encode_utf16().collect();
        let mut pieces = Vec::new();
        let mut rest = &units[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + self.roll(rest.len().min(9)));
            pieces.push(self.quoted(piece));
            rest = after;
        }
        pieces
    }

    /// UTF-16 units as a string of JSON; halves of pairs must be escaped, anything else may be.
    fn quoted(&mut self, units: &[u16]) -> String {
        let mut quoted = String::from("\"");
        for scalar in char::decode_utf16(units.iter().copied()) {
            match scalar {
                Ok(scalar) if self.roll(4) == 0 => {
                    scalar.encode_utf16(&mut [0; 2]).iter().for_each(|unit| quoted += &format!("\\u{unit:04x}"))
                }
                Ok(scalar) => {
                    let whole = serde_json::to_string(&scalar).unwrap();
                    quoted += &whole[1..whole.len() - 1];
                }
                Err(half) => quoted += &format!("\\u{:04X}", half.unpaired_surrogate()),
            }
        }
        quoted + "\""
    }

    /// The text of server-sent events.
    fn events(&mut self, chunks: &[String], done: bool) -> String {
        let ends = ["\n", "\r\n", "\r"];
        let end = ends[self.roll(ends.len())];
        let mut text = String::new();
        for chunk in chunks.iter().map(String::as_str).chain(done.then_some("[DONE]")) {
            match self.roll(6) {
                0 => text += &format!(": keep-alive{end}{end}"),
                1 => text += &format!("event: something{end}id: 7{end}"),
                2 => text += end,
                _ => {}
            }
            match chunk.split_once(',') {
                // White space between tokens is free, so data may have several lines.
                Some((head, tail))
                    if self.roll(5) == 0 && head.matches('"').count() % 2 == 0 && !head.contains('\\') =>
                {
                    text += &format!("data: {head},{end}data:{tail}{end}");
                }
                _ => text += &format!("data: {chunk}{end}"),
            }
            text += end;
        }
        // A stream may be cut before its last, blank line.
        if self.roll(3) == 0 { text.trim_end().to_owned() } else { text }
    }

    /// A whole event around a stream, in one of the forms that taps write.
    fn tap(&mut self, request: &Value, chunks: &[String], done: bool) -> String {
        let around = |response: String| format!(r#"{{"request": {request}, "response": {response}}}"#);
        let done_line = done.then(|| "[DONE]".to_owned());
        match self.roll(5) {
            0 => around(json!(self.events(chunks, done)).to_string()),
            1 => around(format!("[{}]", chunks.join(", "))),
            2 => {
                let lines: Vec<_> = chunks.iter().chain(&done_line).map(|chunk| format!("data: {chunk}")).collect();
                around(json!(lines).to_string())
            }
            3 => around(json!(chunks.iter().chain(&done_line).collect::<Vec<_>>()).to_string()),
            _ => {
                let text = self.events(chunks, done);
                // As the wire gave it; one blank line more, so that what is cut holds the end of a line.
                around(format!("[{}]", self.pieces(&format!("{text}\n\n")).join(",")))
            }
        }
    }
}

/// Everything that is said, by whom.
type Said = Vec<(Direction, Role, Vec<(PartKind, String, String, u64)>)>;

fn said(interaction: &Interaction<'_>) -> Said {
    let part =
        |part: &crate::model::Part<'_>| (part.kind, part.name.to_owned(), part.text.expose().to_owned(), part.bytes);
    let messages = interaction.messages.iter();
    messages.map(|message| (message.direction, message.role, message.parts.iter().map(part).collect())).collect()
}

/// What two forms of a call must have in common.
#[derive(Debug, PartialEq)]
struct Seen {
    said: Said,
    source_id: String,
    model: String,
    tokens: [Option<u64>; 2],
    state: ContentState,
    warnings: Vec<Warning>,
}

fn seen(text: &str) -> Seen {
    with(text.as_bytes(), |decoded| {
        let interaction = &decoded.interactions[0];
        Seen {
            said: said(interaction),
            source_id: interaction.source_id.to_owned(),
            model: interaction.model.to_owned(),
            tokens: [interaction.input_tokens, interaction.output_tokens],
            state: interaction.content_state,
            warnings: interaction.warnings.iter().collect(),
        }
    })
    .unwrap_or_else(|reject| panic!("{reject:?}: {text}"))
}

fn plain(request: &Value, response: &Value) -> Seen {
    seen(&format!(r#"{{"request": {request}, "response": {response}}}"#))
}

/// The name of a tool and the arguments of its call.
type ToolCall = (String, String);

fn any_call() -> impl Strategy<Value = ToolCall> {
    ("[a-z]{1,8}", any::<String>().prop_map(|text| json!({ "q": text }).to_string()))
}

#[derive(Clone, Debug)]
struct Choice {
    reasoning: String,
    content: String,
    refusal: String,
    calls: Vec<ToolCall>,
    legacy: Option<ToolCall>,
}

fn any_choice() -> impl Strategy<Value = Choice> {
    let texts = ("\\PC{0,6}", any::<String>(), "\\PC{0,12}");
    (texts, vec(any_call(), 0..3), proptest::option::weighted(0.2, any_call())).prop_map(
        |((reasoning, content, refusal), calls, legacy)| Choice { reasoning, content, refusal, calls, legacy },
    )
}

impl Choice {
    fn message(&self) -> Value {
        let call = |(at, (name, arguments)): (usize, &ToolCall)| json!({ "id": format!("call_{at}"), "type": "function", "function": { "name": name, "arguments": arguments } });
        json!({
            "role": "assistant",
            "reasoning_content": self.reasoning,
            "content": self.content,
            "refusal": self.refusal,
            "tool_calls": self.calls.iter().enumerate().map(call).collect::<Vec<_>>(),
            "function_call": self.legacy.as_ref().map(|(name, arguments)| json!({ "name": name, "arguments": arguments })),
        })
    }

    /// The choice's deltas; those of its texts and calls come in any order.
    fn deltas(&self, dice: &mut Dice) -> Vec<String> {
        let mut sequences: Vec<Vec<String>> = Vec::new();
        let texts = [("reasoning_content", &self.reasoning), ("content", &self.content), ("refusal", &self.refusal)];
        for (key, text) in texts {
            sequences.push(dice.pieces(text).iter().map(|piece| format!(r#""{key}":{piece}"#)).collect());
        }
        for (at, (name, arguments)) in self.calls.iter().enumerate() {
            let mut fragments = vec![format!(
                r#""tool_calls":[{{"index":{at},"id":"call_{at}","type":"function","function":{{"name":"{name}","arguments":""}}}}]"#
            )];
            fragments.extend(
                dice.pieces(arguments)
                    .iter()
                    .map(|piece| format!(r#""tool_calls":[{{"index":{at},"function":{{"arguments":{piece}}}}}]"#)),
            );
            sequences.push(fragments);
        }
        if let Some((name, arguments)) = &self.legacy {
            let mut fragments = vec![format!(r#""function_call":{{"name":"{name}"}}"#)];
            let pieces = dice.pieces(arguments);
            fragments.extend(pieces.iter().map(|piece| format!(r#""function_call":{{"arguments":{piece}}}"#)));
            sequences.push(fragments);
        }
        let mut deltas = vec![r#""role":"assistant","content":"""#.to_owned()];
        deltas.extend(dice.interleave(sequences));
        deltas
    }
}

fn chat_chunks(choices: &[Choice], dice: &mut Dice) -> Vec<String> {
    let around = |choices: String, usage: &str| {
        format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{choices}]{usage}}}"#
        )
    };
    let mut sequences = Vec::new();
    for (index, choice) in choices.iter().enumerate() {
        let chunk = |delta: &str, reason: &str| {
            around(format!(r#"{{"index":{index},"delta":{{{delta}}},"finish_reason":{reason}}}"#), "")
        };
        let mut chunks: Vec<_> = choice.deltas(dice).iter().map(|delta| chunk(delta, "null")).collect();
        chunks.push(chunk("", "\"stop\""));
        sequences.push(chunks);
    }
    let mut chunks = dice.interleave(sequences);
    chunks.push(around(String::new(), r#","usage":{"prompt_tokens":7,"completion_tokens":9}"#));
    chunks
}

#[derive(Clone, Debug)]
enum AnthropicBlock {
    Text(String),
    Thinking(String),
    Call(ToolCall),
    Found(String),
}

fn any_block() -> impl Strategy<Value = AnthropicBlock> {
    prop_oneof![
        any::<String>().prop_map(AnthropicBlock::Text),
        "\\PC{0,20}".prop_map(AnthropicBlock::Thinking),
        any_call().prop_map(AnthropicBlock::Call),
        "\\PC{1,9}".prop_map(AnthropicBlock::Found),
    ]
}

impl AnthropicBlock {
    fn plain(&self, index: usize) -> Value {
        match self {
            AnthropicBlock::Text(text) => json!({ "type": "text", "text": text }),
            AnthropicBlock::Thinking(text) => json!({ "type": "thinking", "thinking": text, "signature": "c2ln" }),
            AnthropicBlock::Call((name, arguments)) => {
                let input: Value = serde_json::from_str(arguments).unwrap();
                json!({ "type": "tool_use", "id": format!("toolu_{index}"), "name": name, "input": input })
            }
            AnthropicBlock::Found(title) => json!({
                "type": "web_search_tool_result",
                "tool_use_id": "srvtoolu_1",
                "content": [{ "type": "web_search_result", "title": title, "url": "https://found.example" }],
            }),
        }
    }

    fn chunks(&self, index: usize, dice: &mut Dice) -> Vec<String> {
        let (start, key, text) = match self {
            AnthropicBlock::Text(text) => (json!({ "type": "text", "text": "" }), "text", text.as_str()),
            AnthropicBlock::Thinking(text) => {
                (json!({ "type": "thinking", "thinking": "" }), "thinking", text.as_str())
            }
            AnthropicBlock::Call((name, arguments)) => {
                let id = format!("toolu_{index}");
                let start = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
                (start, "partial_json", arguments.as_str())
            }
            AnthropicBlock::Found(_) => (self.plain(index), "", ""),
        };
        let kind = if key == "partial_json" { "input_json" } else { key };
        let mut chunks = vec![format!(r#"{{"type":"content_block_start","index":{index},"content_block":{start}}}"#)];
        chunks.extend(dice.pieces(text).iter().map(|piece| {
            format!(
                r#"{{"type":"content_block_delta","index":{index},"delta":{{"type":"{kind}_delta","{key}":{piece}}}}}"#
            )
        }));
        chunks.push(format!(r#"{{"type":"content_block_stop","index":{index}}}"#));
        chunks
    }
}

fn anthropic_chunks(blocks: &[AnthropicBlock], dice: &mut Dice) -> Vec<String> {
    let mut chunks = vec![
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m-1","content":[],"usage":{"input_tokens":4,"cache_read_input_tokens":3,"output_tokens":1}}}"#.to_owned(),
        r#"{"type": "ping"}"#.to_owned(),
    ];
    let sequences = blocks.iter().enumerate().map(|(index, block)| block.chunks(index, dice)).collect();
    chunks.extend(dice.interleave(sequences));
    chunks
        .push(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#.to_owned());
    chunks.push(r#"{"type":"message_stop"}"#.to_owned());
    chunks
}

#[derive(Clone, Debug)]
enum OutputItem {
    Message(Vec<(bool, String)>),
    Call(ToolCall),
    Reasoning(Vec<String>),
}

fn any_item() -> impl Strategy<Value = OutputItem> {
    prop_oneof![
        vec((any::<bool>(), ".{1,12}"), 1..3).prop_map(OutputItem::Message),
        any_call().prop_map(OutputItem::Call),
        vec("\\PC{1,12}", 1..3).prop_map(OutputItem::Reasoning),
    ]
}

impl OutputItem {
    fn plain(&self, index: usize) -> Value {
        match self {
            OutputItem::Message(contents) => {
                let block = |(refused, text): &(bool, String)| match refused {
                    true => json!({ "type": "refusal", "refusal": text }),
                    false => json!({ "type": "output_text", "text": text, "annotations": [] }),
                };
                let blocks: Vec<_> = contents.iter().map(block).collect();
                json!({ "type": "message", "id": format!("msg_{index}"), "role": "assistant", "content": blocks })
            }
            OutputItem::Call((name, arguments)) => {
                json!({ "type": "function_call", "call_id": format!("call_{index}"), "name": name, "arguments": arguments })
            }
            OutputItem::Reasoning(summaries) => {
                let blocks: Vec<_> =
                    summaries.iter().map(|text| json!({ "type": "summary_text", "text": text })).collect();
                json!({ "type": "reasoning", "summary": blocks })
            }
        }
    }

    /// The item as it is announced: nothing is said yet.
    fn announced(&self, index: usize) -> Value {
        let mut item = self.plain(index);
        for key in ["content", "summary"] {
            if item[key].is_array() {
                item[key] = json!([]);
            }
        }
        if item["arguments"].is_string() {
            item["arguments"] = json!("");
        }
        item
    }

    fn chunks(&self, index: usize, finished: bool, dice: &mut Dice) -> Vec<String> {
        let texts: Vec<(&str, &str, &str)> = match self {
            OutputItem::Message(contents) => {
                let kind = |refused: bool| if refused { "refusal" } else { "output_text" };
                contents.iter().map(|(refused, text)| (kind(*refused), "content_index", text.as_str())).collect()
            }
            OutputItem::Call((_, arguments)) => vec![("function_call_arguments", "unused", arguments.as_str())],
            OutputItem::Reasoning(summaries) => {
                summaries.iter().map(|text| ("reasoning_summary_text", "summary_index", text.as_str())).collect()
            }
        };
        let announced = self.announced(index);
        let mut chunks =
            vec![format!(r#"{{"type":"response.output_item.added","output_index":{index},"item":{announced}}}"#)];
        for (place, (kind, key, text)) in texts.into_iter().enumerate() {
            chunks.extend(dice.pieces(text).iter().map(|piece| {
                format!(r#"{{"type":"response.{kind}.delta","output_index":{index},"{key}":{place},"delta":{piece}}}"#)
            }));
            chunks.push(format!(r#"{{"type":"response.{kind}.done","output_index":{index},"{key}":{place}}}"#));
        }
        if finished {
            let item = self.plain(index);
            chunks.push(format!(r#"{{"type":"response.output_item.done","output_index":{index},"item":{item}}}"#));
        }
        chunks
    }
}

fn response_of(items: &[OutputItem]) -> Value {
    let items: Vec<_> = items.iter().enumerate().map(|(index, item)| item.plain(index)).collect();
    json!({
        "id": "resp_1", "object": "response", "created_at": 1, "model": "m-1", "output": items,
        "usage": { "input_tokens": 7, "output_tokens": 9 },
    })
}

fn responses_chunks(items: &[OutputItem], dice: &mut Dice) -> Vec<String> {
    let mut whole = response_of(items);
    let mut sequences = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let finished = dice.roll(2) == 0;
        sequences.push(item.chunks(index, finished, dice));
    }
    let mut chunks = dice.interleave(sequences);
    // Some servers leave the output out of the last event.
    if dice.roll(2) == 0 {
        whole["output"] = json!([]);
    }
    chunks.insert(
        0,
        r#"{"type":"response.created","response":{"id":"resp_1","object":"response","output":[]}}"#.to_owned(),
    );
    chunks.push(json!({ "type": "response.completed", "response": whole }).to_string());
    chunks
}

proptest! {
    #[test]
    fn chat_completions(choices in vec(any_choice(), 1..4), seed: u64) {
        let dice = &mut Dice(seed);
        let request = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
        let plain_choices: Vec<_> = choices.iter().enumerate().map(|(index, choice)| {
            json!({ "index": index, "message": choice.message(), "finish_reason": "stop" })
        }).collect();
        let response = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-1", "choices": plain_choices,
            "usage": { "prompt_tokens": 7, "completion_tokens": 9 },
        });
        let chunks = chat_chunks(&choices, dice);
        let text = dice.tap(&request, &chunks, true);
        prop_assert_eq!(seen(&text), plain(&request, &response), "{}", text);
        // By itself, as bytes: the wire cuts those inside of characters, and a tap has put them together again.
        let alone = dice.events(&chunks, true);
        prop_assert_eq!(&seen(&alone).said[..], &plain(&request, &response).said[1..], "{}", alone);
    }

    #[test]
    fn legacy_completions(texts in vec(any::<String>(), 1..4), seed: u64) {
        let dice = &mut Dice(seed);
        let request = json!({ "model": "m", "prompt": "once" });
        let choices: Vec<_> = texts.iter().enumerate().map(|(index, text)| {
            json!({ "index": index, "text": text, "finish_reason": "stop" })
        }).collect();
        let response = json!({ "id": "cmpl-1", "object": "text_completion", "model": "m-1", "choices": choices });
        let chunk = |index: usize, piece: &str, reason: &str| {
            format!(r#"{{"id":"cmpl-1","object":"text_completion","model":"m-1","choices":[{{"index":{index},"text":{piece},"finish_reason":{reason}}}]}}"#)
        };
        let sequences = texts.iter().enumerate().map(|(index, text)| {
            let mut chunks: Vec<_> = dice.pieces(text).iter().map(|piece| chunk(index, piece, "null")).collect();
            chunks.push(chunk(index, "\"\"", "\"stop\""));
            chunks
        }).collect();
        let chunks = dice.interleave(sequences);
        let text = dice.tap(&request, &chunks, true);
        prop_assert_eq!(seen(&text), plain(&request, &response), "{}", text);
    }

    #[test]
    fn anthropic_messages(blocks in vec(any_block(), 1..5), seed: u64) {
        let dice = &mut Dice(seed);
        let request = json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": "user", "content": "hi" }] });
        let content: Vec<_> = blocks.iter().enumerate().map(|(index, block)| block.plain(index)).collect();
        let response = json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": content,
            "usage": { "input_tokens": 4, "cache_read_input_tokens": 3, "output_tokens": 9 },
        });
        let chunks = anthropic_chunks(&blocks, dice);
        let text = dice.tap(&request, &chunks, false);
        let expected = plain(&request, &response);
        prop_assert_eq!(expected.tokens, [Some(7), Some(9)]);
        prop_assert_eq!(seen(&text), expected, "{}", text);
    }

    #[test]
    fn responses(items in vec(any_item(), 1..4), seed: u64) {
        let dice = &mut Dice(seed);
        let request = json!({ "model": "m", "input": "hi" });
        let chunks = responses_chunks(&items, dice);
        let text = dice.tap(&request, &chunks, false);
        prop_assert_eq!(seen(&text), plain(&request, &response_of(&items)), "{}", text);
    }

    /// Wherever a capture of a stream ends, what was there before is read, and the interaction says that it is cut.
    #[test]
    fn a_torn_stream_keeps_its_head(choices in vec(any_choice(), 1..3), keep: proptest::sample::Index, seed: u64) {
        let dice = &mut Dice(seed);
        let request = json!({ "messages": [{ "role": "user", "content": "hi" }] });
        let chunks = chat_chunks(&choices, dice);
        // The last two are the end of a choice and the usage.
        let kept = 1 + keep.index(chunks.len() - 2);
        let text = dice.tap(&request, &chunks[..kept], false);
        let torn = seen(&text);
        prop_assert_eq!(torn.state, ContentState::Truncated, "{}", text);
        prop_assert!(torn.warnings.contains(&Warning::StreamTruncated));
        prop_assert_eq!(&torn.said[0].2[0].2, "hi");
        let all: String = choices.iter().map(|choice| format!("{}{}{}", choice.reasoning, choice.content, choice.refusal)).collect();
        let texts = torn.said.iter().skip(1).flat_map(|message| &message.2).filter(|part| part.0 == PartKind::Text);
        for part in texts {
            // Half a pair at the cut becomes U+FFFD.
            prop_assert!(all.contains(part.2.trim_end_matches('\u{fffd}')), "{:?} of {all:?}", part.2);
        }
    }
}
