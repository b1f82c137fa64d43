//! A Delta table of a group's values: one meaning, one writer at a time, nothing left of a failed run.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::ident;
use datafusion::scalar::ScalarValue;
use deltalake::delta_datafusion::create_session;
use deltalake::protocol::SaveMode;
use deltalake::{DeltaTable, DeltaTableError};
use feat_compiler::plan::GroupPlan;
use feat_kernel::time::{Instant, Micros};
use futures::StreamExt;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use crate::delta_folder::DeltaFolder;
use crate::error::BatchError;
use crate::grid::Grid;
use crate::materialize::{day, schema};
use crate::session::Session;

/// What a table says of itself, in the description of its metadata.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    group: String,
    version: u32,
    meaning: String,
    columns: Vec<String>,
}

impl Contents {
    fn of(group: &GroupPlan) -> Self {
        let schema = schema(group);
        let columns = schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type()));
        Self {
            group: group.name.to_string(),
            version: group.version,
            meaning: group.meaning.to_string(),
            columns: columns.collect(),
        }
    }
}

/// A table that this run alone may write.
pub(crate) struct Offline {
    folder: DeltaFolder,
    table: DeltaTable,
    contents: Contents,
}

impl Offline {
    /// The table of `group` at `location`, new or from earlier runs.
    ///
    /// Errors: another run writes it; it holds values of another meaning or other columns.
    pub(crate) async fn open(group: &GroupPlan, location: String) -> Result<Self, BatchError> {
        let folder = DeltaFolder::hold(location)?;
        let table = folder.table().await?;
        let contents = Contents::of(group);
        if table.version().is_some() {
            let failed = |cause| BatchError::Delta { location: folder.location().to_owned(), cause };
            let metadata = table.snapshot().map_err(failed)?.metadata();
            let found = metadata.description().and_then(|text| serde_json::from_str::<Contents>(text).ok());
            if found.as_ref() != Some(&contents) {
                let what = match found {
                    Some(found) if found.meaning != contents.meaning => "values of another meaning",
                    Some(_) => "values with other columns",
                    None => "values whose meaning it does not tell",
                };
                return Err(folder.refused(format!(
                    "holds {what} than group `{}` version {} has now, and one table has one meaning: raise \
                     `version` of the group, or remove the folder",
                    group.name, group.version
                )));
            }
        }
        Ok(Self { folder, table, contents })
    }

    /// Writes the rows of `values` as the period of `grid`, in one commit; the table's new version.
    pub(crate) async fn write(
        self,
        session: &Session,
        values: Arc<dyn ExecutionPlan>,
        grid: Grid,
    ) -> Result<u64, BatchError> {
        let failure = Arc::new(Mutex::new(None));
        let rows = Values { session: session.clone(), plan: values, failure: Arc::clone(&failure) };
        let description =
            serde_json::to_string(&self.contents).expect("invariant: text and numbers are JSON");
        // Writers that are still at work when one of them fails end with a runtime of their own.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|cause| self.folder.refused(cause.to_string()))?;
        let written = runtime.spawn(commit(self.table.clone(), description, rows, grid)).await;
        let ended = tokio::task::spawn_blocking(move || drop(runtime)).await;
        let cause = match written {
            Ok(Ok(version)) => return Ok(version),
            Ok(Err(cause)) => Some(cause),
            Err(_) => None,
        };
        ended.map_err(|cause| self.folder.refused(cause.to_string()))?;
        self.folder.remove_what_is_new();
        // What stopped the rows says more than that they stopped.
        let ours = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(match (ours, cause) {
            (Some(ours), _) => ours,
            (None, Some(Failed::Delta(cause))) => {
                BatchError::Delta { location: self.folder.location().to_owned(), cause }
            }
            (None, Some(Failed::Engine(cause))) => BatchError::from(cause),
            (None, None) => self.folder.refused("could not be written: its writer stopped".to_owned()),
        })
    }
}

enum Failed {
    Delta(DeltaTableError),
    Engine(DataFusionError),
}

async fn commit(table: DeltaTable, description: String, rows: Values, grid: Grid) -> Result<u64, Failed> {
    let schema = Arc::clone(PartitionStream::schema(&rows));
    let provider = StreamingTable::try_new(schema, vec![Arc::new(rows)]).map_err(Failed::Engine)?;
    let input = LogicalPlanBuilder::scan("values", provider_as_source(Arc::new(provider)), None)
        .and_then(LogicalPlanBuilder::build)
        .map_err(Failed::Engine)?;
    let exists = table.version().is_some();
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writing = table
        .write(Vec::new())
        .with_input_plan(input)
        .with_session_state(Arc::new(create_session().state()))
        .with_writer_properties(properties)
        .with_save_mode(SaveMode::Overwrite);
    if exists {
        writing = writing.with_replace_where(period(grid));
    } else {
        writing = writing.with_partition_columns(["day"]).with_description(description);
    }
    let written = writing.await.map_err(Failed::Delta)?;
    Ok(written.version().unwrap_or_default())
}

/// The rows that a run over `grid` replaces.
fn period(grid: Grid) -> Expr {
    let instant = |at: Instant| lit(ScalarValue::TimestampMicrosecond(Some(at.0), Some("UTC".into())));
    let last = grid.to.minus(Micros(1));
    let days = ident("day").gt_eq(lit(day(grid.from))).and(ident("day").lt_eq(lit(day(last))));
    // Whole days are whole partitions: files are dropped without being read.
    if grid.from == grid.from.floor(Micros::DAY) && grid.to == grid.to.floor(Micros::DAY) {
        return days;
    }
    days.and(ident("at").gt_eq(instant(grid.from))).and(ident("at").lt(instant(grid.to)))
}

/// The rows of a plan as the input of another engine session.
#[derive(Debug)]
struct Values {
    session: Session,
    plan: Arc<dyn ExecutionPlan>,
    /// The first error of the plan: the other session would make text of it.
    failure: Arc<Mutex<Option<BatchError>>>,
}

impl PartitionStream for Values {
    fn schema(&self) -> &SchemaRef {
        datafusion::physical_plan::ExecutionPlanProperties::equivalence_properties(&self.plan).schema()
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let failure = Arc::clone(&self.failure);
        let keep = move |cause: DataFusionError| {
            let told = DataFusionError::Execution(cause.to_string());
            let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(BatchError::from(cause));
            told
        };
        let schema = self.plan.schema();
        match execute_stream(Arc::clone(&self.plan), self.session.task()) {
            Ok(rows) => {
                Box::pin(RecordBatchStreamAdapter::new(schema, rows.map(move |rows| rows.map_err(&keep))))
            }
            Err(cause) => {
                let failed = futures::future::ready(Err(keep(cause)));
                Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(failed)))
            }
        }
    }
}
