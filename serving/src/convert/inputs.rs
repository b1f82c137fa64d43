//! What is asked about: the keys and request inputs of a request, for each of its services.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DurationMicrosecondArray, Float64Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{Field, Schema};
use feat_kernel::column;
use feat_kernel::types::Type;
use feat_kernel::value::Value;
use feat_proto::v1;
use feat_proto::v1::column::Values as Kinds;
use feat_proto::v1::get_features_request::Entities;
use feat_proto::v1::value::Kind;

use super::value::value;
use crate::catalog::Service;
use crate::error::ServeError;
use crate::inputs::Inputs;
use crate::values::Values;

/// The entities of a request, as it gives them.
pub(crate) struct Asked<'a> {
    rows: usize,
    entities: Option<&'a Entities>,
    shared: &'a HashMap<String, v1::Value>,
}

impl<'a> Asked<'a> {
    /// What `request` asks about.
    ///
    /// Errors: columns of different lengths, a column without a name or twice, more rows than `most`.
    pub(crate) fn new(request: &'a v1::GetFeaturesRequest, most: usize) -> Result<Self, ServeError> {
        let rows = match &request.entities {
            None => 1,
            Some(Entities::Rows(rows)) => rows.rows.len(),
            Some(Entities::Columns(columns)) => lengths(columns)?,
        };
        if rows > most {
            return Err(ServeError::TooLarge(format!(
                "{rows} rows are asked about, and this server answers at most {most} in one call: ask in several"
            )));
        }
        let asked = Self { rows, entities: request.entities.as_ref(), shared: &request.inputs };
        let by_row = asked.names();
        if let Some(name) = asked.shared.keys().find(|name| by_row.contains(name.as_str())) {
            return Err(ServeError::Request(format!(
                "input `{name}` is given for all rows and by row: give it once"
            )));
        }
        Ok(asked)
    }

    /// How many rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Refuses what none of `services` asks for.
    pub(crate) fn refuse_others(&self, services: &[Arc<Service>]) -> Result<(), ServeError> {
        let wanted =
            |name: &str| services.iter().any(|service| wanted(service).any(|(known, _)| known == name));
        let given = self.names().into_iter().chain(self.shared.keys().map(String::as_str));
        for name in given {
            if !wanted(name) {
                let known: BTreeSet<String> = services
                    .iter()
                    .flat_map(|service| self::wanted(service).map(|(name, ty)| format!("`{name}` ({ty})")))
                    .collect();
                let known: Vec<String> = known.into_iter().collect();
                return Err(ServeError::Request(format!(
                    "no service takes an input `{name}`: they ask for {}",
                    known.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// The inputs of `service`.
    ///
    /// Errors: one is missing or not of its type; the message names it, and the row.
    pub(crate) fn of(&self, service: &Service) -> Result<Inputs, ServeError> {
        let mut arrays = Vec::new();
        for (name, ty) in wanted(service) {
            let array = self.column(name, ty).transpose()?.ok_or_else(|| {
                let all: Vec<String> = wanted(service).map(|(name, ty)| format!("`{name}` ({ty})")).collect();
                ServeError::Request(format!(
                    "input `{name}` is missing: service `{}` asks for {}",
                    service.plan().name,
                    all.join(", ")
                ))
            })?;
            arrays.push(array);
        }
        // They are of the declared types already; of what is made of others parts may be missing that must
        // be there.
        if wanted(service).all(|(_, ty)| Values::may_be_plain(ty)) {
            let requests = arrays.split_off(service.plan().keys.len());
            return Ok(Inputs { rows: self.rows, keys: arrays, requests });
        }
        let fields = wanted(service).zip(&arrays);
        let fields = fields.map(|((name, _), array)| Field::new(name, array.data_type().clone(), true));
        let fields: Vec<Field> = fields.collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .expect("invariant: columns of one length, with their own types");
        Ok(Inputs::from_batch(service, &batch, "the request")?)
    }

    /// The names that are given by row.
    fn names(&self) -> BTreeSet<&'a str> {
        match self.entities {
            None => BTreeSet::new(),
            Some(Entities::Rows(rows)) => {
                rows.rows.iter().flat_map(|row| row.values.keys().map(String::as_str)).collect()
            }
            Some(Entities::Columns(columns)) => {
                columns.columns.iter().map(|column| column.name.as_str()).collect()
            }
        }
    }

    /// The column of the input `name`; none if it is not given.
    fn column(&self, name: &str, ty: &Type) -> Option<Result<ArrayRef, ServeError>> {
        let wrong = |row: Option<usize>, found: &str| {
            let row = row.map_or_else(String::new, |row| format!(" of row {row}"));
            ServeError::Request(format!("input `{name}`{row} is not of type {ty}: found {found}"))
        };
        if let Some(shared) = self.shared.get(name) {
            let value = value(shared, ty).map_err(|found| wrong(None, &found));
            return Some(value.map(|value| column::array(ty, &vec![value; self.rows])));
        }
        match self.entities? {
            Entities::Rows(rows) => {
                let mut values = Vec::with_capacity(rows.rows.len());
                for (at, row) in rows.rows.iter().enumerate() {
                    let Some(given) = row.values.get(name) else {
                        let given = rows.rows.iter().any(|row| row.values.contains_key(name));
                        // Of some rows and not of this one: which that is, is worth saying.
                        return given.then(|| {
                            Err(ServeError::Request(format!("input `{name}` of row {at} is missing: a null is written as a value that is not set")))
                        });
                    };
                    match value(given, ty) {
                        Ok(value) => values.push(value),
                        Err(found) => return Some(Err(wrong(Some(at), &found))),
                    }
                }
                if values.is_empty() && !rows.rows.is_empty() {
                    return None;
                }
                Some(Ok(column::array(ty, &values)))
            }
            Entities::Columns(columns) => {
                let found = columns.columns.iter().find(|column| column.name == name)?;
                Some(typed(found, ty, self.rows).map_err(|(row, found)| wrong(row, &found)))
            }
        }
    }
}

/// The key and request inputs of a service, in its order.
fn wanted(service: &Service) -> impl Iterator<Item = (&str, &Type)> {
    let plan = service.plan();
    let keys = plan.keys.iter().map(|(name, ty)| (name.as_str(), ty));
    keys.chain(plan.requests.iter().map(|input| (input.column.as_str(), &input.slot.ty)))
}

/// The length that all columns have.
fn lengths(columns: &v1::Columns) -> Result<usize, ServeError> {
    let mut lengths: BTreeMap<&str, usize> = BTreeMap::new();
    for column in &columns.columns {
        let length = match &column.values {
            None => 0,
            Some(Kinds::Bools(bools)) => bools.values.len(),
            Some(Kinds::Ints(ints)) => ints.values.len(),
            Some(Kinds::Floats(floats)) => floats.values.len(),
            Some(Kinds::Strings(strings)) => strings.values.len(),
            Some(Kinds::Blobs(blobs)) => blobs.values.len(),
            Some(Kinds::Any(any)) => any.values.len(),
        };
        if lengths.insert(&column.name, length).is_some() {
            return Err(ServeError::Request(format!("column `{}` is given twice", column.name)));
        }
    }
    let mut all = lengths.iter();
    let Some((first, &length)) = all.next() else { return Ok(1) };
    match all.find(|(_, other)| **other != length) {
        None => Ok(length),
        Some((other, found)) => Err(ServeError::Request(format!(
            "column `{first}` has {length} values and column `{other}` {found}: they must have one a row each"
        ))),
    }
}

/// A column of type `ty`; what was found instead, and where.
fn typed(column: &v1::Column, ty: &Type, rows: usize) -> Result<ArrayRef, (Option<usize>, String)> {
    let mut valid = vec![true; rows];
    for &null in &column.nulls {
        match valid.get_mut(null as usize) {
            Some(valid) => *valid = false,
            None => return Err((None, format!("a null at place {null} of {rows}"))),
        }
    }
    let nulls = (!column.nulls.is_empty()).then(|| NullBuffer::new(BooleanBuffer::from(valid.clone())));
    let one_by_one = |message: &dyn Fn(usize) -> v1::Value| {
        let value = |row: usize| {
            if valid[row] {
                value(&message(row), ty).map_err(|found| (Some(row), found))
            } else {
                Ok(Value::Null)
            }
        };
        let values: Result<Vec<Value>, _> = (0..rows).map(value).collect();
        values.map(|values| column::array(ty, &values))
    };
    let kind = |kind| v1::Value { kind: Some(kind) };
    match (&column.values, ty) {
        (None, _) => one_by_one(&|_| v1::Value::default()),
        (Some(Kinds::Ints(ints)), Type::Int) => {
            Ok(Arc::new(Int64Array::new(ints.values.clone().into(), nulls)))
        }
        (Some(Kinds::Ints(ints)), Type::Timestamp) => {
            let array = TimestampMicrosecondArray::new(ints.values.clone().into(), nulls);
            Ok(Arc::new(array.with_timezone("UTC")))
        }
        (Some(Kinds::Ints(ints)), Type::Duration) => {
            Ok(Arc::new(DurationMicrosecondArray::new(ints.values.clone().into(), nulls)))
        }
        (Some(Kinds::Ints(ints)), Type::Date) => {
            let day = |(row, &day): (usize, &i64)| {
                i32::try_from(day).map_err(|_| (Some(row), format!("day {day}")))
            };
            let days: Vec<i32> = ints.values.iter().enumerate().map(day).collect::<Result<_, _>>()?;
            Ok(Arc::new(Date32Array::new(days.into(), nulls)))
        }
        (Some(Kinds::Ints(ints)), _) => one_by_one(&|row| kind(Kind::Int(ints.values[row]))),
        (Some(Kinds::Floats(floats)), Type::Float) if floats.values.iter().all(|x| x.is_finite()) => {
            // Minus zero is stored as zero.
            let floats: Vec<f64> = floats.values.iter().map(|x| x + 0.0).collect();
            Ok(Arc::new(Float64Array::new(floats.into(), nulls)))
        }
        (Some(Kinds::Floats(floats)), _) => one_by_one(&|row| kind(Kind::Float(floats.values[row]))),
        (Some(Kinds::Bools(bools)), Type::Bool) => {
            Ok(Arc::new(BooleanArray::new(BooleanBuffer::from(bools.values.clone()), nulls)))
        }
        (Some(Kinds::Bools(bools)), _) => one_by_one(&|row| kind(Kind::Bool(bools.values[row]))),
        (Some(Kinds::Strings(strings)), Type::String) => {
            let texts = strings.values.iter().zip(&valid).map(|(text, valid)| valid.then_some(text.as_str()));
            Ok(Arc::new(texts.collect::<StringArray>()))
        }
        (Some(Kinds::Strings(strings)), Type::Decimal(..)) => {
            one_by_one(&|row| kind(Kind::Decimal(strings.values[row].clone())))
        }
        (Some(Kinds::Strings(strings)), _) => {
            one_by_one(&|row| kind(Kind::String(strings.values[row].clone())))
        }
        (Some(Kinds::Blobs(blobs)), _) => one_by_one(&|row| kind(Kind::Bytes(blobs.values[row].clone()))),
        (Some(Kinds::Any(any)), _) => one_by_one(&|row| any.values[row].clone()),
    }
}
