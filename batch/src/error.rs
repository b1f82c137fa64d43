//! Why a batch run stopped.

use std::path::PathBuf;

use feat_compiler::conform::ConformError;
use feat_compiler::prepare::PrepareError;

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
    /// A value of a text file is not of its column's type.
    #[error("{origin}: column `{column}`: {reason}")]
    Text {
        /// The file.
        origin: String,
        /// The column.
        column: String,
        /// The value and what was expected.
        reason: String,
    },
    /// The request asks for what a plan does not have.
    #[error("{0}")]
    Request(String),
    /// The engine stopped.
    #[error("the batch engine stopped")]
    Engine(#[source] datafusion::error::DataFusionError),
    /// A Parquet file could not be written or read.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
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

impl From<datafusion::error::DataFusionError> for BatchError {
    /// An error of ours that travelled through the engine comes out as it went in.
    fn from(error: datafusion::error::DataFusionError) -> Self {
        use datafusion::error::DataFusionError as Engine;
        match error {
            Engine::External(inner) => match inner.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => Self::Engine(Engine::External(other)),
            },
            Engine::Context(_, inner) => Self::from(*inner),
            Engine::Shared(inner) => match std::sync::Arc::try_unwrap(inner) {
                Ok(inner) => Self::from(inner),
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
        Self::from(datafusion::error::DataFusionError::from(error))
    }
}

impl From<BatchError> for datafusion::error::DataFusionError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Engine(inner) => inner,
            ours => Self::External(Box::new(ours)),
        }
    }
}
