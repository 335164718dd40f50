//! What national numbers are made of: digits among separators, check digits of the usual kinds, and dates.
//!
//! Which number uses what stands with its country.

/// The ASCII digits of a text, when they are exactly so many.
pub(super) fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut all = [0; N];
    let mut found = text.bytes().filter(u8::is_ascii_digit);
    for slot in &mut all {
        *slot = found.next()? - b'0';
    }
    found.next().is_none().then_some(all)
}

/// The ASCII letters, as capitals, and digits of a text, when they are exactly so many.
pub(super) fn alphanumerics<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut all = [0; N];
    let mut found = text.bytes().filter(u8::is_ascii_alphanumeric);
    for slot in &mut all {
        *slot = found.next()?.to_ascii_uppercase();
    }
    found.next().is_none().then_some(all)
}

/// The value of a digit as a character; 0 to 9, and 10 to 35 for capitals.
pub(super) fn value_of(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        _ => 0,
    }
}

/// Digits as characters become digits as numbers; `None` when one is none.
pub(super) fn numbers<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut all = [0; N];
    if text.len() != N {
        return None;
    }
    for (slot, byte) in all.iter_mut().zip(text) {
        *slot = byte.is_ascii_digit().then(|| byte - b'0')?;
    }
    Some(all)
}

/// The number that digits write.
pub(super) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, &digit| number * 10 + u64::from(digit))
}

/// The sum of digits, each times its weight, as far as there are weights.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(&digit, weight)| u32::from(digit) * weight).sum()
}

/// Luhn (ISO/IEC 7812-1): from the right, every second digit doubled, nines cast out; the sum ends in 0.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let weighted = |(index, &digit): (usize, &u8)| {
        let weighted = u32::from(digit) << (index % 2);
        if weighted > 9 { weighted - 9 } else { weighted }
    };
    digits.iter().rev().enumerate().map(weighted).sum::<u32>().is_multiple_of(10)
}

/// Verhoeff, "Error Detecting Decimal Codes" (1969): the dihedral group of ten elements and a permutation by place.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let multiply = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b - 5) % 5,
        (false, true) => 5 + (a - 5 + 5 - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let mut check = 0;
    for (place, &digit) in digits.iter().rev().enumerate() {
        let permuted = (0..place % 8).fold(digit, |digit, _| PERMUTATION[usize::from(digit)]);
        check = multiply(check, permuted);
    }
    check == 0
}

/// ISO/IEC 7064, MOD 11,10: the last digit checks the others.
pub(super) fn mod_11_10(digits: &[u8]) -> bool {
    let Some((check, body)) = digits.split_last() else { return false };
    let product = body.iter().fold(10, |product, &digit| {
        let sum = (product + u32::from(digit)) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(*check)
}

/// The remainder by 97 of a number that characters write, letters as 10 to 35.
pub(super) fn mod_97(text: impl Iterator<Item = u8>) -> u32 {
    text.fold(0, |rest, byte| (rest * if byte.is_ascii_digit() { 10 } else { 100 } + value_of(byte)) % 97)
}

/// Whether there is such a day. A year is as of the Gregorian calendar; 29 February is taken to be in years that have it.
pub(super) fn is_date(year: u64, month: u64, day: u64) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Whether six digits are a year of unknown century, a month and a day.
pub(super) fn is_yymmdd(digits: &[u8]) -> bool {
    let [year, month, day] = [&digits[..2], &digits[2..4], &digits[4..6]].map(number);
    is_date(1900 + year, month, day) || is_date(2000 + year, month, day)
}

/// Whether six digits are a day, a month and a year of unknown century.
pub(super) fn is_ddmmyy(digits: &[u8]) -> bool {
    let [day, month, year] = [&digits[..2], &digits[2..4], &digits[4..6]].map(number);
    is_date(1900 + year, month, day) || is_date(2000 + year, month, day)
}

/// Whether eight digits are a year from 1880 to 2099, a month and a day.
pub(super) fn is_yyyymmdd(digits: &[u8]) -> bool {
    let [year, month, day] = [&digits[..4], &digits[4..6], &digits[6..8]].map(number);
    (1880..2100).contains(&year) && is_date(year, month, day)
}

/// Whether all are one and the same.
pub(super) fn is_uniform(digits: &[u8]) -> bool {
    digits.iter().all(|digit| *digit == digits[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_of_their_standards() {
        assert!(luhn(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3]) && !luhn(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 0]));
        assert!(verhoeff(&[2, 3, 6, 3]) && !verhoeff(&[3, 2, 6, 3]));
        assert!(mod_11_10(&[0, 7, 9, 4, 5]) && !mod_11_10(&[0, 7, 9, 5, 4]));
        assert_eq!(mod_97(b"79444".iter().copied()), 1);
    }

    #[test]
    fn days_that_are() {
        assert!(is_date(2000, 2, 29) && !is_date(1900, 2, 29) && !is_date(2023, 13, 1) && !is_date(2023, 4, 31));
        assert!(is_yymmdd(&[0, 0, 0, 2, 2, 9]) && is_ddmmyy(&[3, 1, 1, 2, 9, 9]) && !is_yymmdd(&[9, 9, 0, 0, 0, 1]));
    }
}
