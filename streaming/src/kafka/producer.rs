//! Writes records to a topic, for replays of files.

use std::sync::{Mutex, PoisonError};

use feat_kernel::time::Instant;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};

use super::{ANSWER, Settings, TopicError};

/// A topic that records are written to. What the broker does with a record is known after
/// [`Producer::flush`] alone.
pub struct Producer {
    topic: String,
    producer: ThreadedProducer<Refusals>,
}

/// Hears what the broker does with each record, and keeps the first refusal.
#[derive(Default)]
struct Refusals(Mutex<Option<KafkaError>>);

impl ClientContext for Refusals {}

impl ProducerContext for Refusals {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        if let Err((cause, _)) = delivered {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| cause.clone());
        }
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Producer {
    /// Writes to `topic`. Keys go where Java's clients put them, unless the settings name another partitioner.
    pub fn open(topic: &str, settings: &Settings) -> Result<Self, TopicError> {
        let producer = settings.writer(Refusals::default())?;
        Ok(Self { topic: topic.to_owned(), producer })
    }

    /// Writes a record whose timestamp is `at`, cut to the millisecond, once there is room for it.
    ///
    /// Errors: as of [`Producer::flush`], of an earlier record.
    pub async fn send(&self, key: Option<&str>, value: &[u8], at: Instant) -> Result<(), TopicError> {
        let mut record = BaseRecord::to(&self.topic).payload(value).timestamp(at.0.div_euclid(1000).max(0));
        if let Some(key) = key {
            record = record.key(key);
        }
        self.refused()?;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    tokio::task::yield_now().await;
                }
                Err((cause, _)) => {
                    let (topic, cause) = (self.topic.clone(), Box::new(cause));
                    return Err(TopicError::Write { topic, cause });
                }
            }
        }
    }

    /// Waits until the broker has every record.
    ///
    /// Errors: it did not answer in time, or refused one; others may have been written.
    pub fn flush(&self) -> Result<(), TopicError> {
        let flushed = self.producer.flush(ANSWER);
        self.refused()?;
        flushed.map_err(|cause| TopicError::Write { topic: self.topic.clone(), cause: Box::new(cause) })
    }

    /// The first refusal, if there was one.
    fn refused(&self) -> Result<(), TopicError> {
        let first = self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match first {
            Some(cause) => Err(TopicError::Write { topic: self.topic.clone(), cause: Box::new(cause) }),
            None => Ok(()),
        }
    }
}
