//! What a group keeps per key: cells, windows, and which of them make its outputs.

use crate::agg::{Aggregator, Part, State};
use crate::time::Micros;
use crate::types::Type;
use crate::window::{Reach, Window};

/// One state that is kept per tile: an aggregate over prepared columns, with its own `where`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The function.
    pub aggregator: Aggregator,
    /// The argument columns that it is fed, at most two, as places in [`View::args`].
    pub args: Vec<usize>,
    /// The mask column that must be true, as a place in the view's masks.
    pub mask: Option<usize>,
}

/// One value that is read: a cell over a window, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Output {
    /// Place in [`View::cells`].
    pub cell: usize,
    /// Place in [`View::windows`].
    pub window: usize,
    /// What of the state is read.
    pub part: Part,
}

/// Which rows count once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dedupe {
    /// How much earlier in known an admitted row may lie; `None`: any time.
    pub within: Option<Micros>,
}

/// What a group keeps per key and how it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The types of the argument columns.
    pub args: Vec<Type>,
    /// How many mask columns there are.
    pub masks: usize,
    /// The distinct states of a tile.
    pub cells: Vec<Cell>,
    /// The distinct windows; their hops form a chain in which each divides the next.
    pub windows: Vec<Window>,
    /// What is read, in the order of the group's outputs.
    pub outputs: Vec<Output>,
    /// Which rows count once.
    pub dedupe: Option<Dedupe>,
    /// `ttl d`: a key without a visible row that young is absent.
    pub ttl: Option<Micros>,
    /// Whether rows carry tie-break bytes: some cell is ordered, or `dedupe` is on.
    pub ties: bool,
}

impl View {
    /// The state of a tile without rows.
    pub fn empty(&self) -> Vec<State> {
        self.cells.iter().map(|cell| cell.aggregator.empty()).collect()
    }

    /// Adds one row to the states of a tile.
    #[inline]
    pub fn update<'a>(&self, states: &mut [State], row: &impl crate::row::Row<'a>) {
        for (cell, state) in states.iter_mut().enumerate() {
            self.update_cell(cell, state, row);
        }
    }

    /// Adds one row to the state of one cell, if its `where` lets it.
    #[inline]
    pub fn update_cell<'a>(&self, cell: usize, state: &mut State, row: &impl crate::row::Row<'a>) {
        let Cell { aggregator, args, mask } = &self.cells[cell];
        if mask.is_none_or(|mask| row.mask(mask)) {
            aggregator.update(state, row.input(args));
        }
    }

    /// The cells that some `over all` reads: only they have a state for rows that left the staircase.
    pub fn base(&self) -> Vec<usize> {
        let mut cells: Vec<usize> = self
            .outputs
            .iter()
            .filter(|output| matches!(self.windows[output.window].reach, Reach::All(_)))
            .map(|output| output.cell)
            .collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// Adds the states of one tile to those of another.
    #[inline]
    pub fn merge(&self, into: &mut [State], from: &[State]) {
        for ((cell, into), from) in self.cells.iter().zip(into).zip(from) {
            cell.aggregator.merge(into, from);
        }
    }

    /// Whether it keeps the newest row per key instead of aggregates.
    pub fn is_row(&self) -> bool {
        self.cells.iter().any(|cell| cell.aggregator == Aggregator::latest())
    }

    /// Whether some window is `over all`.
    pub fn reaches_all(&self) -> bool {
        self.windows.iter().any(|window| matches!(window.reach, Reach::All(_)))
    }
}
