//! A value as it is written, before anything is made of it.

use std::borrow::Cow;

use feat_kernel::types::Type;

use super::number;

/// A value as text writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw<'a> {
    /// Nothing: JSON's `null`, an empty field of CSV.
    Null,
    /// JSON's `true` and `false`.
    Bool(bool),
    /// A number of JSON, or what Python writes for one that is none: `NaN`, `Infinity`.
    Number(&'a str),
    /// A string of JSON.
    Text(Cow<'a, str>),
    /// A field of CSV, which may be any of the above.
    Field(&'a str),
    /// A list or an object of JSON, as it stands.
    Nested(&'a str),
}

impl Raw<'_> {
    /// The narrowest type that holds what a field of JSON looks like; `None` for null.
    pub fn narrowest(&self) -> Option<Type> {
        match self {
            Self::Null => None,
            Self::Bool(_) => Some(Type::Bool),
            Self::Number(text) if !text.contains(['.', 'e', 'E']) && number::int(text).is_ok() => {
                Some(Type::Int)
            }
            Self::Number(_) => Some(Type::Float),
            _ => Some(Type::String),
        }
    }

    /// The value as messages show it, in backticks, shortened.
    pub(super) fn shown(&self) -> String {
        const LONGEST: usize = 40;
        let text: Cow<'_, str> = match self {
            Self::Null => "null".into(),
            Self::Bool(value) => value.to_string().into(),
            Self::Number(text) | Self::Field(text) | Self::Nested(text) => (*text).into(),
            Self::Text(text) => format!("\"{text}\"").into(),
        };
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("`{}…`", &text[..end]),
            None => format!("`{text}`"),
        }
    }

    /// The text of something that may be a number, a time or a date.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Number(text) | Self::Field(text) => Some(text.trim()),
            Self::Text(text) => Some(text.trim()),
            _ => None,
        }
    }
}
