//! A weir of one test: its configuration, topics, groups and database, all with names of their own.

use super::clickhouse::ClickHouse;
use super::kafka::Kafka;
use super::process::{Binary, Weir};
use super::{PATIENCE, run_id, scratch, servers, wait_until};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The key of all sites, so that hashes of equal values are equal.
const KEY: &str = "a key that only the end-to-end tests use";

/// Ceilings that the generator's bursts cross and nothing else does.
const POLICY: &str =
    "version: it-1\nlimits: { per_principal: { requests_per_minute: 120, tokens_per_minute: 200000 } }\n";

/// weir's own topics, without the prefix.
pub const OWN_TOPICS: [&str; 5] = ["facts", "state", "outbox", "alerts", "dead-letters"];

/// How a site differs from the usual.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// A Kafka of the test's own.
    pub brokers: Option<&'a str>,
    /// A ClickHouse of the test's own.
    pub clickhouse_url: Option<&'a str>,
    /// Leaves the tables unmade.
    pub without_schema: bool,
}

pub struct Site {
    pub name: String,
    pub dir: PathBuf,
    pub kafka: Kafka,
    pub db: ClickHouse,
    pub inputs: Vec<String>,
    pub database: String,
    id: String,
    logs: AtomicUsize,
}

/// The name of an input topic of a test.
pub fn topic_name(name: &str) -> String {
    format!("it-{}-{name}", run_id())
}

impl Site {
    /// A site that reads these topics, which must be there.
    pub fn new(name: &str, inputs: &[String]) -> Self {
        Site::with(name, inputs, Options::default())
    }

    pub fn with(name: &str, inputs: &[String], options: Options<'_>) -> Self {
        let servers = servers::shared();
        let brokers = options.brokers.unwrap_or(&servers.brokers);
        let url = options.clickhouse_url.unwrap_or(&servers.clickhouse_url);
        let id = format!("it-{}-{}", run_id(), name.replace(['.', '_'], "-"));
        let database = id.replace('-', "_");
        let dir = scratch().join(&id);
        std::fs::create_dir_all(&dir).expect("target can be written");
        let mut topics = String::new();
        inputs.iter().for_each(|input| write!(topics, "{input}, ").expect("a string takes everything"));
        let config = format!(
            "name: it\n\
             kafka: {{ brokers: \"{brokers}\", group: {id}, commit_interval: 100ms, session_timeout: 6s }}\n\
             input: {{ topics: [{topics}] }}\n\
             topics: {{ prefix: {id}., facts_partitions: 6, outbox_partitions: 2, alerts_partitions: 2 }}\n\
             clickhouse: {{ url: \"{url}\", database: {database}, user: \"${{CLICKHOUSE_USER:-default}}\", \
             password: \"${{CLICKHOUSE_PASSWORD:-}}\" }}\n\
             redaction: {{ hmac_key_file: key }}\n\
             policy: policy.yaml\n\
             alerts: {{ min_severity: medium, throttle: {{ per: [rule, principal], burst: 1, every: 1h }} }}\n\
             limits: {{ detect_threads: 1 }}\n\
             telemetry: {{ log: text, listen: \"${{WEIR_LISTEN:-}}\", otlp: \"${{WEIR_IT_OTLP:-}}\" }}\n",
        );
        for (file, text) in [("weir.yaml", &*config), ("policy.yaml", POLICY), ("key", KEY)] {
            std::fs::write(dir.join(file), text).expect("target can be written");
        }
        let site = Site {
            name: name.into(),
            dir,
            kafka: Kafka::connect(brokers),
            db: ClickHouse::new(url, &database),
            inputs: inputs.to_vec(),
            database,
            id,
            logs: AtomicUsize::new(0),
        };
        site.weir(&["topics", "apply"]);
        if !options.without_schema {
            site.weir(&["schema", "apply"]);
        }
        site
    }

    pub fn config(&self) -> PathBuf {
        self.dir.join("weir.yaml")
    }

    /// Changes the configuration: what it says, and what it shall say.
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config()).expect("a site has a configuration");
        assert_eq!(text.matches(from).count(), 1, "{from} in\n{text}");
        std::fs::write(self.config(), text.replace(from, to)).expect("target can be written");
    }

    /// One of weir's own topics.
    pub fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.id)
    }

    pub fn group(&self, stage: &str) -> String {
        format!("{}-{stage}", self.id)
    }

    /// A file for what a process writes; all of them lie in `logs`.
    pub fn new_log(&self, what: &str) -> PathBuf {
        let logs = self.dir.join("logs");
        std::fs::create_dir_all(&logs).expect("target can be written");
        logs.join(format!("{:02}-{what}.log", self.logs.fetch_add(1, Ordering::Relaxed)))
    }

    /// Runs a command of weir with this site's configuration and keeps what it says.
    pub fn try_weir(&self, arguments: &[&str]) -> Output {
        let output = Command::new(Binary::Weir.path())
            .args(arguments)
            .arg("-c")
            .arg(self.config())
            .env("WEIR_INSTANCE", "it-command")
            .stdin(Stdio::null())
            .output()
            .expect("weir can be started");
        let said = [&output.stdout[..], &output.stderr].concat();
        std::fs::write(self.new_log(arguments[0]), said).expect("target can be written");
        output
    }

    /// As `try_weir`, for a command that must succeed.
    pub fn weir(&self, arguments: &[&str]) -> String {
        let output = self.try_weir(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "weir {arguments:?}: {}\n{out}{err}", output.status);
        out.into_owned()
    }

    /// Waits until each of these loops has done all that the loops before it have left it. In this order, since only
    /// then the end of a topic is known.
    pub fn settle_stages(&self, stages: &[&str], running: &mut [&mut Weir]) {
        for stage in stages {
            let topics = match *stage {
                "detect" => self.inputs.clone(),
                "score" => vec![self.topic("facts")],
                _ => vec![self.topic("outbox")],
            };
            wait_until(&format!("{stage} of {} to have read all", self.name), PATIENCE, || {
                for weir in running.iter_mut() {
                    if let Some(status) = weir.ended() {
                        let text = weir.log_text();
                        panic!("{}: weir ended ({status}); its end:\n{}", self.name, super::process::tail(&text));
                    }
                }
                topics.iter().try_for_each(|topic| self.kafka.has_read_all(&self.group(stage), topic))
            });
        }
    }

    /// Waits until nothing is left to do.
    pub fn settle(&self, running: &mut [&mut Weir]) {
        self.settle_stages(&["detect", "score", "store"], running);
    }

    /// Everything that any process of this site has said.
    pub fn logs(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.dir.join("logs"))
            .expect("processes have run")
            .map(|entry| entry.expect("a folder can be read").path())
            .collect();
        files.sort();
        files.into_iter().map(|path| (path.clone(), std::fs::read(&path).expect("a log can be read"))).collect()
    }

    /// Drops what the test made. Not called by a test that fails: then all of it is evidence.
    pub fn drop_all(self) {
        let topics = OWN_TOPICS.map(|topic| self.topic(topic));
        self.kafka.delete(&topics.each_ref().map(String::as_str));
        let groups = ["detect", "score", "store"].map(|stage| self.group(stage));
        self.kafka.delete_groups(&groups.each_ref().map(String::as_str));
        self.db.run(&format!("DROP DATABASE IF EXISTS {}", self.database));
        remove(&self.dir);
    }
}

fn remove(dir: &Path) {
    std::fs::remove_dir_all(dir).unwrap_or_else(|error| panic!("removing {}: {error}", dir.display()));
}
