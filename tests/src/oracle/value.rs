//! Values as the definition sees them: read from JSON by a column's type, ordered, written as text.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, Zero};
use serde_json::Value as Json;

use super::exact::exact;
use super::time::{instant, instant_text};

/// One value.
#[derive(Clone, Debug)]
pub enum Val {
    /// No value.
    Null,
    /// A truth.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A finite float, never `-0.0`.
    Float(f64),
    /// A decimal: unscaled integer and scale.
    Decimal(BigInt, u32),
    /// A string.
    Str(String),
    /// An instant in microseconds.
    Time(i64),
    /// A list.
    List(Vec<Val>),
    /// What a sketch may answer: any number in `[low, high]`. Only the definition says so.
    Between(f64, f64),
}

/// Why a cell of a row could not be read: the row is quarantined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl Val {
    /// The value of `json` in a column of type `ty` (`float?`): floats that are no finite number are
    /// null, `-0.0` is `0.0`, and null in a column without `?` is unreadable.
    pub fn read(json: Option<&Json>, ty: &str) -> Result<Self, Unreadable> {
        let (ty, nullable) = ty.strip_suffix('?').map_or((ty, false), |ty| (ty, true));
        let value = match json {
            None | Some(Json::Null) => Self::Null,
            Some(json) => Self::of(json, ty).ok_or(Unreadable)?,
        };
        if value.is_null() && !nullable { Err(Unreadable) } else { Ok(value) }
    }

    fn of(json: &Json, ty: &str) -> Option<Self> {
        match (ty, json) {
            ("bool", Json::Bool(x)) => Some(Self::Bool(*x)),
            ("int", Json::Number(x)) => x.as_i64().map(Self::Int),
            ("float", Json::Number(x)) => x.as_f64().map(|x| Self::Float(x + 0.0)),
            ("float", Json::String(x)) if matches!(x.as_str(), "NaN" | "inf" | "-inf") => Some(Self::Null),
            ("string", Json::String(x)) => Some(Self::Str(x.clone())),
            ("timestamp", Json::String(x)) => instant(x).map(Self::Time),
            (ty, Json::String(x)) => {
                decimal(x, scale(ty)?).map(|unscaled| Self::Decimal(unscaled, scale(ty).unwrap_or(0)))
            }
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it says something: neither null, nor zero, nor empty.
    pub fn is_telling(&self) -> bool {
        match self {
            Self::Null | Self::Int(0) => false,
            Self::Float(x) => x.to_bits() != 0,
            Self::Decimal(x, _) => !x.is_zero(),
            Self::List(items) => !items.is_empty(),
            Self::Between(low, high) => (low + high).to_bits() << 1 != 0,
            _ => true,
        }
    }

    /// Its exact value as a fraction; `None` for what is no number.
    pub fn number(&self) -> Option<BigRational> {
        match self {
            Self::Int(x) => Some(BigRational::from_integer((*x).into())),
            Self::Float(x) => Some(exact(*x)),
            Self::Decimal(x, scale) => Some(BigRational::new(x.clone(), BigInt::from(10).pow(*scale))),
            _ => None,
        }
    }

    /// Whether `got`, from some reading, is what this definition says: equal to the bit, or within a
    /// sketch's bounds.
    pub fn admits(&self, got: &Self) -> bool {
        match (self, got) {
            (Self::Between(low, high), Self::Float(x)) => low <= x && x <= high,
            (Self::Between(low, high), Self::Int(x)) => *low <= *x as f64 && *x as f64 <= *high,
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.admits(b)),
            _ => self.to_string() == got.to_string(),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::Float(_) => 3,
            Self::Decimal(..) => 4,
            Self::Str(_) => 5,
            Self::Time(_) => 6,
            Self::List(_) => 7,
            Self::Between(..) => 8,
        }
    }
}

/// The scale of `decimal(p,s)`.
pub(super) fn scale(ty: &str) -> Option<u32> {
    ty.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?.1.trim().parse().ok()
}

/// The unscaled integer of `12.5` at a scale; `None` if it has more digits than that.
pub(super) fn decimal(text: &str, scale: u32) -> Option<BigInt> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let scale = scale as usize;
    if fraction.len() > scale {
        return None;
    }
    format!("{whole}{fraction:0<scale$}").parse().ok()
}

impl Ord for Val {
    /// Nulls first, then by value; strings by their bytes. Only values of one type meet.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) | (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Decimal(a, _), Self::Decimal(b, _)) => a.cmp(b),
            (Self::Str(a), Self::Str(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::List(a), Self::List(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Val {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Val {}

impl std::fmt::Display for Val {
    /// Text that two values share only if they are the same to the bit: floats in their shortest
    /// form that reads back, decimals with every digit of their scale, strings quoted.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(x) => write!(f, "{x}"),
            Self::Int(x) => write!(f, "{x}"),
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Decimal(x, scale) => {
                let digits = format!("{:0>1$}", x.magnitude().to_string(), *scale as usize + 1);
                let (whole, fraction) = digits.split_at(digits.len() - *scale as usize);
                let point = if *scale == 0 { "" } else { "." };
                write!(f, "{}{whole}{point}{fraction}", if x.is_negative() { "-" } else { "" })
            }
            Self::Str(x) => write!(f, "{x:?}"),
            Self::Time(x) => f.write_str(&instant_text(*x)),
            Self::List(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Between(low, high) => write!(f, "{low:?} to {high:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_are_read_by_their_type() {
        let read = |json: Json, ty: &str| Val::read(Some(&json), ty).map(|value| value.to_string());
        assert_eq!(read(json!("NaN"), "float?"), Ok("null".to_owned()));
        assert_eq!(read(json!("NaN"), "float"), Err(Unreadable));
        assert_eq!(read(json!(-0.0), "float"), Ok("0.0".to_owned()));
        assert_eq!(read(json!("-1.5"), "decimal(10,2)"), Ok("-1.50".to_owned()));
        assert_eq!(read(json!("0.05"), "decimal(10,2)"), Ok("0.05".to_owned()));
        assert_eq!(read(json!("1.555"), "decimal(10,2)"), Err(Unreadable));
        assert_eq!(read(Json::Null, "int"), Err(Unreadable));
        assert_eq!(read(json!("2024-05-01T00:00:00Z"), "timestamp"), Ok("2024-05-01T00:00:00Z".to_owned()));
    }

    #[test]
    fn a_sketch_admits_what_lies_within_its_bounds() {
        assert!(Val::Between(1.0, 2.0).admits(&Val::Float(2.0)));
        assert!(!Val::Between(1.0, 2.0).admits(&Val::Int(3)));
        assert!(!Val::Float(0.0).admits(&Val::Float(-0.0)));
        assert!(!Val::Int(1).admits(&Val::Float(1.0)));
    }
}
