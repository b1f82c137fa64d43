//! Datasets with labels, and offline tables.

use std::sync::Arc;

use crate::support::{MINUTE, compile, ints, session, tables, times};
use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use feat_batch::{Grid, Mode, Request, Tables, TrainingSet, materialize};
use feat_compiler::plan::Plans;
use feat_kernel::time::{Instant, Micros};
use futures::TryStreamExt;

const SPEC: &str = r#"
entity shop(shop: string)
entity order(id: int)

source orders: events {
  id: int
  shop: string
  amount: float
  late: bool
  ts: timestamp
  big: bool = amount > 10.0
  time ts
  known after 5m
  batch parquet("orders.parquet")
}

source good_orders: events from orders where amount > 0.0 {}

features load of shop from orders {
  n = count() over 1h every 5m
  total = sum(amount) over 1h every 5m
}

labels trouble of shop from orders {
  late_ones = count() where late next 30m
  after_ten = count() next 10m after 10m
}

service judge of shop { load.* }

dataset train {
  service judge
  spine good_orders at ts
  where not big
  label trouble.late_ones, trouble.after_ten
}
"#;

fn orders() -> Tables {
    // Minutes 0, 5, 10, …, 95; every third one late; one big, one of nothing.
    let rows: Vec<i64> = (0..20).collect();
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(rows.clone())) as ArrayRef),
        (
            "shop",
            Arc::new(StringArray::from_iter_values(
                rows.iter().map(|row| if row % 2 == 0 { "a" } else { "b" }),
            )),
        ),
        (
            "amount",
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| match row {
                3 => 11.0,
                4 => -1.0,
                _ => 1.0,
            }))),
        ),
        ("late", Arc::new(rows.iter().map(|row| Some(row % 3 == 0)).collect::<BooleanArray>())),
        ("ts", times(rows.iter().map(|row| row * 5 * MINUTE).collect())),
    ])
    .unwrap();
    tables("orders", feat_batch::Table::batches(batch.schema(), vec![batch]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_takes_the_rows_of_its_source_and_leaves_out_unsettled_labels() {
    let plans: Plans = compile(SPEC);
    let dataset = Arc::clone(plans.datasets.values().next().unwrap());
    let request = Request::Dataset(dataset);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("train.parquet");
    let manifest = feat_batch::build(&session(None), &orders(), &request, Mode::AsKnown, &out).await.unwrap();
    let set = crate::support::read(&out);
    let names: Vec<&str> = set.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(
        names,
        [
            "id",
            "shop",
            "amount",
            "late",
            "ts",
            "big",
            "load__n",
            "load__total",
            "trouble__late_ones",
            "trouble__after_ten"
        ]
    );
    // The log is complete to minute 100, so the last row with a settled label is that of minute 70;
    // order 3 is big and order 4 is none of the source's.
    let ids: Vec<Option<i64>> = (0..15).filter(|id| ![3, 4].contains(id)).map(Some).collect();
    assert_eq!(ints(&set, "id"), ids);
    assert_eq!(manifest.rows_without_labels, 5);
    assert_eq!(manifest.labels_complete_to.as_deref(), Some("1970-01-01T01:40:00Z"));
    let expected = |id: i64, from: i64, to: i64, count: fn(i64) -> bool| {
        (0..20)
            .filter(|row| {
                row % 2 == id % 2 && (id * 5 + from..id * 5 + to).contains(&(row * 5)) && count(*row)
            })
            .count() as i64
    };
    let late: Vec<Option<i64>> =
        ids.iter().map(|id| id.map(|id| expected(id, 0, 30, |row| row % 3 == 0))).collect();
    assert_eq!(ints(&set, "trouble__late_ones"), late);
    let after: Vec<Option<i64>> = ids.iter().map(|id| id.map(|id| expected(id, 10, 20, |_| true))).collect();
    assert_eq!(ints(&set, "trouble__after_ten"), after);
    // Known five minutes later, so the row itself never counts, nor does one of five minutes ago.
    let n: Vec<Option<i64>> = ids.iter().map(|id| id.map(|id| expected(id, -60, -4, |_| true))).collect();
    assert_eq!(ints(&set, "load__n"), n);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_keeps_its_period_and_a_stable_sample() {
    let period = "period 1970-01-01T00:10:00Z to 1970-01-01T00:40:00Z";
    let text = SPEC.replace("trouble.after_ten\n", &format!("trouble.after_ten\n  {period}\n"));
    let rows = |text: String| async move {
        let plans = compile(&text);
        let request = Request::Dataset(Arc::clone(plans.datasets.values().next().unwrap()));
        let set = TrainingSet::plan(&session(None), &orders(), &request, Mode::AsKnown).await.unwrap();
        let rows: Vec<RecordBatch> = set.stream().await.unwrap().try_collect().await.unwrap();
        rows.iter().flat_map(|batch| ints(batch, "id")).flatten().collect::<Vec<i64>>()
    };
    assert_eq!(rows(text.clone()).await, [2, 5, 6, 7]);
    let sampled = text.replace(period, &format!("{period}\n  sample 40% by id"));
    let once = rows(sampled.clone()).await;
    assert_eq!(once, rows(sampled).await);
    assert!(once.iter().all(|id| [2, 5, 6, 7].contains(id)));
}

async fn contents(location: &str) -> Vec<(String, i64, i64, f64, String)> {
    let context = deltalake::delta_datafusion::create_session().into_inner();
    let table = deltalake::open_table(deltalake::ensure_table_uri(location).unwrap()).await.unwrap();
    context.register_table("t", table.table_provider().await.unwrap()).unwrap();
    let query = "select shop, at, n, total, cast(day as string) as day from t order by at, shop";
    let batches = context.sql(query).await.unwrap().collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        let text = |name: &str| {
            arrow::compute::cast(batch.column_by_name(name).unwrap(), &arrow::datatypes::DataType::Utf8)
                .unwrap()
        };
        let (shops, days) = (text("shop"), text("day"));
        let at = feat_kernel::column::int64(batch.column_by_name("at").unwrap());
        for row in 0..batch.num_rows() {
            rows.push((
                shops.as_string::<i32>().value(row).to_owned(),
                at.value(row),
                ints(batch, "n")[row].unwrap(),
                crate::support::floats(batch, "total")[row].unwrap(),
                days.as_string::<i32>().value(row).to_owned(),
            ));
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_materialized_table_holds_every_known_entity_and_repeats_to_the_same() {
    let plans = compile(SPEC);
    let group = Arc::clone(&plans.groups[0]);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    let grid = |from: i64, to: i64| Grid {
        from: Instant(from * MINUTE),
        to: Instant(to * MINUTE),
        every: Micros(30 * MINUTE),
    };
    let day = 24 * 60;
    let done = materialize(&session(None), &orders(), &group, grid(-day, day), &root).await.unwrap();
    let rows = contents(&done.location).await;
    // Both shops are known from minute 30 on, shop `a` with the order of minute 0 among them.
    assert_eq!(rows.len() as u64, done.rows);
    assert_eq!(rows[0], ("a".to_owned(), 30 * MINUTE, 3, 1.0, "1970-01-01".to_owned()));
    assert_eq!(rows[1], ("b".to_owned(), 30 * MINUTE, 3, 13.0, "1970-01-01".to_owned()));
    assert_eq!(rows.len(), 2 * 47);
    // A part of the period again, not on the edges of days, and all of it again.
    let part = materialize(&session(None), &orders(), &group, grid(60, 120), &root).await.unwrap();
    assert_eq!(part.version, done.version + 1);
    assert_eq!(contents(&done.location).await, rows);
    materialize(&session(None), &orders(), &group, grid(-day, day), &root).await.unwrap();
    assert_eq!(contents(&done.location).await, rows);
    // The next day comes beside it.
    materialize(&session(None), &orders(), &group, grid(day, 2 * day), &root).await.unwrap();
    assert_eq!(contents(&done.location).await.len(), 2 * 47 + 2 * 48);
}
