//! Every operator and function, case by case: `functions.tsv` says what comes out.
//!
//! A line is `function <tab> arguments <tab> result`. Arguments are separated by ` | `; each is
//! `type:value`, with `=` in front where it is written in the text rather than read from a column; a
//! `secret` is what holds the value.
//! The result is `type value`, `error` (an evaluation error) or `refused` and a word of the reason.
//! Every case is evaluated over three equal rows, and again as a constant.

#![expect(clippy::unwrap_used, reason = "a helper of a test panics like the test itself")]

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use feat_compiler::expr::Evaluator;
use feat_compiler::functions::{self, Arg, cast};
use feat_compiler::ir::{Expr, ExprKind};
use feat_compiler::secrets::{Secret, Secrets};
use feat_dsl::span::Span;
use feat_kernel::column;
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

struct Case<'a> {
    line: usize,
    function: &'a str,
    args: Vec<Arg>,
    /// Whether each is written in the text.
    written: Vec<bool>,
    /// Whether each is a secret, of which the value is what it holds.
    secrets: Vec<bool>,
    values: Vec<Value>,
    result: &'a str,
}

#[test]
fn every_case_of_the_table_gives_what_it_says() {
    let table = include_str!("functions.tsv");
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in table.lines().enumerate().filter_map(|(at, line)| parse(at + 1, line)) {
        count += 1;
        for found in
            [Some(run(&case, false)), constant(&case).then(|| run(&case, true))].into_iter().flatten()
        {
            // A constant's nullability may differ: only its value is compared.
            if found.trim_start_matches('!') != case.result {
                wrong.push(format!("{}: {} -> {found}, expected {}", case.line, case.function, case.result));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 300, "{count}");
}

#[test]
fn every_function_has_a_case() {
    let table = include_str!("functions.tsv");
    let cases: Vec<&str> = table.lines().filter_map(|line| line.split('\t').next()).collect();
    let missing: Vec<&str> =
        functions::all().map(|function| function.name).filter(|name| !cases.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_reference_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/functions.md");
    let current = functions::reference::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        kept == current,
        "docs/reference/functions.md is not what the table says: run with UPDATE_DOCS=1"
    );
}

/// The secret that holds `value`; without one if that is `unset`.
fn secret(value: &Value) -> Secret {
    let Value::Str(text) = value else { panic!("a secret is written as a text: {value:?}") };
    let held = (**text != *"unset").then(|| ("key".to_owned(), text.as_bytes().to_vec()));
    held.into_iter().collect::<Secrets>().secret("key")
}

/// Whether the case means the same with every argument written in the text.
fn constant(case: &Case<'_>) -> bool {
    let literals = case
        .args
        .iter()
        .zip(&case.values)
        .map(|(arg, value)| Arg { slot: arg.slot.clone(), literal: Some(value.clone()) });
    let known = |args: &[Arg]| {
        functions::resolve(case.function, args).map(|resolved| (resolved.params, resolved.result))
    };
    !case.function.contains("cast") && known(&case.args) == known(&literals.collect::<Vec<_>>())
}

fn run(case: &Case<'_>, constant: bool) -> String {
    let (mut fields, mut columns, mut args) = (Vec::new(), Vec::<ArrayRef>::new(), Vec::new());
    let mut scope = Vec::new();
    for (at, (arg, value)) in case.args.iter().zip(&case.values).enumerate() {
        let kind = if case.secrets[at] {
            ExprKind::Secret(secret(value))
        } else if constant || case.written[at] {
            ExprKind::Literal(value.clone())
        } else {
            let name = format!("c{at}");
            let column = column::array(&arg.slot.ty, &vec![value.clone(); 3]);
            fields.push(Field::new(&name, column.data_type().clone(), true));
            columns.push(column);
            scope.push((name.clone(), arg.slot.clone()));
            ExprKind::Column(name)
        };
        args.push(Expr { kind, slot: arg.slot.clone(), span: Span::default() });
    }
    let expr = match case.function.split_once(' ') {
        Some((form, target)) => {
            let mode = if form == "cast" { cast::Mode::Strict } else { cast::Mode::Try };
            let target = ty(target).0;
            let Some(slot) = cast::result(&case.args[0].slot, &target.ty, mode) else {
                return "refused cast".to_owned();
            };
            let of = Box::new(args.remove(0));
            let kind = if form == "cast" { ExprKind::Cast(of) } else { ExprKind::TryCast(of) };
            Expr { kind, slot, span: Span::default() }
        }
        None => match functions::resolve(case.function, &case.args) {
            Ok(resolved) => Expr {
                kind: ExprKind::Call(resolved.function, args),
                slot: resolved.result,
                span: Span::default(),
            },
            Err(refusal) => {
                let word = case.result.strip_prefix("refused ").unwrap_or("?");
                let said = refusal.to_string();
                return if said.contains(word) { case.result.to_owned() } else { format!("refused {said}") };
            }
        },
    };
    let slot = expr.slot.clone();
    let options = RecordBatchOptions::new().with_row_count(Some(3));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).unwrap();
    let evaluated = Evaluator::new(&scope, &[("x".to_owned(), expr)]).evaluate(&batch);
    assert_eq!(evaluated.columns[0].len(), 3, "line {}", case.line);
    let values: Vec<Value> = (0..3).map(|row| column::value(&evaluated.columns[0], &slot.ty, row)).collect();
    assert!(values.iter().all(|value| *value == values[0]), "line {}: rows differ: {values:?}", case.line);
    if evaluated.erred(0, 0) {
        assert!(values[0].is_null());
        return "error".to_owned();
    }
    format!("{slot} {}", show(&slot.ty, &values[0]))
}

fn parse(line: usize, text: &str) -> Option<Case<'_>> {
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    let mut parts = text.split('\t');
    let (function, args, result) =
        (parts.next()?, parts.next()?, parts.next().unwrap_or_else(|| panic!("line {line}")));
    let (args_of, written, secrets) = (Vec::new(), Vec::new(), Vec::new());
    let mut case = Case { line, function, args: args_of, written, secrets, values: Vec::new(), result };
    for arg in args.split(" | ").filter(|arg| !arg.is_empty()) {
        let (written, arg) = match arg.strip_prefix('=') {
            Some(arg) => (true, arg),
            None => (false, arg),
        };
        case.secrets.push(arg.starts_with("secret:"));
        let (slot, rest) = ty(arg);
        let value = value(&slot.ty, rest.strip_prefix(':').unwrap_or_else(|| panic!("line {line}: {arg}")));
        case.values.push(value.clone());
        case.args.push(Arg { slot, literal: written.then_some(value) });
        case.written.push(written);
    }
    Some(case)
}

/// The slot that `text` begins with, and the rest.
fn ty(text: &str) -> (Slot, &str) {
    let plain = [
        ("bool", Type::Bool),
        ("int", Type::Int),
        ("float", Type::Float),
        ("string", Type::String),
        ("secret", Type::String),
        ("bytes", Type::Bytes),
        ("timestamp", Type::Timestamp),
        ("date", Type::Date),
        ("duration", Type::Duration),
        ("colour", Type::Enum(["red".to_owned(), "blue".to_owned()].into())),
        ("ints", Type::List(Box::new(Slot::nullable(Type::Int)))),
        ("prices", Type::Map(Box::new(Type::String), Box::new(Slot::required(Type::Int)))),
    ];
    let (ty, rest) = if let Some(rest) = text.strip_prefix("decimal(") {
        let (inside, rest) = rest.split_once(')').unwrap();
        let (precision, scale) = inside.split_once(", ").unwrap();
        (Type::Decimal(precision.parse().unwrap(), scale.parse().unwrap()), rest)
    } else {
        plain
            .into_iter()
            .filter(|(name, _)| text.starts_with(name))
            .max_by_key(|(name, _)| name.len())
            .map_or_else(|| panic!("a type: {text}"), |(name, ty)| (ty, &text[name.len()..]))
    };
    match rest.strip_prefix('?') {
        Some(rest) => (Slot::nullable(ty), rest),
        None => (Slot::required(ty), rest),
    }
}

fn value(ty: &Type, text: &str) -> Value {
    if text == "null" {
        return Value::Null;
    }
    match ty {
        Type::Bool => Value::Bool(text == "true"),
        Type::Int | Type::Duration => Value::Int(text.parse().unwrap()),
        Type::Float => Value::Float(text.parse().unwrap()),
        Type::Decimal(_, scale) => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            assert_eq!(fraction.len(), scale.unsigned_abs() as usize, "{text}");
            Value::Decimal(format!("{whole}{fraction}").parse().unwrap())
        }
        Type::Timestamp => Value::Int(Instant::parse(text).unwrap().0),
        Type::Date => {
            let midnight = Instant::parse(&format!("{text}T00:00:00Z")).unwrap();
            Value::Int(midnight.0 / 86_400_000_000)
        }
        Type::Bytes => Value::Bytes(text.as_bytes().into()),
        Type::List(_) => Value::List(text.split_whitespace().map(|item| value(&Type::Int, item)).collect()),
        Type::Map(..) => Value::Map(
            text.split_whitespace()
                .map(|pair| {
                    let (key, item) = pair.split_once('=').unwrap();
                    (Value::Str(key.into()), value(&Type::Int, item))
                })
                .collect(),
        ),
        _ => Value::Str(text.into()),
    }
}

fn show(ty: &Type, value: &Value) -> String {
    match (ty, value) {
        (_, Value::Null) => "null".to_owned(),
        (Type::Timestamp, Value::Int(x)) => Instant(*x).to_string(),
        (Type::Date, Value::Int(x)) => Instant(x * 86_400_000_000).to_string()[..10].to_owned(),
        (_, Value::Bool(x)) => x.to_string(),
        (_, Value::Int(x)) => x.to_string(),
        (_, Value::Float(x)) => {
            assert!(x.is_finite() && x.to_bits() != (-0.0_f64).to_bits());
            format!("{x:?}")
        }
        (Type::Decimal(_, scale), Value::Decimal(x)) => {
            let sign = if *x < 0 { "-" } else { "" };
            let scale = scale.unsigned_abs() as usize;
            let digits = format!("{:0>width$}", x.unsigned_abs(), width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
        }
        (_, Value::Str(x)) => x.to_string(),
        (_, Value::Bytes(x)) => x.iter().fold(String::new(), |out, byte| out + &format!("{byte:02x}")),
        (Type::List(item), Value::List(items)) => {
            items.iter().map(|value| show(&item.ty, value)).collect::<Vec<_>>().join(" ")
        }
        (_, other) => format!("{other:?}"),
    }
}
