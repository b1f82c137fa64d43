//! Where records go that no row comes of: a compacted topic, one message a record.

use std::sync::Arc;

use futures::future::try_join_all;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tracing::warn;

use super::letter::{KEY, KIND, Kind, Place, REASON, TIMESTAMP};
use super::{ANSWER, Admin, Settings, TopicError};
use crate::metrics::Metrics;

/// The topic that keeps what was put aside.
///
/// The key of a letter is `TOPIC/PARTITION/OFFSET` of its record, so that one that is read again takes
/// the place of the first. Its value is the record's, byte for byte; headers say the rest: `feat.kind`
/// (`unreadable` or `late`), `feat.reason` (text), `feat.timestamp` (the record's, in milliseconds),
/// `feat.key` (bytes, left out where the record has none), and the record's own headers.
#[derive(Clone)]
pub struct DeadLetters {
    topic: Arc<str>,
    producer: FutureProducer,
    metrics: Metrics,
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetters").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// A record that is put aside.
pub(super) struct Aside<'a> {
    pub(super) log: &'a str,
    pub(super) record: &'a OwnedMessage,
    pub(super) kind: Kind,
    /// What is wrong with it.
    pub(super) reason: String,
}

impl DeadLetters {
    pub(super) fn open(topic: &str, settings: &Settings, metrics: Metrics) -> Result<Self, TopicError> {
        Ok(Self { topic: topic.into(), producer: settings.client()?, metrics })
    }

    /// Makes the topic if it is not there.
    pub(super) async fn create(topic: &str, admin: &Admin) -> Result<(), TopicError> {
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(-1)).set("cleanup.policy", "compact");
        let options = AdminOptions::new().operation_timeout(Some(ANSWER)).request_timeout(Some(ANSWER));
        let client = |cause| TopicError::client(topic, cause);
        match admin.create_topics([&new], &options).await.map_err(client)?.into_iter().next() {
            None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(client(rdkafka::error::KafkaError::AdminOp(code))),
        }
    }

    /// Writes letters and waits until every replica that counts has them.
    pub(super) async fn keep(&self, asides: &[Aside<'_>]) -> Result<(), TopicError> {
        try_join_all(asides.iter().map(|aside| self.keep_one(aside))).await?;
        if let Some(Aside { log, record, kind, reason }) = asides.first() {
            let (offset, kind, letters) = (record.offset(), kind.as_str(), asides.len());
            warn!(log, offset, kind, reason, letters, "records kept as dead letters, the first of them this");
        }
        Ok(())
    }

    async fn keep_one(&self, aside: &Aside<'_>) -> Result<(), TopicError> {
        let Aside { log, record, kind, reason } = aside;
        let place = Place {
            topic: record.topic().to_owned(),
            partition: record.partition(),
            offset: record.offset() as u64,
        };
        let mut headers = record.headers().cloned().unwrap_or_else(OwnedHeaders::new);
        headers = headers.insert(Header { key: KIND, value: Some(kind.as_str()) });
        headers = headers.insert(Header { key: REASON, value: Some(reason) });
        if let Some(millis) = record.timestamp().to_millis() {
            headers = headers.insert(Header { key: TIMESTAMP, value: Some(&millis.to_string()) });
        }
        if let Some(key) = record.key() {
            headers = headers.insert(Header { key: KEY, value: Some(key) });
        }
        let key = place.to_string();
        let letter = FutureRecord::to(&self.topic)
            .key(&key)
            .payload(record.payload().unwrap_or_default())
            .headers(headers);
        self.producer.send(letter, ANSWER).await.map_err(|(cause, _)| TopicError::DeadLetter {
            topic: self.topic.to_string(),
            log: (*log).to_owned(),
            offset: place.offset,
            cause: Box::new(cause),
        })?;
        self.metrics.letter(log, kind.as_str());
        Ok(())
    }
}
