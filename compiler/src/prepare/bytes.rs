//! Keys and ids of rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Date32Array, Decimal128Array,
    Float64Array, Int64Array, StringArray,
};
use feat_kernel::types::Type;
use feat_kernel::value::{Value, ValueRef};
use feat_kernel::{column, key, order};

/// A column by its physical form, so that a row is read without looking at types.
pub(super) enum Cells {
    Bool(BooleanArray),
    /// `int`, `timestamp`, `duration`.
    Int(Int64Array),
    Days(Date32Array),
    Float(Float64Array),
    Decimal(Decimal128Array),
    Str(StringArray),
    Bytes(BinaryArray),
    /// Everything else, copied out of Arrow once.
    Values(Arc<[Value]>),
}

impl Cells {
    pub(super) fn new(array: &ArrayRef, ty: &Type) -> Self {
        match ty {
            Type::Bool => Self::Bool(array.as_boolean().clone()),
            Type::Int | Type::Timestamp | Type::Duration => Self::Int(column::int64(array)),
            Type::Date => Self::Days(array.as_primitive().clone()),
            Type::Float => Self::Float(array.as_primitive().clone()),
            Type::Decimal(..) => Self::Decimal(array.as_primitive().clone()),
            Type::String | Type::Enum(_) => Self::Str(array.as_string().clone()),
            Type::Bytes => Self::Bytes(array.as_binary().clone()),
            _ => Self::Values((0..array.len()).map(|at| column::value(array, ty, at)).collect()),
        }
    }

    #[inline]
    pub(super) fn at(&self, row: usize) -> ValueRef<'_> {
        match self {
            Self::Int(x) if x.is_valid(row) => ValueRef::Int(x.value(row)),
            Self::Str(x) if x.is_valid(row) => ValueRef::Str(x.value(row)),
            Self::Float(x) if x.is_valid(row) => ValueRef::Float(x.value(row)),
            Self::Bool(x) if x.is_valid(row) => ValueRef::Bool(x.value(row)),
            Self::Decimal(x) if x.is_valid(row) => ValueRef::Decimal(x.value(row)),
            Self::Days(x) if x.is_valid(row) => ValueRef::Int(x.value(row).into()),
            Self::Bytes(x) if x.is_valid(row) => ValueRef::Bytes(x.value(row)),
            Self::Values(x) => x[row].as_ref(),
            _ => ValueRef::Null,
        }
    }
}

/// Room for a row's bytes, typically.
pub(super) const ROW: usize = 24;

/// The entity keys of rows whose key columns have no null.
pub(super) fn keys(columns: &[Cells], rows: usize) -> BinaryArray {
    let mut out = BinaryBuilder::with_capacity(rows, rows * ROW);
    let mut bytes = Vec::with_capacity(ROW);
    for row in 0..rows {
        bytes.clear();
        key::put(&mut bytes, columns.iter().map(|column| column.at(row)));
        out.append_value(&bytes);
    }
    out.finish()
}

/// The dedupe ids of rows: null without `dedupe` and where a column of the id is null.
pub(super) fn ids(columns: &[Cells], rows: usize) -> BinaryArray {
    if columns.is_empty() {
        return BinaryArray::new_null(rows);
    }
    let mut out = BinaryBuilder::with_capacity(rows, rows * ROW);
    let mut bytes = Vec::with_capacity(ROW);
    for row in 0..rows {
        bytes.clear();
        let mut complete = true;
        for column in columns {
            let value = column.at(row);
            complete &= !value.is_null();
            order::put(&mut bytes, value);
        }
        out.append_option(complete.then_some(&bytes));
    }
    out.finish()
}
