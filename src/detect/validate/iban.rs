//! International bank account numbers: length by country (SWIFT's registry) and the remainder of ISO 7064.
//!
//! Whether a bank knows the number is not asked.

use super::checksum::mod_97;

/// Country and length of its numbers.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// Fewest digits behind the check digits. Every country numbers accounts within a bank by digits, whatever its registry
/// entry would allow.
const BODY_DIGITS_MIN: usize = 8;

/// With the first four characters moved to the end and letters as 10 to 35, the number leaves 1 when divided by 97.
/// Blanks and hyphens do not count.
pub(super) fn iban(value: &str) -> bool {
    let mut characters = [0u8; 34];
    let mut length = 0;
    for byte in value.bytes().filter(|byte| !matches!(byte, b' ' | b'-')) {
        let Some(slot) = characters.get_mut(length) else { return false };
        *slot = byte.to_ascii_uppercase();
        length += 1;
    }
    let characters = &characters[..length];
    let known = LENGTHS.iter().any(|(country, expected)| characters.starts_with(*country) && length == *expected);
    if !known {
        return false;
    }
    // `is 24 hours …`: words spell an account number once in a hundred times, but they hold no digits.
    let digits = characters[4..].iter().filter(|byte| byte.is_ascii_digit()).count();
    let rotated = characters[4..].iter().chain(&characters[..4]).copied();
    digits >= BODY_DIGITS_MIN && characters.iter().all(u8::is_ascii_alphanumeric) && mod_97(rotated) == 1
}

#[cfg(test)]
mod tests {
    use super::iban;

    #[test]
    fn lengths_and_remainders_are_checked() {
        for value in [
            "GB82 WEST 1234 5698 7654 32",
            "gb82-west-1234-5698-7654-32",
            "DE89 37040044 0532013000",
            "NO9386011117947",
        ] {
            assert!(iban(value), "{value}");
        }
        for value in [
            "GB82 WEST 1234 5698 7654 33",
            "DE8937040044053201300",
            "ZZ89370400440532013000",
            "IS49 hours and minutes of it all",
            "",
            "DE",
        ] {
            assert!(!iban(value), "{value}");
        }
    }
}
