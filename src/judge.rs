//! Facts and scores become findings.
//!
//! A hit at or above the reporting threshold is a finding; one below it is only counted. A crossing of a ceiling
//! is a finding too. Whether a finding becomes an alert is not decided here, and nothing here keeps state.

use crate::model::facts::{FactHit, Facts};
use crate::model::finding::{Finding, Place, Suppressed};
use crate::model::{Category, Confidence, Direction, Severity};
use crate::policy::{self, Policy};
use crate::rules::Catalogue;
use crate::score::{Crossing, Limit, Scores};
use std::sync::LazyLock;

/// What was judged of one interaction.
#[derive(Clone, Debug)]
pub struct Judged<'f> {
    /// Of hits in their order, then of crossings.
    pub findings: Vec<Finding<'f>>,
    /// Hits that are too unsure to be reported.
    pub below_threshold: u32,
    /// The same by rule, in the order in which the rules first occur.
    pub below_threshold_by_rule: Vec<(&'f str, u32)>,
}

/// Judges one interaction. The policy's ceilings are in the scores already; here it is asked what is suppressed.
pub fn judge<'f>(policy: &Policy, catalogue: &'f Catalogue, facts: &'f Facts<'f>, scores: &Scores) -> Judged<'f> {
    let mut judged = Judged { findings: Vec::new(), below_threshold: 0, below_threshold_by_rule: Vec::new() };
    for hit in &facts.hits {
        if hit.confidence.is_reported() {
            judged.findings.push(of_hit(catalogue, facts, hit));
        } else {
            judged.count_below(hit.rule);
        }
    }
    judged.findings.extend(scores.crossings.iter().map(|crossing| of_crossing(facts, crossing)));
    if !policy.suppressions.is_empty() {
        for finding in &mut judged.findings {
            finding.suppressed = suppressed(policy, facts, finding);
        }
    }
    judged
}

impl<'f> Judged<'f> {
    fn count_below(&mut self, rule: &'f str) {
        self.below_threshold += 1;
        match self.below_threshold_by_rule.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, count)) => *count += 1,
            None => self.below_threshold_by_rule.push((rule, 1)),
        }
    }
}

/// The first suppression that covers a finding counts.
fn suppressed(policy: &Policy, facts: &Facts<'_>, finding: &Finding<'_>) -> Option<Suppressed> {
    let hmac = finding.place.as_ref().map_or([0; 16], |place| place.hmac);
    policy.suppressions.iter().find_map(|suppression| suppression.covers(finding.rule, facts, hmac)).cloned()
}

/// Words come from the catalogue. A rule that it does not hold (facts of other packs, replayed) speaks by its id.
fn of_hit<'f>(catalogue: &'f Catalogue, facts: &'f Facts<'f>, hit: &'f FactHit<'f>) -> Finding<'f> {
    let known = catalogue.get(hit.rule);
    Finding {
        uid: Finding::uid_of_hit(facts, hit.rule, hit.message, hit.part, hit.start, hit.end),
        rule: hit.rule,
        rule_version: hit.rule_version,
        title: known.map_or(hit.rule, |rule| &rule.title),
        category: hit.category,
        type_name: hit.type_name,
        severity: hit.severity,
        confidence: hit.confidence,
        direction: hit.direction,
        place: Some(Place {
            role: hit.role,
            part_kind: hit.part_kind,
            message: hit.message,
            part: hit.part,
            start: hit.start,
            end: hit.end,
            masked: &hit.masked,
            hmac: hit.hmac,
            layers: hit.layers,
        }),
        measure: None,
        description: known.map_or("", |rule| &rule.description),
        next_step: known.map_or("", |rule| &rule.next_step),
        references: known.map_or(&[], |rule| &rule.references),
        taxonomy: known.map_or(&[], |rule| &rule.taxonomy),
        criteria: known.map_or(&[], |rule| &rule.criteria),
        suppressed: None,
    }
}

/// The rules that no pack holds: one a ceiling. Versions go up when what they mean changes.
fn of_crossing<'f>(facts: &'f Facts<'f>, crossing: &Crossing) -> Finding<'f> {
    let (rule, type_name, title) = match crossing.limit {
        Limit::RequestsPerMinute => {
            (policy::REQUESTS_PER_MINUTE, "LIMIT_REQUESTS_PER_MINUTE", "More requests per minute than allowed")
        }
        Limit::TokensPerMinute => {
            (policy::TOKENS_PER_MINUTE, "LIMIT_TOKENS_PER_MINUTE", "More tokens per minute than allowed")
        }
    };
    Finding {
        uid: Finding::uid_of_window(facts, rule, crossing.measure.window_start_ms),
        rule,
        rule_version: 1,
        title,
        category: Category::Policy,
        type_name,
        severity: Severity::High,
        confidence: Confidence::from_permille(1_000),
        direction: Direction::Input,
        place: None,
        measure: Some(crossing.measure.clone()),
        description: "The principal made more calls, or used more tokens, than the policy allows one in a minute.",
        next_step: "",
        references: &*CEILING_REFERENCES,
        taxonomy: &*CEILING_TAXONOMY,
        criteria: &*CEILING_CRITERIA,
        suppressed: None,
    }
}

/// OWASP: unbounded consumption. ATLAS: cost harvesting.
static CEILING_TAXONOMY: LazyLock<[String; 2]> = LazyLock::new(|| ["LLM10:2025".to_owned(), "AML.T0034".to_owned()]);
static CEILING_REFERENCES: LazyLock<[String; 1]> =
    LazyLock::new(|| ["https://genai.owasp.org/llmrisk/llm102025-unbounded-consumption/".to_owned()]);
static CEILING_CRITERIA: LazyLock<[String; 1]> = LazyLock::new(|| ["CC7.2".to_owned()]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Measure;
    use crate::model::{Layers, PartKind, Role};
    use crate::score::tests::facts;
    use std::borrow::Cow;

    fn hit(rule: &str, permille: u16) -> FactHit<'_> {
        FactHit {
            rule,
            rule_version: 2,
            category: Category::Secret,
            type_name: "TOKEN",
            severity: Severity::Critical,
            confidence: Confidence::from_permille(permille),
            direction: Direction::Input,
            role: Role::User,
            part_kind: PartKind::Text,
            message: 1,
            part: 0,
            start: 5,
            end: 25,
            masked: Cow::Borrowed("tok_********9x7Q"),
            hmac: [7; 16],
            layers: Layers::default(),
        }
    }

    #[test]
    fn hits_at_the_threshold_are_findings_and_others_are_counted_by_rule() {
        let mut facts = facts("u-1", 1_000);
        facts.hits = vec![hit("a.x", 500), hit("a.y", 499), hit("b.z", 0), hit("a.y", 100)];
        let catalogue = Catalogue::load(&[]).unwrap_or_else(|_| panic!("no packs are no error"));
        let judged = judge(&Policy::default(), &catalogue, &facts, &Scores::default());
        assert_eq!(judged.findings.len(), 1);
        assert_eq!(judged.below_threshold, 3);
        assert_eq!(judged.below_threshold_by_rule, [("a.y", 2), ("b.z", 1)]);
        let finding = &judged.findings[0];
        assert_eq!((finding.title, finding.rule, finding.rule_version), ("a.x", "a.x", 2));
        assert_eq!(finding.uid, Finding::uid_of_hit(&facts, "a.x", 1, 0, 5, 25));
        assert!(finding.taxonomy.is_empty() && finding.criteria.is_empty());
        assert_eq!(finding.place.as_ref().unwrap().masked, "tok_********9x7Q");
    }

    #[test]
    fn a_known_rule_gives_its_words() {
        let catalogue = Catalogue::built_in();
        let rule = &catalogue.rules()[0];
        let mut facts = facts("u-1", 1_000);
        facts.hits = vec![hit(&rule.info.id, 900)];
        let judged = judge(&Policy::default(), catalogue, &facts, &Scores::default());
        let finding = &judged.findings[0];
        assert_eq!(
            (finding.title, finding.taxonomy, finding.criteria),
            (&*rule.title, &*rule.taxonomy, &*rule.criteria)
        );
    }

    #[test]
    fn a_suppressed_finding_is_there_and_says_so() {
        let text = "version: 1\nsuppressions:\n  - { rule: a.x, principal: 'user:u-1', reason: a test key, approver: Ann, \
                    expires: 2027-03-31 }\n";
        let policy = Policy::parse("policy.yaml", text, None).unwrap();
        let catalogue = Catalogue::load(&[]).unwrap_or_else(|_| panic!("no packs are no error"));
        let said = |principal, time_ms| {
            let mut facts = facts(principal, time_ms);
            facts.hits = vec![hit("a.x", 900), hit("a.y", 900)];
            let judged = judge(&policy, &catalogue, &facts, &Scores::default());
            judged.findings.iter().map(|finding| finding.suppressed.clone()).collect::<Vec<_>>()
        };
        let suppressed = Suppressed {
            by: "Ann".into(),
            reason: "a test key".into(),
            expires: "2027-03-31".into(),
            until_ms: 1_806_537_600_000,
        };
        assert_eq!(said("u-1", 1_000), [Some(suppressed), None]);
        assert_eq!(said("u-2", 1_000), [None, None]);
        assert_eq!(said("u-1", 1_806_537_600_000), [None, None]);
    }

    #[test]
    fn a_crossing_is_a_finding_of_its_window() {
        let facts = facts("u-1", 60_000);
        let measure = Measure {
            unit: "tokens",
            limit: 10,
            observed: 12,
            window_start_ms: 55_000,
            window_end_ms: 60_000,
            denied_before: 3,
        };
        let scores = Scores { crossings: vec![Crossing { limit: Limit::TokensPerMinute, measure: measure.clone() }] };
        let catalogue = Catalogue::load(&[]).unwrap_or_else(|_| panic!("no packs are no error"));
        let judged = judge(&Policy::default(), &catalogue, &facts, &scores);
        let finding = &judged.findings[0];
        assert_eq!(finding.uid, Finding::uid_of_window(&facts, "policy.limit.tokens_per_minute", 55_000));
        assert_eq!((finding.type_name, finding.severity), ("LIMIT_TOKENS_PER_MINUTE", Severity::High));
        assert_eq!(finding.taxonomy, ["LLM10:2025", "AML.T0034"]);
        assert_eq!(finding.criteria, ["CC7.2"]);
        assert_eq!(finding.measure.as_ref(), Some(&measure));
        assert!(finding.place.is_none());
    }
}
