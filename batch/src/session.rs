//! The engine's settings: cores, memory, where it spills.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::error::BatchError;

/// 32 Ki rows: sorting merges one run per batch, and four times fewer runs than the engine's own 8 Ki
/// rows make take a tenth less time in all, measured; still larger batches no less.
const BATCH_ROWS: usize = 32 << 10;

/// A sorter that spills holds a batch of every run that it merges, so where memory is short, batches
/// are.
const SHORT_BATCH_ROWS: usize = 8 << 10;
const SHORT: usize = 1 << 30;

/// Sorting keeps this much aside per sorter for merging what was spilled; the engine's own 10 MB
/// times the sorters of a few groups would not leave room in a quarter of a gigabyte.
const SPILL_RESERVE: usize = 1 << 20;

/// How a run may use the machine.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// Partitions that run at a time; `None`: one per core.
    pub cores: Option<usize>,
    /// Bytes that sorting may hold before it spills; `None`: no limit.
    pub memory: Option<usize>,
    /// Where sorting spills; `None`: the system's folder for temporary files.
    pub spill: Option<PathBuf>,
}

/// How far a run has come, readable while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicU64,
    written: AtomicU64,
}

impl Progress {
    /// Rows read from sources and spines so far.
    pub fn rows_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Rows written so far.
    pub fn rows_written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(crate) fn add_read(&self, rows: usize) {
        self.read.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_written(&self, rows: usize) {
        self.written.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

/// The batch engine, set up. Cheap to clone; clones share memory limit and progress.
#[derive(Clone)]
pub struct Session {
    parallel: SessionContext,
    ordered: SessionContext,
    cores: usize,
    groups: usize,
    progress: Arc<Progress>,
}

/// A group sorts rows, questions and answers in every partition; with less than this each of those
/// sorters would have little more than a batch, so fewer groups run at a time.
const GROUP_MEMORY: usize = 128 << 20;

impl Session {
    /// Sets the engine up.
    ///
    /// Errors: [`BatchError::Engine`] if the spill folder cannot be used.
    pub fn new(resources: &Resources) -> Result<Self, BatchError> {
        let cores = resources
            .cores
            .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
            .unwrap_or(1)
            .max(1);
        let mut builder = RuntimeEnvBuilder::new();
        if let Some(memory) = resources.memory {
            builder = builder.with_memory_pool(Arc::new(FairSpillPool::new(memory)));
        }
        if let Some(spill) = &resources.spill {
            builder = builder.with_temp_file_path(spill);
        }
        let runtime = builder.build_arc()?;
        let short = resources.memory.is_some_and(|memory| memory < SHORT);
        let rows = if short { SHORT_BATCH_ROWS } else { BATCH_ROWS };
        Ok(Self {
            parallel: context(cores, rows, &runtime),
            ordered: context(1, rows, &runtime),
            cores,
            groups: resources.memory.map_or(cores, |memory| (memory / GROUP_MEMORY).clamp(1, cores)),
            progress: Arc::new(Progress::default()),
        })
    }

    /// The counters of this session's runs.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// How many partitions run at a time.
    pub(crate) fn cores(&self) -> usize {
        self.cores
    }

    /// How many groups run at a time.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// Reads files in parallel, in any order.
    pub(crate) fn parallel(&self) -> &SessionContext {
        &self.parallel
    }

    /// Reads files in one partition, in their order.
    pub(crate) fn ordered(&self) -> &SessionContext {
        &self.ordered
    }

    /// What operators run with.
    pub(crate) fn task(&self) -> Arc<TaskContext> {
        self.parallel.task_ctx()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("cores", &self.cores).finish_non_exhaustive()
    }
}

fn context(partitions: usize, rows: usize, runtime: &Arc<RuntimeEnv>) -> SessionContext {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(rows)
        .with_sort_spill_reservation_bytes(SPILL_RESERVE)
        .with_collect_statistics(false)
        .with_information_schema(false);
    let options = config.options_mut();
    options.execution.parquet.schema_force_view_types = false;
    options.execution.parquet.skip_metadata = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    SessionContext::new_with_config_rt(config, Arc::clone(runtime))
}
