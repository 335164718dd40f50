//! Decoders by their public doors: tables of events and what they become, snapshots of the examples, streams cut
//! anywhere against their plain form, and foreign bytes. What one format alone needs stands here too.

mod streams;

use super::*;
use crate::model::{ContentState, Direction, PartKind, Position, PrincipalKind, Role, Warning};
use proptest::prelude::*;
use serde_json::Value;

/// The file names of `pipelines/examples`, and what is in them.
const EXAMPLES: [(&str, &str); 9] = [
    ("native", include_str!("../../pipelines/examples/native.json")),
    ("cloudevents", include_str!("../../pipelines/examples/cloudevents.json")),
    ("openai-chat-completions", include_str!("../../pipelines/examples/openai-chat-completions.json")),
    ("openai-chat-stream", include_str!("../../pipelines/examples/openai-chat-stream.json")),
    ("openai-completions", include_str!("../../pipelines/examples/openai-completions.json")),
    ("openai-responses", include_str!("../../pipelines/examples/openai-responses.json")),
    ("openai-responses-stream", include_str!("../../pipelines/examples/openai-responses-stream.json")),
    ("anthropic-messages", include_str!("../../pipelines/examples/anthropic-messages.json")),
    ("anthropic-messages-stream", include_str!("../../pipelines/examples/anthropic-messages-stream.json")),
];
const NATIVE: &str = EXAMPLES[0].1;
const CLOUD_EVENT: &str = EXAMPLES[1].1;
const SCHEMA: &str = include_str!("../../pipelines/schemas/native.schema.json");

/// 2026-03-02T09:16:00Z, when the examples are said to have reached Kafka.
const RECORD_MS: i64 = 1_772_442_960_000;

fn event(payload: &[u8]) -> Event<'_> {
    let position = Position { topic: "llm.events", partition: 3, offset: 41 };
    Event { position, timestamp_ms: RECORD_MS, payload: Some(payload), format_header: None }
}

/// Decodes and looks at the result, which lives in an arena.
fn with<T>(payload: &[u8], look: impl FnOnce(Decoded<'_>) -> T) -> Result<T, Reject> {
    let arena = Bump::new();
    decode(&event(payload), Format::Auto, Bounds::default(), &arena).map(look)
}

fn reject(payload: &[u8]) -> Reject {
    with(payload, |_| ()).expect_err("no interaction can be made of it")
}

fn reason(payload: &[u8]) -> Reason {
    reject(payload).reason
}

/// Everything of an interaction, for reading.
fn view(interaction: &Interaction<'_>) -> String {
    let warnings: Vec<_> = interaction.warnings.iter().map(Warning::name).collect();
    let mut lines = vec![
        format!(
            "{}#{} {:?} {:?}",
            interaction.position, interaction.index, interaction.source_id, interaction.conversation
        ),
        format!("{} ms, {} of {}", interaction.time_ms - RECORD_MS, interaction.principal, interaction.application),
        format!("{} {} {:?}", interaction.provider, interaction.model, interaction.destination),
        format!(
            "tokens {:?} {:?}, status {}, latency {:?}",
            interaction.input_tokens, interaction.output_tokens, interaction.status, interaction.latency_ms
        ),
        format!("{} {warnings:?}", interaction.content_state),
    ];
    for message in &interaction.messages {
        lines.push(format!("{} {}", message.direction, message.role));
        for part in &message.parts {
            lines.push(format!("  {} {:?} {} bytes: {:?}", part.kind, part.name, part.bytes, part.text.expose()));
        }
    }
    lines.join("\n")
}

fn viewed(payload: &str) -> String {
    with(payload.as_bytes(), |decoded| {
        let [interaction] = &decoded.interactions[..] else { panic!("one interaction") };
        assert!(decoded.skipped.is_empty());
        view(interaction)
    })
    .unwrap_or_else(|reject| panic!("{reject:?}"))
}

#[test]
fn examples() {
    for (name, text) in EXAMPLES {
        insta::assert_snapshot!(name, viewed(text));
    }
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/examples")).unwrap();
    assert_eq!(files.count(), EXAMPLES.len(), "every example is in here");
}

#[test]
fn bodies_may_be_strings_of_json() {
    for (name, text) in EXAMPLES {
        let mut capture: Value = serde_json::from_str(text).unwrap();
        // Written anew first: arguments that are objects lose their white space, and keys their order.
        let before = viewed(&capture.to_string());
        for body in ["request", "response"] {
            if capture[body].is_object() || capture[body].is_array() {
                capture[body] = Value::String(capture[body].to_string());
            }
        }
        assert_eq!(viewed(&capture.to_string()), before, "{name}");
    }
}

#[test]
fn a_torn_answer_does_not_cost_the_request() {
    for response in [r#""data: {\"object\":\"chat.com""#, r#""{\"id\": \"torn""#, r#"{"id": "a", "id": "b"}"#, "17"] {
        let text =
            format!(r#"{{"request": {{"messages": [{{"role": "user", "content": "hi"}}]}}, "response": {response}}}"#);
        with(text.as_bytes(), |decoded| {
            let interaction = &decoded.interactions[0];
            assert_eq!(interaction.content_state, ContentState::Truncated, "{response}");
            assert_eq!(interaction.messages.len(), 1);
            assert!(interaction.warnings.iter().any(|warning| warning == Warning::BadField));
        })
        .unwrap();
    }
}

#[test]
fn who_is_answerable() {
    let capture = |siblings: &str, request: &str| {
        format!(r#"{{"request": {{"messages": [{{"role": "user", "content": "x"}}]{request}}}{siblings}}}"#)
    };
    let headers =
        r#", "headers": {"openai-project": "proj-1", "OPENAI-Organization": ["org-1", "org-2"], "authorization": "x"}"#;
    let native = |fields: &str| format!(r#"{{"weir_schema": 1{fields}}}"#);
    let table = [
        (native(r#", "principal": {"user": "u", "key": "k", "workload": "w"}"#), "user:u"),
        (native(r#", "principal": {"user": " ", "key": "k", "workload": "w"}"#), "key:k"),
        (native(r#", "principal": {"workload": 77}"#), "workload:77"),
        (native(r#", "principal": "ann""#), "user:ann"),
        (native(r#", "principal": ["ann"], "application": "crm""#), "unknown:crm"),
        (native(""), "unknown:llm.events"),
        (capture("", r#", "user": "u1", "safety_identifier": "s1""#), "user:u1"),
        (capture(headers, r#", "safety_identifier": "s1""#), "user:s1"),
        (capture(headers, ""), "key:org-1"),
        (capture(r#", "headers": {"openai-project": "proj-1"}"#, ""), "key:proj-1"),
        (capture(r#", "principal": {"key": "ci"}"#, r#", "user": "u1""#), "key:ci"),
        (capture(r#", "headers": 7"#, ""), "unknown:llm.events"),
    ];
    for (text, expected) in table {
        let (principal, warned) = with(text.as_bytes(), |decoded| {
            let interaction = &decoded.interactions[0];
            let warned = interaction.warnings.iter().any(|warning| warning == Warning::NoPrincipal);
            (interaction.principal.to_string(), warned)
        })
        .unwrap();
        assert_eq!(principal, expected, "{text}");
        assert_eq!(warned, expected.starts_with(PrincipalKind::Unknown.name()));
    }
}

#[test]
fn one_bad_field_costs_nothing_but_itself() {
    let odd = ["17", "\"x\"", "true", "[[1]]", "{\"a\": {}}", "null", "-3.5"];
    let fields = [
        "id",
        "time",
        "conversation",
        "principal",
        "application",
        "provider",
        "model",
        "destination",
        "usage",
        "status",
        "latency_ms",
        "content_state",
        "output",
    ];
    for field in fields {
        for odd in odd {
            let text = format!(
                r#"{{"{field}": {odd}, "weir_schema": 1, "input": {{"messages": [{{"role": "user", "content": "x"}}]}}}}"#
            );
            let count = with(text.as_bytes(), |decoded| decoded.interactions[0].messages.len());
            // A text that stands for the output is one.
            let expected = if (field, odd) == ("output", "\"x\"") { 2 } else { 1 };
            assert_eq!(count, Ok(expected), "{text}");
        }
    }
    for odd in odd {
        let text = format!(
            r#"{{"request": {{"model": {odd}, "user": {odd}, "messages": [{{"role": "user", "content": "x"}}, {odd},
            {{"role": {odd}, "content": {odd}, "tool_calls": {odd}}}, {{"tool_calls": [{odd}], "content": [{odd}]}}]}},
            "response": {{"id": {odd}, "created": {odd}, "choices": {odd}, "usage": {odd}}},
            "host": {odd}, "headers": {odd}, "time": {odd}, "principal": {odd}, "status": {odd}, "latency_ms": {odd}}}"#
        );
        assert!(with(text.as_bytes(), |_| ()).is_ok(), "{text}");
    }
}

#[test]
fn times() {
    let table = [
        (r#""2026-03-02T09:15:59Z""#, -1_000, None),
        (r#""2026-03-02T10:15:59.250+01:00""#, -750, None),
        ("1772442959", -1_000, None),
        ("1772442959.5", -500, None),
        ("1772442959500", -500, None),
        (r#""yesterday""#, 0, Some(Warning::BadTime)),
        ("-5", 0, Some(Warning::BadTime)),
        ("0", 0, Some(Warning::BadTime)),
        ("null", 0, Some(Warning::BadTime)),
        (r#""2036-01-01T00:00:00Z""#, limits::CLOCK_AHEAD_MS, Some(Warning::TimeClamped)),
        (r#""1999-01-01T00:00:00Z""#, -limits::CLOCK_BEHIND_MS, Some(Warning::TimeClamped)),
        ("1e300", limits::CLOCK_AHEAD_MS, Some(Warning::TimeClamped)),
    ];
    for (time, expected, warning) in table {
        let text = format!(r#"{{"weir_schema": 1, "time": {time}}}"#);
        let (time_ms, warnings) =
            with(text.as_bytes(), |decoded| (decoded.interactions[0].time_ms, decoded.interactions[0].warnings))
                .unwrap();
        assert_eq!(time_ms - RECORD_MS, expected, "{time}");
        let told =
            [Warning::BadTime, Warning::TimeClamped].into_iter().find(|told| warnings.iter().any(|w| w == *told));
        assert_eq!(told, warning, "{time}");
    }
}

#[test]
fn without_a_timestamp_of_the_record_a_time_stands_as_it_is() {
    let arena = Bump::new();
    let line = br#"{"weir_schema": 1, "time": "1999-01-01T00:00:00Z"}"#;
    let event = Event { timestamp_ms: Event::WITHOUT_TIMESTAMP, ..event(line) };
    let decoded = decode(&event, Format::Auto, Bounds::default(), &arena).ok().unwrap();
    assert_eq!(decoded.interactions[0].time_ms, 915_148_800_000);
}

#[test]
fn destinations() {
    let table = [
        ("api.openai.com", "api.openai.com", 0, "", "openai"),
        (
            "https://me:secret@acme.openai.azure.com:8443/v1?x=1",
            "acme.openai.azure.com",
            8443,
            "https",
            "azure.ai.openai",
        ),
        ("[2001:db8::1]:443", "2001:db8::1", 443, "", "openai"),
        ("2001:db8::1", "2001:db8::1", 0, "", "openai"),
        ("api.groq.com:99999", "api.groq.com", 0, "", "groq"),
        ("é", "é", 0, "", "openai"),
    ];
    for (given, host, port, scheme, provider) in table {
        let text = format!(r#"{{"host": "{given}", "request": {{"messages": [{{"role": "user", "content": "x"}}]}}}}"#);
        with(text.as_bytes(), |decoded| {
            let interaction = &decoded.interactions[0];
            let found = interaction.destination;
            assert_eq!((found.host, found.port, found.scheme, interaction.provider), (host, port, scheme, provider));
        })
        .unwrap();
    }
}

#[test]
fn identifiers_are_bounded_and_hold_no_control_characters() {
    let long = "ü".repeat(300);
    let text = format!(r#"{{"weir_schema": 1, "model": "{long}", "provider": "a\u0007b\nc"}}"#);
    with(text.as_bytes(), |decoded| {
        let interaction = &decoded.interactions[0];
        assert!(interaction.model.len() <= limits::IDENTIFIER_MAX_BYTES);
        assert!(interaction.model.len() > limits::IDENTIFIER_MAX_BYTES - 4);
        assert!(interaction.model.ends_with("ü…"));
        assert_eq!(interaction.provider, "a\u{fffd}b\u{fffd}c");
        assert!(interaction.warnings.iter().any(|warning| warning == Warning::IdentifierCut));
    })
    .unwrap();
    let exact = "x".repeat(limits::IDENTIFIER_MAX_BYTES);
    let text = format!(r#"{{"weir_schema": 1, "model": "{exact}"}}"#);
    with(text.as_bytes(), |decoded| assert_eq!(decoded.interactions[0].model, exact)).unwrap();
}

#[test]
fn rejects_have_reasons_and_quote_nothing() {
    let deep = format!(r#"{{"weir_schema": 1, "x": {}{}}}"#, "[".repeat(64), "]".repeat(64));
    let many = vec!["1"; limits::INTERACTIONS_PER_EVENT + 1].join(",");
    let large = vec![b' '; limits::EVENT_MAX_BYTES + 1];
    let table: [(&[u8], Reason); 19] = [
        (b"", Reason::Empty),
        (b" \n\t", Reason::Empty),
        (&large, Reason::TooLarge),
        (b"{\"weir_schema\": 1, \"x\": \"\xff\"}", Reason::NotUtf8),
        (b"hunter2 is my password", Reason::NotJson),
        (b"hunter2\nis\nmy password", Reason::NotJson),
        (b"{\"hunter2\": ", Reason::NotJson),
        (b"{\"weir_schema\": 1, \"hunter2\": hunter2}", Reason::NotJson),
        (b"{\"weir_schema\": 1, \"id\": 1, \"id\": 2}", Reason::NotJson),
        (deep.as_bytes(), Reason::TooDeep),
        (b"{\"hunter2\": 1}", Reason::UnknownFormat),
        (b"{\"weir_schema\": 2}", Reason::UnknownFormat),
        (b"{\"specversion\": \"1.0\", \"type\": \"hunter2\", \"data\": {}}", Reason::UnknownFormat),
        (b"\"hunter2\"", Reason::UnknownFormat),
        (b"{\"specversion\": \"1.0\", \"type\": \"ai.weir.interaction.v1\"}", Reason::NoInteraction),
        (b"{\"request\": {\"model\": \"hunter2\"}, \"response\": {}}", Reason::NoInteraction),
        (b"[]", Reason::NoInteraction),
        (b"{\"records\": 3}", Reason::NoInteraction),
        (&format!("[{many}]").into_bytes(), Reason::TooManyInteractions),
    ];
    for (payload, expected) in table {
        let reject = reject(payload);
        assert_eq!(reject.reason, expected, "{}", reject.detail);
        assert!(!reject.detail.contains("hunter2"), "{}", reject.detail);
    }
    assert_eq!(reject(b"{\"weir_schema\": 1,\n \"x\": oops}").detail, "line 2, column 7: not valid JSON");
    let arena = Bump::new();
    let tombstone = Event { payload: None, ..event(b"") };
    assert!(
        decode(&tombstone, Format::Auto, Bounds::default(), &arena).is_err_and(|reject| reject.reason == Reason::Empty)
    );
}

#[test]
fn several_interactions_and_bad_ones_among_them() {
    let good = r#"{"weir_schema": 1, "id": "g"}"#;
    let deep = format!(r#"{{"weir_schema": 1, "x": {}{}}}"#, "[".repeat(70), "]".repeat(70));
    let table = [
        (format!("[{good}, {good}]"), vec![0, 1], vec![]),
        (format!("[{good}, null, 3, {{}}, {deep}, {good}]"), vec![0, 5], vec![1, 2, 3, 4]),
        (format!(r#"{{"records": [{good}, {{"weir_schema": 9}}], "x": 1}}"#), vec![0], vec![1]),
        (format!("{good}\n{good}\r\n\n{good}\n"), vec![0, 1, 2], vec![]),
        (format!("{good}\n{{\"torn\": \"\n{good}"), vec![0, 2], vec![1]),
        (format!("a line of prose\n{good}"), vec![1], vec![0]),
        (format!("{{\"torn\": \"\n{good}\n{good}"), vec![1, 2], vec![0]),
        (format!("{{\"weir_schema\": 1, \"id\": \"a\u{2028}b\"}}\n{good}"), vec![0, 1], vec![]),
    ];
    for (text, interactions, skipped) in table {
        with(text.as_bytes(), |decoded| {
            let found: Vec<u32> = decoded.interactions.iter().map(|interaction| interaction.index).collect();
            assert_eq!(found, interactions, "{text}");
            let found: Vec<u32> = decoded.skipped.iter().map(|skipped| skipped.index).collect();
            assert_eq!(found, skipped, "{text}");
        })
        .unwrap();
    }
    let many = vec![good; limits::INTERACTIONS_PER_EVENT];
    let count = with(many.join("\n").as_bytes(), |decoded| decoded.interactions.len());
    assert_eq!(count, Ok(limits::INTERACTIONS_PER_EVENT));
    let over = format!("{}\n{good}", many.join("\n"));
    assert_eq!(reason(over.as_bytes()), Reason::TooManyInteractions);
    assert_eq!(reason(b"{}\n{}"), Reason::UnknownFormat);
}

/// What the configuration says is what counts, to the byte and to the interaction.
#[test]
fn bounds_are_those_that_were_given() {
    let good = r#"{"weir_schema": 1}"#;
    let within = |text: &str, event_bytes: usize, interactions: usize| {
        let arena = Bump::new();
        let bounds = Bounds { event_bytes, interactions };
        let decoded = decode(&event(text.as_bytes()), Format::Auto, bounds, &arena);
        decoded.map(|decoded| decoded.interactions.len()).map_err(|reject| (reject.reason, reject.detail))
    };
    for text in [format!("[{good},{good}]"), format!("{good}\n{good}")] {
        let size = text.len();
        assert_eq!(within(&text, size, 2), Ok(2));
        let (reason, detail) = within(&text, size - 1, 2).unwrap_err();
        assert_eq!(reason, Reason::TooLarge);
        assert!(detail.contains("limits.event_size"), "{detail}");
        let (reason, detail) = within(&text, size, 1).unwrap_err();
        assert_eq!(reason, Reason::TooManyInteractions);
        assert!(detail.contains("more than 1 interactions"), "{detail}");
    }
    let many = vec![good; limits::INTERACTIONS_CEILING + 1].join(",");
    let most = within(&format!("[{many}]"), limits::EVENT_CEILING_BYTES, limits::INTERACTIONS_CEILING);
    assert_eq!(most.unwrap_err().0, Reason::TooManyInteractions);
}

#[test]
fn the_header_decides_the_format() {
    let arena = Bump::new();
    let table = [
        (Some("openai"), Format::Native, Err(Reason::NoInteraction)),
        (Some(" native "), Format::OpenAi, Ok(())),
        (Some("anthropic"), Format::Native, Err(Reason::NoInteraction)),
        (Some("application/json"), Format::OpenAi, Err(Reason::NoInteraction)),
        (None, Format::Native, Ok(())),
    ];
    for (format_header, format, expected) in table {
        let event = Event { format_header, ..event(b"{\"weir_schema\": 1}") };
        let found = decode(&event, format, Bounds::default(), &arena).map(|_| ()).map_err(|reject| reject.reason);
        assert_eq!(found, expected);
    }
}

#[test]
fn messages_and_parts_are_bounded_and_answers_kept() {
    let message = r#"{"role": "user", "content": "x"}"#;
    let messages = vec![message; limits::MESSAGES_PER_INTERACTION + 5].join(",");
    let answer = r#"{"message": {"content": "y"}}"#;
    let native = format!(
        r#"{{"weir_schema": 1, "input": {{"messages": [{messages}]}}, "output": {{"messages": [{{"content": "y"}}]}}}}"#
    );
    let openai = format!(
        r#"{{"request": {{"messages": [{messages}]}}, "response": {{"object": "chat.completion", "choices": [{answer}]}}}}"#
    );
    for text in [native, openai] {
        with(text.as_bytes(), |decoded| {
            let interaction = &decoded.interactions[0];
            assert_eq!(interaction.messages.len(), limits::MESSAGES_PER_INTERACTION);
            assert_eq!(interaction.messages.last().map(|message| message.direction), Some(Direction::Output));
            assert!(interaction.warnings.iter().any(|warning| warning == Warning::TooManyMessages));
            assert_eq!(interaction.content_state, ContentState::Truncated);
        })
        .unwrap();
    }
    let parts = vec![r#"{"type": "text", "text": "x"}"#; limits::PARTS_PER_MESSAGE + 1].join(",");
    let messages = format!(r#"{{"messages": [{{"role": "user", "content": [{parts}]}}]}}"#);
    for text in [format!(r#"{{"weir_schema": 1, "input": {messages}}}"#), format!(r#"{{"request": {messages}}}"#)] {
        with(text.as_bytes(), |decoded| {
            let interaction = &decoded.interactions[0];
            assert_eq!(interaction.messages[0].parts.len(), limits::PARTS_PER_MESSAGE);
            assert!(interaction.warnings.iter().any(|warning| warning == Warning::TooManyParts));
            assert_eq!(interaction.content_state, ContentState::Truncated);
        })
        .unwrap();
    }
}

/// Senders write what they know from elsewhere; it is looked at, and they are told.
#[test]
fn native_content_in_another_shape_is_read() {
    let message = r#"{"role": "system", "content": "s"}"#;
    let shapes = [
        (r#""x""#.to_owned(), "x"),
        (format!("[{message}]"), "s"),
        (message.to_owned(), "s"),
        (r#"{"messages": "x"}"#.to_owned(), "x"),
        (format!(r#"{{"messages": {message}}}"#), "s"),
        (r#"{"content": "x"}"#.to_owned(), "x"),
    ];
    for (shape, said) in shapes {
        for (field, direction) in [("input", Direction::Input), ("output", Direction::Output)] {
            let data = format!(r#"{{"weir_schema": 1, "{field}": {shape}}}"#);
            let envelope =
                format!(r#"{{"specversion": "1.0", "type": "ai.weir.interaction.v1", "id": "e", "data": {data}}}"#);
            for text in [data, envelope] {
                with(text.as_bytes(), |decoded| {
                    let interaction = &decoded.interactions[0];
                    let [message] = &interaction.messages[..] else { panic!("one message: {text}") };
                    assert_eq!((message.direction, message.parts[0].text.expose()), (direction, said), "{text}");
                    assert!(interaction.warnings.iter().any(|warning| warning == Warning::BadField), "{text}");
                    assert_eq!(interaction.content_state, ContentState::Full, "{text}");
                })
                .unwrap();
            }
        }
    }
}

/// What is passed over is never called full, in whichever dialect.
#[test]
fn content_that_is_passed_over_is_told() {
    let openai =
        |message: &str| format!(r#"{{"request": {{"messages": [{{"role": "user", "content": "x"}}, {message}]}}}}"#);
    let native = |message: &str| {
        format!(
            r#"{{"weir_schema": 1, "content_state": "full", "input": {{"messages": [{{"role": "user", "content": "x"}}, {message}]}}}}"#
        )
    };
    let messages = [
        r#""bare""#,
        "[7]",
        r#"{"role": "user", "content": 7}"#,
        r#"{"role": "user", "content": ["bare"]}"#,
        r#"{"role": "user", "content": [{"type": "text", "text": true}]}"#,
        r#"{"role": "user", "content": [{"type": "novelty", "song": "x"}]}"#,
    ];
    let mut texts: Vec<String> = messages.iter().flat_map(|message| [openai(message), native(message)]).collect();
    let message = r#"{"role": "assistant", "content": "y", "#;
    texts.extend(
        [
            r#""tool_calls": "f"}"#,
            r#""tool_calls": ["f"]}"#,
            r#""tool_calls": [{"id": "i"}]}"#,
            r#""function_call": "f"}"#,
            r#""audio": "f"}"#,
        ]
        .map(|rest| openai(&format!("{message}{rest}"))),
    );
    texts.extend([
        r#"{"weir_schema": 1, "input": {"messages": [{"role": "user", "content": "x"}]}, "output": 7}"#.to_owned(),
        r#"{"weir_schema": 1, "content_state": "full", "input": {"messages": 7}, "output": "y"}"#.to_owned(),
        r#"{"request": {"messages": [{"role": "user", "content": "x"}], "tools": "f"}}"#.to_owned(),
        r#"{"request": {"model": "m", "prompt": ["x", [1, 2]]}}"#.to_owned(),
        r#"{"request": {"input": ["x", 7]}}"#.to_owned(),
        r#"{"request": 7, "response": {"object": "chat.completion", "choices": [{"message": {"content": "y"}}]}}"#.to_owned(),
        r#"{"request": {"messages": [{"role": "user", "content": "x"}]}, "response": {"choices": ["y"]}}"#.to_owned(),
        r#"{"request": {"input": "x"}, "response": [{"type": "response.output_text.delta", "delta": {"a": 1}}, {"type": "response.completed"}]}"#.to_owned(),
        r#"{"request": {"input": "x"}, "response": "data: {\"type\": \"response.created\"}\n\ndata: torn\n\ndata: {\"type\": \"response.completed\"}\n\n"}"#.to_owned(),
        r#"{"request": {"messages": [{"role": "user", "content": "x"}]}, "response": "data: {\"type\": \"message_start\"}\n\ndata: torn\n\ndata: {\"type\": \"message_stop\"}\n\n"}"#.to_owned(),
    ]);
    for text in texts {
        with(text.as_bytes(), |decoded| {
            let [interaction] = &decoded.interactions[..] else { panic!("one interaction") };
            assert_eq!(interaction.content_state, ContentState::Truncated, "{text}");
        })
        .unwrap_or_else(|reject| panic!("{reject:?}: {text}"));
    }
}

#[test]
fn unknown_roles_and_parts_are_still_looked_at() {
    let text = r#"{"weir_schema": 1, "input": {"messages": [
        {"role": "oracle", "content": [{"type": "song", "text": "la"}, {"type": "poem", "content": {"a": 1}}]}]}}"#;
    with(text.as_bytes(), |decoded| {
        let interaction = &decoded.interactions[0];
        let message = &interaction.messages[0];
        assert_eq!(message.role, Role::User);
        let parts: Vec<_> = message.parts.iter().map(|part| (part.kind, part.bytes)).collect();
        assert_eq!(parts, [(PartKind::Text, 2), (PartKind::Text, 8)]);
        let warnings: Vec<_> = interaction.warnings.iter().collect();
        for expected in [Warning::UnknownRole, Warning::UnknownPart, Warning::NoTokens] {
            assert!(warnings.contains(&expected));
        }
    })
    .unwrap();
}

/// Provider, state, warnings that say more than what is always missing here, and what is said, by a letter for the
/// role: `u` a user's text, `A` what is said in an answer, `T` in a tool's result.
fn told(text: &str) -> String {
    with(text.as_bytes(), |decoded| {
        let interaction = &decoded.interactions[0];
        let mut told = vec![interaction.provider.to_owned(), interaction.content_state.to_string()];
        let usual = [Warning::BadTime, Warning::TimeClamped, Warning::NoPrincipal, Warning::NoTokens];
        told.extend(interaction.warnings.iter().filter(|w| !usual.contains(w)).map(|w| format!("!{w}")));
        for message in &interaction.messages {
            let role = &message.role.name()[..1];
            let letter = if message.direction == Direction::Output { role.to_uppercase() } else { role.to_owned() };
            let parts: Vec<_> =
                message.parts.iter().map(|part| format!("{}{}", part.name, part.text.expose())).collect();
            told.push(format!("{letter}({})", parts.join("|")));
        }
        told.join(" ")
    })
    .unwrap_or_else(|reject| reject.reason.to_string())
}

fn assert_told(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(told(text), *expected, "{text}");
    }
}

#[test]
fn dialects_are_told_by_their_keys() {
    assert_told(&[
        // A request by itself, and one without its answer.
        (r#"{"model": "m", "messages": [{"role": "user", "content": "x"}]}"#, "openai full u(x)"),
        (
            r#"{"model": "m", "system": "s", "messages": [{"role": "user", "content": "x"}]}"#,
            "anthropic full s(s) u(x)",
        ),
        (r#"{"model": "m", "instructions": "s", "input": "x"}"#, "openai full s(s) u(x)"),
        (r#"{"model": "m", "input": ["x", "y", [1]]}"#, "openai truncated !bad_field u(x) u(y)"),
        (r#"{"model": "m", "prompt": "x", "suffix": "z"}"#, "openai full u(x) u(z)"),
        (
            r#"{"request": {"messages": [{"role": "user", "content": "x"}]}, "host": "api.anthropic.com"}"#,
            "anthropic full u(x)",
        ),
        (r#"{"request": {"prompt": ["x"]}, "host": "acme.openai.azure.com"}"#, "azure.ai.openai full u(x)"),
        // An answer by itself.
        (r#"{"object": "chat.completion", "choices": [{"message": {"content": "y"}}]}"#, "openai full A(y)"),
        (r#"{"object": "text_completion", "choices": [{"text": "y"}]}"#, "openai full A(y)"),
        (
            r#"{"type": "message", "role": "assistant", "content": [{"type": "text", "text": "y"}]}"#,
            "anthropic full A(y)",
        ),
        (r#"{"object": "response", "output": [{"role": "assistant", "content": "y"}]}"#, "openai full A(y)"),
        // A stream by itself: text, an array, lines.
        ("data: {\"choices\": [{\"delta\": {\"content\": \"y\"}}]}\n\ndata: [DONE]", "openai full A(y)"),
        (
            r#"[{"object": "chat.completion.chunk", "choices": [{"delta": {"content": "y"}, "finish_reason": "stop"}]}]"#,
            "openai full A(y)",
        ),
        (
            "{\"type\": \"content_block_delta\", \"delta\": {\"type\": \"text_delta\", \"text\": \"y\"}}\n{\"type\": \"message_stop\"}",
            "anthropic full A(y)",
        ),
        (
            r#"{"object": "chat.completion.chunk", "choices": [{"delta": {"content": "y"}}]}"#,
            "openai truncated !stream_truncated A(y)",
        ),
        // The answer tells, whatever the request looks like; but not against a format that was named.
        (
            r#"{"request": {"messages": [{"role": "user", "content": "x"}]}, "response": {"type": "message", "role": "assistant", "content": [{"type": "thinking", "thinking": "t"}]}}"#,
            "anthropic full u(x) A(t)",
        ),
        (
            r#"{"request": {"messages": [{"role": "user", "content": "x"}]}, "response": "event: ping\ndata: {\"type\": \"ping\"}\n\n"}"#,
            "anthropic truncated !stream_truncated u(x)",
        ),
        // Nothing of all this.
        (r#"{"model": "m", "output": 3}"#, "unknown_format"),
        (r#"{"role": "user", "content": "x"}"#, "unknown_format"),
        ("data: prose\n\n", "no_interaction"),
    ]);
}

#[test]
fn streams_that_break_off_or_fail() {
    let chat = |response: &str| {
        format!(r#"{{"request": {{"messages": [{{"role": "user", "content": "x"}}]}}, "response": {response}}}"#)
    };
    let table = [
        // Every choice has ended: a stream without its last line is whole.
        (r#"[{"choices": [{"delta": {"content": "y"}, "finish_reason": "stop"}]}]"#, "openai full u(x) A(y)"),
        (
            r#"[{"choices": [{"delta": {"content": "y"}}]}, {"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}]"#,
            "openai truncated !stream_truncated u(x) A(y) A()",
        ),
        (
            r#""data: {\"choices\": [{\"delta\": {\"content\": \"y\"}}]}\n\ndata: {\"choices\": [{\"del""#,
            "openai truncated !bad_field !stream_truncated u(x) A(y)",
        ),
        (
            r#"[{"choices": [{"delta": {"content": "y"}}]}, {"error": {"message": "overloaded"}}]"#,
            "openai full !stream_error u(x) A(y)",
        ),
        (
            r#"[{"choices": [{"delta": {"content": 7}}, 8]}, 9, {"choices": [{"delta": {"content": "y"}, "finish_reason": "stop"}]}]"#,
            "openai truncated !bad_field u(x) A(y)",
        ),
        (
            r#"[{"type": "content_block_start", "content_block": {"type": "text", "text": "y"}}, {"type": "error", "error": {"type": "overloaded_error"}}]"#,
            "anthropic full !stream_error u(x) A(y)",
        ),
        (
            r#"[{"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{}"}}, {"type": "novelty"}]"#,
            "anthropic truncated !unknown_part !stream_truncated u(x) A({})",
        ),
        (
            r#"[{"type": "content_block_delta", "delta": {"type": "citations_delta", "citation": {}}}, {"type": "message_stop"}]"#,
            "anthropic truncated !unknown_part u(x) A()",
        ),
        (
            r#""data: {\"type\": \"content_block_start\", \"content_block\": {\"type\": \"text\", \"text\": \"y\"}}\n\ndata: {\"type\": \"message_stop\"}\n\ndata: [DONE]\n\n""#,
            "anthropic full u(x) A(y)",
        ),
        // Calls without an index, as some gateways send them: an id begins the next.
        (
            r#"[{"choices": [{"delta": {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "1"}}]}}, {"delta": {"tool_calls": [{"id": "b", "function": {"name": "g", "arguments": "2"}}, {"function": {"arguments": "3"}}]}, "finish_reason": "stop"}]}]"#,
            "openai full u(x) A(f1|g23)",
        ),
        (r#"[]"#, "openai truncated !stream_truncated u(x)"),
        (r#""""#, "openai full u(x)"),
        (r#"{"error": {"message": "no"}}"#, "openai full u(x)"),
    ];
    for (response, expected) in table {
        assert_eq!(told(&chat(response)), expected, "{response}");
    }
    let responses = |response: &str| format!(r#"{{"request": {{"input": "x"}}, "response": {response}}}"#);
    let table = [
        (r#"[{"type": "response.output_text.delta", "delta": "y"}]"#, "openai truncated !stream_truncated u(x) A(y)"),
        (
            r#"[{"type": "response.output_item.added", "item": {"type": "function_call", "name": "f"}}, {"type": "response.function_call_arguments.delta", "delta": "1"}, {"type": "error"}]"#,
            "openai full !stream_error u(x) A(f1)",
        ),
        (
            r#"[{"type": "response.failed", "response": {"output": [{"type": "message", "content": [{"type": "output_text", "text": "y"}]}]}}]"#,
            "openai full !stream_error u(x) A(y)",
        ),
        (r#"[{"type": "response.incomplete", "response": {"output": []}}, {"type": "novelty"}]"#, "openai full u(x)"),
    ];
    for (response, expected) in table {
        assert_eq!(told(&responses(response)), expected, "{response}");
    }
}

#[test]
fn what_stands_in_messages() {
    let anthropic = |content: &str| {
        format!(r#"{{"model": "m", "anthropic_version": "1", "messages": [{{"role": "user", "content": {content}}}]}}"#)
    };
    let table = [
        (r#"[{"type": "tool_result", "tool_use_id": "none", "content": "r"}]"#, "anthropic full t(r)"),
        (
            r#"[{"type": "tool_use", "id": "i", "name": "f", "input": "a"}, {"type": "mcp_tool_result", "tool_use_id": "i", "content": [{"type": "text", "text": "r"}]}, {"type": "text", "text": "x"}]"#,
            "anthropic full u(fa) t(fr) u(x)",
        ),
        (
            r#"[{"type": "code_execution_tool_result", "content": {"stdout": "r"}}]"#,
            r#"anthropic full t({"stdout": "r"})"#,
        ),
        (
            r#"[{"type": "search_result", "title": "n", "source": "https://found.example", "content": [{"type": "text", "text": "d"}]}]"#,
            "anthropic full d(nd|nhttps://found.example|nn)",
        ),
        (
            r#"[{"type": "document", "title": "n", "context": "c", "source": {"type": "content", "content": [{"type": "text", "text": "d"}]}}]"#,
            "anthropic full d(nc|nd|nn)",
        ),
        (
            r#"[{"type": "document", "title": "n", "source": {"type": "base64", "data": "QUJD"}}]"#,
            "anthropic full d(n|nn)",
        ),
        (
            r#"[{"type": "image", "source": {"type": "url", "url": "https://p.example/a"}}, {"type": "redacted_thinking", "data": "QUJD"}]"#,
            "anthropic full u(https://p.example/a|)",
        ),
        (r#"[{"type": "novelty", "content": "x"}]"#, "anthropic full !unknown_part u(x)"),
        (r#"[{"type": "novelty", "song": "x"}, "y"]"#, "anthropic truncated !bad_field !unknown_part u()"),
        // One block without its array.
        (r#"{"type": "text", "text": "x"}"#, "anthropic full !bad_field u(x)"),
        (
            r#"{"type": "tool_result", "content": {"type": "text", "text": "r"}}"#,
            r#"anthropic full !bad_field t({"type": "text", "text": "r"})"#,
        ),
        (r#"{"text": {"value": "x"}}"#, r#"anthropic full !bad_field !unknown_part u({"value": "x"})"#),
        (r#"{"song": "x"}"#, r#"anthropic full !bad_field u({"song": "x"})"#),
        (
            r#"[{"type": "text", "text": {"value": "x"}}, {"type": "text", "text": "y"}]"#,
            r#"anthropic full u({"value": "x"}|y)"#,
        ),
        // Passed over, so that it is not called full.
        ("17", "anthropic truncated !bad_field u()"),
        (r#"[{"type": "text", "text": 17}, {"type": "text", "text": "y"}]"#, "anthropic truncated !bad_field u(|y)"),
    ];
    for (content, expected) in table {
        assert_eq!(told(&anthropic(content)), expected, "{content}");
    }
    assert_told(&[
        (
            r#"{"model": "m", "messages": [], "tools": [{"function": {"name": "f", "description": "d", "parameters": {"a": 1}}}, 3]}"#,
            r#"openai truncated !bad_field t(fd|f{"a": 1})"#,
        ),
        (r#"{"model": "m", "messages": [], "functions": [{"name": "f", "description": "d"}]}"#, "openai full t(fd)"),
        (
            r#"{"model": "m", "input": [], "tools": [{"type": "mcp", "server_label": "s", "server_description": "d", "server_url": "https://s.example"}]}"#,
            "openai full t(sd|shttps://s.example)",
        ),
        (
            r#"{"model": "m", "previous_response_id": "r", "input": [{"type": "item_reference", "id": "i"}, {"type": "function_call_output", "output": [{"type": "input_text", "text": "r"}]}]}"#,
            "openai full !history_absent t(r)",
        ),
        (
            r#"{"model": "m", "conversation": {"id": "c"}, "input": [{"type": "mcp_call", "name": "f", "arguments": "1", "output": "r"}, {"type": "code_interpreter_call", "code": "c", "outputs": [{"logs": "l"}]}, {"type": "novelty", "secret": 1}]}"#,
            r#"openai full !unknown_part !history_absent a(f1) t(fr) a(code_interpreter_callc) t(code_interpreter_call[{"logs": "l"}]) u({"type": "novelty", "secret": 1})"#,
        ),
    ]);
}

#[test]
fn streams_are_bounded_and_take_no_longer_than_their_bytes() {
    let around =
        |chunks: Vec<String>| format!(r#"{{"request": {{"input": "x"}}, "response": [{}]}}"#, chunks.join(","));
    let many = limits::MESSAGES_PER_INTERACTION + 5;
    let calls = limits::PARTS_PER_MESSAGE + 5;
    let numbered = |count: usize, chunk: &dyn Fn(usize) -> String| (0..count).map(chunk).collect::<Vec<_>>();
    let table = [
        (
            numbered(many, &|at| format!(r#"{{"choices": [{{"index": {at}, "delta": {{"content": "y"}}}}]}}"#)),
            Warning::TooManyMessages,
        ),
        (
            numbered(calls, &|at| {
                format!(
                    r#"{{"choices": [{{"delta": {{"tool_calls": [{{"index": {at}, "function": {{"name": "f"}}}}]}}}}]}}"#
                )
            }),
            Warning::TooManyParts,
        ),
        (
            numbered(calls, &|at| {
                format!(r#"{{"type": "content_block_delta", "index": {at}, "delta": {{"text": "y"}}}}"#)
            }),
            Warning::TooManyParts,
        ),
        (
            numbered(many, &|at| {
                format!(r#"{{"type": "response.output_text.delta", "output_index": {at}, "delta": "y"}}"#)
            }),
            Warning::TooManyMessages,
        ),
        (
            numbered(calls, &|at| {
                format!(r#"{{"type": "response.output_text.delta", "content_index": {at}, "delta": "y"}}"#)
            }),
            Warning::TooManyParts,
        ),
    ];
    for (chunks, expected) in table {
        let text = around(chunks);
        with(text.as_bytes(), |decoded| {
            let interaction = &decoded.interactions[0];
            assert!(interaction.messages.len() <= limits::MESSAGES_PER_INTERACTION);
            assert!(interaction.messages.iter().all(|message| message.parts.len() <= limits::PARTS_PER_MESSAGE));
            assert!(interaction.warnings.iter().any(|warning| warning == expected), "{expected}");
            assert_eq!(interaction.content_state, ContentState::Truncated, "{expected}");
        })
        .unwrap();
    }
    // Were any of it quadratic, these would take minutes.
    let deltas = "data: {\"choices\":[{\"delta\":{\"content\":\"y\"}}]}\n\n".repeat(60_000);
    let count = with(deltas.as_bytes(), |decoded| decoded.interactions[0].messages[0].parts[0].bytes);
    assert_eq!(count, Ok(60_000));
    assert_eq!(reason("data: {\n".repeat(400_000).as_bytes()), Reason::NoInteraction);
    let torn = format!("data: {}\n{}", "[".repeat(2 << 20), "{\n".repeat(900_000));
    assert_eq!(reason(torn.as_bytes()), Reason::NoInteraction);
    let nested = format!("data: {}\n\n", "{\"type\":\"tool_result\",\"content\":[".repeat(50_000));
    assert_eq!(reason(nested.as_bytes()), Reason::NoInteraction);
    let block = format!("{}{}", r#"{"type":"tool_result","content":["#.repeat(40_000), "]}".repeat(40_000));
    let deep = format!(r#"data: {{"type":"content_block_start","content_block":{block}}}"#);
    assert!(with(deep.as_bytes(), |_| ()).is_ok());
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes: Vec<u8>, format in 0..Format::ALL.len()) {
        let arena = Bump::new();
        let _ = decode(&event(&bytes), Format::ALL[format], Bounds::default(), &arena);
    }

    #[test]
    fn mutated_events_never_panic(
        which in 0..EXAMPLES.len(),
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 0..12usize, ".{0,3}|[\\[\\]{}\",:\\\\\n]{1,4}"), 1..6),
    ) {
        let mut bytes = EXAMPLES[which].1.as_bytes().to_vec();
        for (at, length, with) in cuts {
            let start = at.index(bytes.len());
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, with.bytes());
            if bytes.is_empty() { bytes.push(b' ') }
        }
        let arena = Bump::new();
        if let Ok(decoded) = decode(&event(&bytes), Format::Auto, Bounds::default(), &arena) {
            prop_assert!(!decoded.interactions.is_empty());
        }
    }
}

/// As much of JSON Schema as the published one uses.
fn accepts(schema: &Value, value: &Value, root: &Value) -> bool {
    let all = |key: &str| schema[key].as_array().into_iter().flatten();
    let counted = |key: &str| all(key).filter(|option| accepts(option, value, root)).count();
    let referred = schema["$ref"].as_str().is_none_or(|reference| {
        let target = root.pointer(reference.trim_start_matches('#')).expect("a reference inside the schema");
        accepts(target, value, root)
    });
    let of_type = match &schema["type"] {
        Value::String(name) => is_a(value, name),
        Value::Array(names) => names.iter().any(|name| is_a(value, name.as_str().unwrap())),
        _ => true,
    };
    let number = value.as_f64();
    let bounded = schema["minimum"].as_f64().zip(number).is_none_or(|(least, number)| number >= least)
        && schema["maximum"].as_f64().zip(number).is_none_or(|(most, number)| number <= most);
    let properties = schema["properties"].as_object().into_iter().flatten();
    referred
        && of_type
        && bounded
        && (schema["const"].is_null() || schema["const"] == *value)
        && (schema["enum"].is_null() || all("enum").any(|option| option == value))
        && all("required").all(|key| value.get(key.as_str().unwrap()).is_some())
        && all("allOf").all(|option| accepts(option, value, root))
        && (schema["anyOf"].is_null() || counted("anyOf") > 0)
        && (schema["oneOf"].is_null() || counted("oneOf") == 1)
        && properties.into_iter().all(|(key, inner)| value.get(key).is_none_or(|value| accepts(inner, value, root)))
        && value.as_array().is_none_or(|items| {
            items.iter().all(|item| schema["items"].is_null() || accepts(&schema["items"], item, root))
        })
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("the schema uses the type {other}"),
    }
}

/// Every property of a schema must say what it is.
fn assert_described(schema: &Value, place: &str) {
    if let Some(properties) = schema["properties"].as_object() {
        for (key, property) in properties {
            assert!(property["description"].is_string(), "{place}.{key} has no description");
        }
    }
    match schema {
        Value::Object(entries) => {
            entries.iter().for_each(|(key, inner)| assert_described(inner, &format!("{place}.{key}")))
        }
        Value::Array(items) => items.iter().for_each(|inner| assert_described(inner, place)),
        _ => {}
    }
}

#[test]
fn the_schema_describes_every_field_and_accepts_the_examples() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_described(&schema, "");
    let native: Value = serde_json::from_str(NATIVE).unwrap();
    let cloud_event: Value = serde_json::from_str(CLOUD_EVENT).unwrap();
    assert!(accepts(&schema, &native, &schema));
    assert!(accepts(&schema, &cloud_event["data"], &schema));
    assert!(!accepts(&schema, &cloud_event, &schema));
    for (pointer, odd) in [
        ("/weir_schema", Value::from(2)),
        ("/destination/port", Value::from(70_000)),
        ("/input/messages/0/role", Value::from("oracle")),
        ("/input/messages/1/content/0/type", Value::from("song")),
        ("/usage/input_tokens", Value::from("many")),
    ] {
        let mut broken = native.clone();
        *broken.pointer_mut(pointer).unwrap() = odd;
        assert!(!accepts(&schema, &broken, &schema), "{pointer}");
    }
}

#[test]
#[ignore = "prints how long the examples take, proves nothing"]
fn throughput() {
    const ROUNDS: usize = 5_000;
    // Time on a core, so that it does not matter what else the machine does.
    let on_core_ns = || -> u64 {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        told.split(' ').next().unwrap().parse().unwrap()
    };
    let mut arena = Bump::new();
    for (name, text) in EXAMPLES {
        let value: Value = serde_json::from_str(text).unwrap();
        let text = value.to_string();
        let mut times: Vec<f64> = (0..21)
            .map(|_| {
                let start = on_core_ns();
                for _ in 0..ROUNDS {
                    assert!(decode(&event(text.as_bytes()), Format::Auto, Bounds::default(), &arena).is_ok());
                    arena.reset();
                }
                (on_core_ns() - start) as f64 / ROUNDS as f64 / 1_000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let [least, median, most] = [times[0], times[10], times[20]];
        println!("{name}: {} bytes, {least:.2} / {median:.2} / {most:.2} µs", text.len());
    }
}
