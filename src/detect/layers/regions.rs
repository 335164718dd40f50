//! Where in a text something is to be undone: signs that stand close together are one region, with enough round it for
//! what is found there to be seen whole.
//!
//! What is a sign, the other files of this folder say.

use std::ops::Range;

/// How much of the text is taken to both sides of a sign, in bytes: more than most values and the names beside them.
const REACH_BYTES: usize = 256;

/// How much further it may go to where a word ends, in bytes: a token that began within reach is taken whole.
const WORD_BYTES: usize = 4 << 10;

/// Signs of a text and the regions round them. Its memory is used again and again.
#[derive(Default)]
pub(in crate::detect) struct Regions {
    signs: Vec<Range<usize>>,
    regions: Vec<Range<usize>>,
}

impl Regions {
    pub fn clear(&mut self) {
        self.signs.clear();
        self.regions.clear();
    }

    /// Notes a sign.
    pub fn sign(&mut self, sign: Range<usize>) {
        match self.signs.last_mut() {
            Some(last) if last.start <= sign.start && sign.start <= last.end + 2 * REACH_BYTES => {
                last.end = last.end.max(sign.end);
            }
            _ => self.signs.push(sign),
        }
    }

    /// The regions round all signs: apart from each other, in order, on characters' boundaries.
    pub fn of(&mut self, text: &str) -> &[Range<usize>] {
        self.signs.sort_unstable_by_key(|sign| (sign.start, sign.end));
        self.regions.clear();
        for sign in &self.signs {
            let region = start(text, sign.start)..end(text, sign.end);
            match self.regions.last_mut() {
                Some(last) if region.start <= last.end => last.end = last.end.max(region.end),
                _ => self.regions.push(region),
            }
        }
        &self.regions
    }

    pub fn get(&self, index: usize) -> Option<Range<usize>> {
        self.regions.get(index).cloned()
    }

    /// Gives memory back that only an unusual text needs.
    pub fn shrink(&mut self, keep_bytes: usize) {
        self.clear();
        self.signs.shrink_to(keep_bytes / size_of::<Range<usize>>());
        self.regions.shrink_to(keep_bytes / size_of::<Range<usize>>());
    }
}

fn start(text: &str, sign: usize) -> usize {
    let near = sign.saturating_sub(REACH_BYTES);
    let far = near.saturating_sub(WORD_BYTES);
    let bytes = &text.as_bytes()[far..near];
    let start = bytes.iter().rposition(u8::is_ascii_whitespace).map_or(far, |at| far + at + 1);
    (0..=start).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

fn end(text: &str, sign: usize) -> usize {
    let near = (sign + REACH_BYTES).min(text.len());
    let far = (near + WORD_BYTES).min(text.len());
    let bytes = &text.as_bytes()[near..far];
    let end = bytes.iter().position(u8::is_ascii_whitespace).map_or(far, |at| near + at);
    char_end(text, end)
}

/// The first place from here on at which a character ends.
pub(in crate::detect) fn char_end(text: &str, at: usize) -> usize {
    (at..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_take_whole_words_and_are_apart() {
        let text = format!("{} X {}", "wörd ".repeat(400), "wörd ".repeat(400));
        let sign = text.find('X').unwrap();
        let mut regions = Regions::default();
        regions.sign(sign..sign + 1);
        regions.sign(0..1);
        let found: Vec<_> = regions.of(&text).to_vec();
        assert_eq!(found.len(), 2);
        assert!(found[0].start == 0 && found[0].end < found[1].start);
        assert!(found[1].contains(&sign) && found[1].len() < 600);
        assert!(
            found.iter().all(|region| text[region.clone()].split(' ').all(|word| ["wörd", "X", ""].contains(&word)))
        );
        regions.clear();
        assert!(regions.of("").is_empty());
    }
}
