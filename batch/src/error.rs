//! Why a batch run stopped.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use feat_compiler::conform::ConformError;
use feat_compiler::prepare::PrepareError;
use feat_compiler::text::Fault;

/// Why a batch run stopped. Nothing is published by a run that stops.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A source names no rows.
    #[error(
        "source `{source_name}` has no rows: name a file under `[sources.{source_name}]` in feat.toml, or write `batch …` in the spec"
    )]
    NoTable {
        /// The root source's short name.
        source_name: String,
    },
    /// A file or folder is not there, or holds no file of a known format.
    #[error("{}: {reason}", path.display())]
    File {
        /// What was opened.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A file does not hold what the source declares.
    #[error(transparent)]
    Conform(#[from] ConformError),
    /// Rows broke an expectation that says `fail`.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The spine does not do for the service.
    #[error("spine {origin}: {reason}")]
    Spine {
        /// The file.
        origin: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A row of a text file cannot be read.
    #[error("{}", place(origin, *line, column.as_deref(), reason))]
    Text {
        /// The file.
        origin: String,
        /// The line, as an editor counts.
        line: Option<u64>,
        /// The column, if it is one value.
        column: Option<String>,
        /// The value, what was expected and what to do.
        reason: String,
    },
    /// A file could not be read.
    #[error("{origin}: cannot be read: it is damaged, or not what its name says; write it anew")]
    Read {
        /// The file.
        origin: String,
        /// Why.
        #[source]
        cause: DataFusionError,
    },
    /// The request asks for what a plan does not have.
    #[error("{0}")]
    Request(String),
    /// An error that parts of a run which work at once have in common.
    #[error(transparent)]
    Shared(Shared),
    /// The engine stopped.
    #[error("the batch engine stopped")]
    Engine(#[source] DataFusionError),
    /// A Parquet file could not be written or read.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A Delta table could not be read.
    #[error("delta table {location}: cannot be read")]
    DeltaRead {
        /// The table.
        location: String,
        /// Why.
        #[source]
        cause: deltalake::DeltaTableError,
    },
    /// A Delta table could not be written.
    #[error("delta table {location}: cannot be written")]
    Delta {
        /// The table.
        location: String,
        /// Why.
        #[source]
        cause: deltalake::DeltaTableError,
    },
}

impl BatchError {
    /// A row of `origin` that cannot be read, with its line where it is known.
    pub(crate) fn text(fault: Fault, origin: &str, line: Option<u64>) -> Self {
        let Fault { column, reason, .. } = fault;
        Self::Text { origin: origin.to_owned(), line, column, reason }
    }
}

/// An error of ours inside one of the engine's, which several have: it reads as it would alone.
#[derive(Debug)]
pub struct Shared(Arc<DataFusionError>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ours(&self.0) {
            Some(ours) => ours.fmt(f),
            None => self.0.fmt(f),
        }
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        ours(&self.0)?.source()
    }
}

/// The error of ours that travels in one of the engine's.
fn ours(error: &DataFusionError) -> Option<&BatchError> {
    match error {
        DataFusionError::External(inner) => inner.downcast_ref(),
        DataFusionError::Context(_, inner) => ours(inner),
        DataFusionError::Shared(inner) => ours(inner),
        DataFusionError::ArrowError(inner, _) => match &**inner {
            arrow::error::ArrowError::ExternalError(inner) => ours(inner.downcast_ref()?),
            _ => None,
        },
        _ => None,
    }
}

/// `file:line: column: reason`, as much of it as is known.
fn place(origin: &str, line: Option<u64>, column: Option<&str>, reason: &str) -> String {
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    match column {
        Some(column) => format!("{origin}{line}: column `{column}`: {reason}"),
        None => format!("{origin}{line}: {reason}"),
    }
}

impl From<DataFusionError> for BatchError {
    /// An error of ours that travelled through the engine comes out as it went in.
    fn from(error: DataFusionError) -> Self {
        use datafusion::error::DataFusionError as Engine;
        match error {
            Engine::External(inner) => match inner.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => Self::Engine(Engine::External(other)),
            },
            Engine::Context(_, inner) => Self::from(*inner),
            Engine::Shared(inner) => match Arc::try_unwrap(inner) {
                Ok(inner) => Self::from(inner),
                Err(shared) if ours(&shared).is_some() => Self::Shared(Shared(shared)),
                Err(shared) => Self::Engine(Engine::Shared(shared)),
            },
            Engine::ArrowError(inner, trace) => match *inner {
                arrow::error::ArrowError::ExternalError(inner) => match inner.downcast::<Engine>() {
                    Ok(engine) => Self::from(*engine),
                    Err(other) => Self::Engine(Engine::External(other)),
                },
                other => Self::Engine(Engine::ArrowError(Box::new(other), trace)),
            },
            other => Self::Engine(other),
        }
    }
}

impl From<arrow::error::ArrowError> for BatchError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::from(DataFusionError::from(error))
    }
}

impl From<BatchError> for DataFusionError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Engine(inner) => inner,
            ours => Self::External(Box::new(ours)),
        }
    }
}
