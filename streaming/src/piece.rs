//! A piece of a log as one group sees it: prepared rows, spread over the view's partitions.

use arrow::array::{Int64Array, UInt32Array, UInt64Array};
use feat_compiler::prepare::Prepared;
use feat_kernel::key::partition;
use feat_kernel::row::{Row, Rows};
use feat_kernel::time::Instant;
use feat_kernel::view::View;

use crate::source::{LogBatch, Reached};

/// The next records of a log, prepared for one group.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which of the source's logs.
    pub(crate) log: usize,
    /// The offset of each record.
    offsets: UInt64Array,
    /// The log's clock at each record.
    known: Int64Array,
    /// Where the log was read to.
    pub(crate) end: Reached,
    pub(crate) rows: Rows,
    /// The record of each prepared row.
    place: UInt32Array,
    /// The prepared rows of each partition, in the order of the log.
    parts: Vec<Vec<u32>>,
    /// The fingerprint of the log before each record, and after the last.
    sums: Vec<u64>,
}

impl Piece {
    /// The records of `log`, of which there is at least one; `prepared` are their rows, `sums` the
    /// fingerprints of the log before each and after the last.
    pub fn new(view: &View, partitions: u32, log: &LogBatch, prepared: &Prepared, sums: Vec<u64>) -> Self {
        let rows = Rows::new(view, &prepared.rows);
        let mut parts = vec![Vec::new(); partitions as usize];
        for row in 0..rows.len() {
            // Such a row neither counts nor can make another a duplicate: its entity is not touched.
            let at = rows.row(row);
            if !(at.pass() || (view.dedupe.is_some() && at.id().is_some())) {
                continue;
            }
            parts[partition(rows.key(row), partitions) as usize].push(row as u32);
        }
        let (offsets, known, place) = (log.offsets.clone(), log.known.clone(), prepared.place.clone());
        Self { log: log.log, offsets, known, end: log.end, rows, place, parts, sums }
    }

    /// The rows of `partition` with offsets from `from` on.
    pub(crate) fn rows_from(&self, partition: u32, from: u64) -> &[u32] {
        let part = &self.parts[partition as usize];
        &part[part.partition_point(|&row| self.offset(row) < from)..]
    }

    /// The offset of the record that row `row` came from.
    pub(crate) fn offset(&self, row: u32) -> u64 {
        self.offsets.value(self.place.value(row as usize) as usize)
    }

    /// The log's clock at row `row`.
    pub(crate) fn clock(&self, row: u32) -> Instant {
        Instant(self.known.value(self.place.value(row as usize) as usize))
    }

    /// How far the log is read before row `row`, which is not the first of the records.
    pub(crate) fn reached_before(&self, row: u32) -> Reached {
        let before = self.place.value(row as usize) as usize - 1;
        Reached { next: self.offset(row), clock: Instant(self.known.value(before)) }
    }

    /// The low half of the fingerprint of the record right before offset `offset`; `None` if it is no row, or
    /// none of the piece.
    pub(crate) fn last_before(&self, offset: u64) -> Option<u32> {
        let at = self.offsets.values().partition_point(|&before| before < offset);
        let last = at.checked_sub(1).filter(|&last| self.offsets.value(last) + 1 == offset)?;
        Some(self.sums[at].wrapping_sub(self.sums[last]) as u32)
    }

    /// The fingerprint of the log before offset `offset`.
    pub(crate) fn sum_before(&self, offset: u64) -> u64 {
        self.sums[self.offsets.values().partition_point(|&before| before < offset)]
    }
}
