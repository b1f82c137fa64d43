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
//! A key of few rows, far apart, has one ring of tiles of an instant each instead: its rows are closed
//! into nothing coarser ([`Layouts`]). Answers are the same, since merge is associative.
//!
//! Where the tiles are is worked out once ([`Ring`], [`Held`]); the states that this is done to are
//! kept cell by cell, each in vectors of its own type ([`lane`]), and moved by the steps that say what
//! happened ([`step`]). Edges come from [`feat_kernel::window::bounds`]
//! alone, and which tiles lie between them from [`feat_kernel::tile::cover`].

mod lane;
mod layout;
mod ring;
mod step;
mod window;

use std::sync::Arc;

use feat_kernel::presence::Presence;
use feat_kernel::tile::spanned;
use feat_kernel::time::Instant;
use feat_kernel::value::Value;
use feat_kernel::window::{Reach, bounds};

use lane::{Lane, lane};
use layout::{Layout, RingLayout};
pub(crate) use layout::{Layouts, Outlook};
use ring::Ring;
pub(crate) use step::{At, Page};
use step::{Program, Step};
use window::Held;

/// The windows of one key after another. Rows and questions come in the order of time.
#[derive(Debug)]
pub(crate) struct Slide {
    layout: Arc<Layout>,
    rings: Vec<Ring>,
    windows: Vec<Held>,
    /// The greatest `tau` of a row that counts.
    newest: Option<Instant>,
    lanes: Vec<Box<dyn Lane>>,
    program: Program,
}

impl Slide {
    /// A key without rows.
    pub(crate) fn new(layout: Arc<Layout>) -> Self {
        Self {
            rings: layout.rings.iter().map(|ring| Ring::new(ring.hop)).collect(),
            windows: layout.windows.iter().map(|_| Held::new()).collect(),
            newest: None,
            lanes: (0..layout.view.cells.len()).map(|cell| lane(&layout, cell)).collect(),
            program: Program::default(),
            layout,
        }
    }

    /// Whether its windows are laid as `layout` says.
    pub(crate) fn is_laid(&self, layout: &Arc<Layout>) -> bool {
        Arc::ptr_eq(&self.layout, layout)
    }

    /// Forgets every row: the next key's turn.
    pub(crate) fn clear(&mut self) {
        self.rings.iter_mut().for_each(Ring::clear);
        self.windows.fill_with(Held::new);
        self.newest = None;
        self.program.push(Step::Clear);
    }

    /// Adds a row that passed the group's `where` and is no duplicate: `tau` is its effective event
    /// time, `row` where it stands.
    ///
    /// Rows come in the order in which they become visible, and before any question they are
    /// visible to. Cost: one update per distinct cell, and when a tile closes one merge per ring,
    /// amortised; a late row costs one update per ring and per window that holds its tile.
    pub(crate) fn push(&mut self, tau: Instant, row: At) {
        self.newest = self.newest.max(Some(tau));
        for (window, laid) in self.layout.windows.iter().enumerate() {
            if laid.ring.is_none() && matches!(laid.window.reach, Reach::All(since) if tau >= since) {
                self.program.push(Step::Running { window: window as u16, row });
            }
        }
        let Some(finest) = self.layout.rings.first() else { return };
        let start = tau.floor(finest.hop);
        match self.rings[0].open() {
            Some(open) if start < open => return self.push_late(tau, row),
            Some(open) if start == open => {}
            _ => self.close(0, start),
        }
        self.program.push(Step::Row { ring: 0, row });
    }

    /// Closes the open tile of ring `at`, handing it to the coarser ring, and opens that of `start`.
    fn close(&mut self, at: usize, start: Instant) {
        if let (Some(open), Some(coarser)) = (self.rings[at].open(), self.layout.rings.get(at + 1)) {
            let above = open.floor(coarser.hop);
            if self.rings[at + 1].open() != Some(above) {
                self.close(at + 1, above);
            }
        }
        let Self { layout, rings, windows, program, .. } = self;
        rings[at].roll(at, start, program);
        rings[at].retire(start, at, layout, windows, program);
    }

    /// Adds a row whose tile of the finest ring has closed: to the closed tile of each ring, up to
    /// the first whose tile is still open, which hands it on when it closes.
    fn push_late(&mut self, tau: Instant, row: At) {
        for at in 0..self.rings.len() {
            let start = tau.floor(self.layout.rings[at].hop);
            if self.rings[at].open().is_none_or(|open| open <= start) {
                if self.rings[at].open() != Some(start) {
                    self.close(at, start);
                }
                return self.program.push(Step::Row { ring: at as u8, row });
            }
            let Self { layout, rings, windows, program, .. } = self;
            let laid = &layout.rings[at];
            let Some((seq, made)) = rings[at].late(at, laid, start, program) else { continue };
            program.push(Step::Late { ring: at as u8, tile: rings[at].place(seq), row });
            for &window in &laid.windows {
                if made {
                    windows[window].make_room(window, seq, start, program);
                }
                windows[window].push_late(window, seq, row, program);
            }
        }
    }

    /// Asks for the outputs at `t`, which will be answer number `answer`, and says how the key stands.
    ///
    /// Every row pushed so far is visible at `t`; `t` never goes back.
    /// Absent by `ttl`: nothing is asked, and the answer stays null.
    pub(crate) fn ask(&mut self, t: Instant, answer: usize) -> Presence {
        let presence = self.layout.view.presence(self.newest, t);
        if presence == Presence::Absent {
            return presence;
        }
        let Self { layout, rings, windows, program, .. } = self;
        for (window, laid) in layout.windows.iter().enumerate() {
            let bounds = bounds(&laid.window, t);
            let mut open = 0;
            if let Some(at) = laid.ring {
                let tiles = spanned(&laid.window, bounds);
                windows[window].advance(window, &rings[at], tiles, program);
                // Finer rings' open tiles have not been handed up yet.
                for (finer, ring) in rings[..=at].iter().enumerate() {
                    open |= u64::from(ring.covers_open(tiles)) << finer;
                }
            }
            let interval = program.intervals.len() as u32;
            program.intervals.push(bounds);
            program.push(Step::Ask { window: window as u16, open, interval, answer: answer as u32 });
        }
        presence
    }

    /// Whether some row counts so far.
    pub(crate) fn is_known(&self) -> bool {
        self.newest.is_some()
    }

    /// Whether so much waits that it should be [settled](Slide::settle) soon.
    pub(crate) fn is_full(&self) -> bool {
        self.program.is_long()
    }

    /// Does what was pushed and asked since the last time: `page` holds those rows, `answers` has a
    /// place for each answer, by output. How many answers did not fit their type; they stay null.
    pub(crate) fn settle(&mut self, page: &Page<'_>, answers: &mut [Vec<Value>]) -> u64 {
        let Self { lanes, program, .. } = self;
        let overflows = lanes.iter_mut().map(|lane| lane.run(program, page, answers)).sum();
        program.clear();
        overflows
    }
}

#[cfg(test)]
mod tests;
