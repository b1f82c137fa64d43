//! Columns that are being read from text: for each type what becomes of a value as it is written.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringArray,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::DataType;
use feat_kernel::column;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use super::number::{self, Unfit};
use super::time::{self, Time};
use super::times::{self, Clock};
use super::{Fault, Raw, Reader, json};
use crate::plan::StoredColumn;

/// A column that is being read from text.
#[derive(Debug)]
pub struct Builder(Values);

#[derive(Debug)]
enum Values {
    Bool(BooleanBuilder),
    /// `int`, and `duration`, which has no text form.
    Int(Int64Builder, Type),
    Float(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Date(Date32Builder),
    /// `string`, `enum`, and a `timestamp` that stays as it is written.
    Text(StringBuilder, Type),
    /// A `timestamp` whose instant is told.
    Instant(TimestampMicrosecondBuilder, Clock),
    /// What has parts, all of which may be null: whether they may is judged elsewhere.
    Nested(Vec<Value>, Type),
}

impl Builder {
    /// For values of `ty`; timestamps stay text.
    pub fn new(ty: &Type) -> Self {
        Self(match ty {
            Type::Bool => Values::Bool(BooleanBuilder::new()),
            Type::Int | Type::Duration => Values::Int(Int64Builder::new(), ty.clone()),
            Type::Float => Values::Float(Float64Builder::new()),
            Type::Decimal(precision, scale) => Values::Decimal(
                Decimal128Builder::new().with_data_type(DataType::Decimal128(*precision, *scale)),
                *precision,
                *scale,
            ),
            Type::Date => Values::Date(Date32Builder::new()),
            Type::String | Type::Enum(_) | Type::Timestamp => Values::Text(StringBuilder::new(), ty.clone()),
            nested => Values::Nested(Vec::new(), nested.clone()),
        })
    }

    /// For values of `column`, timestamps as instants in UTC.
    pub fn instants(column: &StoredColumn, reader: Reader) -> Self {
        if column.slot.ty != Type::Timestamp {
            return Self::new(&column.slot.ty);
        }
        let instants = TimestampMicrosecondBuilder::new().with_data_type(Type::Timestamp.arrow());
        Self(Values::Instant(instants, Clock::new(column, reader)))
    }

    /// The Arrow type of its columns.
    pub fn arrow(&self) -> DataType {
        match &self.0 {
            Values::Bool(_) => DataType::Boolean,
            Values::Int(..) => DataType::Int64,
            Values::Float(_) => DataType::Float64,
            Values::Decimal(_, precision, scale) => DataType::Decimal128(*precision, *scale),
            Values::Date(_) => DataType::Date32,
            Values::Text(..) => DataType::Utf8,
            Values::Instant(..) => Type::Timestamp.arrow(),
            Values::Nested(_, ty) => loose(ty).arrow(),
        }
    }

    /// The next value is null.
    pub fn null(&mut self) {
        match &mut self.0 {
            Values::Bool(values) => values.append_null(),
            Values::Int(values, _) => values.append_null(),
            Values::Float(values) => values.append_null(),
            Values::Decimal(values, ..) => values.append_null(),
            Values::Date(values) => values.append_null(),
            Values::Text(values, _) => values.append_null(),
            Values::Instant(values, _) => values.append_null(),
            Values::Nested(values, _) => values.push(Value::Null),
        }
    }

    /// The next value.
    ///
    /// Errors: what is wrong with it and what to do; it is not appended.
    pub fn push(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        if *raw == Raw::Null {
            self.null();
            return Ok(());
        }
        match &mut self.0 {
            Values::Bool(values) => values.append_value(bool(raw)?),
            Values::Int(values, ty) => values.append_value(int(raw, ty)?),
            Values::Float(values) => values.append_value(float(raw)?),
            Values::Decimal(values, precision, scale) => {
                values.append_value(decimal(raw, *precision, *scale)?);
            }
            Values::Date(values) => values.append_value(date(raw)?),
            Values::Text(values, ty) => values.append_value(string(raw, ty)?),
            Values::Instant(values, clock) => {
                values.append_option(clock.instant(string(raw, &Type::Timestamp)?)?);
            }
            Values::Nested(values, ty) => values.push(value(raw, ty)?),
        }
        Ok(())
    }

    /// The column of `texts`, each a field of CSV, which `column` declares.
    ///
    /// Errors: the first that does not become its type.
    pub fn fields(mut self, texts: &StringArray, column: &StoredColumn) -> Result<ArrayRef, Fault> {
        for (row, text) in texts.iter().enumerate() {
            let pushed = self.push(&text.map_or(Raw::Null, Raw::Field));
            pushed.map_err(|reason| Fault::of(row, column, reason))?;
        }
        Ok(self.finish())
    }

    /// The column so far; the builder begins anew.
    pub fn finish(&mut self) -> ArrayRef {
        match &mut self.0 {
            Values::Bool(values) => Arc::new(values.finish()),
            Values::Int(values, _) => Arc::new(values.finish()),
            Values::Float(values) => Arc::new(values.finish()),
            Values::Decimal(values, ..) => Arc::new(values.finish()),
            Values::Date(values) => Arc::new(values.finish()),
            Values::Text(values, _) => Arc::new(values.finish()),
            Values::Instant(values, _) => Arc::new(values.finish()),
            Values::Nested(values, ty) => column::array(&loose(ty), &std::mem::take(values)),
        }
    }
}

/// The type of which every part may be null. Of an embedding: a list, whose length is judged later.
fn loose(ty: &Type) -> Type {
    let part = |slot: &Slot| Slot::nullable(loose(&slot.ty));
    match ty {
        Type::List(item) => Type::List(Box::new(part(item))),
        Type::Embedding(_) => Type::List(Box::new(Slot::nullable(Type::Float))),
        Type::Map(key, item) => Type::Map(key.clone(), Box::new(part(item))),
        Type::Struct(fields) => {
            Type::Struct(fields.iter().map(|(name, slot)| (name.clone(), part(slot))).collect())
        }
        plain => plain.clone(),
    }
}

fn bool(raw: &Raw<'_>) -> Result<bool, String> {
    match raw {
        Raw::Bool(value) => Ok(*value),
        Raw::Field(text) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
        Raw::Field(text) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(format!("{} is not a bool: write `true` or `false`", raw.shown())),
    }
}

fn int(raw: &Raw<'_>, ty: &Type) -> Result<i64, String> {
    raw.text().map_or(Err(Unfit::Unreadable), number::int).map_err(|unfit| match unfit {
        Unfit::Unreadable => not_a(raw, ty),
        Unfit::Fraction => {
            format!("{} has a fraction and is no int: declare the column `float` or a decimal", raw.shown())
        }
        Unfit::TooLarge => {
            format!("{} does not fit 64 bits: declare the column `decimal(20, 0)` or `float`", raw.shown())
        }
    })
}

fn float(raw: &Raw<'_>) -> Result<f64, String> {
    raw.text().and_then(|text| number::float(text).ok()).ok_or_else(|| not_a(raw, &Type::Float))
}

fn decimal(raw: &Raw<'_>, precision: u8, scale: i8) -> Result<i128, String> {
    let ty = Type::Decimal(precision, scale);
    let number = raw.text().map_or(Err(Unfit::Unreadable), |text| number::decimal(text, precision, scale));
    number.map_err(|unfit| match unfit {
        Unfit::Unreadable => not_a(raw, &ty),
        Unfit::Fraction => format!(
            "{} has more digits behind the point than `{ty}`: declare a larger scale, or round it where it \
             is written",
            raw.shown()
        ),
        Unfit::TooLarge => {
            format!("{} has more digits than `{ty}`: declare a larger precision", raw.shown())
        }
    })
}

fn date(raw: &Raw<'_>) -> Result<i32, String> {
    let text = if matches!(raw, Raw::Number(_)) { None } else { raw.text() };
    if let Some(date) = text.and_then(time::date) {
        return Ok(date);
    }
    if text.is_some_and(|text| time::parse(text).is_ok()) {
        return Err(format!("{} has a time of day: declare the column `timestamp`", raw.shown()));
    }
    Err(format!("{} is not a date such as `2024-05-01`", raw.shown()))
}

fn string<'a>(raw: &'a Raw<'_>, ty: &Type) -> Result<&'a str, String> {
    match raw {
        Raw::Text(text) => Ok(text),
        Raw::Field(text) => Ok(text),
        _ if *ty == Type::Timestamp => Err(format!(
            "{} is not a time such as `2024-05-01T10:00:00Z`: write it so, or declare the column `int` and \
             compute the timestamp with `to_timestamp_millis`",
            raw.shown()
        )),
        _ => Err(not_a(raw, &Type::String)),
    }
}

fn not_a(raw: &Raw<'_>, ty: &Type) -> String {
    format!("{} is not of type `{ty}`: mend the value, or declare the type that is stored", raw.shown())
}

/// A value of any type, as parts of others are read.
fn value(raw: &Raw<'_>, ty: &Type) -> Result<Value, String> {
    Ok(match (ty, raw) {
        (_, Raw::Null) => Value::Null,
        (Type::Bool, _) => Value::Bool(bool(raw)?),
        (Type::Int | Type::Duration, _) => Value::Int(int(raw, ty)?),
        (Type::Float, _) => Value::Float(float(raw)?),
        (Type::Decimal(precision, scale), _) => Value::Decimal(decimal(raw, *precision, *scale)?),
        (Type::Date, _) => Value::Int(i64::from(date(raw)?)),
        (Type::String | Type::Enum(_), _) => Value::Str(string(raw, ty)?.into()),
        (Type::Timestamp, _) => match times::read(string(raw, ty)?.trim())? {
            Time::Instant(micros) => Value::Int(micros),
            Time::Wall(_) => return Err(format!("{} has no zone: write it with one", raw.shown())),
        },
        (Type::Bytes, Raw::Text(text)) => {
            let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
            if digits.len() % 2 == 1 || digits.len() != text.chars().count() {
                return Err(format!("{} is not bytes: write two hexadecimal digits a byte", raw.shown()));
            }
            Value::Bytes(digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
        }
        (Type::List(item), Raw::Nested(text)) if text.starts_with('[') => {
            let mut items = Vec::new();
            json::items(text, |raw| {
                items.push(value(raw, &item.ty)?);
                Ok(())
            })?;
            Value::List(items)
        }
        (Type::Embedding(size), Raw::Nested(text)) if text.starts_with('[') => {
            let mut numbers = Vec::new();
            json::items(text, |raw| {
                numbers.push(value(raw, &Type::Float)?);
                Ok(())
            })?;
            // One that lacks a number is null as a whole, however long it is.
            let whole = numbers.iter().all(|number| matches!(number, Value::Float(x) if x.is_finite()));
            if whole && numbers.len() != *size as usize {
                return Err(format!(
                    "{} is {} long, and `{ty}` {size}: write as many numbers, or declare how many are stored",
                    raw.shown(),
                    numbers.len()
                ));
            }
            Value::List(numbers)
        }
        (Type::Struct(fields), Raw::Nested(text)) if text.starts_with('{') => {
            let mut parts = vec![Value::Null; fields.len()];
            json::fields(text, |name, raw| {
                if let Some(at) = fields.iter().position(|(field, _)| field == name) {
                    parts[at] = value(raw, &fields[at].1.ty)?;
                }
                Ok(())
            })?;
            Value::Struct(parts)
        }
        (Type::Map(key, item), Raw::Nested(text)) if text.starts_with('{') => {
            let mut pairs: Vec<(Value, Value)> = Vec::new();
            json::fields(text, |name, raw| {
                // The keys of an object are text whatever they mean.
                let name = value(&Raw::Field(name), key)?;
                pairs.retain(|(before, _)| *before != name);
                pairs.push((name, value(raw, &item.ty)?));
                Ok(())
            })?;
            pairs.sort();
            Value::Map(pairs)
        }
        _ => return Err(not_a(raw, ty)),
    })
}
