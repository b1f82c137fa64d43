//! Typecheck: an expression of the text becomes a typed one, every name bound.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | [`ast::Expr`] and what its names may stand for ([`Scope`]) | [`ir::Expr`]: types, nulls, widening casts | unknown names, wrong types, nulls, leaks |
//!
//! What does not type is reported once and answers [`Stop`], which silences everything that holds it.
//! Literals take the type of what stands beside them: a fraction becomes a decimal beside a decimal,
//! a string an enum beside an enum, null whatever its place asks for.

mod aggregates;
mod calls;
mod forms;
mod members;
mod operators;
mod paths;

use std::rc::Rc;

use feat_dsl::ast::{self, Expr, ExprKind, ItemKind, Literal};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use indexmap::IndexMap;

use crate::codes;
use crate::constants::{ConstantKind, Loops, negative};
use crate::context::{Columns, Context, FeatureInfo};
use crate::functions::cast::{castable, widens};
use crate::ir::{self, Read, Role};
use crate::report::{Checked, Stop};
use crate::similar::suggestion;
use crate::types::common;
use crate::values;

pub(crate) use aggregates::is_aggregate;
pub(crate) use calls::check_function;
pub(crate) use members::label_as_feature;
pub(crate) use paths::constant_value;

/// Deeper expressions would exhaust the stack of some engine.
const DEEPEST: usize = 200;
/// Larger expressions are made by functions that double their arguments.
const MOST_NODES: usize = 20_000;

/// Where an expression stands: what its names may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The value of a source's column, a `where`, an `expect`: columns of one row.
    Row,
    /// A feature of a group over many rows.
    Feature,
    /// A label: the same, looking forward.
    Label,
    /// A feature of a row lookup: columns of the newest row, and features.
    Lookup,
    /// A feature of a derived group.
    Derived,
    /// A function's body.
    Function,
    /// A `let`.
    Constant,
}

/// What the names of an expression may stand for, beside constants and functions.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scope<'s> {
    /// The source's name, for messages.
    pub(crate) source: &'s str,
    /// Columns of the source's rows.
    pub(crate) columns: Option<&'s Columns>,
    /// Features that stand before this one.
    pub(crate) features: Option<&'s IndexMap<String, FeatureInfo>>,
    /// Every feature of the group and where its name stands, this one and later ones among them.
    pub(crate) all_features: Option<&'s IndexMap<String, Span>>,
    /// Entities whose keys can be named: `user.user_id`.
    pub(crate) roles: &'s [Role],
    /// Request sources of a derived group: short name, full name.
    pub(crate) requests: &'s [(String, ir::QName)],
    /// Rows are those of a table or static source: they change.
    pub(crate) table: bool,
    /// The event-time column, for `along`.
    pub(crate) time: Option<&'s str>,
    /// Where `over all` begins.
    pub(crate) since: Instant,
}

/// Which file, loops and parameters the names of an expression are looked up in.
#[derive(Clone)]
pub(crate) struct Frame {
    /// Where it stands.
    pub(crate) place: Place,
    /// Its file.
    pub(crate) file: usize,
    /// The loops around it.
    pub(crate) loops: Rc<Loops>,
    /// Parameters of the function around it.
    params: Rc<Vec<(String, ir::Expr)>>,
    /// Inside an aggregate: one row.
    aggregate: bool,
    /// In a function's body on its own, whose parameters have no values yet.
    symbolic: bool,
}

impl Frame {
    /// An expression at `place` in `file`.
    pub(crate) fn new(place: Place, file: usize, loops: Rc<Loops>) -> Self {
        Self { place, file, loops, params: Rc::default(), aggregate: false, symbolic: false }
    }
}

/// Types one expression.
pub(crate) struct Checker<'c, 's, 'p> {
    cx: &'c mut Context<'p>,
    scope: &'s Scope<'s>,
    frame: Frame,
    /// Which item of the definition's window lists is meant.
    window: usize,
    /// How deep in the expression it is.
    depth: usize,
    /// How many parts it has seen.
    nodes: usize,
    /// Where secrets may stand: as keys of the hashes under work.
    keys: Vec<Span>,
    /// Something that it reads is not compiled by this version.
    pub(crate) pending: bool,
    /// Groups that it reads, in a derived group.
    pub(crate) reads: Vec<Read>,
    /// Windows that it uses and where their hops stand.
    pub(crate) hops: Vec<(Micros, Span)>,
}

impl<'c, 's, 'p> Checker<'c, 's, 'p> {
    /// A checker of expressions in `scope`.
    pub(crate) fn new(cx: &'c mut Context<'p>, scope: &'s Scope<'s>, frame: Frame) -> Self {
        Self {
            cx,
            scope,
            frame,
            window: 0,
            depth: 0,
            nodes: 0,
            keys: Vec::new(),
            pending: false,
            reads: Vec::new(),
            hops: Vec::new(),
        }
    }

    /// The same for the `window`th item of the definition's window lists.
    pub(crate) fn at_window(mut self, window: usize) -> Self {
        self.window = window;
        self
    }

    /// The typed form of `expr`. `want` is the type that its place would like: literals follow it,
    /// and nothing else has to.
    pub(crate) fn expr(&mut self, expr: &Expr, want: Option<&Type>) -> Checked<ir::Expr> {
        self.grow(1, expr.span.0)?;
        self.depth += 1;
        let typed = self.form(expr, want);
        self.depth -= 1;
        typed
    }

    /// Counts `nodes` more, and refuses what would be too large or too deep for the engines: inlined
    /// functions can grow with every call.
    fn grow(&mut self, nodes: usize, span: Span) -> Checked<()> {
        self.nodes += nodes;
        if self.nodes <= MOST_NODES && self.depth < DEEPEST {
            return Ok(());
        }
        Err(self.report(
            Diagnostic::error(
                codes::LIMIT,
                span,
                format!("an expression has at most {MOST_NODES} parts and is at most {DEEPEST} deep"),
            )
            .label("too large, its functions written out")
            .help("give parts of it names: private features (`_x`) are not served"),
        ))
    }

    fn form(&mut self, expr: &Expr, want: Option<&Type>) -> Checked<ir::Expr> {
        let span = expr.span.0;
        match &*expr.kind {
            ExprKind::Literal(literal) => self.literal(literal, want, span),
            ExprKind::Name(name) => {
                let name = self.fill(name)?;
                self.name(&name, want, span)
            }
            ExprKind::AsOf => self.as_of(span),
            ExprKind::Field(..) => self.path(expr, want),
            ExprKind::Index(base, index) => self.index(base, index, span),
            ExprKind::Call(call, suffix) => self.call(call, suffix.as_ref(), want, span),
            ExprKind::Neg(inner) => self.negated(inner, want, span),
            ExprKind::Not(inner) => {
                let inner = self.condition(inner, "`not`")?;
                self.function("not", "not", vec![inner], span)
            }
            ExprKind::Binary(op, a, b) => self.binary(op.node, op.span, a, b, want, span),
            ExprKind::IsNull(inner, not) => {
                let inner = self.expr(inner, None)?;
                let name = if *not { "is_not_null" } else { "is_null" };
                self.function(name, "is null", vec![inner], span)
            }
            ExprKind::Between(x, low, high, not) => self.between(x, low, high, *not, span),
            ExprKind::If(condition, then, otherwise) => self.choice(condition, then, otherwise, want, span),
            ExprKind::Match(subject, arms) => self.matched(subject, arms, want, span),
            ExprKind::Cast(inner, ty) => self.cast(inner, ty, span),
            ExprKind::List(items) => self.list(items, want, span),
            ExprKind::Struct(fields) => self.structure(fields, want, span),
            ExprKind::Map(entries) => self.map(entries, want, span),
        }
    }

    /// `expr` as a condition: a bool, perhaps null; `of` is what asks for it.
    pub(crate) fn condition(&mut self, expr: &Expr, of: &str) -> Checked<ir::Expr> {
        let typed = self.expr(expr, Some(&Type::Bool))?;
        if typed.slot.ty == Type::Bool {
            return Ok(typed);
        }
        Err(self.report(
            Diagnostic::error(
                codes::ARGUMENT_TYPE,
                expr.span.0,
                format!("{of} needs a condition, found {}", typed.slot.ty),
            )
            .label("not a bool"),
        ))
    }

    /// `expr` for a place that is declared to hold a `slot`.
    pub(crate) fn declared(&mut self, expr: &Expr, slot: &Slot) -> Checked<ir::Expr> {
        let typed = self.expr(expr, Some(&slot.ty))?;
        self.fit(&typed, slot)
    }

    /// `typed` as a value of a declared `slot`: widened, and null only if the slot allows it.
    pub(crate) fn fit(&mut self, typed: &ir::Expr, slot: &Slot) -> Checked<ir::Expr> {
        let span = typed.span;
        if typed.slot.nullable && !slot.nullable && widens(&typed.slot.ty, &slot.ty) {
            let mut diagnostic = Diagnostic::error(
                codes::DECLARED_TYPE,
                span,
                format!("this may be null, but the declared type `{slot}` may not"),
            )
            .label(format!("has type `{}`", typed.slot))
            .help(format!("add a default (`?? …`) or declare `{slot}?`"));
            if let ir::ExprKind::Aggregate(call) = &typed.kind
                && let feat_kernel::window::Reach::Length(length) = call.window.reach
            {
                let days = Micros::DAY.0;
                let length = match length.0 / days {
                    1.. if length.0 % days == 0 => format!("{} days", length.0 / days),
                    _ => length.to_string(),
                };
                diagnostic = diagnostic.note(format!("there may be no rows in the last {length}"));
            }
            return Err(self.report(diagnostic));
        }
        if let Some(widened) = widen(typed, &slot.ty) {
            return Ok(ir::Expr { slot: Slot { nullable: slot.nullable, ..widened.slot }, ..widened });
        }
        let mut diagnostic = Diagnostic::error(
            codes::DECLARED_TYPE,
            span,
            format!("this is `{}`, but the declared type is `{slot}`", typed.slot),
        )
        .label(format!("has type `{}`", typed.slot));
        if castable(&typed.slot.ty, &slot.ty) {
            diagnostic = diagnostic.help(format!("convert it where that is meant: `… as {}`", slot.ty));
        }
        Err(self.report(diagnostic))
    }

    fn fill(&mut self, name: &ast::Name) -> Checked<String> {
        let loops = Rc::clone(&self.frame.loops);
        loops.fill(name, &mut self.cx.report)
    }

    /// Reports, with the iteration it happened in.
    fn report(&mut self, diagnostic: Diagnostic) -> Stop {
        let diagnostic = match self.frame.loops.iteration() {
            Some(iteration) => diagnostic.note(iteration),
            None => diagnostic,
        };
        self.cx.report.push(diagnostic)
    }

    /// Evaluates `work` with other names in effect.
    fn within<T>(&mut self, frame: Frame, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.frame, frame);
        let result = work(self);
        self.frame = outer;
        result
    }

    /// Whether names are columns of one row here.
    fn in_row(&self) -> bool {
        self.frame.aggregate || self.frame.place == Place::Row
    }

    fn literal(&mut self, literal: &Literal, want: Option<&Type>, span: Span) -> Checked<ir::Expr> {
        let found =
            |value, ty| Ok(ir::Expr { kind: ir::ExprKind::Literal(value), slot: Slot::required(ty), span });
        match (literal, want) {
            (Literal::Null, Some(ty)) => Ok(ir::Expr {
                kind: ir::ExprKind::Literal(Value::Null),
                slot: Slot::nullable(ty.clone()),
                span,
            }),
            (Literal::Null, None) => Err(self.report(
                Diagnostic::error(codes::TYPE, span, "nothing here says which type this null has")
                    .label("of which type?")
                    .help("declare the type, or write `null as T`"),
            )),
            (Literal::String(text), Some(ty @ Type::Enum(names))) => {
                if names.contains(text) {
                    return found(values::text(text), ty.clone());
                }
                let mut diagnostic =
                    Diagnostic::error(codes::ENUM_DOMAIN, span, format!("{text:?} is not a value of {ty}"))
                        .label("outside the domain");
                diagnostic.help = suggestion(text, names.iter().map(String::as_str)).or_else(|| {
                    Some("compare with one of its values, or convert it first: `… as string`".to_owned())
                });
                Err(self.report(diagnostic))
            }
            (Literal::Fraction(text), Some(Type::Decimal(..))) => match values::digits(text) {
                Some((unscaled, precision, scale)) => {
                    found(Value::Decimal(unscaled), Type::Decimal(precision, scale))
                }
                None => Err(self.out_of_range("a decimal has at most 38 digits", span)),
            },
            _ => match values::untyped(literal) {
                Some((value, ty)) => found(value, ty),
                None => Err(self.out_of_range("a float is at most about 1.8e308", span)),
            },
        }
    }

    fn out_of_range(&mut self, label: &str, span: Span) -> Stop {
        self.report(Diagnostic::error(codes::RANGE, span, "this number is too large").label(label.to_owned()))
    }

    fn negated(&mut self, inner: &Expr, want: Option<&Type>, span: Span) -> Checked<ir::Expr> {
        if let ExprKind::Literal(literal) = &*inner.kind
            && let Some(literal) = negative(literal)
        {
            return self.literal(&literal, want, span);
        }
        let inner = self.expr(inner, want)?;
        self.function("neg", "-", vec![inner], span)
    }

    fn as_of(&mut self, span: Span) -> Checked<ir::Expr> {
        if self.in_row() {
            let (message, help) = if self.frame.aggregate {
                (
                    "`as_of` is used inside an aggregate",
                    "rows are folded before anybody asks: compare outside, e.g. `as_of - last(ts) over 7d`",
                )
            } else {
                (
                    "`as_of` is used where there is only a row",
                    "a row is read before anybody asks: use `as_of` in a feature",
                )
            };
            return Err(self.report(
                Diagnostic::error(codes::AS_OF, span, message)
                    .label("not known when the row is read")
                    .help(help),
            ));
        }
        if matches!(self.frame.place, Place::Function | Place::Constant) {
            return Err(self.report(
                Diagnostic::error(codes::AS_OF, span, "`as_of` is used outside a feature")
                    .label("a function sees its arguments alone")
                    .help("pass it as an argument"),
            ));
        }
        Ok(ir::Expr { kind: ir::ExprKind::AsOf, slot: Slot::required(Type::Timestamp), span })
    }

    /// Whether the type of `expr` follows its place: literals and what is made of them alone.
    fn flexible(&self, expr: &Expr) -> bool {
        match &*expr.kind {
            ExprKind::Literal(_) => true,
            ExprKind::Neg(inner) => self.flexible(inner),
            ExprKind::List(items) => items.iter().all(|item| self.flexible(item)),
            ExprKind::If(_, then, otherwise) => self.flexible(then) && self.flexible(otherwise),
            ExprKind::Match(_, arms) => arms.iter().all(|(_, value)| self.flexible(value)),
            ExprKind::Name(name) => {
                let [ast::NamePart::Text(name)] = name.parts.as_slice() else { return false };
                if self.frame.params.iter().any(|(param, _)| param == name) {
                    return false;
                }
                if let Some(value) = self.frame.loops.get(name) {
                    return matches!(value.kind, ConstantKind::Literal(_));
                }
                let found = self.cx.project.find(self.frame.file, &[name]);
                let taken =
                    self.in_row() && self.scope.columns.is_some_and(|columns| columns.own.contains_key(name));
                !taken
                    && found.is_some_and(|found| match &found.item.kind {
                        ItemKind::Let(decl) => {
                            decl.ty.is_none() && matches!(&*decl.value.kind, ExprKind::Literal(_))
                        }
                        _ => false,
                    })
            }
            _ => false,
        }
    }

    /// The branches of a choice, all of one type.
    fn branches(&mut self, branches: &[&Expr], want: Option<&Type>) -> Checked<Vec<ir::Expr>> {
        // What has a type of its own comes first, so that literals can follow it.
        let mut typed: Vec<Option<Checked<ir::Expr>>> =
            branches.iter().map(|branch| (!self.flexible(branch)).then(|| self.expr(branch, want))).collect();
        let own: Vec<Type> = typed.iter().flatten().flatten().map(|typed| typed.slot.ty.clone()).collect();
        let hint = own.first().or(want).cloned();
        let mut later = hint.clone();
        for (slot, branch) in typed.iter_mut().zip(branches) {
            let is_null = matches!(&*branch.kind, ExprKind::Literal(Literal::Null));
            if slot.is_none() && !is_null {
                let literal = self.expr(branch, hint.as_ref());
                if let (Ok(literal), None) = (&literal, &later) {
                    later = Some(literal.slot.ty.clone());
                }
                *slot = Some(literal);
            }
        }
        for (slot, branch) in typed.iter_mut().zip(branches) {
            if slot.is_none() {
                *slot = Some(self.expr(branch, later.as_ref()));
            }
        }
        let typed: Vec<ir::Expr> = typed.into_iter().flatten().collect::<Checked<_>>()?;
        let mut ty = typed[0].slot.ty.clone();
        for branch in &typed[1..] {
            match common(&ty, &branch.slot.ty) {
                Some(wider) => ty = wider,
                None => {
                    return Err(self.report(
                        Diagnostic::error(
                            codes::ARGUMENT_TYPE,
                            branch.span,
                            format!("these values are of two types: `{ty}` and `{}`", branch.slot.ty),
                        )
                        .label(format!("`{}`", branch.slot.ty))
                        .also(typed[0].span, format!("`{}`", typed[0].slot.ty)),
                    ));
                }
            }
        }
        typed.into_iter().map(|branch| widen(&branch, &ty).ok_or(Stop::Error)).collect()
    }
}

/// `typed` as a `ty`, if it widens to it; literals become literals of that type.
pub(crate) fn widen(typed: &ir::Expr, ty: &Type) -> Option<ir::Expr> {
    if typed.slot.ty == *ty {
        return Some(typed.clone());
    }
    let slot = Slot { ty: ty.clone(), nullable: typed.slot.nullable };
    let literal =
        |value| ir::Expr { kind: ir::ExprKind::Literal(value), slot: slot.clone(), span: typed.span };
    match (&typed.kind, ty) {
        (ir::ExprKind::Literal(Value::Null), _) => return Some(literal(Value::Null)),
        (ir::ExprKind::Literal(Value::Int(x)), Type::Float | Type::Decimal(..))
            if typed.slot.ty == Type::Int =>
        {
            return values::of_literal(&Literal::Int(*x), ty).ok().map(literal);
        }
        (ir::ExprKind::Literal(Value::Decimal(x)), Type::Decimal(..)) => {
            let Type::Decimal(_, scale) = typed.slot.ty else { return None };
            let text = format!("{x}e-{scale}");
            return values::of_literal(&Literal::Fraction(text), ty).ok().map(literal);
        }
        (ir::ExprKind::Literal(Value::Str(_)), Type::String) => {
            return Some(ir::Expr { slot, ..typed.clone() });
        }
        (ir::ExprKind::List(items), Type::List(item)) => {
            let items = items.iter().map(|each| widen(each, &item.ty)).collect::<Option<Vec<_>>>()?;
            let fits = item.nullable || items.iter().all(|item| !item.slot.nullable);
            return fits.then_some(ir::Expr { kind: ir::ExprKind::List(items), slot, span: typed.span });
        }
        (ir::ExprKind::Struct(parts), Type::Struct(slots)) => {
            let Type::Struct(names) = &typed.slot.ty else { return None };
            let same = names.len() == slots.len() && names.iter().zip(slots).all(|((a, _), (b, _))| a == b);
            let parts = parts
                .iter()
                .zip(slots)
                .map(|(part, (_, to))| widen(part, &to.ty).filter(|part| to.nullable || !part.slot.nullable))
                .collect::<Option<Vec<_>>>()?;
            return same.then_some(ir::Expr { kind: ir::ExprKind::Struct(parts), slot, span: typed.span });
        }
        _ => {}
    }
    widens(&typed.slot.ty, ty).then(|| ir::Expr {
        kind: ir::ExprKind::Cast(Box::new(typed.clone())),
        slot,
        span: typed.span,
    })
}
