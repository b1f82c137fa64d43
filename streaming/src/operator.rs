//! One partition of one view: what a chunk of the log does to its blobs and its marker.
//!
//! ```text
//!  Piece ──chunk──► keys to read ──apply(blobs)──► Commit ──sent──► store ──► landed | conflict
//! ```
//!
//! The operator does no I/O: a worker moves its reads and commits, so that those of many operators
//! share a round trip. While a commit is under way the next chunk is applied to what it leaves behind,
//! and is thrown away if the commit met another marker. A blob is advanced to the clock of its entity's last record, not to that of
//! the chunk: what is stored is a function of the log alone, whatever the chunks were.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use feat_kernel::blob::{Blob, Folded};
use feat_kernel::codec::CodecError;
use feat_kernel::layout::{LogMark, Marker};
use feat_kernel::time::Instant;
use feat_kernel::view::View;
use feat_store::{Commit, Read, Undecodable, ViewId, Write};

use crate::cache::Cache;
use crate::error::StreamError;
use crate::piece::Piece;
use crate::source::Reached;
use crate::sweep::Sweep;

/// One partition of one view.
#[derive(Debug)]
pub struct Operator {
    view: Arc<View>,
    id: ViewId,
    partition: u32,
    /// The logs of the source, as markers name them.
    logs: Arc<[Arc<str>]>,
    /// The marker in the store, and its bytes.
    marker: Marker,
    stored: Option<Bytes>,
    /// Of each log a later place that no row led to: committed with the next rows.
    ahead: Vec<Option<LogMark>>,
    cache: Cache,
    /// The commit that is under way, whose marker is the one above.
    flight: Option<Flight>,
    pub(crate) sweep: Sweep,
}

/// A commit of which it is not known yet whether it was applied. The next chunk is worked on as if it
/// was, and is worked on again if it was not.
#[derive(Debug)]
struct Flight {
    /// What is in the store without it: the marker, its bytes, and how far this run had read.
    marker: Marker,
    stored: Option<Bytes>,
    ahead: Vec<Option<LogMark>>,
    /// The entities that it writes, none where it deletes one: newer than what the store would say.
    blobs: HashMap<Bytes, Option<(Blob, usize)>>,
    /// What it counts once it is applied.
    counts: Counted,
}

/// What became of rows and entities in one commit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// What became of waiting rows.
    pub(crate) folded: Folded,
    /// How many idle entities were deleted.
    pub(crate) swept: u64,
}

/// The next rows of a partition, few enough for one commit.
#[derive(Debug)]
pub struct Chunk<'a> {
    piece: &'a Piece,
    rows: &'a [u32],
    /// For each row the place of its entity in `entities`.
    of: Vec<u32>,
    /// Each entity's key and the clock to which it is folded.
    entities: Vec<(&'a [u8], Instant)>,
    /// The place after the chunk.
    end: LogMark,
    /// The clock of the partition after it.
    clock: Instant,
}

impl Chunk<'_> {
    /// Whether no row is in it: only the position moves.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The partition's clock after it: that of the log which is furthest behind.
    pub fn clock(&self) -> Instant {
        self.clock
    }
}

/// What a commit changes once it is applied.
#[derive(Debug)]
pub(crate) struct Pending {
    marker: Marker,
    bytes: Bytes,
    blobs: Vec<(Bytes, Blob, usize)>,
    idle: Vec<Bytes>,
    folded: Folded,
}

impl Operator {
    /// The operator of `partition` of view `id` over `logs`, where `stored` is the marker's bytes in the
    /// store; `cache` is about how many bytes of blobs it may hold.
    ///
    /// Errors: the marker does not decode, or names other logs.
    pub fn new(
        view: Arc<View>,
        id: ViewId,
        partition: u32,
        logs: Arc<[Arc<str>]>,
        stored: Option<Bytes>,
        cache: usize,
    ) -> Result<Self, StreamError> {
        let marker = Marker::default();
        let sweep = Sweep::new(&view, marker.clock());
        let (cache, ahead) = (Cache::new(cache), vec![None; logs.len()]);
        let flight = None;
        let mut operator =
            Self { view, id, partition, logs, marker, stored: None, ahead, cache, flight, sweep };
        operator.adopt(stored)?;
        operator.sweep = Sweep::new(&operator.view, operator.marker.clock());
        Ok(operator)
    }

    /// How far the records of log `log` are included, or need not be.
    pub fn reached(&self, log: usize) -> LogMark {
        self.ahead[log].unwrap_or_else(|| self.committed(log))
    }

    /// How far they are in the store.
    pub(crate) fn committed(&self, log: usize) -> LogMark {
        self.marker.logs.get(&*self.logs[log]).copied().unwrap_or_default()
    }

    /// The clock to which entities are folded when that of log `log` stands at `clock`.
    fn folded_to(&self, log: usize, clock: Instant) -> Instant {
        let others = (0..self.logs.len()).filter(|other| *other != log);
        others.map(|other| self.reached(other).clock).fold(clock, Instant::min)
    }

    /// The next rows of `piece` for this partition, of at most `limit` entities; `None` when nothing
    /// of it is left.
    ///
    /// Errors: the log's clock lies before the one in the marker.
    pub fn chunk<'a>(&self, piece: &'a Piece, limit: usize) -> Result<Option<Chunk<'a>>, StreamError> {
        let before = self.reached(piece.log);
        if before.next >= piece.end.next {
            return Ok(None);
        }
        let mut rows = piece.rows_from(self.partition, before.next);
        let mut places: HashMap<&[u8], u32> = HashMap::new();
        let (mut of, mut entities) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut end = piece.end;
        for (at, &row) in rows.iter().enumerate() {
            let (key, clock) = (piece.rows.key(row as usize), piece.clock(row));
            let place = *places.entry(key).or_insert(entities.len() as u32);
            if let Some((_, last)) = entities.get_mut(place as usize) {
                *last = clock;
            } else if entities.len() >= limit.max(1) {
                end = piece.reached_before(row);
                rows = &rows[..at];
                break;
            } else {
                entities.push((key, clock));
            }
            of.push(place);
        }
        if end.clock < before.clock {
            return Err(StreamError::ClockWentBack {
                log: self.logs[piece.log].to_string(),
                offset: end.next - 1,
                known: end.clock,
                clock: before.clock,
            });
        }
        for (_, clock) in &mut entities {
            *clock = self.folded_to(piece.log, *clock);
        }
        let clock = self.folded_to(piece.log, end.clock);
        let Reached { next, clock: known } = end;
        let (checksum, last) = (piece.sum_before(next), piece.last_before(next));
        let end = LogMark { next, clock: known, checksum, last, ..before };
        Ok(Some(Chunk { piece, rows, of, entities, end, clock }))
    }

    /// What has to be read for `chunk`: the entities that are not at hand.
    pub fn missing(&self, chunk: &Chunk<'_>) -> Read {
        let missing = chunk.entities.iter().filter(|(key, _)| !self.is_at_hand(key));
        Read {
            view: Arc::clone(&self.id),
            partition: self.partition,
            keys: missing.map(|(key, _)| Bytes::copy_from_slice(key)).collect(),
        }
    }

    /// Whether the newest blob of an entity is known without asking the store.
    fn is_at_hand(&self, key: &[u8]) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.blobs.contains_key(key)) || self.cache.contains(key)
    }

    /// Takes the newest blob of an entity that is at hand.
    fn take(&mut self, key: &[u8]) -> Option<(Bytes, Blob)> {
        match self.flight.as_mut().and_then(|flight| flight.blobs.remove_entry(key)) {
            Some((key, Some((blob, _)))) => Some((key, blob)),
            Some((key, None)) => Some((key, Blob::default())),
            None => self.cache.take(key),
        }
    }

    /// Passes by a chunk without rows: its position is committed with the next rows, or by
    /// [`Operator::catch_up`].
    pub(crate) fn pass(&mut self, chunk: &Chunk<'_>) {
        self.ahead[chunk.piece.log] = Some(chunk.end);
    }

    /// Whether the store holds no marker of the partition.
    pub(crate) fn is_new(&self) -> bool {
        self.stored.is_none()
    }

    /// Whether nothing was read yet into the partition.
    pub(crate) fn is_empty(&self) -> bool {
        !self.marker.is_filled()
    }

    /// Whether the store does not have the position of some log yet.
    pub(crate) fn is_ahead(&self) -> bool {
        self.ahead.iter().any(Option::is_some)
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
            blobs.push(match self.take(key) {
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
            // What is under way is newer than what was found in the store.
            let flying = self.flight.as_ref().is_some_and(|flight| flight.blobs.contains_key(&key));
            if flying || chunk.entities.iter().any(|(touched, _)| *touched == &*key) {
                continue;
            }
            let mut blob = Blob::decode(&view, &bytes).map_err(|cause| self.codec(cause))?;
            // The entity's last rows still wait for its next write: first what that would do to them.
            let now = blob.advance(&view, chunk.clock);
            if blob.is_idle(&view, chunk.clock) {
                folded.rows += now.rows;
                folded.duplicates += now.duplicates;
                writes.push((key.clone(), None));
                idle.push(key);
            }
        }
        let mut marker = self.next_marker(nonce);
        marker.logs.insert(self.logs[chunk.piece.log].to_string(), chunk.end);
        if !idle.is_empty() {
            marker.swept_to = marker.swept_to.max(chunk.clock);
        }
        let bytes = Bytes::from(marker.encode());
        let commit = self.commit(bytes.clone(), writes);
        Ok((Pending { marker, bytes, blobs: held, idle, folded }, commit))
    }

    /// Puts a marker that nothing is read yet, and deletes the entities `left`, of which nobody knows what they
    /// include.
    pub(crate) fn begin(&self, left: impl Iterator<Item = Bytes>, nonce: u64) -> (Pending, Commit) {
        let (pending, commit) = self.mark(Marker { nonce, ..Marker::default() });
        (pending, Commit { writes: left.map(|key| (key, None)).collect(), ..commit })
    }

    /// Brings the marker to where this run has read; `None` when it is there already.
    pub(crate) fn catch_up(&self, nonce: u64) -> Option<(Pending, Commit)> {
        self.is_ahead().then(|| self.mark(self.next_marker(nonce)))
    }

    /// Brings the marker to where this run has read to the end, which may be an empty log's, and to
    /// `seen_to` if that is later; `None` when it is there already.
    pub(crate) fn finish(&self, seen_to: Instant, nonce: u64) -> Option<(Pending, Commit)> {
        let seen = self.marker.logs.values().all(|log| seen_to <= log.seen_to);
        if !self.is_ahead() && seen && self.marker.is_filled() {
            return None;
        }
        let mut marker = self.next_marker(nonce);
        marker.logs.values_mut().for_each(|log| log.seen_to = log.seen_to.max(seen_to));
        Some(self.mark(marker))
    }

    /// A commit of `marker` alone.
    fn mark(&self, marker: Marker) -> (Pending, Commit) {
        let bytes = Bytes::from(marker.encode());
        let commit = self.commit(bytes.clone(), Vec::new());
        let (blobs, idle) = (Vec::new(), Vec::new());
        (Pending { marker, bytes, blobs, idle, folded: Folded::default() }, commit)
    }

    /// The commit is on its way to the store: what follows is worked on as if it was there.
    ///
    /// Panics if another one is under way.
    pub(crate) fn sent(&mut self, pending: Pending) {
        assert!(self.flight.is_none(), "invariant: one commit of a partition is under way at a time");
        let none = vec![None; self.logs.len()];
        let swept = pending.idle.len() as u64;
        let written = pending.blobs.into_iter().map(|(key, blob, length)| (key, Some((blob, length))));
        self.flight = Some(Flight {
            marker: std::mem::replace(&mut self.marker, pending.marker),
            stored: self.stored.replace(pending.bytes),
            ahead: std::mem::replace(&mut self.ahead, none),
            blobs: written.chain(pending.idle.into_iter().map(|key| (key, None))).collect(),
            counts: Counted { folded: pending.folded, swept },
        });
    }

    /// The commit that was under way is in the store.
    pub(crate) fn landed(&mut self) -> Counted {
        let Some(flight) = self.flight.take() else { return Counted::default() };
        for (key, written) in flight.blobs {
            match written {
                Some((blob, length)) => self.cache.put(key, blob, length),
                None => self.cache.forget(&key),
            }
        }
        flight.counts
    }

    /// Whether the commit that is under way was applied is not known: what is held is dropped.
    pub(crate) fn lost(&mut self) {
        if let Some(Flight { marker, stored, ahead, .. }) = self.flight.take() {
            (self.marker, self.stored, self.ahead) = (marker, stored, ahead);
        }
        self.cache.clear();
    }

    /// Another marker stands in the store: somebody else committed, or the store was set back. What
    /// is held is dropped, and the next chunk begins at the position found there.
    ///
    /// Errors: [`StreamError::Rewound`] if records must be read again that this run is past.
    pub(crate) fn conflict(&mut self, current: Option<Bytes>) -> Result<(), StreamError> {
        self.lost();
        let read: Vec<LogMark> = (0..self.logs.len()).map(|log| self.committed(log)).collect();
        // A marker that is gone means a store that was emptied, and knows no view any more.
        let emptied = current.is_none() && self.stored.is_some();
        self.adopt(current)?;
        for (log, read) in read.iter().enumerate() {
            let position = self.committed(log).next;
            if emptied || position < read.next {
                let (view, partition) = (self.id.to_string(), self.partition);
                return Err(StreamError::Rewound { view, partition, position, read: read.next });
            }
        }
        // What was passed by is passed by again, unless the other writer is past it.
        for log in 0..self.logs.len() {
            let committed = self.committed(log).next;
            self.ahead[log] = self.ahead[log].filter(|ahead| ahead.next > committed);
        }
        Ok(())
    }

    /// The store holds the marker `found`: if it is another one, somebody else was there.
    ///
    /// Errors: as of [`Operator::conflict`].
    pub(crate) fn meet(&mut self, found: Option<Bytes>) -> Result<(), StreamError> {
        if found == self.stored { Ok(()) } else { self.conflict(found) }
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
        if !self.marker.is_filled() {
            return Ok(());
        }
        if let Some(found) =
            self.marker.logs.keys().find(|found| self.logs.iter().all(|log| **log != **found))
        {
            return Err(StreamError::OtherLog {
                view: self.id.to_string(),
                logs: self.logs.join(", "),
                found: found.clone(),
            });
        }
        match self.logs.iter().find(|log| !self.marker.logs.contains_key(&***log)) {
            None => Ok(()),
            Some(new) => Err(StreamError::NewLog { view: self.id.to_string(), log: new.to_string() }),
        }
    }

    /// The marker of everything that is included and passed by.
    fn next_marker(&self, nonce: u64) -> Marker {
        let logs = (0..self.logs.len()).map(|log| (self.logs[log].to_string(), self.reached(log)));
        Marker { logs: logs.collect(), nonce, ..self.marker.clone() }
    }

    fn commit(&self, marker: Bytes, writes: Vec<Write>) -> Commit {
        let (view, partition) = (Arc::clone(&self.id), self.partition);
        Commit { view, partition, expected: self.stored.clone(), marker, writes }
    }

    fn codec(&self, cause: CodecError) -> StreamError {
        Undecodable { view: Arc::clone(&self.id), partition: self.partition, cause }.into()
    }
}
