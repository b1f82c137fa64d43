//! `like` and regular expressions. A regular expression is written in the text, so that it is read
//! once and a mistake in it is found before it runs; its time is linear in the string.

use std::sync::Arc;

use arrow::compute::kernels::comparison;
use feat_kernel::types::{Slot, Type};
use regex::Regex;

use super::operand::{bools, each, ints, texts};
use super::types::{arity, strict, text, unwritten, whole, written};
use super::{Arg, Binding, Function, FunctionError, Kernel};

pub(super) const FUNCTIONS: &[Function] = &[
    operator(
        "like",
        "a like \"San %\"",
        &["a", "pattern"],
        "Whether the whole string is of the pattern: `%` is any text, `_` any character, `\\` quotes either.",
        like,
    ),
    operator(
        "regexp_like",
        "a matches r\"\\d+\"",
        &["s", "re"],
        "Whether the regular expression is found in the string; also `regexp_like(s, re)`.",
        regexp_like,
    ),
    function(
        "regexp_count",
        "regexp_count(s, re)",
        &["s", "re"],
        "How often the regular expression is found, without overlaps.",
        regexp_count,
    ),
    function(
        "regexp_replace",
        "regexp_replace(s, re, by, flags)",
        &["s", "re", "by", "flags"],
        "`s` with its first match (every match with the flag `\"g\"`) replaced; `$1` in `by` is a group.",
        regexp_replace,
    ),
    function(
        "regexp_extract",
        "regexp_extract(s, re, group: 1)",
        &["s", "re", "group"],
        "The first match, or a group of it; null if there is none.",
        regexp_extract,
    ),
];

constructor!(operator, Operator);
constructor!(function, Text);

fn like(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    text(args, 0)?;
    text(args, 1)?;
    Ok(Binding {
        params: vec![Type::String, Type::String],
        result: strict(args, Type::Bool),
        kernel: Kernel::own(|ops, rows| {
            // One constant on each side gives one value, which is what is asked for.
            let string = ops[0].expand(rows)?;
            Ok(Arc::new(comparison::like(&string, &ops[1])?))
        }),
    })
}

/// The regular expression written at `index`.
fn pattern(args: &[Arg], index: usize) -> Result<Regex, FunctionError> {
    let source = written(args, index, "a regular expression that is written in the text")?;
    Regex::new(source).map_err(|cause| {
        let reason = match &cause {
            regex::Error::Syntax(text) => {
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
            other => other.to_string(),
        };
        FunctionError::Literal { index, expected: format!("a regular expression: {reason}").into() }
    })
}

fn regexp_like(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    text(args, 0)?;
    let re = pattern(args, 1)?;
    Ok(Binding {
        params: vec![Type::String, Type::String],
        result: strict(args, Type::Bool),
        kernel: Kernel::own(move |ops, rows| {
            let s = ops[0].texts();
            Ok(bools(each(ops, rows, |row| Ok(Some(re.is_match(s.at(row)))))?))
        }),
    })
}

fn regexp_count(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    text(args, 0)?;
    let re = pattern(args, 1)?;
    Ok(Binding {
        params: vec![Type::String, Type::String],
        result: strict(args, Type::Int),
        kernel: Kernel::own(move |ops, rows| {
            let s = ops[0].texts();
            Ok(ints(each(ops, rows, |row| Ok(Some(re.find_iter(s.at(row)).count() as i64)))?, &Type::Int))
        }),
    })
}

fn regexp_replace(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 3..=4, "three or four arguments")?;
    text(args, 0)?;
    text(args, 2)?;
    let re = pattern(args, 1)?;
    let limit = match args.len() {
        4 => match written(args, 3, "the flag `\"g\"`")? {
            "g" => 0,
            _ => return Err(unwritten(3, "the flag `\"g\"`")),
        },
        _ => 1,
    };
    Ok(Binding {
        params: vec![Type::String; args.len()],
        result: strict(args, Type::String),
        kernel: Kernel::own(move |ops, rows| {
            let (s, by) = (ops[0].texts(), ops[2].texts());
            Ok(texts(each(ops, rows, |row| {
                Ok(Some(re.replacen(s.at(row), limit, by.at(row)).into_owned()))
            })?))
        }),
    })
}

fn regexp_extract(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=3, "two or three arguments")?;
    text(args, 0)?;
    let re = pattern(args, 1)?;
    let group = if args.len() == 3 { whole(args, 2, "a group that is written in the text")? } else { 0 };
    let group = usize::try_from(group).ok().filter(|&group| group < re.captures_len());
    let group = group.ok_or_else(|| unwritten(2, "a group of the regular expression"))?;
    let mut params = vec![Type::String, Type::String];
    params.extend(args.get(2).map(|_| Type::Int));
    Ok(Binding {
        params,
        result: Slot::nullable(Type::String),
        kernel: Kernel::own(move |ops, rows| {
            let s = ops[0].texts();
            let found = |text: &str| Some(re.captures(text)?.get(group)?.as_str().to_owned());
            Ok(texts(each(ops, rows, |row| Ok(found(s.at(row))))?))
        }),
    })
}
