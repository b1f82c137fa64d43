//! Public holidays of nations, by rule: fixed days, the nth weekday of a month, days around Easter,
//! days off for what falls on a weekend, and the few days that a law moved or added once.
//!
//! The rules are data that change: whoever changes one raises [`DATA`], which is part of the meaning
//! of every expression that asks. Regions, and days that are free for some alone, are not here.

use std::sync::LazyLock;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use feat_kernel::types::{Slot, Type};

use super::operand::{bools, each};
use super::time::{date, days, function};
use super::types::{arity, exactly, unwritten, written};
use super::{Arg, Binding, Function, FunctionError, Kernel};

/// The version of the rules.
pub(super) const DATA: &str = "holidays 1";

/// The first year that the rules cover.
const FIRST: i32 = 1995;
/// The last year that the rules cover: laws change.
const LAST: i32 = 2050;

pub(super) const FUNCTIONS: &[Function] = &[function(
    "is_holiday",
    "is_holiday(d, \"US\")",
    &["d", "country"],
    "Whether a date is a nation-wide public holiday of `DE`, `FR`, `GB` (England and Wales) or `US` (federal), or the \
     day off that the law gives for one on a weekend; null before 1995 and after 2050.",
    is_holiday,
)];

/// A country whose rules are known.
struct Country {
    code: &'static str,
    /// Its holidays as days since 1970, in order.
    days: LazyLock<Vec<i64>>,
}

/// By code.
static COUNTRIES: [Country; 4] = [
    Country { code: "DE", days: LazyLock::new(|| covered(germany)) },
    Country { code: "FR", days: LazyLock::new(|| covered(france)) },
    Country { code: "GB", days: LazyLock::new(|| covered(england_and_wales)) },
    Country { code: "US", days: LazyLock::new(|| covered(united_states)) },
];

fn is_holiday(args: &[Arg]) -> Result<Binding, FunctionError> {
    const EXPECTED: &str = "a country: `DE`, `FR`, `GB` or `US`";
    arity(args, 2..=2, "a date and a country")?;
    exactly(args, 0, &Type::Date, "a date")?;
    let code = written(args, 1, EXPECTED)?;
    let country = COUNTRIES.iter().find(|country| country.code == code);
    let country = country.ok_or_else(|| unwritten(1, EXPECTED))?;
    Ok(Binding {
        params: vec![Type::Date, Type::String],
        result: Slot::nullable(Type::Bool),
        kernel: Kernel::own(move |ops, rows| {
            let d = ops[0].days();
            Ok(bools(each(ops, rows, |row| {
                let day = d.at(row);
                let known = (FIRST..=LAST).contains(&date(day)?.year());
                Ok(known.then(|| country.days.binary_search(&day).is_ok()))
            })?))
        }),
    })
}

/// The days of every covered year by `rules`, which a neighbouring year may add to.
fn covered(rules: fn(i32, &mut Vec<NaiveDate>)) -> Vec<i64> {
    let mut dates = Vec::new();
    (FIRST..=LAST + 1).for_each(|year| rules(year, &mut dates));
    dates.retain(|date| (FIRST..=LAST).contains(&date.year()));
    let mut days: Vec<i64> = dates.into_iter().map(days).collect();
    days.sort_unstable();
    days.dedup();
    days
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("invariant: a rule names a day of the calendar")
}

/// The `n`th `weekday` of a month, from 1.
fn nth(year: i32, month: u32, weekday: Weekday, n: u8) -> NaiveDate {
    NaiveDate::from_weekday_of_month_opt(year, month, weekday, n)
        .expect("invariant: a rule asks for one of the first four")
}

/// The last Monday of a month.
fn last_monday(year: i32, month: u32) -> NaiveDate {
    let fifth = NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Mon, 5);
    fifth.unwrap_or_else(|| nth(year, month, Weekday::Mon, 4))
}

fn later(date: NaiveDate, days: u64) -> NaiveDate {
    date + Days::new(days)
}

/// Easter Sunday of the Gregorian calendar: the anonymous computus of 1876.
fn easter(year: i32) -> NaiveDate {
    let (golden, century, rest) = (year % 19, year / 100, year % 100);
    let correction = (century - (century + 8) / 25 + 1) / 3;
    let moon = (19 * golden + century - century / 4 - correction + 15) % 30;
    let week = (32 + 2 * (century % 4) + 2 * (rest / 4) - moon - rest % 4) % 7;
    let late = (golden + 11 * moon + 22 * week) / 451;
    let at = moon + week - 7 * late + 114;
    day(year, (at / 31) as u32, (at % 31) as u32 + 1)
}

/// Title 5, section 6103 of the United States Code: a Saturday's holiday is observed on the Friday
/// before, a Sunday's on the Monday behind it.
fn united_states(year: i32, into: &mut Vec<NaiveDate>) {
    let mut fixed = vec![day(year, 1, 1), day(year, 7, 4), day(year, 11, 11), day(year, 12, 25)];
    if year >= 2021 {
        fixed.push(day(year, 6, 19));
    }
    for date in fixed {
        into.push(date);
        match date.weekday() {
            Weekday::Sat => into.push(date - Days::new(1)),
            Weekday::Sun => into.push(later(date, 1)),
            _ => {}
        }
    }
    into.extend([
        nth(year, 1, Weekday::Mon, 3),
        nth(year, 2, Weekday::Mon, 3),
        last_monday(year, 5),
        nth(year, 9, Weekday::Mon, 1),
        nth(year, 10, Weekday::Mon, 2),
        nth(year, 11, Weekday::Thu, 4),
    ]);
}

/// The bank holidays of the Banking and Financial Dealings Act 1971 with Good Friday and Christmas
/// Day, days in lieu of those at a weekend, and what proclamations moved and added.
fn england_and_wales(year: i32, into: &mut Vec<NaiveDate>) {
    let sunday = easter(year);
    let new_year = day(year, 1, 1);
    into.extend([new_year, sunday - Days::new(2), later(sunday, 1), last_monday(year, 8)]);
    match new_year.weekday() {
        Weekday::Sat => into.push(later(new_year, 2)),
        Weekday::Sun => into.push(later(new_year, 1)),
        _ => {}
    }
    into.push(match year {
        1995 | 2020 => day(year, 5, 8),
        _ => nth(year, 5, Weekday::Mon, 1),
    });
    into.push(match year {
        2002 | 2012 => day(year, 6, 4),
        2022 => day(year, 6, 2),
        _ => last_monday(year, 5),
    });
    let christmas = day(year, 12, 25);
    into.extend([christmas, later(christmas, 1)]);
    match christmas.weekday() {
        Weekday::Fri => into.push(later(christmas, 3)),
        Weekday::Sat => into.extend([later(christmas, 2), later(christmas, 3)]),
        Weekday::Sun => into.push(later(christmas, 2)),
        _ => {}
    }
    into.extend(match year {
        1999 => vec![day(year, 12, 31)],
        2002 => vec![day(year, 6, 3)],
        2011 => vec![day(year, 4, 29)],
        2012 => vec![day(year, 6, 5)],
        2022 => vec![day(year, 6, 3), day(year, 9, 19)],
        2023 => vec![day(year, 5, 8)],
        _ => Vec::new(),
    });
}

/// What is a holiday in every Land.
fn germany(year: i32, into: &mut Vec<NaiveDate>) {
    let sunday = easter(year);
    into.extend([
        day(year, 1, 1),
        sunday - Days::new(2),
        later(sunday, 1),
        day(year, 5, 1),
        later(sunday, 39),
        later(sunday, 50),
        day(year, 10, 3),
        day(year, 12, 25),
        day(year, 12, 26),
    ]);
    // Five hundred years of the Reformation.
    if year == 2017 {
        into.push(day(year, 10, 31));
    }
}

/// Article L3133-1 of the labour code: without the days of Alsace and Moselle alone. Whit Monday stayed
/// on its list when, from 2005 to 2007, everybody worked on it.
fn france(year: i32, into: &mut Vec<NaiveDate>) {
    let sunday = easter(year);
    into.extend([
        day(year, 1, 1),
        later(sunday, 1),
        day(year, 5, 1),
        day(year, 5, 8),
        later(sunday, 39),
        later(sunday, 50),
        day(year, 7, 14),
        day(year, 8, 15),
        day(year, 11, 1),
        day(year, 11, 11),
        day(year, 12, 25),
    ]);
}

#[cfg(test)]
mod tests {
    use super::{COUNTRIES, day, days, easter};

    #[test]
    fn easter_is_where_the_almanac_has_it() {
        for (year, month, at) in [
            (1995, 4, 16),
            (2000, 4, 23),
            (2008, 3, 23),
            (2011, 4, 24),
            (2019, 4, 21),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2038, 4, 25),
            (2049, 4, 18),
        ] {
            assert_eq!(easter(year), day(year, month, at));
        }
    }

    /// Every holiday of some years, as the governments published them, and those at weekends.
    #[test]
    fn whole_years_are_those_of_the_gazettes() {
        let years: [(&str, i32, &str); 12] = [
            ("US", 2020, "1-1 1-20 2-17 5-25 7-3 7-4 9-7 10-12 11-11 11-26 12-25"),
            // New Year's Day of 2022 is a Saturday: it is observed in 2021.
            ("US", 2021, "1-1 1-18 2-15 5-31 6-18 6-19 7-4 7-5 9-6 10-11 11-11 11-25 12-24 12-25 12-31"),
            ("US", 2022, "1-1 1-17 2-21 5-30 6-19 6-20 7-4 9-5 10-10 11-11 11-24 12-25 12-26"),
            ("US", 2023, "1-1 1-2 1-16 2-20 5-29 6-19 7-4 9-4 10-9 11-10 11-11 11-23 12-25"),
            ("GB", 2002, "1-1 3-29 4-1 5-6 6-3 6-4 8-26 12-25 12-26"),
            ("GB", 2011, "1-1 1-3 4-22 4-25 4-29 5-2 5-30 8-29 12-25 12-26 12-27"),
            ("GB", 2020, "1-1 4-10 4-13 5-8 5-25 8-31 12-25 12-26 12-28"),
            ("GB", 2021, "1-1 4-2 4-5 5-3 5-31 8-30 12-25 12-26 12-27 12-28"),
            ("GB", 2022, "1-1 1-3 4-15 4-18 5-2 6-2 6-3 8-29 9-19 12-25 12-26 12-27"),
            ("GB", 2023, "1-1 1-2 4-7 4-10 5-1 5-8 5-29 8-28 12-25 12-26"),
            ("DE", 2017, "1-1 4-14 4-17 5-1 5-25 6-5 10-3 10-31 12-25 12-26"),
            ("FR", 2024, "1-1 4-1 5-1 5-8 5-9 5-20 7-14 8-15 11-1 11-11 12-25"),
        ];
        for (code, year, expected) in years {
            let country = COUNTRIES.iter().find(|country| country.code == code).unwrap();
            let mut expected: Vec<i64> = expected
                .split(' ')
                .map(|date| date.split_once('-').unwrap())
                .map(|(month, at)| days(day(year, month.parse().unwrap(), at.parse().unwrap())))
                .collect();
            expected.sort_unstable();
            let (first, last) = (days(day(year, 1, 1)), days(day(year, 12, 31)));
            let found: Vec<i64> =
                country.days.iter().copied().filter(|day| (first..=last).contains(day)).collect();
            assert_eq!(found, expected, "{code} {year}");
        }
    }
}
