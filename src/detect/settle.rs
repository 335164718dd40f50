//! What the hits of a part mean together: a generic hit gives way to a specific one, an id beside its secret is
//! worse than alone. And which hits stay when there are too many.

use super::compile::Compiled;
use super::context::ALONE_MAX_BYTES;
use crate::limits;
use crate::model::{Category, Confidence, Hit, Hits, Layers};
use std::cmp::Reverse;

/// A hit of a part, by rule number; numbers are in the order of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub start: u32,
    pub end: u32,
    pub rule: u16,
    pub confidence: Confidence,
    /// Whether the rule's pair is near.
    pub paired: bool,
    /// What it was found under; with some, its value is in the buffers of `layers` at this range.
    pub layers: Layers,
    pub value: (u32, u32),
}

impl Found {
    pub fn new(rule: u16, (start, end): (usize, usize), confidence: Confidence) -> Found {
        let (layers, value) = (Layers::default(), (0, 0));
        Found { start: start as u32, end: end as u32, rule, confidence, paired: false, layers, value }
    }

    fn place(&self) -> (u32, u32, u16) {
        (self.start, self.end, self.rule)
    }
}

/// Reused by [`settle`].
#[derive(Default)]
pub(super) struct Buffers {
    /// Rules with a pair that have a hit.
    paired: Vec<u16>,
    partners: Vec<(u32, u32)>,
    keep: Vec<bool>,
}

/// Sorts the hits of a part, raises pairs, and drops what gives way. Linear but for the sort.
pub(super) fn settle(rules: &[Compiled], found: &mut Vec<Found>, buffers: &mut Buffers) {
    found.sort_unstable_by_key(Found::place);
    raise_pairs(rules, found, buffers);
    give_way(rules, found, buffers);
    lone_give_way(rules, found, buffers);
}

/// What is believed only since its value stands alone gives way to what something else speaks for, and to what stands
/// alone too and has the better check. Equals stay: one number may be told under two types, of which one is right.
fn lone_give_way(rules: &[Compiled], found: &mut Vec<Found>, buffers: &mut Buffers) {
    let rule_of = |hit: &Found| &rules[usize::from(hit.rule)].rule;
    let is_lone = |hit: &Found| rule_of(hit).is_lone(hit.confidence);
    // Values stand alone in short texts only, so that all may be compared with all.
    if !found.iter().any(is_lone) || found.iter().any(|hit| hit.end as usize > ALONE_MAX_BYTES) {
        return;
    }
    let beats = |other: &Found, hit: &Found| {
        let overlaps = other.start < hit.end && hit.start < other.end;
        let surer = if is_lone(other) { other.confidence > hit.confidence } else { other.confidence >= hit.confidence };
        overlaps && surer && rule_of(other).info.category == rule_of(hit).info.category
    };
    buffers.keep.clear();
    buffers.keep.extend(found.iter().map(|hit| !is_lone(hit) || !found.iter().any(|other| beats(other, hit))));
    retain(found, &buffers.keep);
}

fn raise_pairs(rules: &[Compiled], found: &mut [Found], buffers: &mut Buffers) {
    buffers.paired.clear();
    buffers.paired.extend(found.iter().map(|hit| hit.rule).filter(|&rule| rules[usize::from(rule)].pair.is_some()));
    buffers.paired.sort_unstable();
    buffers.paired.dedup();
    for &rule in &buffers.paired {
        let pair = rules[usize::from(rule)].pair.as_ref().expect("it was chosen so");
        let partners = found.iter().filter(|hit| hit.rule == pair.with && hit.confidence.is_reported());
        buffers.partners.clear();
        buffers.partners.extend(partners.map(|hit| (hit.start, hit.end)));
        // Hits of one rule do not overlap, so their ends are in order too.
        for hit in found.iter_mut().filter(|hit| hit.rule == rule && hit.confidence.is_reported()) {
            let next = buffers.partners.partition_point(|&(_, end)| end.saturating_add(pair.within_bytes) < hit.start);
            let near = buffers
                .partners
                .get(next)
                .is_some_and(|&(start, _)| start <= hit.end.saturating_add(pair.within_bytes));
            if near {
                hit.paired = true;
                hit.confidence = hit.confidence.max(pair.confidence);
            }
        }
    }
}

/// Two sweeps: from the left with the farthest end of a specific hit so far, from the right with the nearest start.
fn give_way(rules: &[Compiled], found: &mut Vec<Found>, buffers: &mut Buffers) {
    let rule_of = |hit: &Found| &rules[usize::from(hit.rule)].rule;
    if !found.iter().any(|hit| rule_of(hit).gives_way) {
        return;
    }
    let slot = |hit: &Found| usize::from(rule_of(hit).info.category.code());
    buffers.keep.clear();
    buffers.keep.resize(found.len(), true);
    let mut farthest_end = [0u32; Category::ALL.len() + 1];
    for (hit, keep) in found.iter().zip(&mut buffers.keep) {
        if rule_of(hit).gives_way {
            *keep &= farthest_end[slot(hit)] <= hit.start;
        } else {
            farthest_end[slot(hit)] = farthest_end[slot(hit)].max(hit.end);
        }
    }
    let mut nearest_start = [u32::MAX; Category::ALL.len() + 1];
    for (hit, keep) in found.iter().zip(&mut buffers.keep).rev() {
        if rule_of(hit).gives_way {
            *keep &= nearest_start[slot(hit)] >= hit.end;
        } else {
            nearest_start[slot(hit)] = hit.start;
        }
    }
    surest_of_rivals(rules, found, &mut buffers.keep);
    retain(found, &buffers.keep);
}

/// Drops the hits that are not kept; there is one word for each hit.
fn retain(found: &mut Vec<Found>, keep: &[bool]) {
    let mut keep = keep.iter();
    found.retain(|_| *keep.next().expect("one for each hit"));
}

/// Of rules that give way and say something of the same value, only the surest is kept; of equals the first.
fn surest_of_rivals(rules: &[Compiled], found: &[Found], keep: &mut [bool]) {
    let rule_of = |hit: &Found| &rules[usize::from(hit.rule)].rule;
    // The last one that is kept, of each category.
    let mut last = [None; Category::ALL.len() + 1];
    for index in 0..found.len() {
        let hit = &found[index];
        if !keep[index] || !rule_of(hit).gives_way {
            continue;
        }
        let last = &mut last[usize::from(rule_of(hit).info.category.code())];
        if let Some(rival) = last.filter(|&rival: &usize| found[rival].end > hit.start) {
            if found[rival].confidence >= hit.confidence {
                keep[index] = false;
                continue;
            }
            keep[rival] = false;
        }
        *last = Some(index);
    }
}

/// The order in which hits are told.
pub(super) fn place<'a>(hit: &'a Hit<'_>) -> (u32, u32, u32, u32, &'a str) {
    (hit.message, hit.part, hit.start, hit.end, &hit.rule.id)
}

/// Ends the hits of an interaction: the most telling ones, in the order in which they are told.
pub(super) fn finish(hits: &mut Hits<'_>) {
    cap(hits);
    hits.hits.sort_by(|a, b| place(a).cmp(&place(b)));
}

/// Keeps the most telling hits. The order is total, so it does not matter how often this is called on the way: a
/// flood of addresses before a key cannot push the key out.
pub(super) fn cap(hits: &mut Hits<'_>) {
    let most = limits::HITS_PER_INTERACTION;
    if hits.hits.len() <= most {
        return;
    }
    let telling =
        |hit: &Hit<'_>| (Reverse(hit.confidence.is_reported()), Reverse(hit.rule.severity), Reverse(hit.confidence));
    hits.hits.sort_by(|a, b| telling(a).cmp(&telling(b)).then_with(|| place(a).cmp(&place(b))));
    hits.dropped += (hits.hits.len() - most) as u32;
    hits.hits.truncate(most);
}
