//! `PointInTimeExec`: questions meet rows, key by key, in the order of time.
//!
//! All inputs are partitioned by the key's hash and sorted by [place](crate::place): a row's is the
//! instant from which it is visible, a question's is its `t`, so `row place <= question place` within
//! a key *is* visibility (known by `t`, strictly before `t`). One pass, one key's windows in memory.
//! Groups that are asked by the same key are answered in one pass, so that questions and answers are
//! sorted once for all of them.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use feat_kernel::view::View;
use futures::StreamExt;

use crate::desk::{Cursor, Desk, Join};
use crate::error::BatchError;
use crate::operator::{Operator, Steps, Work, outputs, stream};
use crate::place;

/// The operator. Inputs: each group's packed rows ([`Packing::schema`]), then questions ([`questions`]).
/// Output ([`answers`]): one row per question, in any order.
pub(crate) type PointInTimeExec = Operator<PointInTime>;

/// What a [`PointInTimeExec`] does.
pub(crate) struct PointInTime {
    joins: Vec<Join>,
    schema: SchemaRef,
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
    fields.extend(outputs(joins.iter().flat_map(|join| join.outputs.iter())));
    Arc::new(Schema::new(fields))
}

impl PointInTimeExec {
    /// Answers `questions` from the rows of groups, all partitioned and sorted alike.
    pub(crate) fn new(
        groups: impl IntoIterator<Item = (Arc<dyn ExecutionPlan>, Join)>,
        questions: Arc<dyn ExecutionPlan>,
    ) -> Self {
        let (mut inputs, joins): (Vec<_>, Vec<_>) = groups.into_iter().unzip();
        inputs.push(questions);
        let schema = answers(&joins);
        Self::over(Arc::new(PointInTime { joins, schema }), inputs)
    }
}

impl PointInTime {
    /// What it reads of the rows of each group.
    pub(crate) fn views(&self) -> impl Iterator<Item = &Arc<View>> {
        self.joins.iter().map(|join| &join.packing.view)
    }
}

impl Work for PointInTime {
    fn name(&self) -> &'static str {
        "PointInTimeExec"
    }

    fn detail(&self) -> String {
        let groups: Vec<String> = self.joins.iter().map(Join::to_string).collect();
        groups.join("; ")
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn start(&self, mut inputs: Vec<SendableRecordBatchStream>) -> SendableRecordBatchStream {
        let questions = inputs.pop().expect("invariant: questions are the last input");
        let groups = inputs.into_iter().zip(&self.joins);
        let groups = groups.map(|(rows, join)| (Cursor::new(rows), Desk::new(join.clone()))).collect();
        stream(self.schema(), Merge { groups, questions, schema: self.schema() })
    }
}

/// One partition's merge of rows and questions.
struct Merge {
    groups: Vec<(Cursor, Desk)>,
    questions: SendableRecordBatchStream,
    schema: SchemaRef,
}

impl Steps for Merge {
    /// The answers to the next batch of questions.
    async fn next(&mut self) -> Result<Option<RecordBatch>, BatchError> {
        let Some(batch) = self.questions.next().await else { return Ok(None) };
        let batch = batch?;
        let places = batch.column(0).as_primitive::<Decimal128Type>().values();
        let keys = batch.column(2).as_binary::<i32>();
        let mut columns = vec![Arc::clone(batch.column(1))];
        for (rows, desk) in &mut self.groups {
            for (at, &question) in places.iter().enumerate() {
                desk.turn_to(place::hash(question), rows);
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
