//! Bytes: how states and values are written and read back.
//!
//! Every number is a varint of its canonical, shortest form, so equal things have equal bytes and a
//! state can be compared, hashed and swapped without being decoded. [`Reader`] takes bytes from
//! anybody: it refuses what [`put_value`] and its neighbours would not have written, it never panics,
//! and it never allocates more than a fixed multiple of its input.
//!
//! ```
//! use feat_kernel::codec::{Reader, put_zigzag};
//!
//! let mut out = Vec::new();
//! put_zigzag(&mut out, -3);
//! assert_eq!(out, [5]);
//! assert_eq!(Reader::new(&out).zigzag(), Ok(-3));
//! ```

use crate::value::{Value, ValueRef, finite};

/// The version of every byte layout in this crate; golden files pin it.
pub const VERSION: u8 = 2;

/// How deep lists, maps and structs may stand in each other: far above any declared type, far below
/// the stack.
const MAX_DEPTH: usize = 64;

/// Why bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end before the thing they hold does.
    #[error("the bytes end too early")]
    Truncated,
    /// The bytes are not what this crate writes.
    #[error("the bytes hold no canonical {what}")]
    Invalid {
        /// What was expected there.
        what: &'static str,
    },
    /// The bytes were written by a newer layout.
    #[error("written as version {found}, this build reads up to {reads}")]
    Newer {
        /// The version that the bytes name.
        found: u8,
        /// The newest version that is understood.
        reads: u8,
    },
    /// The bytes were written by an older layout that is no longer read.
    #[error(
        "written as version {found}, this build reads {reads}: fill the view again with `feat stream --refill`"
    )]
    Older {
        /// The version that the bytes name.
        found: u8,
        /// The oldest version that is understood.
        reads: u8,
    },
}

impl CodecError {
    /// [`CodecError::Invalid`] of `what`.
    pub fn invalid(what: &'static str) -> Self {
        Self::Invalid { what }
    }
}

/// Reads bytes from front to back.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let (head, rest) = self.bytes.split_at_checked(length).ok_or(CodecError::Truncated)?;
        self.bytes = rest;
        Ok(head)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(CodecError::Truncated)?;
        self.bytes = rest;
        Ok(*head)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, CodecError> {
        let (first, rest) = self.bytes.split_first().ok_or(CodecError::Truncated)?;
        self.bytes = rest;
        Ok(*first)
    }

    /// A version byte, refused when it is above `reads`.
    pub fn version(&mut self, reads: u8) -> Result<u8, CodecError> {
        match self.u8()? {
            found if found > reads => Err(CodecError::Newer { found, reads }),
            found => Ok(found),
        }
    }

    /// What [`put_varint`] wrote.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, CodecError> {
        // Most numbers in a state are below 128.
        if let Some((&first, rest)) = self.bytes.split_first()
            && first < 0x80
        {
            self.bytes = rest;
            return Ok(u64::from(first));
        }
        u64::try_from(self.wide()?).map_err(|_| CodecError::invalid("number of 64 bits"))
    }

    /// A varint that is a length or an index in memory.
    pub fn length(&mut self) -> Result<usize, CodecError> {
        usize::try_from(self.varint()?).map_err(|_| CodecError::invalid("length"))
    }

    /// A varint that counts things of at least `size` bytes each, all of them still unread. What it
    /// returns is safe to reserve memory for.
    pub fn count(&mut self, size: usize) -> Result<usize, CodecError> {
        let count = self.length()?;
        match count.checked_mul(size) {
            Some(bytes) if bytes <= self.remaining() => Ok(count),
            _ => Err(CodecError::Truncated),
        }
    }

    /// What [`put_zigzag`] wrote.
    pub fn zigzag(&mut self) -> Result<i64, CodecError> {
        let folded = self.varint()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    /// What [`put_i128`] wrote.
    pub fn i128(&mut self) -> Result<i128, CodecError> {
        let folded = self.wide()?;
        Ok((folded >> 1) as i128 ^ -((folded & 1) as i128))
    }

    /// What [`put_bytes`] wrote.
    pub fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.length()?;
        self.take(length)
    }

    /// What [`put_value`] wrote.
    pub fn value(&mut self) -> Result<Value, CodecError> {
        self.nested(MAX_DEPTH)
    }

    /// What [`put_packed`] wrote.
    pub fn packed(&mut self) -> Result<Value, CodecError> {
        if self.bytes.first() != Some(&tag::SHORT) {
            let value = self.value()?;
            return match &value {
                Value::Float(x) if short(*x).is_some() => {
                    Err(CodecError::invalid("float: fewer bytes name it"))
                }
                _ => Ok(value),
            };
        }
        self.bytes = &self.bytes[1..];
        Ok(Value::Float(self.short()?))
    }

    /// The number that [`short`] names.
    pub(crate) fn short(&mut self) -> Result<f64, CodecError> {
        let written = self.varint()?;
        let (folded, digits) = (written >> 2, written & 3);
        let whole = (folded >> 1) as i64 ^ -((folded & 1) as i64);
        let x = whole as f64 / POWERS[digits as usize];
        if short(x) == Some(written) { Ok(x) } else { Err(CodecError::invalid("short float")) }
    }

    fn wide(&mut self) -> Result<u128, CodecError> {
        let mut number = 0;
        for shift in (0..u128::BITS).step_by(7) {
            let byte = self.u8()?;
            let bits = u128::from(byte & 0x7f);
            if (bits << shift) >> shift != bits || (byte == 0 && shift > 0) {
                return Err(CodecError::invalid("number"));
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(CodecError::invalid("number"))
    }

    fn nested(&mut self, depth: usize) -> Result<Value, CodecError> {
        let tag = self.u8()?;
        if tag >= tag::LIST && depth == 0 {
            return Err(CodecError::invalid("value of a sensible depth"));
        }
        Ok(match tag {
            tag::NULL => Value::Null,
            tag::FALSE => Value::Bool(false),
            tag::TRUE => Value::Bool(true),
            tag::INT => Value::Int(self.zigzag()?),
            tag::FLOAT => Value::Float(self.float()?),
            tag::DECIMAL => Value::Decimal(self.i128()?),
            tag::STR => {
                let text = str::from_utf8(self.bytes()?).map_err(|_| CodecError::invalid("UTF-8"))?;
                Value::Str(text.into())
            }
            tag::BYTES => Value::Bytes(self.bytes()?.into()),
            tag::LIST => Value::List(self.items(depth)?),
            tag::STRUCT => Value::Struct(self.items(depth)?),
            tag::MAP => {
                let count = self.count(2)?;
                let mut entries: Vec<(Value, Value)> = Vec::with_capacity(count);
                for _ in 0..count {
                    let key = self.nested(depth - 1)?;
                    if entries.last().is_some_and(|(last, _)| *last >= key) {
                        return Err(CodecError::invalid("map: its keys do not ascend"));
                    }
                    entries.push((key, self.nested(depth - 1)?));
                }
                Value::Map(entries)
            }
            _ => return Err(CodecError::invalid("value: its tag is unknown")),
        })
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Value>, CodecError> {
        let count = self.count(1)?;
        (0..count).map(|_| self.nested(depth - 1)).collect()
    }

    fn float(&mut self) -> Result<f64, CodecError> {
        let x = f64::from_le_bytes(self.array()?);
        match finite(x) {
            Some(stored) if stored.to_bits() == x.to_bits() => Ok(x),
            _ => Err(CodecError::invalid("float: it is not finite, or is -0.0")),
        }
    }
}

/// The first byte of a value.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const INT: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
    pub(super) const DECIMAL: u8 = 5;
    pub(super) const STR: u8 = 6;
    pub(super) const BYTES: u8 = 7;
    /// From here on a value holds values.
    pub(super) const LIST: u8 = 8;
    pub(super) const MAP: u8 = 9;
    pub(super) const STRUCT: u8 = 10;
    /// A float in few decimals: of [`put_packed`](super::put_packed) alone.
    pub(super) const SHORT: u8 = 11;
}

/// The powers of ten by which a short float is divided.
const POWERS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

/// Short floats are below this, in units of their last decimal: six bytes at most.
const SHORT_BELOW: f64 = (1_u64 << 32) as f64;

/// The number by which a float is named that is nearest to one of at most three decimals, as prices are:
/// its decimals as a whole number, folded, then how many there are.
pub(crate) fn short(x: f64) -> Option<u64> {
    (0..POWERS.len()).find_map(|digits| {
        let whole = (x * POWERS[digits]).round_ties_even();
        // The quotient of two floats that are whole is the float nearest to the decimal.
        let exact = whole.abs() < SHORT_BELOW && (whole / POWERS[digits]).to_bits() == x.to_bits();
        exact.then(|| {
            let whole = whole as i64;
            (((whole << 1) ^ (whole >> 63)) as u64) << 2 | digits as u64
        })
    })
}

/// Appends a number, seven bits a byte, lowest first; one byte below 128, ten at most.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a signed number, small when it is near zero: one byte from -64 to 63.
#[inline]
pub fn put_zigzag(out: &mut Vec<u8>, number: i64) {
    put_varint(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// Appends a wide signed number, as [`put_zigzag`] does; 19 bytes at most.
pub fn put_i128(out: &mut Vec<u8>, number: i128) {
    let mut folded = ((number << 1) ^ (number >> 127)) as u128;
    while folded >= 0x80 {
        out.push(folded as u8 | 0x80);
        folded >>= 7;
    }
    out.push(folded as u8);
}

/// Appends `bytes` behind their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a value's canonical bytes: a tag, then the value. Equal values give equal bytes, so these
/// are also what sketches hash.
pub fn put_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.push(tag::NULL),
        ValueRef::Bool(false) => out.push(tag::FALSE),
        ValueRef::Bool(true) => out.push(tag::TRUE),
        ValueRef::Int(x) => {
            out.push(tag::INT);
            put_zigzag(out, x);
        }
        ValueRef::Float(x) => {
            out.push(tag::FLOAT);
            out.extend_from_slice(&x.to_le_bytes());
        }
        ValueRef::Decimal(x) => {
            out.push(tag::DECIMAL);
            put_i128(out, x);
        }
        ValueRef::Str(x) => {
            out.push(tag::STR);
            put_bytes(out, x.as_bytes());
        }
        ValueRef::Bytes(x) => {
            out.push(tag::BYTES);
            put_bytes(out, x);
        }
        ValueRef::Nested(Value::List(items)) => put_items(out, tag::LIST, items),
        ValueRef::Nested(Value::Struct(items)) => put_items(out, tag::STRUCT, items),
        ValueRef::Nested(Value::Map(entries)) => {
            out.push(tag::MAP);
            put_varint(out, entries.len() as u64);
            for (key, value) in entries {
                put_value(out, key.as_ref());
                put_value(out, value.as_ref());
            }
        }
        ValueRef::Nested(plain) => put_value(out, plain.as_ref()),
    }
}

/// Appends a value as it is kept: as [`put_value`] does, but for floats of a few decimals, which take
/// three bytes or four instead of nine. Equal values give equal bytes here as well.
pub fn put_packed(out: &mut Vec<u8>, value: ValueRef<'_>) {
    let short = if let ValueRef::Float(x) = value { short(x) } else { None };
    match short {
        Some(short) => {
            out.push(tag::SHORT);
            put_varint(out, short);
        }
        None => put_value(out, value),
    }
}

fn put_items(out: &mut Vec<u8>, tag: u8, items: &[Value]) {
    out.push(tag);
    put_varint(out, items.len() as u64);
    for item in items {
        put_value(out, item.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::laws::any_value;

    fn written(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        put_value(&mut out, value.as_ref());
        out
    }

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(Reader::new(&[0x80, 0]).varint(), Err(CodecError::invalid("number")));
        assert_eq!(Reader::new(&[0xff; 19]).i128(), Err(CodecError::invalid("number")));
        let eleven = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2];
        assert_eq!(Reader::new(&eleven).varint(), Err(CodecError::invalid("number of 64 bits")));
        assert_eq!(Reader::new(&[0x80]).varint(), Err(CodecError::Truncated));
    }

    #[test]
    fn a_newer_version_is_named() {
        assert_eq!(Reader::new(&[3]).version(VERSION), Err(CodecError::Newer { found: 3, reads: VERSION }));
        assert_eq!(Reader::new(&[1]).version(VERSION), Ok(1));
    }

    #[test]
    fn prices_take_few_bytes_and_zero_has_no_sign() {
        let packed = |x: f64| {
            let mut out = Vec::new();
            put_packed(&mut out, ValueRef::Float(x));
            out
        };
        assert_eq!(packed(12.5), [tag::SHORT, 0xe9, 0x07]);
        assert_eq!([0.0, 3.0, 12.34, -999.99, 0.1 + 0.2].map(|x| packed(x).len()), [2, 2, 3, 4, 9]);
        // 12.50 and what is nearer to no decimal are spelled otherwise.
        let mut longer = vec![tag::SHORT];
        put_varint(&mut longer, 2500 << 2 | 2);
        assert_eq!(Reader::new(&longer).packed(), Err(CodecError::invalid("short float")));
        assert!(Reader::new(&written(&Value::Float(12.5))).packed().is_err());
        assert_eq!(Reader::new(&packed(12.5)).value(), Err(CodecError::invalid("value: its tag is unknown")));
    }

    #[test]
    fn minus_zero_and_nan_are_no_values() {
        for x in [-0.0, f64::NAN, f64::INFINITY] {
            let bytes = written(&Value::Float(x));
            assert!(matches!(Reader::new(&bytes).value(), Err(CodecError::Invalid { .. })));
        }
    }

    #[test]
    fn lists_nested_without_end_are_refused_and_not_followed() {
        let bytes = [tag::LIST, 1].repeat(100_000);
        assert_eq!(Reader::new(&bytes).value(), Err(CodecError::invalid("value of a sensible depth")));
    }

    #[test]
    fn a_length_beyond_the_input_reserves_nothing() {
        let mut bytes = vec![tag::LIST];
        put_varint(&mut bytes, u64::MAX >> 1);
        assert_eq!(Reader::new(&bytes).value(), Err(CodecError::Truncated));
    }

    #[test]
    fn maps_keep_their_keys_ascending() {
        let entry = |key| (Value::Int(key), Value::Null);
        let read = |entries| Reader::new(&written(&Value::Map(entries))).value();
        assert!(read(vec![entry(1), entry(2)]).is_ok());
        assert!(read(vec![entry(2), entry(1)]).is_err());
        assert!(read(vec![entry(1), entry(1)]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn values_come_back(value in any_value()) {
            let bytes = written(&value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.value(), Ok(value));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn packed_values_come_back(value in any_value(), whole in -100_000_i64..100_000, digits in 0_usize..5) {
            let price = Value::Float(whole as f64 / 10_f64.powi(digits as i32));
            for value in [value, price] {
                let mut bytes = Vec::new();
                put_packed(&mut bytes, value.as_ref());
                prop_assert!(bytes.len() <= written(&value).len());
                let mut reader = Reader::new(&bytes);
                prop_assert_eq!(reader.packed(), Ok(value));
                prop_assert!(reader.is_empty());
            }
        }

        #[test]
        fn whatever_is_read_packed_is_written_the_same(short in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut bytes = bytes;
            bytes.insert(0, if short { tag::SHORT } else { tag::FLOAT });
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.packed() {
                let mut again = Vec::new();
                put_packed(&mut again, value.as_ref());
                prop_assert_eq!(&again, &bytes[..bytes.len() - reader.remaining()]);
            }
        }

        #[test]
        fn numbers_come_back(number: u64, signed: i64, wide: i128, shift in 0_u32..127) {
            let mut out = Vec::new();
            put_varint(&mut out, number >> (shift / 2));
            put_zigzag(&mut out, signed >> (shift / 2));
            put_i128(&mut out, wide >> shift);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Ok(number >> (shift / 2)));
            prop_assert_eq!(reader.zigzag(), Ok(signed >> (shift / 2)));
            prop_assert_eq!(reader.i128(), Ok(wide >> shift));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn whatever_is_read_is_written_the_same(bytes in prop::collection::vec(0_u8..20, 0..40)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.value() {
                let used = bytes.len() - reader.remaining();
                prop_assert_eq!(written(&value), &bytes[..used]);
            }
        }
    }
}
