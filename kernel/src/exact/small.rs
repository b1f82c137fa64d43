//! The small form of an exact sum: a mantissa of 127 bits around one exponent.

/// `mantissa * 2^exponent`, not in lowest terms: the exponent stays at the lowest one seen, so that
/// the next add of a similar number needs no second shift.
#[derive(Clone, Copy)]
pub(super) struct Small {
    pub(super) mantissa: i128,
    pub(super) exponent: i32,
}

impl Small {
    /// The same number in lowest terms.
    pub(super) fn lowest(self) -> (i128, i32) {
        odd(self.mantissa, self.exponent)
    }
}

/// `mantissa * 2^exponent` with an odd mantissa; zero with exponent zero.
pub(super) fn odd(mantissa: i128, exponent: i32) -> (i128, i32) {
    if mantissa == 0 {
        return (0, 0);
    }
    let zeros = mantissa.trailing_zeros();
    (mantissa >> zeros, exponent + zeros as i32)
}

/// `mantissa << by`, none if bits fall off.
#[inline]
pub(super) fn shifted(mantissa: i128, by: i32) -> Option<i128> {
    let by = u32::try_from(by).ok().filter(|by| *by < i128::BITS)?;
    let result = mantissa << by;
    (result >> by == mantissa).then_some(result)
}

/// `a + b` with its exponent, none if it does not fit.
#[inline]
pub(super) fn aligned_sum((a, a_exponent): (i128, i32), (b, b_exponent): (i128, i32)) -> Option<(i128, i32)> {
    let exponent = a_exponent.min(b_exponent);
    let sum = shifted(a, a_exponent - exponent)?.checked_add(shifted(b, b_exponent - exponent)?)?;
    Some((sum, exponent))
}

/// A finite double as mantissa and exponent, the mantissa below 2^53.
#[inline]
pub(super) fn parts_of(x: f64) -> (i64, i32) {
    debug_assert!(x.is_finite(), "a value is finite");
    let bits = x.to_bits();
    let biased = ((bits >> 52) & 0x7ff) as i32;
    let fraction = (bits & ((1 << 52) - 1)) as i64;
    let mantissa = if biased == 0 { fraction } else { fraction | (1 << 52) };
    (if x.is_sign_negative() { -mantissa } else { mantissa }, biased.max(1) - 1075)
}
