//! Offline tables: a group's values over a period, as a Delta table.

use std::path::Path;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use feat_compiler::plan::GroupPlan;
use feat_compiler::prepare::{Counts, Mode};
use feat_compiler::recorded::stored;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::Type;
use feat_kernel::{column, key};

use crate::answers::{by_key, placing, rows};
use crate::columns::evaluate;
use crate::counts::{OutcomeCounter, Outcomes};
use crate::desk::Join;
use crate::error::BatchError;
use crate::grid::{Grid, GridExec};
use crate::map::{MapExec, Mapper};
use crate::offline::Offline;
use crate::prepared::{Needed, Packing, Preparation};
use crate::session::Session;
use crate::slide::Layouts;
use crate::tables::Tables;

/// What a run of [`materialize`] wrote.
#[derive(Clone, Debug)]
pub struct Materialized {
    /// The table's folder or URL.
    pub location: String,
    /// Its version after the run.
    pub version: u64,
    /// Rows written.
    pub rows: u64,
    /// What became of the source's rows.
    pub counts: Counts,
    /// How the entities stood, added up over the grid.
    pub outcomes: Outcomes,
}

/// Writes the values of `group` at each instant of `grid` to `<root>/<group>@<version>/values`.
///
/// Shape: one row per instant and entity that some row counts for by then: the key columns, `at`,
/// one column per feature, `day` (`2024-05-01`, UTC), by which the table is partitioned. Durations
/// are whole microseconds, since Delta has no such type.
/// Cost: one scan and one sort of the source.
/// Errors: nothing is committed by a run that fails, and its files are removed. One commit replaces
/// exactly the grid's period, so that repeating a run changes no row. A table that holds another
/// meaning or other columns is refused, and so is one that lies where the run reads.
pub async fn materialize(
    session: &Session,
    tables: &Tables,
    group: &Arc<GroupPlan>,
    grid: Grid,
    root: &str,
) -> Result<Materialized, BatchError> {
    if grid.every <= Micros::ZERO || grid.from >= grid.to {
        return Err(BatchError::Request(format!(
            "nothing lies between {} and {} at steps of {}: `--from` must be before `--to`, `--every` positive",
            grid.from, grid.to, grid.every
        )));
    }
    let location = format!("{}/{}@{}/values", root.trim_end_matches('/'), group.name, group.version);
    for (name, table) in tables.iter() {
        if let Some(why) = table.reads(Path::new(&location)) {
            let reason = format!(
                "would be written among what source `{name}` reads ({why}): name another root, `[offline] url` \
                 in feat.toml"
            );
            return Err(BatchError::File { path: location.into(), reason });
        }
    }
    let counts = Arc::new(Mutex::new(Counts::default()));
    let counter = Arc::new(OutcomeCounter::default());
    let values = values(session, tables, group, grid, Arc::clone(&counts), Arc::clone(&counter)).await?;
    let version = Offline::open(group, location.clone()).await?.write(session, values, grid).await?;
    let outcomes = counter.outcomes();
    let counts = counts.lock().map(|counts| *counts).unwrap_or_default();
    Ok(Materialized {
        location,
        version,
        rows: outcomes.present + outcomes.empty + outcomes.absent,
        counts,
        outcomes,
    })
}

/// The plan whose rows are the table's.
async fn values(
    session: &Session,
    tables: &Tables,
    group: &Arc<GroupPlan>,
    grid: Grid,
    counts: Arc<Mutex<Counts>>,
    counter: Arc<OutcomeCounter>,
) -> Result<Arc<dyn ExecutionPlan>, BatchError> {
    let packing = Arc::new(Packing::with_keys(group, placing(tables, group, Mode::AsKnown)?));
    let (input, conformer) = rows(session, tables, &group.source, group.prepare.columns()).await?;
    let preparation = Preparation {
        group: Arc::clone(group),
        conformer: Arc::new(conformer),
        mode: Mode::AsKnown,
        packing: Arc::clone(&packing),
        // An entity is known by its first row, however old.
        needed: Needed::until(grid.to),
        counts,
        progress: Arc::clone(session.progress()),
    };
    let join = Join {
        name: group.name.to_string(),
        packing,
        layouts: Layouts::new(&group.view),
        outputs: group.outputs.clone().into(),
        counter,
    };
    let sorted = by_key(Arc::new(preparation.over(input)), session.cores())?;
    let gridded: Arc<dyn ExecutionPlan> = Arc::new(GridExec::new(sorted, join, grid));
    let schema = schema(group);
    let (group, out) = (Arc::clone(group), Arc::clone(&schema));
    let progress = Arc::clone(session.progress());
    let detail = format!("group={}, columns={}", group.name, schema.fields().len());
    let start = move || {
        let (group, out, progress) = (Arc::clone(&group), Arc::clone(&out), Arc::clone(&progress));
        let map: Mapper = Box::new(move |batch| {
            progress.add_written(batch.num_rows());
            typed(&group, batch, &out)
        });
        map
    };
    let features = MapExec::new("FeatureExec", detail, gridded, schema, Arc::new(start));
    Ok(Arc::new(CoalescePartitionsExec::new(Arc::new(features))))
}

/// The columns of the table.
pub(crate) fn schema(group: &GroupPlan) -> SchemaRef {
    let mut fields: Vec<Field> =
        group.key.iter().map(|(name, ty)| Field::new(name, stored(ty), true)).collect();
    fields.push(Field::new("at", Type::Timestamp.arrow(), true));
    let features = group.features.iter().filter(|feature| !feature.private);
    fields.extend(features.map(|feature| Field::new(&feature.name, stored(&feature.slot.ty), true)));
    fields.push(Field::new("day", DataType::Utf8, true));
    Arc::new(Schema::new(fields))
}

/// Answers with key bytes in, the table's columns out.
fn typed(group: &GroupPlan, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, BatchError> {
    let rows = batch.num_rows();
    let encoded = batch.column(0).as_binary::<i32>();
    let mut values = vec![Vec::with_capacity(rows); group.key.len()];
    for bytes in encoded.iter().flatten() {
        let decoded = key::decode(bytes).map_err(|cause| BatchError::Request(cause.to_string()))?;
        values.iter_mut().zip(decoded).for_each(|(column, value)| column.push(value));
    }
    let keys: Vec<ArrayRef> =
        group.key.iter().zip(&values).map(|((_, ty), values)| column::array(ty, values)).collect();
    let instants = batch.column(1).as_primitive::<Int64Type>();
    let at: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(instants.values().to_vec()).with_timezone("UTC"));
    let scope = |name: &str| {
        if name == "as_of" {
            return Some(Arc::clone(&at));
        }
        if let Some(output) = name.strip_prefix('~') {
            return output.parse().ok().and_then(|output: usize| batch.columns().get(2 + output).cloned());
        }
        let column = name.rsplit_once('.').map_or(name, |(_, column)| column);
        group.key.iter().position(|(key, _)| key == column).map(|place| Arc::clone(&keys[place]))
    };
    let (features, _) = evaluate(&group.evaluator, scope, rows)?;
    let mut columns = keys.clone();
    columns.push(Arc::clone(&at));
    let public = group.features.iter().zip(features).filter(|(feature, _)| !feature.private);
    columns.extend(public.map(|(_, column)| column));
    let days: StringArray = instants.values().iter().map(|&at| Some(day(Instant(at)))).collect();
    columns.push(Arc::new(days));
    let columns: Result<Vec<ArrayRef>, BatchError> = columns
        .into_iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(column)
            } else {
                Ok(cast(&column, field.data_type())?)
            }
        })
        .collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), columns?)?)
}

/// The day of an instant in UTC, `2024-05-01`.
pub(crate) fn day(at: Instant) -> String {
    at.floor(Micros::DAY).to_string().chars().take_while(|&c| c != 'T').collect()
}
