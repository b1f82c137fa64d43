//! Times in text files: CSV and JSON hold them as text, with a zone or without.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use feat_compiler::plan::StoredColumn;
use feat_kernel::types::Type;

use crate::error::BatchError;

/// The Arrow type by which a column of `ty` is read from text.
pub(crate) fn read_as(ty: &Type) -> DataType {
    match ty {
        Type::Timestamp => DataType::Utf8,
        Type::Duration => DataType::Int64,
        other => other.arrow(),
    }
}

/// Text columns that are declared as timestamps become timestamps: UTC where every value carries a
/// zone or an offset, zone-less where none does.
///
/// Errors: [`BatchError::Text`] for a value that is no time, and where some carry a zone and others
/// do not.
pub(crate) fn with_times(
    batch: &RecordBatch,
    stored: &[StoredColumn],
    origin: &str,
) -> Result<RecordBatch, BatchError> {
    let schema = batch.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().to_vec();
    let mut columns = batch.columns().to_vec();
    let mut changed = false;
    for declared in stored.iter().filter(|column| column.slot.ty == Type::Timestamp) {
        let Ok(at) = schema.index_of(&declared.name) else { continue };
        if columns[at].data_type() != &DataType::Utf8 {
            continue;
        }
        columns[at] = times(&columns[at], &declared.name, origin)?;
        fields[at] = Arc::new(Field::new(&declared.name, columns[at].data_type().clone(), true));
        changed = true;
    }
    if changed {
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    } else {
        Ok(batch.clone())
    }
}

fn times(column: &ArrayRef, name: &str, origin: &str) -> Result<ArrayRef, BatchError> {
    let wrong =
        |reason: String| BatchError::Text { origin: origin.to_owned(), column: name.to_owned(), reason };
    let text = column.as_string::<i32>();
    let mut values = Vec::with_capacity(text.len());
    let (mut zoned, mut local) = (None, None);
    for value in text {
        let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
            values.push(None);
            continue;
        };
        let (micros, zone) = parse(value)
            .ok_or_else(|| wrong(format!("`{value}` is not a time such as `2024-05-01T10:00:00Z`")))?;
        *(if zone { &mut zoned } else { &mut local }) = Some(value);
        values.push(Some(micros));
    }
    if let (Some(zoned), Some(local)) = (zoned, local) {
        return Err(wrong(format!(
            "`{zoned}` carries a zone and `{local}` does not: write all of them one way"
        )));
    }
    let times = TimestampMicrosecondArray::from(values);
    Ok(Arc::new(if local.is_some() { times } else { times.with_timezone("UTC") }))
}

/// Microseconds, UTC where the text carries a zone (true), else of a wall clock (false).
fn parse(text: &str) -> Option<(i64, bool)> {
    use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some((time.timestamp_micros(), true));
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
        if let Ok(time) = DateTime::parse_from_str(text, form) {
            return Some((time.timestamp_micros(), true));
        }
    }
    if let Some(bare) = text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')) {
        return parse(bare).filter(|(_, zone)| !zone).map(|(micros, _)| (micros, true));
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return Some((time.and_utc().timestamp_micros(), false));
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some((date.and_time(NaiveTime::MIN).and_utc().timestamp_micros(), false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_its_zone_or_as_a_wall_clock() {
        for zoned in [
            "1970-01-01T01:00:00+01:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01T00:00:00.000Z",
            "1970-01-01 00:00:00+00",
        ] {
            assert_eq!(parse(zoned), Some((0, true)), "{zoned}");
        }
        for local in ["1970-01-01T00:00:00", "1970-01-01 00:00", "1970-01-01"] {
            assert_eq!(parse(local), Some((0, false)), "{local}");
        }
        assert_eq!(parse("noon"), None);
    }
}
