//! What every builder of nodes needs: spans, names, paths, docs, and the place for diagnostics.

use super::grammar::Rule;
use crate::ast::{Ident, Name, NamePart, Path, Place};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span, Spanned};
use pest::iterators::{Pair, Pairs};

/// A node of the grammar's tree.
pub(super) type Node<'t> = Pair<'t, Rule>;

/// How deep a tree may be: brackets and every operator of a row count. The walkers of the tree
/// recurse, and this depth fits their stacks with room to spare.
pub(super) const MAX_DEPTH: usize = 200;

/// Builds the tree of one file. A mistake that the grammar cannot see (a literal out of range, an
/// impossible date, …) is put into `diagnostics`; the item that holds it is then left out.
pub(super) struct Builder {
    file: FileId,
    /// Where the text at hand starts in the file.
    pub(super) base: usize,
    /// How deep the expression at hand is nested.
    depth: usize,
    /// What is wrong so far.
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Builder {
    pub(super) fn new(file: FileId) -> Self {
        Self { file, base: 0, depth: 0, diagnostics: Vec::new() }
    }

    /// A range of the text at hand as a span of the file.
    pub(super) fn at(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, self.base + start, self.base + end)
    }

    /// Where `node` stands. Its own range may end in blanks; its last leaf does not.
    pub(super) fn span(&self, node: &Node) -> Span {
        let start = node.as_span().start();
        let mut last = node.clone();
        while let Some(child) = last.clone().into_inner().next_back() {
            last = child;
        }
        self.at(start, last.as_span().end())
    }

    pub(super) fn place(&self, node: &Node) -> Place {
        Place(self.span(node))
    }

    /// Reports a mistake that the message says alone.
    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.report(syntax(span, message));
    }

    /// Reports a mistake.
    pub(super) fn report(&mut self, mistake: Diagnostic) {
        self.diagnostics.push(mistake);
    }

    /// Runs `build` `levels` deeper; `None`, with one diagnostic, where that is too deep.
    pub(super) fn nested<T>(
        &mut self,
        levels: usize,
        span: Span,
        build: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        if self.depth + levels > MAX_DEPTH {
            self.report(too_deep(span));
            return None;
        }
        self.depth += levels;
        let result = build(self);
        self.depth -= levels;
        Some(result)
    }

    pub(super) fn ident(&self, node: &Node) -> Ident {
        Spanned::new(plain(node.as_str()).to_owned(), self.span(node))
    }

    pub(super) fn idents<'t>(&self, nodes: impl Iterator<Item = Node<'t>>) -> Vec<Ident> {
        nodes.filter(|node| node.as_rule() == Rule::ident).map(|node| self.ident(&node)).collect()
    }

    /// A `tident` or an `ident`.
    pub(super) fn name(&self, node: &Node) -> Name {
        Name { parts: name_parts(node.as_str()), span: self.place(node) }
    }

    pub(super) fn names<'t>(&self, nodes: impl Iterator<Item = Node<'t>>) -> Vec<Name> {
        nodes.filter(|node| node.as_rule() == Rule::tident).map(|node| self.name(&node)).collect()
    }

    /// A `path` or a `qname`.
    pub(super) fn path(&self, node: &Node) -> Path {
        let segments = inner(node.clone()).map(|segment| self.name(&segment)).collect();
        Path { segments, span: self.place(node) }
    }
}

/// A mistake at `span`.
pub(super) fn syntax(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::SYNTAX, span, message)
}

/// The mistake of nesting beyond [`MAX_DEPTH`].
pub(super) fn too_deep(span: Span) -> Diagnostic {
    syntax(span, format!("this is nested more than {MAX_DEPTH} levels deep"))
        .label("too deep")
        .help("name a part of it with `let`, `fn` or a feature of its own")
}

/// The children of `node` without its keywords and punctuation.
pub(super) fn inner(node: Node<'_>) -> Nodes<'_> {
    Nodes(node.into_inner())
}

/// Whether `node` has a child of `rule`: for keywords that carry a meaning, such as `not`.
pub(super) fn has(node: &Node, rule: Rule) -> bool {
    node.clone().into_inner().any(|child| child.as_rule() == rule)
}

/// Nodes that are neither keywords nor punctuation.
#[derive(Clone)]
pub(super) struct Nodes<'t>(Pairs<'t, Rule>);

impl<'t> Iterator for Nodes<'t> {
    type Item = Node<'t>;

    fn next(&mut self) -> Option<Node<'t>> {
        self.0.find(|node| !is_mark(node.as_rule()))
    }
}

impl<'t> Nodes<'t> {
    /// The next node, which the grammar says is there.
    pub(super) fn must(&mut self) -> Node<'t> {
        self.next().expect("grammar: the rule has this child")
    }

    /// The next node if it is of `rule`.
    pub(super) fn maybe(&mut self, rule: Rule) -> Option<Node<'t>> {
        self.maybe_of(&[rule])
    }

    /// The next node if it is of one of `rules`.
    pub(super) fn maybe_of(&mut self, rules: &[Rule]) -> Option<Node<'t>> {
        let mut ahead = self.clone();
        let node = ahead.next().filter(|node| rules.contains(&node.as_rule()))?;
        *self = ahead;
        Some(node)
    }

    /// The nodes of `rule` that come next.
    pub(super) fn many(&mut self, rule: Rule) -> Vec<Node<'t>> {
        std::iter::from_fn(|| self.maybe(rule)).collect()
    }
}

/// Keywords and punctuation stand together in the grammar, from `dot` to `kw_period`.
fn is_mark(rule: Rule) -> bool {
    (Rule::dot..=Rule::kw_period).contains(&rule)
}

/// A name as written without its back-ticks.
pub(super) fn plain(written: &str) -> &str {
    written.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap_or(written)
}

fn name_parts(written: &str) -> Vec<NamePart> {
    if written.starts_with('`') {
        return vec![NamePart::Text(plain(written).to_owned())];
    }
    let mut parts = Vec::new();
    let mut rest = written;
    while let Some((text, tail)) = rest.split_once('{') {
        let (hole, tail) = tail.split_once('}').expect("grammar: a hole is closed");
        if !text.is_empty() {
            parts.push(NamePart::Text(text.to_owned()));
        }
        parts.push(NamePart::Hole(hole.to_owned()));
        rest = tail;
    }
    if !rest.is_empty() {
        parts.push(NamePart::Text(rest.to_owned()));
    }
    parts
}
