//! `TrainingService`: training sets, made by whoever has the batch engine and sent as they are computed.
//!
//! ```text
//!  header, spine chunks ──► spool (a file) ──► Trainer::create ──► batches ──► Arrow IPC chunks, progress
//! ```

use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use feat_kernel::time::Instant;
use feat_proto::v1;
use feat_proto::v1::training_service_server::TrainingService;
use feat_proto::v1::training_set_event::Event;
use futures::{Stream, StreamExt, stream};
use tempfile::NamedTempFile;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status, Streaming};

use crate::auth::Caller;
use crate::convert;
use crate::error::ServeError;

/// The most bytes of Arrow in one message of an answer: below what clients take without being told.
const CHUNK: usize = 2 << 20;

/// What a training set is made of.
#[derive(Clone, Debug)]
pub enum Of {
    /// A service, `name` or `name@version`, for the rows of a spine.
    Service {
        /// Its name.
        name: String,
        /// The spine's column of instants.
        time: String,
        /// Whose wall clock its zone-less times are.
        zone: Option<String>,
        /// Where the rows are.
        spine: Spine,
    },
    /// A dataset of the spec.
    Dataset(String),
}

/// Where the rows of a spine are.
#[derive(Clone, Debug)]
pub enum Spine {
    /// Sent: an Arrow IPC stream in a file that goes with the last clone of this.
    Sent(Arc<NamedTempFile>),
    /// A path below the project's folder.
    Path(String),
}

/// Whether arrival counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Rows count once they were known.
    AsKnown,
    /// Rows count from the moment they happened.
    EventTime,
}

/// A training set that is being made.
pub struct Making {
    /// By which it is found again.
    pub id: String,
    /// The columns in their order.
    pub schema: SchemaRef,
    /// The rows in the spine's order; then how it ended. Dropping it stops the work.
    pub rows: Pin<Box<dyn Stream<Item = Result<Part, ServeError>> + Send>>,
}

/// A part of a training set.
#[derive(Debug)]
pub enum Part {
    /// Rows.
    Batch(RecordBatch),
    /// How many rows of sources were read so far.
    Progress(u64),
    /// The last part: it is whole.
    Made(Box<Made>),
}

/// A training set that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its name.
    pub id: String,
    /// The service or dataset, with its version.
    pub of: String,
    /// When.
    pub created_at: Instant,
    /// By whom.
    pub created_by: String,
    /// How many rows.
    pub rows: u64,
    /// Of all rows, whatever their order.
    pub checksum: String,
    /// Versions, meanings and tables it was made from, as JSON.
    pub manifest: String,
}

/// Makes training sets.
#[tonic::async_trait]
pub trait Trainer: Send + Sync {
    /// Plans and begins one; its rows come by its stream.
    async fn create(&self, of: Of, mode: Mode, caller: &str) -> Result<Making, ServeError>;
    /// Begins one again as it was; `spine` where its spine was sent.
    async fn reproduce(&self, id: &str, spine: Option<Spine>, caller: &str) -> Result<Making, ServeError>;
    /// The last `limit`, of one service or dataset or all, newest first.
    async fn list(&self, of: &str, limit: u32) -> Result<Vec<Made>, ServeError>;
    /// One of them.
    async fn get(&self, id: &str) -> Result<Made, ServeError>;
}

/// Spools spines and sends sets.
#[derive(Clone)]
pub(crate) struct Training {
    trainer: Arc<dyn Trainer>,
    /// As many at once.
    room: Arc<Semaphore>,
    /// The most bytes of a spine.
    most: u64,
}

impl Training {
    pub(crate) fn new(trainer: Arc<dyn Trainer>, at_once: usize, most: u64) -> Self {
        Self { trainer, room: Arc::new(Semaphore::new(at_once)), most }
    }

    fn room(&self) -> Result<OwnedSemaphorePermit, ServeError> {
        Arc::clone(&self.room).try_acquire_owned().map_err(|_| {
            ServeError::TooLarge(
                "as many training sets as this server makes at once are under way: ask again later"
                    .to_owned(),
            )
        })
    }
}

type Events = Pin<Box<dyn Stream<Item = Result<v1::TrainingSetEvent, Status>> + Send>>;

#[tonic::async_trait]
impl TrainingService for Training {
    type CreateTrainingSetStream = Events;
    type ReproduceTrainingSetStream = Events;

    async fn create_training_set(
        &self,
        request: Request<Streaming<v1::CreateTrainingSetRequest>>,
    ) -> Result<Response<Events>, Status> {
        use v1::create_training_set_request::Part as Sent;
        let permit = self.room()?;
        let caller = Caller::of(&request);
        let mut parts = request.into_inner();
        let first = parts.message().await?.and_then(|message| message.part);
        let Some(Sent::Header(header)) = first else {
            return Err(ServeError::Request("the first message is the header".to_owned()).into());
        };
        let mut spool = Spool::new(self.most)?;
        while let Some(message) = parts.message().await? {
            match message.part {
                Some(Sent::Spine(bytes)) => spool.write(&bytes)?,
                _ => {
                    return Err(
                        ServeError::Request("behind the header only the spine is sent".to_owned()).into()
                    );
                }
            }
        }
        let sent = spool.end()?;
        let mode = match header.mode() {
            v1::Mode::EventTime => Mode::EventTime,
            v1::Mode::AsKnown | v1::Mode::Unspecified => Mode::AsKnown,
        };
        let making = self.trainer.create(of(header, sent)?, mode, caller.name()).await?;
        Ok(Response::new(events(making, permit)))
    }

    async fn list_training_sets(
        &self,
        request: Request<v1::ListTrainingSetsRequest>,
    ) -> Result<Response<v1::ListTrainingSetsResponse>, Status> {
        let request = request.into_inner();
        let limit = if request.limit == 0 { 100 } else { request.limit };
        let sets = self.trainer.list(&request.of, limit).await?;
        let training_sets = sets.into_iter().map(made).collect();
        Ok(Response::new(v1::ListTrainingSetsResponse { training_sets }))
    }

    async fn get_training_set(
        &self,
        request: Request<v1::GetTrainingSetRequest>,
    ) -> Result<Response<v1::TrainingSet>, Status> {
        Ok(Response::new(made(self.trainer.get(&request.get_ref().id).await?)))
    }

    async fn reproduce_training_set(
        &self,
        request: Request<Streaming<v1::ReproduceTrainingSetRequest>>,
    ) -> Result<Response<Events>, Status> {
        use v1::reproduce_training_set_request::Part as Sent;
        let permit = self.room()?;
        let caller = Caller::of(&request);
        let mut parts = request.into_inner();
        let Some(Sent::Id(id)) = parts.message().await?.and_then(|message| message.part) else {
            return Err(ServeError::Request("the first message is the training set's id".to_owned()).into());
        };
        let mut spool = Spool::new(self.most)?;
        while let Some(message) = parts.message().await? {
            match message.part {
                Some(Sent::Spine(bytes)) => spool.write(&bytes)?,
                _ => {
                    return Err(ServeError::Request("behind the id only the spine is sent".to_owned()).into());
                }
            }
        }
        let making = self.trainer.reproduce(&id, spool.end()?, caller.name()).await?;
        Ok(Response::new(events(making, permit)))
    }
}

/// What a header asks for.
fn of(header: v1::TrainingSetHeader, sent: Option<Spine>) -> Result<Of, ServeError> {
    use v1::training_set_header::Of as Asked;
    let refused = |text: &str| Err(ServeError::Request(text.to_owned()));
    let path = Some(header.spine_path).filter(|path| !path.is_empty());
    match header.of {
        None => refused("the header names neither a service nor a dataset"),
        Some(Asked::Dataset(_)) if sent.is_some() || path.is_some() => {
            refused("a dataset says its own spine: send none")
        }
        Some(Asked::Dataset(name)) => Ok(Of::Dataset(name)),
        Some(Asked::Service(_)) if header.time.is_empty() => {
            refused("`time` names no column: say which column of the spine holds the instants")
        }
        Some(Asked::Service(name)) => {
            let spine = match (sent, path) {
                (Some(sent), None) => sent,
                (None, Some(path)) => Spine::Path(path),
                (None, None) => return refused("no spine: send one behind the header, or say `spine_path`"),
                (Some(_), Some(_)) => {
                    return refused("two spines: one was sent and `spine_path` names another");
                }
            };
            let zone = Some(header.zone).filter(|zone| !zone.is_empty());
            Ok(Of::Service { name, time: header.time, zone, spine })
        }
    }
}

/// A spine on its way into a file.
struct Spool {
    file: NamedTempFile,
    written: u64,
    most: u64,
}

impl Spool {
    fn new(most: u64) -> Result<Self, ServeError> {
        let file = NamedTempFile::new().map_err(|cause| disk(&cause))?;
        Ok(Self { file, written: 0, most })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ServeError> {
        self.written += bytes.len() as u64;
        if self.written > self.most {
            return Err(ServeError::TooLarge(format!(
                "the spine has more than {} bytes, the most that this server takes: make the set in parts, or put the spine where the server reads it and say `spine_path`",
                self.most
            )));
        }
        self.file.write_all(bytes).map_err(|cause| disk(&cause))
    }

    /// The spine, if one was sent: an Arrow stream, whatever its rows are.
    fn end(mut self) -> Result<Option<Spine>, ServeError> {
        if self.written == 0 {
            return Ok(None);
        }
        self.file.flush().map_err(|cause| disk(&cause))?;
        let read = || -> Result<(), String> {
            let file = self.file.reopen().map_err(|cause| cause.to_string())?;
            let reader = StreamReader::try_new(std::io::BufReader::new(file), None);
            reader.map(drop).map_err(|cause| cause.to_string())
        };
        // A reader of Arrow's must not end the server, whatever it is given.
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
        match read {
            Ok(Ok(())) => Ok(Some(Spine::Sent(Arc::new(self.file)))),
            Ok(Err(cause)) => Err(ServeError::Request(format!("the spine is no Arrow IPC stream: {cause}"))),
            Err(_) => Err(ServeError::Request("the spine is no Arrow IPC stream".to_owned())),
        }
    }
}

fn disk(cause: &std::io::Error) -> ServeError {
    ServeError::Internal(format!("the spine cannot be kept: {cause}"))
}

/// A training set as it is sent. `permit` is held until the last of it is.
fn events(making: Making, permit: OwnedSemaphorePermit) -> Events {
    let Making { id, schema, rows } = making;
    let started = v1::TrainingSetEvent { event: Some(Event::Started(v1::Started { id })) };
    let written = Ipc::new(&schema);
    let first = stream::iter([Ok(started)]);
    let state = (rows, written, 0_u64, permit);
    let rest = stream::unfold(Some(state), |state| async move {
        let (mut rows, written, mut sent, permit) = state?;
        let mut ipc = match written {
            Ok(ipc) => ipc,
            Err(error) => return Some((vec![Err(error.into())], None)),
        };
        let events = match rows.next().await {
            None => return None,
            Some(Err(error)) => return Some((vec![Err(error.into())], None)),
            Some(Ok(Part::Progress(read))) => {
                let progress = v1::Progress { rows_read: read, rows_sent: sent };
                vec![Ok(v1::TrainingSetEvent { event: Some(Event::Progress(progress)) })]
            }
            Some(Ok(Part::Batch(batch))) => {
                sent += batch.num_rows() as u64;
                match ipc.write(&batch) {
                    Ok(chunks) => chunks,
                    Err(error) => return Some((vec![Err(error.into())], None)),
                }
            }
            Some(Ok(Part::Made(whole))) => {
                let mut events = match ipc.finish() {
                    Ok(chunks) => chunks,
                    Err(error) => return Some((vec![Err(error.into())], None)),
                };
                events.push(Ok(v1::TrainingSetEvent { event: Some(Event::Finished(made(*whole))) }));
                return Some((events, None));
            }
        };
        Some((events, Some((rows, Ok(ipc), sent, permit))))
    });
    Box::pin(first.chain(rest.map(stream::iter).flatten()))
}

/// Batches as the chunks of one Arrow IPC stream.
struct Ipc(StreamWriter<Vec<u8>>);

impl Ipc {
    fn new(schema: &SchemaRef) -> Result<Self, ServeError> {
        StreamWriter::try_new(Vec::new(), schema).map(Self).map_err(|cause| unsent(&cause))
    }

    fn write(
        &mut self,
        batch: &RecordBatch,
    ) -> Result<Vec<Result<v1::TrainingSetEvent, Status>>, ServeError> {
        self.0.write(batch).map_err(|cause| unsent(&cause))?;
        Ok(self.chunks())
    }

    fn finish(&mut self) -> Result<Vec<Result<v1::TrainingSetEvent, Status>>, ServeError> {
        self.0.finish().map_err(|cause| unsent(&cause))?;
        Ok(self.chunks())
    }

    fn chunks(&mut self) -> Vec<Result<v1::TrainingSetEvent, Status>> {
        let bytes = std::mem::take(self.0.get_mut());
        let event = |bytes: &[u8]| Ok(v1::TrainingSetEvent { event: Some(Event::Arrow(bytes.to_vec())) });
        bytes.chunks(CHUNK).map(event).collect()
    }
}

fn unsent(cause: &arrow::error::ArrowError) -> ServeError {
    ServeError::Internal(format!("the training set cannot be sent: {cause}"))
}

fn made(set: Made) -> v1::TrainingSet {
    v1::TrainingSet {
        id: set.id,
        of: set.of,
        created_at: Some(convert::timestamp(set.created_at)),
        created_by: set.created_by,
        rows: set.rows,
        checksum: set.checksum,
        manifest: set.manifest,
    }
}
