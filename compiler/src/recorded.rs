//! The records of a topic as an archive keeps them: what was written, and what was made of it.
//!
//! ```text
//!  record ──Records──► its columns        ┐
//!    ├────────────────► or why there are none ├─► a batch of `schema`
//!    └─ offset, clock, key, value          ┘
//! ```
//!
//! Every record is kept, also one that is no row: the log can be read again from here as from the topic,
//! and its rows are what a stream makes of it, since both decode by [`Records`].

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Int32Array, Int64Array, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, UInt32Builder,
};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use feat_kernel::time::Instant;
use feat_kernel::types::Type;

use crate::conform::ConformError;
use crate::plan::SourcePlan;
use crate::text::Records;

/// The topic: `string`.
pub const TOPIC: &str = "_topic";
/// The partition: `int`, 32 bits.
pub const PARTITION: &str = "_partition";
/// The offset: `int`.
pub const OFFSET: &str = "_offset";
/// The partition's clock at the record, by which it became known: `timestamp`.
pub const KNOWN: &str = "_known";
/// The key as it was written: `bytes`, null without one.
pub const KEY: &str = "_key";
/// The value as it was written: `bytes`, null in a tombstone.
pub const RAW: &str = "_raw";
/// Why the record is no row: `string`, null of a row.
pub const FAULT: &str = "_fault";

/// The columns of an archive before those of the source.
const LEADING: [&str; 7] = [TOPIC, PARTITION, OFFSET, KNOWN, KEY, RAW, FAULT];

/// What [`FAULT`] says of a record without a value, as compaction leaves it.
const NO_VALUE: &str = "has no value";

/// A source whose columns cannot stand beside those of an archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("source `{source_name}` has a column `{column}`, as every archive has: give it another name")]
pub struct Clash {
    /// The source.
    pub source_name: String,
    /// The column.
    pub column: String,
}

/// The Arrow type of a column in a Delta table, which has no durations and no vectors.
pub fn stored(ty: &Type) -> DataType {
    match ty {
        Type::Duration => DataType::Int64,
        Type::Embedding(_) => DataType::List(Arc::new(Field::new("item", DataType::Float32, true))),
        other => other.arrow(),
    }
}

/// The columns of an archive of `source`: where each record stood and what it was, then the source's stored
/// columns, null where the record is no row.
///
/// Errors: [`Clash`].
pub fn schema(source: &SourcePlan) -> Result<SchemaRef, Clash> {
    if let Some(column) = source.stored.iter().find(|column| LEADING.contains(&column.name.as_str())) {
        return Err(Clash { source_name: source.root.name.clone(), column: column.name.clone() });
    }
    let mut fields = vec![
        Field::new(TOPIC, DataType::Utf8, true),
        Field::new(PARTITION, DataType::Int32, true),
        Field::new(OFFSET, DataType::Int64, true),
        Field::new(KNOWN, Type::Timestamp.arrow(), true),
        Field::new(KEY, DataType::Binary, true),
        Field::new(RAW, DataType::Binary, true),
        Field::new(FAULT, DataType::Utf8, true),
    ];
    fields.extend(source.stored.iter().map(|column| Field::new(&column.name, stored(&column.slot.ty), true)));
    Ok(Arc::new(Schema::new(fields)))
}

/// Records of one partition on their way into an archive.
#[derive(Debug)]
pub struct Recording {
    schema: SchemaRef,
    topic: String,
    partition: i32,
    records: Records,
    offsets: Vec<i64>,
    known: Vec<i64>,
    keys: BinaryBuilder,
    values: BinaryBuilder,
    faults: StringBuilder,
    /// The row of each record among those that could be read.
    rows: UInt32Builder,
}

impl Recording {
    /// Of a partition of `topic`, whose values are objects with the columns of `source`.
    ///
    /// Errors: a column that text does not write. Panics if [`schema`] refuses the source.
    pub fn of(source: &Arc<SourcePlan>, topic: &str, partition: i32) -> Result<Self, ConformError> {
        Ok(Self {
            schema: schema(source).expect("invariant: the source was asked for its schema before"),
            topic: topic.to_owned(),
            partition,
            records: Records::of(Arc::clone(source), topic)?,
            offsets: Vec::new(),
            known: Vec::new(),
            keys: BinaryBuilder::new(),
            values: BinaryBuilder::new(),
            faults: StringBuilder::new(),
            rows: UInt32Builder::new(),
        })
    }

    /// The next record, of any kind: its offset, the partition's clock at it, its key and its value.
    pub fn push(&mut self, offset: u64, clock: Instant, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.offsets.push(offset as i64);
        self.known.push(clock.0);
        self.keys.append_option(key);
        self.values.append_option(value);
        let row = self.records.len() as u32;
        let fault = match value {
            None => Some(NO_VALUE.to_owned()),
            Some(value) => self.records.push(value).err().map(|fault| fault.to_string()),
        };
        self.rows.append_option(fault.is_none().then_some(row));
        self.faults.append_option(fault);
    }

    /// The records so far, in their order, as a batch of [`schema`]. It begins anew.
    pub fn finish(&mut self) -> RecordBatch {
        let count = self.offsets.len();
        let rows = self.rows.finish();
        let read = self.records.finish();
        let known = TimestampMicrosecondArray::from(std::mem::take(&mut self.known)).with_timezone("UTC");
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![self.topic.as_str(); count])),
            Arc::new(Int32Array::from(vec![self.partition; count])),
            Arc::new(Int64Array::from(std::mem::take(&mut self.offsets))),
            Arc::new(known),
            Arc::new(self.keys.finish()),
            Arc::new(self.values.finish()),
            Arc::new(self.faults.finish()),
        ];
        let fields = self.schema.fields().iter().skip(LEADING.len());
        columns.extend(read.columns().iter().zip(fields).map(|(column, field)| {
            let column = take(column, &rows, None).expect("invariant: a row of each place");
            cast(&column, field.data_type()).expect("invariant: of the type that it is stored in")
        }));
        RecordBatch::try_new(Arc::clone(&self.schema), columns).expect("invariant: columns of the schema")
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use feat_dsl::source_map::SourceMap;

    use super::*;

    fn source(columns: &str) -> Arc<SourcePlan> {
        let mut sources = SourceMap::new();
        let text = format!(
            "entity user(user: string)\n\
             source events: events {{ user: string  {columns}  ts: timestamp  time ts }}\n\
             features g of user from events {{ n = count() over 1h }}"
        );
        sources.add("test.feat", text);
        let compiled = crate::compile(&sources);
        let model = &compiled.plans.sources;
        Arc::clone(model.values().next().unwrap_or_else(|| panic!("{:?}", compiled.diagnostics)))
    }

    #[test]
    fn every_record_is_kept_and_only_a_row_has_columns() {
        let mut recording = Recording::of(&source("x: int?"), "t", 3).unwrap();
        let row = br#"{"user": "a", "x": 7, "ts": "2024-01-01T00:00:00Z"}"#;
        recording.push(5, Instant(1), Some(b"k"), Some(row));
        recording.push(6, Instant(1), None, None);
        recording.push(9, Instant(2), None, Some(b"{"));
        recording.push(10, Instant(4), None, Some(row));
        let batch = recording.finish();
        assert_eq!(batch.num_rows(), 4);
        let column = |name: &str| batch.column_by_name(name).unwrap();
        assert_eq!(column(OFFSET).as_primitive::<Int64Type>().values(), &[5, 6, 9, 10]);
        let x: Vec<Option<i64>> = column("x").as_primitive::<Int64Type>().iter().collect();
        assert_eq!(x, [Some(7), None, None, Some(7)]);
        let faults: Vec<bool> =
            column(FAULT).as_string::<i32>().iter().map(|fault| fault.is_some()).collect();
        assert_eq!(faults, [false, true, true, false]);
        assert_eq!(column(RAW).as_binary::<i32>().value(2), b"{");
        assert_eq!(recording.finish().num_rows(), 0);
    }

    #[test]
    fn a_column_with_a_name_of_the_archives_is_refused() {
        let clash = schema(&source("_raw: string?")).unwrap_err();
        assert!(clash.to_string().contains("`_raw`"), "{clash}");
    }
}
