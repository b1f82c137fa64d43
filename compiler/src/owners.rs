//! Owners: every group and service of a package is somebody's.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | items, `@owner` of blocks and files | nothing | blocks without an owner, once a file |
//!
//! An owner above `package` is the owner of every block of the file. A file without `package` is a
//! sketch that nobody imports, and needs none.

use feat_dsl::ast::{Attr, ItemKind};
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use indexmap::IndexMap;

use crate::codes;
use crate::context::{Context, owner};
use crate::report::word;

/// Says which files have blocks without an owner.
pub(crate) fn check(cx: &mut Context<'_>) {
    let mut lacking: IndexMap<usize, IndexMap<Span, String>> = IndexMap::new();
    for declared in cx.project.items.values() {
        let kind = &declared.item.kind;
        let file = &cx.project.files[declared.file];
        let owned = |attrs: &[Attr]| owner(attrs).is_some();
        let needs = matches!(
            kind,
            ItemKind::Features(_) | ItemKind::Labels(_) | ItemKind::Derived(_) | ItemKind::Service(_)
        );
        if needs && !file.package.is_empty() && !owned(file.attrs) && !owned(&declared.item.attrs) {
            let block = format!("{} `{}`", word(kind), declared.name.name);
            // A loop makes many blocks of one text.
            lacking.entry(declared.file).or_default().entry(declared.span).or_insert(block);
        }
    }
    for blocks in lacking.values() {
        let Some((span, block)) = blocks.first() else { continue };
        let mut diagnostic = Diagnostic::warning(codes::OWNER, *span, format!("{block} has no owner"))
            .label("whose is it?")
            .help(
                "write `@owner(\"team@example.com\")` above the block, or above `package` for the whole file",
            );
        if blocks.len() > 1 {
            diagnostic = diagnostic.note(format!("blocks without one in this file: {}", blocks.len()));
        }
        cx.report.push(diagnostic);
    }
}
