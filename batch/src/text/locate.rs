//! Which value of a text file cannot be read, and in which line it stands.
//!
//! A scan reads parts of files at once and does not count lines. When it fails the files are read once
//! more, from their beginning, until the first value that does not become its type.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use feat_compiler::plan::StoredColumn;
use feat_compiler::text::{Fault, Reader, Rows, with_times};

use super::csv::{Records, header};
use super::lines::Lines;
use super::with_types;
use crate::error::BatchError;
use crate::tables::Format;

/// Rows kept at a time.
const CHUNK: usize = 1024;

/// The first value of `files` that does not become the type that `columns` declare; nothing if each
/// does.
pub(crate) fn locate(
    files: &[PathBuf],
    format: Format,
    columns: &[StoredColumn],
    reader: Reader,
) -> Option<BatchError> {
    let found = |path: &PathBuf| match format {
        Format::Json => in_lines(path, columns, reader),
        Format::Csv => in_records(path, columns, reader),
        Format::Parquet | Format::Delta => Ok(()),
    };
    files.iter().find_map(|path| found(path).err())
}

fn in_lines(path: &PathBuf, columns: &[StoredColumn], reader: Reader) -> Result<(), BatchError> {
    let origin = path.display().to_string();
    let mut rows = Rows::new(columns.into(), reader);
    let mut lines = Lines::open(path, 0)?;
    while let Some((line, _)) = lines.next()? {
        let pushed = rows.push(line);
        pushed.map_err(|fault| BatchError::text(fault, &origin, Some(lines.number)))?;
        if rows.len() == CHUNK {
            rows.finish();
        }
    }
    Ok(())
}

fn in_records(path: &Path, columns: &[StoredColumn], reader: Reader) -> Result<(), BatchError> {
    let origin = path.display().to_string();
    let names = header(&[path.to_owned()])?;
    let fields = names.iter().map(|name| Field::new(name, DataType::Utf8, true));
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut records = Records::open(path)?;
    let (mut text, mut ends, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let more = match records.next()? {
            Some((record, line)) => {
                text.extend_from_slice(record);
                ends.push(text.len());
                numbers.push(line);
                true
            }
            None => false,
        };
        if !more || ends.len() == CHUNK {
            let judged = split(&text, &ends, &schema).and_then(|rows| {
                let typed = with_types(&rows, columns)?;
                with_times(&typed, columns, reader).map(drop)
            });
            judged.map_err(|fault| {
                let line = numbers.get(fault.row).copied();
                BatchError::text(fault, &origin, line)
            })?;
            text.clear();
            ends.clear();
            numbers.clear();
        }
        if !more {
            return Ok(());
        }
    }
}

/// The records of `text`, which end at `ends`, as rows of text.
fn split(text: &[u8], ends: &[usize], schema: &SchemaRef) -> Result<RecordBatch, Fault> {
    let read = |text: &[u8], rows: usize| {
        let builder = arrow::csv::ReaderBuilder::new(Arc::clone(schema)).with_batch_size(rows.max(1));
        let batch = builder.build(Cursor::new(text)).ok()?.next();
        batch.map_or_else(|| Some(RecordBatch::new_empty(Arc::clone(schema))), Result::ok)
    };
    if let Some(rows) = read(text, ends.len()) {
        return Ok(rows);
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let mut records = starts.zip(ends).map(|(start, &end)| &text[start..end]).enumerate();
    let (row, record) = records.find(|(_, record)| read(record, 1).is_none()).unwrap_or((0, text));
    let reason = match std::str::from_utf8(record) {
        Err(_) => "is not UTF-8: save the file as UTF-8".to_owned(),
        Ok(record) => format!(
            "has {} fields, and the header {}: write one field for each column, an empty one for null",
            width(record),
            schema.fields().len()
        ),
    };
    Err(Fault { row, column: None, reason })
}

/// How many fields a record has.
fn width(record: &str) -> usize {
    let schema = arrow::csv::reader::Format::default().infer_schema(Cursor::new(record), Some(1));
    schema.map_or(0, |(schema, _)| schema.fields().len())
}
