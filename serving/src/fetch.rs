//! One read of the store for everything that a lookup needs.

use std::collections::{BTreeMap, HashMap};
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
    pub(crate) name: String,
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
    let mut reads: Vec<Read> = Vec::new();
    let mut at: HashMap<(&ViewId, u32), usize> = HashMap::new();
    // For each group and entity, which read and which of its keys.
    let mut places: Vec<Vec<(usize, usize)>> = Vec::with_capacity(wanted.len());
    for Wanted { group, partitions, entities } in wanted {
        let place = entities.keys.iter().map(|key| {
            let partition = partition(key, *partitions);
            let read = *at.entry((&group.view, partition)).or_insert_with(|| {
                reads.push(Read { view: Arc::clone(&group.view), partition, keys: Vec::new() });
                reads.len() - 1
            });
            reads[read].keys.push(key.clone());
            (read, reads[read].keys.len() - 1)
        });
        places.push(place.collect());
    }
    let asked: Vec<(ViewId, u32)> =
        reads.iter().map(|read| (Arc::clone(&read.view), read.partition)).collect();
    let snapshots = if reads.is_empty() { Vec::new() } else { store.read(reads).await? };
    let mut markers: Vec<Option<Marker>> = Vec::with_capacity(asked.len());
    for (snapshot, (view, partition)) in snapshots.iter().zip(&asked) {
        let codec = |cause| Undecodable { view: Arc::clone(view), partition: *partition, cause };
        markers.push(snapshot.marker.as_deref().map(Marker::decode).transpose().map_err(codec)?);
    }
    let mut clock = Instant::MIN;
    let mut blobs = Vec::with_capacity(wanted.len());
    let mut stamps: Vec<(FetchedGroup, BTreeMap<u32, Marker>)> = Vec::new();
    for (Wanted { group, .. }, places) in wanted.iter().zip(places) {
        let known = stamps.iter().position(|(known, _)| known.view == group.view);
        let stamp = known.unwrap_or_else(|| {
            stamps.push((FetchedGroup::new(group), BTreeMap::new()));
            stamps.len() - 1
        });
        let mut found = Vec::with_capacity(places.len());
        for (read, key) in places {
            let (view, partition) = &asked[read];
            let filled = markers[read].as_ref().filter(|marker| marker.is_filled());
            let marker = filled.ok_or_else(|| not_streamed(&group.plan))?;
            stamps[stamp].1.entry(*partition).or_insert_with(|| marker.clone());
            let blob = match &snapshots[read].blobs[key] {
                None => None,
                Some(bytes) => {
                    let codec = |cause| Undecodable { view: Arc::clone(view), partition: *partition, cause };
                    Some(Blob::decode(&group.plan.view, bytes).map_err(codec)?)
                }
            };
            clock = clock.max(blob.as_ref().map_or(marker.swept_to, Blob::clock));
            found.push(blob);
        }
        blobs.push(found);
    }
    Ok(Fetched { blobs, clock, markers: stamps })
}

impl FetchedGroup {
    fn new(group: &Group) -> Self {
        Self {
            view: Arc::clone(&group.view),
            name: group.plan.name.to_string(),
            version: group.plan.version,
            meaning: group.plan.meaning,
        }
    }
}
