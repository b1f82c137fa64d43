//! The operators and scalar functions of the language: one table, with types, nulls and kernels.
//!
//! ```text
//!  name, argument slots ──resolve──► parameter types, result slot     what the type checker asks
//!            └────────────bind─────► the same, and a kernel over Arrow  what [`expr`](crate::expr) asks
//! ```
//!
//! A function is one row of a table in one of the modules below: its name, how it is written, one
//! sentence, and `bind`, which settles its types for the arguments at hand and makes its kernel.
//! Kernels are strict (a null argument gives null) unless their sentence says otherwise; a value
//! that does not exist (`ln(0)`, `x / 0`) is null; one that does not fit its type is a [`Fault`]:
//! the evaluation error of its row. No kernel returns NaN, an infinity or `-0.0`.
//!
//! Everything here works on Arrow arrays alone; only [`expr`](crate::expr) knows `DataFusion`.

/// A constructor of rows of the table: `constructor!(function, Text)` makes rows of the group `Text`,
/// each `function(name, usage, parameters, doc, bind)`. Visible to the module above.
macro_rules! constructor {
    ($name:ident, $group:ident) => {
        pub(super) const fn $name(
            name: &'static str,
            usage: &'static str,
            parameters: &'static [&'static str],
            doc: &'static str,
            bind: fn(&[super::Arg]) -> Result<super::Binding, super::FunctionError>,
        ) -> super::Function {
            super::Function { name, group: super::Group::$group, usage, parameters, doc, bind }
        }
    };
}

mod arithmetic;
pub mod cast;
mod choose;
mod compare;
pub(crate) mod decimal;
mod hash;
mod holiday;
mod logic;
mod math;
mod nested;
mod operand;
mod pattern;
pub mod reference;
mod rounding;
mod text;
mod time;
mod types;
mod zoned;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use feat_dsl::ast::BinaryOp;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

pub(crate) use operand::Operand;

/// An argument as the type checker knows it.
#[derive(Clone, Debug)]
pub struct Arg {
    /// Its type and nullability.
    pub slot: Slot,
    /// Its value where it is written in the text: a pattern, a number of digits, a zone.
    pub literal: Option<Value>,
}

/// A call whose types are settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The function's name in the table, for [`ExprKind::Call`](crate::ir::ExprKind::Call).
    pub function: &'static str,
    /// One type an argument: an argument of another type is widened to it.
    pub params: Vec<Type>,
    /// What comes out.
    pub result: Slot,
}

/// Why a call has no meaning.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FunctionError {
    /// There is no function of that name.
    #[error("there is no such function")]
    Unknown {
        /// Names that are similar, best first.
        suggestions: Vec<&'static str>,
    },
    /// Too many or too few arguments.
    #[error("takes {expected}, found {found}")]
    Arguments {
        /// In words: `two arguments`.
        expected: Cow<'static, str>,
        /// How many were written.
        found: usize,
    },
    /// An argument of a type that does not do. A float beside a decimal in `+ - *` expects
    /// `a decimal`.
    #[error("argument {index} needs {expected}, found {found}")]
    Type {
        /// From zero.
        index: usize,
        /// In words: `a number`.
        expected: Cow<'static, str>,
        /// What was written.
        found: Type,
    },
    /// An argument that must be written in the text and is not, or whose value does not do: a
    /// string outside the enum it is compared with, an unknown zone, a pattern that does not parse.
    #[error("argument {index} needs {expected}")]
    Literal {
        /// From zero.
        index: usize,
        /// In words.
        expected: Cow<'static, str>,
    },
    /// A part of a timestamp was asked for without `tz:`.
    #[error("a part of a timestamp needs `tz:`")]
    Zone,
    /// The result of a decimal operation has more digits behind the point than a decimal holds.
    #[error("the result would have {scale} digits behind the point; a decimal has at most 38")]
    Scale {
        /// The digits it would have.
        scale: u32,
    },
}

/// An evaluation error: what a value does not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub Cow<'static, str>);

impl From<arrow::error::ArrowError> for Fault {
    fn from(cause: arrow::error::ArrowError) -> Self {
        Self(cause.to_string().into())
    }
}

/// Where the reference lists a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Written with a sign or word between its arguments.
    Operator,
    /// Numbers.
    Math,
    /// Strings.
    Text,
    /// Timestamps, dates, durations.
    Time,
    /// Hashes and encodings.
    Hash,
    /// Lists and maps.
    Nested,
}

/// One row of the table.
pub struct Function {
    /// Its name in calls and plans.
    pub name: &'static str,
    /// Where the reference lists it.
    pub group: Group,
    /// As the reference writes it: `round(x, n)`.
    pub usage: &'static str,
    /// Names of its parameters, by which arguments may be given.
    pub parameters: &'static [&'static str],
    /// One sentence.
    pub doc: &'static str,
    /// Settles types and makes the kernel.
    bind: fn(&[Arg]) -> Result<Binding, FunctionError>,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.usage)
    }
}

/// A call's types and what computes it.
#[derive(Clone)]
pub(crate) struct Binding {
    /// One type an argument.
    pub(crate) params: Vec<Type>,
    /// What comes out.
    pub(crate) result: Slot,
    /// What computes it.
    pub(crate) kernel: Kernel,
}

/// A function over whole columns: operands and the number of rows in, one array of that length of
/// the result's Arrow type out.
pub(crate) type Columns = dyn Fn(&[Operand], usize) -> Result<ArrayRef, Fault> + Send + Sync;

/// What computes a call.
#[derive(Clone)]
pub(crate) enum Kernel {
    /// A kernel of this module.
    Own(Arc<Columns>),
    /// `DataFusion`'s function of that name.
    DataFusion(&'static str),
    /// A kernel of this module once it has its key, which is no operand.
    Keyed(fn(&[u8]) -> Arc<Columns>),
}

impl Kernel {
    fn own(columns: impl Fn(&[Operand], usize) -> Result<ArrayRef, Fault> + Send + Sync + 'static) -> Self {
        Self::Own(Arc::new(columns))
    }
}

/// Every function, operators first, in the order of the reference.
pub fn all() -> impl Iterator<Item = &'static Function> {
    [
        arithmetic::FUNCTIONS,
        compare::FUNCTIONS,
        logic::FUNCTIONS,
        pattern::FUNCTIONS,
        math::FUNCTIONS,
        rounding::FUNCTIONS,
        choose::FUNCTIONS,
        text::FUNCTIONS,
        time::FUNCTIONS,
        zoned::FUNCTIONS,
        holiday::FUNCTIONS,
        hash::FUNCTIONS,
        nested::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// The function `name`, aliases among them.
pub fn find(name: &str) -> Option<&'static Function> {
    let name = match name {
        "matches" => "regexp_like",
        "pow" => "power",
        other => other,
    };
    all().find(|function| function.name == name)
}

/// The name in the table of an operator; `not in`, `not like` and `not matches` are `not` of it.
pub fn operator(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "or",
        BinaryOp::And => "and",
        BinaryOp::Coalesce => "coalesce",
        BinaryOp::Eq => "eq",
        BinaryOp::Ne => "ne",
        BinaryOp::Lt => "lt",
        BinaryOp::Le => "le",
        BinaryOp::Gt => "gt",
        BinaryOp::Ge => "ge",
        BinaryOp::In | BinaryOp::NotIn => "in_list",
        BinaryOp::Like | BinaryOp::NotLike => "like",
        BinaryOp::Matches | BinaryOp::NotMatches => "regexp_like",
        BinaryOp::Add => "add",
        BinaryOp::Sub => "sub",
        BinaryOp::Mul => "mul",
        BinaryOp::Div => "truediv",
        BinaryOp::Rem => "rem",
    }
}

/// The version of the data that `name` knows beside its arguments, which is part of its meaning.
pub(crate) fn data(name: &str) -> Option<&'static str> {
    (name == "is_holiday").then_some(holiday::DATA)
}

/// Settles the types of a call of `name` with `args`.
///
/// Errors: [`FunctionError`], with the place of the argument that does not do.
pub fn resolve(name: &str, args: &[Arg]) -> Result<Resolved, FunctionError> {
    let function = find(name).ok_or_else(|| FunctionError::Unknown { suggestions: similar(name) })?;
    let Binding { params, result, .. } = (function.bind)(args)?;
    Ok(Resolved { function: function.name, params, result })
}

/// [`resolve`], and the kernel.
pub(crate) fn bind(name: &str, args: &[Arg]) -> Result<Binding, FunctionError> {
    let function = find(name).ok_or_else(|| FunctionError::Unknown { suggestions: similar(name) })?;
    (function.bind)(args)
}

/// Names of the table within an edit distance of one and a quarter of the length.
fn similar(name: &str) -> Vec<&'static str> {
    let limit = 1 + name.chars().count() / 4;
    let mut found: Vec<(usize, &'static str)> = all()
        .filter(|function| function.group != Group::Operator)
        .map(|function| (text::distance(name, function.name), function.name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name).collect()
}
