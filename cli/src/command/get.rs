//! `feat get`: online values, each with how it came to be.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use feat_batch::Table;
use feat_compiler::plan::Plans;
use feat_kernel::value::Value;
use feat_serving::{Answer, Catalog, Inputs, Service};
use serde_json::{Value as Json, json};

use crate::arguments::{Arguments, Get};
use crate::{output, places, text};

/// One lookup, or one a row of a file.
pub(crate) fn run(common: &Arguments, get: &Get) -> Result<ExitCode> {
    let project = super::runnable(common)?;
    let plan = super::service(&project, &get.service)?;
    let name = plan.name.to_string();
    let asked = Plans { services: [(plan.name.clone(), plan)].into_iter().collect(), ..Plans::default() };
    let at = get.at.as_deref().map(|at| super::instant("--at", at)).transpose()?;
    let now = super::now();
    super::block_on(async {
        let catalog = Catalog::new(&asked, places::store(&project).await?);
        let service = catalog.service(&name)?;
        if let (Some(keys), Some(out)) = (&get.keys, &get.out) {
            if Table::open(keys, None)?.reads(out).is_some() {
                bail!("{} would be written over the file of keys: write to another place", out.display());
            }
            let batch = crate::parquet::read(keys)?;
            let inputs = Inputs::from_batch(&service, &batch, &keys.display().to_string())?;
            let answer = catalog.lookup(&service, &inputs, at, now).await?;
            write(out, &batch, &answer)?;
            output::line(format!("{}: {} rows", out.display(), output::thousands(answer.rows as u64)));
            return Ok(ExitCode::SUCCESS);
        }
        let inputs = given(&service, &super::pairs(&get.inputs)?)?;
        let answer = catalog.lookup(&service, &inputs, at, now).await?;
        if get.json {
            output::json(&answer_json(&answer))?;
        } else {
            output::line(answer_text(&answer));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The one row of inputs that `name=value` pairs write.
fn given(service: &Service, pairs: &[(String, String)]) -> Result<Inputs> {
    let plan = service.plan();
    let keys = plan.keys.iter().map(|(name, ty)| (name, ty));
    let wanted: Vec<_> =
        keys.chain(plan.requests.iter().map(|input| (&input.column, &input.slot.ty))).collect();
    let listed = || wanted.iter().map(|(name, ty)| format!("{name} ({ty})")).collect::<Vec<_>>().join(", ");
    if let Some((name, _)) = pairs.iter().find(|(name, _)| wanted.iter().all(|(known, _)| *known != name)) {
        bail!("service `{}` takes no input `{name}`; it asks for {}", plan.name.name, listed());
    }
    let mut values = wanted.iter().map(|(name, ty)| {
        let Some((_, written)) = pairs.iter().find(|(given, _)| given == *name) else {
            bail!("input `{name}` is missing: service `{}` asks for {}", plan.name.name, listed());
        };
        match text::parse(written, ty) {
            Some(value) => Ok(value),
            None => bail!("input `{name}`: `{written}` is not {}", text::expected(ty)),
        }
    });
    let keys: Vec<Value> = values.by_ref().take(plan.keys.len()).collect::<Result<_>>()?;
    let requests: Vec<Value> = values.collect::<Result<_>>()?;
    Ok(Inputs::from_values(service, &keys, &requests)?)
}

/// The answer for one entity as the command line's contract has it.
pub(crate) fn answer_json(answer: &Answer) -> Json {
    let features: serde_json::Map<String, Json> = answer
        .features
        .iter()
        .map(|feature| {
            let (value, status) = feature.at(0);
            let value = text::json_of(&value, &feature.selected.slot.ty);
            (feature.selected.name.clone(), json!({ "value": value, "status": status.to_string() }))
        })
        .collect();
    let stamp: serde_json::Map<String, Json> = answer
        .stamp
        .iter()
        .map(|group| {
            let positions = group.positions();
            let meaning = group.meaning.to_string();
            (
                group.group.clone(),
                json!({ "version": group.version, "meaning": meaning, "positions": positions }),
            )
        })
        .collect();
    json!({
        "evaluated_at": answer.evaluated_at.to_string(),
        "complete": answer.complete,
        "complete_to": answer.complete_to.to_string(),
        "stamp": stamp,
        "features": features,
    })
}

fn answer_text(answer: &Answer) -> String {
    let rows: Vec<Vec<String>> = answer
        .features
        .iter()
        .map(|feature| {
            let (value, status) = feature.at(0);
            vec![
                feature.selected.name.clone(),
                text::shown(&value, &feature.selected.slot.ty),
                status.to_string(),
            ]
        })
        .collect();
    let complete = if answer.complete { "complete" } else { "not complete" };
    format!(
        "{}\n\nat {}, {complete} (every row known before {} is in)",
        output::table(&["feature", "value", "status"], &rows),
        answer.evaluated_at,
        answer.complete_to,
    )
}

/// Writes the file's columns and the features beside them, or nothing.
fn write(out: &Path, keys: &RecordBatch, answer: &Answer) -> Result<()> {
    let answered = answer.batch();
    let mut fields: Vec<Arc<Field>> = keys.schema().fields().iter().cloned().collect();
    for field in answered.schema().fields() {
        if keys.column_by_name(field.name()).is_some() {
            bail!("the file of keys has a column `{}` already, which is a feature's name", field.name());
        }
        fields.push(Arc::clone(field));
    }
    let columns = keys.columns().iter().chain(answered.columns()).cloned().collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    crate::parquet::write(out, &batch)
}
