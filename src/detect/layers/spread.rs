//! Values that are spread out or cut: a blank between all characters, string literals put together, lines that are
//! wrapped. And letters that are turned by thirteen, which like wrapped lines show only where something known begins.

use super::super::blocks;
use super::Mark;
use super::map::Derived;
use super::regions::Regions;
use crate::model::Layer;
use std::ops::Range;

/// Least characters of a text that is spread out.
const SPREAD_MIN: usize = 12;

/// How long what stands between two literals may be, in bytes: an operator, a line break and an indent.
const JOINT_BYTES: usize = 64;

/// How far behind a known beginning a line may be wrapped, in bytes.
const WRAPPED_WITHIN_BYTES: usize = 256;

/// What may open the second line, in bytes: an indent, signs of quotes and comments.
const INDENT_BYTES: usize = 16;

/// Notes every stretch of single characters with one and the same byte between them.
pub(super) fn find_spaced(text: &str, regions: &mut Regions) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + 2 * SPREAD_MIN <= bytes.len() {
        // Every second byte of a stretch is the separator: one that is none tells where no stretch can begin.
        let separator = bytes[at + 1];
        if !is_separator(separator) || !starts_spaced(bytes, at) {
            at += 1;
            continue;
        }
        let end = spaced_end(bytes, at, separator);
        if end - at >= 2 * SPREAD_MIN {
            regions.sign(at..end);
        }
        at = end.max(at + 1);
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'-' | b'.' | b'_' | b',' | b'|' | b'*' | b'~')
}

fn starts_spaced(bytes: &[u8], at: usize) -> bool {
    bytes[at].is_ascii_graphic() && at.checked_sub(1).is_none_or(|before| !bytes[before].is_ascii_alphanumeric())
}

/// Where a stretch of single characters ends. Between words there may be more separators, or a line break.
fn spaced_end(bytes: &[u8], mut at: usize, separator: u8) -> usize {
    let mut last_end = at;
    loop {
        let single = bytes.get(at).is_some_and(|byte| byte.is_ascii_graphic());
        if !single {
            return last_end;
        }
        let gap =
            bytes[at + 1..].iter().take(4).take_while(|&&byte| byte == separator || byte == b'\n' || byte == b'\r');
        let gap = gap.count();
        if gap == 0 {
            // The last character, unless it begins a word.
            return if bytes.get(at + 1).is_none_or(|byte| !byte.is_ascii_alphanumeric()) { at + 1 } else { last_end };
        }
        last_end = at + 1;
        at += 1 + gap;
    }
}

/// Puts the characters of a stretch together; of more than one separator a blank remains.
pub(super) fn undo_spaced(text: &str, region: Range<usize>, derived: &mut Derived) {
    let bytes = text.as_bytes();
    let (mut at, mut copied) = (region.start, region.start);
    while at + 2 * SPREAD_MIN <= region.end {
        let separator = bytes[at + 1];
        if !is_separator(separator) || !starts_spaced(bytes, at) {
            at += 1;
            continue;
        }
        let end = spaced_end(&bytes[..region.end], at, separator);
        if end - at >= 2 * SPREAD_MIN {
            derived.copy(text, copied..at);
            undo_stretch(text, at..end, derived);
            copied = end;
        }
        at = end.max(at + 1);
    }
    derived.copy(text, copied..region.end);
}

fn undo_stretch(text: &str, stretch: Range<usize>, derived: &mut Derived) {
    let bytes = text.as_bytes();
    let mut at = stretch.start;
    let separator = bytes[at + 1];
    while at < stretch.end {
        let gap_end =
            bytes[at + 1..stretch.end].iter().position(|&byte| byte != separator && !matches!(byte, b'\n' | b'\r'));
        let gap_end = gap_end.map_or(stretch.end, |gap| at + 1 + gap);
        let gap = &bytes[at + 1..gap_end];
        let one = if gap.len() <= 1 { gap_end } else { at + 1 };
        derived.put(&text[at..at + 1], at..one, Layer::Spaced);
        if one < gap_end {
            derived.put(if gap.contains(&b'\n') { "\n" } else { " " }, one..gap_end, Layer::Spaced);
        }
        at = gap_end;
    }
}

/// Notes every place where two string literals are put together.
pub(super) fn find_joined(text: &str, regions: &mut Regions) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(next) = memchr::memchr3(b'"', b'\'', b'`', &bytes[at..]) {
        at += next;
        match joint(bytes, at) {
            Some(end) => {
                regions.sign(at..end);
                at = end;
            }
            None => at += 1,
        }
    }
}

/// Where the second literal begins, when a quote ends a first one.
fn joint(bytes: &[u8], at: usize) -> Option<usize> {
    let first = *bytes.get(at.checked_sub(1)?)?;
    if matches!(first, b'"' | b'\'' | b'`' | b'(' | b'[' | b'{' | b'=' | b':' | b',' | b'\n' | b'+') {
        return None;
    }
    let mut end = at + 1;
    let most = bytes.len().min(at + JOINT_BYTES);
    let mut operators = 0;
    while end < most {
        match bytes[end] {
            b' ' | b'\t' | b'\n' | b'\r' => end += 1,
            b'+' | b'.' | b'&' | b'|' | b'\\' | b'<' | b'>' if operators < 2 => {
                operators += 1;
                end += 1;
            }
            quote @ (b'"' | b'\'' | b'`') => {
                // An apostrophe between words, and empty literals, put nothing together.
                let second = *bytes.get(end + 1)?;
                let apart = end - at > 1 && operators == 0 && bytes[at] != quote;
                let empty = matches!(second, b'"' | b'\'' | b'`' | b')' | b']' | b'}' | b',' | b';' | b':' | b'\n');
                return (!apart && !empty).then_some(end + 1);
            }
            _ => return None,
        }
    }
    None
}

/// Leaves out what stands between literals.
pub(super) fn undo_joined(text: &str, region: Range<usize>, derived: &mut Derived) {
    let bytes = text.as_bytes();
    let (mut at, mut copied) = (region.start, region.start);
    while let Some(next) = memchr::memchr3(b'"', b'\'', b'`', &bytes[at..region.end]) {
        at += next;
        match joint(bytes, at).filter(|&end| end <= region.end) {
            Some(end) => {
                derived.copy(text, copied..at);
                derived.put("", at..end, Layer::Joined);
                (at, copied) = (end, end);
            }
            None => at += 1,
        }
    }
    derived.copy(text, copied..region.end);
}

/// How a line that is wrapped is put together again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::detect) enum Wrap {
    /// Within a token: nothing stands between.
    Token,
    /// The same within a block of several lines or words, as keys are.
    Block,
    /// Between words or groups of digits: a blank does.
    Words,
}

/// Notes the line breaks within known tokens or behind known wording, and those between groups of digits.
pub(super) fn find_wrapped(text: &str, line_breaks: &[u64], marks: &[Mark], wrap: Wrap, regions: &mut Regions) {
    let bytes = text.as_bytes();
    // Marks may stand close together; what was looked at once is not looked at again.
    let mut seen = 0;
    for mark in marks.iter().filter(|mark| mark.wrap == Some(wrap)) {
        let from = (mark.at as usize).max(seen);
        let to = bytes.len().min(mark.at as usize + WRAPPED_WITHIN_BYTES);
        if from >= to {
            continue;
        }
        if wrap == Wrap::Token {
            seen = find_wrapped_token(bytes, from..to, regions);
            continue;
        }
        seen = to;
        for at in memchr::memchr_iter(b'\n', &bytes[from..to]) {
            if let Some(gap) = gap(bytes, from + at, wrap) {
                regions.sign(gap);
            }
        }
    }
    if wrap == Wrap::Words {
        let of_group = |byte: u8| {
            byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte.is_ascii_whitespace() || byte == b'\\'
        };
        for at in blocks::places(line_breaks).filter(|at| at.checked_sub(1).is_some_and(|at| of_group(bytes[at]))) {
            if let Some(gap) = gap(bytes, at, wrap).filter(|gap| between_groups(bytes, gap)) {
                regions.sign(gap);
            }
        }
    }
}

/// Notes the line breaks within the token that begins a range; returns where its last line begins.
fn find_wrapped_token(bytes: &[u8], range: Range<usize>, regions: &mut Regions) -> usize {
    let mut from = range.start;
    while let Some(gap) = token_end(&bytes[..range.end], from).and_then(|at| gap(bytes, at, Wrap::Token)) {
        from = gap.end;
        regions.sign(gap);
    }
    from
}

/// The line break that ends what stands at a place, if nothing but what belongs to it is blank.
fn token_end(bytes: &[u8], at: usize) -> Option<usize> {
    let end = at + bytes.get(at..)?.iter().position(u8::is_ascii_whitespace)?;
    let blanks = bytes[end..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\\')).count();
    (bytes.get(end + blanks) == Some(&b'\n')).then_some(end + blanks)
}

/// What stands, without a blank in it, before each line break within which a token may go on.
pub(in crate::detect) fn before_wraps(bytes: &[u8], line_breaks: &[u64]) -> impl Iterator<Item = (usize, usize)> {
    blocks::places(line_breaks).filter_map(move |at| gap(bytes, at, Wrap::Token)).map(move |gap| {
        let from = gap.start.saturating_sub(WRAPPED_WITHIN_BYTES);
        let start = bytes[from..gap.start].iter().rposition(u8::is_ascii_whitespace).map_or(from, |at| from + at + 1);
        (start, gap.start)
    })
}

/// A line break with all that belongs to it, if something may go on behind it.
fn gap(bytes: &[u8], line_break: usize, wrap: Wrap) -> Option<Range<usize>> {
    let mut start = line_break;
    while start > 0 && matches!(bytes[start - 1], b' ' | b'\t' | b'\r' | b'\\') {
        start -= 1;
    }
    let before = bytes[start.checked_sub(1)?];
    if wrap != Wrap::Words && !in_token(before) {
        return None;
    }
    let rest = &bytes[line_break + 1..];
    let end =
        rest.iter().take(INDENT_BYTES).position(|byte| !matches!(byte, b' ' | b'\t' | b'>' | b'#' | b'*' | b'/'))?;
    let end = line_break + 1 + end;
    let behind = bytes[end];
    let goes_on = match wrap {
        Wrap::Token | Wrap::Block => {
            // Of a word only the first letter is a capital.
            let next = bytes[end + 1..].iter().take_while(|&&byte| in_token(byte)).take(WRAPPED_WITHIN_BYTES);
            let no_word = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
            in_token(behind) && (behind.is_ascii_digit() || next.into_iter().any(no_word))
        }
        Wrap::Words => before != b'\n' && behind != b'\n' && behind != b'\r' && !matches!(before, b'.' | b'!' | b'?'),
    };
    goes_on.then_some(start..end)
}

fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'.')
}

/// Whether a group of four digits or capitals ends before the gap and another begins behind it, as cards and accounts
/// are written.
fn between_groups(bytes: &[u8], gap: &Range<usize>) -> bool {
    let group = |bytes: Option<&[u8]>| {
        bytes.is_some_and(|bytes| {
            bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
                && bytes.iter().any(u8::is_ascii_digit)
        })
    };
    let before = gap.start.checked_sub(4).and_then(|start| bytes.get(start..gap.start));
    group(before) && group(bytes.get(gap.end..gap.end + 2))
}

/// Puts the lines of a region together.
pub(super) fn undo_wrapped(text: &str, region: Range<usize>, wrap: Wrap, derived: &mut Derived) {
    let bytes = text.as_bytes();
    let (mut at, mut copied) = (region.start, region.start);
    while let Some(next) = memchr::memchr(b'\n', &bytes[at..region.end]) {
        at += next;
        match gap(bytes, at, wrap).filter(|gap| gap.start >= copied && gap.end <= region.end) {
            Some(gap) => {
                derived.copy(text, copied..gap.start);
                derived.put(if wrap == Wrap::Words { " " } else { "" }, gap.clone(), Layer::Wrapped);
                (at, copied) = (gap.end, gap.end);
            }
            None => at += 1,
        }
    }
    derived.copy(text, copied..region.end);
}

/// Notes what begins something known once its letters are turned.
pub(super) fn find_turned(marks: &[Mark], regions: &mut Regions) {
    marks.iter().filter(|mark| mark.turned).for_each(|mark| regions.sign(mark.at as usize..mark.at as usize + 1));
}

/// Turns the letters of a region by thirteen.
pub(super) fn undo_turned(text: &str, region: Range<usize>, derived: &mut Derived) {
    derived.put_same_length(text[region.clone()].chars().map(turned), region, Layer::Rot13);
}

/// A letter thirteen on.
pub(in crate::detect) fn turned(character: char) -> char {
    match character {
        'a'..='m' | 'A'..='M' => char::from(character as u8 + 13),
        'n'..='z' | 'N'..='Z' => char::from(character as u8 - 13),
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::glance::Glance;
    use super::*;

    fn undone(
        text: &str,
        find: impl Fn(&str, &mut Regions),
        undo: impl Fn(&str, Range<usize>, &mut Derived),
    ) -> String {
        let (mut regions, mut derived) = (Regions::default(), Derived::default());
        find(text, &mut regions);
        for region in regions.of(text).to_vec() {
            undo(text, region, &mut derived);
        }
        derived.text().to_owned()
    }

    #[test]
    fn spaced_characters_are_put_together() {
        let table = [
            ("see A K I A Q 7 W 2 Z 5 M 3 T 6 now", "see AKIAQ7W2Z5M3T6 now"),
            ("I g n o r e   a l l   o f   i t", "Ignore all of it"),
            ("A-K-I-A-Q-7-W-2-Z-5-M-3-T-6", "AKIAQ7W2Z5M3T6"),
            ("a b c and so on with words", ""),
            ("| a | b | c |", ""),
        ];
        for (text, expected) in table {
            assert_eq!(undone(text, find_spaced, undo_spaced), expected, "{text}");
        }
    }

    #[test]
    fn literals_are_joined_and_lists_are_not() {
        let table = [
            (r#"k = "AKIA" + "Q7W2""#, r#"k = "AKIAQ7W2""#),
            ("k = 'AKIA' .\n    'Q7W2'", "k = 'AKIAQ7W2'"),
            ("k = \"AKIA\" \\\n \"Q7W2\";", "k = \"AKIAQ7W2\";"),
            ("AK''IAQ7W2", "AKIAQ7W2"),
            (r#"["a", "b"] {"k": "v"} f("", "")"#, ""),
            (r#"don't say it's "so" or 'so'"#, ""),
        ];
        for (text, expected) in table {
            assert_eq!(undone(text, find_joined, undo_joined), expected, "{text}");
        }
    }

    #[test]
    fn wrapped_lines_are_put_together() {
        let mark = |wrap| [Mark { at: 0, wrap: Some(wrap), turned: false }];
        let table = [
            (Wrap::Token, "AKIAQ7W2\n  Z5M3", "AKIAQ7W2Z5M3"),
            (Wrap::Token, "AKIAQ7W2 \\\n> Z5M3", "AKIAQ7W2Z5M3"),
            (Wrap::Token, "AKIAQ7W2Z5M3\nBNDQ", "AKIAQ7W2Z5M3BNDQ"),
            (Wrap::Token, "the prefix AKIA\nand words", ""),
            (Wrap::Token, "the prefix AKIA\nAnd words", ""),
            (Wrap::Token, "AKIAQ7 W2\nZ5M3", ""),
            (Wrap::Token, "AKIA\nQ7\nW2 Z5\nM3", "AKIAQ7W2 Z5M3"),
            (Wrap::Block, "> KEY--\n> Q7W2 Z5\n> M36T", "> KEY--Q7W2 Z5M36T"),
            (Wrap::Words, "ignore all\n# previous", "ignore all previous"),
            (Wrap::Words, "ignore all\n\nprevious", ""),
            (Wrap::Words, "DE35 7183 0640\n7620 2300 96", "DE35 7183 0640 7620 2300 96"),
        ];
        for (wrap, text, expected) in table {
            let line_breaks = Glance::of(text).line_breaks;
            let find = |text: &str, regions: &mut Regions| find_wrapped(text, &line_breaks, &mark(wrap), wrap, regions);
            assert_eq!(undone(text, find, |text, region, derived| undo_wrapped(text, region, wrap, derived)), expected);
        }
    }

    #[test]
    fn letters_turn_and_turn_back() {
        let text = "Ignore ALL, é 7";
        let turned_text: String = text.chars().map(turned).collect();
        assert_eq!(turned_text, "Vtaber NYY, é 7");
        assert_eq!(turned_text.chars().map(turned).collect::<String>(), text);
    }
}
