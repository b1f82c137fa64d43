//! A typed expression as the language writes it: for reasons and labels, never for a program.
//!
//! `let`s and `fn`s are gone and loops unrolled, so two phrases differ where the meaning does, even
//! where the texts are the same. Widenings are not shown.

use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::Type;
use feat_kernel::value::Value;
use feat_kernel::window::{Reach, Window};

use crate::ir::{AggregateCall, Expr, ExprKind};

/// The operators that stand between two values.
const BETWEEN: [(&str, &str); 16] = [
    ("add", "+"),
    ("sub", "-"),
    ("mul", "*"),
    ("truediv", "/"),
    ("rem", "%"),
    ("eq", "=="),
    ("ne", "!="),
    ("lt", "<"),
    ("le", "<="),
    ("gt", ">"),
    ("ge", ">="),
    ("and", "and"),
    ("or", "or"),
    ("coalesce", "??"),
    ("like", "like"),
    ("regexp_like", "matches"),
];

/// `expr` on one line.
pub(crate) fn phrase(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Literal(value) => literal(value, &expr.slot.ty),
        ExprKind::Secret(secret) => format!("{secret:?}"),
        ExprKind::Column(name) => name.clone(),
        ExprKind::AsOf => "as_of".to_owned(),
        ExprKind::Call(name, args) => call(name, args),
        ExprKind::Case(branches, otherwise) => {
            let branches = branches
                .iter()
                .map(|(condition, value)| format!("if {} then {} else ", phrase(condition), phrase(value)));
            format!("{}{}", branches.collect::<String>(), phrase(otherwise))
        }
        ExprKind::Cast(of) => phrase(of),
        ExprKind::TryCast(of) => format!("try_cast({}, {})", phrase(of), expr.slot.ty),
        ExprKind::Field(of, name) => format!("{}.{name}", within(of)),
        ExprKind::Struct(items) => format!("struct {{ {} }}", list(items)),
        ExprKind::List(items) => format!("[{}]", list(items)),
        ExprKind::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}: {}", phrase(key), phrase(value)));
            format!("map {{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        ExprKind::Aggregate(of) => aggregate(of),
    }
}

/// A call of an aggregate with its window: `sum(amount) where big over 7d every 1h`.
pub(crate) fn aggregate(call: &AggregateCall) -> String {
    let (name, parameters) = written(&call.text);
    let args: Vec<String> = call.args.iter().map(phrase).chain(parameters).collect();
    let filter = call.filter.as_ref().map(|filter| format!(" where {}", phrase(filter))).unwrap_or_default();
    let Window { reach, hop, offset } = call.window;
    let window = match reach {
        // A label's interval has the finest hop there is: it lies where the instant is.
        Reach::Length(length) if hop == Micros(1) => format!(" next {length}"),
        Reach::Length(length) => format!(" over {length} every {hop}"),
        Reach::All(Instant::MIN) => " over all".to_owned(),
        Reach::All(since) => format!(" over all since {since}"),
    };
    let moved = [("offset", offset), ("after", call.after)].map(|(word, length)| match length {
        Micros::ZERO => String::new(),
        length => format!(" {word} {length}"),
    });
    format!("{name}({}){filter}{window}{}", args.join(", "), moved.concat())
}

/// The name of an aggregate and its named parameters, from the call as it is written.
fn written(text: &str) -> (&str, Vec<String>) {
    let name = text.split('(').next().unwrap_or_default();
    let inside = text.get(name.len() + 1..).unwrap_or_default();
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, mark) in inside.char_indices() {
        match mark {
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                parts.push(&inside[start..at]);
                break;
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    let is_named = |part: &&str| {
        let name = part.trim().split(':').next().unwrap_or_default();
        part.contains(':') && name.chars().all(|mark| mark.is_alphanumeric() || mark == '_')
    };
    (name, parts.into_iter().filter(is_named).map(|part| part.trim().to_owned()).collect())
}

fn call(name: &str, args: &[Expr]) -> String {
    let operator = BETWEEN.iter().find(|(operator, _)| *operator == name).map(|(_, mark)| *mark);
    match (name, operator, args) {
        (_, Some(mark), [one, other]) => format!("{} {mark} {}", within(one), within(other)),
        ("not", _, [one]) => format!("not {}", within(one)),
        ("neg", _, [one]) => format!("-{}", within(one)),
        ("is_null", _, [one]) => format!("{} is null", within(one)),
        ("is_not_null", _, [one]) => format!("{} is not null", within(one)),
        ("in_list", _, [one, items @ ..]) => format!("{} in [{}]", within(one), list(items)),
        _ => format!("{name}({})", list(args)),
    }
}

/// An operand: in parentheses if it has operands itself.
fn within(expr: &Expr) -> String {
    let plain = match &expr.kind {
        ExprKind::Call(name, _) => {
            let operators = ["not", "neg", "is_null", "is_not_null", "in_list"];
            !operators.contains(name) && BETWEEN.iter().all(|(operator, _)| operator != name)
        }
        ExprKind::Cast(of) => return within(of),
        ExprKind::Case(..) | ExprKind::Aggregate(_) => false,
        _ => true,
    };
    if plain { phrase(expr) } else { format!("({})", phrase(expr)) }
}

fn list(exprs: &[Expr]) -> String {
    exprs.iter().map(phrase).collect::<Vec<_>>().join(", ")
}

fn literal(value: &Value, ty: &Type) -> String {
    match (value, ty) {
        (Value::Null, _) => "null".to_owned(),
        (Value::Bool(value), _) => value.to_string(),
        (Value::Int(micros), Type::Timestamp) => Instant(*micros).to_string(),
        (Value::Int(micros), Type::Duration) => Micros(*micros).to_string(),
        (Value::Int(number), _) => number.to_string(),
        (Value::Float(number), _) => format!("{number:?}"),
        (Value::Str(text), _) => format!("{text:?}"),
        (Value::Decimal(unscaled), Type::Decimal(_, scale)) => decimal(*unscaled, *scale),
        (other, _) => format!("{other:?}"),
    }
}

/// `1250` of scale 2 as `12.50`.
fn decimal(unscaled: i128, scale: i8) -> String {
    let places = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        return format!("{unscaled}{}", "0".repeat(places));
    }
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{}{whole}.{fraction}", if unscaled < 0 { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::{decimal, written};

    #[test]
    fn decimals_have_their_point_and_calls_their_parameters() {
        assert_eq!(decimal(1_250, 2), "12.50");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(3, -2), "300");
        assert_eq!(written("count()"), ("count", vec![]));
        let (name, parameters) = written("last_n(f(x, y: 2), n: 3, m: [1, 2]) where a(b: 1)");
        assert_eq!((name, parameters), ("last_n", vec!["n: 3".to_owned(), "m: [1, 2]".to_owned()]));
    }
}
