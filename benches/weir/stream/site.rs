//! Servers, topics, tables and processes of one measurement, and what they cost.
//!
//! With `KAFKA_BROKERS` and `CLICKHOUSE_URL` set those servers are used; else `deploy/local/services` starts some,
//! which go when the measurement is over.

use crate::events::Event;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use weir::clickhouse;

const REQUEST: Duration = Duration::from_secs(30);

/// How long anything may take that ends by itself.
const PATIENCE: Duration = Duration::from_secs(120);

/// Linux counts a process's CPU time in hundredths of a second, on every architecture that weir is built for.
const TICKS_PER_S: f64 = 100.0;

/// A Kafka and a ClickHouse.
pub struct Servers {
    brokers: String,
    clickhouse_url: String,
    key_file: Option<String>,
    /// Where they are when they are our own.
    folder: Option<PathBuf>,
}

impl Servers {
    /// Those of the environment, if it names both.
    pub fn named() -> Option<Servers> {
        let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (brokers, clickhouse_url) = (named("KAFKA_BROKERS")?, named("CLICKHOUSE_URL")?);
        Some(Servers { brokers, clickhouse_url, key_file: named("WEIR_HMAC_KEY_FILE"), folder: None })
    }

    /// Fresh ones of our own.
    pub fn start() -> Servers {
        let folder = root().join(".local/bench");
        let _ = services("stop", &folder);
        let _ = std::fs::remove_dir_all(&folder);
        let done = services("start", &folder).unwrap_or_else(|error| panic!("deploy/local/services: {error}"));
        assert!(done.status.success(), "deploy/local/services: {}", String::from_utf8_lossy(&done.stderr));
        let env = std::fs::read_to_string(folder.join("env")).expect("a start writes it");
        let setting = |name: &str| {
            let line = env.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("{name} is not in {}/env", folder.display())).trim_matches('\'').to_owned()
        };
        Servers {
            brokers: setting("KAFKA_BROKERS"),
            clickhouse_url: setting("CLICKHOUSE_URL"),
            key_file: Some(setting("WEIR_HMAC_KEY_FILE")),
            folder: Some(folder),
        }
    }

    /// CPU that ClickHouse has used, in seconds; not known of a server that is not our own.
    pub fn clickhouse_cpu_s(&self) -> Option<f64> {
        let pid = std::fs::read_to_string(self.folder.as_ref()?.join("clickhouse/pid")).ok()?;
        Some(cpu_s(&format!("/proc/{}/stat", pid.trim()))?.1)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = services("stop", folder);
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn services(verb: &str, folder: &Path) -> std::io::Result<std::process::Output> {
    Command::new(root().join("deploy/local/services")).arg(verb).arg(folder).output()
}

/// Topics, groups and tables of one run of weir.
pub struct Site<'s> {
    servers: &'s Servers,
    /// `bench-812-fresh`
    name: String,
    pub input: String,
    asking: tokio::runtime::Runtime,
    pub clickhouse: clickhouse::Client,
}

impl<'s> Site<'s> {
    /// Makes topics and tables. It reads another site's input when one is given.
    pub fn new(servers: &'s Servers, name: &str, input: Option<&str>) -> Site<'s> {
        let name = format!("bench-{}-{name}", std::process::id());
        let asking = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let config = clickhouse::Config {
            url: servers.clickhouse_url.clone(),
            tls: clickhouse::Tls::default(),
            cluster: None,
            database: name.replace('-', "_"),
            user: variable("CLICKHOUSE_USER", "default"),
            password: variable("CLICKHOUSE_PASSWORD", ""),
            retention_days: 400,
        };
        let clickhouse = clickhouse::Client::new(&config).unwrap_or_else(|error| panic!("{error}"));
        let input = input.map_or_else(|| format!("{name}.events"), str::to_owned);
        let site = Site { servers, name, input, asking, clickhouse };
        for command in [["topics", "apply"], ["schema", "apply"]] {
            let done = site.command().args(command).arg("-c").arg(pipeline()).output().expect("weir can be run");
            assert!(done.status.success(), "weir {command:?}: {}", String::from_utf8_lossy(&done.stderr));
        }
        site
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command
            .env("KAFKA_BROKERS", &self.servers.brokers)
            .env("CLICKHOUSE_URL", &self.servers.clickhouse_url)
            .env("CLICKHOUSE_DATABASE", self.database())
            .env("WEIR_INPUT_TOPIC", &self.input)
            .env("WEIR_TOPIC_PREFIX", format!("{}.", self.name))
            .env("WEIR_GROUP", &self.name)
            .env("WEIR_INSTANCE", "bench-0")
            .env("RUST_LOG", "warn")
            .current_dir(root());
        if let Some(file) = &self.servers.key_file {
            command.env("WEIR_HMAC_KEY_FILE", file);
        }
        command
    }

    pub fn database(&self) -> String {
        self.name.replace('-', "_")
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    /// Starts `weir run` with a role.
    pub fn start(&self, role: &str) -> Process {
        let mut command = self.command();
        command.args(["run", "--role", role, "-c"]).arg(pipeline()).stdin(Stdio::null());
        Process(command.spawn().expect("weir can be started"))
    }

    /// A client that reads whole topics, committed records only.
    pub fn reader(&self) -> BaseConsumer {
        self.consumer("")
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.servers.brokers)
            .set("group.id", format!("{}{group}", self.name))
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest")
            .create()
            .expect("a consumer can be made")
    }

    /// A reader that starts with a topic's first record.
    pub fn reader_of(&self, topic: &str) -> BaseConsumer {
        let reader = self.reader();
        let mut all = TopicPartitionList::new();
        for partition in 0..partitions(&reader, topic) {
            all.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset can be named");
        }
        reader.assign(&all).expect("partitions can be assigned");
        reader
    }

    pub fn producer(&self, linger_ms: u32) -> BaseProducer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.servers.brokers)
            .set("compression.type", "lz4")
            .set("linger.ms", linger_ms.to_string())
            .set("batch.size", "1000000")
            .create()
            .expect("a producer can be made")
    }

    /// Puts events into the input topic; returns their bytes.
    pub fn feed(&self, events: impl Iterator<Item = Event>) -> usize {
        let producer = self.producer(20);
        let mut bytes = 0;
        for event in events {
            bytes += event.payload.len();
            send(&producer, &self.input, &event.principal, &event.payload);
        }
        producer.flush(PATIENCE).expect("everything lands");
        bytes
    }

    /// The sum of the offsets that a loop has committed in a topic, and how many it lacks at the end.
    pub fn progress(&self, group: &str, topic: &str) -> (i64, i64) {
        let consumer = self.consumer(group);
        let mut asked = TopicPartitionList::new();
        let mut end = 0;
        for partition in 0..partitions(&consumer, topic) {
            asked.add_partition(topic, partition);
            end += consumer.fetch_watermarks(topic, partition, REQUEST).expect("a topic has an end").1;
        }
        // While a place is made for a new group, its broker says that another one keeps it.
        let mut committed = Err(KafkaError::Canceled);
        wait_until("a group can be asked", Duration::from_millis(100), || {
            committed = consumer.committed_offsets(asked.clone(), REQUEST);
            committed.is_ok()
        });
        let committed = committed.expect("it was waited for");
        let offsets = committed.elements().into_iter().map(|at| at.offset().to_raw().unwrap_or(0).max(0));
        let sum = offsets.sum();
        (sum, end - sum)
    }

    /// The numbers in the one row of an answer of ClickHouse's. `{db}` stands for the database.
    pub fn numbers(&self, sql: &str) -> Vec<u64> {
        let sql = sql.replace("{db}", &self.database());
        let rows = self.asking.block_on(self.clickhouse.query_json(&sql));
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        // Numbers of 64 bits may come as text.
        let number = |value: &serde_json::Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let row = rows.first().and_then(|row| row.as_object()).unwrap_or_else(|| panic!("{sql}: no row"));
        row.values().map(|value| number(value).unwrap_or_else(|| panic!("{sql}: {value}"))).collect()
    }
}

/// Somebody else's servers are left as they were; our own go with everything.
impl Drop for Site<'_> {
    fn drop(&mut self) {
        if self.servers.folder.is_some() {
            return;
        }
        let own = ["events", "facts", "state", "outbox", "alerts", "dead-letters"].map(|name| self.topic(name));
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let admin: Result<AdminClient<DefaultClientContext>, _> =
            ClientConfig::new().set("bootstrap.servers", &self.servers.brokers).create();
        if let Ok(admin) = admin {
            let _ = self.asking.block_on(admin.delete_topics(&own, &AdminOptions::new()));
        }
        let drop = format!("DROP DATABASE IF EXISTS `{}`", self.database());
        let _ = self.asking.block_on(self.clickhouse.query_json(&drop));
    }
}

fn pipeline() -> PathBuf {
    root().join("pipelines/weir.yaml")
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> i32 {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST).expect("Kafka answers");
    metadata.topics().first().map_or(0, |topic| topic.partitions().len() as i32)
}

/// Sends a record, and waits while the producer is full.
pub fn send(producer: &BaseProducer, topic: &str, key: &str, payload: &[u8]) {
    let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic).key(key).payload(payload);
    loop {
        match producer.send(record) {
            Ok(()) => break,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                producer.poll(Duration::from_millis(5));
                record = again;
            }
            Err((error, _)) => panic!("sending to {topic}: {error}"),
        }
    }
}

/// Looks again and again until something is so.
pub fn wait_until(what: &str, every: Duration, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(every);
    }
}

/// A running weir. Killed on drop.
pub struct Process(Child);

/// What a process has used.
#[derive(Clone, Copy)]
pub struct Used {
    /// Seconds of CPU, user and system, and of these the share of librdkafka's threads.
    pub cpu_s: f64,
    pub librdkafka_s: f64,
    pub peak_mib: f64,
}

impl Process {
    pub fn used(&self) -> Used {
        let home = format!("/proc/{}", self.0.id());
        let (_, cpu) = cpu_s(&format!("{home}/stat")).expect("the process runs");
        let threads = std::fs::read_dir(format!("{home}/task")).expect("a process has threads");
        let each = threads.filter_map(|thread| cpu_s(&format!("{}/stat", thread.ok()?.path().display())));
        let librdkafka_s = each.filter(|(name, _)| name.starts_with("rdk:")).map(|(_, seconds)| seconds).sum();
        let status = std::fs::read_to_string(format!("{home}/status")).expect("the process runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let peak_mib = peak.and_then(|kib| kib.trim().parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0;
        Used { cpu_s: cpu, librdkafka_s, peak_mib }
    }

    /// Ends in order.
    pub fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a child can be told");
        let status = self.0.wait().expect("a child ends");
        assert!(status.success(), "weir ended with {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Name and CPU time in seconds out of a `stat` file of a process or a thread.
fn cpu_s(path: &str) -> Option<(String, f64)> {
    let stat = std::fs::read_to_string(path).ok()?;
    // The name stands in brackets and may hold blanks; user and system time are the 12th and 13th field behind it.
    let (head, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some((head.split_once('(')?.1.to_owned(), ticks / TICKS_PER_S))
}
