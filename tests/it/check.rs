//! `weir check --connect` against real servers: what it says when all is well, when everything is wrong at once, and
//! that a running weir does not notice it. And that what a configuration says of sizes takes effect.

use crate::harness::clickhouse::ClickHouse;
use crate::harness::kafka::{Isolation, Kafka, Outgoing};
use crate::harness::process::{Start, Weir};
use crate::harness::site::{OWN_TOPICS, Options, Site, topic_name};
use crate::harness::traffic::native;
use crate::harness::{PATIENCE, servers, slot, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

/// Changes the site's pipeline file; each text must be there.
fn change(site: &Site, changes: &[(&str, &str)]) {
    let mut text = std::fs::read_to_string(site.config()).expect("a site has a pipeline file");
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is not in {text}");
        text = text.replace(from, to);
    }
    std::fs::write(site.config(), text).expect("target can be written");
}

/// What `check --connect` prints, and its status.
fn check(site: &Site) -> (String, Option<i32>) {
    let output = site.try_weir(&["check", "--connect"]);
    let text = [&output.stdout[..], &output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.code())
}

/// A line that holds all of these, and the remedy below it another.
#[track_caller]
fn assert_wrong(printed: &str, words: &[&str], remedy: &str) {
    let mut lines = printed.lines();
    let found = lines.any(|line| line.contains("WRONG") && words.iter().all(|word| line.contains(word)));
    assert!(found, "no line says that {words:?} is wrong:\n{printed}");
    let next = lines.next().unwrap_or_default();
    assert!(next.contains(remedy), "{words:?}: the remedy is not {remedy:?}:\n{printed}");
}

fn record(value: Vec<u8>) -> Outgoing {
    Outgoing { timestamp_ms: 1_760_000_000_000, value: Some(value), ..Outgoing::default() }
}

#[test]
fn a_running_weir_is_looked_at_and_not_disturbed() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("check-input");
    kafka.create(&input, 1);
    let site = Site::new("check", std::slice::from_ref(&input));
    change(
        &site,
        &[
            ("detect_threads: 1", "detect_threads: 1, event_size: 5MiB, interactions_per_event: 2"),
            ("clickhouse: {", "clickhouse: { group: { age: 4s, size: 64KiB },"),
        ],
    );
    let (printed, status) = check(&site);
    assert_eq!(status, Some(0), "{printed}");
    let mut weir = Weir::start(&site, Start::instance("weir-0"));
    weir.wait_for_log(&["assigned"]);

    let three = [native("a", "ada", "x"), native("b", "ada", "x"), native("c", "ada", "x")].join(&b'\n');
    let above_the_default = native("large", "ada", &"x".repeat(weir::limits::EVENT_MAX_BYTES + 1_000));
    let above_all = native("larger", "ada", &"x".repeat(5 << 20));
    kafka.produce(&input, [three, above_the_default, above_all].map(record));
    let begun = Instant::now();
    let (printed, status) = check(&site);
    assert_eq!(status, Some(0), "{printed}");
    for said in ["topic", "detect: write to", "score: write to", "group", "delete read records", "insert into findings"]
    {
        assert!(printed.contains(said), "nothing is said of {said:?}:\n{printed}");
    }
    let rows = || site.db.lines(&format!("SELECT source_id FROM {}.interactions", site.database));
    wait_until("the interaction", PATIENCE, || if rows().is_empty() { Err("none".into()) } else { Ok(()) });
    assert!(begun.elapsed() >= Duration::from_secs(3), "a group waits for its age: {:?}", begun.elapsed());
    check(&site);
    site.settle(&mut [&mut weir]);
    assert_eq!(rows(), ["large"], "the size that is configured counts, not the default");
    let reasons = site.db.lines(&format!("SELECT reason FROM {}.dead_letters ORDER BY source_offset", site.database));
    assert_eq!(reasons, ["too_many_interactions", "too_large"]);
    // Nobody ever reads what a check wrote.
    for topic in OWN_TOPICS {
        let records = kafka.dump(&site.topic(topic), Isolation::Committed);
        assert!(records.iter().all(|record| record.value.as_deref() != Some(b"weir check".as_slice())), "{topic}");
    }
    let log = weir.log_text();
    assert!(!log.contains("fenced") && !log.contains("starting again"), "{log}");
    weir.stop();
    site.drop_all();
    kafka.delete(&[&input]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let (input, missing) = (topic_name("wrong-input"), topic_name("wrong-missing"));
    kafka.create(&input, 1);
    let site =
        Site::with("wrong", std::slice::from_ref(&input), Options { without_schema: true, ..Options::default() });
    let (facts, alerts) = (site.topic("facts"), site.topic("alerts"));
    kafka.delete(&[&alerts]);
    wait_until("the topic to be gone", PATIENCE, || {
        let plan = site.try_weir(&["topics", "plan"]).stdout;
        let plan = String::from_utf8_lossy(&plan).into_owned();
        if plan.contains(&format!("{alerts}: missing")) { Ok(()) } else { Err(plan) }
    });
    change(&site, &[("topics: [", &format!("topics: [{missing}, ")), ("facts_partitions: 6", "facts_partitions: 7")]);
    let (printed, status) = check(&site);
    assert_eq!(status, Some(1), "{printed}");
    assert_wrong(&printed, &["kafka", &missing, "missing"], "weir topics apply");
    assert_wrong(&printed, &["kafka", &alerts, "missing"], "weir topics apply");
    assert_wrong(&printed, &["kafka", &facts, "6 partitions", "7"], "stays for life");
    assert_wrong(&printed, &["clickhouse", "schema is missing"], "weir schema apply");
    assert!(kafka.partitions(&missing) == 0, "a check makes no topic");

    // A user whom nobody knows.
    change(&site, &[("facts_partitions: 7", "facts_partitions: 6"), (&format!("{missing}, "), "")]);
    site.weir(&["topics", "apply"]);
    site.weir(&["schema", "apply"]);
    change(&site, &[("${CLICKHOUSE_USER:-default}", "nobody")]);
    let (printed, status) = check(&site);
    assert_eq!(status, Some(1), "{printed}");
    assert_wrong(&printed, &["clickhouse", "server", "516"], "clickhouse.password");
    assert!(!printed.contains("WRONG  kafka"), "{printed}");
    site.drop_all();
    kafka.delete(&[&input]);
}

/// Servers that are away are told in seconds, each for itself, to people and to machines.
#[test]
fn a_kafka_that_is_away_hides_nothing_of_clickhouse() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("away-input");
    kafka.create(&input, 1);
    let site = Site::new("away", std::slice::from_ref(&input));
    change(&site, &[(&servers::shared().brokers, "127.0.0.1:1")]);
    let begun = Instant::now();
    let output = site.try_weir(&["check", "--connect", "--output", "json"]);
    assert!(begun.elapsed() < Duration::from_secs(30), "it took {:?}", begun.elapsed());
    assert_eq!(output.status.code(), Some(1));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    let of = |server: &str, outcome: &str| {
        let servers = said["servers"].as_array().expect("a list");
        servers.iter().filter(|one| one["server"] == server && one["look"]["outcome"] == outcome).count()
    };
    assert_eq!((of("kafka", "wrong"), of("kafka", "ok")), (1, 0), "{said:#}");
    assert!(said["servers"][0]["look"]["found"].as_str().is_some_and(|found| found.contains("refused")), "{said:#}");
    assert_eq!(of("clickhouse", "wrong"), 0, "{said:#}");
    assert!(of("clickhouse", "ok") > 2, "{said:#}");
    change(&site, &[("127.0.0.1:1", &servers::shared().brokers)]);
    site.drop_all();
    kafka.delete(&[&input]);
}

/// The three lines that the documentation begins with, as they stand but for the addresses: with the names that are
/// the default, so on servers where nobody else uses them.
#[test]
fn the_smallest_pipeline_runs() {
    let _slot = slot();
    let servers = servers::shared();
    let kafka = Kafka::connect(&servers.brokers);
    let topics: Vec<String> =
        OWN_TOPICS.iter().map(|topic| format!("weir.{topic}")).chain(["llm.events".to_owned()]).collect();
    let db = ClickHouse::new(&servers.clickhouse_url, "default");
    let own = db.count("SELECT count() FROM system.databases WHERE name = 'weir'") == 0
        && topics.iter().all(|topic| kafka.partitions(topic) == 0);
    assert!(own, "this test needs servers without a database `weir` and topics `weir.*`: see `make down`");
    let minimal = std::fs::read_to_string(crate::harness::root().join("pipelines/minimal.yaml")).expect("it is there");
    assert_eq!(minimal.lines().count(), 3);
    let dir = crate::harness::scratch().join("minimal");
    std::fs::create_dir_all(&dir).expect("target can be written");
    let file = dir.join("minimal.yaml");
    let text =
        minimal.replace("localhost:9092", &servers.brokers).replace("http://localhost:8123", &servers.clickhouse_url);
    std::fs::write(&file, text).expect("target can be written");
    let command = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(arguments).arg("-c").arg(&file).env("WEIR_INSTANCE", "weir-0");
        command
    };
    let run = |arguments: &[&str]| {
        let output = command(arguments).output().expect("weir can be started");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["topics", "apply"]);
    run(&["schema", "apply"]);
    kafka.produce("llm.events", [record(native("first", "ada", "What is the capital of France?"))]);
    let mut weir = command(&["run"]).stderr(std::process::Stdio::null()).spawn().expect("weir can be started");
    wait_until("the row", PATIENCE, || match db.count("SELECT count() FROM weir.interactions") {
        1 => Ok(()),
        count => Err(format!("{count} rows")),
    });
    let pid = Pid::from_raw(weir.id() as i32).expect("a process has a number");
    kill_process(pid, Signal::TERM).expect("weir runs");
    assert!(weir.wait().expect("weir is our child").success());
    db.run("DROP DATABASE weir");
    kafka.delete(&topics.iter().map(String::as_str).collect::<Vec<_>>());
    std::fs::remove_dir_all(&dir).expect("target can be written");
}
