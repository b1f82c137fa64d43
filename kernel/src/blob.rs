//! A blob: everything kept of one entity for one view.
//!
//! Rows that are known only at or after the partition's clock wait as they are; once the clock is
//! greater than a row's known, the row is folded into the tile of its age. The blob remembers the
//! clock of its last write, and that alone drives compaction: two blobs that saw the same rows at
//! the same clocks are equal, whenever they were read or restarted.

mod bytes;

use std::collections::BTreeMap;

use crate::admit::Admission;
use crate::agg::State;
use crate::row::{Kept, Row};
use crate::tile::{Tile, level};
use crate::time::Instant;
use crate::view::View;

/// What is kept of one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Blob {
    /// The partition's clock at the last write; [`Instant::MIN`] in a new one.
    pub(crate) clock: Instant,
    /// The greatest tau of a folded row that passed the group's `where`.
    pub(crate) newest: Option<Instant>,
    /// States of the cells that some `over all` reads, of rows that left the staircase; in the order
    /// of [`View::base`].
    pub(crate) base: Option<Vec<State>>,
    /// The staircase, oldest first.
    pub(crate) tiles: BTreeMap<Tile, Vec<State>>,
    /// Rows not folded yet in (known, row order), each with whether it is a duplicate.
    pub(crate) kept: Vec<(Kept, bool)>,
    /// Ids within the dedupe horizon.
    pub(crate) admission: Admission,
}

impl Default for Blob {
    /// The blob of an entity without rows.
    fn default() -> Self {
        Self {
            clock: Instant::MIN,
            newest: None,
            base: None,
            tiles: BTreeMap::new(),
            kept: Vec::new(),
            admission: Admission::default(),
        }
    }
}

/// What became of the rows that [`Blob::advance`] took out of waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Rows that count.
    pub rows: u64,
    /// Rows that do not, since their id was admitted before.
    pub duplicates: u64,
}

impl Blob {
    /// The partition's clock at the last write: a lookup's `t` must be greater.
    pub fn clock(&self) -> Instant {
        self.clock
    }

    /// Puts `row` among the waiting ones. A row that neither counts nor can make another a
    /// duplicate is not kept at all. Follow with [`Blob::advance`].
    pub fn append<'a>(&mut self, view: &View, row: &impl Row<'a>) {
        if row.pass() || (view.dedupe.is_some() && row.id().is_some()) {
            self.kept.push((Kept::copy(view, row), false));
        }
    }

    /// Moves the blob to `clock`: folds the rows whose known lies before it, in (known, row order),
    /// flags the duplicates among those that still wait, and compacts.
    ///
    /// `clock` must not be less than at the last call. Cost: proportional to the waiting rows and
    /// the tiles.
    pub fn advance(&mut self, view: &View, clock: Instant) -> Folded {
        let mut folded = Folded::default();
        self.clock = clock;
        // Rows with equal order are equal in everything the view reads: stable or not is the same.
        self.kept.sort_unstable_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
        let due = self.kept.partition_point(|(row, _)| row.known < clock);
        let waiting = self.kept.split_off(due);
        for (row, _) in std::mem::replace(&mut self.kept, waiting) {
            if !self.admission.admit(view, &&row) {
                folded.duplicates += 1;
            } else if row.pass {
                folded.rows += 1;
                self.fold(view, &row);
            }
        }
        self.admission.forget(view, clock);
        let mut later = BTreeMap::new();
        for (row, duplicate) in &mut self.kept {
            *duplicate = !self.admission.peek(view, &&*row, &mut later);
        }
        self.compact(view);
        folded
    }

    fn fold(&mut self, view: &View, row: &Kept) {
        self.newest = self.newest.max(Some(row.tau));
        if let Some(hop) = level(view, self.clock, row.tau) {
            let states = self.tiles.entry(Tile::holding(row.tau, hop)).or_insert_with(|| view.empty());
            view.update(states, &row);
        } else {
            let mut states = view.empty();
            view.update(&mut states, &row);
            self.fold_base(view, &states);
        }
    }

    fn fold_base(&mut self, view: &View, states: &[State]) {
        let cells = view.base();
        if cells.is_empty() {
            return;
        }
        let base = self
            .base
            .get_or_insert_with(|| cells.iter().map(|&cell| view.cells[cell].aggregator.empty()).collect());
        for (into, &cell) in base.iter_mut().zip(&cells) {
            view.cells[cell].aggregator.merge(into, &states[cell]);
        }
    }

    fn compact(&mut self, view: &View) {
        let moves: Vec<_> = self
            .tiles
            .keys()
            .map(|&tile| (tile, level(view, self.clock, tile.youngest())))
            .filter(|&(tile, level)| level != Some(tile.hop) && level.is_none_or(|hop| hop > tile.hop))
            .collect();
        for (tile, level) in moves {
            let states = self.tiles.remove(&tile).expect("invariant: the tile was listed a moment ago");
            match level {
                None => self.fold_base(view, &states),
                Some(hop) => {
                    let coarser = Tile::holding(tile.start, hop);
                    match self.tiles.get_mut(&coarser) {
                        Some(into) => view.merge(into, &states),
                        None => {
                            self.tiles.insert(coarser, states);
                        }
                    }
                }
            }
        }
    }

    /// Whether nothing that this blob holds can ever be read again: an absent blob answers the same
    /// for every `t` greater than `clock`.
    pub fn is_idle(&self, view: &View, clock: Instant) -> bool {
        let unreachable =
            self.newest.is_none_or(|newest| !view.reaches_all() && level(view, clock, newest).is_none());
        let past_ttl = match (self.newest, view.ttl) {
            (Some(newest), Some(ttl)) => clock.since(newest) > ttl,
            _ => true,
        };
        let horizon = self.admission.is_empty()
            || view
                .dedupe
                .and_then(|dedupe| dedupe.within)
                .is_some_and(|within| self.admission.ids().all(|(_, known)| clock.since(*known) > within));
        unreachable && past_ttl && horizon && self.kept.is_empty()
    }
}
