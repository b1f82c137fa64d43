//! `avg`: an exact sum and a count.

use super::call::Call;
use super::count::Count;
use super::number::{self, Number};
use super::sum::Sum;
use super::{Aggregate, Aggregator, Bound, Class, Input, Outcome, Part, Signature};
use crate::codec::{CodecError, Reader, put_varint};
use crate::exact::Exact;
use crate::types::{Slot, Type};
use crate::window::Interval;

/// `avg(x)`. Its value is the exact sum rounded to the nearest double, divided by the count as a
/// double: two roundings, the same in every engine. A decimal's sum is rounded after its scale is
/// applied. A sum that rounds beyond the largest double is an overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mean {
    /// What is averaged.
    pub number: Number,
}

/// The state of [`Mean`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weighed {
    count: u64,
    sum: Exact,
}

pub(super) const AVG: Signature = Signature {
    name: "avg",
    usage: "avg(x)",
    doc: "The mean: the exact sum, rounded once, over the number of values.",
    empty: "null",
    class: Class::Exact,
    deletable: true,
    bind: |args, params| {
        let ty = Call::of_one(args, params)?.arg(0, "a number", Type::is_number)?;
        let number = Number::of(ty).unwrap_or(Number::Float);
        Ok(Bound {
            aggregator: Aggregator::Mean(Mean { number }),
            result: Slot::nullable(Type::Float),
            class: Class::Exact,
        })
    },
};

impl Aggregate for Mean {
    type State = Weighed;

    #[inline]
    fn update(&self, state: &mut Weighed, input: Input<'_>) {
        if number::add(&mut state.sum, input.x) {
            state.count = state.count.wrapping_add(1);
        }
    }

    #[inline]
    fn merge(&self, into: &mut Weighed, from: &Weighed) {
        into.count = into.count.wrapping_add(from.count);
        into.sum.merge(&from.sum);
    }

    #[inline]
    fn finish(&self, state: &Weighed, _window: Interval) -> Outcome {
        if state.count == 0 {
            return Outcome::NULL;
        }
        number::float(self.number.round(&state.sum).map(|sum| sum / state.count as f64))
    }

    #[inline]
    fn finish_part(&self, state: &Weighed, window: Interval, part: Part) -> Outcome {
        match part {
            Part::Whole => self.finish(state, window),
            Part::Sum => Sum { number: self.number }.finish(&state.sum, window),
            Part::Count => Count::Values.finish(&state.count, window),
        }
    }

    fn encode(&self, state: &Weighed, out: &mut Vec<u8>) {
        put_varint(out, state.count);
        state.sum.encode(out);
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Weighed, CodecError> {
        Ok(Weighed { count: from.varint()?, sum: Exact::decode(from)? })
    }

    #[inline]
    fn can_take_back(&self) -> bool {
        true
    }

    #[inline]
    fn take_back(&self, into: &mut Weighed, from: &Weighed) {
        into.count = into.count.wrapping_sub(from.count);
        into.sum.unmerge(&from.sum);
    }

    fn heap_size(&self, state: &Weighed) -> usize {
        state.sum.heap_size()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::laws;
    use crate::value::Value;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(laws::CASES))]

        #[test]
        fn means_keep_the_laws(
            floats in laws::tiles(laws::floats()),
            decimals in laws::tiles(laws::decimals()),
            noise in laws::noise(),
        ) {
            laws::check(&Mean { number: Number::Float }, &floats)?;
            laws::check(&Mean { number: Number::Decimal(2) }, &decimals)?;
            laws::check_bytes(&Mean { number: Number::Decimal(2) }, &noise)?;
        }

        #[test]
        fn its_parts_are_what_sum_and_count_give(
            floats in laws::tiles(laws::floats()),
            ints in laws::tiles(laws::ints()),
            decimals in laws::tiles(laws::decimals()),
        ) {
            for (number, tiles) in
                [(Number::Float, floats), (Number::Int, ints), (Number::Decimal(2), decimals)]
            {
                let (mean, sum, rows) = (Mean { number }, Sum { number }, tiles.concat());
                let state = laws::fold(&mean, &rows);
                prop_assert_eq!(
                    mean.finish_part(&state, laws::WINDOW, Part::Sum),
                    sum.finish(&laws::fold(&sum, &rows), laws::WINDOW)
                );
                prop_assert_eq!(
                    mean.finish_part(&state, laws::WINDOW, Part::Count),
                    Count::Values.finish(&laws::fold(&Count::Values, &rows), laws::WINDOW)
                );
            }
        }
    }

    fn mean(number: Number, values: impl IntoIterator<Item = Value>) -> Outcome {
        let mean = Mean { number };
        mean.finish(&laws::fold(&mean, &laws::rows_of(values)), laws::WINDOW)
    }

    #[test]
    fn a_mean_is_one_division() {
        assert_eq!(mean(Number::Int, [1, 2].map(Value::Int)), Outcome::Value(Value::Float(1.5)));
        assert_eq!(
            mean(Number::Decimal(1), [1, 2].map(Value::Decimal)),
            Outcome::Value(Value::Float(0.3 / 2.0))
        );
        assert_eq!(mean(Number::Float, [Value::Null]), Outcome::NULL);
        assert_eq!(mean(Number::Float, [1e308, 1e308].map(Value::Float)), Outcome::Overflow);
        let far = [i128::MAX / 2, i128::MAX / 2, i128::MAX / 2].map(Value::Decimal);
        assert_eq!(mean(Number::Decimal(30), far), Outcome::Value(Value::Float(85_070_591.730_234_61)));
    }

    #[test]
    fn the_mean_of_very_little_below_zero_has_no_sign() {
        let Outcome::Value(Value::Float(mean)) = mean(Number::Float, [-5e-324, 0.0].map(Value::Float)) else {
            panic!("a float");
        };
        assert_eq!(mean.to_bits(), 0);
    }
}
