//! Persisted bytes, pinned: what a store holds today must be read tomorrow.
//!
//! `golden/v2.hex` has a line for every aggregate: the call, the state's bytes after the rows of
//! [`row`], and the value they finish to. A change of the layout needs a new version and a new file;
//! this one stays as it is.

use std::collections::BTreeSet;
use std::fmt::Write;

use feat_kernel::agg::{Aggregator, Input, Place, bind, signatures};
use feat_kernel::codec::{self, Reader};
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::{Value, ValueRef};
use feat_kernel::window::Interval;

const GOLDEN: &str = include_str!("golden/v2.hex");
const WINDOW: Interval = Interval { start: Instant(0), end: Instant(1_000_000) };
const ROWS: i64 = 12;

/// What a column holds in row `index`; in row 5, nothing.
fn cell(ty: &Type, index: i64) -> Value {
    if index == 5 {
        return Value::Null;
    }
    match ty {
        Type::Bool => Value::Bool(index % 3 == 0),
        Type::Int => Value::Int(index * index * 1_000 - 7_000),
        Type::Duration => Value::Int(index * 1_500_000),
        Type::Float if index == 7 => Value::Float(-1e-3),
        Type::Float => Value::Float(index as f64 * 19.99),
        Type::Decimal(..) => Value::Decimal(i128::from(index) * 1_999 - 4_000),
        Type::String => Value::Str(["web", "ios", "android", "tv"][index as usize % 4].into()),
        other => panic!("no golden column of type {other}"),
    }
}

/// The calls that the file pins, and their aggregators.
fn calls() -> Vec<(String, Aggregator, Vec<Type>)> {
    let decimal = || Type::Decimal(10, 2);
    let param = |name: &str, value| vec![(name.to_owned(), value)];
    let mut calls = Vec::new();
    let mut call = |name: &str, types: &[Type], params: Vec<(String, Value)>| {
        let args: Vec<Slot> = types.iter().cloned().map(Slot::nullable).collect();
        let bound = bind(name, &args, &params).expect("a valid call");
        let mut text: Vec<String> = types.iter().map(ToString::to_string).collect();
        text.extend(params.iter().map(|(name, value)| format!("{name}: {value:?}")));
        calls.push((format!("{name}({})", text.join(", ")), bound.aggregator, types.to_vec()));
    };
    call("count", &[], vec![]);
    call("count", &[Type::String], vec![]);
    for ty in [Type::Int, Type::Duration, decimal(), Type::Float] {
        call("sum", &[ty], vec![]);
    }
    for ty in [Type::Int, decimal(), Type::Float] {
        for name in ["avg", "variance", "stddev", "variance_pop", "stddev_pop"] {
            call(name, std::slice::from_ref(&ty), vec![]);
        }
    }
    for ty in [Type::Bool, Type::Int, decimal(), Type::Float, Type::String] {
        for name in ["min", "max", "first", "last"] {
            call(name, std::slice::from_ref(&ty), vec![]);
        }
    }
    for name in ["first_n", "last_n"] {
        call(name, &[Type::String], param("n", Value::Int(3)));
    }
    for name in ["fraction", "any", "all"] {
        call(name, &[Type::Bool], vec![]);
    }
    call("ratio", &[Type::Int, decimal()], vec![]);
    call("count_distinct", &[Type::Bool], vec![]);
    call("count_distinct", &[Type::String], param("max", Value::Int(10)));
    call("count_distinct", &[Type::Int], param("max", Value::Int(3)));
    call("approx_count_distinct", &[Type::String], vec![]);
    call("approx_count_distinct", &[Type::Int], param("precision", Value::Int(4)));
    call("approx_quantile", &[Type::Float], param("q", Value::Float(0.5)));
    let ends = Value::List(vec![Value::Int(0), Value::Int(1)]);
    call("approx_quantile", &[decimal()], param("q", ends));
    calls.push(("latest(float)".to_owned(), Aggregator::latest(), vec![Type::Float]));
    calls
}

fn state_bytes(aggregator: &Aggregator, types: &[Type]) -> Vec<u8> {
    let mut state = aggregator.empty();
    for index in 0..ROWS {
        let [x, y] = [0, 1].map(|arg| types.get(arg).map_or(Value::Null, |ty| cell(ty, index)));
        let tie = [index as u8 % 2, 7];
        // Two rows an instant, so that the tie-break decides.
        let at = Place { tau: Instant(1_000 * (index / 2)), tie: &tie };
        aggregator.update(&mut state, Input { x: x.as_ref(), y: y.as_ref(), at });
    }
    let mut out = Vec::new();
    aggregator.encode(&state, &mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("two hex digits");
    (0..text.len()).step_by(2).map(digits).collect()
}

fn line(name: &str, bytes: &[u8], finished: &str) -> String {
    format!("{name} | {} | {finished}", hex(bytes))
}

#[test]
fn states_are_written_as_they_always_were() {
    let finished = |aggregator: &Aggregator, bytes: &[u8]| {
        let state = aggregator.decode(&mut Reader::new(bytes)).unwrap();
        format!("{:?}", aggregator.finish(&state, WINDOW))
    };
    let written: Vec<String> = calls()
        .iter()
        .map(|(name, aggregator, types)| {
            let bytes = state_bytes(aggregator, types);
            line(name, &bytes, &finished(aggregator, &bytes))
        })
        .collect();
    let pinned: Vec<&str> = GOLDEN.lines().collect();
    for (written, pinned) in written.iter().zip(&pinned) {
        assert_eq!(written, pinned);
    }
    assert_eq!(written.len(), pinned.len(), "{}", written.join("\n"));
}

#[test]
fn pinned_states_are_read_and_merged() {
    for ((name, aggregator, _), pinned) in calls().iter().zip(GOLDEN.lines()) {
        let bytes = unhex(pinned.split(" | ").nth(1).unwrap());
        let mut reader = Reader::new(&bytes);
        let state = aggregator.decode(&mut reader).unwrap();
        assert!(reader.is_empty(), "{name}");
        let mut merged = aggregator.empty();
        aggregator.merge(&mut merged, &state);
        assert_eq!(merged, state, "{name}");
    }
}

#[test]
fn every_aggregate_is_pinned() {
    let pinned: BTreeSet<&str> = GOLDEN.lines().filter_map(|line| line.split('(').next()).collect();
    for signature in signatures() {
        assert!(pinned.contains(signature.name), "{}", signature.name);
    }
    assert_eq!(codec::VERSION, 2, "a new version has a new file");
}

#[test]
fn values_are_written_as_they_always_were() {
    let written = |value: ValueRef<'_>| {
        let mut out = Vec::new();
        codec::put_value(&mut out, value);
        hex(&out)
    };
    let list = Value::List(vec![Value::Null, Value::Bool(true), Value::Bool(false)]);
    let map = Value::Map(vec![(Value::Str("k".into()), Value::Struct(vec![Value::Int(-1)]))]);
    assert_eq!(written(ValueRef::Int(300)), "03d804");
    assert_eq!(written(ValueRef::Float(1.5)), "04000000000000f83f");
    assert_eq!(written(ValueRef::Decimal(-(1 << 70))), "05ffffffffffffffffffff01");
    assert_eq!(written(ValueRef::Str("é")), "0602c3a9");
    assert_eq!(written(ValueRef::Bytes(&[0, 255])), "070200ff");
    assert_eq!(written(list.as_ref()), "0803000201");
    assert_eq!(written(map.as_ref()), "090106016b0a010301");
}
