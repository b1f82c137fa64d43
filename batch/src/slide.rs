//! The windows of one key, moved forward in time.
//!
//! ```text
//!            closed tiles, oldest first                open tile
//!  ring h ─►  [ ][ ][ ][ ][ ][ ][ ][ ]                   [ ]        one ring per distinct hop
//!              ▲ tail     ▲ mid      ▲ head
//!              └ suffixes ┘└─ back ──┘      + open tiles = value   one pair of places per window
//! ```
//!
//! A row goes into the open tile of the finest ring; when that closes it is merged into the next
//! coarser ring's, and so on up. A window takes closed tiles in and lets them go when it is asked,
//! never in between: states that can take back keep one running state, the others two stacks (a
//! state per suffix of the older part, one state for the newer part). A row that becomes known late
//! finds its tile, and every accumulator that already holds that tile, and is added to each: merge
//! commutes, so nothing is built anew. Memory is the tiles within the windows' reach.
//!
//! Edges come from [`feat_kernel::window::bounds`] alone.

mod ring;
mod window;

use std::sync::Arc;

use feat_kernel::agg::{Outcome, State};
use feat_kernel::row::Row;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::value::Value;
use feat_kernel::view::View;
use feat_kernel::window::{Interval, Reach, Window, bounds};

use ring::Ring;
use window::Accumulator;

/// How a view's windows are laid onto rings: the same for every key.
#[derive(Debug)]
pub(crate) struct Layout {
    view: Arc<View>,
    /// Finest hop first; their hops form a chain.
    rings: Vec<RingLayout>,
    windows: Vec<WindowLayout>,
}

/// One ring: the hop of its tiles and the cells that they hold.
#[derive(Debug)]
pub(crate) struct RingLayout {
    hop: Micros,
    /// Places in the view's cells.
    cells: Vec<usize>,
    /// Places in the layout's windows.
    windows: Vec<usize>,
    /// The coarser ring that closed tiles are merged into.
    parent: Option<usize>,
    /// For each cell here, its place in the parent's cells.
    up: Vec<Option<usize>>,
    /// No tile further back than this is needed; `None`: all are.
    reach: Option<Micros>,
}

/// One window: where its tiles are and which outputs it gives.
#[derive(Debug)]
pub(crate) struct WindowLayout {
    window: Window,
    /// The ring; `None` for `over all` without an offset, which is one running state.
    ring: Option<usize>,
    /// Its cells, as places in the view's cells, and the output of each.
    outputs: Vec<WindowOutput>,
}

/// One output of a window.
#[derive(Debug)]
pub(crate) struct WindowOutput {
    /// Place in the view's cells.
    cell: usize,
    /// Place among the view's outputs.
    output: usize,
    /// Place in the states of the window's ring; for `over all`, the window's own place.
    slot: usize,
    /// Places in the states of the open tiles, the finest ring's first and the window's own last.
    open: Vec<usize>,
    /// Whether it runs by taking back.
    runs: bool,
}

impl Layout {
    /// Lays the windows of `view` onto rings.
    pub(crate) fn new(view: Arc<View>) -> Self {
        let mut hops: Vec<Micros> = view.windows.iter().filter(|w| on_ring(w)).map(|w| w.hop).collect();
        hops.sort_unstable();
        hops.dedup();
        let mut rings: Vec<RingLayout> = hops
            .iter()
            .map(|&hop| RingLayout {
                hop,
                cells: Vec::new(),
                windows: Vec::new(),
                parent: None,
                up: Vec::new(),
                reach: Some(Micros::ZERO),
            })
            .collect();
        for (at, window) in view.windows.iter().enumerate() {
            let Some(ring) = on_ring(window).then(|| hops.binary_search(&window.hop).ok()).flatten() else {
                continue;
            };
            let ring = &mut rings[ring];
            ring.windows.push(at);
            ring.cells
                .extend(view.outputs.iter().filter(|output| output.window == at).map(|output| output.cell));
            ring.reach = match (ring.reach, window.reach) {
                (Some(reach), Reach::Length(length)) => Some(
                    reach.max(Micros(length.0.saturating_add(window.offset.0).saturating_add(window.hop.0))),
                ),
                _ => None,
            };
        }
        // A ring's tiles are made of the next finer one's, so the finer must hold every cell above.
        let mut above: Vec<usize> = Vec::new();
        for ring in rings.iter_mut().rev() {
            ring.cells.append(&mut above.clone());
            ring.cells.sort_unstable();
            ring.cells.dedup();
            above.clone_from(&ring.cells);
        }
        for at in 0..rings.len() {
            if at + 1 < rings.len() {
                rings[at].parent = Some(at + 1);
                rings[at].up =
                    rings[at].cells.iter().map(|cell| rings[at + 1].cells.binary_search(cell).ok()).collect();
            }
        }
        let windows = view
            .windows
            .iter()
            .enumerate()
            .map(|(at, window)| {
                let ring = on_ring(window).then(|| hops.binary_search(&window.hop).ok()).flatten();
                let mut outputs: Vec<WindowOutput> = Vec::new();
                for (output, found) in
                    view.outputs.iter().enumerate().filter(|(_, output)| output.window == at)
                {
                    let slot = match ring {
                        Some(ring) => rings[ring].cells.binary_search(&found.cell).unwrap_or_default(),
                        None => outputs.len(),
                    };
                    let runs = view.cells[found.cell].aggregator.can_take_back();
                    let open = ring.map_or_else(Vec::new, |ring| {
                        rings[..=ring]
                            .iter()
                            .filter_map(|ring| ring.cells.binary_search(&found.cell).ok())
                            .collect()
                    });
                    outputs.push(WindowOutput { cell: found.cell, output, slot, open, runs });
                }
                WindowLayout { window: *window, ring, outputs }
            })
            .collect();
        Self { view, rings, windows }
    }
}

/// Whether a window is made of tiles: all but `over all` with a live head.
fn on_ring(window: &Window) -> bool {
    matches!(window.reach, Reach::Length(_)) || window.offset != Micros::ZERO
}

/// How a key stands at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Some row is visible within the longest window.
    Present,
    /// None is.
    Empty,
    /// None is younger than the view's `ttl`: every output is null.
    Absent,
}

/// The windows of one key. Rows and questions come in the order of time.
#[derive(Debug)]
pub(crate) struct Slide {
    layout: Arc<Layout>,
    rings: Vec<Ring>,
    windows: Vec<Accumulator>,
    /// The greatest `tau` of a row that counts.
    newest: Option<Instant>,
    scratch: Vec<State>,
}

impl Slide {
    /// A key without rows.
    pub(crate) fn new(layout: Arc<Layout>) -> Self {
        let rings = layout.rings.iter().map(|_| Ring::new()).collect();
        let windows = layout.windows.iter().map(|window| Accumulator::new(&layout.view, window)).collect();
        Self { layout, rings, windows, newest: None, scratch: Vec::new() }
    }

    /// Forgets every row, keeping allocations: the next key's turn.
    pub(crate) fn clear(&mut self) {
        let Self { layout, rings, windows, newest, .. } = self;
        rings.iter_mut().for_each(Ring::clear);
        for (window, layout_window) in windows.iter_mut().zip(&layout.windows) {
            window.clear(&layout.view, layout_window);
        }
        *newest = None;
    }

    /// Adds a row that passed the group's `where` and is no duplicate.
    ///
    /// Rows come in the order in which they become visible, and before any question they are
    /// visible to. Cost: one update per distinct cell of the finest ring, amortised; a late row
    /// costs one update per ring and per accumulator that holds its tile.
    pub(crate) fn push<'a>(&mut self, row: &impl Row<'a>) {
        let tau = row.tau();
        self.newest = self.newest.max(Some(tau));
        let Self { layout, rings, windows, .. } = self;
        for (window, laid) in windows.iter_mut().zip(&layout.windows) {
            window.push_running(&layout.view, laid, row);
        }
        if rings.is_empty() {
            return;
        }
        let start = tau.floor(layout.rings[0].hop);
        match rings[0].open_start() {
            Some(open) if open == start => rings[0].update_open(&layout.view, &layout.rings[0], row),
            Some(open) if start < open => self.push_late(row),
            _ => {
                self.close(0, start);
                let Self { layout, rings, .. } = self;
                rings[0].update_open(&layout.view, &layout.rings[0], row);
            }
        }
    }

    /// Closes the open tile of ring `at`, handing it to the coarser ring, and opens that of `start`.
    fn close(&mut self, at: usize, start: Instant) {
        let open = self.rings[at].open_start();
        if let (Some(open), Some(parent)) = (open, self.layout.rings[at].parent) {
            let above = open.floor(self.layout.rings[parent].hop);
            if self.rings[parent].open_start() != Some(above) {
                self.close(parent, above);
            }
            let (fine, coarse) = self.rings.split_at_mut(parent);
            coarse[0].merge_open(&self.layout.view, &self.layout.rings[at], fine[at].open_states());
        }
        let Self { layout, rings, windows, .. } = self;
        rings[at].roll(&layout.view, &layout.rings[at], start);
        rings[at].retire(start, at, layout, windows);
    }

    /// Adds a row whose tile of the finest ring has closed: to the closed tile of each ring, up to
    /// the first whose tile is still open, which hands it on when it closes.
    fn push_late<'a>(&mut self, row: &impl Row<'a>) {
        for at in 0..self.rings.len() {
            let start = row.tau().floor(self.layout.rings[at].hop);
            if self.rings[at].open_start().is_none_or(|open| open <= start) {
                if self.rings[at].open_start() != Some(start) {
                    self.close(at, start);
                }
                self.rings[at].update_open(&self.layout.view, &self.layout.rings[at], row);
                return;
            }
            let Self { layout, rings, windows, .. } = self;
            let (view, laid) = (&layout.view, &layout.rings[at]);
            let Some((seq, made)) = rings[at].late(view, laid, start) else { continue };
            rings[at].update_closed(view, laid, seq, row);
            for &window in &laid.windows {
                if made {
                    windows[window].make_room(view, &layout.windows[window], seq, start);
                }
                windows[window].push_held(view, &layout.windows[window], seq, row);
            }
        }
    }

    /// The outputs at `t`, handed to `put(output, outcome)` once each, and how the key stands.
    ///
    /// Every row pushed so far is visible at `t`; `t` never goes back.
    /// Absent by `ttl`: every outcome is null.
    pub(crate) fn ask(&mut self, t: Instant, mut put: impl FnMut(usize, Outcome)) -> Standing {
        let standing = self.standing(t);
        if standing == Standing::Absent {
            (0..self.layout.view.outputs.len()).for_each(|output| put(output, Outcome::Value(Value::Null)));
            return standing;
        }
        let Self { layout, rings, windows, scratch, .. } = self;
        let view = &layout.view;
        for (accumulator, laid) in windows.iter_mut().zip(&layout.windows) {
            let interval = bounds(&laid.window, t);
            let Some(at) = laid.ring else {
                accumulator.finish_running(view, laid, interval, &mut put);
                continue;
            };
            let tiles = match laid.window.reach {
                Reach::Length(_) => interval,
                // Every admitted row is at or after `since`; the tile that holds it may start before.
                Reach::All(_) => Interval { start: Instant::MIN, end: interval.end },
            };
            accumulator.advance(view, laid, &rings[at], tiles);
            accumulator.collect(view, laid, scratch);
            // Finer rings' open tiles have not been handed up yet.
            for (finer, ring) in rings[..=at].iter().enumerate() {
                let Some(open) = ring.open_start().filter(|&open| tiles.contains(open)) else { continue };
                debug_assert!(open <= t, "a visible row lies before the question");
                for (output, into) in laid.outputs.iter().zip(scratch.iter_mut()) {
                    view.cells[output.cell].aggregator.merge(into, &ring.open_states()[output.open[finer]]);
                }
            }
            for (output, state) in laid.outputs.iter().zip(scratch.iter()) {
                put(output.output, view.cells[output.cell].aggregator.finish(state, interval));
            }
        }
        standing
    }

    /// Whether some row counts so far.
    pub(crate) fn is_known(&self) -> bool {
        self.newest.is_some()
    }

    /// How the key stands at `t`, by the newest row that counts.
    fn standing(&self, t: Instant) -> Standing {
        let view = &self.layout.view;
        if view.ttl.is_some_and(|ttl| self.newest.is_none_or(|newest| newest < t.minus(ttl))) {
            return Standing::Absent;
        }
        let longest = |start: Instant, window: &Window| start.min(bounds(window, t).start);
        let start = view.windows.iter().fold(Instant::MAX, longest);
        match self.newest {
            Some(newest) if Interval { start, end: t }.contains(newest) => Standing::Present,
            _ => Standing::Empty,
        }
    }
}

#[cfg(test)]
mod tests;
