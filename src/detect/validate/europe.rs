//! Numbers that the states of western and northern Europe give to people and firms.
//!
//! Well formed is all that is asked: not whether a number was ever given out.

use super::checksum::{
    alphanumerics, digits, is_date, is_ddmmyy, is_uniform, is_yymmdd, luhn, mod_11_10, mod_97, number, numbers,
    value_of, verhoeff, weighted,
};

/// National health service number of England: weights 10 to 2, a remainder by 11.
pub(super) fn uk_nhs(value: &str) -> bool {
    let Some(number) = digits::<10>(value) else { return false };
    let check = (11 - weighted(&number, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    u32::from(number[9]) == check && !is_uniform(&number)
}

/// National insurance number: HMRC gives out no D F I Q U V in front, no O second, and none of some pairs.
pub(super) fn uk_nino(value: &str) -> bool {
    let Some(text) = alphanumerics::<9>(value) else { return false };
    let pair = &text[..2];
    !matches!(pair, b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ")
        && !b"DFIQUV".contains(&pair[0])
        && !b"DFIOQUV".contains(&pair[1])
        && (b'A'..=b'D').contains(&text[8])
}

/// Unique taxpayer reference (HMRC): weights 6 7 8 9 10 5 4 3 2 behind the check digit.
pub(super) fn uk_utr(value: &str) -> bool {
    let Some(number) = digits::<10>(value) else { return false };
    let rest = weighted(&number[1..], &[6, 7, 8, 9, 10, 5, 4, 3, 2]) % 11;
    b"21987654321"[rest as usize] == number[0] + b'0' && !is_uniform(&number)
}

/// Driving licence (DVLA): a month (51 to 62 for women) and a day within the digits of the date.
pub(super) fn uk_driving_licence(value: &str) -> bool {
    let Some(text) = alphanumerics::<16>(value) else { return false };
    let Some(date) = numbers::<6>(&text[5..11]) else { return false };
    let (month, day) = (number(&date[1..3]) % 50, number(&date[3..5]));
    is_date(2000, month, day) && number(&date[1..3]) < 63
}

/// Personal public service number of Ireland: weights 8 to 2, 9 for the second letter, a remainder by 23.
pub(super) fn ie_pps(value: &str) -> bool {
    let text = value.as_bytes();
    let Some(number) = digits::<7>(value).filter(|_| matches!(text.len(), 8 | 9)) else { return false };
    let second = text.get(8).map_or(0, |byte| match byte.to_ascii_uppercase() {
        b'W' => 0,
        letter => u32::from(letter.wrapping_sub(b'A')) + 1,
    });
    let rest = (weighted(&number, &[8, 7, 6, 5, 4, 3, 2]) + 9 * second) % 23;
    b"WABCDEFGHIJKLMNOPQRSTUV"[rest as usize] == text[7].to_ascii_uppercase()
}

/// Steuerliche Identifikationsnummer (BZSt): ISO 7064; among the first ten digits one stands twice or thrice, the others once.
pub(super) fn de_tax_id(value: &str) -> bool {
    let Some(number) = digits::<11>(value) else { return false };
    let mut counts = [0; 10];
    number[..10].iter().for_each(|&digit| counts[usize::from(digit)] += 1);
    let repeated = counts.iter().filter(|count| **count > 1).count();
    number[0] != 0 && repeated == 1 && counts.iter().all(|count| *count <= 3) && mod_11_10(&number)
}

/// Rentenversicherungsnummer (VKVV § 4): a date, a letter as two digits, digit sums of products.
pub(super) fn de_social_security(value: &str) -> bool {
    let Some(text) = alphanumerics::<12>(value) else { return false };
    let letter = value_of(text[8]).wrapping_sub(9);
    let (Some(head), Some(tail)) = (numbers::<8>(&text[..8]), numbers::<3>(&text[9..])) else { return false };
    if !(1..=26).contains(&letter) {
        return false;
    }
    let all = [&head[..], &[(letter / 10) as u8, (letter % 10) as u8], &tail[..2]].concat();
    let sums = all.iter().zip([2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1]).map(|(&digit, weight)| {
        let product = u32::from(digit) * weight;
        product / 10 + product % 10
    });
    // Days are raised by 50 when a number was given twice.
    let (day, month) = (number(&head[2..4]), number(&head[4..6]));
    let day = if day > 50 { day - 50 } else { day };
    is_date(2000, month, day) && sums.sum::<u32>() % 10 == u32::from(tail[2])
}

/// Krankenversichertennummer (SGB V § 290): a letter as two digits, digit sums of products by 1 and 2.
pub(super) fn de_health_insurance(value: &str) -> bool {
    let Some(text) = alphanumerics::<10>(value) else { return false };
    let letter = value_of(text[0]).wrapping_sub(9);
    let Some(tail) = numbers::<9>(&text[1..]) else { return false };
    let all = [&[(letter / 10) as u8, (letter % 10) as u8], &tail[..]].concat();
    let sums = all[..10].iter().zip([1, 2].into_iter().cycle()).map(|(&digit, weight)| {
        let product = u32::from(digit) * weight;
        product / 10 + product % 10
    });
    (1..=26).contains(&letter) && sums.sum::<u32>() % 10 == u32::from(all[10])
}

/// Identity cards and passports with the check digit of ICAO 9303: weights 7 3 1 over digits and letters.
pub(super) fn icao_check(value: &str) -> bool {
    let text: Vec<u8> = value.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase()).collect();
    let Some((check, body)) = text.split_last() else { return false };
    let sum: u32 = body.iter().zip([7, 3, 1].into_iter().cycle()).map(|(&byte, weight)| value_of(byte) * weight).sum();
    check.is_ascii_digit() && sum % 10 == value_of(*check)
}

/// Lebenslange Arztnummer (KBV): weights 4 9 over six digits, the complement to ten, two digits of a specialty.
pub(super) fn de_lanr(value: &str) -> bool {
    let Some(number) = digits::<9>(value) else { return false };
    (10 - weighted(&number, &[4, 9, 4, 9, 4, 9]) % 10) % 10 == u32::from(number[6]) && number[7..] != [0, 0]
}

/// Umsatzsteuer-Identifikationsnummer (BZSt): ISO 7064 over nine digits.
pub(super) fn de_vat_id(value: &str) -> bool {
    digits::<9>(value).is_some_and(|number| number[0] != 0 && mod_11_10(&number))
}

/// Sozialversicherungsnummer of Austria: weights 3 7 9, 5 8 4 2 1 6, a remainder by 11 as fourth digit; a date.
pub(super) fn at_svnr(value: &str) -> bool {
    let Some(number) = digits::<10>(value) else { return false };
    let sum = weighted(&number, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    // The month is raised when the serial numbers of a day run out.
    let date = is_ddmmyy(&number[4..]) || matches!(number[6] * 10 + number[7], 13..=15);
    number[0] != 0 && date && sum % 11 == u32::from(number[3])
}

/// Numbers of GS1 with a check digit of weights 3 and 1 from the right: the AHV number of Switzerland begins with 756.
pub(super) fn ch_ahv(value: &str) -> bool {
    let Some(number) = digits::<13>(value) else { return false };
    number[..3] == [7, 5, 6] && weighted(&number, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

/// Unternehmens-Identifikationsnummer of Switzerland (BFS): weights 5 4 3 2 7 6 5 4, a remainder by 11.
pub(super) fn ch_uid(value: &str) -> bool {
    let Some(number) = digits::<9>(value) else { return false };
    (11 - weighted(&number, &[5, 4, 3, 2, 7, 6, 5, 4]) % 11) % 11 == u32::from(number[8])
}

/// Numéro d'inscription au répertoire of France (INSEE): sex, month, department (2A and 2B as 19 and 18), 97 less the remainder.
pub(super) fn fr_nir(value: &str) -> bool {
    let Some(mut text) = alphanumerics::<15>(value) else { return false };
    match &text[5..7] {
        b"2A" => text[5..7].copy_from_slice(b"19"),
        b"2B" => text[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    let Some(digits) = numbers::<15>(&text) else { return false };
    let month = number(&digits[3..5]);
    matches!(digits[0], 1..=4 | 7 | 8)
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && 97 - number(&digits[..13]) % 97 == number(&digits[13..])
}

/// SIREN of France (INSEE): Luhn over nine digits.
pub(super) fn fr_siren(value: &str) -> bool {
    digits::<9>(value).is_some_and(|number| luhn(&number) && !is_uniform(&number))
}

/// SIRET of France (INSEE): Luhn over fourteen digits and over the nine of its SIREN; La Poste sums to a multiple of 5.
pub(super) fn fr_siret(value: &str) -> bool {
    let Some(number) = digits::<14>(value) else { return false };
    let post = number[..9] == [3, 5, 6, 0, 0, 0, 0, 0, 0] && number.iter().sum::<u8>().is_multiple_of(5);
    luhn(&number[..9]) && (luhn(&number) || post) && !is_uniform(&number)
}

/// Numéro fiscal of France (DGFiP): the remainder of ten digits by 511 in three.
pub(super) fn fr_tax_id(value: &str) -> bool {
    digits::<13>(value).is_some_and(|digits| {
        digits[0] < 4 && number(&digits[..10]) % 511 == number(&digits[10..]) && !is_uniform(&digits)
    })
}

/// Rijksregisternummer of Belgium: a date, 97 less the remainder; a 2 stands before the digits of those born since 2000.
pub(super) fn be_nrn(value: &str) -> bool {
    let Some(digits) = digits::<11>(value) else { return false };
    let (body, check) = (number(&digits[..9]), number(&digits[9..]));
    // Months are raised by 20 or 40 for those who are not in the register; a day or month may be unknown.
    let (month, day) = (number(&digits[2..4]) % 20, number(&digits[4..6]));
    let date = month <= 12 && day <= 31 && !is_uniform(&digits[..6]);
    date && (97 - body % 97 == check || 97 - (2_000_000_000 + body) % 97 == check)
}

/// Ondernemingsnummer of Belgium: 97 less the remainder of eight digits.
pub(super) fn be_enterprise(value: &str) -> bool {
    digits::<10>(value).is_some_and(|digits| {
        digits[0] < 2 && 97 - number(&digits[..8]) % 97 == number(&digits[8..]) && !is_uniform(&digits[1..])
    })
}

/// Burgerservicenummer of the Netherlands: weights 9 to 2 and −1, a multiple of 11.
pub(super) fn nl_bsn(value: &str) -> bool {
    let Some(number) = digits::<9>(value) else { return false };
    // 10 stands for −1.
    weighted(&number, &[9, 8, 7, 6, 5, 4, 3, 2, 10]).is_multiple_of(11) && !is_uniform(&number)
}

/// Matricule of Luxembourg (CTIE): a date, then Luhn and Verhoeff over the same eleven digits.
pub(super) fn lu_matricule(value: &str) -> bool {
    let Some(number) = digits::<13>(value) else { return false };
    let verhoeffs = [&number[..11], &number[12..]].concat();
    super::checksum::is_yyyymmdd(&number[..8]) && luhn(&number[..12]) && verhoeff(&verhoeffs)
}

/// Documento and número de extranjero of Spain: the remainder by 23 names a letter; X, Y, Z stand for 0, 1, 2.
pub(super) fn es_nif(value: &str) -> bool {
    let text: Vec<u8> = value.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase()).collect();
    let Some((check, body)) = text.split_last().filter(|(_, body)| (7..=8).contains(&body.len())) else { return false };
    let digit = |byte: &u8| match byte {
        b'X' | b'Y' | b'Z' => byte - b'X',
        other => other.wrapping_sub(b'0'),
    };
    let body: Vec<u8> = body.iter().map(digit).collect();
    let rest = (number(&body) % 23) as usize;
    b"TRWAGMYFPDXBNJZSQVHLCKE"[rest] == *check
}

/// Código de identificación of firms in Spain: Luhn over seven digits, as a digit or a letter.
pub(super) fn es_cif(value: &str) -> bool {
    let Some(text) = alphanumerics::<9>(value) else { return false };
    let Some(body) = numbers::<7>(&text[1..8]) else { return false };
    let check = (0..10u8).find(|&digit| luhn(&[&body[..], &[digit]].concat())).unwrap_or(0);
    text[8] == b'0' + check || text[8] == b"JABCDEFGHI"[usize::from(check)]
}

/// Número de la seguridad social of Spain: the remainder of the first ten digits by 97.
pub(super) fn es_nss(value: &str) -> bool {
    let Some(digits) = digits::<12>(value) else { return false };
    let (province, serial) = (number(&digits[..2]), number(&digits[2..10]));
    let body = if serial < 10_000_000 { province * 10_000_000 + serial } else { province * 100_000_000 + serial };
    (1..=66).contains(&province) && body % 97 == number(&digits[10..])
}

/// Número de identificação fiscal of Portugal: weights 9 to 2, a remainder by 11.
pub(super) fn pt_nif(value: &str) -> bool {
    let Some(number) = digits::<9>(value) else { return false };
    let check = (11 - weighted(&number, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11 % 10;
    number[0] != 0 && u32::from(number[8]) == check && !is_uniform(&number)
}

/// Cartão de cidadão of Portugal: Luhn over digits and letters.
pub(super) fn pt_cc(value: &str) -> bool {
    let Some(text) = alphanumerics::<12>(value) else { return false };
    let sum: u32 = text
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &byte)| {
            let weighted = value_of(byte) << (place % 2);
            if place % 2 == 1 && weighted > 9 { weighted - 9 } else { weighted }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Codice fiscale of Italy (DM 23/12/1976): odd places by a table, even ones by their value; digits may be letters.
pub(super) fn it_fiscal_code(value: &str) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let Some(text) = alphanumerics::<16>(value) else { return false };
    let plain = |byte: u8| if byte.is_ascii_digit() { value_of(byte) } else { value_of(byte) - 10 };
    let sum: u32 = text[..15]
        .iter()
        .enumerate()
        .map(|(place, &byte)| if place % 2 == 0 { ODD[plain(byte) as usize] } else { plain(byte) })
        .sum();
    u32::from(text[15]) == u32::from(b'A') + sum % 26
}

/// Partita IVA of Italy (Agenzia delle Entrate): Luhn over eleven digits.
pub(super) fn it_vat(value: &str) -> bool {
    digits::<11>(value).is_some_and(|digits| luhn(&digits) && number(&digits[..7]) > 0)
}

/// Personnummer and samordningsnummer of Sweden (Skatteverket): a date (days may be raised by 60), Luhn over ten digits.
pub(super) fn se_personnummer(value: &str) -> bool {
    let ten: Option<[u8; 10]> = digits::<10>(value).or_else(|| {
        let twelve = digits::<12>(value).filter(|number| matches!(number[..2], [1, 8 | 9] | [2, 0]))?;
        let ten = twelve[2..].try_into().ok()?;
        let (year, [month, day]) = (number(&twelve[..4]), [&twelve[4..6], &twelve[6..8]].map(number));
        is_date(year, month, day % 60).then_some(ten)
    });
    let Some(number) = ten else { return false };
    let mut date = number;
    if date[4] >= 6 {
        date[4] -= 6;
    }
    is_yymmdd(&date) && luhn(&number)
}

/// Organisationsnummer of Sweden (Bolagsverket): the third digit is at least 2, so that it is no date; Luhn. With 2 begin
/// those of the state (2021), municipalities (2120) and their unions (2220), regions (2321), and parishes (2520).
pub(super) fn se_orgnummer(value: &str) -> bool {
    let Some(digits) = digits::<10>(value) else { return false };
    let series = number(&digits[..4]);
    let is_given = match digits[0] {
        0 | 4 => false,
        2 => matches!(series, 2020 | 2021 | 2120 | 2220 | 2320 | 2321 | 2420 | 2520 | 2620),
        _ => true,
    };
    is_given && digits[2] >= 2 && luhn(&digits)
}

/// Fødselsnummer and D-nummer of Norway (Skatteetaten): a date (days of D numbers raised by 40), two remainders by 11.
pub(super) fn no_fodselsnummer(value: &str) -> bool {
    let Some(number) = digits::<11>(value) else { return false };
    let mut date = number;
    if date[0] >= 4 {
        date[0] -= 4;
    }
    is_ddmmyy(&date)
        && weighted(&number, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && weighted(&number, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// Organisasjonsnummer of Norway (Brønnøysund): weights 3 2 7 6 5 4 3 2, a remainder by 11; it begins with 8 or 9.
pub(super) fn no_orgnr(value: &str) -> bool {
    digits::<9>(value).is_some_and(|number| {
        matches!(number[0], 8 | 9) && weighted(&number, &[3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
    })
}

/// CPR-nummer of Denmark: a date. Its remainder by 11 has not been kept to since 2007.
pub(super) fn dk_cpr(value: &str) -> bool {
    digits::<10>(value).is_some_and(|number| is_ddmmyy(&number) && !is_uniform(&number[6..]))
}

/// CVR-nummer of Denmark (Erhvervsstyrelsen): weights 2 7 6 5 4 3 2 1, a multiple of 11.
pub(super) fn dk_cvr(value: &str) -> bool {
    digits::<8>(value)
        .is_some_and(|number| number[0] != 0 && weighted(&number, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11))
}

/// Henkilötunnus of Finland (DVV): a date, a sign of the century, the remainder of nine digits by 31 as a character.
pub(super) fn fi_hetu(value: &str) -> bool {
    let text = value.as_bytes();
    let (Some(date), Some(serial)) = (text.get(..6).and_then(numbers::<6>), text.get(7..10).and_then(numbers::<3>))
    else {
        return false;
    };
    let rest = number(&[&date[..], &serial[..]].concat()) % 31;
    let check = b"0123456789ABCDEFHJKLMNPRSTUVWXY"[rest as usize];
    text.len() == 11 && is_ddmmyy(&date) && number(&serial) >= 2 && check == text[10].to_ascii_uppercase()
}

/// Y-tunnus of Finland (PRH): weights 7 9 10 5 8 4 2, a remainder by 11.
pub(super) fn fi_business_id(value: &str) -> bool {
    digits::<8>(value).is_some_and(|number| weighted(&number, &[7, 9, 10, 5, 8, 4, 2, 1]).is_multiple_of(11))
}

/// Kennitala of Iceland (Þjóðskrá): a date, weights 3 2 7 6 5 4 3 2, a remainder by 11, a sign of the century.
pub(super) fn is_kennitala(value: &str) -> bool {
    let Some(number) = digits::<10>(value) else { return false };
    let mut date = number;
    if date[0] >= 4 {
        date[0] -= 4;
    }
    is_ddmmyy(&date)
        && matches!(number[9], 0 | 8 | 9)
        && weighted(&number, &[3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// Legal entity identifier (ISO 17442): ISO 7064 over twenty characters leaves 1 when divided by 97.
pub(super) fn lei(value: &str) -> bool {
    value.len() == 20 && mod_97(value.bytes().map(|byte| byte.to_ascii_uppercase())) == 1
}
