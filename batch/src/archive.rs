//! Archives: the records of a topic in a Delta table, from which the log can be read when the topic has
//! forgotten it.
//!
//! ```text
//!  records of offsets [a, b) ──append──► one commit: files, and for each partition "I hold everything below b"
//! ```
//!
//! How far a partition is held stands in the commit itself, as the version of an application's transaction,
//! which Delta has for that: rows and position are there together or not at all, and a range that comes
//! again changes nothing. Where a partition begins stands there as well, from the first commit on and of every
//! partition, also of one that had no record then: what the topic had forgotten before is nowhere, and what it
//! forgets afterwards is a gap.

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

/// What is held of a partition: its records from `first` on, before `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The first offset that the topic still had when the archive began.
    pub first: u64,
    /// The offset of the next record.
    pub next: u64,
    /// The partition's clock before it.
    pub clock: Instant,
}

impl Held {
    /// Nothing yet of a partition that begins at offset `first`.
    fn nothing(first: u64) -> Self {
        Self { first, next: first, clock: Instant::MIN }
    }
}

/// Records of one partition between two offsets.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The partition.
    pub partition: usize,
    /// The offset from which on it has every record.
    pub from: u64,
    /// The offset behind its last record.
    pub next: u64,
    /// The partition's clock before that.
    pub clock: Instant,
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
    /// Of each partition of the topic.
    held: Vec<Held>,
    /// What the table's commits say of it, in which a partition that came since is not.
    kept: BTreeMap<usize, Held>,
    /// Of the one who writes.
    folder: Option<DeltaFolder>,
    /// Of the one who writes: by partition the value of the record before `next`, until the topic gives it again.
    tails: BTreeMap<usize, Option<Vec<u8>>>,
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
        Self::of(location, table, Contents::of(source, topic), None, &vec![0; partitions]).await.map(Some)
    }

    /// The archive of `source`, new or from earlier runs, to be written by this run alone. `begins` are the
    /// first offsets that the topic still has, one a partition: a new archive begins there.
    ///
    /// Cost: reads the last record of each partition.
    /// Errors: another run writes it; it is of another topic, or was written with other columns; the source
    /// has a column that every archive has.
    pub async fn open(
        session: &Session,
        root: &str,
        source: &SourcePlan,
        topic: &str,
        begins: &[u64],
    ) -> Result<Self, BatchError> {
        recorded::schema(source).map_err(|clash: Clash| BatchError::Request(clash.to_string()))?;
        let folder = DeltaFolder::hold(Self::location(root, source))?;
        let table = folder.table().await?;
        let location = folder.location().to_owned();
        let mut archive =
            Self::of(location, table, Contents::of(source, topic), Some(folder), begins).await?;
        archive.tails = archive.last(session).await?;
        Ok(archive)
    }

    /// The value of the last record of each partition, if it is right before what comes next.
    async fn last(&self, session: &Session) -> Result<BTreeMap<usize, Option<Vec<u8>>>, BatchError> {
        let mut last = BTreeMap::new();
        if self.kept.values().all(|held| held.next == held.first) {
            return Ok(last);
        }
        let from: Vec<u64> = self.held.iter().map(|held| held.next.saturating_sub(1)).collect();
        let mut read = std::pin::pin!(self.read(session, &from).await?);
        while let Some(records) = read.try_next().await? {
            for record in records.iter().filter(|record| from[record.partition] == record.offset) {
                last.insert(record.partition, record.value.map(<[u8]>::to_vec));
            }
        }
        Ok(last)
    }

    async fn of(
        location: String,
        table: DeltaTable,
        contents: Contents,
        folder: Option<DeltaFolder>,
        begins: &[u64],
    ) -> Result<Self, BatchError> {
        let failed = |cause| BatchError::DeltaRead { location: location.clone(), cause };
        let mut held: Vec<Held> = begins.iter().copied().map(Held::nothing).collect();
        let mut kept = BTreeMap::new();
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
            for (partition, held) in held.iter_mut().enumerate() {
                let mut found = [None; 3];
                for (found, application) in found.iter_mut().zip(applications(&contents.topic, partition)) {
                    let version = snapshot.transaction_version(log.as_ref(), application);
                    *found = version.await.map_err(failed)?;
                }
                // One that came since has had nothing before its first record.
                *held = Held::nothing(0);
                if let [Some(first), Some(next), Some(clock)] = found {
                    *held = Held { first: first as u64, next: next as u64, clock: Instant(clock) };
                    kept.insert(partition, *held);
                }
            }
        }
        Ok(Self { location, table, contents, held, kept, folder, tails: BTreeMap::new() })
    }

    /// Where this one is.
    pub fn place(&self) -> &str {
        &self.location
    }

    /// What is held of each partition.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// Appends records in one commit; how many were new.
    ///
    /// What is held already is passed over, but for the record before what comes next: it must be the same still.
    /// The segments of a partition stand in their order.
    /// Errors: a range that does not follow what is held, or of another topic; nothing is appended then, and
    /// nothing of a commit that fails is left.
    pub async fn append(&mut self, segments: Vec<Segment>) -> Result<u64, BatchError> {
        let (mut held, mut records, mut count) = (self.held.clone(), Vec::new(), 0);
        for segment in segments {
            let before = held[segment.partition];
            self.recognise(&segment, before)?;
            if segment.next <= before.next {
                continue;
            }
            if segment.from > before.next {
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
            held[segment.partition] = Held { next: segment.next, clock: segment.clock, ..before };
        }
        if records.is_empty() {
            return Ok(0);
        }
        let now: BTreeMap<usize, Held> = held.iter().copied().enumerate().collect();
        let changed = now.iter().filter(|(partition, now)| self.kept.get(partition) != Some(now));
        let transactions = changed.flat_map(|(&partition, now)| {
            let says = [now.first as i64, now.next as i64, now.clock.0];
            let applications = applications(&self.contents.topic, partition);
            applications.into_iter().zip(says).map(|(application, says)| Transaction::new(application, says))
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
        (self.held, self.kept) = (held, now);
        if let Some(folder) = &mut self.folder {
            folder.keep()?;
        }
        Ok(count)
    }

    /// Sees whether the topic is the one whose records are held, if the segment repeats the last of them.
    fn recognise(&mut self, segment: &Segment, held: Held) -> Result<(), BatchError> {
        let Some(tail) = self.tails.remove(&segment.partition) else { return Ok(()) };
        let column = |name| segment.records.column_by_name(name).expect("invariant: an archive's column");
        let offsets = column(recorded::OFFSET).as_primitive::<Int64Type>();
        let values = column(recorded::RAW).as_binary::<i32>();
        let offset = held.next - 1;
        // By retention or compaction it may be gone.
        let Ok(at) = offsets.values().binary_search(&(offset as i64)) else { return Ok(()) };
        let found = arrow::array::Array::is_valid(values, at).then(|| values.value(at));
        if found == tail.as_deref() {
            return Ok(());
        }
        let reason = format!(
            "holds another record {offset} of partition {} than topic `{}` has: the topic was made anew, or \
             rewritten; move the folder away to begin anew",
            segment.partition, self.contents.topic
        );
        Err(BatchError::File { path: self.location.clone().into(), reason })
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

/// The applications whose versions say what is held of a partition: its first offset, its next one, its clock.
fn applications(topic: &str, partition: usize) -> [String; 3] {
    let next = format!("feat archive {topic}/{partition}");
    [format!("{next} first"), next.clone(), format!("{next} clock")]
}
