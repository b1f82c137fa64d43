//! Objects: everything of a project that a registry keeps versions of.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`Model`], the texts it was compiled from | an [`Object`] a thing, parents before their parts | nothing |
//!
//! An object has two hashes. `meaning` is what decides its numbers: equal ones, equal values. That of
//! a group covers all its features and is the one its stored state is known by
//! ([`GroupPlan::meaning`](crate::plan::GroupPlan::meaning)); that of a feature covers the feature
//! alone, and those of derived groups, services and datasets cover the features that they have or
//! read, so that none of them changes by a new feature beside it. `interface` is what a reader sees:
//! names, types, keys.

use std::collections::BTreeSet;
use std::fmt;

use feat_dsl::source_map::SourceMap;
use feat_kernel::types::Slot;

use crate::expr::each_column;
use crate::ir::{
    About, Dataset, Derived, Entity, Feature, Group, GroupKind, Model, QName, Role, Service, Source,
};
use crate::meaning::{self, Meaning, Meanings};
use crate::plan::MeaningHash;
use crate::prepare::{closure, needed};
use crate::sources::kind_word;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A source.
    Source,
    /// A column of a source.
    Field,
    /// An entity.
    Entity,
    /// A `features` group.
    Group,
    /// A `labels` group.
    Labels,
    /// A `derived` group.
    Derived,
    /// A feature of a group, labels group or derived group.
    Feature,
    /// A service.
    Service,
    /// A dataset.
    Dataset,
}

impl Kind {
    /// The word for it: `labels group`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Field => "field",
            Self::Entity => "entity",
            Self::Group => "group",
            Self::Labels => "labels group",
            Self::Derived => "derived group",
            Self::Feature => "feature",
            Self::Service => "service",
            Self::Dataset => "dataset",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Something that has versions.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its full name: `ads.ctr.ad_stats`, `ads.ctr.ad_stats.clicks_7d`, `ads.ctr.views.ts`.
    pub name: String,
    /// The full name of what it is a part of: a feature's group, a field's source.
    pub parent: Option<String>,
    /// `version n`, of what has one.
    pub version: Option<u32>,
    /// Hash of what decides its numbers.
    pub meaning: MeaningHash,
    /// Hash of what its readers see: names, types, keys.
    pub interface: MeaningHash,
    /// The type of a feature or field: `float?`.
    pub ty: Option<String>,
    /// The `///` lines.
    pub doc: String,
    /// `@owner`s, inherited from the file.
    pub owners: Vec<String>,
    /// `@tags`.
    pub tags: Vec<String>,
    /// Its source text, loops not unrolled.
    pub text: String,
    /// The path of its file.
    pub path: String,
    /// Its first and last line, from 1.
    pub lines: (u32, u32),
}

/// Every object of `model`, which was compiled from `texts`.
///
/// Shape: entities, sources each before its fields, groups each before its features, labels groups,
/// derived groups, services, datasets; each kind in the order of the model. Cost: linear in the model.
pub fn objects(model: &Model, texts: &SourceMap) -> Vec<Object> {
    let mut gather = Gather { model, texts, meanings: Meanings::new(model), found: Vec::new() };
    model.entities.values().for_each(|entity| gather.entity(entity));
    model.sources.values().for_each(|source| gather.source(source));
    model.groups.values().for_each(|group| gather.group(Kind::Group, group));
    model.labels.values().for_each(|group| gather.group(Kind::Labels, group));
    model.derived.values().for_each(|derived| gather.derived(derived));
    model.services.values().for_each(|service| gather.service(service));
    model.datasets.values().for_each(|dataset| gather.dataset(dataset));
    gather.found
}

struct Gather<'m> {
    model: &'m Model,
    texts: &'m SourceMap,
    meanings: Meanings,
    found: Vec<Object>,
}

/// The two hashes of an object.
struct Hashes {
    meaning: MeaningHash,
    interface: MeaningHash,
}

impl Gather<'_> {
    fn add(&mut self, kind: Kind, name: &QName, version: Option<u32>, hashes: &Hashes, about: &About) {
        let object = self.object(kind, name.to_string(), None, hashes, about);
        self.found.push(Object { version, ..object });
    }

    fn add_part(&mut self, kind: Kind, of: &QName, name: &str, slot: &Slot, hashes: &Hashes, about: &About) {
        let object = self.object(kind, format!("{of}.{name}"), Some(of.to_string()), hashes, about);
        self.found.push(Object { ty: Some(slot.to_string()), ..object });
    }

    fn object(
        &self,
        kind: Kind,
        name: String,
        parent: Option<String>,
        hashes: &Hashes,
        about: &About,
    ) -> Object {
        let whole = about.whole;
        let text = self.texts.text(whole.file);
        let ((from, _), (to, _)) = self.texts.line_column(whole);
        Object {
            kind,
            name,
            parent,
            version: None,
            meaning: hashes.meaning,
            interface: hashes.interface,
            ty: None,
            doc: about.doc.clone(),
            owners: about.owner.iter().cloned().collect(),
            tags: about.tags.clone(),
            text: text.get(whole.start as usize..whole.end as usize).unwrap_or_default().trim().to_owned(),
            path: self.texts.path(whole.file).to_owned(),
            lines: (from, to),
        }
    }

    fn entity(&mut self, entity: &Entity) {
        let mut interface = Meaning::new("entity");
        interface.keys(entity);
        let hash = interface.hash();
        self.add(Kind::Entity, &entity.name, None, &Hashes { meaning: hash, interface: hash }, &entity.about);
    }

    fn source(&mut self, source: &Source) {
        let mut interface = Meaning::new("columns");
        interface.text(kind_word(source.kind));
        interface.list(&source.columns, |interface, column| {
            interface.text(&column.name);
            interface.slot(&column.slot);
        });
        let mut meaning = Meaning::new("source");
        meaning.source(source, &source.columns.iter().map(|column| column.name.as_str()).collect());
        let hashes = Hashes { meaning: meaning.hash(), interface: interface.hash() };
        self.add(Kind::Source, &source.name, None, &hashes, &source.about);
        for column in &source.columns {
            let hashes =
                Hashes { meaning: field(source, &column.name), interface: named(&column.name, &column.slot) };
            self.add_part(Kind::Field, &source.name, &column.name, &column.slot, &hashes, &column.about);
        }
    }

    fn group(&mut self, kind: Kind, group: &Group) {
        let (Some(entity), Some(source)) =
            (self.model.entities.get(&group.entity), self.model.sources.get(&group.source))
        else {
            return;
        };
        let mut interface = Meaning::new("group");
        interface.keys(entity);
        visible(&mut interface, &group.features, group.kind);
        let hashes = Hashes { meaning: meaning::group(group, entity, source), interface: interface.hash() };
        self.add(kind, &group.name, Some(group.version), &hashes, &group.about);
        self.features(&group.name, &group.features);
    }

    fn derived(&mut self, derived: &Derived) {
        let mut interface = Meaning::new("derived");
        self.inputs(&mut interface, &derived.of, &derived.with);
        visible(&mut interface, &derived.features, GroupKind::Aggregates);
        let mut meaning = Meaning::new("derived");
        self.inputs(&mut meaning, &derived.of, &derived.with);
        meaning.list(&derived.features, |meaning, feature| {
            meaning.text(&feature.name);
            self.means(meaning, &derived.name, &feature.name);
        });
        let hashes = Hashes { meaning: meaning.hash(), interface: interface.hash() };
        self.add(Kind::Derived, &derived.name, Some(derived.version), &hashes, &derived.about);
        self.features(&derived.name, &derived.features);
    }

    fn features(&mut self, group: &QName, features: &[Feature]) {
        for feature in features {
            let Some(own) = self.meanings.of(group, &feature.name) else { continue };
            let hashes = Hashes { meaning: own.whole, interface: named(&feature.name, &feature.slot) };
            self.add_part(Kind::Feature, group, &feature.name, &feature.slot, &hashes, &feature.about);
        }
    }

    fn service(&mut self, service: &Service) {
        let (meaning, interface) = self.served(service);
        let hashes = Hashes { meaning: meaning.hash(), interface: interface.hash() };
        self.add(Kind::Service, &service.name, Some(service.version), &hashes, &service.about);
    }

    /// The meaning and the interface of a service.
    fn served(&self, service: &Service) -> (Meaning, Meaning) {
        let (mut meaning, mut interface) = (Meaning::new("served"), Meaning::new("service"));
        self.inputs(&mut interface, &service.of, &service.with);
        self.inputs(&mut meaning, &service.of, &service.with);
        for one in &service.selected {
            interface.text(&service.column(one));
            interface.slot(&one.slot);
            meaning.text(&service.column(one));
            meaning.list(&one.key, |meaning, key| meaning.text(key));
            self.means(&mut meaning, &one.group, &one.feature);
        }
        (meaning, interface)
    }

    fn dataset(&mut self, dataset: &Dataset) {
        let Some(spine) = self.model.sources.get(&dataset.spine) else { return };
        let Some(service) = self.model.services.get(&dataset.service) else { return };
        let (mut meaning, mut interface) = self.served(service);
        for (group, label) in &dataset.labels {
            meaning.text(label);
            self.means(&mut meaning, group, label);
            interface.text(&format!("{}__{label}", group.name));
            let features = self.model.labels.get(group).map_or(&[][..], |group| &group.features);
            interface.option(features.iter().find(|it| it.name == *label), |interface, it| {
                interface.slot(&it.slot);
            });
        }
        rows(&mut meaning, dataset, spine);
        let hashes = Hashes { meaning: meaning.hash(), interface: interface.hash() };
        self.add(Kind::Dataset, &dataset.name, None, &hashes, &dataset.about);
    }

    /// What a caller brings: keys by role, columns of requests.
    fn inputs(&self, into: &mut Meaning, of: &[Role], with: &[QName]) {
        into.list(of, |into, role| {
            into.list(&role.inputs, |into, input| into.text(input));
            into.option(self.model.entities.get(&role.entity), Meaning::keys);
        });
        into.list(with, |into, request| {
            into.option(self.model.sources.get(request), |into, request| {
                into.list(&request.columns, |into, column| {
                    into.text(&column.name);
                    into.slot(&column.slot);
                });
            });
        });
    }

    fn means(&self, into: &mut Meaning, group: &QName, feature: &str) {
        into.option(self.meanings.of(group, feature), |into, own| into.other(own.whole));
    }
}

/// What a column of `source` is, with the columns that it is computed from.
fn field(source: &Source, name: &str) -> MeaningHash {
    let mut meaning = Meaning::new("field");
    meaning.text(&source.root.to_string());
    meaning.text(name);
    meaning.columns(source, &closure(source, BTreeSet::from([name]), std::iter::empty()));
    meaning.hash()
}

/// Which rows of `spine` are asked about.
fn rows(meaning: &mut Meaning, dataset: &Dataset, spine: &Source) {
    let mut names: BTreeSet<&str> = BTreeSet::from([dataset.at.as_str()]);
    if let Some(filter) = &dataset.filter {
        each_column(filter, &mut |name, _| {
            names.insert(name);
        });
    }
    meaning.source(spine, &needed(spine, names));
    meaning.text(&dataset.at);
    meaning.option(dataset.filter.as_ref(), Meaning::expr);
    meaning.option(dataset.period, |meaning, (from, to)| {
        meaning.number(from.0);
        meaning.number(to.0);
    });
    meaning.option(dataset.sample.as_ref(), |meaning, (parts, column)| {
        meaning.number((*parts).into());
        meaning.option(column.as_deref(), Meaning::text);
    });
}

/// The features that a reader of another package may select.
fn visible(interface: &mut Meaning, features: &[Feature], kind: GroupKind) {
    interface.text(&format!("{kind:?}"));
    let features: Vec<&Feature> = features.iter().filter(|feature| !feature.private).collect();
    interface.list(&features, |interface, feature| {
        interface.text(&feature.name);
        interface.slot(&feature.slot);
    });
}

fn named(name: &str, slot: &Slot) -> MeaningHash {
    let mut interface = Meaning::new("named");
    interface.text(name);
    interface.slot(slot);
    interface.hash()
}
