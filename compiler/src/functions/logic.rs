//! `and`, `or`, `not` in three values, and the tests for null.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::compute::kernels::boolean;
use arrow::error::ArrowError;
use feat_kernel::types::{Slot, Type};

use super::types::{arity, exactly, strict};
use super::{Arg, Binding, Function, FunctionError, Kernel};

pub(super) const FUNCTIONS: &[Function] = &[
    operator("and", "a and b", &["a", "b"], "Whether both are true; `false and null` is false.", |args| {
        both(args, boolean::and_kleene)
    }),
    operator("or", "a or b", &["a", "b"], "Whether one is true; `true or null` is true.", |args| {
        both(args, boolean::or_kleene)
    }),
    operator("not", "not a", &["a"], "Whether it is false.", not),
    operator("is_null", "a is null", &["a"], "Whether there is no value. Never null.", |args| {
        presence(args, boolean::is_null)
    }),
    operator("is_not_null", "a is not null", &["a"], "Whether there is a value. Never null.", |args| {
        presence(args, boolean::is_not_null)
    }),
];

constructor!(operator, Operator);

// Both sides are always evaluated: whether a row errs must not depend on the rows beside it.
fn both(
    args: &[Arg],
    kernel: fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, ArrowError>,
) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    exactly(args, 0, &Type::Bool, "a bool")?;
    exactly(args, 1, &Type::Bool, "a bool")?;
    Ok(Binding {
        params: vec![Type::Bool, Type::Bool],
        result: strict(args, Type::Bool),
        kernel: Kernel::own(move |ops, rows| {
            let (a, b) = (ops[0].expand(rows)?, ops[1].expand(rows)?);
            Ok(Arc::new(kernel(a.as_boolean(), b.as_boolean())?))
        }),
    })
}

fn not(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    exactly(args, 0, &Type::Bool, "a bool")?;
    Ok(Binding {
        params: vec![Type::Bool],
        result: strict(args, Type::Bool),
        kernel: Kernel::own(|ops, rows| Ok(Arc::new(boolean::not(ops[0].expand(rows)?.as_boolean())?))),
    })
}

fn presence(
    args: &[Arg],
    kernel: fn(&dyn Array) -> Result<BooleanArray, ArrowError>,
) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    Ok(Binding {
        params: vec![args[0].slot.ty.clone()],
        result: Slot::required(Type::Bool),
        kernel: Kernel::own(move |ops, rows| Ok(Arc::new(kernel(ops[0].expand(rows)?.as_ref())?))),
    })
}
