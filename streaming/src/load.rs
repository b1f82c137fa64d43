//! Loads: what views are at an instant, put in the place of what they were before.
//!
//! ```text
//!  log, to the instant ──run──► a store aside ──differences, one commit a partition──► the store
//! ```
//!
//! For groups that no stream keeps up, whose file may be another one each time. A load that comes after a
//! later one changes nothing, so the store ends with the latest, whatever the order in which they arrive.

use std::cmp::Ordering;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use feat_compiler::plan::GroupPlan;
use feat_kernel::layout::{LogMark, Marker};
use feat_kernel::time::Instant;
use feat_store::{
    Commit, Committed, Durability, Read, Store, StoreError, Undecodable, ViewId, Write, view_id,
};
use futures::StreamExt;
use futures::future::ready;

use crate::error::{SourceError, StreamError};
use crate::nonce::Nonces;
use crate::report::{GroupReport, Progress};
use crate::runtime::{Options, PARTITIONS, run};
use crate::source::{LogBatch, LogStream, Source};

/// Entities that are compared at a time.
const PAGE: usize = 1024;

/// What a load did for one group.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What became of the log's records.
    pub run: GroupReport,
    /// Entities that were written, since they are new or others than before.
    pub written: u64,
    /// Entities that were deleted, since the log has nothing of them.
    pub deleted: u64,
    /// Partitions that hold a later load, and keep it.
    pub kept: u32,
    /// The latest instant up to which one of these is complete.
    pub newer: Option<Instant>,
}

/// Puts what `groups`, which read one source, are at `at` into `store`: the rows of the log `source` that
/// were known then. `aside` is an empty store in which that is worked out.
///
/// Every partition is changed in one step, so that a lookup finds it as it was or as it is. One that is
/// complete to a later instant is left as it is. A load of the same instant takes the place of the one
/// before: its file may have been mended.
/// Restart: a load that was killed is begun again.
/// Cost: the log is read from its beginning, both stores once; of one partition, the entities that differ
/// are held.
/// Errors: [`StreamError::Streamed`] if something else fills a view; nothing of that view is changed then.
pub async fn load(
    store: &Arc<dyn Store>,
    aside: &Arc<dyn Store>,
    groups: &[Arc<GroupPlan>],
    source: &dyn Source,
    at: Instant,
    options: &Options,
    progress: &(dyn Fn(&Progress) + Send + Sync),
) -> Result<Vec<Loaded>, StreamError> {
    let logs = source.logs();
    let mut views = Vec::with_capacity(groups.len());
    for group in groups {
        let view = view_id(&group.name, group.version, &group.meaning);
        let partitions = store.register(&view, options.partitions.unwrap_or(PARTITIONS)).await?;
        for partition in 0..partitions {
            Standing::read(store, &view, partition, logs).await?;
        }
        aside.register(&view, partitions).await?;
        views.push((view, partitions));
    }
    let working_out = Options {
        partitions: None,
        waits: None,
        shares: None,
        durability: Durability::Eventual,
        ..options.clone()
    };
    let report = run(aside, groups, &KnownBy { source, at }, &working_out, progress).await?;
    let (mut nonces, mut done) = (Nonces::fresh(), Vec::with_capacity(groups.len()));
    for ((view, partitions), run) in views.into_iter().zip(report.groups) {
        let mut loaded = Loaded { run, written: 0, deleted: 0, kept: 0, newer: None };
        for partition in 0..partitions {
            let place = Place { store, aside, view: &view, partition, logs };
            place.put(at, &mut nonces, &mut loaded).await?;
        }
        // Were the store emptied meanwhile, the markers would stand there unregistered.
        store.register(&view, partitions).await?;
        done.push(loaded);
    }
    store.flush().await?;
    Ok(done)
}

/// A log up to the last record that was known by an instant.
struct KnownBy<'a> {
    source: &'a dyn Source,
    at: Instant,
}

#[async_trait]
impl Source for KnownBy<'_> {
    fn logs(&self) -> &[Arc<str>] {
        self.source.logs()
    }

    async fn read(&self, from: &[LogMark]) -> Result<LogStream, SourceError> {
        let at = self.at;
        let known = self.source.read(from).await?.filter_map(move |batch| {
            ready(match batch {
                Ok(batch) => known_by(batch, at).map(Ok),
                Err(cause) => Some(Err(cause)),
            })
        });
        Ok(known.boxed())
    }

    fn may_change(&self) -> bool {
        self.source.may_change()
    }
}

/// The records of `batch` that were known by `at`; `None` if there are none.
fn known_by(batch: LogBatch, at: Instant) -> Option<LogBatch> {
    let known = batch.known.values().partition_point(|&known| known <= at.0);
    match batch.offsets.values().get(known) {
        Some(&later) => batch.between(0, later),
        None => Some(batch),
    }
}

/// What stands in one partition of a view.
struct Standing {
    marker: Marker,
    bytes: Option<Bytes>,
}

impl Standing {
    /// Errors: the marker does not decode, or names other logs than `logs`.
    async fn read(
        store: &Arc<dyn Store>,
        view: &ViewId,
        partition: u32,
        logs: &[Arc<str>],
    ) -> Result<Self, StreamError> {
        let read = Read { view: Arc::clone(view), partition, keys: Vec::new() };
        let bytes = store.read(vec![read]).await?.remove(0).marker;
        let marker = match &bytes {
            None => Marker::default(),
            Some(bytes) => Marker::decode(bytes).map_err(|cause| Undecodable {
                view: Arc::clone(view),
                partition,
                cause,
            })?,
        };
        match marker.logs.keys().find(|found| logs.iter().all(|log| **log != ***found)) {
            Some(found) => Err(StreamError::Streamed { view: view.to_string(), found: found.clone() }),
            None => Ok(Self { marker, bytes }),
        }
    }
}

/// One partition of a view, and the same one in the store aside.
struct Place<'a> {
    store: &'a Arc<dyn Store>,
    aside: &'a Arc<dyn Store>,
    view: &'a ViewId,
    partition: u32,
    logs: &'a [Arc<str>],
}

impl Place<'_> {
    /// Changes the partition to what stands aside, unless what it holds is later.
    async fn put(&self, at: Instant, nonces: &mut Nonces, loaded: &mut Loaded) -> Result<(), StreamError> {
        let mut next = Standing::read(self.aside, self.view, self.partition, self.logs).await?.marker;
        next.logs.values_mut().for_each(|log| log.seen_to = log.seen_to.max(at));
        loop {
            let now = Standing::read(self.store, self.view, self.partition, self.logs).await?;
            if now.marker.is_filled() && now.marker.complete_to() > next.complete_to() {
                loaded.kept += 1;
                loaded.newer = loaded.newer.max(Some(now.marker.complete_to()));
                return Ok(());
            }
            let writes = self.differences().await?;
            let deleted = writes.iter().filter(|(_, blob)| blob.is_none()).count() as u64;
            let written = writes.len() as u64 - deleted;
            next.nonce = nonces.next();
            let commit = Commit {
                view: Arc::clone(self.view),
                partition: self.partition,
                expected: now.bytes,
                marker: next.encode().into(),
                writes,
            };
            // Whoever was there meanwhile may have put something later.
            if self.store.commit(vec![commit], Durability::Eventual).await? == [Committed::Applied] {
                loaded.written += written;
                loaded.deleted += deleted;
                return Ok(());
            }
        }
    }

    /// What has to be written and deleted for the store to hold what stands aside.
    async fn differences(&self) -> Result<Vec<Write>, StoreError> {
        let mut writes = Vec::new();
        let (mut before, mut after) = (self.blobs(self.store), self.blobs(self.aside));
        let (mut old, mut new) = (before.next().await?, after.next().await?);
        loop {
            let order = match (&old, &new) {
                (None, None) => return Ok(writes),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let (gone, came) = match order {
                Ordering::Less => (before.replace(&mut old).await?, None),
                Ordering::Greater => (None, after.replace(&mut new).await?),
                Ordering::Equal => (before.replace(&mut old).await?, after.replace(&mut new).await?),
            };
            match (gone, came) {
                (Some((key, _)), None) => writes.push((key, None)),
                (gone, Some((key, blob))) if gone.as_ref().is_none_or(|(_, old)| *old != blob) => {
                    writes.push((key, Some(blob)));
                }
                _ => {}
            }
        }
    }

    fn blobs<'a>(&'a self, store: &'a Arc<dyn Store>) -> Blobs<'a> {
        Blobs {
            store,
            view: self.view,
            partition: self.partition,
            page: Vec::new().into_iter(),
            after: None,
            ends: false,
        }
    }
}

/// The entities of a partition, by their keys.
struct Blobs<'a> {
    store: &'a Arc<dyn Store>,
    view: &'a ViewId,
    partition: u32,
    page: std::vec::IntoIter<(Bytes, Bytes)>,
    after: Option<Bytes>,
    ends: bool,
}

impl Blobs<'_> {
    async fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        if self.page.len() == 0 && !self.ends {
            let page = self.store.scan(self.view, self.partition, self.after.take(), PAGE).await?;
            self.ends = page.len() < PAGE;
            self.after = page.last().map(|(key, _)| key.clone());
            self.page = page.into_iter();
        }
        Ok(self.page.next())
    }

    /// Puts the next one in the place of `held`, which is returned.
    async fn replace(
        &mut self,
        held: &mut Option<(Bytes, Bytes)>,
    ) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        let next = self.next().await?;
        Ok(std::mem::replace(held, next))
    }
}
