//! Training sets for those who ask over gRPC: the batch engine behind the server's trait.
//!
//! A set is made of what is deployed when it is asked for, entered in the registry as `feat train` enters
//! it, and sent while it is computed; a caller that goes away stops the work.

use std::path::{Component, Path};
use std::sync::Arc;

use anyhow::Result;
use arrow::ipc::reader::StreamReader;
use feat_batch::{BatchError, Checksum, Request, SpineFile, Table, Tables, TrainingSet};
use feat_kernel::time::Instant;
use feat_registry::training_sets::TrainingSet as Stored;
use feat_registry::{Actor, Registry};
use feat_serving::training::{Made, Making, Mode, Of, Part, Spine, Trainer};
use feat_serving::{Clock, ServeError};
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::ArrowWriter;
use serde_json::{Value as Json, json};
use tempfile::NamedTempFile;

use crate::command;
use crate::places::{self, Role};
use crate::project::Project;
use crate::recorded;
use crate::site;

/// Makes training sets of a project. Clones are the same.
#[derive(Clone)]
pub(crate) struct BatchTrainer {
    project: Arc<Project>,
    registry: Registry,
    clock: Clock,
}

/// Everything that a set is made of, with the files that must live as long.
struct Order {
    project: Project,
    request: Request,
    tables: Tables,
    mode: feat_batch::Mode,
    asked: Json,
    spool: Option<NamedTempFile>,
}

impl BatchTrainer {
    pub(crate) fn new(project: &Arc<Project>, registry: Registry, clock: Clock) -> Self {
        Self { project: Arc::clone(project), registry, clock }
    }

    /// What is deployed now; of a project that was never applied its files as they were at the start.
    async fn deployed(&self) -> Result<Project> {
        match self.registry.deployed(&site::secrets()).await? {
            Some(deployed) => Project::of_deployed(self.project.site.clone(), deployed),
            None => Ok(Project::clone(&self.project)),
        }
    }

    async fn order(&self, of: Of, mode: Mode) -> Result<Order, ServeError> {
        let project = self.deployed().await.map_err(internal)?;
        let batch_mode = match mode {
            Mode::AsKnown => feat_batch::Mode::AsKnown,
            Mode::EventTime => feat_batch::Mode::EventTime,
        };
        let word = if mode == Mode::EventTime { "event-time" } else { "as-known" };
        match of {
            Of::Dataset(name) => {
                let (request, tables, asked) =
                    command::of_dataset(&project, &name, word).map_err(|error| unknown(&error))?;
                Ok(Order { project, request, tables, mode: batch_mode, asked, spool: None })
            }
            Of::Service { name, time, zone, spine } => {
                let service = command::service(&project, &name).map_err(|error| unknown(&error))?;
                let (table, spool, path) = self.spine(&spine)?;
                let asked = json!({
                    "service": format!("{}@{}", service.name, service.version), "spine": path, "time": time,
                    "zone": zone, "mode": word,
                });
                let sources = command::sources_of(&service);
                let tables = places::tables(&project, sources, Role::Batch).map_err(|error| state(&error))?;
                let request = Request::Service { service, spine: SpineFile { table, time, zone } };
                Ok(Order { project, request, tables, mode: batch_mode, asked, spool })
            }
        }
    }

    /// The rows of a spine, the file that holds them if they were sent, and where they are if they stay.
    fn spine(&self, spine: &Spine) -> Result<(Table, Option<NamedTempFile>, Option<String>), ServeError> {
        match spine {
            Spine::Sent(file) => {
                let rows = as_parquet(file.path())?;
                let table = Table::open(rows.path(), None).map_err(|cause| batch(&cause))?;
                Ok((table, Some(rows), None))
            }
            Spine::Path(path) => {
                let below = Path::new(path)
                    .components()
                    .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
                if !below {
                    return Err(ServeError::Request(format!(
                        "spine_path `{path}` leaves the project's folder: name a file below it"
                    )));
                }
                let path = self.project.site.path(path);
                let table = Table::open(&path, None).map_err(|cause| batch(&cause))?;
                Ok((table, None, Some(path.display().to_string())))
            }
        }
    }

    /// Begins the work; its rows come as they are computed.
    async fn begin(&self, order: Order, caller: &str, again: Option<Stored>) -> Result<Making, ServeError> {
        let Order { project, request, tables, mode, asked, spool } = order;
        let session = places::session(&project).map_err(|error| state(&error))?;
        let progress = Arc::clone(session.progress());
        let set =
            TrainingSet::plan(&session, &tables, &request, mode).await.map_err(|cause| batch(&cause))?;
        let schema = Arc::clone(set.schema());
        let (urn, major) = recorded::of_request(&project, &request).map_err(internal)?;
        let revision = project.deployed.as_ref().map(|deployed| deployed.head.revision.seq);
        let actor = Actor { principal: caller, channel: "grpc", at: (self.clock)() };
        let run = Run {
            id: self.registry.begin_run("train", &urn, revision, &actor).await?,
            registry: self.registry.clone(),
            clock: Arc::clone(&self.clock),
            caller: caller.to_owned(),
            ended: false,
        };
        let id = run.id.clone();
        let rows = set.stream().await.map_err(|cause| batch(&cause))?.boxed();
        let finish = Finish {
            run,
            set,
            checksum: Checksum::default(),
            asked,
            urn,
            major,
            revision,
            again,
            _spool: spool,
        };
        let parts = stream::try_unfold((rows, Some(finish), 0_u64), move |(mut rows, finish, told)| {
            let progress = Arc::clone(&progress);
            async move {
                let Some(mut finish) = finish else { return Ok(None) };
                let read = progress.rows_read();
                if read > told {
                    return Ok(Some((Part::Progress(read), (rows, Some(finish), read))));
                }
                match rows.try_next().await {
                    Ok(Some(rows_now)) => {
                        finish.checksum.add(&rows_now).map_err(|cause| batch(&cause))?;
                        Ok(Some((Part::Batch(rows_now), (rows, Some(finish), told))))
                    }
                    Ok(None) => {
                        let made = finish.end().await?;
                        Ok(Some((Part::Made(Box::new(made)), (rows, None, told))))
                    }
                    Err(cause) => {
                        let error = batch(&cause);
                        finish.run.end(Err(error.to_string())).await?;
                        Err(error)
                    }
                }
            }
        });
        Ok(Making { id, schema, rows: parts.boxed() })
    }
}

/// What is left to do once all rows were sent.
struct Finish {
    run: Run,
    set: TrainingSet,
    checksum: Checksum,
    asked: Json,
    urn: String,
    major: u32,
    revision: Option<u64>,
    /// The set that is made again.
    again: Option<Stored>,
    /// The spine's rows lie there.
    _spool: Option<NamedTempFile>,
}

impl Finish {
    async fn end(mut self) -> Result<Made, ServeError> {
        let manifest = self.set.manifest(self.checksum).map_err(|cause| batch(&cause))?;
        let counts = recorded::of_manifest(&manifest);
        let at = (self.run.clock)();
        if let Some(again) = &self.again {
            self.run.end(Ok(counts)).await?;
            if again.checksum != manifest.checksum {
                return Err(ServeError::State(format!(
                    "training set {} is another now: checksum {} of {} rows, it was {} of {}; what it is made of has changed",
                    again.id, manifest.checksum, manifest.rows, again.checksum, again.rows
                )));
            }
            return Ok(made(again.clone()));
        }
        self.run.end(Ok(counts)).await?;
        let stored = Stored {
            id: self.run.id.clone(),
            urn: self.urn.clone(),
            major: self.major,
            revision: self.revision,
            request: self.asked.clone(),
            manifest: serde_json::to_value(&manifest)
                .map_err(|cause| ServeError::Internal(cause.to_string()))?,
            checksum: manifest.checksum.clone(),
            rows: manifest.rows,
            location: String::new(),
            created_at: at,
            created_by: self.run.caller.clone(),
        };
        let actor = Actor { principal: &self.run.caller, channel: "grpc", at };
        self.run.registry.record_training_set(&stored, &actor).await?;
        Ok(made(stored))
    }
}

/// A run in the registry; one that nobody waits for any more has failed.
struct Run {
    registry: Registry,
    clock: Clock,
    id: String,
    caller: String,
    ended: bool,
}

impl Run {
    async fn end(
        &mut self,
        ended: Result<(feat_registry::runs::Counts, Json), String>,
    ) -> Result<(), ServeError> {
        self.ended = true;
        let actor = Actor { principal: &self.caller, channel: "grpc", at: (self.clock)() };
        Ok(self.registry.end_run(&self.id, ended, &actor).await?)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (registry, id, caller, at) =
            (self.registry.clone(), self.id.clone(), self.caller.clone(), (self.clock)());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let actor = Actor { principal: &caller, channel: "grpc", at };
                // Nobody is left to be told.
                let _ = registry.end_run(&id, Err("cancelled by its caller".to_owned()), &actor).await;
            });
        }
    }
}

#[tonic::async_trait]
impl Trainer for BatchTrainer {
    async fn create(&self, of: Of, mode: Mode, caller: &str) -> Result<Making, ServeError> {
        let (trainer, caller) = (self.clone(), caller.to_owned());
        apart(move || async move {
            let order = trainer.order(of, mode).await?;
            trainer.begin(order, &caller, None).await
        })
        .await
    }

    async fn reproduce(&self, id: &str, spine: Option<Spine>, caller: &str) -> Result<Making, ServeError> {
        let (trainer, caller, id) = (self.clone(), caller.to_owned(), id.to_owned());
        apart(move || async move {
            let stored = trainer.registry.training_set(&id).await?;
            let sent = spine.as_ref().map(|spine| trainer.spine(spine)).transpose()?;
            let (spine, spool) = match sent {
                Some((table, spool, _)) => (Some(table), spool),
                None => (None, None),
            };
            let site = trainer.project.site.clone();
            let (project, request, tables, mode) = command::again(site, &trainer.registry, &stored, spine)
                .await
                .map_err(|error| state(&error))?;
            let order = Order { project, request, tables, mode, asked: stored.request.clone(), spool };
            trainer.begin(order, &caller, Some(stored)).await
        })
        .await
    }

    async fn list(&self, of: &str, limit: u32) -> Result<Vec<Made>, ServeError> {
        Ok(self.registry.training_sets(of, limit).await?.into_iter().map(made).collect())
    }

    async fn get(&self, id: &str) -> Result<Made, ServeError> {
        Ok(made(self.registry.training_set(id).await?))
    }
}

/// Plans a set on a thread that may take its time: spines are read and compiled specs are made there, and
/// none of those who answer lookups waits for it.
async fn apart<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T, ServeError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ServeError>>,
{
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work())).await;
    done.unwrap_or_else(|_| {
        Err(ServeError::Internal(
            "the plan of the training set stopped: this is a fault of feat's".to_owned(),
        ))
    })
}

fn made(stored: Stored) -> Made {
    let created_at: Instant = stored.created_at;
    Made {
        id: stored.id,
        of: format!("{}@{}", stored.urn, stored.major),
        created_at,
        created_by: stored.created_by,
        rows: stored.rows,
        checksum: stored.checksum,
        manifest: stored.manifest.to_string(),
    }
}

/// The rows of an Arrow stream as Parquet, which the engine reads as often and as little as it likes.
fn as_parquet(sent: &Path) -> Result<NamedTempFile, ServeError> {
    let wrong =
        |cause: &dyn std::fmt::Display| ServeError::Request(format!("the spine cannot be read: {cause}"));
    let written =
        |cause: &dyn std::fmt::Display| ServeError::Internal(format!("the spine cannot be kept: {cause}"));
    let convert = || -> Result<NamedTempFile, ServeError> {
        let file = std::fs::File::open(sent).map_err(|cause| written(&cause))?;
        let rows =
            StreamReader::try_new(std::io::BufReader::new(file), None).map_err(|cause| wrong(&cause))?;
        let out = tempfile::Builder::new().suffix(".parquet").tempfile().map_err(|cause| written(&cause))?;
        let mut seen = std::collections::BTreeSet::new();
        if let Some(twice) = rows.schema().fields().iter().find(|field| !seen.insert(field.name().clone())) {
            return Err(ServeError::Request(format!(
                "the spine has two columns `{}`: rename one",
                twice.name()
            )));
        }
        let file = out.reopen().map_err(|cause| written(&cause))?;
        let mut writer = ArrowWriter::try_new(file, rows.schema(), None).map_err(|cause| wrong(&cause))?;
        for batch in rows {
            writer.write(&batch.map_err(|cause| wrong(&cause))?).map_err(|cause| wrong(&cause))?;
        }
        writer.close().map_err(|cause| written(&cause))?;
        Ok(out)
    };
    // Bytes from outside must not end the server, whatever a reader makes of them.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(convert))
        .unwrap_or_else(|_| Err(ServeError::Request("the spine is no sound Arrow IPC stream".to_owned())))
}

/// What the engine refuses is about what was asked, unless its own files fail it.
fn batch(error: &BatchError) -> ServeError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        let found_text = found.to_string();
        if !text.contains(&found_text) {
            text = format!("{text}: {found_text}");
        }
        cause = found.source();
    }
    match error {
        BatchError::Spine { .. }
        | BatchError::Request(_)
        | BatchError::Conform(_)
        | BatchError::Text { .. }
        | BatchError::File { .. } => ServeError::Request(text),
        BatchError::NoTable { .. }
        | BatchError::Prepare(_)
        | BatchError::Read { .. }
        | BatchError::Shared(_) => ServeError::State(text),
        _ => ServeError::Internal(text),
    }
}

fn unknown(error: &anyhow::Error) -> ServeError {
    ServeError::Unknown(format!("{error:#}"))
}

fn state(error: &anyhow::Error) -> ServeError {
    ServeError::State(format!("{error:#}"))
}

fn internal(error: anyhow::Error) -> ServeError {
    match error.downcast::<feat_registry::RegistryError>() {
        Ok(error) => error.into(),
        Err(error) => ServeError::Internal(format!("{error:#}")),
    }
}
