//! Values as text: what a line of a file or a record of a topic writes becomes its column's type exactly
//! or is refused.
//!
//! ```text
//!  object ──json: fields──┐
//!                         ├─► Raw ──► Builder ──► typed columns ──conform──► the source's
//!  CSV ──columns of text──┘
//!
//!  Rows: lines ──► columns        Records: bytes ──Rows, conform──► batches of a source
//! ```
//!
//! Nothing is rounded, cut off or guessed. Every engine reads text here and nowhere else, so a row is the
//! same whichever way it comes. Files are opened elsewhere, and what becomes of a [`Fault`] is decided
//! there: a run over files stops at it, a stream goes on behind it.

mod raw;

pub mod json;

mod builder;
mod number;
mod records;
mod rows;
mod time;
mod times;

pub use builder::Builder;
pub use raw::Raw;
pub use records::Records;
pub use rows::Rows;
pub(crate) use times::Clock;
pub use times::{Reader, with_times};

use crate::plan::StoredColumn;

/// A row that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", column.as_deref().map(|column| format!("column `{column}`: ")).unwrap_or_default())]
pub struct Fault {
    /// Which row of its batch.
    pub row: usize,
    /// The column, if it is one value.
    pub column: Option<String>,
    /// What is wrong and what to do.
    pub reason: String,
}

impl Fault {
    /// Of a value of `column`.
    fn of(row: usize, column: &StoredColumn, reason: String) -> Self {
        Self { row, column: Some(column.name.clone()), reason }
    }
}
