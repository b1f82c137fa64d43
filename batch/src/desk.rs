//! Rows in the order of time become answers: the windows of the keys of one hash.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::Decimal128Type;
use datafusion::execution::SendableRecordBatchStream;
use feat_kernel::admit::Admission;
use feat_kernel::column;
use feat_kernel::presence::Presence;
use feat_kernel::row::{Kept, Row, Rows};
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::Slot;
use feat_kernel::value::Value;
use feat_kernel::window::Reach;
use futures::StreamExt;

use crate::counts::OutcomeCounter;
use crate::error::BatchError;
use crate::newest::{Found, Lookup, Newest, RowPage};
use crate::place;
use crate::prepared::Packing;
use crate::slide::{At, Layouts, Outlook, Page, Slide};

/// What an operator is told beside its inputs.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// The group's name, for `explain`.
    pub(crate) name: String,
    /// How its rows are packed.
    pub(crate) packing: Arc<Packing>,
    /// How its windows are laid out.
    pub(crate) layouts: Layouts,
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
    page: Arc<RowPage>,
    next: usize,
}

impl Cursor {
    /// Before the first row of `stream`.
    pub(crate) fn new(stream: SendableRecordBatchStream) -> Self {
        Self { stream, batch: None }
    }

    /// The place of the next row; fetches a batch where the last is passed. `None`: no rows are left.
    #[inline]
    pub(crate) async fn peek(&mut self, desk: &mut Desk) -> Result<Option<i128>, BatchError> {
        loop {
            if let Some(batch) = &self.batch
                && let Some(&place) = batch.places.values().get(batch.next)
            {
                return Ok(Some(place));
            }
            // What was said of the rows that go is done first.
            self.settle(desk);
            let Some(batch) = self.stream.next().await else {
                self.batch = None;
                return Ok(None);
            };
            let batch = batch?;
            let packing = &desk.join.packing;
            let places = batch.column(0).as_primitive::<Decimal128Type>().clone();
            let batch = packing.unpack(&batch)?;
            let rows = match &desk.lookup {
                Some(_) => Rows::places(&batch),
                None => Rows::new(&packing.view, &batch),
            };
            let page = Arc::new(RowPage { rows, batch });
            self.batch = Some(RowBatch { places, page, next: 0 });
        }
    }

    /// Hands the rows at hand up to and including the place of a question to the desk.
    pub(crate) fn take(&mut self, desk: &mut Desk, question: i128) {
        if let Some(batch) = &mut self.batch {
            desk.take(batch, question);
        }
        if desk.is_full() {
            self.settle(desk);
        }
    }

    /// Passes the rows at hand up to and including a place.
    pub(crate) fn skip(&mut self, to: i128) {
        if let Some(batch) = &mut self.batch {
            batch.next += batch.places.values()[batch.next..].partition_point(|&place| place <= to);
        }
    }

    /// What is at hand of the rows of `hash`.
    fn outlook(&self, hash: i64) -> Outlook {
        let Some(batch) = &self.batch else { return Outlook::UNKNOWN };
        let places = &batch.places.values()[batch.next..];
        let places = &places[places.partition_point(|&place| place::hash(place) < hash)..];
        let rows = places.partition_point(|&place| place::hash(place) == hash);
        let span = match &places[..rows] {
            [first, .., last] => place::time(*last).since(place::time(*first)),
            _ => Micros::ZERO,
        };
        Outlook { rows, more: rows == places.len(), span }
    }

    /// Does what the desk was told of the rows at hand.
    pub(crate) fn settle(&self, desk: &mut Desk) {
        desk.settle(self.batch.as_ref().map(|batch| &batch.page.rows));
    }
}

/// The keys of one hash, nearly always one, and the answers given since the last batch.
pub(crate) struct Desk {
    join: Join,
    /// If rows are looked up, not added up.
    lookup: Option<Lookup>,
    hash: Option<i64>,
    keys: Vec<KeyBook>,
    /// Books of keys that are past; what they were told may still wait.
    spare: Vec<Book>,
    /// Rows of one place that still have to be put in row order, in a view that dedupes.
    ties: Vec<(Vec<u8>, Kept)>,
    tied: i128,
    /// Rows that outlive their batch until what was said of them is done.
    aside: Vec<Kept>,
    /// Whether equal hashes are equal keys.
    alone: bool,
    /// What was seen of the rows of the hash at hand when it came.
    outlook: Outlook,
    answers: Answers,
}

struct KeyBook {
    key: Vec<u8>,
    book: Book,
    admission: Admission,
}

/// What is kept of a key.
enum Book {
    Slide(Box<Slide>),
    Newest(Newest),
}

/// The answers since the last batch, column by column.
#[derive(Default)]
struct Answers {
    count: usize,
    columns: Vec<Vec<Value>>,
    found: Found,
}

impl Desk {
    /// Nothing on it.
    pub(crate) fn new(join: Join) -> Self {
        let lookup = Lookup::of(&join.packing.view);
        Self {
            alone: join.packing.keys == place::KeyHash::OneToOne,
            answers: Answers {
                // A row that is looked up is copied from where it stands.
                columns: if lookup.is_some() { Vec::new() } else { vec![Vec::new(); join.outputs.len()] },
                ..Answers::default()
            },
            lookup,
            join,
            hash: None,
            keys: Vec::new(),
            spare: Vec::new(),
            ties: Vec::new(),
            tied: 0,
            aside: Vec::new(),
            outlook: Outlook::UNKNOWN,
        }
    }

    /// Forgets the keys of another hash; `rows` are those that come next.
    pub(crate) fn turn_to(&mut self, hash: i64, rows: &Cursor) {
        if self.hash != Some(hash) {
            self.hash = Some(hash);
            self.outlook = rows.outlook(hash);
            self.ties.clear();
            // A row that was looked up is let go of, and its page with it.
            let slides =
                self.keys.drain(..).map(|key| key.book).filter(|book| matches!(book, Book::Slide(_)));
            self.spare.extend(slides);
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
                    let at = self.key(batch.page.rows.key(batch.next));
                    match &mut self.keys[at].book {
                        Book::Newest(newest) => newest.push(&batch.page, batch.next),
                        Book::Slide(slide) => {
                            slide.push(batch.page.rows.row(batch.next).tau(), At::batch(batch.next));
                        }
                    }
                }
            }
            batch.next += 1;
        }
    }

    /// Admits the row at hand, or keeps it until the others of its place are known.
    fn dedupe(&mut self, batch: &RowBatch, found: i128) {
        if found != self.tied {
            self.admit_ties();
            self.tied = found;
        }
        let (key, row) = (batch.page.rows.key(batch.next), batch.page.rows.row(batch.next));
        let alone = batch.places.values().get(batch.next + 1).is_some_and(|&next| next != found);
        if alone && self.ties.is_empty() {
            self.admit(key, &row, |_| At::batch(batch.next));
        } else {
            self.ties.push((key.to_vec(), Kept::copy(&self.join.packing.view, &row)));
        }
    }

    /// Adds a row that is no duplicate; `at` says where it stands if it is.
    fn admit<'a>(&mut self, key: &[u8], row: &impl Row<'a>, at: impl FnOnce(&mut Vec<Kept>) -> At) {
        let place = self.key(key);
        let KeyBook { book, admission, .. } = &mut self.keys[place];
        if admission.admit(&self.join.packing.view, row)
            && row.pass()
            && let Book::Slide(slide) = book
        {
            slide.push(row.tau(), at(&mut self.aside));
        }
    }

    /// Admits the rows of one place in row order, which is what decides which of them is the first.
    fn admit_ties(&mut self) {
        let mut ties = std::mem::take(&mut self.ties);
        ties.sort_by(|a, b| a.1.order().cmp(&b.1.order()));
        for (key, row) in ties.drain(..) {
            self.admit(&key, &&row, |aside| {
                aside.push(row.clone());
                At::aside(aside.len() - 1)
            });
        }
        self.ties = ties;
    }

    /// The place of a key's book, empty at first. Keys that hash one to one all come as empty bytes.
    fn key(&mut self, key: &[u8]) -> usize {
        // Keys that hash one to one have a hash to themselves.
        if !self.keys.is_empty() && self.alone {
            return 0;
        }
        if let Some(at) = self.keys.iter().position(|found| found.key == key) {
            return at;
        }
        let book = if self.lookup.is_some() { Book::Newest(Newest::new()) } else { self.slide() };
        self.keys.push(KeyBook { key: key.to_vec(), book, admission: Admission::default() });
        self.keys.len() - 1
    }

    /// An empty book for a key whose rows are added up.
    fn slide(&mut self) -> Book {
        let layout = self.join.layouts.of_key(self.outlook);
        let alike = |book: &Book| matches!(book, Book::Slide(slide) if slide.is_laid(layout));
        match self.spare.iter().rposition(alike).map(|at| self.spare.swap_remove(at)) {
            Some(Book::Slide(mut slide)) => {
                slide.clear();
                Book::Slide(slide)
            }
            _ => Book::Slide(Box::new(Slide::new(Arc::clone(layout)))),
        }
    }

    /// Asks for the outputs of a key at `t`.
    pub(crate) fn answer(&mut self, key: &[u8], t: Instant) {
        self.admit_ties();
        let at = self.key(if self.join.packing.carries_keys() { key } else { &[] });
        self.ask(at, t);
    }

    /// Asks for the outputs at `t` of every key that has a row that counts; `each` gets their bytes.
    pub(crate) fn answer_all(&mut self, t: Instant, mut each: impl FnMut(&[u8])) {
        self.admit_ties();
        for at in 0..self.keys.len() {
            let known = match &self.keys[at].book {
                Book::Slide(slide) => slide.is_known(),
                Book::Newest(newest) => newest.is_known(),
            };
            if known {
                each(&self.keys[at].key);
                self.ask(at, t);
            }
        }
    }

    fn ask(&mut self, at: usize, t: Instant) {
        let presence = match (&mut self.keys[at].book, &self.lookup) {
            (Book::Newest(newest), Some(lookup)) => newest.ask(lookup, t, &mut self.answers.found),
            (Book::Slide(slide), _) => slide.ask(t, self.answers.count),
            (Book::Newest(_), None) => Presence::Empty,
        };
        self.answers.count += 1;
        self.join.counter.count(presence);
    }

    /// Whether so much waits that it should be settled soon.
    fn is_full(&self) -> bool {
        self.keys.iter().any(|key| matches!(&key.book, Book::Slide(slide) if slide.is_full()))
    }

    /// Does what was said of the rows at hand and those kept aside.
    fn settle(&mut self, rows: Option<&Rows>) {
        let page = Page { rows, aside: &self.aside };
        let Answers { count, columns, .. } = &mut self.answers;
        for column in columns.iter_mut() {
            column.resize(*count, Value::Null);
        }
        let books = self.keys.iter_mut().map(|key| &mut key.book).chain(&mut self.spare);
        let mut overflows = 0;
        for book in books {
            if let Book::Slide(slide) = book {
                overflows += slide.settle(&page, columns);
            }
        }
        self.join.counter.overflowed(overflows);
        self.aside.clear();
    }

    /// The answers since the last batch, one column per output. Everything has been settled.
    pub(crate) fn columns(&mut self) -> Result<Vec<ArrayRef>, BatchError> {
        let outputs = &self.join.outputs;
        let Answers { count, columns, found } = &mut self.answers;
        *count = 0;
        if let Some(lookup) = &self.lookup {
            return std::mem::take(found).columns(lookup, outputs);
        }
        let arrays = columns.iter().zip(outputs.iter());
        let arrays = arrays.map(|(values, slot)| column::array(&slot.ty, values)).collect();
        // Emptied, not dropped: the next batch has as many.
        columns.iter_mut().for_each(Vec::clear);
        Ok(arrays)
    }
}
