//! Numbers that the states of central, eastern and south-eastern Europe give to people and firms.
//!
//! Well formed is all that is asked: not whether a number was ever given out.

use super::checksum::{
    alphanumerics, digits, is_date, is_ddmmyy, is_uniform, is_yymmdd, luhn, mod_11_10, number, numbers, value_of,
    weighted,
};

/// PESEL of Poland: a date whose month tells the century, weights 1 3 7 9, a remainder by 10.
pub(super) fn pl_pesel(value: &str) -> bool {
    let Some(number) = digits::<11>(value) else { return false };
    let mut date = number;
    date[2] %= 2;
    is_yymmdd(&date) && weighted(&number, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// NIP of Poland: weights 6 5 7 2 3 4 5 6 7, a remainder by 11.
pub(super) fn pl_nip(value: &str) -> bool {
    digits::<10>(value).is_some_and(|number| {
        weighted(&number, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == u32::from(number[9]) && !is_uniform(&number)
    })
}

/// REGON of Poland (GUS), of nine digits: weights 8 9 2 3 4 5 6 7, a remainder by 11.
pub(super) fn pl_regon(value: &str) -> bool {
    digits::<9>(value).is_some_and(|number| {
        weighted(&number, &[8, 9, 2, 3, 4, 5, 6, 7]) % 11 % 10 == u32::from(number[8]) && !is_uniform(&number)
    })
}

/// Dowód osobisty of Poland: three letters, then the check digit; weights 7 3 1 over the others.
pub(super) fn pl_id_card(value: &str) -> bool {
    let Some(text) = alphanumerics::<9>(value) else { return false };
    let weights = [7, 3, 1, 9, 7, 3, 1, 7, 3];
    text.iter().zip(weights).map(|(&byte, weight)| value_of(byte) * weight).sum::<u32>().is_multiple_of(10)
}

/// Rodné číslo of Czechia (act 133/2000, § 13) and Slovakia (act 301/1995): a date (months of women raised by 50, in
/// Czechia since 2004 any by 20 more), and a multiple of 11. It has ten digits since 1954, so that no year is of two
/// centuries.
pub(super) fn cz_rodne_cislo(value: &str) -> bool {
    let Some(digits) = digits::<10>(value) else { return false };
    let year = number(&digits[..2]);
    let year = year + if year < 54 { 2000 } else { 1900 };
    let month = number(&digits[2..4]) % 50;
    let month = if year >= 2004 && month > 20 { month - 20 } else { month };
    let checked = number(&digits).is_multiple_of(11) || number(&digits[..9]) % 11 == 10 && digits[9] == 0;
    year < CZ_BORN_BEFORE && is_date(year, month, number(&digits[4..6])) && checked
}

/// Nobody is born so late for years to come; numbers of those who are will be missed from then on.
const CZ_BORN_BEFORE: u64 = 2040;

/// IČO of Czechia and Slovakia: weights 8 to 2, a remainder by 11.
pub(super) fn cz_ico(value: &str) -> bool {
    let Some(number) = digits::<8>(value) else { return false };
    let check = (11 - weighted(&number, &[8, 7, 6, 5, 4, 3, 2]) % 11) % 10;
    u32::from(number[7]) == check && !is_uniform(&number)
}

/// TAJ of Hungary: weights 3 and 7, a remainder by 10.
pub(super) fn hu_taj(value: &str) -> bool {
    digits::<9>(value).is_some_and(|number| {
        weighted(&number, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == u32::from(number[8]) && !is_uniform(&number)
    })
}

/// Adóazonosító jel of Hungary: an 8, weights 1 to 9, a remainder by 11.
pub(super) fn hu_tax_id(value: &str) -> bool {
    digits::<10>(value).is_some_and(|number| {
        number[0] == 8 && weighted(&number, &[1, 2, 3, 4, 5, 6, 7, 8, 9]) % 11 == u32::from(number[9])
    })
}

/// Cod numeric personal of Romania: a sex and century, a date, a county, weights 2 7 9 1 4 6 3 5 8 2 7 9, a remainder by 11.
pub(super) fn ro_cnp(value: &str) -> bool {
    let Some(digits) = digits::<13>(value) else { return false };
    let rest = weighted(&digits, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    let county = number(&digits[7..9]);
    digits[0] != 0
        && is_yymmdd(&digits[1..7])
        && matches!(county, 1..=48 | 51 | 52 | 70 | 80..=83)
        && u32::from(digits[12]) == if rest == 10 { 1 } else { rest }
}

/// Единен граждански номер of Bulgaria: a date (months raised by 20 or 40), weights 2 4 8 5 10 9 7 3 6, a remainder by 11.
pub(super) fn bg_egn(value: &str) -> bool {
    let Some(digits) = digits::<10>(value) else { return false };
    let (year, month, day) = (number(&digits[..2]), number(&digits[2..4]), number(&digits[4..6]));
    let (century, month) = match month {
        1..=12 => (1900, month),
        21..=32 => (1800, month - 20),
        41..=52 => (2000, month - 40),
        _ => return false,
    };
    is_date(century + year, month, day)
        && weighted(&digits, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == u32::from(digits[9])
}

/// ΑΦΜ of Greece: powers of two, a remainder by 11.
pub(super) fn gr_afm(value: &str) -> bool {
    digits::<9>(value).is_some_and(|number| {
        weighted(&number, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == u32::from(number[8]) && !is_uniform(&number)
    })
}

/// ΑΜΚΑ of Greece: a date, Luhn.
pub(super) fn gr_amka(value: &str) -> bool {
    digits::<11>(value).is_some_and(|number| is_ddmmyy(&number) && luhn(&number))
}

/// OIB of Croatia: ISO 7064 over eleven digits.
pub(super) fn hr_oib(value: &str) -> bool {
    digits::<11>(value).is_some_and(|number| mod_11_10(&number) && !is_uniform(&number))
}

/// JMBG of the states of former Yugoslavia, EMŠO in Slovenia: a date with three digits of the year, weights 7 to 2, a
/// remainder by 11.
pub(super) fn jmbg(value: &str) -> bool {
    let Some(digits) = digits::<13>(value) else { return false };
    let (day, month, year) = (number(&digits[..2]), number(&digits[2..4]), number(&digits[4..7]));
    let year = if year >= 800 { 1000 + year } else { 2000 + year };
    let check = (11 - weighted(&digits, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 % 10;
    is_date(year, month, day) && (1880..2100).contains(&year) && u32::from(digits[12]) == check
}

/// Davčna številka of Slovenia: weights 8 to 2, a remainder by 11.
pub(super) fn si_tax_id(value: &str) -> bool {
    let Some(number) = digits::<8>(value) else { return false };
    let check = 11 - weighted(&number, &[8, 7, 6, 5, 4, 3, 2]) % 11;
    number[0] != 0 && u32::from(number[7]) == if check == 10 { 0 } else { check }
}

/// Isikukood of Estonia, asmens kodas of Lithuania: a sex and century, a date, two rows of weights, a remainder by 11.
pub(super) fn ee_isikukood(value: &str) -> bool {
    let Some(number) = digits::<11>(value) else { return false };
    let first = weighted(&number, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(&number, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10;
    let check = if first < 10 { first } else { second };
    matches!(number[0], 1..=8) && is_yymmdd(&number[1..7]) && u32::from(number[10]) == check
}

/// Personas kods of Latvia: a date and a century, weights 10 5 8 4 2 1 6 3 7 9, a remainder by 11; since 2017 it begins
/// with 32 and has no date.
pub(super) fn lv_personas_kods(value: &str) -> bool {
    let Some(digits) = digits::<11>(value) else { return false };
    if digits[..2] == [3, 2] {
        return !is_uniform(&digits[2..]);
    }
    let check = (1 + weighted(&digits, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9])) % 11 % 10;
    is_ddmmyy(&digits) && digits[6] < 3 && u32::from(digits[10]) == check
}

/// РНОКПП of Ukraine: weights −1 5 7 9 4 6 10 5 7, a remainder by 11.
pub(super) fn ua_tax_id(value: &str) -> bool {
    // 10 stands for −1.
    digits::<10>(value).is_some_and(|number| {
        weighted(&number, &[10, 5, 7, 9, 4, 6, 10, 5, 7]) % 11 % 10 == u32::from(number[9]) && !is_uniform(&number)
    })
}

/// ИНН of Russia (ФНС), of firms with ten digits and of people with twelve: remainders by 11.
pub(super) fn ru_inn(value: &str) -> bool {
    let check =
        |number: &[u8], weights: &[u32]| weighted(number, weights) % 11 % 10 == u32::from(number[weights.len()]);
    if let Some(number) = digits::<10>(value) {
        return check(&number, &[2, 4, 10, 3, 5, 9, 4, 6, 8]) && !is_uniform(&number);
    }
    digits::<12>(value).is_some_and(|number| {
        check(&number, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8])
            && check(&number, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8])
            && !is_uniform(&number)
    })
}

/// СНИЛС of Russia (Социальный фонд): weights 9 to 1, the sum by 101 in two digits.
pub(super) fn ru_snils(value: &str) -> bool {
    digits::<11>(value).is_some_and(|digits| {
        let sum = weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2, 1]);
        u64::from(sum % 101 % 100) == number(&digits[9..]) && !is_uniform(&digits[..9])
    })
}

/// ОГРН of Russia: the remainder of twelve digits by 11, or of fourteen by 13.
pub(super) fn ru_ogrn(value: &str) -> bool {
    let check = |digits: &[u8], by: u64| {
        digits.split_last().is_some_and(|(check, body)| number(body) % by % 10 == u64::from(*check))
    };
    digits::<13>(value).is_some_and(|digits| matches!(digits[0], 1 | 5) && check(&digits, 11))
        || digits::<15>(value).is_some_and(|digits| digits[0] == 3 && check(&digits, 13))
}

/// Kimlik numarası of Turkey (NVİ): two sums by 10.
pub(super) fn tr_kimlik(value: &str) -> bool {
    let Some(number) = digits::<11>(value) else { return false };
    // 9 stands for −1.
    let tenth = weighted(&number, &[7, 9, 7, 9, 7, 9, 7, 9, 7]) % 10;
    let eleventh = weighted(&number, &[1; 10]) % 10;
    number[0] != 0 && tenth == u32::from(number[9]) && eleventh == u32::from(number[10])
}

/// Vergi kimlik numarası of Turkey (GİB): powers of two of sums by 10.
pub(super) fn tr_vkn(value: &str) -> bool {
    let Some(number) = digits::<10>(value) else { return false };
    let sum: u32 = (0..9u32)
        .map(|place| {
            let moved = (u32::from(number[place as usize]) + 9 - place) % 10;
            if moved == 0 {
                0
            } else {
                (moved << (9 - place)) % 9 + if (moved << (9 - place)) % 9 == 0 { 9 } else { 0 }
            }
        })
        .sum();
    (10 - sum % 10) % 10 == u32::from(number[9]) && !is_uniform(&number)
}

/// ИИН of Kazakhstan: a date, a century, two rows of weights, a remainder by 11.
pub(super) fn kz_iin(value: &str) -> bool {
    let Some(number) = digits::<12>(value) else { return false };
    let first = weighted(&number, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11;
    let second = weighted(&number, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11;
    let check = if first == 10 { second } else { first };
    is_yymmdd(&number) && matches!(number[6], 1..=6) && u32::from(number[11]) == check
}

/// Passports of Russia within the country: a region and a year in front.
pub(super) fn ru_passport(value: &str) -> bool {
    digits::<10>(value).is_some_and(|digits| number(&digits[..2]) > 0 && number(&digits[4..]) > 100)
}

/// Vehicle plates of Turkey: one of 81 provinces.
pub(super) fn tr_plate(value: &str) -> bool {
    numbers::<2>(&value.as_bytes()[..2.min(value.len())]).is_some_and(|digits| (1..=81).contains(&number(&digits)))
}
