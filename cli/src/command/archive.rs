//! `feat archive`: keeps the records of topics in Delta tables.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use feat_batch::{Archive, Segment};
use feat_compiler::plan::SourcePlan;
use feat_kernel::layout::LogMark;
use feat_streaming::kafka::{KafkaTopic, Recorded, Until};
use futures::StreamExt;
use futures::future::try_join_all;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::stream::live::{Stop, settings, topic};
use crate::arguments::{Archive as Asked, Arguments};
use crate::project::Project;
use crate::{output, places};

/// Records of one commit: enough for files of some size, few enough to be held.
const ROWS: usize = 200_000;

/// What was kept of one source.
struct Kept {
    source: String,
    topic: String,
    location: String,
    records: u64,
    /// How far each partition is held.
    next: Vec<u64>,
}

/// Keeps what the topics have, and what comes, until it is stopped.
pub(crate) fn run(common: &Arguments, asked: &Asked) -> Result<ExitCode> {
    let project = super::runnable(common)?;
    let sources = chosen(&project, &asked.sources)?;
    super::quiet_writers();
    let kept = super::block_on(async {
        // Before anything is held that a signal should not tear.
        let mut asked_to_stop = Stop::listen()?;
        let (stop, stopped) = watch::channel(false);
        let until = if asked.until_end { Until::End } else { Until::Stopped(stopped) };
        let every = Duration::from_secs(asked.every);
        let keeping = sources.iter().map(|source| keep(&project, source, until.clone(), every));
        let mut keeping = std::pin::pin!(try_join_all(keeping));
        tokio::select! {
            kept = &mut keeping => kept,
            () = asked_to_stop.asked() => {
                stop.send_replace(true);
                keeping.await
            }
        }
    })?;
    if asked.json {
        let kept = kept.iter().map(|kept| {
            let Kept { source, topic, location, records, next } = kept;
            json!({ "source": source, "topic": topic, "location": location, "records": records, "next": next })
        });
        output::json(&kept.collect())?;
    } else {
        for Kept { topic, location, records, .. } in &kept {
            output::line(format!("{location}: {} new records of topic {topic}", output::thousands(*records)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The sources named, or every one that has a topic.
fn chosen(project: &Project, names: &[String]) -> Result<Vec<Arc<SourcePlan>>> {
    let sources = &project.compiled.plans.sources;
    if !names.is_empty() {
        return names.iter().map(|name| super::find(project, "source", sources, name).cloned()).collect();
    }
    let of_topics = sources.values().filter(|source| source.stream.is_some() && source.name == source.root);
    let chosen: Vec<_> = of_topics.cloned().collect();
    if chosen.is_empty() {
        bail!("no source has a topic: write `stream kafka(\"…\")` in a source of the spec");
    }
    Ok(chosen)
}

/// Keeps the records of one source's topic.
async fn keep(project: &Project, source: &Arc<SourcePlan>, until: Until, every: Duration) -> Result<Kept> {
    let name = &source.root.name;
    let failed = || format!("source `{name}` cannot be archived");
    let topic_name = topic(source)?;
    let topic = KafkaTopic::open(source, topic_name, settings(project)?, until).await.with_context(failed)?;
    let root = places::offline(project)?;
    let root = root.to_string_lossy();
    let begins = topic.begins().await.with_context(failed)?;
    let session = places::session(project)?;
    let mut archive =
        Archive::open(&session, &root, source, topic_name, &begins).await.with_context(failed)?;
    let held = archive.held().iter();
    let from: Vec<LogMark> =
        held.map(|held| LogMark { next: held.next, clock: held.clock, ..LogMark::default() }).collect();
    let bar = output::progress("archiving", 0);
    let mut recordings =
        topic.recordings(&from).await.map_err(anyhow::Error::from_boxed).with_context(|| {
            let place = archive.place();
            format!("{} (its archive is {place}: moved away, it is begun anew with what is left)", failed())
        })?;
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut segments, mut waiting, mut records) = (Vec::new(), 0, 0);
    loop {
        let recorded = tokio::select! {
            recorded = recordings.next() => recorded,
            _ = tick.tick() => {
                records += archive.append(std::mem::take(&mut segments)).await?;
                waiting = 0;
                continue;
            }
        };
        let ended = recorded.is_none();
        if let Some(recorded) = recorded {
            let Recorded { partition, from, end, records } =
                recorded.map_err(anyhow::Error::from_boxed).with_context(failed)?;
            waiting += records.num_rows();
            bar.inc(records.num_rows() as u64);
            segments.push(Segment { partition, from, next: end.next, clock: end.clock, records });
        }
        if ended || waiting >= ROWS {
            records += archive.append(std::mem::take(&mut segments)).await?;
            waiting = 0;
        }
        if ended {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(Kept {
        source: source.root.to_string(),
        topic: topic_name.to_owned(),
        location: Archive::location(&root, source),
        records,
        next: archive.held().iter().map(|held| held.next).collect(),
    })
}
