//! Tests: tables of rows, and what must hold.

use super::grammar::Rule;
use super::node::{Builder, Node, has, inner};
use crate::ast::{AssertOp, Assertion, Cell, Given, TableData, TestDecl, TestExpect};
use crate::span::Spanned;

impl Builder {
    pub(super) fn test(&mut self, node: &Node) -> TestDecl {
        let mut parts = inner(node.clone());
        TestDecl {
            title: self.string(&parts.must()),
            given: parts.many(Rule::given).iter().map(|given| self.given(given)).collect(),
            expects: parts.map(|expect| self.test_expect(&expect)).collect(),
        }
    }

    fn given(&mut self, node: &Node) -> Given {
        let mut parts = inner(node.clone());
        let source = self.path(&parts.must());
        let changes = has(node, Rule::kw_changes);
        Given { source, changes, data: self.table(&parts.must()) }
    }

    pub(super) fn table(&mut self, node: &Node) -> TableData {
        let rows = inner(node.clone()).map(|row| inner(row).map(|cell| self.cell(&cell)).collect());
        let rows = rows.collect();
        TableData { rows, span: self.place(node) }
    }

    fn cell(&mut self, node: &Node) -> Spanned<Cell> {
        let value = inner(node.clone()).must();
        let cell = match value.as_rule() {
            Rule::cell_null => Cell::Null,
            Rule::literal if value.as_str() == "null" => Cell::Null,
            Rule::ident => Cell::Name(self.ident(&value).node),
            _ => Cell::Value(self.constant(&value)),
        };
        Spanned::new(cell, self.span(node))
    }

    fn test_expect(&mut self, node: &Node) -> TestExpect {
        let mut parts = inner(node.clone());
        TestExpect {
            group: self.path(&parts.must()),
            keys: self.args(&parts.must()),
            at: self.instant(&parts.must()),
            inputs: parts
                .maybe(Rule::inputs)
                .into_iter()
                .flat_map(inner)
                .map(|input| self.named(&input))
                .collect(),
            assertions: parts.map(|assertion| self.assertion(&assertion)).collect(),
            span: self.place(node),
        }
    }

    fn assertion(&mut self, node: &Node) -> Assertion {
        let mut parts = inner(node.clone());
        let name = self.name(&parts.must());
        let op = parts.must();
        let op = Spanned::new(assert_op(op.as_str()), self.span(&op));
        let value = inner(parts.must()).must();
        Assertion { name, op, value: self.constant(&value), span: self.place(node) }
    }
}

fn assert_op(written: &str) -> AssertOp {
    match written {
        "==" => AssertOp::Eq,
        "!=" => AssertOp::Ne,
        "~=" => AssertOp::Near,
        "<=" => AssertOp::Le,
        ">=" => AssertOp::Ge,
        "<" => AssertOp::Lt,
        _ => AssertOp::Gt,
    }
}
