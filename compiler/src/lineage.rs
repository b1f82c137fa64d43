//! Lineage: which columns and features each feature, service and dataset is made of, and how.
//!
//! ```text
//!  source field ──► computed field ──► feature ──► derived feature ──► served feature ──► dataset
//! ```
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`Model`] | an [`Edge`] for each way one thing decides about another | nothing |
//!
//! An edge is direct where values become values, and indirect where they decide which rows or which
//! branch count. What decides about a group's rows decides about each of its features. Expectations
//! that only warn decide nothing.

use std::collections::BTreeSet;

use crate::expr::each_child;
use crate::ir::{Dataset, Derived, Expr, ExprKind, Group, GroupKind, Model, QName, Service, Source};
use crate::phrase::{aggregate, phrase};

mod clauses;

use clauses::{Clause, clauses};

/// How one thing decides about another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EdgeKind {
    /// The value as it is.
    Identity,
    /// A value computed from it.
    Transformation,
    /// Folded over many rows.
    Aggregation,
    /// It decides which rows count.
    Filter,
    /// It decides whose rows they are.
    GroupBy,
    /// It decides when rows count.
    Window,
    /// It decides which branch is taken.
    Conditional,
    /// It decides about order, and which of equal rows is left.
    Sort,
    /// It decides which rows meet.
    Join,
}

impl std::fmt::Display for EdgeKind {
    /// One word, as registries keep it: `group_by`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Transformation => "transformation",
            Self::Aggregation => "aggregation",
            Self::Filter => "filter",
            Self::GroupBy => "group_by",
            Self::Window => "window",
            Self::Conditional => "conditional",
            Self::Sort => "sort",
            Self::Join => "join",
        })
    }
}

impl EdgeKind {
    /// Whether values become values.
    pub fn is_direct(self) -> bool {
        matches!(self, Self::Identity | Self::Transformation | Self::Aggregation)
    }
}

/// One way in which `from` decides about `to`, both by full name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// `package.source.field`, `package.group.feature`, or `package.service.column` where the column
    /// is the alias or `group__feature`.
    pub from: String,
    /// The same, or the name of a dataset.
    pub to: String,
    /// How.
    pub kind: EdgeKind,
    /// The expression or clause that says so.
    pub text: String,
}

/// Every edge of `model`, once.
///
/// Shape: by the thing they lead to, in the order of the model (sources, groups, labels groups,
/// derived groups, services, datasets); those of one thing sorted by where they come from. Cost:
/// linear in the edges: each feature has one for each column that decides about its group's rows.
pub fn lineage(model: &Model) -> Vec<Edge> {
    let mut edges = Edges { model, found: Vec::new() };
    model.sources.values().for_each(|source| edges.source(source));
    for group in model.groups.values().chain(model.labels.values()) {
        if let Some(source) = model.sources.get(&group.source) {
            edges.group(group, source);
        }
    }
    model.derived.values().for_each(|derived| edges.derived(derived));
    model.services.values().for_each(|service| edges.service(service));
    model.datasets.values().for_each(|dataset| edges.dataset(dataset));
    edges.found
}

struct Edges<'m> {
    model: &'m Model,
    found: Vec<Edge>,
}

/// A name that an expression reads, and how it does.
struct Read<'e> {
    name: &'e str,
    kind: EdgeKind,
    text: String,
    /// Whether it stands inside an aggregate, where names are columns.
    folded: bool,
}

impl Edges<'_> {
    /// Adds the edges to one thing: each once, in order.
    fn add(&mut self, to: &str, edges: impl IntoIterator<Item = (String, EdgeKind, String)>) {
        let edges: BTreeSet<(String, EdgeKind, String)> = edges.into_iter().collect();
        let edge = |(from, kind, text)| Edge { from, to: to.to_owned(), kind, text };
        self.found.extend(edges.into_iter().map(edge));
    }

    fn source(&mut self, source: &Source) {
        let root = self.model.sources.get(&source.root).filter(|root| root.name != source.name);
        for column in &source.columns {
            let to = format!("{}.{}", source.name, column.name);
            let inherited = root.is_some_and(|root| root.columns.iter().any(|it| it.name == column.name));
            if inherited {
                let from = format!("{}.{}", source.root, column.name);
                self.add(&to, [(from, EdgeKind::Identity, column.name.clone())]);
            } else if let Some(value) = &column.value {
                let read = reads(value).into_iter();
                self.add(
                    &to,
                    read.map(|read| (format!("{}.{}", source.name, read.name), read.kind, read.text)),
                );
            }
        }
    }

    fn group(&mut self, group: &Group, source: &Source) {
        let clauses = clauses(group, source);
        let entity = self.model.entities.get(&group.entity);
        let mut own: BTreeSet<&str> = BTreeSet::new();
        for feature in &group.features {
            let mut edges = Vec::new();
            for Read { name, kind, text, folded } in reads(&feature.value) {
                let key = name.rsplit_once('.').and_then(|(_, key)| {
                    let at = entity?.keys.iter().position(|(name, _)| name == key)?;
                    group.key.get(at)
                });
                let from = match key {
                    Some(column) => format!("{}.{column}", source.name),
                    None if own.contains(name) && !folded => format!("{}.{name}", group.name),
                    None => format!("{}.{name}", source.name),
                };
                edges.push((from, kind, text));
            }
            let ordered = group.kind == GroupKind::Row || is_ordered(&feature.value);
            let decides = clauses.iter().filter(|clause| ordered || !clause.order);
            edges.extend(decides.map(|Clause { column, kind, text, .. }| {
                (format!("{}.{column}", source.name), *kind, text.clone())
            }));
            own.insert(&feature.name);
            self.add(&format!("{}.{}", group.name, feature.name), edges);
        }
    }

    fn derived(&mut self, derived: &Derived) {
        let mut own: BTreeSet<&str> = BTreeSet::new();
        for feature in &derived.features {
            let mut edges = Vec::new();
            for Read { name, kind, text, .. } in reads(&feature.value) {
                let from = if own.contains(name) {
                    Some(format!("{}.{name}", derived.name))
                } else if let Some((group, _, feature)) = derived.read(name) {
                    Some(format!("{group}.{feature}"))
                } else {
                    request(derived, name)
                };
                // A key comes from whoever asks.
                edges.extend(from.map(|from| (from, kind, text)));
            }
            own.insert(&feature.name);
            self.add(&format!("{}.{}", derived.name, feature.name), edges);
        }
    }

    fn service(&mut self, service: &Service) {
        for one in &service.selected {
            let from = format!("{}.{}", one.group, one.feature);
            let to = format!("{}.{}", service.name, service.column(one));
            self.add(&to, [(from, EdgeKind::Identity, service.dotted(one))]);
        }
    }

    fn dataset(&mut self, dataset: &Dataset) {
        let mut edges = Vec::new();
        let of_spine = |column: &str| format!("{}.{column}", dataset.spine);
        if let Some(service) = self.model.services.get(&dataset.service) {
            for one in &service.selected {
                let column = service.column(one);
                edges.push((format!("{}.{column}", service.name), EdgeKind::Identity, column));
            }
            for input in service.of.iter().flat_map(|role| &role.inputs) {
                edges.push((of_spine(input), EdgeKind::Join, format!("key {input}")));
            }
            for request in service.with.iter().filter_map(|name| self.model.sources.get(name)) {
                let columns = request.columns.iter().map(|column| &column.name);
                edges.extend(columns.map(|column| {
                    (of_spine(column), EdgeKind::Join, format!("{}.{column}", request.name.name))
                }));
            }
            let first = service.of.iter().flat_map(|role| &role.inputs).next();
            if let Some((_, by)) = &dataset.sample
                && let Some(by) = by.as_ref().or(first)
            {
                edges.push((of_spine(by), EdgeKind::Filter, format!("sample by {by}")));
            }
        }
        for (group, label) in &dataset.labels {
            edges.push((
                format!("{group}.{label}"),
                EdgeKind::Identity,
                format!("label {}.{label}", group.name),
            ));
            for column in self.label_key(group, dataset) {
                edges.push((of_spine(&column), EdgeKind::Join, format!("key {column}")));
            }
        }
        edges.push((of_spine(&dataset.at), EdgeKind::Window, format!("at {}", dataset.at)));
        if let Some(filter) = &dataset.filter {
            let text = format!("where {}", phrase(filter));
            let read = reads(filter).into_iter();
            edges.extend(read.map(|read| (of_spine(read.name), EdgeKind::Filter, text.clone())));
        }
        if let Some(spine) = self.model.sources.get(&dataset.spine) {
            edges.extend(
                clauses::admitting(spine)
                    .into_iter()
                    .map(|clause| (of_spine(&clause.column), clause.kind, clause.text)),
            );
        }
        self.add(&dataset.name.to_string(), edges);
    }

    /// The spine's columns that are the key of a label: those of the group over its own source, else
    /// those with the entity's names.
    fn label_key(&self, group: &QName, dataset: &Dataset) -> Vec<String> {
        let Some(group) = self.model.labels.get(group) else { return Vec::new() };
        if group.source == dataset.spine {
            return group.key.clone();
        }
        let entity = self.model.entities.get(&group.entity);
        entity.into_iter().flat_map(|entity| entity.keys.iter().map(|(name, _)| name.clone())).collect()
    }
}

/// The full name of a request's column, if `name` is one.
fn request(derived: &Derived, name: &str) -> Option<String> {
    let (request, column) = name.rsplit_once('.')?;
    let request = derived.with.iter().find(|with| with.name == request)?;
    Some(format!("{request}.{column}"))
}

/// The names in `value`, and how each decides about it.
fn reads(value: &Expr) -> Vec<Read<'_>> {
    let mut walk = Walk { found: Vec::new(), folded: false };
    let kind = match value.kind {
        ExprKind::Column(_) => EdgeKind::Identity,
        _ => EdgeKind::Transformation,
    };
    walk.gather(value, kind, &phrase(value));
    walk.found
}

struct Walk<'e> {
    found: Vec<Read<'e>>,
    folded: bool,
}

impl<'e> Walk<'e> {
    fn gather(&mut self, expr: &'e Expr, kind: EdgeKind, text: &str) {
        // What is indirect stays what it is, however deep it stands.
        let unless = |direct: EdgeKind| if kind.is_direct() { direct } else { kind };
        match &expr.kind {
            ExprKind::Column(name) => {
                self.found.push(Read { name, kind, text: text.to_owned(), folded: self.folded });
            }
            ExprKind::Aggregate(call) => {
                let text = aggregate(call);
                self.folded = true;
                call.args.iter().for_each(|arg| self.gather(arg, unless(EdgeKind::Aggregation), &text));
                call.filter.iter().for_each(|filter| self.gather(filter, EdgeKind::Filter, &text));
                self.folded = false;
            }
            ExprKind::Case(branches, otherwise) => {
                for (condition, value) in branches {
                    self.gather(condition, unless(EdgeKind::Conditional), text);
                    self.gather(value, kind, text);
                }
                self.gather(otherwise, kind, text);
            }
            // What stands first in `a ?? b` is a value, and decides whether the second is one.
            ExprKind::Call("coalesce", args) => {
                for (at, arg) in args.iter().enumerate() {
                    self.gather(arg, kind, text);
                    if at + 1 < args.len() && kind.is_direct() {
                        self.gather(arg, EdgeKind::Conditional, text);
                    }
                }
            }
            _ => each_child(expr, &mut |child| self.gather(child, kind, text)),
        }
    }
}

/// Whether an aggregate of `value` depends on the order of rows.
fn is_ordered(value: &Expr) -> bool {
    if let ExprKind::Aggregate(call) = &value.kind {
        return call.bound.class == feat_kernel::agg::Class::Ordered;
    }
    let mut found = false;
    each_child(value, &mut |child| found |= is_ordered(child));
    found
}
