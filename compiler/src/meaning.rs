//! What decides numbers, as bytes and as a hash.
//!
//! Two groups with equal [`MeaningHash`] give equal values. The hash covers typed expressions,
//! windows, keys, and of the source the columns that the group uses and the clauses that admit,
//! order and place rows. It does not cover docs, owners, tags, spans, formatting, files, the names
//! of `let`s and `fn`s (they are gone by now), nor where data lies.

mod own;

use std::collections::BTreeSet;

use feat_kernel::time::Micros;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use feat_kernel::window::{Reach, Window};

use crate::expr::each_child;
use crate::functions;
use crate::ir::{self, Expr, ExprKind, GroupKind, SourceKind};
use crate::plan::MeaningHash;
use crate::prepare::needed;

pub(crate) use own::Meanings;

/// Raised whenever the same expressions begin to give other numbers.
pub const KERNEL_VERSION: u32 = 1;

/// Collects the canonical bytes of a meaning.
#[derive(Debug, Default)]
pub(crate) struct Meaning {
    bytes: Vec<u8>,
}

impl Meaning {
    pub(crate) fn new(of: &str) -> Self {
        let mut meaning = Self::default();
        meaning.text(of);
        meaning.number(KERNEL_VERSION.into());
        meaning
    }

    pub(crate) fn hash(&self) -> MeaningHash {
        let mut hash = [0; 16];
        hash.copy_from_slice(&blake3::hash(&self.bytes).as_bytes()[..16]);
        MeaningHash(hash)
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn tag(&mut self, tag: u8) {
        self.bytes.push(tag);
    }

    pub(crate) fn number(&mut self, number: i64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// Length first, so that neighbours never run together.
    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len() as i64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as i64);
        for item in items {
            each(self, item);
        }
    }

    pub(crate) fn option<T>(&mut self, item: Option<T>, each: impl FnOnce(&mut Self, T)) {
        self.tag(u8::from(item.is_some()));
        if let Some(item) = item {
            each(self, item);
        }
    }

    pub(crate) fn other(&mut self, hash: MeaningHash) {
        self.bytes.extend_from_slice(&hash.0);
    }

    pub(crate) fn ty(&mut self, ty: &Type) {
        self.text(&ty.to_string());
    }

    pub(crate) fn slot(&mut self, slot: &Slot) {
        self.text(&slot.to_string());
    }

    pub(crate) fn value(&mut self, value: &Value) {
        // The order bytes are canonical; a value's type stands beside it.
        let mut bytes = Vec::new();
        feat_kernel::order::put(&mut bytes, value.as_ref());
        self.number(bytes.len() as i64);
        self.bytes.extend_from_slice(&bytes);
    }

    fn micros(&mut self, length: Micros) {
        self.number(length.0);
    }

    pub(crate) fn window(&mut self, window: &Window) {
        match window.reach {
            Reach::Length(length) => {
                self.tag(0);
                self.micros(length);
                self.micros(window.hop);
            }
            Reach::All(since) => {
                self.tag(1);
                self.number(since.0);
            }
        }
        self.micros(window.offset);
    }

    pub(crate) fn expr(&mut self, expr: &Expr) {
        self.slot(&expr.slot);
        match &expr.kind {
            ExprKind::Literal(value) => {
                self.tag(0);
                self.value(value);
            }
            ExprKind::Column(name) => {
                self.tag(1);
                self.text(name);
            }
            ExprKind::AsOf => self.tag(2),
            ExprKind::Call(name, args) => {
                self.tag(3);
                self.text(name);
                self.list(args, Self::expr);
                if let Some(version) = functions::data(name) {
                    self.text(version);
                }
            }
            ExprKind::Case(branches, otherwise) => {
                self.tag(4);
                self.list(branches, |meaning, (condition, value)| {
                    meaning.expr(condition);
                    meaning.expr(value);
                });
                self.expr(otherwise);
            }
            ExprKind::Cast(of) => {
                self.tag(5);
                self.expr(of);
            }
            ExprKind::TryCast(of) => {
                self.tag(6);
                self.expr(of);
            }
            ExprKind::Field(of, name) => {
                self.tag(7);
                self.expr(of);
                self.text(name);
            }
            ExprKind::Struct(items) => {
                self.tag(8);
                self.list(items, Self::expr);
            }
            ExprKind::List(items) => {
                self.tag(9);
                self.list(items, Self::expr);
            }
            ExprKind::Map(pairs) => {
                self.tag(10);
                self.list(pairs, |meaning, (key, value)| {
                    meaning.expr(key);
                    meaning.expr(value);
                });
            }
            ExprKind::Aggregate(call) => {
                self.tag(11);
                self.text(&format!("{:?}", call.bound.aggregator));
                self.list(&call.args, Self::expr);
                self.option(call.filter.as_ref(), Self::expr);
                self.window(&call.window);
                self.micros(call.after);
            }
            ExprKind::Secret(secret) => {
                self.tag(12);
                self.text(secret.name());
            }
        }
    }

    /// The columns `names` of `source`.
    pub(crate) fn columns(&mut self, source: &ir::Source, names: &BTreeSet<&str>) {
        let columns: Vec<&ir::Column> =
            source.columns.iter().filter(|column| names.contains(column.name.as_str())).collect();
        self.list(&columns, |meaning, column| {
            meaning.text(&column.name);
            meaning.slot(&column.slot);
            meaning.option(column.zone.as_deref(), Self::text);
            meaning.option(column.value.as_ref(), Self::expr);
        });
    }

    pub(crate) fn keys(&mut self, entity: &ir::Entity) {
        self.list(&entity.keys, |meaning, (name, ty)| {
            meaning.text(name);
            meaning.ty(ty);
        });
    }

    /// What of `source` decides numbers for one that uses its columns `names`.
    pub(crate) fn source(&mut self, source: &ir::Source, names: &BTreeSet<&str>) {
        self.tag(match source.kind {
            SourceKind::Events => 0,
            SourceKind::Table => 1,
            SourceKind::Static => 2,
            SourceKind::Request => 3,
        });
        self.text(&source.root.to_string());
        self.columns(source, names);
        self.list(&source.filters, Self::expr);
        self.option(source.time.as_deref(), Self::text);
        self.option(source.known.column.as_deref(), Self::text);
        self.micros(source.known.after);
        self.list(&source.key, |meaning, name| meaning.text(name));
        self.list(&source.order_by, |meaning, name| meaning.text(name));
        self.option(source.dedupe.as_ref(), |meaning, dedupe| {
            meaning.list(&dedupe.columns, |meaning, name| meaning.text(name));
            meaning.option(dedupe.within, Self::micros);
        });
        self.option(source.lateness, Self::micros);
        self.option(source.since, |meaning, since| meaning.number(since.0));
        let expects: Vec<&ir::Expect> = source.expects.iter().filter(|expect| expect.judges()).collect();
        self.list(&expects, |meaning, expect| {
            meaning.text(&format!("{:?}", expect.action));
            meaning.expr(&expect.condition);
        });
        self.option(source.rows.as_ref(), |meaning, rows| {
            meaning.list(rows, |meaning, row| meaning.list(row, Self::value));
        });
    }
}

/// What decides the numbers of `group`, all its features together: what its view is known by.
pub(crate) fn group(group: &ir::Group, entity: &ir::Entity, source: &ir::Source) -> MeaningHash {
    let mut meaning = Meaning::new("group");
    meaning.keys(entity);
    meaning.list(&group.key, |meaning, name| meaning.text(name));
    let mut names: BTreeSet<&str> = shared_columns(group, source);
    for feature in &group.features {
        names.extend(row_columns(group, &feature.value));
    }
    meaning.source(source, &needed(source, names));
    meaning.option(group.filter.as_ref(), Meaning::expr);
    meaning.option(group.ttl, |meaning, ttl| meaning.number(ttl.0));
    meaning.option(group.refresh, |meaning, refresh| {
        meaning.list(&[refresh.every, refresh.at, refresh.after], |meaning, length| meaning.number(length.0));
    });
    meaning.tag(u8::from(group.kind == GroupKind::Row));
    meaning.list(&group.features, |meaning, feature| {
        meaning.text(&feature.name);
        meaning.slot(&feature.slot);
        meaning.expr(&feature.value);
    });
    meaning.hash()
}

/// The columns that `group` reads whatever its features are: key, filter, order and ids.
pub(crate) fn shared_columns<'a>(group: &'a ir::Group, source: &'a ir::Source) -> BTreeSet<&'a str> {
    let ids = source.dedupe.iter().flat_map(|dedupe| &dedupe.columns);
    let mut names: BTreeSet<&str> =
        group.key.iter().chain(&source.order_by).chain(ids).map(String::as_str).collect();
    if let Some(filter) = &group.filter {
        crate::expr::each_column(filter, &mut |name, _| {
            names.insert(name);
        });
    }
    names
}

/// The columns of rows that `value` reads, a feature of `group`: inside aggregates, or of the newest
/// row, where names of features before it may be among them.
pub(crate) fn row_columns<'a>(group: &ir::Group, value: &'a Expr) -> BTreeSet<&'a str> {
    fn gather<'a>(expr: &'a Expr, row: bool, names: &mut BTreeSet<&'a str>) {
        match &expr.kind {
            ExprKind::Column(name) if row => {
                names.insert(name);
            }
            ExprKind::Aggregate(call) => {
                call.args.iter().chain(&call.filter).for_each(|expr| gather(expr, true, names));
            }
            _ => each_child(expr, &mut |child| gather(child, row, names)),
        }
    }
    let mut names = BTreeSet::new();
    gather(value, group.kind == GroupKind::Row, &mut names);
    names
}

/// The canonical bytes of an expression: equal expressions, equal bytes.
pub(crate) fn bytes(expr: &Expr) -> Vec<u8> {
    let mut meaning = Meaning::default();
    meaning.expr(expr);
    meaning.into_bytes()
}

#[cfg(test)]
mod tests {
    use feat_dsl::span::Span;
    use feat_kernel::types::{Slot, Type};

    use super::bytes;
    use crate::functions::data;
    use crate::ir::{Expr, ExprKind};

    #[test]
    fn a_function_with_data_of_its_own_means_its_version_too() {
        let version = data("is_holiday").expect("holidays are data");
        let call = |name| Expr {
            kind: ExprKind::Call(name, Vec::new()),
            slot: Slot::nullable(Type::Bool),
            span: Span::default(),
        };
        let holds = |name| bytes(&call(name)).windows(version.len()).any(|part| part == version.as_bytes());
        assert!(holds("is_holiday") && !holds("is_weekend"));
    }
}
