//! The aggregates as the language reference lists them: types, parameters, empty windows.

use feat_kernel::agg::{Aggregator, BindError, Bound, Class, Outcome, bind, signatures};
use feat_kernel::codec::Reader;
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;
use feat_kernel::window::Interval;
use proptest::prelude::*;

const WINDOW: Interval = Interval { start: Instant(0), end: Instant(1_000_000) };

fn call(name: &str, types: &[Type], params: &[(&str, Value)]) -> Result<Bound, BindError> {
    let args: Vec<Slot> = types.iter().cloned().map(Slot::required).collect();
    let params: Vec<_> = params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    bind(name, &args, &params)
}

fn result(name: &str, types: &[Type], params: &[(&str, Value)]) -> String {
    call(name, types, params).map_or_else(|error| format!("error: {error}"), |bound| bound.result.to_string())
}

fn empty(aggregator: &Aggregator) -> String {
    match aggregator.finish(&aggregator.empty(), WINDOW) {
        Outcome::Value(Value::Null) => "null".to_owned(),
        Outcome::Value(Value::Bool(x)) => x.to_string(),
        Outcome::Value(Value::Int(x)) => x.to_string(),
        Outcome::Value(Value::List(items)) => format!("{items:?}"),
        other => format!("{other:?}"),
    }
}

/// A valid call of every aggregate.
fn sample(name: &str) -> Bound {
    let n = [("n", Value::Int(10))];
    let max = [("max", Value::Int(10))];
    let q = [("q", Value::Float(0.5))];
    let (types, params): (&[Type], &[(&str, Value)]) = match name {
        "fraction" | "any" | "all" => (&[Type::Bool], &[]),
        "ratio" => (&[Type::Int, Type::Int], &[]),
        "first_n" | "last_n" => (&[Type::Int], &n),
        "count_distinct" => (&[Type::Int], &max),
        "approx_quantile" => (&[Type::Int], &q),
        _ => (&[Type::Int], &[]),
    };
    call(name, types, params).expect("a valid call")
}

#[test]
fn the_table_lists_the_aggregates_of_the_language() {
    let names: Vec<&str> = signatures().iter().map(|signature| signature.name).collect();
    assert_eq!(
        names,
        [
            "count",
            "sum",
            "avg",
            "min",
            "max",
            "first",
            "last",
            "first_n",
            "last_n",
            "variance",
            "stddev",
            "variance_pop",
            "stddev_pop",
            "fraction",
            "any",
            "all",
            "ratio",
            "count_distinct",
            "approx_count_distinct",
            "approx_quantile",
        ]
    );
    for signature in signatures() {
        assert!(signature.usage.starts_with(signature.name));
        assert!(signature.doc.ends_with('.'));
    }
}

#[test]
fn signatures_say_what_bound_aggregates_do() {
    for signature in signatures() {
        let bound = sample(signature.name);
        assert_eq!(empty(&bound.aggregator), signature.empty, "{}", signature.name);
        assert_eq!(bound.aggregator.can_take_back(), signature.deletable, "{}", signature.name);
        assert_eq!(bound.class, signature.class, "{}", signature.name);
        assert_eq!(bound.result.nullable, signature.empty == "null", "{}", signature.name);
    }
}

#[test]
fn results_have_the_types_of_the_reference() {
    let decimal = Type::Decimal(10, 2);
    assert_eq!(result("count", &[], &[]), "int");
    assert_eq!(result("sum", &[Type::Int], &[]), "int");
    assert_eq!(result("sum", &[Type::Duration], &[]), "duration");
    assert_eq!(result("sum", std::slice::from_ref(&decimal), &[]), "decimal(38, 2)");
    assert_eq!(result("avg", std::slice::from_ref(&decimal), &[]), "float?");
    assert_eq!(result("max", &[Type::Timestamp], &[]), "timestamp?");
    assert_eq!(result("last", &[Type::String], &[]), "string?");
    assert_eq!(result("last_n", &[Type::String], &[("n", Value::Int(3))]), "list<string>");
    assert_eq!(result("stddev_pop", &[Type::Float], &[]), "float?");
    assert_eq!(result("all", &[Type::Bool], &[]), "bool");
    assert_eq!(result("ratio", &[Type::Int, decimal], &[]), "float?");
    assert_eq!(result("count_distinct", &[Type::Bool], &[]), "int");
    assert_eq!(result("approx_quantile", &[Type::Int], &[("q", Value::Float(0.9))]), "float?");
    let list = Value::List(vec![Value::Float(0.5), Value::Int(1)]);
    assert_eq!(result("approx_quantile", &[Type::Int], &[("q", list)]), "list<float>?");
}

#[test]
fn calls_without_a_meaning_say_what_would_be_valid() {
    assert_eq!(result("median", &[Type::Int], &[]), "error: there is no aggregate `median`");
    assert_eq!(result("sum", &[], &[]), "error: takes one argument, found 0");
    assert_eq!(result("count", &[Type::Int, Type::Int], &[]), "error: takes no or one argument, found 2");
    assert_eq!(
        result("sum", &[Type::String], &[]),
        "error: argument 0 needs a number or a duration, found string"
    );
    assert_eq!(
        result("min", &[Type::Embedding(3)], &[]),
        "error: argument 0 needs a type with an order, found embedding<3>"
    );
    assert_eq!(
        result("ratio", &[Type::Int, Type::Bool], &[]),
        "error: argument 1 needs a number, found bool"
    );
    assert_eq!(
        result("last_n", &[Type::Int], &[]),
        "error: parameter `n`: needed: how many values, 1 to 1000"
    );
    assert_eq!(
        result("last_n", &[Type::Int], &[("n", Value::Int(1001))]),
        "error: parameter `n`: needs a whole number from 1 to 1000"
    );
    assert_eq!(
        result("count_distinct", &[Type::String], &[]),
        "error: parameter `max`: needed: the most that is counted, 1 to 100000"
    );
    assert_eq!(
        result("sum", &[Type::Int], &[("n", Value::Int(1))]),
        "error: parameter `n`: takes no parameters"
    );
    assert_eq!(
        result("approx_quantile", &[Type::Int], &[("p", Value::Int(1))]),
        "error: parameter `p`: unknown; it takes `q`, `accuracy`"
    );
    let [q, accuracy] = [Value::Float(0.5), Value::Float(0.9)];
    assert_eq!(
        result("approx_quantile", &[Type::Int], &[("q", q), ("accuracy", accuracy)]),
        "error: parameter `accuracy`: needs a fraction from 0.0001 to 0.25"
    );
    assert_eq!(
        result("approx_quantile", &[Type::Int], &[("q", Value::Float(1.5))]),
        "error: parameter `q`: needs a share from 0 to 1, or a list of them"
    );
    assert_eq!(
        result("approx_count_distinct", &[Type::Int], &[("precision", Value::Int(19))]),
        "error: parameter `precision`: needs a whole number from 4 to 18"
    );
}

#[test]
fn a_lookup_of_the_newest_row_is_not_for_authors() {
    assert!(bind("latest", &[Slot::required(Type::Int)], &[]).is_err());
    assert_eq!(empty(&Aggregator::latest()), "null");
}

#[test]
fn only_ordered_aggregates_read_the_place_of_a_row() {
    let ordered = signatures().iter().filter(|signature| signature.class == Class::Ordered);
    let names: Vec<&str> = ordered.map(|signature| signature.name).collect();
    assert_eq!(names, ["first", "last", "first_n", "last_n"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_make_a_state_panic(noise in prop::collection::vec(any::<u8>(), 0..64)) {
        for signature in signatures() {
            let aggregator = sample(signature.name).aggregator;
            let mut reader = Reader::new(&noise);
            if let Ok(state) = aggregator.decode(&mut reader) {
                let mut out = Vec::new();
                aggregator.encode(&state, &mut out);
                prop_assert_eq!(&out, &noise[..noise.len() - reader.remaining()], "{}", signature.name);
                aggregator.finish(&state, WINDOW);
            }
        }
    }
}
