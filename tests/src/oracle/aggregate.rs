//! Every aggregate by its definition: a fold over the rows of the window, which come in row order.

use std::collections::BTreeSet;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, ToPrimitive, Zero};

use super::exact::nearest;
use super::spec::Params;
use super::value::Val;

/// What an aggregate says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// A value, null among them.
    Value(Val),
    /// The value does not fit its type.
    Overflow,
}

/// The value of `name` over `rows`: for each row of the window that passed, its argument values.
///
/// Rows whose first argument is null are skipped by every aggregate, and by `ratio` those whose
/// second is. Panics on an aggregate that the definition does not know: a case has a typing error.
pub(super) fn aggregate(name: &str, params: &Params, ty: &str, rows: &[Vec<Val>]) -> Said {
    let rows: Vec<&[Val]> =
        rows.iter().filter(|row| row.iter().all(|value| !value.is_null())).map(Vec::as_slice).collect();
    let xs: Vec<&Val> = rows.iter().filter_map(|row| row.first()).collect();
    let ty = ty.trim_end_matches('?');
    let said = |value: Option<&Val>| Said::Value(value.map_or(Val::Null, Val::clone));
    let list = |values: &[&Val]| Said::Value(Val::List(values.iter().map(|&value| value.clone()).collect()));
    match name {
        "count" => Said::Value(Val::Int(rows.len() as i64)),
        "sum" => sum(&xs, ty),
        "avg" => match xs.len() {
            0 => Said::Value(Val::Null),
            n => float(nearest(&total(&xs)).map(|sum| sum / n as f64)),
        },
        "ratio" => {
            let under = total(&rows.iter().map(|row| &row[1]).collect::<Vec<_>>());
            if under.is_zero() {
                return Said::Value(Val::Null);
            }
            float(nearest(&total(&xs)).zip(nearest(&under)).map(|(over, under)| over / under))
        }
        "min" => said(xs.iter().min().copied()),
        "max" => said(xs.iter().max().copied()),
        "first" => said(xs.first().copied()),
        "last" => said(xs.last().copied()),
        "first_n" => list(&xs[..xs.len().min(params.n.unwrap_or(0))]),
        "last_n" => list(&xs[xs.len().saturating_sub(params.n.unwrap_or(0))..]),
        "variance" | "stddev" | "variance_pop" | "stddev_pop" => spread(name, &xs),
        "fraction" => match xs.len() {
            0 => Said::Value(Val::Null),
            n => Said::Value(Val::Float(yes(&xs) as f64 / n as f64)),
        },
        "any" => Said::Value(Val::Bool(yes(&xs) > 0)),
        "all" => Said::Value(Val::Bool(yes(&xs) == xs.len())),
        "count_distinct" => {
            let n = xs.iter().collect::<BTreeSet<_>>().len();
            Said::Value(Val::Int(n.min(params.max.unwrap_or(usize::MAX)) as i64))
        }
        "approx_count_distinct" => {
            let n = xs.iter().collect::<BTreeSet<_>>().len() as f64;
            let error = 1.04 / f64::from(1_u32 << params.precision.unwrap_or(12)).sqrt();
            // Five standard errors, and one for what rounding to an integer adds.
            let slack = if n < 1.0 { 0.0 } else { 1.0 + 5.0 * error * n };
            Said::Value(Val::Between((n - slack).max(0.0), n + slack))
        }
        "approx_quantile" => quantile(params, &xs),
        other => panic!("the definition knows no aggregate `{other}`"),
    }
}

fn yes(xs: &[&Val]) -> usize {
    xs.iter().filter(|x| matches!(x, Val::Bool(true))).count()
}

fn total(xs: &[&Val]) -> BigRational {
    xs.iter().filter_map(|x| x.number()).sum()
}

/// A float as it is stored: an overflow beyond every double, and no `-0.0`.
fn float(x: Option<f64>) -> Said {
    match x {
        Some(x) if x.is_finite() => Said::Value(Val::Float(x + 0.0)),
        _ => Said::Overflow,
    }
}

fn sum(xs: &[&Val], ty: &str) -> Said {
    let total = total(xs);
    if ty == "float" {
        return float(nearest(&total));
    }
    if ty == "int" {
        return total.to_integer().to_i64().map_or(Said::Overflow, |x| Said::Value(Val::Int(x)));
    }
    let scale = super::value::scale(ty).expect("sum adds ints, floats and decimals");
    let ten = BigInt::from(10);
    let unscaled = (total * BigRational::from_integer(ten.pow(scale))).to_integer();
    if unscaled.magnitude() >= ten.pow(38).magnitude() {
        return Said::Overflow;
    }
    Said::Value(Val::Decimal(unscaled, scale))
}

/// Variance as one fraction, rounded once; its root where the standard deviation is asked. Of fewer
/// than two values there is none, of the population neither.
fn spread(name: &str, xs: &[&Val]) -> Said {
    let n = BigRational::from_integer(xs.len().into());
    let divisor = if name.ends_with("_pop") { n.clone() } else { &n - BigRational::one() };
    if xs.len() < 2 {
        return Said::Value(Val::Null);
    }
    let mean = total(xs) / n;
    let squares: BigRational =
        xs.iter().filter_map(|x| x.number()).map(|x| (&x - &mean) * (&x - &mean)).sum();
    let variance = nearest(&(squares / divisor));
    float(if name.starts_with("stddev") { variance.map(f64::sqrt) } else { variance })
}

/// The value of rank `floor(q * (n - 1))` and the relative error that a sketch may make.
fn quantile(params: &Params, xs: &[&Val]) -> Said {
    let mut sorted: Vec<f64> = xs.iter().filter_map(|x| x.number()).filter_map(|x| nearest(&x)).collect();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() {
        return Said::Value(Val::Null);
    }
    let accuracy = params.accuracy.unwrap_or(0.01);
    let bound = |q: f64| {
        let x = sorted[(q * (sorted.len() - 1) as f64).floor() as usize];
        // The bounds themselves are rounded; a few units in the last place do not matter here. A
        // sketch takes doubles without a hidden bit for zero: their bits say nothing of their size.
        let slack = if x.abs() < f64::MIN_POSITIVE { x.abs() } else { accuracy * x.abs() * (1.0 + 1e-12) };
        Val::Between(x - slack, x + slack)
    };
    Said::Value(match params.q.as_slice() {
        [q] => bound(*q),
        qs => Val::List(qs.iter().map(|q| bound(*q)).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, ty: &str, xs: &[Val]) -> String {
        let rows: Vec<Vec<Val>> = xs.iter().map(|x| vec![x.clone()]).collect();
        let params = Params { n: Some(2), max: Some(2), q: vec![0.5], ..Params::default() };
        match aggregate(name, &params, ty, &rows) {
            Said::Value(value) => value.to_string(),
            Said::Overflow => "overflow".to_owned(),
        }
    }

    #[test]
    fn integers_are_summed_without_wrapping() {
        let big = Val::Int(i64::MAX);
        assert_eq!(of("sum", "int", &[big.clone(), Val::Int(1)]), "overflow");
        // Passing beyond the range on the way is no overflow.
        assert_eq!(of("sum", "int", &[big, Val::Int(1), Val::Int(-1)]), "9223372036854775807");
        assert_eq!(of("sum", "int", &[]), "0");
        assert_eq!(of("avg", "int", &[Val::Int(i64::MAX), Val::Int(i64::MAX)]), "9.223372036854776e18");
    }

    #[test]
    fn moments_are_rounded_once() {
        let floats = |xs: &[f64]| xs.iter().map(|x| Val::Float(*x)).collect::<Vec<_>>();
        // Of 10, 20, 30 the mean is 20, the squares 100 + 0 + 100: 200/2 and 200/3.
        assert_eq!(of("variance", "float", &floats(&[10.0, 20.0, 30.0])), "100.0");
        assert_eq!(of("stddev", "float", &floats(&[10.0, 20.0, 30.0])), "10.0");
        assert_eq!(of("variance_pop", "float", &floats(&[10.0, 20.0, 30.0])), "66.66666666666667");
        assert_eq!(of("variance", "float", &floats(&[1.0])), "null");
        assert_eq!(of("variance_pop", "float", &floats(&[1.0])), "null");
        assert_eq!(of("variance_pop", "float", &floats(&[1.0, 1.0])), "0.0");
        // A shift by 1e9 does not cancel the digits away: the same three differences.
        assert_eq!(of("variance", "float", &floats(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0])), "30.0");
        assert_eq!(of("variance", "float", &floats(&[1e308, -1e308])), "overflow");
    }

    #[test]
    fn order_and_bounds_are_as_documented() {
        let ints: Vec<Val> = [3, 1, 2, 2].map(Val::Int).to_vec();
        assert_eq!(of("first", "int", &ints), "3");
        assert_eq!(of("last_n", "int", &ints), "[2, 2]");
        assert_eq!(of("first_n", "int", &ints), "[3, 1]");
        assert_eq!(of("count_distinct", "int", &ints), "2");
        // Sorted 1, 2, 2, 3; rank floor(0.5 * 3) = 1 is 2.
        assert_eq!(of("approx_quantile", "int", &ints), "1.97999999999998 to 2.02000000000002");
        assert_eq!(of("min", "string", &[Val::Str("b".into()), Val::Str("B".into())]), "\"B\"");
    }

    #[test]
    fn nulls_are_skipped_and_an_empty_window_says_what_it_says() {
        let nulls = [Val::Null, Val::Null];
        for (name, empty) in [
            ("count", "0"),
            ("sum", "0.0"),
            ("avg", "null"),
            ("min", "null"),
            ("last", "null"),
            ("last_n", "[]"),
            ("stddev", "null"),
            ("fraction", "null"),
            ("any", "false"),
            ("all", "true"),
            ("count_distinct", "0"),
            ("approx_count_distinct", "0.0 to 0.0"),
            ("approx_quantile", "null"),
        ] {
            assert_eq!(of(name, "float", &nulls), empty, "{name}");
        }
    }

    #[test]
    fn a_ratio_is_over_rows_that_have_both() {
        let row = |a: Val, b: Val| vec![a, b];
        let rows = [
            row(Val::Int(3), Val::Int(4)),
            row(Val::Int(100), Val::Null),
            row(Val::Null, Val::Int(100)),
            row(Val::Int(0), Val::Int(2)),
        ];
        assert_eq!(aggregate("ratio", &Params::default(), "int", &rows), Said::Value(Val::Float(0.5)));
    }

    #[test]
    fn decimals_overflow_beyond_38_digits() {
        let nines = Val::Decimal(BigInt::from(10).pow(38) - 1, 2);
        assert_eq!(
            of("sum", "decimal(38,2)", std::slice::from_ref(&nines)),
            "999999999999999999999999999999999999.99"
        );
        assert_eq!(of("sum", "decimal(38,2)", &[nines, Val::Decimal(1.into(), 2)]), "overflow");
        // 0.1 + 0.2 as decimals is 0.3 exactly, half of it 0.15.
        let tenths = [Val::Decimal(1.into(), 1), Val::Decimal(2.into(), 1)];
        assert_eq!(of("avg", "decimal(10,1)", &tenths), "0.15");
    }
}
