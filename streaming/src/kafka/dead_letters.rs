//! Where records go that cannot be read: a compacted topic, one message a record.

use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Header, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::{ANSWER, Admin, Settings, TopicError};

/// The topic that keeps what could not be read.
///
/// The key of a letter is `TOPIC/PARTITION/OFFSET` of its record, so that one that is read again takes
/// the place of the first. Its value is the record's, byte for byte; headers say the rest: `feat.reason`
/// (text), `feat.key` (bytes, left out where the record has none), and the record's own headers.
pub struct DeadLetters {
    topic: String,
    producer: FutureProducer,
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetters").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// A record that could not be read.
pub(super) struct Letter<'a> {
    pub(super) log: &'a str,
    pub(super) message: &'a BorrowedMessage<'a>,
    /// What is wrong with it.
    pub(super) reason: String,
}

impl DeadLetters {
    pub(super) fn open(topic: &str, settings: &Settings) -> Result<Self, TopicError> {
        Ok(Self { topic: topic.to_owned(), producer: settings.client()? })
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

    /// Writes a letter and waits until every replica that counts has it.
    pub(super) fn keep(&self, letter: &Letter<'_>) -> Result<(), TopicError> {
        let Letter { log, message, reason } = letter;
        let offset = message.offset();
        let place = format!("{}/{}/{offset}", message.topic(), message.partition());
        let mut headers = message.headers().map_or_else(OwnedHeaders::new, BorrowedHeaders::detach);
        headers = headers.insert(Header { key: "feat.reason", value: Some(reason) });
        if let Some(key) = message.key() {
            headers = headers.insert(Header { key: "feat.key", value: Some(key) });
        }
        let record = FutureRecord::to(&self.topic)
            .key(&place)
            .payload(message.payload().unwrap_or_default())
            .headers(headers);
        let kept = futures::executor::block_on(self.producer.send(record, ANSWER));
        kept.map(drop).map_err(|(cause, _)| TopicError::DeadLetter {
            topic: self.topic.clone(),
            log: (*log).to_owned(),
            offset: offset as u64,
            cause: Box::new(cause),
        })
    }
}
