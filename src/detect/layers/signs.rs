//! Whether anything in a text may hide something: what plain text pays for being looked through. It may say yes to much;
//! it says no only where the other files of this folder would find nothing, or signs between a few letters as if they were
//! spread out.

use super::super::blocks::{Behind, Block};
use super::runs::RUN_MIN_BYTES;

/// What there is in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::detect) struct Signs {
    /// A byte above ASCII.
    pub high: bool,
    /// What opens an escape, and what may follow it.
    pub escape: bool,
    /// A long run of the characters of base64; hex is one too.
    pub run: bool,
    /// Single letters or digits with one or two bytes between them.
    pub spaced: bool,
    /// A quote, and what may stand between it and the next literal.
    pub joint: bool,
    pub line_break: bool,
}

/// Single letters or digits in a block that have one near before them. The shortest text that is spread out has eleven, or
/// seven when two blanks stand between, of which one of two blocks has half.
const SPACED_MIN: u32 = 3;

/// Looks at a text block by block. A sign is seen when what follows it is.
#[derive(Default)]
pub(in crate::detect) struct Finder {
    signs: Signs,
    /// Letters and digits, those before them, and single ones.
    name: Behind,
    before: Behind,
    single: [Behind; 3],
    /// What opens something.
    percent: Behind,
    ampersand: Behind,
    backslash: Behind,
    equals: Behind,
    quote: Behind,
    any: Behind,
}

impl Finder {
    /// Adds a block, of which the letters and digits and the line breaks are known.
    #[inline(always)]
    pub fn add(&mut self, block: Block, plain: u64, line_breaks: u64) {
        let name = self.name.next(plain);
        let single = name & !self.before.next(name) & !plain;
        let [first, second, third] = &mut self.single;
        let two_before = second.next(first.next(single));
        let near = two_before | third.next(two_before);
        self.signs.spaced |= (single & near).count_ones() >= SPACED_MIN;
        self.signs.high |= block.high() != 0;
        self.signs.line_break |= line_breaks != 0;
        // In a text that has them a quote or a backslash is everywhere.
        if !(self.signs.escape && self.signs.joint) {
            let openers = block.any_of(b"%&\\=\"'`");
            if openers | self.any.next(openers) != 0 {
                self.add_openers(block, plain);
            }
        }
    }

    fn add_openers(&mut self, block: Block, plain: u64) {
        let is = |bytes: &[u8]| block.any_of(bytes);
        let line_break = is(b"\n\r");
        let escape = self.percent.next(is(b"%")) & plain
            | self.ampersand.next(is(b"&")) & (plain | is(b"#"))
            | self.backslash.next(is(b"\\")) & is(b"\"/uUxX")
            | self.equals.next(is(b"=")) & (block.digits() | is(b"ABCDEF") | line_break);
        self.signs.escape |= escape != 0;
        let between = line_break | is(b" \t\"'`+.&|\\<>");
        self.signs.joint |= self.quote.next(is(b"\"'`")) & between != 0;
    }

    /// All that was seen in a text whose longest stretch of token characters is so long.
    pub fn end(self, longest_bytes: usize) -> Signs {
        Signs { run: longest_bytes >= RUN_MIN_BYTES, ..self.signs }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::glance::Glance;
    use super::*;

    #[test]
    fn signs_are_seen_wherever_they_stand() {
        let none = Signs::default();
        let table = [
            ("", none),
            ("é", Signs { high: true, ..none }),
            ("%4", Signs { escape: true, ..none }),
            ("\\\"", Signs { escape: true, ..none }),
            ("&#", Signs { escape: true, ..none }),
            ("=\n", Signs { escape: true, line_break: true, ..none }),
            ("'+", Signs { joint: true, ..none }),
            ("a b c d e f g h i j k l m n o p", Signs { spaced: true, ..none }),
            ("a  b  c  d  e  f  g  h  i  j  k  l", Signs { spaced: true, ..none }),
            ("\"|", Signs { joint: true, ..none }),
            ("abcdefghijklmnopqrstuvw", Signs { run: true, ..none }),
            ("The meeting has moved, to Thursday afternoon: 14.30. ", none),
        ];
        for (sign, expected) in table {
            for before in 0..80 {
                let text = format!("{}{sign}", ". ".repeat(40).split_at(before).1);
                assert_eq!(Glance::of(&text).signs, expected, "{text:?}");
                let text = format!("{text}{}", "; ".repeat(before));
                assert_eq!(Glance::of(&text).signs, expected, "{text:?}");
            }
        }
    }
}
