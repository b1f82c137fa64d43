//! Which interval a window is. The only answer to that question in the tree.

use crate::time::{Instant, Micros};

/// A half-open interval of event time, `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first instant inside.
    pub start: Instant,
    /// The first instant after.
    pub end: Instant,
}

impl Interval {
    /// Whether `tau` lies in `[start, end)`.
    #[inline]
    pub fn contains(self, tau: Instant) -> bool {
        self.start <= tau && tau < self.end
    }
}

/// How far back a window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reach {
    /// `over 7d`: that long before the evaluation instant.
    Length(Micros),
    /// `over all`: to this instant, [`Instant::MIN`] without a `since`.
    All(Instant),
}

/// A window of a feature: `over W every h offset d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// How far back.
    pub reach: Reach,
    /// The step of the window's edges, aligned to the Unix epoch. Not used by `over all`.
    pub hop: Micros,
    /// How long before the evaluation instant the window ends; zero for a live head.
    pub offset: Micros,
}

/// The interval of `window` as seen from `t`.
///
/// Shape: `[floor(t - W, h), t)`; with an offset `d`, `[floor(t - d - W, h), floor(t - d, h))`;
/// `over all` begins at its `since`. The head is exact, so a row at `t` itself is never inside.
/// Source: SEMANTICS, section 3.
#[inline]
pub fn bounds(window: &Window, t: Instant) -> Interval {
    let Window { reach, hop, offset } = *window;
    let end = if offset == Micros::ZERO { t } else { t.minus(offset).floor(hop) };
    let start = match reach {
        Reach::Length(length) => t.minus(offset).minus(length).floor(hop),
        Reach::All(since) => since,
    };
    Interval { start, end }
}

/// The hops that a window may have without saying so, finest first.
pub const LADDER: [Micros; 6] = [
    Micros::SECOND,
    Micros(10 * Micros::SECOND.0),
    Micros::MINUTE,
    Micros(5 * Micros::MINUTE.0),
    Micros::HOUR,
    Micros::DAY,
];

/// The hop of a window that names none: the largest of [`LADDER`] that divides `length` and is not
/// above a twelfth of it. `None` for a window too short or too odd for any of them, which must say
/// `every`.
pub fn default_hop(length: Micros) -> Option<Micros> {
    LADDER.into_iter().rev().find(|hop| length.0 % hop.0 == 0 && hop.0 <= length.0 / 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(length: Micros, hop: Micros, offset: Micros) -> Window {
        Window { reach: Reach::Length(length), hop, offset }
    }

    #[test]
    fn default_hops_are_the_documented_ones() {
        let hop = |length: i64| default_hop(Micros(length)).map(|hop| hop.to_string());
        assert_eq!(hop(Micros::HOUR.0).as_deref(), Some("5m"));
        assert_eq!(hop(Micros::DAY.0).as_deref(), Some("1h"));
        assert_eq!(hop(7 * Micros::DAY.0).as_deref(), Some("1h"));
        assert_eq!(hop(30 * Micros::DAY.0).as_deref(), Some("1d"));
        assert_eq!(hop(11 * Micros::SECOND.0), None);
    }

    #[test]
    fn the_head_is_exact_and_the_tail_stands_on_a_hop() {
        let interval = bounds(&over(Micros(20), Micros(5), Micros::ZERO), Instant(103));
        assert_eq!(interval, Interval { start: Instant(80), end: Instant(103) });
        assert!(!interval.contains(Instant(103)));
    }

    #[test]
    fn with_an_offset_both_edges_stand_on_hops() {
        let interval = bounds(&over(Micros(20), Micros(5), Micros(7)), Instant(103));
        assert_eq!(interval, Interval { start: Instant(75), end: Instant(95) });
    }
}
