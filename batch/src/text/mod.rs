//! Text files: their lines and records, and what is found in them.
//!
//! ```text
//!  JSON lines ──Rows: fields of a line────────────────────┐
//!                                                         ├─► typed columns
//!  CSV ──engine: columns of text──with_types, with_times──┘
//! ```
//!
//! What a text becomes is `feat-compiler`'s [`text`](feat_compiler::text), the same for every engine; here
//! files are opened, shared among partitions, and looked at where nothing is declared. A value that does
//! not become its type stops the run; which one it is and in which line it stands is found by reading the
//! file once more ([`locate`]).

pub(crate) mod csv;
pub(crate) mod lines;
pub(crate) mod locate;

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use feat_compiler::plan::StoredColumn;
use feat_compiler::text::{Builder, Fault};
use feat_kernel::types::Type;

/// Columns of CSV, which are all text, as their declared types; timestamps stay text, and so does what
/// a field of CSV cannot hold.
pub(crate) fn with_types(batch: &RecordBatch, declared: &[StoredColumn]) -> Result<RecordBatch, Fault> {
    let schema = batch.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().to_vec();
    let mut columns = batch.columns().to_vec();
    for column in declared.iter().filter(|column| is_written_as_text(&column.slot.ty)) {
        let Ok(at) = schema.index_of(&column.name) else { continue };
        columns[at] = Builder::new(&column.slot.ty).fields(columns[at].as_string(), column)?;
        fields[at] = Arc::new(Field::new(&column.name, columns[at].data_type().clone(), true));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let typed = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options);
    Ok(typed.expect("invariant: values are as many as their texts"))
}

/// Whether a field of CSV becomes a value of another Arrow type than text.
fn is_written_as_text(ty: &Type) -> bool {
    matches!(ty, Type::Bool | Type::Int | Type::Duration | Type::Float | Type::Decimal(..) | Type::Date)
}
