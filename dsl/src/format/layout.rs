//! From the grammar's nodes to lines of cells: where lines break and how deep they stand.

use super::comment::comments;
use super::lines::{INDENT, Kind, Layout, Line, Node, leaves};
use super::spacing::blank_between;
use crate::parse::grammar::Rule;
use pest::iterators::Pairs;

/// A header or a whole short block wider than this is broken.
const SHORT: usize = 80;
/// A function or an `expect` wider than this is broken.
const WIDE: usize = 100;

/// The lines of a whole file.
pub(super) fn lines(text: &str, file: Pairs<Rule>) -> Vec<Line> {
    let mut layout = Layout::new(text);
    let nodes: Vec<Node> = file.flat_map(Node::into_inner).collect();
    layout.items(&nodes);
    layout.lines
}

impl Layout<'_> {
    /// A line of one node in one cell.
    fn plain(&mut self, kind: Kind, node: &Node) {
        self.line(kind, node.as_span().start());
        self.flow(node);
    }

    /// A line of documentation; no blank line parts it from what it documents.
    fn doc(&mut self, node: &Node) {
        self.plain(Kind::Remark, node);
        self.first = true;
    }

    // ── items ──

    fn items(&mut self, nodes: &[Node]) {
        let mut wide_before = false;
        for node in nodes {
            let from = self.lines.len();
            let first = self.first;
            self.item(node);
            let wide = self.lines.len() > from + 1 || node.as_rule() == Rule::package;
            let documents = matches!(node.as_rule(), Rule::module_doc | Rule::package);
            let apart = (wide_before && node.as_rule() != Rule::EOI) || (wide && !documents);
            if let (false, true, Some(line)) = (first, apart, self.lines.get_mut(from)) {
                line.blank_before = true;
            }
            wide_before = wide && node.as_rule() != Rule::module_doc;
        }
    }

    fn item(&mut self, node: &Node) {
        match node.as_rule() {
            Rule::module_doc => self.plain(Kind::Remark, node),
            Rule::EOI => self.remarks(node.as_span().start(), 0),
            Rule::package | Rule::item => self.documented(node),
            _ => self.plain(Kind::Plain, node),
        }
    }

    /// Documentation, attributes on one line, and what they stand above.
    fn documented(&mut self, node: &Node) {
        let mut attr_before = false;
        let mut opened = false;
        for child in node.clone().into_inner() {
            match child.as_rule() {
                Rule::doc => self.doc(&child),
                Rule::attr if attr_before => self.flow(&child),
                Rule::attr => {
                    self.plain(Kind::Plain, &child);
                    self.first = true;
                }
                // `package a.b`: the keyword and the name are children of the same node.
                Rule::qname if opened => self.flow(&child),
                Rule::kw_package => self.plain(Kind::Plain, &child),
                _ => self.declaration(&child),
            }
            attr_before = child.as_rule() == Rule::attr;
            opened = child.as_rule() == Rule::kw_package;
        }
    }

    fn declaration(&mut self, node: &Node) {
        match node.as_rule() {
            Rule::fn_decl => self.function(node),
            Rule::let_decl => self.cells(Kind::Let, node),
            Rule::extern_fn | Rule::type_decl | Rule::entity_decl => {
                self.plain(Kind::Plain, node);
            }
            _ => self.block(node),
        }
    }

    fn function(&mut self, node: &Node) {
        let wide = width(node) > WIDE;
        self.line(Kind::Plain, node.as_span().start());
        for child in node.clone().into_inner() {
            if child.as_rule() == Rule::expr && wide {
                self.depth += 1;
                self.line(Kind::Plain, child.as_span().start());
                self.depth -= 1;
            }
            self.flow(&child);
        }
    }

    // ── blocks ──

    /// A header, `{`, members, `}`.
    fn block(&mut self, node: &Node) {
        let children: Vec<Node> = node.clone().into_inner().collect();
        let open = children.iter().position(|child| child.as_rule() == Rule::open_block);
        let (header, body) = children.split_at(open.expect("grammar: a block has a brace"));
        self.line(Kind::Plain, node.as_span().start());
        let broken = self.header(header);
        let members = &body[1..body.len() - 1];
        if broken {
            self.line(Kind::Plain, body[0].as_span().start());
        }
        if self.fits_one_line(node, members) && !broken {
            self.flow(&body[0]);
            for member in members {
                if self.last != Some(Rule::open_block) {
                    self.current().push(' ');
                }
                self.flow(member);
            }
            self.flow(&body[body.len() - 1]);
            return;
        }
        self.flow(&body[0]);
        self.depth += 1;
        self.first = true;
        self.dataset = node.as_rule() == Rule::dataset_decl;
        self.members(members);
        self.depth -= 1;
        self.close(&body[body.len() - 1], members.is_empty());
    }

    /// Lays out a header; whether it was broken, so that `{` starts a line.
    fn header(&mut self, nodes: &[Node]) -> bool {
        let joined = nodes.iter().any(|node| node.as_rule() == Rule::join);
        let clause = |node: &Node| matches!(node.as_rule(), Rule::join | Rule::filter | Rule::kw_with);
        let wide = nodes.iter().map(|node| width(node) + 1).sum::<usize>() + 2 * self.depth > SHORT;
        let broken = joined || (wide && nodes.iter().any(clause));
        for node in nodes {
            if broken && clause(node) {
                self.depth += 1;
                self.line(Kind::Plain, node.as_span().start());
                self.depth -= 1;
            }
            self.flow(node);
        }
        broken
    }

    fn close(&mut self, node: &Node, empty: bool) {
        let start = node.as_span().start();
        if empty && comments(&self.text[self.end..start]).0.is_empty() {
            self.last = None;
            self.flow(node);
        } else {
            self.remarks(start, self.depth + 1);
            self.end = start;
            self.line(Kind::Plain, start);
            self.flow(node);
        }
        self.first = false;
    }

    fn fits_one_line(&self, node: &Node, members: &[Node]) -> bool {
        let few = match node.as_rule() {
            Rule::service_decl | Rule::source_decl => members.len() == 1,
            Rule::test_expect => members.len() <= 2,
            _ => return members.is_empty() && !self.commented(node),
        };
        let simple = |member: &Node| {
            let rules = [Rule::select, Rule::column, Rule::assertion];
            rules.contains(&member.as_rule()) && !member.as_str().starts_with("///")
        };
        let short = self.depth * INDENT + width(node) <= WIDE && !node.as_str().contains("\"\"\"");
        (members.is_empty() || (few && members.iter().all(simple) && short)) && !self.commented(node)
    }

    /// Whether a comment stands between the leaves of `node`.
    fn commented(&self, node: &Node) -> bool {
        let mut end = node.as_span().start();
        leaves(node).iter().any(|leaf| {
            let found = !comments(&self.text[end..leaf.as_span().start()]).0.is_empty();
            end = leaf.as_span().end();
            found
        })
    }

    // ── members ──

    fn members(&mut self, nodes: &[Node]) {
        if nodes.iter().any(|node| matches!(node.as_rule(), Rule::item)) {
            return self.items(nodes);
        }
        for node in nodes {
            self.member(node);
        }
    }

    fn member(&mut self, node: &Node) {
        match node.as_rule() {
            Rule::column => self.cells(Kind::Column, node),
            Rule::feature_def => self.cells(Kind::Feature, node),
            Rule::assertion => self.cells(Kind::Assertion, node),
            Rule::io_clause => self.cells(Kind::Connector, node),
            Rule::setting if self.dataset => self.cells(Kind::Dataset, node),
            Rule::ds_service | Rule::ds_spine | Rule::ds_label | Rule::ds_period => {
                self.cells(Kind::Dataset, node);
            }
            Rule::time_clause
            | Rule::known_clause
            | Rule::key_clause
            | Rule::order_clause
            | Rule::dedupe_clause
            | Rule::lateness_clause
            | Rule::since_clause => self.cells(Kind::Clause, node),
            Rule::rows_clause | Rule::given => self.table(node),
            Rule::member_loop | Rule::test_expect => self.block(node),
            _ => self.plain(Kind::Plain, node),
        }
    }

    /// A line whose children start cells where the kind has them.
    fn cells(&mut self, kind: Kind, node: &Node) {
        let mut fresh = true;
        let mut attributes = false;
        for child in node.clone().into_inner() {
            let rule = child.as_rule();
            if rule == Rule::doc {
                self.doc(&child);
                continue;
            }
            if fresh {
                self.line(kind, child.as_span().start());
                fresh = false;
            } else if rule == Rule::attr && !attributes {
                self.cells_up_to(kind);
                attributes = true;
            } else if self.starts_cell(kind, rule) {
                self.cell();
            }
            match (kind, rule) {
                (Kind::Feature, Rule::expr) => self.value(&child),
                _ => self.flow(&child),
            }
        }
    }

    fn starts_cell(&self, kind: Kind, rule: Rule) -> bool {
        let only = self.lines.last().is_some_and(|line| line.cells.len() == 1);
        only && match kind {
            Kind::Column => rule == Rule::type_expr,
            Kind::Feature | Kind::Let => rule == Rule::equals,
            Kind::Clause | Kind::Connector | Kind::Dataset | Kind::Assertion => true,
            Kind::Plain | Kind::Remark | Kind::Row => false,
        }
    }

    /// Attributes have the last cell of their kind.
    fn cells_up_to(&mut self, kind: Kind) {
        let place = if kind == Kind::Feature { 3 } else { 2 };
        while self.lines.last().is_some_and(|line| line.cells.len() <= place) {
            self.cell();
        }
    }

    /// The value of a feature: the window of an aggregate that is all of it has a cell.
    fn value(&mut self, node: &Node) {
        let mut suffix = None;
        let mut inside = node.clone();
        // The only child of the only child, down to the call.
        while let (Some(child), None) = first_two(&inside) {
            if child.as_rule() == Rule::agg_call {
                suffix = child.into_inner().find(|part| part.as_rule() == Rule::suffix);
                break;
            }
            inside = child;
        }
        let window = suffix.and_then(|suffix| {
            suffix.into_inner().find(|part| matches!(part.as_rule(), Rule::over | Rule::next))
        });
        let Some(window) = window else { return self.flow(node) };
        self.flow_before(node, window.as_span().start());
        self.inline_comments(window.as_span().start());
        self.end = window.as_span().start();
        self.cell();
        self.flow(&window);
    }

    /// The leaves of `node` before `end`.
    fn flow_before(&mut self, node: &Node, end: usize) {
        for child in node.clone().into_inner() {
            if child.as_span().start() >= end {
                return;
            }
            if child.as_span().end() <= end && !holds(&child, end) {
                self.flow(&child);
            } else {
                self.flow_before(&child, end);
            }
        }
    }

    /// `given s` or `rows`, and the rows under it.
    fn table(&mut self, node: &Node) {
        self.line(Kind::Plain, node.as_span().start());
        for child in node.clone().into_inner() {
            if child.as_rule() == Rule::table_data {
                self.depth += 1;
                child.into_inner().for_each(|row| self.row(&row));
                self.depth -= 1;
            } else {
                self.flow(&child);
            }
        }
    }

    fn row(&mut self, node: &Node) {
        self.line(Kind::Row, node.as_span().start());
        for (index, child) in node.clone().into_inner().enumerate() {
            if child.as_rule() == Rule::bar {
                self.inline_comments(child.as_span().start());
                self.end = child.as_span().end();
                if index > 0 {
                    self.cell();
                }
            } else {
                self.flow(&child);
            }
        }
        // The cell behind the last bar.
        if let Some(line) = self.lines.last_mut() {
            line.cells.pop();
        }
    }
}

/// The width of `node` on one line without comments.
fn width(node: &Node) -> usize {
    let mut width = 0;
    let mut last = None;
    for leaf in leaves(node) {
        let blank = last.is_some_and(|last| blank_between(last, leaf.as_rule()));
        width += usize::from(blank) + leaf.as_str().chars().count();
        last = Some(leaf.as_rule());
    }
    width
}

fn first_two<'t>(node: &Node<'t>) -> (Option<Node<'t>>, Option<Node<'t>>) {
    let mut children = node.clone().into_inner();
    (children.next(), children.next())
}

/// Whether a leaf of `node` starts at `place` or behind it.
fn holds(node: &Node, place: usize) -> bool {
    let mut last = node.clone();
    while let Some(child) = last.clone().into_inner().next_back() {
        last = child;
    }
    last.as_span().start() >= place
}
