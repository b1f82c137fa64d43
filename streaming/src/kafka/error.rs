//! Why a topic cannot be read.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why a topic cannot be read. Brokers that are away for a while are waited for and no error.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// No broker answered at the start.
    #[error(
        "no Kafka broker at {brokers} answered within {seconds} s: start it, or mend `brokers` under `[kafka]` in feat.toml"
    )]
    Unreachable {
        /// Where they were looked for.
        brokers: String,
        /// How long.
        seconds: u64,
        /// What the client says.
        #[source]
        cause: Box<KafkaError>,
    },
    /// There is no such topic.
    #[error(
        "topic `{topic}` is not at {brokers}: create it with the number of partitions that it is to keep, or name another in the source's `stream kafka(\"…\")`"
    )]
    Missing {
        /// The topic.
        topic: String,
        /// Where it was looked for.
        brokers: String,
    },
    /// A setting is not for Kafka, or not to be changed.
    #[error("[kafka] in feat.toml: {reason}")]
    Setting {
        /// Which and why.
        reason: String,
    },
    /// The topic takes timestamps from far ahead of time.
    #[error(
        "topic `{topic}` takes timestamps up to {allows_ms} ms ahead of time; one such record would stop the topic's clock for as long: set its `message.timestamp.after.max.ms` to {most_ms} or less, or `message.timestamp.type` to `LogAppendTime`"
    )]
    FarAhead {
        /// The topic.
        topic: String,
        /// What it takes.
        allows_ms: u128,
        /// What is allowed.
        most_ms: u128,
    },
    /// Records that the view has not read are no longer in the log.
    #[error(
        "log `{log}` begins at offset {first}, and the records from {next} on have not been read: they were deleted, and what is gone cannot be counted. What is left can be archived (`feat archive`), and a view begun with that (`feat stream --refill`)"
    )]
    Deleted {
        /// The log.
        log: String,
        /// The next record to be read.
        next: u64,
        /// The first one that is there.
        first: u64,
    },
    /// The log is shorter than what was read of it.
    #[error(
        "log `{log}` ends at offset {end}, and {next} records of it had been read: the topic was made anew or lost records; `feat stream --refill` fills the view from the beginning"
    )]
    Shorter {
        /// The log.
        log: String,
        /// The next record to be read.
        next: u64,
        /// The offset after its last record.
        end: u64,
    },
    /// The topic has more partitions than when its reading began.
    #[error(
        "topic `{topic}` has {now} partitions now, and had {before}: start again, to read the new ones as well"
    )]
    Grown {
        /// The topic.
        topic: String,
        /// How many it had.
        before: usize,
        /// How many it has.
        now: usize,
    },
    /// A record has no timestamp.
    #[error(
        "log `{log}` offset {offset} has no timestamp, so nobody can tell when it became known: the topic must be written in a message format of Kafka 0.10 or newer"
    )]
    NoTimestamp {
        /// The log.
        log: String,
        /// The record.
        offset: u64,
    },
    /// A record cannot be read, and there is nowhere to keep it.
    #[error(
        "log `{log}` offset {offset} {reason}; name a topic that keeps such records, `dead_letters` under `[kafka]` in feat.toml"
    )]
    Unreadable {
        /// The log.
        log: String,
        /// The record.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The broker did not take a record.
    #[error("not every record could be written to topic `{topic}`; those that were taken stay there")]
    Write {
        /// The topic.
        topic: String,
        /// What the client says of the first that was not taken.
        #[source]
        cause: Box<KafkaError>,
    },
    /// A dead letter could not be kept.
    #[error("the dead letter of log `{log}` offset {offset} could not be written to topic `{topic}`")]
    DeadLetter {
        /// The topic of dead letters.
        topic: String,
        /// The log.
        log: String,
        /// The record.
        offset: u64,
        /// What the client says.
        #[source]
        cause: Box<KafkaError>,
    },
    /// Letters could not be replayed.
    #[error(
        "the letters of topic `{topic}` could not all be replayed: start the replay again, it goes on with those that are left"
    )]
    Replay {
        /// The topic of dead letters.
        topic: String,
        /// What the client says.
        #[source]
        cause: Box<KafkaError>,
    },
    /// Another replay of the same letters began.
    #[error(
        "another replay of the letters of topic `{topic}` began, and this one ends: see that one to its end"
    )]
    Overtaken {
        /// The topic of dead letters.
        topic: String,
    },
    /// A topic could not be read to its end in time.
    #[error(
        "topic `{topic}` says nothing for {seconds} s before its end: see whether its brokers are all there"
    )]
    Silent {
        /// The topic.
        topic: String,
        /// How long.
        seconds: u64,
    },
    /// The source's columns are not for JSON.
    #[error("the values of topic `{topic}` cannot be read")]
    Columns {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        cause: Box<feat_compiler::conform::ConformError>,
    },
    /// The client gave up.
    #[error("topic `{topic}` could not be read")]
    Client {
        /// The topic.
        topic: String,
        /// What the client says.
        #[source]
        cause: Box<KafkaError>,
    },
    /// A thread of ours panicked.
    #[error("the reader of topic `{topic}` failed: {what}")]
    Internal {
        /// The topic.
        topic: String,
        /// What is known of it.
        what: String,
    },
}

/// Whether the client gets over it by itself: it connects again.
pub(super) fn passes(cause: &KafkaError) -> bool {
    matches!(cause, KafkaError::MessageConsumption(code) if transient(*code))
}

/// Whether a code tells of a broker that is away, slow, or not the one to ask just now.
fn transient(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::MessageTimedOut
            | RDKafkaErrorCode::NotLeaderForPartition
            | RDKafkaErrorCode::LeaderNotAvailable
            | RDKafkaErrorCode::NetworkException
            | RDKafkaErrorCode::NotEnoughReplicas
            | RDKafkaErrorCode::NotEnoughReplicasAfterAppend
            | RDKafkaErrorCode::PollExceeded,
    )
}

impl TopicError {
    /// Whether it may be gone without anybody's doing: a broker that is away comes back.
    pub fn passes(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } => true,
            Self::Client { cause, .. } | Self::DeadLetter { cause, .. } => {
                cause.rdkafka_error_code().is_some_and(transient)
            }
            _ => false,
        }
    }

    /// [`TopicError::Client`] of `topic`.
    pub(super) fn client(topic: &str, cause: KafkaError) -> Self {
        Self::Client { topic: topic.to_owned(), cause: Box::new(cause) }
    }
}
