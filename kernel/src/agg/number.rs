//! The types that can be added up, and how their exact sums become values.

use super::{Outcome, broken};
use crate::exact::{self, Exact};
use crate::types::Type;
use crate::value::{Value, ValueRef, finite};

/// A type that can be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// `int`, or `duration` in microseconds.
    Int,
    /// `float`
    Float,
    /// `decimal` with this scale.
    Decimal(i8),
}

impl Number {
    /// How values of `ty` add up; none if they do not.
    pub fn of(ty: &Type) -> Option<Self> {
        match ty {
            Type::Int | Type::Duration => Some(Self::Int),
            Type::Float => Some(Self::Float),
            Type::Decimal(_, scale) => Some(Self::Decimal(*scale)),
            _ => None,
        }
    }

    /// The nearest double of a sum of such numbers; none beyond the largest double.
    pub(super) fn round(self, sum: &Exact) -> Option<f64> {
        match self {
            Self::Int | Self::Float | Self::Decimal(0) => sum.round(),
            Self::Decimal(scale) => {
                if let Some(unscaled) = sum.to_integer() {
                    return Some(exact::decimal_to_f64(unscaled, scale));
                }
                let (mantissa, exponent) = sum.parts();
                exact::scaled_to_f64(&mantissa, exponent, scale)
            }
        }
    }

    /// The nearest double of one such number; none for null.
    pub(super) fn nearest(self, x: ValueRef<'_>) -> Option<f64> {
        match (x, self) {
            (ValueRef::Null, _) => None,
            (ValueRef::Float(x), _) => Some(x),
            (ValueRef::Int(x), _) => Some(x as f64),
            (ValueRef::Decimal(x), Self::Decimal(scale)) => Some(exact::decimal_to_f64(x, scale)),
            _ => broken("a number is an int, a float or a decimal"),
        }
    }
}

/// Adds one number to a sum. False for null, which adds nothing.
#[inline]
pub(super) fn add(sum: &mut Exact, x: ValueRef<'_>) -> bool {
    match x {
        ValueRef::Float(x) => sum.add(x),
        ValueRef::Int(x) => sum.add_integer(x.into()),
        ValueRef::Decimal(x) => sum.add_integer(x),
        ValueRef::Null => return false,
        _ => broken("a number is an int, a float or a decimal"),
    }
    true
}

/// A float as an answer: cleaned of `-0.0`, an overflow when it is beyond the largest double.
pub(super) fn float(x: Option<f64>) -> Outcome {
    x.and_then(finite).map_or(Outcome::Overflow, |x| Outcome::Value(Value::Float(x)))
}
