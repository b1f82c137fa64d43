//! Tests: rows and expected values become typed ones. And constants that nothing reads are checked.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ast::TestDecl`] | [`Test`] | sources, columns and features that do not exist, values that do not fit |

use std::rc::Rc;

use feat_dsl::ast::{self, Arg, AssertOp, Cell, Expr, ExprKind, ItemKind, Literal};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use crate::codes;
use crate::context::{Context, GroupInfo, Owner};
use crate::ir::{Assertion, Given, Test, TestExpect};
use crate::pending;
use crate::project::Declared;
use crate::report::{Checked, Fate, Stop};
use crate::services::unknown;
use crate::similar::suggestion;
use crate::typecheck::{Checker, Frame, Place, Scope};
use crate::{types, values};

/// Puts a test into the model.
pub(crate) fn settle<'p>(cx: &mut Context<'p>, declared: &'p Declared<'p>, decl: &'p ast::TestDecl) {
    cx.report.enter(format!("test {:?}", decl.title.node));
    let mut worst: Checked<()> = Ok(());
    let mut note = |stop: Stop| {
        if worst != Err(Stop::Error) {
            worst = Err(stop);
        }
    };
    let mut given_rows = Vec::new();
    for each in &decl.given {
        match given(cx, declared, each) {
            Ok(rows) => given_rows.push(rows),
            Err(stop) => note(stop),
        }
    }
    let mut expects = Vec::new();
    for each in &decl.expects {
        match expect(cx, declared, each) {
            Ok(found) => expects.push(found),
            Err(stop) => note(stop),
        }
    }
    if worst.is_ok() {
        let title = decl.title.node.clone();
        cx.model.tests.push(Test { title, given: given_rows, expects, span: decl.title.span });
    }
}

/// Checks a `let`, a `type` or an `extern fn` on its own.
pub(crate) fn constant<'p>(cx: &mut Context<'p>, declared: &'p Declared<'p>) {
    cx.report.enter(declared.name.to_string());
    cx.about(declared);
    let (project, file) = (cx.project, declared.file);
    let slot = |ty, cx: &mut Context<'p>| types::slot(ty, file, project, &mut cx.report);
    match &declared.item.kind {
        ItemKind::Let(decl) => {
            // A list of windows or of names is no value, but a fine constant.
            if let ExprKind::List(_) = &*decl.value.kind
                && decl.ty.is_none()
            {
                let _reported = project.constant(&decl.value, file, &declared.loops, &mut cx.report);
                return;
            }
            let scope = Scope::default();
            let ty = decl.ty.as_ref().map(|ty| slot(ty, cx)).transpose();
            let frame = Frame::new(Place::Constant, file, Rc::clone(&declared.loops));
            cx.open.push(declared.name.clone());
            let mut checker = Checker::new(cx, &scope, frame);
            let _reported = match ty {
                Ok(Some(slot)) => checker.declared(&decl.value, &slot).map(|_| ()),
                Ok(None) => checker.expr(&decl.value, None).map(|_| ()),
                Err(stop) => Err(stop),
            };
            cx.open.pop();
        }
        ItemKind::Type(decl) => {
            let _reported = slot(&decl.ty, cx);
        }
        ItemKind::ExternFn(decl) => {
            let _reported = slot(&decl.result, cx);
            for param in &decl.params {
                let _reported = slot(&param.ty, cx);
            }
        }
        _ => {}
    }
}

fn given<'p>(cx: &mut Context<'p>, declared: &Declared<'p>, given: &'p ast::Given) -> Checked<Given> {
    let (project, span) = (cx.project, given.source.span.0);
    let (name, found) = project.source(declared, &given.source, &mut cx.report)?;
    let info = cx.sources.get(&found.name).cloned().ok_or(Stop::Error)?;
    if given.changes {
        return Err(cx.report.pending(pending::TEST_CHANGES, span, ""));
    }
    match info.fate {
        Fate::Broken => return Err(Stop::Error),
        Fate::Pending => return Err(cx.report.waits(declared.span, "this test", &[name])),
        Fate::Ready => {}
    }
    let stored: Vec<(String, Slot)> = match cx.model.sources.get(&info.name) {
        Some(source) => {
            let stored = source.columns.iter().filter(|column| column.value.is_none());
            stored.map(|column| (column.name.clone(), column.slot.clone())).collect()
        }
        None => return Err(Stop::Error),
    };
    let Some((header, body)) = given.data.rows.split_first() else { return Err(Stop::Error) };
    let mut columns: Vec<(String, Slot)> = Vec::new();
    for cell in header {
        let Cell::Name(name) = &cell.node else {
            return Err(data(
                cx,
                cell.span,
                "the first row of a table names its columns".to_owned(),
                "not a name",
            ));
        };
        if columns.iter().any(|(known, _)| known == name) {
            return Err(data(
                cx,
                cell.span,
                format!("column `{name}` stands twice in this table"),
                "again here",
            ));
        }
        match stored.iter().find(|(known, _)| known == name) {
            Some(column) => columns.push(column.clone()),
            None if info.columns.own.contains_key(name) => {
                return Err(data(
                    cx,
                    cell.span,
                    format!("column `{name}` is computed"),
                    "has no value of its own",
                ));
            }
            None => {
                let mut diagnostic = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    cell.span,
                    format!("source `{}` has no column `{name}`", info.name.name),
                )
                .label("not found");
                diagnostic.help = suggestion(name, stored.iter().map(|(known, _)| known.as_str()));
                return Err(cx.report.push(diagnostic));
            }
        }
    }
    let mut rows = Vec::with_capacity(body.len());
    for row in body {
        if row.len() != columns.len() {
            let at = row.first().map_or(given.data.span.0, |cell| cell.span);
            let message = format!("this row has {} cells, the header has {}", row.len(), columns.len());
            return Err(data(cx, at, message, "cells"));
        }
        let mut values = Vec::with_capacity(row.len());
        for (cell, (name, slot)) in row.iter().zip(&columns) {
            values.push(cell_value(cx, &cell.node, cell.span, name, slot)?);
        }
        rows.push(values);
    }
    let columns = columns.into_iter().map(|(name, _)| name).collect();
    Ok(Given { source: info.name.clone(), columns, rows })
}

/// A cell's value. Null may stand anywhere: a test may show what becomes of such a row.
fn cell_value(cx: &mut Context<'_>, cell: &Cell, span: Span, name: &str, slot: &Slot) -> Checked<Value> {
    let found = match cell {
        Cell::Null => Ok(Value::Null),
        Cell::Value(expr) => typed(expr, &slot.ty),
        Cell::Name(word) => Err(format!("the name `{word}`")),
    };
    found.map_err(|found| {
        data(cx, span, format!("column `{name}` is `{slot}`, found {found}"), &format!("not `{slot}`"))
    })
}

/// A constant of a type. An enum may be given a value outside its domain: a test may show that too.
fn typed(expr: &Expr, ty: &Type) -> Result<Value, values::Misfit> {
    match (ty, &*expr.kind) {
        (Type::Enum(_), ExprKind::Literal(Literal::String(_))) => values::typed(expr, &Type::String),
        _ => values::typed(expr, ty),
    }
}

fn expect<'p>(
    cx: &mut Context<'p>,
    declared: &Declared<'p>,
    expect: &'p ast::TestExpect,
) -> Checked<TestExpect> {
    let name = declared.path(&expect.group, &mut cx.report)?;
    let is_group =
        |kind: &ItemKind| matches!(kind, ItemKind::Features(_) | ItemKind::Labels(_) | ItemKind::Derived(_));
    let (project, span) = (cx.project, expect.group.span.0);
    let found = project.resolve(&name, span, declared.file, "group", is_group, &mut cx.report)?;
    let info = cx.groups.get(&found.name).cloned().ok_or(Stop::Error)?;
    let key = key(cx, &info, expect)?;
    let inputs = inputs(cx, &info, expect)?;
    let mut assertions = Vec::new();
    let mut worst: Checked<()> = Ok(());
    for each in &expect.assertions {
        match assertion(cx, declared, &info, each) {
            Ok(found) => assertions.push(found),
            Err(stop) if worst != Err(Stop::Error) => worst = Err(stop),
            Err(_) => {}
        }
    }
    worst?;
    Ok(TestExpect { group: info.name.clone(), key, at: Instant(expect.at.node), inputs, assertions })
}

fn key(cx: &mut Context<'_>, info: &GroupInfo, expect: &ast::TestExpect) -> Checked<Vec<Value>> {
    let entities = match info.owner.as_ref().ok_or(Stop::Error)? {
        Owner::Features(entity) | Owner::Labels(entity) => vec![entity.clone()],
        Owner::Derived(roles, _) => roles.iter().map(|role| role.entity.clone()).collect(),
    };
    let mut wanted: Vec<(String, Type)> = Vec::new();
    for entity in &entities {
        let Some(Some(keys)) = cx.entities.get(entity) else { return Err(Stop::Error) };
        wanted.extend(keys.iter().cloned());
    }
    if expect.keys.len() != wanted.len() {
        let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        let message = format!(
            "the key of `{}` has {} values, found {}",
            info.name.name,
            wanted.len(),
            expect.keys.len()
        );
        return Err(data(cx, expect.group.span.0, message, &format!("the key is ({})", names.join(", "))));
    }
    let mut key = Vec::new();
    for (arg, (name, ty)) in expect.keys.iter().zip(&wanted) {
        let (Arg::Value(expr) | Arg::Named(_, expr) | Arg::Lambda(_, expr)) = arg;
        match values::typed(expr, ty) {
            Ok(value) => key.push(value),
            Err(found) => {
                let message = format!("key column `{name}` is `{ty}`, found {found}");
                return Err(data(cx, expr.span.0, message, &format!("not `{ty}`")));
            }
        }
    }
    Ok(key)
}

fn inputs(cx: &mut Context<'_>, info: &GroupInfo, expect: &ast::TestExpect) -> Checked<Vec<(String, Value)>> {
    let requests = match &info.owner {
        Some(Owner::Derived(_, with)) => with.clone(),
        _ => Vec::new(),
    };
    let mut inputs = Vec::new();
    for (name, expr) in &expect.inputs {
        let slot = requests
            .iter()
            .filter_map(|request| cx.sources.get(request)?.columns.own.get(&name.node))
            .find_map(|column| column.slot.clone());
        let Some(slot) = slot else {
            let message = format!("group `{}` asks for no input `{}`", info.name.name, name.node);
            return Err(data(cx, name.span, message, "no request has this column"));
        };
        match typed(expr, &slot.ty) {
            Ok(value) => inputs.push((name.node.clone(), value)),
            Err(found) => {
                let message = format!("input `{}` is `{slot}`, found {found}", name.node);
                return Err(data(cx, expr.span.0, message, &format!("not `{slot}`")));
            }
        }
    }
    Ok(inputs)
}

fn assertion(
    cx: &mut Context<'_>,
    declared: &Declared<'_>,
    info: &GroupInfo,
    assertion: &ast::Assertion,
) -> Checked<Assertion> {
    let name = declared.loops.fill(&assertion.name, &mut cx.report)?;
    let span = assertion.name.span.0;
    let Some(feature) = info.features.get(&name) else { return Err(unknown(cx, info, &name, span)) };
    let slot = match (feature.fate, &feature.slot) {
        (Fate::Ready, Some(slot)) => slot.clone(),
        (Fate::Pending, _) => return Err(cx.report.waits(declared.span, "this test", &[name])),
        _ => return Err(Stop::Error),
    };
    let op = assertion.op.node;
    let orders = matches!(op, AssertOp::Le | AssertOp::Ge | AssertOp::Lt | AssertOp::Gt);
    if (orders && !slot.ty.is_ordered()) || (op == AssertOp::Near && !slot.ty.is_number()) {
        let message = format!("feature `{name}` is `{slot}`, which this comparison does not take");
        return Err(data(cx, assertion.op.span, message, "compare with `==`"));
    }
    match values::typed(&assertion.value, &slot.ty) {
        Ok(value) => Ok(Assertion {
            feature: name,
            op,
            value,
            tolerance: tolerance(&assertion.value),
            span: assertion.span.0,
        }),
        Err(found) => {
            let message = format!("feature `{name}` is `{slot}`, found {found}");
            Err(data(cx, assertion.value.span.0, message, &format!("not `{slot}`")))
        }
    }
}

/// Half a unit of the last digit written.
fn tolerance(expr: &Expr) -> f64 {
    match &*expr.kind {
        ExprKind::Neg(inner) => tolerance(inner),
        ExprKind::Literal(Literal::Fraction(text)) => {
            let scale = values::digits(text).map_or(0, |(_, _, scale)| scale);
            format!("5e{}", -i32::from(scale) - 1).parse().unwrap_or(0.0)
        }
        ExprKind::Literal(Literal::Int(_)) => 0.5,
        _ => 0.0,
    }
}

fn data(cx: &mut Context<'_>, span: Span, message: String, label: &str) -> Stop {
    cx.report.push(Diagnostic::error(codes::TEST_DATA, span, message).label(label.to_owned()))
}
