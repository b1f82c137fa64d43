//! Which tiles a window holds.

use feat_kernel::time::Instant;
use feat_kernel::window::Interval;

use super::ring::Ring;
use super::step::{At, Program, Step};

/// The closed tiles `[tail, head)` of a ring. States that can take back run over all of them; of the
/// others there is one per suffix of the older part `[tail, mid)`, and one of the newer part.
#[derive(Debug)]
pub(super) struct Held {
    tail: u64,
    mid: u64,
    head: u64,
    /// Where the window began when it was last moved: an older tile that turns up late is outside.
    start: Instant,
}

impl Held {
    pub(super) fn new() -> Self {
        Self { tail: 0, mid: 0, head: 0, start: Instant::MIN }
    }

    /// Moves the window to `interval`, which never lies before an earlier one.
    pub(super) fn advance(&mut self, window: usize, ring: &Ring, interval: Interval, program: &mut Program) {
        self.release(window, ring, interval.start, program);
        let old = self.head;
        while self.head < ring.end() && ring.covers(interval, self.head) {
            self.head += 1;
        }
        if self.head > old {
            let (from, to) = (ring.place(old), ring.place(self.head));
            program.push(Step::Take { window: window as u16, from, to });
        }
    }

    /// Lets go of the tiles before `start`.
    pub(super) fn release(&mut self, window: usize, ring: &Ring, start: Instant, program: &mut Program) {
        self.start = self.start.max(start);
        let old = self.tail;
        let mut tail = old;
        let since = Interval { start, end: Instant::MAX };
        while tail < ring.end() && !ring.covers(since, tail) {
            tail += 1;
        }
        if tail == old {
            return;
        }
        if tail >= self.head {
            if self.head > old {
                program.push(Step::Empty { window: window as u16 });
            }
            (self.tail, self.mid, self.head) = (tail, tail, tail);
            return;
        }
        let older = self.mid.saturating_sub(tail) as u32;
        let (from, to, head) = (ring.place(old), ring.place(tail), ring.place(self.head));
        program.push(Step::Release { window: window as u16, from, to, older, head });
        self.tail = tail;
        if older == 0 {
            self.mid = self.head;
        }
    }

    /// Makes room for a tile that was put at `seq`, still without rows, before tiles that are held.
    pub(super) fn make_room(&mut self, window: usize, seq: u64, start: Instant, program: &mut Program) {
        if seq > self.head || (seq == self.head && start >= self.start) {
            // Not taken in yet: the next move will.
            return;
        }
        if start < self.start {
            (self.tail, self.mid, self.head) = (self.tail + 1, self.mid + 1, self.head + 1);
            return;
        }
        self.head += 1;
        if seq < self.mid {
            program.push(Step::Room { window: window as u16, after: (self.mid - seq) as u32 });
            self.mid += 1;
        }
    }

    /// Adds a late row of closed tile `seq` to whatever holds that tile.
    pub(super) fn push_late(&self, window: usize, seq: u64, row: At, program: &mut Program) {
        if (self.tail..self.head).contains(&seq) {
            let newer = seq >= self.mid;
            let suffix = if newer { 0 } else { (self.mid - 1 - seq) as u32 };
            program.push(Step::Held { window: window as u16, newer, suffix, row });
        }
    }
}
