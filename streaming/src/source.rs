//! Logs: record batches with offsets, read from any offset on.

use std::future::Future;
use std::pin::Pin;

use arrow::array::{Int64Array, RecordBatch};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::error::SourceError;

/// Consecutive records of a log.
#[derive(Clone, Debug)]
pub struct LogBatch {
    /// The stored columns of the source, conformed.
    pub batch: RecordBatch,
    /// The log's clock at each record: when it became known, never decreasing.
    pub known: Int64Array,
    /// The offset of the first record; the others follow one by one.
    pub first_offset: u64,
}

impl LogBatch {
    /// The offset after the last record.
    pub fn end(&self) -> u64 {
        self.first_offset + self.batch.num_rows() as u64
    }

    /// The records whose offsets lie in `[from, to)`; `None` if there are none.
    #[must_use]
    pub fn between(&self, from: u64, to: u64) -> Option<Self> {
        let (start, end) = (self.first_offset.max(from), self.end().min(to));
        if start >= end {
            return None;
        }
        let (skip, length) = ((start - self.first_offset) as usize, (end - start) as usize);
        Some(Self {
            batch: self.batch.slice(skip, length),
            known: self.known.slice(skip, length),
            first_offset: start,
        })
    }
}

/// Batches of a log in the order of their offsets.
pub type LogStream = BoxStream<'static, Result<LogBatch, SourceError>>;

/// One partition of a source's log.
#[async_trait]
pub trait Source: Send + Sync {
    /// Its name in markers, such as `landings/0`. The same for ever.
    fn log(&self) -> &str;

    /// The records with offsets from `from` on. May be called again, from any offset.
    async fn read(&self, from: u64) -> Result<LogStream, SourceError>;

    /// Whether records that were read may be others next time, as those of a file may: then the log is
    /// read from its beginning, and compared with what was read of it.
    fn may_change(&self) -> bool {
        false
    }
}

type Opening = Pin<Box<dyn Future<Output = Result<LogStream, SourceError>> + Send>>;

/// A log that is read from its beginning each time: a file in the order in which its rows became known.
pub struct Replay {
    log: String,
    open: Box<dyn Fn() -> Opening + Send + Sync>,
}

impl Replay {
    /// The log `log`, whose records from offset 0 on are what `open` gives.
    pub fn new<F>(log: impl Into<String>, open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<LogStream, SourceError>> + Send + 'static,
    {
        Self { log: log.into(), open: Box::new(move || Box::pin(open())) }
    }

    /// The log `log` of batches in memory.
    pub fn of(log: impl Into<String>, batches: Vec<LogBatch>) -> Self {
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
    fn log(&self) -> &str {
        &self.log
    }

    async fn read(&self, from: u64) -> Result<LogStream, SourceError> {
        let stream = (self.open)().await?;
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
