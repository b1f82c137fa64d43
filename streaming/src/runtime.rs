//! A run: one log is read once, prepared once for each group, and spread over the workers.
//!
//! ```text
//!  Source ──► order, clock ──► Prepare (each group) ──► Piece ──┬─bounded─► worker 0: partitions 0, N, …
//!                                                               └─bounded─► worker 1: partitions 1, …
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use feat_compiler::ir::SourceKind;
use feat_compiler::plan::GroupPlan;
use feat_compiler::prepare::{Counts, Mode};
use feat_kernel::layout::LogMark;
use feat_kernel::time::{Instant, Micros};
use feat_store::{Durability, Read, Store, ViewId, view_id};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::info;

use crate::beginning::begin;
use crate::error::StreamError;
use crate::metrics::Metrics;
use crate::nonce::Nonces;
use crate::operator::Operator;
use crate::piece::Piece;
use crate::report::{GroupReport, Part, Progress, Report};
use crate::share::{Share, Shares};
use crate::source::{LogBatch, Source};
use crate::trail::{Cells, Trail};
use crate::worker::{Done, Message, Worker};

/// Partitions of a view that names no other count: enough to keep the cores of one machine busy, few
/// enough that a chunk of the log has rows for each.
pub const PARTITIONS: u32 = 8;

/// Batches of the log that may wait for a worker: one that is worked on, one at hand.
const WAITING: usize = 2;

/// How often a run reads the log again because the store was set back, before it gives up.
const RESTARTS: u32 = 16;

/// How long a run waits before it asks a store again that was away; twice as long each time.
const PAUSE: Duration = Duration::from_millis(50);

/// And no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How a log is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many workers share the partitions; at least one. No number changes any result.
    pub workers: usize,
    /// The count of partitions of every view. `None`: what the store has recorded, [`PARTITIONS`] for
    /// a new view.
    pub partitions: Option<u32>,
    /// How many entities one commit may write.
    pub chunk_keys: usize,
    /// About how many bytes of blobs are held in memory, over all partitions.
    pub cache_bytes: usize,
    /// Stop before this offset of each log. `None`: read until the logs end.
    pub until: Option<u64>,
    /// Whether idle entities are deleted.
    pub sweep: bool,
    /// When a commit survives a crash; the end of a run always does.
    pub durability: Durability,
    /// Whether a run, once it has begun, waits for a store that is away, full or read-only, and reads
    /// the log again as often as the store is set back. `None`: it ends with the error.
    pub waits: Option<Alarm>,
    /// Where it is counted what the run does.
    pub metrics: Metrics,
    /// The partitions of every view that this process keeps, where several keep them. `None`: all.
    pub shares: Option<Shares>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 1,
            partitions: None,
            chunk_keys: 512,
            cache_bytes: 256 << 20,
            until: None,
            sweep: true,
            durability: Durability::Eventual,
            waits: None,
            metrics: Metrics::default(),
            shares: None,
        }
    }
}

/// What hears of trouble that a run waits for.
#[derive(Clone)]
pub struct Alarm(pub Arc<dyn Fn(&StreamError) + Send + Sync>);

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alarm")
    }
}

/// Runs the operators of `groups`, which read one source, over its log `source`, until the log ends or
/// [`Options::until`]. Everything is durable when it returns.
///
/// Time: the clock is the log's `known`. The end of a log is complete for a `static` source only: a
/// file of events may be longer next time.
/// Restart: each partition goes on from the position in its marker; what it has seen is skipped, and
/// compared by its fingerprint where the log may change.
/// Shares: when that of this process becomes another one, the log is read on from the markers of what it
/// has then. A run ends, too, when it has no share and nobody is left who could give it one.
/// Cost: the log is read from the least position, or its beginning where it may change; prepared once a group; memory is bounded by a few
/// batches for each worker and [`Options::cache_bytes`].
/// Runtime: one with time enabled, since markers are looked at when nothing comes for a while.
/// Errors: [`StreamError`]; whatever was committed before is exact and stays.
pub async fn run(
    store: &Arc<dyn Store>,
    groups: &[Arc<GroupPlan>],
    source: &dyn Source,
    options: &Options,
    progress: &(dyn Fn(&Progress) + Send + Sync),
) -> Result<Report, StreamError> {
    let (mut restarts, mut begun, mut pause) = (0, false, PAUSE);
    let waiting = Waiting { since: AtomicBool::new(false), metrics: &options.metrics };
    let mut shares = options.shares.clone();
    let mut report = Report::of(groups);
    loop {
        let share = match &mut shares {
            Some(shares) => shares.next().await,
            None => Some(Share::Whole),
        };
        let Some(share) = share else {
            store.flush().await?;
            return Ok(report);
        };
        let done = match Run::open(store, groups, source, options, &share).await {
            Ok(run) => {
                begun = true;
                waiting.ends();
                let moved = AtomicBool::new(false);
                let told = |at: &Progress| {
                    moved.store(true, Ordering::Relaxed);
                    progress(at);
                };
                let done = run.read(source, &told, shares.as_mut()).await;
                for group in groups {
                    options.metrics.keeps(&group.versioned(), 0);
                }
                if moved.load(Ordering::Relaxed) {
                    pause = PAUSE;
                }
                done
            }
            Err(error) => Err(error),
        };
        match (done, &options.waits) {
            (Err(StreamError::Rewound { .. }), None) if restarts < RESTARTS => restarts += 1,
            (Err(error), Some(Alarm(tell))) if begun && error.passes() => {
                waiting.begins();
                tell(&error);
                rest(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            (Ok(done), _) => {
                if report.add(done) {
                    store.flush().await?;
                    return Ok(report);
                }
            }
            (Err(error), _) => {
                // What was applied is durable as far as the store still answers.
                store.flush().await.ok();
                return Err(error);
            }
        }
    }
}

/// Whether a run waits for its store.
struct Waiting<'a> {
    since: AtomicBool,
    metrics: &'a Metrics,
}

impl Waiting<'_> {
    fn begins(&self) {
        if !self.since.swap(true, Ordering::Relaxed) {
            self.metrics.waits();
        }
    }

    fn ends(&self) {
        if self.since.swap(false, Ordering::Relaxed) {
            self.metrics.resumes();
            info!("resumed: the online store answers again");
        }
    }
}

impl Drop for Waiting<'_> {
    /// A run that gives up waits no more.
    fn drop(&mut self) {
        if *self.since.get_mut() {
            self.metrics.resumes();
        }
    }
}

/// Waits: whether the store is back is found out by asking it again, and nothing tells when.
#[expect(clippy::disallowed_methods, reason = "a store that is away sends no word when it is back")]
async fn rest(pause: Duration) {
    tokio::time::sleep(pause).await;
}

/// A run under way.
struct Run<'a> {
    options: &'a Options,
    groups: Vec<Group>,
    workers: JoinSet<Result<Vec<Done>, StreamError>>,
    channels: Vec<mpsc::Sender<Message>>,
    /// The logs as the source names them.
    logs: Arc<[Arc<str>]>,
    ends: bool,
}

struct Group {
    /// Which of the run's groups it is.
    at: usize,
    plan: Arc<GroupPlan>,
    view: ViewId,
    partitions: u32,
    /// Of each log where the partition that is furthest behind stood at the start.
    marks: Vec<LogMark>,
    /// One a log.
    trails: Vec<Trail>,
    counts: Counts,
}

impl Group {
    /// The partitions of `share`.
    fn kept(&self, share: &Share) -> impl Iterator<Item = u32> {
        (0..self.partitions).filter(|&partition| share.has(partition))
    }
}

impl<'a> Run<'a> {
    async fn open(
        store: &Arc<dyn Store>,
        plans: &[Arc<GroupPlan>],
        source: &dyn Source,
        options: &'a Options,
        share: &Share,
    ) -> Result<Self, StreamError> {
        let logs: Arc<[Arc<str>]> = source.logs().into();
        let mut groups = Vec::with_capacity(plans.len());
        for (at, plan) in plans.iter().enumerate() {
            let group = register(store, at, plan, &plans[0], options).await?;
            let kept = group.kept(share).count();
            options.metrics.keeps(&plan.versioned(), kept);
            // Of a view of few partitions perhaps none is this process's.
            if kept > 0 {
                groups.push(group);
            }
        }
        let count = groups.iter().map(|group| group.kept(share).count()).sum::<usize>().max(1);
        let cache = options.cache_bytes / count;
        let workers = options.workers.clamp(1, count);
        let mut operators: Vec<Vec<(usize, Operator)>> = (0..workers).map(|_| Vec::new()).collect();
        let mut next = 0;
        for (at, group) in groups.iter_mut().enumerate() {
            let kept: Vec<u32> = group.kept(share).collect();
            let reads = kept.iter().map(|&partition| Read {
                view: Arc::clone(&group.view),
                partition,
                keys: Vec::new(),
            });
            let found = store.read(reads.collect()).await?;
            let mut new = Vec::with_capacity(found.len());
            for (partition, snapshot) in kept.into_iter().zip(found) {
                let (view, id) = (Arc::clone(&group.plan.view), Arc::clone(&group.view));
                let marker = snapshot.marker;
                new.push(Operator::new(view, id, partition, Arc::clone(&logs), marker, cache)?);
            }
            begin(store, &group.view, group.partitions, &mut new).await?;
            for log in 0..logs.len() {
                let marks = || new.iter().map(|operator| operator.committed(log));
                group.trails.push(Trail::new(&group.plan, marks(), source.may_change()));
                group.marks.push(marks().min_by_key(|mark| mark.next).unwrap_or_default());
            }
            for operator in new {
                operators[next % workers].push((at, operator));
                next += 1;
            }
        }
        for group in &groups {
            for (log, mark) in logs.iter().zip(&group.marks) {
                let (group, next, clock) = (group.plan.versioned(), mark.next, mark.clock);
                info!(group, %log, next, %clock, "reads on from the marker");
            }
        }
        let names: Arc<[String]> = groups.iter().map(|group| group.plan.versioned()).collect();
        let mut run = Self {
            options,
            workers: JoinSet::new(),
            channels: Vec::with_capacity(workers),
            logs,
            ends: plans.first().is_some_and(|plan| plan.source.kind == SourceKind::Static),
            groups,
        };
        for operators in operators {
            let (send, receive) = mpsc::channel(WAITING);
            let worker = Worker {
                store: Arc::clone(store),
                operators,
                chunk_keys: options.chunk_keys,
                sweep: options.sweep,
                durability: options.durability,
                nonces: Nonces::fresh(),
                metrics: options.metrics.clone(),
                groups: Arc::clone(&names),
                done: vec![Done::default(); run.groups.len()],
                flight: None,
                previous: None,
            };
            run.workers.spawn(worker.run(receive));
            run.channels.push(send);
        }
        Ok(run)
    }

    /// Reads the log to its end, or until the share of this process is another one, and waits for the workers.
    async fn read(
        mut self,
        source: &dyn Source,
        progress: &(dyn Fn(&Progress) + Send + Sync),
        shares: Option<&mut Shares>,
    ) -> Result<Part, StreamError> {
        let another = async {
            match shares {
                Some(shares) => shares.changed().await,
                None => std::future::pending().await,
            }
        };
        let mut workers = std::mem::take(&mut self.workers);
        // A worker ends before the reader only by an error, which must not wait for the next record.
        let mut ended = None;
        let read = tokio::select! {
            read = self.feed(source, progress) => read.map(Some),
            Some(joined) = workers.join_next() => {
                ended = Some(joined);
                Ok(None)
            }
            () = another => Ok(None),
        };
        if matches!(read, Ok(None)) && ended.is_none() {
            self.send(&Message::End { seen_to: Instant::MIN }).await;
        }
        // Without their channels the workers come to an end.
        self.channels.clear();
        let mut done = vec![Done::default(); self.groups.len()];
        let mut failed = None;
        loop {
            let joined = match ended.take() {
                None => workers.join_next().await,
                ended => ended,
            };
            let Some(joined) = joined else { break };
            match joined {
                Ok(Ok(worker)) => done.iter_mut().zip(worker).for_each(|(all, one)| all.add(one)),
                Ok(Err(error)) => failed = Some(error),
                Err(cause) => failed = Some(StreamError::Internal { what: cause.to_string() }),
            }
        }
        // A worker's error is why the reader stopped, if both failed.
        if let Some(error) = failed {
            return Err(error);
        }
        let groups = self.groups.into_iter().zip(done).map(|(group, done)| {
            let report = GroupReport {
                counts: group.counts,
                folded: done.folded.rows,
                duplicates: done.folded.duplicates,
                swept: done.swept,
                commits: done.commits,
                conflicts: done.conflicts,
                ..GroupReport::of(&group.plan)
            };
            (group.at, report)
        });
        Ok(Part { progress: read?, groups: groups.collect() })
    }

    async fn feed(
        &mut self,
        source: &dyn Source,
        progress: &(dyn Fn(&Progress) + Send + Sync),
    ) -> Result<Progress, StreamError> {
        let from: Vec<LogMark> = (0..self.logs.len()).map(|log| self.mark(log)).collect();
        let until = self.options.until.unwrap_or(u64::MAX);
        let start = |mark: &LogMark| if source.may_change() { LogMark::default() } else { *mark };
        let mut at: Vec<LogMark> = from.iter().map(start).collect();
        // The record before the first may come again, to be recognised.
        let mut behind: Vec<u64> = at.iter().map(|mark| mark.next.saturating_sub(1)).collect();
        let mut records = 0;
        let names = self.logs.join(", ");
        let failed = |cause| StreamError::Source { log: names.clone(), cause };
        let mut stream = source.read(&at).await.map_err(failed)?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            let log = batch.log;
            // A source may deliver records again; those below the position are passed over.
            if let Some(batch) = batch.between(behind[log], until) {
                behind[log] = batch.end.next.max(at[log].next);
                self.check(&batch, at[log].clock)?;
                at[log] = LogMark { next: behind[log], clock: batch.end.clock.max(at[log].clock), ..at[log] };
                let new = (batch.known.len() - batch.row_at(from[log].next)) as u64;
                records += new;
                self.options.metrics.read(&self.logs[log], new);
                let mut late = BTreeMap::new();
                let pieces = self.prepare(&batch, &mut late)?;
                if let (Some(originals), false) = (&batch.originals, late.is_empty()) {
                    let late: Vec<_> = late.into_iter().collect();
                    originals.keep_late(&late).await.map_err(failed)?;
                }
                if !self.send(&Message::Pieces(pieces)).await {
                    return Ok(reached(records, &at));
                }
                progress(&reached(records, &at));
            }
            if batch.end.next >= until && at.iter().all(|mark| mark.next >= until) {
                self.send(&Message::End { seen_to: Instant::MIN }).await;
                return Ok(reached(records, &at));
            }
        }
        if source.may_change() {
            for group in &self.groups {
                for (trail, log) in group.trails.iter().zip(&*self.logs) {
                    trail.end(log, &group.view)?;
                }
            }
        }
        let seen_to = if self.ends { Instant::MAX } else { Instant::MIN };
        self.send(&Message::End { seen_to }).await;
        Ok(reached(records, &at))
    }

    /// Where some group has to begin with log `log`.
    fn mark(&self, log: usize) -> LogMark {
        self.groups.iter().map(|group| group.marks[log]).min_by_key(|mark| mark.next).unwrap_or_default()
    }

    /// Sends to every worker; false when one is gone, which its result tells.
    async fn send(&self, message: &Message) -> bool {
        for channel in &self.channels {
            if channel.send(message.clone()).await.is_err() {
                return false;
            }
        }
        true
    }

    /// The clock of a log must not run back from `clock`, where it stood before `batch`.
    fn check(&self, batch: &LogBatch, mut clock: Instant) -> Result<(), StreamError> {
        for (&offset, &known) in batch.offsets.values().iter().zip(batch.known.values()) {
            if known < clock.0 {
                let log = self.logs[batch.log].to_string();
                return Err(StreamError::ClockWentBack { log, offset, known: Instant(known), clock });
            }
            clock = Instant(known);
        }
        Ok(())
    }

    /// What `batch` is to each group. Offsets of rows that are late for one go to `late`, with how late.
    fn prepare(
        &mut self,
        batch: &LogBatch,
        late: &mut BTreeMap<u64, Micros>,
    ) -> Result<Arc<[Option<Piece>]>, StreamError> {
        let mut pieces = Vec::with_capacity(self.groups.len());
        let mut cells = Cells::new(batch);
        for group in &mut self.groups {
            let log = &self.logs[batch.log];
            let mut sums = group.trails[batch.log].follow(&mut cells, log, &group.view)?;
            let Some(batch) = batch.between(group.marks[batch.log].next, u64::MAX) else {
                pieces.push(None);
                continue;
            };
            let plan = &group.plan;
            let prepared =
                plan.prepare.prepare(&batch.batch, Mode::AsKnown, Some(&batch.known)).map_err(|cause| {
                    let (group, log, cause) = (plan.name.to_string(), log.to_string(), Box::new(cause));
                    let offset = batch.offsets.values().first().copied().unwrap_or(batch.end.next);
                    StreamError::Prepare { group, log, offset, cause }
                })?;
            group.counts += prepared.counts;
            self.options.metrics.prepared(&plan.versioned(), &prepared.counts);
            late.extend(prepared.late.iter().map(|&(row, by)| (batch.offsets.value(row as usize), by)));
            let sums = sums.split_off(sums.len() - batch.known.len() - 1);
            pieces.push(Some(Piece::new(&plan.view, group.partitions, &batch, &prepared, sums)));
        }
        Ok(pieces.into())
    }
}

/// How far a run has read.
fn reached(records: u64, logs: &[LogMark]) -> Progress {
    let clock = logs.iter().map(|mark| mark.clock).min().unwrap_or(Instant::MIN);
    Progress { records, next: logs.iter().map(|mark| mark.next).sum(), clock }
}

/// How many partitions the views of `groups` have, the most of any. New ones are made known to the store.
pub async fn most_partitions(
    store: &Arc<dyn Store>,
    groups: &[Arc<GroupPlan>],
    options: &Options,
) -> Result<u32, StreamError> {
    let mut most = 1;
    for plan in groups {
        most = most.max(register(store, 0, plan, plan, options).await?.partitions);
    }
    Ok(most)
}

/// Makes the view of `plan` known to the store.
async fn register(
    store: &Arc<dyn Store>,
    at: usize,
    plan: &Arc<GroupPlan>,
    first: &GroupPlan,
    options: &Options,
) -> Result<Group, StreamError> {
    if plan.refresh.is_some() {
        return Err(StreamError::Refreshed { group: plan.name.to_string() });
    }
    if plan.source.root != first.source.root {
        return Err(StreamError::OtherSource {
            group: plan.name.to_string(),
            source_name: first.source.root.to_string(),
            found: plan.source.root.to_string(),
        });
    }
    let view = view_id(&plan.name, plan.version, &plan.meaning);
    let recorded = store.register(&view, options.partitions.unwrap_or(PARTITIONS)).await?;
    match options.partitions {
        Some(asked) if asked != recorded => {
            Err(StreamError::Partitions { view: view.to_string(), recorded, asked })
        }
        _ => {
            let (plan, counts) = (Arc::clone(plan), Counts::default());
            Ok(Group { at, plan, view, partitions: recorded, marks: Vec::new(), trails: Vec::new(), counts })
        }
    }
}

impl Done {
    pub(crate) fn add(&mut self, other: Self) {
        self.folded.rows += other.folded.rows;
        self.folded.duplicates += other.folded.duplicates;
        self.swept += other.swept;
        self.commits += other.commits;
        self.conflicts += other.conflicts;
    }
}
