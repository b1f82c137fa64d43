//! What a process of `feat stream` counts and measures, for Prometheus.
//!
//! Every metric of the stream is declared here. They begin at zero with the process: what is exact over
//! restarts is in the markers and among the dead letters.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use feat_compiler::prepare::Counts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::worker::Done;

/// The bounds of the histogram of commits: 0.5 ms to 16 s, each twice the one before.
const SHORTEST: f64 = 0.0005;
/// How many there are.
const BOUNDS: u16 = 16;

/// The names of [`Counts`] that are reasons not to admit a row, with their numbers.
fn reasons(counts: &Counts) -> [(&'static str, u64); 6] {
    [
        ("filtered", counts.filtered),
        ("before_since", counts.before_since),
        ("dropped", counts.dropped),
        ("quarantined", counts.quarantined),
        ("late", counts.late),
        ("no_key", counts.null_key),
    ]
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLog {
    log: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfGroup {
    group: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    group: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    log: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPart {
    group: String,
    log: String,
}

type Seconds = Gauge<f64, AtomicU64>;

/// The metrics of one process; clones are the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    records: Family<OfLog, Counter>,
    admitted: Family<OfGroup, Counter>,
    rejected: Family<OfReason, Counter>,
    folded: Family<OfGroup, Counter>,
    duplicates: Family<OfGroup, Counter>,
    letters: Family<OfKind, Counter>,
    commits: Family<OfGroup, Counter>,
    conflicts: Family<OfGroup, Counter>,
    commit_seconds: Histogram,
    waits: Counter,
    waiting: Gauge,
    partitions: Family<OfGroup, Gauge>,
    lag_records: Family<OfPart, Gauge>,
    lag_seconds: Family<OfPart, Seconds>,
    complete_to: Family<OfGroup, Seconds>,
}

/// What became of rows of a group since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Rows that were admitted, duplicates still among them.
    pub admitted: u64,
    /// Rows that were folded into tiles.
    pub folded: u64,
    /// Rows that were found to be duplicates when their time came.
    pub duplicates: u64,
    /// Rows later than the source's `lateness`.
    pub late: u64,
    /// Rows that were not admitted, late ones among them.
    pub rejected: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registry::with_prefix("feat_stream");
        let mut metrics = Self {
            registry: Arc::default(),
            records: Family::default(),
            admitted: Family::default(),
            rejected: Family::default(),
            folded: Family::default(),
            duplicates: Family::default(),
            letters: Family::default(),
            commits: Family::default(),
            conflicts: Family::default(),
            commit_seconds: Histogram::new(exponential_buckets(SHORTEST, 2.0, BOUNDS)),
            waits: Counter::default(),
            waiting: Gauge::default(),
            partitions: Family::default(),
            lag_records: Family::default(),
            lag_seconds: Family::default(),
            complete_to: Family::default(),
        };
        all.register("records", "Records that were read and are rows", metrics.records.clone());
        all.register(
            "rows_admitted",
            "Rows that a group admitted, duplicates among them",
            metrics.admitted.clone(),
        );
        all.register("rows_rejected", "Rows that a group did not admit, by reason", metrics.rejected.clone());
        all.register("rows_folded", "Rows that were folded into tiles", metrics.folded.clone());
        all.register(
            "rows_duplicate",
            "Rows that were duplicates when their time came",
            metrics.duplicates.clone(),
        );
        all.register(
            "dead_letters",
            "Records that were kept as dead letters, by kind",
            metrics.letters.clone(),
        );
        all.register("commits", "Commits that the store took", metrics.commits.clone());
        all.register(
            "commit_conflicts",
            "Commits that met another marker and were done again",
            metrics.conflicts.clone(),
        );
        all.register_with_unit(
            "commit",
            "How long the store took for the commits of one round",
            Unit::Seconds,
            metrics.commit_seconds.clone(),
        );
        all.register("waits", "Times that a run began to wait for the store", metrics.waits.clone());
        all.register("waiting", "Runs that wait for the store now", metrics.waiting.clone());
        all.register(
            "partitions",
            "Partitions of a group's view that this process keeps",
            metrics.partitions.clone(),
        );
        all.register(
            "lag_records",
            "Records of a log that a group has not committed",
            metrics.lag_records.clone(),
        );
        all.register_with_unit(
            "lag",
            "How much later the last record of a log is than the last that a group has committed",
            Unit::Seconds,
            metrics.lag_seconds.clone(),
        );
        all.register_with_unit(
            "complete_to_timestamp",
            "The instant before which every row that was known is in a group's values",
            Unit::Seconds,
            metrics.complete_to.clone(),
        );
        metrics.registry = Arc::new(all);
        metrics
    }
}

impl Metrics {
    /// All of them as Prometheus reads them, in the text form of `OpenMetrics` 1.0.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("invariant: a string takes every text");
        text
    }

    /// What became of the rows of `group`.
    pub fn rows(&self, group: &str) -> Rows {
        let of = || OfGroup { group: group.to_owned() };
        let rejected = |reason| {
            let labels = OfReason { group: group.to_owned(), reason };
            self.rejected.get(&labels).map_or(0, |counter| counter.get())
        };
        let count = |family: &Family<OfGroup, Counter>| family.get(&of()).map_or(0, |counter| counter.get());
        Rows {
            admitted: count(&self.admitted),
            folded: count(&self.folded),
            duplicates: count(&self.duplicates),
            late: rejected("late"),
            rejected: reasons(&Counts::default()).iter().map(|(reason, _)| rejected(*reason)).sum(),
        }
    }

    /// How far `group` is behind `log`: in records, and in seconds where that is known.
    pub fn lag(&self, group: &str, log: &str, records: u64, seconds: Option<f64>) {
        let part = OfPart { group: group.to_owned(), log: log.to_owned() };
        self.lag_records.get_or_create(&part).set(i64::try_from(records).unwrap_or(i64::MAX));
        match seconds {
            Some(seconds) => {
                self.lag_seconds.get_or_create(&part).set(seconds);
            }
            None => {
                self.lag_seconds.remove(&part);
            }
        }
    }

    /// Every row of `group` known before this is in, in seconds since 1970.
    pub fn complete_to(&self, group: &str, seconds: f64) {
        self.complete_to.get_or_create(&OfGroup { group: group.to_owned() }).set(seconds);
    }

    /// How far anything is, is not known now: an old answer would look like a good one.
    pub fn forget_lag(&self) {
        self.lag_records.clear();
        self.lag_seconds.clear();
        self.complete_to.clear();
    }

    /// Records of `log` were read.
    pub(crate) fn read(&self, log: &str, records: u64) {
        self.records.get_or_create(&OfLog { log: log.to_owned() }).inc_by(records);
    }

    /// This process keeps so many partitions of the view of `group` now.
    pub(crate) fn keeps(&self, group: &str, partitions: usize) {
        let of = OfGroup { group: group.to_owned() };
        self.partitions.get_or_create(&of).set(i64::try_from(partitions).unwrap_or(i64::MAX));
    }

    /// Rows were prepared for `group`.
    pub(crate) fn prepared(&self, group: &str, counts: &Counts) {
        self.admitted.get_or_create(&OfGroup { group: group.to_owned() }).inc_by(counts.admitted);
        for (reason, rows) in reasons(counts) {
            self.rejected.get_or_create(&OfReason { group: group.to_owned(), reason }).inc_by(rows);
        }
    }

    /// Something was committed, or not, for `group`.
    pub(crate) fn done(&self, group: &str, done: &Done) {
        let of = || OfGroup { group: group.to_owned() };
        self.folded.get_or_create(&of()).inc_by(done.folded.rows);
        self.duplicates.get_or_create(&of()).inc_by(done.folded.duplicates);
        self.commits.get_or_create(&of()).inc_by(done.commits);
        self.conflicts.get_or_create(&of()).inc_by(done.conflicts);
    }

    /// The store answered commits after so long.
    pub(crate) fn committed(&self, after: Duration) {
        self.commit_seconds.observe(after.as_secs_f64());
    }

    /// A run begins to wait for the store.
    pub(crate) fn waits(&self) {
        self.waits.inc();
        self.waiting.inc();
    }

    /// It waits no more.
    pub(crate) fn resumes(&self) {
        self.waiting.dec();
    }

    /// A record of `log` was kept.
    #[cfg(feature = "kafka")]
    pub(crate) fn letter(&self, log: &str, kind: &'static str) {
        self.letters.get_or_create(&OfKind { log: log.to_owned(), kind }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_in_prometheus_own_words() {
        let metrics = Metrics::default();
        metrics.read("kafka:orders/0", 7);
        metrics.prepared(
            "shop.recent",
            &Counts { read: 7, admitted: 4, late: 2, filtered: 1, ..Counts::default() },
        );
        metrics.committed(Duration::from_millis(3));
        metrics.lag("shop.recent", "kafka:orders/0", 5, Some(1.5));
        let text = metrics.text();
        for line in [
            "feat_stream_records_total{log=\"kafka:orders/0\"} 7",
            "feat_stream_rows_admitted_total{group=\"shop.recent\"} 4",
            "feat_stream_rows_rejected_total{group=\"shop.recent\",reason=\"late\"} 2",
            "feat_stream_commit_seconds_count 1",
            "feat_stream_lag_records{group=\"shop.recent\",log=\"kafka:orders/0\"} 5",
            "feat_stream_lag_seconds{group=\"shop.recent\",log=\"kafka:orders/0\"} 1.5",
        ] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert_eq!(
            metrics.rows("shop.recent"),
            Rows { admitted: 4, late: 2, rejected: 3, ..Rows::default() }
        );
        metrics.lag("shop.recent", "kafka:orders/0", 5, None);
        assert!(!metrics.text().contains("lag_seconds{"));
        metrics.forget_lag();
        assert!(!metrics.text().contains("lag_records{"));
    }
}
