//! Diff: what changes for whom when one project takes the place of another.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | the [`Model`] that runs, the one that shall | a [`Change`] for each thing that is other | [`NEEDS_VERSION`](codes::NEEDS_VERSION), [`STILL_READ`](codes::STILL_READ), [`NARROWED`](codes::NARROWED) |
//!
//! A group, derived group or service keeps its values under its version: what would give other values
//! under the same one is refused, and under a greater one stands beside the old, which serves on. What
//! only waits longer, remembers longer or reads from elsewhere is shown and needs no version.
//!
//! A feature that is new may still change those beside it: a group admits the rows that all its
//! features can read. That is said of the group.

mod admission;
mod dependents;
mod groups;
mod services;
mod sources;

use std::collections::BTreeSet;
use std::fmt;

use feat_dsl::diagnostic::{Code, Diagnostic};
use feat_dsl::span::Span;
use indexmap::IndexMap;

use crate::codes;
use crate::ir::{About, Model, QName};
use crate::meaning::Meanings;
use crate::objects::Kind;
use dependents::Dependents;

/// What a change is to those who read values, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The first version of a thing.
    Initial,
    /// Nothing that decides a value.
    Metadata,
    /// More than before, and the rest as before.
    Compatible,
    /// The same definition, whose values may differ.
    Behavioural,
    /// Another meaning, or less than before.
    Breaking,
}

impl Class {
    /// The word for it, lower case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Metadata => "metadata",
            Self::Compatible => "compatible",
            Self::Behavioural => "behavioural",
            Self::Breaking => "breaking",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What happened to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// It is new.
    Added,
    /// It is other than before.
    Changed,
    /// It is gone.
    Removed,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What kind of thing.
    pub kind: Kind,
    /// Its full name.
    pub name: String,
    /// How much it is to its readers.
    pub class: Class,
    /// What happened.
    pub what: What,
    /// What is other, in words: `ttl is 90d, was 30d`.
    pub reason: String,
    /// Why it is refused, if it is.
    pub code: Option<Code>,
    /// The services of the old model that read it, directly or through derived groups, by full name.
    pub dependents: Vec<String>,
}

impl Change {
    /// Adds words to the reason.
    fn also(&mut self, words: &str) {
        self.reason.push_str("; ");
        self.reason.push_str(words);
    }
}

/// What is other in `new` than in `old`.
///
/// Shape: entities, sources with their fields, groups with their features, labels groups, derived
/// groups, services, datasets; in the order of `new`, then what is gone. Of something that is new or
/// gone as a whole, its parts are not listed. One thing may have several changes, each of its own
/// class. Absent: equal models have no changes.
pub fn diff(old: &Model, new: &Model) -> Vec<Change> {
    let mut cx = Differ {
        old,
        new,
        meant: Meanings::new(old),
        means: Meanings::new(new),
        dependents: Dependents::new(old),
        changes: Vec::new(),
    };
    cx.entities();
    cx.sources();
    cx.groups(Kind::Group, &old.groups, &new.groups);
    cx.groups(Kind::Labels, &old.labels, &new.labels);
    cx.derived();
    cx.services();
    cx.datasets();
    cx.changes
}

struct Differ<'m> {
    old: &'m Model,
    new: &'m Model,
    meant: Meanings,
    means: Meanings,
    dependents: Dependents,
    changes: Vec<Change>,
}

impl Differ<'_> {
    fn add(
        &mut self,
        kind: Kind,
        name: impl fmt::Display,
        class: Class,
        what: What,
        reason: impl Into<String>,
    ) -> &mut Change {
        let (name, reason) = (name.to_string(), reason.into());
        let change = Change { kind, name, class, what, reason, code: None, dependents: Vec::new() };
        let at = self.changes.len();
        self.changes.push(change);
        &mut self.changes[at]
    }

    /// Docs, owner and tags.
    fn about(&mut self, kind: Kind, name: &str, old: &About, new: &About) {
        let mut said = Vec::new();
        if old.doc != new.doc {
            said.push("its documentation is another".to_owned());
        }
        if old.owner != new.owner {
            let word = |owner: &Option<String>| {
                owner.as_ref().map_or("nobody".to_owned(), |owner| format!("{owner:?}"))
            };
            said.push(is_was("`@owner`", &word(&new.owner), &word(&old.owner)));
        }
        if old.tags != new.tags {
            let word = |tags: &[String]| if tags.is_empty() { "none".to_owned() } else { tags.join(", ") };
            said.push(is_was("`@tags`", &word(&new.tags), &word(&old.tags)));
        }
        if !said.is_empty() {
            self.add(kind, name, Class::Metadata, What::Changed, said.join("; "));
        }
    }

    fn entities(&mut self) {
        let (old, new) = (&self.old.entities, &self.new.entities);
        for (name, entity) in new {
            let Some(before) = old.get(name) else {
                self.add(Kind::Entity, name, Class::Initial, What::Added, "new");
                continue;
            };
            if before.keys != entity.keys {
                let word = |keys: &[(String, feat_kernel::types::Type)]| -> String {
                    keys.iter().map(|(name, ty)| format!("{name}: {ty}")).collect::<Vec<_>>().join(", ")
                };
                let reason = is_was("key", &word(&entity.keys), &word(&before.keys));
                let groups = self.old.groups.values().filter(|group| group.entity == *name);
                let dependents = self.readers(groups.map(|group| group.name.clone()));
                self.add(Kind::Entity, name, Class::Breaking, What::Changed, reason).dependents = dependents;
            }
            self.about(Kind::Entity, &name.to_string(), &before.about, &entity.about);
        }
        for name in gone(old, new) {
            self.add(Kind::Entity, name, Class::Breaking, What::Removed, "nothing is of it any more");
        }
    }

    /// The services that read a feature of one of `groups`.
    fn readers(&self, groups: impl IntoIterator<Item = QName>) -> Vec<String> {
        let mut features = Vec::new();
        for group in groups {
            let old = self.old;
            let of = old.groups.get(&group).or(old.labels.get(&group)).map(|group| &group.features);
            let of = of.or(old.derived.get(&group).map(|derived| &derived.features));
            features.extend(of.into_iter().flatten().map(|feature| format!("{group}.{}", feature.name)));
        }
        self.dependents.services(features)
    }
}

/// What is refused among `changes`, as the author of `new` reads it.
///
/// Shape: one error a change with a code, in their order. What is gone is said where it stood: at its
/// group or source, else at a service that read it, else at the first file's beginning.
pub fn refusals(new: &Model, changes: &[Change]) -> Vec<Diagnostic> {
    let refused = changes.iter().filter_map(|change| change.code.map(|code| (code, change)));
    refused
        .map(|(code, change)| {
            let Change { kind, name, reason, dependents, .. } = change;
            let (word, label) = match change.what {
                What::Removed => ("is gone", "no longer here"),
                _ => ("changed", "other than before"),
            };
            let parent = name.rsplit_once('.').map(|(parent, _)| parent);
            let places = [Some(name.as_str()), parent].into_iter().flatten();
            let place = places.chain(dependents.iter().map(String::as_str)).find_map(|name| place(new, name));
            let message = format!("{kind} `{name}` {word}: {reason}");
            let diagnostic = Diagnostic::error(code, place.unwrap_or_default(), message).label(label);
            // What is still read says by whom.
            if dependents.is_empty() || code == codes::STILL_READ {
                return diagnostic;
            }
            diagnostic.note(format!("read by {}", names(dependents.iter().map(String::as_str))))
        })
        .collect()
}

/// Where the thing of that full name stands.
fn place(model: &Model, full: &str) -> Option<Span> {
    let item = |name: &QName| name.to_string() == full;
    let part = |of: &QName, name: &str| {
        full.strip_prefix(&of.to_string()).and_then(|rest| rest.strip_prefix('.')) == Some(name)
    };
    let Model { entities, sources, groups, labels, derived, services, datasets, .. } = model;
    let mut found: Vec<&About> = Vec::new();
    found.extend(entities.values().filter(|it| item(&it.name)).map(|it| &it.about));
    found.extend(services.values().filter(|it| item(&it.name)).map(|it| &it.about));
    found.extend(datasets.values().filter(|it| item(&it.name)).map(|it| &it.about));
    for source in sources.values() {
        found.extend(item(&source.name).then_some(&source.about));
        found.extend(source.columns.iter().filter(|it| part(&source.name, &it.name)).map(|it| &it.about));
    }
    let groups = groups.values().chain(labels.values()).map(|it| (&it.name, &it.about, &it.features));
    for (name, about, features) in
        groups.chain(derived.values().map(|it| (&it.name, &it.about, &it.features)))
    {
        found.extend(item(name).then_some(about));
        found.extend(features.iter().filter(|it| part(name, &it.name)).map(|it| &it.about));
    }
    found.first().map(|about| about.span)
}

/// The names of `old` that `new` does not have.
fn gone<'m, T>(old: &'m IndexMap<QName, T>, new: &IndexMap<QName, T>) -> Vec<&'m QName> {
    old.keys().filter(|name| !new.contains_key(*name)).collect()
}

/// `ttl is 90d, was 30d`.
fn is_was(what: &str, is: &str, was: &str) -> String {
    format!("{what} is {is}, was {was}")
}

/// [`is_was`] if both differ. What is not there is called `none`.
fn other(said: &mut Vec<String>, what: &str, is: &str, was: &str) {
    let word = |text: &str| if text.is_empty() { "none".to_owned() } else { format!("`{text}`") };
    if is != was {
        said.push(is_was(what, &word(is), &word(was)));
    }
}

/// The versions of a thing in both models.
#[derive(Clone, Copy)]
struct Versions {
    was: u32,
    is: u32,
}

impl Versions {
    fn raised(self) -> bool {
        self.is > self.was
    }

    /// Adds what another meaning needs: a greater version, or the code and what to do.
    fn judge(self, change: &mut Change) {
        if self.raised() {
            change.also(&format!("version {} serves on beside version {}", self.was, self.is));
            return;
        }
        change.code = Some(codes::NEEDS_VERSION);
        change.also(&format!("this needs `version {}`", self.was.saturating_add(1)));
    }
}

/// Names in a sentence, each once.
fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.into_iter().collect();
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
