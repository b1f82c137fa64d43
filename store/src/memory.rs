//! A store in memory: for tests, for measuring, and for a process whose state may end with it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Commit, Committed, Durability, Read, Snapshot, Store, StoreError, ViewEntry, ViewId};

/// A [`Store`] in memory. Clones share it. [`Durability`] means nothing here.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    // A std lock: nothing awaits while it is held.
    views: Arc<RwLock<HashMap<ViewId, View>>>,
}

#[derive(Debug, Default)]
struct View {
    registered: Option<u32>,
    /// Each behind its own lock, so that writers of different partitions do not meet.
    partitions: HashMap<u32, Arc<RwLock<Partition>>>,
}

#[derive(Debug, Default)]
struct Partition {
    marker: Option<Bytes>,
    blobs: BTreeMap<Bytes, Bytes>,
}

impl MemoryStore {
    fn partition(&self, view: &ViewId, partition: u32) -> Option<Arc<RwLock<Partition>>> {
        read(&self.views).get(view)?.partitions.get(&partition).cloned()
    }

    fn make_partition(&self, view: &ViewId, partition: u32) -> Arc<RwLock<Partition>> {
        if let Some(found) = self.partition(view, partition) {
            return found;
        }
        let mut views = write(&self.views);
        views.entry(Arc::clone(view)).or_default().partitions.entry(partition).or_default().clone()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn register(&self, view: &ViewId, partitions: u32) -> Result<u32, StoreError> {
        let mut views = write(&self.views);
        Ok(*views.entry(Arc::clone(view)).or_default().registered.get_or_insert(partitions))
    }

    async fn partitions(&self, view: &ViewId) -> Result<Option<u32>, StoreError> {
        Ok(read(&self.views).get(view).and_then(|view| view.registered))
    }

    async fn views(&self) -> Result<Vec<ViewEntry>, StoreError> {
        let mut found: Vec<ViewEntry> = read(&self.views)
            .iter()
            .filter_map(|(name, view)| {
                Some(ViewEntry { view: Arc::clone(name), partitions: view.registered? })
            })
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    async fn read(&self, reads: Vec<Read>) -> Result<Vec<Snapshot>, StoreError> {
        let snapshot = |asked: Read| match self.partition(&asked.view, asked.partition) {
            None => Snapshot { marker: None, blobs: vec![None; asked.keys.len()] },
            Some(partition) => {
                let partition = read(&partition);
                let blobs = asked.keys.iter().map(|key| partition.blobs.get(key).cloned()).collect();
                Snapshot { marker: partition.marker.clone(), blobs }
            }
        };
        Ok(reads.into_iter().map(snapshot).collect())
    }

    async fn commit(&self, commits: Vec<Commit>, _: Durability) -> Result<Vec<Committed>, StoreError> {
        let apply = |commit: Commit| {
            let partition = self.make_partition(&commit.view, commit.partition);
            let mut partition = write(&partition);
            if partition.marker != commit.expected {
                return Committed::Conflict(partition.marker.clone());
            }
            partition.marker = Some(commit.marker);
            for (key, blob) in commit.writes {
                match blob {
                    Some(blob) => partition.blobs.insert(key, blob),
                    None => partition.blobs.remove(&key),
                };
            }
            Committed::Applied
        };
        Ok(commits.into_iter().map(apply).collect())
    }

    async fn scan(
        &self,
        view: &ViewId,
        partition: u32,
        after: Option<Bytes>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let Some(partition) = self.partition(view, partition) else { return Ok(Vec::new()) };
        let partition = read(&partition);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entities = partition.blobs.range((from, Bound::Unbounded)).take(limit);
        Ok(entities.map(|(key, blob)| (key.clone(), blob.clone())).collect())
    }

    async fn drop_view(&self, view: &ViewId) -> Result<(), StoreError> {
        write(&self.views).remove(view);
        Ok(())
    }

    async fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A lock is poisoned only by a panic between two writes of one commit, and there is none.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
