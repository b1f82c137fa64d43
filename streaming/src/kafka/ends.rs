//! Where a topic ends now, and how far a marker is from there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use feat_kernel::layout::LogMark;
use feat_kernel::time::{Instant, Micros};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::{ANSWER, Settings, TopicError, log_name, partitions};

/// How far before the end the last record is looked for: the marks that transactions leave are no records.
const LOOKED_AT: u64 = 16;

/// How long a poll may wait: the patience is counted in these.
const POLL: std::time::Duration = std::time::Duration::from_millis(50);

/// Where a partition of a topic ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The log, as markers name it.
    pub log: Arc<str>,
    /// The offset after everything that can be read.
    pub next: u64,
    /// The last record's offset and timestamp; `None` if there is none shortly before the end.
    pub last: Option<(u64, Instant)>,
}

/// How far a view is behind a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// How many offsets with records it has not read; those of compacted records count.
    pub records: u64,
    /// How much later the log's last record is than the last one that was read, by their timestamps;
    /// `None` where either is not known.
    pub time: Option<Micros>,
}

impl End {
    /// Whether `log`, as a marker names it, ends here: the topic's own, or one that begins with its archive.
    pub fn is_of(&self, log: &str) -> bool {
        let rest = log.strip_prefix(&*self.log);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
    }

    /// How far `mark` is behind.
    pub fn lag(&self, mark: &LogMark) -> Lag {
        // What a transaction leaves behind its last record is nothing to read.
        let end = self.last.map_or(self.next, |(offset, _)| offset + 1);
        let records = end.saturating_sub(mark.next);
        let time = match self.last {
            _ if records == 0 => Some(Micros::ZERO),
            Some((_, last)) if mark.clock > Instant::MIN => Some(last.since(mark.clock).max(Micros::ZERO)),
            _ => None,
        };
        Lag { records, time }
    }
}

/// Asks a topic where it ends.
pub struct Ends {
    topic: String,
    /// One who asks at a time: what is read to find the end is assigned to the consumer.
    consumer: Mutex<BaseConsumer>,
    partitions: usize,
}

impl std::fmt::Debug for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ends").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Ends {
    /// Of the topic `topic`. Blocks for 15 seconds at most.
    ///
    /// Errors: no broker answers, or there is no such topic.
    pub fn open(topic: &str, settings: &Settings) -> Result<Self, TopicError> {
        let consumer: BaseConsumer = settings.glance()?;
        let partitions = partitions(&consumer, topic, settings.brokers())?;
        Ok(Self { topic: topic.to_owned(), consumer: Mutex::new(consumer), partitions })
    }

    /// Where each partition ends, in their order.
    ///
    /// Cost: a question a partition, and its last few records. Blocks.
    /// Errors: [`TopicError::Client`].
    pub fn read(&self) -> Result<Vec<End>, TopicError> {
        let client = |cause| TopicError::client(&self.topic, cause);
        let consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ends = Vec::with_capacity(self.partitions);
        let mut from = Vec::with_capacity(self.partitions);
        for partition in 0..self.partitions as i32 {
            let (_, next) = consumer.fetch_watermarks(&self.topic, partition, ANSWER).map_err(client)?;
            let next = next.max(0) as u64;
            ends.push(End { log: log_name(&self.topic, partition as usize), next, last: None });
            from.push((partition, next.saturating_sub(LOOKED_AT)));
        }
        read_to_end(&consumer, &self.topic, &from, &mut |message| {
            let Some(end) = ends.get_mut(message.partition() as usize) else { return };
            let offset = message.offset() as u64;
            let time = message.timestamp().to_millis().map(|millis| Instant(millis.saturating_mul(1000)));
            end.last = time.map(|time| (offset, time));
            // More was written since it was asked.
            end.next = end.next.max(offset + 1);
        })?;
        Ok(ends)
    }
}

/// Reads partitions of a topic from given offsets, or their first records, to their ends.
///
/// Errors: the broker says nothing for as long as an answer may take, or what it says does not pass.
pub(super) fn read_to_end(
    consumer: &BaseConsumer,
    topic: &str,
    from: &[(i32, u64)],
    each: &mut dyn FnMut(&BorrowedMessage<'_>),
) -> Result<(), TopicError> {
    let client = |cause| TopicError::client(topic, cause);
    let mut assigned = TopicPartitionList::new();
    for &(partition, offset) in from {
        let (first, end) = consumer.fetch_watermarks(topic, partition, ANSWER).map_err(client)?;
        if first < end {
            let offset = Offset::Offset(first.max(offset as i64));
            assigned.add_partition_offset(topic, partition, offset).map_err(client)?;
        }
    }
    consumer.assign(&assigned).map_err(client)?;
    // A partition tells its end again each time that it has moved.
    let mut open: BTreeSet<i32> = assigned.elements().iter().map(TopicPartitionListElem::partition).collect();
    let mut silent = std::time::Duration::ZERO;
    while !open.is_empty() {
        match consumer.poll(POLL) {
            None if silent > ANSWER => {
                return Err(TopicError::Silent { topic: topic.to_owned(), seconds: ANSWER.as_secs() });
            }
            None => silent += POLL,
            Some(Ok(message)) => {
                silent = std::time::Duration::ZERO;
                each(&message);
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(cause)) if super::error::passes(&cause) => silent += POLL,
            Some(Err(cause)) => return Err(client(cause)),
        }
    }
    consumer.unassign().map_err(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_transaction_leaves_behind_the_last_record_is_no_lag() {
        let at = |next, clock| LogMark { next, clock: Instant(clock), ..LogMark::default() };
        let end = End { log: "kafka:t/0".into(), next: 12, last: Some((10, Instant(700))) };
        assert_eq!(end.lag(&at(11, 700)), Lag { records: 0, time: Some(Micros(0)) });
        assert_eq!(end.lag(&at(8, 400)), Lag { records: 3, time: Some(Micros(300)) });
        // The clock is a maximum, and a record's timestamp may lie before it.
        assert_eq!(end.lag(&at(8, 900)), Lag { records: 3, time: Some(Micros(0)) });
        assert_eq!(end.lag(&LogMark::default()), Lag { records: 11, time: None });
        let bare = End { last: None, ..end };
        assert!(bare.is_of("kafka:t/0") && bare.is_of("kafka:t/0@30") && !bare.is_of("kafka:t/01"));
        assert_eq!(bare.lag(&at(8, 400)), Lag { records: 4, time: None });
    }
}
