//! How matches of some patterns may begin: of their first bytes only the kinds are looked at, which takes no longer than a
//! step or two of an automaton, and tells of most places that nothing begins there.

use super::stretches;
use regex_syntax::hir::{Class, Hir, HirKind};
use std::ops::Range;

/// How many bytes are looked at.
const BYTES: usize = 6;

/// So many kinds are told apart.
const KINDS: usize = 10;

/// Of all that no pattern of a number tells apart, bytes above ASCII among them.
const OTHER: u8 = 9;

/// By byte.
const KIND: [u8; 256] = {
    let mut kinds = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'0' => 0,
            b'1'..=b'9' => 1,
            b'A'..=b'Z' => 2,
            b'a'..=b'f' => 3,
            b'g'..=b'z' => 4,
            b' ' => 5,
            b'-' => 6,
            b'.' => 7,
            b':' => 8,
            _ => OTHER,
        };
        byte += 1;
    }
    kinds
};

/// Combinations of so many kinds.
const fn combinations(bytes: usize) -> usize {
    KINDS.pow(bytes as u32)
}

/// The kinds that matches begin with, a bit for each combination.
pub(super) struct Prefixes(Box<[u64; combinations(BYTES).div_ceil(64)]>);

/// Kinds of the first bytes, that of the first one lowest, and how many bytes.
type Prefix = (usize, usize);

/// More of one pattern are not told apart: then it may begin with anything.
const PREFIXES_MAX: usize = 1 << 16;
const ANYTHING: Prefix = (0, BYTES + 1);

/// Prefixes in order, each once.
fn unique(mut prefixes: Vec<Prefix>) -> Vec<Prefix> {
    prefixes.sort_unstable();
    prefixes.dedup();
    if prefixes.len() > PREFIXES_MAX { vec![ANYTHING] } else { prefixes }
}

impl Prefixes {
    pub fn of(patterns: &[&Hir]) -> Prefixes {
        let mut prefixes = Prefixes(Box::new([0; combinations(BYTES).div_ceil(64)]));
        for (kinds, bytes) in patterns.iter().flat_map(|hir| extended(hir, &[(0, 0)])) {
            // What follows a shorter match may be anything.
            let bytes = if (kinds, bytes) == ANYTHING { 0 } else { bytes };
            for rest in 0..combinations(BYTES - bytes) {
                let kinds = kinds + rest * combinations(bytes);
                prefixes.0[kinds / 64] |= 1 << (kinds % 64);
            }
        }
        prefixes
    }

    /// Whether a match may begin at a place.
    #[inline(always)]
    pub fn may_begin(&self, text: &[u8], at: usize) -> bool {
        let Some(first) = text[at..].first_chunk::<BYTES>() else { return true };
        let kinds = first.iter().rev().fold(0, |kinds, &byte| kinds * KINDS + usize::from(KIND[usize::from(byte)]));
        self.0[kinds / 64] >> (kinds % 64) & 1 == 1
    }
}

/// What begins with some prefixes and goes on with a pattern, as far as it is of interest.
fn extended(hir: &Hir, prefixes: &[Prefix]) -> Vec<Prefix> {
    if prefixes.iter().all(|(_, bytes)| *bytes >= BYTES) {
        return prefixes.to_vec();
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => prefixes.to_vec(),
        HirKind::Literal(literal) => literal
            .0
            .iter()
            .fold(prefixes.to_vec(), |prefixes, &byte| followed(&prefixes, 1 << KIND[usize::from(byte)])),
        HirKind::Class(class) => of_class(class, prefixes),
        HirKind::Capture(capture) => extended(&capture.sub, prefixes),
        HirKind::Concat(subs) => subs.iter().fold(prefixes.to_vec(), |prefixes, sub| extended(sub, &prefixes)),
        HirKind::Alternation(subs) => unique(subs.iter().flat_map(|sub| extended(sub, prefixes)).collect()),
        HirKind::Repetition(repetition) => {
            // So often all are complete, unless it may be empty: then nothing comes of more.
            let often = |count: u32| BYTES.min(count as usize);
            let (least, most) = (often(repetition.min), repetition.max.map_or(BYTES, often));
            let (mut all, mut one_more) = (Vec::new(), prefixes.to_vec());
            for count in 0..=most {
                if count >= least {
                    all.extend(one_more.iter().copied());
                }
                if count < most {
                    one_more = extended(&repetition.sub, &one_more);
                }
            }
            unique(all)
        }
    }
}

/// Adds a byte of one of some kinds, a bit for each.
fn followed(prefixes: &[Prefix], kinds: u16) -> Vec<Prefix> {
    let mut all = Vec::new();
    for &(before, bytes) in prefixes {
        if bytes >= BYTES {
            all.push((before, bytes));
        } else {
            let each = (0..KINDS).filter(|kind| kinds >> kind & 1 == 1);
            all.extend(each.map(|kind| (before + kind * combinations(bytes), bytes + 1)));
        }
    }
    unique(all)
}

/// Adds a character of a class; above ASCII it has several bytes.
fn of_class(class: &Class, prefixes: &[Prefix]) -> Vec<Prefix> {
    let mut holds = [false; 256];
    stretches::add_class(class, &mut holds);
    let kinds_in =
        |bytes: Range<usize>| bytes.filter(|&byte| holds[byte]).fold(0, |kinds, byte| kinds | 1 << KIND[byte]);
    let mut all = followed(prefixes, kinds_in(0..0x100));
    if holds[0x80..].contains(&true) && matches!(class, Class::Unicode(_)) {
        let mut one_more = followed(prefixes, kinds_in(0x80..0x100));
        for _ in 1..char::MAX.len_utf8() {
            one_more = followed(&one_more, 1 << OTHER);
            all.extend(one_more.iter().copied());
        }
    }
    unique(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_begin_with_their_prefixes() {
        let parse = |pattern: &str| regex_syntax::ParserBuilder::new().unicode(true).build().parse(pattern).unwrap();
        let table: &[(&str, &[&str], &[&str])] = &[
            (r"[0-9]{3}-[0-9]{2}", &["123-45", "123-4", "1"], &["12-345", "a23-45", "123 45"]),
            (r"[0-9]{2,3}[ -]?[A-Z]{2}", &["12ABxx", "123 AB", "12-GHI"], &["1234AB", "12--AB"]),
            (r"(?:[0-9]+|no )\.", &["1.any!", "123456", "no .a ", "12345."], &["no 1 .", ".12345"]),
            (r"[0-9é]{4}", &["12éé..", "é12345", "éééééé"], &["a1é234", "12-é34"]),
            (r"\b[0-9]{4}\b", &["1234ab", "1234 x"], &["123 45"]),
            (r"(?:[0-9]?){2}", &["xxxxxx", "12xxxx"], &[]),
        ];
        for (pattern, begin, others) in table {
            let prefixes = Prefixes::of(&[&parse(pattern)]);
            for (texts, expected) in [(begin, true), (others, false)] {
                for text in *texts {
                    assert_eq!(prefixes.may_begin(text.as_bytes(), 0), expected, "{pattern} {text}");
                }
            }
        }
    }
}
