//! Logs: record batches with offsets, read from any offset on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, UInt64Array};
use async_trait::async_trait;
use feat_kernel::layout::LogMark;
use feat_kernel::time::{Instant, Micros};
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::error::SourceError;

/// The next records of one log.
#[derive(Clone, Debug)]
pub struct LogBatch {
    /// Which of [`Source::logs`] they are of.
    pub log: usize,
    /// The stored columns of the source, conformed: one row a record that could be read.
    pub batch: RecordBatch,
    /// The log's clock at each row: when it became known, never decreasing.
    pub known: Int64Array,
    /// The offset of each row, ascending. Not every offset has a row.
    pub offsets: UInt64Array,
    /// Where the log was read to, beyond the last row perhaps.
    pub end: Reached,
    /// Where late rows can be kept; `None`: they are counted and no more.
    pub originals: Option<Arc<dyn Originals>>,
}

/// The records that a batch's rows came from.
#[async_trait]
pub trait Originals: std::fmt::Debug + Send + Sync {
    /// Keeps records aside whose rows were late: each its offset, and how much later than it happened it
    /// became known. To be called before anything is committed that includes them; calling it again
    /// changes nothing.
    async fn keep_late(&self, late: &[(u64, Micros)]) -> Result<(), SourceError>;
}

/// How far a log was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The offset of the next record.
    pub next: u64,
    /// The log's clock before it.
    pub clock: Instant,
}

impl LogBatch {
    /// Rows of the only log of a source at consecutive offsets from `first` on.
    pub fn consecutive(batch: RecordBatch, known: Int64Array, first: u64) -> Self {
        let next = first + known.len() as u64;
        let clock = known.values().last().map_or(Instant::MIN, |&known| Instant(known));
        let end = Reached { next, clock };
        let offsets = (first..next).collect::<Vec<_>>().into();
        Self { log: 0, batch, known, offsets, end, originals: None }
    }

    /// The row of the first record at or behind `offset`.
    pub(crate) fn row_at(&self, offset: u64) -> usize {
        self.offsets.values().partition_point(|&before| before < offset)
    }

    /// The records whose offsets lie in `[from, to)`; `None` if there are none.
    #[must_use]
    pub fn between(&self, from: u64, to: u64) -> Option<Self> {
        let (start, end) = (self.row_at(from), self.row_at(to));
        if self.end.next <= from || (start == end && to < self.end.next) {
            return None;
        }
        let known = self.known.slice(start, end - start);
        let reached = match known.values().last() {
            Some(&clock) if to < self.end.next => Reached { next: to, clock: Instant(clock) },
            _ => self.end,
        };
        Some(Self {
            log: self.log,
            batch: self.batch.slice(start, end - start),
            known,
            offsets: self.offsets.slice(start, end - start),
            end: reached,
            originals: self.originals.clone(),
        })
    }
}

/// Batches of a source's logs, those of one log in the order of their offsets.
pub type LogStream = BoxStream<'static, Result<LogBatch, SourceError>>;

/// The log of a source, in one or more parts of which each has its own order, offsets and clock.
#[async_trait]
pub trait Source: Send + Sync {
    /// The names of the parts in markers, such as `landings/0`. The same for ever.
    fn logs(&self) -> &[Arc<str>];

    /// The records of each log from its mark in `from` on, one a log, or from the one before on, which is told
    /// apart then from one that was read earlier. May be called again, from any.
    async fn read(&self, from: &[LogMark]) -> Result<LogStream, SourceError>;

    /// Whether records that were read may be others next time, as those of a file may: then the log is
    /// read from its beginning, and compared with what was read of it.
    fn may_change(&self) -> bool {
        false
    }
}

type Opening = Pin<Box<dyn Future<Output = Result<LogStream, SourceError>> + Send>>;

/// A log that is read from its beginning each time: a file in the order in which its rows became known.
pub struct Replay {
    log: [Arc<str>; 1],
    open: Box<dyn Fn() -> Opening + Send + Sync>,
}

impl Replay {
    /// The log `log`, whose records from offset 0 on are what `open` gives.
    pub fn new<F>(log: impl Into<Arc<str>>, open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<LogStream, SourceError>> + Send + 'static,
    {
        Self { log: [log.into()], open: Box::new(move || Box::pin(open())) }
    }

    /// The log `log` of batches in memory.
    pub fn of(log: impl Into<Arc<str>>, batches: Vec<LogBatch>) -> Self {
        Self::new(log, move || {
            let batches = batches.clone();
            async move { Ok(futures::stream::iter(batches.into_iter().map(Ok)).boxed()) }
        })
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("log", &self.log).finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for Replay {
    fn logs(&self) -> &[Arc<str>] {
        &self.log
    }

    async fn read(&self, from: &[LogMark]) -> Result<LogStream, SourceError> {
        let stream = (self.open)().await?;
        let from = from.first().map_or(0, |mark| mark.next);
        let later = stream.filter_map(move |batch| async move {
            match batch {
                Ok(batch) => batch.between(from, u64::MAX).map(Ok),
                Err(cause) => Some(Err(cause)),
            }
        });
        Ok(later.boxed())
    }

    fn may_change(&self) -> bool {
        true
    }
}
