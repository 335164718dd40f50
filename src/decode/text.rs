//! Lines of `{"id": ..., "text": ..., "role"?: ...}` for `weir scan --format text`: a corpus, a document, a prompt.
//!
//! Not a format of events: nobody captures calls this way. A line is one message of one part, from nobody to nobody.

use bumpalo::Bump;
use serde::Deserialize;

use super::Bounds;
use super::context::{Context, Named, part};
use super::json::{Leaf, Value, outline, parse};
use crate::model::reject::{Reason, Reject};
use crate::model::{
    ContentState, Destination, Direction, Event, Interaction, Message, PartKind, Role, Warning, Warnings,
};

#[derive(Deserialize)]
struct Line<'e> {
    #[serde(borrow, default)]
    id: Leaf<'e>,
    #[serde(borrow, default)]
    text: Leaf<'e>,
    #[serde(borrow, default)]
    role: Leaf<'e>,
}

/// Decodes a line. What an assistant says is output, all else input; a role that weir does not know is the user's.
pub fn decode_text<'e>(event: &Event<'e>, bounds: Bounds, arena: &'e Bump) -> Result<Interaction<'e>, Reject> {
    let text = super::text_of(event, bounds)?;
    outline(text).check_depth()?;
    if !text.starts_with('{') {
        // A torn line and a line of prose are not JSON; a number is.
        return Err(parse::<Leaf<'e>>(text).err().unwrap_or_else(super::not_an_object));
    }
    let line: Line<'e> = parse(text)?;
    let context = &mut Context::new(event, 0, arena);
    if !matches!(line.text.value(), Value::Text(_)) {
        return Err(Reject::new(Reason::NoInteraction, "`text` is missing or is not a string"));
    }
    let said = context.text(line.text).unwrap_or_default();
    let known = context.text(line.role).and_then(Role::from_name);
    let role = known.unwrap_or(Role::User);
    let mut warnings = Warnings::default();
    if known.is_none() && !matches!(line.role.value(), Value::Absent) {
        warnings.add(Warning::UnknownRole);
    }
    let direction = if role == Role::Assistant { Direction::Output } else { Direction::Input };
    let source_id = context.identifier(line.id);
    let mut parts = context.list(1);
    parts.push(part(PartKind::Text, "", said));
    let mut messages = context.list(1);
    messages.push(Message { direction, role, parts });
    Ok(Interaction {
        position: event.position,
        index: 0,
        source_id,
        conversation: "",
        time_ms: event.timestamp_ms,
        principal: context.principal(Named::default(), event.position.topic),
        application: event.position.topic,
        provider: "",
        model: "",
        destination: Destination::default(),
        input_tokens: None,
        output_tokens: None,
        status: 0,
        latency_ms: None,
        content_state: ContentState::Full,
        warnings,
        messages,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Position;

    fn event(payload: &[u8]) -> Event<'_> {
        let position = Position { topic: "lines", partition: 0, offset: 0 };
        Event { position, timestamp_ms: 1_000, payload: Some(payload), format_header: None }
    }

    #[test]
    fn a_line_is_one_message() {
        let arena = Bump::new();
        let line = event(br#"{"id": 7, "text": "say \"hi\"", "role": "assistant", "label": "benign"}"#);
        let interaction = decode_text(&line, Bounds::default(), &arena).ok().unwrap();
        assert_eq!(interaction.source_id, "7");
        assert_eq!(interaction.messages[0].direction, Direction::Output);
        assert_eq!(interaction.messages[0].parts[0].text.expose(), "say \"hi\"");
    }

    #[test]
    fn a_role_that_is_not_known_is_told() {
        let arena = Bump::new();
        for (role, expected) in
            [("", None), (r#", "role": null"#, None), (r#", "role": "sytem""#, Some(())), (r#", "role": 5"#, Some(()))]
        {
            let line = format!(r#"{{"text": "hi"{role}}}"#);
            let interaction = decode_text(&event(line.as_bytes()), Bounds::default(), &arena).ok().unwrap();
            assert_eq!(interaction.warnings.iter().next(), expected.map(|()| Warning::UnknownRole), "{role}");
            assert_eq!(interaction.messages[0].role, Role::User);
        }
    }

    #[test]
    fn a_line_without_text_is_a_reject() {
        let arena = Bump::new();
        for (line, reason) in [
            (&b"{\"id\": 1}"[..], Reason::NoInteraction),
            (b"{\"text\": 5}", Reason::NoInteraction),
            (b"{", Reason::NotJson),
            (b"prose", Reason::NotJson),
            (b"null", Reason::UnknownFormat),
            (b"1", Reason::UnknownFormat),
            (b"[{\"text\": \"x\"}]", Reason::UnknownFormat),
            (b"", Reason::Empty),
        ] {
            let reject = decode_text(&event(line), Bounds::default(), &arena).err().unwrap();
            assert_eq!(reject.reason, reason);
        }
    }
}
