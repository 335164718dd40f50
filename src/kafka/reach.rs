//! Whether any broker answers, asked before a loop begins: else its first request would wait long and then name
//! neither the address nor the reason.
//!
//! Nothing here looks at topics or groups, and nothing repeats the question.

use super::Config;
use super::consumer::log_line;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long brokers may take to answer. They take milliseconds; a cluster that starts or fails over takes longer, and
/// is asked again.
const PATIENCE: Duration = Duration::from_secs(5);

/// No broker answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no broker answers at {brokers}{why}: look whether the brokers run, and check kafka.brokers (KAFKA_BROKERS), \
     kafka.tls and kafka.sasl"
)]
pub struct Unreachable {
    brokers: String,
    /// ` (reason)`, or nothing.
    why: String,
}

impl Unreachable {
    /// All brokers went away.
    pub(super) fn all(config: &Config) -> Self {
        Unreachable { brokers: config.brokers.clone(), why: String::new() }
    }
}

/// Waits until a broker has told the cluster's id.
pub fn reach(config: &Config) -> Result<(), Unreachable> {
    let unreachable = |why| Unreachable { why, ..Unreachable::all(config) };
    let client: BaseProducer<Heard> =
        config.client().create_with_context(Heard::default()).map_err(|error| unreachable(format!(" ({error})")))?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if client.client().fetch_cluster_id(Duration::from_millis(100)).is_some() {
            return Ok(());
        }
        // Its errors are handed out by polling.
        client.poll(Duration::ZERO);
    }
    Err(unreachable(client.context().why()))
}

/// What librdkafka said last of why it has no connection.
#[derive(Default)]
struct Heard(Mutex<Option<String>>);

impl Heard {
    fn why(&self) -> String {
        let heard = self.0.lock().ok().and_then(|mut heard| heard.take());
        heard.map(|reason| format!(" ({reason})")).unwrap_or_default()
    }
}

impl ClientContext for Heard {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // That all are down says less than why one of them is.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown)
            && let Ok(mut heard) = self.0.lock()
        {
            *heard = Some(super::consumer::reason(reason).to_string());
        }
    }
}

impl ProducerContext for Heard {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
