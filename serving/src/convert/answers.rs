//! What is answered.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use feat_compiler::plan::{SelectedPlan, ServicePlan};
use feat_kernel::column;
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use feat_proto::v1;
use feat_proto::v1::column::Values as Kinds;

use super::value::{cell, decimals, digits, message};
use super::{status, timestamp};
use crate::answer::{Answer, FeatureAnswer, GroupStamp, PartitionStamp};
use crate::catalog::Service;
use crate::group::NEVER;
use crate::values::Values;

/// In which form values are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A message a row.
    Rows,
    /// A column a feature.
    Columns,
}

/// The features of a service, as every answer lists them.
#[derive(Clone, Debug)]
pub(crate) struct Listing(Vec<v1::Feature>);

/// The listing of a service with this plan.
pub(crate) fn listing(plan: &ServicePlan) -> Listing {
    let feature = |selected: &SelectedPlan| v1::Feature {
        service: plan.name.to_string(),
        service_version: plan.version,
        name: selected.name.clone(),
        column: selected.column.clone(),
        r#type: selected.slot.to_string(),
    };
    Listing(plan.selected.iter().map(feature).collect())
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
        features: service.listing.0.clone(),
    }
}

/// Answers of `services` at one instant, as one message.
pub(crate) fn response(
    services: &[Arc<Service>],
    answers: Vec<Answer>,
    form: Form,
) -> v1::GetFeaturesResponse {
    // All have the stamp, the instant and the rows of the call.
    let Some(first) = answers.first() else { return v1::GetFeaturesResponse::default() };
    let (at, count) = (first.evaluated_at, first.rows);
    let all = || answers.iter().flat_map(|answer| &answer.features);
    let (rows, columns) = match form {
        Form::Rows => {
            let row =
                |row: usize| v1::FeatureRow { values: all().map(|feature| one(feature, row, at)).collect() };
            ((0..count).map(row).collect(), Vec::new())
        }
        Form::Columns => (Vec::new(), all().map(|feature| column_of(feature, at)).collect()),
    };
    let features = match services {
        [service] => service.listing.0.clone(),
        _ => services.iter().flat_map(|service| &service.listing.0).cloned().collect(),
    };
    let (complete, complete_to) = (first.complete, first.complete_to);
    let stamps = answers.into_iter().next().map(|first| first.stamp).unwrap_or_default();
    v1::GetFeaturesResponse {
        evaluated_at: Some(timestamp(at)),
        complete,
        complete_to: (complete_to < Instant::MAX).then(|| timestamp(complete_to)),
        stamps: stamps.into_iter().map(stamp).collect(),
        features,
        rows,
        columns,
    }
}

fn stamp(stamp: GroupStamp) -> v1::Stamp {
    let partition = |(number, PartitionStamp { positions, complete_to })| {
        let positions = positions.into_iter().collect();
        (number, v1::PartitionStamp { positions, complete_to: Some(timestamp(complete_to)) })
    };
    v1::Stamp {
        group: stamp.group,
        version: stamp.version,
        meaning: stamp.meaning.to_string(),
        partitions: stamp.partitions.into_iter().map(partition).collect(),
    }
}

/// Microseconds from the last change to the answer's instant.
fn age(changed: Instant, at: Instant) -> Option<i64> {
    (changed != NEVER).then(|| at.0.saturating_sub(changed.0))
}

fn one(feature: &FeatureAnswer, row: usize, at: Instant) -> v1::FeatureValue {
    let ty = &feature.selected.slot.ty;
    let value = match &feature.values {
        Values::Column(column) => cell(column, ty, row),
        Values::Plain { all, skipped, .. } => message(&all[skipped + row], ty),
    };
    v1::FeatureValue {
        value: Some(value),
        status: status(feature.statuses[row]).into(),
        age: age(feature.changed[row], at),
    }
}

fn column_of(feature: &FeatureAnswer, at: Instant) -> v1::FeatureColumn {
    let SelectedPlan { name, slot, .. } = &*feature.selected;
    let values = match &feature.values {
        Values::Column(column) => typed(name, column, slot),
        Values::Plain { all, skipped, rows } => plain(name, &all[*skipped..skipped + rows], &slot.ty),
    };
    v1::FeatureColumn {
        values: Some(values),
        statuses: feature.statuses.iter().map(|one| status(*one).into()).collect(),
        ages: feature.changed.iter().map(|changed| age(*changed, at).unwrap_or(-1)).collect(),
    }
}

/// Values in the typed form of their type, which is none that is made of others.
fn plain(name: &str, values: &[Value], ty: &Type) -> v1::Column {
    let nulls = values.iter().enumerate().filter(|(_, value)| value.is_null());
    let nulls = nulls.map(|(row, _)| row as u32).collect();
    let typed = match ty {
        Type::Bool => Kinds::Bools(v1::Bools {
            values: values.iter().map(|x| matches!(x, Value::Bool(true))).collect(),
        }),
        Type::Float => {
            let float = |value: &Value| if let Value::Float(x) = value { *x } else { 0.0 };
            Kinds::Floats(v1::Floats { values: values.iter().map(float).collect() })
        }
        Type::String | Type::Enum(_) => {
            let text = |value: &Value| if let Value::Str(x) = value { x.to_string() } else { String::new() };
            Kinds::Strings(v1::Strings { values: values.iter().map(text).collect() })
        }
        Type::Decimal(_, scale) => {
            let text = |value: &Value| {
                if let Value::Decimal(x) = value { digits(*x, *scale) } else { String::new() }
            };
            Kinds::Strings(v1::Strings { values: values.iter().map(text).collect() })
        }
        Type::Bytes => {
            let bytes = |value: &Value| if let Value::Bytes(x) = value { x.to_vec() } else { Vec::new() };
            Kinds::Blobs(v1::Blobs { values: values.iter().map(bytes).collect() })
        }
        // Whole numbers, and what is counted in days or microseconds.
        _ => {
            let int = |value: &Value| if let Value::Int(x) = value { *x } else { 0 };
            Kinds::Ints(v1::Ints { values: values.iter().map(int).collect() })
        }
    };
    v1::Column { name: name.to_owned(), values: Some(typed), nulls }
}

/// A column in the typed form of its type.
fn typed(name: &str, array: &dyn Array, Slot { ty, .. }: &Slot) -> v1::Column {
    let values = match ty {
        Type::Bool => Kinds::Bools(v1::Bools {
            values: array.as_boolean().iter().map(Option::unwrap_or_default).collect(),
        }),
        Type::Int => Kinds::Ints(v1::Ints {
            values: array.as_primitive::<Int64Type>().iter().map(Option::unwrap_or_default).collect(),
        }),
        Type::Timestamp | Type::Duration => Kinds::Ints(v1::Ints {
            values: column::int64(array).iter().map(Option::unwrap_or_default).collect(),
        }),
        Type::Date => {
            let days = array.as_primitive::<Date32Type>().iter();
            Kinds::Ints(v1::Ints { values: days.map(|day| i64::from(day.unwrap_or_default())).collect() })
        }
        Type::Float => Kinds::Floats(v1::Floats {
            values: array.as_primitive::<Float64Type>().iter().map(Option::unwrap_or_default).collect(),
        }),
        Type::String | Type::Enum(_) => Kinds::Strings(v1::Strings {
            values: array.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect(),
        }),
        Type::Decimal(_, scale) => Kinds::Strings(v1::Strings { values: decimals(array, *scale) }),
        Type::Bytes => Kinds::Blobs(v1::Blobs {
            values: array.as_binary::<i32>().iter().map(|bytes| bytes.unwrap_or_default().to_vec()).collect(),
        }),
        Type::List(_) | Type::Map(..) | Type::Struct(_) | Type::Embedding(_) => {
            Kinds::Any(v1::Values { values: (0..array.len()).map(|row| cell(array, ty, row)).collect() })
        }
    };
    let nulls = (0..array.len()).filter(|&row| array.is_null(row)).map(|row| row as u32).collect();
    v1::Column { name: name.to_owned(), values: Some(values), nulls }
}
