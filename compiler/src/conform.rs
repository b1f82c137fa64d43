//! What a file or a record holds becomes what the source declares.
//!
//! ```text
//!  any batch ──by column name──► SourcePlan::schema (or a projection of it)
//! ```
//!
//! Only conversions that lose nothing happen here: narrower numbers widen, timestamps of any unit
//! and zone become microseconds UTC, text in any layout becomes Utf8. A float that is NaN or
//! infinite is null and `-0.0` is `0.0`, since the language has neither. Whether a null may stand
//! where it stands, and whether a string lies in its enum, is judged by
//! [`Prepare`](crate::prepare::Prepare), row by row; a list, struct or map that lacks a part which must
//! be there is null as a whole.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray, MapArray, RecordBatch, RecordBatchOptions,
    StructArray,
};
use arrow::compute::CastOptions;
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Float64Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use feat_kernel::column;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use crate::functions::decimal;
use crate::plan::{SourcePlan, StoredColumn};
use crate::text::{Clock, Reader};

/// Why a batch is not what its source declares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConformError {
    /// A declared column is not there.
    #[error(
        "{origin} has no column `{column}`, which source `{source_name}` declares as {expected}; it has {found}"
    )]
    Missing {
        /// Where the batch comes from.
        origin: Box<str>,
        /// The source.
        source_name: Box<str>,
        /// The column.
        column: Box<str>,
        /// Its declared type.
        expected: Box<str>,
        /// The columns that are there.
        found: Box<str>,
    },
    /// A column's type does not become the declared one without loss.
    #[error("column `{column}` of {origin} is {found}, source `{source_name}` declares {expected}: {help}")]
    Type {
        /// Where the batch comes from.
        origin: Box<str>,
        /// The source.
        source_name: Box<str>,
        /// The column.
        column: Box<str>,
        /// Its declared type.
        expected: Box<str>,
        /// Its Arrow type.
        found: Box<str>,
        /// What to do.
        help: Box<str>,
    },
    /// A value does not become one of the declared type without loss.
    #[error("column `{column}` of {origin} holds a value that is not {expected}: {cause}")]
    Value {
        /// Where the batch comes from.
        origin: Box<str>,
        /// The column.
        column: Box<str>,
        /// Its declared type.
        expected: Box<str>,
        /// Which value, and why.
        cause: Box<str>,
    },
}

/// The batch as `source` declares it: every stored column, in the order of [`SourcePlan::schema`].
///
/// `origin` says where the batch comes from, for messages: a path, a topic.
/// Errors: [`ConformError`], naming the column, what was expected and what was found.
pub fn conform(source: &SourcePlan, batch: &RecordBatch, origin: &str) -> Result<RecordBatch, ConformError> {
    convert(source, source.stored.iter(), batch, origin)
}

/// [`conform`] for some of the stored columns, in the source's order; the others need not be there.
pub fn conform_columns(
    source: &SourcePlan,
    batch: &RecordBatch,
    columns: &[String],
    origin: &str,
) -> Result<RecordBatch, ConformError> {
    convert(source, source.stored.iter().filter(|column| columns.contains(&column.name)), batch, origin)
}

fn convert<'a>(
    source: &SourcePlan,
    stored: impl Iterator<Item = &'a StoredColumn>,
    batch: &RecordBatch,
    origin: &str,
) -> Result<RecordBatch, ConformError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for column in stored {
        let Some(found) = batch.column_by_name(&column.name) else {
            let names: Vec<String> =
                batch.schema_ref().fields().iter().map(|field| format!("`{}`", field.name())).collect();
            return Err(ConformError::Missing {
                origin: origin.into(),
                source_name: source.name.to_string().into(),
                column: column.name.as_str().into(),
                expected: column.slot.to_string().into(),
                found: names.join(", ").into(),
            });
        };
        let place = Place { source, column, origin };
        columns.push(place.column(found, &column.slot.ty)?);
        fields.push(Field::new(&column.name, column.slot.ty.arrow(), true));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .expect("invariant: conformed columns have the declared types"))
}

/// The column at hand, for messages.
struct Place<'a> {
    source: &'a SourcePlan,
    column: &'a StoredColumn,
    origin: &'a str,
}

impl Place<'_> {
    fn column(&self, found: &ArrayRef, ty: &Type) -> Result<ArrayRef, ConformError> {
        // A file may keep repeated values once.
        if let DataType::Dictionary(_, values) = found.data_type() {
            let plain =
                arrow::compute::cast(found, values).map_err(|cause| self.value(&cause.to_string()))?;
            return self.column(&plain, ty);
        }
        match (ty, found.data_type()) {
            (_, DataType::Null) => Ok(arrow::array::new_null_array(&ty.arrow(), found.len())),
            (Type::Float, DataType::Decimal128(_, scale)) => Ok(nearest(found, *scale)),
            (Type::Float, from) if is_number(from) => Ok(finite(&self.cast(found, ty)?)),
            (Type::Int, from) if from.is_signed_integer() || is_small_unsigned(from) => self.cast(found, ty),
            (Type::Decimal(..), from) if from.is_integer() || from.is_decimal() => self.decimal(found, ty),
            (Type::Bool, DataType::Boolean) => Ok(Arc::clone(found)),
            (Type::String | Type::Enum(_), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            | (
                Type::Bytes,
                DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::FixedSizeBinary(_),
            )
            | (Type::Date, DataType::Date32) => self.cast(found, ty),
            (Type::Date, DataType::Date64) => self.date(found),
            (Type::Timestamp, DataType::Timestamp(unit, zone)) => {
                self.timestamp(found, *unit, zone.is_some())
            }
            (Type::Timestamp, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
                self.timestamp_text(found)
            }
            (Type::Duration, DataType::Duration(unit)) => {
                let micros = self.micros(
                    &arrow::compute::cast(found, &DataType::Int64)
                        .map_err(|cause| self.value(&cause.to_string()))?,
                    *unit,
                )?;
                self.cast(&(Arc::new(micros) as ArrayRef), ty)
            }
            (Type::List(item), DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)) => {
                self.list(found, item)
            }
            (
                Type::Embedding(size),
                DataType::FixedSizeList(..) | DataType::List(_) | DataType::LargeList(_),
            ) => self.embedding(found, *size),
            (Type::Struct(fields), DataType::Struct(_)) => self.structure(found, fields),
            (Type::Map(key, value), DataType::Map(..)) => self.map(found, key, value),
            _ => Err(self.ty(found.data_type(), Self::help(ty, found.data_type()))),
        }
    }

    fn help(ty: &Type, found: &DataType) -> &'static str {
        match (ty, found) {
            (Type::Int, DataType::UInt64) => {
                "declare it `decimal(20, 0)`, which holds every unsigned 64-bit integer"
            }
            (Type::Int, DataType::Float32 | DataType::Float64) => "declare it `float`",
            (Type::Timestamp, DataType::Int32 | DataType::Int64) => {
                "declare it `int` and compute the timestamp with `to_timestamp_millis`"
            }
            (Type::Timestamp, DataType::Date32) => "declare it `date`",
            (Type::Decimal(..), DataType::Float32 | DataType::Float64) => {
                "declare it `float`; a decimal is never made of a float by accident"
            }
            (_, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
                "declare it `string` and cast it in a computed column"
            }
            _ => "declare the type that is stored and convert it in a computed column",
        }
    }

    fn ty(&self, found: &DataType, help: &str) -> ConformError {
        ConformError::Type {
            origin: self.origin.into(),
            source_name: self.source.name.to_string().into(),
            column: self.column.name.as_str().into(),
            expected: self.column.slot.to_string().into(),
            found: found.to_string().into(),
            help: help.into(),
        }
    }

    fn value(&self, cause: &str) -> ConformError {
        ConformError::Value {
            origin: self.origin.into(),
            column: self.column.name.as_str().into(),
            expected: self.column.slot.ty.to_string().into(),
            cause: cause.into(),
        }
    }

    fn cast(&self, found: &ArrayRef, ty: &Type) -> Result<ArrayRef, ConformError> {
        let to = ty.arrow();
        if *found.data_type() == to {
            return Ok(Arc::clone(found));
        }
        let options = CastOptions { safe: false, ..CastOptions::default() };
        arrow::compute::cast_with_options(found, &to, &options)
            .map_err(|cause| self.value(&cause.to_string()))
    }

    /// A decimal of as many digits behind the point or more; fewer only if nothing is cut off.
    fn decimal(&self, found: &ArrayRef, ty: &Type) -> Result<ArrayRef, ConformError> {
        let cast = self.cast(found, ty)?;
        let Type::Decimal(_, scale) = ty else { return Ok(cast) };
        if let DataType::Decimal32(_, from)
        | DataType::Decimal64(_, from)
        | DataType::Decimal128(_, from)
        | DataType::Decimal256(_, from) = found.data_type()
            && from > scale
        {
            let back = arrow::compute::cast(&cast, found.data_type())
                .map_err(|cause| self.value(&cause.to_string()))?;
            if back.to_data() != found.to_data() {
                return Err(self.value("it has more digits behind the point"));
            }
        }
        Ok(cast)
    }

    fn date(&self, found: &ArrayRef) -> Result<ArrayRef, ConformError> {
        const DAY: i64 = 86_400_000;
        let millis =
            arrow::compute::cast(found, &DataType::Int64).map_err(|cause| self.value(&cause.to_string()))?;
        let millis = millis.as_primitive::<Int64Type>();
        if millis.iter().flatten().any(|millis| millis % DAY != 0) {
            return Err(self.value("it has a time of day"));
        }
        self.cast(found, &Type::Date)
    }

    fn timestamp(&self, found: &ArrayRef, unit: TimeUnit, zoned: bool) -> Result<ArrayRef, ConformError> {
        let ticks =
            arrow::compute::cast(found, &DataType::Int64).map_err(|cause| self.value(&cause.to_string()))?;
        let micros = self.micros(&ticks, unit)?;
        let micros = match (zoned, &self.column.zone) {
            (true, _) => micros,
            (false, Some(zone)) => self.localized(&micros, zone)?,
            (false, None) => {
                let help = format!(
                    "its values are wall-clock times; say whose clock: `{}: timestamp in \"America/New_York\"`",
                    self.column.name
                );
                return Err(self.ty(found.data_type(), &help));
            }
        };
        Ok(Arc::new(micros.reinterpret_cast::<TimestampMicrosecondType>().with_timezone("UTC")))
    }

    /// Every form of a time that text files may have; without a zone, the wall clock of the column's.
    fn timestamp_text(&self, found: &ArrayRef) -> Result<ArrayRef, ConformError> {
        let text = self.cast(found, &Type::String)?;
        let clock = Clock::new(self.column, Reader::Source);
        let read = |text: &str| clock.instant(text).map_err(|reason| self.value(&reason));
        let micros: Int64Array = text
            .as_string::<i32>()
            .iter()
            .map(|text| text.map_or(Ok(None), read))
            .collect::<Result<_, _>>()?;
        Ok(Arc::new(micros.reinterpret_cast::<TimestampMicrosecondType>().with_timezone("UTC")))
    }

    fn zone(&self, name: &str) -> Result<Tz, ConformError> {
        name.parse().map_err(|_| self.value(&format!("there is no time zone `{name}`")))
    }

    fn localized(&self, wall: &Int64Array, zone: &str) -> Result<Int64Array, ConformError> {
        let zone = self.zone(zone)?;
        wall.try_unary::<_, Int64Type, _>(|micros| {
            DateTime::from_timestamp_micros(micros)
                .and_then(|wall| earliest(zone, wall.naive_utc()))
                .ok_or_else(|| self.value(&format!("{micros} us is out of range")))
        })
    }

    /// Ticks of `unit` as microseconds. Nanoseconds below a microsecond are refused, not cut off.
    fn micros(&self, ticks: &ArrayRef, unit: TimeUnit) -> Result<Int64Array, ConformError> {
        let ticks = ticks.as_primitive::<Int64Type>();
        let factor = match unit {
            TimeUnit::Second => 1_000_000,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond => return Ok(ticks.clone()),
            TimeUnit::Nanosecond => {
                return ticks.try_unary::<_, Int64Type, _>(|ticks| match ticks % 1_000 {
                    0 => Ok(ticks / 1_000),
                    _ => Err(self.value(&format!("{ticks} ns is not a whole number of microseconds"))),
                });
            }
        };
        ticks.try_unary::<_, Int64Type, _>(|ticks| {
            ticks.checked_mul(factor).ok_or_else(|| self.value(&format!("{ticks} is out of range")))
        })
    }

    fn list(&self, found: &ArrayRef, item: &Slot) -> Result<ArrayRef, ConformError> {
        let lists = self.plain_list(found)?;
        let lists = lists.as_list::<i32>();
        let items = self.column(lists.values(), &item.ty)?;
        let field = Arc::new(Slot::nullable(item.ty.clone()).field("item"));
        let list = ListArray::try_new(field, lists.offsets().clone(), items, lists.nulls().cloned());
        let list: ArrayRef = Arc::new(list.map_err(|cause| self.value(&cause.to_string()))?);
        let loose = Type::List(Box::new(Slot::nullable(item.ty.clone())));
        Ok(complete(list, &loose, &Type::List(Box::new(item.clone()))))
    }

    fn plain_list(&self, found: &ArrayRef) -> Result<ArrayRef, ConformError> {
        let item = match found.data_type() {
            DataType::List(_) => return Ok(Arc::clone(found)),
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Arc::clone(item),
            other => return Err(self.ty(other, "declare the type that is stored")),
        };
        arrow::compute::cast(found, &DataType::List(item)).map_err(|cause| self.value(&cause.to_string()))
    }

    fn embedding(&self, found: &ArrayRef, size: u32) -> Result<ArrayRef, ConformError> {
        let floats = self.list(found, &Slot::required(Type::Float))?;
        let ty = Type::Embedding(size);
        let values = (0..floats.len())
            .map(|row| {
                match column::value(&floats, &Type::List(Box::new(Slot::required(Type::Float))), row) {
                    Value::List(items) if items.len() != size as usize => {
                        Err(self.value(&format!("row {row} has {} numbers", items.len())))
                    }
                    value => Ok(value),
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(column::array(&ty, &values))
    }

    fn structure(&self, found: &ArrayRef, fields: &[(String, Slot)]) -> Result<ArrayRef, ConformError> {
        let columns = found.as_struct();
        let loose: Vec<(String, Slot)> =
            fields.iter().map(|(name, slot)| (name.clone(), Slot::nullable(slot.ty.clone()))).collect();
        let mut out = Vec::with_capacity(fields.len());
        for (name, slot) in &loose {
            let Some(column) = columns.column_by_name(name) else {
                return Err(self.ty(found.data_type(), &format!("the struct has no field `{name}`")));
            };
            out.push(self.column(column, &slot.ty)?);
        }
        let schema = loose.iter().map(|(name, slot)| slot.field(name)).collect();
        let array = StructArray::try_new(schema, out, columns.nulls().cloned());
        let array: ArrayRef = Arc::new(array.map_err(|cause| self.value(&cause.to_string()))?);
        Ok(complete(array, &Type::Struct(loose), &Type::Struct(fields.to_vec())))
    }

    fn map(&self, found: &ArrayRef, key: &Type, value: &Slot) -> Result<ArrayRef, ConformError> {
        let maps = found.as_map();
        let columns = vec![self.column(maps.keys(), key)?, self.column(maps.values(), &value.ty)?];
        let loose = Type::Map(Box::new(key.clone()), Box::new(Slot::nullable(value.ty.clone())));
        let DataType::Map(entries, _) = loose.arrow() else {
            return Err(self.ty(found.data_type(), "declare the type that is stored"));
        };
        let DataType::Struct(fields) = entries.data_type().clone() else {
            return Err(self.ty(entries.data_type(), "declare the type that is stored"));
        };
        let refuse = |cause: arrow::error::ArrowError| self.value(&cause.to_string());
        let pairs = StructArray::try_new(fields, columns, None).map_err(refuse)?;
        let map = MapArray::try_new(entries, maps.offsets().clone(), pairs, maps.nulls().cloned(), false);
        let map: ArrayRef = Arc::new(map.map_err(refuse)?);
        Ok(complete(map, &loose, &Type::Map(Box::new(key.clone()), Box::new(value.clone()))))
    }
}

/// A nested column of type `loose` as one of type `ty`, whose parts may not be null: a value that lacks
/// such a part is null as a whole.
fn complete(column: ArrayRef, loose: &Type, ty: &Type) -> ArrayRef {
    if loose == ty {
        return column;
    }
    let whole = |value: Value| if has_all(&value, ty) { value } else { Value::Null };
    let values: Vec<Value> = (0..column.len()).map(|row| whole(column::value(&column, loose, row))).collect();
    column::array(ty, &values)
}

/// Whether nothing that `ty` requires is missing directly inside `value`.
fn has_all(value: &Value, ty: &Type) -> bool {
    let there = |value: &Value, slot: &Slot| slot.nullable || !value.is_null();
    match (value, ty) {
        (Value::List(items), Type::List(slot)) => items.iter().all(|item| there(item, slot)),
        (Value::Struct(items), Type::Struct(slots)) => {
            items.iter().zip(slots).all(|(item, (_, slot))| there(item, slot))
        }
        (Value::Map(pairs), Type::Map(_, slot)) => pairs.iter().all(|(_, item)| there(item, slot)),
        _ => true,
    }
}

/// Whether a time zone of this name is known, such as `UTC` or `America/New_York`.
pub fn is_zone(name: &str) -> bool {
    name.parse::<Tz>().is_ok()
}

/// The instant at which a clock of `zone` shows `wall`: in an overlap the earlier of the two, in a
/// gap as far behind it as `wall` lies in it (the clock moves forward).
pub(crate) fn earliest(zone: Tz, wall: NaiveDateTime) -> Option<i64> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.timestamp_micros()),
        LocalResult::None => {
            // The offset before the gap carries `wall` to the same distance behind it. No gap is
            // longer than a day.
            let before = wall.checked_sub_signed(TimeDelta::days(1))?;
            let offset = zone.from_local_datetime(&before).earliest()?.naive_local()
                - zone.from_local_datetime(&before).earliest()?.naive_utc();
            Some(wall.checked_sub_signed(offset)?.and_utc().timestamp_micros())
        }
    }
}

fn is_number(ty: &DataType) -> bool {
    // A 64-bit integer may round: that is `float` of it, as everywhere in the language.
    ty.is_integer() || ty.is_floating()
}

/// The floats nearest to decimals: Arrow's own conversion rounds twice.
fn nearest(column: &ArrayRef, scale: i8) -> ArrayRef {
    let decimals = column.as_primitive::<Decimal128Type>();
    Arc::new(decimals.unary::<_, Float64Type>(|unscaled| decimal::to_float(unscaled, scale)))
}

fn is_small_unsigned(ty: &DataType) -> bool {
    matches!(ty, DataType::UInt8 | DataType::UInt16 | DataType::UInt32)
}

/// Null for NaN and the infinities, `0.0` for `-0.0`.
fn finite(column: &ArrayRef) -> ArrayRef {
    let floats = column.as_primitive::<Float64Type>();
    let plain = |x: f64| x.is_finite() && x.to_bits() != (-0.0_f64).to_bits();
    if floats.values().iter().all(|&x| plain(x)) {
        return Arc::clone(column);
    }
    Arc::new(floats.iter().map(|x| x.and_then(feat_kernel::value::finite)).collect::<Float64Array>())
}
