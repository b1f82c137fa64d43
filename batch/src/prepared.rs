//! Prepared rows, packed for sorting: only the columns that the view looks at are carried.

use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::physical_plan::ExecutionPlan;
use feat_compiler::plan::GroupPlan;
use feat_compiler::prepare::{Counts, Mode};
use feat_kernel::row;
use feat_kernel::time::Instant;
use feat_kernel::view::View;
use feat_kernel::window::{Reach, bounds};

use crate::error::BatchError;
use crate::map::{MapExec, Mapper};
use crate::place::{self, KeyHash, PLACE};
use crate::scan::{Conformer, KNOWN};
use crate::session::Progress;

/// Which columns of a prepared row are carried through the sort: those that the view looks at.
#[derive(Clone, Debug)]
pub(crate) struct Packing {
    /// The view.
    pub(crate) view: Arc<View>,
    /// How its keys hash.
    pub(crate) keys: KeyHash,
    placing: Placing,
    schema: SchemaRef,
    /// Places of the carried columns in the kernel's schema.
    carried: Vec<usize>,
}

/// Which instant of a row its place is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placing {
    /// From when it is visible: known by then, and strictly before.
    Visible,
    /// When it became known: the order in which rows are admitted.
    Known,
    /// When it happened, whenever that became known.
    Tau,
}

/// Columns before the carried ones once rows are sorted: the place.
const LEADING: usize = 1;
/// Columns of the kernel's schema before its arguments.
const FIXED: usize = 6;

impl Packing {
    /// What `group` needs carried.
    pub(crate) fn new(group: &GroupPlan) -> Self {
        let keys = KeyHash::of(group);
        Self::carrying(Arc::clone(&group.view), keys, keys == KeyHash::Digest, Placing::Visible)
    }

    /// The same, and the keys' bytes whether or not they are needed to tell keys apart.
    pub(crate) fn with_keys(group: &GroupPlan) -> Self {
        Self::carrying(Arc::clone(&group.view), KeyHash::of(group), true, Placing::Visible)
    }

    /// What it takes to admit the rows of `group` in the order in which they became known.
    pub(crate) fn by_known(group: &GroupPlan) -> Self {
        Self::carrying(Arc::clone(&group.view), KeyHash::of(group), true, Placing::Known)
    }

    /// What `group` needs of rows that are no duplicates and that it sees by when they happened.
    pub(crate) fn by_tau(group: &GroupPlan) -> Self {
        let keys = KeyHash::of(group);
        let view = View { dedupe: None, ..View::clone(&group.view) };
        Self::carrying(Arc::new(view), keys, keys == KeyHash::Digest, Placing::Tau)
    }

    fn carrying(view: Arc<View>, keys: KeyHash, key_bytes: bool, placing: Placing) -> Self {
        let full = row::schema(&view);
        let dedupes = view.dedupe.is_some();
        let needed = |name: &str| match name {
            "key" => key_bytes,
            "known" | "id" | "pass" => dedupes,
            "tie" => view.ties,
            _ => true,
        };
        let carried: Vec<usize> =
            (0..full.fields().len()).filter(|&at| at >= FIXED || needed(full.field(at).name())).collect();
        let mut fields = vec![Field::new("place", PLACE, false), Field::new("hash", DataType::Int64, false)];
        fields.extend(carried.iter().map(|&at| full.field(at).clone()));
        Self { view, keys, placing, schema: Arc::new(Schema::new(fields)), carried }
    }

    /// Whether packed rows hold their keys' bytes.
    pub(crate) fn carries_keys(&self) -> bool {
        // The key is the kernel's first column.
        self.carried.first() == Some(&0)
    }

    /// The columns of packed rows: `place`, `hash`, then what is carried.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Packs prepared rows, leaving out those that cannot count within `reach`.
    pub(crate) fn pack(&self, rows: &RecordBatch, reach: &Needed) -> Result<RecordBatch, BatchError> {
        let known = rows.column(1).as_primitive::<Int64Type>();
        let tau = rows.column(2).as_primitive::<Int64Type>();
        let pass = rows.column(5).as_boolean();
        let dedupes = self.view.dedupe.is_some();
        let hashes = self.keys.hashes(rows.column(0).as_binary());
        let mut places = Vec::with_capacity(rows.num_rows());
        let mut kept = Vec::with_capacity(rows.num_rows());
        let mut all = true;
        for at in 0..rows.num_rows() {
            let (known, tau) = (Instant(known.value(at)), Instant(tau.value(at)));
            let from = match self.placing {
                Placing::Visible => known.max(tau.next()),
                Placing::Known => known,
                Placing::Tau => tau.next(),
            };
            // Whatever became known may be what another row repeats.
            let keep = self.placing == Placing::Known
                || (from <= reach.last && (dedupes || (pass.value(at) && tau >= reach.first)));
            places.push(place::place(hashes.value(at), from));
            kept.push(keep);
            all &= keep;
        }
        let mut columns: Vec<ArrayRef> = vec![place::column(places), Arc::new(hashes)];
        columns.extend(self.carried.iter().map(|&at| Arc::clone(rows.column(at))));
        let packed = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        if all { Ok(packed) } else { Ok(filter_record_batch(&packed, &BooleanArray::from(kept))?) }
    }

    /// Puts columns that were not carried back as constants: the batch that the kernel reads. `packed`
    /// has been sorted, and its hash left behind.
    pub(crate) fn unpack(&self, packed: &RecordBatch) -> Result<RecordBatch, BatchError> {
        let full = row::schema(&self.view);
        let rows = packed.num_rows();
        let columns: Vec<ArrayRef> = full
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| match self.carried.iter().position(|&carried| carried == at) {
                Some(found) => Arc::clone(packed.column(LEADING + found)),
                None => missing(field, rows),
            })
            .collect();
        Ok(RecordBatch::try_new(full, columns)?)
    }
}

/// A constant in place of a column that the view does not look at.
fn missing(field: &Field, rows: usize) -> ArrayRef {
    match field.data_type() {
        DataType::Boolean => Arc::new(BooleanArray::from(vec![true; rows])),
        DataType::Int64 => Arc::new(Int64Array::from(vec![0; rows])),
        _ if field.is_nullable() => arrow::array::new_null_array(field.data_type(), rows),
        _ => Arc::new(arrow::array::BinaryArray::from_iter_values(std::iter::repeat_n(b"", rows))),
    }
}

/// Which rows the questions of a run can see at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needed {
    /// Rows before this event time are in no window of the earliest question.
    first: Instant,
    /// Rows that become visible after this instant are seen by none.
    last: Instant,
}

impl Needed {
    /// Every row that is visible by `latest`.
    pub(crate) fn until(latest: Instant) -> Self {
        Self { first: Instant::MIN, last: latest }
    }

    /// What questions between `earliest` and `latest` need of `view`.
    pub(crate) fn new(view: &View, earliest: Instant, latest: Instant) -> Self {
        let bounded = view.windows.iter().all(|window| matches!(window.reach, Reach::Length(_)));
        let mut first = view.windows.iter().map(|window| bounds(window, earliest).start).min();
        if let Some(ttl) = view.ttl {
            first = first.map(|first| first.min(earliest.minus(ttl)));
        }
        Self { first: first.filter(|_| bounded).unwrap_or(Instant::MIN), last: latest }
    }
}

/// What preparing a group's rows needs beside the rows.
#[derive(Clone)]
pub(crate) struct Preparation {
    /// The group whose rows they become.
    pub(crate) group: Arc<GroupPlan>,
    /// From the file's columns to the source's.
    pub(crate) conformer: Arc<Conformer>,
    /// As known or by event time.
    pub(crate) mode: Mode,
    /// What is carried.
    pub(crate) packing: Arc<Packing>,
    /// Which rows are needed.
    pub(crate) needed: Needed,
    /// Where admission is counted.
    pub(crate) counts: Arc<Mutex<Counts>>,
    /// Where rows read are counted.
    pub(crate) progress: Arc<Progress>,
}

impl Preparation {
    /// An operator over `input`: a source's rows in, packed prepared rows out.
    pub(crate) fn over(self, input: Arc<dyn ExecutionPlan>) -> MapExec {
        let detail = format!("group={}, source={}", self.group.name, self.group.source.name);
        let schema = Arc::clone(self.packing.schema());
        let start = move || {
            let stage = self.clone();
            let map: Mapper = Box::new(move |batch| stage.run(batch));
            map
        };
        MapExec::new("PrepareExec", detail, input, schema, Arc::new(start))
    }

    fn run(&self, batch: &RecordBatch) -> Result<RecordBatch, BatchError> {
        self.progress.add_read(batch.num_rows());
        let known = batch.column_by_name(KNOWN).map(|column| column.as_primitive::<Int64Type>().clone());
        let conformed = self.conformer.conform(batch)?;
        let prepared = self.group.prepare.prepare(&conformed, self.mode, known.as_ref())?;
        if let Ok(mut counts) = self.counts.lock() {
            *counts += prepared.counts;
        }
        self.packing.pack(&prepared.rows, &self.needed)
    }
}
