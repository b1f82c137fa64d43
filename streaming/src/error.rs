//! Why a stream stopped. Rows that are late, filtered or unreadable are counted, not errors.

use feat_compiler::prepare::PrepareError;
use feat_kernel::time::Instant;
use feat_store::{Retry, StoreError, Undecodable};

/// An error of whoever provides the log.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Why a stream stopped. What was committed before stays; a new run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The log could not be read.
    #[error("log `{log}` could not be read")]
    Source {
        /// The log.
        log: String,
        /// What the source said.
        #[source]
        cause: SourceError,
    },
    /// A row broke an `expect … else fail`.
    #[error("group `{group}` stopped in the records of log `{log}` from offset {offset}")]
    Prepare {
        /// The group.
        group: String,
        /// The log.
        log: String,
        /// The offset of the first record of the batch; the cause counts rows from there.
        offset: u64,
        /// The row and the expectation.
        #[source]
        cause: Box<PrepareError>,
    },
    /// A record became known before an earlier one.
    #[error(
        "record {offset} of log `{log}` is known at {known}, a record before it at {clock}: a log is read in the order in which its records became known"
    )]
    ClockWentBack {
        /// The log.
        log: String,
        /// The record.
        offset: u64,
        /// When it became known.
        known: Instant,
        /// The clock before it.
        clock: Instant,
    },
    /// The log does not begin with what the view was filled from.
    #[error(
        "log `{log}` is not what view `{view}` was filled from: {}; a log only grows at its end, so restore it, or fill a new store (remove the old one, or name another under `[online]` in feat.toml)",
        changed(*same, *read, *ends)
    )]
    LogChanged {
        /// The log.
        log: String,
        /// The view.
        view: String,
        /// How many records at its beginning are the same.
        same: u64,
        /// How many records the view was filled from.
        read: u64,
        /// How many records the log has, if there are fewer.
        ends: Option<u64>,
    },
    /// The last record that was read is another one now.
    #[error(
        "record {offset} of log `{log}` is not the one that view `{view}` has read: the topic was made anew, or rewritten; `feat stream --refill` fills the view from its beginning"
    )]
    OtherRecord {
        /// The log.
        log: String,
        /// The view.
        view: String,
        /// The record.
        offset: u64,
    },
    /// The markers of a view name a log that the source does not have.
    #[error(
        "view `{view}` was filled from log `{found}`, and its source has {logs}: `feat stream --refill` fills it from the beginning"
    )]
    OtherLog {
        /// The view.
        view: String,
        /// The logs of this run.
        logs: String,
        /// The log in the marker.
        found: String,
    },
    /// The source has a log that the markers of a view do not name: its topic has more partitions now.
    #[error(
        "view `{view}` was filled without log `{log}`: with more partitions the rows of an entity lie elsewhere than before; `feat stream --refill` fills it from the beginning"
    )]
    NewLog {
        /// The view.
        view: String,
        /// The new log.
        log: String,
    },
    /// The view's entities are spread over another count of partitions.
    #[error(
        "view `{view}` is kept in {recorded} partitions, this run asks for {asked}: run it with {recorded}, or fill it anew with `feat stream --refill`"
    )]
    Partitions {
        /// The view.
        view: String,
        /// The count that holds.
        recorded: u32,
        /// The count asked for.
        asked: u32,
    },
    /// The group is computed on a schedule.
    #[error("group `{group}` has `refresh`: it is loaded on its schedule, not streamed")]
    Refreshed {
        /// The group.
        group: String,
    },
    /// A load of a view that a stream fills.
    #[error(
        "view `{view}` was filled from log `{found}`, which a load knows nothing of: stop its stream and raise the group's `version` to load it"
    )]
    Streamed {
        /// The view.
        view: String,
        /// The log in the marker.
        found: String,
    },
    /// A group of another source.
    #[error("group `{group}` reads source `{found}`, this log is of source `{source_name}`")]
    OtherSource {
        /// The group.
        group: String,
        /// The log's source.
        source_name: String,
        /// The group's source.
        found: String,
    },
    /// What the store holds does not decode.
    #[error(transparent)]
    Codec(#[from] Undecodable),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store went back below what this run has read, so the log must be read again.
    #[error(
        "view `{view}` partition {partition} stands at offset {position} again, this run had read up to {read}"
    )]
    Rewound {
        /// The view.
        view: String,
        /// The partition.
        partition: u32,
        /// The position in the store.
        position: u64,
        /// Where this run was.
        read: u64,
    },
    /// A worker of this run panicked.
    #[error("a stream worker failed: {what}")]
    Internal {
        /// What is known of it.
        what: String,
    },
}

impl StreamError {
    /// Whether it may pass without anybody's doing: the markers tell where to go on.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Rewound { .. } => true,
            Self::Store(cause) => cause.retry() == Retry::Later,
            #[cfg(feature = "kafka")]
            Self::Source { cause, .. } => cause.downcast_ref().is_some_and(crate::kafka::TopicError::passes),
            _ => false,
        }
    }
}

/// Where a log differs from what was read of it.
fn changed(same: u64, read: u64, ends: Option<u64>) -> String {
    match ends {
        Some(ends) => format!("it ends after {ends} records, and {read} had been read"),
        None => format!(
            "among the records {same} to {read}, in the order in which they became known, some were added, changed or removed since"
        ),
    }
}

#[cfg(all(test, feature = "kafka"))]
mod tests {
    use super::StreamError;
    use crate::kafka::TopicError;

    #[test]
    fn a_broker_that_is_away_is_waited_for_also_where_the_log_is_opened_again() {
        let of = |cause: TopicError| StreamError::Source { log: "l".to_owned(), cause: cause.into() };
        let away = || {
            Box::new(rdkafka::error::KafkaError::MetadataFetch(
                rdkafka::error::RDKafkaErrorCode::BrokerTransportFailure,
            ))
        };
        let (brokers, topic) = ("b".to_owned(), "t".to_owned());
        assert!(of(TopicError::Unreachable { brokers, seconds: 15, cause: away() }).passes());
        assert!(of(TopicError::Client { topic: topic.clone(), cause: away() }).passes());
        let (letters, log) = ("d".to_owned(), "l".to_owned());
        assert!(of(TopicError::DeadLetter { topic: letters, log, offset: 1, cause: away() }).passes());
        assert!(!of(TopicError::Grown { topic, before: 1, now: 2 }).passes());
        assert!(!StreamError::Source { log: "l".to_owned(), cause: "gone".into() }.passes());
    }
}
