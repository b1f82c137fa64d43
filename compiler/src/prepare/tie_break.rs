//! The tie-break bytes of rows, and the columns that they are made of.

use arrow::array::{ArrayRef, BinaryArray, BinaryBuilder};
use arrow::datatypes::DataType;
use feat_kernel::order;
use feat_kernel::types::Type;

use super::bytes::{Cells, ROW};

/// What orders rows of one instant: the values of columns, one after another.
///
/// Whoever sorts rows can carry the columns, which are smaller than their bytes and often carried
/// anyway, and make the bytes of those rows that stand at one instant once they meet.
#[derive(Clone, Debug, Default)]
pub struct TieBreak {
    columns: Vec<(Origin, Type)>,
}

/// Where a column is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// It is an argument of the view as it is.
    Argument(usize),
    /// It is among those that are no argument.
    Beside(usize),
}

impl TieBreak {
    /// Of columns with their types, each of which is the argument that `argument` says or none.
    pub(super) fn new(columns: &[(String, Type)], argument: impl Fn(&str, &Type) -> Option<usize>) -> Self {
        let mut beside = 0;
        let origin = |(name, ty): &(String, Type)| {
            let origin = argument(name, ty).map_or(Origin::Beside(beside), Origin::Argument);
            beside += usize::from(origin == Origin::Beside(beside));
            (origin, ty.clone())
        };
        Self { columns: columns.iter().map(origin).collect() }
    }

    /// The Arrow types of the columns that are no arguments, in their order.
    pub fn beside(&self) -> impl Iterator<Item = DataType> + '_ {
        let beside = self.columns.iter().filter(|(origin, _)| matches!(origin, Origin::Beside(_)));
        beside.map(|(_, ty)| ty.arrow())
    }

    /// Whether the column at `at` is no argument.
    pub(super) fn is_beside(&self, at: usize) -> bool {
        matches!(self.columns[at], (Origin::Beside(_), _))
    }

    /// The bytes of `rows` rows, empty where they are not `wanted`.
    ///
    /// Shape: `arguments` has those of the view, `beside` the columns of [`TieBreak::beside`].
    pub fn bytes(
        &self,
        arguments: &[ArrayRef],
        beside: &[ArrayRef],
        rows: usize,
        wanted: impl Fn(usize) -> bool,
    ) -> BinaryArray {
        let wants = |row: &usize| !self.columns.is_empty() && wanted(*row);
        let count = (0..rows).filter(wants).count();
        // Without such a row nothing is made ready, which copies nested columns out of Arrow.
        let columns = if count > 0 { &self.columns[..] } else { &[] };
        let cells: Vec<Cells> = (columns.iter())
            .map(|(origin, ty)| match *origin {
                Origin::Argument(at) => Cells::new(&arguments[at], ty),
                Origin::Beside(at) => Cells::new(&beside[at], ty),
            })
            .collect();
        let mut out = BinaryBuilder::with_capacity(rows, count * ROW);
        let mut bytes = Vec::with_capacity(ROW);
        for row in 0..rows {
            bytes.clear();
            if count > 0 && wants(&row) {
                for column in &cells {
                    order::put(&mut bytes, column.at(row));
                }
            }
            out.append_value(&bytes);
        }
        out.finish()
    }
}
