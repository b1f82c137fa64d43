//! One value.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray, BooleanArray, Float64Array, Int64Array, StringArray};
use feat_kernel::column;
use feat_kernel::types::Type;
use feat_kernel::value::{Value, finite};
use feat_proto::v1;
use feat_proto::v1::value::Kind;

/// The value at a row of a column of type `ty`, as messages write it.
///
/// Cost: what the message itself allocates.
pub(super) fn cell(array: &dyn Array, ty: &Type, row: usize) -> v1::Value {
    if array.is_null(row) {
        return v1::Value { kind: None };
    }
    let any = array.as_any();
    let kind = match ty {
        Type::Int => any.downcast_ref::<Int64Array>().map(|ints| Kind::Int(ints.value(row))),
        Type::Float => any.downcast_ref::<Float64Array>().map(|floats| Kind::Float(floats.value(row))),
        Type::Bool => any.downcast_ref::<BooleanArray>().map(|bools| Kind::Bool(bools.value(row))),
        Type::String | Type::Enum(_) => {
            any.downcast_ref::<StringArray>().map(|texts| Kind::String(texts.value(row).to_owned()))
        }
        _ => None,
    };
    match kind {
        Some(kind) => v1::Value { kind: Some(kind) },
        None => message(&column::value(array, ty, row), ty),
    }
}

/// A value of type `ty` as messages write it.
pub(super) fn message(value: &Value, ty: &Type) -> v1::Value {
    let kind = match (value, ty) {
        (Value::Null, _) => return v1::Value { kind: None },
        (Value::Bool(x), _) => Kind::Bool(*x),
        (Value::Int(x), Type::Timestamp) => Kind::Timestamp(*x),
        (Value::Int(x), Type::Duration) => Kind::Duration(*x),
        // Days of any instant fit.
        (Value::Int(x), Type::Date) => Kind::Date(*x as i32),
        (Value::Int(x), _) => Kind::Int(*x),
        (Value::Float(x), _) => Kind::Float(*x),
        (Value::Decimal(x), Type::Decimal(_, scale)) => Kind::Decimal(digits(*x, *scale)),
        (Value::Decimal(x), _) => Kind::Decimal(x.to_string()),
        (Value::Str(x), _) => Kind::String(x.to_string()),
        (Value::Bytes(x), _) => Kind::Bytes(x.to_vec()),
        (Value::List(items), Type::List(slot)) => {
            Kind::List(v1::List { items: items.iter().map(|item| message(item, &slot.ty)).collect() })
        }
        // An embedding's elements are 32 bits wide.
        (Value::List(items), _) => Kind::Embedding(v1::Embedding {
            elements: items
                .iter()
                .map(|item| if let Value::Float(x) = item { *x as f32 } else { 0.0 })
                .collect(),
        }),
        (Value::Map(pairs), Type::Map(key, slot)) => {
            let entry = |(name, value): &(Value, Value)| v1::map::Entry {
                key: Some(message(name, key)),
                value: Some(message(value, &slot.ty)),
            };
            Kind::Map(v1::Map { entries: pairs.iter().map(entry).collect() })
        }
        (Value::Struct(items), Type::Struct(fields)) => {
            let field = |(value, (name, slot)): (&Value, &(String, feat_kernel::types::Slot))| {
                v1::r#struct::Field { name: name.clone(), value: Some(message(value, &slot.ty)) }
            };
            Kind::Struct(v1::Struct { fields: items.iter().zip(fields).map(field).collect() })
        }
        (Value::Map(_) | Value::Struct(_), other) => panic!("invariant: a value of type {other}"),
    };
    v1::Value { kind: Some(kind) }
}

/// The value of type `ty` that a message writes. An int is taken for a float or a decimal that it is exactly,
/// and nothing else for anything else.
///
/// Errors: what was found instead, in words.
pub(super) fn value(message: &v1::Value, ty: &Type) -> Result<Value, String> {
    let Some(kind) = &message.kind else { return Ok(Value::Null) };
    let found = || Err(word(kind).to_owned());
    match (kind, ty) {
        (Kind::Bool(x), Type::Bool) => Ok(Value::Bool(*x)),
        (Kind::Int(x), Type::Float) => {
            let float = *x as f64;
            if float as i128 == i128::from(*x) {
                Ok(Value::Float(float))
            } else {
                Err(format!("{x}, which is no float exactly"))
            }
        }
        (Kind::Int(x), Type::Decimal(precision, scale)) => {
            decimal(&x.to_string(), *precision, *scale).ok_or_else(|| x.to_string())
        }
        (Kind::Float(x), Type::Float) => finite(*x).map(Value::Float).ok_or_else(|| format!("{x}")),
        (Kind::Decimal(text), Type::Decimal(precision, scale)) => {
            decimal(text, *precision, *scale).ok_or_else(|| format!("`{text}`"))
        }
        (Kind::String(text), Type::String) => Ok(Value::Str(text.as_str().into())),
        (Kind::String(text), Type::Enum(names)) => {
            if names.contains(text) {
                Ok(Value::Str(text.as_str().into()))
            } else {
                Err(format!("\"{text}\""))
            }
        }
        (Kind::Bytes(bytes), Type::Bytes) => Ok(Value::Bytes(bytes.as_slice().into())),
        (Kind::Int(x), Type::Int)
        | (Kind::Timestamp(x), Type::Timestamp)
        | (Kind::Duration(x), Type::Duration) => Ok(Value::Int(*x)),
        (Kind::Date(x), Type::Date) => Ok(Value::Int(i64::from(*x))),
        (Kind::List(list), Type::List(slot)) => {
            Ok(Value::List(list.items.iter().map(|item| value(item, &slot.ty)).collect::<Result<_, _>>()?))
        }
        (Kind::Embedding(list), Type::Embedding(length)) if list.elements.len() == *length as usize => {
            let element = |x: &f32| finite(f64::from(*x)).map(Value::Float).ok_or_else(|| format!("{x}"));
            Ok(Value::List(list.elements.iter().map(element).collect::<Result<_, _>>()?))
        }
        (Kind::Map(map), Type::Map(key, slot)) => {
            let none = v1::Value::default();
            let pair = |entry: &v1::map::Entry| {
                let name = value(entry.key.as_ref().unwrap_or(&none), key)?;
                if name.is_null() {
                    return Err("a map with a null key".to_owned());
                }
                Ok((name, value(entry.value.as_ref().unwrap_or(&none), &slot.ty)?))
            };
            let mut pairs: Vec<(Value, Value)> = map.entries.iter().map(pair).collect::<Result<_, _>>()?;
            let order = |value: &Value| {
                let mut bytes = Vec::new();
                feat_kernel::order::put(&mut bytes, value.as_ref());
                bytes
            };
            pairs.sort_by_cached_key(|(name, _)| order(name));
            if pairs.windows(2).any(|two| order(&two[0].0) == order(&two[1].0)) {
                return Err("a map with one key twice".to_owned());
            }
            Ok(Value::Map(pairs))
        }
        (Kind::Struct(written), Type::Struct(fields)) => {
            let none = v1::Value::default();
            if let Some(other) =
                written.fields.iter().find(|one| fields.iter().all(|(name, _)| *name != one.name))
            {
                return Err(format!("a struct with a field `{}`", other.name));
            }
            let field = |(name, slot): &(String, feat_kernel::types::Slot)| {
                let given = written.fields.iter().find(|one| one.name == *name);
                value(given.and_then(|one| one.value.as_ref()).unwrap_or(&none), &slot.ty)
            };
            Ok(Value::Struct(fields.iter().map(field).collect::<Result<_, _>>()?))
        }
        _ => found(),
    }
}

/// The decimal that a text writes.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Option<Value> {
    let scale = usize::try_from(scale).ok()?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = if fraction.len() > scale { fraction.trim_end_matches('0') } else { fraction };
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > scale || !plain(whole) || !plain(fraction) {
        return None;
    }
    let number: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
    (number < 10_i128.checked_pow(u32::from(precision))?).then_some(Value::Decimal(sign * number))
}

/// The digits of a decimal, with its type's scale.
pub(super) fn digits(unscaled: i128, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let mut text = String::with_capacity(digits.len() + 2);
    if unscaled < 0 {
        text.push('-');
    }
    text.push_str(whole);
    if scale > 0 {
        let _infallible = write!(text, ".{fraction}");
    }
    text
}

fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool(_) => "a bool",
        Kind::Int(_) => "an int",
        Kind::Float(_) => "a float",
        Kind::String(_) => "a string",
        Kind::Bytes(_) => "bytes",
        Kind::Decimal(_) => "a decimal",
        Kind::Timestamp(_) => "a timestamp",
        Kind::Date(_) => "a date",
        Kind::Duration(_) => "a duration",
        Kind::List(_) => "a list",
        Kind::Map(_) => "a map",
        Kind::Struct(_) => "a struct",
        Kind::Embedding(_) => "an embedding of another length or place",
    }
}

/// The digits of a column of decimals, one a row; empty where null.
pub(super) fn decimals(array: &dyn Array, scale: i8) -> Vec<String> {
    let numbers = array.as_primitive::<arrow::datatypes::Decimal128Type>();
    numbers.iter().map(|number| number.map_or_else(String::new, |number| digits(number, scale))).collect()
}
