//! From tables to batches: which columns are read, in which order, and how they become the source's.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{CsvReadOptions, JsonReadOptions, ParquetReadOptions, SessionContext};
use feat_compiler::conform::conform_columns;
use feat_compiler::plan::{SourcePlan, StoredColumn};

use crate::error::BatchError;
use crate::session::Session;
use crate::tables::{Format, Stored, Table};
use crate::text;

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
}

impl Conformer {
    /// For `columns` of `source`, read from `origin`.
    pub(crate) fn new(source: Arc<SourcePlan>, columns: &[String], origin: String) -> Self {
        let stored = source.stored.iter().filter(|column| columns.contains(&column.name)).cloned().collect();
        Self { source, columns: columns.to_vec(), stored, origin }
    }

    /// The batch as the source declares it.
    pub(crate) fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch, BatchError> {
        let batch = text::with_times(batch, &self.stored, &self.origin)?;
        Ok(conform_columns(&self.source, &batch, &self.columns, &self.origin)?)
    }

    /// The schema of conformed batches; fails as every batch of `found` would.
    pub(crate) fn check(&self, found: &SchemaRef) -> Result<SchemaRef, BatchError> {
        Ok(self.conform(&RecordBatch::new_empty(Arc::clone(found)))?.schema())
    }
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
    let conformer = Conformer::new(Arc::clone(source), columns, table.origin());
    let plan = read(session, table, Some(columns), &source.stored, order).await?;
    conformer.check(&plan.schema())?;
    Ok((plan, conformer))
}

/// A scan of the columns of a table as they are stored; `columns` that it lacks are left out.
///
/// `declared` columns of text files are read by their types; others by what they look like.
pub(crate) async fn read(
    session: &Session,
    table: &Table,
    columns: Option<&[String]>,
    declared: &[StoredColumn],
    order: Order,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let context = match order {
        Order::Any => session.parallel(),
        Order::File => session.ordered(),
    };
    match &table.rows {
        Stored::Files { files, format, .. } => {
            let paths: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            let frame = match format {
                Format::Parquet => parquet(context, paths).await?,
                Format::Csv => csv(context, paths, declared).await?,
                Format::Json => json(context, paths, declared).await?,
            };
            let frame = match columns {
                Some(columns) => {
                    let there = frame.schema().as_arrow().clone();
                    let names: Vec<&str> = columns
                        .iter()
                        .map(String::as_str)
                        .filter(|name| there.index_of(name).is_ok())
                        .collect();
                    // A scan of no columns at all would lose the rows; the message names what lacks.
                    if names.is_empty() { frame } else { frame.select_columns(&names)? }
                }
                None => frame,
            };
            Ok(frame.create_physical_plan().await?)
        }
        Stored::Batches { schema, batches } => {
            let projection = columns.map(|columns| {
                let places: Vec<usize> =
                    columns.iter().filter_map(|name| schema.index_of(name).ok()).collect();
                places
            });
            let projection = projection.filter(|places| !places.is_empty());
            let partitions = partitions(batches, order, session.cores());
            Ok(MemorySourceConfig::try_new_exec(&partitions, Arc::clone(schema), projection)?)
        }
    }
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

async fn parquet(context: &SessionContext, paths: Vec<String>) -> Result<DataFrame, BatchError> {
    let options = ParquetReadOptions { file_extension: "", ..ParquetReadOptions::default() };
    Ok(context.read_parquet(paths, options).await?)
}

async fn csv(
    context: &SessionContext,
    paths: Vec<String>,
    declared: &[StoredColumn],
) -> Result<DataFrame, BatchError> {
    let options =
        CsvReadOptions { file_extension: "", schema_infer_max_records: usize::MAX, ..CsvReadOptions::new() };
    // What is declared needs no look at the values, only at the header.
    let header = CsvReadOptions { schema_infer_max_records: 0, ..options.clone() };
    let found = context.read_csv(paths.clone(), header).await?.schema().as_arrow().clone();
    let known = |field: &Arc<Field>| declared.iter().any(|column| &column.name == field.name());
    let found = if found.fields().iter().all(known) {
        found
    } else {
        context.read_csv(paths.clone(), options.clone()).await?.schema().as_arrow().clone()
    };
    let schema = by_declaration(&found, declared);
    Ok(context.read_csv(paths, CsvReadOptions { schema: Some(&schema), ..options }).await?)
}

async fn json(
    context: &SessionContext,
    paths: Vec<String>,
    declared: &[StoredColumn],
) -> Result<DataFrame, BatchError> {
    let options = JsonReadOptions {
        file_extension: "",
        schema_infer_max_records: usize::MAX,
        ..JsonReadOptions::default()
    };
    let found = if declared.is_empty() {
        context.read_json(paths.clone(), options.clone()).await?.schema().as_arrow().clone()
    } else {
        // A field that no line has is null, not missing: JSON leaves nulls out.
        Schema::new(
            declared.iter().map(|column| Field::new(&column.name, DataType::Null, true)).collect::<Vec<_>>(),
        )
    };
    let schema = by_declaration(&found, declared);
    Ok(context.read_json(paths, JsonReadOptions { schema: Some(&schema), ..options }).await?)
}

/// The fields of a text file, those that are declared by their declared types.
fn by_declaration(found: &Schema, declared: &[StoredColumn]) -> Schema {
    let field = |field: &Arc<Field>| match declared.iter().find(|column| &column.name == field.name()) {
        Some(column) => Field::new(field.name(), text::read_as(&column.slot.ty), true),
        None => field.as_ref().clone().with_nullable(true),
    };
    Schema::new(found.fields().iter().map(field).collect::<Vec<_>>())
}
