//! Exact sums: a number that is never rounded until somebody asks.
//!
//! ```text
//!  add, add_product, add_integer ──► Exact ──round──► the nearest f64, ties to even
//!                                     │ ▲
//!                                merge│ │unmerge: any order, any grouping, the same number
//! ```
//!
//! An [`Exact`] is a whole number times a power of two, wide enough for any number of doubles,
//! products of two doubles, 64-bit integers, decimals and products of decimals. Addition of such
//! numbers has no error, so the sum depends on what was added and not on the order, and adding can be
//! undone. Python's `math.fsum` gives the same doubles.
//!
//! Most sums fit 127 bits around one exponent, which is the small form: an add is a shift and an
//! integer addition. Others are promoted to a fixed array of limbs. Which form a sum is in shows
//! neither in comparisons nor in bytes: both speak of the number.
//!
//! ```
//! use feat_kernel::exact::Exact;
//!
//! let mut sum = Exact::default();
//! for x in [1e100, 1.0, -1e100, 0.1] {
//!     sum.add(x);
//! }
//! assert_eq!(sum.round(), Some(1.1));
//! ```

mod limbs;
mod nearest;
mod small;

use num_bigint::{BigInt, Sign};

use crate::codec::{CodecError, Reader, put_varint, put_zigzag, short};
use limbs::Limbs;
pub use nearest::{decimal_to_f64, ratio_to_f64};
pub(crate) use nearest::{power_of_ten, scaled_to_f64};
use small::{Small, aligned_sum, odd, parts_of, shifted};

/// An exact real sum. The default is zero.
///
/// Cost: 24 bytes, and 544 more on the heap while the sum needs more than 127 bits; an add of a double
/// is a few nanoseconds in either form. Two are equal when their numbers are.
#[derive(Clone, Debug)]
pub struct Exact {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// A [`Small`], its mantissa in two halves: an i128 would align every state to 16 bytes, and a
    /// struct in here would keep its padding from the enum's tag.
    Small {
        low: u64,
        high: i64,
        exponent: i16,
    },
    Big(Box<Limbs>),
}

/// A [`Form`] as it is read.
enum View<'a> {
    Small(Small),
    Big(&'a Limbs),
}

impl Default for Exact {
    fn default() -> Self {
        Self::small((0, 0))
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        match (self.view(), other.view()) {
            (View::Small(a), View::Small(b)) => a.lowest() == b.lowest(),
            (View::Big(a), View::Big(b)) => a == b,
            (View::Small(small), View::Big(big)) | (View::Big(big), View::Small(small)) => {
                *big == Limbs::from_small(small.mantissa, small.exponent)
            }
        }
    }
}

impl Eq for Exact {}

impl Exact {
    /// Adds a finite double.
    #[inline]
    pub fn add(&mut self, x: f64) {
        let (mantissa, exponent) = parts_of(x);
        self.add_narrow(mantissa, exponent);
    }

    /// Undoes [`Exact::add`].
    #[inline]
    pub fn subtract(&mut self, x: f64) {
        self.add(-x);
    }

    /// Adds a whole number.
    #[inline]
    pub fn add_integer(&mut self, x: i128) {
        match i64::try_from(x) {
            Ok(x) => self.add_narrow(x, 0),
            Err(_) => self.add_wide(x, 0),
        }
    }

    /// Adds the exact product of two finite doubles: 106 bits, so nothing is lost, underflows or
    /// overflows.
    #[inline]
    pub fn add_product(&mut self, x: f64, y: f64) {
        let ((a, a_exponent), (b, b_exponent)) = (parts_of(x), parts_of(y));
        self.add_wide(i128::from(a) * i128::from(b), a_exponent + b_exponent);
    }

    /// Adds the exact product of two whole numbers.
    #[inline]
    pub fn add_integer_product(&mut self, x: i128, y: i128) {
        if let (Ok(x), Ok(y)) = (i64::try_from(x), i64::try_from(y)) {
            return self.add_wide(i128::from(x) * i128::from(y), 0);
        }
        let negative = (x < 0) != (y < 0);
        let halves = |x: i128| {
            let magnitude = x.unsigned_abs();
            (magnitude & u128::from(u64::MAX), magnitude >> 64)
        };
        let ((x_low, x_high), (y_low, y_high)) = (halves(x), halves(y));
        self.add_magnitude(negative, x_low * y_low, 0);
        self.add_magnitude(negative, x_low * y_high, 64);
        self.add_magnitude(negative, x_high * y_low, 64);
        self.add_magnitude(negative, x_high * y_high, 128);
    }

    /// Adds another sum.
    #[inline]
    pub fn merge(&mut self, from: &Self) {
        match from.view() {
            View::Small(small) => self.add_wide(small.mantissa, small.exponent),
            View::Big(big) => self.big().add_all(big),
        }
        self.settle();
    }

    /// Undoes [`Exact::merge`].
    #[inline]
    pub fn unmerge(&mut self, from: &Self) {
        match from.view() {
            View::Small(small) => {
                let mantissa = small.mantissa;
                self.add_magnitude(mantissa >= 0, mantissa.unsigned_abs(), small.exponent);
            }
            View::Big(big) => self.big().subtract_all(big),
        }
        self.settle();
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        match self.view() {
            View::Small(small) => small.mantissa == 0,
            View::Big(big) => big.is_zero(),
        }
    }

    /// The nearest double, ties to even, never `-0.0`. `None` if that is beyond the largest double.
    pub fn round(&self) -> Option<f64> {
        match self.view() {
            View::Small(small) => {
                let mantissa = small.mantissa;
                nearest::nearest(mantissa < 0, mantissa.unsigned_abs(), small.exponent)
            }
            View::Big(big) => big.round(),
        }
    }

    /// The number itself, where it is whole and fits.
    pub fn to_integer(&self) -> Option<i128> {
        let (mantissa, exponent) = match self.view() {
            View::Small(small) => small.lowest(),
            View::Big(big) => big.to_small()?,
        };
        shifted(mantissa, exponent)
    }

    /// The number as `mantissa * 2^exponent`, in lowest terms.
    pub fn parts(&self) -> (BigInt, i32) {
        match self.view() {
            View::Small(small) => {
                let (mantissa, exponent) = small.lowest();
                (mantissa.into(), exponent)
            }
            View::Big(big) => {
                let (negative, bytes, exponent) = big.lowest();
                let sign = if negative { Sign::Minus } else { Sign::Plus };
                (BigInt::from_bytes_le(sign, &bytes), exponent)
            }
        }
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        match self.view() {
            View::Small(_) => 0,
            View::Big(_) => size_of::<Limbs>(),
        }
    }

    /// Appends the number's canonical bytes.
    ///
    /// Shape: whole numbers in `[-2^62, 2^62)` are one varint, `zigzag * 2 + 1`. A number that is a float
    /// of few decimals is a 0 and the varint that names it ([`codec::short`](crate::codec)). Others are the
    /// varint `(length * 2 + negative) * 2`, the exponent as a zigzag varint, and the magnitude of the odd
    /// mantissa, `length` bytes with the lowest first. Fifty prices take about 11 bytes, one 4, a count 1.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (mantissa, exponent) = match self.view() {
            View::Small(small) => small.lowest(),
            View::Big(big) => {
                let Some(parts) = big.to_small() else {
                    let (negative, bytes, exponent) = big.lowest();
                    return put_long(out, negative, &bytes, exponent);
                };
                parts
            }
        };
        if let Some(whole) = brief(mantissa, exponent) {
            put_varint(out, whole);
        } else if let Some(named) = named(mantissa, exponent) {
            out.push(0);
            put_varint(out, named);
        } else {
            put_long(out, mantissa < 0, &mantissa.unsigned_abs().to_le_bytes(), exponent);
        }
    }

    /// Reads what [`Exact::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        const INVALID: CodecError = CodecError::Invalid { what: "exact sum" };
        let head = from.varint()?;
        if head & 1 == 1 {
            let folded = head >> 1;
            let whole = (folded >> 1) as i64 ^ -((folded & 1) as i64);
            return Ok(Self::small((whole.into(), 0)));
        }
        if head == 0 {
            let mut number = Self::default();
            number.add(from.short()?);
            return if number.to_integer().is_none() { Ok(number) } else { Err(INVALID) };
        }
        let negative = head & 2 != 0;
        let length = usize::try_from(head >> 2).map_err(|_| INVALID)?;
        let exponent = i32::try_from(from.zigzag()?).map_err(|_| INVALID)?;
        let bytes = from.take(length)?;
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return Err(INVALID) };
        if first & 1 == 0 || *last == 0 {
            return Err(INVALID);
        }
        if let Some(magnitude) = small_magnitude(bytes) {
            let mantissa = if negative { -magnitude } else { magnitude };
            let bits = (i128::BITS - magnitude.leading_zeros()) as i32;
            let brief = brief(mantissa, exponent).or_else(|| named(mantissa, exponent));
            let canonical = limbs::holds(bits, exponent) && brief.is_none();
            return if canonical { Ok(Self::small((mantissa, exponent))) } else { Err(INVALID) };
        }
        let limbs = Limbs::from_bytes(negative, bytes, exponent).ok_or(INVALID)?;
        Ok(Self { form: Form::Big(Box::new(limbs)) })
    }

    #[inline]
    fn small((mantissa, exponent): (i128, i32)) -> Self {
        let (low, high) = (mantissa as u64, (mantissa >> 64) as i64);
        Self { form: Form::Small { low, high, exponent: exponent as i16 } }
    }

    #[inline]
    fn view(&self) -> View<'_> {
        match &self.form {
            Form::Small { low, high, exponent } => View::Small(Small {
                mantissa: (i128::from(*high) << 64) | i128::from(*low),
                exponent: i32::from(*exponent),
            }),
            Form::Big(big) => View::Big(big),
        }
    }

    #[inline]
    fn add_narrow(&mut self, mantissa: i64, exponent: i32) {
        if let View::Small(small) = self.view() {
            let by = exponent - small.exponent;
            // A shift by less than 64 keeps any i64 within an i128.
            if (0..64).contains(&by)
                && let Some(sum) = small.mantissa.checked_add(i128::from(mantissa) << by)
            {
                *self = Self::small((sum, small.exponent));
                return;
            }
        }
        self.add_wide(mantissa.into(), exponent);
    }

    #[inline]
    fn add_wide(&mut self, mantissa: i128, exponent: i32) {
        if mantissa == 0 {
            return;
        }
        let View::Small(small) = self.view() else {
            return self.big().add(mantissa < 0, mantissa.unsigned_abs(), exponent);
        };
        if small.mantissa == 0 {
            *self = Self::small((mantissa, exponent));
            return;
        }
        let sum = aligned_sum((small.mantissa, small.exponent), (mantissa, exponent))
            .or_else(|| aligned_sum(small.lowest(), odd(mantissa, exponent)));
        match sum {
            Some(sum) => *self = Self::small(sum),
            None => self.big().add(mantissa < 0, mantissa.unsigned_abs(), exponent),
        }
    }

    #[inline]
    fn add_magnitude(&mut self, negative: bool, magnitude: u128, exponent: i32) {
        match i128::try_from(magnitude) {
            Ok(magnitude) => self.add_wide(if negative { -magnitude } else { magnitude }, exponent),
            Err(_) => self.big().add(negative, magnitude, exponent),
        }
    }

    fn big(&mut self) -> &mut Limbs {
        if let View::Small(small) = self.view() {
            self.form = Form::Big(Box::new(Limbs::from_small(small.mantissa, small.exponent)));
        }
        match &mut self.form {
            Form::Big(big) => big,
            Form::Small { .. } => panic!("invariant: promoted above"),
        }
    }

    /// Gives the limbs back once the number needs them no more.
    #[inline]
    fn settle(&mut self) {
        if let Form::Big(big) = &self.form
            && let Some((mantissa, exponent)) = big.to_small()
        {
            *self = Self::small((mantissa, exponent));
        }
    }
}

/// The one-varint form of a whole number in `[-2^62, 2^62)`.
fn brief(mantissa: i128, exponent: i32) -> Option<u64> {
    const LIMIT: i64 = 1 << 62;
    let whole = i64::try_from(shifted(mantissa, exponent)?).ok()?;
    (-LIMIT..LIMIT).contains(&whole).then_some((((whole << 1) ^ (whole >> 63)) as u64) << 1 | 1)
}

/// The short form of a number, in lowest terms, that is a float of few decimals.
fn named(mantissa: i128, exponent: i32) -> Option<u64> {
    let mantissa = i64::try_from(mantissa).ok().filter(|mantissa| mantissa.unsigned_abs() < 1 << 53)?;
    // Floats of few decimals are no finer than this, and the product is exact.
    let power = (-64..0).contains(&exponent).then(|| f64::from_bits(((1023 + exponent) as u64) << 52))?;
    short(mantissa as f64 * power)
}

fn put_long(out: &mut Vec<u8>, negative: bool, bytes: &[u8], exponent: i32) {
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    put_varint(out, (length as u64) << 2 | u64::from(negative) << 1);
    put_zigzag(out, i64::from(exponent));
    out.extend_from_slice(&bytes[..length]);
}

/// Little-endian bytes as the magnitude of a small mantissa, if they fit one.
fn small_magnitude(bytes: &[u8]) -> Option<i128> {
    let mut wide = [0; 16];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    i128::try_from(u128::from_le_bytes(wide)).ok()
}

#[cfg(test)]
#[path = "exact/tests.rs"]
mod tests;
