//! Why a lookup has no answer, and why a call is refused. An entity that was never seen has an answer.
//!
//! The only place that chooses codes of gRPC, from a short list: what to change is in the message.

use feat_compiler::conform::ConformError;
use feat_kernel::time::Instant;
use feat_registry::RegistryError;
use feat_store::{Retry, StoreError, Undecodable};
use tonic::{Code, Status};

/// Why a lookup has no answer.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// There is no such service.
    #[error("there is no service `{name}`; there is {known}")]
    UnknownService {
        /// As asked.
        name: String,
        /// Those there are.
        known: String,
    },
    /// Services of several packages have the name.
    #[error("`{name}` is the name of several services: say one of {known}")]
    AmbiguousService {
        /// As asked.
        name: String,
        /// Their full names.
        known: String,
    },
    /// The keys or request inputs are not those that the service declares.
    #[error(transparent)]
    Inputs(#[from] ConformError),
    /// A key or request input by another count than the service has, or columns of different lengths.
    #[error("service `{service}` takes {expected}, found {found}")]
    Count {
        /// The service.
        service: String,
        /// What it takes.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Nothing was ever streamed into the group.
    #[error(
        "group `{group}` version {version} has no online values yet: fill them with `feat stream --group {group}`, or with `feat load {group}` if no stream keeps it up"
    )]
    NotStreamed {
        /// The group.
        group: String,
        /// Its version as compiled.
        version: u32,
    },
    /// Online state is asked for an instant that it has left behind.
    #[error(
        "online values answer at {earliest} or later, not at {at}: for an instant in the past ask offline, with `feat train`"
    )]
    TooEarly {
        /// The instant asked for.
        at: Instant,
        /// The earliest that can be answered for these keys.
        earliest: Instant,
    },
    /// What the store holds does not decode.
    #[error(transparent)]
    Codec(#[from] Undecodable),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a call is refused.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A lookup has no answer.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The registry refuses.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The request cannot be answered as it is; the text says what to change.
    #[error("{0}")]
    Request(String),
    /// There is none by that name.
    #[error("{0}")]
    Unknown(String),
    /// What is asked for is not in a state for it.
    #[error("{0}")]
    State(String),
    /// More than this server takes at once.
    #[error("{0}")]
    TooLarge(String),
    /// As many calls as this server takes are under way.
    #[error("as many calls as this server takes are under way: ask again later")]
    Busy,
    /// The time is over.
    #[error("{0}")]
    Late(String),
    /// Who asks is not known.
    #[error("{0}")]
    Unauthenticated(String),
    /// Who asks may not.
    #[error("{0}")]
    Denied(String),
    /// It failed here, not there.
    #[error("{0}")]
    Internal(String),
}

impl ServeError {
    /// The code that a caller branches on.
    pub fn code(&self) -> Code {
        match self {
            Self::Lookup(error) => match error {
                LookupError::UnknownService { .. } => Code::NotFound,
                LookupError::AmbiguousService { .. } | LookupError::Inputs(_) | LookupError::Count { .. } => {
                    Code::InvalidArgument
                }
                LookupError::NotStreamed { .. } => Code::FailedPrecondition,
                LookupError::TooEarly { .. } => Code::OutOfRange,
                LookupError::Codec(_) => Code::Internal,
                LookupError::Store(error) => match error.retry() {
                    Retry::Later => Code::Unavailable,
                    Retry::Never => Code::Internal,
                },
            },
            Self::Registry(error) => match error {
                RegistryError::Unknown { .. } => Code::NotFound,
                RegistryError::Ambiguous { .. } => Code::InvalidArgument,
                RegistryError::Stale { .. } => Code::Aborted,
                RegistryError::Blocked { .. } | RegistryError::State(_) => Code::FailedPrecondition,
                RegistryError::Database { .. } => Code::Unavailable,
                _ => Code::Internal,
            },
            Self::Request(_) => Code::InvalidArgument,
            Self::Unknown(_) => Code::NotFound,
            Self::State(_) => Code::FailedPrecondition,
            Self::TooLarge(_) | Self::Busy => Code::ResourceExhausted,
            Self::Late(_) => Code::DeadlineExceeded,
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::Denied(_) => Code::PermissionDenied,
            Self::Internal(_) => Code::Internal,
        }
    }
}

impl From<ServeError> for Status {
    fn from(error: ServeError) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(found) = cause {
            let found_text = found.to_string();
            // A cause that its effect already tells is not told twice.
            if !text.contains(&found_text) {
                text = format!("{text}: {found_text}");
            }
            cause = found.source();
        }
        Status::new(error.code(), text)
    }
}
