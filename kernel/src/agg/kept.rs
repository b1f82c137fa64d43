//! A row that a state holds on to: its place and its value.

use std::cmp::Ordering;

use super::content::Content;
use super::{Input, Place};
use crate::codec::{CodecError, Reader, put_bytes, put_packed, put_zigzag};
use crate::time::Instant;
use crate::value::Value;

/// A row's place in the row order, and the value it gave. Ordered by place; rows at one place are
/// equal in all that the group reads, so the value after it only makes the order total.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept<C = Value> {
    tau: Instant,
    tie: Tie,
    value: C,
}

/// Tie-break bytes. Those of an integer and a float fit without a place on the heap, which is what
/// makes a state of one row as cheap to move as a sum.
#[derive(Clone, Debug)]
enum Tie {
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

/// The most bytes that fit in as much room as a boxed slice and its tag take.
const SHORT: usize = 22;

impl Tie {
    #[inline]
    fn new(bytes: &[u8]) -> Self {
        if bytes.len() > SHORT {
            return Self::Long(bytes.into());
        }
        let mut short = [0; SHORT];
        short[..bytes.len()].copy_from_slice(bytes);
        Self::Short(bytes.len() as u8, short)
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(length, short) => &short[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }

    fn heap_size(&self) -> usize {
        match self {
            Self::Short(..) => 0,
            Self::Long(bytes) => bytes.len(),
        }
    }
}

impl PartialEq for Tie {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Tie {}

impl PartialOrd for Tie {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Tie {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl<C: Content> Kept<C> {
    pub(super) fn new(input: Input<'_>) -> Self {
        let Place { tau, tie } = input.at;
        Self { tau, tie: Tie::new(tie), value: C::of(input.x) }
    }

    /// How the row of `input` compares with it.
    #[inline]
    pub(super) fn order_of(&self, input: Input<'_>) -> Ordering {
        let place = Place { tau: self.tau, tie: self.tie.bytes() };
        input.at.cmp(&place).then_with(|| C::compare(input.x, &self.value))
    }

    #[inline]
    pub(super) fn value(&self) -> Value {
        self.value.to_value()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_zigzag(out, self.tau.0);
        put_bytes(out, self.tie.bytes());
        put_packed(out, self.value.as_ref());
    }

    pub(super) fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let tau = Instant(from.zigzag()?);
        let tie = Tie::new(from.bytes()?);
        let value = C::from_value(from.packed()?);
        Ok(Self { tau, tie, value: value.ok_or_else(|| CodecError::invalid("value of a row"))? })
    }

    pub(super) fn heap_size(&self) -> usize {
        self.tie.heap_size() + self.value.heap_size()
    }
}

/// Bytes that `value` holds on the heap. Shared text counts in full.
pub(super) fn value_heap_size(value: &Value) -> usize {
    let items = |items: &[Value]| size_of_val(items) + items.iter().map(value_heap_size).sum::<usize>();
    match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(values) | Value::Struct(values) => items(values),
        Value::Map(entries) => {
            let nested = |(key, value): &(Value, Value)| value_heap_size(key) + value_heap_size(value);
            size_of_val(entries.as_slice()) + entries.iter().map(nested).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Decimal(_) => 0,
    }
}
