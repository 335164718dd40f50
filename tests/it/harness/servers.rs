//! The servers: those that the environment names, else local ones by `deploy/local/services`; and a ClickHouse of a
//! test's own, to be mistreated, or a Kafka.

use super::{root, run_id, scratch};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The servers that all tests share.
pub struct Servers {
    pub brokers: String,
    pub clickhouse_url: String,
}

/// The shared servers, started when nobody has.
pub fn shared() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let (Some(brokers), Some(clickhouse_url)) = (named("KAFKA_BROKERS"), named("CLICKHOUSE_URL")) {
            return Servers { brokers, clickhouse_url };
        }
        // Kept for the next run: starting takes longer than most tests, and no test can know that it is the last.
        let dir = root().join(".local/test");
        services(&["start"], &dir, &[]);
        Servers { brokers: setting(&dir, "KAFKA_BROKERS"), clickhouse_url: setting(&dir, "CLICKHOUSE_URL") }
    })
}

/// A ClickHouse that belongs to one test. Stopped on drop.
pub struct OwnClickHouse {
    dir: PathBuf,
    pub url: String,
}

impl OwnClickHouse {
    pub fn start(name: &str) -> Self {
        OwnClickHouse::start_in(scratch().join(format!("clickhouse-{}-{name}", run_id())))
    }

    /// With its data and logs in this folder.
    pub fn start_in(dir: PathBuf) -> Self {
        services(&["start"], &dir, &["--clickhouse"]);
        let url = setting(&dir, "CLICKHOUSE_URL");
        OwnClickHouse { dir, url }
    }

    /// SIGKILL.
    pub fn kill(&self) {
        services(&["kill"], &self.dir, &["clickhouse"]);
    }

    /// After `kill`: again on the same port, with the same data.
    pub fn up(&self) {
        services(&["up"], &self.dir, &["clickhouse"]);
    }

    /// SIGSTOP: connections stay, answers do not come.
    pub fn pause(&self) {
        services(&["pause"], &self.dir, &["clickhouse"]);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        services(&["resume"], &self.dir, &["clickhouse"]);
    }

    /// Takes the HTTP listener away, or gives it back.
    pub fn toggle_http(&self) {
        services(&["toggle-http"], &self.dir, &[]);
    }
}

impl Drop for OwnClickHouse {
    fn drop(&mut self) {
        stop_and_remove(&self.dir);
    }
}

/// A Kafka that belongs to one test. Stopped on drop.
pub struct OwnKafka {
    dir: PathBuf,
    pub brokers: String,
}

impl OwnKafka {
    pub fn start(name: &str) -> Self {
        OwnKafka::start_in(scratch().join(format!("kafka-{}-{name}", run_id())))
    }

    /// With its data and logs in this folder.
    pub fn start_in(dir: PathBuf) -> Self {
        services(&["start"], &dir, &["--kafka"]);
        let brokers = setting(&dir, "KAFKA_BROKERS");
        OwnKafka { dir, brokers }
    }

    /// SIGKILL.
    pub fn kill(&self) {
        services(&["kill"], &self.dir, &["kafka"]);
    }

    /// SIGSTOP: connections stay, answers do not come.
    pub fn pause(&self) {
        services(&["pause"], &self.dir, &["kafka"]);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        services(&["resume"], &self.dir, &["kafka"]);
    }

    /// Starts it again if it does not run, on the same port, with the same data.
    pub fn up(&self) {
        services(&["up"], &self.dir, &["kafka"]);
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        let status = command(&["status"], &self.dir, &[]).output().expect("deploy/local/services can be run");
        let text = String::from_utf8_lossy(&status.stdout).into_owned();
        text.lines().any(|line| line.starts_with("kafka") && !line.contains("stopped"))
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        stop_and_remove(&self.dir);
    }
}

fn stop_and_remove(dir: &Path) {
    let _ = command(&["stop"], dir, &[]).output();
    let _ = std::fs::remove_dir_all(dir);
}

fn command(verb: &[&str], dir: &Path, rest: &[&str]) -> Command {
    let mut command = Command::new(root().join("deploy/local/services"));
    command.args(verb).arg(dir).args(rest);
    command
}

fn services(verb: &[&str], dir: &Path, rest: &[&str]) {
    let done = command(verb, dir, rest).output().expect("deploy/local/services can be run");
    assert!(done.status.success(), "services {verb:?} {dir:?} {rest:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn setting(dir: &Path, name: &str) -> String {
    let env = std::fs::read_to_string(dir.join("env")).expect("a start writes DIR/env");
    let line = env.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{name} is not in {}/env:\n{env}", dir.display())).to_string()
}
