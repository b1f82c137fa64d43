//! Datasets: a spine, a service and labels.

use std::collections::BTreeSet;
use std::sync::Arc;

use feat_kernel::types::Slot;

use crate::expr::{Evaluator, each_column};
use crate::ir::{Dataset, Model};
use crate::meaning::Meaning;
use crate::plan::{DatasetPlan, LabelUse, Plans};
use crate::prepare::needed;

/// Plans `dataset`; `None` if something it needs was left out.
pub(super) fn plan(model: &Model, plans: &Plans, dataset: &Dataset) -> Option<DatasetPlan> {
    let service = Arc::clone(plans.services.get(&dataset.service)?);
    let source = model.sources.get(&dataset.spine)?;
    let spine = Arc::clone(plans.sources.get(&dataset.spine)?);
    let mut labels: Vec<LabelUse> = Vec::new();
    for (name, feature) in &dataset.labels {
        let column = (feature.clone(), format!("{}__{feature}", name.name));
        if let Some(known) = labels.iter_mut().find(|label| label.label.group.name == *name) {
            known.features.push(column);
            continue;
        }
        let group = model.labels.get(name)?;
        let entity = model.entities.get(&group.entity)?;
        // The spine's own rows carry the key under the names that the label group maps; those of
        // another source carry it under the entity's.
        let key = if group.source == dataset.spine {
            group.key.clone()
        } else {
            entity.keys.iter().map(|(name, _)| name.clone()).collect()
        };
        labels.push(LabelUse { label: Arc::clone(plans.labels.get(name)?), key, features: vec![column] });
    }
    let scope: Vec<(String, Slot)> =
        source.columns.iter().map(|column| (column.name.clone(), column.slot.clone())).collect();
    let filter = dataset
        .filter
        .as_ref()
        .map(|filter| Arc::new(Evaluator::new(&scope, &[("keep".to_owned(), filter.clone())])));
    let first = service.keys.first().map(|(name, _)| name.clone());
    let sample = match &dataset.sample {
        Some((parts, column)) => Some((*parts, column.clone().or(first)?)),
        None => None,
    };
    let mut meaning = Meaning::new("dataset");
    meaning.other(service.meaning);
    let mut names: BTreeSet<&str> = BTreeSet::from([dataset.at.as_str()]);
    if let Some(filter) = &dataset.filter {
        each_column(filter, &mut |name, _| {
            names.insert(name);
        });
    }
    meaning.source(source, &needed(source, names));
    meaning.text(&dataset.at);
    meaning.option(dataset.filter.as_ref(), Meaning::expr);
    meaning.list(&labels, |meaning, label| {
        meaning.other(label.label.group.meaning);
        meaning.list(&label.key, |meaning, name| meaning.text(name));
        meaning.list(&label.features, |meaning, (feature, column)| {
            meaning.text(feature);
            meaning.text(column);
        });
    });
    meaning.option(dataset.period, |meaning, (from, to)| {
        meaning.number(from.0);
        meaning.number(to.0);
    });
    meaning.option(sample.as_ref(), |meaning, (parts, column)| {
        meaning.number((*parts).into());
        meaning.text(column);
    });
    Some(DatasetPlan {
        name: dataset.name.clone(),
        service,
        spine,
        at: dataset.at.clone(),
        filter,
        labels,
        period: dataset.period,
        sample,
        meaning: meaning.hash(),
    })
}
