//! Admission: which rows of a batch count, and why the others do not.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBufferBuilder, Int64Array, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Field, Schema};
use feat_dsl::ast::Action;
use feat_kernel::column;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};

use super::{Counts, Parts, PrepareError, Reason, STATIC, frame_of, truth};
use crate::expr::{Evaluator, each_column};
use crate::ir::{self, SourceKind};

/// The tests of a source, for the columns that one group needs.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    source_name: String,
    /// The stored columns that are read, in the source's order.
    stored: Vec<String>,
    /// Those among them that decide a value.
    deciding: Vec<String>,
    /// Those among them that must have a value.
    required: Vec<Arc<str>>,
    /// Those among them with a closed domain.
    domains: Vec<(Arc<str>, Arc<[String]>)>,
    /// The computed columns that are read, then the source's `where`s, then its expectations.
    evaluator: Evaluator,
    computed: Vec<Computed>,
    filters: usize,
    expects: Vec<Expectation>,
    since: Option<Instant>,
    lateness: Option<Micros>,
    key: Vec<String>,
    clock: Clock,
}

#[derive(Clone, Debug)]
struct Computed {
    name: Arc<str>,
    slot: Slot,
    /// Whether more than a warning reads it, so that a row for which it errs is out.
    judged: bool,
}

#[derive(Clone, Debug)]
struct Expectation {
    action: Action,
    text: Arc<str>,
    message: Option<String>,
}

/// Where a row's instants come from.
#[derive(Clone, Debug)]
enum Clock {
    /// A source without time.
    Static,
    /// The event time, and what is declared of when it becomes known.
    Columns { time: String, known: Option<String>, after: Micros },
}

/// The rows of a batch and which of them are admitted.
pub(super) struct Admitted {
    /// The stored columns that are read and the computed columns, all rows.
    pub(super) frame: RecordBatch,
    pub(super) times: Times,
    pub(super) alive: BooleanBuffer,
    pub(super) rejected: Vec<(u32, Reason)>,
    pub(super) counts: Counts,
}

/// Event time and known of each row, raw: a row that is not alive may hold anything.
pub(super) enum Times {
    Static,
    Columns { time: Int64Array, known: Vec<i64> },
}

impl Times {
    pub(super) fn at(&self, row: usize) -> (i64, i64) {
        match self {
            Self::Static => (STATIC.0, STATIC.0),
            Self::Columns { time, known } => (time.value(row), known[row]),
        }
    }
}

impl Admission {
    /// The tests of `source` for a group with the source's columns `key` that needs `columns`.
    pub(super) fn new(source: &ir::Source, key: &[String], columns: &BTreeSet<&str>) -> Self {
        let needed = needed(source, columns.clone());
        let clock = match (has_time(source), &source.time) {
            (true, Some(time)) => Clock::Columns {
                time: time.clone(),
                known: source.known.column.clone(),
                after: source.known.after,
            },
            _ => Clock::Static,
        };
        // What only warnings read is read, and rejects nothing: it is no part of the meaning.
        let read = closure(source, needed.clone(), source.expects.iter());
        let used = || source.columns.iter().filter(|column| read.contains(column.name.as_str()));
        let stored = || used().filter(|column| column.value.is_none());
        let judged = |column: &ir::Column| needed.contains(column.name.as_str());
        let computed = || used().filter_map(|column| column.value.as_ref().map(|value| (column, value)));
        let mut exprs: Vec<(String, ir::Expr)> =
            computed().map(|(column, value)| (column.name.clone(), value.clone())).collect();
        let filters =
            source.filters.iter().enumerate().map(|(at, expr)| (format!("~where {at}"), expr.clone()));
        exprs.extend(filters);
        let expects = source
            .expects
            .iter()
            .enumerate()
            .map(|(at, expect)| (format!("~expect {at}"), expect.condition.clone()));
        exprs.extend(expects);
        let scope: Vec<(String, Slot)> =
            source.columns.iter().map(|column| (column.name.clone(), column.slot.clone())).collect();
        Self {
            source_name: source.name.name.clone(),
            stored: stored().map(|column| column.name.clone()).collect(),
            deciding: stored().filter(|column| judged(column)).map(|column| column.name.clone()).collect(),
            required: stored()
                .filter(|column| judged(column) && !column.slot.nullable)
                .map(|column| column.name.as_str().into())
                .collect(),
            domains: stored()
                .filter(|column| judged(column))
                .filter_map(|column| match &column.slot.ty {
                    Type::Enum(names) => Some((column.name.as_str().into(), Arc::clone(names))),
                    _ => None,
                })
                .collect(),
            evaluator: Evaluator::new(&scope, &exprs),
            computed: computed()
                .map(|(column, _)| Computed {
                    name: column.name.as_str().into(),
                    slot: column.slot.clone(),
                    judged: judged(column),
                })
                .collect(),
            filters: source.filters.len(),
            expects: source.expects.iter().map(expectation).collect(),
            since: source.since,
            lateness: source.lateness,
            key: key.to_vec(),
            clock,
        }
    }

    pub(super) fn stored(&self) -> &[String] {
        &self.stored
    }

    pub(super) fn deciding(&self) -> &[String] {
        &self.deciding
    }

    /// The expressions that it evaluates and the columns of its clock.
    pub(super) fn parts(&self) -> Parts<'_> {
        let mut steps = self.evaluator.expressions();
        let computed = steps.by_ref().take(self.computed.len()).collect();
        let mut tests: Vec<_> = steps.by_ref().take(self.filters).map(|(_, test)| test).collect();
        let judging = steps.zip(&self.expects).filter(|(_, expect)| expect.action != Action::Warn);
        tests.extend(judging.map(|((_, test), _)| test));
        let times = match &self.clock {
            Clock::Static => Vec::new(),
            Clock::Columns { time, known, .. } => {
                std::iter::once(time).chain(known).map(String::as_str).collect()
            }
        };
        Parts { computed, tests, times, ..Parts::default() }
    }

    /// Whether every row is known when it happens, unless a log says when it was.
    pub(super) fn is_known_at_once(&self) -> bool {
        match &self.clock {
            Clock::Static => true,
            Clock::Columns { known, after, .. } => known.is_none() && *after == Micros::ZERO,
        }
    }

    pub(super) fn admit(
        &self,
        batch: &RecordBatch,
        known: Option<&Int64Array>,
    ) -> Result<Admitted, PrepareError> {
        let evaluated = self.evaluator.evaluate(batch);
        let frame = self.frame(batch, &evaluated.columns);
        let mut test = Test::new(batch.num_rows());
        self.readable(&frame, &evaluated.errors, &mut test);
        let filters = self.computed.len();
        for column in &evaluated.columns[filters..filters + self.filters] {
            test.reject(&!&truth(column.as_boolean()), &Reason::Filtered);
        }
        let times = self.times(&frame, known);
        if let (Some(since), Times::Columns { time, known }) = (self.since, &times) {
            // By tau: a row from the future that became known before `since` lies before it, so that
            // `over all` begins where admission does.
            let tau = time.values().iter().zip(known).map(|(&time, &known)| time.min(known));
            test.reject(&tau.map(|tau| tau < since.0).collect(), &Reason::BeforeSince);
        }
        for (expect, column) in self.expects.iter().zip(&evaluated.columns[filters + self.filters..]) {
            self.expect(expect, &!&truth(column.as_boolean()), &mut test)?;
        }
        if let (Some(lateness), Times::Columns { time, known }) = (self.lateness, &times) {
            let late = time.values().iter().zip(known);
            test.reject(
                &late.map(|(time, known)| known.saturating_sub(*time) > lateness.0).collect(),
                &Reason::Late,
            );
        }
        for name in &self.key {
            if let Some(nulls) = super::column(&frame, name).nulls() {
                test.reject(&!nulls.inner(), &Reason::NullKey);
            }
        }
        let Test { alive, mut rejected, mut counts } = test;
        counts.admitted = alive.count_set_bits() as u64;
        rejected.sort_by_key(|(row, _)| *row);
        Ok(Admitted { frame, times, alive, rejected, counts })
    }

    /// The stored and computed columns that are needed, as one batch.
    fn frame(&self, batch: &RecordBatch, evaluated: &[ArrayRef]) -> RecordBatch {
        let mut fields = Vec::with_capacity(self.stored.len() + self.computed.len());
        let mut columns = Vec::with_capacity(fields.capacity());
        for name in &self.stored {
            let (at, field) = batch
                .schema_ref()
                .column_with_name(name)
                .unwrap_or_else(|| panic!("invariant: the batch has a column `{name}`"));
            fields.push(field.clone().with_nullable(true));
            columns.push(Arc::clone(batch.column(at)));
        }
        for (Computed { name, slot, .. }, column) in self.computed.iter().zip(evaluated) {
            fields.push(Field::new(name.as_ref(), slot.ty.arrow(), true));
            columns.push(Arc::clone(column));
        }
        frame_of(Arc::new(Schema::new(fields)), columns, batch.num_rows())
    }

    fn readable(&self, frame: &RecordBatch, errors: &[Option<BooleanBuffer>], test: &mut Test) {
        for name in &self.required {
            if let Some(nulls) = super::column(frame, name).nulls() {
                test.reject(&!nulls.inner(), &Reason::Null(Arc::clone(name)));
            }
        }
        for (name, domain) in &self.domains {
            let column = super::column(frame, name).as_string::<i32>();
            let outside = column
                .iter()
                .map(|value| value.is_some_and(|value| !domain.iter().any(|name| name == value)));
            test.reject(&outside.collect(), &Reason::Domain(Arc::clone(name)));
        }
        for (at, errors) in errors.iter().enumerate() {
            let Some(errors) = errors else { continue };
            let what = match self.computed.get(at) {
                Some(computed) => computed.judged.then(|| Arc::clone(&computed.name)),
                None if at < self.computed.len() + self.filters => Some("where".into()),
                None => {
                    let expect = &self.expects[at - self.computed.len() - self.filters];
                    (expect.action != Action::Warn).then(|| Arc::clone(&expect.text))
                }
            };
            if let Some(what) = what {
                test.reject(errors, &Reason::Error(what));
            }
        }
    }

    fn times(&self, frame: &RecordBatch, log: Option<&Int64Array>) -> Times {
        let Clock::Columns { time, known, after } = &self.clock else { return Times::Static };
        let time = column::int64(super::column(frame, time));
        let base =
            known.as_ref().map_or_else(|| time.clone(), |known| column::int64(super::column(frame, known)));
        let says = known.is_some() || *after > Micros::ZERO;
        let declared = base.values().iter().map(|&base| base.saturating_add(after.0));
        let known = match log {
            // Nothing is declared: a row of a log is known when the log says so.
            Some(log) if !says => log.values().to_vec(),
            Some(log) => declared.zip(log.values()).map(|(declared, &clock)| declared.max(clock)).collect(),
            None => declared.collect(),
        };
        Times::Columns { time, known }
    }

    fn expect(
        &self,
        expect: &Expectation,
        broken: &BooleanBuffer,
        test: &mut Test,
    ) -> Result<(), PrepareError> {
        match expect.action {
            Action::Warn => test.counts.warned += (broken & &test.alive).count_set_bits() as u64,
            Action::Drop => test.reject(broken, &Reason::Dropped(Arc::clone(&expect.text))),
            Action::Quarantine => test.reject(broken, &Reason::Quarantined(Arc::clone(&expect.text))),
            Action::Fail => {
                if let Some(row) = (broken & &test.alive).set_indices().next() {
                    return Err(PrepareError::Expect {
                        source_name: self.source_name.clone(),
                        row: row as u32,
                        text: expect.text.to_string(),
                        message: expect.message.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The columns of `source` that one who reads `names` needs: those that admit and place a row too,
/// and everything that they are computed from.
pub(crate) fn needed<'a>(source: &'a ir::Source, mut names: BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    if has_time(source) {
        names.extend(source.time.as_deref());
        names.extend(source.known.column.as_deref());
    }
    for filter in &source.filters {
        each_column(filter, &mut |name, _| {
            names.insert(name);
        });
    }
    closure(source, names, source.expects.iter().filter(|expect| expect.judges()))
}

/// `names`, what `expects` read, and everything that these are computed from.
pub(crate) fn closure<'a>(
    source: &'a ir::Source,
    mut names: BTreeSet<&'a str>,
    expects: impl Iterator<Item = &'a ir::Expect>,
) -> BTreeSet<&'a str> {
    for expect in expects {
        each_column(&expect.condition, &mut |name, _| {
            names.insert(name);
        });
    }
    // A computed column may read those before it, so one pass from the end finds all.
    for column in source.columns.iter().rev() {
        if let Some(value) = column.value.as_ref().filter(|_| names.contains(column.name.as_str())) {
            each_column(value, &mut |name, _| {
                names.insert(name);
            });
        }
    }
    names
}

fn has_time(source: &ir::Source) -> bool {
    matches!(source.kind, SourceKind::Events | SourceKind::Table)
}

/// An expectation with a share says something of many rows, which one batch cannot judge: its rows
/// are counted.
fn expectation(expect: &ir::Expect) -> Expectation {
    let action = if expect.judges() { expect.action } else { Action::Warn };
    Expectation { action, text: expect.text.as_str().into(), message: expect.message.clone() }
}

/// Rows that are still in, and those that are not.
struct Test {
    alive: BooleanBuffer,
    rejected: Vec<(u32, Reason)>,
    counts: Counts,
}

impl Test {
    fn new(rows: usize) -> Self {
        let mut alive = BooleanBufferBuilder::new(rows);
        alive.append_n(rows, true);
        let counts = Counts { read: rows as u64, ..Counts::default() };
        Self { alive: alive.finish(), rejected: Vec::new(), counts }
    }

    /// Takes the rows of `bad` that are still in out.
    fn reject(&mut self, bad: &BooleanBuffer, reason: &Reason) {
        let now = bad & &self.alive;
        let rows = now.count_set_bits();
        if rows == 0 {
            return;
        }
        self.counts.reject(reason, rows as u64);
        self.rejected.extend(now.set_indices().map(|row| (row as u32, reason.clone())));
        self.alive = &self.alive & &!&now;
    }
}
