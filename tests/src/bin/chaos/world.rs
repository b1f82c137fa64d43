//! The servers, the project over them, and whoever writes to its topics.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use feat_tests::oracle::spec::OracleSpec;
use feat_tests::read::project::Project;
use feat_tests::servers::kafka::{KafkaBroker, said};
use feat_tests::text::feat;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{DeliveryResult, Headers, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::lookups::Shared;
use crate::records::{Records, TOPICS, Value};

/// The topic of dead letters.
pub(crate) const LETTERS: &str = "letters";

/// The profile of workers that share the partitions of the views.
pub(crate) const SHARED: &str = "shared";

/// How long the broker may take for what is left when everything else has ended.
const FLUSH: Duration = Duration::from_mins(1);

/// How many records are written in one go at most.
const BURST: i64 = 120;

/// The groups and their sources, as the definition reads them.
pub(crate) fn spec() -> OracleSpec {
    serde_json::from_str(include_str!("spec.json")).expect("the spec is one of the definition's")
}

/// The project's text, each source streamed from the topic of its name.
fn text(spec: &OracleSpec) -> String {
    TOPICS.iter().fold(feat(spec), |text, (topic, ..)| {
        let batch = format!("  batch parquet(\"{topic}.parquet\")\n");
        let stream = format!("  stream kafka(\"{topic}\", format: \"json\")\n");
        text.replace(&batch, &format!("{batch}{stream}"))
    })
}

/// Writes the project into `folder`, and compiles it for those who ask.
pub(crate) fn project(
    spec: &OracleSpec,
    folder: &Path,
    brokers: &str,
    redis: u16,
) -> Result<Project, String> {
    let text = text(spec);
    let place = format!(
        "[project]\nname = \"drawn\"\n[online]\nurl = \"redis://127.0.0.1:{redis}?timeout_ms=3000\"\n[kafka]\n\
         brokers = \"{brokers}\"\ndead_letters = \"{LETTERS}\"\n\"reconnect.backoff.ms\" = 20\n\
         \"reconnect.backoff.max.ms\" = 200\n[profiles.{SHARED}.kafka]\nconsumer_group = \"drawn\"\n\
         \"session.timeout.ms\" = 1500\n\"heartbeat.interval.ms\" = 100\n"
    );
    let written =
        fs::write(folder.join("drawn.feat"), &text).and_then(|()| fs::write(folder.join("feat.toml"), place));
    written.map_err(|cause| cause.to_string())?;
    Project::new(&text, &std::collections::BTreeMap::new())
}

/// Sees that every record stands where it was counted to stand.
struct Places(Arc<Mutex<Option<String>>>);

impl ClientContext for Places {}

impl ProducerContext for Places {
    type DeliveryOpaque = Box<(i32, i64)>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Self::DeliveryOpaque) {
        let said = match result {
            Ok(message) if (message.partition(), message.offset()) == *place => return,
            Ok(message) => {
                format!("a record of {place:?} stands at {} {}", message.partition(), message.offset())
            }
            Err((cause, _)) => format!("a record was not written: {cause}"),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(said);
    }
}

/// What records are written with.
#[derive(Clone)]
pub(crate) struct Pen {
    producer: ThreadedProducer<Places>,
    /// Held while records are written.
    held: Arc<Mutex<()>>,
}

impl Pen {
    /// Does `what` while nothing is written and the broker has every record: a client whose broker dies
    /// before it answers may write records a second time, idempotent or not, and then nobody knows where
    /// the later ones stand.
    pub(crate) fn put_down(&self, what: impl FnOnce()) -> Result<(), String> {
        let _held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.producer.flush(FLUSH).map_err(|cause| format!("records were not written: {cause}"))?;
        what();
        Ok(())
    }
}

/// Writes records to their topics.
pub(crate) struct Writer {
    pen: Pen,
    records: Records,
    wrong: Arc<Mutex<Option<String>>>,
    shared: Shared,
}

impl Writer {
    pub(crate) fn new(broker: &KafkaBroker, records: Records, shared: Shared) -> Result<Self, String> {
        let wrong = Arc::new(Mutex::new(None));
        let mut config = broker.client();
        // An idempotent producer writes each record once and in order, whatever it has to send again: so
        // every offset is known before it is written.
        config.set("enable.idempotence", "true").set("message.timeout.ms", "0").set("linger.ms", "2");
        let producer =
            config.create_with_context(Places(Arc::clone(&wrong))).map_err(|cause| cause.to_string())?;
        let pen = Pen { producer, held: Arc::new(Mutex::new(())) };
        Ok(Self { pen, records, wrong, shared })
    }

    /// What it writes with, for whoever wants it put down.
    pub(crate) fn pen(&self) -> Pen {
        self.pen.clone()
    }

    /// Writes `count` records in each `time`, in bursts, until it is told to stop.
    pub(crate) fn run(mut self, count: i64, time: Duration, stop: &AtomicBool) -> Result<(), String> {
        let (start, mut written, mut dice) = (Instant::now(), 0, feat_tests::dice::Dice::new(count as u64));
        while !stop.load(Ordering::Relaxed) {
            let due = (count as f64 * start.elapsed().as_secs_f64() / time.as_secs_f64()) as i64;
            if due <= written {
                std::thread::park_timeout(Duration::from_millis(2));
                continue;
            }
            // Ahead of its time by a burst, then silent until it is due again.
            let burst = dice.between(1, BURST);
            let held = Arc::clone(&self.pen.held);
            let held = held.lock().unwrap_or_else(PoisonError::into_inner);
            for _ in 0..burst {
                self.write()?;
            }
            drop(held);
            written += burst;
        }
        self.pen.put_down(|| ())?;
        match self.wrong.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Ok(()),
            Some(wrong) => Err(wrong),
        }
    }

    fn write(&mut self) -> Result<(), String> {
        let record = self.records.draw();
        self.shared.head.store(self.records.head(), Ordering::Relaxed);
        let offset = self.shared.truth.write().map_err(|cause| cause.to_string())?.add(&record);
        let partition = record.partition as i32;
        let place = Box::new((partition, offset as i64));
        let value = match record.value {
            Value::Row(row) => Some(serde_json::Value::Object(row).to_string().into_bytes()),
            Value::Poison(bytes) => Some(bytes),
            Value::Tombstone => None,
        };
        let to = BaseRecord::with_opaque_to(TOPICS[record.topic].0, place)
            .partition(partition)
            .timestamp(record.stamp);
        let to = to.key("k");
        let to = match &value {
            Some(value) => to.payload(value),
            None => to,
        };
        self.pen.producer.send(to).map_err(|(cause, _)| cause.to_string())
    }
}

/// How many records are kept as dead letters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Letters {
    /// Because they cannot be read.
    pub(crate) unreadable: u64,
    /// Because they came too late.
    pub(crate) late: u64,
}

/// Counts the dead letters: as many as the topic has keys, since one that is written again overwrites.
pub(crate) fn letters(broker: &KafkaBroker) -> Result<Letters, String> {
    let mut config = broker.client();
    config.set("group.id", "letters").set("auto.offset.reset", "error").set("enable.partition.eof", "true");
    let reader: BaseConsumer = config.create().map_err(|cause| cause.to_string())?;
    let mut from = TopicPartitionList::new();
    let begin = from.add_partition_offset(LETTERS, 0, Offset::Beginning).and_then(|()| reader.assign(&from));
    begin.map_err(|cause| cause.to_string())?;
    let mut kinds = BTreeMap::new();
    loop {
        match said(&reader, FLUSH) {
            Some(Ok(letter)) => {
                let kind = letter.headers().into_iter().flat_map(Headers::iter);
                let late =
                    kind.filter(|header| header.key == "feat.kind").any(|kind| kind.value == Some(b"late"));
                kinds.insert(letter.key().map(<[u8]>::to_vec), late);
            }
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => {
                let late = kinds.values().filter(|late| **late).count() as u64;
                return Ok(Letters { unreadable: kinds.len() as u64 - late, late });
            }
            Some(Err(cause)) => return Err(cause.to_string()),
            None => return Err("the dead letters were not read in time".to_owned()),
        }
    }
}
