//! Where the rows of sources are.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use feat_compiler::ir::QName;
use feat_compiler::plan::SourcePlan;

use crate::delta::DeltaVersion;
use crate::error::BatchError;

/// How rows are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Parquet.
    Parquet,
    /// Comma-separated values with a header line; an empty field is null.
    Csv,
    /// One JSON object a line; a missing field is null.
    Json,
    /// A folder with a Delta table.
    Delta,
}

impl Format {
    /// The format that a connector's kind or a file's extension names.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "json" | "jsonl" | "ndjson" => Some(Self::Json),
            "delta" => Some(Self::Delta),
            _ => None,
        }
    }

    fn of(path: &Path) -> Option<Self> {
        path.extension().and_then(|extension| extension.to_str()).and_then(Self::named)
    }
}

/// The rows of one source.
#[derive(Clone, Debug)]
pub struct Table {
    pub(crate) rows: Stored,
    /// Only the first rows of the log count.
    pub(crate) prefix: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) enum Stored {
    /// Files of one format, in the order in which they are one.
    Files { origin: PathBuf, files: Vec<PathBuf>, format: Format },
    /// A Delta table. If it is an archive, its rows are those of a log.
    Delta { origin: PathBuf, version: Box<DeltaVersion> },
    /// Batches in their order.
    Batches { schema: SchemaRef, batches: Vec<RecordBatch> },
}

impl Table {
    /// The rows of a file, or of every file of the format below a folder, in the order of their paths.
    ///
    /// Without `format` the extension decides; a folder with a Delta table is that. Files and folders whose
    /// names begin with `.` or `_` are not rows.
    /// Errors: [`BatchError::File`] if nothing is there, or nothing of a known format.
    pub fn open(path: &Path, format: Option<Format>) -> Result<Self, BatchError> {
        let wrong = |reason: &str| BatchError::File { path: path.to_owned(), reason: reason.to_owned() };
        let metadata = fs::metadata(path).map_err(|cause| wrong(&format!("{cause}; check the path")))?;
        if format == Some(Format::Delta) || (format.is_none() && DeltaVersion::is_in(path)) {
            if !DeltaVersion::is_in(path) {
                return Err(wrong("is no Delta table: it has no folder `_delta_log`"));
            }
            let version = Box::new(DeltaVersion::open(path)?);
            return Ok(Self { rows: Stored::Delta { origin: path.to_owned(), version }, prefix: None });
        }
        let mut files = Vec::new();
        if metadata.is_dir() {
            list(path, &mut files).map_err(|cause| wrong(&cause.to_string()))?;
            files.sort_unstable();
        } else {
            files.push(path.to_owned());
        }
        let format = format
            .or_else(|| files.iter().find_map(|file| Format::of(file)))
            .ok_or_else(|| wrong("is neither Parquet, CSV nor JSON lines by its extension"))?;
        if metadata.is_dir() {
            files.retain(|file| Format::of(file) == Some(format));
        }
        if files.is_empty() {
            return Err(wrong("holds no file of that format"));
        }
        Ok(Self { rows: Stored::Files { origin: path.to_owned(), files, format }, prefix: None })
    }

    /// Rows in memory, in their order.
    pub fn batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { rows: Stored::Batches { schema, batches }, prefix: None }
    }

    /// Only the first `rows` rows of the log that the table is.
    #[must_use]
    pub fn first(mut self, rows: u64) -> Self {
        self.prefix = Some(rows);
        self
    }

    /// Only the records of an archive that lie before an offset: one a partition, none of partitions that
    /// are not named. A file's rows are one partition, 0.
    #[must_use]
    pub fn before(mut self, positions: &BTreeMap<u32, u64>) -> Self {
        match &mut self.rows {
            Stored::Delta { version, .. } if version.is_archive() => version.cut(positions),
            _ => self.prefix = Some(positions.get(&0).copied().unwrap_or_default()),
        }
        self
    }

    /// Whether its rows are those of a log that says when each became known.
    pub(crate) fn is_archive(&self) -> bool {
        matches!(&self.rows, Stored::Delta { version, .. } if version.is_archive())
    }

    /// The reason why nothing may be written at `path`: the table reads it, or would from then on.
    ///
    /// Another spelling, a link and a folder that is read as a whole are seen through.
    pub fn reads(&self, path: &Path) -> Option<String> {
        let written = resolved(path);
        let (origin, files) = match &self.rows {
            Stored::Files { origin, files, .. } => (origin, files.as_slice()),
            Stored::Delta { origin, .. } => (origin, &[][..]),
            Stored::Batches { .. } => return None,
        };
        if files.iter().any(|file| is_same(file, path) || resolved(file).starts_with(&written)) {
            return Some(format!("{} is read", origin.display()));
        }
        (origin.is_dir() && written.starts_with(resolved(origin)))
            .then(|| format!("every file in the folder {} is read", origin.display()))
    }

    /// What messages and manifests call it.
    pub fn origin(&self) -> String {
        match &self.rows {
            Stored::Files { origin, .. } | Stored::Delta { origin, .. } => origin.display().to_string(),
            Stored::Batches { .. } => "rows in memory".to_owned(),
        }
    }

    /// A hash of the table's bytes: the same bytes in the same files, the same fingerprint.
    ///
    /// Cost: reads every byte once; of a Delta table, whose files never change, their names alone.
    pub fn fingerprint(&self) -> Result<String, BatchError> {
        let mut hasher = blake3::Hasher::new();
        match &self.rows {
            Stored::Files { files, .. } => {
                let mut buffer = vec![0; 1 << 20];
                for path in files {
                    let failed = |cause: std::io::Error| BatchError::File {
                        path: path.clone(),
                        reason: cause.to_string(),
                    };
                    let mut file = fs::File::open(path).map_err(failed)?;
                    hasher.update(&file.metadata().map_err(failed)?.len().to_le_bytes());
                    loop {
                        let read = file.read(&mut buffer).map_err(failed)?;
                        if read == 0 {
                            break;
                        }
                        hasher.update(&buffer[..read]);
                    }
                }
            }
            Stored::Delta { version, .. } => version.fingerprint(&mut hasher)?,
            Stored::Batches { schema, batches } => {
                let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
                for batch in batches {
                    writer.write(batch)?;
                }
                hasher.update(&writer.into_inner()?);
            }
        }
        if let Some(prefix) = self.prefix {
            hasher.update(&prefix.to_le_bytes());
        }
        Ok(hasher.finalize().to_hex()[..32].to_owned())
    }
}

/// The path without links and detours, whether or not there is a file yet.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(found) = fs::canonicalize(path) {
        return found;
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent(), absolute.file_name()) {
        (Some(folder), Some(name)) => resolved(folder).join(name),
        _ => absolute,
    }
}

/// Whether both are one file under two names.
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

fn list(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with(['.', '_'])) {
            continue;
        }
        if path.is_dir() {
            list(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

/// The tables of a project's sources, by the full name of the source that owns the rows.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    by_root: BTreeMap<QName, Table>,
}

impl Tables {
    /// Says where the rows of the root source `root` are; an earlier place is forgotten.
    pub fn insert(&mut self, root: QName, table: Table) {
        self.by_root.insert(root, table);
    }

    /// The tables that were inserted, and whose rows they are.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&QName, &Table)> {
        self.by_root.iter()
    }

    /// The table of `source`: what was inserted for its root, else the rows in its text.
    ///
    /// Errors: [`BatchError::NoTable`].
    pub fn get(&self, source: &SourcePlan) -> Result<Table, BatchError> {
        if let Some(table) = self.by_root.get(&source.root) {
            return Ok(table.clone());
        }
        match &source.rows {
            Some(rows) => Ok(Table::batches(rows.schema(), vec![rows.clone()])),
            None => Err(BatchError::NoTable { source_name: source.root.name.clone() }),
        }
    }
}
