//! Constants: from digits and quotes to numbers, microseconds, days and text.

use super::grammar::Rule;
use super::node::{Builder, Node, inner, syntax};
use crate::ast::Literal;
use crate::span::{Span, Spanned};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

/// The units of a duration in microseconds, longest first.
pub(crate) const UNITS: [(&str, i64); 7] = [
    ("w", 7 * MICROS_PER_DAY),
    ("d", MICROS_PER_DAY),
    ("h", MICROS_PER_HOUR),
    ("m", MICROS_PER_MINUTE),
    ("s", MICROS_PER_SECOND),
    ("ms", 1_000),
    ("us", 1),
];

/// The escapes that there are.
const ESCAPES: &str =
    "escapes are `\\n`, `\\t`, `\\\"`, `\\\\`, `\\u{…}`; `r\"…\"` takes every character as it is";

/// Offsets of time zones lie within this many hours.
const MAX_OFFSET_HOURS: i64 = 18;

impl Builder {
    /// A `literal` node, or the node of one of its kinds.
    pub(super) fn literal(&mut self, node: &Node) -> Literal {
        match node.as_rule() {
            Rule::literal => self.literal(&inner(node.clone()).must()),
            Rule::timestamp => Literal::Instant(self.instant(node).node),
            Rule::date => Literal::Date(self.date(node)),
            Rule::percent => Literal::Percent(share_digits(node)),
            Rule::duration => Literal::Duration(self.duration(node).node),
            Rule::number => Literal::Fraction(node.as_str().replace('_', "")),
            Rule::int => Literal::Int(self.int(node)),
            Rule::string => Literal::String(self.string(node).node),
            Rule::boolean => Literal::Bool(node.as_str() == "true"),
            _ => Literal::Null,
        }
    }

    /// A `literal` or a `minus_literal`, the sign folded into the constant.
    pub(super) fn signed_literal(&mut self, node: &Node) -> Spanned<Literal> {
        let span = self.span(node);
        if node.as_rule() != Rule::minus_literal {
            return Spanned::new(self.literal(node), span);
        }
        let negated = match self.literal(&inner(node.clone()).nth(1).expect("grammar: `-` has a literal")) {
            // Never overflows: what was read is not negative.
            Literal::Int(value) => Literal::Int(-value),
            Literal::Duration(micros) => Literal::Duration(-micros),
            Literal::Fraction(digits) => Literal::Fraction(format!("-{digits}")),
            other => {
                self.error(span, "`-` stands before numbers and durations only");
                other
            }
        };
        Spanned::new(negated, span)
    }

    pub(super) fn int(&mut self, node: &Node) -> i64 {
        node.as_str().replace('_', "").parse().unwrap_or_else(|_| {
            self.out_of_range(node, "integer", &format!("{}", i64::MAX));
            0
        })
    }

    /// An `int` that counts something.
    pub(super) fn count(&mut self, node: &Node) -> Spanned<u64> {
        Spanned::new(self.int(node).unsigned_abs(), self.span(node))
    }

    /// The microseconds of a `duration`.
    pub(super) fn duration(&mut self, node: &Node) -> Spanned<i64> {
        let micros = duration_micros(node.as_str()).unwrap_or_else(|| {
            self.out_of_range(node, "duration", &format!("{}d", i64::MAX / MICROS_PER_DAY));
            0
        });
        Spanned::new(micros, self.span(node))
    }

    fn out_of_range(&mut self, node: &Node, kind: &str, most: &str) {
        let message = format!("{kind} `{}` is greater than the largest, `{most}`", node.as_str());
        self.report(syntax(self.span(node), message).label("does not fit 64 bits"));
    }

    /// The days from 1970-01-01 to a `date`.
    pub(super) fn date(&mut self, node: &Node) -> i32 {
        self.days(node.as_str(), self.span(node)) as i32
    }

    /// The microseconds UTC of a `timestamp`, or of the first instant of a `date`.
    pub(super) fn instant(&mut self, node: &Node) -> Spanned<i64> {
        let (text, span) = (node.as_str(), self.span(node));
        let days = self.days(&text[..10], span);
        if text.len() == 10 {
            return Spanned::new(days * MICROS_PER_DAY, span);
        }
        let (clock, zone) = split_zone(&text[11..]);
        let micros = clock_micros(clock).unwrap_or_else(|| {
            let mistake = syntax(span, format!("there is no time of day `{clock}`"));
            self.report(mistake.label("hours go to 23, minutes and seconds to 59"));
            0
        });
        let offset = zone_micros(zone).unwrap_or_else(|| {
            let mistake = syntax(span, format!("there is no offset `{zone}`"));
            self.report(mistake.label(format!("offsets go to {MAX_OFFSET_HOURS}:00")));
            0
        });
        Spanned::new(days * MICROS_PER_DAY + micros - offset, span)
    }

    fn days(&mut self, text: &str, span: Span) -> i64 {
        let (year, month, day) = (digits(&text[..4]), digits(&text[5..7]), digits(&text[8..10]));
        if !(1..=12).contains(&month) {
            let mistake = syntax(span, format!("there is no month `{}`", &text[5..7]));
            self.report(mistake.label("months go from 01 to 12"));
        } else if !(1..=days_of_month(year, month)).contains(&day) {
            let mistake = syntax(span, format!("there is no day `{}`", &text[..10]));
            self.report(mistake.label(format!("that month has {} days", days_of_month(year, month))));
        }
        days_from_civil(year, month, day)
    }

    /// The minutes after midnight of a `clock`.
    pub(super) fn clock(&mut self, node: &Node) -> u32 {
        let (hour, minute) = (digits(&node.as_str()[..2]), digits(&node.as_str()[3..5]));
        if hour > 23 || minute > 59 {
            let mistake = syntax(self.span(node), format!("there is no time of day `{}`", node.as_str()));
            self.report(mistake.label("hours go to 23, minutes to 59"));
        }
        (hour * 60 + minute) as u32
    }

    /// The text of a `string`: raw and tripled ones as they are, others unescaped.
    pub(super) fn string(&mut self, node: &Node) -> Spanned<String> {
        let (written, span) = (node.as_str(), self.span(node));
        let text = if let Some(rest) = written.strip_prefix("\"\"\"") {
            rest[..rest.len() - 3].to_owned()
        } else if let Some(rest) = written.strip_prefix("r\"") {
            rest[..rest.len() - 1].to_owned()
        } else {
            self.unescape(&written[1..written.len() - 1], node.as_span().start() + 1)
        };
        Spanned::new(text, span)
    }

    /// `start` is where `body` stands in the text at hand.
    fn unescape(&mut self, body: &str, start: usize) -> String {
        let mut text = String::with_capacity(body.len());
        let mut rest = body;
        while let Some(at) = rest.find('\\') {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            let (character, length) = escape(rest).unwrap_or_else(|length| {
                let from = start + body.len() - rest.len();
                let span = self.at(from, from + length);
                let mistake = syntax(span, format!("there is no escape `{}`", &rest[..length]));
                self.report(mistake.label("not an escape").help(ESCAPES));
                ('\\', length)
            });
            text.push(character);
            rest = &rest[length..];
        }
        text.push_str(rest);
        text
    }
}

/// The character that the escape at the start of `text` stands for and the escape's length, or the
/// length of what is no escape.
fn escape(text: &str) -> Result<(char, usize), usize> {
    let mut characters = text.chars().skip(1);
    let Some(kind) = characters.next() else { return Err(1) };
    match kind {
        'n' => Ok(('\n', 2)),
        't' => Ok(('\t', 2)),
        '"' => Ok(('"', 2)),
        '\\' => Ok(('\\', 2)),
        'u' => {
            let code =
                text[2..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(code, _)| code);
            let Some(code) = code else { return Err(2) };
            let length = code.len() + 4;
            let number = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
            number.map(|character| (character, length)).ok_or(length)
        }
        other => Err(1 + other.len_utf8()),
    }
}

/// The digits of a `percent` without its sign.
pub(super) fn share_digits(node: &Node) -> String {
    node.as_str().trim_end_matches('%').to_owned()
}

fn duration_micros(text: &str) -> Option<i64> {
    let mut total = 0i64;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let micros = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(micros)?)?;
        rest = tail;
    }
    Some(total)
}

/// `10:00:00.5` and `Z`, `+05:30`.
fn split_zone(text: &str) -> (&str, &str) {
    text.split_at(text.find(['Z', '+', '-']).unwrap_or(text.len()))
}

fn clock_micros(clock: &str) -> Option<i64> {
    let (hour, minute) = (digits(&clock[..2]), digits(&clock[3..5]));
    let second = clock.get(6..8).map_or(0, digits);
    let fraction = clock.get(9..).unwrap_or("");
    let micros = digits(fraction) * 10i64.pow(6 - fraction.len() as u32);
    let valid = hour <= 23 && minute <= 59 && second <= 59;
    valid.then_some(hour * MICROS_PER_HOUR + minute * MICROS_PER_MINUTE + second * MICROS_PER_SECOND + micros)
}

fn zone_micros(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (hours, minutes) = (digits(&zone[1..3]), digits(&zone[4..6]));
    let valid = minutes <= 59 && (hours < MAX_OFFSET_HOURS || (hours == MAX_OFFSET_HOURS && minutes == 0));
    let micros = hours * MICROS_PER_HOUR + minutes * MICROS_PER_MINUTE;
    valid.then_some(if zone.starts_with('-') { -micros } else { micros })
}

/// The number that a few decimal digits write; the grammar bounds how many.
fn digits(text: &str) -> i64 {
    text.bytes().fold(0, |number, byte| number * 10 + i64::from(byte - b'0'))
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar. Source: Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a number of days from 1970-01-01: the inverse of [`days_from_civil`].
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_ten_thousand_years_survives_the_round_trip() {
        let (first, last) = (days_from_civil(0, 1, 1), days_from_civil(9999, 12, 31));
        assert_eq!((first, last), (-719_528, 2_932_896));
        for days in first..=last {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            assert!((1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day));
        }
    }

    #[test]
    fn compound_durations_add_up_and_overflow_is_seen() {
        assert_eq!(duration_micros("1h30m"), Some(5_400_000_000));
        assert_eq!(duration_micros("500ms"), Some(500_000));
        assert_eq!(duration_micros("9223372036854775807us"), Some(i64::MAX));
        assert_eq!(duration_micros("9223372036854775807us1us"), None);
        assert_eq!(duration_micros("99999999999999999999d"), None);
    }
}
