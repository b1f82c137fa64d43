//! The store in one file: for one process and no server.
//!
//! ```text
//!  read, scan ──► a blocking thread each, on a snapshot of the last commit
//!  commit …   ──► queue ──► one writing thread: many commits, one transaction ──► FOLDER/feat.redb
//! ```
//!
//! The file is a B-tree whose pages are copied before they change: readers never wait for the
//! writer, and a crash at any point leaves the state of some earlier commit. The file is locked while
//! it is open, so a second process is told instead of tearing it.

mod file;
mod seal;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use feat_kernel::layout;
use redb::{Builder, Database, ReadableDatabase, ReadableTable};
use tokio::sync::{mpsc, oneshot};

use crate::{Commit, Committed, Durability, Read, Snapshot, Store, StoreError, ViewEntry, ViewId};
use file::{BLOBS, File, MARKERS, Range, VIEWS, failed};
use writer::{Answer, Job, Work};

/// The name of the file in its folder.
const FILE: &str = "feat.redb";

/// Pages of the file held in memory. Upper levels of the tree and hot entities fit; the operating
/// system's cache does the rest.
const CACHE_BYTES: usize = 256 << 20;

/// How many callers may stand in the writer's queue before the next waits to enter it.
const QUEUE: usize = 256;

/// A [`Store`] in the file `feat.redb` of a folder. Closing it (by dropping the last handle to it)
/// makes everything that was committed durable.
#[derive(Debug)]
pub struct EmbeddedStore {
    path: PathBuf,
    database: Arc<File>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl EmbeddedStore {
    /// Opens the store in `folder`, which is made if it is not there.
    ///
    /// Cost: after a crash the file may be walked once. Blocks; call it where that does no harm.
    /// Errors: the file is open elsewhere, damaged, of a newer build, or the file system refuses.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = folder.as_ref().join(FILE);
        std::fs::create_dir_all(folder).map_err(|cause| failed(&path, cause))?;
        // The library panics on some files that it did not write; to the caller they are damaged.
        let opened = file::guarded(&path, || Builder::new().set_cache_size(CACHE_BYTES).create(&path))?;
        Self::start(path.clone(), opened.map_err(|cause| failed(&path, cause))?)
    }

    fn start(path: PathBuf, database: Database) -> Result<Self, StoreError> {
        let database = Arc::new(File::new(path.clone(), database));
        file::guarded(&path, || file::prepare(&path, &database))??;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = std::thread::Builder::new().name("feat-store".to_owned()).spawn({
            let (path, database) = (path.clone(), Arc::clone(&database));
            move || writer::run(&path, &database, queue)
        });
        let writer = writer.map_err(|cause| failed(&path, cause))?;
        Ok(Self { path, database, jobs: Some(jobs), writer: Some(writer) })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands `work` to the writing thread and waits for what became of it.
    async fn write(&self, work: Work) -> Result<Answer, StoreError> {
        let closed = || StoreError::Closed { path: self.path.clone() };
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.send(Job { work, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Runs `look` on a thread where it may block.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (path, database) = (self.path.clone(), Arc::clone(&self.database));
        let looked = tokio::task::spawn_blocking(move || {
            file::guarded(&path, || look(&database))?.map_err(|cause| failed(&path, cause))
        });
        match looked.await {
            Ok(found) => found,
            Err(cause) => Err(StoreError::Damaged { path: self.path.clone(), what: cause.to_string() }),
        }
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        // The writer ends when its queue does, after what is in it and a last durable commit.
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was already told to those who waited for it.
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn register(&self, view: &ViewId, partitions: u32) -> Result<u32, StoreError> {
        match self.partitions(view).await? {
            Some(known) => Ok(known),
            None => Ok(self.write(Work::Register(Arc::clone(view), partitions)).await?.count()),
        }
    }

    async fn partitions(&self, view: &ViewId) -> Result<Option<u32>, StoreError> {
        let view = Arc::clone(view);
        self.look(move |database| {
            let views = database.begin_read()?.open_table(VIEWS)?;
            seal::find(&views, view.as_bytes())?.map(|count| file::count(&count)).transpose()
        })
        .await
    }

    async fn views(&self) -> Result<Vec<ViewEntry>, StoreError> {
        self.look(|database| {
            let views = database.begin_read()?.open_table(VIEWS)?;
            let mut found = Vec::new();
            for entry in views.iter()? {
                let (view, partitions) = entry?;
                let partitions = file::count(&seal::opened(view.value(), partitions.value())?)?;
                found.push(ViewEntry { view: String::from_utf8_lossy(view.value()).into(), partitions });
            }
            Ok(found)
        })
        .await
    }

    async fn read(&self, reads: Vec<Read>) -> Result<Vec<Snapshot>, StoreError> {
        self.look(move |database| {
            let transaction = database.begin_read()?;
            let (markers, blobs) = (transaction.open_table(MARKERS)?, transaction.open_table(BLOBS)?);
            let mut snapshots = Vec::with_capacity(reads.len());
            for asked in reads {
                let marker = seal::find(&markers, &layout::marker_key(&asked.view, asked.partition))?;
                let mut key = layout::blob_key(&asked.view, asked.partition, &[]);
                let prefix = key.len();
                let mut found = Vec::with_capacity(asked.keys.len());
                for entity in &asked.keys {
                    key.truncate(prefix);
                    key.extend_from_slice(entity);
                    found.push(seal::find(&blobs, &key)?);
                }
                snapshots.push(Snapshot { marker, blobs: found });
            }
            Ok(snapshots)
        })
        .await
    }

    async fn commit(
        &self,
        commits: Vec<Commit>,
        durability: Durability,
    ) -> Result<Vec<Committed>, StoreError> {
        Ok(self.write(Work::Commit(commits, durability)).await?.committed())
    }

    async fn scan(
        &self,
        view: &ViewId,
        partition: u32,
        after: Option<Bytes>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let prefix = layout::blob_key(view, partition, &[]);
        self.look(move |database| {
            let blobs = database.begin_read()?.open_table(BLOBS)?;
            let mut found = Vec::new();
            let range = Range::new(&prefix, after.as_deref());
            for entry in blobs.range::<&[u8]>(range.bounds())?.take(limit) {
                let (key, blob) = entry?;
                let entity = Bytes::copy_from_slice(&key.value()[prefix.len()..]);
                found.push((entity, seal::opened(key.value(), blob.value())?));
            }
            Ok(found)
        })
        .await
    }

    async fn drop_view(&self, view: &ViewId) -> Result<(), StoreError> {
        self.write(Work::Drop(Arc::clone(view))).await.map(|_| ())
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.write(Work::Flush).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests;
