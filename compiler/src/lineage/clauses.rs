//! What decides about the rows of a group, whatever its features are.

use crate::expr::each_column;
use crate::ir::{Expr, Group, Source};
use crate::lineage::EdgeKind;
use crate::phrase::phrase;

/// A column that a clause reads.
pub(super) struct Clause {
    pub(super) column: String,
    pub(super) kind: EdgeKind,
    /// The clause.
    pub(super) text: String,
    /// Whether it matters only where the order of rows does.
    pub(super) order: bool,
}

impl Clause {
    fn new(column: &str, kind: EdgeKind, text: String) -> Self {
        Self { column: column.to_owned(), kind, text, order: false }
    }
}

/// The clauses of `group` and of its source.
pub(super) fn clauses(group: &Group, source: &Source) -> Vec<Clause> {
    let mut found = admitting(source);
    let of = format!("of {}({})", group.entity.name, group.key.join(", "));
    found.extend(group.key.iter().map(|column| Clause::new(column, EdgeKind::GroupBy, of.clone())));
    if let Some(filter) = &group.filter {
        filters(filter, &format!("where {}", phrase(filter)), &mut found);
    }
    if let Some(dedupe) = &source.dedupe {
        let text = format!("dedupe by {}", dedupe.columns.join(", "));
        found.extend(dedupe.columns.iter().map(|column| Clause::new(column, EdgeKind::Sort, text.clone())));
    }
    let text = format!("order by {}", source.order_by.join(", "));
    // Which of two duplicates is left is a question of order too.
    let order = source.dedupe.is_none();
    found.extend(
        source
            .order_by
            .iter()
            .map(|column| Clause { order, ..Clause::new(column, EdgeKind::Sort, text.clone()) }),
    );
    found
}

/// The clauses that say which rows of `source` there are, and when.
pub(super) fn admitting(source: &Source) -> Vec<Clause> {
    let mut found = Vec::new();
    if let Some(time) = &source.time {
        found.push(Clause::new(time, EdgeKind::Window, format!("time {time}")));
        if let Some(known) = &source.known.column {
            found.push(Clause::new(known, EdgeKind::Window, format!("known {known}")));
        }
    }
    for filter in &source.filters {
        filters(filter, &format!("where {}", phrase(filter)), &mut found);
    }
    for expect in source.expects.iter().filter(|expect| expect.judges()) {
        filters(&expect.condition, &format!("expect {}", phrase(&expect.condition)), &mut found);
    }
    found
}

fn filters(condition: &Expr, text: &str, found: &mut Vec<Clause>) {
    each_column(condition, &mut |column, _| {
        found.push(Clause::new(column, EdgeKind::Filter, text.to_owned()));
    });
}
