//! Fingerprints of a log's records: whether a log still begins with what was read of it.
//!
//! The fingerprint of a prefix is the sum of those of its records, so it is known at every position
//! on the way, and rows of one instant may change places without changing it: they do not change a
//! value either. Fingerprints are kept in [markers](crate::layout::Marker), so they are pinned.

use arrow::array::{Array, AsArray, OffsetSizeTrait};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float32Type, Float64Type};
use twox_hash::XxHash3_64;

use crate::column;

/// Stands for a null; no value is likelier to have it than another.
const NULL: u64 = 0x9e37_79b9_7f4a_7c15;

/// The fingerprint of each cell of the column `name`.
///
/// Panics if the column is not of a type of the language: rows of a log were conformed.
pub fn cells(name: &str, column: &dyn Array) -> Vec<u64> {
    let seed = XxHash3_64::oneshot(name.as_bytes());
    let mut cells = values(column);
    for cell in &mut cells {
        *cell = mix(seed ^ *cell);
    }
    cells
}

/// The fingerprint of a record that became known at `known` and has these cells, in any order.
#[inline]
pub fn record(known: i64, cells: impl Iterator<Item = u64>) -> u64 {
    mix(cells.fold(mix(known as u64), u64::wrapping_add))
}

/// A bijection of 64-bit numbers that spreads neighbours (the finalizer of `MurmurHash3`).
#[inline]
pub fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

fn values(column: &dyn Array) -> Vec<u64> {
    let mut values: Vec<u64> = match column.data_type() {
        DataType::Boolean => column.as_boolean().values().iter().map(|x| mix(1 + u64::from(x))).collect(),
        DataType::Int64 | DataType::Timestamp(..) | DataType::Duration(_) => {
            column::int64(column).values().iter().map(|&x| mix(x as u64)).collect()
        }
        DataType::Date32 => {
            column.as_primitive::<Date32Type>().values().iter().map(|&x| mix(i64::from(x) as u64)).collect()
        }
        DataType::Float64 => {
            column.as_primitive::<Float64Type>().values().iter().map(|x| mix(x.to_bits())).collect()
        }
        DataType::Float32 => column
            .as_primitive::<Float32Type>()
            .values()
            .iter()
            .map(|x| mix(u64::from(x.to_bits())))
            .collect(),
        DataType::Decimal128(..) => column
            .as_primitive::<Decimal128Type>()
            .values()
            .iter()
            .map(|&x| mix(mix((x >> 64) as u64) ^ x as u64))
            .collect(),
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            (0..texts.len()).map(|at| XxHash3_64::oneshot(texts.value(at).as_bytes())).collect()
        }
        DataType::Binary => {
            let bytes = column.as_binary::<i32>();
            (0..bytes.len()).map(|at| XxHash3_64::oneshot(bytes.value(at))).collect()
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            runs(lists.value_offsets(), &values(lists.values()))
        }
        DataType::Map(..) => {
            let maps = column.as_map();
            runs(maps.value_offsets(), &values(maps.entries()))
        }
        DataType::FixedSizeList(_, size) => {
            let lists = column.as_fixed_size_list();
            let items = values(lists.values());
            let first = lists.value_offset(0) as usize;
            let size = *size as usize;
            (0..lists.len()).map(|at| fold(&items[first + at * size..first + (at + 1) * size])).collect()
        }
        DataType::Struct(_) => {
            let fields: Vec<Vec<u64>> =
                column.as_struct().columns().iter().map(|field| values(field)).collect();
            let row = |at: usize| fold(&fields.iter().map(|field| field[at]).collect::<Vec<_>>());
            (0..column.len()).map(row).collect()
        }
        other => panic!("invariant: a column of a type of the language, found {other}"),
    };
    if let Some(nulls) = column.nulls() {
        for (value, valid) in values.iter_mut().zip(nulls) {
            if !valid {
                *value = NULL;
            }
        }
    }
    values
}

/// Items in their order.
fn fold(items: &[u64]) -> u64 {
    items.iter().fold(mix(items.len() as u64), |hash, item| mix(hash ^ item))
}

fn runs<O: OffsetSizeTrait>(offsets: &[O], items: &[u64]) -> Vec<u64> {
    offsets.windows(2).map(|ends| fold(&items[ends[0].as_usize()..ends[1].as_usize()])).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray};

    use super::*;
    use crate::types::{Slot, Type};
    use crate::value::Value;

    #[test]
    fn a_cell_is_told_from_its_neighbours_by_place_column_and_null() {
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(0), None, Some(1)]));
        let [one, zero, null, again] = cells("x", &ints)[..] else { panic!("four cells") };
        assert_eq!(one, again);
        assert!(one != zero && zero != null && one != null);
        assert_ne!(cells("y", &ints)[0], one);
        // A slice has the cells that stand in it.
        assert_eq!(cells("x", &ints.slice(1, 2)), [zero, null]);
        let swapped = record(7, [one, cells("y", &ints)[1]].into_iter());
        assert_ne!(swapped, record(7, [zero, cells("y", &ints)[0]].into_iter()));
        assert_ne!(record(7, [one].into_iter()), record(8, [one].into_iter()));
    }

    #[test]
    fn nested_cells_are_folded_in_order() {
        let ty = Type::List(Box::new(Slot::nullable(Type::String)));
        let list = |items: &[&str]| Value::List(items.iter().map(|&item| Value::Str(item.into())).collect());
        let rows = [list(&["a", "b"]), list(&["b", "a"]), list(&[]), Value::Null, list(&["a", "b"])];
        let found = cells("x", &column::array(&ty, &rows));
        assert_eq!(found[0], found[4]);
        assert_eq!(found.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        assert_eq!(cells("x", &column::array(&ty, &rows).slice(1, 3)), found[1..4]);
    }

    #[test]
    fn fingerprints_are_as_they_always_were() {
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(-7), None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["JFK", ""]));
        let bools: ArrayRef = Arc::new(BooleanArray::from(vec![true, false]));
        let columns = [cells("delay", &ints), cells("origin", &texts), cells("late", &bools)];
        let records: Vec<u64> =
            (0..2).map(|at| record(1_357_034_400_000_000, columns.iter().map(|cells| cells[at]))).collect();
        assert_eq!(records, [6_686_607_038_210_272_381, 14_969_044_982_631_367_678]);
    }
}
