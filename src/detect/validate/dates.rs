//! Days as people write them, in figures and in words.
//!
//! Whose birthday it is, if it is one, the words near by say: that is no matter of this file.

use super::checksum::is_date;

/// Months by the first three letters of their names, in the languages whose names begin alike.
const MONTHS: &[(&str, u64)] = &[
    ("jan", 1),
    ("ene", 1),
    ("gen", 1),
    ("feb", 2),
    ("fév", 2),
    ("fev", 2),
    ("mar", 3),
    ("mär", 3),
    ("mrz", 3),
    ("maa", 3),
    ("apr", 4),
    ("avr", 4),
    ("abr", 4),
    ("may", 5),
    ("mai", 5),
    ("maj", 5),
    ("mei", 5),
    ("mag", 5),
    ("jun", 6),
    ("giu", 6),
    ("jul", 7),
    ("lug", 7),
    ("aug", 8),
    ("aoû", 8),
    ("ago", 8),
    ("sep", 9),
    ("set", 9),
    ("oct", 10),
    ("okt", 10),
    ("ott", 10),
    ("out", 10),
    ("nov", 11),
    ("dec", 12),
    ("déc", 12),
    ("dez", 12),
    ("dic", 12),
    ("dei", 12),
];

/// A day between 1880 and 2099, with the year in front or at the end; of two digits it may be of any century. Day and
/// month may stand in either order, and the month may be a word.
pub(super) fn date(value: &str) -> bool {
    let lower = value.to_lowercase();
    let numbers: Vec<&str> = lower.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty()).collect();
    let word = MONTHS.iter().find(|(name, _)| lower.contains(name)).map(|&(_, month)| month);
    let parsed: Vec<u64> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    let year_of = |at: usize| match numbers[at].len() {
        4 if (1880..2100).contains(&parsed[at]) => Some(parsed[at]),
        2 => Some(2000 + parsed[at]),
        _ => None,
    };
    match (&parsed[..], word) {
        (&[day, _], Some(month)) => year_of(1).is_some_and(|year| is_date(year, month, day)),
        (&[a, b, c], None) => {
            let last = year_of(2).is_some_and(|year| is_date(year, b, a) || is_date(year, a, b));
            last || numbers[0].len() == 4 && year_of(0).is_some_and(|year| is_date(year, b, c))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_are_told_from_numbers() {
        for (value, expected) in [
            ("12/05/1984", true),
            ("05/21/84", true),
            ("1984-12-05", true),
            ("5 May 1984", true),
            ("May 5th, 1984", true),
            ("3 février 1970", true),
            ("1970年2月3日", true),
            ("31/02/1984", false),
            ("1984-13-05", false),
            ("12/05/1784", false),
        ] {
            assert_eq!(date(value), expected, "{value}");
        }
    }
}
