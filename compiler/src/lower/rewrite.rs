//! Expressions with some of their columns replaced.

use feat_dsl::span::Span;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use crate::ir::{AggregateCall, Expr, ExprKind};

/// `of` with every column for which `replace` has an expression replaced by it.
pub(crate) fn expr(of: &Expr, replace: &mut dyn FnMut(&str) -> Option<Expr>) -> Expr {
    each(of, &mut |expr| match &expr.kind {
        ExprKind::Column(name) => replace(name),
        _ => None,
    })
}

/// `of` with every column called otherwise for which `rename` has a name.
pub(crate) fn columns(of: &Expr, rename: &dyn Fn(&str) -> Option<String>) -> Expr {
    each(of, &mut |expr| match &expr.kind {
        ExprKind::Column(name) => {
            rename(name).map(|name| Expr { kind: ExprKind::Column(name), ..expr.clone() })
        }
        _ => None,
    })
}

/// `of` with every aggregate replaced.
pub(crate) fn aggregates(of: &Expr, replace: &mut dyn FnMut(&AggregateCall) -> Expr) -> Expr {
    each(of, &mut |expr| match &expr.kind {
        ExprKind::Aggregate(call) => Some(replace(call)),
        _ => None,
    })
}

/// `of` with every part replaced for which `replace` has something else, from the outside in.
fn each(of: &Expr, replace: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Expr {
    if let Some(other) = replace(of) {
        return other;
    }
    let mut walk = |part: &Expr| each(part, replace);
    let kind = match &of.kind {
        kind @ (ExprKind::Literal(_)
        | ExprKind::Secret(_)
        | ExprKind::Column(_)
        | ExprKind::AsOf
        | ExprKind::Aggregate(_)) => kind.clone(),
        ExprKind::Call(name, args) => ExprKind::Call(name, args.iter().map(walk).collect()),
        ExprKind::Case(branches, otherwise) => {
            let branches = branches.iter().map(|(condition, value)| (walk(condition), walk(value))).collect();
            ExprKind::Case(branches, Box::new(walk(otherwise)))
        }
        ExprKind::Cast(part) => ExprKind::Cast(Box::new(walk(part))),
        ExprKind::TryCast(part) => ExprKind::TryCast(Box::new(walk(part))),
        ExprKind::Field(part, name) => ExprKind::Field(Box::new(walk(part)), name.clone()),
        ExprKind::Struct(items) => ExprKind::Struct(items.iter().map(walk).collect()),
        ExprKind::List(items) => ExprKind::List(items.iter().map(walk).collect()),
        ExprKind::Map(pairs) => {
            ExprKind::Map(pairs.iter().map(|(key, value)| (walk(key), walk(value))).collect())
        }
    };
    Expr { kind, slot: of.slot.clone(), span: of.span }
}

/// A column.
pub(crate) fn column_of(name: String, slot: Slot) -> Expr {
    Expr { kind: ExprKind::Column(name), slot, span: Span::default() }
}

/// A call of an operator or function that gives a `bool`.
pub(crate) fn condition(name: &'static str, args: Vec<Expr>, nullable: bool) -> Expr {
    Expr { kind: ExprKind::Call(name, args), slot: Slot { ty: Type::Bool, nullable }, span: Span::default() }
}

/// A constant.
pub(crate) fn literal(value: Value, slot: Slot) -> Expr {
    Expr { kind: ExprKind::Literal(value), slot, span: Span::default() }
}

/// True where `condition` is, else false.
pub(crate) fn is_true(expr: &Expr) -> Expr {
    if !expr.slot.nullable {
        return expr.clone();
    }
    let never = literal(Value::Bool(false), Slot::required(Type::Bool));
    condition("coalesce", vec![expr.clone(), never], false)
}

/// Whether all of `conditions` hold; none of them is ever null.
pub(crate) fn all(conditions: impl IntoIterator<Item = Expr>) -> Expr {
    conditions
        .into_iter()
        .reduce(|a, b| condition("and", vec![a, b], false))
        .unwrap_or_else(|| literal(Value::Bool(true), Slot::required(Type::Bool)))
}
