//! Walking an expression of the text.

use feat_dsl::ast::{Arg, Call, Expr, ExprKind, Suffix};

/// Shows `see` every call of `expr` with its suffix, inner ones first, in the order of the text.
///
/// Filters and buckets of an aggregate are not entered: what stands there is about one row.
pub(crate) fn calls<'e>(expr: &'e Expr, see: &mut dyn FnMut(&'e Call, Option<&'e Suffix>)) {
    let mut all = |exprs: &[&'e Expr]| {
        for expr in exprs {
            calls(expr, see);
        }
    };
    match &*expr.kind {
        ExprKind::Literal(_) | ExprKind::Name(_) | ExprKind::AsOf => {}
        ExprKind::Field(inner, _)
        | ExprKind::Neg(inner)
        | ExprKind::Not(inner)
        | ExprKind::IsNull(inner, _)
        | ExprKind::Cast(inner, _) => all(&[inner]),
        ExprKind::Index(a, b) | ExprKind::Binary(_, a, b) => all(&[a, b]),
        ExprKind::Between(a, b, c, _) | ExprKind::If(a, b, c) => all(&[a, b, c]),
        ExprKind::Match(subject, arms) => {
            all(&[subject]);
            for (_, value) in arms {
                all(&[value]);
            }
        }
        ExprKind::List(items) => items.iter().for_each(|item| all(&[item])),
        ExprKind::Struct(fields) => fields.iter().for_each(|(_, value)| all(&[value])),
        ExprKind::Map(entries) => entries.iter().for_each(|(key, value)| all(&[key, value])),
        ExprKind::Call(call, suffix) => {
            for arg in &call.args {
                let (Arg::Value(value) | Arg::Named(_, value) | Arg::Lambda(_, value)) = arg;
                all(&[value]);
            }
            see(call, suffix.as_ref());
        }
    }
}
