//! The messages of an interaction while they are made: turns, and the parts that are said in them.
//!
//! A turn becomes one message, or several when parts of it are somebody else's words: documents and tools' results
//! stand in users' turns, and rules ask who is speaking. Messages and parts are bounded here, and room is kept for
//! the answer, since it is short and nothing else repeats it. What is on the wire is read elsewhere.

use bumpalo::collections::Vec as ArenaVec;

use super::context::{Context, part};
use crate::limits;
use crate::model::{Direction, Message, Part, PartKind, Role, Warning};

/// How many tool calls back the call of a result is looked for; results follow their calls closely.
const CALLS_LOOKED_AT: usize = 128;

/// Who speaks, and what kind of part the text is.
#[derive(Clone, Copy)]
pub(super) struct Speaker<'e> {
    pub role: Role,
    pub kind: PartKind,
    /// The tool whose result it is.
    pub name: &'e str,
}

impl<'e> Speaker<'e> {
    pub(super) fn new(role: Role) -> Self {
        Speaker { role, kind: PartKind::Text, name: "" }
    }

    /// A tool that gives a result.
    pub(super) fn tool(name: &'e str) -> Self {
        Speaker { role: Role::Tool, kind: PartKind::ToolResult, name }
    }

    pub(super) fn part(self, text: &'e str) -> Part<'e> {
        part(self.kind, self.name, text)
    }
}

pub(super) struct Dialogue<'e> {
    messages: ArenaVec<'e, Message<'e>>,
    current: Message<'e>,
    /// Parts of the turn at hand.
    parts: usize,
    /// Messages that the input must leave free.
    reserved: usize,
    /// The tool calls so far: their ids and the tools' names.
    calls: Vec<(&'e str, &'e str)>,
}

impl<'e> Dialogue<'e> {
    /// For about `expected` messages, of which the last `answers` are the answer.
    pub(super) fn new(expected: usize, answers: usize, context: &Context<'e>) -> Self {
        Dialogue {
            messages: context.list(expected.min(limits::MESSAGES_PER_INTERACTION)),
            current: Message { direction: Direction::Input, role: Role::User, parts: context.list(0) },
            parts: 0,
            reserved: answers.min(limits::MESSAGES_PER_INTERACTION),
            calls: Vec::new(),
        }
    }

    /// Begins a turn.
    pub(super) fn begin(&mut self, direction: Direction, role: Role, context: &Context<'e>) {
        self.current = Message { direction, role, parts: context.list(1) };
        self.parts = 0;
    }

    /// Adds a part to the turn, spoken by `role`.
    pub(super) fn push(&mut self, role: Role, part: Part<'e>, context: &mut Context<'e>) {
        if self.parts == limits::PARTS_PER_MESSAGE {
            return context.lose(Warning::TooManyParts);
        }
        if role != self.current.role {
            let next = Message { direction: self.current.direction, role, parts: context.list(1) };
            let done = std::mem::replace(&mut self.current, next);
            if !done.parts.is_empty() {
                self.store(done, context);
            }
        }
        self.current.parts.push(part);
        self.parts += 1;
    }

    /// Adds what a speaker says, if anything.
    pub(super) fn say(&mut self, speaker: Speaker<'e>, text: &'e str, context: &mut Context<'e>) {
        if !text.is_empty() {
            self.push(speaker.role, speaker.part(text), context);
        }
    }

    /// Adds a call of a tool.
    pub(super) fn call(&mut self, id: &'e str, name: &'e str, arguments: &'e str, context: &mut Context<'e>) {
        self.calls.push((id, name));
        self.push(self.current.role, part(PartKind::ToolCall, name, arguments), context);
    }

    /// The name of the tool that was called by this id; empty when no call is remembered.
    pub(super) fn tool_named(&self, id: &str) -> &'e str {
        let mut recent = self.calls.iter().rev().take(CALLS_LOOKED_AT);
        recent.find(|(call, _)| !id.is_empty() && *call == id).map_or("", |(_, name)| name)
    }

    /// Ends the turn, which is a message even if nothing was said.
    pub(super) fn end(&mut self, context: &mut Context<'e>) {
        let next = Message { direction: Direction::Input, role: Role::User, parts: context.list(0) };
        let done = std::mem::replace(&mut self.current, next);
        self.store(done, context);
    }

    fn store(&mut self, message: Message<'e>, context: &mut Context<'e>) {
        let free = if message.direction == Direction::Input { self.reserved } else { 0 };
        if self.messages.len() + free >= limits::MESSAGES_PER_INTERACTION {
            return context.lose(Warning::TooManyMessages);
        }
        self.messages.push(message);
    }

    pub(super) fn into_messages(self) -> ArenaVec<'e, Message<'e>> {
        self.messages
    }
}
