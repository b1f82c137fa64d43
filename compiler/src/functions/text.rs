//! Functions of strings. Places and lengths count characters (Unicode scalar values), from 1.

use feat_kernel::types::{Slot, Type};
use unicode_normalization::UnicodeNormalization;

use super::operand::{Operand, bools, each, ints, texts};
use super::types::{arity, exactly, strict, text, unwritten, written};
use super::{Arg, Binding, Fault, Function, FunctionError, Kernel};

/// The longest string a function makes, in bytes: state and messages stay bounded.
const LONGEST: usize = 1 << 20;

pub(super) const FUNCTIONS: &[Function] = &[
    function("lower", "lower(s)", &["s"], "In lower case.", |args| map(args, str::to_lowercase)),
    function("upper", "upper(s)", &["s"], "In upper case.", |args| map(args, str::to_uppercase)),
    function(
        "initcap",
        "initcap(s)",
        &["s"],
        "Each word's first letter in upper case, the rest in lower case.",
        |args| map(args, initcap),
    ),
    function(
        "trim",
        "trim(s, chars)",
        &["s", "chars"],
        "Without spaces (or characters of `chars`) at both ends.",
        |args| trim(args, |s, set| s.trim_matches(set)),
    ),
    function("btrim", "btrim(s, chars)", &["s", "chars"], "The same as `trim`.", |args| {
        trim(args, |s, set| s.trim_matches(set))
    }),
    function("ltrim", "ltrim(s, chars)", &["s", "chars"], "`trim` at the beginning alone.", |args| {
        trim(args, |s, set| s.trim_start_matches(set))
    }),
    function("rtrim", "rtrim(s, chars)", &["s", "chars"], "`trim` at the end alone.", |args| {
        trim(args, |s, set| s.trim_end_matches(set))
    }),
    function("length", "length(s)", &["s"], "The number of characters.", |args| {
        measure(args, |s| s.chars().count() as i64)
    }),
    function("octet_length", "octet_length(s)", &["s"], "The number of bytes.", |args| {
        measure(args, |s| s.len() as i64)
    }),
    function("concat", "concat(a, b, …)", &[], "One behind the other; null where one is null.", concat),
    function(
        "concat_ws",
        "concat_ws(separator, a, b, …)",
        &[],
        "One behind the other with `separator` between; null where one is null.",
        concat_ws,
    ),
    function(
        "substr",
        "substr(s, start, length)",
        &["s", "start", "length"],
        "`length` characters (or the rest) from the `start`th, counted from 1; places outside `s` are empty.",
        substr,
    ),
    function(
        "left",
        "left(s, n)",
        &["s", "n"],
        "The first `n` characters; below 0, all but the last `-n`.",
        |args| {
            slice(args, |s, n| {
                let chars = s.chars().count();
                s.chars().take(from_end(n, chars)).collect()
            })
        },
    ),
    function(
        "right",
        "right(s, n)",
        &["s", "n"],
        "The last `n` characters; below 0, all but the first `-n`.",
        |args| {
            slice(args, |s, n| {
                let chars = s.chars().count();
                s.chars().skip(chars - from_end(n, chars)).collect()
            })
        },
    ),
    function(
        "lpad",
        "lpad(s, n, fill)",
        &["s", "n", "fill"],
        "`n` characters, filled or cut at the left end.",
        |args| pad(args, |s, fill| format!("{fill}{s}")),
    ),
    function(
        "rpad",
        "rpad(s, n, fill)",
        &["s", "n", "fill"],
        "`n` characters, filled or cut at the right end.",
        |args| pad(args, |s, fill| format!("{s}{fill}")),
    ),
    function("reverse", "reverse(s)", &["s"], "The characters from the last to the first.", |args| {
        map(args, |s| s.chars().rev().collect())
    }),
    function("repeat", "repeat(s, n)", &["s", "n"], "`s` `n` times; empty below 1.", repeat),
    function(
        "replace",
        "replace(s, from, to)",
        &["s", "from", "to"],
        "Every `from` replaced by `to`.",
        replace,
    ),
    function(
        "translate",
        "translate(s, from, to)",
        &["s", "from", "to"],
        "Each character of `from` replaced by the one at its place in `to`, or left out if there is none.",
        |args| three(args, translate),
    ),
    function(
        "split_part",
        "split_part(s, separator, n)",
        &["s", "separator", "n"],
        "The `n`th part, from 1 (from the end below 0); empty if there is none.",
        split_part,
    ),
    function(
        "strpos",
        "strpos(s, part)",
        &["s", "part"],
        "Where `part` begins, from 1; 0 if it does not occur.",
        |args| {
            two(args, Type::Int, |ops, rows| {
                let (s, part) = (ops[0].texts(), ops[1].texts());
                let place =
                    |s: &str, part: &str| s.find(part).map_or(0, |at| s[..at].chars().count() as i64 + 1);
                Ok(ints(each(ops, rows, |row| Ok(Some(place(s.at(row), part.at(row)))))?, &Type::Int))
            })
        },
    ),
    function(
        "starts_with",
        "starts_with(s, part)",
        &["s", "part"],
        "Whether `s` begins with `part`.",
        |args| test(args, |s, part| s.starts_with(part)),
    ),
    function("ends_with", "ends_with(s, part)", &["s", "part"], "Whether `s` ends with `part`.", |args| {
        test(args, |s, part| s.ends_with(part))
    }),
    function("contains", "contains(s, part)", &["s", "part"], "Whether `part` occurs in `s`.", |args| {
        test(args, |s, part| s.contains(part))
    }),
    function(
        "levenshtein",
        "levenshtein(a, b)",
        &["a", "b"],
        "How many characters must be added, removed or changed.",
        |args| {
            two(args, Type::Int, |ops, rows| {
                let (a, b) = (ops[0].texts(), ops[1].texts());
                Ok(ints(each(ops, rows, |row| Ok(Some(distance(a.at(row), b.at(row)) as i64)))?, &Type::Int))
            })
        },
    ),
    function("to_hex", "to_hex(n)", &["n"], "An `int` in base 16; below 0, of its 64 bits.", to_hex),
    function("chr", "chr(n)", &["n"], "The character of a code; null if there is none.", chr),
    function("ascii", "ascii(s)", &["s"], "The code of the first character; 0 of an empty string.", |args| {
        measure(args, |s| s.chars().next().map_or(0, |first| i64::from(u32::from(first))))
    }),
    function(
        "normalize_unicode",
        "normalize_unicode(s, form)",
        &["s", "form"],
        "In the normal form `\"NFC\"` (if not written), `\"NFD\"`, `\"NFKC\"` or `\"NFKD\"`.",
        normalize,
    ),
];

constructor!(function, Text);

fn map(args: &[Arg], f: fn(&str) -> String) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    text(args, 0)?;
    Ok(Binding {
        params: vec![Type::String],
        result: strict(args, Type::String),
        kernel: Kernel::own(move |ops, rows| {
            let s = ops[0].texts();
            Ok(texts(each(ops, rows, |row| Ok(Some(f(s.at(row)))))?))
        }),
    })
}

fn measure(args: &[Arg], f: fn(&str) -> i64) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    text(args, 0)?;
    Ok(Binding {
        params: vec![Type::String],
        result: strict(args, Type::Int),
        kernel: Kernel::own(move |ops, rows| {
            let s = ops[0].texts();
            Ok(ints(each(ops, rows, |row| Ok(Some(f(s.at(row)))))?, &Type::Int))
        }),
    })
}

fn two(
    args: &[Arg],
    result: Type,
    columns: impl Fn(&[Operand], usize) -> Result<arrow::array::ArrayRef, Fault> + Send + Sync + 'static,
) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    text(args, 0)?;
    text(args, 1)?;
    Ok(Binding {
        params: vec![Type::String, Type::String],
        result: strict(args, result),
        kernel: Kernel::own(columns),
    })
}

fn test(args: &[Arg], f: fn(&str, &str) -> bool) -> Result<Binding, FunctionError> {
    two(args, Type::Bool, move |ops, rows| {
        let (s, part) = (ops[0].texts(), ops[1].texts());
        Ok(bools(each(ops, rows, |row| Ok(Some(f(s.at(row), part.at(row)))))?))
    })
}

fn three(args: &[Arg], f: fn(&str, &str, &str) -> Result<String, Fault>) -> Result<Binding, FunctionError> {
    arity(args, 3..=3, "three arguments")?;
    (0..3).try_for_each(|index| text(args, index))?;
    Ok(Binding {
        params: vec![Type::String; 3],
        result: strict(args, Type::String),
        kernel: Kernel::own(move |ops, rows| {
            let (a, b, c) = (ops[0].texts(), ops[1].texts(), ops[2].texts());
            Ok(texts(each(ops, rows, |row| f(a.at(row), b.at(row), c.at(row)).map(Some))?))
        }),
    })
}

fn trim(args: &[Arg], f: for<'a> fn(&'a str, &[char]) -> &'a str) -> Result<Binding, FunctionError> {
    arity(args, 1..=2, "one or two arguments")?;
    (0..args.len()).try_for_each(|index| text(args, index))?;
    Ok(Binding {
        params: vec![Type::String; args.len()],
        result: strict(args, Type::String),
        kernel: Kernel::own(move |ops, rows| {
            let s = ops[0].texts();
            let set = ops.get(1).map(Operand::texts);
            let mut chars = vec![' '];
            Ok(texts(each(ops, rows, |row| {
                if let Some(set) = &set {
                    chars = set.at(row).chars().collect();
                }
                Ok(Some(f(s.at(row), &chars).to_owned()))
            })?))
        }),
    })
}

fn initcap(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    let mut inside = false;
    for c in s.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric();
    }
    out
}

fn joined(args: &[Arg], first: usize) -> Result<Binding, FunctionError> {
    if args.len() <= first {
        let expected = if first == 0 { "at least one argument" } else { "at least two arguments" };
        return Err(FunctionError::Arguments { expected: expected.into(), found: args.len() });
    }
    (0..args.len()).try_for_each(|index| text(args, index))?;
    Ok(Binding {
        params: vec![Type::String; args.len()],
        result: strict(args, Type::String),
        kernel: Kernel::own(move |ops, rows| {
            let parts: Vec<_> = ops.iter().map(Operand::texts).collect();
            Ok(texts(each(ops, rows, |row| {
                let separator = if first == 0 { "" } else { parts[0].at(row) };
                let parts: Vec<&str> = parts[first..].iter().map(|part| part.at(row)).collect();
                bounded(parts.join(separator)).map(Some)
            })?))
        }),
    })
}

fn concat(args: &[Arg]) -> Result<Binding, FunctionError> {
    joined(args, 0)
}

fn concat_ws(args: &[Arg]) -> Result<Binding, FunctionError> {
    joined(args, 1)
}

fn bounded(text: String) -> Result<String, Fault> {
    if text.len() <= LONGEST { Ok(text) } else { Err(too_long()) }
}

fn too_long() -> Fault {
    Fault("the string would be longer than 1 MiB".into())
}

fn substr(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=3, "two or three arguments")?;
    text(args, 0)?;
    (1..args.len()).try_for_each(|index| exactly(args, index, &Type::Int, "an int"))?;
    let mut params = vec![Type::String];
    params.resize(args.len(), Type::Int);
    Ok(Binding {
        params,
        result: strict(args, Type::String),
        kernel: Kernel::own(|ops, rows| {
            let (s, start, length) = (ops[0].texts(), ops[1].ints(), ops.get(2).map(Operand::ints));
            Ok(texts(each(ops, rows, |row| {
                // Characters before the first count toward the length, as in SQL.
                let start = i128::from(start.at(row));
                let end = length.as_ref().map_or(i128::MAX, |length| start + i128::from(length.at(row)));
                let first = start.max(1);
                let skip = usize::try_from(first - 1).unwrap_or(usize::MAX);
                let take = usize::try_from((end - first).max(0)).unwrap_or(usize::MAX);
                Ok(Some(s.at(row).chars().skip(skip).take(take).collect::<String>()))
            })?))
        }),
    })
}

/// How many of `chars` characters `n` means: below 0, all but `-n`.
fn from_end(n: i64, chars: usize) -> usize {
    let distance = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
    if n >= 0 { distance.min(chars) } else { chars.saturating_sub(distance) }
}

fn slice(args: &[Arg], f: fn(&str, i64) -> String) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    text(args, 0)?;
    exactly(args, 1, &Type::Int, "an int")?;
    Ok(Binding {
        params: vec![Type::String, Type::Int],
        result: strict(args, Type::String),
        kernel: Kernel::own(move |ops, rows| {
            let (s, n) = (ops[0].texts(), ops[1].ints());
            Ok(texts(each(ops, rows, |row| Ok(Some(f(s.at(row), n.at(row)))))?))
        }),
    })
}

fn pad(args: &[Arg], place: fn(&str, &str) -> String) -> Result<Binding, FunctionError> {
    arity(args, 2..=3, "two or three arguments")?;
    text(args, 0)?;
    exactly(args, 1, &Type::Int, "an int")?;
    let mut params = vec![Type::String, Type::Int];
    if args.len() == 3 {
        text(args, 2)?;
        params.push(Type::String);
    }
    Ok(Binding {
        params,
        result: strict(args, Type::String),
        kernel: Kernel::own(move |ops, rows| {
            let (s, n, fill) = (ops[0].texts(), ops[1].ints(), ops.get(2).map(Operand::texts));
            Ok(texts(each(ops, rows, |row| {
                let (s, n) = (s.at(row), usize::try_from(n.at(row)).unwrap_or(0));
                if n > LONGEST {
                    return Err(too_long());
                }
                let chars = s.chars().count();
                if chars >= n {
                    return Ok(Some(s.chars().take(n).collect()));
                }
                let fill = fill.as_ref().map_or(" ", |fill| fill.at(row));
                let fill: String = fill.chars().cycle().take(n - chars).collect();
                Ok(Some(place(s, &fill)))
            })?))
        }),
    })
}

fn repeat(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 2..=2, "two arguments")?;
    text(args, 0)?;
    exactly(args, 1, &Type::Int, "an int")?;
    Ok(Binding {
        params: vec![Type::String, Type::Int],
        result: strict(args, Type::String),
        kernel: Kernel::own(|ops, rows| {
            let (s, n) = (ops[0].texts(), ops[1].ints());
            Ok(texts(each(ops, rows, |row| {
                let (s, n) = (s.at(row), usize::try_from(n.at(row)).unwrap_or(0));
                match s.len().checked_mul(n) {
                    Some(length) if length <= LONGEST => Ok(Some(s.repeat(n))),
                    _ => Err(too_long()),
                }
            })?))
        }),
    })
}

fn replace(args: &[Arg]) -> Result<Binding, FunctionError> {
    three(args, |s, from, to| {
        // Nothing stands nowhere: an empty `from` is not found.
        if from.is_empty() { Ok(s.to_owned()) } else { bounded(s.replace(from, to)) }
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of functions of three strings")]
fn translate(s: &str, from: &str, to: &str) -> Result<String, Fault> {
    let to: Vec<char> = to.chars().collect();
    Ok(s.chars()
        .filter_map(|c| match from.chars().position(|known| known == c) {
            Some(place) => to.get(place).copied(),
            None => Some(c),
        })
        .collect())
}

fn split_part(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 3..=3, "three arguments")?;
    text(args, 0)?;
    text(args, 1)?;
    exactly(args, 2, &Type::Int, "an int")?;
    Ok(Binding {
        params: vec![Type::String, Type::String, Type::Int],
        result: strict(args, Type::String),
        kernel: Kernel::own(|ops, rows| {
            let (s, separator, n) = (ops[0].texts(), ops[1].texts(), ops[2].ints());
            Ok(texts(each(ops, rows, |row| {
                let (s, separator, n) = (s.at(row), separator.at(row), n.at(row));
                let parts: Vec<&str> =
                    if separator.is_empty() { vec![s] } else { s.split(separator).collect() };
                let place = usize::try_from(n.unsigned_abs()).ok().and_then(|n| n.checked_sub(1));
                let from_end = |place: usize| parts.len().checked_sub(place + 1);
                let part = place.and_then(|place| if n > 0 { Some(place) } else { from_end(place) });
                let part = part.and_then(|place| parts.get(place));
                Ok(Some(part.copied().unwrap_or_default().to_owned()))
            })?))
        }),
    })
}

fn to_hex(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    exactly(args, 0, &Type::Int, "an int")?;
    Ok(Binding {
        params: vec![Type::Int],
        result: strict(args, Type::String),
        kernel: Kernel::own(|ops, rows| {
            let n = ops[0].ints();
            Ok(texts(each(ops, rows, |row| Ok(Some(format!("{:x}", n.at(row)))))?))
        }),
    })
}

fn chr(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=1, "one argument")?;
    exactly(args, 0, &Type::Int, "an int")?;
    Ok(Binding {
        params: vec![Type::Int],
        result: Slot::nullable(Type::String),
        kernel: Kernel::own(|ops, rows| {
            let n = ops[0].ints();
            let letter = |n: i64| char::from_u32(u32::try_from(n).ok()?).map(String::from);
            Ok(texts(each(ops, rows, |row| Ok(letter(n.at(row))))?))
        }),
    })
}

fn normalize(args: &[Arg]) -> Result<Binding, FunctionError> {
    arity(args, 1..=2, "one or two arguments")?;
    text(args, 0)?;
    let form: fn(&str) -> String = match args.len() {
        2 => match written(args, 1, "a normal form that is written in the text")? {
            "NFC" => |s| s.nfc().collect(),
            "NFD" => |s| s.nfd().collect(),
            "NFKC" => |s| s.nfkc().collect(),
            "NFKD" => |s| s.nfkd().collect(),
            _ => return Err(unwritten(1, "`\"NFC\"`, `\"NFD\"`, `\"NFKC\"` or `\"NFKD\"`")),
        },
        _ => |s| s.nfc().collect(),
    };
    let binding = map(&args[..1], form)?;
    Ok(Binding { params: vec![Type::String; args.len()], ..binding })
}

/// How many characters must be added, removed or changed to make `b` of `a`.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
