//! `PointInTimeExec`: questions meet rows, key by key, in the order of time.
//!
//! Both inputs are partitioned by the key's hash and sorted by [place](crate::place): a row's is the
//! instant from which it is visible, a question's is its `t`, so `row place <= question place` within
//! a key *is* visibility (known by `t`, strictly before `t`). One pass, one key's windows in memory.

use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as EngineResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    Partitioning, PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};
use feat_kernel::types::Slot;
use futures::StreamExt;

use crate::desk::{Answers, Cursor, Desk, Join};
use crate::error::BatchError;
use crate::place;

/// The operator. Inputs: packed rows ([`Packing::schema`]) and questions ([`questions`]).
/// Output ([`answers`]): one row per question, in any order.
#[derive(Debug)]
pub(crate) struct PointInTimeExec {
    rows: Arc<dyn ExecutionPlan>,
    questions: Arc<dyn ExecutionPlan>,
    join: Join,
    properties: Arc<PlanProperties>,
}

/// The schema of questions: place, hash, the spine's row number, the key's bytes.
pub(crate) fn questions() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("place", place::PLACE, false),
        Field::new("hash", DataType::Int64, false),
        Field::new("row", DataType::Int64, false),
        Field::new("key", DataType::Binary, false),
    ]))
}

/// The schema of answers: the spine's row number, then one column `~0`, `~1`, … per output, all
/// nullable.
pub(crate) fn answers(outputs: &[Slot]) -> SchemaRef {
    let mut fields = vec![Field::new("row", DataType::Int64, false)];
    fields.extend(
        outputs.iter().enumerate().map(|(at, slot)| Field::new(format!("~{at}"), slot.ty.arrow(), true)),
    );
    Arc::new(Schema::new(fields))
}

impl PointInTimeExec {
    /// Answers `questions` from `rows`, which are partitioned and sorted alike.
    pub(crate) fn new(rows: Arc<dyn ExecutionPlan>, questions: Arc<dyn ExecutionPlan>, join: Join) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(answers(&join.outputs)),
            Partitioning::UnknownPartitioning(questions.output_partitioning().partition_count()),
            questions.pipeline_behavior(),
            questions.boundedness(),
        ));
        Self { rows, questions, join, properties }
    }
}

impl DisplayAs for PointInTimeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PointInTimeExec: {}", self.join)
    }
}

impl ExecutionPlan for PointInTimeExec {
    fn name(&self) -> &'static str {
        "PointInTimeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.rows, &self.questions]
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
        let rows = children.swap_remove(0);
        Ok(Arc::new(Self::new(rows, children.swap_remove(0), self.join.clone())))
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
        let rows = self.rows.execute(partition, Arc::clone(&context))?;
        let questions = self.questions.execute(partition, context)?;
        let merge = Merge {
            rows: Cursor::new(rows),
            questions,
            desk: Desk::new(self.join.clone()),
            schema: self.schema(),
        };
        let stream = futures::stream::try_unfold(merge, |mut merge| async move {
            Ok(merge.next().await?.map(|batch| (batch, merge)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream)))
    }
}

/// One partition's merge of rows and questions.
struct Merge {
    rows: Cursor,
    questions: SendableRecordBatchStream,
    desk: Desk,
    schema: SchemaRef,
}

impl Merge {
    /// The answers to the next batch of questions.
    async fn next(&mut self) -> Result<Option<RecordBatch>, BatchError> {
        let Some(batch) = self.questions.next().await else { return Ok(None) };
        let batch = batch?;
        let places = batch.column(0).as_primitive::<Decimal128Type>();
        let keys = batch.column(3).as_binary::<i32>();
        let mut answers = Answers::new(&self.desk.join().outputs, batch.num_rows());
        for at in 0..batch.num_rows() {
            let question = places.value(at);
            self.desk.turn_to(place::hash(question));
            // Every row that is visible by now, and those of keys that nobody asks for.
            while self.rows.peek(&self.desk.join().packing).await?.is_some_and(|row| row <= question) {
                self.rows.take(&mut self.desk, question);
            }
            self.desk.answer(keys.value(at), place::time(question), &mut answers);
        }
        let outputs = Arc::clone(&self.desk.join().outputs);
        Ok(Some(answers.batch(vec![Arc::clone(batch.column(2))], &outputs, &self.schema)?))
    }
}
