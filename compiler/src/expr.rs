//! Expressions that run: the only place that makes `DataFusion`'s physical expressions.
//!
//! ```text
//!  ir::Expr ──Evaluator::new──► Arc<dyn PhysicalExpr> ──evaluate(batch)──► columns + rows that err
//! ```
//!
//! Batch, stream and serving evaluate the same [`Evaluator`], so that a value does not depend on
//! who computes it, nor on which rows stand in a batch together: every function is evaluated for
//! each row alone, `and` and `or` never skip a side, and a branch of a `Case` is evaluated for
//! exactly the rows that take it.

mod build;
mod call;
mod nested;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBufferBuilder, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_physical_expr::PhysicalExpr;
use feat_kernel::types::{Slot, Type};

use crate::ir::{Expr, ExprKind};

/// Expressions over named columns, ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Evaluator {
    inner: Arc<Inner>,
}

struct Inner {
    /// The columns that are read, by name, with their Arrow types.
    inputs: Vec<(String, DataType)>,
    /// Where they stood in the batch seen last: a hint, checked by name at every use.
    places: RwLock<Arc<[usize]>>,
    steps: Vec<Step>,
}

struct Step {
    name: String,
    slot: Slot,
    physical: Arc<dyn PhysicalExpr>,
    /// The inputs (first) and steps (behind them) that it reads.
    needs: Vec<usize>,
    /// `needs` as fields; all nullable, since a row that errs is null.
    schema: SchemaRef,
    /// Earlier steps that it reads: where they err, so does it.
    reads: Vec<usize>,
    /// What it merely repeats.
    repeats: Option<Repeated>,
}

/// An input (first) or step (behind them), or a field of its struct.
#[derive(Clone, Copy)]
struct Repeated {
    place: usize,
    field: Option<usize>,
}

/// The columns of a batch of expressions, in their order.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// One a expression, of its slot's Arrow type, as long as the batch.
    pub columns: Vec<ArrayRef>,
    /// One a expression: the rows that err, `None` if there are none. Such a row is null in its
    /// column.
    pub errors: Vec<Option<BooleanBuffer>>,
}

impl Evaluated {
    /// Whether row `row` of expression `at` is an evaluation error.
    pub fn erred(&self, at: usize, row: usize) -> bool {
        self.errors[at].as_ref().is_some_and(|errors| errors.value(row))
    }
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.inner.steps.iter().map(|step| (&step.name, &step.physical))).finish()
    }
}

impl Evaluator {
    /// Expressions by name over the columns of `scope`.
    ///
    /// An expression may read those before it by their names, which hide equal names of the scope.
    /// `as_of` is the column `as_of`. Columns of the scope that no expression reads are not looked
    /// at. Panics on an expression that the type checker would refuse, or that holds an aggregate.
    pub fn new(scope: &[(String, Slot)], exprs: &[(String, Expr)]) -> Self {
        let mut inputs: Vec<(String, Slot)> = Vec::new();
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let slots: BTreeMap<&str, &Slot> = scope.iter().map(|(name, slot)| (name.as_str(), slot)).collect();
        let mut defined: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, (name, expr)) in exprs.iter().enumerate() {
            each_column(expr, &mut |column, slot| {
                if defined.contains_key(column) || names.contains_key(column) {
                    return;
                }
                let slot = slots.get(column).copied().unwrap_or(slot);
                names.insert(column.to_owned(), inputs.len());
                inputs.push((column.to_owned(), slot.clone()));
            });
            defined.insert(name, at);
        }
        let mut fields: Vec<(String, Slot)> = inputs.clone();
        let mut steps: Vec<Step> = Vec::new();
        for (name, expr) in exprs {
            let mut needs = Vec::new();
            each_column(expr, &mut |column, _| needs.push(names[column]));
            needs.sort_unstable();
            needs.dedup();
            let schema: Vec<Field> = needs.iter().map(|&at| nullable_field(&fields[at])).collect();
            let schema = Arc::new(Schema::new(schema));
            let local: BTreeMap<&str, usize> =
                needs.iter().enumerate().map(|(local, &at)| (fields[at].0.as_str(), local)).collect();
            let repeats = repeated(expr, &names);
            let reads = needs.iter().filter_map(|&at| at.checked_sub(inputs.len())).collect();
            let physical = build::physical(expr, &schema, &local);
            names.insert(name.clone(), fields.len());
            fields.push((name.clone(), expr.slot.clone()));
            steps.push(Step {
                name: name.clone(),
                slot: expr.slot.clone(),
                physical,
                needs,
                schema,
                reads,
                repeats,
            });
        }
        let inputs: Vec<_> = inputs.into_iter().map(|(name, slot)| (name, slot.ty.arrow())).collect();
        let places = RwLock::new((0..inputs.len()).collect());
        Self { inner: Arc::new(Inner { inputs, places, steps }) }
    }

    /// The names of the columns that [`Evaluator::evaluate`] needs.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.inner.inputs.iter().map(|(name, _)| name.as_str())
    }

    /// The names and slots of the expressions, in their order.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &Slot)> {
        self.inner.steps.iter().map(|step| (step.name.as_str(), &step.slot))
    }

    /// The input that expression `at` merely repeats, or the struct and the place of the field in it that it
    /// is; `None` of any other expression.
    pub fn repeats(&self, at: usize) -> Option<(&str, Option<usize>)> {
        let Repeated { place, field } = self.inner.steps[at].repeats?;
        self.inner.inputs.get(place).map(|(name, _)| (name.as_str(), field))
    }

    /// The expressions themselves by name, in their order. Their columns have the names of the inputs and of
    /// the expressions before them, which hide equal names of inputs.
    pub fn expressions(&self) -> impl Iterator<Item = (&str, &Arc<dyn PhysicalExpr>)> {
        self.inner.steps.iter().map(|step| (step.name.as_str(), &step.physical))
    }

    /// How many expressions there are.
    pub fn len(&self) -> usize {
        self.inner.steps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.inner.steps.is_empty()
    }

    /// Evaluates every expression for every row of `batch`, whose columns are found by name.
    ///
    /// Shape: a column an expression, `batch.num_rows()` long.
    /// Errors: a row whose evaluation errs (an overflow, a strict cast that does not fit), or that
    /// reads an expression that erred there, is null and marked; the other rows are not touched.
    /// Cost: one pass over whole columns; where rows err the batch is bisected until each stands
    /// alone, `log n` passes for one row.
    /// Panics if a column is missing or has another Arrow type than the scope says.
    pub fn evaluate(&self, batch: &RecordBatch) -> Evaluated {
        let Inner { inputs, steps, .. } = self.inner.as_ref();
        let rows = batch.num_rows();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(inputs.len() + steps.len());
        for ((name, ty), place) in inputs.iter().zip(self.places(batch).iter()) {
            let column = batch.column(*place);
            assert!(
                column.data_type() == ty,
                "invariant: column `{name}` is {ty}, found {}",
                column.data_type()
            );
            columns.push(Arc::clone(column));
        }
        let mut errors: Vec<Option<BooleanBuffer>> = Vec::with_capacity(steps.len());
        for step in steps {
            let inherited =
                step.reads.iter().filter_map(|&read| errors[read].as_ref()).fold(None, |all, one| {
                    Some(all.map_or_else(|| one.clone(), |all: BooleanBuffer| &all | one))
                });
            let (column, own) = match step.repeats {
                Some(Repeated { place, field: None }) => (Arc::clone(&columns[place]), None),
                Some(Repeated { place, field: Some(field) }) => {
                    let column = nested::part(&columns[place], field);
                    (column.expect("invariant: a field is as long as its struct"), None)
                }
                None => evaluate_step(step, &needed(step, &columns, rows)),
            };
            let erred = match (inherited, own) {
                (Some(a), Some(b)) => Some(&a | &b),
                (a, b) => a.or(b),
            };
            columns.push(match &erred {
                Some(erred) => without(&column, erred),
                None => column,
            });
            errors.push(erred);
        }
        Evaluated { columns: columns.split_off(inputs.len()), errors }
    }

    /// Where the inputs stand in `batch`.
    fn places(&self, batch: &RecordBatch) -> Arc<[usize]> {
        let fields = batch.schema_ref().fields();
        let hint = Arc::clone(&self.inner.places.read().unwrap_or_else(PoisonError::into_inner));
        let stands = |(name, _): &(String, DataType), place: usize| {
            fields.get(place).is_some_and(|field| field.name() == name)
        };
        if self.inner.inputs.iter().zip(hint.iter()).all(|(input, &place)| stands(input, place)) {
            return hint;
        }
        let places: BTreeMap<&str, usize> =
            fields.iter().enumerate().map(|(place, field)| (field.name().as_str(), place)).collect();
        let found: Arc<[usize]> = self
            .inner
            .inputs
            .iter()
            .map(|(name, _)| {
                *places
                    .get(name.as_str())
                    .unwrap_or_else(|| panic!("invariant: the batch has a column `{name}`"))
            })
            .collect();
        *self.inner.places.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&found);
        found
    }
}

/// What `expr` merely repeats of what `names` finds.
fn repeated(expr: &Expr, names: &BTreeMap<String, usize>) -> Option<Repeated> {
    match &expr.kind {
        ExprKind::Column(column) => Some(Repeated { place: *names.get(column)?, field: None }),
        ExprKind::Field(of, name) => {
            let (ExprKind::Column(column), Type::Struct(fields)) = (&of.kind, &of.slot.ty) else {
                return None;
            };
            let field = fields.iter().position(|(field, slot)| field == name && slot.ty == expr.slot.ty)?;
            Some(Repeated { place: *names.get(column)?, field: Some(field) })
        }
        _ => None,
    }
}

/// Calls `see` for every column that `expr` reads, `as_of` among them, with its slot.
pub(crate) fn each_column<'a>(expr: &'a Expr, see: &mut impl FnMut(&'a str, &'a Slot)) {
    match &expr.kind {
        ExprKind::Column(name) => see(name, &expr.slot),
        ExprKind::AsOf => see("as_of", &expr.slot),
        _ => each_child(expr, &mut |child| each_column(child, see)),
    }
}

/// Calls `see` for the expressions directly inside `expr`; an aggregate has none.
pub(crate) fn each_child<'a>(expr: &'a Expr, see: &mut dyn FnMut(&'a Expr)) {
    match &expr.kind {
        ExprKind::Literal(_)
        | ExprKind::Secret(_)
        | ExprKind::Column(_)
        | ExprKind::AsOf
        | ExprKind::Aggregate(_) => {}
        ExprKind::Call(_, args) | ExprKind::Struct(args) | ExprKind::List(args) => args.iter().for_each(see),
        ExprKind::Case(branches, otherwise) => {
            for (condition, value) in branches {
                see(condition);
                see(value);
            }
            see(otherwise);
        }
        ExprKind::Cast(of) | ExprKind::TryCast(of) | ExprKind::Field(of, _) => see(of),
        ExprKind::Map(pairs) => {
            for (key, value) in pairs {
                see(key);
                see(value);
            }
        }
    }
}

fn nullable_field((name, slot): &(String, Slot)) -> Field {
    Field::new(name, slot.ty.arrow(), true)
}

/// The columns that `step` reads, as a batch.
fn needed(step: &Step, columns: &[ArrayRef], rows: usize) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let columns = step.needs.iter().map(|&at| Arc::clone(&columns[at])).collect();
    RecordBatch::try_new_with_options(Arc::clone(&step.schema), columns, &options)
        .expect("invariant: evaluated columns have the types of their expressions")
}

fn evaluate_step(step: &Step, batch: &RecordBatch) -> (ArrayRef, Option<BooleanBuffer>) {
    if let Some(column) = attempt(step, batch) {
        return (column, None);
    }
    let mut parts = Vec::new();
    let mut errors = BooleanBufferBuilder::new(batch.num_rows());
    bisect(step, batch, &mut parts, &mut errors);
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    let column = arrow::compute::concat(&parts).expect("invariant: parts of one column have one type");
    (column, Some(errors.finish()))
}

fn bisect(step: &Step, batch: &RecordBatch, parts: &mut Vec<ArrayRef>, errors: &mut BooleanBufferBuilder) {
    let rows = batch.num_rows();
    if rows == 1 {
        parts.push(new_null_array(&step.slot.ty.arrow(), 1));
        errors.append(true);
        return;
    }
    let middle = rows / 2;
    for half in [batch.slice(0, middle), batch.slice(middle, rows - middle)] {
        match attempt(step, &half) {
            Some(column) => {
                errors.append_n(half.num_rows(), false);
                parts.push(column);
            }
            None => bisect(step, &half, parts, errors),
        }
    }
}

/// The step's column, `None` if some row errs.
fn attempt(step: &Step, batch: &RecordBatch) -> Option<ArrayRef> {
    if batch.num_rows() == 0 {
        return Some(new_null_array(&step.slot.ty.arrow(), 0));
    }
    let column = step.physical.evaluate(batch).ok()?.into_array(batch.num_rows()).ok()?;
    let ty = step.slot.ty.arrow();
    if *column.data_type() == ty {
        return Some(column);
    }
    // Nested types may differ in the nullability of their fields alone.
    let retyped = arrow::compute::cast(&column, &ty);
    Some(retyped.unwrap_or_else(|cause| panic!("invariant: `{}` is {ty}: {cause}", step.name)))
}

/// `column`, null where `erred`.
fn without(column: &ArrayRef, erred: &BooleanBuffer) -> ArrayRef {
    arrow::compute::nullif(column, &BooleanArray::new(erred.clone(), None))
        .expect("invariant: a column and its errors are equally long")
}
