//! The reading of the online side: a log replayed into a store, in as many runs as one likes, and
//! lookups between them.

use std::sync::Arc;

use feat_batch::{Session, read_log};
use feat_kernel::time::Instant;
use feat_serving::{Catalog, Inputs, LookupError};
use feat_store::Store;
use feat_streaming::{LogBatch, Options, Replay, run};
use futures::TryStreamExt;
use serde_json::{Map, Value as Json};

use super::project::{Project, batch, cell, inputs_of};
use crate::dice::Dice;
use crate::oracle::value::Val;

/// Values and statuses of one lookup: `group.feature`, value, status.
pub type Looked = Vec<(String, Val, String)>;

/// A store with the online side of a project on it.
pub struct Online {
    project: Project,
    catalog: Catalog,
    store: Arc<dyn Store>,
    /// The batches of each source's log, of a few rows each.
    logs: Vec<(String, Vec<LogBatch>)>,
}

/// What a lookup at an instant gave.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The values, whether they are complete, and the instant for which they hold.
    Answer {
        /// The values.
        values: Looked,
        /// Whether every row known by the instant is in.
        complete: bool,
        /// The instant.
        at: i64,
    },
    /// The instant lies before what the values include.
    TooEarly,
}

impl Online {
    /// The project over `store`, nothing read yet. Its sources' logs are cut into batches by `dice`.
    pub async fn new(
        session: &Session,
        project: Project,
        store: Arc<dyn Store>,
        dice: &mut Dice,
    ) -> Result<Self, String> {
        let mut logs = Vec::new();
        for source in project.plans.sources.values() {
            let name = &source.name.name;
            if project.groups(name).is_empty() {
                continue;
            }
            let stream =
                read_log(session, source, &project.tables).await.map_err(|cause| cause.to_string())?;
            let whole: Vec<feat_batch::LogBatch> =
                stream.try_collect().await.map_err(|cause| cause.to_string())?;
            let mut batches = Vec::new();
            for feat_batch::LogBatch { batch, known, first_offset } in whole {
                let batch = LogBatch::consecutive(batch, known, first_offset);
                let mut next = first_offset;
                while next < batch.end.next {
                    let to = (next + dice.between(1, 6) as u64).min(batch.end.next);
                    batches.extend(batch.between(next, to));
                    next = to;
                }
            }
            logs.push((name.clone(), batches));
        }
        let catalog = Catalog::new(&project.plans, Arc::clone(&store));
        Ok(Self { project, catalog, store, logs })
    }

    /// The clock of a source's log after `rows` rows, and how many rows there are.
    pub fn clock(&self, source: &str, rows: u64) -> i64 {
        let log = self.logs.iter().find(|(name, _)| name == source);
        let batches = log.into_iter().flat_map(|(_, batches)| batches);
        let known = batches
            .filter_map(|batch| batch.between(0, rows))
            .filter_map(|batch| batch.known.values().last().copied());
        known.max().unwrap_or(i64::MIN)
    }

    /// Reads every log until `until` (or its end) with `workers` workers.
    pub async fn read(&self, until: Option<u64>, workers: usize, chunk_keys: usize) -> Result<(), String> {
        for (name, batches) in &self.logs {
            let source = Replay::of(format!("{name}/0"), batches.clone());
            let options = Options { workers, partitions: Some(3), chunk_keys, until, ..Options::default() };
            let groups = self.project.groups(name);
            run(&self.store, &groups, &source, &options, &|_| ()).await.map_err(|cause| cause.to_string())?;
        }
        Ok(())
    }

    /// Asks the service one question at `at`, or at the earliest instant after `now` that can be
    /// answered.
    pub async fn ask(&self, inputs: &Map<String, Json>, at: Option<i64>, now: i64) -> Result<Asked, String> {
        let plan = self.project.service()?;
        let row = batch(&inputs_of(plan), std::slice::from_ref(inputs))?;
        let service = self.catalog.service(&plan.name.to_string()).map_err(|cause| cause.to_string())?;
        let inputs = Inputs::from_batch(&service, &row, "the question").map_err(|cause| cause.to_string())?;
        match self.catalog.lookup(&service, &inputs, at.map(Instant), Instant(now)).await {
            Ok(answer) => Ok(Asked::Answer {
                values: answer
                    .features
                    .iter()
                    .map(|feature| {
                        let value = cell(&feature.column(), &feature.selected.slot.ty, 0);
                        (feature.selected.name.clone(), value, feature.statuses[0].to_string())
                    })
                    .collect(),
                complete: answer.complete,
                at: answer.evaluated_at.0,
            }),
            Err(LookupError::TooEarly { .. }) => Ok(Asked::TooEarly),
            Err(cause) => Err(cause.to_string()),
        }
    }
}
