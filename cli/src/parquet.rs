//! Small Parquet files as one batch: the keys of many lookups, and their answers.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// All rows of a file.
pub(crate) fn read(path: &Path) -> Result<RecordBatch> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .with_context(|| format!("{} is not a Parquet file", path.display()))?;
    let schema = builder.schema().clone();
    let batches = builder.build()?.collect::<Result<Vec<_>, _>>();
    let batches = batches.with_context(|| format!("{} is damaged", path.display()))?;
    Ok(concat_batches(&schema, &batches)?)
}

/// Writes a file beside its place and renames it, so that nothing half written is ever there.
pub(crate) fn write(path: &Path, batch: &RecordBatch) -> Result<()> {
    let beside = path.with_extension("parquet.unfinished");
    let written = || -> Result<()> {
        let properties =
            WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let mut writer = ArrowWriter::try_new(File::create(&beside)?, batch.schema(), Some(properties))?;
        writer.write(batch)?;
        writer.close()?;
        std::fs::rename(&beside, path)?;
        Ok(())
    };
    written()
        .inspect_err(|_| drop(std::fs::remove_file(&beside)))
        .with_context(|| format!("cannot write {}", path.display()))
}
