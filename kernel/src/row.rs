//! Prepared rows: what is left of a source's row once its expressions are evaluated.
//!
//! A prepared batch has one row per admitted row of the source (duplicates still among them) and
//! the columns of [`schema`]. Batch and stream get it from the same function of the compiler.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array,
    RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use crate::agg::{Input, Place};
use crate::column;
use crate::time::Instant;
use crate::types::Type;
use crate::value::{Value, ValueRef};
use crate::view::View;

/// One prepared row, wherever it is kept.
pub trait Row<'a> {
    /// When it became known.
    fn known(&self) -> Instant;
    /// Its effective event time.
    fn tau(&self) -> Instant;
    /// Its tie-break bytes; empty in a view that needs none.
    fn tie(&self) -> &'a [u8];
    /// Its dedupe id; `None` without `dedupe` and where a column of the id is null, which is a
    /// duplicate of nothing.
    fn id(&self) -> Option<&'a [u8]>;
    /// Whether it passed the group's `where`. One that did not still takes part in dedupe, which
    /// belongs to the source.
    fn pass(&self) -> bool;
    /// The value of an argument column.
    fn arg(&self, index: usize) -> ValueRef<'a>;
    /// Whether a mask column is true.
    fn mask(&self, index: usize) -> bool;

    /// Its place in the row order.
    #[inline]
    fn place(&self) -> Place<'a> {
        Place { tau: self.tau(), tie: self.tie() }
    }

    /// What it gives to an aggregate over the argument columns `args`.
    #[inline]
    fn input(&self, args: &[usize]) -> Input<'a> {
        Input { at: self.place(), ..self.values(args) }
    }

    /// The same without tie-break bytes, for an aggregate that is not
    /// [ordered](crate::agg::Aggregate::ORDERED).
    #[inline]
    fn values(&self, args: &[usize]) -> Input<'a> {
        let (x, y) = match args {
            [] => (ValueRef::Null, ValueRef::Null),
            [x] => (self.arg(*x), ValueRef::Null),
            [x, y, ..] => (self.arg(*x), self.arg(*y)),
        };
        Input { x, y, at: Place { tau: self.tau(), tie: &[] } }
    }
}

/// The columns of a prepared batch: `key`, `known`, `tau`, `tie`, `id`, `pass`, then `a0`, `a1`, …
/// of the view's argument types and `m0`, `m1`, … (true or false, never null).
pub fn schema(view: &View) -> SchemaRef {
    let mut fields = vec![
        Field::new("key", DataType::Binary, false),
        Field::new("known", DataType::Int64, false),
        Field::new("tau", DataType::Int64, false),
        Field::new("tie", DataType::Binary, false),
        Field::new("id", DataType::Binary, true),
        Field::new("pass", DataType::Boolean, false),
    ];
    fields
        .extend(view.args.iter().enumerate().map(|(at, ty)| Field::new(format!("a{at}"), ty.arrow(), true)));
    fields.extend((0..view.masks).map(|at| Field::new(format!("m{at}"), DataType::Boolean, false)));
    Arc::new(Schema::new(fields))
}

/// An argument column by its physical form, so that a row is read without looking at types.
#[derive(Clone, Debug)]
enum Arg {
    Bool(BooleanArray),
    /// `int`, `timestamp`, `duration`.
    Int(Int64Array),
    Float(Float64Array),
    Decimal(Decimal128Array),
    Str(StringArray),
    Bytes(BinaryArray),
    /// Everything else, copied out of Arrow once.
    Values(Arc<[Value]>),
}

impl Arg {
    fn new(array: &ArrayRef, ty: &Type) -> Self {
        match ty {
            Type::Bool => Self::Bool(array.as_boolean().clone()),
            Type::Int | Type::Timestamp | Type::Duration => Self::Int(column::int64(array)),
            Type::Float => Self::Float(array.as_primitive().clone()),
            Type::Decimal(..) => Self::Decimal(array.as_primitive().clone()),
            Type::String | Type::Enum(_) => Self::Str(array.as_string().clone()),
            Type::Bytes => Self::Bytes(array.as_binary().clone()),
            _ => Self::Values((0..array.len()).map(|at| column::value(array, ty, at)).collect()),
        }
    }

    #[inline]
    fn get(&self, at: usize) -> ValueRef<'_> {
        match self {
            Self::Int(x) if x.is_valid(at) => ValueRef::Int(x.value(at)),
            Self::Float(x) if x.is_valid(at) => ValueRef::Float(x.value(at)),
            Self::Bool(x) if x.is_valid(at) => ValueRef::Bool(x.value(at)),
            Self::Str(x) if x.is_valid(at) => ValueRef::Str(x.value(at)),
            Self::Decimal(x) if x.is_valid(at) => ValueRef::Decimal(x.value(at)),
            Self::Bytes(x) if x.is_valid(at) => ValueRef::Bytes(x.value(at)),
            Self::Values(x) => x[at].as_ref(),
            _ => ValueRef::Null,
        }
    }
}

/// A prepared batch with its columns at hand.
#[derive(Clone, Debug)]
pub struct Rows {
    key: BinaryArray,
    known: Int64Array,
    tau: Int64Array,
    tie: BinaryArray,
    id: BinaryArray,
    pass: BooleanArray,
    args: Vec<Arg>,
    masks: Vec<BooleanArray>,
}

impl Rows {
    /// The rows of `batch`, which has the columns of [`schema`] first, in that order.
    ///
    /// Panics if it has not: a prepared batch comes from one place.
    pub fn new(view: &View, batch: &RecordBatch) -> Self {
        let first = 6 + view.args.len();
        Self {
            args: view.args.iter().enumerate().map(|(at, ty)| Arg::new(batch.column(6 + at), ty)).collect(),
            masks: (0..view.masks).map(|at| batch.column(first + at).as_boolean().clone()).collect(),
            ..Self::places(batch)
        }
    }

    /// The same without arguments and masks, for who asks for none: nothing is copied out of Arrow.
    pub fn places(batch: &RecordBatch) -> Self {
        Self {
            key: batch.column(0).as_binary().clone(),
            known: batch.column(1).as_primitive::<Int64Type>().clone(),
            tau: batch.column(2).as_primitive::<Int64Type>().clone(),
            tie: batch.column(3).as_binary().clone(),
            id: batch.column(4).as_binary().clone(),
            pass: batch.column(5).as_boolean().clone(),
            args: Vec::new(),
            masks: Vec::new(),
        }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.key.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.key.is_empty()
    }

    /// The entity key of row `at`.
    #[inline]
    pub fn key(&self, at: usize) -> &[u8] {
        self.key.value(at)
    }

    /// Row `at`.
    #[inline]
    pub fn row(&self, at: usize) -> BatchRow<'_> {
        BatchRow { rows: self, at }
    }
}

/// A row of a prepared batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchRow<'a> {
    rows: &'a Rows,
    at: usize,
}

impl<'a> Row<'a> for BatchRow<'a> {
    #[inline]
    fn known(&self) -> Instant {
        Instant(self.rows.known.value(self.at))
    }

    #[inline]
    fn tau(&self) -> Instant {
        Instant(self.rows.tau.value(self.at))
    }

    #[inline]
    fn tie(&self) -> &'a [u8] {
        self.rows.tie.value(self.at)
    }

    #[inline]
    fn id(&self) -> Option<&'a [u8]> {
        self.rows.id.is_valid(self.at).then(|| self.rows.id.value(self.at))
    }

    #[inline]
    fn pass(&self) -> bool {
        self.rows.pass.value(self.at)
    }

    #[inline]
    fn arg(&self, index: usize) -> ValueRef<'a> {
        self.rows.args[index].get(self.at)
    }

    #[inline]
    fn mask(&self, index: usize) -> bool {
        self.rows.masks[index].value(self.at)
    }
}

/// A prepared row on its own: kept in a blob until its place in time is past.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// When it became known.
    pub known: Instant,
    /// Its effective event time.
    pub tau: Instant,
    /// Its tie-break bytes.
    pub tie: Vec<u8>,
    /// Its dedupe id.
    pub id: Option<Vec<u8>>,
    /// Whether it passed the group's `where`.
    pub pass: bool,
    /// Its argument values.
    pub args: Vec<Value>,
    /// Its masks.
    pub masks: Vec<bool>,
}

impl Kept {
    /// A copy of `row` of `view`.
    pub fn copy<'a>(view: &View, row: &impl Row<'a>) -> Self {
        Self {
            known: row.known(),
            tau: row.tau(),
            tie: row.tie().to_vec(),
            id: row.id().map(<[u8]>::to_vec),
            pass: row.pass(),
            args: (0..view.args.len()).map(|at| row.arg(at).to_value()).collect(),
            masks: (0..view.masks).map(|at| row.mask(at)).collect(),
        }
    }

    /// Its place in (known, row order): the order in which rows are admitted and folded.
    pub fn order(&self) -> (Instant, Instant, &[u8]) {
        (self.known, self.tau, &self.tie)
    }
}

impl<'a> Row<'a> for &'a Kept {
    fn known(&self) -> Instant {
        self.known
    }

    fn tau(&self) -> Instant {
        self.tau
    }

    fn tie(&self) -> &'a [u8] {
        &self.tie
    }

    fn id(&self) -> Option<&'a [u8]> {
        self.id.as_deref()
    }

    fn pass(&self) -> bool {
        self.pass
    }

    fn arg(&self, index: usize) -> ValueRef<'a> {
        self.args[index].as_ref()
    }

    fn mask(&self, index: usize) -> bool {
        self.masks[index]
    }
}
