//! What can be known of a pattern without running it: how long a match may be, how many digits it has at least,
//! and whether every match contains one of the rule's literals. On these three rest the windows and gates of the
//! scanner: what is proved here is what lets it look at a few bytes instead of all of them.
//!
//! Patterns are ASCII by default: `\b`, `\d`, `\w`, `\s` and case folding know ASCII only, so that `(?i)k` is not
//! also the Kelvin sign, which no literal search would find. A class that may hold any character asks for it:
//! `(?u:[^\n])`.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};
use std::collections::BTreeSet;

/// Most texts that are followed for one stretch of a pattern. Past it the proof gives up on that stretch.
const TEXTS_MAX: usize = 512;

/// Longest text that is followed, in bytes; anchors are shorter.
const TEXT_MAX_BYTES: usize = 128;

/// Most bytes that a bounded pattern may match. Longer ones say `+` and are searched in the whole part.
pub const BOUND_MAX_BYTES: usize = 4_096;

/// What joins a name to its value: the rest of the name, the quote that closes it, an operator or a blank, and what
/// opens the value.
const IS: &str = concat!(
    r#"[\w.\t -]{0,24}?[\\"'`)\]]{0,3}\s{0,4}(?::\s?[\w.<>]{1,16}\s{0,2})?"#,
    r#"(?:=>|:{1,3}=|\?=|==|\|\|?|\?\?|[:=,(>\s])\s{0,4}[\\"'`({\[<=]{0,4}(?:(?i:bearer|token|basic)\s)?"#
);

/// What may stand between a name and a value that is near it, and as little of it as there is.
const NEAR: &str = r"[\x20-\x7E\s]{0,60}?";

/// Writes the short forms of a pattern out: `{{is}}` and `{{near}}`.
pub fn expand(pattern: &str) -> Result<String, String> {
    let mut parts = pattern.split("{{");
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (name, rest) = part.split_once("}}").ok_or("a `{{` has no `}}`; write `\\{\\{` for two braces")?;
        text.push_str(match name {
            "is" => IS,
            "near" => NEAR,
            _ => return Err(format!("there is no `{{{{{name}}}}}`, only `{{{{is}}}}` and `{{{{near}}}}`")),
        });
        text.push_str(rest);
    }
    Ok(text)
}

/// Most pieces of a pattern once its repetitions are written out. It bounds what building its automaton takes, which
/// happens in the stream: the largest is some megabytes and milliseconds.
const PIECES_MAX: usize = 50_000;

/// A parsed pattern and what is known of it.
#[derive(Clone, Debug)]
pub struct Shape {
    pub hir: Hir,
    /// Longest match in bytes; `None` when there is no bound.
    pub longest_bytes: Option<usize>,
    /// Digits that every match has at least.
    pub digits_min: usize,
    /// Length of the stretch of token characters ([`is_token`]) that every match contains at least.
    pub token_min_bytes: usize,
    /// The same of a stretch of letters and digits only.
    pub plain_min_bytes: usize,
    /// Most bytes of a match before and behind that stretch, where a piece of the pattern is known to be it; a match lies
    /// so near to a stretch of its text. It is one of letters and digits when [`Shape::is_plain`].
    pub around_bytes: Option<(usize, usize)>,
    /// Explicit captures.
    pub groups: usize,
}

impl Shape {
    /// Parses and measures. The error is for people and names the place in the pattern.
    pub fn of(pattern: &str, ignore_case: bool) -> Result<Shape, String> {
        let mut parser = ParserBuilder::new().unicode(false).utf8(true).case_insensitive(ignore_case).build();
        let hir = parser.parse(pattern).map_err(|error| one_line(&error))?;
        let pieces = pieces(&hir);
        if pieces > PIECES_MAX {
            return Err(format!("written out it has {pieces} pieces, and at most {PIECES_MAX} are allowed"));
        }
        let properties = hir.properties();
        match properties.minimum_len() {
            None => return Err("it can match nothing".into()),
            Some(0) => return Err("it matches the empty text".into()),
            Some(_) => {}
        }
        let longest_bytes = properties.maximum_len();
        if longest_bytes.is_some_and(|longest| longest > BOUND_MAX_BYTES) {
            return Err(format!("it matches up to {} bytes", longest_bytes.unwrap_or_default()));
        }
        Ok(Shape::measured(hir))
    }

    fn measured(hir: Hir) -> Shape {
        let (longest_bytes, groups) = (hir.properties().maximum_len(), hir.properties().explicit_captures_len());
        let digits_min = digits_min(&hir);
        let token_min_bytes = Stretch::of(&hir, is_token).longest;
        let plain_min_bytes = Stretch::of(&hir, is_plain).longest;
        let mut shape =
            Shape { longest_bytes, digits_min, token_min_bytes, plain_min_bytes, around_bytes: None, groups, hir };
        shape.around_bytes = around(&shape.hir, token_min_bytes, if shape.is_plain() { is_plain } else { is_token });
        shape
    }

    /// Whether every match holds as long a stretch of letters and digits as of token characters.
    pub fn is_plain(&self) -> bool {
        self.plain_min_bytes == self.token_min_bytes
    }

    /// Proves that every match contains one of the literals; `None`: it may not.
    pub fn anchored(&self, literals: &[String], ignore_case: bool) -> Option<Anchored> {
        anchored(&self.hir, literals, ignore_case)
    }
}

/// Every match of a pattern contains one of some literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// Within so many bytes of its start a match has come to the end of one of them; `None`: there is no bound.
    pub lead_bytes: Option<usize>,
    /// Whether each begins with one of them.
    pub begins: bool,
}

/// As [`Shape::anchored`], of a piece of a pattern.
pub fn anchored(hir: &Hir, literals: &[String], ignore_case: bool) -> Option<Anchored> {
    let fold = |text: &[u8]| if ignore_case { text.to_ascii_lowercase() } else { text.to_vec() };
    let prover = Prover { anchors: literals.iter().map(|literal| fold(literal.as_bytes())).collect(), ignore_case };
    let begins = prover.begins(hir);
    prover.walk(hir).lead.map(|lead| Anchored { lead_bytes: lead.bytes, begins })
}

fn one_line(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => {
            format!("{} at its column {}", error.kind(), error.span().start.column)
        }
        regex_syntax::Error::Translate(error) => {
            format!("{} at its column {}", error.kind(), error.span().start.column)
        }
        other => other.to_string().lines().last().unwrap_or_default().to_string(),
    }
}

/// Pieces of the automaton, about: characters, ranges of classes, and all of it as often as it is repeated.
fn pieces(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().map(|range| if range.end().is_ascii() { 1 } else { 4 }).sum::<usize>()
        }
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Capture(capture) => pieces(&capture.sub),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            pieces(&repetition.sub).saturating_mul(times as usize)
        }
        HirKind::Concat(subs) | HirKind::Alternation(subs) => subs.iter().map(pieces).fold(1, usize::saturating_add),
    }
}

fn digits_min(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.iter().filter(|byte| byte.is_ascii_digit()).count(),
        HirKind::Class(class) => usize::from(only_digits(class)),
        HirKind::Repetition(repetition) => (repetition.min as usize).saturating_mul(digits_min(&repetition.sub)),
        HirKind::Capture(capture) => digits_min(&capture.sub),
        HirKind::Concat(subs) => subs.iter().map(digits_min).sum(),
        HirKind::Alternation(subs) => subs.iter().map(digits_min).min().unwrap_or(0),
    }
}

/// Whether a class holds nothing but digits.
pub fn only_digits(class: &Class) -> bool {
    match class {
        Class::Unicode(class) => class.iter().all(|range| range.start() >= '0' && range.end() <= '9'),
        Class::Bytes(class) => class.iter().all(|range| range.start() >= b'0' && range.end() <= b'9'),
    }
}

/// Shortest stretch of such characters that gates a rule, in bytes: words are rarely so long.
pub const TOKEN_MIN_BYTES: usize = 16;

/// Whether a byte is of those that tokens are written in: base64, base64url and hex are.
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-')
}

/// Whether a byte is of those that most secrets are written in: a path or a long name has others between its words.
pub const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Stretches of such characters that every match of a piece of a pattern has at least, in bytes.
#[derive(Clone, Copy)]
struct Stretch {
    /// Whether a match consists of nothing else.
    is_whole: bool,
    /// With which it begins and ends, and the longest of all; the shortest match, when it is whole.
    first: usize,
    last: usize,
    longest: usize,
}

impl Stretch {
    fn of(hir: &Hir, is_of_it: fn(u8) -> bool) -> Stretch {
        let one = |is_of_it| if is_of_it { Stretch::whole(1) } else { Stretch::NONE };
        let of = |sub| Stretch::of(sub, is_of_it);
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Stretch::whole(0),
            HirKind::Literal(literal) => {
                literal.0.iter().fold(Stretch::whole(0), |all, &byte| all.then(one(is_of_it(byte))))
            }
            HirKind::Class(Class::Unicode(class)) => one(class
                .iter()
                .all(|range| range.end().is_ascii() && (range.start() as u8..=range.end() as u8).all(is_of_it))),
            HirKind::Class(Class::Bytes(class)) => {
                one(class.iter().all(|range| (range.start()..=range.end()).all(is_of_it)))
            }
            HirKind::Capture(capture) => of(&capture.sub),
            HirKind::Repetition(repetition) => of(&repetition.sub).times(repetition.min as usize),
            HirKind::Concat(subs) => subs.iter().fold(Stretch::whole(0), |all, sub| all.then(of(sub))),
            HirKind::Alternation(subs) => subs.iter().map(of).reduce(Stretch::or).unwrap_or(Stretch::NONE),
        }
    }

    const NONE: Stretch = Stretch { is_whole: false, first: 0, last: 0, longest: 0 };

    fn whole(bytes: usize) -> Stretch {
        Stretch { is_whole: true, first: bytes, last: bytes, longest: bytes }
    }

    fn then(self, next: Stretch) -> Stretch {
        if self.is_whole && next.is_whole {
            return Stretch::whole(self.longest.saturating_add(next.longest));
        }
        Stretch {
            is_whole: false,
            first: if self.is_whole { self.first + next.first } else { self.first },
            last: if next.is_whole { self.last + next.last } else { next.last },
            longest: self.longest.max(next.longest).max(self.last + next.first),
        }
    }

    fn or(self, other: Stretch) -> Stretch {
        Stretch {
            is_whole: self.is_whole && other.is_whole,
            first: self.first.min(other.first),
            last: self.last.min(other.last),
            longest: self.longest.min(other.longest),
        }
    }

    /// At least so many times.
    fn times(self, times: usize) -> Stretch {
        match (self.is_whole, times) {
            (true, _) => Stretch::whole(self.longest.saturating_mul(times)),
            (false, 0) => Stretch::NONE,
            (false, 1) => self,
            (false, _) => self.then(self),
        }
    }
}

/// What a match of a pattern has at most before and behind a piece of it that is a stretch of some characters, at least so
/// many bytes long.
fn around(hir: &Hir, bytes_min: usize, is_of_it: fn(u8) -> bool) -> Option<(usize, usize)> {
    let mut pieces = Vec::new();
    flatten(std::slice::from_ref(hir), &mut pieces);
    if let [one] = pieces[..]
        && let HirKind::Alternation(subs) = one.kind()
    {
        let all: Option<Vec<_>> = subs.iter().map(|sub| around(sub, bytes_min, is_of_it)).collect();
        return all?.into_iter().reduce(|one, other| (one.0.max(other.0), one.1.max(other.1)));
    }
    let most =
        |pieces: &[&Hir]| pieces.iter().try_fold(0, |all, piece| sum(Some(all), piece.properties().maximum_len()));
    let stretches: Vec<Stretch> = pieces.iter().map(|piece| Stretch::of(piece, is_of_it)).collect();
    let mut at = 0;
    for run in stretches.chunk_by(|one, next| one.is_whole && next.is_whole) {
        let end = at + run.len();
        if run[0].is_whole && run.iter().map(|stretch| stretch.longest).sum::<usize>() >= bytes_min {
            return most(&pieces[..at]).zip(most(&pieces[end..]));
        }
        at = end;
    }
    None
}

type Texts = BTreeSet<Vec<u8>>;

/// What is known of a piece of a pattern.
struct Known {
    /// Everything it can match, when that is little.
    exact: Option<Texts>,
    /// Whether all it matches contains an anchor.
    lead: Option<Lead>,
}

/// As in [`Anchored`].
#[derive(Clone, Copy)]
struct Lead {
    bytes: Option<usize>,
}

struct Prover {
    anchors: Vec<Vec<u8>>,
    ignore_case: bool,
}

impl Prover {
    fn walk(&self, hir: &Hir) -> Known {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => self.known(Some(Texts::from([Vec::new()]))),
            HirKind::Literal(literal) => self.known(Some(Texts::from([self.fold(literal.0.to_vec())]))),
            HirKind::Class(class) => self.known(self.members(class)),
            HirKind::Capture(capture) => self.walk(&capture.sub),
            HirKind::Repetition(repetition) => self.repetition(repetition),
            HirKind::Concat(subs) => self.concat(subs),
            HirKind::Alternation(subs) => self.alternation(subs),
        }
    }

    fn fold(&self, text: Vec<u8>) -> Vec<u8> {
        if self.ignore_case { text.to_ascii_lowercase() } else { text }
    }

    fn known(&self, exact: Option<Texts>) -> Known {
        let all_have_it = exact.as_ref().filter(|texts| self.all_contain(texts));
        let lead = all_have_it.map(|texts| Lead { bytes: Some(longest(texts)) });
        Known { exact, lead }
    }

    /// An empty set of texts proves nothing: it stands for a piece that was not followed.
    fn all_contain(&self, texts: &Texts) -> bool {
        !texts.is_empty() && texts.iter().all(|text| self.anchors.iter().any(|anchor| contains(text, anchor)))
    }

    fn members(&self, class: &Class) -> Option<Texts> {
        let ranges: Vec<(u32, u32)> = match class {
            Class::Unicode(class) => class.iter().map(|r| (r.start() as u32, r.end() as u32)).collect(),
            Class::Bytes(class) => class.iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect(),
        };
        if ranges.iter().map(|(start, end)| (end - start) as usize + 1).sum::<usize>() > 16 {
            return None;
        }
        let codes = ranges.into_iter().flat_map(|(start, end)| start..=end).filter_map(char::from_u32);
        Some(codes.map(|code| self.fold(code.to_string().into_bytes())).collect())
    }

    fn repetition(&self, repetition: &Repetition) -> Known {
        let sub = self.walk(&repetition.sub);
        let lead = sub.lead.filter(|_| repetition.min > 0);
        let exact = match (repetition.min, repetition.max, sub.exact) {
            (0, Some(1), Some(mut texts)) => {
                texts.insert(Vec::new());
                Some(texts)
            }
            (min, Some(max), Some(texts)) if min == max && min <= 8 => {
                (0..min).try_fold(Texts::from([Vec::new()]), |all, _| product(&all, &texts))
            }
            _ => None,
        };
        Known { exact, lead }
    }

    fn concat(&self, subs: &[Hir]) -> Known {
        let mut whole = true;
        // Most bytes before the sub at hand, and before the run of exact texts that it may go on with.
        let (mut before, mut before_run) = (Some(0), Some(0));
        let mut run = Texts::from([Vec::new()]);
        let mut leads = Vec::new();
        let mut flat = Vec::new();
        flatten(subs, &mut flat);
        for sub in flat {
            let known = self.walk(sub);
            leads.extend(known.lead.map(|lead| sum(before, lead.bytes)));
            let after = sum(before, sub.properties().maximum_len());
            match known.exact.as_ref().and_then(|texts| product(&run, texts)) {
                Some(next) => run = next,
                None => {
                    leads.extend(self.all_contain(&run).then(|| sum(before_run, Some(longest(&run)))));
                    whole = false;
                    before_run = if known.exact.is_some() { before } else { after };
                    run = known.exact.unwrap_or_else(|| Texts::from([Vec::new()]));
                }
            }
            before = after;
        }
        leads.extend(self.all_contain(&run).then(|| sum(before_run, Some(longest(&run)))));
        let lead = (!leads.is_empty()).then(|| Lead { bytes: leads.into_iter().flatten().min() });
        Known { exact: whole.then_some(run), lead }
    }

    fn alternation(&self, subs: &[Hir]) -> Known {
        let known: Vec<Known> = subs.iter().map(|sub| self.walk(sub)).collect();
        let all: Option<Vec<Lead>> = known.iter().map(|known| known.lead).collect();
        let lead = all.map(|all| {
            let leads: Option<Vec<usize>> = all.into_iter().map(|lead| lead.bytes).collect();
            Lead { bytes: leads.and_then(|leads| leads.into_iter().max()) }
        });
        let mut exact = Some(Texts::new());
        for sub in known {
            exact = match (exact, sub.exact) {
                (Some(mut all), Some(texts)) if all.len() + texts.len() <= TEXTS_MAX => {
                    all.extend(texts);
                    Some(all)
                }
                _ => None,
            };
        }
        Known { exact, lead }
    }

    /// Whether all that a piece matches begins with an anchor.
    fn begins(&self, hir: &Hir) -> bool {
        let (mut pieces, mut run) = (Vec::new(), Texts::from([Vec::new()]));
        flatten(std::slice::from_ref(hir), &mut pieces);
        let begin = |text: &Vec<u8>| self.anchors.iter().any(|anchor| text.starts_with(anchor));
        for piece in pieces {
            match self.walk(piece).exact.as_ref().and_then(|texts| product(&run, texts)) {
                Some(next) if next.iter().all(begin) => return !next.is_empty(),
                Some(next) => run = next,
                None => {
                    let is_first = run.iter().all(Vec::is_empty);
                    return match piece.kind() {
                        HirKind::Alternation(subs) => is_first && subs.iter().all(|sub| self.begins(sub)),
                        HirKind::Repetition(repetition) => {
                            is_first && repetition.min > 0 && self.begins(&repetition.sub)
                        }
                        _ => false,
                    };
                }
            }
        }
        false
    }
}

fn sum(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    one?.checked_add(other?)
}

fn longest(texts: &Texts) -> usize {
    texts.iter().map(Vec::len).max().unwrap_or(0)
}

/// Captures and what is joined within them, so that a literal is followed across the edge of a capture.
fn flatten<'h>(subs: &'h [Hir], out: &mut Vec<&'h Hir>) {
    for sub in subs {
        match sub.kind() {
            HirKind::Capture(capture) => flatten(std::slice::from_ref(&*capture.sub), out),
            HirKind::Concat(subs) => flatten(subs, out),
            _ => out.push(sub),
        }
    }
}

fn product(heads: &Texts, tails: &Texts) -> Option<Texts> {
    if heads.len() * tails.len() > TEXTS_MAX || longest(heads) + longest(tails) > TEXT_MAX_BYTES {
        return None;
    }
    Some(heads.iter().flat_map(|head| tails.iter().map(move |tail| [&head[..], tail].concat())).collect())
}

fn contains(text: &[u8], piece: &[u8]) -> bool {
    memchr::memmem::find(text, piece).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proves(pattern: &str, ignore_case: bool, anchors: &[&str]) -> bool {
        let anchors: Vec<String> = anchors.iter().map(ToString::to_string).collect();
        Shape::of(pattern, ignore_case).unwrap().anchored(&anchors, ignore_case).is_some()
    }

    #[test]
    fn matches_begin_with_a_literal_only_where_all_do() {
        let table: &[(&str, bool, &[&str], bool)] = &[
            (r"\bAKIA[A-Z2-7]{16}", false, &["AKIA"], true),
            (r"(?:\b|_)AKIA[A-Z2-7]{16}", false, &["AKIA"], false),
            ("(?:key|tok(?:en)?)s?[:=]", true, &["key", "tok"], true),
            ("(?:key|token|k[a-z]{9})s?[:=]", true, &["key", "token"], false),
            ("(?:key[a-z]{99}|token)s?[:=]", true, &["key", "token"], true),
            ("(?:api[_-])?key", true, &["key"], false),
            ("(?:api[_-])?key", true, &["key", "api"], true),
            ("(k)(ey)=", false, &["key"], true),
            ("(?:key[a-z]*)+=", false, &["key"], true),
            ("(?:key[a-z]*)*=", false, &["key"], false),
        ];
        for &(pattern, ignore_case, anchors, expected) in table {
            let anchors: Vec<String> = anchors.iter().map(ToString::to_string).collect();
            let anchored = Shape::of(pattern, ignore_case).unwrap().anchored(&anchors, ignore_case);
            assert_eq!(anchored.is_some_and(|anchored| anchored.begins), expected, "{pattern}");
        }
    }

    #[test]
    fn a_literal_is_proved_only_where_every_match_has_it() {
        let table: &[(&str, bool, &[&str], bool)] = &[
            ("AKIA[A-Z2-7]{16}", false, &["AKIA"], true),
            ("(?:AKIA|ASIA)[A-Z2-7]{16}", false, &["AKIA"], false),
            ("(?:AKIA|ASIA)[A-Z2-7]{16}", false, &["AKIA", "ASIA"], true),
            ("x(?:AKIA)?y", false, &["AKIA"], false),
            ("(?:AKIA)+y", false, &["AKIA"], true),
            ("api[_-]?key", true, &["apikey", "api_key", "api-key"], true),
            ("api[_-]?key", true, &["apikey", "api_key"], false),
            ("gh[pousr]_[a-z]{3}", false, &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], true),
            ("gh[pousr]_[a-z]{3}", false, &["_"], true),
            ("gh[a-z]_[a-z]{3}", false, &["gh_"], false),
            ("(?i:k)ey", false, &["key"], false),
            ("key", true, &["KEY"], true),
            (r"\](\((http)s?)", false, &["](http"], true),
            ("(?u:(?i:k))ey", true, &["key"], false),
        ];
        for (pattern, ignore_case, anchors, expected) in table {
            assert_eq!(proves(pattern, *ignore_case, anchors), *expected, "{pattern} with {anchors:?}");
        }
    }

    #[test]
    fn the_way_to_a_literal_is_measured() {
        let table: &[(&str, &[&str], Option<usize>)] = &[
            ("AKIA[A-Z2-7]{16}", &["AKIA"], Some(4)),
            (r"(?:\b|_)acme[a-z]{0,9}=(x{4})", &["acme"], Some(5)),
            ("[a-z]{0,20}acme", &["acme"], Some(24)),
            ("[a-z]*acme", &["acme"], None),
            ("(?:acme|other[0-9]{3})=", &["acme", "other"], Some(5)),
            ("(?:ab[0-9]{1,3}acme)+", &["acme"], Some(9)),
            ("acme[a-z]{3}acme", &["acme"], Some(4)),
            ("x(?:acme)?", &["acme"], None),
            ("(?u:[^\n]){2}acme", &["acme"], Some(12)),
        ];
        for (pattern, anchors, expected) in table {
            let anchors: Vec<String> = anchors.iter().map(ToString::to_string).collect();
            let anchored = Shape::of(pattern, false).unwrap().anchored(&anchors, false);
            assert_eq!(anchored.and_then(|anchored| anchored.lead_bytes), *expected, "{pattern}");
        }
    }

    #[test]
    fn lengths_and_digits_are_measured() {
        let table = [
            (r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", Some(11), 9),
            (r"\+[1-9](?:[ .]?[0-9]){6,14}", Some(30), 7),
            (r"a1(?:22|3)", Some(4), 2),
            (r"(?u:[^\n]){1,2}", Some(8), 0),
            (r"eyJ[a-z]+", None, 0),
        ];
        for (pattern, longest, digits) in table {
            let shape = Shape::of(pattern, false).unwrap();
            assert_eq!((shape.longest_bytes, shape.digits_min), (longest, digits), "{pattern}");
        }
    }

    #[test]
    fn stretches_of_token_characters_are_measured() {
        let table = [
            ("[a-z0-9]{16}", 16),
            ("key=([A-Za-z0-9+/]{20,40})={0,2}", 20),
            ("key[_-]?[a-z]{4}", 7),
            ("(?:key|token)[a-z]{4}", 7),
            ("(?:ab c|defg)x", 2),
            ("(?:ab! ){3}x{5}", 5),
            ("[a-z]{3}(?: [a-z]{4})?[a-z]{5}", 5),
            ("(?:x y){2}", 2),
            ("[a-z.]{30}", 0),
            ("(?u:[^ ]){30}", 0),
        ];
        for (pattern, expected) in table {
            assert_eq!(Shape::of(pattern, false).unwrap().token_min_bytes, expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_around_a_stretch_is_measured() {
        let table = [
            ("[a-z0-9]{16,200}", Some((0, 0))),
            ("(?:^|(?u:[^a-z]))([a-z]{16,200})(?:$|!)", Some((4, 1))),
            (r"key: [13][a-z0-9]{15,34}\b[.]?", Some((5, 1))),
            ("a=[a-z]{16}|(bcd=)?[a-z]{20}!!", Some((4, 2))),
            ("[a-z.]*=[a-z]{16}", None),
            ("x{8}(?:y{8}|z{9})", Some((0, 0))),
            ("x{8}(?:!x{17}|z{20})", None),
            ("[a-z_]{20}:[a-z]{20}", Some((21, 0))),
            ("[a-z]{20}|[A-Z]{24}-[a-z]{20}", Some((0, 21))),
            ("[a-z_]{24}:[a-z]{20}", Some((0, 21))),
        ];
        for (pattern, expected) in table {
            assert_eq!(Shape::of(pattern, false).unwrap().around_bytes, expected, "{pattern}");
        }
    }

    #[test]
    fn patterns_that_cannot_work_are_refused_with_a_place() {
        for (pattern, word) in [
            ("a*", "empty"),
            ("a(b", "column 2"),
            ("[^a]", "UTF-8"),
            ("[ab]{5000}", "5000 bytes"),
            ("(?:[a-z]{900}+){900}", "pieces"),
        ] {
            let error = Shape::of(pattern, false).unwrap_err();
            assert!(error.contains(word), "{pattern}: {error}");
        }
    }
}
