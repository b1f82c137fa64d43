//! Lower: the typed meaning of a project becomes what engines run.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ir::Model`] | [`Plans`] | nothing: what has an error was left out before |
//!
//! An item that refers to one that was left out is left out too.

mod dataset;
mod group;
mod rewrite;
mod service;
mod source;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use feat_dsl::diagnostic::Diagnostic;
use feat_kernel::types::{Slot, Type};

use crate::expr::{Evaluator, each_column};
use crate::ir::{self, Expr, Model, QName};
use crate::meaning::Meaning;
use crate::plan::{DerivedPlan, FeaturePlan, Plans, ServicePlan};

/// Plans everything in `model`.
pub fn lower(model: &Model) -> (Plans, Vec<Diagnostic>) {
    let mut plans = Plans::default();
    for (name, source) in &model.sources {
        plans.sources.insert(name.clone(), Arc::new(source::plan(source)));
    }
    for (name, group) in &model.groups {
        if let Some(plan) = group::plan(model, &plans, group) {
            plans.groups.insert(name.clone(), Arc::new(plan));
        }
    }
    for (name, group) in &model.labels {
        if let Some(plan) = group::label(model, &plans, group) {
            plans.labels.insert(name.clone(), Arc::new(plan));
        }
    }
    let names = Names::new(model);
    for (name, derived) in &model.derived {
        plans.derived.insert(name.clone(), Arc::new(derive(model, &names, &plans, derived)));
    }
    for (name, service) in &model.services {
        if let Some(plan) = service::plan(model, &names, &plans, service) {
            plans.services.insert(name.clone(), Arc::new(plan));
        }
    }
    for (name, group) in plans.groups.clone() {
        plans.alone.insert(name, Arc::new(ServicePlan::of_group(&group)));
    }
    for (name, derived) in &model.derived {
        if let Some(plan) = service::plan(model, &names, &plans, &alone(derived)) {
            plans.alone.insert(name.clone(), Arc::new(plan));
        }
    }
    for (name, dataset) in &model.datasets {
        if let Some(plan) = dataset::plan(model, &plans, dataset) {
            plans.datasets.insert(name.clone(), Arc::new(plan));
        }
    }
    (plans, Vec::new())
}

/// A derived group as a service of its own.
fn alone(derived: &ir::Derived) -> ir::Service {
    let selected = derived.features.iter().map(|feature| ir::Selected {
        group: derived.name.clone(),
        role: 0,
        key: Vec::new(),
        feature: feature.name.clone(),
        alias: None,
        slot: feature.slot.clone(),
    });
    ir::Service {
        name: derived.name.clone(),
        version: derived.version,
        of: derived.of.clone(),
        with: derived.with.clone(),
        selected: selected.collect(),
        about: derived.about.clone(),
    }
}

/// The slot of `as_of`.
fn as_of() -> (String, Slot) {
    ("as_of".to_owned(), Slot::required(Type::Timestamp))
}

/// Groups, derived groups and request sources by their short names.
struct Names<'a> {
    model: &'a Model,
    short: BTreeMap<&'a str, Vec<&'a QName>>,
}

/// What a name `a.b` of a derived group means.
enum Reference<'a> {
    /// A column of a request source.
    Request,
    /// A key column of a role.
    Key,
    /// A feature of a group, read through a role where the name says so.
    Feature { prefix: &'a str, group: &'a QName, role: Option<usize> },
}

impl<'a> Names<'a> {
    fn new(model: &'a Model) -> Self {
        let mut short: BTreeMap<&str, Vec<&QName>> = BTreeMap::new();
        for name in model.groups.keys().chain(model.derived.keys()) {
            short.entry(&name.name).or_default().push(name);
        }
        Self { model, short }
    }

    /// The group `name` as `package` sees it: its own first.
    fn group(&self, package: &str, name: &str) -> Option<&'a QName> {
        let found = self.short.get(name)?;
        found.iter().find(|found| found.package == package).or_else(|| found.first()).copied()
    }

    /// What `column` means in `derived`; `None` for a feature of its own.
    fn reference(&self, derived: &'a ir::Derived, column: &'a str) -> Option<Reference<'a>> {
        let (prefix, last) = column.rsplit_once('.')?;
        if derived.with.iter().any(|name| name.name == prefix) {
            return Some(Reference::Request);
        }
        let role_of = |name: &str| derived.of.iter().position(|role| role.name == name);
        if let Some(role) = role_of(prefix)
            && let Some(entity) = self.model.entities.get(&derived.of[role].entity)
            && entity.keys.iter().any(|(name, _)| name == last)
        {
            return Some(Reference::Key);
        }
        let (head, name) = match prefix.rsplit_once('.') {
            Some((head, name)) => (Some(head), name),
            None => (None, prefix),
        };
        let role = head.and_then(role_of);
        let package = match head {
            Some(package) if role.is_none() => package,
            _ => &derived.name.package,
        };
        self.group(package, name).map(|group| Reference::Feature { prefix, group, role })
    }
}

fn derive(model: &Model, names: &Names<'_>, plans: &Plans, derived: &ir::Derived) -> DerivedPlan {
    let mut exprs: Vec<(String, Expr)> = Vec::with_capacity(derived.features.len());
    let mut features: Vec<FeaturePlan> = Vec::with_capacity(derived.features.len());
    let mut own: BTreeMap<&str, usize> = BTreeMap::new();
    let mut meaning = Meaning::new("derived");
    for feature in &derived.features {
        let value = &feature.value;
        let mut inputs: Vec<String> = Vec::new();
        each_column(value, &mut |name, _| {
            let read: Vec<String> = match own.get(name) {
                Some(&at) => features[at].inputs.clone(),
                None => match names.reference(derived, name) {
                    Some(Reference::Feature { .. }) => vec![name.to_owned()],
                    _ => Vec::new(),
                },
            };
            inputs.extend(read);
        });
        inputs.sort_unstable();
        inputs.dedup();
        meaning.text(&feature.name);
        meaning.expr(value);
        for input in &inputs {
            if let Some(Reference::Feature { group, .. }) = names.reference(derived, input) {
                meaning.option(plans.groups.get(group), |meaning, plan| meaning.other(plan.meaning));
                meaning.option(plans.derived.get(group), |meaning, plan| meaning.other(plan.meaning));
            }
        }
        own.insert(&feature.name, features.len());
        features.push(FeaturePlan {
            name: feature.name.clone(),
            slot: feature.slot.clone(),
            private: feature.private,
            outputs: Vec::new(),
            inputs,
        });
        exprs.push((feature.name.clone(), value.clone()));
    }
    for role in &derived.of {
        meaning.text(&role.name);
        meaning.option(model.entities.get(&role.entity), |meaning, entity| {
            meaning.list(&entity.keys, |meaning, (name, ty)| {
                meaning.text(name);
                meaning.ty(ty);
            });
        });
    }
    DerivedPlan {
        name: derived.name.clone(),
        version: derived.version,
        features,
        evaluator: Arc::new(Evaluator::new(&[], &exprs)),
        meaning: meaning.hash(),
    }
}
