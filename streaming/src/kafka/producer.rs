//! Writes records to a topic, for replays of files.

use feat_kernel::time::Instant;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

use super::{ANSWER, Settings, TopicError};

/// A topic that records are written to. What the broker does with a record is known after
/// [`Producer::flush`] alone.
pub struct Producer {
    topic: String,
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Producer {
    /// Writes to `topic`. Keys go where Java's clients put them.
    pub fn open(topic: &str, settings: &Settings) -> Result<Self, TopicError> {
        Ok(Self { topic: topic.to_owned(), producer: settings.client()? })
    }

    /// Writes a record whose timestamp is `at`, cut to the millisecond, once there is room for it.
    pub async fn send(&self, key: Option<&str>, value: &[u8], at: Instant) -> Result<(), TopicError> {
        let mut record = BaseRecord::to(&self.topic).payload(value).timestamp(at.0.div_euclid(1000).max(0));
        if let Some(key) = key {
            record = record.key(key);
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    tokio::task::yield_now().await;
                }
                Err((cause, _)) => return Err(TopicError::client(&self.topic, cause)),
            }
        }
    }

    /// Waits until the broker has every record.
    ///
    /// Errors: it did not answer in time.
    pub fn flush(&self) -> Result<(), TopicError> {
        self.producer.flush(ANSWER).map_err(|cause| TopicError::client(&self.topic, cause))
    }
}
