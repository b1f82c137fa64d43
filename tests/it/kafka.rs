//! What the stream operator relies on of a Kafka broker and its client, one partition at a time.
//!
//! The tests share a broker, each with topics of its own; those that kill it start another.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use feat_tests::servers::kafka::{KafkaBroker, Options, said};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, Timestamp, TopicPartitionList};

/// For whatever a broker that runs does; a test that waits so long fails.
pub(crate) const SOON: Duration = Duration::from_mins(1);

type AnyProducer = ThreadedProducer<DefaultProducerContext>;

/// The broker of this run: ends with the process.
pub(crate) fn broker() -> &'static KafkaBroker {
    static BROKER: OnceLock<KafkaBroker> = OnceLock::new();
    BROKER.get_or_init(|| {
        let started = Instant::now();
        let broker = KafkaBroker::start(Options::default());
        println!("the broker started in {:?}", started.elapsed());
        broker
    })
}

pub(crate) fn producer(broker: &KafkaBroker, settings: &[(&str, &str)]) -> AnyProducer {
    let mut config = broker.client();
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

fn transactional(broker: &KafkaBroker, id: &str) -> AnyProducer {
    let producer = producer(broker, &[("transactional.id", id)]);
    producer.init_transactions(SOON).unwrap();
    producer
}

pub(crate) fn send(producer: &AnyProducer, topic: &str, partition: i32, texts: &[&str]) {
    for text in texts {
        producer
            .send(BaseRecord::<(), str>::to(topic).partition(partition).payload(text))
            .map_err(|(cause, _)| cause)
            .unwrap();
    }
    producer.flush(SOON).unwrap();
}

fn unassigned(broker: &KafkaBroker, settings: &[(&str, &str)]) -> BaseConsumer {
    let mut config = broker.client();
    config.set("group.id", "assigns").set("enable.auto.commit", "false");
    config.set("auto.offset.reset", "error").set("fetch.wait.max.ms", "50");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

fn reader(broker: &KafkaBroker, topic: &str, from: i64, settings: &[(&str, &str)]) -> BaseConsumer {
    let consumer = unassigned(broker, settings);
    consumer.assign(&at(topic, 0, from)).unwrap();
    consumer
}

fn at(topic: &str, partition: i32, offset: i64) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    list
}

/// The next thing that the consumer says.
fn next(consumer: &BaseConsumer) -> Result<BorrowedMessage<'_>, KafkaError> {
    said(consumer, SOON).expect("the consumer says something")
}

fn rows(consumer: &BaseConsumer, count: usize) -> Vec<(i64, String)> {
    let row = |message: BorrowedMessage<'_>| {
        (message.offset(), message.payload_view::<str>().unwrap().unwrap().to_owned())
    };
    (0..count).map(|_| row(next(consumer).unwrap())).collect()
}

fn named(rows: &[(i64, &str)]) -> Vec<(i64, String)> {
    rows.iter().map(|(offset, text)| (*offset, (*text).to_owned())).collect()
}

#[test]
fn a_timestamp_is_the_producers_or_the_brokers_as_the_topic_says() {
    let broker = broker();
    // Kafka deletes by timestamps: without this the record of 1970 would be gone at some moment.
    let kept = [("message.timestamp.type", "CreateTime"), ("retention.ms", "-1")];
    broker.create_topic("created", 1, &kept);
    broker.create_topic("appended", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let producer = producer(broker, &[]);
    for topic in ["created", "appended"] {
        let record = BaseRecord::<(), str>::to(topic).partition(0).payload("x").timestamp(1_000);
        producer.send(record).map_err(|(cause, _)| cause).unwrap();
    }
    producer.flush(SOON).unwrap();
    assert_eq!(next(&reader(broker, "created", 0, &[])).unwrap().timestamp(), Timestamp::CreateTime(1_000));
    let appended = reader(broker, "appended", 0, &[]);
    let Timestamp::LogAppendTime(stamp) = next(&appended).unwrap().timestamp() else {
        panic!("not the broker's")
    };
    assert!(stamp > 1_700_000_000_000, "{stamp}");
}

#[test]
fn keys_values_and_headers_may_be_missing() {
    let broker = broker();
    broker.create_topic("parts", 1, &[]);
    let producer = producer(broker, &[]);
    let headers = OwnedHeaders::new()
        .insert(Header { key: "twice", value: Some("1") })
        .insert(Header { key: "twice", value: Some("2") })
        .insert(Header { key: "null", value: None::<&str> });
    producer
        .send(BaseRecord::<str, str>::to("parts").key("k").headers(headers))
        .map_err(|(cause, _)| cause)
        .unwrap();
    producer
        .send(BaseRecord::<str, str>::to("parts").key("").payload(""))
        .map_err(|(cause, _)| cause)
        .unwrap();
    producer.send(BaseRecord::<str, str>::to("parts").payload("v")).map_err(|(cause, _)| cause).unwrap();
    producer.flush(SOON).unwrap();
    let consumer = reader(broker, "parts", 0, &[]);
    let tombstone = next(&consumer).unwrap().detach();
    assert_eq!((tombstone.key(), tombstone.payload()), (Some(&b"k"[..]), None));
    let headers: Vec<_> =
        tombstone.headers().unwrap().iter().map(|header| (header.key, header.value)).collect();
    assert_eq!(headers, [("twice", Some(&b"1"[..])), ("twice", Some(&b"2"[..])), ("null", None)]);
    let empty = next(&consumer).unwrap().detach();
    assert_eq!((empty.key(), empty.payload()), (Some(&b""[..]), Some(&b""[..])), "empty is not null");
    assert_eq!(next(&consumer).unwrap().key(), None);
}

#[test]
fn offsets_grow_with_gaps_after_transactions() {
    let broker = broker();
    broker.create_topic("gaps", 1, &[]);
    let producer = transactional(broker, "gaps");
    for (texts, commit) in [(["a", "b"], true), (["c", "d"], false), (["e", "f"], true)] {
        producer.begin_transaction().unwrap();
        send(&producer, "gaps", 0, &texts);
        if commit {
            producer.commit_transaction(SOON).unwrap();
        } else {
            producer.abort_transaction(SOON).unwrap();
        }
    }
    let committed = reader(broker, "gaps", 0, &[("isolation.level", "read_committed")]);
    assert_eq!(rows(&committed, 4), named(&[(0, "a"), (1, "b"), (6, "e"), (7, "f")]));
    let all = reader(broker, "gaps", 0, &[("isolation.level", "read_uncommitted")]);
    assert_eq!(rows(&all, 6), named(&[(0, "a"), (1, "b"), (3, "c"), (4, "d"), (6, "e"), (7, "f")]));
    // An offset within a gap is a place to start as any other.
    assert_eq!(
        rows(&reader(broker, "gaps", 2, &[("isolation.level", "read_committed")]), 1),
        named(&[(6, "e")])
    );
    // The position is past the last row, and not past the marker behind it, until the end is reached.
    assert_eq!(committed.fetch_watermarks("gaps", 0, SOON).unwrap(), (0, 9));
    assert_eq!(committed.position().unwrap().elements()[0].offset(), Offset::Offset(8));
}

#[test]
fn the_end_of_a_log_is_said_without_its_offset() {
    let broker = broker();
    broker.create_topic("ends", 1, &[]);
    send(&producer(broker, &[]), "ends", 0, &["a"]);
    let consumer = reader(broker, "ends", 0, &[("enable.partition.eof", "true")]);
    assert_eq!(rows(&consumer, 1), named(&[(0, "a")]));
    let Err(said) = next(&consumer) else { panic!("a second row") };
    assert_eq!(said, KafkaError::PartitionEOF(0));
}

#[test]
fn an_open_transaction_holds_back_committed_readers_alone() {
    let broker = broker();
    broker.create_topic("open", 1, &[]);
    let open = transactional(broker, "open");
    open.begin_transaction().unwrap();
    send(&open, "open", 0, &["held"]);
    send(&producer(broker, &[]), "open", 0, &["plain"]);
    let committed = reader(broker, "open", 0, &[("isolation.level", "read_committed")]);
    let all = reader(broker, "open", 0, &[("isolation.level", "read_uncommitted")]);
    assert_eq!(rows(&all, 2), named(&[(0, "held"), (1, "plain")]));
    assert!(said(&committed, Duration::from_millis(500)).is_none());
    // The end that a client asks for is that of its isolation: the last stable offset, the high watermark.
    assert_eq!(committed.fetch_watermarks("open", 0, SOON).unwrap(), (0, 0));
    assert_eq!(all.fetch_watermarks("open", 0, SOON).unwrap(), (0, 2));
    open.commit_transaction(SOON).unwrap();
    assert_eq!(rows(&committed, 2), named(&[(0, "held"), (1, "plain")]));
}

#[test]
fn an_offset_outside_the_log_is_an_error_of_the_consumer() {
    let broker = broker();
    broker.create_topic("outside", 1, &[]);
    send(&producer(broker, &[]), "outside", 0, &["a", "b", "c", "d"]);
    broker.delete_records("outside", 0, 2);
    let reset = KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset);
    let read = |offset| next(&reader(broker, "outside", offset, &[])).map(|message| message.offset());
    assert_eq!(read(1), Err(reset.clone()), "before the log's start");
    assert_eq!(read(5), Err(reset.clone()), "after its end");
    assert_eq!(read(2), Ok(2));
    assert_eq!(reader(broker, "outside", 2, &[]).fetch_watermarks("outside", 0, SOON).unwrap(), (2, 4));
    // At the end is within: the next row comes.
    let end = reader(broker, "outside", 4, &[]);
    assert!(said(&end, Duration::from_millis(300)).is_none());
    send(&producer(broker, &[]), "outside", 0, &["e"]);
    assert_eq!(rows(&end, 1), named(&[(4, "e")]));
}

#[test]
fn a_partitions_own_queue_says_which_partition_failed() {
    let broker = broker();
    broker.create_topic("queues", 2, &[]);
    send(&producer(broker, &[]), "queues", 1, &["a"]);
    let consumer = Arc::new(unassigned(broker, &[]));
    let mut list = at("queues", 0, 9);
    list.add_partition_offset("queues", 1, Offset::Offset(0)).unwrap();
    consumer.assign(&list).unwrap();
    let queues = [0, 1].map(|partition| consumer.split_partition_queue("queues", partition).unwrap());
    let (mut failed, mut read, mut elsewhere) = (None, None, Vec::new());
    let started = Instant::now();
    while started.elapsed() < SOON && (read.is_none() || (failed.is_none() && elsewhere.is_empty())) {
        elsewhere.extend(
            said(&consumer, Duration::from_millis(20)).map(|said| said.map(|message| message.offset())),
        );
        failed = failed
            .or_else(|| queues[0].poll(Duration::ZERO).map(|said| said.map(|message| message.offset())));
        read =
            read.or_else(|| queues[1].poll(Duration::ZERO).map(|said| said.map(|message| message.offset())));
    }
    assert_eq!(read, Some(Ok(0)));
    let reset = KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset);
    assert_eq!((failed, elsewhere), (Some(Err(reset)), vec![]));
}

#[test]
fn offsets_of_a_source_are_committed_with_what_was_made_of_it() {
    let broker = broker();
    broker.create_topic("from", 1, &[]);
    broker.create_topic("into", 1, &[]);
    send(&producer(broker, &[]), "from", 0, &["a", "b"]);
    let source = reader(broker, "from", 0, &[("group.id", "repartitions")]);
    rows(&source, 2);
    let producer = transactional(broker, "repartitions");
    for (text, offset, commit) in [("a", 1, true), ("b", 2, false)] {
        producer.begin_transaction().unwrap();
        send(&producer, "into", 0, &[text]);
        producer
            .send_offsets_to_transaction(&at("from", 0, offset), &source.group_metadata().unwrap(), SOON)
            .unwrap();
        if commit {
            producer.commit_transaction(SOON).unwrap();
        } else {
            producer.abort_transaction(SOON).unwrap();
        }
    }
    let committed = source.committed_offsets(at("from", 0, 0), SOON).unwrap();
    assert_eq!(committed.elements()[0].offset(), Offset::Offset(1));
}

#[test]
fn a_second_producer_of_one_name_fences_the_first() {
    let broker = broker();
    broker.create_topic("fenced", 1, &[]);
    let first = transactional(broker, "fenced");
    first.begin_transaction().unwrap();
    send(&first, "fenced", 0, &["zombie"]);
    let second = transactional(broker, "fenced");
    let Err(KafkaError::Transaction(cause)) = first.commit_transaction(SOON) else { panic!("not fenced") };
    assert!(cause.is_fatal(), "{cause}");
    assert_eq!(cause.code(), RDKafkaErrorCode::Fenced);
    second.begin_transaction().unwrap();
    send(&second, "fenced", 0, &["owner"]);
    second.commit_transaction(SOON).unwrap();
    let committed = reader(broker, "fenced", 0, &[("isolation.level", "read_committed")]);
    assert_eq!(rows(&committed, 1)[0].1, "owner");
}

#[test]
fn a_topic_that_grew_is_seen_in_the_metadata() {
    let broker = broker();
    broker.create_topic("grows", 1, &[]);
    let consumer = unassigned(broker, &[]);
    let count = || consumer.fetch_metadata(Some("grows"), SOON).unwrap().topics()[0].partitions().len();
    assert_eq!(count(), 1);
    broker.add_partitions("grows", 3);
    assert_eq!(count(), 3);
    let missing = consumer.fetch_metadata(Some("missing"), SOON).unwrap();
    assert_eq!(missing.topics()[0].partitions().len(), 0);
    assert!(missing.topics()[0].error().is_some());
}

#[test]
fn a_consumer_goes_on_after_the_broker_was_killed() {
    let mut broker = KafkaBroker::start(Options::default());
    broker.create_topic("survives", 1, &[]);
    let writer = producer(&broker, &[]);
    send(&writer, "survives", 0, &["a", "b"]);
    let consumer = reader(&broker, "survives", 0, &[]);
    assert_eq!(rows(&consumer, 2), named(&[(0, "a"), (1, "b")]));
    broker.kill();
    assert!(consumer.fetch_watermarks("survives", 0, Duration::from_millis(300)).is_err());
    let started = Instant::now();
    broker.restart();
    println!("the broker was back in {:?}", started.elapsed());
    send(&writer, "survives", 0, &["c"]);
    assert_eq!(rows(&consumer, 1), named(&[(2, "c")]));
    println!("the consumer went on after {:?}", started.elapsed());
    // Suspended it answers nobody, and loses nothing.
    broker.pause();
    assert!(consumer.fetch_watermarks("survives", 0, Duration::from_millis(300)).is_err());
    broker.resume();
    send(&writer, "survives", 0, &["d"]);
    assert_eq!(rows(&consumer, 1), named(&[(3, "d")]));
    broker.stop();
    broker.restart();
    send(&writer, "survives", 0, &["e"]);
    assert_eq!(rows(&consumer, 1), named(&[(4, "e")]));
}

#[test]
fn a_login_is_passed_through() {
    let login = Some(("alice".to_owned(), "wonder land".to_owned()));
    let broker = KafkaBroker::start(Options { login, ..Options::default() });
    broker.create_topic("private", 1, &[]);
    let writer = transactional(&broker, "private");
    writer.begin_transaction().unwrap();
    send(&writer, "private", 0, &["a"]);
    writer.commit_transaction(SOON).unwrap();
    assert_eq!(
        rows(&reader(&broker, "private", 0, &[("isolation.level", "read_committed")]), 1),
        named(&[(0, "a")])
    );
    let wrong = unassigned(&broker, &[("sasl.password", "other")]);
    wrong.assign(&at("private", 0, 0)).unwrap();
    let Err(said) = next(&wrong) else { panic!("read without the password") };
    assert_eq!(said, KafkaError::MessageConsumption(RDKafkaErrorCode::Authentication));
}
