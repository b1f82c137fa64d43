//! The files of a project by number, and where a byte of them stands.

use crate::span::{FileId, Span};

/// The texts a [`Span`] points into. Files are only ever added, so a [`FileId`] stays good.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    path: String,
    text: String,
    /// The byte at which each line starts; the first is 0.
    lines: Vec<u32>,
}

/// A line and a column, both from 1; columns count characters.
pub type LineColumn = (u32, u32);

impl SourceMap {
    /// A map without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file. `path` is what diagnostics show; nothing is opened.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(self.files.len() as u32);
        let (path, text) = (path.into(), text.into());
        let after_newline = |(at, byte)| (byte == b'\n').then_some(at as u32 + 1);
        let lines = std::iter::once(0).chain(text.bytes().enumerate().filter_map(after_newline)).collect();
        self.files.push(Source { path, text, lines });
        id
    }

    /// The text of `file`; empty for a file of another map.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |source| &source.text)
    }

    /// The path of `file` as it was added; empty for a file of another map.
    pub fn path(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |source| &source.path)
    }

    /// Every file in the order of its addition.
    pub fn files(&self) -> impl Iterator<Item = FileId> + use<> {
        (0..self.files.len() as u32).map(FileId)
    }

    /// Where `span` starts and where it ends (one past its last character).
    ///
    /// A span beyond the text is taken to stand at its end.
    pub fn line_column(&self, span: Span) -> (LineColumn, LineColumn) {
        (self.place(span.file, span.start), self.place(span.file, span.end))
    }

    fn place(&self, file: FileId, byte: u32) -> LineColumn {
        let Some(source) = self.files.get(file.0 as usize) else { return (1, 1) };
        let byte = byte.min(source.text.len() as u32);
        let line = source.lines.partition_point(|start| *start <= byte) - 1;
        let before = &source.text.as_bytes()[source.lines[line] as usize..byte as usize];
        // A byte that continues a character is not one more column.
        let columns = before.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        (line as u32 + 1, columns as u32 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_start_at_one() {
        let mut map = SourceMap::new();
        let file = map.add("a.feat", "let É = 1\nlet b = 2\n");
        assert_eq!(map.line_column(Span::new(file, 4, 6)), ((1, 5), (1, 6)));
        assert_eq!(map.line_column(Span::new(file, 11, 14)), ((2, 1), (2, 4)));
        assert_eq!(map.line_column(Span::new(file, 999, 999)), ((3, 1), (3, 1)));
        assert_eq!((map.path(file), map.files().count()), ("a.feat", 1));
    }

    #[test]
    fn a_file_of_another_map_has_no_text() {
        let map = SourceMap::new();
        assert_eq!(map.text(FileId(7)), "");
        assert_eq!(map.line_column(Span::new(FileId(7), 1, 2)), ((1, 1), (1, 1)));
    }
}
