//! `approx_quantile`: counts in buckets of a bounded relative width.

use std::cmp::Ordering;

use super::call::{Call, wrong};
use super::number::Number;
use super::{Aggregate, Aggregator, BindError, Bound, Class, Input, Outcome, Signature};
use crate::codec::{CodecError, Reader, put_varint, put_zigzag};
use crate::types::{Slot, Type};
use crate::value::Value;
use crate::window::Interval;

/// `approx_quantile(x, q:, accuracy: 0.01)`: the value below which a share `q` of the values lies, off
/// by at most `accuracy` of itself.
///
/// The value asked for is the one of rank `floor(q (n - 1))` among the `n` values in order, the product
/// in doubles: `q: 0` is the least, `q: 1` the greatest. The answer is the middle of its bucket.
///
/// A bucket is read off a double's bits: its sign, its exponent and the top bits of its mantissa, as
/// many as the accuracy needs (six for 0.01). So an octave has 2^bits buckets of equal width, and no
/// logarithm is taken. Doubles below 2.3e-308 count as zero. Buckets never collapse: there are at most
/// 4092 * 2^bits + 1, of which values that span three orders of magnitude use about 640 at 0.01.
/// Counts are exact, so rows can be taken back. Ints and decimals count as their nearest double.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantile {
    /// The type of the values.
    pub number: Number,
    /// Which quantiles.
    pub asked: Asked,
    /// How many bits of the mantissa tell buckets apart.
    pub bits: u32,
}

/// One quantile, or a list of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// `q: 0.5`: a float, null without values.
    One(f64),
    /// `q: [0.5, 0.9]`: a list of floats in this order, null without values.
    List(Vec<f64>),
}

pub(super) const APPROX_QUANTILE: Signature = Signature {
    name: "approx_quantile",
    usage: "approx_quantile(x, q:, accuracy: 0.01)",
    doc: "The value of rank `q` (0 to 1, or a list), off by at most `accuracy` of itself.",
    empty: "null",
    class: Class::Sketch,
    deletable: true,
    bind: |args, params| {
        let call = Call::new(args, 1..=1, "one argument", params, &["q", "accuracy"])?;
        let ty = call.arg(0, "a number", Type::is_number)?;
        let asked = asked(call.param("q"))?;
        let result = match asked {
            Asked::One(_) => Type::Float,
            Asked::List(_) => Type::List(Box::new(Slot::required(Type::Float))),
        };
        let number = Number::of(ty).unwrap_or(Number::Float);
        let bits = bits(call.param("accuracy"))?;
        Ok(Bound {
            aggregator: Aggregator::Quantile(Quantile { number, asked, bits }),
            result: Slot::nullable(result),
            class: Class::Sketch,
        })
    },
};

fn asked(q: Option<&Value>) -> Result<Asked, BindError> {
    let share = |value: &Value| match value {
        Value::Int(0) => Some(0.0),
        Value::Int(1) => Some(1.0),
        Value::Float(q) if (0.0..=1.0).contains(q) => Some(*q),
        _ => None,
    };
    let asked = match q {
        None => return Err(wrong("q", "needed: a share from 0 to 1, or a list of them")),
        Some(Value::List(items)) if items.is_empty() => None,
        Some(Value::List(items)) => items.iter().map(share).collect::<Option<_>>().map(Asked::List),
        Some(one) => share(one).map(Asked::One),
    };
    asked.ok_or_else(|| wrong("q", "needs a share from 0 to 1, or a list of them"))
}

/// The bits that `accuracy` needs: half a bucket is at most 2^-(bits + 1) of the values in it.
fn bits(accuracy: Option<&Value>) -> Result<u32, BindError> {
    let accuracy = match accuracy {
        None => 0.01,
        Some(Value::Float(accuracy)) if (0.0001..=0.25).contains(accuracy) => *accuracy,
        Some(_) => return Err(wrong("accuracy", "needs a fraction from 0.0001 to 0.25")),
    };
    let mut bits = 1;
    while accuracy < 1.0 / f64::from(2 << bits) {
        bits += 1;
    }
    Ok(bits)
}

impl Quantile {
    /// The bucket of `x`. Buckets are ordered as the values in them.
    #[inline]
    fn bucket(&self, x: f64) -> i32 {
        if x.abs() < f64::MIN_POSITIVE {
            return 0;
        }
        let magnitude = (x.abs().to_bits() >> (52 - self.bits)) as i32;
        if x < 0.0 { -magnitude } else { magnitude }
    }

    /// The middle of a bucket.
    fn middle(&self, bucket: i32) -> f64 {
        if bucket == 0 {
            return 0.0;
        }
        let half = 1 << (51 - self.bits);
        let magnitude = f64::from_bits(u64::from(bucket.unsigned_abs()) << (52 - self.bits) | half);
        if bucket < 0 { -magnitude } else { magnitude }
    }

    /// The value of rank `floor(q (count - 1))`.
    fn value(&self, buckets: &[(i32, u64)], count: u64, q: f64) -> Value {
        let rank = (q * count.saturating_sub(1) as f64) as u64;
        let mut below = 0_u64;
        let found = buckets.iter().find(|(_, count)| {
            below = below.saturating_add(*count);
            below > rank
        });
        // The product may round up to the count itself.
        let (bucket, _) = found.or(buckets.last()).copied().unwrap_or_default();
        Value::Float(self.middle(bucket))
    }
}

/// Adds the counts of `from` by `add`; a bucket without a count is none.
fn combine(into: &mut Vec<(i32, u64)>, from: &[(i32, u64)], add: fn(u64, u64) -> u64) {
    let place =
        |into: &[(i32, u64)], wanted: i32| into.binary_search_by_key(&wanted, |(bucket, _)| *bucket).ok();
    // A small tile seldom brings a bucket that a large one lacks.
    if from.iter().all(|(bucket, _)| place(into, *bucket).is_some()) {
        for (bucket, count) in from {
            if let Some(at) = place(into, *bucket) {
                into[at].1 = add(into[at].1, *count);
            }
        }
        return into.retain(|(_, count)| *count != 0);
    }
    let mut result = Vec::with_capacity(into.len().max(from.len()));
    let (mut left, mut right) = (into.iter().copied().peekable(), from.iter().copied().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let mine = if order == Ordering::Greater { None } else { left.next() };
        let its = if order == Ordering::Less { None } else { right.next() };
        let count = add(mine.map_or(0, |(_, count)| count), its.map_or(0, |(_, count)| count));
        if let Some((bucket, _)) = mine.or(its)
            && count != 0
        {
            result.push((bucket, count));
        }
    }
    *into = result;
}

impl Aggregate for Quantile {
    /// Buckets that have a count, ascending.
    type State = Vec<(i32, u64)>;

    fn update(&self, state: &mut Vec<(i32, u64)>, input: Input<'_>) {
        let Some(x) = self.number.nearest(input.x) else { return };
        let bucket = self.bucket(x);
        match state.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => state[at].1 = state[at].1.wrapping_add(1),
            Err(at) => state.insert(at, (bucket, 1)),
        }
    }

    fn merge(&self, into: &mut Vec<(i32, u64)>, from: &Vec<(i32, u64)>) {
        combine(into, from, u64::wrapping_add);
    }

    fn finish(&self, state: &Vec<(i32, u64)>, _window: Interval) -> Outcome {
        let count = state.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        if count == 0 {
            return Outcome::NULL;
        }
        Outcome::Value(match &self.asked {
            Asked::One(q) => self.value(state, count, *q),
            Asked::List(qs) => Value::List(qs.iter().map(|q| self.value(state, count, *q)).collect()),
        })
    }

    /// Shape: the number of buckets; each as its distance from the one before, the first from zero, and
    /// its count.
    fn encode(&self, state: &Vec<(i32, u64)>, out: &mut Vec<u8>) {
        put_varint(out, state.len() as u64);
        let mut last = None;
        for (bucket, count) in state {
            match last {
                None => put_zigzag(out, i64::from(*bucket)),
                Some(last) => put_varint(out, bucket.abs_diff(last).into()),
            }
            put_varint(out, *count);
            last = Some(*bucket);
        }
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Vec<(i32, u64)>, CodecError> {
        const INVALID: CodecError = CodecError::Invalid { what: "list of buckets" };
        let highest = i64::from(self.bucket(f64::MAX));
        let lowest = i64::from(self.bucket(f64::MIN_POSITIVE));
        // A distance and a count take a byte each.
        let length = from.count(2)?;
        let mut buckets = Vec::with_capacity(length);
        let mut last = None;
        for _ in 0..length {
            let bucket = match last {
                None => from.zigzag()?,
                Some(last) => match from.varint()? {
                    0 => return Err(INVALID),
                    distance => {
                        i64::try_from(distance).ok().and_then(|d| d.checked_add(last)).ok_or(INVALID)?
                    }
                },
            };
            let count = from.varint()?;
            let held = bucket == 0 || (lowest..=highest).contains(&bucket.saturating_abs());
            if count == 0 || !held {
                return Err(INVALID);
            }
            buckets.push((bucket as i32, count));
            last = Some(bucket);
        }
        Ok(buckets)
    }

    fn can_take_back(&self) -> bool {
        true
    }

    fn take_back(&self, into: &mut Vec<(i32, u64)>, from: &Vec<(i32, u64)>) {
        combine(into, from, u64::wrapping_sub);
    }

    fn heap_size(&self, state: &Vec<(i32, u64)>) -> usize {
        state.capacity() * size_of::<(i32, u64)>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::laws;

    fn quantile(number: Number, accuracy: f64) -> Quantile {
        let asked = Asked::List(vec![0.0, 0.25, 0.5, 0.99, 1.0]);
        Quantile { number, asked, bits: bits(Some(&Value::Float(accuracy))).unwrap() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(laws::CASES))]

        #[test]
        fn quantiles_keep_the_laws(
            floats in laws::tiles(laws::floats()),
            decimals in laws::tiles(laws::decimals()),
            noise in laws::noise(),
        ) {
            laws::check(&quantile(Number::Float, 0.01), &floats)?;
            laws::check(&quantile(Number::Decimal(2), 0.05), &decimals)?;
            laws::check_bytes(&quantile(Number::Float, 0.01), &noise)?;
        }

        #[test]
        fn an_answer_is_as_near_as_was_asked(
            values in prop::collection::vec(laws::doubles(), 1..60),
            accuracy in 0.0001..0.25,
            q in 0.0..=1.0,
        ) {
            let one = Quantile { asked: Asked::One(q), ..quantile(Number::Float, accuracy) };
            let state = laws::fold(&one, &laws::rows_of(values.iter().copied().map(Value::Float)));
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            let expected = sorted[(q * (sorted.len() - 1) as f64) as usize];
            let Outcome::Value(Value::Float(answer)) = one.finish(&state, laws::WINDOW) else {
                panic!("a float");
            };
            let allowed = (accuracy * expected.abs()).max(f64::MIN_POSITIVE);
            prop_assert!((answer - expected).abs() <= allowed, "{} for {}", answer, expected);
        }
    }

    #[test]
    fn an_accuracy_of_a_hundredth_needs_six_bits() {
        assert_eq!(bits(None), Ok(6));
        assert_eq!(bits(Some(&Value::Float(0.25))), Ok(1));
        assert_eq!(bits(Some(&Value::Float(0.0001))), Ok(13));
        assert!(bits(Some(&Value::Float(0.5))).is_err());
    }

    #[test]
    fn the_least_and_the_greatest_are_the_ends() {
        let values = [-8.0, 0.0, 1.0, 1e300].map(Value::Float);
        let quantile = quantile(Number::Float, 0.01);
        let Outcome::Value(Value::List(answers)) =
            quantile.finish(&laws::fold(&quantile, &laws::rows_of(values)), laws::WINDOW)
        else {
            panic!("a list");
        };
        let buckets: Vec<i32> = answers
            .iter()
            .map(|answer| quantile.number.nearest(answer.as_ref()).map_or(0, |x| quantile.bucket(x)))
            .collect();
        let expected = [-8.0, -8.0, 0.0, 0.0, 1e300];
        assert_eq!(buckets[..2], expected[..2].iter().map(|x| quantile.bucket(*x)).collect::<Vec<_>>());
        assert_eq!(answers[2], Value::Float(0.0));
        assert_eq!(buckets[4], quantile.bucket(1e300));
    }
}
