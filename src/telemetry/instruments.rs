//! Counters, histograms and gauges, each with its declaration: what `metrics!` in the room above is made of.
//!
//! Call sites give values for labels in the order of the declaration, so that no name of a metric or of a label stands
//! anywhere else. Without a started exporter every instrument is OpenTelemetry's own nothing.

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What sort of a metric it is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Counter,
    /// Set when something changes, and gone when what it measures is gone.
    Gauge,
    /// A level that is asked for when it is read.
    Measured(fn() -> Option<u64>),
    /// With the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// A metric as it is declared.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// OpenTelemetry's name; Prometheus' follows from it and the unit.
    pub name: &'static str,
    /// In UCUM: `s`, `By`, `{event}`.
    pub unit: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// What it means, for whoever reads `/metrics`.
    pub help: &'static str,
}

impl Spec {
    /// Its name in `/metrics`.
    pub fn prometheus_name(&self) -> String {
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        let total = if matches!(self.kind, Kind::Counter) { "_total" } else { "" };
        format!("{}{unit}{total}", self.name.replace('.', "_"))
    }

    fn attributes(&self, values: &[&str]) -> Vec<KeyValue> {
        debug_assert_eq!(values.len(), self.labels.len(), "labels of {}", self.name);
        self.labels.iter().zip(values).map(|(label, value)| KeyValue::new(*label, (*value).to_owned())).collect()
    }
}

/// What can be made of a declaration.
pub trait Instrument {
    fn build(meter: &Meter, spec: &'static Spec) -> Self;
}

/// Something that only grows.
pub struct Counter {
    spec: &'static Spec,
    inner: opentelemetry::metrics::Counter<u64>,
}

impl Counter {
    /// Adds. A zero makes the series visible, so that its first event is a rise.
    pub fn add(&self, count: u64, labels: &[&str]) {
        self.inner.add(count, &self.spec.attributes(labels));
    }
}

impl Instrument for Counter {
    fn build(meter: &Meter, spec: &'static Spec) -> Self {
        let inner = meter.u64_counter(spec.name).with_description(spec.help).with_unit(spec.unit).build();
        Counter { spec, inner }
    }
}

/// A distribution.
pub struct Histogram {
    spec: &'static Spec,
    inner: opentelemetry::metrics::Histogram<f64>,
}

impl Histogram {
    pub fn record(&self, value: f64, labels: &[&str]) {
        self.inner.record(value, &self.spec.attributes(labels));
    }

    /// Records several values of one series.
    pub fn record_all(&self, values: impl Iterator<Item = f64>, labels: &[&str]) {
        let attributes = self.spec.attributes(labels);
        values.for_each(|value| self.inner.record(value, &attributes));
    }
}

impl Instrument for Histogram {
    fn build(meter: &Meter, spec: &'static Spec) -> Self {
        let Kind::Histogram(bounds) = spec.kind else { unreachable!("the macro's caller pairs them") };
        let histogram = meter.f64_histogram(spec.name).with_description(spec.help).with_unit(spec.unit);
        Histogram { spec, inner: histogram.with_boundaries(bounds.to_vec()).build() }
    }
}

type Levels = Arc<Mutex<BTreeMap<Vec<String>, f64>>>;

/// A level. Unlike OpenTelemetry's own gauge it forgets what is removed: the lag of a partition that moved to another
/// instance must not stand here for ever.
pub struct Gauge {
    spec: &'static Spec,
    levels: Levels,
    /// Keeps the callback registered.
    _inner: opentelemetry::metrics::ObservableGauge<f64>,
}

impl Gauge {
    pub fn set(&self, value: f64, labels: &[&str]) {
        debug_assert_eq!(labels.len(), self.spec.labels.len(), "labels of {}", self.spec.name);
        lock(&self.levels).insert(labels.iter().map(|label| (*label).to_owned()).collect(), value);
    }

    /// Forgets every series whose labels begin with these.
    pub fn remove(&self, labels: &[&str]) {
        lock(&self.levels).retain(|known, _| !known.iter().zip(labels).all(|(known, label)| known == label));
    }
}

impl Instrument for Gauge {
    fn build(meter: &Meter, spec: &'static Spec) -> Self {
        let levels = Levels::default();
        let shared = Arc::clone(&levels);
        let inner = meter
            .f64_observable_gauge(spec.name)
            .with_description(spec.help)
            .with_unit(spec.unit)
            .with_callback(move |observer| {
                for (labels, value) in lock(&shared).iter() {
                    let values: Vec<&str> = labels.iter().map(String::as_str).collect();
                    observer.observe(*value, &spec.attributes(&values));
                }
            })
            .build();
        Gauge { spec, levels, _inner: inner }
    }
}

/// A level that nobody sets.
pub struct Measured {
    /// Keeps the callback registered.
    _inner: opentelemetry::metrics::ObservableGauge<u64>,
}

impl Instrument for Measured {
    fn build(meter: &Meter, spec: &'static Spec) -> Self {
        let Kind::Measured(read) = spec.kind else { unreachable!("the macro's caller pairs them") };
        let gauge = meter.u64_observable_gauge(spec.name).with_description(spec.help).with_unit(spec.unit);
        let inner = gauge.with_callback(move |observer| {
            if let Some(value) = read() {
                observer.observe(value, &[]);
            }
        });
        Measured { _inner: inner.build() }
    }
}

/// A panic of a holder leaves whole levels behind: each is set at once.
fn lock(levels: &Levels) -> std::sync::MutexGuard<'_, BTreeMap<Vec<String>, f64>> {
    levels.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Declares metrics: the list of them, and the struct of their instruments. The comment of each is its help text.
macro_rules! metrics {
    (
        $(#[doc = $about:literal])*
        $name:ident {
            $(#[doc = $doc:literal] $field:ident: $type:ident($metric:literal, $unit:literal, $kind:expr, [$($label:literal),*])),* $(,)?
        }
    ) => {
        /// Every metric, in the order of `/metrics`' documentation.
        pub static ALL: &[&Spec] = &[$(&specs::$field),*];

        #[allow(non_upper_case_globals, reason = "they are named as the fields that they declare")]
        mod specs {
            use super::*;
            $(pub static $field: Spec = Spec {
                name: $metric,
                unit: $unit,
                kind: $kind,
                labels: &[$($label),*],
                help: $doc.trim_ascii(),
            };)*
        }

        $(#[doc = $about])*
        pub struct $name {
            $(#[doc = $doc] #[doc = concat!("`", $metric, "`, unit `", $unit, "`, labels: ", $($label, " "),*)] pub $field: $type),*
        }

        impl $name {
            fn build(meter: &opentelemetry::metrics::Meter) -> Self {
                $name { $($field: instruments::Instrument::build(meter, &specs::$field)),* }
            }
        }
    };
}
pub(super) use metrics;
