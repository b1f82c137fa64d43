//! CSV files: their headers, and their records with the lines on which they begin.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use arrow::csv::reader::Format;

use crate::error::BatchError;

/// The columns of `files`, which all have the same ones in the same order.
///
/// Errors: a file without a header, two columns of one name, files that differ.
pub(crate) fn header(files: &[PathBuf]) -> Result<Vec<String>, BatchError> {
    let mut first: Option<(&Path, Vec<String>)> = None;
    for path in files {
        let wrong = |reason: String| BatchError::File { path: path.clone(), reason };
        let file = File::open(path).map_err(|cause| wrong(cause.to_string()))?;
        let format = Format::default().with_header(true);
        let (schema, _) =
            format.infer_schema(BufReader::new(file), Some(0)).map_err(|cause| wrong(cause.to_string()))?;
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        if names.is_empty() {
            return Err(wrong(
                "is empty: it has no header; write the columns' names on its first line".to_owned(),
            ));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
            return Err(wrong(format!("has two columns `{twice}`: rename one of them")));
        }
        match &first {
            None => first = Some((path, names)),
            Some((before, columns)) if *columns != names => {
                return Err(wrong(format!(
                    "has the columns {}, and {} has {}: give all files one header",
                    names.join(", "),
                    before.display(),
                    columns.join(", ")
                )));
            }
            Some(_) => {}
        }
    }
    Ok(first.map(|(_, names)| names).unwrap_or_default())
}

/// Whether a quote stands in one of `files`: only then may a record go on behind a newline.
///
/// Cost: reads every byte up to the first quote.
pub(crate) fn has_quotes(files: &[PathBuf]) -> Result<bool, BatchError> {
    let mut buffer = vec![0; 1 << 20];
    for path in files {
        let failed =
            |cause: std::io::Error| BatchError::File { path: path.clone(), reason: cause.to_string() };
        let mut file = File::open(path).map_err(failed)?;
        loop {
            let read = file.read(&mut buffer).map_err(failed)?;
            if read == 0 {
                break;
            }
            if buffer[..read].contains(&b'"') {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The records of a file, the header left out, as they are written.
pub(crate) struct Records {
    path: PathBuf,
    file: BufReader<File>,
    record: Vec<u8>,
    /// The line of the next record, as an editor counts: the header's is one.
    line: u64,
}

impl Records {
    /// Those of the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, BatchError> {
        let failed =
            |cause: std::io::Error| BatchError::File { path: path.to_owned(), reason: cause.to_string() };
        let file = BufReader::new(File::open(path).map_err(failed)?);
        let mut records = Self { path: path.to_owned(), file, record: Vec::new(), line: 1 };
        records.next()?;
        Ok(records)
    }

    /// The next record, and the line on which it begins. Quotes keep newlines in a record.
    pub(crate) fn next(&mut self) -> Result<Option<(&[u8], u64)>, BatchError> {
        loop {
            self.record.clear();
            let first = self.line;
            let mut quoted = Quoted::default();
            loop {
                let start = self.record.len();
                let read = self.file.read_until(b'\n', &mut self.record);
                let read = read.map_err(|cause| BatchError::File {
                    path: self.path.clone(),
                    reason: cause.to_string(),
                })?;
                if read == 0 {
                    break;
                }
                self.line += 1;
                self.record[start..].iter().for_each(|&byte| quoted.pass(byte));
                if !quoted.inside {
                    break;
                }
            }
            if self.record.is_empty() {
                return Ok(None);
            }
            // The engine passes over empty lines, too.
            if self.record.iter().any(|byte| !matches!(byte, b'\n' | b'\r')) {
                return Ok(Some((&self.record, first)));
            }
        }
    }
}

/// Whether a place in a record is inside quotes.
#[derive(Debug, Default)]
struct Quoted {
    inside: bool,
    /// A field has begun: a quote no longer opens it.
    begun: bool,
}

impl Quoted {
    fn pass(&mut self, byte: u8) {
        match byte {
            // Two quotes inside stand for one: the field closes and opens again.
            b'"' if self.inside => self.inside = false,
            b'"' if !self.begun => (self.inside, self.begun) = (true, true),
            b'"' => self.inside = true,
            b',' | b'\n' if !self.inside => self.begun = false,
            _ => self.begun = true,
        }
    }
}
