//! `ratio`: one exact sum over another.

use super::call::Call;
use super::number::{self, Number};
use super::{Aggregate, Aggregator, Bound, Class, Input, Outcome, Signature};
use crate::codec::{CodecError, Reader};
use crate::exact::Exact;
use crate::types::{Slot, Type};
use crate::window::Interval;

/// `ratio(a, b)`. Its value is the sum of `a` over the sum of `b`, each rounded once to the nearest
/// double; null where the sum of `b` is zero, as it is without rows. A row counts when neither
/// argument is null, so both sums speak of the same rows. A sum or quotient beyond the largest double
/// is an overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// The type of `a`.
    pub over: Number,
    /// The type of `b`.
    pub under: Number,
}

/// The state of [`Ratio`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quotient {
    over: Exact,
    under: Exact,
}

pub(super) const RATIO: Signature = Signature {
    name: "ratio",
    usage: "ratio(a, b)",
    doc: "The sum of `a` over the sum of `b`, of the rows that have both; null where the latter is zero.",
    empty: "null",
    class: Class::Exact,
    deletable: true,
    bind: |args, params| {
        let call = Call::new(args, 2..=2, "two arguments", params, &[])?;
        let number = |index| {
            let ty = call.arg(index, "a number", Type::is_number)?;
            Ok(Number::of(ty).unwrap_or(Number::Float))
        };
        Ok(Bound {
            aggregator: Aggregator::Ratio(Ratio { over: number(0)?, under: number(1)? }),
            result: Slot::nullable(Type::Float),
            class: Class::Exact,
        })
    },
};

impl Aggregate for Ratio {
    type State = Quotient;

    #[inline]
    fn update(&self, state: &mut Quotient, input: Input<'_>) {
        if !input.y.is_null() && number::add(&mut state.over, input.x) {
            number::add(&mut state.under, input.y);
        }
    }

    #[inline]
    fn merge(&self, into: &mut Quotient, from: &Quotient) {
        into.over.merge(&from.over);
        into.under.merge(&from.under);
    }

    #[inline]
    fn finish(&self, state: &Quotient, _window: Interval) -> Outcome {
        if state.under.is_zero() {
            return Outcome::NULL;
        }
        let over = self.over.round(&state.over);
        let under = self.under.round(&state.under);
        number::float(over.zip(under).map(|(over, under)| over / under))
    }

    fn encode(&self, state: &Quotient, out: &mut Vec<u8>) {
        state.over.encode(out);
        state.under.encode(out);
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Quotient, CodecError> {
        Ok(Quotient { over: Exact::decode(from)?, under: Exact::decode(from)? })
    }

    #[inline]
    fn can_take_back(&self) -> bool {
        true
    }

    #[inline]
    fn take_back(&self, into: &mut Quotient, from: &Quotient) {
        into.over.unmerge(&from.over);
        into.under.unmerge(&from.under);
    }

    fn heap_size(&self, state: &Quotient) -> usize {
        state.over.heap_size() + state.under.heap_size()
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
        fn ratios_keep_the_laws(
            tiles in laws::tiles_of_two(laws::floats(), laws::decimals()),
            noise in laws::noise(),
        ) {
            let ratio = Ratio { over: Number::Float, under: Number::Decimal(2) };
            laws::check(&ratio, &tiles)?;
            laws::check_bytes(&ratio, &noise)?;
        }
    }

    fn ratio(pairs: &[(Value, Value)]) -> Outcome {
        let ratio = Ratio { over: Number::Float, under: Number::Decimal(1) };
        let mut rows = laws::rows_of(pairs.iter().map(|(x, _)| x.clone()));
        for (row, (_, y)) in rows.iter_mut().zip(pairs) {
            row.y = y.clone();
        }
        ratio.finish(&laws::fold(&ratio, &rows), laws::WINDOW)
    }

    #[test]
    fn a_ratio_divides_sums_and_not_rows() {
        let row = |over, under| (Value::Float(over), Value::Decimal(under));
        assert_eq!(ratio(&[row(1.0, 10), row(2.0, 50)]), Outcome::Value(Value::Float(0.5)));
        assert_eq!(ratio(&[row(1.0, 10), row(2.0, -10)]), Outcome::NULL);
        assert_eq!(ratio(&[]), Outcome::NULL);
        assert_eq!(ratio(&[row(1e308, 1)]), Outcome::Overflow);
    }

    #[test]
    fn a_row_with_half_a_ratio_does_not_count() {
        let whole = (Value::Float(1.0), Value::Decimal(20));
        let halves = [(Value::Null, Value::Decimal(70)), (Value::Float(9.0), Value::Null), whole];
        assert_eq!(ratio(&halves), Outcome::Value(Value::Float(0.5)));
    }
}
