//! A Delta table as it stood when it was opened.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::cast;
use datafusion::prelude::{SessionContext, ident, lit};
use deltalake::DeltaTable;
use feat_compiler::recorded;

use crate::error::BatchError;
use crate::scan::{KNOWN, Order};

/// A Delta table as it stood when it was opened: what others write later is not seen.
#[derive(Clone, Debug)]
pub(crate) struct DeltaVersion {
    table: DeltaTable,
    location: String,
    /// Of an archive, the offsets before which records count, by partition; all without.
    before: Option<BTreeMap<u32, u64>>,
}

impl DeltaVersion {
    /// The newest version of the table in `folder`. Blocks.
    ///
    /// Errors: there is no such table, or one that cannot be read.
    pub(crate) fn open(folder: &Path) -> Result<Self, BatchError> {
        let location = folder.display().to_string();
        let failed = |cause| BatchError::DeltaRead { location: location.clone(), cause };
        // Whoever asks may be a runtime's thread, which must not wait for another's future.
        let opened = std::thread::scope(|scope| {
            let open = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime =
                    runtime.map_err(|cause| deltalake::DeltaTableError::Generic(cause.to_string()))?;
                runtime.block_on(deltalake::open_table(deltalake::ensure_table_uri(&location)?))
            };
            scope.spawn(open).join()
        });
        let table = opened.unwrap_or_else(|_| {
            Err(deltalake::DeltaTableError::Generic("the reader of its log stopped".to_owned()))
        });
        Ok(Self { table: table.map_err(failed)?, location: location.clone(), before: None })
    }

    /// The table that `table` is.
    pub(crate) fn of(table: DeltaTable, location: String) -> Self {
        Self { table, location, before: None }
    }

    /// Leaves out the records of an archive at these offsets and behind them, by partition.
    pub(crate) fn cut(&mut self, before: &BTreeMap<u32, u64>) {
        self.before = Some(before.clone());
    }

    /// Whether a folder holds a Delta table.
    pub(crate) fn is_in(folder: &Path) -> bool {
        folder.join("_delta_log").is_dir()
    }

    /// Whether its rows are the records of a log, of which is known when each became known.
    pub(crate) fn is_archive(&self) -> bool {
        self.table.snapshot().is_ok_and(|snapshot| {
            let schema = snapshot.schema();
            [recorded::PARTITION, recorded::OFFSET, recorded::KNOWN, recorded::RAW, recorded::FAULT]
                .iter()
                .all(|name| schema.contains(name))
        })
    }

    /// What identifies it: its own name, its version, and its files.
    pub(crate) fn fingerprint(&self, hasher: &mut blake3::Hasher) -> Result<(), BatchError> {
        let snapshot = self.table.snapshot().map_err(|cause| self.failed(cause))?;
        hasher.update(snapshot.metadata().id().as_bytes());
        hasher.update(&snapshot.version().to_le_bytes());
        let mut files: Vec<String> =
            snapshot.log_data().iter().map(|file| format!("{} {}\n", file.path(), file.size())).collect();
        files.sort_unstable();
        hasher.update(files.concat().as_bytes());
        for (partition, offset) in self.before.iter().flatten() {
            hasher.update(&partition.to_le_bytes());
            hasher.update(&offset.to_le_bytes());
        }
        Ok(())
    }

    /// The table's rows. Of an archive the records that are rows, in the order in which they became known if
    /// `order` asks for one, with [`KNOWN`] beside the source's columns.
    pub(crate) async fn rows(&self, context: &SessionContext, order: Order) -> Result<DataFrame, BatchError> {
        let frame = self.frame(context).await?;
        if !self.is_archive() {
            return Ok(frame);
        }
        let mut frame = self.readable(frame)?;
        if order == Order::File {
            frame = in_order(frame)?;
        }
        let own = [recorded::TOPIC, recorded::PARTITION, recorded::OFFSET, recorded::KEY, recorded::RAW];
        let own = own.into_iter().chain([recorded::KNOWN, recorded::FAULT]).collect::<Vec<_>>();
        let columns = frame.schema().fields().iter().map(|field| field.name().clone());
        let columns: Vec<_> = columns.filter(|name| !own.contains(&name.as_str())).map(ident).collect();
        let known = cast(ident(recorded::KNOWN), DataType::Int64).alias(KNOWN);
        Ok(frame.select(columns.into_iter().chain([known]).collect::<Vec<_>>())?)
    }

    /// Where each record of an archive that is a row stands and when it became known: partition, offset, clock.
    pub(crate) async fn clocks(&self, context: &SessionContext) -> Result<DataFrame, BatchError> {
        let columns = [recorded::PARTITION, recorded::OFFSET, recorded::KNOWN];
        let frame = self.readable(self.frame(context).await?)?.select(columns.map(ident).to_vec())?;
        Ok(frame.sort(columns[..2].iter().map(|column| ident(*column).sort(true, false)).collect())?)
    }

    /// The records of an archive that are rows, those before the cut.
    fn readable(&self, frame: DataFrame) -> Result<DataFrame, BatchError> {
        let frame = frame.filter(ident(recorded::FAULT).is_null())?;
        let Some(before) = &self.before else { return Ok(frame) };
        let earlier = before.iter().fold(lit(false), |any, (&partition, &next)| {
            let of = ident(recorded::PARTITION).eq(lit(partition as i32));
            any.or(of.and(ident(recorded::OFFSET).lt(lit(next as i64))))
        });
        Ok(frame.filter(earlier)?)
    }

    /// The records of an archive behind the offsets `from`, one a partition, in the order in which they became
    /// known: partition, offset, clock and value of each.
    pub(crate) async fn records(
        &self,
        context: &SessionContext,
        from: &[u64],
    ) -> Result<DataFrame, BatchError> {
        let frame = self.frame(context).await?;
        // Of partitions that are not named every record.
        let later = from.iter().enumerate().fold(
            ident(recorded::PARTITION).gt_eq(lit(from.len() as i32)),
            |any, (partition, &next)| {
                let of = ident(recorded::PARTITION).eq(lit(partition as i32));
                any.or(of.and(ident(recorded::OFFSET).gt_eq(lit(next as i64))))
            },
        );
        let columns = [recorded::PARTITION, recorded::OFFSET, recorded::KNOWN, recorded::RAW];
        let frame = frame.filter(later)?.select(columns.map(ident).to_vec())?;
        in_order(frame)
    }

    async fn frame(&self, context: &SessionContext) -> Result<DataFrame, BatchError> {
        let provider = self.table.table_provider().with_session(Arc::new(context.state())).await;
        Ok(context.read_table(provider?)?)
    }

    fn failed(&self, cause: deltalake::DeltaTableError) -> BatchError {
        BatchError::DeltaRead { location: self.location.clone(), cause }
    }
}

/// The order of the log that an archive's partitions make together: none of them is read far ahead of the
/// others, so that nobody has to hold what the others have not come to yet.
fn in_order(frame: DataFrame) -> Result<DataFrame, BatchError> {
    let columns = [recorded::KNOWN, recorded::PARTITION, recorded::OFFSET];
    Ok(frame.sort(columns.map(|column| ident(column).sort(true, false)).to_vec())?)
}
