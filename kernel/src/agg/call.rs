//! A call of an aggregate, as the compiler hands it over: argument types and named parameters.

use std::ops::RangeInclusive;

use super::BindError;
use crate::types::{Slot, Type};
use crate::value::Value;

/// What a call may look like, and the call.
pub(super) struct Call<'a> {
    args: &'a [Slot],
    params: &'a [(String, Value)],
}

impl<'a> Call<'a> {
    /// A call with `count` arguments (in words: `expected`) and no parameters but those of `known`.
    pub(super) fn new(
        args: &'a [Slot],
        count: RangeInclusive<usize>,
        expected: &'static str,
        params: &'a [(String, Value)],
        known: &[&str],
    ) -> Result<Self, BindError> {
        if !count.contains(&args.len()) {
            return Err(BindError::Arguments { expected, found: args.len() });
        }
        for (index, (name, _)) in params.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                let reason = match known.as_slice() {
                    [] => "takes no parameters".to_owned(),
                    names => format!("unknown; it takes {}", names.join(", ")),
                };
                return Err(BindError::Parameter { name: name.clone(), reason });
            }
            if params[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(wrong(name, "given twice"));
            }
        }
        Ok(Self { args, params })
    }

    /// One argument and no parameters.
    pub(super) fn of_one(args: &'a [Slot], params: &'a [(String, Value)]) -> Result<Self, BindError> {
        Self::new(args, 1..=1, "one argument", params, &[])
    }

    /// The type of the argument at `index`, which must satisfy `fits`.
    pub(super) fn arg(
        &self,
        index: usize,
        expected: &'static str,
        fits: impl Fn(&Type) -> bool,
    ) -> Result<&'a Type, BindError> {
        match &self.args[index].ty {
            ty if fits(ty) => Ok(ty),
            ty => Err(BindError::Type { index, expected, found: ty.clone() }),
        }
    }

    /// The parameter `name`, if it was given.
    pub(super) fn param(&self, name: &str) -> Option<&'a Value> {
        self.params.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// The whole number `name`, if it was given.
    pub(super) fn whole(&self, name: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, BindError> {
        let Some(value) = self.param(name) else { return Ok(None) };
        match value {
            Value::Int(x) => u32::try_from(*x).ok().filter(|x| range.contains(x)).map(Some),
            _ => None,
        }
        .ok_or_else(|| {
            wrong(name, &format!("needs a whole number from {} to {}", range.start(), range.end()))
        })
    }
}

/// An error about the parameter `name`.
pub(super) fn wrong(name: &str, reason: &str) -> BindError {
    BindError::Parameter { name: name.to_owned(), reason: reason.to_owned() }
}
