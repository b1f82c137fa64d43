//! `count_distinct`: exact up to a bound.

use std::collections::BTreeSet;

use super::call::{Call, wrong};
use super::hash::hash_128;
use super::{Aggregate, Aggregator, Bound, Class, Input, Outcome, Signature};
use crate::codec::{CodecError, Reader, put_varint};
use crate::types::{Slot, Type};
use crate::value::Value;
use crate::window::Interval;

/// The largest bound.
const MOST: u32 = 100_000;

/// `count_distinct(x, max:)`: how many different values there are, `max` if there are more.
///
/// Whether there are more is a property of the rows, so it does not depend on how they were tiled.
/// Values are told apart by a hash of 128 bits: among 100 000 of them the chance of one mistake is
/// below 2^-94.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distinct {
    /// The most that is counted.
    pub max: usize,
}

/// The state of [`Distinct`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// The values' hashes, no more than `max`.
    Known(BTreeSet<u128>),
    /// There were more than `max`, whatever comes.
    Beyond,
}

impl Default for Members {
    fn default() -> Self {
        Self::Known(BTreeSet::new())
    }
}

pub(super) const COUNT_DISTINCT: Signature = Signature {
    name: "count_distinct",
    usage: "count_distinct(x, max:)",
    doc: "The number of different values, at most `max` (1 to 100 000); a bool or an enum needs no `max`.",
    empty: "0",
    class: Class::Exact,
    deletable: false,
    bind: |args, params| {
        let call = Call::new(args, 1..=1, "one argument", params, &["max"])?;
        let domain = match call.arg(0, "a value", |_| true)? {
            Type::Bool => Some(2),
            Type::Enum(names) => Some(names.len()),
            _ => None,
        };
        let max = call
            .whole("max", 1..=MOST)?
            .map(|max| max as usize)
            .or(domain)
            .ok_or_else(|| wrong("max", "needed: the most that is counted, 1 to 100000"))?;
        Ok(Bound {
            aggregator: Aggregator::Distinct(Distinct { max }),
            result: Slot::required(Type::Int),
            class: Class::Exact,
        })
    },
};

impl Aggregate for Distinct {
    type State = Members;

    fn update(&self, state: &mut Members, input: Input<'_>) {
        if let Members::Known(hashes) = state
            && !input.x.is_null()
            && hashes.insert(hash_128(input.x))
            && hashes.len() > self.max
        {
            *state = Members::Beyond;
        }
    }

    fn merge(&self, into: &mut Members, from: &Members) {
        match (&mut *into, from) {
            (Members::Beyond, _) => {}
            (_, Members::Beyond) => *into = Members::Beyond,
            (Members::Known(hashes), Members::Known(others)) => {
                hashes.extend(others);
                if hashes.len() > self.max {
                    *into = Members::Beyond;
                }
            }
        }
    }

    fn finish(&self, state: &Members, _window: Interval) -> Outcome {
        let count = match state {
            Members::Known(hashes) => hashes.len(),
            Members::Beyond => self.max,
        };
        Outcome::Value(Value::Int(count as i64))
    }

    /// Shape: zero for more than `max`; else one more than the number of hashes, and the hashes
    /// ascending, 16 bytes each.
    fn encode(&self, state: &Members, out: &mut Vec<u8>) {
        match state {
            Members::Beyond => out.push(0),
            Members::Known(hashes) => {
                put_varint(out, hashes.len() as u64 + 1);
                for hash in hashes {
                    out.extend_from_slice(&hash.to_be_bytes());
                }
            }
        }
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Members, CodecError> {
        const INVALID: CodecError = CodecError::Invalid { what: "set of hashes" };
        let Some(count) = from.length()?.checked_sub(1) else { return Ok(Members::Beyond) };
        if count > self.max {
            return Err(INVALID);
        }
        let bytes = from.take(count.checked_mul(16).ok_or(INVALID)?)?;
        let (hashes, _) = bytes.as_chunks();
        // Big-endian bytes ascend as the numbers do.
        if !hashes.is_sorted_by(|a, b| a < b) {
            return Err(INVALID);
        }
        Ok(Members::Known(hashes.iter().map(|hash| u128::from_be_bytes(*hash)).collect()))
    }

    fn heap_size(&self, state: &Members) -> usize {
        match state {
            // A node of the tree holds 11 keys and is about two thirds full.
            Members::Known(hashes) => hashes.len() * 24,
            Members::Beyond => 0,
        }
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
        fn distinct_counts_keep_the_laws(
            ints in laws::tiles(laws::ints()),
            strings in laws::tiles(laws::strings()),
            max in 1_usize..20,
            noise in laws::noise(),
        ) {
            laws::check(&Distinct { max }, &ints)?;
            laws::check(&Distinct { max }, &strings)?;
            laws::check_bytes(&Distinct { max }, &noise)?;
        }

        #[test]
        fn a_distinct_count_is_the_size_of_a_set(tiles in laws::tiles(laws::strings()), max in 1_usize..20) {
            let values = tiles.iter().flatten().map(|row| &row.x).filter(|x| !x.is_null());
            let size = values.collect::<BTreeSet<_>>().len().min(max);
            let distinct = Distinct { max };
            let state = laws::fold(&distinct, tiles.iter().flatten());
            prop_assert_eq!(distinct.finish(&state, laws::WINDOW), Outcome::Value(Value::Int(size as i64)));
        }
    }

    #[test]
    fn as_many_as_the_bound_are_still_known() {
        let distinct = Distinct { max: 2 };
        let state = laws::fold(&distinct, &laws::rows_of([1, 2, 1].map(Value::Int)));
        assert!(matches!(state, Members::Known(_)));
        let state = laws::fold(&distinct, &laws::rows_of([1, 2, 3].map(Value::Int)));
        assert_eq!(state, Members::Beyond);
        assert_eq!(laws::bytes(&distinct, &state), [0]);
    }
}
