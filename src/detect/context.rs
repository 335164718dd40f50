//! Whether a word that makes a match more credible stands near it, on either side.
//!
//! Which words those are, and what they are worth, the rule says.

use aho_corasick::AhoCorasick;

/// How far to look to each side, in bytes: about a line, ten words.
const REACH_BYTES: usize = 80;

/// Whether one of the words stands as a whole word within reach of the value, or in the match beside the value.
/// The value itself does not count: a password that says `password` is no context.
pub(super) fn near(words: &AhoCorasick, text: &str, whole: (usize, usize), value: (usize, usize)) -> bool {
    let before = whole.0.saturating_sub(REACH_BYTES)..value.0;
    let after = value.1..(whole.1 + REACH_BYTES).min(text.len());
    [before, after].into_iter().any(|range| {
        let side = &text.as_bytes()[range.clone()];
        words.find_overlapping_iter(side).any(|hit| {
            let (start, end) = (range.start + hit.start(), range.start + hit.end());
            is_whole_word(text.as_bytes(), start, end)
        })
    })
}

/// Letters and digits next to a word make it part of another; `_` does not, since names are made of words.
fn is_whole_word(text: &[u8], start: usize, end: usize) -> bool {
    let joins = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    !joins(start.checked_sub(1).and_then(|before| text.get(before))) && !joins(text.get(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_on_both_sides_and_only_whole() {
        let words = AhoCorasick::builder().ascii_case_insensitive(true).build(["card"]).unwrap();
        let table = [
            ("my card is 1234", true),
            ("1234 (CARD)", true),
            ("my_card=1234", true),
            ("a postcard 1234", false),
            ("cards 1234", false),
            ("1234", false),
        ];
        for (text, expected) in table {
            let start = text.find("1234").unwrap();
            assert_eq!(near(&words, text, (start, start + 4), (start, start + 4)), expected, "{text}");
        }
        let far = format!("card{}1234", " ".repeat(REACH_BYTES));
        assert!(!near(&words, &far, (84, 88), (84, 88)));
    }
}
