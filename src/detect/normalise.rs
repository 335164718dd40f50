//! What characters stand for: compatible forms (full width, mathematical letters, circled ones) and look-alikes of
//! other scripts become ASCII, and what is not seen is left out. Tag characters, which mirror ASCII unseen, become what
//! they mirror.
//!
//! Text of other scripts is left as it is: only what stands for ASCII is of use to rules. Accents are kept, since
//! leaving them out makes no word another that a rule knows; marks that are set upon ASCII are left out.

use super::layers::map::Derived;
use super::layers::regions::{Regions, char_end};
use crate::model::Layer;
use std::ops::Range;
use std::sync::LazyLock;
use unicode_normalization::char::decompose_compatible;

/// What a character above ASCII stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// For itself.
    Same,
    /// For nothing that is seen.
    Unseen,
    /// For ASCII that is not seen.
    Tag(char),
    /// For a character of ASCII that it looks like.
    Like(char),
    /// For the ASCII that it is another form of.
    Form([u8; FORM_BYTES]),
}

/// Longest compatible form that is taken. `ﬃ` has three, the Roman numeral eight four.
const FORM_BYTES: usize = 4;

/// Characters of other scripts and what they look like in common typefaces. Of Unicode's confusables (UTS #39) these
/// are letters that people really put into Latin words; there are thousands more.
const LIKE: &[(&str, &str)] = &[
    // Latin beyond ASCII, and letters of phonetics.
    ("ɑɡıɩʏᴀᴄᴏᴠᴡᴢſƖ", "agiiYACOVWZsl"),
    // Greek.
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγικνορυϲϳ", "ABEZHIKMNOPTYXayikvopucj"),
    // Cyrillic.
    ("АВЕЅІЈКМНОРСТУХԌԚԜҮаеѕіјорсухһԁԛԝѵгкмнтв", "ABESIJKMHOPCTYXGQWYaesijopcyxhdqwvrkmhtb"),
    ("ӏӀ", "lI"),
    // Armenian.
    ("օսոհցՍՏՕ", "ounhgUSO"),
    // Cherokee.
    ("ᎪᏴᏟᎠᎬᎻᎥᎫᏦᏞᎷᏢᎡᏚᎢᏙᎳᏃ", "ABCDEHiJKLMPRSTVWZ"),
];

/// [`LIKE`] by the number of the character; 0 for all others.
static LIKE_BY_CODE: LazyLock<[u8; 0x2000]> = LazyLock::new(|| {
    let mut table = [0; 0x2000];
    for (from, to) in LIKE {
        from.chars().zip(to.bytes()).for_each(|(from, to)| table[from as usize] = to);
    }
    table
});

/// Whether a character is not seen: joining, direction, filling, and marks upon the character before.
fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || is_mark(character)
}

fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

fn stands_for(character: char) -> Stands {
    match character {
        '\u{e0020}'..='\u{e007e}' | '\u{e0009}' | '\u{e000a}' | '\u{e000d}' => {
            return Stands::Tag(char::from(character as u32 as u8));
        }
        _ if is_unseen(character) => return Stands::Unseen,
        '\u{2010}' | '\u{2011}' | '\u{2012}' | '\u{2013}' | '\u{2212}' => return Stands::Like('-'),
        '\u{2018}' | '\u{2019}' => return Stands::Like('\''),
        '\u{201c}' | '\u{201d}' => return Stands::Like('"'),
        _ => {}
    }
    match LIKE_BY_CODE.get(character as usize) {
        Some(&like) if like > 0 => Stands::Like(char::from(like)),
        _ => form(character),
    }
}

/// The compatible form, if it is ASCII.
fn form(character: char) -> Stands {
    let (mut form, mut length, mut ascii) = ([0; FORM_BYTES], 0, true);
    decompose_compatible(character, |piece| {
        ascii &= piece.is_ascii() && length < FORM_BYTES;
        if ascii {
            form[length] = piece as u8;
            length += 1;
        }
    });
    if ascii && length > 0 { Stands::Form(form) } else { Stands::Same }
}

/// Notes every character that may be in a value, or in words of English, to hide it. Text of other scripts, emoji and
/// typographic signs have none: what looks like ASCII counts beside ASCII only, and what is not seen between two
/// characters of ASCII.
pub(super) fn find(text: &str, regions: &mut Regions) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(next) = next_high(bytes, at) {
        at = next;
        let end = char_end(text, at + 1);
        if may_hide(bytes, at, end)
            && text[at..end].chars().next().is_some_and(|character| hides(text, at, end, character))
        {
            regions.sign(at..end);
        }
        at = end;
    }
}

/// The next byte above ASCII. Blocks without one are passed over as a whole.
fn next_high(bytes: &[u8], mut at: usize) -> Option<usize> {
    const BLOCK_BYTES: usize = 32;
    while bytes.get(at..at + BLOCK_BYTES).is_some_and(<[u8]>::is_ascii) {
        at += BLOCK_BYTES;
    }
    bytes[at..].iter().position(|byte| !byte.is_ascii()).map(|next| at + next)
}

/// By its first bytes alone, since most characters of most texts end here.
fn may_hide(bytes: &[u8], at: usize, end: usize) -> bool {
    match bytes[at] {
        // Two bytes: marks, and what stands beside ASCII.
        0xcc | 0xcd => true,
        0xc2..=0xdf => beside_ascii(bytes, at, end),
        // General punctuation, letter-like signs and circled letters, forms of full width.
        0xe2 => matches!(bytes[at + 1], 0x80 | 0x81 | 0x83 | 0x84 | 0x88 | 0x92 | 0x93),
        0xef => true,
        0xe1 | 0xe3 => beside_ascii(bytes, at, end),
        // Mathematical and enclosed letters, tags and selectors.
        0xf0 => matches!(bytes[at + 1..at + 3], [0x9d, 0x85 | 0x90..=0x9f] | [0x9f, 0x84..=0x86]),
        0xf3 => true,
        _ => false,
    }
}

fn beside_ascii(bytes: &[u8], at: usize, end: usize) -> bool {
    at > 0 && bytes[at - 1].is_ascii_alphanumeric() || bytes.get(end).is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether a blank parts two groups of a number, as word processors and pages keep them together: an ordinary blank of
/// other text hides nothing.
fn between_groups(bytes: &[u8], at: usize, end: usize) -> bool {
    let (Some(before), Some(after)) = (at.checked_sub(1).map(|before| bytes[before]), bytes.get(end)) else {
        return false;
    };
    before.is_ascii_alphanumeric()
        && after.is_ascii_alphanumeric()
        && (before.is_ascii_digit() || after.is_ascii_digit())
}

fn hides(text: &str, at: usize, end: usize, character: char) -> bool {
    let bytes = text.as_bytes();
    match stands_for(character) {
        Stands::Same => false,
        Stands::Tag(_) => true,
        Stands::Unseen => within_ascii(text, at, end, is_mark(character)),
        Stands::Like(like) => {
            like.is_ascii_alphabetic() && beside_ascii(bytes, at, end) || {
                like == '-' && !matches!(character, '\u{2012}' | '\u{2013}') && beside_ascii(bytes, at, end)
            }
        }
        // Signs of units, trade marks and powers are ordinary text.
        Stands::Form(form) => match form[0] {
            b' ' => form[1] == 0 && between_groups(bytes, at, end),
            byte if byte.is_ascii_alphanumeric() => form[1] == 0 && !matches!(character, '\u{80}'..='\u{209f}'),
            byte => byte.is_ascii_punctuation() && form[1] == 0 && beside_ascii(bytes, at, end),
        },
    }
}

/// Whether the nearest characters that are seen are ASCII and no blanks, to both sides; of a mark only that before it.
fn within_ascii(text: &str, at: usize, end: usize, mark: bool) -> bool {
    let seen = |character: &char| !is_unseen(*character);
    let ascii = |character: Option<char>| character.is_some_and(|character| character.is_ascii_graphic());
    // A long run of unseen characters is a sign by its first ones.
    const LOOK: usize = 64;
    let before = ascii(text[..at].chars().rev().take(LOOK).find(seen));
    before && (mark || ascii(text[end..].chars().take(LOOK).find(seen)))
}

/// Writes a region with every character as what it stands for.
pub(super) fn undo(text: &str, region: Range<usize>, derived: &mut Derived) {
    let mut copied = region.start;
    let mut after_ascii = false;
    for (offset, character) in text[region.clone()].char_indices() {
        if character.is_ascii() {
            after_ascii = true;
            continue;
        }
        let at = region.start + offset;
        let range = at..at + character.len_utf8();
        let stands = match stands_for(character) {
            // An accent that is set upon another script belongs to it.
            Stands::Unseen if is_mark(character) && !after_ascii => Stands::Same,
            stands => stands,
        };
        if stands == Stands::Same {
            after_ascii = false;
            continue;
        }
        derived.copy(text, copied..at);
        copied = range.end;
        match stands {
            Stands::Same => {}
            Stands::Unseen => derived.put("", range, Layer::Invisible),
            Stands::Tag(made) => derived.put_char(made, range, Layer::Invisible),
            Stands::Like(made) => derived.put_char(made, range, Layer::LookAlike),
            Stands::Form(form) => {
                let bytes = form.iter().position(|&byte| byte == 0).unwrap_or(FORM_BYTES);
                derived.put(std::str::from_utf8(&form[..bytes]).unwrap_or_default(), range, Layer::LookAlike);
            }
        }
    }
    derived.copy(text, copied..region.end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str) -> Derived {
        let mut derived = Derived::default();
        undo(text, 0..text.len(), &mut derived);
        derived
    }

    #[test]
    fn tables_are_pairs_of_one_to_one() {
        let mut known = std::collections::BTreeSet::new();
        for (from, to) in LIKE {
            assert_eq!(from.chars().count(), to.chars().count(), "{from}");
            assert!(from.chars().all(|character| !character.is_ascii() && known.insert(character)), "{from}");
            assert!(to.is_ascii());
        }
    }

    #[test]
    fn characters_become_what_they_stand_for() {
        let table = [
            ("ＡＫＩＡ１２＠", "AKIA12@"),
            ("𝐀𝓀𝕚Ⓐ①ﬁ", "AkiA1fi"),
            ("Іgnоrе аll", "Ignore all"),
            ("Ιgnοrе", "Ignore"),
            ("a\u{200b}b\u{202e}c\u{2066}d\u{ad}e\u{fe0f}f", "abcdef"),
            ("x\u{e0069}\u{e0067}\u{e007f}y", "xigy"),
            ("i\u{336}g\u{336}", "ig"),
            ("é日本 ü", "é日本 ü"),
            ("a\u{a0}b\u{2011}c…", "a b-c..."),
        ];
        for (text, expected) in table {
            assert_eq!(whole(text).text(), expected, "{text}");
        }
    }

    #[test]
    fn ordinary_text_of_any_script_has_no_signs() {
        let table = [
            "Le café a été très agréable – n’est-ce pas ? C’est l’œuvre « ancienne »…",
            "Собрание перенесено на четверг, поэтому календарь надо изменить.",
            "会议改到星期四，请修改日历（第３次）。：；",
            "क्षेत्र में नई योजना। مرحبا بالعالم می\u{200c}خواهم שלום\u{200f}!",
            "Great job 👩\u{200d}💻 ❤\u{fe0f}! 10 m² at 20 °C, ½ of it, Acme™ and №5",
            "2019–2020 was long—very long. “Quoted” ’tis",
        ];
        for text in table {
            let mut regions = Regions::default();
            find(text, &mut regions);
            let signs: Vec<&str> = regions.of(text).iter().map(|region| &text[region.clone()]).collect();
            let expected = usize::from(text.contains('３'));
            assert_eq!(signs.len(), expected, "{text}");
        }
    }

    #[test]
    fn what_hides_is_a_sign() {
        for text in [
            "A\u{200b}K",
            "4539\u{a0}1488",
            "FR76\u{202f}3000",
            "12\u{3000}34",
            "ＡＫ",
            "Іgnore",
            "a\u{e0069}",
            "gl\u{2011}pat",
            "𝐀",
            "A\u{202e}K",
            "i\u{336}g",
            "m＠a",
        ] {
            let mut regions = Regions::default();
            find(text, &mut regions);
            assert_eq!(regions.of(text).len(), 1, "{text}");
        }
    }

    proptest! {
        #[test]
        fn foreign_text_keeps_its_way_back(text in "(\\PC|[a-z\u{200b}\u{300}\u{e0041}ＡАﬁ]){0,60}") {
            find(&text, &mut Regions::default());
            whole(&text).assert_way_back(&text);
        }
    }
}
