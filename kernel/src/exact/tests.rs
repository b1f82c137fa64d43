//! The exact sum against Python's `math.fsum` and against whole numbers of any size.

use num_bigint::{BigInt, BigUint};
use num_traits::Signed;
use proptest::prelude::*;

use super::*;
use crate::laws::doubles;

fn sum_of(values: &[f64]) -> Exact {
    let mut sum = Exact::default();
    for x in values {
        sum.add(*x);
    }
    sum
}

fn bytes(sum: &Exact) -> Vec<u8> {
    let mut out = Vec::new();
    sum.encode(&mut out);
    out
}

/// The sum in units of 2^-2148, by another road.
fn oracle(values: &[f64]) -> BigInt {
    values.iter().map(|x| whole(*x) << 1074).sum()
}

/// A double in units of 2^-1074, by repeated exact doubling.
fn whole(x: f64) -> BigInt {
    let (mut x, mut halvings) = (x, 0);
    while x.fract().to_bits() << 1 != 0 || x.abs() < 1.0 && x.to_bits() << 1 != 0 {
        x *= 2.0;
        halvings += 1;
    }
    let magnitude: BigInt = format!("{x:.0}").parse().unwrap();
    (magnitude << 1074) >> halvings
}

fn units(sum: &Exact) -> BigInt {
    let (mantissa, exponent) = sum.parts();
    mantissa << (exponent + 2148)
}

/// Checks a rounding by its definition: no double is nearer, and a tie has an even mantissa.
fn is_nearest(exact: &BigInt, rounded: Option<f64>) -> bool {
    // One step beyond the largest double stands for overflow.
    let ordinal = |x: f64| (x.to_bits() & (u64::MAX >> 1)).cast_signed() * if x < 0.0 { -1 } else { 1 };
    let of = |ordinal: i64| -> BigInt {
        match ordinal.unsigned_abs() {
            0x7ff0_0000_0000_0000 => (BigInt::from(1) << (2148 + 1024)) * ordinal.signum(),
            bits => (whole(f64::from_bits(bits)) * ordinal.signum()) << 1074,
        }
    };
    let beyond = if exact.is_negative() { -0x7ff0_0000_0000_0000 } else { 0x7ff0_0000_0000_0000 };
    let here = rounded.map_or(beyond, ordinal);
    let error = (of(here) - exact).abs();
    let beside = |other: i64| {
        if other.unsigned_abs() > 0x7ff0_0000_0000_0000 {
            return true;
        }
        let its = (of(other) - exact).abs();
        error < its || (error == its && here & 1 == 0)
    };
    (rounded.is_none() && exact.abs() > of(0x7ff0_0000_0000_0000)) || (beside(here - 1) && beside(here + 1))
}

#[test]
fn a_sum_needs_three_words() {
    assert_eq!(size_of::<Exact>(), 24);
}

#[test]
fn cancelling_leaves_the_default() {
    let mut sum = sum_of(&[1e308, 5e-324, -1e308]);
    assert_eq!(sum.round(), Some(5e-324));
    sum.subtract(5e-324);
    assert_eq!(sum, Exact::default());
    assert_eq!(bytes(&sum), bytes(&Exact::default()));
    assert!(sum.is_zero());
}

#[test]
fn only_the_rounding_overflows() {
    let mut sum = sum_of(&[f64::MAX, f64::MAX]);
    assert_eq!(sum.round(), None);
    sum.add(f64::MIN);
    assert_eq!(sum.round(), Some(f64::MAX));
    let half_an_ulp = 2_f64.powi(970);
    assert_eq!(sum_of(&[f64::MAX, half_an_ulp]).round(), None);
    assert_eq!(sum_of(&[f64::MAX, half_an_ulp, -5e-324]).round(), Some(f64::MAX));
}

#[test]
fn fifty_prices_take_few_bytes() {
    let prices: Vec<f64> = (0..50).map(|i| f64::from(i * 7919 % 100_000) / 100.0).collect();
    assert!(bytes(&sum_of(&prices)).len() <= 14);
    assert_eq!(sum_of(&prices).heap_size(), 0);
    assert_eq!(bytes(&sum_of(&[3.0])), [13]);
    assert_eq!([12.34, -0.001, 999.5].map(|price| bytes(&sum_of(&[price])).len()), [3, 2, 4]);
}

#[test]
fn bytes_that_are_not_in_lowest_terms_are_refused() {
    let refused = |bytes: &[u8]| Exact::decode(&mut Reader::new(bytes)).is_err();
    assert!(!refused(&[1 << 2, 0x8b, 1, 3]), "3/2^70");
    assert!(refused(&[1 << 2, 1, 3]), "1.5 in the long form");
    assert!(!refused(&[0, 15 << 3 | 1]) && refused(&[0, 0xb2, 9]), "1.5 and 1.50");
    assert!(refused(&[0, 3 << 3]), "a whole number as one of few decimals");
    assert!(refused(&[1 << 2, 1, 2]), "an even mantissa");
    assert!(refused(&[1 << 2, 0, 3]), "a small whole number in the long form");
    assert!(refused(&[2 << 2, 1, 3, 0]), "a leading zero");
    assert!(refused(&[0, 1]), "no mantissa");
    let mut far = vec![1 << 2];
    put_zigzag(&mut far, 1 << 20);
    far.push(1);
    assert!(refused(&far), "an exponent out of range");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_sum_is_the_number_that_big_integers_give(values in prop::collection::vec(doubles(), 0..24)) {
        let (sum, expected) = (sum_of(&values), oracle(&values));
        prop_assert_eq!(units(&sum), expected.clone());
        prop_assert!(is_nearest(&expected, sum.round()), "{:?}", sum.round());
    }

    #[test]
    fn any_tiling_of_any_permutation_has_the_same_bytes(
        values in prop::collection::vec((doubles(), any::<u32>(), 0_usize..4), 0..32)
    ) {
        let expected = sum_of(&values.iter().map(|(x, ..)| *x).collect::<Vec<_>>());
        let mut shuffled = values;
        shuffled.sort_by_key(|(_, key, _)| *key);
        let mut tiles: [Exact; 4] = Default::default();
        for (x, _, tile) in &shuffled {
            tiles[*tile].add(*x);
        }
        let mut sum = Exact::default();
        for tile in &tiles {
            sum.merge(tile);
        }
        prop_assert_eq!(&sum, &expected);
        prop_assert_eq!(bytes(&sum), bytes(&expected));
        prop_assert_eq!(sum.round().map(f64::to_bits), expected.round().map(f64::to_bits));
        prop_assert_eq!(Exact::decode(&mut Reader::new(&bytes(&sum))), Ok(expected));
        for tile in &tiles {
            sum.unmerge(tile);
        }
        prop_assert_eq!(sum, Exact::default());
    }

    #[test]
    fn sums_of_prices_come_back(prices in prop::collection::vec((-1_000_000_i64..1_000_000, 0_i32..5), 0..4)) {
        let prices: Vec<f64> = prices.iter().map(|(units, digits)| *units as f64 / 10_f64.powi(*digits)).collect();
        let sum = sum_of(&prices);
        prop_assert_eq!(Exact::decode(&mut Reader::new(&bytes(&sum))), Ok(sum.clone()));
        prop_assert_eq!(units(&sum), oracle(&prices));
    }

    #[test]
    fn products_of_doubles_are_exact(pairs in prop::collection::vec((doubles(), doubles()), 0..12)) {
        let mut sum = Exact::default();
        for (x, y) in &pairs {
            sum.add_product(*x, *y);
        }
        let expected: BigInt = pairs.iter().map(|(x, y)| whole(*x) * whole(*y)).sum();
        prop_assert_eq!(units(&sum), expected);
        prop_assert_eq!(Exact::decode(&mut Reader::new(&bytes(&sum))), Ok(sum));
    }

    #[test]
    fn products_of_whole_numbers_are_exact(
        pairs in prop::collection::vec((any::<i128>(), any::<i128>(), 0_u32..127), 0..12)
    ) {
        let mut sum = Exact::default();
        let mut expected = BigInt::ZERO;
        for (x, y, narrow) in pairs {
            let (x, y) = (x >> narrow, y >> narrow);
            sum.add_integer_product(x, y);
            sum.add_integer(x);
            expected += BigInt::from(x) * BigInt::from(y) + x;
        }
        prop_assert_eq!(sum.to_integer(), i128::try_from(&expected).ok());
        prop_assert_eq!(units(&sum), expected << 2148);
        prop_assert_eq!(Exact::decode(&mut Reader::new(&bytes(&sum))), Ok(sum));
    }

    #[test]
    fn a_ratio_is_rounded_once(numerator: i128, denominator in 1_u128.., exponent in -1200_i32..1200) {
        let rounded = ratio_to_f64(&numerator.into(), &denominator.into(), exponent);
        // What this cuts off is too little to hide which side of a tie the ratio lies on: its
        // distance from one is no less than 2^-1075 over the denominator.
        let exact = (BigInt::from(numerator) << (2148 + exponent)) / BigInt::from(denominator);
        prop_assert!(is_nearest(&exact, rounded), "{:?}", rounded);
    }

    #[test]
    fn a_decimal_is_read_as_its_text_is(unscaled: i128, narrow in 0_u32..127, scale in 0_i8..39) {
        let unscaled = unscaled >> narrow;
        let text = format!("{unscaled}e-{scale}");
        prop_assert_eq!(decimal_to_f64(unscaled, scale).to_bits(), (text.parse::<f64>().unwrap() + 0.0).to_bits());
    }

    #[test]
    fn whatever_is_read_is_written_the_same(noise in crate::laws::noise()) {
        let mut reader = Reader::new(&noise);
        if let Ok(sum) = Exact::decode(&mut reader) {
            prop_assert_eq!(bytes(&sum), &noise[..noise.len() - reader.remaining()]);
        }
    }
}

#[test]
fn a_tie_of_a_ratio_goes_to_the_even_neighbour() {
    let ratio = |numerator: i128| ratio_to_f64(&numerator.into(), &BigUint::from(2_u32), 0);
    let whole = (1_i128 << 53) + 1;
    assert_eq!(ratio(2 * whole), Some(9_007_199_254_740_992.0));
    assert_eq!(ratio(2 * whole + 1), Some(9_007_199_254_740_994.0));
}

#[test]
fn a_grain_beside_a_tie_of_a_ratio_decides_it() {
    let denominator = BigUint::from(3_u32).pow(80);
    let tie = ((BigInt::from(1) << 53) + 1) * BigInt::from(denominator.clone());
    let ratio = |grain: i32| ratio_to_f64(&(&tie + grain), &denominator, 0);
    assert_eq!(ratio(-1), Some(9_007_199_254_740_992.0));
    assert_eq!(ratio(0), Some(9_007_199_254_740_992.0));
    assert_eq!(ratio(1), Some(9_007_199_254_740_994.0));
}

#[test]
fn limbs_are_given_back_when_they_are_needed_no_more() {
    let mut sum = sum_of(&[1.0, 1e-300]);
    assert!(sum.heap_size() > 0);
    sum.unmerge(&sum_of(&[1e-300]));
    assert_eq!(sum.heap_size(), 0);
    let mut wide = sum_of(&[1e300, 1e-300]);
    wide.merge(&sum_of(&[-1e300]));
    assert_eq!(wide.heap_size(), 0);
}
