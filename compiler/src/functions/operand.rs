//! The arguments of a kernel: a column, or one value for every row.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Datum, Decimal128Array, Float64Array, Int64Array,
    StringArray, UInt32Array, make_array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type};
use feat_kernel::column;
use feat_kernel::types::Type;

use super::Fault;

/// A column, or one value that stands for every row.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    array: ArrayRef,
    one: bool,
}

impl Datum for Operand {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array.as_ref(), self.one)
    }
}

impl Operand {
    /// A value a row.
    pub(crate) fn column(array: ArrayRef) -> Self {
        Self { array, one: false }
    }

    /// The first value of `array` for every row.
    pub(crate) fn constant(array: ArrayRef) -> Self {
        Self { array, one: true }
    }

    /// The values as they are: one if this is a constant.
    pub(crate) fn array(&self) -> &ArrayRef {
        &self.array
    }

    /// Whether one value stands for every row.
    pub(crate) fn is_constant(&self) -> bool {
        self.one
    }

    /// A column of `rows` values.
    pub(crate) fn expand(&self, rows: usize) -> Result<ArrayRef, Fault> {
        if !self.one || rows == 1 {
            return Ok(Arc::clone(&self.array));
        }
        Ok(arrow::compute::take(&self.array, &UInt32Array::from(vec![0; rows]), None)?)
    }

    /// The same with other values.
    pub(super) fn with(&self, array: ArrayRef) -> Self {
        Self { array, one: self.one }
    }

    /// The null buffer for `rows` rows.
    fn nulls(&self, rows: usize) -> Option<NullBuffer> {
        let nulls = self.array.logical_nulls()?;
        match self.one {
            true if nulls.is_null(0) => Some(NullBuffer::new_null(rows)),
            true => None,
            false => Some(nulls),
        }
    }

    /// `int`, `timestamp`, `duration`, as 64-bit integers.
    pub(super) fn ints(&self) -> Read<Int64Array> {
        Read { array: column::int64(&self.array), one: self.one }
    }

    /// `date`, as days.
    pub(super) fn days(&self) -> Read<Int64Array> {
        let days = self.array.as_primitive::<Date32Type>();
        Read { array: days.unary::<_, arrow::datatypes::Int64Type>(i64::from), one: self.one }
    }

    /// `float`
    pub(super) fn floats(&self) -> Read<Float64Array> {
        Read { array: self.array.as_primitive::<Float64Type>().clone(), one: self.one }
    }

    /// `decimal`, unscaled.
    pub(super) fn decimals(&self) -> Read<Decimal128Array> {
        Read { array: self.array.as_primitive::<Decimal128Type>().clone(), one: self.one }
    }

    /// `string`, `enum`
    pub(super) fn texts(&self) -> Read<StringArray> {
        Read { array: self.array.as_string::<i32>().clone(), one: self.one }
    }

    /// `bytes`
    pub(super) fn bytes(&self) -> Read<BinaryArray> {
        Read { array: self.array.as_binary::<i32>().clone(), one: self.one }
    }

    /// `bool`
    pub(super) fn bools(&self) -> Read<BooleanArray> {
        Read { array: self.array.as_boolean().clone(), one: self.one }
    }
}

/// A typed operand, read by row.
pub(super) struct Read<A> {
    array: A,
    one: bool,
}

impl<A> Read<A> {
    #[inline]
    fn place(&self, row: usize) -> usize {
        if self.one { 0 } else { row }
    }
}

impl Read<Int64Array> {
    #[inline]
    pub(super) fn at(&self, row: usize) -> i64 {
        self.array.value(self.place(row))
    }
}

impl Read<Float64Array> {
    #[inline]
    pub(super) fn at(&self, row: usize) -> f64 {
        self.array.value(self.place(row))
    }
}

impl Read<Decimal128Array> {
    #[inline]
    pub(super) fn at(&self, row: usize) -> i128 {
        self.array.value(self.place(row))
    }
}

impl Read<StringArray> {
    #[inline]
    pub(super) fn at(&self, row: usize) -> &str {
        self.array.value(self.place(row))
    }
}

impl Read<BinaryArray> {
    #[inline]
    pub(super) fn at(&self, row: usize) -> &[u8] {
        self.array.value(self.place(row))
    }
}

impl Read<BooleanArray> {
    #[inline]
    pub(super) fn at(&self, row: usize) -> bool {
        self.array.value(self.place(row))
    }
}

/// The rows in which no operand is null; `None` when that is all of them.
pub(super) fn valid(operands: &[Operand], rows: usize) -> Option<NullBuffer> {
    operands.iter().fold(None, |all, operand| NullBuffer::union(all.as_ref(), operand.nulls(rows).as_ref()))
}

/// What `f` gives for each row in which no operand is null.
pub(super) fn each<T>(
    operands: &[Operand],
    rows: usize,
    mut f: impl FnMut(usize) -> Result<Option<T>, Fault>,
) -> Result<Vec<Option<T>>, Fault> {
    let valid = valid(operands, rows);
    (0..rows)
        .map(|row| if valid.as_ref().is_none_or(|valid| valid.is_valid(row)) { f(row) } else { Ok(None) })
        .collect()
}

/// A column of 64-bit integers as `ty`: `int`, `timestamp` or `duration`.
pub(super) fn tagged(ints: Int64Array, ty: &Type) -> ArrayRef {
    if *ty == Type::Int {
        return Arc::new(ints);
    }
    let data = ints.into_data().into_builder().data_type(ty.arrow()).build();
    make_array(data.expect("invariant: timestamps and durations are 64-bit integers"))
}

/// Integers of type `ty`.
pub(super) fn ints(values: Vec<Option<i64>>, ty: &Type) -> ArrayRef {
    tagged(Int64Array::from(values), ty)
}

/// Floats, without NaN, infinities and `-0.0`: `f` has seen to the first two, this to the last.
pub(super) fn floats(values: Vec<Option<f64>>) -> ArrayRef {
    Arc::new(values.into_iter().map(|value| value.map(|x| x + 0.0)).collect::<Float64Array>())
}

/// Strings.
pub(super) fn texts<S: AsRef<str>>(values: Vec<Option<S>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

/// Booleans.
pub(super) fn bools(values: Vec<Option<bool>>) -> ArrayRef {
    Arc::new(BooleanArray::from(values))
}

/// Decimals of `precision` and `scale`; a value with more digits is a fault.
pub(super) fn decimals(values: Vec<Option<i128>>, precision: u8, scale: i8) -> Result<ArrayRef, Fault> {
    let array = Decimal128Array::from(values).with_precision_and_scale(precision, scale)?;
    array.validate_decimal_precision(precision)?;
    Ok(Arc::new(array))
}
