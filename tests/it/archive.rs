//! `feat archive` on a real Kafka: what the topic has deleted is read from a Delta table.

use std::fs;
use std::process::{Command, Stdio};

use feat_tests::dice::Dice;
use feat_tests::servers::redis::RedisServer;
use feat_tests::servers::wait_for;
use rdkafka::producer::{BaseRecord, Producer};
use serde_json::{Value as Json, json};

use crate::feat::{command, words};
use crate::kafka::{SOON, broker, producer};
use crate::shop::{Order, answers, orders, position, project, refused, run, topic_of, write};

/// Runs `feat archive`: how many records were new, and how far each partition is held.
fn archive(folder: &std::path::Path) -> (u64, Vec<i64>) {
    let told: Json = serde_json::from_str(&run(folder, "archive --until-end --json")).expect("JSON");
    let next = told[0]["next"].as_array().expect("partitions").iter().filter_map(Json::as_i64);
    (told[0]["records"].as_u64().expect("a count"), next.collect())
}

/// Prints the version, how many records there are, how many are no rows, and the sum of a column.
const READ: &str = r#"
import os, sys, deltalake
table = deltalake.DeltaTable(sys.argv[1])
rows = table.to_pyarrow_table(columns=["_partition", "_offset", "_fault", "amount"]).to_pylist()
places = {(row["_partition"], row["_offset"]) for row in rows}
faults = [row for row in rows if row["_fault"] is not None]
print(table.version(), len(rows), len(places), len(faults), all(row["amount"] is None for row in faults), flush=True)
os._exit(0)
"#;

/// What [`READ`] prints of the archive in `folder`.
fn read_by_python(folder: &std::path::Path) -> String {
    let python = std::env::var("FEAT_PYTHON").expect("FEAT_PYTHON names a Python with deltalake");
    let table = folder.join(".feat/offline/archive/shop.orders");
    let output = Command::new(python).args(["-c", READ]).arg(table).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn what_kafka_has_deleted_is_read_from_the_archive() {
    let dice = &mut Dice::new(53);
    let orders = orders(900, dice);
    let last = orders.last().expect("orders").0;
    let (topic, partitions) = ("shop.archived", 3);
    topic_of(topic, partitions);
    let letters = "dead_letters = \"shop.archived.dead\"\n";
    // Answered while it is streamed, as the embedded store is not.
    let redis = RedisServer::start(&[]);
    let place = project(topic, &orders, &format!("{letters}[online]\nurl = \"{}\"\n", redis.url()));
    write(topic, partitions, &orders[..300], dice);
    assert_eq!(archive(place.path()).0, 300);
    // What is no row is kept as well, and is none.
    let raw = producer(broker(), &[]);
    let poison =
        BaseRecord::<str, str>::to(topic).key("k").partition(1).timestamp(orders[300].0).payload("?");
    raw.send(poison).map_err(|(cause, _)| cause).expect("room");
    let gone = BaseRecord::<str, str>::to(topic).key("k").partition(2).timestamp(orders[300].0);
    raw.send(gone).map_err(|(cause, _)| cause).expect("room");
    raw.flush(SOON).expect("the broker has them");
    write(topic, partitions, &orders[300..600], dice);
    let (new, next) = archive(place.path());
    assert_eq!((new, next.iter().sum::<i64>()), (302, 602));
    assert_eq!(archive(place.path()), (0, next.clone()), "the same range again changes nothing");
    assert_eq!(read_by_python(place.path()), "1 602 602 2 True");

    for (partition, next) in next.iter().enumerate() {
        broker().delete_records(topic, partition as i32, *next);
    }
    write(topic, partitions, &orders[600..], dice);
    let bare = project(topic, &orders, letters);
    refused(bare.path(), "stream --until-end", &["kafka:shop.archived/0", "were deleted", "archive"]);

    let replayed = project(topic, &orders, "");
    run(replayed.path(), "stream --replay --until-end");
    let expected = answers(replayed.path(), last);
    // Killed on its way, perhaps in the archive, perhaps behind it, and started again.
    let mut live = command(place.path(), &words("stream"));
    let mut live = live.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    wait_for("the stream", || (position(place.path()) > 0).then_some(()));
    live.kill().expect("it runs");
    live.wait().expect("it ended");
    run(place.path(), "stream --until-end");
    assert_eq!(answers(place.path(), last), expected);
    // A view that is new begins in the archive, too; the records that came since are in the topic alone.
    run(place.path(), "stream --until-end --refill");
    assert_eq!(answers(place.path(), last), expected);
    assert_eq!(archive(place.path()).0, 300);
    run(place.path(), "stream --until-end --refill");
    assert_eq!(answers(place.path(), last), expected);
}

/// Prints the rows of a training set as JSON, by user.
const ROWS: &str = r#"
import json, os, sys, pyarrow.parquet
rows = pyarrow.parquet.read_table(sys.argv[1]).to_pylist()
print(json.dumps({row["user_id"]: {name: row[name] for name in row if name.startswith("recent__")} for row in rows}), flush=True)
os._exit(0)
"#;

#[test]
fn a_training_set_of_an_archive_has_the_values_that_are_served() {
    let dice = &mut Dice::new(59);
    let orders = orders(700, dice);
    let last = orders.last().expect("orders").0;
    let (topic, partitions) = ("shop.history", 2);
    topic_of(topic, partitions);
    write(topic, partitions, &orders, dice);
    let place = project(topic, &orders, "");
    // Without a file of its own the source's history is what was archived.
    let spec = fs::read_to_string(place.path().join("shop.feat")).expect("the spec");
    let spec = spec.replace("  batch  jsonl(\"orders.jsonl\")\n", "");
    fs::write(place.path().join("shop.feat"), spec).expect("the spec");
    fs::remove_file(place.path().join("orders.jsonl")).expect("the file");
    assert_eq!(archive(place.path()).0, 700);
    run(place.path(), "stream --until-end");
    // Half way through the log, so that rows which came before others happened after them.
    for at in [orders[350].0 + 1, last + 60_000] {
        let instant = feat_kernel::time::Instant(at * 1000);
        let users: Vec<String> = (1..=12).map(|user| format!("u{user},{instant}")).collect();
        fs::write(place.path().join("spine.csv"), format!("user_id,at\n{}\n", users.join("\n")))
            .expect("a spine");
        run(place.path(), "train --service shopper --spine spine.csv --time at --out out.parquet");
        let python = std::env::var("FEAT_PYTHON").expect("FEAT_PYTHON names a Python with pyarrow");
        let output = Command::new(python).args(["-c", ROWS]).arg(place.path().join("out.parquet")).output();
        let output = output.expect("Python runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let trained: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        let by_file = project(topic, &orders, "");
        let log: Vec<_> = orders.iter().filter(|(known, _)| *known <= at).cloned().collect();
        fs::write(by_file.path().join("orders.jsonl"), crate::shop::lines(&log)).expect("the log");
        run(by_file.path(), "stream --replay --until-end");
        let served = answers(by_file.path(), at - 60_000);
        let mut filled = 0;
        for (user, features) in &served {
            for (name, feature) in features.as_object().expect("features") {
                let column = name.replace('.', "__");
                assert_eq!(trained[user][&column], feature["value"], "{name} of {user} at {instant}");
                filled += usize::from(feature["value"] != json!(0) && !feature["value"].is_null());
            }
        }
        assert!(filled > 30, "{filled} values are neither null nor zero");
    }
}

#[test]
fn what_a_topic_forgets_between_two_runs_of_the_archive_is_told_of_every_partition() {
    let dice = &mut Dice::new(67);
    let orders = orders(30, dice);
    let topic = "shop.forgets";
    topic_of(topic, 2);
    let place = project(topic, &orders, "");
    let into = |partition, orders: &[Order]| {
        // A new one each time: it knows all partitions that there are.
        let raw = producer(broker(), &[]);
        for (known, order) in orders {
            let record =
                BaseRecord::<(), str>::to(topic).partition(partition).timestamp(*known).payload(order);
            raw.send(record).map_err(|(cause, _)| cause).expect("room");
        }
        raw.flush(SOON).expect("the broker has them");
    };
    into(0, &orders[..20]);
    assert_eq!(archive(place.path()), (20, vec![20, 0]));
    // The other partition had nothing yet, and has lost some of it since.
    into(1, &orders[20..]);
    broker().delete_records(topic, 1, 4);
    let says = ["shop.forgets/1", "begins at offset 4", "from 0 on", "moved away"];
    refused(place.path(), "archive --until-end", &says);
    // And so has one that came since.
    broker().add_partitions(topic, 3);
    fs::remove_dir_all(place.path().join(".feat/offline/archive")).expect("the archive is moved away");
    broker().delete_records(topic, 0, 7);
    assert_eq!(archive(place.path()), (19, vec![20, 10, 0]));
    broker().add_partitions(topic, 4);
    into(3, &orders[..9]);
    broker().delete_records(topic, 3, 5);
    refused(place.path(), "archive --until-end", &["shop.forgets/3", "begins at offset 5", "from 0 on"]);
}

#[test]
fn a_view_is_not_continued_from_an_archive_that_lacks_what_it_has_read() {
    let dice = &mut Dice::new(71);
    let orders = orders(300, dice);
    let last = orders.last().expect("orders").0;
    let topic = "shop.headless";
    topic_of(topic, 1);
    let place = project(topic, &orders, "");
    write(topic, 1, &orders[..200], dice);
    run(place.path(), "stream --until-end");
    broker().delete_records(topic, 0, 120);
    assert_eq!(archive(place.path()), (80, vec![200]));
    write(topic, 1, &orders[200..], dice);
    refused(place.path(), "stream --until-end", &["kafka:shop.headless/0@120", "feat stream --refill"]);
    let rest = project(topic, &orders[120..], "");
    run(rest.path(), "stream --replay --until-end");
    run(place.path(), "stream --until-end --refill");
    assert_eq!(answers(place.path(), last), answers(rest.path(), last));
    let status: Json = serde_json::from_str(&run(place.path(), "status --json")).expect("JSON");
    let text = status.to_string();
    assert!(
        text.contains("kafka:shop.headless/0@120") && !text.contains("kafka:shop.headless/0\""),
        "{text}"
    );
}

#[test]
fn a_topic_that_was_made_anew_is_neither_streamed_nor_archived_on() {
    let dice = &mut Dice::new(73);
    let (first, second) = (orders(40, dice), orders(60, dice));
    let topic = "shop.anew";
    topic_of(topic, 1);
    let place = project(topic, &first, "");
    write(topic, 1, &first, dice);
    run(place.path(), "stream --until-end");
    run(place.path(), "stream --until-end");
    broker().recreate_topic(topic, 1, &[("retention.ms", "-1")]);
    write(topic, 1, &second, dice);
    let says = ["record 39 of log `kafka:shop.anew/0`", "made anew", "--refill"];
    refused(place.path(), "stream --until-end", &says);
    assert_eq!(archive(place.path()), (60, vec![60]));
    broker().recreate_topic(topic, 1, &[("retention.ms", "-1")]);
    write(topic, 1, &first, dice);
    write(topic, 1, &first, dice);
    refused(place.path(), "archive --until-end", &["another record 59", "made anew", "move the folder away"]);
}

#[test]
fn an_archive_that_is_killed_goes_on_without_a_gap_or_a_double() {
    let dice = &mut Dice::new(79);
    let orders = orders(20_000, dice);
    let (topic, partitions) = ("shop.archivist", 3);
    topic_of(topic, partitions);
    let place = project(topic, &orders, "");
    let commits = || {
        let log = fs::read_dir(place.path().join(".feat/offline/archive/shop.orders/_delta_log"));
        let names = log.into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".json")).count()
    };
    for (turn, part) in orders.chunks(4_000).enumerate() {
        let mut running = command(place.path(), &words("archive --every 1"));
        let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        write(topic, partitions, part, dice);
        wait_for("a commit", || (commits() > turn).then_some(()));
        if turn == 0 {
            refused(place.path(), "archive --until-end", &["archive/shop.orders", "another run"]);
        }
        // Of what it reads now some is committed and some is not.
        write(topic, partitions, &part[..1_000], dice);
        running.kill().expect("it runs");
        running.wait().expect("it ended");
    }
    archive(place.path());
    assert!(
        read_by_python(place.path()).ends_with(" 25000 25000 0 True"),
        "{}",
        read_by_python(place.path())
    );
}

#[test]
fn an_archive_is_of_one_topic_with_one_set_of_columns_and_has_no_gap() {
    let dice = &mut Dice::new(61);
    let orders = orders(40, dice);
    let topic = "shop.strict";
    topic_of(topic, 1);
    write(topic, 1, &orders[..20], dice);
    let place = project(topic, &orders, "");
    archive(place.path());
    let spec = fs::read_to_string(place.path().join("shop.feat")).expect("the spec");
    let wider = spec.replace("  amount:   float?\n", "  amount:   float?\n  note: string?\n");
    fs::write(place.path().join("shop.feat"), wider).expect("the spec");
    for command in ["archive --until-end", "stream --until-end"] {
        refused(place.path(), command, &["archive/shop.orders", "had the columns", "move the folder away"]);
    }
    fs::write(place.path().join("shop.feat"), &spec).expect("the spec");
    write(topic, 1, &orders[20..], dice);
    broker().delete_records(topic, 0, 30);
    refused(place.path(), "archive --until-end", &["begins at offset 30", "from 20 on"]);
    let clashing = spec.replace("  amount:   float?\n", "  amount:   float?\n  _raw: string?\n");
    fs::write(place.path().join("shop.feat"), clashing).expect("the spec");
    refused(place.path(), "archive --until-end", &["column `_raw`", "another name"]);
    let unnamed = spec.replace("  stream kafka(\"shop.strict\", format: \"json\")\n", "");
    fs::write(place.path().join("shop.feat"), unnamed).expect("the spec");
    refused(place.path(), "archive --until-end", &["no source has a topic"]);
}
