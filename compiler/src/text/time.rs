//! Times as text, with a zone or without.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// What a text says of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// An instant, in microseconds UTC: the text carries a zone or an offset.
    Instant(i64),
    /// What a clock showed, in microseconds since it showed 1970: the text carries no zone.
    Wall(i64),
}

/// Why a text is not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTime {
    /// It has another form.
    Form,
    /// It has digits other than zeros below a microsecond.
    BelowMicroseconds,
    /// It is a leap second, which is no instant of its own.
    LeapSecond,
}

/// Reads a time.
pub(super) fn parse(text: &str) -> Result<Time, NoTime> {
    if let Some(time) = plain(text) {
        return Ok(time);
    }
    let time = any(text)?;
    if is_finer(text) { Err(NoTime::BelowMicroseconds) } else { Ok(time) }
}

/// Every form that is read, finer digits cut off.
fn any(text: &str) -> Result<Time, NoTime> {
    let zoned = |time: DateTime<FixedOffset>| settled(time.naive_utc()).map(Time::Instant);
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return zoned(time);
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
        if let Ok(time) = DateTime::parse_from_str(text, form) {
            return zoned(time);
        }
    }
    if let Some(bare) = text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')) {
        return match any(bare)? {
            Time::Wall(micros) => Ok(Time::Instant(micros)),
            Time::Instant(_) => Err(NoTime::Form),
        };
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return settled(time).map(Time::Wall);
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| NoTime::Form)?;
    Ok(Time::Wall(date.and_time(NaiveTime::MIN).and_utc().timestamp_micros()))
}

/// Days since 1970 of a date; nothing if the text says more than a date, or less.
pub(super) fn date(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.signed_duration_since(NaiveDate::default()).num_days() as i32)
}

fn settled(time: NaiveDateTime) -> Result<i64, NoTime> {
    if time.nanosecond() >= 1_000_000_000 {
        return Err(NoTime::LeapSecond);
    }
    Ok(time.and_utc().timestamp_micros())
}

/// Whether a fraction of a second has digits other than zeros behind its sixth.
fn is_finer(text: &str) -> bool {
    let Some((_, fraction)) = text.split_once('.') else { return false };
    fraction.bytes().take_while(u8::is_ascii_digit).skip(6).any(|digit| digit != b'0')
}

/// The form that nearly every file has, `2024-05-01T10:00:00` or with a blank, a fraction of up to six
/// digits and `Z` behind it or not, in a tenth of the time that all forms take. Nothing says nothing.
fn plain(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let split = bytes.len() >= 19 && matches!(bytes[10], b'T' | b' ');
    if !split || marks.iter().any(|&(at, mark)| bytes[at] != mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to].iter().try_fold(0_u32, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let date = NaiveDate::from_ymd_opt(number(0, 4)? as i32, number(5, 7)?, number(8, 10)?)?;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let end = bytes.len() - usize::from(bytes.ends_with(b"Z"));
    let fraction = match end {
        19 => 0,
        21..=26 if bytes[19] == b'.' => number(20, end)? * 10_u32.pow(26 - end as u32),
        _ => return None,
    };
    let days = i64::from(date.signed_duration_since(NaiveDate::default()).num_days() as i32);
    let seconds = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    let micros = seconds * 1_000_000 + i64::from(fraction);
    Some(if end < bytes.len() { Time::Instant(micros) } else { Time::Wall(micros) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_its_zone_or_as_a_wall_clock() {
        for zoned in [
            "1970-01-01T01:00:00+01:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01T00:00:00.000Z",
            "1970-01-01 00:00:00+00",
            "1970-01-01T00:00:00.000000000Z",
        ] {
            assert_eq!(parse(zoned), Ok(Time::Instant(0)), "{zoned}");
        }
        for local in ["1970-01-01T00:00:00", "1970-01-01 00:00", "1970-01-01"] {
            assert_eq!(parse(local), Ok(Time::Wall(0)), "{local}");
        }
        for none in ["noon", "", "2025-02-29T00:00:00Z", "2025-01-01T24:00:00Z", "2025-01-01T00:00:00ZZ"] {
            assert_eq!(parse(none), Err(NoTime::Form), "{none}");
        }
        assert_eq!(parse("1970-01-01T00:00:00.25Z"), Ok(Time::Instant(250_000)));
        assert_eq!(parse("1969-12-31T23:59:59.999999"), Ok(Time::Wall(-1)));
    }

    #[test]
    fn what_an_instant_cannot_hold_is_refused() {
        for finer in ["2025-01-01T00:00:00.1234567Z", "2025-01-01 00:00:00.0000000000001+02:00"] {
            assert_eq!(parse(finer), Err(NoTime::BelowMicroseconds), "{finer}");
        }
        assert_eq!(parse("2025-01-01T00:00:60Z"), Err(NoTime::LeapSecond));
    }

    #[test]
    fn the_short_way_reads_what_the_long_way_reads() {
        for text in [
            "2024-02-29T23:59:59Z",
            "0001-01-01 00:00:00.1",
            "9999-12-31T10:20:30.123456Z",
            "1969-01-01T00:00:00.5",
        ] {
            let long = text.trim_end_matches('Z');
            let form = if text.contains('T') { "%Y-%m-%dT%H:%M:%S%.f" } else { "%Y-%m-%d %H:%M:%S%.f" };
            let micros = NaiveDateTime::parse_from_str(long, form).unwrap().and_utc().timestamp_micros();
            let expected = if text.ends_with('Z') { Time::Instant(micros) } else { Time::Wall(micros) };
            assert_eq!(plain(text), Some(expected), "{text}");
        }
        assert_eq!(date("1970-01-02"), Some(1));
        assert_eq!(date("2025-01-01T10:00:00Z"), None);
        assert_eq!(date("20000"), None);
    }
}
