//! What a lookup answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use feat_compiler::plan::{MeaningHash, SelectedPlan};
use feat_kernel::layout::Marker;
use feat_kernel::time::Instant;
use feat_kernel::value::Value;

use crate::fetch::Fetched;
use crate::group::Served;
use crate::status::Status;
use crate::values::Values;

/// What a lookup answers: values, how each came to be, and from what.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The instant of every value.
    pub evaluated_at: Instant,
    /// Every row of the logs with `known` before this is included, [`Instant::MAX`] when nothing was
    /// read.
    pub complete_to: Instant,
    /// Whether no row is missing that could count at `evaluated_at`.
    pub complete: bool,
    /// What the values were computed from, one a group.
    pub stamp: Vec<GroupStamp>,
    /// How many rows were asked for.
    pub rows: usize,
    /// The selected features in the service's order.
    pub features: Vec<FeatureAnswer>,
}

/// One feature of an answer.
#[derive(Clone, Debug)]
pub struct FeatureAnswer {
    /// Its name, its column and its type.
    pub selected: Arc<SelectedPlan>,
    /// One value a row.
    pub(crate) values: Values,
    /// One status a row.
    pub statuses: Arc<[Status]>,
    /// One a row: when what is kept of the entity changed last, of a derived feature the oldest among those
    /// it reads; [`Instant::MAX`] where nothing is kept.
    pub changed: Arc<[Instant]>,
}

/// What the values of one group were computed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStamp {
    /// The group.
    pub group: String,
    /// Its version.
    pub version: u32,
    /// The hash of what decides its numbers.
    pub meaning: MeaningHash,
    /// The partitions that were read.
    pub partitions: BTreeMap<u32, PartitionStamp>,
}

/// Which prefix of the log a partition includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStamp {
    /// The next offset by log.
    pub positions: BTreeMap<String, u64>,
    /// Every row with `known` before this is included.
    pub complete_to: Instant,
}

impl GroupStamp {
    /// The next offset by log: the least of the partitions read.
    pub fn positions(&self) -> BTreeMap<String, u64> {
        let mut least: BTreeMap<String, u64> = BTreeMap::new();
        for (log, &position) in self.partitions.values().flat_map(|partition| &partition.positions) {
            least.entry(log.clone()).and_modify(|least| *least = (*least).min(position)).or_insert(position);
        }
        least
    }
}

impl Answer {
    pub(crate) fn new<'a>(
        t: Instant,
        rows: usize,
        fetched: &Fetched,
        features: impl Iterator<Item = (&'a Arc<SelectedPlan>, Served)>,
    ) -> Self {
        let markers = fetched.markers.iter().flat_map(|(_, markers)| markers.values());
        let complete_to = markers.map(Marker::complete_to).min().unwrap_or(Instant::MAX);
        let stamp = fetched.markers.iter().map(|(group, markers)| GroupStamp {
            group: group.name.to_string(),
            version: group.version,
            meaning: group.meaning,
            partitions: markers
                .iter()
                .map(|(partition, marker)| {
                    let (positions, complete_to) = (marker.positions(), marker.complete_to());
                    (*partition, PartitionStamp { positions, complete_to })
                })
                .collect(),
        });
        let stamp = stamp.collect();
        let features = features.map(|(selected, Served { values, statuses, changed })| FeatureAnswer {
            selected: Arc::clone(selected),
            values,
            statuses,
            changed,
        });
        let features = features.collect();
        Self { evaluated_at: t, complete_to, complete: t < complete_to, stamp, rows, features }
    }

    /// The values as a batch: one row a row asked for, one nullable column a feature.
    pub fn batch(&self) -> RecordBatch {
        let columns: Vec<ArrayRef> = self.features.iter().map(FeatureAnswer::column).collect();
        let fields: Vec<Field> = self
            .features
            .iter()
            .zip(&columns)
            .map(|(feature, column)| Field::new(&feature.selected.column, column.data_type().clone(), true))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .expect("invariant: a feature has a value a row")
    }
}

impl FeatureAnswer {
    /// The value of row `row` and how it came to be.
    pub fn at(&self, row: usize) -> (Value, Status) {
        (self.values.get(&self.selected.slot.ty, row), self.statuses[row])
    }

    /// The values as a column of the Arrow type of its type.
    pub fn column(&self) -> ArrayRef {
        self.values.column(&self.selected.slot.ty)
    }
}
