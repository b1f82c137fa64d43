//! From answers to features: the expressions of groups and derived groups, batch by batch of the spine.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Field, Schema, SchemaRef};
use feat_compiler::expr::Evaluator;
use feat_compiler::ir::QName;
use feat_compiler::plan::{GroupPlan, LabelUse, ServicePlan};

use crate::error::BatchError;
use crate::spine::Spine;
use crate::zip::{AnswerStream, Beside, hide};

/// The answers of one pass.
pub(crate) struct PassStream {
    pub(crate) stream: AnswerStream,
    /// The groups and labels that it answers, and which of its outputs are theirs.
    pub(crate) members: Vec<(usize, Range<usize>)>,
}

/// A group of features or of labels in a training set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Member {
    /// Features, by their prefix in the service.
    Features(String),
    /// Labels, by the full name of their group.
    Labels(QName),
}

/// How many values of each group are evaluation errors.
pub(crate) type Errors = Arc<Mutex<BTreeMap<Member, u64>>>;

/// Everything that goes beside the spine's columns.
pub(crate) struct Columns {
    pub(crate) spine: Spine,
    pub(crate) schema: SchemaRef,
    pub(crate) service: Arc<ServicePlan>,
    pub(crate) labels: Vec<LabelUse>,
    /// Together they answer the service's groups, then the labels.
    pub(crate) passes: Vec<PassStream>,
    /// Values that are evaluation errors.
    pub(crate) errors: Errors,
    /// The number of the next row of the spine.
    pub(crate) next: i64,
}

impl Columns {
    /// The next batch of the spine with features and labels.
    pub(crate) async fn beside(&mut self, batch: &RecordBatch) -> Result<RecordBatch, BatchError> {
        let rows = batch.num_rows();
        let service = Arc::clone(&self.service);
        let mut names: Vec<String> = service.keys.iter().map(|(name, _)| name.clone()).collect();
        names.extend(service.requests.iter().map(|input| input.column.clone()));
        names.extend(self.labels.iter().flat_map(|label| label.key.iter().cloned()));
        let facts = self.spine.facts(batch, &names)?;
        let (keys, rest) = facts.columns.split_at(service.keys.len());
        let (requests, label_keys) = rest.split_at(service.requests.len());
        let at: ArrayRef =
            Arc::new(TimestampMicrosecondArray::from(facts.at.values().to_vec()).with_timezone("UTC"));

        let mut answers: BTreeMap<usize, Beside> = BTreeMap::new();
        for PassStream { stream, members } in &mut self.passes {
            let Beside { outputs, silent } = stream.take(self.next, rows).await?;
            answers.extend(members.iter().map(|(member, range)| {
                (*member, Beside { outputs: outputs[range.clone()].to_vec(), silent: silent.clone() })
            }));
        }
        let mut answers = answers.into_values();

        let mut found: BTreeMap<String, ArrayRef> = BTreeMap::new();
        for (used, beside) in service.groups.iter().zip(answers.by_ref()) {
            let key: Vec<ArrayRef> = used.key.iter().map(|&place| Arc::clone(&keys[place])).collect();
            let (columns, errors) = features(&used.group, &key, &at, &beside, rows)?;
            count(&self.errors, Member::Features(used.prefix.clone()), errors);
            for (feature, column) in used.group.features.iter().zip(columns) {
                found.insert(format!("{}.{}", used.prefix, feature.name), column);
            }
        }
        for (input, column) in service.requests.iter().zip(requests) {
            found.insert(input.name.clone(), Arc::clone(column));
        }
        for used in &service.derived {
            let scope = |name: &str| {
                if name == "as_of" {
                    return Some(Arc::clone(&at));
                }
                let key = used.keys.iter().find(|(key, _)| key == name);
                key.map(|&(_, place)| Arc::clone(&keys[place])).or_else(|| found.get(name).cloned())
            };
            let (columns, errors) = evaluate(&used.derived.evaluator, scope, rows)?;
            count(&self.errors, Member::Features(used.prefix.clone()), errors);
            for (feature, column) in used.derived.features.iter().zip(columns) {
                found.insert(format!("{}.{}", used.prefix, feature.name), column);
            }
        }

        let mut columns = batch.columns().to_vec();
        for selected in &service.selected {
            let column = found.get(&selected.feature).cloned();
            columns.push(column.ok_or_else(|| missing(&selected.feature))?);
        }
        let mut label_keys = label_keys.iter();
        for (label, beside) in self.labels.iter().zip(answers) {
            let key: Vec<ArrayRef> = label_keys.by_ref().take(label.key.len()).cloned().collect();
            let group = &label.label.group;
            let (evaluated, errors) = features(group, &key, &at, &beside, rows)?;
            count(&self.errors, Member::Labels(group.name.clone()), errors);
            for (name, _) in &label.features {
                let place = group.features.iter().position(|feature| &feature.name == name);
                columns.push(Arc::clone(&evaluated[place.ok_or_else(|| missing(name))?]));
            }
        }
        self.next += rows as i64;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

fn count(errors: &Errors, member: Member, more: u64) {
    if more > 0
        && let Ok(mut errors) = errors.lock()
    {
        *errors.entry(member).or_default() += more;
    }
}

/// The features of a group over its answers, null where the row asked nothing, and how many errors.
fn features(
    group: &GroupPlan,
    key: &[ArrayRef],
    at: &ArrayRef,
    beside: &Beside,
    rows: usize,
) -> Result<(Vec<ArrayRef>, u64), BatchError> {
    let scope = |name: &str| {
        if name == "as_of" {
            return Some(Arc::clone(at));
        }
        if let Some(output) = name.strip_prefix('~') {
            return output.parse().ok().and_then(|output: usize| beside.outputs.get(output).cloned());
        }
        // `user.user_id`, and in a role group also the bare column.
        let column = name.rsplit_once('.').map_or(name, |(_, column)| column);
        let place = group.key.iter().position(|(key, _)| key == column)?;
        key.get(place).cloned()
    };
    let hidden: Option<&BooleanBuffer> = beside.silent.as_ref();
    let (columns, errors) = evaluate(&group.evaluator, scope, rows)?;
    let columns = columns.iter().map(|column| hide(column, hidden)).collect::<Result<_, _>>()?;
    Ok((columns, errors))
}

/// Evaluates expressions over the columns that they name. A row that errs is null; second, how many
/// values do.
pub(crate) fn evaluate(
    evaluator: &Evaluator,
    scope: impl Fn(&str) -> Option<ArrayRef>,
    rows: usize,
) -> Result<(Vec<ArrayRef>, u64), BatchError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for name in evaluator.inputs() {
        let column = scope(name).ok_or_else(|| missing(name))?;
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
    let evaluated = evaluator.evaluate(&batch);
    let errors = evaluated.errors.iter().flatten().map(|errors| errors.count_set_bits() as u64).sum();
    Ok((evaluated.columns, errors))
}

fn missing(name: &str) -> BatchError {
    BatchError::Request(format!("nothing in the plan gives `{name}`"))
}
