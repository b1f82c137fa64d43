//! How often each thing happened, counted from every thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts by what was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Mutex<BTreeMap<String, u64>>>);

impl Tally {
    /// One more of `what`.
    pub(crate) fn count(&self, what: &str) {
        *self.lock().entry(what.to_owned()).or_default() += 1;
    }

    /// How often `what` was counted.
    pub(crate) fn of(&self, what: &str) -> u64 {
        self.lock().get(what).copied().unwrap_or_default()
    }

    /// Everything that was counted.
    pub(crate) fn all(&self) -> BTreeMap<String, u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
