//! Trees back to text, for messages: on one line, with the parentheses that are needed.

use super::words::{braced, duration, ident, join, literal, name, pattern, type_expr};
use crate::ast::{
    Arg, BinaryOp, Call, Expr, ExprKind, LengthExpr, Over, Pattern, Suffix, WindowClause, WindowExpr,
    WindowItem, Windows,
};
use crate::parse::{Level, level};
use crate::span::Spanned;

/// The text of `expr` on one line. It parses to the same tree again, unless the tree holds what no
/// text can say (such as a `Neg` of the least integer).
///
/// ```
/// use feat_dsl::{ast::ItemKind, format, parse, span::FileId};
///
/// let (file, _) = parse(FileId(0), "let A = (a+ 1)*-b ?? 90s");
/// let ItemKind::Let(decl) = &file.items[0].kind else { panic!("not a let") };
/// assert_eq!(format::expr(&decl.value), "(a + 1) * -b ?? 1m30s");
/// ```
pub fn expr(expr: &Expr) -> String {
    let mut text = String::new();
    write(&mut text, expr, Place::Whole);
    text
}

/// Where an expression stands; decides whether it needs parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Where `expr` stands in the grammar.
    Whole,
    /// Beside an operator: what binds at least this tightly needs none.
    Beside(Level),
    /// Beside a comparison, which does not chain.
    Arithmetic,
    /// Behind a sign.
    Signed,
    /// Before `as`.
    Cast,
    /// Before `.name` and `[…]`.
    Tight,
}

/// How tightly the outermost form of `expr` holds together; `None` for `if`, which fits nowhere else.
fn tightness(expr: &Expr) -> Option<Place> {
    Some(match &*expr.kind {
        ExprKind::If(..) => return None,
        ExprKind::Binary(op, ..) => Place::Beside(level(op.node)),
        ExprKind::Not(_) => Place::Beside(Level::Not),
        ExprKind::IsNull(..) | ExprKind::Between(..) => Place::Beside(Level::Compare),
        ExprKind::Neg(_) => Place::Signed,
        ExprKind::Cast(..) => Place::Cast,
        // A filter or bucket that no window closes would take what follows.
        ExprKind::Call(_, Some(suffix)) if suffix.window.is_none() => return None,
        _ => Place::Tight,
    })
}

fn fits(expr: &Expr, place: Place) -> bool {
    let Some(held) = tightness(expr) else { return place == Place::Whole };
    match place {
        Place::Whole => true,
        Place::Beside(level) => match held {
            Place::Beside(held) => held >= level,
            _ => true,
        },
        Place::Arithmetic => !matches!(held, Place::Beside(held) if held <= Level::Compare),
        tight => held >= tight,
    }
}

fn write(text: &mut String, expr: &Expr, place: Place) {
    if fits(expr, place) {
        bare(text, expr);
    } else {
        text.push('(');
        bare(text, expr);
        text.push(')');
    }
}

fn bare(text: &mut String, expr: &Expr) {
    match &*expr.kind {
        ExprKind::Literal(value) => text.push_str(&literal(value)),
        ExprKind::Name(name) => text.push_str(&self::name(name)),
        ExprKind::AsOf => text.push_str("as_of"),
        ExprKind::Field(value, field) => {
            write(text, value, Place::Tight);
            text.push('.');
            text.push_str(&name(field));
        }
        ExprKind::Index(value, index) => {
            write(text, value, Place::Tight);
            text.push('[');
            write(text, index, Place::Whole);
            text.push(']');
        }
        ExprKind::Call(call, suffix) => {
            write_call(text, call);
            if let Some(suffix) = suffix {
                write_suffix(text, suffix);
            }
        }
        ExprKind::Neg(value) => {
            text.push('-');
            write(text, value, Place::Signed);
        }
        ExprKind::Not(value) => {
            text.push_str("not ");
            write(text, value, Place::Beside(Level::Not));
        }
        ExprKind::Binary(op, left, right) => write_binary(text, op.node, left, right),
        ExprKind::IsNull(value, not) => {
            write(text, value, Place::Arithmetic);
            text.push_str(if *not { " is not null" } else { " is null" });
        }
        ExprKind::Between(value, low, high, not) => {
            write(text, value, Place::Arithmetic);
            text.push_str(if *not { " not between " } else { " between " });
            write(text, low, Place::Arithmetic);
            text.push_str(" and ");
            write(text, high, Place::Arithmetic);
        }
        ExprKind::If(condition, then, otherwise) => {
            for (word, part) in [("if ", condition), (" then ", then), (" else ", otherwise)] {
                text.push_str(word);
                write(text, part, Place::Whole);
            }
        }
        ExprKind::Match(value, arms) => {
            text.push_str("match ");
            write(text, value, Place::Whole);
            let arm = |(pattern, value): &(Pattern, Expr)| {
                format!("{} => {}", self::pattern(pattern), self::expr(value))
            };
            text.push_str(&braced(" ", arms.iter().map(arm)));
        }
        ExprKind::Cast(value, ty) => {
            write(text, value, Place::Cast);
            text.push_str(" as ");
            text.push_str(&type_expr(ty));
        }
        ExprKind::List(items) => {
            text.push('[');
            text.push_str(&join(items.iter().map(self::expr)));
            text.push(']');
        }
        ExprKind::Struct(fields) => {
            let entry = |(name, value): &(Spanned<String>, Expr)| {
                format!("{}: {}", ident(&name.node), self::expr(value))
            };
            text.push_str(&braced("struct ", fields.iter().map(entry)));
        }
        ExprKind::Map(entries) => {
            let entry = |(key, value): &(Expr, Expr)| format!("{}: {}", self::expr(key), self::expr(value));
            text.push_str(&braced("map ", entries.iter().map(entry)));
        }
    }
}

fn write_binary(text: &mut String, op: BinaryOp, left: &Expr, right: &Expr) {
    let level = level(op);
    let (before, behind) = match level {
        Level::Compare => (Place::Arithmetic, Place::Arithmetic),
        Level::Or => (Place::Beside(Level::Or), Place::Beside(Level::And)),
        Level::And => (Place::Beside(Level::And), Place::Beside(Level::Not)),
        Level::Not | Level::Coalesce => (Place::Beside(Level::Coalesce), Place::Beside(Level::Compare)),
        Level::Add => (Place::Beside(Level::Add), Place::Beside(Level::Multiply)),
        Level::Multiply => (Place::Beside(Level::Multiply), Place::Signed),
    };
    write(text, left, before);
    text.push(' ');
    text.push_str(op.sign());
    text.push(' ');
    write(text, right, behind);
}

fn write_call(text: &mut String, call: &Call) {
    text.push_str(&call.function.node);
    text.push('(');
    text.push_str(&join(call.args.iter().map(|arg| match arg {
        Arg::Value(value) => expr(value),
        Arg::Named(name, value) => format!("{}: {}", name.node, expr(value)),
        Arg::Lambda(name, body) => format!("{} => {}", ident(&name.node), expr(body)),
    })));
    text.push(')');
}

fn write_suffix(text: &mut String, suffix: &Suffix) {
    if let Some(filter) = &suffix.filter {
        text.push_str(" where ");
        write_row(text, filter, Place::Whole);
    }
    if let Some((bucket, limit)) = &suffix.by {
        text.push_str(" by ");
        write_row(text, bucket, Place::Beside(Level::Add));
        if let Some(limit) = limit {
            text.push_str(" limit ");
            text.push_str(&limit.node.to_string());
        }
    }
    match &suffix.window {
        Some(WindowClause::Over(over)) => write_over(text, over),
        Some(WindowClause::Next(next)) => {
            text.push_str(" next ");
            text.push_str(&length(&next.length));
            text.push_str(&clause("after", next.after.as_ref().map(|after| duration(after.node))));
        }
        None => {}
    }
}

/// Writes a filter or a bucket, where no call takes a suffix outside of parentheses.
fn write_row(text: &mut String, expr: &Expr, place: Place) {
    if has_suffix(expr) {
        text.push('(');
        bare(text, expr);
        text.push(')');
    } else {
        write(text, expr, place);
    }
}

/// Whether a call of `expr` that stands in no brackets has a suffix.
fn has_suffix(expr: &Expr) -> bool {
    match &*expr.kind {
        ExprKind::Call(_, suffix) => suffix.is_some(),
        ExprKind::Field(value, _)
        | ExprKind::Index(value, _)
        | ExprKind::Neg(value)
        | ExprKind::Not(value)
        | ExprKind::IsNull(value, _)
        | ExprKind::Cast(value, _) => has_suffix(value),
        ExprKind::Binary(_, left, right) => has_suffix(left) || has_suffix(right),
        ExprKind::Between(a, b, c, _) | ExprKind::If(a, b, c) => {
            has_suffix(a) || has_suffix(b) || has_suffix(c)
        }
        _ => false,
    }
}

fn write_over(text: &mut String, over: &Over) {
    text.push_str(" over ");
    match &over.windows {
        Windows::One(window) => text.push_str(&self::window(&window.node)),
        Windows::List(items) => {
            text.push('[');
            text.push_str(&join(items.iter().map(window_item)));
            text.push(']');
        }
    }
    text.push_str(&steps(over.every.as_ref(), over.offset.as_ref()));
    text.push_str(&clause("along", over.along.as_ref().map(|along| ident(&along.node))));
}

fn window_item(item: &WindowItem) -> String {
    let steps = steps(item.every.as_ref(), item.offset.as_ref());
    let alias = clause("as", item.alias.as_ref().map(|alias| ident(&alias.node)));
    format!("{}{steps}{alias}", window(&item.window.node))
}

fn window(window: &WindowExpr) -> String {
    match window {
        WindowExpr::All => "all".to_owned(),
        WindowExpr::Length(micros) => duration(*micros),
        WindowExpr::Name(name) => self::name(name),
        WindowExpr::Call(call) => {
            let mut text = String::new();
            write_call(&mut text, call);
            text
        }
    }
}

fn steps(every: Option<&Spanned<LengthExpr>>, offset: Option<&Spanned<LengthExpr>>) -> String {
    clause("every", every.map(length)) + &clause("offset", offset.map(length))
}

/// A keyword and what it brings, if it brings something.
fn clause(keyword: &str, words: Option<String>) -> String {
    words.map_or(String::new(), |words| format!(" {keyword} {words}"))
}

fn length(length: &Spanned<LengthExpr>) -> String {
    match &length.node {
        LengthExpr::Length(micros) => duration(*micros),
        LengthExpr::Name(name) => ident(name),
    }
}
