//! `MapExec`: an operator that turns each batch into another, partition by partition.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
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

use crate::error::BatchError;

/// What one partition does with its batches, in their order.
pub(crate) type Mapper = Box<dyn FnMut(&RecordBatch) -> Result<RecordBatch, BatchError> + Send>;

/// One batch in, one batch out.
pub(crate) struct MapExec {
    name: &'static str,
    /// What `explain` says after the name.
    detail: String,
    input: Arc<dyn ExecutionPlan>,
    start: Arc<dyn Fn() -> Mapper + Send + Sync>,
    /// What an error of the input or of the mapper says instead.
    blame: Option<Blame>,
    properties: Arc<PlanProperties>,
}

/// Turns an error into one that names the place.
pub(crate) type Blame = Arc<dyn Fn(BatchError) -> BatchError + Send + Sync>;

impl MapExec {
    /// An operator `name` over `input` that gives batches of `schema`; each partition starts with a
    /// [`Mapper`] of its own.
    pub(crate) fn new(
        name: &'static str,
        detail: String,
        input: Arc<dyn ExecutionPlan>,
        schema: SchemaRef,
        start: Arc<dyn Fn() -> Mapper + Send + Sync>,
    ) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            input.pipeline_behavior(),
            input.boundedness(),
        ));
        Self { name, detail, input, start, blame: None, properties }
    }

    /// The same, its errors told by `blame`.
    pub(crate) fn blaming(self, blame: Blame) -> Self {
        Self { blame: Some(blame), ..self }
    }
}

impl fmt::Debug for MapExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.name).field("input", &self.input).finish_non_exhaustive()
    }
}

impl DisplayAs for MapExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.detail)
    }
}

impl ExecutionPlan for MapExec {
    fn name(&self) -> &'static str {
        self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
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
        let input = children.swap_remove(0);
        let map = Self::new(self.name, self.detail.clone(), input, self.schema(), Arc::clone(&self.start));
        Ok(Arc::new(Self { blame: self.blame.clone(), ..map }))
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
        let mut map = (self.start)();
        let blame = self.blame.clone();
        let told = move |error| match &blame {
            Some(blame) => blame(error),
            None => error,
        };
        let mapped = self.input.execute(partition, context)?.map(move |batch| {
            let mapped = batch.map_err(BatchError::from).and_then(|batch| map(&batch));
            Ok(mapped.map_err(&told)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), mapped)))
    }
}
