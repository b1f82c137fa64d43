//! A shop whose orders come by a topic: its project, its orders, and what it answers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use feat_tests::dice::Dice;
use rdkafka::producer::{BaseRecord, Producer};
use serde_json::{Value as Json, json};

use crate::feat::{feat, printed, words};
use crate::kafka::{SOON, broker, producer};

pub(crate) const SPEC: &str = r#"
package shop
entity user(user_id: string)

source orders: events {
  order_id: int
  user_id:  string?
  amount:   float?
  at:       timestamp
  seen:     timestamp

  time at
  known seen
  dedupe by order_id within 1d
  batch  jsonl("orders.jsonl")
  stream kafka("TOPIC", format: "json")
}

features recent of user from orders {
  n      = count()     over [1h, 1d]
  spent  = sum(amount) over [1h, 7d]
  last   = last(amount) over 1d
  median = approx_quantile(amount, q: 0.5) over 7d
}

service shopper of user { recent.* }
"#;

/// 2025-01-01, in milliseconds.
pub(crate) const START: i64 = 1_735_689_600_000;
pub(crate) const MINUTE: i64 = 60_000;

/// An order: the instant at which it became known, in milliseconds, and its JSON.
pub(crate) type Order = (i64, String);

/// Orders with ties, disorder, duplicates and nulls, in the order in which they became known.
pub(crate) fn orders(count: usize, dice: &mut Dice) -> Vec<Order> {
    orders_from(START, count, dice)
}

/// The same, the first of them known at `known` or soon after.
pub(crate) fn orders_from(mut known: i64, count: usize, dice: &mut Dice) -> Vec<Order> {
    let time = |millis: i64| feat_kernel::time::Instant(millis * 1000).to_string();
    let orders = (0..count).map(|_| {
        known += dice.between(0, 3) * MINUTE / 2;
        let user = dice.between(0, 12);
        let order = json!({
            "order_id": dice.between(0, 4 * count as i64 / 5),
            "user_id": (user > 0).then(|| format!("u{user}")),
            "amount": (dice.between(0, 9) > 0).then(|| dice.between(-500, 9999) as f64 / 100.0),
            "at": time(known - dice.between(-5, 90) * MINUTE),
            "seen": time(known),
        });
        (known, order.to_string())
    });
    orders.collect()
}

/// A project over `topic` whose history is `orders`.
pub(crate) fn project(topic: &str, orders: &[Order], more: &str) -> tempfile::TempDir {
    project_at(&broker().bootstrap(), topic, orders, more)
}

/// The same at other brokers.
pub(crate) fn project_at(brokers: &str, topic: &str, orders: &[Order], more: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).expect("a file");
    write("shop.feat", &SPEC.replace("TOPIC", topic));
    write("orders.jsonl", &lines(orders));
    write("feat.toml", &format!("[project]\nname = \"shop\"\n[kafka]\nbrokers = \"{brokers}\"\n{more}"));
    place
}

/// Orders as a file has them.
pub(crate) fn lines(orders: &[Order]) -> String {
    orders.iter().map(|(_, order)| order.as_str()).collect::<Vec<_>>().join("\n")
}

/// Makes a topic. Its records are old, and Kafka deletes by their timestamps unless it is told not to.
pub(crate) fn topic_of(name: &str, partitions: i32) {
    broker().create_topic(name, partitions, &[("retention.ms", "-1")]);
}

/// Writes orders to random partitions.
pub(crate) fn write(topic: &str, partitions: i32, orders: &[Order], dice: &mut Dice) {
    let producer = producer(broker(), &[]);
    for (known, order) in orders {
        let partition = dice.between(0, i64::from(partitions)) as i32;
        let record = BaseRecord::<(), str>::to(topic).partition(partition).timestamp(*known).payload(order);
        producer.send(record).map_err(|(cause, _)| cause).expect("room in the queue");
    }
    producer.flush(SOON).expect("the broker has them");
}

/// Runs a command that must succeed; what it printed.
pub(crate) fn run(folder: &Path, what: &str) -> String {
    let output = feat(folder, &words(what));
    assert!(output.status.success(), "{what}: {}", printed(&output));
    printed(&output)
}

/// Runs a command that must be refused, saying every one of these.
pub(crate) fn refused(folder: &Path, what: &str, says: &[&str]) {
    let output = feat(folder, &words(what));
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{what}: {text}");
    assert!(says.iter().all(|word| text.contains(word)), "{what} does not say {says:?}: {text}");
}

/// What every user's lookup answers at an instant after the last order.
pub(crate) fn answers(folder: &Path, last: i64) -> BTreeMap<String, Json> {
    let at = feat_kernel::time::Instant((last + MINUTE) * 1000);
    let answer = |user: String| {
        let output = feat(folder, &words(&format!("get shopper user_id={user} --at {at} --json")));
        assert!(output.status.success(), "{}", printed(&output));
        let answer: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        (user, answer["features"].clone())
    };
    (1..=12).map(|user| answer(format!("u{user}"))).collect()
}

/// How many records the answers of a partition of the view include; none while nobody answers.
pub(crate) fn position(folder: &Path) -> u64 {
    let output = feat(folder, &words("get shopper user_id=u1 --json"));
    let answer: Json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let stamp = answer["stamp"]["shop.recent"]["positions"].as_object().cloned().unwrap_or_default();
    stamp.values().filter_map(Json::as_u64).sum()
}

/// Sends a signal by its name, such as `TERM` or `STOP`.
pub(crate) fn signal(process: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.id().to_string()]).status();
    assert!(sent.expect("kill runs").success(), "kill -s {name}");
}
