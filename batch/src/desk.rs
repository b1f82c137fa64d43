//! Rows in the order of time become answers: the windows of the keys of one hash.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, RecordBatch};
use arrow::datatypes::{Decimal128Type, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use feat_kernel::admit::Admission;
use feat_kernel::agg::Outcome;
use feat_kernel::column;
use feat_kernel::row::{BatchRow, Kept, Row, Rows};
use feat_kernel::time::Instant;
use feat_kernel::types::Slot;
use feat_kernel::value::Value;
use feat_kernel::window::Reach;
use futures::StreamExt;

use crate::counts::OutcomeCounter;
use crate::error::BatchError;
use crate::place;
use crate::prepared::Packing;
use crate::slide::{Layout, Slide};

/// What an operator is told beside its inputs.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// The group's name, for `explain`.
    pub(crate) name: String,
    /// How its rows are packed.
    pub(crate) packing: Arc<Packing>,
    /// How its windows are laid out.
    pub(crate) layout: Arc<Layout>,
    /// The types of its outputs.
    pub(crate) outputs: Arc<[Slot]>,
    /// Where outcomes are counted.
    pub(crate) counter: Arc<OutcomeCounter>,
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = &self.packing.view;
        let windows: Vec<String> = view
            .windows
            .iter()
            .map(|window| {
                let offset =
                    if window.offset.0 == 0 { String::new() } else { format!(" offset {}", window.offset) };
                match window.reach {
                    Reach::Length(length) => format!("{length} every {}{offset}", window.hop),
                    Reach::All(since) => format!("all since {since}{offset}"),
                }
            })
            .collect();
        write!(
            f,
            "group={}, windows=[{}], cells={}, outputs={}",
            self.name,
            windows.join(", "),
            view.cells.len(),
            view.outputs.len()
        )
    }
}

/// The packed rows of a partition that have not been passed yet.
pub(crate) struct Cursor {
    stream: SendableRecordBatchStream,
    batch: Option<RowBatch>,
}

/// A batch of packed rows, and the first that has not been passed.
struct RowBatch {
    places: Decimal128Array,
    rows: Rows,
    next: usize,
}

impl Cursor {
    /// Before the first row of `stream`.
    pub(crate) fn new(stream: SendableRecordBatchStream) -> Self {
        Self { stream, batch: None }
    }

    /// The place of the next row; fetches a batch where the last is passed. `None`: no rows are left.
    #[inline]
    pub(crate) async fn peek(&mut self, packing: &Packing) -> Result<Option<i128>, BatchError> {
        loop {
            if let Some(batch) = &self.batch
                && let Some(&place) = batch.places.values().get(batch.next)
            {
                return Ok(Some(place));
            }
            let Some(batch) = self.stream.next().await else {
                self.batch = None;
                return Ok(None);
            };
            let batch = batch?;
            let places = batch.column(0).as_primitive::<Decimal128Type>().clone();
            self.batch =
                Some(RowBatch { places, rows: Rows::new(&packing.view, &packing.unpack(&batch)?), next: 0 });
        }
    }

    /// Hands the rows at hand up to and including the place of a question to the desk.
    pub(crate) fn take(&mut self, desk: &mut Desk, question: i128) {
        if let Some(batch) = &mut self.batch {
            desk.take(batch, question);
        }
    }

    /// Passes the rows at hand up to and including a place.
    pub(crate) fn skip(&mut self, to: i128) {
        if let Some(batch) = &mut self.batch {
            batch.next += batch.places.values()[batch.next..].partition_point(|&place| place <= to);
        }
    }
}

/// The windows of the keys of one hash: nearly always of one key.
pub(crate) struct Desk {
    join: Join,
    hash: Option<i64>,
    keys: Vec<KeySlide>,
    /// Keys whose slides wait for the next hash.
    spare: Vec<Slide>,
    /// Rows of one place that still have to be put in row order, in a view that dedupes.
    ties: Vec<(Vec<u8>, Kept)>,
    tied: i128,
    /// Whether equal hashes are equal keys.
    alone: bool,
}

struct KeySlide {
    key: Vec<u8>,
    slide: Slide,
    admission: Admission,
}

impl Desk {
    /// Nothing on it.
    pub(crate) fn new(join: Join) -> Self {
        let alone = join.packing.keys == place::KeyHash::OneToOne;
        Self { join, hash: None, keys: Vec::new(), spare: Vec::new(), ties: Vec::new(), tied: 0, alone }
    }

    /// What it was told.
    pub(crate) fn join(&self) -> &Join {
        &self.join
    }

    /// Forgets the keys of another hash.
    pub(crate) fn turn_to(&mut self, hash: i64) {
        if self.hash != Some(hash) {
            self.hash = Some(hash);
            self.ties.clear();
            self.spare.extend(self.keys.drain(..).map(|key| key.slide));
        }
    }

    /// Takes the rows of `batch` up to and including the place of a question of the hash at hand.
    fn take(&mut self, batch: &mut RowBatch, question: i128) {
        let dedupes = self.join.packing.view.dedupe.is_some();
        let places = batch.places.values();
        while let Some(&found) = places.get(batch.next).filter(|&&found| found <= question) {
            if Some(place::hash(found)) == self.hash {
                if dedupes {
                    self.dedupe(batch, found);
                } else {
                    self.push(batch.rows.key(batch.next), batch.rows.row(batch.next));
                }
            }
            batch.next += 1;
        }
    }

    fn push(&mut self, key: &[u8], row: BatchRow<'_>) {
        let at = self.key(key);
        self.keys[at].slide.push(&row);
    }

    /// Admits the row at hand, or keeps it until the others of its place are known.
    fn dedupe(&mut self, batch: &RowBatch, found: i128) {
        if found != self.tied {
            self.settle();
            self.tied = found;
        }
        let (key, row) = (batch.rows.key(batch.next), batch.rows.row(batch.next));
        let alone = batch.places.values().get(batch.next + 1).is_some_and(|&next| next != found);
        if alone && self.ties.is_empty() {
            self.admit(key, &row);
        } else {
            self.ties.push((key.to_vec(), Kept::copy(&self.join.packing.view, &row)));
        }
    }

    fn admit<'a>(&mut self, key: &[u8], row: &impl Row<'a>) {
        let at = self.key(key);
        let KeySlide { slide, admission, .. } = &mut self.keys[at];
        if admission.admit(&self.join.packing.view, row) && row.pass() {
            slide.push(row);
        }
    }

    /// Admits the rows of one place in row order, which is what decides which of them is the first.
    fn settle(&mut self) {
        let mut ties = std::mem::take(&mut self.ties);
        ties.sort_by(|a, b| a.1.order().cmp(&b.1.order()));
        for (key, row) in ties.drain(..) {
            self.admit(&key, &&row);
        }
        self.ties = ties;
    }

    /// The place of a key's windows, empty at first. Keys that hash one to one all come as empty bytes.
    fn key(&mut self, key: &[u8]) -> usize {
        // Keys that hash one to one have a hash to themselves.
        if !self.keys.is_empty() && self.alone {
            return 0;
        }
        if let Some(at) = self.keys.iter().position(|found| found.key == key) {
            return at;
        }
        let slide = match self.spare.pop() {
            Some(mut slide) => {
                slide.clear();
                slide
            }
            None => Slide::new(Arc::clone(&self.join.layout)),
        };
        self.keys.push(KeySlide { key: key.to_vec(), slide, admission: Admission::default() });
        self.keys.len() - 1
    }

    /// The outputs of a key at `t`.
    pub(crate) fn answer(&mut self, key: &[u8], t: Instant, answers: &mut Answers) {
        self.settle();
        let at = if self.join.packing.carries_keys() { self.key(key) } else { self.key(&[]) };
        self.ask(at, t, answers);
    }

    /// The outputs at `t` of every key that has a row that counts; `each` gets their keys' bytes.
    pub(crate) fn answer_all(&mut self, t: Instant, answers: &mut Answers, mut each: impl FnMut(&[u8])) {
        self.settle();
        for at in 0..self.keys.len() {
            if self.keys[at].slide.is_known() {
                each(&self.keys[at].key);
                self.ask(at, t, answers);
            }
        }
    }

    fn ask(&mut self, at: usize, t: Instant, answers: &mut Answers) {
        let mut overflows = 0;
        let standing = self.keys[at].slide.ask(t, |output, outcome| {
            let value = match outcome {
                Outcome::Value(value) => value,
                Outcome::Overflow => {
                    overflows += 1;
                    Value::Null
                }
            };
            answers.columns[output].push(value);
        });
        self.join.counter.count(standing, overflows);
    }
}

/// The answers to a batch of questions, column by column.
pub(crate) struct Answers {
    columns: Vec<Vec<Value>>,
}

impl Answers {
    /// None yet, with room for `rows`.
    pub(crate) fn new(outputs: &[Slot], rows: usize) -> Self {
        Self { columns: outputs.iter().map(|_| Vec::with_capacity(rows)).collect() }
    }

    /// The answers as a batch of `schema`, behind the columns `leading`.
    pub(crate) fn batch(
        self,
        leading: Vec<ArrayRef>,
        outputs: &[Slot],
        schema: &SchemaRef,
    ) -> Result<RecordBatch, BatchError> {
        let mut columns = leading;
        columns
            .extend(self.columns.iter().zip(outputs).map(|(values, slot)| column::array(&slot.ty, values)));
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}
