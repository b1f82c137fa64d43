//! A worker: the operators of some partitions, whose reads and commits share their round trips.
//!
//! ```text
//!  chunks 1  apply ─► commit under way ─► landed
//!  chunks 2             apply             ─► commit under way ─► …
//! ```
//!
//! While a commit is under way the next chunks are applied to what it leaves behind; what they need beside
//! that is read, which a store with one line of work does behind the commit. A commit is sent when the
//! one before has landed: each expects the marker of that.

use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use feat_kernel::blob::Folded;
use feat_kernel::time::Instant;
use feat_store::{Commit, Committed, Durability, Read, Store, StoreError};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::error::StreamError;
use crate::metrics::Metrics;
use crate::nonce::Nonces;
use crate::operator::{Chunk, Counted, Operator, Pending};
use crate::piece::Piece;
use crate::sweep;

/// How long nothing may come before the markers are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Records as each group reads them; `None` where every partition of the group is past them.
pub(crate) type Pieces = Arc<[Option<Piece>]>;

/// What the reader of the log tells a worker.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// The next records.
    Pieces(Pieces),
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
    pub(crate) metrics: Metrics,
    /// The groups' names.
    pub(crate) groups: Arc<[String]>,
    /// One a group.
    pub(crate) done: Vec<Done>,
    /// The commits that are under way.
    pub(crate) flight: Option<Flight>,
    /// The records before those at hand, which are gone through again if a commit that is under way meets
    /// another marker.
    pub(crate) previous: Option<Pieces>,
}

/// Commits that are under way, and the places of their operators.
pub(crate) struct Flight {
    operators: Vec<usize>,
    committed: JoinHandle<Result<Vec<Committed>, StoreError>>,
}

impl Worker {
    /// Works until the reader is done or gone.
    pub(crate) async fn run(
        mut self,
        mut messages: mpsc::Receiver<Message>,
    ) -> Result<Vec<Done>, StreamError> {
        let worked = self.work(&mut messages).await;
        // Nothing is under way any more once a run has ended, however it did.
        let landed = self.land().await;
        worked.and(landed.map(drop))?;
        Ok(self.done)
    }

    async fn work(&mut self, messages: &mut mpsc::Receiver<Message>) -> Result<(), StreamError> {
        loop {
            let message = match messages.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Disconnected) => return self.settle().await,
                Err(TryRecvError::Empty) => {
                    self.settle().await?;
                    // Markers without rows are put off while there is more to do, and only then.
                    self.catch_up().await?;
                    match timeout(LOOK, messages.recv()).await {
                        Ok(Some(message)) => message,
                        Ok(None) => return Ok(()),
                        Err(_) => {
                            self.look_at_markers().await?;
                            continue;
                        }
                    }
                }
            };
            match message {
                Message::Pieces(pieces) => self.pieces(pieces).await?,
                Message::End { seen_to } => {
                    self.settle().await?;
                    self.finish(seen_to).await?;
                }
            }
        }
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

    /// Applies pieces. Their last commits may still be under way afterwards.
    async fn pieces(&mut self, pieces: Pieces) -> Result<(), StreamError> {
        let previous = self.previous.take();
        self.go_through([previous.as_deref(), Some(&pieces)]).await?;
        self.previous = Some(pieces);
        Ok(())
    }

    /// Lands what is under way, and what has to be done again because of it.
    async fn settle(&mut self) -> Result<(), StreamError> {
        while !self.land().await?.is_empty() {
            let previous = self.previous.clone();
            self.go_through([previous.as_deref(), None]).await?;
        }
        Ok(())
    }

    /// Applies the older pieces, as far as they have to be gone through again, and the newer ones, a chunk
    /// of every partition at a time. Afterwards nothing of the older ones is under way.
    async fn go_through(&mut self, at_hand: [Option<&[Option<Piece>]>; 2]) -> Result<(), StreamError> {
        let mut sent = false;
        loop {
            let (chunks, again) = self.chunks(at_hand)?;
            if chunks.is_empty() {
                if sent || self.land().await?.is_empty() {
                    return Ok(());
                }
                continue;
            }
            let mut work = self.apply(chunks).await?;
            for at in self.land().await? {
                // It was worked on as if the commit before had been applied.
                work.retain(|(operator, ..)| *operator != at);
            }
            self.send(work);
            sent = true;
            if again {
                self.land().await?;
            }
            tokio::task::consume_budget().await;
        }
    }

    /// The next chunk of every partition, and whether one is of the older pieces.
    fn chunks<'a>(
        &mut self,
        at_hand: [Option<&'a [Option<Piece>]>; 2],
    ) -> Result<(Vec<(usize, Chunk<'a>)>, bool), StreamError> {
        let (mut chunks, mut again) = (Vec::new(), false);
        for (at, (group, operator)) in self.operators.iter_mut().enumerate() {
            for (turn, pieces) in at_hand.iter().enumerate() {
                let Some(piece) = pieces.and_then(|pieces| pieces[*group].as_ref()) else { continue };
                match operator.chunk(piece, self.chunk_keys)? {
                    // Without rows: it is past the piece now.
                    Some(chunk) if chunk.is_empty() => operator.pass(&chunk),
                    Some(chunk) => {
                        again |= turn == 0;
                        chunks.push((at, chunk));
                        break;
                    }
                    None => {}
                }
            }
        }
        Ok((chunks, again))
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

    /// Sends commits on their way. None is under way.
    fn send(&mut self, work: Vec<(usize, Pending, Commit)>) {
        if work.is_empty() {
            return;
        }
        let (mut operators, mut commits) = (Vec::with_capacity(work.len()), Vec::with_capacity(work.len()));
        for (at, pending, commit) in work {
            self.operators[at].1.sent(pending);
            operators.push(at);
            commits.push(commit);
        }
        let (store, durability) = (Arc::clone(&self.store), self.durability);
        let metrics = self.metrics.clone();
        let committed = tokio::spawn(async move {
            let begun = Moment::now();
            let committed = store.commit(commits, durability).await;
            if let Ok(committed) = &committed {
                let took = begun.elapsed();
                metrics.committed(took);
                debug!(commits = committed.len(), seconds = took.as_secs_f64(), "committed");
            }
            committed
        });
        self.flight = Some(Flight { operators, committed });
    }

    /// Waits for what is under way, and takes up what became of it: a partition whose marker was another
    /// goes on from there, in the next round. The places of those partitions.
    async fn land(&mut self) -> Result<Vec<usize>, StreamError> {
        let Some(Flight { operators, committed }) = self.flight.take() else { return Ok(Vec::new()) };
        let committed = match committed.await {
            Ok(committed) => committed.map_err(StreamError::from),
            Err(cause) => Err(StreamError::Internal { what: cause.to_string() }),
        };
        let committed = match committed {
            Ok(committed) => committed,
            Err(error) => {
                // Whether they were applied is read from the markers by whoever goes on.
                for at in operators {
                    self.operators[at].1.lost();
                }
                return Err(error);
            }
        };
        let mut conflicts = Vec::new();
        for (at, committed) in operators.into_iter().zip(committed) {
            let (group, operator) = &mut self.operators[at];
            let name = &self.groups[*group];
            let (now, conflict) = match committed {
                Committed::Applied => {
                    let Counted { folded, swept } = operator.landed();
                    (Done { folded, swept, commits: 1, conflicts: 0 }, None)
                }
                Committed::Conflict(current) => (Done { conflicts: 1, ..Done::default() }, Some(current)),
            };
            self.done[*group].add(now);
            self.metrics.done(name, &now);
            if let Some(current) = conflict {
                let (view, partition) = operator.place();
                warn!(group = name, %view, partition, "another marker than expected: going on from there");
                operator.conflict(current)?;
                conflicts.push(at);
            }
        }
        Ok(conflicts)
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
            self.send(work);
            self.land().await?;
        }
    }
}
