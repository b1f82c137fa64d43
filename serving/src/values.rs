//! The values of a feature: as a column, or, where they need none, as the kernel gave them.

use std::sync::Arc;

use arrow::array::ArrayRef;
use feat_kernel::column;
use feat_kernel::types::Type;
use feat_kernel::value::Value;

/// The values of one feature, one a row of the request.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// As a column of its Arrow type.
    Column(ArrayRef),
    /// Among those of its group, feature by feature: `rows` of them behind the first `skipped`. A column for
    /// each feature of a row costs more than all the rest of its lookup.
    Plain { all: Arc<[Value]>, skipped: usize, rows: usize },
}

impl Values {
    /// Whether values of a type need no column: what a message says of them is what the kernel gave.
    pub(crate) fn may_be_plain(ty: &Type) -> bool {
        !matches!(ty, Type::List(_) | Type::Map(..) | Type::Struct(_) | Type::Embedding(_))
    }

    /// As a column of type `ty`, which is theirs.
    pub(crate) fn column(&self, ty: &Type) -> ArrayRef {
        match self {
            Self::Column(column) => Arc::clone(column),
            Self::Plain { all, skipped, rows } => column::array(ty, &all[*skipped..skipped + rows]),
        }
    }

    /// The one of row `row`, of type `ty`.
    pub(crate) fn get(&self, ty: &Type, row: usize) -> Value {
        match self {
            Self::Column(column) => column::value(column, ty, row),
            Self::Plain { all, skipped, .. } => all[skipped + row].clone(),
        }
    }
}
