//! The tiles of one hop: closed ones in a ring, oldest first, and one open.

use std::collections::VecDeque;

use feat_kernel::agg::State;
use feat_kernel::row::Row;
use feat_kernel::time::Instant;
use feat_kernel::view::View;
use feat_kernel::window::bounds;

use super::window::Accumulator;
use super::{Layout, RingLayout};

/// The states of the rows of one hop.
#[derive(Debug)]
pub(super) struct Tile {
    start: Instant,
    states: Vec<State>,
}

/// The tiles of one hop that some window may still need. Hops without rows have none.
#[derive(Debug)]
pub(super) struct Ring {
    closed: VecDeque<Tile>,
    /// The sequence number of the oldest closed tile: places of windows outlive what is dropped.
    first: u64,
    open: Option<Tile>,
    /// Tiles whose allocation waits for its next use.
    spare: Vec<Vec<State>>,
}

impl Ring {
    pub(super) fn new() -> Self {
        Self { closed: VecDeque::new(), first: 0, open: None, spare: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.first = 0;
        self.spare.extend(self.open.take().map(|tile| tile.states));
        self.spare.extend(self.closed.drain(..).map(|tile| tile.states));
    }

    /// Where the open tile starts.
    pub(super) fn open_start(&self) -> Option<Instant> {
        self.open.as_ref().map(|tile| tile.start)
    }

    /// The states of the open tile; none without one.
    pub(super) fn open_states(&self) -> &[State] {
        self.open.as_ref().map_or(&[], |tile| &tile.states)
    }

    /// The sequence number of the next tile to close.
    pub(super) fn end(&self) -> u64 {
        self.first + self.closed.len() as u64
    }

    /// How many tiles are held.
    #[cfg(test)]
    pub(super) fn tiles(&self) -> usize {
        self.closed.len() + usize::from(self.open.is_some())
    }

    /// Where closed tile `seq` starts.
    pub(super) fn start(&self, seq: u64) -> Instant {
        self.closed[(seq - self.first) as usize].start
    }

    /// The states of closed tile `seq`.
    pub(super) fn states(&self, seq: u64) -> &[State] {
        &self.closed[(seq - self.first) as usize].states
    }

    /// Adds a row to the open tile.
    #[inline]
    pub(super) fn update_open<'a>(&mut self, view: &View, laid: &RingLayout, row: &impl Row<'a>) {
        if let Some(open) = &mut self.open {
            update(view, &laid.cells, &mut open.states, row);
        }
    }

    /// Adds the states of a finer ring's closing tile to the open tile.
    pub(super) fn merge_open(&mut self, view: &View, finer: &RingLayout, from: &[State]) {
        let Some(open) = &mut self.open else { return };
        for ((&cell, &up), from) in finer.cells.iter().zip(&finer.up).zip(from) {
            if let Some(up) = up {
                view.cells[cell].aggregator.merge(&mut open.states[up], from);
            }
        }
    }

    /// Closes the open tile, if there is one, and opens that of `start`.
    pub(super) fn roll(&mut self, view: &View, laid: &RingLayout, start: Instant) {
        let states = self.blank(view, laid);
        self.closed.extend(self.open.replace(Tile { start, states }));
    }

    /// Drops the tiles that no question after `now` can need.
    pub(super) fn retire(&mut self, now: Instant, at: usize, layout: &Layout, windows: &mut [Accumulator]) {
        let laid = &layout.rings[at];
        let Some(reach) = laid.reach else { return };
        // Cheap test first: nothing is old enough.
        if self.closed.front().is_none_or(|tile| tile.start >= now.minus(reach)) {
            return;
        }
        let mut needed = now;
        for &window in &laid.windows {
            let start = bounds(&layout.windows[window].window, now).start;
            windows[window].release(&layout.view, &layout.windows[window], self, start);
            needed = needed.min(start);
        }
        while self.closed.front().is_some_and(|tile| tile.start < needed) {
            self.spare.extend(self.closed.pop_front().map(|tile| tile.states));
            self.first += 1;
        }
    }

    /// The sequence number of the closed tile of `start`, made if there is none, and whether it was
    /// made. `None` if no window can need it any more.
    pub(super) fn late(&mut self, view: &View, laid: &RingLayout, start: Instant) -> Option<(u64, bool)> {
        let open = self.open_start()?;
        if laid.reach.is_some_and(|reach| start < open.minus(reach)) {
            return None;
        }
        Some(match self.closed.binary_search_by_key(&start, |tile| tile.start) {
            Ok(at) => (self.first + at as u64, false),
            Err(at) => {
                let states = self.blank(view, laid);
                self.closed.insert(at, Tile { start, states });
                (self.first + at as u64, true)
            }
        })
    }

    /// Adds a row to closed tile `seq`.
    pub(super) fn update_closed<'a>(&mut self, view: &View, laid: &RingLayout, seq: u64, row: &impl Row<'a>) {
        update(view, &laid.cells, &mut self.closed[(seq - self.first) as usize].states, row);
    }

    fn blank(&mut self, view: &View, laid: &RingLayout) -> Vec<State> {
        let mut states = self.spare.pop().unwrap_or_default();
        states.clear();
        states.extend(laid.cells.iter().map(|&cell| view.cells[cell].aggregator.empty()));
        states
    }
}

/// Adds a row to the states of `cells`.
#[inline]
pub(super) fn update<'a>(view: &View, cells: &[usize], states: &mut [State], row: &impl Row<'a>) {
    for (&cell, state) in cells.iter().zip(states) {
        view.update_cell(cell, state, row);
    }
}
