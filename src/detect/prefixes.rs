//! How matches of some patterns may begin: of their first bytes only the kinds are looked at, or of two the bytes
//! themselves, which takes no longer than a step or two of an automaton, and tells of most places that nothing begins there.

use super::{blocks, stretches};
use regex_syntax::hir::{Class, Hir, HirKind};
use std::marker::PhantomData;
use std::ops::Range;

/// What is told apart of the first bytes.
pub(super) trait Kinds {
    /// How many bytes are looked at.
    const BYTES: usize;
    /// So many kinds are told apart.
    const COUNT: usize;
    /// By byte.
    const OF: [u8; 256];

    /// Combinations of the kinds of so many bytes.
    fn combinations(bytes: usize) -> usize {
        Self::COUNT.pow(bytes as u32)
    }
}

/// Many bytes, of which little is told apart.
pub(super) struct Long;

/// Two bytes as they are.
pub(super) struct Pair;

impl Kinds for Long {
    const BYTES: usize = 6;
    const COUNT: usize = 10;
    const OF: [u8; 256] = {
        // All that no pattern of a number tells apart, bytes above ASCII among them, is of the last one.
        let mut kinds = [Self::COUNT as u8 - 1; 256];
        let mut byte = 0;
        while byte < 256 {
            match byte as u8 {
                b'0' => kinds[byte] = 0,
                b'1'..=b'9' => kinds[byte] = 1,
                b'A'..=b'Z' => kinds[byte] = 2,
                b'a'..=b'f' => kinds[byte] = 3,
                b'g'..=b'z' => kinds[byte] = 4,
                b' ' => kinds[byte] = 5,
                b'-' => kinds[byte] = 6,
                b'.' => kinds[byte] = 7,
                b':' => kinds[byte] = 8,
                _ => {}
            }
            byte += 1;
        }
        kinds
    };
}

impl Kinds for Pair {
    const BYTES: usize = 2;
    const COUNT: usize = 256;
    const OF: [u8; 256] = {
        let mut kinds = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            kinds[byte] = byte as u8;
            byte += 1;
        }
        kinds
    };
}

/// The kinds that matches begin with, a bit for each combination.
pub(super) struct Prefixes<K>(Box<[u64]>, PhantomData<K>);

/// Kinds of the first bytes, that of the first one lowest, and how many bytes.
type Prefix = (usize, usize);

/// More of one pattern are not told apart: then it may begin with anything.
const PREFIXES_MAX: usize = 1 << 16;
const ANYTHING: Prefix = (0, usize::MAX);

/// Prefixes in order, each once.
fn unique(mut prefixes: Vec<Prefix>) -> Vec<Prefix> {
    prefixes.sort_unstable();
    prefixes.dedup();
    if prefixes.len() > PREFIXES_MAX { vec![ANYTHING] } else { prefixes }
}

impl<K: Kinds> Prefixes<K> {
    pub fn of(patterns: &[&Hir]) -> Prefixes<K> {
        let mut bits = vec![0; K::combinations(K::BYTES).div_ceil(64)];
        for (kinds, bytes) in patterns.iter().flat_map(|hir| extended::<K>(hir, &[(0, 0)])) {
            // What follows a shorter match may be anything.
            let bytes = if (kinds, bytes) == ANYTHING { 0 } else { bytes };
            for rest in 0..K::combinations(K::BYTES - bytes) {
                let kinds = kinds + rest * K::combinations(bytes);
                bits[kinds / 64] |= 1 << (kinds % 64);
            }
        }
        Prefixes(bits.into(), PhantomData)
    }

    /// Of some places of the block at a place, a bit for each, those at which a match may begin.
    #[inline(always)]
    pub fn among(&self, text: &[u8], block: usize, places: u64) -> u64 {
        // Without a branch.
        blocks::places(&[places])
            .fold(0, |begun, place| begun | u64::from(self.may_begin(text, block + place)) << place)
    }

    /// Whether a match may begin at a place.
    #[inline(always)]
    fn may_begin(&self, text: &[u8], at: usize) -> bool {
        let Some(first) = text.get(at..at + K::BYTES) else { return true };
        let kinds = first.iter().rev().fold(0, |kinds, &byte| kinds * K::COUNT + usize::from(K::OF[usize::from(byte)]));
        self.0[kinds / 64] >> (kinds % 64) & 1 == 1
    }
}

/// What begins with some prefixes and goes on with a pattern, as far as it is of interest.
fn extended<K: Kinds>(hir: &Hir, prefixes: &[Prefix]) -> Vec<Prefix> {
    if prefixes.iter().all(|(_, bytes)| *bytes >= K::BYTES) {
        return prefixes.to_vec();
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => prefixes.to_vec(),
        HirKind::Literal(literal) => literal.0.iter().fold(prefixes.to_vec(), |prefixes, &byte| {
            followed::<K>(&prefixes, |kind| kind == K::OF[usize::from(byte)])
        }),
        HirKind::Class(class) => of_class::<K>(class, prefixes),
        HirKind::Capture(capture) => extended::<K>(&capture.sub, prefixes),
        HirKind::Concat(subs) => subs.iter().fold(prefixes.to_vec(), |prefixes, sub| extended::<K>(sub, &prefixes)),
        HirKind::Alternation(subs) => unique(subs.iter().flat_map(|sub| extended::<K>(sub, prefixes)).collect()),
        HirKind::Repetition(repetition) => {
            // So often all are complete, unless it may be empty: then nothing comes of more.
            let often = |count: u32| K::BYTES.min(count as usize);
            let (least, most) = (often(repetition.min), repetition.max.map_or(K::BYTES, often));
            let (mut all, mut one_more) = (Vec::new(), prefixes.to_vec());
            for count in 0..=most {
                if count >= least {
                    all.extend(one_more.iter().copied());
                }
                if count < most {
                    one_more = extended::<K>(&repetition.sub, &one_more);
                }
            }
            unique(all)
        }
    }
}

/// Adds a byte of one of some kinds.
fn followed<K: Kinds>(prefixes: &[Prefix], is_next: impl Fn(u8) -> bool) -> Vec<Prefix> {
    let kinds: Vec<usize> = (0..K::COUNT).filter(|&kind| is_next(kind as u8)).collect();
    let mut all = Vec::new();
    for &(before, bytes) in prefixes {
        if bytes >= K::BYTES {
            all.push((before, bytes));
        } else {
            all.extend(kinds.iter().map(|kind| (before + kind * K::combinations(bytes), bytes + 1)));
        }
    }
    unique(all)
}

/// Adds a character of a class; above ASCII it has several bytes.
fn of_class<K: Kinds>(class: &Class, prefixes: &[Prefix]) -> Vec<Prefix> {
    let mut holds = [false; 256];
    stretches::add_class(class, &mut holds);
    let is_of = |kind: u8, mut bytes: Range<usize>| bytes.any(|byte| holds[byte] && K::OF[byte] == kind);
    let mut all = followed::<K>(prefixes, |kind| is_of(kind, 0..0x100));
    if holds[0x80..].contains(&true) && matches!(class, Class::Unicode(_)) {
        let mut one_more = followed::<K>(prefixes, |kind| is_of(kind, 0x80..0x100));
        for _ in 1..char::MAX.len_utf8() {
            one_more = followed::<K>(&one_more, |kind| K::OF[0x80..].contains(&kind));
            all.extend(one_more.iter().copied());
        }
    }
    unique(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pattern: &str) -> Hir {
        regex_syntax::ParserBuilder::new().unicode(true).build().parse(pattern).unwrap()
    }

    #[test]
    fn pairs_are_told_apart_as_they_are() {
        let pairs = Prefixes::<Pair>::of(&[&parse(r"\b(?:lat|[a-f][0-9a-f]|é.)")]);
        let begun = |text: &str| pairs.among(text.as_bytes(), 0, u64::MAX >> (64 - text.len()));
        // Of the last byte too little is known.
        assert_eq!(begun("late be x"), 0b1_0010_0001);
        assert_eq!(begun("Lé lo"), 0b10_0010);
    }

    #[test]
    fn matches_begin_with_their_prefixes() {
        let table: &[(&str, &[&str], &[&str])] = &[
            (r"[0-9]{3}-[0-9]{2}", &["123-45", "123-4", "1"], &["12-345", "a23-45", "123 45"]),
            (r"[0-9]{2,3}[ -]?[A-Z]{2}", &["12ABxx", "123 AB", "12-GHI"], &["1234AB", "12--AB"]),
            (r"(?:[0-9]+|no )\.", &["1.any!", "123456", "no .a ", "12345."], &["no 1 .", ".12345"]),
            (r"[0-9é]{4}", &["12éé..", "é12345", "éééééé"], &["a1é234", "12-é34"]),
            (r"\b[0-9]{4}\b", &["1234ab", "1234 x"], &["123 45"]),
            (r"(?:[0-9]?){2}", &["xxxxxx", "12xxxx"], &[]),
        ];
        for (pattern, begin, others) in table {
            let pairs = Prefixes::<Pair>::of(&[&parse(pattern)]);
            assert!(begin.iter().all(|text| pairs.may_begin(text.as_bytes(), 0)), "{pattern}");
            let prefixes = Prefixes::<Long>::of(&[&parse(pattern)]);
            for (texts, expected) in [(begin, true), (others, false)] {
                for text in *texts {
                    assert_eq!(prefixes.may_begin(text.as_bytes(), 0), expected, "{pattern} {text}");
                }
            }
        }
    }
}
