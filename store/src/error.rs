//! Why a store did not answer.

use std::path::PathBuf;
use std::sync::Arc;

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
