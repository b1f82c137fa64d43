//! The shop, with computed columns, row lookups and derived groups: each of the edits of which the class is
//! written down, and random pairs of them.

#[path = "../../../compiler/tests/cases/diff/edits.rs"]
mod edits;

use feat_batch::Session;
use feat_compiler::diff::{Class, diff};
use feat_tests::agree::Question;
use feat_tests::dice::Dice;
use feat_tests::oracle::time::{instant, instant_text};
use feat_tests::read::batch;
use feat_tests::read::project::{Project, Rows, session};
use serde_json::{Map, Value as Json, json};

use edits::{EDITS, Edit, SHOP};

use super::{Judge, Values, model};
use crate::agreement::runtime;

/// How many logs are drawn: the seeds from one on.
const LOGS: u64 = 3;

/// How many random pairs of edits are judged over each.
const PAIRS: usize = 60;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// The shop with the edits, if each finds its place.
fn edited(edits: &[&Edit]) -> Option<String> {
    edits.iter().flat_map(|(edits, _)| *edits).try_fold(SHOP.to_owned(), |text, (from, to)| {
        (text.matches(from).count() == 1).then(|| text.replace(from, to))
    })
}

fn object(json: &Json) -> Map<String, Json> {
    json.as_object().cloned().unwrap_or_default()
}

/// An instant: days apart as windows and horizons are, and minutes beside that.
fn time(dice: &mut Dice) -> i64 {
    let start = instant("2024-02-01T00:00:00Z").unwrap();
    start + dice.pick(&[0, 0, 1, 2, 7, 30, 78, 80, 85, 90]) * DAY + dice.between(0, 600) * MINUTE
}

/// Orders, some of them twice, late or without what they must have, and profiles.
fn rows(dice: &mut Dice) -> Rows {
    let mut orders: Vec<Map<String, Json>> = Vec::new();
    for _ in 0..120 {
        let placed = time(dice);
        let seen = placed + dice.pick(&[0, 0, 1, 9, 15, 40]) * MINUTE;
        let mut order = object(&json!({
            "order_id": format!("o{}", dice.between(0, 60)),
            "user_id": dice.pick(&["u", "u", "v", "w"]),
            "item_id": dice.between(1, 3),
            "amount": dice.pick(&[json!("50"), json!("150"), json!("600.50"), json!("-1"), json!("0.5"), Json::Null]),
            "weight": dice.pick(&[json!(1.5), json!(30.5), json!(40.25), Json::Null]),
            "status": dice.pick(&["paid", "paid", "open", "refunded"]),
            "coupon": dice.pick(&[json!("spring"), json!("abc"), json!("x"), Json::Null]),
            "note": dice.pick(&[json!("gift"), json!("call"), Json::Null]),
            "placed": instant_text(placed),
            "seen": instant_text(seen),
        }));
        if !orders.is_empty() && dice.once_in(4) {
            // The same order again, with the same content or known somewhat later.
            order.clone_from(dice.pick(&orders));
            if dice.once_in(2) {
                order.insert("seen".to_owned(), json!(instant_text(seen)));
                order.insert("coupon".to_owned(), json!("later"));
            }
        }
        orders.push(order);
    }
    let profiles = (0..20).map(|_| {
        let at = time(dice);
        object(&json!({
            "user_id": dice.pick(&["u", "v", "w"]),
            "country": dice.pick(&[json!("DE"), json!("FR"), Json::Null]),
            "born": instant_text(at - dice.between(7_000, 20_000) * DAY),
            "at": instant_text(at),
        }))
    });
    Rows::from([("profiles".to_owned(), profiles.collect()), ("orders".to_owned(), orders)])
}

fn questions(dice: &mut Dice) -> Vec<Question> {
    let one = |_| {
        let inputs = object(&json!({
            "user_id": dice.pick(&["u", "u", "v", "w", "nobody"]),
            "item_id": dice.between(1, 4),
            "amount": dice.pick(&["10", "250.5"]),
            "hint": "none",
        }));
        (inputs, time(dice) + dice.between(0, 40) * 60 * MINUTE)
    };
    (0..40).map(one).collect()
}

/// The values of every group, private ones among them, and of every derived group.
async fn values(
    session: &Session,
    text: &str,
    rows: &Rows,
    questions: &[Question],
) -> Result<Values, String> {
    let project = Project::new(text, rows)?;
    let mut found = Values::new();
    for (name, service) in &project.plans.alone {
        let lines = batch::asked(session, &project, service, questions, None).await?;
        for ((_, at), line) in questions.iter().zip(&lines) {
            for (feature, value) in line {
                let feature = feature.rsplit_once('.').map_or(feature.as_str(), |(_, feature)| feature);
                found.entry(format!("{name}.{feature}")).or_default().push((*at, format!("{value:?}")));
            }
        }
    }
    Ok(found)
}

#[test]
fn no_value_of_the_shop_changes_unsaid() {
    let (session, runtime) = (session().unwrap(), runtime());
    let old = model(SHOP).unwrap();
    let mut judge = Judge::default();
    for seed in 1..=LOGS {
        let mut dice = Dice::new(seed);
        let (rows, questions) = (rows(&mut dice), questions(&mut dice));
        let was = runtime.block_on(values(&session, SHOP, &rows, &questions)).unwrap();
        assert!(was.len() >= 16, "the shop has {} features", was.len());
        let singles = EDITS.iter().map(|edit| vec![edit]);
        let pairs = (0..PAIRS).map(|_| vec![dice.pick(EDITS), dice.pick(EDITS)]);
        for edits in singles.chain(pairs.collect::<Vec<_>>()) {
            let Some(text) = edited(&edits) else { continue };
            let Some(new) = model(&text) else { continue };
            let changes = diff(&old, &new);
            let worst = changes.iter().map(|change| change.class).max();
            match runtime.block_on(values(&session, &text, &rows, &questions)) {
                Ok(is) => judge.judge(&format!("seed {seed}, {edits:?}"), &changes, (&was, &is), |_| false),
                // Rows and questions of other types.
                Err(cause) => assert_eq!(worst, Some(Class::Breaking), "{edits:?}: {cause}"),
            }
        }
    }
    judge.close("shop", 20, 5);
}
