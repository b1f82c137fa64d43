//! `+ - * / %`, floor division and negation.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{Decimal128Type, Float64Type, Int64Type};
use feat_kernel::column;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use super::operand::{Operand, each, ints, tagged, valid};
use super::types::{DIGITS, arity, as_decimal, common_decimal, nullable, number, strict, wrong};
use super::{Arg, Binding, Fault, Function, FunctionError, Kernel, decimal};

pub(super) const FUNCTIONS: &[Function] = &[
    operator(
        "add",
        "a + b",
        &["a", "b"],
        "The sum; of a timestamp and a duration, the later timestamp.",
        |args| additive(args, Sign::Plus),
    ),
    operator(
        "sub",
        "a - b",
        &["a", "b"],
        "The difference; of two timestamps, the duration from `b` to `a`.",
        |args| additive(args, Sign::Minus),
    ),
    operator("mul", "a * b", &["a", "b"], "The product; a duration may be multiplied by an `int`.", product),
    operator(
        "truediv",
        "a / b",
        &["a", "b"],
        "The quotient as a float; null where `b` is 0. Of two durations, how often `b` fits into `a`.",
        quotient,
    ),
    operator(
        "rem",
        "a % b",
        &["a", "b"],
        "What floor division leaves, with the sign of `b`; null where `b` is 0.",
        |args| floor(args, Floor::Remainder),
    ),
    operator("neg", "-a", &["a"], "The negative.", negative),
    function(
        "div",
        "div(a, b)",
        &["a", "b"],
        "Floor division: the greatest whole number not above `a / b`; null where `b` is 0.",
        |args| floor(args, Floor::Quotient),
    ),
];

constructor!(operator, Operator);
constructor!(function, Math);

#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Plus,
    Minus,
}

#[derive(Clone, Copy, PartialEq)]
enum Floor {
    Quotient,
    Remainder,
}

/// What a number that leaves the range of its type is told.
const TOO_BIG: Fault = Fault(std::borrow::Cow::Borrowed("the result does not fit its type"));

/// The common numeric type of two arguments; a decimal beside a float is refused.
fn numeric_pair(args: &[Arg]) -> Result<Type, FunctionError> {
    Ok(match (number(args, 0)?, number(args, 1)?) {
        (Type::Int, Type::Int) => Type::Int,
        (Type::Decimal(..), Type::Float) => return Err(wrong(args, 1, "a decimal")),
        (Type::Float, Type::Decimal(..)) => return Err(wrong(args, 0, "a decimal")),
        (Type::Float, _) | (_, Type::Float) => Type::Float,
        _ => Type::Decimal(0, 0),
    })
}

fn decimal_pair(args: &[Arg]) -> ((u8, i8), (u8, i8)) {
    let of = |index: usize| as_decimal(&args[index]).expect("invariant: a pair of decimals and ints");
    (of(0), of(1))
}

fn additive(args: &[Arg], sign: Sign) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    let types = (&args[0].slot.ty, &args[1].slot.ty);
    let whole = |params: [Type; 2], ty: Type| Binding {
        params: params.into(),
        result: strict(args, ty.clone()),
        kernel: Kernel::own(move |ops, _| whole_sum(ops, sign, &ty)),
    };
    match types {
        (Type::Timestamp, Type::Timestamp) if sign == Sign::Minus => {
            return Ok(whole([Type::Timestamp, Type::Timestamp], Type::Duration));
        }
        (Type::Timestamp, Type::Duration) => {
            return Ok(whole([Type::Timestamp, Type::Duration], Type::Timestamp));
        }
        (Type::Duration, Type::Timestamp) if sign == Sign::Plus => {
            return Ok(whole([Type::Duration, Type::Timestamp], Type::Timestamp));
        }
        (Type::Duration, Type::Duration) => {
            return Ok(whole([Type::Duration, Type::Duration], Type::Duration));
        }
        (Type::Timestamp | Type::Duration, _) => return Err(wrong(args, 1, "a duration")),
        (_, Type::Timestamp | Type::Duration) => return Err(wrong(args, 0, "a timestamp or a duration")),
        _ => {}
    }
    match numeric_pair(args)? {
        Type::Int => Ok(whole([Type::Int, Type::Int], Type::Int)),
        Type::Float => Ok(Binding {
            params: vec![Type::Float, Type::Float],
            result: strict(args, Type::Float),
            kernel: match sign {
                Sign::Plus => Kernel::own(|ops, rows| float_binary(ops, rows, |x, y| x + y)),
                Sign::Minus => Kernel::own(|ops, rows| float_binary(ops, rows, |x, y| x - y)),
            },
        }),
        _ => {
            let (a, b) = decimal_pair(args);
            let ((digits, scale), roomy) = common_decimal(a, b);
            // One more digit for the carry, as long as there is one.
            let precision = if roomy { (digits + 1).min(DIGITS) } else { DIGITS };
            Ok(Binding {
                params: vec![Type::Decimal(a.0, a.1), Type::Decimal(b.0, b.1)],
                result: strict(args, Type::Decimal(precision, scale)),
                kernel: Kernel::own(move |ops, _| {
                    let sum = match sign {
                        Sign::Plus => numeric::add(&ops[0], &ops[1])?,
                        Sign::Minus => numeric::sub(&ops[0], &ops[1])?,
                    };
                    as_decimal_of(&sum, precision, scale)
                }),
            })
        }
    }
}

fn product(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    let whole = |params: [Type; 2], ty: Type| Binding {
        params: params.into(),
        result: strict(args, ty.clone()),
        kernel: Kernel::own(move |ops, _| {
            let product = numeric::mul(&as_ints(&ops[0]), &as_ints(&ops[1]))?;
            Ok(tagged(product.as_primitive::<Int64Type>().clone(), &ty))
        }),
    };
    match (&args[0].slot.ty, &args[1].slot.ty) {
        (Type::Duration, Type::Int) => return Ok(whole([Type::Duration, Type::Int], Type::Duration)),
        (Type::Int, Type::Duration) => return Ok(whole([Type::Int, Type::Duration], Type::Duration)),
        (Type::Duration, _) => return Err(wrong(args, 1, "an int")),
        (_, Type::Duration) => return Err(wrong(args, 0, "an int")),
        _ => {}
    }
    match numeric_pair(args)? {
        Type::Int => Ok(whole([Type::Int, Type::Int], Type::Int)),
        Type::Float => Ok(Binding {
            params: vec![Type::Float, Type::Float],
            result: strict(args, Type::Float),
            kernel: Kernel::own(|ops, rows| float_binary(ops, rows, |x, y| x * y)),
        }),
        _ => {
            let (a, b) = decimal_pair(args);
            let scale = i16::from(a.1) + i16::from(b.1);
            if scale > i16::from(DIGITS) {
                return Err(FunctionError::Scale { scale: scale.unsigned_abs().into() });
            }
            let (precision, scale) = ((a.0 + b.0).min(DIGITS), scale as i8);
            Ok(Binding {
                params: vec![Type::Decimal(a.0, a.1), Type::Decimal(b.0, b.1)],
                result: strict(args, Type::Decimal(precision, scale)),
                kernel: Kernel::own(move |ops, _| {
                    as_decimal_of(&numeric::mul(&ops[0], &ops[1])?, precision, scale)
                }),
            })
        }
    }
}

fn quotient(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    let result = Slot { ty: Type::Float, nullable: nullable(args) || may_be_zero(&args[1]) };
    if (&args[0].slot.ty, &args[1].slot.ty) == (&Type::Duration, &Type::Duration) {
        let kernel = Kernel::own(|ops, rows| {
            let floats = |op: &Operand| {
                let ints = column::int64(op.array());
                op.with(Arc::new(ints.unary::<_, Float64Type>(|x| x as f64)))
            };
            divide(&[floats(&ops[0]), floats(&ops[1])], rows)
        });
        return Ok(Binding { params: vec![Type::Duration, Type::Duration], result, kernel });
    }
    number(args, 0)?;
    number(args, 1)?;
    Ok(Binding { params: vec![Type::Float, Type::Float], result, kernel: Kernel::own(divide) })
}

fn floor(args: &[Arg], which: Floor) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    let slot = |ty: Type| Slot { ty, nullable: nullable(args) || may_be_zero(&args[1]) };
    Ok(match numeric_pair(args)? {
        Type::Int => Binding {
            params: vec![Type::Int, Type::Int],
            result: slot(Type::Int),
            kernel: Kernel::own(move |ops, rows| {
                let (a, b) = (ops[0].ints(), ops[1].ints());
                let values = each(ops, rows, |row| match (a.at(row), b.at(row), which) {
                    (_, 0, _) => Ok(None),
                    (a, b, Floor::Quotient) => floor_quotient(a, b).map(Some),
                    (a, b, Floor::Remainder) => Ok(Some(floor_remainder(a.into(), b.into()) as i64)),
                })?;
                Ok(ints(values, &Type::Int))
            }),
        },
        Type::Float => Binding {
            params: vec![Type::Float, Type::Float],
            result: slot(Type::Float),
            kernel: Kernel::own(move |ops, rows| {
                let (a, b) = (ops[0].floats(), ops[1].floats());
                let values = each(ops, rows, |row| {
                    let (a, b) = (a.at(row), b.at(row));
                    if b == 0.0 {
                        return Ok(None);
                    }
                    let rest = a % b;
                    // `%` has the sign of `a`; the language's has the sign of `b`.
                    let rest = if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest };
                    let value = if which == Floor::Remainder { rest } else { ((a - rest) / b).round() };
                    if value.is_finite() { Ok(Some(value)) } else { Err(TOO_BIG) }
                })?;
                Ok(super::operand::floats(values))
            }),
        },
        _ => {
            let (a, b) = decimal_pair(args);
            let scale = a.1.max(b.1);
            let (precision, result_scale) = match which {
                Floor::Quotient => (DIGITS, 0),
                Floor::Remainder => (DIGITS, scale),
            };
            let (up_a, up_b) = ((scale - a.1).unsigned_abs().into(), (scale - b.1).unsigned_abs().into());
            Binding {
                params: vec![Type::Decimal(a.0, a.1), Type::Decimal(b.0, b.1)],
                result: slot(Type::Decimal(precision, result_scale)),
                kernel: Kernel::own(move |ops, rows| {
                    let (a, b) = (ops[0].decimals(), ops[1].decimals());
                    let values = each(ops, rows, |row| {
                        let a = decimal::shift(a.at(row), up_a).ok_or(TOO_BIG)?;
                        let b = decimal::shift(b.at(row), up_b).ok_or(TOO_BIG)?;
                        if b == 0 {
                            return Ok(None);
                        }
                        let rest = floor_remainder(a, b);
                        Ok(Some(if which == Floor::Remainder { rest } else { (a - rest) / b }))
                    })?;
                    super::operand::decimals(values, precision, result_scale)
                }),
            }
        }
    })
}

fn negative(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    let ty = args[0].slot.ty.clone();
    let kernel = match &ty {
        Type::Int | Type::Duration => {
            let ty = ty.clone();
            Kernel::own(move |ops, _| {
                let negated = numeric::neg(&column::int64(ops[0].array()))?;
                Ok(tagged(negated.as_primitive::<Int64Type>().clone(), &ty))
            })
        }
        Type::Float => Kernel::own(|ops, _| {
            Ok(Arc::new(ops[0].array().as_primitive::<Float64Type>().unary::<_, Float64Type>(|x| 0.0 - x)))
        }),
        Type::Decimal(..) => Kernel::own(|ops, _| Ok(numeric::neg(ops[0].array())?)),
        _ => return Err(wrong(args, 0, "a number or a duration")),
    };
    Ok(Binding { params: vec![ty.clone()], result: strict(args, ty), kernel })
}

/// Whether a divisor may be 0: it is not a number other than 0 that stands in the text.
fn may_be_zero(divisor: &Arg) -> bool {
    match &divisor.literal {
        Some(Value::Int(x)) => *x == 0,
        Some(Value::Float(x)) => *x == 0.0,
        Some(Value::Decimal(x)) => *x == 0,
        _ => true,
    }
}

fn as_ints(op: &Operand) -> Operand {
    op.with(Arc::new(column::int64(op.array())))
}

fn whole_sum(ops: &[Operand], sign: Sign, ty: &Type) -> Result<ArrayRef, Fault> {
    let (a, b) = (as_ints(&ops[0]), as_ints(&ops[1]));
    let sum = match sign {
        Sign::Plus => numeric::add(&a, &b)?,
        Sign::Minus => numeric::sub(&a, &b)?,
    };
    let sum: &Int64Array = sum.as_primitive();
    Ok(tagged(sum.clone(), ty))
}

fn as_decimal_of(array: &ArrayRef, precision: u8, scale: i8) -> Result<ArrayRef, Fault> {
    let array = array.as_primitive::<Decimal128Type>().clone().with_precision_and_scale(precision, scale)?;
    array.validate_decimal_precision(precision).map_err(|_| TOO_BIG)?;
    Ok(Arc::new(array))
}

fn floor_quotient(a: i64, b: i64) -> Result<i64, Fault> {
    let (a, b) = (i128::from(a), i128::from(b));
    i64::try_from((a - floor_remainder(a, b)) / b).map_err(|_| TOO_BIG)
}

/// What floor division leaves: it has the sign of `b`.
fn floor_remainder(a: i128, b: i128) -> i128 {
    let rest = a.wrapping_rem(b);
    if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
}

/// Both operands as floats, a value a row of the longer.
fn float_binary(ops: &[Operand], rows: usize, f: impl Fn(f64, f64) -> f64) -> Result<ArrayRef, Fault> {
    let values = apply(ops, rows, f);
    if values.values().iter().all(|x| x.is_finite()) {
        return Ok(Arc::new(values));
    }
    // What stands below a null is not a value.
    let infinite = (0..values.len()).any(|row| values.is_valid(row) && !values.value(row).is_finite());
    if infinite { Err(TOO_BIG) } else { Ok(Arc::new(values)) }
}

/// `f` of both operands, `-0.0` as `0.0`; null where one is null.
fn apply(ops: &[Operand], rows: usize, f: impl Fn(f64, f64) -> f64) -> Float64Array {
    let (a, b) = (ops[0].array().as_primitive::<Float64Type>(), ops[1].array().as_primitive::<Float64Type>());
    let nulls = valid(ops, rows);
    let values: Vec<f64> = match (ops[0].is_constant(), ops[1].is_constant()) {
        (true, true) => vec![f(a.value(0), b.value(0)) + 0.0; rows],
        (true, false) => b.values().iter().map(|&y| f(a.value(0), y) + 0.0).collect(),
        (false, true) => a.values().iter().map(|&x| f(x, b.value(0)) + 0.0).collect(),
        (false, false) => a.values().iter().zip(b.values()).map(|(&x, &y)| f(x, y) + 0.0).collect(),
    };
    Float64Array::new(values.into(), nulls)
}

fn divide(ops: &[Operand], rows: usize) -> Result<ArrayRef, Fault> {
    let values = apply(ops, rows, |x, y| x / y);
    if values.values().iter().all(|x| x.is_finite()) {
        return Ok(Arc::new(values));
    }
    let divisor = ops[1].floats();
    let checked = (0..rows)
        .map(|row| {
            let value = values.value(row);
            if values.is_null(row) || divisor.at(row) == 0.0 {
                Ok(None)
            } else if value.is_finite() {
                Ok(Some(value))
            } else {
                Err(TOO_BIG)
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(super::operand::floats(checked))
}
