//! Long stretches of token characters: where in a text a random value may stand at all.
//!
//! Words are short, and what most rules for secrets look for is long. A rule all of whose matches hold such a stretch is
//! not tried where there is none, however often its literal occurs: a vendor's name is in many texts, beside a key it is
//! in few. That every match holds one is proved from its pattern (`rules/pattern.rs`).

use crate::rules::pattern::{TOKEN_MIN_BYTES, is_token};
use std::ops::Range;

/// By byte: whether it is a token character.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_token(byte as u8);
        byte += 1;
    }
    table
};

/// The stretches of a text that are long enough to matter, in order.
#[derive(Default)]
pub(super) struct Stretches {
    pub places: Vec<(usize, usize)>,
    longest_bytes: usize,
}

impl Stretches {
    pub fn of(text: &str) -> Stretches {
        let mut stretches = Stretches::default();
        stretches.find(text);
        stretches
    }

    /// Finds those of another text.
    pub fn find(&mut self, text: &str) {
        self.places.clear();
        each(text.as_bytes(), 0..text.len(), &TOKEN, TOKEN_MIN_BYTES, |start, end| self.places.push((start, end)));
        self.longest_bytes = self.places.iter().map(|(start, end)| end - start).max().unwrap_or(0);
    }

    /// What [`Stretches::allow`] says of the whole text. The window of a rule without a bound is always that: to look at
    /// every stretch for each of its literals would take time with the square of the text.
    pub fn allow_whole(&self, bytes_min: usize) -> bool {
        bytes_min < TOKEN_MIN_BYTES || self.longest_bytes >= bytes_min
    }

    /// Whether a window may hold a match of a rule that needs a stretch of so many bytes.
    pub fn allow(&self, window: Range<usize>, bytes_min: usize) -> bool {
        if bytes_min < TOKEN_MIN_BYTES {
            return true;
        }
        let first = self.places.partition_point(|(_, end)| *end <= window.start);
        let near = self.places[first..].iter().take_while(|(start, _)| *start < window.end);
        near.into_iter().any(|(start, end)| (*end).min(window.end) - (*start).max(window.start) >= bytes_min)
    }
}

/// Calls a function with each stretch, within a range, of bytes that a table holds and of at least so many. It looks back
/// from where the shortest one would end, and so passes over most bytes unseen.
pub(super) fn each(
    text: &[u8],
    range: Range<usize>,
    holds: &[bool; 256],
    bytes_min: usize,
    mut found: impl FnMut(usize, usize),
) {
    let text = &text[..range.end];
    let is_end = |byte: &u8| !holds[usize::from(*byte)];
    let mut at = range.start;
    while let Some(shortest) = text.get(at..at.saturating_add(bytes_min)) {
        if let Some(last) = shortest.iter().rposition(is_end) {
            at += last + 1;
            continue;
        }
        let more = text[at + bytes_min..].iter().position(is_end);
        let end = more.map_or(text.len(), |more| at + bytes_min + more);
        found(at, end);
        at = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_found_and_windows_judged() {
        let text = format!("a key: {} and {}, {}", "x".repeat(16), "y".repeat(15), "z".repeat(40));
        let found = Stretches::of(&text);
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
        assert!(Stretches::of("").places.is_empty());
    }

    #[test]
    fn a_whole_text_is_judged_by_its_longest_stretch() {
        for text in ["", "short", &"x".repeat(16), &format!("{} {}", "x".repeat(30), "y".repeat(20))] {
            let found = Stretches::of(text);
            for bytes_min in 0..40 {
                assert_eq!(found.allow_whole(bytes_min), found.allow(0..text.len(), bytes_min), "{text} {bytes_min}");
            }
        }
    }
}
