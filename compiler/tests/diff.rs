//! Every kind of edit of one project, and what it is to those who read values.

use std::collections::BTreeMap;
use std::fmt::Write;

use feat_compiler::compile;
use feat_compiler::diff::{Change, Class, What, diff};
use feat_compiler::ir::Model;
use feat_compiler::objects::{Kind, Object, objects};
use feat_dsl::render::{Color, render};
use feat_dsl::source_map::SourceMap;
use proptest::prelude::*;

const SHOP: &str = include_str!("cases/diff/shop.feat");

/// An edit: what is replaced by what, and its worst change: class, code (`-`: none), name.
type Edit = (&'static [(&'static str, &'static str)], &'static str);

/// One line an edit, by what it is of.
#[rustfmt::skip]
const EDITS: &[Edit] = &[
    // What decides nothing.
    (&[("/// What a user spends.", "/// How much a user spends.")], "metadata - shop.spending"),
    (&[("/// One row per order.", "")], "metadata - shop.orders"),
    (&[("@tags(\"shop\")", "@tags(\"store\")")], "metadata - shop.ranking"),
    (&[("@owner(\"shop@example.com\")", "@owner(\"a@example.com\")")], "metadata - shop.audit"),
    (&[("  bigs    =", "  /// How many.\n  bigs =")], "metadata - shop.spending.bigs"),
    (&[("@unit(\"usd\")", "@unit(\"eur\")")], "metadata - shop.orders.amount"),
    (&[("or length(coupon) > 3", "or length(coupon) > 4")], "metadata - shop.orders"),
    (&[("\"free orders are errors\"", "\"an order has a price\"")], "metadata - shop.orders"),
    // More than before.
    (&[("  note:     string?", "  note:     string?\n  more: int?")], "compatible - shop.orders.more"),
    (&[("  note:     string?", "  note:     string?\n  more: int")], "compatible - shop.orders.more"),
    (&[("  note:     string?\n", "")], "breaking - shop.orders.note"),
    (&[("  note:     string?", "  note:     string")], "compatible - shop.orders.note"),
    (&[("over 30d\n}", "over 30d\n  most = max(amount) over 7d\n}")], "compatible - shop.spending.most"),
    (&[("  bigs    =", "  _most = max(amount) over 7d\n  bigs =")], "compatible - shop.spending._most"),
    (&[("  new   =", "  more = ratio + 1.0\n  new =")], "compatible - shop.fit.more"),
    (&[("  spending.last_coupon\n  profile.country", "  spending.last_coupon\n  profile.country\n  profile.age")], "compatible - shop.audit"),
    (&[("  hint:   string?", "  hint:   string?\n  more: int?"), ("  hint:    string?", "  hint:    string?\n  more: int?")], "compatible - shop.ranking"),
    (&[("service audit", "service more of user { spending.spent }\nservice audit")], "initial - shop.more"),
    (&[("features level", "features more of item from orders { n = count() over 1d }\nfeatures level")], "initial - shop.more"),
    (&[("  version 3\n", "  version 4\n")], "compatible - shop.ranking"),
    // The same definition over other rows.
    (&[("ttl 90d", "ttl 80d")], "behavioural - shop.spending"),
    (&[("  ttl 90d\n", "")], "behavioural - shop.spending"),
    (&[("lateness 10m", "lateness 20m")], "behavioural - shop.orders"),
    (&[("lateness 10m", "lateness 20m")], "behavioural - shop.sales"),
    (&[("within 1d", "within 2d")], "behavioural - shop.spending"),
    (&[("parquet(\"orders/\")", "parquet(\"other/\")")], "behavioural - shop.orders"),
    (&[("parquet(\"orders/\")", "parquet(\"other/\")")], "behavioural - shop.sales"),
    (&[("kafka(\"orders\"", "kafka(\"orders.v2\"")], "behavioural - shop.spending"),
    (&[("| 2       | 20    |", "| 2       | 21    |")], "behavioural - shop.level"),
    (&[("ttl 90d", "ttl 80d")], "behavioural - shop.fit"),
    (&[("over 30d\n}", "over 30d\n  mean = avg(item_id) over 7d\n}")], "behavioural - shop.spending"),
    (&[("over 30d\n}", "over 30d\n  far = max(amount * amount) over 7d\n}")], "behavioural - shop.spending"),
    (&[("sample 10%", "sample 20%")], "behavioural - shop.ranking_train"),
    (&[("to 2024-06-01", "to 2024-07-01")], "behavioural - shop.ranking_train"),
    (&[("at at where amount > 1\n", "at at where amount > 2\n")], "behavioural - shop.ranking_train"),
    // Another meaning under the same version.
    (&[("sum(amount) where not heavy", "sum(amount)")], "breaking FEAT080 shop.spending.spent"),
    (&[("sum(amount) where not heavy", "sum(amount)")], "breaking FEAT080 shop.fit.ratio"),
    (&[("last(coupon)", "first(coupon)")], "breaking FEAT080 shop.spending.last_coupon"),
    (&[("not heavy over 7d", "not heavy over 8d")], "breaking FEAT080 shop.spending.spent"),
    (&[("not heavy over 7d", "not heavy over 7d every 1d")], "breaking FEAT080 shop.spending.spent"),
    (&[("not heavy over 7d", "not heavy over 7d offset 1d")], "breaking FEAT080 shop.spending.spent"),
    (&[("let BIG = 100", "let BIG = 200")], "breaking FEAT080 shop.spending._bigs"),
    (&[("let BIG = 100", "let BIG = 200")], "breaking FEAT080 shop.spending.bigs"),
    (&[("weight > 30.0", "weight > 31.0")], "breaking FEAT080 shop.sales.dear"),
    (&[("?? 0.0\n\nentity user", "?? 1.0\n\nentity user")], "breaking FEAT080 shop.spending.bigs"),
    (&[("from orders where status != \"open\" {", "from orders {")], "breaking FEAT080 shop.spending"),
    (&[("events from orders where status == \"paid\"", "events from orders where status != \"open\"")], "breaking FEAT080 shop.sales"),
    (&[("time     placed", "time     seen")], "breaking FEAT080 shop.spending"),
    (&[("known    seen after 2s", "known    seen after 3s")], "breaking FEAT080 shop.spending"),
    (&[("known    seen after 2s", "known    after 2s")], "breaking FEAT080 shop.sales"),
    (&[("in \"Europe/Paris\"", "in \"Europe/Rome\"")], "breaking FEAT080 shop.spending"),
    (&[("order by order_id", "order by seen")], "breaking FEAT080 shop.spending"),
    (&[("dedupe by order_id", "dedupe by order_id, item_id")], "breaking FEAT080 shop.spending"),
    (&[("  dedupe by order_id within 1d\n", "")], "breaking FEAT080 shop.refunds"),
    (&[("since    2024-01-01", "since    2024-01-02")], "breaking FEAT080 shop.spending"),
    (&[("expect amount > 0", "expect amount >= 0")], "breaking FEAT080 shop.spending"),
    (&[("else quarantine", "else drop")], "breaking FEAT080 shop.spending"),
    (&[("keep country", "country = country ?? \"none\"")], "breaking FEAT080 shop.profile.country"),
    (&[("fit.twice + 1.0", "fit.twice + 2.0")], "breaking FEAT080 shop.fitter.best"),
    (&[("next 30d", "next 31d")], "breaking FEAT080 shop.refunds.refunded"),
    (&[("entity item(item_id: int)", "entity item(item_id: string)"), ("  item_id:  int\n", "  item_id:  string\n"), ("  item_id: int\n  amount", "  item_id: string\n  amount"), ("  item_id: int\n  level", "  item_id: string\n  level"), ("| 1       |", "| \"1\"     |"), ("| 2       |", "| \"2\"     |")], "breaking FEAT080 shop.level"),
    (&[("spending of user from", "spending of user(order_id) from")], "breaking FEAT080 shop.spending"),
    (&[("  version 2\n", "  version 1\n")], "breaking FEAT080 shop.spending"),
    (&[("  version 3\n", "  version 2\n")], "breaking FEAT080 shop.ranking"),
    // The same under a greater one.
    (&[("  version 2\n", "  version 3\n"), ("last(coupon)", "first(coupon)")], "breaking - shop.spending.last_coupon"),
    (&[("  version 2\n", "  version 3\n"), ("last(coupon)", "first(coupon)")], "breaking - shop.spending.last_coupon"),
    (&[("  version 2\n", "  version 3\n"), ("  last_coupon = last(coupon) over 30d\n", ""), ("  spending.last_coupon\n", ""), ("* except {last_coupon}", "*"), ("of user {\n  profile", "of user {\n  version 2\n  profile")], "breaking - shop.spending.last_coupon"),
    (&[("  version 2\n", "  version 3\n")], "compatible - shop.spending"),
    // What is served.
    (&[("fitter.best as fit", "fitter.best as how_fit")], "breaking FEAT080 shop.ranking"),
    (&[("  sales.sold\n  fitter.best as fit\n", "  fitter.best as fit\n  sales.sold\n")], "breaking FEAT080 shop.ranking"),
    (&[("  _all    =", "  most = max(amount) over 7d\n  _all =")], "breaking FEAT080 shop.ranking"),
    (&[("  level.level\n", "")], "breaking FEAT080 shop.ranking"),
    (&[("  level.level\n", ""), ("  version 3\n", "  version 4\n")], "breaking - shop.ranking"),
    (&[("  profile.country\n", "  profile.age\n  profile.country\n")], "breaking FEAT080 shop.audit"),
    (&[("  sold = count() over 7d", "  sold = count() over 7d\n  some = count() over 1d"), ("  sales.sold\n", "  sales.{sold, some}\n")], "breaking FEAT080 shop.ranking"),
    (&[("  hint:   string?", "  hint:   string?\n  item_name: string"), ("  hint:    string?", "  hint:    string?\n  item_name: string")], "breaking FEAT080 shop.ranking"),
    (&[("service audit of user {\n  spending.last_coupon\n  profile.country\n}\n", "")], "breaking - shop.audit"),
    (&[("  label refunds.refunded\n", "")], "breaking - shop.ranking_train"),
    // What is gone.
    (&[("  last_coupon = last(coupon) over 30d\n", ""), ("  spending.last_coupon\n", ""), ("* except {last_coupon}", "*")], "breaking FEAT081 shop.spending.last_coupon"),
    (&[("  age = days_between(born, as_of)\n", "")], "breaking - shop.profile.age"),
    (&[("features level of item from levels { keep level }\n", ""), ("  level.level\n", "")], "breaking FEAT081 shop.level"),
    (&[("derived fitter of user, item with basket { best = fit.twice + 1.0 }\n", ""), ("  fitter.best as fit\n", "")], "breaking FEAT081 shop.fitter"),
    // Columns that somebody reads.
    (&[("  coupon:   string?\n", ""), ("  last_coupon = last(coupon) over 30d\n", "  last_coupon = last(note) over 30d\n"), ("  expect coupon is null or length(coupon) > 3\n", "")], "breaking FEAT083 shop.orders.coupon"),
    (&[("  weight:   float?", "  weight:   float"), ("weight > 30.0 ?? false", "weight > 30.0")], "breaking FEAT083 shop.orders.weight"),
    (&[("type Money = decimal(12, 2)", "type Money = decimal(10, 2)")], "breaking FEAT083 shop.orders.amount"),
    (&[("  country: string?", "  country: enum(\"DE\", \"FR\")?")], "breaking FEAT083 shop.profiles.country"),
    (&[("  born:    timestamp", "  born:    timestamp?")], "breaking FEAT080 shop.profile.age"),
    (&[("enum(\"paid\", \"open\", \"refunded\")", "enum(\"paid\", \"open\", \"refunded\", \"lost\")")], "breaking FEAT080 shop.refunds.refunded"),
];

fn compiled(text: &str) -> (Model, SourceMap) {
    let mut texts = SourceMap::new();
    texts.add("shop.feat", text);
    let compiled = compile(&texts);
    let report = render(&compiled.diagnostics, &texts, Color::Never);
    assert!(!compiled.has_errors() && compiled.pending.is_empty(), "{report}");
    (compiled.model, texts)
}

fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(SHOP.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "`{from}` does not stand once in the shop");
        text.replace(from, to)
    })
}

fn changes(edits: &[(&str, &str)]) -> Vec<Change> {
    diff(&compiled(SHOP).0, &compiled(&edited(edits)).0)
}

fn shown(change: &Change) -> String {
    let Change { kind, name, class, what, reason, code, dependents } = change;
    let code = code.map(|code| format!(" {}", code.0)).unwrap_or_default();
    let dependents =
        if dependents.is_empty() { String::new() } else { format!(" [{}]", dependents.join(", ")) };
    format!("{class}{code} {what:?} {kind} {name}: {reason}{dependents}")
}

fn all(changes: &[Change]) -> String {
    changes.iter().map(|change| shown(change) + "\n").collect()
}

#[test]
fn each_edit_has_its_class_and_its_code() {
    assert!(EDITS.len() >= 45);
    let old = compiled(SHOP).0;
    let mut wrong = String::new();
    for (edits, expected) in EDITS {
        let found = diff(&old, &compiled(&edited(edits)).0);
        let mut words = expected.split(' ');
        let (class, code, name) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let worst = found.iter().map(|change| change.class).max();
        let is = |change: &&Change| {
            change.name == name
                && change.class.word() == class
                && change.code.map_or("-", |code| code.0) == code
        };
        let none = code == "-" && found.iter().any(|change| change.code.is_some());
        if !found.iter().any(|change| is(&change)) || worst.map(Class::word) != Some(class) || none {
            writeln!(wrong, "{edits:?}\n  expected {expected}, found\n{}", all(&found)).unwrap();
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn reasons_say_what_is_and_what_was() {
    let old = compiled(SHOP).0;
    let mut text = String::new();
    for (edits, _) in EDITS {
        let (from, to) = edits[0];
        writeln!(text, "{from:?} -> {to:?}").unwrap();
        for line in all(&diff(&old, &compiled(&edited(edits)).0)).lines() {
            writeln!(text, "  {line}").unwrap();
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_only_written_otherwise_has_no_change() {
    let same = [
        SHOP.to_owned(),
        SHOP.replace("  ", "\n\n    "),
        SHOP.replace("SHORT", "BRIEF"),
        SHOP.replace(
            "fn share(part: int, whole: int) -> float = part / whole",
            "fn share(a: int, b: int) -> float = a / b",
        ),
        SHOP.replace("  spending.* except {last_coupon}", "  spending.* except {last_coupon} // all but one"),
    ];
    for text in same {
        assert_eq!(all(&diff(&compiled(SHOP).0, &compiled(&text).0)), "");
    }
}

#[test]
fn a_service_stays_on_what_it_was_given_until_it_says_otherwise() {
    let raised = [("  version 2\n", "  version 3\n"), ("last(coupon)", "first(coupon)")];
    let audit: Vec<String> =
        changes(&raised).iter().filter(|it| it.name == "shop.audit").map(shown).collect();
    insta::assert_snapshot!(audit.join("\n"), @"metadata Changed service shop.audit: stays on `shop.spending` version 2; write `version 2` here to move it");
    let moved = [raised[0], raised[1], ("service audit of user {", "service audit of user {\n  version 2")];
    let audit: Vec<String> = changes(&moved).iter().filter(|it| it.name == "shop.audit").map(shown).collect();
    insta::assert_snapshot!(audit.join("\n"), @"breaking Changed service shop.audit: moves on with `shop.spending` version 3; version 1 serves on beside version 2");
    let more = [raised[0], raised[1], ("  profile.country\n", "  profile.country\n  spending.spent\n")];
    let audit: Vec<String> = changes(&more).iter().filter(|it| it.name == "shop.audit").map(shown).collect();
    insta::assert_snapshot!(audit.join("\n"), @r"
    breaking FEAT080 Changed service shop.audit: it stays on `shop.spending` as it was, and `spending.spent` is of the new version; this needs `version 2`
    metadata Changed service shop.audit: stays on `shop.spending` version 2; write `version 2` here to move it
    ");
}

#[test]
fn a_removed_feature_names_the_services_that_read_it_far_away() {
    let removed = [
        ("  spent   = sum(amount) where not heavy over 7d\n", ""),
        ("basket.amount / spending.spent ?? 0.0", "basket.amount / 2"),
    ];
    let found = changes(&removed);
    let spent = found.iter().find(|change| change.name == "shop.spending.spent").unwrap();
    assert_eq!((spent.what, spent.code.unwrap().0), (What::Removed, "FEAT081"));
    assert_eq!(spent.dependents, ["shop.ranking"]);
    let sold = changes(&[("sold = count() over 7d", "sold = count() over 8d")]);
    let sold = sold.iter().find(|change| change.name == "shop.sales.sold").unwrap();
    assert_eq!(sold.dependents, ["shop.ranking"]);
    // Served by nobody itself: a derived group of a derived group is.
    let twice = changes(&[("ratio * 2.0", "ratio * 3.0")]);
    let twice = twice.iter().find(|change| change.name == "shop.fit.twice").unwrap();
    assert_eq!(twice.dependents, ["shop.ranking"]);
}

/// The features and groups that are in both, by name.
fn in_both(old: &(Model, SourceMap), new: &(Model, SourceMap)) -> Vec<(Object, Object)> {
    let mut news: BTreeMap<String, Object> =
        objects(&new.0, &new.1).into_iter().map(|object| (object.name.clone(), object)).collect();
    objects(&old.0, &old.1)
        .into_iter()
        .filter_map(|object| news.remove(&object.name).map(|new| (object, new)))
        .collect()
}

/// A feature means the same unless a change says otherwise, of it or of what holds it; and a change
/// that says so is true.
fn agrees(old: &(Model, SourceMap), new: &(Model, SourceMap)) -> Result<(), TestCaseError> {
    let found = diff(&old.0, &new.0);
    for (was, is) in in_both(old, new).iter().filter(|(was, _)| was.kind == Kind::Feature) {
        let said = found.iter().any(|change| {
            change.class >= Class::Behavioural
                && (change.name == was.name || Some(&change.name) == was.parent.as_ref())
        });
        prop_assert!(was.meaning == is.meaning || said, "{} is other\n{}", was.name, all(&found));
        let broken = found.iter().any(|it| it.name == was.name && it.class == Class::Breaking);
        prop_assert!(was.meaning != is.meaning || !broken, "{} is the same\n{}", was.name, all(&found));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Two edits at once: where all changes are compatible, every feature that was there means what it
    /// meant; and whichever way one looks, no feature changes unsaid.
    #[test]
    fn what_is_compatible_leaves_every_old_feature_as_it_was(one in 0..EDITS.len(), other in 0..EDITS.len()) {
        let both: Vec<(&str, &str)> = EDITS[one].0.iter().chain(EDITS[other].0).copied().collect();
        let Some(text) = fitting(&both) else { return Ok(()) };
        let Some(new) = sound(&text) else { return Ok(()) };
        let old = compiled(SHOP);
        agrees(&old, &new)?;
        agrees(&new, &old)?;
        if diff(&old.0, &new.0).iter().all(|change| change.class <= Class::Compatible) {
            for (was, is) in in_both(&old, &new).iter().filter(|(was, _)| was.kind == Kind::Feature) {
                prop_assert_eq!(was.meaning, is.meaning, "{}", was.name);
            }
        }
    }
}

/// The shop with edits of which each still finds its place; the same edit twice is none.
fn fitting(edits: &[(&str, &str)]) -> Option<String> {
    edits.iter().try_fold(SHOP.to_owned(), |text, (from, to)| {
        (text.matches(from).count() == 1).then(|| text.replace(from, to))
    })
}

/// The project, if two edits make one.
fn sound(text: &str) -> Option<(Model, SourceMap)> {
    let mut texts = SourceMap::new();
    texts.add("shop.feat", text);
    let compiled = compile(&texts);
    (!compiled.has_errors()).then_some((compiled.model, texts))
}

#[test]
fn every_pair_that_only_adds_is_tried() {
    let old = compiled(SHOP);
    // Versions of a group and of its reader that rise together move the reader.
    let raises = |edits: &[(&str, &str)]| edits.iter().any(|(from, _)| from.contains("version"));
    let is_mild = |(edits, expected): &&Edit| expected.starts_with(['c', 'i']) && !raises(edits);
    let mild: Vec<&Edit> = EDITS.iter().filter(is_mild).collect();
    let mut pairs = 0;
    for (at, (one, _)) in mild.iter().enumerate() {
        for (other, _) in &mild[at + 1..] {
            let both: Vec<(&str, &str)> = one.iter().chain(*other).copied().collect();
            let Some(new) = fitting(&both).and_then(|text| sound(&text)) else { continue };
            let found = diff(&old.0, &new.0);
            assert!(
                found.iter().all(|change| change.class <= Class::Compatible),
                "{both:?}\n{}",
                all(&found)
            );
            for (was, is) in in_both(&old, &new).iter().filter(|(was, _)| was.kind == Kind::Feature) {
                assert_eq!(was.meaning, is.meaning, "{both:?} {}", was.name);
            }
            pairs += 1;
        }
    }
    assert!(pairs > 30, "{pairs}");
}
