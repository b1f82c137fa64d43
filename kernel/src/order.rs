//! Bytes that compare as the values they encode: the tie-break of the row order.
//!
//! Nulls first, then by value; strings and bytes by their bytes, shorter first where one is the
//! other's beginning; floats by number. Bytes of several values in a row compare like the tuple.
//! Rows that are equal in everything the group reads have equal bytes and are interchangeable.

use crate::value::{Value, ValueRef};

const NULL: u8 = 0;
const SOME: u8 = 1;
/// Ends a string or list; every continued byte or item begins higher or is escaped.
const END: u8 = 0;
/// Stands behind a zero byte that is part of a string.
const ESCAPED: u8 = 0xff;

/// Appends the bytes of `value`.
pub fn put(out: &mut Vec<u8>, value: ValueRef<'_>) {
    if value.is_null() {
        out.push(NULL);
        return;
    }
    out.push(SOME);
    match value {
        ValueRef::Null => {}
        ValueRef::Bool(x) => out.push(u8::from(x)),
        ValueRef::Int(x) => out.extend_from_slice(&(x ^ i64::MIN).to_be_bytes()),
        ValueRef::Float(x) => {
            let bits = x.to_bits();
            // A negative float's order runs against its bits; a positive one's with them.
            let mask = if bits >> 63 == 1 { u64::MAX } else { 1 << 63 };
            out.extend_from_slice(&(bits ^ mask).to_be_bytes());
        }
        ValueRef::Decimal(x) => out.extend_from_slice(&(x ^ i128::MIN).to_be_bytes()),
        ValueRef::Str(x) => put_bytes(out, x.as_bytes()),
        ValueRef::Bytes(x) => put_bytes(out, x),
        ValueRef::Nested(Value::List(items) | Value::Struct(items)) => {
            for item in items {
                out.push(SOME);
                put(out, item.as_ref());
            }
            out.push(END);
        }
        ValueRef::Nested(Value::Map(pairs)) => {
            for (key, item) in pairs {
                out.push(SOME);
                put(out, key.as_ref());
                put(out, item.as_ref());
            }
            out.push(END);
        }
        ValueRef::Nested(other) => put(out, other.as_ref()),
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(ESCAPED);
        }
    }
    out.extend_from_slice(&[0, END]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), "[\u{0}-\u{2}a]{0,3}".prop_map(|x| Value::Str(x.into())),];
        prop_oneof![leaf.clone(), prop::collection::vec(leaf, 0..3).prop_map(Value::List)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn bytes_of_strings_and_lists_compare_as_values(a in values(), b in values(), c in values(), d in values()) {
            // Only values of one type meet in a column.
            prop_assume!(std::mem::discriminant(&a) == std::mem::discriminant(&b) || a.is_null() || b.is_null());
            prop_assume!(std::mem::discriminant(&c) == std::mem::discriminant(&d) || c.is_null() || d.is_null());
            let (mut x, mut y) = (Vec::new(), Vec::new());
            for value in [&a, &c] { put(&mut x, value.as_ref()); }
            for value in [&b, &d] { put(&mut y, value.as_ref()); }
            prop_assert_eq!(x.cmp(&y), (&a, &c).cmp(&(&b, &d)));
        }

        #[test]
        fn bytes_of_numbers_compare_as_numbers(a in any::<i64>(), b in any::<i64>(), x in -1e300..1e300f64, y in -1e300..1e300f64) {
            let bytes = |value: Value| { let mut out = Vec::new(); put(&mut out, value.as_ref()); out };
            prop_assert_eq!(bytes(Value::Int(a)).cmp(&bytes(Value::Int(b))), a.cmp(&b));
            prop_assert_eq!(bytes(Value::Float(x)).cmp(&bytes(Value::Float(y))), x.total_cmp(&y));
            prop_assert_eq!(bytes(Value::Decimal(i128::from(a))).cmp(&bytes(Value::Decimal(i128::from(b)))), a.cmp(&b));
        }
    }
}
