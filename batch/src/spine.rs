//! The spine: the rows of a training set, numbered, and the questions that they ask.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use feat_compiler::conform::is_zone;
use feat_compiler::expr::Evaluator;
use feat_compiler::ir::QName;
use feat_compiler::plan::{DatasetPlan, ServicePlan, SourcePlan, StoredColumn};
use feat_compiler::text::Reader;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::ValueRef;
use feat_kernel::{column, key};
use futures::StreamExt;

use crate::error::BatchError;
use crate::map::{MapExec, Mapper};
use crate::place::{self, KeyHash};
use crate::point_in_time::questions;
use crate::scan::{Conformer, Order, read, scan};
use crate::session::Session;
use crate::tables::{Table, Tables};

/// A file of entity keys and times, with any other columns.
#[derive(Clone, Debug)]
pub struct SpineFile {
    /// Its rows.
    pub table: Table,
    /// The column that holds each row's instant.
    pub time: String,
    /// Whose wall clock zone-less times are (`America/New_York`).
    pub zone: Option<String>,
}

/// The rows that ask: a file's, or those of a source that a dataset keeps.
#[derive(Clone, Debug)]
pub(crate) struct Spine {
    pub(crate) table: Table,
    /// What is known of its columns: keys, request inputs and the time of a file; the source of a
    /// dataset.
    source: Arc<SourcePlan>,
    time: String,
    keep: Option<Arc<Keep>>,
    /// The columns as they go into the training set.
    pub(crate) schema: SchemaRef,
}

/// Which rows of its source a dataset keeps.
#[derive(Debug)]
struct Keep {
    dataset: Arc<DatasetPlan>,
    /// The last instant whose labels are settled.
    settled: Option<Instant>,
    /// Rows left out because their labels are not.
    unsettled: std::sync::atomic::AtomicU64,
    schema: SchemaRef,
}

/// What one look at a spine's times tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// How many rows.
    pub(crate) rows: u64,
    /// The earliest instant; [`Instant::MAX`] without rows.
    pub(crate) earliest: Instant,
    /// The latest instant; [`Instant::MIN`] without rows.
    pub(crate) latest: Instant,
}

impl Spine {
    /// The rows of `file`, asked for the features of `service`.
    ///
    /// Errors: [`BatchError::Spine`] for a missing column, a time without a zone, a key of another type.
    pub(crate) async fn of_file(
        session: &Session,
        service: &ServicePlan,
        file: &SpineFile,
    ) -> Result<Self, BatchError> {
        let origin = file.table.origin();
        let wrong = |reason: String| BatchError::Spine { origin: origin.clone(), reason };
        if let Some(zone) = file.zone.as_deref().filter(|zone| !is_zone(zone)) {
            return Err(wrong(format!(
                "zone `{zone}` is not known: `--zone` takes a name such as `UTC` or `America/New_York`"
            )));
        }
        let stored = |name: &str, slot: Slot| StoredColumn {
            name: name.to_owned(),
            zone: file.zone.clone().filter(|_| slot.ty == Type::Timestamp),
            slot,
        };
        let mut columns: Vec<StoredColumn> = Vec::new();
        for (name, ty) in &service.keys {
            columns.push(stored(name, Slot::nullable(ty.clone())));
        }
        for input in &service.requests {
            if !columns.iter().any(|column| column.name == input.column) {
                columns.push(stored(&input.column, Slot::nullable(input.slot.ty.clone())));
            }
        }
        match columns.iter().find(|column| column.name == file.time) {
            Some(found) if found.slot.ty != Type::Timestamp => {
                return Err(wrong(format!(
                    "time column `{}` is also an input of type {}",
                    file.time, found.slot
                )));
            }
            Some(_) => {}
            None => columns.push(stored(&file.time, Slot::nullable(Type::Timestamp))),
        }
        let plan = read(session, &file.table, None, &columns, Order::File, Reader::Spine).await?;
        let schema = plan.schema();
        let missing: Vec<String> = columns
            .iter()
            .filter(|column| schema.index_of(&column.name).is_err())
            .map(|column| format!("`{}`", column.name))
            .collect();
        if !missing.is_empty() {
            let names: Vec<String> =
                schema.fields().iter().map(|field| format!("`{}`", field.name())).collect();
            return Err(wrong(format!(
                "has no column {}, which service `{}` needs; it has {}",
                missing.join(", "),
                service.name,
                names.join(", ")
            )));
        }
        let found = schema.field_with_name(&file.time)?;
        if matches!(found.data_type(), DataType::Timestamp(_, None)) && file.zone.is_none() {
            return Err(wrong(format!(
                "time column `{}` has no zone: say whose wall clock it is with `--zone`, such as `--zone UTC`",
                file.time
            )));
        }
        let spine = Self {
            table: file.table.clone(),
            source: Arc::new(SourcePlan::of_columns(
                QName { package: String::new(), name: "spine".to_owned() },
                columns,
            )),
            time: file.time.clone(),
            keep: None,
            schema,
        };
        let all: Vec<String> = spine.source.stored.iter().map(|column| column.name.clone()).collect();
        spine.conformer(&all).check(&spine.schema)?;
        Ok(spine)
    }

    /// The rows that `dataset` keeps; with labels, those at or before `settled`.
    pub(crate) async fn of_dataset(
        session: &Session,
        dataset: &Arc<DatasetPlan>,
        tables: &Tables,
        settled: Option<Instant>,
    ) -> Result<Self, BatchError> {
        let source = &dataset.spine;
        let table = tables.get(source)?;
        let columns: Vec<String> = source.stored.iter().map(|column| column.name.clone()).collect();
        let (plan, conformer) = scan(session, source, &table, &columns, Order::File).await?;
        let mut fields: Vec<Arc<Field>> = conformer.check(&plan.schema())?.fields().to_vec();
        fields.extend(
            source.computed.outputs().map(|(name, slot)| Arc::new(Field::new(name, slot.ty.arrow(), true))),
        );
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let keep = Keep {
            dataset: Arc::clone(dataset),
            settled,
            unsettled: std::sync::atomic::AtomicU64::new(0),
            schema: Arc::clone(&schema),
        };
        Ok(Self {
            table,
            source: Arc::clone(source),
            time: dataset.at.clone(),
            keep: Some(Arc::new(keep)),
            schema,
        })
    }

    /// The kept rows in their order, one partition. `columns`: a reader of a file may do with fewer.
    pub(crate) async fn plan(
        &self,
        session: &Session,
        columns: Option<&[String]>,
    ) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
        let Some(keep) = self.keep.clone() else {
            let stored = &self.source.stored;
            return read(session, &self.table, columns, stored, Order::File, Reader::Spine).await;
        };
        let all: Vec<String> = self.source.stored.iter().map(|column| column.name.clone()).collect();
        let (plan, conformer) = scan(session, &self.source, &self.table, &all, Order::File).await?;
        let detail = format!("dataset={}, source={}", keep.dataset.name, self.source.name);
        let schema = Arc::clone(&keep.schema);
        let start = move || {
            let (keep, conformer) = (Arc::clone(&keep), conformer.clone());
            let map: Mapper = Box::new(move |batch| keep.rows(&conformer.conform(batch)?));
            map
        };
        Ok(Arc::new(MapExec::new("SpineExec", detail, plan, schema, Arc::new(start))))
    }

    /// What makes `columns` of a file what is known of them.
    fn conformer(&self, columns: &[String]) -> Conformer {
        Conformer::of_table(Arc::clone(&self.source), columns, &self.table, Reader::Spine)
    }

    /// The named columns of a batch of [`Spine::plan`], of their declared types, and its instants.
    pub(crate) fn facts(&self, batch: &RecordBatch, names: &[String]) -> Result<Facts, BatchError> {
        let mut wanted: Vec<String> = names.to_vec();
        wanted.push(self.time.clone());
        let batch = match self.keep {
            Some(_) => batch.clone(),
            None => self.conformer(&wanted).conform(batch)?,
        };
        let column = |name: &String| {
            batch.column_by_name(name).cloned().ok_or_else(|| BatchError::Spine {
                origin: self.table.origin(),
                reason: format!("has no column `{name}`"),
            })
        };
        let at = column::int64(&column(&self.time)?);
        Ok(Facts { columns: names.iter().map(column).collect::<Result<_, _>>()?, at })
    }

    /// Looks at every time once.
    ///
    /// Errors: [`BatchError::Spine`] with the row's number (from one) where the time is null.
    pub(crate) async fn extent(&self, session: &Session) -> Result<Extent, BatchError> {
        let plan = self.plan(session, Some(std::slice::from_ref(&self.time))).await?;
        let mut stream = execute_stream(plan, session.task())?;
        let mut extent = Extent { rows: 0, earliest: Instant::MAX, latest: Instant::MIN };
        while let Some(batch) = stream.next().await {
            let at = self.facts(&batch?, &[])?.at;
            if let Some(row) = (0..at.len()).find(|&row| at.is_null(row)) {
                return Err(BatchError::Spine {
                    origin: self.table.origin(),
                    reason: format!(
                        "time column `{}` is null in row {}: write a time there, or leave the row out",
                        self.time,
                        extent.rows + row as u64 + 1
                    ),
                });
            }
            extent.rows += at.len() as u64;
            extent.earliest =
                arrow::compute::min(&at).map_or(extent.earliest, |at| extent.earliest.min(Instant(at)));
            extent.latest =
                arrow::compute::max(&at).map_or(extent.latest, |at| extent.latest.max(Instant(at)));
        }
        Ok(extent)
    }

    /// How many rows were left out because their labels are not settled, counted by the last pass
    /// of [`Spine::extent`].
    pub(crate) fn unsettled(&self) -> u64 {
        self.keep.as_ref().map_or(0, |keep| keep.unsettled.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// The questions of the rows whose key, made of the columns `names`, is not null: asked `later`
    /// than the row's time.
    pub(crate) async fn questions(
        &self,
        session: &Session,
        names: Vec<String>,
        types: Vec<Type>,
        keys: KeyHash,
        later: Micros,
    ) -> Result<MapExec, BatchError> {
        let mut columns = names.clone();
        if !columns.contains(&self.time) {
            columns.push(self.time.clone());
        }
        let plan = self.plan(session, Some(&columns)).await?;
        let detail = format!("key=[{}]", names.join(", "));
        let spine = self.clone();
        let start = move || {
            let (spine, names, types) = (spine.clone(), names.clone(), types.clone());
            let mut first = 0i64;
            let map: Mapper = Box::new(move |batch| {
                let facts = spine.facts(batch, &names)?;
                let asked = ask(&facts, &types, keys, later, first)?;
                first += batch.num_rows() as i64;
                Ok(asked)
            });
            map
        };
        Ok(MapExec::new("QuestionExec", detail, plan, questions(), Arc::new(start)))
    }
}

/// What the engine reads of a batch of the spine.
pub(crate) struct Facts {
    /// The columns asked for, in their order.
    pub(crate) columns: Vec<ArrayRef>,
    /// Each row's instant.
    pub(crate) at: Int64Array,
}

impl Keep {
    /// The rows of a conformed batch that the dataset keeps, with the computed columns.
    fn rows(&self, batch: &RecordBatch) -> Result<RecordBatch, BatchError> {
        let mut columns = batch.columns().to_vec();
        columns.extend(self.dataset.spine.computed.evaluate(batch).columns);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let at = batch.column_by_name(&self.dataset.at).map(|column| column::int64(column));
        // What the source does not have, and what the dataset's `where` leaves out.
        let tests = [Some(&self.dataset.spine.keep), self.dataset.filter.as_ref()];
        let tests: Vec<ArrayRef> = tests.into_iter().flatten().map(|test| first(test, &batch)).collect();
        let tests: Vec<&BooleanArray> = tests.iter().map(AsArray::as_boolean).collect();
        let sample = self.dataset.sample.as_ref().and_then(|(parts, name)| {
            let place = batch.schema_ref().index_of(name).ok()?;
            let (_, ty) = self.typed(name)?;
            Some((*parts, Arc::clone(batch.column(place)), ty))
        });
        let mut unsettled = 0;
        let mut kept = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let t = at.as_ref().filter(|at| at.is_valid(row)).map(|at| Instant(at.value(row)));
            let mut keep = tests.iter().all(|test| test.is_valid(row) && test.value(row))
                && self.dataset.period.is_none_or(|(from, to)| t.is_none_or(|t| from <= t && t < to))
                && sample.as_ref().is_none_or(|(parts, column, ty)| {
                    let mut bytes = Vec::new();
                    let value = column::value(column, ty, row);
                    key::put(&mut bytes, std::iter::once(value.as_ref()))
                        && key::partition(&bytes, 1_000_000) < *parts
                });
            if keep && self.settled.is_some_and(|settled| t.is_some_and(|t| t > settled)) {
                keep = false;
                unsettled += 1;
            }
            kept.push(keep);
        }
        self.unsettled.fetch_add(unsettled, std::sync::atomic::Ordering::Relaxed);
        Ok(filter_record_batch(&batch, &BooleanArray::from(kept))?)
    }

    fn typed(&self, name: &str) -> Option<(String, Type)> {
        let source = &self.dataset.spine;
        let stored = source.stored.iter().map(|column| (column.name.as_str(), &column.slot));
        stored
            .chain(source.computed.outputs())
            .find(|(found, _)| *found == name)
            .map(|(name, slot)| (name.to_owned(), slot.ty.clone()))
    }
}

fn first(evaluator: &Evaluator, batch: &RecordBatch) -> ArrayRef {
    Arc::clone(&evaluator.evaluate(batch).columns[0])
}

/// A key column by its physical form.
enum KeyColumn<'a> {
    Int(Int64Array),
    Str(&'a StringArray),
    Other(&'a ArrayRef, &'a Type),
}

/// The questions of a batch whose first row has the number `first`.
fn ask(
    facts: &Facts,
    types: &[Type],
    keys: KeyHash,
    later: Micros,
    first: i64,
) -> Result<RecordBatch, BatchError> {
    let columns: Vec<KeyColumn<'_>> = facts
        .columns
        .iter()
        .zip(types)
        .map(|(column, ty)| match ty {
            Type::Int | Type::Timestamp | Type::Duration => KeyColumn::Int(column::int64(column)),
            Type::String | Type::Enum(_) => KeyColumn::Str(column.as_string()),
            _ => KeyColumn::Other(column, ty),
        })
        .collect();
    let rows = facts.at.len();
    let (mut places, mut hashes, mut numbers) =
        (Vec::with_capacity(rows), Vec::with_capacity(rows), Vec::with_capacity(rows));
    let mut bytes = BinaryBuilder::with_capacity(rows, rows * 12);
    let mut scratch = Vec::new();
    for row in 0..rows {
        scratch.clear();
        let other: Vec<_> = columns
            .iter()
            .filter_map(|column| match column {
                KeyColumn::Other(column, ty) => Some(column::value(column, ty, row)),
                _ => None,
            })
            .collect();
        let mut other = other.iter();
        let values = columns.iter().map(|column| match column {
            KeyColumn::Int(column) if column.is_valid(row) => ValueRef::Int(column.value(row)),
            KeyColumn::Str(column) if column.is_valid(row) => ValueRef::Str(column.value(row)),
            KeyColumn::Other(..) => other.next().map_or(ValueRef::Null, |value| value.as_ref()),
            _ => ValueRef::Null,
        });
        if key::put(&mut scratch, values) {
            let hash = keys.hash(&scratch);
            places.push(place::place(hash, Instant(facts.at.value(row)).plus(later)));
            hashes.push(hash);
            numbers.push(first + row as i64);
            bytes.append_value(&scratch);
        }
    }
    let columns: Vec<ArrayRef> = vec![
        place::column(places),
        Arc::new(Int64Array::from(hashes)),
        Arc::new(Int64Array::from(numbers)),
        Arc::new(bytes.finish()),
    ];
    Ok(RecordBatch::try_new(questions(), columns)?)
}
