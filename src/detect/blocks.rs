//! What kinds of bytes a text is made of, a block of it at a time: a bit for each byte, that of the first one lowest.
//!
//! Vector instructions compare sixteen bytes at once, whatever they are; what then is done for a bit that is set is done
//! seldom.

use wide::u8x16;

/// As many as a number has bits.
pub(super) const BLOCK_BYTES: usize = u64::BITS as usize;

const LANES: usize = 16;

/// Some bytes of a text; the last ones of it are filled up with zeros.
#[derive(Clone, Copy)]
pub(super) struct Block([u8x16; BLOCK_BYTES / LANES]);

impl Block {
    /// The block that begins at a place.
    #[inline(always)]
    pub fn at(text: &[u8], at: usize) -> Block {
        match text[at..].first_chunk::<BLOCK_BYTES>() {
            Some(whole) => Block::of(whole),
            None => {
                let mut filled = [0; BLOCK_BYTES];
                filled[..text.len() - at].copy_from_slice(&text[at..]);
                Block::of(&filled)
            }
        }
    }

    #[inline(always)]
    fn of(bytes: &[u8; BLOCK_BYTES]) -> Block {
        let (lanes, _) = bytes.as_chunks::<LANES>();
        Block(std::array::from_fn(|lane| u8x16::from(lanes[lane])))
    }

    /// Digits.
    #[inline(always)]
    pub fn digits(self) -> u64 {
        self.bits(|lane| among(lane, b'0', 10))
    }

    /// ASCII letters and digits.
    #[inline(always)]
    pub fn plain(self) -> u64 {
        self.bits(|lane| among(lane | u8x16::splat(0x20), b'a', 26) | among(lane, b'0', 10))
    }

    /// Of bytes that are neither letters nor digits, those that tokens hold too (`rules/pattern.rs`).
    #[inline(always)]
    pub fn signs_of_tokens(self) -> u64 {
        self.any_of(b"+/_-")
    }

    /// Bytes above ASCII.
    #[inline(always)]
    pub fn high(self) -> u64 {
        self.bits(|lane| lane)
    }

    /// Bytes that are one of some.
    #[inline(always)]
    pub fn any_of(self, bytes: &[u8]) -> u64 {
        self.bits(|lane| bytes.iter().fold(u8x16::splat(0), |any, &byte| any | lane.simd_eq(u8x16::splat(byte))))
    }

    /// The highest bits of what is made of each byte.
    #[inline(always)]
    fn bits(self, of: impl Fn(u8x16) -> u8x16) -> u64 {
        self.0.iter().rev().fold(0, |bits, &lane| bits << LANES | u64::from(of(lane).to_bitmask()))
    }
}

/// Bytes that are one of so many from a first one on.
#[inline(always)]
fn among(lane: u8x16, first: u8, count: u8) -> u8x16 {
    let from_first = lane - u8x16::splat(first);
    from_first.min(u8x16::splat(count - 1)).simd_eq(from_first)
}

/// The places of a text that have their bits set, in order.
pub(super) fn places(blocks: &[u64]) -> impl Iterator<Item = usize> {
    let (mut at, mut left) = (0, blocks.first().copied().unwrap_or_default());
    std::iter::from_fn(move || {
        while left == 0 {
            at += 1;
            left = *blocks.get(at)?;
        }
        let place = at * BLOCK_BYTES + left.trailing_zeros() as usize;
        left &= left - 1;
        Some(place)
    })
}

/// Bits of a text, block by block, of which those behind are wanted: each bit moves up by one.
#[derive(Default)]
pub(super) struct Behind(u64);

impl Behind {
    /// The bytes right behind those of a block; what is behind its last one comes with the next block.
    #[inline(always)]
    pub fn next(&mut self, bits: u64) -> u64 {
        let behind = bits << 1 | self.0;
        self.0 = bits >> (BLOCK_BYTES - 1);
        behind
    }
}

/// No run is looked for that is shorter.
const SHORTEST_BYTES: usize = 16;

/// Long runs of set bits, from block to block.
pub(super) struct LongRuns {
    bytes_min: usize,
    /// Where the run begins that reaches the end of what was seen.
    begun: usize,
}

impl LongRuns {
    pub fn of(bytes_min: usize) -> LongRuns {
        debug_assert!((SHORTEST_BYTES..=BLOCK_BYTES).contains(&bytes_min));
        LongRuns { bytes_min, begun: 0 }
    }

    /// Adds the bits of the block that begins here; calls a function with each run that ends in it.
    #[inline(always)]
    pub fn add(&mut self, at: usize, bits: u64, mut found: impl FnMut(usize, usize)) {
        if bits == u64::MAX {
            return;
        }
        let first = bits.trailing_ones();
        if at + first as usize - self.begun >= self.bytes_min {
            found(self.begun, at + first as usize);
        }
        let last = bits.leading_ones();
        self.begun = at + BLOCK_BYTES - last as usize;
        // Without those that reach an end of the block.
        let mut within = bits & u64::MAX << first & u64::MAX.checked_shr(last).unwrap_or(0);
        if !has_run(within) {
            return;
        }
        while within != 0 {
            let (start, bytes) = (within.trailing_zeros(), (within >> within.trailing_zeros()).trailing_ones());
            if bytes as usize >= self.bytes_min {
                found(at + start as usize, at + (start + bytes) as usize);
            }
            within &= u64::MAX << (start + bytes);
        }
    }

    /// Ends the text, if the last block was full.
    pub fn end(self, at: usize, found: impl FnOnce(usize, usize)) {
        if at.saturating_sub(self.begun) >= self.bytes_min {
            found(self.begun, at);
        }
    }
}

/// Whether as many bits stand together as in the shortest run that is long.
#[inline(always)]
fn has_run(bits: u64) -> bool {
    let two = bits & bits >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    eight & eight >> 8 != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::pattern::{is_plain, is_token};

    #[test]
    fn every_byte_is_of_its_kinds() {
        for byte in 0..=u8::MAX {
            let block = Block::at(&[byte; BLOCK_BYTES], 0);
            let all = |is: bool| if is { u64::MAX } else { 0 };
            assert_eq!(block.digits(), all(byte.is_ascii_digit()), "{byte}");
            assert_eq!(block.plain(), all(is_plain(byte)), "{byte}");
            assert_eq!(block.plain() | block.signs_of_tokens(), all(is_token(byte)), "{byte}");
            assert_eq!(block.high(), all(!byte.is_ascii()), "{byte}");
        }
        let text = [b" ".repeat(50), b"a1 Z\xff_-9@[`{/:+.".to_vec()].concat();
        for (at, shift) in [(0, 50), (40, 10), (50, 0)] {
            let block = Block::at(&text, at);
            assert_eq!((block.digits(), block.plain()), (0b1000_0010 << shift, 0b1000_1011 << shift));
            assert_eq!(block.signs_of_tokens(), (0b0101_0000_0110_0000u64) << shift);
        }
    }

    #[test]
    fn long_runs_are_found_wherever_they_lie() {
        for bytes_min in [SHORTEST_BYTES, 20] {
            for (start, length) in (0..70).flat_map(|start| (0..140).map(move |length| (start, length))) {
                for behind in [0, 1, 20] {
                    let text = [" ".repeat(start), "x".repeat(length), " ".repeat(behind), "x".repeat(17)].concat();
                    let (mut runs, mut found) = (LongRuns::of(bytes_min), Vec::new());
                    for at in (0..text.len()).step_by(BLOCK_BYTES) {
                        runs.add(at, Block::at(text.as_bytes(), at).plain(), |start, end| found.push((start, end)));
                    }
                    runs.end(text.len(), |start, end| found.push((start, end)));
                    let end = start + length + behind;
                    let all = if behind == 0 {
                        vec![(start, end + 17)]
                    } else {
                        vec![(start, start + length), (end, end + 17)]
                    };
                    let expected: Vec<_> = all.into_iter().filter(|(start, end)| end - start >= bytes_min).collect();
                    assert_eq!(found, expected, "{start} {length} {behind}");
                }
            }
        }
    }

    #[test]
    fn places_are_those_of_bits() {
        let found = |blocks: &[u64]| places(blocks).collect::<Vec<_>>();
        assert_eq!(found(&[]), [0; 0]);
        assert_eq!(found(&[0, 0]), [0; 0]);
        assert_eq!(found(&[1 << 63 | 1, 0, 0b110]), [0, 63, 129, 130]);
    }

    #[test]
    fn bits_move_from_block_to_block() {
        let mut behind = Behind::default();
        assert_eq!(behind.next(1 << 63 | 1), 2);
        assert_eq!(behind.next(0), 1);
        assert_eq!(behind.next(0), 0);
    }
}
