//! `min` and `max`, of any ordered type.

use std::cmp::Ordering;

use super::call::Call;
use super::content::{Content, Over};
use super::{Aggregate, Aggregator, BindError, Bound, Class, Input, Outcome, Signature};
use crate::codec::{CodecError, Reader, put_packed};
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
        aggregator: Aggregator::Extreme(Over::new(extreme)),
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

impl<C: Content> Aggregate for Over<Extreme, C> {
    type State = Option<C>;

    #[inline]
    fn update(&self, state: &mut Option<C>, input: Input<'_>) {
        if input.x.is_null() {
            return;
        }
        match state {
            Some(best) if !self.which.wins(C::compare(input.x, best)) => {}
            _ => *state = Some(C::of(input.x)),
        }
    }

    #[inline]
    fn merge(&self, into: &mut Option<C>, from: &Option<C>) {
        if let Some(value) = from
            && into.as_ref().is_none_or(|best| self.which.wins(value.cmp(best)))
        {
            *into = Some(value.clone());
        }
    }

    #[inline]
    fn finish(&self, state: &Option<C>, _window: Interval) -> Outcome {
        Outcome::Value(state.as_ref().map_or(Value::Null, C::to_value))
    }

    fn encode(&self, state: &Option<C>, out: &mut Vec<u8>) {
        put_packed(out, state.as_ref().map_or(ValueRef::Null, C::as_ref));
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Option<C>, CodecError> {
        let value = Some(from.packed()?).filter(|value| !value.is_null());
        let kept = |value| C::from_value(value).ok_or_else(|| CodecError::invalid("value of a state"));
        value.map(kept).transpose()
    }

    fn heap_size(&self, state: &Option<C>) -> usize {
        state.as_ref().map_or(0, C::heap_size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::content::Finite;
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
                let any = Over::<_, Value>::new(extreme);
                laws::check(&any, &ints)?;
                laws::check(&any, &floats)?;
                laws::check(&any, &strings)?;
                laws::check_bytes(&any, &noise)?;
                laws::check(&any.keeping::<i64>(), &ints)?;
                laws::check(&any.keeping::<Finite>(), &floats)?;
                laws::check_bytes(&any.keeping::<i64>(), &noise)?;
                laws::check_bytes(&any.keeping::<Finite>(), &noise)?;
                laws::check_same(&any, &any.keeping::<i64>(), &ints)?;
                laws::check_same(&any, &any.keeping::<Finite>(), &floats)?;
            }
        }
    }

    #[test]
    fn strings_are_ordered_by_their_bytes() {
        let rows = laws::rows_of(["é", "z", "Z", ""].map(|text| Value::Str(text.into())));
        let of = |extreme| laws::fold(&Over::<_, Value>::new(extreme), &rows);
        assert_eq!(of(Extreme::Min), Some(Value::Str("".into())));
        assert_eq!(of(Extreme::Max), Some(Value::Str("é".into())));
    }
}
