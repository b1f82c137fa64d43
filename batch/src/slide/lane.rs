//! One cell's states, of their own type: the open and closed tiles of each ring, and what each
//! window has accumulated.

use std::collections::VecDeque;
use std::fmt::Debug;

use feat_kernel::agg::{Aggregate, Outcome, Part, Typed};
use feat_kernel::value::Value;
use feat_kernel::view::Cell;
use feat_kernel::window::Interval;

use super::Layout;
use super::step::{At, Page, Program, Step};

/// A cell that does steps.
pub(super) trait Lane: Debug + Send {
    /// Does the steps of `program` over the rows of `page`; answers go to `answers`, by output.
    /// How many of them did not fit their type.
    fn run(&mut self, program: &Program, page: &Page<'_>, answers: &mut [Vec<Value>]) -> u64;
}

/// The lane of cell `cell`.
pub(super) fn lane(layout: &Layout, cell: usize) -> Box<dyn Lane> {
    let Cell { aggregator, args, .. } = &layout.view.cells[cell];
    let argument = args.first().map(|&arg| &layout.view.args[arg]);
    aggregator.typed(argument, Start { layout, cell })
}

struct Start<'a> {
    layout: &'a Layout,
    cell: usize,
}

impl Typed for Start<'_> {
    type Output = Box<dyn Lane>;

    fn over<A: Aggregate>(self, aggregate: A) -> Box<dyn Lane> {
        let Self { layout, cell } = self;
        let Cell { args, mask, .. } = layout.view.cells[cell].clone();
        let depth = layout.rings.iter().filter(|ring| ring.cells.contains(&cell)).count();
        let windows = layout.windows.iter().map(|laid| {
            let outputs: Vec<(usize, Part)> = laid
                .outputs
                .iter()
                .filter(|output| output.cell == cell)
                .map(|output| (output.output, output.part))
                .collect();
            (!outputs.is_empty()).then(|| Held {
                outputs,
                ring: laid.ring,
                sum: A::State::default(),
                suffixes: Vec::new(),
            })
        });
        Box::new(CellLane {
            runs: aggregate.can_take_back(),
            aggregate,
            args,
            mask,
            rings: (0..depth).map(|_| Tiles { closed: VecDeque::new(), open: A::State::default() }).collect(),
            windows: windows.collect(),
            scratch: A::State::default(),
        })
    }
}

/// The states of one cell. A cell has tiles in the finest rings, down to the coarsest that a window
/// of its own stands on.
#[derive(Debug)]
struct CellLane<A: Aggregate> {
    aggregate: A,
    args: Vec<usize>,
    mask: Option<usize>,
    /// Whether its windows run by taking back.
    runs: bool,
    rings: Vec<Tiles<A::State>>,
    /// `None` where no output reads this cell over the window.
    windows: Vec<Option<Held<A::State>>>,
    scratch: A::State,
}

/// The states of a ring's tiles, oldest first.
#[derive(Debug)]
struct Tiles<S> {
    closed: VecDeque<S>,
    open: S,
}

/// What a window holds.
///
/// Where states can take back, `sum` is the state of all of its tiles. Otherwise it is that of the
/// newer part, and `suffixes` has, for each tile of the older part, newest first, the state of that
/// tile and all up to the newer part; its last stands for the whole older part.
#[derive(Debug)]
struct Held<S> {
    /// What it gives: the output, and what of the state that is.
    outputs: Vec<(usize, Part)>,
    /// `None`: `over all`, one running state.
    ring: Option<usize>,
    sum: S,
    suffixes: Vec<S>,
}

impl<A: Aggregate> CellLane<A> {
    fn clear(&mut self) {
        for tiles in &mut self.rings {
            tiles.closed.clear();
            tiles.open = A::State::default();
        }
        for held in self.windows.iter_mut().flatten() {
            held.sum = A::State::default();
            held.suffixes.clear();
        }
    }

    fn close(&mut self, ring: usize) {
        let Some((tiles, coarser)) = self.rings.get_mut(ring..).and_then(<[_]>::split_first_mut) else {
            return;
        };
        if let Some(above) = coarser.first_mut() {
            self.aggregate.merge(&mut above.open, &tiles.open);
        }
        tiles.closed.push_back(std::mem::take(&mut tiles.open));
    }

    fn take(&mut self, window: u16, from: u32, to: u32) {
        let Some(held) = &mut self.windows[usize::from(window)] else { return };
        let Some(ring) = held.ring else { return };
        for state in self.rings[ring].closed.range(from as usize..to as usize) {
            self.aggregate.merge(&mut held.sum, state);
        }
    }

    fn release(&mut self, window: u16, from: u32, to: u32, older: u32, head: u32) {
        let Some(tiles) = &mut self.windows[usize::from(window)] else { return };
        let Some(ring) = tiles.ring else { return };
        let closed = &self.rings[ring].closed;
        if self.runs {
            for state in closed.range(from as usize..to as usize) {
                self.aggregate.take_back(&mut tiles.sum, state);
            }
        } else if older > 0 {
            tiles.suffixes.truncate(older as usize);
        } else {
            // The newer part becomes the older: one state per suffix.
            tiles.sum = A::State::default();
            tiles.suffixes.clear();
            for state in closed.range(to as usize..head as usize).rev() {
                let mut suffix = state.clone();
                if let Some(next) = tiles.suffixes.last() {
                    self.aggregate.merge(&mut suffix, next);
                }
                tiles.suffixes.push(suffix);
            }
        }
    }

    fn make_room(&mut self, window: u16, after: u32) {
        let Some(held) = self.windows[usize::from(window)].as_mut().filter(|_| !self.runs) else { return };
        let after = after as usize;
        // The suffix from the new tile on equals that from the tile after it, which begins lower.
        let state = after.checked_sub(1).map_or_else(A::State::default, |next| held.suffixes[next].clone());
        held.suffixes.insert(after, state);
    }

    /// Answers a question; how many outputs did not fit their type.
    fn ask(
        &mut self,
        window: u16,
        open: u64,
        interval: Interval,
        answers: &mut [Vec<Value>],
        answer: usize,
    ) -> u64 {
        let Some(held) = &self.windows[usize::from(window)] else { return 0 };
        let older = held.suffixes.last();
        let state = if open == 0 && older.is_none() {
            &held.sum
        } else {
            self.scratch.clone_from(&held.sum);
            if let Some(older) = older {
                self.aggregate.merge(&mut self.scratch, older);
            }
            let mut rings = open;
            while rings != 0 {
                self.aggregate.merge(&mut self.scratch, &self.rings[rings.trailing_zeros() as usize].open);
                rings &= rings - 1;
            }
            &self.scratch
        };
        let mut overflows = 0;
        for &(output, part) in &held.outputs {
            match self.aggregate.finish_part(state, interval, part) {
                // What was there is null, and needs no look.
                Outcome::Value(value) => {
                    std::mem::forget(std::mem::replace(&mut answers[output][answer], value));
                }
                Outcome::Overflow => overflows += 1,
            }
        }
        overflows
    }
}

impl<A: Aggregate> Lane for CellLane<A> {
    fn run(&mut self, program: &Program, page: &Page<'_>, answers: &mut [Vec<Value>]) -> u64 {
        let mut overflows = 0;
        for step in &program.steps {
            match *step {
                Step::Row { ring, row } => {
                    if let Some(tiles) = self.rings.get_mut(usize::from(ring)) {
                        update(&self.aggregate, &self.args, self.mask, &mut tiles.open, page, row);
                    }
                }
                Step::Close { ring } => self.close(usize::from(ring)),
                Step::Retire { ring, tiles } => {
                    if let Some(ring) = self.rings.get_mut(usize::from(ring)) {
                        // Nearly always one.
                        (0..tiles).for_each(|_| drop(ring.closed.pop_front()));
                    }
                }
                Step::Take { window, from, to } => self.take(window, from, to),
                Step::Release { window, from, to, older, head } => {
                    self.release(window, from, to, older, head);
                }
                Step::Ask { window, open, interval, answer } => {
                    let interval = program.intervals[interval as usize];
                    overflows += self.ask(window, open, interval, answers, answer as usize);
                }
                Step::Running { window, row } => {
                    if let Some(held) = &mut self.windows[usize::from(window)] {
                        update(&self.aggregate, &self.args, self.mask, &mut held.sum, page, row);
                    }
                }
                Step::Empty { window } => {
                    if let Some(held) = &mut self.windows[usize::from(window)] {
                        held.sum = A::State::default();
                        held.suffixes.clear();
                    }
                }
                Step::Clear => self.clear(),
                Step::Make { ring, tile } => {
                    if let Some(ring) = self.rings.get_mut(usize::from(ring)) {
                        ring.closed.insert(tile as usize, A::State::default());
                    }
                }
                Step::Late { ring, tile, row } => {
                    if let Some(ring) = self.rings.get_mut(usize::from(ring)) {
                        let state = &mut ring.closed[tile as usize];
                        update(&self.aggregate, &self.args, self.mask, state, page, row);
                    }
                }
                Step::Room { window, after } => self.make_room(window, after),
                Step::Held { window, newer, suffix, row } => {
                    let Some(held) = &mut self.windows[usize::from(window)] else { continue };
                    if self.runs || newer {
                        update(&self.aggregate, &self.args, self.mask, &mut held.sum, page, row);
                    } else {
                        for state in &mut held.suffixes[suffix as usize..] {
                            update(&self.aggregate, &self.args, self.mask, state, page, row);
                        }
                    }
                }
            }
        }
        overflows
    }
}

/// Adds a row to a state, if the cell's `where` lets it.
#[inline]
fn update<A: Aggregate>(
    aggregate: &A,
    args: &[usize],
    mask: Option<usize>,
    state: &mut A::State,
    page: &Page<'_>,
    row: At,
) {
    let row = page.find(row);
    if mask.is_none_or(|mask| row.mask(mask)) {
        aggregate.update(state, row.input::<A>(args));
    }
}
