//! What a state keeps a row's value as.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::marker::PhantomData;

use super::broken;
use super::kept::value_heap_size;
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

/// A number that fits a machine word.
pub trait Number: Copy + Debug + Ord + Send + 'static {
    /// The number in `x`; `None` if there is none of this kind.
    fn read(x: ValueRef<'_>) -> Option<Self>;
    /// As any value; the same bits.
    fn shown(&self) -> ValueRef<'_>;
}

impl<N: Number> Content for N {
    #[inline]
    fn of(x: ValueRef<'_>) -> Self {
        N::read(x).unwrap_or_else(|| broken("a state meets only values of its argument's type"))
    }

    #[inline]
    fn compare(x: ValueRef<'_>, with: &Self) -> Ordering {
        Self::of(x).cmp(with)
    }

    #[inline]
    fn to_value(&self) -> Value {
        self.shown().to_value()
    }

    fn as_ref(&self) -> ValueRef<'_> {
        self.shown()
    }

    fn from_value(value: Value) -> Option<Self> {
        N::read(value.as_ref())
    }
}

/// `int`, `timestamp`, `duration`, `date`.
impl Number for i64 {
    #[inline]
    fn read(x: ValueRef<'_>) -> Option<Self> {
        if let ValueRef::Int(x) = x { Some(x) } else { None }
    }

    #[inline]
    fn shown(&self) -> ValueRef<'_> {
        ValueRef::Int(*self)
    }
}

/// A float as columns hold it: finite, no `-0.0`.
#[derive(Clone, Copy, Debug)]
pub struct Finite(f64);

impl Number for Finite {
    #[inline]
    fn read(x: ValueRef<'_>) -> Option<Self> {
        if let ValueRef::Float(x) = x { Some(Self(x)) } else { None }
    }

    #[inline]
    fn shown(&self) -> ValueRef<'_> {
        ValueRef::Float(self.0)
    }
}

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
