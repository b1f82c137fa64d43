//! A log whose first records are read from its archive, and the others from where it is written.
//!
//! ```text
//!  marker ──► archive: up to the offset that it holds ──► topic: from that offset on
//! ```
//!
//! By offset: a record is read from the one or from the other, never from both and never from neither,
//! however late its row is. What a record becomes is decided by the same [`Records`] in both, but that nothing
//! is put aside: what is no row stands in the archive.
//!
//! An archive may begin where the topic had forgotten its first records. The log is another one then, from
//! another beginning, and its name in markers says so: `NAME@FIRST`. A view that has read the topic from its
//! first record on is not continued from there, nor the other way round.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{Int64Array, UInt64Array};
use async_trait::async_trait;
use bytes::Bytes;
use feat_compiler::plan::SourcePlan;
use feat_compiler::text::Records;
use feat_kernel::layout::LogMark;
use feat_kernel::time::Instant;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::error::SourceError;
use crate::source::{LogBatch, LogStream, Reached, Source};

/// A record as an archive gives it back.
#[derive(Clone, Debug)]
pub struct ArchivedRecord {
    /// Which of the source's logs it is of.
    pub log: usize,
    /// Its offset.
    pub offset: u64,
    /// The log's clock at it.
    pub clock: Instant,
    /// Its value as it was written; `None` in a tombstone.
    pub value: Option<Bytes>,
}

/// What an archive holds of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Its first offset: nothing before it was ever kept.
    pub first: u64,
    /// How far.
    pub end: Reached,
}

/// Records of an archive, those of one log in the order of their offsets.
pub type ArchiveStream = BoxStream<'static, Result<Vec<ArchivedRecord>, SourceError>>;

type Opening = Pin<Box<dyn Future<Output = Result<ArchiveStream, SourceError>> + Send>>;

/// A log with an archive.
pub struct Bootstrap<S> {
    source: Arc<SourcePlan>,
    /// As markers name them.
    logs: Vec<Arc<str>>,
    /// Of each of them.
    held: Vec<Holding>,
    open: Box<dyn Fn(Vec<u64>) -> Opening + Send + Sync>,
    topic: Arc<S>,
}

impl<S: Source> Bootstrap<S> {
    /// `topic`, a log of `source`, of whose parts an archive has what `held` says, one a part. `open` reads the
    /// archive from the offsets on that it is given, as far as it holds and no further.
    pub fn new<F>(
        source: &Arc<SourcePlan>,
        topic: S,
        held: Vec<Holding>,
        open: impl Fn(Vec<u64>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<ArchiveStream, SourceError>> + Send + 'static,
    {
        let open = Box::new(move |from| -> Opening { Box::pin(open(from)) });
        let named = |(log, held): (&Arc<str>, &Holding)| match held.first {
            0 => Arc::clone(log),
            first => format!("{log}@{first}").into(),
        };
        let logs = topic.logs().iter().zip(&held).map(named).collect();
        Self { source: Arc::clone(source), logs, held, open, topic: Arc::new(topic) }
    }
}

impl<S> std::fmt::Debug for Bootstrap<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bootstrap").field("held", &self.held).finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: Source + 'static> Source for Bootstrap<S> {
    fn logs(&self) -> &[Arc<str>] {
        &self.logs
    }

    async fn read(&self, from: &[LogMark]) -> Result<LogStream, SourceError> {
        let begin = |(mark, held): (&LogMark, &Holding)| LogMark { next: mark.next.max(held.first), ..*mark };
        let from: Vec<LogMark> = from.iter().zip(&self.held).map(begin).collect();
        let parts = self.logs.iter().zip(&from).map(|(log, mark)| Part::new(&self.source, log, mark));
        let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
        if parts.iter().zip(&self.held).all(|(part, held)| held.end.next <= part.reached.next) {
            return self.topic.read(&from).await;
        }
        let then: Vec<LogMark> = (from.iter().zip(&self.held))
            .map(|(mark, Holding { end, .. })| {
                let (next, clock) = (mark.next.max(end.next), mark.clock.max(end.clock));
                LogMark { next, clock, ..*mark }
            })
            .collect();
        // What a transaction leaves behind the last record is held without being one.
        let ends = then.clone();
        let archived = (self.open)(from.iter().map(|mark| mark.next).collect()).await?;
        let archived = archived.map(Some).chain(futures::stream::iter([None])).map(move |records| {
            match records {
                Some(records) => records?.into_iter().for_each(|record| {
                    if let Some(part) = parts.get_mut(record.log) {
                        part.push(&record);
                    }
                }),
                None => parts.iter_mut().zip(&ends).for_each(|(part, end)| part.reach(end)),
            }
            let batches: Vec<LogBatch> =
                parts.iter_mut().enumerate().filter_map(|(log, part)| part.finish(log)).collect();
            Ok::<_, SourceError>(futures::stream::iter(batches.into_iter().map(Ok)))
        });
        let topic = Arc::clone(&self.topic);
        let later = futures::stream::once(async move { topic.read(&then).await });
        Ok(archived.try_flatten().chain(later.try_flatten()).boxed())
    }
}

/// One of the logs.
struct Part {
    records: Records,
    known: Vec<i64>,
    offsets: Vec<u64>,
    /// Where the next batch begins.
    before: u64,
    reached: Reached,
}

impl Part {
    fn new(source: &Arc<SourcePlan>, log: &str, mark: &LogMark) -> Result<Self, SourceError> {
        let records = Records::of(Arc::clone(source), log)?;
        let reached = Reached { next: mark.next, clock: mark.clock };
        Ok(Self { records, known: Vec::new(), offsets: Vec::new(), before: mark.next, reached })
    }

    fn push(&mut self, record: &ArchivedRecord) {
        if record.offset < self.reached.next {
            return;
        }
        // What cannot be read is no row, and stands in the archive with its fault.
        if record.value.as_ref().is_some_and(|value| self.records.push(value).is_ok()) {
            self.known.push(record.clock.0);
            self.offsets.push(record.offset);
        }
        self.reached = Reached { next: record.offset + 1, clock: record.clock };
    }

    /// There is nothing more before `end`.
    fn reach(&mut self, end: &LogMark) {
        self.reached.next = self.reached.next.max(end.next);
        self.reached.clock = self.reached.clock.max(end.clock);
    }

    fn finish(&mut self, log: usize) -> Option<LogBatch> {
        (self.reached.next > self.before).then(|| {
            self.before = self.reached.next;
            LogBatch {
                log,
                batch: self.records.finish(),
                known: Int64Array::from(std::mem::take(&mut self.known)),
                offsets: UInt64Array::from(std::mem::take(&mut self.offsets)),
                end: self.reached,
                originals: None,
            }
        })
    }
}
