//! A small network of lanes between cities, filled by hand into a store in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use feat_compiler::ir::QName;
use feat_compiler::plan::{GroupPlan, Plans};
use feat_compiler::prepare::Mode;
use feat_dsl::source_map::SourceMap;
use feat_kernel::blob::Blob;
use feat_kernel::column;
use feat_kernel::key::partition;
use feat_kernel::layout::{LogMark, Marker};
use feat_kernel::row::Rows;
use feat_kernel::time::Instant;
use feat_kernel::value::Value;
use feat_serving::{Answer, Catalog, Inputs, LookupError, Status};
use feat_store::{Commit, Committed, Durability, MemoryStore, Store, Write, view_id};

const LANES: &str = r#"
package net

entity city(city: string)
entity lane(origin: string, dest: string)

source parcels: events {
  origin: string?
  dest:   string
  weight: int
  price:  float?
  at:     timestamp
  time at
  batch parquet("parcels.parquet")
  stream kafka("parcels")
}

features lane_stats of lane from parcels {
  n      = count()     over [10m, 1d]
  weight = sum(weight) over 1h
  price  = avg(price)  over 1h
  twice  = weight * 2
}

features lane_brief of lane from parcels {
  ttl 1h
  heaviest = max(weight) over 30m
  parcels  = count() over 30m
}

source departures: events from parcels { city: string? = origin }
source arrivals: events from parcels { city: string = dest }

source hubs: static {
  city: string
  size: int?
  key city
  rows
    | city   | size |
    | "oslo" | 3    |
    | "rome" | null |
}

features hub of city from hubs { keep size  large = size > 2 ?? false }
service hub_sizes of city { hub.* }

features out of city from departures { n = count() over 1h  last_dest = last(dest) over 1d }
features into of city from arrivals { n = count() over 1h }

source offer: request {
  price: float
  bonus: int?
}

derived deal of lane with offer {
  better  = offer.price < (lane_stats.price ?? 0.0)
  minutes = minutes_between(as_of, as_of)
  loaded  = lane_stats.weight + (offer.bonus ?? 0)
  place   = lane.origin
}

service quotes of lane with offer {
  lane_stats.*
  lane_brief.heaviest as top
  deal.*
}

service pairs of start: city(origin), finish: city(dest) {
  start.out.n as left
  finish.out.n as right
}

service cities of city { out.*  into.* }
service twins of city { out.* }
"#;

/// Microseconds of a minute.
pub(crate) const MINUTE: i64 = 60_000_000;
/// When the log begins.
pub(crate) const START: i64 = 1_700_000_000_000_000;
const PARTITIONS: u32 = 4;

/// A parcel: origin, dest, weight, price, minutes after the start.
pub(crate) type Parcel = (&'static str, &'static str, i64, f64, i64);

/// A catalog over a store that holds some parcels.
pub(crate) struct Net {
    pub(crate) plans: Plans,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Catalog,
}

/// A minute of the log.
pub(crate) fn minute(minutes: i64) -> Instant {
    Instant(START + minutes * MINUTE)
}

impl Net {
    /// The network with `parcels` streamed into the groups `names`.
    pub(crate) async fn new(parcels: &[Parcel], names: &[&str]) -> Self {
        let mut sources = SourceMap::new();
        sources.add("lanes.feat", LANES);
        let compiled = feat_compiler::compile(&sources);
        let report =
            feat_dsl::render::render(&compiled.diagnostics, &sources, feat_dsl::render::Color::Never);
        assert!(!compiled.has_errors() && compiled.pending.is_empty(), "{report}");
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let plans = compiled.plans;
        for name in names {
            let name = QName { package: "net".to_owned(), name: (*name).to_owned() };
            fill(&*store, &plans.groups[&name], parcels).await;
        }
        Self { catalog: Catalog::new(&plans, Arc::clone(&store)), plans, store }
    }

    /// All groups.
    pub(crate) async fn full(parcels: &[Parcel]) -> Self {
        Self::new(parcels, &["lane_stats", "lane_brief", "out", "into"]).await
    }

    /// A lookup of one row.
    pub(crate) async fn get(
        &self,
        service: &str,
        keys: &[Value],
        requests: &[Value],
        at: Option<Instant>,
        now: Instant,
    ) -> Result<Answer, LookupError> {
        let service = self.catalog.service(service)?;
        let inputs = Inputs::from_values(&service, keys, requests)?;
        self.catalog.lookup(&service, &inputs, at, now).await
    }
}

/// A string value.
pub(crate) fn text(text: &str) -> Value {
    Value::Str(text.into())
}

/// The values and statuses of row `row` by feature.
pub(crate) fn row(answer: &Answer, row: usize) -> BTreeMap<String, (Value, Status)> {
    answer.features.iter().map(|feature| (feature.selected.name.clone(), feature.at(row))).collect()
}

/// Puts `parcels` into the store as a stream would: every partition at the end of the log.
async fn fill(store: &dyn Store, group: &Arc<GroupPlan>, parcels: &[Parcel]) {
    let (batch, known) = match &group.source.rows {
        Some(rows) => (rows.clone(), Int64Array::from(vec![i64::MIN; rows.num_rows()])),
        None => rows_of(group, parcels),
    };
    let prepared = group.prepare.prepare(&batch, Mode::AsKnown, Some(&known)).unwrap();
    let rows = Rows::new(&group.view, &prepared.rows);
    let mut parts = vec![BTreeMap::<Vec<u8>, Blob>::new(); PARTITIONS as usize];
    for at in 0..rows.len() {
        let key = rows.key(at);
        let blob = parts[partition(key, PARTITIONS) as usize].entry(key.to_vec()).or_default();
        blob.append(&group.view, &rows.row(at));
        blob.advance(&group.view, Instant(known.value(prepared.place.value(at) as usize)));
    }
    let view = view_id(&group.name, group.version, &group.meaning);
    assert_eq!(store.register(&view, PARTITIONS).await.unwrap(), PARTITIONS);
    let commit = |(partition, blobs): (usize, BTreeMap<Vec<u8>, Blob>)| {
        let clock = known.values().last().map_or(Instant::MIN, |&known| Instant(known));
        let mark = LogMark { next: parcels.len() as u64, clock, ..LogMark::default() };
        let logs = [("parcels/0".to_owned(), mark)].into();
        let marker = Marker { logs, nonce: partition as u64, ..Marker::default() };
        let writes: Vec<Write> = blobs
            .into_iter()
            .map(|(key, blob)| (key.into(), Some(blob.encode(&group.view).into())))
            .collect();
        let (view, partition) = (Arc::clone(&view), partition as u32);
        Commit { view, partition, expected: None, marker: marker.encode().into(), writes }
    };
    let commits: Vec<Commit> = parts.into_iter().enumerate().map(commit).collect();
    let committed = store.commit(commits, Durability::Durable).await.unwrap();
    assert!(committed.iter().all(|committed| *committed == Committed::Applied));
}

/// The parcels as the group's source has them.
fn rows_of(group: &GroupPlan, parcels: &[Parcel]) -> (RecordBatch, Int64Array) {
    let columns = [
        parcels.iter().map(|parcel| if parcel.0.is_empty() { Value::Null } else { text(parcel.0) }).collect(),
        parcels.iter().map(|parcel| text(parcel.1)).collect(),
        parcels.iter().map(|parcel| Value::Int(parcel.2)).collect(),
        parcels.iter().map(|parcel| Value::Float(parcel.3)).collect(),
        parcels.iter().map(|parcel| Value::Int(minute(parcel.4).0)).collect::<Vec<_>>(),
    ];
    let source = &group.source;
    let columns =
        source.stored.iter().zip(&columns).map(|(stored, values)| column::array(&stored.slot.ty, values));
    let batch = RecordBatch::try_new(Arc::clone(&source.schema), columns.collect()).unwrap();
    let known: Int64Array = parcels.iter().map(|parcel| minute(parcel.4).0).collect();
    (batch, known)
}
