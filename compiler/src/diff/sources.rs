//! Sources and their fields.

use std::collections::BTreeSet;

use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use super::{Class, Differ, What, gone, is_was, other};
use crate::codes;
use crate::functions::cast;
use crate::ir::{Column, Connector, Expect, Expr, Model, QName, Source};
use crate::objects::Kind;
use crate::phrase::phrase;
use crate::sources::kind_word;

/// What is other in a source, columns aside.
#[derive(Default)]
pub(super) struct Clauses {
    /// Which rows there are, when they count, in which order.
    pub(super) rows: Vec<String>,
    /// How long is waited and remembered, and which data it is.
    pub(super) lengths: Vec<String>,
    /// What decides nothing.
    pub(super) words: Vec<String>,
}

impl Differ<'_> {
    pub(super) fn sources(&mut self) {
        let (old, new) = (&self.old.sources, &self.new.sources);
        for (name, source) in new {
            let Some(before) = old.get(name) else {
                self.add(Kind::Source, name, Class::Initial, What::Added, "new");
                continue;
            };
            let Clauses { rows, lengths, words } = self.own_clauses(before, source);
            let dependents = self.dependents.services(columns(before));
            for (said, class) in
                [(rows, Class::Breaking), (lengths, Class::Behavioural), (words, Class::Metadata)]
            {
                if !said.is_empty() {
                    let change = self.add(Kind::Source, name, class, What::Changed, said.join("; "));
                    if class > Class::Metadata {
                        change.dependents.clone_from(&dependents);
                    }
                }
            }
            self.about(Kind::Source, &name.to_string(), &before.about, &source.about);
            self.fields(before, source);
        }
        for name in gone(old, new) {
            let readers = self.standing(columns(&old[name]));
            let dependents = self.dependents.services(columns(&old[name]));
            let change = self.add(Kind::Source, name, Class::Breaking, What::Removed, "nothing reads it");
            refuse(change, &readers, dependents);
        }
    }

    /// What is other in a source and not inherited from one of which it is said.
    fn own_clauses(&self, old: &Source, new: &Source) -> Clauses {
        let mut found = clauses(old, new);
        if let (Some(was), Some(is)) = (self.old.sources.get(&old.root), self.new.sources.get(&new.root))
            && new.root != new.name
        {
            let said = clauses(was, is);
            found.rows.retain(|text| !said.rows.contains(text));
            found.lengths.retain(|text| !said.lengths.contains(text));
            found.words.retain(|text| !said.words.contains(text));
        }
        found
    }

    fn fields(&mut self, old: &Source, new: &Source) {
        let find = |source: &Source, name: &str| source.columns.iter().position(|column| column.name == name);
        // What a derived source inherits is said of its root.
        let inherits = |model: &Model, source: &Source, name: &str| {
            source.root != source.name
                && model.sources.get(&source.root).is_some_and(|root| find(root, name).is_some())
        };
        let (was, is) = (self.old, self.new);
        for column in new.columns.iter().filter(|column| !inherits(is, new, &column.name)) {
            let name = format!("{}.{}", new.name, column.name);
            let Some(at) = find(old, &column.name) else {
                self.add(
                    Kind::Field,
                    name,
                    Class::Compatible,
                    What::Added,
                    format!("new, `{}`", column.slot),
                );
                continue;
            };
            let before = &old.columns[at];
            self.field(&name, before, column);
            let mut said = Vec::new();
            other(
                &mut said,
                "unit",
                column.unit.as_deref().unwrap_or(""),
                before.unit.as_deref().unwrap_or(""),
            );
            if !said.is_empty() {
                self.add(Kind::Field, &name, Class::Metadata, What::Changed, said.join("; "));
            }
            self.about(Kind::Field, &name, &before.about, &column.about);
        }
        let dropped =
            |column: &&Column| find(new, &column.name).is_none() && !inherits(was, old, &column.name);
        for column in old.columns.iter().filter(dropped) {
            let name = format!("{}.{}", old.name, column.name);
            let readers = self.standing([name.clone()]);
            let dependents = self.dependents.services([name.clone()]);
            let change = self.add(Kind::Field, name, Class::Breaking, What::Removed, "nothing reads it");
            refuse(change, &readers, dependents);
        }
    }

    /// The type and the value of a column.
    fn field(&mut self, name: &str, old: &Column, new: &Column) {
        let readers = self.standing([name.to_owned()]);
        let dependents = self.dependents.services([name.to_owned()]);
        let text = |value: &Option<Expr>| value.as_ref().map(phrase).unwrap_or_default();
        let mut said = Vec::new();
        other(&mut said, "its value", &text(&new.value), &text(&old.value));
        other(&mut said, "its clock", new.zone.as_deref().unwrap_or(""), old.zone.as_deref().unwrap_or(""));
        if !said.is_empty() {
            // Whose versions must rise is said of those who read it.
            let change = self.add(Kind::Field, name, Class::Breaking, What::Changed, said.join("; "));
            change.dependents.clone_from(&dependents);
        }
        if old.slot == new.slot {
            return;
        }
        let reason = is_was("type", &format!("`{}`", new.slot), &format!("`{}`", old.slot));
        let computed = new.value.is_some() && old.value.is_some();
        if widens(&old.slot, &new.slot) || readers.is_empty() {
            let change = self.add(Kind::Field, name, Class::Compatible, What::Changed, reason);
            change.dependents = dependents;
            return;
        }
        let change = self.add(Kind::Field, name, Class::Breaking, What::Changed, reason);
        if computed { change.dependents = dependents } else { refuse(change, &readers, dependents) }
    }

    /// The features that read one of `columns` and are in the new model too, or that a service reads.
    fn standing(&self, columns: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        let reached = self.dependents.reached(columns);
        let still = |name: &str| -> bool {
            let Some((group, feature)) = name.rsplit_once('.') else { return false };
            let is = |found: &QName| found.to_string() == group;
            let groups = self.new.groups.values().chain(self.new.labels.values());
            let of_groups = groups.filter(|group| is(&group.name)).flat_map(|group| &group.features);
            let derived = self.new.derived.values().filter(|derived| is(&derived.name));
            of_groups.chain(derived.flat_map(|derived| &derived.features)).any(|it| it.name == feature)
        };
        let read = |name: &str| !self.dependents.services([name.to_owned()]).is_empty();
        let kept = reached.into_iter().filter(|name| self.is_feature(name) && (still(name) || read(name)));
        kept.map(str::to_owned).collect()
    }

    fn is_feature(&self, name: &str) -> bool {
        let Some((group, _)) = name.rsplit_once('.') else { return false };
        let groups = self.old.groups.keys().chain(self.old.labels.keys()).chain(self.old.derived.keys());
        groups.into_iter().any(|found| found.to_string() == group)
    }
}

/// Refuses `change` if somebody reads the column.
fn refuse(change: &mut super::Change, readers: &BTreeSet<String>, dependents: Vec<String>) {
    change.dependents = dependents;
    let mut shown = readers.iter();
    let Some(first) = shown.next() else { return };
    let more = match shown.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    change.code = Some(codes::NARROWED);
    let text = format!("read by feature `{first}`{more}");
    match change.what {
        What::Removed => change.reason = text,
        _ => change.also(&text),
    }
}

/// Every column of `source` by full name.
fn columns(source: &Source) -> Vec<String> {
    source.columns.iter().map(|column| format!("{}.{}", source.name, column.name)).collect()
}

/// Whether every value of `old` is one of `new`.
fn widens(old: &Slot, new: &Slot) -> bool {
    let within = match (&old.ty, &new.ty) {
        (Type::Enum(old), Type::Enum(new)) => old.iter().all(|name| new.contains(name)),
        (old, new) => old == new || cast::widens(old, new),
    };
    within && (new.nullable || !old.nullable)
}

/// What is other in `new` than in `old`, columns aside.
pub(super) fn clauses(old: &Source, new: &Source) -> Clauses {
    let mut found = Clauses::default();
    let Clauses { rows, lengths, words } = &mut found;
    other(rows, "kind", kind_word(new.kind), kind_word(old.kind));
    let root =
        |source: &Source| if source.root == source.name { String::new() } else { source.root.to_string() };
    other(rows, "`from`", &root(new), &root(old));
    let filters = |source: &Source| source.filters.iter().map(phrase).collect::<Vec<_>>().join(" and ");
    other(rows, "`where`", &filters(new), &filters(old));
    other(rows, "`time`", new.time.as_deref().unwrap_or(""), old.time.as_deref().unwrap_or(""));
    other(rows, "`known`", &known(new), &known(old));
    other(rows, "`key`", &new.key.join(", "), &old.key.join(", "));
    other(rows, "`order by`", &new.order_by.join(", "), &old.order_by.join(", "));
    let ids = |source: &Source| source.dedupe.as_ref().map(|it| it.columns.join(", ")).unwrap_or_default();
    other(rows, "`dedupe by`", &ids(new), &ids(old));
    let since = |source: &Source| source.since.map(|since| since.to_string()).unwrap_or_default();
    other(rows, "`since`", &since(new), &since(old));
    other(rows, "`expect`", &expects(new, true), &expects(old, true));
    let lateness = |source: &Source| source.lateness.map(|length| length.to_string()).unwrap_or_default();
    other(lengths, "`lateness`", &lateness(new), &lateness(old));
    if let (Some(is), Some(was)) = (&new.dedupe, &old.dedupe) {
        let within =
            |length: Option<feat_kernel::time::Micros>| length.map(|it| it.to_string()).unwrap_or_default();
        other(lengths, "`dedupe … within`", &within(is.within), &within(was.within));
    }
    if old.rows != new.rows {
        lengths.push("its written rows are others".to_owned());
    }
    other(lengths, "`batch`", &connector(new.batch.as_ref()), &connector(old.batch.as_ref()));
    other(lengths, "`stream`", &connector(new.stream.as_ref()), &connector(old.stream.as_ref()));
    other(words, "`expect`", &expects(new, false), &expects(old, false));
    let say = |source: &Source| -> Vec<Option<String>> {
        source.expects.iter().filter(|expect| expect.judges()).map(|expect| expect.message.clone()).collect()
    };
    if say(new).len() == say(old).len() && say(new) != say(old) {
        words.push("what an `expect` says is another".to_owned());
    }
    found
}

fn known(source: &Source) -> String {
    let after = source.known.after;
    let after = if after.0 == 0 { String::new() } else { format!("after {after}") };
    let column = source.known.column.clone().unwrap_or_default();
    format!("{column} {after}").trim().to_owned()
}

/// The expectations that decide about rows, or those that do not.
fn expects(source: &Source, judging: bool) -> String {
    let text = |expect: &Expect| {
        let action = format!("{:?}", expect.action).to_lowercase();
        format!("{} else {action}", phrase(&expect.condition))
    };
    let said = |expect: &&Expect| expect.judges() == judging;
    source.expects.iter().filter(said).map(text).collect::<Vec<_>>().join(", ")
}

fn connector(connector: Option<&Connector>) -> String {
    let Some(Connector { kind, location, options, .. }) = connector else { return String::new() };
    let options = options.iter().map(|(name, value)| format!(", {name}: {}", literal(value)));
    format!("{kind}({location:?}{})", options.collect::<String>())
}

fn literal(value: &Value) -> String {
    match value {
        Value::Str(text) => format!("{text:?}"),
        Value::Int(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        other => format!("{other:?}"),
    }
}
