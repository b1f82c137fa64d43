//! The distinct entities of a request: what is read and assembled once, however many rows ask for it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use bytes::Bytes;
use feat_kernel::key;
use feat_kernel::time::Instant;
use feat_kernel::types::Type;

use crate::cell::Cells;
use crate::group::NEVER;
use crate::status::Status;

/// The distinct entities that the rows of a request name by some of its key columns.
#[derive(Debug)]
pub(crate) struct Entities {
    /// The bytes of each entity's key.
    pub(crate) keys: Vec<Bytes>,
    /// A row that names each.
    first: Vec<u32>,
    /// For each row its entity; none where a key column is null.
    of: Vec<Option<u32>>,
    /// Whether entity and row are the same number.
    plain: bool,
}

impl Entities {
    /// The entities of `rows` rows whose key columns are `columns`.
    pub(crate) fn new(rows: usize, columns: &[(&ArrayRef, &Type)]) -> Self {
        let cells: Vec<Cells> = columns.iter().map(|(array, ty)| Cells::new(array, ty)).collect();
        let (mut keys, mut first) = (Vec::new(), Vec::new());
        let mut places: HashMap<Bytes, u32> = HashMap::new();
        let mut of = Vec::with_capacity(rows);
        let mut bytes = Vec::new();
        for row in 0..rows {
            bytes.clear();
            if !key::put(&mut bytes, cells.iter().map(|cells| cells.get(row))) {
                of.push(None);
                continue;
            }
            if let Some(&place) = places.get(&*bytes) {
                of.push(Some(place));
                continue;
            }
            let (key, place) = (Bytes::copy_from_slice(&bytes), keys.len() as u32);
            // One row, the common request, needs no map.
            if rows > 1 {
                places.insert(key.clone(), place);
            }
            keys.push(key);
            first.push(row as u32);
            of.push(Some(place));
        }
        let plain = keys.len() == rows;
        Self { keys, first, of, plain }
    }

    /// The key of each row; none where a key column is null.
    pub(crate) fn of_rows(&self) -> impl Iterator<Item = Option<&Bytes>> {
        self.of.iter().map(|place| place.map(|place| &self.keys[place as usize]))
    }

    /// How many distinct ones.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// A column with a value a row as one with a value an entity.
    pub(crate) fn gather(&self, column: &ArrayRef) -> ArrayRef {
        if self.plain {
            return column.clone();
        }
        take(column, &UInt32Array::from(self.first.clone()), None)
            .expect("invariant: an entity is named by a row")
    }

    /// A column with a value an entity as one with a value a row; null where there is no key.
    pub(crate) fn scatter(&self, column: &ArrayRef) -> ArrayRef {
        if self.plain {
            return column.clone();
        }
        take(column, &UInt32Array::from(self.of.clone()), None)
            .expect("invariant: a row names an entity of its own request")
    }

    /// The same of instants.
    pub(crate) fn scatter_instants(&self, instants: Vec<Instant>) -> Arc<[Instant]> {
        if self.plain {
            return instants.into();
        }
        self.of().map(|place| place.map_or(NEVER, |place| instants[place])).collect()
    }

    /// The same of statuses.
    pub(crate) fn scatter_statuses(&self, statuses: Vec<Status>) -> Arc<[Status]> {
        if self.plain {
            return statuses.into();
        }
        self.of().map(|place| place.map_or(Status::NoKey, |place| statuses[place])).collect()
    }

    /// How many rows.
    pub(crate) fn rows(&self) -> usize {
        self.of.len()
    }

    /// The entity of each row; none where there is no key.
    pub(crate) fn of(&self) -> impl Iterator<Item = Option<usize>> {
        self.of.iter().map(|place| place.map(|place| place as usize))
    }
}
