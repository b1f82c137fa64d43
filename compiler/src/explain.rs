//! A plan in words: what a feature is, which rows it sees, what is stored for it.
//!
//! The text is for people; `feat explain` appends how batch and stream run it.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};

use feat_kernel::time::{Instant, Micros};
use feat_kernel::view::View;
use feat_kernel::window::{Reach, Window};

use crate::plan::{DatasetPlan, DerivedPlan, GroupPlan, LabelPlan, ServicePlan};

/// A `features` group: its features with their windows, what is stored per key, what is read.
pub fn explain_group(group: &GroupPlan) -> String {
    let mut out = head(group);
    for feature in &group.features {
        let _ = writeln!(out, "\n{}: {}", feature.name, feature.slot);
        for &at in &feature.outputs {
            let window = &group.view.windows[group.view.outputs[at].window];
            let _ = writeln!(out, "  {} {}   {}", group.calls[at], sentence(window), interval(window));
        }
        if feature.outputs.is_empty() {
            out.push_str("  made of keys and `as_of` alone\n");
        }
    }
    stored(&mut out, group);
    out
}

/// A `labels` group: its features with the intervals they look at.
pub fn explain_label(label: &LabelPlan) -> String {
    let group = &label.group;
    let mut out = head(group);
    let _ = writeln!(out, "a label is known {} after its instant", label.horizon);
    for feature in &group.features {
        let _ = writeln!(out, "\n{}: {}", feature.name, feature.slot);
        for &at in &feature.outputs {
            let window = &group.view.windows[group.view.outputs[at].window];
            let end = Micros(label.horizon.0 - window.offset.0);
            let start = match window.reach {
                Reach::Length(length) => Micros(end.0 - length.0),
                Reach::All(_) => Micros::ZERO,
            };
            let _ = writeln!(out, "  {}   [{}, {})", group.calls[at], later(start), later(end));
        }
    }
    out
}

/// A `derived` group: its features and what they are made of.
pub fn explain_derived(derived: &DerivedPlan) -> String {
    let mut out = format!("{}, version {}\nmeaning {}\n", derived.name, derived.version, derived.meaning);
    for feature in &derived.features {
        let _ = writeln!(out, "\n{}: {}", feature.name, feature.slot);
        let made = match feature.inputs.as_slice() {
            [] => "the request, keys and `as_of` alone".to_owned(),
            inputs => inputs.join(", "),
        };
        let _ = writeln!(out, "  made of {made}");
    }
    out
}

/// A `service`: what is asked with and what is answered.
pub fn explain_service(service: &ServicePlan) -> String {
    let mut out = format!("{}, version {}\nmeaning {}\n", service.name, service.version, service.meaning);
    let keys: Vec<String> = service.keys.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    let _ = writeln!(out, "keys     {}", keys.join(", "));
    if !service.requests.is_empty() {
        let requests: Vec<String> =
            service.requests.iter().map(|request| format!("{}: {}", request.column, request.slot)).collect();
        let _ = writeln!(out, "request  {}", requests.join(", "));
    }
    for group in &service.groups {
        let key: Vec<&str> = group.key.iter().map(|&at| service.keys[at].0.as_str()).collect();
        let _ = writeln!(out, "reads    {} as `{}` by ({})", group.group.name, group.prefix, key.join(", "));
    }
    for derived in &service.derived {
        let _ = writeln!(out, "computes {}", derived.derived.name);
    }
    out.push('\n');
    for one in &service.selected {
        let _ = writeln!(out, "{}: {}", one.name, one.slot);
    }
    out
}

/// A `dataset`: its spine, service and labels.
pub fn explain_dataset(dataset: &DatasetPlan) -> String {
    let mut out = format!("{}\nmeaning {}\n", dataset.name, dataset.meaning);
    let _ = writeln!(out, "spine    {} at {}", dataset.spine.name, dataset.at);
    let _ = writeln!(out, "service  {}, version {}", dataset.service.name, dataset.service.version);
    if let Some((from, to)) = dataset.period {
        let _ = writeln!(out, "period   [{from}, {to})");
    }
    if let Some((parts, column)) = &dataset.sample {
        let _ = writeln!(out, "sample   {parts} in a million by {column}");
    }
    for label in &dataset.labels {
        let columns: Vec<&str> = label.features.iter().map(|(_, column)| column.as_str()).collect();
        let _ = writeln!(out, "label    {} after {}", columns.join(", "), label.label.horizon);
    }
    out
}

fn head(group: &GroupPlan) -> String {
    let key: Vec<String> = group.key.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    format!(
        "{}, version {}, of {}({}) from {}\nmeaning {}\n",
        group.name,
        group.version,
        group.entity.name,
        key.join(", "),
        group.source.name,
        group.meaning
    )
}

fn stored(out: &mut String, group: &GroupPlan) {
    let view = &group.view;
    out.push_str("\nper key\n");
    for at in 0..view.cells.len() {
        let call =
            view.outputs.iter().position(|output| output.cell == at).map(|output| &group.calls[output]);
        let _ = writeln!(out, "  state   {}{}", call.map_or("", String::as_str), shared(view, at));
    }
    for (hop, age) in levels(view) {
        let _ = writeln!(out, "  tiles   of {hop} up to an age of {age}");
    }
    if view.reaches_all() {
        out.push_str("  base    everything older\n");
    }
    if let Some(dedupe) = view.dedupe {
        let within = dedupe.within.map_or_else(|| "for ever".to_owned(), |within| within.to_string());
        let _ = writeln!(out, "  ids     of admitted rows, {within}");
    }
    if let Some(ttl) = view.ttl {
        let _ = writeln!(out, "  absent  after {ttl} without a row");
    }
    let _ = writeln!(out, "reads    {} of {}", group.prepare.columns().join(", "), group.source.name);
}

fn shared(view: &View, at: usize) -> String {
    let windows: BTreeSet<usize> =
        view.outputs.iter().filter(|output| output.cell == at).map(|output| output.window).collect();
    match windows.len() {
        1 => String::new(),
        n => format!(", {n} windows"),
    }
}

/// The hops at which instants are stored, finest first, each with the age up to which it is.
fn levels(view: &View) -> Vec<(Micros, Micros)> {
    let hops: BTreeSet<Micros> = view
        .windows
        .iter()
        .filter(|window| matches!(window.reach, Reach::Length(_)))
        .map(|window| window.hop)
        .collect();
    let age = |window: &Window| match window.reach {
        Reach::Length(length) => Micros(length.0 + window.offset.0 + window.hop.0),
        Reach::All(_) => Micros::ZERO,
    };
    hops.into_iter()
        .map(|hop| {
            let ages = view.windows.iter().filter(|window| window.hop == hop).map(age);
            (hop, ages.max().unwrap_or_default())
        })
        .collect()
}

/// The window as the language writes it.
fn sentence(window: &Window) -> String {
    let mut out = match window.reach {
        Reach::Length(length) => format!("over {length} every {}", window.hop),
        Reach::All(_) => "over all".to_owned(),
    };
    if window.offset != Micros::ZERO {
        let _ = write!(out, " offset {}", window.offset);
    }
    out
}

/// The interval at `t`.
fn interval(window: &Window) -> String {
    let Window { reach, hop, offset } = window;
    let before = |length: Micros| -> String {
        let total = Micros(length.0 + offset.0);
        format!("floor(t - {total}, {hop})")
    };
    let end = if *offset == Micros::ZERO { "t".to_owned() } else { before(Micros::ZERO) };
    let start: Box<dyn Display> = match *reach {
        Reach::Length(length) => Box::new(before(length)),
        Reach::All(since) if since == Instant::MIN => Box::new("the beginning"),
        Reach::All(since) => Box::new(since),
    };
    format!("[{start}, {end})")
}

fn later(length: Micros) -> String {
    if length == Micros::ZERO { "t".to_owned() } else { format!("t + {length}") }
}
