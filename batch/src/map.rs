//! `MapExec`: an operator that turns each batch into another, partition by partition.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use feat_compiler::plan::GroupPlan;
use futures::StreamExt;

use crate::error::BatchError;
use crate::operator::{Operator, Work};

/// What one partition does with its batches, in their order.
pub(crate) type Mapper = Box<dyn FnMut(&RecordBatch) -> Result<RecordBatch, BatchError> + Send>;

/// Turns an error into one that names the place.
pub(crate) type Blame = Arc<dyn Fn(BatchError) -> BatchError + Send + Sync>;

/// One batch in, one batch out.
pub(crate) type MapExec = Operator<Map>;

/// What a [`MapExec`] does.
pub(crate) struct Map {
    name: &'static str,
    detail: String,
    schema: SchemaRef,
    start: Arc<dyn Fn() -> Mapper + Send + Sync>,
    /// What an error of the input or of the mapper says instead.
    blame: Option<Blame>,
    /// The group whose rows it makes of a source's.
    prepares: Option<Arc<GroupPlan>>,
}

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
        Self::over(Arc::new(Map { name, detail, schema, start, blame: None, prepares: None }), vec![input])
    }

    /// The same, the errors of the input and of the mapper told by `blame`.
    pub(crate) fn blaming(
        name: &'static str,
        detail: String,
        input: Arc<dyn ExecutionPlan>,
        schema: SchemaRef,
        start: Arc<dyn Fn() -> Mapper + Send + Sync>,
        blame: Blame,
    ) -> Self {
        let map = Map { name, detail, schema, start, blame: Some(blame), prepares: None };
        Self::over(Arc::new(map), vec![input])
    }

    /// An operator that makes the rows of `group` of those of its source.
    pub(crate) fn preparing(
        group: Arc<GroupPlan>,
        input: Arc<dyn ExecutionPlan>,
        schema: SchemaRef,
        start: Arc<dyn Fn() -> Mapper + Send + Sync>,
    ) -> Self {
        let detail = format!("group={}, source={}", group.name, group.source.name);
        let map = Map { name: "PrepareExec", detail, schema, start, blame: None, prepares: Some(group) };
        Self::over(Arc::new(map), vec![input])
    }
}

impl Map {
    /// The group whose rows it makes, if it prepares rows.
    pub(crate) fn prepares(&self) -> Option<&Arc<GroupPlan>> {
        self.prepares.as_ref()
    }
}

impl Work for Map {
    fn name(&self) -> &'static str {
        self.name
    }

    fn detail(&self) -> String {
        self.detail.clone()
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn start(&self, mut inputs: Vec<SendableRecordBatchStream>) -> SendableRecordBatchStream {
        let mut map = (self.start)();
        let blame = self.blame.clone();
        let told = move |error| match &blame {
            Some(blame) => blame(error),
            None => error,
        };
        let mapped = inputs.swap_remove(0).map(move |batch| {
            let mapped = batch.map_err(BatchError::from).and_then(|batch| map(&batch));
            Ok(mapped.map_err(&told)?)
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema(), mapped))
    }
}
