//! `PointInTimeExec`: questions meet rows, key by key, in the order of time.
//!
//! All inputs are partitioned by the key's hash and sorted by [place](crate::place): a row's is the
//! instant from which it is visible, a question's is its `t`, so `row place <= question place` within
//! a key *is* visibility (known by `t`, strictly before `t`). One pass, one key's windows in memory.
//! Groups that are asked by the same key are answered in one pass, so that questions and answers are
//! sorted once for all of them.

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
use futures::StreamExt;

use crate::desk::{Cursor, Desk, Join};
use crate::error::BatchError;
use crate::place;

/// The operator. Inputs: each group's packed rows ([`Packing::schema`]), then questions ([`questions`]).
/// Output ([`answers`]): one row per question, in any order.
#[derive(Debug)]
pub(crate) struct PointInTimeExec {
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    joins: Vec<Join>,
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

/// The schema of answers: the spine's row number, then one column `~0`, `~1`, … per output of the
/// groups, all nullable.
fn answers(joins: &[Join]) -> SchemaRef {
    let mut fields = vec![Field::new("row", DataType::Int64, false)];
    let outputs = joins.iter().flat_map(|join| join.outputs.iter()).enumerate();
    fields.extend(outputs.map(|(at, slot)| Field::new(format!("~{at}"), slot.ty.arrow(), true)));
    Arc::new(Schema::new(fields))
}

impl PointInTimeExec {
    /// Answers `questions` from the rows of groups, all partitioned and sorted alike.
    pub(crate) fn new(
        groups: impl IntoIterator<Item = (Arc<dyn ExecutionPlan>, Join)>,
        questions: Arc<dyn ExecutionPlan>,
    ) -> Self {
        let properties = (
            questions.output_partitioning().partition_count(),
            questions.pipeline_behavior(),
            questions.boundedness(),
        );
        let (mut inputs, joins): (Vec<_>, Vec<_>) = groups.into_iter().unzip();
        inputs.push(questions);
        let (partitions, pipeline, boundedness) = properties;
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(answers(&joins)),
            Partitioning::UnknownPartitioning(partitions),
            pipeline,
            boundedness,
        ));
        Self { inputs, joins, properties }
    }
}

impl DisplayAs for PointInTimeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<String> = self.joins.iter().map(Join::to_string).collect();
        write!(f, "PointInTimeExec: {}", groups.join("; "))
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
        self.inputs.iter().collect()
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
        let questions = children.split_off(self.joins.len()).swap_remove(0);
        Ok(Arc::new(Self::new(children.into_iter().zip(self.joins.iter().cloned()), questions)))
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
        let (questions, rows) = self.inputs.split_last().expect("invariant: questions are the last input");
        let questions = questions.execute(partition, Arc::clone(&context))?;
        let groups = rows.iter().zip(&self.joins).map(|(rows, join)| {
            let rows = rows.execute(partition, Arc::clone(&context))?;
            Ok((Cursor::new(rows), Desk::new(join.clone())))
        });
        let groups = groups.collect::<EngineResult<_>>()?;
        let merge = Merge { groups, questions, schema: self.schema() };
        let stream = futures::stream::try_unfold(merge, |mut merge| async move {
            Ok(merge.next().await?.map(|batch| (batch, merge)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream)))
    }
}

/// One partition's merge of rows and questions.
struct Merge {
    groups: Vec<(Cursor, Desk)>,
    questions: SendableRecordBatchStream,
    schema: SchemaRef,
}

impl Merge {
    /// The answers to the next batch of questions.
    async fn next(&mut self) -> Result<Option<RecordBatch>, BatchError> {
        let Some(batch) = self.questions.next().await else { return Ok(None) };
        let batch = batch?;
        let places = batch.column(0).as_primitive::<Decimal128Type>().values();
        let keys = batch.column(2).as_binary::<i32>();
        let mut columns = vec![Arc::clone(batch.column(1))];
        for (rows, desk) in &mut self.groups {
            for (at, &question) in places.iter().enumerate() {
                desk.turn_to(place::hash(question));
                // Every row that is visible by now, and those of keys that nobody asks for.
                while rows.peek(desk).await?.is_some_and(|row| row <= question) {
                    rows.take(desk, question);
                }
                desk.answer(keys.value(at), place::time(question));
            }
            rows.settle(desk);
            columns.extend(desk.columns()?);
        }
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }
}
