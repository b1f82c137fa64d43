//! What the tests share: a project from text, tables from rows, files in a scratch folder.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use feat_batch::{Resources, Session, SpineFile, Table, Tables};
use feat_compiler::ir::QName;
use feat_compiler::plan::Plans;
use feat_dsl::source_map::SourceMap;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

pub(crate) const MINUTE: i64 = 60_000_000;

/// The plans of a text without errors.
pub(crate) fn compile(text: &str) -> Plans {
    let mut sources = SourceMap::default();
    sources.add("test.feat", text);
    let compiled = feat_compiler::compile(&sources);
    let messages: Vec<String> = compiled.diagnostics.iter().map(|found| format!("{found:?}")).collect();
    assert!(!compiled.has_errors(), "{messages:#?}");
    compiled.plans
}

/// An engine of two cores.
pub(crate) fn session(memory: Option<usize>) -> Session {
    Session::new(&Resources { cores: Some(2), memory, spill: None }).unwrap()
}

/// Instants as a column.
pub(crate) fn times(micros: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
}

/// Rows as a table in memory.
pub(crate) fn table(columns: Vec<(&str, ArrayRef)>) -> Table {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    Table::batches(batch.schema(), vec![batch])
}

/// One table under one name.
pub(crate) fn tables(name: &str, table: Table) -> Tables {
    let mut tables = Tables::default();
    tables.insert(named(name), table);
    tables
}

/// The full name of what a text without a package calls `name`.
pub(crate) fn named(name: &str) -> QName {
    QName { package: String::new(), name: name.to_owned() }
}

/// A spine whose time column is `t`.
pub(crate) fn spine(table: Table) -> SpineFile {
    SpineFile { table, time: "t".to_owned(), zone: None }
}

/// Writes a Parquet file.
pub(crate) fn write(path: &Path, batch: &RecordBatch) {
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Reads a Parquet file as one batch.
pub(crate) fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    let schema: SchemaRef = Arc::clone(builder.schema());
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// A column of integers.
pub(crate) fn ints(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch.column_by_name(name).unwrap().as_primitive::<arrow::datatypes::Int64Type>().iter().collect()
}

/// A column of floats.
pub(crate) fn floats(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    batch.column_by_name(name).unwrap().as_primitive::<arrow::datatypes::Float64Type>().iter().collect()
}
