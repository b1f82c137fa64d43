//! The reference of operators and functions, written from the table.

use std::fmt::Write;

use super::{Group, all};

/// The text of `docs/reference/functions.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Operators and functions\n\n\
         Written from the table in the compiler. A null argument gives null unless the sentence says otherwise; \
         a value that does not fit its type (an overflow, a strict cast) is an evaluation error of its row; \
         no function returns NaN, an infinity or `-0.0`. Functions of floats give the same bits on every platform.\n",
    );
    for (group, title) in [
        (Group::Operator, "Operators"),
        (Group::Math, "Math"),
        (Group::Text, "Strings"),
        (Group::Time, "Time"),
        (Group::Hash, "Hashes and encodings"),
        (Group::Nested, "Lists and maps"),
    ] {
        let _ = write!(out, "\n## {title}\n\n| written | meaning |\n| --- | --- |\n");
        for function in all().filter(|function| function.group == group) {
            let _ = writeln!(out, "| `{}` | {} |", function.usage, function.doc);
        }
    }
    out.push_str(
        "\n## Casts\n\n\
         | written | meaning |\n| --- | --- |\n\
         | `x as T` | The same value as a `T`; an evaluation error where it does not fit. |\n\
         | `try_cast(x, T)` | The same value as a `T`; null where it does not fit. |\n\n\
         `int` widens to `float` and `decimal`, `enum` to `string`, without being written. A number as `float` is the \
         nearest float; in every other cast nothing is rounded: `1.5 as int` does not fit, `round(1.5) as int` does.\n",
    );
    out
}
