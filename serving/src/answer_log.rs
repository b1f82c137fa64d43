//! A sample of what was answered, so that it can be computed again: inputs, instant, stamp and values of each
//! row, on its way to whoever keeps it.
//!
//! | column | type | |
//! | --- | --- | --- |
//! | a key or request input | its own | what was asked |
//! | [`AT`] | `timestamp` | the instant of the values |
//! | [`COMPLETE`] | `bool` | whether no row of the logs was missing then |
//! | [`STAMP`] | `string` | JSON: for each group by its name in the service, the hash of its meaning and the next offset of each log |
//! | a feature | its own | what was answered |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{Field, Schema};
use serde_json::{Map, Value as Json, json};
use tokio::sync::mpsc;

use crate::answer::Answer;
use crate::catalog::{Catalog, Service};
use crate::group::instants;
use crate::inputs::Inputs;
use crate::metrics::Metrics;

/// The column of the instant; no name of the language begins so.
pub const AT: &str = "~at";
/// The column that says whether the answer was complete.
pub const COMPLETE: &str = "~complete";
/// The column of the stamp.
pub const STAMP: &str = "~stamp";

/// 2^64 divided by the golden ratio: its multiples spread evenly over 64 bits, in step with no caller.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Rows of one service that were answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The service, `name@version`.
    pub service: String,
    /// The rows, with the columns above.
    pub rows: RecordBatch,
}

/// Takes a share of the calls. Nobody waits for it: what its reader does not keep up with is counted as
/// `unlogged`.
#[derive(Debug)]
pub struct AnswerLog {
    /// Of 2^64.
    share: u64,
    calls: AtomicU64,
    to: mpsc::Sender<Answered>,
}

impl AnswerLog {
    /// Sends `share` of the calls, from 0 to 1, to `to`.
    pub fn new(share: f64, to: mpsc::Sender<Answered>) -> Self {
        // A share of 1 saturates to all of them.
        Self { share: (share * 2_f64.powi(64)) as u64, calls: AtomicU64::new(0), to }
    }

    /// Whether the next call is of the share.
    pub(crate) fn takes(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.share == u64::MAX || call.wrapping_mul(GOLDEN) < self.share
    }

    /// Keeps an answer.
    pub(crate) fn keep(
        &self,
        catalog: &Catalog,
        service: &Service,
        inputs: &Inputs,
        answer: &Answer,
        metrics: &Metrics,
    ) {
        let plan = service.plan();
        let answered = Answered {
            service: format!("{}@{}", plan.name, plan.version),
            rows: rows(catalog, service, inputs, answer),
        };
        if self.to.try_send(answered).is_err() {
            metrics.unlogged();
        }
    }
}

/// What was asked and answered, a row a row.
fn rows(catalog: &Catalog, service: &Service, inputs: &Inputs, answer: &Answer) -> RecordBatch {
    let plan = service.plan();
    let keys = plan.keys.iter().map(|(name, _)| name);
    let requests = plan.requests.iter().map(|input| &input.column);
    let asked = keys.chain(requests).zip(inputs.keys.iter().chain(&inputs.requests));
    let stamps = stamps(catalog, service, inputs, answer);
    let about: [(&str, ArrayRef); 3] = [
        (AT, instants(answer.evaluated_at, answer.rows)),
        (COMPLETE, Arc::new(BooleanArray::from(vec![answer.complete; answer.rows]))),
        (STAMP, Arc::new(StringArray::from_iter_values(stamps))),
    ];
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    let mut push = |name: &str, column: &ArrayRef| {
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(Arc::clone(column));
    };
    for (name, column) in asked {
        push(name, column);
    }
    for (name, column) in &about {
        push(name, column);
    }
    for feature in &answer.features {
        push(&feature.selected.column, &feature.column());
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .expect("invariant: inputs and answers have a value a row")
}

/// The stamp of each row: where its own partitions stood.
fn stamps(catalog: &Catalog, service: &Service, inputs: &Inputs, answer: &Answer) -> Vec<String> {
    let mut stamps: Vec<Map<String, Json>> = vec![Map::new(); answer.rows];
    for (used, partitions) in service.plan().groups.iter().zip(catalog.partitions(service, inputs)) {
        let group = &used.group;
        let of = answer.stamp.iter().find(|stamp| {
            stamp.group == group.name.to_string()
                && stamp.version == group.version
                && stamp.meaning == group.meaning
        });
        for (stamp, partition) in stamps.iter_mut().zip(partitions) {
            // A row without a key reads nothing.
            let read = partition.and_then(|partition| of?.partitions.get(&partition));
            if let Some(read) = read {
                let told = json!({ "meaning": group.meaning.to_string(), "next": read.positions });
                stamp.insert(used.prefix.clone(), told);
            }
        }
    }
    stamps.into_iter().map(|stamp| Json::Object(stamp).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_taken_evenly() {
        for (share, of_thousand) in [(0.0, 0), (0.01, 10), (0.5, 500), (1.0, 1000)] {
            let log = AnswerLog::new(share, mpsc::channel(1).0);
            let taken = (0..1000).filter(|_| log.takes()).count() as i64;
            assert!((taken - of_thousand).abs() <= 2, "{taken} of 1000 at {share}");
        }
        // A caller whose every fourth call is of another kind is taken as often there.
        let log = AnswerLog::new(0.25, mpsc::channel(1).0);
        let fourth: Vec<bool> = (0..4000).map(|_| log.takes()).step_by(4).collect();
        let taken = fourth.iter().filter(|taken| **taken).count();
        assert!((200..300).contains(&taken), "{taken} of 1000");
    }
}
