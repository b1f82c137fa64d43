//! `GridExec`: the values of every known entity at each instant of a grid.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use feat_kernel::time::{Instant, Micros};

use crate::desk::{Cursor, Desk, Join};
use crate::error::BatchError;
use crate::operator::{Operator, Steps, Work, outputs, stream};
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
pub(crate) type GridExec = Operator<Gridding>;

/// What a [`GridExec`] does.
pub(crate) struct Gridding {
    join: Join,
    grid: Grid,
    schema: SchemaRef,
}

/// The schema of the output: the key's bytes, the instant, one nullable column per output.
fn schema(join: &Join) -> SchemaRef {
    let mut fields =
        vec![Field::new("key", DataType::Binary, false), Field::new("at", DataType::Int64, false)];
    fields.extend(outputs(join.outputs.iter()));
    Arc::new(Schema::new(fields))
}

impl GridExec {
    /// The values of every key of `rows` at each instant of `grid` from its first visible row on.
    pub(crate) fn new(rows: Arc<dyn ExecutionPlan>, join: Join, grid: Grid) -> Self {
        let schema = schema(&join);
        Self::over(Arc::new(Gridding { join, grid, schema }), vec![rows])
    }
}

impl Work for Gridding {
    fn name(&self) -> &'static str {
        "GridExec"
    }

    fn detail(&self) -> String {
        let Grid { from, to, every } = self.grid;
        format!("{}, from={from}, to={to}, every={every}", self.join)
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn start(&self, mut inputs: Vec<SendableRecordBatchStream>) -> SendableRecordBatchStream {
        let walk = Walk {
            rows: Cursor::new(inputs.swap_remove(0)),
            desk: Desk::new(self.join.clone()),
            grid: self.grid,
            schema: self.schema(),
            next: None,
        };
        stream(self.schema(), walk)
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

impl Steps for Walk {
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
                self.desk.turn_to(hash, &self.rows);
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
