//! The registry by the command line: what is applied is what runs, whatever becomes of the files.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use feat_tests::dice::Dice;
use serde_json::Value as Json;

use crate::feat::{command, feat, printed, words};
use crate::shop::{MINUTE, Order, SPEC, answers, lines, orders, refused, run};

/// A shop whose orders are in a file that is replayed.
fn project(orders: &[Order]) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    write(place.path(), &spec());
    fs::write(place.path().join("orders.jsonl"), lines(orders)).expect("a file");
    let toml = "[project]\nname = \"shop\"\n[sources.orders]\nreplay = \"orders.jsonl\"\n";
    fs::write(place.path().join("feat.toml"), toml).expect("a file");
    place
}

fn spec() -> String {
    SPEC.replace("  stream kafka(\"TOPIC\", format: \"json\")\n", "")
}

fn write(folder: &Path, spec: &str) {
    fs::write(folder.join("shop.feat"), spec).expect("a file");
}

fn edited(spec: &str, old: &str, new: &str) -> String {
    assert!(spec.contains(old), "{old} in {spec}");
    spec.replace(old, new)
}

/// The spec with more features behind those that it has: a service serves what is new last.
fn last_features(more: &str) -> String {
    edited(&spec(), "q: 0.5) over 7d\n", &format!("q: 0.5) over 7d\n{more}"))
}

/// The exit code of `feat plan`, and its document.
fn plan(folder: &Path) -> (Option<i32>, Json) {
    let output = feat(folder, &words("plan --json"));
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

#[test]
fn what_is_applied_is_what_runs_and_services_move_by_their_own_versions() {
    let orders = orders(400, &mut Dice::new(83));
    let last = orders[399].0;
    let place = project(&orders);
    let folder = place.path();
    assert_eq!(plan(folder).0, Some(10));
    run(folder, "stream --replay --until-end");
    let unapplied = answers(folder, last);
    assert!(run(folder, "apply").contains("Revision 1 is deployed"));
    assert_eq!((plan(folder).0, answers(folder, last)), (Some(0), unapplied.clone()));
    assert!(run(folder, "apply").contains("nothing to apply"));

    // A file that changes its meaning changes nothing, and is not applied without a version.
    let other = edited(&spec(), "n      = count()     over", "n      = count() where amount > 5.0 over");
    write(folder, &other);
    assert_eq!(answers(folder, last), unapplied);
    refused(folder, "get shopper user_id=u1 --draft", &["no online values yet"]);
    let (code, document) = plan(folder);
    assert_eq!(code, Some(11), "{document}");
    assert!(document["blocked"].to_string().contains("FEAT080"), "{document}");
    refused(folder, "apply", &["FEAT080", "n_1h"]);
    // Nor does a file that no longer compiles.
    write(folder, "features broken");
    assert_eq!(answers(folder, last), unapplied);

    // A second version of the group lives beside the first.
    let second = edited(&other, "of user from orders {", "of user from orders {\n  version 2");
    write(folder, &second);
    assert!(run(folder, "apply").contains("stays on shop.recent@1"));
    run(folder, "stream --replay --until-end");
    assert_eq!(answers(folder, last), unapplied);
    // The service moves when its own version says so, once its groups are filled.
    let moved = edited(
        &second,
        "service shopper of user { recent.* }",
        "service shopper of user { version 2  recent.* }",
    );
    write(folder, &moved);
    assert!(run(folder, "apply").contains("shop.shopper@2: waits"));
    assert_eq!(answers(folder, last), unapplied);
    assert!(run(folder, "promote").contains("shop.shopper@2"));
    let alone = project(&orders);
    write(alone.path(), &moved);
    run(alone.path(), "stream --replay --until-end");
    let promoted = answers(folder, last);
    assert_eq!(promoted, answers(alone.path(), last));
    assert_ne!(promoted, unapplied);
    let at = feat_kernel::time::Instant((last + MINUTE) * 1000);
    let pinned: Json =
        serde_json::from_str(&run(folder, &format!("get shopper@1 user_id=u1 --at {at} --json")))
            .expect("JSON");
    assert_eq!(pinned["features"], unapplied["u1"]);

    assert!(run(folder, "rollback shopper").contains("shop.shopper@1"));
    assert_eq!(answers(folder, last), unapplied);
    run(folder, "promote shopper@2");
    refused(folder, "deprecate shopper@2 --retire", &["promote another"]);
    run(folder, "deprecate shopper@1 --retire");
    refused(folder, "get shopper@1 user_id=u1", &["`shopper@1`", "shop.shopper@2"]);
}

#[test]
fn a_version_that_is_not_filled_is_not_promoted() {
    let orders = orders(50, &mut Dice::new(89));
    let place = project(&orders);
    let folder = place.path();
    run(folder, "apply");
    run(folder, "stream --replay --until-end");
    let text = edited(&spec(), "of user from orders {", "of user from orders {\n  version 2");
    let text = edited(&text, "count()     over", "count() where amount > 5.0 over");
    write(folder, &edited(&text, "{ recent.* }", "{ version 2  recent.* }"));
    run(folder, "apply");
    refused(folder, "promote shopper", &["`shop.recent` version 2", "no online values", "--force"]);
    run(folder, "stream --replay --until-end");
    run(folder, "promote shopper");
    refused(folder, "promote shopper", &["no version of service `shopper` waits"]);
}

#[test]
fn an_apply_that_is_killed_is_done_or_was_never() {
    let place = project(&orders(20, &mut Dice::new(97)));
    let folder = place.path();
    let started = Instant::now();
    run(folder, "apply");
    let mut whole = started.elapsed();
    let (mut done, mut undone) = (0, 0);
    let mut more = String::new();
    for round in 0..24u32 {
        let _ = writeln!(more, "  more_{round} = max(amount) over {}d", round + 2);
        write(folder, &last_features(&more));
        // From its first moment to its last, as long as a whole one takes here; the last round ends by itself.
        let end = if round == 23 { Duration::from_hours(1) } else { whole * round / 20 };
        let started = Instant::now();
        let mut apply = command(folder, &words("apply")).spawn().expect("the binary runs");
        while started.elapsed() < end && apply.try_wait().expect("it is ours").is_none() {}
        let _ = apply.kill();
        apply.wait().expect("it ends");
        let (code, document) = plan(folder);
        let over = document["over_revision"].as_u64().expect("a revision");
        if over == u64::from(round) + 1 {
            assert_eq!(code, Some(10), "{document}");
            undone += 1;
            let started = Instant::now();
            run(folder, "apply");
            whole = started.elapsed();
        } else {
            assert_eq!((over, code), (u64::from(round) + 2, Some(0)), "{document}");
            done += 1;
        }
        assert!(run(folder, "list feature").contains(&format!("more_{round}")));
    }
    assert!(done > 0 && undone > 0, "{done} done, {undone} not: the kills hit nothing");
}

#[test]
fn a_training_set_is_made_again_and_what_changed_is_named() {
    let place = project(&orders(200, &mut Dice::new(101)));
    let folder = place.path();
    run(folder, "apply");
    let spine = "user_id,t\nu1,2025-01-01T03:00:00Z\nu2,2025-01-01T05:00:00Z\nu9,2025-01-02T00:00:00Z\n";
    fs::write(folder.join("spine.csv"), spine).expect("a file");
    let made = run(folder, "train --service shopper --spine spine.csv --time t --out set.parquet");
    let id = made.trim().rsplit(' ').next().expect("a name").to_owned();
    assert!(run(folder, &format!("reproduce {id}")).contains("the same"));
    let sets: Json = serde_json::from_str(&run(folder, "runs --training-sets --json")).expect("JSON");
    assert_eq!((sets[0]["id"].as_str(), sets[0]["rows"].as_u64()), (Some(id.as_str()), Some(3)));
    let runs: Json = serde_json::from_str(&run(folder, "runs --json")).expect("JSON");
    let count = |name: &str| runs[0][name].as_u64().expect("a number");
    assert_eq!(count("rows_in"), count("admitted") + count("rejected"));
    assert!(count("admitted") > 0 && runs[0]["state"] == "completed", "{runs}");
    // The files may say something else by now: it is the revision that is run.
    write(folder, &edited(&spec(), "count()     over", "count() where amount > 5.0 over"));
    assert!(run(folder, &format!("reproduce {id}")).contains("the same"));
    assert!(run(folder, "impact recent.n_1h").contains(&id));
    fs::write(folder.join("spine.csv"), spine.replace("u9", "u3")).expect("a file");
    refused(folder, &format!("reproduce {id}"), &["another now", "the spine", "spine.csv"]);
    refused(folder, "reproduce abc", &["training set `abc`"]);
}

#[test]
fn what_is_deployed_is_listed_and_shown() {
    let place = project(&orders(5, &mut Dice::new(103)));
    let folder = place.path();
    refused(folder, "list", &["nothing was ever applied", "feat apply"]);
    run(folder, "apply");
    assert!(run(folder, "list service").contains("shop.shopper"));
    let shown = run(folder, "show recent.spent_1h");
    assert!(
        shown.contains("urn:feat:feature:shop/shop.recent.spent_1h") && shown.contains("sum(amount)"),
        "{shown}"
    );
    write(folder, &last_features("  most = max(amount) over 1d\n"));
    run(folder, "apply");
    let history = run(folder, "history recent");
    assert!(history.contains("1.1") && history.contains("compatible"), "{history}");
    assert!(run(folder, "diff 1 2").contains("shop.recent.most"));
    let up = run(folder, "lineage recent.spent_1h");
    assert!(up.contains("shop.orders.amount") && up.contains("aggregation"), "{up}");
    assert!(run(folder, "impact orders.amount").contains("shop.shopper"));
    run(folder, "deprecate recent.median --note \"use last\"");
    assert!(run(folder, "show recent.median").contains("use last"));
    refused(folder, "show recent.nothing", &["`recent.nothing`"]);
    let mut other = command(folder, &words("show recent"));
    let output = other.arg("--json").output().expect("the binary runs");
    let shown: Json =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", printed(&output)));
    assert_eq!(shown["version"]["minor"], 1);
}
