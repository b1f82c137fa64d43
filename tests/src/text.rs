//! An oracle's specification as the `.feat` text that means the same.
//!
//! Features whose names end in their window (`spend_1h`, `spend_1d_offset_7d`) and that stand beside
//! each other with equal sentences are written as one list, so that lists are tested by the same draw.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value as Json;

use crate::oracle::spec::{Arg, Condition, Feature, Group, Op, OracleSpec, Over, Params, Source};

/// The whole file: entities, sources, groups, the service `everything`, and, where there are labels,
/// the dataset `learn` over the spine source `asks`.
pub fn feat(spec: &OracleSpec) -> String {
    let mut text = "@owner(\"tests@example.com\")\npackage drawn\n".to_owned();
    let entities = entities(spec);
    for (keys, name) in &entities {
        let keys: Vec<String> = keys.iter().map(|(key, ty)| format!("{key}: {ty}")).collect();
        let _ = writeln!(text, "\nentity {name}({})", keys.join(", "));
    }
    for source in &spec.sources {
        let kept = spec.groups.iter().find(|group| group.source == source.name && is_row(group));
        text += &source_text(source, kept);
    }
    if !spec.labels.is_empty() {
        text += &asks_text(entities.keys().flatten());
    }
    for (word, groups) in [("features", &spec.groups), ("labels", &spec.labels)] {
        for group in groups {
            text += &group_text(word, group, &entities[&keys(spec, group)]);
        }
    }
    let of: Vec<&str> = entities.values().map(String::as_str).collect();
    let _ = writeln!(text, "\nservice everything of {} {{", of.join(", "));
    for group in &spec.groups {
        let _ = writeln!(text, "  {}.*", group.name);
    }
    text += "}\n";
    if !spec.labels.is_empty() {
        let labels: Vec<String> = spec
            .labels
            .iter()
            .flat_map(|group| group.features.iter().map(|feature| format!("{}.{}", group.name, feature.name)))
            .collect();
        let _ = writeln!(
            text,
            "\ndataset learn {{\n  service everything\n  spine asks at at\n  label {}\n}}",
            labels.join(", ")
        );
    }
    text
}

/// The key columns of a group with their types, as the entity declares them.
fn keys(spec: &OracleSpec, group: &Group) -> Vec<(String, String)> {
    let source = spec.sources.iter().find(|source| source.name == group.source);
    let ty = |key: &String| {
        let column = source.into_iter().flat_map(|source| &source.columns).find(|column| column.name == *key);
        // A row may lack its key, an entity does not.
        column.map_or_else(String::new, |column| column.ty.trim_end_matches('?').to_owned())
    };
    group.inputs().iter().zip(&group.key).map(|(input, key)| (input.clone(), ty(key))).collect()
}

/// One entity for each distinct key.
fn entities(spec: &OracleSpec) -> BTreeMap<Vec<(String, String)>, String> {
    let all = spec.groups.iter().chain(&spec.labels).map(|group| keys(spec, group));
    let mut entities = BTreeMap::new();
    for keys in all {
        let at = entities.len();
        entities.entry(keys).or_insert_with(|| format!("thing{at}"));
    }
    entities
}

/// Whether a group looks rows up.
fn is_row(group: &Group) -> bool {
    group.features.iter().all(|feature| feature.aggregate == "keep")
}

/// The spine of the dataset: every key, and the instant.
fn asks_text<'a>(keys: impl Iterator<Item = &'a (String, String)>) -> String {
    let keys: BTreeMap<&String, &String> = keys.map(|(key, ty)| (key, ty)).collect();
    let mut text = "\nsource asks: events {\n".to_owned();
    for (key, ty) in keys {
        let _ = writeln!(text, "  {key}: {ty}");
    }
    text + "  at: timestamp\n  time at\n  batch parquet(\"asks.parquet\")\n}\n"
}

/// A source; a table where a group looks its rows up.
fn source_text(source: &Source, kept: Option<&Group>) -> String {
    let kind = if kept.is_some() { "table" } else { "events" };
    let mut text = format!("\nsource {}: {kind} {{\n", source.name);
    for column in &source.columns {
        let _ = writeln!(text, "  {}: {}", column.name, column.ty);
    }
    if let Some(group) = kept {
        let _ = writeln!(text, "  key {}", group.key.join(", "));
    }
    if let Some(time) = &source.time {
        let _ = writeln!(text, "  time {time}");
    }
    if let Some(known) = &source.known {
        let column = known.column.as_ref().map_or(String::new(), |column| format!(" {column}"));
        let after = if known.after.0 > 0 { format!(" after {}", known.after) } else { String::new() };
        let _ = writeln!(text, "  known{column}{after}");
    }
    if !source.order_by.is_empty() {
        let _ = writeln!(text, "  order by {}", source.order_by.join(", "));
    }
    if let Some(dedupe) = &source.dedupe {
        let within = dedupe.within.map_or(String::new(), |within| format!(" within {within}"));
        let _ = writeln!(text, "  dedupe by {}{within}", dedupe.by.join(", "));
    }
    if let Some(lateness) = source.lateness {
        let _ = writeln!(text, "  lateness {lateness}");
    }
    if let Some(since) = &source.since {
        let _ = writeln!(text, "  since {since}");
    }
    let _ = writeln!(text, "  batch parquet(\"{}.parquet\")", source.name);
    // A source's `where` stands behind its origin; one without an origin drops by expectation.
    for condition in &source.filter {
        let _ = writeln!(text, "  expect {} else drop", condition_text(condition));
    }
    text + "}\n"
}

fn group_text(word: &str, group: &Group, entity: &str) -> String {
    let mapping =
        if group.inputs() == group.key { String::new() } else { format!("({})", group.key.join(", ")) };
    let mut text = format!(
        "\n{word} {} of {entity}{mapping} from {}{} {{\n",
        group.name,
        group.source,
        filter_text(&group.filter)
    );
    if let Some(ttl) = group.ttl {
        let _ = writeln!(text, "  ttl {ttl}");
    }
    if is_row(group) {
        let names: Vec<&str> = group.features.iter().map(|feature| feature.name.as_str()).collect();
        let _ = writeln!(text, "  keep {}", names.join(", "));
        return text + "}\n";
    }
    let mut rest = group.features.as_slice();
    while let Some(first) = rest.first() {
        let listed = rest.iter().take_while(|feature| same_sentence(first, feature)).count();
        if listed == 0 {
            let _ = writeln!(text, "  {} = {}{}", first.name, call_text(first), over_text(&first.over));
            rest = &rest[1..];
        } else {
            let windows: Vec<String> =
                rest[..listed].iter().map(|feature| window_text(&feature.over)).collect();
            let base = base(first).unwrap_or_default();
            let _ = writeln!(text, "  {base} = {} over [{}]", call_text(first), windows.join(", "));
            rest = &rest[listed..];
        }
    }
    text + "}\n"
}

/// The name of a feature of a list without its window; `None` for one that is not of a list.
pub fn base(feature: &Feature) -> Option<&str> {
    let length = feature.over.length?;
    let offset = feature.over.offset.map_or(String::new(), |offset| format!("_offset_{offset}"));
    feature.name.strip_suffix(&format!("_{length}{offset}"))
}

fn same_sentence(a: &Feature, b: &Feature) -> bool {
    base(a).is_some() && base(a) == base(b) && call_text(a) == call_text(b)
}

fn call_text(feature: &Feature) -> String {
    let Params { n, max, q, accuracy, precision } = &feature.params;
    let mut args: Vec<String> = feature
        .args
        .iter()
        .map(|arg| match arg {
            Arg::Column(column) => column.clone(),
            Arg::Condition(condition) => condition_text(condition),
        })
        .collect();
    args.extend(n.map(|n| format!("n: {n}")));
    args.extend(max.map(|max| format!("max: {max}")));
    match q.as_slice() {
        [] => {}
        [q] => args.push(format!("q: {q:?}")),
        list => args.push(format!("q: {list:?}")),
    }
    args.extend(accuracy.map(|accuracy| format!("accuracy: {accuracy:?}")));
    args.extend(precision.map(|precision| format!("precision: {precision}")));
    format!("{}({}){}", feature.aggregate, args.join(", "), filter_text(&feature.filter))
}

fn over_text(over: &Over) -> String {
    match over.next {
        Some(next) => {
            let after = over.after.map_or(String::new(), |after| format!(" after {after}"));
            format!(" next {next}{after}")
        }
        None => format!(" over {}", window_text(over)),
    }
}

fn window_text(over: &Over) -> String {
    let length = over.length.map_or("all".to_owned(), |length| length.to_string());
    let every = over.every.map_or(String::new(), |every| format!(" every {every}"));
    let offset = over.offset.map_or(String::new(), |offset| format!(" offset {offset}"));
    format!("{length}{every}{offset}")
}

fn filter_text(conditions: &[Condition]) -> String {
    if conditions.is_empty() {
        return String::new();
    }
    let all: Vec<String> = conditions.iter().map(condition_text).collect();
    format!(" where {}", all.join(" and "))
}

fn condition_text(condition: &Condition) -> String {
    let column = &condition.column;
    match condition.op {
        None => column.clone(),
        Some(op @ (Op::IsNull | Op::IsNotNull)) => format!("{column} {}", op.text()),
        Some(op) => format!("{column} {} {}", op.text(), literal(&condition.value)),
    }
}

/// A literal as the language writes it. A string of digits is a decimal's.
fn literal(value: &Json) -> String {
    match value {
        Json::String(text) if text.parse::<f64>().is_ok() => text.clone(),
        Json::Number(x) if x.is_f64() => format!("{:?}", x.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}
