//! Sources: what is stored, and what is computed from it without any group.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use feat_dsl::ast::Action;
use feat_kernel::column;
use feat_kernel::time::Micros;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use super::rewrite::{self, all, column_of, condition, is_true, literal};
use crate::expr::Evaluator;
use crate::ir::{Expr, ExprKind, Source, SourceKind};
use crate::plan::{KEEP, SourcePlan, StoredColumn, schema_of};

/// Plans `source`.
pub(super) fn plan(source: &Source) -> SourcePlan {
    let stored: Vec<StoredColumn> = source
        .columns
        .iter()
        .filter(|column| column.value.is_none())
        .map(|column| StoredColumn {
            name: column.name.clone(),
            slot: column.slot.clone(),
            zone: column.zone.clone(),
        })
        .collect();
    let schema = schema_of(&stored);
    let rows = source.rows.as_ref().map(|rows| {
        let columns = stored
            .iter()
            .enumerate()
            .map(|(at, stored)| {
                let values: Vec<Value> = rows.iter().map(|row| row[at].clone()).collect();
                column::array(&stored.slot.ty, &values)
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)
            .expect("invariant: written rows have the types of their columns")
    });
    SourcePlan {
        name: source.name.clone(),
        root: source.root.clone(),
        kind: source.kind,
        stored,
        schema,
        time: source.time.clone(),
        lateness: source.lateness,
        key: source.key.clone(),
        batch: source.batch.clone(),
        stream: source.stream.clone(),
        rows,
        computed: Arc::new(computed(source)),
        known: known(source).map(Arc::new),
        keep: Arc::new(keep(source)),
    }
}

fn scope(source: &Source) -> Vec<(String, Slot)> {
    source.columns.iter().map(|column| (column.name.clone(), column.slot.clone())).collect()
}

/// The computed columns by name.
fn computed(source: &Source) -> Evaluator {
    let exprs: Vec<(String, Expr)> = source
        .columns
        .iter()
        .filter_map(|column| column.value.clone().map(|value| (column.name.clone(), value)))
        .collect();
    Evaluator::new(&scope(source), &exprs)
}

/// When a row is declared to be known.
fn known(source: &Source) -> Option<Evaluator> {
    let time =
        source.time.as_ref().filter(|_| matches!(source.kind, SourceKind::Events | SourceKind::Table))?;
    let base = source.known.column.as_ref().unwrap_or(time);
    let base = inline(source, &column_of(base.clone(), Slot::required(Type::Timestamp)));
    let value = if source.known.after == Micros::ZERO {
        base
    } else {
        let after = literal(Value::Int(source.known.after.0), Slot::required(Type::Duration));
        Expr { slot: base.slot.clone(), span: base.span, kind: ExprKind::Call("add", vec![base, after]) }
    };
    Some(Evaluator::new(&scope(source), &[("known".to_owned(), value)]))
}

/// Whether the source has the row at all: [`KEEP`].
fn keep(source: &Source) -> Evaluator {
    Evaluator::new(&scope(source), &[(KEEP.to_owned(), inline(source, &kept(source)))])
}

/// `expr` over the stored columns alone.
fn inline(source: &Source, expr: &Expr) -> Expr {
    rewrite::expr(expr, &mut |name| {
        let value = source.columns.iter().find(|column| column.name == name)?.value.as_ref()?;
        Some(inline(source, value))
    })
}

fn kept(source: &Source) -> Expr {
    let mut tests = Vec::new();
    for column in &source.columns {
        // As it is read, before anything was judged, every column may be null.
        let read = column_of(column.name.clone(), Slot::nullable(column.slot.ty.clone()));
        if !column.slot.nullable {
            tests.push(condition("is_not_null", vec![read.clone()], false));
        }
        if let (Type::Enum(names), None) = (&column.slot.ty, &column.value) {
            let absent = condition("is_null", vec![read.clone()], false);
            let mut args = vec![read];
            args.extend(
                names
                    .iter()
                    .map(|name| literal(Value::Str(name.as_str().into()), Slot::required(Type::String))),
            );
            let known = is_true(&condition("in_list", args, true));
            tests.push(condition("or", vec![absent, known], false));
        }
    }
    tests.extend(source.filters.iter().map(is_true));
    if let (Some(since), Some(time)) = (source.since, &source.time) {
        let time = column_of(time.clone(), Slot::nullable(Type::Timestamp));
        let since = literal(Value::Int(since.0), Slot::required(Type::Timestamp));
        tests.push(is_true(&condition("ge", vec![time, since], true)));
    }
    let removes = |action| matches!(action, Action::Drop | Action::Quarantine);
    tests.extend(
        source
            .expects
            .iter()
            .filter(|expect| expect.share.is_none() && removes(expect.action))
            .map(|expect| is_true(&expect.condition)),
    );
    all(tests)
}
