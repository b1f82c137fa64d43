//! Typecheck, the operators: which function they are, and the rules that are theirs alone.

use feat_dsl::ast::{BinaryOp, Expr, ExprKind, Literal};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::types::Type;

use super::Checker;
use crate::codes;
use crate::functions;
use crate::ir;
use crate::report::{Checked, Stop};

impl Checker<'_, '_, '_> {
    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        at: Span,
        a: &Expr,
        b: &Expr,
        want: Option<&Type>,
        span: Span,
    ) -> Checked<ir::Expr> {
        use BinaryOp::{
            Add, And, Coalesce, Eq, Ge, Gt, In, Le, Lt, Mul, Ne, NotIn, NotLike, NotMatches, Or, Sub,
        };
        match op {
            And | Or => {
                let of = format!("`{}`", op.sign());
                let a = self.condition(a, &of);
                let b = self.condition(b, &of);
                return self.function(functions::operator(op), op.sign(), vec![a?, b?], span);
            }
            Coalesce => return self.coalesce(a, b, want, at, span),
            Eq | Ne | Lt | Le | Gt | Ge if is_null(a) || is_null(b) => {
                return Err(self.report(
                    Diagnostic::error(codes::NULL_COMPARISON, span, "comparing with null is always null")
                        .label("never true")
                        .help("use `is null` or `is not null`"),
                ));
            }
            In | NotIn => return self.within_list(op, a, b, span),
            _ => {}
        }
        let arithmetic = matches!(op, Add | Sub | Mul);
        // A literal follows what stands beside it; between two literals, the place decides.
        let want = if arithmetic { want } else { None };
        let (a, b) = if self.flexible(a) && !self.flexible(b) {
            let b = self.expr(b, None);
            let hint = b.as_ref().ok().map(|b| b.slot.ty.clone());
            (self.expr(a, hint.as_ref()), b)
        } else {
            let a = self.expr(a, want);
            let hint = a.as_ref().ok().map(|a| a.slot.ty.clone());
            let b = self.expr(b, hint.as_ref());
            (a, b)
        };
        let (a, b) = (a?, b?);
        let mixed = |x: &Type, y: &Type| matches!((x, y), (Type::Decimal(..), Type::Float));
        if arithmetic && (mixed(&a.slot.ty, &b.slot.ty) || mixed(&b.slot.ty, &a.slot.ty)) {
            return Err(self.report(
                Diagnostic::error(
                    codes::DECIMAL_FLOAT,
                    span,
                    format!("`{}` between {} and {}", op.sign(), a.slot.ty, b.slot.ty),
                )
                .label("money would become binary")
                .help("say where that is meant: `… as float`, or `… as decimal(p, s)`"),
            ));
        }
        let whole = self.function(functions::operator(op), op.sign(), vec![a, b], span)?;
        if matches!(op, NotLike | NotMatches) {
            self.function("not", "not", vec![whole], span)
        } else {
            Ok(whole)
        }
    }

    fn coalesce(
        &mut self,
        a: &Expr,
        b: &Expr,
        want: Option<&Type>,
        at: Span,
        span: Span,
    ) -> Checked<ir::Expr> {
        let (a, b) = if self.flexible(a) && !self.flexible(b) {
            let b = self.expr(b, want)?;
            (self.expr(a, Some(&b.slot.ty))?, b)
        } else {
            let a = self.expr(a, want);
            let hint = a.as_ref().ok().map(|a| a.slot.ty.clone());
            let b = self.expr(b, hint.as_ref());
            (a?, b?)
        };
        if !a.slot.nullable {
            return Err(self.report(
                Diagnostic::error(codes::DEAD_DEFAULT, at, "this default is never used")
                    .label("nothing to its left is null")
                    .also(a.span, format!("has type `{}`", a.slot))
                    .help("remove it; `??` is a default for everything to its left, up to `and`, `or` and `not`"),
            ));
        }
        self.function("coalesce", "??", vec![a, b], span)
    }

    fn within_list(&mut self, op: BinaryOp, a: &Expr, b: &Expr, span: Span) -> Checked<ir::Expr> {
        let a = self.expr(a, None)?;
        let want = Type::List(Box::new(feat_kernel::types::Slot::required(a.slot.ty.clone())));
        let list = self.expr(b, Some(&want))?;
        let args = match list.kind {
            ir::ExprKind::List(items) => std::iter::once(a).chain(items).collect(),
            _ => vec![a, list],
        };
        let whole = self.function("in_list", "in", args, span)?;
        if op == BinaryOp::NotIn { self.function("not", "not", vec![whole], span) } else { Ok(whole) }
    }

    pub(super) fn between(
        &mut self,
        x: &Expr,
        low: &Expr,
        high: &Expr,
        not: bool,
        span: Span,
    ) -> Checked<ir::Expr> {
        let subject = self.expr(x, None)?;
        let hint = subject.slot.ty.clone();
        let low = self.expr(low, Some(&hint));
        let high = self.expr(high, Some(&hint));
        let (low, high) = (low?, high?);
        let above = self.function("ge", "between", vec![subject.clone(), low], span)?;
        let below = self.function("le", "between", vec![subject, high], span)?;
        let whole = self.function("and", "and", vec![above, below], span)?;
        if not { self.function("not", "not", vec![whole], span) } else { Ok(whole) }
    }

    /// The function `name` of the table over typed arguments; `shown` is what the author wrote.
    pub(super) fn function(
        &mut self,
        name: &str,
        shown: &str,
        args: Vec<ir::Expr>,
        span: Span,
    ) -> Checked<ir::Expr> {
        let known: Vec<functions::Arg> = args
            .iter()
            .map(|arg| functions::Arg {
                slot: arg.slot.clone(),
                literal: match &arg.kind {
                    ir::ExprKind::Literal(value) => Some(value.clone()),
                    _ => None,
                },
            })
            .collect();
        let resolved = match functions::resolve(name, &known) {
            Ok(resolved) => resolved,
            Err(error) => return Err(self.function_error(&error, shown, &args, span)),
        };
        let mut widened = Vec::with_capacity(args.len());
        for (arg, ty) in args.into_iter().zip(&resolved.params) {
            widened.push(match super::widen(&arg, ty) {
                Some(arg) => arg,
                // A function may take a wider view of an argument than the language's widening: a
                // division of decimals is one of floats.
                None => ir::Expr {
                    slot: feat_kernel::types::Slot { ty: ty.clone(), nullable: arg.slot.nullable },
                    span: arg.span,
                    kind: ir::ExprKind::Cast(Box::new(arg)),
                },
            });
        }
        Ok(ir::Expr { kind: ir::ExprKind::Call(resolved.function, widened), slot: resolved.result, span })
    }

    fn function_error(
        &mut self,
        error: &functions::FunctionError,
        shown: &str,
        args: &[ir::Expr],
        span: Span,
    ) -> Stop {
        use functions::FunctionError::{Arguments, Literal, Scale, Type, Unknown, Zone};
        let at = |index: usize| args.get(index).map_or(span, |arg| arg.span);
        let diagnostic = match error {
            Unknown { suggestions } => {
                let diagnostic =
                    Diagnostic::error(codes::UNKNOWN_ITEM, span, format!("no function is named `{shown}`"))
                        .label("not a function");
                match suggestions.first() {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic,
                }
            }
            Arguments { expected, found } => Diagnostic::error(
                codes::ARGUMENTS,
                span,
                format!("`{shown}` takes {expected}, found {found}"),
            )
            .label("arguments"),
            Type { index, expected, found } => Diagnostic::error(
                codes::ARGUMENT_TYPE,
                at(*index),
                format!("`{shown}` needs {expected}, found {found}"),
            )
            .label(format!("not {expected}")),
            // In a function on its own, an argument that must be written may still be a parameter.
            Literal { .. } if self.frame.symbolic => return Stop::Error,
            Literal { index, expected } => Diagnostic::error(
                codes::CONSTANT,
                at(*index),
                format!("`{shown}` needs {expected}"),
            )
            .label(format!("not {expected}")),
            Zone => Diagnostic::error(
                codes::TIME_ZONE,
                span,
                format!("`{shown}` of a timestamp needs a time zone"),
            )
            .label("whose clock?")
            .help("add `tz: \"UTC\"`, or the zone that is meant"),
            Scale { scale } => Diagnostic::error(
                codes::ARGUMENT_TYPE,
                span,
                format!("the result of `{shown}` would have {scale} digits behind the point; a decimal has at most 38"),
            )
            .label("does not fit a decimal")
            .help("round one side first: `round(x, n)`"),
        };
        self.report(diagnostic)
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(&*expr.kind, ExprKind::Literal(Literal::Null))
}
