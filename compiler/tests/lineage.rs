//! Where the values of a project come from, beside what its plans read.

#![expect(clippy::unwrap_used, reason = "a helper of a test panics like the test itself")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use feat_compiler::ir::Model;
use feat_compiler::lineage::{Edge, EdgeKind, lineage};
use feat_compiler::plan::{GroupPlan, Plans};
use feat_compiler::{Compiled, compile};
use feat_dsl::render::{Color, render};
use feat_dsl::source_map::SourceMap;

const SHOP: &str = include_str!("cases/diff/shop.feat");

fn compiled(files: &[&str]) -> Compiled {
    let mut texts = SourceMap::new();
    for (at, text) in files.iter().enumerate() {
        texts.add(format!("{at}.feat"), *text);
    }
    let compiled = compile(&texts);
    assert!(compiled.diagnostics.is_empty(), "{}", render(&compiled.diagnostics, &texts, Color::Never));
    compiled
}

/// Projects of which every plan is looked at.
fn projects() -> Vec<Compiled> {
    let rides = [include_str!("cases/model/rides.feat"), include_str!("cases/model/common.feat")];
    let unordered = "
        entity user(user_id: string)
        source s: events { user_id: string  x: int  y: int  n: int  ts: timestamp  time ts  known after 1s  order by y }
        features folds of user from s { n = sum(n) over 1d  x = count() over 1d  more = x + n  m = max(x) over 7d }
        features both of user from s { n = count() over 1d  x = last(x) over 1d }
    ";
    vec![compiled(&[SHOP]), compiled(&rides), compiled(&[unordered])]
}

/// Everything that decides about `to`, near and far.
fn origins(edges: &[Edge], to: &str) -> BTreeSet<String> {
    let mut into: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for edge in edges {
        into.entry(&edge.to).or_default().push(&edge.from);
    }
    let (mut found, mut open) = (BTreeSet::new(), vec![to]);
    while let Some(next) = open.pop() {
        for from in into.get(next).into_iter().flatten() {
            if found.insert((*from).to_owned()) {
                open.push(from);
            }
        }
    }
    found
}

#[test]
fn the_lineage_of_the_shop() {
    let compiled = compiled(&[SHOP]);
    let mut shown = String::new();
    let mut last = String::new();
    for Edge { from, to, kind, text } in lineage(&compiled.model) {
        if to != last {
            writeln!(shown, "{to}").unwrap();
            last.clone_from(&to);
        }
        writeln!(shown, "  {kind:?} {from}: {text}").unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn an_edge_stands_once_and_leads_from_what_there_is() {
    for compiled in projects() {
        let edges = lineage(&compiled.model);
        let once: BTreeSet<&Edge> = edges.iter().collect();
        assert_eq!(once.len(), edges.len());
        assert_eq!(edges, lineage(&compiled.model));
        let there = names(&compiled.model);
        for edge in &edges {
            assert!(there.contains(&edge.from), "{edge:?}");
            assert!(there.contains(&edge.to), "{edge:?}");
        }
    }
}

/// Fields, features, columns of services, and datasets.
fn names(model: &Model) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, source) in &model.sources {
        names.extend(source.columns.iter().map(|column| format!("{name}.{}", column.name)));
    }
    let groups = model.groups.iter().chain(&model.labels).map(|(name, group)| (name, &group.features));
    for (name, features) in groups.chain(model.derived.iter().map(|(name, it)| (name, &it.features))) {
        names.extend(features.iter().map(|feature| format!("{name}.{}", feature.name)));
    }
    for (name, service) in &model.services {
        names.extend(service.selected.iter().map(|one| format!("{name}.{}", service.column(one))));
    }
    names.extend(model.datasets.keys().map(ToString::to_string));
    names
}

/// The stored columns that decide about the values of a group: what its plan reads of a row.
fn read_by(group: &GroupPlan) -> BTreeSet<String> {
    group.prepare.deciding().iter().map(|name| format!("{}.{name}", group.source.root)).collect()
}

#[test]
fn a_group_comes_from_the_columns_that_its_plan_reads_and_from_no_others() {
    let mut groups = 0;
    for Compiled { model, plans, .. } in projects() {
        let edges = lineage(&model);
        let stored: BTreeSet<String> = plans
            .sources
            .values()
            .filter(|source| source.name == source.root)
            .flat_map(|source| source.stored.iter().map(|column| format!("{}.{}", source.name, column.name)))
            .collect();
        for plan in plans.groups.values().map(AsRef::as_ref).chain(plans.labels.values().map(|it| &it.group))
        {
            let features = plan.features.iter().map(|feature| format!("{}.{}", plan.name, feature.name));
            let found: BTreeSet<String> = features.flat_map(|feature| origins(&edges, &feature)).collect();
            let found: BTreeSet<String> = found.intersection(&stored).cloned().collect();
            assert_eq!(found, read_by(plan), "{}", plan.name);
            groups += 1;
        }
    }
    assert_eq!(groups, 13);
}

#[test]
fn a_derived_feature_comes_from_the_features_that_its_plan_reads() {
    let mut features = 0;
    for Compiled { model, plans, .. } in projects() {
        let edges = lineage(&model);
        for (name, derived) in &model.derived {
            for plan in &plans.derived[name].features {
                let read: BTreeSet<String> = plan
                    .inputs
                    .iter()
                    .map(|input| {
                        let (prefix, feature) = input.rsplit_once('.').unwrap();
                        let read = derived.reads.iter().find(|read| read.prefix == prefix).unwrap();
                        format!("{}.{feature}", read.group)
                    })
                    .collect();
                let own = format!("{name}.");
                let found: BTreeSet<String> = near(&edges, &format!("{name}.{}", plan.name), &own)
                    .into_iter()
                    .filter(|from| is_feature(&plans, from))
                    .collect();
                assert_eq!(found, read, "{name}.{}", plan.name);
                features += 1;
            }
        }
    }
    assert_eq!(features, 13);
}

/// What `to` is made of, through what begins with `own`.
fn near(edges: &[Edge], to: &str, own: &str) -> BTreeSet<String> {
    let into = edges.iter().filter(|edge| edge.to == to);
    into.flat_map(|edge| {
        if edge.from.starts_with(own) {
            near(edges, &edge.from, own)
        } else {
            BTreeSet::from([edge.from.clone()])
        }
    })
    .collect()
}

fn is_feature(plans: &Plans, name: &str) -> bool {
    let group = name.rsplit_once('.').unwrap().0;
    plans.groups.keys().chain(plans.derived.keys()).any(|found| found.to_string() == group)
}

#[test]
fn a_column_that_only_filters_is_no_part_of_a_value() {
    let compiled = compiled(&[SHOP]);
    let edges = lineage(&compiled.model);
    let kinds = |from: &str, to: &str| -> Vec<EdgeKind> {
        edges.iter().filter(|edge| edge.from == from && edge.to == to).map(|edge| edge.kind).collect()
    };
    assert_eq!(kinds("shop.orders.status", "shop.spending.n_1h"), [EdgeKind::Filter]);
    assert_eq!(kinds("shop.orders.amount", "shop.spending.spent"), [EdgeKind::Aggregation, EdgeKind::Filter]);
    assert_eq!(kinds("shop.paid_orders.dear", "shop.sales.dear"), [EdgeKind::Conditional]);
    assert_eq!(kinds("shop.paid_orders.heavy", "shop.sales.dear"), [EdgeKind::Aggregation]);
    assert_eq!(kinds("shop.spending.n_1d", "shop.fit.new"), [EdgeKind::Conditional]);
    assert_eq!(kinds("shop.orders.coupon", "shop.spending.n_1h"), [], "an expectation that warns");
    assert_eq!(kinds("shop.asks.user_id", "shop.ranking_train"), [EdgeKind::Filter, EdgeKind::Join]);
}
