//! The staircase of tiles: at which resolution an instant is stored, and which tiles make a window.
//!
//! ```text
//!  age      0 ........... 1h+5m ............ 7d+1h ............ 31d
//!  level    5-minute      1-hour             1-day              base, or dropped
//! ```
//!
//! Each instant is stored once, at the finest hop that some window can still cut at that age. A
//! tile moves to a coarser level once no edge of a finer window can fall inside it any more, and
//! leaves the staircase once no window reaches it: into the base if some window is `over all`.

use crate::time::{Instant, Micros};
use crate::view::View;
use crate::window::{Interval, Reach, Window, bounds};

/// A tile: the rows with `start <= tau < start + hop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Its first instant, a multiple of `hop`.
    pub start: Instant,
    /// Its length.
    pub hop: Micros,
}

impl Tile {
    /// The tile of length `hop` that holds `tau`.
    pub fn holding(tau: Instant, hop: Micros) -> Self {
        Self { start: tau.floor(hop), hop }
    }

    /// The last instant inside.
    pub fn youngest(self) -> Instant {
        self.start.plus(self.hop).minus(Micros(1))
    }
}

/// The hop at which an instant `tau` is stored when the clock stands at `clock`: the finest of the
/// windows that some evaluation after `clock` can still reach it with. `None`: no window with a
/// length reaches it any more.
pub fn level(view: &View, clock: Instant, tau: Instant) -> Option<Micros> {
    let soonest = clock.next();
    view.windows
        .iter()
        .filter(|window| matches!(window.reach, Reach::Length(_)) && bounds(window, soonest).start <= tau)
        .map(|window| window.hop)
        .min()
}

/// The interval that the tiles of `window` are taken from, where it is `interval` as `bounds` has it.
/// Every admitted row is at or after the `since` of `over all`, but the tile that holds it may start
/// before.
#[inline]
pub fn spanned(window: &Window, interval: Interval) -> Interval {
    match window.reach {
        Reach::Length(_) => interval,
        Reach::All(_) => Interval { start: Instant::MIN, ..interval },
    }
}

/// Whether a stored tile is part of a window's interval. A tile that a window still reaches is never
/// coarser than the window's hop, so its start decides.
#[inline]
pub fn cover(interval: Interval, tile: Tile) -> bool {
    interval.contains(tile.start)
}
