//! One partition of one view: what a chunk of the log does to its blobs and its marker.
//!
//! ```text
//!  Piece ──chunk──► keys to read ──apply(blobs)──► Commit ──► store ──► applied | conflict
//! ```
//!
//! The operator does no I/O: a worker moves its reads and commits, so that those of many operators
//! share a round trip. A blob is advanced to the clock of its entity's last record, not to that of
//! the chunk: what is stored is a function of the log alone, whatever the chunks were.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use feat_kernel::blob::{Blob, Folded};
use feat_kernel::codec::CodecError;
use feat_kernel::layout::Marker;
use feat_kernel::time::Instant;
use feat_kernel::view::View;
use feat_store::{Commit, Read, Undecodable, ViewId, Write};

use crate::cache::Cache;
use crate::error::StreamError;
use crate::piece::Piece;
use crate::sweep::Sweep;

/// One partition of one view.
#[derive(Debug)]
pub struct Operator {
    view: Arc<View>,
    id: ViewId,
    partition: u32,
    log: Arc<str>,
    /// The marker in the store, and its bytes.
    marker: Marker,
    stored: Option<Bytes>,
    /// A later place that no row led to: committed with the next rows.
    ahead: Option<Reached>,
    cache: Cache,
    pub(crate) sweep: Sweep,
}

/// How far a log was read.
#[derive(Clone, Copy, Debug)]
struct Reached {
    /// The offset of the next record.
    position: u64,
    /// The clock of the records before it.
    clock: Instant,
    /// The sum of their fingerprints.
    sum: u64,
}

/// The next rows of a partition, few enough for one commit.
#[derive(Debug)]
pub struct Chunk<'a> {
    piece: &'a Piece,
    rows: &'a [u32],
    /// For each row the place of its entity in `entities`.
    of: Vec<u32>,
    /// Each entity's key and the clock at its last row.
    entities: Vec<(&'a [u8], Instant)>,
    /// The place after the chunk.
    end: Reached,
}

impl Chunk<'_> {
    /// Whether no row is in it: only the position moves.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The log's clock after it.
    pub fn clock(&self) -> Instant {
        self.end.clock
    }
}

/// What a commit changes once it is applied.
#[derive(Debug)]
pub(crate) struct Pending {
    marker: Marker,
    bytes: Bytes,
    blobs: Vec<(Bytes, Blob, usize)>,
    idle: Vec<Bytes>,
    /// What became of waiting rows.
    pub(crate) folded: Folded,
}

impl Pending {
    /// How many idle entities are deleted.
    pub(crate) fn swept(&self) -> u64 {
        self.idle.len() as u64
    }
}

impl Operator {
    /// The operator of `partition` of view `id` over `log`, where `stored` is the marker's bytes in the
    /// store; `cache` is about how many bytes of blobs it may hold.
    ///
    /// Errors: the marker does not decode, or names another log.
    pub fn new(
        view: Arc<View>,
        id: ViewId,
        partition: u32,
        log: Arc<str>,
        stored: Option<Bytes>,
        cache: usize,
    ) -> Result<Self, StreamError> {
        let marker = Marker::default();
        let sweep = Sweep::new(&view, marker.clock);
        let cache = Cache::new(cache);
        let mut operator = Self { view, id, partition, log, marker, stored: None, ahead: None, cache, sweep };
        operator.adopt(stored)?;
        operator.sweep = Sweep::new(&operator.view, operator.marker.clock);
        Ok(operator)
    }

    /// The offset of the first record that is not included yet.
    pub fn position(&self) -> u64 {
        self.committed().max(self.ahead.map_or(0, |ahead| ahead.position))
    }

    /// The position in the store.
    fn committed(&self) -> u64 {
        self.marker.positions.get(&*self.log).copied().unwrap_or(0)
    }

    /// The next rows of `piece` for this partition, of at most `limit` entities; `None` when nothing
    /// of it is left.
    ///
    /// Errors: the log's clock lies before the one in the marker.
    pub fn chunk<'a>(&self, piece: &'a Piece, limit: usize) -> Result<Option<Chunk<'a>>, StreamError> {
        if self.position() >= piece.end() {
            return Ok(None);
        }
        let mut rows = piece.rows_from(self.partition, self.position());
        let mut places: HashMap<&[u8], u32> = HashMap::new();
        let (mut of, mut entities) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut end = piece.end();
        for (at, &row) in rows.iter().enumerate() {
            let (key, clock) = (piece.rows.key(row as usize), piece.clock(row));
            let place = *places.entry(key).or_insert(entities.len() as u32);
            if let Some((_, last)) = entities.get_mut(place as usize) {
                *last = clock;
            } else if entities.len() >= limit.max(1) {
                end = piece.offset(row);
                rows = &rows[..at];
                break;
            } else {
                entities.push((key, clock));
            }
            of.push(place);
        }
        let clock = piece.clock_before(end);
        if clock < self.marker.clock {
            return Err(StreamError::ClockWentBack {
                log: self.log.to_string(),
                offset: end - 1,
                known: clock,
                clock: self.marker.clock,
            });
        }
        let end = Reached { position: end, clock, sum: piece.sum_before(end) };
        Ok(Some(Chunk { piece, rows, of, entities, end }))
    }

    /// What has to be read for `chunk`: the entities that are not at hand.
    pub fn missing(&self, chunk: &Chunk<'_>) -> Read {
        let missing = chunk.entities.iter().filter(|(key, _)| !self.cache.contains(key));
        Read {
            view: Arc::clone(&self.id),
            partition: self.partition,
            keys: missing.map(|(key, _)| Bytes::copy_from_slice(key)).collect(),
        }
    }

    /// Passes by a chunk without rows: its position is committed with the next rows, or by
    /// [`Operator::catch_up`].
    pub(crate) fn pass(&mut self, chunk: &Chunk<'_>) {
        self.ahead = Some(chunk.end);
    }

    /// Whether the store holds no marker of the partition.
    pub(crate) fn is_new(&self) -> bool {
        self.stored.is_none()
    }

    /// The position in the store and the fingerprint of the log before it.
    pub(crate) fn trail(&self) -> (u64, u64) {
        (self.committed(), self.marker.checksum)
    }

    /// Whether the store does not have the position yet.
    pub(crate) fn is_ahead(&self) -> bool {
        self.position() > self.committed()
    }

    /// Applies `chunk`. `read` are the keys of [`Operator::missing`] with their blobs; `looked` are
    /// entities of the partition that may be idle, and are deleted if they are.
    ///
    /// Errors: a blob does not decode.
    pub(crate) fn apply(
        &mut self,
        chunk: &Chunk<'_>,
        read: impl Iterator<Item = (Bytes, Option<Bytes>)>,
        looked: Vec<(Bytes, Bytes)>,
        nonce: u64,
    ) -> Result<(Pending, Commit), StreamError> {
        let view = Arc::clone(&self.view);
        let mut found: HashMap<Bytes, Option<Bytes>> = read.collect();
        let mut blobs: Vec<(Bytes, Blob)> = Vec::with_capacity(chunk.entities.len());
        for (key, _) in &chunk.entities {
            blobs.push(match self.cache.take(key) {
                Some(held) => held,
                None => match found.remove_entry(*key) {
                    Some((key, Some(bytes))) => {
                        (key, Blob::decode(&view, &bytes).map_err(|cause| self.codec(cause))?)
                    }
                    Some((key, None)) => (key, Blob::default()),
                    None => (Bytes::copy_from_slice(key), Blob::default()),
                },
            });
        }
        for (&row, &place) in chunk.rows.iter().zip(&chunk.of) {
            blobs[place as usize].1.append(&view, &chunk.piece.rows.row(row as usize));
        }
        let mut folded = Folded::default();
        let mut writes: Vec<Write> = Vec::with_capacity(blobs.len());
        let mut held = Vec::with_capacity(blobs.len());
        for ((key, mut blob), (_, clock)) in blobs.into_iter().zip(&chunk.entities) {
            let now = blob.advance(&view, *clock);
            folded.rows += now.rows;
            folded.duplicates += now.duplicates;
            // A copy of its exact size: a store in memory keeps it for long.
            let bytes = Bytes::copy_from_slice(&blob.encode(&view));
            held.push((key.clone(), blob, bytes.len()));
            writes.push((key, Some(bytes)));
        }
        let mut idle = Vec::new();
        for (key, bytes) in looked {
            if chunk.entities.iter().any(|(touched, _)| *touched == &*key) {
                continue;
            }
            let mut blob = Blob::decode(&view, &bytes).map_err(|cause| self.codec(cause))?;
            // The entity's last rows still wait for its next write: first what that would do to them.
            let now = blob.advance(&view, chunk.end.clock);
            if blob.is_idle(&view, chunk.end.clock) {
                folded.rows += now.rows;
                folded.duplicates += now.duplicates;
                writes.push((key.clone(), None));
                idle.push(key);
            }
        }
        let mut marker = self.next_marker(chunk.end, nonce);
        if !idle.is_empty() {
            marker.swept_to = marker.swept_to.max(chunk.end.clock);
        }
        let bytes = Bytes::from(marker.encode());
        let commit = self.commit(bytes.clone(), writes);
        Ok((Pending { marker, bytes, blobs: held, idle, folded }, commit))
    }

    /// Puts a marker where there is none: nothing is read yet. `None` if there is one.
    pub(crate) fn begin(&self, nonce: u64) -> Option<(Pending, Commit)> {
        self.is_new().then(|| self.mark(Marker { nonce, ..Marker::default() }))
    }

    /// Brings the marker to where this run has read; `None` when it is there already.
    pub(crate) fn catch_up(&self, nonce: u64) -> Option<(Pending, Commit)> {
        let ahead = self.ahead.filter(|_| self.is_ahead())?;
        Some(self.mark(self.next_marker(ahead, nonce)))
    }

    /// Brings the marker to where this run has read to the end, which may be an empty log's, and to
    /// `seen_to` if that is later; `None` when it is there already.
    pub(crate) fn finish(&self, seen_to: Instant, nonce: u64) -> Option<(Pending, Commit)> {
        if !self.is_ahead() && seen_to <= self.marker.seen_to && self.marker.is_filled() {
            return None;
        }
        let reached = self.ahead.filter(|_| self.is_ahead()).unwrap_or_else(|| self.reached());
        let mut marker = self.next_marker(reached, nonce);
        marker.seen_to = marker.seen_to.max(seen_to);
        Some(self.mark(marker))
    }

    /// A commit of `marker` alone.
    fn mark(&self, marker: Marker) -> (Pending, Commit) {
        let bytes = Bytes::from(marker.encode());
        let commit = self.commit(bytes.clone(), Vec::new());
        let (blobs, idle) = (Vec::new(), Vec::new());
        (Pending { marker, bytes, blobs, idle, folded: Folded::default() }, commit)
    }

    /// The commit is in the store.
    pub(crate) fn applied(&mut self, pending: Pending) {
        self.marker = pending.marker;
        self.stored = Some(pending.bytes);
        self.ahead = None;
        for (key, blob, length) in pending.blobs {
            self.cache.put(key, blob, length);
        }
        for key in pending.idle {
            self.cache.forget(&key);
        }
    }

    /// Another marker stands in the store: somebody else committed, or the store was set back. What
    /// is held is dropped, and the next chunk begins at the position found there.
    ///
    /// Errors: [`StreamError::Rewound`] if records must be read again that this run is past.
    pub(crate) fn conflict(&mut self, current: Option<Bytes>) -> Result<(), StreamError> {
        let read = self.committed();
        // A marker that is gone means a store that was emptied, and knows no view any more.
        let emptied = current.is_none() && self.stored.is_some();
        self.cache.clear();
        self.adopt(current)?;
        if emptied || self.committed() < read {
            return Err(StreamError::Rewound {
                view: self.id.to_string(),
                partition: self.partition,
                position: self.committed(),
                read,
            });
        }
        Ok(())
    }

    /// Forgets what is held of entities: the next chunk reads them from the store.
    pub(crate) fn drop_cache(&mut self) {
        self.cache.clear();
    }

    /// Where it is: view and partition.
    pub(crate) fn place(&self) -> (&ViewId, u32) {
        (&self.id, self.partition)
    }

    fn adopt(&mut self, stored: Option<Bytes>) -> Result<(), StreamError> {
        self.marker = match &stored {
            None => Marker::default(),
            Some(bytes) => Marker::decode(bytes).map_err(|cause| self.codec(cause))?,
        };
        self.stored = stored;
        match self.marker.positions.keys().find(|log| **log != *self.log) {
            None => Ok(()),
            Some(found) => Err(StreamError::OtherLog {
                view: self.id.to_string(),
                log: self.log.to_string(),
                found: found.clone(),
            }),
        }
    }

    /// The place in the store's marker.
    fn reached(&self) -> Reached {
        Reached { position: self.committed(), clock: self.marker.clock, sum: self.marker.checksum }
    }

    fn next_marker(&self, reached: Reached, nonce: u64) -> Marker {
        Marker {
            positions: [(self.log.to_string(), reached.position)].into(),
            clock: reached.clock.max(self.marker.clock),
            checksum: reached.sum,
            nonce,
            ..self.marker.clone()
        }
    }

    fn commit(&self, marker: Bytes, writes: Vec<Write>) -> Commit {
        let (view, partition) = (Arc::clone(&self.id), self.partition);
        Commit { view, partition, expected: self.stored.clone(), marker, writes }
    }

    fn codec(&self, cause: CodecError) -> StreamError {
        Undecodable { view: Arc::clone(&self.id), partition: self.partition, cause }.into()
    }
}
