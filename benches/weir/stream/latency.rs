//! How long it takes from an event to its alert, and to its row, at a steady load.
//!
//! Events are sent by a timetable that does not wait for anybody, and latencies count from the time that an event was
//! due, so that a stall is not hidden by the sender's own waiting. Alerts are read as a receiver must read them:
//! committed records only.

use super::site::{Process, Site, Used, send, wait_until};
use crate::events::{Corpus, Event, Kind, PLANTED_RULE, Traffic};
use hdrhistogram::Histogram;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message as _;
use rdkafka::producer::Producer as _;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Every so many events one holds a secret, of a principal of its own, since a second alert of one principal would be
/// held back. More often than elsewhere: a percentile needs a thousand of them.
const PLANT_EVERY: usize = 100;

/// Ordinary principals: enough that none comes near its ceiling.
const PRINCIPALS: usize = 20_000;

/// Different ordinary events; they are sent again and again.
const POOL: usize = 10_000;

/// How often the rows are looked at: the resolution of their latency.
const ROWS_EVERY: Duration = Duration::from_millis(100);

/// What was measured.
pub struct Latency {
    pub events: usize,
    pub planted: usize,
    /// From the start of the process to the first facts that can be read, in ms.
    pub first_event_ms: f64,
    pub to_alert_ms: Histogram<u64>,
    pub to_row_ms: Histogram<u64>,
    /// Of the process over the time of the load.
    pub used: Used,
}

/// Runs weir as one process under `rate` events a second for `seconds`.
pub fn measure(site: &Site<'_>, corpus: &Corpus, rate: usize, seconds: usize) -> Latency {
    let traffic = Traffic { corpus, kind: Kind::Fresh, principals: PRINCIPALS, clock: None };
    let events = rate * seconds;
    let planted = events / PLANT_EVERY;
    let pool: Vec<Event> = (0..POOL.min(events))
        .map(|number| traffic.event_of(number, format!("user-{:05}", number % PRINCIPALS), false))
        .collect();
    let secrets: Vec<Event> = (0..planted).map(|number| traffic.event_of(number, principal(number), true)).collect();
    let (process, first_event_ms) = start(site, &pool[0]);
    let before = process.used();
    let done = AtomicBool::new(false);
    let (begun, alerts, rows) = std::thread::scope(|scope| {
        let alerts = scope.spawn(|| told(&site.reader_of(&site.topic("alerts")), planted, &done));
        let rows = scope.spawn(|| stored(site, planted, &done));
        let begun = drive(site, rate, events, |number| match number % PLANT_EVERY {
            0 if number / PLANT_EVERY < planted => &secrets[number / PLANT_EVERY],
            _ => &pool[number % pool.len()],
        });
        // Whoever waits for ever waits for something that was lost.
        let patience = Instant::now() + Duration::from_secs(60);
        while Instant::now() < patience && !(alerts.is_finished() && rows.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        done.store(true, Ordering::Relaxed);
        (begun, alerts.join().expect("the reader ends"), rows.join().expect("the watcher ends"))
    });
    let after = process.used();
    process.stop();
    let due = |number: usize| begun + Duration::from_secs_f64((number * PLANT_EVERY) as f64 / rate as f64);
    Latency {
        events,
        planted,
        first_event_ms,
        to_alert_ms: histogram("alerts", planted, &alerts, due),
        to_row_ms: histogram("rows", planted, &rows, due),
        used: Used {
            cpu_s: after.cpu_s - before.cpu_s,
            librdkafka_s: after.librdkafka_s - before.librdkafka_s,
            ..after
        },
    }
}

fn principal(number: usize) -> String {
    format!("planted-{number:06}")
}

fn number_of(principal: &str) -> Option<usize> {
    principal.strip_prefix("user:planted-")?.parse().ok()
}

/// Starts weir on one event that waits for it, and waits for the facts of that.
fn start(site: &Site<'_>, event: &Event) -> (Process, f64) {
    let producer = site.producer(0);
    send(&producer, &site.input, &event.principal, &event.payload);
    producer.flush(Duration::from_secs(30)).expect("one event lands");
    let facts = site.reader_of(&site.topic("facts"));
    let begun = Instant::now();
    let process = site.start("all");
    wait_until("the first facts", Duration::ZERO, || {
        facts.poll(Duration::from_millis(5)).is_some_and(|record| record.is_ok())
    });
    (process, begun.elapsed().as_secs_f64() * 1e3)
}

/// Sends every event when it is due. Returns when the first was.
fn drive<'e>(site: &Site<'_>, rate: usize, events: usize, event: impl Fn(usize) -> &'e Event) -> Instant {
    let producer = site.producer(5);
    let begun = Instant::now();
    let mut sent = 0;
    while sent < events {
        let due = ((begun.elapsed().as_secs_f64() * rate as f64) as usize).min(events);
        for number in sent..due {
            let event = event(number);
            send(&producer, &site.input, &event.principal, &event.payload);
        }
        sent = due;
        producer.poll(Duration::from_millis(1));
    }
    producer.flush(Duration::from_secs(30)).expect("everything lands");
    begun
}

/// Number of the planted secret and when it was seen first.
type Seen = HashMap<usize, Instant>;

/// Reads the alerts.
fn told(reader: &BaseConsumer, planted: usize, done: &AtomicBool) -> Seen {
    let mut seen = Seen::new();
    while seen.len() < planted && !done.load(Ordering::Relaxed) {
        let Some(Ok(record)) = reader.poll(Duration::from_millis(50)) else { continue };
        let now = Instant::now();
        let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
        if let Some(number) = number_of(&key) {
            seen.entry(number).or_insert(now);
        }
    }
    seen
}

/// Looks into ClickHouse.
fn stored(site: &Site<'_>, planted: usize, done: &AtomicBool) -> Seen {
    let asking = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let sql = format!("SELECT principal FROM `{}`.findings WHERE rule = '{PLANTED_RULE}'", site.database());
    let mut seen = Seen::new();
    while seen.len() < planted && !done.load(Ordering::Relaxed) {
        std::thread::sleep(ROWS_EVERY);
        let Ok(rows) = asking.block_on(site.clickhouse.query_json(&sql)) else { continue };
        let now = Instant::now();
        for number in rows.iter().filter_map(|row| number_of(row["principal"].as_str()?)) {
            seen.entry(number).or_insert(now);
        }
    }
    seen
}

fn histogram(what: &str, planted: usize, seen: &Seen, due: impl Fn(usize) -> Instant) -> Histogram<u64> {
    assert_eq!(seen.len(), planted, "{what} of planted secrets that came");
    let mut histogram = Histogram::new(3).expect("three digits are possible");
    for (&number, &at) in seen {
        histogram.record(at.saturating_duration_since(due(number)).as_millis() as u64).expect("it grows");
    }
    histogram
}
