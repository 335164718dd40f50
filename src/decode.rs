//! From an event's bytes to interactions.
//!
//! An event is one interaction, a JSON array of them, `{"records": [...]}`, or lines of JSON. One field of a wrong
//! type never costs the interaction: it is noted in the interaction's warnings. One interaction that cannot be made
//! never costs its neighbours: it is returned beside them as [`Skipped`]. Only when none can be made is the event a
//! [`Reject`], and its detail holds weir's own words and numbers, never the payload's.
//!
//! Everything is borrowed from the payload or lives in the arena, and every size is bounded (limits.rs). What is
//! decoded depends on the record alone: no clock, no configuration but the topic's format and [`Bounds`]. Encoded layers
//! inside a text (base64 and the like) are detection's business. A streamed response is put together before anything
//! looks at it, so that a value cut in two by chunks is whole again, and places in it are places in the whole.

mod anthropic;
mod blocks;
mod capture;
mod chat;
mod context;
mod dialogue;
mod json;
mod native;
mod responses;
mod sse;
mod stream;
mod text;

pub use text::decode_text;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use serde::Deserialize;
use std::fmt;

use self::context::Context;
use self::json::{Key, Leaf, List, Outline, outline, parse};
use self::stream::Chunks;
use crate::limits;
use crate::model::reject::{Reason, Reject};
use crate::model::{ContentState, Event, Interaction, closed_set};

closed_set! {
    /// A format of input events.
    Format { Auto = 1 "auto", Native = 2 "native", OpenAi = 3 "openai", Anthropic = 4 "anthropic" }
}

/// How much one event may be. Within limits.rs; the configuration sees to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Of the record's value.
    pub event_bytes: usize,
    pub interactions: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { event_bytes: limits::EVENT_MAX_BYTES, interactions: limits::INTERACTIONS_PER_EVENT }
    }
}

impl Bounds {
    /// What is said of an event of so many bytes, which are more than there may be.
    pub fn too_large(&self, bytes: u64) -> Reject {
        let detail = format!("{bytes} bytes; {} are the most (limits.event_size)", self.event_bytes);
        Reject::new(Reason::TooLarge, detail)
    }
}

/// What was made of an event.
pub struct Decoded<'e> {
    /// Never empty. Their `index` is their place in the event, skipped ones counted.
    pub interactions: ArenaVec<'e, Interaction<'e>>,
    /// What stood among them and could not be used; each one is a dead letter of its own.
    pub skipped: Vec<Skipped>,
}

/// One of an event's several interactions of which nothing could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its place in the event, from 0.
    pub index: u32,
    /// The detail names the place too.
    pub reject: Reject,
}

/// Decodes an event. The record's own header decides the format, if it names one; else `format`, its topic's.
///
/// The event's timestamp must be the record's: event times are clamped to it.
pub fn decode<'e>(event: &Event<'e>, format: Format, bounds: Bounds, arena: &'e Bump) -> Result<Decoded<'e>, Reject> {
    let text = text_of(event, bounds)?;
    let format = event.format_header.and_then(format_named).unwrap_or(format);
    let source = Source { event, format, bounds, arena };
    if format != Format::Native && sse::is_stream(text) {
        return source.stream(|_| Chunks::of_text(text, arena));
    }
    let seen = outline(text);
    let is_one = seen.is_whole(text);
    let is_batch = text.starts_with('[') || seen.keys.has(Key::Records) && !seen.keys.has(Key::WeirSchema);
    let whole = match (is_one, is_batch) {
        (true, true) => source.batch(text),
        (true, false) => source.one(|context| source.interaction(text, &seen, context)),
        (false, _) => parse::<Leaf<'e>>(text).and_then(|_| Err(not_an_object())),
    };
    match whole {
        Err(reject) if reject.reason == Reason::NotJson => source.lines(text, reject, is_one),
        whole => whole,
    }
}

/// The payload as text, within bounds and not blank.
fn text_of<'e>(event: &Event<'e>, bounds: Bounds) -> Result<&'e str, Reject> {
    let Some(payload) = event.payload else {
        return Err(Reject::new(Reason::Empty, "the record has no value"));
    };
    if payload.len() > bounds.event_bytes {
        return Err(bounds.too_large(payload.len() as u64));
    }
    let text = std::str::from_utf8(payload)
        .map_err(|error| Reject::new(Reason::NotUtf8, format!("not UTF-8 from byte {} on", error.valid_up_to())))?;
    let text = text.trim_start_matches('\u{feff}').trim_ascii();
    if text.is_empty() {
        return Err(Reject::new(Reason::Empty, "the record's value is blank"));
    }
    Ok(text)
}

fn format_named(header: &str) -> Option<Format> {
    Format::from_name(header.trim())
}

fn not_an_object() -> Reject {
    Reject::new(Reason::UnknownFormat, "the event is not a JSON object")
}

#[derive(Deserialize)]
struct Records<'e> {
    #[serde(borrow, default)]
    records: Leaf<'e>,
}

type Elements<'e> = List<Leaf<'e>, { limits::INTERACTIONS_CEILING }>;

/// An event on its way through the decoders.
struct Source<'s, 'e> {
    event: &'s Event<'e>,
    format: Format,
    bounds: Bounds,
    arena: &'e Bump,
}

impl<'e> Source<'_, 'e> {
    fn one(
        &self,
        interaction: impl FnOnce(&mut Context<'e>) -> Result<Interaction<'e>, Reject>,
    ) -> Result<Decoded<'e>, Reject> {
        let interaction = honest(interaction(&mut Context::new(self.event, 0, self.arena))?);
        let mut interactions = ArenaVec::with_capacity_in(1, self.arena);
        interactions.push(interaction);
        Ok(Decoded { interactions, skipped: Vec::new() })
    }

    /// A stream by itself: text of server-sent events, an array of chunks, or lines of them.
    fn stream(&self, chunks: impl FnOnce(&mut Context<'e>) -> Chunks<'e>) -> Result<Decoded<'e>, Reject> {
        self.one(|context| {
            let chunks = chunks(context);
            capture::decode_stream(chunks, self.format, context)
        })
    }

    fn is_chunk(&self, json: &str) -> bool {
        self.format != Format::Native && capture::is_chunk(json)
    }

    /// An array, or `{"records": [...]}` as Azure's Event Hubs send it.
    fn batch(&self, text: &'e str) -> Result<Decoded<'e>, Reject> {
        let array = if text.starts_with('[') { text } else { parse::<Records<'e>>(text)?.records.json() };
        if !array.starts_with('[') {
            return Err(Reject::new(Reason::NoInteraction, "`records` is not an array"));
        }
        let elements: Elements<'e> = parse(array)?;
        if elements.items.first().is_some_and(|first| self.is_chunk(first.json())) {
            return self.stream(|context| Chunks::of_array(array, context));
        }
        if elements.more || elements.items.len() > self.bounds.interactions {
            return Err(self.too_many());
        }
        self.each(elements.items.iter().map(|element| element.json()))
    }

    /// Lines of JSON. Only `\n` ends one: U+2028 and the like occur inside strings. `whole` is what is wrong with
    /// the text as a single document, and the answer when it is no lines of JSON either.
    fn lines(&self, text: &'e str, whole: Reject, is_one: bool) -> Result<Decoded<'e>, Reject> {
        let lines = || text.split('\n').map(str::trim_ascii).filter(|line| !line.is_empty());
        if lines().nth(1).is_none() || !lines().any(|line| line.starts_with('{')) {
            return Err(whole);
        }
        if lines().next().is_some_and(|line| self.is_chunk(line)) {
            return self.stream(|_| Chunks::of_text(text, self.arena));
        }
        if lines().nth(self.bounds.interactions).is_some() {
            // A torn document of many lines is more likely than so large a batch, if its first line is no value.
            let first = lines().next().is_some_and(|line| outline(line).end.is_some());
            return Err(if first { self.too_many() } else { whole });
        }
        // The first line's fault is told, unless the text is a torn document.
        self.each(lines()).map_err(|first| if is_one { whole } else { first })
    }

    fn each(&self, texts: impl Iterator<Item = &'e str>) -> Result<Decoded<'e>, Reject> {
        let mut interactions = ArenaVec::new_in(self.arena);
        let mut skipped = Vec::new();
        for (index, text) in (0..).zip(texts) {
            let context = &mut Context::new(self.event, index, self.arena);
            match self.interaction(text, &outline(text), context) {
                Ok(interaction) => interactions.push(honest(interaction)),
                Err(reject) => {
                    let detail = format!("interaction {index} of the event: {}", reject.detail);
                    skipped.push(Skipped { index, reject: Reject { detail, ..reject } });
                }
            }
        }
        if !interactions.is_empty() {
            return Ok(Decoded { interactions, skipped });
        }
        let first = skipped.into_iter().next().map(|skipped| skipped.reject);
        Err(first.unwrap_or_else(|| Reject::new(Reason::NoInteraction, "the event holds an empty array")))
    }

    fn too_many(&self) -> Reject {
        let most = self.bounds.interactions;
        let detail = format!("more than {most} interactions in one event (limits.interactions_per_event)");
        Reject::new(Reason::TooManyInteractions, detail)
    }

    fn interaction(&self, text: &'e str, seen: &Outline, context: &mut Context<'e>) -> Result<Interaction<'e>, Reject> {
        seen.check_depth()?;
        if text.is_empty() {
            // A `null` among the elements of an array.
            return Err(not_an_object());
        }
        if !text.starts_with('{') {
            // A torn line of JSON and a line of prose are not JSON; a number is, and yet no interaction.
            return Err(parse::<Leaf<'e>>(text).err().unwrap_or_else(not_an_object));
        }
        let is_native = seen.keys.has(Key::WeirSchema) || seen.keys.has(Key::SpecVersion);
        match self.format {
            Format::Native => native::decode(text, seen.keys, context),
            Format::Auto if is_native => native::decode(text, seen.keys, context),
            Format::OpenAi | Format::Anthropic => capture::decode(text, seen, self.format, context),
            Format::Auto if capture::is_known(seen.keys) => capture::decode(text, seen, self.format, context),
            // An object that is no JSON says so; nobody should look for a format in a torn line.
            Format::Auto => Err(parse::<Leaf<'e>>(text).err().unwrap_or_else(|| {
                let detail = "no key at the top names a format: expected `weir_schema`, `specversion`, `request`, \
                              `response`, or those of a request or a response by itself";
                Reject::new(Reason::UnknownFormat, detail)
            })),
        }
    }
}

/// Nothing of which no content was read is called full: a body in a shape that is not known looks just like that.
fn honest(interaction: Interaction<'_>) -> Interaction<'_> {
    let read = interaction.messages.iter().flat_map(|message| &message.parts).any(|part| part.bytes > 0);
    match interaction.content_state {
        ContentState::Full if !read => Interaction { content_state: ContentState::Absent, ..interaction },
        _ => interaction,
    }
}

#[cfg(test)]
mod tests;
