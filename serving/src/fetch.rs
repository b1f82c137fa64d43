//! One read of the store for everything that a lookup needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use feat_compiler::plan::MeaningHash;
use feat_kernel::blob::Blob;
use feat_kernel::key::partition;
use feat_kernel::layout::Marker;
use feat_kernel::time::Instant;
use feat_store::{Read, Store, Undecodable, ViewId};

use crate::catalog::{Group, not_streamed};
use crate::entities::Entities;
use crate::error::LookupError;

/// What the store held.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The blobs of each group's entities, in their order.
    pub(crate) blobs: Vec<Vec<Option<Blob>>>,
    /// The greatest clock among them; a missing blob stands for its partition's `swept_to`.
    pub(crate) clock: Instant,
    /// The markers read, by view and partition.
    pub(crate) markers: Vec<(FetchedGroup, BTreeMap<u32, Marker>)>,
}

/// Whose markers they are.
#[derive(Clone, Debug)]
pub(crate) struct FetchedGroup {
    pub(crate) view: ViewId,
    pub(crate) name: Arc<str>,
    pub(crate) version: u32,
    pub(crate) meaning: MeaningHash,
}

/// A group, how many partitions its view has, and the entities that are asked of it.
pub(crate) struct Wanted<'a> {
    pub(crate) group: &'a Group,
    pub(crate) partitions: u32,
    pub(crate) entities: &'a Entities,
}

/// Reads the blobs of every group's entities and the markers beside them. Groups that share a view
/// share its reads, so they see one state.
pub(crate) async fn fetch(store: &dyn Store, wanted: &[Wanted<'_>]) -> Result<Fetched, LookupError> {
    let (mut reads, mut views): (Vec<Read>, Vec<Asked>) = (Vec::new(), Vec::new());
    // For each group its view, and for each entity which read and which of its keys.
    let mut places: Vec<(usize, Vec<(usize, usize)>)> = Vec::with_capacity(wanted.len());
    for Wanted { group, partitions, entities } in wanted {
        let known = views.iter().position(|known| known.group.view == group.view);
        let at = known.unwrap_or_else(|| {
            views.push(Asked { group: FetchedGroup::new(group), reads: Vec::new() });
            views.len() - 1
        });
        let place = entities.keys.iter().map(|key| {
            let read = views[at].read(partition(key, *partitions), &mut reads);
            reads[read].keys.push(key.clone());
            (read, reads[read].keys.len() - 1)
        });
        places.push((at, place.collect()));
    }
    let snapshots = if reads.is_empty() { Vec::new() } else { store.read(reads).await? };
    let codec = |asked: &Asked, read: usize, cause| {
        let partition = asked.reads.iter().find(|(_, of)| *of == read).map_or(0, |(partition, _)| *partition);
        Undecodable { view: Arc::clone(&asked.group.view), partition, cause }
    };
    let mut markers: Vec<Option<Marker>> = vec![None; snapshots.len()];
    for asked in &views {
        for &(_, read) in &asked.reads {
            let marker = snapshots[read].marker.as_deref().map(Marker::decode).transpose();
            markers[read] = marker.map_err(|cause| codec(asked, read, cause))?;
        }
    }
    let mut clock = Instant::MIN;
    let mut blobs = Vec::with_capacity(wanted.len());
    for (Wanted { group, .. }, (at, places)) in wanted.iter().zip(places) {
        let mut found = Vec::with_capacity(places.len());
        for (read, key) in places {
            let filled = markers[read].as_ref().filter(|marker| marker.is_filled());
            let marker = filled.ok_or_else(|| not_streamed(&group.plan))?;
            let blob = snapshots[read].blobs[key].as_ref();
            let blob = blob.map(|bytes| Blob::decode(&group.plan.view, bytes)).transpose();
            let blob = blob.map_err(|cause| codec(&views[at], read, cause))?;
            clock = clock.max(blob.as_ref().map_or(marker.swept_to, Blob::clock));
            found.push(blob);
        }
        blobs.push(found);
    }
    let marked = |Asked { group, reads }| {
        let marker = |(partition, read): (u32, usize)| markers[read].take().map(|marker| (partition, marker));
        (group, reads.into_iter().filter_map(marker).collect())
    };
    Ok(Fetched { blobs, clock, markers: views.into_iter().map(marked).collect() })
}

/// A view that is asked.
struct Asked {
    group: FetchedGroup,
    /// Its partitions, each with its read. They are few.
    reads: Vec<(u32, usize)>,
}

impl Asked {
    /// The read of `partition`, which is added to `reads` where it is none yet.
    fn read(&mut self, partition: u32, reads: &mut Vec<Read>) -> usize {
        if let Some((_, read)) = self.reads.iter().find(|(known, _)| *known == partition) {
            return *read;
        }
        reads.push(Read { view: Arc::clone(&self.group.view), partition, keys: Vec::new() });
        self.reads.push((partition, reads.len() - 1));
        reads.len() - 1
    }
}

impl FetchedGroup {
    fn new(group: &Group) -> Self {
        Self {
            view: Arc::clone(&group.view),
            name: Arc::clone(&group.name),
            version: group.plan.version,
            meaning: group.plan.meaning,
        }
    }
}
