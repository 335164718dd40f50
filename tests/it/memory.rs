//! Memory stays bounded: while servers are slow under a backlog, and with very many principals. The curves are printed,
//! since a bound alone says little.
//!
//! The bound is 512 MiB and the states: librdkafka's fetch buffers (8 MiB a loop and what one fetch of 5 MiB unpacks
//! to), its queues to the brokers (32 MiB for detect and for score), the rows of a transaction (32 MiB before they are
//! packed), a group of 8 MiB twice for each partition of the outbox, and what the rules were compiled to. Nothing else
//! may grow with a backlog or with the length of an outage.

use crate::harness::kafka::{Kafka, Outgoing};
use crate::harness::process::{Start, Weir};
use crate::harness::servers::{self, OwnClickHouse, OwnKafka};
use crate::harness::site::{Options, Site, topic_name};
use crate::harness::traffic::{END_MS, fill_keyed, native, traffic};
use crate::harness::{say, slot};
use crate::reconcile::{Expected, assert_ledger};
use std::time::{Duration, Instant};

/// See above.
const BOUND_MIB: u64 = 512;

/// Events that wait when weir starts.
const BACKLOG: u64 = 40_000;

/// How long a server is away: many times what it takes to fill every buffer there is.
const AWAY: Duration = Duration::from_secs(8);

/// Principals with a state; `WEIR_IT_PRINCIPALS` says another number.
const PRINCIPALS: usize = 60_000;

/// The memory of a weir over time.
struct Curve {
    begun: Instant,
    peak_mib: u64,
}

impl Curve {
    fn begin() -> Self {
        Curve { begun: Instant::now(), peak_mib: 0 }
    }

    /// Looks for so long, and prints a line a second.
    fn watch(&mut self, weir: &Weir, what: &str, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let memory = weir.memory();
            self.peak_mib = self.peak_mib.max(memory.peak_mib);
            let at_s = self.begun.elapsed().as_secs_f32();
            say(&format!("memory: {at_s:5.1} s {:4} MiB (peak {:4}) {what}", memory.rss_mib, memory.peak_mib));
            std::thread::sleep(Duration::from_secs(1).min(time));
        }
    }
}

fn lags(site: &Site) -> String {
    let lag = |stage: &str, topic: &str| site.kafka.lag(&site.group(stage), topic);
    format!(
        "lag: detect {} events, score {} facts, store {} blocks",
        lag("detect", &site.inputs[0]),
        lag("score", &site.topic("facts")),
        lag("store", &site.topic("outbox")),
    )
}

/// ClickHouse does not answer, then refuses connections, then brokers hang; all the while a backlog is worked on.
#[test]
fn slow_servers_do_not_make_memory_grow() {
    let _slot = slot();
    let (own_kafka, own_clickhouse) = (OwnKafka::start("memory"), OwnClickHouse::start("memory"));
    let kafka = Kafka::connect(&own_kafka.brokers);
    let input = topic_name("memory-input");
    let events = traffic(71, BACKLOG);
    let places = fill_keyed(&kafka, &input, 4, &events);
    let options =
        Options { brokers: Some(&own_kafka.brokers), clickhouse_url: Some(&own_clickhouse.url), ..Options::default() };
    let site = Site::with("memory", std::slice::from_ref(&input), options);
    let mut curve = Curve::begin();
    let mut weir = Weir::start(&site, Start::instance("weir-0"));
    weir.wait_for_log(&["assigned", "score"]);
    // Amid the first records of all loops.
    own_kafka.pause();
    curve.watch(&weir, "brokers hang", AWAY);
    own_kafka.resume();
    own_clickhouse.pause();
    curve.watch(&weir, "ClickHouse hangs", AWAY);
    say(&format!("memory: {}", lags(&site)));
    own_clickhouse.resume();
    own_clickhouse.toggle_http();
    curve.watch(&weir, "ClickHouse refuses", AWAY);
    say(&format!("memory: {}", lags(&site)));
    own_clickhouse.toggle_http();
    site.settle(&mut [&mut weir]);
    curve.watch(&weir, "all is done", Duration::from_millis(100));
    weir.stop();
    assert!(curve.peak_mib <= BOUND_MIB, "{} MiB at the peak, and {BOUND_MIB} are the bound", curve.peak_mib);
    Expected { events: &events, places: &places }.assert_rows(&site);
    assert_ledger(&site);
    site.drop_all();
}

/// Every principal has a ceiling's cell, a throttle and a number of its alerts.
#[test]
fn a_principal_takes_less_than_a_kibibyte() {
    let _slot = slot();
    let count = std::env::var("WEIR_IT_PRINCIPALS").ok().and_then(|count| count.parse().ok()).unwrap_or(PRINCIPALS);
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("principals-input");
    kafka.create(&input, 4);
    // A made-up key id, put together so that no scanner takes this file for a leak.
    let text = format!("use {} for the upload", ["AKIA", "Z7QXW3RT5YPL2MND"].concat());
    let event = |number: usize| Outgoing {
        partition: number as i32 % 4,
        timestamp_ms: END_MS,
        value: Some(native(&number.to_string(), &format!("person-{number:07}@example.com"), &text)),
        ..Outgoing::default()
    };
    kafka.produce(&input, (0..count).map(event));
    let site = Site::new("principals", std::slice::from_ref(&input));
    let empty_mib = restored(&site).0;

    let begun = Instant::now();
    let mut weir = Weir::start(&site, Start::instance("weir-0"));
    site.settle(&mut [&mut weir]);
    let worked = weir.memory();
    weir.stop();
    say(&format!(
        "memory: {count} principals seen for the first time in {:.1} s; {} MiB, {} at the peak",
        begun.elapsed().as_secs_f32(),
        worked.rss_mib,
        worked.peak_mib
    ));

    let (full_mib, took) = restored(&site);
    let bytes = (full_mib.saturating_sub(empty_mib) << 20) / count as u64;
    say(&format!(
        "memory: {count} principals restored in {:.1} s (start included): {full_mib} MiB, {empty_mib} without; {bytes} B \
         a principal",
        took.as_secs_f32()
    ));
    assert_eq!(site.db.count("SELECT uniqExact(principal) FROM interactions"), count as u64);
    assert_eq!(site.db.count("SELECT count() FROM findings WHERE isNotNull(alert_uid)"), count as u64);
    assert!(bytes <= 1_024, "{bytes} B a principal");
    assert!(worked.peak_mib <= BOUND_MIB + (count as u64 >> 10), "{} MiB at the peak", worked.peak_mib);
    site.drop_all();
    kafka.delete(&[&input]);
}

/// The memory of a score loop that has restored what there is, in MiB, and how long that took from its start.
fn restored(site: &Site) -> (u64, Duration) {
    let begun = Instant::now();
    let mut weir = Weir::start(site, Start::instance("weir-0").role("score"));
    weir.wait_for_log(&["assigned", "score"]);
    let took = begun.elapsed();
    let rss_mib = weir.memory().rss_mib;
    weir.stop();
    (rss_mib, took)
}
