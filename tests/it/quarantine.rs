//! `feat quarantine` on a real Kafka: what was put aside is kept with its reason, and put back once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use feat_tests::dice::Dice;
use feat_tests::servers::kafka::said;
use feat_tests::servers::wait_for;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value as Json, json};

use crate::feat::{command, feat, printed, words};
use crate::kafka::{SOON, broker, producer};
use crate::shop::{
    MINUTE, Order, START, answers, lines, orders, orders_from, project, refused, run, signal, topic_of, write,
};

/// The records of the only partition of a topic that were committed: timestamp and value.
fn records(topic: &str) -> Vec<Order> {
    let mut config = broker().client();
    config.set("group.id", "records").set("auto.offset.reset", "error").set("enable.partition.eof", "true");
    let reader: BaseConsumer = config.create().expect("a consumer");
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Offset(0)).expect("a partition");
    reader.assign(&from).expect("assigned");
    let mut found = Vec::new();
    loop {
        match said(&reader, SOON).expect("the end in time") {
            Ok(record) => {
                let value = String::from_utf8_lossy(record.payload().unwrap_or_default()).into_owned();
                found.push((record.timestamp().to_millis().expect("a timestamp"), value));
            }
            Err(KafkaError::PartitionEOF(_)) => return found,
            Err(cause) => panic!("{cause}"),
        }
    }
}

/// How long the log of a topic's only partition is, with what was not committed.
fn length(reader: &BaseConsumer, topic: &str) -> i64 {
    reader.fetch_watermarks(topic, 0, SOON).expect("the broker answers").1
}

fn send(topic: &str, key: Option<&str>, at: i64, value: &str) {
    let producer = producer(broker(), &[]);
    let record = BaseRecord::<str, str>::to(topic).partition(0).timestamp(at).payload(value);
    let record = if let Some(key) = key { record.key(key) } else { record };
    producer.send(record).map_err(|(cause, _)| cause).expect("room");
    producer.flush(SOON).expect("the broker has it");
}

fn list(folder: &Path) -> Vec<Json> {
    let output = feat(folder, &words("quarantine list --json"));
    assert!(output.status.success(), "{}", printed(&output));
    let list: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    list.as_array().expect("a list").clone()
}

fn places(folder: &Path) -> Vec<String> {
    list(folder).iter().map(|letter| letter["place"].as_str().expect("a place").to_owned()).collect()
}

/// The file that a topic with one partition is: an order is known at its partition's clock, or as it
/// says if that is later.
fn file_of(topic: &str) -> Vec<Order> {
    let mut clock = i64::MIN;
    let mut rows = Vec::new();
    for (at, value) in records(topic) {
        clock = clock.max(at);
        let Ok(Json::Object(mut order)) = serde_json::from_str(&value) else { continue };
        if !order["order_id"].is_number() {
            continue;
        }
        let instant = |text: &Json| {
            let text = text.as_str().expect("a text");
            feat_kernel::time::Instant::parse(text).expect("an instant").0 / 1000
        };
        let known = clock.max(instant(&order["seen"]));
        order["seen"] = json!(feat_kernel::time::Instant(known * 1000).to_string());
        rows.push((known, Json::Object(order).to_string()));
    }
    rows.sort_by_key(|(known, _)| *known);
    rows
}

#[test]
fn a_letter_is_listed_shown_and_put_back_once() {
    let dice = &mut Dice::new(29);
    let topic = "shop.letters";
    topic_of(topic, 1);
    // Around now, so that what is replayed now lies within the windows.
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as i64;
    let orders = orders_from(now - 60 * MINUTE, 60, dice);
    let broken = [(None, "{\"order_id\": \"seven\"}"), (Some("k\u{1}"), "no JSON"), (None, "")];
    for ((known, order), (key, broken)) in orders.iter().zip(broken) {
        send(topic, None, *known, order);
        send(topic, key, *known, broken);
    }
    write(topic, 1, &orders[3..], dice);
    let place = project(topic, &orders, "dead_letters = \"shop.letters.dead\"\n");
    let folder = place.path();
    refused(folder, "quarantine list", &["topic `shop.letters.dead` is not at"]);
    run(folder, "stream --until-end");

    let printed = run(folder, "quarantine list");
    let shown: Vec<&str> = printed.lines().collect();
    assert_eq!(shown.len(), 4, "{printed}");
    assert!(shown[1].contains("unreadable") && shown[1].contains("seven"), "{printed}");
    assert_eq!(list(folder)[0]["time"], json!(feat_kernel::time::Instant(orders[0].0 * 1000).to_string()));
    let text = run(folder, "quarantine show shop.letters/0/1");
    assert!(text.contains("order_id") && text.ends_with("{\"order_id\": \"seven\"}\n"), "{text}");
    assert!(run(folder, "quarantine show shop.letters/0/3").contains("key 00000000  6b 01"));
    assert_eq!(run(folder, "quarantine show shop.letters/0/3 --raw"), "no JSON");
    refused(
        folder,
        "quarantine show shop.letters/0/2",
        &["no letter of shop.letters/0/2", "quarantine list"],
    );
    refused(
        folder,
        "quarantine replay shop.letters/0/1 shop.letters/0/2",
        &["no letter of shop.letters/0/2"],
    );
    assert_eq!(places(folder).len(), 3, "nothing was replayed");

    // One is corrected, one is replayed as it is, and is a letter again: of its new place.
    let mended = json!({
        "order_id": 1_000_000, "user_id": "u1", "amount": 12.5,
        "at": feat_kernel::time::Instant((now - MINUTE) * 1000).to_string(),
        "seen": feat_kernel::time::Instant((now - MINUTE) * 1000).to_string(),
    });
    fs::write(folder.join("mended.json"), mended.to_string()).expect("a file");
    let said = run(folder, "quarantine replay shop.letters/0/1 --value mended.json");
    assert!(said.contains("1 letter replayed"), "{said}");
    let said = run(folder, "quarantine replay shop.letters/0/1 shop.letters/0/3");
    assert!(
        said.contains("shop.letters/0/1 was replayed before") && said.contains("1 letter replayed"),
        "{said}"
    );
    assert_eq!(places(folder), ["shop.letters/0/5"]);
    run(folder, "stream --until-end");
    let found = places(folder);
    assert_eq!(found.len(), 2, "{found:?}");
    let found = records(topic);
    assert_eq!(found.len(), 65);
    assert_eq!((found[63].1.as_str(), found[64].1.as_str()), (mended.to_string().as_str(), "no JSON"));

    // A view that is filled anew meets the same records: their letters were replayed and stay away.
    run(folder, "stream --until-end --refill");
    assert_eq!(places(folder).len(), 2);
    run(folder, "quarantine replay shop.letters/0/1");
    assert_eq!(records(topic).len(), 65);

    // What is served is what a file of the topic's rows gives.
    let rows = file_of(topic);
    let replayed = project(topic, &rows, "");
    fs::write(replayed.path().join("orders.jsonl"), lines(&rows)).expect("a file");
    run(replayed.path(), "stream --replay --until-end");
    let last = rows.last().expect("rows").0;
    let answered = answers(folder, last);
    assert_eq!(answered, answers(replayed.path(), last));
    assert_eq!(answered["u1"]["recent.last"]["value"], json!(12.5), "{answered:?}");

    let bare = project(topic, &orders, "");
    refused(bare.path(), "quarantine list", &["dead_letters ="]);
}

#[test]
fn a_replay_that_is_killed_or_overtaken_puts_each_letter_back_once() {
    let topic = "shop.killed";
    let count = 1000;
    topic_of(topic, 1);
    let raw = producer(broker(), &[]);
    for number in 0..count {
        let value = format!("no JSON {number}");
        let record = BaseRecord::<(), str>::to(topic).partition(0).timestamp(START).payload(&value);
        raw.send(record).map_err(|(cause, _)| cause).expect("room");
    }
    raw.flush(SOON).expect("the broker has them");
    let place = project(topic, &[], "dead_letters = \"shop.killed.dead\"\n");
    fs::write(place.path().join("orders.jsonl"), "{}").expect("a file");
    let folder = place.path();
    run(folder, "stream --until-end");
    assert_eq!(list(folder).len(), count);
    let reader: BaseConsumer =
        broker().client().set("isolation.level", "read_uncommitted").create().expect("a consumer");
    let replay = || {
        let mut replay = command(folder, &words("quarantine replay --all"));
        replay.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let written = |count: i64| {
        wait_for("records of the replay", || (length(&reader, topic) >= count).then_some(()));
    };
    // Killed at some moment within or between transactions, three times.
    for more in [20, 150, 90] {
        let before = length(&reader, topic);
        let mut killed = replay();
        written(before + more);
        killed.kill().expect("it runs");
        killed.wait().expect("it ended");
    }
    // One that hangs, is taken for dead, and comes back.
    let before = length(&reader, topic);
    let zombie = replay();
    written(before + 100);
    signal(&zombie, "STOP");
    run(folder, "quarantine replay --all");
    signal(&zombie, "CONT");
    let ended = zombie.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(1), "{}", printed(&ended));
    assert!(printed(&ended).contains("another replay"), "{}", printed(&ended));
    assert!(places(folder).is_empty());
    let mut times = BTreeMap::<String, usize>::new();
    for (_, value) in records(topic) {
        *times.entry(value).or_default() += 1;
    }
    assert_eq!(times.len(), count);
    let wrong: Vec<_> = times.iter().filter(|(_, times)| **times != 2).collect();
    assert!(wrong.is_empty(), "{} not twice, such as {:?}", wrong.len(), wrong[0]);
}

#[test]
fn late_rows_are_kept_once_each_and_are_not_put_back_as_they_are() {
    let dice = &mut Dice::new(31);
    let topic = "shop.late";
    topic_of(topic, 1);
    let orders = orders(120, dice);
    write(topic, 1, &orders, dice);
    let late = "  known seen\n  lateness 40m\n";
    let groups = "features wide of user from orders { n = count() over 1d }\n";
    let place = |more: &str| {
        let place = project(topic, &orders, more);
        let path = place.path().join("shop.feat");
        let spec = fs::read_to_string(&path).expect("a spec").replace("  known seen\n", late);
        fs::write(&path, spec + groups).expect("a file");
        place
    };
    let kept = place("dead_letters = \"shop.late.dead\"\n");
    let folder = kept.path();
    let output = feat(folder, &words("stream --until-end --json"));
    assert!(printed(&output).contains("kept as dead letters"), "{}", printed(&output));
    let counts: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    let number = counts[0]["late"].as_u64().expect("a number");
    assert!(number > 20 && counts[1]["late"] == counts[0]["late"], "{counts}");
    // By the definition: how long after it happened an order became known.
    let expected: Vec<String> = (orders.iter().enumerate())
        .filter(|(_, (known, order))| {
            let order: Json = serde_json::from_str(order).expect("JSON");
            let at =
                feat_kernel::time::Instant::parse(order["at"].as_str().expect("a text")).expect("an instant");
            known - at.0 / 1000 > 40 * MINUTE
        })
        .map(|(offset, _)| format!("{topic}/0/{offset}"))
        .collect();
    let mut found = places(folder);
    found.sort_by_key(|place| place.rsplit('/').next().and_then(|offset| offset.parse::<u64>().ok()));
    assert_eq!((found.len() as u64, &found), (number, &expected));
    let letter = list(folder)[0].clone();
    assert_eq!(letter["kind"], json!("late"));
    assert!(letter["reason"].as_str().expect("a reason").contains("after it happened"), "{letter}");
    let first = &expected[0];
    let offset: usize = first.rsplit('/').next().and_then(|offset| offset.parse().ok()).expect("an offset");
    assert_eq!(run(folder, &format!("quarantine show {first} --raw")), orders[offset].1);
    // A view that is filled anew overwrites them.
    run(folder, "stream --until-end --refill");
    assert_eq!(places(folder).len(), expected.len());
    refused(folder, &format!("quarantine replay {first}"), &["is late", "--value", "--refill"]);
    let said = run(folder, "quarantine replay --all");
    assert!(
        said.contains("0 letters replayed") && said.contains(&format!("{number} letters left")),
        "{said}"
    );
    assert_eq!(records(topic).len(), orders.len());
    // They can be counted alone, and what is served is the same.
    let counted = place("dead_letters = \"shop.counted.dead\"\nlate_letters = false\n");
    run(counted.path(), "stream --until-end");
    assert!(places(counted.path()).is_empty());
    let replayed = place("");
    run(replayed.path(), "stream --replay --until-end");
    let last = orders.last().expect("orders").0;
    assert_eq!(answers(folder, last), answers(counted.path(), last));
    assert_eq!(answers(folder, last), answers(replayed.path(), last));
}
