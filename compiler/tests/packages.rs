//! What engines get of packages that use one short name for different things.

#![expect(clippy::unwrap_used, reason = "a helper of a test panics like the test itself")]

use feat_compiler::compile;
use feat_compiler::plan::{DerivedUse, GroupUse, Plans, ServicePlan};
use feat_dsl::source_map::SourceMap;

/// Two packages with a group `stats`; the second one's entity has two roles in a ride.
const PACKAGES: &str = r#"
@owner("a@example.com") package a
entity cell(h3: string)
source calls: events { h3: string  ts: timestamp  time ts  known after 1s }
features stats of cell from calls { n = count() over 1h }
derived twice of cell { x = stats.n * 2 }

// file
@owner("b@example.com") package b
import a { cell }
source rides: events { h3: string  ts: timestamp  time ts  known after 1s }
features stats of cell from rides { n = count() over 1d  m = count() over 7d }
"#;

/// The plans of [`PACKAGES`] and a file of a third package.
fn plans(text: &str) -> Plans {
    let mut sources = SourceMap::new();
    for (at, file) in PACKAGES.split("// file\n").chain([text]).enumerate() {
        sources.add(format!("{at}.feat"), file);
    }
    let compiled = compile(&sources);
    let report = feat_dsl::render::render(&compiled.diagnostics, &sources, feat_dsl::render::Color::Never);
    assert!(report.is_empty() && compiled.pending.is_empty(), "{report}");
    compiled.plans
}

fn service(text: &str) -> ServicePlan {
    plans(text).services[0].as_ref().clone()
}

/// The key inputs of a group or derived group.
fn inputs(service: &ServicePlan, key: impl IntoIterator<Item = usize>) -> Vec<&str> {
    key.into_iter().map(|at| service.keys[at].0.as_str()).collect()
}

/// The group whose features are called `prefix.…`, and its key inputs.
fn group<'s>(service: &'s ServicePlan, prefix: &str) -> (String, Vec<&'s str>) {
    let found: Vec<&GroupUse> = service.groups.iter().filter(|used| used.prefix == prefix).collect();
    let [used] = found[..] else { panic!("{} groups are `{prefix}`", found.len()) };
    (used.group.name.to_string(), inputs(service, used.key.iter().copied()))
}

/// The derived group whose features are called `prefix.…`, and its key inputs.
fn derived<'s>(service: &'s ServicePlan, prefix: &str) -> (&'s DerivedUse, Vec<&'s str>) {
    let used = service.derived.iter().find(|used| used.prefix == prefix).unwrap();
    (used, inputs(service, used.keys.iter().map(|(_, at)| *at)))
}

fn prefix(column: &str) -> &str {
    column.rsplit_once('.').unwrap().0
}

/// For each selected feature: its name in an answer, its column, and the group that it is read from.
fn selected(service: &ServicePlan) -> Vec<(&str, &str, String)> {
    let read = |column: &str| {
        let prefix = prefix(column);
        match service.derived.iter().find(|used| used.prefix == prefix) {
            Some(used) => used.derived.name.to_string(),
            None => group(service, prefix).0,
        }
    };
    let each = service.selected.iter();
    each.map(|one| (one.name.as_str(), one.column.as_str(), read(&one.feature))).collect()
}

/// What the only derived group of `service` reads: the group and its key inputs, column by column.
fn reads(service: &ServicePlan) -> Vec<(String, String, Vec<&str>)> {
    let [used] = &service.derived[..] else { panic!("{} derived groups", service.derived.len()) };
    let columns = used.derived.evaluator.inputs();
    columns
        .map(|column| {
            let (group, key) = group(service, prefix(column));
            (column.rsplit_once('.').unwrap().1.to_owned(), group, key)
        })
        .collect()
}

#[test]
fn a_derived_group_reads_the_group_that_was_written_and_not_its_own_package_s() {
    let service = service(
        "@owner(\"c@example.com\") package c\nimport a { cell }\n\
         source own: events { h3: string  ts: timestamp  time ts  known after 1s }\n\
         features stats of cell from own { n = count() over 1h }\n\
         derived d of cell { x = b.stats.m }\n\
         service s of cell { d.x }",
    );
    assert_eq!(reads(&service), [("m".to_owned(), "b.stats".to_owned(), vec!["h3"])]);
}

#[test]
fn a_derived_group_may_read_two_groups_of_one_name() {
    let service = service(
        "@owner(\"c@example.com\") package c\nimport a { cell }\nderived d of cell { x = a.stats.n  y = b.stats.n + x }\n\
         service s of cell { d.* }",
    );
    let read = |group: &str| ("n".to_owned(), group.to_owned(), vec!["h3"]);
    assert_eq!(reads(&service), [read("a.stats"), read("b.stats")]);
    let features = &service.derived[0].derived.features;
    assert_eq!(features[1].inputs.len(), 2);
}

#[test]
fn a_service_may_select_from_two_groups_of_one_name() {
    let service = service(
        "@owner(\"c@example.com\") package c\nimport a { cell }\nservice s of cell { a.stats.n  b.stats.m }",
    );
    assert_eq!(
        selected(&service),
        [("stats.n", "stats__n", "a.stats".to_owned()), ("stats.m", "stats__m", "b.stats".to_owned())]
    );
}

#[test]
fn a_service_and_what_it_computes_may_read_two_groups_of_one_name() {
    let service = service(
        "@owner(\"c@example.com\") package c\nimport a { cell }\nderived d of cell { x = a.stats.n }\n\
         service s of cell { b.stats.n  d.x }",
    );
    assert_eq!(reads(&service), [("n".to_owned(), "a.stats".to_owned(), vec!["h3"])]);
    assert_eq!(selected(&service)[0], ("stats.n", "stats__n", "b.stats".to_owned()));
}

#[test]
fn a_derived_group_keeps_its_key_beside_a_selection_by_another_role() {
    let service = service(
        "@owner(\"c@example.com\") package c\nimport a { cell }\n\
         derived d of dropoff: cell { x = a.stats.n }\n\
         service s of pickup: cell, dropoff: cell { pickup.a.stats.n  dropoff.d.x }",
    );
    assert_eq!(reads(&service), [("n".to_owned(), "a.stats".to_owned(), vec!["dropoff_h3"])]);
    assert_eq!(group(&service, "stats").1, ["pickup_h3"]);
}

#[test]
fn a_derived_group_of_two_roles_is_computed_for_each() {
    let service = service(
        "@owner(\"c@example.com\") package c\nimport a { cell }\n\
         service s of pickup: cell, dropoff: cell { pickup.a.twice.x  dropoff.a.twice.x }",
    );
    let keys: Vec<&str> = service.keys.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(keys, ["pickup_h3", "dropoff_h3"]);
    let names: Vec<(&str, &str)> =
        service.selected.iter().map(|one| (one.name.as_str(), one.column.as_str())).collect();
    assert_eq!(names, [("pickup.twice.x", "pickup__twice__x"), ("dropoff.twice.x", "dropoff__twice__x")]);
    for (role, key) in [("pickup", "pickup_h3"), ("dropoff", "dropoff_h3")] {
        let name = format!("{role}.twice");
        let (used, inputs) = derived(&service, &name);
        assert_eq!(inputs, [key]);
        let read = used.derived.evaluator.inputs().next().unwrap();
        assert_eq!(group(&service, prefix(read)), ("a.stats".to_owned(), vec![key]));
    }
}

#[test]
fn one_group_of_one_key_is_read_once() {
    let service = service(
        "@owner(\"c@example.com\") package c\nimport a { cell }\n\
         derived d of pickup: cell, dropoff: cell { x = pickup.a.stats.n - dropoff.a.stats.n }\n\
         service s of pickup: cell, dropoff: cell { pickup.a.stats.n  d.x }",
    );
    assert_eq!(service.groups.len(), 2);
}
