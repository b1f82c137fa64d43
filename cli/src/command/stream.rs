//! `feat stream`: keeps the online values of groups up with their logs.

#[cfg(feature = "kafka")]
pub(crate) mod live;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use feat_compiler::plan::GroupPlan;
use feat_registry::runs::Counts;
use feat_store::{Store, view_id};
use feat_streaming::{GroupReport, LogBatch, Options, Replay, run as run_log};
use futures::{StreamExt, TryStreamExt};
use serde_json::json;
use tracing::Level;

use crate::arguments::{Arguments, Stream};
use crate::places::{self, Role};
use crate::project::Project;
use crate::recorded::{self, Recorded};
use crate::{log, output, registry};

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
    let urn = format!("urn:feat:project:{}", registry::name(&project.site)?);
    let reports = super::block_on(async {
        // Before anything is held that a signal should not tear.
        #[cfg(feature = "kafka")]
        let stop = (!stream.replay).then(live::Stop::listen).transpose()?;
        let store = places::store(&project).await?;
        if !stream.replay && cfg!(not(feature = "kafka")) {
            bail!(
                "this build has no Kafka client: build it with `cargo build --release --features kafka`, or \
                 replay files with `feat stream --replay --until-end`"
            );
        }
        let run = Recorded::begin(&project, "stream", &urn).await?;
        #[cfg(feature = "kafka")]
        if let Some(stop) = stop {
            let ended = live::run(&project, &store, &groups, &options, stream, stop).await;
            return run.end(ended, told).await;
        }
        if stream.refill {
            forget(&project, &store, &groups, &groups).await?;
        }
        let options = Options { chunk_keys: REPLAY_KEYS, ..options };
        run.end(replay(&project, &store, &groups, &options).await, told).await
    })?;
    if stream.json {
        output::json(&reports.iter().map(report_json).collect())?;
    } else {
        output::line(table(&reports));
    }
    Ok(ExitCode::SUCCESS)
}

/// Drops the views of groups, to be filled anew, those of `replayed` from their files. A log that is not there
/// must not cost the values that are: topics were looked for before.
pub(super) async fn forget(
    project: &Project,
    store: &Arc<dyn Store>,
    groups: &[Arc<GroupPlan>],
    replayed: &[Arc<GroupPlan>],
) -> Result<()> {
    for group in replayed {
        places::tables(project, [&group.source], Role::Replay)?;
    }
    for group in groups {
        store.drop_view(&view_id(&group.name, group.version, &group.meaning)).await?;
    }
    Ok(())
}

/// What the registry keeps of a run.
fn told(reports: &Vec<GroupReport>) -> (Counts, serde_json::Value) {
    (recorded::of_streams(reports), reports.iter().map(report_json).collect())
}

/// The groups named, or every group over a streamed source.
pub(super) fn chosen(project: &Project, names: &[String]) -> Result<Vec<Arc<GroupPlan>>> {
    if !names.is_empty() {
        return names.iter().map(|name| super::group(project, name)).collect();
    }
    let mut groups = super::groups(project)?;
    groups.retain(|group| places::is_streamed(project, &group.source));
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
    let mut reports = Vec::new();
    for groups in by_source(groups) {
        let tables = places::tables(project, [&groups[0].source], Role::Replay)?;
        let log = log_of(&session, &groups[0], &tables);
        let bar = output::progress("streaming", 0);
        let report =
            run_log(store, &groups, &log, options, &|progress| bar.set_position(progress.records)).await?;
        bar.finish_and_clear();
        reports.extend(report.groups);
    }
    Ok(reports)
}

/// Groups by their sources: those of one name that two revisions have are two.
pub(super) fn by_source(groups: &[Arc<GroupPlan>]) -> Vec<Vec<Arc<GroupPlan>>> {
    let mut found: Vec<Vec<Arc<GroupPlan>>> = Vec::new();
    for group in groups {
        match found.iter_mut().find(|of| Arc::ptr_eq(&of[0].source, &group.source)) {
            Some(of) => of.push(Arc::clone(group)),
            None => found.push(vec![Arc::clone(group)]),
        }
    }
    found
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
