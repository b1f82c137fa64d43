//! The guide to flights on Kafka and Redis, followed: what is served is what a replay of the files serves.

use std::fs;
use std::path::Path;
use std::process::Command;

use feat_tests::servers::redis::RedisServer;
use serde_json::Value as Json;

use crate::feat::{copy, feat, printed, root, words};
use crate::kafka::broker;
use crate::shop::{run, topic_of};

/// What is asked in the guide, of several planes, carriers and lanes.
const ASKED: [&str; 5] = [
    "carrier=UA origin=EWR dest=IAH tailnum=N14228 distance_miles=1400",
    "carrier=B6 origin=JFK dest=BQN tailnum=N804JB distance_miles=1576",
    "carrier=DL origin=LGA dest=ATL tailnum=N668DN distance_miles=762",
    "carrier=EV origin=LGA dest=IAD tailnum=N829AS distance_miles=229",
    "carrier=HA origin=JFK dest=HNL tailnum=N000XX distance_miles=4983",
];

fn answers(folder: &Path, profile: &str) -> Vec<Json> {
    let ask = |asked: &&str| {
        let command = format!("get flight_risk {asked} --at 2014-01-02T00:00:00Z --json {profile}");
        let output = feat(folder, &words(&command));
        assert!(output.status.success(), "{}", printed(&output));
        let answer: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        answer["features"].clone()
    };
    ASKED.iter().map(ask).collect()
}

#[test]
fn the_guide_ends_with_the_values_of_a_replay() {
    let guide = fs::read_to_string(root().join("docs/guide/kafka-and-redis.md")).expect("the guide");
    let place = copy("examples/flights");
    let redis = RedisServer::start(&[]);
    let config = place.path().join("feat.toml");
    let text = fs::read_to_string(&config).expect("the example's settings");
    let here =
        text.replace("localhost:9092", &broker().bootstrap()).replace("redis://localhost:6379", &redis.url());
    assert_ne!(here, text, "the profile names the servers of the compose file");
    fs::write(&config, here).expect("settings can be written");
    for topic in ["nyc.landings", "nyc.weather"] {
        topic_of(topic, 4);
    }
    let mut commands = 0;
    let mut lines = guide.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("$ feat ") else { continue };
        let printed = run(place.path(), command);
        while let Some(expected) = lines.next_if(|line| !line.starts_with(['$', '`'])) {
            assert!(printed.lines().any(|line| line == expected), "`{command}` printed {printed}");
        }
        commands += 1;
    }
    assert_eq!(commands, 4, "the guide's commands");
    run(place.path(), "stream --replay --until-end");
    let served = answers(place.path(), "--profile cluster");
    assert_eq!(served, answers(place.path(), ""));
    let known = served[0].as_object().into_iter().flatten().filter(|(_, value)| !value["value"].is_null());
    assert!(known.count() > 20, "{:?}", served[0]);
}

/// Prints a compose file as JSON.
const READ: &str = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";

#[test]
fn the_compose_file_describes_the_servers_of_the_profile() {
    let python = std::env::var("FEAT_PYTHON").expect("FEAT_PYTHON names a Python with yaml: ./test sets it");
    let path = root().join("examples/flights/compose.yaml");
    let output = Command::new(python).args(["-c", READ]).arg(path).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let compose: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    let services = &compose["services"];
    assert_eq!(services["kafka"]["ports"][0], "9092:9092");
    assert_eq!(services["kafka"]["environment"]["KAFKA_LOG_RETENTION_MS"], -1);
    assert_eq!(services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"], "PLAINTEXT://localhost:9092");
    assert_eq!(services["redis"]["ports"][0], "6379:6379");
    let redis = services["redis"]["command"].as_str().expect("a command");
    assert!(redis.contains("--maxmemory-policy noeviction"), "{redis}");
}
