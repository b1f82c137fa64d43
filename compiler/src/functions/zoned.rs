//! What a clock on the wall shows: parts, truncation and text of timestamps in a zone, and of dates.
//!
//! The zone is written in the text: without it the answer would depend on where it is computed.

use chrono::{
    DateTime, Datelike, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Timelike, Weekday,
};
use chrono_tz::Tz;
use feat_kernel::types::Type;

use super::operand::{bools, each, ints, texts};
use super::time::{date, dates, days, format, function, parse_date};
use super::types::{arity, strict, text, unwritten, written, wrong};
use super::{Arg, Binding, Fault, Function, FunctionError, Kernel};

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "date_part",
        "date_part(part, t, tz: \"Europe/Paris\")",
        &["part", "t", "tz"],
        "A part as an `int`: `year quarter month week day hour minute second millisecond microsecond dow isodow \
         doy isoyear epoch`. `dow` counts from Sunday 0, `isodow` from Monday 1, `week` and `isoyear` as ISO 8601; \
         `millisecond` and `microsecond` hold the seconds too. A date takes no `tz:` and has no parts of a day.",
        date_part,
    ),
    function(
        "date_trunc",
        "date_trunc(part, t, tz: \"Europe/Paris\")",
        &["part", "t", "tz"],
        "The beginning of the `year quarter month week day hour minute second` in which `t` lies.",
        date_trunc,
    ),
    function(
        "to_date",
        "to_date(t, tz: \"Europe/Paris\") or to_date(s, format)",
        &["t", "tz"],
        "The date a clock of the zone shows at `t`; or the one a string writes, an evaluation error if it writes none.",
        to_date,
    ),
    function(
        "to_char",
        "to_char(t, format, tz: \"Europe/Paris\")",
        &["t", "format", "tz"],
        "As text in a `strftime` format; a date takes no `tz:`.",
        to_char,
    ),
    function(
        "is_weekend",
        "is_weekend(t, tz: \"Europe/Paris\")",
        &["t", "tz"],
        "Whether it is Saturday or Sunday; a date takes no `tz:`.",
        is_weekend,
    ),
];

/// A moment as a wall clock shows it.
#[derive(Clone, Copy)]
struct Wall {
    local: NaiveDateTime,
    micros: i64,
}

/// The argument at `index`, a timestamp with its zone or a date.
enum Moment {
    At(Tz),
    Date,
}

/// The moment at `index` and the zone behind it at `zone`.
fn moment(args: &[Arg], index: usize, zone: usize) -> Result<Moment, FunctionError> {
    match (&args[index].slot.ty, args.get(zone)) {
        (Type::Timestamp, Some(_)) => {
            let name = written(args, zone, "a time zone that is written in the text")?;
            name.parse().map(Moment::At).map_err(|_| unwritten(zone, "a time zone such as `Europe/Paris`"))
        }
        (Type::Timestamp, None) => Err(FunctionError::Zone),
        (Type::Date, None) => Ok(Moment::Date),
        (Type::Date, Some(_)) => {
            Err(FunctionError::Arguments { expected: "no `tz:` beside a date".into(), found: args.len() })
        }
        _ => Err(wrong(args, index, "a timestamp or a date")),
    }
}

fn out_of_range() -> Fault {
    Fault("the timestamp is out of range".into())
}

fn wall(zone: Tz, micros: i64) -> Result<Wall, Fault> {
    let utc = DateTime::from_timestamp_micros(micros).ok_or_else(out_of_range)?;
    let local = utc
        .naive_utc()
        .checked_add_offset(chrono::Offset::fix(&zone.offset_from_utc_datetime(&utc.naive_utc())));
    Ok(Wall { local: local.ok_or_else(out_of_range)?, micros })
}

fn params(args: &[Arg], types: &[Type]) -> Vec<Type> {
    let mut params = types.to_vec();
    params.resize(args.len(), Type::String);
    params
}

fn date_part(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=3, "a part, a timestamp and `tz:`")?;
    let name = written(args, 0, "a part that is written in the text")?;
    let moment = moment(args, 1, 2)?;
    let of_day = ["hour", "minute", "second", "millisecond", "microsecond"].contains(&name);
    let part = part(name).filter(|_| !(of_day && matches!(moment, Moment::Date)));
    let part =
        part.ok_or_else(|| unwritten(0, "a part such as `\"hour\"` (of a timestamp) or `\"month\"`"))?;
    let kernel = match moment {
        Moment::At(zone) => Kernel::own(move |ops, rows| {
            let t = ops[1].ints();
            Ok(ints(each(ops, rows, |row| wall(zone, t.at(row)).map(|wall| Some(part(wall))))?, &Type::Int))
        }),
        Moment::Date => Kernel::own(move |ops, rows| {
            let d = ops[1].days();
            let values = each(ops, rows, |row| {
                let local = date(d.at(row))?.and_time(chrono::NaiveTime::MIN);
                Ok(Some(part(Wall { local, micros: local.and_utc().timestamp_micros() })))
            })?;
            Ok(ints(values, &Type::Int))
        }),
    };
    let types = [Type::String, args[1].slot.ty.clone()];
    Ok(Binding { params: params(args, &types), result: strict(args, Type::Int), kernel })
}

fn part(name: &str) -> Option<fn(Wall) -> i64> {
    Some(match name {
        "year" => |wall| wall.local.year().into(),
        "quarter" => |wall| i64::from(wall.local.month0() / 3) + 1,
        "month" => |wall| wall.local.month().into(),
        "week" => |wall| wall.local.iso_week().week().into(),
        "day" => |wall| wall.local.day().into(),
        "hour" => |wall| wall.local.hour().into(),
        "minute" => |wall| wall.local.minute().into(),
        "second" => |wall| wall.local.second().into(),
        "millisecond" => |wall| wall.micros.div_euclid(1_000).rem_euclid(60_000),
        "microsecond" => |wall| wall.micros.rem_euclid(60_000_000),
        "dow" => |wall| wall.local.weekday().num_days_from_sunday().into(),
        "isodow" => |wall| wall.local.weekday().number_from_monday().into(),
        "doy" => |wall| wall.local.ordinal().into(),
        "isoyear" => |wall| wall.local.iso_week().year().into(),
        "epoch" => |wall| wall.micros.div_euclid(1_000_000),
        _ => return None,
    })
}

fn date_trunc(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=3, "a part, a timestamp and `tz:`")?;
    let name = written(args, 0, "a part that is written in the text")?.to_owned();
    let moment = moment(args, 1, 2)?;
    let whole_days = ["year", "quarter", "month", "week", "day"].contains(&name.as_str());
    let known = whole_days || ["hour", "minute", "second"].contains(&name.as_str());
    if !known || (!whole_days && matches!(moment, Moment::Date)) {
        return Err(unwritten(0, "a part such as `\"hour\"` (of a timestamp) or `\"month\"`"));
    }
    let ty = args[1].slot.ty.clone();
    let kernel = match moment {
        Moment::At(zone) => Kernel::own(move |ops, rows| {
            let t = ops[1].ints();
            let values = each(ops, rows, |row| truncate(zone, &name, t.at(row)).map(Some))?;
            Ok(ints(values, &Type::Timestamp))
        }),
        Moment::Date => Kernel::own(move |ops, rows| {
            let d = ops[1].days();
            dates(each(ops, rows, |row| Ok(Some(days(begin(date(d.at(row))?, &name)))))?)
        }),
    };
    Ok(Binding { params: params(args, &[Type::String, ty.clone()]), result: strict(args, ty), kernel })
}

/// The first day of the part in which `day` lies.
fn begin(day: NaiveDate, part: &str) -> NaiveDate {
    let first = |month: u32| day.with_day(1).and_then(|day| day.with_month(month)).unwrap_or(day);
    match part {
        "year" => first(1),
        "quarter" => first(day.month0() / 3 * 3 + 1),
        "month" => first(day.month()),
        "week" => day - TimeDelta::days(day.weekday().num_days_from_monday().into()),
        _ => day,
    }
}

fn truncate(zone: Tz, part: &str, micros: i64) -> Result<i64, Fault> {
    let Wall { local, .. } = wall(zone, micros)?;
    let length = match part {
        "second" => 1_000_000,
        "minute" => 60_000_000,
        "hour" => 3_600_000_000,
        _ => {
            let midnight = begin(local.date(), part).and_time(chrono::NaiveTime::MIN);
            return first_instant(zone, midnight).ok_or_else(out_of_range);
        }
    };
    // Within one hour of the wall clock the offset may change, so the time that has passed since its
    // beginning is taken from the instant itself.
    let passed = local.and_utc().timestamp_micros().rem_euclid(length);
    Ok(micros - passed)
}

/// The first instant at which a clock of `zone` shows `wall` or later.
fn first_instant(zone: Tz, wall: NaiveDateTime) -> Option<i64> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.timestamp_micros()),
        LocalResult::None => {
            // In a gap: the offset in force an hour earlier leads to the instant of the change when
            // the gap begins at `wall`, as those at midnight do.
            let before = zone.from_local_datetime(&(wall - TimeDelta::hours(3))).earliest()?;
            let offset = before.naive_local() - before.naive_utc();
            Some((wall - offset).and_utc().timestamp_micros())
        }
    }
}

fn to_date(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=2, "one or two arguments")?;
    if args[0].slot.ty == Type::Timestamp {
        let Moment::At(zone) = moment(args, 0, 1)? else { return Err(FunctionError::Zone) };
        return Ok(Binding {
            params: vec![Type::Timestamp, Type::String],
            result: strict(args, Type::Date),
            kernel: Kernel::own(move |ops, rows| {
                let t = ops[0].ints();
                dates(each(ops, rows, |row| Ok(Some(days(wall(zone, t.at(row))?.local.date()))))?)
            }),
        });
    }
    text(args, 0).map_err(|_| wrong(args, 0, "a string or a timestamp"))?;
    let format = if args.len() == 2 { Some(format(args, 1)?.to_owned()) } else { None };
    let parse = move |text: &str| match &format {
        Some(format) => NaiveDate::parse_from_str(text, format).ok().map(days),
        None => parse_date(text),
    };
    Ok(Binding {
        params: vec![Type::String; args.len()],
        result: strict(args, Type::Date),
        kernel: Kernel::own(move |ops, rows| {
            let s = ops[0].texts();
            dates(each(ops, rows, |row| match parse(s.at(row)) {
                Some(days) => Ok(Some(days)),
                None => Err(Fault("the string writes no date".into())),
            })?)
        }),
    })
}

fn to_char(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=3, "a timestamp, a format and `tz:`")?;
    let moment = moment(args, 0, 2)?;
    let format = format(args, 1)?.to_owned();
    let kernel = match moment {
        Moment::At(zone) => Kernel::own(move |ops, rows| {
            let t = ops[0].ints();
            Ok(texts(each(ops, rows, |row| {
                let time = DateTime::from_timestamp_micros(t.at(row)).ok_or_else(out_of_range)?;
                written_as(&time.with_timezone(&zone).format(&format)).map(Some)
            })?))
        }),
        Moment::Date => Kernel::own(move |ops, rows| {
            let d = ops[0].days();
            Ok(texts(each(ops, rows, |row| written_as(&date(d.at(row))?.format(&format)).map(Some))?))
        }),
    };
    let types = [args[0].slot.ty.clone(), Type::String];
    Ok(Binding { params: params(args, &types), result: strict(args, Type::String), kernel })
}

fn written_as(value: &impl std::fmt::Display) -> Result<String, Fault> {
    use std::fmt::Write;
    let mut out = String::new();
    // A date has no hours: formatting refuses what is not there.
    write!(out, "{value}").map_err(|_| Fault("the format asks for a part that is not there".into()))?;
    Ok(out)
}

fn is_weekend(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=2, "a timestamp and `tz:`")?;
    let moment = moment(args, 0, 1)?;
    let free = |day: NaiveDate| matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let kernel = match moment {
        Moment::At(zone) => Kernel::own(move |ops, rows| {
            let t = ops[0].ints();
            Ok(bools(each(ops, rows, |row| Ok(Some(free(wall(zone, t.at(row))?.local.date()))))?))
        }),
        Moment::Date => Kernel::own(move |ops, rows| {
            let d = ops[0].days();
            Ok(bools(each(ops, rows, |row| Ok(Some(free(date(d.at(row))?))))?))
        }),
    };
    Ok(Binding { params: params(args, &[args[0].slot.ty.clone()]), result: strict(args, Type::Bool), kernel })
}
