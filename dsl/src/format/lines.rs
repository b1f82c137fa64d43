//! Lines of cells, and how words and comments get onto them.

use super::comment::comments;
use super::spacing::{blank_between, ends_list, is_word};
use crate::parse::grammar::Rule;
use pest::iterators::Pair;

/// A node of the grammar's tree.
pub(super) type Node<'t> = Pair<'t, Rule>;

/// Blanks per level.
pub(super) const INDENT: usize = 2;

/// Which lines are aligned with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// With none.
    Plain,
    /// A comment or documentation: stands between lines that are aligned all the same.
    Remark,
    /// `name: | type = … | @attr`
    Column,
    /// `time | ts`
    Clause,
    /// `batch | csv(…)`
    Connector,
    /// `name | = agg(…) | over … | @attr`
    Feature,
    /// `LONG | = [30d]`
    Let,
    /// `spine | s at t`
    Dataset,
    /// `n | == 1`
    Assertion,
    /// The cells between the bars of a table.
    Row,
}

/// One line before alignment.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) indent: usize,
    pub(super) blank_before: bool,
    /// Empty cells hold a column's place.
    pub(super) cells: Vec<String>,
    /// A comment behind it.
    pub(super) remark: String,
}

/// Lines in the making.
pub(super) struct Layout<'t> {
    pub(super) text: &'t str,
    pub(super) lines: Vec<Line>,
    /// The end of the last leaf that was laid out.
    pub(super) end: usize,
    /// The rule of the last leaf of the current line; `None` at its start.
    pub(super) last: Option<Rule>,
    pub(super) depth: usize,
    /// Whether the next line is the first of its block.
    pub(super) first: bool,
    /// Whether the block at hand is a dataset's, whose settings are lines like its others.
    pub(super) dataset: bool,
}

impl<'t> Layout<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, lines: Vec::new(), end: 0, last: None, depth: 0, first: true, dataset: false }
    }

    /// Starts the line whose first leaf is at `start`; comments before it get theirs.
    pub(super) fn line(&mut self, kind: Kind, start: usize) {
        self.remarks(start, self.depth);
        let (_, breaks) = comments(&self.text[self.end..start]);
        let blank_before = breaks > 1 && !self.first && kind != Kind::Row;
        self.push(kind, self.depth, blank_before);
        self.end = start;
        self.first = false;
    }

    fn push(&mut self, kind: Kind, depth: usize, blank_before: bool) {
        let (indent, cells) = (depth * INDENT, vec![String::new()]);
        self.lines.push(Line { kind, indent, blank_before, cells, remark: String::new() });
        self.last = None;
    }

    /// Lays out the comments before `start`: behind the current line or on lines of their own.
    pub(super) fn remarks(&mut self, start: usize, depth: usize) {
        let gap = &self.text[self.end..start];
        let (found, _) = comments(gap);
        for comment in &found {
            if let (0, Some(line)) = (comment.breaks, self.lines.last_mut()) {
                if !line.remark.is_empty() {
                    line.remark.push(' ');
                }
                line.remark.push_str(comment.text);
            } else {
                self.push(Kind::Remark, depth, comment.breaks > 1 && !self.first);
                self.first = false;
                self.current().push_str(comment.text);
            }
        }
        // What is left of the gap are the breaks behind the last comment.
        self.end += found
            .last()
            .map_or(0, |last| last.text.as_ptr() as usize - gap.as_ptr() as usize + last.text.len());
    }

    pub(super) fn current(&mut self) -> &mut String {
        let line = self.lines.last_mut().expect("invariant: a line was started");
        line.cells.last_mut().expect("invariant: a line has a cell")
    }

    /// Starts the line's next cell.
    pub(super) fn cell(&mut self) {
        let line = self.lines.last_mut().expect("invariant: a line was started");
        line.cells.push(String::new());
        self.last = None;
    }

    /// Adds every leaf of `node` to the current line.
    pub(super) fn flow(&mut self, node: &Node) {
        if matches!(node.as_rule(), Rule::match_arm | Rule::type_field) {
            self.separate();
        }
        let mut children = node.clone().into_inner().peekable();
        if children.peek().is_none() || is_word(node.as_rule()) {
            self.leaf(node);
        } else {
            children.for_each(|child| self.flow(&child));
        }
    }

    /// Arms and fields may stand without commas; here they never do.
    fn separate(&mut self) {
        if !matches!(self.last, Some(Rule::comma | Rule::open_brace)) {
            self.current().push(',');
            self.last = Some(Rule::comma);
        }
    }

    fn leaf(&mut self, node: &Node) {
        let (rule, span) = (node.as_rule(), node.as_span());
        self.inline_comments(span.start());
        if self.last == Some(Rule::comma) && ends_list(rule) {
            self.current().pop();
            self.last = Some(Rule::ident);
            if matches!(rule, Rule::close_brace) {
                self.current().push(' ');
            }
        } else if self.last.is_some_and(|last| blank_between(last, rule)) {
            self.current().push(' ');
        }
        self.current().push_str(span.as_str().trim_end());
        self.last = Some(rule);
        self.end = span.end();
    }

    /// Comments in the middle of a line stay there; one that ends its line breaks ours.
    pub(super) fn inline_comments(&mut self, start: usize) {
        let (found, _) = comments(&self.text[self.end..start]);
        let indent = self.lines.last().map_or(0, |line| line.indent) + 2 * INDENT;
        for comment in found {
            if self.last.is_some_and(|last| blank_between(last, Rule::null)) {
                self.current().push(' ');
            }
            self.current().push_str(comment.text);
            // A name takes a blank before most leaves, and none at a line's start.
            self.last = Some(Rule::null);
            if comment.ends_line() {
                self.current().push('\n');
                self.current().push_str(&" ".repeat(indent));
                self.last = None;
            }
        }
    }
}

/// The words of `node` in order.
pub(super) fn leaves<'t>(node: &Node<'t>) -> Vec<Node<'t>> {
    if is_word(node.as_rule()) || node.clone().into_inner().next().is_none() {
        return vec![node.clone()];
    }
    node.clone().into_inner().flat_map(|child| leaves(&child)).collect()
}
