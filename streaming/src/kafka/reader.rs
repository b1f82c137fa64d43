//! The thread that polls a topic and hands batches of what comes to whoever reads.

use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use feat_kernel::layout::LogMark;
use feat_kernel::time::Instant;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::error::passes;
use super::{ANSWER, Settings, TopicError, Until};
use crate::error::SourceError;
use crate::source::Reached;

/// Records of all partitions in one go: large enough for columns to pay, small enough to be on time.
const RECORDS: usize = 8192;

/// How long a poll waits when nothing is at hand; a stop is noticed that late.
const POLL: Duration = Duration::from_millis(50);

/// How often the reader asks how many partitions there are. A new one is not heard of otherwise, and its rows
/// are missing until then.
const COUNT: Duration = Duration::from_secs(5);

/// What the records of a partition become.
pub(super) trait Collect: Send {
    /// Some of them together.
    type Batch: Send;

    /// Takes a record up, at which the partition's clock stands at `clock`.
    ///
    /// Errors: it cannot be passed by.
    fn take(&mut self, message: &BorrowedMessage<'_>, clock: Instant) -> Result<(), TopicError>;

    /// What was taken up, from the offset `from` on to `end`. It begins anew.
    ///
    /// Errors: what is to be kept aside of it could not be.
    fn finish(&mut self, from: u64, end: Reached) -> Result<Self::Batch, TopicError>;
}

/// A topic that is being read.
pub(super) struct Reader<C> {
    topic: String,
    consumer: BaseConsumer,
    parts: Vec<Part<C>>,
    until: Until,
    /// Records that are not in a batch yet.
    waiting: usize,
    /// When the partitions were counted last.
    counted: Moment,
}

/// A partition that is being read.
struct Part<C> {
    log: Arc<str>,
    /// Where the next batch begins.
    before: u64,
    reached: Reached,
    collected: C,
    /// Whether everything that was there has been read.
    at_end: bool,
}

impl<C: Collect> Reader<C> {
    /// Begins with each partition at the record before its mark in `from`; `collect` collects the records of one.
    ///
    /// Errors: the log no longer has what comes next, or never had.
    pub(super) fn open(
        topic: &str,
        logs: Vec<Arc<str>>,
        settings: &Settings,
        until: Until,
        from: &[LogMark],
        collect: impl Fn(usize, &Arc<str>) -> Result<C, TopicError>,
    ) -> Result<Self, TopicError> {
        let consumer: BaseConsumer = settings.consumer()?;
        let client = |cause| TopicError::client(topic, cause);
        let mut parts = Vec::with_capacity(logs.len());
        let mut assigned = TopicPartitionList::new();
        for (at, (log, mark)) in logs.into_iter().zip(from).enumerate() {
            let partition = at as i32;
            let (first, end) = consumer.fetch_watermarks(topic, partition, ANSWER).map_err(client)?;
            let (first, end) = (first.max(0) as u64, end.max(0) as u64);
            if mark.next < first {
                return Err(TopicError::Deleted { log: log.to_string(), next: mark.next, first });
            }
            if mark.next > end {
                return Err(TopicError::Shorter { log: log.to_string(), next: mark.next, end });
            }
            // From the record before on, if it is there: it tells whether this is the log that was read.
            let next = if first < mark.next { mark.next - 1 } else { mark.next };
            assigned.add_partition_offset(topic, partition, Offset::Offset(next as i64)).map_err(client)?;
            let (before, reached) = (next, Reached { next, clock: mark.clock });
            let collected = collect(at, &log)?;
            parts.push(Part { log, before, reached, collected, at_end: false });
        }
        consumer.assign(&assigned).map_err(client)?;
        let (topic, counted) = (topic.to_owned(), Moment::now());
        Ok(Self { topic, consumer, parts, until, waiting: 0, counted })
    }

    /// Polls until the log ends, an error stops it, or nobody takes the batches.
    pub(super) fn run(mut self, batches: &mpsc::Sender<Result<C::Batch, SourceError>>) {
        loop {
            let wait = if self.waiting == 0 { POLL } else { Duration::ZERO };
            let polled = match self.consumer.poll(wait) {
                None => Ok(false),
                Some(Ok(message)) => take(&message, &mut self.parts).map(|()| true),
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
                    if matches!(self.flush(batches), Ok(true)) {
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
            let counted = self.count();
            match self.flush(batches).and_then(|taken| counted.map(|()| taken)) {
                Ok(true) if !done && !batches.is_closed() => {}
                Ok(_) => return,
                Err(cause) => {
                    drop(batches.blocking_send(Err(cause.into())));
                    return;
                }
            }
        }
    }

    /// Sees from time to time whether there are more partitions than are read.
    fn count(&mut self) -> Result<(), TopicError> {
        if self.counted.elapsed() < COUNT {
            return Ok(());
        }
        self.counted = Moment::now();
        // Brokers that are away are waited for by the next poll.
        let Ok(found) = self.consumer.fetch_metadata(Some(&self.topic), COUNT) else { return Ok(()) };
        let now = found.topics().iter().map(|topic| topic.partitions().len()).max().unwrap_or(0);
        let (topic, before) = (self.topic.clone(), self.parts.len());
        if now > before { Err(TopicError::Grown { topic, before, now }) } else { Ok(()) }
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
    ///
    /// Errors: as of [`Collect::finish`].
    fn flush(&mut self, batches: &mpsc::Sender<Result<C::Batch, SourceError>>) -> Result<bool, TopicError> {
        self.waiting = 0;
        for part in &mut self.parts {
            if part.reached.next == part.before {
                continue;
            }
            let batch = part.collected.finish(part.before, part.reached)?;
            part.before = part.reached.next;
            if batches.blocking_send(Ok(batch)).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Takes a record up.
fn take<C: Collect>(message: &BorrowedMessage<'_>, parts: &mut [Part<C>]) -> Result<(), TopicError> {
    let (partition, offset) = (message.partition() as usize, message.offset() as u64);
    // One that was added since, of which `count` will hear.
    let Some(part) = parts.get_mut(partition) else { return Ok(()) };
    if offset < part.reached.next {
        return Ok(());
    }
    part.at_end = false;
    let Some(millis) = message.timestamp().to_millis() else {
        return Err(TopicError::NoTimestamp { log: part.log.to_string(), offset });
    };
    let clock = part.reached.clock.max(Instant(millis.saturating_mul(1000)));
    part.collected.take(message, clock)?;
    part.reached = Reached { next: offset + 1, clock };
    Ok(())
}
