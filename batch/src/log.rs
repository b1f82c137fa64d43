//! A file as a log: its rows in the order in which they became known.
//!
//! The offset of a row is its place in this order. Streaming replays a file in it and a training set
//! of a prefix of a log reads it, so both mean the same rows by "the first n".

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema, SchemaRef};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use feat_compiler::plan::SourcePlan;
use feat_kernel::column;
use feat_kernel::time::Instant;
use futures::{Stream, StreamExt, TryStreamExt};

use crate::error::BatchError;
use crate::map::{MapExec, Mapper};
use crate::place;
use crate::scan::{Conformer, KNOWN, Order, scan};
use crate::session::Session;
use crate::tables::Tables;

/// Consecutive rows of a log.
#[derive(Clone, Debug)]
pub struct LogBatch {
    /// The stored columns of the source, conformed.
    pub batch: RecordBatch,
    /// When each row became known, never decreasing; [`Instant::MIN`] for unreadable rows before
    /// the first readable one.
    pub known: Int64Array,
    /// The offset of the first row.
    pub first_offset: u64,
}

/// The name of the column that carries `known` and the place in the file through the sort.
const PLACE: &str = "~place";

/// Reads a source's table as a log: by declared known, rows of one instant in the order of the file; an
/// archive as the log that it was. A row whose known cannot be told stands behind its predecessor in the
/// file, with its instant.
///
/// Cost: the columns that `known` is made of are read once more, to see whether the file is in order
/// already, as files of events mostly are; if not, it is sorted, spilling under the session's limit.
/// Errors: what the file holds is not what the source declares.
pub async fn read_log(
    session: &Session,
    source: &Arc<SourcePlan>,
    tables: &Tables,
) -> Result<impl Stream<Item = Result<LogBatch, BatchError>> + Send + use<>, BatchError> {
    let table = tables.get(source)?;
    let columns: Vec<String> = source.stored.iter().map(|column| column.name.clone()).collect();
    let sorted = in_order(session, source, tables).await?;
    let (plan, conformer) = scan(session, source, &table, &columns, Order::File).await?;
    let schema = conformer.check(&plan.schema())?;
    let mut plan: Arc<dyn ExecutionPlan> = Arc::new(placed(source, plan, &conformer, &schema));
    if !sorted {
        plan = Arc::new(SortExec::new(by_place(&plan.schema())?, plan));
    }
    let stream = execute_stream(plan, session.task())?;
    let mut left = table.prefix.unwrap_or(u64::MAX);
    let mut offset = 0;
    let progress = Arc::clone(session.progress());
    Ok(stream
        .map(move |batch| {
            let batch = batch?;
            let rows = left.min(batch.num_rows() as u64) as usize;
            let batch = batch.slice(0, rows);
            left -= rows as u64;
            progress.add_read(rows);
            let places = batch.column(0).as_primitive::<Decimal128Type>();
            // The upper half of a place here is the instant itself.
            let known = places.values().iter().map(|&place| place::hash(place)).collect::<Vec<_>>();
            let columns: Vec<usize> = (1..batch.num_columns()).collect();
            let first_offset = offset;
            offset += rows as u64;
            Ok(LogBatch { batch: batch.project(&columns)?, known: known.into(), first_offset })
        })
        .try_filter(|batch: &LogBatch| futures::future::ready(batch.batch.num_rows() > 0)))
}

/// The greatest instant at which a row of the source's table became known; `None` without rows.
pub(crate) async fn last_known(
    session: &Session,
    source: &Arc<SourcePlan>,
    tables: &Tables,
) -> Result<Option<Instant>, BatchError> {
    let table = tables.get(source)?;
    if table.prefix.is_some() {
        let mut log = Box::pin(read_log(session, source, tables).await?);
        let mut last = None;
        while let Some(batch) = log.try_next().await? {
            last = last.max(arrow::compute::max(&batch.known).map(Instant));
        }
        return Ok(last);
    }
    let mut last = None;
    let mut knowns = knowns(session, source, tables, Order::Any).await?;
    while let Some(known) = knowns.next().await {
        last = last.max(arrow::compute::max(&known?).map(Instant));
    }
    Ok(last)
}

/// Whether the rows of the file never become known earlier than those before them.
async fn in_order(session: &Session, source: &Arc<SourcePlan>, tables: &Tables) -> Result<bool, BatchError> {
    if tables.get(source)?.is_archive() {
        return Ok(true);
    }
    let mut last = i64::MIN;
    let mut knowns = knowns(session, source, tables, Order::File).await?;
    while let Some(known) = knowns.next().await {
        for known in known?.iter().flatten() {
            if known < last {
                return Ok(false);
            }
            last = known;
        }
    }
    Ok(true)
}

/// The declared known of every row, null where it cannot be told, or what the archive tells; nothing for a
/// source without time.
async fn knowns(
    session: &Session,
    source: &Arc<SourcePlan>,
    tables: &Tables,
    order: Order,
) -> Result<impl Stream<Item = Result<Int64Array, BatchError>> + use<>, BatchError> {
    let table = tables.get(source)?;
    let Some(known) = source.known.clone() else { return Ok(futures::stream::empty().boxed()) };
    let columns: Vec<String> = known.inputs().map(str::to_owned).collect();
    let (plan, conformer) = scan(session, source, &table, &columns, order).await?;
    let stream = execute_stream(plan, session.task())?;
    Ok(stream
        .map(move |batch| {
            let batch = batch?;
            match batch.column_by_name(KNOWN) {
                Some(told) => Ok(told.as_primitive::<Int64Type>().clone()),
                None => Ok(column::int64(&known.evaluate(&conformer.conform(&batch)?).columns[0])),
            }
        })
        .boxed())
}

/// Puts the place in the log before the columns of each row: known above, place in the file below.
fn placed(
    source: &Arc<SourcePlan>,
    input: Arc<dyn ExecutionPlan>,
    conformer: &Conformer,
    schema: &SchemaRef,
) -> MapExec {
    let mut fields = vec![Arc::new(Field::new(PLACE, place::PLACE, false))];
    fields.extend(schema.fields().iter().cloned());
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let (source, conformer, out) = (Arc::clone(source), conformer.clone(), Arc::clone(&schema));
    let detail = format!("source={}", source.name);
    let start = move || {
        let (source, conformer, out) = (Arc::clone(&source), conformer.clone(), Arc::clone(&out));
        let (mut last, mut row) = (i64::MIN, 0i64);
        let map: Mapper = Box::new(move |batch| {
            let told = batch.column_by_name(KNOWN).map(|known| known.as_primitive::<Int64Type>().clone());
            let batch = conformer.conform(batch)?;
            let declared =
                || source.known.as_ref().map(|known| column::int64(&known.evaluate(&batch).columns[0]));
            let known = told.or_else(declared);
            let places: Vec<i128> = (0..batch.num_rows())
                .map(|at| {
                    if let Some(known) = known.as_ref().filter(|known| known.is_valid(at)) {
                        last = known.value(at);
                    }
                    row += 1;
                    place::place(last, Instant(row))
                })
                .collect();
            let mut columns: Vec<ArrayRef> = vec![place::column(places)];
            columns.extend(batch.columns().iter().cloned());
            Ok(RecordBatch::try_new(Arc::clone(&out), columns)?)
        });
        map
    };
    MapExec::new("LogExec", detail, input, schema, Arc::new(start))
}

/// An ordering by the first column, ascending.
pub(crate) fn by_place(schema: &SchemaRef) -> Result<LexOrdering, BatchError> {
    let sort = PhysicalSortExpr::new_default(col(schema.field(0).name(), schema)?);
    LexOrdering::new([sort]).ok_or_else(|| BatchError::Request("an ordering names a column".to_owned()))
}

/// The first rows of a log as an operator's input: the stored columns, conformed, and [`KNOWN`].
#[derive(Clone)]
pub(crate) struct LogPrefix {
    session: Session,
    source: Arc<SourcePlan>,
    tables: Tables,
    schema: SchemaRef,
}

impl LogPrefix {
    /// Of the table of `source`, which says how many rows.
    pub(crate) fn new(session: &Session, source: &Arc<SourcePlan>, tables: &Tables) -> Self {
        let mut fields = source.schema.fields().to_vec();
        fields.push(Arc::new(Field::new(KNOWN, DataType::Int64, false)));
        Self {
            session: session.clone(),
            source: Arc::clone(source),
            tables: tables.clone(),
            schema: Arc::new(Schema::new(fields)),
        }
    }
}

impl std::fmt::Debug for LogPrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogPrefix").field("source", &self.source.name).finish_non_exhaustive()
    }
}

impl PartitionStream for LogPrefix {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let Self { session, source, tables, schema } = self.clone();
        let out = Arc::clone(&schema);
        let stream = futures::stream::once(async move { read_log(&session, &source, &tables).await })
            .try_flatten()
            .map(move |log: Result<LogBatch, BatchError>| {
                let log = log?;
                let mut columns = log.batch.columns().to_vec();
                columns.push(Arc::new(log.known));
                Ok(RecordBatch::try_new(Arc::clone(&out), columns)?)
            });
        Box::pin(RecordBatchStreamAdapter::new(schema, stream))
    }
}
