//! Alerts as receivers see them, and that they depend on the principal's facts alone.
//!
//! What a throttle is by itself is tested beside it.

use super::*;
use crate::judge::judge;
use crate::model::facts::FactHit;
use crate::model::finding::{Measure, Suppressed};
use crate::model::{
    Category, Confidence, Destination, Direction, Layer, Layers, PartKind, Principal, PrincipalKind, Role,
};
use crate::policy::{Limits, Policy};
use crate::rules::Catalogue;
use crate::score::tests::facts;
use crate::score::throttles::Held;
use crate::score::{Limit, score};
use proptest::prelude::*;
use serde_json::Value;
use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::LazyLock;

const T0: i64 = 1_766_000_070_079;

fn config() -> Config {
    Config {
        min_severity: Severity::High,
        burst: 1,
        every_ms: 3_600_000,
        runbook_url: "https://wiki.example.org/weir/{rule}".into(),
        source: "weir/test".into(),
        database: "weir_test".into(),
    }
}

fn hit(rule: &'static str, category: Category, direction: Direction, role: Role) -> FactHit<'static> {
    FactHit {
        rule,
        rule_version: 3,
        category,
        type_name: "PLANTED_VALUE",
        severity: Severity::High,
        confidence: Confidence::from_permille(957),
        direction,
        role,
        part_kind: PartKind::Text,
        message: 2,
        part: 0,
        start: 17,
        end: 37,
        masked: Cow::Borrowed("AKIA********2MND"),
        hmac: [0; 16],
        layers: Layers::default(),
    }
}

/// Facts with everything reported.
fn full(time_ms: i64) -> Facts<'static> {
    Facts {
        conversation: "conv-81",
        source_id: "chatcmpl-5",
        application: "support-bot",
        provider: "openai",
        model: "gpt-5-mini",
        destination: Destination { host: "api.openai.com", port: 443, scheme: "https", tls_version: "1.3" },
        input_tokens: Some(900),
        output_tokens: Some(200),
        ..facts("u-17", time_ms)
    }
}

/// The finding of the facts' one hit, in words of its own.
fn finding_of<'f>(facts: &'f Facts<'f>, title: &'f str, taxonomy: &'f [String], criteria: &'f [String]) -> Finding<'f> {
    static EMPTY: LazyLock<Catalogue> =
        LazyLock::new(|| Catalogue::load(&[]).unwrap_or_else(|_| panic!("no packs are no error")));
    let finding = judge(&Policy::default(), &EMPTY, facts, &Default::default()).findings.remove(0);
    Finding { title, taxonomy, criteria, ..finding }
}

fn json(alert: &Alert<'_>) -> Value {
    serde_json::from_slice(&alert.value()).unwrap()
}

/// Everything that is sent, as one text.
fn sent(alert: &Alert<'_>) -> String {
    let headers: String = alert.headers().iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("{headers}key: {}\n{:#}", alert.key(), json(alert))
}

#[test]
fn a_data_security_finding() {
    let mut facts = full(T0);
    facts.hits = vec![hit("secret.aws_access_key", Category::Secret, Direction::Input, Role::User)];
    let (taxonomy, criteria) = (["LLM02:2025".to_owned(), "AML.T0057".to_owned()], ["CC6.7".to_owned()]);
    let (finding, config) = (finding_of(&facts, "AWS access key", &taxonomy, &criteria), config());
    let alert = throttle(&mut State::default(), &facts, &finding, &config).unwrap();
    insta::assert_snapshot!(sent(&alert));
}

/// Whoever is woken must know why the value is not to be read where the alert says that it is.
#[test]
fn an_alert_names_what_hid_the_value() {
    let mut facts = full(T0);
    facts.hits = vec![hit("secret.aws_access_key", Category::Secret, Direction::Input, Role::User)];
    [Layer::Base64, Layer::Gzip].into_iter().for_each(|layer| facts.hits[0].layers.push(layer));
    let (finding, config) = (finding_of(&facts, "AWS access key", &[], &[]), config());
    let alert = throttle(&mut State::default(), &facts, &finding, &config).unwrap();
    let value = json(&alert);
    assert_eq!(value["unmapped"]["weir"]["evidence"]["layers"], serde_json::json!(["base64", "gzip"]));
    assert!(alert.message().contains("(AKIA********2MND, hidden by base64 > gzip)"), "{}", alert.message());
}

#[test]
fn a_detection_finding_with_little_known() {
    let mut facts = facts("", T0);
    facts.principal = Principal { kind: PrincipalKind::Unknown, value: "" };
    facts.hits = vec![hit("injection.instruction_override", Category::Injection, Direction::Output, Role::Assistant)];
    facts.hits[0].masked = Cow::Borrowed("[64 characters]");
    let mut config = config();
    config.runbook_url.clear();
    let finding = finding_of(&facts, "Instruction override", &[], &[]);
    let alert = throttle(&mut State::default(), &facts, &finding, &config).unwrap();
    insta::assert_snapshot!(sent(&alert));
}

#[test]
fn a_ceiling_with_what_was_held_back() {
    let limits = Limits { requests_per_minute: NonZeroU32::new(2), tokens_per_minute: None };
    let (mut state, config, catalogue, mut last) = (State::default(), config(), Catalogue::built_in(), String::new());
    let mut all = Vec::new();
    for step in 0..12 {
        // Two bursts; the second begins a crossing of its own, two hours later.
        let mut facts = full(T0 + step * 1_000 + if step < 6 { 0 } else { 7_200_000 });
        facts.position.offset += step;
        facts.hits = vec![hit("secret.aws_access_key", Category::Secret, Direction::Input, Role::User)];
        let scores = score(&mut state, &facts, &limits);
        let judged = judge(&Policy::default(), catalogue, &facts, &scores);
        for finding in &judged.findings {
            if let Some(alert) = throttle(&mut state, &facts, finding, &config) {
                all.push(alert.told.clone());
                last = sent(&alert);
            }
        }
    }
    let counts: Vec<_> = all.iter().map(|told| (told.sequence, told.held.total, told.denied.clone())).collect();
    let denied = vec![(Limit::RequestsPerMinute, 3)];
    assert_eq!(counts, [(1, 0, vec![]), (2, 2, vec![]), (3, 3, denied), (4, 2, vec![])]);
    insta::assert_snapshot!(last);
}

/// The attributes that OCSF 1.8.0 requires of both classes, as paths.
const REQUIRED: &[&str] = &[
    "/activity_id",
    "/category_uid",
    "/class_uid",
    "/type_uid",
    "/severity_id",
    "/time",
    "/metadata/version",
    "/metadata/product/name",
    "/metadata/product/vendor_name",
    "/finding_info/uid",
];

#[test]
fn required_attributes_are_there_for_every_category() {
    let config = config();
    for &category in Category::ALL {
        for mut facts in [full(T0), facts("", T0)] {
            facts.hits = vec![hit("some.rule", category, Direction::Input, Role::User)];
            let finding = finding_of(&facts, "Something", &[], &[]);
            let alert = throttle(&mut State::default(), &facts, &finding, &config).unwrap();
            let value = json(&alert);
            for path in REQUIRED {
                assert!(value.pointer(path).is_some_and(|found| !found.is_null()), "{category}: {path}");
            }
            let data = matches!(category, Category::Secret | Category::Pii | Category::Exfiltration);
            let class = if data { 2006 } else { 2004 };
            assert_eq!(value["class_uid"], class);
            assert_eq!(value["type_uid"], class * 100 + 1);
            assert_eq!(value["category_uid"], 2);
            assert_eq!(value["time"], T0);
            assert_eq!(value.get("evidences").is_some(), !data, "2006 has no evidences");
            assert_eq!(value.get("data_security").is_some(), data);
            assert_eq!(value["metadata"]["uid"], alert.id.to_string());
            assert!(value.get("dst_endpoint").is_none() || data, "2004 has no dst_endpoint");
        }
    }
}

#[test]
fn severity_decides_and_ids_follow_the_sequence() {
    let mut facts = full(T0);
    facts.hits = vec![hit("a.b", Category::Pii, Direction::Output, Role::Assistant)];
    let (config, mut state) = (Config { burst: 3, ..config() }, State::default());
    let mut finding = finding_of(&facts, "Something", &[], &[]);
    finding.severity = Severity::Medium;
    assert!(throttle(&mut state, &facts, &finding, &config).is_none());
    // Nor does what is suppressed, and it takes nothing from what is not.
    let suppressed = Finding { suppressed: Some(Suppressed::default()), ..finding.clone() };
    let every = Config { min_severity: Severity::Informational, ..config.clone() };
    assert!((0..9).all(|_| throttle(&mut state, &facts, &suppressed, &every).is_none()));
    assert!(state.is_absent(), "what is not told leaves no trace");
    finding.severity = Severity::Critical;
    let alerts: Vec<_> = (0..5).filter_map(|_| throttle(&mut state, &facts, &finding, &config)).collect();
    assert_eq!(alerts.iter().map(|alert| alert.told.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(alerts[0].dedup_key, alerts[2].dedup_key);
    assert_ne!(alerts[0].id, alerts[1].id);
    assert_eq!(alerts[0].id, Uid::of(&[b"alert", &finding.uid.0, &1u64.to_le_bytes()]));
    let later = Facts { time_ms: T0 + 4 * 3_600_000, ..facts.clone() };
    let alert = throttle(&mut state, &later, &finding, &config).unwrap();
    assert_eq!((alert.told.held.total, alert.told.sequence), (2, 4));
    assert_ne!(alert.dedup_key, alerts[0].dedup_key, "a new run");
}

#[test]
fn a_trouble_that_goes_on_updates_the_finding_that_opened_it() {
    let (config, mut state, catalogue) = (config(), State::default(), Catalogue::built_in());
    let mut alerts = Vec::new();
    for step in 0..5 {
        let mut facts = full(T0 + step * 30 * 60_000);
        facts.position.offset += step;
        facts.hits = vec![hit("secret.github_token", Category::Secret, Direction::Input, Role::User)];
        facts.hits_dropped = u32::from(step == 4);
        let judged = judge(&Policy::default(), catalogue, &facts, &Default::default());
        if let Some(alert) = throttle(&mut state, &facts, &judged.findings[0], &config) {
            alerts.push((json(&alert), sent(&alert)));
        }
    }
    let of = |pointer: &str| -> Vec<Value> {
        alerts.iter().map(|(value, _)| value.pointer(pointer).cloned().unwrap_or_default()).collect()
    };
    assert_eq!(of("/activity_id"), [1, 2, 2]);
    assert_eq!(of("/type_uid"), [200601, 200602, 200602]);
    assert_eq!(of("/finding_info/related_events_count"), [1, 3, 5]);
    let (uids, keys, own) = (of("/finding_info/uid"), of("/unmapped/weir/dedup_key"), of("/unmapped/weir/finding_uid"));
    assert!(uids[0] == uids[1] && uids[1] == uids[2] && keys[0] == keys[2]);
    assert!(uids[0] == own[0] && own[0] != own[1] && own[1] != own[2]);
    insta::assert_snapshot!(alerts[2].1);
}

/// Past the bound on principals a run belongs to all that share a bucket: what one of them opened cannot be updated
/// under the key of another.
#[test]
fn who_shares_a_state_gets_findings_of_its_own() {
    let (config, mut state, catalogue) = (Config { burst: 9, ..config() }, State::default(), Catalogue::built_in());
    let mut keys = Vec::new();
    for (step, user) in ["u-1", "u-2", "u-2", "u-1"].into_iter().enumerate() {
        let mut facts = full(T0 + step as i64 * 1_000);
        facts.principal.value = user;
        facts.position.offset += step as i64;
        facts.hits = vec![hit("secret.github_token", Category::Secret, Direction::Input, Role::User)];
        let judged = judge(&Policy::default(), catalogue, &facts, &Default::default());
        let alert = throttle(&mut state, &facts, &judged.findings[0], &config).unwrap().by_itself();
        let value = json(&alert);
        assert_eq!(value["activity_name"], "Create");
        assert_eq!(value["finding_info"]["uid"], judged.findings[0].uid.to_string());
        assert_eq!(value["finding_info"]["first_seen_time"], facts.time_ms);
        assert_eq!(value["finding_info"]["related_events_count"], 1);
        assert!(!alert.message().contains("going on"));
        keys.push(alert.dedup_key);
    }
    assert!(keys[0] == keys[3] && keys[1] == keys[2] && keys[0] != keys[1], "a key is still a principal's");
}

/// Names as somebody might choose them who wants an alert to be misread, or not to fit.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("👩\u{200d}💻".repeat(24)),
        Just("\u{202e}".repeat(85)),
        Just("a\n\"'\\&<>`*_|".repeat(20)),
        "\\PC{0,256}",
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn words_fit_and_stand_on_one_line_whatever_the_names_are(
        names in proptest::collection::vec(any_name(), 7), rule in "[a-z.]{1,80}", kind in 0..4usize, hits: bool, held: bool
    ) {
        let mut facts = full(T0);
        facts.principal = Principal { kind: PrincipalKind::ALL[kind], value: &names[0] };
        (facts.application, facts.provider, facts.model) = (&names[1], &names[2], &names[3]);
        (facts.destination.host, facts.position.topic) = (&names[4], &names[5]);
        (facts.position.offset, facts.index, facts.hits_dropped) = (i64::MAX, u32::MAX, u32::MAX);
        facts.hits = vec![hit("some.rule", Category::Pii, Direction::Output, Role::Assistant)];
        facts.hits[0].masked = Cow::Borrowed(&names[6]);
        let mut finding = finding_of(&facts, &names[6], &[], &[]);
        if !hits {
            finding.place = None;
            finding.measure = Some(Measure {
                unit: "requests",
                limit: u64::MAX,
                observed: u64::MAX,
                window_start_ms: 0,
                window_end_ms: T0,
                denied_before: u64::MAX,
            });
        }
        finding.rule = &rule;
        let (config, mut state) = (config(), State::default());
        let mut alert = throttle(&mut state, &facts, &finding, &config).unwrap();
        if held {
            let by_rule = (0..32).map(|number| (format!("{rule}{number}").into(), u32::MAX)).collect();
            alert.told = Told { sequence: 1, held: Held { total: u64::MAX, by_rule }, denied: vec![
                (Limit::RequestsPerMinute, u64::MAX), (Limit::TokensPerMinute, u64::MAX),
            ] };
            alert.run.findings = u32::MAX;
        }
        let (title, message) = (alert.title(), alert.message());
        prop_assert!(title.len() <= words::TITLE_MAX_BYTES && message.len() <= words::MESSAGE_MAX_BYTES);
        for text in [&title, &message] {
            prop_assert_eq!(&words::shown(text, 2_000), text, "nothing hidden is left");
        }
        prop_assert!(message.contains("% sure."));
        prop_assert_eq!(message.contains("It has been going on since"), held);
        let length = alert.value().len();
        prop_assert!(length < 16 << 10, "{} bytes", length);
    }
}

/// Every kind of finding has its own next step, short enough for a chat message.
#[test]
fn there_is_always_a_next_step() {
    let mut facts = full(T0);
    for &category in Category::ALL {
        for &direction in Direction::ALL {
            facts.hits = vec![hit("some.rule", category, direction, Role::User)];
            let finding = finding_of(&facts, "Something", &[], &[]);
            let text = next_step::of(&finding);
            assert!(text.starts_with("1. ") && text.contains(" 2. ") && text.len() <= 500, "{category}: {text}");
            assert_eq!(next_step::of(&Finding { next_step: "Call Ada.", ..finding }), "Call Ada.");
        }
    }
}

/// What `finding_info.attacks` says of an id.
#[test]
fn techniques_of_atlas_are_attacks() {
    let mut facts = full(T0);
    facts.hits = vec![hit("some.rule", Category::Injection, Direction::Input, Role::User)];
    let all: Vec<String> = crate::rules::taxonomy::TAXONOMY.iter().map(|(id, _)| (*id).to_owned()).collect();
    let (finding, config) = (finding_of(&facts, "Something", &all, &[]), config());
    let value = json(&throttle(&mut State::default(), &facts, &finding, &config).unwrap());
    let attacks = value["finding_info"]["attacks"].as_array().unwrap();
    assert_eq!(attacks.len(), all.iter().filter(|id| id.starts_with("AML.")).count());
    for attack in attacks {
        let id = attack["technique"]["uid"].as_str().unwrap();
        assert!(id.len() == "AML.T0051".len() && attack["technique"]["name"].is_string(), "{attack}");
        let sub = &attack["sub_technique"];
        assert!(sub.is_null() || sub["uid"].as_str().unwrap().starts_with(id) && sub["name"].is_string(), "{attack}");
    }
}

#[test]
fn times_are_written_whatever_they_are() {
    assert_eq!(cloudevents::rfc3339(T0), "2025-12-17T19:34:30.079Z");
    assert_eq!(cloudevents::rfc3339(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(cloudevents::rfc3339(i64::MAX), "9999-12-30T22:00:00.999Z");
    assert_eq!(cloudevents::rfc3339(i64::MIN), "-009999-01-02T01:59:59.000Z");
}

/// An interaction of the determinism test: how far time moves, tokens, rules that hit.
type Step = (i64, Option<u64>, Vec<(usize, u16)>);

fn any_step() -> impl Strategy<Value = Step> {
    let rules = proptest::collection::vec((0..RULES.len(), 400..1_000u16), 0..4);
    (prop_oneof![-30_000..60_000i64, 0..3_000i64], proptest::option::of(0..400u64), rules)
}

const RULES: [&str; 4] = ["secret.a", "pii.b", "injection.c", "exfiltration.d"];

/// Runs the steps and returns everything that was told, and the state's bytes. After the steps that `restarts` names
/// the state goes through its encoding, as when what follows is another transaction of another process.
fn run(steps: &[Step], restarts: impl Fn(usize) -> bool) -> (Vec<String>, Vec<u8>) {
    let limits = Limits { requests_per_minute: NonZeroU32::new(4), tokens_per_minute: NonZeroU32::new(600) };
    let config = Config { burst: 2, every_ms: 20_000, ..config() };
    let catalogue = Catalogue::built_in();
    let (mut state, mut told, mut time_ms, mut bytes) = (State::default(), Vec::new(), T0, Vec::new());
    for (index, (forward_ms, tokens, rules)) in steps.iter().enumerate() {
        time_ms += forward_ms;
        let mut facts = full(time_ms);
        facts.position.offset = index as i64;
        facts.input_tokens = *tokens;
        facts.hits.extend(rules.iter().map(|&(rule, permille)| FactHit {
            confidence: Confidence::from_permille(permille),
            ..hit(RULES[rule], Category::Secret, Direction::Input, Role::User)
        }));
        let scores = score(&mut state, &facts, &limits);
        let judged = judge(&Policy::default(), catalogue, &facts, &scores);
        for finding in &judged.findings {
            told.push(finding.uid.to_string());
            told.extend(throttle(&mut state, &facts, finding, &config).map(|alert| sent(&alert)));
        }
        bytes.clear();
        state.encode(&mut bytes);
        if restarts(index) {
            state = State::decode(&bytes).unwrap();
        }
    }
    (told, bytes)
}

proptest! {
    #[test]
    fn restarts_change_nothing(steps in proptest::collection::vec(any_step(), 1..60), cuts: u64) {
        let undisturbed = run(&steps, |_| false);
        prop_assert_eq!(&run(&steps, |_| true), &undisturbed);
        prop_assert_eq!(&run(&steps, |index| cuts >> index & 1 == 1), &undisturbed);
    }

    /// Nothing that is counted is lost: what alerts tell and what the state still holds add up to what happened.
    #[test]
    fn nothing_that_is_held_back_is_lost(rules in proptest::collection::vec((0..60usize, 0..5_000i64), 1..200)) {
        let names: Vec<String> = (0..60).map(|rule| format!("rule.number.{rule}")).collect();
        let (mut state, quota, mut time_ms) = (State::default(), Gcra::every(1, 10_000), T0);
        let (mut asked, mut answered) = (0, 0);
        for (rule, forward_ms) in rules {
            time_ms += forward_ms;
            state.advance(&facts("u", time_ms));
            asked += 1;
            if state.ask(&names[rule], Uid([0; 16]), quota).is_some() {
                answered += 1 + state.tell().held.total;
            }
        }
        prop_assert_eq!(asked, answered + state.tell().held.total);
    }
}
