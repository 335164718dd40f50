//! Ids that are hashes: the same event gives the same finding and the same alert, whoever computes it and when.
//!
//! A [`Uid`] is the first 128 bits of SHA-256 over length-prefixed fields, shown as a UUID of version 8 (RFC 9562:
//! custom), so that ClickHouse keeps it in 16 bytes and people can paste it. It is never random or made of time.

use sha2::{Digest, Sha256};
use std::fmt;

/// The id of a finding or an alert.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub [u8; 16]);

impl Uid {
    /// Hashes fields, each with its length in front, so that `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn of(fields: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for field in fields {
            hasher.update((field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        let mut bytes: [u8; 16] = hasher.finalize()[..16].try_into().expect("SHA-256 gives 32 bytes");
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Uid(bytes)
    }
}

impl Uid {
    /// Reads what `Display` shows.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let dashes = [8, 13, 18, 23];
        if bytes.len() != 36 || dashes.iter().any(|&at| bytes[at] != b'-') {
            return None;
        }
        let mut digits = bytes.iter().filter(|&&byte| byte != b'-').map(|&byte| char::from(byte).to_digit(16));
        let mut uid = [0; 16];
        for byte in &mut uid {
            *byte = (digits.next()?? << 4 | digits.next()??) as u8;
        }
        digits.next().is_none().then_some(Uid(uid))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_version_8_uuid_and_depends_on_where_fields_end() {
        let uid = Uid::of(&[b"ab", b"c"]).to_string();
        assert_eq!(uid, "43ee6555-79de-81ca-b39b-3f95c1c2d3f4");
        assert_ne!(Uid::of(&[b"ab", b"c"]), Uid::of(&[b"a", b"bc"]));
    }

    #[test]
    fn its_text_comes_back_and_other_text_does_not() {
        let uid = Uid::of(&[b"x"]);
        assert_eq!(Uid::parse(&uid.to_string()), Some(uid));
        for text in [
            "",
            "43ee6555-79de-81ca-b39b-3f95c1c2d3f",
            "43ee6555-79de-81ca-b39b-3f95c1c2d3fg",
            "43ee6555x79de-81ca-b39b-3f95c1c2d3f4",
        ] {
            assert_eq!(Uid::parse(text), None, "{text}");
        }
    }
}
