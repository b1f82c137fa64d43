//! `feat train`: a training set by point in time.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use feat_batch::{Mode, Request, SpineFile, Table, build};

use crate::arguments::{Arguments, Train};
use crate::output;
use crate::places::{self, Role};

/// Writes the Parquet file and its manifest.
pub(crate) fn run(common: &Arguments, train: &Train) -> Result<ExitCode> {
    let project = super::runnable(common)?;
    let mode = if train.mode == "event-time" { Mode::EventTime } else { Mode::AsKnown };
    let (request, tables) = match (&train.dataset, &train.service, &train.spine) {
        (Some(name), ..) => {
            let dataset = super::dataset(&project, name)?;
            let labels = dataset.labels.iter().map(|part| &part.label.group.source);
            let sources = super::sources_of(&dataset.service).chain(labels).chain([&dataset.spine]);
            (Request::Dataset(Arc::clone(dataset)), places::tables(&project, sources, Role::Batch)?)
        }
        (None, Some(name), Some(spine)) => {
            let service = super::service(&project, name)?;
            let spine = SpineFile {
                table: Table::open(spine, None)?,
                time: train.time.clone().unwrap_or_default(),
                zone: train.zone.clone(),
            };
            let tables = places::tables(&project, super::sources_of(service), Role::Batch)?;
            (Request::Service { service: Arc::clone(service), spine }, tables)
        }
        _ => anyhow::bail!("say `--dataset D`, or `--service S --spine FILE --time COLUMN`"),
    };
    let session = places::session(&project)?;
    let bar = output::progress("training", 0);
    let progress = Arc::clone(session.progress());
    let manifest = super::block_on(async {
        let mut work = std::pin::pin!(build(&session, &tables, &request, mode, &train.out));
        // Wakes up now and then to move the bar; the work itself never waits for it.
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                done = &mut work => break Ok(done?),
                _ = ticks.tick() => bar.set_position(progress.rows_read()),
            }
        }
    })?;
    bar.finish_and_clear();
    for (group, entry) in manifest.groups.iter().chain(&manifest.labels) {
        let rows = |outcome: &str| entry.admission.get(outcome).copied().unwrap_or_default();
        let (quarantined, dropped) = (rows("quarantined"), rows("dropped"));
        if quarantined + dropped > 0 {
            output::note(format!(
                "group `{group}`: of {} rows read, {} quarantined and {} dropped: a null where none may \
                 stand, a value outside its enum, or what an `expect` refuses",
                output::thousands(rows("read")),
                output::thousands(quarantined),
                output::thousands(dropped)
            ));
        }
    }
    if train.json {
        output::json(&serde_json::to_value(&manifest)?)?;
    } else {
        output::line(format!(
            "{}: {} rows, checksum {}",
            train.out.display(),
            output::thousands(manifest.rows),
            manifest.checksum
        ));
    }
    Ok(ExitCode::SUCCESS)
}
