//! `feat serve` as its callers see it: lookups that equal those of the command line, training sets that equal
//! those of `feat train`, and applies that change what is answered without a restart.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use feat_proto::v1;
use feat_proto::v1::online_service_client::OnlineServiceClient;
use feat_proto::v1::registry_service_client::RegistryServiceClient;
use feat_proto::v1::reproduce_training_set_request::Part;
use feat_proto::v1::training_service_client::TrainingServiceClient;
use feat_proto::v1::training_set_event::Event;
use feat_proto::v1::value::Kind;
use feat_tests::dice::Dice;
use feat_tests::servers::authority::Authority;
use serde_json::Value as Json;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request};

use crate::server::Server;
use crate::shop::{MINUTE, Order, SPEC, START, lines, orders, run};

fn project(orders: &[Order]) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    let spec = SPEC.replace("  stream kafka(\"TOPIC\", format: \"json\")\n", "");
    fs::write(place.path().join("shop.feat"), spec).expect("a file");
    fs::write(place.path().join("orders.jsonl"), lines(orders)).expect("a file");
    let toml = "[project]\nname = \"shop\"\n[sources.orders]\nreplay = \"orders.jsonl\"\n";
    fs::write(place.path().join("feat.toml"), toml).expect("a file");
    place
}

fn of_user(user: &str, service: &str, at: i64) -> v1::GetFeaturesRequest {
    let key = v1::Value { kind: Some(Kind::String(user.to_owned())) };
    v1::GetFeaturesRequest {
        services: vec![service.to_owned()],
        inputs: [("user_id".to_owned(), key)].into(),
        at: Some(prost_types::Timestamp { seconds: at / 1000, nanos: 0 }),
        ..v1::GetFeaturesRequest::default()
    }
}

/// A value as the command line prints it.
fn json(value: &v1::Value) -> Json {
    match &value.kind {
        None => Json::Null,
        Some(Kind::Int(x)) => (*x).into(),
        Some(Kind::Float(x)) => (*x).into(),
        other => panic!("{other:?}"),
    }
}

/// The features of a user, as `feat get --json` has them.
async fn answered(channel: &Channel, request: v1::GetFeaturesRequest) -> Json {
    let answer = OnlineServiceClient::new(channel.clone()).get_features(request).await.unwrap().into_inner();
    let values = answer.features.iter().zip(&answer.rows[0].values);
    let said = |value: &v1::FeatureValue| {
        let status = value.status().as_str_name().trim_start_matches("STATUS_").to_lowercase();
        serde_json::json!({ "value": json(value.value.as_ref().unwrap()), "status": status.replace('_', " ") })
    };
    values
        .map(|(feature, value)| (feature.name.clone(), said(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_equal_those_of_the_command_line_and_follow_what_is_applied() {
    let orders = orders(300, &mut Dice::new(107));
    let last = orders[299].0 / 1000 * 1000 + MINUTE;
    let place = project(&orders);
    let folder = place.path();
    run(folder, "apply");
    run(folder, "stream --replay --until-end");
    let at = feat_kernel::time::Instant(last * 1000);
    let told: Vec<Json> = (1..=12)
        .map(|user| {
            let said = run(folder, &format!("get shopper user_id=u{user} --at {at} --json"));
            let answer: Json = serde_json::from_str(&said).expect("JSON");
            answer["features"].clone()
        })
        .collect();
    let server = Server::start(folder, "");
    let channel = server.channel().await;
    for (user, told) in told.iter().enumerate() {
        let request = of_user(&format!("u{}", user + 1), "shopper", last);
        assert_eq!(answered(&channel, request).await, *told);
    }
    // Applied by a client, from another process: answered without a restart once it is deployed.
    let mut registry = RegistryServiceClient::new(channel.clone());
    let text = fs::read_to_string(folder.join("shop.feat")).expect("a file");
    let file = |text: &str| vec![v1::File { path: "shop.feat".to_owned(), text: text.to_owned() }];
    let broken = registry.plan(v1::PlanRequest { files: file("features x") }).await.unwrap_err();
    assert_eq!(broken.code(), Code::InvalidArgument);
    let more = format!("{text}\nservice brief of user {{ recent.n_1h }}\n");
    let plan = registry.plan(v1::PlanRequest { files: file(&more) }).await.unwrap().into_inner();
    assert_eq!(plan.changes.len(), 1, "{plan:?}");
    assert_eq!(plan.changes[0].urn, "urn:feat:service:shop/shop.brief");
    let stale = v1::ApplyRequest { files: file(&more), plan_hash: "0123".to_owned() };
    assert_eq!(registry.apply(stale).await.unwrap_err().code(), Code::Aborted);
    let apply = v1::ApplyRequest { files: file(&more), plan_hash: plan.plan_hash };
    assert_eq!(registry.apply(apply).await.unwrap().into_inner().revision, 2);
    let brief = async {
        let mut online = OnlineServiceClient::new(channel.clone());
        while online.get_features(of_user("u1", "brief", last)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), brief).await.expect("it is answered");
    let found =
        registry.get_object(v1::GetObjectRequest { name: "brief".to_owned() }).await.unwrap().into_inner();
    assert_eq!((found.kind.as_str(), found.version.unwrap().revision), ("service", 2));
    let edges = registry
        .get_lineage(v1::GetLineageRequest {
            name: "orders.amount".to_owned(),
            direction: v1::Direction::Downstream.into(),
            depth: 0,
        })
        .await
        .unwrap()
        .into_inner()
        .edges;
    assert!(edges.iter().any(|edge| edge.to == "shop.shopper"), "{edges:?}");
    assert_eq!(server.stop(), Some(0));
}

/// A spine as Arrow: users and instants.
fn spine(rows: &[(&str, i64)]) -> (RecordBatch, Vec<u8>) {
    let users: StringArray = rows.iter().map(|(user, _)| Some(*user)).collect();
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(_, at)| at * 1000))
        .with_timezone("UTC");
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Schema::new(vec![Field::new("user_id", DataType::Utf8, true), Field::new("t", utc, true)]);
    let columns: Vec<ArrayRef> = vec![Arc::new(users), Arc::new(times)];
    let batch = RecordBatch::try_new(Arc::new(schema), columns).expect("columns of one length");
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("memory");
    writer.write(&batch).expect("memory");
    (batch, writer.into_inner().expect("memory"))
}

fn header(service: &str) -> v1::TrainingSetHeader {
    v1::TrainingSetHeader {
        of: Some(v1::training_set_header::Of::Service(service.to_owned())),
        time: "t".to_owned(),
        ..v1::TrainingSetHeader::default()
    }
}

fn parts(header: v1::TrainingSetHeader, spine: &[u8]) -> Vec<v1::CreateTrainingSetRequest> {
    use v1::create_training_set_request::Part;
    let chunk = |bytes: &[u8]| v1::CreateTrainingSetRequest { part: Some(Part::Spine(bytes.to_vec())) };
    let first = v1::CreateTrainingSetRequest { part: Some(Part::Header(header)) };
    std::iter::once(first).chain(spine.chunks(700).map(chunk)).collect()
}

/// What a call sends: its rows, and the set it ended with.
async fn received(
    mut events: tonic::Streaming<v1::TrainingSetEvent>,
) -> Result<(RecordBatch, v1::TrainingSet), tonic::Status> {
    let (mut bytes, mut finished) = (Vec::new(), None);
    while let Some(event) = events.message().await? {
        match event.event {
            Some(Event::Arrow(chunk)) => bytes.extend(chunk),
            Some(Event::Finished(set)) => finished = Some(set),
            _ => {}
        }
    }
    let reader = StreamReader::try_new(std::io::Cursor::new(bytes), None).expect("an Arrow stream");
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().expect("sound batches");
    Ok((concat_batches(&schema, &batches).expect("one schema"), finished.expect("it ended")))
}

/// An applied shop of 300 orders, and a spine of 500 rows over it: the batch and its Arrow stream.
fn asked() -> (tempfile::TempDir, RecordBatch, Vec<u8>) {
    let place = project(&orders(300, &mut Dice::new(109)));
    run(place.path(), "apply");
    let dice = &mut Dice::new(113);
    let users: Vec<String> = (0..500).map(|_| format!("u{}", dice.between(1, 14))).collect();
    let rows: Vec<(&str, i64)> =
        users.iter().map(|user| (user.as_str(), START + dice.between(0, 3000) * MINUTE)).collect();
    let (batch, sent) = spine(&rows);
    (place, batch, sent)
}

/// The requests of a set that is made again: its name, then its spine if that was sent.
fn again(
    id: &str,
    spine: &[u8],
) -> impl tokio_stream::Stream<Item = v1::ReproduceTrainingSetRequest> + use<> {
    let part = |part| v1::ReproduceTrainingSetRequest { part: Some(part) };
    let chunks: Vec<_> = spine.chunks(900).map(|bytes| part(Part::Spine(bytes.to_vec()))).collect();
    tokio_stream::iter(std::iter::once(part(Part::Id(id.to_owned()))).chain(chunks))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn training_sets_equal_those_of_the_command_line_and_can_be_made_again() {
    let (place, batch, sent) = asked();
    let folder = place.path();
    let file = fs::File::create(folder.join("spine.parquet")).expect("a file");
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).expect("a file");
    writer.write(&batch).expect("a file");
    writer.close().expect("a file");
    let told = run(folder, "train --service shopper --spine spine.parquet --time t --out set.parquet --json");
    let manifest: Json = serde_json::from_str(&told[..=told.rfind('}').expect("JSON")]).expect("JSON");

    let server = Server::start(folder, "");
    let mut client = TrainingServiceClient::new(server.channel().await);
    let call =
        client.create_training_set(tokio_stream::iter(parts(header("shopper@1"), &sent))).await.unwrap();
    let (rows, kept) = received(call.into_inner()).await.unwrap();
    assert_eq!(
        (rows.num_rows(), kept.rows, &kept.checksum),
        (500, 500, &manifest["checksum"].as_str().unwrap().to_owned())
    );
    let file = fs::File::open(folder.join("set.parquet")).expect("a file");
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().expect("Parquet").collect::<Result<_, _>>().expect("rows");
    let written = concat_batches(&schema, &batches).expect("one schema");
    assert_eq!(rows.columns(), written.columns());
    // A spine that the server reads itself.
    let by_path = v1::TrainingSetHeader { spine_path: "spine.parquet".to_owned(), ..header("shopper") };
    let call = client.create_training_set(tokio_stream::iter(parts(by_path, &[]))).await.unwrap();
    let (twice, by_path) = received(call.into_inner()).await.unwrap();
    assert_eq!((twice.columns(), &by_path.checksum), (rows.columns(), &kept.checksum));
    // Made again: the spine is sent again where it was sent; another one is another set.
    let call = client.reproduce_training_set(again(&kept.id, &sent)).await.unwrap();
    assert_eq!(received(call.into_inner()).await.unwrap().1.checksum, kept.checksum);
    let call = client.reproduce_training_set(again(&by_path.id, &[])).await.unwrap();
    assert_eq!(received(call.into_inner()).await.unwrap().1.checksum, kept.checksum);
    let other = spine(&[("u1", START), ("u2", START + MINUTE)]).1;
    let call = client.reproduce_training_set(again(&kept.id, &other)).await.unwrap();
    let refused = received(call.into_inner()).await.unwrap_err();
    assert!(
        refused.code() == Code::FailedPrecondition && refused.message().contains("another now"),
        "{refused}"
    );
    let refused = client.reproduce_training_set(again(&kept.id, &[])).await.unwrap_err();
    assert!(refused.message().contains("send it again"), "{refused}");
    let listed =
        client.list_training_sets(v1::ListTrainingSetsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.training_sets.len(), 3);
    let found = client
        .get_training_set(v1::GetTrainingSetRequest { id: kept.id.clone() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!((found.checksum, found.of.as_str()), (kept.checksum, "urn:feat:service:shop/shop.shopper@1"));
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spine_that_is_wrong_is_refused_with_what_to_change() {
    let (place, _, sent) = asked();
    let server = Server::start(place.path(), "");
    let mut client = TrainingServiceClient::new(server.channel().await);
    let twice = {
        let schema =
            Schema::new(vec![Field::new("t", DataType::Utf8, true), Field::new("t", DataType::Utf8, true)]);
        let column: ArrayRef = Arc::new(StringArray::from(vec!["2025-01-01T00:00:00Z"]));
        let batch =
            RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(&column), column]).expect("two columns");
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("memory");
        writer.write(&batch).expect("memory");
        writer.into_inner().expect("memory")
    };
    let zoneless = {
        let schema = Schema::new(vec![
            Field::new("user_id", DataType::Utf8, true),
            Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec!["u1"])),
            Arc::new(TimestampMicrosecondArray::from_iter_values([START * 1000])),
        ];
        let batch = RecordBatch::try_new(Arc::new(schema), columns).expect("columns of one length");
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("memory");
        writer.write(&batch).expect("memory");
        writer.into_inner().expect("memory")
    };
    let cases: [(v1::TrainingSetHeader, &[u8], Code, &str); 8] = [
        (header("shoppers"), &sent, Code::NotFound, "shop.shopper@1"),
        (
            header("shopper"),
            b"this is no Arrow stream, whatever it may be",
            Code::InvalidArgument,
            "Arrow IPC",
        ),
        (header("shopper"), &sent[..sent.len() / 2], Code::InvalidArgument, "spine"),
        (header("shopper"), &twice, Code::InvalidArgument, "two columns `t`"),
        (header("shopper"), &zoneless, Code::InvalidArgument, "zone"),
        (header("shopper"), &[], Code::InvalidArgument, "no spine"),
        (
            v1::TrainingSetHeader { time: "when".to_owned(), ..header("shopper") },
            &sent,
            Code::InvalidArgument,
            "`when`",
        ),
        (
            v1::TrainingSetHeader { spine_path: "../x.csv".to_owned(), ..header("shopper") },
            &[],
            Code::InvalidArgument,
            "leaves the project",
        ),
    ];
    for (header, spine, code, says) in cases {
        let refused = match client.create_training_set(tokio_stream::iter(parts(header, spine))).await {
            Err(refused) => refused,
            Ok(call) => received(call.into_inner()).await.unwrap_err(),
        };
        assert_eq!(refused.code(), code, "{says}: {refused}");
        assert!(refused.message().contains(says), "{says}: {refused}");
    }
    assert_eq!(server.stop(), Some(0));
}

/// It leaves a run that has failed, and room for the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_frees_its_place() {
    let (place, _, sent) = asked();
    let server = Server::start(place.path(), "");
    let mut client = TrainingServiceClient::new(server.channel().await);
    for _ in 0..5 {
        let call =
            client.create_training_set(tokio_stream::iter(parts(header("shopper"), &sent))).await.unwrap();
        drop(call);
    }
    let freed = async {
        loop {
            match client.create_training_set(tokio_stream::iter(parts(header("shopper"), &sent))).await {
                Ok(call) => break received(call.into_inner()).await.unwrap().0.num_rows(),
                Err(refused) => assert_eq!(refused.code(), Code::ResourceExhausted),
            }
        }
    };
    let rows = tokio::time::timeout(Duration::from_mins(1), freed).await.expect("there is room");
    assert_eq!(rows, 500);
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_come_by_tls_and_with_keys() {
    let place = project(&orders(20, &mut Dice::new(127)));
    let folder = place.path();
    run(folder, "apply");
    run(folder, "stream --replay --until-end");
    let reader = run(folder, "key add model --role reader").trim().to_owned();
    let operator = run(folder, "key add deployer --role operator").trim().to_owned();
    let authority = Authority::found();
    let file = |name: &str| authority.file(name).display().to_string();
    let tls = format!("--keys --tls-certificate {} --tls-key {}", file("cert.pem"), file("key.pem"));
    let server = Server::start(folder, &tls);
    // Another test may have chosen before.
    let _kept = rustls::crypto::ring::default_provider().install_default();
    let trusts = Certificate::from_pem(fs::read(authority.file("ca.pem")).expect("a file"));
    let channel = Endpoint::from_shared(format!("https://{}", server.address))
        .unwrap()
        .tls_config(ClientTlsConfig::new().ca_certificate(trusts).domain_name("127.0.0.1"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let plain = Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect().await;
    if let Ok(plain) = plain {
        OnlineServiceClient::new(plain).get_features(of_user("u1", "shopper", START)).await.unwrap_err();
    }
    let with = |key: &str, message: v1::GetFeaturesRequest| {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        request
    };
    let ask = v1::GetFeaturesRequest { at: None, ..of_user("u1", "shopper", START) };
    let mut client = OnlineServiceClient::new(channel.clone());
    assert_eq!(client.get_features(ask.clone()).await.unwrap_err().code(), Code::Unauthenticated);
    client.get_features(with(&reader, ask.clone())).await.unwrap();
    let mut registry = RegistryServiceClient::new(channel);
    let text = fs::read_to_string(folder.join("shop.feat")).expect("a file");
    let files = vec![v1::File {
        path: "shop.feat".to_owned(),
        text: format!("{text}\nservice more of user {{ recent.* }}\n"),
    }];
    let apply = |key: &str| {
        let mut request = Request::new(v1::ApplyRequest { files: files.clone(), plan_hash: String::new() });
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        request
    };
    assert_eq!(registry.apply(apply(&reader)).await.unwrap_err().code(), Code::PermissionDenied);
    registry.apply(apply(&operator)).await.unwrap();
    assert!(run(folder, "show more").contains("by deployer"));
    // Its log is entered beside the calls: what waits is entered before the end.
    assert_eq!(server.stop(), Some(0));
    let log = run(folder, "audit log");
    assert!(log.contains("deployer") && log.contains("apply"), "{log}");
    assert!(
        !fs::read(folder.join(".feat/registry.db"))
            .unwrap()
            .windows(reader.len())
            .any(|part| part == reader.as_bytes())
    );
}
