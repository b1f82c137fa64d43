//! What labels see: the rows that features see, each where it happened, however late it became known.
//!
//! Which of several rows with one id counts is decided in the order in which they became known, for
//! features and labels alike; what is left is then brought into the order in which it happened.
//!
//! ```text
//!  packed by known ──sort (key, known, tau, tie)──► AdmitExec ──sort (key, tau)──► packed by tau
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Decimal128Type;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr, expressions::col};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use feat_kernel::admit::Admission;
use feat_kernel::row::Rows;

use crate::answers::{together, without_hash};
use crate::error::BatchError;
use crate::log::by_place;
use crate::map::{MapExec, Mapper};
use crate::place;
use crate::prepared::{Needed, Packing};

/// The rows of `input`, packed by known, that are no duplicates, packed by tau, sorted and
/// partitioned by key.
pub(crate) fn admitted(
    input: Arc<dyn ExecutionPlan>,
    partitions: usize,
    by_known: Arc<Packing>,
    by_tau: Arc<Packing>,
    needed: Needed,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let input = together(input, partitions)?;
    let schema = input.schema();
    let column = |name: &str| Ok(PhysicalSortExpr::new_default(col(name, &schema)?));
    let order = ["place", "tau", "tie"].into_iter().map(column).collect::<Result<Vec<_>, BatchError>>()?;
    let order = LexOrdering::new(order).expect("invariant: an ordering of three columns");
    let sorted = Arc::new(SortExec::new(order, input).with_preserve_partitioning(true));
    let schema = Arc::clone(by_tau.schema());
    let detail = "duplicates left out, by known".to_owned();
    let start = move || {
        let mut clerk = Clerk::new(Arc::clone(&by_known), Arc::clone(&by_tau), needed);
        let map: Mapper = Box::new(move |batch| clerk.admit(batch));
        map
    };
    let admitted = MapExec::new("AdmitExec", detail, sorted, schema, Arc::new(start));
    let admitted = without_hash(Arc::new(admitted))?;
    Ok(Arc::new(SortExec::new(by_place(&admitted.schema())?, admitted).with_preserve_partitioning(true)))
}

/// Admits the rows of one partition: what it remembers of the keys of the hash at hand.
struct Clerk {
    by_known: Arc<Packing>,
    by_tau: Arc<Packing>,
    needed: Needed,
    hash: Option<i64>,
    keys: BTreeMap<Vec<u8>, Admission>,
}

impl Clerk {
    fn new(by_known: Arc<Packing>, by_tau: Arc<Packing>, needed: Needed) -> Self {
        Self { by_known, by_tau, needed, hash: None, keys: BTreeMap::new() }
    }

    fn admit(&mut self, packed: &RecordBatch) -> Result<RecordBatch, BatchError> {
        let view = &self.by_known.view;
        let batch = self.by_known.unpack(packed)?;
        let rows = Rows::new(view, &batch);
        let places = packed.column(0).as_primitive::<Decimal128Type>().values();
        let mut kept = Vec::with_capacity(rows.len());
        for (at, &found) in places.iter().enumerate() {
            if self.hash != Some(place::hash(found)) {
                self.hash = Some(place::hash(found));
                self.keys.clear();
            }
            let row = rows.row(at);
            let admission = match self.keys.get_mut(rows.key(at)) {
                Some(admission) => admission,
                None => self.keys.entry(rows.key(at).to_vec()).or_default(),
            };
            kept.push(admission.admit(view, &row));
        }
        let batch = filter_record_batch(&batch, &BooleanArray::from(kept))?;
        self.by_tau.pack(&batch, &[], &self.needed)
    }
}
