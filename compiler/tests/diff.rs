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

#[path = "cases/diff/edits.rs"]
mod edits;

use edits::{EDITS, Edit, SHOP};

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
