//! From Kafka to ClickHouse with the real servers: CPU of each loop, one after the other and all in one process, and
//! latency at half the load that they bear together.
//!
//! CPU is that of the weir processes, user and system, with librdkafka's threads. Wall time is told too, and means
//! little: Kafka, ClickHouse and the sender share the machine.

mod latency;
mod site;

use crate::events::{Corpus, Kind, PLANT_EVERY, PLANTED_RULE, Traffic};
use crate::goals::Goals;
use crate::harness::Effort;
use hdrhistogram::Histogram;
use site::{Servers, Site, Used, wait_until};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PRINCIPALS: usize = 3_000;

/// Events lie so far apart in their own time that no principal comes near its ceiling.
const STEP_MS: i64 = 20;

/// Score is done when it has stood still for so long with hardly anything left.
const STILL: Duration = Duration::from_millis(800);
const MARKERS_MOST: i64 = 200;

/// How often a loop's progress is asked for.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// How much is sent: events of each kind; seconds of steady load, and its rate when none was measured.
struct Size {
    fresh: usize,
    conversations: usize,
    seconds: usize,
    rate: Option<usize>,
}

const FULL: Size = Size { fresh: 200_000, conversations: 100_000, seconds: 20, rate: None };
const SMOKE: Size = Size { fresh: 2_000, conversations: 0, seconds: 2, rate: Some(500) };

/// Measures everything, and tells the goals what they ask of it.
pub fn run(corpus: &Corpus, effort: Effort, goals: &mut Goals) {
    let servers = match (Servers::named(), effort) {
        (Some(servers), _) => servers,
        (None, Effort::Full) => Servers::start(),
        (None, Effort::Smoke) => {
            println!("\nstream: not run, since KAFKA_BROKERS and CLICKHOUSE_URL name no servers");
            return;
        }
    };
    let size = if effort == Effort::Full { FULL } else { SMOKE };
    let fresh = throughput(&servers, corpus, Kind::Fresh, size.fresh);
    goals.fresh_per_cpu_s = Some(fresh.per_cpu_s);
    if size.conversations > 0 {
        let conversations = throughput(&servers, corpus, Kind::Conversations, size.conversations);
        goals.conversations_per_cpu_s = Some(conversations.per_cpu_s);
    }
    let rate = size.rate.unwrap_or((fresh.per_s / 2.0) as usize);
    let site = Site::new(&servers, "latency", None);
    let latency = latency::measure(&site, corpus, rate, size.seconds);
    print_latency(&latency, rate);
    goals.alert_p99_ms = Some(latency.to_alert_ms.value_at_quantile(0.99) as f64);
    goals.first_event_ms = Some(latency.first_event_ms);
    goals.peak_mib = Some((fresh.peak_mib, PRINCIPALS));
}

/// What came of a backlog.
struct Throughput {
    /// Events for a second of CPU, the three loops as processes of their own.
    per_cpu_s: f64,
    /// Events a second by the clock, all loops in one process.
    per_s: f64,
    /// Of that process.
    peak_mib: f64,
}

fn throughput(servers: &Servers, corpus: &Corpus, kind: Kind, events: usize) -> Throughput {
    let start_ms = now_ms() - (events as i64 + 1) * STEP_MS;
    let traffic = Traffic { corpus, kind, principals: PRINCIPALS, clock: Some((start_ms, STEP_MS)) };
    let site = Site::new(servers, kind.name(), None);
    let bytes = site.feed((0..events).map(|number| traffic.event(number)));
    println!("\nstream: {events} events ({}) of {} B, a secret in every {PLANT_EVERY}th", kind.name(), bytes / events);
    println!("{:24} {:>16} {:>16} {:>14}", "", "µs CPU an event", "of librdkafka", "MiB at most");
    let mut sum = 0.0;
    for role in ["detect", "score", "store"] {
        let (clickhouse_s, begun) = (servers.clickhouse_cpu_s(), Instant::now());
        let process = site.start(role);
        wait_for(&site, role, events);
        let used = process.used();
        process.stop();
        print_used(role, used, events);
        sum += used.cpu_s;
        if let (Some(before), Some(after), "store") = (clickhouse_s, servers.clickhouse_cpu_s(), role) {
            let us = (after - before) / events as f64 * 1e6;
            println!("{:24} {us:>16.2}   (ClickHouse's own, {:.1} s)", "inserts", begun.elapsed().as_secs_f64());
        }
    }
    let per_cpu_s = events as f64 / sum;
    println!("{:24} {:>16.2} = {per_cpu_s:.0} events for a second of CPU", "sum", sum / events as f64 * 1e6);
    let (per_s, used) = together(servers, &site.input, kind, events);
    print_used("all in one process", used, events);
    println!("{:24} {per_s:>16.0} events a second by the clock, servers on the same cores", "");
    Throughput { per_cpu_s, per_s, peak_mib: used.peak_mib }
}

/// Waits until a loop has done all there is.
fn wait_for(site: &Site<'_>, role: &str, events: usize) {
    let what = format!("the {role} loop");
    match role {
        "detect" => wait_until(&what, ASK_EVERY, || site.progress("-detect", &site.input).1 == 0),
        "score" => {
            // Behind the last facts stand markers of transactions, which nobody reads: at most a few a partition.
            let (mut last, mut since) = (0, Instant::now());
            wait_until(&what, ASK_EVERY, || {
                let (done, lacking) = site.progress("-score", &site.topic("facts"));
                if done != last {
                    (last, since) = (done, Instant::now());
                }
                lacking <= MARKERS_MOST && since.elapsed() > STILL
            });
        }
        _ => wait_for_rows(site, events),
    }
}

/// Events in the ledger, interactions, and planted secrets that were found, as far as they are in ClickHouse.
fn stored(site: &Site<'_>) -> Vec<u64> {
    // One question, since what it costs ClickHouse is counted too.
    site.numbers(&format!(
        "SELECT (SELECT sum(events) FROM {{db}}.coverage) AS a, (SELECT count() FROM {{db}}.interactions) AS b, \
         (SELECT count() FROM {{db}}.findings WHERE rule = '{PLANTED_RULE}') AS c"
    ))
}

/// Waits until everything is in ClickHouse: once, and with all that was planted.
fn wait_for_rows(site: &Site<'_>, events: usize) {
    let planted = (0..events).filter(|number| crate::events::is_planted(*number)).count();
    let expected = [events, events, planted].map(|count| count as u64);
    let mut found = Vec::new();
    wait_until("rows in the ledger, interactions and findings", ASK_EVERY, || {
        found = stored(site);
        found.iter().zip(expected).all(|(found, expected)| *found >= expected)
    });
    assert_eq!(found, expected, "rows in the ledger, interactions and findings");
}

/// All loops in one process on the same events: events a second by the clock, from its start to the last row.
fn together(servers: &Servers, input: &str, kind: Kind, events: usize) -> (f64, Used) {
    let site = Site::new(servers, &format!("{}-together", kind.name()), Some(input));
    let begun = Instant::now();
    let process = site.start("all");
    wait_for_rows(&site, events);
    let seconds = begun.elapsed().as_secs_f64();
    let used = process.used();
    process.stop();
    (events as f64 / seconds, used)
}

fn print_used(name: &str, used: Used, events: usize) {
    let us = |seconds: f64| seconds / events as f64 * 1e6;
    let Used { cpu_s, librdkafka_s, peak_mib } = used;
    println!("{name:24} {:>16.2} {:>16.2} {peak_mib:>14.0}", us(cpu_s), us(librdkafka_s));
}

fn print_latency(latency: &latency::Latency, rate: usize) {
    let latency::Latency { events, planted, first_event_ms, to_alert_ms, to_row_ms, used } = latency;
    println!(
        "\nlatency: {events} fresh events at {rate} a second, {planted} of them with a secret; from when it was due"
    );
    println!("{:24} {:>10} {:>10} {:>10}", "ms", "p50", "p99", "max");
    let line = |name: &str, histogram: &Histogram<u64>| {
        let [p50, p99] = [0.5, 0.99].map(|quantile| histogram.value_at_quantile(quantile));
        println!("{name:24} {p50:>10} {p99:>10} {:>10}", histogram.max());
    };
    line("to the alert", to_alert_ms);
    line("to the row (± 100)", to_row_ms);
    println!("{:24} {:>10.0}", "start to first facts", first_event_ms);
    println!("{:24} {:>10.2} µs CPU an event", "cost at this load", used.cpu_s / *events as f64 * 1e6);
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
