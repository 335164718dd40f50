//! Runs of letters that stand for bytes: base64 in both alphabets and over several lines, hex; and what those bytes
//! were compressed by. What comes out is text, or it is of no interest: keys, hashes and pictures look encoded too.

use super::super::radix;
use crate::model::Layer;
use crate::rules::pattern::TOKEN_MIN_BYTES;
use flate2::read::{GzDecoder, ZlibDecoder};
use std::io::Read;
use std::ops::Range;

/// Shortest run that is decoded. Shorter ones hold less than 15 bytes.
pub(super) const RUN_MIN_BYTES: usize = 20;

const _: () = assert!(TOKEN_MIN_BYTES <= RUN_MIN_BYTES, "runs are long stretches");

/// What decides whether bytes are text at all, before the rest is decoded.
const HEAD_BYTES: usize = 12;

/// Of so many characters of a text one may be a control character.
const CONTROLS_ONE_IN: usize = 16;

/// What may stand before a line that goes on with a run: it is indented, or quoted.
const INDENT_BYTES: usize = 16;

/// By byte: what it is in a run.
static KINDS: [Kind; 256] = {
    let mut kinds = [Kind::None; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' => Kind::Hex,
            b'g'..=b'z' | b'G'..=b'Z' => Kind::Letter,
            b'+' | b'/' => Kind::Plain,
            b'-' | b'_' => Kind::Url,
            _ => Kind::None,
        };
        byte += 1;
    }
    kinds
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    Hex,
    Letter,
    /// Of the usual alphabet.
    Plain,
    /// Of that for URLs.
    Url,
}

fn kind(byte: u8) -> Kind {
    KINDS[usize::from(byte)]
}

/// A run that was decoded to text.
pub(super) struct Run {
    pub range: Range<usize>,
    pub layer: Layer,
    pub within: Option<Layer>,
    /// Whether more of it was there than may be made.
    pub is_cut: bool,
}

/// What decoding writes to. Its memory is used again and again.
#[derive(Default)]
pub(super) struct Decoded {
    /// The characters of a run that goes over several lines.
    joined: Vec<u8>,
    bytes: Vec<u8>,
    inflated: Vec<u8>,
}

impl Decoded {
    /// Gives memory back that only an unusual text needs.
    pub fn shrink(&mut self, keep_bytes: usize) {
        for buffer in [&mut self.joined, &mut self.bytes, &mut self.inflated] {
            buffer.clear();
            buffer.shrink_to(keep_bytes);
        }
    }
}

/// The next run from a place on.
fn next(text: &[u8], mut at: usize) -> Option<Range<usize>> {
    // Looking back from where the shortest run would end passes over most bytes unseen.
    while let Some(shortest) = text.get(at..at + RUN_MIN_BYTES) {
        match shortest.iter().rposition(|&byte| kind(byte) == Kind::None) {
            Some(last) => at += last + 1,
            None => {
                let more = text[at + RUN_MIN_BYTES..].iter().position(|&byte| kind(byte) == Kind::None);
                return Some(at..more.map_or(text.len(), |more| at + RUN_MIN_BYTES + more));
            }
        }
    }
    None
}

/// Decodes a run, or the pieces of it that are ones by themselves, and hands each text on. Returns where to go on.
pub(super) fn decode(
    text: &[u8],
    run: Range<usize>,
    most_bytes: usize,
    decoded: &mut Decoded,
    mut found: impl FnMut(&str, Run),
) -> usize {
    let (end, sure) = join_lines(text, run.clone(), decoded);
    if end == run.end {
        whole_or_pieces(text, run, most_bytes, decoded, &mut found);
        return end;
    }
    let joined = std::mem::take(&mut decoded.joined);
    let mut done = one(&joined, run.start..end, most_bytes, decoded, &mut found);
    if !done && let Some((sure_end, sure_bytes)) = sure {
        done = one(&joined[..sure_bytes], run.start..sure_end, most_bytes, decoded, &mut found);
    }
    decoded.joined = joined;
    // Each line by itself. That it began anew with those behind it would not be linear.
    let mut at = run.start;
    while !done && let Some(run) = next(&text[..end], at) {
        at = run.end;
        whole_or_pieces(text, run, most_bytes, decoded, &mut found);
    }
    end
}

/// Leaves the characters of a run and of the lines that go on with it in `decoded.joined`. Returns where the last of
/// them ends and, when that may be a word of ordinary text, where those before it end and how many characters they have.
fn join_lines(text: &[u8], run: Range<usize>, decoded: &mut Decoded) -> (usize, Option<(usize, usize)>) {
    let joined = &mut decoded.joined;
    joined.clear();
    joined.extend_from_slice(&text[run.clone()]);
    let mut end = run.end;
    while let Some((line, goes_on)) = next_line(text, end) {
        let before = (end, joined.len());
        joined.extend_from_slice(&text[line.clone()]);
        end = line.end;
        if !goes_on {
            return (end, (before.0 > run.end).then_some(before));
        }
    }
    (end, None)
}

/// A line that begins with characters of a run and follows where one ends with its line; and whether it ends as a line
/// of a run does.
fn next_line(text: &[u8], end: usize) -> Option<(Range<usize>, bool)> {
    let rest = &text[end..];
    let break_bytes = match rest {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => return None,
    };
    let line = &rest[break_bytes..];
    let indent = line.iter().take(INDENT_BYTES).position(|byte| !matches!(byte, b' ' | b'\t' | b'>'))?;
    let start = end + break_bytes + indent;
    let length = text[start..].iter().position(|&byte| kind(byte) == Kind::None).unwrap_or(text.len() - start);
    let goes_on = matches!(text.get(start + length), None | Some(b'\n' | b'\r'));
    (length > 0).then_some((start..start + length, goes_on))
}

/// A run that is not text as a whole may be a path with an encoded segment, or a name with an encoded end.
fn whole_or_pieces(
    text: &[u8],
    run: Range<usize>,
    most_bytes: usize,
    decoded: &mut Decoded,
    found: &mut impl FnMut(&str, Run),
) {
    if one(&text[run.clone()], run.clone(), most_bytes, decoded, found) {
        return;
    }
    for joint in [Kind::Plain, Kind::Url] {
        if !text[run.clone()].iter().any(|&byte| kind(byte) == joint) {
            continue;
        }
        let mut any = false;
        let mut start = run.start;
        for piece in text[run.clone()].split(|&byte| kind(byte) == joint) {
            let range = start..start + piece.len();
            start = range.end + 1;
            if piece.len() >= RUN_MIN_BYTES {
                any |= one(piece, range, most_bytes, decoded, found);
            }
        }
        if any {
            return;
        }
    }
}

/// Decodes the characters of one run; the range is where they stand.
fn one(
    run: &[u8],
    range: Range<usize>,
    most_bytes: usize,
    decoded: &mut Decoded,
    found: &mut impl FnMut(&str, Run),
) -> bool {
    let (mut hex, mut plain, mut url) = (true, false, false);
    for &byte in run {
        hex &= kind(byte) == Kind::Hex;
        plain |= kind(byte) == Kind::Plain;
        url |= kind(byte) == Kind::Url;
    }
    let base64 = match (plain, url) {
        (true, true) => None,
        (_, true) => Some(Layer::Base64Url),
        _ => Some(Layer::Base64),
    };
    let digits = run.strip_prefix(b"0x").filter(|rest| rest.iter().all(|&byte| kind(byte) == Kind::Hex));
    let digits = digits.or(hex.then_some(run)).filter(|digits| digits.len().is_multiple_of(2));
    let hex = digits.map(|digits| (Layer::Hex, digits));
    let ways = hex.into_iter().chain(base64.map(|layer| (layer, run)));
    for (layer, run) in ways {
        let of_head = if layer == Layer::Hex { 2 * HEAD_BYTES } else { HEAD_BYTES / 3 * 4 };
        let bytes = &mut decoded.bytes;
        bytes.clear();
        to_bytes(layer, &run[..of_head.min(run.len())], bytes);
        if !may_be_text(bytes) {
            continue;
        }
        bytes.clear();
        let most = if layer == Layer::Hex { most_bytes.saturating_mul(2) } else { most_bytes / 3 * 4 };
        to_bytes(layer, &run[..run.len().min(most)], bytes);
        let compressed = inflate(&decoded.bytes, most_bytes, &mut decoded.inflated);
        let is_cut = run.len() > most || compressed && decoded.inflated.len() >= most_bytes;
        let (bytes, within) =
            if compressed { (&mut decoded.inflated, Some(Layer::Gzip)) } else { (&mut decoded.bytes, None) };
        narrow(bytes);
        if let Some(text) = as_text(bytes) {
            found(text, Run { range, layer, within, is_cut });
            return true;
        }
    }
    false
}

/// Decodes as far as there are digits, of which a run consists.
fn to_bytes(layer: Layer, run: &[u8], out: &mut Vec<u8>) {
    let _ = match layer {
        Layer::Hex => radix::unpack(run, 4, radix::hex_digit, out),
        _ => radix::unpack(run, 6, radix::base64_digit, out),
    };
}

/// Whether a text, or something compressed, may begin so.
fn may_be_text(head: &[u8]) -> bool {
    is_compressed(head) || is_wide(head) || as_text(head).is_some()
}

fn is_compressed(bytes: &[u8]) -> bool {
    matches!(bytes, [0x1f, 0x8b, 8, ..] | [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..])
}

/// Undoes gzip or zlib, up to a bound.
fn inflate(bytes: &[u8], most_bytes: usize, out: &mut Vec<u8>) -> bool {
    if !is_compressed(bytes) {
        return false;
    }
    out.clear();
    // What was read before an error is there all the same: a cut or damaged stream is text up to that place.
    let read = match bytes[0] {
        0x1f => GzDecoder::new(bytes).take(most_bytes as u64).read_to_end(out),
        _ => ZlibDecoder::new(bytes).take(most_bytes as u64).read_to_end(out),
    };
    read.is_ok() || !out.is_empty()
}

/// Whether it is ASCII in two bytes each, as PowerShell takes it.
fn is_wide(bytes: &[u8]) -> bool {
    bytes.len() >= 4 && bytes.chunks_exact(2).all(|pair| pair[0] != 0 && pair[0].is_ascii() && pair[1] == 0)
}

fn narrow(bytes: &mut Vec<u8>) {
    if is_wide(bytes) {
        let mut odd = false;
        bytes.retain(|_| {
            odd = !odd;
            odd
        });
    }
}

/// Bytes as text, if that is what they are. A character may be cut at the end.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let controls =
        text.bytes().filter(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r')).count();
    (!text.is_empty() && controls * CONTROLS_ONE_IN <= text.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::super::super::glance::Glance;
    use super::*;
    use crate::rules::pattern::is_token;

    fn all(text: &str) -> Vec<(String, String, &'static str)> {
        let mut found = Vec::new();
        let (mut at, mut decoded) = (0, Decoded::default());
        for &(start, end) in &Glance::of(text).stretches.token.places {
            if start >= at && end - start >= RUN_MIN_BYTES {
                at = decode(text.as_bytes(), start..end, 1 << 20, &mut decoded, |made, run| {
                    found.push((made.to_owned(), text[run.range].to_owned(), run.layer.name()));
                });
            }
        }
        found
    }

    #[test]
    fn runs_are_of_what_tokens_are() {
        for byte in 0..=u8::MAX {
            assert_eq!(kind(byte) != Kind::None, is_token(byte), "{byte}");
        }
    }

    #[test]
    fn runs_of_text_are_found_and_others_are_not() {
        let one = |made: &str, run: &str, layer| vec![(made.to_owned(), run.to_owned(), layer)];
        let table = [
            ("x aGVsbG8gd29ybGQgb2YgcnVucw== y", one("hello world of runs", "aGVsbG8gd29ybGQgb2YgcnVucw", "base64")),
            ("a/b/aGVsbG8gd29ybGQgb2YgcnVucw/c", one("hello world of runs", "aGVsbG8gd29ybGQgb2YgcnVucw", "base64")),
            ("k_aGVsbG8gd29ybGQgb2YgcnVucw", one("hello world of runs", "aGVsbG8gd29ybGQgb2YgcnVucw", "base64")),
            ("Pz8_Pj4-Pz8_Pj4-Pz8_Pj4-", one("???>>>???>>>???>>>", "Pz8_Pj4-Pz8_Pj4-Pz8_Pj4-", "base64url")),
            ("0x68656c6c6f20776f726c6421", one("hello world!", "0x68656c6c6f20776f726c6421", "hex")),
            (
                "> aGVsbG8gd29ybGQgb2Yg\n> cnVucyBhbmQgbGluZXM=",
                one("hello world of runs and lines", "aGVsbG8gd29ybGQgb2Yg\n> cnVucyBhbmQgbGluZXM", "base64"),
            ),
            ("aABlAGwAbABvACAAdwBvAHIAbABkAA==", one("hello world", "aABlAGwAbABvACAAdwBvAHIAbABkAA", "base64")),
            ("da39a3ee5e6b4b0d3255bfef95601890afd80709", vec![]),
            ("getElementsByClassNameOrSomething", vec![]),
            ("/usr/local/lib/python3/dist-packages/numpy", vec![]),
            ("short aGVsbG8=", vec![]),
            ("short aGVsbG8gd29ybGQhIQ== too", vec![]),
        ];
        for (text, expected) in table {
            assert_eq!(all(text), expected, "{text}");
        }
    }
}
