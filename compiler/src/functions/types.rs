//! Rules that functions share about the types of their arguments.

use std::ops::RangeInclusive;

use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use super::{Arg, FunctionError};

/// The most digits a decimal has.
pub(super) const DIGITS: u8 = 38;

/// The digits that hold every `int`.
const INT_DIGITS: u8 = 19;

/// Whether there are as many arguments as `count`, in words `expected`.
pub(super) fn arity(
    args: &[Arg],
    count: RangeInclusive<usize>,
    expected: &'static str,
) -> Result<(), FunctionError> {
    if count.contains(&args.len()) {
        return Ok(());
    }
    Err(FunctionError::Arguments { expected: expected.into(), found: args.len() })
}

/// Whether some argument may be null: then so may a strict function's result.
pub(super) fn nullable(args: &[Arg]) -> bool {
    args.iter().any(|arg| arg.slot.nullable)
}

/// The slot of a strict function's result.
pub(super) fn strict(args: &[Arg], ty: Type) -> Slot {
    Slot { ty, nullable: nullable(args) }
}

/// The error of an argument at `index` that is not `expected`.
pub(super) fn wrong(args: &[Arg], index: usize, expected: &'static str) -> FunctionError {
    FunctionError::Type { index, expected: expected.into(), found: args[index].slot.ty.clone() }
}

/// The error of an argument at `index` that must be written in the text.
pub(super) fn unwritten(index: usize, expected: &'static str) -> FunctionError {
    FunctionError::Literal { index, expected: expected.into() }
}

/// Requires a string or an enum at `index`.
pub(super) fn text(args: &[Arg], index: usize) -> Result<(), FunctionError> {
    match args[index].slot.ty {
        Type::String | Type::Enum(_) => Ok(()),
        _ => Err(wrong(args, index, "a string")),
    }
}

/// Requires `ty` at `index`.
pub(super) fn exactly(
    args: &[Arg],
    index: usize,
    ty: &Type,
    expected: &'static str,
) -> Result<(), FunctionError> {
    if args[index].slot.ty == *ty { Ok(()) } else { Err(wrong(args, index, expected)) }
}

/// Requires a number at `index`.
pub(super) fn number(args: &[Arg], index: usize) -> Result<&Type, FunctionError> {
    let ty = &args[index].slot.ty;
    if ty.is_number() { Ok(ty) } else { Err(wrong(args, index, "a number")) }
}

/// The string written at `index`.
pub(super) fn written<'a>(
    args: &'a [Arg],
    index: usize,
    expected: &'static str,
) -> Result<&'a str, FunctionError> {
    text(args, index)?;
    match &args[index].literal {
        Some(Value::Str(text)) => Ok(text),
        _ => Err(unwritten(index, expected)),
    }
}

/// The whole number written at `index`.
pub(super) fn whole(args: &[Arg], index: usize, expected: &'static str) -> Result<i64, FunctionError> {
    exactly(args, index, &Type::Int, "a whole number")?;
    match &args[index].literal {
        Some(Value::Int(x)) => Ok(*x),
        _ => Err(unwritten(index, expected)),
    }
}

/// An argument as a decimal: its own type, or that of an `int`, as narrow as its text allows.
pub(super) fn as_decimal(arg: &Arg) -> Option<(u8, i8)> {
    match (&arg.slot.ty, &arg.literal) {
        (Type::Decimal(precision, scale), _) => Some((*precision, *scale)),
        (Type::Int, Some(Value::Int(x))) => Some((x.unsigned_abs().max(1).ilog10() as u8 + 1, 0)),
        (Type::Int, _) => Some((INT_DIGITS, 0)),
        _ => None,
    }
}

/// The decimal that holds both, and whether it really holds every value of both.
pub(super) fn common_decimal(a: (u8, i8), b: (u8, i8)) -> ((u8, i8), bool) {
    let scale = a.1.max(b.1);
    let before = (i16::from(a.0) - i16::from(a.1)).max(i16::from(b.0) - i16::from(b.1));
    let digits = before + i16::from(scale);
    ((digits.min(i16::from(DIGITS)) as u8, scale), digits <= i16::from(DIGITS))
}

/// The type to which all arguments widen: equal types stay, ints become floats or decimals, enums
/// strings. A string written in the text that lies in the enum's domain becomes the enum. A written
/// null has every type.
pub(super) fn unify(args: &[Arg]) -> Result<Type, FunctionError> {
    let mut common: Option<Arg> = None;
    for (index, arg) in args.iter().enumerate() {
        if matches!(arg.literal, Some(Value::Null)) {
            continue;
        }
        let Some(so_far) = &common else {
            common = Some(arg.clone());
            continue;
        };
        let ty = widest(so_far, arg).ok_or_else(|| FunctionError::Type {
            index,
            expected: so_far.slot.ty.to_string().into(),
            found: arg.slot.ty.clone(),
        })?;
        let literal = if ty == so_far.slot.ty { so_far.literal.clone() } else { None };
        common = Some(Arg { slot: Slot::required(ty), literal });
    }
    Ok(common.or_else(|| args.first().cloned()).map_or(Type::Bool, |arg| arg.slot.ty))
}

fn widest(a: &Arg, b: &Arg) -> Option<Type> {
    let in_domain = |domain: &[String], arg: &Arg| match &arg.literal {
        Some(Value::Str(text)) => domain.iter().any(|name| **name == **text),
        _ => false,
    };
    match (&a.slot.ty, &b.slot.ty) {
        (x, y) if x == y => Some(x.clone()),
        (Type::Int, Type::Float) | (Type::Float, Type::Int) => Some(Type::Float),
        (Type::Int | Type::Decimal(..), Type::Int | Type::Decimal(..)) => {
            let ((precision, scale), _) = common_decimal(as_decimal(a)?, as_decimal(b)?);
            Some(Type::Decimal(precision, scale))
        }
        (Type::Enum(domain), Type::String) => {
            Some(if in_domain(domain, b) { a.slot.ty.clone() } else { Type::String })
        }
        (Type::String, Type::Enum(_)) => widest(b, a),
        (Type::Enum(_), Type::Enum(_)) => Some(Type::String),
        _ => None,
    }
}
