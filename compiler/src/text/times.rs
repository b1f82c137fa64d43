//! Texts that are declared as timestamps become instants.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema};
use chrono::DateTime;
use chrono_tz::Tz;
use feat_kernel::types::Type;

use super::time::{self, NoTime, Time};
use super::{Builder, Fault};
use crate::conform::earliest;
use crate::plan::StoredColumn;

/// How a column without a zone gets one, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A source of the spec, which declares it.
    Source,
    /// A spine, of which the command line says it.
    Spine,
}

impl Reader {
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

/// What tells the instants of a column's texts.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    column: String,
    reader: Reader,
    /// Whose wall clock texts without a zone show: its name, and itself if it is one that there is.
    zone: Option<(String, Option<Tz>)>,
}

impl Clock {
    /// Of `column`.
    pub(crate) fn new(column: &StoredColumn, reader: Reader) -> Self {
        let zone = column.zone.as_ref().map(|zone| (zone.clone(), zone.parse().ok()));
        Self { column: column.name.clone(), reader, zone }
    }

    /// Microseconds UTC of what `text` writes; nothing of blanks.
    pub(crate) fn instant(&self, text: &str) -> Result<Option<i64>, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        match (read(text)?, &self.zone) {
            (Time::Instant(micros), _) => Ok(Some(micros)),
            (Time::Wall(micros), Some((_, Some(zone)))) => {
                let wall = DateTime::from_timestamp_micros(micros).map(|wall| wall.naive_utc());
                let instant = wall.and_then(|wall| earliest(*zone, wall));
                instant.map(Some).ok_or_else(|| format!("`{text}` is out of range: no clock shows it"))
            }
            (Time::Wall(_), Some((name, None))) => {
                Err(format!("`{text}` has no zone, and there is no time zone `{name}`"))
            }
            (Time::Wall(_), None) => Err(self.reader.no_zone(text, &self.column)),
        }
    }
}

/// The time that `text` writes, or what is wrong with it.
pub(super) fn read(text: &str) -> Result<Time, String> {
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

/// The batch with its text columns that `stored` declares as timestamps made instants, in UTC.
///
/// Errors: the first text that is no time, or the wall clock of nobody knows whom.
pub fn with_times(
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
        columns[at] = Builder::instants(declared, reader).fields(columns[at].as_string(), declared)?;
        fields[at] = Arc::new(Field::new(&declared.name, columns[at].data_type().clone(), true));
        changed = true;
    }
    if !changed {
        return Ok(batch.clone());
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let converted = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options);
    Ok(converted.expect("invariant: times are as many as their texts"))
}

#[cfg(test)]
mod tests {
    use feat_kernel::time::Instant;
    use feat_kernel::types::Slot;

    use super::*;

    fn instant(zone: Option<&str>, text: &str) -> Result<Option<String>, String> {
        let column = StoredColumn {
            name: "ts".to_owned(),
            slot: Slot::required(Type::Timestamp),
            zone: zone.map(str::to_owned),
        };
        let micros = Clock::new(&column, Reader::Source).instant(text)?;
        Ok(micros.map(|micros| Instant(micros).to_string()))
    }

    #[test]
    fn a_text_without_a_zone_is_what_the_clock_of_its_column_showed() {
        let at = |zone, text| instant(zone, text).unwrap().unwrap();
        for zone in [None, Some("America/New_York")] {
            assert_eq!(at(zone, " 2025-01-01T10:00:00+02:00 "), "2025-01-01T08:00:00Z");
        }
        let local = |text| at(Some("America/New_York"), text);
        assert_eq!(local("2025-01-01 10:00"), "2025-01-01T15:00:00Z");
        // The clock showed it twice, and never.
        assert_eq!(local("2025-11-02T01:30:00"), "2025-11-02T05:30:00Z");
        assert_eq!(local("2025-03-09T02:30:00"), "2025-03-09T07:30:00Z");
        assert_eq!(instant(None, " "), Ok(None));
    }

    #[test]
    fn a_text_without_a_zone_needs_a_clock() {
        let text = "2025-01-01T10:00:00";
        assert!(instant(None, text).unwrap_err().contains("`ts: timestamp in \"America/New_York\"`"));
        assert!(instant(Some("Mars"), text).unwrap_err().contains("no time zone `Mars`"));
        assert_eq!(instant(Some("Mars"), "2025-01-01T10:00:00Z").unwrap().unwrap(), "2025-01-01T10:00:00Z");
    }
}
