//! Units: products of powers of what `@unit("…")` names, and how expressions combine them.
//!
//! | in | out | may report |
//! | --- | --- | --- |
//! | a typed expression, what its names carry | its [`Measure`] | values of different units in `+`, `<`, `??` and the like |
//!
//! A value without a unit is compatible with every other, so that units may be added to a project
//! column by column. A plain number (a literal, a count, a share) takes the unit of what it stands
//! beside and changes none as a factor; a value of which nothing is known makes a product unknown.

use std::collections::BTreeMap;
use std::fmt;

use feat_dsl::ast::BinaryOp;
use feat_dsl::diagnostic::Diagnostic;
use feat_dsl::span::Span;
use feat_kernel::agg::{Aggregator, moments};
use feat_kernel::types::Type;
use feat_kernel::value::Value;

use crate::codes;
use crate::functions::operator;
use crate::ir::{AggregateCall, Expr, ExprKind};

/// A product of powers: `usd`, `mile/h`, `m^2`; empty for `1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit(BTreeMap<String, i32>);

/// What is known of the unit of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Nothing.
    #[default]
    Unknown,
    /// A plain number.
    Plain,
    /// A unit; `scaled` once a plain number was a factor, which may have converted it.
    Of {
        /// Which.
        unit: Unit,
        /// Whether a plain number was a factor.
        scaled: bool,
    },
}

impl Unit {
    /// The unit that `text` writes: `usd`, `usd/km`, `kg*m^2`, `1`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut unit = Self::default();
        let mut sign = 1;
        let mut rest = text;
        loop {
            let end = rest.find(['*', '/']).unwrap_or(rest.len());
            unit.factor(rest[..end].trim(), sign);
            let Some(mark) = rest[end..].chars().next() else { return unit };
            sign = if mark == '/' { -1 } else { 1 };
            rest = &rest[end + 1..];
        }
    }

    fn factor(&mut self, text: &str, sign: i32) {
        let (name, power): (&str, i32) = match text.split_once('^') {
            Some((name, power)) => (name.trim(), power.trim().parse().unwrap_or(1)),
            None => (text, 1),
        };
        if !matches!(name, "" | "1") {
            self.add(name, power.saturating_mul(sign));
        }
    }

    fn add(&mut self, name: &str, power: i32) {
        let held = self.0.entry(name.to_owned()).or_default();
        *held = held.saturating_add(power);
        if *held == 0 {
            self.0.remove(name);
        }
    }

    /// The product of this and `other` to the power of `sign`.
    fn times(&self, other: &Self, sign: i32) -> Self {
        let mut product = self.clone();
        for (name, power) in &other.0 {
            product.add(name, power.saturating_mul(sign));
        }
        product
    }

    fn power(&self, power: i32) -> Self {
        let powers = self.0.iter().map(|(name, held)| (name.clone(), held.saturating_mul(power)));
        Self(powers.filter(|(_, power)| *power != 0).collect())
    }

    /// The `n`th root, if it is a unit.
    fn root(&self, n: i32) -> Option<Self> {
        let whole = self.0.values().all(|power| power % n == 0);
        whole.then(|| Self(self.0.iter().map(|(name, power)| (name.clone(), power / n)).collect()))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |(name, power): (&String, i32)| match power {
            1 => name.clone(),
            _ => format!("{name}^{power}"),
        };
        let above = self.0.iter().filter(|(_, power)| **power > 0).map(|(name, power)| part((name, *power)));
        let above: Vec<String> = above.collect();
        f.write_str(if above.is_empty() { "1" } else { "" })?;
        f.write_str(&above.join("*"))?;
        for (name, power) in self.0.iter().filter(|(_, power)| **power < 0) {
            write!(f, "/{}", part((name, power.saturating_neg())))?;
        }
        Ok(())
    }
}

impl Measure {
    /// What `@unit("text")` declares.
    pub(crate) fn declared(text: &str) -> Self {
        Self::Of { unit: Unit::parse(text), scaled: false }
    }

    /// The product with `other` to the power of `sign`.
    fn times(self, other: Self, sign: i32) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Plain, Self::Plain) => Self::Plain,
            (Self::Of { unit, .. }, Self::Plain) => Self::Of { unit, scaled: true },
            (Self::Plain, Self::Of { unit, .. }) => Self::Of { unit: unit.power(sign), scaled: true },
            (Self::Of { unit: a, scaled }, Self::Of { unit: b, scaled: also }) => {
                Self::Of { unit: a.times(&b, sign), scaled: scaled || also }
            }
        }
    }

    fn map(self, unit_of: impl FnOnce(Unit) -> Option<Unit>) -> Self {
        match self {
            Self::Of { unit, scaled } => {
                unit_of(unit).map_or(Self::Unknown, |unit| Self::Of { unit, scaled })
            }
            other => other,
        }
    }
}

/// Why a declared unit is not the one that its value comes out in, if it is not. A value that a plain
/// number has scaled is what its declaration says.
pub(crate) fn against(declared: &str, found: &Measure, span: Span, at: Span) -> Option<Diagnostic> {
    let declared = Unit::parse(declared);
    let Measure::Of { unit, scaled: false } = found else { return None };
    (*unit != declared).then(|| {
        Diagnostic::error(
            codes::UNIT,
            span,
            format!("this is in `{unit}`, and its declared unit is `{declared}`"),
        )
        .label(format!("comes out in `{unit}`"))
        .also(at, "declared here")
        .help(format!(
            "declare `@unit(\"{unit}\")`, or convert: a value times a number is in the unit that is declared"
        ))
    })
}

/// The measure of `expr`, whose names `names` knows: those of a row where its second argument is
/// true. What does not fit is put into `say`.
pub(crate) fn measure(
    expr: &Expr,
    row: bool,
    names: &dyn Fn(&str, bool) -> Measure,
    say: &mut Vec<Diagnostic>,
) -> Measure {
    Walk { names, say }.expr(expr, expr.span, row)
}

struct Walk<'a> {
    names: &'a dyn Fn(&str, bool) -> Measure,
    say: &'a mut Vec<Diagnostic>,
}

impl Walk<'_> {
    /// The measure of `expr`. `at` is the nearest text around it that the author of the expression
    /// wrote: the body of a function stands elsewhere.
    fn expr(&mut self, expr: &Expr, at: Span, row: bool) -> Measure {
        let at = if inside(expr.span, at) { expr.span } else { at };
        match &expr.kind {
            ExprKind::Literal(_) => Measure::Plain,
            ExprKind::Column(name) => (self.names)(name, row),
            ExprKind::AsOf | ExprKind::Secret(_) => Measure::Unknown,
            ExprKind::Cast(of) | ExprKind::TryCast(of) => {
                let measure = self.expr(of, at, row);
                let text = matches!(expr.slot.ty, Type::String | Type::Enum(_) | Type::Bytes | Type::Bool);
                if text { Measure::Unknown } else { measure }
            }
            ExprKind::Field(of, _) => {
                self.expr(of, at, row);
                Measure::Unknown
            }
            ExprKind::Struct(items) => {
                self.all(items, at, row);
                Measure::Unknown
            }
            ExprKind::Map(pairs) => {
                for (key, value) in pairs {
                    self.expr(key, at, row);
                    self.expr(value, at, row);
                }
                Measure::Unknown
            }
            ExprKind::List(items) => {
                let measures = self.all(items, at, row);
                together(&measures).unwrap_or_default()
            }
            ExprKind::Case(branches, otherwise) => {
                let mut measures = Vec::new();
                for (condition, value) in branches {
                    self.expr(condition, at, row);
                    measures.push(self.expr(value, at, row));
                }
                measures.push(self.expr(otherwise, at, row));
                self.equal("", &measures, expr.span, at)
            }
            ExprKind::Call(name, args) => {
                let measures = self.all(args, at, row);
                self.call(name, args, &measures, expr.span, at)
            }
            ExprKind::Aggregate(call) => self.aggregate(call, at),
        }
    }

    fn all(&mut self, exprs: &[Expr], at: Span, row: bool) -> Vec<Measure> {
        exprs.iter().map(|expr| self.expr(expr, at, row)).collect()
    }

    fn call(&mut self, name: &str, args: &[Expr], measures: &[Measure], span: Span, at: Span) -> Measure {
        use BinaryOp::{Add, Coalesce, Div, Eq, Ge, Gt, In, Le, Lt, Mul, Ne, Rem, Sub};
        let is = |op: BinaryOp| operator(op) == name;
        if let Some((_, sign)) =
            [(Eq, "=="), (Ne, "!="), (Lt, "<"), (Le, "<="), (Gt, ">"), (Ge, ">="), (In, "in")]
                .into_iter()
                .find(|(op, _)| is(*op))
        {
            self.equal(sign, measures, span, at);
            return Measure::Plain;
        }
        let kept = [(Add, "+"), (Sub, "-"), (Rem, "%"), (Coalesce, "??")];
        if let Some((_, sign)) = kept.into_iter().find(|(op, _)| is(*op)) {
            return self.equal(sign, measures, span, at);
        }
        let nth = |at: usize| measures.get(at).cloned().unwrap_or_default();
        let first = nth(0);
        match name {
            _ if is(Mul) => first.times(nth(1), 1),
            _ if is(Div) => first.times(nth(1), -1),
            "div" => first.times(nth(1), -1),
            "greatest" | "least" | "nullif" | "clip" | "gcd" => self.equal(name, measures, span, at),
            "neg" | "abs" | "ceil" | "floor" | "round" | "trunc" | "index" => first,
            "sqrt" => first.map(|unit| unit.root(2)),
            "cbrt" => first.map(|unit| unit.root(3)),
            "power" => match args.get(1).map(written) {
                Some(Some(power)) => first.map(|unit| Some(unit.power(power))),
                _ => Measure::Unknown,
            },
            "sign" | "and" | "or" | "not" | "is_null" | "is_not_null" | "cardinality" => Measure::Plain,
            _ => Measure::Unknown,
        }
    }

    fn aggregate(&mut self, call: &AggregateCall, at: Span) -> Measure {
        let measures = self.all(&call.args, at, true);
        if let Some(filter) = &call.filter {
            self.expr(filter, at, true);
        }
        let mut measures = measures.into_iter();
        let mut next = || measures.next().unwrap_or_default();
        match &call.bound.aggregator {
            Aggregator::Count(_)
            | Aggregator::Share(_)
            | Aggregator::Distinct(_)
            | Aggregator::ApproxDistinct(_) => Measure::Plain,
            Aggregator::Ratio(_) => next().times(next(), -1),
            Aggregator::Spread(spread) if spread.unit == moments::Unit::Squared => {
                next().map(|unit| Some(unit.power(2)))
            }
            Aggregator::Sum(_)
            | Aggregator::Mean(_)
            | Aggregator::Extreme(_)
            | Aggregator::Edge(_)
            | Aggregator::Run(_)
            | Aggregator::Spread(_)
            | Aggregator::Quantile(_) => next(),
        }
    }

    /// What values that must be of one unit are together; `shown` is what asks for it.
    fn equal(&mut self, shown: &str, measures: &[Measure], span: Span, at: Span) -> Measure {
        match together(measures) {
            Ok(measure) => measure,
            Err([a, b]) => {
                let message = match shown {
                    "" => format!("these values are in `{a}` and in `{b}`"),
                    _ => format!("`{shown}` between `{a}` and `{b}`"),
                };
                let mut diagnostic = Diagnostic::error(codes::UNIT, at, message)
                    .label("different units")
                    .help("convert one side in a column or feature of its own, and give that its `@unit`");
                if span != at {
                    diagnostic = diagnostic.also(span, "in this function");
                }
                self.say.push(diagnostic);
                Measure::Unknown
            }
        }
    }
}

fn inside(inner: Span, outer: Span) -> bool {
    inner.file == outer.file && outer.start <= inner.start && inner.end <= outer.end
}

/// The unit of values that must have one, or two that differ.
fn together(measures: &[Measure]) -> Result<Measure, [Unit; 2]> {
    let mut known: Option<(&Unit, bool)> = None;
    for measure in measures {
        let Measure::Of { unit, scaled } = measure else { continue };
        match &mut known {
            None => known = Some((unit, *scaled)),
            Some((first, _)) if *first != unit => return Err([first.clone(), unit.clone()]),
            Some((_, all)) => *all |= scaled,
        }
    }
    Ok(match known {
        Some((unit, scaled)) => Measure::Of { unit: unit.clone(), scaled },
        None if measures.contains(&Measure::Unknown) => Measure::Unknown,
        None => Measure::Plain,
    })
}

/// The whole number that stands in the text, widened or not.
fn written(expr: &Expr) -> Option<i32> {
    match &expr.kind {
        ExprKind::Literal(Value::Int(x)) => i32::try_from(*x).ok(),
        ExprKind::Literal(Value::Float(x)) if x.fract().to_bits() << 1 == 0 => Some(*x as i32),
        ExprKind::Cast(of) => written(of),
        _ => None,
    }
}
