//! `variance`, `stddev` and their population forms: exact sums of values and squares.

use num_bigint::{BigInt, BigUint};

use super::call::Call;
use super::number::{self, Number};
use super::{Aggregate, Aggregator, BindError, Bound, Class, Input, Outcome, Signature, broken};
use crate::codec::{CodecError, Reader, put_varint};
use crate::exact::{self, Exact};
use crate::types::{Slot, Type};
use crate::value::{Value, ValueRef};
use crate::window::Interval;

/// How far values lie from their mean.
///
/// The state is the count and the exact sums of the values and of their squares; a square of doubles
/// has at most 106 bits and is added whole, so nothing cancels and no flag is needed. `finish` computes
/// the variance as a ratio of whole numbers and rounds it once; a standard deviation is the IEEE
/// square root of that double. Of fewer than two values every one of them is null. A variance beyond
/// the largest double is an overflow.
///
/// Cost: 56 bytes, and 544 more for each sum that spans more than 127 bits, as squares of floats of
/// mixed sizes do; `finish` takes about a microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// What is measured.
    pub number: Number,
    /// What the squares are divided by.
    pub over: Freedom,
    /// Squared or not.
    pub unit: Unit,
}

/// What the sum of squared distances is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freedom {
    /// One less than the count.
    Sample,
    /// The count.
    Population,
}

/// Whether the answer is in the values' unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `variance`
    Squared,
    /// `stddev`
    Root,
}

/// The state of [`Spread`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    count: u64,
    sum: Exact,
    squares: Exact,
}

pub(super) const VARIANCE: Signature = Signature {
    name: "variance",
    usage: "variance(x)",
    doc: "The sample variance, over one less than the number of values; null of fewer than two.",
    empty: "null",
    class: Class::Exact,
    deletable: true,
    bind: |args, params| bind(Freedom::Sample, Unit::Squared, args, params),
};

pub(super) const STDDEV: Signature = Signature {
    name: "stddev",
    usage: "stddev(x)",
    doc: "The sample standard deviation: the root of `variance(x)`.",
    bind: |args, params| bind(Freedom::Sample, Unit::Root, args, params),
    ..VARIANCE
};

pub(super) const VARIANCE_POP: Signature = Signature {
    name: "variance_pop",
    usage: "variance_pop(x)",
    doc: "The population variance, over the number of values; null of fewer than two.",
    bind: |args, params| bind(Freedom::Population, Unit::Squared, args, params),
    ..VARIANCE
};

pub(super) const STDDEV_POP: Signature = Signature {
    name: "stddev_pop",
    usage: "stddev_pop(x)",
    doc: "The population standard deviation: the root of `variance_pop(x)`.",
    bind: |args, params| bind(Freedom::Population, Unit::Root, args, params),
    ..VARIANCE
};

fn bind(over: Freedom, unit: Unit, args: &[Slot], params: &[(String, Value)]) -> Result<Bound, BindError> {
    let ty = Call::of_one(args, params)?.arg(0, "a number", Type::is_number)?;
    let number = Number::of(ty).unwrap_or(Number::Float);
    Ok(Bound {
        aggregator: Aggregator::Spread(Spread { number, over, unit }),
        result: Slot::nullable(Type::Float),
        class: Class::Exact,
    })
}

impl Spread {
    /// `(n Σx² - (Σx)²) / (n (n - 1))`, rounded once.
    fn variance(self, state: &Moments) -> Option<f64> {
        let count = BigInt::from(state.count);
        let (sum, sum_exponent) = state.sum.parts();
        let (squares, squares_exponent) = state.squares.parts();
        let exponent = squares_exponent.min(2 * sum_exponent);
        let mut spread = ((&count * squares) << (squares_exponent - exponent))
            - ((&sum * &sum) << (2 * sum_exponent - exponent));
        let degrees = match self.over {
            Freedom::Sample => state.count - 1,
            Freedom::Population => state.count,
        };
        let mut divisor = BigUint::from(state.count) * degrees;
        if let Number::Decimal(scale) = self.number {
            let power = exact::power_of_ten(2 * u32::from(scale.unsigned_abs()));
            if scale < 0 {
                spread *= BigInt::from(power);
            } else {
                divisor *= power;
            }
        }
        exact::ratio_to_f64(&spread, &divisor, exponent)
    }
}

impl Aggregate for Spread {
    type State = Moments;

    #[inline]
    fn update(&self, state: &mut Moments, input: Input<'_>) {
        match input.x {
            ValueRef::Float(x) => {
                state.sum.add(x);
                state.squares.add_product(x, x);
            }
            ValueRef::Int(x) => {
                state.sum.add_integer(x.into());
                state.squares.add_integer_product(x.into(), x.into());
            }
            ValueRef::Decimal(x) => {
                state.sum.add_integer(x);
                state.squares.add_integer_product(x, x);
            }
            ValueRef::Null => return,
            _ => broken("a number is an int, a float or a decimal"),
        }
        state.count = state.count.wrapping_add(1);
    }

    #[inline]
    fn merge(&self, into: &mut Moments, from: &Moments) {
        into.count = into.count.wrapping_add(from.count);
        into.sum.merge(&from.sum);
        into.squares.merge(&from.squares);
    }

    #[inline]
    fn finish(&self, state: &Moments, _window: Interval) -> Outcome {
        if state.count < 2 {
            return Outcome::NULL;
        }
        let variance = self.variance(state);
        number::float(match self.unit {
            Unit::Squared => variance,
            Unit::Root => variance.map(f64::sqrt),
        })
    }

    fn encode(&self, state: &Moments, out: &mut Vec<u8>) {
        put_varint(out, state.count);
        state.sum.encode(out);
        state.squares.encode(out);
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Moments, CodecError> {
        Ok(Moments { count: from.varint()?, sum: Exact::decode(from)?, squares: Exact::decode(from)? })
    }

    #[inline]
    fn can_take_back(&self) -> bool {
        true
    }

    #[inline]
    fn take_back(&self, into: &mut Moments, from: &Moments) {
        into.count = into.count.wrapping_sub(from.count);
        into.sum.unmerge(&from.sum);
        into.squares.unmerge(&from.squares);
    }

    fn heap_size(&self, state: &Moments) -> usize {
        state.sum.heap_size() + state.squares.heap_size()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::laws;

    fn spread(number: Number, over: Freedom, unit: Unit, values: &[Value]) -> Outcome {
        let spread = Spread { number, over, unit };
        spread.finish(&laws::fold(&spread, &laws::rows_of(values.iter().cloned())), laws::WINDOW)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(laws::CASES))]

        #[test]
        fn moments_keep_the_laws(
            ints in laws::tiles(laws::ints()),
            floats in laws::tiles(laws::floats()),
            decimals in laws::tiles(laws::decimals()),
            noise in laws::noise(),
        ) {
            let [over, unit] = [Freedom::Sample, Freedom::Population].map(|over| (over, Unit::Root));
            for (over, unit) in [over, unit, (Freedom::Sample, Unit::Squared)] {
                laws::check(&Spread { number: Number::Int, over, unit }, &ints)?;
                laws::check(&Spread { number: Number::Float, over, unit }, &floats)?;
                laws::check(&Spread { number: Number::Decimal(2), over, unit }, &decimals)?;
                laws::check_bytes(&Spread { number: Number::Decimal(2), over, unit }, &noise)?;
            }
        }

        #[test]
        fn the_variance_does_not_move_with_the_values(xs in prop::collection::vec(-9_i64..9, 2..9), by in -60..60_i64) {
            let at = |offset: i64| {
                let values: Vec<Value> = xs.iter().map(|x| Value::Int(x + offset)).collect();
                spread(Number::Int, Freedom::Sample, Unit::Squared, &values)
            };
            prop_assert_eq!(at(0), at(by.signum() * (1 << by.abs())));
        }
    }

    #[test]
    fn a_spread_of_two_values_divides_by_one_or_by_two() {
        let values = [1.0, 4.0].map(Value::Float);
        let of = |over, unit| spread(Number::Float, over, unit, &values);
        assert_eq!(of(Freedom::Sample, Unit::Squared), Outcome::Value(Value::Float(4.5)));
        assert_eq!(of(Freedom::Population, Unit::Squared), Outcome::Value(Value::Float(2.25)));
        assert_eq!(of(Freedom::Population, Unit::Root), Outcome::Value(Value::Float(1.5)));
        assert_eq!(of(Freedom::Sample, Unit::Root), Outcome::Value(Value::Float(4.5_f64.sqrt())));
    }

    #[test]
    fn a_spread_needs_two_values() {
        let one = [Value::Float(3.0), Value::Null];
        assert_eq!(spread(Number::Float, Freedom::Sample, Unit::Squared, &one), Outcome::NULL);
        assert_eq!(spread(Number::Float, Freedom::Population, Unit::Root, &one), Outcome::NULL);
    }

    #[test]
    fn large_values_close_to_each_other_do_not_cancel() {
        let values = [1e9, 1e9 + 1.0, 1e9 + 2.0].map(Value::Float);
        assert_eq!(
            spread(Number::Float, Freedom::Sample, Unit::Squared, &values),
            Outcome::Value(Value::Float(1.0))
        );
    }

    #[test]
    fn the_scale_of_a_decimal_counts_twice() {
        let cents = [100, 400].map(Value::Decimal);
        assert_eq!(
            spread(Number::Decimal(2), Freedom::Sample, Unit::Squared, &cents),
            Outcome::Value(Value::Float(4.5))
        );
        let hundreds = [1, 4].map(Value::Decimal);
        assert_eq!(
            spread(Number::Decimal(-2), Freedom::Sample, Unit::Squared, &hundreds),
            Outcome::Value(Value::Float(45_000.0))
        );
    }

    #[test]
    fn only_a_variance_beyond_the_doubles_overflows() {
        let wide = [1e308, -1e308].map(Value::Float);
        assert_eq!(spread(Number::Float, Freedom::Sample, Unit::Root, &wide), Outcome::Overflow);
        let high = [1e308, 1e308].map(Value::Float);
        assert_eq!(
            spread(Number::Float, Freedom::Sample, Unit::Root, &high),
            Outcome::Value(Value::Float(0.0))
        );
    }
}
