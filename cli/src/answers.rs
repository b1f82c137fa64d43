//! The folder of answers that a server keeps a sample of: `SERVICE@VERSION/INSTANT.parquet`.
//!
//! Files are written whole and renamed, so that who reads meanwhile finds complete ones; a server that is
//! killed loses what it holds, half a minute at most.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use feat_serving::{Answered, Clock};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::error;

use crate::parquet;

/// Rows that are held before they become a file.
const ROWS: usize = 10_000;
/// The longest that a row is held.
const LONGEST: Duration = Duration::from_secs(30);
/// Answers on their way here.
pub(crate) const WAITING: usize = 1024;

/// Makes the folder, so that a server that could not keep anything does not start.
pub(crate) fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Writes what comes below `folder` until nobody sends any more. What cannot be written is told in the log and
/// forgotten: lookups do not wait for it.
pub(crate) async fn keep(folder: PathBuf, mut answers: mpsc::Receiver<Answered>, clock: Clock) {
    let mut held: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
    let mut tick = interval(LONGEST);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = tokio::select! {
            answered = answers.recv() => match answered {
                Some(Answered { service, rows }) => {
                    let waiting = held.entry(service.clone()).or_default();
                    waiting.push(rows);
                    if waiting.iter().map(RecordBatch::num_rows).sum::<usize>() < ROWS {
                        continue;
                    }
                    held.remove_entry(&service).into_iter().collect()
                }
                None => break,
            },
            _ = tick.tick() => std::mem::take(&mut held),
        };
        write(&folder, due, &clock).await;
    }
    write(&folder, held, &clock).await;
}

async fn write(folder: &Path, due: BTreeMap<String, Vec<RecordBatch>>, clock: &Clock) {
    for (service, batches) in due {
        let (folder, now) = (folder.join(&service), clock());
        let written = tokio::task::spawn_blocking(move || -> Result<()> {
            make(&folder)?;
            let name = format!("{}.parquet", now.0);
            // A version of a service has one shape.
            let rows = concat_batches(&batches[0].schema(), &batches)?;
            parquet::write(&folder.join(name), &rows)
        });
        let written = written.await.map_err(anyhow::Error::from).and_then(|written| written);
        if let Err(cause) = written {
            error!(service, cause = format!("{cause:#}"), "answers could not be kept");
        }
    }
}

/// The rows that were kept below `folder`, by service.
///
/// Errors: the folder holds none, or one that cannot be read.
pub(crate) fn read(folder: &Path) -> Result<BTreeMap<String, Vec<RecordBatch>>> {
    let mut found: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
    let pattern = format!("{}/*@*/*.parquet", glob::Pattern::escape(&folder.to_string_lossy()));
    let mut files: Vec<PathBuf> = glob::glob(&pattern)?.collect::<Result<_, _>>()?;
    files.sort();
    for file in files {
        let service = file.parent().and_then(Path::file_name).unwrap_or_default();
        found.entry(service.to_string_lossy().into_owned()).or_default().push(parquet::read(&file)?);
    }
    if found.is_empty() {
        bail!(
            "{} holds no answers: `feat serve --log-answers FOLDER` keeps a sample of them there",
            folder.display()
        );
    }
    Ok(found)
}
