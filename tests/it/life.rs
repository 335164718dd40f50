//! What weir says when it cannot work: one line that names the thing, the place and the remedy, and no second one; and
//! that it goes on by itself once somebody has acted, with every row there once.
//!
//! What no waiting can mend ends the process. The lines are printed, since they are what a person gets to see.

use crate::harness::kafka::Kafka;
use crate::harness::process::{Start, Weir};
use crate::harness::servers::{self, OwnClickHouse, OwnKafka};
use crate::harness::site::{Options, Site, topic_name};
use crate::harness::traffic::{Place, fill_keyed, traffic};
use crate::harness::{PATIENCE, run_id, say, scratch, slot, wait_until};
use crate::reconcile::{Expected, assert_ledger};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use weir::generate::Generated;

/// How long a trouble lasts after it was told: several of weir's tries.
const LASTS: Duration = Duration::from_secs(5);

/// What `weir topics apply` gives the outbox, as far as these tests change it.
const OUTBOX: [(&str, &str); 2] = [("retention.ms", "-1"), ("max.message.bytes", "1048576")];

/// A mistake that ends the process at its start.
struct Mistake {
    name: &'static str,
    make: fn(&Site),
    mend: fn(&Site),
    words: &'static [&'static str],
}

/// In this order, on one site: a topic that was deleted does not come back.
const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "partition count of facts",
        make: |site| site.edit("facts_partitions: 6", "facts_partitions: 7"),
        mend: |site| site.edit("facts_partitions: 7", "facts_partitions: 6"),
        words: &[".facts has 6 partitions", "says 7", "set the count that it has"],
    },
    Mistake {
        name: "partition count of the outbox",
        make: |site| site.edit("outbox_partitions: 2", "outbox_partitions: 1"),
        mend: |site| site.edit("outbox_partitions: 1", "outbox_partitions: 2"),
        words: &[".outbox has 2 partitions", "says 1", "set the count that it has"],
    },
    Mistake {
        name: "missing input",
        make: |site| site.edit("topics: [", "topics: [it-no-such-topic, "),
        mend: |site| site.edit("it-no-such-topic, ", ""),
        words: &["topic it-no-such-topic is missing", "weir topics apply", "input.topics"],
    },
    Mistake {
        name: "missing topic of weir's own",
        make: |site| site.kafka.delete(&[&site.topic("state")]),
        mend: |_| {},
        words: &[".state is missing", "weir topics apply", "topics.prefix"],
    },
];

#[test]
fn a_mistake_that_no_waiting_mends_ends_the_process() {
    let _slot = slot();
    let input = topic_name("mistakes-input");
    let site = Site::new("mistakes", std::slice::from_ref(&input));
    for mistake in MISTAKES {
        (mistake.make)(&site);
        let mut weir = Weir::start(&site, Start::instance("weir-0"));
        let status = weir.wait(PATIENCE);
        let log = weir.log_text();
        assert_eq!(status.code(), Some(1), "{}: {log}", mistake.name);
        let errors: Vec<&str> = log.lines().filter(|line| line.starts_with("error:") || is(line, "ERROR")).collect();
        assert_eq!(errors.len(), 1, "{}: {errors:#?}", mistake.name);
        assert_words(mistake.name, errors[0], mistake.words);
        (mistake.mend)(&site);
    }
    site.kafka.delete(&[&input]);
    site.drop_all();
}

/// A mistake that others may mend while weir waits.
struct Wait {
    name: &'static str,
    level: &'static str,
    words: &'static [&'static str],
    make: fn(&Site),
    mend: fn(&Site),
    /// What is mended is in weir's own configuration.
    starts_again: bool,
}

fn waits(wait: &Wait) {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let name = format!("life-{}", wait.name.replace(' ', "-"));
    let input = topic_name(&format!("{name}-input"));
    let events = traffic(61, 600);
    let places = fill_keyed(&kafka, &input, 2, &events);
    let site = Site::new(&name, std::slice::from_ref(&input));
    (wait.make)(&site);
    let mut weir = Weir::start(&site, Start::instance("weir-0"));
    let words = [&[wait.level], wait.words].concat();
    weir.wait_for_log(&words);
    std::thread::sleep(LASTS);
    (wait.mend)(&site);
    if wait.starts_again {
        told_once(wait, &weir.log_text());
        weir.stop();
        weir = Weir::start(&site, Start::instance("weir-0"));
    }
    site.settle(&mut [&mut weir]);
    let log = weir.log_text();
    weir.stop();
    if !wait.starts_again {
        told_once(wait, &log);
    }
    Expected { events: &events, places: &places }.assert_rows(&site);
    assert_ledger(&site);
    site.drop_all();
    kafka.delete(&[&input]);
}

/// The line is there once (of each loop that it holds up), and no other error is. Reminders a minute later are allowed.
fn told_once(wait: &Wait, log: &str) {
    let is_meant = |line: &&str| is(line, wait.level) && wait.words.iter().all(|word| line.contains(word));
    let lines: Vec<&str> = log.lines().filter(is_meant).filter(|line| !is_reminder(line)).collect();
    let who: BTreeSet<Option<&str>> =
        lines.iter().map(|line| line.split_whitespace().find(|word| word.starts_with("loop="))).collect();
    assert!(!lines.is_empty() && lines.len() == who.len(), "{}: told {} times in\n{log}", wait.name, lines.len());
    assert_words(wait.name, lines[0], wait.words);
    let others = log.lines().filter(|line| is(line, "ERROR") && !is_meant(line) && !is_reminder(line)).count();
    assert_eq!(others, 0, "{}: other errors in\n{log}", wait.name);
}

/// Whether a line says that the same was said before.
fn is_reminder(line: &str) -> bool {
    line.contains(" still ") || line.split_once("held_back=").is_some_and(|(_, rest)| !rest.starts_with("0"))
}

/// Whether a line of the log is of this level.
fn is(line: &str, level: &str) -> bool {
    line.split_whitespace().nth(1) == Some(level)
}

fn assert_words(name: &str, line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "{name}: {word:?} is not in {line}");
    }
    let shown = line.split_once(" ERROR ").or(line.split_once("  WARN ")).map_or(line, |(_, line)| line);
    say(&format!("life: {name}: {shown}"));
}

/// The version of the schema that this program needs, as it was applied.
fn version(site: &Site) -> u64 {
    site.db.count("SELECT max(version) FROM schema_migrations")
}

fn apply_later_version(site: &Site) {
    let version = version(site) + 1;
    site.db.run(&format!("INSERT INTO schema_migrations (version, name, checksum) VALUES ({version}, 'later', 'x')"));
}

fn forget_version(site: &Site, version: u64) {
    site.db.run(&format!("ALTER TABLE schema_migrations DELETE WHERE version = {version} SETTINGS mutations_sync = 1"));
}

macro_rules! waits {
    ($($test:ident: $wait:expr;)*) => { $(
        #[test]
        fn $test() {
            waits(&$wait);
        }
    )* };
}

waits! {
    nothing_listens_where_brokers_should_be: Wait {
        name: "wrong brokers",
        level: "ERROR",
        words: &["Kafka does not answer", "127.0.0.1:1 ", "Connection refused", "kafka.brokers"],
        make: |site| site.edit(&format!("brokers: \"{}\"", servers::shared().brokers), "brokers: \"127.0.0.1:1\""),
        mend: |site| site.edit("brokers: \"127.0.0.1:1\"", &format!("brokers: \"{}\"", servers::shared().brokers)),
        starts_again: true,
    };
    the_outbox_takes_small_records_only: Wait {
        name: "small records",
        level: "ERROR",
        words: &[".outbox/0 takes no records", "Message size too large", "--add-config max.message.bytes=1048576"],
        make: |site| site.kafka.configure(&site.topic("outbox"), &[OUTBOX[0], ("max.message.bytes", "100")]),
        mend: |site| site.kafka.configure(&site.topic("outbox"), &OUTBOX),
        starts_again: false,
    };
    clickhouse_takes_another_password: Wait {
        name: "wrong password",
        level: "ERROR",
        words: &["store is not ready", "clickhouse=\"http://", "Authentication failed", "check clickhouse.user and clickhouse.password"],
        make: |site| site.edit("password: \"${CLICKHOUSE_PASSWORD:-}\"", "password: not-this-one"),
        mend: |site| site.edit("password: not-this-one", "password: \"${CLICKHOUSE_PASSWORD:-}\""),
        starts_again: true,
    };
    the_schema_is_older: Wait {
        name: "old schema",
        level: "ERROR",
        words: &["store is not ready", "the schema is at version", "is needed: run `weir schema apply"],
        make: |site| {
            // A later one is noted and the needed one is not: a hole, which an older database has too.
            let needed = version(site);
            apply_later_version(site);
            forget_version(site, needed);
        },
        mend: |site| {
            forget_version(site, version(site));
            site.weir(&["schema", "apply"]);
        },
        starts_again: false,
    };
    the_schema_is_newer: Wait {
        name: "newer schema",
        level: "WARN",
        words: &["the schema is at version", "and can use it"],
        make: apply_later_version,
        mend: |_| {},
        starts_again: false,
    };
    a_table_refuses_rows: Wait {
        name: "refused rows",
        level: "ERROR",
        words: &["rows wait in the outbox", "interactions refuses the rows", "VIOLATED_CONSTRAINT", "weir schema status"],
        make: |site| site.db.run("ALTER TABLE interactions ADD CONSTRAINT odd CHECK source_partition < 0"),
        mend: |site| site.db.run("ALTER TABLE interactions DROP CONSTRAINT odd"),
        starts_again: false,
    };
}

/// Two processes that were given one name fence each other until one ends and says why. When both were started at once,
/// the other may have been fenced as often by then and ends too; whoever is started alone under that name goes on.
#[test]
fn two_processes_of_one_name_end_with_the_reason() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("life-name-input");
    let events = traffic(62, 600);
    let places = fill_keyed(&kafka, &input, 2, &events);
    let site = Site::new("life-name", std::slice::from_ref(&input));
    let mut both = vec![Weir::start(&site, Start::instance("weir-0")), Weir::start(&site, Start::instance("weir-0"))];
    let ended = wait_until("one of two to end", PATIENCE, || {
        both.iter_mut().position(|weir| weir.ended().is_some()).ok_or_else(|| "both run".to_string())
    });
    let mut weir = both.remove(ended);
    assert_eq!(weir.wait(PATIENCE).code(), Some(1));
    let log = weir.log_text();
    let errors: Vec<&str> = log.lines().filter(|line| line.starts_with("error:") || is(line, "ERROR")).collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_words("one name", errors[0], &["two processes run as `", "weir-0-0`", "kafka.instance", "WEIR_INSTANCE"]);
    both.remove(0).end();
    let mut alone = Weir::start(&site, Start::instance("weir-0"));
    site.settle(&mut [&mut alone]);
    alone.stop();
    Expected { events: &events, places: &places }.assert_rows(&site);
    assert_ledger(&site);
    site.drop_all();
    kafka.delete(&[&input]);
}

/// A disk of its own, small enough to be filled. Unmounted on drop.
struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    /// `None` where nothing can be mounted, which is then said.
    fn mount(name: &str, size: &str) -> Option<Self> {
        let dir = scratch().join(format!("disk-{}-{name}", run_id()));
        std::fs::create_dir_all(&dir).expect("target can be written");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&dir);
        match mount.output() {
            Ok(output) if output.status.success() => Some(SmallDisk { dir }),
            failed => {
                let why = failed.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&o.stderr).into_owned());
                say(&format!("life: {name}: NOT RUN, since no small disk can be mounted (root may): {}", why.trim()));
                None
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }

    /// Leaves not a byte.
    fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("the disk has room for a name");
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast is there");
    }

    fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
        let _ = std::fs::remove_dir(&self.dir);
    }
}

/// Waits until all is done, and ends the test.
fn finish(site: Site, mut weir: Weir, events: &[Generated], places: &[Place], over: &str) {
    settle_after(&site, &mut weir, over);
    weir.stop();
    Expected { events, places }.assert_rows(&site);
    assert_ledger(&site);
    site.drop_all();
}

/// Waits until all is done, and looks at what was said meanwhile.
fn settle_after(site: &Site, weir: &mut Weir, over: &str) {
    site.settle(&mut [weir]);
    let log = weir.log_text();
    // One of the server, and one of a loop that was amid writing.
    let errors = log.lines().filter(|line| is(line, "ERROR") && !is_reminder(line)).count();
    assert!(errors <= 2, "{errors} errors in\n{log}");
    assert!(log.contains(over), "{over:?} is not in\n{log}");
}

fn error_line(name: &str, weir: &mut Weir, words: &[&str]) {
    weir.wait_for_log(&[&["ERROR"], words].concat());
    let log = weir.log_text();
    let is_meant = |line: &&str| is(line, "ERROR") && words.iter().all(|word| line.contains(word));
    let line = log.lines().find(is_meant).expect("it was waited for");
    assert_words(name, line, words);
}

#[test]
fn clickhouse_has_no_room() {
    let Some(disk) = SmallDisk::mount("clickhouse", "256m") else { return };
    let _slot = slot();
    let server = OwnClickHouse::start_in(disk.path().join("server"));
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("life-full-clickhouse-input");
    let events = traffic(63, 600);
    let places = fill_keyed(&kafka, &input, 2, &events);
    let options = Options { clickhouse_url: Some(&server.url), ..Options::default() };
    let site = Site::with("life-full-clickhouse", std::slice::from_ref(&input), options);
    disk.fill();
    let mut weir = Weir::start(&site, Start::instance("weir-0"));
    error_line(
        "full ClickHouse",
        &mut weir,
        &["rows wait in the outbox", "http://", "NOT_ENOUGH_SPACE", "make room on the server's disk"],
    );
    std::thread::sleep(LASTS);
    disk.make_room();
    finish(site, weir, &events, &places, "ClickHouse takes rows again");
    kafka.delete(&[&input]);
}

/// A broker that cannot write to its only disk ends as if killed; it is started again when there is room. Alone in its
/// cluster it may double rows then, which the README says; it loses none.
#[test]
fn the_broker_has_no_room() {
    let Some(disk) = SmallDisk::mount("kafka", "256m") else { return };
    let _slot = slot();
    let server = OwnKafka::start_in(disk.path().join("server"));
    let kafka = Kafka::connect(&server.brokers);
    let input = topic_name("life-full-kafka-input");
    let events = traffic(64, 2_000);
    let places = fill_keyed(&kafka, &input, 2, &events);
    let options = Options { brokers: Some(&server.brokers), ..Options::default() };
    let site = Site::with("life-full-kafka", std::slice::from_ref(&input), options);
    // Four seconds of work, amid which the disk is full.
    let mut weir = Weir::start(&site, Start::instance("weir-0").failpoints("detect.after_poll=sleep(2)"));
    weir.wait_for_log(&["assigned", "detect"]);
    disk.fill();
    wait_until("the broker to end", PATIENCE, || if server.runs() { Err("it runs".to_string()) } else { Ok(()) });
    error_line("full broker", &mut weir, &["Kafka does not answer", "127.0.0.1:", "look whether the brokers run"]);
    std::thread::sleep(LASTS);
    disk.make_room();
    server.up();
    settle_after(&site, &mut weir, "Kafka answers again");
    weir.stop();
    let repeated = Expected { events: &events, places: &places }.assert_rows_at_least_once(&site);
    say(&format!("life: full broker: {repeated} rows are there more than once"));
    site.drop_all();
}
