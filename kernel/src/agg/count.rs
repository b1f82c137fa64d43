//! `count`: rows, or values that are not null.

use super::call::Call;
use super::{Aggregate, Aggregator, Bound, Class, Input, Outcome, Signature};
use crate::codec::{CodecError, Reader, put_varint};
use crate::types::{Slot, Type};
use crate::value::Value;
use crate::window::Interval;

/// `count()` and `count(x)`. The state is the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Every row.
    Rows,
    /// Rows whose first argument is not null.
    Values,
}

pub(super) const COUNT: Signature = Signature {
    name: "count",
    usage: "count() count(x)",
    doc: "The number of rows, or of values that are not null.",
    empty: "0",
    class: Class::Exact,
    deletable: true,
    bind: |args, params| {
        Call::new(args, 0..=1, "no or one argument", params, &[])?;
        let count = if args.is_empty() { Count::Rows } else { Count::Values };
        Ok(Bound {
            aggregator: Aggregator::Count(count),
            result: Slot::required(Type::Int),
            class: Class::Exact,
        })
    },
};

impl Aggregate for Count {
    type State = u64;

    #[inline]
    fn update(&self, state: &mut u64, input: Input<'_>) {
        if *self == Self::Rows || !input.x.is_null() {
            *state = state.wrapping_add(1);
        }
    }

    #[inline]
    fn merge(&self, into: &mut u64, from: &u64) {
        *into = into.wrapping_add(*from);
    }

    #[inline]
    fn finish(&self, state: &u64, _window: Interval) -> Outcome {
        i64::try_from(*state).map_or(Outcome::Overflow, |count| Outcome::Value(Value::Int(count)))
    }

    fn encode(&self, state: &u64, out: &mut Vec<u8>) {
        put_varint(out, *state);
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<u64, CodecError> {
        from.varint()
    }

    #[inline]
    fn can_take_back(&self) -> bool {
        true
    }

    #[inline]
    fn take_back(&self, into: &mut u64, from: &u64) {
        *into = into.wrapping_sub(*from);
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
        fn counts_keep_the_laws(tiles in laws::tiles(laws::ints()), noise in laws::noise()) {
            for count in [Count::Rows, Count::Values] {
                laws::check(&count, &tiles)?;
                laws::check_bytes(&count, &noise)?;
            }
        }
    }

    #[test]
    fn a_null_is_a_row_and_not_a_value() {
        let rows = laws::rows_of([Value::Int(1), Value::Null]);
        assert_eq!(laws::fold(&Count::Rows, &rows), 2);
        assert_eq!(laws::fold(&Count::Values, &rows), 1);
    }
}
