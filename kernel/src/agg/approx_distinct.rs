//! `approx_count_distinct`: `HyperLogLog` registers.

use std::cmp::Ordering;

use super::call::Call;
use super::hash::hash_64;
use super::{Aggregate, Aggregator, Bound, Class, Input, Outcome, Signature};
use crate::codec::{CodecError, Reader, put_varint};
use crate::types::{Slot, Type};
use crate::value::Value;
use crate::window::Interval;

/// `approx_count_distinct(x, precision: p)`: about how many different values there are.
///
/// The state is the 2^p registers of a `HyperLogLog`, listed while few are set and dense after that;
/// which of the two depends on how many are set, so equal registers have equal bytes. A merge takes the
/// greater of each, hence order does not matter, nor does how often a value comes.
///
/// The estimate depends on the registers alone. It is the improved raw estimator of Ertl, "New
/// cardinality estimation algorithms for `HyperLogLog` sketches" (2017), algorithm 6: no tables, no
/// corrections by range, no functions that differ between platforms. Its standard error is
/// 1.04 / 2^(p/2): 1.6 % at 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApproxDistinct {
    /// The number of bits that choose a register, 4 to 18.
    pub precision: u32,
}

/// The state of [`ApproxDistinct`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registers {
    /// `index << 8 | value`, ascending, of the registers that are set: at most a sixteenth.
    Sparse(Vec<u32>),
    /// All of them.
    Dense(Box<[u8]>),
}

impl Default for Registers {
    fn default() -> Self {
        Self::Sparse(Vec::new())
    }
}

pub(super) const APPROX_COUNT_DISTINCT: Signature = Signature {
    name: "approx_count_distinct",
    usage: "approx_count_distinct(x, precision: 12)",
    doc: "About the number of different values: 1.6 % of standard error at precision 12 (4 to 18).",
    empty: "0",
    class: Class::Sketch,
    deletable: false,
    bind: |args, params| {
        let call = Call::new(args, 1..=1, "one argument", params, &["precision"])?;
        let precision = call.whole("precision", 4..=18)?.unwrap_or(12);
        Ok(Bound {
            aggregator: Aggregator::ApproxDistinct(ApproxDistinct { precision }),
            result: Slot::required(Type::Int),
            class: Class::Sketch,
        })
    },
};

impl ApproxDistinct {
    fn size(self) -> usize {
        1 << self.precision
    }

    /// How many registers are listed before they become dense.
    fn listed(self) -> usize {
        self.size() / 16
    }

    /// The greatest value of a register: the rest of the hash is zero.
    fn highest(self) -> u8 {
        (64 - self.precision + 1) as u8
    }

    fn raise(self, state: &mut Registers, index: u32, value: u8) {
        match state {
            Registers::Dense(registers) => {
                let register = &mut registers[index as usize];
                *register = value.max(*register);
            }
            Registers::Sparse(entries) => {
                let entry = index << 8 | u32::from(value);
                let at = entries.partition_point(|other| other >> 8 < index);
                match entries.get_mut(at) {
                    Some(found) if *found >> 8 == index => *found = entry.max(*found),
                    _ => {
                        entries.insert(at, entry);
                        self.settle(state);
                    }
                }
            }
        }
    }

    /// Makes the registers dense once too many are listed.
    fn settle(self, state: &mut Registers) {
        if let Registers::Sparse(entries) = state
            && entries.len() > self.listed()
        {
            let mut registers = vec![0; self.size()];
            for entry in entries {
                registers[(*entry >> 8) as usize] = *entry as u8;
            }
            *state = Registers::Dense(registers.into());
        }
    }

    /// How many registers have each value.
    fn histogram(self, state: &Registers) -> [u32; 64] {
        let mut counts = [0; 64];
        match state {
            Registers::Dense(registers) => {
                for value in registers {
                    counts[usize::from(*value)] += 1;
                }
            }
            Registers::Sparse(entries) => {
                counts[0] = (self.size() - entries.len()) as u32;
                for entry in entries {
                    counts[usize::from(*entry as u8)] += 1;
                }
            }
        }
        counts
    }

    fn estimate(self, state: &Registers) -> f64 {
        /// 1 / (2 ln 2)
        const ALPHA: f64 = 0.721_347_520_444_481_7;

        let counts = self.histogram(state);
        let size = self.size() as f64;
        let share = |value: u8| f64::from(counts[usize::from(value)]) / size;
        let highest = self.highest();
        let mut z = size * tail(1.0 - share(highest));
        for value in (1..highest).rev() {
            z = 0.5 * (z + f64::from(counts[usize::from(value)]));
        }
        ALPHA * size * size / (z + size * unset(share(0)))
    }
}

/// Ertl's sigma: what registers that are not set tell. Infinite when none is.
fn unset(share: f64) -> f64 {
    if share >= 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut z) = (share, 1.0, share);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

/// Ertl's tau: what registers that are full tell.
fn tail(share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (share, 1.0, 1.0 - share);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

impl Aggregate for ApproxDistinct {
    type State = Registers;

    fn update(&self, state: &mut Registers, input: Input<'_>) {
        if input.x.is_null() {
            return;
        }
        let hash = hash_64(input.x);
        let index = (hash >> (64 - self.precision)) as u32;
        // The bit that is set ends the count of zeros where the hash does.
        let rest = hash << self.precision | 1 << (self.precision - 1);
        self.raise(state, index, rest.leading_zeros() as u8 + 1);
    }

    fn merge(&self, into: &mut Registers, from: &Registers) {
        match (&mut *into, from) {
            (Registers::Dense(registers), Registers::Dense(others)) => {
                for (register, other) in registers.iter_mut().zip(others) {
                    *register = (*register).max(*other);
                }
            }
            (Registers::Dense(_), Registers::Sparse(entries)) => {
                for entry in entries {
                    self.raise(into, entry >> 8, *entry as u8);
                }
            }
            (Registers::Sparse(entries), Registers::Dense(_)) => {
                let entries = std::mem::take(entries);
                *into = from.clone();
                self.merge(into, &Registers::Sparse(entries));
            }
            (Registers::Sparse(entries), Registers::Sparse(others)) => {
                *entries = union(entries, others);
                self.settle(into);
            }
        }
    }

    fn finish(&self, state: &Registers, _window: Interval) -> Outcome {
        // Saturates: an estimate that large means a state of nothing but full registers.
        Outcome::Value(Value::Int(self.estimate(state).round() as i64))
    }

    /// Shape: listed registers as their number plus one and, each, the distance of its index from the
    /// one before and its value; dense ones as zero and 2^p bytes.
    fn encode(&self, state: &Registers, out: &mut Vec<u8>) {
        match state {
            Registers::Dense(registers) => {
                out.push(0);
                out.extend_from_slice(registers);
            }
            Registers::Sparse(entries) => {
                put_varint(out, entries.len() as u64 + 1);
                let mut next = 0;
                for entry in entries {
                    put_varint(out, u64::from((entry >> 8) - next));
                    out.push(*entry as u8);
                    next = (entry >> 8) + 1;
                }
            }
        }
    }

    fn decode(&self, from: &mut Reader<'_>) -> Result<Registers, CodecError> {
        const INVALID: CodecError = CodecError::Invalid { what: "set of registers" };
        let Some(count) = from.length()?.checked_sub(1) else {
            let registers = from.take(self.size())?;
            let set = registers.iter().filter(|value| **value > 0).count();
            if set <= self.listed() || registers.iter().any(|value| *value > self.highest()) {
                return Err(INVALID);
            }
            return Ok(Registers::Dense(registers.into()));
        };
        if count > self.listed() {
            return Err(INVALID);
        }
        let mut entries = Vec::with_capacity(count.min(from.remaining()));
        let mut next = 0;
        for _ in 0..count {
            let index = from.varint()?.checked_add(next).filter(|index| *index < self.size() as u64);
            let index = index.ok_or(INVALID)?;
            let value = from.u8()?;
            if value == 0 || value > self.highest() {
                return Err(INVALID);
            }
            entries.push((index as u32) << 8 | u32::from(value));
            next = index + 1;
        }
        Ok(Registers::Sparse(entries))
    }

    fn heap_size(&self, state: &Registers) -> usize {
        match state {
            Registers::Dense(registers) => registers.len(),
            Registers::Sparse(entries) => entries.capacity() * size_of::<u32>(),
        }
    }
}

/// Two ascending lists of registers as one, the greater value where both have one.
fn union(left: &[u32], right: &[u32]) -> Vec<u32> {
    let mut result = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().copied().peekable(), right.iter().copied().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let (a, b) = (*a, *b);
        let order = (a >> 8).cmp(&(b >> 8));
        if order != Ordering::Greater {
            left.next();
        }
        if order != Ordering::Less {
            right.next();
        }
        result.push(match order {
            Ordering::Less => a,
            Ordering::Equal => a.max(b),
            Ordering::Greater => b,
        });
    }
    result.extend(left);
    result.extend(right);
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::laws;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(laws::CASES))]

        #[test]
        fn registers_keep_the_laws(
            ints in laws::tiles(laws::ints()),
            precision in 4_u32..9,
            noise in laws::noise(),
        ) {
            laws::check(&ApproxDistinct { precision }, &ints)?;
            laws::check_bytes(&ApproxDistinct { precision }, &noise)?;
        }
    }

    fn estimate(precision: u32, values: impl IntoIterator<Item = i64>) -> i64 {
        let sketch = ApproxDistinct { precision };
        match sketch
            .finish(&laws::fold(&sketch, &laws::rows_of(values.into_iter().map(Value::Int))), laws::WINDOW)
        {
            Outcome::Value(Value::Int(count)) => count,
            other => panic!("a count: {other:?}"),
        }
    }

    #[test]
    fn small_counts_are_all_but_exact() {
        assert_eq!(estimate(12, []), 0);
        assert_eq!(estimate(12, [5, 5, 5]), 1);
        assert_eq!(estimate(12, 0..10), 10);
    }

    #[test]
    fn estimates_lie_within_four_standard_errors() {
        for (precision, count) in [(4, 500), (8, 100), (12, 300), (12, 5_000), (12, 100_000), (14, 200_000)] {
            let error = estimate(precision, 0..count) - count;
            let allowed = 4.0 * 1.04 / f64::from(1 << precision).sqrt() * count as f64;
            assert!((error as f64).abs() < allowed, "{error} of {count} at {precision}");
        }
    }

    #[test]
    fn registers_become_dense_at_a_sixteenth() {
        let sketch = ApproxDistinct { precision: 12 };
        let state = |count| laws::fold(&sketch, &laws::rows_of((0..count).map(Value::Int)));
        assert!(matches!(state(200), Registers::Sparse(_)));
        assert!(matches!(state(400), Registers::Dense(_)));
        assert_eq!(laws::bytes(&sketch, &state(400)).len(), 4097);
    }
}
