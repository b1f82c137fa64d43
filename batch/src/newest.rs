//! The newest row of one key: what a row lookup answers, without a state.
//!
//! All outputs of such a view are columns of one row, the greatest in the row order among those that
//! count. So that row is remembered by where it stands, and its columns are copied by the batch when
//! the answers are put together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::interleave;
use feat_kernel::agg::Place;
use feat_kernel::agg::first_last::Edge;
use feat_kernel::presence::Presence;
use feat_kernel::row::{Row, Rows};
use feat_kernel::time::Instant;
use feat_kernel::types::Slot;
use feat_kernel::view::View;

use crate::error::BatchError;

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
    view: Arc<View>,
    /// The argument column of each output.
    columns: Vec<usize>,
}

impl Lookup {
    /// If `view` is nothing but columns of the newest row.
    pub(crate) fn of(view: &Arc<View>) -> Option<Self> {
        if !view.is_row() || view.dedupe.is_some() {
            return None;
        }
        let columns = view.outputs.iter().map(|output| view.cells[output.cell].args.first().copied());
        Some(Self { columns: columns.collect::<Option<_>>()?, view: Arc::clone(view) })
    }
}

/// The newest row of one key after another.
#[derive(Debug)]
pub(crate) struct Newest {
    row: Option<(Arc<RowPage>, usize)>,
}

impl Newest {
    /// A key without rows.
    pub(crate) fn new() -> Self {
        Self { row: None }
    }

    fn place(&self) -> Option<Place<'_>> {
        self.row.as_ref().map(|(page, at)| page.rows.row(*at).place())
    }

    /// Adds row `at` of `page`.
    pub(crate) fn push(&mut self, page: &Arc<RowPage>, at: usize) {
        let place = page.rows.row(at).place();
        if self.place().is_none_or(|kept| Edge::Latest.wins(place.cmp(&kept))) {
            match &mut self.row {
                Some((kept, of)) if Arc::ptr_eq(kept, page) => *of = at,
                kept => *kept = Some((Arc::clone(page), at)),
            }
        }
    }

    /// Whether some row counts so far.
    pub(crate) fn is_known(&self) -> bool {
        self.row.is_some()
    }

    /// How the key stands at `t`; its row goes to `found`.
    pub(crate) fn ask(&self, lookup: &Lookup, t: Instant, found: &mut Found) -> Presence {
        let presence = lookup.view.presence(self.place().map(|place| place.tau), t);
        found.push(self.row.as_ref().filter(|_| presence != Presence::Absent));
        presence
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
