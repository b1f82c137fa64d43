//! The big form of an exact sum: one two's complement number in fixed-point limbs.

use super::nearest::nearest;

/// 68 limbs of 64 bits. The smallest product of two doubles is 2^-2148, the largest lies below
/// 2^2048; what is left above is the sign and 127 bits of carry, more than any number of rows.
const LIMBS: usize = 68;
/// The exponent of the lowest bit.
const LOWEST: i32 = -64 * 34;
/// One past the highest bit that may be set in a magnitude.
const HIGHEST: i32 = LOWEST + 64 * LIMBS as i32 - 1;

/// Whether a magnitude of so many bits times `2^exponent` is in range.
pub(super) fn holds(bits: i32, exponent: i32) -> bool {
    exponent >= LOWEST && exponent.checked_add(bits).is_some_and(|top| top <= HIGHEST)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limbs([u64; LIMBS]);

impl Limbs {
    pub(super) fn from_small(mantissa: i128, exponent: i32) -> Self {
        let mut limbs = Self([0; LIMBS]);
        if mantissa != 0 {
            limbs.add(mantissa < 0, mantissa.unsigned_abs(), exponent);
        }
        limbs
    }

    /// A magnitude of little-endian bytes times `2^exponent`; none if that is out of range.
    pub(super) fn from_bytes(negative: bool, bytes: &[u8], exponent: i32) -> Option<Self> {
        let bits = i32::try_from(bytes.len()).ok()?.checked_mul(8)? - bytes.last()?.leading_zeros() as i32;
        if !holds(bits, exponent) {
            return None;
        }
        let mut limbs = Self([0; LIMBS]);
        for (chunk, exponent) in bytes.chunks(8).zip((exponent..).step_by(64)) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            limbs.add(negative, u64::from_le_bytes(word).into(), exponent);
        }
        Some(limbs)
    }

    /// Adds or subtracts `magnitude * 2^exponent`.
    #[inline]
    pub(super) fn add(&mut self, negative: bool, magnitude: u128, exponent: i32) {
        let position = (exponent - LOWEST) as usize;
        let (first, shift) = (position / 64, position % 64);
        let low = magnitude << shift;
        // Two shifts, since one by 128 is not a shift.
        let words = [low as u64, (low >> 64) as u64, (magnitude >> 64 >> (64 - shift)) as u64];
        let mut carry = false;
        for (index, limb) in self.0[first..].iter_mut().enumerate() {
            let word = match words.get(index) {
                Some(word) => *word,
                None if carry => 0,
                None => break,
            };
            (*limb, carry) =
                if negative { limb.borrowing_sub(word, carry) } else { limb.carrying_add(word, carry) };
        }
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        let mut carry = false;
        for (limb, word) in self.0.iter_mut().zip(&other.0) {
            (*limb, carry) = limb.carrying_add(*word, carry);
        }
    }

    pub(super) fn subtract_all(&mut self, other: &Self) {
        let mut borrow = false;
        for (limb, word) in self.0.iter_mut().zip(&other.0) {
            (*limb, borrow) = limb.borrowing_sub(*word, borrow);
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().all(|limb| *limb == 0)
    }

    pub(super) fn round(&self) -> Option<f64> {
        let (negative, magnitude) = self.magnitude();
        let Some(top) = magnitude.iter().rposition(|limb| *limb != 0) else { return Some(0.0) };
        let below = top.saturating_sub(1);
        let mut head = u128::from(magnitude[below]);
        if below < top {
            head |= u128::from(magnitude[top]) << 64;
        }
        // The head has more than 64 bits if anything lies below it, so its lowest bit cannot be the
        // one that a tie is decided by: there it can stand for everything that was cut off.
        let rest = magnitude[..below].iter().any(|limb| *limb != 0);
        nearest(negative, head | u128::from(rest), LOWEST + 64 * below as i32)
    }

    /// The number with an odd mantissa, if that fits the small form.
    pub(super) fn to_small(&self) -> Option<(i128, i32)> {
        let (negative, magnitude) = self.magnitude();
        let Some(first) = magnitude.iter().position(|limb| *limb != 0) else { return Some((0, 0)) };
        let last = magnitude.iter().rposition(|limb| *limb != 0).unwrap_or(first);
        if last - first > 2 {
            return None;
        }
        let at = |index: usize| u128::from(magnitude.get(index).copied().unwrap_or(0));
        let zeros = magnitude[first].trailing_zeros();
        let low = (at(first) | at(first + 1) << 64) >> zeros;
        let high = at(first + 2);
        // Of the third limb, the lowest `zeros` bits move down into the mantissa.
        let mantissa = low | (high << 64).checked_shl(64 - zeros).unwrap_or(0);
        if high >> zeros != 0 {
            return None;
        }
        let mantissa = i128::try_from(mantissa).ok()?;
        let exponent = LOWEST + 64 * first as i32 + zeros as i32;
        Some((if negative { -mantissa } else { mantissa }, exponent))
    }

    /// Sign, little-endian bytes of the odd mantissa (zeros may follow), and exponent.
    pub(super) fn lowest(&self) -> (bool, Vec<u8>, i32) {
        let (negative, magnitude) = self.magnitude();
        let Some(first) = magnitude.iter().position(|limb| *limb != 0) else { return (false, Vec::new(), 0) };
        let zeros = magnitude[first].trailing_zeros();
        let next = magnitude[first..].iter().skip(1).chain(std::iter::once(&0));
        let bytes = magnitude[first..]
            .iter()
            .zip(next)
            .flat_map(|(limb, next)| {
                let wide = u128::from(*limb) | u128::from(*next) << 64;
                ((wide >> zeros) as u64).to_le_bytes()
            })
            .collect();
        (negative, bytes, LOWEST + 64 * first as i32 + zeros as i32)
    }

    fn magnitude(&self) -> (bool, [u64; LIMBS]) {
        let negative = self.0[LIMBS - 1] >> 63 == 1;
        if !negative {
            return (false, self.0);
        }
        let mut zero = Self([0; LIMBS]);
        zero.subtract_all(self);
        (true, zero.0)
    }
}
