//! Numbers as text, exactly: digits in, a whole number of a scale out, nothing rounded or cut off.

/// Why text is not a number of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It writes no number.
    Unreadable,
    /// It has more digits behind the point than the kind has, not all of them zeros.
    Fraction,
    /// The kind ends before it.
    TooLarge,
}

/// Every number of so few digits is a 64-bit integer.
const SHORT: usize = 18;

/// The integer that `text` writes; `5.0` and `1e2` are integers, too.
pub(super) fn int(text: &str) -> Result<i64, Unfit> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    if (1..=SHORT).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
        let size = digits.iter().fold(0, |size, digit| size * 10 + i64::from(digit - b'0'));
        return Ok(if digits.len() < text.len() { -size } else { size });
    }
    i64::try_from(scaled(text, 0)?).map_err(|_| Unfit::TooLarge)
}

/// The decimal of `precision` digits, `scale` of them behind the point, that `text` writes, without
/// the point.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Result<i128, Unfit> {
    let unscaled = scaled(text, scale)?;
    let end = 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
    if unscaled > -end && unscaled < end { Ok(unscaled) } else { Err(Unfit::TooLarge) }
}

/// The float nearest to what `text` writes; `NaN` and infinities as they are.
pub(super) fn float(text: &str) -> Result<f64, Unfit> {
    text.parse().map_err(|_| Unfit::Unreadable)
}

/// The number that `text` writes times ten to the power of `scale`, if that is a whole number.
fn scaled(text: &str, scale: i8) -> Result<i128, Unfit> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], exponent(&unsigned[at + 1..])?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let count = whole.len() + fraction.len();
    let digits = || whole.bytes().chain(fraction.bytes());
    if count == 0 || !digits().all(|digit| digit.is_ascii_digit()) {
        return Err(Unfit::Unreadable);
    }
    // How many zeros to append; below zero, how many digits to leave off.
    let shift = exponent.saturating_sub(fraction.len() as i64).saturating_add(i64::from(scale));
    let surplus = usize::try_from(shift.min(0).unsigned_abs()).unwrap_or(usize::MAX);
    let kept = count.saturating_sub(surplus);
    if digits().skip(kept).any(|digit| digit != b'0') {
        return Err(Unfit::Fraction);
    }
    let mut value: i128 = 0;
    for digit in digits().take(kept) {
        let next = value.checked_mul(10).and_then(|value| value.checked_add(i128::from(digit - b'0')));
        value = next.ok_or(Unfit::TooLarge)?;
    }
    let mut zeros = shift.max(0);
    while zeros > 0 && value != 0 {
        value = value.checked_mul(10).ok_or(Unfit::TooLarge)?;
        zeros -= 1;
    }
    Ok(if negative { -value } else { value })
}

/// What stands behind an `e`; beyond any number that matters, some such number.
fn exponent(text: &str) -> Result<i64, Unfit> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Unfit::Unreadable);
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
    Ok(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_int_is_what_has_no_fraction_however_it_is_written() {
        for (text, value) in [
            ("7", 7),
            ("-0", 0),
            ("+5", 5),
            ("5.", 5),
            ("1e2", 100),
            ("1.50E1", 15),
            ("1200e-2", 12),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("0e999999999999999999999", 0),
        ] {
            assert_eq!(int(text), Ok(value), "{text}");
        }
        for text in
            ["1.5", "-0.9", "5.0000000001", "1e-1", "1e-99999999999999999999", "0.99999999999999999999"]
        {
            assert_eq!(int(text), Err(Unfit::Fraction), "{text}");
        }
        for text in ["9223372036854775808", "9.3e18", "1e30", "1e99999999999999999999"] {
            assert_eq!(int(text), Err(Unfit::TooLarge), "{text}");
        }
        for text in ["", "-", ".", "e5", "1e", "1e+", "0x10", "1_000", "seven", "NaN", "1.2.3"] {
            assert_eq!(int(text), Err(Unfit::Unreadable), "{text}");
        }
    }

    #[test]
    fn a_decimal_keeps_every_digit_or_is_refused() {
        assert_eq!(decimal("1.5", 12, 2), Ok(150));
        assert_eq!(decimal("-1.500", 12, 2), Ok(-150));
        assert_eq!(decimal("1e2", 12, 2), Ok(10_000));
        assert_eq!(decimal("9999999999.99", 12, 2), Ok(999_999_999_999));
        assert_eq!(decimal("99999999999.99", 12, 2), Err(Unfit::TooLarge));
        for text in ["1.005", "1e-3", "-0.004", "12345678.905"] {
            assert_eq!(decimal(text, 12, 2), Err(Unfit::Fraction), "{text}");
        }
        let nines = "9".repeat(38);
        assert_eq!(decimal(&nines, 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(decimal(&format!("{nines}9"), 38, 0), Err(Unfit::TooLarge));
    }
}
