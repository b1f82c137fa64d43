//! A store that fails or forgets.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use feat_store::{
    Bytes, Commit, Committed, Durability, MemoryStore, Read, Snapshot, Store, StoreError, ViewEntry, ViewId,
};

/// A store that fails or forgets at one commit.
#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Mutex<MemoryStore>,
    commits: AtomicU32,
    at: u32,
    fault: Fault,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The commit is not applied, and the caller is told of an error.
    Refused,
    /// The commit is applied, but the caller is told of an error.
    Unheard,
    /// The store is set back to nothing before the commit.
    Emptied,
}

impl Faulty {
    pub(crate) fn new(at: u32, fault: Fault) -> Self {
        Self { inner: Mutex::default(), commits: AtomicU32::new(0), at, fault }
    }

    /// How many calls there were to commit.
    pub(crate) fn commits(&self) -> u32 {
        self.commits.load(Ordering::SeqCst)
    }

    pub(crate) fn inner(&self) -> MemoryStore {
        self.inner.lock().unwrap().clone()
    }
}

#[async_trait]
impl Store for Faulty {
    async fn register(&self, view: &ViewId, partitions: u32) -> Result<u32, StoreError> {
        self.inner().register(view, partitions).await
    }
    async fn partitions(&self, view: &ViewId) -> Result<Option<u32>, StoreError> {
        self.inner().partitions(view).await
    }
    async fn views(&self) -> Result<Vec<ViewEntry>, StoreError> {
        self.inner().views().await
    }
    async fn read(&self, reads: Vec<Read>) -> Result<Vec<Snapshot>, StoreError> {
        self.inner().read(reads).await
    }
    async fn commit(
        &self,
        commits: Vec<Commit>,
        durability: Durability,
    ) -> Result<Vec<Committed>, StoreError> {
        let failed = || Err(StoreError::Full { path: "feat.redb".into() });
        if self.commits.fetch_add(1, Ordering::SeqCst) == self.at {
            match self.fault {
                Fault::Refused => return failed(),
                Fault::Unheard => {
                    self.inner().commit(commits, durability).await?;
                    return failed();
                }
                Fault::Emptied => *self.inner.lock().unwrap() = MemoryStore::default(),
            }
        }
        self.inner().commit(commits, durability).await
    }
    async fn scan(
        &self,
        view: &ViewId,
        partition: u32,
        after: Option<Bytes>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.inner().scan(view, partition, after, limit).await
    }
    async fn drop_view(&self, view: &ViewId) -> Result<(), StoreError> {
        self.inner().drop_view(view).await
    }
    async fn flush(&self) -> Result<(), StoreError> {
        self.inner().flush().await
    }
}
