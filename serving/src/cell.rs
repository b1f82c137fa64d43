//! Key columns, read without a copy.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Int64Array,
    StringArray,
};
use feat_kernel::column;
use feat_kernel::types::Type;
use feat_kernel::value::ValueRef;

/// A key column by its physical form.
#[derive(Debug)]
pub(crate) enum Cells {
    Bool(BooleanArray),
    Int(Int64Array),
    Date(Date32Array),
    Decimal(Decimal128Array),
    Str(StringArray),
    Bytes(BinaryArray),
}

impl Cells {
    /// The cells of a column of type `ty`; the compiler lets no other types be keys.
    pub(crate) fn new(array: &ArrayRef, ty: &Type) -> Self {
        match ty {
            Type::Bool => Self::Bool(array.as_boolean().clone()),
            Type::Int => Self::Int(array.as_primitive().clone()),
            Type::Timestamp | Type::Duration => Self::Int(column::int64(array)),
            Type::Date => Self::Date(array.as_primitive().clone()),
            Type::Decimal(..) => Self::Decimal(array.as_primitive().clone()),
            Type::String | Type::Enum(_) => Self::Str(array.as_string().clone()),
            Type::Bytes => Self::Bytes(array.as_binary().clone()),
            other => panic!("invariant: a key is never of type {other}"),
        }
    }

    /// The value at `row`.
    pub(crate) fn get(&self, row: usize) -> ValueRef<'_> {
        match self {
            Self::Bool(x) if x.is_valid(row) => ValueRef::Bool(x.value(row)),
            Self::Int(x) if x.is_valid(row) => ValueRef::Int(x.value(row)),
            Self::Date(x) if x.is_valid(row) => ValueRef::Int(i64::from(x.value(row))),
            Self::Decimal(x) if x.is_valid(row) => ValueRef::Decimal(x.value(row)),
            Self::Str(x) if x.is_valid(row) => ValueRef::Str(x.value(row)),
            Self::Bytes(x) if x.is_valid(row) => ValueRef::Bytes(x.value(row)),
            _ => ValueRef::Null,
        }
    }
}
