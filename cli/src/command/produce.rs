//! `feat produce`: writes the rows of a source's file to its topic, as they became known.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use feat_kernel::column;
use feat_kernel::time::Instant;
use feat_streaming::kafka::Producer;
use futures::TryStreamExt;

use super::stream::live::{settings, topic};
use crate::arguments::{Arguments, Produce};
use crate::places::{self, Role};
use crate::{output, text};

/// Writes every row as a JSON object whose timestamp is the instant at which it became known, cut to
/// the millisecond.
pub(crate) fn run(common: &Arguments, produce: &Produce) -> Result<ExitCode> {
    let project = super::runnable(common)?;
    let sources = &project.compiled.plans.sources;
    let source = super::find(&project, "source", sources, &produce.source)?;
    let session = places::session(&project)?;
    let tables = places::tables(&project, [source], Role::Replay)?;
    let producer = Producer::open(topic(source)?, &settings(&project)?)?;
    let key = produce.key.as_deref();
    if let Some(key) = key
        && !source.stored.iter().any(|column| column.name == key)
    {
        anyhow::bail!("source `{}` has no column `{key}`", source.root.name);
    }
    let written = super::block_on(async {
        let mut log = std::pin::pin!(feat_batch::read_log(&session, source, &tables).await?);
        let bar = output::progress("producing", 0);
        let (mut written, mut before) = (0_u64, None::<Instant>);
        while let Some(part) = log.try_next().await? {
            for row in 0..part.batch.num_rows() {
                if produce.limit.is_some_and(|limit| written >= limit) {
                    break;
                }
                let known = Instant(part.known.value(row));
                wait(produce.speed, before.replace(known), known).await;
                let mut record = serde_json::Map::new();
                let mut key_text = None;
                for (column, stored) in part.batch.columns().iter().zip(&source.stored) {
                    let value = column::value(column, &stored.slot.ty, row);
                    let json = text::json_of(&value, &stored.slot.ty);
                    if key == Some(stored.name.as_str()) && !value.is_null() {
                        key_text = Some(json.as_str().map_or_else(|| json.to_string(), str::to_owned));
                    }
                    record.insert(stored.name.clone(), json);
                }
                let value = serde_json::to_vec(&record).context("a row as JSON")?;
                producer.send(key_text.as_deref(), &value, known).await?;
                written += 1;
                bar.set_position(written);
            }
        }
        producer.flush()?;
        bar.finish_and_clear();
        Ok(written)
    })?;
    output::line(format!("{}: {} records", topic(source)?, output::thousands(written)));
    Ok(ExitCode::SUCCESS)
}

/// Waits as long as passed between two rows, `speed` times faster; not at all without a speed.
#[expect(clippy::disallowed_methods, reason = "the passing of time is what is replayed")]
async fn wait(speed: Option<f64>, before: Option<Instant>, known: Instant) {
    let (Some(speed), Some(before)) = (speed, before) else { return };
    let micros = known.0.saturating_sub(before.0);
    if before > Instant::MIN && micros > 0 {
        tokio::time::sleep(Duration::from_secs_f64(micros as f64 / 1e6 / speed)).await;
    }
}
