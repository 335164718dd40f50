//! One pass over a text that tells whether anything in it may hide something: what plain text pays for being looked
//! through. It may say yes to much; it says no only where the other files of this folder would find nothing.

use super::super::blocks::{self, BLOCK_BYTES, LongRuns};
use super::runs::RUN_MIN_BYTES;
use wide::u8x16;

/// What there is in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// A byte above ASCII.
    pub high: bool,
    /// What opens an escape, and what may follow it.
    pub escape: bool,
    /// A long run of the characters of base64; hex is one too.
    pub run: bool,
    /// Many single letters or digits between others.
    pub spaced: bool,
    /// A quote, and what may stand between it and the next literal.
    pub joint: bool,
}

/// Letters before something else, in a block.
const SPACED_MIN: u32 = 6;

/// Looks at a text. Of each pair of neighbours the second may be in the next block, so a block is looked at when that is
/// known.
pub(super) fn of(text: &[u8]) -> Signs {
    let (mut all, mut runs) = (Signs::default(), LongRuns::of(RUN_MIN_BYTES));
    let mut last = Kinds::default();
    blocks::each(text, |at, block| {
        let kinds = Kinds::of(block);
        runs.add(at, kinds.in_run, |_, _| all.run = true);
        all.add(&last, &kinds);
        last = kinds;
    });
    all.add(&last, &Kinds::default());
    runs.end(text.len(), |_, _| all.run = true);
    all
}

/// What the bytes of a block are, a bit for each: what may be a sign, and what may follow it.
#[derive(Default)]
struct Kinds {
    high: u16,
    alphanumeric: u16,
    in_run: u16,
    percent: u16,
    ampersand: u16,
    backslash: u16,
    equals: u16,
    quote: u16,
    hash: u16,
    escaped: u16,
    hex: u16,
    line_break: u16,
    between: u16,
}

impl Kinds {
    #[inline(always)]
    fn of(block: u8x16) -> Kinds {
        let is = |bytes: &[u8]| blocks::any_of(block, bytes);
        let alphanumeric = blocks::plain(block);
        let (equals, line_break, backslash) = (is(b"="), is(b"\n\r"), is(b"\\"));
        Kinds {
            high: blocks::high(block),
            alphanumeric,
            in_run: alphanumeric | blocks::signs_of_tokens(block),
            percent: is(b"%"),
            ampersand: is(b"&"),
            backslash,
            equals,
            quote: is(b"\"'`"),
            hash: is(b"#"),
            escaped: is(b"\"/uUxX"),
            hex: blocks::digits(block) | is(b"ABCDEF"),
            line_break,
            // What is behind the end counts as a blank.
            between: line_break | backslash | is(b" \"'+.&\0"),
        }
    }
}

impl Signs {
    /// Adds a block, of which the next one is known.
    #[inline(always)]
    fn add(&mut self, block: &Kinds, next: &Kinds) {
        // What stands behind each byte of the block.
        let behind = |of: fn(&Kinds) -> u16| of(block) >> 1 | of(next) << (BLOCK_BYTES - 1);
        let name = behind(|kinds| kinds.alphanumeric);
        self.high |= block.high != 0;
        let escape = block.percent & name
            | block.ampersand & (name | behind(|kinds| kinds.hash))
            | block.backslash & behind(|kinds| kinds.escaped)
            | block.equals & behind(|kinds| kinds.hex | kinds.line_break);
        self.escape |= escape != 0;
        self.joint |= block.quote & behind(|kinds| kinds.between) != 0;
        self.spaced |= (block.alphanumeric & !name).count_ones() >= SPACED_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_seen_wherever_they_stand() {
        let none = Signs::default();
        let table = [
            ("", none),
            ("é", Signs { high: true, ..none }),
            ("%4", Signs { escape: true, ..none }),
            ("\\\"", Signs { escape: true, joint: true, ..none }),
            ("&#", Signs { escape: true, ..none }),
            ("=\n", Signs { escape: true, ..none }),
            ("'+", Signs { joint: true, ..none }),
            ("a b c d e f g h i j k l m n o p", Signs { spaced: true, ..none }),
            ("abcdefghijklmnopqrstuvw", Signs { run: true, ..none }),
            ("The meeting has moved, to Thursday afternoon: 14.30. ", none),
        ];
        for (sign, expected) in table {
            for before in 0..40 {
                let text = format!("{}{sign}", ". ".repeat(20).split_at(before).1);
                assert_eq!(of(text.as_bytes()), expected, "{text:?}");
                let text = format!("{text}{}", " ,".repeat(before));
                assert_eq!(of(text.as_bytes()), expected, "{text:?}");
            }
        }
    }
}
