//! What is answered.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use feat_kernel::column;
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use feat_proto::v1;
use feat_proto::v1::column::Values;

use super::value::{cell, decimals};
use super::{status, timestamp};
use crate::answer::{Answer, FeatureAnswer, GroupStamp};
use crate::catalog::Service;
use crate::group::NEVER;

/// In which form values are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A message a row.
    Rows,
    /// A column a feature.
    Columns,
}

/// The features of a service, as answers list them.
pub(crate) fn features(service: &Service) -> Vec<v1::Feature> {
    let plan = service.plan();
    let feature = |selected: &feat_compiler::plan::SelectedPlan| v1::Feature {
        service: plan.name.to_string(),
        service_version: plan.version,
        name: selected.name.clone(),
        column: selected.column.clone(),
        r#type: selected.slot.to_string(),
    };
    plan.selected.iter().map(feature).collect()
}

/// What a service asks for and answers with.
pub(crate) fn describe(service: &Service) -> v1::DescribeServiceResponse {
    let plan = service.plan();
    let input = |name: &String, ty: String| v1::Input { name: name.clone(), r#type: ty };
    v1::DescribeServiceResponse {
        service: plan.name.to_string(),
        version: plan.version,
        meaning: plan.meaning.to_string(),
        keys: plan.keys.iter().map(|(name, ty)| input(name, ty.to_string())).collect(),
        requests: plan.requests.iter().map(|one| input(&one.column, one.slot.to_string())).collect(),
        features: features(service),
    }
}

/// Answers of services at one instant, and `features` they list, as one message.
pub(crate) fn response(
    answers: &[Answer],
    features: Vec<v1::Feature>,
    form: Form,
) -> v1::GetFeaturesResponse {
    // All have the stamp, the instant and the rows of the call.
    let Some(first) = answers.first() else { return v1::GetFeaturesResponse::default() };
    let at = first.evaluated_at;
    let all = || answers.iter().flat_map(|answer| &answer.features);
    let (rows, columns) = match form {
        Form::Rows => {
            let row =
                |row: usize| v1::FeatureRow { values: all().map(|feature| one(feature, row, at)).collect() };
            ((0..first.rows).map(row).collect(), Vec::new())
        }
        Form::Columns => (Vec::new(), all().map(|feature| column_of(feature, at)).collect()),
    };
    v1::GetFeaturesResponse {
        evaluated_at: Some(timestamp(at)),
        complete: first.complete,
        complete_to: (first.complete_to < Instant::MAX).then(|| timestamp(first.complete_to)),
        stamps: first.stamp.iter().map(stamp).collect(),
        features,
        rows,
        columns,
    }
}

fn stamp(stamp: &GroupStamp) -> v1::Stamp {
    let partition = |(number, partition): (&u32, &crate::answer::PartitionStamp)| {
        let positions = partition.positions.iter().map(|(log, next)| (log.clone(), *next)).collect();
        (*number, v1::PartitionStamp { positions, complete_to: Some(timestamp(partition.complete_to)) })
    };
    v1::Stamp {
        group: stamp.group.clone(),
        version: stamp.version,
        meaning: stamp.meaning.to_string(),
        partitions: stamp.partitions.iter().map(partition).collect(),
    }
}

/// Microseconds from the last change to the answer's instant.
fn age(changed: Instant, at: Instant) -> Option<i64> {
    (changed != NEVER).then(|| at.0.saturating_sub(changed.0))
}

fn one(feature: &FeatureAnswer, row: usize, at: Instant) -> v1::FeatureValue {
    v1::FeatureValue {
        value: Some(cell(&feature.values, &feature.slot.ty, row)),
        status: status(feature.statuses[row]).into(),
        age: age(feature.changed[row], at),
    }
}

fn column_of(feature: &FeatureAnswer, at: Instant) -> v1::FeatureColumn {
    v1::FeatureColumn {
        values: Some(typed(&feature.name, &feature.values, &feature.slot)),
        statuses: feature.statuses.iter().map(|one| status(*one).into()).collect(),
        ages: feature.changed.iter().map(|changed| age(*changed, at).unwrap_or(-1)).collect(),
    }
}

/// A column in the typed form of its type.
fn typed(name: &str, array: &dyn Array, Slot { ty, .. }: &Slot) -> v1::Column {
    let values = match ty {
        Type::Bool => Values::Bools(v1::Bools {
            values: array.as_boolean().iter().map(Option::unwrap_or_default).collect(),
        }),
        Type::Int => Values::Ints(v1::Ints {
            values: array.as_primitive::<Int64Type>().iter().map(Option::unwrap_or_default).collect(),
        }),
        Type::Timestamp | Type::Duration => Values::Ints(v1::Ints {
            values: column::int64(array).iter().map(Option::unwrap_or_default).collect(),
        }),
        Type::Date => {
            let days = array.as_primitive::<Date32Type>().iter();
            Values::Ints(v1::Ints { values: days.map(|day| i64::from(day.unwrap_or_default())).collect() })
        }
        Type::Float => Values::Floats(v1::Floats {
            values: array.as_primitive::<Float64Type>().iter().map(Option::unwrap_or_default).collect(),
        }),
        Type::String | Type::Enum(_) => Values::Strings(v1::Strings {
            values: array.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect(),
        }),
        Type::Decimal(_, scale) => Values::Strings(v1::Strings { values: decimals(array, *scale) }),
        Type::Bytes => Values::Blobs(v1::Blobs {
            values: array.as_binary::<i32>().iter().map(|bytes| bytes.unwrap_or_default().to_vec()).collect(),
        }),
        Type::List(_) | Type::Map(..) | Type::Struct(_) | Type::Embedding(_) => {
            Values::Any(v1::Values { values: (0..array.len()).map(|row| cell(array, ty, row)).collect() })
        }
    };
    let nulls = (0..array.len()).filter(|&row| array.is_null(row)).map(|row| row as u32).collect();
    v1::Column { name: name.to_owned(), values: Some(values), nulls }
}
