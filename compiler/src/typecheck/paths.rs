//! Typecheck, the names: columns, features, constants, and what a dotted path begins with.

use feat_dsl::ast::{Expr, ExprKind, ItemKind, Literal};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use super::{Checker, Frame, Place};
use crate::codes;
use crate::constants::{Constant, ConstantKind};
use crate::context::ColumnInfo;
use crate::ir;
use crate::pending;
use crate::report::{Checked, Fate, Stop};
use crate::similar::suggestion;

impl Checker<'_, '_, '_> {
    /// What a plain name stands for.
    pub(super) fn name(&mut self, name: &str, want: Option<&Type>, span: Span) -> Checked<ir::Expr> {
        match self.begin(name, want, span)? {
            Some(found) => Ok(found),
            None => Err(self.unknown(name, span)),
        }
    }

    /// What `name` stands for, if it stands for something here.
    fn begin(&mut self, name: &str, want: Option<&Type>, span: Span) -> Checked<Option<ir::Expr>> {
        if let Some((_, value)) = self.frame.params.iter().rev().find(|(param, _)| param == name) {
            let value = value.clone();
            self.grow(size(&value), span)?;
            return Ok(Some(ir::Expr { span, ..value }));
        }
        let name = match self.frame.loops.get(name).cloned() {
            Some(Constant { kind: ConstantKind::Name(value), .. }) => value,
            Some(value) => return self.constant(&value, want, span).map(Some),
            None => name.to_owned(),
        };
        if self.in_row() {
            if let Some(column) = self.scope.columns.and_then(|columns| columns.own.get(&name)) {
                return column_of(&name, column, span).map(Some);
            }
            if self.scope.columns.is_some_and(|columns| columns.opaque) {
                return Err(Stop::Pending);
            }
        } else if let Some(found) = self.feature(&name, span)? {
            return Ok(Some(found));
        }
        if let Some(value) = self.named_constant(&[&name], want, span)? {
            return Ok(Some(value));
        }
        Ok(None)
    }

    /// A feature of this group, or what a row group sees of its row.
    fn feature(&mut self, name: &str, span: Span) -> Checked<Option<ir::Expr>> {
        if let Some(feature) = self.scope.features.and_then(|features| features.get(name)) {
            return self.read(name.to_owned(), &feature.clone(), span).map(Some);
        }
        let later = self.scope.all_features.and_then(|all| all.get(name)).copied();
        let column = self.scope.columns.and_then(|columns| columns.own.get(name));
        match (self.frame.place, column, later) {
            (Place::Lookup, Some(column), _) => column_of(name, column, span).map(Some),
            (Place::Feature | Place::Label | Place::Derived, _, Some(later)) => Err(self.report(
                Diagnostic::error(
                    codes::ORDER,
                    span,
                    format!("feature `{name}` is used before it is defined"),
                )
                .label("not defined yet")
                .also(later, "defined here")
                .help("move its definition above"),
            )),
            (Place::Feature | Place::Label, Some(column), None) => {
                let number = column.slot.as_ref().is_some_and(|slot| slot.ty.is_number());
                let help = if number {
                    format!("pick one: `last({name}) over all`, `avg({name}) over 7d`, …")
                } else {
                    format!(
                        "pick one: `last({name}) over all`, `count_distinct({name}, max: 100) over 7d`, …"
                    )
                };
                Err(self.report(
                    Diagnostic::error(
                        codes::NEEDS_AGGREGATE,
                        span,
                        format!("column `{name}` is used outside an aggregate"),
                    )
                    .label("which of the many rows?")
                    .help(help),
                ))
            }
            _ => Ok(None),
        }
    }

    /// A feature as an expression over column `column`.
    pub(super) fn read(
        &mut self,
        column: String,
        feature: &crate::context::FeatureInfo,
        span: Span,
    ) -> Checked<ir::Expr> {
        match (feature.fate, &feature.slot) {
            (Fate::Broken, _) | (Fate::Ready, None) => Err(Stop::Error),
            (Fate::Pending, None) => Err(self.cx.report.follows(pending::READS_PENDING, span)),
            (fate, Some(slot)) => {
                self.pending |= fate == Fate::Pending;
                Ok(ir::Expr { kind: ir::ExprKind::Column(column), slot: slot.clone(), span })
            }
        }
    }

    /// A constant value as an expression.
    fn constant(&mut self, value: &Constant, want: Option<&Type>, span: Span) -> Checked<ir::Expr> {
        match &value.kind {
            ConstantKind::Literal(literal) => {
                let literal = literal.clone();
                self.literal(&literal, want, span)
            }
            ConstantKind::List(items) => {
                let item = match want {
                    Some(Type::List(item)) => Some(item.ty.clone()),
                    _ => None,
                };
                let items: Vec<ir::Expr> = items
                    .iter()
                    .map(|each| self.constant(each, item.as_ref(), span))
                    .collect::<Checked<_>>()?;
                let Some(first) = items.first() else { return Err(Stop::Error) };
                let ty = Type::List(Box::new(Slot::required(first.slot.ty.clone())));
                Ok(ir::Expr { kind: ir::ExprKind::List(items), slot: Slot::required(ty), span })
            }
            ConstantKind::Name(name) => {
                let name = name.clone();
                self.name(&name, want, span)
            }
        }
    }

    /// The value of a `let`.
    fn named_constant(
        &mut self,
        segments: &[&str],
        want: Option<&Type>,
        span: Span,
    ) -> Checked<Option<ir::Expr>> {
        let project = self.cx.project;
        let Some(found) = project.find(self.frame.file, segments) else { return Ok(None) };
        let ItemKind::Let(decl) = &found.item.kind else { return Ok(None) };
        project.may_see(found, span, self.frame.file, &mut self.cx.report)?;
        if self.cx.open.contains(&found.name) {
            return Err(self.report(
                Diagnostic::error(
                    codes::ORDER,
                    found.span,
                    format!("constant `{}` needs itself", found.name.name),
                )
                .label("defined by a circle"),
            ));
        }
        let frame = Frame::new(Place::Constant, found.file, std::rc::Rc::clone(&found.loops));
        let slot = match &decl.ty {
            Some(ty) => Some(crate::types::slot(ty, found.file, project, &mut self.cx.report)?),
            None => None,
        };
        self.cx.open.push(found.name.clone());
        let value = self.within(frame, |checker| match &slot {
            Some(slot) => checker.declared(&decl.value, slot),
            None => checker.expr(&decl.value, want),
        });
        self.cx.open.pop();
        Ok(Some(ir::Expr { span, ..value? }))
    }

    /// `a.b.c`: as much of it as names something, the rest are fields of structs.
    pub(super) fn path(&mut self, expr: &Expr, want: Option<&Type>) -> Checked<ir::Expr> {
        let Some(segments) = self.segments(expr)? else {
            let ExprKind::Field(base, field) = &*expr.kind else { return Err(Stop::Error) };
            let base = self.expr(base, None)?;
            let name = self.fill(field)?;
            return self.field(base, &name, field.span.0);
        };
        let names: Vec<&str> = segments.iter().map(|(name, _)| name.as_str()).collect();
        let span = expr.span.0;
        let (mut value, used) = if let Some(found) = self.dotted(&names, &segments, span)? {
            found
        } else if let Some(found) = self.named_constant(&names, want, span)? {
            return Ok(found);
        } else {
            (self.name(names[0], None, segments[0].1)?, 1)
        };
        for (name, at) in &segments[used..] {
            value = self.field(value, name, *at)?;
        }
        Ok(value)
    }

    /// The dotted name of `expr`, if it is nothing else.
    fn segments(&mut self, expr: &Expr) -> Checked<Option<Vec<(String, Span)>>> {
        match &*expr.kind {
            ExprKind::Name(name) => Ok(Some(vec![(self.fill(name)?, name.span.0)])),
            ExprKind::Field(base, field) => match self.segments(base)? {
                Some(mut segments) => {
                    segments.push((self.fill(field)?, field.span.0));
                    Ok(Some(segments))
                }
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// What more than one segment name together, and how many of them.
    fn dotted(
        &mut self,
        names: &[&str],
        spans: &[(String, Span)],
        span: Span,
    ) -> Checked<Option<(ir::Expr, usize)>> {
        let first = names[0];
        if self.frame.params.iter().any(|(param, _)| param == first) {
            return Ok(None);
        }
        if let Some(columns) = self.scope.columns
            && (self.in_row() || self.frame.place == Place::Lookup)
            && let Some(joined) = columns.joined.get(first)
        {
            if let Some(column) = joined.get(names[1]) {
                self.pending = true;
                return column_of(&format!("{first}.{}", names[1]), column, span)
                    .map(|found| Some((found, 2)));
            }
            if joined.is_empty() {
                return Err(Stop::Error);
            }
            let mut diagnostic = Diagnostic::error(
                codes::UNKNOWN_NAME,
                spans[1].1,
                format!("no column `{}` in the joined `{first}`", names[1]),
            )
            .label("not found");
            diagnostic.help = suggestion(names[1], joined.keys().map(String::as_str));
            return Err(self.report(diagnostic));
        }
        if self.in_row() || matches!(self.frame.place, Place::Function | Place::Constant) {
            return Ok(None);
        }
        if self.frame.place == Place::Derived {
            return self.foreign(names, spans, span);
        }
        if let Some(role) = self.scope.roles.iter().find(|role| role.name == first) {
            return self.key_column(&role.clone(), names[1], spans[1].1, span).map(|key| Some((key, 2)));
        }
        let own = self.scope.all_features.is_some_and(|all| all.contains_key(first))
            || self.scope.columns.is_some_and(|columns| columns.own.contains_key(first));
        if !own && self.names_group(names, spans)?.is_some() {
            return Err(self.cx.report.pending(pending::OTHER_GROUP, span, ""));
        }
        Ok(None)
    }

    /// What a derived group reads: a key column, a request column, a feature of a group.
    fn foreign(
        &mut self,
        names: &[&str],
        spans: &[(String, Span)],
        span: Span,
    ) -> Checked<Option<(ir::Expr, usize)>> {
        let first = names[0];
        if self.scope.features.is_some_and(|features| features.contains_key(first)) {
            return Ok(None);
        }
        if let Some((_, request)) = self.scope.requests.iter().find(|(name, _)| name == first) {
            let request = request.clone();
            return self
                .request_column(first, &request, names[1], spans[1].1, span)
                .map(|found| Some((found, 2)));
        }
        let role = self.scope.roles.iter().position(|role| role.name == first);
        if let Some(role) = role {
            let role = self.scope.roles[role].clone();
            let keys = self.cx.entities.get(&role.entity).cloned().flatten();
            if keys.is_some_and(|keys| keys.iter().any(|(key, _)| key == names[1])) || names.len() == 2 {
                return self.key_column(&role, names[1], spans[1].1, span).map(|key| Some((key, 2)));
            }
            if let Some((group, used)) = self.group(&names[1..], &spans[1..])? {
                let used = used + 1;
                return self.group_feature(&group, names, spans, used, Some(first), span).map(Some);
            }
        }
        if let Some((group, used)) = self.group(names, spans)? {
            return self.group_feature(&group, names, spans, used, None, span).map(Some);
        }
        let project = self.cx.project;
        if let Some(found) = project.find(self.frame.file, &[first])
            && let ItemKind::Source(_) = &found.item.kind
        {
            let request = self
                .cx
                .sources
                .get(&found.name)
                .is_some_and(|source| source.kind == feat_dsl::ast::SourceKind::Request);
            let (label, help) = if request {
                ("not among this group's requests", format!("add it: `with {first}`"))
            } else {
                ("rows are not visible here", format!("put an aggregate of `{first}` into a features group"))
            };
            return Err(self.report(
                Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    spans[0].1,
                    format!("source `{first}` cannot be read here"),
                )
                .label(label)
                .help(help),
            ));
        }
        Ok(None)
    }

    /// `a.b` of a struct.
    fn field(&mut self, base: ir::Expr, name: &str, at: Span) -> Checked<ir::Expr> {
        let Type::Struct(fields) = &base.slot.ty else {
            return Err(self.report(
                Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    at,
                    format!("`{}` has no field `{name}`", base.slot.ty),
                )
                .label("only a struct has fields"),
            ));
        };
        let Some((_, slot)) = fields.iter().find(|(field, _)| field == name) else {
            let mut diagnostic =
                Diagnostic::error(codes::UNKNOWN_NAME, at, format!("no field `{name}` here"))
                    .label("not found");
            diagnostic.help = suggestion(name, fields.iter().map(|(field, _)| field.as_str()));
            return Err(self.report(diagnostic));
        };
        let slot = Slot { ty: slot.ty.clone(), nullable: slot.nullable || base.slot.nullable };
        let span = base.span.to(at);
        Ok(ir::Expr { kind: ir::ExprKind::Field(Box::new(base), name.to_owned()), slot, span })
    }

    /// Says that `name` stands for nothing here.
    fn unknown(&mut self, name: &str, span: Span) -> Stop {
        if self.cx.project.is_broken(self.frame.file, &[name]) {
            return Stop::Error;
        }
        let columns = self
            .scope
            .columns
            .into_iter()
            .flat_map(|columns| columns.own.keys().chain(columns.joined.keys()));
        let features = self.scope.features.into_iter().flat_map(|features| features.keys());
        let row = self.in_row();
        let lets = self.cx.project.visible(self.frame.file, |kind| matches!(kind, ItemKind::Let(_)));
        let params: Vec<String> = self.frame.params.iter().map(|(param, _)| param.clone()).collect();
        let mut near: Vec<&str> = params.iter().chain(&lets).map(String::as_str).collect();
        if row || self.frame.place == Place::Lookup {
            near.extend(columns.map(String::as_str));
        }
        if !row {
            near.extend(features.map(String::as_str));
            near.extend(self.scope.requests.iter().map(|(name, _)| name.as_str()));
        }
        let (kind, label) = match self.frame.place {
            _ if row => ("column", "not found"),
            Place::Function | Place::Constant => ("name", "not found"),
            Place::Lookup => ("column or feature", "not found"),
            Place::Feature | Place::Label | Place::Derived | Place::Row => ("feature", "not found"),
        };
        let mut diagnostic =
            Diagnostic::error(codes::UNKNOWN_NAME, span, format!("no {kind} `{name}` here")).label(label);
        diagnostic.help = suggestion(name, near);
        if row && self.scope.all_features.is_some_and(|all| all.contains_key(name)) {
            diagnostic.help = Some(format!(
                "`{name}` is a feature: inside an aggregate, names are columns of `{}`",
                self.scope.source
            ));
        } else if !row && let Some(found) = self.cx.project.find(self.frame.file, &[name]) {
            let is = crate::report::word(&found.item.kind);
            diagnostic.help = match &found.item.kind {
                ItemKind::Features(_) | ItemKind::Derived(_) => {
                    Some(format!("`{name}` is a {is}: write `{name}.feature`"))
                }
                ItemKind::Source(_) if self.frame.place == Place::Derived => {
                    Some(format!("`{name}` is a {is}: put an aggregate of it into a features group"))
                }
                _ => diagnostic.help,
            };
        }
        self.report(diagnostic)
    }
}

/// How many parts an expression has.
fn size(expr: &ir::Expr) -> usize {
    use ir::ExprKind::{
        Aggregate, AsOf, Call, Case, Cast, Column, Field, List, Literal, Map, Secret, Struct, TryCast,
    };
    let all = |exprs: &[ir::Expr]| exprs.iter().map(size).sum::<usize>();
    1 + match &expr.kind {
        Literal(_) | Secret(_) | Column(_) | AsOf => 0,
        Cast(inner) | TryCast(inner) | Field(inner, _) => size(inner),
        Call(_, exprs) | List(exprs) | Struct(exprs) => all(exprs),
        Map(entries) => entries.iter().map(|(key, value)| size(key) + size(value)).sum(),
        Case(cases, last) => {
            size(last) + cases.iter().map(|(when, then)| size(when) + size(then)).sum::<usize>()
        }
        Aggregate(call) => all(&call.args) + call.filter.as_ref().map_or(0, size),
    }
}

pub(super) fn column_of(name: &str, column: &ColumnInfo, span: Span) -> Checked<ir::Expr> {
    match &column.slot {
        Some(slot) => Ok(ir::Expr { kind: ir::ExprKind::Column(name.to_owned()), slot: slot.clone(), span }),
        None => Err(Stop::Error),
    }
}

/// A constant of the text as a value without a type of its own.
pub(crate) fn constant_value(constant: &Constant) -> Option<Value> {
    match &constant.kind {
        ConstantKind::Literal(Literal::Null) => Some(Value::Null),
        ConstantKind::Literal(literal) => crate::values::untyped(literal).map(|(value, _)| value),
        ConstantKind::List(items) => items.iter().map(constant_value).collect::<Option<_>>().map(Value::List),
        ConstantKind::Name(_) => None,
    }
}
