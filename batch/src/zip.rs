//! The columns of a training set beside its spine: answers joined back by row number.

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{concat_batches, nullif, take_record_batch};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use crate::error::BatchError;

/// The answers of one group in the order of the spine's rows, rows without a key left out.
pub(crate) struct AnswerStream {
    stream: SendableRecordBatchStream,
    schema: SchemaRef,
    pending: Option<RecordBatch>,
}

/// The answers to consecutive rows of the spine.
pub(crate) struct Beside {
    /// One column per output, as long as the spine's batch.
    pub(crate) outputs: Vec<ArrayRef>,
    /// Rows that asked nothing, because their key is null. `None`: every row asked.
    pub(crate) silent: Option<BooleanBuffer>,
}

impl AnswerStream {
    /// Starts the stream and waits for its first batch: by then everything before it has run.
    pub(crate) async fn start(mut stream: SendableRecordBatchStream) -> Result<Self, BatchError> {
        let schema = stream.schema();
        let pending = stream.next().await.transpose()?;
        Ok(Self { stream, schema, pending })
    }

    /// The answers to the rows `first .. first + rows`; called for consecutive ranges.
    pub(crate) async fn take(&mut self, first: i64, rows: usize) -> Result<Beside, BatchError> {
        let end = first + rows as i64;
        let mut pieces = Vec::new();
        while let Some(batch) = self.pending.take() {
            let numbers = batch.column(0).as_primitive::<Int64Type>().values();
            let split = numbers.partition_point(|&number| number < end);
            pieces.push(batch.slice(0, split));
            if split < batch.num_rows() {
                self.pending = Some(batch.slice(split, batch.num_rows() - split));
                break;
            }
            self.pending = self.stream.next().await.transpose()?;
        }
        let answers = concat_batches(&self.schema, &pieces)?;
        if answers.num_rows() == rows {
            return Ok(Beside { outputs: answers.columns()[1..].to_vec(), silent: None });
        }
        let numbers: &Int64Array = answers.column(0).as_primitive();
        let mut places = vec![None; rows];
        for (at, &number) in numbers.values().iter().enumerate() {
            places[(number - first) as usize] = Some(at as u32);
        }
        let silent = places.iter().map(Option::is_none).collect();
        let outputs: Vec<usize> = (1..answers.num_columns()).collect();
        // Every output is nullable, so a place without an answer is null.
        let spread = take_record_batch(&answers.project(&outputs)?, &UInt32Array::from(places))?;
        Ok(Beside { outputs: spread.columns().to_vec(), silent: Some(silent) })
    }
}

/// The column with null wherever `hidden` is set.
pub(crate) fn hide(column: &ArrayRef, hidden: Option<&BooleanBuffer>) -> Result<ArrayRef, BatchError> {
    match hidden {
        Some(hidden) => Ok(nullif(column, &BooleanArray::new(hidden.clone(), None))?),
        None => Ok(column.clone()),
    }
}
