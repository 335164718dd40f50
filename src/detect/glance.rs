//! One pass over a text before anything else: what it is made of decides what is looked for in it, and where.
//!
//! It finds nothing, and may send others to where there is nothing.

use super::blocks::{BLOCK_BYTES, Block, LongRuns};
use super::layers::signs::{self, Signs};
use super::stretches::Stretches;
use crate::rules::pattern::TOKEN_MIN_BYTES;

/// How many blocks of a text a thread keeps the memory for; only an unusual text has more.
const KEPT_BLOCKS: usize = 16 << 10;

/// What there is in a text.
#[derive(Default)]
pub(super) struct Glance {
    pub stretches: Stretches,
    /// By block: a bit for each digit.
    pub digits: Vec<u64>,
    /// By block: a bit for each byte of ASCII words, as `\b` has it.
    pub words: Vec<u64>,
    /// By block: a bit for each line break.
    pub line_breaks: Vec<u64>,
    pub signs: Signs,
}

impl Glance {
    #[cfg(test)]
    pub fn of(text: &str) -> Glance {
        let mut glance = Glance::default();
        glance.look(text);
        glance
    }

    /// Forgets a text, and the memory that only an unusual one needs.
    pub fn clear(&mut self) {
        self.stretches.clear();
        for bits in [&mut self.digits, &mut self.words, &mut self.line_breaks] {
            bits.clear();
            bits.shrink_to(KEPT_BLOCKS);
        }
    }

    /// Looks at another text.
    pub fn look(&mut self, text: &str) {
        self.clear();
        let text = text.as_bytes();
        let Glance { stretches, digits, words, line_breaks, signs } = self;
        let (mut tokens, mut plains) = (LongRuns::of(TOKEN_MIN_BYTES), LongRuns::of(TOKEN_MIN_BYTES));
        let mut finder = signs::Finder::default();
        for at in (0..text.len()).step_by(BLOCK_BYTES) {
            let block = Block::at(text, at);
            let plain = block.plain();
            plains.add(at, plain, |start, end| stretches.plain.push(start, end));
            tokens.add(at, plain | block.signs_of_tokens(), |start, end| stretches.token.push(start, end));
            digits.push(block.digits());
            words.push(plain | block.any_of(b"_"));
            let breaks = block.any_of(b"\n");
            line_breaks.push(breaks);
            finder.add(block, plain, breaks);
        }
        plains.end(text.len(), |start, end| stretches.plain.push(start, end));
        tokens.end(text.len(), |start, end| stretches.token.push(start, end));
        *signs = finder.end(stretches.token.longest_bytes());
    }
}
