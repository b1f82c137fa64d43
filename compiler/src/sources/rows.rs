//! Sources, `rows | … |`: a small table written in the text.

use feat_dsl::ast::{Cell, TableData};
use feat_dsl::diagnostic::Diagnostic;
use feat_kernel::types::Slot;
use feat_kernel::value::Value;

use super::Builder;
use crate::codes;
use crate::report::{Checked, Stop};
use crate::similar::suggestion;

/// The rows of `data`, values in the order of the source's stored columns.
pub(super) fn rows(builder: &mut Builder<'_, '_>, data: &TableData) -> Checked<Vec<Vec<Value>>> {
    let stored: Vec<(String, Slot)> = builder
        .source
        .columns
        .iter()
        .filter(|column| column.value.is_none())
        .map(|column| (column.name.clone(), column.slot.clone()))
        .collect();
    let Some((header, body)) = data.rows.split_first() else { return Ok(Vec::new()) };
    let mut places: Vec<usize> = Vec::new();
    for cell in header {
        let Cell::Name(name) = &cell.node else { return Err(not_a_name(builder, cell.span)) };
        let Some(at) = stored.iter().position(|(known, _)| known == name) else {
            let mut diagnostic =
                Diagnostic::error(codes::UNKNOWN_NAME, cell.span, format!("no stored column `{name}` here"))
                    .label("not found");
            diagnostic.help = suggestion(name, stored.iter().map(|(known, _)| known.as_str()));
            return Err(builder.cx.report.push(diagnostic));
        };
        if places.contains(&at) {
            return Err(builder.cx.report.push(
                Diagnostic::error(
                    codes::FEATURE_TWICE,
                    cell.span,
                    format!("column `{name}` stands twice in this table"),
                )
                .label("again here"),
            ));
        }
        places.push(at);
    }
    if let Some((name, slot)) = stored
        .iter()
        .enumerate()
        .find(|(at, (_, slot))| !slot.nullable && !places.contains(at))
        .map(|(_, column)| column)
    {
        return Err(builder.cx.report.push(
            Diagnostic::error(
                codes::DECLARED_TYPE,
                data.span.0,
                format!("column `{name}` is `{slot}`, and these rows have no value for it"),
            )
            .label("missing"),
        ));
    }
    let mut rows = Vec::with_capacity(body.len());
    for row in body {
        if row.len() != places.len() {
            let span = row.first().map_or(data.span.0, |cell| cell.span);
            return Err(builder.cx.report.push(
                Diagnostic::error(
                    codes::TEST_DATA,
                    span,
                    format!("this row has {} cells, the header has {}", row.len(), places.len()),
                )
                .label("cells"),
            ));
        }
        let mut values = vec![Value::Null; stored.len()];
        for (cell, at) in row.iter().zip(&places) {
            let (name, slot) = &stored[*at];
            values[*at] = builder.cell(cell, name, slot)?;
        }
        rows.push(values);
    }
    Ok(rows)
}

fn not_a_name(builder: &mut Builder<'_, '_>, span: feat_dsl::span::Span) -> Stop {
    builder.cx.report.push(
        Diagnostic::error(codes::TEST_DATA, span, "the first row of a table names its columns")
            .label("not a name"),
    )
}
