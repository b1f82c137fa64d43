//! Lookups over gRPC: what is answered, and what is refused.

use std::sync::atomic::Ordering;

use feat_proto::v1;
use feat_proto::v1::get_features_request::Entities;
use feat_proto::v1::value::Kind;
use feat_serving::{Access, Inputs, Limits};
use tonic::Code;

use crate::lanes::{Net, minute, text};
use crate::served::{PARCELS, Served, kind, lane, quotes, string, values};

fn found(
    answer: &v1::GetFeaturesResponse,
    row: usize,
    name: &str,
) -> (Option<Kind>, v1::Status, Option<i64>) {
    let at = answer.features.iter().position(|feature| feature.name == name).unwrap();
    let value = &answer.rows[row].values[at];
    (value.value.as_ref().and_then(|value| value.kind.clone()), value.status(), value.age)
}

#[tokio::test]
async fn an_answer_over_grpc_is_the_catalogs_with_statuses_ages_and_stamps() {
    let net = Net::full(PARCELS).await;
    let same = Net::full(PARCELS).await;
    let served = Served::open(net.catalog).await;
    let mut client = served.client().await;
    let rows = vec![lane("oslo", "rome"), lane("rome", "oslo"), lane("bern", "rome")];
    let answer = client.get_features(quotes(rows)).await.unwrap().into_inner();
    let service = same.catalog.service("quotes").unwrap();
    for (row, (origin, dest)) in
        [("oslo", "rome"), ("rome", "oslo"), ("bern", "rome")].into_iter().enumerate()
    {
        let offer = [feat_kernel::value::Value::Float(14.0), feat_kernel::value::Value::Int(100)];
        let inputs = Inputs::from_values(&service, &[text(origin), text(dest)], &offer).unwrap();
        let alone = same.catalog.lookup(&service, &inputs, None, minute(25)).await.unwrap();
        for feature in &alone.features {
            let (value, status) = feature.at(0);
            let (kind, said, _) = found(&answer, row, &feature.selected.name);
            let value = match value {
                feat_kernel::value::Value::Null => None,
                feat_kernel::value::Value::Int(x) => Some(Kind::Int(x)),
                feat_kernel::value::Value::Float(x) => Some(Kind::Float(x)),
                feat_kernel::value::Value::Bool(x) => Some(Kind::Bool(x)),
                feat_kernel::value::Value::Str(x) => Some(Kind::String(x.to_string())),
                other => panic!("{other:?}"),
            };
            assert_eq!(kind, value, "{} of row {row}", feature.selected.name);
            let name = status.as_str().to_uppercase().replace(' ', "_");
            assert_eq!(
                said.as_str_name(),
                format!("STATUS_{name}"),
                "{} of row {row}",
                feature.selected.name
            );
        }
    }
    assert_eq!(answer.evaluated_at.unwrap().seconds, minute(25).0 / 1_000_000);
    assert!(answer.complete);
    // The lane's last parcel came 5 minutes before; the derived feature is as old as what it reads.
    let five = Some(5 * crate::lanes::MINUTE);
    assert_eq!(found(&answer, 0, "lane_stats.n_1d").2, five);
    assert_eq!(found(&answer, 0, "deal.loaded").2, five);
    assert_eq!(found(&answer, 2, "lane_stats.n_1d").2, None);
    let stamp = answer.stamps.iter().find(|stamp| stamp.group == "net.lane_stats").unwrap();
    let plan = &service.plan().groups[0].group;
    assert_eq!((stamp.version, &stamp.meaning), (1, &plan.meaning.to_string()));
    assert!(stamp.partitions.values().all(|part| part.positions["parcels/0"] == PARCELS.len() as u64));
    assert_eq!(answer.features[0].r#type, "int");
}

#[tokio::test]
async fn columns_say_what_rows_say() {
    let served = Served::open(Net::full(PARCELS).await.catalog).await;
    let mut client = served.client().await;
    let lanes = [("oslo", "rome"), ("rome", "oslo"), ("bern", "rome"), ("oslo", "bern")];
    let rows = quotes(lanes.iter().map(|(origin, dest)| lane(origin, dest)).collect());
    let column = |name: &str, texts: Vec<&str>| v1::Column {
        name: name.to_owned(),
        values: Some(v1::column::Values::Strings(v1::Strings {
            values: texts.into_iter().map(str::to_owned).collect(),
        })),
        nulls: Vec::new(),
    };
    let columns = v1::GetFeaturesRequest {
        entities: Some(Entities::Columns(v1::Columns {
            columns: vec![
                column("origin", lanes.iter().map(|lane| lane.0).collect()),
                column("dest", lanes.iter().map(|lane| lane.1).collect()),
            ],
        })),
        form: v1::Form::Columns.into(),
        ..rows.clone()
    };
    let rows = client.get_features(rows).await.unwrap().into_inner();
    let columns = client.get_features(columns).await.unwrap().into_inner();
    assert_eq!(
        (rows.features.len(), columns.rows.len(), columns.columns.len()),
        (rows.features.len(), 0, rows.features.len())
    );
    for (at, column) in columns.columns.iter().enumerate() {
        let values = column.values.as_ref().unwrap();
        for row in 0..lanes.len() {
            let value = &rows.rows[row].values[at];
            let of_column = match values.values.as_ref().unwrap() {
                v1::column::Values::Ints(ints) => Kind::Int(ints.values[row]),
                v1::column::Values::Floats(floats) => Kind::Float(floats.values[row]),
                v1::column::Values::Bools(bools) => Kind::Bool(bools.values[row]),
                v1::column::Values::Strings(strings) => Kind::String(strings.values[row].clone()),
                other => panic!("{other:?}"),
            };
            let of_column = (!values.nulls.contains(&(row as u32))).then_some(of_column);
            assert_eq!(value.value.clone().unwrap().kind, of_column, "{} of row {row}", values.name);
            assert_eq!(value.status, column.statuses[row]);
            assert_eq!(value.age.unwrap_or(-1), column.ages[row]);
        }
    }
}

#[tokio::test]
async fn several_services_are_answered_at_one_instant() {
    let served = Served::open(Net::full(PARCELS).await.catalog).await;
    let mut client = served.client().await;
    let request = v1::GetFeaturesRequest {
        services: vec!["twins".to_owned(), "net.cities@1".to_owned()],
        entities: Some(Entities::Rows(v1::Rows {
            rows: vec![v1::Row { values: values(&[("city", string("oslo"))]) }],
        })),
        ..v1::GetFeaturesRequest::default()
    };
    let answer = client.get_features(request).await.unwrap().into_inner();
    let names: Vec<(&str, &str)> =
        answer.features.iter().map(|feature| (feature.service.as_str(), feature.name.as_str())).collect();
    assert_eq!(names[0], ("net.twins", "out.n"));
    assert!(names.contains(&("net.cities", "out.n")) && names.contains(&("net.cities", "into.n")));
    assert_eq!(answer.stamps.len(), 2);
    let described =
        client.describe_service(v1::DescribeServiceRequest { service: "quotes".to_owned() }).await;
    let described = described.unwrap().into_inner();
    let inputs: Vec<(&str, &str)> = described
        .keys
        .iter()
        .chain(&described.requests)
        .map(|input| (input.name.as_str(), input.r#type.as_str()))
        .collect();
    assert_eq!(inputs, [("origin", "string"), ("dest", "string"), ("price", "float"), ("bonus", "int?")]);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_what_to_change() {
    let limits = Limits { rows: 3, ..Limits::default() };
    let net = Net::new(PARCELS, &["lane_stats", "lane_brief", "out"]).await;
    let served = Served::start(net.catalog, None, Access::Open, limits).await;
    let mut client = served.client().await;
    let good = quotes(vec![lane("oslo", "rome")]);
    let edit = |edit: &dyn Fn(&mut v1::GetFeaturesRequest)| {
        let mut request = good.clone();
        edit(&mut request);
        request
    };
    let rows = |rows: Vec<v1::Row>| Some(Entities::Rows(v1::Rows { rows }));
    let cases: Vec<(v1::GetFeaturesRequest, Code, &[&str])> = vec![
        (edit(&|one| one.services.clear()), Code::InvalidArgument, &["no service is named"]),
        (
            edit(&|one| one.services = vec!["quots".to_owned()]),
            Code::NotFound,
            &["`quots`", "`net.quotes@1`"],
        ),
        (edit(&|one| one.services = vec!["quotes@2".to_owned()]), Code::NotFound, &["`quotes@2`"]),
        (edit(&|one| one.entities = rows(vec![])), Code::InvalidArgument, &["no row"]),
        (
            edit(&|one| one.entities = rows(vec![lane("a", "b"); 4])),
            Code::ResourceExhausted,
            &["4 rows", "at most 3"],
        ),
        (
            edit(&|one| one.entities = rows(vec![v1::Row { values: values(&[("origin", string("oslo"))]) }])),
            Code::InvalidArgument,
            &["`dest`", "missing", "`origin` (string)"],
        ),
        (
            edit(&|one| {
                let half = v1::Row { values: values(&[("origin", string("oslo"))]) };
                one.entities = rows(vec![lane("oslo", "rome"), half]);
            }),
            Code::InvalidArgument,
            &["`dest` of row 1 is missing"],
        ),
        (
            edit(&|one| {
                let seven =
                    v1::Row { values: values(&[("origin", kind(Kind::Int(7))), ("dest", string("rome"))]) };
                one.entities = rows(vec![seven]);
            }),
            Code::InvalidArgument,
            &["`origin` of row 0", "string", "an int"],
        ),
        (
            edit(&|one| drop(one.inputs.insert("colour".to_owned(), string("red")))),
            Code::InvalidArgument,
            &["`colour`", "`price` (float)"],
        ),
        (edit(&|one| drop(one.inputs.remove("price"))), Code::InvalidArgument, &["`price` is missing"]),
        (
            edit(&|one| drop(one.inputs.insert("price".to_owned(), kind(Kind::Float(f64::NAN))))),
            Code::InvalidArgument,
            &["`price`", "float", "NaN"],
        ),
        (
            edit(&|one| drop(one.inputs.insert("origin".to_owned(), string("oslo")))),
            Code::InvalidArgument,
            &["`origin`", "give it once"],
        ),
        (
            edit(&|one| one.at = Some(prost_types::Timestamp { seconds: 0, nanos: 1 })),
            Code::InvalidArgument,
            &["`at`", "microsecond"],
        ),
        (
            edit(&|one| one.at = Some(prost_types::Timestamp { seconds: minute(1).0 / 1_000_000, nanos: 0 })),
            Code::OutOfRange,
            &["feat train"],
        ),
        (
            v1::GetFeaturesRequest {
                services: vec!["cities".to_owned()],
                inputs: values(&[("city", string("oslo"))]),
                ..v1::GetFeaturesRequest::default()
            },
            Code::FailedPrecondition,
            &["`into`", "no online values yet"],
        ),
    ];
    for (request, code, says) in cases {
        let refused = client.get_features(request).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(says.iter().all(|word| refused.message().contains(word)), "{says:?}: {}", refused.message());
    }
    client.get_features(good).await.unwrap();
}

#[tokio::test]
async fn an_answer_waits_for_completeness_as_long_as_it_is_told() {
    let served = Served::open(Net::full(PARCELS).await.catalog).await;
    served.now.store(minute(40).0, Ordering::SeqCst);
    let mut client = served.client().await;
    let wait = |millis: i32| v1::GetFeaturesRequest {
        wait: Some(prost_types::Duration { seconds: 0, nanos: millis * 1_000_000 }),
        ..quotes(vec![lane("oslo", "rome")])
    };
    // Nothing will come: it answers what there is, and says so.
    let answer = client.get_features(wait(30)).await.unwrap().into_inner();
    assert!(!answer.complete);
    assert_eq!(answer.evaluated_at.unwrap().seconds, minute(40).0 / 1_000_000);
    // The instant that was complete before needs no wait.
    served.now.store(minute(25).0, Ordering::SeqCst);
    assert!(client.get_features(wait(999)).await.unwrap().into_inner().complete);
}
