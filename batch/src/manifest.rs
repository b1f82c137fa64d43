//! The manifest of a training set: what it was made of, and what came out.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::Serialize;
use twox_hash::XxHash3_64;

use crate::counts::Outcomes;
use crate::error::BatchError;

/// What a training set was made of and what came out; written beside it as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    /// The service, `package.name`.
    pub service: String,
    /// Its version.
    pub service_version: u32,
    /// Its meaning hash.
    pub service_meaning: String,
    /// The dataset, if it was built from one.
    pub dataset: Option<DatasetEntry>,
    /// The version of this crate, which computed the values.
    pub kernel_version: String,
    /// `as-known` or `event-time`.
    pub mode: &'static str,
    /// Every group and derived group by its full name; `package.role.group` where two roles read it.
    pub groups: BTreeMap<String, GroupEntry>,
    /// Every label group by its full name.
    pub labels: BTreeMap<String, GroupEntry>,
    /// Every table read, by the full name of its source.
    pub tables: BTreeMap<String, TableEntry>,
    /// The spine.
    pub spine: TableEntry,
    /// How many rows came out: the spine's.
    pub rows: u64,
    /// The sum of the rows' hashes, whatever their order.
    pub checksum: String,
    /// The columns in their order.
    pub columns: Vec<String>,
    /// With labels: the instant until which the label groups' logs are complete.
    pub labels_complete_to: Option<String>,
    /// Rows left out because their labels' windows had not passed by then.
    pub rows_without_labels: u64,
}

/// The dataset of a manifest.
#[derive(Clone, Debug, Serialize)]
pub struct DatasetEntry {
    /// `package.name`
    pub name: String,
    /// Its meaning hash.
    pub meaning: String,
}

/// A group in a manifest.
#[derive(Clone, Debug, Serialize)]
pub struct GroupEntry {
    /// `package.name`
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its meaning hash.
    pub meaning: String,
    /// What became of the spine's rows.
    pub outcomes: Outcomes,
    /// What became of the source's rows, by outcome.
    pub admission: BTreeMap<String, u64>,
}

/// A table in a manifest.
#[derive(Clone, Debug, Serialize)]
pub struct TableEntry {
    /// Where it was.
    pub path: String,
    /// How many rows were read.
    pub rows: u64,
    /// A hash of its bytes.
    pub fingerprint: String,
    /// Only the first rows of its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<u64>,
}

/// A sum of row hashes: the same rows in any order, the same sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum(pub u64);

impl Checksum {
    /// Adds the rows of a batch.
    ///
    /// Cost: one hash a value; a few nanoseconds for numbers.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), BatchError> {
        let mut rows = vec![0u64; batch.num_rows()];
        for column in batch.columns() {
            fold(column, &mut rows)?;
        }
        for row in rows {
            self.0 = self.0.wrapping_add(XxHash3_64::oneshot(&row.to_le_bytes()));
        }
        Ok(())
    }
}

impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Joins the hash of each value of a column to its row's.
fn fold(column: &ArrayRef, rows: &mut [u64]) -> Result<(), BatchError> {
    // Odd, so that no bit of what came before is lost.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut join = |at: usize, bits: u64| rows[at] = (rows[at].rotate_left(23) ^ bits).wrapping_mul(SPREAD);
    macro_rules! numbers {
        ($ty:ty, $bits:expr) => {
            for (at, value) in column.as_primitive::<$ty>().iter().enumerate() {
                join(at, value.map_or(1, $bits));
            }
        };
    }
    match column.data_type() {
        DataType::Int64 => numbers!(Int64Type, |x| x as u64 ^ SPREAD),
        DataType::Int32 => numbers!(Int32Type, |x| x as u64 ^ SPREAD),
        DataType::Float64 => numbers!(Float64Type, |x| x.to_bits() ^ SPREAD),
        DataType::Float32 => numbers!(Float32Type, |x| u64::from(x.to_bits()) ^ SPREAD),
        DataType::Utf8 => {
            for (at, value) in column.as_string::<i32>().iter().enumerate() {
                join(at, value.map_or(1, |text| XxHash3_64::oneshot(text.as_bytes())));
            }
        }
        DataType::Timestamp(_, _) | DataType::Duration(_) => {
            let integers = feat_kernel::column::int64(column);
            for (at, value) in integers.iter().enumerate() {
                join(at, value.map_or(1, |x| x as u64 ^ SPREAD));
            }
        }
        _ => {
            let options = FormatOptions::new().with_null("\u{0}");
            let text = ArrayFormatter::try_new(column, &options)?;
            for at in 0..column.len() {
                join(at, XxHash3_64::oneshot(text.value(at).try_to_string()?.as_bytes()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};
    use arrow::compute::take_record_batch;

    use super::*;

    fn checksum(batch: &RecordBatch) -> Checksum {
        let mut sum = Checksum::default();
        sum.add(batch).unwrap();
        sum
    }

    #[test]
    fn the_checksum_sees_every_value_and_no_order() {
        let batch = |x: [Option<f64>; 3]| {
            let columns: [(&str, ArrayRef); 2] = [
                ("x", Arc::new(Float64Array::from(x.to_vec()))),
                ("s", Arc::new(StringArray::from(vec![Some("a"), None, Some("")]))),
            ];
            RecordBatch::try_from_iter(columns).unwrap()
        };
        let rows = batch([Some(0.1), Some(2.0), None]);
        let turned = take_record_batch(&rows, &arrow::array::UInt32Array::from(vec![2, 0, 1])).unwrap();
        assert_eq!(checksum(&rows), checksum(&turned));
        assert_ne!(checksum(&rows), checksum(&batch([Some(0.1), Some(2.0), Some(0.0)])));
        assert_ne!(checksum(&rows), checksum(&batch([Some(2.0), Some(0.1), None])));
    }
}
