//! `features` and `labels`: a view, its rows, and the features over its outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use feat_dsl::span::Span;
use feat_kernel::time::Micros;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use feat_kernel::window::{Reach, Window};

use super::rewrite::{self, column_of, condition, literal};
use super::view::{Builder, Built, output_name};
use crate::expr::{Evaluator, each_child, each_column};
use crate::ir::{AggregateCall, Entity, Expr, ExprKind, Group, GroupKind, Model, Source};
use crate::meaning;
use crate::plan::{FeaturePlan, GroupPlan, LabelPlan, Plans};
use crate::prepare::{Prepare, Recipe};

/// Plans `group`; `None` if its entity or source was left out.
pub(super) fn plan(model: &Model, plans: &Plans, group: &Group) -> Option<GroupPlan> {
    let (entity, source) = (model.entities.get(&group.entity)?, model.sources.get(&group.source)?);
    let mut builder = Builder::default();
    let exprs = match group.kind {
        GroupKind::Aggregates => aggregates(group, &mut builder, |call| call.window),
        GroupKind::Row => row(group, source, &mut builder),
    };
    finish(plans, group, entity, source, builder, &exprs)
}

/// Plans `group`, whose windows look forward.
pub(super) fn label(model: &Model, plans: &Plans, group: &Group) -> Option<LabelPlan> {
    let (entity, source) = (model.entities.get(&group.entity)?, model.sources.get(&group.source)?);
    let mut horizon = Micros::ZERO;
    for feature in &group.features {
        each_call(&feature.value, &mut |call| horizon = horizon.max(end(call)));
    }
    let mut builder = Builder::default();
    // Asked at `t + horizon`, the interval `[t + after, t + after + h)` lies so far back.
    let exprs = aggregates(group, &mut builder, |call| Window {
        offset: Micros(horizon.0 - end(call).0),
        ..call.window
    });
    let group = finish(plans, group, entity, source, builder, &exprs)?;
    Some(LabelPlan { group, horizon })
}

/// How long after the evaluation instant a label's interval ends.
fn end(call: &AggregateCall) -> Micros {
    match call.window.reach {
        Reach::Length(length) => Micros(call.after.0.saturating_add(length.0)),
        Reach::All(_) => call.after,
    }
}

fn each_call(expr: &Expr, see: &mut dyn FnMut(&AggregateCall)) {
    match &expr.kind {
        ExprKind::Aggregate(call) => see(call),
        _ => each_child(expr, &mut |child| each_call(child, see)),
    }
}

/// The features with their aggregates replaced by outputs.
fn aggregates(
    group: &Group,
    builder: &mut Builder,
    window: impl Fn(&AggregateCall) -> Window,
) -> Vec<(String, Expr)> {
    let features = group.features.iter();
    features
        .map(|feature| {
            let value = rewrite::aggregates(&feature.value, &mut |call| builder.call(call, window(call)));
            (feature.name.clone(), value)
        })
        .collect()
}

/// The features over the newest row, all null without one.
fn row(group: &Group, source: &Source, builder: &mut Builder) -> Vec<(String, Expr)> {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut defined: BTreeSet<&str> = BTreeSet::new();
    for feature in &group.features {
        each_column(&feature.value, &mut |name, _| {
            if !defined.contains(name) {
                used.insert(name);
            }
        });
        defined.insert(&feature.name);
    }
    let mut fields: Vec<(String, Slot)> = source
        .columns
        .iter()
        .filter(|column| used.contains(column.name.as_str()))
        .map(|column| (column.name.clone(), column.slot.clone()))
        .collect();
    if fields.is_empty() {
        // Whether there is a row at all is still a question: its key answers.
        let key = source.columns.iter().filter(|column| group.key.contains(&column.name));
        fields.extend(key.map(|column| (column.name.clone(), column.slot.clone())));
    }
    let items = fields.iter().map(|(name, slot)| column_of(name.clone(), slot.clone())).collect();
    let whole = Expr {
        kind: ExprKind::Struct(items),
        slot: Slot::required(Type::Struct(fields.clone())),
        span: Span::default(),
    };
    let newest = builder.latest(whole);
    let slots: BTreeMap<&str, &Slot> = fields.iter().map(|(name, slot)| (name.as_str(), slot)).collect();
    let mut defined: BTreeSet<&str> = BTreeSet::new();
    group
        .features
        .iter()
        .map(|feature| {
            let value = rewrite::expr(&feature.value, &mut |name| {
                let slot = slots.get(name).filter(|_| !defined.contains(name))?;
                Some(Expr {
                    kind: ExprKind::Field(Box::new(newest.clone()), name.to_owned()),
                    slot: Slot::nullable(slot.ty.clone()),
                    span: Span::default(),
                })
            });
            defined.insert(&feature.name);
            let slot = Slot::nullable(value.slot.ty.clone());
            let absent = condition("is_null", vec![newest.clone()], false);
            let value = match &value.kind {
                // A field of no row is null by itself.
                ExprKind::Field(of, _) if matches!(of.kind, ExprKind::Column(_)) => value,
                _ => Expr {
                    kind: ExprKind::Case(vec![(absent, literal(Value::Null, slot.clone()))], Box::new(value)),
                    slot,
                    span: Span::default(),
                },
            };
            (feature.name.clone(), value)
        })
        .collect()
}

fn finish(
    plans: &Plans,
    group: &Group,
    entity: &Entity,
    source: &Source,
    builder: Builder,
    exprs: &[(String, Expr)],
) -> Option<GroupPlan> {
    let Built { view, args, masks, outputs, calls } = builder.build(source, group.ttl);
    let mut scope: Vec<(String, Slot)> = entity
        .keys
        .iter()
        .map(|(name, ty)| (format!("{}.{name}", entity.name.name), Slot::required(ty.clone())))
        .collect();
    scope.push(super::as_of());
    scope.extend(outputs.iter().enumerate().map(|(at, slot)| (output_name(at), slot.clone())));
    let view = Arc::new(view);
    let recipe =
        Recipe { source, key: &group.key, filter: group.filter.as_ref(), masks: &masks, args: &args };
    let prepare = Arc::new(Prepare::new(&recipe, Arc::clone(&view)));
    Some(GroupPlan {
        name: group.name.clone(),
        version: group.version,
        entity: group.entity.clone(),
        key: entity.keys.clone(),
        source: Arc::clone(plans.sources.get(&group.source)?),
        view,
        prepare,
        features: features(group, exprs),
        evaluator: Arc::new(Evaluator::new(&scope, exprs)),
        outputs,
        calls,
        refresh: group.refresh,
        meaning: meaning::group(group, entity, source),
    })
}

fn features(group: &Group, exprs: &[(String, Expr)]) -> Vec<FeaturePlan> {
    let mut plans: Vec<FeaturePlan> = Vec::with_capacity(exprs.len());
    let mut own: BTreeMap<&str, usize> = BTreeMap::new();
    for (feature, (_, value)) in group.features.iter().zip(exprs) {
        let mut outputs: BTreeSet<usize> = BTreeSet::new();
        each_column(value, &mut |name, _| {
            if let Some(output) = name.strip_prefix('~').and_then(|at| at.parse().ok()) {
                outputs.insert(output);
            } else if let Some(&at) = own.get(name) {
                outputs.extend(&plans[at].outputs);
            }
        });
        own.insert(&feature.name, plans.len());
        plans.push(FeaturePlan {
            name: feature.name.clone(),
            slot: match group.kind {
                GroupKind::Aggregates => feature.slot.clone(),
                GroupKind::Row => Slot::nullable(feature.slot.ty.clone()),
            },
            private: feature.private,
            outputs: outputs.into_iter().collect(),
            inputs: Vec::new(),
        });
    }
    plans
}
