//! Telephone numbers: those that are written for the world, those of a country, and what its plan says of them.
//!
//! `numbering.txt` holds the plans: by calling code and length the first three digits that are given out. A library would
//! know the same of a number in twenty microseconds where this takes a tenth of one, and with tens of megabytes where
//! this takes one; `numbering.py` beside it writes the file from the library's data.

use super::Candidate;
use super::checksum::{is_date, is_uniform, number};
use super::numbers::ipv4;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

const PLANS_TEXT: &str = include_str!("numbering.txt");

/// By calling code and length of the national number: the ranges of its first three digits.
static PLANS: LazyLock<Plans> = LazyLock::new(plans);

type Plans = HashMap<(u16, usize), Vec<RangeInclusive<u16>>>;

/// Longest and shortest number, in digits, as a country writes it: with the digit that stands for the trunk.
const NATIONAL_DIGITS: RangeInclusive<usize> = 6..=13;

/// Longest number as E.164 has it.
const DIGITS_MAX: usize = 15;

fn plans() -> Plans {
    let plan = |line: &str| {
        let (head, starts) = line.split_once(": ")?;
        let (code, length) = head.split_once(' ')?;
        let range = |start: &str| {
            let (from, to) = start.split_once('-').unwrap_or((start, start));
            Some(from.parse().ok()?..=to.parse().ok()?)
        };
        Some(((code.parse().ok()?, length.parse().ok()?), starts.split(' ').filter_map(range).collect()))
    };
    PLANS_TEXT.lines().filter_map(plan).collect()
}

/// A number with the calling code of a country and a length of E.164; or ten digits of the North American plan.
/// Never a number that is calculated with.
pub(super) fn phone(candidate: &Candidate<'_>) -> bool {
    if in_a_sum(candidate) || !stands_free(candidate) {
        return false;
    }
    let (digits, length) = digits_of(candidate);
    let digits = &digits[..length.min(DIGITS_MAX + 2)];
    match international(candidate.value(), digits) {
        Some([1, rest @ ..]) => rest.len() == 10 && north_american(rest),
        Some(rest) => (8..=DIGITS_MAX).contains(&rest.len()) && calling_code(rest).is_some(),
        None => match digits {
            [1, rest @ ..] if length == 11 => north_american(rest),
            digits => length == 10 && north_american(digits),
        },
    }
}

/// A number that the plan of its country gives out, written for the world.
pub(super) fn phone_plan(candidate: &Candidate<'_>) -> bool {
    let value = candidate.value();
    let (digits, length) = digits_of(candidate);
    let digits = &digits[..length.min(DIGITS_MAX + 2)];
    let (code, national) = match international(value, digits) {
        Some(rest) => match calling_code(rest) {
            Some(length) => rest.split_at(length),
            None => return false,
        },
        None => (&[1][..], digits.strip_prefix(&[1]).unwrap_or(digits)),
    };
    // `+44 (0)20 …`: the digit that is dialled within the country only.
    let national = if value.contains("(0)") { national.strip_prefix(&[0]).unwrap_or(national) } else { national };
    let Some(start) = national.get(..3) else { return false };
    let ranges = PLANS.get(&(number(code) as u16, national.len()));
    ranges.is_some_and(|ranges| ranges.iter().any(|range| range.contains(&(number(start) as u16))))
}

/// Groups of digits as people write their number, which a word near by must make believable: no date, no address of a
/// host, no amount, no years.
pub(super) fn phone_national(candidate: &Candidate<'_>) -> bool {
    // A piece of an UUID or of another name that is joined by hyphens. A word alone says whose number it is: `-Office`.
    let tail = candidate.text.as_bytes()[candidate.end..].strip_prefix(b"-").unwrap_or_default();
    let joined = tail.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-');
    let is_joined = !joined.clone().all(u8::is_ascii_alphabetic) || joined.clone().all(u8::is_ascii_hexdigit);
    let is_piece = joined.count() > 0 && is_joined
        || candidate.before(1) == Some(b'-') && candidate.before(2).is_some_and(|byte| byte.is_ascii_alphanumeric());
    if is_piece || in_a_sum(candidate) || !stands_free(candidate) {
        return false;
    }
    let value = candidate.value();
    let groups: Vec<&str> =
        value.split(|byte: char| !byte.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let (digits, length) = digits_of(candidate);
    if !NATIONAL_DIGITS.contains(&length) || is_uniform(&digits[..length]) || groups.len() > 6 {
        return false;
    }
    let between = value.trim_start_matches(['+', '(']);
    let joint = between.bytes().find(|byte| !byte.is_ascii_digit());
    match (joint, &lengths[..]) {
        (_, [3, 2, 4]) => false,
        (None, _) => length >= 7,
        (Some(b'.'), [_, _]) => false,
        (Some(b'.'), [_, _, _, _]) => {
            let is_dotted = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let is_host = ipv4(value) || !is_dotted || lengths.contains(&1);
            lengths.iter().any(|length| *length > 3) || lengths == [2; 4] || !is_host
        }
        (Some(b'/'), [_, _, _]) => !is_day(&groups),
        (Some(b'-' | b'.' | b' '), [_, _, _]) if is_day(&groups) => false,
        (_, [4, 4]) => !groups.iter().all(|group| group.starts_with("19") || group.starts_with("20")),
        // Thousands: `12 500 000`.
        (Some(b' '), [1..=3, rest @ ..]) if rest.iter().all(|length| *length == 3) && !value.starts_with('0') => {
            length == 9 || length > 10
        }
        _ => lengths[1..].iter().all(|length| *length >= 2) || value.contains("(0)"),
    }
}

/// Whether three groups are a date, in any order that people write.
fn is_day(groups: &[&str]) -> bool {
    let [a, b, c] = [groups[0], groups[1], groups[2]].map(|group| group.parse::<u64>().unwrap_or(0));
    [(a, b, c), (c, b, a), (c, a, b)].iter().any(|&(year, month, day)| is_date(year + 2000, month, day) && year < 2100)
}

/// The digits of the value, as far as a number may have them, and how many there are.
fn digits_of(candidate: &Candidate<'_>) -> ([u8; DIGITS_MAX + 2], usize) {
    let mut digits = [0; DIGITS_MAX + 2];
    digits.iter_mut().zip(candidate.digits()).for_each(|(slot, digit)| *slot = digit);
    (digits, candidate.digits().count().min(DIGITS_MAX + 2))
}

/// What follows the `+`, or the 00 or 011 that is dialled for it.
fn international<'d>(value: &str, digits: &'d [u8]) -> Option<&'d [u8]> {
    if value.trim_start_matches('(').starts_with('+') {
        return Some(digits);
    }
    digits.strip_prefix(&[0, 0])
}

/// Whether a telephone number may end or begin here: no digit or letter beside it but those of an extension (`x12`), none
/// beyond what joins numbers.
fn stands_free(candidate: &Candidate<'_>) -> bool {
    let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
    let wordy = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let joins = |byte: Option<u8>| byte.is_some_and(|byte| matches!(byte, b'.' | b',' | b'-' | b'/' | b':'));
    let sign = |byte: Option<u8>| byte.is_some_and(|byte| matches!(byte, b'$' | b'#' | b'%'));
    let extension =
        matches!(candidate.after(1), Some(b'x' | b'X' | b'e')) && !matches!(candidate.after(2), Some(b'a'..=b'f'));
    let before = wordy(candidate.before(1))
        || sign(candidate.before(1))
        || joins(candidate.before(1)) && wordy(candidate.before(2)) && candidate.before(1) != Some(b':');
    let after = wordy(candidate.after(1)) && !extension || joins(candidate.after(1)) && digit(candidate.after(2));
    !before && !after
}

/// Whether an arithmetic sign stands beside the number, past one blank.
fn in_a_sum(candidate: &Candidate<'_>) -> bool {
    let sign = |byte: Option<u8>| byte.is_some_and(|byte| matches!(byte, b'+' | b'*' | b'/' | b'=' | b'^' | b'%'));
    let before = if candidate.before(1) == Some(b' ') { candidate.before(2) } else { candidate.before(1) };
    let after = if candidate.after(1) == Some(b' ') { candidate.after(2) } else { candidate.after(1) };
    // `tel=` and `to: +49…` are usual before a number, so only what follows, and `+` or `*` before, makes a sum.
    sign(after) || matches!(before, Some(b'+' | b'*' | b'^'))
}

/// Area code and exchange begin with 2 to 9, and an area code is not N11 (service codes).
fn north_american(number: &[u8]) -> bool {
    number[0] >= 2 && number[3] >= 2 && !(number[1] == 1 && number[2] == 1)
}

/// How many of the first digits are a calling code that the ITU has given out.
fn calling_code(digits: &[u8]) -> Option<usize> {
    let &[a, b, c, ..] = digits else { return None };
    let (two, three) = (a * 10 + b, u16::from(a) * 100 + u16::from(b) * 10 + u16::from(c));
    let country_of_two = matches!(
        two,
        20 | 27 | 30..=34 | 36 | 39..=41 | 43..=49 | 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98
    );
    let country_of_three = matches!(
        three,
        211..=213 | 216 | 218 | 220..=269 | 290 | 291 | 297..=299 | 350..=359 | 370..=389 | 420 | 421 | 423
            | 500..=509 | 590..=599 | 670 | 672..=692 | 800 | 808 | 850 | 852 | 853 | 855 | 856 | 870 | 878 | 880..=883 | 886
            | 888 | 960..=968 | 970..=977 | 979 | 992..=996 | 998
    );
    match (a, country_of_two, country_of_three) {
        (1 | 7, ..) => Some(1),
        (_, true, _) => Some(2),
        (.., true) => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_each;
    use super::*;

    #[test]
    fn every_line_of_the_plans_is_read() {
        assert_eq!(PLANS.len(), PLANS_TEXT.lines().count());
        assert!(PLANS.values().all(|ranges| !ranges.is_empty()));
    }

    #[test]
    fn numbers_for_the_world() {
        let table = [
            ("[+44 20 7946 0958]", true),
            ("[+999 20 7946 0958]", false),
            ("[+1 415 555 2671]", true),
            ("[+1 115 555 2671]", false),
            ("[(415) 555-2671]", true),
            ("[415-555-2671]", true),
            ("[415-555-2671]x204", true),
            ("[0049 30 901820]", true),
            ("[123-456-7890]", false),
            ("3 * [415-555-2671]", false),
            ("[415-555-2671] = 12", false),
            ("7.[415-555-2671]", false),
        ];
        check_each(phone, &table);
    }

    #[test]
    fn plans_know_their_numbers() {
        let table = [
            ("[+44 20 7946 0958]", true),
            ("[+44 (0)20 7946 0958]", true),
            ("[+44 10 7946 0958]", false),
            ("[+49 1512 3456789]", true),
            ("[+49 1012 3456789]", false),
            ("[+33 6 12 34 56 78]", true),
            ("[+33 6 12 34 56 7]", false),
            ("[+1 212 736 5000]", true),
            ("[+1 299 736 5000]", false),
            ("[+81 90-1234-5678]", true),
            ("[+91 98765 43210]", true),
        ];
        check_each(phone_plan, &table);
    }

    #[test]
    fn numbers_of_a_country() {
        let table = [
            ("[0171 234 5678]", true),
            ("[06 12 34 56 78]", true),
            ("[04.93.12.16.85]", true),
            ("[78 65 14 50]", true),
            ("[2079460958]", true),
            ("[2024-05-12]", false),
            ("[12.05.2024]", false),
            ("[532.123.45.67]", true),
            ("[1.75-(-1.25]", false),
            ("[06-10446904]-Office", true),
            ("[0610446904]-fax", true),
            ("[0610446904]-a3bc", false),
            ("[0610446904]-abcd", false),
            ("[0610446904]-4-x", false),
            ("[192.168.10.14]", false),
            ("[1234567.89]", false),
            ("[12 500 000]", false),
            ("[2019 2020]", false),
            ("[514-72-9038]", false),
            ("$[5000000]", false),
        ];
        check_each(phone_national, &table);
    }
}
