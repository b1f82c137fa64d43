//! The model as text: one line a thing, names and types, for snapshots and for reading.
//!
//! It is not the language: it shows what the compiler understood, casts and hops among it.

use std::fmt::{self, Write};

use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use feat_kernel::window::Reach;

use crate::ir::{Expr, ExprKind, Feature, Group, Model, Role, Source};

/// `model`, kind by kind, in the order of the text.
pub fn model(model: &Model) -> String {
    let mut out = String::new();
    // Writing to a string never fails.
    let _written = write_model(&mut out, model);
    out
}

/// One expression on one line.
pub fn expr(expr: &Expr) -> String {
    Shown(expr).to_string()
}

fn write_model(out: &mut String, model: &Model) -> fmt::Result {
    for (name, entity) in &model.entities {
        let keys: Vec<String> = entity.keys.iter().map(|(key, ty)| format!("{key}: {ty}")).collect();
        writeln!(out, "entity {name}({})", keys.join(", "))?;
    }
    for source in model.sources.values() {
        write_source(out, source)?;
    }
    for group in model.groups.values() {
        write_group(out, "features", group)?;
    }
    for group in model.labels.values() {
        write_group(out, "labels", group)?;
    }
    for (name, derived) in &model.derived {
        writeln!(out, "derived {name}@{} of {}", derived.version, roles(&derived.of))?;
        for request in &derived.with {
            writeln!(out, "  with {request}")?;
        }
        for read in &derived.reads {
            writeln!(out, "  reads {} as {} by ({})", read.group, read.prefix, read.key.join(", "))?;
        }
        write_features(out, &derived.features)?;
    }
    for (name, service) in &model.services {
        writeln!(out, "service {name}@{} of {}", service.version, roles(&service.of))?;
        for request in &service.with {
            writeln!(out, "  with {request}")?;
        }
        for selected in &service.selected {
            let alias = selected.alias.as_ref().map(|alias| format!(" as {alias}")).unwrap_or_default();
            let key = selected.key.join(", ");
            writeln!(out, "  {}.{}{alias}: {} by ({key})", selected.group, selected.feature, selected.slot)?;
        }
    }
    for (name, dataset) in &model.datasets {
        writeln!(out, "dataset {name} = {} × {} at {}", dataset.service, dataset.spine, dataset.at)?;
        if let Some(filter) = &dataset.filter {
            writeln!(out, "  where {}", Shown(filter))?;
        }
        for (group, label) in &dataset.labels {
            writeln!(out, "  label {group}.{label}")?;
        }
        if let Some((from, to)) = dataset.period {
            writeln!(out, "  period {from} to {to}")?;
        }
        if let Some((parts, by)) = &dataset.sample {
            writeln!(out, "  sample {parts} ppm by {}", by.as_deref().unwrap_or("the first key"))?;
        }
    }
    for test in &model.tests {
        let rows: usize = test.given.iter().map(|given| given.rows.len()).sum();
        let assertions: usize = test.expects.iter().map(|expect| expect.assertions.len()).sum();
        writeln!(out, "test {:?}: {rows} rows, {assertions} assertions", test.title)?;
    }
    Ok(())
}

fn write_source(out: &mut String, source: &Source) -> fmt::Result {
    let root = if source.root == source.name { String::new() } else { format!(" from {}", source.root) };
    writeln!(out, "source {}{root}: {:?}", source.name, source.kind)?;
    for column in &source.columns {
        let value = column.value.as_ref().map(|value| format!(" = {}", Shown(value))).unwrap_or_default();
        let zone = column.zone.as_ref().map(|zone| format!(" in {zone:?}")).unwrap_or_default();
        writeln!(out, "  {}: {}{zone}{value}", column.name, column.slot)?;
    }
    for filter in &source.filters {
        writeln!(out, "  where {}", Shown(filter))?;
    }
    if let Some(time) = &source.time {
        let known = source.known.column.as_deref().unwrap_or("-");
        writeln!(out, "  time {time}, known {known} after {}", source.known.after)?;
    }
    if !source.key.is_empty() {
        writeln!(out, "  key {}", source.key.join(", "))?;
    }
    if !source.order_by.is_empty() {
        writeln!(out, "  order by {}", source.order_by.join(", "))?;
    }
    if let Some(dedupe) = &source.dedupe {
        let within = dedupe.within.map_or("ever".to_owned(), |within| within.to_string());
        writeln!(out, "  dedupe by {} within {within}", dedupe.columns.join(", "))?;
    }
    if let Some(lateness) = source.lateness {
        writeln!(out, "  lateness {lateness}")?;
    }
    if let Some(since) = source.since {
        writeln!(out, "  since {since}")?;
    }
    for (side, connector) in [("batch", &source.batch), ("stream", &source.stream)] {
        if let Some(connector) = connector {
            writeln!(out, "  {side} {}({:?})", connector.kind, connector.location)?;
        }
    }
    if let Some(rows) = &source.rows {
        writeln!(out, "  {} rows", rows.len())?;
    }
    for expect in &source.expects {
        writeln!(out, "  expect {} else {:?}", Shown(&expect.condition), expect.action)?;
    }
    Ok(())
}

fn write_group(out: &mut String, word: &str, group: &Group) -> fmt::Result {
    let Group { name, version, entity, source, kind, .. } = group;
    writeln!(out, "{word} {name}@{version} of {entity}({}) from {source}: {kind:?}", group.key.join(", "))?;
    if let Some(filter) = &group.filter {
        writeln!(out, "  where {}", Shown(filter))?;
    }
    if let Some(ttl) = group.ttl {
        writeln!(out, "  ttl {ttl}")?;
    }
    if let Some(refresh) = group.refresh {
        writeln!(out, "  refresh every {} at {} after {}", refresh.every, refresh.at, refresh.after)?;
    }
    write_features(out, &group.features)
}

fn write_features(out: &mut String, features: &[Feature]) -> fmt::Result {
    for feature in features {
        writeln!(out, "  {}: {} = {}", feature.name, feature.slot, Shown(&feature.value))?;
    }
    Ok(())
}

fn roles(roles: &[Role]) -> String {
    let shown: Vec<String> = roles
        .iter()
        .map(|role| format!("{}: {}({})", role.name, role.entity, role.inputs.join(", ")))
        .collect();
    shown.join(", ")
}

/// An expression as a call tree.
struct Shown<'e>(&'e Expr);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ExprKind::Literal(value) => write_value(f, value, &self.0.slot),
            ExprKind::Secret(secret) => write!(f, "{secret:?}"),
            ExprKind::Column(name) => f.write_str(name),
            ExprKind::AsOf => f.write_str("as_of"),
            ExprKind::Call(name, args) => {
                write!(f, "{name}(")?;
                all(f, args)?;
                f.write_str(")")
            }
            ExprKind::Case(cases, last) => {
                for (condition, value) in cases {
                    write!(f, "if {} then {} else ", Shown(condition), Shown(value))?;
                }
                write!(f, "{}", Shown(last))
            }
            ExprKind::Cast(inner) => write!(f, "({} as {})", Shown(inner), self.0.slot.ty),
            ExprKind::TryCast(inner) => write!(f, "try_cast({}, {})", Shown(inner), self.0.slot.ty),
            ExprKind::Field(inner, name) => write!(f, "{}.{name}", Shown(inner)),
            ExprKind::Struct(parts) => {
                f.write_str("struct(")?;
                all(f, parts)?;
                f.write_str(")")
            }
            ExprKind::List(items) => {
                f.write_str("[")?;
                all(f, items)?;
                f.write_str("]")
            }
            ExprKind::Map(entries) => {
                f.write_str("map {")?;
                for (key, value) in entries {
                    write!(f, " {}: {}", Shown(key), Shown(value))?;
                }
                f.write_str(" }")
            }
            ExprKind::Aggregate(call) => {
                write!(f, "{:?}(", call.bound.aggregator)?;
                all(f, &call.args)?;
                f.write_str(")")?;
                if let Some(filter) = &call.filter {
                    write!(f, " where {}", Shown(filter))?;
                }
                match call.window.reach {
                    _ if call.window.hop.0 == 1 => match call.window.reach {
                        Reach::Length(length) => write!(f, " next {length} after {}", call.after),
                        Reach::All(_) => f.write_str(" next all"),
                    },
                    Reach::Length(length) => write!(f, " over {length} every {}", call.window.hop),
                    Reach::All(since) => write!(f, " over all since {since}"),
                }?;
                if call.window.offset.0 != 0 {
                    write!(f, " offset {}", call.window.offset)?;
                }
                Ok(())
            }
        }
    }
}

fn all(f: &mut fmt::Formatter<'_>, exprs: &[Expr]) -> fmt::Result {
    for (at, expr) in exprs.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{}", Shown(expr))?;
    }
    Ok(())
}

fn write_value(f: &mut fmt::Formatter<'_>, value: &Value, slot: &Slot) -> fmt::Result {
    match (value, &slot.ty) {
        (Value::Null, ty) => write!(f, "null of {ty}"),
        (Value::Int(x), Type::Timestamp) => write!(f, "{}", feat_kernel::time::Instant(*x)),
        (Value::Int(x), Type::Duration) => write!(f, "{}", feat_kernel::time::Micros(*x)),
        (Value::Int(x), _) => write!(f, "{x}"),
        (Value::Float(x), _) => write!(f, "{x:?}"),
        (Value::Bool(x), _) => write!(f, "{x}"),
        (Value::Str(text), _) => write!(f, "{text:?}"),
        (Value::Decimal(x), ty) => write!(f, "{x} as {ty}"),
        (other, _) => write!(f, "{other:?}"),
    }
}
