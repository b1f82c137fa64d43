//! Rounding an exact number to the nearest double, once, ties to even.

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{One, Zero};

/// The nearest double of `±magnitude * 2^exponent`, ties to even, never `-0.0`. `None` beyond the
/// largest double.
pub(super) fn nearest(negative: bool, magnitude: u128, exponent: i32) -> Option<f64> {
    /// The exponent of the lowest bit of a subnormal.
    const FLOOR: i32 = -1074;

    if magnitude == 0 {
        return Some(0.0);
    }
    let bits = (u128::BITS - magnitude.leading_zeros()) as i32;
    // The exponent of the result's lowest bit.
    let unit = (bits + exponent - 53).max(FLOOR);
    let drop = unit - exponent;
    let mut mantissa = match u32::try_from(drop) {
        Err(_) => (magnitude << -drop) as u64,
        // Less than half of the smallest subnormal.
        Ok(drop) if drop > u128::BITS => 0,
        Ok(0) => magnitude as u64,
        Ok(drop) => {
            let kept = magnitude.checked_shr(drop).unwrap_or(0) as u64;
            let half = 1 << (drop - 1);
            let rest = magnitude & (half | (half - 1));
            kept + u64::from(rest > half || (rest == half && kept & 1 == 1))
        }
    };
    let mut unit = unit;
    if mantissa == 1 << 53 {
        (mantissa, unit) = (1 << 52, unit + 1);
    }
    if mantissa == 0 {
        return Some(0.0);
    }
    let normal = mantissa >= 1 << 52;
    let biased = if normal { unit + 1075 } else { 0 };
    if biased >= 0x7ff {
        return None;
    }
    let sign = u64::from(negative) << 63;
    Some(f64::from_bits(sign | (biased as u64) << 52 | (mantissa & ((1 << 52) - 1))))
}

/// The nearest double of `numerator / denominator * 2^exponent`, ties to even, never `-0.0`. `None`
/// beyond the largest double. The denominator is not zero.
pub fn ratio_to_f64(numerator: &BigInt, denominator: &BigUint, exponent: i32) -> Option<f64> {
    /// Bits of the quotient: so many more than 53 that its lowest bit never decides a tie and can
    /// stand for the remainder.
    const BITS: i64 = 96;

    if numerator.is_zero() {
        return Some(0.0);
    }
    let magnitude = numerator.magnitude();
    let missing = BITS + denominator.bits() as i64 - magnitude.bits() as i64;
    let up = missing.max(0);
    let scaled = magnitude << up as u64;
    let quotient = &scaled / denominator;
    let mut rest = &quotient * denominator != scaled;
    // A quotient of two long numbers may still be long.
    let down = quotient.bits().saturating_sub(u64::from(u128::BITS));
    rest |= quotient.trailing_zeros().is_some_and(|zeros| zeros < down);
    let head = u128::try_from(&quotient >> down).expect("invariant: shifted down to 128 bits");
    let exponent = i64::from(exponent) - up + down as i64;
    nearest(
        numerator.sign() == Sign::Minus,
        head | u128::from(rest),
        // Far beyond either end of the doubles, and far from the end of the integer.
        exponent.clamp(-1_000_000, 1_000_000) as i32,
    )
}

/// The nearest double of the decimal `unscaled / 10^scale`, ties to even.
pub fn decimal_to_f64(unscaled: i128, scale: i8) -> f64 {
    /// 10^22 is the largest power of ten that is a double.
    const EXACT_POWER: i8 = 22;
    const EXACT_WHOLE: u128 = 1 << 53;

    if unscaled.unsigned_abs() <= EXACT_WHOLE && (0..=EXACT_POWER).contains(&scale) {
        // Both are doubles, so the division rounds once. Powers of ten as a product are exact here.
        let power = (0..scale).fold(1.0, |power, _| power * 10.0);
        return unscaled as f64 / power;
    }
    scaled_to_f64(&unscaled.into(), 0, scale).expect("invariant: 2^127 * 10^128 is a double")
}

/// The nearest double of `mantissa * 2^exponent / 10^scale`.
pub(crate) fn scaled_to_f64(mantissa: &BigInt, exponent: i32, scale: i8) -> Option<f64> {
    let power = power_of_ten(u32::from(scale.unsigned_abs()));
    if scale < 0 {
        ratio_to_f64(&(mantissa * BigInt::from(power)), &BigUint::one(), exponent)
    } else {
        ratio_to_f64(mantissa, &power, exponent)
    }
}

/// `10^power`
pub(crate) fn power_of_ten(power: u32) -> BigUint {
    BigUint::from(10_u32).pow(power)
}
