//! What was written to the topics, record by record, by whose row it is: what the definition is given.

use std::collections::HashMap;
use std::sync::Arc;

use feat_tests::oracle::spec::OracleSpec;
use serde_json::{Map, Value as Json};

use crate::records::{Record, TOPICS, Value};

/// A row of a topic.
struct Row {
    partition: usize,
    offset: u64,
    /// The clock of its partition once it was read, in microseconds.
    clock: i64,
    json: Arc<Map<String, Json>>,
}

/// One partition of a topic.
#[derive(Clone, Copy)]
struct Part {
    records: u64,
    clock: i64,
}

/// One topic.
struct Topic {
    parts: Vec<Part>,
    /// The columns that are the key of some group.
    keys: Vec<String>,
    /// The rows of each entity by column and key.
    rows: HashMap<(String, String), Vec<Row>>,
}

/// Everything that was written.
pub(crate) struct Truth {
    topics: Vec<Topic>,
}

impl Truth {
    /// Nothing yet.
    pub(crate) fn new(spec: &OracleSpec) -> Self {
        let topic = |(name, partitions, _): &(&str, usize, i64)| {
            let mut keys: Vec<String> = spec
                .groups
                .iter()
                .filter(|group| group.source == *name)
                .map(|group| group.key[0].clone())
                .collect();
            keys.dedup();
            Topic {
                parts: vec![Part { records: 0, clock: i64::MIN }; *partitions],
                keys,
                rows: HashMap::new(),
            }
        };
        Self { topics: TOPICS.iter().map(topic).collect() }
    }

    /// Takes up the next record, and returns its offset.
    pub(crate) fn add(&mut self, record: &Record) -> u64 {
        let topic = &mut self.topics[record.topic];
        let part = &mut topic.parts[record.partition];
        let offset = part.records;
        part.records += 1;
        part.clock = part.clock.max(record.stamp * 1000);
        if let Value::Row(row) = &record.value {
            let json = Arc::new(row.clone());
            for column in &topic.keys {
                let key = (column.clone(), row.get(column).unwrap_or(&Json::Null).to_string());
                let (partition, clock, json) = (record.partition, part.clock, Arc::clone(&json));
                topic.rows.entry(key).or_default().push(Row { partition, offset, clock, json });
            }
        }
        offset
    }

    /// How many records each partition of topic `topic` has.
    pub(crate) fn ends(&self, topic: usize) -> Vec<u64> {
        self.topics[topic].parts.iter().map(|part| part.records).collect()
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> u64 {
        self.topics.iter().flat_map(|topic| &topic.parts).map(|part| part.records).sum()
    }

    /// The rows whose column `column` is `key`, below the position of each partition, with the clock of
    /// their partition.
    pub(crate) fn rows(
        &self,
        topic: usize,
        column: &str,
        key: &Json,
        below: &[u64],
    ) -> Vec<(i64, Arc<Map<String, Json>>)> {
        let found = self.topics[topic].rows.get(&(column.to_owned(), key.to_string()));
        let below = |row: &&Row| row.offset < below[row.partition];
        found.into_iter().flatten().filter(below).map(|row| (row.clock, Arc::clone(&row.json))).collect()
    }
}
