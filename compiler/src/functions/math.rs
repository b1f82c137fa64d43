//! Functions of floats, and a few of integers. All but `sqrt` come from `libm`, so that a value does
//! not depend on the platform that computes it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use super::operand::{Operand, each, floats, ints};
use super::types::{arity, exactly, nullable, number, strict, wrong};
use super::{Arg, Binding, Fault, Function, FunctionError, Kernel, operand};

pub(super) const FUNCTIONS: &[Function] = &[
    function("abs", "abs(x)", &["x"], "The distance from 0; of numbers and durations.", abs),
    function("sign", "sign(x)", &["x"], "-1, 0 or 1 as an `int`.", sign),
    function("sqrt", "sqrt(x)", &["x"], "The square root; null below 0.", |args| {
        partial(args, |x| (x >= 0.0).then(|| x.sqrt()))
    }),
    function("cbrt", "cbrt(x)", &["x"], "The cube root.", |args| total(args, libm::cbrt)),
    function("exp", "exp(x)", &["x"], "e to the power of `x`.", |args| total(args, libm::exp)),
    function("ln", "ln(x)", &["x"], "The natural logarithm; null at 0 and below.", |args| {
        partial(args, |x| (x > 0.0).then(|| libm::log(x)))
    }),
    function("log2", "log2(x)", &["x"], "The logarithm to base 2; null at 0 and below.", |args| {
        partial(args, |x| (x > 0.0).then(|| libm::log2(x)))
    }),
    function("log10", "log10(x)", &["x"], "The logarithm to base 10; null at 0 and below.", |args| {
        partial(args, |x| (x > 0.0).then(|| libm::log10(x)))
    }),
    function(
        "log",
        "log(x) or log(base, x)",
        &[],
        "The logarithm to `base`, or to base 10; null where there is none.",
        log,
    ),
    function(
        "power",
        "power(x, y)",
        &["x", "y"],
        "`x` to the power of `y`, also `pow`; null where there is none, as for `power(-1, 0.5)` and `power(0, -1)`.",
        power,
    ),
    function("sin", "sin(x)", &["x"], "The sine of an angle in radians.", |args| total(args, libm::sin)),
    function("cos", "cos(x)", &["x"], "The cosine of an angle in radians.", |args| total(args, libm::cos)),
    function("tan", "tan(x)", &["x"], "The tangent of an angle in radians.", |args| total(args, libm::tan)),
    function("asin", "asin(x)", &["x"], "The angle whose sine is `x`; null outside -1 to 1.", |args| {
        partial(args, |x| (-1.0..=1.0).contains(&x).then(|| libm::asin(x)))
    }),
    function("acos", "acos(x)", &["x"], "The angle whose cosine is `x`; null outside -1 to 1.", |args| {
        partial(args, |x| (-1.0..=1.0).contains(&x).then(|| libm::acos(x)))
    }),
    function("atan", "atan(x)", &["x"], "The angle whose tangent is `x`.", |args| total(args, libm::atan)),
    function("atan2", "atan2(y, x)", &["y", "x"], "The angle of the point (`x`, `y`).", atan2),
    function("tanh", "tanh(x)", &["x"], "The hyperbolic tangent.", |args| total(args, libm::tanh)),
    function("pi", "pi()", &[], "The ratio of a circle's circumference to its diameter.", pi),
    function("sigmoid", "sigmoid(x)", &["x"], "`1 / (1 + exp(-x))`.", |args| total(args, sigmoid)),
    function("gcd", "gcd(a, b)", &["a", "b"], "The greatest `int` that divides both; `gcd(0, 0)` is 0.", gcd),
];

constructor!(function, Math);

const TOO_BIG: Fault = Fault(std::borrow::Cow::Borrowed("the result does not fit a float"));

fn one_float(args: &[Arg]) -> Result<(), FunctionError> {
    arity(args, 1..=1, "one argument")?;
    number(args, 0).map(drop)
}

/// A function that has a value for every float.
fn total(args: &[Arg], f: fn(f64) -> f64) -> Result<Binding, FunctionError> {
    one_float(args)?;
    Ok(Binding {
        params: vec![Type::Float],
        result: strict(args, Type::Float),
        kernel: Kernel::own(move |ops, rows| each_float(ops, rows, |x| Some(f(x)))),
    })
}

/// A function that has a value for some floats.
fn partial(args: &[Arg], f: fn(f64) -> Option<f64>) -> Result<Binding, FunctionError> {
    one_float(args)?;
    Ok(Binding {
        params: vec![Type::Float],
        result: Slot::nullable(Type::Float),
        kernel: Kernel::own(move |ops, rows| each_float(ops, rows, f)),
    })
}

fn each_float(ops: &[Operand], rows: usize, f: impl Fn(f64) -> Option<f64>) -> Result<ArrayRef, Fault> {
    let x = ops[0].floats();
    Ok(floats(each(ops, rows, |row| finite(f(x.at(row))))?))
}

/// Refuses what is beyond the floats.
fn finite(value: Option<f64>) -> Result<Option<f64>, Fault> {
    match value {
        Some(x) if !x.is_finite() => Err(TOO_BIG),
        value => Ok(value),
    }
}

fn two_floats(
    args: &[Arg],
    result: Slot,
    f: impl Fn(f64, f64) -> Option<f64> + Send + Sync + 'static,
) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    number(args, 0)?;
    number(args, 1)?;
    let kernel = Kernel::own(move |ops, rows| {
        let (x, y) = (ops[0].floats(), ops[1].floats());
        Ok(floats(each(ops, rows, |row| finite(f(x.at(row), y.at(row))))?))
    });
    Ok(Binding { params: vec![Type::Float, Type::Float], result, kernel })
}

fn log(args: &[Arg]) -> Result<Binding, FunctionError> {
    if args.len() == 1 {
        return partial(args, |x| (x > 0.0).then(|| libm::log10(x)));
    }
    two_floats(args, Slot::nullable(Type::Float), |base, x| {
        let exists = base > 0.0 && base.to_bits() != 1.0_f64.to_bits() && x > 0.0;
        exists.then(|| match base {
            // These two are exact for powers of their base.
            2.0 => libm::log2(x),
            10.0 => libm::log10(x),
            _ => libm::log(x) / libm::log(base),
        })
    })
}

fn power(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    // A whole exponent of 0 or more has a power of every number.
    let whole = match &args[1].literal {
        Some(Value::Int(x)) => *x >= 0,
        Some(Value::Float(x)) => *x >= 0.0 && x.trunc().to_bits() == x.to_bits(),
        _ => false,
    };
    let result = Slot { ty: Type::Float, nullable: nullable(args) || !whole };
    two_floats(args, result, |x, y| {
        let value = libm::pow(x, y);
        if value.is_nan() || (x == 0.0 && y < 0.0) { None } else { Some(value) }
    })
}

fn atan2(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    two_floats(args, strict(args, Type::Float), |y, x| Some(libm::atan2(y, x)))
}

fn pi(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 0..=0, "no arguments")?;
    Ok(Binding {
        params: Vec::new(),
        result: Slot::required(Type::Float),
        kernel: Kernel::own(|_, rows| Ok(Arc::new(Float64Array::from(vec![std::f64::consts::PI; rows])))),
    })
}

fn sigmoid(x: f64) -> f64 {
    // The exponent is never positive, so it cannot leave the floats.
    let small = libm::exp(-x.abs());
    if x >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

fn abs(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    let ty = args[0].slot.ty.clone();
    let too_big = || Fault("the result does not fit its type".into());
    let kernel = match &ty {
        Type::Int | Type::Duration => {
            let ty = ty.clone();
            Kernel::own(move |ops, rows| {
                let x = ops[0].ints();
                Ok(ints(each(ops, rows, |row| x.at(row).checked_abs().ok_or_else(too_big).map(Some))?, &ty))
            })
        }
        Type::Float => Kernel::own(|ops, rows| each_float(ops, rows, |x| Some(x.abs()))),
        Type::Decimal(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            Kernel::own(move |ops, rows| {
                let x = ops[0].decimals();
                operand::decimals(each(ops, rows, |row| Ok(Some(x.at(row).abs())))?, precision, scale)
            })
        }
        _ => return Err(wrong(args, 0, "a number or a duration")),
    };
    Ok(Binding { params: vec![ty.clone()], result: strict(args, ty), kernel })
}

fn sign(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    let ty = args[0].slot.ty.clone();
    let kernel = match &ty {
        Type::Int | Type::Duration => Kernel::own(|ops, rows| {
            let x = ops[0].ints();
            Ok(ints(each(ops, rows, |row| Ok(Some(x.at(row).signum())))?, &Type::Int))
        }),
        Type::Float => Kernel::own(|ops, rows| {
            let x = ops[0].floats();
            let sign = |x: f64| i64::from(x > 0.0) - i64::from(x < 0.0);
            Ok(ints(each(ops, rows, |row| Ok(Some(sign(x.at(row)))))?, &Type::Int))
        }),
        Type::Decimal(..) => Kernel::own(|ops, rows| {
            let x = ops[0].decimals();
            Ok(ints(each(ops, rows, |row| Ok(Some(x.at(row).signum() as i64)))?, &Type::Int))
        }),
        _ => return Err(wrong(args, 0, "a number or a duration")),
    };
    Ok(Binding { params: vec![ty], result: strict(args, Type::Int), kernel })
}

fn gcd(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    exactly(args, 0, &Type::Int, "an int")?;
    exactly(args, 1, &Type::Int, "an int")?;
    let kernel = Kernel::own(|ops, rows| {
        let (a, b) = (ops[0].ints(), ops[1].ints());
        let values = each(ops, rows, |row| {
            let (mut a, mut b) = (a.at(row).unsigned_abs(), b.at(row).unsigned_abs());
            while b != 0 {
                (a, b) = (b, a % b);
            }
            i64::try_from(a).map(Some).map_err(|_| Fault("the result does not fit an int".into()))
        })?;
        Ok(ints(values, &Type::Int))
    });
    Ok(Binding { params: vec![Type::Int, Type::Int], result: strict(args, Type::Int), kernel })
}
