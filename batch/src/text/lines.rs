//! Files of JSON lines as a scan: lines in, typed columns out, shared among partitions by their bytes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result as EngineResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use feat_compiler::plan::StoredColumn;
use feat_compiler::text::json::fields;
use feat_compiler::text::{Raw, Reader, Rows};
use feat_kernel::types::{Slot, Type};

use crate::error::BatchError;

/// Bytes read from a file at a time.
const BUFFER: usize = 1 << 20;

/// Fewer bytes than this are not shared among partitions.
const SHARED: u64 = 4 << 20;

/// The lines of a file, one after the other, blank ones left out.
pub(crate) struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    /// Where the next line begins.
    at: u64,
    line: Vec<u8>,
    /// Which line is at hand, the first one being one.
    pub(crate) number: u64,
}

impl Lines {
    /// The lines that begin at or behind byte `start`.
    pub(crate) fn open(path: &PathBuf, start: u64) -> Result<Self, BatchError> {
        let failed =
            |cause: std::io::Error| BatchError::File { path: path.clone(), reason: cause.to_string() };
        let file = BufReader::with_capacity(BUFFER, File::open(path).map_err(failed)?);
        let mut lines = Self { path: path.clone(), file, at: start, line: Vec::new(), number: 0 };
        if start > 0 {
            // A line begins behind a newline, perhaps the one before `start`.
            lines.file.seek(SeekFrom::Start(start - 1)).map_err(failed)?;
            lines.at = start - 1 + lines.file.read_until(b'\n', &mut Vec::new()).map_err(failed)? as u64;
        }
        Ok(lines)
    }

    /// The next line that is not blank, and where it begins.
    pub(crate) fn next(&mut self) -> Result<Option<(&str, u64)>, BatchError> {
        loop {
            self.line.clear();
            let start = self.at;
            let read = self.file.read_until(b'\n', &mut self.line);
            let read = read
                .map_err(|cause| BatchError::File { path: self.path.clone(), reason: cause.to_string() })?;
            if read == 0 {
                return Ok(None);
            }
            self.at += read as u64;
            self.number += 1;
            if start == 0 && self.line.starts_with("\u{feff}".as_bytes()) {
                self.line.drain(..3);
            }
            if self.line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                let text = std::str::from_utf8(&self.line).map_err(|_| BatchError::Text {
                    origin: self.path.display().to_string(),
                    line: Some(self.number),
                    column: None,
                    reason: "is not UTF-8: save the file as UTF-8".to_owned(),
                })?;
                return Ok(Some((text, start)));
            }
        }
    }
}

/// A scan of `columns` of files of JSON lines, in `partitions` partitions; one reads the files in their
/// order. A field that a line lacks is null.
pub(crate) fn scan(
    files: &[PathBuf],
    columns: Vec<StoredColumn>,
    partitions: usize,
    reader: Reader,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let columns: Arc<[StoredColumn]> = columns.into();
    let schema = Arc::clone(rows(&columns, reader).schema());
    let parts = shares(files, partitions)?.into_iter().map(|parts| {
        let (schema, columns) = (Arc::clone(&schema), Arc::clone(&columns));
        Arc::new(JsonLines { parts, columns, schema, reader }) as Arc<dyn PartitionStream>
    });
    let parts = parts.collect();
    Ok(Arc::new(StreamingTableExec::try_new(Arc::clone(&schema), parts, None, [], false, None)?))
}

/// What takes lines for `reader`: the columns of a spine go into the training set as they are written.
fn rows(columns: &Arc<[StoredColumn]>, reader: Reader) -> Rows {
    match reader {
        Reader::Source => Rows::new(Arc::clone(columns), reader),
        Reader::Spine => Rows::as_written(Arc::clone(columns)),
    }
}

/// A range of a file's bytes: the lines that begin in it.
#[derive(Clone, Debug)]
struct Part {
    path: PathBuf,
    start: u64,
    end: u64,
}

/// The files cut into ranges of about equal length, for each partition.
fn shares(files: &[PathBuf], partitions: usize) -> Result<Vec<Vec<Part>>, BatchError> {
    let mut parts = Vec::new();
    for path in files {
        let metadata = std::fs::metadata(path)
            .map_err(|cause| BatchError::File { path: path.clone(), reason: cause.to_string() })?;
        parts.push(Part { path: path.clone(), start: 0, end: metadata.len() });
    }
    let total: u64 = parts.iter().map(|part| part.end).sum();
    if partitions <= 1 || total < SHARED {
        return Ok(vec![parts]);
    }
    let share = total.div_ceil(partitions as u64);
    let mut shares = vec![Vec::new()];
    let mut room = share;
    for mut part in parts {
        while part.end - part.start > room {
            let cut = part.start + room;
            shares.last_mut().expect("invariant: there is a share").push(Part { end: cut, ..part.clone() });
            part.start = cut;
            shares.push(Vec::new());
            room = share;
        }
        room -= part.end - part.start;
        shares.last_mut().expect("invariant: there is a share").push(part);
    }
    Ok(shares)
}

/// One partition of a scan.
#[derive(Debug)]
struct JsonLines {
    parts: Vec<Part>,
    columns: Arc<[StoredColumn]>,
    schema: SchemaRef,
    reader: Reader,
}

impl PartitionStream for JsonLines {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = rows(&self.columns, self.reader);
        let reading = Reading { parts: self.parts.clone().into_iter(), lines: None, rows };
        let batch_rows = context.session_config().batch_size();
        let batches = futures::stream::iter(reading.batches(batch_rows));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

struct Reading {
    parts: std::vec::IntoIter<Part>,
    /// The lines at hand, and where they end.
    lines: Option<(Lines, u64)>,
    rows: Rows,
}

impl Reading {
    fn batches(mut self, batch_rows: usize) -> impl Iterator<Item = EngineResult<RecordBatch>> {
        let mut failed = false;
        std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let batch = self.batch(batch_rows).map_err(Into::into).transpose();
            failed = matches!(batch, Some(Err(_)));
            batch
        })
    }

    fn batch(&mut self, batch_rows: usize) -> Result<Option<RecordBatch>, BatchError> {
        while self.rows.len() < batch_rows {
            let Some((lines, end)) = &mut self.lines else {
                let Some(part) = self.parts.next() else { break };
                self.lines = Some((Lines::open(&part.path, part.start)?, part.end));
                continue;
            };
            let origin = lines.path.display().to_string();
            match lines.next()? {
                Some((line, start)) if start < *end => {
                    self.rows.push(line).map_err(|fault| BatchError::text(fault, &origin, None))?;
                }
                _ => self.lines = None,
            }
        }
        if self.rows.is_empty() { Ok(None) } else { Ok(Some(self.rows.finish())) }
    }
}

/// What the lines of files have.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Whether there is any line.
    pub(crate) rows: bool,
    /// The names of their fields, in the order in which they come.
    pub(crate) names: Vec<String>,
}

impl Found {
    /// Looks at lines until one has had each of `wanted`: mostly the first one.
    pub(crate) fn look(files: &[PathBuf], wanted: &[String]) -> Result<Self, BatchError> {
        let mut found = Self::default();
        let mut seen = BTreeSet::new();
        let mut missing: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
        for path in files {
            let mut lines = Lines::open(path, 0)?;
            while let Some((line, _)) = lines.next()? {
                found.rows = true;
                let split = fields(line, |name, _| {
                    missing.remove(name);
                    if !seen.contains(name) {
                        seen.insert(name.to_owned());
                        found.names.push(name.to_owned());
                    }
                    Ok(())
                });
                if split.is_err() {
                    // Whoever reads the line for its values tells what is wrong with it.
                    found.names = wanted.to_vec();
                }
                if missing.is_empty() || split.is_err() {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}

/// A column of which only the name matters.
pub(crate) fn untyped(name: &str) -> StoredColumn {
    StoredColumn { name: name.to_owned(), slot: Slot::nullable(Type::String), zone: None }
}

/// The columns of `files` in the order in which their lines bring them: those that are `declared`, and
/// the others by what they look like, of the narrowest type that holds every value; text where none
/// does. What is declared and on no line comes last.
pub(crate) fn infer(files: &[PathBuf], declared: &[StoredColumn]) -> Result<Vec<StoredColumn>, BatchError> {
    let mut found: Vec<(String, Option<Type>)> = Vec::new();
    for path in files {
        let mut lines = Lines::open(path, 0)?;
        while let Some((line, _)) = lines.next()? {
            let split = fields(line, |name, raw| {
                let at = found.iter().position(|(found, _)| found == name).unwrap_or_else(|| {
                    found.push((name.to_owned(), None));
                    found.len() - 1
                });
                found[at].1 = wider(found[at].1.take(), raw);
                Ok(())
            });
            // Whoever reads the line for its values tells what is wrong with it.
            if split.is_err() {
                break;
            }
        }
    }
    let missing = declared.iter().filter(|column| found.iter().all(|(name, _)| *name != column.name));
    let missing: Vec<StoredColumn> = missing.cloned().collect();
    let columns = found.into_iter().map(|(name, ty)| {
        let known = declared.iter().find(|column| column.name == name).cloned();
        let slot = Slot::nullable(ty.unwrap_or(Type::String));
        known.unwrap_or(StoredColumn { name, slot, zone: None })
    });
    Ok(columns.chain(missing).collect())
}

/// The type that holds what `ty` holds and `raw`.
fn wider(ty: Option<Type>, raw: &Raw<'_>) -> Option<Type> {
    match (ty, raw.narrowest()) {
        (ty, None) | (None, ty) => ty,
        (Some(before), Some(seen)) if before == seen => Some(seen),
        (Some(Type::Int | Type::Float), Some(Type::Int | Type::Float)) => Some(Type::Float),
        (Some(_), Some(_)) => Some(Type::String),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_in_one_share_whatever_the_cuts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let lines: Vec<String> =
            (0..100).map(|row| format!("{{\"n\":{row},\"pad\":\"{}\"}}\n", "x".repeat(row))).collect();
        let text = lines.concat();
        std::fs::write(&path, &text).unwrap();
        for cut in 0..=text.len() as u64 {
            let mut seen = 0;
            for part in [(0, cut), (cut, text.len() as u64)] {
                let mut lines = Lines::open(&path, part.0).unwrap();
                while let Some((_, start)) = lines.next().unwrap() {
                    if start >= part.1 {
                        break;
                    }
                    seen += 1;
                }
            }
            assert_eq!(seen, 100, "cut at {cut}");
        }
    }
}
