//! The types of the language and the Arrow types that carry them.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

/// A type of the language, without nullability: that belongs to a [`Slot`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// `bool`
    Bool,
    /// `int`: 64 bits.
    Int,
    /// `float`: 64 bits, finite only.
    Float,
    /// `decimal(p, s)`
    Decimal(u8, i8),
    /// `string`
    String,
    /// `enum("a", "b")`: a closed domain of strings, in the order written.
    Enum(Arc<[String]>),
    /// `bytes`
    Bytes,
    /// `timestamp`: microseconds UTC.
    Timestamp,
    /// `date`: days.
    Date,
    /// `duration`: microseconds.
    Duration,
    /// `list<T>`
    List(Box<Slot>),
    /// `map<K, V>`
    Map(Box<Type>, Box<Slot>),
    /// `struct { a: T }`
    Struct(Vec<(String, Slot)>),
    /// `embedding<N>`
    Embedding(u32),
}

/// A place that holds a value: its type, and whether null may stand there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// The type.
    pub ty: Type,
    /// Whether null is allowed.
    pub nullable: bool,
}

impl Slot {
    /// `T?`
    pub fn nullable(ty: Type) -> Self {
        Self { ty, nullable: true }
    }

    /// `T`
    pub fn required(ty: Type) -> Self {
        Self { ty, nullable: false }
    }

    /// The Arrow field of this slot under `name`.
    pub fn field(&self, name: &str) -> Field {
        Field::new(name, self.ty.arrow(), self.nullable)
    }
}

impl Type {
    /// Whether it counts or measures: `int`, `float`, `decimal`.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Decimal(..))
    }

    /// Whether its values have an order that `min`, `max` and `<` use.
    pub fn is_ordered(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Map(..) | Self::Struct(_) | Self::Embedding(_))
    }

    /// The Arrow type that carries it in every engine. An enum travels as its string.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale),
            Self::String | Self::Enum(_) => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
            Self::Duration => DataType::Duration(TimeUnit::Microsecond),
            Self::List(item) => DataType::List(Arc::new(item.field("item"))),
            Self::Map(key, value) => {
                let entry = Fields::from(vec![Field::new("key", key.arrow(), false), value.field("value")]);
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry), false)), false)
            }
            Self::Struct(fields) => {
                DataType::Struct(fields.iter().map(|(name, slot)| slot.field(name)).collect())
            }
            Self::Embedding(size) => {
                DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, false)), *size as i32)
            }
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision}, {scale})"),
            Self::String => f.write_str("string"),
            Self::Enum(names) => {
                let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
                write!(f, "enum({})", quoted.join(", "))
            }
            Self::Bytes => f.write_str("bytes"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Date => f.write_str("date"),
            Self::Duration => f.write_str("duration"),
            Self::List(item) => write!(f, "list<{item}>"),
            Self::Map(key, value) => write!(f, "map<{key}, {value}>"),
            Self::Struct(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, slot)| format!("{name}: {slot}")).collect();
                write!(f, "struct {{ {} }}", fields.join(", "))
            }
            Self::Embedding(size) => write!(f, "embedding<{size}>"),
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.ty, if self.nullable { "?" } else { "" })
    }
}
