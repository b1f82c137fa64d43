//! Online beside offline: the same service asked of both engines, compared by bits.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use feat_batch::{Mode, Request, Session, SpineFile, Table, Tables, TrainingSet};
use feat_compiler::plan::ServicePlan;
use feat_kernel::column;
use feat_kernel::time::Instant;
use feat_kernel::types::Type;
use feat_kernel::value::Value;
use futures::TryStreamExt;

/// The spine's column that holds each row's instant; no name of the language.
const AT: &str = "~at";

/// The values that a training set gives `service` for every row of `inputs` (its keys and request
/// inputs) at the instants `at`.
///
/// Shape: one column per selected feature, in the service's order; one row per row of `inputs`.
pub(crate) async fn offline(
    session: &Session,
    tables: &Tables,
    service: &Arc<ServicePlan>,
    inputs: &RecordBatch,
    at: &[Instant],
) -> Result<RecordBatch> {
    let at: Vec<Value> = at.iter().map(|at| Value::Int(at.0)).collect();
    let mut fields: Vec<Arc<Field>> = inputs.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(AT, Type::Timestamp.arrow(), false)));
    let mut columns = inputs.columns().to_vec();
    columns.push(column::array(&Type::Timestamp, &at));
    let spine = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    let spine =
        SpineFile { table: Table::batches(spine.schema(), vec![spine]), time: AT.to_owned(), zone: None };
    let request = Request::Service { service: Arc::clone(service), spine };
    let set = TrainingSet::plan(session, tables, &request, Mode::AsKnown).await?;
    let batches: Vec<RecordBatch> = set.stream().await?.try_collect().await?;
    let all = concat_batches(set.schema(), &batches)?;
    let features: Vec<usize> = (inputs.num_columns() + 1..all.num_columns()).collect();
    Ok(all.project(&features)?)
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compared {
    /// Values compared.
    pub(crate) values: u64,
    /// Those that differ in any bit.
    pub(crate) differ: u64,
    /// Those that are neither null nor zero, nor empty.
    pub(crate) telling: u64,
}

impl std::ops::AddAssign for Compared {
    fn add_assign(&mut self, other: Self) {
        self.values += other.values;
        self.differ += other.differ;
        self.telling += other.telling;
    }
}

/// Compares two columns of type `ty` row by row, floats by their bits.
pub(crate) fn compare(ty: &Type, online: &ArrayRef, offline: &ArrayRef) -> Compared {
    let mut found = Compared::default();
    for row in 0..online.len() {
        let (ours, theirs) = (column::value(online, ty, row), column::value(offline, ty, row));
        found.values += 1;
        found.differ += u64::from(ours != theirs);
        found.telling += u64::from(is_telling(&ours));
    }
    found
}

fn is_telling(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(x) => *x,
        Value::Int(x) => *x != 0,
        Value::Float(x) => x.to_bits() != 0,
        Value::Decimal(x) => *x != 0,
        Value::Str(x) => !x.is_empty(),
        Value::Bytes(x) => !x.is_empty(),
        Value::List(x) | Value::Struct(x) => !x.is_empty(),
        Value::Map(x) => !x.is_empty(),
    }
}
