//! The scanner: from an interaction to the hits of every rule in it.
//!
//! Cheap passes over each part find candidates (literals by the hash of some of their bytes; `@`, digits and long stretches
//! of token characters by byte class); only round those does a rule's pattern run, and only what it matches is validated.
//! Hits of every confidence come back: whether one is worth reporting is judged later.
//!
//! **What a rule's hits in a part are.** The pattern is searched leftmost-first from the start of the part. A match
//! that is confirmed is a hit, and the search goes on at its end; one that is not confirmed is passed over, and the
//! search goes on one byte behind its start (behind its end when the pattern has no bound, so that time stays
//! linear). This is what `detect/naive.rs` does over the whole text, and the scanner finds exactly the same in windows:
//!
//! 1. Every match contains an anchor (or `@`, enough digits, a long enough stretch): proved from the pattern when packs
//!    are loaded.
//! 2. A window reaches so far to both sides of such a place that it holds every match over it: the pattern's longest
//!    match, and before an anchor no farther than it is proved that a match has come to the end of its first one. Windows
//!    that cannot hold a match that becomes a hit are dropped (`detect/numbers.rs`, `detect/stretches.rs`), and an anchor is
//!    not looked for where a stretch that its matches hold cannot be near enough (`detect/anchors.rs`). Windows that
//!    touch are merged into regions; regions are disjoint, and every match that counts lies in one. Where matches are proved
//!    to begin with an anchor, each is tried from where one stands, first things first, and nothing is searched.
//! 3. Whatever begins at byte *s* of a region therefore also ends in that region: the search within the region has
//!    the same choices at *s* as the search over the whole, and looks at the same neighbours, since it is given the
//!    whole text and a span. It makes the same choice.
//! 4. Both searches resume at places that depend on the last match alone. By induction they agree, region by region.
//!
//! The test `compiled_and_naive_agree` compares both over tens of thousands of hostile texts.
//!
//! Identifiers are looked at too, by rules that know a secret by itself (`detect/identifiers.rs`).
//!
//! What a text hides by being encoded, spread, cut or dressed up is found too: `detect/layers.rs`.
//!
//! It does not look across parts, or know policy.

mod anchors;
mod blocks;
mod compile;
mod confirm;
mod context;
mod entropy;
pub mod examples;
mod gates;
mod glance;
mod grams;
mod identifiers;
mod layers;
pub mod naive;
mod normalise;
mod numbers;
mod prefixes;
mod radix;
mod settle;
mod sieve;
mod stretches;
#[cfg(test)]
mod tests;
mod validate;
mod words;
mod work;

use crate::limits;
use crate::model::{Hit, Hits, Interaction, Raw, RuleInfo};
use crate::rules::Catalogue;
use anchors::Anchors;
use bumpalo::Bump;
use compile::Compiled;
use gates::Gates;
use glance::Glance;
use numbers::Numbers;
use regex_automata::meta;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input};
use settle::Found;

const _: () = assert!(limits::EVENT_CEILING_BYTES < u32::MAX as usize, "offsets in a part fit 32 bits");

/// The rules of a catalogue, compiled. Shared by reference; what a scan writes to is its [`Scratch`].
pub struct Scanner {
    rules: Vec<Compiled>,
    anchors: Anchors,
    gates: Gates,
    numbers: Numbers,
    /// The catalogue's digest, which ties a scratch to its scanner.
    digest: String,
}

/// What a thread keeps of the states that its rules' automata have built, in bytes. They are built as texts ask for them,
/// which takes a thousand times as long as a step, so that few enough to be built again and again would cost most of the
/// time; past this all begin anew, so that memory does not grow with every rule that was ever tried.
const CACHES_MAX_BYTES: usize = 64 << 20;

/// They are weighed once in so many texts.
const TEXTS_PER_WEIGHING: u32 = 64;

/// How often a byte may be looked at, on average, by a rule that is tried where its literals are. Past it the rule is
/// searched, so that time stays linear when literals stand close together.
const TRIES_PER_BYTE: usize = 4;

/// From so many tries on it is searched too, so that their places take no memory to speak of.
const TRIES_MAX: usize = 1024;

/// How many places of a text a thread keeps the memory for; only an unusual text has more.
const KEPT_PLACES: usize = 16 << 10;

/// What a scan needs and the next one can use again. One a thread.
#[derive(Default)]
pub struct Scratch {
    /// Of the part at hand.
    glance: Glance,
    text: TextScratch,
    /// All identifiers of the interaction at hand, a line each.
    identifiers: String,
    layers: layers::Buffers,
    budget: layers::Budget,
}

/// The part of the scratch that one text needs, be it a part's own or one of what that hides.
#[derive(Default)]
struct TextScratch {
    /// The digest of the scanner that it was last used with. Patterns of the same packs compile to the same automata,
    /// so what they cached fits.
    owner: String,
    rules: Vec<RuleScratch>,
    /// Rules that have a region in the text at hand.
    touched: Vec<u16>,
    /// Texts since the caches of rules were weighed.
    unweighed: u32,
    pieces: anchors::Pieces,
    words: Vec<words::WordAt>,
    sieves: numbers::Caches,
    found: Vec<Found>,
    sorted: settle::Buffers,
    /// Where literals begin in the text at hand.
    marks: Vec<layers::Mark>,
}

/// The part of the scratch that belongs to one rule.
#[derive(Default)]
struct RuleScratch {
    /// Where it is searched, or at the starts of which it is tried, in bytes of the part at hand.
    regions: Vec<(usize, usize)>,
    /// Made when the rule first has a candidate: most rules never do.
    cache: Option<meta::Cache>,
    slots: Vec<Option<NonMaxUsize>>,
}

impl RuleScratch {
    /// Adds a window. Most come in the order of their starts.
    fn add_window(&mut self, start: usize, end: usize) {
        match self.regions.last_mut() {
            Some(last) if last.0 <= start && start <= last.1 => last.1 = last.1.max(end),
            _ => self.regions.push((start, end)),
        }
    }

    /// Adds a window at whose very start a match may begin, and nowhere else.
    fn add_try(&mut self, start: usize, end: usize) {
        if self.regions.len() < TRIES_MAX { self.regions.push((start, end)) } else { self.add_window(start, end) }
    }

    /// Puts the tries in order, and says whether to try one after the other is little more work than to search all of it.
    fn few_tries(&mut self) -> bool {
        if self.regions.len() >= TRIES_MAX {
            return false;
        }
        self.regions.sort_unstable();
        let (mut tried, mut covered, mut last) = (0, 0, 0);
        for &(start, end) in &self.regions {
            tried += end - start;
            covered += end.saturating_sub(last.max(start));
            last = last.max(end);
        }
        tried <= TRIES_PER_BYTE * covered
    }
}

/// Puts ranges in order, and those that touch together.
fn merge(ranges: &mut Vec<(usize, usize)>) {
    if ranges.is_sorted_by(|one, next| one.1 < next.0) {
        return;
    }
    ranges.sort_unstable();
    ranges.dedup_by(|next, last| {
        let touches = next.0 <= last.1;
        if touches {
            last.1 = last.1.max(next.1);
        }
        touches
    });
}

impl TextScratch {
    /// Forgets what automata have built, once it is too much.
    fn weigh_caches(&mut self) {
        self.unweighed += 1;
        if self.unweighed < TEXTS_PER_WEIGHING {
            return;
        }
        self.unweighed = 0;
        let bytes: usize = self.rules.iter().filter_map(|own| own.cache.as_ref()).map(meta::Cache::memory_usage).sum();
        if bytes > CACHES_MAX_BYTES {
            self.rules.iter_mut().for_each(|own| own.cache = None);
        }
    }
}

impl Scanner {
    /// Compiles a catalogue.
    pub fn new(catalogue: &Catalogue) -> Scanner {
        let rules = compile::with_pairs(catalogue.rules().iter().map(Compiled::new).collect());
        let (anchors, gates, numbers) = (Anchors::new(&rules), Gates::new(&rules), Numbers::new(&rules));
        Scanner { rules, anchors, gates, numbers, digest: catalogue.digest().to_string() }
    }

    /// Finds everything in an interaction. Of more than `limits::HITS_PER_INTERACTION` hits the most telling stay:
    /// reported before counted ones, then by severity, confidence and place. Values that were decoded go to the arena.
    pub fn scan<'e>(&'e self, interaction: &Interaction<'e>, arena: &'e Bump, scratch: &mut Scratch) -> Hits<'e> {
        let mut hits = Hits::default();
        scratch.budget = layers::Budget::of_interaction();
        for (message_index, message) in interaction.messages.iter().enumerate() {
            let applies = compile::applies_bit(message.direction, message.role);
            for (part_index, part) in message.parts.iter().enumerate() {
                self.scan_part(part.text.expose(), applies, scratch);
                let place = (message_index as u32, part_index as u32);
                self.tell((&scratch.text.found, &scratch.layers), place, part.text, arena, &mut hits);
            }
        }
        settle::finish(&mut hits);
        hits
    }

    /// Adds what was found in a part, given as the indices of message and part.
    fn tell<'e>(
        &'e self,
        (found, layers): (&[Found], &layers::Buffers),
        (message, part): (u32, u32),
        text: Raw<'e>,
        arena: &'e Bump,
        hits: &mut Hits<'e>,
    ) {
        hits.layers_cut |= layers.was_cut();
        for found in found {
            let value = if found.layers.is_empty() {
                text.slice(found.start as usize..found.end as usize)
            } else {
                Raw::new(arena.alloc_str(layers.value(found)))
            };
            hits.hits.push(Hit {
                rule: self.info_of(found),
                message,
                part,
                start: found.start,
                end: found.end,
                value,
                confidence: found.confidence,
                layers: found.layers,
            });
            if hits.hits.len() >= 4 * limits::HITS_PER_INTERACTION {
                settle::cap(hits);
            }
        }
    }

    /// What the rest of weir is told of a rule: worse when its pair was near.
    fn info_of(&self, found: &Found) -> &RuleInfo {
        let rule = &self.rules[usize::from(found.rule)];
        match &rule.pair {
            Some(pair) if found.paired => &pair.info,
            _ => &rule.rule.info,
        }
    }

    /// Leaves the hits of a part's text in `scratch.text.found`, and those of what it hides.
    fn scan_part(&self, text: &str, applies: u16, scratch: &mut Scratch) {
        let Scratch { glance, text: scratch, layers, budget, .. } = scratch;
        self.scan_text(text, applies, glance, scratch);
        let (mut found, marks) = (std::mem::take(&mut scratch.found), std::mem::take(&mut scratch.marks));
        let mut look = |text: &str, glance: &mut Glance, found: &mut Vec<Found>, marks: &mut Vec<layers::Mark>| {
            self.scan_text(text, applies, glance, scratch);
            found.append(&mut scratch.found);
            marks.append(&mut scratch.marks);
        };
        layers::see_through(&self.rules, text, (glance, &marks), &mut found, (layers, budget), &mut look);
        (scratch.found, scratch.marks) = (found, marks);
    }

    /// Leaves the hits of a text in `scratch.found`, settled and in order, and what a glance at it shows.
    fn scan_text(&self, text: &str, applies: u16, glance: &mut Glance, scratch: &mut TextScratch) {
        // The scratch is without an owner while it is written to: after a panic it is not used again.
        let owner = std::mem::take(&mut scratch.owner);
        if owner != self.digest {
            *scratch = TextScratch::default();
            scratch.rules.resize_with(self.rules.len(), RuleScratch::default);
        }
        scratch.found.clear();
        scratch.marks.clear();
        glance.look(text);
        let seen = (text, &*glance);
        self.anchors.mark(seen, applies, &self.rules, scratch);
        self.gates.mark(seen, applies, &self.rules, scratch);
        self.numbers.mark(seen, applies, (&self.rules, &self.anchors.words), scratch);
        scratch.weigh_caches();
        let TextScratch { rules, touched, found, .. } = scratch;
        for rule in touched.drain(..) {
            let own = &mut rules[usize::from(rule)];
            let compiled = &self.rules[usize::from(rule)];
            if compiled.begins() && own.few_tries() {
                compiled.search(rule, text, own, Anchored::Yes, found);
            } else {
                merge(&mut own.regions);
                compiled.search(rule, text, own, Anchored::No, found);
            }
            own.regions.clear();
        }
        if !scratch.found.is_empty() {
            settle::settle(&self.rules, &mut scratch.found, &mut scratch.sorted);
        }
        scratch.owner = if owner == self.digest { owner } else { self.digest.clone() };
    }
}

impl Compiled {
    /// Searches the regions of a text, or tries only their starts; see the head of this file for what counts as a hit.
    fn search(&self, id: u16, text: &str, own: &mut RuleScratch, anchored: Anchored, found: &mut Vec<Found>) {
        let RuleScratch { regions, cache, slots } = own;
        let regex = &self.automata().regex;
        let cache = cache.get_or_insert_with(|| regex.create_cache());
        let mut at = 0;
        for &(start, end) in regions.iter() {
            // Regions lie apart; of tries some lie in what was found by an earlier one.
            if start < at {
                continue;
            }
            at = start;
            while let Some(hit) = regex.search_with(cache, &Input::new(text).span(at..end).anchored(anchored)) {
                let value = self.value(text, hit.start(), hit.end(), cache, slots);
                let confidence = confirm::confirm(self, text, (hit.start(), hit.end()), value);
                at = self.resume(confidence.is_some(), hit.start(), hit.end());
                if let Some(confidence) = confidence {
                    found.push(Found::new(id, value, confidence));
                }
                if anchored.is_anchored() {
                    break;
                }
            }
        }
    }

    /// Where the search goes on after a match.
    fn resume(&self, confirmed: bool, start: usize, end: usize) -> usize {
        if confirmed || self.rule.shape.longest_bytes.is_none() { end } else { start + 1 }
    }

    /// The span of the group that is the value; the whole match when that group took no part in it.
    fn value(
        &self,
        text: &str,
        start: usize,
        end: usize,
        cache: &mut meta::Cache,
        slots: &mut Vec<Option<NonMaxUsize>>,
    ) -> (usize, usize) {
        let group = self.rule.group;
        if group == 0 {
            return (start, end);
        }
        slots.clear();
        slots.resize(2 * (group + 1), None);
        // The match is known; within its bounds the same leftmost-first choice is made again, with captures.
        let input = Input::new(text).span(start..end).anchored(Anchored::Yes);
        self.automata().regex.search_slots_with(cache, &input, slots);
        match (slots[2 * group], slots[2 * group + 1]) {
            (Some(from), Some(to)) if from < to => (from.get(), to.get()),
            _ => (start, end),
        }
    }
}
