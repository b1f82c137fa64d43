//! Where blobs and markers are kept online: one trait, and stores that all keep its contract.
//!
//! ```text
//!  streaming ──Commit { expected, marker, writes }──► Store ◄──Read { view, partition, keys }── serving
//!                                                      │
//!           MemoryStore · EmbeddedStore · RedisStore ──┘
//! ```
//!
//! A store maps keys of [`feat_kernel::layout`] to bytes and never looks into them: what a marker or a
//! blob says is the kernel's business, who may write which partition is settled by comparing markers,
//! and when an entity may be deleted is the stream operator's decision.
//!
//! One partition of one view is the unit of everything: its marker and its blobs are read together
//! and written together, all or nothing, so a marker always tells the truth about the blobs beside it.
//!
//! ```
//! use feat_store::{Commit, Committed, Durability, MemoryStore, Read, Store};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let store = MemoryStore::default();
//! let commit = Commit {
//!     view: "visits@1#00000000".into(),
//!     partition: 0,
//!     expected: None,
//!     marker: "first".into(),
//!     writes: vec![("alice".into(), Some("blob".into()))],
//! };
//! assert_eq!(store.commit(vec![commit.clone()], Durability::Durable).await?, [Committed::Applied]);
//! // The marker is another now, so the same commit is refused and nothing is written.
//! let again = store.commit(vec![commit], Durability::Durable).await?;
//! assert_eq!(again, [Committed::Conflict(Some("first".into()))]);
//!
//! let read = Read { view: "visits@1#00000000".into(), partition: 0, keys: vec!["alice".into(), "bob".into()] };
//! let found = store.read(vec![read]).await?;
//! assert_eq!(found[0].marker.as_deref(), Some(&b"first"[..]));
//! assert_eq!(found[0].blobs, [Some("blob".into()), None]);
//! # Ok::<(), feat_store::StoreError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::Arc;

use async_trait::async_trait;
pub use bytes::Bytes;

pub mod embedded;
pub mod error;
pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;

#[cfg(feature = "redis")]
pub use self::redis::RedisStore;
pub use embedded::EmbeddedStore;
pub use error::{Retry, StoreError, Undecodable};
pub use memory::MemoryStore;

/// The name under which a view version is kept: `group@version#meaning`, the meaning's first eight
/// hex digits. A view that means something else has another name, so its blobs never mix.
pub type ViewId = Arc<str>;

/// The [`ViewId`] of a group: its qualified name, its version, and the hash of what decides its
/// numbers, of which the first eight hex digits are taken.
pub fn view_id(group: &impl std::fmt::Display, version: u32, meaning: &impl std::fmt::Display) -> ViewId {
    let meaning = meaning.to_string();
    format!("{group}@{version}#{}", &meaning[..meaning.len().min(8)]).into()
}

/// An entity's blob, or `None` to delete it, under the bytes of its key.
pub type Write = (Bytes, Option<Bytes>);

/// What is asked of one partition of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The view.
    pub view: ViewId,
    /// The partition.
    pub partition: u32,
    /// The entities' key bytes.
    pub keys: Vec<Bytes>,
}

/// What one partition holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The partition's marker; `None` when nothing was ever committed there.
    pub marker: Option<Bytes>,
    /// One per key asked for, in that order; `None` where nothing is kept.
    pub blobs: Vec<Option<Bytes>>,
}

/// A change of one partition, applied whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The view.
    pub view: ViewId,
    /// The partition.
    pub partition: u32,
    /// The marker that must stand there, byte for byte; `None`: none may.
    pub expected: Option<Bytes>,
    /// The marker that stands there afterwards. It holds a fresh nonce, so that no two are equal.
    pub marker: Bytes,
    /// What is written and deleted. A key that occurs twice takes the later.
    pub writes: Vec<Write>,
}

/// What became of a [`Commit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is in the store.
    Applied,
    /// Another marker stood there, this one; nothing was written.
    Conflict(Option<Bytes>),
}

/// When an applied commit survives a crash of the machine that keeps it. Readers see it at once either
/// way. In a Redis it survives as far as that server's own settings have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Soon. A crash may lose the last commits, whole ones and from the end only, so the markers
    /// still tell the truth and the log is read again from there.
    Eventual,
    /// When the call returns, together with every commit before it.
    Durable,
}

/// A view that the store knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ViewEntry {
    /// Its name.
    pub view: ViewId,
    /// How many partitions its entities are spread over, settled when it was registered.
    pub partitions: u32,
}

/// A place for markers and blobs. Every implementation passes the one conformance suite
/// (`tests/src/conformance.rs`).
///
/// An error leaves every commit of the call either whole or absent; which of the two is read from
/// the markers, never guessed.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    /// Makes `view` known with `partitions` partitions unless it is known already.
    ///
    /// Returns the count that holds: the first one ever given. A caller that needs another refuses to
    /// go on, since the entities are where the first count put them.
    async fn register(&self, view: &ViewId, partitions: u32) -> Result<u32, StoreError>;

    /// How many partitions `view` has; `None` when it is not known.
    async fn partitions(&self, view: &ViewId) -> Result<Option<u32>, StoreError>;

    /// Every known view, by name.
    async fn views(&self) -> Result<Vec<ViewEntry>, StoreError>;

    /// Reads several partitions, of several views perhaps.
    ///
    /// Shape: one snapshot a read, in the order asked. The marker and the blobs of one snapshot stand
    /// for one moment; two snapshots may stand for different ones.
    /// Absent: a view or entity that is not kept gives `None`, never an error.
    /// Cost: one round trip. Never waits for a writer.
    async fn read(&self, reads: Vec<Read>) -> Result<Vec<Snapshot>, StoreError>;

    /// Compares and writes, each commit by itself, in order.
    ///
    /// Shape: one answer a commit, in the order given. A later commit of one partition sees what an
    /// earlier one of the same call did.
    /// Cost: one round trip, and one wait for the disk at most, whatever the number.
    async fn commit(
        &self,
        commits: Vec<Commit>,
        durability: Durability,
    ) -> Result<Vec<Committed>, StoreError>;

    /// Up to `limit` entities of a partition with their blobs, in the order of their key bytes, after
    /// the key `after` (`None`: from the first). Fewer than `limit` only at the end.
    async fn scan(
        &self,
        view: &ViewId,
        partition: u32,
        after: Option<Bytes>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError>;

    /// Forgets `view`: its blobs, its markers and its count of partitions. Nothing happens if it is
    /// not known. Cut short it may leave entities without a marker, which whoever fills the partition next
    /// deletes before anything else.
    async fn drop_view(&self, view: &ViewId) -> Result<(), StoreError>;

    /// Waits until every commit that was applied before survives a crash.
    async fn flush(&self) -> Result<(), StoreError>;
}
