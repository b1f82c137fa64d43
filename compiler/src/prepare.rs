//! From a source's rows to the kernel's: which rows a group admits, when they were known, and what
//! they give to its aggregates.
//!
//! ```text
//!  conformed batch ──admit──► admitted rows ──evaluate──► key known tau tie id pass a0… m0…
//!                      └────► rejected rows, each with its first reason
//! ```
//!
//! Batch and stream prepare rows with this one function, on whole columns; only columns that the
//! group needs are read and only computed columns that it needs are computed. Duplicates are still
//! among the rows: dedupe needs the key's history, which the kernel keeps.

mod admit;
mod bytes;
mod counts;
mod parts;
mod tie_break;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array,
};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Schema, SchemaRef};
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};
use feat_kernel::view::View;

use crate::expr::{Evaluator, each_column};
use crate::ir;
use admit::Admission;
pub(crate) use admit::{closure, needed};
use bytes::Cells;
pub use counts::{Counts, Reason};
pub use parts::Parts;
pub use tie_break::TieBreak;

/// `known` and `tau` of every row of a `static` source: after [`Instant::MIN`], where `over all`
/// begins, and before every instant at which a feature is asked.
pub const STATIC: Instant = Instant(i64::MIN + 1);

/// Which instant a row counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When it became known; it stands where it happened, but never after that.
    AsKnown,
    /// `known = tau = time`: exploration, as if every row had been known at once.
    EventTime,
}

/// Turns a source's rows into a group's.
#[derive(Clone, Debug)]
pub struct Prepare {
    /// The stored columns it reads, in the source's order.
    columns: Vec<String>,
    /// Those that decide a value.
    deciding: Vec<String>,
    admission: Admission,
    /// The group's filter (if any), its masks, its arguments, in this order.
    values: Evaluator,
    filtered: bool,
    view: Arc<View>,
    schema: SchemaRef,
    /// The columns of the frame that make the key.
    key: Vec<(String, Type)>,
    /// The columns of the dedupe id.
    id: Vec<(String, Type)>,
    /// What the tie-break bytes are made of; nothing if the view needs none.
    tie: Arc<TieBreak>,
    /// The columns of the frame that are this and no arguments.
    beside: Vec<String>,
    /// Whether the bytes are left to whoever reads the rows.
    leaves_ties: bool,
}

/// Prepared rows, and what became of the others.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// [`feat_kernel::row::schema`] of the view: one row an admitted row, in the batch's order.
    pub rows: RecordBatch,
    /// The columns of [`TieBreak::beside`], from [`Prepare::without_ties`]; otherwise none.
    pub beside: Vec<ArrayRef>,
    /// For each of them its row in the batch.
    pub place: UInt32Array,
    /// The rows that were not admitted, by row, with their first reason.
    pub rejected: Vec<(u32, Reason)>,
    /// Those among them that were [`Reason::Late`], with how much later than they happened they became
    /// known.
    pub late: Vec<(u32, Micros)>,
    /// How many of each.
    pub counts: Counts,
}

/// Why a batch cannot be prepared at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// A row does not satisfy an expectation whose action is `fail`.
    #[error("row {row} of source `{source_name}` does not satisfy `expect {text}`{}", message.as_deref().map(|words| format!(": {words}")).unwrap_or_default())]
    Expect {
        /// The source.
        source_name: String,
        /// The row's place in the batch.
        row: u32,
        /// The condition as written.
        text: String,
        /// The words beside it.
        message: Option<String>,
    },
}

/// What a group asks of its source's rows.
pub(crate) struct Recipe<'a> {
    pub(crate) source: &'a ir::Source,
    /// The source's columns that are the entity's key.
    pub(crate) key: &'a [String],
    pub(crate) filter: Option<&'a ir::Expr>,
    /// One a mask column of the view.
    pub(crate) masks: &'a [ir::Expr],
    /// One an argument column of the view.
    pub(crate) args: &'a [ir::Expr],
}

impl Prepare {
    pub(crate) fn new(recipe: &Recipe<'_>, view: Arc<View>) -> Self {
        let source = recipe.source;
        let slots: BTreeMap<&str, &Slot> =
            source.columns.iter().map(|column| (column.name.as_str(), &column.slot)).collect();
        let typed = |names: &[String]| -> Vec<(String, Type)> {
            names.iter().map(|name| (name.clone(), slots[name.as_str()].ty.clone())).collect()
        };
        let exprs = recipe.filter.into_iter().chain(recipe.masks).chain(recipe.args);
        let mut read: BTreeSet<&str> = BTreeSet::new();
        for expr in exprs.clone() {
            each_column(expr, &mut |name, _| {
                read.insert(name);
            });
        }
        let dedupe = source.dedupe.as_ref().map_or(&[][..], |dedupe| &dedupe.columns);
        let mut tie: Vec<String> = Vec::new();
        if view.ties {
            let names = source.order_by.iter().chain(dedupe).map(String::as_str).chain(read.iter().copied());
            for name in names {
                if !tie.iter().any(|known| known == name) {
                    tie.push(name.to_owned());
                }
            }
        }
        let mut needed = read;
        needed.extend(recipe.key.iter().chain(dedupe).chain(&tie).map(String::as_str));
        let admission = Admission::new(source, recipe.key, &needed);
        let tie = typed(&tie);
        let argument = |name: &str, ty: &Type| {
            let is_column = |arg: &ir::Expr| {
                matches!(&arg.kind, ir::ExprKind::Column(of) if of == name) && arg.slot.ty == *ty
            };
            recipe.args.iter().position(is_column)
        };
        let breaks = TieBreak::new(&tie, argument);
        let beside = tie.into_iter().enumerate().filter(|&(at, _)| breaks.is_beside(at));
        let scope: Vec<(String, Slot)> =
            source.columns.iter().map(|column| (column.name.clone(), column.slot.clone())).collect();
        let values: Vec<(String, ir::Expr)> =
            exprs.enumerate().map(|(at, expr)| (format!("~value {at}"), expr.clone())).collect();
        Self {
            columns: admission.stored().to_vec(),
            deciding: admission.deciding().to_vec(),
            values: Evaluator::new(&scope, &values),
            filtered: recipe.filter.is_some(),
            schema: feat_kernel::row::schema(&view),
            key: typed(recipe.key),
            id: typed(dedupe),
            beside: beside.map(|(_, (name, _))| name).collect(),
            tie: Arc::new(breaks),
            leaves_ties: false,
            admission,
            view,
        }
    }

    /// The same, whose rows have empty tie-break bytes and, in [`Prepared::beside`], what these are
    /// made of.
    #[must_use]
    pub fn without_ties(&self) -> Self {
        Self { leaves_ties: true, ..self.clone() }
    }

    /// What the tie-break bytes are made of.
    pub fn tie_break(&self) -> &Arc<TieBreak> {
        &self.tie
    }

    /// Whether every row is known when it happens, unless [`Prepare::prepare`] is given `known`.
    pub fn is_known_at_once(&self) -> bool {
        self.admission.is_known_at_once()
    }

    /// The stored columns that [`Prepare::prepare`] reads, in the source's order: what a scan needs.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Those of [`Prepare::columns`] that decide a value: what only warnings read is not among them.
    pub fn deciding(&self) -> &[String] {
        &self.deciding
    }

    /// Prepares the rows of a conformed batch.
    ///
    /// Shape: `batch` has the columns of [`Prepare::columns`], in any order, perhaps among others.
    /// Time: `known` is the clock or the archived instant of each row of a log; without it the
    /// source's declaration holds. Admission tests in this order: readable, the source's `where`s,
    /// `since`, `expect`s, lateness, a key without null.
    /// Absent: a row whose filter, mask or needed argument errs does not pass, as if filtered by the
    /// group, and is counted.
    /// Cost: a few passes over whole columns; a row is touched on its own for its key, its id and
    /// its tie-break bytes.
    /// Errors: [`PrepareError::Expect`] at the first row that breaks an `expect … else fail`.
    pub fn prepare(
        &self,
        batch: &RecordBatch,
        mode: Mode,
        known: Option<&Int64Array>,
    ) -> Result<Prepared, PrepareError> {
        let admit::Admitted { frame, times, alive, rejected, mut counts } =
            self.admission.admit(batch, known)?;
        let late = rejected.iter().filter(|(_, reason)| *reason == Reason::Late).map(|&(row, _)| {
            let (time, known) = times.at(row as usize);
            (row, Instant(known).since(Instant(time)))
        });
        let late = late.collect();
        let all = alive.count_set_bits() == frame.num_rows();
        let place: UInt32Array = if all {
            (0..frame.num_rows() as u32).collect()
        } else {
            alive.set_indices().map(|row| row as u32).collect()
        };
        let frame = if all { frame } else { taken(&frame, &place) };
        let rows = frame.num_rows();
        let (mut tau, mut seen) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for &row in place.values() {
            let (time, known) = times.at(row as usize);
            match mode {
                Mode::AsKnown => {
                    counts.clamped += u64::from(known < time);
                    seen.push(known);
                    tau.push(time.min(known));
                }
                Mode::EventTime => {
                    seen.push(time);
                    tau.push(time);
                }
            }
        }
        let (pass, masks, args) = self.values(&frame, &mut counts);
        let cells = |columns: &[(String, Type)]| -> Vec<Cells> {
            columns.iter().map(|(name, ty)| Cells::new(column(&frame, name), ty)).collect()
        };
        let beside: Vec<ArrayRef> = self.beside.iter().map(|name| Arc::clone(column(&frame, name))).collect();
        let ties = self.tie.bytes(&args, &beside, rows, |_| !self.leaves_ties);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(bytes::keys(&cells(&self.key), rows)),
            Arc::new(Int64Array::from(seen)),
            Arc::new(Int64Array::from(tau)),
            Arc::new(ties),
            Arc::new(bytes::ids(&cells(&self.id), rows)),
            Arc::new(pass),
        ];
        columns.extend(args);
        columns.extend(masks.into_iter().map(|mask| Arc::new(mask) as ArrayRef));
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .expect("invariant: prepared columns are those of the view");
        let beside = if self.leaves_ties { beside } else { Vec::new() };
        Ok(Prepared { rows, beside, place, rejected, late, counts })
    }

    /// The `pass` column, the masks and the arguments of admitted rows.
    fn values(
        &self,
        frame: &RecordBatch,
        counts: &mut Counts,
    ) -> (BooleanArray, Vec<BooleanArray>, Vec<ArrayRef>) {
        let rows = frame.num_rows();
        let evaluated = self.values.evaluate(frame);
        let first = usize::from(self.filtered);
        let truth = |at: usize| truth(evaluated.columns[at].as_boolean());
        let mut pass = if self.filtered { truth(0) } else { BooleanBuffer::new_set(rows) };
        let masks: Vec<BooleanBuffer> = (0..self.view.masks).map(|at| truth(first + at)).collect();
        let mut erred: Option<BooleanBuffer> = None;
        let mut add = |errors: BooleanBuffer| {
            erred = Some(match &erred {
                Some(erred) => erred | &errors,
                None => errors,
            });
        };
        for at in 0..first + self.view.masks {
            if let Some(errors) = &evaluated.errors[at] {
                add(if at < first { errors.clone() } else { errors & &pass });
            }
        }
        for at in 0..self.view.args.len() {
            if let Some(errors) = &evaluated.errors[first + self.view.masks + at] {
                // An argument that errs where no cell looks at it is no error.
                let looks = self.view.cells.iter().filter(|cell| cell.args.contains(&at)).fold(
                    BooleanBuffer::new_unset(rows),
                    |all, cell| match cell.mask {
                        Some(mask) => &all | &masks[mask],
                        None => BooleanBuffer::new_set(rows),
                    },
                );
                add(&(errors & &pass) & &looks);
            }
        }
        if let Some(erred) = erred {
            counts.errors += erred.count_set_bits() as u64;
            pass = &pass & &!&erred;
        }
        let masks = masks.into_iter().map(|mask| BooleanArray::new(mask, None)).collect();
        let args = evaluated.columns[first + self.view.masks..].to_vec();
        (BooleanArray::new(pass, None), masks, args)
    }
}

/// The rows that are true.
fn truth(array: &BooleanArray) -> BooleanBuffer {
    match array.nulls() {
        Some(nulls) => array.values() & nulls.inner(),
        None => array.values().clone(),
    }
}

fn column<'a>(frame: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    frame.column_by_name(name).unwrap_or_else(|| panic!("invariant: the frame has a column `{name}`"))
}

fn taken(frame: &RecordBatch, place: &UInt32Array) -> RecordBatch {
    let columns = frame
        .columns()
        .iter()
        .map(|column| arrow::compute::take(column, place, None))
        .collect::<Result<Vec<_>, _>>()
        .expect("invariant: admitted rows lie within the batch");
    frame_of(frame.schema(), columns, place.len())
}

fn frame_of(schema: Arc<Schema>, columns: Vec<ArrayRef>, rows: usize) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .expect("invariant: a frame has the columns of its source")
}
