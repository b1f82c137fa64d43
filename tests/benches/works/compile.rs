//! Checking a large project: every file, and one file of it.

use std::fmt::Write;

use feat_compiler::compile;
use feat_dsl::source_map::SourceMap;

use crate::stopwatch::median;

/// Files, each a package of its own with one group of a hundred features.
const FILES: usize = 100;
const RUNS: usize = 9;

/// Prints how long a project of 10 000 features takes.
pub(crate) fn measure() -> Result<(), String> {
    let texts: Vec<String> = (0..FILES).map(file).collect();
    let compiled = compile(&project(&texts));
    if compiled.has_errors() {
        return Err("the project of the bench has errors".to_owned());
    }
    let features: usize = compiled.plans.groups.values().map(|group| group.features.len()).sum();
    let whole = median(RUNS, || compile(&project(&texts)));
    let sources = project(&texts);
    let parse = |file| feat_dsl::parse(file, sources.text(file));
    let parsed = median(RUNS, || sources.files().map(parse).collect::<Vec<_>>());
    let one = median(RUNS, || compile(&project(&texts[..1])));
    println!("{features} features in {FILES} files: checked and planned in {:.0?}", whole.wall);
    println!("  of which parsing {:.0?}", parsed.wall);
    println!("one file of {} features: {:.1?}", features / FILES, one.wall);
    Ok(())
}

fn project(texts: &[String]) -> SourceMap {
    let mut sources = SourceMap::new();
    for (at, text) in texts.iter().enumerate() {
        sources.add(format!("{at}.feat"), text);
    }
    sources
}

/// A package as people write them: a source, twenty-five aggregates over four windows each, a group
/// derived from them.
fn file(at: usize) -> String {
    let mut text = format!(
        "@owner(\"bench@example.com\")\npackage p{at}\n\nentity user(user_id: int)\n\n\
         source events: events {{\n  user_id: int\n  kind: enum(\"view\", \"click\", \"buy\")\n  price: float?\n  \
         ts: timestamp\n  dear: bool = price > {at}.5 ?? false\n  time ts\n  known after 1m\n  batch parquet(\"e\")\n}}\n\n\
         features clicks of user from events {{\n"
    );
    let aggregates = ["count()", "sum(price)", "avg(price)", "max(price)", "last(price)"];
    let filters = [
        "",
        " where dear",
        " where kind == \"click\"",
        " where kind in [\"view\", \"buy\"]",
        " where price > 1.0",
    ];
    for (aggregate, called) in aggregates.iter().enumerate() {
        for (filter, condition) in filters.iter().enumerate() {
            // Writing to a string never fails.
            let _written =
                writeln!(text, "  f{aggregate}_{filter} = {called}{condition} over [1h, 1d, 7d, 30d]");
        }
    }
    text.push_str("}\n\nderived shares of user { dear = clicks.f0_1_7d / clicks.f0_0_7d }\n");
    text
}
