//! What a caller brings: keys and request inputs.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use feat_compiler::conform::conform;
use feat_kernel::column;
use feat_kernel::value::Value;

use crate::catalog::Service;
use crate::error::LookupError;

/// Keys and request inputs of any number of rows, of the types that the service declares.
#[derive(Clone, Debug)]
pub struct Inputs {
    pub(crate) rows: usize,
    /// One a key input of the service.
    pub(crate) keys: Vec<ArrayRef>,
    /// One a request input.
    pub(crate) requests: Vec<ArrayRef>,
}

impl Inputs {
    /// The inputs of `service` among the columns of `batch`, found by their names; other columns are
    /// left alone.
    ///
    /// Shape: one row a lookup, in the batch's order. A null key belongs to no entity; a null request
    /// input is null in expressions.
    /// Errors: a column that is missing, or whose values do not become the declared type without loss;
    /// `origin` says where the batch comes from.
    pub fn from_batch(service: &Service, batch: &RecordBatch, origin: &str) -> Result<Self, LookupError> {
        let conformed = conform(&service.inputs, batch, origin)?;
        let keys = service.plan.keys.len();
        let columns = conformed.columns();
        Ok(Self {
            rows: batch.num_rows(),
            keys: columns[..keys].to_vec(),
            requests: columns[keys..].to_vec(),
        })
    }

    /// One row: a value a key input and a value a request input, in the order of the service's.
    ///
    /// Errors: too many or too few of them. Panics if a value is not of its input's type.
    pub fn from_values(service: &Service, keys: &[Value], requests: &[Value]) -> Result<Self, LookupError> {
        let plan = &service.plan;
        if (keys.len(), requests.len()) != (plan.keys.len(), plan.requests.len()) {
            return Err(LookupError::Count {
                service: plan.name.to_string(),
                expected: format!("{} keys and {} request inputs", plan.keys.len(), plan.requests.len()),
                found: format!("{} and {}", keys.len(), requests.len()),
            });
        }
        let types =
            plan.keys.iter().map(|(_, ty)| ty).chain(plan.requests.iter().map(|input| &input.slot.ty));
        let fields: Vec<Field> =
            service.inputs.schema.fields().iter().map(|field| (**field).clone()).collect();
        let columns = types.zip(keys.iter().chain(requests));
        let columns: Vec<ArrayRef> =
            columns.map(|(ty, value)| column::array(ty, std::slice::from_ref(value))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .expect("invariant: a value's column has its type's Arrow type");
        Self::from_batch(service, &batch, "the request")
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}
