//! `feat load`: what a file says at an instant takes the place of what was online, and never of something
//! later.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use feat_kernel::time::Instant;
use feat_tests::dice::Dice;
use feat_tests::servers::redis::RedisServer;
use serde_json::Value as Json;

use crate::shop::{MINUTE, Order, SPEC, answers, lines, orders, refused, run};

/// A shop whose orders are in a file and in no topic.
fn project(orders: &[Order], online: &str, more: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).expect("a file");
    write("shop.feat", &SPEC.replace("  stream kafka(\"TOPIC\", format: \"json\")\n", ""));
    write("orders.jsonl", &lines(orders));
    write("feat.toml", &format!("[project]\nname = \"shop\"\n[online]\nurl = \"{online}\"\n{more}"));
    place
}

const REPLAYED: &str = "[sources.orders]\nreplay = \"orders.jsonl\"\n";

/// What a replay of those of `orders` answers that were known at `at`, in milliseconds, as of `asked`.
fn replayed(orders: &[Order], at: i64, asked: i64) -> BTreeMap<String, Json> {
    let known: Vec<Order> = orders.iter().filter(|(known, _)| *known <= at).cloned().collect();
    let place = project(&known, "embedded:.feat/online", REPLAYED);
    run(place.path(), "stream --replay --until-end");
    answers(place.path(), asked)
}

fn load(folder: &Path, at: i64) -> Json {
    let told = run(folder, &format!("load --at {} --json", Instant(at * 1000)));
    let mut told = serde_json::Deserializer::from_str(&told).into_iter::<Json>();
    told.next().expect("an answer").expect("JSON")[0].clone()
}

#[test]
fn the_latest_load_is_served_whatever_came_first() {
    let redis = RedisServer::start(&[]);
    for online in ["embedded:.feat/online".to_owned(), redis.url()] {
        let dice = &mut Dice::new(67);
        let orders = orders(600, dice);
        let (early, late, last) = (orders[200].0, orders[400].0, orders[599].0);
        let place = project(&orders, &online, "");
        refused(place.path(), "get shopper user_id=u1", &["no online values yet", "feat load"]);
        let told = load(place.path(), early);
        assert_eq!((told["kept"].as_u64(), told["deleted"].as_u64()), (Some(0), Some(0)), "{told}");
        assert_eq!(answers(place.path(), last), replayed(&orders, early, last));
        // Another file: of some users there is nothing any more, and other orders are mended.
        let mended: Vec<Order> = (orders.iter())
            .filter(|(_, order)| !order.contains("\"u3\"") && !order.contains("\"u7\""))
            .map(|(known, order)| (*known, order.replace("\"amount\":1", "\"amount\":2")))
            .collect();
        fs::write(place.path().join("orders.jsonl"), lines(&mended)).expect("the orders");
        let told = load(place.path(), late);
        assert_eq!(told["deleted"], 2, "{told}");
        let expected = replayed(&mended, late, last);
        assert_eq!(answers(place.path(), last), expected);
        // What was true before changes nothing any more.
        fs::write(place.path().join("orders.jsonl"), lines(&orders)).expect("the orders");
        let told = load(place.path(), early);
        assert_eq!((told["kept"].as_u64(), told["written"].as_u64()), (Some(8), Some(0)), "{told}");
        assert_eq!(answers(place.path(), last), expected);
        let said = run(place.path(), &format!("load --at {}", Instant(early * 1000)));
        assert!(
            said.contains("keeps what is newer") && said.contains(&Instant(late * 1000).to_string()),
            "{said}"
        );
        // The same once more writes no entity; without an instant it is now.
        fs::write(place.path().join("orders.jsonl"), lines(&mended)).expect("the orders");
        assert_eq!(load(place.path(), late)["written"], 0);
        run(place.path(), "load shop.recent");
        assert_eq!(answers(place.path(), last), replayed(&mended, last, last));
        let status = run(place.path(), "status recent");
        assert!(status.contains("orders/0"), "{status}");
    }
}

#[test]
fn a_replay_goes_on_from_a_load_of_the_same_file() {
    let dice = &mut Dice::new(71);
    let orders = orders(400, dice);
    let last = orders[399].0;
    let place = project(&orders, "embedded:.feat/online", "");
    load(place.path(), orders[150].0);
    let config = place.path().join("feat.toml");
    let text = fs::read_to_string(&config).expect("the settings");
    fs::write(&config, format!("{text}{REPLAYED}")).expect("the settings");
    run(place.path(), "stream --replay --until-end");
    assert_eq!(answers(place.path(), last), replayed(&orders, last, last));
}

#[test]
fn what_cannot_be_loaded_says_why() {
    let dice = &mut Dice::new(73);
    let orders = orders(40, dice);
    let place = project(&orders, "embedded:.feat/online", "");
    refused(place.path(), "load --at 2999-01-01T00:00:00Z", &["ahead of the clock"]);
    refused(place.path(), "load --at yesterday", &["--at", "yesterday"]);
    refused(place.path(), "load recnt", &["recnt", "recent"]);
    let config = place.path().join("feat.toml");
    let text = fs::read_to_string(&config).expect("the settings");
    fs::write(&config, format!("{text}{REPLAYED}")).expect("the settings");
    refused(place.path(), "load recent", &["kept up by `feat stream`", "orders"]);
    refused(place.path(), "load", &["every group is kept up"]);
    fs::write(&config, text).expect("the settings");
    let spec = place.path().join("shop.feat");
    let text = fs::read_to_string(&spec).expect("the spec");
    fs::write(&spec, text.replace("from orders {\n", "from orders {\n  refresh every 1d\n"))
        .expect("the spec");
    refused(place.path(), "load recent", &["`refresh`", "schedule"]);
    fs::write(&spec, &text).expect("the spec");
    fs::write(place.path().join("orders.jsonl"), "{").expect("the orders");
    refused(
        place.path(),
        &format!("load --at {}", Instant((orders[0].0 + MINUTE) * 1000)),
        &["orders.jsonl"],
    );
    refused(place.path(), "get shopper user_id=u1", &["no online values yet"]);
}
