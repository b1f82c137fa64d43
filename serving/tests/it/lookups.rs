//! What a lookup answers: values, statuses, instants and stamps.

use std::sync::Arc;

use crate::lanes::{MINUTE, Net, minute, row, text};
use arrow::array::{Float32Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use feat_kernel::time::Instant;
use feat_kernel::value::Value;
use feat_serving::{Inputs, LookupError, Status};

const PARCELS: &[crate::lanes::Parcel] = &[
    ("oslo", "rome", 5, 10.0, 0),
    ("oslo", "rome", 7, 20.0, 20),
    ("", "oslo", 1, 1.0, 21),
    ("rome", "oslo", i64::MAX, 3.0, 22),
    ("rome", "oslo", i64::MAX, 3.0, 23),
    ("oslo", "bern", 9, 30.0, 30),
];

const OFFER: [Value; 2] = [Value::Float(14.0), Value::Int(100)];

fn lane(origin: &str, dest: &str) -> [Value; 2] {
    [text(origin), text(dest)]
}

#[tokio::test]
async fn values_carry_how_they_came_to_be() {
    let net = Net::full(PARCELS).await;
    let answer = net.get("quotes", &lane("oslo", "rome"), &OFFER, None, minute(25)).await.unwrap();
    assert_eq!((answer.evaluated_at, answer.complete), (minute(25), true));
    let found = row(&answer, 0);
    let present = |value: Value| (value, Status::Present);
    assert_eq!(found["lane_stats.n_10m"], present(Value::Int(1)));
    assert_eq!(found["lane_stats.n_1d"], present(Value::Int(2)));
    assert_eq!(found["lane_stats.weight"], present(Value::Int(12)));
    assert_eq!(found["lane_stats.price"], present(Value::Float(15.0)));
    assert_eq!(found["lane_stats.twice"], present(Value::Int(24)));
    assert_eq!(found["top"], present(Value::Int(7)));
    assert_eq!(found["deal.better"], present(Value::Bool(true)));
    assert_eq!(found["deal.loaded"], present(Value::Int(112)));
    assert_eq!(found["deal.place"], present(text("oslo")));
    let columns: Vec<&str> = answer.features.iter().map(|feature| &*feature.selected.column).collect();
    assert_eq!(columns[..2], ["lane_stats__n_10m", "lane_stats__n_1d"]);
    assert!(columns.contains(&"top") && columns.contains(&"deal__better"));
}

#[tokio::test]
async fn a_lane_that_was_never_seen_is_empty_and_absent_where_there_is_a_ttl() {
    let net = Net::full(PARCELS).await;
    let answer = net.get("quotes", &lane("bern", "rome"), &OFFER, None, minute(25)).await.unwrap();
    let found = row(&answer, 0);
    assert_eq!(found["lane_stats.n_1d"], (Value::Int(0), Status::Empty));
    assert_eq!(found["lane_stats.weight"], (Value::Int(0), Status::Empty));
    assert_eq!(found["lane_stats.price"], (Value::Null, Status::Empty));
    assert_eq!(found["top"], (Value::Null, Status::Absent));
    assert_eq!(found["deal.better"], (Value::Bool(false), Status::Empty));
    assert_eq!(found["deal.loaded"], (Value::Int(100), Status::Empty));
}

#[tokio::test]
async fn a_sum_that_does_not_fit_is_an_overflow_and_so_is_what_is_made_of_it() {
    let net = Net::full(PARCELS).await;
    let answer = net.get("quotes", &lane("rome", "oslo"), &OFFER, None, minute(25)).await.unwrap();
    let found = row(&answer, 0);
    for name in ["lane_stats.weight", "lane_stats.twice", "deal.loaded"] {
        assert_eq!(found[name], (Value::Null, Status::Overflow), "{name}");
    }
    assert_eq!(found["lane_stats.n_10m"], (Value::Int(2), Status::Present));
    assert_eq!(found["deal.better"], (Value::Bool(false), Status::Present));
}

#[tokio::test]
async fn an_expression_that_cannot_be_evaluated_is_an_error_of_its_row_alone() {
    let parcels = [("oslo", "rome", i64::MAX / 2 + 1, 1.0, 0), ("oslo", "bern", 3, 1.0, 1)];
    let net = Net::full(&parcels).await;
    let answer = net.get("quotes", &lane("oslo", "rome"), &OFFER, None, minute(5)).await.unwrap();
    let found = row(&answer, 0);
    assert_eq!(found["lane_stats.weight"], (Value::Int(i64::MAX / 2 + 1), Status::Present));
    assert_eq!(found["lane_stats.twice"], (Value::Null, Status::Error));
    let huge = [Value::Float(1.0), Value::Int(i64::MAX)];
    let answer = net.get("quotes", &lane("oslo", "bern"), &huge, None, minute(5)).await.unwrap();
    let found = row(&answer, 0);
    assert_eq!(found["lane_stats.twice"], (Value::Int(6), Status::Present));
    assert_eq!(found["deal.loaded"], (Value::Null, Status::Error));
}

#[tokio::test]
async fn a_null_key_has_no_entity_and_needs_no_store() {
    let net = Net::full(PARCELS).await;
    let keys = [Value::Null, text("rome")];
    let answer = net.get("quotes", &keys, &OFFER, None, minute(25)).await.unwrap();
    let found = row(&answer, 0);
    assert_eq!(found["lane_stats.n_1d"], (Value::Null, Status::NoKey));
    assert_eq!(found["top"], (Value::Null, Status::NoKey));
    assert_eq!(found["deal.loaded"].1, Status::NoKey);
    assert!(answer.complete && answer.stamp.iter().all(|stamp| stamp.partitions.is_empty()));
}

#[tokio::test]
async fn windows_slide_although_nothing_arrives() {
    let net = Net::full(PARCELS).await;
    for (now, n, weight) in [(29, 1, 12), (31, 0, 12), (66, 0, 7), (90, 0, 0)] {
        let answer = net.get("quotes", &lane("oslo", "rome"), &OFFER, None, minute(now)).await.unwrap();
        let found = row(&answer, 0);
        assert_eq!(found["lane_stats.n_10m"].0, Value::Int(n), "{now}");
        assert_eq!(found["lane_stats.weight"].0, Value::Int(weight), "{now}");
    }
    let answer = net.get("quotes", &lane("oslo", "rome"), &OFFER, None, minute(3 * 1440)).await.unwrap();
    assert_eq!(row(&answer, 0)["lane_stats.n_1d"], (Value::Int(0), Status::Empty));
    assert_eq!(row(&answer, 0)["top"], (Value::Null, Status::Absent));
}

#[tokio::test]
async fn an_instant_that_the_state_has_left_behind_is_refused_with_the_earliest() {
    let net = Net::full(PARCELS).await;
    let early = net.get("quotes", &lane("oslo", "rome"), &OFFER, Some(minute(20)), minute(99)).await;
    let Err(LookupError::TooEarly { at, earliest }) = early else { panic!("{early:?}") };
    assert_eq!((at, earliest), (minute(20), minute(20).next()));
    let exact = net.get("quotes", &lane("oslo", "rome"), &OFFER, Some(earliest), minute(99)).await.unwrap();
    assert_eq!(exact.evaluated_at, earliest);
    // By default a clock that was read is never in the future of the answer.
    let late = net.get("quotes", &lane("oslo", "rome"), &OFFER, None, minute(-500)).await.unwrap();
    assert_eq!(late.evaluated_at, earliest);
    // The state of an entity that was never written can answer for any instant.
    let never =
        net.get("quotes", &lane("bern", "bern"), &OFFER, Some(minute(-500)), minute(99)).await.unwrap();
    assert_eq!((never.evaluated_at, never.complete), (minute(-500), true));
}

#[tokio::test]
async fn an_answer_is_complete_before_the_clock_of_what_it_read_and_not_at_it() {
    let net = Net::full(PARCELS).await;
    for (at, complete) in [(29, true), (30, false), (31, false)] {
        let answer =
            net.get("quotes", &lane("oslo", "rome"), &OFFER, Some(minute(at)), minute(0)).await.unwrap();
        assert_eq!((answer.complete, answer.complete_to), (complete, minute(30)), "{at}");
    }
    let answer = net.get("quotes", &lane("oslo", "rome"), &OFFER, None, minute(40)).await.unwrap();
    let stamp = &answer.stamp[0];
    assert_eq!((stamp.group.as_str(), stamp.version), ("net.lane_stats", 1));
    assert_eq!(stamp.positions()["parcels/0"], PARCELS.len() as u64);
    assert_eq!(stamp.partitions.len(), 1);
}

#[tokio::test]
async fn a_deleted_entity_stands_for_the_clock_of_the_sweep() {
    let net = Net::full(PARCELS).await;
    let group = net.plans.groups.values().find(|group| group.name.name == "into").unwrap();
    let view = feat_store::view_id(&group.name, group.version, &group.meaning);
    for partition in 0..4 {
        let read = feat_store::Read { view: Arc::clone(&view), partition, keys: vec![] };
        let expected = net.store.read(vec![read]).await.unwrap().remove(0).marker.unwrap();
        let marker = feat_kernel::layout::Marker::decode(&expected).unwrap();
        let marker = feat_kernel::layout::Marker { swept_to: minute(28), nonce: 99, ..marker };
        let commit = feat_store::Commit {
            view: Arc::clone(&view),
            partition,
            expected: Some(expected),
            marker: marker.encode().into(),
            writes: vec![],
        };
        net.store.commit(vec![commit], feat_store::Durability::Durable).await.unwrap();
    }
    let early = net.get("cities", &[text("paris")], &[], Some(minute(28)), minute(99)).await;
    assert!(
        matches!(early, Err(LookupError::TooEarly { earliest, .. }) if earliest == minute(28).next()),
        "{early:?}"
    );
    net.get("cities", &[text("paris")], &[], Some(minute(29)), minute(99)).await.unwrap();
}

#[tokio::test]
async fn a_row_group_serves_the_newest_row_and_nulls_where_there_is_none() {
    let net = Net::new(&[], &["hub"]).await;
    let cases = [
        ("oslo", Value::Int(3), true, Status::Present),
        ("rome", Value::Null, false, Status::Present),
        ("bern", Value::Null, false, Status::Empty),
    ];
    for (city, size, large, status) in cases {
        let answer = net.get("hub_sizes", &[text(city)], &[], None, minute(0)).await.unwrap();
        let found = row(&answer, 0);
        assert_eq!(found["hub.size"], (size, status), "{city}");
        let large = if status == Status::Empty { Value::Null } else { Value::Bool(large) };
        assert_eq!(found["hub.large"], (large, status), "{city}");
    }
}

#[tokio::test]
async fn two_roles_read_one_group_by_two_keys() {
    let net = Net::full(PARCELS).await;
    let answer = net.get("pairs", &lane("oslo", "rome"), &[], None, minute(31)).await.unwrap();
    let found = row(&answer, 0);
    assert_eq!((found["left"].0.clone(), found["right"].0.clone()), (Value::Int(3), Value::Int(2)));
    assert_eq!(answer.stamp.len(), 1, "one view, one stamp: {:?}", answer.stamp);
}

#[tokio::test]
async fn many_rows_get_what_each_gets_alone() {
    let net = Net::full(PARCELS).await;
    let origins = [Some("oslo"), Some("rome"), None, Some("oslo"), Some("nowhere"), Some("oslo")];
    let dests = [Some("rome"), Some("oslo"), Some("oslo"), Some("bern"), Some("rome"), Some("rome")];
    let prices = [14.0_f32, 1.0, 2.0, 3.0, f32::NAN, 16.0];
    let bonus = [Some(1), None, Some(3), Some(4), Some(5), Some(6)];
    let schema = Schema::new(vec![
        Field::new("bonus", DataType::Int32, true),
        Field::new("note", DataType::Utf8, true),
        Field::new("dest", DataType::Utf8, true),
        Field::new("origin", DataType::Utf8, true),
        Field::new("price", DataType::Float32, true),
    ]);
    let batch = RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(Int32Array::from(bonus.to_vec())),
            Arc::new(StringArray::from(vec!["not asked for"; 6])),
            Arc::new(StringArray::from(dests.to_vec())),
            Arc::new(StringArray::from(origins.to_vec())),
            Arc::new(Float32Array::from(prices.to_vec())),
        ],
    )
    .unwrap();
    let service = net.catalog.service("net.quotes").unwrap();
    let inputs = Inputs::from_batch(&service, &batch, "keys.parquet").unwrap();
    let answer = net.catalog.lookup(&service, &inputs, None, minute(45)).await.unwrap();
    assert_eq!((answer.rows, answer.batch().num_rows()), (6, 6));
    for at in 0..6 {
        let value = |text_of: Option<&str>| text_of.map_or(Value::Null, text);
        let price = if prices[at].is_nan() { Value::Null } else { Value::Float(f64::from(prices[at])) };
        let requests = [price, bonus[at].map_or(Value::Null, |bonus| Value::Int(i64::from(bonus)))];
        let keys = [value(origins[at]), value(dests[at])];
        let alone = net.get("quotes", &keys, &requests, Some(minute(45)), minute(0)).await.unwrap();
        assert_eq!(row(&answer, at), row(&alone, 0), "row {at}");
    }
    let none = Inputs::from_batch(&service, &batch.slice(0, 0), "keys.parquet").unwrap();
    let answer = net.catalog.lookup(&service, &none, None, minute(45)).await.unwrap();
    assert_eq!((answer.rows, answer.batch().num_rows()), (0, 0));
    assert_eq!(answer.batch().schema(), answer.batch().schema());
}

#[tokio::test]
async fn a_group_that_was_never_streamed_says_what_to_do() {
    let net = Net::new(PARCELS, &["out"]).await;
    let error = net.get("cities", &[text("oslo")], &[], None, minute(40)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "group `into` version 1 has no online values yet: fill them with `feat stream --group into`, or with `feat load into` if no stream keeps it up"
    );
    net.get("twins", &[text("oslo")], &[], None, minute(40)).await.unwrap();
}

#[tokio::test]
async fn what_is_asked_wrongly_is_named() {
    let net = Net::full(PARCELS).await;
    let error = net.catalog.service("quotas").unwrap_err().to_string();
    assert!(error.contains("no service `quotas`") && error.contains("`net.quotes@1`"), "{error}");
    let service = net.catalog.service("quotes").unwrap();
    let error = Inputs::from_values(&service, &lane("oslo", "rome"), &[]).unwrap_err();
    assert!(error.to_string().contains("2 keys and 2 request inputs, found 2 and 0"), "{error}");
    let schema = Schema::new(vec![Field::new("origin", DataType::Utf8, true)]);
    let batch =
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(StringArray::from(vec!["oslo"]))]).unwrap();
    let error = Inputs::from_batch(&service, &batch, "keys.parquet").unwrap_err().to_string();
    assert!(error.contains("keys.parquet has no column `dest`"), "{error}");
}

#[tokio::test]
async fn what_does_not_decode_names_its_view_and_partition() {
    let net = Net::full(PARCELS).await;
    let group = net.plans.groups.values().find(|group| group.name.name == "out").unwrap();
    let view = feat_store::view_id(&group.name, group.version, &group.meaning);
    for partition in 0..4 {
        let read = feat_store::Read { view: Arc::clone(&view), partition, keys: vec![] };
        let expected = net.store.read(vec![read]).await.unwrap().remove(0).marker;
        let keys = net.store.scan(&view, partition, None, 99).await.unwrap();
        let writes = keys.into_iter().map(|(key, _)| (key, Some("?".into()))).collect();
        let (view, marker) = (Arc::clone(&view), expected.clone().unwrap());
        let commit = feat_store::Commit { view, partition, expected, marker, writes };
        net.store.commit(vec![commit], feat_store::Durability::Durable).await.unwrap();
    }
    let error = net.get("twins", &[text("oslo")], &[], None, minute(40)).await.unwrap_err();
    assert!(matches!(error, LookupError::Codec(_)), "{error:?}");
    assert!(error.to_string().contains("view `net.out@1#"), "{error}");
}

#[test]
fn statuses_are_ordered_by_how_bad_they_are() {
    let words =
        [Status::Present, Status::Empty, Status::Absent, Status::NoKey, Status::Overflow, Status::Error];
    assert!(words.is_sorted());
    let words: Vec<&str> = words.iter().map(|status| status.as_str()).collect();
    assert_eq!(words, ["present", "empty", "absent", "no key", "overflow", "error"]);
    assert_eq!(minute(1), Instant(crate::lanes::START + MINUTE));
}
