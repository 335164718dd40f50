//! Metrics as Prometheus sees them, and what other rooms' tests hear of the log.
//!
//! What a running weir exports, and whether it is true, is asked in `tests/it/observe.rs`.

use super::*;
use opentelemetry::metrics::MeterProvider as _;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// The lines that `body` writes to the log on its own thread.
pub(crate) fn log_of(body: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Page {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let page = Page::default();
    let writer = page.clone();
    let lines = tracing_subscriber::fmt().with_ansi(false).with_target(false).without_time();
    tracing::subscriber::with_default(lines.with_writer(move || writer.clone()).finish(), body);
    String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
}

fn instruments() -> (prometheus::Registry, SdkMeterProvider, Metrics) {
    let registry = prometheus::Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).without_target_info();
    let exporter = exporter.scope_info_enabled(false).build().unwrap();
    let meters = SdkMeterProvider::builder().with_reader(exporter).build();
    let metrics = Metrics::build(&meters.meter("weir"));
    (registry, meters, metrics)
}

fn text(registry: &prometheus::Registry) -> String {
    prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
}

#[test]
fn names_units_and_labels_are_prometheus_own() {
    let (registry, _meters, metrics) = instruments();
    metrics.rejects.add(2, &["detect", "not_json"]);
    metrics.alert_delay.record_all([0.2, 0.9].into_iter(), &[]);
    metrics.lag.set(7.0, &["score", "weir.facts", "3"]);
    metrics.insert_bytes.add(5, &["findings"]);
    metrics.consumed.add(1, &[KAFKA, "weir-detect"]);
    let text = text(&registry);
    for line in [
        "# TYPE weir_rejects_total counter",
        "weir_rejects_total{loop=\"detect\",reason=\"not_json\"} 2",
        "weir_alert_delay_seconds_bucket{le=\"0.25\"} 1",
        "weir_alert_delay_seconds_count 2",
        "weir_lag_records{loop=\"score\",partition=\"3\",topic=\"weir.facts\"} 7",
        "weir_clickhouse_insert_bytes_total{table=\"findings\"} 5",
        "messaging_client_consumed_messages_total{messaging_consumer_group_name=\"weir-detect\",messaging_system=\"kafka\"} 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
    let declared: BTreeSet<String> = ALL.iter().map(|spec| spec.prometheus_name()).collect();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(declared.contains(name), "{name} is not declared under that name");
    }
}

#[test]
fn a_level_that_was_removed_is_gone() {
    let (registry, _meters, metrics) = instruments();
    metrics.lag.set(7.0, &["score", "weir.facts", "3"]);
    metrics.lag.set(8.0, &["score", "weir.facts", "4"]);
    assert!(text(&registry).contains("partition=\"3\""));
    metrics.lag.remove(&["score", "weir.facts", "3"]);
    let text = text(&registry);
    assert!(!text.contains("partition=\"3\"") && text.contains("partition=\"4\""), "{text}");
}

#[test]
fn declarations_are_of_one_mould() {
    let count = format!("| {} metrics in Prometheus' form", ALL.len());
    assert!(include_str!("../../README.md").contains(&count), "the README counts them");
    let mut names = BTreeSet::new();
    for spec in ALL {
        assert!(names.insert(spec.prometheus_name()), "{} is declared twice", spec.name);
        assert!(spec.help.ends_with('.'), "{}: a help text is a sentence", spec.name);
        assert!(["weir.", "process.", "messaging."].iter().any(|room| spec.name.starts_with(room)), "{}", spec.name);
        let personal = ["principal", "user", "application", "key"];
        assert!(spec.labels.iter().all(|label| !personal.contains(label)), "{}: a label names a person", spec.name);
    }
}
