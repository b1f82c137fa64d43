//! What a state keeps a row's value as.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::marker::PhantomData;

use super::broken;
use super::kept::value_heap_size;
use crate::types::Type;
use crate::value::{Value, ValueRef};

/// A value that is not null, as a state keeps it: any [`Value`], or a number whose kind is known
/// beforehand, which is moved and compared as one.
pub trait Content: Clone + Debug + Ord + Send + 'static {
    /// A copy of `x`. Panics if it is of another kind.
    fn of(x: ValueRef<'_>) -> Self;
    /// `x` against `with`, in the order of values. Panics if it is of another kind.
    fn compare(x: ValueRef<'_>, with: &Self) -> Ordering;
    /// As any value; the same bits.
    fn to_value(&self) -> Value;
    /// Borrowed, as any value.
    fn as_ref(&self) -> ValueRef<'_>;
    /// What was read of a state's bytes; `None` if it is of another kind.
    fn from_value(value: Value) -> Option<Self>;
    /// Bytes on the heap.
    fn heap_size(&self) -> usize {
        0
    }
}

/// What a value of another kind than its column's means.
const KIND: &str = "a state meets only values of its argument's type";

impl Content for Value {
    #[inline]
    fn of(x: ValueRef<'_>) -> Self {
        x.to_value()
    }

    /// Without a copy of either but for nested ones.
    #[inline]
    fn compare(x: ValueRef<'_>, with: &Self) -> Ordering {
        match (x, with) {
            (ValueRef::Int(a), Self::Int(b)) => a.cmp(b),
            (ValueRef::Float(a), Self::Float(b)) => a.total_cmp(b),
            (ValueRef::Decimal(a), Self::Decimal(b)) => a.cmp(b),
            (ValueRef::Str(a), Self::Str(b)) => a.as_bytes().cmp(b.as_bytes()),
            (ValueRef::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (ValueRef::Nested(a), b) => a.cmp(b),
            (a, b) => a.to_value().cmp(b),
        }
    }

    fn to_value(&self) -> Value {
        self.clone()
    }

    fn as_ref(&self) -> ValueRef<'_> {
        self.as_ref()
    }

    fn from_value(value: Value) -> Option<Self> {
        Some(value)
    }

    fn heap_size(&self) -> usize {
        value_heap_size(self)
    }
}

/// `int`, `timestamp`, `duration`, `date`.
impl Content for i64 {
    #[inline]
    fn of(x: ValueRef<'_>) -> Self {
        match x {
            ValueRef::Int(x) => x,
            _ => broken(KIND),
        }
    }

    #[inline]
    fn compare(x: ValueRef<'_>, with: &Self) -> Ordering {
        Self::of(x).cmp(with)
    }

    #[inline]
    fn to_value(&self) -> Value {
        Value::Int(*self)
    }

    fn as_ref(&self) -> ValueRef<'_> {
        ValueRef::Int(*self)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Int(x) => Some(x),
            _ => None,
        }
    }
}

/// A float as columns hold it: finite, no `-0.0`.
#[derive(Clone, Copy, Debug)]
pub struct Finite(f64);

impl PartialEq for Finite {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Finite {}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Finite {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Content for Finite {
    #[inline]
    fn of(x: ValueRef<'_>) -> Self {
        match x {
            ValueRef::Float(x) => Self(x),
            _ => broken(KIND),
        }
    }

    #[inline]
    fn compare(x: ValueRef<'_>, with: &Self) -> Ordering {
        Self::of(x).cmp(with)
    }

    #[inline]
    fn to_value(&self) -> Value {
        Value::Float(self.0)
    }

    fn as_ref(&self) -> ValueRef<'_> {
        ValueRef::Float(self.0)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Float(x) => Some(Self(x)),
            _ => None,
        }
    }
}

/// Which numbers the values of a type are, if they are numbers that fit a machine word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// [`i64`]
    Int,
    /// [`Finite`]
    Float,
}

impl Word {
    /// That of `ty`.
    pub fn of(ty: &Type) -> Option<Self> {
        match ty {
            Type::Int | Type::Timestamp | Type::Duration | Type::Date => Some(Self::Int),
            Type::Float => Some(Self::Float),
            _ => None,
        }
    }
}

/// An aggregate `A` whose states keep values as `C`.
pub struct Over<A, C = Value> {
    /// Which one of its kind.
    pub which: A,
    content: PhantomData<fn() -> C>,
}

impl<A: Copy, C> Over<A, C> {
    /// `which`, over values that are kept as `C`.
    pub const fn new(which: A) -> Self {
        Self { which, content: PhantomData }
    }

    /// The same over values that are kept as `D`.
    pub fn keeping<D>(&self) -> Over<A, D> {
        Over::new(self.which)
    }
}

impl<A: Copy, C> Clone for Over<A, C> {
    fn clone(&self) -> Self {
        Self::new(self.which)
    }
}

impl<A: Debug, C> Debug for Over<A, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.which.fmt(f)
    }
}

impl<A: PartialEq, C> PartialEq for Over<A, C> {
    fn eq(&self, other: &Self) -> bool {
        self.which == other.which
    }
}
