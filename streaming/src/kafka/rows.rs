//! Records that become rows, and what becomes of those that do not.

use std::sync::Arc;

use arrow::array::{Int64Array, UInt64Array};
use async_trait::async_trait;
use feat_compiler::plan::SourcePlan;
use feat_compiler::text::Records;
use feat_kernel::time::{Instant, Micros};
use rdkafka::message::{BorrowedMessage, Message, OwnedMessage};

use super::TopicError;
use super::dead_letters::{Aside, DeadLetters};
use super::letter::Kind;
use super::reader::Collect;
use crate::error::SourceError;
use crate::source::{LogBatch, Originals, Reached};

/// What becomes of records that are no rows, or late ones.
#[derive(Clone)]
pub(super) struct PutAside {
    /// Where they are kept; without it the first that cannot be read ends the reading.
    pub(super) letters: Option<DeadLetters>,
    /// Whether records of rows are held until it is known which are late.
    pub(super) late: bool,
}

impl PutAside {
    /// Where late ones are kept, if they are.
    fn of_late(&self) -> Option<&DeadLetters> {
        self.letters.as_ref().filter(|_| self.late)
    }
}

/// The records of one partition as rows of a source.
pub(super) struct RowCollector {
    log: Arc<str>,
    /// Which of the source's logs.
    at: usize,
    records: Records,
    known: Vec<i64>,
    offsets: Vec<u64>,
    /// The records of the rows, where late ones are kept.
    originals: Vec<OwnedMessage>,
    /// Those that are no rows, each with the reason.
    unreadable: Vec<(OwnedMessage, String)>,
    aside: PutAside,
}

impl RowCollector {
    /// Of partition `at` of a topic, whose log is `log`.
    pub(super) fn new(
        source: &Arc<SourcePlan>,
        topic: &str,
        at: usize,
        log: &Arc<str>,
        aside: &PutAside,
    ) -> Result<Self, TopicError> {
        let records = Records::of(Arc::clone(source), &**log)
            .map_err(|cause| TopicError::Columns { topic: topic.to_owned(), cause: Box::new(cause) })?;
        Ok(Self {
            log: Arc::clone(log),
            at,
            records,
            known: Vec::new(),
            offsets: Vec::new(),
            originals: Vec::new(),
            unreadable: Vec::new(),
            aside: aside.clone(),
        })
    }
}

impl Collect for RowCollector {
    type Batch = LogBatch;

    fn take(&mut self, message: &BorrowedMessage<'_>, clock: Instant) -> Result<(), TopicError> {
        // Compaction leaves keys without values: nothing happened there.
        let Some(value) = message.payload() else { return Ok(()) };
        let offset = message.offset() as u64;
        let Err(fault) = self.records.push(value) else {
            self.known.push(clock.0);
            self.offsets.push(offset);
            if self.aside.of_late().is_some() {
                self.originals.push(message.detach());
            }
            return Ok(());
        };
        let reason = fault.to_string();
        if self.aside.letters.is_none() {
            return Err(TopicError::Unreadable { log: self.log.to_string(), offset, reason });
        }
        self.unreadable.push((message.detach(), reason));
        Ok(())
    }

    fn finish(&mut self, _: u64, end: Reached) -> Result<LogBatch, TopicError> {
        if let Some(letters) = &self.aside.letters {
            // All at once: each waits for the broker's replicas.
            let unreadable = std::mem::take(&mut self.unreadable);
            let asides = unreadable.iter().map(|(record, reason)| {
                let (log, reason) = (&*self.log, reason.clone());
                Aside { log, record, kind: Kind::Unreadable, reason }
            });
            futures::executor::block_on(letters.keep(&asides.collect::<Vec<_>>()))?;
        }
        Ok(LogBatch {
            log: self.at,
            batch: self.records.finish(),
            known: Int64Array::from(std::mem::take(&mut self.known)),
            offsets: UInt64Array::from(std::mem::take(&mut self.offsets)),
            end,
            originals: self.aside.of_late().map(|letters| {
                let records = std::mem::take(&mut self.originals);
                let (log, letters) = (Arc::clone(&self.log), letters.clone());
                Arc::new(Held { log, letters, records }) as Arc<dyn Originals>
            }),
        })
    }
}

/// The records of a batch's rows, in the order of their offsets.
#[derive(Debug)]
struct Held {
    log: Arc<str>,
    letters: DeadLetters,
    records: Vec<OwnedMessage>,
}

#[async_trait]
impl Originals for Held {
    async fn keep_late(&self, late: &[(u64, Micros)]) -> Result<(), SourceError> {
        let asides = late.iter().filter_map(|&(offset, by)| {
            let at = self.records.binary_search_by_key(&(offset as i64), Message::offset).ok()?;
            let reason = format!("became known {by} after it happened, later than the source's `lateness`");
            Some(Aside { log: &self.log, record: &self.records[at], kind: Kind::Late, reason })
        });
        Ok(self.letters.keep(&asides.collect::<Vec<_>>()).await?)
    }
}
