//! Services and datasets.

use std::collections::BTreeSet;

use super::{Class, Differ, Versions, What, gone, names, other};
use crate::ir::{Dataset, Model, QName, Selected, Service};
use crate::objects::Kind;
use crate::phrase::phrase;

impl Differ<'_> {
    pub(super) fn services(&mut self) {
        let (old, new) = (&self.old.services, &self.new.services);
        for (name, service) in new {
            match old.get(name) {
                Some(before) => self.service(before, service),
                None => {
                    self.add(Kind::Service, name, Class::Initial, What::Added, "new");
                }
            }
        }
        for name in gone(old, new) {
            self.add(Kind::Service, name, Class::Breaking, What::Removed, "it answers nobody any more");
        }
    }

    fn service(&mut self, old: &Service, new: &Service) {
        let name = new.name.clone();
        let versions = Versions { was: old.version, is: new.version };
        let first = self.changes.len();
        self.version(Kind::Service, &name, versions);
        let moved = self.moved(old);
        let mut said = Vec::new();
        let taken = self.inputs(old, new, &mut said);
        // While the service keeps its version it keeps to what a raised group was, wildcards and all.
        let stays = !versions.raised() && old.written == new.written;
        let pinned = |one: &&Selected| stays && moved.contains(&one.group);
        let was: Vec<String> =
            old.selected.iter().filter(|it| !pinned(it)).map(|one| served(old, one)).collect();
        let is: Vec<&Selected> = new.selected.iter().filter(|it| !pinned(it)).collect();
        let columns: Vec<String> = is.iter().map(|one| served(new, one)).collect();
        let grown = columns.starts_with(&was);
        if !grown {
            said.push(lost(&was, &columns));
        }
        let more: Vec<&Selected> = if grown { is[was.len()..].to_vec() } else { Vec::new() };
        for one in more.iter().filter(|one| !versions.raised() && moved.contains(&one.group)) {
            let group = &one.group;
            said.push(format!(
                "it stays on `{group}` as it was, and `{}` is of the new version",
                new.dotted(one)
            ));
        }
        if versions.raised() && !moved.is_empty() {
            said.push(format!("moves on with {}", self.raised(&moved)));
        }
        if !said.is_empty() {
            let change = self.add(Kind::Service, &name, Class::Breaking, What::Changed, said.join("; "));
            versions.judge(change);
        } else if !more.is_empty() || taken.is_some() {
            let mut said = Vec::new();
            if !more.is_empty() {
                let columns: Vec<String> = more.iter().map(|one| new.column(one)).collect();
                said.push(format!(
                    "serves {} more at its end: {}",
                    more.len(),
                    names(columns.iter().map(String::as_str))
                ));
            }
            said.extend(taken);
            self.add(Kind::Service, &name, Class::Compatible, What::Changed, said.join("; "));
        }
        if !versions.raised() && !moved.is_empty() {
            let (next, stays) = (versions.was.saturating_add(1), self.stays(&moved));
            let reason = format!("stays on {stays}; write `version {next}` here to move it");
            self.add(Kind::Service, &name, Class::Metadata, What::Changed, reason);
        }
        self.same(first, Kind::Service, &name, versions);
        self.about(Kind::Service, &name.to_string(), &old.about, &new.about);
    }

    /// The groups that `service` selects from and whose version rose.
    fn moved(&self, service: &Service) -> BTreeSet<QName> {
        let groups: BTreeSet<&QName> = service.selected.iter().map(|one| &one.group).collect();
        let rose = |group: &&&QName| version(self.new, group) > version(self.old, group);
        groups.iter().filter(rose).map(|group| (**group).clone()).collect()
    }

    /// `` `a.g` version 1 ``, … as they were.
    fn stays(&self, groups: &BTreeSet<QName>) -> String {
        let each =
            groups.iter().map(|group| format!("`{group}` version {}", version(self.old, group).unwrap_or(1)));
        each.collect::<Vec<_>>().join(", ")
    }

    /// The same, as they are.
    fn raised(&self, groups: &BTreeSet<QName>) -> String {
        let each =
            groups.iter().map(|group| format!("`{group}` version {}", version(self.new, group).unwrap_or(1)));
        each.collect::<Vec<_>>().join(", ")
    }

    /// What a caller brings: into `said` what breaks callers, and what they may bring from now on.
    fn inputs(&self, old: &Service, new: &Service, said: &mut Vec<String>) -> Option<String> {
        let keys = |model: &Model, service: &Service| -> String {
            let mut found = Vec::new();
            for role in &service.of {
                let keys = model.entities.get(&role.entity).map_or(&[][..], |entity| &entity.keys);
                found.extend(role.inputs.iter().zip(keys).map(|(input, (_, ty))| format!("{input}: {ty}")));
            }
            found.join(", ")
        };
        other(said, "its key", &keys(self.new, new), &keys(self.old, old));
        let requests = |model: &Model, service: &Service| -> Vec<(String, bool)> {
            let requests = service.with.iter().filter_map(|name| model.sources.get(name));
            let columns = requests.flat_map(|request| &request.columns);
            columns
                .map(|column| (format!("{}: {}", column.name, column.slot), column.slot.nullable))
                .collect()
        };
        let (was, is) = (requests(self.old, old), requests(self.new, new));
        let of = |columns: &[(String, bool)]| {
            columns.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>().join(", ")
        };
        let more: Vec<&(String, bool)> = is.iter().filter(|column| !was.contains(column)).collect();
        if was.iter().any(|column| !is.contains(column)) || more.iter().any(|(_, nullable)| !nullable) {
            other(said, "its request", &of(&is), &of(&was));
            return None;
        }
        (!more.is_empty())
            .then(|| format!("may be asked with {}", names(more.iter().map(|(text, _)| text.as_str()))))
    }

    pub(super) fn datasets(&mut self) {
        let (old, new) = (&self.old.datasets, &self.new.datasets);
        for (name, dataset) in new {
            match old.get(name) {
                Some(before) => self.dataset(before, dataset),
                None => {
                    self.add(Kind::Dataset, name, Class::Initial, What::Added, "new");
                }
            }
        }
        for name in gone(old, new) {
            self.add(
                Kind::Dataset,
                name,
                Class::Breaking,
                What::Removed,
                "no training set is made of it any more",
            );
        }
    }

    /// A dataset has no version: each training set keeps what it was made of.
    fn dataset(&mut self, old: &Dataset, new: &Dataset) {
        let labels = |dataset: &Dataset| -> Vec<String> {
            dataset.labels.iter().map(|(group, label)| format!("{group}.{label}")).collect()
        };
        let (mut columns, mut rows) = (Vec::new(), Vec::new());
        other(&mut columns, "`service`", &new.service.to_string(), &old.service.to_string());
        let (was, is) = (labels(old), labels(new));
        let grown = is.starts_with(&was);
        other(if grown { &mut rows } else { &mut columns }, "`label`", &is.join(", "), &was.join(", "));
        let spine = |dataset: &Dataset| {
            let filter = dataset.filter.as_ref().map(|filter| format!(" where {}", phrase(filter)));
            format!("{} at {}{}", dataset.spine, dataset.at, filter.unwrap_or_default())
        };
        other(&mut rows, "`spine`", &spine(new), &spine(old));
        let period = |dataset: &Dataset| {
            dataset.period.map(|(from, to)| format!("{from} to {to}")).unwrap_or_default()
        };
        other(&mut rows, "`period`", &period(new), &period(old));
        let sample = |dataset: &Dataset| {
            let sample = dataset.sample.as_ref();
            sample
                .map(|(parts, by)| format!("{parts} in a million by {}", by.as_deref().unwrap_or("key")))
                .unwrap_or_default()
        };
        other(&mut rows, "`sample`", &sample(new), &sample(old));
        for (said, class) in [(columns, Class::Breaking), (rows, Class::Behavioural)] {
            if !said.is_empty() {
                self.add(Kind::Dataset, &new.name, class, What::Changed, said.join("; "));
            }
        }
        self.about(Kind::Dataset, &new.name.to_string(), &old.about, &new.about);
    }
}

/// The version of a group or derived group.
fn version(model: &Model, group: &QName) -> Option<u32> {
    let groups = model.groups.get(group).map(|group| group.version);
    groups.or_else(|| model.derived.get(group).map(|derived| derived.version))
}

/// What a reader of `service` gets as `one`: the column, and whose value it is.
fn served(service: &Service, one: &Selected) -> String {
    format!("{} of {}.{} by {}", service.column(one), one.group, one.feature, one.key.join(", "))
}

/// What became of a list that did not only grow at its end.
fn lost(was: &[String], is: &[String]) -> String {
    let column = |text: &String| text.split(' ').next().unwrap_or_default().to_owned();
    let gone: Vec<String> = was.iter().filter(|one| !is.contains(one)).map(column).collect();
    if gone.is_empty() {
        return match is.iter().zip(was).find(|(is, was)| is != was) {
            Some((is, was)) => {
                format!("`{}` stands where `{}` was: what is new is served last", column(is), column(was))
            }
            None => "its columns stand in another order".to_owned(),
        };
    }
    format!("no longer serves {} as it was", names(gone.iter().map(String::as_str)))
}
