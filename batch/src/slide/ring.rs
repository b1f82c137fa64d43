//! The tiles of one hop: closed ones in a ring, oldest first, and one open. Here is where they
//! start; their states are in the lanes.

use std::collections::VecDeque;

use feat_kernel::tile::{Tile, cover};
use feat_kernel::time::{Instant, Micros};
use feat_kernel::window::{Interval, bounds};

use super::step::{Program, Step};
use super::window::Held;
use super::{Layout, RingLayout};

/// The tiles of one hop that some window may still need. Hops without rows have none.
#[derive(Debug)]
pub(super) struct Ring {
    hop: Micros,
    closed: VecDeque<Instant>,
    /// The sequence number of the oldest closed tile: places of windows outlive what is dropped.
    first: u64,
    open: Option<Instant>,
}

impl Ring {
    pub(super) fn new(hop: Micros) -> Self {
        Self { hop, closed: VecDeque::new(), first: 0, open: None }
    }

    pub(super) fn clear(&mut self) {
        self.first = 0;
        self.open = None;
        self.closed.clear();
    }

    /// Where the open tile starts.
    pub(super) fn open(&self) -> Option<Instant> {
        self.open
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

    /// Whether closed tile `seq` is part of a window's interval.
    pub(super) fn covers(&self, interval: Interval, seq: u64) -> bool {
        cover(interval, Tile { start: self.closed[(seq - self.first) as usize], hop: self.hop })
    }

    /// Whether there is an open tile, and it is part of a window's interval.
    pub(super) fn covers_open(&self, interval: Interval) -> bool {
        self.open.is_some_and(|start| cover(interval, Tile { start, hop: self.hop }))
    }

    /// The place of closed tile `seq` among those held.
    pub(super) fn place(&self, seq: u64) -> u32 {
        (seq - self.first) as u32
    }

    /// Closes the open tile, if there is one, and opens that of `start`.
    pub(super) fn roll(&mut self, at: usize, start: Instant, program: &mut Program) {
        if let Some(open) = self.open.replace(start) {
            self.closed.push_back(open);
            program.push(Step::Close { ring: at as u8 });
        }
    }

    /// Drops the tiles that no question after `now` can need.
    pub(super) fn retire(
        &mut self,
        now: Instant,
        at: usize,
        layout: &Layout,
        windows: &mut [Held],
        program: &mut Program,
    ) {
        let laid = &layout.rings[at];
        let Some(reach) = laid.reach else { return };
        // Cheap test first: nothing is old enough.
        if self.closed.len() < layout.kept
            || self.closed.front().is_none_or(|&start| start >= now.minus(reach))
        {
            return;
        }
        let mut needed = now;
        for &window in &laid.windows {
            let start = bounds(&layout.windows[window].window, now).start;
            windows[window].release(window, self, start, program);
            needed = needed.min(start);
        }
        let old = self.closed.partition_point(|&start| start < needed);
        if old > 0 {
            self.closed.drain(..old);
            self.first += old as u64;
            program.push(Step::Retire { ring: at as u8, tiles: old as u32 });
        }
    }

    /// The sequence number of the closed tile of `start`, made if there is none, and whether it was
    /// made. `None` if no window can need it any more.
    pub(super) fn late(
        &mut self,
        at: usize,
        laid: &RingLayout,
        start: Instant,
        program: &mut Program,
    ) -> Option<(u64, bool)> {
        let open = self.open?;
        if laid.reach.is_some_and(|reach| start < open.minus(reach)) {
            return None;
        }
        Some(match self.closed.binary_search(&start) {
            Ok(tile) => (self.first + tile as u64, false),
            Err(tile) => {
                self.closed.insert(tile, start);
                program.push(Step::Make { ring: at as u8, tile: tile as u32 });
                (self.first + tile as u64, true)
            }
        })
    }
}
