//! Values as text: what a person writes on the command line, and what is printed for one.

use std::fmt::Write as _;

use feat_kernel::time::{Instant, Micros};
use feat_kernel::types::Type;
use feat_kernel::value::{Value, finite};
use serde_json::{Value as Json, json};

/// The value of type `ty` that `text` writes; `None` if it writes none. The text `null` is null; a text
/// in double quotes, escapes as in JSON, is what stands between them.
pub(crate) fn parse(text: &str, ty: &Type) -> Option<Value> {
    if text == "null" {
        return Some(Value::Null);
    }
    match ty {
        Type::Bool => text.parse().ok().map(Value::Bool),
        Type::Int => text.parse().ok().map(Value::Int),
        Type::Duration => length(text).map(|length| Value::Int(length.0)),
        Type::Float => text.parse().ok().and_then(finite).map(Value::Float),
        Type::Decimal(precision, scale) => decimal(text, *precision, *scale).map(Value::Decimal),
        Type::String => Some(Value::Str(unquoted(text).into())),
        Type::Enum(names) => {
            let text = unquoted(text);
            names.contains(&text).then(|| Value::Str(text.into()))
        }
        Type::Timestamp => Instant::parse(text).map(|instant| Value::Int(instant.0)),
        Type::Date => Instant::parse(&format!("{text}T00:00:00Z"))
            .map(|instant| Value::Int(instant.0.div_euclid(Micros::DAY.0))),
        Type::Bytes => hex(text).map(|bytes| Value::Bytes(bytes.into())),
        Type::List(_) | Type::Map(..) | Type::Struct(_) | Type::Embedding(_) => None,
    }
}

/// What stands between the double quotes of `text`; the text itself where there are none.
fn unquoted(text: &str) -> String {
    let quoted = text.len() > 1 && text.starts_with('"') && text.ends_with('"');
    let inner = quoted.then(|| serde_json::from_str(text).ok()).flatten();
    inner.unwrap_or_else(|| text.to_owned())
}

/// What [`parse`] reads, in words, for an error.
pub(crate) fn expected(ty: &Type) -> String {
    match ty {
        Type::Timestamp => "a timestamp with a zone, such as 2013-07-04T12:00:00Z".to_owned(),
        Type::Date => "a date, such as 2013-07-04".to_owned(),
        Type::Duration => "a duration, such as 1h30m".to_owned(),
        Type::Bytes => "bytes in hexadecimal".to_owned(),
        Type::List(_) | Type::Map(..) | Type::Struct(_) | Type::Embedding(_) => {
            format!("a {ty}, which has no form here; use `--keys FILE.parquet`")
        }
        other => format!("of type {other}"),
    }
}

/// `1h30m`, `7d`: whole units of the language, largest first or not.
pub(crate) fn length(text: &str) -> Option<Micros> {
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "us" => 1,
            "ms" => 1_000,
            "s" => Micros::SECOND.0,
            "m" => Micros::MINUTE.0,
            "h" => Micros::HOUR.0,
            "d" => Micros::DAY.0,
            "w" => Micros::WEEK.0,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(Micros(total))
}

/// Digits with at most `scale` behind the point and `precision` in all.
fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let scale = usize::try_from(scale).ok()?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > scale || !plain(whole) || !plain(fraction) {
        return None;
    }
    let number: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
    (number < 10_i128.checked_pow(u32::from(precision))?).then_some(sign * number)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// A value for a person; floats read back to the same bits, and the text `null` stands in quotes.
pub(crate) fn shown(value: &Value, ty: &Type) -> String {
    match json_of(value, ty) {
        // Without quotes it would be read as something else.
        Json::String(text) if text == "null" || unquoted(&text) != text => json!(text).to_string(),
        Json::String(text) => text,
        other => other.to_string(),
    }
}

/// The name of a member of a JSON object for a key of a map.
fn name(value: &Value, ty: &Type) -> String {
    match json_of(value, ty) {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

/// A value as JSON. Floats and integers are numbers that read back to the same bits; what JSON has
/// no form for (decimals, instants, dates, durations, bytes) is a string.
pub(crate) fn json_of(value: &Value, ty: &Type) -> Json {
    match (value, ty) {
        (Value::Null, _) => Json::Null,
        (Value::Bool(x), _) => json!(x),
        (Value::Int(x), Type::Timestamp) => json!(Instant(*x).to_string()),
        (Value::Int(x), Type::Duration) => json!(Micros(*x).to_string()),
        (Value::Int(x), Type::Date) => {
            let midnight = Instant(x.saturating_mul(Micros::DAY.0)).to_string();
            json!(midnight.split('T').next().unwrap_or(&midnight))
        }
        (Value::Int(x), _) => json!(x),
        (Value::Float(x), _) => json!(x),
        (Value::Decimal(x), Type::Decimal(_, scale)) => json!(decimal_text(*x, *scale)),
        (Value::Decimal(x), _) => json!(x.to_string()),
        (Value::Str(x), _) => json!(x.as_ref()),
        (Value::Bytes(x), _) => json!(hex_text(x)),
        (Value::List(items), Type::List(slot)) => items.iter().map(|item| json_of(item, &slot.ty)).collect(),
        (Value::List(items), _) => items.iter().map(|item| json_of(item, &Type::Float)).collect(),
        (Value::Map(pairs), Type::Map(key, slot)) => {
            Json::Object(pairs.iter().map(|(k, item)| (name(k, key), json_of(item, &slot.ty))).collect())
        }
        (Value::Struct(items), Type::Struct(fields)) => Json::Object(
            items
                .iter()
                .zip(fields)
                .map(|(item, (name, slot))| (name.clone(), json_of(item, &slot.ty)))
                .collect(),
        ),
        (Value::Map(_) | Value::Struct(_), other) => panic!("invariant: a value of type {other}"),
    }
}

fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn decimal_text(unscaled: i128, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_as_its_type_or_not_at_all() {
        assert_eq!(parse("-1.50", &Type::Decimal(12, 2)), Some(Value::Decimal(-150)));
        assert_eq!(parse("1.005", &Type::Decimal(12, 2)), None);
        assert_eq!(parse("NaN", &Type::Float), None);
        assert_eq!(parse("1970-01-03", &Type::Date), Some(Value::Int(2)));
        assert_eq!(parse("1970-01-01T00:00:00", &Type::Timestamp), None);
        assert_eq!(parse("0aff", &Type::Bytes), Some(Value::Bytes([10, 255].into())));
        assert_eq!(parse("1h30m", &Type::Duration), Some(Value::Int(5_400_000_000)));
        assert_eq!(parse("90", &Type::Duration), None);
    }

    #[test]
    fn values_are_shown_so_that_they_read_back() {
        let cases = [
            (Value::Float(0.1 + 0.2), Type::Float, "0.30000000000000004"),
            (Value::Decimal(-5), Type::Decimal(9, 2), "-0.05"),
            (Value::Int(0), Type::Timestamp, "1970-01-01T00:00:00Z"),
            (Value::Int(2), Type::Date, "1970-01-03"),
            (Value::Int(5_400_000_000), Type::Duration, "1h30m"),
            (Value::Null, Type::String, "null"),
            (Value::Str("null".into()), Type::String, "\"null\""),
            (Value::Str("\"a\"".into()), Type::String, "\"\\\"a\\\"\""),
            (Value::Str("\"".into()), Type::String, "\""),
        ];
        for (value, ty, text) in cases {
            assert_eq!(shown(&value, &ty), text);
            assert_eq!(parse(text, &ty), Some(value));
        }
    }
}
