//! The reading of the batch engine: a training set whose spine are the questions.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use feat_batch::{Request, Session, SpineFile, Table, TrainingSet};
use feat_compiler::plan::ServicePlan;
use feat_compiler::prepare::Mode;
use feat_kernel::types::{Slot, Type};
use futures::TryStreamExt;
use serde_json::{Map, Value as Json};

use super::project::{Project, batch, cell, inputs_of};
use crate::oracle::time::instant_text;
use crate::oracle::value::Val;

/// Values of one spine row, `group.feature` and what the training set holds.
pub type Line = Vec<(String, Val)>;

/// The time column of every spine.
const AT: &str = "at";

/// Asks the project's one service each of `requests` at its instant. `prefix` is a source and how many
/// rows of its log count.
///
/// Shape: that of [`asked`].
pub async fn service(
    session: &Session,
    project: &Project,
    requests: &[(Map<String, Json>, i64)],
    prefix: Option<(&str, usize)>,
) -> Result<Vec<Line>, String> {
    asked(session, project, project.service()?, requests, prefix).await
}

/// Asks `service`, one of the project's, in the same way.
///
/// Shape: one line a request, in their order; it is checked that the spine comes back as it went in.
pub async fn asked(
    session: &Session,
    project: &Project,
    service: &Arc<ServicePlan>,
    requests: &[(Map<String, Json>, i64)],
    prefix: Option<(&str, usize)>,
) -> Result<Vec<Line>, String> {
    let mut columns = inputs_of(service);
    let spine = spine(&mut columns, requests)?;
    let mut tables = project.tables.clone();
    if let Some((source, rows)) = prefix {
        let source = project.source(source)?;
        let table = tables.get(source).map_err(|cause| cause.to_string())?;
        tables.insert(source.root.clone(), table.first(rows as u64));
    }
    let table = Table::batches(spine.schema(), vec![spine.clone()]);
    let file = SpineFile { table, time: AT.to_owned(), zone: None };
    let request = Request::Service { service: service.clone(), spine: file };
    let set = TrainingSet::plan(session, &tables, &request, Mode::AsKnown)
        .await
        .map_err(|cause| cause.to_string())?;
    let rows = rows(&set).await?;
    let given =
        rows.project(&(0..spine.num_columns()).collect::<Vec<_>>()).map_err(|cause| cause.to_string())?;
    if given.columns() != spine.columns() {
        return Err(format!("the spine came back as {given:?} and went in as {spine:?}"));
    }
    let features = service.selected.iter().map(|selected| {
        let ty = selected.slot.ty.clone();
        (selected.name.clone(), selected.column.clone(), ty)
    });
    lines(&rows, &features.collect::<Vec<_>>())
}

/// The project's one dataset over the spine `asks`: its lines with the instant of each. Rows whose
/// labels are not complete are not among them.
pub async fn dataset(session: &Session, project: &Project) -> Result<Vec<(i64, Line)>, String> {
    let dataset = project.plans.datasets.values().next().ok_or("the text has no dataset")?;
    let request = Request::Dataset(dataset.clone());
    let set = TrainingSet::plan(session, &project.tables, &request, Mode::AsKnown)
        .await
        .map_err(|cause| cause.to_string())?;
    let rows = rows(&set).await?;
    let selected = dataset.service.selected.iter();
    let mut features: Vec<(String, String, Type)> = selected
        .map(|selected| (selected.name.clone(), selected.column.clone(), selected.slot.ty.clone()))
        .collect();
    for used in &dataset.labels {
        for (name, column) in &used.features {
            let group = &used.label.group;
            let found = group.features.iter().find(|feature| feature.name == *name);
            let slot = &found.ok_or_else(|| format!("no label `{name}`"))?.slot;
            features.push((format!("{}.{name}", group.name.name), column.clone(), slot.ty.clone()));
        }
    }
    let at = rows.column_by_name(&dataset.at).ok_or("the spine's time is missing")?;
    let at = at.as_primitive::<TimestampMicrosecondType>().values().to_vec();
    Ok(at.into_iter().zip(lines(&rows, &features)?).collect())
}

fn spine(
    columns: &mut Vec<(String, Slot)>,
    requests: &[(Map<String, Json>, i64)],
) -> Result<RecordBatch, String> {
    columns.push((AT.to_owned(), Slot::required(Type::Timestamp)));
    let rows: Vec<Map<String, Json>> = requests
        .iter()
        .map(|(inputs, at)| {
            let mut row = inputs.clone();
            row.insert(AT.to_owned(), Json::from(instant_text(*at)));
            row
        })
        .collect();
    batch(columns, &rows)
}

async fn rows(set: &TrainingSet) -> Result<RecordBatch, String> {
    let stream = set.stream().await.map_err(|cause| cause.to_string())?;
    let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(|cause| cause.to_string())?;
    arrow::compute::concat_batches(set.schema(), &batches).map_err(|cause| cause.to_string())
}

fn lines(rows: &RecordBatch, features: &[(String, String, Type)]) -> Result<Vec<Line>, String> {
    let mut lines = vec![Line::new(); rows.num_rows()];
    for (name, column, ty) in features {
        let array = rows.column_by_name(column).ok_or_else(|| format!("column `{column}` is missing"))?;
        for (row, line) in lines.iter_mut().enumerate() {
            line.push((name.clone(), cell(array, ty, row)));
        }
    }
    Ok(lines)
}
