//! `feat test`: the specs' `test` blocks, each through batch and stream, compared bit for bit.
//!
//! The rows of a test are a log in the order in which they became known, one record at a time; rows
//! that became known at one instant come in a random order. What is asked at `t` must include rows
//! known at `t` itself, while a store answers only after its clock: those rows reach it a microsecond
//! early, as a log's records reach it before their declared known.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Field, Schema};
use feat_batch::{Session, Table, Tables};
use feat_compiler::ir::{Assertion, Given, Known, Model, QName, Test, TestExpect};
use feat_compiler::plan::{Plans, ServicePlan, SourcePlan};
use feat_dsl::ast::AssertOp;
use feat_kernel::column;
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::Type;
use feat_kernel::value::Value;
use feat_serving::{Catalog, FeatureAnswer, Inputs};
use feat_store::{MemoryStore, Store};
use feat_streaming::{LogBatch, Options, Replay, run as run_log};
use futures::TryStreamExt;

use super::compare::{compare, offline};
use crate::arguments::Arguments;
use crate::project::Project;
use crate::{output, places, text};

/// Exit code 1 if a test fails.
pub(crate) fn run(common: &Arguments, paths: &[PathBuf], seed: u64) -> Result<ExitCode> {
    let project = super::project_or_paths(common, paths)?;
    super::refuse_errors(&project)?;
    super::refuse_unset(&project)?;
    let session = places::session(&project)?;
    let (mut passed, mut failed) = (0, 0);
    for test in &project.compiled.model.tests {
        let faults = super::block_on(faults(&project, &session, test, seed))
            .with_context(|| format!("test \"{}\" could not be run", test.title))?;
        let (line, _) = project.texts.line_column(test.span);
        let place = format!("{}:{}", project.texts.path(test.span.file), line.0);
        if faults.is_empty() {
            passed += 1;
            output::line(format!("ok      {place} {}", test.title));
        } else {
            failed += 1;
            output::line(format!("FAILED  {place} {}", test.title));
            for fault in faults {
                output::line(format!("        {fault}"));
            }
        }
    }
    output::line(format!("{passed} passed, {failed} failed"));
    Ok(if failed > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// What is wrong with a test, a line each; nothing if it holds.
async fn faults(project: &Project, session: &Session, test: &Test, seed: u64) -> Result<Vec<String>> {
    let (plans, model) = (&project.compiled.plans, &project.compiled.model);
    let tables = given_tables(plans, &test.given)?;
    let mut faults = Vec::new();
    for expect in &test.expects {
        let service =
            plans.alone.get(&expect.group).with_context(|| format!("`{}` cannot be run", expect.group))?;
        let inputs = inputs(model, service, expect)?;
        let batch = offline(session, &tables, service, &inputs, &[expect.at]).await?;
        let answer = online(session, &tables, model, service, &inputs, expect.at, seed).await?;
        for (at, selected) in service.selected.iter().enumerate() {
            let (offline, online) = (batch.column(at), &answer[at]);
            let shown = |column: &ArrayRef| {
                text::shown(&column::value(column, &selected.slot.ty, 0), &selected.slot.ty)
            };
            if compare(&selected.slot.ty, online, offline).differ > 0 {
                faults.push(format!(
                    "{} at {}: stream gives {}, batch {}; this is a bug of feat",
                    selected.name,
                    expect.at,
                    shown(online),
                    shown(offline)
                ));
            }
            let feature = selected.feature.rsplit('.').next().unwrap_or_default();
            for assertion in expect.assertions.iter().filter(|assertion| assertion.feature == feature) {
                let found = column::value(offline, &selected.slot.ty, 0);
                if !holds(assertion, &found, &selected.slot.ty) {
                    faults.push(format!(
                        "{} at {}: found {}, expected {} {}",
                        selected.name,
                        expect.at,
                        shown(offline),
                        sign(assertion.op),
                        text::shown(&assertion.value, &selected.slot.ty)
                    ));
                }
            }
        }
    }
    Ok(faults)
}

/// The rows of the test as tables; a source without rows is empty.
fn given_tables(plans: &Plans, given: &[Given]) -> Result<Tables> {
    let mut batches: BTreeMap<&QName, Vec<RecordBatch>> = BTreeMap::new();
    for part in given {
        let source =
            plans.sources.get(&part.source).with_context(|| format!("`{}` cannot be read", part.source))?;
        batches.entry(&source.root).or_default().push(given_rows(source, part)?);
    }
    let mut tables = Tables::default();
    for source in plans.sources.values().filter(|source| source.name == source.root) {
        match batches.remove(&source.name) {
            Some(batches) => {
                tables.insert(source.name.clone(), Table::batches(Arc::clone(&source.schema), batches));
            }
            None if source.rows.is_some() => {}
            None => {
                tables.insert(source.name.clone(), Table::batches(Arc::clone(&source.schema), Vec::new()));
            }
        }
    }
    Ok(tables)
}

fn given_rows(source: &SourcePlan, given: &Given) -> Result<RecordBatch> {
    let columns = source.stored.iter().map(|stored| {
        let at = given.columns.iter().position(|name| *name == stored.name);
        let values: Vec<Value> =
            given.rows.iter().map(|row| at.map_or(Value::Null, |at| row[at].clone())).collect();
        column::array(&stored.slot.ty, &values)
    });
    Ok(RecordBatch::try_new(Arc::clone(&source.schema), columns.collect())?)
}

/// One row of keys and request inputs.
fn inputs(model: &Model, service: &ServicePlan, expect: &TestExpect) -> Result<RecordBatch> {
    let names: Vec<String> = match model.derived.get(&expect.group) {
        Some(derived) => derived.of.iter().flat_map(|role| role.inputs.clone()).collect(),
        None => service.keys.iter().map(|(name, _)| name.clone()).collect(),
    };
    let mut values: BTreeMap<&str, &Value> = BTreeMap::new();
    for (name, value) in names.iter().zip(&expect.key) {
        if values.insert(name, value).is_some_and(|before| before != value) {
            bail!("`{}` is asked with two values of `{name}`", expect.group);
        }
    }
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    let mut add = |name: &str, ty: &Type, value: &Value| {
        fields.push(Field::new(name, ty.arrow(), true));
        columns.push(column::array(ty, std::slice::from_ref(value)));
    };
    for (name, ty) in &service.keys {
        add(name, ty, values.get(name.as_str()).copied().unwrap_or(&Value::Null));
    }
    for request in &service.requests {
        let given = expect.inputs.iter().find(|(name, _)| *name == request.column || *name == request.name);
        if values.contains_key(request.column.as_str()) {
            continue;
        }
        add(&request.column, &request.slot.ty, given.map_or(&Value::Null, |(_, value)| value));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// The values that a store gives at `t` after the rows known by then were streamed into it.
async fn online(
    session: &Session,
    tables: &Tables,
    model: &Model,
    service: &Arc<ServicePlan>,
    inputs: &RecordBatch,
    t: Instant,
    seed: u64,
) -> Result<Vec<ArrayRef>> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    for part in &service.groups {
        let group = &part.group;
        let declared =
            model.sources.get(&group.source.name).is_some_and(|source| source.known != Known::default());
        let batches: Vec<feat_batch::LogBatch> =
            feat_batch::read_log(session, &group.source, tables).await?.try_collect().await?;
        let records = records(&group.source, &batches, t, declared, seed)?;
        let log = Replay::of(format!("{}/0", group.source.root.name), records);
        let options = Options { workers: 1 + (seed % 3) as usize, ..Options::default() };
        run_log(&store, &[Arc::clone(group)], &log, &options, &|_| {}).await?;
    }
    let plans = Plans {
        services: [(service.name.clone(), Arc::clone(service))].into_iter().collect(),
        ..Plans::default()
    };
    let catalog = Catalog::new(&plans, store);
    let service = catalog.service(&service.name.to_string())?;
    let inputs = Inputs::from_batch(&service, inputs, "the test")?;
    let answer = catalog.lookup(&service, &inputs, Some(t), Instant::MIN).await?;
    Ok(answer.features.iter().map(FeatureAnswer::column).collect())
}

/// The records that count by `t`, one a batch, each at its clock.
fn records(
    source: &SourcePlan,
    batches: &[feat_batch::LogBatch],
    t: Instant,
    declared: bool,
    seed: u64,
) -> Result<Vec<LogBatch>> {
    let rows = concat_batches(&source.schema, batches.iter().map(|log| &log.batch))?;
    let known: Vec<i64> = batches.iter().flat_map(|log| log.known.values().to_vec()).collect();
    let mut order: Vec<usize> = (0..rows.num_rows()).collect();
    let mix = |row: usize| (row as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    order.sort_by_key(|&row| (known[row], if seed == 0 { row as u64 } else { mix(row) }));
    let before = t.minus(Micros(1)).0;
    let mut records = Vec::new();
    // Without a declared known a row of `t` itself happens at `t` and is not visible.
    for row in order.into_iter().filter(|&row| known[row] < t.0 || (declared && known[row] == t.0)) {
        let place = arrow::array::UInt32Array::from(vec![row as u32]);
        let known = Int64Array::from(vec![known[row].min(before)]);
        records.push(LogBatch::consecutive(take_record_batch(&rows, &place)?, known, records.len() as u64));
    }
    Ok(records)
}

fn holds(assertion: &Assertion, found: &Value, ty: &Type) -> bool {
    let wanted = &assertion.value;
    if found.is_null() || wanted.is_null() {
        return match assertion.op {
            AssertOp::Eq => found.is_null() == wanted.is_null(),
            AssertOp::Ne => found.is_null() != wanted.is_null(),
            _ => false,
        };
    }
    match assertion.op {
        AssertOp::Eq => found == wanted,
        AssertOp::Ne => found != wanted,
        AssertOp::Lt => found < wanted,
        AssertOp::Le => found <= wanted,
        AssertOp::Gt => found > wanted,
        AssertOp::Ge => found >= wanted,
        AssertOp::Near => match (number(found, ty), number(wanted, ty)) {
            (Some(found), Some(wanted)) => (found - wanted).abs() <= assertion.tolerance,
            _ => found == wanted,
        },
    }
}

fn number(value: &Value, ty: &Type) -> Option<f64> {
    match (value, ty) {
        (Value::Int(x), _) => Some(*x as f64),
        (Value::Float(x), _) => Some(*x),
        (Value::Decimal(x), Type::Decimal(_, scale)) => Some(*x as f64 / 10_f64.powi(i32::from(*scale))),
        _ => None,
    }
}

fn sign(op: AssertOp) -> &'static str {
    match op {
        AssertOp::Eq => "==",
        AssertOp::Ne => "!=",
        AssertOp::Near => "~=",
        AssertOp::Le => "<=",
        AssertOp::Ge => ">=",
        AssertOp::Lt => "<",
        AssertOp::Gt => ">",
    }
}
