//! An alert in words: one line and a short paragraph, which must make sense by themselves on a telephone at night.
//!
//! Identifiers are foreign text. In sentences they are shortened, and what could hide or reorder text (control and
//! format characters) is written out, so that nobody can forge a line of an alert by the name of an account. The
//! whole values stand in the alert's fields. Nothing of content is in here but a finding's mask.

use super::Alert;
use super::cloudevents::rfc3339;
use crate::model::finding::{Finding, Measure, Place};
use crate::model::{Direction, PartKind, PrincipalKind, Role};

/// Longest title, in bytes: what a telephone shows of a notification.
pub const TITLE_MAX_BYTES: usize = 100;

/// Longest message, in bytes: PagerDuty takes a summary of 1,024 characters.
pub const MESSAGE_MAX_BYTES: usize = 1_024;

/// Longest identifier in a sentence, in bytes.
const SHOWN_MAX_BYTES: usize = 64;

/// Most rules that the sentence about held back findings names.
const HELD_RULES_SHOWN: usize = 3;

/// `AWS access key id sent to openai by user:u-17`.
pub fn title(alert: &Alert<'_>) -> String {
    let finding = alert.finding;
    let what = match &finding.measure {
        Some(measure) => {
            let allowed = counted(measure.limit, measure.unit);
            format!("{allowed} a minute exceeded")
        }
        None => {
            let way = if finding.direction == Direction::Input { "sent to" } else { "received from" };
            format!("{} {way} {}", shown(finding.title, 48), or_unnamed(alert.facts.provider, "provider", 20))
        }
    };
    let room = TITLE_MAX_BYTES - what.len() - " by ".len();
    format!("{what} by {}", principal(alert, room))
}

/// What, who, where to, why, how sure, since when, what else. Sentences that do not fit any more are left out, the
/// least important first to go.
pub fn message(alert: &Alert<'_>) -> String {
    let finding = alert.finding;
    let mut text = match (&finding.measure, &finding.place) {
        (Some(measure), _) => measured(alert, measure),
        (None, Some(place)) => {
            let what = shown(finding.title, 100);
            format!("{what} ({}{}) in {}, {}.", shown(place.masked, 64), under(place), part(place), route(alert))
        }
        (None, None) => format!("{}, {}.", shown(finding.title, 100), route(alert)),
    };
    let position = alert.facts.position;
    let topic = shown(position.topic, SHOWN_MAX_BYTES);
    let sentences = [
        Some(why(finding)),
        goes_on(alert),
        held_back(alert),
        denied(alert),
        Some(format!(
            "Evidence: {topic}/{}/{}, index {}, of {}.",
            position.partition,
            position.offset,
            alert.facts.index,
            rfc3339(alert.facts.time_ms)
        )),
        dropped(alert.facts.hits_dropped),
    ];
    for sentence in sentences.into_iter().flatten() {
        if text.len() + 1 + sentence.len() <= MESSAGE_MAX_BYTES {
            text.push(' ');
            text.push_str(&sentence);
        }
    }
    text
}

/// `sent by user:u-17 with support-bot to openai, model gpt-5-mini, host api.openai.com`.
fn route(alert: &Alert<'_>) -> String {
    let (by, to) = match alert.finding.direction {
        Direction::Input => ("sent by", "to"),
        Direction::Output => ("received by", "from"),
    };
    format!("{by} {} {to} {}", who(alert), where_to(alert))
}

/// The load, the ceiling, and where the last of it went: a ceiling counts calls to all destinations.
fn measured(alert: &Alert<'_>, measure: &Measure) -> String {
    let verb = if measure.unit == "requests" { "made" } else { "used" };
    let span_ms = measure.window_end_ms - measure.window_start_ms;
    // Rounded up, and at least 1, since nothing takes 0 s.
    let span_s = span_ms.unsigned_abs().div_ceil(1_000).max(1);
    let earlier = match measure.denied_before {
        0 => String::new(),
        count => format!(" The time before it went above the ceiling {} more.", times(count)),
    };
    format!(
        "{} {verb} {} within {span_s} s, the last to {}; the policy's ceiling is {} a minute.{earlier}",
        who(alert),
        counted(measure.observed, measure.unit),
        where_to(alert),
        counted(measure.limit, measure.unit)
    )
}

/// `, hidden by base64 > gzip`: else nobody would find it where the alert says that it is.
fn under(place: &Place<'_>) -> String {
    if place.layers.is_empty() { String::new() } else { format!(", hidden by {}", place.layers) }
}

fn why(finding: &Finding<'_>) -> String {
    let rule = shown(finding.rule, SHOWN_MAX_BYTES);
    format!("Rule {rule} version {}, {} % sure.", finding.rule_version, super::percent(finding))
}

fn goes_on(alert: &Alert<'_>) -> Option<String> {
    let run = &alert.run;
    alert.is_update().then(|| {
        let count = counted(run.findings.into(), "findings");
        format!("It has been going on since {}: {count} of this rule so far.", rfc3339(run.opened_ms))
    })
}

fn held_back(alert: &Alert<'_>) -> Option<String> {
    let held = &alert.told.held;
    let (count, was) = (counted(held.total, "findings"), if held.total == 1 { "was" } else { "were" });
    let mut rules: Vec<_> = held.by_rule.iter().collect();
    rules.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    let mut named: Vec<String> = rules
        .iter()
        .take(HELD_RULES_SHOWN)
        .map(|(rule, count)| format!("{count} of {}", shown(rule, SHOWN_MAX_BYTES)))
        .collect();
    let rest = rules.len().saturating_sub(HELD_RULES_SHOWN) as u64;
    if rest > 0 {
        named.push(format!("and {}", counted(rest, "more rules")));
    }
    let colon = if named.is_empty() { "" } else { ": " };
    (held.total > 0)
        .then(|| format!("{count} {was} held back since the principal's last alert{colon}{}.", named.join(", ")))
}

/// Interactions past a ceiling whose crossing was told already.
fn denied(alert: &Alert<'_>) -> Option<String> {
    let ceilings = alert.told.denied.iter();
    let each: Vec<String> = ceilings.map(|(limit, count)| format!("{} {}", limit.unit(), times(*count))).collect();
    (!each.is_empty()).then(|| format!("Above the ceiling since that was told: {}.", each.join(", ")))
}

fn dropped(count: u32) -> Option<String> {
    (count > 0).then(|| format!("Not kept of that interaction: {}.", counted(count.into(), "more hits")))
}

fn who(alert: &Alert<'_>) -> String {
    let who = principal(alert, SHOWN_MAX_BYTES);
    let application = alert.facts.application;
    if application.is_empty() { who } else { format!("{who} with {}", shown(application, SHOWN_MAX_BYTES)) }
}

fn principal(alert: &Alert<'_>, max_bytes: usize) -> String {
    let principal = alert.facts.principal;
    // What stands for an unknown principal is the application, which is named by itself.
    if principal.kind == PrincipalKind::Unknown || principal.value.is_empty() {
        return shown("an unnamed principal", max_bytes);
    }
    shown(&principal.to_string(), max_bytes)
}

fn where_to(alert: &Alert<'_>) -> String {
    let facts = alert.facts;
    let mut place = or_unnamed(facts.provider, "provider", SHOWN_MAX_BYTES);
    for (word, name) in [("model", facts.model), ("host", facts.destination.host)] {
        if !name.is_empty() {
            place += &format!(", {word} {}", shown(name, SHOWN_MAX_BYTES));
        }
    }
    place
}

fn or_unnamed(name: &str, what: &str, max_bytes: usize) -> String {
    if name.is_empty() { format!("an unnamed {what}") } else { shown(name, max_bytes) }
}

/// `a user message`, `a tool call of the assistant`.
fn part(place: &Place<'_>) -> String {
    let (message, of) = match place.role {
        Role::System => ("the system prompt", "the system prompt"),
        Role::User => ("a user message", "a user message"),
        Role::Assistant => ("an assistant message", "the assistant"),
        Role::Tool => ("a tool message", "a tool message"),
        Role::Document => ("a document", "a document"),
    };
    match place.part_kind {
        PartKind::Text => message.to_owned(),
        PartKind::ToolCall => format!("a tool call of {of}"),
        PartKind::ToolResult => "a tool result".to_owned(),
        PartKind::Blob => format!("an attachment of {of}"),
    }
}

/// `1 request`, `2 requests`: a count of things whose name ends in `s` when there are several.
fn counted(count: u64, things: &str) -> String {
    let thing = if count == 1 { things.strip_suffix('s').unwrap_or(things) } else { things };
    format!("{count} {thing}")
}

/// `once`, `twice`, `7 times`.
fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}

/// Foreign text for a sentence: at most so many bytes, cut at a character and marked by `…`, with nothing in it that
/// ends a line or changes how the text around it is shown. A quote, a backslash or an accent is left as it is.
pub fn shown(text: &str, max_bytes: usize) -> String {
    const CUT: char = '…';
    let mut out = String::with_capacity(text.len().min(max_bytes));
    // Where to cut when more comes than fits.
    let mut whole_to = 0;
    for scalar in text.chars() {
        if is_hidden(scalar) {
            out.extend(scalar.escape_unicode());
        } else {
            out.push(scalar);
        }
        if out.len() > max_bytes {
            out.truncate(whole_to);
            out.push(CUT);
            return out;
        }
        if out.len() + CUT.len_utf8() <= max_bytes {
            whole_to = out.len();
        }
    }
    out
}

/// Controls, line and paragraph ends, and format characters: direction, joining, invisible ones and tags. A list of
/// our own, since tables of the standard library change with the compiler, and with them what two instances send.
fn is_hidden(scalar: char) -> bool {
    scalar.is_control()
        || matches!(scalar, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(scalar, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn foreign_text_cannot_forge_a_line() {
        let table = [
            ("O'Neil \"x\" ACME\\jane", 64, "O'Neil \"x\" ACME\\jane"),
            ("jane\nALERT: all clear\t", 64, "jane\\u{a}ALERT: all clear\\u{9}"),
            ("user\u{202e}nimda", 64, "user\\u{202e}nimda"),
            ("zero\u{200b}width\u{e0041}", 64, "zero\\u{200b}width\\u{e0041}"),
            ("Müller 👩\u{200d}💻", 64, "Müller 👩\\u{200d}💻"),
            ("abcdefgh", 8, "abcdefgh"),
            ("abcdefghi", 8, "abcde…"),
            ("ab\u{202e}cd", 8, "ab…"),
            ("äöüäöü", 8, "äö…"),
            ("", 8, ""),
        ];
        for (text, max_bytes, expected) in table {
            assert_eq!(shown(text, max_bytes), expected);
        }
    }

    #[test]
    fn numbers_agree_with_their_words() {
        assert_eq!(counted(1, "requests"), "1 request");
        assert_eq!(counted(0, "requests"), "0 requests");
        assert_eq!(counted(1, "more hits"), "1 more hit");
        assert_eq!([times(1), times(2), times(3)], ["once", "twice", "3 times"]);
    }

    proptest! {
        #[test]
        fn shown_text_fits_and_hides_nothing(text: String, max_bytes in 3..100usize) {
            let out = shown(&text, max_bytes);
            prop_assert!(out.len() <= max_bytes);
            prop_assert!(!out.chars().any(is_hidden));
            prop_assert!(out.ends_with('…') || text.chars().any(is_hidden) || out == text);
        }
    }
}
