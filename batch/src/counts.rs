//! How many questions had which outcome.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use feat_kernel::presence::Presence;

/// How many spine rows of one group had which outcome. The first four add up to the rows;
/// a derived group has errors only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Some row was visible within the longest window.
    pub present: u64,
    /// None was.
    pub empty: u64,
    /// None was younger than the group's `ttl`.
    pub absent: u64,
    /// The spine's key was null.
    pub no_key: u64,
    /// Outputs whose value did not fit its type.
    pub overflow: u64,
    /// Features whose expression could not be evaluated.
    pub error: u64,
}

/// Counts while partitions run.
#[derive(Debug, Default)]
pub(crate) struct OutcomeCounter {
    present: AtomicU64,
    empty: AtomicU64,
    absent: AtomicU64,
    overflow: AtomicU64,
}

impl OutcomeCounter {
    /// Counts a question.
    pub(crate) fn count(&self, presence: Presence) {
        let counter = match presence {
            Presence::Present => &self.present,
            Presence::Empty => &self.empty,
            Presence::Absent => &self.absent,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts outputs whose value did not fit its type.
    pub(crate) fn overflowed(&self, outputs: u64) {
        self.overflow.fetch_add(outputs, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn outcomes(&self) -> Outcomes {
        Outcomes {
            present: self.present.load(Ordering::Relaxed),
            empty: self.empty.load(Ordering::Relaxed),
            absent: self.absent.load(Ordering::Relaxed),
            overflow: self.overflow.load(Ordering::Relaxed),
            ..Outcomes::default()
        }
    }
}
