//! What weir tells of itself in numbers: every metric and span, declared once and in this file, and their two ways
//! out, Prometheus' text and OTLP.
//!
//! Names follow Prometheus (`weir_*_total`, base units) and, where they fit, OpenTelemetry's conventions for
//! messaging. No label names a person, a principal, an application or anything from content: labels are topics,
//! partitions, rules and closed sets. Loops count in plain numbers while they work and add them here once a
//! transaction, so that an event costs nothing. Log lines are not here: rooms write them through `tracing`, and
//! [`fold`] holds back those that repeat.

pub mod fold;
mod instruments;
mod otlp;
mod process;

pub use instruments::{Counter, Gauge, Histogram, Kind, Measured, Spec};

use instruments::metrics;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// Upper bounds in seconds for what takes from a millisecond to a minute.
const SHORT: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Upper bounds in seconds for delays, which an outage makes hours.
const LONG: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// When metrics are first sent: loops have started by then, or say why not.
const FIRST_EXPORT_AFTER: Duration = Duration::from_secs(3);

metrics! {
    /// Every instrument. Labels are given in the order in which they are listed.
    Metrics {
        /// Always 1; its labels say what runs: the version and the digests that go into the ledger.
        build: Gauge("weir.build.info", "", Kind::Gauge, ["version", "config", "packs", "policy"]),
        /// Unix time at which the process started.
        started: Gauge("process.start_time", "s", Kind::Gauge, []),
        /// Memory that the process holds.
        memory: Measured("process.resident_memory", "By", Kind::Measured(process::resident_bytes), []),
        /// Events read from input topics and committed.
        events: Counter("weir.events", "{event}", Kind::Counter, ["topic"]),
        /// Interactions found in them.
        interactions: Counter("weir.interactions", "{interaction}", Kind::Counter, ["topic"]),
        /// Events (detect) and interactions (score) of which nothing could be made; each is a dead letter.
        rejects: Counter("weir.rejects", "{reject}", Kind::Counter, ["loop", "reason"]),
        /// Hits of a rule; those with reported=false were too unsure for a finding and are told nowhere else.
        hits: Counter("weir.hits", "{hit}", Kind::Counter, ["rule", "reported"]),
        /// Findings, as rows of the table of that name.
        findings: Counter("weir.findings", "{finding}", Kind::Counter, ["category", "severity"]),
        /// Alerts written to the topic of alerts.
        alerts: Counter("weir.alerts", "{alert}", Kind::Counter, ["severity"]),
        /// Findings severe enough for an alert that the throttle held back; the principal's next alert counts them.
        alerts_held: Counter("weir.alerts.held_back", "{finding}", Kind::Counter, ["severity"]),
        /// Time from the event's Kafka timestamp until its alert was committed.
        alert_delay: Histogram("weir.alert.delay", "s", Kind::Histogram(LONG), []),
        /// Time from the Kafka timestamp of a block's oldest event until the block was in ClickHouse, once a block.
        row_delay: Histogram("weir.row.delay", "s", Kind::Histogram(LONG), ["table"]),
        /// Transactions of detect and score, and groups of store, by how they ended: committed or aborted.
        transactions: Counter("weir.transactions", "{transaction}", Kind::Counter, ["loop", "outcome"]),
        /// Time from a transaction's first record until it was committed.
        transaction_duration: Histogram("weir.transaction.duration", "s", Kind::Histogram(SHORT), ["loop"]),
        /// The part of it in which the loop waited for Kafka to take and commit what it had written.
        commit_duration: Histogram("weir.commit.duration", "s", Kind::Histogram(SHORT), ["loop"]),
        /// Records that wait to be read by a loop, by the end of the log that was last fetched.
        lag: Gauge("weir.lag.records", "{record}", Kind::Gauge, ["loop", "topic", "partition"]),
        /// How long the last stable offset has stood still below the end of the log: an undecided transaction of whoever writes the topic holds back everything after it.
        stable_age: Gauge("weir.last_stable_offset.age", "s", Kind::Gauge, ["loop", "topic", "partition"]),
        /// Partitions that a loop works on.
        partitions: Gauge("weir.partitions", "{partition}", Kind::Gauge, ["loop", "thread"]),
        /// Partitions that stand still until somebody acts; /ready says why.
        partitions_stopped: Gauge("weir.partitions.stopped", "{partition}", Kind::Gauge, ["loop", "thread"]),
        /// Time to read a partition's state back.
        restore_duration: Histogram("weir.state.restore.duration", "s", Kind::Histogram(SHORT), []),
        /// Principals whose state a partition of weir.facts keeps.
        principals: Gauge("weir.state.principals", "{principal}", Kind::Gauge, ["partition"]),
        /// State records written to the changelog.
        state_records: Counter("weir.state.records", "{record}", Kind::Counter, []),
        /// Interactions scored in a bucket that principals past the bound of a partition share.
        overflow: Counter("weir.state.overflow", "{interaction}", Kind::Counter, []),
        /// Inserts that ClickHouse took.
        inserts: Counter("weir.clickhouse.inserts", "{insert}", Kind::Counter, ["table"]),
        /// Rows of them.
        rows: Counter("weir.clickhouse.rows", "{row}", Kind::Counter, ["table"]),
        /// Compressed bytes of them.
        insert_bytes: Counter("weir.clickhouse.insert", "By", Kind::Counter, ["table"]),
        /// Time that ClickHouse took for an insert that it took.
        insert_duration: Histogram("weir.clickhouse.insert.duration", "s", Kind::Histogram(SHORT), ["table"]),
        /// Inserts that have to be made again: no_answer, or ClickHouse's error code.
        insert_retries: Counter("weir.clickhouse.retries", "{insert}", Kind::Counter, ["table", "reason"]),
        /// Times that a loop closed its clients and started again from what is committed: error, or fenced by another process of its name.
        restarts: Counter("weir.loop.restarts", "{restart}", Kind::Counter, ["loop", "reason"]),
        /// Errors that librdkafka reported, by its code.
        kafka_errors: Counter("weir.kafka.errors", "{error}", Kind::Counter, ["client", "code"]),
        /// Records taken from Kafka, by OpenTelemetry's convention.
        consumed: Counter("messaging.client.consumed.messages", "{message}", Kind::Counter, ["messaging.system", "messaging.consumer.group.name"]),
        /// Records written to Kafka, by OpenTelemetry's convention.
        sent: Counter("messaging.client.sent.messages", "{message}", Kind::Counter, ["messaging.system", "messaging.client.id"]),
    }
}

/// The value of `messaging.system`.
pub const KAFKA: &str = "kafka";

static METRICS: OnceLock<Metrics> = OnceLock::new();
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// The process' instruments; nothing is kept of what they get unless [`start`] was called. Like the log they belong
/// to the process, so they are not handed through every room.
pub fn metrics() -> &'static Metrics {
    METRICS.get_or_init(|| Metrics::build(&opentelemetry::global::meter("weir")))
}

/// Where telemetry goes and what it says of this process.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Whether somebody will ask for [`Telemetry::text`].
    pub scraped: bool,
    /// The collector, `http://host:4318`; empty: none.
    pub otlp: String,
    pub instance: String,
    pub version: &'static str,
    /// Digests of configuration, packs and policy.
    pub digests: [String; 3],
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("telemetry.otlp {url}: {reason}")]
    Otlp { url: String, reason: String },
    #[error("telemetry: {0}")]
    Exporter(String),
}

/// Running exporters.
pub struct Telemetry {
    registry: prometheus::Registry,
    meters: Option<SdkMeterProvider>,
    tracers: Option<SdkTracerProvider>,
}

/// Starts the exporters that the configuration asks for. To be called once, before anything is counted.
pub fn start(config: &Config) -> Result<Telemetry, Error> {
    let registry = prometheus::Registry::new();
    if !config.scraped && config.otlp.is_empty() {
        return Ok(Telemetry { registry, meters: None, tracers: None });
    }
    let resource = Resource::builder()
        .with_service_name("weir")
        .with_attribute(KeyValue::new("service.instance.id", config.instance.clone()))
        .with_attribute(KeyValue::new("service.version", config.version))
        .build();
    // The scrape's own target says which instance it is.
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).without_target_info();
    let exporter = exporter.scope_info_enabled(false).build().map_err(|error| Error::Exporter(error.to_string()))?;
    let mut meters = SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(exporter);
    let mut tracers = None;
    if !config.otlp.is_empty() {
        let push = otlp::open(&config.otlp)?;
        meters = meters.with_periodic_exporter(push.metrics);
        let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(push.spans).build();
        // A second start in one process keeps the first one's.
        let _ = TRACER.set(provider.tracer("weir"));
        tracers = Some(provider);
    }
    let meters = meters.build();
    let metrics = Metrics::build(&opentelemetry::metrics::MeterProvider::meter(&meters, "weir"));
    let [digest, packs, policy] = &config.digests;
    metrics.build.set(1.0, &[config.version, digest, packs, policy]);
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    metrics.started.set(since_epoch.as_secs_f64(), &[]);
    let _ = METRICS.set(metrics);
    if !config.otlp.is_empty() {
        export_soon(meters.clone());
    }
    Ok(Telemetry { registry, meters: Some(meters), tracers })
}

/// Sends the metrics once soon after the start, so that a collector that is not there is told of at once; the first of
/// the usual exports comes after a minute.
fn export_soon(meters: SdkMeterProvider) {
    let export = move || {
        std::thread::sleep(FIRST_EXPORT_AFTER);
        let _ = meters.force_flush();
    };
    // Without this thread all comes as it does anyway, only later.
    let _ = std::thread::Builder::new().name("weir-otlp-first".into()).spawn(export);
}

impl Telemetry {
    /// Everything that was counted, in Prometheus' text form.
    pub fn text(&self) -> String {
        let families = self.registry.gather();
        prometheus::TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }

    /// Sends what has not been sent, for a moment at most.
    pub fn end(&self) {
        let patience = Duration::from_secs(2);
        if let Some(tracers) = &self.tracers {
            let _ = tracers.shutdown_with_timeout(patience);
        }
        if let Some(meters) = &self.meters {
            let _ = meters.shutdown_with_timeout(patience);
        }
    }
}

/// One transaction of detect or score, or one group of store: the only span that there is. An event gets none.
pub struct TransactionSpan<'a> {
    /// `detect`, `score` or `store`.
    pub stage: &'static str,
    pub group: &'a str,
    pub client: &'a str,
    /// What was read.
    pub topic: &'a str,
    pub records: u64,
    pub bytes: u64,
    pub partitions: u64,
    /// `committed`, or why not.
    pub outcome: &'a str,
    pub is_error: bool,
    pub begun: SystemTime,
}

impl TransactionSpan<'_> {
    /// Ends the span now. Does nothing without a collector.
    pub fn end(&self) {
        let Some(tracer) = TRACER.get() else { return };
        // `{operation} {destination}`, as the convention has it.
        let span = SpanBuilder::from_name(format!("process {}", self.topic))
            .with_kind(SpanKind::Consumer)
            .with_start_time(self.begun)
            .with_attributes([
                KeyValue::new("messaging.system", KAFKA),
                KeyValue::new("messaging.operation.name", "process"),
                KeyValue::new("messaging.operation.type", "process"),
                KeyValue::new("messaging.destination.name", self.topic.to_owned()),
                KeyValue::new("messaging.consumer.group.name", self.group.to_owned()),
                KeyValue::new("messaging.client.id", self.client.to_owned()),
                KeyValue::new("messaging.batch.message_count", self.records as i64),
                KeyValue::new("weir.loop", self.stage),
                KeyValue::new("weir.transaction.bytes", self.bytes as i64),
                KeyValue::new("weir.transaction.partitions", self.partitions as i64),
                KeyValue::new("weir.transaction.outcome", self.outcome.to_owned()),
            ]);
        let mut span = tracer.build(span);
        if self.is_error {
            span.set_status(Status::error(self.outcome.to_owned()));
        }
        span.end();
    }
}

#[cfg(test)]
pub(crate) mod tests;
