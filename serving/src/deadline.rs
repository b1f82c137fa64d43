//! The deadline that a caller sends along: `grpc-timeout`, digits and a unit.

use std::time::Duration;

use http::HeaderMap;

/// The most digits that the protocol allows.
const DIGITS: usize = 8;

/// How long the caller waits; none where it does not say, or says nothing that the protocol knows.
pub(crate) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if count.len() > DIGITS {
        return None;
    }
    let count: u64 = count.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_nothing_else() {
        for (text, is) in [
            ("3H", Some(Duration::from_hours(3))),
            ("2M", Some(Duration::from_mins(2))),
            ("10S", Some(Duration::from_secs(10))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("", None),
            ("m", None),
            ("1", None),
            ("1x", None),
            ("-1S", None),
            ("999999999S", None),
            ("1é", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", http::HeaderValue::from_bytes(text.as_bytes()).unwrap());
            assert_eq!(of(&headers), is, "{text}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }
}
