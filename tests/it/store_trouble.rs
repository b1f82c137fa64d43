//! What callers of `feat serve` see while its online store is slow, gone, and back.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use feat_proto::v1;
use feat_proto::v1::online_service_client::OnlineServiceClient;
use feat_proto::v1::value::Kind;
use feat_tests::dice::Dice;
use feat_tests::servers::redis::RedisServer;
use feat_tests::servers::wait_for;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::feat::{command, words};
use crate::server::Server;
use crate::shop::{START, orders, orders_from, position, project, run, signal, topic_of, write};
use crate::status::{metric, page};

/// What the store's url allows a read.
const STORE: Duration = Duration::from_secs(1);
/// The second that is asked about: soon after the last order.
const AT: Option<i64> = Some(START / 1000 + 6 * 3600);
/// More than any call may take here.
const BOUND: Duration = Duration::from_secs(9);

/// A shop over `redis` whose orders were streamed.
fn streamed(redis: &RedisServer) -> tempfile::TempDir {
    let orders = orders(200, &mut Dice::new(307));
    let more = format!("[online]\nurl = \"{}?timeout_ms={}\"\n", redis.url(), STORE.as_millis());
    let place = project("shop.trouble", &orders, &more);
    run(place.path(), "stream --replay --until-end");
    place
}

fn request(at: Option<i64>, within: Option<Duration>) -> Request<v1::GetFeaturesRequest> {
    let key = v1::Value { kind: Some(Kind::String("u1".to_owned())) };
    let mut request = Request::new(v1::GetFeaturesRequest {
        services: vec!["shopper".to_owned()],
        inputs: [("user_id".to_owned(), key)].into(),
        at: at.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
        ..v1::GetFeaturesRequest::default()
    });
    if let Some(within) = within {
        request.set_timeout(within);
    }
    request
}

/// Asks about an instant, and sees that an answer of some kind comes in time.
async fn ask(
    channel: &Channel,
    at: Option<i64>,
    within: Option<Duration>,
) -> Result<v1::GetFeaturesResponse, Status> {
    let mut client = OnlineServiceClient::new(channel.clone());
    let answered = tokio::time::timeout(BOUND, client.get_features(request(at, within)));
    answered.await.expect("nothing waits for ever").map(tonic::Response::into_inner)
}

fn pause(redis: &RedisServer, name: &str) {
    let process = redis.process().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-s", name, &process]).status().expect("kill runs").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_store_holds_deadlines_and_one_that_is_back_is_asked_again() {
    let mut redis = RedisServer::start(&[]);
    let place = streamed(&redis);
    let server = Server::start(place.path(), "");
    let port: u16 = server.address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let channel = server.channel().await;
    let sound = ask(&channel, AT, None).await.expect("it is answered").rows;

    pause(&redis, "STOP");
    let late = ask(&channel, AT, None).await.expect_err("nobody answers");
    assert_eq!(late.code(), Code::Unavailable, "{late}");
    assert!(late.message().contains(&redis.port().to_string()), "{late}");
    let begun = Instant::now();
    ask(&channel, AT, Some(Duration::from_millis(300))).await.expect_err("nobody answers in time");
    assert!(begun.elapsed() < STORE, "the caller's deadline comes first");
    let of_code = |code: &str| {
        let (_, text) = page(port, "/metrics").expect("metrics");
        let of = |line: &&str| line.contains("requests_total") && line.contains(&format!("code=\"{code}\""));
        text.lines().filter(of).map(|line| metric(line, "feat_serving_requests_total")).sum::<f64>()
    };
    wait_for("the refusal by deadline", || (of_code("4") >= 1.0).then_some(()));
    // Many at once: each ends, and none is left behind.
    let calls = (0..64).map(|_| ask(&channel, AT, None));
    let ended = futures::future::join_all(calls).await;
    assert!(ended.iter().all(|answer| answer.as_ref().is_err_and(|late| late.code() == Code::Unavailable)));
    pause(&redis, "CONT");
    assert_eq!(ask(&channel, AT, None).await.expect("it is answered").rows, sound);

    assert_eq!(redis.say(&["SAVE"]), "OK");
    redis.kill();
    let gone = ask(&channel, AT, None).await.expect_err("nobody is there");
    assert_eq!(gone.code(), Code::Unavailable, "{gone}");
    // What needs no store is answered.
    let described = v1::DescribeServiceRequest { service: "shopper".to_owned() };
    OnlineServiceClient::new(channel.clone()).describe_service(described).await.expect("it is known");
    assert!(page(port, "/healthz").is_some_and(|(head, _)| head.contains("200")));
    redis.restart();
    assert_eq!(ask(&channel, AT, None).await.expect("it is answered").rows, sound);
    assert_eq!(server.stop(), Some(0));
}

/// Resident bytes of a process.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// How long it is asked and written: five minutes where there is time.
fn length() -> Duration {
    let long = std::env::var_os("FEAT_TEST_LONG").is_some();
    Duration::from_secs(if long { 300 } else { 15 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_beside_a_writing_worker_nothing_fails_and_memory_stays() {
    let dice = &mut Dice::new(311);
    let (topic, partitions) = ("shop.load", 2);
    topic_of(topic, partitions);
    let first = orders(200, dice);
    let redis = RedisServer::start(&[]);
    let place = project(topic, &first, &format!("[online]\nurl = \"{}\"\n", redis.url()));
    let folder = place.path();
    write(topic, partitions, &first, dice);
    run(folder, "stream --until-end");
    let server = Server::start(folder, "");
    let mut worker = command(folder, &words("stream"));
    let mut worker = worker.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (channel, over, asked) = (server.channel().await, Arc::clone(&over), Arc::clone(&asked));
        callers.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let answer = ask(&channel, None, None).await.expect("every call is answered");
                assert_eq!(answer.rows.len(), 1);
                asked.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let (length, begun) = (length(), Instant::now());
    let mut known = first.last().expect("orders").0;
    let mut measured = Vec::new();
    while begun.elapsed() < length {
        let more = orders_from(known, 100, dice);
        known = more.last().expect("orders").0;
        tokio::task::block_in_place(|| write(topic, partitions, &more, dice));
        measured.push((begun.elapsed(), resident(server.process()), resident(worker.id())));
    }
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.expect("every call was answered");
    }
    let asked = asked.load(Ordering::Relaxed);
    // The first third fills buffers and caches; from then on it may swing, and not grow.
    let settled: Vec<_> = measured.iter().filter(|(at, ..)| *at > length / 3).collect();
    let (start, end) = (settled.first().expect("measured"), settled.last().expect("measured"));
    println!("{asked} calls beside {} records: from {start:?} to {end:?}", measured.len() * 100);
    assert!(asked > 1000, "{asked}");
    for (before, after) in [(start.1, end.1), (start.2, end.2)] {
        assert!(after < before + before / 5 + (16 << 20), "from {before} to {after} bytes");
    }
    let read = position(folder);
    assert!(read > 200, "{read}: the worker wrote beside");
    signal(&worker, "TERM");
    worker.wait().expect("it ends");
    assert_eq!(server.stop(), Some(0));
}
