//! `feat load`: online values of groups that no stream keeps up.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use feat_compiler::ir::SourceKind;
use feat_compiler::plan::GroupPlan;
use feat_kernel::time::Instant;
use feat_registry::runs::Counts;
use feat_store::{EmbeddedStore, Store};
use feat_streaming::{Loaded, Options, Progress, load};
use serde_json::json;

use super::stream::{REPLAY_KEYS, by_source, log_of};
use crate::arguments::{Arguments, Load};
use crate::places::{self, Role};
use crate::project::Project;
use crate::recorded::{self, Recorded};
use crate::scratch::Scratch;
use crate::{output, registry};

/// Loads the groups as they are at an instant.
pub(crate) fn run(common: &Arguments, asked: &Load) -> Result<ExitCode> {
    let project = super::runnable(common)?;
    let groups = chosen(&project, &asked.groups)?;
    let now = super::now();
    let at = asked.at.as_deref().map(|at| super::instant("--at", at)).transpose()?.unwrap_or(now);
    if at > now {
        bail!("--at {at} is ahead of the clock, {now}: what will be known then nobody can load");
    }
    let urn = format!("urn:feat:project:{}", registry::name(&project.site)?);
    let loaded = super::block_on(async {
        let run = Recorded::begin(&project, "load", &urn).await?;
        run.end(load_all(&project, &groups, at).await, |loaded| {
            let sum = |of: &dyn Fn(&Loaded) -> u64| loaded.iter().map(of).sum::<u64>();
            let counts = recorded::of_streams(loaded.iter().map(|loaded| &loaded.run));
            let counts = Counts { rows_out: sum(&|loaded| loaded.written), ..counts };
            (counts, loaded.iter().map(|loaded| told(loaded, at)).collect())
        })
        .await
    })?;
    if asked.json {
        output::json(&loaded.iter().map(|loaded| told(loaded, at)).collect())?;
    } else {
        output::line(table(&loaded));
    }
    for loaded in loaded.iter().filter(|loaded| loaded.kept > 0) {
        let newer = loaded.newer.map(|newer| newer.to_string()).unwrap_or_default();
        output::note(format!("{} keeps what is newer: it is complete to {newer}", loaded.run.group));
    }
    Ok(ExitCode::SUCCESS)
}

/// The groups named, or every one that no stream keeps up.
fn chosen(project: &Project, names: &[String]) -> Result<Vec<Arc<GroupPlan>>> {
    let streamed = |group: &GroupPlan| {
        places::is_streamed(project, &group.source) && group.source.kind != SourceKind::Static
    };
    if names.is_empty() {
        let mut groups = super::groups(project)?;
        groups.retain(|group| !streamed(group) && group.refresh.is_none());
        if groups.is_empty() {
            bail!("every group is kept up by `feat stream`, and none is to be loaded");
        }
        return Ok(groups);
    }
    let mut groups = Vec::new();
    for name in names {
        let group = super::group(project, name)?;
        if streamed(&group) {
            bail!(
                "group `{name}` is kept up by `feat stream`: its source `{}` is streamed",
                group.source.root
            );
        }
        if group.refresh.is_some() {
            bail!(
                "group `{name}` has a `refresh` schedule, which this build does not follow: without it the group can be loaded"
            );
        }
        groups.push(group);
    }
    Ok(groups)
}

async fn load_all(project: &Project, groups: &[Arc<GroupPlan>], at: Instant) -> Result<Vec<Loaded>> {
    let session = places::session(project)?;
    let store = places::store(project).await?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let options = Options { workers, chunk_keys: REPLAY_KEYS, ..Options::default() };
    let mut loaded = Vec::new();
    for groups in &by_source(groups) {
        let tables = places::tables(project, [&groups[0].source], Role::Batch)?;
        let log = log_of(&session, &groups[0], &tables);
        let bar = output::progress("loading", 0);
        // On the disk: nobody knows how many entities there are.
        let scratch = Scratch::new("load", None)?;
        let aside: Arc<dyn Store> = Arc::new(EmbeddedStore::open(scratch.path())?);
        let told = |progress: &Progress| bar.set_position(progress.records);
        loaded.extend(load(&store, &aside, groups, &log, at, &options, &told).await?);
        bar.finish_and_clear();
    }
    Ok(loaded)
}

fn table(loaded: &[Loaded]) -> String {
    let columns = ["group", "read", "admitted", "written", "deleted"];
    let rows: Vec<Vec<String>> = loaded
        .iter()
        .map(|loaded| {
            let counts = &loaded.run.counts;
            let numbers = [counts.read, counts.admitted, loaded.written, loaded.deleted];
            std::iter::once(loaded.run.group.clone())
                .chain(numbers.map(|number| number.to_string()))
                .collect()
        })
        .collect();
    output::table(&columns, &rows)
}

fn told(loaded: &Loaded, at: Instant) -> serde_json::Value {
    json!({
        "group": loaded.run.group,
        "view": loaded.run.view.to_string(),
        "at": at.to_string(),
        "read": loaded.run.counts.read,
        "admitted": loaded.run.counts.admitted,
        "written": loaded.written,
        "deleted": loaded.deleted,
        "kept": loaded.kept,
        "newer": loaded.newer.map(|newer| newer.to_string()),
    })
}
