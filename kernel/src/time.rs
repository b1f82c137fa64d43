//! Time: instants and lengths of time, both in whole microseconds, all UTC.

use std::fmt;

/// A point in time, microseconds UTC since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

impl Instant {
    /// Before every row: where `over all` begins when the source names no `since`.
    pub const MIN: Self = Self(i64::MIN);
    /// After every row: how far a log that has ended is complete.
    pub const MAX: Self = Self(i64::MAX);

    /// The greatest multiple of `hop` that is not after this instant; floors go toward minus infinity.
    #[must_use]
    #[inline]
    pub fn floor(self, hop: Micros) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(hop.0)))
    }

    /// This instant plus `length`, held at the ends of time.
    #[must_use]
    #[inline]
    pub fn plus(self, length: Micros) -> Self {
        Self(self.0.saturating_add(length.0))
    }

    /// This instant minus `length`, held at the ends of time.
    #[must_use]
    #[inline]
    pub fn minus(self, length: Micros) -> Self {
        Self(self.0.saturating_sub(length.0))
    }

    /// The next microsecond: the first instant at which a row of this instant is in the past.
    #[must_use]
    #[inline]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The microsecond before this; of the first instant itself.
    #[must_use]
    #[inline]
    pub fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The length from `earlier` to this instant; negative when `earlier` is later.
    #[inline]
    pub fn since(self, earlier: Self) -> Micros {
        Micros(self.0.saturating_sub(earlier.0))
    }

    /// Reads RFC 3339 (`2013-07-04T12:00:00Z`, an offset, a fraction of up to six digits).
    /// `None` when the text is anything else, a time without a zone among it.
    pub fn parse(text: &str) -> Option<Self> {
        chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| Self(time.timestamp_micros()))
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC, with as many digits of the fraction as are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, chrono::DateTime::from_timestamp_micros(self.0)) {
            (Self::MIN, _) => f.write_str("the beginning"),
            (Self::MAX, _) => f.write_str("the end"),
            (_, Some(time)) => f.write_str(&time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            (_, None) => write!(f, "{}us", self.0),
        }
    }
}

/// A length of time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

impl Micros {
    /// No time.
    pub const ZERO: Self = Self(0);
    /// `1s`
    pub const SECOND: Self = Self(1_000_000);
    /// `1m`
    pub const MINUTE: Self = Self(60 * Self::SECOND.0);
    /// `1h`
    pub const HOUR: Self = Self(60 * Self::MINUTE.0);
    /// `1d`, always 24 hours.
    pub const DAY: Self = Self(24 * Self::HOUR.0);
    /// `1w`
    pub const WEEK: Self = Self(7 * Self::DAY.0);
}

impl fmt::Display for Micros {
    /// As the language writes it: the largest units that say it exactly, `1h30m`, `90d`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut rest = self.0.unsigned_abs();
        for (unit, name) in [
            (Self::DAY, "d"),
            (Self::HOUR, "h"),
            (Self::MINUTE, "m"),
            (Self::SECOND, "s"),
            (Self(1_000), "ms"),
            (Self(1), "us"),
        ] {
            let unit = unit.0.unsigned_abs();
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_go_toward_minus_infinity() {
        assert_eq!(Instant(-1).floor(Micros(10)), Instant(-10));
        assert_eq!(Instant(-10).floor(Micros(10)), Instant(-10));
        assert_eq!(Instant(19).floor(Micros(10)), Instant(10));
        assert_eq!(Instant::MIN.floor(Micros::DAY), Instant::MIN);
    }

    #[test]
    fn lengths_are_written_as_the_language_writes_them() {
        assert_eq!(Micros(90 * 60 * 1_000_000).to_string(), "1h30m");
        assert_eq!(Micros(Micros::DAY.0 * 30).to_string(), "30d");
        assert_eq!(Micros(1_500).to_string(), "1ms500us");
    }

    #[test]
    fn a_time_without_a_zone_is_not_an_instant() {
        assert_eq!(Instant::parse("2013-01-01T00:00:00"), None);
        assert_eq!(Instant::parse("1970-01-01T01:00:00+01:00"), Some(Instant(0)));
        assert_eq!(Instant(1_500_000).to_string(), "1970-01-01T00:00:01.500Z");
    }
}
