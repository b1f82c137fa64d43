//! `first_n` and `last_n`: several rows' values, by the row order.

use std::cmp::Ordering;

use super::call::{Call, wrong};
use super::kept::Kept;
use super::{Aggregate, Aggregator, BindError, Bound, Class, Input, Outcome, Signature};
use crate::codec::{CodecError, Reader, put_varint};
use crate::types::{Slot, Type};
use crate::value::Value;
use crate::window::Interval;

/// The most rows a state may hold.
const MOST: u32 = 1000;

/// The values of the `n` oldest or newest rows that are not null, oldest first. The state is those
/// rows; two rows that are equal in everything are two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many rows at most.
    pub n: usize,
    /// Which ones.
    pub end: End,
}

/// One end of the row order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `first_n`
    Oldest,
    /// `last_n`
    Newest,
}

pub(super) const FIRST_N: Signature = Signature {
    name: "first_n",
    usage: "first_n(x, n:)",
    doc: "The `n` oldest values that are not null, oldest first; `n` is 1 to 1000.",
    empty: "[]",
    class: Class::Ordered,
    deletable: false,
    bind: |args, params| bind(End::Oldest, args, params),
};

pub(super) const LAST_N: Signature = Signature {
    name: "last_n",
    usage: "last_n(x, n:)",
    doc: "The `n` newest values that are not null, oldest first; `n` is 1 to 1000.",
    bind: |args, params| bind(End::Newest, args, params),
    ..FIRST_N
};

fn bind(end: End, args: &[Slot], params: &[(String, Value)]) -> Result<Bound, BindError> {
    let call = Call::new(args, 1..=1, "one argument", params, &["n"])?;
    let ty: &Type = call.arg(0, "a value", |_| true)?;
    let n = call.whole("n", 1..=MOST)?.ok_or_else(|| wrong("n", "needed: how many values, 1 to 1000"))?;
    Ok(Bound {
        aggregator: Aggregator::Run(Run { n: n as usize, end }),
        result: Slot::required(Type::List(Box::new(Slot::required(ty.clone())))),
        class: Class::Ordered,
    })
}

impl Run {
    /// Drops what is too much, at the end that does not count.
    fn trim(self, rows: &mut Vec<Kept>) {
        let surplus = rows.len().saturating_sub(self.n);
        match self.end {
            End::Oldest => rows.truncate(self.n),
            End::Newest => drop(rows.drain(..surplus)),
        }
    }
}

impl Aggregate for Run {
    /// Ascending in the row order.
    type State = Vec<Kept>;

    const ORDERED: bool = true;

    fn update(&self, state: &mut Vec<Kept>, input: Input<'_>) {
        if input.x.is_null() {
            return;
        }
        let at = state.partition_point(|kept| kept.order_of(input) != Ordering::Less);
        if state.len() < self.n {
            return state.insert(at, Kept::new(input));
        }
        // The row that comes in takes the place of the one that falls out.
        match self.end {
            End::Oldest if at < self.n => {
                state[at..].rotate_right(1);
                state[at] = Kept::new(input);
            }
            End::Newest if at > 0 => {
                state[..at].rotate_left(1);
                state[at - 1] = Kept::new(input);
            }
            _ => {}
        }
    }

    fn merge(&self, into: &mut Vec<Kept>, from: &Vec<Kept>) {
        into.extend_from_slice(from);
        // Two ascending runs: the sort is one pass over them.
        into.sort();
        self.trim(into);
    }

    fn finish(&self, state: &Vec<Kept>, _window: Interval) -> Outcome {
        Outcome::Value(Value::List(state.iter().map(Kept::value).collect()))
    }

    fn encode(&self, state: &Vec<Kept>, out: &mut Vec<u8>) {
        put_varint(out, state.len() as u64);
        for kept in state {
            kept.encode(out);
        }
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Vec<Kept>, CodecError> {
        // An instant, the length of the tie-break bytes and a value take a byte each.
        let count = from.count(3)?;
        if count > self.n {
            return Err(CodecError::invalid("list of rows: it is longer than `n`"));
        }
        let rows: Vec<Kept> = (0..count).map(|_| Kept::decode(from)).collect::<Result<_, _>>()?;
        if rows.is_sorted() { Ok(rows) } else { Err(CodecError::invalid("list of rows: it is not in order")) }
    }

    fn heap_size(&self, state: &Vec<Kept>) -> usize {
        state.capacity() * size_of::<Kept>() + state.iter().map(Kept::heap_size).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::laws::{self, Row};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(laws::CASES))]

        #[test]
        fn runs_keep_the_laws(
            ints in laws::tiles(laws::ints()),
            n in 1_usize..8,
            noise in laws::noise(),
        ) {
            for end in [End::Oldest, End::Newest] {
                laws::check(&Run { n, end }, &ints)?;
                laws::check_bytes(&Run { n, end }, &noise)?;
            }
        }

        #[test]
        fn a_run_is_one_end_of_the_sorted_rows(tiles in laws::tiles(laws::ints()), n in 1_usize..8) {
            let mut rows: Vec<Row> = tiles.concat().into_iter().filter(|row| !row.x.is_null()).collect();
            rows.sort_by(|a, b| (a.tau, &a.tie, &a.x).cmp(&(b.tau, &b.tie, &b.x)));
            let values: Vec<Value> = rows.iter().map(|row| row.x.clone()).collect();
            let short = values.len().min(n);
            let answer = |end| {
                let run = Run { n, end };
                run.finish(&laws::fold(&run, tiles.iter().flatten()), laws::WINDOW)
            };
            prop_assert_eq!(answer(End::Oldest), Outcome::Value(Value::List(values[..short].to_vec())));
            let newest = values[values.len() - short..].to_vec();
            prop_assert_eq!(answer(End::Newest), Outcome::Value(Value::List(newest)));
        }
    }

    #[test]
    fn two_rows_that_are_equal_in_everything_both_count() {
        let row = Row { x: Value::Int(7), y: Value::Null, tau: 1, tie: vec![1] };
        let run = Run { n: 3, end: End::Newest };
        let one = laws::fold(&run, [&row]);
        let mut two = one.clone();
        run.merge(&mut two, &one);
        assert_eq!(run.finish(&two, laws::WINDOW), Outcome::Value(Value::List(vec![Value::Int(7); 2])));
    }
}
