//! Values in and out of Arrow columns.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeListArray,
    Float32Array, Float64Array, Int64Array, ListArray, MapArray, StringArray, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Fields, Float32Type, Float64Type, Int64Type,
};

use crate::types::{Slot, Type};
use crate::value::Value;

/// The 64-bit integers under an `int`, `timestamp` or `duration` column; shares its memory.
pub fn int64(array: &dyn Array) -> Int64Array {
    Int64Array::from(
        array.to_data().into_builder().data_type(DataType::Int64).build().unwrap_or_else(|cause| {
            panic!("invariant: a 64-bit column, found {}: {cause}", array.data_type())
        }),
    )
}

/// The value at place `at` of a column of type `ty`.
pub fn value(array: &dyn Array, ty: &Type, at: usize) -> Value {
    if array.is_null(at) {
        return Value::Null;
    }
    match ty {
        Type::Bool => Value::Bool(array.as_boolean().value(at)),
        Type::Int => Value::Int(array.as_primitive::<Int64Type>().value(at)),
        Type::Timestamp | Type::Duration => Value::Int(int64(array).value(at)),
        Type::Date => Value::Int(i64::from(array.as_primitive::<Date32Type>().value(at))),
        Type::Float => Value::Float(array.as_primitive::<Float64Type>().value(at)),
        Type::Decimal(..) => Value::Decimal(array.as_primitive::<Decimal128Type>().value(at)),
        Type::String | Type::Enum(_) => Value::Str(array.as_string::<i32>().value(at).into()),
        Type::Bytes => Value::Bytes(array.as_binary::<i32>().value(at).into()),
        Type::List(item) => {
            let items = array.as_list::<i32>().value(at);
            Value::List((0..items.len()).map(|at| value(&items, &item.ty, at)).collect())
        }
        Type::Embedding(_) => {
            let items = array.as_fixed_size_list().value(at);
            let items = items.as_primitive::<Float32Type>();
            Value::List(items.values().iter().map(|&x| Value::Float(f64::from(x))).collect())
        }
        Type::Map(key, slot) => {
            let entries = array.as_map().value(at);
            let (keys, values) = (entries.column(0), entries.column(1));
            let mut pairs: Vec<(Value, Value)> =
                (0..entries.len()).map(|at| (value(keys, key, at), value(values, &slot.ty, at))).collect();
            pairs.sort();
            Value::Map(pairs)
        }
        Type::Struct(fields) => {
            let columns = array.as_struct();
            Value::Struct(
                fields
                    .iter()
                    .zip(columns.columns())
                    .map(|((_, slot), column)| value(column, &slot.ty, at))
                    .collect(),
            )
        }
    }
}

/// A column of type `ty` that holds `values`, of its Arrow type exactly.
///
/// Panics if a value is not of the type: values come from states and checked text.
pub fn array(ty: &Type, values: &[Value]) -> ArrayRef {
    fn wrong(ty: &Type, value: &Value) -> ! {
        panic!("invariant: a value of type {ty}, found {value:?}")
    }
    macro_rules! collect {
        ($array:ty, $variant:ident, $map:expr) => {
            values
                .iter()
                .map(|value| match value {
                    Value::Null => None,
                    Value::$variant(x) => Some($map(x)),
                    other => wrong(ty, other),
                })
                .collect::<$array>()
        };
    }
    match ty {
        Type::Bool => Arc::new(collect!(BooleanArray, Bool, |x: &bool| *x)),
        Type::Int => Arc::new(collect!(Int64Array, Int, |x: &i64| *x)),
        Type::Timestamp | Type::Duration => {
            let data = collect!(Int64Array, Int, |x: &i64| *x).into_data();
            let data = data.into_builder().data_type(ty.arrow()).build();
            arrow::array::make_array(data.expect("invariant: 64-bit integers are a timestamp's layout"))
        }
        Type::Date => Arc::new(collect!(Date32Array, Int, |x: &i64| *x as i32)),
        Type::Float => Arc::new(collect!(Float64Array, Float, |x: &f64| *x)),
        Type::Decimal(precision, scale) => Arc::new(
            collect!(Decimal128Array, Decimal, |x: &i128| *x)
                .with_precision_and_scale(*precision, *scale)
                .expect("invariant: a decimal type has a precision and scale that Arrow takes"),
        ),
        Type::String | Type::Enum(_) => Arc::new(collect!(StringArray, Str, |x: &Arc<str>| x.to_string())),
        Type::Bytes => {
            let bytes: Vec<Option<&[u8]>> = values
                .iter()
                .map(|value| match value {
                    Value::Null => None,
                    Value::Bytes(x) => Some(&x[..]),
                    other => wrong(ty, other),
                })
                .collect();
            Arc::new(BinaryArray::from(bytes))
        }
        Type::List(item) => {
            let (lengths, items) = flatten(ty, values);
            let items = array(&item.ty, &items);
            let field = Arc::new(item.field("item"));
            Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), items, nulls(values)))
        }
        Type::Embedding(size) => {
            let mut items = Vec::with_capacity(values.len() * *size as usize);
            for value in values {
                match value {
                    Value::Null => items.extend(std::iter::repeat_n(0.0, *size as usize)),
                    Value::List(list) => items.extend(list.iter().map(|item| match item {
                        Value::Float(x) => *x as f32,
                        other => wrong(ty, other),
                    })),
                    other => wrong(ty, other),
                }
            }
            let field = Arc::new(Field::new("item", DataType::Float32, false));
            Arc::new(FixedSizeListArray::new(
                field,
                *size as i32,
                Arc::new(Float32Array::from(items)),
                nulls(values),
            ))
        }
        Type::Map(key, slot) => map(ty, key, slot, values),
        Type::Struct(fields) => {
            let columns = fields
                .iter()
                .enumerate()
                .map(|(at, (_, slot))| {
                    let column: Vec<Value> = values
                        .iter()
                        .map(|value| match value {
                            Value::Null => default(slot),
                            Value::Struct(fields) => fields[at].clone(),
                            other => wrong(ty, other),
                        })
                        .collect();
                    array(&slot.ty, &column)
                })
                .collect();
            let fields: Fields = fields.iter().map(|(name, slot)| slot.field(name)).collect();
            Arc::new(StructArray::new(fields, columns, nulls(values)))
        }
    }
}

fn map(ty: &Type, key: &Type, slot: &Slot, values: &[Value]) -> ArrayRef {
    let mut lengths = Vec::with_capacity(values.len());
    let (mut keys, mut items) = (Vec::new(), Vec::new());
    for value in values {
        match value {
            Value::Null => lengths.push(0),
            Value::Map(pairs) => {
                lengths.push(pairs.len());
                for (key, item) in pairs {
                    keys.push(key.clone());
                    items.push(item.clone());
                }
            }
            other => panic!("invariant: a value of type {ty}, found {other:?}"),
        }
    }
    let DataType::Map(entries, _) = ty.arrow() else { panic!("invariant: a map is a map in Arrow") };
    let DataType::Struct(fields) = entries.data_type().clone() else {
        panic!("invariant: a map's entries are a struct in Arrow")
    };
    let columns = StructArray::new(fields, vec![array(key, &keys), array(&slot.ty, &items)], None);
    Arc::new(MapArray::new(entries, OffsetBuffer::from_lengths(lengths), columns, nulls(values), false))
}

fn flatten(ty: &Type, values: &[Value]) -> (Vec<usize>, Vec<Value>) {
    let mut lengths = Vec::with_capacity(values.len());
    let mut items = Vec::new();
    for value in values {
        match value {
            Value::Null => lengths.push(0),
            Value::List(list) => {
                lengths.push(list.len());
                items.extend_from_slice(list);
            }
            other => panic!("invariant: a value of type {ty}, found {other:?}"),
        }
    }
    (lengths, items)
}

fn nulls(values: &[Value]) -> Option<NullBuffer> {
    values.iter().any(Value::is_null).then(|| values.iter().map(|value| !value.is_null()).collect())
}

/// What stands in a required field of a struct that is null as a whole.
fn default(slot: &Slot) -> Value {
    if slot.nullable {
        return Value::Null;
    }
    match &slot.ty {
        Type::Bool => Value::Bool(false),
        Type::Int | Type::Timestamp | Type::Date | Type::Duration => Value::Int(0),
        Type::Float => Value::Float(0.0),
        Type::Decimal(..) => Value::Decimal(0),
        Type::String | Type::Enum(_) => Value::Str("".into()),
        Type::Bytes => Value::Bytes([].into()),
        Type::List(_) => Value::List(Vec::new()),
        Type::Map(..) => Value::Map(Vec::new()),
        Type::Struct(fields) => Value::Struct(fields.iter().map(|(_, slot)| default(slot)).collect()),
        Type::Embedding(size) => Value::List(vec![Value::Float(0.0); *size as usize]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_through_arrow_and_back() {
        let nested = Type::Struct(vec![
            ("a".into(), Slot::required(Type::Int)),
            ("b".into(), Slot::nullable(Type::List(Box::new(Slot::nullable(Type::String))))),
        ]);
        let text = |s: &str| Value::Str(s.into());
        let cases = [
            (Type::Bool, vec![Value::Bool(true), Value::Null]),
            (Type::Int, vec![Value::Int(-5), Value::Null]),
            (Type::Timestamp, vec![Value::Int(7), Value::Null]),
            (Type::Date, vec![Value::Int(-1), Value::Int(20_000)]),
            (Type::Duration, vec![Value::Int(1)]),
            (Type::Float, vec![Value::Float(0.1), Value::Null]),
            (Type::Decimal(38, 4), vec![Value::Decimal(i128::MAX / 10), Value::Null]),
            (Type::String, vec![text(""), text("é"), Value::Null]),
            (Type::Bytes, vec![Value::Bytes([0, 1].into()), Value::Null]),
            (Type::Embedding(2), vec![Value::List(vec![Value::Float(0.5), Value::Float(1.0)]), Value::Null]),
            (
                Type::Map(Box::new(Type::String), Box::new(Slot::nullable(Type::Int))),
                vec![Value::Map(vec![(text("a"), Value::Int(1)), (text("b"), Value::Null)]), Value::Null],
            ),
            (
                nested,
                vec![
                    Value::Struct(vec![Value::Int(1), Value::List(vec![text("x"), Value::Null])]),
                    Value::Struct(vec![Value::Int(2), Value::Null]),
                    Value::Null,
                ],
            ),
        ];
        for (ty, values) in cases {
            let array = array(&ty, &values);
            assert_eq!(array.data_type(), &ty.arrow());
            let back: Vec<Value> = (0..array.len()).map(|at| value(&array, &ty, at)).collect();
            assert_eq!(back, values, "{ty}");
        }
    }
}
