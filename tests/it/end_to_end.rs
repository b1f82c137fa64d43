//! The guide from landings to a model that asks, followed: Kafka, Redis, worker, server, Python.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use feat_proto::v1;
use feat_proto::v1::online_service_client::OnlineServiceClient;
use feat_proto::v1::value::Kind;
use feat_tests::servers::redis::RedisServer;
use rdkafka::producer::{BaseRecord, Producer};
use serde_json::json;
use tonic::transport::Channel;

use crate::feat::{command, copy, root, words};
use crate::kafka::{SOON, broker, producer};
use crate::server::Server;
use crate::shop::{run, signal, topic_of};

/// The plane whose landing is written at the end.
const PLANE: &str = "N14228";

/// A copy of the example whose profile names the servers of the tests, and topics of its own.
fn place(redis: &RedisServer) -> tempfile::TempDir {
    let place = copy("examples/flights");
    let edit = |name: &str, pairs: &[(&str, &str)]| {
        let path = place.path().join(name);
        let mut text = fs::read_to_string(&path).expect("a file of the example");
        for (old, new) in pairs {
            assert!(text.contains(old), "{name} has `{old}`");
            text = text.replace(old, new);
        }
        fs::write(path, text).expect("it can be written");
    };
    let (brokers, url) = (broker().bootstrap(), redis.url());
    edit("feat.toml", &[("localhost:9092", &brokers), ("redis://localhost:6379", &url), ("nyc.", "end.")]);
    edit("flights.feat", &[("\"nyc.", "\"end.")]);
    for topic in ["end.landings", "end.weather"] {
        topic_of(topic, 4);
    }
    place
}

/// Runs the guide's Python.
fn python(folder: &Path, arguments: &str) -> String {
    let python = std::env::var("FEAT_PYTHON").expect("FEAT_PYTHON names a Python: ./test sets it");
    let mut command = Command::new(python);
    command.args(words(arguments)).current_dir(folder).env("PYTHONPATH", root().join("python/src"));
    let output = command.output().expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// How many legs of the plane in the last twelve hours the server answers with, and its now in milliseconds.
async fn legs(channel: &Channel) -> (i64, i64) {
    let text = |text: &str| v1::Value { kind: Some(Kind::String(text.to_owned())) };
    let inputs = [("carrier", "UA"), ("origin", "EWR"), ("dest", "IAH"), ("tailnum", PLANE)];
    let mut inputs: std::collections::HashMap<_, _> =
        inputs.map(|(name, value)| (name.to_owned(), text(value))).into();
    inputs.insert("distance_miles".to_owned(), v1::Value { kind: Some(Kind::Int(1400)) });
    let request =
        v1::GetFeaturesRequest { services: vec!["flight_risk".to_owned()], inputs, ..Default::default() };
    let answer = OnlineServiceClient::new(channel.clone()).get_features(request).await.unwrap().into_inner();
    let place = answer.features.iter().position(|feature| feature.name == "rotation.legs_12h").unwrap();
    match answer.rows[0].values[place].value.as_ref().and_then(|value| value.kind.as_ref()) {
        Some(Kind::Int(legs)) => (*legs, answer.evaluated_at.expect("an instant").seconds * 1000),
        other => panic!("{other:?}"),
    }
}

/// Writes a landing of eleven minutes ago, which became known a minute ago.
fn land(now: i64) {
    let (landed, known) = (now - 11 * 60_000, now - 60_000);
    let landing = json!({
        "flight_id": 900_001, "carrier": "UA", "tailnum": PLANE, "origin": "EWR", "dest": "IAH",
        "landed_at": feat_kernel::time::Instant(landed * 1000).to_string(),
        "dep_delay_min": 2, "arr_delay_min": 31, "air_time_min": 227, "distance_miles": 1400,
    });
    let (producer, payload) = (producer(broker(), &[]), landing.to_string());
    let record = BaseRecord::to("end.landings").key(PLANE).timestamp(known).payload(&payload);
    producer.send(record).map_err(|(cause, _)| cause).expect("room in the queue");
    producer.flush(SOON).expect("the broker has it");
}

/// A worker that goes on until it is told to stop.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guide_ends_with_a_model_that_asks_and_a_landing_that_counts() {
    let guide = fs::read_to_string(root().join("docs/guide/end-to-end.md")).expect("the guide");
    let redis = RedisServer::start(&[]);
    let place = place(&redis);
    let folder = place.path();
    let (mut server, mut worker, mut commands) = (None, None, 0);
    let mut lines = guide.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(line) = line.strip_prefix("$ ") else { continue };
        let printed = match (line.strip_prefix("feat "), line.strip_prefix("python ")) {
            (Some("stream --profile cluster &"), _) => {
                let mut stream = command(folder, &words("stream --profile cluster"));
                let child = stream.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
                worker = Some(Worker(child.expect("the binary runs")));
                String::new()
            }
            (Some("serve --profile cluster &"), _) => {
                server = Some(Server::start(folder, "--profile cluster"));
                "listening on 127.0.0.1:8815".to_owned()
            }
            (Some(command), _) => run(folder, command),
            (_, Some(arguments)) => {
                let address = &server.as_ref().expect("the guide starts it").address;
                python(folder, &arguments.replace("127.0.0.1:8815", address))
            }
            _ => panic!("`{line}` is no command of the guide's"),
        };
        while let Some(expected) = lines.next_if(|line| !line.starts_with(['$', '`'])) {
            // Other tests have topics of the names in the guide.
            let expected = expected.replace("nyc.", "end.");
            assert!(printed.lines().any(|line| line == expected), "`{line}` printed {printed}");
        }
        commands += 1;
    }
    assert_eq!(commands, 7, "the guide's commands");
    let server = server.expect("the guide starts it");
    let channel = server.channel().await;
    let (before, now) = legs(&channel).await;
    assert_eq!(before, 0);
    land(now);
    let counted = async { while legs(&channel).await.0 == 0 {} };
    tokio::time::timeout(Duration::from_mins(1), counted).await.expect("the landing counts");
    assert_eq!(legs(&channel).await.0, 1);
    // Both end as they are told to, and soon.
    let started = Instant::now();
    assert_eq!(server.stop(), Some(0));
    let mut worker = worker.expect("the guide starts it");
    signal(&worker.0, "TERM");
    assert_eq!(worker.0.wait().expect("it ends").code(), Some(0));
    assert!(started.elapsed() < Duration::from_mins(1));
}
