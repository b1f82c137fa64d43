//! The features of one group for some entities at an instant.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
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

/// A feature's values and how they came to be, one a row of the request.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) values: ArrayRef,
    pub(crate) statuses: Vec<Status>,
    /// When what is kept of each row's entity changed last; [`NEVER`] where nothing is kept.
    pub(crate) changed: Arc<[Instant]>,
}

/// Stands where nothing is kept of an entity: later than every change, so that the least of several is the
/// oldest change.
pub(crate) const NEVER: Instant = Instant::MAX;

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
    let mut overflows: Vec<Option<Vec<bool>>> = vec![None; plan.outputs.len()];
    let mut columns = Columns::new(entities.len());
    for (output, slot) in plan.outputs.iter().enumerate() {
        let values: Vec<Value> = assembled
            .iter_mut()
            .enumerate()
            .map(|(entity, assembled)| {
                match std::mem::replace(&mut assembled.outcomes[output], Outcome::Overflow) {
                    Outcome::Value(value) => value,
                    Outcome::Overflow => {
                        overflows[output].get_or_insert_with(|| vec![false; entities.len()])[entity] = true;
                        Value::Null
                    }
                }
            })
            .collect();
        columns.push(&format!("~{output}"), column::array(&slot.ty, &values));
    }
    for (name, key) in &group.key_columns {
        columns.push(name, entities.gather(&inputs.keys[*key]));
    }
    if plan.evaluator.inputs().any(|input| input == "as_of") {
        columns.push("as_of", instants(t, entities.len()));
    }
    let evaluated = plan.evaluator.evaluate(&columns.batch());
    for (at, (feature, values)) in plan.features.iter().zip(&evaluated.columns).enumerate() {
        let status = |(entity, assembled): (usize, &Assembled)| {
            let too_wide =
                |&output: &usize| overflows[output].as_ref().is_some_and(|overflow| overflow[entity]);
            match assembled.presence {
                Presence::Absent => Status::Absent,
                _ if feature.outputs.iter().any(too_wide) => Status::Overflow,
                _ if evaluated.erred(at, entity) => Status::Error,
                Presence::Empty => Status::Empty,
                Presence::Present => Status::Present,
            }
        };
        let statuses = assembled.iter().enumerate().map(status).collect();
        served.push(Served {
            values: entities.scatter(values),
            statuses: entities.scatter_statuses(statuses),
            changed: Arc::clone(&changed),
        });
    }
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
