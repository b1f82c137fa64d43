//! What was put aside, and how it is put back: each letter once.
//!
//! ```text
//!  dead letters ──read to the end──► letters without those that were replayed
//!                                        │ one transaction
//!                                        ├─► the record, at the end of its own partition
//!                                        ├─► `replayed/PLACE`: that it was done, with the letter's seal
//!                                        └─► a tombstone of the letter
//! ```
//!
//! A replay opens the transactions of its topic of dead letters before it reads: from then on an earlier
//! one that still runs, or hangs, can commit nothing more, so what is read is what is left to do. That a
//! letter was replayed is remembered for ever, because a stream that reads its log again (after a crash,
//! from an older dump, or anew) puts the same record aside again.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

use super::letter::{Letter, Place};
use super::reading::{Kept, Reading};
use super::{ANSWER, Settings, TopicError};

/// Letters of one transaction: enough to spare round trips, few enough that one fits a request.
const AT_ONCE: usize = 64;

/// The letters of a topic of dead letters.
#[derive(Clone, Debug)]
pub struct Quarantine {
    topic: String,
    settings: Settings,
}

/// Which letters are replayed.
#[derive(Clone, Debug)]
pub enum Which {
    /// Every one that `admits` says.
    All,
    /// Those of these places.
    These(Vec<Place>),
    /// That of this place, with another value in its record's stead.
    Corrected(Place, Vec<u8>),
}

impl Quarantine {
    /// The letters of the topic that `settings` name; `None` if they name none.
    pub fn of(settings: &Settings) -> Option<Self> {
        Some(Self { topic: settings.dead_letters()?.to_owned(), settings: settings.clone() })
    }

    /// The name of the topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The letters that are there and were not replayed, with the values of those that are `wanted`.
    ///
    /// Cost: reads the whole topic; the values that are wanted are held in memory. Blocks.
    /// Errors: [`TopicError`]: no broker answers, or there is no such topic.
    pub fn read(&self, wanted: impl Fn(&Place) -> bool) -> Result<Kept, TopicError> {
        let mut reading = self.reading()?;
        reading.go_on(wanted)?;
        Ok(reading.kept)
    }

    /// Nothing yet, to be read from the topic's beginning.
    pub(super) fn reading(&self) -> Result<Reading, TopicError> {
        Reading::open(&self.topic, &self.settings)
    }

    /// Writes the records of letters to the ends of their own partitions, where they become known anew:
    /// each once, whatever crashes and however many replays run. Gives the places that this call
    /// replayed; what is not there any more is left out.
    ///
    /// `admits` judges each letter before anything is written; its first error is returned.
    /// Cost: one transaction for every 64 letters. Blocks.
    /// Errors: [`TopicError::Replay`]; what was replayed before stays, the others are left.
    pub fn replay<E: From<TopicError>>(
        &self,
        which: &Which,
        mut admits: impl FnMut(&Kept, &Letter) -> Result<bool, E>,
    ) -> Result<Vec<Place>, E> {
        let producer: ThreadedProducer<DefaultProducerContext> =
            self.settings.transactional(&format!("feat.replay.{}", self.topic))?;
        producer.init_transactions(ANSWER).map_err(|cause| self.failed(cause))?;
        let kept = self.read(|place| match which {
            Which::All => true,
            Which::These(places) => places.contains(place),
            Which::Corrected(..) => false,
        })?;
        let mut chosen = Vec::new();
        for letter in kept.letters.values() {
            let named = match which {
                Which::All => true,
                Which::These(places) => places.contains(&letter.place),
                Which::Corrected(place, _) => *place == letter.place,
            };
            if named && admits(&kept, letter)? {
                chosen.push(letter);
            }
        }
        let mut done = Vec::with_capacity(chosen.len());
        for letters in chosen.chunks(AT_ONCE) {
            self.put_back(&producer, which, letters).map_err(|cause| self.failed(cause))?;
            done.extend(letters.iter().map(|letter| letter.place.clone()));
        }
        Ok(done)
    }

    /// One transaction: all of `letters` or none.
    fn put_back(
        &self,
        producer: &ThreadedProducer<DefaultProducerContext>,
        which: &Which,
        letters: &[&Letter],
    ) -> Result<(), KafkaError> {
        producer.begin_transaction()?;
        for letter in letters {
            let value = match which {
                Which::Corrected(_, value) => value,
                _ => &letter.value,
            };
            let mut record = BaseRecord::to(&letter.place.topic)
                .partition(letter.place.partition)
                .payload(value)
                .headers(letter.own_headers());
            if let Some(key) = &letter.key {
                record = record.key(key);
            }
            send(producer, record)?;
            let (remembered, seal) = (letter.place.replayed(), format!("{:016x}", letter.seal));
            send(producer, BaseRecord::to(&self.topic).key(&remembered).payload(&seal))?;
            let gone = letter.place.to_string();
            send(producer, BaseRecord::<str, str>::to(&self.topic).key(&gone))?;
        }
        loop {
            match producer.commit_transaction(ANSWER) {
                // Whether it was committed is asked by asking for it again.
                Err(KafkaError::Transaction(cause)) if cause.is_retriable() => {}
                Err(KafkaError::Transaction(cause)) if cause.txn_requires_abort() => {
                    producer.abort_transaction(ANSWER)?;
                    return Err(KafkaError::Transaction(cause));
                }
                done => return done,
            }
        }
    }

    fn failed(&self, cause: KafkaError) -> TopicError {
        let code = match &cause {
            KafkaError::Transaction(cause) => Some(cause.code()),
            cause => cause.rdkafka_error_code(),
        };
        let topic = self.topic.clone();
        match code {
            Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced) => {
                TopicError::Overtaken { topic }
            }
            _ => TopicError::Replay { topic, cause: Box::new(cause) },
        }
    }
}

/// Hands a record to the client once there is room for it.
fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    mut record: BaseRecord<
        '_,
        impl rdkafka::message::ToBytes + ?Sized,
        impl rdkafka::message::ToBytes + ?Sized,
    >,
) -> Result<(), KafkaError> {
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                std::thread::yield_now();
            }
            Err((cause, _)) => return Err(cause),
        }
    }
}
