//! `feat sample`: the rows behind a value, and those left out and why.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use feat_compiler::plan::{FeaturePlan, GroupPlan, ServicePlan};
use feat_compiler::prepare::Mode;
use feat_kernel::admit::Admission;
use feat_kernel::column;
use feat_kernel::key::EntityKey;
use feat_kernel::row::{Kept, Row, Rows};
use feat_kernel::time::Instant;
use feat_kernel::value::Value;
use feat_kernel::window::{Interval, bounds};
use futures::TryStreamExt;
use serde_json::json;

use crate::arguments::{Arguments, Sample};
use crate::places::{self, Role};
use crate::{output, text};

/// Shows every row of the key, known later or left out among them.
pub(crate) fn run(common: &Arguments, sample: &Sample) -> Result<ExitCode> {
    let project = super::runnable(common)?;
    let Some((group, feature)) = sample.feature.rsplit_once('.') else {
        bail!("`{}` is not GROUP.FEATURE", sample.feature);
    };
    let group = &super::group(&project, group)?;
    let Some(feature) = group.features.iter().find(|known| known.name == feature) else {
        if let Some(why) = project.left_out(&sample.feature) {
            bail!("feature {why}");
        }
        let known: Vec<&str> = group.features.iter().map(|feature| feature.name.as_str()).collect();
        bail!("group `{}` has no feature `{feature}`; it has {}", group.name, known.join(", "));
    };
    let t = super::instant("--at", &sample.at)?;
    let key = key_values(group, &super::pairs(&sample.key)?)?;
    let model = &project.compiled.model;
    let key_columns = &model.groups.get(&group.name).context("the group is in the model")?.key;
    let tables = places::tables(&project, [&group.source], Role::Replay)?;
    let session = places::session(&project)?;
    let (rows, value) = super::block_on(async {
        let rows = judged(&session, group, feature, key_columns, &tables, &key, t).await?;
        let fields: Vec<Field> =
            group.key.iter().map(|(name, ty)| Field::new(name, ty.arrow(), true)).collect();
        let columns =
            group.key.iter().zip(&key).map(|((_, ty), value)| column::array(ty, std::slice::from_ref(value)));
        let inputs = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.collect())?;
        let service = Arc::new(ServicePlan::of_group(group));
        let values = super::compare::offline(&session, &tables, &service, &inputs, &[t]).await?;
        let at = group.features.iter().position(|known| known.name == feature.name).unwrap_or_default();
        Ok((rows, column::value(values.column(at), &feature.slot.ty, 0)))
    })?;
    let counted = rows.iter().filter(|row| row.verdict == COUNTS).count();
    let not_yet = rows.iter().filter(|row| row.verdict.starts_with(NOT_YET)).count();
    if sample.json {
        output::json(&json!({
            "feature": sample.feature,
            "at": t.to_string(),
            "value": text::json_of(&value, &feature.slot.ty),
            "rows": rows.iter().map(|row| json!({
                "offset": row.offset,
                "verdict": row.verdict,
                "known": row.known.map(|known| known.to_string()),
                "row": group.source.stored.iter().zip(&row.values).map(|(stored, value)| {
                    (stored.name.clone(), text::json_of(value, &stored.slot.ty))
                }).collect::<serde_json::Map<_, _>>(),
            })).collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut header = vec!["verdict", "known"];
    header.extend(group.source.stored.iter().map(|stored| stored.name.as_str()));
    let table: Vec<Vec<String>> = rows
        .iter()
        .filter(|row| sample.all || !row.verdict.starts_with(NOT_YET))
        .map(|row| {
            let known = row.known.map_or_else(String::new, |known| known.to_string());
            let values = group.source.stored.iter().zip(&row.values);
            [row.verdict.clone(), known]
                .into_iter()
                .chain(values.map(|(stored, value)| text::shown(value, &stored.slot.ty)))
                .collect()
        })
        .collect();
    output::line(output::table(&header, &table));
    output::line(format!(
        "\n{} = {} at {t}: {counted} of {} rows of this key count, {not_yet} are not known or not past yet{}",
        sample.feature,
        text::shown(&value, &feature.slot.ty),
        rows.len(),
        if sample.all || not_yet == 0 { "" } else { " (`--all` shows them)" },
    ));
    Ok(ExitCode::SUCCESS)
}

const COUNTS: &str = "counts";
/// How the verdicts of rows begin that are still to come at the instant.
const NOT_YET: &str = "not yet";

/// A row of the key and what becomes of it.
struct Judged {
    offset: u64,
    known: Option<Instant>,
    verdict: String,
    values: Vec<Value>,
}

fn key_values(group: &GroupPlan, pairs: &[(String, String)]) -> Result<Vec<Value>> {
    let wanted: Vec<String> = group.key.iter().map(|(name, ty)| format!("{name} ({ty})")).collect();
    if let Some((name, _)) = pairs.iter().find(|(name, _)| group.key.iter().all(|(known, _)| known != name)) {
        bail!("group `{}` has no key column `{name}`; its key is {}", group.name, wanted.join(", "));
    }
    group
        .key
        .iter()
        .map(|(name, ty)| match pairs.iter().find(|(given, _)| given == name) {
            None => bail!("key column `{name}` is missing: the key is {}", wanted.join(", ")),
            Some((_, written)) => match text::parse(written, ty) {
                Some(value) => Ok(value),
                None => bail!("key column `{name}`: `{written}` is not {}", text::expected(ty)),
            },
        })
        .collect()
}

/// Every row of the key in the order of the log, with its verdict for `feature` at `t`.
async fn judged(
    session: &feat_batch::Session,
    group: &GroupPlan,
    feature: &FeaturePlan,
    key_columns: &[String],
    tables: &feat_batch::Tables,
    key: &[Value],
    t: Instant,
) -> Result<Vec<Judged>> {
    let entity = EntityKey::new(key.iter().map(Value::as_ref)).map(|key| key.0);
    let mut found: Vec<Judged> = Vec::new();
    let mut waiting: Vec<(Kept, usize)> = Vec::new();
    let mut log = std::pin::pin!(feat_batch::read_log(session, &group.source, tables).await?);
    while let Some(part) = log.try_next().await? {
        let prepared = group.prepare.prepare(&part.batch, Mode::AsKnown, None)?;
        let values = |row: usize| {
            let stored = group.source.stored.iter();
            stored
                .map(|stored| {
                    let column =
                        part.batch.column_by_name(&stored.name).expect("invariant: a log has stored columns");
                    column::value(column, &stored.slot.ty, row)
                })
                .collect::<Vec<Value>>()
        };
        let offset = |row: usize| part.first_offset + row as u64;
        for (row, reason) in &prepared.rejected {
            if has_key(group, key_columns, &part.batch, *row as usize, key) {
                let (row, verdict) = (*row as usize, format!("left out: {reason}"));
                found.push(Judged { offset: offset(row), known: None, verdict, values: values(row) });
            }
        }
        let rows = Rows::new(&group.view, &prepared.rows);
        for (at, row) in prepared.place.values().iter().enumerate() {
            if Some(rows.key(at)) == entity.as_deref() {
                let kept = Kept::copy(&group.view, &rows.row(at));
                let row = *row as usize;
                let known = Some(kept.known);
                waiting.push((kept, found.len()));
                found.push(Judged {
                    offset: offset(row),
                    known,
                    verdict: String::new(),
                    values: values(row),
                });
            }
        }
    }
    waiting.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
    let mut admission = Admission::default();
    for (kept, at) in &waiting {
        let duplicate = !admission.admit(&group.view, &kept);
        found[*at].verdict = verdict(group, feature, kept, duplicate, t);
    }
    found.sort_by_key(|row| row.offset);
    Ok(found)
}

fn verdict(group: &GroupPlan, feature: &FeaturePlan, row: &Kept, duplicate: bool, t: Instant) -> String {
    let view = &group.view;
    if duplicate {
        return "left out: its id was admitted before".to_owned();
    }
    if !row.pass {
        return "left out: the group's `where`, or an evaluation error".to_owned();
    }
    if row.known > t {
        return "not yet: known later".to_owned();
    }
    if row.tau >= t {
        return "not yet: at or after the instant itself".to_owned();
    }
    let outputs: Vec<_> = feature.outputs.iter().map(|&output| view.outputs[output]).collect();
    let inside = |interval: Interval| interval.contains(row.tau);
    if !outputs.iter().any(|output| inside(bounds(&view.windows[output.window], t))) {
        return "left out: outside the window".to_owned();
    }
    let takes = |cell: usize| view.cells[cell].mask.is_none_or(|mask| row.masks[mask]);
    if !outputs.iter().any(|output| takes(output.cell) && inside(bounds(&view.windows[output.window], t))) {
        return "left out: the aggregate's `where`".to_owned();
    }
    let null = |cell: usize| {
        let cell = &view.cells[cell];
        !group.view.is_row() && cell.args.first().is_some_and(|&arg| (&row).arg(arg).is_null())
    };
    if outputs.iter().all(|output| null(output.cell)) {
        return "left out: the argument is null".to_owned();
    }
    COUNTS.to_owned()
}

/// Whether a row that was not admitted is one of the key, as far as its stored and computed columns
/// tell.
fn has_key(group: &GroupPlan, columns: &[String], batch: &RecordBatch, row: usize, key: &[Value]) -> bool {
    let computed = group.source.computed.evaluate(&batch.slice(row, 1));
    columns.iter().zip(&group.key).zip(key).all(|((name, (_, ty)), wanted)| {
        if let Some(stored) = batch.column_by_name(name) {
            return column::value(stored, ty, row) == *wanted;
        }
        let at = group.source.computed.outputs().position(|(known, _)| known == name);
        at.is_some_and(|at| column::value(&computed.columns[at], ty, 0) == *wanted)
    })
}
