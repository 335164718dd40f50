//! From what a person wrote to what the rooms need: the checks that take more than one key, the files that the
//! configuration names, and the digest under which it goes into the ledger.
//!
//! It reads the files; what packs and policy say is for their rooms to tell, and what certificates hold for the
//! libraries that use them.

use super::fill::Sources;
use super::leaf::{Log, Mechanism, Name, One, Size, Span, Text, Threads};
use super::properties::holds_credentials;
use super::written::{self, DAY_MS, Pipeline};
use super::{Config, InputTopic, Loaded};
use crate::decode::Bounds;
use crate::limits::{self, TRANSACTION_TIMEOUT_MS};
use crate::model::evidence::MaskKey;
use crate::pipeline::store::GroupBounds;
use crate::policy::Policy;
use crate::policy::suppressions::Suppression;
use crate::rules::{BUILT_IN, Catalogue, PackFile};
use crate::yaml::{Place, Problem, Problems};
use crate::{alert, clickhouse, kafka};
use sha2::{Digest, Sha256};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A transaction must be committed well before the broker aborts it.
const COMMIT_INTERVAL_MAX_MS: u64 = TRANSACTION_TIMEOUT_MS / 2;

/// Below it the loops do nothing but commit: a commit costs 7 to 10 ms.
const COMMIT_INTERVAL_MIN_MS: u64 = 10;

/// A shorter key can be guessed by whoever has the hashes.
const KEY_MIN_BYTES: usize = 16;

/// The last names of weir's own topics, which must not be its input.
const OWN_TOPICS: &[&str] = &["facts", "state", "outbox", "alerts", "dead-letters"];

/// Resolves a configuration. `None` means that at least one problem was reported: in `problems` those of its own
/// file, in `elsewhere` those of packs and policy.
pub fn resolve(
    mut written: Pipeline,
    sources: &Sources<'_>,
    problems: &mut Vec<Problem>,
    elsewhere: &mut Problems,
) -> Option<Loaded> {
    let mut resolver = Resolver { sources, problems, elsewhere, warnings: Vec::new() };
    let digest = digest(&written);
    let instance = resolver.instance(&mut written.kafka);
    let kafka = resolver.kafka(&written, instance);
    let clickhouse = resolver.clickhouse(&written.clickhouse);
    let group = resolver.group(&written.clickhouse.group);
    let bounds = resolver.bounds(&written.limits);
    let input = resolver.input(&written);
    let mask_key = resolver.mask_key(written.redaction.hmac_key_file.as_ref());
    let catalogue = resolver.catalogue(&written.detection.packs);
    let has_key = mask_key.as_ref().is_none_or(|key| !key.id().is_empty());
    let policy = resolver.policy(written.policy.as_ref(), catalogue.as_ref(), has_key);
    let alert = resolver.alert(&written);
    let warnings = resolver.warnings;
    let config = Config {
        policy: policy?,
        kafka: kafka?,
        clickhouse: clickhouse?,
        input,
        input_start: written.input.start.0,
        out_of_range: written.input.out_of_range.0,
        bounds,
        group,
        mask_key: mask_key?,
        catalogue: catalogue?,
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

/// A file that was read.
struct NamedText {
    /// Its path, for messages.
    name: String,
    text: String,
}

struct Resolver<'a, 's> {
    sources: &'a Sources<'s>,
    problems: &'a mut Vec<Problem>,
    elsewhere: &'a mut Problems,
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
        self.span_within("kafka.commit_interval", kafka.commit_interval, within);
        self.span_within("kafka.session_timeout", kafka.session_timeout, limits::SESSION_TIMEOUT_MS);
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

    fn span_within(&mut self, path: &str, span: Span, within: RangeInclusive<u64>) {
        if !within.contains(&span.ms) {
            let remedy =
                format!("write a time from {} to {}", Span::written(*within.start()), Span::written(*within.end()));
            self.refuse::<()>(span.place, format!("{path} is out of bounds"), remedy);
        }
    }

    /// The bytes of a size that is in bounds; its place is the problem's otherwise.
    fn size_within(&mut self, path: &str, size: Size, within: RangeInclusive<usize>) -> usize {
        let bytes = usize::try_from(size.bytes).unwrap_or(usize::MAX);
        if !within.contains(&bytes) {
            let bound = |bytes: usize| Size::written(bytes as u64);
            let remedy = format!("write a size from {} to {}", bound(*within.start()), bound(*within.end()));
            self.refuse::<()>(size.place, format!("{path} is out of bounds"), remedy);
        }
        bytes
    }

    fn group(&mut self, written: &written::Group) -> GroupBounds {
        self.span_within("clickhouse.group.age", written.age, limits::GROUP_AGE_MS);
        let bytes = self.size_within("clickhouse.group.size", written.size, limits::GROUP_BYTES);
        GroupBounds { bytes, age_ms: written.age.ms }
    }

    fn bounds(&mut self, written: &written::Limits) -> Bounds {
        let sizes = limits::EVENT_FLOOR_BYTES..=limits::EVENT_CEILING_BYTES;
        let event_bytes = self.size_within("limits.event_size", written.event_size, sizes);
        // A count is at least one, and its most is the ceiling.
        let interactions = usize::try_from(written.interactions_per_event.0).unwrap_or(1);
        Bounds { event_bytes, interactions }
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
        self.warn_of_properties(kafka);
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

    /// What is allowed and takes security away.
    fn warn_of_properties(&mut self, kafka: &written::Kafka) {
        for property in &kafka.properties.0 {
            let name = property.name.trim().to_ascii_lowercase();
            if name == "ssl.endpoint.identification.algorithm" && property.value.trim().eq_ignore_ascii_case("none") {
                self.warnings.push(
                    "kafka.properties switches off the check of the broker's name (ssl.endpoint.identification.\
                     algorithm): whoever has any certificate of a trusted authority can pose as the broker and read \
                     everything"
                        .to_owned(),
                );
            } else if name.starts_with("ssl.") && kafka.tls.is_none() {
                self.warnings.push(format!(
                    "kafka.properties sets {name}, but without kafka.tls the connection is in plain text: add \
                     kafka.tls ({{}} trusts the system's authorities)"
                ));
            } else if name.starts_with("sasl.") && kafka.sasl.is_none() {
                self.warnings.push(format!("kafka.properties sets {name}, which means nothing without kafka.sasl"));
            }
        }
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
        self.refuse_half("kafka", tls);
    }

    /// A certificate and its key are of use together only.
    fn refuse_half(&mut self, section: &str, tls: &written::Tls) {
        let (written, has, lacks, what) = match (&tls.cert_file, &tls.key_file) {
            (Some(cert), None) => (cert, "cert_file", "key_file", "key"),
            (None, Some(key)) => (key, "key_file", "cert_file", "certificate"),
            _ => return,
        };
        let message = format!("{section}.tls.{has} has no {what}");
        self.refuse::<()>(written.place, message, format!("add {section}.tls.{lacks}"));
    }

    /// The files of `clickhouse.tls`; what is in them is the clickhouse room's to judge.
    fn clickhouse_tls(&mut self, written: &written::ClickHouse) -> clickhouse::Tls {
        let Some(tls) = &written.tls else { return clickhouse::Tls::default() };
        self.refuse_half("clickhouse", tls);
        let mut read = |name: &Option<Text>| name.as_ref().and_then(|name| self.file(name)).map(|file| file.text);
        let (ca, certificate, key) = (read(&tls.ca_file), read(&tls.cert_file), read(&tls.key_file));
        let first = [&tls.ca_file, &tls.cert_file, &tls.key_file].into_iter().flatten().next();
        if let Some(first) = first.filter(|_| written.url.0.starts_with("http://")) {
            let message = "clickhouse.tls is set, but clickhouse.url is http://";
            self.refuse::<()>(first.place, message, "write https:// and the port for it (8443), or leave tls out");
        }
        let tls = clickhouse::Tls { ca, identity: certificate.zip(key) };
        if let (Err(error), Some(first)) = (tls.check(), first) {
            self.refuse::<()>(
                first.place,
                error.to_string(),
                "give it a file in PEM: `openssl x509 -in FILE` reads one",
            );
        }
        tls
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
        let tls = self.clickhouse_tls(written);
        Some(clickhouse::Config {
            url: written.url.0.clone(),
            tls,
            cluster: written.cluster.as_ref().map(|cluster| cluster.0.clone()),
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
            if name.starts_with("__") {
                let remedy = "name the topics that capture points write to";
                self.refuse::<()>(topic.place, "input.topics names a topic of Kafka's own (`__`)", remedy);
            }
            if input.iter().any(|other| other.name == *name) {
                self.refuse::<()>(topic.place, "input.topics names a topic twice", "leave one of them out");
            }
            input.push(InputTopic { name: name.clone(), format: topic.topic.format.0 });
        }
        input
    }

    /// Without one there is nothing to judge by.
    fn policy(&mut self, written: Option<&Text>, catalogue: Option<&Catalogue>, has_key: bool) -> Option<Policy> {
        let Some(name) = written else { return Some(Policy::default()) };
        let file = self.file(name)?;
        let parsed = Policy::parse(&file.name, &file.text, catalogue);
        let policy = parsed.map_err(|problems| self.elsewhere.append(problems)).ok()?;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        let expiring = policy.suppressions.iter().filter_map(|one| one.expiring(&file.name, now_ms));
        self.warnings.extend(expiring);
        if !has_key && policy.suppressions.iter().any(Suppression::needs_hashes) {
            let warning = "suppressions by value_hash have no effect without redaction.hmac_key_file";
            self.warnings.push(format!("{}: {warning}", file.name));
        }
        Some(policy)
    }

    /// Never made up: two instances with two keys would call equal values different.
    fn mask_key(&mut self, written: Option<&Text>) -> Option<MaskKey> {
        let Some(name) = written else {
            let warning = "redaction.hmac_key_file is not set: hash columns stay empty, equal values cannot be found, and callers that \
                 are named by secrets become one wherever the masks of these are the same";
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

    fn catalogue(&mut self, written: &[Text]) -> Option<Catalogue> {
        if written.is_empty() {
            self.warnings.push("detection.packs is empty: nothing is looked for".to_owned());
        }
        let mut own = Vec::new();
        for (index, pack) in written.iter().enumerate() {
            if written[..index].iter().any(|before| before.value == pack.value) {
                self.warnings.push(format!("detection.packs names `{}` twice: it counts once", pack.value));
                continue;
            }
            if pack.value == "default" {
                continue;
            }
            for path in self.pack_files(pack) {
                own.extend(self.text(&path, pack.place));
            }
        }
        let mut packs: Vec<PackFile<'_>> = Vec::new();
        if written.iter().any(|pack| pack.value == "default") {
            packs.extend_from_slice(BUILT_IN);
        }
        if own.is_empty() && !packs.is_empty() {
            return Some(Catalogue::built_in().clone());
        }
        packs.extend(own.iter().map(|file| PackFile { name: &file.name, text: &file.text }));
        Catalogue::load(&packs).map_err(|problems| self.elsewhere.append(problems)).ok()
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
            database: written.clickhouse.database.0.clone(),
        })
    }

    fn runbook(&mut self, url: &Text) {
        if !url.value.starts_with("https://") && !url.value.starts_with("http://") {
            let remedy = "write a link: https://wiki.example/weir/{rule}";
            self.refuse::<()>(url.place, "alerts.runbook_url is not a link", remedy);
        }
        if holds_credentials(&url.value) {
            let message = "alerts.runbook_url holds a user or a password, and stands in every alert";
            self.refuse::<()>(url.place, message, "leave it out; write %40 for an @ of the path");
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
