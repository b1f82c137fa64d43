//! The features of one group for some entities at an instant.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use feat_compiler::expr::Evaluated;
use feat_compiler::plan::{FeaturePlan, GroupPlan};
use feat_kernel::agg::Outcome;
use feat_kernel::assemble::{Assembled, assemble};
use feat_kernel::blob::Blob;
use feat_kernel::column;
use feat_kernel::presence::Presence;
use feat_kernel::time::Instant;
use feat_kernel::types::Type;
use feat_kernel::value::Value;

use crate::catalog::Group;
use crate::entities::Entities;
use crate::inputs::Inputs;
use crate::status::Status;
use crate::values::Values;

/// A feature's values and how they came to be, one a row of the request.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) values: Values,
    pub(crate) statuses: Arc<[Status]>,
    /// When what is kept of each row's entity changed last; [`NEVER`] where nothing is kept.
    pub(crate) changed: Arc<[Instant]>,
}

/// Stands where nothing is kept of an entity: later than every change, so that the least of several is the
/// oldest change.
pub(crate) const NEVER: Instant = Instant::MAX;

/// An output of a group's view that a feature is, or a field of its struct.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeated {
    output: usize,
    field: Option<usize>,
}

/// For each feature of `plan` what it repeats: of a group that computes nothing, and whose values need no
/// column.
pub(crate) fn repeated(plan: &GroupPlan) -> Option<Vec<Repeated>> {
    let one = |(at, feature): (usize, &FeaturePlan)| {
        let (name, field) = plan.evaluator.repeats(at)?;
        let output: usize = name.strip_prefix('~')?.parse().ok()?;
        let ty = match (field, &plan.outputs.get(output)?.ty) {
            (None, ty) => ty,
            (Some(field), Type::Struct(fields)) => &fields.get(field)?.1.ty,
            (Some(_), _) => return None,
        };
        (*ty == feature.slot.ty && Values::may_be_plain(ty)).then_some(Repeated { output, field })
    };
    plan.features.iter().enumerate().map(one).collect()
}

/// Appends the features of `group` at `t` to `served`, in the group's order.
pub(crate) fn evaluate(
    group: &Group,
    entities: &Entities,
    inputs: &Inputs,
    blobs: &[Option<Blob>],
    t: Instant,
    served: &mut Vec<Served>,
) {
    let plan = &group.plan;
    let changed = blobs.iter().map(|blob| blob.as_ref().map_or(NEVER, Blob::clock));
    let changed = entities.scatter_instants(changed.collect());
    let mut assembled: Vec<Assembled> =
        blobs.iter().map(|blob| assemble(&plan.view, blob.as_ref(), t)).collect();
    let overflows = overflows(plan, &assembled);
    let (values, errors) = if let Some(repeated) = &group.repeated {
        (repeat(repeated, entities, &assembled), vec![None; plan.features.len()])
    } else {
        let Evaluated { columns, errors } = compute(group, entities, inputs, &mut assembled, t);
        (columns.iter().map(|column| Values::Column(entities.scatter(column))).collect(), errors)
    };
    let stands = |assembled: &Assembled| match assembled.presence {
        Presence::Absent => Status::Absent,
        Presence::Empty => Status::Empty,
        Presence::Present => Status::Present,
    };
    // Of every feature that neither overflows nor errs somewhere.
    let usual = entities.scatter_statuses(assembled.iter().map(stands).collect());
    for ((feature, values), errors) in plan.features.iter().zip(values).zip(errors) {
        let too_wide = |entity: usize| {
            feature.outputs.iter().any(|&output| overflows[output].as_ref().is_some_and(|all| all[entity]))
        };
        let statuses =
            if errors.is_none() && feature.outputs.iter().all(|&output| overflows[output].is_none()) {
                Arc::clone(&usual)
            } else {
                let status = |(entity, assembled): (usize, &Assembled)| match stands(assembled) {
                    Status::Absent => Status::Absent,
                    _ if too_wide(entity) => Status::Overflow,
                    _ if errors.as_ref().is_some_and(|errors| errors.value(entity)) => Status::Error,
                    stands => stands,
                };
                entities.scatter_statuses(assembled.iter().enumerate().map(status).collect())
            };
        served.push(Served { values, statuses, changed: Arc::clone(&changed) });
    }
}

/// For each output of the group which entities' do not fit, if any.
fn overflows(plan: &GroupPlan, assembled: &[Assembled]) -> Vec<Option<Vec<bool>>> {
    let mut overflows: Vec<Option<Vec<bool>>> = vec![None; plan.outputs.len()];
    for (entity, one) in assembled.iter().enumerate() {
        for (output, outcome) in one.outcomes.iter().enumerate() {
            if matches!(outcome, Outcome::Overflow) {
                overflows[output].get_or_insert_with(|| vec![false; assembled.len()])[entity] = true;
            }
        }
    }
    overflows
}

/// The values of features that are what was assembled.
fn repeat(repeated: &[Repeated], entities: &Entities, assembled: &[Assembled]) -> Vec<Values> {
    let value = |Repeated { output, field }: Repeated, entity: usize| {
        match (&assembled[entity].outcomes[output], field) {
            (Outcome::Value(Value::Struct(items)), Some(field)) => items[field].clone(),
            (Outcome::Value(value), None) => value.clone(),
            // A field of no struct, and what does not fit.
            (Outcome::Value(_), Some(_)) | (Outcome::Overflow, _) => Value::Null,
        }
    };
    let rows = entities.rows();
    let mut all = Vec::with_capacity(repeated.len() * rows);
    for &one in repeated {
        all.extend(entities.of().map(|entity| entity.map_or(Value::Null, |entity| value(one, entity))));
    }
    let all: Arc<[Value]> = all.into();
    let values = |at: usize| Values::Plain { all: Arc::clone(&all), skipped: at * rows, rows };
    (0..repeated.len()).map(values).collect()
}

/// The values of features that are made of what was assembled, which is used up.
fn compute(
    group: &Group,
    entities: &Entities,
    inputs: &Inputs,
    assembled: &mut [Assembled],
    t: Instant,
) -> Evaluated {
    let plan = &group.plan;
    let mut columns = Columns::new(entities.len());
    for (output, slot) in plan.outputs.iter().enumerate() {
        let value = |assembled: &mut Assembled| match std::mem::replace(
            &mut assembled.outcomes[output],
            Outcome::Overflow,
        ) {
            Outcome::Value(value) => value,
            Outcome::Overflow => Value::Null,
        };
        let values: Vec<Value> = assembled.iter_mut().map(value).collect();
        columns.push(&format!("~{output}"), column::array(&slot.ty, &values));
    }
    for (name, key) in &group.key_columns {
        columns.push(name, entities.gather(&inputs.keys[*key]));
    }
    if plan.evaluator.inputs().any(|input| input == "as_of") {
        columns.push("as_of", instants(t, entities.len()));
    }
    plan.evaluator.evaluate(&columns.batch())
}

/// A column of one instant.
pub(crate) fn instants(t: Instant, rows: usize) -> ArrayRef {
    column::array(&Type::Timestamp, &vec![Value::Int(t.0); rows])
}

/// Columns that become a batch.
pub(crate) struct Columns {
    rows: usize,
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Columns {
    pub(crate) fn new(rows: usize) -> Self {
        Self { rows, fields: Vec::new(), arrays: Vec::new() }
    }

    pub(crate) fn push(&mut self, name: &str, column: ArrayRef) {
        self.fields.push(Field::new(name, column.data_type().clone(), true));
        self.arrays.push(column);
    }

    pub(crate) fn batch(self) -> RecordBatch {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(self.fields)), self.arrays, &options)
            .expect("invariant: columns of one length, with their own types")
    }
}
