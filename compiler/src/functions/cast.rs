//! `x as T` and `try_cast(x, T)`: one value in another type, exactly or not at all.
//!
//! A cast never changes a value: `1.5 as int` does not fit, `round(1.5) as int` does. The one
//! exception is written in the target: a number as `float` is the nearest float. Casts between
//! timestamps and dates do not exist, since a date needs a zone: `to_date(t, tz: …)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray, StructArray};
use arrow::datatypes::{Fields, Float64Type, Int64Type};
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};

use super::operand::{Operand, bools, decimals, each, ints, texts};
use super::{Columns, Fault, decimal};

/// What becomes of a value that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// An evaluation error.
    Strict,
    /// Null.
    Try,
}

/// Whether `x as to` has a meaning for `x` of type `from`.
pub fn castable(from: &Type, to: &Type) -> bool {
    kernel(from, to, Mode::Strict).is_some()
}

/// Whether every value of `from` is a value of `to` without anything written: `int` to `float` and
/// `decimal`, a decimal to a roomier one, `enum` to `string`, and the same within lists and structs.
pub fn widens(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (from, to) if from == to => true,
        (Type::Int, Type::Float | Type::Decimal(..)) | (Type::Enum(_), Type::String) => true,
        (Type::Decimal(p, s), Type::Decimal(q, t)) => {
            t >= s && i16::from(*q) - i16::from(*t) >= i16::from(*p) - i16::from(*s)
        }
        (Type::List(a), Type::List(b)) => widens_slot(a, b),
        (Type::Struct(a), Type::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((m, x), (n, y))| m == n && widens_slot(x, y))
        }
        _ => false,
    }
}

fn widens_slot(from: &Slot, to: &Slot) -> bool {
    (to.nullable || !from.nullable) && widens(&from.ty, &to.ty)
}

/// The slot of `x as to` (`try_cast(x, to)`); `None` where it has no meaning.
pub fn result(from: &Slot, to: &Type, mode: Mode) -> Option<Slot> {
    castable(&from.ty, to).then(|| Slot { ty: to.clone(), nullable: from.nullable || mode == Mode::Try })
}

/// The strict conversion of a column, `None` if the types are carried by the same Arrow type.
pub(super) fn columns(from: &Type, to: &Type) -> Option<Box<Columns>> {
    if from.arrow() == to.arrow() && !matches!(to, Type::Enum(_)) {
        return None;
    }
    kernel(from, to, Mode::Strict)
}

/// What casts a column.
pub(crate) fn kernel(from: &Type, to: &Type, mode: Mode) -> Option<Box<Columns>> {
    let (from, to) = (from.clone(), to.clone());
    Some(match (&from, &to) {
        (from, to) if from == to => Box::new(|ops, rows| ops[0].expand(rows)),
        (Type::Enum(_), Type::String) => Box::new(|ops, rows| ops[0].expand(rows)),
        (Type::Int, Type::Float) => Box::new(|ops, rows| {
            let ints = ops[0].expand(rows)?;
            Ok(Arc::new(ints.as_primitive::<Int64Type>().unary::<_, Float64Type>(|x| x as f64)))
        }),
        (Type::Int | Type::Bool | Type::Duration, Type::String) => {
            let from = from.clone();
            Box::new(move |ops, rows| Ok(texts(each(ops, rows, |row| Ok(Some(shown(&from, &ops[0], row))))?)))
        }
        (Type::Bool, Type::Int) => Box::new(|ops, rows| {
            Ok(ints(each(ops, rows, |row| Ok(Some(ops[0].bools().at(row).into())))?, &Type::Int))
        }),
        (Type::Int, Type::Decimal(precision, scale)) => {
            let (precision, scale) = (*precision, *scale);
            Box::new(move |ops, rows| {
                let x = ops[0].ints();
                to_decimal(ops, rows, mode, precision, scale, |row| i128::from(x.at(row)).into())
            })
        }
        (Type::Decimal(_, from), Type::Decimal(precision, scale)) => {
            let (from, precision, scale) = (*from, *precision, *scale);
            Box::new(move |ops, rows| {
                let x = ops[0].decimals();
                let unit = 10_i128.pow((from - scale).max(0).unsigned_abs().into());
                let up = (scale - from).max(0).unsigned_abs().into();
                let rescale = |x: i128| if x % unit == 0 { decimal::shift(x / unit, up) } else { None };
                each_decimal(ops, rows, mode, precision, scale, |row| rescale(x.at(row)))
            })
        }
        (Type::Decimal(_, scale), Type::Float) => {
            let scale = *scale;
            Box::new(move |ops, rows| {
                let x = ops[0].decimals();
                let values = each(ops, rows, |row| Ok(Some(decimal::to_float(x.at(row), scale))))?;
                Ok(Arc::new(Float64Array::from(values)))
            })
        }
        (Type::Decimal(_, scale), Type::Int) => {
            let (scale, to) = (*scale, to.clone());
            Box::new(move |ops, rows| {
                let x = ops[0].decimals();
                let unit = 10_i128.pow(scale.max(0).unsigned_abs().into());
                let whole = |x: i128| if x % unit == 0 { i64::try_from(x / unit).ok() } else { None };
                Ok(ints(each(ops, rows, |row| fit(mode, whole(x.at(row)), &to))?, &to))
            })
        }
        (Type::Decimal(_, scale), Type::String) => {
            let scale = *scale;
            Box::new(move |ops, rows| {
                let x = ops[0].decimals();
                Ok(texts(each(ops, rows, |row| Ok(Some(decimal::to_text(x.at(row), scale))))?))
            })
        }
        (Type::Float, Type::Int) => Box::new(move |ops, rows| {
            let x = ops[0].floats();
            Ok(ints(each(ops, rows, |row| fit(mode, whole(x.at(row)), &Type::Int))?, &Type::Int))
        }),
        (Type::Float, Type::Decimal(precision, scale)) => {
            let (precision, scale) = (*precision, *scale);
            Box::new(move |ops, rows| {
                let x = ops[0].floats();
                // The shortest text that reads back as the same float is what its author means.
                let parse = |x: f64| decimal::parse(&format!("{x:e}"), scale);
                each_decimal(ops, rows, mode, precision, scale, |row| parse(x.at(row)))
            })
        }
        (Type::Float, Type::String) => Box::new(|ops, rows| {
            let x = ops[0].floats();
            Ok(texts(each(ops, rows, |row| Ok(Some(float_text(x.at(row)))))?))
        }),
        (Type::Timestamp | Type::Date, Type::String) => {
            let from = from.clone();
            Box::new(move |ops, rows| Ok(texts(each(ops, rows, |row| Ok(Some(shown(&from, &ops[0], row))))?)))
        }
        (Type::String, Type::Bytes) => {
            Box::new(|ops, rows| Ok(arrow::compute::cast(&ops[0].expand(rows)?, &Type::Bytes.arrow())?))
        }
        (Type::Bytes, Type::String) => Box::new(move |ops, rows| {
            let x = ops[0].bytes();
            Ok(texts(each(ops, rows, |row| {
                fit(mode, std::str::from_utf8(x.at(row)).ok().map(str::to_owned), &Type::String)
            })?))
        }),
        (Type::String | Type::Enum(_), to) => return from_text(to, mode),
        (Type::List(a), Type::List(b)) if b.nullable || !a.nullable => list(a, b, mode)?,
        (Type::Struct(a), Type::Struct(b)) if a.len() == b.len() => fields(a, b, mode)?,
        _ => return None,
    })
}

/// A value as text, of the types that have one form.
fn shown(ty: &Type, op: &Operand, row: usize) -> String {
    match ty {
        Type::Bool => op.bools().at(row).to_string(),
        Type::Duration => feat_kernel::time::Micros(op.ints().at(row)).to_string(),
        Type::Timestamp => Instant(op.ints().at(row)).to_string(),
        Type::Date => super::time::date_text(op.days().at(row)),
        _ => op.ints().at(row).to_string(),
    }
}

/// The shortest text that reads back as the same float, with a point: `1.0`, `1e300`.
pub(super) fn float_text(x: f64) -> String {
    format!("{x:?}")
}

fn from_text(to: &Type, mode: Mode) -> Option<Box<Columns>> {
    macro_rules! parsed {
        ($build:expr, $parse:expr) => {{
            let to = to.clone();
            Box::new(move |ops: &[Operand], rows: usize| {
                let text = ops[0].texts();
                let values = each(ops, rows, |row| fit(mode, $parse(text.at(row)), &to))?;
                $build(values)
            })
        }};
    }
    Some(match to {
        Type::Int => parsed!(|x| Ok(ints(x, &Type::Int)), |text: &str| text.parse::<i64>().ok()),
        Type::Float => parsed!(|x| Ok(super::operand::floats(x)), |text: &str| {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            if plain { text.parse::<f64>().ok().filter(|x| x.is_finite()) } else { None }
        }),
        Type::Bool => parsed!(|x| Ok(bools(x)), |text: &str| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }),
        Type::Decimal(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            Box::new(move |ops, rows| {
                let text = ops[0].texts();
                each_decimal(ops, rows, mode, precision, scale, |row| decimal::parse(text.at(row), scale))
            })
        }
        Type::Enum(names) => {
            let names = Arc::clone(names);
            let ty = to.clone();
            Box::new(move |ops, rows| {
                let text = ops[0].texts();
                let known = |text: &str| names.iter().any(|name| name == text).then(|| text.to_owned());
                Ok(texts(each(ops, rows, |row| fit(mode, known(text.at(row)), &ty))?))
            })
        }
        Type::Timestamp => {
            parsed!(|x| Ok(ints(x, &Type::Timestamp)), |text: &str| Instant::parse(text).map(|t| t.0))
        }
        Type::Date => parsed!(super::time::dates, super::time::parse_date),
        _ => return None,
    })
}

fn list(from: &Slot, to: &Slot, mode: Mode) -> Option<Box<Columns>> {
    let item = kernel(&from.ty, &to.ty, mode)?;
    let nullable = to.nullable || mode == Mode::Strict;
    if !nullable {
        return None;
    }
    let field = Arc::new(to.field("item"));
    Some(Box::new(move |ops, rows| {
        let array = ops[0].expand(rows)?;
        let lists = array.as_list::<i32>();
        let items = Operand::column(Arc::clone(lists.values()));
        let items = item(&[items], lists.values().len())?;
        Ok(Arc::new(ListArray::try_new(
            Arc::clone(&field),
            lists.offsets().clone(),
            items,
            lists.nulls().cloned(),
        )?))
    }))
}

fn fields(from: &[(String, Slot)], to: &[(String, Slot)], mode: Mode) -> Option<Box<Columns>> {
    let mut kernels = Vec::new();
    for ((name, a), (other, b)) in from.iter().zip(to) {
        if name != other || (a.nullable && !b.nullable) || (mode == Mode::Try && !b.nullable) {
            return None;
        }
        kernels.push(kernel(&a.ty, &b.ty, mode)?);
    }
    let fields: Fields = to.iter().map(|(name, slot)| slot.field(name)).collect();
    Some(Box::new(move |ops, rows| {
        let array = ops[0].expand(rows)?;
        let columns = array.as_struct();
        let cast = kernels
            .iter()
            .zip(columns.columns())
            .map(|(kernel, column)| kernel(&[Operand::column(Arc::clone(column))], rows))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(StructArray::try_new(fields.clone(), cast, columns.nulls().cloned())?))
    }))
}

fn fit<T>(mode: Mode, value: Option<T>, to: &Type) -> Result<Option<T>, Fault> {
    match (value, mode) {
        (None, Mode::Strict) => Err(Fault(format!("the value does not fit {to}").into())),
        (value, _) => Ok(value),
    }
}

/// The integer that a float is, if it is one.
fn whole(x: f64) -> Option<i64> {
    // 2^63 itself is one too many, and the largest float below it fits.
    let fits = x.trunc().to_bits() == x.to_bits()
        && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x);
    fits.then_some(x as i64)
}

fn to_decimal(
    ops: &[Operand],
    rows: usize,
    mode: Mode,
    precision: u8,
    scale: i8,
    value: impl Fn(usize) -> Option<i128>,
) -> Result<ArrayRef, Fault> {
    let up = scale.max(0).unsigned_abs().into();
    each_decimal(ops, rows, mode, precision, scale, |row| decimal::shift(value(row)?, up))
}

fn each_decimal(
    ops: &[Operand],
    rows: usize,
    mode: Mode,
    precision: u8,
    scale: i8,
    value: impl Fn(usize) -> Option<i128>,
) -> Result<ArrayRef, Fault> {
    let limit = 10_u128.pow(precision.into());
    let ty = Type::Decimal(precision, scale);
    let fits = |x: &i128| x.unsigned_abs() < limit;
    decimals(each(ops, rows, |row| fit(mode, value(row).filter(fits), &ty))?, precision, scale)
}
