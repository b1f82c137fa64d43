//! Which rows count once: the ids that one key has admitted.
//!
//! Everything else that admission tests is a matter of one row alone and was settled when the row
//! was prepared.

use std::collections::BTreeMap;

use crate::row::Row;
use crate::time::Instant;
use crate::view::View;

/// Below this many ids a map is not worth cleaning.
const SMALL: usize = 64;

/// The ids that one key has admitted, each with the known of the last row it admitted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Admission {
    ids: BTreeMap<Vec<u8>, Instant>,
    clean_at: usize,
}

impl Admission {
    /// Whether `row` counts: false when an admitted row of the same id precedes it and lies at most
    /// `within` earlier in known. A row that does not count does not lengthen the horizon.
    ///
    /// Rows of a key must come in (known, row order). Ids whose horizon has passed are forgotten
    /// now and then, so memory follows the horizon.
    pub fn admit<'a>(&mut self, view: &View, row: &impl Row<'a>) -> bool {
        let (Some(dedupe), Some(id)) = (view.dedupe, row.id()) else { return true };
        let known = row.known();
        match self.ids.get_mut(id) {
            Some(last) if dedupe.within.is_none_or(|within| known.since(*last) <= within) => return false,
            Some(last) => *last = known,
            None => {
                self.ids.insert(id.to_vec(), known);
                if self.ids.len() > self.clean_at.max(SMALL) {
                    self.forget(view, known);
                    self.clean_at = 2 * self.ids.len();
                }
            }
        }
        true
    }

    /// Whether `row` would count, without remembering it. `later` holds what rows between would
    /// have added.
    pub(crate) fn peek<'a>(
        &self,
        view: &View,
        row: &impl Row<'a>,
        later: &mut BTreeMap<Vec<u8>, Instant>,
    ) -> bool {
        let (Some(dedupe), Some(id)) = (view.dedupe, row.id()) else { return true };
        let known = row.known();
        let last = later.get(id).or_else(|| self.ids.get(id));
        if last.is_some_and(|last| dedupe.within.is_none_or(|within| known.since(*last) <= within)) {
            return false;
        }
        later.insert(id.to_vec(), known);
        true
    }

    /// Forgets the ids that no row known at `clock` or later can repeat.
    pub fn forget(&mut self, view: &View, clock: Instant) {
        if let Some(within) = view.dedupe.and_then(|dedupe| dedupe.within) {
            self.ids.retain(|_, known| clock.since(*known) <= within);
        }
    }

    /// Whether no id is remembered.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids in byte order with the known of each.
    pub(crate) fn ids(&self) -> impl ExactSizeIterator<Item = (&Vec<u8>, &Instant)> {
        self.ids.iter()
    }

    pub(crate) fn from_ids(ids: BTreeMap<Vec<u8>, Instant>) -> Self {
        Self { ids, clean_at: 0 }
    }
}
