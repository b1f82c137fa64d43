//! A topic of dead letters, read to its end, and on from there.

use std::collections::BTreeMap;

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::letter::{Letter, Place, Said};
use super::{ANSWER, Settings, TopicError, ends, partitions};

/// What stands in a topic of dead letters.
#[derive(Debug, Default)]
pub struct Kept {
    /// The letters that are to be looked at, by the places of their records.
    pub letters: BTreeMap<Place, Letter>,
    /// The places whose letters were replayed, with the seals of those.
    replayed: BTreeMap<Place, u64>,
}

impl Kept {
    /// Whether the letter of `place` was replayed.
    pub fn was_replayed(&self, place: &Place) -> bool {
        self.replayed.contains_key(place) && !self.letters.contains_key(place)
    }

    fn take(&mut self, said: Said) {
        match said {
            Said::Letter(place, Some(letter)) => {
                self.letters.insert(place, letter);
            }
            Said::Letter(place, None) => {
                self.letters.remove(&place);
            }
            Said::Replayed(place, seal) => {
                self.replayed.insert(place, seal);
            }
            Said::Other => {}
        }
    }
}

/// A topic of dead letters as far as it was read.
pub(super) struct Reading {
    consumer: BaseConsumer,
    topic: String,
    /// The offset after the last message, by partition.
    next: Vec<(i32, u64)>,
    /// The first offset of each partition when the reading began.
    first: Vec<i64>,
    brokers: String,
    /// What stood there.
    pub(super) kept: Kept,
}

impl Reading {
    /// Nothing yet, to be read from the beginning of `topic`.
    ///
    /// Errors: no broker answers, or there is no such topic.
    pub(super) fn open(topic: &str, settings: &Settings) -> Result<Self, TopicError> {
        let consumer: BaseConsumer = settings.glance()?;
        let count = partitions(&consumer, topic, settings.brokers())?;
        let next = (0..count as i32).map(|partition| (partition, 0)).collect();
        let first = (0..count as i32).map(|partition| Ok(watermarks(&consumer, topic, partition)?.0));
        let first = first.collect::<Result<_, TopicError>>()?;
        let (topic, brokers) = (topic.to_owned(), settings.brokers().to_owned());
        Ok(Self { consumer, topic, next, first, brokers, kept: Kept::default() })
    }

    /// Whether the topic may be read on: no message that was read is gone, and no partition is new. A topic
    /// that was made anew and holds as many messages again is not told from the one before.
    pub(super) fn may_go_on(&self) -> Result<bool, TopicError> {
        if partitions(&self.consumer, &self.topic, &self.brokers)? != self.next.len() {
            return Ok(false);
        }
        for (&(partition, next), &begun) in self.next.iter().zip(&self.first) {
            let (first, end) = watermarks(&self.consumer, &self.topic, partition)?;
            if first != begun || end < next as i64 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads on to the topic's end, with the values of the letters that are `wanted`.
    ///
    /// Errors: the broker does not answer; what was read is then of no use.
    pub(super) fn go_on(&mut self, wanted: impl Fn(&Place) -> bool) -> Result<(), TopicError> {
        let Self { consumer, topic, next, kept, .. } = self;
        let from = next.clone();
        ends::read_to_end(consumer, topic, &from, &mut |message| {
            kept.take(Said::read(message, &wanted));
            if let Some((_, next)) = next.iter_mut().find(|(partition, _)| *partition == message.partition())
            {
                *next = message.offset() as u64 + 1;
            }
        })?;
        let Kept { letters, replayed } = kept;
        letters.retain(|place, letter| replayed.get(place) != Some(&letter.seal));
        Ok(())
    }
}

/// The first offset of a partition, and the one after its last.
fn watermarks(consumer: &BaseConsumer, topic: &str, partition: i32) -> Result<(i64, i64), TopicError> {
    let found = consumer.fetch_watermarks(topic, partition, ANSWER);
    found.map_err(|cause| TopicError::client(topic, cause))
}
