//! Which rows a group admits because of what its features read.
//!
//! A row in which a feature's column cannot be read, or for which its argument errs, is left out for the
//! whole group; and equal rows are told apart by every column that the group reads. So a feature that
//! comes or goes may change those beside it.

use std::collections::BTreeSet;

use feat_kernel::agg::Class;
use feat_kernel::types::Type;

use super::names;
use crate::expr::each_child;
use crate::ir::{AggregateCall, Expr, ExprKind, Group, GroupKind, Source};
use crate::meaning::row_columns;
use crate::phrase::phrase;
use crate::prepare::needed;

/// What decides about rows beside clauses.
pub(super) struct Admission {
    /// Columns that a row must have.
    columns: BTreeSet<String>,
    /// Arguments and conditions that may err.
    faults: BTreeSet<String>,
    /// The columns that tell equal rows apart, in order; `None`: nothing asks which row is first.
    ties: Option<Vec<String>>,
}

impl Admission {
    pub(super) fn of(group: &Group, source: &Source) -> Self {
        let (mut read, mut own) = (BTreeSet::new(), BTreeSet::new());
        let (mut faults, mut ordered) =
            (BTreeSet::new(), source.dedupe.is_some() || group.kind == GroupKind::Row);
        for feature in &group.features {
            read.extend(row_columns(group, &feature.value).into_iter().filter(|name| !own.contains(name)));
            own.insert(feature.name.as_str());
            each_call(&feature.value, &mut |call| {
                ordered |= call.bound.class == Class::Ordered;
                faults.extend(call.args.iter().chain(&call.filter).filter(|expr| may_err(expr)).map(phrase));
            });
        }
        if let Some(filter) = &group.filter {
            crate::expr::each_column(filter, &mut |name, _| {
                read.insert(name);
            });
        }
        let ids: Vec<&str> = source.dedupe.iter().flat_map(|it| &it.columns).map(String::as_str).collect();
        let mut ties: Vec<&str> = Vec::new();
        if ordered {
            for name in source
                .order_by
                .iter()
                .map(String::as_str)
                .chain(ids.iter().copied())
                .chain(read.iter().copied())
            {
                if !ties.contains(&name) {
                    ties.push(name);
                }
            }
        }
        read.extend(group.key.iter().map(String::as_str).chain(ids).chain(ties.iter().copied()));
        let needed = needed(source, read);
        let judged = source.columns.iter().filter(|column| needed.contains(column.name.as_str()));
        let judged = judged.filter(|column| match &column.value {
            Some(value) => may_err(value),
            None => !column.slot.nullable || matches!(column.slot.ty, Type::Enum(_)),
        });
        Self {
            columns: judged.map(|column| column.name.clone()).collect(),
            faults,
            ties: ordered.then(|| ties.into_iter().map(str::to_owned).collect()),
        }
    }

    /// Why features that are in both may have other values over `new`, if they may.
    pub(super) fn against(&self, new: &Self) -> Option<String> {
        let mut said = Vec::new();
        let mut sets = |old: &BTreeSet<String>, new: &BTreeSet<String>, done: &str| {
            let more = names(new.difference(old).map(String::as_str));
            let less = names(old.difference(new).map(String::as_str));
            if !more.is_empty() {
                said.push(format!("a row counts only where {more} can be {done}"));
            }
            if !less.is_empty() {
                said.push(format!("a row counts also where {less} cannot be {done}"));
            }
        };
        sets(&self.columns, &new.columns, "read");
        sets(&self.faults, &new.faults, "computed");
        if let (Some(was), Some(is)) = (&self.ties, &new.ties)
            && !was.starts_with(is)
            && !is.starts_with(was)
        {
            said.push(format!(
                "rows of one instant are ordered by {}, were by {}",
                is.join(", "),
                was.join(", ")
            ));
        }
        (!said.is_empty()).then(|| said.join("; "))
    }
}

fn each_call(expr: &Expr, see: &mut dyn FnMut(&AggregateCall)) {
    match &expr.kind {
        ExprKind::Aggregate(call) => see(call),
        _ => each_child(expr, &mut |child| each_call(child, see)),
    }
}

/// Whether there may be rows for which `expr` is an evaluation error: always, but for what plainly has
/// none.
fn may_err(expr: &Expr) -> bool {
    /// Functions that only compare, combine and choose.
    const SOUND: [&str; 13] = [
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "and",
        "or",
        "not",
        "is_null",
        "is_not_null",
        "in_list",
        "coalesce",
    ];
    let own = match &expr.kind {
        ExprKind::Call(name, _) => !SOUND.contains(name),
        ExprKind::Cast(of) => {
            !matches!((&of.slot.ty, &expr.slot.ty), (Type::Int, Type::Float) | (Type::Enum(_), Type::String))
        }
        _ => false,
    };
    let mut found = own;
    each_child(expr, &mut |child| found |= may_err(child));
    found
}
