//! The one thread that writes the file.
//!
//! It takes everything that waits in the queue, puts it into one transaction and answers all of it:
//! partitions that commit at the same time share the cost of a transaction and of the disk. Commits
//! that may be lost in a crash are made durable every little while, so a crash never costs more than
//! that much of the log to read again.

use std::path::Path;
use std::time::{Duration, Instant};

use feat_kernel::layout;
use redb::{Database, Table, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::file::{self, BLOBS, File, MARKERS, Range, VIEWS};
use super::seal;
use crate::{Commit, Committed, Durability, StoreError, ViewId};

/// How long a commit with [`Durability::Eventual`] may wait for the disk while others follow it. A
/// durable commit costs some milliseconds, so this keeps it at well under a hundredth of the time.
const DURABLE_AFTER: Duration = Duration::from_secs(2);

/// How many jobs one transaction takes: what a few tens of callers wait for is written at once, and
/// the first of them does not wait for long.
const JOBS: usize = 64;

/// What is to be done.
pub(super) enum Work {
    Commit(Vec<Commit>, Durability),
    Register(ViewId, u32),
    Drop(ViewId),
    Flush,
}

/// What was done.
#[derive(Debug)]
pub(super) enum Answer {
    Committed(Vec<Committed>),
    Count(u32),
    Done,
}

/// Work and who waits for it.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Result<Answer, StoreError>>,
}

impl Answer {
    /// The answer to [`Work::Commit`].
    pub(super) fn committed(self) -> Vec<Committed> {
        match self {
            Self::Committed(committed) => committed,
            other => panic!("invariant: a commit is answered by what became of it, not {other:?}"),
        }
    }

    /// The answer to [`Work::Register`].
    pub(super) fn count(self) -> u32 {
        match self {
            Self::Count(count) => count,
            other => panic!("invariant: a registration is answered by a count, not {other:?}"),
        }
    }
}

/// Works until the queue is closed and empty; then makes everything durable.
pub(super) fn run(path: &Path, database: &File, mut queue: mpsc::Receiver<Job>) {
    let mut durable_at = Instant::now();
    let mut pending = false;
    let mut jobs = Vec::with_capacity(JOBS);
    while queue.blocking_recv_many(&mut jobs, JOBS) > 0 {
        let asked = jobs.iter().any(|job| job.work.must_last());
        let durable = asked || durable_at.elapsed() >= DURABLE_AFTER;
        let (works, replies): (Vec<Work>, Vec<_>) = jobs.drain(..).map(|job| (job.work, job.reply)).unzip();
        let done = file::guarded(path, || transact(database, works, durable))
            .and_then(|done| done.map_err(|cause| file::failed(path, cause)));
        if durable {
            durable_at = Instant::now();
        }
        pending = !durable || done.is_err();
        match done {
            // Nobody waits any more where a send fails.
            Ok(answers) => replies.into_iter().zip(answers).for_each(|(reply, answer)| {
                let _ = reply.send(Ok(answer));
            }),
            Err(error) => replies.into_iter().for_each(|reply| {
                let _ = reply.send(Err(error.clone()));
            }),
        }
    }
    if pending {
        // Whoever closes the store without `flush` has no claim to hear of a disk that fails here.
        let _ = file::guarded(path, || transact(database, Vec::new(), true));
    }
}

impl Work {
    /// Whether its caller waits for the disk.
    fn must_last(&self) -> bool {
        matches!(self, Self::Commit(_, Durability::Durable) | Self::Drop(_) | Self::Flush)
    }
}

/// All of `works` in one transaction: on an error none of it is done.
fn transact(database: &Database, works: Vec<Work>, durable: bool) -> Result<Vec<Answer>, redb::Error> {
    let mut transaction = database.begin_write()?;
    if durable {
        // The next opening after a crash then need not walk the file.
        transaction.set_quick_repair(true);
    } else {
        transaction.set_durability(redb::Durability::None)?;
    }
    let answers = apply(&transaction, works)?;
    transaction.commit()?;
    Ok(answers)
}

fn apply(transaction: &WriteTransaction, works: Vec<Work>) -> Result<Vec<Answer>, redb::Error> {
    let mut views = transaction.open_table(VIEWS)?;
    let mut markers = transaction.open_table(MARKERS)?;
    let mut blobs = transaction.open_table(BLOBS)?;
    let mut answers = Vec::with_capacity(works.len());
    for work in works {
        answers.push(match work {
            Work::Commit(commits, _) => {
                let committed =
                    commits.into_iter().map(|commit| commit_one(&mut markers, &mut blobs, commit));
                Answer::Committed(committed.collect::<Result<_, _>>()?)
            }
            Work::Register(view, partitions) => {
                let key = view.as_bytes();
                let known = seal::find(&views, key)?.map(|count| file::count(&count)).transpose()?;
                if known.is_none() {
                    views.insert(key, &*seal::sealed(key, &partitions.to_le_bytes()))?;
                }
                Answer::Count(known.unwrap_or(partitions))
            }
            Work::Drop(view) => {
                let known = seal::find(&views, view.as_bytes())?.map(|count| file::count(&count));
                let partitions = known.transpose()?.unwrap_or(0);
                views.remove(view.as_bytes())?;
                for partition in 0..partitions {
                    markers.remove(&*layout::marker_key(&view, partition))?;
                    let range = Range::new(&layout::blob_key(&view, partition, &[]), None);
                    blobs.retain_in::<&[u8], _>(range.bounds(), |_, _| false)?;
                }
                Answer::Done
            }
            Work::Flush => Answer::Done,
        });
    }
    Ok(answers)
}

type Bytes<'a> = Table<'a, &'static [u8], &'static [u8]>;

fn commit_one(
    markers: &mut Bytes<'_>,
    blobs: &mut Bytes<'_>,
    commit: Commit,
) -> Result<Committed, redb::Error> {
    let key = layout::marker_key(&commit.view, commit.partition);
    let current = seal::find(markers, &key)?;
    if current != commit.expected {
        return Ok(Committed::Conflict(current));
    }
    markers.insert(&*key, &*seal::sealed(&key, &commit.marker))?;
    let mut key = layout::blob_key(&commit.view, commit.partition, &[]);
    let prefix = key.len();
    for (entity, blob) in commit.writes {
        key.truncate(prefix);
        key.extend_from_slice(&entity);
        match blob {
            Some(blob) => blobs.insert(&*key, &*seal::sealed(&key, &blob))?,
            None => blobs.remove(&*key)?,
        };
    }
    Ok(Committed::Applied)
}
