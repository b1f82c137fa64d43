//! Why a lookup has no answer. An entity that was never seen has one.

use feat_compiler::conform::ConformError;
use feat_kernel::time::Instant;
use feat_store::{StoreError, Undecodable};

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
