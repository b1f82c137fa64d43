//! Rows of JSON on their way into columns.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::json::{Place, Scanner};
use super::{Builder, Fault, Reader};
use crate::plan::StoredColumn;

/// Rows of lines on their way into columns.
#[derive(Debug)]
pub struct Rows {
    columns: Arc<[StoredColumn]>,
    schema: SchemaRef,
    builders: Vec<Builder>,
    /// Where each column's value of the line at hand is.
    places: Vec<Option<Place>>,
    /// The names of the fields of earlier lines in their order, and their columns: lines are alike.
    names: Vec<(String, Option<usize>)>,
    count: usize,
    /// Which rows of the builders are of lines that could not be read.
    withdrawn: Vec<usize>,
}

impl Rows {
    /// For `columns`, timestamps as instants in UTC.
    pub fn new(columns: Arc<[StoredColumn]>, reader: Reader) -> Self {
        let builders = columns.iter().map(|column| Builder::instants(column, reader)).collect();
        Self::of(columns, builders)
    }

    /// For `columns`, timestamps as they are written, for who hands them on.
    pub fn as_written(columns: Arc<[StoredColumn]>) -> Self {
        let builders = columns.iter().map(|column| Builder::new(&column.slot.ty)).collect();
        Self::of(columns, builders)
    }

    fn of(columns: Arc<[StoredColumn]>, builders: Vec<Builder>) -> Self {
        let fields = columns.iter().zip(&builders);
        let fields = fields.map(|(column, builder)| Field::new(&column.name, builder.arrow(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let places = vec![None; columns.len()];
        Self { columns, schema, builders, places, names: Vec::new(), count: 0, withdrawn: Vec::new() }
    }

    /// The schema of its batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows there are so far.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Appends the object of a line. A field that it lacks is null; of two fields of one name the later
    /// one counts.
    ///
    /// Errors: what is wrong with the line; it leaves nothing behind.
    pub fn push(&mut self, line: &str) -> Result<(), Fault> {
        let row = self.count;
        let scanner = self.split(line).map_err(|reason| Fault { row, column: None, reason })?;
        for (at, (builder, place)) in self.builders.iter_mut().zip(&self.places).enumerate() {
            let pushed = match place {
                None => {
                    builder.null();
                    Ok(())
                }
                Some(place) => scanner.raw(*place).and_then(|raw| builder.push(&raw)),
            };
            if let Err(reason) = pushed {
                self.withdraw(at);
                return Err(Fault::of(row, &self.columns[at], reason));
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Finds where in `line` each column's value is.
    fn split<'a>(&mut self, line: &'a str) -> Result<Scanner<'a>, String> {
        let Self { columns, places, names, .. } = self;
        places.fill(None);
        let mut nth = 0;
        let mut scanner = Scanner { text: line, at: 0 };
        scanner.object(|scanner, name, value| {
            let name = scanner.string(name)?;
            if nth == names.len() {
                names.push((String::new(), None));
            }
            let guess = &mut names[nth];
            if guess.0 != name {
                let column = columns.iter().position(|column| column.name == name);
                *guess = (name.into_owned(), column);
            }
            if let Some(column) = guess.1 {
                places[column] = Some(value);
            }
            nth += 1;
            Ok(())
        })?;
        scanner.end()?;
        Ok(scanner)
    }

    /// Takes back the row of which the columns before `at` have their values: builders do not shrink, so
    /// it is made as long as the others and left out in the end.
    #[cold]
    fn withdraw(&mut self, at: usize) {
        self.builders[at..].iter_mut().for_each(Builder::null);
        self.withdrawn.push(self.count + self.withdrawn.len());
    }

    /// The rows so far; it begins anew.
    pub fn finish(&mut self) -> RecordBatch {
        let built = std::mem::take(&mut self.count) + self.withdrawn.len();
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(built));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .expect("invariant: every column has a value of each row");
        if self.withdrawn.is_empty() {
            return batch;
        }
        let mut stands = vec![true; built];
        self.withdrawn.drain(..).for_each(|row| stands[row] = false);
        filter_record_batch(&batch, &BooleanArray::from(stands))
            .expect("invariant: each row stands or is withdrawn")
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use feat_kernel::types::{Slot, Type};

    use super::*;

    fn column(name: &str, ty: Type) -> StoredColumn {
        StoredColumn { name: name.to_owned(), slot: Slot::nullable(ty), zone: None }
    }

    #[test]
    fn a_line_that_cannot_be_read_leaves_nothing_behind() {
        let columns = [column("a", Type::Int), column("b", Type::String), column("c", Type::Float)];
        let mut rows = Rows::new(columns.into(), Reader::Source);
        let lines = [
            (r#"{"a": "x", "b": "wrong at first", "c": 1}"#, false),
            (r#"{"a": 1, "b": "one", "c": 1}"#, true),
            (r#"{"a": 2, "b": "wrong in the end", "c": "x"}"#, false),
            (r#"{"a": 3, "b": 4, "c": 5}"#, false),
            (r#"{"a": 6, "b": "cut off"#, false),
            (r#"{"c": 7}"#, true),
        ];
        for twice in 0..2 {
            for (line, reads) in lines {
                let before = rows.len();
                let pushed = rows.push(line);
                assert_eq!(pushed.is_ok(), reads, "{line}");
                assert_eq!(pushed.err().map_or(before, |fault| fault.row), before);
            }
            assert_eq!(rows.len(), 2);
            let batch = rows.finish();
            assert!(rows.is_empty(), "round {twice}");
            assert_eq!(batch.schema(), *rows.schema());
            let a: Vec<_> = batch.column(0).as_primitive::<Int64Type>().iter().collect();
            assert_eq!(a, [Some(1), None]);
            let b: Vec<_> = batch.column(1).as_string::<i32>().iter().collect();
            assert_eq!(b, [Some("one"), None]);
        }
    }
}
