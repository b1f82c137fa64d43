//! A Kafka topic as a log: each partition is a part with offsets and a clock of its own.
//!
//! ```text
//!  broker ──► reader, a thread: poll ─► clock ─► decode ──bounded──► LogStream
//!                                                  └──unreadable──► dead letters ──Quarantine──► broker
//! ```
//!
//! Where to begin is told by the markers, never by the broker: no offset is committed, a consumer group
//! hands out shares of the work and nothing else (`membership.rs`), and an offset that the broker does not
//! have is an error. The clock of a
//! partition is the running maximum of its records' timestamps, so the same log gives the same clock
//! whoever reads it and however often.
//!
//! A record whose value cannot be read becomes a dead letter before the position moves past it, and so
//! does one whose row is late. A record without a value, as compaction leaves it, is no row.

mod dead_letters;
mod ends;
mod error;
mod letter;
mod letter_count;
mod membership;
mod producer;
mod quarantine;
mod reader;
mod reading;
mod recordings;
mod rows;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use feat_compiler::plan::SourcePlan;
use feat_kernel::layout::LogMark;
use futures::StreamExt;
use futures::stream::BoxStream;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::{mpsc, watch};

use crate::error::SourceError;
use crate::metrics::Metrics;
use crate::source::{LogStream, Source};
pub use dead_letters::DeadLetters;
pub use ends::{End, Ends, Lag};
pub use error::TopicError;
pub use letter::{Kind, Letter, Place};
pub use letter_count::LetterCount;
pub use membership::Membership;
pub use producer::Producer;
pub use quarantine::{Quarantine, Which};
use reader::{Collect, Reader};
pub use reading::Kept;
use recordings::RecordCollector;
pub use recordings::Recorded;
use rows::{PutAside, RowCollector};
pub use settings::Settings;

/// A client that asks about topics and makes them.
type Admin = AdminClient<DefaultClientContext>;

/// How long a broker may take to answer at the start.
const ANSWER: Duration = Duration::from_secs(15);

/// Batches that may wait for whoever works on them.
const WAITING: usize = 2;

/// How far ahead of the broker's wall clock a producer's timestamp may be: one record far ahead would
/// stop the clock for as long.
const AHEAD: Duration = Duration::from_hours(1);

/// When a topic's log ends.
#[derive(Clone, Debug)]
pub enum Until {
    /// When every record that is there has been read.
    End,
    /// When the value becomes true.
    Stopped(watch::Receiver<bool>),
}

impl Until {
    fn is_stopped(&self) -> bool {
        match self {
            Self::End => false,
            // Nobody is left who could stop it: then it is.
            Self::Stopped(stop) => *stop.borrow() || stop.has_changed().is_err(),
        }
    }
}

/// A topic whose records are rows of a source.
#[derive(Debug)]
pub struct KafkaTopic {
    source: Arc<SourcePlan>,
    topic: String,
    /// `kafka:TOPIC/PARTITION`, one a partition.
    logs: Vec<Arc<str>>,
    settings: Settings,
    until: Until,
    keeps_late: bool,
    metrics: Metrics,
}

impl KafkaTopic {
    /// The topic `topic`, whose values are JSON objects with the columns of `source`.
    ///
    /// Cost: asks the broker for the topic, for 15 seconds at most.
    /// Errors: [`TopicError`]: no broker answers, there is no such topic, or its timestamps may be far
    /// ahead of time.
    pub async fn open(
        source: &Arc<SourcePlan>,
        topic: &str,
        settings: Settings,
        until: Until,
    ) -> Result<Self, TopicError> {
        let consumer: BaseConsumer = settings.consumer()?;
        let (name, brokers) = (topic.to_owned(), settings.brokers().to_owned());
        let partitions =
            tokio::task::spawn_blocking(move || partitions(&consumer, &name, &brokers)).await.map_err(
                |cause| TopicError::Internal { topic: topic.to_owned(), what: cause.to_string() },
            )??;
        let admin = settings.client()?;
        refuse_far_ahead(topic, &admin).await?;
        if let Some(topic) = settings.dead_letters() {
            DeadLetters::create(topic, &admin).await?;
        }
        let logs = (0..partitions).map(|partition| log_name(topic, partition)).collect();
        let (source, topic, metrics) = (Arc::clone(source), topic.to_owned(), Metrics::default());
        Ok(Self { source, topic, logs, settings, until, keeps_late: false, metrics })
    }

    /// Keeps late rows among the dead letters, too, if there is a topic for these. Each record is then
    /// held until it is known whether its row is late.
    #[must_use]
    pub fn keeping_late(mut self) -> Self {
        self.keeps_late = true;
        self
    }

    /// Counts in `metrics` what is put aside.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Every record of each partition from its mark in `from` on, as an archive keeps them.
    ///
    /// Errors, in the stream too: the topic does not have what comes next, or a record without a timestamp.
    pub async fn recordings(
        &self,
        from: &[LogMark],
    ) -> Result<BoxStream<'static, Result<Recorded, SourceError>>, SourceError> {
        let (source, topic) = (Arc::clone(&self.source), self.topic.clone());
        self.batches(from, move |at, _| RecordCollector::new(&source, &topic, at)).await
    }

    /// Where the records begin that each partition still has.
    ///
    /// Cost: a question a partition.
    pub async fn begins(&self) -> Result<Vec<u64>, TopicError> {
        let (topic, settings, count) = (self.topic.clone(), self.settings.clone(), self.logs.len());
        let asked = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = settings.glance()?;
            let first = (0..count as i32).map(|partition| {
                let found = consumer.fetch_watermarks(&topic, partition, ANSWER);
                found.map(|(first, _)| first.max(0) as u64).map_err(|cause| TopicError::client(&topic, cause))
            });
            first.collect()
        });
        let internal = |what: String| TopicError::Internal { topic: self.topic.clone(), what };
        asked.await.map_err(|cause| internal(cause.to_string()))?
    }

    /// What a thread of its own collects from the marks in `from` on.
    async fn batches<C: Collect + 'static>(
        &self,
        from: &[LogMark],
        collect: impl Fn(usize, &Arc<str>) -> Result<C, TopicError> + Send + 'static,
    ) -> Result<BoxStream<'static, Result<C::Batch, SourceError>>, SourceError> {
        let (send, receive) = mpsc::channel(WAITING);
        let (topic, settings, logs) = (self.topic.clone(), self.settings.clone(), self.logs.clone());
        let (from, until) = (from.to_vec(), self.until.clone());
        let reader =
            tokio::task::spawn_blocking(move || Reader::open(&topic, logs, &settings, until, &from, collect));
        let reader = reader.await??;
        tokio::task::spawn_blocking(move || reader.run(&send));
        let batches = futures::stream::unfold(receive, |mut receive| async {
            receive.recv().await.map(|batch| (batch, receive))
        });
        Ok(batches.boxed())
    }
}

#[async_trait]
impl Source for KafkaTopic {
    fn logs(&self) -> &[Arc<str>] {
        &self.logs
    }

    async fn read(&self, from: &[LogMark]) -> Result<LogStream, SourceError> {
        let (source, topic, settings) = (Arc::clone(&self.source), self.topic.clone(), self.settings.clone());
        let (metrics, late) = (self.metrics.clone(), self.keeps_late);
        // Who keeps letters connects, which blocks.
        let aside = tokio::task::spawn_blocking(move || {
            let letters = settings.dead_letters();
            let letters =
                letters.map(|letters| DeadLetters::open(letters, &settings, metrics)).transpose()?;
            Ok::<_, TopicError>(PutAside { letters, late })
        });
        let aside = aside.await??;
        self.batches(from, move |at, log| RowCollector::new(&source, &topic, at, log, &aside)).await
    }
}

/// How markers call a partition of a topic.
fn log_name(topic: &str, partition: usize) -> Arc<str> {
    format!("kafka:{topic}/{partition}").into()
}

/// How many partitions a topic has.
fn partitions(consumer: &BaseConsumer, topic: &str, brokers: &str) -> Result<usize, TopicError> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER).map_err(|cause| {
        // What the broker refused is told by the next poll, not by the request that waited for it.
        let cause = consumer.poll(Duration::ZERO).and_then(Result::err).unwrap_or(cause);
        TopicError::Unreachable {
            brokers: brokers.to_owned(),
            seconds: ANSWER.as_secs(),
            cause: Box::new(cause),
        }
    })?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    match found.filter(|found| found.error().is_none() && !found.partitions().is_empty()) {
        Some(found) => Ok(found.partitions().len()),
        None => Err(TopicError::Missing { topic: topic.to_owned(), brokers: brokers.to_owned() }),
    }
}

/// Refuses a topic that takes producers' timestamps from far ahead of time.
async fn refuse_far_ahead(topic: &str, admin: &Admin) -> Result<(), TopicError> {
    let options = AdminOptions::new().request_timeout(Some(ANSWER));
    // A broker that does not let its settings be read cannot be asked; what it stamps is taken.
    let Ok(found) = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options).await else {
        return Ok(());
    };
    let Some(Ok(config)) = found.into_iter().next() else { return Ok(()) };
    let value = |name: &str| config.get(name).and_then(|entry| entry.value.as_deref());
    if value("message.timestamp.type") == Some("LogAppendTime") {
        return Ok(());
    }
    match value("message.timestamp.after.max.ms").and_then(|ms| ms.parse::<u128>().ok()) {
        Some(ms) if ms > AHEAD.as_millis() => {
            Err(TopicError::FarAhead { topic: topic.to_owned(), allows_ms: ms, most_ms: AHEAD.as_millis() })
        }
        _ => Ok(()),
    }
}
