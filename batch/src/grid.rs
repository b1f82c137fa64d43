//! `GridExec`: the values of every known entity at each instant of a grid.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as EngineResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    Partitioning, PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};
use feat_kernel::time::{Instant, Micros};

use crate::desk::{Cursor, Desk, Join};
use crate::error::BatchError;
use crate::place;

/// Instants at equal distances, `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The first instant.
    pub from: Instant,
    /// The first instant after the last.
    pub to: Instant,
    /// The distance; positive.
    pub every: Micros,
}

impl Grid {
    /// The first instant of the grid that is not before `t`; `None` if there is none.
    fn at_or_after(self, t: Instant) -> Option<Instant> {
        let steps = t.since(self.from).0.max(0);
        // Rounds up without overflow at the ends of time.
        let steps = steps / self.every.0 + i64::from(steps % self.every.0 != 0);
        let at = self.from.plus(Micros(steps.saturating_mul(self.every.0)));
        (at < self.to).then_some(at)
    }
}

/// Rows of output in a batch, about.
const OUTPUT_ROWS: usize = 8192;

/// The operator. Input: packed rows with their keys, partitioned and sorted by place.
#[derive(Debug)]
pub(crate) struct GridExec {
    rows: Arc<dyn ExecutionPlan>,
    join: Join,
    grid: Grid,
    properties: Arc<PlanProperties>,
}

/// The schema of the output: the key's bytes, the instant, one nullable column per output.
fn schema(join: &Join) -> SchemaRef {
    let mut fields =
        vec![Field::new("key", DataType::Binary, false), Field::new("at", DataType::Int64, false)];
    let outputs = join.outputs.iter().enumerate();
    fields.extend(outputs.map(|(at, slot)| Field::new(format!("~{at}"), slot.ty.arrow(), true)));
    Arc::new(Schema::new(fields))
}

impl GridExec {
    /// The values of every key of `rows` at each instant of `grid` from its first visible row on.
    pub(crate) fn new(rows: Arc<dyn ExecutionPlan>, join: Join, grid: Grid) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema(&join)),
            Partitioning::UnknownPartitioning(rows.output_partitioning().partition_count()),
            rows.pipeline_behavior(),
            rows.boundedness(),
        ));
        Self { rows, join, grid, properties }
    }
}

impl DisplayAs for GridExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Grid { from, to, every } = self.grid;
        write!(f, "GridExec: {}, from={from}, to={to}, every={every}", self.join)
    }
}

impl ExecutionPlan for GridExec {
    fn name(&self) -> &'static str {
        "GridExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.rows]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> EngineResult<TreeNodeRecursion>,
    ) -> EngineResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(children.swap_remove(0), self.join.clone(), self.grid)))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> EngineResult<SendableRecordBatchStream> {
        let walk = Walk {
            rows: Cursor::new(self.rows.execute(partition, context)?),
            desk: Desk::new(self.join.clone()),
            grid: self.grid,
            schema: self.schema(),
            next: None,
        };
        let stream = futures::stream::try_unfold(walk, |mut walk| async move {
            Ok(walk.next().await?.map(|batch| (batch, walk)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream)))
    }
}

/// One partition's walk over keys and instants.
struct Walk {
    rows: Cursor,
    desk: Desk,
    grid: Grid,
    schema: SchemaRef,
    /// The hash at hand and the next instant to answer for it.
    next: Option<(i64, Instant)>,
}

impl Walk {
    async fn next(&mut self) -> Result<Option<RecordBatch>, BatchError> {
        let (mut keys, mut instants) = (BinaryBuilder::new(), Vec::new());
        loop {
            let row = self.rows.peek(&mut self.desk).await?;
            // What to do before the next row is taken: questions that it is not visible to.
            if let Some((hash, at)) = self.next {
                let question = place::place(hash, at);
                if row.is_none_or(|row| row > question) {
                    self.desk.answer_all(at, |key| {
                        keys.append_value(key);
                        instants.push(at.0);
                    });
                    self.next = self.grid.at_or_after(at.next()).map(|at| (hash, at));
                    if instants.len() >= OUTPUT_ROWS {
                        break;
                    }
                    continue;
                }
            }
            let Some(row) = row else { break };
            let hash = place::hash(row);
            if self.next.is_none_or(|(at_hand, _)| at_hand != hash) {
                self.desk.turn_to(hash);
                // Nothing is known of the key before its first row is visible.
                self.next = self.grid.at_or_after(place::time(row)).map(|at| (hash, at));
            }
            match self.next {
                Some((_, at)) => self.rows.take(&mut self.desk, place::place(hash, at)),
                // After the grid's end nothing asks for the key: its rows are passed.
                None => self.rows.skip(place::place(hash, Instant::MAX)),
            }
        }
        if instants.is_empty() {
            return Ok(None);
        }
        self.rows.settle(&mut self.desk);
        let mut columns: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(Int64Array::from(instants))];
        columns.extend(self.desk.columns()?);
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }
}
