//! Lookups from the embedded store: 24 features of four windows, for 1 and for 100 entities.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant as Clock;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use feat_kernel::time::Instant;
use feat_serving::{Catalog, Inputs};
use feat_store::{EmbeddedStore, Store};
use feat_streaming::{Options, run};
use feat_tests::dice::Dice;

use crate::clicks;
use crate::stopwatch::{cpu, cpu_since, percentile};

const CHUNK_KEYS: usize = 4096;
/// Users of `generate.py`.
const USERS: i64 = 100_000;

/// Prints the median and the 99th percentile of a lookup, and its CPU time.
pub(crate) async fn measure(data: &Path) -> Result<(), String> {
    let text = |cause: &dyn std::error::Error| cause.to_string();
    let plans = clicks::plans()?;
    let group = clicks::group(&plans, "clicks")?;
    let folder = tempfile::tempdir().map_err(|cause| text(&cause))?;
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder.path()).map_err(|cause| text(&cause))?);
    let log = clicks::log(&group, &data.join("events.parquet"))?;
    let options = Options { chunk_keys: CHUNK_KEYS, ..Options::default() };
    run(&store, &[group], &log, &options, &|_| ()).await.map_err(|cause| text(&cause))?;

    let catalog = Catalog::new(&plans, store);
    let service = catalog.service("work_b").map_err(|cause| text(&cause))?;
    let mut dice = Dice::new(7);
    for (entities, lookups) in [(1, 20_000), (100, 1_000)] {
        let mut taken = Vec::with_capacity(lookups);
        let used = cpu();
        for _ in 0..lookups {
            let users: Int64Array = (0..entities).map(|_| dice.between(1, USERS)).collect::<Vec<_>>().into();
            let schema = Schema::new(vec![Field::new("user_id", DataType::Int64, true)]);
            let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(users)]);
            let batch = batch.map_err(|cause| text(&cause))?;
            let start = Clock::now();
            let inputs = Inputs::from_batch(&service, &batch, "the bench").map_err(|cause| text(&cause))?;
            let answer = catalog.lookup(&service, &inputs, None, Instant::MIN).await;
            taken.push((start.elapsed(), answer.map_err(|cause| text(&cause))?.rows));
        }
        let cpu = cpu_since(used) / lookups as u32;
        let mut times: Vec<_> = taken.into_iter().map(|(time, _)| time).collect();
        times.sort_unstable();
        println!(
            "{entities} entities: median {:.1?}, 99th percentile {:.1?}, {cpu:.1?} of CPU a lookup",
            percentile(&times, 0.5),
            percentile(&times, 0.99),
        );
    }
    Ok(())
}
