//! Bytes that are written in digits of so many bits: hexadecimal, base 32, base64.
//!
//! Whether what they write is anything, those who ask decide; padding is no digit.

/// Appends the bytes that digits write; bits that fill no byte are let go. `None` at the first byte that is no digit.
pub(super) fn unpack(text: &[u8], digit_bits: u32, digit: impl Fn(u8) -> Option<u8>, out: &mut Vec<u8>) -> Option<()> {
    let (mut bits, mut held) = (0u32, 0u32);
    for &byte in text {
        bits = bits << digit_bits | u32::from(digit(byte)?);
        held += digit_bits;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Some(())
}

/// A digit of base64, of either alphabet.
pub(super) fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// A hexadecimal digit.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}
