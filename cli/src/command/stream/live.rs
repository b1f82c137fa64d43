//! `feat stream` on Kafka: one run a source, all at once, until they are stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use arrow::datatypes::SchemaRef;
use feat_batch::Archive;
use feat_compiler::ir::{QName, SourceKind};
use feat_compiler::plan::{GroupPlan, SourcePlan};
use feat_kernel::value::Value;
use feat_store::{Bytes, Store};
use feat_streaming::kafka::{KafkaTopic, Membership, Settings, Until};
use feat_streaming::{
    Alarm, ArchivedRecord, Bootstrap, GroupReport, Holding, Metrics, Options, Reached, Source,
    most_partitions, run as run_log,
};
use futures::StreamExt;
use futures::future::try_join_all;
use indexmap::IndexMap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::arguments::Stream;
use crate::endpoint::Endpoint;
use crate::project::Project;
use crate::standing::Survey;
use crate::{output, places};

/// How long what was read may take to be committed.
const GRACE: Duration = Duration::from_secs(20);

/// Streams the topics of the groups' sources, and replays what is static first. Ends when every topic
/// has been read to its end, or with the first signal to stop: what was read is committed.
pub(super) async fn run(
    project: &Project,
    store: &Arc<dyn Store>,
    groups: &[Arc<GroupPlan>],
    options: &Options,
    asked: &Stream,
    mut asked_to_stop: Stop,
) -> Result<Vec<GroupReport>> {
    let (fixed, moving): (Vec<_>, Vec<_>) =
        groups.iter().cloned().partition(|group| group.source.kind == SourceKind::Static);
    let mut by_source = BySource::new();
    for group in &moving {
        let topic = (group.source.root.clone(), Arc::clone(&group.source.schema));
        by_source.entry(topic).or_default().push(Arc::clone(group));
    }
    if by_source.is_empty() {
        if asked.refill {
            super::forget(project, store, groups, &fixed).await?;
        }
        return super::replay(project, store, &fixed, options).await;
    }
    let alarm = Alarm(Arc::new(|error| warn!("waiting: {error}")));
    let options = &Options { waits: Some(alarm), ..options.clone() };
    let names = by_source.values().map(|groups| topic(&groups[0].source)).collect::<Result<Vec<_>>>()?;
    let settings = settings(project)?;
    let address = address(project, asked.metrics)?;
    let (stop, stopped) = watch::channel(false);
    let until = if asked.until_end { Until::End } else { Until::Stopped(stopped) };
    let topics = tokio::select! {
        topics = open(project, &by_source, &names, &settings, &until, &options.metrics) => topics?,
        () = asked_to_stop.asked() => return Ok(Vec::new()),
    };
    if asked.refill {
        super::forget(project, store, groups, &fixed).await?;
    }
    let mut reports = super::replay(project, store, &fixed, options).await?;
    let membership = match settings.consumer_group() {
        // What has an end is not worth being shared.
        Some(group) if !asked.until_end => {
            let partitions = most_partitions(store, &moving, options).await?;
            Some(Membership::join(&settings, group, partitions).await?)
        }
        _ => None,
    };
    let shares = membership.as_ref().map(Membership::shares);
    let options = &Options { shares, ..options.clone() };
    let runs = by_source.values().zip(&topics).map(|(groups, topic)| async {
        let bar = output::progress("streaming", 0);
        let report =
            run_log(store, groups, &**topic, options, &|progress| bar.set_position(progress.records)).await?;
        bar.finish_and_clear();
        anyhow::Ok(report.groups)
    });
    let endpoint = match address {
        Some(address) => Some(Endpoint::open(address).await?),
        None => None,
    };
    let told = async {
        match endpoint {
            Some(endpoint) => {
                let metrics = options.metrics.clone();
                info!(address = %endpoint.address()?, "metrics are served");
                let survey = Survey::of(project, Arc::clone(store), groups.to_vec(), Some(metrics.clone()));
                endpoint.serve(survey.await?, metrics).await;
                bail!("nobody answers for the metrics any more")
            }
            None => std::future::pending().await,
        }
    };
    let (workers, groups) = (options.workers, moving.len());
    info!(version = env!("CARGO_PKG_VERSION"), groups, workers, "a stream begins");
    let mut runs = std::pin::pin!(try_join_all(runs));
    let mut told = std::pin::pin!(told);
    let done = tokio::select! {
        done = &mut runs => done?,
        told = &mut told => return told,
        () = asked_to_stop.asked() => {
            info!("stopping: what was read is being committed");
            stop.send_replace(true);
            let leaving = async {
                if let Some(membership) = membership {
                    membership.leave().await;
                }
            };
            // A store that is away is not waited for any more.
            let ended = tokio::time::timeout(GRACE, async { tokio::join!(runs, leaving).0 }).await;
            ended.context("stopped while the online store was away")??
        }
    };
    reports.extend(done.into_iter().flatten());
    for report in &reports {
        let GroupReport { group, folded, duplicates, commits, conflicts, .. } = report;
        let (read, late) = (report.counts.read, report.counts.late);
        info!(group, read, late, folded, duplicates, commits, conflicts, "stopped");
    }
    Ok(reports)
}

/// Groups by the topic that they read, and the columns that they read it as: those of two revisions may differ.
type BySource = IndexMap<(QName, SchemaRef), Vec<Arc<GroupPlan>>>;

/// The logs of the topics `names`, one for each source's groups.
async fn open(
    project: &Project,
    by_source: &BySource,
    names: &[&str],
    settings: &Settings,
    until: &Until,
    metrics: &Metrics,
) -> Result<Vec<Box<dyn Source>>> {
    let late = late_rows(project)?;
    let mut topics = Vec::with_capacity(by_source.len());
    for (groups, name) in by_source.values().zip(names) {
        let source = &groups[0].source;
        let topic = KafkaTopic::open(source, name, settings.clone(), until.clone())
            .await
            .with_context(|| format!("source `{}` cannot be streamed", source.root.name))?
            .with_metrics(metrics.clone());
        let keeps = late == LateRows::Kept && groups.iter().any(|group| group.source.lateness.is_some());
        let topic = if keeps { topic.keeping_late() } else { topic };
        topics.push(with_archive(project, source, name, topic).await?);
    }
    Ok(topics)
}

/// The log of a topic, of which what its archive holds is read from there: Kafka may have deleted it.
async fn with_archive(
    project: &Project,
    source: &Arc<SourcePlan>,
    name: &str,
    topic: KafkaTopic,
) -> Result<Box<dyn Source>> {
    let (root, partitions) = (places::offline(project)?, topic.logs().len());
    let Some(archive) = Archive::find(&root.to_string_lossy(), source, name, partitions).await? else {
        return Ok(Box::new(topic));
    };
    for (log, held) in topic.logs().iter().zip(archive.held()).filter(|(_, held)| held.first > 0) {
        let (archive, first) = (archive.place(), held.first);
        warn!(%log, first, archive, "the log begins here: when its archive began, the topic had forgotten the rest");
    }
    let held = archive.held().iter().map(|held| {
        let end = Reached { next: held.next, clock: held.clock };
        Holding { first: held.first, end }
    });
    let held = held.collect();
    let (archive, session) = (Arc::new(archive), places::session(project)?);
    Ok(Box::new(Bootstrap::new(source, topic, held, move |from| {
        let (archive, session) = (Arc::clone(&archive), session.clone());
        async move {
            info!(archive = archive.place(), "reads on from the archive");
            let records = archive.read(&session, &from).await?.map(|records| {
                let records = records?;
                let records = records.iter().map(|record| ArchivedRecord {
                    log: record.partition,
                    offset: record.offset,
                    clock: record.clock,
                    value: record.value.map(Bytes::copy_from_slice),
                });
                Ok(records.collect())
            });
            Ok(records.boxed())
        }
    })))
}

/// The topic of a source.
pub(crate) fn topic(source: &SourcePlan) -> Result<&str> {
    let name = &source.root.name;
    let Some(stream) = &source.stream else {
        bail!(
            "source `{name}` has no topic: write `stream kafka(\"…\")` in the spec, or replay its file with `--replay --until-end`"
        );
    };
    if stream.kind != "kafka" {
        bail!("source `{name}` is streamed from `{}`, and this build streams from `kafka`", stream.kind);
    }
    let format = stream.options.iter().find(|(option, _)| option == "format").map(|(_, value)| value);
    match format {
        Some(Value::Str(format)) if &**format != "json" => {
            bail!("source `{name}` has records in \"{format}\", and this build reads \"json\"")
        }
        _ => Ok(&stream.location),
    }
}

/// Where a running stream can be asked: as the command says, or feat.toml.
pub(crate) fn address(project: &Project, flag: Option<SocketAddr>) -> Result<Option<SocketAddr>> {
    let said = || project.site.config.stream.metrics.as_deref();
    match (flag, said()) {
        (Some(address), _) => Ok(Some(address)),
        (None, None) => Ok(None),
        (None, Some(said)) => said.parse().map(Some).with_context(|| {
            format!("[stream] metrics = \"{said}\" in feat.toml is no address: write IP:PORT, such as \"127.0.0.1:9100\"")
        }),
    }
}

/// What becomes of late rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LateRows {
    /// They are kept among the dead letters, where there is a topic for these.
    Kept,
    /// They are counted.
    Counted,
}

/// The setting of [`late_rows`].
const LATE_LETTERS: &str = "late_letters";

/// What `[kafka]` says of late rows.
fn late_rows(project: &Project) -> Result<LateRows> {
    match project.site.config.kafka.get(LATE_LETTERS) {
        None | Some(toml::Value::Boolean(true)) => Ok(LateRows::Kept),
        Some(toml::Value::Boolean(false)) => Ok(LateRows::Counted),
        Some(other) => bail!("[kafka] {LATE_LETTERS} = {other} in feat.toml: write true or false"),
    }
}

/// What `[kafka]` says of Kafka.
pub(crate) fn settings(project: &Project) -> Result<Settings> {
    let mut settings = project.site.config.kafka.clone();
    settings.remove(LATE_LETTERS);
    let mut text = |name: &str| match settings.remove(name) {
        None => Ok(None),
        Some(toml::Value::String(text)) => Ok(Some(text)),
        Some(other) => bail!("[kafka] {name} = {other} in feat.toml is no text: put it in quotes"),
    };
    let (brokers, dead_letters) = (text("brokers")?, text("dead_letters")?);
    let consumer_group = text("consumer_group")?;
    let brokers =
        brokers.context("feat.toml does not say where Kafka is:\n  [kafka]\n  brokers = \"host:9092\"")?;
    let others = settings.into_iter().map(|(name, value)| match value {
        toml::Value::String(text) => Ok((name, text)),
        toml::Value::Integer(_) | toml::Value::Boolean(_) | toml::Value::Float(_) => {
            Ok((name, value.to_string()))
        }
        // `sasl.mechanism = …` without quotes around the name is a table to TOML.
        _ => bail!("[kafka] {name} in feat.toml is no setting: write its whole name in quotes, such as \"{name}.…\" = …"),
    });
    let others = others.collect::<Result<Vec<_>>>()?;
    Ok(Settings::new(brokers, others)?.with_dead_letters(dead_letters).with_consumer_group(consumer_group))
}

/// The signals to stop: an interrupt from the keyboard, and what service managers send. From the moment
/// that they are listened for they end nothing by themselves.
pub(in crate::command) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(in crate::command) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be received");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for one.
    pub(in crate::command) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
