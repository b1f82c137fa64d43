//! Instants and lengths of time in microseconds, read and written without any calendar library.

use serde::{Deserialize, Serialize};

/// A length of time in microseconds, written `1h30m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Length(pub i64);

const UNITS: [(&str, i64); 7] = [
    ("w", 604_800_000_000),
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("ms", 1_000),
    ("m", 60_000_000),
    ("us", 1),
    ("s", 1_000_000),
];

impl TryFrom<String> for Length {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (mut total, mut rest) = (0_i64, text.as_str());
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(format!("`{text}` lacks a unit"))?;
            let number: i64 =
                rest[..digits].parse().map_err(|_| format!("`{text}` is not a length of time"))?;
            rest = &rest[digits..];
            let (unit, size) = UNITS
                .iter()
                .find(|(unit, _)| rest.starts_with(unit))
                .ok_or(format!("`{text}` has no such unit"))?;
            total += number * size;
            rest = &rest[unit.len()..];
        }
        Ok(Self(total))
    }
}

impl From<Length> for String {
    fn from(length: Length) -> Self {
        let (mut text, mut rest) = (Self::new(), length.0);
        let mut put = |part: std::fmt::Arguments<'_>| text += &part.to_string();
        for unit in ["d", "h", "m", "s", "ms", "us"] {
            let size = UNITS.iter().find(|(name, _)| *name == unit).map_or(1, |(_, size)| *size);
            if rest >= size {
                put(format_args!("{}{unit}", rest / size));
                rest %= size;
            }
        }
        if text.is_empty() { "0s".to_owned() } else { text }
    }
}

impl std::fmt::Display for Length {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from(*self))
    }
}

/// Days since 1970-01-01 of a civil date (the usual era arithmetic, valid for all years used).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The civil date of a day.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// Microseconds since the epoch of `2024-05-01T10:00:00Z`, with an optional fraction of up to six
/// digits; only `Z` is read, since cases are written in UTC. `None` for any other text.
pub fn instant(text: &str) -> Option<i64> {
    let body = text.strip_suffix('Z')?;
    let (date, clock) = body.split_once('T')?;
    let part = |text: &str| text.parse::<i64>().ok();
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (part(date.next()?)?, part(date.next()?)?, part(date.next()?)?);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':');
    let (hour, minute, second) = (part(clock.next()?)?, part(clock.next()?)?, part(clock.next()?)?);
    if fraction.len() > 6 {
        return None;
    }
    let micros = part(&format!("{fraction:0<6}"))?;
    Some((((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

/// The text that [`instant`] reads.
pub fn instant_text(micros: i64) -> String {
    let (day, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let (year, month, day) = civil(day);
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let clock = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction == 0 { format!("{clock}Z") } else { format!("{clock}.{fraction:06}Z") }
}

/// The greatest multiple of `hop` that is not above `t`, toward minus infinity.
pub fn floor(t: i64, hop: i64) -> i64 {
    t - t.rem_euclid(hop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_and_written() {
        // 2024-05-01 is day 19 844 (54 years of 365 days, 13 leap days, 31 + 29 + 31 + 30 + 0 days).
        assert_eq!(
            instant("2024-05-01T00:00:00Z"),
            Some((54 * 365 + 13 + 31 + 29 + 31 + 30) * 86_400_000_000)
        );
        assert_eq!(instant("1969-12-31T23:59:59.5Z"), Some(-500_000));
        assert_eq!(instant("2024-05-01T00:00:00"), None);
        for micros in [-1, 0, 1, 951_782_400_000_000, 1_700_000_000_123_456] {
            assert_eq!(instant(&instant_text(micros)), Some(micros));
        }
    }

    #[test]
    fn lengths_are_read_and_written() {
        let length = |text: &str| Length::try_from(text.to_owned());
        assert_eq!(length("1h30m"), Ok(Length(5_400_000_000)));
        assert_eq!(length("250ms"), Ok(Length(250_000)));
        assert_eq!(length("1w"), Ok(Length(7 * 86_400_000_000)));
        assert_eq!(Length(90_000_001).to_string(), "1m30s1us");
        assert!(length("3 days").is_err());
    }
}
