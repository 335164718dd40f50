//! Whether Kafka can be reached, and if not, why: for commands, which should not wait in silence.
//!
//! librdkafka tries for ever, and tells its reasons only to a callback, so those are listened to. The loops of `weir
//! run` do not come here: brokers that are away come back.

use super::Config;
use super::outage::log_line;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// After so long somebody who looks on wants to know what is waited for.
const SILENCE: Duration = Duration::from_secs(1);

/// How long a command waits in all: a broker that is there answers within a second, and one that is just starting is
/// better asked again.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often reasons are listened to.
const LISTEN_EVERY: Duration = Duration::from_millis(100);

/// Why Kafka cannot be reached, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// A setting that librdkafka does not take.
    #[error("Kafka's settings: {0}")]
    Settings(String),
    #[error("Kafka at {brokers} {said}. {remedy}")]
    Silent { brokers: String, said: String, remedy: &'static str },
}

/// Hears what librdkafka says of its connections.
#[derive(Default)]
struct Ear(Mutex<Option<String>>);

impl ClientContext for Ear {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, said: &str) {
        // That all brokers are down is said after each of their reasons.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        // A refusal says more than what follows it, which may be about another address of the same host.
        if let Ok(mut heard) = self.0.lock()
            && !heard.as_deref().is_some_and(is_final)
        {
            *heard = Some(reason(said));
        }
    }
}

impl ConsumerContext for Ear {}

/// Waits until a broker has answered, with its certificate and our name and password found good; `waiting` is told
/// when that takes longer than a second.
pub fn reach(config: &Config, waiting: impl FnOnce(&str)) -> Result<(), Unreachable> {
    let settings = |error: KafkaError| Unreachable::Settings(error.to_string());
    let consumer: BaseConsumer<Ear> = config.client().create_with_context(Ear::default()).map_err(settings)?;
    if answers(&consumer, SILENCE) {
        return Ok(());
    }
    let is_hopeless = heard(&consumer).as_deref().is_some_and(is_final);
    if !is_hopeless {
        waiting(&format!("Kafka at {} does not answer yet; waiting up to {} s", config.brokers, PATIENCE.as_secs()));
        if answers(&consumer, PATIENCE - SILENCE) {
            return Ok(());
        }
    }
    let said = heard(&consumer);
    Err(Unreachable::Silent {
        brokers: config.brokers.clone(),
        remedy: remedy(said.as_deref().unwrap_or_default()),
        said: said.map_or_else(
            || format!("did not answer within {} s", PATIENCE.as_secs()),
            |said| format!("cannot be reached: {said}"),
        ),
    })
}

/// Whether an answer came, before the patience ended or a reason was heard that waiting does not mend.
fn answers(consumer: &BaseConsumer<Ear>, patience: Duration) -> bool {
    let begun = Instant::now();
    loop {
        if consumer.client().fetch_cluster_id(LISTEN_EVERY).is_some() {
            return true;
        }
        // The callback is called within.
        while consumer.poll(Duration::ZERO).is_some() {}
        if begun.elapsed() > patience || heard(consumer).as_deref().is_some_and(is_final) {
            return false;
        }
    }
}

fn heard(consumer: &BaseConsumer<Ear>) -> Option<String> {
    consumer.context().0.lock().ok().and_then(|heard| heard.clone())
}

/// `NAME: REASON (after 3ms in state CONNECT)` without what is about librdkafka.
fn reason(message: &str) -> String {
    let message = message.split_once(": ").map_or(message, |(_, message)| message);
    message.split(" (after ").next().unwrap_or(message).trim_end_matches('.').to_owned()
}

/// What librdkafka says, and what to do about it; whether to wait is of no use.
const REMEDIES: &[(&str, bool, &str)] = &[
    ("authentication", true, "Correct kafka.sasl: mechanism, username or password is not what the broker knows"),
    (
        "certificate verify failed",
        true,
        "The broker's certificate is for another name, or from an authority that weir does not trust: name that \
         authority's certificate in kafka.tls.ca_file",
    ),
    (
        "connecting to a PLAINTEXT broker listener",
        true,
        "That port does not speak TLS: name the port for it in kafka.brokers, or leave kafka.tls out",
    ),
    // TLS 1.2 calls a certificate that is missing a bad one.
    (
        "certificate required",
        true,
        "The broker wants a client certificate: set kafka.tls.cert_file and kafka.tls.key_file",
    ),
    (
        "bad certificate",
        true,
        "The broker wants a client certificate from an authority that it trusts: set kafka.tls.cert_file and \
         kafka.tls.key_file",
    ),
    ("SSL handshake failed", true, "Compare kafka.tls with what the broker's listener wants"),
    (
        "incorrect security.protocol",
        false,
        "Does that port want TLS or a password? Set kafka.tls and kafka.sasl as the broker's listener does",
    ),
    ("resolve", false, "Correct the host in kafka.brokers"),
    ("refused", false, "Is Kafka running there? Correct kafka.brokers if it is elsewhere"),
];

fn is_final(said: &str) -> bool {
    REMEDIES.iter().any(|(word, is_final, _)| *is_final && said.contains(word))
}

fn remedy(said: &str) -> &'static str {
    let found = REMEDIES.iter().find(|(word, ..)| said.contains(word));
    // A listener that wants TLS waits in silence for a handshake.
    let silent = "Is kafka.brokers right, does that listener want TLS or a password (kafka.tls, kafka.sasl), and does the \
                  network let weir through?";
    found.map_or(silent, |(.., remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_out_and_has_a_remedy() {
        let table = [
            (
                "127.0.0.1:9/bootstrap: Connect to ipv4#127.0.0.1:9 failed: Connection \
                 refused (after 0ms in state CONNECT)",
                "Connect to ipv4#127.0.0.1:9 failed: Connection refused",
                "Is Kafka running there?",
            ),
            (
                "sasl_ssl://b:1/bootstrap: SASL authentication error: Authentication \
                 failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 9ms in \
                 state AUTH_REQ)",
                "SASL authentication error: Authentication failed during authentication due to invalid credentials with \
                 SASL mechanism SCRAM-SHA-512",
                "Correct kafka.sasl",
            ),
        ];
        for (line, expected, help) in table {
            assert_eq!(reason(line), expected);
            assert!(remedy(expected).starts_with(help), "{}", remedy(expected));
        }
        assert_eq!(reason("odd"), "odd");
    }
}
