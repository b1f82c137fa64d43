//! What a small project means, as the compiler understood it; and how long many features take.

use std::fmt::Write;
use std::time::{Duration, Instant};

use feat_compiler::{Compiled, compile, print};
use feat_dsl::render::{Color, render};
use feat_dsl::source_map::SourceMap;

fn sound(files: &[(&str, &str)]) -> Compiled {
    let mut sources = SourceMap::new();
    for (path, text) in files {
        sources.add(*path, *text);
    }
    let compiled = compile(&sources);
    assert!(!compiled.has_errors(), "{}", render(&compiled.diagnostics, &sources, Color::Never));
    compiled
}

#[test]
fn the_smallest_project_means_what_it_says() {
    let compiled = sound(&[("hello.feat", include_str!("../../dsl/tests/cases/hello.feat"))]);
    insta::assert_snapshot!(print::model(&compiled.model));
}

#[test]
fn a_project_with_every_compiled_construct_means_what_it_says() {
    let compiled = sound(&[
        ("rides.feat", include_str!("cases/model/rides.feat")),
        ("common.feat", include_str!("cases/model/common.feat")),
    ]);
    assert!(compiled.diagnostics.is_empty(), "{:#?}", compiled.diagnostics);
    assert!(compiled.pending.is_empty(), "{:#?}", compiled.pending);
    insta::assert_snapshot!(print::model(&compiled.model));
}

#[test]
fn the_order_of_files_changes_nothing_but_the_order() {
    let (rides, common) = (include_str!("cases/model/rides.feat"), include_str!("cases/model/common.feat"));
    let one = sound(&[("rides.feat", rides), ("common.feat", common)]);
    let other = sound(&[("common.feat", common), ("rides.feat", rides)]);
    let sorted = |compiled: &Compiled| {
        let text = print::model(&compiled.model);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&one), sorted(&other));
}

/// A second with optimisation is the aim; without it, parsing alone takes several. The bound is far
/// above both, and far below what a search through all names for each name would take.
#[test]
fn ten_thousand_features_are_checked_in_seconds_even_without_optimisation() {
    let mut text = String::from(
        "entity user(user_id: string)\nsource s: events { user_id: string x: float ts: timestamp time ts known after 1s batch parquet(\"s/\") }\n",
    );
    for group in 0..200 {
        writeln!(text, "features g{group} of user from s {{").unwrap();
        for feature in 0..50 {
            writeln!(text, "  f{feature} = sum(x) where x > {feature}.5 over 7d / count() over 7d").unwrap();
        }
        text.push_str("}\n");
    }
    let mut sources = SourceMap::new();
    sources.add("many.feat", text);
    let whole = Instant::now();
    let compiled = compile(&sources);
    let whole = whole.elapsed();
    let features: usize = compiled.plans.groups.values().map(|group| group.features.len()).sum();
    assert_eq!(features, 10_000);
    assert!(whole < Duration::from_mins(1), "{whole:?}");
}
