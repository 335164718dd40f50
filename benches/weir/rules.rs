//! More rules than there are: the built-in ones again under other ids, with other literals of the same kind.
//!
//! Each copy exchanges letters for others of about the same frequency, in pattern and anchors alike, so that what was
//! true of the rule (its length, its digits, its literals) is true of the copy, and its literals are as rare. It finds
//! nothing that anybody would plant: only its cost is wanted.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Literal};
use serde_json::{Value, json};
use weir::rules::{BUILT_IN, Catalogue, PackFile, Rule, Trigger};

/// Letters in the order of their frequency in English. A copy takes each for one near it.
const BY_FREQUENCY: &[u8; 26] = b"etaoinshrdlcumwfgypbvkjxqz";

/// The built-in rules, `times` over.
pub fn catalogue(times: usize) -> Catalogue {
    let own = Catalogue::built_in();
    let packs: Vec<(String, String)> = (1..times).map(|copy| (format!("copy-{copy}"), pack(own, copy))).collect();
    let mut files = BUILT_IN.to_vec();
    files.extend(packs.iter().map(|(name, text)| PackFile { name, text }));
    let catalogue = Catalogue::load(&files).unwrap_or_else(|errors| panic!("a copied rule is broken: {errors}"));
    assert_eq!(catalogue.rules().len(), times * own.rules().len());
    catalogue
}

/// JSON is YAML too, but for control characters, which it need not escape.
fn pack(catalogue: &Catalogue, copy: usize) -> String {
    let rules: Vec<Value> = catalogue.rules().iter().map(|rule| copied(rule, copy)).collect();
    let json = json!({ "rules": rules }).to_string();
    json.chars().fold(String::with_capacity(json.len()), |mut yaml, character| {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => yaml += &format!("\\u{:04x}", character as u32),
            _ => yaml.push(character),
        }
        yaml
    })
}

fn copied(rule: &Rule, copy: usize) -> Value {
    let info = &rule.info;
    let validators: Vec<&str> = rule.validators.iter().map(|validator| validator.name()).collect();
    let mut written = json!({
        "id": format!("{}_{copy}", info.id),
        "version": 1,
        "title": rule.title,
        "description": rule.description,
        "category": info.category.name(),
        "type": info.type_name,
        "severity": info.severity.name(),
        "confidence": rule.confidence.as_f32(),
        "mask": "ends",
        // The parsed pattern has its case folded already, so the flag must not fold it again by Unicode's rules.
        "pattern": format!("(?u-i:{})", exchanged(&rule.shape.hir, copy)),
        "ignore_case": rule.ignore_case,
        "group": rule.group,
        "validators": validators,
        "stop_words": rule.stop_words,
        "taxonomy": [], "criteria": [], "references": [], "examples": [], "counter_examples": [],
    });
    match &rule.trigger {
        Trigger::Anchors(anchors) => {
            written["anchors"] = anchors.iter().map(|anchor| exchange_text(anchor, copy)).collect();
        }
        Trigger::AtSign => written["trigger"] = json!("at_sign"),
        Trigger::Digits => written["trigger"] = json!("digits"),
        Trigger::Token => written["trigger"] = json!("token"),
    }
    if let Some(least) = rule.entropy_min {
        written["entropy"] = json!(least);
    }
    if let Some(context) = &rule.context {
        written["context"] = json!({ "words": context.words, "confidence": context.confidence.as_f32() });
    }
    written
}

/// The letter that a copy has instead: so many places on among its group of neighbours in frequency.
fn exchange(letter: u8, copy: usize) -> u8 {
    const GROUP: usize = 13;
    let lower = letter.to_ascii_lowercase();
    let Some(place) = BY_FREQUENCY.iter().position(|&known| known == lower) else { return letter };
    let moved = BY_FREQUENCY[place / GROUP * GROUP + (place % GROUP + copy) % GROUP];
    if letter.is_ascii_uppercase() { moved.to_ascii_uppercase() } else { moved }
}

fn exchange_text(text: &str, copy: usize) -> String {
    text.chars().map(|c| if c.is_ascii() { char::from(exchange(c as u8, copy)) } else { c }).collect()
}

fn exchanged(hir: &Hir, copy: usize) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => hir.clone(),
        HirKind::Literal(Literal(bytes)) => {
            Hir::literal(bytes.iter().map(|&byte| exchange(byte, copy)).collect::<Vec<u8>>())
        }
        HirKind::Class(class) => Hir::class(exchanged_class(class, copy)),
        HirKind::Repetition(repetition) => {
            let mut repetition = repetition.clone();
            repetition.sub = Box::new(exchanged(&repetition.sub, copy));
            Hir::repetition(repetition)
        }
        HirKind::Capture(capture) => {
            let mut capture = capture.clone();
            capture.sub = Box::new(exchanged(&capture.sub, copy));
            Hir::capture(capture)
        }
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(|part| exchanged(part, copy)).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(|part| exchanged(part, copy)).collect()),
    }
}

/// A class with more characters is no choice of letters but a kind of them, such as hexadecimal digits, and is kept.
const CHOICE_MAX: usize = 15;

fn exchanged_class(class: &Class, copy: usize) -> Class {
    match class {
        Class::Bytes(bytes) if bytes.ranges().iter().map(ClassBytesRange::len).sum::<usize>() <= CHOICE_MAX => {
            let all = bytes.ranges().iter().flat_map(|range| range.start()..=range.end());
            let moved = all.map(|byte| exchange(byte, copy)).map(|byte| ClassBytesRange::new(byte, byte));
            Class::Bytes(ClassBytes::new(moved))
        }
        Class::Unicode(unicode) if unicode.ranges().iter().map(ClassUnicodeRange::len).sum::<usize>() <= CHOICE_MAX => {
            let all = unicode.ranges().iter().flat_map(|range| range.start()..=range.end());
            let moved = all.map(|c| if c.is_ascii() { char::from(exchange(c as u8, copy)) } else { c });
            Class::Unicode(ClassUnicode::new(moved.map(|c| ClassUnicodeRange::new(c, c))))
        }
        kept => kept.clone(),
    }
}
