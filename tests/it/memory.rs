//! Memory stays bounded: while servers are slow under a backlog, and with very many principals. The curves are printed,
//! since a bound alone says little.
//!
//! The bound is 512 MiB and the states: librdkafka's fetch buffers (8 MiB a loop and what one fetch of 5 MiB unpacks
//! to), its queues to the brokers (32 MiB for detect and for score), the rows of a transaction (32 MiB before they are
//! packed), a group of 8 MiB twice for each partition of the outbox, and what the rules were compiled to. Nothing else
//! may grow with a backlog or with the length of an outage. Since a backlog that fits the bound proves nothing, a short
//! one, which fills the buffers too, is compared with one that is many times as long.

use crate::harness::kafka::{Kafka, Outgoing};
use crate::harness::process::{Start, Weir};
use crate::harness::servers::{self, OwnClickHouse, OwnKafka};
use crate::harness::site::{Options, Site, topic_name};
use crate::harness::traffic::{END_MS, fill_keyed, native, traffic};
use crate::harness::{say, slot};
use crate::reconcile::{Expected, assert_ledger};
use std::time::{Duration, Instant};
use weir::generate::Generated;

/// See above.
const BOUND_MIB: u64 = 512;

/// What a backlog that is longer by many times this may add: buffers that the short one has not quite filled.
const GROWTH_MIB: u64 = 96;

/// What waits when weir starts.
struct Backlog {
    name: &'static str,
    /// Events as they come, of 2 KiB or so.
    usual: u64,
    /// Events of [`LARGE_BYTES`], which fill memory faster than anything if they are kept.
    large: usize,
}

const SHORT: Backlog = Backlog { name: "memory-short", usual: 4_000, large: 400 };
const LONG: Backlog = Backlog { name: "memory-long", usual: 40_000, large: 3_000 };

const LARGE_BYTES: usize = 64 << 10;

/// How long a server is away: many times what it takes to fill every buffer there is.
const AWAY: Duration = Duration::from_secs(4);

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

impl Backlog {
    fn events(&self) -> Vec<Generated> {
        let usual = traffic(71, self.usual);
        let every = usual.len() / self.large;
        let mut events = Vec::with_capacity(usual.len() + self.large);
        for (at, event) in usual.into_iter().enumerate() {
            if at % every == 0 && at / every < self.large {
                events.push(large(at / every, &event));
            }
            events.push(event);
        }
        events
    }
}

/// An event beside another one.
fn large(number: usize, beside: &Generated) -> Generated {
    let user = format!("person-{}", number % 40);
    let payload = native(&format!("large-{number}"), &user, &words(number as u64, LARGE_BYTES));
    let (timestamp_ms, due_ms) = (beside.timestamp_ms, beside.due_ms);
    Generated { key: Some(format!("user:{user}")), timestamp_ms, due_ms, payload, truth: None }
}

/// Words that mean nothing and hardly shrink when they are compressed, since what waits in a buffer may be compressed.
fn words(seed: u64, bytes: usize) -> String {
    let mut state = seed * 2 + 1;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The low bits of such a generator repeat themselves.
        b"abcdefghijklmnopqrstuvwxyz      "[(state >> 59) as usize] as char
    };
    (0..bytes).map(letter).collect()
}

/// Brokers hang, then ClickHouse does not answer, then it refuses connections; all the while a backlog is worked on.
#[test]
fn slow_servers_do_not_make_memory_grow() {
    let _slot = slot();
    let servers = (OwnKafka::start("memory"), OwnClickHouse::start("memory"));
    let (short_mib, short_bytes) = peak_of(&SHORT, &servers);
    let (long_mib, long_bytes) = peak_of(&LONG, &servers);
    let more_mib = (long_bytes - short_bytes) >> 20;
    say(&format!("memory: {long_mib} MiB at the peak, {short_mib} with {more_mib} MiB less of a backlog"));
    assert!(more_mib > 2 * GROWTH_MIB, "{more_mib} MiB more would not be seen");
    assert!(long_mib <= short_mib + GROWTH_MIB, "a backlog of {more_mib} MiB more: {short_mib} MiB became {long_mib}");
    assert!(long_mib <= BOUND_MIB, "{long_mib} MiB at the peak, and {BOUND_MIB} are the bound");
}

/// The peak of a weir's memory in MiB, and the bytes of what it worked on.
fn peak_of(backlog: &Backlog, (own_kafka, own_clickhouse): &(OwnKafka, OwnClickHouse)) -> (u64, u64) {
    let kafka = Kafka::connect(&own_kafka.brokers);
    let input = topic_name(&format!("{}-input", backlog.name));
    let events = backlog.events();
    let bytes = events.iter().map(|event| event.payload.len() as u64).sum();
    let places = fill_keyed(&kafka, &input, 4, &events);
    let options =
        Options { brokers: Some(&own_kafka.brokers), clickhouse_url: Some(&own_clickhouse.url), ..Options::default() };
    let site = Site::with(backlog.name, std::slice::from_ref(&input), options);
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
    Expected { events: &events, places: &places }.assert_rows(&site);
    assert_ledger(&site);
    site.drop_all();
    kafka.delete(&[&input]);
    (curve.peak_mib, bytes)
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
