//! JSON objects on their way into the stored columns of a source.
//!
//! ```text
//!  bytes ──Rows──► columns ──conform──► SourcePlan::schema
//!    └─────────► Fault: of this record alone
//! ```
//!
//! Whatever may be wrong with a record is found when it is pushed, so that each is judged alone: what
//! became of the others does not depend on which came together.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::{Fault, Reader, Rows};
use crate::conform::{ConformError, conform};
use crate::plan::SourcePlan;

/// JSON objects on their way into the stored columns of a source.
#[derive(Debug)]
pub struct Records {
    source: Arc<SourcePlan>,
    rows: Rows,
    /// Where the records come from, for messages.
    origin: String,
}

impl Records {
    /// For every stored column of `source`. `origin` says where the records come from, for messages.
    ///
    /// Errors: a column of a type that text does not write.
    pub fn of(source: Arc<SourcePlan>, origin: impl Into<String>) -> Result<Self, ConformError> {
        let origin = origin.into();
        let mut rows = Rows::new(source.stored.as_slice().into(), Reader::Source);
        conform(&source, &rows.finish(), &origin)?;
        Ok(Self { source, rows, origin })
    }

    /// How many records there are so far.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Appends a record: a JSON object in UTF-8. A field that it lacks is null, one that the source does
    /// not declare is passed over; of two fields of one name the later one counts.
    ///
    /// Errors: what is wrong with the record and what to do. It leaves nothing behind: the records before
    /// and after it stand.
    pub fn push(&mut self, value: &[u8]) -> Result<(), Fault> {
        let row = self.rows.len();
        let wrong = |reason: String| Fault { row, column: None, reason };
        let first = value.trim_ascii_start().first();
        let text = std::str::from_utf8(value);
        match (first, text) {
            (Some(b'{'), Ok(text)) => self.rows.push(text),
            (_, Err(_)) => Err(wrong("is not UTF-8: write the record in UTF-8".to_owned())),
            (None, _) => Err(wrong(format!("is empty: {}", self.form()))),
            (Some(_), Ok(_)) => Err(wrong(format!("is not a JSON object: {}", self.form()))),
        }
    }

    /// What to write.
    fn form(&self) -> String {
        let fields =
            self.source.stored.first().map_or_else(String::new, |column| format!("\"{}\": …", column.name));
        format!(
            "write one object a record, its fields the columns of source `{}`: `{{{fields}}}`",
            self.source.name
        )
    }

    /// The records so far, in the order in which they were pushed, as [`Prepare`](crate::prepare::Prepare)
    /// takes them: of [`SourcePlan::schema`], timestamps as instants. It begins anew.
    pub fn finish(&mut self) -> RecordBatch {
        conform(&self.source, &self.rows.finish(), &self.origin)
            .expect("invariant: what was pushed becomes the source's")
    }
}
