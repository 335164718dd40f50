//! Files as commands read them: never more at once than a bound, whatever the file is.
//!
//! A line without an end must not fill the memory only to be called too long then.

use anyhow::Context as _;
use std::io::{self, BufRead, Read as _};
use std::path::Path;

/// What came of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It is in the buffer, without its end.
    Whole,
    /// It has so many bytes, more than the bound, and is passed over.
    TooLong { bytes: u64 },
    /// There is no further one.
    End,
}

/// Reads a line into the buffer, or passes over it when it has more than `most_bytes`.
pub(super) fn next(reader: &mut impl BufRead, line: &mut Vec<u8>, most_bytes: usize) -> io::Result<Line> {
    line.clear();
    // One for its end.
    let read = reader.by_ref().take(most_bytes as u64 + 1).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Line::Whole);
    }
    match read {
        0 => return Ok(Line::End),
        read if read <= most_bytes => return Ok(Line::Whole),
        _ => {}
    }
    line.clear();
    let rest = pass_line(reader)?;
    Ok(Line::TooLong { bytes: read as u64 + rest })
}

/// Passes over what is left of a line and its end; says how long it was.
fn pass_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut bytes = 0;
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let (length, is_end) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(length) => (length, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        bytes += length as u64;
        let with_end = length + usize::from(is_end && length < buffer.len());
        reader.consume(with_end);
        if is_end {
            return Ok(bytes);
        }
    }
}

/// Appends all the rest to the buffer; `false` when it then holds more than `most_bytes`, and not all of it.
pub(super) fn rest(reader: &mut impl BufRead, into: &mut Vec<u8>, most_bytes: usize) -> io::Result<bool> {
    let room = (most_bytes as u64 + 1).saturating_sub(into.len() as u64);
    reader.by_ref().take(room).read_to_end(into)?;
    Ok(into.len() <= most_bytes)
}

/// A whole file of text.
pub(super) fn text_of(path: &Path, most_bytes: usize) -> anyhow::Result<String> {
    let reading = || format!("reading {}", path.display());
    let mut bytes = Vec::new();
    let mut reader = io::BufReader::new(std::fs::File::open(path).with_context(reading)?);
    let is_all = rest(&mut reader, &mut bytes, most_bytes).with_context(reading)?;
    anyhow::ensure!(is_all, "{} is larger than {} MiB", path.display(), most_bytes >> 20);
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_up_to_the_bound() {
        let file = b"abc\n\nabcd\nabcde\nabcdefgh\nxy";
        for capacity in [1, 2, 3, 100] {
            let mut reader = io::BufReader::with_capacity(capacity, &file[..]);
            let mut line = Vec::new();
            let mut seen = Vec::new();
            loop {
                match next(&mut reader, &mut line, 4).unwrap() {
                    Line::Whole => seen.push(String::from_utf8(line.clone()).unwrap()),
                    Line::TooLong { bytes } => seen.push(format!("{bytes} bytes")),
                    Line::End => break,
                }
            }
            assert_eq!(seen, ["abc", "", "abcd", "5 bytes", "8 bytes", "xy"], "{capacity}");
        }
    }

    /// The last line may have no end, and be just as long as the bound, or longer.
    #[test]
    fn a_last_line_without_an_end() {
        for (file, expected) in [("abcd", Line::Whole), ("abcde", Line::TooLong { bytes: 5 }), ("", Line::End)] {
            let mut line = Vec::new();
            let mut reader = file.as_bytes();
            assert_eq!(next(&mut reader, &mut line, 4).unwrap(), expected, "{file}");
            assert_eq!(next(&mut reader, &mut line, 4).unwrap(), Line::End, "{file}");
        }
    }

    /// An endless line takes no more than the bound.
    #[test]
    fn a_long_line_takes_no_memory() {
        let mut reader = io::BufReader::with_capacity(1 << 20, io::repeat(b'x').take(256 << 20));
        let mut line = Vec::new();
        assert_eq!(next(&mut reader, &mut line, 1_000).unwrap(), Line::TooLong { bytes: 256 << 20 });
        assert!(line.capacity() < 8_192);
        assert!(!rest(&mut io::BufReader::new(io::repeat(b'x')), &mut line, 1_000).unwrap());
        assert_eq!(line.len(), 1_001);
    }
}
