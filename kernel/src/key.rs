//! Entity keys: typed, length-prefixed, versioned bytes, so that `(1, 12)` and `(11, 2)` never meet.

use crate::codec::{CodecError, Reader};
use crate::value::{Value, ValueRef};

/// The version of the encoding, its first byte.
pub const VERSION: u8 = 1;

/// The bytes of an entity's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityKey(pub Vec<u8>);

/// Appends the bytes of a key whose columns are `columns`: the version, then per column a tag of
/// its physical form, the length of its bytes as a varint, and the bytes (integers big-endian).
///
/// Absent: a key with a null column belongs to no entity; nothing is appended and false returned.
pub fn put<'a>(out: &mut Vec<u8>, columns: impl Iterator<Item = ValueRef<'a>>) -> bool {
    let start = out.len();
    out.push(VERSION);
    for value in columns {
        match value {
            ValueRef::Bool(x) => part(out, b'b', &[u8::from(x)]),
            ValueRef::Int(x) => part(out, b'i', &x.to_be_bytes()),
            ValueRef::Decimal(x) => part(out, b'd', &x.to_be_bytes()),
            ValueRef::Str(x) => part(out, b's', x.as_bytes()),
            ValueRef::Bytes(x) => part(out, b'y', x),
            // Floats and nested values cannot be keys: the compiler refuses them.
            ValueRef::Null | ValueRef::Float(_) | ValueRef::Nested(_) => {
                out.truncate(start);
                return false;
            }
        }
    }
    true
}

impl EntityKey {
    /// The key of `columns`; `None` if one of them is null.
    pub fn new<'a>(columns: impl Iterator<Item = ValueRef<'a>>) -> Option<Self> {
        let mut bytes = Vec::new();
        put(&mut bytes, columns).then_some(Self(bytes))
    }
}

/// The values of a key's columns, as [`put`] was given them.
///
/// Errors: bytes that no key has. Never panics.
pub fn decode(key: &[u8]) -> Result<Vec<Value>, CodecError> {
    let mut from = Reader::new(key);
    from.version(VERSION)?;
    let mut values = Vec::new();
    while !from.is_empty() {
        let tag = from.u8()?;
        let bytes = from.bytes()?;
        let wrong = |_| CodecError::invalid("column of a key");
        values.push(match tag {
            b'b' => Value::Bool(<[u8; 1]>::try_from(bytes).map_err(wrong)? == [1]),
            b'i' => Value::Int(i64::from_be_bytes(bytes.try_into().map_err(wrong)?)),
            b'd' => Value::Decimal(i128::from_be_bytes(bytes.try_into().map_err(wrong)?)),
            b's' => {
                let text = std::str::from_utf8(bytes).map_err(|_| CodecError::invalid("text in a key"))?;
                Value::Str(text.into())
            }
            b'y' => Value::Bytes(bytes.into()),
            _ => return Err(CodecError::invalid("tag of a key's column")),
        });
    }
    Ok(values)
}

/// Which of `partitions` a key belongs to; the same for ever.
pub fn partition(key: &[u8], partitions: u32) -> u32 {
    (twox_hash::XxHash3_64::oneshot(key) % u64::from(partitions.max(1))) as u32
}

fn part(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    crate::codec::put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_do_not_move_between_columns() {
        let key = |a: &'static str, b: &'static str| {
            EntityKey::new([ValueRef::Str(a), ValueRef::Str(b)].into_iter()).unwrap()
        };
        assert_ne!(key("1", "12"), key("11", "2"));
        assert_eq!(key("1", "12").0, b"\x01s\x011s\x0212");
    }

    #[test]
    fn a_key_reads_back_as_its_columns() {
        let values = vec![
            Value::Str("é".into()),
            Value::Int(-1),
            Value::Bool(true),
            Value::Decimal(5),
            Value::Bytes([0].into()),
        ];
        let key = EntityKey::new(values.iter().map(Value::as_ref)).unwrap();
        assert_eq!(decode(&key.0), Ok(values));
        for cut in 1..key.0.len() {
            let _ = decode(&key.0[..cut]);
        }
        assert!(decode(&[]).is_err());
    }

    #[test]
    fn a_null_column_makes_no_key() {
        assert_eq!(EntityKey::new([ValueRef::Int(1), ValueRef::Null].into_iter()), None);
    }
}
