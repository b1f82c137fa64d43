//! The newest row of one key: what a row lookup answers, without a state.
//!
//! All outputs of such a view are columns of one row, the greatest in the row order among those that
//! count. So that row is remembered by where it stands, and its columns are copied by the batch when
//! the answers are put together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::interleave;
use feat_kernel::agg::Aggregator;
use feat_kernel::row::{Row, Rows};
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::Slot;
use feat_kernel::view::View;
use feat_kernel::window::{Reach, Window};

use crate::error::BatchError;
use crate::slide::Standing;

/// Rows that some key may still be answered from.
#[derive(Debug)]
pub(crate) struct RowPage {
    /// The rows as the kernel reads them.
    pub(crate) rows: Rows,
    /// The same as columns: the kernel's schema.
    pub(crate) batch: RecordBatch,
}

/// Columns of the kernel's schema before its arguments.
const ARGS: usize = 6;

/// How row lookups of a view are answered.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    since: Instant,
    ttl: Option<Micros>,
    /// The argument column of each output.
    columns: Vec<usize>,
}

impl Lookup {
    /// If `view` is nothing but columns of the newest row.
    pub(crate) fn of(view: &View) -> Option<Self> {
        let [Window { reach: Reach::All(since), offset: Micros::ZERO, .. }] = view.windows[..] else {
            return None;
        };
        let plain = view.dedupe.is_none()
            && view.cells.iter().all(|cell| cell.aggregator == Aggregator::latest() && cell.mask.is_none());
        let columns = view.outputs.iter().map(|output| view.cells[output.cell].args.first().copied());
        let columns: Vec<usize> = columns.collect::<Option<_>>()?;
        plain.then_some(Self { since, ttl: view.ttl, columns })
    }
}

/// The newest row of one key after another.
#[derive(Debug)]
pub(crate) struct Newest {
    row: Option<(Arc<RowPage>, usize)>,
    /// The greatest `tau` of a row that counts, before `since` or not.
    tau: Option<Instant>,
}

impl Newest {
    /// A key without rows.
    pub(crate) fn new() -> Self {
        Self { row: None, tau: None }
    }

    /// Adds row `at` of `page`.
    pub(crate) fn push(&mut self, lookup: &Lookup, page: &Arc<RowPage>, at: usize) {
        let row = page.rows.row(at);
        let tau = row.tau();
        self.tau = self.tau.max(Some(tau));
        if tau < lookup.since {
            return;
        }
        let newer = self.row.as_ref().is_none_or(|(kept, of)| kept.rows.row(*of).place() < row.place());
        if newer {
            match &mut self.row {
                Some((kept, of)) if Arc::ptr_eq(kept, page) => *of = at,
                kept => *kept = Some((Arc::clone(page), at)),
            }
        }
    }

    /// Whether some row counts so far.
    pub(crate) fn is_known(&self) -> bool {
        self.tau.is_some()
    }

    /// How the key stands at `t`; its row goes to `found`.
    pub(crate) fn ask(&self, lookup: &Lookup, t: Instant, found: &mut Found) -> Standing {
        if lookup.ttl.is_some_and(|ttl| self.tau.is_none_or(|tau| tau < t.minus(ttl))) {
            found.rows.push(NONE);
            return Standing::Absent;
        }
        found.push(self.row.as_ref());
        match self.tau {
            Some(tau) if tau >= lookup.since => Standing::Present,
            _ => Standing::Empty,
        }
    }
}

/// Which row answers each question.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pages: Vec<Arc<RowPage>>,
    /// The page, counted from one, and the row of it; [`NONE`] for none.
    rows: Vec<(usize, usize)>,
}

/// A row of nulls stands before the pages.
const NONE: (usize, usize) = (0, 0);

impl Found {
    fn push(&mut self, row: Option<&(Arc<RowPage>, usize)>) {
        let Some((page, at)) = row else { return self.rows.push(NONE) };
        // Keys come one after another, and so do the pages of their rows.
        let known = self.pages.iter().rposition(|known| Arc::ptr_eq(known, page));
        let place = known.unwrap_or_else(|| {
            self.pages.push(Arc::clone(page));
            self.pages.len() - 1
        });
        self.rows.push((place + 1, *at));
    }

    /// One column per output.
    pub(crate) fn columns(&self, lookup: &Lookup, outputs: &[Slot]) -> Result<Vec<ArrayRef>, BatchError> {
        let columns = lookup.columns.iter().zip(outputs).map(|(&column, slot)| {
            let null = new_null_array(&slot.ty.arrow(), 1);
            let mut pages: Vec<&dyn Array> = vec![&null];
            pages.extend(self.pages.iter().map(|page| page.batch.column(ARGS + column) as &dyn Array));
            Ok(interleave(&pages, &self.rows)?)
        });
        columns.collect()
    }
}
