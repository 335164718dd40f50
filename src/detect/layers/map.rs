//! A text made of another, and the way back: which bytes of the one came of which bytes of the other, and through
//! what.
//!
//! It decodes nothing itself.

use crate::model::{Layer, Layers};
use std::ops::Range;

/// How far from a value something undone still had to do with its being found: the name beside it, its context.
const NEAR_BYTES: usize = 96;

/// A stretch of the derived text.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where it stands; it may be empty, for what was left out.
    at: usize,
    bytes: usize,
    /// What it was made of.
    from: usize,
    from_bytes: usize,
    /// Bytes of the source for each of its own; 0 when only the whole of it can be told.
    stride: usize,
    /// What was undone; `None` for a copy.
    layer: Option<Layer>,
}

impl Piece {
    fn end(&self) -> usize {
        self.at + self.bytes
    }
}

/// A derived text. Its memory is used again and again.
#[derive(Default)]
pub(in crate::detect) struct Derived {
    text: String,
    /// In order, without holes.
    pieces: Vec<Piece>,
    /// A second layer that the whole of it was under.
    within: Option<Layer>,
}

impl Derived {
    pub fn clear(&mut self) {
        self.text.clear();
        self.pieces.clear();
        self.within = None;
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Gives memory back that only an unusual text needs.
    pub fn shrink(&mut self, keep_bytes: usize) {
        self.clear();
        self.text.shrink_to(keep_bytes);
        self.pieces.shrink_to(keep_bytes / size_of::<Piece>());
    }

    /// Appends a stretch of the source as it is.
    pub fn copy(&mut self, source: &str, range: Range<usize>) {
        if !range.is_empty() {
            self.add(range.start, range.len(), range.len(), 1, None);
            self.text.push_str(&source[range]);
        }
    }

    /// Appends what a stretch of the source stands for. Nothing: it is left out.
    pub fn put(&mut self, made: &str, from: Range<usize>, layer: Layer) {
        let stride = if made.len() == 1 { from.len() } else { 0 };
        self.add(from.start, from.len(), made.len(), stride, Some(layer));
        self.text.push_str(made);
    }

    /// Appends a character that a stretch of the source stands for.
    pub fn put_char(&mut self, made: char, from: Range<usize>, layer: Layer) {
        self.put(made.encode_utf8(&mut [0; 4]), from, layer);
    }

    /// Appends what a stretch of the source stands for, byte for byte.
    pub fn put_same_length(&mut self, made: impl Iterator<Item = char>, from: Range<usize>, layer: Layer) {
        let before = self.text.len();
        self.text.extend(made);
        let bytes = self.text.len() - before;
        debug_assert_eq!(bytes, from.len());
        self.pieces.push(Piece {
            at: before,
            bytes,
            from: from.start,
            from_bytes: bytes,
            stride: 1,
            layer: Some(layer),
        });
    }

    /// Takes what a whole stretch of the source was decoded to.
    pub fn set(&mut self, made: &str, from: Range<usize>, layer: Layer, within: Option<Layer>) {
        self.clear();
        self.put(made, from, layer);
        self.pieces.iter_mut().for_each(|piece| piece.stride = 0);
        self.within = within;
    }

    /// Notes a stretch that is about to be appended; it is one with the last when both are made alike.
    fn add(&mut self, from: usize, from_bytes: usize, bytes: usize, stride: usize, layer: Option<Layer>) {
        if let Some(last) = self.pieces.last_mut()
            && (last.stride, last.layer) == (stride, layer)
            && stride > 0
            && last.from + last.from_bytes == from
        {
            last.bytes += bytes;
            last.from_bytes += from_bytes;
            return;
        }
        self.pieces.push(Piece { at: self.text.len(), bytes, from, from_bytes, stride, layer });
    }

    /// The first piece that ends behind a place.
    fn first_behind(&self, at: usize) -> usize {
        self.pieces.partition_point(|piece| piece.end() <= at)
    }

    /// What a stretch of the derived text, which is not empty, was made of.
    pub fn back(&self, range: Range<usize>) -> Range<usize> {
        let (first, last) =
            (self.pieces[self.first_behind(range.start)], self.pieces[self.first_behind(range.end - 1)]);
        let start = first.from + (range.start - first.at) * first.stride;
        let end = match last.stride {
            0 => last.from + last.from_bytes,
            stride => last.from + (range.end - last.at) * stride,
        };
        start..end
    }

    /// Whether something was undone in a stretch or at its edges.
    pub fn changed(&self, range: Range<usize>) -> bool {
        self.touching(range).any(|piece| piece.layer.is_some())
    }

    /// Adds what was undone in a stretch; if nothing was, what was undone near it. Nothing is added when the source had
    /// all of it as it is.
    pub fn add_layers(&self, range: Range<usize>, layers: &mut Layers) {
        let near = range.start.saturating_sub(NEAR_BYTES)..range.end + NEAR_BYTES;
        for range in [range, near] {
            let mut seen = 0u32;
            for layer in self.touching(range).filter_map(|piece| piece.layer) {
                if seen & 1 << layer.code() == 0 {
                    seen |= 1 << layer.code();
                    layers.push(layer);
                }
            }
            if seen != 0 {
                self.within.iter().for_each(|layer| layers.push(*layer));
                return;
            }
        }
    }

    /// The pieces that share something with a stretch, and those left out within it.
    fn touching(&self, range: Range<usize>) -> impl Iterator<Item = &Piece> {
        // What was left out at the edge of the stretch ends where the stretch begins.
        let first = self.pieces.partition_point(|piece| piece.end() < range.start);
        self.pieces[first..]
            .iter()
            .take_while(move |piece| piece.at <= range.end)
            .filter(move |piece| piece.bytes == 0 || piece.end() > range.start && piece.at < range.end)
    }
}

#[cfg(test)]
impl Derived {
    /// Every character leads back to something of the source.
    pub fn assert_way_back(&self, source: &str) {
        for (at, made) in self.text().char_indices() {
            let back = self.back(at..at + made.len_utf8());
            assert!(source.get(back.clone()).is_some_and(|source| !source.is_empty()), "{back:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_lead_back_to_what_they_were_made_of() {
        let source = "ab%43%44e\u{200b}f\u{ff27}";
        let mut derived = Derived::default();
        derived.copy(source, 0..2);
        derived.put("C", 2..5, Layer::Percent);
        derived.put("D", 5..8, Layer::Percent);
        derived.copy(source, 8..9);
        derived.put("", 9..12, Layer::Invisible);
        derived.copy(source, 12..13);
        derived.put("G", 13..16, Layer::LookAlike);
        assert_eq!((derived.text(), derived.pieces.len()), ("abCDefG", 6));
        for (range, expected, layers) in [
            (0..1, 0..1, "percent > invisible > look_alike"),
            (2..3, 2..5, "percent"),
            (3..4, 5..8, "percent"),
            (1..5, 1..9, "percent > invisible"),
            (4..6, 8..13, "invisible"),
            (0..7, 0..16, "percent > invisible > look_alike"),
        ] {
            let mut found = Layers::default();
            derived.add_layers(range.clone(), &mut found);
            assert_eq!((derived.back(range.clone()), found.to_string().as_str()), (expected, layers), "{range:?}");
        }
        assert!(!derived.changed(0..1) && derived.changed(0..3));
    }

    #[test]
    fn of_a_run_only_the_whole_is_known() {
        let mut derived = Derived::default();
        derived.set("abc", 10..14, Layer::Base64, Some(Layer::Gzip));
        let mut layers = Layers::default();
        derived.add_layers(1..2, &mut layers);
        assert_eq!((derived.back(1..2), layers.to_string().as_str()), (10..14, "base64 > gzip"));
    }
}
