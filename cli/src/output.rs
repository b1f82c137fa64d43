//! What a person or a program reads: the only module that prints.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Result;
use feat_compiler::Compiled;
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::render::Color;
use feat_dsl::source_map::SourceMap;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};

/// The bars that are shown: what is written to standard error goes around them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Prints a line on standard output: the command's answer. A reader that went away is no error.
pub(crate) fn line(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// Prints a line on standard error: words for a person.
pub(crate) fn note(text: impl AsRef<str>) {
    BARS.suspend(|| {
        let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
    });
}

/// Writes bytes as they are on standard output.
#[cfg(feature = "kafka")]
pub(crate) fn bytes(bytes: &[u8]) -> Result<()> {
    Ok(std::io::stdout().write_all(bytes)?)
}

/// Prints one JSON document on standard output.
pub(crate) fn json(document: &Json) -> Result<()> {
    line(serde_json::to_string_pretty(document)?);
    Ok(())
}

/// Prints an error with what caused it.
pub(crate) fn error(error: &anyhow::Error) {
    let mut causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    // A cause that its effect already tells is not told twice.
    causes.dedup_by(|cause, effect| effect.contains(cause.as_str()));
    note(format!("error: {}", causes.join("\n  because: ")));
}

/// Prints what is wrong with how a command was called; its exit code.
pub(crate) fn usage(text: &str) -> ExitCode {
    note(format!("error: {text}"));
    ExitCode::from(2)
}

/// A number of things: `1 service`, `2 services`.
pub(crate) fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Prints the diagnostics for a person, with a closing count.
pub(crate) fn diagnostics(compiled: &Compiled, texts: &SourceMap) {
    shown(&compiled.diagnostics, texts);
}

/// Prints what the environment lacks to run the project.
pub(crate) fn unset(compiled: &Compiled, texts: &SourceMap) {
    shown(&compiled.unset, texts);
}

fn shown(diagnostics: &[Diagnostic], texts: &SourceMap) {
    let terminal = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let color = if terminal { Color::Always } else { Color::Never };
    if !diagnostics.is_empty() {
        note(feat_dsl::render::render(diagnostics, texts, color));
    }
}

/// How many errors and warnings.
pub(crate) fn counts(diagnostics: &[Diagnostic]) -> (usize, usize) {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    (errors, diagnostics.len() - errors)
}

/// The diagnostics as programs read them.
pub(crate) fn diagnostics_json(compiled: &Compiled, texts: &SourceMap) -> Json {
    compiled
        .diagnostics
        .iter()
        .map(|diagnostic| {
            let ((line, column), (end_line, end_column)) = texts.line_column(diagnostic.span);
            json!({
                "code": diagnostic.code.0,
                "severity": if diagnostic.is_error() { "error" } else { "warning" },
                "message": diagnostic.message,
                "file": texts.path(diagnostic.span.file),
                "line": line,
                "column": column,
                "end_line": end_line,
                "end_column": end_column,
                "help": diagnostic.help,
            })
        })
        .collect()
}

/// A bar on a terminal, nothing elsewhere. `total` is zero where the end is not known.
pub(crate) fn progress(what: &'static str, total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
    let form = if total == 0 {
        "{msg:>12} {spinner} {human_pos} rows {elapsed}"
    } else {
        "{msg:>12} {wide_bar} {human_pos}/{human_len} {elapsed}"
    };
    bar.set_style(ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let bar = BARS.add(bar);
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Rows of text in columns, numbers to the right.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain(header.get(at).map(|name| name.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let right: Vec<bool> = (0..header.len())
        .map(|at| rows.iter().all(|row| row.get(at).is_none_or(|cell| looks_numeric(cell))))
        .collect();
    let line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(at, cell)| {
                let pad = " ".repeat(widths[at].saturating_sub(cell.chars().count()));
                if right[at] { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(header.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

fn looks_numeric(cell: &str) -> bool {
    cell.is_empty() || cell == "null" || cell.starts_with(|c: char| c.is_ascii_digit() || c == '-')
}

/// A whole number with its thousands apart: `336 776`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
