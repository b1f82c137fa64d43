//! Values of text files: CSV and JSON hold them as text, and each becomes its column's type exactly or
//! is refused.
//!
//! ```text
//!  lines ──json: fields of a line────────┐
//!                                       ├─► Builder ──► typed columns; timestamps stay text
//!  CSV ──engine: columns of text────────┘                  └─► with_times: instants
//! ```
//!
//! Nothing is rounded, cut off or guessed. A value that does not become its type stops the run; which
//! one it is and in which line it stands is found by reading the file once more ([`locate`]).

pub(crate) mod csv;
mod json;
pub(crate) mod lines;
pub(crate) mod locate;
mod number;
mod time;

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use feat_compiler::plan::StoredColumn;
use feat_kernel::column;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use self::number::Unfit;
use self::time::{NoTime, Time};
use crate::error::BatchError;

/// A value as a text file writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Raw<'a> {
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
    /// The value as messages show it, in backticks, shortened.
    fn shown(&self) -> String {
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
    fn text(&self) -> Option<&str> {
        match self {
            Self::Number(text) | Self::Field(text) => Some(text.trim()),
            Self::Text(text) => Some(text.trim()),
            _ => None,
        }
    }
}

/// A column that is being read from text.
#[derive(Debug)]
pub(crate) enum Builder {
    Bool(BooleanBuilder),
    /// `int`, and `duration`, which has no text form.
    Int(Int64Builder, Type),
    Float(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Date(Date32Builder),
    /// `string`, `enum`, and `timestamp`, whose zone is the column's business.
    Text(StringBuilder, Type),
    /// What has parts, all of which may be null: whether they may is judged elsewhere.
    Nested(Vec<Value>, Type),
}

impl Builder {
    /// For values of `ty`.
    pub(crate) fn new(ty: &Type) -> Self {
        match ty {
            Type::Bool => Self::Bool(BooleanBuilder::new()),
            Type::Int | Type::Duration => Self::Int(Int64Builder::new(), ty.clone()),
            Type::Float => Self::Float(Float64Builder::new()),
            Type::Decimal(precision, scale) => Self::Decimal(
                Decimal128Builder::new().with_data_type(DataType::Decimal128(*precision, *scale)),
                *precision,
                *scale,
            ),
            Type::Date => Self::Date(Date32Builder::new()),
            Type::String | Type::Enum(_) | Type::Timestamp => Self::Text(StringBuilder::new(), ty.clone()),
            nested => Self::Nested(Vec::new(), loose(nested)),
        }
    }

    /// The Arrow type of the columns that a builder for `ty` makes.
    pub(crate) fn arrow(ty: &Type) -> DataType {
        match ty {
            Type::Duration => DataType::Int64,
            Type::Timestamp => DataType::Utf8,
            other => loose(other).arrow(),
        }
    }

    /// The next value is null.
    pub(crate) fn null(&mut self) {
        match self {
            Self::Bool(values) => values.append_null(),
            Self::Int(values, _) => values.append_null(),
            Self::Float(values) => values.append_null(),
            Self::Decimal(values, ..) => values.append_null(),
            Self::Date(values) => values.append_null(),
            Self::Text(values, _) => values.append_null(),
            Self::Nested(values, _) => values.push(Value::Null),
        }
    }

    /// The next value.
    ///
    /// Errors: what is wrong with it and what to do; it is not appended.
    pub(crate) fn push(&mut self, raw: &Raw<'_>) -> Result<(), String> {
        if *raw == Raw::Null {
            self.null();
            return Ok(());
        }
        match self {
            Self::Bool(values) => values.append_value(bool(raw)?),
            Self::Int(values, ty) => values.append_value(int(raw, ty)?),
            Self::Float(values) => values.append_value(float(raw)?),
            Self::Decimal(values, precision, scale) => {
                values.append_value(decimal(raw, *precision, *scale)?);
            }
            Self::Date(values) => values.append_value(date(raw)?),
            Self::Text(values, ty) => values.append_value(string(raw, ty)?),
            Self::Nested(values, ty) => values.push(value(raw, ty)?),
        }
        Ok(())
    }

    /// The column so far; the builder begins anew.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(values) => Arc::new(values.finish()),
            Self::Int(values, _) => Arc::new(values.finish()),
            Self::Float(values) => Arc::new(values.finish()),
            Self::Decimal(values, ..) => Arc::new(values.finish()),
            Self::Date(values) => Arc::new(values.finish()),
            Self::Text(values, _) => Arc::new(values.finish()),
            Self::Nested(values, ty) => column::array(ty, &std::mem::take(values)),
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
        (Type::Timestamp, _) => match instant(string(raw, ty)?.trim())? {
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

fn instant(text: &str) -> Result<Time, String> {
    time::parse(text).map_err(|cause| match cause {
        NoTime::Form => format!("`{text}` is not a time such as `2024-05-01T10:00:00Z`"),
        NoTime::BelowMicroseconds => format!(
            "`{text}` has digits below a microsecond, which a timestamp does not hold: round it where it is \
             written, or declare the column `string`"
        ),
        NoTime::LeapSecond => {
            format!("`{text}` is a leap second, which a timestamp does not tell from the next one")
        }
    })
}

/// How a column without a zone gets one, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A source of the spec, which declares it.
    Source,
    /// A spine, of which the command line says it.
    Spine,
}

impl Reader {
    /// A time of `column` as a text has it.
    pub(crate) fn time(self, text: &str, column: &StoredColumn) -> Result<Time, String> {
        let time = instant(text)?;
        if matches!(time, Time::Wall(_)) && column.zone.is_none() {
            return Err(self.no_zone(text, &column.name));
        }
        Ok(time)
    }

    fn no_zone(self, text: &str, column: &str) -> String {
        match self {
            Self::Source => format!(
                "`{text}` has no zone: say whose wall clock it is: `{column}: timestamp in \"America/New_York\"`"
            ),
            Self::Spine => {
                format!(
                    "`{text}` has no zone: say whose wall clock it is with `--zone`, such as `--zone UTC`"
                )
            }
        }
    }
}

/// A row that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Which row of its batch.
    pub(crate) row: usize,
    /// The column, if it is one value.
    pub(crate) column: Option<String>,
    /// What is wrong and what to do.
    pub(crate) reason: String,
}

impl Fault {
    /// Of a value of `column`.
    fn of(row: usize, column: &StoredColumn, reason: String) -> Self {
        Self { row, column: Some(column.name.clone()), reason }
    }

    /// The error of a run, with the line where it is known.
    pub(crate) fn at(self, origin: &str, line: Option<u64>) -> BatchError {
        let Self { column, reason, .. } = self;
        BatchError::Text { origin: origin.to_owned(), line, column, reason }
    }
}

/// Text columns that are declared as timestamps become timestamps: UTC, or zone-less where the column
/// declares whose clock it is and no value carries a zone. Where some do, all stay text, of one form.
pub(crate) fn with_times(
    batch: &RecordBatch,
    stored: &[StoredColumn],
    reader: Reader,
) -> Result<RecordBatch, Fault> {
    let schema = batch.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().to_vec();
    let mut columns = batch.columns().to_vec();
    let mut changed = false;
    for declared in stored.iter().filter(|column| column.slot.ty == Type::Timestamp) {
        let Ok(at) = schema.index_of(&declared.name) else { continue };
        if columns[at].data_type() != &DataType::Utf8 {
            continue;
        }
        columns[at] = times(columns[at].as_string(), declared, reader)?;
        fields[at] = Arc::new(Field::new(&declared.name, columns[at].data_type().clone(), true));
        changed = true;
    }
    if !changed {
        return Ok(batch.clone());
    }
    let converted = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
    Ok(converted.expect("invariant: times are as many as their texts"))
}

fn times(text: &StringArray, declared: &StoredColumn, reader: Reader) -> Result<ArrayRef, Fault> {
    let mut times = Vec::with_capacity(text.len());
    let (mut zoned, mut local) = (false, false);
    for (row, value) in text.iter().enumerate() {
        let value = value.map(str::trim).filter(|value| !value.is_empty());
        let time = value.map(|value| reader.time(value, declared)).transpose();
        let time = time.map_err(|reason| Fault::of(row, declared, reason))?;
        zoned |= matches!(time, Some(Time::Instant(_)));
        local |= matches!(time, Some(Time::Wall(_)));
        times.push(time);
    }
    if zoned && local {
        return Ok(Arc::new(times.into_iter().map(|time| time.map(written)).collect::<StringArray>()));
    }
    let micros = times.into_iter().map(|time| {
        time.map(|time| match time {
            Time::Instant(micros) | Time::Wall(micros) => micros,
        })
    });
    let times: TimestampMicrosecondArray = micros.collect();
    Ok(Arc::new(if local { times } else { times.with_timezone("UTC") }))
}

/// The form of times that is read everywhere.
fn written(time: Time) -> String {
    let (Time::Instant(micros) | Time::Wall(micros)) = time;
    let clock = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default().naive_utc();
    let zone = if matches!(time, Time::Instant(_)) { "Z" } else { "" };
    format!("{}{zone}", clock.format("%Y-%m-%dT%H:%M:%S%.6f"))
}

/// Columns of CSV, which are all text, as their declared types; timestamps stay text, and so does what
/// a field of CSV cannot hold.
pub(crate) fn with_types(batch: &RecordBatch, declared: &[StoredColumn]) -> Result<RecordBatch, Fault> {
    let schema = batch.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().to_vec();
    let mut columns = batch.columns().to_vec();
    for column in declared.iter().filter(|column| is_written_as_text(&column.slot.ty)) {
        let Ok(at) = schema.index_of(&column.name) else { continue };
        let mut builder = Builder::new(&column.slot.ty);
        for (row, text) in columns[at].as_string::<i32>().iter().enumerate() {
            let pushed = builder.push(&text.map_or(Raw::Null, Raw::Field));
            pushed.map_err(|reason| Fault::of(row, column, reason))?;
        }
        columns[at] = builder.finish();
        fields[at] = Arc::new(Field::new(&column.name, columns[at].data_type().clone(), true));
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let typed = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options);
    Ok(typed.expect("invariant: values are as many as their texts"))
}

/// Whether a field of CSV becomes a value of another Arrow type than text.
fn is_written_as_text(ty: &Type) -> bool {
    matches!(ty, Type::Bool | Type::Int | Type::Duration | Type::Float | Type::Decimal(..) | Type::Date)
}
