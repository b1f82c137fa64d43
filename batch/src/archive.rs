//! Archives: the records of a topic in a Delta table, from which the log can be read when the topic has
//! forgotten it.
//!
//! ```text
//!  records of offsets [a, b) ──append──► one commit: files, and for each partition "I hold everything below b"
//! ```
//!
//! How far a partition is held stands in the commit itself, as the version of an application's transaction,
//! which Delta has for that: rows and position are there together or not at all, and a range that comes
//! again changes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execute_stream;
use deltalake::DeltaTable;
use deltalake::kernel::Transaction;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::protocol::SaveMode;
use feat_compiler::plan::SourcePlan;
use feat_compiler::recorded::{self, Clash};
use feat_kernel::time::Instant;
use futures::{Stream, StreamExt, TryStreamExt};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use crate::delta::DeltaVersion;
use crate::delta_folder::DeltaFolder;
use crate::error::BatchError;
use crate::session::Session;

/// What an archive says of itself, in the description of the table's metadata.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    archive: String,
    topic: String,
    columns: Vec<String>,
}

impl Contents {
    fn of(source: &SourcePlan, topic: &str) -> Self {
        let columns = source.stored.iter().map(|column| {
            let zone = column.zone.as_deref().map(|zone| format!(" in {zone}")).unwrap_or_default();
            format!("{}: {}{zone}", column.name, column.slot.ty)
        });
        Self { archive: source.root.to_string(), topic: topic.to_owned(), columns: columns.collect() }
    }
}

/// How far a partition is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The offset of the next record.
    pub next: u64,
    /// The partition's clock before it.
    pub clock: Instant,
}

impl Default for Held {
    fn default() -> Self {
        Self { next: 0, clock: Instant::MIN }
    }
}

/// Records of one partition between two offsets.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The partition.
    pub partition: usize,
    /// The offset from which on it has every record.
    pub from: u64,
    /// How far it goes.
    pub to: Held,
    /// The records, of [`recorded::schema`].
    pub records: RecordBatch,
}

/// A record as an archive gives it back.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its partition.
    pub partition: usize,
    /// Its offset.
    pub offset: u64,
    /// The partition's clock at it.
    pub clock: Instant,
    /// Its value; `None` in a tombstone.
    pub value: Option<&'a [u8]>,
}

/// Records that were read, of several partitions.
#[derive(Clone, Debug)]
pub struct Records(RecordBatch);

impl Records {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let partitions = self.0.column(0).as_primitive::<Int32Type>();
        let offsets = self.0.column(1).as_primitive::<Int64Type>();
        let clocks = self.0.column(2).as_primitive::<TimestampMicrosecondType>();
        let values = self.0.column(3).as_binary::<i32>();
        (0..self.0.num_rows()).map(move |at| Record {
            partition: partitions.value(at) as usize,
            offset: offsets.value(at) as u64,
            clock: Instant(clocks.value(at)),
            value: (!arrow::array::Array::is_null(values, at)).then(|| values.value(at)),
        })
    }
}

/// The archive of a source's topic.
pub struct Archive {
    location: String,
    table: DeltaTable,
    contents: Contents,
    /// By partition; none that holds nothing.
    held: BTreeMap<usize, Held>,
    /// Of the one who writes.
    folder: Option<DeltaFolder>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Archive {
    /// Where the archive of `source` is below `root`.
    pub fn location(root: &str, source: &SourcePlan) -> String {
        format!("{}/archive/{}", root.trim_end_matches('/'), source.root)
    }

    /// The archive of `source`, whose topic has `partitions` partitions, to be read; `None` if there is none.
    ///
    /// Errors: it is of another topic, or was written with other columns.
    pub async fn find(
        root: &str,
        source: &SourcePlan,
        topic: &str,
        partitions: usize,
    ) -> Result<Option<Self>, BatchError> {
        let location = Self::location(root, source);
        if !DeltaVersion::is_in(Path::new(&location)) {
            return Ok(None);
        }
        let failed = |cause| BatchError::DeltaRead { location: location.clone(), cause };
        let url = deltalake::ensure_table_uri(&location).map_err(failed)?;
        let table = deltalake::open_table(url).await.map_err(failed)?;
        Self::of(location, table, Contents::of(source, topic), None, partitions).await.map(Some)
    }

    /// The archive of `source`, new or from earlier runs, to be written by this run alone.
    ///
    /// Errors: another run writes it; it is of another topic, or was written with other columns; the source
    /// has a column that every archive has.
    pub async fn open(
        root: &str,
        source: &SourcePlan,
        topic: &str,
        partitions: usize,
    ) -> Result<Self, BatchError> {
        recorded::schema(source).map_err(|clash: Clash| BatchError::Request(clash.to_string()))?;
        let folder = DeltaFolder::hold(Self::location(root, source))?;
        let table = folder.table().await?;
        let location = folder.location().to_owned();
        Self::of(location, table, Contents::of(source, topic), Some(folder), partitions).await
    }

    async fn of(
        location: String,
        table: DeltaTable,
        contents: Contents,
        folder: Option<DeltaFolder>,
        partitions: usize,
    ) -> Result<Self, BatchError> {
        let failed = |cause| BatchError::DeltaRead { location: location.clone(), cause };
        let mut held = BTreeMap::new();
        if table.version().is_some() {
            let snapshot = table.snapshot().map_err(failed)?;
            let found = snapshot.metadata().description().map(serde_json::from_str::<Contents>);
            let found = found.and_then(Result::ok);
            if found.as_ref() != Some(&contents) {
                let what = match found {
                    Some(found) if found.columns == contents.columns => {
                        format!("is the archive of topic `{}`", found.topic)
                    }
                    Some(found) => format!(
                        "was written when source `{}` had the columns {}",
                        contents.archive,
                        found.columns.join(", ")
                    ),
                    None => "is no archive".to_owned(),
                };
                let reason = format!(
                    "{what}: move the folder away, and `feat archive` writes it anew from what the topic still \
                     has"
                );
                return Err(BatchError::File { path: location.into(), reason });
            }
            let log = table.log_store();
            for partition in 0..partitions {
                let (next, clock) = applications(&contents.topic, partition);
                let next = snapshot.transaction_version(log.as_ref(), next).await.map_err(failed)?;
                let clock = snapshot.transaction_version(log.as_ref(), clock).await.map_err(failed)?;
                if let (Some(next), Some(clock)) = (next, clock) {
                    held.insert(partition, Held { next: next as u64, clock: Instant(clock) });
                }
            }
        }
        Ok(Self { location, table, contents, held, folder })
    }

    /// Where this one is.
    pub fn place(&self) -> &str {
        &self.location
    }

    /// How far `partition` is held.
    pub fn held(&self, partition: usize) -> Held {
        self.held.get(&partition).copied().unwrap_or_default()
    }

    /// Appends records in one commit; how many were new.
    ///
    /// What is held already is passed over. The segments of a partition stand in their order.
    /// Errors: a range that does not follow what is held; nothing is appended then, and nothing of a commit
    /// that fails is left.
    pub async fn append(&mut self, segments: Vec<Segment>) -> Result<u64, BatchError> {
        let (mut held, mut records, mut count) = (self.held.clone(), Vec::new(), 0);
        for segment in segments {
            let before = held.get(&segment.partition).copied().unwrap_or_default();
            if segment.to.next <= before.next {
                continue;
            }
            // The first records of a topic may have been gone before anybody kept them.
            if segment.from > before.next && before.next > 0 {
                let reason = format!(
                    "holds partition {} to offset {}, and what follows begins at {}: the topic lost records that \
                     were not archived; move the folder away to begin anew",
                    segment.partition, before.next, segment.from
                );
                return Err(BatchError::File { path: self.location.clone().into(), reason });
            }
            let offsets = segment.records.column(2).as_primitive::<Int64Type>();
            let known = offsets.values().partition_point(|&offset| (offset as u64) < before.next);
            let new = segment.records.slice(known, segment.records.num_rows() - known);
            count += new.num_rows() as u64;
            records.push(new);
            held.insert(segment.partition, segment.to);
        }
        if records.is_empty() {
            return Ok(0);
        }
        let changed = held.iter().filter(|(partition, now)| self.held.get(partition) != Some(now));
        let transactions = changed.flat_map(|(&partition, now)| {
            let (next, clock) = applications(&self.contents.topic, partition);
            [Transaction::new(next, now.next as i64), Transaction::new(clock, now.clock.0)]
        });
        let properties = CommitProperties::default().with_application_transactions(transactions.collect());
        let compression = Compression::ZSTD(ZstdLevel::default());
        let mut writing = (self.table.clone().write(records))
            .with_save_mode(SaveMode::Append)
            .with_commit_properties(properties)
            .with_writer_properties(WriterProperties::builder().set_compression(compression).build());
        if self.table.version().is_none() {
            let description = serde_json::to_string(&self.contents).expect("invariant: text is JSON");
            writing = writing.with_description(description);
        }
        match writing.await {
            Ok(table) => self.table = table,
            Err(cause) => {
                if let Some(folder) = &self.folder {
                    folder.remove_what_is_new();
                }
                return Err(BatchError::Delta { location: self.location.clone(), cause });
            }
        }
        self.held = held;
        if let Some(folder) = &mut self.folder {
            folder.keep()?;
        }
        Ok(count)
    }

    /// The records behind the offsets `from`, one a partition, in the order in which they became known; those
    /// of one partition in the order of their offsets.
    ///
    /// Cost: reads the files that may hold them, and sorts, spilling under the session's limit.
    pub async fn read(
        &self,
        session: &Session,
        from: &[u64],
    ) -> Result<impl Stream<Item = Result<Records, BatchError>> + Send + use<>, BatchError> {
        let version = DeltaVersion::of(self.table.clone(), self.location.clone());
        let frame = version.records(session.parallel(), from).await?;
        let plan = frame.create_physical_plan().await?;
        let progress = Arc::clone(session.progress());
        let plan = CoalescePartitionsExec::new(plan);
        let rows = execute_stream(Arc::new(plan), session.task())?;
        Ok(rows.map_err(BatchError::from).map(move |batch| {
            let batch = batch?;
            progress.add_read(batch.num_rows());
            Ok(Records(batch))
        }))
    }
}

/// The applications whose versions say how far a partition is held: its next offset, and its clock.
fn applications(topic: &str, partition: usize) -> (String, String) {
    (format!("feat archive {topic}/{partition}"), format!("feat archive {topic}/{partition} clock"))
}
