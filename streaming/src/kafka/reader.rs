//! The thread that polls a topic and makes batches of what comes.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Int64Array, UInt64Array};
use feat_compiler::plan::SourcePlan;
use feat_compiler::text::Records;
use feat_kernel::layout::LogMark;
use feat_kernel::time::Instant;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::dead_letters::{DeadLetters, Letter};
use super::{ANSWER, Settings, TopicError, Until};
use crate::error::SourceError;
use crate::source::{LogBatch, Reached};

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
    letters: Option<DeadLetters>,
    /// Records that are not in a batch yet.
    waiting: usize,
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
            let (known, offsets) = (Vec::new(), Vec::new());
            parts.push(Part { log, before: mark.next, reached, records, known, offsets, at_end: false });
        }
        consumer.assign(&assigned).map_err(client)?;
        let letters = settings.dead_letters().map(|topic| DeadLetters::open(topic, settings)).transpose()?;
        Ok(Self { topic: topic.to_owned(), consumer, parts, until, letters, waiting: 0 })
    }

    /// Polls until the log ends, an error stops it, or nobody takes the batches.
    pub(super) fn run(mut self, batches: &mpsc::Sender<Result<LogBatch, SourceError>>) {
        loop {
            let wait = if self.waiting == 0 { POLL } else { Duration::ZERO };
            let polled = match self.consumer.poll(wait) {
                None => Ok(false),
                Some(Ok(message)) => take(&message, &mut self.parts, self.letters.as_ref()).map(|()| true),
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
            // The client connects again by itself.
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NetworkException
                | RDKafkaErrorCode::PollExceeded,
            ) => Ok(()),
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
            };
            if batches.blocking_send(Ok(batch)).is_err() {
                return false;
            }
        }
        true
    }
}

/// Takes a record up.
fn take(
    message: &BorrowedMessage<'_>,
    parts: &mut [Part],
    letters: Option<&DeadLetters>,
) -> Result<(), TopicError> {
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
            }
            Err(fault) => {
                let letter = Letter { log: &part.log, message, reason: fault.to_string() };
                let Some(letters) = letters else {
                    let log = part.log.to_string();
                    return Err(TopicError::Unreadable { log, offset, reason: letter.reason });
                };
                letters.keep(&letter)?;
            }
        }
    }
    part.reached = Reached { next: offset + 1, clock };
    Ok(())
}
