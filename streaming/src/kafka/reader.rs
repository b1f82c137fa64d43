//! The thread that polls a topic and makes batches of what comes.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Int64Array, UInt64Array};
use async_trait::async_trait;
use feat_compiler::plan::SourcePlan;
use feat_compiler::text::Records;
use feat_kernel::layout::LogMark;
use feat_kernel::time::{Instant, Micros};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::dead_letters::{Aside, DeadLetters};
use super::error::passes;
use super::letter::Kind;
use super::{ANSWER, Settings, TopicError, Until};
use crate::error::SourceError;
use crate::source::{LogBatch, Originals, Reached};

/// Records of all partitions in one go: large enough for columns to pay, small enough to be on time.
const RECORDS: usize = 8192;

/// How long a poll waits when nothing is at hand; a stop is noticed that late.
const POLL: Duration = Duration::from_millis(50);

/// A topic that is being read.
pub(super) struct Reader {
    topic: String,
    consumer: BaseConsumer,
    parts: Vec<Part>,
    until: Until,
    aside: PutAside,
    /// Records that are not in a batch yet.
    waiting: usize,
}

/// What becomes of records that are no rows, or late ones.
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

/// A partition that is being read.
struct Part {
    log: Arc<str>,
    /// Where the next batch begins.
    before: u64,
    reached: Reached,
    records: Records,
    known: Vec<i64>,
    offsets: Vec<u64>,
    /// The records of the rows, where late ones are kept.
    originals: Vec<OwnedMessage>,
    /// Whether everything that was there has been read.
    at_end: bool,
}

impl Reader {
    /// Begins with each partition at its mark in `from`.
    ///
    /// Errors: the log no longer has what comes next, or never had.
    pub(super) fn open(
        source: &Arc<SourcePlan>,
        topic: &str,
        logs: Vec<Arc<str>>,
        settings: &Settings,
        until: Until,
        from: &[LogMark],
        aside: PutAside,
    ) -> Result<Self, TopicError> {
        let consumer: BaseConsumer = settings.consumer()?;
        let client = |cause| TopicError::client(topic, cause);
        let mut parts = Vec::with_capacity(logs.len());
        let mut assigned = TopicPartitionList::new();
        for (partition, (log, mark)) in logs.into_iter().zip(from).enumerate() {
            let partition = partition as i32;
            let (first, end) = consumer.fetch_watermarks(topic, partition, ANSWER).map_err(client)?;
            let (first, end) = (first.max(0) as u64, end.max(0) as u64);
            if mark.next < first {
                return Err(TopicError::Deleted { log: log.to_string(), next: mark.next, first });
            }
            if mark.next > end {
                return Err(TopicError::Shorter { log: log.to_string(), next: mark.next, end });
            }
            assigned
                .add_partition_offset(topic, partition, Offset::Offset(mark.next as i64))
                .map_err(client)?;
            let records = Records::of(Arc::clone(source), &*log)
                .map_err(|cause| TopicError::Columns { topic: topic.to_owned(), cause: Box::new(cause) })?;
            let reached = Reached { next: mark.next, clock: mark.clock };
            let (known, offsets, originals) = (Vec::new(), Vec::new(), Vec::new());
            let before = mark.next;
            parts.push(Part { log, before, reached, records, known, offsets, originals, at_end: false });
        }
        consumer.assign(&assigned).map_err(client)?;
        Ok(Self { topic: topic.to_owned(), consumer, parts, until, aside, waiting: 0 })
    }

    /// Polls until the log ends, an error stops it, or nobody takes the batches.
    pub(super) fn run(mut self, batches: &mpsc::Sender<Result<LogBatch, SourceError>>) {
        loop {
            let wait = if self.waiting == 0 { POLL } else { Duration::ZERO };
            let polled = match self.consumer.poll(wait) {
                None => Ok(false),
                Some(Ok(message)) => take(&message, &mut self.parts, &self.aside).map(|()| true),
                Some(Err(cause)) => self.pass(cause).map(|()| true),
            };
            let more = match polled {
                Ok(true) if self.waiting + 1 < RECORDS => {
                    self.waiting += 1;
                    true
                }
                Ok(_) => false,
                Err(cause) => {
                    // What came before it stands.
                    if self.flush(batches) {
                        drop(batches.blocking_send(Err(cause.into())));
                    }
                    return;
                }
            };
            if more {
                continue;
            }
            let done = self.until.is_stopped()
                || (matches!(self.until, Until::End) && self.parts.iter().all(|part| part.at_end));
            if !self.flush(batches) || done || batches.is_closed() {
                return;
            }
        }
    }

    /// An error of a poll: most pass.
    fn pass(&mut self, cause: KafkaError) -> Result<(), TopicError> {
        match &cause {
            KafkaError::PartitionEOF(partition) => {
                if let Some(part) = self.parts.get_mut(*partition as usize) {
                    part.at_end = true;
                }
                Ok(())
            }
            cause if passes(cause) => Ok(()),
            _ => Err(TopicError::client(&self.topic, cause)),
        }
    }

    /// Hands over what waits; false when nobody takes it.
    fn flush(&mut self, batches: &mpsc::Sender<Result<LogBatch, SourceError>>) -> bool {
        self.waiting = 0;
        for (log, part) in self.parts.iter_mut().enumerate() {
            if part.reached.next == part.before {
                continue;
            }
            part.before = part.reached.next;
            let batch = LogBatch {
                log,
                batch: part.records.finish(),
                known: Int64Array::from(std::mem::take(&mut part.known)),
                offsets: UInt64Array::from(std::mem::take(&mut part.offsets)),
                end: part.reached,
                originals: self.aside.of_late().map(|letters| {
                    let records = std::mem::take(&mut part.originals);
                    let (log, letters) = (Arc::clone(&part.log), letters.clone());
                    Arc::new(Held { log, letters, records }) as Arc<dyn Originals>
                }),
            };
            if batches.blocking_send(Ok(batch)).is_err() {
                return false;
            }
        }
        true
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

/// Takes a record up.
fn take(message: &BorrowedMessage<'_>, parts: &mut [Part], aside: &PutAside) -> Result<(), TopicError> {
    let (partition, offset) = (message.partition() as usize, message.offset() as u64);
    // A partition that was added since is seen when the log is opened again.
    let Some(part) = parts.get_mut(partition) else { return Ok(()) };
    if offset < part.reached.next {
        return Ok(());
    }
    part.at_end = false;
    let Some(millis) = message.timestamp().to_millis() else {
        return Err(TopicError::NoTimestamp { log: part.log.to_string(), offset });
    };
    let clock = part.reached.clock.max(Instant(millis.saturating_mul(1000)));
    // Compaction leaves keys without values: nothing happened there.
    if let Some(value) = message.payload() {
        match part.records.push(value) {
            Ok(()) => {
                part.known.push(clock.0);
                part.offsets.push(offset);
                if aside.of_late().is_some() {
                    part.originals.push(message.detach());
                }
            }
            Err(fault) => {
                let reason = fault.to_string();
                let Some(letters) = &aside.letters else {
                    return Err(TopicError::Unreadable { log: part.log.to_string(), offset, reason });
                };
                let (log, record) = (&part.log, &message.detach());
                let letter = Aside { log, record, kind: Kind::Unreadable, reason };
                futures::executor::block_on(letters.keep(&[letter]))?;
            }
        }
    }
    part.reached = Reached { next: offset + 1, clock };
    Ok(())
}
