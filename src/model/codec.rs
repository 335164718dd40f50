//! The primitives of weir's own compact encodings (facts, state, markers): little-endian base-128 integers and
//! length-prefixed bytes, with a version in front.
//!
//! A reader never trusts a length: whatever the bytes, it returns an error and neither panics nor allocates by
//! what they claim. It knows no record; each codec stands beside its type.

/// Why bytes could not be read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error("the record ends too early")]
    Truncated,
    #[error("version {found} is unknown: this program reads up to version {known}; upgrade it first")]
    Version { found: u8, known: u8 },
    #[error("the field `{0}` has a value that this version does not know")]
    Invalid(&'static str),
    #[error("{0} bytes follow the end of the record")]
    Trailing(usize),
}

/// Appends fields to a buffer.
pub struct Writer<'b>(pub &'b mut Vec<u8>);

impl Writer<'_> {
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Base-128, least significant group first: 1 byte below 128, at most 10.
    pub fn uint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Zigzag, then as [`Writer::uint`].
    pub fn int(&mut self, value: i64) {
        self.uint((value << 1 ^ value >> 63) as u64);
    }

    /// Absent is 0, else the value + 1. (`u64::MAX` is saturated: no count gets there.)
    pub fn option(&mut self, value: Option<u64>) {
        self.uint(value.map_or(0, |value| value.saturating_add(1)));
    }

    /// Length, then the bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        self.uint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub fn str(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// Bytes of a length that the reader knows.
    pub fn fixed<const N: usize>(&mut self, value: &[u8; N]) {
        self.0.extend_from_slice(value);
    }
}

/// Reads fields back, borrowing from the record.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at a record's first byte, which must be `version`.
    pub fn versioned(bytes: &'a [u8], version: u8) -> Result<Self, CodecError> {
        match bytes.split_first() {
            None => Err(CodecError::Truncated),
            Some((&found, rest)) if found == version => Ok(Reader(rest)),
            Some((&found, _)) => Err(CodecError::Version { found, known: version }),
        }
    }

    pub fn u8(&mut self) -> Result<u8, CodecError> {
        let (&first, rest) = self.0.split_first().ok_or(CodecError::Truncated)?;
        self.0 = rest;
        Ok(first)
    }

    pub fn uint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let group = u64::from(byte & 0x7f);
            if shift == 63 && group > 1 {
                return Err(CodecError::Invalid("integer"));
            }
            value |= group << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(CodecError::Invalid("integer"))
    }

    /// An unsigned integer that fits a smaller type; `field` is for the error.
    pub fn small<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, CodecError> {
        T::try_from(self.uint()?).map_err(|_| CodecError::Invalid(field))
    }

    pub fn int(&mut self) -> Result<i64, CodecError> {
        let value = self.uint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub fn option(&mut self) -> Result<Option<u64>, CodecError> {
        Ok(self.uint()?.checked_sub(1))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let length = usize::try_from(self.uint()?).map_err(|_| CodecError::Truncated)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(CodecError::Truncated)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn str(&mut self) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| CodecError::Invalid("text"))
    }

    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(CodecError::Truncated)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// A count of things that take at least `each` bytes, so that no vector is reserved for more than is there.
    pub fn count(&mut self, each: usize) -> Result<usize, CodecError> {
        let count = usize::try_from(self.uint()?).map_err(|_| CodecError::Truncated)?;
        if count > self.0.len() / each.max(1) {
            return Err(CodecError::Truncated);
        }
        Ok(count)
    }

    /// The record must end here.
    pub fn finish(self) -> Result<(), CodecError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodecError::Trailing(self.0.len())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_come_back(a: u64, b: i64, c in proptest::option::of(0..u64::MAX - 1), d: Vec<u8>, e: String, f: [u8; 16]) {
            let mut bytes = vec![7];
            let mut writer = Writer(&mut bytes);
            writer.uint(a);
            writer.int(b);
            writer.option(c);
            writer.bytes(&d);
            writer.str(&e);
            writer.fixed(&f);
            let mut reader = Reader::versioned(&bytes, 7).unwrap();
            prop_assert_eq!(reader.uint().unwrap(), a);
            prop_assert_eq!(reader.int().unwrap(), b);
            prop_assert_eq!(reader.option().unwrap(), c);
            prop_assert_eq!(reader.bytes().unwrap(), &d[..]);
            prop_assert_eq!(reader.str().unwrap(), &e);
            prop_assert_eq!(reader.fixed::<16>().unwrap(), f);
            reader.finish().unwrap();
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let mut reader = Reader(&bytes);
            while reader.bytes().is_ok() {}
            let mut reader = Reader(&bytes);
            while reader.uint().is_ok() {}
        }
    }

    #[test]
    fn an_integer_of_more_than_64_bits_is_refused() {
        assert_eq!(Reader(&[0xff; 10]).uint(), Err(CodecError::Invalid("integer")));
        assert_eq!(Reader(&[0x80; 11]).uint(), Err(CodecError::Invalid("integer")));
    }
}
