//! Escapes that stand for characters within a text: percent, backslashes of JSON and of programs, character references
//! of HTML, quoted-printable. They are undone together in one pass, since texts mix them.
//!
//! A backslash before `n` alone is no sign, since ordinary code is full of it; near other signs it is undone too.

use super::map::Derived;
use super::regions::Regions;
use crate::model::Layer;
use std::ops::Range;

/// Character references by name, of what occurs in values or stands beside them.
const NAMES: [(&str, char); 34] = [
    ("amp", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dollar", '$'),
    ("equals", '='),
    ("excl", '!'),
    ("grave", '`'),
    ("gt", '>'),
    ("Hat", '^'),
    ("hyphen", '-'),
    ("lbrack", '['),
    ("lcub", '{'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lt", '<'),
    ("nbsp", ' '),
    ("NewLine", '\n'),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quest", '?'),
    ("quot", '"'),
    ("rbrack", ']'),
    ("rcub", '}'),
    ("rpar", ')'),
    ("semi", ';'),
    ("sol", '/'),
    ("Tab", '\t'),
    ("vert", '|'),
];

/// Longest of [`NAMES`].
const NAME_BYTES: usize = 7;

/// What an escape stands for: a character, or nothing.
struct Undone {
    made: Option<char>,
    bytes: usize,
    layer: Layer,
}

impl Undone {
    fn new(made: char, bytes: usize, layer: Layer) -> Option<Undone> {
        Some(Undone { made: Some(made), bytes, layer })
    }
}

/// Notes every escape that is a sign.
pub(super) fn find(text: &str, regions: &mut Regions) {
    let bytes = text.as_bytes();
    for at in memchr::memchr3_iter(b'%', b'&', b'\\', bytes) {
        if bytes[at] == b'\\' && !matches!(bytes.get(at + 1), Some(b'"' | b'/' | b'u' | b'U' | b'x')) {
            continue;
        }
        if let Some(undone) = undone(text, at, false) {
            regions.sign(at..at + undone.bytes);
        }
    }
    for at in memchr::memchr_iter(b'=', bytes) {
        if let Some(undone) = quoted_printable(bytes, at, false) {
            regions.sign(at..at + undone.bytes);
        }
    }
}

/// Undoes every escape of a region.
pub(super) fn undo(text: &str, region: Range<usize>, derived: &mut Derived) {
    let bytes = text.as_bytes();
    let (mut at, mut copied) = (region.start, region.start);
    // Where the last quoted-printable byte ended: the next one after it needs no other proof.
    let mut quoted_end = usize::MAX;
    while at < region.end {
        let next = bytes[at..region.end].iter().position(|byte| matches!(byte, b'%' | b'&' | b'\\' | b'='));
        let Some(next) = next else { break };
        at += next;
        match undone(text, at, quoted_end == at).filter(|undone| at + undone.bytes <= region.end) {
            None => at += 1,
            Some(Undone { made, bytes, layer }) => {
                derived.copy(text, copied..at);
                match made {
                    Some(made) => derived.put_char(made, at..at + bytes, layer),
                    None => derived.put("", at..at + bytes, layer),
                }
                at += bytes;
                copied = at;
                if layer == Layer::QuotedPrintable {
                    quoted_end = at;
                }
            }
        }
    }
    derived.copy(text, copied..region.end);
}

fn undone(text: &str, at: usize, after_quoted: bool) -> Option<Undone> {
    let bytes = text.as_bytes();
    match bytes[at] {
        b'%' => percent(bytes, at),
        b'&' => html(bytes, at),
        b'\\' => backslash(bytes, at),
        b'=' => quoted_printable(bytes, at, after_quoted),
        _ => None,
    }
}

fn percent(bytes: &[u8], at: usize) -> Option<Undone> {
    if let Some(b'u') = bytes.get(at + 1) {
        let (made, taken) = unit16(bytes, at, b"%u")?;
        return Undone::new(made, taken, Layer::Percent);
    }
    let (made, taken) = of_bytes(bytes, at, |bytes, at| hex_pair(bytes, at, b"%"))?;
    Undone::new(made, taken, Layer::Percent)
}

fn backslash(bytes: &[u8], at: usize) -> Option<Undone> {
    let simple = |made| Undone::new(made, 2, Layer::Json);
    match bytes.get(at + 1)? {
        b'"' => simple('"'),
        b'/' => simple('/'),
        b'\\' => simple('\\'),
        b'\'' => simple('\''),
        b'n' => simple('\n'),
        b'r' => simple('\r'),
        b't' => simple('\t'),
        b'u' if bytes.get(at + 2) == Some(&b'{') => {
            let digits = &bytes[at + 3..bytes.len().min(at + 9)];
            let end = digits.iter().position(|&byte| byte == b'}').filter(|&end| end > 0)?;
            let made = char::from_u32(number(&digits[..end], 16)?)?;
            Undone::new(made, end + 4, Layer::Escape)
        }
        b'u' => {
            let (made, taken) = unit16(bytes, at, b"\\u")?;
            Undone::new(made, taken, Layer::Escape)
        }
        b'U' => Undone::new(char::from_u32(number(bytes.get(at + 2..at + 10)?, 16)?)?, 10, Layer::Escape),
        b'x' => {
            let (made, taken) = of_bytes(bytes, at, |bytes, at| hex_pair(bytes, at, b"\\x"))?;
            Undone::new(made, taken, Layer::Escape)
        }
        _ => None,
    }
}

fn html(bytes: &[u8], at: usize) -> Option<Undone> {
    let rest = &bytes[at + 1..bytes.len().min(at + 11)];
    let end = rest.iter().position(|&byte| byte == b';')?;
    let name = &rest[..end];
    let made = match name {
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?)?,
        [b'#', digits @ ..] => char::from_u32(number(digits, 10)?)?,
        _ if name.len() <= NAME_BYTES => NAMES.iter().find(|(known, _)| known.as_bytes() == name)?.1,
        _ => return None,
    };
    Undone::new(made, end + 2, Layer::Html)
}

/// A single `=41` is an assignment more often than a letter: it counts beside another one, or as the `=` itself. A soft
/// break ends a line, but in code the next line is indented.
fn quoted_printable(bytes: &[u8], at: usize, after_quoted: bool) -> Option<Undone> {
    let layer = Layer::QuotedPrintable;
    let blank = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
    let line = match &bytes[at + 1..] {
        [b'\r', b'\n', ..] => 3,
        [b'\n', ..] => 2,
        _ => 0,
    };
    if line > 0 {
        let in_code = blank(at.checked_sub(1).map(|before| &bytes[before])) && blank(bytes.get(at + line));
        return (!in_code && !blank(bytes.get(at + line))).then_some(Undone { made: None, bytes: line, layer });
    }
    let pair = |bytes: &[u8], at| {
        hex_pair(bytes, at, b"=").filter(|_| !bytes[at + 1..at + 3].iter().any(u8::is_ascii_lowercase))
    };
    let (byte, _) = pair(bytes, at)?;
    if byte != b'=' && !after_quoted && pair(bytes, at + 3).is_none() {
        return None;
    }
    let (made, taken) = of_bytes(bytes, at, pair)?;
    Undone::new(made, taken, layer)
}

/// A byte written as so many characters and two digits.
fn hex_pair(bytes: &[u8], at: usize, opens: &[u8]) -> Option<(u8, usize)> {
    let rest = bytes.get(at..)?.strip_prefix(opens)?;
    let byte = number(rest.get(..2)?, 16)? as u8;
    Some((byte, opens.len() + 2))
}

/// A character of one to four bytes that are each written by themselves.
fn of_bytes(bytes: &[u8], at: usize, one: impl Fn(&[u8], usize) -> Option<(u8, usize)>) -> Option<(char, usize)> {
    let (first, taken) = one(bytes, at)?;
    let length = match first {
        0x00..=0x7f => return Some((char::from(first), taken)),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let mut all = [first, 0, 0, 0];
    for (index, byte) in all[..length].iter_mut().enumerate().skip(1) {
        *byte = one(bytes, at + index * taken)?.0;
    }
    let made = std::str::from_utf8(&all[..length]).ok()?.chars().next()?;
    Some((made, length * taken))
}

/// Four digits, or twice that for what UTF-16 writes as two.
fn unit16(bytes: &[u8], at: usize, opens: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| number(bytes.get(at..)?.strip_prefix(opens)?.get(..4)?, 16);
    let first = unit(at)?;
    let taken = opens.len() + 4;
    if let Some(made) = char::from_u32(first) {
        return Some((made, taken));
    }
    let second = unit(at + taken).filter(|second| (0xdc00..0xe000).contains(second))?;
    (first < 0xdc00).then_some(())?;
    let made = char::from_u32(0x1_0000 + ((first - 0xd800) << 10 | (second - 0xdc00)))?;
    Some((made, 2 * taken))
}

/// Digits only; nothing is no number.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0u32, |number, &digit| {
        let digit = char::from(digit).to_digit(radix)?;
        number.checked_mul(radix)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str) -> Derived {
        let mut derived = Derived::default();
        undo(text, 0..text.len(), &mut derived);
        derived
    }

    #[test]
    fn escapes_are_undone_and_nothing_else_is() {
        let table = [
            ("a%41%c3%a9%20b%2", "aAé b%2"),
            ("100% %zz %u0041 %c3%28", "100% %zz A %c3("),
            (r#"{\"k\": \"a\/b\\n\n\"}"#, "{\"k\": \"a/b\\n\n\"}"),
            (
                r"\u0041\x42\u{43}\U00000044\ud83d\ude00 \ud83d \u{} \u{110000} \uZZ",
                "ABCD😀 \\ud83d \\u{} \\u{110000} \\uZZ",
            ),
            ("&#65;&#x42;&amp;&lt;&nope;&#;&# &#x110000;", "AB&<&nope;&#;&# &#x110000;"),
            ("=41=42=C3=A9 a=3Db x=41 key=\nword", "ABé a=b x=41 keyword"),
            ("let a =\n    b;", "let a =\n    b;"),
            ("é%", "é%"),
        ];
        for (text, expected) in table {
            assert_eq!(whole(text).text(), expected, "{text}");
        }
    }

    #[test]
    fn ordinary_text_has_no_signs() {
        for text in ["100 % of a && b", r"C:\new\table and \beta", "a == b, c=12", "let a =\n    b;", "R&D; AT&T"] {
            let mut regions = Regions::default();
            find(text, &mut regions);
            assert!(regions.of(text).is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn foreign_text_keeps_its_way_back(text in r#"(\\PC|[%&\\=#;uxn"0-9A-F{}\n]){0,60}"#) {
            find(&text, &mut Regions::default());
            whole(&text).assert_way_back(&text);
        }
    }
}
