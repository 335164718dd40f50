//! Tests of packs as they are written and resolved. What rules find is tested in detection.
//!
//! Their examples run there too.

use super::*;
use crate::yaml::{Place, Problem};

const RULE: &str = "\
rules:
  - id: secret.acme_key
    version: 1
    title: Acme key
    description: Opens the gates of Acme.
    category: secret
    type: ACME_KEY
    severity: high
    confidence: 0.9
    mask: ends
    pattern: '\\bacme_[a-z]{8}\\b'
    anchors: [acme_]
    taxonomy: ['LLM02:2025']
    criteria: [CC6.1]
    references: []
    examples: [acme_qwertyui, acme_asdfghjk]
    counter_examples: [acme_, acme_short]
";

fn load(text: &str) -> Result<Catalogue, Problems> {
    Catalogue::load(&[PackFile { name: "packs/acme.yaml", text }])
}

/// Each problem in one line, without its excerpt.
fn lines(problems: &Problems) -> Vec<String> {
    let line = |problem: &Problem| {
        let Place { line, column, .. } = problem.place;
        format!("{}:{line}:{column}: {}; {}", problem.file, problem.message, problem.remedy)
    };
    problems.list().iter().map(line).collect()
}

#[test]
fn built_in_packs_resolve() {
    let catalogue = Catalogue::built_in();
    assert!(catalogue.rules().len() >= 20);
    assert_eq!(catalogue.digest().len(), 64);
    assert!(catalogue.rules().is_sorted_by_key(|rule| &rule.info.id));
    let everyday = ["pii.email_address", "pii.ip_address", "pii.phone_number"];
    assert!(everyday.iter().all(|id| catalogue.get(id).unwrap().info.severity <= Severity::Low));
    assert!(catalogue.get("secret.nothing").is_none());
    assert!(catalogue.get("secret.aws_secret_key").unwrap().next_step.starts_with("1. Set the key inactive"));
}

#[test]
fn packs_say_things_once_for_all_of_their_rules() {
    let without = |text: String, lines: &[&str]| {
        lines.iter().fold(text, |text, line| {
            assert!(text.contains(line), "{line}");
            text.replace(line, "")
        })
    };
    let lines = ["    version: 1\n", "    category: secret\n", "    type: ACME_KEY\n", "    severity: high\n"];
    let short = without(RULE.to_string(), &lines)
        .replace("rules:", "provider: Acme\ndefaults: { category: secret, severity: high, confidence: 0.1 }\nrules:");
    let (short, long) = (load(&short).unwrap(), load(RULE).unwrap());
    let (short, long) = (&short.rules()[0], &long.rules()[0]);
    assert_eq!(format!("{:?}", short.info), format!("{:?}", long.info));
    assert_eq!(short.confidence.permille(), 900, "a rule's own word wins");
    assert_eq!((short.provider.as_str(), long.provider.as_str()), ("Acme", ""));
}

#[test]
fn what_is_wrong_with_defaults_is_told_once() {
    let first = RULE.replace("    severity: high\n", "");
    let second = first.replace("rules:\n", "").replace("acme_key", "acme_other");
    let text = format!("defaults: {{ severity: hihg, pattern: a }}\n{first}{second}");
    let found = lines(&load(&text).unwrap_err());
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("1:23: there is no severity `hihg`; did you mean `high`?"), "{found:#?}");
    assert!(found[1].contains("defaults cannot have `pattern`"), "{found:#?}");
    let found = lines(&load(&RULE.replace("rules:", "defaults: 3\nrules:")).unwrap_err());
    assert!(found[0].contains("defaults is no mapping"), "{found:#?}");
}

#[test]
fn a_rule_resolves() {
    let catalogue = load(RULE).unwrap();
    let rule = catalogue.get("secret.acme_key").unwrap();
    assert_eq!(rule.confidence.permille(), 900);
    assert_eq!(rule.trigger, Trigger::Anchors(vec!["acme_".into()]));
    assert_eq!(rule.shape.longest_bytes, Some(13));
    assert!(rule.applies_to(Direction::Output, Role::System));
}

/// What is changed in the rule, and what the error must name: its place and a piece of what it says.
#[test]
fn errors_name_the_place_and_the_remedy() {
    let table = [
        ("severity: high", "severity: hihg", "8:15", "no severity `hihg`"),
        ("mask: ends", "mask: end", "10:11", "did you mean `ends`?"),
        ("confidence: 0.9", "confidence: 9", "9:17", "outside 0 to 1"),
        ("[acme_]", "[key]", "12:15", "too many texts"),
        ("[acme_]", "[acne_]", "11:14", "without any of the anchors"),
        ("anchors: [acme_]", "trigger: digits", "12:14", "digits cannot gate"),
        ("anchors: [acme_]", "trigger: comma", "12:14", "no trigger `comma`"),
        ("    anchors: [acme_]\n", "", "2:9", "nothing gates this rule"),
        ("{8}", "{8", "11:14", "does not work"),
        ("LLM02:2025", "LLM99:2025", "13:16", "no taxonomy id"),
        ("CC6.1", "CC1.9", "14:16", "no criterion"),
        ("secret.acme_key", "pii.acme_key", "2:9", "no id of a rule of category secret"),
        ("counter_examples:", "counterexamples:", "17:5", "counterexamples"),
        ("version: 1", "version: one", "3:14", "`one` is not a whole number"),
        ("examples: [acme_qwertyui,", "examples: [{a: b},", "16:16", "is a mapping, not a single value"),
        ("    title: Acme key\n", "", "2:5", "rules[0].title is missing"),
        ("references: []", "references: []\n    next_step: ' '", "16:16", "the next step has 0 characters"),
        ("rules:", "rules: [", "", ""),
    ];
    for (from, to, place, says) in table {
        let errors = load(&RULE.replace(from, to)).unwrap_err();
        let place =
            if place.is_empty() { "packs/acme.yaml:".to_string() } else { format!("packs/acme.yaml:{place}: ") };
        let texts = lines(&errors);
        assert!(texts.iter().any(|text| text.starts_with(&place) && text.contains(says)), "{to}: {texts:#?}");
    }
}

#[test]
fn all_errors_come_at_once_and_duplicates_are_refused() {
    let broken = RULE.replace("severity: high", "severity: x").replace("mask: ends", "mask: y").replace("CC6.1", "z");
    assert_eq!(load(&broken).unwrap_err().list().len(), 3);
    // Of every type, and in a file beside one that is no YAML at all.
    let untyped = RULE.replace("version: 1", "version: x").replace("0.9", "much").replace("examples: [", "exmples: [");
    let both = [PackFile { name: "a.yaml", text: "rules: [" }, PackFile { name: "b.yaml", text: &untyped }];
    let found = lines(&Catalogue::load(&both).unwrap_err());
    let files: Vec<&str> = found.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(files, ["a.yaml", "b.yaml", "b.yaml", "b.yaml", "b.yaml", "b.yaml", "b.yaml"], "{found:#?}");
    let twice = [PackFile { name: "a.yaml", text: RULE }, PackFile { name: "b.yaml", text: RULE }];
    let errors = Catalogue::load(&twice).unwrap_err();
    assert_eq!(errors.list().len(), 1);
    assert!(lines(&errors)[0].starts_with("b.yaml:2:9: rule `secret.acme_key` is already in a.yaml at line 2"));
}

/// A broken rule is still one to pair with.
#[test]
fn a_pair_may_name_a_rule_that_is_broken() {
    let other = RULE.replace("acme_key", "other_key").replace(
        "    mask: ends\n",
        "    mask: ends\n    pair: { with: secret.acme_key, within_bytes: 9, severity: high, confidence: 1 }\n",
    );
    let broken = RULE.replace("severity: high", "severity: x");
    let packs = [PackFile { name: "a.yaml", text: &other }, PackFile { name: "b.yaml", text: &broken }];
    assert_eq!(lines(&Catalogue::load(&packs).unwrap_err()).len(), 1);
    let alone = [PackFile { name: "a.yaml", text: &other }];
    let found = lines(&Catalogue::load(&alone).unwrap_err());
    assert!(found[0].contains("there is no rule `secret.acme_key` to pair with"), "{found:?}");
}

/// What a pack holds may be real: nothing but ids, numbers and names of closed sets is printed.
#[test]
fn problems_quote_no_text_of_a_pack() {
    let table = [
        ("examples: [", "exampels: [hunter2, "),
        ("counter_examples: [", "counter_examples: [{ hunter2: hunter2 }, "),
        ("references: []", "references: { a: hunter2 }"),
        ("examples: [acme_qwertyui,", "examples: ['hunter2, "),
        ("anchors: [acme_]", "anchors: [hunter2]"),
        ("pattern: '", "pattern: 'hunter2(("),
        ("title: Acme key", "title: [hunter2]"),
        ("rules:", "hunter: hunter2\nrules:"),
        ("    criteria: [CC6.1]", "    criteria: [CC6.x] # hunter2"),
    ];
    for (from, to) in table {
        let printed = load(&RULE.replace(from, to)).unwrap_err().to_string();
        assert!(!printed.contains("hunter2"), "{to}: {printed}");
    }
}

#[test]
fn the_digest_is_of_names_and_bytes_in_a_fixed_order() {
    let other = RULE.replace("acme_key", "other_key");
    let (a, b) = (PackFile { name: "a.yaml", text: RULE }, PackFile { name: "b.yaml", text: &other });
    let digest = |packs: &[PackFile<'_>]| Catalogue::load(packs).unwrap().digest().to_string();
    assert_eq!(digest(&[a, b]), digest(&[b, a]));
    assert_ne!(digest(&[a, b]), digest(&[a]));
    assert_ne!(digest(&[a]), digest(&[PackFile { name: "c.yaml", text: RULE }]));
}

/// The schema for editors says what the resolver does: its closed sets, and every key that packs use.
#[test]
fn the_published_schema_agrees() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../pipelines/schemas/pack.schema.json")).unwrap();
    let properties = &schema["properties"]["rules"]["items"]["properties"];
    let names = |list: &serde_json::Value| -> Vec<String> { serde_json::from_value(list["enum"].clone()).unwrap() };
    let ids = |list: &[(&str, &str)]| -> Vec<String> { list.iter().map(|(id, _)| id.to_string()).collect() };
    let all = |names: Vec<&'static str>| -> Vec<String> { names.into_iter().map(String::from).collect() };
    let validators = all(Validator::ALL.iter().map(|validator| validator.name()).collect());
    let severities = all(Severity::ALL.iter().map(|severity| severity.name()).collect());
    let categories = all(crate::model::Category::ALL.iter().map(|category| category.name()).collect());
    assert_eq!(names(&properties["validators"]["items"]), validators);
    assert_eq!(names(&properties["proof"]["properties"]["validator"]), validators);
    assert_eq!(names(&properties["severity"]), severities);
    assert_eq!(names(&properties["category"]), categories);
    assert_eq!(names(&properties["taxonomy"]["items"]), ids(taxonomy::TAXONOMY));
    assert_eq!(names(&properties["criteria"]["items"]), ids(taxonomy::CRITERIA));
    for pack in BUILT_IN {
        let value: serde_json::Value = serde_saphyr::from_str(pack.text).unwrap();
        for rule in value["rules"].as_array().unwrap() {
            for key in rule.as_object().unwrap().keys() {
                assert!(!properties[key].is_null(), "{key} is not in the schema");
            }
        }
    }
}

/// Values of a pack may be real; its keys are shown, so that the marks point at something.
#[test]
fn of_a_hidden_line_the_key_is_shown() {
    let broken = RULE
        .replace("pattern: '", "pattern: '(")
        .replace("    references: []", "    refs: acme_zxcvbnml\n    references: []");
    let printed = load(&broken).unwrap_err().to_string();
    for shown in ["\n11 |     pattern: …\n   |              ^", "\n15 |     refs: …\n   |     ^^^^"] {
        assert!(printed.contains(shown), "{printed}");
    }
    assert!(!printed.contains("acme_") && !printed.contains("not shown"), "{printed}");
    let value_as_key = load(&RULE.replace("    references: []", "    acme_QWERTYUI: x\n    references: []"));
    assert!(value_as_key.unwrap_err().to_string().contains("not shown"));
}
