//! Why a store did not answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use feat_kernel::codec::CodecError;

use crate::ViewId;

/// Why a store did not answer. A missing key or an unexpected marker is an answer, not an error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error(
        "online store `{}` is open in another process: stop that process, or name another folder under `[online]` in feat.toml",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A newer build wrote the file.
    #[error(
        "online store `{}` has format {found}, this build reads up to {reads}: use the newer feat, or remove the file and fill it again with `feat stream`",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format that the file names.
        found: u64,
        /// The newest format that is understood.
        reads: u64,
    },
    /// An older build wrote the file.
    #[error(
        "online store `{}` has format {found}, this build reads {reads}: remove the file and fill it again with `feat stream`",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// The format that the file names.
        found: u64,
        /// The format that is understood.
        reads: u64,
    },
    /// The file is not a store, or was changed by something else.
    #[error(
        "online store `{}` is damaged ({what}): remove the file and fill it again with `feat stream`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The disk has no room left. Nothing is half written.
    #[error("the disk of online store `{}` is full: free some space and start again", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("online store `{}` could not be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        cause: Arc<std::io::Error>,
    },
    /// An earlier write failed, and since then the file is left alone.
    #[error(
        "online store `{}` was closed by an earlier error of its disk: mend the cause and start again",
        path.display()
    )]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// The url of a Redis says nothing that is understood. The url is left out: it may hold a password.
    #[error("the url of the online store is not understood: {what}")]
    Url {
        /// What is wrong with it.
        what: String,
    },
    /// No connection, or it broke. What was under way may have been done.
    #[error("Redis at `{at}` is not reached ({what}): see that it runs and that this machine may connect")]
    Unreachable {
        /// The address.
        at: String,
        /// What the network said.
        what: String,
    },
    /// No answer in time. What was under way may have been done, or be done yet.
    #[error("Redis at `{at}` did not answer within {} ms: see whether it is overloaded", after.as_millis())]
    Timeout {
        /// The address.
        at: String,
        /// How long was waited.
        after: Duration,
    },
    /// The server does not let us in, or not do what a store must.
    #[error("Redis at `{at}` refuses the user ({what}): see user, password and rights (ACL) in the url")]
    Login {
        /// The address.
        at: String,
        /// What the server said.
        what: String,
    },
    /// The other side cannot show who it is.
    #[error("Redis at `{at}` is not trusted ({what}): name its certificate authority with `?ca=FILE`")]
    Untrusted {
        /// The address.
        at: String,
        /// What is wrong with its certificate.
        what: String,
    },
    /// The server drops data when its memory is full, without a word.
    #[error(
        "Redis at `{at}` has `maxmemory-policy {policy}`, which deletes state silently: set `maxmemory-policy noeviction`"
    )]
    Eviction {
        /// The address.
        at: String,
        /// The policy.
        policy: String,
    },
    /// The server is not one that can be a store.
    #[error("Redis at `{at}` cannot be the online store: {what}")]
    Unsuitable {
        /// The address.
        at: String,
        /// Why, and what to do.
        what: String,
    },
    /// The server has no memory left. Nothing is half written.
    #[error("Redis at `{at}` is out of memory: raise its `maxmemory`")]
    OutOfMemory {
        /// The address.
        at: String,
    },
    /// The server takes no writes now: it is a replica, or a fault keeps it from saving.
    #[error("Redis at `{at}` takes no writes ({what})")]
    ReadOnly {
        /// The address.
        at: String,
        /// What the server said.
        what: String,
    },
    /// The server, or its cluster, is on the way to something: loading, failing over, moving a slot.
    #[error("Redis at `{at}` is not ready ({what})")]
    NotReady {
        /// The address.
        at: String,
        /// What the server said.
        what: String,
    },
    /// The server said something that a store's data cannot lead to.
    #[error("Redis at `{at}` answered `{what}`: see whether something else writes keys of feat's")]
    Answer {
        /// The address.
        at: String,
        /// What the server said.
        what: String,
    },
}

/// What may come of asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It may go well later, without anybody's doing here: read the markers, and go on from there.
    Later,
    /// It will not, until somebody changes something.
    Never,
}

impl StoreError {
    /// Whether to wait and ask again, or to stop.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::OutOfMemory { .. }
            | Self::ReadOnly { .. }
            | Self::NotReady { .. } => Retry::Later,
            // After an error of its disk the file is left alone until the process starts again.
            Self::Full { .. }
            | Self::Io { .. }
            | Self::Closed { .. }
            | Self::InUse { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::Damaged { .. }
            | Self::Url { .. }
            | Self::Login { .. }
            | Self::Untrusted { .. }
            | Self::Eviction { .. }
            | Self::Unsuitable { .. }
            | Self::Answer { .. } => Retry::Never,
        }
    }
}

/// What a store handed out is not what its readers write: another build did, or it is damaged.
#[derive(Debug, thiserror::Error)]
#[error("what is stored of view `{view}` partition {partition} does not decode")]
pub struct Undecodable {
    /// The view.
    pub view: ViewId,
    /// The partition.
    pub partition: u32,
    /// Where the bytes are wrong.
    #[source]
    pub cause: CodecError,
}
