//! A worker: the operators of some partitions, whose reads and commits share their round trips.

use std::sync::Arc;
use std::time::Duration;

use feat_kernel::blob::Folded;
use feat_kernel::time::Instant;
use feat_store::{Commit, Committed, Durability, Read, Store};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::timeout;

use crate::error::StreamError;
use crate::nonce::Nonces;
use crate::operator::{Chunk, Operator, Pending};
use crate::piece::Piece;
use crate::sweep;

/// How long nothing may come before the markers are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What the reader of the log tells a worker.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// The next records, one piece a group; `None` where every partition of the group is past them.
    Pieces(Arc<[Option<Piece>]>),
    /// The log was read as far as asked, and is known to be complete up to here.
    End { seen_to: Instant },
}

/// What a worker did for one group.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) folded: Folded,
    pub(crate) swept: u64,
    pub(crate) commits: u64,
    pub(crate) conflicts: u64,
}

pub(crate) struct Worker {
    pub(crate) store: Arc<dyn Store>,
    /// Each with the place of its group.
    pub(crate) operators: Vec<(usize, Operator)>,
    pub(crate) chunk_keys: usize,
    pub(crate) sweep: bool,
    pub(crate) durability: Durability,
    pub(crate) nonces: Nonces,
    /// One a group.
    pub(crate) done: Vec<Done>,
}

impl Worker {
    /// Works until the reader is done or gone.
    pub(crate) async fn run(
        mut self,
        mut messages: mpsc::Receiver<Message>,
    ) -> Result<Vec<Done>, StreamError> {
        loop {
            let message = match messages.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    // Markers without rows are put off while there is more to do, and only then.
                    self.catch_up().await?;
                    match timeout(LOOK, messages.recv()).await {
                        Ok(Some(message)) => message,
                        Ok(None) => break,
                        Err(_) => {
                            self.look_at_markers().await?;
                            continue;
                        }
                    }
                }
            };
            match message {
                Message::Pieces(pieces) => self.pieces(&pieces).await?,
                Message::End { seen_to } => self.finish(seen_to).await?,
            }
        }
        Ok(self.done)
    }

    /// Sees whether the markers are still those that were committed: a store that was set back while
    /// nothing came would otherwise go on with old answers until something does.
    async fn look_at_markers(&mut self) -> Result<(), StreamError> {
        let reads = self.operators.iter().map(|(_, operator)| {
            let (view, partition) = operator.place();
            Read { view: Arc::clone(view), partition, keys: Vec::new() }
        });
        let found = self.store.read(reads.collect()).await?;
        for ((_, operator), snapshot) in self.operators.iter_mut().zip(found) {
            operator.meet(snapshot.marker)?;
        }
        Ok(())
    }

    /// Applies the pieces, a chunk of every partition at a time.
    async fn pieces(&mut self, pieces: &[Option<Piece>]) -> Result<(), StreamError> {
        loop {
            let mut chunks: Vec<(usize, Chunk<'_>)> = Vec::new();
            let mut moved = false;
            for (at, (group, operator)) in self.operators.iter_mut().enumerate() {
                let Some(piece) = &pieces[*group] else { continue };
                match operator.chunk(piece, self.chunk_keys)? {
                    Some(chunk) if chunk.is_empty() => {
                        operator.pass(&chunk);
                        moved = true;
                    }
                    Some(chunk) => chunks.push((at, chunk)),
                    None => {}
                }
            }
            if chunks.is_empty() && !moved {
                return Ok(());
            }
            let work = self.apply(chunks).await?;
            self.commit(work).await?;
            tokio::task::consume_budget().await;
        }
    }

    /// Reads what the chunks need and applies them to it.
    async fn apply(
        &mut self,
        chunks: Vec<(usize, Chunk<'_>)>,
    ) -> Result<Vec<(usize, Pending, Commit)>, StreamError> {
        let reads: Vec<_> = chunks.iter().map(|(at, chunk)| self.operators[*at].1.missing(chunk)).collect();
        let asked: Vec<_> = reads.iter().map(|read| read.keys.clone()).collect();
        let snapshots =
            if asked.iter().all(Vec::is_empty) { None } else { Some(self.store.read(reads).await?) };
        let mut snapshots = snapshots.into_iter().flatten();
        let mut work = Vec::with_capacity(chunks.len());
        for ((at, chunk), keys) in chunks.into_iter().zip(asked) {
            let blobs = snapshots.next().map(|snapshot| snapshot.blobs).unwrap_or_default();
            let looked = self.look(at, chunk.clock()).await?;
            let nonce = self.nonces.next();
            let (pending, commit) =
                self.operators[at].1.apply(&chunk, keys.into_iter().zip(blobs), looked, nonce)?;
            work.push((at, pending, commit));
        }
        Ok(work)
    }

    /// A few entities that may be idle, if it is time to look.
    async fn look(
        &mut self,
        at: usize,
        clock: Instant,
    ) -> Result<Vec<(feat_store::Bytes, feat_store::Bytes)>, StreamError> {
        let operator = &mut self.operators[at].1;
        let Some(look) = operator.sweep.due(clock).filter(|_| self.sweep) else { return Ok(Vec::new()) };
        let (view, partition) = operator.place();
        let found = self.store.scan(view, partition, look.after, sweep::LIMIT).await?;
        operator.sweep.looked(found.len(), found.last().map(|(key, _)| key.clone()));
        Ok(found)
    }

    /// Commits, and takes up what became of it: a partition whose marker was another goes on from
    /// there, in the next round.
    async fn commit(&mut self, work: Vec<(usize, Pending, Commit)>) -> Result<(), StreamError> {
        if work.is_empty() {
            return Ok(());
        }
        let (pendings, commits): (Vec<_>, Vec<_>) =
            work.into_iter().map(|(at, pending, commit)| ((at, pending), commit)).unzip();
        let committed = match self.store.commit(commits, self.durability).await {
            Ok(committed) => committed,
            Err(error) => {
                // Whether they were applied is read from the markers by whoever goes on.
                for (at, _) in pendings {
                    self.operators[at].1.drop_cache();
                }
                return Err(error.into());
            }
        };
        for ((at, pending), committed) in pendings.into_iter().zip(committed) {
            let (group, operator) = &mut self.operators[at];
            let done = &mut self.done[*group];
            match committed {
                Committed::Applied => {
                    done.folded.rows += pending.folded.rows;
                    done.folded.duplicates += pending.folded.duplicates;
                    done.swept += pending.swept();
                    done.commits += 1;
                    operator.applied(pending);
                }
                Committed::Conflict(current) => {
                    done.conflicts += 1;
                    operator.conflict(current)?;
                }
            }
        }
        Ok(())
    }

    /// Commits the markers of partitions that have read further than the store knows.
    async fn catch_up(&mut self) -> Result<(), StreamError> {
        self.mark(Operator::catch_up).await
    }

    /// Commits the markers of partitions that do not have the log's end yet.
    async fn finish(&mut self, seen_to: Instant) -> Result<(), StreamError> {
        self.mark(|operator, nonce| operator.finish(seen_to, nonce)).await
    }

    /// Commits markers without rows until no partition has one to commit.
    async fn mark(
        &mut self,
        next: impl Fn(&Operator, u64) -> Option<(Pending, Commit)>,
    ) -> Result<(), StreamError> {
        loop {
            let nonces = &mut self.nonces;
            let late = self.operators.iter().enumerate().filter_map(|(at, (_, operator))| {
                next(operator, nonces.next()).map(|(pending, commit)| (at, pending, commit))
            });
            let work: Vec<_> = late.collect();
            if work.is_empty() {
                return Ok(());
            }
            self.commit(work).await?;
        }
    }
}
