//! What a registry would keep of a project: which objects, under which hashes.

use std::fmt::Write;

use feat_compiler::objects::{Kind, Object, objects};
use feat_compiler::{Compiled, compile};
use feat_dsl::render::{Color, render};
use feat_dsl::source_map::SourceMap;

const SHOP: &str = include_str!("cases/diff/shop.feat");

fn compiled(text: &str) -> (Compiled, SourceMap) {
    let mut texts = SourceMap::new();
    texts.add("shop.feat", text);
    let compiled = compile(&texts);
    let report = render(&compiled.diagnostics, &texts, Color::Never);
    assert!(compiled.diagnostics.is_empty() && compiled.pending.is_empty(), "{report}");
    (compiled, texts)
}

fn objects_of(text: &str) -> Vec<Object> {
    let (compiled, texts) = compiled(text);
    objects(&compiled.model, &texts)
}

/// The shop with one place of its text replaced.
fn edited(from: &str, to: &str) -> String {
    assert_eq!(SHOP.matches(from).count(), 1, "`{from}` does not stand once in the shop");
    SHOP.replace(from, to)
}

fn find<'o>(objects: &'o [Object], name: &str) -> &'o Object {
    objects.iter().find(|object| object.name == name).unwrap_or_else(|| panic!("no `{name}`"))
}

/// The names of objects whose meanings differ, of those that are in both.
fn changed(text: &str) -> Vec<String> {
    let (old, new) = (objects_of(SHOP), objects_of(text));
    let both = old.iter().filter_map(|old| new.iter().find(|new| new.name == old.name).map(|new| (old, new)));
    both.filter(|(old, new)| old.meaning != new.meaning).map(|(old, _)| old.name.clone()).collect()
}

#[test]
fn every_thing_of_a_project_is_an_object_with_its_text() {
    let mut shown = String::new();
    for object in objects_of(SHOP) {
        let Object { kind, name, version, ty, doc, owners, tags, lines: (from, to), .. } = &object;
        let version = version.map(|version| format!("@{version}")).unwrap_or_default();
        let ty = ty.as_ref().map(|ty| format!(": {ty}")).unwrap_or_default();
        let more = [doc.clone(), owners.join(", "), tags.join(", ")].join(" | ");
        let first = object.text.lines().next().unwrap();
        writeln!(shown, "{kind} {name}{version}{ty}  [{more}]  {from}-{to} {first}").unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_part_stands_behind_its_whole_and_no_name_twice() {
    let objects = objects_of(SHOP);
    for (at, object) in objects.iter().enumerate() {
        let before = &objects[..at];
        assert!(before.iter().all(|other| other.name != object.name), "{} twice", object.name);
        let is_part = matches!(object.kind, Kind::Feature | Kind::Field);
        assert_eq!(object.parent.is_some(), is_part, "{}", object.name);
        if let Some(parent) = &object.parent {
            assert!(before.iter().any(|other| other.name == *parent), "{} before {parent}", object.name);
        }
    }
}

#[test]
fn a_group_means_what_its_plan_means() {
    let (compiled, texts) = compiled(SHOP);
    let objects = objects(&compiled.model, &texts);
    let groups = compiled.plans.groups.values().map(|plan| (plan.name.to_string(), plan.meaning));
    let labels = compiled.plans.labels.values().map(|plan| (plan.group.name.to_string(), plan.group.meaning));
    let plans: Vec<_> = groups.chain(labels).collect();
    assert_eq!(plans.len(), 5);
    for (name, meaning) in plans {
        assert_eq!(find(&objects, &name).meaning, meaning, "{name}");
    }
}

#[test]
fn form_comments_lets_and_neighbours_change_no_feature() {
    let renamed = SHOP.replace("SHORT", "BRIEF");
    let same = [
        SHOP.replace("  ", "\n\n    "),
        edited("  n       = count()", "  /// How often.\n  // Not here.\n  n = count()"),
        edited("@owner(\"shop@example.com\")", "@owner(\"others@example.com\")"),
        edited("expect coupon is null or length(coupon) > 3", "expect coupon is null"),
        edited("\"orders/\"", "\"elsewhere/\""),
        edited("entity item(", "let MORE = 3\nentity item("),
        renamed,
    ];
    for text in same {
        assert_eq!(changed(&text), Vec::<String>::new());
    }
    let renamed = SHOP.replace("_bigs", "_large");
    assert_eq!(changed(&renamed), ["shop.spending"], "what is served is called as before");
    let more = edited("  spent   =", "  mean = avg(amount) over 7d\n  spent   =");
    let grown = ["shop.spending", "shop.ranking", "shop.ranking_train"];
    assert_eq!(changed(&more), grown, "a feature changes its group, and who selects all of it");
}

#[test]
fn what_is_read_changes_its_readers_and_nothing_else() {
    let through = |feature: &str| -> Vec<String> {
        let group = feature.rsplit_once('.').unwrap().0;
        let more = ["shop.fit", "shop.fit.ratio", "shop.fit.twice", "shop.fitter", "shop.fitter.best"];
        [&[group, feature][..], &more, &["shop.ranking", "shop.ranking_train"]]
            .concat()
            .iter()
            .map(|name| (*name).to_owned())
            .collect()
    };
    assert_eq!(
        changed(&edited("sum(amount) where not heavy", "sum(amount)")),
        through("shop.spending.spent")
    );
    let computed = changed(&edited("weight > 30.0", "weight > 31.0"));
    let readers =
        ["shop.orders", "shop.orders.heavy", "shop.spending", "shop.spending.spent", "shop.sales.dear"];
    assert!(readers.iter().all(|name| computed.contains(&(*name).to_owned())), "{computed:?}");
    assert!(!computed.contains(&"shop.spending.n_1h".to_owned()), "{computed:?}");
    assert!(!computed.contains(&"shop.sales.sold".to_owned()), "{computed:?}");
    let lengths = changed(&edited("ttl 90d", "ttl 80d"));
    assert!(lengths.contains(&"shop.spending.n_1h".to_owned()), "{lengths:?}");
}

#[test]
fn an_interface_changes_with_names_types_and_keys_alone() {
    let old = objects_of(SHOP);
    let interface = |text: &str| -> Vec<String> {
        let new = objects_of(text);
        let both =
            old.iter().filter_map(|old| new.iter().find(|new| new.name == old.name).map(|new| (old, new)));
        both.filter(|(old, new)| old.interface != new.interface).map(|(old, _)| old.name.clone()).collect()
    };
    assert_eq!(interface(&edited("sum(amount) where not heavy", "sum(amount)")), Vec::<String>::new());
    assert_eq!(interface(&SHOP.replace("_bigs", "_large")), Vec::<String>::new());
    assert_eq!(
        interface(&edited("fitter.best as fit", "fitter.best as how_fit")),
        ["shop.ranking", "shop.ranking_train"]
    );
    assert_eq!(
        interface(&edited("  note:     string?", "  note:     string")),
        ["shop.orders", "shop.orders.note", "shop.paid_orders", "shop.paid_orders.note"]
    );
}
