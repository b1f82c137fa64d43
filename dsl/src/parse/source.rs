//! Sources: columns, clauses, origins, joins, expectations.

use super::grammar::Rule;
use super::item::docs;
use super::node::{Builder, Node, inner};
use crate::ast::{
    Action, ColumnDecl, Expect, Expr, IoKind, Join, Origin, Path, SourceDecl, SourceKind, SourceMember,
};
use crate::span::Spanned;

impl Builder {
    pub(super) fn source(&mut self, node: &Node) -> SourceDecl {
        let mut parts = inner(node.clone());
        let name = self.name(&parts.must());
        let kind = match parts.must().as_str() {
            "events" => SourceKind::Events,
            "table" => SourceKind::Table,
            "static" => SourceKind::Static,
            _ => SourceKind::Request,
        };
        let from = parts.maybe(Rule::origin).map(|origin| self.origin(origin));
        let joins = self.joins(&parts.many(Rule::join));
        let filter = self.filter(parts.maybe(Rule::filter));
        let members = parts.map(|member| self.source_member(&member)).collect();
        SourceDecl { name, kind, from, joins, filter, members }
    }

    fn origin(&mut self, node: Node) -> Origin {
        let origin = inner(node).must();
        match origin.as_rule() {
            Rule::call => Origin::Call(self.call(&origin)),
            _ => Origin::Path(self.path(&origin)),
        }
    }

    pub(super) fn joins(&mut self, nodes: &[Node]) -> Vec<Join> {
        nodes.iter().map(|node| self.join(node)).collect()
    }

    fn join(&mut self, node: &Node) -> Join {
        let mut parts = inner(node.clone());
        Join {
            source: self.path(&parts.must()),
            on: parts.many(Rule::join_key).into_iter().map(|key| self.join_key(key)).collect(),
            alias: parts.maybe(Rule::ident).map(|alias| self.ident(&alias)),
            wait: parts.maybe(Rule::duration).map(|wait| self.duration(&wait)),
            span: self.place(node),
        }
    }

    fn join_key(&mut self, node: Node) -> (Path, Option<Path>) {
        let mut sides = inner(node);
        (self.path(&sides.must()), sides.next().map(|right| self.path(&right)))
    }

    pub(super) fn filter(&mut self, node: Option<Node>) -> Option<Expr> {
        node.map(|filter| self.expr(&inner(filter).must()))
    }

    fn source_member(&mut self, node: &Node) -> SourceMember {
        let mut parts = inner(node.clone());
        match node.as_rule() {
            Rule::column => SourceMember::Column(self.column(node)),
            Rule::time_clause => SourceMember::Time(self.ident(&parts.must())),
            Rule::known_clause => {
                let column = parts.maybe(Rule::ident).map(|column| self.ident(&column));
                let delay = parts.maybe(Rule::duration).map(|delay| self.duration(&delay));
                SourceMember::Known(column, delay, self.place(node))
            }
            Rule::key_clause => SourceMember::Key(self.idents(parts)),
            Rule::order_clause => SourceMember::OrderBy(self.idents(parts)),
            Rule::dedupe_clause => {
                let columns = self.idents(parts.many(Rule::ident).into_iter());
                SourceMember::Dedupe(columns, parts.next().map(|within| self.duration(&within)))
            }
            Rule::lateness_clause => SourceMember::Lateness(self.duration(&parts.must())),
            Rule::since_clause => SourceMember::Since(self.instant(&parts.must())),
            Rule::io_clause => {
                let kind = parts.must();
                let kind = Spanned::new(io_kind(kind.as_str()), self.span(&kind));
                SourceMember::Io(kind, self.call(&parts.must()))
            }
            Rule::rows_clause => SourceMember::Rows(self.table(&parts.must())),
            _ => SourceMember::Expect(self.expect(node)),
        }
    }

    fn column(&mut self, node: &Node) -> ColumnDecl {
        let mut parts = inner(node.clone());
        ColumnDecl {
            docs: docs(&parts.many(Rule::doc)),
            name: self.ident(&parts.must()),
            ty: self.type_expr(&parts.must()),
            value: parts.maybe(Rule::expr).map(|value| self.expr(&value)),
            attrs: self.attrs(&parts.many(Rule::attr)),
        }
    }

    pub(super) fn expect(&mut self, node: &Node) -> Expect {
        let mut parts = inner(node.clone());
        let condition = self.expr(&parts.must());
        let share = parts
            .maybe(Rule::percent)
            .map(|share| Spanned::new(super::literal::share_digits(&share), self.span(&share)));
        let action = parts
            .maybe(Rule::action)
            .map(|written| Spanned::new(action(written.as_str()), self.span(&written)));
        let message = parts.maybe(Rule::string).map(|message| self.string(&message));
        Expect { condition, share, action, message, span: self.place(node) }
    }
}

fn io_kind(written: &str) -> IoKind {
    match written {
        "batch" => IoKind::Batch,
        "stream" => IoKind::Stream,
        "cdc" => IoKind::Cdc,
        _ => IoKind::Snapshot,
    }
}

fn action(written: &str) -> Action {
    match written {
        "warn" => Action::Warn,
        "drop" => Action::Drop,
        "quarantine" => Action::Quarantine,
        _ => Action::Fail,
    }
}
