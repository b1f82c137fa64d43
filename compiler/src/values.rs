//! Values: what a constant expression is worth at a place of a known type.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | a literal, its sign, lists, structs, maps; the [`Type`] of the place | [`Value`] | nothing: the caller knows the place, and says it |

use std::sync::Arc;

use feat_dsl::ast::{Expr, ExprKind, Literal};
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::{Value, finite};

use crate::constants::negative;

/// Why a constant does not fit: in words that follow `found`.
pub(crate) type Misfit = String;

/// The value of `expr` where a `ty` is needed.
pub(crate) fn typed(expr: &Expr, ty: &Type) -> Result<Value, Misfit> {
    match (&*expr.kind, ty) {
        (ExprKind::Literal(literal), _) => of_literal(literal, ty),
        (ExprKind::Neg(inner), _) => match &*inner.kind {
            ExprKind::Literal(literal) => {
                let literal = negative(literal).ok_or_else(|| "a negative of what has none".to_owned())?;
                of_literal(&literal, ty)
            }
            _ => Err("an expression".to_owned()),
        },
        (ExprKind::List(items), Type::List(item)) => {
            items.iter().map(|value| in_slot(value, item)).collect::<Result<_, _>>().map(Value::List)
        }
        (ExprKind::List(items), Type::Embedding(size)) if items.len() == *size as usize => {
            items.iter().map(|value| typed(value, &Type::Float)).collect::<Result<_, _>>().map(Value::List)
        }
        (ExprKind::Struct(fields), Type::Struct(slots)) => {
            if let Some((unknown, _)) =
                fields.iter().find(|(name, _)| slots.iter().all(|(known, _)| *known != name.node))
            {
                return Err(format!("an unknown field `{}`", unknown.node));
            }
            let field =
                |(name, slot): &(String, Slot)| match fields.iter().find(|(given, _)| given.node == *name) {
                    Some((_, value)) => in_slot(value, slot),
                    None if slot.nullable => Ok(Value::Null),
                    None => Err(format!("a struct without `{name}`")),
                };
            slots.iter().map(field).collect::<Result<_, _>>().map(Value::Struct)
        }
        (ExprKind::Map(entries), Type::Map(key, value)) => {
            let mut pairs = entries
                .iter()
                .map(|(k, v)| Ok((typed(k, key)?, in_slot(v, value)?)))
                .collect::<Result<Vec<_>, Misfit>>()?;
            pairs.sort();
            if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err("a map with one key twice".to_owned());
            }
            Ok(Value::Map(pairs))
        }
        (ExprKind::List(_), _) => Err("a list".to_owned()),
        (ExprKind::Struct(_), _) => Err("a struct".to_owned()),
        (ExprKind::Map(_), _) => Err("a map".to_owned()),
        _ => Err("an expression".to_owned()),
    }
}

/// The value of `expr` where a `slot` is needed: null only where it may stand.
pub(crate) fn in_slot(expr: &Expr, slot: &Slot) -> Result<Value, Misfit> {
    let value = typed(expr, &slot.ty)?;
    if value.is_null() && !slot.nullable { Err("null".to_owned()) } else { Ok(value) }
}

/// The value of a literal where a `ty` is needed; null fits every type.
pub(crate) fn of_literal(literal: &Literal, ty: &Type) -> Result<Value, Misfit> {
    let value = match (literal, ty) {
        (Literal::Null, _) => Value::Null,
        (Literal::Int(x), Type::Int)
        | (Literal::Duration(x), Type::Duration)
        | (Literal::Instant(x), Type::Timestamp) => Value::Int(*x),
        (Literal::Int(x), Type::Float) => Value::Float(*x as f64),
        (Literal::Int(x), Type::Decimal(..)) => return decimal(&x.to_string(), ty),
        (Literal::Fraction(text), Type::Decimal(..)) => return decimal(text, ty),
        (Literal::Fraction(text), Type::Float) => {
            let x: f64 = text.parse().map_err(|_| format!("`{text}`"))?;
            Value::Float(finite(x).ok_or_else(|| format!("`{text}`, beyond every float"))?)
        }
        (Literal::String(text), Type::String) => Value::Str(text.as_str().into()),
        (Literal::String(text), Type::Enum(names)) if names.contains(text) => {
            Value::Str(text.as_str().into())
        }
        (Literal::String(text), Type::Enum(_)) => return Err(format!("{text:?}, which is not in {ty}")),
        (Literal::String(text), Type::Bytes) => Value::Bytes(text.as_bytes().into()),
        (Literal::Bool(x), Type::Bool) => Value::Bool(*x),
        (Literal::Date(days), Type::Date) => Value::Int(i64::from(*days)),
        _ => return Err(kind(literal).to_owned()),
    };
    Ok(value)
}

/// The kind of a literal in words.
fn kind(literal: &Literal) -> &'static str {
    match literal {
        Literal::Int(_) => "an int",
        Literal::Fraction(_) => "a fraction",
        Literal::String(_) => "a string",
        Literal::Bool(_) => "a bool",
        Literal::Null => "null",
        Literal::Duration(_) => "a duration",
        Literal::Instant(_) => "a timestamp",
        Literal::Date(_) => "a date",
        Literal::Percent(_) => "a percentage",
    }
}

/// The value and the type that a literal has where its place says nothing.
pub(crate) fn untyped(literal: &Literal) -> Option<(Value, Type)> {
    let ty = match literal {
        Literal::Int(_) => Type::Int,
        Literal::Fraction(_) => Type::Float,
        Literal::String(_) => Type::String,
        Literal::Bool(_) => Type::Bool,
        Literal::Duration(_) => Type::Duration,
        Literal::Instant(_) => Type::Timestamp,
        Literal::Date(_) => Type::Date,
        Literal::Percent(text) => {
            let share: f64 = text.parse().ok()?;
            return Some((Value::Float(finite(share / 100.0)?), Type::Float));
        }
        Literal::Null => return None,
    };
    of_literal(literal, &ty).ok().map(|value| (value, ty))
}

/// The digits of a fraction: the unscaled integer, how many digits it has and how many of them stand
/// after the point, trailing zeros among them. `None` beyond 38 digits.
pub(crate) fn digits(text: &str) -> Option<(i128, u8, i8)> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut unscaled: i128 = format!("{whole}{part}").parse().ok()?;
    let mut scale = i32::try_from(part.len()).ok()?.checked_sub(exponent)?;
    if !(-38..=76).contains(&scale) {
        return None;
    }
    while scale < 0 {
        unscaled = unscaled.checked_mul(10)?;
        scale += 1;
    }
    let length = unscaled.unsigned_abs().to_string().len() as i32;
    let precision = length.max(scale).max(1);
    (precision <= 38).then_some((unscaled, precision as u8, scale as i8))
}

/// The unscaled integer of `text` as a `decimal(p, s)`, if it fits without rounding.
fn decimal(text: &str, ty: &Type) -> Result<Value, Misfit> {
    let Type::Decimal(precision, scale) = ty else { return Err(format!("`{text}`")) };
    let misfit = || format!("`{text}`, which does not fit {ty}");
    let (mut unscaled, _, mut have) = digits(text).ok_or_else(misfit)?;
    while have > *scale && unscaled % 10 == 0 {
        unscaled /= 10;
        have -= 1;
    }
    while have < *scale {
        unscaled = unscaled.checked_mul(10).ok_or_else(misfit)?;
        have += 1;
    }
    let fits = have == *scale && unscaled.unsigned_abs().to_string().len() <= usize::from(*precision);
    if fits { Ok(Value::Decimal(unscaled)) } else { Err(misfit()) }
}

/// Text as a value.
pub(crate) fn text(text: &str) -> Value {
    Value::Str(Arc::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_count_what_was_written() {
        assert_eq!(digits("0.25"), Some((25, 2, 2)));
        assert_eq!(digits("1e-3"), Some((1, 3, 3)));
        assert_eq!(digits("-2.50"), Some((-250, 3, 2)));
        assert_eq!(digits("1e2"), Some((100, 3, 0)));
        assert_eq!(digits("1e99"), None);
    }

    #[test]
    fn a_decimal_takes_no_digit_that_it_would_lose() {
        let money = Type::Decimal(6, 2);
        assert_eq!(of_literal(&Literal::Fraction("20.00".into()), &money), Ok(Value::Decimal(2000)));
        assert_eq!(of_literal(&Literal::Int(20), &money), Ok(Value::Decimal(2000)));
        assert_eq!(of_literal(&Literal::Fraction("0.010".into()), &money), Ok(Value::Decimal(1)));
        assert!(of_literal(&Literal::Fraction("0.001".into()), &money).is_err());
        assert!(of_literal(&Literal::Int(100_000), &money).is_err());
    }
}
