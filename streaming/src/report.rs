//! Reports: how far a run has read, and what it did for each group.

use std::sync::Arc;

use feat_compiler::plan::GroupPlan;
use feat_compiler::prepare::Counts;
use feat_kernel::time::Instant;
use feat_store::{ViewId, view_id};

/// How far a run has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Records read by this run that were new to some group.
    pub records: u64,
    /// The offset of the next record; of several logs, their sum.
    pub next: u64,
    /// The log's clock; of several, the least.
    pub clock: Instant,
}

/// What a run did for one group.
#[derive(Clone, Debug)]
pub struct GroupReport {
    /// The group.
    pub group: String,
    /// The name of its view in the store.
    pub view: ViewId,
    /// What became of the records that this run prepared. Records that every partition of the group had
    /// before are not among them.
    pub counts: Counts,
    /// Rows that were folded into tiles; rows may still wait for their time.
    pub folded: u64,
    /// Rows that were found to be duplicates when their time came.
    pub duplicates: u64,
    /// Idle entities that were deleted.
    pub swept: u64,
    /// Commits of this run.
    pub commits: u64,
    /// Commits that met another marker than expected, and were done again.
    pub conflicts: u64,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Report {
    /// How far it read.
    pub progress: Progress,
    /// One a group, in the order given.
    pub groups: Vec<GroupReport>,
}

/// What a run did while its share of the partitions was one.
pub(crate) struct Part {
    /// How far it had read at the end of the log; `None` if its share became another one before.
    pub(crate) progress: Option<Progress>,
    /// What it did for a group, and which it is.
    pub(crate) groups: Vec<(usize, GroupReport)>,
}

impl GroupReport {
    /// Nothing is done yet.
    pub(crate) fn of(plan: &GroupPlan) -> Self {
        Self {
            group: plan.name.to_string(),
            view: view_id(&plan.name, plan.version, &plan.meaning),
            counts: Counts::default(),
            folded: 0,
            duplicates: 0,
            swept: 0,
            commits: 0,
            conflicts: 0,
        }
    }
}

impl Report {
    /// Nothing is done yet.
    pub(crate) fn of(plans: &[Arc<GroupPlan>]) -> Self {
        let progress = Progress { records: 0, next: 0, clock: Instant::MIN };
        Self { progress, groups: plans.iter().map(|plan| GroupReport::of(plan)).collect() }
    }

    /// Adds a part; whether it reached the end of the log.
    pub(crate) fn add(&mut self, part: Part) -> bool {
        for (at, done) in part.groups {
            let group = &mut self.groups[at];
            group.counts += done.counts;
            group.folded += done.folded;
            group.duplicates += done.duplicates;
            group.swept += done.swept;
            group.commits += done.commits;
            group.conflicts += done.conflicts;
        }
        if let Some(progress) = part.progress {
            self.progress = progress;
        }
        part.progress.is_some()
    }
}
