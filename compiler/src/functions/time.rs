//! Timestamps, dates and durations that need no zone.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array};
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Datelike, NaiveDate};
use feat_kernel::time::Instant;
use feat_kernel::types::{Slot, Type};
use feat_kernel::value::Value;

use super::operand::{Operand, each, floats, ints};
use super::types::{arity, exactly, strict, text, unwritten, written, wrong};
use super::{Arg, Binding, Fault, Function, FunctionError, Kernel};

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "to_timestamp",
        "to_timestamp(s, format)",
        &["s", "format"],
        "The instant a string writes, in RFC 3339 or in a format that has the zone (`%z`); an evaluation error if it writes none.",
        to_timestamp,
    ),
    function(
        "to_timestamp_seconds",
        "to_timestamp_seconds(n)",
        &["n"],
        "So many seconds after 1970.",
        |args| from_epoch(args, 1_000_000),
    ),
    function(
        "to_timestamp_millis",
        "to_timestamp_millis(n)",
        &["n"],
        "So many milliseconds after 1970.",
        |args| from_epoch(args, 1_000),
    ),
    function(
        "to_timestamp_micros",
        "to_timestamp_micros(n)",
        &["n"],
        "So many microseconds after 1970.",
        |args| from_epoch(args, 1),
    ),
    function(
        "make_date",
        "make_date(y, m, d)",
        &["y", "m", "d"],
        "A date; null if there is none.",
        make_date,
    ),
    function(
        "date_bin",
        "date_bin(stride, t, origin)",
        &["stride", "t", "origin"],
        "The last of the instants `origin` (1970 if not written) plus whole strides that is not after `t`.",
        date_bin,
    ),
    function(
        "days_between",
        "days_between(a, b)",
        &["a", "b"],
        "The days from `a` to `b`: a float of two timestamps, an `int` of two dates.",
        |args| between(args, 86_400_000_000.0),
    ),
    function(
        "hours_between",
        "hours_between(a, b)",
        &["a", "b"],
        "The hours from `a` to `b`, as a float.",
        |args| between(args, 3_600_000_000.0),
    ),
    function(
        "minutes_between",
        "minutes_between(a, b)",
        &["a", "b"],
        "The minutes from `a` to `b`, as a float.",
        |args| between(args, 60_000_000.0),
    ),
    function(
        "seconds_between",
        "seconds_between(a, b)",
        &["a", "b"],
        "The seconds from `a` to `b`, as a float.",
        |args| between(args, 1_000_000.0),
    ),
];

constructor!(function, Time);

/// Days as dates; what is beyond the calendar has been judged before.
pub(super) fn dates(values: Vec<Option<i64>>) -> Result<ArrayRef, Fault> {
    let days = values
        .into_iter()
        .map(|day| day.map(i32::try_from).transpose())
        .collect::<Result<Date32Array, _>>()
        .map_err(|_| Fault("the date is out of range".into()))?;
    Ok(Arc::new(days))
}

/// Days since 1970 of a date of the calendar.
pub(super) fn days(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) - EPOCH
}

/// The date of a number of days since 1970.
pub(super) fn date(days: i64) -> Result<NaiveDate, Fault> {
    i32::try_from(days + EPOCH)
        .ok()
        .and_then(NaiveDate::from_num_days_from_ce_opt)
        .ok_or_else(|| Fault("the date is out of range".into()))
}

/// 1970-01-01 in days of the common era.
const EPOCH: i64 = 719_163;

/// The days of `2025-01-01`.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(days)
}

/// A number of days as `2025-01-01`.
pub(super) fn date_text(days: i64) -> String {
    date(days).map_or_else(|_| format!("{days} days"), |date| date.to_string())
}

/// The format written at `index`, checked.
pub(super) fn format(args: &[Arg], index: usize) -> Result<&str, FunctionError> {
    let format = written(args, index, "a format that is written in the text")?;
    if StrftimeItems::new(format).any(|item| matches!(item, Item::Error)) {
        return Err(unwritten(index, "a format such as `%Y-%m-%d %H:%M:%S`"));
    }
    Ok(format)
}

fn to_timestamp(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=2, "one or two arguments")?;
    text(args, 0)?;
    let format = match args.len() {
        2 => {
            let format = format(args, 1)?;
            let zoned = ["%z", "%:z", "%::z", "%#z", "%s", "%+"].iter().any(|part| format.contains(part));
            if !zoned {
                return Err(unwritten(1, "a format with the zone: `%z`"));
            }
            Some(format.to_owned())
        }
        _ => None,
    };
    let parse = move |text: &str| match &format {
        None => Instant::parse(text).map(|instant| instant.0),
        Some(format) if format.contains("%s") => {
            let time = chrono::NaiveDateTime::parse_from_str(text, format).ok()?;
            Some(time.and_utc().timestamp_micros())
        }
        Some(format) => DateTime::parse_from_str(text, format).ok().map(|time| time.timestamp_micros()),
    };
    Ok(Binding {
        params: vec![Type::String; args.len()],
        result: strict(args, Type::Timestamp),
        kernel: Kernel::own(move |ops, rows| {
            let s = ops[0].texts();
            let values = each(ops, rows, |row| match parse(s.at(row)) {
                Some(micros) => Ok(Some(micros)),
                None => Err(Fault("the string writes no timestamp".into())),
            })?;
            Ok(ints(values, &Type::Timestamp))
        }),
    })
}

fn from_epoch(args: &[Arg], unit: i64) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    exactly(args, 0, &Type::Int, "an int")?;
    Ok(Binding {
        params: vec![Type::Int],
        result: strict(args, Type::Timestamp),
        kernel: Kernel::own(move |ops, rows| {
            let n = ops[0].ints();
            let values = each(ops, rows, |row| match n.at(row).checked_mul(unit) {
                Some(micros) => Ok(Some(micros)),
                None => Err(Fault("the timestamp is out of range".into())),
            })?;
            Ok(ints(values, &Type::Timestamp))
        }),
    })
}

fn make_date(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 3..=3, "three arguments")?;
    (0..3).try_for_each(|index| exactly(args, index, &Type::Int, "an int"))?;
    Ok(Binding {
        params: vec![Type::Int; 3],
        result: Slot::nullable(Type::Date),
        kernel: Kernel::own(|ops, rows| {
            let [y, m, d] = [ops[0].ints(), ops[1].ints(), ops[2].ints()];
            let day = |row: usize| -> Option<i64> {
                let year = i32::try_from(y.at(row)).ok()?;
                let (month, day) = (u32::try_from(m.at(row)).ok()?, u32::try_from(d.at(row)).ok()?);
                NaiveDate::from_ymd_opt(year, month, day).map(days)
            };
            dates(each(ops, rows, |row| Ok(day(row)))?)
        }),
    })
}

fn date_bin(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=3, "two or three arguments")?;
    exactly(args, 0, &Type::Duration, "a duration")?;
    (1..args.len()).try_for_each(|index| exactly(args, index, &Type::Timestamp, "a timestamp"))?;
    if !matches!(args[0].literal, Some(Value::Int(stride)) if stride > 0) {
        return Err(unwritten(0, "a duration above 0 that is written in the text"));
    }
    let mut params = vec![Type::Duration];
    params.resize(args.len(), Type::Timestamp);
    Ok(Binding {
        params,
        result: strict(args, Type::Timestamp),
        kernel: Kernel::own(|ops, rows| {
            let (stride, t, origin) = (ops[0].ints(), ops[1].ints(), ops.get(2).map(Operand::ints));
            let values = each(ops, rows, |row| {
                let (stride, t) = (i128::from(stride.at(row)), i128::from(t.at(row)));
                let origin = origin.as_ref().map_or(0, |origin| i128::from(origin.at(row)));
                let bin = t - (t - origin).rem_euclid(stride);
                i64::try_from(bin).map(Some).map_err(|_| Fault("the timestamp is out of range".into()))
            })?;
            Ok(ints(values, &Type::Timestamp))
        }),
    })
}

fn between(args: &[Arg], unit: f64) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    let day = unit.to_bits() == 86_400_000_000.0_f64.to_bits();
    match (&args[0].slot.ty, &args[1].slot.ty) {
        (Type::Timestamp, Type::Timestamp) => {}
        (Type::Date, Type::Date) if day => {
            return Ok(Binding {
                params: vec![Type::Date, Type::Date],
                result: strict(args, Type::Int),
                kernel: Kernel::own(|ops, rows| {
                    let (a, b) = (ops[0].days(), ops[1].days());
                    Ok(ints(each(ops, rows, |row| Ok(Some(b.at(row) - a.at(row))))?, &Type::Int))
                }),
            });
        }
        (Type::Timestamp, _) => return Err(wrong(args, 1, "a timestamp")),
        (Type::Date, _) if day => return Err(wrong(args, 1, "a date")),
        _ => return Err(wrong(args, 0, "a timestamp")),
    }
    Ok(Binding {
        params: vec![Type::Timestamp, Type::Timestamp],
        result: strict(args, Type::Float),
        kernel: Kernel::own(move |ops, rows| {
            let (a, b) = (ops[0].ints(), ops[1].ints());
            // The difference of two 64-bit integers has 65 bits; it is rounded once, divided once.
            let length = |row: usize| i128::from(b.at(row)) - i128::from(a.at(row));
            Ok(floats(each(ops, rows, |row| Ok(Some(length(row) as f64 / unit)))?))
        }),
    })
}
