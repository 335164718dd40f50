//! Numbers that people and machines hand out: cards, social security numbers, addresses of hosts.
//!
//! Well formed is all that is asked: not whether a number was ever given out.

use super::Candidate;
use super::checksum::luhn;

/// Whether the number stands for itself and is no piece of a longer one, a word, a sum or a version: no letter,
/// digit or `_` beside it, and none beyond a joining `.`, `,`, `-` or `/` either. A `:` joins nothing: a port follows an address.
pub(super) fn standalone(candidate: &Candidate<'_>) -> bool {
    let wordy = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let joins = |byte: Option<u8>| byte.is_some_and(|byte| matches!(byte, b'.' | b',' | b'-' | b'/'));
    let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
    let before = wordy(candidate.before(1)) || joins(candidate.before(1)) && digit(candidate.before(2));
    let after = wordy(candidate.after(1)) || joins(candidate.after(1)) && digit(candidate.after(2));
    !before && !after
}

/// Whether its digits are written in groups, as people do and machines seldom.
pub(super) fn grouped(value: &str) -> bool {
    value.bytes().any(|byte| !byte.is_ascii_alphanumeric())
}

/// Whether there is a digit among the letters.
pub(super) fn some_digit(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_digit())
}

/// Card numbers of the networks that [`card`] leaves out since their ranges are wide or their lengths unusual: Maestro, UATP,
/// RuPay, Mir, Troy, Dankort, Elo, Hipercard.
pub(super) fn card_rare(candidate: &Candidate<'_>) -> bool {
    let digits: Vec<u8> = candidate.digits().collect();
    if !(12..=19).contains(&digits.len()) || issued(&digits) || !luhn(&digits) {
        return false;
    }
    let prefix = digits[..4].iter().fold(0u32, |number, &digit| number * 10 + u32::from(digit));
    match (prefix, digits.len()) {
        (1000..=1999, 15) => true,
        (2200..=2205 | 8100..=8299 | 5080..=5089 | 9792 | 5019 | 6062, 16) => true,
        (2131, 15) => true,
        // Ranges are handed out faster than they become known; a word near by must say that it is a card.
        (3000..=3999, 14..=16) | (5000..=6999, _) => true,
        _ => false,
    }
}

/// Issuer ranges and lengths of ISO/IEC 7812, and Luhn. Groups are written in one way: all by blanks, all by hyphens, all by
/// dots, or not at all.
pub(super) fn card(candidate: &Candidate<'_>) -> bool {
    let mut joints = candidate.value().bytes().filter(|byte| !byte.is_ascii_digit());
    let joint = joints.next();
    // One dot is that of a decimal.
    let is_decimal = joint == Some(b'.') && joints.clone().next().is_none();
    if is_decimal || joints.any(|other| Some(other) != joint) {
        return false;
    }
    let mut digits = [0u8; 19];
    let mut length = 0;
    for digit in candidate.digits() {
        let Some(slot) = digits.get_mut(length) else { return false };
        *slot = digit;
        length += 1;
    }
    let digits = &digits[..length];
    length >= 12 && issued(digits) && luhn(digits) && digits.iter().any(|&digit| digit != digits[0])
}

/// Whether an issuer hands out numbers of this beginning and length.
fn issued(digits: &[u8]) -> bool {
    let prefix = digits[..4].iter().fold(0u32, |number, &digit| number * 10 + u32::from(digit));
    match (prefix, digits.len()) {
        // Visa.
        (4000..=4999, 13 | 16 | 19) => true,
        // Mastercard.
        (5100..=5599 | 2221..=2720, 16) => true,
        // American Express.
        (3400..=3499 | 3700..=3799, 15) => true,
        // Diners Club.
        (3000..=3059 | 3095 | 3600..=3699 | 3800..=3999, 14) => true,
        // Discover, UnionPay.
        (6011 | 6440..=6499 | 6500..=6599 | 6200..=6299, 16..=19) => true,
        // JCB.
        (3528..=3589, 16..=19) => true,
        // Maestro.
        (5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763, 12..=19) => true,
        _ => false,
    }
}

/// Areas, groups and serials that the Social Security Administration gives out: area 001–899 without 666, group from
/// 01, serial from 0001. Groups that blanks part are no piece of a longer row of groups.
pub(super) fn ssn(candidate: &Candidate<'_>) -> bool {
    let mut number = [0u8; 9];
    let mut digits = candidate.digits();
    for slot in &mut number {
        let Some(digit) = digits.next() else { return false };
        *slot = digit;
    }
    let value = |range: &[u8]| range.iter().fold(0u32, |number, &digit| number * 10 + u32::from(digit));
    let (area, group, serial) = (value(&number[..3]), value(&number[3..5]), value(&number[5..]));
    let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
    let goes_on = candidate.before(1) == Some(b' ') && digit(candidate.before(2))
        || candidate.after(1) == Some(b' ') && digit(candidate.after(2));
    let is_piece = goes_on && candidate.value().contains(' ');
    !is_piece && digits.next().is_none() && (1..900).contains(&area) && area != 666 && group != 0 && serial != 0
}

/// Words right behind which four numbers are a version, a section or the name of an object.
const NUMBERED: &[&str] = &[
    "ver",
    "v",
    "rel",
    "rev",
    "revision",
    "section",
    "sec",
    "chapter",
    "clause",
    "paragraph",
    "article",
    "appendix",
    "oid",
];

/// Words of which one among the last few says so too: `Version number: dev 1.2.3.4`.
const VERSIONED: &[&str] = &["version", "release", "build", "firmware"];

/// How far back such a word may stand, in bytes and in words.
const NUMBERED_REACH_BYTES: usize = 32;
const VERSIONED_REACH_WORDS: usize = 3;

/// An address of a host as it stands in text: no piece of a longer number, and no version or section. A range of
/// addresses is joined by a hyphen.
pub(super) fn ipv4_host(candidate: &Candidate<'_>) -> bool {
    let wordy = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let (head, tail) = (&candidate.text[..candidate.start], &candidate.text[candidate.end..]);
    let no_octet = |character: char| !matches!(character, '0'..='9' | '.');
    let ranged = |joined: &str| ipv4(joined.trim_end_matches('.'));
    let before = wordy(candidate.before(1))
        || candidate.before(1) == Some(b'.')
        || head.strip_suffix('-').is_some_and(|head| !ranged(head.rsplit(no_octet).next().unwrap_or_default()));
    let after = wordy(candidate.after(1))
        || candidate.after(1) == Some(b'.') && wordy(candidate.after(2))
        || tail
            .strip_prefix('-')
            .is_some_and(|tail| wordy(candidate.after(2)) && !ranged(tail.split(no_octet).next().unwrap_or_default()));
    ipv4(candidate.value()) && !before && !after && !is_numbering(candidate)
}

/// Whether four numbers count something else: versions, sections, object identifiers.
fn is_numbering(candidate: &Candidate<'_>) -> bool {
    let value = candidate.value();
    let from = candidate.start.saturating_sub(NUMBERED_REACH_BYTES);
    let head = &candidate.text.as_bytes()[from..candidate.start];
    let line = head.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.rsplit(|byte| !byte.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let last = words.clone().find(|word| !matches!(*word, b"is" | b"no" | b"number" | b"Number"));
    let is_numbered = last.is_some_and(|last| NUMBERED.iter().any(|word| last.eq_ignore_ascii_case(word.as_bytes())));
    // `AssemblyVersion("1.2.0.0")`
    let ends = |word: &[u8], end: &[u8]| {
        word.len().checked_sub(end.len()).is_some_and(|at| word[at..].eq_ignore_ascii_case(end))
    };
    let versioned = |word: &[u8]| VERSIONED.iter().any(|end| ends(word, end.as_bytes()));
    let is_versioned = words.by_ref().take(VERSIONED_REACH_WORDS).any(versioned);
    // `Chrome/120.0.0.0`
    let is_product = value.ends_with(".0.0.0") && head.ends_with(b"/") && !head.ends_with(b"//");
    // `5.2.1.12 Storage`: what begins a line and counts in small steps numbers a paragraph.
    let octets: Vec<&str> = value.split('.').collect();
    let small = octets.iter().take_while(|octet| octet.len() == 1).count();
    let begins = matches!(candidate.before(1), None | Some(b'\n' | b'#' | b' ')) && candidate.after(1) == Some(b' ');
    let is_section = small == 4 && value != "0.0.0.0" || small >= 3 && begins && octets[0] != "0";
    let zero = value.starts_with("0.") && value != "0.0.0.0";
    is_section || zero || is_product || is_numbered || is_versioned || head.ends_with("§".as_bytes())
}

/// Four numbers up to 255 without leading zeros.
pub(super) fn ipv4(value: &str) -> bool {
    let mut count = 0;
    for octet in value.split('.') {
        let leading_zero = octet.len() > 1 && octet.starts_with('0');
        if leading_zero || octet.parse::<u8>().is_err() {
            return false;
        }
        count += 1;
    }
    count == 4
}

#[cfg(test)]
mod tests {
    use super::super::holds;
    use super::super::tests::check;
    use crate::rules::Validator;

    #[test]
    fn numbers_are_told_from_look_alikes() {
        use Validator::{Card, Ipv4, Ipv4Host, Ssn, Standalone};
        let table = [
            (Card, "[4539148803436467]", true),
            (Card, "[4539 1488 0343 6467]", true),
            (Card, "[4539 1488-0343 6467]", false),
            (Card, "[4539.1488.0343.6467]", true),
            (Card, "[453914880343.6467]", false),
            (Card, "[4539148803436468]", false),
            (Card, "[9539148803436463]", false),
            (Card, "[4444444444444444]", false),
            (Card, "[371449635398431]", true),
            (Card, "[45391488034364670000000]", false),
            (Ssn, "[514-72-9038]", true),
            (Ssn, "[000-72-9038]", false),
            (Ssn, "[666-72-9038]", false),
            (Ssn, "[914-72-9038]", false),
            (Ssn, "[514-00-9038]", false),
            (Ssn, "[514-72-0000]", false),
            (Ssn, "[514 72 9038]", true),
            (Ssn, "48 [514 72 9038]", false),
            (Ssn, "[514 72 9038] 15", false),
            (Ssn, "48 [514-72-9038] 15", true),
            (Ipv4, "[192.0.2.7]", true),
            (Ipv4, "[192.0.2.256]", false),
            (Ipv4, "[192.0.02.6]", false),
            (Ipv4Host, "from [10.20.30.41]:8443", true),
            (Ipv4Host, "http://[10.20.30.41]/x", true),
            (Ipv4Host, "[10.20.30.41]-10.20.30.49", true),
            (Ipv4Host, "10.20.30.41-[10.20.30.49]", true),
            (Ipv4Host, "net [10.20.0.0]/16.", true),
            (Ipv4Host, "version 2 runs on [10.20.30.41]", true),
            (Ipv4Host, "[10.20.30.41]-beta", false),
            (Ipv4Host, "[10.20.30.41]-2", false),
            (Ipv4Host, "[10.20.30.41].5", false),
            (Ipv4Host, "Version: [10.20.30.41]", false),
            (Ipv4Host, "AssemblyVersion(\"[10.20.30.41]\")", false),
            (Ipv4Host, "**Version Number:** dev [10.20.30.41]", false),
            (Ipv4Host, "§[10.20.30.41]", false),
            (Ipv4Host, "OID [10.20.30.41]", false),
            (Ipv4Host, "Chrome/[120.0.0.0] Safari", false),
            (Ipv4Host, "[5.2.1.12] Storage", false),
            (Standalone, "a [12] b", true),
            (Standalone, "x[12]", false),
            (Standalone, "3.[12]", false),
            (Standalone, "end [12].", true),
            (Standalone, "[12].5", false),
            (Standalone, "\u{e9}[12]\u{e9}", true),
        ];
        for (validator, marked, expected) in table {
            assert_eq!(
                check(|candidate| holds(validator, candidate), marked),
                expected,
                "{} {marked}",
                validator.name()
            );
        }
    }
}
