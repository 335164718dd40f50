//! Tests of the figures: what counts as found, as missed and as a false alarm.
//!
//! How a corpus is read from files, and what is printed, is tested with the command line.

use super::*;

/// A key that is found, and one that a placeholder makes worthless.
const KEY: &str = "AWS_ACCESS_KEY_ID=AKIAIOUOXIIZYGHHH7O3";

fn evaluate(task: Task, files: &[(&str, &[&str])]) -> Evaluation {
    let catalogue = Catalogue::built_in();
    let scanner = Scanner::new(catalogue);
    let mut evaluator = Evaluator::new(&scanner, Plan::new(task, catalogue));
    for (name, lines) in files {
        evaluator.file(name);
        for line in *lines {
            evaluator.line(line.as_bytes(), |scan| scan()).unwrap();
        }
    }
    evaluator.finish()
}

fn line(id: &str, text: &str, label: &str) -> String {
    serde_json::json!({ "id": id, "text": text, "label": label }).to_string()
}

#[test]
fn texts_count_by_their_label() {
    let lines = [
        line("a", KEY, "secret"),
        line("b", "nothing to see", "secret"),
        line("c", "nothing to see", "benign"),
        line("d", KEY, "benign"),
        line("e", KEY, "not_this_secret"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let done = evaluate(Task::Secret, &[("one", &lines)]);
    let all = done.all();
    assert_eq!((all.positives, all.found, all.negatives, all.flagged, all.wrong), (2, 1, 2, 1, 1));
    assert_eq!(
        (all.recall(), all.false_alarm_rate(), all.precision(), all.f1()),
        (Some(0.5), Some(0.5), Some(0.5), Some(0.5))
    );
    assert_eq!(done.files[0].others, 1);
    assert_eq!(done.missed, [Wrong { file: "one".into(), id: "b".into(), what: String::new() }]);
    assert_eq!(done.false_alarms, [Wrong { file: "one".into(), id: "d".into(), what: "secret.aws_access_key".into() }]);
    assert_eq!(done.rules["secret.aws_access_key"], Count { right: 1, wrong: 1 });
    let told: u64 = done.reliability.iter().map(|count| count.right + count.wrong).sum();
    assert_eq!(told, 2);
}

#[test]
fn spans_count_one_by_one_and_by_type() {
    let text = "Écrivez à jane.roe@acmeclaims.com, pas à Jane ni à joe@acmeclaims.com";
    let spans = [(10, 33, "EMAIL"), (41, 45, "UNKNOWN_TYPE"), (2, 5, "IBAN_CODE")];
    let both = serde_json::json!({ "id": "a", "text": text, "label": "pii", "spans": spans }).to_string();
    let near = serde_json::json!({ "id": "b", "text": text, "label": "not_this_entity", "entity": "EMAIL_ADDRESS" });
    let near = near.to_string();
    let catalogue = Catalogue::built_in();
    let scanner = Scanner::new(catalogue);
    let mut plan = Plan::new(Task::Pii, catalogue);
    plan.same.insert("EMAIL".into(), "EMAIL_ADDRESS".into());
    let mut evaluator = Evaluator::new(&scanner, plan);
    evaluator.file("one");
    for line in [&both, &near] {
        evaluator.line(line.as_bytes(), |scan| scan()).unwrap();
    }
    let done = evaluator.finish();
    let email = done.types["EMAIL_ADDRESS"];
    assert_eq!((email.positives, email.found, email.wrong), (1, 1, 1), "the second address has no span");
    assert_eq!((done.types["IBAN_CODE"].positives, done.types["IBAN_CODE"].found), (1, 0));
    assert_eq!(done.not_looked_for["UNKNOWN_TYPE"], 1);
    assert_eq!(done.files[0].near_misses, (1, 1));
    assert_eq!(done.all().negatives, 0, "hits beside spans have no rate");
}

#[test]
fn a_left_out_file_has_the_threshold_of_the_others() {
    let outcome = |is_positive, permille| Outcome { is_positive, is_text: true, permille: Some(permille) };
    let file = |name: &str, outcomes: Vec<Outcome>| File { name: name.into(), outcomes, ..File::default() };
    let strict = file("strict", vec![outcome(true, 900), outcome(false, 700)]);
    let lax = file("lax", vec![outcome(true, 300), outcome(false, 100)]);
    let done = Evaluation { files: vec![strict, lax], ..Evaluation::default() };
    let [first, second] = left_out(&done, 0.001).try_into().unwrap();
    assert_eq!((first.threshold_permille, second.threshold_permille), (300, 750));
    assert_eq!((first.outcomes.found, first.outcomes.flagged), (1, 1), "what does for `lax` lets the false one in");
    assert_eq!((second.outcomes.found, second.outcomes.flagged), (0, 0));
}

/// Three finds for one false alarm are the better F1, and too dear where one text in a hundred may be flagged.
#[test]
fn a_threshold_keeps_to_the_false_alarms_that_may_be() {
    let outcome = |is_positive, permille| Outcome { is_positive, is_text: true, permille: Some(permille) };
    let found = [900, 900, 400, 400, 400].map(|permille| outcome(true, permille));
    let flagged = [400, 200, 200, 200].map(|permille| outcome(false, permille));
    let outcomes = [&found[..], &flagged[..]].concat();
    for (fpr_max, expected) in [(1.0, 400), (0.25, 400), (0.01, 500), (0.0, 500)] {
        assert_eq!(threshold_for(|| outcomes.iter(), fpr_max), expected, "{fpr_max}");
    }
    let hopeless = [outcome(false, 980), outcome(false, 300), outcome(true, 900)];
    assert_eq!(threshold_for(|| hopeless.iter(), 0.01), 500, "all flag too much: of those that flag least the best");
}

#[test]
fn lines_that_cannot_be_used_say_why() {
    let catalogue = Catalogue::built_in();
    let scanner = Scanner::new(catalogue);
    let mut evaluator = Evaluator::new(&scanner, Plan::new(Task::Pii, catalogue));
    evaluator.file("one");
    let table = [
        ("{", "no labelled text"),
        (r#"{"id":"a","text":"b"}"#, "no labelled text"),
        (r#"{"id":"a","text":"b","label":"pii","spans":[[1,1,"X"]]}"#, "a span ends"),
        (r#"{"id":"a","text":"b","label":"pii","spans":[[0,2,"X"]]}"#, "a span ends"),
    ];
    for (line, expected) in table {
        let said = evaluator.line(line.as_bytes(), |scan| scan()).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{line}: {said}");
    }
    assert_eq!(evaluator.finish().all(), Outcomes::default());
}
