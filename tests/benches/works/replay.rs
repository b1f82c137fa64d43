//! Work E: a log in JSON lines becomes counts and sums of five minutes per user, exactly.

use std::path::Path;
use std::sync::Arc;

use feat_store::{MemoryStore, Store};
use feat_streaming::{Options, run};

use crate::clicks;
use crate::stopwatch::{cpu, cpu_since};

const RUNS: usize = 3;
/// Entities in one commit, as `feat stream --replay` has it.
const CHUNK_KEYS: usize = 4096;

/// Prints how many events a second of CPU time folds, reading and parsing among it.
pub(crate) async fn measure(data: &Path) -> Result<(), String> {
    let plans = clicks::plans()?;
    let group = clicks::group(&plans, "recent")?;
    for name in ["events.json", "events.parquet"] {
        let file = data.join(name);
        if !file.exists() {
            println!("{name}: none in {}; `generate.py --json ROWS` writes it", data.display());
            continue;
        }
        let log = clicks::log(&group, &file)?;
        let mut rates = Vec::new();
        for _ in 0..RUNS {
            let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
            let used = cpu();
            let options = Options { workers: 1, chunk_keys: CHUNK_KEYS, ..Options::default() };
            let report = run(&store, &[Arc::clone(&group)], &log, &options, &|_| ())
                .await
                .map_err(|cause| cause.to_string())?;
            let events: u64 = report.groups.iter().map(|group| group.counts.read).sum();
            rates.push((events as f64 / cpu_since(used).as_secs_f64(), events));
        }
        rates.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (rate, events) = rates[RUNS / 2];
        println!("{name}: {events} events, {:.0} k events per CPU second", rate / 1000.0);
    }
    Ok(())
}
