//! How a key stands at an instant: decided in one place, by its newest row.

use crate::time::Instant;
use crate::view::View;
use crate::window::bounds;

/// How a key stands at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A visible row lies within the longest window.
    Present,
    /// None does; aggregates are those of no rows.
    Empty,
    /// By `ttl` the key is not there; every value is null.
    Absent,
}

impl View {
    /// How a key stands at `t` whose newest visible row that counts has the effective time `newest`.
    #[inline]
    pub fn presence(&self, newest: Option<Instant>, t: Instant) -> Presence {
        if self.ttl.is_some_and(|ttl| newest.is_none_or(|newest| newest < t.minus(ttl))) {
            return Presence::Absent;
        }
        // Every admitted row is at or after `since`, where `over all` begins.
        let reach = self.windows.iter().map(|window| bounds(window, t).start).min();
        match newest {
            Some(newest) if reach.is_some_and(|reach| newest >= reach) => Presence::Present,
            _ => Presence::Empty,
        }
    }
}
