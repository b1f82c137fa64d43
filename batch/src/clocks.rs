//! When each record of a log became known, by its place in the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use feat_compiler::plan::SourcePlan;
use feat_kernel::time::Instant;
use futures::TryStreamExt;

use crate::error::BatchError;
use crate::log::read_log;
use crate::session::Session;
use crate::tables::{Stored, Tables};

/// The clock of every record of a log, by partition and offset.
#[derive(Clone, Debug, Default)]
pub struct Clocks(BTreeMap<u32, Vec<(u64, Instant)>>);

impl Clocks {
    /// Those of a source's table: of an archive by the topic's partitions and offsets, of a file by its places
    /// in the order of the log, as partition 0. Records that are no rows have none.
    ///
    /// Cost: 16 bytes a record; a file is read as [`read_log`] reads it, of an archive three columns.
    /// Errors: what the file holds is not what the source declares.
    pub async fn read(
        session: &Session,
        source: &Arc<SourcePlan>,
        tables: &Tables,
    ) -> Result<Self, BatchError> {
        let table = tables.get(source)?;
        let mut clocks: BTreeMap<u32, Vec<(u64, Instant)>> = BTreeMap::new();
        match &table.rows {
            Stored::Delta { version, .. } if version.is_archive() => {
                let mut records = version.clocks(session.ordered()).await?.execute_stream().await?;
                while let Some(batch) = records.try_next().await? {
                    let partitions = batch.column(0).as_primitive::<Int32Type>();
                    let offsets = batch.column(1).as_primitive::<Int64Type>();
                    let known = batch.column(2).as_primitive::<TimestampMicrosecondType>();
                    for row in 0..batch.num_rows() {
                        let clock = (offsets.value(row) as u64, Instant(known.value(row)));
                        clocks.entry(partitions.value(row) as u32).or_default().push(clock);
                    }
                }
            }
            _ => {
                let mut log = Box::pin(read_log(session, source, tables).await?);
                let clocks = clocks.entry(0).or_default();
                while let Some(batch) = log.try_next().await? {
                    let known = batch.known.values().iter().map(|&known| Instant(known));
                    clocks.extend((batch.first_offset..).zip(known));
                }
            }
        }
        Ok(Self(clocks))
    }

    /// Whether a record at `offset` of `partition` or behind it was known at `t`: who had read the log to there
    /// and answered for `t` had not read all that could count.
    pub fn is_behind(&self, partition: u32, offset: u64, t: Instant) -> bool {
        let Some(clocks) = self.0.get(&partition) else { return false };
        // A partition's clock never goes back.
        let next = clocks.partition_point(|(at, _)| *at < offset);
        clocks.get(next).is_some_and(|(_, known)| *known <= t)
    }

    /// The partitions that have a record.
    pub fn partitions(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }
}
