//! From lines of cells to text: consecutive lines of a kind get common columns.

use super::lines::{Kind, Line};
use std::fmt::Write;

/// Cells that differ by more than this are left ragged: the eye no longer follows the gap.
const MAX_PAD: usize = 24;

/// Aligns and joins the lines.
pub(super) fn text(mut lines: Vec<Line>) -> String {
    let mut from = 0;
    while from < lines.len() {
        let to = run_end(&lines, from);
        align(&mut lines[from..to]);
        from = to;
    }
    let mut text = String::new();
    for line in &lines {
        write_line(&mut text, line);
    }
    text
}

/// The end of the run of lines that are aligned with line `from`.
fn run_end(lines: &[Line], from: usize) -> usize {
    let kind = lines[from].kind;
    let indent = lines[from].indent;
    let belongs = |line: &Line| {
        (line.kind == kind || line.kind == Kind::Remark) && line.indent == indent && !line.blank_before
    };
    if matches!(kind, Kind::Plain | Kind::Remark) {
        return from + 1;
    }
    from + 1 + lines[from + 1..].iter().take_while(|line| belongs(line)).count()
}

fn align(run: &mut [Line]) {
    let kind = run[0].kind;
    let columns = run.iter().filter(|line| line.kind == kind).map(|line| line.cells.len()).max().unwrap_or(0);
    for column in 0..columns {
        pad(run, kind, column);
    }
}

/// Widens the cells of `column` that have one behind them to the widest of these.
fn pad(run: &mut [Line], kind: Kind, column: usize) {
    let widths = || {
        run.iter().filter(|line| counts(line, kind, column)).map(|line| line.cells[column].chars().count())
    };
    let Some(widest) = widths().max() else { return };
    let ragged = kind != Kind::Row && column > 0 && widest - widths().min().unwrap_or(widest) > MAX_PAD;
    if ragged {
        return;
    }
    for line in run.iter_mut().filter(|line| line.kind == kind) {
        if counts(line, kind, column) && !stays(line) {
            let width = line.cells[column].chars().count();
            line.cells[column].push_str(&" ".repeat(widest - width));
        }
    }
}

fn counts(line: &Line, kind: Kind, column: usize) -> bool {
    let behind = line.cells.iter().skip(column + 1).any(|cell| !cell.is_empty());
    let has = line.kind == kind && column < line.cells.len() && (behind || kind == Kind::Row);
    has && !line.cells[..=column].iter().any(|cell| cell.contains('\n'))
}

/// `order by x`: the two words stay together.
fn stays(line: &Line) -> bool {
    line.kind == Kind::Clause && line.cells.get(1).is_some_and(|cell| cell.starts_with("by "))
}

fn write_line(text: &mut String, line: &Line) {
    if line.blank_before && !text.is_empty() {
        text.push('\n');
    }
    let start = text.len();
    text.push_str(&" ".repeat(line.indent));
    if line.kind == Kind::Row {
        let _ = write!(text, "| {} |", line.cells.join(" | "));
    } else {
        write_cells(text, line);
    }
    if !line.remark.is_empty() {
        text.truncate(start + text[start..].trim_end().len());
        text.push_str("  ");
        text.push_str(&line.remark);
    }
    text.truncate(start + text[start..].trim_end().len());
    text.push('\n');
}

fn write_cells(text: &mut String, line: &Line) {
    for (index, cell) in line.cells.iter().enumerate() {
        let attribute = cell.starts_with('@') && index > 1;
        let gap = match index {
            0 => "",
            // A comment at the end of the cell before has broken the line.
            _ if cell.is_empty() || text.ends_with(' ') && line.cells[index - 1].contains('\n') => "",
            _ if attribute => "  ",
            _ => " ",
        };
        text.push_str(gap);
        text.push_str(cell);
    }
}
