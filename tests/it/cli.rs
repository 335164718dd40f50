//! The command line as scripts use it: what is printed where, and how it ends. Needs no server.

use crate::harness::process::Binary;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs weir with this on its stdin.
fn weir(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(Binary::Weir.path())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weir can be started");
    // A command that ends early closes the pipe, which is no failure of the test.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input);
    child.wait_with_output().expect("weir ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A made-up key in the form of an AWS access key id, put together so that no scanner takes this file for a leak.
fn key_id() -> String {
    ["AKIA", "Z7QXW3RT5YPL2MND"].concat()
}

#[test]
fn scan_prints_a_line_a_finding_with_spans_in_scalars() {
    let key = key_id();
    let said = format!("Größe 👩‍🚀 naïve: {key} end");
    let line = serde_json::json!({"id": "t1", "text": said, "role": "user"}).to_string();
    let output = weir(&["scan", "--format", "text", "--output", "ndjson"], line.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    let place = |name: &str| found[name].as_u64().expect("a number") as usize;
    let cut: String = said.chars().skip(place("start")).take(place("end") - place("start")).collect();
    assert_eq!(cut, key);
    assert_eq!(found["id"], "t1");
    assert_eq!(found["rule"], "secret.aws_access_key");
    assert_eq!(found["severity"], "medium");
    for field in ["uid", "category", "type", "confidence"] {
        assert!(!found[field].is_null(), "{field}");
    }
    assert!(!text(&output.stdout).contains(&key) && !text(&output.stderr).contains(&key), "a raw value came out");
}

/// What is cut in two by a stream's chunks is whole again, and its place is its place in the whole.
#[test]
fn every_example_can_be_scanned_and_streams_are_whole() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/examples");
    let entries = std::fs::read_dir(folder).expect("there are examples");
    let mut files: Vec<String> = entries.map(|entry| entry.expect("a file").path().display().to_string()).collect();
    files.sort();
    let arguments: Vec<&str> =
        ["scan", "--output", "ndjson"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = weir(&arguments, b"");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains(&format!("{} interactions", files.len())) && told.contains("0 rejects"), "{told}");
    let lines = text(&output.stdout);
    let found: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let places: Vec<_> =
        found.iter().map(|found| (found["id"].as_str(), found["start"].as_u64(), found["end"].as_u64())).collect();
    let split = [(Some("msg_02berth"), Some(15), Some(39)), (Some("chatcmpl-Cz1lantern"), Some(28), Some(55))];
    assert_eq!(places, split);
}

/// The pack that the README shows is one that works as it stands there.
#[test]
fn the_readmes_own_rule_holds() {
    let readme = include_str!("../../README.md");
    let pack = readme.split("```yaml\n").find(|block| block.starts_with("provider:")).expect("the README shows a pack");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("acme.yaml"), pack.split("```").next().unwrap()).unwrap();
    let minimal = include_str!("../../pipelines/minimal.yaml");
    let pipeline = folder.path().join("pipeline.yaml");
    std::fs::write(&pipeline, format!("{minimal}\ndetection: {{ packs: [default, acme.yaml] }}\n")).unwrap();
    let output = weir(&["rules", "-c", &pipeline.display().to_string(), "test"], b"");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains(" 0 failures"), "{}", text(&output.stdout));
}

#[test]
fn commands_end_with_the_status_that_the_contract_says() {
    let leak = serde_json::json!({"id": 1, "text": key_id()}).to_string();
    let clean = r#"{"id": 1, "text": "nothing here"}"#;
    let scan = |fail_on: &str, input: &str| {
        let arguments = ["scan", "--format", "text", "--fail-on", fail_on];
        weir(&arguments, input.as_bytes()).status.code()
    };
    assert_eq!(scan("medium", &leak), Some(3));
    assert_eq!(scan("3", &leak), Some(3));
    assert_eq!(scan("high", &leak), Some(0));
    assert_eq!(scan("low", clean), Some(0));
    // A gate does not open for what nobody could read, nor for nothing.
    assert_eq!(scan("low", "not json"), Some(1));
    assert_eq!(scan("low", ""), Some(1));
    // Nor is a scan done that read nothing; one that read something is.
    assert_eq!(weir(&["scan", "--format", "text"], b"not json").status.code(), Some(1));
    assert_eq!(weir(&["scan", "--format", "text"], format!("not json\n{clean}").as_bytes()).status.code(), Some(0));
    assert_eq!(weir(&["scan"], b"").status.code(), Some(0));
    for usage in [&["scan", "--fail-on", "awful"][..], &["run"], &["nonsense"], &["check", "-c", "/no/such/file"]] {
        assert_eq!(weir(usage, b"").status.code(), Some(2), "{usage:?}");
    }
    assert_eq!(weir(&["rules", "test"], b"").status.code(), Some(0));
    assert_eq!(weir(&["rules", "show", "no.such.rule"], b"").status.code(), Some(1));
    assert_eq!(weir(&["scan", "/no/such/file"], b"").status.code(), Some(1));
    let known = ["rules", "new", "secret.stripe_live_key", "--prefix", "acme_"];
    assert_eq!(weir(&known, b"").status.code(), Some(2));
}

/// What was found decides the status also where nothing can be said about it.
#[test]
fn a_stderr_that_is_gone_changes_no_status() {
    let leak = serde_json::json!({"id": 1, "text": key_id()}).to_string();
    let mut scan = Command::new(Binary::Weir.path())
        .args(["scan", "--format", "text", "--fail-on", "low"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it"))
        .spawn()
        .expect("weir can be started");
    let input = format!("not json\n{leak}\n");
    scan.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).expect("it is read");
    assert_eq!(scan.wait().expect("weir ends").code(), Some(3));
}

/// One input that cannot be read takes none of the others with it.
#[test]
fn what_can_be_read_is_scanned_beside_what_cannot() {
    let leak = serde_json::json!({"id": 1, "text": key_id()}).to_string();
    for (gate, expected) in [(&[][..], Some(0)), (&["--fail-on", "high"], Some(1)), (&["--fail-on", "low"], Some(3))] {
        let arguments = [&["scan", "--format", "text"], gate, &["/no/such/file", "/", "-"]].concat();
        let output = weir(&arguments, leak.as_bytes());
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), expected, "{errors}");
        assert!(errors.contains("/no/such/file: No such file") && errors.contains("/: Is a directory"), "{errors}");
        assert!(errors.contains("1 findings") && errors.contains("2 of the inputs could not be read"), "{errors}");
    }
}

#[test]
fn what_cannot_be_read_is_told_by_its_place_and_never_quoted() {
    let secret = key_id();
    let input = format!("{{\"weir_schema\": 1, \"broken\": \"{secret}\n{{\"weir_schema\": 1, \"id\": \"good\"}}\n");
    let output = weir(&["scan"], input.as_bytes());
    let errors = text(&output.stderr);
    assert!(errors.contains("stdin/0/0: not_json: line 1, column"), "{errors}");
    assert!(errors.contains("1 interactions") && errors.contains("1 rejects"), "{errors}");
    assert!(!errors.contains(&secret), "a raw value came out");
}

#[test]
fn content_that_is_not_understood_is_not_called_full() {
    // What is no content in any shape: nothing of it is read, and nobody may take it for clean.
    let event = r#"{"request": {"messages": [{"role": "user", "content": 7}]}, "response": {"content": "y"}}"#;
    let output = weir(&["scan"], event.as_bytes());
    assert!(text(&output.stderr).contains("1 interactions, 0 findings"), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("1 of them without content"), "{}", text(&output.stderr));
}

/// A line past the bound is told, and passed over; the next one is read.
#[test]
fn a_line_that_is_too_long_is_passed_over() {
    let long = vec![b'x'; (4 << 20) + 1];
    let leak = serde_json::json!({"id": "t1", "text": key_id()}).to_string();
    let input = [&long[..], b"\n", leak.as_bytes()].concat();
    let output = weir(&["scan", "--format", "text"], &input);
    let errors = text(&output.stderr);
    assert!(errors.contains("stdin/0/0: too_large: 4194305 bytes; 4194304 are the most"), "{errors}");
    assert!(errors.contains("1 interactions, 1 findings") && errors.contains("1 rejects"), "{errors}");
}

#[test]
fn scan_says_what_was_odd_and_what_would_help() {
    let events = r#"{"weir_schema": 1, "time": true, "principal": [], "input": {"messages": 7}}"#;
    let errors = text(&weir(&["scan"], events.as_bytes()).stderr);
    assert!(
        errors.contains("1 of them with warnings: bad_time 1, bad_field 1, no_principal 1, no_tokens 1"),
        "{errors}"
    );
    let lines = text(&weir(&["scan"], br#"{"id": "t", "text": "hello"}"#).stderr);
    assert!(lines.contains("1 of the rejects") && lines.contains("--format text"), "{lines}");
}

/// Nothing is sent when its truth cannot be written, and nobody else reads the values in it.
#[test]
fn the_truth_is_opened_first_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let output = weir(&["generate", "--count", "10", "--truth", "/no/such/folder/truth"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty() && text(&output.stderr).contains("writing /no/such/folder/truth"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth");
    std::fs::write(&path, "of before").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = weir(&["generate", "--count", "200", "--truth", &path.display().to_string()], b"");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&path).unwrap().starts_with('{'));
}
