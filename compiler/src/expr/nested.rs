//! Kernels that build and open structs, lists and maps.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Fields;
use arrow::error::ArrowError;
use feat_kernel::column;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use crate::functions::{Columns, Fault, Operand};

/// `a.name`: null where `a` is.
pub(super) fn field(ty: &Type, name: &str) -> Box<Columns> {
    let Type::Struct(fields) = ty else { panic!("invariant: a field of a struct, found {ty}") };
    let place = fields.iter().position(|(field, _)| field == name);
    let place = place.unwrap_or_else(|| panic!("invariant: {ty} has a field `{name}`"));
    Box::new(move |ops, rows| Ok(part(&ops[0].expand(rows)?, place)?))
}

/// The field at `place` of a column of structs.
pub(super) fn part(array: &ArrayRef, place: usize) -> Result<ArrayRef, ArrowError> {
    let column = array.as_struct().column(place);
    match array.nulls() {
        // A field below a null struct holds whatever was there.
        Some(nulls) => arrow::compute::nullif(column, &BooleanArray::new(!nulls.inner(), None)),
        None => Ok(Arc::clone(column)),
    }
}

/// `struct { a: 1 }`
pub(super) fn structure(fields: &[(String, Slot)]) -> Box<Columns> {
    let fields: Fields = fields.iter().map(|(name, slot)| slot.field(name)).collect();
    Box::new(move |ops, rows| {
        let columns = expanded(ops, rows)?;
        if fields.is_empty() {
            return Ok(Arc::new(StructArray::new_empty_fields(rows, None)));
        }
        Ok(Arc::new(StructArray::try_new(fields.clone(), columns, None)?))
    })
}

/// `[a, b]`
pub(super) fn list(item: &Slot) -> Box<Columns> {
    let (field, ty) = (Arc::new(item.field("item")), item.ty.arrow());
    Box::new(move |ops, rows| {
        let columns = expanded(ops, rows)?;
        let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        let places: Vec<(usize, usize)> =
            (0..rows).flat_map(|row| (0..columns.len()).map(move |column| (column, row))).collect();
        let items = if columns.is_empty() {
            arrow::array::new_empty_array(&ty)
        } else {
            arrow::compute::interleave(&columns, &places)?
        };
        let offsets = OffsetBuffer::from_repeated_length(columns.len(), rows);
        Ok(Arc::new(ListArray::try_new(Arc::clone(&field), offsets, items, None)?))
    })
}

/// `map { k: v }`, its arguments key, value, key, value, …; sorted by key.
pub(super) fn map(key: &Type, value: &Slot) -> Box<Columns> {
    let (key, value) = (key.clone(), value.clone());
    let ty = Type::Map(Box::new(key.clone()), Box::new(value.clone()));
    Box::new(move |ops, rows| {
        let columns = expanded(ops, rows)?;
        let maps = (0..rows)
            .map(|row| {
                let mut pairs: Vec<(Value, Value)> = columns
                    .chunks_exact(2)
                    .map(|pair| (column::value(&pair[0], &key, row), column::value(&pair[1], &value.ty, row)))
                    .collect();
                pairs.sort();
                let distinct = pairs.windows(2).all(|pair| pair[0].0 != pair[1].0);
                if distinct && pairs.iter().all(|(key, _)| !key.is_null()) {
                    Ok(Value::Map(pairs))
                } else {
                    Err(Fault("a key of a map is null or stands there twice".into()))
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(column::array(&ty, &maps))
    })
}

fn expanded(ops: &[Operand], rows: usize) -> Result<Vec<ArrayRef>, Fault> {
    ops.iter().map(|op| op.expand(rows)).collect()
}
