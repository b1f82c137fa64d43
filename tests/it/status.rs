//! What operators see of `feat stream` on a real Kafka: `feat status`, the metrics, the log.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};

use feat_tests::dice::Dice;
use feat_tests::servers::redis::RedisServer;
use feat_tests::servers::{free_ports, wait_for};
use rdkafka::producer::{BaseRecord, Producer};
use serde_json::{Value as Json, json};

use crate::feat::{command, feat, printed, words};
use crate::kafka::{SOON, broker, producer};
use crate::shop::{Order, START, orders, project, refused, run, signal, topic_of, write};

pub(crate) fn status(folder: &Path) -> Json {
    let output = feat(folder, &words("status --json"));
    assert!(output.status.success(), "{}", printed(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The sum of a number over the logs of the only group.
pub(crate) fn sum(status: &Json, name: &str) -> u64 {
    let logs = status["groups"][0]["logs"].as_array().expect("logs");
    logs.iter()
        .map(|log| log.pointer(name).and_then(Json::as_u64).unwrap_or_else(|| panic!("{name}: {log}")))
        .sum()
}

fn spawn(folder: &Path, what: &str) -> Child {
    let said = fs::File::create(folder.join("said")).expect("a file");
    command(folder, &words(what)).stdout(Stdio::null()).stderr(said).spawn().expect("it starts")
}

/// Waits until it has logged `word`: who asked the store would keep it from the stream that is starting.
fn says(folder: &Path, word: &str) {
    wait_for(word, || fs::read_to_string(folder.join("said")).ok().filter(|said| said.contains(word)));
}

/// What an address answers to a request: the head and the body; `None` while nobody is there.
fn get(port: u16, request: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
}

pub(crate) fn page(port: u16, path: &str) -> Option<(String, String)> {
    get(port, &format!("GET {path} HTTP/1.1\r\nHost: feat\r\n\r\n"))
}

/// The sum of a metric over its labels.
pub(crate) fn metric(text: &str, name: &str) -> f64 {
    let of = |line: &str| {
        let (metric, value) = line.rsplit_once(' ')?;
        (metric.split('{').next() == Some(name)).then(|| value.parse::<f64>().expect("a number"))
    };
    text.lines().filter_map(of).sum()
}

/// The same, of what is a whole number.
pub(crate) fn count(text: &str, name: &str) -> u64 {
    metric(text, name) as u64
}

/// Orders with one that cannot be read behind every tenth.
fn write_with_poison(topic: &str, orders: &[Order], dice: &mut Dice) -> u64 {
    write(topic, 2, orders, dice);
    let poison = orders.len() / 10;
    write_poison(topic, poison);
    poison as u64
}

/// Records that cannot be read.
fn write_poison(topic: &str, count: usize) {
    let raw = producer(broker(), &[]);
    for _ in 0..count {
        let record = BaseRecord::<(), str>::to(topic).timestamp(START).payload("no JSON");
        raw.send(record).map_err(|(cause, _)| cause).expect("room");
    }
    raw.flush(SOON).expect("the broker has them");
}

#[test]
fn status_says_how_far_each_group_is_and_what_was_put_aside() {
    let dice = &mut Dice::new(37);
    let orders = orders(300, dice);
    let topic = "shop.status";
    topic_of(topic, 2);
    let [port] = free_ports();
    let more = "dead_letters = \"shop.status.dead\"\n";
    let place = project(topic, &orders, more);
    let folder = place.path();
    let poison = write_with_poison(topic, &orders[..200], dice);
    let before = status(folder);
    assert_eq!(before["running"], json!(false));
    assert_eq!(sum(&before, "/lag_records"), 200 + poison);
    assert_eq!((&before["groups"][0]["complete_to"], sum(&before, "/next")), (&Json::Null, 0));

    run(folder, "stream --until-end");
    let read = status(folder);
    assert_eq!((sum(&read, "/lag_records"), sum(&read, "/next")), (0, 200 + poison));
    assert_eq!(sum(&read, "/letters/unreadable"), poison);
    assert_eq!(read["groups"][0]["logs"][0]["lag_seconds"], json!(0.0));
    assert!(read["groups"][0]["complete_to"].is_string());
    write(topic, 2, &orders[200..], dice);
    let behind = status(folder);
    assert_eq!((sum(&behind, "/lag_records"), sum(&behind, "/next")), (100, 200 + poison));
    let seconds = behind["groups"][0]["logs"].as_array().expect("logs").iter();
    assert!(seconds.map(|log| log["lag_seconds"].as_f64().expect("a number")).fold(0.0, f64::max) > 60.0);
    let text = run(folder, "status");
    assert!(
        text.starts_with("group ") && text.contains("shop.recent@1") && text.contains("kafka:shop.status/1"),
        "{text}"
    );
    // What a transaction leaves at the end of a partition is nothing to read.
    run(folder, "quarantine replay --all");
    run(folder, "stream --until-end");
    assert_eq!(sum(&status(folder), "/lag_records"), 0);

    // A stream holds the store: it is asked where it can be, and named where not.
    let mut held = spawn(folder, "stream");
    says(folder, "a stream begins");
    refused(folder, "status", &["[stream]", "metrics =", "open in another process"]);
    signal(&held, "TERM");
    assert!(held.wait().expect("it ends").success());
    let toml = folder.join("feat.toml");
    let text = fs::read_to_string(&toml).expect("a file");
    fs::write(&toml, format!("{text}[stream]\nmetrics = \"127.0.0.1:{port}\"\n")).expect("a file");
    let alone = feat(folder, &words("status --json"));
    assert!(
        printed(&alone).contains(&format!("no stream answers at 127.0.0.1:{port}")),
        "{}",
        printed(&alone)
    );
    let mut held = spawn(folder, "stream --refill");
    says(folder, "metrics are served");
    let running = wait_for("the stream", || {
        let output = feat(folder, &words("status --json"));
        let running: Json = serde_json::from_slice(&output.stdout).ok()?;
        (running["running"] == json!(true) && sum(&running, "/lag_records") == 0).then_some(running)
    });
    assert!(running["groups"][0]["rows"]["admitted"].as_u64().expect("a number") > 200);
    assert!(run(folder, "status").contains("since the stream began"));
    // What comes while it runs is counted on.
    let letters = sum(&running, "/letters/unreadable");
    write_poison(topic, 1);
    wait_for("one letter more", || {
        let unreadable = sum(&status(folder), "/letters/unreadable");
        (unreadable == letters + 1).then_some(())
    });
    signal(&held, "TERM");
    assert!(held.wait().expect("it ends").success());
}

#[test]
fn a_stream_that_runs_is_measured_and_logs_what_it_does() {
    let dice = &mut Dice::new(41);
    let orders = orders(400, dice);
    let topic = "shop.measured";
    topic_of(topic, 2);
    let [port] = free_ports();
    let mut redis = RedisServer::start(&[]);
    let more = format!("dead_letters = \"shop.measured.dead\"\n[online]\nurl = \"{}\"\n", redis.url());
    let place = project(topic, &orders, &more);
    let folder = place.path();
    let poison = write_with_poison(topic, &orders, dice);
    let mut live = spawn(folder, &format!("stream --json --log json --verbose --metrics 127.0.0.1:{port}"));
    let read = |what: &str, done: &dyn Fn(&str) -> bool| {
        wait_for(what, || page(port, "/metrics").map(|(_, text)| text).filter(|text| done(text)))
    };
    let text = read("all records", &|text| {
        count(text, "feat_stream_records_total") == 400
            && text.contains("feat_stream_lag_records{")
            && count(text, "feat_stream_lag_records") == 0
    });
    let (head, _) = page(port, "/metrics").expect("it answers");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("openmetrics-text"), "{head}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let of = |name: &str| count(&text, &format!("feat_stream_{name}"));
    let nobody = orders.iter().filter(|(_, order)| order.contains("\"user_id\":null")).count() as u64;
    assert_eq!((of("rows_admitted_total"), of("rows_rejected_total")), (400 - nobody, nobody));
    assert!(text.contains(&format!("reason=\"no_key\"}} {nobody}")), "{text}");
    assert_eq!(of("dead_letters_total"), poison);
    assert!(of("commits_total") > 0 && of("commit_seconds_count") > 0, "{text}");
    assert!(of("rows_duplicate_total") > 0 && of("rows_folded_total") > 0, "{text}");
    assert_eq!((of("commit_conflicts_total"), of("waiting"), of("lag_seconds")), (0, 0, 0));
    let last = orders.last().expect("orders").0 as f64 / 1e3;
    let complete = metric(&text, "feat_stream_complete_to_timestamp_seconds");
    assert!(complete > START as f64 / 1e3 && complete <= last, "{complete} {last}");

    assert_eq!(page(port, "/healthz").expect("it answers").1, "ok\n");
    for (request, code) in [
        ("GET /other HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
        ("HEAD /healthz HTTP/1.1\r\n\r\n", "200"),
    ] {
        assert!(get(port, request).expect("it answers").0.contains(code), "{request}");
    }
    assert!(get(port, "no HTTP at all\r\n\r\n").is_none(), "it is closed");

    // Without its store a stream waits, says so, and does not know how far it is.
    redis.kill();
    read("the wait", &|text| count(text, "feat_stream_waiting") == 1 && !text.contains("lag_records{"));
    redis.restart();
    read("the end of it", &|text| count(text, "feat_stream_waiting") == 0 && text.contains("lag_records{"));
    signal(&live, "TERM");
    assert!(live.wait().expect("it ends").success());
    let said = fs::read_to_string(folder.join("said")).expect("what it said");
    let lines: Vec<Json> = (said.lines())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let logged = |level: &str, word: &str| {
        let found = |line: &&Json| {
            line["level"] == level && line["message"].as_str().is_some_and(|says| says.contains(word))
        };
        assert!(lines.iter().any(|line| found(&line)), "no {level} `{word}` in\n{said}");
    };
    logged("info", "a stream begins");
    logged("info", "reads on from the marker");
    logged("warn", "dead letters");
    logged("warn", "waiting: ");
    logged("info", "resumed");
    logged("info", "stopping");
    logged("info", "stopped");
    logged("debug", "committed");
    assert!(!said.contains("PartitionEOF"), "{said}");
}

#[test]
fn what_cannot_be_logged_or_served_is_refused() {
    let place = project("shop.nothing", &[], "");
    let toml = place.path().join("feat.toml");
    let text = fs::read_to_string(&toml).expect("a file");
    fs::write(place.path().join("orders.jsonl"), "{}").expect("a file");
    let bad = feat(place.path(), &words("stream --metrics nowhere"));
    assert_eq!(bad.status.code(), Some(2), "{}", printed(&bad));
    fs::write(&toml, format!("{text}[stream]\nmetrics = \"nowhere\"\n")).expect("a file");
    refused(place.path(), "stream", &["[stream] metrics", "nowhere", "127.0.0.1:9100"]);
    let output =
        command(place.path(), &words("stream")).env("FEAT_LOG", "feat=loud").output().expect("it runs");
    assert!(printed(&output).contains("FEAT_LOG=feat=loud"), "{}", printed(&output));
}
