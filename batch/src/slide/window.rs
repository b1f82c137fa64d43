//! One window's accumulated tiles: a running state where states can take back, two stacks otherwise.

use feat_kernel::agg::{Outcome, State};
use feat_kernel::row::Row;
use feat_kernel::time::Instant;
use feat_kernel::view::View;
use feat_kernel::window::{Interval, Reach};

use super::ring::Ring;
use super::{WindowLayout, WindowOutput};

/// The closed tiles `[tail, head)` of a ring, merged.
///
/// `sums` holds one state per output: of all of `[tail, head)` where the state can take back, else
/// of the newer part `[mid, head)`. `suffixes` holds, for each tile of the older part `[tail, mid)`,
/// newest first, the states of that tile and all up to `mid`; its last stands for the whole part.
#[derive(Debug)]
pub(super) struct Accumulator {
    tail: u64,
    mid: u64,
    head: u64,
    /// Where the window began when it was last moved: an older tile that turns up late is outside.
    start: Instant,
    sums: Vec<State>,
    /// Places in the layout's outputs that cannot take back.
    stacked: Vec<usize>,
    suffixes: Vec<State>,
}

impl Accumulator {
    pub(super) fn new(view: &View, laid: &WindowLayout) -> Self {
        Self {
            tail: 0,
            mid: 0,
            head: 0,
            start: Instant::MIN,
            sums: laid.outputs.iter().map(|output| view.cells[output.cell].aggregator.empty()).collect(),
            stacked: (0..laid.outputs.len()).filter(|&at| !laid.outputs[at].runs).collect(),
            suffixes: Vec::new(),
        }
    }

    pub(super) fn clear(&mut self, view: &View, laid: &WindowLayout) {
        (self.tail, self.mid, self.head, self.start) = (0, 0, 0, Instant::MIN);
        self.suffixes.clear();
        self.empty(view, laid, |_| true);
    }

    fn empty(&mut self, view: &View, laid: &WindowLayout, which: impl Fn(&WindowOutput) -> bool) {
        for (output, sum) in laid.outputs.iter().zip(&mut self.sums) {
            if which(output) {
                *sum = view.cells[output.cell].aggregator.empty();
            }
        }
    }

    /// Adds a row to the running state of `over all`.
    #[inline]
    pub(super) fn push_running<'a>(&mut self, view: &View, laid: &WindowLayout, row: &impl Row<'a>) {
        if laid.ring.is_none() && matches!(laid.window.reach, Reach::All(since) if row.tau() >= since) {
            for (output, sum) in laid.outputs.iter().zip(&mut self.sums) {
                view.update_cell(output.cell, sum, row);
            }
        }
    }

    /// The outputs of `over all`.
    pub(super) fn finish_running(
        &self,
        view: &View,
        laid: &WindowLayout,
        interval: Interval,
        put: &mut impl FnMut(usize, Outcome),
    ) {
        for (output, sum) in laid.outputs.iter().zip(&self.sums) {
            put(output.output, view.cells[output.cell].aggregator.finish(sum, interval));
        }
    }

    /// Moves the window to `interval`, which never lies before an earlier one.
    pub(super) fn advance(&mut self, view: &View, laid: &WindowLayout, ring: &Ring, interval: Interval) {
        self.release(view, laid, ring, interval.start);
        while self.head < ring.end() && ring.start(self.head) < interval.end {
            let states = ring.states(self.head);
            for (output, sum) in laid.outputs.iter().zip(&mut self.sums) {
                view.cells[output.cell].aggregator.merge(sum, &states[output.slot]);
            }
            self.head += 1;
        }
    }

    /// Lets go of the tiles before `start`.
    pub(super) fn release(&mut self, view: &View, laid: &WindowLayout, ring: &Ring, start: Instant) {
        self.start = self.start.max(start);
        let old = self.tail;
        let mut tail = self.tail;
        while tail < ring.end() && ring.start(tail) < start {
            tail += 1;
        }
        if tail == old {
            return;
        }
        if tail >= self.head {
            (self.tail, self.mid, self.head) = (tail, tail, tail);
            self.suffixes.clear();
            self.empty(view, laid, |_| true);
            return;
        }
        for (at, output) in laid.outputs.iter().enumerate().filter(|(_, output)| output.runs) {
            for seq in old..tail {
                view.cells[output.cell]
                    .aggregator
                    .take_back(&mut self.sums[at], &ring.states(seq)[output.slot]);
            }
        }
        self.tail = tail;
        if tail < self.mid {
            self.suffixes.truncate((self.mid - tail) as usize * self.stacked.len());
        } else {
            self.flip(view, laid, ring);
        }
    }

    /// Makes the newer part the older: one state per suffix of `[tail, head)`.
    fn flip(&mut self, view: &View, laid: &WindowLayout, ring: &Ring) {
        self.mid = self.head;
        self.suffixes.clear();
        if self.stacked.is_empty() {
            return;
        }
        self.empty(view, laid, |output| !output.runs);
        let width = self.stacked.len();
        for seq in (self.tail..self.mid).rev() {
            for &at in &self.stacked {
                let output = &laid.outputs[at];
                let mut state = ring.states(seq)[output.slot].clone();
                if let Some(next) = self.suffixes.len().checked_sub(width) {
                    view.cells[output.cell].aggregator.merge(&mut state, &self.suffixes[next]);
                }
                self.suffixes.push(state);
            }
        }
    }

    /// Makes room for a tile that was put at `seq`, still without rows, before tiles that are held.
    pub(super) fn make_room(&mut self, view: &View, laid: &WindowLayout, seq: u64, start: Instant) {
        if seq > self.head || (seq == self.head && start >= self.start) {
            // Not taken in yet: the next move will.
            return;
        }
        if start < self.start {
            (self.tail, self.mid, self.head) = (self.tail + 1, self.mid + 1, self.head + 1);
            return;
        }
        self.head += 1;
        if seq >= self.mid {
            return;
        }
        let width = self.stacked.len();
        // The suffix from the new tile on equals that from the tile after it, which begins lower.
        let after = (self.mid - seq) as usize * width;
        self.mid += 1;
        for (at, &stacked) in self.stacked.iter().enumerate() {
            let state = match after.checked_sub(width) {
                Some(next) => self.suffixes[next + at].clone(),
                None => view.cells[laid.outputs[stacked].cell].aggregator.empty(),
            };
            self.suffixes.insert(after + at, state);
        }
    }

    /// Adds a late row of closed tile `seq` to whatever holds that tile.
    pub(super) fn push_held<'a>(&mut self, view: &View, laid: &WindowLayout, seq: u64, row: &impl Row<'a>) {
        if !(self.tail..self.head).contains(&seq) {
            return;
        }
        for (output, sum) in laid.outputs.iter().zip(&mut self.sums) {
            if output.runs || seq >= self.mid {
                view.update_cell(output.cell, sum, row);
            }
        }
        let width = self.stacked.len();
        if width == 0 || seq >= self.mid {
            return;
        }
        let containing = (self.mid - 1 - seq) as usize * width;
        for states in self.suffixes[containing..].chunks_exact_mut(width) {
            for (&at, state) in self.stacked.iter().zip(states) {
                view.update_cell(laid.outputs[at].cell, state, row);
            }
        }
    }

    /// The states of `[tail, head)`, one per output, copied into `into`.
    pub(super) fn collect(&self, view: &View, laid: &WindowLayout, into: &mut Vec<State>) {
        into.clear();
        into.extend(self.sums.iter().cloned());
        let Some(whole) = self.suffixes.len().checked_sub(self.stacked.len()) else { return };
        for (&at, from) in self.stacked.iter().zip(&self.suffixes[whole..]) {
            view.cells[laid.outputs[at].cell].aggregator.merge(&mut into[at], from);
        }
    }
}
