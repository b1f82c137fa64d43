//! What engines run: one plan per source, group, derived group, service and dataset.
//!
//! A plan holds no text and no span. Batch, streaming and serving read the same [`GroupPlan`]; its
//! [`View`] says what is kept, its [`Prepare`](crate::prepare::Prepare) turns a source's rows into
//! the kernel's, its features are expressions over the view's outputs. Plans are not serialized:
//! text, compiler version and meaning hash are, and the plan is compiled anew.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::{Slot, Type};
use feat_kernel::view::View;
use indexmap::IndexMap;

use crate::expr::Evaluator;
use crate::ir::{Connector, QName, Refresh, SourceKind};
use crate::prepare::Prepare;

/// Hash of what decides numbers: same hash, same numbers. Names of files, comments, docs, owners
/// and formatting do not change it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MeaningHash(pub [u8; 16]);

impl std::fmt::Debug for MeaningHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for MeaningHash {
    /// Lower-case hex.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // At once: answers have one a group.
        let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
        let text: String = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        f.write_str(&text)
    }
}

/// The column of [`SourcePlan::keep`].
pub const KEEP: &str = "~keep";

/// Everything engines can run.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    /// Sources.
    pub sources: IndexMap<QName, Arc<SourcePlan>>,
    /// `features` groups.
    pub groups: IndexMap<QName, Arc<GroupPlan>>,
    /// `labels` groups.
    pub labels: IndexMap<QName, Arc<LabelPlan>>,
    /// `derived` groups.
    pub derived: IndexMap<QName, Arc<DerivedPlan>>,
    /// Services.
    pub services: IndexMap<QName, Arc<ServicePlan>>,
    /// Every group and derived group as a service of its own, all features selected: what tests and
    /// comparisons ask.
    pub alone: IndexMap<QName, Arc<ServicePlan>>,
    /// Datasets.
    pub datasets: IndexMap<QName, Arc<DatasetPlan>>,
}

/// How a source's rows are read.
#[derive(Clone, Debug)]
pub struct SourcePlan {
    /// Its name.
    pub name: QName,
    /// The source that owns the data: what `feat.toml` overrides.
    pub root: QName,
    /// Its kind.
    pub kind: SourceKind,
    /// The columns that are stored, in the order of the text.
    pub stored: Vec<StoredColumn>,
    /// The Arrow schema of `stored` once conformed: every batch that reaches a
    /// [`Prepare`](crate::prepare::Prepare) has it, or a projection of it by name. All fields are
    /// nullable here; `Prepare` judges nulls.
    pub schema: SchemaRef,
    /// The event-time column.
    pub time: Option<String>,
    /// How much later than it happened a row may become known; `None`: any.
    pub lateness: Option<Micros>,
    /// `key a, b`
    pub key: Vec<String>,
    /// History.
    pub batch: Option<Connector>,
    /// Live rows.
    pub stream: Option<Connector>,
    /// Rows written in the text, as a batch of `schema`.
    pub rows: Option<RecordBatch>,
    /// The source's computed columns over its stored ones, without any group: what the spine of a
    /// dataset and a log reader need. One column per computed column, in the order of the text.
    pub computed: Arc<Evaluator>,
    /// One `timestamp` column `known`, over the stored columns: `declared(r)`, by which a file is put in
    /// the order of a log. Null where the row is unreadable: such a row is known at its place.
    /// `None` for sources without time (`static`, `request`).
    pub known: Option<Arc<Evaluator>>,
    /// One `bool` column [`KEEP`], over the stored columns: whether the source has the row at all. Only
    /// true counts. A row that is unreadable (a null or a value outside an enum where none may stand,
    /// an evaluation error), that a `where` or `since` leaves out, or that an `expect` drops or
    /// quarantines is false or null.
    pub keep: Arc<Evaluator>,
}

impl SourcePlan {
    /// Columns that somebody hands in, for a lookup or a training set, as a source: they conform as
    /// files do. Nothing is computed from them and nothing admitted: that is written in the groups.
    pub fn of_columns(name: QName, stored: Vec<StoredColumn>) -> Self {
        let nothing = Arc::new(Evaluator::new(&[], &[]));
        Self {
            root: name.clone(),
            name,
            kind: SourceKind::Request,
            schema: schema_of(&stored),
            stored,
            time: None,
            lateness: None,
            key: Vec::new(),
            batch: None,
            stream: None,
            rows: None,
            computed: Arc::clone(&nothing),
            known: None,
            keep: nothing,
        }
    }
}

/// The schema of stored columns once conformed.
pub(crate) fn schema_of(stored: &[StoredColumn]) -> SchemaRef {
    let field = |column: &StoredColumn| Field::new(&column.name, column.slot.ty.arrow(), true);
    Arc::new(Schema::new(stored.iter().map(field).collect::<Vec<_>>()))
}

/// A column as it is stored outside.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub slot: Slot,
    /// Whose wall clock zone-less values are.
    pub zone: Option<String>,
}

/// A group that folds a source's rows by key, or keeps the newest.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    /// Its name.
    pub name: QName,
    /// Its version.
    pub version: u32,
    /// Its entity's name.
    pub entity: QName,
    /// The entity's key: names and types in order.
    pub key: Vec<(String, Type)>,
    /// Its source.
    pub source: Arc<SourcePlan>,
    /// What is kept per key and how it is read.
    pub view: Arc<View>,
    /// From the source's rows to the kernel's.
    pub prepare: Arc<Prepare>,
    /// The types of the view's outputs, in their order.
    pub outputs: Vec<Slot>,
    /// The calls that the outputs are, in their order: as the text has them, without their windows.
    pub calls: Vec<String>,
    /// The group's features, private ones among them, in the order of the text.
    pub features: Vec<FeaturePlan>,
    /// Evaluates `features` over a batch whose columns are the key columns by name
    /// (`user.user_id`), `as_of`, and the outputs `~0`, `~1`, …; in a row group `~0` is the struct
    /// of the newest row.
    pub evaluator: Arc<Evaluator>,
    /// `refresh …`
    pub refresh: Option<Refresh>,
    /// Hash of what decides numbers.
    pub meaning: MeaningHash,
}

impl GroupPlan {
    /// Its name with its version, `package.group@version`: versions of a group live beside each other.
    pub fn versioned(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// One feature.
#[derive(Clone, Debug, PartialEq)]
pub struct FeaturePlan {
    /// Its name.
    pub name: String,
    /// Its type. A feature of a row group is nullable.
    pub slot: Slot,
    /// Whether it is hidden outside its package.
    pub private: bool,
    /// The view's outputs it is made of: its status is the worst of theirs. Empty for derived groups.
    pub outputs: Vec<usize>,
    /// Features it is made of, `group.feature`, in a derived group.
    pub inputs: Vec<String>,
}

/// A `labels` group: a group whose windows look forward.
///
/// It is the same view, asked at `t + horizon` over rows that are known at their event time; the
/// windows' offsets bring those with a shorter horizon back to their place.
#[derive(Clone, Debug)]
pub struct LabelPlan {
    /// The group; its `prepare` is used in event-time mode.
    pub group: GroupPlan,
    /// The furthest end of a window after `t`: `after + h`.
    pub horizon: Micros,
}

/// A `derived` group.
#[derive(Clone, Debug)]
pub struct DerivedPlan {
    /// Its name.
    pub name: QName,
    /// Its version.
    pub version: u32,
    /// Its features in the order of the text.
    pub features: Vec<FeaturePlan>,
    /// Evaluates them over a batch with the columns that they name: `group.feature`,
    /// `request.column`, `role.key_column`, `as_of`.
    pub evaluator: Arc<Evaluator>,
    /// Hash of what decides numbers.
    pub meaning: MeaningHash,
}

/// A `service`, ready to be asked.
#[derive(Clone, Debug)]
pub struct ServicePlan {
    /// Its name.
    pub name: QName,
    /// Its version.
    pub version: u32,
    /// Every key input, once: name and type.
    pub keys: Vec<(String, Type)>,
    /// Request inputs: `column` as the caller names it, `request.column` as expressions do, type.
    pub requests: Vec<RequestInput>,
    /// The groups it needs, directly or through derived groups.
    pub groups: Vec<GroupUse>,
    /// The derived groups it needs, each after those it reads.
    pub derived: Vec<DerivedUse>,
    /// What it serves, in order.
    pub selected: Vec<SelectedPlan>,
    /// Hash of what decides numbers.
    pub meaning: MeaningHash,
}

/// A request input of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestInput {
    /// As the caller and the spine name it.
    pub column: String,
    /// As expressions name it: `request.column`.
    pub name: String,
    /// Its type.
    pub slot: Slot,
}

/// A group in a service.
#[derive(Clone, Debug)]
pub struct GroupUse {
    /// The prefix of its features in expressions, no other group's of the service: the group's short
    /// name, `role.group` where two roles read it, or either with a number (`group~2`) where another
    /// group or key has that.
    pub prefix: String,
    /// The group.
    pub group: Arc<GroupPlan>,
    /// Which of the service's `keys` are its key, in the entity's order.
    pub key: Vec<usize>,
}

/// A derived group in a service.
#[derive(Clone, Debug)]
pub struct DerivedUse {
    /// The prefix of its features, as that of a [`GroupUse`].
    pub prefix: String,
    /// The group; it names what it reads by the prefixes of this service.
    pub derived: Arc<DerivedPlan>,
    /// Where its `role.key_column` columns come from: name in expressions, place in the service's `keys`.
    pub keys: Vec<(String, usize)>,
}

/// One served feature.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectedPlan {
    /// `prefix.feature`: where it is found.
    pub feature: String,
    /// Its name in an answer: the alias, or `group.feature`, or `role.group.feature` where two roles
    /// select from groups of this name.
    pub name: String,
    /// Its column in a training set: the alias, or `group__feature`.
    pub column: String,
    /// Its type.
    pub slot: Slot,
}

/// A `dataset`.
#[derive(Clone, Debug)]
pub struct DatasetPlan {
    /// Its name.
    pub name: QName,
    /// Its service.
    pub service: Arc<ServicePlan>,
    /// The source whose rows are the spine.
    pub spine: Arc<SourcePlan>,
    /// The spine's time column.
    pub at: String,
    /// Keeps the rows of the spine whose `keep` column is true: one Boolean over `spine`'s columns.
    pub filter: Option<Arc<Evaluator>>,
    /// Label groups with the features asked of each, and the columns they become.
    pub labels: Vec<LabelUse>,
    /// `[from, to)` of the spine's time.
    pub period: Option<(Instant, Instant)>,
    /// Parts in a million, and the column whose hash decides.
    pub sample: Option<(u32, String)>,
    /// Hash of what decides numbers.
    pub meaning: MeaningHash,
}

/// A label group in a dataset.
#[derive(Clone, Debug)]
pub struct LabelUse {
    /// The group.
    pub label: Arc<LabelPlan>,
    /// The spine's columns that are its key, in the entity's order.
    pub key: Vec<String>,
    /// Features and the columns they become (`group__feature`).
    pub features: Vec<(String, String)>,
}

impl ServicePlan {
    /// A service of one group alone: every feature of it, for its own key columns.
    ///
    /// Tests of a group, tables of its values and comparisons of engines ask it.
    pub fn of_group(group: &Arc<GroupPlan>) -> Self {
        let prefix = group.name.name.clone();
        let selected = group.features.iter().map(|feature| SelectedPlan {
            feature: format!("{prefix}.{}", feature.name),
            name: format!("{prefix}.{}", feature.name),
            column: format!("{prefix}__{}", feature.name),
            slot: feature.slot.clone(),
        });
        Self {
            name: group.name.clone(),
            version: group.version,
            keys: group.key.clone(),
            requests: Vec::new(),
            selected: selected.collect(),
            groups: vec![GroupUse { prefix, group: Arc::clone(group), key: (0..group.key.len()).collect() }],
            derived: Vec::new(),
            meaning: group.meaning,
        }
    }
}
