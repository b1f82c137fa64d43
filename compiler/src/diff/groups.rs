//! Groups, labels groups and derived groups with their features.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::admission::Admission;
use super::sources::clauses;
use super::{Change, Class, Differ, Versions, What, gone, is_was, names, other};
use crate::codes;
use crate::expr::each_column;
use crate::ir::{Column, Derived, Feature, Group, QName, Refresh, Source};
use crate::meaning::{row_columns, shared_columns};
use crate::objects::Kind;
use crate::phrase::phrase;
use crate::prepare::{closure, needed};

/// What is other in a group, features aside.
#[derive(Default)]
struct Clauses {
    rows: Vec<String>,
    lengths: Vec<String>,
}

impl Differ<'_> {
    pub(super) fn groups(&mut self, kind: Kind, old: &IndexMap<QName, Group>, new: &IndexMap<QName, Group>) {
        for (name, group) in new {
            match old.get(name) {
                None => self.begun(kind, name, &group.features),
                Some(before) => self.group(kind, before, group),
            }
        }
        for name in gone(old, new) {
            self.ended(kind, name);
        }
    }

    pub(super) fn derived(&mut self) {
        let (old, new) = (&self.old.derived, &self.new.derived);
        for (name, derived) in new {
            match old.get(name) {
                None => self.begun(Kind::Derived, name, &derived.features),
                Some(before) => self.one_derived(before, derived),
            }
        }
        for name in gone(old, new) {
            self.ended(Kind::Derived, name);
        }
    }

    fn begun(&mut self, kind: Kind, name: &QName, features: &[Feature]) {
        let reason = match features.len() {
            1 => "new, one feature".to_owned(),
            more => format!("new, {more} features"),
        };
        self.add(kind, name, Class::Initial, What::Added, reason);
    }

    fn ended(&mut self, kind: Kind, name: &QName) {
        let dependents = self.readers([name.clone()]);
        let change = self.add(kind, name, Class::Breaking, What::Removed, "no service reads it");
        still_read(change, dependents);
    }

    fn group(&mut self, kind: Kind, old: &Group, new: &Group) {
        let name = new.name.clone();
        let versions = Versions { was: old.version, is: new.version };
        let first = self.changes.len();
        self.version(kind, &name, versions);
        let dependents = self.readers([name.clone()]);
        let (before, after) = (self.meant.shared(&name), self.means.shared(&name));
        let Clauses { mut rows, mut lengths } = self.clauses(old, new);
        let other_rows = before.map(|it| it.rows) != after.map(|it| it.rows);
        if other_rows && rows.is_empty() {
            rows.push("what it reads of its source is other".to_owned());
        }
        if !other_rows && lengths.is_empty() && before.map(|it| it.whole) != after.map(|it| it.whole) {
            lengths.push("what it waits for is other".to_owned());
        }
        if other_rows {
            let change = self.add(kind, &name, Class::Breaking, What::Changed, rows.join("; "));
            change.dependents.clone_from(&dependents);
            versions.judge(change);
        }
        if !lengths.is_empty() {
            let change = self.add(kind, &name, Class::Behavioural, What::Changed, lengths.join("; "));
            change.dependents.clone_from(&dependents);
        }
        let (sources, news) = (self.old.sources.get(&old.source), self.new.sources.get(&new.source));
        let read = |feature: &Feature| -> Vec<String> {
            let (Some(was), Some(is)) = (sources, news) else { return Vec::new() };
            other_columns((was, old), (is, new), &feature.name)
        };
        self.features((&name, &old.features), &new.features, versions, &read);
        // Of a group that breaks as a whole it is said already. Under a greater version, too, the text says
        // the same and gives other values.
        let full = name.to_string();
        let breaks = |change: &Change| change.name == full && change.class == Class::Breaking;
        if !self.changes[first..].iter().any(breaks)
            && let (Some(was), Some(is)) = (sources, news)
        {
            let beside = Admission::of(old, was).against(&Admission::of(new, is));
            let kept = new.features.iter().any(|it| old.features.iter().any(|was| was.name == it.name));
            if let Some(reason) = beside.filter(|_| kept) {
                let change = self.add(kind, &name, Class::Behavioural, What::Changed, reason);
                change.dependents = dependents;
            }
        }
        self.same(first, kind, &name, versions);
        self.about(kind, &name.to_string(), &old.about, &new.about);
    }

    fn one_derived(&mut self, old: &Derived, new: &Derived) {
        let name = new.name.clone();
        let versions = Versions { was: old.version, is: new.version };
        let first = self.changes.len();
        self.version(Kind::Derived, &name, versions);
        let dependents = self.readers([name.clone()]);
        if self.meant.shared(&name) != self.means.shared(&name) {
            let mut said = Vec::new();
            let of = |derived: &Derived| -> String {
                let role = |role: &crate::ir::Role| format!("{}: {}", role.name, role.entity.name);
                derived.of.iter().map(role).collect::<Vec<_>>().join(", ")
            };
            other(&mut said, "`of`", &of(new), &of(old));
            let with = |derived: &Derived| {
                derived.with.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            other(&mut said, "`with`", &with(new), &with(old));
            if said.is_empty() {
                said.push("the key of an entity is other".to_owned());
            }
            let change = self.add(Kind::Derived, &name, Class::Breaking, What::Changed, said.join("; "));
            change.dependents.clone_from(&dependents);
            versions.judge(change);
        }
        self.features((&name, &old.features), &new.features, versions, &|_| Vec::new());
        self.made_of((old, new), versions, &dependents);
        self.same(first, Kind::Derived, &name, versions);
        self.about(Kind::Derived, &name.to_string(), &old.about, &new.about);
    }

    /// Features of a derived group that are written as before, over others that are not.
    fn made_of(&mut self, (old, new): (&Derived, &Derived), versions: Versions, dependents: &[String]) {
        let mut differ: BTreeSet<String> = BTreeSet::new();
        for feature in &new.features {
            if old.features.iter().all(|before| before.name != feature.name) {
                continue;
            }
            let name = &new.name;
            let (Some(was), Some(is)) =
                (self.meant.of(name, &feature.name), self.means.of(name, &feature.name))
            else {
                continue;
            };
            if was.defined != is.defined {
                continue;
            }
            let (rows, same) = (was.rows != is.rows, was.whole == is.whole);
            let mut read: BTreeSet<String> = BTreeSet::new();
            each_column(&feature.value, &mut |column, _| {
                let (group, read_name) = match new.read(column) {
                    Some((group, _, feature)) => (group, feature),
                    None => (name, column),
                };
                let other = match (self.meant.of(group, read_name), self.means.of(group, read_name)) {
                    _ if same => self.differs(group, read_name),
                    (Some(was), Some(is)) if rows => was.rows != is.rows,
                    (Some(was), Some(is)) => was.whole != is.whole,
                    _ => false,
                };
                if other {
                    read.insert(format!("{group}.{read_name}"));
                }
            });
            if rows {
                let full = format!("{name}.{}", feature.name);
                let reason = format!(
                    "made of {}, another meaning than before",
                    names(read.iter().map(String::as_str))
                );
                let served = self.dependents.services([full.clone()]);
                let change = self.add(Kind::Feature, full, Class::Breaking, What::Changed, reason);
                change.dependents = served;
                versions.judge(change);
            } else {
                differ.extend(read);
            }
        }
        if !differ.is_empty() {
            let reason =
                format!("made of {}, whose values may differ", names(differ.iter().map(String::as_str)));
            let change = self.add(Kind::Derived, &new.name, Class::Behavioural, What::Changed, reason);
            change.dependents = dependents.to_vec();
        }
    }

    /// Whether a feature that means what it meant may have other values: its group counts other rows, or
    /// that of one that it is made of does.
    fn differs(&self, group: &QName, feature: &str) -> bool {
        let full = group.to_string();
        if self.changes.iter().any(|it| it.name == full && it.class == Class::Behavioural) {
            return true;
        }
        let Some(derived) = self.new.derived.get(group) else { return false };
        let found = derived.features.iter().find(|it| it.name == feature);
        let mut differs = false;
        if let Some(found) = found {
            each_column(&found.value, &mut |column, _| {
                differs |= match derived.read(column) {
                    Some((group, _, feature)) => self.differs(group, feature),
                    None => self.differs(group, column),
                };
            });
        }
        differs
    }

    /// The features of a group; `read` says which columns of a feature are other.
    fn features(
        &mut self,
        (group, old): (&QName, &[Feature]),
        new: &[Feature],
        versions: Versions,
        read: &dyn Fn(&Feature) -> Vec<String>,
    ) {
        for feature in new {
            let full = format!("{group}.{}", feature.name);
            let Some(before) = old.iter().find(|it| it.name == feature.name) else {
                let reason = format!("new, `{}`: {}", feature.slot, phrase(&feature.value));
                self.add(Kind::Feature, full, Class::Compatible, What::Added, reason);
                continue;
            };
            let (was, is) = (self.meant.of(group, &feature.name), self.means.of(group, &feature.name));
            if was.map(|it| it.defined) != is.map(|it| it.defined) {
                let mut said = Vec::new();
                other(&mut said, "type", &feature.slot.to_string(), &before.slot.to_string());
                other(&mut said, "its value", &phrase(&feature.value), &phrase(&before.value));
                let columns = read(feature);
                if said.is_empty() && !columns.is_empty() {
                    said.push(format!(
                        "made of {}, other than before",
                        names(columns.iter().map(String::as_str))
                    ));
                }
                if said.is_empty() {
                    let own = self.own(group, feature);
                    said.push(format!(
                        "made of {}, other than before",
                        names(own.iter().map(String::as_str))
                    ));
                }
                let dependents = self.dependents.services([full.clone()]);
                let change = self.add(Kind::Feature, &full, Class::Breaking, What::Changed, said.join("; "));
                change.dependents = dependents;
                versions.judge(change);
            }
            if before.unit != feature.unit {
                let unit = |feature: &Feature| feature.unit.clone().unwrap_or_default();
                let mut said = Vec::new();
                other(&mut said, "unit", &unit(feature), &unit(before));
                self.add(Kind::Feature, &full, Class::Metadata, What::Changed, said.join("; "));
            }
            self.about(Kind::Feature, &full, &before.about, &feature.about);
        }
        for feature in old.iter().filter(|before| new.iter().all(|it| it.name != before.name)) {
            let full = format!("{group}.{}", feature.name);
            let dependents = self.dependents.services([full.clone()]);
            let change = self.add(Kind::Feature, full, Class::Breaking, What::Removed, "no service reads it");
            if versions.raised() {
                "it is not in the new version".clone_into(&mut change.reason);
                change.dependents = dependents;
                versions.judge(change);
            } else {
                still_read(change, dependents);
            }
        }
    }

    /// The features of `group` that `feature` is made of and that are other.
    fn own(&self, group: &QName, feature: &Feature) -> Vec<String> {
        let mut found = Vec::new();
        each_column(&feature.value, &mut |name, _| {
            let (was, is) = (self.meant.of(group, name), self.means.of(group, name));
            if is.is_some() && was.map(|it| it.defined) != is.map(|it| it.defined) {
                found.push(name.to_owned());
            }
        });
        found
    }

    /// A version that goes down.
    pub(super) fn version(&mut self, kind: Kind, name: &QName, versions: Versions) {
        if versions.is >= versions.was {
            return;
        }
        let reason = is_was("version", &versions.is.to_string(), &versions.was.to_string());
        let reason = format!("{reason}; a version that was given is never given again");
        let change = self.add(kind, name, Class::Breaking, What::Changed, reason);
        change.code = Some(codes::NEEDS_VERSION);
    }

    /// Whether one of the changes from `first` on is breaking.
    fn breaks(&self, first: usize) -> bool {
        self.changes[first..].iter().any(|change| change.class == Class::Breaking)
    }

    /// A version that rose though nothing means anything else.
    pub(super) fn same(&mut self, first: usize, kind: Kind, name: &QName, versions: Versions) {
        if versions.raised() && !self.breaks(first) {
            let reason = is_was("version", &versions.is.to_string(), &versions.was.to_string());
            let reason = format!("{reason}; every value is defined as before");
            self.add(kind, name, Class::Compatible, What::Changed, reason);
        }
    }

    /// What is other in a group, features aside.
    fn clauses(&self, old: &Group, new: &Group) -> Clauses {
        let mut found = Clauses::default();
        let Clauses { rows, lengths } = &mut found;
        other(rows, "`of`", &new.entity.to_string(), &old.entity.to_string());
        other(rows, "its key", &new.key.join(", "), &old.key.join(", "));
        other(rows, "`from`", &new.source.to_string(), &old.source.to_string());
        let filter = |group: &Group| group.filter.as_ref().map(phrase).unwrap_or_default();
        other(rows, "`where`", &filter(new), &filter(old));
        if old.kind != new.kind {
            rows.push("it looks rows up and folded them, or the other way round".to_owned());
        }
        let keys = |model: &crate::ir::Model, group: &Group| -> String {
            let keys = model.entities.get(&group.entity).map_or(&[][..], |entity| &entity.keys);
            keys.iter().map(|(name, ty)| format!("{name}: {ty}")).collect::<Vec<_>>().join(", ")
        };
        other(rows, "the key of its entity", &keys(self.new, new), &keys(self.old, old));
        let ttl = |group: &Group| group.ttl.map(|ttl| ttl.to_string()).unwrap_or_default();
        other(lengths, "`ttl`", &ttl(new), &ttl(old));
        let refresh = |group: &Group| group.refresh.map(shown).unwrap_or_default();
        other(lengths, "`refresh`", &refresh(new), &refresh(old));
        if let (Some(was), Some(is)) = (self.old.sources.get(&old.source), self.new.sources.get(&new.source))
            && old.source == new.source
        {
            let of = |said: String| format!("source `{}`: {said}", new.source);
            let found = clauses(was, is);
            rows.extend(found.rows.into_iter().map(of));
            lengths.extend(found.lengths.into_iter().map(of));
            let read = |group, source| needed(source, shared_columns(group, source));
            let columns = differing(was, &read(old, was), is, &read(new, is));
            if !columns.is_empty() {
                let columns = names(columns.iter().map(String::as_str));
                rows.push(of(format!("{columns} decides about its rows and is other than before")));
            }
        }
        found
    }
}

fn shown(refresh: Refresh) -> String {
    format!("every {} at {} after {}", refresh.every, refresh.at, refresh.after)
}

/// Refuses that something goes which services read.
fn still_read(change: &mut Change, dependents: Vec<String>) {
    if !dependents.is_empty() {
        change.code = Some(codes::STILL_READ);
        change.reason = format!("read by {}", names(dependents.iter().map(String::as_str)));
    }
    change.dependents = dependents;
}

/// The columns that the feature `name` reads in both groups and that are other.
fn other_columns((was, old): (&Source, &Group), (is, new): (&Source, &Group), name: &str) -> Vec<String> {
    let find = |group: &Group| group.features.iter().position(|feature| feature.name == name);
    let (Some(before), Some(after)) = (find(old), find(new)) else { return Vec::new() };
    let before = closure(was, row_columns(old, &old.features[before].value), std::iter::empty());
    let after = closure(is, row_columns(new, &new.features[after].value), std::iter::empty());
    differing(was, &before, is, &after)
}

/// The columns among both sets that are defined otherwise.
fn differing(was: &Source, before: &BTreeSet<&str>, is: &Source, after: &BTreeSet<&str>) -> Vec<String> {
    let find = |source: &Source, name: &str| -> Option<(String, Option<String>, String)> {
        let column: &Column = source.columns.iter().find(|column| column.name == name)?;
        let value = column.value.as_ref().map(phrase).unwrap_or_default();
        Some((column.slot.to_string(), column.zone.clone(), value))
    };
    let both = before.intersection(after);
    both.filter(|name| find(was, name) != find(is, name)).map(|name| (*name).to_owned()).collect()
}
