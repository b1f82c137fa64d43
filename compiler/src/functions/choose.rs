//! Functions that return one of their arguments: `??`, `greatest`, `least`, `nullif`, `clip`.

use arrow::array::{Array, ArrayRef, BooleanArray, Datum};
use arrow::compute::kernels::{boolean, cmp, nullif, zip};
use arrow::error::ArrowError;
use feat_kernel::types::{Slot, Type};

use super::operand::{Operand, valid};
use super::types::{arity, strict, unify, wrong};
use super::{Arg, Binding, Fault, Function, FunctionError, Kernel};

pub(super) const FUNCTIONS: &[Function] = &[
    operator(
        "coalesce",
        "a ?? b",
        &["a", "b"],
        "The first that is not null; also `coalesce(a, b, …)`.",
        coalesce,
    ),
    function("greatest", "greatest(a, b, …)", &[], "The greatest; null where one is null.", |args| {
        extreme(args, cmp::gt_eq)
    }),
    function("least", "least(a, b, …)", &[], "The least; null where one is null.", |args| {
        extreme(args, cmp::lt_eq)
    }),
    function("nullif", "nullif(a, b)", &["a", "b"], "`a`, or null where it equals `b`.", null_if),
    function(
        "clip",
        "clip(x, lo, hi)",
        &["x", "lo", "hi"],
        "`greatest(lo, least(hi, x))`: `x` held between `lo` and `hi`.",
        clip,
    ),
];

constructor!(operator, Operator);
constructor!(function, Math);

type Compare = fn(&dyn Datum, &dyn Datum) -> Result<BooleanArray, ArrowError>;

fn coalesce(args: &[Arg]) -> Result<Binding, FunctionError> {
    if args.is_empty() {
        return Err(FunctionError::Arguments { expected: "at least one argument".into(), found: 0 });
    }
    let ty = unify(args)?;
    let kernel = Kernel::own(|ops, rows| {
        let mut found = ops[0].expand(rows)?;
        for op in &ops[1..] {
            if found.null_count() == 0 {
                break;
            }
            let there = boolean::is_not_null(found.as_ref())?;
            found = zip::zip(&there, &found, &op.expand(rows)?)?;
        }
        Ok(found)
    });
    let result = Slot { ty: ty.clone(), nullable: args.iter().all(|arg| arg.slot.nullable) };
    Ok(Binding { params: vec![ty; args.len()], result, kernel })
}

/// The common type of all arguments, which must have an order.
fn ordered(args: &[Arg]) -> Result<Type, FunctionError> {
    let ty = unify(args)?;
    if ty.is_ordered() { Ok(ty) } else { Err(wrong(args, 0, "a value with an order")) }
}

fn extreme(args: &[Arg], first: Compare) -> Result<Binding, FunctionError> {
    if args.is_empty() {
        return Err(FunctionError::Arguments { expected: "at least one argument".into(), found: 0 });
    }
    let ty = ordered(args)?;
    let kernel = Kernel::own(move |ops, rows| {
        let mut best = ops[0].expand(rows)?;
        for op in &ops[1..] {
            best = pick(first, &best, &op.expand(rows)?)?;
        }
        strictly(best, ops, rows)
    });
    Ok(Binding { params: vec![ty.clone(); args.len()], result: strict(args, ty), kernel })
}

fn clip(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 3..=3, "three arguments")?;
    let ty = ordered(args)?;
    let kernel = Kernel::own(|ops, rows| {
        let [x, low, high] = [ops[0].expand(rows)?, ops[1].expand(rows)?, ops[2].expand(rows)?];
        let value = pick(cmp::gt_eq, &low, &pick(cmp::lt_eq, &high, &x)?)?;
        strictly(value, ops, rows)
    });
    Ok(Binding { params: vec![ty.clone(); 3], result: strict(args, ty), kernel })
}

fn null_if(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    let ty = ordered(args)?;
    let kernel = Kernel::own(|ops, rows| {
        let (a, b) = (ops[0].expand(rows)?, ops[1].expand(rows)?);
        Ok(nullif::nullif(&a, &cmp::eq(&a, &b)?)?)
    });
    Ok(Binding { params: vec![ty.clone(); 2], result: Slot { ty, nullable: true }, kernel })
}

fn pick(first: Compare, a: &ArrayRef, b: &ArrayRef) -> Result<ArrayRef, Fault> {
    Ok(zip::zip(&first(a, b)?, a, b)?)
}

/// `value`, null where one of `ops` is.
fn strictly(value: ArrayRef, ops: &[Operand], rows: usize) -> Result<ArrayRef, Fault> {
    match valid(ops, rows) {
        Some(valid) => {
            let absent = BooleanArray::new(!valid.inner(), None);
            Ok(nullif::nullif(&value, &absent)?)
        }
        None => Ok(value),
    }
}
