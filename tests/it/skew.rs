//! `feat audit skew`: what a server answered, computed again offline at its stamps.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use feat_proto::v1;
use feat_proto::v1::get_features_request::Entities;
use feat_proto::v1::online_service_client::OnlineServiceClient;
use feat_tests::dice::Dice;
use feat_tests::servers::redis::RedisServer;
use feat_tests::servers::wait_for;
use serde_json::Value as Json;
use tonic::transport::Channel;

use crate::feat::{command, feat, printed, words};
use crate::server::Server;
use crate::shop::{MINUTE, Order, SPEC, lines, orders, position, refused, run, signal, topic_of, write};

/// Asks for every user, and one that nobody has seen, at an instant; all in one call, by column.
async fn ask(channel: &Channel, services: &[&str], at: i64) {
    let users = (0..=12).map(|user| format!("u{user}")).collect();
    let keys = v1::Column {
        name: "user_id".to_owned(),
        values: Some(v1::column::Values::Strings(v1::Strings { values: users })),
        ..v1::Column::default()
    };
    let request = v1::GetFeaturesRequest {
        services: services.iter().map(|name| (*name).to_owned()).collect(),
        entities: Some(Entities::Columns(v1::Columns { columns: vec![keys] })),
        at: Some(prost_types::Timestamp { seconds: at / 1000, nanos: (at % 1000) as i32 * 1_000_000 }),
        ..v1::GetFeaturesRequest::default()
    };
    OnlineServiceClient::new(channel.clone()).get_features(request).await.expect("it is answered");
}

/// The exit code of the audit, and its document.
fn audited(folder: &Path, more: &str) -> (Option<i32>, Json) {
    let output = feat(folder, &words(&format!("audit skew answers --json {more}")));
    let document = serde_json::from_slice(&output.stdout);
    (output.status.code(), document.unwrap_or_else(|_| panic!("{}", printed(&output))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_a_file_are_computed_again_and_one_that_was_changed_is_found() {
    let orders = orders(300, &mut Dice::new(211));
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    let file = |orders: &[Order]| fs::write(folder.join("orders.jsonl"), lines(orders)).expect("a file");
    // A second group that is streamed later than the first, and features of both.
    let spec = SPEC.replace("  stream kafka(\"TOPIC\", format: \"json\")\n", "").replace(
        "service shopper of user { recent.* }",
        "features ever of user from orders {\n  total = sum(amount) over all\n}\n\
         derived rate of user {\n  share = recent.spent_1h / (ever.total + 1.0)\n}\n\
         service shopper of user { recent.*\n  ever.total\n  rate.share }\n\
         service brief of user { recent.n_1h as n }",
    );
    fs::write(folder.join("shop.feat"), spec).expect("a file");
    let toml = "[project]\nname = \"shop\"\n[sources.orders]\nreplay = \"orders.jsonl\"\n";
    fs::write(folder.join("feat.toml"), toml).expect("a file");
    run(folder, "apply");
    file(&orders[..150]);
    run(folder, "stream --replay --until-end");
    file(&orders[..200]);
    run(folder, "stream --replay --until-end --group ever");
    refused(folder, "audit skew answers", &["holds no answers", "--log-answers"]);
    let server = Server::start(folder, "--log-answers answers --log-share 1");
    let channel = server.channel().await;
    ask(&channel, &["shopper", "brief"], orders[199].0 + MINUTE).await;
    ask(&channel, &["shopper"], orders[299].0 + MINUTE).await;
    drop(channel);
    assert_eq!(server.stop(), Some(0));

    // Orders that were known then and had not been read: the answers are what their prefixes give.
    file(&orders);
    let (code, found) = audited(folder, "");
    let of = |service: &str, what: &str| found["services"][service][what].as_u64().expect("a count");
    assert_eq!((code, found["differ"].as_u64()), (Some(0), Some(0)), "{found}");
    assert_eq!((of("shop.shopper@1", "answers"), of("shop.brief@1", "answers")), (26, 13));
    assert!(of("shop.shopper@1", "behind") >= 13 && of("shop.shopper@1", "stale_values") > 20, "{found}");
    assert_eq!(found["values"].as_u64(), Some(26 * 8 + 13));
    let (_, brief) = audited(folder, "--service brief");
    assert_eq!(brief["values"], 13);
    let (_, few) = audited(folder, "--limit 5");
    assert_eq!(few["services"]["shop.shopper@1"]["answers"], 5);
    refused(folder, "audit skew answers --service other", &["`other`", "`shop.brief@1`"]);

    // An order that was read is another now.
    let mut changed = orders.clone();
    let at =
        (0..150).rev().find(|at| changed[*at].1.contains("\"user_id\":\"u")).expect("an order of a user");
    let mut order: Json = serde_json::from_str(&changed[at].1).expect("JSON");
    order["amount"] = 12345.67.into();
    changed[at].1 = order.to_string();
    file(&changed);
    let (code, found) = audited(folder, "--service shopper");
    assert_eq!(code, Some(1), "{found}");
    let difference = &found["services"]["shop.shopper@1"]["differences"][0];
    assert_eq!(difference["entity"]["user_id"], order["user_id"], "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_over_a_topic_are_computed_again_from_its_archive() {
    let dice = &mut Dice::new(223);
    let orders = orders(600, dice);
    let (topic, partitions) = ("shop.skew", 2);
    topic_of(topic, partitions);
    let redis = RedisServer::start(&[]);
    let more = format!("[online]\nurl = \"{}\"\n", redis.url());
    let place = crate::shop::project(topic, &orders, &more);
    let folder = place.path();
    write(topic, partitions, &orders[..100], dice);
    run(folder, "stream --until-end");
    let server = Server::start(folder, "--log-answers answers --log-share 1");
    let channel = server.channel().await;
    let mut live = command(folder, &words("stream"));
    let mut live = live.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    for until in (150..=600).step_by(50) {
        write(topic, partitions, &orders[until - 50..until], dice);
        // While the worker is somewhere among them.
        ask(&channel, &["shopper"], orders[599].0 + MINUTE).await;
        let read = position(folder);
        wait_for("the stream", || (position(folder) > read.min(until as u64 - 1)).then_some(()));
        ask(&channel, &["shopper"], orders[599].0 + MINUTE).await;
    }
    signal(&live, "TERM");
    live.wait().expect("it ended");
    drop(channel);
    assert_eq!(server.stop(), Some(0));
    refused(folder, "audit skew answers", &["no archive", "feat archive --until-end"]);
    run(folder, "archive --until-end");
    let (code, found) = audited(folder, "");
    assert_eq!((code, found["differ"].as_u64()), (Some(0), Some(0)), "{found}");
    let service = &found["services"]["shop.shopper@1"];
    assert_eq!(service["answers"], 260, "{found}");
    assert!(
        service["behind"].as_u64() > Some(100) && service["stale_values"].as_u64() > Some(100),
        "{found}"
    );
}
