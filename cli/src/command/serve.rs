//! `feat serve`: answers over gRPC from what is deployed.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use feat_registry::Registry;
use feat_serving::{Access, AnswerLog, Catalog, Clock, Current, Limits, Metrics, Server, follow, server};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{Level, info};

use crate::arguments::Arguments;
use crate::arguments::serve::Serve;
use crate::project::Project;
use crate::trainer::BatchTrainer;
use crate::{answers, log, output, places, registry, site};

/// How long the last answers of a sample may take to be written.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Answers until it is asked to stop, and then ends what is under way.
pub(crate) fn run(common: &Arguments, asked: &Serve) -> Result<ExitCode> {
    log::begin(asked.log, if asked.verbose { Level::DEBUG } else { Level::INFO })?;
    let project = Arc::new(super::runnable(common)?);
    super::block_on(serve(project, asked))
}

async fn serve(project: Arc<Project>, asked: &Serve) -> Result<ExitCode> {
    // Before anything is held that a signal should not tear.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let store = places::store(&project).await?;
    let clock: Clock = Arc::new(super::now);
    let metrics = Metrics::default();
    let access = if asked.keys { Access::Keys } else { Access::Open };
    let registry = registry_of(&project, access).await?;
    let seen = registry.last_change().await?;
    let services = match &project.deployed {
        Some(deployed) => deployed.services()?,
        None => project.compiled.plans.services.values().map(|plan| (Arc::clone(plan), true)).collect(),
    };
    let count = services.len();
    let current = Current::new(Catalog::of(services, Arc::clone(&store)));
    let following = tokio::spawn(follow(
        registry.clone(),
        site::secrets(),
        Arc::clone(&store),
        current.clone(),
        metrics.clone(),
        seen,
    ));
    let listener = server::bind(asked.listen).await?;
    let address = listener.local_addr()?;
    let (answers, keeping) = match &asked.log_answers {
        Some(folder) => {
            answers::make(folder)?;
            let (to, sent) = mpsc::channel(answers::WAITING);
            let keeping = tokio::spawn(answers::keep(folder.clone(), sent, Arc::clone(&clock)));
            (Some(Arc::new(AnswerLog::new(asked.log_share, to))), Some(keeping))
        }
        None => (None, None),
    };
    let trainer = BatchTrainer::new(&project, registry.clone(), Arc::clone(&clock));
    let server = Server {
        current,
        registry: Some(registry),
        secrets: site::secrets(),
        trainer: Some(Arc::new(trainer)),
        clock,
        limits: Limits { rows: asked.rows, calls: asked.calls, ..Limits::default() },
        access,
        identity: identity(asked)?,
        metrics,
        answers,
    };
    output::line(format!("listening on {address}"));
    info!(%address, services = count, "lookups are answered");
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        info!("asked to stop: ending what is under way");
    };
    server.run(listener, stop).await?;
    following.abort();
    if let Some(keeping) = keeping {
        // A call that was not ended in time may hold its place still.
        let _ended = tokio::time::timeout(LAST_ANSWERS, keeping).await;
    }
    info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The registry; of a project that was never applied an empty one, to which clients may apply.
async fn registry_of(project: &Project, access: Access) -> Result<Registry> {
    if access == Access::Keys && registry::open(&project.site).await?.is_none() {
        bail!("keys are kept in the registry, and there is none yet: make a key with `feat key add`");
    }
    registry::make(&project.site).await
}

fn identity(asked: &Serve) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let (Some(certificate), Some(key)) = (&asked.tls_certificate, &asked.tls_key) else { return Ok(None) };
    let read = |path: &std::path::Path| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    Ok(Some((read(certificate)?, read(key)?)))
}
