//! A plain producer for generated traffic: idempotent, without transactions, as a capture point's would be.
//!
//! It promises nothing but that what was sent has landed, and tells where: the truth file needs that.

use super::Config;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::sync::Mutex;
use std::time::Duration;

/// How long the last records may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(120);

/// Where a record landed, by the number it was sent under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Landed {
    pub number: usize,
    pub partition: i32,
    pub offset: i64,
}

/// Gathers delivery reports. They arrive in `poll`, on the thread that sends, so the lock is never waited for;
/// librdkafka's context must be shareable all the same.
#[derive(Default)]
struct Reports(Mutex<(Vec<Landed>, Option<KafkaError>)>);

impl rdkafka::ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<usize>) {
        let Ok(mut reports) = self.0.lock() else { return };
        match result {
            Ok(message) => {
                let landed = Landed { number: *number, partition: message.partition(), offset: message.offset() };
                reports.0.push(landed);
            }
            Err((error, _)) => reports.1 = Some(error.clone()),
        }
    }
}

/// Sends events to a topic.
pub struct Feeder {
    inner: BaseProducer<Reports>,
    topic: String,
    sent: usize,
}

impl Feeder {
    pub fn connect(config: &Config, topic: &str) -> Result<Self, KafkaError> {
        let inner = config
            .client()
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "100000")
            .create_with_context(Reports::default())?;
        Ok(Feeder { inner, topic: topic.to_string(), sent: 0 })
    }

    /// Sends an event; its number is the count of those before it.
    pub fn send(&mut self, key: Option<&[u8]>, timestamp_ms: i64, payload: &[u8]) -> Result<(), KafkaError> {
        let mut record: BaseRecord<'_, [u8], [u8], Box<usize>> =
            BaseRecord::with_opaque_to(&self.topic, Box::new(self.sent));
        record.key = key;
        record.payload = Some(payload);
        record.timestamp = Some(timestamp_ms);
        loop {
            match self.inner.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    self.inner.poll(Duration::from_millis(20));
                    record = again;
                }
                Err((error, _)) => return Err(error),
            }
        }
        self.sent += 1;
        if self.sent.is_multiple_of(1_000) {
            self.inner.poll(Duration::ZERO);
        }
        Ok(())
    }

    /// Waits for every event, and tells where each landed, in the order of their numbers.
    pub fn finish(self) -> Result<Vec<Landed>, KafkaError> {
        self.inner.flush(FLUSH_TIMEOUT)?;
        let mut reports = self.inner.context().0.lock().map_err(|_| KafkaError::Canceled)?;
        if let Some(error) = reports.1.take() {
            return Err(error);
        }
        let mut landed = std::mem::take(&mut reports.0);
        landed.sort_unstable();
        Ok(landed)
    }
}
