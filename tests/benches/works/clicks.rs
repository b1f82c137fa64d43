//! The clicks project of `compare.py`, opened without the command line.

use std::path::Path;
use std::sync::Arc;

use feat_batch::{Resources, Session, Table, Tables, read_log};
use feat_compiler::compile;
use feat_compiler::plan::{GroupPlan, Plans};
use feat_dsl::source_map::SourceMap;
use feat_streaming::{LogBatch, Replay};
use futures::{StreamExt, TryStreamExt};

/// The plans of `clicks.feat`.
pub(crate) fn plans() -> Result<Plans, String> {
    let mut sources = SourceMap::new();
    sources.add("clicks.feat", include_str!("../clicks/clicks.feat"));
    let compiled = compile(&sources);
    if compiled.has_errors() { Err("clicks.feat has errors".to_owned()) } else { Ok(compiled.plans) }
}

/// A group of them.
pub(crate) fn group(plans: &Plans, name: &str) -> Result<Arc<GroupPlan>, String> {
    let found = plans.groups.values().find(|group| group.name.name == name);
    found.cloned().ok_or_else(|| format!("clicks.feat has no group `{name}`"))
}

/// The log of the events in `file`, read by the batch engine as every replay is.
pub(crate) fn log(group: &Arc<GroupPlan>, file: &Path) -> Result<Replay, String> {
    let session = Session::new(&Resources::default()).map_err(|cause| cause.to_string())?;
    let mut tables = Tables::default();
    tables.insert(group.source.root.clone(), Table::open(file, None).map_err(|cause| cause.to_string())?);
    let source = Arc::clone(&group.source);
    Ok(Replay::new("events/0".to_owned(), move || {
        let (session, source, tables) = (session.clone(), Arc::clone(&source), tables.clone());
        async move {
            let batches = read_log(&session, &source, &tables).await?;
            let batches = batches.map_ok(|log| LogBatch::consecutive(log.batch, log.known, log.first_offset));
            Ok(batches.map_err(Into::into).boxed())
        }
    }))
}
