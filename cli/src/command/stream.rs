//! `feat stream`: keeps the online values of groups up with their logs.

#[cfg(feature = "kafka")]
pub(crate) mod live;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use feat_compiler::plan::GroupPlan;
use feat_store::{Store, view_id};
use feat_streaming::{GroupReport, LogBatch, Options, Replay, run as run_log};
use futures::{StreamExt, TryStreamExt};
use indexmap::IndexMap;
use serde_json::json;
use tracing::Level;

use crate::arguments::{Arguments, Stream};
use crate::places::{self, Role};
use crate::project::Project;
use crate::{log, output};

/// Entities in one commit of a replay: nobody waits for a replayed row, so commits may be large.
pub(crate) const REPLAY_KEYS: usize = 4096;

/// Runs the groups, to the end of their logs or until it is stopped.
pub(crate) fn run(common: &Arguments, stream: &Stream) -> Result<ExitCode> {
    if stream.replay && !stream.until_end {
        return Ok(output::usage("a file does not grow while it is replayed: add `--until-end`"));
    }
    // A stream that runs until it is stopped is a service, and what it does is of interest.
    let level = match (stream.verbose, stream.until_end) {
        (true, _) => Level::DEBUG,
        (_, true) => Level::WARN,
        (_, false) => Level::INFO,
    };
    log::begin(stream.log, level)?;
    let project = super::runnable(common)?;
    let groups = chosen(&project, &stream.group)?;
    let workers = stream.workers.or_else(|| std::thread::available_parallelism().ok());
    let options = Options { workers: workers.map_or(1, usize::from), ..Options::default() };
    let reports = super::block_on(async {
        // Before anything is held that a signal should not tear.
        #[cfg(feature = "kafka")]
        let stop = (!stream.replay).then(live::Stop::listen).transpose()?;
        let store = places::store(&project).await?;
        if stream.refill {
            for group in &groups {
                store.drop_view(&view_id(&group.name, group.version, &group.meaning)).await?;
            }
        }
        #[cfg(feature = "kafka")]
        if let Some(stop) = stop {
            return live::run(&project, &store, &groups, &options, stream, stop).await;
        }
        if stream.replay {
            return replay(&project, &store, &groups, &Options { chunk_keys: REPLAY_KEYS, ..options }).await;
        }
        bail!(
            "this build has no Kafka client: build it with `cargo build --release --features kafka`, or replay \
             files with `feat stream --replay --until-end`"
        )
    })?;
    if stream.json {
        output::json(&reports.iter().map(report_json).collect())?;
    } else {
        output::line(table(&reports));
    }
    Ok(ExitCode::SUCCESS)
}

/// The groups named, or every group over a streamed source.
pub(super) fn chosen(project: &Project, names: &[String]) -> Result<Vec<Arc<GroupPlan>>> {
    if !names.is_empty() {
        return names.iter().map(|name| super::group(project, name).cloned()).collect();
    }
    let plans = &project.compiled.plans;
    let groups: Vec<Arc<GroupPlan>> =
        plans.groups.values().filter(|group| places::is_streamed(project, &group.source)).cloned().collect();
    if groups.is_empty() {
        bail!(
            "no group reads a streamed source: name a file to replay in feat.toml\n  [sources.NAME]\n  replay = \"…\""
        );
    }
    Ok(groups)
}

/// Replays the logs of the groups' sources, one after the other; each is read once for all its groups.
pub(crate) async fn replay(
    project: &Project,
    store: &Arc<dyn Store>,
    groups: &[Arc<GroupPlan>],
    options: &Options,
) -> Result<Vec<GroupReport>> {
    let session = places::session(project)?;
    let tables = places::tables(project, groups.iter().map(|group| &group.source), Role::Replay)?;
    let mut by_source: IndexMap<_, Vec<Arc<GroupPlan>>> = IndexMap::new();
    for group in groups {
        by_source.entry(group.source.name.clone()).or_default().push(Arc::clone(group));
    }
    let mut reports = Vec::new();
    for groups in by_source.values() {
        let log = log_of(&session, &groups[0], &tables);
        let bar = output::progress("streaming", 0);
        let report =
            run_log(store, groups, &log, options, &|progress| bar.set_position(progress.records)).await?;
        bar.finish_and_clear();
        reports.extend(report.groups);
    }
    Ok(reports)
}

/// The log that the file of a group's source is.
pub(crate) fn log_of(
    session: &feat_batch::Session,
    group: &GroupPlan,
    tables: &feat_batch::Tables,
) -> Replay {
    let (session, source, tables) = (session.clone(), Arc::clone(&group.source), tables.clone());
    Replay::new(format!("{}/0", source.root.name), move || {
        let (session, source, tables) = (session.clone(), Arc::clone(&source), tables.clone());
        async move {
            let batches = feat_batch::read_log(&session, &source, &tables).await?;
            let batches = batches.map_ok(|log| LogBatch::consecutive(log.batch, log.known, log.first_offset));
            Ok(batches.map_err(Into::into).boxed())
        }
    })
}

const COLUMNS: [&str; 11] = [
    "group",
    "read",
    "folded",
    "duplicate",
    "filtered",
    "since",
    "dropped",
    "quarantined",
    "late",
    "no key",
    "swept",
];

fn table(reports: &[GroupReport]) -> String {
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            let counts = &report.counts;
            let numbers = [
                counts.read,
                report.folded,
                report.duplicates,
                counts.filtered,
                counts.before_since,
                counts.dropped,
                counts.quarantined,
                counts.late,
                counts.null_key,
                report.swept,
            ];
            std::iter::once(report.group.clone()).chain(numbers.map(|number| number.to_string())).collect()
        })
        .collect();
    output::table(&COLUMNS, &rows)
}

fn report_json(report: &GroupReport) -> serde_json::Value {
    let counts = &report.counts;
    json!({
        "group": report.group,
        "view": report.view.to_string(),
        "read": counts.read,
        "admitted": counts.admitted,
        "folded": report.folded,
        "duplicate": report.duplicates,
        "filtered": counts.filtered,
        "before_since": counts.before_since,
        "dropped": counts.dropped,
        "quarantined": counts.quarantined,
        "late": counts.late,
        "no_key": counts.null_key,
        "clamped": counts.clamped,
        "swept": report.swept,
        "commits": report.commits,
    })
}
