//! What the operators of this crate share as nodes of a plan: the engine sees one kind of node, and an
//! operator says only what its partitions do.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, SchemaRef};
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

use crate::error::BatchError;

/// What an operator does.
pub(crate) trait Work: Send + Sync + 'static {
    /// Its name in plans.
    fn name(&self) -> &'static str;

    /// What `explain` says after the name.
    fn detail(&self) -> String;

    /// The columns of its output.
    fn schema(&self) -> SchemaRef;

    /// The output of one partition from that partition of each input.
    fn start(&self, inputs: Vec<SendableRecordBatchStream>) -> SendableRecordBatchStream;
}

/// An operator over its inputs, with as many partitions as the last of them has.
pub(crate) struct Operator<W> {
    work: Arc<W>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    properties: Arc<PlanProperties>,
}

impl<W: Work> Operator<W> {
    /// `work` over `inputs`, of which there is at least one; all are partitioned alike.
    pub(crate) fn over(work: Arc<W>, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Self {
        let last = inputs.last().expect("invariant: an operator has an input");
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(work.schema()),
            Partitioning::UnknownPartitioning(last.output_partitioning().partition_count()),
            last.pipeline_behavior(),
            last.boundedness(),
        ));
        Self { work, inputs, properties }
    }

    /// What it does.
    pub(crate) fn work(&self) -> &W {
        &self.work
    }
}

impl<W: Work> fmt::Debug for Operator<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.work.name()).field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

impl<W: Work> DisplayAs for Operator<W> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.work.name(), self.work.detail())
    }
}

impl<W: Work> ExecutionPlan for Operator<W> {
    fn name(&self) -> &'static str {
        self.work.name()
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
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::over(Arc::clone(&self.work), children)))
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
        let inputs = self.inputs.iter().map(|input| input.execute(partition, Arc::clone(&context)));
        Ok(self.work.start(inputs.collect::<EngineResult<_>>()?))
    }
}

/// A partition's work that gives one batch after the other.
pub(crate) trait Steps: Send + 'static {
    /// The next batch; none at the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<RecordBatch>, BatchError>> + Send;
}

/// The batches of `state` as a stream.
pub(crate) fn stream(schema: SchemaRef, state: impl Steps) -> SendableRecordBatchStream {
    let batches = futures::stream::try_unfold(state, |mut state| async move {
        Ok(state.next().await?.map(|batch| (batch, state)))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

/// The columns of outputs in answers: `~0`, `~1`, …, all nullable.
pub(crate) fn outputs<'a>(slots: impl Iterator<Item = &'a Slot>) -> impl Iterator<Item = Field> {
    slots.enumerate().map(|(at, slot)| Field::new(format!("~{at}"), slot.ty.arrow(), true))
}
