//! Whether an answer is what the definition says it is, over the prefix of the log that its stamp names.

use std::sync::{Arc, RwLock};

use feat_serving::{Answer, GroupStamp};
use feat_tests::oracle::spec::OracleSpec;
use feat_tests::oracle::time::instant_text;
use feat_tests::oracle::{Answers, Log, Oracle};
use feat_tests::read::project::cell;
use serde_json::{Map, Value as Json};

use crate::records::TOPICS;
use crate::truth::Truth;

/// Compares answers with the definition.
pub(crate) struct Judge {
    spec: OracleSpec,
    oracle: Oracle,
    truth: Arc<RwLock<Truth>>,
}

impl Judge {
    pub(crate) fn new(spec: &OracleSpec, truth: Arc<RwLock<Truth>>) -> Self {
        let oracle = Oracle::new(spec.clone(), &std::collections::BTreeMap::new());
        Self { spec: spec.clone(), oracle, truth }
    }

    /// The differences, in words.
    ///
    /// An answer that says to be complete is compared with the whole log as well: what is not in its
    /// prefix must not count.
    pub(crate) fn differences(&mut self, request: &Map<String, Json>, answer: &Answer) -> Vec<String> {
        let mut found = self.compare(request, answer, false);
        if answer.complete && found.is_empty() {
            found = self.compare(request, answer, true);
        }
        found
    }

    fn compare(&mut self, request: &Map<String, Json>, answer: &Answer, whole: bool) -> Vec<String> {
        let t = answer.evaluated_at.0;
        let mut wanted = Answers::new();
        for group in &self.spec.groups {
            let stamp = answer.stamp.iter().find(|stamp| name(stamp) == group.name);
            let source = self.oracle.source(group).clone();
            let topic = TOPICS.iter().position(|(topic, ..)| *topic == source.name).unwrap_or_default();
            let key = &request[&group.key[0]];
            let rows = {
                let truth = self.truth.read().expect("nobody panicked");
                let ends = truth.ends(topic);
                let below = if whole { ends } else { positions(stamp, topic, ends.len()) };
                truth.rows(topic, &group.key[0], key, &below)
            };
            let log = Log::clocked(&source, rows.iter().map(|(clock, row)| (*clock, &**row)));
            self.oracle = std::mem::take(&mut self.oracle).with_log(&source.name, log);
            wanted.extend(self.oracle.group(group, request, t, usize::MAX));
        }
        let mut found = Vec::new();
        for (feature, (name, want)) in answer.features.iter().zip(&wanted) {
            let got = cell(&feature.column(), &feature.selected.slot.ty, 0);
            let status = feature.statuses[0];
            if feature.selected.name != *name
                || !want.value.admits(&got)
                || want.status.to_string() != status.as_str()
            {
                let at = instant_text(t);
                let stamps: Vec<String> =
                    answer.stamp.iter().map(|stamp| format!("{:?}", stamp.partitions)).collect();
                let over = if whole { "the whole log" } else { "the prefix of its stamp" };
                found.push(format!(
                    "{name} of {} at {at}: {got} ({status}), by definition over {over} {want}; stamps {}",
                    Json::Object(request.clone()),
                    stamps.join(" ")
                ));
            }
        }
        if answer.features.len() != wanted.len() {
            found.push(format!("{} features, not {}", answer.features.len(), wanted.len()));
        }
        found
    }
}

/// The short name of a stamp's group.
pub(crate) fn name(stamp: &GroupStamp) -> &str {
    stamp.group.rsplit('.').next().unwrap_or_default()
}

/// The position of each partition of a topic; 0 where a stamp names none, as that of a null key does.
fn positions(stamp: Option<&GroupStamp>, topic: usize, partitions: usize) -> Vec<u64> {
    let found = stamp.map(GroupStamp::positions).unwrap_or_default();
    let log = |partition| format!("kafka:{}/{partition}", TOPICS[topic].0);
    (0..partitions).map(|partition| found.get(&log(partition)).copied().unwrap_or_default()).collect()
}
