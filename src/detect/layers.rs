//! What is hidden from rules by being encoded, spread, cut or dressed up: texts are made of a text by undoing that,
//! scanned like any other, and what is found in them is told at the place where it stands in the original.
//!
//! Text as it is comes first, and decides: a hit under layers that says what a plain one says is dropped. Nothing is
//! reported for being encoded. Only regions round signs are undone ([`signs`] is what plain text pays), depth first, so
//! that three buffers serve every text. Bounds are in `limits`: depth, bytes, texts and hits.
//!
//! Not every rule believes every layer. What comes of turning letters, of pulling spread characters together and of
//! joining pieces may be chance, so it feeds only rules whose value proves itself: by a prefix, a checksum, or wording.
//!
//! The scanner and the naive loop share this file: they differ in how they look at each text.

mod escapes;
pub(super) mod map;
pub(super) mod regions;
mod runs;
pub(super) mod signs;
pub(super) mod spread;
#[cfg(test)]
pub(super) mod tests;

use super::compile::Compiled;
use super::glance::Glance;
use super::settle::Found;
use super::{normalise, settle, validate};
use crate::limits;
use crate::model::{Category, Layer, Layers};
use crate::rules::pattern::anchored;
use crate::rules::{Rule, Trigger};
use map::Derived;
use regex_syntax::hir::{Hir, HirKind};
use regions::Regions;
use runs::{Decoded, RUN_MIN_BYTES};
use signs::Signs;
use spread::Wrap;
use std::ops::Range;

/// How much memory the buffers keep for the next text.
const KEPT_BYTES: usize = 256 << 10;

/// Where the literal of a rule begins, for what shows only beside something known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub at: u32,
    /// How the value or wording that begins here may be wrapped.
    pub wrap: Option<Wrap>,
    /// Whether its letters are turned.
    pub turned: bool,
}

/// What a rule's hits prove by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proves {
    /// A token with letters of its own in it.
    Token,
    /// Words of a language.
    Wording,
    /// A check that chance passes once in a hundred times or less.
    Checked,
    /// Nothing: names and shapes round them make them what they are.
    Nothing,
}

/// Least bytes and letters of a literal that makes a token known.
const LITERAL_BYTES: usize = 3;
const LITERAL_LETTERS: usize = 2;

impl Proves {
    pub fn of(rule: &Rule) -> Proves {
        let wording = matches!(rule.info.category, Category::Injection | Category::Jailbreak | Category::Exfiltration);
        let Trigger::Anchors(anchors) = &rule.trigger else {
            return if rule.validators.iter().any(|&validator| validate::is_strict(validator)) {
                Proves::Checked
            } else {
                Proves::Nothing
            };
        };
        // Who is unsure of plain text cannot tell chance from what hides.
        let sure = rule.confidence.is_reported() || rule.proof.is_some();
        let known: Vec<String> = anchors.iter().filter(|anchor| makes_known(anchor)).cloned().collect();
        if wording && rule.group == 0 {
            Proves::Wording
        } else if rule.gives_way || known.is_empty() || !sure {
            Proves::Nothing
        } else if let Some(value) = group(&rule.shape.hir, rule.group)
            && anchored(value, &known, rule.ignore_case).is_some()
        {
            Proves::Token
        } else {
            Proves::Nothing
        }
    }

    /// Whether it is looked for with its letters turned.
    pub fn turns(self) -> bool {
        matches!(self, Proves::Token | Proves::Wording)
    }

    /// Whether what was found under these layers is believed.
    fn believes(self, layers: Layers) -> bool {
        layers.iter().all(|layer| match layer {
            Layer::Rot13 => self.turns(),
            Layer::Spaced | Layer::Joined | Layer::Wrapped => self != Proves::Nothing,
            _ => true,
        })
    }
}

/// Literals that are words, or have too few letters, begin ordinary text too once it is turned.
pub(super) fn makes_known(literal: &str) -> bool {
    literal.len() >= LITERAL_BYTES && literal.bytes().filter(u8::is_ascii_alphabetic).count() >= LITERAL_LETTERS
}

/// The part of a pattern that is the value.
fn group(hir: &Hir, wanted: usize) -> Option<&Hir> {
    if wanted == 0 {
        return Some(hir);
    }
    match hir.kind() {
        HirKind::Capture(capture) if capture.index as usize == wanted => Some(&capture.sub),
        HirKind::Capture(capture) => group(&capture.sub, wanted),
        HirKind::Repetition(repetition) => group(&repetition.sub, wanted),
        HirKind::Concat(subs) | HirKind::Alternation(subs) => subs.iter().find_map(|sub| group(sub, wanted)),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => None,
    }
}

/// How a text is looked at: glances at it, finds its hits, and where literals begin that it also appends to the marks.
pub(super) type Look<'l> = &'l mut dyn FnMut(&str, &mut Glance, &mut Vec<Found>, &mut Vec<Mark>);

/// Memory that is used again and again.
#[derive(Default)]
pub(super) struct Buffers {
    levels: [Level; limits::LAYER_DEPTH],
    found: Vec<Found>,
    /// Hits under layers of the part at hand.
    under: Vec<Found>,
    /// Their values, one behind the other.
    values: String,
    /// Whether not all was made of the part that could be.
    cut: bool,
    settle: settle::Buffers,
}

/// What is made of a text at one depth.
#[derive(Default)]
struct Level {
    regions: Regions,
    derived: Derived,
    decoded: Decoded,
    glance: Glance,
    marks: Vec<Mark>,
}

/// What may still be made of an interaction, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    shared_bytes: usize,
}

impl Budget {
    pub fn of_interaction() -> Budget {
        Budget { shared_bytes: limits::LAYERED_BYTES_MIN }
    }
}

impl Buffers {
    /// Whether more may be hidden in the part than was looked through.
    pub fn was_cut(&self) -> bool {
        self.cut
    }

    /// The value of a hit under layers.
    pub fn value(&self, found: &Found) -> &str {
        &self.values[found.value.0 as usize..found.value.1 as usize]
    }
}

/// Adds to the hits of a text what it hides. Glance and marks are those of the text itself.
pub(super) fn see_through(
    rules: &[Compiled],
    text: &str,
    (glance, marks): (&Glance, &[Mark]),
    found: &mut Vec<Found>,
    (buffers, budget): (&mut Buffers, &mut Budget),
    look: Look<'_>,
) {
    buffers.under.clear();
    buffers.values.clear();
    buffers.cut = false;
    if glance.signs == Signs::default() && marks.is_empty() {
        return;
    }
    let own_bytes = text.len().saturating_mul(limits::LAYERED_BYTES_PER_BYTE);
    let Buffers { levels, found: scratch, under, values, cut, settle } = buffers;
    let left = own_bytes + budget.shared_bytes;
    let mut walk =
        Walk { rules, look, found: scratch, under, values, cut, bytes: left, texts: limits::LAYERED_TEXTS_PER_PART };
    walk.explore(text, glance, marks, None, levels);
    budget.shared_bytes = budget.shared_bytes.min(walk.bytes);
    if !under.is_empty() {
        merge(found, under);
        settle::settle(rules, found, settle);
    }
    levels.iter_mut().for_each(Level::shrink);
}

impl Level {
    fn shrink(&mut self) {
        self.regions.shrink(KEPT_BYTES);
        self.derived.shrink(KEPT_BYTES);
        self.decoded.shrink(KEPT_BYTES);
        self.glance.clear();
        self.marks.clear();
        self.marks.shrink_to(KEPT_BYTES / size_of::<Mark>());
    }
}

/// A derived text and those above it.
struct Above<'a> {
    derived: &'a Derived,
    above: Option<&'a Above<'a>>,
}

impl Above<'_> {
    /// Where a stretch of the derived text stands in the original, and under what.
    fn place(&self, range: Range<usize>) -> (Range<usize>, Layers) {
        let mut inner = Layers::default();
        self.derived.add_layers(range.clone(), &mut inner);
        let range = self.derived.back(range);
        let Some(above) = self.above else { return (range, inner) };
        let (place, mut layers) = above.place(range);
        inner.iter().for_each(|layer| layers.push(layer));
        (place, layers)
    }
}

struct Walk<'w> {
    rules: &'w [Compiled],
    look: Look<'w>,
    found: &'w mut Vec<Found>,
    under: &'w mut Vec<Found>,
    values: &'w mut String,
    cut: &'w mut bool,
    /// What may still be made.
    bytes: usize,
    texts: usize,
}

/// Ways to undo something within a text, in the order in which they are tried.
const WAYS: [Way; 8] = [
    Way::Characters,
    Way::Escapes,
    Way::Joined,
    Way::Spaced,
    Way::Wrapped(Wrap::Token),
    Way::Wrapped(Wrap::Block),
    Way::Wrapped(Wrap::Words),
    Way::Turned,
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Characters,
    Escapes,
    Joined,
    Spaced,
    Wrapped(Wrap),
    Turned,
}

impl Way {
    /// Notes what there is to undo.
    fn find(self, text: &str, Glance { signs, line_breaks, .. }: &Glance, marks: &[Mark], regions: &mut Regions) {
        match self {
            Way::Characters if signs.high => normalise::find(text, regions),
            Way::Escapes if signs.escape => escapes::find(text, regions),
            Way::Joined if signs.joint => spread::find_joined(text, regions),
            Way::Spaced if signs.spaced => spread::find_spaced(text, regions),
            Way::Wrapped(wrap) if signs.line_break => spread::find_wrapped(text, line_breaks, marks, wrap, regions),
            Way::Turned => spread::find_turned(marks, regions),
            _ => {}
        }
    }

    fn undo(self, text: &str, region: Range<usize>, derived: &mut Derived) {
        match self {
            Way::Characters => normalise::undo(text, region, derived),
            Way::Escapes => escapes::undo(text, region, derived),
            Way::Joined => spread::undo_joined(text, region, derived),
            Way::Spaced => spread::undo_spaced(text, region, derived),
            Way::Wrapped(wrap) => spread::undo_wrapped(text, region, wrap, derived),
            Way::Turned => spread::undo_turned(text, region, derived),
        }
    }
}

impl Walk<'_> {
    /// Makes every text of a text, and of these further ones, as deep as there are levels.
    fn explore(
        &mut self,
        text: &str,
        glance: &Glance,
        marks: &[Mark],
        above: Option<&Above<'_>>,
        levels: &mut [Level],
    ) {
        let Some((level, deeper)) = levels.split_first_mut() else { return };
        // What the text above had as it is was undone there.
        let is_new = |range: Range<usize>| above.is_none_or(|above| above.derived.changed(range));
        for way in WAYS {
            level.regions.clear();
            way.find(text, glance, marks, &mut level.regions);
            level.regions.of(text);
            let mut index = 0;
            while let Some(region) = level.regions.get(index) {
                index += 1;
                if is_new(region.clone()) {
                    level.derived.clear();
                    way.undo(text, region, &mut level.derived);
                    self.visit(level, above, deeper);
                }
            }
        }
        if glance.signs.run {
            self.runs((text, glance), is_new, level, above, deeper);
        }
    }

    fn runs(
        &mut self,
        (text, glance): (&str, &Glance),
        is_new: impl Fn(Range<usize>) -> bool,
        level: &mut Level,
        above: Option<&Above<'_>>,
        deeper: &mut [Level],
    ) {
        let bytes = text.as_bytes();
        let mut decoded = std::mem::take(&mut level.decoded);
        let mut at = 0;
        for &(start, end) in &glance.stretches.token.places {
            if start < at || end - start < RUN_MIN_BYTES || !is_new(start..end) {
                continue;
            }
            // One run takes no more than a half of what may be made, so that more may stand behind what is compressed.
            at = runs::decode(bytes, start..end, self.bytes / 2, &mut decoded, |made, run| {
                *self.cut |= run.is_cut;
                level.derived.set(made, run.range, run.layer, run.within);
                self.visit(level, above, deeper);
            });
        }
        level.decoded = decoded;
    }

    /// Looks at the text that a level holds, and at what can be made of it.
    fn visit(&mut self, level: &mut Level, above: Option<&Above<'_>>, deeper: &mut [Level]) {
        let text = level.derived.text();
        if text.is_empty() {
            return;
        }
        if text.len() > self.bytes || self.texts == 0 {
            *self.cut = true;
            return;
        }
        self.bytes -= text.len();
        self.texts -= 1;
        self.found.clear();
        level.marks.clear();
        (self.look)(text, &mut level.glance, self.found, &mut level.marks);
        let above = Above { derived: &level.derived, above };
        self.tell(text, &above);
        if !deeper.is_empty() {
            self.explore(text, &level.glance, &level.marks, Some(&above), deeper);
        }
    }

    /// Keeps the hits of a derived text that are believed.
    fn tell(&mut self, text: &str, above: &Above<'_>) {
        for hit in self.found.drain(..) {
            let range = hit.start as usize..hit.end as usize;
            let value = &text[range.clone()];
            let (place, layers) = above.place(range.clone());
            let mut own = Layers::default();
            above.derived.add_layers(range, &mut own);
            let compiled = &self.rules[usize::from(hit.rule)];
            // That a value stands alone says something of a text that somebody sent, and nothing of one that was derived.
            let is_alone = compiled.rule.is_lone(hit.confidence);
            let believed = !own.is_empty() && !is_alone && compiled.proves.believes(layers);
            let fits = self.under.len() < limits::LAYERED_HITS_PER_PART
                && self.values.len() + value.len() <= limits::EVENT_CEILING_BYTES;
            if believed && fits {
                let start = self.values.len() as u32;
                self.values.push_str(value);
                let value = (start, self.values.len() as u32);
                self.under.push(Found { start: place.start as u32, end: place.end as u32, layers, value, ..hit });
            }
        }
    }
}

/// Adds those hits under layers that say something new: of a rule's hits that overlap, the plain one is kept, else the
/// surest, else the one under the fewest layers.
fn merge(found: &mut Vec<Found>, under: &mut Vec<Found>) {
    under.sort_by(|a, b| {
        let rank = |hit: &Found| {
            (hit.rule, std::cmp::Reverse(hit.confidence), hit.layers.len(), hit.layers, hit.start, hit.end)
        };
        rank(a).cmp(&rank(b))
    });
    // By rule, the places that are taken; a map from start to end, since they do not overlap.
    let mut taken: std::collections::BTreeMap<(u16, u32), u32> = std::collections::BTreeMap::new();
    let rules: std::collections::BTreeSet<u16> = under.iter().map(|hit| hit.rule).collect();
    taken.extend(found.iter().filter(|hit| rules.contains(&hit.rule)).map(|hit| ((hit.rule, hit.start), hit.end)));
    for hit in under.drain(..) {
        let before = taken.range((hit.rule, 0)..(hit.rule, hit.end)).next_back();
        if before.is_none_or(|(_, end)| *end <= hit.start) {
            taken.insert((hit.rule, hit.start), hit.end);
            found.push(hit);
        }
    }
}
