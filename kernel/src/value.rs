//! One value, outside Arrow: in a state, a kept row, a lookup's answer.
//!
//! A value is physical: an `int`, a `timestamp`, a `date` and a `duration` are all [`Value::Int`];
//! the [`Type`](crate::types::Type) beside it says which. Floats are finite and never `-0.0`
//! ([`finite`]). Order is total: null first, then by value; strings by their bytes.

use std::cmp::Ordering;
use std::sync::Arc;

/// One value.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value.
    Null,
    /// `bool`
    Bool(bool),
    /// `int`, `timestamp` and `duration` (microseconds), `date` (days).
    Int(i64),
    /// `float`, finite, no `-0.0`.
    Float(f64),
    /// `decimal`: the unscaled integer.
    Decimal(i128),
    /// `string`, `enum`
    Str(Arc<str>),
    /// `bytes`
    Bytes(Arc<[u8]>),
    /// `list`, `embedding`
    List(Vec<Value>),
    /// `map`, sorted by key.
    Map(Vec<(Value, Value)>),
    /// `struct`, in the type's order of fields.
    Struct(Vec<Value>),
}

/// A borrowed [`Value`]: what an aggregate is fed, without a copy.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// No value.
    Null,
    /// `bool`
    Bool(bool),
    /// `int`, `timestamp`, `duration`, `date`
    Int(i64),
    /// `float`
    Float(f64),
    /// `decimal`
    Decimal(i128),
    /// `string`, `enum`
    Str(&'a str),
    /// `bytes`
    Bytes(&'a [u8]),
    /// `list`, `map`, `struct`, `embedding`
    Nested(&'a Value),
}

/// The float that is stored for `x`: none for NaN and the infinities, `0.0` for `-0.0`.
#[inline]
pub fn finite(x: f64) -> Option<f64> {
    // Adding zero turns -0.0 into 0.0 and changes nothing else.
    x.is_finite().then_some(x + 0.0)
}

impl Value {
    /// Borrows it.
    #[inline]
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Bool(x) => ValueRef::Bool(*x),
            Self::Int(x) => ValueRef::Int(*x),
            Self::Float(x) => ValueRef::Float(*x),
            Self::Decimal(x) => ValueRef::Decimal(*x),
            Self::Str(x) => ValueRef::Str(x),
            Self::Bytes(x) => ValueRef::Bytes(x),
            Self::List(_) | Self::Map(_) | Self::Struct(_) => ValueRef::Nested(self),
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::Float(_) => 3,
            Self::Decimal(_) => 4,
            Self::Str(_) => 5,
            Self::Bytes(_) => 6,
            Self::List(_) => 7,
            Self::Map(_) => 8,
            Self::Struct(_) => 9,
        }
    }
}

impl ValueRef<'_> {
    /// Copies it.
    #[inline]
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(x) => Value::Bool(x),
            Self::Int(x) => Value::Int(x),
            Self::Float(x) => Value::Float(x),
            Self::Decimal(x) => Value::Decimal(x),
            Self::Str(x) => Value::Str(x.into()),
            Self::Bytes(x) => Value::Bytes(x.into()),
            Self::Nested(x) => x.clone(),
        }
    }

    /// Whether it is null.
    #[inline]
    pub fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }
}

impl Ord for Value {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Decimal(a), Self::Decimal(b)) => a.cmp(b),
            (Self::Str(a), Self::Str(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) | (Self::Struct(a), Self::Struct(b)) => a.cmp(b),
            (Self::Map(a), Self::Map(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}
