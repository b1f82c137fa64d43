//! How far groups are: the positions in their markers beside the ends of their logs.

#[cfg(feature = "kafka")]
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use feat_compiler::plan::GroupPlan;
use feat_kernel::layout::{LogMark, Marker};
use feat_kernel::time::Instant;
use feat_store::{Read, Store, Undecodable, ViewId, view_id};
use feat_streaming::Metrics;
use serde::{Deserialize, Serialize};

use crate::project::Project;

/// How far all groups are, as `feat status --json` prints it and a stream tells it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// Whether a stream that runs says this.
    pub(crate) running: bool,
    pub(crate) groups: Vec<GroupStanding>,
}

/// How far a group is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GroupStanding {
    pub(crate) group: String,
    /// Its view in the store.
    pub(crate) view: String,
    /// Every row known before this is in its values; `None` while nothing can be said.
    pub(crate) complete_to: Option<String>,
    pub(crate) logs: Vec<LogStanding>,
    /// What became of its rows since the stream began; `None` if no stream says this.
    pub(crate) rows: Option<RowCounts>,
}

/// How far a group is in one partition of its log.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogStanding {
    pub(crate) log: String,
    /// The offset of the next record, in the partition of the view that is furthest behind.
    pub(crate) next: u64,
    /// The offset after the last record; `None` where the log cannot be asked, as a file.
    pub(crate) end: Option<u64>,
    pub(crate) lag_records: Option<u64>,
    /// How much later the log's last record is than the last that was read.
    pub(crate) lag_seconds: Option<f64>,
    pub(crate) complete_to: Option<String>,
    /// Dead letters of the log by kind; `None` where none are kept.
    pub(crate) letters: Option<LetterCounts>,
}

/// Letters that are to be looked at.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LetterCounts {
    pub(crate) unreadable: u64,
    pub(crate) late: u64,
}

/// What became of a group's rows since the stream began.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RowCounts {
    pub(crate) admitted: u64,
    pub(crate) folded: u64,
    pub(crate) duplicate: u64,
    pub(crate) late: u64,
    /// Not admitted, late ones among them.
    pub(crate) rejected: u64,
}

/// Whether the dead letters are counted, for which they are read: all of them, at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Letters {
    /// They are.
    Counted,
    /// They are not.
    #[cfg(feature = "kafka")]
    Left,
}

/// Where a log ends, and how far a mark is from there.
#[derive(Clone, Copy, Debug)]
struct Behind {
    end: u64,
    records: u64,
    seconds: Option<f64>,
}

/// What is asked to find out how far groups are.
pub(crate) struct Survey {
    store: Arc<dyn Store>,
    groups: Vec<Arc<GroupPlan>>,
    metrics: Option<Metrics>,
    #[cfg(feature = "kafka")]
    topics: topics::Topics,
}

impl Survey {
    /// Of `groups`, whose values are in `store`; `metrics` are those of the stream that asks for itself.
    ///
    /// Errors: Kafka cannot be asked.
    #[cfg_attr(not(feature = "kafka"), expect(clippy::unused_async, reason = "only Kafka is waited for"))]
    pub(crate) async fn of(
        project: &Project,
        store: Arc<dyn Store>,
        groups: Vec<Arc<GroupPlan>>,
        metrics: Option<Metrics>,
    ) -> Result<Self> {
        #[cfg(feature = "kafka")]
        let topics = topics::Topics::of(project, &groups).await?;
        #[cfg(not(feature = "kafka"))]
        let _ = project;
        Ok(Self {
            store,
            groups,
            metrics,
            #[cfg(feature = "kafka")]
            topics,
        })
    }

    /// How far they are now.
    ///
    /// Cost: a read of the markers, and what the ends of the topics cost.
    pub(crate) async fn read(&self, letters: Letters) -> Result<Standing> {
        #[cfg(feature = "kafka")]
        let (ends, letters) = self.topics.read(letters).await?;
        #[cfg(not(feature = "kafka"))]
        let letters = match letters {
            Letters::Counted => None::<BTreeMap<String, LetterCounts>>,
        };
        let mut groups = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let view = view_id(&group.name, group.version, &group.meaning);
            let markers = markers(&*self.store, &view).await?;
            let name = group.versioned();
            let marks = marks(&markers);
            #[cfg(feature = "kafka")]
            let logs = topics::logs(group, marks, &ends);
            #[cfg(not(feature = "kafka"))]
            let logs = marks.into_iter().map(|(log, mark)| (log, mark, None::<Behind>));
            let logs = logs.into_iter().map(|(log, mark, behind)| LogStanding {
                next: mark.next,
                end: behind.map(|behind| behind.end),
                lag_records: behind.map(|behind| behind.records),
                lag_seconds: behind.and_then(|behind| behind.seconds),
                complete_to: shown(mark.complete_to()),
                letters: letters
                    .as_ref()
                    .map(|letters| letters.get(of_topic(&log)).copied().unwrap_or_default()),
                log,
            });
            let complete_to = least(&markers);
            groups.push(GroupStanding {
                view: view.to_string(),
                complete_to: shown(complete_to),
                logs: logs.collect(),
                rows: self.metrics.as_ref().map(|metrics| rows(metrics, &name)),
                group: name,
            });
        }
        Ok(Standing { running: self.metrics.is_some(), groups })
    }
}

#[cfg(feature = "kafka")]
impl Standing {
    /// Tells it to Prometheus.
    pub(crate) fn tell(&self, metrics: &Metrics) {
        for group in &self.groups {
            if let Some(at) = group.complete_to.as_deref().and_then(Instant::parse) {
                metrics.complete_to(&group.group, at.0 as f64 / 1e6);
            }
            for log in &group.logs {
                if let Some(records) = log.lag_records {
                    metrics.lag(&group.group, &log.log, records, log.lag_seconds);
                }
            }
        }
    }
}

/// The markers of a view's partitions; none of a view that was never filled.
async fn markers(store: &dyn Store, view: &ViewId) -> Result<Vec<Option<Marker>>> {
    let partitions = store.partitions(view).await?.unwrap_or(0);
    let reads = (0..partitions).map(|partition| Read { view: Arc::clone(view), partition, keys: Vec::new() });
    let mut markers = Vec::with_capacity(partitions as usize);
    for (partition, found) in store.read(reads.collect()).await?.into_iter().enumerate() {
        let decoded = found.marker.map(|bytes| Marker::decode(&bytes)).transpose();
        markers.push(decoded.map_err(|cause| Undecodable {
            view: Arc::clone(view),
            partition: partition as u32,
            cause,
        })?);
    }
    Ok(markers)
}

/// A log as letters name it: without the offset that it may begin at.
fn of_topic(log: &str) -> &str {
    log.split('@').next().unwrap_or(log)
}

/// Every row known before this is in all partitions.
fn least(markers: &[Option<Marker>]) -> Instant {
    let complete = markers.iter().map(|marker| marker.as_ref().map_or(Instant::MIN, Marker::complete_to));
    complete.min().unwrap_or(Instant::MIN)
}

/// To where the online values of a group are complete; none: they were never filled to their log's end.
pub(crate) async fn complete_to(store: &dyn Store, group: &GroupPlan) -> Result<Option<Instant>> {
    let markers = markers(store, &view_id(&group.name, group.version, &group.meaning)).await?;
    let filled = !markers.is_empty() && markers.iter().all(|one| one.as_ref().is_some_and(Marker::is_filled));
    Ok(filled.then(|| least(&markers)))
}

/// Of each log the mark of the partition that is furthest behind.
fn marks(markers: &[Option<Marker>]) -> BTreeMap<String, LogMark> {
    let mut marks: BTreeMap<String, LogMark> = BTreeMap::new();
    let filled: Vec<&Marker> = markers.iter().flatten().filter(|marker| marker.is_filled()).collect();
    for (log, mark) in filled.iter().flat_map(|marker| &marker.logs) {
        let least = marks.entry(log.clone()).or_insert(*mark);
        if mark.next < least.next {
            *least = *mark;
        }
    }
    if filled.len() < markers.len() {
        for mark in marks.values_mut() {
            *mark = LogMark::default();
        }
    }
    marks
}

fn shown(at: Instant) -> Option<String> {
    (at > Instant::MIN).then(|| at.to_string())
}

fn rows(metrics: &Metrics, group: &str) -> RowCounts {
    let rows = metrics.rows(group);
    RowCounts {
        admitted: rows.admitted,
        folded: rows.folded,
        duplicate: rows.duplicates,
        late: rows.late,
        rejected: rows.rejected,
    }
}
