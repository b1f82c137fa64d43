//! `round`, `trunc`, `ceil`, `floor`.

use feat_kernel::types::Type;

use super::operand::{decimals, each, floats, ints};
use super::types::{DIGITS, arity, number, strict, unwritten, whole};
use super::{Arg, Binding, Fault, Function, FunctionError, Kernel, decimal};

pub(super) const FUNCTIONS: &[Function] = &[
    function("ceil", "ceil(x)", &["x"], "The least whole number not below `x`.", |args| bind(args, Way::Up)),
    function("floor", "floor(x)", &["x"], "The greatest whole number not above `x`.", |args| {
        bind(args, Way::Down)
    }),
    function(
        "round",
        "round(x, n)",
        &["x", "n"],
        "The nearest number with `n` digits behind the point (0 if not written), halves away from zero. \
         Of a decimal, one with `n` digits behind the point.",
        |args| bind(args, Way::Near),
    ),
    function(
        "trunc",
        "trunc(x, n)",
        &["x", "n"],
        "`x` without the digits behind the `n`th behind the point (0 if not written).",
        |args| bind(args, Way::Zero),
    ),
];

constructor!(function, Math);

/// Powers of ten up to this one are exact floats.
const PLACES: i64 = 22;

#[derive(Clone, Copy)]
enum Way {
    Up,
    Down,
    Near,
    Zero,
}

impl Way {
    fn float(self, x: f64) -> f64 {
        match self {
            Self::Up => x.ceil(),
            Self::Down => x.floor(),
            Self::Near => x.round(),
            Self::Zero => x.trunc(),
        }
    }

    /// `unscaled` without its last `places` digits.
    fn decimal(self, unscaled: i128, places: u32) -> i128 {
        let Some(unit) = 10_i128.checked_pow(places) else {
            return match self {
                Self::Up => i128::from(unscaled > 0),
                Self::Down => -i128::from(unscaled < 0),
                Self::Near | Self::Zero => 0,
            };
        };
        match self {
            Self::Up => -(-unscaled).div_euclid(unit),
            Self::Down => unscaled.div_euclid(unit),
            Self::Near => decimal::round_off(unscaled, places),
            Self::Zero => unscaled / unit,
        }
    }
}

fn bind(args: &[Arg], way: Way) -> Result<Binding, FunctionError> {
    let places = match way {
        Way::Up | Way::Down => {
            arity(args, 1..=1, "one argument")?;
            0
        }
        Way::Near | Way::Zero => {
            arity(args, 1..=2, "one or two arguments")?;
            if args.len() == 2 { digits(args)? } else { 0 }
        }
    };
    let ty = number(args, 0)?.clone();
    let mut params = vec![ty.clone()];
    params.extend(args.get(1).map(|_| Type::Int));
    let nullability = |ty: Type| strict(&args[..1], ty);
    Ok(match ty {
        Type::Int => Binding {
            params,
            result: nullability(Type::Int),
            kernel: Kernel::own(move |ops, rows| {
                let x = ops[0].ints();
                let down = u32::try_from(-places).unwrap_or(0);
                let values = each(&ops[..1], rows, |row| {
                    let (x, unit) = (i128::from(x.at(row)), 10_i128.pow(down));
                    let value = i64::try_from(way.decimal(x, down) * unit);
                    value.map(Some).map_err(|_| Fault("the result does not fit an int".into()))
                })?;
                Ok(ints(values, &Type::Int))
            }),
        },
        Type::Decimal(precision, scale) => {
            let kept = places.clamp(0, i64::from(scale)) as i8;
            let cut = i64::from(scale) - places.min(i64::from(scale));
            let back = if places < 0 { places.unsigned_abs() as u32 } else { 0 };
            // Rounding may carry into one more digit.
            let digits = (precision.saturating_sub((scale - kept).unsigned_abs()) + 1).min(DIGITS);
            let digits = if cut == 0 { precision } else { digits };
            Binding {
                params,
                result: nullability(Type::Decimal(digits, kept)),
                kernel: Kernel::own(move |ops, rows| {
                    let x = ops[0].decimals();
                    let values = each(&ops[..1], rows, |row| {
                        let value = way.decimal(x.at(row), cut as u32);
                        decimal::shift(value, back)
                            .map(Some)
                            .ok_or_else(|| Fault("the result does not fit a decimal".into()))
                    })?;
                    decimals(values, digits, kept)
                }),
            }
        }
        _ => Binding {
            params,
            result: nullability(Type::Float),
            kernel: Kernel::own(move |ops, rows| {
                let x = ops[0].floats();
                Ok(floats(each(&ops[..1], rows, |row| Ok(Some(places_of(x.at(row), places, way))))?))
            }),
        },
    })
}

fn digits(args: &[Arg]) -> Result<i64, FunctionError> {
    let places = whole(args, 1, "a number of digits that is written in the text")?;
    if (-PLACES..=PLACES).contains(&places) {
        Ok(places)
    } else {
        Err(unwritten(1, "a number of digits from -22 to 22"))
    }
}

fn places_of(x: f64, places: i64, way: Way) -> f64 {
    if places == 0 {
        return way.float(x);
    }
    let unit = decimal::power_of_ten(places.unsigned_abs() as u32);
    let (scaled, back): (f64, fn(f64, f64) -> f64) =
        if places > 0 { (x * unit, |x, unit| x / unit) } else { (x / unit, |x, unit| x * unit) };
    let value = back(way.float(scaled), unit);
    // A number too large to be scaled has no digits behind the point to lose.
    if scaled.is_finite() && value.is_finite() { value } else { x }
}
