//! `feat train`: a training set by point in time.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use feat_batch::{Manifest, Mode, Request, SpineFile, Table, Tables, build};
use serde_json::{Value as Json, json};

use crate::arguments::{Arguments, Train};
use crate::output;
use crate::places::{self, Role};
use crate::project::Project;
use crate::recorded::{self, Recorded};

/// Writes the Parquet file and its manifest.
pub(crate) fn run(common: &Arguments, train: &Train) -> Result<ExitCode> {
    let project = super::runnable(common)?;
    let mode = if train.mode == "event-time" { Mode::EventTime } else { Mode::AsKnown };
    let (request, tables, asked) = match (&train.dataset, &train.service, &train.spine) {
        (Some(name), ..) => of_dataset(&project, name, &train.mode)?,
        (None, Some(name), Some(spine)) => {
            let service = super::service(&project, name)?;
            let time = train.time.clone().unwrap_or_default();
            let spine_path = std::path::absolute(spine)?.display().to_string();
            let asked = json!({
                "service": format!("{}@{}", service.name, service.version), "spine": spine_path, "time": time,
                "zone": train.zone, "mode": train.mode,
            });
            let spine = SpineFile { table: Table::open(spine, None)?, time, zone: train.zone.clone() };
            let tables = places::tables(&project, super::sources_of(&service), Role::Batch)?;
            (Request::Service { service, spine }, tables, asked)
        }
        _ => anyhow::bail!("say `--dataset D`, or `--service S --spine FILE --time COLUMN`"),
    };
    let bar = output::progress("training", 0);
    let session = places::session(&project)?;
    let progress = Arc::clone(session.progress());
    let (manifest, id) = super::block_on(async {
        let (urn, major) = recorded::of_request(&project, &request)?;
        let run = Recorded::begin(&project, "train", &urn).await?;
        let mut work = std::pin::pin!(build(&session, &tables, &request, mode, &train.out));
        // Wakes up now and then to move the bar; the work itself never waits for it.
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let built = loop {
            tokio::select! {
                done = &mut work => break done.map_err(anyhow::Error::from),
                _ = ticks.tick() => bar.set_position(progress.rows_read()),
            }
        };
        let manifest = run.end(built, recorded::of_manifest).await?;
        let location = std::path::absolute(&train.out)?.display().to_string();
        let id = run.training_set(&urn, major, asked, &manifest, &location).await?;
        Ok((manifest, id))
    })?;
    bar.finish_and_clear();
    say_what_was_left_out(&manifest);
    if train.json {
        let mut document = serde_json::to_value(&manifest)?;
        if let (Some(id), Json::Object(document)) = (id, &mut document) {
            document.insert("id".to_owned(), id.into());
        }
        output::json(&document)?;
    } else {
        let id = id.map_or_else(String::new, |id| format!(", training set {id}"));
        output::line(format!(
            "{}: {} rows, checksum {}{id}",
            train.out.display(),
            output::thousands(manifest.rows),
            manifest.checksum
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The request for a dataset, and how the registry keeps it.
pub(crate) fn of_dataset(project: &Project, name: &str, mode: &str) -> Result<(Request, Tables, Json)> {
    let dataset = super::dataset(project, name)?;
    let labels = dataset.labels.iter().map(|part| &part.label.group.source);
    let sources = super::sources_of(&dataset.service).chain(labels).chain([&dataset.spine]);
    let tables = places::tables(project, sources, Role::Batch)?;
    let asked = json!({ "dataset": dataset.name.to_string(), "mode": mode });
    Ok((Request::Dataset(dataset), tables, asked))
}

fn say_what_was_left_out(manifest: &Manifest) {
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
}
