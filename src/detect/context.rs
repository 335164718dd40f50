//! Whether a word that makes a match more credible stands near it, on either side; and whether the match is all that
//! its part says.
//!
//! Which words those are, and what they are worth, the rule says. A word counts when it stands whole, and what that
//! means depends on its script: words of Latin, Cyrillic, Greek, Arabic and the like end where letters and digits do, or at
//! a hump (`dateOfBirth`); Chinese, Japanese, Korean and Thai are written without blanks or with particles joined
//! to the word, so there a neighbour says nothing.

use aho_corasick::{AhoCorasick, BuildError};

/// How far to look to each side, in bytes: about a line, ten words.
pub(super) const REACH_BYTES: usize = 80;

/// Longest text of which a value may be all there is, in bytes: a label, a value, and what encloses them.
pub(super) const ALONE_MAX_BYTES: usize = 160;

/// Longest label before a value that is alone, in bytes and in words.
const LABEL_MAX_BYTES: usize = 40;
const LABEL_MAX_WORDS: usize = 4;

/// A searcher for words as rules write them, in all of their spellings; `None` for no words.
pub(super) fn searcher(words: &[String]) -> Result<Option<AhoCorasick>, BuildError> {
    if words.is_empty() {
        return Ok(None);
    }
    let spellings: Vec<String> = words.iter().flat_map(|word| spellings(word)).collect();
    AhoCorasick::builder().ascii_case_insensitive(true).build(spellings).map(Some)
}

/// How a word may be written: a blank in it as `_`, `-` or not at all; and, since a searcher ignores the case of ASCII
/// only, any other word also in capitals and with a capital.
pub(super) fn spellings(word: &str) -> Vec<String> {
    let mut spellings = vec![word.to_string()];
    if word.contains(' ') {
        spellings.extend(["_", "-", ""].map(|joint| word.replace(' ', joint)));
    }
    if !word.is_ascii() {
        let cased = |word: &String| [word.to_uppercase(), capitalised(word)];
        let more: Vec<String> = spellings.iter().flat_map(cased).collect();
        spellings.extend(more);
    }
    spellings.sort_unstable();
    spellings.dedup();
    spellings
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

/// Whether one of the words stands as a whole word within reach of the value, or in the match beside the value.
/// The value itself does not count: a password that says `password` is no context.
pub(super) fn near(words: &AhoCorasick, text: &str, whole: (usize, usize), value: (usize, usize)) -> bool {
    let before = whole.0.saturating_sub(REACH_BYTES)..value.0;
    let after = value.1..(whole.1 + REACH_BYTES).min(text.len());
    [before, after].into_iter().any(|range| {
        let side = &text.as_bytes()[range.clone()];
        words
            .find_overlapping_iter(side)
            .any(|hit| is_whole_word(text, range.start + hit.start(), range.start + hit.end()))
    })
}

/// Whether what stands at a place is no piece of a longer word. `_` joins nothing, since names are made of words.
pub(super) fn is_whole_word(text: &str, start: usize, end: usize) -> bool {
    let (Some(head), Some(word), Some(tail)) = (text.get(..start), text.get(start..end), text.get(end..)) else {
        return false;
    };
    let (Some(first), Some(last)) = (word.chars().next(), word.chars().next_back()) else { return false };
    let joined_before = head.chars().next_back().is_some_and(|before| joins(before, first));
    let joined_after = tail.chars().next().is_some_and(|after| joins(last, after));
    !joined_before && !joined_after
}

/// Whether two neighbouring characters are of one word.
fn joins(left: char, right: char) -> bool {
    let hump = left.is_lowercase() && right.is_uppercase();
    left.is_alphanumeric() && right.is_alphanumeric() && !is_unspaced(left) && !is_unspaced(right) && !hump
}

/// Whether a character is of a script that puts no blanks between words, or joins particles to them.
fn is_unspaced(character: char) -> bool {
    matches!(character,
        '\u{e00}'..='\u{eff}'          // Thai, Lao
        | '\u{1000}'..='\u{109f}'      // Burmese
        | '\u{1100}'..='\u{11ff}'      // Hangul
        | '\u{1780}'..='\u{17ff}'      // Khmer
        | '\u{3040}'..='\u{30ff}'      // kana
        | '\u{3130}'..='\u{318f}'      // Hangul
        | '\u{3400}'..='\u{9fff}'      // Han
        | '\u{ac00}'..='\u{d7af}'      // Hangul
        | '\u{f900}'..='\u{faff}'      // Han
        | '\u{ff66}'..='\u{ff9f}'      // kana
        | '\u{20000}'..='\u{3ffff}') // Han
}

/// What parts the values of a list.
const JOINTS: &[&str] = &[",", ";", "|", "\n", " and ", " or ", " & ", " und ", " et ", " y "];

/// By how many digits two values of a list may differ.
const LIKE_DIGITS: usize = 2;

const YEAR_DIGITS: usize = 4;

/// Whether a value is all there is in a text but for blanks, quotes, brackets and a short label that ends in a `:`, `=` or
/// `#`; or one of a list of such values, each with its label or none.
pub(super) fn is_alone(text: &str, (start, end): (usize, usize)) -> bool {
    if text.len() > ALONE_MAX_BYTES {
        return false;
    }
    let (mut before, mut after) = (items(&text[..start]), items(&text[end..]));
    // What is left of a list are its other values.
    let head = before.pop().unwrap_or_default().trim_matches(encloses);
    let tail = after.remove(0);
    let letters_and_digits = |value: &str| {
        let count = |is: fn(char) -> bool| value.chars().filter(|&character| is(character)).count();
        (count(char::is_alphabetic), count(char::is_numeric))
    };
    let value = &text[start..end];
    let (letters, digits) = letters_and_digits(value);
    let is_like = |item: &&str| {
        let value = item.rsplit([':', '=', '#', '：']).next().unwrap_or_default();
        let (its_letters, its_digits) = letters_and_digits(value);
        item.chars().all(ends) || its_letters == letters && its_digits.abs_diff(digits) <= LIKE_DIGITS
    };
    let begins_there = is_label(head) || text[..start].ends_with(' ') && are_like(head, value);
    let ends_there = tail.chars().all(ends) || tail.starts_with(' ') && are_like(tail, value);
    begins_there && ends_there && before.iter().chain(&after).all(is_like)
}

/// Whether what stands between blanks are values like one. Prose stands there too, and of digits alone they may be groups of
/// the same number: so their letters and digits come in the same order, and not as in a word and a year.
fn are_like(others: &str, value: &str) -> bool {
    let shape = |text: &str| -> Vec<bool> {
        text.chars().filter(|character| character.is_alphanumeric()).map(char::is_alphabetic).collect()
    };
    let (others, own) = (shape(others), shape(value));
    let changes = own.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let digits = own.iter().filter(|is_letter| !**is_letter).count();
    let may_be_listed = changes > 1 || changes == 1 && digits > YEAR_DIGITS;
    may_be_listed && others.len().is_multiple_of(own.len()) && others.chunks(own.len()).all(|other| other == own)
}

/// A text at the joints of lists; at least one item.
fn items(text: &str) -> Vec<&str> {
    JOINTS.iter().fold(vec![text], |items, joint| items.iter().flat_map(|item| item.split(joint)).collect())
}

fn encloses(character: char) -> bool {
    character.is_whitespace() || "\"'`()[]{}<>*\\".contains(character)
}

fn ends(character: char) -> bool {
    encloses(character) || ".,;!?。".contains(character)
}

/// Whether what stands before a value is nothing or a short label.
fn is_label(head: &str) -> bool {
    let Some(label) = head.strip_suffix([':', '=', '#', '：']) else { return head.is_empty() };
    let label = label.trim_matches(encloses);
    label.len() <= LABEL_MAX_BYTES
        && label.split_whitespace().count() <= LABEL_MAX_WORDS
        && !label.contains(|character: char| character.is_numeric() || ":=,;".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(word: &str, text: &str) -> bool {
        let words = searcher(&[word.to_string()]).unwrap().unwrap();
        let start = text.find("1234").unwrap();
        near(&words, text, (start, start + 4), (start, start + 4))
    }

    #[test]
    fn words_count_on_both_sides_and_only_whole() {
        let table = [
            ("card", "my card is 1234", true),
            ("card", "1234 (CARD)", true),
            ("card", "my_card=1234", true),
            ("card", "a postcard 1234", false),
            ("card", "cards 1234", false),
            ("card", "1234", false),
            ("birth", "{dateOfBirth: 1234", true),
            ("date of birth", "{dateOfBirth: 1234", true),
            ("date of birth", "date-of-birth 1234", true),
            ("date of birth", "DATE_OF_BIRTH=1234", true),
            ("date of birth", "date  of birth 1234", false),
        ];
        for (word, text, expected) in table {
            assert_eq!(is_near(word, text), expected, "{text}");
        }
        let words = searcher(&["card".to_string()]).unwrap().unwrap();
        let far = format!("card{}1234", " ".repeat(REACH_BYTES));
        assert!(!near(&words, &far, (84, 88), (84, 88)));
    }

    /// A word is whole by the habits of its own script.
    #[test]
    fn scripts_have_boundaries_of_their_own() {
        let table = [
            ("téléphone", "TÉLÉPHONE 1234", true),
            ("téléphone", "mon téléphone : 1234", true),
            ("phone", "téléphone 1234", false),
            ("паспорт", "Паспорт: 1234", true),
            ("паспорт", "загранпаспорт: 1234", false),
            ("паспорт", "паспортный 1234", false),
            ("电话", "我的电话是1234", true),
            ("phone", "我的phone是1234", true),
            ("전화번호", "제 전화번호는 1234입니다", true),
            ("電話", "電話番号1234", true),
            ("โทร", "กรุณาโทร1234", true),
            ("هاتف", "رقم هاتف 1234", true),
        ];
        for (word, text, expected) in table {
            assert_eq!(is_near(word, text), expected, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_all_there_is_stands_alone() {
        let table = [
            ("1234", true),
            (" \"1234\"\n", true),
            ("NPI: 1234.", true),
            ("{\"account\": \"1234\"}", true),
            ("my account number = 1234", true),
            ("1234 and 5678", true),
            ("[\"56789\", \"1234\"]", true),
            ("first: 1234, second: 56789", true),
            ("AB1234567 CD7654321", true),
            ("CD 7654321 AB1234567", true),
            ("EF 9087654 AB1234567 CD7654321", true),
            ("AB1234567 CD7654321 EF9087654.", true),
            ("AB12CD34 EF56GH78", true),
            ("AB1234567, CD7654321 EF9087654", false),
            ("1234567 7654321", false),
            ("AB1234567 CD7654321 is what I paid", false),
            ("AB12CD34 since 1735", false),
            ("AB1234 since 2019", false),
            ("AB1234 in 2019", false),
            ("AB1234 of 12.50", false),
            ("see CD 7654321 AB1234567", false),
            ("1234, 5678 is what I paid", false),
            ("1234, abcd", false),
            ("1234 is what I paid", false),
            ("I paid 1234", false),
            ("a: 1, b: 1234", false),
            ("this is a label of very many words: 1234", false),
        ];
        for (text, expected) in table {
            let at = text.find("1234").or_else(|| text.find("AB12")).unwrap();
            let start = text[..at].trim_end_matches(char::is_alphanumeric).len();
            let end = text.len() - text[at..].trim_start_matches(char::is_alphanumeric).len();
            assert_eq!(is_alone(text, (start, end)), expected, "{text}");
        }
        assert!(!is_alone(&format!("1234{}", " ".repeat(ALONE_MAX_BYTES)), (0, 4)));
    }
}
