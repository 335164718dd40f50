//! Numbers that the states of the Americas give to people, firms and banks.
//!
//! Well formed is all that is asked: not whether a number was ever given out.

use super::checksum::{alphanumerics, digits, is_uniform, is_yymmdd, luhn, number, value_of, weighted};

/// Individual taxpayer identification number. IRS: area 900–999, groups 50–65, 70–88, 90–92, 94–99.
pub(super) fn us_itin(value: &str) -> bool {
    let Some(number) = digits::<9>(value) else { return false };
    let group = number[3] * 10 + number[4];
    number[0] == 9 && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// National provider identifier. CMS: Luhn over the number behind the prefix 80840, and a 1 or 2 in front.
pub(super) fn us_npi(value: &str) -> bool {
    let Some(number) = digits::<10>(value) else { return false };
    matches!(number[0], 1 | 2) && luhn(&[&[8, 0, 8, 4, 0], &number[..]].concat())
}

/// Bank routing number. American Bankers Association: weights 3 7 1; the first two digits name a Federal Reserve district.
pub(super) fn aba_routing(value: &str) -> bool {
    let Some(number) = digits::<9>(value) else { return false };
    let district = number[0] * 10 + number[1];
    matches!(district, 1..=12 | 21..=32 | 61..=72 | 80)
        && weighted(&number, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
        && !is_uniform(&number)
}

/// Registration of the Drug Enforcement Administration (21 CFR 1301): the odd digits and twice the even ones end in the last.
pub(super) fn us_dea(value: &str) -> bool {
    let Some(text) = alphanumerics::<9>(value) else { return false };
    let Some(number) = super::checksum::numbers::<7>(&text[2..]) else { return false };
    weighted(&number, &[1, 2, 1, 2, 1, 2]) % 10 == u32::from(number[6])
}

/// Social insurance number of Canada (CRA): Luhn; no province gives out 0 or 8.
pub(super) fn ca_sin(value: &str) -> bool {
    digits::<9>(value).is_some_and(|number| !matches!(number[0], 0 | 8) && luhn(&number) && !is_uniform(&number))
}

/// Registro de personas físicas of Brazil (Receita Federal): two remainders by 11.
pub(super) fn br_cpf(value: &str) -> bool {
    let Some(number) = digits::<11>(value) else { return false };
    let check = |body: usize| {
        let sum: u32 = (0..body).map(|at| u32::from(number[at]) * (body as u32 + 1 - at as u32)).sum();
        u32::from(number[body]) == sum * 10 % 11 % 10
    };
    check(9) && check(10) && !is_uniform(&number)
}

/// Registro de pessoas jurídicas of Brazil (Receita Federal): letters count by their ASCII code less 48 since 2026.
pub(super) fn br_cnpj(value: &str) -> bool {
    let Some(text) = alphanumerics::<14>(value) else { return false };
    let number: [u8; 14] = text.map(|byte| byte - b'0');
    let check = |weights: &[u32]| match weighted(&number, weights) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    u32::from(number[12]) == check(&[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])
        && u32::from(number[13]) == check(&[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])
        && !is_uniform(&number[..12])
}

/// Clave única de registro de población of Mexico (RENAPO): a date, a state, and a digit over an alphabet with Ñ.
pub(super) fn mx_curp(value: &str) -> bool {
    let Some(text) = alphanumerics::<18>(value) else { return false };
    let Some(date) = super::checksum::numbers::<6>(&text[4..10]) else { return false };
    // Ñ stands between N and O.
    let value = |byte: u8| value_of(byte) + u32::from(byte > b'N');
    let sum: u32 = text[..17].iter().zip(2..=18).map(|(&byte, weight)| value(byte) * (20 - weight)).sum();
    is_yymmdd(&date) && u32::from(text[17].wrapping_sub(b'0')) == (10 - sum % 10) % 10
}

/// Registro federal de contribuyentes of Mexico (SAT), of people and firms: a date, and a remainder by 11.
pub(super) fn mx_rfc(value: &str) -> bool {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ #";
    let text: Vec<u8> =
        value.bytes().filter(|byte| !matches!(byte, b' ' | b'-')).map(|b| b.to_ascii_uppercase()).collect();
    if !(12..=13).contains(&text.len()) {
        return false;
    }
    let letters = text.len() - 9;
    let date = super::checksum::numbers::<6>(&text[letters..letters + 6]);
    // Firms have three letters: as if a blank stood before them.
    let padded = [&b" "[..13 - text.len()], &text[..]].concat();
    let place = |byte: &u8| ALPHABET.iter().position(|known| known == byte).unwrap_or(0) as u32;
    let sum: u32 = padded[..12].iter().zip(2..=13).map(|(byte, weight)| place(byte) * (15 - weight)).sum();
    let check = match 11 - sum % 11 {
        11 => b'0',
        10 => b'A',
        digit => b'0' + digit as u8,
    };
    date.is_some_and(|date| is_yymmdd(&date)) && text.last() == Some(&check)
}

/// Código único of Argentina (AFIP): a type, a document, and a remainder by 11.
pub(super) fn ar_cuit(value: &str) -> bool {
    let Some(number) = digits::<11>(value) else { return false };
    let kind = number[0] * 10 + number[1];
    let check = match 11 - weighted(&number, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        11 => 0,
        10 => 9,
        digit => digit,
    };
    matches!(kind, 20 | 23..=27 | 30 | 33 | 34 | 50 | 51 | 55) && u32::from(number[10]) == check
}

/// Rol único of Chile (Registro Civil): weights 2 to 7 from the right, a remainder by 11, K for ten.
pub(super) fn cl_rut(value: &str) -> bool {
    let text: Vec<u8> = value.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase()).collect();
    let Some((check, body)) = text.split_last().filter(|(_, body)| (7..=8).contains(&body.len())) else { return false };
    let sum: u32 = body.iter().rev().zip([2, 3, 4, 5, 6, 7, 2, 3]).map(|(&byte, weight)| value_of(byte) * weight).sum();
    let expected = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        digit => b'0' + digit as u8,
    };
    *check == expected && !is_uniform(body)
}

/// Número de identificación tributaria of Colombia (DIAN): primes as weights, a remainder by 11.
pub(super) fn co_nit(value: &str) -> bool {
    let Some(number) = digits::<10>(value) else { return false };
    let body: Vec<u8> = number[..9].iter().rev().copied().collect();
    let rest = weighted(&body, &[3, 7, 13, 17, 19, 23, 29, 37, 41]) % 11;
    u32::from(number[9]) == if rest < 2 { rest } else { 11 - rest }
}

/// Registro único of Peru (SUNAT): a type, and a remainder by 11.
pub(super) fn pe_ruc(value: &str) -> bool {
    let Some(number) = digits::<11>(value) else { return false };
    let kind = number[0] * 10 + number[1];
    let check = (11 - weighted(&number, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 10;
    matches!(kind, 10 | 15 | 16 | 17 | 20) && u32::from(number[10]) == check
}

/// Cédula de identidad of Ecuador (Registro Civil): a province, and Luhn.
pub(super) fn ec_cedula(value: &str) -> bool {
    let Some(number) = digits::<10>(value) else { return false };
    matches!(number[0] * 10 + number[1], 1..=24 | 30) && number[2] < 6 && luhn(&number)
}

/// Cédula de identidad of Uruguay (DNIC): weights 2 9 8 7 6 3 4, a remainder by 10.
pub(super) fn uy_ci(value: &str) -> bool {
    let Some(number) = digits::<8>(value) else { return false };
    (10 - weighted(&number, &[2, 9, 8, 7, 6, 3, 4]) % 10) % 10 == u32::from(number[7]) && !is_uniform(&number)
}

/// Cédula of the Dominican Republic (JCE): Luhn over eleven digits.
pub(super) fn do_cedula(value: &str) -> bool {
    digits::<11>(value).is_some_and(|digits| luhn(&digits) && number(&digits[..3]) > 0 && number(&digits[..3]) < 500)
}
