//! Numbers of things that lead to a person: vehicles, telephones, network cards, hosts.
//!
//! Well formed is all that is asked: not whether a number was ever given out.

use super::Candidate;
use super::checksum::{alphanumerics, digits, is_uniform, luhn, number, value_of};
// Its parser alone: nothing here speaks to a network.
use core::net::Ipv6Addr;

/// Vehicle identification number (49 CFR 565): letters as digits, weights 8 to 2, 10, 0, 9 to 2, a remainder by 11 in the middle.
pub(super) fn vin(value: &str) -> bool {
    let Some(text) = alphanumerics::<17>(value) else { return false };
    let plain = |byte: u8| match byte {
        b'A'..=b'I' => u32::from(byte - b'A') + 1,
        b'J'..=b'R' => u32::from(byte - b'J') + 1,
        b'S'..=b'Z' => u32::from(byte - b'S') + 2,
        digit => value_of(digit),
    };
    let weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let rest = text.iter().zip(weights).map(|(&byte, weight)| plain(byte) * weight).sum::<u32>() % 11;
    text[8] == b"0123456789X"[rest as usize] && !is_uniform(&text)
}

/// International mobile equipment identity (3GPP TS 23.003): Luhn, and a reporting body in front.
pub(super) fn imei(value: &str) -> bool {
    digits::<15>(value).is_some_and(|digits| {
        matches!(number(&digits[..2]), 1 | 10 | 30 | 33 | 35 | 44 | 45 | 49..=54 | 86 | 91 | 98 | 99)
            && luhn(&digits)
            && !is_uniform(&digits[..14])
    })
}

/// IPv6 (RFC 4291) of a kind that is given out: global, unique local, link local, multicast, mapped, translated; or `::1`.
/// It stands for itself: `std::` and `a::b` are names.
pub(super) fn ipv6(candidate: &Candidate<'_>) -> bool {
    let wordy =
        |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.'));
    let after = candidate.after(1);
    let goes_on = match after {
        Some(b':' | b'.') => candidate.after(2).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b':'),
        other => wordy(other),
    };
    let value = candidate.value();
    let Ok(address) = value.split('/').next().unwrap_or(value).parse::<Ipv6Addr>() else { return false };
    let first = address.segments()[0];
    let given_out = match first {
        0x2000..=0x3fff | 0xfc00..=0xfdff | 0xfe80 | 0xff00..=0xff0f | 0x64 => true,
        0 => value.starts_with("::") && value.len() > 2,
        // Written out in full it is no accident.
        _ => !value.contains("::"),
    };
    let digit = value.bytes().any(|byte| byte.is_ascii_digit());
    // `list[::2]` takes every second item.
    let indexes = |byte: Option<u8>| {
        byte.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b')' | b']' | b'"' | b'\''))
    };
    let is_slice = candidate.before(1) == Some(b'[') && after == Some(b']') && indexes(candidate.before(2));
    given_out && digit && !is_slice && !wordy(candidate.before(1)) && !goes_on
}

/// Hardware address (IEEE 802): one separator throughout, and not all one digit.
pub(super) fn mac(candidate: &Candidate<'_>) -> bool {
    let joins =
        |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_'));
    let value = candidate.value();
    let separators: Vec<u8> = value.bytes().filter(|byte| !byte.is_ascii_alphanumeric()).collect();
    let nibbles: Vec<u8> = value.bytes().filter(u8::is_ascii_hexdigit).collect();
    nibbles.len() == 12
        && is_uniform(&separators)
        && !is_uniform(&nibbles)
        && nibbles.iter().any(u8::is_ascii_digit)
        && !joins(candidate.before(1))
        && !(joins(candidate.after(1)) && joins(candidate.after(2)))
}

/// Degrees of latitude and longitude, in this order, with a comma or a blank between.
pub(super) fn coordinates(value: &str) -> bool {
    let mut parts =
        value.split(|character: char| !matches!(character, '0'..='9' | '.' | '-')).filter(|part| !part.is_empty());
    let degrees = |part: Option<&str>| part.and_then(|part| part.parse::<f64>().ok());
    let (Some(latitude), Some(longitude)) = (degrees(parts.next()), degrees(parts.next())) else { return false };
    latitude.abs() <= 90.0 && longitude.abs() <= 180.0
}

/// Plates of Great Britain since 2001 (DVLA): the two digits tell a half year, 02 to 30 and 51 to 80.
pub(super) fn uk_plate(value: &str) -> bool {
    let Some(text) = alphanumerics::<7>(value) else {
        // Older forms have no such digits.
        return true;
    };
    match super::checksum::numbers::<2>(&text[2..4]) {
        Some(age)
            if text[0].is_ascii_alphabetic() && text[1].is_ascii_alphabetic() && text[4].is_ascii_alphabetic() =>
        {
            matches!(number(&age), 2..=30 | 51..=80) && !text[..2].iter().any(|byte| matches!(byte, b'I' | b'Q' | b'Z'))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_each;
    use super::ipv6;

    #[test]
    fn addresses_are_told_from_names_and_slices() {
        let table = [
            ("[2001:db8::35]", true),
            ("[fe80::1]%eth0", true),
            ("at [::1] only", true),
            ("[::ffff:192.0.2.1]", true),
            ("[2001:db8::]/32", true),
            ("[2001:db8:0:0:0:0:192.0.2.1]", true),
            ("std[::100]", false),
            ("[2001:db8::35]:x", false),
            ("[12:48:29]", false),
        ];
        check_each(ipv6, &table);
        let slice = |text: &str, expected: bool| {
            let start = text.find("::").unwrap();
            let candidate = super::Candidate { text, start, end: start + 3 };
            assert_eq!(ipv6(&candidate), expected, "{text}");
        };
        slice("http://[::1]/", true);
        slice("word[::2]", false);
        slice("'abc'[::2]", false);
    }
}
