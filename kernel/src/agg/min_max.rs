//! `min` and `max`, of any ordered type.

use std::cmp::Ordering;

use super::call::Call;
use super::kept::{compare, value_heap_size};
use super::{Aggregate, Aggregator, BindError, Bound, Class, Input, Outcome, Signature};
use crate::codec::{CodecError, Reader, put_value};
use crate::types::{Slot, Type};
use crate::value::{Value, ValueRef};
use crate::window::Interval;

/// The least or greatest value that is not null, in the order of values: strings by their bytes, enums
/// by their text. The state is that value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// `min(x)`
    Min,
    /// `max(x)`
    Max,
}

pub(super) const MIN: Signature = Signature {
    name: "min",
    usage: "min(x)",
    doc: "The least value.",
    empty: "null",
    class: Class::Exact,
    deletable: false,
    bind: |args, params| bind(Extreme::Min, args, params),
};

pub(super) const MAX: Signature = Signature {
    name: "max",
    usage: "max(x)",
    doc: "The greatest value.",
    bind: |args, params| bind(Extreme::Max, args, params),
    ..MIN
};

fn bind(extreme: Extreme, args: &[Slot], params: &[(String, Value)]) -> Result<Bound, BindError> {
    let ty = Call::of_one(args, params)?.arg(0, "a type with an order", Type::is_ordered)?;
    Ok(Bound {
        aggregator: Aggregator::Extreme(extreme),
        result: Slot::nullable(ty.clone()),
        class: Class::Exact,
    })
}

impl Extreme {
    /// Whether a value that compares so with the best one is better.
    #[inline]
    fn wins(self, order: Ordering) -> bool {
        order == if self == Self::Min { Ordering::Less } else { Ordering::Greater }
    }
}

impl Aggregate for Extreme {
    type State = Option<Value>;

    #[inline]
    fn update(&self, state: &mut Option<Value>, input: Input<'_>) {
        if input.x.is_null() {
            return;
        }
        match state {
            Some(best) if !self.wins(compare(input.x, best)) => {}
            _ => *state = Some(input.x.to_value()),
        }
    }

    #[inline]
    fn merge(&self, into: &mut Option<Value>, from: &Option<Value>) {
        if let Some(value) = from
            && into.as_ref().is_none_or(|best| self.wins(value.cmp(best)))
        {
            *into = Some(value.clone());
        }
    }

    #[inline]
    fn finish(&self, state: &Option<Value>, _window: Interval) -> Outcome {
        Outcome::Value(state.clone().unwrap_or(Value::Null))
    }

    fn encode(&self, state: &Option<Value>, out: &mut Vec<u8>) {
        put_value(out, state.as_ref().map_or(ValueRef::Null, Value::as_ref));
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Option<Value>, CodecError> {
        Ok(Some(from.value()?).filter(|value| !value.is_null()))
    }

    fn heap_size(&self, state: &Option<Value>) -> usize {
        state.as_ref().map_or(0, value_heap_size)
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
        fn extremes_keep_the_laws(
            ints in laws::tiles(laws::ints()),
            floats in laws::tiles(laws::floats()),
            strings in laws::tiles(laws::strings()),
            noise in laws::noise(),
        ) {
            for extreme in [Extreme::Min, Extreme::Max] {
                laws::check(&extreme, &ints)?;
                laws::check(&extreme, &floats)?;
                laws::check(&extreme, &strings)?;
                laws::check_bytes(&extreme, &noise)?;
            }
        }
    }

    #[test]
    fn strings_are_ordered_by_their_bytes() {
        let rows = laws::rows_of(["é", "z", "Z", ""].map(|text| Value::Str(text.into())));
        assert_eq!(laws::fold(&Extreme::Min, &rows), Some(Value::Str("".into())));
        assert_eq!(laws::fold(&Extreme::Max, &rows), Some(Value::Str("é".into())));
    }
}
