//! What a running weir says of itself: `/live`, `/ready` and `/metrics`, metrics and traces to a collector, its log in
//! an outage, and how it ends.

mod collector;

use crate::harness::kafka::Kafka;
use crate::harness::process::{Start, Weir};
use crate::harness::servers::{self, OwnKafka};
use crate::harness::site::{Options, Site, topic_name};
use crate::harness::traffic::{append_keyed, fill_keyed, traffic};
use crate::harness::{PATIENCE, say, slot, wait_until};
use crate::secrecy::Secrets;
use collector::{Collector, attribute};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use weir::telemetry;

/// An address that is free now.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").to_string()
}

/// Status and body of an answer; the status is 0 when nobody listens.
fn get(address: &str, path: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(address) else { return (0, "nobody listens".into()) };
    let mut answer = String::new();
    let sent = write!(stream, "GET {path} HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n");
    if sent.is_err() || stream.read_to_string(&mut answer).is_err() {
        return (0, "the connection broke".into());
    }
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

fn wait_for(address: &str, path: &str, status: u16, word: &str) -> String {
    wait_until(&format!("{path} to answer {status} with {word:?}"), PATIENCE, || match get(address, path) {
        (found, body) if found == status && body.contains(word) => Ok(body),
        (found, body) => Err(format!("{found}: {body}")),
    })
}

/// Series by name with labels, as they stand in `/metrics`.
fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a value is a number")))
        .collect()
}

/// The sum of all series of a metric whose labels hold this.
fn sum(text: &str, name: &str, label: &str) -> u64 {
    let is_of = |known: &str| known.split('{').next() == Some(name) && known.contains(label);
    series(text).iter().filter(|(known, _)| is_of(known)).map(|(_, value)| *value as u64).sum()
}

/// Every family has its help and its type and is one that the room of telemetry documents.
fn assert_described(text: &str) {
    let declared: BTreeMap<String, &str> =
        telemetry::ALL.iter().map(|spec| (spec.prometheus_name(), spec.help)).collect();
    let of = |word: &str| -> BTreeMap<&str, &str> {
        text.lines().filter_map(|line| line.strip_prefix(word)?.split_once(' ')).collect()
    };
    let (helps, types) = (of("# HELP "), of("# TYPE "));
    for name in series(text).keys().map(|name| name.split('{').next().expect("a name")) {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let family = if types.contains_key(family) { family } else { name };
        assert!(types.contains_key(family), "{name} has no type");
        assert_eq!(helps.get(family), declared.get(family), "the help of {family}");
    }
}

/// What is served and pushed agrees with what is in ClickHouse and Kafka, and names nobody.
#[test]
fn numbers_are_true_and_name_nobody() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("observe-input");
    let events = traffic(81, 3_000);
    fill_keyed(&kafka, &input, 2, &events);
    let site = Site::new("observe", std::slice::from_ref(&input));
    let (collector, address) = (Collector::start(), free_address());
    let environment = [
        ("WEIR_LISTEN", &*address),
        ("WEIR_IT_OTLP", &*collector.url),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ];
    let start = Start::instance("weir-0").environment(&environment).arguments(&["--log-format", "json"]);
    let mut weir = Weir::start(&site, start);
    site.settle(&mut [&mut weir]);
    let ready = wait_for(&address, "/ready", 200, r#""ready":true"#);
    let (live_status, live) = get(&address, "/live");
    assert_eq!(live_status, 200, "{live}");
    // Lag comes with librdkafka's statistics.
    let text = wait_until("lag to be 0 everywhere", PATIENCE, || {
        let text = get(&address, "/metrics").1;
        let waits: Vec<_> =
            series(&text).into_iter().filter(|(name, value)| name.starts_with("weir_lag") && *value > 0.0).collect();
        let is_known = ["detect", "score", "store"]
            .iter()
            .all(|stage| text.contains(&format!("weir_lag_records{{loop=\"{stage}\"")));
        if waits.is_empty() && is_known { Ok(text) } else { Err(format!("{waits:?}")) }
    });
    assert_described(&text);
    let row = |sql: &str| site.db.count(sql);
    assert_eq!(sum(&text, "weir_events_total", ""), 3_000);
    assert_eq!(sum(&text, "weir_interactions_total", ""), row("SELECT sum(interactions) FROM coverage"));
    assert_eq!(sum(&text, "weir_rejects_total", "loop=\"detect\""), row("SELECT count() FROM dead_letters"));
    assert_eq!(sum(&text, "weir_findings_total", ""), row("SELECT count() FROM findings"));
    assert_eq!(
        sum(&text, "weir_findings_total", "category=\"secret\""),
        row("SELECT count() FROM findings WHERE category = 'secret'")
    );
    assert_eq!(sum(&text, "weir_alerts_total", ""), row("SELECT count() FROM findings WHERE isNotNull(alert_uid)"));
    assert_eq!(sum(&text, "weir_alert_delay_seconds_count", ""), sum(&text, "weir_alerts_total", ""));
    for table in ["interactions", "findings", "coverage", "dead_letters"] {
        let label = format!("table=\"{table}\"");
        assert_eq!(
            sum(&text, "weir_clickhouse_rows_total", &label),
            row(&format!("SELECT count() FROM {table}")),
            "{table}"
        );
    }
    assert!(sum(&text, "weir_row_delay_seconds_count", "table=\"interactions\"") > 0);
    assert_eq!(
        sum(&text, "weir_state_principals", ""),
        row("SELECT uniqExact(principal_kind, principal) FROM interactions")
    );
    assert!(sum(&text, "weir_transactions_total", "outcome=\"committed\"") > 0);
    assert_eq!(sum(&text, "weir_transactions_total", "outcome=\"aborted\""), 0);
    assert!(sum(&text, "process_resident_memory_bytes", "") > 1 << 20);
    assert!(text.contains("weir_build_info{"), "{text}");

    let served = [ready, live, text].concat();
    Secrets::of(&events).assert_not_in(served.as_bytes(), "the admin port");
    let principals: BTreeSet<&str> =
        events.iter().filter_map(|event| event.key.as_deref()?.split_once(':')).map(|(_, value)| value).collect();
    let named: Vec<_> = principals.iter().filter(|principal| served.contains(**principal)).collect();
    assert!(principals.len() > 10 && named.is_empty(), "the admin port names {} principals", named.len());
    assert_collected(&collector);
    weir.stop();
    for (path, log) in site.logs().into_iter().filter(|(path, _)| path.to_string_lossy().contains("weir-0")) {
        for line in String::from_utf8_lossy(&log).lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{} holds {line}", path.display());
        }
    }
    site.drop_all();
    kafka.delete(&[&input]);
}

/// Both signals arrive, from all loops, with what the convention asks for.
fn assert_collected(collector: &Collector) {
    wait_until("metrics and the spans of all events", PATIENCE, || {
        collector.look(|received| {
            let read: u64 = received
                .spans
                .iter()
                .filter(|span| attribute(&span.attributes, "weir.loop").as_deref() == Some("detect"))
                .filter_map(|span| attribute(&span.attributes, "messaging.batch.message_count")?.parse::<u64>().ok())
                .sum();
            let is_complete = read == 3_000 && received.metrics.contains("weir.events");
            if is_complete {
                Ok(())
            } else {
                Err(format!("{read} events in spans, {} metrics", received.metrics.len()))
            }
        })
    });
    collector.look(|received| {
        let of = |name: &str| -> BTreeSet<String> {
            received.spans.iter().filter_map(|span| attribute(&span.attributes, name)).collect()
        };
        assert_eq!(of("weir.loop"), ["detect", "score", "store"].map(String::from).into());
        assert_eq!(of("weir.transaction.outcome"), ["committed".to_owned()].into());
        assert_eq!(of("messaging.system"), ["kafka".to_owned()].into());
        assert_eq!(received.instances, ["weir-0".to_owned()].into());
        assert!(received.spans.iter().all(|span| span.end_time_unix_nano >= span.start_time_unix_nano));
        let declared: BTreeSet<&str> = telemetry::ALL.iter().map(|spec| spec.name).collect();
        let unknown: Vec<_> = received.metrics.iter().filter(|name| !declared.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    });
}

/// A broker that is away for a while is a few lines, makes weir unready and never dead, and costs nothing; nor does a
/// collector that never was there. A stop while the broker does not answer ends in time and says what is left.
#[test]
fn an_outage_is_a_few_lines_and_a_stop_has_a_deadline() {
    let _slot = slot();
    let own = OwnKafka::start("observe");
    let kafka = Kafka::connect(&own.brokers);
    let input = topic_name("outage-input");
    let mut next = vec![0; 2];
    kafka.create(&input, 2);
    append_keyed(&kafka, &input, &mut next, &traffic(82, 1_000));
    let site = Site::with(
        "outage",
        std::slice::from_ref(&input),
        Options { brokers: Some(&own.brokers), ..Options::default() },
    );
    let address = free_address();
    let environment = [("WEIR_LISTEN", &*address), ("WEIR_IT_OTLP", "http://127.0.0.1:9")];
    let started = Instant::now();
    let mut weir = Weir::start(&site, Start::instance("weir-0").environment(&environment));
    site.settle(&mut [&mut weir]);
    wait_for(&address, "/ready", 200, "");
    let before = weir.log_text().lines().count();

    own.kill();
    wait_for(&address, "/ready", 503, r#""what":"kafka""#);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(25) {
        let (status, body) = get(&address, "/live");
        assert_eq!(status, 200, "{body}");
        std::thread::sleep(Duration::from_millis(500));
    }
    own.up();
    weir.wait_for_log(&["Kafka answers again"]);
    append_keyed(&kafka, &input, &mut next, &traffic(83, 1_000));
    site.settle(&mut [&mut weir]);
    assert_eq!(site.db.count("SELECT sum(events) FROM coverage"), 2_000);
    wait_for(&address, "/ready", 200, "");
    let log = weir.log_text();
    let said: Vec<&str> = log.lines().skip(before).collect();
    assert_eq!(said.iter().filter(|line| line.contains("Kafka does not answer")).count(), 1, "{said:#?}");
    let loud = said.iter().filter(|line| line.contains("WARN") || line.contains("ERROR")).count();
    assert!(loud <= 6, "{loud} lines: {said:#?}");
    let minutes = started.elapsed().as_secs() as usize / 60;
    assert!((1..=1 + minutes).contains(&log.matches("telemetry.otlp").count()), "{log}");

    own.pause();
    let begun = Instant::now();
    weir.signal(Signal::TERM);
    let status = weir.wait(Duration::from_secs(40));
    let took = begun.elapsed();
    own.resume();
    say(&format!("observe: a stop without a broker took {} ms and ended with {status}", took.as_millis()));
    assert!(took < Duration::from_secs(29), "Kubernetes kills after 30 s; it took {took:?}");
    let log = weir.log_text();
    assert!(log.lines().next_back().is_some_and(|line| line.contains("successor")), "{log}");
    site.drop_all();
}

/// Two processes of one name are found out, by name and remedy.
#[test]
fn two_of_one_name_are_told() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("twins-input");
    fill_keyed(&kafka, &input, 2, &traffic(84, 200));
    let site = Site::new("twins", std::slice::from_ref(&input));
    let twin = || Weir::start(&site, Start::instance("weir-0").role("detect"));
    let (mut first, mut second) = (twin(), twin());
    let ended = wait_until("one of two processes of one name to end", PATIENCE, || {
        [&mut first, &mut second]
            .into_iter()
            .find_map(|weir| Some((weir.ended()?, weir.log_text())))
            .ok_or("both run".into())
    });
    assert_eq!(ended.0.code(), Some(1), "{}", ended.1);
    assert!(ended.1.contains("two processes run as") && ended.1.contains("WEIR_INSTANCE"), "{}", ended.1);
    drop((first, second));
    site.drop_all();
    kafka.delete(&[&input]);
}

/// A capture point's transaction that nobody decides is one line that names topic, partition and remedy.
#[test]
fn an_undecided_transaction_is_told_with_its_remedy() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("stuck-input");
    fill_keyed(&kafka, &input, 1, &traffic(85, 100));
    let site = Site::new("stuck", std::slice::from_ref(&input));
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &servers::shared().brokers)
        .set("transactional.id", &input)
        .set("transaction.timeout.ms", "120000")
        .create()
        .expect("a producer can be made");
    producer.init_transactions(PATIENCE).expect("the broker answers");
    producer.begin_transaction().expect("it is open");
    producer.send(BaseRecord::<(), [u8]>::to(&input).payload(b"{}")).expect("the queue is empty");
    producer.flush(PATIENCE).expect("it is written");

    let address = free_address();
    let environment = [("WEIR_LISTEN", &*address)];
    let mut weir = Weir::start(&site, Start::instance("weir-0").role("detect").environment(&environment));
    weir.wait_for_log(&[
        "ERROR",
        "an undecided transaction holds back",
        &input,
        "kafka-transactions.sh",
        "--start-offset 100",
    ]);
    let text = get(&address, "/metrics").1;
    let series = series(&text);
    let age = series
        .iter()
        .find(|(name, _)| name.starts_with("weir_last_stable_offset_age_seconds{") && name.contains(&input));
    assert!(age.is_some_and(|(_, age)| *age > 20.0), "{age:?}");
    assert_eq!(weir.log_text().matches("an undecided transaction").count(), 1);
    producer.abort_transaction(PATIENCE).expect("it can be ended");
    weir.wait_for_log(&["goes on: nothing undecided is left"]);
    weir.stop();
    site.drop_all();
    kafka.delete(&[&input]);
}

/// A port that is taken ends weir before it has begun, with the remedy, as a line of the log.
#[test]
fn a_taken_port_is_an_error_with_its_remedy() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("port-input");
    kafka.create(&input, 1);
    let site = Site::new("port", std::slice::from_ref(&input));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    let environment = [("WEIR_LISTEN", &*address)];
    let start = Start::instance("weir-0").environment(&environment).arguments(&["--log-format", "json"]);
    let mut weir = Weir::start(&site, start);
    assert_eq!(weir.wait(PATIENCE).code(), Some(1));
    let log = weir.log_text();
    let last: serde_json::Value =
        serde_json::from_str(log.lines().next_back().expect("it says something")).expect("JSON");
    assert_eq!(last["level"], "ERROR");
    let error = last["error"].as_str().expect("the error is text");
    assert!(error.contains(&address) && error.contains("in use") && error.contains("WEIR_LISTEN"), "{error}");
    site.drop_all();
    kafka.delete(&[&input]);
}
