//! Names, types and constants back to text.

use crate::ast::{Literal, Name, NamePart, Path, Pattern, TypeExpr, TypeKind};
use crate::parse::{UNITS, civil_from_days, is_reserved};

/// The text of a type.
pub(super) fn type_expr(ty: &TypeExpr) -> String {
    let base = match &ty.kind {
        TypeKind::Named(path) => self::path(path),
        TypeKind::List(item) => format!("list<{}>", type_expr(item)),
        TypeKind::Map(key, value) => format!("map<{}, {}>", type_expr(key), type_expr(value)),
        TypeKind::Embedding(length) => format!("embedding<{length}>"),
        TypeKind::Decimal(precision, scale) => format!("decimal({precision}, {scale})"),
        TypeKind::Enum(values) => format!("enum({})", join(values.iter().map(|value| string(&value.node)))),
        TypeKind::TimestampIn(zone) => format!("timestamp in {}", string(&zone.node)),
        TypeKind::Struct(fields) => braced(
            "struct ",
            fields.iter().map(|(name, ty)| format!("{}: {}", ident(&name.node), type_expr(ty))),
        ),
    };
    if ty.nullable { base + "?" } else { base }
}

fn path(path: &Path) -> String {
    let segments: Vec<String> = path.segments.iter().map(name).collect();
    segments.join(".")
}

pub(super) fn name(name: &Name) -> String {
    let [NamePart::Text(text)] = &*name.parts else {
        return name
            .parts
            .iter()
            .map(|part| match part {
                NamePart::Text(text) => text.clone(),
                NamePart::Hole(variable) => format!("{{{variable}}}"),
            })
            .collect();
    };
    ident(text)
}

/// A name, quoted where it must be.
pub(super) fn ident(name: &str) -> String {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let word = starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if word && !is_reserved(name) { name.to_owned() } else { format!("`{name}`") }
}

pub(super) fn pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Any => "_".to_owned(),
        Pattern::Values(values) => {
            let values: Vec<String> = values.iter().map(|value| literal(&value.node)).collect();
            values.join(" | ")
        }
    }
}

pub(super) fn literal(literal: &Literal) -> String {
    match literal {
        Literal::Int(value) => value.to_string(),
        Literal::Fraction(digits) => digits.clone(),
        Literal::String(text) => string(text),
        Literal::Bool(value) => value.to_string(),
        Literal::Null => "null".to_owned(),
        Literal::Duration(micros) => duration(*micros),
        Literal::Instant(micros) => instant(*micros),
        Literal::Date(days) => date(i64::from(*days)),
        Literal::Percent(digits) => format!("{digits}%"),
    }
}

fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.extend(c.escape_unicode()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A duration in the fewest units: `1h30m`.
pub(super) fn duration(micros: i64) -> String {
    if micros == 0 {
        return "0s".to_owned();
    }
    let mut text = if micros < 0 { "-".to_owned() } else { String::new() };
    let mut rest = micros.unsigned_abs();
    // Days are how long windows are named; only whole weeks would shorten them.
    for (unit, length) in UNITS.iter().skip(1) {
        let count = rest / length.unsigned_abs();
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(unit);
            rest %= length.unsigned_abs();
        }
    }
    text
}

fn date(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

fn instant(micros: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    format!("{}T{clock}{}Z", date(days), fraction.trim_end_matches('0'))
}

pub(super) fn join(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    parts.join(", ")
}

pub(super) fn braced(before: &str, parts: impl Iterator<Item = String>) -> String {
    let inside = join(parts);
    if inside.is_empty() { format!("{before}{{}}") } else { format!("{before}{{ {inside} }}") }
}
