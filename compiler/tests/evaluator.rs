//! Expressions over batches: errors by row, lazy branches, columns by name.

#![expect(clippy::unwrap_used, reason = "a helper of a test panics like the test itself")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use feat_compiler::expr::Evaluator;
use feat_compiler::ir::{Expr, ExprKind};
use feat_dsl::span::Span;
use feat_kernel::column;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use proptest::prelude::*;

fn column_of(name: &str, ty: Type) -> Expr {
    Expr { kind: ExprKind::Column(name.to_owned()), slot: Slot::nullable(ty), span: Span::default() }
}

fn int(value: i64) -> Expr {
    Expr {
        kind: ExprKind::Literal(Value::Int(value)),
        slot: Slot::required(Type::Int),
        span: Span::default(),
    }
}

fn call(name: &'static str, args: Vec<Expr>, ty: Type) -> Expr {
    Expr { kind: ExprKind::Call(name, args), slot: Slot::nullable(ty), span: Span::default() }
}

fn cast(of: Expr, ty: Type) -> Expr {
    Expr { kind: ExprKind::Cast(Box::new(of)), slot: Slot::nullable(ty), span: Span::default() }
}

fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.iter().map(|(name, column)| (*name, Arc::clone(column), true)),
    )
    .unwrap()
}

fn ints(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn scope() -> Vec<(String, Slot)> {
    vec![
        ("a".to_owned(), Slot::nullable(Type::Int)),
        ("s".to_owned(), Slot::nullable(Type::String)),
        ("unused".to_owned(), Slot::nullable(Type::Float)),
    ]
}

#[test]
fn a_row_that_errs_is_null_and_marked_and_the_others_are_not_touched() {
    let number = cast(column_of("s", Type::String), Type::Int);
    let evaluator = Evaluator::new(&scope(), &[("x".to_owned(), number)]);
    let texts: Vec<Option<String>> = (0..1000)
        .map(|row| match row {
            77 | 500 | 999 => Some("no".to_owned()),
            13 => None,
            row => Some(row.to_string()),
        })
        .collect();
    let evaluated = evaluator.evaluate(&batch(&[("s", Arc::new(StringArray::from(texts)))]));
    let errors = evaluated.errors[0].as_ref().unwrap();
    assert_eq!(errors.set_indices().collect::<Vec<_>>(), [77, 500, 999]);
    let column = evaluated.columns[0].as_primitive::<Int64Type>();
    for row in 0..1000 {
        let expected = if [77, 500, 999, 13].contains(&row) { None } else { Some(row as i64) };
        assert_eq!(column.is_valid(row).then(|| column.value(row)), expected);
    }
}

#[test]
fn what_reads_an_error_is_an_error() {
    let number = cast(column_of("s", Type::String), Type::Int);
    let guarded = call("coalesce", vec![column_of("x", Type::Int), int(0)], Type::Int);
    let exprs =
        [("x".to_owned(), number), ("y".to_owned(), guarded), ("z".to_owned(), column_of("y", Type::Int))];
    let evaluator = Evaluator::new(&scope(), &exprs);
    let evaluated =
        evaluator.evaluate(&batch(&[("s", Arc::new(StringArray::from(vec![Some("1"), Some("no"), None])))]));
    for at in 0..3 {
        assert!(evaluated.erred(at, 1) && evaluated.columns[at].is_null(1));
        assert!(!evaluated.erred(at, 0) && !evaluated.erred(at, 2));
    }
    // A null is not an error: the default stands in for it.
    assert_eq!(evaluated.columns[2].as_primitive::<Int64Type>().value(2), 0);
}

#[test]
fn a_branch_that_is_not_taken_cannot_err() {
    let is_one = call("eq", vec![column_of("a", Type::Int), int(1)], Type::Bool);
    let number = cast(column_of("s", Type::String), Type::Int);
    let lazy = Expr {
        kind: ExprKind::Case(vec![(is_one, number)], Box::new(int(-1))),
        slot: Slot::nullable(Type::Int),
        span: Span::default(),
    };
    let evaluator = Evaluator::new(&scope(), &[("x".to_owned(), lazy)]);
    let columns = [
        ("a", ints(&[Some(1), Some(2), None, Some(1)])),
        ("s", Arc::new(StringArray::from(vec!["5", "no", "no", "no"])) as ArrayRef),
    ];
    let evaluated = evaluator.evaluate(&batch(&columns));
    assert_eq!(evaluated.errors[0].as_ref().unwrap().set_indices().collect::<Vec<_>>(), [3]);
    let found: Vec<Option<i64>> = evaluated.columns[0].as_primitive::<Int64Type>().iter().collect();
    assert_eq!(found, [Some(5), Some(-1), Some(-1), None]);
}

#[test]
fn columns_are_found_by_name_whatever_their_order() {
    let sum = call("add", vec![column_of("a", Type::Int), int(1)], Type::Int);
    let evaluator = Evaluator::new(&scope(), &[("x".to_owned(), sum)]);
    assert_eq!(evaluator.inputs().collect::<Vec<_>>(), ["a"]);
    let other: ArrayRef = Arc::new(StringArray::from(vec!["z"]));
    for columns in [
        vec![("a", ints(&[Some(1)])), ("s", Arc::clone(&other))],
        vec![("s", other.clone()), ("a", ints(&[Some(1)]))],
    ] {
        assert_eq!(evaluator.evaluate(&batch(&columns)).columns[0].as_primitive::<Int64Type>().value(0), 2);
    }
}

#[test]
fn structs_lists_and_maps_are_built_and_opened() {
    let fields =
        vec![("a".to_owned(), Slot::nullable(Type::Int)), ("b".to_owned(), Slot::required(Type::Float))];
    let pair = Expr {
        kind: ExprKind::Struct(vec![column_of("a", Type::Int), int(2)]),
        slot: Slot::required(Type::Struct(fields.clone())),
        span: Span::default(),
    };
    let field = Expr {
        kind: ExprKind::Field(Box::new(column_of("pair", Type::Struct(fields))), "b".to_owned()),
        slot: Slot::nullable(Type::Float),
        span: Span::default(),
    };
    let list_type = Type::List(Box::new(Slot::nullable(Type::Int)));
    let list = Expr {
        kind: ExprKind::List(vec![column_of("a", Type::Int), int(9)]),
        slot: Slot::required(list_type.clone()),
        span: Span::default(),
    };
    let map_type = Type::Map(Box::new(Type::Int), Box::new(Slot::required(Type::Int)));
    let map = Expr {
        kind: ExprKind::Map(vec![(column_of("a", Type::Int), int(1)), (int(0), int(2))]),
        slot: Slot::required(map_type.clone()),
        span: Span::default(),
    };
    let exprs = [
        ("pair".to_owned(), pair),
        ("b".to_owned(), field),
        ("list".to_owned(), list),
        ("map".to_owned(), map),
    ];
    let evaluated =
        Evaluator::new(&scope(), &exprs).evaluate(&batch(&[("a", ints(&[Some(7), None, Some(0)]))]));
    assert_eq!(evaluated.columns[1].as_primitive::<Float64Type>().values(), &[2.0, 2.0, 2.0]);
    assert_eq!(
        column::value(&evaluated.columns[2], &list_type, 1),
        Value::List(vec![Value::Null, Value::Int(9)])
    );
    let pairs = vec![(Value::Int(0), Value::Int(2)), (Value::Int(7), Value::Int(1))];
    assert_eq!(column::value(&evaluated.columns[3], &map_type, 0), Value::Map(pairs));
    // A key that is null, or stands there twice.
    assert_eq!(evaluated.errors[3].as_ref().unwrap().set_indices().collect::<Vec<_>>(), [1, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it(
        rows in prop::collection::vec((any::<Option<i64>>(), prop::option::of("[0-9x]{0,2}")), 1..40),
    ) {
        let number = cast(column_of("s", Type::String), Type::Int);
        let product = call("mul", vec![column_of("a", Type::Int), number.clone()], Type::Int);
        let large = call("gt", vec![column_of("a", Type::Int), int(0)], Type::Bool);
        let small = call("lt", vec![number, int(5)], Type::Bool);
        let either = call("or", vec![large, small], Type::Bool);
        let choice = Expr {
            kind: ExprKind::Case(vec![(either.clone(), product)], Box::new(int(0))),
            slot: Slot::nullable(Type::Int),
            span: Span::default(),
        };
        let evaluator = Evaluator::new(&scope(), &[("e".to_owned(), either), ("c".to_owned(), choice)]);
        let of = |rows: &[(Option<i64>, Option<String>)]| {
            let a = ints(&rows.iter().map(|row| row.0).collect::<Vec<_>>());
            let s: ArrayRef = Arc::new(StringArray::from(rows.iter().map(|row| row.1.clone()).collect::<Vec<_>>()));
            evaluator.evaluate(&batch(&[("a", a), ("s", s)]))
        };
        let together = of(&rows);
        for (at, row) in rows.iter().enumerate() {
            let alone = of(std::slice::from_ref(row));
            for step in 0..2 {
                prop_assert_eq!(alone.erred(step, 0), together.erred(step, at));
                prop_assert_eq!(&alone.columns[step], &together.columns[step].slice(at, 1));
            }
        }
    }
}
