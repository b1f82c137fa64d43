//! Lists and maps.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, UInt32Array};
use feat_kernel::types::{Slot, Type};

use super::operand::{Operand, each, valid};
use super::types::{arity, exactly, strict, wrong};
use super::{Arg, Binding, Function, FunctionError, Kernel, cast};

pub(super) const FUNCTIONS: &[Function] = &[
    operator(
        "index",
        "xs[i], m[k]",
        &["xs", "i"],
        "The item at a place of a list, from 0, or the value of a key of a map; null if there is none.",
        index,
    ),
    function("cardinality", "cardinality(xs)", &["xs"], "How many items a list or map has.", cardinality),
];

constructor!(operator, Operator);
constructor!(function, Nested);

fn index(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    let own = args[0].slot.ty.clone();
    match &own {
        Type::List(item) => {
            exactly(args, 1, &Type::Int, "an int")?;
            Ok(Binding {
                params: vec![own.clone(), Type::Int],
                result: Slot::nullable(item.ty.clone()),
                kernel: Kernel::own(|ops, rows| {
                    let array = ops[0].expand(rows)?;
                    let (lists, i) = (array.as_list::<i32>(), ops[1].ints());
                    let offsets = lists.offsets();
                    let places = each(ops, rows, |row| {
                        let (start, end) = (i64::from(offsets[row]), i64::from(offsets[row + 1]));
                        let place = start.checked_add(i.at(row)).filter(|place| (start..end).contains(place));
                        Ok(place.map(|place| place as u32))
                    })?;
                    Ok(arrow::compute::take(lists.values(), &UInt32Array::from(places), None)?)
                }),
            })
        }
        Type::Map(key, value) => {
            let key = key.as_ref().clone();
            let fits = args[1].slot.ty == key || cast::widens(&args[1].slot.ty, &key);
            // A string written for a key that is an enum is compared as a string.
            let text = matches!((&key, &args[1].slot.ty), (Type::Enum(_), Type::String));
            if !fits && !text {
                let expected = key.to_string().into();
                return Err(FunctionError::Type { index: 1, expected, found: args[1].slot.ty.clone() });
            }
            Ok(Binding {
                params: vec![own.clone(), if text { Type::String } else { key.clone() }],
                result: Slot::nullable(value.ty.clone()),
                kernel: Kernel::own(move |ops, rows| {
                    let (array, wanted) = (ops[0].expand(rows)?, ops[1].expand(rows)?);
                    let maps = array.as_map();
                    let offsets = maps.offsets();
                    let comparator = arrow::array::make_comparator(
                        maps.keys(),
                        &wanted,
                        arrow::compute::SortOptions::default(),
                    )?;
                    let places = each(ops, rows, |row| {
                        let mut entries = offsets[row] as usize..offsets[row + 1] as usize;
                        Ok(entries.find(|&entry| comparator(entry, row).is_eq()).map(|entry| entry as u32))
                    })?;
                    Ok(arrow::compute::take(maps.values(), &UInt32Array::from(places), None)?)
                }),
            })
        }
        _ => Err(wrong(args, 0, "a list or a map")),
    }
}

fn cardinality(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    let own = args[0].slot.ty.clone();
    let offsets: fn(&dyn Array) -> Vec<i32> = match own {
        Type::List(_) => |array| array.as_list::<i32>().offsets().to_vec(),
        Type::Map(..) => |array| array.as_map().offsets().to_vec(),
        _ => return Err(wrong(args, 0, "a list or a map")),
    };
    Ok(Binding {
        params: vec![own],
        result: strict(args, Type::Int),
        kernel: Kernel::own(move |ops: &[Operand], rows| {
            let array = ops[0].expand(rows)?;
            let lengths: Vec<i64> =
                offsets(array.as_ref()).windows(2).map(|pair| i64::from(pair[1] - pair[0])).collect();
            Ok(Arc::new(Int64Array::new(lengths.into(), valid(ops, rows))))
        }),
    })
}
