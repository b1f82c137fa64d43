//! What a server counts and measures, for Prometheus. Every metric of the server is declared here.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::answer::Answer;
use crate::status::Status;

/// The bounds of the histogram of lookups: 0.1 ms to 3.3 s, each twice the one before.
const SHORTEST: f64 = 0.0001;
/// How many there are.
const BOUNDS: u16 = 16;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCall {
    method: String,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStatus {
    status: &'static str,
}

/// The metrics of one server; clones are the same.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<OfCall, Counter>,
    in_flight: Gauge,
    lookup_seconds: Histogram,
    rows: Counter,
    values: Family<OfStatus, Counter>,
    swaps: Counter,
    unaudited: Counter,
    unlogged: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("feat_serving");
        let metrics = Self {
            requests: Family::default(),
            in_flight: Gauge::default(),
            lookup_seconds: Histogram::new(exponential_buckets(SHORTEST, 2.0, BOUNDS)),
            rows: Counter::default(),
            values: Family::default(),
            swaps: Counter::default(),
            unaudited: Counter::default(),
            unlogged: Counter::default(),
            registry: Arc::default(),
        };
        registry.register(
            "requests",
            "Calls that were answered, by method and code",
            metrics.requests.clone(),
        );
        registry.register("in_flight", "Calls under way", metrics.in_flight.clone());
        registry.register_with_unit(
            "lookup",
            "From a request of features to its answer",
            Unit::Seconds,
            metrics.lookup_seconds.clone(),
        );
        registry.register("rows", "Rows that were asked about", metrics.rows.clone());
        registry.register(
            "values",
            "Values that were answered, by how they came to be",
            metrics.values.clone(),
        );
        registry.register("swaps", "How often what is deployed was replaced", metrics.swaps.clone());
        registry.register(
            "unaudited",
            "Refusals that were not entered in the audit log, since too many came at once",
            metrics.unaudited.clone(),
        );
        registry.register(
            "unlogged",
            "Answers of the sample that were not kept, since too many came at once",
            metrics.unlogged.clone(),
        );
        Self { registry: Arc::new(registry), ..metrics }
    }
}

impl Metrics {
    /// All of them, in the text form of `OpenMetrics`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("invariant: a string takes any text");
        text
    }

    pub(crate) fn begun(&self) {
        self.in_flight.inc();
    }

    pub(crate) fn ended(&self, method: String, code: &str) {
        self.in_flight.dec();
        self.requests.get_or_create(&OfCall { method, code: code.to_owned() }).inc();
    }

    pub(crate) fn gave_up(&self) {
        self.in_flight.dec();
    }

    pub(crate) fn looked_up(&self, took: Duration, answers: &[Answer]) {
        self.lookup_seconds.observe(took.as_secs_f64());
        let mut counts = [0_u64; Status::ALL.len()];
        for answer in answers {
            for status in answer.features.iter().flat_map(|feature| &*feature.statuses) {
                counts[*status as usize] += 1;
            }
        }
        self.rows.inc_by(answers.first().map_or(0, |answer| answer.rows as u64));
        for (status, count) in Status::ALL.iter().zip(counts).filter(|(_, count)| *count > 0) {
            self.values.get_or_create(&OfStatus { status: status.as_str() }).inc_by(count);
        }
    }

    pub(crate) fn swapped(&self) {
        self.swaps.inc();
    }

    pub(crate) fn unlogged(&self) {
        self.unlogged.inc();
    }

    pub(crate) fn unaudited(&self) {
        self.unaudited.inc();
    }
}
