//! Numbers that people and machines hand out: cards, social security numbers, telephones, addresses of hosts.
//!
//! Well formed is all that is asked: not whether a number was ever given out.

use super::Candidate;

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

/// Whether an arithmetic sign stands beside the number, past one blank.
fn in_a_sum(candidate: &Candidate<'_>) -> bool {
    let sign = |byte: Option<u8>| byte.is_some_and(|byte| matches!(byte, b'+' | b'*' | b'/' | b'=' | b'^' | b'%'));
    let before = if candidate.before(1) == Some(b' ') { candidate.before(2) } else { candidate.before(1) };
    let after = if candidate.after(1) == Some(b' ') { candidate.after(2) } else { candidate.after(1) };
    // `tel=` and `to: +49…` are usual before a number, so only what follows, and `+` or `*` before, makes a sum.
    sign(after) || matches!(before, Some(b'+' | b'*' | b'^'))
}

/// Issuer ranges and lengths of ISO/IEC 7812, and Luhn. Groups are written in one way: all by blanks, all by hyphens,
/// or not at all.
pub(super) fn card(candidate: &Candidate<'_>) -> bool {
    let value = candidate.value().as_bytes();
    if value.contains(&b' ') && value.contains(&b'-') {
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

/// Luhn: from the right, every second digit doubled, nines cast out; the sum ends in 0.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, &digit)| {
            let weighted = u32::from(digit) << (index % 2);
            if weighted > 9 { weighted - 9 } else { weighted }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Areas, groups and serials that the Social Security Administration gives out: area 001–899 without 666, group from
/// 01, serial from 0001.
pub(super) fn ssn(candidate: &Candidate<'_>) -> bool {
    let mut number = [0u8; 9];
    let mut digits = candidate.digits();
    for slot in &mut number {
        let Some(digit) = digits.next() else { return false };
        *slot = digit;
    }
    let value = |range: &[u8]| range.iter().fold(0u32, |number, &digit| number * 10 + u32::from(digit));
    let (area, group, serial) = (value(&number[..3]), value(&number[3..5]), value(&number[5..]));
    digits.next().is_none() && (1..900).contains(&area) && area != 666 && group != 0 && serial != 0
}

/// A calling code that is assigned and a length of E.164; or ten digits by the North American plan. Never a number
/// that is calculated with.
pub(super) fn phone(candidate: &Candidate<'_>) -> bool {
    if in_a_sum(candidate) {
        return false;
    }
    let mut digits = candidate.digits();
    let length = digits.clone().count();
    let first: [u8; 3] = std::array::from_fn(|_| digits.next().unwrap_or(0));
    if candidate.value().starts_with('+') {
        let rest = candidate.digits().skip(1);
        return match first[0] {
            1 => length == 11 && north_american(rest),
            _ => (8..=15).contains(&length) && calling_code(first),
        };
    }
    length == 10 && north_american(candidate.digits())
        || length == 11 && first[0] == 1 && north_american(candidate.digits().skip(1))
}

/// Area code and exchange begin with 2 to 9, and an area code is not N11 (service codes).
fn north_american(digits: impl Iterator<Item = u8>) -> bool {
    let mut number = [0u8; 10];
    for (slot, digit) in number.iter_mut().zip(digits) {
        *slot = digit;
    }
    number[0] >= 2 && number[3] >= 2 && !(number[1] == 1 && number[2] == 1)
}

/// Whether the ITU has given out a calling code that these three digits begin with.
fn calling_code(digits: [u8; 3]) -> bool {
    let [a, b, c] = digits;
    let (two, three) = (a * 10 + b, u16::from(a) * 100 + u16::from(b) * 10 + u16::from(c));
    let country_of_two = matches!(
        two,
        20 | 27 | 30..=34 | 36 | 39..=41 | 43..=49 | 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98
    );
    let country_of_three = matches!(
        three,
        211..=213 | 216 | 218 | 220..=269 | 290 | 291 | 297..=299 | 350..=359 | 370..=389 | 420 | 421 | 423
            | 500..=509 | 590..=599 | 670 | 672..=692 | 850 | 852 | 853 | 855 | 856 | 880 | 886 | 960..=968
            | 970..=977 | 992..=996 | 998
    );
    a == 7 || country_of_two || country_of_three
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
    use super::super::{Candidate, holds};
    use crate::rules::Validator;

    /// The value stands between `[` and `]`, which are not part of the text.
    fn check(validator: Validator, marked: &str) -> bool {
        let (start, end) = (marked.find('[').unwrap(), marked.find(']').unwrap() - 1);
        let text: String = marked.chars().filter(|character| !matches!(character, '[' | ']')).collect();
        holds(validator, &Candidate { text: &text, start, end })
    }

    #[test]
    fn numbers_are_told_from_look_alikes() {
        use Validator::{Card, Ipv4, Phone, Ssn, Standalone};
        let table = [
            (Card, "[4539148803436467]", true),
            (Card, "[4539 1488 0343 6467]", true),
            (Card, "[4539 1488-0343 6467]", false),
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
            (Phone, "[+44 20 7946 0958]", true),
            (Phone, "[+999 20 7946 0958]", false),
            (Phone, "[+1 415 555 2671]", true),
            (Phone, "[+1 115 555 2671]", false),
            (Phone, "[(415) 555-2671]", true),
            (Phone, "[415-555-2671]", true),
            (Phone, "[123-456-7890]", false),
            (Phone, "3 * [415-555-2671]", false),
            (Phone, "[415-555-2671] = 12", false),
            (Ipv4, "[192.0.2.7]", true),
            (Ipv4, "[192.0.2.256]", false),
            (Ipv4, "[192.0.02.6]", false),
            (Standalone, "a [12] b", true),
            (Standalone, "x[12]", false),
            (Standalone, "3.[12]", false),
            (Standalone, "end [12].", true),
            (Standalone, "[12].5", false),
            (Standalone, "\u{e9}[12]\u{e9}", true),
        ];
        for (validator, marked, expected) in table {
            assert_eq!(check(validator, marked), expected, "{} {marked}", validator.name());
        }
    }
}
