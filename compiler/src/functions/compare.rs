//! Comparisons, by mathematical value between numbers of different types.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::{boolean, cmp};
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use super::operand::{Operand, bools, each};
use super::types::{arity, as_decimal, common_decimal, nullable, strict, wrong};
use super::{Arg, Binding, Columns, Fault, Function, FunctionError, Group, Kernel, decimal};

pub(super) const FUNCTIONS: &[Function] = &[
    comparison("eq", "a == b", "Whether both are the same value.", |args| bind(args, Test::Eq)),
    comparison("ne", "a != b", "Whether they are different values.", |args| bind(args, Test::Ne)),
    comparison(
        "lt",
        "a < b",
        "Whether `a` comes before `b`; strings by their bytes, `false` before `true`.",
        |args| bind(args, Test::Lt),
    ),
    comparison("le", "a <= b", "Whether `a` comes before `b` or is the same.", |args| bind(args, Test::Le)),
    comparison("gt", "a > b", "Whether `a` comes after `b`.", |args| bind(args, Test::Gt)),
    comparison("ge", "a >= b", "Whether `a` comes after `b` or is the same.", |args| bind(args, Test::Ge)),
    operator("between", "a between b and c", &["a", "b", "c"], "Whether `b <= a and a <= c`.", between),
    operator(
        "in_list",
        "a in [b, c]",
        &["a"],
        "Whether `a` equals one of them; null where none is equal and one is null.",
        in_list,
    ),
];

constructor!(operator, Operator);

const fn comparison(
    name: &'static str,
    usage: &'static str,
    doc: &'static str,
    bind: fn(&[Arg]) -> Result<Binding, FunctionError>,
) -> Function {
    Function { name, group: Group::Operator, usage, parameters: &["a", "b"], doc, bind }
}

#[derive(Clone, Copy)]
enum Test {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Test {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }
}

/// How two arguments are compared once they have these types.
#[derive(Clone, Copy)]
enum Way {
    /// Both have one type: Arrow compares them.
    Same,
    IntFloat,
    FloatInt,
    Decimals(i8, i8),
    DecimalFloat(i8),
    FloatDecimal(i8),
}

fn bind(args: &[Arg], test: Test) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    let (params, way) = sides(args, 0, 1)?;
    let kernel = Kernel::own(move |ops, rows| Ok(Arc::new(compare(&ops[0], &ops[1], rows, way, test)?)));
    Ok(Binding { params: params.into(), result: strict(args, Type::Bool), kernel })
}

fn between(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 3..=3, "three arguments")?;
    let (low, above) = sides(args, 0, 1)?;
    let (high, below) = sides(args, 0, 2)?;
    // The two comparisons may want `a` in two types: then both convert from its own.
    let own = args[0].slot.ty.clone();
    let convert = [&low[0], &high[0]].map(|ty| super::cast::columns(&own, ty));
    let params = vec![own, low[1].clone(), high[1].clone()];
    let kernel = Kernel::own(move |ops, rows| {
        let side = |at: usize| through(convert[at].as_deref(), &ops[0], rows);
        let above = compare(&side(0)?, &ops[1], rows, above, Test::Ge)?;
        let below = compare(&side(1)?, &ops[2], rows, below, Test::Le)?;
        Ok(Arc::new(boolean::and_kleene(&above, &below)?))
    });
    Ok(Binding { params, result: strict(args, Type::Bool), kernel })
}

fn in_list(args: &[Arg]) -> Result<Binding, FunctionError> {
    if args.len() < 2 {
        return Err(FunctionError::Arguments { expected: "a value and a list".into(), found: args.len() });
    }
    let own = args[0].slot.ty.clone();
    let mut params = vec![own.clone()];
    let mut ways: Vec<(Option<Box<Columns>>, Way)> = Vec::new();
    for index in 1..args.len() {
        if matches!(args[index].literal, Some(Value::Null)) {
            params.push(own.clone());
            ways.push((None, Way::Same));
            continue;
        }
        let ([left, right], way) = sides(args, 0, index)?;
        ways.push((super::cast::columns(&own, &left), way));
        params.push(right);
    }
    let kernel = Kernel::own(move |ops, rows| {
        let mut found: Option<BooleanArray> = None;
        for (op, (convert, way)) in ops[1..].iter().zip(&ways) {
            let value = through(convert.as_deref(), &ops[0], rows)?;
            let equal = compare(&value, op, rows, *way, Test::Eq)?;
            found = Some(match found {
                Some(found) => boolean::or_kleene(&found, &equal)?,
                None => equal,
            });
        }
        Ok(Arc::new(found.unwrap_or_else(|| BooleanArray::from(vec![false; rows]))))
    });
    Ok(Binding { params, result: Slot { ty: Type::Bool, nullable: nullable(args) }, kernel })
}

fn through(convert: Option<&Columns>, op: &Operand, rows: usize) -> Result<Operand, Fault> {
    match convert {
        Some(convert) => {
            Ok(op.with(convert(std::slice::from_ref(op), if op.is_constant() { 1 } else { rows })?))
        }
        None => Ok(op.clone()),
    }
}

/// The types to which the arguments at `a` and `b` are widened, and how they are then compared.
fn sides(args: &[Arg], a: usize, b: usize) -> Result<([Type; 2], Way), FunctionError> {
    let (left, right) = (&args[a].slot.ty, &args[b].slot.ty);
    let same = |ty: Type| Ok(([ty.clone(), ty], Way::Same));
    let mixed = |way: Way| Ok(([left.clone(), right.clone()], way));
    match (left, right) {
        (Type::List(_) | Type::Map(..) | Type::Struct(_) | Type::Embedding(_), _) => {
            Err(wrong(args, a, "a value that can be compared"))
        }
        // A written number that both types hold exactly becomes the other's type.
        (Type::Float, Type::Int) if small(&args[b]) => same(Type::Float),
        (Type::Int, Type::Float) if small(&args[a]) => same(Type::Float),
        (Type::Int, Type::Float) => mixed(Way::IntFloat),
        (Type::Float, Type::Int) => mixed(Way::FloatInt),
        (Type::Decimal(_, scale), Type::Float) => mixed(Way::DecimalFloat(*scale)),
        (Type::Float, Type::Decimal(_, scale)) => mixed(Way::FloatDecimal(*scale)),
        (Type::Decimal(..), Type::Int | Type::Decimal(..)) | (Type::Int, Type::Decimal(..)) => {
            let of = |index: usize| as_decimal(&args[index]).expect("invariant: decimals and ints");
            let (x, y) = (of(a), of(b));
            match common_decimal(x, y) {
                ((precision, scale), true) => same(Type::Decimal(precision, scale)),
                _ => Ok(([Type::Decimal(x.0, x.1), Type::Decimal(y.0, y.1)], Way::Decimals(x.1, y.1))),
            }
        }
        (Type::Enum(domain), Type::String) => within(domain, args, b).and_then(|()| same(Type::String)),
        (Type::String, Type::Enum(domain)) => within(domain, args, a).and_then(|()| same(Type::String)),
        (Type::Enum(_), Type::Enum(_)) => same(Type::String),
        (x, y) if x == y => same(x.clone()),
        (x, y) => Err(FunctionError::Type { index: b, expected: x.to_string().into(), found: y.clone() }),
    }
}

/// Whether `arg` is an integer written in the text that a float holds exactly.
fn small(arg: &Arg) -> bool {
    matches!(arg.literal, Some(Value::Int(x)) if x.unsigned_abs() <= 1 << 53)
}

/// Refuses a written string that is outside `domain`: the comparison would be the same for every row.
fn within(domain: &[String], args: &[Arg], index: usize) -> Result<(), FunctionError> {
    match &args[index].literal {
        Some(Value::Str(text)) if !domain.iter().any(|name| **name == **text) => {
            let names: Vec<String> = domain.iter().map(|name| format!("{name:?}")).collect();
            let expected = format!("one of {}", names.join(", "));
            Err(FunctionError::Literal { index, expected: expected.into() })
        }
        _ => Ok(()),
    }
}

fn compare(a: &Operand, b: &Operand, rows: usize, way: Way, test: Test) -> Result<BooleanArray, Fault> {
    if let Way::Same = way {
        let found = match test {
            Test::Eq => cmp::eq(a, b)?,
            Test::Ne => cmp::neq(a, b)?,
            Test::Lt => cmp::lt(a, b)?,
            Test::Le => cmp::lt_eq(a, b)?,
            Test::Gt => cmp::gt(a, b)?,
            Test::Ge => cmp::gt_eq(a, b)?,
        };
        if found.len() == rows {
            return Ok(found);
        }
        // Two constants give one value.
        let found: ArrayRef = Operand::constant(Arc::new(found)).expand(rows)?;
        return Ok(found.as_boolean().clone());
    }
    let ops = [a.clone(), b.clone()];
    let found = |order: Ordering| Ok(Some(test.holds(order)));
    let values = match way {
        Way::Same => Vec::new(),
        Way::IntFloat => {
            let (left, right) = (a.ints(), b.floats());
            each(&ops, rows, |row| found(decimal::compare_int(left.at(row), right.at(row))))?
        }
        Way::FloatInt => {
            let (left, right) = (a.floats(), b.ints());
            each(&ops, rows, |row| found(decimal::compare_int(right.at(row), left.at(row)).reverse()))?
        }
        Way::Decimals(from, to) => {
            let (left, right) = (a.decimals(), b.decimals());
            each(&ops, rows, |row| found(decimal::compare(left.at(row), from, right.at(row), to)))?
        }
        Way::DecimalFloat(scale) => {
            let (left, right) = (a.decimals(), b.floats());
            each(&ops, rows, |row| found(decimal::compare_float(left.at(row), scale, right.at(row))))?
        }
        Way::FloatDecimal(scale) => {
            let (left, right) = (a.floats(), b.decimals());
            let compare = |row| decimal::compare_float(right.at(row), scale, left.at(row)).reverse();
            each(&ops, rows, |row| found(compare(row)))?
        }
    };
    Ok(bools(values).as_boolean().clone())
}
