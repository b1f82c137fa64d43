//! Records as they are kept in an archive.

use std::sync::Arc;

use arrow::array::RecordBatch;
use feat_compiler::plan::SourcePlan;
use feat_compiler::recorded::Recording;
use feat_kernel::time::Instant;
use rdkafka::message::{BorrowedMessage, Message};

use super::TopicError;
use super::reader::Collect;
use crate::source::Reached;

/// Every record of one partition between two offsets.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The partition.
    pub partition: usize,
    /// The offset behind that of the batch before.
    pub from: u64,
    /// How far it goes.
    pub end: Reached,
    /// The records, of [`feat_compiler::recorded::schema`].
    pub records: RecordBatch,
}

/// The records of one partition.
pub(super) struct RecordCollector {
    partition: usize,
    recording: Recording,
}

impl RecordCollector {
    /// Of a partition of `topic`, whose values are objects with the columns of `source`.
    pub(super) fn new(source: &Arc<SourcePlan>, topic: &str, partition: usize) -> Result<Self, TopicError> {
        let recording = Recording::of(source, topic, partition as i32)
            .map_err(|cause| TopicError::Columns { topic: topic.to_owned(), cause: Box::new(cause) })?;
        Ok(Self { partition, recording })
    }
}

impl Collect for RecordCollector {
    type Batch = Recorded;

    fn take(&mut self, message: &BorrowedMessage<'_>, clock: Instant) -> Result<(), TopicError> {
        self.recording.push(message.offset() as u64, clock, message.key(), message.payload());
        Ok(())
    }

    fn finish(&mut self, from: u64, end: Reached) -> Result<Recorded, TopicError> {
        Ok(Recorded { partition: self.partition, from, end, records: self.recording.finish() })
    }
}
