//! What a feature means on its own: a new feature beside it changes nothing of that.
//!
//! A group's meaning is all its features together, since one view keeps their states. Here each has
//! three hashes, every one covering more: the feature as it is defined, the rows it sees, and how long
//! is waited, remembered and kept. Features before it count by what they mean, not by their names.

use std::collections::{BTreeMap, BTreeSet};

use super::{Meaning, row_columns, shared_columns};
use crate::ir::{Dedupe, Derived, Entity, Expr, Feature, Group, Model, QName, Source};
use crate::lower::rewrite;
use crate::plan::MeaningHash;
use crate::prepare::{closure, needed};

/// What one feature means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    /// Its expression, and the columns that it reads; in a derived group: the names of what it reads.
    pub(crate) defined: MeaningHash,
    /// The same, over these rows; in a derived group: over what it reads.
    pub(crate) rows: MeaningHash,
    /// The same, with every length of time.
    pub(crate) whole: MeaningHash,
}

/// What all features of a group share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    /// Which rows they see; of a derived group: its roles and requests.
    pub(crate) rows: MeaningHash,
    /// The same, with every length of time.
    pub(crate) whole: MeaningHash,
}

/// What the features of a model mean.
#[derive(Debug, Default)]
pub(crate) struct Meanings {
    shared: BTreeMap<QName, Shared>,
    features: BTreeMap<QName, BTreeMap<String, Own>>,
}

impl Meanings {
    /// Of every feature in `model`.
    pub(crate) fn new(model: &Model) -> Self {
        let mut meanings = Self::default();
        for (name, group) in model.groups.iter().chain(&model.labels) {
            let (entity, source) = (model.entities.get(&group.entity), model.sources.get(&group.source));
            if let (Some(entity), Some(source)) = (entity, source) {
                meanings.group(name, group, entity, source);
            }
        }
        // Each stands behind those that it reads.
        for (name, derived) in &model.derived {
            meanings.derived(model, name, derived);
        }
        meanings
    }

    /// What the feature `name` of `group` means.
    pub(crate) fn of(&self, group: &QName, name: &str) -> Option<Own> {
        self.features.get(group)?.get(name).copied()
    }

    /// What the features of `group` share.
    pub(crate) fn shared(&self, group: &QName) -> Option<Shared> {
        self.shared.get(group).copied()
    }

    fn group(&mut self, name: &QName, group: &Group, entity: &Entity, source: &Source) {
        let shared = shared(group, entity, source);
        let mut own: BTreeMap<String, Own> = BTreeMap::new();
        for feature in &group.features {
            let mut read = row_columns(group, &feature.value);
            read.retain(|name| !own.contains_key(*name));
            let mut meaning = Meaning::new("feature");
            meaning.slot(&feature.slot);
            meaning.expr(&named(&feature.value, &|name| own.get(name).map(|own| own.defined)));
            meaning.columns(source, &closure(source, read, std::iter::empty()));
            let defined = meaning.hash();
            let meaning =
                Own { defined, rows: both(defined, shared.rows), whole: both(defined, shared.whole) };
            own.insert(feature.name.clone(), meaning);
        }
        self.shared.insert(name.clone(), shared);
        self.features.insert(name.clone(), own);
    }

    fn derived(&mut self, model: &Model, name: &QName, derived: &Derived) {
        let mut own: BTreeMap<String, Own> = BTreeMap::new();
        for feature in &derived.features {
            let meaning = Own {
                defined: over(derived, feature, &own, |own| own.defined, |_, _| None),
                rows: over(derived, feature, &own, |own| own.rows, |group, name| self.of(group, name)),
                whole: over(derived, feature, &own, |own| own.whole, |group, name| self.of(group, name)),
            };
            own.insert(feature.name.clone(), meaning);
        }
        let mut meaning = Meaning::new("roles");
        meaning.list(&derived.of, |meaning, role| {
            meaning.text(&role.name);
            meaning.option(model.entities.get(&role.entity), Meaning::keys);
        });
        meaning.list(&derived.with, |meaning, request| meaning.text(&request.to_string()));
        let shared = meaning.hash();
        self.shared.insert(name.clone(), Shared { rows: shared, whole: shared });
        self.features.insert(name.clone(), own);
    }
}

/// `feature` of a derived group over `which` of what it reads: its own features, and those of others
/// that `read` knows; the rest by name.
fn over(
    derived: &Derived,
    feature: &Feature,
    own: &BTreeMap<String, Own>,
    which: fn(Own) -> MeaningHash,
    read: impl Fn(&QName, &str) -> Option<Own>,
) -> MeaningHash {
    let means = |column: &str| -> Option<MeaningHash> {
        if let Some(own) = own.get(column) {
            return Some(which(*own));
        }
        let (group, key, name) = derived.read(column)?;
        let mut meaning = Meaning::new("read");
        meaning.list(key, |meaning, key| meaning.text(key));
        if let Some(own) = read(group, name) {
            meaning.other(which(own));
        } else {
            meaning.text(&group.to_string());
            meaning.text(name);
        }
        Some(meaning.hash())
    };
    let mut meaning = Meaning::new("derived feature");
    meaning.slot(&feature.slot);
    meaning.expr(&named(&feature.value, &means));
    meaning.hash()
}

/// What the features of `group` share.
fn shared(group: &Group, entity: &Entity, source: &Source) -> Shared {
    // Whatever is not taken out here decides about rows: a clause that is forgotten is strict.
    let patient = Source {
        lateness: None,
        rows: None,
        dedupe: source.dedupe.clone().map(|dedupe| Dedupe { within: None, ..dedupe }),
        ..source.clone()
    };
    let mut meaning = Meaning::new("rows");
    meaning.keys(entity);
    meaning.list(&group.key, |meaning, name| meaning.text(name));
    meaning.source(&patient, &needed(&patient, shared_columns(group, &patient)));
    meaning.option(group.filter.as_ref(), Meaning::expr);
    meaning.text(&format!("{:?}", group.kind));
    let rows = meaning.hash();
    let mut meaning = Meaning::new("lengths");
    meaning.other(rows);
    meaning.source(source, &BTreeSet::new());
    meaning.option(group.ttl, Meaning::micros);
    meaning.option(group.refresh, |meaning, refresh| {
        meaning.list(&[refresh.every, refresh.at, refresh.after], |meaning, length| meaning.micros(*length));
    });
    Shared { rows, whole: meaning.hash() }
}

/// `value` with every feature that `means` knows called by what it means. No name has a `~`.
fn named(value: &Expr, means: &dyn Fn(&str) -> Option<MeaningHash>) -> Expr {
    rewrite::columns(value, &|name| means(name).map(|hash| format!("~{hash}")))
}

fn both(one: MeaningHash, other: MeaningHash) -> MeaningHash {
    let mut meaning = Meaning::new("both");
    meaning.other(one);
    meaning.other(other);
    meaning.hash()
}
