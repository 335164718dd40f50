//! Long stretches of token characters: where in a text a random value may stand at all.
//!
//! Words are short, and what most rules for secrets look for is long. A rule all of whose matches hold such a stretch is
//! not tried where there is none, however often its literal occurs: a vendor's name is in many texts, beside a key it is
//! in few. Paths and long names are stretches too, unless a rule asks for one of letters and digits only. That every match
//! holds one is proved from its pattern (`rules/pattern.rs`).

use super::KEPT_PLACES;
use crate::rules::pattern::{Shape, TOKEN_MIN_BYTES};
use regex_syntax::hir::{Class, Hir, HirKind};
use std::ops::Range;

/// The stretches of a text that are long enough to matter.
#[derive(Default)]
pub(super) struct Stretches {
    /// Of token characters.
    pub token: Places,
    /// Of letters and digits.
    pub plain: Places,
}

impl Stretches {
    pub fn clear(&mut self) {
        self.token.clear();
        self.plain.clear();
    }

    /// Whether a match of a rule may lie in a window, which is the whole text when its matches have no bound: to look at
    /// every stretch for each of its literals would take time with the square of the text.
    pub fn allow(&self, window: Range<usize>, shape: &Shape) -> bool {
        match shape.longest_bytes {
            None => self.allow_whole(shape),
            Some(_) => {
                self.token.allow(window.clone(), shape.token_min_bytes)
                    && self.plain.allow(window, shape.plain_min_bytes)
            }
        }
    }

    /// Whether a match of a rule may lie in the text.
    pub fn allow_whole(&self, shape: &Shape) -> bool {
        self.token.allow_whole(shape.token_min_bytes) && self.plain.allow_whole(shape.plain_min_bytes)
    }
}

/// Stretches of one kind, in order.
#[derive(Default)]
pub(super) struct Places {
    pub places: Vec<(usize, usize)>,
    longest_bytes: usize,
}

impl Places {
    fn clear(&mut self) {
        self.places.clear();
        self.places.shrink_to(KEPT_PLACES);
        self.longest_bytes = 0;
    }

    pub fn push(&mut self, start: usize, end: usize) {
        self.places.push((start, end));
        self.longest_bytes = self.longest_bytes.max(end - start);
    }

    pub fn longest_bytes(&self) -> usize {
        self.longest_bytes
    }

    fn allow_whole(&self, bytes_min: usize) -> bool {
        bytes_min < TOKEN_MIN_BYTES || self.longest_bytes >= bytes_min
    }

    fn allow(&self, window: Range<usize>, bytes_min: usize) -> bool {
        if bytes_min < TOKEN_MIN_BYTES {
            return true;
        }
        let first = self.places.partition_point(|(_, end)| *end <= window.start);
        let near = self.places[first..].iter().take_while(|(start, _)| *start < window.end);
        near.into_iter().any(|(start, end)| (*end).min(window.end) - (*start).max(window.start) >= bytes_min)
    }
}

/// How far from a literal the end of the bytes that may be in a match is looked for.
const NEAR_BYTES: usize = 96;

/// A window round a place in it, without what no match over that place can hold, as far as that begins near by.
pub(super) fn narrowed(
    text: &[u8],
    window: (usize, usize),
    place: (usize, usize),
    holds: &[bool; 256],
) -> (usize, usize) {
    let is_end = |byte: &u8| !holds[usize::from(*byte)];
    // A literal may be longer than any match.
    let place = (place.0.clamp(window.0, window.1), place.1.clamp(window.0, window.1));
    let from = window.0.max(place.0.saturating_sub(NEAR_BYTES));
    let to = window.1.min(place.1 + NEAR_BYTES);
    let start = text[from..place.0].iter().rposition(is_end).map_or(window.0, |at| from + at + 1);
    let end = text[place.1..to].iter().position(is_end).map_or(window.1, |at| place.1 + at);
    (start, end)
}

/// By byte: whether it may occur in a match.
pub(super) fn bytes_of(hir: &Hir) -> Box<[bool; 256]> {
    let mut holds = Box::new([false; 256]);
    add_bytes(hir, &mut holds);
    holds
}

fn add_bytes(hir: &Hir, holds: &mut [bool; 256]) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|&byte| holds[usize::from(byte)] = true),
        HirKind::Class(class) => add_class(class, holds),
        HirKind::Repetition(repetition) => add_bytes(&repetition.sub, holds),
        HirKind::Capture(capture) => add_bytes(&capture.sub, holds),
        HirKind::Concat(subs) | HirKind::Alternation(subs) => subs.iter().for_each(|sub| add_bytes(sub, holds)),
    }
}

/// The bytes of a class. Of characters above ASCII that is every byte above it: rough, and safe.
pub(super) fn add_class(class: &Class, holds: &mut [bool; 256]) {
    let mut add = |first: usize, last: usize| holds[first..=last].fill(true);
    match class {
        Class::Bytes(class) => class.iter().for_each(|range| add(range.start().into(), range.end().into())),
        Class::Unicode(class) => class.iter().for_each(|range| {
            let (first, last) = (range.start() as usize, range.end() as usize);
            add(first.min(0x80), if last < 0x80 { last } else { 0xff });
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::glance::Glance;
    use super::*;

    fn stretches(text: &str) -> Stretches {
        Glance::of(text).stretches
    }

    #[test]
    fn stretches_are_found_and_windows_judged() {
        let text = format!("a key: {} and {}, {}", "x".repeat(16), "y".repeat(15), "z".repeat(40));
        let found = stretches(&text).token;
        assert_eq!(found.places, [(7, 23), (45, 85)]);
        for (window, bytes_min, expected) in [
            (0..85, 40, true),
            (0..85, 41, false),
            (0..23, 16, true),
            (0..22, 16, false),
            (23..45, 16, false),
            (23..60, 16, false),
            (23..61, 16, true),
            (23..45, 15, true),
        ] {
            assert_eq!(found.allow(window.clone(), bytes_min), expected, "{window:?} {bytes_min}");
        }
        assert!(stretches("").token.places.is_empty());
    }

    #[test]
    fn stretches_of_letters_and_digits_lie_in_others() {
        let text = format!("src/{}/{}_{} {}", "a".repeat(9), "b".repeat(17), "c".repeat(16), "é9".repeat(9));
        let found = stretches(&text);
        assert_eq!(found.token.places, [(0, 48)]);
        assert_eq!(found.plain.places, [(14, 31), (32, 48)]);
        assert_eq!((found.token.longest_bytes, found.plain.longest_bytes), (48, 17));
    }

    #[test]
    fn windows_are_narrowed_to_what_a_match_may_hold() {
        let mut holds = [false; 256];
        holds[b'a' as usize..=b'z' as usize].fill(true);
        let text = format!("one two-three {}", "x".repeat(200));
        for (window, place, expected) in [
            ((0, 13), (8, 10), (8, 13)),
            ((0, 13), (4, 7), (4, 7)),
            ((5, 12), (5, 6), (5, 7)),
            ((0, 214), (109, 112), (14, 214)),
            ((0, 214), (112, 114), (0, 214)),
        ] {
            assert_eq!(narrowed(text.as_bytes(), window, place, &holds), expected, "{window:?} {place:?}");
        }
    }

    #[test]
    fn a_whole_text_is_judged_by_its_longest_stretch() {
        for text in ["", "short", &"x".repeat(16), &format!("{} {}", "x".repeat(30), "y".repeat(20))] {
            let found = stretches(text).token;
            for bytes_min in 0..40 {
                assert_eq!(found.allow_whole(bytes_min), found.allow(0..text.len(), bytes_min), "{text} {bytes_min}");
            }
        }
    }
}
