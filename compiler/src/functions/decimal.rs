//! Decimals beside other numbers, exactly.

use std::cmp::Ordering;

use arrow::datatypes::i256;
use num_bigint::BigInt;

/// `10^0` to `10^22`: the powers of ten that are exact as floats.
const EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// `10^exponent` as a float, for `exponent` in `0..=22`.
pub(super) fn power_of_ten(exponent: u32) -> f64 {
    EXACT[exponent as usize]
}

/// The float that is nearest to `unscaled / 10^scale`.
pub(crate) fn to_float(unscaled: i128, scale: i8) -> f64 {
    if unscaled.unsigned_abs() <= 1 << 53 && (0..=22).contains(&scale) {
        // Both sides are exact, so the quotient is rounded once.
        return unscaled as f64 / EXACT[scale as usize];
    }
    // The standard library's parser rounds correctly whatever the number of digits.
    format!("{unscaled}e{}", -i32::from(scale)).parse().unwrap_or(0.0)
}

/// Compares two decimals as numbers.
pub(super) fn compare(a: i128, a_scale: i8, b: i128, b_scale: i8) -> Ordering {
    // 38 digits shifted by 38 places are below 2^255.
    let ten = i256::from_i128(10);
    let shift = |x: i128, by: i8| (0..by.max(0)).fold(i256::from_i128(x), |x, _| x.wrapping_mul(ten));
    let scale = a_scale.max(b_scale);
    shift(a, scale - a_scale).cmp(&shift(b, scale - b_scale))
}

/// Compares a decimal with a finite float as numbers.
pub(super) fn compare_float(unscaled: i128, scale: i8, float: f64) -> Ordering {
    let nearest = to_float(unscaled, scale);
    // Rounding keeps order: only where the nearest float is the other one may the numbers differ.
    match nearest.total_cmp(&(float + 0.0)) {
        Ordering::Equal => exact(unscaled, scale, float),
        unequal => unequal,
    }
}

/// Compares an integer with a finite float as numbers.
pub(super) fn compare_int(int: i64, float: f64) -> Ordering {
    match (int as f64).total_cmp(&(float + 0.0)) {
        // The float is a whole number of at most 2^63, which 128 bits hold.
        Ordering::Equal => i128::from(int).cmp(&(float as i128)),
        unequal => unequal,
    }
}

fn exact(unscaled: i128, scale: i8, float: f64) -> Ordering {
    let bits = float.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let biased = (bits >> 52) & 0x7ff;
    let (mantissa, exponent) =
        if biased == 0 { (fraction, -1074) } else { (fraction | (1 << 52), biased as i32 - 1075) };
    let signed = BigInt::from(mantissa) * if float < 0.0 { -1 } else { 1 };
    let (mut left, mut right) = (BigInt::from(unscaled), signed);
    if scale > 0 {
        right *= BigInt::from(10).pow(scale.unsigned_abs().into());
    } else {
        left *= BigInt::from(10).pow(scale.unsigned_abs().into());
    }
    if exponent > 0 {
        right <<= exponent.unsigned_abs();
    } else {
        left <<= exponent.unsigned_abs();
    }
    left.cmp(&right)
}

/// `unscaled` with `places` more digits behind the point; `None` beyond 128 bits.
pub(super) fn shift(unscaled: i128, places: u32) -> Option<i128> {
    unscaled.checked_mul(10_i128.checked_pow(places)?)
}

/// `unscaled` without its last `places` digits, halves away from zero.
pub(super) fn round_off(unscaled: i128, places: u32) -> i128 {
    let Some(unit) = 10_i128.checked_pow(places) else { return 0 };
    let (whole, rest) = (unscaled / unit, unscaled % unit);
    if rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2) && places > 0 {
        whole + unscaled.signum()
    } else {
        whole
    }
}

/// The unscaled integer at `scale` of the decimal number `text` writes; `None` when it is not a
/// number, has more digits behind the point than `scale`, or does not fit.
pub(super) fn parse(text: &str, scale: i8) -> Option<i128> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut digits = String::with_capacity(whole.len() + fraction.len());
    digits.push_str(whole);
    digits.push_str(fraction);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The point stands `places` digits from the right of `digits`.
    let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let mut missing = i32::from(scale).checked_sub(places)?;
    while missing < 0 && digits.ends_with('0') {
        digits.pop();
        missing += 1;
    }
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    if missing < 0 || digits.len() > 39 {
        return None;
    }
    let value = shift(digits.parse().ok()?, missing.unsigned_abs())?;
    Some(if negative { -value } else { value })
}

/// A decimal as text: `-0.05`, with exactly `scale` digits behind the point.
pub(super) fn to_text(unscaled: i128, scale: i8) -> String {
    let digits = unscaled.unsigned_abs().to_string();
    let sign = if unscaled < 0 { "-" } else { "" };
    let scale = scale.max(0).unsigned_abs() as usize;
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tenth_as_decimal_is_not_a_tenth_as_float() {
        // The float 0.1 is a little more than a tenth.
        assert_eq!(compare_float(1, 1, 0.1), Ordering::Less);
        assert_eq!(compare_float(5, 1, 0.5), Ordering::Equal);
        assert_eq!(compare_float(-1, 1, -0.1), Ordering::Greater);
        assert_eq!(compare_int((1 << 53) + 1, 9_007_199_254_740_992.0), Ordering::Greater);
        assert_eq!(compare_int(i64::MAX, 9_223_372_036_854_775_808.0), Ordering::Less);
        assert_eq!(compare_int(i64::MIN, -9_223_372_036_854_775_808.0), Ordering::Equal);
    }

    #[test]
    fn text_goes_both_ways() {
        assert_eq!(to_text(-5, 2), "-0.05");
        assert_eq!(parse("-0.050", 2), Some(-5));
        assert_eq!(parse("1.5e-3", 4), Some(15));
        assert_eq!(parse("1e3", 0), Some(1000));
        assert_eq!(parse("0.005", 2), None);
        assert_eq!(parse("1_000", 2), None);
        assert_eq!(parse("", 2), None);
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        assert_eq!([25, -25, 24, 15].map(|x| round_off(x, 1)), [3, -3, 2, 2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn decimals_compare_as_big_numbers(a in any::<i64>(), b in any::<i64>(), x in 0..19i8, y in 0..19i8) {
            let big = |v: i64, by: i8| BigInt::from(v) * BigInt::from(10).pow(by.unsigned_abs().into());
            prop_assert_eq!(compare(a.into(), x, b.into(), y), big(a, y).cmp(&big(b, x)));
        }

        #[test]
        fn floats_are_the_nearest(unscaled in any::<i64>(), scale in 0..30i8) {
            let text = to_text(unscaled.into(), scale);
            prop_assert_eq!(to_float(unscaled.into(), scale).to_bits(), (text.parse::<f64>().unwrap() + 0.0).to_bits());
            prop_assert_eq!(parse(&text, scale), Some(i128::from(unscaled)));
        }
    }
}
