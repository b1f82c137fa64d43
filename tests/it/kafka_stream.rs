//! `feat stream` on a real Kafka: what it serves is what a replay of the same rows serves.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::sync::Arc;

use feat_tests::dice::Dice;
use feat_tests::servers::authority::Authority;
use feat_tests::servers::kafka::{KafkaBroker, Options, said};
use feat_tests::servers::redis::RedisServer;
use feat_tests::servers::wait_for;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;

use crate::feat::{command, feat, printed, words};
use crate::kafka::{SOON, broker, producer};
use crate::shop::{
    START, answers, orders, position, project, project_at, refused, run, signal, topic_of, write,
};

#[test]
fn a_redis_that_comes_back_with_an_older_dump_is_caught_up() {
    let dice = &mut Dice::new(19);
    let orders = orders(900, dice);
    let last = orders.last().expect("orders").0;
    let (topic, partitions) = ("shop.redis", 2);
    topic_of(topic, partitions);
    let mut redis = RedisServer::start(&[]);
    let place = project(topic, &orders, &format!("[online]\nurl = \"{}\"\n", redis.url()));
    let said = fs::File::create(place.path().join("said")).expect("a file");
    let live = command(place.path(), &words("stream")).stdout(Stdio::null()).stderr(said).spawn();
    let mut live = live.expect("it starts");
    let reached = |count: u64| {
        wait_for("the stream", || (position(place.path()) == count).then_some(()));
    };
    write(topic, partitions, &orders[..300], dice);
    reached(300);
    let old = redis.dump();
    write(topic, partitions, &orders[300..600], dice);
    reached(600);
    redis.restart_from(&old);
    reached(600);
    write(topic, partitions, &orders[600..], dice);
    redis.kill();
    redis.restart_from(&old);
    reached(900);
    let streamed = answers(place.path(), last);
    signal(&live, "TERM");
    let ended = live.wait().expect("it ends");
    let said = fs::read_to_string(place.path().join("said")).expect("what it said");
    assert!(ended.success() && said.contains("waiting: "), "{said}");
    let replayed = project(topic, &orders, "");
    run(replayed.path(), "stream --replay --until-end");
    assert_eq!(answers(replayed.path(), last), streamed);
}

#[test]
fn a_topic_of_several_partitions_is_served_as_its_file_is() {
    let dice = &mut Dice::new(7);
    let orders = orders(900, dice);
    let last = orders.last().expect("orders").0;
    let (topic, partitions) = ("shop.several", 3);
    topic_of(topic, partitions);
    let replayed = project(topic, &orders, "");
    run(replayed.path(), "stream --replay --until-end");
    let streamed = project(topic, &orders, "");
    // Some at once, some while a stream runs that is killed, the rest after it.
    write(topic, partitions, &orders[..300], dice);
    run(streamed.path(), "stream --until-end");
    assert_eq!(position(streamed.path()), 300);
    for (from, to) in [(300, 500), (500, 700)] {
        let mut live = command(streamed.path(), &words("stream"));
        let mut live = live.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        write(topic, partitions, &orders[from..to], dice);
        std::thread::yield_now();
        live.kill().expect("it runs");
        live.wait().expect("it ended");
    }
    write(topic, partitions, &orders[700..], dice);
    run(streamed.path(), "stream --until-end");
    let (replayed, streamed) = (answers(replayed.path(), last), answers(streamed.path(), last));
    assert_eq!(replayed, streamed);
    let filled = replayed.values().filter(|features| features["recent.n_1d"]["value"] != json!(0)).count();
    assert!(filled > 6, "{replayed:?}");
}

#[test]
fn from_one_worker_to_eight_and_back_nothing_changes() {
    let dice = &mut Dice::new(43);
    let orders = orders(1000, dice);
    let last = orders.last().expect("orders").0;
    let (topic, partitions) = ("shop.workers", 4);
    topic_of(topic, partitions);
    let redis = RedisServer::start(&[]);
    let place = project(topic, &orders, &format!("[online]\nurl = \"{}\"\n", redis.url()));
    let (mut done, steps) = (0, [1, 8, 3, 8, 1]);
    for (step, workers) in steps.into_iter().enumerate() {
        let more = orders.len() / steps.len();
        let mut live = command(place.path(), &words(&format!("stream --workers {workers}")));
        let mut live = live.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        write(topic, partitions, &orders[done..done + more], dice);
        // Some are killed on the way, the others end in good order.
        let until = if step % 2 == 1 { done + more / 2 } else { done + more };
        wait_for("the stream", || (position(place.path()) >= until as u64).then_some(()));
        if step % 2 == 1 {
            live.kill().expect("it runs");
        } else {
            signal(&live, "TERM");
        }
        live.wait().expect("it ended");
        done += more;
    }
    let streamed = answers(place.path(), last);
    let replayed = project(topic, &orders, "");
    run(replayed.path(), "stream --replay --until-end");
    assert_eq!(answers(replayed.path(), last), streamed);
}

#[test]
fn what_cannot_be_read_is_kept_with_its_reason_and_moves_nothing_else() {
    let dice = &mut Dice::new(11);
    let orders = orders(60, dice);
    let last = orders.last().expect("orders").0;
    let topic = "shop.poison";
    topic_of(topic, 1);
    let broken = ["{\"order_id\": \"seven\"}", "no JSON at all", "", "[1]"];
    let raw = producer(broker(), &[]);
    for (at, (known, order)) in orders.iter().enumerate() {
        if let Some(broken) = broken.get(at) {
            let record = BaseRecord::<str, str>::to(topic).key("k").timestamp(START).payload(broken);
            raw.send(record).map_err(|(cause, _)| cause).expect("room");
            // What compaction leaves of a key: no row, and no fault.
            let record = BaseRecord::<str, str>::to(topic).key("gone").timestamp(START);
            raw.send(record).map_err(|(cause, _)| cause).expect("room");
        }
        let record = BaseRecord::<(), str>::to(topic).timestamp(*known).payload(order);
        raw.send(record).map_err(|(cause, _)| cause).expect("room");
    }
    raw.flush(SOON).expect("the broker has them");
    let stopped = project(topic, &orders, "");
    refused(
        stopped.path(),
        "stream --until-end",
        &["kafka:shop.poison/0", "offset 0", "seven", "dead_letters"],
    );
    let kept = project(topic, &orders, "dead_letters = \"shop.dead\"\n");
    run(kept.path(), "stream --until-end");
    run(stopped.path(), "stream --replay --until-end");
    assert_eq!(answers(kept.path(), last), answers(stopped.path(), last));
    let mut found = BTreeMap::new();
    let mut config = broker().client();
    let reader: BaseConsumer =
        config.set("group.id", "letters").set("auto.offset.reset", "error").create().expect("a consumer");
    let mut from = TopicPartitionList::new();
    from.add_partition_offset("shop.dead", 0, Offset::Offset(0)).expect("a partition");
    reader.assign(&from).expect("assigned");
    while found.len() < broken.len() {
        let letter = said(&reader, SOON).expect("a letter in time").expect("a letter");
        let reason = letter.headers().into_iter().flat_map(|headers| headers.iter());
        let reason: Vec<_> = reason.filter(|header| header.key == "feat.reason").collect();
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        assert!(!text(reason[0].value).is_empty());
        found.insert(text(letter.key()), text(letter.payload()));
    }
    let places = ["0", "3", "6", "9"].map(|offset| format!("{topic}/0/{offset}"));
    assert_eq!(found, places.into_iter().zip(broken.map(str::to_owned)).collect());
}

#[test]
fn a_log_that_does_not_have_what_comes_next_is_refused() {
    let dice = &mut Dice::new(13);
    let orders = orders(40, dice);
    topic_of("shop.deleted", 1);
    let place = project("shop.deleted", &orders, "");
    write("shop.deleted", 1, &orders, dice);
    broker().delete_records("shop.deleted", 0, 10);
    refused(
        place.path(),
        "stream --until-end",
        &["kafka:shop.deleted/0", "begins at offset 10", "were deleted", "`feat archive`"],
    );

    topic_of("shop.grown", 1);
    let place = project("shop.grown", &orders, "");
    write("shop.grown", 1, &orders, dice);
    run(place.path(), "stream --until-end");
    broker().add_partitions("shop.grown", 2);
    refused(place.path(), "stream --until-end", &["kafka:shop.grown/1", "--refill"]);
    run(place.path(), "stream --until-end --refill");
    assert_eq!(position(place.path()), 40);

    let place = project("shop.missing", &orders, "");
    refused(place.path(), "stream --until-end", &["topic `shop.missing` is not at"]);

    broker().create_topic("shop.ahead", 1, &[("message.timestamp.after.max.ms", "9223372036854775807")]);
    let place = project("shop.ahead", &orders, "");
    refused(place.path(), "stream --until-end", &["shop.ahead", "message.timestamp.after.max.ms"]);

    let place = project("shop.grown", &orders, "\"auto.offset.reset\" = \"latest\"\n");
    refused(place.path(), "stream --until-end", &["`auto.offset.reset` is always `error`"]);
}

#[test]
fn a_file_is_written_to_its_topic_and_a_signal_ends_the_stream() {
    let dice = &mut Dice::new(17);
    let orders = orders(200, dice);
    let last = orders.last().expect("orders").0;
    let topic = "shop.produced";
    topic_of(topic, 2);
    let replayed = project(topic, &orders, "");
    run(replayed.path(), "stream --replay --until-end");
    let place = project(topic, &orders, "");
    let live =
        command(place.path(), &words("stream --json")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let live = live.expect("it starts");
    assert!(run(place.path(), "produce orders --key user_id").contains("200 records"));
    // The embedded store is one process's: what is read is seen in the counts that it ends with.
    let end = command(place.path(), &words("stream --until-end")).output().expect("it runs");
    assert!(printed(&end).contains("open in another process"), "{}", printed(&end));
    signal(&live, "TERM");
    let output = live.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", printed(&output));
    run(place.path(), "stream --until-end");
    assert_eq!(answers(place.path(), last), answers(replayed.path(), last));
}

#[test]
fn a_partition_that_comes_while_a_stream_runs_ends_it() {
    let dice = &mut Dice::new(31);
    let orders = orders(20, dice);
    let topic = "shop.grows";
    topic_of(topic, 1);
    // Answered while it is streamed, as the embedded store is not.
    let redis = RedisServer::start(&[]);
    let place = project(topic, &orders, &format!("[online]\nurl = \"{}\"\n", redis.url()));
    write(topic, 1, &orders, dice);
    let live = command(place.path(), &words("stream")).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let live = live.expect("it starts");
    wait_for("the stream", || (position(place.path()) > 0).then_some(()));
    broker().add_partitions(topic, 2);
    let output = live.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("has 2 partitions now, and had 1"), "{}", printed(&output));
    refused(place.path(), "stream --until-end", &["kafka:shop.grows/1", "--refill"]);
}

#[test]
fn what_a_broker_refuses_is_told_and_keys_go_where_they_go_from_java() {
    let dice = &mut Dice::new(37);
    let topic = "shop.small";
    broker().create_topic(topic, 1, &[("max.message.bytes", "300"), ("retention.ms", "-1")]);
    let mut orders = orders(20, dice);
    let mut long: serde_json::Value = serde_json::from_str(&orders[7].1).expect("JSON");
    long["user_id"] = json!("x".repeat(1000));
    orders[7].1 = long.to_string();
    let place = project(topic, &orders, "");
    refused(place.path(), "produce orders", &["not every record could be written to topic `shop.small`"]);

    // By Kafka's own tests murmur2 of "abc" is 479470107, of "21" -973932308; CRC-32 would send both elsewhere.
    let topic = "shop.keyed";
    topic_of(topic, 3);
    let keyed: Vec<_> = ["abc", "21", "abc"]
        .iter()
        .enumerate()
        .map(|(at, user)| {
            let time = feat_kernel::time::Instant(START * 1000).to_string();
            let order = json!({"order_id": at, "user_id": user, "amount": 1.0, "at": time, "seen": time});
            (START, order.to_string())
        })
        .collect();
    let place = project(topic, &keyed, "");
    run(place.path(), "produce orders --key user_id");
    let reader: BaseConsumer = broker().client().set("group.id", "keyed").create().expect("a consumer");
    let mut counts = [0_i64; 3];
    for (partition, count) in counts.iter_mut().enumerate() {
        *count = reader.fetch_watermarks(topic, partition as i32, SOON).expect("marks").1;
    }
    let partition = |hash: i32| (hash & 0x7fff_ffff) as usize % 3;
    let mut expected = [0; 3];
    expected[partition(479_470_107)] += 2;
    expected[partition(-973_932_308)] += 1;
    assert_eq!(counts, expected);
}

#[test]
fn who_one_is_to_the_broker_is_a_setting() {
    let dice = &mut Dice::new(23);
    let orders = orders(30, dice);
    let topic = "shop.closed";
    let login = Some(("feat".to_owned(), "hunter2".to_owned()));
    let closed = KafkaBroker::start(Options { login, ..Options::default() });
    closed.create_topic(topic, 1, &[("retention.ms", "-1")]);
    let settings = |protocol: &str, password: &str| {
        format!(
            "\"security.protocol\" = \"{protocol}\"\n\"sasl.mechanism\" = \"PLAIN\"\n\
             \"sasl.username\" = \"feat\"\n\"sasl.password\" = \"{password}\"\n"
        )
    };
    let at = |more: &str| project_at(&closed.bootstrap(), topic, &orders, more);
    let place = at(&settings("SASL_PLAINTEXT", "hunter2"));
    assert!(run(place.path(), "produce orders").contains("30 records"));
    run(place.path(), "stream --until-end");
    assert_eq!(position(place.path()), 30);
    let wrong = at(&settings("SASL_PLAINTEXT", "hunter3"));
    let output = feat(wrong.path(), &words("stream --until-end"));
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("no Kafka broker at") && !printed(&output).contains("hunter3"));
}

#[test]
fn a_broker_is_reached_by_tls_and_knows_who_asks_by_scram() {
    let dice = &mut Dice::new(29);
    let orders = orders(30, dice);
    let topic = "shop.sealed";
    let (login, authority) = (Some(("feat".to_owned(), "hunter2".to_owned())), Arc::new(Authority::found()));
    let tls = Some(Arc::clone(&authority));
    let sealed = KafkaBroker::start(Options { login, tls, ..Options::default() });
    sealed.create_topic(topic, 1, &[("retention.ms", "-1")]);
    let at = |password: &str, more: &str| {
        let settings = format!(
            "\"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"SCRAM-SHA-512\"\n\
             \"sasl.username\" = \"feat\"\n\"sasl.password\" = \"{password}\"\n{more}"
        );
        project_at(&sealed.bootstrap(), topic, &orders, &settings)
    };
    let trusts = format!("\"ssl.ca.location\" = \"{}\"\n", authority.file("ca.pem").display());
    let place = at("hunter2", &trusts);
    assert!(run(place.path(), "produce orders").contains("30 records"));
    run(place.path(), "stream --until-end");
    assert_eq!(position(place.path()), 30);
    refused(at("hunter2", "").path(), "stream --until-end", &["no Kafka broker at", "certificate"]);
    let wrong = feat(at("hunter3", &trusts).path(), &words("stream --until-end"));
    assert_eq!(wrong.status.code(), Some(1), "{}", printed(&wrong));
    assert!(printed(&wrong).contains("no Kafka broker at") && !printed(&wrong).contains("hunter3"));
}
