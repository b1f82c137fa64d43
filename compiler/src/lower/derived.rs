//! Derived groups: expressions over columns that a service brings together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rewrite;
use crate::expr::{Evaluator, each_column};
use crate::ir::{Derived, Expr, Model};
use crate::meaning::Meaning;
use crate::plan::{DerivedPlan, FeaturePlan, Plans};

/// Plans `derived`.
pub(super) fn plan(model: &Model, plans: &Plans, derived: &Derived) -> DerivedPlan {
    let mut features: Vec<FeaturePlan> = Vec::with_capacity(derived.features.len());
    let mut own: BTreeMap<&str, usize> = BTreeMap::new();
    let mut meaning = Meaning::new("derived");
    for feature in &derived.features {
        let mut inputs: Vec<String> = Vec::new();
        each_column(&feature.value, &mut |name, _| match own.get(name) {
            Some(&at) => inputs.extend_from_slice(&features[at].inputs),
            None => inputs.extend(derived.read(name).map(|_| name.to_owned())),
        });
        inputs.sort_unstable();
        inputs.dedup();
        meaning.text(&feature.name);
        meaning.expr(&feature.value);
        for (group, _, _) in inputs.iter().filter_map(|input| derived.read(input)) {
            meaning.option(plans.groups.get(group), |meaning, plan| meaning.other(plan.meaning));
            meaning.option(plans.derived.get(group), |meaning, plan| meaning.other(plan.meaning));
        }
        own.insert(&feature.name, features.len());
        features.push(FeaturePlan {
            name: feature.name.clone(),
            slot: feature.slot.clone(),
            private: feature.private,
            outputs: Vec::new(),
            inputs,
        });
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
    let exprs: Vec<(String, Expr)> =
        derived.features.iter().map(|feature| (feature.name.clone(), feature.value.clone())).collect();
    DerivedPlan {
        name: derived.name.clone(),
        version: derived.version,
        features,
        evaluator: Arc::new(Evaluator::new(&[], &exprs)),
        meaning: meaning.hash(),
    }
}

/// `plan` for a service that calls what it reads otherwise: `prefixes` are the new ones of
/// `derived.reads`, in their order. It means the same.
pub(super) fn renamed(plan: &DerivedPlan, derived: &Derived, prefixes: &[String]) -> DerivedPlan {
    let rename = |column: &str| -> Option<String> {
        let (prefix, name) = column.rsplit_once('.')?;
        let at = derived.reads.iter().position(|read| read.prefix == prefix)?;
        Some(format!("{}.{name}", prefixes[at]))
    };
    let exprs: Vec<(String, Expr)> = derived
        .features
        .iter()
        .map(|feature| (feature.name.clone(), rewrite::columns(&feature.value, &rename)))
        .collect();
    let mut plan = plan.clone();
    for input in plan.features.iter_mut().flat_map(|feature| &mut feature.inputs) {
        if let Some(name) = rename(input) {
            *input = name;
        }
    }
    plan.evaluator = Arc::new(Evaluator::new(&[], &exprs));
    plan
}
