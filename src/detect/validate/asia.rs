//! Numbers that the states of Asia, Africa and Oceania give to people and firms.
//!
//! Well formed is all that is asked: not whether a number was ever given out.

use super::checksum::{
    alphanumerics, digits, is_date, is_uniform, is_yymmdd, is_yyyymmdd, luhn, number, numbers, value_of, verhoeff,
    weighted,
};

/// Aadhaar of India (UIDAI): Verhoeff; no palindrome, and no 0 or 1 in front.
pub(super) fn in_aadhaar(value: &str) -> bool {
    digits::<12>(value)
        .is_some_and(|number| number[0] > 1 && verhoeff(&number) && !number.iter().eq(number.iter().rev()))
}

/// GSTIN of India (GSTN): factors 1 and 2 by 36, quotient and remainder added.
pub(super) fn in_gstin(value: &str) -> bool {
    let Some(text) = alphanumerics::<15>(value) else { return false };
    let sum: u32 = text[..14]
        .iter()
        .zip([1, 2].into_iter().cycle())
        .map(|(&byte, factor)| value_of(byte) * factor)
        .map(|product| product / 36 + product % 36)
        .sum();
    value_of(text[14]) == (36 - sum % 36) % 36
}

/// Vehicle registration of India (MoRTH): the state in front.
pub(super) fn in_plate(value: &str) -> bool {
    const STATES: &[&[u8; 2]] = &[
        b"AN", b"AP", b"AR", b"AS", b"BH", b"BR", b"CG", b"CH", b"DD", b"DL", b"DN", b"GA", b"GJ", b"HP", b"HR", b"JH",
        b"JK", b"KA", b"KL", b"LA", b"LD", b"MH", b"ML", b"MN", b"MP", b"MZ", b"NL", b"OD", b"OR", b"PB", b"PY", b"RJ",
        b"SK", b"TG", b"TN", b"TR", b"TS", b"UK", b"UP", b"WB",
    ];
    STATES.iter().any(|state| value.as_bytes().get(..2).is_some_and(|head| head.eq_ignore_ascii_case(*state)))
}

/// Resident identity number of China (GB 11643): a province, a date, ISO 7064 MOD 11-2.
pub(super) fn cn_resident_id(value: &str) -> bool {
    let Some(text) = alphanumerics::<18>(value) else { return false };
    let Some(digits) = numbers::<17>(&text[..17]) else { return false };
    let sum = weighted(&digits, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    matches!(number(&digits[..2]), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91)
        && is_yyyymmdd(&digits[6..14])
        && b"10X98765432"[(sum % 11) as usize] == text[17]
}

/// Unified social credit code of China (GB 32100): powers of 3 by 31 over an alphabet without I O S V Z.
pub(super) fn cn_uscc(value: &str) -> bool {
    const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let Some(text) = alphanumerics::<18>(value) else { return false };
    let place = |byte: u8| ALPHABET.iter().position(|known| *known == byte).map(|place| place as u32);
    let mut sum = 0;
    let mut weight = 1;
    for &byte in &text[..17] {
        let Some(place) = place(byte) else { return false };
        sum += place * weight;
        weight = weight * 3 % 31;
    }
    place(text[17]) == Some((31 - sum % 31) % 31) && numbers::<6>(&text[2..8]).is_some()
}

/// National identification card of Taiwan: a letter as two digits, weights 1 9 8 to 1 1, a multiple of 10.
pub(super) fn tw_id(value: &str) -> bool {
    const LETTERS: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some(text) = alphanumerics::<10>(value) else { return false };
    let (Some(letter), Some(number)) = (LETTERS.iter().position(|known| *known == text[0]), numbers::<9>(&text[1..]))
    else {
        return false;
    };
    let letter = letter as u32 + 10;
    let sum = letter / 10 + letter % 10 * 9 + weighted(&number, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(number[0], 1 | 2 | 8 | 9) && sum.is_multiple_of(10)
}

/// Identity card of Hong Kong (Immigration Department): one or two letters, weights 9 to 1, a multiple of 11; A for ten.
pub(super) fn hk_id(value: &str) -> bool {
    let text: Vec<u8> = value.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase()).collect();
    if !matches!(text.len(), 8 | 9) {
        return false;
    }
    // A blank that stands for the missing first letter counts 36.
    let first = if text.len() == 8 { 36 * 9 } else { value_of(text[0]) * 9 };
    let rest = &text[text.len() - 8..];
    let check = if rest[7] == b'A' { 10 } else { value_of(rest[7]) };
    let sum: u32 = rest[..7].iter().zip(2..).map(|(&byte, place)| value_of(byte) * (10 - place)).sum();
    (first + sum + check).is_multiple_of(11)
}

/// My Number of Japan (ordinance of the Ministry of Internal Affairs 85/2014): weights 6 5 4 3 2 7 6 5 4 3 2 by 11.
pub(super) fn jp_my_number(value: &str) -> bool {
    let Some(number) = digits::<12>(value) else { return false };
    let rest = weighted(&number, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    u32::from(number[11]) == if rest < 2 { 0 } else { 11 - rest } && !is_uniform(&number)
}

/// Corporate number of Japan (National Tax Agency): the check digit in front, weights 1 and 2 from the right by 9.
pub(super) fn jp_corporate(value: &str) -> bool {
    let Some(number) = digits::<13>(value) else { return false };
    let sum = weighted(&number[1..], &[2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1]);
    u32::from(number[0]) == 9 - sum % 9 && !is_uniform(&number)
}

/// Resident registration number of Korea: a date and a sex. Since October 2020 the rest is random, without a check digit.
pub(super) fn kr_rrn(value: &str) -> bool {
    digits::<13>(value)
        .is_some_and(|digits| is_yymmdd(&digits) && matches!(digits[6], 1..=4) && number(&digits[7..9]) <= 95)
}

/// Foreigner registration number of Korea: as that of residents, with a 5 to 8 for the sex.
pub(super) fn kr_frn(value: &str) -> bool {
    digits::<13>(value)
        .is_some_and(|digits| is_yymmdd(&digits) && matches!(digits[6], 5..=8) && number(&digits[7..9]) <= 95)
}

/// Business registration number of Korea (National Tax Service): weights 1 3 7 1 3 7 1 3 5, the ninth digit's tens added.
pub(super) fn kr_brn(value: &str) -> bool {
    let Some(digits) = digits::<10>(value) else { return false };
    let sum = weighted(&digits, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + u32::from(digits[8]) * 5 / 10;
    (10 - sum % 10) % 10 == u32::from(digits[9]) && number(&digits[..3]) > 100
}

/// Driving licence of Korea: one of the regions in front.
pub(super) fn kr_driver_license(value: &str) -> bool {
    digits::<12>(value).is_some_and(|digits| matches!(number(&digits[..2]), 11..=26 | 28))
}

/// Identification number of Thailand: a kind and a province in front, weights 13 to 2 by 11.
pub(super) fn th_tnin(value: &str) -> bool {
    let Some(digits) = digits::<13>(value) else { return false };
    let check = (11 - weighted(&digits, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 10;
    let province = number(&digits[1..3]);
    matches!(digits[0], 1..=8)
        && (10..=96).contains(&province)
        && u32::from(digits[12]) == check
        && !is_uniform(&digits)
}

/// NRIC and FIN of Singapore (ICA): weights 2 7 6 5 4 3 2 and an offset by the first letter name the last one.
pub(super) fn sg_nric(value: &str) -> bool {
    let Some(text) = alphanumerics::<9>(value) else { return false };
    let Some(number) = numbers::<7>(&text[1..8]) else { return false };
    let sum = weighted(&number, &[2, 7, 6, 5, 4, 3, 2]) as usize;
    let expected = match text[0] {
        b'S' => b"JZIHGFEDCBA"[sum % 11],
        b'T' => b"JZIHGFEDCBA"[(sum + 4) % 11],
        b'F' => b"XWUTRQPNMLK"[sum % 11],
        b'G' => b"XWUTRQPNMLK"[(sum + 4) % 11],
        b'M' => b"XWUTRQPNJLK"[10 - (sum + 3) % 11],
        _ => return false,
    };
    text[8] == expected
}

/// Unique entity number of Singapore (ACRA), of its three forms; each names its last letter by weights.
pub(super) fn sg_uen(value: &str) -> bool {
    let text: Vec<u8> = value.bytes().map(|byte| byte.to_ascii_uppercase()).collect();
    if let (9, Some(body)) = (text.len(), text.get(..8).and_then(numbers::<8>)) {
        let sum = weighted(&body, &[10, 4, 9, 3, 8, 2, 7, 1]) as usize;
        return text[8] == b"XMKECAWLJDB"[sum % 11];
    }
    if let (10, Some(body)) = (text.len(), text.get(..9).and_then(numbers::<9>)) {
        let sum = weighted(&body, &[10, 8, 6, 4, 9, 7, 5, 3, 1]) as usize;
        return text[9] == b"ZKCMDNERGWH"[sum % 11];
    }
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWX0123456789";
    if text.len() != 10 || !matches!(text[0], b'R' | b'S' | b'T') {
        return false;
    }
    let place = |byte: u8| ALPHABET.iter().position(|known| *known == byte).unwrap_or(0) as u32;
    let sum: u32 = text[..9].iter().zip([4, 3, 5, 3, 10, 2, 2, 5, 7]).map(|(&byte, weight)| place(byte) * weight).sum();
    text[9] == ALPHABET[((sum + 6) % 11) as usize]
}

/// MyKad of Malaysia (JPN): a date and a place of birth.
pub(super) fn my_nric(value: &str) -> bool {
    digits::<12>(value).is_some_and(|digits| {
        is_yymmdd(&digits) && !matches!(number(&digits[6..8]), 0 | 17..=20 | 69 | 70 | 73 | 80 | 81 | 94..=97)
    })
}

/// NIK of Indonesia (Dukcapil): a province, and a date whose days are raised by 40 for women.
pub(super) fn id_nik(value: &str) -> bool {
    let Some(digits) = digits::<16>(value) else { return false };
    let (day, month, year) = (number(&digits[6..8]) % 40, number(&digits[8..10]), number(&digits[10..12]));
    let date = is_date(1900 + year, month, day) || is_date(2000 + year, month, day);
    matches!(number(&digits[..2]), 11..=21 | 31..=36 | 51..=53 | 61..=65 | 71..=76 | 81 | 82 | 91..=97)
        && digits[6] < 8
        && date
        && number(&digits[12..]) > 0
}

/// Taxpayer number of the Philippines (BIR): weights 9 to 2 by 11; three digits of a branch may follow.
pub(super) fn ph_tin(value: &str) -> bool {
    let number: Option<[u8; 9]> = digits::<9>(value).or_else(|| digits::<12>(value)?[..9].try_into().ok());
    number.is_some_and(|number| weighted(&number, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 == u32::from(number[8]))
}

/// Căn cước công dân of Vietnam: a province, and a digit of sex and century.
pub(super) fn vn_cccd(value: &str) -> bool {
    digits::<12>(value)
        .is_some_and(|digits| (1..=96).contains(&number(&digits[..3])) && digits[3] < 4 && !is_uniform(&digits[4..]))
}

/// Identity card of Israel: Luhn over nine digits.
pub(super) fn il_id(value: &str) -> bool {
    digits::<9>(value).is_some_and(|number| luhn(&number) && !is_uniform(&number))
}

/// Emirates ID (ICP): 784, a year of birth, Luhn.
pub(super) fn ae_emirates_id(value: &str) -> bool {
    digits::<15>(value).is_some_and(|digits| {
        digits[..3] == [7, 8, 4] && (1900..2100).contains(&number(&digits[3..7])) && luhn(&digits)
    })
}

/// National identity and residence number of Saudi Arabia: 1 for citizens, 2 for residents, Luhn.
pub(super) fn sa_id(value: &str) -> bool {
    digits::<10>(value).is_some_and(|number| matches!(number[0], 1 | 2) && luhn(&number) && !is_uniform(&number[1..]))
}

/// Civil number of Kuwait (PACI): a century, a date, weights 2 1 6 3 7 9 10 5 8 4 2 by 11.
pub(super) fn kw_civil_id(value: &str) -> bool {
    let Some(number) = digits::<12>(value) else { return false };
    let check = 11 - weighted(&number, &[2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11;
    matches!(number[0], 2 | 3) && is_yymmdd(&number[1..7]) && u32::from(number[11]) == check
}

/// National number of Egypt: a century, a date, a governorate.
pub(super) fn eg_national_id(value: &str) -> bool {
    digits::<14>(value).is_some_and(|digits| {
        let governorate = number(&digits[7..9]);
        matches!(digits[0], 2 | 3)
            && is_yymmdd(&digits[1..7])
            && matches!(governorate, 1..=4 | 11..=19 | 21..=29 | 31..=35 | 88)
    })
}

/// Identity number of South Africa (DHA): a date, 0 to 2 for the citizenship, Luhn.
pub(super) fn za_id(value: &str) -> bool {
    digits::<13>(value).is_some_and(|number| is_yymmdd(&number) && number[10] < 3 && luhn(&number))
}

/// Business number of Australia (ABR): 1 less in front, weights 10 1 3 to 19, a multiple of 89.
pub(super) fn au_abn(value: &str) -> bool {
    let Some(mut number) = digits::<11>(value).filter(|number| number[0] > 0) else { return false };
    number[0] -= 1;
    weighted(&number, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]).is_multiple_of(89)
}

/// Company number of Australia (ASIC): weights 8 to 1, the complement to ten.
pub(super) fn au_acn(value: &str) -> bool {
    digits::<9>(value).is_some_and(|number| {
        weighted(&number, &[8, 7, 6, 5, 4, 3, 2, 1, 1]).is_multiple_of(10) && !is_uniform(&number)
    })
}

/// Tax file number of Australia (ATO): weights 1 4 3 7 5 8 6 9 10, a multiple of 11.
pub(super) fn au_tfn(value: &str) -> bool {
    digits::<9>(value).is_some_and(|number| {
        weighted(&number, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !is_uniform(&number)
    })
}

/// Medicare card of Australia: 2 to 6 in front, weights 1 3 7 9, a remainder by 10 as ninth digit.
pub(super) fn au_medicare(value: &str) -> bool {
    let number: Option<[u8; 10]> = digits::<10>(value).or_else(|| digits::<11>(value)?[..10].try_into().ok());
    number.is_some_and(|number| {
        matches!(number[0], 2..=6) && weighted(&number, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == u32::from(number[8])
    })
}

/// Tax number of New Zealand (Inland Revenue): two rows of weights by 11; between 10 and 150 million.
pub(super) fn nz_ird(value: &str) -> bool {
    let Some(number) = digits::<9>(value).or_else(|| {
        let eight = digits::<8>(value)?;
        [&[0], &eight[..]].concat().try_into().ok()
    }) else {
        return false;
    };
    let check = |weights: &[u32]| (11 - weighted(&number, weights) % 11) % 11;
    let first = check(&[3, 2, 7, 6, 5, 4, 3, 2]);
    let check = if first == 10 { check(&[7, 4, 3, 2, 5, 2, 7, 6]) } else { first };
    (10_000_000..150_000_000).contains(&super::checksum::number(&number)) && u32::from(number[8]) == check
}
