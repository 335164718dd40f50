//! From what a person wrote to what the rooms need: the checks that take more than one key, the files that the
//! configuration names, and the digest under which it goes into the ledger.
//!
//! It reads the files, but does not parse them: packs, policy and certificates belong to those who use them.

use super::fill::Sources;
use super::leaf::{Log, Mechanism, Name, One, Span, Text, Threads};
use super::problem::{Place, Problem};
use super::written::{self, DAY_MS, Pipeline};
use super::{Config, InputTopic, Loaded, NamedText, Pack};
use crate::limits::TRANSACTION_TIMEOUT_MS;
use crate::model::evidence::MaskKey;
use crate::policy::Policy;
use crate::{alert, clickhouse, kafka};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A transaction must be committed well before the broker aborts it.
const COMMIT_INTERVAL_MAX_MS: u64 = TRANSACTION_TIMEOUT_MS / 2;

/// Below it the loops do nothing but commit: a commit costs 7 to 10 ms.
const COMMIT_INTERVAL_MIN_MS: u64 = 10;

/// What brokers allow by default (`group.min.session.timeout.ms` and `group.max.session.timeout.ms`).
const SESSION_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 6_000..=1_800_000;

/// A shorter key can be guessed by whoever has the hashes.
const KEY_MIN_BYTES: usize = 16;

/// The last names of weir's own topics, which must not be its input.
const OWN_TOPICS: &[&str] = &["facts", "state", "outbox", "alerts", "dead-letters"];

/// Resolves a configuration. `None` means that at least one problem was reported.
pub fn resolve(mut written: Pipeline, sources: &Sources<'_>, problems: &mut Vec<Problem>) -> Option<Loaded> {
    let mut resolver = Resolver { sources, problems, warnings: Vec::new() };
    let digest = digest(&written);
    let instance = resolver.instance(&mut written.kafka);
    let kafka = resolver.kafka(&written, instance);
    let clickhouse = resolver.clickhouse(&written.clickhouse);
    let input = resolver.input(&written);
    let mask_key = resolver.mask_key(written.redaction.hmac_key_file.as_ref());
    let packs = resolver.packs(&written.detection.packs);
    let policy = resolver.policy(written.policy.as_ref());
    let alert = resolver.alert(&written);
    let warnings = resolver.warnings;
    let (policy, policy_file) = policy?;
    let config = Config {
        policy,
        policy_file,
        kafka: kafka?,
        clickhouse: clickhouse?,
        input,
        input_start: written.input.start.0,
        out_of_range: written.input.out_of_range.0,
        mask_key: mask_key?,
        packs,
        alert: alert?,
        detect_threads: threads(written.limits.detect_threads),
        log_json: written.telemetry.log == One(Log::Json),
        listen: written.telemetry.listen.as_ref().map(|listen| listen.0.clone()),
        otlp: written.telemetry.otlp.as_ref().map(|collector| collector.0.clone()),
        digest,
        warnings,
        name: written.name.value.clone(),
    };
    let effective = serde_saphyr::to_string(&written).expect("sections are mappings of text and numbers");
    Some(Loaded { config, effective })
}

/// What the stream judges by; the error says what is wrong with the text.
fn parse_policy(text: &str) -> Result<Policy, String> {
    Policy::parse(text).map_err(|error| error.to_string())
}

fn threads(written: Threads) -> usize {
    match written {
        // The standard library respects the cgroup's quota, so that a container does not start a thread for
        // each core of its host.
        Threads::Auto => std::thread::available_parallelism().map_or(1, usize::from),
        Threads::Fixed(count) => usize::try_from(count).unwrap_or(1),
    }
}

/// Secrets are `***` in it, and what differs between instances is left out: the name, and the port on one machine.
fn digest(written: &Pipeline) -> String {
    let mut written = written.clone();
    written.kafka.instance = None;
    written.telemetry.listen = None;
    let json = serde_json::to_vec(&written).expect("sections are mappings of text and numbers");
    hex(&Sha256::digest(json))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Resolver<'a, 's> {
    sources: &'a Sources<'s>,
    problems: &'a mut Vec<Problem>,
    warnings: Vec<String>,
}

impl Resolver<'_, '_> {
    fn refuse<T>(&mut self, place: Place, message: impl Into<String>, remedy: impl Into<String>) -> Option<T> {
        self.problems.push(Problem::new(place, message, remedy));
        None
    }

    /// The text of a file that the configuration names.
    fn file(&mut self, name: &Text) -> Option<NamedText> {
        let path = self.sources.path(&name.value);
        self.text(&path, name.place)
    }

    fn text(&mut self, path: &Path, place: Place) -> Option<NamedText> {
        match self.sources.read_text(path) {
            Ok(text) => Some(NamedText { name: path.display().to_string(), text }),
            Err(reason) => self.unreadable(path, place, &reason),
        }
    }

    fn unreadable<T>(&mut self, path: &Path, place: Place, reason: &str) -> Option<T> {
        let message = format!("`{}` cannot be read: {reason}", path.display());
        self.refuse(place, message, "relative paths start at the folder of the configuration file")
    }

    /// Who this process is. It goes back into what was written, so that the effective configuration shows it.
    fn instance(&mut self, written: &mut written::Kafka) -> Option<String> {
        if written.instance.is_none() {
            let named = (self.sources.env)("WEIR_INSTANCE").filter(|name| !name.is_empty());
            let Some(name) = named.or_else(host_name) else {
                let remedy = "set kafka.instance, or WEIR_INSTANCE in the environment";
                return self.refuse(Place::default(), "kafka.instance: the host has no name to take for it", remedy);
            };
            if !Name::is_legal(&name) {
                let message = "kafka.instance: neither WEIR_INSTANCE nor the host's name is one that Kafka takes";
                return self.refuse(
                    Place::default(),
                    message,
                    "set kafka.instance to letters, digits, `.`, `_` and `-`",
                );
            }
            written.instance = Some(Name::from_default(&name));
        }
        written.instance.as_ref().map(|name| name.value.clone())
    }

    fn kafka(&mut self, written: &Pipeline, instance: Option<String>) -> Option<kafka::Config> {
        let kafka = &written.kafka;
        let within = COMMIT_INTERVAL_MIN_MS..=COMMIT_INTERVAL_MAX_MS;
        self.within("kafka.commit_interval", kafka.commit_interval, within);
        self.within("kafka.session_timeout", kafka.session_timeout, SESSION_TIMEOUT_MS);
        let topics = &written.topics;
        Some(kafka::Config {
            brokers: kafka.brokers.0.join(","),
            group: kafka.group.value.clone(),
            instance: instance?,
            commit_interval_ms: kafka.commit_interval.ms,
            session_timeout_ms: kafka.session_timeout.ms,
            properties: self.properties(kafka),
            topics: kafka::Topics {
                prefix: topics.prefix.value.clone(),
                replication: topics.replication.map(|count| count.0),
                facts_partitions: topics.facts_partitions.0,
                outbox_partitions: topics.outbox_partitions.0,
                alerts_partitions: topics.alerts_partitions.0,
                facts_keep_ms: i64::try_from(topics.facts_keep.ms).unwrap_or(i64::MAX),
            },
        })
    }

    fn within(&mut self, path: &str, span: Span, within: std::ops::RangeInclusive<u64>) {
        if !within.contains(&span.ms) {
            let remedy =
                format!("write a time from {} to {}", Span::written(*within.start()), Span::written(*within.end()));
            self.refuse::<()>(span.place, format!("{path} is out of bounds"), remedy);
        }
    }

    /// TLS and SASL as librdkafka's properties, then those of the file.
    fn properties(&mut self, kafka: &written::Kafka) -> Vec<(String, String)> {
        let protocol = match (&kafka.tls, &kafka.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        let mut list = vec![("security.protocol".to_owned(), protocol.to_owned())];
        if let Some(tls) = &kafka.tls {
            self.tls(tls, &mut list);
        }
        if let Some(sasl) = &kafka.sasl {
            if kafka.tls.is_none() && sasl.mechanism == One(Mechanism::Plain) {
                self.warnings.push("kafka.sasl sends its password in plain text: add kafka.tls".to_owned());
            }
            list.push(("sasl.mechanism".to_owned(), sasl.mechanism.property().to_owned()));
            list.push(("sasl.username".to_owned(), sasl.username.value.clone()));
            list.push(("sasl.password".to_owned(), sasl.password.0.clone()));
        }
        list.extend(kafka.properties.0.iter().map(|property| (property.name.clone(), property.value.clone())));
        list
    }

    fn tls(&mut self, tls: &written::Tls, list: &mut Vec<(String, String)>) {
        let files = [
            ("ssl.ca.location", &tls.ca_file),
            ("ssl.certificate.location", &tls.cert_file),
            ("ssl.key.location", &tls.key_file),
        ];
        for (property, name) in files {
            let Some(name) = name else { continue };
            // librdkafka would say so too, but only when weir starts.
            if let Some(file) = self.file(name) {
                list.push((property.to_owned(), file.name));
            }
        }
        match (&tls.cert_file, &tls.key_file) {
            (Some(cert), None) => self.half(cert, "kafka.tls.cert_file has no key", "add kafka.tls.key_file"),
            (None, Some(key)) => self.half(key, "kafka.tls.key_file has no certificate", "add kafka.tls.cert_file"),
            _ => {}
        }
    }

    fn half(&mut self, written: &Text, message: &str, remedy: &str) {
        self.refuse::<()>(written.place, message, remedy);
    }

    fn clickhouse(&mut self, written: &written::ClickHouse) -> Option<clickhouse::Config> {
        let kept = written.retention.interactions;
        let days = u32::try_from(kept.ms / DAY_MS).ok().filter(|days| *days > 0 && kept.ms.is_multiple_of(DAY_MS));
        let Some(retention_days) = days else {
            let message = "clickhouse.retention.interactions is not a number of days";
            return self.refuse(kept.place, message, "write whole days, at least one: 400d");
        };
        let is_local =
            ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|url| written.url.0.starts_with(url));
        if written.url.0.starts_with("http://") && !is_local && !written.password.0.is_empty() {
            self.warnings.push("clickhouse.url sends the password in plain text: use https".to_owned());
        }
        Some(clickhouse::Config {
            url: written.url.0.clone(),
            database: written.database.0.clone(),
            user: written.user.value.clone(),
            password: written.password.0.clone(),
            retention_days,
        })
    }

    fn input(&mut self, written: &Pipeline) -> Vec<InputTopic> {
        let mut input: Vec<InputTopic> = Vec::new();
        let prefix = &written.topics.prefix.value;
        for topic in written.input.topics.0.iter().filter(|topic| !topic.topic.name.value.is_empty()) {
            let name = &topic.topic.name.value;
            let is_own = name.strip_prefix(&**prefix).is_some_and(|rest| OWN_TOPICS.contains(&rest));
            if is_own {
                let remedy = "name the topics that capture points write to";
                self.refuse::<()>(topic.place, "input.topics names a topic that weir itself writes", remedy);
            }
            if input.iter().any(|other| other.name == *name) {
                self.refuse::<()>(topic.place, "input.topics names a topic twice", "leave one of them out");
            }
            input.push(InputTopic { name: name.clone(), format: topic.topic.format.0 });
        }
        input
    }

    /// The policy and its file; without one there is nothing to judge by.
    fn policy(&mut self, written: Option<&Text>) -> Option<(Policy, Option<NamedText>)> {
        let Some(name) = written else { return Some((Policy::default(), None)) };
        let file = self.file(name)?;
        match parse_policy(&file.text) {
            Ok(policy) => Some((policy, Some(file))),
            Err(reason) => {
                let message = format!("`{}` is no policy that weir can use: {reason}", file.name);
                self.refuse(name.place, message, "mend the policy file")
            }
        }
    }

    /// Never made up: two instances with two keys would call equal values different.
    fn mask_key(&mut self, written: Option<&Text>) -> Option<MaskKey> {
        let Some(name) = written else {
            let warning =
                "redaction.hmac_key_file is not set: hash columns stay empty, and equal values cannot be found";
            self.warnings.push(warning.to_owned());
            return Some(MaskKey::none());
        };
        let path = self.sources.path(&name.value);
        let key = match self.sources.read(&path) {
            Ok(key) => key,
            Err(reason) => return self.unreadable(&path, name.place, &reason),
        };
        match key.trim_ascii().len() {
            0 => {
                let message = format!("`{}` is empty", path.display());
                return self.refuse(
                    name.place,
                    message,
                    "write a random key into it: head -c 32 /dev/urandom | base64",
                );
            }
            1..KEY_MIN_BYTES => self.warnings.push(format!(
                "`{}` holds a key of less than {KEY_MIN_BYTES} bytes, which can be guessed",
                path.display()
            )),
            _ => {}
        }
        Some(MaskKey::new(&key))
    }

    fn packs(&mut self, written: &[Text]) -> Vec<Pack> {
        if written.is_empty() {
            self.warnings.push("detection.packs is empty: nothing is looked for".to_owned());
        }
        let mut packs = Vec::new();
        for pack in written {
            if pack.value == "default" {
                packs.push(Pack::Default);
                continue;
            }
            for path in self.pack_files(pack) {
                packs.extend(self.text(&path, pack.place).map(Pack::File));
            }
        }
        packs
    }

    /// The files of a pack: itself, or those of a folder, by name so that their order is the same everywhere.
    fn pack_files(&mut self, pack: &Text) -> Vec<PathBuf> {
        let path = self.sources.path(&pack.value);
        if !path.is_dir() {
            return vec![path];
        }
        let mut files: Vec<PathBuf> = match std::fs::read_dir(&path) {
            Ok(entries) => entries.filter_map(Result::ok).map(|entry| entry.path()).collect(),
            Err(error) => return self.unreadable(&path, pack.place, &error.to_string()).unwrap_or_default(),
        };
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
        files.sort();
        if files.is_empty() {
            let message = format!("`{}` holds no pack", path.display());
            self.refuse::<()>(pack.place, message, "put files that end in .yaml into it");
        }
        files
    }

    fn alert(&mut self, written: &Pipeline) -> Option<alert::Config> {
        let alerts = &written.alerts;
        let throttle = &alerts.throttle;
        if throttle.every.ms == 0 {
            let remedy = "write the time in which one more alert may follow: 1h";
            self.refuse::<()>(throttle.every.place, "alerts.throttle.every is zero", remedy);
        }
        if let Some(url) = &alerts.runbook_url {
            self.runbook(url);
        }
        Some(alert::Config {
            min_severity: alerts.min_severity.0,
            burst: u32::try_from(throttle.burst.0).ok()?,
            every_ms: throttle.every.ms,
            runbook_url: alerts.runbook_url.as_ref().map(|url| url.value.clone()).unwrap_or_default(),
            source: format!("weir/{}", written.name.value),
        })
    }

    fn runbook(&mut self, url: &Text) {
        if !url.value.starts_with("https://") && !url.value.starts_with("http://") {
            let remedy = "write a link: https://wiki.example/weir/{rule}";
            self.refuse::<()>(url.place, "alerts.runbook_url is not a link", remedy);
        }
        if url.value.replace("{rule}", "").contains(['{', '}']) {
            let remedy = "`{rule}` is the only placeholder";
            self.refuse::<()>(url.place, "alerts.runbook_url has a placeholder that weir does not fill", remedy);
        }
    }
}

/// The host's name, as Linux tells it. Elsewhere there is none, and `kafka.instance` must be set.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty() && name != "(none)")
}
