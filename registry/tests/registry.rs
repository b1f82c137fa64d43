//! The registry's promises, on real databases in folders of their own.

use std::path::Path;

use feat_compiler::secrets::Secrets;
use feat_compiler::{Compiled, SourceMap, compile};
use feat_kernel::time::Instant;
use feat_registry::lineage::Direction;
use feat_registry::objects::Archived;
use feat_registry::runs::Counts;
use feat_registry::{Actor, Deployed, Move, PinState, Plan, Registry, RegistryError};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;

const URL: &str = "sqlite:registry.db";

const SPEC: &str = r#"
@owner("data@shop.example")
package shop

entity user(user_id: string)

source orders: events {
  order_id: string
  user_id:  string
  amount:   float
  coupon:   string?
  ts:       timestamp
  time  ts
  known after 5s
  dedupe by order_id within 1d
}

/// What a user buys.
features spend of user from orders {
  version 1
  total  = sum(amount) over [1d, 7d]
  orders = count()     over 7d
}

derived habits of user {
  version 1
  each = spend.total_7d / spend.orders
}

service checkout of user {
  version 1
  spend.total_1d
  spend.total_7d
  habits.each
}
"#;

fn at(seconds: i64) -> Actor<'static> {
    Actor { principal: "ann", channel: "test", at: Instant(seconds * 1_000_000) }
}

fn compiled(text: &str) -> (Compiled, SourceMap) {
    let mut texts = SourceMap::new();
    texts.add("shop.feat", text);
    let compiled = compile(&texts);
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
    (compiled, texts)
}

/// A registry in a folder of its own.
struct Place {
    folder: TempDir,
    registry: Registry,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("it can be");
        let registry = Registry::make(URL, folder.path(), "shop").await.expect("it can be");
        Self { folder, registry }
    }

    async fn deployed(&self) -> Option<Deployed> {
        self.registry.deployed(&Secrets::default()).await.expect("it can be")
    }

    async fn plan(&self, text: &str) -> Plan {
        let (compiled, texts) = compiled(text);
        Plan::new("shop", self.deployed().await.as_ref(), &compiled, &texts).expect("it can be")
    }

    async fn apply(&self, text: &str) -> Result<u64, RegistryError> {
        let plan = self.plan(text).await;
        let (compiled, texts) = compiled(text);
        self.registry.apply(&plan, &compiled, &texts, &at(1)).await
    }

    /// The database, past the registry.
    async fn raw(&self) -> SqlitePool {
        raw(self.folder.path()).await
    }
}

async fn raw(folder: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(folder.join("registry.db"));
    SqlitePool::connect_with(options).await.expect("it can be")
}

fn edited(replacements: &[(&str, &str)]) -> String {
    let mut text = SPEC.to_owned();
    for (old, new) in replacements {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    text
}

#[tokio::test]
async fn what_is_applied_is_there_in_version_one() {
    let place = Place::new().await;
    assert!(place.deployed().await.is_none());
    assert_eq!(place.apply(SPEC).await.unwrap(), 1);
    let objects = place.registry.objects("", "", Archived::Hidden).await.unwrap();
    let named = |kind: &str| -> Vec<&str> {
        objects.iter().filter(|entry| entry.kind == kind).map(|entry| entry.name.as_str()).collect()
    };
    assert_eq!(named("service"), ["shop.checkout"]);
    assert_eq!(
        named("feature"),
        ["shop.habits.each", "shop.spend.orders", "shop.spend.total_1d", "shop.spend.total_7d"]
    );
    assert_eq!(named("field").len(), 5);
    for entry in &objects {
        assert_eq!((entry.version.major, entry.version.minor), (1, 0), "{entry:?}");
        assert_eq!((entry.version.class.as_str(), entry.version.revision), ("initial", 1));
    }
    let spend = place.registry.object("spend").await.unwrap();
    assert_eq!(spend.urn, "urn:feat:group:shop/shop.spend");
    assert_eq!(
        (spend.doc.as_str(), spend.owners),
        ("What a user buys.", vec!["data@shop.example".to_owned()])
    );
    assert!(
        spend.version.text.starts_with("features spend") || spend.version.text.contains("features spend")
    );
    let deployed = place.deployed().await.unwrap();
    assert_eq!(deployed.pin("checkout").unwrap().versioned(), "shop.checkout@1");
    assert_eq!(deployed.pin("shop.checkout@1").unwrap().state, PinState::Active);
    let unknown = deployed.pin("basket").unwrap_err().to_string();
    assert!(unknown.contains("`basket`") && unknown.contains("`shop.checkout@1`"), "{unknown}");
}

#[tokio::test]
async fn applying_what_is_deployed_changes_nothing() {
    let place = Place::new().await;
    assert_eq!(place.apply(SPEC).await.unwrap(), 1);
    let events = "SELECT COUNT(*) FROM registry_event";
    let before: i64 = sqlx::query_scalar(events).fetch_one(&place.raw().await).await.unwrap();
    // Another layout is the same.
    for text in [SPEC.to_owned(), edited(&[("sum(amount) over", "sum( amount )  over")])] {
        assert!(place.plan(&text).await.is_empty());
        assert_eq!(place.apply(&text).await.unwrap(), 1);
    }
    let after: i64 = sqlx::query_scalar(events).fetch_one(&place.raw().await).await.unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn of_applies_over_one_revision_exactly_one_is_done() {
    let place = Place::new().await;
    place.apply(SPEC).await.unwrap();
    let texts: Vec<String> = (2..10)
        .map(|days| {
            edited(&[(
                "orders = count()     over 7d",
                &format!("orders = count() over 7d\n  more = count() over {days}d"),
            )])
        })
        .collect();
    let mut plans = Vec::new();
    for text in &texts {
        plans.push((place.plan(text).await, text.clone()));
    }
    let mut applies = Vec::new();
    for (plan, text) in plans {
        let registry = place.registry.clone();
        applies.push(tokio::spawn(async move {
            let (compiled, texts) = compiled(&text);
            registry.apply(&plan, &compiled, &texts, &at(2)).await
        }));
    }
    let mut done = 0;
    for apply in applies {
        match apply.await.unwrap() {
            Ok(revision) => {
                assert_eq!(revision, 2);
                done += 1;
            }
            Err(RegistryError::Stale { planned: 1, found: 2 }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(done, 1);
    let feature = place.registry.object("spend.more").await.unwrap();
    assert_eq!(feature.version.revision, 2);
}

#[tokio::test]
async fn what_was_published_is_fixed_in_the_database_itself() {
    let place = Place::new().await;
    place.apply(SPEC).await.unwrap();
    let id = place.registry.begin_run("train", "urn:x", Some(1), &at(2)).await.unwrap();
    place.registry.end_run(&id, Ok((Counts::default(), serde_json::json!({}))), &at(3)).await.unwrap();
    let raw = place.raw().await;
    let allowed = ["object_version.state", "object.lifecycle", "object.note", "pin.state"];
    let fixed = [
        "spec_text",
        "revision",
        "revision_file",
        "object",
        "object_version",
        "pin",
        "lineage_edge",
        "aspect",
        "registry_event",
        "audit_log",
        "run",
    ];
    for table in fixed {
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}")))
            .fetch_one(&raw)
            .await
            .unwrap();
        assert!(rows > 0, "{table} is empty");
        let columns: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')")))
                .fetch_all(&raw)
                .await
                .unwrap();
        for column in columns {
            let update = format!("UPDATE {table} SET {column} = {column}");
            let done = sqlx::query(sqlx::AssertSqlSafe(update)).execute(&raw).await;
            let may = allowed.contains(&format!("{table}.{column}").as_str());
            assert_eq!(done.is_ok(), may, "UPDATE {table}.{column}: {done:?}");
        }
        if !["aspect", "run"].contains(&table) {
            let done = sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table}"))).execute(&raw).await;
            assert!(done.is_err(), "DELETE FROM {table}");
        }
    }
    let chain = place.registry.begin_run("load", "urn:x", Some(1), &at(4)).await.unwrap();
    let counts = Counts { rows_in: 3, admitted: 1, rejected: 1, rows_out: 0 };
    assert!(place.registry.end_run(&chain, Ok((counts, serde_json::json!({}))), &at(5)).await.is_err());
}

#[tokio::test]
async fn a_change_of_meaning_needs_a_version_and_services_stay_where_they_are() {
    let place = Place::new().await;
    place.apply(SPEC).await.unwrap();
    let changed = [("total  = sum(amount) over", "total  = sum(amount) where coupon is null over")];
    let refused = place.apply(&edited(&changed)).await.unwrap_err().to_string();
    assert!(refused.contains("FEAT080") && refused.contains("total_7d"), "{refused}");
    assert_eq!(place.registry.head().await.unwrap().unwrap().seq, 1);

    let second = [changed[0], ("orders {\n  version 1", "orders {\n  version 2")];
    let derived = ("derived habits of user {\n  version 1", "derived habits of user {\n  version 2");
    let text = edited(&[second[0], second[1], derived]);
    let plan = place.plan(&text).await;
    let held = Move::Held { service: "shop.checkout@1".to_owned(), on: vec!["shop.spend@1".to_owned()] };
    assert_eq!((plan.moves.as_slice(), plan.blocked()), (&[held][..], vec![]));
    assert_eq!(place.apply(&text).await.unwrap(), 2);
    let deployed = place.deployed().await.unwrap();
    let version = |deployed: &Deployed, name: &str| {
        deployed.plan(deployed.pin(name).unwrap()).unwrap().groups[0].group.version
    };
    assert_eq!(version(&deployed, "checkout"), 1);
    let live: Vec<u32> = deployed.live_groups().unwrap().iter().map(|live| live.group.version).collect();
    assert_eq!(live, [2, 1]);

    // The service moves by a version of its own, and only once what it reads is filled.
    let moved =
        text.replace("service checkout of user {\n  version 1", "service checkout of user {\n  version 2");
    assert_eq!(place.apply(&moved).await.unwrap(), 3);
    let deployed = place.deployed().await.unwrap();
    assert_eq!(version(&deployed, "checkout"), 1);
    assert!(deployed.pin("checkout@2").is_err());
    let staged = deployed.pins.iter().find(|pin| pin.state == PinState::Staged).unwrap();
    place.registry.promote(staged, &at(4)).await.unwrap();
    let deployed = place.deployed().await.unwrap();
    assert_eq!((version(&deployed, "checkout"), version(&deployed, "checkout@1")), (2, 1));

    // Back, without a write of data, and forth; then the old version ends.
    assert_eq!(place.registry.rollback("shop.checkout", &at(5)).await.unwrap().major, 1);
    let deployed = place.deployed().await.unwrap();
    assert_eq!((version(&deployed, "checkout"), version(&deployed, "checkout@2")), (1, 2));
    let second = deployed.pin("checkout@2").unwrap().clone();
    place.registry.promote(&second, &at(6)).await.unwrap();
    let first = place.deployed().await.unwrap().pin("checkout@1").unwrap().clone();
    assert!(
        place.registry.retire(&second, &at(7)).await.unwrap_err().to_string().contains("promote another")
    );
    place.registry.retire(&first, &at(7)).await.unwrap();
    let deployed = place.deployed().await.unwrap();
    assert!(deployed.pin("checkout@1").is_err());
    let live: Vec<u32> = deployed.live_groups().unwrap().iter().map(|live| live.group.version).collect();
    assert_eq!(live, [2]);
    assert!(place.registry.promote(&first, &at(8)).await.unwrap_err().to_string().contains("retired"));
}

#[tokio::test]
async fn a_feature_that_a_service_reads_is_kept() {
    let place = Place::new().await;
    place.apply(SPEC).await.unwrap();
    // `orders` is read by the derived group alone, and that by the service.
    let without = edited(&[
        ("  orders = count()     over 7d\n", ""),
        ("each = spend.total_7d / spend.orders", "each = spend.total_7d / 2.0"),
        ("derived habits of user {\n  version 1", "derived habits of user {\n  version 2"),
    ]);
    let refused = place.apply(&without).await.unwrap_err().to_string();
    assert!(refused.contains("FEAT081") && refused.contains("spend.orders"), "{refused}");
    // What nobody reads can go.
    let more =
        edited(&[("orders = count()     over 7d", "orders = count() over 7d\n  most = max(amount) over 7d")]);
    assert_eq!(place.apply(&more).await.unwrap(), 2);
    assert_eq!(place.apply(SPEC).await.unwrap(), 3);
    let gone = place.registry.object("spend.most").await.unwrap();
    assert_eq!(gone.lifecycle, "archived");
}

#[tokio::test]
async fn what_was_edited_by_hand_is_refused() {
    for (unlock, edit, says) in [
        (
            "DROP TRIGGER spec_text_is_fixed",
            "UPDATE spec_text SET text = replace(text, '7d', '8d')",
            "file `shop.feat` of revision 1",
        ),
        ("DROP TRIGGER revision_is_fixed", "UPDATE revision SET meaning = 'x'", "other numbers"),
        ("DROP TRIGGER pin_is_fixed", "UPDATE pin SET meaning = 'x'", "service `shop.checkout`"),
        ("DROP TRIGGER pin_is_fixed", "UPDATE pin SET major = 7", "pin of service `shop.checkout`"),
        ("DROP TRIGGER spec_text_is_kept", "DELETE FROM spec_text", "file `shop.feat` of revision 1"),
    ] {
        let place = Place::new().await;
        place.apply(SPEC).await.unwrap();
        let raw = place.raw().await;
        sqlx::query("PRAGMA foreign_keys = OFF").execute(&raw).await.unwrap();
        let mut connection = raw.acquire().await.unwrap();
        sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut *connection).await.unwrap();
        sqlx::query(unlock).execute(&mut *connection).await.unwrap();
        sqlx::query(edit).execute(&mut *connection).await.unwrap();
        let refused = place.registry.deployed(&Secrets::default()).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{edit}: {refused}");
    }
}

#[tokio::test]
async fn a_registry_of_a_newer_build_or_of_no_build_is_refused() {
    let place = Place::new().await;
    let raw = place.raw().await;
    sqlx::query("INSERT INTO _sqlx_migrations SELECT 99, 'later', installed_on, success, checksum, execution_time FROM _sqlx_migrations LIMIT 1")
        .execute(&raw)
        .await
        .unwrap();
    let refused = Registry::open(URL, place.folder.path(), "shop").await.unwrap_err().to_string();
    assert!(refused.contains("newer build") && refused.contains("99"), "{refused}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("registry.db"),
        "this is no database, and long enough to be read as one",
    )
    .unwrap();
    let refused = Registry::open(URL, folder.path(), "shop").await.unwrap_err().to_string();
    assert!(refused.contains("registry.db"), "{refused}");
    let refused =
        Registry::open("mysql://ann:hunter2@host/db", folder.path(), "shop").await.unwrap_err().to_string();
    assert!(refused.contains("sqlite:PATH") && !refused.contains("hunter2"), "{refused}");
}

#[tokio::test]
async fn the_audit_log_is_a_chain() {
    let place = Place::new().await;
    place.apply(SPEC).await.unwrap();
    place.registry.audit(&at(2), "get", "urn:x", false, "no role").await.unwrap();
    place.registry.audit(&at(3), "get", "urn:x", true, "").await.unwrap();
    let log = place.registry.audit_log().await.unwrap();
    let actions: Vec<(&str, bool)> = log.iter().map(|entry| (entry.action.as_str(), entry.allowed)).collect();
    assert_eq!(actions, [("apply", true), ("get", false), ("get", true)]);
    let raw = place.raw().await;
    let mut connection = raw.acquire().await.unwrap();
    sqlx::query("DROP TRIGGER audit_log_is_fixed").execute(&mut *connection).await.unwrap();
    sqlx::query("UPDATE audit_log SET principal = 'bob' WHERE seq = 2")
        .execute(&mut *connection)
        .await
        .unwrap();
    let found = place.registry.audit_log().await.unwrap_err().to_string();
    assert!(found.contains("entry 2"), "{found}");
}

#[tokio::test]
async fn lineage_goes_from_columns_to_services_and_back() {
    let place = Place::new().await;
    place.apply(SPEC).await.unwrap();
    let up = place.registry.lineage("shop.habits.each", Direction::Upstream, 0).await.unwrap();
    let from = |name: &str| up.iter().any(|edge| edge.from == name);
    assert!(from("shop.spend.total_7d") && from("shop.spend.orders") && from("shop.orders.amount"), "{up:?}");
    assert!(!from("shop.spend.total_1d") && !from("shop.orders.coupon"));
    let one = place.registry.lineage("shop.habits.each", Direction::Upstream, 1).await.unwrap();
    assert!(one.iter().all(|edge| edge.to == "shop.habits.each") && !one.is_empty());
    let down = place.registry.lineage("shop.orders.amount", Direction::Downstream, 0).await.unwrap();
    assert!(down.iter().any(|edge| edge.to == "shop.checkout"), "{down:?}");
    assert!(place.registry.lineage("shop.orders.coupon", Direction::Downstream, 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn keys_are_found_by_what_they_begin_with_until_they_are_taken_back() {
    let place = Place::new().await;
    let roles = ["reader".to_owned(), "author".to_owned()];
    place.registry.add_key("svc", &roles, "abc123", "$argon2id$x", Some(Instant(9)), &at(1)).await.unwrap();
    let key = place.registry.key("abc123").await.unwrap().unwrap();
    assert_eq!((key.principal.as_str(), key.roles.len(), key.expires_at), ("svc", 2, Some(Instant(9))));
    assert!(place.registry.key("abc").await.unwrap().is_none());
    place.registry.revoke_key("abc123", &at(2)).await.unwrap();
    assert!(place.registry.key("abc123").await.unwrap().is_none());
    assert!(place.registry.revoke_key("abc123", &at(3)).await.is_err());
    let wrong = place.registry.add_key("svc", &["king".to_owned()], "x", "y", None, &at(4)).await;
    assert!(wrong.is_err());
}
