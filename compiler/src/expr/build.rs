//! From a typed expression to `DataFusion`'s physical expression.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion_common::ScalarValue;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{Column, Literal, case};
use feat_kernel::column;
use feat_kernel::types::Type;
use feat_kernel::value::Value;

use super::{call, nested};
use crate::functions::{self, Arg, Columns, Fault, Kernel, Operand, cast};
use crate::ir::{Expr, ExprKind};
use crate::secrets::Secret;

/// `expr` over the columns of `schema`, which `places` finds by name.
///
/// Panics on what the type checker refuses.
pub(super) fn physical(
    expr: &Expr,
    schema: &Schema,
    places: &BTreeMap<&str, usize>,
) -> Arc<dyn PhysicalExpr> {
    Builder { schema, places }.expr(expr)
}

struct Builder<'a> {
    schema: &'a Schema,
    places: &'a BTreeMap<&'a str, usize>,
}

impl Builder<'_> {
    fn expr(&self, expr: &Expr) -> Arc<dyn PhysicalExpr> {
        let ty = &expr.slot.ty;
        match &expr.kind {
            ExprKind::Literal(value) => literal(value, ty),
            ExprKind::Secret(secret) => panic!("invariant: {secret:?} is a key, which is no operand"),
            ExprKind::Column(name) => self.column(name),
            ExprKind::AsOf => self.column("as_of"),
            ExprKind::Call(name, args) => self.call(name, args, ty),
            ExprKind::Case(branches, otherwise) => {
                let branches = branches
                    .iter()
                    .map(|(condition, value)| (self.expr(condition), self.widened(value, ty)))
                    .collect();
                case(None, branches, Some(self.widened(otherwise, ty)))
                    .unwrap_or_else(|cause| panic!("invariant: branches of one type: {cause}"))
            }
            ExprKind::Cast(of) => self.cast(of, ty, cast::Mode::Strict),
            ExprKind::TryCast(of) => self.cast(of, ty, cast::Mode::Try),
            ExprKind::Field(of, name) => {
                let args = vec![self.expr(of)];
                own(&format!("field `{name}` of {}", of.slot.ty), nested::field(&of.slot.ty, name), args, ty)
            }
            ExprKind::Struct(items) => {
                let Type::Struct(fields) = ty else {
                    panic!("invariant: a struct's type is a struct, found {ty}")
                };
                let args =
                    items.iter().zip(fields).map(|(item, (_, slot))| self.widened(item, &slot.ty)).collect();
                own(&format!("struct {ty}"), nested::structure(fields), args, ty)
            }
            ExprKind::List(items) => {
                let Type::List(item) = ty else { panic!("invariant: a list's type is a list, found {ty}") };
                let args = items.iter().map(|of| self.widened(of, &item.ty)).collect();
                own(&format!("list {ty}"), nested::list(item), args, ty)
            }
            ExprKind::Map(pairs) => {
                let Type::Map(key, value) = ty else {
                    panic!("invariant: a map's type is a map, found {ty}")
                };
                let args = pairs
                    .iter()
                    .flat_map(|(k, v)| [self.widened(k, key), self.widened(v, &value.ty)])
                    .collect();
                own(&format!("map {ty}"), nested::map(key, value), args, ty)
            }
            ExprKind::Aggregate(aggregate) => {
                panic!("invariant: lowering replaces aggregates by outputs, found `{}`", aggregate.text)
            }
        }
    }

    fn column(&self, name: &str) -> Arc<dyn PhysicalExpr> {
        let place = self.places.get(name);
        let place = *place.unwrap_or_else(|| panic!("invariant: `{name}` is in scope: {}", self.schema));
        Arc::new(Column::new(name, place))
    }

    fn call(&self, name: &str, args: &[Expr], ty: &Type) -> Arc<dyn PhysicalExpr> {
        let known: Vec<Arg> = args.iter().map(arg).collect();
        let binding = functions::bind(name, &known)
            .unwrap_or_else(|cause| panic!("invariant: the call of `{name}` is checked: {cause}"));
        let secret = args.iter().find_map(secret);
        let operands = args.iter().zip(&binding.params).filter(|(arg, _)| self::secret(arg).is_none());
        let physical: Vec<_> = operands.map(|(arg, param)| self.widened(arg, param)).collect();
        let params = args.iter().zip(&binding.params);
        // Equal names are equal functions: which key it has is part of the name.
        let params = params.map(|(arg, param)| match self::secret(arg) {
            Some(secret) => format!("{secret:?}"),
            None => param.to_string(),
        });
        let params: Vec<String> = params.collect();
        let title = format!("{name}({}) -> {}", params.join(", "), binding.result.ty);
        let result = binding.result.ty.arrow();
        let kernel = match binding.kernel {
            Kernel::Own(kernel) => kernel,
            Kernel::DataFusion(function) => call::datafusion(function, &result),
            Kernel::Keyed(kernel) => match secret.and_then(Secret::value) {
                Some(key) => kernel(key),
                None => Arc::new(|_: &[Operand], _| Err(Fault("the secret is not set".into()))),
            },
        };
        let value = call::expr(&title, kernel, physical, result);
        convert(value, &binding.result.ty, ty, cast::Mode::Strict)
    }

    fn cast(&self, of: &Expr, to: &Type, mode: cast::Mode) -> Arc<dyn PhysicalExpr> {
        convert(self.expr(of), &of.slot.ty, to, mode)
    }

    /// `of` as a value of type `to`; a null that is written is one of every type.
    fn widened(&self, of: &Expr, to: &Type) -> Arc<dyn PhysicalExpr> {
        match &of.kind {
            ExprKind::Literal(Value::Null) => literal(&Value::Null, to),
            _ => self.cast(of, to, cast::Mode::Strict),
        }
    }
}

fn own(
    name: &str,
    kernel: Box<Columns>,
    args: Vec<Arc<dyn PhysicalExpr>>,
    ty: &Type,
) -> Arc<dyn PhysicalExpr> {
    call::expr(name, kernel.into(), args, ty.arrow())
}

fn convert(value: Arc<dyn PhysicalExpr>, from: &Type, to: &Type, mode: cast::Mode) -> Arc<dyn PhysicalExpr> {
    if from == to {
        return value;
    }
    let kernel = cast::kernel(from, to, mode)
        .unwrap_or_else(|| panic!("invariant: the cast from {from} to {to} is checked"));
    own(&format!("{mode:?} cast from {from} to {to}"), kernel, vec![value], to)
}

/// The secret that `expr` is, if it is one.
fn secret(expr: &Expr) -> Option<&Secret> {
    match &expr.kind {
        ExprKind::Secret(secret) => Some(secret),
        _ => None,
    }
}

/// An argument as the table of functions sees it.
fn arg(expr: &Expr) -> Arg {
    Arg { slot: expr.slot.clone(), literal: written(expr) }
}

/// The value that stands in the text, conversions of it aside.
fn written(expr: &Expr) -> Option<Value> {
    match &expr.kind {
        ExprKind::Literal(value) => Some(value.clone()),
        // The front half widens literals by casts; functions ask for the value in the wider type.
        ExprKind::Cast(of) => match (written(of)?, &expr.slot.ty) {
            (Value::Int(x), Type::Float) => Some(Value::Float(x as f64)),
            (Value::Int(x), Type::Decimal(_, scale)) => Some(Value::Decimal(
                i128::from(x).checked_mul(10_i128.checked_pow(u32::from(scale.unsigned_abs()))?)?,
            )),
            (value @ Value::Str(_), Type::String) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

fn literal(value: &Value, ty: &Type) -> Arc<dyn PhysicalExpr> {
    let array = column::array(ty, std::slice::from_ref(value));
    let scalar = ScalarValue::try_from_array(&array, 0)
        .unwrap_or_else(|cause| panic!("invariant: a value of type {ty} is a scalar: {cause}"));
    Arc::new(Literal::new(scalar))
}
