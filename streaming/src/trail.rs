//! What a group has seen of its log, by its fingerprint: whether the log still begins with it.

use std::collections::HashMap;
use std::sync::Arc;

use feat_compiler::plan::GroupPlan;
use feat_kernel::fingerprint;
use feat_kernel::layout::LogMark;

use crate::error::StreamError;
use crate::source::LogBatch;

/// The fingerprint of the log of one group, along the way.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The columns that decide the group's values.
    columns: Arc<[String]>,
    /// The next record, and the sum of the fingerprints before it.
    next: u64,
    sum: u64,
    /// The last position of a marker whose sum was the same.
    same: u64,
    /// Positions in markers that are still ahead, each with its sum, the first last.
    ahead: Vec<(u64, u64)>,
    /// The offset right before `next` at the start and the low half of its record's fingerprint, if it is known
    /// and was not met yet.
    before: Option<(u64, u32)>,
}

impl Trail {
    /// The trail of a run of `group` whose partitions stand at `marks`, from the beginning of the log or
    /// from the least of them.
    pub(crate) fn new(group: &GroupPlan, marks: impl Iterator<Item = LogMark>, from_beginning: bool) -> Self {
        let marks: Vec<LogMark> = marks.collect();
        let mut ahead: Vec<(u64, u64)> = marks.iter().map(|mark| (mark.next, mark.checksum)).collect();
        ahead.sort_unstable_by(|a, b| b.cmp(a));
        ahead.dedup();
        let (next, sum) = if from_beginning { (0, 0) } else { ahead.last().copied().unwrap_or((0, 0)) };
        let mut least = marks.iter().filter(|mark| mark.next == next);
        let before = least.find_map(|mark| Some((next.checked_sub(1)?, mark.last?)));
        Self { columns: group.prepare.deciding().into(), next, sum, same: 0, ahead, before }
    }

    /// Sees whether the record before the first one that is followed is still the same, if a source that goes on
    /// with the next delivers it again: sums are of what comes behind a marker.
    fn recognise(&mut self, cells: &mut Cells<'_>, log: &str, view: &str) -> Result<(), StreamError> {
        let Some((offset, last)) = self.before.filter(|(offset, _)| *offset < cells.batch.end.next) else {
            return Ok(());
        };
        self.before = None;
        let at = cells.batch.row_at(offset);
        // It may be gone, by retention or compaction.
        if cells.batch.offsets.values().get(at) != Some(&offset) {
            return Ok(());
        }
        let columns: Vec<Arc<[u64]>> = self.columns.iter().map(|name| cells.column(name)).collect();
        let known = cells.batch.known.value(at);
        if fingerprint::record(known, columns.iter().map(|cells| cells[at])) as u32 == last {
            return Ok(());
        }
        Err(StreamError::OtherRecord { log: log.to_owned(), view: view.to_owned(), offset })
    }

    /// The sums before each record of a batch and after its last; those of records that were followed
    /// before are left out.
    ///
    /// Errors: [`StreamError::LogChanged`] where a marker has another sum, [`StreamError::OtherRecord`] where the
    /// record before the first marker is another one.
    pub(crate) fn follow(
        &mut self,
        cells: &mut Cells<'_>,
        log: &str,
        view: &str,
    ) -> Result<Vec<u64>, StreamError> {
        self.recognise(cells, log, view)?;
        let batch = cells.batch;
        let skip = batch.row_at(self.next);
        let columns: Vec<Arc<[u64]>> = self.columns.iter().map(|name| cells.column(name)).collect();
        let mut sums = Vec::with_capacity(batch.known.len() - skip + 1);
        sums.push(self.sum);
        for (at, &known) in batch.known.values().iter().enumerate().skip(skip) {
            let record = fingerprint::record(known, columns.iter().map(|cells| cells[at]));
            self.sum = self.sum.wrapping_add(record);
            sums.push(self.sum);
        }
        let before = self.next;
        self.next = self.next.max(batch.end.next);
        while let Some(&(position, sum)) = self.ahead.last().filter(|(position, _)| *position <= self.next) {
            if position >= before && sums[batch.row_at(position) - skip] != sum {
                let (log, view) = (log.to_owned(), view.to_owned());
                return Err(StreamError::LogChanged {
                    log,
                    view,
                    same: self.same,
                    read: position,
                    ends: None,
                });
            }
            self.same = position;
            self.ahead.pop();
        }
        Ok(sums)
    }

    /// The log has ended.
    ///
    /// Errors: [`StreamError::LogChanged`] if more of it had been read.
    pub(crate) fn end(&self, log: &str, view: &str) -> Result<(), StreamError> {
        match self.ahead.first() {
            Some(&(read, _)) if read > self.next => Err(StreamError::LogChanged {
                log: log.to_owned(),
                view: view.to_owned(),
                same: self.same,
                read,
                ends: Some(self.next),
            }),
            _ => Ok(()),
        }
    }
}

/// The fingerprints of a batch's cells, each column's made once for all groups.
pub(crate) struct Cells<'a> {
    batch: &'a LogBatch,
    columns: HashMap<String, Arc<[u64]>>,
}

impl<'a> Cells<'a> {
    pub(crate) fn new(batch: &'a LogBatch) -> Self {
        Self { batch, columns: HashMap::new() }
    }

    fn column(&mut self, name: &str) -> Arc<[u64]> {
        if let Some(found) = self.columns.get(name) {
            return Arc::clone(found);
        }
        let column = self.batch.batch.column_by_name(name);
        let column = column.unwrap_or_else(|| panic!("invariant: the log has a column `{name}`"));
        let cells: Arc<[u64]> = fingerprint::cells(name, column).into();
        self.columns.insert(name.to_owned(), Arc::clone(&cells));
        cells
    }
}
