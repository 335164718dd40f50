//! The intent: which run of the outbox is being inserted, in the metadata of the store group's committed offset.
//!
//! Only its text is here; when it is committed, and what it promises, stands in the store loop.

use std::fmt;

/// The version of the text.
const VERSION: &str = "1";

/// A group whose insert was begun. Its text is `1;first-last;settings;hash`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The committed offset itself. The first record may lie later: the outbox holds transaction markers too.
    pub first: i64,
    /// A record's offset.
    pub last: i64,
    /// The version of the pinned insert settings: other settings, other blocks.
    pub settings: u32,
    /// Hash of the tables and bytes to insert, in hex.
    pub body: String,
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION};{}-{};{};{}", self.first, self.last, self.settings, self.body)
    }
}

impl Intent {
    /// Whether two are of the same records and bytes. The settings may differ after an upgrade: who resumes asks
    /// ClickHouse for the rows first.
    pub fn is_of_the_same(&self, other: &Intent) -> bool {
        (self.first, self.last, &self.body) == (other.first, other.last, &other.body)
    }

    /// Reads a committed offset's metadata; empty is no intent.
    pub fn parse(metadata: &str) -> Result<Option<Intent>, String> {
        if metadata.is_empty() {
            return Ok(None);
        }
        let read = || {
            let mut fields = metadata.split(';');
            (fields.next()? == VERSION).then_some(())?;
            let (first, last) = fields.next()?.split_once('-')?;
            let intent = Intent {
                first: first.parse().ok()?,
                last: last.parse().ok()?,
                settings: fields.next()?.parse().ok()?,
                body: fields.next()?.to_string(),
            };
            fields.next().is_none().then_some(intent)
        };
        read().map(Some).ok_or_else(|| {
            "the committed offset has metadata that this version cannot read: a newer weir began an insert; \
             upgrade this one, or let the newer one finish"
                .to_string()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_comes_back(first in 0..i64::MAX, last in 0..i64::MAX, settings: u32, body in "[0-9a-f]{32}") {
            let intent = Intent { first, last, settings, body };
            prop_assert_eq!(Intent::parse(&intent.to_string()), Ok(Some(intent)));
        }

        #[test]
        fn other_text_is_refused_without_a_panic(text: String) {
            let _ = Intent::parse(&text);
        }
    }

    #[test]
    fn nothing_is_no_intent_and_a_later_version_is_an_error() {
        assert_eq!(Intent::parse(""), Ok(None));
        for text in ["2;1-2;1;ab", "1;1-2;1", "1;1-2;1;ab;cd", "1;x-2;1;ab", "hello"] {
            assert!(Intent::parse(text).is_err(), "{text}");
        }
    }
}
