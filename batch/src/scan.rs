//! From tables to batches: which columns are read, in which order, and how they become the source's.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionContext};
use feat_compiler::conform::conform_columns;
use feat_compiler::plan::{SourcePlan, StoredColumn};
use feat_compiler::text::{Reader, with_times};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::delta::DeltaVersion;
use crate::error::BatchError;
use crate::map::{Blame, MapExec, Mapper};
use crate::session::Session;
use crate::tables::{Format, Stored, Table};
use crate::text::csv::{has_quotes, header};
use crate::text::lines::{Found, infer, scan as scan_lines, untyped};
use crate::text::locate::locate;
use crate::text::with_types;

/// The column of a log's batches that says when each row became known.
pub(crate) const KNOWN: &str = "~known";

/// Whether the order of a table's rows matters to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As fast as may be.
    Any,
    /// One partition, in the order of the files and of the rows in them.
    File,
}

/// Turns what a scan of a source's table gives into the source's columns.
#[derive(Clone, Debug)]
pub(crate) struct Conformer {
    source: Arc<SourcePlan>,
    columns: Vec<String>,
    stored: Vec<StoredColumn>,
    origin: String,
    /// Whose rows they are and for whom, to find what cannot be read.
    read: Option<(Table, Reader)>,
}

impl Conformer {
    /// For `columns` of `source`, read from `origin`.
    pub(crate) fn new(source: Arc<SourcePlan>, columns: &[String], origin: String) -> Self {
        let stored = source.stored.iter().filter(|column| columns.contains(&column.name)).cloned().collect();
        Self { source, columns: columns.to_vec(), stored, origin, read: None }
    }

    /// For `columns` of `source`, read from `table`: errors name the line of a text file.
    pub(crate) fn of_table(
        source: Arc<SourcePlan>,
        columns: &[String],
        table: &Table,
        reader: Reader,
    ) -> Self {
        let read = Some((table.clone(), reader));
        Self { read, ..Self::new(source, columns, table.origin()) }
    }

    /// The batch as the source declares it.
    ///
    /// Errors: a value that does not become its type, with its line in a text file.
    pub(crate) fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch, BatchError> {
        let reader = self.read.as_ref().map_or(Reader::Source, |(_, reader)| *reader);
        let times = with_times(batch, &self.stored, reader);
        let batch = times.map_err(|fault| {
            let error = BatchError::text(fault, &self.origin, None);
            match &self.read {
                Some((table, reader)) => blame(table, &self.stored, *reader, error),
                None => error,
            }
        })?;
        Ok(conform_columns(&self.source, &batch, &self.columns, &self.origin)?)
    }

    /// The schema of conformed batches; fails as every batch of `found` would.
    pub(crate) fn check(&self, found: &SchemaRef) -> Result<SchemaRef, BatchError> {
        Ok(self.conform(&RecordBatch::new_empty(Arc::clone(found)))?.schema())
    }
}

/// The error that names the file, and in a text file the line, at which reading `table` stopped.
fn blame(table: &Table, declared: &[StoredColumn], reader: Reader, error: BatchError) -> BatchError {
    let Stored::Files { files, format, .. } = &table.rows else { return error };
    match (error, format) {
        (
            error @ (BatchError::Engine(_) | BatchError::Text { line: None, .. }),
            Format::Csv | Format::Json,
        ) => locate(files, *format, declared, reader).unwrap_or_else(|| named(table.origin(), error)),
        (error @ BatchError::Engine(_), Format::Parquet) => {
            let damaged = files.iter().find(|path| !is_parquet(path));
            named(damaged.map_or_else(|| table.origin(), |path| path.display().to_string()), error)
        }
        (error, _) => error,
    }
}

fn named(origin: String, error: BatchError) -> BatchError {
    match error {
        BatchError::Engine(cause) => BatchError::Read { origin, cause },
        other => other,
    }
}

fn is_parquet(path: &Path) -> bool {
    let metadata = File::open(path).ok().and_then(|file| ParquetRecordBatchReaderBuilder::try_new(file).ok());
    metadata.is_some()
}

/// A scan of `columns` of a source's table, and what makes its batches the source's.
///
/// Errors: a declared column that the table lacks or holds in another type fails here, before
/// anything is read.
pub(crate) async fn scan(
    session: &Session,
    source: &Arc<SourcePlan>,
    table: &Table,
    columns: &[String],
    order: Order,
) -> Result<(Arc<dyn ExecutionPlan>, Conformer), BatchError> {
    let conformer = Conformer::of_table(Arc::clone(source), columns, table, Reader::Source);
    let plan = read(session, table, Some(columns), &source.stored, order, Reader::Source).await?;
    conformer.check(&plan.schema())?;
    Ok((plan, conformer))
}

/// A scan of the columns of a table as they are stored; if it lacks one of `columns`, of all of them.
///
/// `declared` columns of text files are read by their types, others by what they look like. Timestamps
/// are instants in a source's JSON lines; in CSV and for a spine they stay text until they conform.
/// Errors: those of the files, here and in the stream, name the file, and in a text file the line.
pub(crate) async fn read(
    session: &Session,
    table: &Table,
    columns: Option<&[String]>,
    declared: &[StoredColumn],
    order: Order,
    reader: Reader,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let (context, partitions) = match order {
        Order::Any => (session.parallel(), session.cores()),
        Order::File => (session.ordered(), 1),
    };
    let (files, format) = match &table.rows {
        Stored::Files { files, format, .. } => (files, format),
        Stored::Delta { version, .. } => return delta(context, version, columns, order).await,
        Stored::Batches { .. } => return in_memory(session, table, columns, order),
    };
    let declared: Arc<[StoredColumn]> = match columns {
        Some(columns) => declared.iter().filter(|column| columns.contains(&column.name)).cloned().collect(),
        None => declared.into(),
    };
    let (of, stored) = (table.clone(), Arc::clone(&declared));
    let told: Blame = Arc::new(move |error| blame(&of, &stored, reader, error));
    let plan = match format {
        Format::Parquet => parquet(context, files, columns).await,
        Format::Csv => csv(context, files, columns, &declared).await,
        Format::Json => json(files, columns, &declared, partitions, reader),
        Format::Delta => Err(BatchError::Request("a Delta table is no file".to_owned())),
    };
    let plan = plan.map_err(&*told)?;
    // Columns of CSV come as text and get their types here.
    let typed = (*format == Format::Csv).then(|| Arc::clone(&declared));
    let schema = match &typed {
        Some(declared) => typing(declared, &plan.schema()),
        None => plan.schema(),
    };
    let origin = table.origin();
    let detail = origin.clone();
    let start = move || {
        let (typed, origin) = (typed.clone(), origin.clone());
        let map: Mapper = Box::new(move |batch| match &typed {
            Some(declared) => {
                with_types(batch, declared).map_err(|fault| BatchError::text(fault, &origin, None))
            }
            None => Ok(batch.clone()),
        });
        map
    };
    Ok(Arc::new(MapExec::blaming("ReadExec", detail, plan, schema, Arc::new(start), told)))
}

fn typing(declared: &[StoredColumn], found: &SchemaRef) -> SchemaRef {
    let empty = with_types(&RecordBatch::new_empty(Arc::clone(found)), declared);
    empty.map_or_else(|_| Arc::clone(found), |batch| batch.schema())
}

/// Rows in memory.
fn in_memory(
    session: &Session,
    table: &Table,
    columns: Option<&[String]>,
    order: Order,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let Stored::Batches { schema, batches } = &table.rows else {
        return Err(BatchError::Request("files are not rows in memory".to_owned()));
    };
    let projection = columns.map(|columns| {
        let places: Vec<usize> = columns.iter().filter_map(|name| schema.index_of(name).ok()).collect();
        places
    });
    // Without any column the rows would be lost; the message names what lacks.
    let projection = projection.filter(|places| !places.is_empty());
    let partitions = partitions(batches, order, session.cores());
    Ok(MemorySourceConfig::try_new_exec(&partitions, Arc::clone(schema), projection)?)
}

fn partitions(batches: &[RecordBatch], order: Order, cores: usize) -> Vec<Vec<RecordBatch>> {
    match order {
        Order::File => vec![batches.to_vec()],
        Order::Any => {
            let mut partitions = vec![Vec::new(); cores];
            for (at, batch) in batches.iter().enumerate() {
                partitions[at % cores].push(batch.clone());
            }
            partitions
        }
    }
}

/// The columns of a Delta table; of an archive with [`KNOWN`].
async fn delta(
    context: &SessionContext,
    version: &DeltaVersion,
    columns: Option<&[String]>,
    order: Order,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let frame = version.rows(context, order).await?;
    let mut columns = columns.map(<[String]>::to_vec);
    if let Some(columns) = columns.as_mut().filter(|_| version.is_archive()) {
        columns.push(KNOWN.to_owned());
    }
    selected(frame, columns.as_deref()).await
}

async fn parquet(
    context: &SessionContext,
    files: &[PathBuf],
    columns: Option<&[String]>,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let options = ParquetReadOptions { file_extension: "", ..ParquetReadOptions::default() };
    let frame = context.read_parquet(paths(files), options).await?;
    selected(frame, columns).await
}

async fn csv(
    context: &SessionContext,
    files: &[PathBuf],
    columns: Option<&[String]>,
    declared: &[StoredColumn],
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let names = header(files)?;
    let is_declared = |name: &String| declared.iter().any(|column| column.name == *name);
    let options = CsvReadOptions {
        file_extension: "",
        schema_infer_max_records: usize::MAX,
        // A file that is cut into parts must not be cut within a record.
        newlines_in_values: has_quotes(files)?,
        ..CsvReadOptions::new()
    };
    // What is declared needs no look at its values, and what nobody reads neither. Where looking fails,
    // reading tells why.
    let inferred = if columns.is_some() || names.iter().all(is_declared) {
        None
    } else {
        let inferred = context.read_csv(paths(files), options.clone()).await.ok();
        inferred.map(|frame| frame.schema().as_arrow().clone())
    };
    let fields = names.iter().map(|name| {
        let inferred = inferred.as_ref().filter(|_| !is_declared(name));
        let inferred = inferred.and_then(|schema| schema.field_with_name(name).ok());
        Field::new(name, inferred.map_or(DataType::Utf8, |field| field.data_type().clone()), true)
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let frame = context.read_csv(paths(files), CsvReadOptions { schema: Some(&schema), ..options }).await?;
    selected(frame, columns).await
}

fn json(
    files: &[PathBuf],
    columns: Option<&[String]>,
    declared: &[StoredColumn],
    partitions: usize,
    reader: Reader,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let wanted: Vec<String> = match columns {
        Some(columns) => columns.to_vec(),
        None => declared.iter().map(|column| column.name.clone()).collect(),
    };
    let found = Found::look(files, &wanted)?;
    let mut read = declared.to_vec();
    // A field that some lines lack is null there; one that every line lacks is not there.
    if found.rows && !wanted.iter().all(|name| found.names.contains(name)) {
        let typed = |name: &String| declared.iter().find(|column| column.name == *name).cloned();
        let names = found.names.iter();
        read = names.map(|name| typed(name).unwrap_or_else(|| untyped(name))).collect();
    } else if columns.is_none() {
        read = infer(files, declared)?;
    }
    scan_lines(files, read, partitions, reader)
}

fn paths(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|file| file.display().to_string()).collect()
}

/// Those of `columns` that are there, or all if one is not: the message that follows lists them.
async fn selected(
    frame: DataFrame,
    columns: Option<&[String]>,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let there = |name: &String| frame.schema().as_arrow().index_of(name).is_ok();
    let frame = match columns {
        Some(columns) if !columns.is_empty() && columns.iter().all(there) => {
            let names: Vec<&str> = columns.iter().map(String::as_str).collect();
            frame.select_columns(&names)?
        }
        _ => frame,
    };
    Ok(frame.create_physical_plan().await?)
}
