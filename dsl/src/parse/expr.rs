//! Expressions: the grammar's flat rows of operands and operators get their precedence here.
//!
//! From loosest to tightest: `or`, `and`, `not`, `??`, comparisons (which do not chain), `+ -`,
//! `* / %`, unary `-`, `as`, `.name` and `[…]`. Operators of one level group to the left. `??`
//! covers everything to its left up to `and`, `or`, `not`: `a / b ?? 0.0` is `(a / b) ?? 0.0`.
//! A long chain of one of `or`, `and`, `??`, which mean the same however they are grouped, becomes a
//! tree of little depth.

use super::grammar::Rule;
use super::node::{Builder, Node, has, inner, syntax};
use crate::ast::{Arg, BinaryOp, Call, Expr, ExprKind, Ident, Literal, Pattern, Place};
use crate::span::{Span, Spanned};

/// How tightly an operator binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// `or`
    Or,
    /// `and`
    And,
    /// `not`
    Not,
    /// `??`
    Coalesce,
    /// `==`, `in`, `is null`, `between`, …
    Compare,
    /// `+ -`
    Add,
    /// `* / %`
    Multiply,
}

/// The level of an operator with two sides.
pub(crate) fn level(op: BinaryOp) -> Level {
    match op {
        BinaryOp::Or => Level::Or,
        BinaryOp::And => Level::And,
        BinaryOp::Coalesce => Level::Coalesce,
        BinaryOp::Add | BinaryOp::Sub => Level::Add,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => Level::Multiply,
        _ => Level::Compare,
    }
}

/// Whether operators of a level mean the same however a chain of them is grouped.
fn chains(level: Level) -> bool {
    matches!(level, Level::Or | Level::And | Level::Coalesce)
}

/// A chain of more operators than this is grouped into halves.
const LONG: usize = 32;

/// How deep the chains of a row with `operators` of them may be: each of the three levels as deep as
/// the longest that is not halved, or as halves of as many as a text can hold.
fn chain_depth(operators: usize) -> usize {
    operators.min(3 * (LONG + 8))
}

/// How many levels of the tree a row may become.
fn row_depth(node: &Node) -> usize {
    let (mut chained, mut term, mut longest) = (0, 0, 0);
    for child in node.clone().into_inner() {
        match child.as_rule() {
            Rule::operand | Rule::row_operand => {}
            Rule::if_expr
            | Rule::row_if
            | Rule::kw_not
            | Rule::is_null
            | Rule::between
            | Rule::row_between => {
                term += 1;
            }
            _ if chains(level(binary_op(&child))) => {
                chained += 1;
                term = 0;
            }
            _ => term += 1,
        }
        longest = longest.max(term);
    }
    1 + longest + chain_depth(chained)
}

impl Builder {
    /// An `expr` or a `sum`, or their kin of rows.
    pub(super) fn expr(&mut self, node: &Node) -> Expr {
        let span = self.span(node);
        let levels = row_depth(node);
        self.nested(levels, span, |builder| builder.row(node)).unwrap_or_else(|| unknown(span))
    }

    fn row(&mut self, node: &Node) -> Expr {
        let mut row = Row::default();
        for child in node.clone().into_inner() {
            match child.as_rule() {
                Rule::if_expr | Rule::row_if => return self.if_expr(&child),
                Rule::kw_not => row.waiting.push(Waiting::Not(self.span(&child))),
                Rule::operand | Rule::row_operand => row.done.push(self.operand(&child)),
                Rule::is_null | Rule::between | Rule::row_between => self.comparison(&child, &mut row),
                _ => self.operator(&child, &mut row),
            }
        }
        row.reduce(None);
        row.done.pop().expect("grammar: a row has an operand")
    }

    /// `is null` and `between`: they stand behind their operand.
    fn comparison(&mut self, node: &Node, row: &mut Row) {
        self.refuse_chain(self.span(node), row);
        row.reduce(Some(Level::Compare));
        let left = row.done.pop().expect("grammar: an operand stands before it");
        let span = left.span.0.to(self.span(node));
        let not = has(node, Rule::kw_not);
        let kind = if node.as_rule() == Rule::is_null {
            ExprKind::IsNull(left, not)
        } else {
            let mut sides = inner(node.clone());
            let low = self.expr(&sides.must());
            ExprKind::Between(left, low, self.expr(&sides.must()), not)
        };
        row.done.push(of(kind, span));
    }

    fn operator(&mut self, node: &Node, row: &mut Row) {
        let op = Spanned::new(binary_op(node), self.span(node));
        match level(op.node) {
            Level::Compare => self.refuse_chain(op.span, row),
            Level::Or | Level::And | Level::Coalesce => row.compared = None,
            _ => {}
        }
        row.reduce(Some(level(op.node)));
        row.waiting.push(Waiting::Binary(op));
    }

    fn refuse_chain(&mut self, span: Span, row: &mut Row) {
        if let Some(first) = row.compared.replace(span) {
            let mistake = syntax(span, "comparisons do not chain").label("a second comparison");
            let help = "join them with `and`, or put one of them in parentheses";
            self.report(mistake.also(first, "the first").help(help));
        }
    }

    fn if_expr(&mut self, node: &Node) -> Expr {
        let mut parts = inner(node.clone());
        let condition = self.expr(&parts.must());
        let then = self.expr(&parts.must());
        let otherwise = self.expr(&parts.must());
        of(ExprKind::If(condition, then, otherwise), self.span(node))
    }

    fn operand(&mut self, node: &Node) -> Expr {
        let span = self.span(node);
        let levels = node.clone().into_inner().count() - 1;
        self.nested(levels, span, |builder| builder.operand_parts(node)).unwrap_or_else(|| unknown(span))
    }

    fn operand_parts(&mut self, node: &Node) -> Expr {
        let mut parts = inner(node.clone());
        let signs = parts.many(Rule::neg);
        let mut value = self.primary(&parts.must());
        for part in parts {
            let span = value.span.0.to(self.span(&part));
            let argument = inner(part.clone()).must();
            let kind = match part.as_rule() {
                Rule::field => ExprKind::Field(value, self.name(&argument)),
                Rule::index => ExprKind::Index(value, self.expr(&argument)),
                _ => ExprKind::Cast(value, self.type_expr(&argument)),
            };
            value = of(kind, span);
        }
        for sign in signs.iter().rev() {
            let span = self.span(sign).to(value.span.0);
            value = of(ExprKind::Neg(value), span);
        }
        value
    }

    fn primary(&mut self, node: &Node) -> Expr {
        let span = self.span(node);
        let kind = match node.as_rule() {
            Rule::literal => ExprKind::Literal(self.literal(node)),
            Rule::paren => *self.expr(&inner(node.clone()).must()).kind,
            Rule::match_expr => self.match_expr(node),
            Rule::list_lit => ExprKind::List(inner(node.clone()).map(|item| self.expr(&item)).collect()),
            Rule::struct_lit => {
                ExprKind::Struct(inner(node.clone()).map(|entry| self.named(&entry)).collect())
            }
            Rule::map_lit => ExprKind::Map(inner(node.clone()).map(|entry| self.map_entry(entry)).collect()),
            Rule::as_of => ExprKind::AsOf,
            Rule::agg_call => {
                let mut parts = inner(node.clone());
                let call = self.call(&parts.must());
                ExprKind::Call(call, parts.next().map(|suffix| self.suffix(&suffix)))
            }
            Rule::call => ExprKind::Call(self.call(node), None),
            _ => ExprKind::Name(self.name(node)),
        };
        of(kind, span)
    }

    fn match_expr(&mut self, node: &Node) -> ExprKind {
        let mut parts = inner(node.clone());
        let value = self.expr(&parts.must());
        let arms = parts.map(|arm| {
            let mut sides = inner(arm);
            let pattern = self.pattern(&sides.must());
            (pattern, self.expr(&sides.must()))
        });
        ExprKind::Match(value, arms.collect())
    }

    fn pattern(&mut self, node: &Node) -> Pattern {
        let mut values = inner(node.clone());
        if values.maybe(Rule::cell_null).is_some() {
            return Pattern::Any;
        }
        Pattern::Values(values.map(|value| self.signed_literal(&value)).collect())
    }

    /// A `struct_entry` or a `named_arg`.
    pub(super) fn named(&mut self, node: &Node) -> (Ident, Expr) {
        let mut sides = inner(node.clone());
        let name = self.ident(&sides.must());
        (name, self.expr(&sides.must()))
    }

    fn map_entry(&mut self, node: Node) -> (Expr, Expr) {
        let mut sides = inner(node);
        let key = self.expr(&sides.must());
        (key, self.expr(&sides.must()))
    }

    /// A constant of a table or an assertion as an expression; `-1` is [`ExprKind::Neg`].
    pub(super) fn constant(&mut self, node: &Node) -> Expr {
        if node.as_rule() != Rule::minus_literal {
            return self.primary(node);
        }
        let literal = self.primary(&inner(node.clone()).nth(1).expect("grammar: `-` has a literal"));
        of(ExprKind::Neg(literal), self.span(node))
    }

    pub(super) fn call(&mut self, node: &Node) -> Call {
        let mut parts = inner(node.clone());
        let callee = parts.must();
        let function = Spanned::new(callee.as_str().to_owned(), self.span(&callee));
        Call { function, args: self.args(&parts.must()), span: self.place(node) }
    }

    pub(super) fn args(&mut self, node: &Node) -> Vec<Arg> {
        inner(node.clone()).map(|arg| self.arg(&arg)).collect()
    }

    fn arg(&mut self, node: &Node) -> Arg {
        match node.as_rule() {
            Rule::named_arg => {
                let (name, value) = self.named(node);
                Arg::Named(name, value)
            }
            Rule::lambda => {
                let (name, body) = self.named(node);
                Arg::Lambda(name, body)
            }
            _ => Arg::Value(self.expr(node)),
        }
    }
}

/// A row on its way to a tree: the operands that are complete, the operators that wait for theirs.
#[derive(Default)]
struct Row {
    done: Vec<Expr>,
    waiting: Vec<Waiting>,
    /// The comparison of the term at hand.
    compared: Option<Span>,
}

enum Waiting {
    Not(Span),
    Binary(Spanned<BinaryOp>),
}

impl Row {
    /// Applies the waiting operators that bind at least as tightly as `next`; `None`: all of them.
    fn reduce(&mut self, next: Option<Level>) {
        while let Some(op) = self.waiting.pop() {
            let tight = match &op {
                Waiting::Not(_) => Level::Not,
                Waiting::Binary(op) => level(op.node),
            };
            // A chain waits until it is whole.
            if next.is_some_and(|next| tight < next || (tight == next && chains(tight))) {
                self.waiting.push(op);
                return;
            }
            if let Waiting::Binary(last) = &op
                && chains(tight)
            {
                let last = last.clone();
                self.chain(last);
                continue;
            }
            let right = self.done.pop().expect("grammar: an operator has its operand");
            let applied = match op {
                Waiting::Not(span) => {
                    let span = span.to(right.span.0);
                    of(ExprKind::Not(right), span)
                }
                Waiting::Binary(op) => {
                    let left = self.done.pop().expect("grammar: an operator has two sides");
                    let span = left.span.0.to(right.span.0);
                    of(ExprKind::Binary(op, left, right), span)
                }
            };
            self.done.push(applied);
        }
    }
}

impl Row {
    /// Applies `last` and the operators of its level that wait right before it.
    fn chain(&mut self, last: Spanned<BinaryOp>) {
        let mut ops = vec![last];
        while let Some(Waiting::Binary(before)) = self.waiting.last()
            && before.node == ops[0].node
        {
            ops.push(before.clone());
            self.waiting.pop();
        }
        ops.reverse();
        let operands = self.done.split_off(self.done.len() - ops.len() - 1);
        self.done.push(chained(operands, ops));
    }
}

/// `operands` with an operator between each two: from the left, a long chain in halves.
fn chained(mut operands: Vec<Expr>, mut ops: Vec<Spanned<BinaryOp>>) -> Expr {
    let join = |left: Expr, op: Spanned<BinaryOp>, right: Expr| {
        let span = left.span.0.to(right.span.0);
        of(ExprKind::Binary(op, left, right), span)
    };
    if ops.len() > LONG {
        let half = ops.len() / 2;
        let (right, later) = (operands.split_off(half + 1), ops.split_off(half + 1));
        let middle = ops.pop().expect("invariant: half of a chain has an operator");
        return join(chained(operands, ops), middle, chained(right, later));
    }
    let mut operands = operands.into_iter();
    let first = operands.next().expect("grammar: an operator has its operand");
    ops.into_iter().zip(operands).fold(first, |left, (op, right)| join(left, op, right))
}

/// A `binary_op`, `sum_op`, `member_op`, `kw_and` or `kw_or`.
fn binary_op(node: &Node) -> BinaryOp {
    if node.as_rule() == Rule::member_op {
        let not = has(node, Rule::kw_not);
        return match (has(node, Rule::kw_in), has(node, Rule::kw_like), not) {
            (true, _, false) => BinaryOp::In,
            (true, _, true) => BinaryOp::NotIn,
            (_, true, false) => BinaryOp::Like,
            (_, true, true) => BinaryOp::NotLike,
            (_, _, false) => BinaryOp::Matches,
            (_, _, true) => BinaryOp::NotMatches,
        };
    }
    match node.as_str() {
        "or" => BinaryOp::Or,
        "and" => BinaryOp::And,
        "??" => BinaryOp::Coalesce,
        "==" => BinaryOp::Eq,
        "!=" => BinaryOp::Ne,
        "<" => BinaryOp::Lt,
        "<=" => BinaryOp::Le,
        ">" => BinaryOp::Gt,
        ">=" => BinaryOp::Ge,
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        _ => BinaryOp::Rem,
    }
}

fn of(kind: ExprKind, span: Span) -> Expr {
    Expr { kind: Box::new(kind), span: Place(span) }
}

/// Stands where an expression could not be built; its item is left out.
pub(super) fn unknown(span: Span) -> Expr {
    of(ExprKind::Literal(Literal::Null), span)
}
