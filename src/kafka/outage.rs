//! Whether the brokers answer, as seen by all clients of this process, and librdkafka's own log lines.
//!
//! An outage is one line when it begins, one a minute while it lasts, and one when it is over, whatever the clients
//! say: each of a dozen would tell it every second. Like the log it belongs to the process. It begins with the first
//! transport error and is over when a broker has answered and no client has failed for a while: of three brokers two
//! may answer all the time.

use crate::telemetry::fold::{Fold, SAY_EVERY};
use crate::telemetry::metrics;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Without a failure for so long, an answer ends an outage. Longer than clients wait before they connect again
/// (`reconnect.backoff.max.ms` and a half).
const QUIET: Duration = Duration::from_secs(5);

static OUTAGE: Mutex<Outage> = Mutex::new(Outage { failures: 0, ongoing: None, failed: None, lines: BTreeMap::new() });

struct Outage {
    ongoing: Option<Ongoing>,
    /// The last transport error of all.
    failed: Option<Instant>,
    /// Failures of the present outage.
    failures: u64,
    /// Other lines of librdkafka, by facility.
    lines: BTreeMap<String, Fold>,
}

struct Ongoing {
    begun: Instant,
    reason: String,
    said: Instant,
}

fn outage() -> MutexGuard<'static, Outage> {
    OUTAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What to look at when none of them answers.
const REMEDY: &str = "look whether the brokers run, and check kafka.brokers (KAFKA_BROKERS), kafka.tls and kafka.sasl";

/// librdkafka's reason without the name of its thread, and without the time and repetitions that it adds.
fn core_of(reason: &str) -> &str {
    let reason = reason.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(reason, |(_, rest)| rest);
    reason.split(" (after ").next().unwrap_or_default()
}

/// A client could not reach a broker.
pub fn failed(reason: &str) {
    let reason = core_of(reason);
    let now = Instant::now();
    let mut outage = outage();
    outage.failed = Some(now);
    outage.failures += 1;
    let failures = outage.failures;
    match &mut outage.ongoing {
        // It names no place; the next try to connect does.
        None if reason.ends_with("brokers are down") => {}
        None => {
            tracing::error!(reason, remedy = REMEDY, "Kafka does not answer; weir goes on trying");
            outage.ongoing = Some(Ongoing { begun: now, reason: reason.to_owned(), said: now });
        }
        Some(ongoing) if now.saturating_duration_since(ongoing.said) >= SAY_EVERY => {
            ongoing.said = now;
            let since_s = ongoing.begun.elapsed().as_secs();
            tracing::error!(reason, since_s, failures, remedy = REMEDY, "Kafka still does not answer");
        }
        Some(_) => {}
    }
}

/// A broker has answered.
pub fn answered() {
    let mut outage = outage();
    if outage.ongoing.is_none() || outage.failed.is_some_and(|failed| failed.elapsed() < QUIET) {
        return;
    }
    let lasted_s = outage.ongoing.take().map_or(0, |ongoing| ongoing.begun.elapsed().as_secs());
    let failures = std::mem::take(&mut outage.failures);
    tracing::info!(lasted_s, failures, "Kafka answers again");
}

/// The first error of the present outage; `None`: there is none.
pub fn reason() -> Option<String> {
    outage().ongoing.as_ref().map(|ongoing| ongoing.reason.clone())
}

/// Whether a transport error was seen since then.
pub fn was_on_since(then: Instant) -> bool {
    let outage = outage();
    outage.ongoing.is_some() || outage.failed.is_some_and(|failed| failed >= then)
}

/// Whether an error says that a broker cannot be reached. What timed out may have other reasons.
fn is_transport(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::Resolve
    )
}

/// An error that a client reports outside of any call.
pub(super) fn client_error(client: &str, error: &KafkaError, reason: &str) {
    let Some(code) = error.rdkafka_error_code().filter(|code| *code != RDKafkaErrorCode::PartitionEOF) else { return };
    metrics().kafka_errors.add(1, &[client, &format!("{code:?}")]);
    match code {
        // Whatever failed is told by a line of its own, which names the broker and the reason.
        RDKafkaErrorCode::AllBrokersDown => outage().failed = Some(Instant::now()),
        code if is_transport(code) => failed(reason),
        _ => tracing::debug!(%error, reason, client, "kafka"),
    }
}

/// An error that a poll brings, after which it goes on.
pub(super) fn poll_error(error: &KafkaError) {
    match error.rdkafka_error_code() {
        // Told by `client_error` already.
        Some(code) if is_transport(code) => {}
        Some(code) => say(RDKafkaLogLevel::Warning, &format!("poll {code:?}"), &error.to_string()),
        None => say(RDKafkaLogLevel::Warning, "poll", &error.to_string()),
    }
}

/// Passes a line of librdkafka on: those of an outage as that outage, others once a minute for each facility.
pub(super) fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    let is_error = match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => true,
        RDKafkaLogLevel::Warning => false,
        _ => {
            tracing::debug!(facility, message, "librdkafka");
            return;
        }
    };
    // `[thrd:host:9092/1]: host:9092/1: Connect to …`: the thread says no more than the rest.
    let message =
        message.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(message, |(_, rest)| rest);
    if is_error && matches!(facility, "FAIL" | "ERROR") {
        return failed(message);
    }
    // A client that is fenced, a transaction that cannot be committed: their loop is told by the call that fails, and
    // tells it.
    if matches!(facility, "FATAL" | "TXNERR" | "ADDPARTS" | "ADDOFFSETS" | "TXNOFFSETS") {
        tracing::debug!(facility, message, "librdkafka");
        return;
    }
    say(level, facility, message);
}

/// Says something that may repeat: nothing while the brokers are away, and else once a minute for each `what`.
pub(super) fn say(level: RDKafkaLogLevel, what: &str, message: &str) {
    if reason().is_some() {
        tracing::debug!(what, message, "kafka");
        return;
    }
    let held = outage().lines.entry(what.to_owned()).or_default().admit(Instant::now());
    match held {
        Some(held_back) if matches!(level, RDKafkaLogLevel::Warning) => {
            tracing::warn!(what, message, held_back, "kafka")
        }
        Some(held_back) => tracing::error!(what, message, held_back, "kafka"),
        None => {}
    }
}
