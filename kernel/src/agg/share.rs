//! `fraction`, `any`, `all`: how many rows hold a condition.

use super::call::Call;
use super::{Aggregate, Aggregator, BindError, Bound, Class, Input, Outcome, Signature, broken};
use crate::codec::{CodecError, Reader, put_varint};
use crate::types::{Slot, Type};
use crate::value::{Value, ValueRef};
use crate::window::Interval;

/// What is asked of the rows whose condition is not null. The state is two counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// `fraction(cond)`: the true ones over all of them, null without any.
    Fraction,
    /// `any(cond)`: whether one is true.
    Any,
    /// `all(cond)`: whether none is false.
    All,
}

/// The state of [`Share`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    yes: u64,
    no: u64,
}

pub(super) const FRACTION: Signature = Signature {
    name: "fraction",
    usage: "fraction(cond)",
    doc: "The share of rows for which the condition is true, of those for which it is not null.",
    empty: "null",
    class: Class::Exact,
    deletable: true,
    bind: |args, params| bind(Share::Fraction, Slot::nullable(Type::Float), args, params),
};

pub(super) const ANY: Signature = Signature {
    name: "any",
    usage: "any(cond)",
    doc: "Whether the condition is true for some row.",
    empty: "false",
    class: Class::Exact,
    deletable: true,
    bind: |args, params| bind(Share::Any, Slot::required(Type::Bool), args, params),
};

pub(super) const ALL: Signature = Signature {
    name: "all",
    usage: "all(cond)",
    doc: "Whether the condition is false for no row.",
    empty: "true",
    class: Class::Exact,
    deletable: true,
    bind: |args, params| bind(Share::All, Slot::required(Type::Bool), args, params),
};

fn bind(share: Share, result: Slot, args: &[Slot], params: &[(String, Value)]) -> Result<Bound, BindError> {
    Call::of_one(args, params)?.arg(0, "a condition", |ty| *ty == Type::Bool)?;
    Ok(Bound { aggregator: Aggregator::Share(share), result, class: Class::Exact })
}

impl Aggregate for Share {
    type State = Tally;

    #[inline]
    fn update(&self, state: &mut Tally, input: Input<'_>) {
        match input.x {
            ValueRef::Bool(true) => state.yes = state.yes.wrapping_add(1),
            ValueRef::Bool(false) => state.no = state.no.wrapping_add(1),
            ValueRef::Null => {}
            _ => broken("a condition is a bool"),
        }
    }

    #[inline]
    fn merge(&self, into: &mut Tally, from: &Tally) {
        into.yes = into.yes.wrapping_add(from.yes);
        into.no = into.no.wrapping_add(from.no);
    }

    #[inline]
    fn finish(&self, state: &Tally, _window: Interval) -> Outcome {
        let Tally { yes, no } = *state;
        Outcome::Value(match self {
            Self::Any => Value::Bool(yes > 0),
            Self::All => Value::Bool(no == 0),
            Self::Fraction if yes == 0 && no == 0 => Value::Null,
            Self::Fraction => Value::Float(yes as f64 / (u128::from(yes) + u128::from(no)) as f64),
        })
    }

    fn encode(&self, state: &Tally, out: &mut Vec<u8>) {
        put_varint(out, state.yes);
        put_varint(out, state.no);
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Tally, CodecError> {
        Ok(Tally { yes: from.varint()?, no: from.varint()? })
    }

    #[inline]
    fn can_take_back(&self) -> bool {
        true
    }

    #[inline]
    fn take_back(&self, into: &mut Tally, from: &Tally) {
        into.yes = into.yes.wrapping_sub(from.yes);
        into.no = into.no.wrapping_sub(from.no);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::laws;

    const ASKED: [Share; 3] = [Share::Fraction, Share::Any, Share::All];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(laws::CASES))]

        #[test]
        fn shares_keep_the_laws(tiles in laws::tiles(laws::bools()), noise in laws::noise()) {
            for share in ASKED {
                laws::check(&share, &tiles)?;
                laws::check_bytes(&share, &noise)?;
            }
        }
    }

    fn answers(values: &[Value]) -> [Value; 3] {
        let rows = laws::rows_of(values.iter().cloned());
        ASKED.map(|share| match share.finish(&laws::fold(&share, &rows), laws::WINDOW) {
            Outcome::Value(value) => value,
            Outcome::Overflow => panic!("nothing to overflow"),
        })
    }

    #[test]
    fn nulls_neither_hold_nor_fail() {
        let [yes, no] = [true, false].map(Value::Bool);
        assert_eq!(answers(&[]), [Value::Null, no.clone(), yes.clone()]);
        assert_eq!(answers(&[Value::Null]), [Value::Null, no.clone(), yes.clone()]);
        assert_eq!(answers(&[yes.clone(), Value::Null]), [Value::Float(1.0), yes.clone(), yes.clone()]);
        assert_eq!(answers(&[yes.clone(), no.clone()]), [Value::Float(0.5), yes, no]);
    }
}
