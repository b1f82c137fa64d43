//! The laws of [`Aggregate`], executable: every aggregate's property test calls [`check`].

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::agg::{Aggregate, Input, Place};
use crate::codec::Reader;
use crate::time::Instant;
use crate::value::{Value, finite};
use crate::window::Interval;

/// How many cases each aggregate's laws are tried on.
pub(crate) const CASES: u32 = 192;

/// A window for those who need one to finish.
pub(crate) const WINDOW: Interval = Interval { start: Instant(0), end: Instant(1_000) };

/// One row as a test holds it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) x: Value,
    pub(crate) y: Value,
    pub(crate) tau: i64,
    pub(crate) tie: Vec<u8>,
}

impl Row {
    pub(crate) fn input(&self) -> Input<'_> {
        let at = Place { tau: Instant(self.tau), tie: &self.tie };
        Input { x: self.x.as_ref(), y: self.y.as_ref(), at }
    }
}

/// Rows with these first arguments, a microsecond apart.
pub(crate) fn rows_of(values: impl IntoIterator<Item = Value>) -> Vec<Row> {
    let row = |(tau, x)| Row { x, y: Value::Null, tau, tie: Vec::new() };
    (0..).zip(values).map(row).collect()
}

/// The state of `rows`.
pub(crate) fn fold<'a, A: Aggregate>(aggregate: &A, rows: impl IntoIterator<Item = &'a Row>) -> A::State {
    let mut state = A::State::default();
    for row in rows {
        aggregate.update(&mut state, row.input());
    }
    state
}

/// The canonical bytes of `state`.
pub(crate) fn bytes<A: Aggregate>(aggregate: &A, state: &A::State) -> Vec<u8> {
    let mut out = Vec::new();
    aggregate.encode(state, &mut out);
    out
}

/// Tries every law on three tiles of rows.
pub(crate) fn check<A: Aggregate>(aggregate: &A, tiles: &[Vec<Row>; 3]) -> Result<(), TestCaseError> {
    let empty = A::State::default();
    let [a, b, c] = tiles.each_ref().map(|rows| fold(aggregate, rows));
    let merged = |into: &A::State, from: &A::State| {
        let (mut result, before) = (into.clone(), bytes(aggregate, from));
        aggregate.merge(&mut result, from);
        assert_eq!(bytes(aggregate, from), before, "a merge changed what it was given");
        result
    };
    let same = |left: &A::State, right: &A::State, law: &str| {
        prop_assert_eq!(left, right, "{}", law);
        prop_assert_eq!(bytes(aggregate, left), bytes(aggregate, right), "bytes: {}", law);
        prop_assert_eq!(aggregate.finish(left, WINDOW), aggregate.finish(right, WINDOW), "value: {}", law);
        Ok(())
    };

    same(&merged(&empty, &a), &a, "identity on the left")?;
    same(&merged(&a, &empty), &a, "identity on the right")?;
    same(&merged(&a, &b), &merged(&b, &a), "commutativity")?;
    let all = merged(&merged(&a, &b), &c);
    same(&all, &merged(&a, &merged(&b, &c)), "associativity")?;
    same(&all, &fold(aggregate, tiles.iter().flatten()), "an update of all rows is a merge of updates")?;
    same(&all, &fold(aggregate, tiles.iter().flatten().rev()), "the order of rows does not matter")?;
    same(&aggregate_in_turns(aggregate, tiles), &all, "updates may follow merges")?;

    for state in [&empty, &a, &all] {
        let written = bytes(aggregate, state);
        let mut reader = Reader::new(&written);
        let read = aggregate.decode(&mut reader);
        prop_assert_eq!(read.as_ref(), Ok(state), "a state comes back from its bytes");
        prop_assert!(reader.is_empty(), "and all of its bytes were read");
        same(&merged(&read.unwrap(), &b), &merged(state, &b), "and it merges as before")?;
        for end in 0..written.len() {
            prop_assert!(aggregate.decode(&mut Reader::new(&written[..end])).is_err(), "half a state");
        }
    }
    if aggregate.can_take_back() {
        let taken = |from: &A::State, what: &A::State| {
            let mut result = from.clone();
            aggregate.take_back(&mut result, what);
            result
        };
        same(&taken(&all, &c), &merged(&a, &b), "what was taken back was never there")?;
        same(&taken(&taken(&taken(&all, &a), &c), &b), &empty, "nothing remains of nothing")?;
    }
    Ok(())
}

/// Tries whether two forms of one aggregate keep the same bytes and give the same values.
pub(crate) fn check_same<A: Aggregate, B: Aggregate>(
    one: &A,
    other: &B,
    tiles: &[Vec<Row>; 3],
) -> Result<(), TestCaseError> {
    let (left, right) = (aggregate_in_turns(one, tiles), aggregate_in_turns(other, tiles));
    prop_assert_eq!(bytes(one, &left), bytes(other, &right));
    prop_assert_eq!(one.finish(&left, WINDOW), other.finish(&right, WINDOW));
    Ok(())
}

/// Half of the rows arrive as rows and half as tiles.
fn aggregate_in_turns<A: Aggregate>(aggregate: &A, tiles: &[Vec<Row>; 3]) -> A::State {
    let mut state = fold(aggregate, &tiles[1]);
    for row in &tiles[2] {
        aggregate.update(&mut state, row.input());
    }
    aggregate.merge(&mut state, &fold(aggregate, &tiles[0]));
    state
}

/// Bytes that nobody wrote are refused or read, never a panic; what is read is written the same.
pub(crate) fn check_bytes<A: Aggregate>(aggregate: &A, noise: &[u8]) -> Result<(), TestCaseError> {
    let mut reader = Reader::new(noise);
    if let Ok(state) = aggregate.decode(&mut reader) {
        let used = noise.len() - reader.remaining();
        prop_assert_eq!(bytes(aggregate, &state), &noise[..used], "state: {:?}", state);
        // Neither may panic, whatever the state holds.
        let mut twice = state.clone();
        aggregate.merge(&mut twice, &state);
        aggregate.finish(&twice, WINDOW);
        if aggregate.can_take_back() {
            aggregate.take_back(&mut twice, &state);
            prop_assert_eq!(twice, state);
        }
    }
    Ok(())
}

/// Bytes that look a little like states: many small numbers.
pub(crate) fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => 0_u8..6, 1 => any::<u8>()];
    prop::collection::vec(byte, 0..48)
}

/// Three tiles of rows with a first argument from `x`, one in eight of them null. Times and tie-break
/// bytes come from so few that rows meet at one place.
pub(crate) fn tiles(
    x: impl Strategy<Value = Value> + Clone + 'static,
) -> impl Strategy<Value = [Vec<Row>; 3]> {
    tiles_of_two(x.clone(), x)
}

/// [`tiles`] with a second argument from `y`.
pub(crate) fn tiles_of_two(
    x: impl Strategy<Value = Value> + 'static,
    y: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = [Vec<Row>; 3]> {
    let or_null =
        |value| (value, 0_u8..8).prop_map(|(value, dice)| if dice == 0 { Value::Null } else { value });
    let row = (or_null(x.boxed()), or_null(y.boxed()), -3_i64..3, prop::collection::vec(0_u8..3, 0..3))
        .prop_map(|(x, y, tau, tie)| Row { x, y, tau, tie });
    let tile = prop::collection::vec(row, 0..12);
    [tile.clone().boxed(), tile.clone().boxed(), tile.boxed()]
}

/// `int`, the small ones often.
pub(crate) fn ints() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![3 => -4_i64..5, 1 => any::<i64>()].prop_map(Value::Int)
}

/// `decimal`, any that fits 38 digits.
pub(crate) fn decimals() -> impl Strategy<Value = Value> + Clone {
    let any = any::<i128>().prop_map(|x| x % 10_i128.pow(38));
    prop_oneof![3 => -99_999_i128..99_999, 1 => any].prop_map(Value::Decimal)
}

/// `bool`
pub(crate) fn bools() -> impl Strategy<Value = Value> + Clone {
    any::<bool>().prop_map(Value::Bool)
}

/// Finite doubles: prices, every exponent, the ends of the range.
pub(crate) fn doubles() -> impl Strategy<Value = f64> + Clone {
    const ENDS: [f64; 10] =
        [0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -5e-324, 1e308, -1e308, 1.0, -1.0];
    prop_oneof![
        3 => (-99_999_i32..99_999).prop_map(|cents| f64::from(cents) / 100.0),
        2 => any::<u64>().prop_filter_map("finite", |bits| finite(f64::from_bits(bits))),
        1 => prop::sample::select(&ENDS[..]),
    ]
}

/// `float`
pub(crate) fn floats() -> impl Strategy<Value = Value> + Clone {
    doubles().prop_map(Value::Float)
}

/// `string`, from few.
pub(crate) fn strings() -> impl Strategy<Value = Value> + Clone {
    "[a-c]{0,3}".prop_map(|text| Value::Str(text.into()))
}

/// Any value, nested ones included.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        bools(),
        ints(),
        floats(),
        decimals(),
        strings(),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let map = prop::collection::btree_map(inner.clone(), inner.clone(), 0..4);
        let items = prop::collection::vec(inner, 0..4);
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.prop_map(Value::Struct),
            map.prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}
