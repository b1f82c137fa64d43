//! Prepared rows, packed for sorting: only the columns that the view looks at are carried.

use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema, SchemaRef};
use datafusion::physical_plan::ExecutionPlan;
use feat_compiler::plan::GroupPlan;
use feat_compiler::prepare::{Counts, Mode, Prepare, TieBreak};
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
    /// What makes the tie-break bytes once rows are sorted; `None`: they are carried, or not needed.
    made: Option<Arc<TieBreak>>,
}

/// Which instant of a row its place is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placing {
    /// From when it is visible: known by then, and strictly before.
    Visible,
    /// The same, of rows that are known when they happen.
    AtOnce,
    /// When it became known: the order in which rows are admitted.
    Known,
    /// When it happened, whenever that became known.
    Tau,
}

/// How the tie-break bytes come through the sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ties {
    /// As bytes.
    Carried,
    /// As the columns that they are made of.
    Made,
}

impl Placing {
    /// By when rows are visible, all of which may be known `at_once`, when they happen.
    pub(crate) fn visible(at_once: bool) -> Self {
        if at_once { Self::AtOnce } else { Self::Visible }
    }

    /// Whether the place says when a row happened, so that rows of one instant stand side by side.
    fn tells_tau(self) -> bool {
        matches!(self, Self::AtOnce | Self::Tau)
    }
}

/// Columns before the carried ones once rows are sorted: the place.
const LEADING: usize = 1;
/// Columns of the kernel's schema before its arguments.
const FIXED: usize = 6;

impl Packing {
    /// What `group` needs carried of rows that stand where `placing` says.
    pub(crate) fn new(group: &GroupPlan, placing: Placing) -> Self {
        let bytes = KeyHash::of(group) == KeyHash::Digest;
        Self::carrying(group, Arc::clone(&group.view), bytes, placing, Ties::Made)
    }

    /// The same, and the keys' bytes whether or not they are needed to tell keys apart.
    pub(crate) fn with_keys(group: &GroupPlan, placing: Placing) -> Self {
        Self::carrying(group, Arc::clone(&group.view), true, placing, Ties::Made)
    }

    /// What it takes to admit the rows of `group` in the order in which they became known.
    pub(crate) fn by_known(group: &GroupPlan) -> Self {
        Self::carrying(group, Arc::clone(&group.view), true, Placing::Known, Ties::Carried)
    }

    /// What `group` needs of rows that are no duplicates and that it sees by when they happened.
    pub(crate) fn by_tau(group: &GroupPlan) -> Self {
        // What was admitted by known comes with the bytes that it took.
        let ties = if group.view.dedupe.is_some() { Ties::Carried } else { Ties::Made };
        let view = Arc::new(View { dedupe: None, ..View::clone(&group.view) });
        Self::carrying(group, view, KeyHash::of(group) == KeyHash::Digest, Placing::Tau, ties)
    }

    fn carrying(group: &GroupPlan, view: Arc<View>, key_bytes: bool, placing: Placing, ties: Ties) -> Self {
        let full = row::schema(&view);
        let dedupes = view.dedupe.is_some();
        let made = (ties == Ties::Made && view.ties).then(|| Arc::clone(group.prepare.tie_break()));
        let needed = |name: &str| match name {
            "key" => key_bytes,
            "known" | "id" | "pass" => dedupes,
            "tau" => !placing.tells_tau(),
            "tie" => view.ties && made.is_none(),
            _ => true,
        };
        let carried: Vec<usize> =
            (0..full.fields().len()).filter(|&at| at >= FIXED || needed(full.field(at).name())).collect();
        let mut fields = vec![Field::new("place", PLACE, false), Field::new("hash", DataType::Int64, false)];
        fields.extend(carried.iter().map(|&at| full.field(at).clone()));
        let beside = made.iter().flat_map(|made| made.beside()).enumerate();
        fields.extend(beside.map(|(at, ty)| Field::new(format!("t{at}"), ty, true)));
        let keys = KeyHash::of(group);
        Self { view, keys, placing, schema: Arc::new(Schema::new(fields)), carried, made }
    }

    /// `prepare`, with no more of the tie-break bytes than is packed.
    fn lean(&self, prepare: &Prepare) -> Prepare {
        if self.made.is_some() { prepare.without_ties() } else { prepare.clone() }
    }

    /// Whether packed rows hold their keys' bytes.
    pub(crate) fn carries_keys(&self) -> bool {
        // The key is the kernel's first column.
        self.carried.first() == Some(&0)
    }

    /// The columns of packed rows: `place`, `hash`, then what is carried, `t0`, `t1`, … of what makes the
    /// tie-break bytes at their end.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Packs prepared rows, leaving out those that cannot count within `reach`. `beside` is what comes with
    /// them where their tie-break bytes are still to be made.
    pub(crate) fn pack(
        &self,
        rows: &RecordBatch,
        beside: &[ArrayRef],
        reach: &Needed,
    ) -> Result<RecordBatch, BatchError> {
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
                Placing::AtOnce | Placing::Tau => tau.next(),
            };
            // Whatever became known may be what another row repeats.
            // What happens at the end of time is in nobody's past, and its place is that of the instant before.
            let keep = self.placing == Placing::Known
                || (tau < Instant::MAX
                    && from <= reach.last
                    && (dedupes || (pass.value(at) && tau >= reach.first)));
            places.push(place::place(hashes.value(at), from));
            kept.push(keep);
            all &= keep;
        }
        let mut columns: Vec<ArrayRef> = vec![place::column(places), Arc::new(hashes)];
        columns.extend(self.carried.iter().map(|&at| Arc::clone(rows.column(at))));
        columns.extend(beside.iter().cloned());
        let packed = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        if all { Ok(packed) } else { Ok(filter_record_batch(&packed, &BooleanArray::from(kept))?) }
    }

    /// Puts columns that were not carried back as constants: the batch that the kernel reads. `packed`
    /// has been sorted, and its hash left behind.
    pub(crate) fn unpack(&self, packed: &RecordBatch) -> Result<RecordBatch, BatchError> {
        let full = row::schema(&self.view);
        let rows = packed.num_rows();
        let places = packed.column(0).as_primitive::<Decimal128Type>().values();
        let columns = full.fields().iter().enumerate().map(|(at, field)| -> ArrayRef {
            match self.carried.iter().position(|&carried| carried == at) {
                Some(found) => Arc::clone(packed.column(LEADING + found)),
                None if field.name() == "tau" => {
                    let tau = places.iter().map(|&place| place::time(place).before().0);
                    Arc::new(Int64Array::from_iter_values(tau))
                }
                None => match &self.made {
                    Some(made) if field.name() == "tie" => Arc::new(self.ties(made, packed, places)),
                    _ => missing(field, rows),
                },
            }
        });
        Ok(RecordBatch::try_new(Arc::clone(&full), columns.collect())?)
    }

    /// The tie-break bytes of sorted rows. Where rows of one instant stand side by side, only of those that
    /// have such a neighbour, or may have one in another batch: nothing else is asked of the others.
    fn ties(&self, made: &TieBreak, packed: &RecordBatch, places: &[i128]) -> BinaryArray {
        let (carried, beside) = packed.columns()[LEADING..].split_at(self.carried.len());
        let arguments = &carried[carried.len() - (self.view.args.len() + self.view.masks)..];
        let last = places.len().saturating_sub(1);
        made.bytes(arguments, beside, places.len(), |at| {
            !self.placing.tells_tau()
                || at == 0
                || at == last
                || places[at] == places[at - 1]
                || places[at] == places[at + 1]
        })
    }
}

/// A constant in place of a column that the view does not look at.
fn missing(field: &Field, rows: usize) -> ArrayRef {
    match field.data_type() {
        DataType::Boolean => Arc::new(BooleanArray::from(vec![true; rows])),
        DataType::Int64 => Arc::new(Int64Array::from(vec![0; rows])),
        _ if field.is_nullable() => arrow::array::new_null_array(field.data_type(), rows),
        _ => Arc::new(BinaryArray::from_iter_values(std::iter::repeat_n(b"", rows))),
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
        let (group, schema) = (Arc::clone(&self.group), Arc::clone(self.packing.schema()));
        let prepare = self.packing.lean(&self.group.prepare);
        let start = move || {
            let (stage, prepare) = (self.clone(), prepare.clone());
            let map: Mapper = Box::new(move |batch| stage.run(&prepare, batch));
            map
        };
        MapExec::preparing(group, input, schema, Arc::new(start))
    }

    fn run(&self, prepare: &Prepare, batch: &RecordBatch) -> Result<RecordBatch, BatchError> {
        self.progress.add_read(batch.num_rows());
        let known = batch.column_by_name(KNOWN).map(|column| column.as_primitive::<Int64Type>().clone());
        let conformed = self.conformer.conform(batch)?;
        let prepared = prepare.prepare(&conformed, self.mode, known.as_ref())?;
        if let Ok(mut counts) = self.counts.lock() {
            *counts += prepared.counts;
        }
        self.packing.pack(&prepared.rows, &prepared.beside, &self.needed)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, TimestampMicrosecondArray};
    use arrow::compute::concat_batches;
    use feat_compiler::compile;
    use feat_dsl::source_map::SourceMap;

    use super::*;

    /// `price` is an argument, `n` and `mark` are not.
    const SPEC: &str = r#"
        entity user(user_id: int)
        source pays: events {
          user_id: int
          n: int?
          price: float?
          mark: float?
          ts: timestamp
          time ts
          order by n
          batch parquet("pays/")
        }
        features spend of user from pays {
          newest = last(price) over 1h
          marked = last(price) where mark > 1.0 over 1h
        }
    "#;

    fn group() -> Arc<GroupPlan> {
        let mut sources = SourceMap::new();
        sources.add("test.feat", SPEC);
        Arc::clone(compile(&sources).plans.groups.values().next().unwrap())
    }

    /// Rows of one key whose instants come twice, once, three times, and so on, in their order.
    fn rows() -> RecordBatch {
        let instants = [1, 1, 2, 3, 3, 3, 4, 5, 6, 6, 7, 7, 7, 7, 8];
        let n = |at: usize| if at.is_multiple_of(4) { None } else { Some(at as i64 * 7 % 5) };
        let price = |at: usize| if at.is_multiple_of(5) { None } else { Some(at as f64 * -1.5) };
        let mark = |at: usize| Some((at % 3) as f64);
        let zoned = TimestampMicrosecondArray::from(instants.to_vec()).with_timezone("UTC");
        let count = instants.len();
        RecordBatch::try_from_iter([
            ("user_id", Arc::new(Int64Array::from(vec![7; count])) as ArrayRef),
            ("n", Arc::new((0..count).map(n).collect::<Int64Array>())),
            ("price", Arc::new((0..count).map(price).collect::<Float64Array>())),
            ("mark", Arc::new((0..count).map(mark).collect::<Float64Array>())),
            ("ts", Arc::new(zoned)),
        ])
        .unwrap()
    }

    /// What [`Packing::unpack`] makes of rows that were sorted and cut before row `cut`.
    fn unpacked(packing: &Packing, group: &GroupPlan, cut: usize) -> RecordBatch {
        let prepared = packing.lean(&group.prepare).prepare(&rows(), Mode::AsKnown, None).unwrap();
        let packed = packing.pack(&prepared.rows, &prepared.beside, &Needed::until(Instant(100))).unwrap();
        let hash = packed.schema().index_of("hash").unwrap();
        let sorted: Vec<usize> = (0..packed.num_columns()).filter(|&at| at != hash).collect();
        let sorted = packed.project(&sorted).unwrap();
        let parts = [sorted.slice(0, cut), sorted.slice(cut, sorted.num_rows() - cut)];
        let parts = parts.map(|part| packing.unpack(&part).unwrap());
        concat_batches(&parts[0].schema(), &parts).unwrap()
    }

    #[test]
    fn rows_of_one_instant_have_their_tie_break_bytes_wherever_a_batch_is_cut() {
        let group = group();
        let whole = group.prepare.prepare(&rows(), Mode::AsKnown, None).unwrap().rows;
        let (tau, ties) = (whole.column(2).as_primitive::<Int64Type>(), whole.column(3).as_binary::<i32>());
        assert!(ties.iter().all(|tie| tie.is_some_and(|tie| !tie.is_empty())));
        let count = whole.num_rows();
        for (packing, tells_tau) in [
            (Packing::new(&group, Placing::Visible), false),
            (Packing::new(&group, Placing::AtOnce), true),
            (Packing::with_keys(&group, Placing::AtOnce), true),
            (Packing::by_tau(&group), true),
        ] {
            assert_eq!(packing.schema().index_of("tau").is_err(), tells_tau);
            assert_eq!(packing.schema().fields().iter().filter(|field| field.name() == "a0").count(), 1);
            // `n` and `mark`: the price is there.
            assert!(packing.schema().index_of("t1").is_ok() && packing.schema().index_of("t2").is_err());
            for cut in 0..=count {
                let found = unpacked(&packing, &group, cut);
                assert_eq!(found.column(2), whole.column(2));
                assert_eq!(&found.columns()[FIXED..], &whole.columns()[FIXED..]);
                let found = found.column(3).as_binary::<i32>();
                for row in 0..count {
                    let shared = (0..count).any(|other| other != row && tau.value(other) == tau.value(row));
                    if shared || !tells_tau {
                        assert_eq!(found.value(row), ties.value(row), "row {row}, cut before {cut}");
                    }
                }
                let bare = (0..count).filter(|&row| found.value(row).is_empty()).count();
                assert_eq!(bare > 0, tells_tau, "of rows alone at their instant no bytes are made");
            }
        }
    }
}
