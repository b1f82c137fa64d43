//! The records that are written: rows as they should be, and everything that goes wrong with records.

use std::collections::VecDeque;

use feat_tests::dice::Dice;
use feat_tests::oracle::time::instant_text;
use serde_json::{Map, Value as Json, json};

use crate::tally::Tally;

/// 2025-01-01, in milliseconds.
const START: i64 = 1_735_689_600_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// From the first record to the last: longer than the longest window and every `ttl`, so that rows leave
/// windows, tiles become coarse and entities are swept while all this goes on.
const SPAN: i64 = 6 * 24 * HOUR;

/// The topics, named as the sources are, each with its partitions and its share of the records.
pub(crate) const TOPICS: [(&str, usize, i64); 3] = [("orders", 3, 60), ("clicks", 2, 30), ("plans", 1, 10)];

/// A record to be written.
pub(crate) struct Record {
    /// Which of [`TOPICS`].
    pub(crate) topic: usize,
    pub(crate) partition: usize,
    /// Its timestamp, in milliseconds.
    pub(crate) stamp: i64,
    pub(crate) value: Value,
}

/// What a record holds.
pub(crate) enum Value {
    Row(Map<String, Json>),
    /// What is no row of its source.
    Poison(Vec<u8>),
    /// Nothing, as compaction leaves it.
    Tombstone,
}

/// Whose rows they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entities {
    pub(crate) users: i64,
    pub(crate) shops: i64,
}

/// Draws records.
pub(crate) struct Records {
    dice: Dice,
    entities: Entities,
    /// The time of day in the log, in milliseconds, and how far a record moves it at most.
    head: i64,
    step: i64,
    orders: i64,
    /// Orders that may come again.
    sent: VecDeque<Map<String, Json>>,
    tally: Tally,
}

impl Records {
    /// About `count` of them.
    pub(crate) fn new(dice: Dice, entities: Entities, count: i64, tally: Tally) -> Self {
        let step = 2 * SPAN / count.max(1);
        Self { dice, entities, head: START, step, orders: 0, sent: VecDeque::new(), tally }
    }

    /// The time of day in the log, in milliseconds.
    pub(crate) fn head(&self) -> i64 {
        self.head
    }

    pub(crate) fn draw(&mut self) -> Record {
        // Some records share their instant with the one before.
        if self.dice.once_in(5) {
            self.tally.count("records of one instant");
        } else {
            self.head += self.dice.between(0, 5 * self.step / 4);
        }
        let shares = TOPICS.iter().map(|(.., share)| share).sum();
        let mut at = self.dice.between(0, shares);
        let topic = TOPICS.iter().position(|(.., share)| {
            at -= share;
            at < 0
        });
        let topic = topic.unwrap_or_default();
        let partition = self.partition(TOPICS[topic].1);
        let stamp = self.stamp();
        let value = match self.dice.between(0, 40) {
            0 => self.poison(topic),
            1 => {
                self.tally.count("tombstones");
                Value::Tombstone
            }
            _ => Value::Row(match topic {
                0 => self.order(stamp),
                1 => self.click(stamp),
                _ => self.plan(),
            }),
        };
        Record { topic, partition, stamp, value }
    }

    /// The last partition hears little, so that the clock of the others runs ahead of its.
    fn partition(&mut self, partitions: usize) -> usize {
        let drawn = self.dice.between(0, partitions as i64) as usize;
        if drawn + 1 == partitions && partitions > 1 && !self.dice.once_in(4) { 0 } else { drawn }
    }

    /// A producer's timestamp: mostly now, at times of long ago.
    fn stamp(&mut self) -> i64 {
        match self.dice.between(0, 10) {
            0 => {
                self.tally.count("records out of order");
                self.head - self.dice.between(MINUTE, 2 * HOUR)
            }
            1..5 => self.head - self.dice.between(0, 5 * MINUTE),
            _ => self.head,
        }
    }

    fn user(&mut self) -> String {
        // Some are asked for and heard of more often than others.
        let most = if self.dice.once_in(3) { self.entities.users / 8 } else { self.entities.users };
        format!("u{}", self.dice.between(0, most.max(1)))
    }

    fn order(&mut self, stamp: i64) -> Map<String, Json> {
        if !self.sent.is_empty() && self.dice.once_in(8) {
            self.tally.count("duplicate records");
            let at = self.dice.between(0, self.sent.len() as i64) as usize;
            let mut again = self.sent[at].clone();
            again.insert("seen".to_owned(), text(self.head - self.dice.between(0, 2) * MINUTE));
            if self.dice.once_in(4) {
                again.insert("amount".to_owned(), self.amount());
            }
            return again;
        }
        self.orders += 1;
        let seen = match self.dice.between(0, 12) {
            // Known later than its record came: it waits.
            0 => stamp + self.dice.between(MINUTE, 5 * HOUR),
            1 => stamp - self.dice.between(0, HOUR),
            _ => stamp - stamp.rem_euclid(MINUTE),
        };
        let at = self.happened(seen);
        let shop = self.dice.between(0, self.entities.shops);
        let row = json!({
            "order_id": (!self.dice.once_in(30)).then_some(self.orders),
            "user_id": (!self.dice.once_in(25)).then(|| self.user()),
            // A null where none may stand: a row that is quarantined, not poison.
            "shop_id": (!self.dice.once_in(50)).then_some(shop),
            "amount": self.amount(),
            "paid": !self.dice.once_in(3),
            "at": text(at),
            "seen": text(seen),
            "note": "a field that nobody declared",
        });
        let row = object(row);
        self.sent.push_back(row.clone());
        if self.sent.len() > 2000 {
            self.sent.pop_front();
        }
        row
    }

    /// When something happened of which one heard at `seen`.
    fn happened(&mut self, seen: i64) -> i64 {
        match self.dice.between(0, 14) {
            0 => {
                self.tally.count("late records");
                seen - 6 * HOUR - self.dice.between(1, 20 * HOUR)
            }
            // As late as can be and still count.
            1 => seen - 6 * HOUR,
            // From the future: it happened when it became known.
            2 => seen + self.dice.between(1, 3 * HOUR),
            3 | 4 => seen - self.dice.between(0, 6 * HOUR),
            _ => seen - self.dice.between(0, 10) * MINUTE,
        }
    }

    /// Amounts of very different sizes: a sum that rounds on its way is found out.
    fn amount(&mut self) -> Json {
        match self.dice.between(0, 10) {
            0 => Json::Null,
            1 => json!(self.dice.between(-4, 5) as f64 * 1e15 + 0.3),
            2 => json!(self.dice.between(-1000, 1000) as f64 * 1e-9),
            _ => json!(self.dice.between(-500, 20_000) as f64 / 100.0),
        }
    }

    fn click(&mut self, stamp: i64) -> Map<String, Json> {
        let at = self.happened(stamp);
        object(json!({
            "user_id": self.user(),
            "page": self.dice.pick(&[Some("home"), Some("cart"), Some("search"), None]),
            "ms": (!self.dice.once_in(9)).then_some(self.dice.between(0, 90_000)),
            "robot": self.dice.once_in(7).then_some(true),
            "at": text(at),
        }))
    }

    fn plan(&mut self) -> Map<String, Json> {
        let seen = self.head - self.dice.between(0, 3) * MINUTE;
        let at = seen - self.dice.between(0, 4) * HOUR;
        object(json!({
            "user_id": self.user(),
            "tier": self.dice.pick(&[Some("free"), Some("plus"), Some("firm"), None]),
            "seats": self.dice.between(1, 9),
            "at": text(at),
            "seen": text(seen),
        }))
    }

    fn poison(&mut self, topic: usize) -> Value {
        self.tally.count("poison records");
        let broken: [&[u8]; 6] = [
            b"no JSON at all",
            b"",
            b"[1, 2]",
            b"{\"at\": \"2025-01-01T00:00:00Z\", \"user_id\": \"u1\"",
            b"{\"user_id\": \"\xff\xfe\"}",
            b"{\"user_id\": 7, \"at\": \"2025-01-01T00:00:00Z\"}",
        ];
        let wrong: &[u8] = match topic {
            0 => b"{\"user_id\": \"u1\", \"amount\": \"much\"}",
            1 => b"{\"user_id\": \"u1\", \"ms\": 1.5}",
            _ => b"{\"user_id\": \"u1\", \"seats\": true}",
        };
        let drawn = self.dice.between(0, 8) as usize;
        Value::Poison(broken.get(drawn).map_or(wrong, |broken| *broken).to_vec())
    }
}

fn text(millis: i64) -> Json {
    Json::String(instant_text(millis * 1000))
}

fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}
