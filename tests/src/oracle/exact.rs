//! Exact numbers and their one rounding: integers, fractions, and the nearest double.

use num_bigint::{BigInt, BigUint, Sign};
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

/// The exact value of a finite double.
pub(super) fn exact(x: f64) -> BigRational {
    let bits = x.to_bits();
    let biased = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    // A subnormal has no hidden bit and the exponent of the smallest normal.
    let (mantissa, exponent) =
        if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
    let mantissa =
        BigInt::from_biguint(if bits >> 63 == 1 { Sign::Minus } else { Sign::Plus }, mantissa.into());
    if exponent >= 0 {
        BigRational::from_integer(mantissa << exponent)
    } else {
        BigRational::new(mantissa, BigInt::one() << -exponent)
    }
}

/// The double nearest to `x`, ties to even; `None` where that is beyond every finite double.
pub(super) fn nearest(x: &BigRational) -> Option<f64> {
    if x.is_zero() {
        return Some(0.0);
    }
    let (n, d): (&BigUint, &BigUint) = (x.numer().magnitude(), x.denom().magnitude());
    // The quotient has 53 or 54 bits at this weight of its last bit; one step more makes it 53.
    let mut weight = (n.bits() as i64 - d.bits() as i64 - 53).max(-1074);
    let (mut quotient, mut rest, mut unit) = divide(n, d, weight);
    if quotient.bits() > 53 {
        weight += 1;
        (quotient, rest, unit) = divide(n, d, weight);
    }
    let mut mantissa = quotient.to_u64()?;
    let twice = rest << 1_u32;
    if twice > unit || (twice == unit && mantissa % 2 == 1) {
        mantissa += 1;
    }
    if mantissa == 1 << 53 {
        mantissa = 1 << 52;
        weight += 1;
    }
    // Below 2^52 the number is subnormal and its bits are the mantissa itself.
    let biased = if mantissa < 1 << 52 { 0 } else { weight + 1075 };
    if biased >= 2047 {
        return None;
    }
    let magnitude = f64::from_bits((biased as u64) << 52 | mantissa & ((1 << 52) - 1));
    Some(if x.is_negative() { -magnitude } else { magnitude })
}

/// Quotient, remainder and divisor of `n / (d * 2^weight)`.
fn divide(n: &BigUint, d: &BigUint, weight: i64) -> (BigUint, BigUint, BigUint) {
    let (n, d) =
        if weight >= 0 { (n.clone(), d << weight as u64) } else { (n << weight.unsigned_abs(), d.clone()) };
    (&n / &d, &n % &d, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(xs: &[f64]) -> Option<f64> {
        nearest(&xs.iter().map(|x| exact(*x)).sum())
    }

    #[test]
    fn every_double_is_its_own_nearest() {
        for x in [
            0.1,
            -0.1,
            1.0,
            5e-324,
            -5e-324,
            f64::MIN_POSITIVE,
            f64::MAX,
            f64::MIN,
            1e16,
            2f64.powi(-1022) - 5e-324,
        ] {
            assert_eq!(nearest(&exact(x)).map(f64::to_bits), Some(x.to_bits()), "{x:e}");
        }
    }

    #[test]
    fn sums_are_rounded_once_to_nearest_even() {
        // Ten tenths: each is 0.1000000000000000055…, so the exact sum is 1.00000000000000005551, nearest 1.
        assert_eq!(sum(&[0.1; 10]), Some(1.0));
        assert_eq!(sum(&[1e308, 1.0, -1e308]), Some(1.0));
        // 2^53 + 1 is a tie and goes to the even 2^53; a little more goes up.
        assert_eq!(sum(&[9_007_199_254_740_992.0, 1.0]), Some(9_007_199_254_740_992.0));
        assert_eq!(sum(&[9_007_199_254_740_992.0, 1.0, 5e-324]), Some(9_007_199_254_740_994.0));
        // 2^53 + 3 is a tie between +2 and +4: even is +4.
        assert_eq!(sum(&[9_007_199_254_740_992.0, 3.0]), Some(9_007_199_254_740_996.0));
        assert_eq!(sum(&[f64::MAX, f64::MAX]), None);
        // Half a unit above the greatest double rounds beyond it, less than half does not.
        assert_eq!(sum(&[f64::MAX, 2f64.powi(970)]), None);
        assert_eq!(sum(&[f64::MAX, 2f64.powi(969)]), Some(f64::MAX));
        assert_eq!(sum(&[5e-324, 5e-324]), Some(1e-323));
    }

    #[test]
    fn fractions_round_to_nearest() {
        let third = BigRational::new(1.into(), 3.into());
        assert_eq!(nearest(&third), Some(1.0 / 3.0));
        assert_eq!(nearest(&-third), Some(-1.0 / 3.0));
        // A quarter of the smallest double is nearer to zero; three quarters are nearer to it.
        let tiny = exact(5e-324);
        assert_eq!(nearest(&(&tiny / BigRational::from_integer(4.into()))), Some(0.0));
        assert_eq!(nearest(&(&tiny * BigRational::new(3.into(), 4.into()))), Some(5e-324));
    }
}
