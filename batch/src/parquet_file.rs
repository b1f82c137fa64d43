//! A Parquet file that is being written: its columns are encoded side by side, on as many threads as
//! there are cores.
//!
//! ```text
//!  batch ─┬─► columns 0, 2, 4 … ─┐
//!         └─► columns 1, 3, 5 … ─┴─► row group, column after column ─► file
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::error::BatchError;

/// The file.
pub(crate) struct ParquetFile {
    path: PathBuf,
    schema: SchemaRef,
    lanes: usize,
    group_rows: usize,
    writer: SerializedFileWriter<File>,
    factory: ArrowRowGroupWriterFactory,
    /// The row group at hand; the lanes have its batches.
    group: Option<RowGroup>,
    /// Row groups that are in the file.
    written: usize,
}

struct RowGroup {
    rows: usize,
    lanes: Vec<Lane>,
}

/// A thread that encodes some of the columns.
struct Lane {
    batches: mpsc::Sender<RecordBatch>,
    columns: JoinHandle<ParquetResult<Vec<Encoded>>>,
}

/// A column of the schema, which has several in the file if it is nested.
struct Encoding {
    column: usize,
    leaves: Vec<ArrowColumnWriter>,
}

struct Encoded {
    column: usize,
    leaves: Vec<ArrowColumnChunk>,
}

/// Batches that a lane has not begun; more would only hold memory.
const WAITING: usize = 2;

/// A row group is held in memory, encoded, until it is whole.
const GROUP_ROWS: usize = 1 << 20;

impl ParquetFile {
    /// An empty file at `path` for rows of `schema`, encoded on `lanes` threads.
    pub(crate) fn create(path: &Path, schema: &SchemaRef, lanes: usize) -> Result<Self, BatchError> {
        let failed = |cause: Box<dyn std::error::Error + Send + Sync>| BatchError::Write {
            path: path.to_owned(),
            cause,
        };
        let file = File::create(path).map_err(|cause| failed(cause.into()))?;
        let mut properties =
            WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
        // Measured sums and means rarely repeat: a dictionary of them costs time and saves nothing.
        for field in schema.fields().iter().filter(|field| field.data_type() == &DataType::Float64) {
            let column = ColumnPath::from(vec![field.name().clone()]);
            properties = properties.set_column_dictionary_enabled(column, false);
        }
        let writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties.build()));
        let (writer, factory) =
            writer.and_then(ArrowWriter::into_serialized_writer).map_err(|cause| failed(cause.into()))?;
        Ok(Self {
            path: path.to_owned(),
            schema: Arc::clone(schema),
            lanes: lanes.clamp(1, schema.fields().len().max(1)),
            group_rows: GROUP_ROWS,
            writer,
            factory,
            group: None,
            written: 0,
        })
    }

    /// Adds rows.
    ///
    /// Errors: [`BatchError::Write`] names the file; what is wrong with earlier rows may turn up late.
    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<(), BatchError> {
        let mut group = match self.group.take() {
            Some(group) => group,
            None => self.start().map_err(|cause| self.failed(cause))?,
        };
        group.rows += batch.num_rows();
        let mut whole = group.rows >= self.group_rows;
        for lane in &group.lanes {
            // A lane that takes no more has failed, and says so when it is waited for.
            whole |= lane.batches.send(batch.clone()).await.is_err();
        }
        if whole {
            return self.append(group).await;
        }
        self.group = Some(group);
        Ok(())
    }

    /// Writes what is left. A file that is dropped before cannot be read.
    pub(crate) async fn close(mut self) -> Result<(), BatchError> {
        if let Some(group) = self.group.take() {
            self.append(group).await?;
        }
        let Self { path, writer, .. } = self;
        writer.close().map_err(|cause| BatchError::Write { path, cause: cause.into() })?;
        Ok(())
    }

    fn start(&self) -> ParquetResult<RowGroup> {
        let columns = self.writer.schema_descr();
        let mut encodings: Vec<Encoding> = Vec::new();
        for (leaf, writer) in self.factory.create_column_writers(self.written)?.into_iter().enumerate() {
            let column = columns.get_column_root_idx(leaf);
            match encodings.last_mut() {
                Some(encoding) if encoding.column == column => encoding.leaves.push(writer),
                _ => encodings.push(Encoding { column, leaves: vec![writer] }),
            }
        }
        let mut dealt: Vec<Vec<Encoding>> = (0..self.lanes).map(|_| Vec::new()).collect();
        for (at, encoding) in encodings.into_iter().enumerate() {
            dealt[at % self.lanes].push(encoding);
        }
        let lanes = dealt.into_iter().map(|encodings| {
            let (batches, waiting) = mpsc::channel(WAITING);
            Lane { batches, columns: spawn_blocking(|| encode(encodings, waiting)) }
        });
        Ok(RowGroup { rows: 0, lanes: lanes.collect() })
    }

    /// Waits until a row group is encoded, and writes it.
    async fn append(&mut self, group: RowGroup) -> Result<(), BatchError> {
        let mut encoded = Vec::with_capacity(self.schema.fields().len());
        for Lane { batches, columns } in group.lanes {
            drop(batches);
            let columns = columns.await.map_err(|cause| ParquetError::External(cause.into()));
            encoded.extend(columns.and_then(|columns| columns).map_err(|cause| self.failed(cause))?);
        }
        encoded.sort_unstable_by_key(|encoded: &Encoded| encoded.column);
        self.written += 1;
        let written = self.writer.next_row_group().and_then(|mut group| {
            for chunk in encoded.into_iter().flat_map(|encoded| encoded.leaves) {
                chunk.append_to_row_group(&mut group)?;
            }
            group.close()
        });
        written.map(drop).map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: ParquetError) -> BatchError {
        BatchError::Write { path: self.path.clone(), cause: cause.into() }
    }
}

/// Encodes columns of the batches that come, to the last.
fn encode(
    mut encodings: Vec<Encoding>,
    mut batches: mpsc::Receiver<RecordBatch>,
) -> ParquetResult<Vec<Encoded>> {
    while let Some(batch) = batches.blocking_recv() {
        for Encoding { column, leaves } in &mut encodings {
            let found = compute_leaves(batch.schema_ref().field(*column), batch.column(*column))?;
            for (leaf, found) in leaves.iter_mut().zip(&found) {
                leaf.write(found)?;
            }
        }
    }
    let close = |Encoding { column, leaves }: Encoding| {
        let leaves = leaves.into_iter().map(ArrowColumnWriter::close).collect::<ParquetResult<_>>()?;
        Ok(Encoded { column, leaves })
    };
    encodings.into_iter().map(close).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        ArrayRef, Float64Array, Int64Array, ListBuilder, StringArray, StringBuilder, StructArray,
    };
    use arrow::compute::concat_batches;
    use arrow::datatypes::{Field, Fields};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    /// Rows `from..to` of numbers, texts, lists and pairs, some of them null.
    fn rows(from: i64, to: i64) -> RecordBatch {
        let every = |nth: i64, x: i64| (x % nth != 0).then_some(x);
        let numbers: Int64Array = (from..to).map(|x| every(3, x)).collect();
        let mut lists = ListBuilder::new(StringBuilder::new());
        for x in from..to {
            lists.append_option(
                every(5, x).map(|x| (0..x % 4).map(|at| Some(at.to_string())).collect::<Vec<_>>()),
            );
        }
        let pair: Fields =
            vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Float64, true)].into();
        let floats: Float64Array = (from..to).map(|x| every(2, x).map(|x| x as f64 / 7.0)).collect();
        let pairs = StructArray::new(pair, vec![Arc::new(numbers.clone()), Arc::new(floats.clone())], None);
        let texts: StringArray = (from..to).map(|x| every(7, x).map(|x| format!("text {x}"))).collect();
        let columns: [(&str, ArrayRef); 5] = [
            ("pairs", Arc::new(pairs)),
            ("numbers", Arc::new(numbers)),
            ("lists", Arc::new(lists.finish())),
            ("floats", Arc::new(floats)),
            ("texts", Arc::new(texts)),
        ];
        let columns = columns.into_iter().map(|(name, column)| (name, column, true));
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    fn read(path: &Path) -> (usize, RecordBatch) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        let (groups, schema) = (reader.metadata().num_row_groups(), Arc::clone(reader.schema()));
        let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        (groups, concat_batches(&schema, &batches).unwrap())
    }

    #[tokio::test]
    async fn what_is_read_is_what_was_written_for_any_number_of_lanes_and_row_groups() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        let schema = rows(0, 0).schema();
        for (lanes, ends, groups) in
            [(1, vec![10], 1), (2, vec![9, 10, 25, 26, 40], 3), (9, vec![100], 1), (3, vec![], 0)]
        {
            let mut file = ParquetFile::create(&path, &schema, lanes).unwrap();
            file.group_rows = 10;
            let mut from = 0;
            for &to in &ends {
                file.write(&rows(from, to)).await.unwrap();
                from = to;
            }
            file.close().await.unwrap();
            assert_eq!(read(&path), (groups, rows(0, from)), "{lanes} lanes, ends {ends:?}");
        }
    }

    #[tokio::test]
    async fn a_lane_that_fails_says_why_and_which_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        let mut file = ParquetFile::create(&path, &rows(0, 0).schema(), 2).unwrap();
        // Texts where numbers are declared.
        let wrong = rows(0, 9).project(&[4, 4, 2, 3, 4]).unwrap();
        let mut said = file.write(&wrong).await;
        while said.is_ok() {
            said = file.write(&rows(0, 9)).await;
        }
        let said = said.unwrap_err();
        assert!(matches!(&said, BatchError::Write { path: of, .. } if *of == path), "{said}");
    }
}
