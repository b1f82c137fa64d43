//! Aggregates become a view: the distinct states of a tile, the distinct windows, and what is read.

use feat_kernel::agg::{Aggregator, Class, Part};
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};
use feat_kernel::view::{Cell, Dedupe, Output, View};
use feat_kernel::window::{Reach, Window};
use indexmap::{IndexMap, IndexSet};

use super::rewrite::column_of;
use crate::ir::{self, AggregateCall, Expr};
use crate::meaning;

/// The name under which a group's expressions read output `at`.
pub(super) fn output_name(at: usize) -> String {
    format!("~{at}")
}

/// Collects aggregates; equal ones once.
#[derive(Default)]
pub(super) struct Builder {
    /// Argument and mask expressions by meaning.
    args: IndexMap<Vec<u8>, Expr>,
    masks: IndexMap<Vec<u8>, Expr>,
    /// Cells by aggregator, arguments and mask.
    cells: IndexMap<(String, Vec<usize>, Option<usize>), Cell>,
    windows: IndexSet<Window>,
    outputs: IndexMap<Output, (Slot, String)>,
    ordered: bool,
}

/// A view and the expressions that fill its columns.
pub(super) struct Built {
    pub(super) view: View,
    pub(super) args: Vec<Expr>,
    pub(super) masks: Vec<Expr>,
    pub(super) outputs: Vec<Slot>,
    pub(super) calls: Vec<String>,
}

impl Builder {
    /// The output that `call` over `window` is, as a column.
    pub(super) fn call(&mut self, call: &AggregateCall, window: Window) -> Expr {
        let state = self.cell(&call.bound.aggregator, &call.args, call.filter.as_ref());
        self.ordered |= call.bound.class == Class::Ordered;
        self.output(state, window, call.bound.result.clone(), &call.text)
    }

    /// The newest row's `value`, as a column.
    pub(super) fn latest(&mut self, value: Expr) -> Expr {
        let slot = Slot::nullable(value.slot.ty.clone());
        let cell = self.cell(&Aggregator::latest(), &[value], None);
        self.ordered = true;
        let window = Window { reach: Reach::All(Instant::MIN), hop: Micros::DAY, offset: Micros::ZERO };
        self.output(cell, window, slot, "the newest row")
    }

    fn cell(&mut self, aggregator: &Aggregator, args: &[Expr], filter: Option<&Expr>) -> usize {
        let args: Vec<usize> =
            args.iter().map(|arg| self.args.insert_full(meaning::bytes(arg), arg.clone()).0).collect();
        let mask = filter.map(|filter| self.masks.insert_full(meaning::bytes(filter), filter.clone()).0);
        let key = (format!("{aggregator:?}"), args.clone(), mask);
        if let Some(at) = self.cells.get_index_of(&key) {
            return at;
        }
        self.cells.insert_full(key, Cell { aggregator: aggregator.clone(), args, mask }).0
    }

    fn output(&mut self, cell: usize, window: Window, slot: Slot, text: &str) -> Expr {
        let window = self.windows.insert_full(window).0;
        let output = Output { cell, window, part: Part::Whole };
        let (at, _) = self.outputs.insert_full(output, (slot.clone(), text.to_owned()));
        column_of(output_name(at), slot)
    }

    /// The view of a group of `source`.
    pub(super) fn build(self, source: &ir::Source, ttl: Option<Micros>) -> Built {
        let args: Vec<Expr> = self.args.into_values().collect();
        let masks: Vec<Expr> = self.masks.into_values().collect();
        let types: Vec<Type> = args.iter().map(|arg| arg.slot.ty.clone()).collect();
        let dedupe = source.dedupe.as_ref().map(|dedupe| Dedupe { within: dedupe.within });
        let read: Vec<Output> = self.outputs.keys().copied().collect();
        let (cells, read) = shared(self.cells.into_values().collect(), read);
        let view = View {
            args: types,
            masks: masks.len(),
            cells,
            windows: self.windows.into_iter().collect(),
            outputs: read,
            ttl,
            ties: self.ordered || dedupe.is_some(),
            dedupe,
        };
        let (outputs, texts) = self.outputs.into_values().unzip();
        Built { view, args, masks, outputs, calls: texts }
    }
}

/// Reads what a cell keeps from another one that keeps it too, over the same rows and arguments, and
/// leaves the cell out: `sum(x)` and `count(x)` are parts of `avg(x)`.
fn shared(cells: Vec<Cell>, mut outputs: Vec<Output>) -> (Vec<Cell>, Vec<Output>) {
    let keeps = |cell: &Cell| {
        cells.iter().enumerate().find_map(|(at, other)| {
            let same = other.args == cell.args && other.mask == cell.mask;
            let part = other.aggregator.part_for(&cell.aggregator).filter(|_| same)?;
            Some((at, part))
        })
    };
    let kept: Vec<(usize, Part)> =
        cells.iter().enumerate().map(|(at, cell)| keeps(cell).unwrap_or((at, Part::Whole))).collect();
    let left: Vec<usize> = (0..cells.len()).filter(|&at| kept[at].0 == at).collect();
    for output in &mut outputs {
        let (cell, part) = kept[output.cell];
        output.part = part;
        output.cell = left.binary_search(&cell).expect("invariant: what keeps another is kept itself");
    }
    let mut at = 0..;
    let cells = cells.into_iter().filter(|_| at.next().is_some_and(|at| left.contains(&at))).collect();
    (cells, outputs)
}
