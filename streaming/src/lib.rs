//! Logs to blobs: the operators that keep the online store at an exact position of a log.
//!
//! ```text
//!            once a source          once a group                    once a (view, partition)
//!  Source ──► LogBatch ──► Prepare ──► Piece ──► worker 0..N ──► Operator ──Commit──► feat-store
//!                                      rows by key hash           append, advance, sweep
//! ```
//!
//! At all times the store holds, for each view and partition, the state of exactly the records below
//! the position in the partition's marker, since both are committed in one step. A restart reads the
//! markers and goes on from them; records that a partition has seen are skipped, so a replay changes
//! nothing, and no count of workers, no size of a chunk and no crash can change a bit.
//!
//! What a row means is `feat-compiler`'s [`Prepare`](feat_compiler::prepare::Prepare), what becomes of
//! a blob is `feat-kernel`'s, where both are kept is `feat-store`'s. Files are opened by the caller: a
//! [`Source`] hands over record batches with offsets.

mod beginning;
mod cache;
mod nonce;
mod piece;
mod sweep;
mod trail;
mod worker;

pub mod bootstrap;
pub mod error;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod load;
pub mod metrics;
pub mod operator;
pub mod report;
pub mod runtime;
pub mod share;
pub mod source;

pub use bootstrap::{ArchiveStream, ArchivedRecord, Bootstrap, Holding};
pub use error::StreamError;
pub use load::{Loaded, load};
pub use metrics::Metrics;
pub use operator::{Chunk, Operator};
pub use report::{GroupReport, Progress, Report};
pub use runtime::{Alarm, Options, most_partitions, run};
pub use share::{Share, Shares};
pub use source::{LogBatch, LogStream, Originals, Reached, Replay, Source};
