//! A small shop whose log is streamed in every possible way, and what is then in the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use feat_compiler::ir::QName;
use feat_compiler::plan::{GroupPlan, Plans, SourcePlan};
use feat_dsl::source_map::SourceMap;
use feat_kernel::assemble::{Assembled, assemble};
use feat_kernel::blob::Blob;
use feat_kernel::column;
use feat_kernel::layout::{LogMark, Marker};
use feat_kernel::time::Instant;
use feat_kernel::types::Type;
use feat_kernel::value::Value;
use feat_store::{Bytes, Read, Store, view_id};
use feat_streaming::error::SourceError;
use feat_streaming::{
    ArchivedRecord, Bootstrap, Holding, LogBatch, LogStream, Options, Reached, Replay, Report, Source,
    StreamError, run,
};
use futures::StreamExt;
use proptest::prelude::*;

const SHOP: &str = r#"
package shop

entity user(user_id: string)

source orders: events {
  order_id: string
  user_id:  string?
  amount:   float?
  city:     string?
  at:       timestamp
  seen:     timestamp

  time at
  known seen
  dedupe by order_id within 10m
  lateness 3h
  batch parquet("orders.parquet")
  stream kafka("orders")
}

features recent of user from orders {
  n     = count()     over [2m, 1h]
  spent = sum(amount) over [10m, 2h]
  city  = last(city)  over 1h
  big   = count() where amount > 50.0 over 1h
}

features ever of user from orders where amount > 10.0 {
  n     = count()       over all
  first = first(amount) over all
}

features briefly of user from orders {
  ttl 30m
  largest = max(amount) over 5m
}

source cities: static {
  name:   string
  people: int
  key name
  rows
    | name   | people |
    | "Oslo" | 700000 |
    | "Rome" | 2800000 |
}

entity city(name: string)

features about of city from cities { keep people }
"#;

/// Microseconds of a minute.
pub(crate) const MINUTE: i64 = 60_000_000;
/// Where the log begins.
pub(crate) const START: i64 = 1_700_000_000_000_000;

/// The project's plans.
pub(crate) fn plans() -> Plans {
    let mut sources = SourceMap::new();
    sources.add("shop.feat", SHOP);
    let compiled = feat_compiler::compile(&sources);
    let report = feat_dsl::render::render(&compiled.diagnostics, &sources, feat_dsl::render::Color::Never);
    assert!(!compiled.has_errors() && compiled.pending.is_empty(), "{report}");
    compiled.plans
}

/// The groups `names` of `plans`.
pub(crate) fn groups(plans: &Plans, names: &[&str]) -> Vec<Arc<GroupPlan>> {
    let name = |name: &&str| QName { package: "shop".to_owned(), name: (*name).to_owned() };
    names.iter().map(|group| Arc::clone(&plans.groups[&name(group)])).collect()
}

/// The groups of the orders that are streamed.
pub(crate) fn streamed(plans: &Plans) -> Vec<Arc<GroupPlan>> {
    groups(plans, &["recent", "ever", "briefly"])
}

/// An order, in minutes and small numbers.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) id: u8,
    pub(crate) user: Option<u8>,
    pub(crate) amount: Option<u8>,
    /// Since the order before became known.
    pub(crate) gap: i64,
    /// How long before it became known it happened; below zero it is ahead of its time.
    pub(crate) age: i64,
}

/// Logs of orders with ties, disorder, duplicates, nulls and gaps.
pub(crate) fn orders(most: usize) -> impl Strategy<Value = Vec<Order>> {
    let user = prop::option::weighted(0.95, 0_u8..12);
    let gap = prop_oneof![4 => Just(0_i64), 4 => 1_i64..4, 1 => 30_i64..300];
    let age = prop_oneof![4 => 0_i64..3, 2 => -5_i64..100, 1 => 100_i64..300];
    let order = (0_u8..40, user, prop::option::weighted(0.9, 0_u8..100), gap, age)
        .prop_map(|(id, user, amount, gap, age)| Order { id, user, amount, gap, age });
    prop::collection::vec(order, 0..most)
}

/// The orders as one batch of the log.
pub(crate) fn log(plans: &Plans, orders: &[Order]) -> LogBatch {
    let source = &groups(plans, &["recent"])[0].source;
    let text = |text: String| Value::Str(text.into());
    let (mut columns, mut known) = (vec![Vec::new(); 6], Vec::new());
    let mut clock = START;
    for order in orders {
        clock += order.gap * MINUTE;
        known.push(clock);
        let row = [
            text(format!("o{}", order.id)),
            order.user.map_or(Value::Null, |user| text(format!("u{user}"))),
            order.amount.map_or(Value::Null, |amount| Value::Float(f64::from(amount) / 4.0 * 3.0)),
            order.amount.filter(|amount| amount % 3 > 0).map_or(Value::Null, |x| text(format!("c{}", x % 5))),
            Value::Int(clock - order.age * MINUTE),
            Value::Int(clock),
        ];
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    let types = source.stored.iter().map(|column| &column.slot.ty);
    let columns = types.zip(&columns).map(|(ty, values)| column::array(ty, values)).collect();
    let batch = RecordBatch::try_new(Arc::clone(&source.schema), columns).unwrap();
    LogBatch::consecutive(batch, Int64Array::from(known), 0)
}

/// The orders as their producer wrote them.
fn values(orders: &[Order]) -> Vec<Bytes> {
    let mut clock = START;
    let value = |order: &Order| {
        clock += order.gap * MINUTE;
        let text = |name, text: Option<String>| text.map(|text| format!(r#""{name}": "{text}""#));
        let amount = order.amount.map(|amount| format!(r#""amount": {}"#, f64::from(amount) / 4.0 * 3.0));
        let city = order.amount.filter(|amount| amount % 3 > 0).map(|amount| format!("c{}", amount % 5));
        let columns = [
            text("order_id", Some(format!("o{}", order.id))),
            text("user_id", order.user.map(|user| format!("u{user}"))),
            amount,
            text("city", city),
            text("at", Some(Instant(clock - order.age * MINUTE).to_string())),
            text("seen", Some(Instant(clock).to_string())),
        ];
        let columns: Vec<String> = columns.into_iter().flatten().collect();
        Bytes::from(format!("{{{}}}", columns.join(", ")))
    };
    orders.iter().map(value).collect()
}

/// The log in batches of `size` records.
pub(crate) fn batches(log: &LogBatch, size: u64) -> Vec<LogBatch> {
    (0..log.end.next).step_by(size as usize).filter_map(|from| log.between(from, from + size)).collect()
}

/// A log whose records are spread over several parts, at offsets with gaps.
pub(crate) struct Parts {
    logs: Vec<Arc<str>>,
    seed: u64,
    /// The part and the offset of each record.
    places: Vec<(usize, u64)>,
    batch: LogBatch,
}

impl Parts {
    pub(crate) fn new(log: &LogBatch, parts: usize, seed: u64) -> Self {
        let mut next = vec![0; parts];
        let places = (0..log.known.len() as u64).map(|row| {
            let dice = mix(seed ^ row);
            let part = dice as usize % parts;
            let offset: u64 = next[part] + (dice >> 32) % 3;
            next[part] = offset + 1;
            (part, offset)
        });
        let places = places.collect();
        Self {
            logs: (0..parts).map(|part| format!("orders/{part}").into()).collect(),
            seed,
            places,
            batch: log.clone(),
        }
    }

    /// The records whose offsets are less than `stop`, as one log.
    pub(crate) fn before(&self, log: &LogBatch, stop: u64) -> LogBatch {
        let rows: Vec<u32> =
            (0..self.places.len() as u32).filter(|row| self.places[*row as usize].1 < stop).collect();
        let known = rows.iter().map(|&row| log.known.value(row as usize)).collect::<Vec<_>>();
        let rows = arrow::array::UInt32Array::from(rows);
        LogBatch::consecutive(arrow::compute::take_record_batch(&log.batch, &rows).unwrap(), known.into(), 0)
    }

    /// The parts as a source that mixes their records in its own way each `turn`.
    pub(crate) fn mixed(&self, turn: u64) -> Mixed {
        let mut parts: Vec<Vec<LogBatch>> = vec![Vec::new(); self.logs.len()];
        for (row, &(log, offset)) in self.places.iter().enumerate() {
            let dice = mix(self.seed ^ turn ^ row as u64) >> 7;
            let one =
                LogBatch::consecutive(self.batch.batch.slice(row, 1), self.batch.known.slice(row, 1), offset);
            let one = LogBatch { log, ..one };
            let before = parts[log].last().map_or(0, |before: &LogBatch| before.end.next);
            if dice.is_multiple_of(5) && before < offset {
                // Nothing but what is no row, which moves the position alone.
                let (batch, known) = (one.batch.slice(0, 0), one.known.slice(0, 0));
                let clock = parts[log].last().map_or(Instant::MIN, |before| before.end.clock);
                let (end, offsets) = (Reached { next: offset, clock }, one.offsets.slice(0, 0));
                parts[log].push(LogBatch { log, batch, known, offsets, end, originals: None });
            }
            parts[log].push(one);
        }
        let mut batches = Vec::new();
        let mut dice = self.seed ^ turn;
        for part in &mut parts {
            part.reverse();
        }
        while parts.iter().any(|part| !part.is_empty()) {
            dice = mix(dice);
            let part = dice as usize % parts.len();
            batches.extend(parts[part].pop());
        }
        Mixed { logs: self.logs.clone(), batches }
    }
}

impl Parts {
    /// The parts with an archive, which holds of `orders` what lies before some offset of each part and
    /// what is no row besides. The topic has only the others.
    pub(crate) fn archived(&self, source: &Arc<SourcePlan>, orders: &[Order], turn: u64) -> Bootstrap<Mixed> {
        let dice = |part: usize| mix(self.seed ^ turn.rotate_left(20) ^ part as u64) as usize;
        let ends = (0..self.logs.len()).map(|part| self.places.iter().filter(move |place| place.0 == part));
        let held = ends.enumerate().map(|(part, places)| {
            let offsets: Vec<u64> = places.map(|place| place.1).collect();
            // At a record, between two, or at the end.
            offsets.get(dice(part) % (offsets.len() + 1)).copied().or(offsets.last().map(|last| last + 1))
        });
        let held: Vec<u64> = held.map(Option::unwrap_or_default).collect();
        let mut records: Vec<ArchivedRecord> = Vec::new();
        let mut reached: Vec<Reached> = vec![Reached { next: 0, clock: Instant::MIN }; held.len()];
        for ((&(log, offset), value), &known) in
            self.places.iter().zip(values(orders)).zip(self.batch.known.values())
        {
            if offset >= held[log] {
                continue;
            }
            let record = |offset, clock, value| ArchivedRecord { log, offset, clock, value };
            for gap in reached[log].next..offset {
                let nothing = (gap % 2 == 0).then(|| Bytes::from_static(b"no row"));
                records.push(record(gap, reached[log].clock, nothing));
            }
            records.push(record(offset, Instant(known), Some(value)));
            reached[log] = Reached { next: offset + 1, clock: Instant(known) };
        }
        reached.iter_mut().zip(&held).for_each(|(reached, &next)| reached.next = next);
        let mut topic = self.mixed(turn);
        topic.batches =
            topic.batches.iter().filter_map(|batch| batch.between(held[batch.log], u64::MAX)).collect();
        let held = reached.iter().map(|&end| Holding { first: 0, end }).collect();
        Bootstrap::new(source, topic, held, move |from: Vec<u64>| {
            let asked = records.iter().filter(|record| record.offset >= from[record.log]);
            let asked: Vec<ArchivedRecord> = asked.cloned().collect();
            async move {
                let some: Vec<_> = asked.chunks(7).map(|some| Ok(some.to_vec())).collect();
                Ok(futures::stream::iter(some).boxed())
            }
        })
    }
}

/// `orders` as a log of one part that begins at offset `first`, with an archive of what lies before `held`. The
/// topic has only the others.
pub(crate) fn archived_from(plans: &Plans, orders: &[Order], first: u64, held: u64) -> Bootstrap<Replay> {
    let whole = log(plans, orders);
    let record = |(offset, value)| {
        let (offset, clock) = (offset as u64, Instant(whole.known.value(offset)));
        ArchivedRecord { log: 0, offset, clock, value: Some(value) }
    };
    let records = values(orders).into_iter().enumerate().map(record);
    let records: Vec<_> = records.skip(first as usize).take((held - first) as usize).collect();
    let clock = records.last().map_or(Instant::MIN, |record| record.clock);
    let topic = Replay::of("orders/0", vec![whole.between(held, u64::MAX).unwrap()]);
    let source = &groups(plans, &["recent"])[0].source;
    let holding = Holding { first, end: Reached { next: held, clock } };
    Bootstrap::new(source, topic, vec![holding], move |from: Vec<u64>| {
        let asked: Vec<_> = records.iter().filter(|record| record.offset >= from[0]).cloned().collect();
        async move { Ok(futures::stream::iter([Ok(asked)]).boxed()) }
    })
}

/// Parts of a log, their batches in some order.
pub(crate) struct Mixed {
    logs: Vec<Arc<str>>,
    batches: Vec<LogBatch>,
}

#[async_trait::async_trait]
impl Source for Mixed {
    fn logs(&self) -> &[Arc<str>] {
        &self.logs
    }

    async fn read(&self, from: &[LogMark]) -> Result<LogStream, SourceError> {
        let later = self.batches.iter().filter_map(|batch| batch.between(from[batch.log].next, u64::MAX));
        Ok(futures::stream::iter(later.map(Ok).collect::<Vec<_>>()).boxed())
    }
}

/// A number that looks random.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The log as a source.
pub(crate) fn source(log: &LogBatch, size: u64) -> Replay {
    Replay::of("orders/0", batches(log, size))
}

/// Runs without a word.
pub(crate) async fn stream(
    store: &Arc<dyn Store>,
    groups: &[Arc<GroupPlan>],
    source: &dyn Source,
    options: &Options,
) -> Result<Report, StreamError> {
    run(store, groups, source, options, &|_| {}).await
}

/// Everything that is kept of one partition of a view.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    /// The marker without its nonce.
    pub(crate) marker: Marker,
    pub(crate) blobs: BTreeMap<Bytes, Bytes>,
}

/// Everything that is kept of some groups, by group and partition.
pub(crate) async fn dump(store: &dyn Store, groups: &[Arc<GroupPlan>]) -> BTreeMap<(String, u32), Kept> {
    let mut found = BTreeMap::new();
    for group in groups {
        let view = view_id(&group.name, group.version, &group.meaning);
        for partition in 0..store.partitions(&view).await.unwrap().unwrap_or(0) {
            let read = Read { view: Arc::clone(&view), partition, keys: Vec::new() };
            let marker = store.read(vec![read]).await.unwrap().remove(0).marker;
            let marker = marker.map_or_else(Marker::default, |marker| Marker::decode(&marker).unwrap());
            let blobs = store.scan(&view, partition, None, usize::MAX).await.unwrap().into_iter().collect();
            found.insert(
                (group.name.name.clone(), partition),
                Kept { marker: Marker { nonce: 0, ..marker }, blobs },
            );
        }
    }
    found
}

/// What a lookup of every user gives at `t`, by group and user.
pub(crate) async fn answers(
    store: &dyn Store,
    groups: &[Arc<GroupPlan>],
    t: Instant,
) -> Vec<(String, u8, Assembled)> {
    let kept = dump(store, groups).await;
    let mut found = Vec::new();
    for group in groups {
        for user in 0..12 {
            let user_id: Arc<str> = format!("u{user}").into();
            let mut key = Vec::new();
            assert!(feat_kernel::key::put(&mut key, [Value::Str(user_id).as_ref()].into_iter()));
            let blobs = kept.iter().filter(|((name, _), _)| *name == group.name.name);
            let mut blobs = blobs.filter_map(|(_, kept)| kept.blobs.get(&*key));
            let blob = blobs.next().map(|bytes| Blob::decode(&group.view, bytes).unwrap());
            assert!(blobs.next().is_none(), "an entity is in one partition");
            found.push((group.name.name.clone(), user, assemble(&group.view, blob.as_ref(), t)));
        }
    }
    found
}

/// The two cities as a log.
pub(crate) fn cities(plans: &Plans) -> LogBatch {
    let source = &groups(plans, &["about"])[0].source;
    let batch = source.rows.clone().expect("the rows are in the text");
    assert_eq!(source.stored[0].slot.ty, Type::String);
    let known = Int64Array::from(vec![i64::MIN; batch.num_rows()]);
    LogBatch::consecutive(batch, known, 0)
}
