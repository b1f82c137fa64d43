//! Diagnostics as the author reads them: text with the lines they point at.

use crate::diagnostic::{Diagnostic, Severity};
use crate::source_map::SourceMap;
use crate::span::{FileId, Span};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::ops::Range;

/// Whether terminal escapes mark the parts of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Text alone: for files, tests and pipes.
    Never,
    /// With escapes for a terminal.
    Always,
}

/// Renders `diagnostics` in their order, with a blank line between them; empty for none.
///
/// ```
/// use feat_dsl::render::{Color, render};
/// use feat_dsl::{parse, source_map::SourceMap};
///
/// let mut sources = SourceMap::new();
/// let file = sources.add("spend.feat", "let A = 'x'\n");
/// let (_, diagnostics) = parse(file, sources.text(file));
/// assert_eq!(
///     render(&diagnostics, &sources, Color::Never),
///     "error[FEAT000]: strings use double quotes\n --> spend.feat:1:9\n  |\n1 | let A = 'x'\n  |         ^^^ single quotes\n  |\n  = help: write `\"x\"`\n",
/// );
/// ```
pub fn render(diagnostics: &[Diagnostic], sources: &SourceMap, color: Color) -> String {
    let renderer = match color {
        Color::Never => Renderer::plain(),
        Color::Always => Renderer::styled(),
    };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let reports: Vec<String> =
        diagnostics.iter().map(|diagnostic| one(diagnostic, sources, &renderer)).collect();
    reports.join("\n")
}

fn one(diagnostic: &Diagnostic, sources: &SourceMap, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.0);
    let mut group = Group::with_title(title);
    for file in files(diagnostic) {
        group = group.element(snippet(diagnostic, file, sources));
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let mut text = renderer.render(&[group]);
    text.push('\n');
    text
}

/// The files that a diagnostic points into, its own first.
fn files(diagnostic: &Diagnostic) -> Vec<FileId> {
    let mut files = vec![diagnostic.span.file];
    for (span, _) in &diagnostic.secondary {
        if !files.contains(&span.file) {
            files.push(span.file);
        }
    }
    files
}

fn snippet<'a>(
    diagnostic: &'a Diagnostic,
    file: FileId,
    sources: &'a SourceMap,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let text = sources.text(file);
    let mut snippet = Snippet::source(text).path(sources.path(file)).fold(true);
    if diagnostic.span.file == file {
        let primary = AnnotationKind::Primary.span(range(diagnostic.span, text));
        snippet = snippet.annotation(primary.label(label(&diagnostic.label)));
    }
    for (span, words) in diagnostic.secondary.iter().filter(|(span, _)| span.file == file) {
        snippet = snippet.annotation(AnnotationKind::Context.span(range(*span, text)).label(label(words)));
    }
    snippet
}

fn label(words: &str) -> Option<&str> {
    (!words.is_empty()).then_some(words)
}

/// The bytes of `span`, within `text` and on its characters' boundaries.
fn range(span: Span, text: &str) -> Range<usize> {
    let within = |byte: u32| text.floor_char_boundary((byte as usize).min(text.len()));
    let start = within(span.start);
    start..within(span.end).max(start)
}
