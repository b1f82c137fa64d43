//! What Kafka is asked: where the topics of groups end, and how many letters each log has.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use feat_compiler::plan::{GroupPlan, SourcePlan};
use feat_kernel::layout::LogMark;
use feat_streaming::kafka::{End, Ends, Kind, LetterCount, Quarantine};

use super::{Behind, LetterCounts, Letters};
use crate::command::live;
use crate::project::Project;

/// The topics of some groups, and that of their dead letters.
pub(super) struct Topics {
    ends: BTreeMap<String, Arc<Ends>>,
    letters: Option<Arc<LetterCount>>,
}

/// The ends of topics, by their names.
pub(super) type Found = BTreeMap<String, Vec<End>>;

impl Topics {
    /// None where feat.toml does not say where Kafka is.
    pub(super) async fn of(project: &Project, groups: &[Arc<GroupPlan>]) -> Result<Self> {
        let mut ends = BTreeMap::new();
        if project.site.config.kafka.is_empty() {
            return Ok(Self { ends, letters: None });
        }
        let settings = live::settings(project)?;
        for topic in groups.iter().filter_map(|group| topic(&group.source)) {
            if !ends.contains_key(topic) {
                let (name, settings) = (topic.to_owned(), settings.clone());
                let open = tokio::task::spawn_blocking(move || Ends::open(&name, &settings));
                ends.insert(topic.to_owned(), Arc::new(open.await??));
            }
        }
        Ok(Self {
            ends,
            letters: Quarantine::of(&settings).map(|letters| Arc::new(LetterCount::of(letters))),
        })
    }

    /// Where the topics end, and how many letters there are of each log.
    pub(super) async fn read(
        &self,
        letters: Letters,
    ) -> Result<(Found, Option<BTreeMap<String, LetterCounts>>)> {
        let mut found = Found::new();
        for (topic, ends) in &self.ends {
            let ends = Arc::clone(ends);
            found.insert(topic.clone(), tokio::task::spawn_blocking(move || ends.read()).await??);
        }
        let (Some(count), Letters::Counted) = (self.letters.clone(), letters) else {
            return Ok((found, None));
        };
        let mut counts: BTreeMap<String, LetterCounts> = BTreeMap::new();
        for ((log, kind), count) in tokio::task::spawn_blocking(move || count.read()).await?? {
            let of = counts.entry(log).or_default();
            match kind {
                Kind::Unreadable => of.unreadable = count,
                Kind::Late => of.late = count,
            }
        }
        Ok((found, Some(counts)))
    }
}

/// Each log of a group with how far it was read: those of its markers, or those of its topic while
/// it has none.
pub(super) fn logs(
    group: &GroupPlan,
    mut marks: BTreeMap<String, LogMark>,
    found: &Found,
) -> Vec<(String, LogMark, Option<Behind>)> {
    let ends = topic(&group.source).and_then(|topic| found.get(topic)).map_or(&[][..], Vec::as_slice);
    // A view that was filled from a file is not behind its topic: it never read it.
    if marks.is_empty() || marks.keys().any(|log| log.starts_with("kafka:")) {
        for end in ends {
            if !marks.keys().any(|log| end.is_of(log)) {
                marks.insert(end.log.to_string(), LogMark::default());
            }
        }
    }
    let behind = |log: &str, mark: &LogMark| {
        let end = ends.iter().find(|end| end.is_of(log))?;
        let lag = end.lag(mark);
        let seconds = lag.time.map(|time| time.0 as f64 / 1e6);
        Some(Behind { end: end.next, records: lag.records, seconds })
    };
    let logs = marks.into_iter().map(|(log, mark)| {
        let behind = behind(&log, &mark);
        (log, mark, behind)
    });
    logs.collect()
}

fn topic(source: &SourcePlan) -> Option<&str> {
    source.stream.as_ref().filter(|stream| stream.kind == "kafka").map(|stream| &*stream.location)
}
