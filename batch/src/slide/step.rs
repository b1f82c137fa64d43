//! What happens to a key's tiles and windows, said once for all cells.
//!
//! Which tile a row falls into, which tiles a window takes in and lets go: none of it depends on
//! what a cell keeps. So it is worked out once per row and question, and every cell then does the
//! same steps over states of its own type, one cell after the other.

use feat_kernel::agg::{Aggregate, Input};
use feat_kernel::row::{BatchRow, Kept, Row, Rows};
use feat_kernel::window::Interval;

/// Where a row stands: in the batch at hand, or among the rows kept aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(u32);

/// The bit that says: kept aside.
const ASIDE: u32 = 1 << 31;

impl At {
    /// Row `at` of the batch at hand.
    pub(crate) fn batch(at: usize) -> Self {
        Self(at as u32)
    }

    /// Row `at` of those kept aside.
    pub(crate) fn aside(at: usize) -> Self {
        Self(at as u32 | ASIDE)
    }
}

/// The rows that steps speak of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    /// The batch at hand; `None` before the first one.
    pub(crate) rows: Option<&'a Rows>,
    /// The rows kept aside.
    pub(crate) aside: &'a [Kept],
}

/// A row of a [`Page`].
pub(super) enum Found<'a> {
    Batch(BatchRow<'a>),
    Aside(&'a Kept),
}

impl<'a> Page<'a> {
    #[inline]
    pub(super) fn find(&self, at: At) -> Found<'a> {
        match self.rows {
            Some(rows) if at.0 & ASIDE == 0 => Found::Batch(rows.row(at.0 as usize)),
            _ => Found::Aside(&self.aside[(at.0 & !ASIDE) as usize]),
        }
    }
}

impl<'a> Found<'a> {
    /// Whether a mask column is true.
    #[inline]
    pub(super) fn mask(&self, index: usize) -> bool {
        match self {
            Self::Batch(row) => row.mask(index),
            Self::Aside(row) => row.mask(index),
        }
    }

    /// What the row gives to an aggregate over the argument columns `args`.
    #[inline]
    pub(super) fn input<A: Aggregate>(&self, args: &[usize]) -> Input<'a> {
        match self {
            Self::Batch(row) if A::ORDERED => row.input(args),
            Self::Batch(row) => row.values(args),
            Self::Aside(row) => row.input(args),
        }
    }
}

/// One step. Tiles are counted from the oldest that the ring holds at that step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Another key: forget everything.
    Clear,
    /// A row for the open tile of a ring.
    Row { ring: u8, row: At },
    /// The open tile is merged into that of the next coarser ring, and becomes the newest closed one.
    Close { ring: u8 },
    /// The oldest closed tiles are dropped.
    Retire { ring: u8, tiles: u32 },
    /// A closed tile without rows is put at a place.
    Make { ring: u8, tile: u32 },
    /// A row for a closed tile.
    Late { ring: u8, tile: u32, row: At },
    /// A row for the state of `over all`.
    Running { window: u16, row: At },
    /// A window lets go of all it holds.
    Empty { window: u16 },
    /// A window takes tiles `[from, to)` in.
    Take { window: u16, from: u32, to: u32 },
    /// A window lets go of its tiles `[from, to)`: of its older part `older` tiles are left, or, where
    /// that is none, the tiles `[to, head)` become the older part.
    Release { window: u16, from: u32, to: u32, older: u32, head: u32 },
    /// A tile without rows was put into a window's older part, `after` suffixes from its end.
    Room { window: u16, after: u32 },
    /// A row for a tile that a window holds: in its newer part, or in all suffixes from `suffix` on.
    Held { window: u16, newer: bool, suffix: u32, row: At },
    /// A window is asked, with the open tiles of the rings whose bits are set.
    Ask { window: u16, open: u64, interval: u32, answer: u32 },
}

/// Steps that wait to be done.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) intervals: Vec<Interval>,
}

/// So many steps stay in the second-level cache while cell after cell does them.
const ENOUGH: usize = 16 << 10;

impl Program {
    #[inline]
    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Whether it should be run soon.
    pub(super) fn is_long(&self) -> bool {
        self.steps.len() >= ENOUGH
    }

    pub(super) fn clear(&mut self) {
        self.steps.clear();
        self.intervals.clear();
    }
}
