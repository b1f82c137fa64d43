//! When idle entities are looked for, a few with each commit.

use bytes::Bytes;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::view::View;
use feat_kernel::window::Reach;

/// How many entities one commit looks at: their decoding stays small beside a chunk of writes.
pub(crate) const LIMIT: usize = 64;

/// A walk over the entities of a partition, begun anew once the clock has moved on far enough.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// `None`: no entity can ever be idle.
    every: Option<Micros>,
    /// When the next walk begins.
    next: Instant,
    walk: Option<Look>,
}

/// Where the next few entities of a walk begin.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// The key before the first; `None` at the beginning.
    pub(crate) after: Option<Bytes>,
}

impl Sweep {
    /// The sweep of a partition whose clock stands at `clock`.
    pub(crate) fn new(view: &View, clock: Instant) -> Self {
        let every = (!view.reaches_all()).then(|| interval(view));
        Self { every, next: clock.plus(every.unwrap_or_default()), walk: None }
    }

    /// Where the next look begins, if one is due at `clock`.
    pub(crate) fn due(&mut self, clock: Instant) -> Option<Look> {
        let every = self.every?;
        if self.walk.is_none() && clock >= self.next {
            self.next = clock.plus(every);
            self.walk = Some(Look { after: None });
        }
        self.walk.clone()
    }

    /// A look found `found` entities, the last of which is `last`.
    pub(crate) fn looked(&mut self, found: usize, last: Option<Bytes>) {
        self.walk = (found == LIMIT).then_some(Look { after: last });
    }
}

/// An eighth of the time after which an entity without rows is idle: memory held for nothing stays
/// within an eighth, and every entity is decoded eight times in its life for it.
fn interval(view: &View) -> Micros {
    let windows = view.windows.iter().map(|window| match window.reach {
        Reach::Length(length) => length.0.saturating_add(window.hop.0).saturating_add(window.offset.0),
        Reach::All(_) => i64::MAX,
    });
    let horizon = view.dedupe.and_then(|dedupe| dedupe.within).unwrap_or_default().0;
    let ttl = view.ttl.unwrap_or_default().0;
    Micros((windows.chain([horizon, ttl]).max().unwrap_or(0) / 8).max(Micros::SECOND.0))
}
