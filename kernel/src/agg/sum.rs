//! `sum`: exact, whatever the type and the order.

use super::call::Call;
use super::number::{self, Number};
use super::{Aggregate, Aggregator, Bound, Class, Input, Outcome, Signature};
use crate::codec::{CodecError, Reader};
use crate::exact::Exact;
use crate::types::{Slot, Type};
use crate::value::Value;
use crate::window::Interval;

/// The largest unscaled decimal: 38 digits.
const DECIMAL_MAX: u128 = 10_u128.pow(38) - 1;

/// `sum(x)`. The state is the exact sum; only `finish` asks whether it fits: a sum of ints outside 64
/// bits, of decimals beyond 38 digits, of floats that rounds beyond the largest double, is an
/// overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// What is added up.
    pub number: Number,
}

pub(super) const SUM: Signature = Signature {
    name: "sum",
    usage: "sum(x)",
    doc: "The exact sum; of floats, rounded once. Nothing adds up to zero.",
    empty: "0",
    class: Class::Exact,
    deletable: true,
    bind: |args, params| {
        let call = Call::of_one(args, params)?;
        let ty = call.arg(0, "a number or a duration", |ty| Number::of(ty).is_some())?;
        let (number, result) = match ty {
            Type::Decimal(_, scale) => (Number::Decimal(*scale), Type::Decimal(38, *scale)),
            Type::Float => (Number::Float, Type::Float),
            whole => (Number::Int, whole.clone()),
        };
        Ok(Bound {
            aggregator: Aggregator::Sum(Sum { number }),
            result: Slot::required(result),
            class: Class::Exact,
        })
    },
};

impl Aggregate for Sum {
    type State = Exact;

    #[inline]
    fn update(&self, state: &mut Exact, input: Input<'_>) {
        number::add(state, input.x);
    }

    #[inline]
    fn merge(&self, into: &mut Exact, from: &Exact) {
        into.merge(from);
    }

    #[inline]
    fn finish(&self, state: &Exact, _window: Interval) -> Outcome {
        let value = match self.number {
            Number::Float => return number::float(state.round()),
            Number::Int => state.to_integer().and_then(|sum| i64::try_from(sum).ok()).map(Value::Int),
            Number::Decimal(_) => {
                state.to_integer().filter(|sum| sum.unsigned_abs() <= DECIMAL_MAX).map(Value::Decimal)
            }
        };
        value.map_or(Outcome::Overflow, Outcome::Value)
    }

    fn encode(&self, state: &Exact, out: &mut Vec<u8>) {
        state.encode(out);
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Exact, CodecError> {
        Exact::decode(from)
    }

    #[inline]
    fn can_take_back(&self) -> bool {
        true
    }

    #[inline]
    fn take_back(&self, into: &mut Exact, from: &Exact) {
        into.unmerge(from);
    }

    fn heap_size(&self, state: &Exact) -> usize {
        state.heap_size()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::laws;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(laws::CASES))]

        #[test]
        fn sums_keep_the_laws(
            ints in laws::tiles(laws::ints()),
            floats in laws::tiles(laws::floats()),
            decimals in laws::tiles(laws::decimals()),
            noise in laws::noise(),
        ) {
            laws::check(&Sum { number: Number::Int }, &ints)?;
            laws::check(&Sum { number: Number::Float }, &floats)?;
            laws::check(&Sum { number: Number::Decimal(2) }, &decimals)?;
            laws::check_bytes(&Sum { number: Number::Float }, &noise)?;
        }
    }

    fn sum(number: Number, values: impl IntoIterator<Item = Value>) -> Outcome {
        let sum = Sum { number };
        sum.finish(&laws::fold(&sum, &laws::rows_of(values)), laws::WINDOW)
    }

    #[test]
    fn a_sum_overflows_only_at_its_end() {
        let max = Value::Int(i64::MAX);
        assert_eq!(sum(Number::Int, [max.clone(), Value::Int(1)]), Outcome::Overflow);
        assert_eq!(sum(Number::Int, [max.clone(), Value::Int(1), Value::Int(-1)]), Outcome::Value(max));
        let max = Value::Decimal(10_i128.pow(38) - 1);
        assert_eq!(sum(Number::Decimal(0), [max.clone(), Value::Decimal(1)]), Outcome::Overflow);
        assert_eq!(
            sum(Number::Decimal(0), [max.clone(), max.clone(), Value::Decimal(1 - 10_i128.pow(38))]),
            Outcome::Value(max)
        );
        assert_eq!(sum(Number::Float, [Value::Float(1e308), Value::Float(1e308)]), Outcome::Overflow);
    }

    #[test]
    fn nothing_adds_up_to_zero() {
        assert_eq!(sum(Number::Int, [Value::Null]), Outcome::Value(Value::Int(0)));
        assert_eq!(sum(Number::Float, []), Outcome::Value(Value::Float(0.0)));
        assert_eq!(sum(Number::Decimal(2), []), Outcome::Value(Value::Decimal(0)));
    }
}
