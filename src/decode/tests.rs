//! What decoders make of events. Texts are compared by keyed hash, since even a test of this room may not read
//! them back.

use super::*;
use crate::model::evidence::MaskKey;
use crate::model::{ContentState, Direction, PartKind, Position, PrincipalKind, Raw, Role, Warning};
use proptest::prelude::*;
use serde_json::Value;

const NATIVE: &str = include_str!("../../pipelines/examples/native.json");
const CLOUD_EVENT: &str = include_str!("../../pipelines/examples/cloudevents.json");
const OPENAI: &str = include_str!("../../pipelines/examples/openai-chat-completions.json");
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

/// Everything of an interaction but its texts.
fn golden(interaction: &Interaction<'_>) -> String {
    let warnings: Vec<_> = interaction.warnings.iter().map(Warning::name).collect();
    let mut lines = vec![
        format!(
            "{}#{} {:?} {:?}",
            interaction.position, interaction.index, interaction.source_id, interaction.conversation
        ),
        format!("{} {} {}", interaction.time_ms - RECORD_MS, interaction.principal, interaction.application),
        format!("{} {} {:?}", interaction.provider, interaction.model, interaction.destination),
        format!(
            "{:?} {:?} {} {:?}",
            interaction.input_tokens, interaction.output_tokens, interaction.status, interaction.latency_ms
        ),
        format!("{} {warnings:?}", interaction.content_state),
    ];
    for message in &interaction.messages {
        let parts = message.parts.iter().map(|part| format!("{} {:?} {}", part.kind, part.name, part.bytes));
        lines.push(format!("{} {}: {}", message.direction, message.role, parts.collect::<Vec<_>>().join(", ")));
    }
    lines.join("\n")
}

fn assert_golden(payload: &str, expected: &str, texts: &[&str]) {
    let key = MaskKey::new(b"for tests");
    with(payload.as_bytes(), |decoded| {
        let [interaction] = &decoded.interactions[..] else { panic!("one interaction") };
        assert!(decoded.skipped.is_empty());
        let expected: Vec<_> = expected.trim().lines().map(str::trim).collect();
        assert_eq!(golden(interaction), expected.join("\n"));
        let parts: Vec<_> = interaction.messages.iter().flat_map(|message| &message.parts).collect();
        assert_eq!(parts.len(), texts.len());
        for (part, text) in parts.iter().zip(texts) {
            assert!(key.part_hash(part.text) == key.part_hash(Raw::new(text)), "expected {text:?}");
        }
    })
    .unwrap();
}

#[test]
fn a_native_event() {
    let expected = r#"
        llm.events/3/41#0 "call-7f3a91" "conv-5512"
        -92650 user:nadia.brandt claims-assistant
        anthropic claude-sonnet-4-5 Destination { host: "api.anthropic.com", port: 443, scheme: "https", tls_version: "1.3" }
        Some(412) Some(96) 200 Some(1840)
        full []
        input system: text "" 63
        input user: text "" 61
        input document: text "policy.pdf" 69
        input user: blob "" 48213
        input assistant: tool_call "tenancy" 14
        input tool: tool_result "tenancy" 17
        output assistant: text "" 44
    "#;
    let texts = [
        "You help claims handlers. Quote the paragraph that you rely on.",
        "Does the attached policy cover a burst pipe in a rented flat?",
        "§ 4 Water damage is covered unless the flat stood empty for 60 days.",
        "photo of a wet ceiling",
        r#"{ "flat": 12 }"#,
        "let since January",
        "Yes: § 4 covers it,\nsince the flat was let.",
    ];
    assert_golden(NATIVE, expected, &texts);
}

#[test]
fn a_native_event_in_a_cloudevents_envelope() {
    let expected = r#"
        llm.events/3/41#0 "gw-000183" ""
        -58000 workload:nightly-digest digest
        mistral_ai mistral-small Destination { host: "", port: 0, scheme: "", tls_version: "" }
        Some(31) Some(9) 0 None
        full []
        input user: text "" 39
        output assistant: text "" 38
    "#;
    let texts = ["Sum up yesterday's tickets in one line.", "Fourteen tickets, none of them urgent."];
    assert_golden(CLOUD_EVENT, expected, &texts);
}

const OPENAI_GOLDEN: &str = r#"
    llm.events/3/41#0 "chatcmpl-Bq7trip" ""
    -29750 user:tomas.ferreira travel-desk
    openai gpt-4.1-2025-04-14 Destination { host: "api.openai.com", port: 443, scheme: "", tls_version: "" }
    Some(187) Some(22) 200 Some(912)
    full []
    input system: text "" 26
    input user: text "" 37, blob "" 39, blob "" 12, blob "" 10
    input assistant: tool_call "timetable" 15
    input tool: tool_result "timetable" 19
    output assistant: text "" 27
    output assistant: text "" 19
"#;

const OPENAI_TEXTS: [&str; 9] = [
    "Plan trips. Prefer trains.",
    "How do I get to this place by Friday?",
    "https://photos.harbour.example/pier.jpg",
    "",
    "calendar.ics",
    r#"{"to": "Ystad"}"#,
    "06:52, 08:52, 10:52",
    "Take the 08:52 on Thursday.",
    "I cannot book that.",
];

#[test]
fn a_capture_of_chat_completions() {
    assert_golden(OPENAI, OPENAI_GOLDEN, &OPENAI_TEXTS);
}

#[test]
fn bodies_may_be_strings_of_json() {
    let mut capture: Value = serde_json::from_str(OPENAI).unwrap();
    for body in ["request", "response"] {
        capture[body] = Value::String(capture[body].to_string());
    }
    // Written anew, the arguments are the same: they were a string of JSON before.
    assert_golden(&capture.to_string(), OPENAI_GOLDEN, &OPENAI_TEXTS);
}

#[test]
fn a_stream_or_a_torn_answer_does_not_cost_the_request() {
    for response in [
        r#""data: {\"object\":\"chat.completion.chunk\"}\n\ndata: [DONE]""#,
        r#"{"object": "chat.completion.chunk", "choices": []}"#,
        r#"{"id": "a", "id": "b"}"#,
        "17",
    ] {
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
            assert_eq!(count, Ok(1), "{text}");
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
        })
        .unwrap();
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

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes: Vec<u8>, format in 0..3usize) {
        let arena = Bump::new();
        let _ = decode(&event(&bytes), Format::ALL[format], Bounds::default(), &arena);
    }

    #[test]
    fn mutated_events_never_panic(
        which in 0..3usize,
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 0..12usize, ".{0,3}|[\\[\\]{}\",:\\\\\n]{1,4}"), 1..6),
    ) {
        let mut bytes = [NATIVE, CLOUD_EVENT, OPENAI][which].as_bytes().to_vec();
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
