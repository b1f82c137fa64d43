//! Lower: the typed meaning of a project becomes what engines run.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ir::Model`] | [`Plans`] | nothing: what has an error was left out before |
//!
//! An item that refers to one that was left out is left out too.

mod dataset;
mod derived;
mod group;
pub(crate) mod rewrite;
mod service;
mod source;
mod view;

use std::sync::Arc;

use feat_kernel::types::{Slot, Type};

use crate::ir::{self, Model};
use crate::plan::{Plans, ServicePlan};

/// Plans everything in `model`.
pub fn lower(model: &Model) -> Plans {
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
    for (name, derived) in &model.derived {
        plans.derived.insert(name.clone(), Arc::new(derived::plan(model, &plans, derived)));
    }
    for (name, service) in &model.services {
        if let Some(plan) = service::plan(model, &plans, service) {
            plans.services.insert(name.clone(), Arc::new(plan));
        }
    }
    for (name, group) in plans.groups.clone() {
        plans.alone.insert(name, Arc::new(ServicePlan::of_group(&group)));
    }
    for (name, derived) in &model.derived {
        if let Some(plan) = service::plan(model, &plans, &alone(derived)) {
            plans.alone.insert(name.clone(), Arc::new(plan));
        }
    }
    for (name, dataset) in &model.datasets {
        if let Some(plan) = dataset::plan(model, &plans, dataset) {
            plans.datasets.insert(name.clone(), Arc::new(plan));
        }
    }
    plans
}

/// A derived group as a service of its own.
fn alone(derived: &ir::Derived) -> ir::Service {
    let key: Vec<String> = derived.of.iter().flat_map(|role| role.inputs.clone()).collect();
    let selected = derived.features.iter().map(|feature| ir::Selected {
        group: derived.name.clone(),
        role: 0,
        key: key.clone(),
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
        written: Vec::new(),
        about: derived.about.clone(),
    }
}

/// The slot of `as_of`.
fn as_of() -> (String, Slot) {
    ("as_of".to_owned(), Slot::required(Type::Timestamp))
}
