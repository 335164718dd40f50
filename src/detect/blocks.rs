//! What kinds of bytes a text is made of, sixteen at a time: a bit for each, that of the first byte lowest.
//!
//! Vector instructions compare all of a block at once, whatever is in it; what then is done for a bit that is set is done
//! seldom.

use wide::u8x16;

pub(super) const BLOCK_BYTES: usize = 16;

/// Calls a function with each block of a text and where it begins; the last one is filled up with zeros.
pub(super) fn each(text: &[u8], mut look: impl FnMut(usize, u8x16)) {
    let (blocks, rest) = text.as_chunks::<BLOCK_BYTES>();
    for (index, block) in blocks.iter().enumerate() {
        look(index * BLOCK_BYTES, u8x16::from(*block));
    }
    let mut last = [0; BLOCK_BYTES];
    last[..rest.len()].copy_from_slice(rest);
    look(text.len() - rest.len(), u8x16::from(last));
}

/// Digits.
#[inline(always)]
pub(super) fn digits(block: u8x16) -> u16 {
    bits(among(block, b'0', 10))
}

/// ASCII letters and digits.
#[inline(always)]
pub(super) fn plain(block: u8x16) -> u16 {
    bits(among(block | u8x16::splat(0x20), b'a', 26) | among(block, b'0', 10))
}

/// Of bytes that are neither letters nor digits, those that tokens hold too (`rules/pattern.rs`).
#[inline(always)]
pub(super) fn signs_of_tokens(block: u8x16) -> u16 {
    any_of(block, b"+/_-")
}

/// Bytes above ASCII.
#[inline(always)]
pub(super) fn high(block: u8x16) -> u16 {
    block.to_bitmask() as u16
}

/// Bytes that are one of some.
#[inline(always)]
pub(super) fn any_of(block: u8x16, bytes: &[u8]) -> u16 {
    bits(bytes.iter().fold(u8x16::splat(0), |any, &byte| any | block.simd_eq(u8x16::splat(byte))))
}

/// Bytes that are one of so many from a first one on.
#[inline(always)]
fn among(block: u8x16, first: u8, count: u8) -> u8x16 {
    let from_first = block - u8x16::splat(first);
    from_first.min(u8x16::splat(count - 1)).simd_eq(from_first)
}

#[inline(always)]
fn bits(mask: u8x16) -> u16 {
    mask.to_bitmask() as u16
}

/// Long runs of set bits, from block to block.
pub(super) struct LongRuns {
    bytes_min: usize,
    /// Where the run begins that reaches the end of what was seen.
    begun: usize,
}

impl LongRuns {
    /// Those of at least so many bytes, which is no less than a block: a shorter one could lie within.
    pub fn of(bytes_min: usize) -> LongRuns {
        debug_assert!(bytes_min >= BLOCK_BYTES);
        LongRuns { bytes_min, begun: 0 }
    }

    /// Adds the bits of the block that begins here; calls a function with a run that ends in it.
    #[inline(always)]
    pub fn add(&mut self, at: usize, bits: u16, found: impl FnOnce(usize, usize)) {
        if bits == u16::MAX {
            return;
        }
        let end = at + bits.trailing_ones() as usize;
        if end - self.begun >= self.bytes_min {
            found(self.begun, end);
        }
        self.begun = at + BLOCK_BYTES - bits.leading_ones() as usize;
    }

    /// Ends the text, if the last block was full.
    pub fn end(self, at: usize, found: impl FnOnce(usize, usize)) {
        if at.saturating_sub(self.begun) >= self.bytes_min {
            found(self.begun, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::pattern::{is_plain, is_token};

    #[test]
    fn every_byte_is_of_its_kinds() {
        for byte in 0..=u8::MAX {
            let block = u8x16::splat(byte);
            let all = |is: bool| if is { u16::MAX } else { 0 };
            assert_eq!(digits(block), all(byte.is_ascii_digit()), "{byte}");
            assert_eq!(plain(block), all(is_plain(byte)), "{byte}");
            assert_eq!(plain(block) | signs_of_tokens(block), all(is_token(byte)), "{byte}");
        }
        let mixed = u8x16::from(*b"a1 Z\xff_-9@[`{/:+.");
        assert_eq!((digits(mixed), plain(mixed)), (0b1000_0010, 0b1000_1011));
        assert_eq!(signs_of_tokens(mixed), 0b0101_0000_0110_0000);
    }

    #[test]
    fn long_runs_are_found_wherever_they_lie() {
        for (start, length) in (0..40).flat_map(|start| (0..60).map(move |length| (start, length))) {
            for behind in [0, 1, 20] {
                let text = [" ".repeat(start), "x".repeat(length), " ".repeat(behind)].concat();
                let (mut runs, mut found) = (LongRuns::of(BLOCK_BYTES), Vec::new());
                each(text.as_bytes(), |at, block| runs.add(at, plain(block), |start, end| found.push((start, end))));
                runs.end(text.len(), |start, end| found.push((start, end)));
                let expected: &[_] = if length >= BLOCK_BYTES { &[(start, start + length)] } else { &[] };
                assert_eq!(found, expected, "{start} {length} {behind}");
            }
        }
    }
}
